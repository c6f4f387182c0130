//! The JSON file format of models (`tiresias.model/1`) and the hash that identifies a model.

mod ambiguity;
mod place;
mod write;

use std::collections::BTreeMap;
use std::{fmt, io};

use rustc_hash::FxHashMap;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use tiresias_text::Unmarked;

use self::ambiguity::AmbiguityFile;
use self::place::within;
pub(crate) use self::place::{Misplaced, Step, locate};
use crate::{Dynamics, Kernel, Model, ModelBuilder, ModelError, Reward, Space};

/// The value of a model file's `schema` field.
pub const SCHEMA: &str = "tiresias.model/1";

/// A space: a count or a list of names.
#[derive(Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(untagged))]
enum SpaceFile {
    Count(#[cfg_attr(test, schemars(range(min = 1)))] usize),
    Names(#[cfg_attr(test, schemars(length(min = 1)))] Vec<String>),
}

/// A row: a value for each column, or an object from columns (names or numbers) to values.
#[derive(Debug)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(untagged))]
enum Row<T> {
    Dense(Vec<T>),
    Sparse(BTreeMap<String, T>),
}

/// What stands in a row.
trait Entry {
    /// Such a row, in words.
    const ROW: &str;
}

impl Entry for f64 {
    const ROW: &str = "a row: a list of numbers, or an object from columns to numbers";
}

impl Entry for RowFile {
    const ROW: &str = "a list of rows, or an object from next states to rows";
}

type RowFile = Row<f64>;

// Read by hand, as an untagged enum could not say what was expected, and would take a column that stands twice for one.
impl<'de> Deserialize<'de> for SpaceFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = SpaceFile;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a count or a list of names")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<SpaceFile, E> {
                usize::try_from(count).map(SpaceFile::Count).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<SpaceFile, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(SpaceFile::Names)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de, T: Entry + Deserialize<'de>> Deserialize<'de> for Row<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'de, T: Entry + Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Row<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(T::ROW)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Row<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Row::Dense)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Row<T>, A::Error> {
                let mut row = BTreeMap::new();
                while let Some((column, entry)) = object.next_entry::<String, T>()? {
                    if row.contains_key(&column) {
                        return Err(de::Error::custom(format!("the column `{column}` stands twice in a row")));
                    }
                    row.insert(column, entry);
                }
                Ok(Row::Sparse(row))
            }
        }
        deserializer.deserialize_any(Either(std::marker::PhantomData))
    }
}

