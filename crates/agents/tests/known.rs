//! Methods that know the task or the family, beside the game tree.

mod common;
#[path = "common/hidden.rs"]
mod hidden;

use std::sync::Arc;

use common::{make, prior};
use hidden::{Size, begin_bare, earned, optimal, random_hidden, shape_of_hidden, told};
use serde_json::{Value, json};
use tiresias_agents::{AgentError, InformedValues, Method, Percept, registry};
use tiresias_model::family::Regime;
use tiresias_model::random::Key;
use tiresias_model::{Dynamics, Kernel, Model, Nature};

const SMALL: Size = Size { states: 3, actions: 2, observations: 2, models: 1, horizon: 3 };
const CLOUD: Size = Size { models: 2, ..SMALL };

fn knowing(name: &str, options: Value, model: &Model) -> Box<dyn Method> {
    told(&*make(name, options, &shape_of_hidden(model)), model)
}

/// `model` with the state seen in its observation, by name and number.
fn seen_through(model: &Model) -> Model {
    let (s, a) = (model.states().len(), model.actions().len());
    let mut parts = model.to_builder();
    parts.observations = Some(parts.states.clone());
    for dynamics in &mut parts.dynamics {
        let mut identity = Kernel::new(s);
        (0..a * s).for_each(|row| identity.push_row([(row % s, 1.0)]));
        dynamics.observation = Some(identity);
    }
    parts.build().unwrap()
}

#[test]
fn informed_values_claim_at_least_the_optimum_and_earn_at_most_it() {
    let (mut hopeful, mut costly) = (0, 0);
    for seed in 0..60 {
        let model = random_hidden(seed, SMALL, seed % 2 == 0, 1.0);
        let best = optimal(&model, 0, model.start());
        let shared = Arc::new(model.clone());
        let claims = [InformedValues::qmdp, InformedValues::fib].map(|plan| plan(Arc::clone(&shared), 3));
        let [qmdp, fib] = claims.each_ref().map(|values| values.value(0, model.start()));
        assert!(fib >= best - 1e-9 && qmdp >= fib - 1e-9, "seed {seed}: {qmdp} {fib} {best}");
        hopeful += usize::from(qmdp > fib + 1e-3 && fib > best + 1e-3);
        for name in ["qmdp", "fib"] {
            let got = earned(&*knowing(name, json!({}), &model), &model, model.start(), &[]);
            assert!(got <= best + 1e-9, "seed {seed}: {name} {got} {best}");
            costly += usize::from(got < best - 1e-6);
        }
    }
    assert!(hopeful > 20 && costly > 5, "bounds that are never strict show nothing: {hopeful} {costly}");
}

#[test]
fn one_decision_is_the_optimum_and_so_is_a_state_that_is_seen() {
    for seed in 0..20 {
        let once = random_hidden(seed, Size { horizon: 1, ..SMALL }, false, 1.0);
        let seen = seen_through(&random_hidden(2 * seed, SMALL, false, 1.0));
        for (model, horizon) in [(once, 1), (seen, 3)] {
            let best = optimal(&model, 0, model.start());
            let shared = Arc::new(model.clone());
            for plan in [InformedValues::qmdp, InformedValues::fib] {
                let claimed = plan(Arc::clone(&shared), horizon).value(0, model.start());
                assert!((claimed - best).abs() < 1e-9, "{claimed} {best}");
            }
            for name in ["qmdp", "fib"] {
                let got = earned(&*knowing(name, json!({}), &model), &model, model.start(), &[]);
                assert!((got - best).abs() < 1e-9, "{name} {got} {best}");
            }
        }
    }
}

#[test]
fn in_a_cloud_informed_values_earn_at_most_the_optimum() {
    let mut costly = 0;
    for seed in 0..40 {
        let model = random_hidden(seed, CLOUD, false, [1.0, 0.0, 0.6][seed as usize % 3]);
        let best = optimal(&model, 0, model.start());
        for name in ["qmdp", "fib"] {
            let got = earned(&*knowing(name, json!({}), &model), &model, model.start(), &[]);
            assert!(got <= best + 1e-9, "seed {seed}: {name} {got} {best}");
            costly += usize::from(got < best - 1e-6);
        }
    }
    assert!(costly > 5, "{costly}");
}

