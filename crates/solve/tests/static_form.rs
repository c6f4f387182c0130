//! The static form: one model of the cloud is true to the end. Held against the enumeration of all plans, against the literature's toy,
//! against what theory says of its relatives, and by playing what it hands out.

mod common;

use common::{Size, hidden, observed, runner};
use microlp::{ComparisonOp, OptimizationDirection, Problem};
use proptest::prelude::*;
use tiresias_model::{Model, Space};
use tiresias_solve::{Limits, Plan, Player, StaticSolution, Stopped, auto, no_hook, solve_static};

fn attitude(alpha: f64, worth: &[f64]) -> f64 {
    let least = worth.iter().copied().fold(f64::INFINITY, f64::min);
    let most = worth.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    alpha * least + (1.0 - alpha) * most
}

/// The observations' probabilities after moving to `to`; where the state is seen, that.
fn seen(model: &Model, m: usize, action: usize, to: usize) -> Vec<(usize, f64)> {
    match &model.dynamics()[m].observation {
        Some(kernel) => kernel.pairs(action * model.states().len() + to).collect(),
        None => vec![(to, 1.0)],
    }
}

fn last(model: &Model, state: usize) -> f64 {
    model.final_reward().get(state).copied().unwrap_or(0.0)
}

/// What a plan earns under model `m` when it is played, history by history, in the model itself; so many decisions, and what is left out
/// after them is not counted.
fn played(model: &Model, m: usize, plan: &Plan, decisions: usize) -> f64 {
    let from = |state: usize| -> f64 {
        let first = plan.controllers.iter().find(|first| first.state.is_none_or(|seen| seen == state)).unwrap();
        play(model, m, &first.controller, (0, 0, state), decisions)
    };
    model.start().iter().enumerate().filter(|(_, p)| **p > 0.0).map(|(s, p)| p * from(s)).sum()
}

fn play(
    model: &Model,
    m: usize,
    controller: &tiresias_solve::formats::Controller,
    (stage, node, state): (usize, usize, usize),
    decisions: usize,
) -> f64 {
    if stage == decisions {
        return last(model, state);
    }
    let own = &controller.nodes(stage)[node];
    let action = own.action as usize;
    let row = action * model.states().len() + state;
    let mut value = model.expected_reward(m)[row];
    for (to, p) in model.dynamics()[m].transition.pairs(row) {
        for (o, q) in seen(model, m, action, to) {
            let next = own.next[o].map_or(0, |next| next as usize);
            value += model.discount() * p * q * play(model, m, controller, (stage + 1, next, to), decisions);
        }
    }
    value
}

/// What every deterministic plan earns from these masses of each model on, by enumeration: nothing is left out.
fn all_plans(model: &Model, stage: usize, masses: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let states = model.states().len();
    let models = 0..model.dynamics().len();
    if stage == model.horizon().unwrap() {
        return vec![
            masses.iter().map(|mass| mass.iter().enumerate().map(|(s, p)| p * last(model, s)).sum()).collect(),
        ];
    }
    let observations = model.observations().map_or(states, Space::len);
    let mut all = Vec::new();
    for action in 0..model.actions().len() {
        let reward = |m: usize| -> f64 {
            masses[m].iter().enumerate().map(|(s, p)| p * model.expected_reward(m)[action * states + s]).sum()
        };
        let mut sums: Vec<Vec<f64>> = vec![models.clone().map(reward).collect()];
        for o in 0..observations {
            let after = |m: usize| -> Vec<f64> {
                let mut next = vec![0.0; states];
                for (s, mass) in masses[m].iter().enumerate() {
                    for (to, p) in model.dynamics()[m].transition.pairs(action * states + s) {
                        let likelihood =
                            seen(model, m, action, to).iter().find(|(seen, _)| *seen == o).map_or(0.0, |(_, q)| *q);
                        next[to] += mass * p * likelihood;
                    }
                }
                next
            };
            let after: Vec<Vec<f64>> = models.clone().map(after).collect();
            if after.iter().flatten().all(|p| *p == 0.0) {
                continue;
            }
            let next = all_plans(model, stage + 1, &after);
            let join = |sum: &Vec<f64>| -> Vec<Vec<f64>> {
                next.iter().map(|v| sum.iter().zip(v).map(|(a, b)| a + model.discount() * b).collect()).collect()
            };
            sums = sums.iter().flat_map(join).collect();
        }
        all.extend(sums);
    }
    all
}