/// `[action][state]` rows.
type RowsFile = Vec<Vec<RowFile>>;

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum RewardFile {
    /// R(a): a list `[a]` of numbers.
    Action(Vec<f64>),
    /// R(s, a): lists `[a][s]` of numbers.
    StateAction(Vec<Vec<f64>>),
    /// R(s, a, s'): `[a][s]` rows over s'.
    Transition(RowsFile),
    /// R(s, a, s', o): `[a][s]` lists over s', or objects from s', of rows over o.
    Full(Vec<Vec<Row<RowFile>>>),
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct DynamicsFile {
    /// `[action][state]` rows over the next state.
    transition: RowsFile,
    /// `[action][next state]` rows over observations; exactly when there are observations.
    #[serde(default)]
    observation: Option<RowsFile>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelFile {
    /// Where the JSON Schema of this file is, for editors; not read.
    #[serde(rename = "$schema", default)]
    #[allow(dead_code)]
    json_schema: Option<String>,
    /// The format and its version: `tiresias.model/1`.
    #[cfg_attr(test, schemars(regex(pattern = "^tiresias\\.model/1$")))]
    schema: String,
    /// For people.
    #[serde(default)]
    name: String,
    /// S: a count or unique names.
    states: SpaceFile,
    /// A: a count or unique names.
    actions: SpaceFile,
    /// O: a count or unique names; left out when the state itself is seen.
    #[serde(default)]
    observations: Option<SpaceFile>,
    /// Discount factor; below 1 without a horizon.
    #[serde(default = "one")]
    #[cfg_attr(test, schemars(range(min = 0, max = 1)))]
    discount: f64,
    /// Number of decisions; left out for an infinite horizon.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(min = 1)))]
    horizon: Option<usize>,
    /// Ambiguity attitude: 1 is max-min, 0 is max-max.
    #[serde(default = "one")]
    #[cfg_attr(test, schemars(range(min = 0, max = 1)))]
    alpha: f64,
    /// Start distribution over the states; uniform when absent.
    #[serde(default)]
    start: Option<RowFile>,
    /// Names or numbers of states that absorb without reward, whatever their rows say.
    #[serde(default)]
    terminal: Vec<String>,
    /// S numbers: collected in the state that the last decision leads to.
    #[serde(default)]
    final_reward: Vec<f64>,
    /// One of four forms, shared by all models of the cloud.
    reward: RewardFile,
    /// One object a model of the cloud.
    #[cfg_attr(test, schemars(length(min = 1)))]
    dynamics: Vec<DynamicsFile>,
    /// What nature may choose in place of each transition row; left out for none.
    #[serde(default)]
    ambiguity: Option<AmbiguityFile>,
    /// What nature may choose in place of each observation row; left out for none.
    #[serde(default)]
    observation_ambiguity: Option<AmbiguityFile>,
}

fn one() -> f64 {
    1.0
}

/// The document as it stands, before anything in it is understood.
pub(crate) fn parse(text: &str) -> serde_json::Result<ModelFile> {
    serde_json::from_str(text.unmarked())
}

impl ModelBuilder {
    /// The parts in a `tiresias.model/1` document, to change some before they are checked.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        Self::from_document(parse(text).map_err(|e| ModelError::Json(e.to_string()))?).map_err(|wrong| wrong.error)
    }

    pub(crate) fn from_document(file: ModelFile) -> Result<Self, Misplaced> {
        if file.schema != SCHEMA {
            let error = ModelError::Json(format!("schema is {:?}, expected {SCHEMA:?}", file.schema));
            return Err(Misplaced::from(error).within("schema"));
        }
        let states = space("states", file.states).map_err(within("states"))?;
        let actions = space("actions", file.actions).map_err(within("actions"))?;
        let observations = file.observations.map(|o| space("observations", o)).transpose();
        let observations = observations.map_err(within("observations"))?;
        let (by_state, by_observation) = (Columns::of(&states), observations.as_ref().map(Columns::of));
        let shape = Shape { actions: &actions, states: &by_state };
        let terminal =
            file.terminal.iter().enumerate().map(|(i, name)| {
                by_state.index(name).ok_or_else(|| Misplaced::from(unknown("terminal", name)).within(i))
            });
        let terminal = terminal.collect::<Result<_, _>>().map_err(within("terminal"))?;
        let dynamics = file.dynamics.into_iter().enumerate().map(|(m, moves)| {
            let transition = kernel("transition", moves.transition, shape, &by_state).map_err(within("transition"));
            let observation = match (moves.observation, &by_observation) {
                (Some(rows), Some(columns)) => Some(kernel("observation", rows, shape, columns)),
                (None, _) => None,
                (Some(_), None) => {
                    let why = "an observation model without a list of observations";
                    Some(Err(ModelError::Json(why.into()).into()))
                }
            };
            let observation = observation.transpose().map_err(within("observation"));
            transition.and_then(|transition| Ok(Dynamics { transition, observation: observation? })).map_err(within(m))
        });
        let dynamics = dynamics.collect::<Result<_, _>>().map_err(within("dynamics"))?;
        // Only now: the rows have shown that there really are so many states.
        let start = match file.start {
            None => vec![1.0 / states.len() as f64; states.len()],
            Some(row) => {
                let mut start = vec![0.0; states.len()];
                let set = |state: usize, p| {
                    start[state] = p;
                    Ok(())
                };
                each_entry("start", row, &by_state, set).map_err(within("start"))?;
                start
            }
        };
        let reward = reward(file.reward, shape, by_observation.as_ref()).map_err(within("reward"))?;
        let sets = |sets: Option<AmbiguityFile>, field: &'static str, columns: &Columns| {
            sets.map(|sets| sets.read(field, shape, columns)).transpose().map_err(within(field))
        };
        let ambiguity = sets(file.ambiguity, "ambiguity", &by_state)?;
        let observation_ambiguity = match (file.observation_ambiguity, &by_observation) {
            (Some(_), None) => {
                let why = "sets around observations without a list of observations";
                return Err(Misplaced::from(ModelError::Json(why.into())).within("observation_ambiguity"));
            }
            (file, columns) => sets(file, "observation_ambiguity", columns.as_ref().unwrap_or(&by_state))?,
        };
        Ok(Self {
            name: file.name,
            reward,
            start,
            discount: file.discount,
            horizon: file.horizon,
            terminal,
            final_reward: file.final_reward,
            dynamics,
            alpha: file.alpha,
            ambiguity,
            observation_ambiguity,
            states,
            actions,
            observations,
        })
    }
}

