//! Where a value stands in the text of a document: for messages about what JSON allows and a model does not.
//!
//! Reading keeps no places. When something is wrong, the path to it is followed through the text once more.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

use crate::ModelError;

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The value of a field.
    Field(String),
    /// The name of a field, rather than its value.
    Name(String),
    /// A member of a list.
    Item(usize),
}

impl From<&str> for Step {
    fn from(field: &str) -> Self {
        Self::Field(field.into())
    }
}

impl From<usize> for Step {
    fn from(item: usize) -> Self {
        Self::Item(item)
    }
}

/// What is wrong with a document, and the way to the value that it is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Misplaced {
    pub error: ModelError,
    /// From the inside out.
    path: Vec<Step>,
}

impl From<ModelError> for Misplaced {
    fn from(error: ModelError) -> Self {
        Self { error, path: Vec::new() }
    }
}

impl Misplaced {
    /// The same, seen from one level further out.
    pub fn within(mut self, step: impl Into<Step>) -> Self {
        self.path.push(step.into());
        self
    }

    /// The same about a better known part of the document.
    pub fn called(mut self, name: impl FnOnce() -> String) -> Self {
        if let ModelError::Shape { what, .. } | ModelError::Name { what, .. } = &mut self.error {
            *what = name();
        }
        self
    }

    /// The value in the text that the document was read from.
    pub fn range(&self, text: &str) -> Range<usize> {
        locate(text, self.path.iter().rev())
    }
}

/// `error.map_err(within("field"))`
pub(super) fn within<E: Into<Misplaced>>(step: impl Into<Step>) -> impl FnOnce(E) -> Misplaced {
    move |error| error.into().within(step)
}

/// The value that `path` leads to, or the innermost one on the way that exists. Linear in the text.
pub(crate) fn locate<'p>(text: &str, path: impl IntoIterator<Item = &'p Step>) -> Range<usize> {
    let range = |part: &str| {
        let start = part.as_ptr() as usize - text.as_ptr() as usize;
        start..start + part.len()
    };
    let mut here = text.trim_start_matches('\u{feff}').trim_ascii();
    for step in path {
        let inner = match step {
            Step::Item(item) => {
                let items: Vec<&RawValue> = serde_json::from_str(here).unwrap_or_default();
                items.get(*item).map(|value| value.get())
            }
            Step::Field(name) | Step::Name(name) => {
                let fields: BTreeMap<String, &RawValue> = serde_json::from_str(here).unwrap_or_default();
                fields.get(name).map(|value| value.get()).map(|value| {
                    if matches!(step, Step::Field(_)) {
                        return value;
                    }
                    // Between the value before and this one there is nothing but the name, in quotes.
                    let end = range(value).start;
                    let before =
                        fields.values().map(|value| range(value.get()).end).filter(|&other| other <= end).max();
                    let between = &text[before.unwrap_or(range(here).start + 1)..end];
                    between.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, ',' | ':'))
                })
            }
        };
        let Some(inner) = inner else { break };
        here = inner;
    }
    range(here)
}

#[cfg(test)]
mod tests {
    use super::{Step, locate};

    #[test]
    fn a_path_leads_to_its_value() {
        let text = "\u{feff} {\"a,\\n\": [1, {\"x\": 2 , \"y:\" : [3, 4]}], \"b\": {}}\n";
        let found = |path: &[Step]| &text[locate(text, path)];
        let inner: [Step; 3] = [Step::from("a,\n"), Step::from(1), Step::from("y:")];
        assert_eq!(found(&[]), text.trim_start_matches('\u{feff}').trim());
        assert_eq!(found(&inner), "[3, 4]");
        assert_eq!(found(&[inner[0].clone(), inner[1].clone(), Step::Name("y:".into())]), "\"y:\"");
        assert_eq!(found(&[inner[0].clone(), inner[1].clone(), Step::Name("x".into())]), "\"x\"");
        assert_eq!(found(&[Step::Name("a,\n".into())]), "\"a,\\n\"");
        // As far as it goes.
        assert_eq!(found(&["b".into(), "c".into(), 7.into()]), "{}");
        assert_eq!(found(&["a,\n".into(), 0.into(), 0.into()]), "1");
    }
}
