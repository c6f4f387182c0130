//! Thousands of small random models: the value of the enumerated game tree is inside the bounds of every solver that takes them.

mod common;

use std::time::Duration;

use common::{Size, belief, enumerate, enumerate_actions, hidden, runner};
use proptest::prelude::*;
use tiresias_model::Model;
use tiresias_solve::{CornerBounds, Faces, Limits, Plans, Search, Solver, Stopped, auto, no_hook};

/// Every way to bounds on a model with hidden states; `effort` is small, so that the bounds stay apart and have something to prove.
fn routes(model: &Model, effort: usize) -> Vec<Box<dyn Solver>> {
    let trials = effort as u64;
    let mut out: Vec<Box<dyn Solver>> = vec![
        Box::new(CornerBounds),
        Box::new(Plans { most_trials: trials, ..Plans::default() }),
        Box::new(Search { most_trials: trials, ..Search::default() }),
        auto(model),
    ];
    if Faces::faces(model).is_some() {
        out.push(Box::new(Faces { first_divisions: effort, most_divisions: effort }));
    }
    out
}

fn check(model: &Model, effort: usize, stage: usize, b: &[f64]) -> Result<(), TestCaseError> {
    let exact = enumerate(model, 0, model.start());
    let elsewhere = enumerate_actions(model, stage, b);
    let best = elsewhere.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for solver in routes(model, effort) {
        let name = solver.name();
        let solution = solver.solve(model, &Limits::with_gap(0.02), &no_hook).unwrap();
        let tiny = 1e-9 * (1.0 + exact.abs());
        prop_assert!(solution.lower <= exact + tiny, "{name}: lower {} above {exact}", solution.lower);
        prop_assert!(solution.upper >= exact - tiny, "{name}: upper {} below {exact}", solution.upper);
        prop_assert!(solution.stopped != Stopped::Converged || solution.gap() <= 0.02 + tiny, "{name}");
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
        let strategy = (hidden(size), 1..5_usize, 0..horizon, belief(states));
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
            for solver in routes(&model, 3) {
                let solution = solver.solve(&model, &none, &no_hook).unwrap();
                let tiny = 1e-9 * (1.0 + exact.abs());
                prop_assert!(solution.lower <= exact + tiny && exact - tiny <= solution.upper, "{}", solver.name());
            }
            Ok(())
        })
        .unwrap();
}
