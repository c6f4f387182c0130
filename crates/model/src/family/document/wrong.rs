//! What is wrong with a document, and where in it.

use crate::json::Step;

/// A problem and the way to the value that it is about, from the outside in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wrong {
    pub path: Vec<Step>,
    /// The byte of the text there that it is about, where that is an expression.
    pub at: Option<usize>,
    pub problem: String,
}

impl Wrong {
    pub fn new(path: &[Step], problem: impl Into<String>) -> Self {
        Self { path: path.to_vec(), at: None, problem: problem.into() }
    }

    /// `$.transition.harvest[0].p`
    pub fn place(&self) -> String {
        self.path.iter().fold("$".into(), |text, step| match step {
            Step::Field(name) | Step::Name(name) => format!("{text}.{name}"),
            Step::Item(item) => format!("{text}[{item}]"),
        })
    }
}

/// A way with one step more.
pub(super) fn below(path: &[Step], step: impl Into<Step>) -> Vec<Step> {
    path.iter().cloned().chain([step.into()]).collect()
}
