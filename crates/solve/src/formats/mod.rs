//! Policies that other tools write and read: sets of α-vectors, each with an action.
//!
//! | format | suffixes | |
//! | --- | --- | --- |
//! | [`PolicyFormat::Alpha`] | `.alpha` | pomdp-solve: a line with an action, a line with a vector, a blank line |
//! | [`PolicyFormat::Sarsop`] | `.policy`, `.policyx`, `.xml` | APPL's XML, with one value of the observed state |
//!
//! Both hold one set of vectors, so one decision rule for all stages. Policies of models with a horizon, of clouds and of
//! observed states keep to the crate's own checksummed files ([`SolvedPolicy::save`](crate::SolvedPolicy::save)).

mod alpha;
mod label;
mod sarsop;
mod screen;
mod vectors;

use std::ops::Range;
use std::path::Path;

use thiserror::Error;
use tiresias_model::format::Diagnostic;

pub use vectors::AlphaPolicy;

/// A format of policy files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyFormat {
    /// pomdp-solve's `.alpha`.
    Alpha,
    /// APPL's XML.
    Sarsop,
}

impl PolicyFormat {
    /// By the suffix of the name; `None` for another one.
    pub fn of(name: &str) -> Option<Self> {
        let suffix = Path::new(name).extension()?.to_ascii_lowercase();
        match suffix.to_str()? {
            "alpha" => Some(Self::Alpha),
            "policy" | "policyx" | "xml" => Some(Self::Sarsop),
            _ => None,
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

impl Source<'_> {
    fn error(&self, at: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> PolicyFileError {
        PolicyFileError::Text(Box::new(Diagnostic::error(self.file, self.text.as_bytes(), at, message, label)))
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
