//! Nature at one belief: a distribution from every row's set.

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

    /// Nature's worst answer to `ahead` at a belief.
    pub fn answer(&mut self, belief: &[(u32, f64)], action: usize, ahead: &[f64]) -> Outcome {
        let nature = Nature::new(self.seen, ahead).expect("checked: a model with sets");
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
        let kernel = self.model.dynamics()[0].observation.as_ref().expect("checked: hidden states");
        let mut after: Vec<Sparse> = vec![Vec::new(); kernel.columns()];
        for (to, &mass) in next.iter().enumerate().filter(|(_, mass)| **mass > 0.0) {
            kernel.pairs(action * states + to).for_each(|(o, q)| after[o].push((to as u32, mass * q)));
        }
        Outcome { reward, after }
    }

    /// The worth of next states after `action` when each observation goes on with a mixture of vectors.
    pub fn ahead<'v>(&self, action: usize, choice: &[Vec<(u32, f64)>], vector: impl Fn(u32) -> &'v [f64]) -> Vec<f64> {
        let states = self.model.states().len();
        let kernel = self.model.dynamics()[0].observation.as_ref().expect("checked: hidden states");
        let worth = |to: usize| -> f64 {
            let of =
                |(o, q): (usize, f64)| -> f64 { q * choice[o].iter().map(|&(k, p)| p * vector(k)[to]).sum::<f64>() };
            kernel.pairs(action * states + to).map(of).sum()
        };
        (0..states).map(worth).collect()
    }
}
