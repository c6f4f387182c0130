//! MDPs and robust MDPs: exactness, bands, limits, and the exact evaluations.

mod common;

use std::time::Duration;

use common::{Size, draw, observed, runner};
use proptest::prelude::*;
use tiresias_model::{Kind, Model, Policy};
use tiresias_solve::{
    BackwardInduction, Limits, SolveError, Solver, Stopped, ValueIteration, auto, no_hook, random_value,
    staged_actions_value, staged_policy_value,
};

/// `Q_t(s, a)` by plain recursion over the tree.
fn q(model: &Model, stage: usize, state: usize, action: usize) -> f64 {
    let row = action * model.states().len() + state;
    let under = |m: usize| {
        let mean: f64 = model.dynamics()[m].transition.pairs(row).map(|(to, p)| p * value(model, stage + 1, to)).sum();
        model.expected_reward(m)[row] + model.discount() * mean
    };
    let all: Vec<f64> = (0..model.dynamics().len()).map(under).collect();
    let (low, high) = (all.iter().copied().fold(f64::MAX, f64::min), all.iter().copied().fold(f64::MIN, f64::max));
    model.alpha() * low + (1.0 - model.alpha()) * high
}

fn value(model: &Model, stage: usize, state: usize) -> f64 {
    if Some(stage) == model.horizon() {
        return model.final_reward().get(state).copied().unwrap_or(0.0);
    }
    (0..model.actions().len()).map(|a| q(model, stage, state, a)).fold(f64::MIN, f64::max)
}

fn at(states: usize, state: usize) -> Vec<f64> {
    (0..states).map(|s| f64::from(u8::from(s == state))).collect()
}

#[test]
fn backward_induction_is_exact() {
    for models in [1, 3] {
        let size = Size { states: 4, actions: 3, observations: 1, models, horizon: 3 };
        let check = |model: Model| {
            prop_assert_eq!(model.kind(), if models == 1 { Kind::Mdp } else { Kind::RobustMdp });
            let solution = auto(&model).solve(&model, &Limits::with_gap(0.0), &no_hook).unwrap();
            prop_assert_eq!((solution.stats.solver, solution.stopped), ("backward-induction", Stopped::Converged));
            let exact: f64 = (0..4).map(|s| model.start()[s] * value(&model, 0, s)).sum();
            prop_assert!((solution.lower - exact).abs() < 1e-9 && solution.lower == solution.upper);
            for (stage, state) in [(0, 0), (1, 2), (2, 3)] {
                let assessment = solution.policy.assess(stage, &at(4, state));
                for action in 0..3 {
                    let exact = q(&model, stage, state, action);
                    prop_assert!((assessment.q_values[action] - exact).abs() < 1e-9);
                    let regret = value(&model, stage, state) - exact;
                    prop_assert!((assessment.regret_bound(action) - regret).abs() < 1e-9);
                    let nature = assessment.nature[action].minimiser;
                    let single = model.single(nature).to_builder().build().unwrap();
                    prop_assert!(single.kind() == Kind::Mdp);
                }
                prop_assert_eq!(solution.policy.action_in_state(stage, state, 4), assessment.action());
            }
            Ok(())
        };
        runner(40).run(&observed(size), check).unwrap();
    }
}

#[test]
fn a_cut_sweep_leaves_a_sound_band() {
    let size = Size { states: 4, actions: 2, observations: 1, models: 2, horizon: 6 };
    let check = |model: Model| {
        let limits = Limits { time: Some(Duration::ZERO), ..Limits::default() };
        let solution = BackwardInduction.solve(&model, &limits, &no_hook).unwrap();
        prop_assert_eq!(solution.stopped, Stopped::Time);
        let exact: f64 = (0..4).map(|s| model.start()[s] * value(&model, 0, s)).sum();
        prop_assert!(solution.lower <= exact + 1e-9 && exact <= solution.upper + 1e-9);
        for stage in 0..6 {
            let b = at(4, 1);
            let (low, high) = solution.policy.bounds(stage, &b);
            let exact = value(&model, stage, 1);
            prop_assert!(low <= exact + 1e-9 && exact <= high + 1e-9);
            let regret = exact - q(&model, stage, 1, 0);
            prop_assert!(solution.policy.regret_bound(stage, &b, 0) >= regret - 1e-9);
        }
        Ok(())
    };
    runner(40).run(&observed(size), check).unwrap();
}

#[test]
fn value_iteration_agrees_with_a_long_horizon() {
    let size = Size { states: 5, actions: 3, observations: 1, models: 2, horizon: 1 };
    let check = |model: Model| {
        let mut builder = model.to_builder();
        (builder.discount, builder.horizon, builder.final_reward) = (0.9, None, Vec::new());
        let endless = builder.clone().build().unwrap();
        builder.horizon = Some(400);
        let long = builder.build().unwrap();
        let solution = auto(&endless).solve(&endless, &Limits::with_gap(1e-9), &no_hook).unwrap();
        prop_assert_eq!((solution.stats.solver, solution.stopped), ("modified-policy-iteration", Stopped::Converged));
        prop_assert!(solution.gap() <= 1e-9);
        let exact = BackwardInduction.solve(&long, &Limits::default(), &no_hook).unwrap().lower;
        prop_assert!(solution.lower <= exact + 1e-9 && exact <= solution.upper + 1e-9);
        let limits = Limits { time: Some(Duration::ZERO), ..Limits::with_gap(0.0) };
        let rough = ValueIteration.solve(&endless, &limits, &no_hook).unwrap();
        // A constant reward is solved by one sweep, time or no time.
        prop_assert!(rough.stopped == Stopped::Time || rough.gap() <= 1e-9);
        prop_assert!(rough.lower <= exact + 1e-9 && exact <= rough.upper + 1e-9);
        Ok(())
    };
    runner(30).run(&observed(size), check).unwrap();
}

#[test]
fn evaluations_are_exact() {
    let mut runner = runner(1);
    let size = Size { states: 4, actions: 3, observations: 1, models: 1, horizon: 5 };
    for _ in 0..20 {
        let model = draw(&observed(size), &mut runner);
        let solution = BackwardInduction.solve(&model, &Limits::default(), &no_hook).unwrap();
        let greedy: Vec<usize> = (0..5)
            .flat_map(|t| (0..4).map(move |s| (t, s)))
            .map(|(t, s)| solution.policy.action_in_state(t, s, 4))
            .collect();
        let played = staged_actions_value(&model, 0, &greedy).unwrap();
        assert!((played - solution.lower).abs() < 1e-9);
        let uniform = vec![1.0 / 3.0; 5 * 4 * 3];
        let random = random_value(&model, 0);
        assert!((staged_policy_value(&model, 0, &uniform).unwrap() - random).abs() < 1e-9);
        assert!(random <= solution.lower + 1e-9);
        assert!(matches!(staged_policy_value(&model, 0, &uniform[1..]), Err(SolveError::Shape { .. })));
        assert!(matches!(staged_actions_value(&model, 0, &[7; 20]), Err(SolveError::Shape { .. })));
    }
}

#[test]
fn the_wrong_solver_says_so() {
    let model = common::tiger(Some(3));
    assert!(matches!(
        BackwardInduction.solve(&model, &Limits::default(), &no_hook),
        Err(SolveError::Unsupported { .. })
    ));
    assert!(matches!(
        auto(&model).solve(&model, &Limits { threads: 0, ..Limits::default() }, &no_hook),
        Err(SolveError::Limit { what: "threads", .. })
    ));
    assert!(auto(&model).solve(&model, &Limits::with_gap(f64::NAN), &no_hook).is_err());
}
