//! What the static form and robust POMDPs promise beyond their values: broken documents are answered, and a solve that is stopped at
//! any moment leaves bounds that hold and a policy that earns its own.

mod common;

use std::cell::Cell;
use std::ops::ControlFlow;

use common::{Size, hidden, runner};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use tiresias_fuzz::{Answer, Subject, Until, fuzz, refused};
use tiresias_model::{Ambiguity, Model, Reward, Support};
use tiresias_solve::{Limits, Progress, RobustSolution, StaticSolution, Stopped, solve_robust, solve_static};

fn endless(model: &Model, discount: f64) -> Model {
    let mut parts = model.to_builder();
    (parts.discount, parts.horizon, parts.final_reward) = (discount, None, Vec::new());
    parts.build().unwrap()
}

fn with_balls(model: &Model, radius: f64) -> Model {
    let mut parts = model.to_builder();
    let rows = model.states().len() * model.actions().len();
    parts.alpha = 1.0;
    let balls = Some(Ambiguity::L1 { radius: vec![radius; rows], support: Support::Nominal });
    parts.ambiguity.clone_from(&balls);
    // Where rewards depend on what is seen, that is certain.
    if !matches!(parts.reward, Reward::Full(_)) {
        parts.observation_ambiguity = balls;
    }
    parts.build().unwrap()
}

/// A hook that breaks at its `moment`-th call.
fn stop_at(moment: u32) -> impl Fn(&Progress) -> ControlFlow<()> {
    let calls = Cell::new(0);
    move |_| {
        calls.set(calls.get() + 1);
        if calls.get() > moment { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn stopped_at_any_moment_bounds_hold_and_documents_read_back() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 2, horizon: 3 };
    let discounts = prop_oneof![Just(None), Just(Some(0.0)), Just(Some(0.9))];
    runner(30)
        .run(&(hidden(size), discounts, 0_u32..12), |(model, discount, moment)| {
            let model = discount.map_or_else(|| model.clone(), |discount| endless(&model, discount));
            let gap = 1e-2 * model.reward_spread().max(1.0);
            let limits = Limits { time: Some(std::time::Duration::from_secs(5)), ..Limits::with_gap(gap) };
            let never = stop_at(u32::MAX);
            let whole = solve_static(&model, &limits, &never).unwrap();
            let part = solve_static(&model, &limits, &stop_at(moment)).unwrap();
            let room = 1e-9 * (1.0 + whole.upper.abs() + whole.lower.abs());
            prop_assert!(part.lower <= whole.upper + room && whole.lower <= part.upper + room);
            prop_assert!(matches!(part.stopped, Stopped::Cancelled | Stopped::Converged | Stopped::Exhausted));
            let read = StaticSolution::load(&part.save(&model), &model).unwrap();
            prop_assert!(read.lower >= part.lower - room, "reads {} of {}", read.lower, part.lower);

            let robust = with_balls(&model.single(0), 0.4);
            let whole = solve_robust(&robust, &limits, &never).unwrap();
            let part = solve_robust(&robust, &limits, &stop_at(moment)).unwrap();
            let room = 1e-9 * (1.0 + whole.upper.abs() + whole.lower.abs());
            prop_assert!(part.lower <= whole.upper + room && whole.lower <= part.upper + room);
            let read = RobustSolution::load(&part.save(&robust), &robust).unwrap();
            prop_assert!((read.lower - part.lower).abs() <= room, "reads {} of {}", read.lower, part.lower);
            Ok(())
        })
        .unwrap();
}

#[test]
fn broken_documents_are_answered() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 2, horizon: 3 };
    let mut subjects = Vec::new();
    for discount in [None, Some(0.8)] {
        let mut tree = runner(1);
        let model = hidden(size).new_tree(&mut tree).unwrap().current();
        let model = discount.map_or_else(|| model.clone(), |discount| endless(&model, discount));
        let limits = Limits::with_gap(0.1);
        let text = solve_static(&model, &limits, &stop_at(u32::MAX)).unwrap().save(&model);
        let robust = with_balls(&model.single(0), 0.4);
        let controller = solve_robust(&robust, &limits, &stop_at(u32::MAX)).unwrap().save(&robust);
        collect(&mut subjects, model, text, robust, controller);
    }
    let full = std::env::var("TIRESIAS_PROMISES").is_ok_and(|value| value == "full");
    let report = fuzz(&subjects, 7, Until::Cases(if full { 50_000 } else { 2_000 }), |_, _, _| ());
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.read > 0, "none of {} was read", report.cases);
}

fn collect(subjects: &mut Vec<Subject>, model: Model, text: String, robust: Model, controller: String) {
    let answer = |read: Result<(f64, f64), String>| -> Answer {
        match read {
            Ok((lower, upper)) if lower <= upper && lower.is_finite() => Ok(true),
            Ok(bounds) => Err(format!("bounds {bounds:?}")),
            Err(words) => refused(&words),
        }
    };
    let of_static = move |bytes: &[u8]| {
        let read = StaticSolution::load(&String::from_utf8_lossy(bytes), &model);
        answer(read.map(|found| (found.lower, found.upper)).map_err(|error| error.to_string()))
    };
    let of_robust = move |bytes: &[u8]| {
        let read = RobustSolution::load(&String::from_utf8_lossy(bytes), &robust);
        answer(read.map(|found| (found.lower, found.upper)).map_err(|error| error.to_string()))
    };
    subjects.push(Subject::new("plans.static", text.into_bytes(), of_static));
    subjects.push(Subject::new("controller.robust", controller.into_bytes(), of_robust));
}
