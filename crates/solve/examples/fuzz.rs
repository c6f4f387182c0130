//! Feeds broken files to every reader for some time and tells of panics, slow answers and large ones.
//!
//! `cargo run --release -p tiresias-solve --example fuzz -- SECONDS SEED FILE…`
//!
//! Each file is a model; of a small POMDP the policies in every format are broken too. A case is one to eight changes to a file:
//! bytes, words of the formats, numbers out of range, lines taken out, doubled or moved, pieces of the other files. It is made of
//! the seed and its number alone, so whatever is found can be made again: it is written to `fuzz-NUMBER.SUFFIX`. The test-suites do
//! the same, for a shorter time, to files of their own.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tiresias_model::format::{FormatError, ReadOptions, read};
use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Kind, Model, Policy};
use tiresias_solve::formats::{AlphaPolicy, PolicyFileError, PolicyFormat};
use tiresias_solve::{Limits, Search, Solution, Solver, no_hook};

/// An answer that takes longer is told of, beyond what the whole file takes.
const SLOW: Duration = Duration::from_secs(1);
/// So is a peak of the process's memory that is higher than all before by so many bytes for each of the text.
const LARGE: usize = 100;

/// A file to break, and what it is read with.
struct Subject {
    name: String,
    bytes: Vec<u8>,
    /// `None` for a model file.
    policy_of: Option<Model>,
    /// How long reading it takes when it is whole.
    whole: Duration,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |what: &str| arguments.next().and_then(|text| text.parse::<u64>().ok()).expect(what);
    let (seconds, seed) = (number("how many seconds"), number("a seed"));
    let subjects: Vec<Subject> = arguments.flat_map(|path| subjects(&path)).collect();
    let names: Vec<&str> = subjects.iter().map(|subject| subject.name.as_str()).collect();
    println!("{} files: {}", subjects.len(), names.join(" "));
    // Panics are told of below, with their case.
    std::panic::set_hook(Box::new(|_| {}));
    let begin = Instant::now();
    let (mut case, mut read, mut refused, mut found, mut peak) = (0_u64, 0_u64, 0_u64, 0, peak_bytes());
    while begin.elapsed() < Duration::from_secs(seconds) {
        let mut random = Key::named(seed, &["fuzz"], &[case]).sequence();
        let subject = pick(&mut random, &subjects);
        let bytes = broken(&mut random, subject, &subjects);
        let start = Instant::now();
        let answer = catch_unwind(AssertUnwindSafe(|| answer(subject, &bytes)));
        let took = start.elapsed();
        let problem = match answer {
            Err(panic) => Some(format!("panic: {}", panic.downcast_ref::<String>().cloned().unwrap_or_default())),
            Ok(Err(problem)) => Some(problem),
            Ok(Ok(true)) => {
                read += 1;
                None
            }
            Ok(Ok(false)) => {
                refused += 1;
                None
            }
        };
        let slow = (took > SLOW + 2 * subject.whole).then(|| format!("{took:?}, whole {:?}", subject.whole));
        let now = peak_bytes();
        let large = (now > peak + LARGE * bytes.len() + (1 << 26)).then(|| format!("a peak of {} MB", now >> 20));
        peak = peak.max(now);
        for problem in [problem, slow, large].into_iter().flatten() {
            let suffix = subject.name.rsplit('.').next().unwrap_or_default();
            let kept = format!("fuzz-{case}.{suffix}");
            println!("case {case}, {}: {problem} ({kept})", subject.name);
            std::fs::write(kept, &bytes).expect("the folder can be written to");
            found += 1;
        }
        case += 1;
    }
    println!("{case} cases: {read} read, {refused} refused; {found} findings; peak {} MB", peak >> 20);
}

/// A model file and, of a small POMDP, its policies.
fn subjects(path: &str) -> Vec<Subject> {
    let bytes = std::fs::read(path).expect(path);
    let options = ReadOptions { horizon: None, ..ReadOptions::default() };
    let start = Instant::now();
    let model = read(path, &bytes, &options).unwrap_or_else(|error| panic!("{error}")).model;
    let mut subjects = vec![Subject { name: path.into(), bytes, policy_of: None, whole: start.elapsed() }];
    if model.kind() == Kind::Pomdp && model.states().len() < 100 {
        let limits = Limits { gap: 1.0, time: Some(Duration::from_millis(300)), ..Limits::default() };
        let solution = Search::default().solve(&model, &limits, &no_hook).expect("a POMDP is solved");
        let vectors = AlphaPolicy::from_solved(&solution.policy).expect("the search makes vectors");
        let formats = [("alpha", PolicyFormat::Alpha), ("pg", PolicyFormat::Graph), ("policy", PolicyFormat::Sarsop)];
        let mut files = vec![("tiresias", solution.save())];
        for (suffix, format) in formats {
            if let Ok(mut texts) = vectors.write(format, &model) {
                files.push((suffix, texts.remove(0).into_bytes()));
            }
        }
        subjects.extend(files.into_iter().map(|(suffix, bytes)| Subject {
            name: format!("{path}.{suffix}"),
            bytes,
            policy_of: Some(model.clone()),
            whole: Duration::ZERO,
        }));
    }
    for subject in &mut subjects {
        let start = Instant::now();
        assert_eq!(answer(subject, &subject.bytes), Ok(true), "{} is whole", subject.name);
        subject.whole = start.elapsed();
    }
    subjects
}

