//! Thousands of small random models: the value of the enumerated game tree is inside the bounds of every solver that takes them.

mod common;

use std::time::Duration;

use common::{Size, belief, enumerate, enumerate_actions, hidden, runner};
use proptest::prelude::*;
use tiresias_model::Model;
use tiresias_solve::{CornerBounds, Estimate, Faces, Limits, Plans, Search, Solver, Stopped, auto, no_hook};

/// Every way to bounds on a model with hidden states, and the gap to ask it for. A small `effort` leaves the bounds apart, so that they
/// have something to prove; a large one makes much of rounding.
fn routes(model: &Model, effort: usize) -> Vec<(Box<dyn Solver>, f64)> {
    let most_trials = effort as u64;
    let mut out: Vec<(Box<dyn Solver>, f64)> = vec![
        (Box::new(CornerBounds), 0.0),
        (Box::new(Plans { most_trials, ..Plans::default() }), 0.0),
        (Box::new(Search { most_trials, ..Search::default() }), 0.0),
        (auto(model), 0.02),
    ];
    if Faces::faces(model).is_some() {
        let divisions = effort.min(5);
        out.push((Box::new(Faces { first_divisions: divisions, most_divisions: divisions }), 0.0));
        out.push((Box::new(Estimate { divisions }), 0.0));
    }
    out
}

fn check(model: &Model, effort: usize, stage: usize, b: &[f64]) -> Result<(), TestCaseError> {
    let exact = enumerate(model, 0, model.start());
    let elsewhere = enumerate_actions(model, stage, b);
    let best = elsewhere.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for (solver, gap) in routes(model, effort) {
        let name = solver.name();
        let solution = solver.solve(model, &Limits::with_gap(gap), &no_hook).unwrap();
        let tiny = 1e-9 * (1.0 + exact.abs());
        prop_assert!(solution.lower <= exact + tiny, "{name}: lower {} above {exact}", solution.lower);
        prop_assert!(solution.upper >= exact - tiny, "{name}: upper {} below {exact}", solution.upper);
        prop_assert!(solution.stopped != Stopped::Converged || solution.gap() <= gap + tiny, "{name}");
        let assessment = solution.policy.assess(stage, b);
        for (action, q) in elsewhere.iter().enumerate() {
            let (lower, upper) = (assessment.lower[action], assessment.upper[action]);
            prop_assert!(lower <= q + tiny && q - tiny <= upper, "{name}: {q} outside {lower}, {upper}");
            prop_assert!(assessment.regret_bound(action) >= best - q - tiny, "{name}");
        }
    }
    Ok(())
}

#[test]
fn the_enumerated_value_is_inside_all_bounds() {
    // A few hundred models of every size, 3,040 in all.
    for (states, actions, observations, models, horizon, cases) in [
        (2, 2, 2, 1, 3, 200),
        (2, 2, 2, 2, 3, 400),
        (2, 2, 2, 4, 2, 300),
        (3, 2, 2, 2, 2, 400),
        (3, 3, 2, 2, 2, 300),
        (3, 2, 2, 3, 2, 300),
        (3, 2, 2, 2, 3, 200),
        (4, 2, 2, 2, 2, 300),
        (4, 2, 3, 3, 2, 200),
        (5, 2, 2, 1, 3, 120),
        (5, 2, 2, 2, 2, 200),
        (6, 2, 3, 4, 2, 120),
    ] {
        let size = Size { states, actions, observations, models, horizon };
        let strategy = (hidden(size), prop_oneof![4 => 1..5_usize, 1 => Just(30)], 0..horizon, belief(states));
        runner(cases).run(&strategy, |(model, effort, stage, b)| check(&model, effort, stage, &b)).unwrap();
    }
}

#[test]
fn without_time_the_bounds_hold_all_the_same() {
    let size = Size { states: 4, actions: 2, observations: 2, models: 3, horizon: 3 };
    let none = Limits { time: Some(Duration::ZERO), ..Limits::with_gap(0.0) };
    runner(40)
        .run(&hidden(size), |model| {
            let exact = enumerate(&model, 0, model.start());
            for (solver, _) in routes(&model, 3) {
                let solution = solver.solve(&model, &none, &no_hook).unwrap();
                let tiny = 1e-9 * (1.0 + exact.abs());
                prop_assert!(solution.lower <= exact + tiny && exact - tiny <= solution.upper, "{}", solver.name());
            }
            Ok(())
        })
        .unwrap();
}
