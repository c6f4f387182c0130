//! Seconds of one iteration of expectation–maximisation:
//! `cargo run --release -p tiresias-fit --example em_rate -- [STATES] [SYMBOLS] [ACTIONS] [EPISODES] [STEPS] [THREADS]`.
//! Prints one line of JSON. Trajectories are of a random model with as many states; every iteration is one of `fit_pomdp`'s.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Instant;

use tiresias_data::{Columns, NOTHING, Trajectories};
use tiresias_fit::{PomdpOptions, Progress, fit_pomdp};
use tiresias_model::Space;
use tiresias_model::random::{Key, Sequence};

/// Iterations that are timed, after the first.
const ITERATIONS: usize = 20;

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|text| text.parse().expect("a number")).collect();
    let number = |i: usize, default: usize| arguments.get(i).copied().unwrap_or(default);
    let (states, symbols, actions) = (number(0, 10), number(1, 10), number(2, 3));
    let (episodes, steps, threads) = (number(3, 100_000), number(4, 10), number(5, 2));
    let data = trajectories([states, symbols, actions], episodes, steps);
    let options = PomdpOptions {
        states: states..=states,
        starts: 1,
        iterations: ITERATIONS + 1,
        tolerance: 0.0,
        ..PomdpOptions::default()
    };

    // An iteration ends where the log-posterior that the hook is told changes.
    let ends = Mutex::new(Vec::<(f64, Instant, f64)>::new());
    let hook = |progress: Progress| {
        let mut ends = ends.lock().expect("nothing panics");
        if ends.last().is_none_or(|&(value, ..)| value != progress.log_posterior) {
            ends.push((progress.log_posterior, Instant::now(), cpu_seconds()));
        }
        ControlFlow::Continue(())
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    let fit = pool.install(|| fit_pomdp(&data, &options, &hook)).expect("the options are valid");
    let ends = ends.into_inner().expect("nothing panics");
    let finite: Vec<_> = ends.into_iter().filter(|(value, ..)| value.is_finite()).collect();
    let mut seconds: Vec<f64> = finite.windows(2).map(|pair| (pair[1].1 - pair[0].1).as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let cpu = (finite[finite.len() - 1].2 - finite[0].2) / seconds.len() as f64;
    println!(
        "{{\"states\":{states},\"symbols\":{symbols},\"actions\":{actions},\"episodes\":{episodes},\"steps\":{steps},\
         \"threads\":{threads},\"iterations\":{},\"secondsPerIteration\":{median},\"fastest\":{},\
         \"processorSecondsPerIteration\":{cpu},\"logLikelihoodPerStep\":{}}}",
        seconds.len(),
        seconds[0],
        fit.report.log_likelihood,
    );
}

fn trajectories([states, symbols, actions]: [usize; 3], episodes: usize, steps: usize) -> Trajectories {
    let mut draws = Key::named(0, &["em_rate"], &[]).sequence();
    let mut rows = |count: usize, outcomes: usize| -> Vec<Vec<f64>> {
        let mut row = || (0..outcomes).map(|_| (1.0 - draws.uniform()).ln().powi(2)).collect::<Vec<f64>>();
        (0..count).map(|_| row()).collect()
    };
    let (moves, shows) = (rows(states * actions, states), rows(states * actions, symbols));
    let mut columns = Columns { offsets: vec![0], ..Columns::default() };
    for _ in 0..episodes {
        let (mut state, mut seen) = (draws.integer(0, states as u32 - 1) as usize, NOTHING);
        for _ in 0..steps {
            let action = draws.integer(0, actions as u32 - 1) as usize;
            columns.observations.push(seen);
            columns.actions.push(action as u8);
            columns.rewards.push(state as f64);
            state = pick(&moves[action * states + state], &mut draws);
            seen = pick(&shows[action * states + state], &mut draws) as i32;
        }
        columns.offsets.push(columns.actions.len());
        columns.last.push(seen);
        columns.terminated.push(false);
    }
    let space = |what: &str, n: usize| Space::unnamed(what, n).expect("a size");
    Trajectories::new(space("observations", symbols), space("actions", actions), columns).expect("valid columns")
}

/// An outcome with a probability that is proportional to its weight.
fn pick(weights: &[f64], draws: &mut Sequence) -> usize {
    let mut left = draws.uniform() * weights.iter().sum::<f64>();
    weights
        .iter()
        .position(|weight| {
            (left < *weight) || {
                left -= weight;
                false
            }
        })
        .unwrap_or(weights.len() - 1)
}

/// Processor seconds of this process, by Linux's own count of ticks of a hundredth.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // User and system time are the 14th and 15th field, the 12th and 13th after the name in brackets.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
