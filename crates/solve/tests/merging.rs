//! Controllers of fewer nodes: what they are worth, worked out in other ways.

mod common;

use common::elimination::solved;
use common::{Size, draw, hidden, runner, tiger};
use proptest::prelude::*;
use tiresias_model::Model;
use tiresias_solve::formats::{AlphaPolicy, Controller, Merged};
use tiresias_solve::{Exact, Limits, Search, Solver, no_hook};

/// What a controller is worth from its node 0, by elimination.
fn by_elimination(model: &Model, controller: &Controller) -> f64 {
    solved(model, controller).iter().zip(model.start()).map(|(v, p)| v * p).sum()
}

/// What a controller is worth from a node and an unnormalised belief at a stage, by walking through all histories.
fn by_histories(model: &Model, controller: &Controller, stage: usize, node: usize, belief: &[f64]) -> f64 {
    let (s, dynamics) = (model.states().len(), &model.dynamics()[0]);
    let own = controller.nodes(stage)[node].clone();
    let action = own.action as usize;
    let mut total: f64 = (0..s).map(|from| belief[from] * model.expected_reward(0)[action * s + from]).sum();
    for (o, next) in own.next.iter().enumerate() {
        let mut joint = vec![0.0; s];
        for (from, mass) in belief.iter().enumerate() {
            for (to, p) in dynamics.transition.pairs(action * s + from) {
                joint[to] += mass * p * dynamics.observation.as_ref().unwrap().get(action * s + to, o);
            }
        }
        if joint.iter().sum::<f64>() == 0.0 {
            continue;
        }
        total += model.discount()
            * if stage + 1 == model.horizon().unwrap() {
                joint.iter().zip(model.final_reward()).map(|(p, r)| p * r).sum()
            } else {
                let next = next.expect("what comes has a successor") as usize;
                by_histories(model, controller, stage + 1, next, &joint)
            };
    }
    total
}

/// A controller for a random model without a horizon, every node of it thrice, with successors among the copies at random.
fn copies() -> impl Strategy<Value = (Model, String, usize)> {
    let size = Size { states: 3, actions: 2, observations: 2, models: 1, horizon: 2 };
    let nodes = prop::collection::vec((0_u32..2, prop::collection::vec(0_u32..100, 2)), 1..5);
    (hidden(size), nodes, prop::collection::vec(0_u32..3, 30)).prop_map(|(model, nodes, copies)| {
        let count = nodes.len() as u32;
        let mut which = copies.into_iter().cycle();
        let mut lines = Vec::new();
        for (i, (action, next)) in nodes.iter().cycle().take(3 * nodes.len()).enumerate() {
            let next: Vec<String> =
                next.iter().map(|n| (n % count + count * which.next().unwrap()).to_string()).collect();
            lines.push(format!("{i} {action}  {}\n", next.join(" ")));
        }
        (forever(&model), lines.concat(), nodes.len())
    })
}

/// The same model without a horizon.
fn forever(model: &Model) -> Model {
    let mut builder = model.to_builder();
    (builder.horizon, builder.discount, builder.final_reward) = (None, builder.discount.min(0.9), Vec::new());
    builder.build().unwrap()
}

#[test]
fn copies_of_nodes_become_one_and_lose_nothing() {
    let run = |(model, text, nodes): (Model, String, usize)| {
        let controller = Controller::read(&[("c.pg", &text)], &model).unwrap();
        let merged = controller.merged(&model, 0.0).unwrap();
        prop_assert_eq!(merged.before, 3 * nodes);
        prop_assert!(merged.controller.len() <= nodes, "{} of {nodes}", merged.controller.len());
        let all = solved(&model, &controller);
        let worth = |values: &[f64]| values.iter().zip(model.start()).map(|(v, p)| v * p).sum::<f64>();
        let best = all.chunks_exact(model.states().len()).map(worth).fold(f64::NEG_INFINITY, f64::max);
        let value = by_elimination(&model, &merged.controller);
        let scale = all.iter().fold(1.0_f64, |most, v| most.max(v.abs()));
        prop_assert!(value >= best - 1e-8 * scale, "{value} {best}");
        prop_assert!((merged.value - value).abs() < 1e-8 * scale, "{} {value}", merged.value);
        prop_assert!((merged.value_before - best).abs() < 1e-8 * scale, "{} {best}", merged.value_before);
        Ok(())
    };
    runner(60).run(&copies(), run).unwrap();
}

#[test]
fn merged_controllers_of_random_models_lose_no_more_than_they_may() {
    let size = Size { states: 4, actions: 3, observations: 2, models: 1, horizon: 2 };
    let (strategy, mut runner) = (hidden(size), runner(1));
    let mut fewer = 0;
    for _ in 0..15 {
        let model = forever(&draw(&strategy, &mut runner));
        let solution = Search::default().solve(&model, &Limits::with_gap(1e-2), &no_hook).unwrap();
        let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
        let controller = Controller::from_vectors(&policy, &model).unwrap();
        let before = controller.vectors(&model).unwrap().value(0, model.start());
        for loss in [0.0, 0.05, 0.5] {
            let Merged { controller: merged, value, value_before, complete, .. } =
                controller.merged(&model, loss).unwrap();
            let exact = by_elimination(&model, &merged);
            assert!((exact - value).abs() < 1e-8, "{exact} {value}");
            assert!((before - value_before).abs() < 1e-8, "{before} {value_before}");
            assert!(exact >= before - loss - 1e-8, "{exact} {before} {loss}");
            assert!(complete && merged.len() <= controller.len());
            fewer += usize::from(merged.len() < controller.len());
        }
        // Whatever may be lost, one node is enough.
        assert_eq!(controller.merged(&model, f64::INFINITY).unwrap().controller.len(), 1);
    }
    assert!(fewer > 20, "{fewer} of 45 became smaller");
}