impl Model {
    /// Reads a `tiresias.model/1` document. Syntax errors carry line and column, semantic ones the row's name.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        ModelBuilder::from_json(text)?.build()
    }

    /// The canonical JSON document: sparse rows with numeric columns, fields in a fixed order, numbers that read back exactly.
    pub fn to_json(&self) -> String {
        let mut text = Vec::new();
        self.write_json(&mut text);
        String::from_utf8(text).expect("JSON is UTF-8")
    }

    fn write_json(&self, to: impl io::Write) {
        serde_json::to_writer(to, &write::Document::of(self))
            .expect("a validated model holds only finite numbers, and neither a text nor a hash refuses bytes");
    }

    /// SHA-256 of the canonical JSON, in hexadecimal: what a saved policy remembers its model by.
    pub fn sha256(&self) -> String {
        // Written in small pieces, which a hash takes slowly.
        let mut hash = io::BufWriter::with_capacity(1 << 16, Sha256::new());
        self.write_json(&mut hash);
        let hash = hash.into_inner().expect("a hash refuses no bytes");
        format!("{:x}", hash.finalize())
    }
}

fn space(what: &str, file: SpaceFile) -> Result<Space, ModelError> {
    match file {
        SpaceFile::Count(n) => Space::unnamed(what, n),
        SpaceFile::Names(names) => Space::named(what, names),
    }
}

/// A space whose elements are looked up often.
struct Columns<'s> {
    space: &'s Space,
    index: FxHashMap<&'s str, usize>,
}

impl<'s> Columns<'s> {
    fn of(space: &'s Space) -> Self {
        let names = space.names().unwrap_or_default();
        Self { space, index: names.iter().zip(0..).map(|(name, i)| (name.as_str(), i)).collect() }
    }

    fn len(&self) -> usize {
        self.space.len()
    }

    /// As [`Space::index`].
    fn index(&self, name: &str) -> Option<usize> {
        let number = || name.parse().ok().filter(|&i| i < self.len());
        self.index.get(name).copied().or_else(number)
    }
}

/// What `[action][state]` lists run over.
#[derive(Clone, Copy)]
struct Shape<'s> {
    actions: &'s Space,
    states: &'s Columns<'s>,
}

impl Shape<'_> {
    /// Calls `each` with every action, state and what stands there.
    fn walk<T>(
        self,
        what: &str,
        by_action: Vec<Vec<T>>,
        mut each: impl FnMut(T) -> Result<(), Misplaced>,
    ) -> Result<(), Misplaced> {
        let (actions, states) = (self.actions, self.states.space);
        check(format!("{what}: rows by action"), actions.len(), by_action.len())?;
        for (a, by_state) in by_action.into_iter().enumerate() {
            let label = format!("{what}, action {}", actions.name(a));
            check(format!("{label}: rows by state"), states.len(), by_state.len()).map_err(within(a))?;
            for (s, entry) in by_state.into_iter().enumerate() {
                let named = |wrong: Misplaced| wrong.called(|| format!("{label}, state {}", states.name(s)));
                each(entry).map_err(|wrong| named(wrong).within(s).within(a))?;
            }
        }
        Ok(())
    }
}

fn unknown(what: &str, name: &str) -> ModelError {
    ModelError::Name {
        what: what.into(),
        name: name.into(),
        problem: "is neither a name nor an index of this space".into(),
    }
}

