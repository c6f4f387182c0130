//! Nature at one belief: a distribution from the set around every row, of transitions and of observations.

use tiresias_model::{Dynamics, Kernel, Model, Reward, Space};

use crate::belief::backup::Sparse;
use crate::mdp::nature::{End, Nature, Room};

/// The model with its states seen, whose rewards are of states, actions and next states: nature's side of a robust POMDP, and what its
/// values are worth at most.
pub(super) fn seen(model: &Model) -> Model {
    let mut parts = model.to_builder();
    let (s, o) = (model.states().len(), model.observations().map_or(1, Space::len));
    if let (Reward::Full(rows), Some(kernel)) = (&parts.reward, &model.dynamics()[0].observation) {
        let mut means = Kernel::with_capacity(s, rows.rows(), rows.entries());
        for row in 0..rows.rows() {
            let mut by_state: Vec<(usize, f64)> = Vec::new();
            for (cell, r) in rows.pairs(row) {
                let (to, seen) = (cell / o, cell % o);
                let part = r * kernel.get(row / s * s + to, seen);
                match by_state.last_mut() {
                    Some((state, sum)) if *state == to => *sum += part,
                    _ => by_state.push((to, part)),
                }
            }
            means.push_row(by_state);
        }
        parts.reward = Reward::Transition(means);
    }
    parts.observations = None;
    parts.observation_ambiguity = None;
    parts.dynamics = vec![Dynamics { transition: model.dynamics()[0].transition.clone(), observation: None }];
    parts.build().expect("a part of a valid model")
}

/// What comes of a belief and an action when nature answers: the reward, and what is left after each observation that can be seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    pub reward: f64,
    /// By observation, unnormalised.
    pub after: Vec<Sparse>,
}

/// What follows a decision, when observations go on with given mixtures of vectors.
pub(super) struct Ahead {
    /// By next state: what it is worth when nature picks the worst row of observations there.
    pub worth: Vec<f64>,
    /// By next state: that row. Empty where nature has no choice.
    sight: Vec<Vec<(u32, f64)>>,
}

/// Nature's side of a model.
pub(super) struct Side<'a> {
    model: &'a Model,
    seen: &'a Model,
    room: Room,
}

impl<'a> Side<'a> {
    pub fn new(model: &'a Model, seen: &'a Model) -> Self {
        Self { model, seen, room: Room::default() }
    }

    /// What `action` is worth from every state when nature answers the worst of `ahead`, the worth of next states: length S.
    pub fn backed_up(&mut self, action: usize, ahead: &[f64]) -> Vec<f64> {
        let states = self.seen.states().len();
        let nature = Nature::new(self.seen, ahead).expect("checked: a model with sets");
        (0..states).map(|state| nature.values(&[action * states + state], End::Least, &mut self.room)[0]).collect()
    }

    /// Nature's worst answer at a belief to what is ahead.
    pub fn answer(&mut self, belief: &[(u32, f64)], action: usize, ahead: &Ahead) -> Outcome {
        let nature = Nature::new(self.seen, &ahead.worth).expect("checked: a model with sets");
        let states = self.seen.states().len();
        let mut next = vec![0.0; states];
        let mut reward = 0.0;
        for &(state, mass) in belief {
            let row = action * states + state as usize;
            nature.answer(row, End::Least, &mut self.room);
            let moves = self.room.columns.iter().zip(&self.room.p).filter(|(_, p)| **p > 0.0);
            let own = match self.seen.reward() {
                Reward::Transition(rows) if !self.seen.is_terminal(state as usize) => {
                    moves.clone().map(|(&to, p)| p * rows.get(row, to as usize)).sum()
                }
                _ => self.seen.expected_reward(0)[row],
            };
            reward += mass * own;
            moves.for_each(|(&to, p)| next[to as usize] += mass * p);
        }
        let kernel = self.kernel();
        let mut after: Vec<Sparse> = vec![Vec::new(); kernel.columns()];
        for (to, &mass) in next.iter().enumerate().filter(|(_, mass)| **mass > 0.0) {
            let mut see = |o: usize, q: f64| after[o].push((to as u32, mass * q));
            match ahead.sight.get(to) {
                Some(row) => row.iter().for_each(|&(o, q)| see(o as usize, q)),
                None => kernel.pairs(action * states + to).for_each(|(o, q)| see(o, q)),
            }
        }
        Outcome { reward, after }
    }

    /// What is ahead of `action` when each observation goes on with a mixture of vectors.
    pub fn ahead<'v>(&mut self, action: usize, choice: &[Vec<(u32, f64)>], vector: impl Fn(u32) -> &'v [f64]) -> Ahead {
        let (states, kernel) = (self.model.states().len(), self.kernel());
        let worth = |to: usize, o: usize| -> f64 { choice[o].iter().map(|&(k, p)| p * vector(k)[to]).sum() };
        let Some(sets) = self.model.observation_ambiguity() else {
            let mean = |to: usize| kernel.pairs(action * states + to).map(|(o, q)| q * worth(to, o)).sum();
            return Ahead { worth: (0..states).map(mean).collect(), sight: Vec::new() };
        };
        let (mut least, mut sight) = (Vec::with_capacity(states), Vec::with_capacity(states));
        for to in 0..states {
            let cost = |o: usize| worth(to, o);
            let cheapest = || (1..kernel.columns()).fold(0, |best, o| if cost(o) < cost(best) { o } else { best });
            self.room.answer((sets, kernel), action * states + to, cost, cheapest);
            let row = self.room.columns.iter().zip(&self.room.p).filter(|(_, q)| **q > 0.0);
            let row: Vec<(u32, f64)> = row.map(|(&o, &q)| (o, q)).collect();
            least.push(row.iter().map(|&(o, q)| q * cost(o as usize)).sum());
            sight.push(row);
        }
        Ahead { worth: least, sight }
    }

    /// How many observations there are.
    pub fn observations(&self) -> usize {
        self.kernel().columns()
    }

    /// The nominal rows of observations.
    fn kernel(&self) -> &'a Kernel {
        self.model.dynamics()[0].observation.as_ref().expect("checked: hidden states")
    }
}