/// Small files come up more often: they take less time.
fn pick<'s>(random: &mut Sequence, subjects: &'s [Subject]) -> &'s Subject {
    let weight = |subject: &Subject| 1.0 / (1e-4 + subject.whole.as_secs_f64());
    let total: f64 = subjects.iter().map(weight).sum();
    let mut left = random.uniform() * total;
    let stop = |subject: &&Subject| {
        left -= weight(subject);
        left < 0.0
    };
    subjects.iter().find(stop).unwrap_or(&subjects[0])
}

/// Whether the bytes were read; what is wrong with the answer otherwise.
fn answer(subject: &Subject, bytes: &[u8]) -> Result<bool, String> {
    let fits = |message: &str, located: bool| {
        let fits = !message.is_empty() && message.lines().count() <= 24 && message.len() < 8000;
        if fits && located { Ok(false) } else { Err(format!("a message that is long or says no place: {message}")) }
    };
    let Some(model) = &subject.policy_of else {
        return match read(&subject.name, bytes, &ReadOptions::default()) {
            Ok(loaded) => {
                let model = loaded.model;
                let sums = model.start().iter().sum::<f64>();
                if (sums - 1.0).abs() < 1e-9 { Ok(true) } else { Err(format!("a start that sums to {sums}")) }
            }
            Err(error) => fits(&error.to_string(), matches!(error, FormatError::Text(_))),
        };
    };
    let acts = |policy: &dyn Policy| {
        let action = policy.action(0, model.start());
        if action < model.actions().len() { Ok(true) } else { Err(format!("action {action}")) }
    };
    if subject.name.ends_with(".tiresias") {
        return match Solution::load(bytes, model) {
            Ok(solution) => acts(&solution.policy),
            Err(error) => fits(&error.to_string(), true),
        };
    }
    match AlphaPolicy::read(&[(&subject.name, &String::from_utf8_lossy(bytes))], None, model) {
        Ok(policy) => acts(&policy),
        Err(error) => fits(&error.to_string(), !matches!(error, PolicyFileError::Unsupported(_))),
    }
}

const WORDS: &[&str] = &[
    ":",
    "*",
    "0",
    "1",
    "-1",
    "0.5",
    "1e400",
    "1e-400",
    "1e308",
    "nan",
    "-inf",
    "999999999",
    "4294967296",
    "33554432",
    "uniform",
    "identity",
    "reset",
    "T:",
    "O:",
    "R:",
    "E:",
    "states:",
    "start:",
    "start include:",
    "#",
    "\n",
    "\r",
    "\0",
    "\u{feff}",
    "é",
    "<",
    ">",
    "</",
    "/>",
    "&",
    "\"",
    "<!--",
    "]]>",
    "&#0;",
    "{",
    "}",
    "[",
    "]",
    ",",
    "null",
    "true",
    "-",
    "<Entry>",
    "<Node var=\"",
    "<SubDAG type=\"template\" idref=\"t\"/>",
    "action=\"9\"",
    "obsValue=\"9\"",
    "X",
];

/// One to eight changes to a file.
fn broken(random: &mut Sequence, subject: &Subject, others: &[Subject]) -> Vec<u8> {
    // Our own policies have a checksum, which hides what is behind it: it is made to fit again in half of the cases.
    let sealed = subject.name.ends_with(".tiresias") && random.uniform() < 0.5;
    let body = subject.bytes.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let mut bytes = if sealed { subject.bytes[body..].to_vec() } else { subject.bytes.clone() };
    for _ in 0..random.integer(1, 8) {
        if bytes.is_empty() {
            break;
        }
        let below = |random: &mut Sequence, len: usize| (random.uniform() * len as f64) as usize;
        let at = below(random, bytes.len());
        let line = |at: usize, bytes: &[u8]| {
            let start = bytes[..at].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
            let end = bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |i| at + i + 1);
            start..end
        };
        match random.integer(0, 9) {
            0 => bytes[at] = random.integer(0, 255) as u8,
            1 => bytes.insert(at, random.integer(0, 255) as u8),
            2 => drop(bytes.remove(at)),
            3 => drop(bytes.drain(line(at, &bytes))),
            4 => {
                let range = line(at, &bytes);
                let copy = bytes[range.clone()].to_vec();
                let times = random.integer(1, 3) as usize;
                bytes.splice(range.end..range.end, copy.repeat(times));
            }
            5 => {
                let moved: Vec<u8> = bytes.drain(line(at, &bytes)).collect();
                let to = below(random, bytes.len() + 1);
                bytes.splice(to..to, moved);
            }
            6 => bytes.truncate(at),
            7 => {
                let other = &others[below(random, others.len())].bytes;
                let from = below(random, other.len());
                let piece = &other[from..(from + 1 + below(random, 200)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            kind => {
                // A word in front of another one, or in its place.
                let word = WORDS[below(random, WORDS.len())].as_bytes();
                let is_end = |b: &u8| b.is_ascii_whitespace() || b"<>:,[]{}\"".contains(b);
                let end = if kind == 8 { 0 } else { bytes[at..].iter().position(is_end).unwrap_or(0) };
                bytes.splice(at..at + end, word.iter().copied());
            }
        }
    }
    if sealed {
        let sum = Sha256::digest(&bytes).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let header = String::from_utf8_lossy(&subject.bytes[..body]);
        let old = header.split("\"body\":\"").nth(1).map_or("", |rest| &rest[..64]);
        let mut whole = header.replace(old, &sum).into_bytes();
        whole.extend(bytes);
        return whole;
    }
    bytes
}

/// The most memory this process has had.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok()).unwrap_or(0) << 10
}
