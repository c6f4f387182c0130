//! A policy made ready to act against its own assessments.

mod common;

use std::ops::ControlFlow;

use proptest::prelude::*;
use tiresias_model::random::Key;
use tiresias_model::{Model, Policy, belief, classic};
use tiresias_solve::{ActingPolicy, Exact, Limits, Search, SolvedPolicy, Solver, auto, no_hook};

use common::{Size, draw, hidden, runner};

/// Compares the actions at the belief of `stage`, however it is given.
fn check(policy: &SolvedPolicy, acting: &ActingPolicy, stage: usize, belief: &[f64]) {
    let assessment = policy.assess(stage, belief);
    let action = assessment.action();
    let sparse: Vec<(u32, f64)> = (0..).zip(belief.iter().copied()).filter(|(_, p)| *p > 0.0).collect();
    let expected = (action, assessment.nature[action]);
    assert_eq!(acting.decision_on(stage, &sparse, belief.len()), expected, "{} at {sparse:?}", policy.model().name());
    assert_eq!(policy.decision_on(stage, &sparse, belief.len()), expected);
    assert_eq!((acting.action(stage, belief), policy.action(stage, belief)), (action, action));
    if let [(state, _)] = sparse[..] {
        assert_eq!(acting.action_in_state(stage, state as usize, belief.len()), action);
    }
}

/// Beliefs along histories of random actions, from the start and from single states.
fn walk(policy: &SolvedPolicy, walks: usize, steps: usize) {
    let model = policy.model();
    let acting = ActingPolicy::new(policy);
    let mut draw = Key::named(8, &["acting"], &[]).sequence();
    let mut below = |n: usize| draw.integer(0, n as u32 - 1) as usize;
    for walk in 0..walks {
        let mut belief = model.start().to_vec();
        if walk % 4 == 3 {
            belief.fill(0.0);
            belief[below(model.states().len())] = 1.0;
        }
        for stage in 0..steps {
            check(policy, &acting, stage, &belief);
            let (action, m) = (below(model.actions().len()), below(model.dynamics().len()));
            let mut joint = vec![0.0; belief.len()];
            let seen = (0..50).find_map(|_| {
                let seen = below(model.observations().unwrap().len());
                let mass = belief::joint(model, m, &belief, action, seen, &mut joint);
                (mass > 0.0).then_some(mass)
            });
            let Some(mass) = seen else { break };
            belief = joint.iter().map(|p| p / mass).collect();
        }
    }
}

fn searched(model: &Model, trials: u64) -> SolvedPolicy {
    let stop = |progress: &tiresias_solve::Progress| {
        if progress.iterations < trials { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    Search::default().solve(model, &Limits::with_gap(1e-9), &stop).unwrap().policy
}

#[test]
fn actions_are_those_of_the_assessments() {
    // One cell and many vectors; values below zero; an observed part of the state; few vectors.
    for (name, trials, walks) in
        [("4x3", 60, 40), ("maze:hallway", 15, 8), ("tag", 3, 4), ("rock-sample:3,3", 40, 20), ("tiger", 20, 20)]
    {
        let policy = searched(&classic::by_name(name).unwrap(), trials);
        assert_eq!(policy.form(), "vectors");
        walk(&policy, walks, 12);
    }
}

#[test]
fn actions_are_those_of_the_assessments_at_every_stage_and_in_clouds() {
    let mut runner = runner(1);
    for case in 0..24 {
        let size = Size { states: 4, actions: 3, observations: 3, models: 1 + case % 3, horizon: 4 };
        let model = draw(&hidden(size).prop_filter("hidden", |m| m.observations().is_some()), &mut runner);
        walk(&auto(&model).solve(&model, &Limits::with_gap(0.05), &no_hook).unwrap().policy, 6, 4);
        if model.dynamics().len() == 1 {
            walk(&searched(&model, 30), 6, 4);
            walk(&Exact::default().solve(&model, &Limits::with_gap(1e-6), &no_hook).unwrap().policy, 6, 4);
        }
    }
}
