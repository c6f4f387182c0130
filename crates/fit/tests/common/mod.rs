//! Trajectories from known models.
#![allow(dead_code)]

use tiresias_data::{Columns, NOTHING, Trajectories};
use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, Space};

/// How trajectories are simulated.
#[derive(Debug, Clone, Copy)]
pub struct Simulated {
    pub episodes: usize,
    pub steps: usize,
    pub seed: u64,
    /// Whether a POMDP shows a symbol before the first action: that of action 0 in the state of the start.
    pub first: bool,
    /// The share of later symbols that are missing.
    pub missing: f64,
}

impl Default for Simulated {
    fn default() -> Self {
        Self { episodes: 1000, steps: 10, seed: 1, first: false, missing: 0.0 }
    }
}

pub fn pick(draws: &mut Sequence, pairs: impl Iterator<Item = (usize, f64)>) -> usize {
    let (mut left, mut last) = (draws.uniform(), 0);
    for (i, p) in pairs {
        last = i;
        left -= p;
        if left < 0.0 {
            break;
        }
    }
    last
}

/// Episodes of random actions, ended by terminal states. Symbols are over the states that are not terminal, or over all observations but the
/// last where there is a terminal state, which is the last in both cases.
pub fn simulate(model: &Model, how: &Simulated) -> Trajectories {
    let mut draws = Key::named(how.seed, &["simulate"], &[]).sequence();
    let dynamics = &model.dynamics()[0];
    let (s, ended) = (model.states().len(), model.terminal_states().len());
    let mut columns = Columns { offsets: vec![0], ..Columns::default() };
    for _ in 0..how.episodes {
        let mut state = pick(&mut draws, model.start().iter().copied().enumerate());
        let show = |draws: &mut Sequence, state: usize, action: usize| match &dynamics.observation {
            None => state as i32,
            Some(kernel) => pick(draws, kernel.pairs(action * s + state)) as i32,
        };
        let mut seen = if model.observations().is_none() || how.first { show(&mut draws, state, 0) } else { NOTHING };
        let mut terminated = false;
        for _ in 0..how.steps {
            let action = draws.integer(0, model.actions().len() as u32 - 1) as usize;
            columns.observations.push(seen);
            columns.actions.push(action as u8);
            let next = pick(&mut draws, dynamics.transition.pairs(action * s + state));
            columns.rewards.push(model.realised_reward(state, action, next, 0) + draws.between(-0.5, 0.5));
            state = next;
            terminated = model.is_terminal(state);
            if terminated {
                seen = NOTHING;
                break;
            }
            seen = show(&mut draws, state, action);
            if draws.uniform() < how.missing {
                seen = NOTHING;
            }
        }
        columns.last.push(seen);
        columns.terminated.push(terminated);
        columns.offsets.push(columns.actions.len());
    }
    let space = model.observations().unwrap_or(model.states());
    let symbols = Space::named("observations", (0..space.len() - ended).map(|i| space.name(i))).unwrap();
    Trajectories::new(symbols, model.actions().clone(), columns).unwrap()
}

/// Trajectories of `states` observations and `actions` actions. An episode is its `(seen, action, reward)` and what was seen last.
pub type Written<'a> = (&'a [(i32, u8, f64)], i32, bool);

