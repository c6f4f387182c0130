//! Exact solving of model files: value, vectors and seconds.
//!
//! `cargo run --release -p tiresias-solve --example exact_rate -- [--threads N] [--time S] FILE:H…`, each FILE a model file of
//! any format that is read and H a horizon (or `inf:GAP` for none). A time limit makes a row's bounds wide, never wrong.

use std::time::Duration;

use tiresias_model::Model;
use tiresias_model::format::ReadOptions;
use tiresias_solve::{Exact, Limits, Solver, no_hook};

fn main() {
    let mut limits = Limits { gap: 0.0, threads: 2, ..Limits::default() };
    let mut everywhere = false;
    println!("{:16} {:>6} {:>18} {:>9} {:>8} {:>9}  stopped", "model", "H", "value", "gap", "vectors", "seconds");
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|n| n.parse::<f64>().ok()).expect("a number");
        match argument.as_str() {
            "--threads" => limits.threads = number() as usize,
            "--time" => limits.time = Some(Duration::from_secs_f64(number())),
            "--everywhere" => everywhere = true,
            task => row(task, everywhere, &limits),
        }
    }
}

fn row(task: &str, everywhere: bool, limits: &Limits) {
    let (file, rest) = task.split_once(':').expect("FILE:H");
    let model = Model::from_file(file, &ReadOptions::default()).unwrap_or_else(|e| panic!("{file}: {e}")).model;
    let mut builder = model.to_builder();
    let mut limits = limits.clone();
    match rest.strip_prefix("inf:") {
        Some(gap) => {
            builder.horizon = None;
            limits.gap = gap.parse().expect("a gap");
        }
        None => builder.horizon = Some(rest.parse().expect("a horizon")),
    }
    let model = builder.build().unwrap_or_else(|e| panic!("{file}: {e}"));
    let solution = Exact { everywhere }.solve(&model, &limits, &no_hook).unwrap_or_else(|e| panic!("{file}: {e}"));
    println!(
        "{:16} {:>6} {:>18.12} {:>9.1e} {:>8} {:>9.3}  {} after {} stages",
        model.name(),
        model.horizon().map_or("inf".into(), |h| h.to_string()),
        solution.value(),
        solution.gap(),
        solution.stats.vectors,
        solution.stats.seconds,
        solution.stopped.name(),
        solution.stats.iterations,
    );
}
