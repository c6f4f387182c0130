//! Finite-state controllers: their exact values, the controllers of solved policies, `.pg` texts.

mod common;

use std::time::Duration;

use common::elimination::{after, solved};
use common::{Size, draw, hidden, runner, tiger};
use proptest::prelude::*;
use tiresias_model::{Model, Policy};
use tiresias_solve::formats::{AlphaPolicy, Controller, PolicyFormat};
use tiresias_solve::{Exact, Limits, Search, Solver, no_hook};

/// A random model and the text of a random controller for it.
fn cases() -> impl Strategy<Value = (Model, String)> {
    let size = Size { states: 3, actions: 2, observations: 2, models: 1, horizon: 2 };
    let nodes = prop::collection::vec((0_u32..2, prop::collection::vec(0_u32..8, 2)), 1..5);
    (hidden(size), nodes).prop_map(|(model, nodes)| {
        let mut builder = model.to_builder();
        (builder.horizon, builder.discount, builder.final_reward) = (None, builder.discount.min(0.95), Vec::new());
        let count = nodes.len() as u32;
        let next = |n: &u32| {
            if *n < count {
                n.to_string()
            } else if n.is_multiple_of(2) {
                "-".into()
            } else {
                "X".into()
            }
        };
        let line = |(i, (action, after)): (usize, &(u32, Vec<u32>))| {
            format!("{i} {action}  {}\n", after.iter().map(next).collect::<Vec<_>>().join(" "))
        };
        (builder.build().unwrap(), nodes.iter().enumerate().map(line).collect())
    })
}

#[test]
fn the_values_of_a_controller_solve_its_equations() {
    let run = |(model, text): (Model, String)| {
        let controller = Controller::read(&[("c.pg", &text)], &model).unwrap();
        let expected = solved(&model, &controller);
        let scale = expected.iter().fold(1.0_f64, |most, v| most.max(v.abs()));
        let policy = controller.vectors(&model).unwrap();
        for (node, (action, vector)) in policy.vectors(0).enumerate() {
            prop_assert_eq!(action, controller.nodes(0)[node].action as usize);
            for (value, expected) in vector.iter().zip(&expected[node * vector.len()..]) {
                prop_assert!((value - expected).abs() < 1e-9 * scale, "{value} {expected}");
            }
        }
        // A graph is read as the vectors of its values, and written again as it was.
        prop_assert_eq!(&AlphaPolicy::read(&[("c.pg", &text)], None, &model).unwrap(), &policy);
        let again = Controller::read(&[("c.pg", &controller.write()[0])], &model).unwrap();
        prop_assert_eq!(again, controller);
        // What a controller earns is no more than the best that can be had.
        let limits = Limits { time: Some(Duration::from_millis(20)), ..Limits::with_gap(1e-2) };
        let solution = Search::default().solve(&model, &limits, &no_hook).unwrap();
        prop_assert!(policy.value(0, model.start()) <= solution.upper + 1e-9 * scale);
        Ok(())
    };
    runner(60).run(&cases(), run).unwrap();
}

/// The mean and the standard error of a controller's discounted return, following nodes and not beliefs.
fn simulated(model: &Model, controller: &Controller, episodes: usize) -> (f64, f64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = move || {
        // SplitMix64 (Steele, Lea, Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut pick = move |pairs: &mut dyn Iterator<Item = (usize, f64)>| {
        let mut left = uniform();
        let mut last = 0;
        for (i, p) in pairs {
            last = i;
            left -= p;
            if left < 0.0 {
                break;
            }
        }
        last
    };
    let (s, dynamics) = (model.states().len(), &model.dynamics()[0]);
    let steps = (1e-4_f64.ln() / model.discount().ln()).ceil() as usize;
    let returns: Vec<f64> = (0..episodes)
        .map(|_| {
            let mut now = pick(&mut model.start().iter().copied().enumerate());
            let (mut node, mut weight, mut total) = (0, 1.0, 0.0);
            for _ in 0..steps {
                let action = controller.nodes(0)[node].action as usize;
                let next = pick(&mut dynamics.transition.pairs(action * s + now));
                let seen = pick(&mut dynamics.observation.as_ref().unwrap().pairs(action * s + next));
                total += weight * model.realised_reward(now, action, next, seen);
                weight *= model.discount();
                (now, node) = (next, after(controller, node, seen));
            }
            total
        })
        .collect();
    let mean = returns.iter().sum::<f64>() / episodes as f64;
    let variance = returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (episodes - 1) as f64;
    (mean, (variance / episodes as f64).sqrt())
}

