//! What the columns of a file of records mean.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::LogsError;
use super::table::{Kind, Wanted};

/// The schema's name and version.
pub const SCHEMA: &str = "tiresias.logs/1";

/// What the columns of a file mean: a row is one decision. A last row of an episode without an action holds what was seen after the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Schema {
    /// `tiresias.logs/1`.
    #[serde(default = "version")]
    pub schema: String,
    /// `csv`, `tsv`, `jsonl` or `parquet`; left out, what the file's name ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// What stands between the fields of a CSV file; a comma, and a tab for `tsv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// The column that names the episode a row belongs to: a patient, a run.
    pub episode: String,
    /// The column that orders an episode's rows; left out, the order is the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Put rows in order of episode (as they first appear) and step, instead of refusing a file that is in another order.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sort: bool,
    /// The column that names the task of an episode, where there are several: a ward, a plant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What was seen before each action; several columns are one observation together.
    pub observations: Vec<ObservationColumn>,
    /// What was done.
    pub action: ActionColumn,
    /// What that earned.
    pub reward: RewardColumn,
    /// The column that says how likely whoever acted was to do that, in (0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propensity: Option<String>,
    /// The column that says, in an episode's last row, whether it ended by itself: true or false, yes or no, 1 or 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminated: Option<String>,
    /// Fields that stand for "missing", beside JSON's null and Parquet's.
    #[serde(default = "missing")]
    pub missing: Vec<String>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Fields between commas, with a header.
    Csv,
    /// Fields between tabs, with a header.
    Tsv,
    /// A JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

/// A column of what was seen, or several that become symbols together. At most one of `edges`, `quantiles` and `clusters`; with none of them
/// the values are symbols as they are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", from = "Short<Long>")]
#[cfg_attr(test, schemars(with = "Short<Long>"))]
pub struct ObservationColumn {
    /// The columns; several only with `clusters`.
    pub columns: Vec<String>,
    /// Numbers become intervals between these, rising: below the first, from the first up to the second, …, from the last on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edges: Option<Vec<f64>>,
    /// Numbers become this many intervals that hold equally many rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<usize>,
    /// Numbers become the nearest of this many centres (k-means).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<usize>,
    /// Seed of k-means.
    #[serde(skip_serializing_if = "is_zero")]
    pub seed: u64,
    /// What a missing field means.
    #[serde(skip_serializing_if = "is_default")]
    pub when_missing: WhenMissing,
}

/// An observation column as it is written out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Long {
    /// The column.
    #[serde(default)]
    column: Option<String>,
    /// Columns that become symbols together.
    #[serde(default)]
    columns: Vec<String>,
    /// Numbers become intervals between these, rising.
    #[serde(default)]
    edges: Option<Vec<f64>>,
    /// Numbers become this many intervals that hold equally many rows.
    #[serde(default)]
    quantiles: Option<usize>,
    /// Numbers become the nearest of this many centres (k-means).
    #[serde(default)]
    clusters: Option<usize>,
    /// Seed of k-means.
    #[serde(default)]
    seed: u64,
    /// What a missing field means.
    #[serde(default)]
    when_missing: WhenMissing,
}

/// A column's name alone, or all that is said of it.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(untagged))]
enum Short<T> {
    Name(String),
    Long(T),
}

/// Not serde's `untagged`, whose message says only that neither form fits, and hides what is wrong with an object's field.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Short<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Short<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column's name, or an object that says more of it")
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Short::Name(name.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Short::Long)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl From<Short<Long>> for ObservationColumn {
    fn from(short: Short<Long>) -> Self {
        match short {
            Short::Name(name) => Self { columns: vec![name], ..Self::default() },
            Short::Long(Long { column, columns, edges, quantiles, clusters, seed, when_missing }) => {
                let columns = column.into_iter().chain(columns).collect();
                Self { columns, edges, quantiles, clusters, seed, when_missing }
            }
        }
    }
}

/// What a missing field of an observation means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum WhenMissing {
    /// The row is a fault.
    #[default]
    Error,
    /// That nothing is known is a symbol of its own.
    Symbol,
    /// What was seen last in the episode still holds.
    Previous,
    /// Nothing was seen at all, whatever other columns say.
    Nothing,
}

