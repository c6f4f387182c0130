//! Small decision problems whose every trajectory can be listed.
#![allow(dead_code)]

use tiresias_data::{Columns, Trajectories};
use tiresias_model::Space;
use tiresias_model::random::Key;

/// States and actions of [`Mdp`].
pub const S: usize = 2;
pub const A: usize = 2;

/// A problem of two states and two actions, the state seen; probabilities of the first of both.
#[derive(Debug, Clone)]
pub struct Mdp {
    pub start: f64,
    /// By state and action.
    pub to_first: [[f64; A]; S],
    /// By state, action and next state.
    pub reward: [[[f64; S]; A]; S],
    /// Chance to end after (state, action).
    pub end: [[f64; A]; S],
    pub horizon: usize,
    pub discount: f64,
}

/// The probability of the first action by stage (cyclic) and state.
pub type Rule = Vec<[f64; S]>;

pub fn probability(rule: &Rule, stage: usize, state: usize, action: usize) -> f64 {
    let first = rule[stage % rule.len()][state];
    if action == 0 { first } else { 1.0 - first }
}

/// One episode: states, actions, rewards, the last state, whether it ended by itself.
#[derive(Debug, Clone, Default)]
pub struct Path {
    pub states: Vec<usize>,
    pub actions: Vec<usize>,
    pub rewards: Vec<f64>,
    pub last: usize,
    pub terminated: bool,
}

impl Mdp {
    /// The value of a rule, backward.
    pub fn value(&self, rule: &Rule) -> f64 {
        let mut v = [0.0; S];
        for stage in (0..self.horizon).rev() {
            let q = |s: usize, a: usize| self.q(&v, s, a);
            v = [0, 1].map(|s| (0..A).map(|a| probability(rule, stage, s, a) * q(s, a)).sum());
        }
        self.start * v[0] + (1.0 - self.start) * v[1]
    }

    fn q(&self, v: &[f64; S], s: usize, a: usize) -> f64 {
        let p = [self.to_first[s][a], 1.0 - self.to_first[s][a]];
        (0..S).map(|next| p[next] * (self.reward[s][a][next] + self.discount * (1.0 - self.end[s][a]) * v[next])).sum()
    }

    /// Every trajectory and its probability under a rule.
    pub fn paths(&self, rule: &Rule) -> Vec<(f64, Path)> {
        let mut all = Vec::new();
        for s in 0..S {
            let p = if s == 0 { self.start } else { 1.0 - self.start };
            self.extend(rule, p, s, Path::default(), &mut all);
        }
        all
    }

    fn extend(&self, rule: &Rule, p: f64, s: usize, path: Path, all: &mut Vec<(f64, Path)>) {
        let stage = path.states.len();
        if p == 0.0 {
            return;
        }
        if stage == self.horizon || path.terminated {
            all.push((p, Path { last: s, ..path }));
            return;
        }
        for a in 0..A {
            for next in 0..S {
                let step = if next == 0 { self.to_first[s][a] } else { 1.0 - self.to_first[s][a] };
                for terminated in [false, true] {
                    let end = if terminated { self.end[s][a] } else { 1.0 - self.end[s][a] };
                    let mut path = path.clone();
                    path.states.push(s);
                    path.actions.push(a);
                    path.rewards.push(self.reward[s][a][next]);
                    path.terminated = terminated;
                    self.extend(rule, p * probability(rule, stage, s, a) * step * end, next, path, all);
                }
            }
        }
    }

    /// Episodes drawn under a rule.
    pub fn draw(&self, rule: &Rule, episodes: usize, seed: u64) -> Vec<Path> {
        let mut random = Key::named(seed, &["test"], &[]).sequence();
        (0..episodes)
            .map(|_| {
                let mut path = Path::default();
                let mut s = usize::from(random.uniform() >= self.start);
                while path.states.len() < self.horizon && !path.terminated {
                    let a = usize::from(random.uniform() >= probability(rule, path.states.len(), s, 0));
                    let next = usize::from(random.uniform() >= self.to_first[s][a]);
                    path.states.push(s);
                    path.actions.push(a);
                    path.rewards.push(self.reward[s][a][next]);
                    path.terminated = random.uniform() < self.end[s][a];
                    s = next;
                }
                path.last = s;
                path
            })
            .collect()
    }
}

/// Paths as recorded, with the propensities of a rule if there is one.
pub fn record(paths: &[Path], behaviour: Option<&Rule>) -> Trajectories {
    let mut columns = Columns { offsets: vec![0], ..Columns::default() };
    for (index, path) in paths.iter().enumerate() {
        for stage in 0..path.states.len() {
            columns.observations.push(path.states[stage] as i32);
            columns.actions.push(path.actions[stage] as u8);
            columns.rewards.push(path.rewards[stage]);
            if let Some(rule) = behaviour {
                columns.propensities.push(probability(rule, stage, path.states[stage], path.actions[stage]));
            }
        }
        columns.offsets.push(columns.actions.len());
        columns.last.push(path.last as i32);
        columns.terminated.push(path.terminated);
        columns.origins.push(index as u64);
    }
    let space = |what, len| Space::unnamed(what, len).unwrap();
    Trajectories::new(space("observation", S), space("action", A), columns).unwrap()
}

/// A rule's probabilities at every step.
pub fn rows(paths: &[Path], rule: &Rule) -> Vec<f64> {
    let mut all = Vec::new();
    for path in paths {
        for (stage, &s) in path.states.iter().enumerate() {
            all.extend((0..A).map(|a| probability(rule, stage, s, a)));
        }
    }
    all
}
