//! Solvers of large MDPs: time to build, time a sweep against its floor, time to a proven gap; robust ones too.
//!
//! `cargo run --release -p tiresias-solve --example mdp_rate [states] [random|local] [discount] [gap] [--json]`
//!
//! The floor of a sweep is what it has to read: 12 bytes an entry (a column of 4 and a probability of 8) and 12 a row (reward and
//! offset), streamed from memory, and one value of 8 bytes for every entry, wherever in the value vector it lies. Both are measured
//! here, in turns with the sweeps and on the same arrays: the stream by adding up the bytes, the gathers by adding up values in the
//! kernel's own order of columns, less the time to stream those. Their sum is the floor of a machine that does one after the other.
//!
//! Solvers leave out actions that cannot be best, so a sweep is timed on the same kernel with rewards that hang on the state alone,
//! where hardly any can be left out; `rows` says how many were read.
//!
//! Times of one thread are processor seconds, so that a busy machine counts only through the caches and the memory that it shares.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use tiresias_model::{Ambiguity, Dynamics, Kernel, Model, ModelBuilder, Reward, Space, Support};
use tiresias_solve::{Limits, ModifiedPolicyIteration, Solution, Solver, ValueIteration, no_hook};

const ACTIONS: usize = 10;
const SUCCESSORS: usize = 10;
const ROUNDS: usize = 3;
const RADIUS: f64 = 0.2;

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
    let (entries, rows) = (kernel.entries(), kernel.rows());
    let bytes = (12 * entries + 12 * rows) as f64;
    // The kernel's own arrays, copied, because a kernel shows no more than one row at a time.
    let columns: Vec<u32> = (0..rows).flat_map(|r| kernel.row(r).0).copied().collect();
    let probabilities: Vec<f64> = (0..rows).flat_map(|r| kernel.row(r).1).copied().collect();
    let values: Vec<f64> = (0..states).map(|s| s as f64).collect();

    let mut out = Vec::new();
    let (mut stream, mut gather) = (f64::INFINITY, f64::INFINITY);
    let mut measure = |name: &'static str, ambiguity: Option<Ambiguity>| {
        let (mut one, mut two) = ((f64::INFINITY, 0.0), (f64::INFINITY, 0.0));
        let mut parts = model.to_builder();
        parts.ambiguity = ambiguity;
        let flat = (0..rows).map(|row| model.expected_reward(0)[row % states]).collect();
        let reward = std::mem::replace(&mut parts.reward, Reward::StateAction(flat));
        let flat = parts.build().expect("a radius");
        // The fastest of several rounds: what others do on the machine meanwhile only ever adds.
        for _ in 0..ROUNDS {
            let (streaming, reading, gathering) = floor(&columns, &probabilities, &values);
            (stream, gather) = (stream.min(streaming), gather.min(gathering - reading));
            for (least, threads) in [(&mut one, 1), (&mut two, 2)] {
                let now = sweep(&flat, threads);
                *least = if now.0 < least.0 { now } else { *least };
            }
        }
        let mut parts = flat.to_builder();
        drop(flat);
        parts.reward = reward;
        out.push((name, one, two, solves(&parts.build().expect("a radius"), gap)));
    };
    measure("mdp", None);
    for support in [Support::Nominal, Support::All] {
        let name = if support == Support::All { "l1, any state" } else { "l1, nominal support" };
        measure(name, Some(Ambiguity::L1 { radius: vec![RADIUS; rows], support }));
    }

    if json {
        let models: Vec<_> = out.iter().map(|(name, one, two, solves)| {
            let solves: Vec<_> = solves.iter().map(|(s, threads, processor)| {
                serde_json::json!({"solver": s.stats.solver, "threads": threads, "seconds": s.stats.seconds,
                    "processorSeconds": processor, "iterations": s.stats.iterations, "fullSweeps": s.stats.backups as f64 / rows as f64, "lower": s.lower, "upper": s.upper})
            }).collect();
            serde_json::json!({"model": name, "sweepProcessorSeconds": one.0, "sweepRows": one.1, "ofFloor": one.0 / (stream + gather),
                "sweepSecondsTwoThreads": two.0, "solves": solves})
        }).collect();
        let out = serde_json::json!({"peer": "tiresias", "states": states, "entries": entries,
            "kind": if local { "local" } else { "random" }, "discount": discount, "gap": gap, "radius": RADIUS,
            "buildSeconds": build, "buildPeakBytes": built, "kernelBytes": bytes, "peakBytes": peak_memory(),
            "streamSeconds": stream, "gatherSeconds": gather, "models": models});
        println!("{out}");
        return;
    }
    println!("{states} states, {ACTIONS} actions, {entries} entries: {:.2} GB a sweep", bytes / 1e9);
    println!("built in {build:.2} s, peak memory {:.2} GB", built as f64 / 1e9);
    let (speed, rest) = (bytes / stream / 1e9, gather * 1e3);
    println!("floor: stream {:.1} ms ({speed:.1} GB/s) + gathers {rest:.1} ms", stream * 1e3);
    for (name, one, two, solves) in &out {
        let (ms, of) = (one.0 * 1e3, one.0 / (stream + gather));
        println!("{name}: sweep on one thread {ms:.1} ms, {of:.2} of the floor, {:.2} of the rows", one.1);
        println!("{name}: sweep on two threads {:.1} ms of wall time", two.0 * 1e3);
        for (Solution { stats, lower, upper, .. }, threads, processor) in solves {
            let (solver, seconds, sweeps) = (stats.solver, stats.seconds, stats.iterations);
            println!(
                "  {solver}, {threads} threads: {seconds:.2} s ({processor:.2} s of processor), {sweeps} sweeps, {} full, [{lower}, {upper}]",
                stats.backups as f64 / rows as f64
            );
        }
    }
}

