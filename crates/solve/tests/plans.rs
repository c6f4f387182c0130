//! Plans of both players, where the value is neither convex nor concave: limits, horizons, files.

mod common;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Duration;

use common::{Size, belief, draw, enumerate, hidden, runner};
use proptest::prelude::*;
use tiresias_model::Model;
use tiresias_solve::{Limits, Plans, Progress, Solution, Solver, Stopped, auto, no_hook};

fn solve(model: &Model, gap: f64, most_trials: u64) -> Solution {
    Plans { most_trials, ..Plans::default() }.solve(model, &Limits::with_gap(gap), &no_hook).unwrap()
}

/// Every belief spreads over all six states; an enumeration of its tree has 10^9 leaves.
fn wide() -> Model {
    let size = Size { states: 6, actions: 3, observations: 3, models: 3, horizon: 9 };
    let mut runner = runner(1);
    loop {
        let model = draw(&hidden(size), &mut runner);
        if model.alpha() == 1.0 && model.discount() > 0.9 {
            return model;
        }
    }
}

#[test]
fn auto_takes_plans_where_beliefs_spread() {
    let solution = auto(&wide()).solve(&wide(), &Limits::with_gap(0.5), &no_hook).unwrap();
    assert_eq!(
        (solution.stats.solver, solution.stopped, solution.policy.form()),
        ("plans", Stopped::Converged, "plans")
    );
}

#[test]
fn bounds_only_ever_tighten_and_the_limits_say_why_it_stopped() {
    let model = wide();
    let last = Cell::new((f64::NEG_INFINITY, f64::INFINITY));
    let hook = |p: &Progress| {
        let (lower, upper) = last.get();
        assert!(p.lower >= lower && p.upper <= upper && p.lower <= p.upper + 1e-9);
        last.set((p.lower, p.upper));
        ControlFlow::Continue(())
    };
    let solver = Plans { most_trials: 40, ..Plans::default() };
    let best = solver.solve(&model, &Limits::with_gap(0.0), &hook).unwrap();
    assert_eq!(best.stopped, Stopped::Exhausted);

    let limits = Limits::with_gap(0.0);
    let none = Limits { time: Some(Duration::ZERO), ..limits.clone() };
    let some = Limits { time: Some(Duration::from_millis(20)), ..limits.clone() };
    let little = Limits { memory: Some(50_000), ..limits.clone() };
    for (limits, stopped) in [(none, Stopped::Time), (some, Stopped::Time), (little, Stopped::Memory)] {
        let solution = Plans::default().solve(&model, &limits, &no_hook).unwrap();
        assert_eq!(solution.stopped, stopped);
        assert!(solution.lower <= best.upper + 1e-9 && best.lower <= solution.upper + 1e-9);
    }
    let cancel = |_: &Progress| ControlFlow::Break(());
    assert_eq!(Plans::default().solve(&model, &limits, &cancel).unwrap().stopped, Stopped::Cancelled);
}

#[test]
fn without_a_horizon_bounds_agree_with_a_long_one() {
    let size = Size { states: 4, actions: 2, observations: 2, models: 3, horizon: 1 };
    runner(20)
        .run(&hidden(size), |model| {
            let mut builder = model.to_builder();
            (builder.discount, builder.final_reward, builder.terminal) = (0.6, Vec::new(), Vec::new());
            builder.horizon = Some(30);
            let long = solve(&builder.clone().build().unwrap(), 0.02, 300);
            builder.horizon = None;
            let endless = solve(&builder.build().unwrap(), 0.02, 300);
            // What the stages after the thirtieth can add.
            let rest = 0.6_f64.powi(30) * 3.0 / 0.4 + 1e-9;
            prop_assert!(endless.lower <= long.upper + rest && long.lower <= endless.upper + rest);
            prop_assert!(endless.gap() < 1.0, "gap {}", endless.gap());
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_value_of_larger_games_is_inside_too() {
    let size = Size { states: 7, actions: 2, observations: 3, models: 2, horizon: 3 };
    let strategy = (hidden(size), belief(7));
    runner(12)
        .run(&strategy, |(model, b)| {
            let solution = solve(&model, 1e-3, 200);
            let exact = enumerate(&model, 0, model.start());
            prop_assert!(solution.lower <= exact + 1e-9 && exact <= solution.upper + 1e-9);
            let (lower, upper) = solution.policy.bounds(1, &b);
            let exact = enumerate(&model, 1, &b);
            prop_assert!(lower <= exact + 1e-9 && exact <= upper + 1e-9);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_policy_file_has_all_of_it() {
    let model = wide();
    let solution = solve(&model, 0.0, 10);
    let mut loaded = Solution::load(&solution.save(), &model).unwrap().policy;
    let policy = solution.policy;
    for stage in 0..9 {
        assert_eq!(loaded.assess(stage, model.start()), policy.assess(stage, model.start()));
    }
    let before = loaded.bounds(0, model.start());
    let calls = Cell::new(0);
    let ten = |_: &Progress| {
        calls.set(calls.get() + 1);
        if calls.get() > 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let after = loaded.refine(0, model.start(), &Limits::with_gap(0.0), &ten).unwrap();
    assert!(after.0 >= before.0 && after.1 <= before.1 && after.1 - after.0 < before.1 - before.0);
}

#[test]
fn backups_are_counted() {
    let model = wide();
    let none = solve(&model, 1e9, 5).stats;
    assert_eq!((none.iterations, none.backups), (0, 0));
    // Every trial backs up the beliefs that it met, at most one a stage but the last, the start among them.
    let stages = model.horizon().unwrap() as u64;
    for trials in [1, 3] {
        let some = solve(&model, 0.0, trials).stats;
        assert_eq!(some.iterations, trials);
        assert!((trials..trials * stages).contains(&some.backups), "{some:?}");
        assert!(0.0 < some.start_up && some.start_up <= some.seconds);
    }
}
