//! pomdp-solve's `.alpha`: for each vector a line with its action, a line with its entries, a blank line.

use std::fmt::Write;

use super::{AlphaPolicy, MOST_TEXT, PolicyFileError, Source, words};

/// The vectors of one stage.
pub(super) fn write(policy: &AlphaPolicy, stage: usize) -> Result<String, PolicyFileError> {
    let mut out = String::new();
    for (action, entries) in policy.vectors(stage) {
        let entries: Vec<String> = entries.iter().map(f64::to_string).collect();
        let _ = writeln!(out, "{action}\n{}\n", entries.join(" "));
        if out.len() > MOST_TEXT {
            let why = "each vector has an entry for every state: more than 400 MB of text; use .policy for a model whose \
                state has an observed part, or Tiresias' own format";
            return Err(PolicyFileError::Unsupported(why.into()));
        }
    }
    Ok(out)
}

/// Lines without words separate nothing that the order of the others does not separate already; text from `#` is a comment.
/// `actions` is the number of the model's.
pub(super) fn read(source: &Source, actions: usize) -> Result<Vec<(u32, Vec<f64>)>, PolicyFileError> {
    let text = source.text;
    let mut pairs: Vec<(u32, Vec<f64>)> = Vec::new();
    let mut action = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.find('#').unwrap_or(line.trim_end().len());
        start += line.len();
        let Some(first) = words(text, range.clone()).next() else { continue };
        match action {
            None => {
                let place = first.start..range.start + text[range.clone()].trim_end().len();
                let Ok(number) = text[place.clone()].parse::<u32>() else {
                    let message = format!("`{}` is not an action", &text[first]);
                    return Err(source.error(place, message, "expected the number of an action, alone on its line"));
                };
                source.check_action(number, actions, place.clone())?;
                action = Some((number, place));
            }
            Some((number, _)) => {
                let expected = pairs.first().map(|(_, vector)| vector.len());
                pairs.push((number, source.numbers(first.start..range.end, expected)?));
                action = None;
            }
        }
    }
    match action {
        Some((_, place)) => {
            Err(source.error(place, "the last action has no vector", "expected a line with a vector after this one"))
        }
        None if pairs.is_empty() => {
            let end = text.len();
            Err(source.error(end..end, "the file holds no vectors", "expected a line with an action, then its vector"))
        }
        None => Ok(pairs),
    }
}
