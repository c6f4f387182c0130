//! Whole shards, tasks to file: examples a second, and the same bytes written by nothing but `write`.
//!
//! `cargo run --release -p tiresias-study --example shard_rate -- [examples] [examples-per-task] [threads] [format]`
//!
//! The energy family's MDPs, K = 5, H = 10, every column, zstd. The tokenizer is the model that `TIRESIAS_SMOLLM2` names, else the
//! compact vocabulary.

use std::env;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use tiresias_encode::{BpeTokenizer, CompactTokenizer, Tokenizer};
use tiresias_model::family::{Regime, family};
use tiresias_study::{ShardReport, Spec, default_template, make_shard};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |i: usize, default: usize| arguments.get(i).map_or(Ok(default), |text| text.parse());
    let (examples, per_task, threads) = (number(0, 100_000)?, number(1, 8)?, number(2, 2)?);
    let formats = arguments.get(3).map_or(vec!["parquet", "jsonl"], |format| vec![format.as_str()]);
    let tokenizer: Box<dyn Tokenizer> = match env::var("TIRESIAS_SMOLLM2") {
        Ok(path) => Box::new(BpeTokenizer::from_gguf(Path::new(&path))?),
        Err(_) => Box::new(CompactTokenizer::new(&[default_template(family("energy")?.as_ref(), Regime::Mdp)])?),
    };
    let folder = tempfile::tempdir()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    println!("{examples} examples, {per_task} a task, {threads} threads, tokenizer {}", tokenizer.name());
    println!(
        "{:>7} {:>12} {:>10} {:>12} {:>10}  best of 3",
        "format", "examples/s", "MB/s", "bytes each", "floor/rate"
    );
    for format in formats {
        let spec = Spec::from_json(&format!(
            r#"{{"family":"energy","split":"train","seed":1,"regime":"mdp","horizon":10,"format":"{format}",
                "support":{{"trajectories":5,"behaviour":"oracle"}},"query":{{"behaviour":"epsilon:0.1"}},
                "tasks":{},"examplesPerTask":{per_task}}}"#,
            examples / per_task
        ))?;
        let path = folder.path().join(format);
        let mut seconds = f64::INFINITY;
        let mut report = ShardReport::default();
        for _ in 0..3 {
            report = pool.install(|| make_shard(&spec, tokenizer.as_ref(), &path, &|_| ControlFlow::Continue(())))?;
            seconds = seconds.min(report.seconds);
        }
        let rate = report.examples as f64 / seconds;
        let floor = report.examples as f64 / write_again(&path)?;
        println!(
            "{format:>7} {rate:>12.0} {:>10.1} {:>12.1} {:>10.2}",
            report.bytes as f64 / seconds / 1e6,
            report.bytes as f64 / report.examples as f64,
            floor / rate
        );
    }
    Ok(())
}

/// Seconds to write and sync the same bytes; the best of three.
fn write_again(path: &Path) -> Result<f64, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let mut seconds = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        let mut file = fs::File::create(path.with_extension("floor"))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    Ok(seconds)
}
