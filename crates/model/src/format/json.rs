//! This project's own JSON as a model file: what is wrong with it under a caret, its rounding said.

use std::ops::Range;

use super::ReadOptions;
use super::diagnostic::{Fault, Source};
use crate::distribution;
use crate::json::{Misplaced, Step, locate, parse};
use crate::model::{Findings, Place};
use crate::{ModelBuilder, ModelError};

/// The parts of the model in a text, and its repairs.
pub(super) fn read(source: &Source, options: &ReadOptions) -> Result<(ModelBuilder, Vec<Fault>), Fault> {
    let text = std::str::from_utf8(source.text).map_err(|e| {
        let at = e.valid_up_to();
        Fault::new(at..at + 1, "the text is not UTF-8", "the first byte that is not")
    })?;
    let document = parse(text).map_err(|e| syntax(text, &e))?;
    let mut builder = ModelBuilder::from_document(document).map_err(|wrong| misplaced(text, &wrong))?;
    let rows = |findings, message: &dyn Fn(usize) -> String| rows(source, text, &builder, findings, message);
    let said = |n| match n {
        1 => "a row is not a probability distribution".into(),
        n => format!("{n} rows are not probability distributions"),
    };
    if let Some(fault) = rows(builder.rows_with(distribution::problem), &said) {
        return Err(fault);
    }
    let said = |n| match n {
        1 => "a row is off by rounding and was divided by its sum".into(),
        n => format!("{n} rows are off by rounding and were divided by their sums"),
    };
    let warnings = rows(builder.rows_with(distribution::rounding), &said).into_iter().collect();
    builder.horizon = options.horizon.or(builder.horizon);
    Ok((builder, warnings))
}

/// What the parts of a model that was read from `text` say against each other, under the field that it is about.
pub(super) fn refused(text: &[u8], error: &ModelError) -> Option<Fault> {
    let (ModelError::Shape { what, .. } | ModelError::Number { what, .. }) = error else {
        let ModelError::Ambiguity(_) = error else { return None };
        return Some(under(text, &["ambiguity".into()], error));
    };
    let fields = ["discount", "horizon", "alpha", "final_reward", "ambiguity", "reward"];
    // The total reward over the horizon is of the rewards' making.
    let what = what.trim_start_matches("total ").replace(' ', "_");
    let field = fields.into_iter().find(|field| what.starts_with(field)).unwrap_or("dynamics");
    Some(under(text, &[field.into()], error))
}

fn under(text: &[u8], path: &[Step], error: &ModelError) -> Fault {
    let at = std::str::from_utf8(text).map_or(0..0, |text| locate(text, path));
    Fault::new(at, error.to_string(), expected(error))
}

fn misplaced(text: &str, wrong: &Misplaced) -> Fault {
    Fault::new(wrong.range(text), wrong.error.to_string(), expected(&wrong.error))
}

/// What stands under the caret.
fn expected(error: &ModelError) -> String {
    match error {
        ModelError::Shape { expected, .. } => format!("expected {expected}"),
        ModelError::Number { expected, .. } => format!("expected {expected}"),
        ModelError::Name { problem, .. } if problem.contains("neither") => "expected a name or a number".into(),
        ModelError::Name { .. } => "expected another name".into(),
        _ => "here".into(),
    }
}

/// A JSON error under the character where it was noticed.
fn syntax(text: &str, error: &serde_json::Error) -> Fault {
    let (at, message) = noticed(text, error);
    Fault::new(at, format!("not a model in JSON: {message}"), "noticed here")
}

/// The character where a JSON error was noticed, and the library's message without that place.
pub(crate) fn noticed(text: &str, error: &serde_json::Error) -> (Range<usize>, String) {
    let line: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    // What is missing at the end is missing there, not at the last character that was read.
    let near = if error.is_eof() { text.trim_end().len() } else { line + error.column().saturating_sub(1) };
    let near = near.min(text.len());
    let start = (0..=near).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    let end = start + text[start..].chars().next().map_or(0, char::len_utf8);
    let message = error.to_string();
    // The library ends its message with the place, which is shown anyway.
    (start..end, tiresias_text::in_words(message.split(" at line ").next().unwrap_or(&message)))
}

/// Rows with something the matter, all in one message; `None` for none.
fn rows(
    source: &Source,
    text: &str,
    builder: &ModelBuilder,
    findings: Findings,
    message: &dyn Fn(usize) -> String,
) -> Option<Fault> {
    let states = builder.states.len();
    let (total, mut rows) = (findings.total, findings.first.into_iter());
    let (place, label) = rows.next()?;
    let fault = Fault::new(range(text, place, states), message(total), label);
    let mut others: Vec<String> = rows
        .map(|(place, label)| format!("{label} (line {})", source.line(range(text, place, states).start)))
        .collect();
    let more = total - 1 - others.len();
    if more > 0 {
        others.push(format!("… and {more} more"));
    }
    Some(if others.is_empty() { fault } else { fault.note(others.join("\n")) })
}

/// Where a distribution stands.
fn range(text: &str, place: Place, states: usize) -> Range<usize> {
    let row = |model: usize, table: &str, row: usize| {
        locate(text, &["dynamics".into(), model.into(), table.into(), (row / states).into(), (row % states).into()])
    };
    match place {
        Place::Start => locate(text, &["start".into()]),
        Place::Transition { model, row: r } => row(model, "transition", r),
        Place::Observation { model, row: r } => row(model, "observation", r),
    }
}
