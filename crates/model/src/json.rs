//! The JSON file format of models (`tiresias.model/1`) and the hash that identifies a model.

mod ambiguity;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use self::ambiguity::AmbiguityFile;
use crate::{Dynamics, Kernel, Model, ModelBuilder, ModelError, Reward, Space};

/// The value of a model file's `schema` field.
pub const SCHEMA: &str = "tiresias.model/1";

/// A space: a count or a list of names.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum SpaceFile {
    Count(#[cfg_attr(test, schemars(range(min = 1)))] usize),
    Names(#[cfg_attr(test, schemars(length(min = 1)))] Vec<String>),
}

/// A row: dense numbers, or an object from column (name or number) to value.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum RowFile {
    Dense(Vec<f64>),
    Sparse(BTreeMap<String, f64>),
}

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

impl<'de> Deserialize<'de> for RowFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RowFile;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a row: a list of numbers, or an object from columns to numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RowFile, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(RowFile::Dense)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<RowFile, A::Error> {
                let mut row = BTreeMap::new();
                while let Some((column, number)) = object.next_entry::<String, f64>()? {
                    if row.contains_key(&column) {
                        return Err(de::Error::custom(format!("the column `{column}` stands twice in a row")));
                    }
                    row.insert(column, number);
                }
                Ok(RowFile::Sparse(row))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// `[action][state]` rows.
type RowsFile = Vec<Vec<RowFile>>;

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum RewardFile {
    /// `[a]`
    Action(Vec<f64>),
    /// `[a][s]`
    StateAction(Vec<Vec<f64>>),
    /// `[a][s]` rows over s'
    Transition(RowsFile),
    /// `[a][s][s']` rows over o
    Full(Vec<Vec<Vec<RowFile>>>),
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct DynamicsFile {
    /// `[action][state]` rows over the next state.
    transition: RowsFile,
    /// `[action][next state]` rows over observations; exactly when there are observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    observation: Option<RowsFile>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelFile {
    /// Where the JSON Schema of this file is, for editors; not read.
    #[serde(rename = "$schema", default, skip_serializing)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<RowFile>,
    /// Names or numbers of states that absorb without reward, whatever their rows say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    terminal: Vec<String>,
    /// S numbers: collected in the state that the last decision leads to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    final_reward: Vec<f64>,
    /// One of four forms, shared by all models of the cloud.
    reward: RewardFile,
    /// One object a model of the cloud.
    #[cfg_attr(test, schemars(length(min = 1)))]
    dynamics: Vec<DynamicsFile>,
    /// What nature may choose in place of each transition row; left out for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ambiguity: Option<AmbiguityFile>,
}

fn one() -> f64 {
    1.0
}

/// The document as it stands, before anything in it is understood.
pub(crate) fn parse(text: &str) -> serde_json::Result<ModelFile> {
    // Windows editors put a byte-order mark before the text.
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
}

impl ModelBuilder {
    /// The parts in a `tiresias.model/1` document, to change some before they are checked.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        Self::from_document(parse(text).map_err(|e| ModelError::Json(e.to_string()))?)
    }

    pub(crate) fn from_document(file: ModelFile) -> Result<Self, ModelError> {
        if file.schema != SCHEMA {
            return Err(ModelError::Json(format!("schema is {:?}, expected {SCHEMA:?}", file.schema)));
        }
        let states = space("states", file.states)?;
        let actions = space("actions", file.actions)?;
        let observations = file.observations.map(|o| space("observations", o)).transpose()?;
        let terminal = file
            .terminal
            .iter()
            .map(|name| states.index(name).ok_or_else(|| unknown("terminal", name)))
            .collect::<Result<_, _>>()?;
        let dynamics = file
            .dynamics
            .into_iter()
            .map(|d| {
                let transition = kernel("transition", d.transition, &actions, &states, &states)?;
                let observation = match (d.observation, &observations) {
                    (Some(rows), Some(space)) => Some(kernel("observation", rows, &actions, &states, space)?),
                    (None, _) => None,
                    (Some(_), None) => {
                        return Err(ModelError::Json("an observation model without a list of observations".into()));
                    }
                };
                Ok(Dynamics { transition, observation })
            })
            .collect::<Result<_, ModelError>>()?;
        // Only now: the rows have shown that there really are so many states.
        let start = match file.start {
            None => vec![1.0 / states.len() as f64; states.len()],
            Some(row) => {
                let mut start = vec![0.0; states.len()];
                for (i, p) in entries("start", row, &states)? {
                    start[i] = p;
                }
                start
            }
        };
        let reward = reward(file.reward, &actions, &states, observations.as_ref())?;
        let ambiguity = file.ambiguity.map(|sets| sets.read(&actions, &states)).transpose()?;
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
        let (s, a) = (self.states().len(), self.actions().len());
        let file = ModelFile {
            json_schema: None,
            schema: SCHEMA.into(),
            name: self.name().into(),
            states: space_file(self.states()),
            actions: space_file(self.actions()),
            observations: self.observations().map(space_file),
            discount: self.discount(),
            horizon: self.horizon(),
            alpha: self.alpha(),
            start: Some(RowFile::Dense(self.start().to_vec())),
            terminal: self.terminal_states().iter().map(ToString::to_string).collect(),
            final_reward: self.final_reward().to_vec(),
            reward: match self.reward() {
                Reward::Action(r) => RewardFile::Action(r.clone()),
                Reward::StateAction(r) => RewardFile::StateAction(r.chunks(s).map(<[f64]>::to_vec).collect()),
                Reward::Transition(r) => RewardFile::Transition(rows(r, s)),
                Reward::Full(r) => {
                    let o = self.observations().map_or(1, Space::len);
                    let row = |row: usize, next: usize| {
                        sparse(r.pairs(row).filter(|&(c, _)| c / o == next).map(|(c, v)| (c % o, v)))
                    };
                    RewardFile::Full(
                        (0..a)
                            .map(|action| (0..s).map(|st| (0..s).map(|n| row(action * s + st, n)).collect()).collect())
                            .collect(),
                    )
                }
            },
            dynamics: self
                .dynamics()
                .iter()
                .map(|d| DynamicsFile {
                    transition: rows(&d.transition, s),
                    observation: d.observation.as_ref().map(|kernel| rows(kernel, s)),
                })
                .collect(),
            ambiguity: self.ambiguity().map(|sets| AmbiguityFile::of(sets, s)),
        };
        serde_json::to_string(&file).expect("a validated model holds only finite numbers and string keys")
    }

    /// SHA-256 of the canonical JSON, in hexadecimal: what a saved policy remembers its model by.
    pub fn sha256(&self) -> String {
        format!("{:x}", Sha256::digest(self.to_json()))
    }
}

fn space(what: &str, file: SpaceFile) -> Result<Space, ModelError> {
    match file {
        SpaceFile::Count(n) => Space::unnamed(what, n),
        SpaceFile::Names(names) => Space::named(what, names),
    }
}

fn space_file(space: &Space) -> SpaceFile {
    space.names().map_or(SpaceFile::Count(space.len()), |names| SpaceFile::Names(names.to_vec()))
}

fn sparse(pairs: impl Iterator<Item = (usize, f64)>) -> RowFile {
    RowFile::Sparse(pairs.map(|(i, p)| (i.to_string(), p)).collect())
}

/// `[action][state]` rows of a kernel.
fn rows(kernel: &Kernel, states: usize) -> RowsFile {
    (0..kernel.rows() / states)
        .map(|action| (0..states).map(|state| sparse(kernel.pairs(action * states + state))).collect())
        .collect()
}

fn unknown(what: &str, name: &str) -> ModelError {
    ModelError::Name {
        what: what.into(),
        name: name.into(),
        problem: "is neither a name nor an index of this space".into(),
    }
}

fn entries(what: &str, row: RowFile, columns: &Space) -> Result<Vec<(usize, f64)>, ModelError> {
    match row {
        RowFile::Dense(dense) if dense.len() == columns.len() => Ok(dense.into_iter().enumerate().collect()),
        RowFile::Dense(dense) => {
            Err(ModelError::Shape { what: what.into(), expected: columns.len(), found: dense.len() })
        }
        RowFile::Sparse(map) => map
            .into_iter()
            .map(|(name, p)| columns.index(&name).map(|i| (i, p)).ok_or_else(|| unknown(what, &name)))
            .collect(),
    }
}

fn check(what: String, expected: usize, found: usize) -> Result<(), ModelError> {
    if expected == found { Ok(()) } else { Err(ModelError::Shape { what, expected, found }) }
}

fn kernel(what: &str, rows: RowsFile, actions: &Space, states: &Space, columns: &Space) -> Result<Kernel, ModelError> {
    check(format!("{what}: rows by action"), actions.len(), rows.len())?;
    let mut kernel = Kernel::new(columns.len());
    for (a, by_state) in rows.into_iter().enumerate() {
        check(format!("{what}, action {}: rows by state", actions.name(a)), states.len(), by_state.len())?;
        for (s, row) in by_state.into_iter().enumerate() {
            let label = format!("{what}, action {}, state {}", actions.name(a), states.name(s));
            kernel.push_row(entries(&label, row, columns)?);
        }
    }
    Ok(kernel)
}

fn reward(
    file: RewardFile,
    actions: &Space,
    states: &Space,
    observations: Option<&Space>,
) -> Result<Reward, ModelError> {
    Ok(match file {
        RewardFile::Action(r) => Reward::Action(r),
        RewardFile::StateAction(rows) => {
            check("reward: rows by action".into(), actions.len(), rows.len())?;
            for (a, row) in rows.iter().enumerate() {
                check(format!("reward, action {}", actions.name(a)), states.len(), row.len())?;
            }
            Reward::StateAction(rows.concat())
        }
        RewardFile::Transition(rows) => Reward::Transition(kernel("reward", rows, actions, states, states)?),
        RewardFile::Full(by_action) => {
            let Some(observations) = observations else {
                return Err(ModelError::Json("a full reward R(s,a,s',o) needs a list of observations".into()));
            };
            check("reward: rows by action".into(), actions.len(), by_action.len())?;
            let mut rows = Kernel::new(states.len() * observations.len());
            for (a, by_state) in by_action.into_iter().enumerate() {
                check(format!("reward, action {}", actions.name(a)), states.len(), by_state.len())?;
                for (s, by_next) in by_state.into_iter().enumerate() {
                    let label = format!("reward, action {}, state {}", actions.name(a), states.name(s));
                    check(label.clone(), states.len(), by_next.len())?;
                    let mut row = Vec::new();
                    for (next, over) in by_next.into_iter().enumerate() {
                        row.extend(
                            entries(&label, over, observations)?
                                .into_iter()
                                .map(|(o, v)| (next * observations.len() + o, v)),
                        );
                    }
                    rows.push_row(row);
                }
            }
            Reward::Full(rows)
        }
    })
}

#[cfg(test)]
mod tests {
    /// The published schema is made from the types that read the file. `TIRESIAS_WRITE_SCHEMA=1 cargo test -p tiresias-model`
    /// writes it anew.
    #[test]
    fn the_published_schema_is_the_one_that_is_read() {
        let mut schema = schemars::schema_for!(super::ModelFile);
        schema.insert("title".into(), "A tiresias.model/1 document".into());
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/model.schema.json");
        if std::env::var_os("TIRESIAS_WRITE_SCHEMA").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text);
    }
}