/// The column of what was done.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", from = "Short<LongAction>")]
#[cfg_attr(test, schemars(with = "Short<LongAction>"))]
pub struct ActionColumn {
    /// The column.
    pub column: String,
    /// All actions there are, in their order, whether taken or not; left out, those of the file, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// An action column as it is written out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LongAction {
    /// The column.
    column: String,
    /// All actions there are, in their order, whether taken or not.
    #[serde(default)]
    names: Vec<String>,
}

impl From<Short<LongAction>> for ActionColumn {
    fn from(short: Short<LongAction>) -> Self {
        match short {
            Short::Name(column) => Self { column, names: Vec::new() },
            Short::Long(LongAction { column, names }) => Self { column, names },
        }
    }
}

/// The column of what was earned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", from = "Short<LongReward>")]
#[cfg_attr(test, schemars(with = "Short<LongReward>"))]
pub struct RewardColumn {
    /// The column.
    pub column: String,
    /// The reward of a row where the field is missing; left out, such a row is a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_missing: Option<f64>,
}

/// A reward column as it is written out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LongReward {
    /// The column.
    column: String,
    /// The reward of a row where the field is missing.
    #[serde(default)]
    when_missing: Option<f64>,
}

impl From<Short<LongReward>> for RewardColumn {
    fn from(short: Short<LongReward>) -> Self {
        match short {
            Short::Name(column) => Self { column, when_missing: None },
            Short::Long(LongReward { column, when_missing }) => Self { column, when_missing },
        }
    }
}

fn version() -> String {
    SCHEMA.into()
}

pub(super) fn missing() -> Vec<String> {
    ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"].map(Into::into).into()
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands out references.
fn is_false(value: &bool) -> bool {
    !value
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands out references.
fn is_zero(value: &u64) -> bool {
    *value == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Schema {
    /// One that names nothing yet.
    pub(super) fn blank() -> Self {
        Self {
            schema: version(),
            format: None,
            delimiter: None,
            episode: String::new(),
            step: None,
            sort: false,
            task: None,
            observations: Vec::new(),
            action: ActionColumn::default(),
            reward: RewardColumn::default(),
            propensity: None,
            terminated: None,
            missing: missing(),
        }
    }

    /// A schema from its JSON text.
    pub fn from_json(json: &str) -> Result<Self, LogsError> {
        let mut document = serde_json::Deserializer::from_str(json);
        let schema: Self = serde_path_to_error::deserialize(&mut document).map_err(|error| {
            let place = error.path().to_string();
            let message = error.into_inner().to_string();
            // The text is ours, written anew from the document: its lines are not those of the file.
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(said, _)| said);
            let message = tiresias_text::in_words(message);
            LogsError::Schema(if place == "." { message } else { format!("`{place}`: {message}") })
        })?;
        document.end().map_err(|error| LogsError::Schema(error.to_string()))?;
        schema.wanted().map(|_| schema)
    }

    /// The schema as JSON text.
    ///
    /// # Panics
    ///
    /// Never: all of it has a place in JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a schema is JSON")
    }

    /// The columns that the schema names, each once, and how each is read; with that, whether the schema makes sense.
    pub(super) fn wanted(&self) -> Result<Vec<Wanted>, LogsError> {
        let wrong = |message: String| Err(LogsError::Schema(message));
        if self.schema != SCHEMA {
            return wrong(format!("version {:?} is not known; this release reads {SCHEMA:?}", self.schema));
        }
        if self.observations.is_empty() {
            return wrong(
                "`observations` names no column; name at least one, as without any there is nothing to decide by"
                    .into(),
            );
        }
        let mut wanted = Vec::new();
        let mut want = |name: &str, kind| {
            let column = Wanted { name: name.into(), kind };
            if !wanted.contains(&column) {
                wanted.push(column);
            }
        };
        want(&self.episode, Kind::Key);
        self.step.iter().for_each(|name| want(name, Kind::Number));
        self.task.iter().for_each(|name| want(name, Kind::Word));
        for column in &self.observations {
            column.check()?;
            column.columns.iter().for_each(|name| want(name, column.kind()));
        }
        want(&self.action.column, Kind::Word);
        want(&self.reward.column, Kind::Number);
        self.propensity.iter().for_each(|name| want(name, Kind::Number));
        self.terminated.iter().for_each(|name| want(name, Kind::Word));
        if self.sort && self.step.is_none() {
            return wrong("`sort` needs a column `step` to sort by".into());
        }
        if self.reward.when_missing.is_some_and(|reward| !reward.is_finite()) {
            return wrong("`reward.whenMissing` must be a finite number".into());
        }
        Ok(wanted)
    }

    /// Columns that are read for what was seen, and for nothing else.
    pub(super) fn observed_only(&self) -> Vec<(&str, Kind)> {
        let others = [
            (self.step.as_deref(), Kind::Number),
            (self.task.as_deref(), Kind::Word),
            (Some(self.action.column.as_str()), Kind::Word),
            (Some(self.reward.column.as_str()), Kind::Number),
            (self.propensity.as_deref(), Kind::Number),
            (self.terminated.as_deref(), Kind::Word),
        ];
        let observed = self
            .observations
            .iter()
            .flat_map(|column| column.columns.iter().map(|name| (name.as_str(), column.kind())));
        observed.filter(|&(name, kind)| !others.contains(&(Some(name), kind))).collect()
    }

    pub(super) fn format_of(&self, path: &Path) -> Result<Format, LogsError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
        self.format.map_or_else(
            || match ending.as_deref() {
                Some("csv" | "txt") => Ok(Format::Csv),
                Some("tsv" | "tab") => Ok(Format::Tsv),
                Some("jsonl" | "ndjson") => Ok(Format::Jsonl),
                Some("parquet" | "pq") => Ok(Format::Parquet),
                _ => Err(LogsError::Schema(format!(
                    "{} does not say what it is; name it .csv, .tsv, .jsonl or .parquet, or give `format`",
                    path.display()
                ))),
            },
            Ok,
        )
    }

    pub(super) fn delimiter_of(&self, format: Format) -> Result<u8, LogsError> {
        let delimiter = self.delimiter.unwrap_or(if format == Format::Tsv { '\t' } else { ',' });
        match u8::try_from(delimiter) {
            Ok(byte) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(byte),
            _ => Err(LogsError::Schema(format!(
                "`delimiter` {delimiter:?} must be one ASCII character, and no quote or line end"
            ))),
        }
    }
}

