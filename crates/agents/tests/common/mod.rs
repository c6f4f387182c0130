//! Supports, shapes and small worlds for the tests of methods.
#![allow(dead_code)]

use serde_json::Value;
use tiresias_agents::{Agent, Context, Method, Percept, Prior, Shape, Trajectories, registry};
use tiresias_model::family::{Energy, Regime, TaskRequest};
use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, Space};
use tiresias_solve::{BackwardInduction, Limits, Solver, no_hook, staged_policy_value};

/// The columns of a support.
#[derive(Debug, Clone, Default)]
pub struct Support {
    pub horizon: usize,
    pub observations: Vec<i32>,
    pub actions: Vec<u8>,
    pub rewards: Vec<f64>,
}

impl Support {
    pub fn new(horizon: usize) -> Self {
        Self { horizon, ..Self::default() }
    }

    /// Adds one decision.
    pub fn push(&mut self, seen: Option<usize>, action: usize, reward: f64) {
        self.observations.push(seen.map_or(-1, |seen| seen as i32));
        self.actions.push(action as u8);
        self.rewards.push(reward);
    }

    pub fn columns(&self) -> Trajectories<'_> {
        let Self { horizon, observations, actions, rewards } = self;
        Trajectories { horizon: *horizon, observations, actions, rewards }
    }
}

/// The prior of the energy family, for methods that do not look at it.
pub fn prior() -> Prior {
    let (split, regime) = ("train".into(), Regime::Mdp);
    let request = TaskRequest { split, index: 0, seed: 1, regime, horizon: 10, models: 1, alpha: 1.0 };
    Prior { family: Box::new(Energy), request }
}

pub fn shape(regime: Regime, symbols: usize, actions: usize, horizon: usize, discount: f64) -> Shape {
    Shape { regime, symbols, actions, horizon, discount }
}

/// The form of a model's tasks.
pub fn shape_of(model: &Model) -> Shape {
    let (states, actions) = (model.states().len(), model.actions().len());
    shape(Regime::Mdp, states, actions, model.horizon().unwrap(), model.discount())
}

pub fn make(name: &str, options: Value, shape: &Shape) -> Box<dyn Method> {
    registry::entry(name).unwrap().make(options, 1, shape, &prior()).unwrap()
}

/// An agent for episode `episode` of a task whose stream is named by `key`.
pub fn begin(method: &dyn Method, shape: &Shape, support: &Support, key: u64, episode: u64) -> Box<dyn Agent> {
    let key = Key::named(key, &["test"], &[]);
    method.begin(&Context { shape, support: support.columns(), key, episode }).unwrap()
}

pub fn seen(symbol: usize) -> Percept {
    Percept { seen: Some(symbol), ..Percept::default() }
}

/// A random MDP whose probabilities are eighths.
pub fn random_mdp(seed: u64) -> Model {
    let mut draw = Key::named(seed, &["random-mdp"], &[]).sequence();
    let (s, a) = (draw.integer(2, 5) as usize, draw.integer(2, 4) as usize);
    let (horizon, discount) = (draw.integer(1, 6) as usize, if draw.uniform() < 0.5 { 1.0 } else { 0.8 });
    let mut kernel = Kernel::new(s);
    for _ in 0..a * s {
        let mut eighths = vec![0.0; s];
        (0..8).for_each(|_| eighths[draw.integer(0, s as u32 - 1) as usize] += 0.125);
        kernel.push_row(eighths.into_iter().enumerate());
    }
    let reward = (0..a * s).map(|_| f64::from(draw.integer(0, 40)) / 10.0 - 2.0).collect();
    mdp(s, a, horizon, discount, kernel, reward)
}

/// An MDP with a uniform start; the kernel's rows and the rewards are `a * S + s`.
pub fn mdp(s: usize, a: usize, horizon: usize, discount: f64, kernel: Kernel, reward: Vec<f64>) -> Model {
    ModelBuilder {
        name: "test".into(),
        states: Space::unnamed("states", s).unwrap(),
        actions: Space::unnamed("actions", a).unwrap(),
        observations: None,
        reward: Reward::StateAction(reward),
        start: vec![1.0 / s as f64; s],
        discount,
        horizon: Some(horizon),
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition: kernel, observation: None }],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

/// Trajectories under a uniformly random policy.
pub fn random_support(model: &Model, count: usize, horizon: usize, draw: &mut Sequence) -> Support {
    let (s, a) = (model.states().len(), model.actions().len());
    let mut support = Support::new(horizon);
    for _ in 0..count {
        let mut state = draw.integer(0, s as u32 - 1) as usize;
        for _ in 0..horizon {
            let action = draw.integer(0, a as u32 - 1) as usize;
            support.push(Some(state), action, model.expected_reward(0)[action * s + state]);
            let (mut u, mut next) = (draw.uniform(), state);
            for (to, p) in model.dynamics()[0].transition.pairs(action * s + state) {
                next = to;
                if u < p {
                    break;
                }
                u -= p;
            }
            state = next;
        }
    }
    support
}

/// The best value of a model.
pub fn optimum(model: &Model) -> f64 {
    BackwardInduction.solve(model, &Limits::default(), &no_hook).unwrap().lower
}

/// The value in `model` of what `agent`'s table says.
pub fn table_value(model: &Model, agent: &dyn Agent) -> f64 {
    let table = agent.table().expect("its choices are settled");
    let rows = (0..table.horizon()).flat_map(|stage| (0..table.states()).map(move |state| (stage, state)));
    let probabilities: Vec<f64> = rows.flat_map(|(stage, state)| table.row(stage, state).to_vec()).collect();
    staged_policy_value(model, 0, &probabilities).unwrap()
}
