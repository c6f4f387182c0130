//! Feeds broken files to readers and tells of panics, answers that take long or much memory, and messages that say too little.
//!
//! A case is one to eight changes to a whole file: bytes, whole words and numbers of its grammar, lengths in binary headers, lines
//! taken out, doubled or moved, pieces of other files, the end cut off. It is made of the seed and its number alone, so whatever is
//! found can be made again.

mod change;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

pub use change::{Random, broken};

/// An answer that takes longer is told of, beyond what the whole file takes.
const SLOW: Duration = Duration::from_secs(1);
/// So is a peak of the process's memory that is higher than all before by so many bytes for each of the file, beyond [`ROOM`].
const LARGE: usize = 100;
/// Memory that any answer may take.
const ROOM: usize = 1 << 26;

/// What a reader made of a file: whether it was read (else refused), or what is wrong with the answer.
pub type Answer = Result<bool, String>;

/// What reads a file.
type Reader = dyn Fn(&[u8]) -> Answer;

/// A whole file, and what reads it.
pub struct Subject {
    name: String,
    bytes: Vec<u8>,
    read: Box<Reader>,
    mend: Option<fn(Vec<u8>) -> Vec<u8>>,
    whole: Duration,
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After so many cases.
    Cases(u64),
    /// After so much time of the processor.
    Processor(Duration),
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Files that were read or refused.
    pub cases: u64,
    /// Those that were read all the same.
    pub read: u64,
    /// Those that made a reader panic.
    pub panics: u64,
    /// What readers did that they must not do, panics included; with the case's number and file.
    pub findings: Vec<String>,
    /// Time of the processor.
    pub processor: Duration,
}

impl Subject {
    /// A file that `read` reads as it is. `name` has the suffix of its kind.
    ///
    /// Panics when the whole file is not read.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>, read: impl Fn(&[u8]) -> Answer + 'static) -> Self {
        let (name, start) = (name.into(), Instant::now());
        assert_eq!(read(&bytes), Ok(true), "{name} is whole");
        Self { name, bytes, read: Box::new(read), mend: None, whole: start.elapsed() }
    }

    /// Half of the broken files are passed through `mend`: it makes a checksum fit again, which else hides what is behind it.
    #[must_use]
    pub fn mended(mut self, mend: fn(Vec<u8>) -> Vec<u8>) -> Self {
        self.mend = Some(mend);
        self
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Breaks `subjects` until it is time; `found` gets each finding with the file that led to it.
pub fn fuzz(subjects: &[Subject], seed: u64, until: Until, mut found: impl FnMut(&str, &str, &[u8])) -> Report {
    let files: Vec<&[u8]> = subjects.iter().map(|subject| &*subject.bytes).collect();
    let begin = processor_time();
    let (mut report, mut peak) = (Report::default(), peak_bytes());
    // Panics are told of below, with their case.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    loop {
        report.processor = processor_time().saturating_sub(begin);
        let over = match until {
            Until::Cases(cases) => report.cases >= cases,
            Until::Processor(time) => report.processor >= time,
        };
        if over {
            break;
        }
        let mut random = Random::new(seed, report.cases);
        let subject = pick(&mut random, subjects);
        let mut bytes = broken(&mut random, &subject.bytes, &files);
        if let Some(mend) = subject.mend.filter(|_| random.below(2) == 0) {
            bytes = mend(bytes);
        }
        let (start, on_processor) = (Instant::now(), processor_time());
        let answer = catch_unwind(AssertUnwindSafe(|| (subject.read)(&bytes)));
        // A busy machine is not the reader's fault.
        let took = start.elapsed().min(processor_time().saturating_sub(on_processor));
        let problem = match answer {
            Err(panic) => {
                report.panics += 1;
                let words = panic.downcast_ref::<String>().cloned();
                let words = words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                Some(format!("panic: {}", words.unwrap_or_default()))
            }
            Ok(Err(problem)) => Some(problem),
            Ok(Ok(read)) => {
                report.read += u64::from(read);
                None
            }
        };
        let slow = (took > SLOW + 2 * subject.whole).then(|| format!("{took:?}, whole {:?}", subject.whole));
        let now = peak_bytes();
        let large = (now > peak + LARGE * bytes.len() + ROOM).then(|| format!("a peak of {} MB", now >> 20));
        peak = peak.max(now);
        for problem in [problem, slow, large].into_iter().flatten() {
            let finding = format!("case {}, {}: {problem}", report.cases, subject.name);
            let suffix = subject.name.rsplit('.').next().unwrap_or_default();
            found(&finding, &format!("fuzz-{}.{suffix}", report.cases), &bytes);
            report.findings.push(finding);
        }
        report.cases += 1;
    }
    std::panic::set_hook(hook);
    report
}

/// The program around [`fuzz`]: `--seconds N` of the processor (60), `--seed N` (1); what remains are files for `subjects`. Findings are
/// printed and their files kept beside; the exit status is 1 when there are any.
pub fn run(subjects: impl FnOnce(&[String]) -> Vec<Subject>) {
    let (mut seconds, mut seed, mut files) = (60_u64, 1_u64, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number =
            || arguments.next().and_then(|text| text.parse().ok()).expect("a whole number after the option");
        match &*argument {
            "--seconds" => seconds = number(),
            "--seed" => seed = number(),
            _ => files.push(argument),
        }
    }
    let subjects = subjects(&files);
    println!("{} files: {}", subjects.len(), subjects.iter().map(Subject::name).collect::<Vec<_>>().join(" "));
    let report = fuzz(&subjects, seed, Until::Processor(Duration::from_secs(seconds)), |finding, name, bytes| {
        println!("{finding} ({name})");
        std::fs::write(name, bytes).expect("the folder can be written to");
    });
    let Report { cases, read, panics, findings, processor } = report;
    println!(
        "{cases} cases: {read} read, {} refused; {panics} panics, {} findings; {:.0} processor seconds; peak {} MB",
        cases - read,
        findings.len(),
        processor.as_secs_f64(),
        peak_bytes() >> 20
    );
    std::process::exit(i32::from(!findings.is_empty()));
}

/// Whether a message that refuses a file can be read on a screen.
pub fn refused(message: &str) -> Answer {
    let fits = !message.is_empty() && message.lines().count() <= 24 && message.len() < 8000;
    if fits { Ok(false) } else { Err(format!("a message that is empty or long: {message}")) }
}

/// Small files come up more often: they take less time.
fn pick<'s>(random: &mut Random, subjects: &'s [Subject]) -> &'s Subject {
    let weight = |subject: &Subject| 1.0 / (1e-4 + subject.whole.as_secs_f64());
    let mut left = random.uniform() * subjects.iter().map(weight).sum::<f64>();
    let stop = |subject: &&Subject| {
        left -= weight(subject);
        left < 0.0
    };
    subjects.iter().find(stop).unwrap_or(&subjects[0])
}

/// What this thread has had of the processor.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default())
}

/// The most memory this process has had.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok()).unwrap_or(0) << 10
}
