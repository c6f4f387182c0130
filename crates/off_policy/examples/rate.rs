//! How long an estimation takes, by phase: `cargo run --release -p tiresias-off-policy --example rate [episodes] [steps] [threads]`.
//!
//! The log is random: 20 observations, 4 actions, single-precision target.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Instant;

use tiresias_data::{Columns, Trajectories};
use tiresias_model::Space;
use tiresias_model::random::{Key, unit32};
use tiresias_off_policy::{Estimator, Options, Progress, estimate};

const OBSERVATIONS: usize = 20;
const ACTIONS: usize = 4;

/// A log and a target near its behaviour.
fn made(episodes: usize, steps: usize) -> (Trajectories, Vec<f32>) {
    let key = Key::named(0, &["rate"], &[]);
    let mut columns = Columns { offsets: vec![0], ..Columns::default() };
    let mut target = Vec::with_capacity(episodes * steps * ACTIONS);
    for episode in 0..episodes {
        for step in 0..steps {
            let words = key.block(episode as u64, step as u32, 0);
            columns.observations.push((words[0] as usize % OBSERVATIONS) as i32);
            columns.actions.push((words[1] as usize % ACTIONS) as u8);
            columns.rewards.push(unit32(words[2]));
            columns.propensities.push(0.25);
            let lean = 0.1 * unit32(words[3]) as f32;
            target.extend([0.25 + lean, 0.25 - lean, 0.25, 0.25]);
        }
        columns.offsets.push(columns.actions.len());
        columns.last.push(0);
        columns.terminated.push(false);
    }
    let space = |what, len| Space::unnamed(what, len).expect("a small space");
    let log = Trajectories::new(space("observation", OBSERVATIONS), space("action", ACTIONS), columns);
    (log.expect("a valid log"), target)
}

/// Seconds that this thread has computed, where Linux tells: what others do on the machine does not count.
fn computed() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

fn main() {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse().expect("a number"));
    let (episodes, steps) = (numbers.next().unwrap_or(1_000_000), numbers.next().unwrap_or(10));
    let (log, target) = made(episodes, steps);
    let bytes = log.bytes() + size_of_val(&target[..]);
    println!("{episodes} episodes of {steps} steps, {} MB of input", bytes / 1_000_000);
    let asked = numbers.next();
    for threads in asked.map_or(vec![1, 2], |threads| vec![threads]) {
        let options = Options { threads, ..Options::default() };
        let begun = Mutex::new(Vec::<(&str, f64)>::new());
        let hook = |progress: Progress| {
            let mut begun = begun.lock().expect("nothing panics");
            if begun.last().is_none_or(|last| last.0 != progress.phase) {
                begun.push((progress.phase, computed()));
            }
            ControlFlow::Continue(())
        };
        let (wall, start) = (Instant::now(), computed());
        let found = estimate(&log, &target[..], &options, &hook).expect("valid input");
        print!("{threads} threads: {:.2} s", wall.elapsed().as_secs_f64());
        if threads == 1 {
            let mut begun = begun.into_inner().expect("nothing panics");
            begun.insert(0, ("counts", start));
            begun.push(("", computed()));
            print!(", {:.2} s computing", computed() - start);
            for pair in begun.windows(2) {
                print!(", {} {:.2}", pair[0].0, pair[1].1 - pair[0].1);
            }
        }
        println!();
        if threads == asked.unwrap_or(2) {
            for estimator in Estimator::ALL {
                match found.get(estimator) {
                    Ok(found) => println!("  {} {:.4} {:.4?}", estimator.name(), found.value, found.interval),
                    Err(refusal) => println!("  {} {refusal}", estimator.name()),
                }
            }
        }
    }
}
