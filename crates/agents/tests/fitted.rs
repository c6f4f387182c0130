//! Methods that fit a model with hidden states to the support, beside those that know it.

mod common;
#[path = "common/hidden.rs"]
mod hidden;

use common::{Support, begin, make, prior, shape};
use hidden::{shape_of_hidden, told};
use proptest::prelude::*;
use serde_json::{Value, json};
use tiresias_agents::{Agent, Method, Percept, Shape, Trajectories, registry};
use tiresias_model::classic::by_name;
use tiresias_model::family::{Energy, Family, Regime, TaskRequest};
use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Kernel, Model};

const FITTED: [&str; 2] = ["empirical", "posterior-sampling"];

fn tiger(horizon: usize) -> Model {
    let mut parts = by_name("tiger").unwrap().to_builder();
    (parts.horizon, parts.discount) = (Some(horizon), 1.0);
    parts.build().unwrap()
}

fn energy(index: u64) -> Model {
    let (split, regime) = ("train".into(), Regime::Pomdp);
    Energy.task(&TaskRequest { split, index, seed: 3, regime, horizon: 10, models: 1, alpha: 1.0 }).unwrap().model
}

fn pick(pairs: impl Iterator<Item = (usize, f64)>, draw: &mut Sequence) -> usize {
    let (mut u, mut last) = (draw.uniform(), 0);
    for (column, p) in pairs {
        last = column;
        if u < p {
            break;
        }
        u -= p;
    }
    last
}

/// An episode of `model` in which `act` chooses, as it is recorded; returns its discounted rewards.
fn episode(
    model: &Model,
    draw: &mut Sequence,
    record: &mut Support,
    mut act: impl FnMut(Percept, &mut Sequence) -> usize,
) -> f64 {
    let (s, dynamics) = (model.states().len(), &model.dynamics()[0]);
    let row = |kernel: &Kernel, row: usize, draw: &mut Sequence| pick(kernel.pairs(row), draw);
    let mut state = pick(model.start().iter().copied().enumerate(), draw);
    let (mut percept, mut sum) = (Percept::default(), 0.0);
    for t in 0..model.horizon().unwrap() {
        let action = act(percept, draw);
        let next = row(&dynamics.transition, action * s + state, draw);
        let seen = row(dynamics.observation.as_ref().unwrap(), action * s + next, draw);
        let reward = model.realised_reward(state, action, next, seen);
        record.push(percept.seen, action, reward);
        sum += model.discount().powi(t as i32) * reward;
        percept = Percept { seen: Some(seen), reward: Some(reward), told: None };
        state = next;
    }
    sum
}

fn any_action(model: &Model) -> impl FnMut(Percept, &mut Sequence) -> usize {
    let most = model.actions().len() as u32 - 1;
    move |_, draw| draw.integer(0, most) as usize
}

/// `count` trajectories of a random policy.
fn random_trajectories(model: &Model, count: usize, draw: &mut Sequence) -> Support {
    let mut support = Support::new(model.horizon().unwrap());
    for _ in 0..count {
        episode(model, draw, &mut support, any_action(model));
    }
    support
}

/// What `method` earns in `episodes` episodes on average.
fn mean_return(method: &dyn Method, model: &Model, support: &Support, episodes: u64) -> f64 {
    let shape = shape_of_hidden(model);
    let of = |i: u64| {
        let mut agent = begin(method, &shape, support, 1, i);
        let mut draw = Key::named(i, &["world"], &[]).sequence();
        episode(model, &mut draw, &mut Support::new(1), |percept, _| agent.act(percept).unwrap())
    };
    (0..episodes).map(of).sum::<f64>() / episodes as f64
}

/// After 200 random trajectories they keep most of what knowing the model is worth to QMDP over a policy that knows nothing: always
/// listening to the tiger earns -8, random actions in the energy family about 4. Both worlds deal all methods the same luck.
#[test]
fn with_many_trajectories_they_earn_nearly_what_qmdp_does_that_knows() {
    let tigers = (vec![tiger(8)], 200, -8.0, 0.6);
    let stores = ((0..5).map(energy).collect(), 5, 4.0, 0.9);
    for (models, episodes, ignorant, margin) in [tigers, stores] {
        // Fitted methods first, then the one that knows.
        let mut earned = [0.0; 3];
        for (i, model) in models.iter().enumerate() {
            let support = random_trajectories(model, 200, &mut Key::named(i as u64, &["support"], &[]).sequence());
            let shape = shape_of_hidden(model);
            let [empirical, sampling] = FITTED.map(|name| make(name, json!({}), &shape));
            let known = told(&*make("qmdp", json!({}), &shape), model);
            for (sum, method) in earned.iter_mut().zip([empirical, sampling, known]) {
                *sum += mean_return(&*method, model, &support, episodes) / models.len() as f64;
            }
        }
        println!("{}: {earned:?}", models[0].name());
        for (name, fitted) in FITTED.iter().zip(earned) {
            let share = (fitted - ignorant) / (earned[2] - ignorant);
            assert!(share > margin, "{name} earns {fitted} where qmdp earns {}", earned[2]);
        }
    }
}

