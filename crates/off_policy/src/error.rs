//! What ends a call without any result.

use thiserror::Error;
use tiresias_model::memory::Shortage;

/// Why there are no estimates at all. A single number that the data do not support is a [`Refusal`](crate::Refusal) instead.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Error {
    /// An array does not have one row a step.
    #[error("{what}: {found} entries where {expected} are needed")]
    Length {
        /// The array.
        what: &'static str,
        /// Steps times actions.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// An entry of an array that is no number it may be.
    #[error("step {step} of episode {episode}: {what} of action {action} is {value}")]
    Entry {
        /// The episode, from 0.
        episode: usize,
        /// The step in it, from 0.
        step: usize,
        /// The action.
        action: usize,
        /// The array.
        what: &'static str,
        /// What stands there.
        value: f64,
    },
    /// The target's probabilities of a step do not sum to 1 within [`ROUNDING`](crate::ROUNDING).
    #[error("step {step} of episode {episode}: the target's probabilities sum to {sum}")]
    Sum {
        /// The episode, from 0.
        episode: usize,
        /// The step in it, from 0.
        step: usize,
        /// Their sum.
        sum: f64,
    },
    /// How numbers vary cannot be told from one episode.
    #[error("at least two episodes are needed")]
    OneEpisode,
    /// An option outside its range.
    #[error("{name} is {value}; it must be {expected}")]
    Option {
        /// The option.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        expected: &'static str,
    },
    /// Logged propensities are asked for where there are none.
    #[error("the trajectories have no propensities")]
    NoPropensities,
    /// A policy is of another model than the log's.
    #[error("the policy's model does not fit the log: {0}")]
    OtherModel(String),
    /// It would not fit.
    #[error(transparent)]
    Memory(#[from] Shortage),
    /// The hook said so.
    #[error("the estimation was cancelled")]
    Cancelled,
    /// The system gives no threads.
    #[error("no threads: {0}")]
    Threads(String),
}
