//! The named numbers of a document: what they may be, and drawing them one after the other from a task's stream.

use super::expression::{Expression, List, Place, Values};
use super::work::Work;
use super::wrong::Wrong;
use crate::json::Step;
use crate::random::Draws;

/// Numbers in a list at most.
const MOST_LISTED: usize = 1 << 20;
/// Lists of more numbers are not told of with a task: nobody reads them.
const MOST_TOLD: usize = 1000;
/// A whole number that a double holds exactly is below it.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A named number, or a list of them, whose expressions know the names before it.
#[derive(Debug, Clone)]
pub(super) struct Number {
    pub name: String,
    /// Where its value goes.
    pub place: Place,
    /// The slots that its indices count in, and how far.
    pub each: Vec<Counter>,
    pub range: Range,
    /// Where it stands in the document.
    pub path: Vec<Step>,
}

/// A name that counts from 0: its slot, and below what.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    pub slot: usize,
    pub below: Expression,
    pub path: Vec<Step>,
}

/// What a number is, or is drawn from.
#[derive(Debug, Clone)]
pub(super) enum Range {
    Value(Expression),
    Uniform([Expression; 2]),
    Integer([Expression; 2]),
    Choice {
        choices: Vec<Expression>,
        weights: Vec<Expression>,
    },
    Normal([Expression; 2]),
    /// A parameter each.
    Dirichlet(Vec<Expression>),
    /// One parameter for so many outcomes.
    Symmetric {
        parameter: Expression,
        outcomes: Expression,
    },
}

impl Number {
    /// Whether it is drawn, rather than worked out of others.
    pub fn is_drawn(&self) -> bool {
        !matches!(self.range, Range::Value(_))
    }

    /// Draws it. A uniform number is one step of the stream, whatever its range; normal and Dirichlet ones are several.
    pub fn draw(&self, values: &mut Values, draws: &mut Draws, work: &mut Work) -> Result<(), Wrong> {
        let here = |problem: String| Wrong::new(&self.path, format!("{}: {problem}", self.name));
        work.spend(1, &self.path)?;
        let list = match self.place {
            Place::List(list) => list,
            Place::Slot(slot) => {
                values.slots[slot] = self.range.one(values, draws).map_err(here)?;
                return Ok(());
            }
        };
        let mut sizes = self.each.iter().map(|counter| counter.size(values)).collect::<Result<Vec<_>, _>>()?;
        let rows = sizes.iter().fold(1_usize, |rows, &size| rows.saturating_mul(size));
        let outcomes = self.range.outcomes(values).map_err(here)?;
        sizes.extend(outcomes);
        let total = rows.saturating_mul(outcomes.unwrap_or(1));
        if total > MOST_LISTED {
            return Err(here(format!("a list of {total} numbers; a list may have {MOST_LISTED}")));
        }
        work.spend(total as u64, &self.path)?;
        let mut found = Vec::with_capacity(total);
        for row in 0..rows {
            let mut at = row;
            for (counter, size) in self.each.iter().zip(&sizes).rev() {
                values.slots[counter.slot] = (at % size) as f64;
                at /= size;
            }
            match outcomes {
                Some(outcomes) => self.range.distribution(outcomes, values, draws, &mut found),
                None => self.range.one(values, draws).map(|value| found.push(value)),
            }
            .map_err(here)?;
        }
        values.lists[list] = List { sizes, values: found };
        Ok(())
    }

    /// Its value by name, or the values of its list.
    pub fn told(&self, values: &Values, prefix: &str, to: &mut Vec<(String, f64)>) {
        match self.place {
            Place::Slot(slot) => to.push((format!("{prefix}{}", self.name), values.slots[slot])),
            Place::List(list) => {
                let List { sizes, values } = &values.lists[list];
                if values.len() > MOST_TOLD {
                    return;
                }
                for (mut at, value) in values.iter().enumerate() {
                    let mut indices = vec![0; sizes.len()];
                    for (index, size) in indices.iter_mut().zip(sizes).rev() {
                        *index = at % size;
                        at /= size;
                    }
                    let indices: Vec<_> = indices.iter().map(ToString::to_string).collect();
                    to.push((format!("{prefix}{}[{}]", self.name, indices.join(",")), *value));
                }
            }
        }
    }
}

impl Counter {
    fn size(&self, values: &Values) -> Result<usize, Wrong> {
        let here = |problem: String| Wrong::new(&self.path, problem);
        let size = self.below.value(values).map_err(|outside| here(outside.into()))?;
        if size >= 0.0 && size.fract() == 0.0 && size <= MOST_LISTED as f64 {
            return Ok(size as usize);
        }
        Err(Wrong::new(&self.path, format!("counts to {size}, which is not a whole number from 0 to {MOST_LISTED}")))
    }
}

/// Calls `body` for every combination of what the counters count, the last fastest.
pub(super) fn for_each(
    counters: &[Counter],
    values: &mut Values,
    work: &mut Work,
    body: &mut dyn FnMut(&mut Values) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    let Some((first, others)) = counters.split_first() else { return body(values) };
    for i in 0..first.size(values)? {
        work.spend(1, &first.path)?;
        values.slots[first.slot] = i as f64;
        for_each(others, values, work, body)?;
    }
    Ok(())
}

