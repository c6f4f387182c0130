//! The canonical document of a model, written from the model itself: no copy of its tables is made on the way.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::SCHEMA;
use crate::{Ambiguity, Kernel, Model, Reward, Space, Support};

/// The fields of a document, in their order.
#[derive(Serialize)]
pub(super) struct Document<'m> {
    schema: &'static str,
    name: &'m str,
    states: Elements<'m>,
    actions: Elements<'m>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observations: Option<Elements<'m>>,
    discount: f64,
    horizon: Option<usize>,
    alpha: f64,
    start: &'m [f64],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    terminal: Vec<String>,
    #[serde(skip_serializing_if = "<[f64]>::is_empty")]
    final_reward: &'m [f64],
    reward: Rewards<'m>,
    dynamics: Vec<Moves<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ambiguity: Option<Sets<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observation_ambiguity: Option<Sets<'m>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Elements<'m> {
    Count(usize),
    Names(&'m [String]),
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Rewards<'m> {
    Action(&'m [f64]),
    StateAction(Vec<&'m [f64]>),
    Transition(Rows<'m>),
    Full(Full<'m>),
}

#[derive(Serialize)]
struct Moves<'m> {
    transition: Rows<'m>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observation: Option<Rows<'m>>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Sets<'m> {
    L1 { radius: Radius<'m>, support: &'static str },
    Interval { lower: Rows<'m>, upper: Rows<'m> },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Radius<'m> {
    Same(f64),
    Rows(Vec<&'m [f64]>),
}

impl<'m> Document<'m> {
    pub fn of(model: &'m Model) -> Self {
        let states = model.states().len();
        let (next, seen) = (misleading(model.states()), model.observations().and_then(misleading));
        let rows = |kernel: &'m Kernel| Rows { kernel, states, columns: next };
        let observed = |kernel: &'m Kernel| Rows { kernel, states, columns: seen };
        Self {
            schema: SCHEMA,
            name: model.name(),
            states: elements(model.states()),
            actions: elements(model.actions()),
            observations: model.observations().map(elements),
            discount: model.discount(),
            horizon: model.horizon(),
            alpha: model.alpha(),
            start: model.start(),
            terminal: model
                .terminal_states()
                .iter()
                .map(|&s| next.map_or(s.to_string(), |names| names[s].clone()))
                .collect(),
            final_reward: model.final_reward(),
            reward: match model.reward() {
                Reward::Action(r) => Rewards::Action(r),
                Reward::StateAction(r) => Rewards::StateAction(r.chunks(states).collect()),
                Reward::Transition(r) => Rewards::Transition(rows(r)),
                Reward::Full(kernel) => {
                    let observations = model.observations().map_or(1, Space::len);
                    Rewards::Full(Full { kernel, states, observations, next, seen })
                }
            },
            dynamics: model
                .dynamics()
                .iter()
                .map(|d| Moves { transition: rows(&d.transition), observation: d.observation.as_ref().map(observed) })
                .collect(),
            ambiguity: model.ambiguity().map(|sets| Sets::of(sets, states, &rows)),
            observation_ambiguity: model.observation_ambiguity().map(|sets| Sets::of(sets, states, &observed)),
        }
    }
}

impl<'m> Sets<'m> {
    /// `rows` writes a kernel over the columns that these sets are over.
    fn of(sets: &'m Ambiguity, states: usize, rows: &impl Fn(&'m Kernel) -> Rows<'m>) -> Self {
        match sets {
            Ambiguity::L1 { radius, support } => Self::L1 {
                radius: if radius.iter().all(|r| *r == radius[0]) {
                    Radius::Same(radius[0])
                } else {
                    Radius::Rows(radius.chunks(states).collect())
                },
                support: match support {
                    Support::Nominal => "nominal",
                    Support::All => "all",
                },
            },
            Ambiguity::Interval { lower, upper } => Self::Interval { lower: rows(lower), upper: rows(upper) },
        }
    }
}

fn elements(space: &Space) -> Elements<'_> {
    space.names().map_or(Elements::Count(space.len()), Elements::Names)
}

/// The names of a space where a number would be read as another element's name: columns are then called by them.
fn misleading(space: &Space) -> Option<&[String]> {
    let names = space.names()?;
    let another =
        |(i, name): (usize, &String)| name.parse().is_ok_and(|number: usize| number < names.len() && number != i);
    names.iter().enumerate().any(another).then_some(names)
}

/// A list that is made while it is written.
struct List<F>(usize, F);

impl<T: Serialize, F: Fn(usize) -> T> Serialize for List<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.0).map(&self.1))
    }
}