#[test]
fn in_a_cloud_of_seen_states_informed_values_are_those_of_the_robust_mdp() {
    // Max-min over the cloud by state and action, by hand: nature answers in each state.
    fn robust(model: &Model, stage: usize, state: usize) -> f64 {
        if Some(stage) == model.horizon() {
            return model.final_reward().get(state).copied().unwrap_or(0.0);
        }
        let s = model.states().len();
        let q = |action: usize, m: usize| {
            let ahead: f64 = model.dynamics()[m]
                .transition
                .pairs(action * s + state)
                .map(|(to, p)| p * robust(model, stage + 1, to))
                .sum();
            model.expected_reward(m)[action * s + state] + model.discount() * ahead
        };
        let worst = |action| (0..model.dynamics().len()).map(|m| q(action, m)).fold(f64::INFINITY, f64::min);
        (0..model.actions().len()).map(worst).fold(f64::NEG_INFINITY, f64::max)
    }
    for seed in 0..20 {
        let model = seen_through(&random_hidden(2 * seed, CLOUD, false, 1.0));
        let shared = Arc::new(model.clone());
        for state in 0..3 {
            let corner: Vec<f64> = (0..3).map(|s| f64::from(s == state)).collect();
            for plan in [InformedValues::qmdp, InformedValues::fib] {
                let claimed = plan(Arc::clone(&shared), 3).value(0, &corner);
                let exact = robust(&model, 0, state);
                assert!((claimed - exact).abs() < 1e-9, "{claimed} {exact}");
            }
        }
    }
}

#[test]
fn nature_answers_with_the_model_that_attains_the_minimum() {
    for seed in 0..20 {
        let model = random_hidden(seed, CLOUD, false, 1.0);
        let values = InformedValues::qmdp(Arc::new(model.clone()), 3);
        for (action, (value, Nature { minimiser, .. })) in values.assess(1, model.start()).into_iter().enumerate() {
            let single = |m: usize| {
                // What model m gives, when the later values are the cloud's: those of the assessment at corners.
                let best = |to: usize| {
                    let corner: Vec<f64> = (0..3).map(|s| f64::from(s == to)).collect();
                    values.value(2, &corner)
                };
                let dynamics: &Dynamics = &model.dynamics()[m];
                let row = |s: usize| {
                    let ahead: f64 = dynamics.transition.pairs(action * 3 + s).map(|(to, p)| p * best(to)).sum();
                    model.expected_reward(m)[action * 3 + s] + model.discount() * ahead
                };
                model.start().iter().enumerate().map(|(s, p)| p * row(s)).sum::<f64>()
            };
            assert!((single(minimiser) - value).abs() < 1e-9);
            assert!((0..2).all(|m| single(m) >= value - 1e-9));
        }
    }
}

#[test]
fn who_knows_the_task_must_be_told_it_and_sees_what_can_be_seen() {
    let model = random_hidden(0, SMALL, false, 1.0);
    let shape = shape_of_hidden(&model);
    for name in ["qmdp", "fib"] {
        let method = make(name, json!({}), &shape);
        let context = tiresias_agents::Context {
            shape: &shape,
            support: tiresias_agents::Trajectories::default(),
            key: Key(0),
            episode: 0,
        };
        assert!(method.begin(&context).err().unwrap().to_string().contains("tell it the task"));
        let method = told(&*method, &model);
        let mut agent = begin_bare(&*method, &shape);
        agent.act(Percept::default()).unwrap();
        for seen in [None, Some(2)] {
            let problem = agent.act(Percept { seen, ..Percept::default() }).unwrap_err().to_string();
            assert!(problem.contains("one of 2 observations"), "{problem}");
        }
        for _ in 0..2 {
            agent.act(Percept { seen: Some(1), ..Percept::default() }).unwrap();
        }
        assert!(
            agent
                .act(Percept { seen: Some(1), ..Percept::default() })
                .unwrap_err()
                .to_string()
                .contains("begin another")
        );
        let entry = registry::entry(name).unwrap();
        let observed = common::shape(Regime::Mdp, 3, 2, 3, 1.0);
        let unfit = entry.make(json!({}), 1, &observed, &prior()).err().unwrap();
        assert!(matches!(unfit, AgentError::Unfit { .. }), "{unfit}");
        let unknown = entry.make(json!({ "depth": 1 }), 1, &shape, &prior()).err().unwrap();
        assert!(unknown.to_string().contains("depth"), "{unknown}");
    }
}

