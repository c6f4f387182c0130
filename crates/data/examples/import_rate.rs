//! How long a CSV file of many steps takes to become trajectories: `import_rate FILE SCHEMA [THREADS]`, or `import_rate --make FILE STEPS`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use tiresias_data::logs::{Schema, import};
use tiresias_model::random::Key;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [make, file, steps] if make == "--make" => write(file, steps.parse().expect("a number of steps")),
        [file, schema, threads @ ..] => {
            let schema = Schema::from_json(&fs::read_to_string(schema).expect("a schema")).expect("a schema");
            let threads = threads.first().map_or(0, |threads| threads.parse().expect("a number of threads"));
            let start = Instant::now();
            let read = import(Path::new(file), &schema, threads, &|_| ControlFlow::Continue(()))
                .unwrap_or_else(|error| panic!("{error}"));
            let seconds = start.elapsed().as_secs_f64();
            let peak = peak_bytes();
            println!(
                "{{\"steps\": {}, \"seconds\": {seconds:.3}, \"stepsPerSecond\": {:.0}, \"fileBytes\": {}, \"columnBytes\": {}, \"peakBytes\": {peak}}}",
                read.report.steps,
                read.report.steps as f64 / seconds,
                fs::metadata(file).map_or(0, |file| file.len()),
                read.trajectories.bytes()
            );
        }
        _ => panic!("usage: import_rate FILE SCHEMA [THREADS], or import_rate --make FILE STEPS"),
    }
}

/// Records of ten steps an episode: a number, a word, an action, a reward and a propensity.
fn write(file: &str, steps: u64) {
    let mut out = BufWriter::new(File::create(file).expect("a file"));
    writeln!(out, "patient,visit,pressure,grade,treatment,reward,propensity").expect("room");
    let mut random = Key::named(1, &["import-rate"], &[]).sequence();
    let mut below = |n: u32| random.integer(0, n - 1);
    for step in 0..steps {
        writeln!(
            out,
            "p{},{},{}.{},grade-{},{},{}.{},0.{}",
            step / 10,
            step % 10,
            80 + below(100),
            below(10),
            below(5),
            ["none", "a", "b"][below(3) as usize],
            below(4),
            below(100),
            1 + below(9)
        )
        .expect("room");
    }
}

/// The most memory that the process has had, where the system says.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}
