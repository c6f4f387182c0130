//! What can go wrong in solving, and in reading a saved policy.

use thiserror::Error;

/// Errors of this crate. Every message says what is wrong and what was expected.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SolveError {
    /// The solver does not treat this kind of model.
    #[error("solver {solver} needs {expected}, but the model is {found}")]
    Unsupported {
        /// The solver's name.
        solver: &'static str,
        /// What it treats.
        expected: &'static str,
        /// What it was given.
        found: String,
    },
    /// Sets around the rows of hidden states are a game of their own.
    #[error(
        "the model's states are hidden and have ambiguity sets around their rows: a robust POMDP, which only solve_robust \
         (solveRobust, `tiresias solve` without --solver) treats"
    )]
    Rectangular,
    /// A limit is not a number the solver can work with.
    #[error("limit {what}: {value} is not {expected}")]
    Limit {
        /// Which limit.
        what: &'static str,
        /// The value given.
        value: f64,
        /// The range it must lie in.
        expected: &'static str,
    },
    /// The tables of one entry a stage would not fit: nothing was allocated.
    #[error(
        "horizon {horizon} is too long: its tables need at least {bytes} bytes, and {allowed} are allowed; \
         lower the horizon, allow more memory, or use a discounted model without a horizon"
    )]
    Horizon {
        /// The model's horizon.
        horizon: usize,
        /// What the tables need at least.
        bytes: usize,
        /// The limit on memory, or what is allowed without one.
        allowed: usize,
    },
    /// Rewards add up to numbers whose sums and products overflow.
    #[error("rewards may add up to {total:e}, and at most {most:e} in size is solved for; give them in larger units")]
    Rewards {
        /// The largest total that some course of events could bring.
        total: f64,
        /// What is allowed.
        most: f64,
    },
    /// A policy to be evaluated has the wrong size.
    #[error("{what}: expected {expected} entries, found {found}")]
    Shape {
        /// Which array.
        what: &'static str,
        /// The size that the model implies.
        expected: usize,
        /// The size given.
        found: usize,
    },
    /// A saved policy cannot be read: cut short, altered, or not one of ours.
    #[error("policy file is corrupt: {0}")]
    Corrupt(String),
    /// A saved policy has a schema that this version does not read.
    #[error("policy file has schema {found:?}, this version reads {expected:?}: solve the model again")]
    Version {
        /// The schema in the file.
        found: String,
        /// The schema read here.
        expected: &'static str,
    },
    /// A saved policy belongs to another model.
    #[error("policy was solved for the model with sha256 {found}, not for {expected}")]
    OtherModel {
        /// Hash in the file.
        found: String,
        /// Hash of the model given.
        expected: String,
    },
}