/// The world in which one model of the cloud, drawn evenly, moves everything: unnormalised beliefs, one a model.
fn one_model(model: &Model) -> Vec<Vec<f64>> {
    let share = 1.0 / model.dynamics().len() as f64;
    model.dynamics().iter().map(|_| model.start().iter().map(|p| share * p).collect()).collect()
}

/// Sums over models of what an action earns and of what `next` says comes after an observation.
fn average(model: &Model, x: &[Vec<f64>], action: usize, next: &dyn Fn(usize, &[Vec<f64>]) -> f64) -> f64 {
    let s = model.states().len();
    let reward = |(m, x): (usize, &Vec<f64>)| {
        x.iter().enumerate().map(|(i, p)| p * model.expected_reward(m)[action * s + i]).sum::<f64>()
    };
    let mut value: f64 = x.iter().enumerate().map(reward).sum();
    for o in 0..model.observations().unwrap().len() {
        let after = |(m, x): (usize, &Vec<f64>)| {
            let mut out = vec![0.0; s];
            tiresias_model::belief::joint(model, m, x, action, o, &mut out);
            out
        };
        let after: Vec<Vec<f64>> = x.iter().enumerate().map(after).collect();
        value += model.discount() * next(o, &after);
    }
    value
}

fn final_rewards(model: &Model, x: &[Vec<f64>]) -> f64 {
    x.iter().flat_map(|x| x.iter().zip(model.final_reward()).map(|(p, r)| p * r)).sum()
}

/// The best mean over the cloud of what one policy of the history earns in each model.
fn best_average(model: &Model, stage: usize, x: &[Vec<f64>]) -> f64 {
    if Some(stage) == model.horizon() {
        return final_rewards(model, x);
    }
    let q = |action| average(model, x, action, &|_, x| best_average(model, stage + 1, x));
    (0..model.actions().len()).map(q).fold(f64::NEG_INFINITY, f64::max)
}

/// The mean over the cloud of what a method earns in each model.
fn earned_on_average(method: &dyn Method, model: &Model, x: &[Vec<f64>], history: &[usize]) -> f64 {
    if Some(history.len()) == model.horizon() {
        return final_rewards(model, x);
    }
    let mut agent = begin_bare(method, &shape_of_hidden(model));
    let mut action = agent.act(Percept::default()).unwrap();
    for &seen in history {
        // What is told must not matter.
        action = agent.act(Percept { seen: Some(seen), reward: None, told: Some(history.len() % 2) }).unwrap();
    }
    average(model, x, action, &|o, x| earned_on_average(method, model, x, &[history, &[o]].concat()))
}

#[test]
fn the_mixture_is_the_best_on_average_over_the_cloud() {
    let mut better = 0;
    for seed in 0..40 {
        let model = random_hidden(seed, CLOUD, false, 1.0);
        let start = one_model(&model);
        let best = best_average(&model, 0, &start);
        let earned = |name| earned_on_average(&*knowing(name, json!({ "gap": 1e-9 }), &model), &model, &start, &[]);
        let (mixture, nominal) = (earned("mixture"), earned("nominal"));
        assert!((mixture - best).abs() < 1e-7, "seed {seed}: {mixture} {best}");
        assert!(nominal <= best + 1e-9);
        better += usize::from(nominal < best - 1e-3);
    }
    assert!(better > 3, "{better}");
}

#[test]
fn a_cloud_that_is_judged_rightly_has_the_oracles_value_and_a_misjudged_one_no_more() {
    let mut worse = 0;
    for seed in 0..15 {
        let model = random_hidden(seed, CLOUD, false, 1.0);
        let best = optimal(&model, 0, model.start());
        let got = |spread: f64| {
            let robust = knowing("robust", json!({ "gap": 1e-9, "spread": spread }), &model);
            earned(&*robust, &model, model.start(), &[])
        };
        let right = got(1.0);
        assert!((right - best).abs() < 1e-7, "seed {seed}: {right} {best}");
        for spread in [0.0, 2.0, 5.0] {
            let misjudged = got(spread);
            assert!(misjudged <= best + 1e-9, "seed {seed}: {misjudged} {best}");
            worse += usize::from(misjudged < best - 1e-6);
        }
    }
    assert!(worse > 3, "{worse}");
}

