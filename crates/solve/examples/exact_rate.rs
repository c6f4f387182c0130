//! Exact solving of model files: value, proven gap, vectors and seconds; or another solver on the same tasks, to compare.
//!
//! `cargo run --release -p tiresias-solve --example exact_rate -- [--json] [--threads N] [--time S] [--memory MB] [--solver NAME] [--everywhere]
//! FILE:H[:GAP]…`, each FILE a model file of any format that is read, H a horizon or `inf`, GAP the gap to ask for (0 unless told).
//! NAME is `exact` (the default), `search`, `faces` or `auto`. A limit makes a row's bounds wide, never wrong. Processor seconds are
//! those of all threads while solving.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tiresias_model::Model;
use tiresias_model::format::ReadOptions;
use tiresias_solve::{Exact, Faces, Limits, Search, Solver, auto, no_hook};

struct Options {
    json: bool,
    everywhere: bool,
    solver: String,
    limits: Limits,
}

fn main() {
    let limits = Limits { gap: 0.0, threads: 2, ..Limits::default() };
    let mut options = Options { json: false, everywhere: false, solver: "exact".into(), limits };
    let (mut tasks, mut arguments) = (Vec::new(), std::env::args().skip(1));
    while let Some(argument) = arguments.next() {
        let mut text = || arguments.next().unwrap_or_else(|| panic!("{argument} takes a value"));
        let number =
            |text: String| text.parse::<f64>().unwrap_or_else(|_| panic!("{argument}: {text} is not a number"));
        match argument.as_str() {
            "--json" => options.json = true,
            "--everywhere" => options.everywhere = true,
            "--solver" => options.solver = text(),
            "--threads" => options.limits.threads = number(text()) as usize,
            "--time" => options.limits.time = Some(Duration::from_secs_f64(number(text()))),
            "--memory" => options.limits.memory = Some((number(text()) * 1e6) as usize),
            _ => tasks.push(argument),
        }
    }
    if !options.json {
        println!(
            "{:16} {:>6} {:>18} {:>9} {:>8} {:>9} {:>9}  solver, stopped",
            "model", "H", "value", "gap", "vectors", "seconds", "processor"
        );
    }
    tasks.iter().for_each(|task| row(task, &options));
}

fn row(task: &str, options: &Options) {
    let mut parts = task.split(':');
    let (file, horizon) = (parts.next().unwrap_or_default(), parts.next().expect("FILE:H"));
    let mut limits = options.limits.clone();
    if let Some(gap) = parts.next() {
        limits.gap = gap.parse().expect("a gap");
    }
    let read = Model::from_file(file, &ReadOptions::default()).unwrap_or_else(|e| panic!("{file}: {e}")).model;
    let mut builder = read.to_builder();
    builder.horizon = (horizon != "inf").then(|| horizon.parse().expect("a horizon"));
    let model = builder.build().unwrap_or_else(|e| panic!("{file}: {e}"));
    let solver: Box<dyn Solver> = match options.solver.as_str() {
        "exact" => Box::new(Exact { everywhere: options.everywhere, ..Exact::default() }),
        "search" => Box::new(Search::default()),
        "faces" => Box::new(Faces::default()),
        "auto" => auto(&model),
        other => panic!("--solver {other}: exact, search, faces or auto"),
    };
    let before = processor_seconds();
    let solution = solver.solve(&model, &limits, &no_hook).unwrap_or_else(|e| panic!("{file}: {e}"));
    let processor = processor_seconds() - before;
    let (stats, stopped) = (&solution.stats, solution.stopped.name());
    if options.json {
        println!(
            "{}",
            serde_json::json!({
                "problem": std::path::Path::new(file).file_name().map(|n| n.to_string_lossy()), "horizon": model.horizon(),
                "value": solution.value(), "lower": solution.lower, "upper": solution.upper, "gap": solution.gap(),
                "seconds": stats.seconds, "processorSeconds": processor, "threads": limits.threads, "stages": stats.iterations,
                "vectors": stats.vectors, "solver": stats.solver, "stopped": stopped, "start": model.start(),
            })
        );
        return;
    }
    println!(
        "{:16} {horizon:>6} {:>18.12} {:>9.1e} {:>8} {:>9.3} {processor:>9.3}  {}, {stopped} after {}",
        model.name(),
        solution.value(),
        solution.gap(),
        stats.vectors,
        stats.seconds,
        stats.solver,
        stats.iterations,
    );
}

/// What all threads of this process have had so far, those that ended included.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}
