//! A schema proposed from what a file looks like; a person looks at it before it is used.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use parquet::file::reader::FileReader;
use parquet::record::Field;
use serde::Serialize;

use super::schema::{ActionColumn, Format, ObservationColumn, RewardColumn, Schema, WhenMissing};
use super::{LogsError, csv, io};
use crate::parquet_file::{guarded, open};

/// Rows that are looked at.
const ROWS: usize = 10_000;

/// The most different numbers that are symbols as they are.
const FEW: usize = 20;

/// Quantiles proposed for a column of many numbers.
const QUANTILES: usize = 4;

/// What a file looks like, and a schema for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inference {
    /// A proposal; none where a column that every schema needs was not recognised.
    pub schema: Option<Schema>,
    /// In its place a schema to be completed by hand: where a column was not recognised stands [`FILL_IN`] and what is asked for.
    pub draft: Option<Schema>,
    /// What each column was taken for, and why.
    pub columns: Vec<Guess>,
    /// What is missing or doubtful.
    pub notes: Vec<String>,
}

/// What a column was taken for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Guess {
    /// Its name.
    pub column: String,
    /// `episode`, `step`, `task`, `observation`, `action`, `reward`, `propensity`, `terminated` or `unused`.
    pub role: &'static str,
    /// Different values among the rows that were looked at.
    pub distinct: usize,
    /// Whether all of them are numbers.
    pub numbers: bool,
    /// Rows without a value.
    pub missing: usize,
    /// The first value.
    pub example: String,
}

/// Names, in small letters and without marks, by which a column's role is recognised.
const ROLES: [(&str, &[&str]); 8] = [
    (
        "episode",
        &[
            "episode",
            "episodeid",
            "episodes",
            "patient",
            "patientid",
            "subject",
            "subjectid",
            "trajectory",
            "trajectoryid",
            "traj",
            "run",
            "runid",
            "user",
            "userid",
            "stay",
            "stayid",
            "icustayid",
            "id",
        ],
    ),
    ("step", &["step", "t", "time", "timestep", "stage", "visit", "period", "day", "week", "index", "bloc"]),
    ("task", &["task", "taskid", "ward", "plant", "site", "hospital"]),
    ("action", &["action", "actions", "act", "treatment", "decision", "a"]),
    ("reward", &["reward", "rewards", "r", "utility", "outcome"]),
    (
        "propensity",
        &[
            "propensity",
            "propensities",
            "prob",
            "probability",
            "actionprob",
            "behaviorprob",
            "behaviourprob",
            "pib",
            "p",
        ],
    ),
    ("terminated", &["terminated", "terminal", "terminals", "terminations", "done", "died", "dead"]),
    ("unused", &["truncated", "truncations", "timeouts", "nextobservation", "nextobs", "nextstate"]),
];

/// How a draft marks what a person must fill in.
pub const FILL_IN: &str = "FILL IN: ";

/// Looks at the first rows of a file and proposes a schema.
pub fn infer(path: &Path, format: Option<Format>) -> Result<Inference, LogsError> {
    let (names, rows) = sample(path, format)?;
    let mut taken = BTreeSet::new();
    let mut notes = Vec::new();
    let columns: Vec<Guess> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let values: Vec<&str> = rows
                .iter()
                .filter_map(|row| row.get(i).map(|value| value.trim()))
                .filter(|value| !gap(value))
                .collect();
            let plain: String = name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
            let role =
                ROLES.iter().find(|(_, words)| words.contains(&plain.as_str())).map_or("observation", |(role, _)| role);
            let role = if role != "observation" && role != "unused" && !taken.insert(role) {
                notes.push(format!("column {name:?} looks like another {role}; it is left out"));
                "unused"
            } else if plain.starts_with("next") {
                "unused"
            } else {
                role
            };
            Guess {
                column: name.clone(),
                role,
                distinct: values.iter().collect::<BTreeSet<_>>().len(),
                numbers: values.iter().all(|value| value.parse::<f64>().is_ok()),
                missing: rows.len() - values.len(),
                example: values.first().map_or_else(String::new, |value| (*value).into()),
            }
        })
        .collect();
    let of = |role: &str| columns.iter().find(|guess| guess.role == role).map(|guess| guess.column.clone());
    for role in ["episode", "action", "reward"] {
        if of(role).is_none() {
            notes.push(format!("no column looks like `{role}`; write its name into the schema by hand"));
        }
    }
    if of("step").is_none() {
        notes.push("no column looks like `step`; the order of the rows is taken for that of the decisions".into());
    }
    if of("propensity").is_none() {
        notes.push(
            "no column looks like `propensity`; how likely each action was will be estimated where it is needed".into(),
        );
    }
    let observations: Vec<ObservationColumn> = columns
        .iter()
        .filter(|guess| guess.role == "observation")
        .map(|guess| observation(guess, &mut notes))
        .collect();
    if observations.is_empty() {
        notes.push("no column is left to be an observation".into());
    }
    let whole = ["episode", "action", "reward"].iter().all(|role| of(role).is_some()) && !observations.is_empty();
    let named = |role: &str, what: &str| of(role).unwrap_or_else(|| format!("{FILL_IN}the column {what}"));
    let asked = || ObservationColumn {
        columns: vec![format!("{FILL_IN}a column of what was seen before each action")],
        ..ObservationColumn::default()
    };
    let found = Schema {
        episode: named("episode", "that names the episode of a row"),
        step: of("step"),
        task: of("task"),
        observations: if observations.is_empty() { vec![asked()] } else { observations },
        action: ActionColumn { column: named("action", "of what was done"), names: Vec::new() },
        reward: RewardColumn { column: named("reward", "of what that earned"), when_missing: None },
        propensity: of("propensity"),
        terminated: of("terminated"),
        ..Schema::blank()
    };
    let (schema, draft) = if whole { (Some(found), None) } else { (None, Some(found)) };
    Ok(Inference { schema, draft, columns, notes })
}

