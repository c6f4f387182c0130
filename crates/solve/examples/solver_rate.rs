//! Bounds and seconds of the point-based solver on the classic discounted problems.
//!
//! `cargo run --release -p tiresias-solve --example solver_rate -- FOLDER [--json] [--time SECONDS] [--only TEXT]...`
//!
//! The folder holds the problems' files, which are not part of this project; those that are missing are left out. The first ten
//! are solved to a gap of 1e-3, the others as far as the time goes (30 s unless told). One line a problem: the name, the bounds,
//! the gap, wall and processor seconds (this process's), trials, vectors and points.

use std::path::PathBuf;
use std::time::Duration;

use tiresias_model::Model;
use tiresias_solve::{Limits, Search, Solver, no_hook};

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
    let (mut json, mut seconds, mut only) = (false, 30.0, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = true,
            "--time" => seconds = arguments.next().and_then(|n| n.parse().ok()).expect("--time takes seconds"),
            "--only" => only.push(arguments.next().expect("--only takes part of a name")),
            _ => folder = Some(PathBuf::from(argument)),
        }
    }
    let folder = folder.expect("the first argument is the folder of the model files");
    if !json {
        println!(
            "problem                      lower        upper         gap    wall    cpu   trials  vectors  points  stopped"
        );
    }
    for name in CLOSED.iter().chain(&OPEN) {
        let path = folder.join(name);
        if !path.exists() || !(only.is_empty() || only.iter().any(|part| name.contains(part.as_str()))) {
            continue;
        }
        let model = match Model::from_file(&path, &tiresias_model::format::ReadOptions::default()) {
            Ok(loaded) => loaded.model,
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        let limits = Limits { time: Some(Duration::from_secs_f64(seconds)), ..Limits::with_gap(1e-3) };
        let before = processor_seconds();
        // The figures are about the bounds at the start: no trials for beliefs that only a perturbed execution meets.
        let search = Search { explore: 0, most_trials: u64::MAX };
        let solution = search.solve(&model, &limits, &no_hook).expect("the model has observations");
        let processor = processor_seconds() - before;
        let (stats, stopped) = (solution.stats, solution.stopped.name());
        if json {
            println!(
                "{}",
                serde_json::json!({
                    "problem": name, "lower": solution.lower, "upper": solution.upper, "gap": solution.gap(),
                    "seconds": stats.seconds, "processorSeconds": processor, "trials": stats.iterations,
                    "vectors": stats.vectors, "points": stats.points, "stopped": stopped,
                })
            );
        } else {
            println!(
                "{name:22} {:12.5} {:12.5} {:11.5} {:7.3} {:6.2} {:8} {:8} {:7}  {stopped}",
                solution.lower,
                solution.upper,
                solution.gap(),
                stats.seconds,
                processor,
                stats.iterations,
                stats.vectors,
                stats.points
            );
        }
    }
}

/// User and system time of this process, from Linux's /proc; 0 elsewhere.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
