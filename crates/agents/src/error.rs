//! What can go wrong with a method.

use thiserror::Error;
use tiresias_model::ModelError;
use tiresias_solve::SolveError;

/// Why a method cannot be made, or cannot act.
#[derive(Debug, Error)]
pub enum AgentError {
    /// There is no such method.
    #[error("method {name:?} does not exist; expected one of {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// Its options are wrong.
    #[error("method {name}: {problem}")]
    Options {
        /// The method.
        name: String,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// It cannot be used here.
    #[error("method {name}: {problem}; {remedy}")]
    Unfit {
        /// The method.
        name: String,
        /// Why.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// Something inside a method.
    #[error("{0}")]
    Method(String),
    /// A model that it made.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A plan that it made.
    #[error(transparent)]
    Solve(#[from] SolveError),
}
