//! Discounts close to 1: bounds that leap to fixed points, held against what does not.

mod common;

use common::{Size, draw, hidden, runner, with_observed_halves};
use proptest::prelude::*;
use tiresias_model::Model;
use tiresias_solve::formats::AlphaPolicy;
use tiresias_solve::{Exact, Limits, Search, Solver, Stopped, no_hook};

/// A random model without a horizon at this discount.
fn endless(size: Size, discount: f64) -> impl Strategy<Value = Model> {
    hidden(size).prop_map(move |model| {
        let mut builder = model.to_builder();
        (builder.horizon, builder.discount, builder.final_reward) = (None, discount, Vec::new());
        builder.build().unwrap()
    })
}

/// Decisions beyond which next to nothing is left at 0.99.
const STAGES: usize = 1_400;

#[test]
fn both_bounds_hold_of_a_horizon_beyond_which_nothing_is_left() {
    let size = Size { states: 2, actions: 2, observations: 2, models: 1, horizon: 1 };
    let check = |model: Model| {
        let mut builder = model.to_builder();
        builder.horizon = Some(STAGES);
        let long = builder.build().unwrap();
        let exact = Exact::default().solve(&long, &Limits::with_gap(1e-6), &no_hook).unwrap();
        prop_assert_eq!(exact.stopped, Stopped::Converged);
        let (low, high) = model.value_range();
        let rest = model.discount().powi(STAGES as i32) * low.abs().max(high.abs()) + 2e-6;
        for trials in [1, 8, 40, 10_000] {
            let search = Search { most_trials: trials, ..Search::default() };
            let solution = search.solve(&model, &Limits::with_gap(1e-4), &no_hook).unwrap();
            prop_assert!(solution.lower <= exact.upper + rest, "{} {} after {trials}", solution.lower, exact.upper);
            prop_assert!(solution.upper >= exact.lower - rest, "{} {} after {trials}", solution.upper, exact.lower);
        }
        Ok(())
    };
    runner(24).run(&endless(size, 0.99), check).unwrap();
}

#[test]
fn few_backups_close_any_discount() {
    // By walking, each backup takes off a hundred-thousandth.
    let size = Size { states: 2, actions: 2, observations: 2, models: 1, horizon: 1 };
    let check = |model: Model| {
        let (low, high) = model.value_range();
        let gap = 1e-6 * (high - low).max(1e-3);
        let limits = Limits::with_gap(gap);
        let solution = Search { most_trials: 2_000, ..Search::default() }.solve(&model, &limits, &no_hook).unwrap();
        prop_assert_eq!(solution.stopped, Stopped::Converged, "{} of {}", solution.gap(), gap);
        prop_assert!(solution.stats.backups < 20_000, "{} backups", solution.stats.backups);
        Ok(())
    };
    runner(24).run(&endless(size, 0.99999), check).unwrap();
}

#[test]
fn no_number_depends_on_the_threads() {
    let size = Size { states: 24, actions: 3, observations: 4, models: 1, horizon: 1 };
    let mut runner = runner(1);
    for _ in 0..3 {
        let model = draw(&endless(size, 0.999), &mut runner);
        let run = |threads: usize| {
            let limits = Limits { threads, ..Limits::with_gap(1e-6) };
            let solution = Search { most_trials: 400, ..Search::default() }.solve(&model, &limits, &no_hook).unwrap();
            (solution.lower, solution.upper, solution.stats.backups, solution.stats.vectors, solution.stats.points)
        };
        assert_eq!(run(3), run(1));
    }
}

/// What the vectors say at a belief, and what one decision followed by what they say is worth; and the beliefs that it can lead to.
fn said_and_backed_up(model: &Model, policy: &AlphaPolicy, belief: &[f64]) -> (f64, f64, Vec<Vec<f64>>) {
    let states = belief.len();
    let (dynamics, rewards) = (&model.dynamics()[0], model.expected_reward(0));
    let observations = dynamics.observation.as_ref().unwrap();
    let mut best = f64::NEG_INFINITY;
    let mut beliefs = Vec::new();
    for action in 0..model.actions().len() {
        let mut worth: f64 = (0..states).map(|s| belief[s] * rewards[action * states + s]).sum();
        for observation in 0..observations.columns() {
            let mut joint = vec![0.0; states];
            for (s, p) in belief.iter().enumerate() {
                for (to, q) in dynamics.transition.pairs(action * states + s) {
                    joint[to] += p * q * observations.get(action * states + to, observation);
                }
            }
            let mass: f64 = joint.iter().sum();
            if mass > 1e-12 {
                joint.iter_mut().for_each(|p| *p /= mass);
                worth += model.discount() * mass * policy.value(0, &joint);
                beliefs.push(joint);
            }
        }
        best = best.max(worth);
    }
    (policy.value(0, belief), best, beliefs)
}

#[test]
fn no_decision_lowers_what_the_vectors_say() {
    // From which follows that whoever looks one step ahead earns it, for ever, whatever the discount.
    for (states, discount) in [(2, 0.999), (4, 0.9999), (5, 0.99)] {
        let size = Size { states, actions: 3, observations: 2, models: 1, horizon: 1 };
        let mut runner = runner(1);
        for number in 0..16 {
            let model = draw(&endless(size, discount), &mut runner);
            let model = if number % 2 == 0 { model } else { with_observed_halves(&model) };
            let (low, high) = model.value_range();
            let scale = low.abs().max(high.abs());
            let search = Search { most_trials: 200, ..Search::default() };
            let solution = search.solve(&model, &Limits::with_gap(1e-3), &no_hook).unwrap();
            let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
            let mut open = vec![model.start().to_vec()];
            for met in 0..400 {
                let Some(belief) = (met < open.len()).then(|| open[met].clone()) else { break };
                let (said, backed_up, beliefs) = said_and_backed_up(&model, &policy, &belief);
                assert!(met > 0 || backed_up >= solution.lower - 1e-9 * scale, "{backed_up} {}", solution.lower);
                assert!(backed_up >= said - 1e-10 * scale, "{said} {backed_up} of {scale} at {belief:?}");
                open.extend(beliefs);
            }
        }
    }
}
