//! Solvers of large MDPs: time to build, time a sweep against its floor, time to a proven gap.
//!
//! `cargo run --release -p tiresias-solve --example mdp_rate [states] [random|local] [discount] [gap] [--json]`
//!
//! The floor of a sweep is what it has to read: 12 bytes an entry (a column of 4 and a probability of 8) and 12 a row (reward and
//! offset), streamed from memory, and one value of 8 bytes for every entry, wherever in the value vector it lies. Both are measured
//! here, in turns with the sweeps and on the same arrays: the stream by adding up 1.3 GB, the gathers by adding up values in the
//! kernel's own order of columns, less the time to stream those. Their sum is the floor of a machine that does one after the other.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, Space};
use tiresias_solve::{Limits, ModifiedPolicyIteration, Solution, Solver, ValueIteration, no_hook};

const ACTIONS: usize = 10;
const SUCCESSORS: usize = 10;
const ROUNDS: usize = 9;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--json").collect();
    let json = std::env::args().any(|a| a == "--json");
    let number = |i: usize, default: f64| arguments.get(i).map_or(default, |a| a.parse().expect("a number"));
    let (states, discount, gap) = (number(0, 1e6) as usize, number(2, 0.95), number(3, 1e-3));
    let local = arguments.get(1).is_some_and(|kind| kind == "local");

    let start = Instant::now();
    let model = model(states, local, discount);
    let build = start.elapsed().as_secs_f64();
    let built = peak_memory();
    let kernel = &model.dynamics()[0].transition;
    let bytes = (12 * kernel.entries() + 12 * kernel.rows()) as f64;

    let (mut stream, mut gather, mut one, mut two) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // The kernel's own arrays, copied, because a kernel shows no more than one row at a time.
    let columns: Vec<u32> = (0..kernel.rows()).flat_map(|r| kernel.row(r).0).copied().collect();
    let probabilities: Vec<f64> = (0..kernel.rows()).flat_map(|r| kernel.row(r).1).copied().collect();
    let values: Vec<f64> = (0..states).map(|s| s as f64).collect();
    for _ in 0..ROUNDS {
        let (streaming, columns, gathering) = floor(&columns, &probabilities, &values);
        stream.push(streaming);
        gather.push(gathering - columns);
        one.push(sweep(&model, 1));
        two.push(sweep(&model, 2));
    }
    let [stream, gather, one, two] = [stream, gather, one, two].map(fastest);
    let solved: Vec<(Solution, usize)> = [1, 2]
        .into_iter()
        .flat_map(|threads| {
            let limits = Limits { threads, ..Limits::with_gap(gap) };
            let solvers: [&dyn Solver; 2] = [&ValueIteration, &ModifiedPolicyIteration::default()];
            solvers.map(|solver| (solver.solve(&model, &limits, &no_hook).expect("an MDP"), threads))
        })
        .collect();

    if json {
        let solves: Vec<serde_json::Value> = solved
            .iter()
            .map(|(s, threads)| {
                serde_json::json!({"solver": s.stats.solver, "threads": threads, "seconds": s.stats.seconds,
                    "iterations": s.stats.iterations, "lower": s.lower, "upper": s.upper})
            })
            .collect();
        let out = serde_json::json!({"states": states, "entries": kernel.entries(), "kind": if local { "local" } else { "random" },
            "discount": discount, "gap": gap, "buildSeconds": build, "buildPeakBytes": built, "kernelBytes": bytes,
            "streamSeconds": stream, "gatherSeconds": gather, "sweepSeconds": one, "sweepSecondsTwoThreads": two, "solves": solves});
        println!("{out}");
        return;
    }
    println!("{states} states, {ACTIONS} actions, {} entries: {:.2} GB a sweep", kernel.entries(), bytes / 1e9);
    println!("built in {build:.2} s, peak memory {:.2} GB", built as f64 / 1e9);
    println!(
        "floor: stream {:.1} ms ({:.1} GB/s) + gathers {:.1} ms",
        stream * 1e3,
        bytes / stream / 1e9,
        gather * 1e3
    );
    println!("sweep, one thread: {:.1} ms, {:.2} of the floor", one * 1e3, one / (stream + gather));
    println!("sweep, two threads: {:.1} ms, {:.2} times as fast", two * 1e3, one / two);
    for (s, threads) in &solved {
        let (stats, name) = (&s.stats, s.stats.solver);
        println!(
            "{name}, {threads} threads: {:.2} s, {} sweeps, [{}, {}]",
            stats.seconds, stats.iterations, s.lower, s.upper
        );
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): the peers' scripts draw the same model from it.
fn hash(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Every row has one successor in each tenth of the states (or, when `local`, of the 1,000 states that follow, round the end),
/// with a weight from 1 to 1024; rewards are uniform in [0, 1).
fn model(states: usize, local: bool, discount: f64) -> Model {
    let rows = ACTIONS * states;
    let mut kernel = Kernel::with_capacity(states, rows, rows * SUCCESSORS);
    let share = if local { 100 } else { states / SUCCESSORS };
    for row in 0..rows {
        let draws: [u64; SUCCESSORS] = std::array::from_fn(|j| hash((row * SUCCESSORS + j) as u64));
        let weight = |draw: u64| ((draw & 1023) + 1) as f64;
        let sum: f64 = draws.iter().map(|&draw| weight(draw)).sum();
        kernel.push_row(draws.iter().enumerate().map(|(j, &draw)| {
            let ahead = j * share + (draw >> 32) as usize % share;
            let next = if local { (row % states + ahead) % states } else { ahead };
            (next, weight(draw) / sum)
        }));
    }
    let reward =
        (0..rows).map(|row| (hash((rows * SUCCESSORS + row) as u64) >> 11) as f64 / (1u64 << 53) as f64).collect();
    let mut start = vec![0.0; states];
    start[0] = 1.0;
    ModelBuilder {
        name: "large".into(),
        states: Space::unnamed("states", states).expect("some"),
        actions: Space::unnamed("actions", ACTIONS).expect("some"),
        observations: None,
        reward: Reward::StateAction(reward),
        start,
        discount,
        horizon: None,
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition: kernel, observation: None }],
        alpha: 1.0,
        ambiguity: None,
    }
    .build()
    .expect("rows sum to 1")
}