/// Deterministic plans' worth from the start: where the state is seen, one plan for each first state.
fn from_start(model: &Model) -> Vec<Vec<f64>> {
    let models = model.dynamics().len();
    if model.observations().is_some() {
        return all_plans(model, 0, &vec![model.start().to_vec(); models]);
    }
    let mut sums = vec![vec![0.0; models]];
    for (state, &p) in model.start().iter().enumerate().filter(|(_, p)| **p > 0.0) {
        let mut mass = vec![0.0; model.states().len()];
        mass[state] = p;
        let plans = all_plans(model, 0, &vec![mass; models]);
        let join = |sum: &Vec<f64>| -> Vec<Vec<f64>> {
            plans.iter().map(|v| sum.iter().zip(v).map(|(a, b)| a + b).collect()).collect()
        };
        sums = sums.iter().flat_map(join).collect();
    }
    sums
}

/// max over mixtures of H^α, by a linear program for each model that kindness may pick.
fn randomised(alpha: f64, plans: &[Vec<f64>]) -> f64 {
    let models = plans[0].len();
    let one = |kind: usize| -> f64 {
        let mut problem = Problem::new(OptimizationDirection::Maximize);
        let value = problem.add_var(1.0, (f64::NEG_INFINITY, f64::INFINITY));
        let weights: Vec<_> = plans.iter().map(|_| problem.add_var(0.0, (0.0, 1.0))).collect();
        problem.add_constraint(weights.iter().map(|w| (*w, 1.0)), ComparisonOp::Eq, 1.0);
        for m in 0..models {
            let terms = weights.iter().zip(plans).map(|(w, v)| (*w, alpha * v[m] + (1.0 - alpha) * v[kind]));
            problem.add_constraint(terms.chain([(value, -1.0)]), ComparisonOp::Ge, 0.0);
        }
        problem.solve().unwrap().objective()
    };
    (0..models).map(one).fold(f64::NEG_INFINITY, f64::max)
}

fn deterministic(alpha: f64, plans: &[Vec<f64>]) -> f64 {
    plans.iter().map(|worth| attitude(alpha, worth)).fold(f64::NEG_INFINITY, f64::max)
}

fn check_played(model: &Model, solution: &StaticSolution, decisions: usize, close: f64) -> Result<(), TestCaseError> {
    let models = model.dynamics().len();
    let sum: f64 = solution.mixture.iter().map(|one| one.probability).sum();
    prop_assert!((sum - 1.0).abs() < 1e-9);
    let mut worth = vec![0.0; models];
    for one in &solution.mixture {
        for (m, sum) in worth.iter_mut().enumerate() {
            let earned = played(model, m, &one.plan, decisions);
            prop_assert!((earned - one.plan.worth[m]).abs() < close, "{earned} is not {}", one.plan.worth[m]);
            *sum += one.probability * earned;
        }
    }
    let earned = attitude(model.alpha(), &worth);
    prop_assert!(earned >= solution.lower - close, "the mixture earns {earned}, {} was promised", solution.lower);
    for (m, sum) in worth.iter().enumerate() {
        prop_assert!((sum - solution.worth[m]).abs() < close);
    }
    let alone: Vec<f64> = (0..models).map(|m| played(model, m, &solution.pure.plan, decisions)).collect();
    prop_assert!(attitude(model.alpha(), &alone) >= solution.pure.lower - close);
    Ok(())
}

