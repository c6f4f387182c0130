//! A POMDP described by functions, on its way to tables.

use crate::{Dynamics, Kernel, Model, ModelBuilder, ModelError, Reward, Space};

/// The row of a distribution: outcomes with their probabilities, in any order; repeats add up.
pub(super) type Row = Vec<(usize, f64)>;

/// A problem with discount 0.95, as all classics have, and no horizon.
pub(super) struct Sketch<T, Q, R> {
    pub name: String,
    pub states: Vec<String>,
    pub actions: Vec<String>,
    pub observations: Vec<String>,
    pub start: Vec<f64>,
    pub terminal: Vec<usize>,
    /// `(action, state)` to the row over next states.
    pub next: T,
    /// `(action, next state)` to the row over observations.
    pub seen: Q,
    /// `(action, state, next state)` to the reward.
    pub reward: R,
}

impl<T, Q, R> Sketch<T, Q, R>
where
    T: Fn(usize, usize) -> Row,
    Q: Fn(usize, usize) -> Row,
    R: Fn(usize, usize, usize) -> f64,
{
    /// The model.
    pub fn build(self) -> Result<Model, ModelError> {
        let (s, a) = (self.states.len(), self.actions.len());
        let pairs = || (0..a).flat_map(|action| (0..s).map(move |state| (action, state)));
        let mut transition = Kernel::with_capacity(s, a * s, a * s);
        pairs().for_each(|(action, state)| transition.push_row((self.next)(action, state)));
        let mut observation = Kernel::with_capacity(self.observations.len(), a * s, a * s);
        pairs().for_each(|(action, next)| observation.push_row((self.seen)(action, next)));
        ModelBuilder {
            name: self.name,
            states: Space::named("states", self.states)?,
            actions: Space::named("actions", self.actions)?,
            observations: Some(Space::named("observations", self.observations)?),
            reward: rewards(&transition, s, &self.reward),
            start: self.start,
            discount: 0.95,
            horizon: None,
            terminal: self.terminal,
            final_reward: Vec::new(),
            dynamics: vec![Dynamics { transition, observation: Some(observation) }],
            alpha: 1.0,
            ambiguity: None,
            observation_ambiguity: None,
        }
        .build()
    }
}

/// `R(s, a)` where the next state makes no difference, else `R(s, a, s')`.
fn rewards(transition: &Kernel, states: usize, reward: impl Fn(usize, usize, usize) -> f64) -> Reward {
    let of = |r: usize, next: usize| reward(r / states, r % states, next);
    let same = |r: usize| {
        let (next, _) = transition.row(r);
        next.iter().all(|&n| of(r, n as usize) == of(r, next[0] as usize))
    };
    if (0..transition.rows()).all(same) {
        let first = |r: usize| of(r, transition.row(r).0[0] as usize);
        return Reward::StateAction((0..transition.rows()).map(first).collect());
    }
    let mut rewards = Kernel::new(states);
    for r in 0..transition.rows() {
        rewards.push_row(transition.pairs(r).map(|(next, _)| (next, of(r, next))));
    }
    Reward::Transition(rewards)
}

/// The uniform distribution over the states that `holds` names, as a vector.
pub(super) fn uniform(states: usize, holds: impl Fn(usize) -> bool) -> Vec<f64> {
    let count = (0..states).filter(|&s| holds(s)).count();
    (0..states).map(|s| if holds(s) { 1.0 / count as f64 } else { 0.0 }).collect()
}

/// A vector as a row.
pub(super) fn row(distribution: &[f64]) -> Row {
    distribution.iter().copied().enumerate().collect()
}

/// Names from anything that reads as text.
pub(super) fn names<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}
