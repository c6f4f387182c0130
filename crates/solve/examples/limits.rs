//! Whether limits hold: by how much a solve is longer than its time, and how the memory that it takes compares with its limit.
//!
//! `cargo run --release -p tiresias-solve --example limits -- [--solver NAME] [--horizon N] MODEL…`
//!
//! A model is a file or a classic problem by name. Each measurement is a process of its own. Times are by the clock, from the
//! model read to the solution returned. Memory is the growth of the largest resident set over the resident set with the
//! model read, in units of the limit: 1.00 is exact, and a run that ended for another reason is told in brackets.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use tiresias_model::Model;
use tiresias_model::classic::by_name;
use tiresias_model::format::ReadOptions;
use tiresias_solve::{Estimate, Exact, Faces, Limits, Plans, Search, Solver, auto, no_hook};

const SECONDS: [f64; 4] = [0.1, 0.5, 1.0, 3.0];
const MEBIBYTES: [usize; 3] = [50, 100, 200];
/// A run for memory ends after so long at the latest.
const PATIENCE: f64 = 60.0;

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--one") {
        return one(&arguments[1..]);
    }
    let mut option = |name: &str, default: &str| match arguments.iter().position(|argument| argument == name) {
        Some(at) => arguments.drain(at..at + 2).next_back().expect("a value"),
        None => default.to_string(),
    };
    let (solver, horizon) = (option("--solver", "point"), option("--horizon", "0"));
    let heads = SECONDS.map(|s| format!("{s} s")).into_iter().chain(MEBIBYTES.map(|m| format!("{m} MiB")));
    println!("| {solver} | load | {} |", heads.collect::<Vec<_>>().join(" | "));
    println!("| --- |{}", " --- |".repeat(1 + SECONDS.len() + MEBIBYTES.len()));
    for name in &arguments {
        let run = |seconds: f64, mebibytes: usize| {
            let itself = std::env::current_exe().expect("a program has a path");
            let limits = [seconds.to_string(), mebibytes.to_string()];
            let output = Command::new(itself).args(["--one", name, &solver, &horizon]).args(limits).output();
            let output = output.expect("the program runs once more");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let words: Vec<String> = text.split_whitespace().map(String::from).collect();
            assert!(output.status.success() && words.len() == 4, "{}", String::from_utf8_lossy(&output.stderr));
            words
        };
        let mut cells = Vec::new();
        for seconds in SECONDS {
            let words = run(seconds, 0);
            let over = words[1].parse::<f64>().expect("seconds") - seconds;
            cells.extend((cells.is_empty()).then(|| words[0].clone()));
            cells.push(if words[3] == "time" { format!("{over:+.3}") } else { format!("({})", words[3]) });
        }
        for mebibytes in MEBIBYTES {
            let words = run(PATIENCE, mebibytes);
            let share = words[2].parse::<f64>().expect("bytes") / (mebibytes << 20) as f64;
            cells.push(match words[3].as_str() {
                "memory" => format!("{share:.2}"),
                other => format!("{share:.2} ({other})"),
            });
        }
        println!("| {} | {} |", name.rsplit('/').next().unwrap_or(name), cells.join(" | "));
    }
}

/// One measurement: seconds to load, seconds to solve, bytes of growth, why it stopped.
fn one(arguments: &[String]) {
    let [name, solver, horizon, seconds, mebibytes] = arguments else { panic!("name, solver, horizon and two limits") };
    let begin = Instant::now();
    let horizon = horizon.parse().ok().filter(|&horizon: &usize| horizon > 0);
    let model = if fs::exists(name).unwrap_or(false) {
        let options = ReadOptions { horizon, ..ReadOptions::default() };
        Model::from_file(name, &options).unwrap_or_else(|error| panic!("{error}")).model
    } else {
        let mut parts = by_name(name).unwrap_or_else(|error| panic!("{error}")).to_builder();
        parts.horizon = horizon;
        parts.build().unwrap_or_else(|error| panic!("{error}"))
    };
    let load = begin.elapsed();
    let solver: Box<dyn Solver> = match solver.as_str() {
        "point" => Box::new(Search::default()),
        "exact" => Box::new(Exact::default()),
        "plans" => Box::new(Plans::default()),
        "faces" => Box::new(Faces::default()),
        "estimate" => Box::new(Estimate::default()),
        _ => auto(&model),
    };
    let mebibytes: usize = mebibytes.parse().expect("mebibytes");
    let limits = Limits {
        gap: 0.0,
        time: Some(Duration::from_secs_f64(seconds.parse().expect("seconds"))),
        memory: (mebibytes > 0).then_some(mebibytes << 20),
        ..Limits::default()
    };
    // The peak from here on.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let (before, begin) = (kilobytes("VmRSS:"), Instant::now());
    let solution = solver.solve(&model, &limits, &no_hook).unwrap_or_else(|error| panic!("{error}"));
    let took = begin.elapsed().as_secs_f64();
    let growth = kilobytes("VmHWM:").saturating_sub(before) << 10;
    println!("{:.3} {took} {growth} {}", load.as_secs_f64(), solution.stopped.name());
}

fn kilobytes(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
