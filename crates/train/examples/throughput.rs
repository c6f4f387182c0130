//! How fast the trainer and the decider run on this machine, and what bounds them.
//!
//! `TIRESIAS_SMOLLM2=… cargo run --release -p tiresias-train --example throughput [threads]`
//!
//! Rates are the best of a few rounds, by the clock and by the processor's time: on a busy machine the second one means more.

use std::path::Path;
use std::time::Instant;

use tiresias_train::base::{Base, Module};
use tiresias_train::decide::Decider;
use tiresias_train::events::peak_rss_bytes;
use tiresias_train::gradient::{Example, Trainer};
use tiresias_train::lora::Lora;
use tiresias_train::qlora::Qlora;
use tiresias_train::work;

fn main() {
    let model = std::env::var_os("TIRESIAS_SMOLLM2").expect("TIRESIAS_SMOLLM2 names the base model");
    let threads: usize = std::env::args().nth(1).map_or(2, |n| n.parse().expect("a number of threads"));
    let pool = || rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
    let base = Base::load(Path::new(&model), None).expect("the base model loads");

    let lora = Lora::new(&base.shape, base.layers.len(), 16, 32.0, &Module::ALL);
    let parameters = lora.initial(0);
    let ids: Vec<u32> = (0..250).map(|i| 32 + (3 * i * i + i) % 10).collect();
    let labels = ids.iter().enumerate().map(|(i, &id)| (i % 25 == 24).then_some(id)).collect();
    let example = Example { ids, labels };
    let batch = [&example; 8];
    let flops = work::necessary_flops(&base.shape, base.layers.len(), &lora, &batch);
    for checkpointing in [true, false] {
        let trainer = Trainer::new(Qlora { base: &base, lora: &lora }, 250, checkpointing);
        let mut gradient = Vec::new();
        pool().install(|| {
            trainer.loss_and_gradient(&parameters, &batch, &mut gradient);
            let peak = work::peak_gflops();
            println!("{threads} threads, matmul peak {peak:.0} GFLOP/s; floor {:.0} tokens/s", peak * 2000e9 / flops);
            let rate = measure(5, 2000, || {
                trainer.loss_and_gradient(&parameters, &batch, &mut gradient);
            });
            let share = rate.clock * flops / 2000.0 / 1e9 / peak;
            let name = if checkpointing { "recomputing" } else { "keeping" };
            println!("train, {name} activations: {rate}; {:.0} % of the peak; {}", 100.0 * share, memory());
        });
    }

    let mut decider = Decider::new(base, Some((lora, parameters)), pool());
    let contexts = vec![(0..400).map(|i| 32 + (7 * i * i + i) % 10).collect::<Vec<u32>>(); 64];
    let mut sessions = Vec::new();
    let rate = measure(1, 64 * 400, || sessions = decider.open(&contexts, &[32, 33, 34]).expect("opens").0);
    println!("decide, 64 contexts of 400: {rate}; {}", memory());
    let tokens = vec![vec![33, 28, 34, 32, 198, 35, 28, 33]; 64];
    let rate = measure(4, 64 * 8, || drop(decider.extend(&sessions, &tokens).expect("extends")));
    println!("decide, 64 extensions by 8: {rate}; {}", memory());
    let rate = measure(8, 8, || drop(decider.extend(&sessions[..1], &tokens[..1]).expect("extends")));
    println!("decide, 1 extension by 8: {rate}");
}

struct Rate {
    clock: f64,
    processor: f64,
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:.0} tokens/s by the clock, {:.0} a processor-second", self.clock, self.processor)
    }
}

/// The best of some rounds.
fn measure(rounds: usize, tokens: usize, mut run: impl FnMut()) -> Rate {
    let mut best = Rate { clock: 0.0, processor: 0.0 };
    for _ in 0..rounds {
        let (clock, processor) = (Instant::now(), processor_seconds());
        run();
        best.clock = best.clock.max(tokens as f64 / clock.elapsed().as_secs_f64());
        best.processor = best.processor.max(tokens as f64 / (processor_seconds() - processor));
    }
    best
}

/// User and system time of all threads, from Linux's hundredths of seconds.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn memory() -> String {
    format!("peak {} MiB", peak_rss_bytes() >> 20)
}
