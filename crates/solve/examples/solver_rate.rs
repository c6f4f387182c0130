//! Bounds and seconds of the point-based solver on the classic discounted problems.
//!
//! `cargo run --release -p tiresias-solve --example solver_rate -- FOLDER [--json] [--time SECONDS] [--threads N] [--only TEXT]...`
//!
//! The folder holds the problems' files, which are not part of this project; those that are missing are left out. The first ten
//! are solved to a gap of 1e-3, the others as far as the time goes (30 s unless told). One line a problem: the name, the bounds,
//! the gap, wall and processor seconds (this process's), trials, backups, vectors and points; in JSON also the seconds that reading
//! the file and the first bounds took, and the bounds on the way.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tiresias_model::Model;
use tiresias_solve::{Limits, Progress, Search, Solver};

/// Solved to a gap of 1e-3.
const CLOSED: [&str; 10] = [
    "tiger.95.pomdp",
    "cheese.95.pomdp",
    "shuttle.95.pomdp",
    "mini-hall2.pomdp",
    "hanks.95.pomdp",
    "web-ad.pomdp",
    "RockSample_4_4.pomdp",
    "4x3.95.pomdp",
    "heavenhell_gym.pomdp",
    "4x5x2.95.pomdp",
];
/// Bounds after the time.
const OPEN: [&str; 10] = [
    "network.pomdp",
    "tiger-grid.pomdp",
    "hallway.pomdp",
    "hallway2.pomdp",
    "aloha.10.pomdp",
    "tag-avoid.pomdp",
    "TagAvoid.pomdpx",
    "RockSample_5_5.pomdp",
    "RockSample_7_8.pomdpx",
    "underwaterNav.pomdp",
];

fn main() {
    let mut folder = None;
    let (mut json, mut seconds, mut threads, mut only) = (false, 30.0, 1, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = true,
            "--time" => seconds = arguments.next().and_then(|n| n.parse().ok()).expect("--time takes seconds"),
            "--threads" => threads = arguments.next().and_then(|n| n.parse().ok()).expect("--threads takes a number"),
            "--only" => only.push(arguments.next().expect("--only takes part of a name")),
            _ => folder = Some(PathBuf::from(argument)),
        }
    }
    let folder = folder.expect("the first argument is the folder of the model files");
    if !json {
        println!(
            "problem                      lower        upper         gap    wall    cpu   trials  backups  vectors  points  stopped"
        );
    }
    for name in CLOSED.iter().chain(&OPEN) {
        let path = folder.join(name);
        if !path.exists() || !(only.is_empty() || only.iter().any(|part| name.contains(part.as_str()))) {
            continue;
        }
        let reading = Instant::now();
        let model = match Model::from_file(&path, &tiresias_model::format::ReadOptions::default()) {
            Ok(loaded) => loaded.model,
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        let load = reading.elapsed().as_secs_f64();
        let limits = Limits { time: Some(Duration::from_secs_f64(seconds)), threads, ..Limits::with_gap(1e-3) };
        let before = processor_seconds();
        // The figures are about the bounds at the start: no trials for beliefs that only a perturbed execution meets.
        let search = Search { explore: 0, most_trials: u64::MAX };
        // A report of the bounds whenever the time has grown by a fiftieth.
        let trace: RefCell<Vec<(f64, f64, f64)>> = RefCell::default();
        let hook = |p: &Progress| {
            let (mut trace, now) = (trace.borrow_mut(), p.elapsed.as_secs_f64());
            if trace.last().is_none_or(|last| now > 1.02 * last.0) {
                trace.push((now, p.lower, p.upper));
            }
            ControlFlow::Continue(())
        };
        let solution = search.solve(&model, &limits, &hook).expect("the model has observations");
        let processor = processor_seconds() - before;
        let (stats, stopped) = (solution.stats, solution.stopped.name());
        if json {
            println!(
                "{}",
                serde_json::json!({
                    "problem": name, "lower": solution.lower, "upper": solution.upper, "gap": solution.gap(),
                    "loadSeconds": load, "startUpSeconds": stats.start_up, "seconds": stats.seconds,
                    "processorSeconds": processor, "trials": stats.iterations, "backups": stats.backups,
                    "vectors": stats.vectors, "points": stats.points, "stopped": stopped, "trace": trace.into_inner(),
                })
            );
        } else {
            println!(
                "{name:22} {:12.5} {:12.5} {:11.5} {:7.3} {:6.2} {:8} {:8} {:8} {:7}  {stopped}",
                solution.lower,
                solution.upper,
                solution.gap(),
                stats.seconds,
                processor,
                stats.iterations,
                stats.backups,
                stats.vectors,
                stats.points
            );
        }
    }
}

/// The time that the threads of this process have had a processor, from Linux's /proc; 0 elsewhere.
fn processor_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of = |path: PathBuf| -> Option<f64> {
        let figures = std::fs::read_to_string(path.join("schedstat")).ok()?;
        Some(figures.split_whitespace().next()?.parse::<f64>().ok()? * 1e-9)
    };
    tasks.filter_map(|task| of(task.path())).sum()
}