fn observation(guess: &Guess, notes: &mut Vec<String>) -> ObservationColumn {
    let many = guess.numbers && guess.distinct > FEW;
    if many {
        notes.push(format!(
            "column {:?} has {} different numbers; {QUANTILES} intervals of equally many rows are proposed",
            guess.column, guess.distinct
        ));
    }
    if guess.missing > 0 {
        notes.push(format!(
            "column {:?} is missing in {} rows; that is proposed as a symbol of its own",
            guess.column, guess.missing
        ));
    }
    ObservationColumn {
        columns: vec![guess.column.clone()],
        quantiles: many.then_some(QUANTILES),
        when_missing: if guess.missing > 0 { WhenMissing::Symbol } else { WhenMissing::Error },
        ..ObservationColumn::default()
    }
}

fn gap(value: &str) -> bool {
    super::schema::missing().iter().any(|gap| gap == value)
}

/// The columns' names, and the first rows as texts.
fn sample(path: &Path, format: Option<Format>) -> Result<(Vec<String>, Vec<Vec<String>>), LogsError> {
    let blank = Schema { format, ..Schema::blank() };
    let format = blank.format_of(path)?;
    let wrong = |message: String| LogsError::Format { path: path.display().to_string(), message };
    match format {
        Format::Csv | Format::Tsv => {
            let delimiter = blank.delimiter_of(format)?;
            let names = csv::header(path, delimiter)?;
            let mut rows = Vec::new();
            for record in csv::records(path, delimiter)?.skip(1).take(ROWS) {
                let record = record.map_err(|error| wrong(error.to_string()))?;
                rows.push(record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect());
            }
            Ok((names, rows))
        }
        Format::Jsonl => {
            let (mut names, mut rows) = (Vec::<String>::new(), Vec::new());
            for (i, line) in BufReader::new(File::open(path).map_err(io(path))?).lines().take(ROWS).enumerate() {
                let line = line.map_err(io(path))?;
                if line.trim().is_empty() {
                    continue;
                }
                let object: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_str(&line).map_err(|error| wrong(format!("line {}: {error}", i + 1)))?;
                for name in object.keys() {
                    if !names.contains(name) {
                        names.push(name.clone());
                    }
                }
                let text = |name: &String| match object.get(name) {
                    None | Some(serde_json::Value::Null) => String::new(),
                    Some(serde_json::Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                };
                rows.push(names.iter().map(text).collect());
            }
            Ok((names, rows))
        }
        Format::Parquet => {
            let damaged = |error: parquet::errors::ParquetError| wrong(error.to_string());
            let reader = open(File::open(path).map_err(io(path))?).map_err(damaged)?;
            let (mut names, mut rows) = (Vec::new(), Vec::new());
            guarded(|| {
                for row in reader.get_row_iter(None)?.take(ROWS) {
                    let row = row?;
                    names = row.get_column_iter().map(|(name, _)| name.clone()).collect();
                    rows.push(
                        row.get_column_iter()
                            .map(|(_, field)| match field {
                                Field::Null => String::new(),
                                Field::Str(text) => text.clone(),
                                other => other.to_string(),
                            })
                            .collect(),
                    );
                }
                Ok(())
            })
            .map_err(damaged)?;
            Ok((names, rows))
        }
    }
}
