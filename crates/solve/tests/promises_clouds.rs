//! The promise of every solver for hidden states, over random small clouds: the policy that is handed out earns at least its `lower`,
//! against nature's best answers to what it does, whatever the gap that was asked for and whenever it was stopped; and the bounds on
//! values, actions and regrets hold at any belief.
//!
//! Everything is measured by enumerating all histories. `TIRESIAS_PROMISES=full` looks at twenty times as many models.

mod common;

use std::cell::Cell;
use std::ops::ControlFlow;

use common::{enumerate_actions, enumerate_policy};
use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Policy, Reward, Space, belief};
use tiresias_solve::{
    ActingPolicy, CornerBounds, Estimate, Exact, Faces, Limits, Plans, Progress, Search, Solution, Solver, auto,
    no_hook,
};

fn cases(short: u64) -> u64 {
    if std::env::var("TIRESIAS_PROMISES").is_ok_and(|length| length == "full") { 20 * short } else { short }
}

/// A kernel of small whole weights, so that values tie and beliefs meet; now and then certain rows.
fn kernel(draw: &mut Sequence, rows: usize, columns: usize) -> Kernel {
    let mut kernel = Kernel::new(columns);
    let certain = draw.integer(0, 3) == 0;
    for _ in 0..rows {
        let mut weights: Vec<f64> = (0..columns).map(|_| f64::from(draw.integer(0, 4).saturating_sub(1))).collect();
        if certain || weights.iter().all(|w| *w == 0.0) {
            weights.fill(0.0);
            weights[draw.integer(0, columns as u32 - 1) as usize] = 1.0;
        }
        let sum: f64 = weights.iter().sum();
        kernel.push_row(weights.iter().enumerate().filter(|(_, w)| **w > 0.0).map(|(c, w)| (c, w / sum)));
    }
    kernel
}