/// A finite value.
pub(super) fn finite(expression: &Expression, values: &Values) -> Result<f64, String> {
    let value = expression.value(values)?;
    match value {
        value if value.is_finite() => Ok(value),
        value if value.is_nan() => Err("comes to NaN, which is no number".into()),
        value => Err(format!("comes to {}", shown(value))),
    }
}

/// A number in a message, however large.
fn shown(value: f64) -> String {
    match value {
        f64::INFINITY => "infinity".into(),
        f64::NEG_INFINITY => "minus infinity".into(),
        value if value.abs() >= 1e15 => format!("{value:e}"),
        value => value.to_string(),
    }
}

/// Whether there is something between two ends, and how far apart they are can be said.
pub(super) fn check_ends(low: f64, high: f64) -> Result<(), String> {
    if low > high {
        return Err(format!("the range from {} to {} is empty", shown(low), shown(high)));
    }
    if !(high - low).is_finite() {
        return Err(format!("the range from {} to {} is wider than a number can be large", shown(low), shown(high)));
    }
    Ok(())
}

impl Range {
    /// A number of it.
    fn one(&self, values: &Values, draws: &mut Draws) -> Result<f64, String> {
        let both = |[a, b]: &[Expression; 2]| Ok::<_, String>((finite(a, values)?, finite(b, values)?));
        match self {
            Self::Value(value) => finite(value, values),
            Self::Uniform(ends) => {
                let (low, high) = both(ends)?;
                check_ends(low, high)?;
                Ok(draws.between(low, high))
            }
            Self::Integer(ends) => {
                let (low, high) = both(ends)?;
                if low.fract() != 0.0 || high.fract() != 0.0 || low.abs().max(high.abs()) >= EXACT / 2.0 {
                    return Err(format!("{low} and {high} are not both whole numbers below 2^52"));
                }
                check_ends(low, high)?;
                Ok((low + (draws.uniform() * (high - low + 1.0)).floor()).min(high))
            }
            Self::Choice { choices, weights } => {
                let i =
                    if weights.is_empty() { equal(choices.len(), draws) } else { weighted(weights, values, draws)? };
                finite(&choices[i], values)
            }
            Self::Normal(both_of) => {
                let (mean, deviation) = both(both_of)?;
                if deviation < 0.0 {
                    return Err(format!("the standard deviation {deviation} is negative"));
                }
                Ok(mean + deviation * draws.normal())
            }
            Self::Dirichlet(_) | Self::Symmetric { .. } => unreachable!("a distribution goes into a list"),
        }
    }

    /// How many outcomes its distributions have.
    fn outcomes(&self, values: &Values) -> Result<Option<usize>, String> {
        match self {
            Self::Dirichlet(parameters) => Ok(Some(parameters.len())),
            Self::Symmetric { outcomes, .. } => {
                let count = outcomes.value(values)?;
                let fits = count >= 1.0 && count.fract() == 0.0 && count <= MOST_LISTED as f64;
                if fits {
                    Ok(Some(count as usize))
                } else {
                    Err(format!("{count} outcomes are not a whole number from 1 to {MOST_LISTED}"))
                }
            }
            _ => Ok(None),
        }
    }

    /// Appends a distribution.
    fn distribution(
        &self,
        outcomes: usize,
        values: &Values,
        draws: &mut Draws,
        to: &mut Vec<f64>,
    ) -> Result<(), String> {
        let from = to.len();
        match self {
            Self::Dirichlet(parameters) => {
                parameters.iter().try_for_each(|one| finite(one, values).map(|x| to.push(x)))?;
            }
            Self::Symmetric { parameter, .. } => to.resize(from + outcomes, finite(parameter, values)?),
            _ => unreachable!("one number after the other"),
        }
        let parameters = &mut to[from..];
        if parameters.iter().any(|&x| x < 0.0) || parameters.iter().all(|&x| x == 0.0) {
            return Err("the parameters of a Dirichlet distribution are not negative, and one is above 0".into());
        }
        draws.dirichlet(parameters);
        Ok(())
    }
}

fn equal(count: usize, draws: &mut Draws) -> usize {
    draws.below(count)
}

fn weighted(weights: &[Expression], values: &Values, draws: &mut Draws) -> Result<usize, String> {
    let weights = weights.iter().map(|weight| finite(weight, values)).collect::<Result<Vec<_>, _>>()?;
    let total: f64 = weights.iter().sum();
    if weights.iter().any(|&weight| weight < 0.0) || total == 0.0 {
        return Err("weights are not negative, and one is above 0".into());
    }
    if total.is_infinite() {
        return Err("the weights sum to more than a number can be: make all of them smaller".into());
    }
    let mut left = draws.uniform() * total;
    for (i, weight) in weights.iter().enumerate() {
        if left < *weight {
            return Ok(i);
        }
        left -= weight;
    }
    // Rounding: the last that is possible.
    Ok(weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0))
}