#[test]
fn merged_controllers_of_a_horizon_lose_no_more_than_they_may() {
    let size = Size { states: 3, actions: 3, observations: 2, models: 1, horizon: 4 };
    let (strategy, mut runner) = (hidden(size), runner(1));
    let random: Vec<Model> = (0..20).map(|_| draw(&strategy, &mut runner)).collect();
    let mut fewer = 0;
    for model in random.into_iter().chain([tiger(Some(1)), tiger(Some(6))]) {
        let solution = Exact::default().solve(&model, &Limits::with_gap(0.0), &no_hook).unwrap();
        let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
        let controller = Controller::from_vectors(&policy, &model).unwrap();
        for loss in [0.0, 0.1, 1.0] {
            let merged = controller.merged(&model, loss).unwrap();
            let exact = by_histories(&model, &merged.controller, 0, 0, model.start());
            let scale = 1.0 + exact.abs();
            assert!((exact - merged.value).abs() < 1e-9 * scale, "{exact} {}", merged.value);
            assert!(exact >= solution.value() - loss - 1e-7 * scale, "{exact} {} {loss}", solution.value());
            assert!(merged.controller.len() <= controller.len());
            fewer += usize::from(merged.controller.len() < controller.len());
        }
        let all = controller.merged(&model, f64::INFINITY).unwrap().controller;
        assert_eq!(all.len(), model.horizon().unwrap(), "a node a stage is enough where anything may be lost");
    }
    assert!(fewer >= 15, "{fewer} of 66 became smaller");
}

#[test]
fn one_graph_for_a_horizon_keeps_its_value_and_loses_what_it_may() {
    // It listens twice and opens, whatever it heard, and begins anew: two of its nodes are copies of others.
    let model = tiger(Some(3));
    let controller = Controller::read(&[("p.pg", "0 0 1 1\n1 0 2 2\n2 1 3 3\n3 0 4 4\n4 0 2 2\n")], &model).unwrap();
    let merged = controller.merged(&model, 0.0).unwrap();
    let played = controller.vectors(&model).unwrap().value(0, model.start());
    assert!((merged.value_before - played).abs() < 1e-12);
    assert_eq!((merged.before, merged.complete), (5, true));
    // A node of another action may do better.
    assert!(merged.controller.len() < 5 && merged.value >= played - 1e-9);
    let exact = by_histories(&model, &merged.controller, 0, 0, model.start());
    assert!((exact - merged.value).abs() < 1e-12, "{exact} {}", merged.value);
}

/// The policy that the literature draws (Kaelbling, Littman, Cassandra 1998): listen until one growl is two ahead.
#[test]
fn the_tigers_graph_has_five_nodes() {
    let model = tiger(None);
    let solution = Search::default().solve(&model, &Limits::with_gap(1e-3), &no_hook).unwrap();
    let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
    let controller = Controller::from_vectors(&policy, &model).unwrap();
    let merged = controller.merged(&model, 0.01).unwrap();
    assert_eq!(merged.controller.len(), 5);
    assert!((by_elimination(&model, &merged.controller) - merged.value).abs() < 1e-7);
    assert!(merged.value >= solution.lower - 0.011, "{} {}", merged.value, solution.lower);
    let mut actions: Vec<u32> = merged.controller.nodes(0).iter().map(|node| node.action).collect();
    actions.sort_unstable();
    assert_eq!(actions, [0, 0, 0, 1, 2]);
}

#[test]
fn a_node_has_successors_for_what_comes_and_for_nothing_else() {
    // After opening, the tiger is anywhere and both growls come; of a start that is known only one may come.
    let mut builder = tiger(None).to_builder();
    builder.start = vec![1.0, 0.0];
    builder.dynamics[0].observation = Some(tiresias_model::Kernel::from_dense(2, &[1.0, 0.0, 0.0, 1.0].repeat(3)));
    let model = builder.build().unwrap();
    let controller = Controller::read(&[("p.pg", "0 0 0 1\n1 0 0 1\n")], &model).unwrap();
    let merged = controller.merged(&model, 0.0).unwrap().controller;
    assert_eq!((merged.len(), &merged.nodes(0)[0].next[..]), (1, &[Some(0), None][..]));
}

#[test]
fn a_cloud_has_no_controller_to_merge() {
    let size = Size { states: 2, actions: 2, observations: 2, models: 2, horizon: 2 };
    let cloud = draw(&hidden(size), &mut runner(1));
    let mut builder = cloud.to_builder();
    builder.dynamics.truncate(1);
    let single = builder.build().unwrap();
    let controller = Controller::read(&[("p.pg", "0 0 0 0\n")], &single).unwrap();
    assert!(controller.merged(&cloud, 0.0).unwrap_err().to_string().contains("cloud"));
}