/// Seconds a sweep: what four sweeps take more than one, so that starting and finishing do not count.
fn sweep(model: &Model, threads: usize) -> f64 {
    let seconds = |sweeps: u64| {
        let limits = Limits { threads, ..Limits::with_gap(0.0) };
        let stop = |p: &tiresias_solve::Progress| {
            if p.iterations >= sweeps { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let start = processor_seconds();
        let solved = ValueIteration.solve(model, &limits, &stop).expect("an MDP").stats.seconds;
        if threads == 1 { processor_seconds() - start } else { solved }
    };
    (seconds(4) - seconds(1)) / 3.0
}

/// Processor seconds of this thread: what others do on the machine meanwhile counts only through the caches they share.
fn processor_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// Seconds to stream a sweep's bytes, to stream the columns alone, and to stream those and gather the values they name.
fn floor(columns: &[u32], probabilities: &[f64], values: &[f64]) -> (f64, f64, f64) {
    let rows = columns.len() / SUCCESSORS;
    let timed = |work: &dyn Fn() -> f64| {
        let start = processor_seconds();
        black_box(work());
        processor_seconds() - start
    };
    let add = |numbers: &[f64]| {
        let mut sums = [0.0; 16];
        for chunk in numbers.chunks_exact(16) {
            sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x);
        }
        sums.iter().sum::<f64>()
    };
    let xor = |numbers: &[u32]| {
        let mut sums = [0; 32];
        for chunk in numbers.chunks_exact(32) {
            sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum ^= x);
        }
        f64::from(sums.iter().fold(0, |x, y| x ^ y))
    };
    let gather = || {
        let mut sums = [0.0; 8];
        for chunk in columns.chunks_exact(8) {
            sums.iter_mut().zip(chunk).for_each(|(sum, &s)| *sum += values[s as usize]);
        }
        sums.iter().sum::<f64>()
    };
    let streaming = timed(&|| add(probabilities) + add(&probabilities[..rows]) + xor(columns) + xor(&columns[..rows]));
    (streaming, timed(&|| xor(columns)), timed(&gather))
}

/// The fastest of several rounds: what others do on the machine meanwhile only ever adds.
fn fastest(seconds: Vec<f64>) -> f64 {
    seconds.into_iter().fold(f64::INFINITY, f64::min)
}

/// The most memory this process has held, in bytes; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).map_or(0, |kb: u64| kb * 1024)
}