pub fn written(states: usize, actions: usize, episodes: &[Written<'_>]) -> Trajectories {
    let mut columns = Columns { offsets: vec![0], ..Columns::default() };
    for (steps, last, terminated) in episodes {
        for &(seen, action, reward) in *steps {
            columns.observations.push(seen);
            columns.actions.push(action);
            columns.rewards.push(reward);
        }
        columns.last.push(*last);
        columns.terminated.push(*terminated);
        columns.offsets.push(columns.actions.len());
    }
    let space = |what: &str, n: usize| Space::unnamed(what, n).unwrap();
    Trajectories::new(space("observations", states), space("actions", actions), columns).unwrap()
}

/// A model of rows drawn at random, the last state terminal if `ends`.
pub fn random_mdp(states: usize, actions: usize, ends: bool, seed: u64) -> Model {
    let mut draws = Key::named(seed, &["model"], &[]).sequence();
    let mut transition = Kernel::new(states);
    for _ in 0..states * actions {
        let mut row: Vec<f64> = (0..states).map(|_| -(1.0 - draws.uniform()).ln()).collect();
        if ends {
            row[states - 1] *= 0.3;
        }
        let sum: f64 = row.iter().sum();
        transition.push_row(row.iter().map(|p| p / sum).enumerate());
    }
    let mut start = vec![1.0 / (states - usize::from(ends)) as f64; states];
    if ends {
        start[states - 1] = 0.0;
    }
    ModelBuilder {
        name: "true".into(),
        states: Space::unnamed("states", states).unwrap(),
        actions: Space::unnamed("actions", actions).unwrap(),
        observations: None,
        reward: Reward::StateAction((0..states * actions).map(|_| draws.between(-1.0, 1.0)).collect()),
        start,
        discount: 0.9,
        horizon: None,
        terminal: if ends { vec![states - 1] } else { Vec::new() },
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition, observation: None }],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

/// The largest difference of entries.
pub fn apart(a: &Kernel, b: &Kernel) -> f64 {
    assert_eq!((a.rows(), a.columns()), (b.rows(), b.columns()));
    let entries = (0..a.rows()).flat_map(|r| (0..a.columns()).map(move |c| (r, c)));
    entries.map(|(r, c)| (a.get(r, c) - b.get(r, c)).abs()).fold(0.0, f64::max)
}

/// A POMDP of three states that show mostly a symbol of their own, of four, and two actions. If `ends`, a fourth state is terminal and has a symbol
/// of its own.
pub fn clear_pomdp(ends: bool) -> Model {
    let (n, last) = if ends { (4, 1) } else { (3, 0) };
    let moves =
        [[[0.8, 0.15, 0.05], [0.1, 0.8, 0.1], [0.2, 0.1, 0.7]], [[0.1, 0.1, 0.8], [0.7, 0.2, 0.1], [0.3, 0.6, 0.1]]];
    let symbols = [
        [[0.85, 0.05, 0.05, 0.05], [0.1, 0.8, 0.05, 0.05], [0.05, 0.05, 0.8, 0.1]],
        [[0.7, 0.1, 0.1, 0.1], [0.05, 0.85, 0.05, 0.05], [0.1, 0.1, 0.2, 0.6]],
    ];
    let ending = [[0.02, 0.05, 0.1], [0.02, 0.02, 0.2]];
    let (mut transition, mut observation) = (Kernel::new(n), Kernel::new(4 + last));
    let mut reward = Vec::new();
    for a in 0..2 {
        for s in 0..3 {
            let end = if ends { ending[a][s] } else { 0.0 };
            let row = moves[a][s].map(|p| p * (1.0 - end));
            transition.push_row(row.into_iter().chain([end]).enumerate());
            observation.push_row(symbols[a][s].into_iter().enumerate());
            reward.push([[1.0, -1.0, 0.0], [0.0, 0.5, 2.0]][a][s]);
        }
        if ends {
            transition.push_row([(3, 1.0)]);
            observation.push_row([(4, 1.0)]);
            reward.push(0.0);
        }
    }
    let mut start = vec![0.5, 0.3, 0.2];
    start.resize(n, 0.0);
    let names = ["red", "green", "blue", "grey", "over"];
    ModelBuilder {
        name: "true".into(),
        states: Space::unnamed("states", n).unwrap(),
        actions: Space::named("actions", ["stay", "go"]).unwrap(),
        observations: Some(Space::named("observations", names[..4 + last].to_vec()).unwrap()),
        reward: Reward::StateAction(reward),
        start,
        discount: 0.9,
        horizon: Some(6),
        terminal: if ends { vec![3] } else { Vec::new() },
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition, observation: Some(observation) }],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}
