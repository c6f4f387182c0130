//! Where the state is observed, what is said of a belief speaks of who must act knowing it and no more; what it is worth to see the
//! state first has a name of its own. Both against enumeration: of every assignment of actions to states, for the informed, and of
//! every single action, for the uninformed.

mod common;

use common::{Size, belief, draw, observed, runner};
use tiresias_model::Model;
use tiresias_solve::{BackwardInduction, Limits, ModifiedPolicyIteration, Solution, Solver, no_hook};

/// How many cases: 20 times as many at full length.
fn cases(short: usize) -> usize {
    if std::env::var("TIRESIAS_PROMISES").is_ok_and(|length| length == "full") { 20 * short } else { short }
}

/// What an action in a state is worth when `next` follows and nature, who sees the state, picks a model of the cloud.
fn worth(model: &Model, state: usize, action: usize, next: &[f64]) -> f64 {
    let s = model.states().len();
    let row = action * s + state;
    let under = |m: usize| {
        let mean: f64 = model.dynamics()[m].transition.pairs(row).map(|(to, p)| p * next[to]).sum();
        model.expected_reward(m)[row] + model.discount() * mean
    };
    let all: Vec<f64> = (0..model.dynamics().len()).map(under).collect();
    let (low, high) = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |e, &v| (e.0.min(v), e.1.max(v)));
    model.alpha() * low + (1.0 - model.alpha()) * high
}

/// The values of the states at a stage (of none left: the final reward), by trying every action in every one.
fn values(model: &Model, stage: usize) -> Vec<f64> {
    let (s, a) = (model.states().len(), model.actions().len());
    if Some(stage) == model.horizon() {
        return (0..s).map(|state| model.final_reward().get(state).copied().unwrap_or(0.0)).collect();
    }
    let next = values(model, stage + 1);
    (0..s).map(|state| (0..a).map(|action| worth(model, state, action, &next)).fold(f64::MIN, f64::max)).collect()
}

/// The best mean over the assignments of actions to states that `allowed` lets pass.
fn best(model: &Model, belief: &[f64], next: &[f64], allowed: impl Fn(&[usize]) -> bool) -> f64 {
    let (s, a) = (model.states().len(), model.actions().len());
    let assignments = (0..a.pow(s as u32)).map(|n| (0..s).map(|i| n / a.pow(i as u32) % a).collect::<Vec<_>>());
    let mean = |actions: Vec<usize>| (0..s).map(|i| belief[i] * worth(model, i, actions[i], next)).sum::<f64>();
    assignments.filter(|actions| allowed(actions)).map(mean).fold(f64::NEG_INFINITY, f64::max)
}

/// Holds all that a solution says at a belief against the enumeration, given the values of the next stage.
fn check(model: &Model, solution: &Solution, stage: usize, belief: &[f64], next: &[f64], slack: f64) {
    let policy = &solution.policy;
    let constant = |action: usize| move |actions: &[usize]| actions.iter().all(|&a| a == action);
    let q: Vec<f64> = (0..model.actions().len()).map(|a| best(model, belief, next, constant(a))).collect();
    let uninformed = q.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let informed = best(model, belief, next, |_| true);
    let within = |(low, high): (f64, f64), value: f64| low - 1e-9 <= value && value <= high + 1e-9;
    let assessment = policy.assess(stage, belief);
    assert!(within(policy.bounds(stage, belief), uninformed), "{:?} {uninformed}", policy.bounds(stage, belief));
    assert_eq!(policy.bounds(stage, belief), assessment.bounds());
    assert!((policy.value(stage, belief) - uninformed).abs() <= slack);
    assert!(within(policy.informed_bounds(stage, belief).unwrap(), informed));
    assert!((policy.informed_value(stage, belief).unwrap() - informed).abs() <= slack);
    for (action, q) in q.into_iter().enumerate() {
        assert!(within((assessment.lower[action], assessment.upper[action]), q));
        assert!((policy.q_values(stage, belief)[action] - q).abs() <= slack);
        let regret = policy.regret_bound(stage, belief, action);
        // A bound, and no looser than what the bands around two values leave.
        assert!(regret >= uninformed - q - 1e-9 && regret <= uninformed - q + 4.0 * slack + 1e-9, "{regret}");
    }
}

#[test]
fn informed_and_uninformed_values_are_those_of_enumeration() {
    let (mut runner, mut apart) = (runner(1), 0);
    let all = cases(40);
    for case in 0..all {
        let models = [1, 1, 2, 3][case % 4];
        let size = Size { states: 2 + case % 3, actions: 1 + case % 3, observations: 1, models, horizon: 2 };
        let model = draw(&observed(size), &mut runner);
        let solution = BackwardInduction.solve(&model, &Limits::default(), &no_hook).unwrap();
        let start = model.start();
        let first: f64 = start.iter().zip(values(&model, 0)).map(|(p, v)| p * v).sum();
        // The first state is seen before the first decision.
        assert!((solution.lower - first).abs() < 1e-9 && (solution.value() - first).abs() < 1e-9);
        for stage in 0..2 {
            let next = values(&model, stage + 1);
            for belief in [start.to_vec(), draw(&belief(size.states), &mut runner)] {
                check(&model, &solution, stage, &belief, &next, 1e-9);
                let informed = solution.policy.informed_value(stage, &belief).unwrap();
                apart += usize::from(informed > solution.policy.value(stage, &belief) + 1e-3);
            }
        }
    }
    assert!(apart > all / 4, "{apart}: a test of two things that are one");
}

#[test]
fn without_a_horizon_the_two_are_apart_as_well() {
    let mut runner = runner(1);
    for case in 0..cases(10) {
        let size = Size { states: 3, actions: 2, observations: 1, models: 1 + case % 2, horizon: 2 };
        let mut parts = draw(&observed(size), &mut runner).to_builder();
        (parts.horizon, parts.discount, parts.final_reward) = (None, 0.7, Vec::new());
        let model = parts.build().unwrap();
        let mut next = vec![0.0; 3];
        for _ in 0..200 {
            next = (0..3).map(|s| (0..2).map(|a| worth(&model, s, a, &next)).fold(f64::MIN, f64::max)).collect();
        }
        for gap in [1e-9, 0.5] {
            let solution = ModifiedPolicyIteration::default().solve(&model, &Limits::with_gap(gap), &no_hook).unwrap();
            check(&model, &solution, 0, model.start(), &next, gap);
            check(&model, &solution, 0, &draw(&belief(3), &mut runner), &next, gap);
        }
    }
}

#[test]
fn hidden_states_have_no_informed_value() {
    let model = common::tiger(Some(2));
    let solution = tiresias_solve::auto(&model).solve(&model, &Limits::default(), &no_hook).unwrap();
    assert_eq!(solution.policy.informed_value(0, model.start()), None);
    assert_eq!(solution.policy.informed_bounds(0, model.start()), None);
}
