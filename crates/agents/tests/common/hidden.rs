//! Small models with hidden states, and the game tree that everything is measured against.
#![allow(dead_code)]

use tiresias_agents::{Agent, Context, Known, Method, Percept, Shape, Trajectories};
use tiresias_model::belief::joint;
use tiresias_model::family::Regime;
use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, Space};

/// Numbers of states, actions, observations, models and decisions.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub states: usize,
    pub actions: usize,
    pub observations: usize,
    pub models: usize,
    pub horizon: usize,
}

pub fn stochastic(rows: usize, columns: usize, zeros: bool, draw: &mut Sequence) -> Kernel {
    let mut kernel = Kernel::new(columns);
    for _ in 0..rows {
        let weights: Vec<f64> =
            (0..columns).map(|_| if zeros && draw.uniform() < 0.3 { 0.0 } else { draw.between(0.05, 1.0) }).collect();
        let sum: f64 = weights.iter().sum();
        let row = |(column, w): (usize, &f64)| (column, if sum > 0.0 { w / sum } else { f64::from(column == 0) });
        kernel.push_row(weights.iter().enumerate().map(row));
    }
    kernel
}

/// A random POMDP or APOMDP; `zeros` for kernels that rule some things out.
pub fn random_hidden(seed: u64, size: Size, zeros: bool, alpha: f64) -> Model {
    let Size { states: s, actions: a, observations: o, models, horizon } = size;
    let mut draw = Key::named(seed, &["random-hidden"], &[]).sequence();
    let dynamics = (0..models)
        .map(|_| Dynamics {
            transition: stochastic(a * s, s, zeros, &mut draw),
            observation: Some(stochastic(a * s, o, zeros, &mut draw)),
        })
        .collect();
    let full = |draw: &mut Sequence| {
        let rewards: Vec<f64> = (0..a * s * s * o).map(|_| draw.between(-3.0, 3.0)).collect();
        Reward::Full(Kernel::from_dense(s * o, &rewards))
    };
    let reward = match seed % 2 {
        0 => Reward::StateAction((0..a * s).map(|_| draw.between(-3.0, 3.0)).collect()),
        _ => full(&mut draw),
    };
    let start = stochastic(1, s, false, &mut draw);
    ModelBuilder {
        name: "random".into(),
        states: Space::unnamed("states", s).unwrap(),
        actions: Space::unnamed("actions", a).unwrap(),
        observations: Some(Space::unnamed("observations", o).unwrap()),
        reward,
        start: start.row(0).1.to_vec(),
        discount: if seed.is_multiple_of(3) { 0.8 } else { 1.0 },
        horizon: Some(horizon),
        terminal: Vec::new(),
        final_reward: if seed.is_multiple_of(5) {
            (0..s).map(|_| draw.between(-2.0, 2.0)).collect()
        } else {
            Vec::new()
        },
        dynamics,
        alpha,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

pub fn shape_of_hidden(model: &Model) -> Shape {
    Shape {
        regime: if model.dynamics().len() > 1 { Regime::Apomdp } else { Regime::Pomdp },
        symbols: model.observations().unwrap().len(),
        actions: model.actions().len(),
        horizon: model.horizon().unwrap(),
        discount: model.discount(),
    }
}

pub fn told(method: &dyn Method, model: &Model) -> Box<dyn Method> {
    method.told(Known { model }).unwrap()
}

pub fn begin_bare(method: &dyn Method, shape: &Shape) -> Box<dyn Agent> {
    let support = Trajectories { horizon: shape.horizon, ..Trajectories::default() };
    method.begin(&Context { shape, support, key: Key(1), episode: 0 }).unwrap()
}

/// `V_t(x)` of an unnormalised belief.
pub fn optimal(model: &Model, stage: usize, x: &[f64]) -> f64 {
    if Some(stage) == model.horizon() {
        return last(model, x);
    }
    let q = |action| against(model, x, action, |_, _, x| optimal(model, stage + 1, x));
    (0..model.actions().len()).map(q).fold(f64::NEG_INFINITY, f64::max)
}

/// What a method that was told the task earns when nature answers as `H^α` says and is seen to: `J_t(x)` after `history`, what was seen
/// and which model moved the world at each decision so far.
pub fn earned(method: &dyn Method, model: &Model, x: &[f64], history: &[(usize, usize)]) -> f64 {
    if Some(history.len()) == model.horizon() {
        return last(model, x);
    }
    // An agent cannot be copied, so each history is played again.
    let mut agent = begin_bare(method, &shape_of_hidden(model));
    let mut action = agent.act(Percept::default()).unwrap();
    for &(told, seen) in history {
        action = agent.act(Percept { seen: Some(seen), reward: None, told: Some(told) }).unwrap();
    }
    against(model, x, action, |m, o, after| earned(method, model, after, &[history, &[(m, o)]].concat()))
}

fn last(model: &Model, x: &[f64]) -> f64 {
    x.iter().zip(model.final_reward()).map(|(p, r)| p * r).sum()
}

/// `H^α` over the cloud of an action's reward and of what `next` says comes after (model, observation, unnormalised belief).
pub fn against(model: &Model, x: &[f64], action: usize, mut next: impl FnMut(usize, usize, &[f64]) -> f64) -> f64 {
    let s = x.len();
    let values: Vec<f64> = (0..model.dynamics().len())
        .map(|m| {
            let mut value: f64 = (0..s).map(|i| x[i] * model.expected_reward(m)[action * s + i]).sum();
            let mut after = vec![0.0; s];
            for o in 0..model.observations().unwrap().len() {
                if joint(model, m, x, action, o, &mut after) > 0.0 {
                    value += model.discount() * next(m, o, &after);
                }
            }
            value
        })
        .collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    model.alpha() * low + (1.0 - model.alpha()) * high
}