/// Where all is drawn from the prior, the support has to say nothing.
#[test]
fn without_a_support_they_act_at_random() {
    let shape = shape(Regime::Apomdp, 3, 3, 6, 1.0);
    for name in FITTED {
        let method = make(name, json!({}), &shape);
        let first = |i: u64| begin(&*method, &shape, &Support::new(6), 1, i).act(Percept::default()).unwrap();
        let mut tried = [0; 3];
        (0..60).for_each(|i| tried[first(i)] += 1);
        assert!(tried.iter().all(|&n| n > 5), "{name}: {tried:?}");
    }
}

/// Plays a fixed tape of symbols.
fn play(agent: &mut dyn Agent, tape: &[usize]) -> Vec<usize> {
    let mut percept = Percept::default();
    let mut act = |&symbol: &usize| {
        let action = agent.act(percept).unwrap();
        percept = Percept { seen: Some(symbol), reward: None, told: Some(7) };
        action
    };
    tape.iter().map(&mut act).collect()
}

#[test]
fn they_depend_on_their_stream_and_nothing_else() {
    let model = energy(1);
    let shape = Shape { regime: Regime::Apomdp, ..shape_of_hidden(&model) };
    let support = random_trajectories(&model, 3, &mut Key::named(5, &["support"], &[]).sequence());
    let tape: Vec<usize> = (0..10).map(|t| (3 * t) % 10).collect();
    for name in FITTED {
        let actions = |episode: u64| {
            // Another of the same method has acted before.
            let method = make(name, json!({}), &shape);
            play(&mut *begin(&*method, &shape, &support, 2, episode), &tape);
            play(&mut *begin(&*method, &shape, &support, 1, episode), &tape)
        };
        assert_eq!(actions(0), actions(0), "{name}");
    }
}

#[test]
fn what_is_for_seen_states_is_refused() {
    let shape = shape(Regime::Pomdp, 3, 2, 4, 1.0);
    for (name, options, words) in [
        ("empirical", json!({ "online": true }), "online has no use where states are hidden"),
        ("posterior-sampling", json!({ "every": "decision" }), "set every to \"episode\" or leave it out"),
    ] {
        let message = registry::entry(name).unwrap().make(options, 1, &shape, &prior()).err().unwrap().to_string();
        assert!(message.starts_with(&format!("method {name}: ")) && message.contains(words), "{message}");
    }
}

/// Options that leave nothing to the prior, or more or fewer states than symbols.
fn options(name: &str) -> Vec<Value> {
    let weight = if name == "empirical" { 0.0 } else { 1e-9 };
    vec![
        json!({}),
        json!({ "priorWeight": weight }),
        json!({ "states": 1, "starts": 1 }),
        json!({ "states": 7, "priorWeight": weight }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever the support and the episode hold, they act.
    #[test]
    fn odd_supports_are_no_obstacle(
        horizon in 1..5_usize,
        steps in prop::collection::vec((-1..3_i32, 0..3_u8, prop_oneof![-5.0..5.0, Just(0.0), Just(f64::NAN), Just(1e9)]), 0..20),
        tape in prop::collection::vec((0..4_usize, prop::option::of(-5.0..5.0)), 6),
        number in 0..4_usize,
    ) {
        // Symbol 3 is never in the support, and the support's horizon is not the study's.
        let shape = shape(Regime::Pomdp, 4, 3, 6, 0.9);
        let whole = steps.len() / horizon * horizon;
        let observations: Vec<i32> = steps[..whole].iter().map(|step| step.0).collect();
        let actions: Vec<u8> = steps[..whole].iter().map(|step| step.1).collect();
        let rewards: Vec<f64> = steps[..whole].iter().map(|step| step.2).collect();
        let support = Trajectories { horizon, observations: &observations, actions: &actions, rewards: &rewards };
        for name in FITTED {
            let method = make(name, options(name)[number].clone(), &shape);
            let context = tiresias_agents::Context { shape: &shape, support, key: Key(9), episode: 3 };
            let mut agent = method.begin(&context).unwrap();
            let mut percept = Percept::default();
            for &(seen, reward) in &tape {
                prop_assert!(agent.act(percept).unwrap() < 3);
                percept = Percept { seen: Some(seen), reward, told: None };
            }
        }
    }
}
