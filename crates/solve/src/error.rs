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
    /// An objective asks for what the model has not.
    #[error("the model has no {what} {name:?}{}", if .known.is_empty() { ", nor any other".into() } else { format!("; it has {}", .known.join(", ")) })]
    Unknown {
        /// A label or a reward.
        what: &'static str,
        /// Its name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A sum without an end is of rewards that are not negative.
    #[error("state {state}, action {action}: the reward {value} is negative, and rewards until a goal are not to be")]
    Negative {
        /// The state.
        state: usize,
        /// The action's name.
        action: String,
        /// The reward.
        value: f64,
    },
    /// The expected sum of rewards until the goal is infinite, as a policy need not, or cannot, reach it surely.
    #[error("the expected reward is infinite: {why}{}", places(.states))]
    Infinite {
        /// What keeps it from ending.
        why: &'static str,
        /// States that may be the true one where that is so.
        states: Vec<usize>,
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

/// States in words, the first few.
fn places(states: &[usize]) -> String {
    const SHOWN: usize = 8;
    if states.is_empty() {
        return String::new();
    }
    let named: Vec<String> = states.iter().take(SHOWN).map(usize::to_string).collect();
    let more = if states.len() > SHOWN { format!(" and {} more", states.len() - SHOWN) } else { String::new() };
    format!(", in state{} {}{more}", if states.len() == 1 { "" } else { "s" }, named.join(", "))
}
