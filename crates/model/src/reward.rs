//! Rewards in the form they are given; solvers take the expectation, rollouts the full form.

use crate::Kernel;

/// Sparse real rows, same layout as [`Kernel`] without the constraint on sums; absent entries are 0.
pub type SparseRows = Kernel;

/// A reward function in its given form. Arrays are indexed by `row = a * S + s`.
#[derive(Debug, Clone, PartialEq)]
pub enum Reward {
    /// `R(a)`: length A.
    Action(Vec<f64>),
    /// `R(s, a)`: length A·S.
    StateAction(Vec<f64>),
    /// `R(s, a, s')`: row `a * S + s`, column `s'`.
    Transition(SparseRows),
    /// `R(s, a, s', o)`: row `a * S + s`, column `s' * O + o`.
    Full(SparseRows),
}

impl Reward {
    /// The reward of one realised step. `observations` is O; `observation` is ignored by the forms that do not depend on it.
    #[inline]
    pub fn realised(
        &self,
        states: usize,
        observations: usize,
        state: usize,
        action: usize,
        next: usize,
        observation: usize,
    ) -> f64 {
        let row = action * states + state;
        match self {
            Self::Action(r) => r[action],
            Self::StateAction(r) => r[row],
            Self::Transition(r) => r.get(row, next),
            Self::Full(r) => r.get(row, next * observations + observation),
        }
    }

    /// Bytes that the numbers take.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Action(r) | Self::StateAction(r) => size_of_val(&r[..]),
            Self::Transition(rows) | Self::Full(rows) => rows.bytes(),
        }
    }

    /// Whether the reward is a function of state and action alone, so that its expectation is itself under every model.
    pub fn is_state_action(&self) -> bool {
        matches!(self, Self::Action(_) | Self::StateAction(_))
    }
}
