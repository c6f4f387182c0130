//! Stationary solvers against each other and against the enumeration of all policies; bounds at every step; threads and limits.

mod common;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Duration;

use common::{Size, observed, runner};
use proptest::prelude::*;
use tiresias_model::random::Key;
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Policy, Reward, Space};
use tiresias_solve::{
    BackwardInduction, Limits, ModifiedPolicyIteration, PolicyIteration, Solution, SolveError, Solver, Stopped,
    ValueIteration, auto, no_hook,
};

const FEW: Size = Size { states: 4, actions: 3, observations: 1, models: 1, horizon: 1 };

fn endless(model: &Model, discount: f64) -> Model {
    let mut builder = model.to_builder();
    (builder.discount, builder.horizon, builder.final_reward) = (discount, None, Vec::new());
    builder.build().unwrap()
}

/// The value of a policy: its equations solved by Gauss-Jordan elimination with the largest pivots.
fn policy_value(model: &Model, policy: &[usize]) -> Vec<f64> {
    let s = policy.len();
    let mut rows: Vec<Vec<f64>> = (0..s)
        .map(|state| {
            let row = policy[state] * s + state;
            let kernel = &model.dynamics()[0].transition;
            let unit = |to| f64::from(u8::from(to == state)) - model.discount() * kernel.get(row, to);
            (0..s).map(unit).chain([model.expected_reward(0)[row]]).collect()
        })
        .collect();
    for column in 0..s {
        let pivot = (column..s).max_by(|&i, &j| rows[i][column].abs().total_cmp(&rows[j][column].abs())).unwrap();
        rows.swap(column, pivot);
        let scaled: Vec<f64> = rows[column].iter().map(|x| x / rows[column][column]).collect();
        for (i, row) in rows.iter_mut().enumerate() {
            let factor = if i == column { 0.0 } else { row[column] };
            row.iter_mut().zip(&scaled).for_each(|(x, y)| *x -= factor * y);
        }
        rows[column] = scaled;
    }
    rows.iter().map(|row| row[s]).collect()
}

/// `V*` by trying every deterministic stationary policy: the best of them is best in every state at once.
fn enumerate(model: &Model) -> Vec<f64> {
    let (s, a) = (model.states().len(), model.actions().len());
    let policies = (0..a.pow(s as u32)).map(|code| (0..s).map(|i| code / a.pow(i as u32) % a).collect::<Vec<_>>());
    let mut best = vec![f64::NEG_INFINITY; s];
    for policy in policies {
        let value = policy_value(model, &policy);
        best.iter_mut().zip(value).for_each(|(best, v)| *best = best.max(v));
    }
    best
}

fn solvers() -> [Box<dyn Solver>; 4] {
    [
        Box::new(ValueIteration),
        Box::new(ModifiedPolicyIteration::default()),
        Box::new(ModifiedPolicyIteration { evaluations: 3 }),
        Box::new(PolicyIteration::default()),
    ]
}

fn vertex(states: usize, state: usize) -> Vec<f64> {
    (0..states).map(|s| f64::from(u8::from(s == state))).collect()
}