impl ObservationColumn {
    /// How its columns are read.
    pub(super) fn kind(&self) -> Kind {
        let numbers = self.edges.is_some() || self.quantiles.is_some() || self.clusters.is_some();
        if numbers { Kind::Number } else { Kind::Word }
    }

    /// How messages call it.
    pub(super) fn name(&self) -> String {
        self.columns.join(", ")
    }

    fn check(&self) -> Result<(), LogsError> {
        let wrong = |message: &str| Err(LogsError::Schema(format!("observation {:?}: {message}", self.name())));
        let ways = [self.edges.is_some(), self.quantiles.is_some(), self.clusters.is_some()];
        if self.columns.is_empty() {
            return wrong("names no column; give `column`, or `columns` with `clusters`");
        }
        if ways.iter().filter(|&&way| way).count() > 1 {
            return wrong("has more than one of `edges`, `quantiles` and `clusters`; give one");
        }
        if self.columns.len() > 1 && self.clusters.is_none() {
            return wrong(
                "several columns become one symbol only by `clusters`; list them as observations of their own otherwise",
            );
        }
        if let Some(edges) = &self.edges
            && (edges.is_empty()
                || edges.iter().any(|edge| !edge.is_finite())
                || edges.windows(2).any(|pair| pair[0] >= pair[1]))
        {
            return wrong("`edges` must be finite numbers, each larger than the one before, at least one");
        }
        if self.quantiles.is_some_and(|count| !(2..=10_000).contains(&count)) {
            return wrong("`quantiles` must be between 2 and 10000");
        }
        if self.clusters.is_some_and(|count| !(2..=10_000).contains(&count)) {
            return wrong("`clusters` must be between 2 and 10000");
        }
        Ok(())
    }
}