#[test]
fn random_clouds_are_worth_what_all_plans_are() {
    let hidden_size = Size { states: 2, actions: 2, observations: 2, models: 2, horizon: 2 };
    let seen_size = Size { states: 2, actions: 2, observations: 1, models: 3, horizon: 2 };
    let three = Size { models: 3, ..hidden_size };
    let models = prop_oneof![hidden(hidden_size), hidden(three), observed(seen_size)];
    runner(150)
        .run(&models, |model| {
            let limits = Limits::with_gap(1e-7);
            let solution = solve_static(&model, &limits, &no_hook).unwrap();
            let plans = from_start(&model);
            let (mixed, alone) = (randomised(model.alpha(), &plans), deterministic(model.alpha(), &plans));
            prop_assert!(
                solution.lower <= mixed + 1e-7 && mixed <= solution.upper + 1e-7,
                "{mixed} not in [{}, {}]",
                solution.lower,
                solution.upper
            );
            prop_assert!(solution.gap() <= 1e-6, "gap {}, {:?}", solution.gap(), solution.stopped);
            prop_assert!(
                solution.pure.lower <= alone + 1e-9 && alone <= solution.pure.upper + 1e-7,
                "{alone} alone, not in [{}, {}]",
                solution.pure.lower,
                solution.pure.upper
            );
            prop_assert!(solution.pure.upper - solution.pure.lower <= 1e-6);
            // What is read back earns what it did, whatever the document says of it.
            let text = solution.save(&model);
            let read = StaticSolution::load(&text, &model).unwrap();
            prop_assert!((read.lower - solution.lower).abs() < 1e-9 && read.mixture.len() == solution.mixture.len());
            let boast = text.replacen("\"worth\":[", "\"worth\":[1e9,", 1);
            if let Ok(read) = StaticSolution::load(&boast, &model) {
                prop_assert!((read.lower - solution.lower).abs() < 1e-9);
            }
            check_played(&model, &solution, 2, 1e-7)
        })
        .unwrap();
}

/// The toy with a cloud of these likelihoods.
fn toy(likely: &[f64], alpha: f64) -> Model {
    let mut parts = common::toy::parts(likely);
    parts.alpha = alpha;
    parts.build().unwrap()
}

#[test]
fn the_toy_is_worth_what_was_published() {
    for cloud in [&[0.1, 0.9][..], &[0.1, 1.0 / 3.0, 2.0 / 3.0, 0.9]] {
        let solution = solve_static(&toy(cloud, 1.0), &Limits::with_gap(1e-6), &no_hook).unwrap();
        assert!((solution.lower - 76.25).abs() < 1e-5 && (solution.upper - 76.25).abs() < 1e-5, "{solution:?}");
        assert!((solution.pure.lower - 70.0).abs() < 1e-9 && (solution.pure.upper - 70.0).abs() < 1e-5);
        check_played(&toy(cloud, 1.0), &solution, 4, 1e-9).unwrap();
    }
    for (alpha, value) in [(0.75, 76.25), (0.5, 87.5), (0.25, 105.0), (0.0, 135.0)] {
        let solution = solve_static(&toy(&[0.1, 0.9], alpha), &Limits::with_gap(1e-6), &no_hook).unwrap();
        assert!(
            (solution.lower - value).abs() < 1e-5 && (solution.upper - value).abs() < 1e-5,
            "{alpha}: {solution:?}"
        );
    }
}

/// Neither form bounds the other. Nature that chooses anew is told apart by the filter, which knows what it chose; with more models to choose
/// from it does more harm, and one that must keep to its choice does not.
#[test]
fn choosing_anew_is_another_game() {
    for (cloud, value) in [(&[0.1, 0.9][..], 90.0), (&[0.1, 1.0 / 3.0, 2.0 / 3.0, 0.9], 70.0)] {
        let model = toy(cloud, 1.0);
        let solution = auto(&model).solve(&model, &Limits::with_gap(1e-6), &no_hook).unwrap();
        assert!((solution.lower - value).abs() < 1e-5 && (solution.upper - value).abs() < 1e-5);
    }
}