/// Calls `each` with the columns of a row and what stands there.
fn each_entry<T>(
    what: &str,
    row: Row<T>,
    columns: &Columns,
    mut each: impl FnMut(usize, T) -> Result<(), Misplaced>,
) -> Result<(), Misplaced> {
    match row {
        Row::Dense(dense) => {
            check(what.into(), columns.len(), dense.len())?;
            dense.into_iter().enumerate().try_for_each(|(i, entry)| each(i, entry).map_err(within(i)))
        }
        Row::Sparse(map) => map.into_iter().try_for_each(|(name, entry)| match columns.index(&name) {
            Some(i) => each(i, entry).map_err(|wrong| wrong.within(Step::Field(name))),
            None => Err(Misplaced::from(unknown(what, &name)).within(Step::Name(name))),
        }),
    }
}

fn check(what: String, expected: usize, found: usize) -> Result<(), ModelError> {
    if expected == found { Ok(()) } else { Err(ModelError::Shape { what, expected, found }) }
}

fn kernel(what: &str, rows: RowsFile, shape: Shape, columns: &Columns) -> Result<Kernel, Misplaced> {
    let mut kernel = Kernel::new(columns.len());
    let mut entries = Vec::new();
    shape.walk(what, rows, |row| {
        entries.clear();
        each_entry(what, row, columns, |column, value| {
            entries.push((column, value));
            Ok(())
        })?;
        kernel.push_row(entries.iter().copied());
        Ok(())
    })?;
    Ok(kernel)
}

fn reward(file: RewardFile, shape: Shape, observations: Option<&Columns>) -> Result<Reward, Misplaced> {
    match file {
        RewardFile::Action(r) => Ok(Reward::Action(r)),
        RewardFile::StateAction(rows) => {
            numbers("reward", rows, shape).map(Reward::StateAction).map_err(within("state_action"))
        }
        RewardFile::Transition(rows) => {
            kernel("reward", rows, shape, shape.states).map(Reward::Transition).map_err(within("transition"))
        }
        RewardFile::Full(by_action) => {
            let Some(observations) = observations else {
                let why = "a full reward R(s,a,s',o) needs a list of observations";
                return Err(Misplaced::from(ModelError::Json(why.into())).within(Step::Name("full".into())));
            };
            let mut rows = Kernel::new(shape.states.len() * observations.len());
            let mut row = Vec::new();
            let by_state = shape.walk("reward", by_action, |by_next| {
                row.clear();
                each_entry("reward", by_next, shape.states, |next, over| {
                    each_entry("reward", over, observations, |o, value| {
                        row.push((next * observations.len() + o, value));
                        Ok(())
                    })
                })?;
                rows.push_row(row.iter().copied());
                Ok(())
            });
            by_state.map_err(within("full"))?;
            Ok(Reward::Full(rows))
        }
    }
}

/// `[action][state]` numbers, one after the other.
fn numbers(what: &str, by_action: Vec<Vec<f64>>, shape: Shape) -> Result<Vec<f64>, Misplaced> {
    let mut all = Vec::new();
    shape.walk(what, by_action, |number| {
        all.push(number);
        Ok(())
    })?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use schemars::Schema;
    use schemars::transform::transform_subschemas;

    /// A form of an enumeration is described as a whole; its tag is the field that an editor points at, and gets the same words.
    fn describe_tags(schema: &mut Schema) {
        transform_subschemas(&mut (|inner: &mut Schema| describe_tags(inner)), schema);
        let Some(words) = schema.get("description").cloned() else { return };
        let Some(fields) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) else { return };
        let only = fields.len() == 1;
        for field in fields.values_mut().filter_map(serde_json::Value::as_object_mut) {
            if only || field.contains_key("const") {
                field.entry("description").or_insert_with(|| words.clone());
            }
        }
    }

    /// The published schema is made from the types that read the file. `TIRESIAS_WRITE_SCHEMA=1 cargo test -p tiresias-model`
    /// writes it anew.
    #[test]
    fn the_published_schema_is_the_one_that_is_read() {
        let mut schema = schemars::schema_for!(super::ModelFile);
        schema.insert("title".into(), "A tiresias.model/1 document".into());
        describe_tags(&mut schema);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/model.schema.json");
        if std::env::var_os("TIRESIAS_WRITE_SCHEMA").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text);
    }
}