/// Solves with a hook that checks every report against the truth, then checks every value, regret and band.
fn check_against(model: &Model, exact: &[f64], solver: &dyn Solver, limits: &Limits) -> Result<(), TestCaseError> {
    let (s, a) = (model.states().len(), model.actions().len());
    let truth: f64 = model.start().iter().zip(exact).map(|(p, v)| p * v).sum();
    let size = exact.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
    let tiny = 1e-12 * size / (1.0 - model.discount());
    let (last, sound) = (Cell::new((f64::NEG_INFINITY, f64::INFINITY)), Cell::new(true));
    let hook = |p: &tiresias_solve::Progress| {
        let (lower, upper) = last.get();
        sound.set(sound.get() && lower <= p.lower && p.upper <= upper && p.lower <= p.upper);
        sound.set(sound.get() && p.lower <= truth + tiny && truth - tiny <= p.upper);
        last.set((p.lower, p.upper));
        ControlFlow::Continue(())
    };
    let solution = solver.solve(model, limits, &hook).unwrap();
    prop_assert!(sound.get(), "{} reported unsound or loosening bounds", solver.name());
    prop_assert_eq!((solution.lower, solution.upper), last.get());
    prop_assert!(solution.lower <= solution.value() && solution.value() <= solution.upper);
    if limits.time.is_none() {
        prop_assert_eq!(solution.stopped, Stopped::Converged);
        prop_assert!(solution.gap() <= limits.gap.max(tiny));
    }
    for state in 0..s {
        let (low, high) = solution.policy.bounds(0, &vertex(s, state));
        prop_assert!(low <= exact[state] + tiny && exact[state] <= high + tiny, "{low} {} {high}", exact[state]);
        let assessment = solution.policy.assess(0, &vertex(s, state));
        for action in 0..a {
            let kernel = &model.dynamics()[0].transition;
            let mean: f64 = kernel.pairs(action * s + state).map(|(to, p)| p * exact[to]).sum();
            let q = model.expected_reward(0)[action * s + state] + model.discount() * mean;
            prop_assert!(assessment.lower[action] <= q + tiny && q - tiny <= assessment.upper[action]);
            prop_assert!(assessment.regret_bound(action) >= exact[state] - q - tiny);
        }
    }
    let played: Vec<usize> = (0..s).map(|state| solution.policy.action_in_state(0, state, s)).collect();
    let collected = policy_value(model, &played);
    for state in 0..s {
        // Ties count as such up to 1e-9 of the value a step.
        let bound = (solution.policy.label_in_state(0, state).1 + 2e-9 * size) / (1.0 - model.discount());
        let worst =
            (0..s).map(|i| solution.policy.label_in_state(0, i).1).fold(0.0, f64::max) / (1.0 - model.discount());
        prop_assert!(collected[state] >= exact[state] - bound.max(worst) - 2e-9 * size / (1.0 - model.discount()));
    }
    Ok(())
}

#[test]
fn every_solver_agrees_with_the_best_of_all_policies() {
    let cases = (observed(FEW), prop_oneof![Just(0.0), Just(0.5), Just(0.95), Just(0.99), Just(0.9999)]);
    let check = |(model, discount): (Model, f64)| {
        let model = endless(&model, discount);
        let exact = enumerate(&model);
        // Sweeps alone take some hundred thousand at the last discount.
        let quick = |solver: &dyn Solver| discount < 0.999 || solver.name() == "policy-iteration";
        for solver in solvers().into_iter().filter(|solver| quick(&**solver)) {
            for limits in [Limits::with_gap(1e-3), Limits::with_gap(0.0)] {
                check_against(&model, &exact, &*solver, &limits)?;
            }
            check_against(&model, &exact, &*solver, &Limits { time: Some(Duration::ZERO), ..Limits::default() })?;
        }
        Ok(())
    };
    runner(12).run(&cases, check).unwrap();
}

#[test]
fn one_state_and_one_action_are_solved() {
    for (states, actions) in [(1, 1), (1, 3), (3, 1)] {
        let check = |model: Model| {
            let model = endless(&model, 0.99);
            let exact = enumerate(&model);
            solvers().iter().try_for_each(|s| check_against(&model, &exact, &**s, &Limits::with_gap(1e-6)))
        };
        runner(10).run(&observed(Size { states, actions, ..FEW }), check).unwrap();
    }
}

fn model(states: usize, actions: usize, rows: Kernel, reward: Vec<f64>, discount: f64) -> Model {
    ModelBuilder {
        name: "made".into(),
        states: Space::unnamed("states", states).unwrap(),
        actions: Space::unnamed("actions", actions).unwrap(),
        observations: None,
        reward: Reward::StateAction(reward),
        start: vertex(states, 0),
        discount,
        horizon: None,
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition: rows, observation: None }],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

/// A walk to the right end that pays 1 there for ever; the last state is never reached.
#[test]
fn a_walk_to_an_absorbing_end_is_worth_what_it_discounts_to() {
    let (n, discount) = (12, 0.9);
    let step = |s: usize, right: bool| match (s, right) {
        (10 | 11, _) => s,
        (s, true) => s + 1,
        (s, false) => s.saturating_sub(1),
    };
    let mut rows = Kernel::new(n);
    [false, true].iter().for_each(|&right| (0..n).for_each(|s| rows.push_row([(step(s, right), 1.0)])));
    let reward = (0..2 * n).map(|row| f64::from(u8::from(row % n == 10))).collect();
    let model = model(n, 2, rows, reward, discount);
    for solver in solvers() {
        let solution = solver.solve(&model, &Limits::with_gap(1e-9), &no_hook).unwrap();
        let exact = discount.powi(10) / (1.0 - discount);
        assert!((solution.value() - exact).abs() < 1e-8, "{}", solver.name());
        assert!((0..10).all(|s| solution.policy.action_in_state(0, s, n) == 1));
        let (low, high) = solution.policy.bounds(0, &vertex(n, 11));
        assert!(low <= 1e-9 && high >= -1e-9 && high - low <= 1e-9);
    }
}