/// `[action][state]` rows of a kernel.
struct Rows<'m> {
    kernel: &'m Kernel,
    states: usize,
    columns: Option<&'m [String]>,
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { kernel, states, columns } = *self;
        let row = |row: usize| {
            let (index, values) = kernel.row(row);
            Row { index, values, first: 0, columns }
        };
        List(kernel.rows() / states, |action| List(states, move |state| row(action * states + state)))
            .serialize(serializer)
    }
}

/// `[action][state]` objects from next states to rows over observations.
struct Full<'m> {
    kernel: &'m Kernel,
    states: usize,
    observations: usize,
    next: Option<&'m [String]>,
    seen: Option<&'m [String]>,
}

impl Serialize for Full<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { kernel, states, observations, next, seen } = *self;
        let row = |row: usize| {
            let (index, values) = kernel.row(row);
            ByNext { index, values, observations: observations as u32, next, seen }
        };
        List(kernel.rows() / states, |action| List(states, move |state| row(action * states + state)))
            .serialize(serializer)
    }
}

struct ByNext<'m> {
    index: &'m [u32],
    values: &'m [f64],
    observations: u32,
    next: Option<&'m [String]>,
    seen: Option<&'m [String]>,
}

impl Serialize for ByNext<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut from = 0;
        for part in self.index.chunk_by(|a, b| a / self.observations == b / self.observations) {
            let next = part[0] / self.observations;
            let values = &self.values[from..from + part.len()];
            let row = Row { index: part, values, first: next * self.observations, columns: self.seen };
            match self.next {
                Some(names) => map.serialize_entry(&names[next as usize], &row)?,
                None => map.serialize_entry(&next, &row)?,
            }
            from += part.len();
        }
        map.end()
    }
}

/// An object from columns, less the `first`, to numbers.
struct Row<'m> {
    index: &'m [u32],
    values: &'m [f64],
    first: u32,
    columns: Option<&'m [String]>,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pair = |i: usize| (self.index[i] - self.first, self.values[i]);
        let len = self.index.len();
        if let Some(names) = self.columns {
            return serializer.collect_map((0..len).map(pair).map(|(column, value)| (&names[column as usize], value)));
        }
        if len < 2 || pair(len - 1).0 < 10 {
            return serializer.collect_map((0..len).map(pair));
        }
        // In the order of the words, not of the numbers: what the hashes of models were made of from the beginning.
        let mut pairs: Vec<(u32, f64)> = (0..len).map(pair).collect();
        pairs.sort_unstable_by_key(|&(column, _)| word_order(column));
        serializer.collect_map(pairs)
    }
}

/// A key that sorts numbers as their decimal digits sort as words.
fn word_order(number: u32) -> (u64, u32) {
    let digits = number.checked_ilog10().unwrap_or(0);
    (u64::from(number) * 10_u64.pow(9 - digits), digits)
}

#[cfg(test)]
mod tests {
    use super::word_order;

    #[test]
    fn numbers_sort_as_words() {
        let mut numbers = vec![0, 1, 2, 9, 10, 11, 19, 20, 90, 99, 100, 101, 109, 110, 999_999_999, u32::MAX];
        let mut words = numbers.clone();
        numbers.sort_by_key(|&number| word_order(number));
        words.sort_by_key(ToString::to_string);
        assert_eq!(numbers, words);
    }
}