/// Solutions to the gap, with threads and processor seconds.
fn solves(model: &Model, gap: f64) -> Vec<(Solution, usize, f64)> {
    let solvers: [&dyn Solver; 2] = [&ValueIteration, &ModifiedPolicyIteration::default()];
    let runs = [1, 2].into_iter().flat_map(|threads| solvers.map(|solver| (solver, threads)));
    runs.map(|(solver, threads)| {
        let start = processor_seconds(ClockId::ProcessCPUTime);
        let limits = Limits { threads, ..Limits::with_gap(gap) };
        let solution = solver.solve(model, &limits, &no_hook).expect("an MDP");
        (solution, threads, processor_seconds(ClockId::ProcessCPUTime) - start)
    })
    .collect()
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
        observation_ambiguity: None,
    }
    .build()
    .expect("rows sum to 1")
}

/// Seconds a sweep, of the processor for one thread and of the clock for more, and the share of the rows it computes: what three sweeps
/// take more than one, so that starting and finishing do not count.
fn sweep(model: &Model, threads: usize) -> (f64, f64) {
    let run = |sweeps: u64| {
        let limits = Limits { threads, ..Limits::with_gap(0.0) };
        let stop = |p: &tiresias_solve::Progress| {
            if p.iterations >= sweeps { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let start = processor_seconds(ClockId::ThreadCPUTime);
        let stats = ValueIteration.solve(model, &limits, &stop).expect("an MDP").stats;
        let processor = processor_seconds(ClockId::ThreadCPUTime) - start;
        (if threads == 1 { processor } else { stats.seconds }, stats.backups as f64)
    };
    let ((long, many), (short, few)) = (run(3), run(1));
    ((long - short) / 2.0, (many - few) / 2.0 / (model.states().len() * model.actions().len()) as f64)
}

fn processor_seconds(of: ClockId) -> f64 {
    let now = clock_gettime(of);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// Seconds to stream a sweep's bytes, to stream the columns alone, and to stream those and gather the values they name.
fn floor(columns: &[u32], probabilities: &[f64], values: &[f64]) -> (f64, f64, f64) {
    let rows = columns.len() / SUCCESSORS;
    let timed = |work: &dyn Fn() -> f64| {
        let start = processor_seconds(ClockId::ThreadCPUTime);
        black_box(work());
        processor_seconds(ClockId::ThreadCPUTime) - start
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

/// The most memory this process has held, in bytes; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).map_or(0, |kb: u64| kb * 1024)
}