/// A random model. Without a horizon its discount is small, so that few stages are nearly all.
fn model(draw: &mut Sequence, horizon: Option<usize>) -> Model {
    let mut size = |low: usize, high: usize| draw.integer(low as u32, high as u32) as usize;
    let (models, s, a) = (size(1, 4), size(2, 4), size(1, 3));
    let o = size(1, if horizon.is_none_or(|h| h > 3) || models > 3 { 2 } else { 3 });
    let models = if horizon.is_none() { models.min(2) } else { models };
    let whole = |draw: &mut Sequence| f64::from(draw.integer(0, 8)) - 4.0;
    let unit = [1.0, 1.0, 1e-6, 1e6][draw.integer(0, 3) as usize];
    // What is seen may be a part of the state, the same for all actions.
    let part = (draw.integer(0, 3) == 0).then(|| kernel_of_parts(draw, s, a, o));
    let dynamics = (0..models).map(|_| Dynamics {
        transition: kernel(draw, a * s, s),
        observation: Some(part.clone().unwrap_or_else(|| kernel(draw, a * s, o))),
    });
    let dynamics = dynamics.collect();
    let start: Vec<f64> = (0..s).map(|_| f64::from(draw.integer(0, 2))).collect();
    let sum: f64 = start.iter().sum();
    let start = if sum > 0.0 { start.iter().map(|p| p / sum).collect() } else { vec![1.0 / s as f64; s] };
    ModelBuilder {
        name: "random".into(),
        states: Space::unnamed("states", s).unwrap(),
        actions: Space::unnamed("actions", a).unwrap(),
        observations: Some(Space::unnamed("observations", o).unwrap()),
        reward: Reward::StateAction((0..a * s).map(|_| unit * whole(draw)).collect()),
        start,
        discount: if horizon.is_none() { draw.between(0.1, 0.4) } else { [1.0, 0.9, 0.5][draw.integer(0, 2) as usize] },
        terminal: if draw.integer(0, 3) == 0 { vec![s - 1] } else { Vec::new() },
        final_reward: if horizon.is_some() && draw.integer(0, 2) == 0 {
            (0..s).map(|_| unit * whole(draw)).collect()
        } else {
            Vec::new()
        },
        horizon,
        dynamics,
        alpha: [1.0, 1.0, 0.7, 0.3, 0.0][draw.integer(0, 4) as usize],
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

fn kernel_of_parts(draw: &mut Sequence, s: usize, a: usize, o: usize) -> Kernel {
    let parts: Vec<usize> = (0..s).map(|_| draw.integer(0, o as u32 - 1) as usize).collect();
    let mut kernel = Kernel::new(o);
    (0..a * s).for_each(|row| kernel.push_row([(parts[row % s], 1.0)]));
    kernel
}

/// What the policy earns against nature's best answers, without a horizon: bounds from all histories of `steps` decisions.
fn unrolled(model: &Model, policy: &dyn Policy, steps: usize, x: &[f64]) -> (f64, f64) {
    let mass: f64 = x.iter().sum();
    if steps == 0 {
        let (low, high) = model.reward_range();
        return (mass * low / (1.0 - model.discount()), mass * high / (1.0 - model.discount()));
    }
    let (s, mut joint) = (x.len(), vec![0.0; x.len()]);
    let action = policy.action(0, &x.iter().map(|p| p / mass).collect::<Vec<_>>());
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for m in 0..model.dynamics().len() {
        let reward: f64 = (0..s).map(|i| x[i] * model.expected_reward(m)[action * s + i]).sum();
        let mut value = [reward; 2];
        for seen in 0..model.observations().unwrap().len() {
            if belief::joint(model, m, x, action, seen, &mut joint) > 0.0 {
                let ahead = unrolled(model, policy, steps - 1, &joint);
                value = [value[0] + model.discount() * ahead.0, value[1] + model.discount() * ahead.1];
            }
        }
        low = [low[0].min(value[0]), low[1].min(value[1])];
        high = [high[0].max(value[0]), high[1].max(value[1])];
    }
    let blend = |i: usize| model.alpha() * low[i] + (1.0 - model.alpha()) * high[i];
    (blend(0), blend(1))
}

/// Everything that takes the model, stopped after `stop` iterations.
fn solutions(model: &Model, gap: f64, stop: u64) -> Vec<(&'static str, Solution)> {
    let convex = model.dynamics().len() == 1 || model.alpha() == 0.0;
    let mut solvers: Vec<(&'static str, Box<dyn Solver>)> = vec![
        ("corners", Box::new(CornerBounds)),
        ("plans", Box::new(Plans { most_trials: 300, ..Plans::default() })),
        ("auto", auto(model)),
    ];
    if Faces::faces(model).is_some() {
        solvers.push(("faces", Box::new(Faces { most_divisions: 24, ..Faces::default() })));
        solvers.push(("coarse faces", Box::new(Faces { first_divisions: 1, most_divisions: 3 })));
        solvers.push(("estimate", Box::new(Estimate { divisions: 4 })));
    }
    if convex {
        solvers.push(("point", Box::new(Search { most_trials: 300, ..Search::default() })));
        solvers.push(("exact", Box::new(Exact::default())));
    }
    let mut out = Vec::new();
    for (name, solver) in solvers {
        let calls = Cell::new(0);
        let hook = |_: &Progress| {
            calls.set(calls.get() + 1);
            if calls.get() > stop.min(400) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let limits = Limits { memory: Some(32 << 20), ..Limits::with_gap(gap) };
        out.push((name, solver.solve(model, &limits, &hook).unwrap()));
    }
    out
}

fn drawn(draw: &mut Sequence, model: &Model) -> (f64, u64) {
    let share = [0.0, 1e-3, 0.05, 0.3, 1.0][draw.integer(0, 4) as usize];
    let stop = [u64::MAX, u64::MAX, 0, 1, 3, 9][draw.integer(0, 5) as usize];
    (share * model.reward_spread(), stop)
}

#[test]
fn policies_earn_what_is_proven_of_them() {
    let mut failures = Vec::new();
    for case in 0..cases(1200) {
        let mut draw = Key::named(case, &["promises", "clouds"], &[]).sequence();
        let horizon = draw.integer(1, 4) as usize;
        let model = model(&mut draw, Some(horizon));
        let (gap, stop) = drawn(&mut draw, &model);
        for (name, solution) in solutions(&model, gap, stop) {
            let acting = ActingPolicy::new(&solution.policy);
            let earned = enumerate_policy(&model, 0, model.start(), &|t, b| acting.action(t, b));
            // A tie may cost its tolerance at each decision.
            let tiny = 2.0 * horizon as f64 * model.tie(earned) + 1e-10 * model.reward_spread();
            if earned < solution.lower - tiny {
                failures.push(format!(
                    "case {case}, {name}, gap {gap}, stop {stop}, M {} α {}: earns {earned}, proven {} (≤ {})",
                    model.dynamics().len(),
                    model.alpha(),
                    solution.lower,
                    solution.upper
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{} of them\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn policies_without_a_horizon_earn_what_is_proven_of_them() {
    let mut failures = Vec::new();
    for case in 0..cases(60) {
        let mut draw = Key::named(case, &["promises", "discounted clouds"], &[]).sequence();
        let model = model(&mut draw, None);
        let (gap, stop) = drawn(&mut draw, &model);
        for (name, solution) in solutions(&model, gap.max(1e-6 * model.reward_spread()), stop) {
            let acting = ActingPolicy::new(&solution.policy);
            let (_, earned) = unrolled(&model, &acting, 6, model.start());
            if earned < solution.lower - 4.0 * model.tie(earned) - 1e-10 * model.reward_spread() {
                failures.push(format!(
                    "case {case}, {name}, gap {gap}, stop {stop}, M {} α {} γ {}: earns {earned}, proven {} (≤ {})",
                    model.dynamics().len(),
                    model.alpha(),
                    model.discount(),
                    solution.lower,
                    solution.upper
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{} of them\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn bounds_and_regrets_hold_anywhere() {
    for case in 0..cases(300) {
        let mut draw = Key::named(case, &["promises", "anywhere"], &[]).sequence();
        let horizon = draw.integer(1, 3) as usize;
        let model = model(&mut draw, Some(horizon));
        let (gap, stop) = drawn(&mut draw, &model);
        let solutions = solutions(&model, gap, stop);
        for _ in 0..3 {
            let weights: Vec<f64> = model.start().iter().map(|_| f64::from(draw.integer(0, 3))).collect();
            let sum: f64 = weights.iter().sum();
            if sum == 0.0 {
                continue;
            }
            let b: Vec<f64> = weights.iter().map(|w| w / sum).collect();
            let stage = draw.integer(0, horizon as u32 - 1) as usize;
            let exact = enumerate_actions(&model, stage, &b);
            let best = exact.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let tiny = 1e-9 * (model.reward_spread() + best.abs());
            for (name, solution) in &solutions {
                let assessment = solution.policy.assess(stage, &b);
                let (lower, upper) = solution.policy.bounds(stage, &b);
                assert!(
                    lower <= best + tiny && best - tiny <= upper,
                    "case {case}, {name}: {best} in {lower}, {upper}"
                );
                assert_eq!(assessment.action(), solution.policy.action(stage, &b), "case {case}, {name}");
                assert!(assessment.is_optimal(assessment.action(), 0.0));
                for (action, q) in exact.iter().enumerate() {
                    let (lower, upper) = (assessment.lower[action], assessment.upper[action]);
                    assert!(lower <= q + tiny && q - tiny <= upper, "case {case}, {name}: {q} in {lower}, {upper}");
                    let regret = solution.policy.regret_bound(stage, &b, action);
                    assert!(regret >= best - q - tiny, "case {case}, {name}: {regret} for {}", best - q);
                }
            }
        }
    }
}

/// All rewards in other units, or as much added to each, decide alike: what ties is a share of their range.
#[test]
fn units_of_rewards_change_no_decision() {
    for case in 0..cases(100) {
        let mut draw = Key::named(case, &["promises", "units"], &[]).sequence();
        let horizon = draw.integer(1, 3) as usize;
        let plain = model(&mut draw, Some(horizon));
        let Reward::StateAction(rewards) = plain.to_builder().reward else { panic!("as it was built") };
        let in_units = |unit: f64| {
            let mut parts = plain.to_builder();
            parts.reward = Reward::StateAction(rewards.iter().map(|r| r * unit).collect());
            parts.final_reward.iter_mut().for_each(|r| *r *= unit);
            parts.build().unwrap()
        };
        // A power of two rounds nothing.
        for unit in [2.0_f64.powi(-40), 2.0_f64.powi(30)] {
            let other = in_units(unit);
            let gap = 0.01 * plain.reward_spread();
            let pairs = solutions(&plain, gap, u64::MAX).into_iter().zip(solutions(&other, unit * gap, u64::MAX));
            for ((name, plain), (_, other)) in pairs {
                for stage in 0..horizon {
                    let b = plain.policy.model().start();
                    let [one, two] = [&plain, &other].map(|solution| solution.policy.action(stage, b));
                    assert_eq!(one, two, "case {case}, {name}, stage {stage}, unit {unit}");
                }
            }
        }
    }
}

/// Two actions that differ by less than any fixed tolerance, and by all that there is.
#[test]
fn what_is_small_is_no_tie() {
    for unit in [8e-10, 1e-30, 1.0] {
        let kernel = |columns: usize| {
            let mut kernel = Kernel::new(columns);
            (0..4).for_each(|row| kernel.push_row([(if columns == 1 { 0 } else { row % 2 }, 1.0)]));
            kernel
        };
        let model = ModelBuilder {
            name: "small".into(),
            states: Space::unnamed("states", 2).unwrap(),
            actions: Space::unnamed("actions", 2).unwrap(),
            observations: Some(Space::unnamed("observations", 1).unwrap()),
            reward: Reward::Action(vec![0.0, unit]),
            start: vec![0.5; 2],
            discount: 1.0,
            horizon: Some(5),
            terminal: Vec::new(),
            final_reward: Vec::new(),
            dynamics: vec![Dynamics { transition: kernel(2), observation: Some(kernel(1)) }; 2],
            alpha: 1.0,
            ambiguity: None,
            observation_ambiguity: None,
        }
        .build()
        .unwrap();
        let solution = auto(&model).solve(&model, &Limits::with_gap(1e-3 * unit), &no_hook).unwrap();
        assert_eq!(solution.policy.action(0, model.start()), 1);
        assert_eq!(solution.policy.optimal_actions(0, model.start(), 0.0), [1]);
        let earned = enumerate_policy(&model, 0, model.start(), &|t, b| solution.policy.action(t, b));
        assert!((earned - 5.0 * unit).abs() < 1e-9 * unit, "{earned} of {}", 5.0 * unit);
    }
}
