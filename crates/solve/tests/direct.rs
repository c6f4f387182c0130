//! Decisions by the stored vectors alone, against what is proven by a backup and against exact values.

use std::ops::ControlFlow;

use tiresias_model::random::Key;
use tiresias_model::{Model, belief, classic};
use tiresias_solve::{Exact, Limits, Search, SolvedPolicy, Solver, no_hook};

fn searched(model: &Model, trials: u64) -> SolvedPolicy {
    let stop = |progress: &tiresias_solve::Progress| {
        if progress.iterations < trials { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    Search::default().solve(model, &Limits::with_gap(1e-9), &stop).unwrap().policy
}

/// Beliefs along histories of random actions.
fn beliefs(model: &Model, walks: usize, steps: usize) -> Vec<Vec<f64>> {
    let mut draw = Key::named(8, &["direct"], &[]).sequence();
    let mut below = |n: usize| draw.integer(0, n as u32 - 1) as usize;
    let mut met = Vec::new();
    for _ in 0..walks {
        let mut belief = model.start().to_vec();
        for _ in 0..steps {
            met.push(belief.clone());
            let action = below(model.actions().len());
            let mut joint = vec![0.0; belief.len()];
            let seen = (0..50).find_map(|_| {
                let seen = below(model.observations().unwrap().len());
                let mass = belief::joint(model, 0, &belief, action, seen, &mut joint);
                (mass > 0.0).then_some(mass)
            });
            let Some(mass) = seen else { break };
            belief = joint.iter().map(|p| p / mass).collect();
        }
    }
    met
}

#[test]
fn bounds_hold_whatever_the_search_has_found() {
    for name in ["tiger", "4x3", "cheese", "maze:hallway"] {
        let model = classic::by_name(name).unwrap();
        // The same problem solved further is the judge of what little search proved.
        let (little, more) = (searched(&model, 3), searched(&model, 60));
        for belief in beliefs(&model, 12, 8) {
            let direct = little.direct(0, &belief).unwrap();
            let judge = more.assess(0, &belief);
            let (lower, upper) = judge.bounds();
            let slack = 1e-9 * upper.abs().max(1.0);
            assert!(direct.lower <= judge.upper[direct.action] + slack, "{name}: {direct:?} {judge:?}");
            assert!(direct.upper >= lower - slack, "{name}: {direct:?} {judge:?}");
            // What the action surely loses is no more than what was said.
            assert!(
                lower - judge.upper[direct.action] <= direct.regret_bound() + slack,
                "{name}: {direct:?} {judge:?}"
            );
        }
    }
}

#[test]
fn with_bounds_that_have_met_the_action_is_optimal() {
    let mut parts = classic::by_name("tiger").unwrap().to_builder();
    parts.horizon = Some(6);
    let model = parts.build().unwrap();
    let policy = searched(&model, 2000);
    let exact = Exact::default().solve(&model, &Limits::with_gap(1e-9), &no_hook).unwrap().policy;
    for belief in beliefs(&model, 10, 1) {
        let direct = policy.direct(0, &belief).unwrap();
        let values = exact.q_values(0, &belief);
        let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!(best - values[direct.action] <= direct.regret_bound() + 1e-9);
        assert!(direct.lower <= best + 1e-9 && best <= direct.upper + 1e-9);
    }
}

#[test]
fn policies_of_another_form_have_none() {
    let mut parts = classic::by_name("tiger").unwrap().to_builder();
    parts.horizon = Some(3);
    let model = parts.build().unwrap();
    let exact = Exact::default().solve(&model, &Limits::with_gap(1e-9), &no_hook).unwrap().policy;
    assert_eq!(exact.direct(0, model.start()), None);
}
