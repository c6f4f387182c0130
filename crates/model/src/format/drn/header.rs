//! The `@` entries before the model.

use std::ops::Range;

use super::line::{Line, Lines, Word, Words};
use crate::format::diagnostic::Fault;

/// What the header says.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Whether states are hidden behind observations.
    pub hidden: bool,
    pub rewards: Vec<String>,
    pub states: usize,
    pub states_at: Range<usize>,
    /// Choices, and where that is said.
    pub choices: Option<(usize, Range<usize>)>,
}

const ENTRIES: &str =
    "`@type:`, `@value_type:`, `@parameters`, `@reward_models`, `@nr_states`, `@nr_choices` or `@model`";

/// Reads up to and with `@model`.
pub(super) fn header(lines: &mut Lines) -> Result<Header, Fault> {
    let mut header = Header::default();
    let (mut typed, mut counted) = (false, false);
    // Ends: the text does.
    while let Some(line) = lines.next() {
        let mut words = Words::new(line);
        let entry = words.word(b":");
        match entry.text {
            b"@type" => {
                words.mark(":", "`@type`")?;
                header.hidden = kind(words.word(b""))?;
                once(&mut typed, entry)?;
            }
            b"@value_type" => {
                words.mark(":", "`@value_type`")?;
                let value = words.word(b"");
                if !matches!(value.text, b"double" | b"rational") {
                    let message = format!("values of the type {} are not read", value.quoted());
                    return Err(Fault::new(value.range(), message, "expected `double` or `rational`"));
                }
            }
            b"@parameters" => {
                if let Some(named) = lines.raw().filter(|line| !line.text.is_empty()) {
                    let message = "models with parameters are not read";
                    return Err(Fault::new(named.range(), message, "parameters").note("give them values first"));
                }
            }
            b"@placeholders" => {
                let message = "placeholders are not read, as only models with parameters have them";
                return Err(Fault::new(entry.range(), message, "placeholders"));
            }
            // The one name of a model without names is nothing, so that the line may be empty.
            b"@reward_models" => header.rewards = lines.raw().map(names).unwrap_or_default(),
            b"@nr_states" => {
                let (count, at) = number(lines, "the number of states")?;
                if count == 0 {
                    return Err(Fault::new(at, "a model has at least one state", "expected at least 1"));
                }
                once(&mut counted, entry)?;
                (header.states, header.states_at) = (count, at);
            }
            b"@nr_choices" => header.choices = Some(number(lines, "the number of choices")?),
            b"@model" => {
                words.end()?;
                let missing = [(typed, "`@type:`"), (counted, "`@nr_states`")].into_iter().find(|(given, _)| !given);
                return match missing {
                    Some((_, what)) => {
                        Err(Fault::new(entry.range(), format!("{what} is missing"), format!("expected {what} before")))
                    }
                    None => Ok(header),
                };
            }
            _ => return Err(entry.expected(ENTRIES)),
        }
    }
    Err(Fault::new(lines.end(), "expected `@model`, found the end of the file", "expected `@model`"))
}

fn once(given: &mut bool, entry: Word) -> Result<(), Fault> {
    if std::mem::replace(given, true) {
        return Err(Fault::new(entry.range(), format!("{} stands twice", entry.quoted()), "a second time"));
    }
    Ok(())
}

/// Whether states are hidden in a model of this type.
fn kind(word: Word) -> Result<bool, Fault> {
    match word.text.to_ascii_uppercase().as_slice() {
        b"POMDP" => Ok(true),
        // A Markov chain is an MDP of one choice a state.
        b"MDP" | b"DTMC" => Ok(false),
        _ => {
            let message = format!("models of the type {} are not read", word.quoted());
            Err(Fault::new(word.range(), message, "expected `POMDP`, `MDP` or `DTMC`"))
        }
    }
}

fn names(line: Line) -> Vec<String> {
    let mut words = Words::new(line);
    std::iter::from_fn(|| Some(words.word(b"")).filter(|word| !word.text.is_empty())).map(|word| word.name()).collect()
}

fn number(lines: &mut Lines, what: &str) -> Result<(usize, Range<usize>), Fault> {
    let Some(line) = lines.next() else {
        let message = format!("expected {what}, found the end of the file");
        return Err(Fault::new(lines.end(), message, format!("expected {what}")));
    };
    let mut words = Words::new(line);
    let word = words.word(b"");
    let count = word.whole(what)?;
    words.end()?;
    Ok((count as usize, word.range()))
}
