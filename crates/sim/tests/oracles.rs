//! What solved policies earn is what their solvers say.

mod common;

use std::ops::ControlFlow;

use common::{Shape, model};
use tiresias_model::random::Key;
use tiresias_sim::{Actor, NatureRule, Simulation, response_value};
use tiresias_solve::{Limits, auto, no_hook};

const MOST: usize = 1 << 20;

fn go_on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Clouds with observations (or without), solved to the last digits; with the solution's bounds.
fn solved(observations: usize, alpha: f64) -> Vec<(tiresias_model::Model, tiresias_solve::Solution)> {
    let one = |seed| {
        let shape = Shape {
            states: 3,
            actions: 2,
            observations,
            models: 3,
            outcomes: 3,
            reward: seed as usize % 3,
            terminal: seed % 2 == 0,
            horizon: Some(4),
        };
        let mut parts = model(shape, seed).to_builder();
        parts.alpha = alpha;
        let model = parts.build().unwrap();
        let limits = Limits { gap: 1e-6, ..Limits::default() };
        let solution = auto(&model).solve(&model, &limits, &no_hook).unwrap();
        (model, solution)
    };
    (0..4).map(one).collect()
}

fn acting<'a>(model: &'a tiresias_model::Model, policy: &'a tiresias_solve::SolvedPolicy) -> Simulation<'a> {
    let actor = Actor::Policy { policy, stationary: false };
    Simulation { model, actor, nature: NatureRule::Oracle, adversary: Some(policy), key: Key(1), steps: 4 }
}

#[test]
fn against_its_own_nature_an_oracle_earns_its_value() {
    for alpha in [1.0, 0.0, 0.6] {
        for observations in [0, 2] {
            for (model, solution) in solved(observations, alpha) {
                let simulation = acting(&model, &solution.policy);
                let earned = simulation.exact(MOST, &go_on).unwrap().unwrap();
                // Point estimates are between bounds that are this close at the start; further on they add up.
                assert!((earned - solution.value()).abs() < 1e-4, "{earned}, not {}", solution.value());
            }
        }
    }
}

#[test]
fn no_policy_is_worth_more_than_the_value_against_natures_best_response() {
    for alpha in [1.0, 0.6] {
        for observations in [0, 2] {
            for (model, solution) in solved(observations, alpha) {
                let policy = &solution.policy;
                let response = response_value(&model, policy, false, 4, MOST, &go_on).unwrap().unwrap();
                assert!(response <= solution.upper + 1e-9, "{response} above {}", solution.upper);
                assert!(response >= solution.lower - 1e-4, "{response} below {}", solution.lower);
            }
        }
    }
}

#[test]
fn under_max_min_with_seen_states_no_fixed_model_is_worse_than_the_value() {
    // A nature that keeps to one model is one of those that the value guards against, and seen states leave nothing to be told.
    for (model, solution) in solved(0, 1.0) {
        let table = acting(&model, &solution.policy).robustness(500, MOST, &go_on).unwrap();
        for valuation in &table.fixed {
            assert!(valuation.exact.unwrap() >= solution.lower - 1e-9);
        }
        assert!(table.worst_exact.unwrap() >= table.response.unwrap() - 1e-9);
        assert!(table.resampled.exact.unwrap() >= table.response.unwrap() - 1e-9);
    }
}