fn endless(model: &Model, discount: f64) -> Model {
    let mut parts = model.to_builder();
    (parts.discount, parts.horizon, parts.final_reward) = (discount, None, Vec::new());
    parts.build().unwrap()
}

#[test]
fn without_a_horizon_bounds_meet_and_the_mixture_earns_them() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 2, horizon: 2 };
    runner(40)
        .run(&hidden(size), |model| {
            let model = endless(&model, 0.6);
            let solution = solve_static(&model, &Limits::with_gap(1e-4), &no_hook).unwrap();
            prop_assert!(solution.gap() <= 1e-4, "gap {}, {:?}", solution.gap(), solution.stopped);
            // What 7 decisions leave out is a share of 0.6^7 of the largest total.
            let (low, high) = model.value_range();
            check_played(&model, &solution, 7, 0.6_f64.powi(7) * low.abs().max(high.abs()) + 1e-9)
        })
        .unwrap();
}

#[test]
fn relatives_agree() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 2, horizon: 3 };
    runner(40)
        .run(&hidden(size), |model| {
            let limits = Limits::with_gap(1e-6);
            let alone = |m: usize| auto(&model.single(m)).solve(&model.single(m), &limits, &no_hook).unwrap();
            let singles = [alone(0), alone(1)];
            // A cloud of one model is that model.
            let one = solve_static(&model.single(0), &limits, &no_hook).unwrap();
            prop_assert!((one.lower - singles[0].lower).abs() < 1e-5);
            prop_assert_eq!(&one.prior, &vec![1.0]);
            // Without fear, the better of the two counts.
            let mut parts = model.to_builder();
            parts.alpha = 0.0;
            let hopeful = solve_static(&parts.build().unwrap(), &limits, &no_hook).unwrap();
            prop_assert!((hopeful.lower - singles[0].lower.max(singles[1].lower)).abs() < 1e-5);
            // Nature may always pick the worse of the two.
            let mut parts = model.to_builder();
            parts.alpha = 1.0;
            let careful = solve_static(&parts.build().unwrap(), &limits, &no_hook).unwrap();
            prop_assert!(careful.lower <= singles[0].upper.min(singles[1].upper) + 1e-6);
            Ok(())
        })
        .unwrap();
}

