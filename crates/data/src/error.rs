//! What can be wrong with recorded decisions.

use thiserror::Error;

/// Why columns are no trajectories.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum DataError {
    /// Columns that belong together are not equally long.
    #[error("{what}: {found} entries where {expected} are needed")]
    Length {
        /// The column.
        what: &'static str,
        /// How many it must have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// An entry that nothing allows.
    #[error("step {step} of episode {episode}: {what} {value} is not {expected}")]
    Entry {
        /// The episode, from 0.
        episode: usize,
        /// The step in it, from 0; the number of its steps for what was seen after the last.
        step: usize,
        /// The column.
        what: &'static str,
        /// What stands there.
        value: String,
        /// What may stand there.
        expected: String,
    },
    /// Anything else.
    #[error("{0}")]
    Invalid(String),
}