#[test]
fn the_controller_of_a_solved_policy_earns_what_it_is_worth() {
    let model = tiger(None);
    let solution = Search::default().solve(&model, &Limits::with_gap(1e-3), &no_hook).unwrap();
    let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
    let controller = Controller::from_vectors(&policy, &model).unwrap();
    let value = controller.vectors(&model).unwrap().value(0, model.start());
    // The tiger's optimal policy is a graph: it opens after two more growls on one side than on the other.
    assert!(value >= solution.lower - 1e-6 && value <= solution.upper + 1e-9, "{value} {}", solution.lower);
    let (mean, error) = simulated(&model, &controller, 20_000);
    assert!((mean - value).abs() < 5.0 * error + 1e-2, "{mean} ± {error}, {value}");
    // The start is node 0.
    let first = controller.vectors(&model).unwrap().vectors(0).next().unwrap().1;
    assert!((first.iter().zip(model.start()).map(|(v, p)| v * p).sum::<f64>() - value).abs() < 1e-9);
}

#[test]
fn controllers_of_random_models_are_worth_what_was_proven() {
    let size = Size { states: 4, actions: 3, observations: 2, models: 1, horizon: 2 };
    let strategy = hidden(size);
    let mut runner = runner(1);
    for _ in 0..20 {
        let mut builder = draw(&strategy, &mut runner).to_builder();
        (builder.horizon, builder.discount, builder.final_reward) = (None, builder.discount.min(0.9), Vec::new());
        let model = builder.build().unwrap();
        let solution = Search::default().solve(&model, &Limits::with_gap(1e-2), &no_hook).unwrap();
        let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
        let value = Controller::from_vectors(&policy, &model).unwrap().vectors(&model).unwrap().value(0, model.start());
        assert!(value <= solution.upper + 1e-9, "no controller is better than the best: {value} {}", solution.upper);
        assert!(value >= solution.lower - 1e-6, "{value} {}", solution.lower);
    }
}

#[test]
fn a_graph_a_stage_is_as_good_as_the_exact_policy() {
    let size = Size { states: 3, actions: 3, observations: 2, models: 1, horizon: 4 };
    let strategy = hidden(size);
    let mut runner = runner(1);
    let random: Vec<Model> = (0..20).map(|_| draw(&strategy, &mut runner)).collect();
    for model in random.into_iter().chain([tiger(Some(1)), tiger(Some(7))]) {
        let horizon = model.horizon().unwrap();
        let solution = Exact::default().solve(&model, &Limits::with_gap(0.0), &no_hook).unwrap();
        let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
        let texts = policy.write(PolicyFormat::Graph, &model).unwrap();
        assert_eq!(texts.len(), horizon);
        let names: Vec<String> = (1..=horizon).map(|k| format!("p.pg{k}")).collect();
        let files: Vec<_> = names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let read = AlphaPolicy::read(&files, None, &model).unwrap();
        let value = read.value(0, model.start());
        assert!((value - solution.value()).abs() < 1e-8 * (1.0 + value.abs()), "{value} {}", solution.value());
        assert_eq!(
            read.action(0, model.start()),
            Controller::read(&files, &model).unwrap().nodes(0)[0].action as usize
        );
    }
}

#[test]
fn one_graph_serves_a_horizon_too() {
    // Listening for ever costs 1 a stage.
    let model = tiger(Some(3));
    let policy = AlphaPolicy::read(&[("p.pg", "0 0 0 0\n")], None, &model).unwrap();
    let expected = -1.0 - 0.95 - 0.95_f64.powi(2);
    assert!((policy.value(0, model.start()) - expected).abs() < 1e-12);
    assert_eq!(policy.value(2, model.start()), -1.0);
}