/// 40,000 states that reach far and near: enough for threads, blocks that are not full, and several looks at the clock.
fn large(horizon: Option<usize>, models: u64) -> Model {
    let (s, a) = (40_011, 3);
    let kernel = |m: u64| {
        let mut draws = Key::named(m, &["large"], &[]).sequence();
        let mut kernel = Kernel::with_capacity(s, a * s, a * s * 3);
        for row in 0..a * s {
            let p = draws.between(0.1, 0.5);
            let far = draws.integer(0, s as u32 - 1) as usize;
            kernel.push_row([(row % s, p), ((row + 1) % s, 0.4), (far, 0.6 - p)]);
        }
        Dynamics { transition: kernel, observation: None }
    };
    let mut draws = Key::named(9, &["reward"], &[]).sequence();
    let reward = (0..a * s).map(|_| draws.uniform()).collect();
    let Dynamics { transition, .. } = kernel(0);
    let mut builder = model(s, a, transition, reward, 0.9).to_builder();
    (builder.horizon, builder.start, builder.alpha) = (horizon, vec![1.0 / s as f64; s], 0.7);
    builder.dynamics = (0..models).map(kernel).collect();
    builder.build().unwrap()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let ours: [(&dyn Solver, Option<usize>); 3] =
        [(&ValueIteration, None), (&ModifiedPolicyIteration { evaluations: 5 }, None), (&BackwardInduction, Some(4))];
    for (solver, horizon) in ours {
        for models in [1, 2] {
            let model = large(horizon, models);
            let solve = |threads| {
                let solution = solver.solve(&model, &Limits { threads, ..Limits::with_gap(1e-4) }, &no_hook).unwrap();
                (solution.lower.to_bits(), solution.upper.to_bits(), solution.stats.iterations, solution.policy)
            };
            let one = solve(1);
            for threads in [2, 3, 5] {
                assert!(solve(threads) == one, "{} with {threads} threads", solver.name());
            }
        }
    }
}

