//! What can be wrong with a model, a belief or a request for a task.

use thiserror::Error;

/// Errors of this crate. Every message says what is wrong, where, and what was expected.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ModelError {
    /// A space, an array or a matrix has the wrong size.
    #[error("{what}: expected {expected} entries, found {found}")]
    Shape {
        /// Which array.
        what: String,
        /// The size that the model's spaces imply.
        expected: usize,
        /// The size given.
        found: usize,
    },
    /// One or more distributions do not sum to 1. All of them are listed, at most eight by name.
    #[error("{}", rows_message(.rows, *.total))]
    Rows {
        /// The first offending rows, each in words with its sum.
        rows: Vec<String>,
        /// How many rows offend in all.
        total: usize,
    },
    /// A number is outside its range or not finite.
    #[error("{what}: {value} is not {expected}")]
    Number {
        /// Which number.
        what: String,
        /// The value given.
        value: f64,
        /// The range it must lie in.
        expected: &'static str,
    },
    /// A name or an index does not exist, or a name stands twice.
    #[error("{what}: {name:?} {problem}")]
    Name {
        /// Where the name stands.
        what: String,
        /// The name or index.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A member of a cloud differs from the first in something that all members share.
    #[error("model {model} of the cloud{}: {problem}", if .name.is_empty() { String::new() } else { format!(" ({name})") })]
    Cloud {
        /// Index of the member.
        model: usize,
        /// Its name; may be empty.
        name: String,
        /// What differs, in words.
        problem: String,
    },
    /// No model of the cloud gives the observation a positive probability.
    #[error("observation {observation} is impossible after action {action} under every one of the {models} models")]
    ImpossibleObservation {
        /// The action taken.
        action: usize,
        /// The observation seen.
        observation: usize,
        /// Size of the cloud.
        models: usize,
    },
    /// A document's task cannot be drawn.
    #[error("task {task}: {problem}")]
    Draw {
        /// Which task.
        task: String,
        /// Where in the document, what is wrong there, and the numbers that were drawn.
        problem: String,
    },
    /// What was asked for does not fit into memory.
    #[error(transparent)]
    Memory(#[from] crate::memory::Shortage),
    /// A set of transition distributions is empty, leaves out the nominal one, or stands where there can be none.
    #[error("{0}")]
    Ambiguity(String),
    /// The JSON text is not a model file.
    #[error("model JSON: {0}")]
    Json(String),
}

fn rows_message(rows: &[String], total: usize) -> String {
    let more = total - rows.len();
    let tail = if more > 0 { format!("\n  … and {more} more") } else { String::new() };
    format!(
        "{total} row{} not a probability distribution:\n  {}{tail}",
        if total == 1 { " is" } else { "s are" },
        rows.join("\n  ")
    )
}
