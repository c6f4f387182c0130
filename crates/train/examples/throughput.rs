//! How fast the trainer and the decider run on this machine, and what bounds them.
//!
//! `TIRESIAS_SMOLLM2=… cargo run --release -p tiresias-train --example throughput -- [--threads 2] [--arithmetic f32,amx,avx512] [--examples 8] [--rounds 5]`
//!
//! Rates are the best of a few rounds, by the clock and by the processor's time: on a busy machine the second one means more. Arithmetics
//! take turns in each round, so that the machine's moods meet all of them. bf16 goes by its kernels' names.

use std::path::Path;
use std::time::Instant;

use clap::Parser as _;
use tiresias_train::base::{Base, Module};
use tiresias_train::bf16::Kernel;
use tiresias_train::decide::Decider;
use tiresias_train::events::peak_rss_bytes;
use tiresias_train::gradient::{Example, Trainer};
use tiresias_train::lora::Lora;
use tiresias_train::qlora::Qlora;
use tiresias_train::work;

fn main() {
    let model = std::env::var_os("TIRESIAS_SMOLLM2").expect("TIRESIAS_SMOLLM2 names the base model");
    let Arguments { threads, examples, arithmetic, rounds } = Arguments::parse();
    let kernel = |name: &String| (name != "f32").then(|| name.parse::<Kernel>().expect("f32 or a kernel"));
    let arithmetics: Vec<Option<Kernel>> = arithmetic.iter().map(kernel).collect();
    let name = |bf16: Option<Kernel>| bf16.map_or("f32", Kernel::name);
    let pool = || rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
    let base = Base::load(Path::new(&model), None).expect("the base model loads");

    let lora = Lora::new(&base.shape, base.layers.len(), 16, 32.0, &Module::ALL);
    let parameters = lora.initial(0);
    let ids: Vec<u32> = (0..250).map(|i| 32 + (3 * i * i + i) % 10).collect();
    let labels = ids.iter().enumerate().map(|(i, &id)| (i % 25 == 24).then_some(id)).collect();
    let example = Example { ids, labels };
    let batch = vec![&example; examples];
    let tokens = examples * example.ids.len();
    let flops = work::necessary_flops(&base.shape, base.layers.len(), &lora, &batch);
    pool().install(|| {
        let peak = work::peak_gflops();
        println!(
            "{threads} threads, f32 matmul peak {peak:.0} GFLOP/s; its floor {:.0} tokens/s",
            peak * 1e9 * tokens as f64 / flops
        );
        for checkpointing in [true, false] {
            let trainer = |&bf16: &_| Trainer::new(Qlora { base: &base, lora: &lora, bf16 }, 250, checkpointing);
            let trainers: Vec<_> = arithmetics.iter().map(trainer).collect();
            let mut gradient = Vec::new();
            let mut rates: Vec<Rate> = arithmetics.iter().map(|_| Rate::default()).collect();
            for _ in 0..rounds {
                for (trainer, rate) in trainers.iter().zip(&mut rates) {
                    rate.measure(tokens, || {
                        trainer.loss_and_gradient(&parameters, &batch, &mut gradient);
                    });
                }
            }
            for (rate, &bf16) in rates.iter().zip(&arithmetics) {
                let activations = if checkpointing { "recomputing" } else { "keeping" };
                let share = 100.0 * rate.clock * flops / tokens as f64 / 1e9 / peak;
                println!(
                    "train, {}, {activations} activations: {rate}; {share:.0} % of the peak; {}",
                    name(bf16),
                    memory()
                );
            }
        }
    });

    let contexts = vec![(0..400).map(|i| 32 + (7 * i * i + i) % 10).collect::<Vec<u32>>(); 64];
    let tokens = vec![vec![33, 28, 34, 32, 198, 35, 28, 33]; 64];
    drop(base);
    for bf16 in arithmetics {
        let base = Base::load(Path::new(&model), None).expect("the base model loads");
        let mut decider = Decider::new(base, Some((lora.clone(), parameters.clone())), bf16, pool());
        let name = name(bf16);
        let mut sessions = Vec::new();
        let rate = best(1, 64 * 400, || sessions = decider.open(&contexts, &[32, 33, 34]).expect("opens").0);
        println!("decide, {name}, 64 contexts of 400: {rate}; {}", memory());
        let rate = best(4, 64 * 8, || drop(decider.extend(&sessions, &tokens).expect("extends")));
        println!("decide, {name}, 64 extensions by 8: {rate}; {}", memory());
        let rate = best(8, 8, || drop(decider.extend(&sessions[..1], &tokens[..1]).expect("extends")));
        println!("decide, {name}, 1 extension by 8: {rate}");
    }
}

#[derive(clap::Parser)]
struct Arguments {
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Of 250 tokens each.
    #[arg(long, default_value_t = 8)]
    examples: usize,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[arg(long, value_delimiter = ',', default_value = "f32")]
    arithmetic: Vec<String>,
}

#[derive(Default)]
struct Rate {
    clock: f64,
    processor: f64,
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:.0} tokens/s by the clock, {:.0} a processor-second", self.clock, self.processor)
    }
}

impl Rate {
    /// Measures once more; the best counts.
    fn measure(&mut self, tokens: usize, run: impl FnOnce()) {
        let (clock, processor) = (Instant::now(), processor_seconds());
        run();
        self.clock = self.clock.max(tokens as f64 / clock.elapsed().as_secs_f64());
        self.processor = self.processor.max(tokens as f64 / (processor_seconds() - processor));
    }
}

fn best(rounds: usize, tokens: usize, mut run: impl FnMut()) -> Rate {
    let mut rate = Rate::default();
    (0..rounds).for_each(|_| rate.measure(tokens, &mut run));
    rate
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
