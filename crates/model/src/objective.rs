//! What is asked of a model without a discount, in the words of PRISM and Storm.

use std::fmt;
use std::str::FromStr;

use winnow::Parser;
use winnow::ascii::multispace0;
use winnow::combinator::{alt, delimited, opt, preceded, terminated};
use winnow::error::EmptyError;
use winnow::token::{literal, take_till};

use crate::ModelError;

/// The better end of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sense {
    /// As little as possible.
    Min,
    /// As much as possible.
    Max,
}

/// What is measured until a goal is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quantity {
    /// The probability of reaching it; where `through` names a label, by states of that label alone.
    Reach {
        /// `U` with a label before it, in place of `F`.
        through: Option<String>,
    },
    /// The expected sum of rewards (or costs) until it is reached; infinite where it may never be, as the field has it.
    Reward {
        /// The reward's name; the first one where none is given.
        name: Option<String>,
    },
}

/// An objective for a model without a discount.
///
/// # Examples
///
/// ```
/// use tiresias_model::{Objective, Quantity, Sense};
/// let objective: Objective = r#"R{"steps"}min=? [ F "home" ]"#.parse().unwrap();
/// assert_eq!((objective.sense, objective.goal.as_str()), (Sense::Min, "home"));
/// assert_eq!(objective.quantity, Quantity::Reward { name: Some("steps".into()) });
/// assert_eq!(objective.to_string(), r#"R{"steps"}min=? [F "home"]"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objective {
    /// What is measured.
    pub quantity: Quantity,
    /// Whether much of it is wanted, or little.
    pub sense: Sense,
    /// The label of the goal's states.
    pub goal: String,
}

/// The forms that are read.
const FORMS: &str = r#"Pmax=? [F "goal"], Pmin=? [F "goal"], Rmax=? [F "goal"] or Rmin=? [F "goal"], with R{"name"} for a reward by its name and "label" U "goal" for states to keep to"#;

impl FromStr for Objective {
    type Err = ModelError;

    /// Reads `Pmax=? [F "goal"]` and its like; blanks may stand anywhere. [`ModelError::Name`] for anything else.
    fn from_str(text: &str) -> Result<Self, ModelError> {
        terminated(objective, multispace0).parse(text).map_err(|error| {
            let at = text[..error.offset()].chars().count() + 1;
            let problem = format!("is not read from character {at} on; expected {FORMS}");
            ModelError::Name { what: "objective".into(), name: text.into(), problem }
        })
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.quantity {
            Quantity::Reach { .. } => f.write_str("P")?,
            Quantity::Reward { name: None } => f.write_str("R")?,
            Quantity::Reward { name: Some(name) } => write!(f, "R{{\"{name}\"}}")?,
        }
        f.write_str(if self.sense == Sense::Max { "max=? [" } else { "min=? [" })?;
        match &self.quantity {
            Quantity::Reach { through: Some(label) } => write!(f, "\"{label}\" U")?,
            _ => f.write_str("F")?,
        }
        write!(f, " \"{}\"]", self.goal)
    }
}

type Scan<T> = Result<T, EmptyError>;

fn objective(input: &mut &str) -> Scan<Objective> {
    let probability = word(alt(("P", "R"))).parse_next(input)? == "P";
    let name = if probability { None } else { opt(delimited(word("{"), quoted, word("}"))).parse_next(input)? };
    let sense = word(alt(("max".value(Sense::Max), "min".value(Sense::Min)))).parse_next(input)?;
    (word("="), word("?"), word("[")).void().parse_next(input)?;
    let through = if probability { opt(terminated(quoted, word("U"))).parse_next(input)? } else { None };
    if through.is_none() {
        word("F").parse_next(input)?;
    }
    let goal = terminated(quoted, word("]")).parse_next(input)?;
    let quantity = if probability { Quantity::Reach { through } } else { Quantity::Reward { name } };
    Ok(Objective { quantity, sense, goal })
}

fn word<'t, T>(parser: impl Parser<&'t str, T, EmptyError>) -> impl Parser<&'t str, T, EmptyError> {
    preceded(multispace0, parser)
}

fn quoted(input: &mut &str) -> Scan<String> {
    word(delimited(literal("\""), take_till(1.., '"'), literal("\""))).map(String::from).parse_next(input)
}
