//! Policies that other tools write and read: sets of α-vectors, each with an action, and the graphs of finite-state controllers.
//!
//! | format | usual suffixes | |
//! | --- | --- | --- |
//! | [`PolicyFormat::Alpha`] | `.alpha` | pomdp-solve: a line with an action, a line with a vector, a blank line |
//! | [`PolicyFormat::Graph`] | `.pg` | pomdp-solve: a line a node, with its action and the node that follows each observation |
//! | [`PolicyFormat::Sarsop`] | `.policy`, `.policyx`, `.xml` | APPL's XML, the vectors by the value of the observed state |
//!
//! A policy of a model with a horizon is one text a stage in the first two. Clouds, triangulations and models whose state is seen
//! keep to the crate's own checksummed files ([`Solution::save`](crate::Solution::save)).

mod alpha;
mod backup;
mod controller;
mod graph;
mod grow;
mod merge;
mod reach;
mod refine;
mod sarsop;
mod set;
mod vectors;
mod visits;

use std::ops::Range;
use std::path::Path;

use thiserror::Error;
use tiresias_model::format::Diagnostic;
use tiresias_text::Unmarked;

pub use controller::{Controller, Node};
pub use merge::Merged;
pub use vectors::AlphaPolicy;

/// Bytes of a text at most: what a string in JavaScript can hold, less a quarter.
const MOST_TEXT: usize = 400_000_000;

/// A format of policy files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyFormat {
    /// pomdp-solve's `.alpha`.
    Alpha,
    /// APPL's XML.
    Sarsop,
    /// pomdp-solve's `.pg`.
    Graph,
}

impl PolicyFormat {
    /// By the suffix of the name; `None` for another one.
    pub fn of(name: &str) -> Option<Self> {
        let suffix = Path::new(name).extension()?.to_ascii_lowercase();
        match suffix.to_str()? {
            "alpha" => Some(Self::Alpha),
            "pg" => Some(Self::Graph),
            "policy" | "policyx" | "xml" => Some(Self::Sarsop),
            // A stage of several, as pomdp-solve numbers them.
            stage => [("alpha", Self::Alpha), ("pg", Self::Graph)].into_iter().find_map(|(name, format)| {
                let number = stage.strip_prefix(name)?;
                number.bytes().all(|byte| byte.is_ascii_digit()).then_some(format)
            }),
        }
    }

    /// By how the text begins: XML, an action alone on its line, or a node with what follows it. Where that leaves it open, by the
    /// suffix of the name, and vectors without one.
    pub fn of_text(name: &str, text: &str) -> Self {
        let text = text.unmarked();
        if text.trim_start().starts_with('<') {
            return Self::Sarsop;
        }
        let words = |line: &str| line.split('#').next().unwrap_or_default().split_whitespace().count();
        let mut lines = text.lines().map(words).filter(|&count| count > 0);
        match lines.next() {
            // A vector follows its action.
            Some(1) if lines.next().is_some() => Self::Alpha,
            // A node has a number, an action and a successor at least.
            Some(3..) => Self::Graph,
            _ => Self::of(name).unwrap_or(Self::Alpha),
        }
    }
}

/// Why a file gives no policy, or a policy no file.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PolicyFileError {
    /// The text is wrong at one place.
    #[error("{0}")]
    Text(Box<Diagnostic>),
    /// The policy is of a model with other states, actions or observations.
    #[error("the policy does not fit the model {model}: {problem}")]
    OtherModel {
        /// The model's name.
        model: String,
        /// What differs.
        problem: String,
    },
    /// The policy is of a kind that the format cannot hold.
    #[error("{0}")]
    Unsupported(String),
}

/// A text under its file's name.
#[derive(Clone, Copy)]
struct Source<'t> {
    file: &'t str,
    text: &'t str,
}

impl<'t> Source<'t> {
    fn of((file, text): (&'t str, &'t str)) -> Self {
        Self { file, text: text.unmarked() }
    }

    fn error(&self, at: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> PolicyFileError {
        PolicyFileError::Text(Box::new(Diagnostic::error(self.file, self.text.as_bytes(), at, message, label)))
    }

    /// Refuses an action that stands at `at` and that a model with `actions` actions does not have.
    fn check_action(&self, action: u32, actions: usize, at: Range<usize>) -> Result<(), PolicyFileError> {
        if (action as usize) < actions {
            return Ok(());
        }
        let label = format!("the model has {actions}, numbered from 0");
        Err(self.error(at, format!("there is no action {action}"), label))
    }

    /// The numbers of `range`, a whole number of them being `expected` where it is known.
    fn numbers(&self, range: Range<usize>, expected: Option<usize>) -> Result<Vec<f64>, PolicyFileError> {
        let mut numbers = Vec::with_capacity(expected.unwrap_or(0).min(range.len()));
        for word in words(self.text, range.clone()) {
            match self.text[word.clone()].parse::<f64>() {
                Ok(number) if number.is_finite() => numbers.push(number),
                _ => {
                    let message = format!("`{}` is not a finite number", &self.text[word.clone()]);
                    return Err(self.error(word, message, "expected an entry of the vector"));
                }
            }
        }
        match expected {
            Some(expected) if expected != numbers.len() => {
                let message = format!("a vector has {} entries, others have {expected}", numbers.len());
                Err(self.error(range, message, format!("expected {expected} numbers")))
            }
            _ if numbers.is_empty() => Err(self.error(range, "a vector has no entries", "expected one number a state")),
            _ => Ok(numbers),
        }
    }
}

/// The places of the words in a range of a text.
fn words(text: &str, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let base = text.as_ptr() as usize;
    text[range].split_whitespace().map(move |word| {
        let start = word.as_ptr() as usize - base;
        start..start + word.len()
    })
}