#[test]
fn a_cloud_without_spread_is_its_centre_and_that_is_the_mean_by_rows() {
    for seed in 0..10 {
        // The minimiser of many equals is the first, so where nature is not told, beliefs agree.
        let model = random_hidden(seed, CLOUD, seed % 2 == 0, 1.0);
        let robust = knowing("robust", json!({ "gap": 1e-9, "spread": 0.0 }), &model);
        let nominal = knowing("nominal", json!({ "gap": 1e-9 }), &model);
        let (s, a, o) = (3, 2, 2);
        let dense = |kernel: &dyn Fn(usize) -> Kernel, columns: usize| {
            let mut mean = vec![0.0; a * s * columns];
            for m in 0..2 {
                for r in 0..a * s {
                    kernel(m).pairs(r).for_each(|(c, p)| mean[r * columns + c] += p / 2.0);
                }
            }
            Kernel::from_dense(columns, &mean)
        };
        let mut parts = model.to_builder();
        parts.dynamics = vec![Dynamics {
            transition: dense(&|m| model.dynamics()[m].transition.clone(), s),
            observation: Some(dense(&|m| model.dynamics()[m].observation.clone().unwrap(), o)),
        }];
        let mean = parts.build().unwrap();
        let best = optimal(&mean, 0, mean.start());
        for method in [robust, nominal] {
            let got = earned(&*method, &mean, mean.start(), &[]);
            assert!((got - best).abs() < 1e-7, "seed {seed}: {got} {best}");
        }
    }
}

#[test]
fn what_a_misjudged_cloud_rules_out_is_passed_over() {
    // At spread 10 model 0 goes to state 1 for certain and model 1 to state 0, and where either is, it sees 0 for certain: both rule 1 out.
    let mut parts = random_hidden(0, Size { states: 2, ..CLOUD }, false, 1.0).to_builder();
    let (likely, even) = ([0.1, 0.9], [0.5, 0.5]);
    for (dynamics, (moves, readings)) in
        parts.dynamics.iter_mut().zip([(likely, [even, [0.9, 0.1]]), (even, [[0.9, 0.1], even])])
    {
        dynamics.transition = Kernel::from_dense(2, &moves.repeat(4));
        dynamics.observation = Some(Kernel::from_dense(2, &readings.concat().repeat(2)));
    }
    let model = parts.build().unwrap();
    let shape = shape_of_hidden(&model);
    let mut agent = begin_bare(&*knowing("robust", json!({ "spread": 10.0 }), &model), &shape);
    agent.act(Percept::default()).unwrap();
    for told in [Some(0), None] {
        let action = agent.act(Percept { seen: Some(1), reward: None, told });
        assert!(action.is_ok(), "{action:?}");
    }
}

#[test]
fn options_of_plans_are_checked() {
    let shape = shape_of_hidden(&random_hidden(0, CLOUD, false, 1.0));
    for (name, options, words) in [
        ("robust", json!({ "spread": -1.0 }), "spread"),
        ("robust", json!({ "gap": -1.0 }), "gap"),
        ("nominal", json!({ "gap": -1.0 }), "gap"),
        ("mixture", json!({ "spread": 1.0 }), "spread"),
    ] {
        let problem = registry::entry(name).unwrap().make(options, 0, &shape, &prior()).err().unwrap().to_string();
        assert!(problem.contains(name) && problem.contains(words), "{problem}");
    }
    let pomdp = shape_of_hidden(&random_hidden(0, SMALL, false, 1.0));
    for name in ["robust", "nominal", "mixture"] {
        let unfit = registry::entry(name).unwrap().make(json!({}), 0, &pomdp, &prior()).err().unwrap();
        assert!(matches!(unfit, AgentError::Unfit { .. }), "{unfit}");
    }
}