#[test]
fn sets_around_rows_are_refused_by_name() {
    let size = Size { states: 2, actions: 2, observations: 1, models: 1, horizon: 2 };
    let mut tree = runner(1);
    tree.run(&observed(size), |model| {
        let mut parts = model.to_builder();
        let support = tiresias_model::Support::Nominal;
        parts.ambiguity = Some(tiresias_model::Ambiguity::L1 { radius: vec![0.5; 4], support });
        let error = solve_static(&parts.build().unwrap(), &Limits::default(), &no_hook).unwrap_err();
        prop_assert!(error.to_string().contains("cloud"), "{error}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn long_horizons_are_not_enumerated() {
    let mut parts = toy(&[0.1, 0.9], 1.0).to_builder();
    parts.horizon = Some(20_000);
    let limits = Limits { time: Some(std::time::Duration::from_millis(500)), ..Limits::with_gap(1e-3) };
    let solution = solve_static(&parts.build().unwrap(), &limits, &no_hook).unwrap();
    assert!(solution.lower <= 76.25 + 1e-3 && solution.upper >= 76.25 - 1e-3, "{} {}", solution.lower, solution.upper);
}

#[test]
fn documents_that_do_not_fit_are_refused() {
    let model = toy(&[0.1, 0.9], 1.0);
    let text = solve_static(&model, &Limits::with_gap(1e-3), &no_hook).unwrap().save(&model);
    let told = |text: &str, model: &Model| StaticSolution::load(text, model).unwrap_err().to_string();
    assert!(told(&text, &toy(&[0.2, 0.9], 1.0)).contains("sha256"));
    assert!(told(&text.replace("static-policy/1", "static-policy/9"), &model).contains("schema"));
    assert!(told(&text[..text.len() / 2], &model).contains("static policy"));
    let action = told(&text.replacen("\"action\":", "\"action\":7", 1), &model);
    assert!(action.contains("does not exist"), "{action}");
    let state = told(&text.replacen("\"state\":null", "\"state\":3", 1), &model);
    assert!(state.contains("controllers"), "{state}");
    let weights = told(&text.replacen("\"probability\":", "\"probability\":3", 1), &model);
    assert!(weights.contains("distribution"), "{weights}");
}

#[test]
fn it_stops_when_it_is_told_to_and_what_it_says_then_holds() {
    let model = endless(&toy(&[0.1, 0.9], 1.0), 0.95);
    let none = Limits { time: Some(std::time::Duration::ZERO), ..Limits::with_gap(0.0) };
    let solution = solve_static(&model, &none, &no_hook).unwrap();
    assert_eq!(solution.stopped, Stopped::Time);
    let whole = solve_static(&model, &Limits::with_gap(1e-6), &no_hook).unwrap();
    assert!(solution.lower <= whole.upper && whole.lower <= solution.upper);
    let stop = |_: &tiresias_solve::Progress| std::ops::ControlFlow::Break(());
    assert_eq!(solve_static(&model, &Limits::with_gap(0.0), &stop).unwrap().stopped, Stopped::Cancelled);
}

/// What a player earns under model `m` from a state on.
fn walked(model: &Model, m: usize, player: Player<'_>, state: usize, decisions: usize) -> f64 {
    if decisions == 0 {
        return last(model, state);
    }
    let action = player.action();
    let row = action * model.states().len() + state;
    let mut value = model.expected_reward(m)[row];
    for (to, p) in model.dynamics()[m].transition.pairs(row) {
        for (o, q) in seen(model, m, action, to) {
            let mut next = player;
            if decisions > 1 {
                next.observe(o);
            }
            value += model.discount() * p * q * walked(model, m, next, to, decisions - 1);
        }
    }
    value
}

/// Drawing a plan and playing it earns what the mixture is said to earn, under every model; by evenly spaced draws, whose shares are the
/// probabilities to a thousandth.
#[test]
fn plans_that_are_drawn_and_played_earn_what_the_mixture_does() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 2, horizon: 2 };
    let check = |model: &Model| {
        let solution = solve_static(model, &Limits::with_gap(1e-6), &no_hook).unwrap();
        let (draws, horizon) = (1000, model.horizon().unwrap());
        let starts: Vec<(usize, f64)> = model.start().iter().copied().enumerate().filter(|(_, p)| *p > 0.0).collect();
        let spread = model.value_range().1 - model.value_range().0;
        for (m, &worth) in solution.worth.iter().enumerate() {
            let mut earned = 0.0;
            for i in 0..draws {
                let plan = solution.drawn((f64::from(i) + 0.5) / f64::from(draws));
                for &(state, p) in &starts {
                    let player = plan.begin(Some(state)).unwrap();
                    earned += p * walked(model, m, player, state, horizon) / f64::from(draws);
                }
            }
            let room = 2e-3 * solution.mixture.len() as f64 * spread + 1e-9;
            prop_assert!((earned - worth).abs() <= room, "model {m}: {earned}, not {worth}");
        }
        Ok(())
    };
    check(&toy(&[0.1, 0.9], 1.0)).unwrap();
    runner(20).run(&hidden(size), |model| check(&model)).unwrap();
    runner(20).run(&observed(size), |model| check(&model)).unwrap();
}