#[test]
fn a_cancelled_sweep_keeps_the_bounds_of_the_last() {
    for (solver, horizon) in [(&ValueIteration as &dyn Solver, None), (&BackwardInduction, Some(6))] {
        let model = large(horizon, 1);
        let exact = solver.solve(&model, &Limits::with_gap(1e-9), &no_hook).unwrap();
        for calls in 1..8 {
            let count = Cell::new(0);
            let hook = |_: &tiresias_solve::Progress| {
                count.set(count.get() + 1);
                if count.get() == calls { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let cut = solver.solve(&model, &Limits::with_gap(1e-9), &hook).unwrap();
            assert!(count.get() <= calls, "the hook is not called again");
            assert!(cut.lower <= exact.upper + 1e-9 && exact.lower <= cut.upper + 1e-9);
            let (low, high) = cut.policy.informed_bounds(0, model.start()).unwrap();
            assert!(low <= exact.upper + 1e-9 && exact.lower <= high + 1e-9);
            assert!(cut.stopped == Stopped::Cancelled || cut.stopped == Stopped::Converged);
        }
    }
}

#[test]
fn limits_on_memory_hold_and_bounds_stay_sound() {
    let model = large(None, 1);
    let exact = ValueIteration.solve(&model, &Limits::with_gap(1e-9), &no_hook).unwrap();
    let limits = Limits { memory: Some(1000), ..Limits::with_gap(1e-9) };
    let cut = auto(&model).solve(&model, &limits, &no_hook).unwrap();
    assert_eq!(cut.stopped, Stopped::Memory);
    assert!(cut.lower <= exact.lower && exact.upper <= cut.upper);
    let long = large(Some(50), 1);
    let refused = BackwardInduction.solve(&long, &limits, &no_hook).unwrap_err();
    assert!(matches!(refused, SolveError::Horizon { horizon: 50, .. }));
    let refused = PolicyIteration::default().solve(&model, &Limits::default(), &no_hook).unwrap_err();
    assert!(refused.to_string().contains("40011 states"), "{refused}");
    let robust = large(None, 2);
    let refused = PolicyIteration { most_states: 1 << 20 }.solve(&robust, &Limits::default(), &no_hook).unwrap_err();
    assert!(refused.to_string().contains("modified-policy-iteration"), "{refused}");
}

/// A solution's values are those of its last sweep, which leaves actions out; its action values are all backed up when asked for.
fn assert_nothing_was_missed(model: &Model, solution: &Solution, states: impl Iterator<Item = usize>) {
    let s = model.states().len();
    for state in states {
        let belief = vertex(s, state);
        let (value, q) = (solution.policy.informed_value(0, &belief).unwrap(), solution.policy.q_values(0, &belief));
        let best = q.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!((value - best).abs() <= 1e-13 * value.abs().max(1.0), "state {state}: {value}, the best action {best}");
    }
}

#[test]
fn actions_are_left_out_and_no_best_one_among_them() {
    for (solver, horizon) in [
        (&ValueIteration as &dyn Solver, None),
        (&ModifiedPolicyIteration::default(), None),
        (&BackwardInduction, Some(12)),
    ] {
        for models in [1, 2] {
            let model = large(horizon, models);
            let solution = solver.solve(&model, &Limits::with_gap(1e-3), &no_hook).unwrap();
            let rows = (model.states().len() * model.actions().len()) as u64;
            // Evaluation counts, too.
            let few = solution.stats.backups < solution.stats.iterations * rows * 3 / 4;
            assert!(few || solver.name() == "modified-policy-iteration", "{:?}", solution.stats);
            assert_nothing_was_missed(&model, &solution, (0..model.states().len()).step_by(401));
        }
    }
    let check = |(model, discount): (Model, f64)| {
        for model in [endless(&model, discount), model] {
            let solvers: &[&dyn Solver] = match model.horizon() {
                None => &[&ValueIteration, &ModifiedPolicyIteration { evaluations: 7 }, &PolicyIteration::default()],
                Some(_) => &[&BackwardInduction],
            };
            for solver in solvers.iter().filter(|s| model.dynamics().len() == 1 || s.name() != "policy-iteration") {
                for gap in [1.0, 1e-3, 1e-9] {
                    let solution = solver.solve(&model, &Limits::with_gap(gap), &no_hook).unwrap();
                    assert_nothing_was_missed(&model, &solution, 0..model.states().len());
                }
            }
        }
        Ok(())
    };
    // Smaller ones are backed up as a whole.
    for models in [1, 2] {
        let size = Size { states: 20, actions: 5, models, horizon: 6, ..FEW };
        runner(25).run(&(observed(size), prop_oneof![Just(0.5), Just(0.95)]), check).unwrap();
    }
}

#[test]
fn where_memory_is_short_the_policy_s_rows_are_not_copied() {
    let model = large(None, 1);
    let solve = |memory| {
        let solver = ModifiedPolicyIteration::default();
        solver.solve(&model, &Limits { memory, ..Limits::with_gap(1e-6) }, &no_hook).unwrap()
    };
    let (free, short) = (solve(None), solve(Some(3_000_000)));
    assert_eq!((free.stopped, short.stopped), (Stopped::Converged, Stopped::Converged));
    assert_eq!((free.lower.to_bits(), free.upper.to_bits()), (short.lower.to_bits(), short.upper.to_bits()));
    assert!(free.policy == short.policy);
    let none = solve(Some(1_000_000));
    assert_eq!((none.stopped, none.stats.backups), (Stopped::Memory, 0));
}

#[test]
fn robust_solvers_agree_and_tables_survive_a_file() {
    let check = |model: Model| {
        let endless = endless(&model, 0.9);
        let limits = Limits::with_gap(1e-9);
        let slow = ValueIteration.solve(&endless, &limits, &no_hook).unwrap();
        let fast = ModifiedPolicyIteration::default().solve(&endless, &limits, &no_hook).unwrap();
        prop_assert!(slow.lower <= fast.upper + 1e-9 && fast.lower <= slow.upper + 1e-9);
        for solution in [&fast, &BackwardInduction.solve(&model, &limits, &no_hook).unwrap()] {
            let read = Solution::load(&solution.save(), solution.policy.model()).unwrap().policy;
            for state in 0..4 {
                let belief = vertex(4, state);
                prop_assert_eq!(read.assess(0, &belief), solution.policy.assess(0, &belief));
                prop_assert_eq!(read.bounds(0, &belief), solution.policy.bounds(0, &belief));
            }
        }
        Ok(())
    };
    runner(20).run(&observed(Size { models: 3, horizon: 3, ..FEW }), check).unwrap();
}
