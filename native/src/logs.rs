//! Recorded decisions: files of others, our own, and columns of Node's.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{Float64Array, Int32Array, Uint8Array, Uint32Array};
use serde::{Deserialize, Serialize};
use tiresias_data::logs::{self, Array, Arrays, Import, LogsError, Reading, Schema, Symbols};
use tiresias_data::{self as core, Columns, file};
use tiresias_guard::napi;
use tiresias_model::Space;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, alone, guarded, threads};
use crate::errors::{Result, cancelled, coded, invalid};
use crate::held::{Held, Home, Weigh, disposable};

/// Recorded decisions in columns: episodes of what was seen, done and earned. Immutable.
#[napi]
#[derive(Clone)]
pub struct Trajectories(pub(crate) Held<Arc<Recorded>>);

/// Trajectories, and where they come from.
pub struct Recorded {
    pub(crate) all: core::Trajectories,
    source: Source,
}

/// Where trajectories come from.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Source {
    /// What the caller says of the file: its name, its hash, the schema.
    note: serde_json::Value,
    /// What observation columns became.
    columns: Vec<Symbols>,
}

impl Weigh for Arc<Recorded> {
    const CLASS: &'static str = "Trajectories";

    fn weight(&self) -> usize {
        self.all.bytes()
    }
}

disposable!(Trajectories);

/// How far the reading of a file has come.
#[napi(object, object_from_js = false)]
pub struct ReadingProgress {
    /// Bytes read.
    pub done: f64,
    /// Bytes in all.
    pub total: f64,
}

/// Every column of trajectories.
#[napi(object)]
pub struct TrajectoryColumns {
    /// Where each episode begins, in steps, and where the last one ends: episodes + 1 entries, from 0.
    pub offsets: Uint32Array,
    /// What was seen before each action, as a symbol's number; -1 where nothing was.
    pub observations: Int32Array,
    /// What was done, as an action's number.
    pub actions: Uint8Array,
    /// What that earned.
    pub rewards: Float64Array,
    /// How likely that was done; left out where it is not known.
    pub propensities: Option<Float64Array>,
    /// What was seen after an episode's last action, or -1; one entry an episode. Left out, nothing was.
    pub last: Option<Int32Array>,
    /// 1 where an episode ended by itself; one entry an episode. Left out, all merely stop.
    pub terminated: Option<Uint8Array>,
    /// Which task each episode is of; left out where all are of one.
    pub tasks: Option<Uint32Array>,
}

fn from_logs(error: LogsError) -> napi::Error {
    match error {
        LogsError::Cancelled => cancelled(),
        LogsError::Io { .. } => coded("IO", error),
        LogsError::Schema(_) | LogsError::Data(_) => invalid(error),
        LogsError::Format { .. } | LogsError::Faults(_) => coded("INVALID_LOGS", error),
    }
}

pub(crate) fn from_data(error: core::DataError) -> napi::Error {
    coded("INVALID_LOGS", error)
}

fn recorded(home: &Arc<Home>, Import { trajectories, report }: Import, note: serde_json::Value) -> Trajectories {
    let source = Source { note, columns: report.columns };
    Trajectories(Held::new(home, Arc::new(Recorded { all: trajectories, source })))
}

fn note(text: Option<String>) -> Result<serde_json::Value> {
    text.map_or(Ok(serde_json::Value::Null), |text| serde_json::from_str(&text).map_err(invalid))
}

/// Reads a file of records by a schema (JSON text). `note` is JSON text that is kept with the trajectories and their file. Rejects with
/// `INVALID_LOGS`, listing every fault with its line, `INVALID_ARGUMENT` for a schema that does not fit the file, and `IO`.
#[napi(ts_return_type = "Promise<Trajectories>")]
pub fn import_logs(
    path: String,
    schema: String,
    note: Option<String>,
    threads: Option<f64>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: ReadingProgress) => void")] on_progress: Option<ProgressCallback<ReadingProgress>>,
) -> Result<Background<Trajectories>> {
    let schema = Schema::from_json(&schema).map_err(from_logs)?;
    let (note, threads) = (self::note(note)?, self::threads(threads)?);
    let (cancel, reporter, home) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress), Home::here());
    Ok(alone(cancel.clone(), move || {
        let hook = |Reading { done, total }: Reading| {
            reporter.report(done == total, || ReadingProgress { done: done as f64, total: total as f64 });
            if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let import = logs::import(Path::new(&path), &schema, threads, &hook).map_err(from_logs)?;
        Ok(recorded(&home, import, note))
    }))
}

/// A column in memory: numbers, or words.
#[napi(object, object_to_js = false)]
pub struct LogsColumn {
    /// Its name.
    pub name: String,
    /// Numbers; NaN is a missing one.
    pub numbers: Option<Float64Array>,
    /// Words, where it has no numbers.
    pub words: Option<Vec<String>>,
    /// Rows whose word is missing.
    pub gaps: Option<Uint32Array>,
}

/// The same from columns in memory.
#[napi]
pub fn import_arrays(columns: Vec<LogsColumn>, schema: String, note: Option<String>) -> Result<Trajectories> {
    guarded(|| {
        let schema = Schema::from_json(&schema).map_err(from_logs)?;
        let array = |LogsColumn { name, numbers, words, gaps }: LogsColumn| -> (String, Array) {
            if let Some(numbers) = numbers {
                return (name, Array::Numbers(numbers.to_vec()));
            }
            let mut words: Vec<Option<String>> = words.unwrap_or_default().into_iter().map(Some).collect();
            for &row in gaps.iter().flat_map(|gaps| gaps.iter()) {
                if let Some(word) = words.get_mut(row as usize) {
                    *word = None;
                }
            }
            (name, Array::Words(words))
        };
        let arrays = Arrays { columns: columns.into_iter().map(array).collect() };
        let import = logs::import_arrays(&arrays, &schema).map_err(from_logs)?;
        Ok(recorded(&Home::here(), import, self::note(note)?))
    })
}

/// What a file looks like, and a schema for it, as JSON text.
#[napi]
pub fn infer_logs(
    path: String,
    #[napi(ts_arg_type = "'csv' | 'tsv' | 'jsonl' | 'parquet'")] format: Option<String>,
) -> Result<String> {
    guarded(|| {
        let format = format.map(|name| serde_json::from_value(name.into()).map_err(invalid)).transpose()?;
        let found = logs::infer(Path::new(&path), format).map_err(from_logs)?;
        serde_json::to_string(&found).map_err(invalid)
    })
}

/// A schema's text as it is understood, every field that matters written out.
#[napi]
pub fn logs_schema(schema: String) -> Result<String> {
    Schema::from_json(&schema).map(|schema| schema.to_json()).map_err(from_logs)
}

#[napi]
impl Trajectories {
    /// Trajectories from their columns; names of symbols and actions are as many as there are of these.
    #[napi(factory)]
    pub fn from_columns(observations: Vec<String>, actions: Vec<String>, columns: TrajectoryColumns) -> Result<Self> {
        let episodes = columns.offsets.len().saturating_sub(1);
        let columns = Columns {
            offsets: columns.offsets.iter().map(|&offset| offset as usize).collect(),
            observations: columns.observations.to_vec(),
            actions: columns.actions.to_vec(),
            rewards: columns.rewards.to_vec(),
            propensities: columns.propensities.map_or_else(Vec::new, |column| column.to_vec()),
            last: columns.last.map_or_else(|| vec![core::NOTHING; episodes], |column| column.to_vec()),
            terminated: columns
                .terminated
                .map_or_else(|| vec![false; episodes], |column| column.iter().map(|&ended| ended != 0).collect()),
            tasks: columns.tasks.map_or_else(Vec::new, |column| column.to_vec()),
            origins: Vec::new(),
        };
        let space = |what, names: Vec<String>| Space::named(what, names).map_err(invalid);
        let all = core::Trajectories::new(space("observations", observations)?, space("actions", actions)?, columns)
            .map_err(invalid)?;
        Ok(Self(Held::new(&Home::here(), Arc::new(Recorded { all, source: Source::default() }))))
    }

    /// Reads a file that `save` wrote. `INVALID_LOGS` for anything else.
    #[napi(factory)]
    pub fn load(path: String) -> Result<Self> {
        let (all, source) = file::load(Path::new(&path)).map_err(from_data)?;
        let source =
            serde_json::from_value(source).map_err(|error| coded("INVALID_LOGS", format!("{path}: {error}")))?;
        Ok(Self(Held::new(&Home::here(), Arc::new(Recorded { all, source }))))
    }

    /// Writes a Parquet file, whole or not at all.
    #[napi]
    pub fn save(&self, path: String) -> Result<()> {
        let source = serde_json::to_value(&self.0.source).map_err(invalid)?;
        file::save(&self.0.all, source, Path::new(&path)).map_err(|error| coded("IO", error))
    }

    /// Number of episodes.
    #[napi(getter)]
    pub fn episodes(&self) -> u32 {
        self.0.all.len() as u32
    }

    /// Number of decisions.
    #[napi(getter)]
    pub fn steps(&self) -> f64 {
        self.0.all.steps() as f64
    }

    /// Decisions of the longest episode.
    #[napi(getter)]
    pub fn longest(&self) -> u32 {
        self.0.all.longest() as u32
    }

    /// Names of what can be seen.
    #[napi(getter)]
    pub fn observations(&self) -> Vec<String> {
        names(self.0.all.observation_space())
    }

    /// Names of what can be done.
    #[napi(getter)]
    pub fn actions(&self) -> Vec<String> {
        names(self.0.all.action_space())
    }

    /// What `importLogs` was told to keep with them, as JSON text.
    #[napi(getter)]
    pub fn note(&self) -> String {
        self.0.source.note.to_string()
    }

    /// A copy of every column.
    #[napi]
    pub fn columns(&self) -> TrajectoryColumns {
        let columns = self.0.all.columns();
        let present = |there: bool| there.then_some(());
        TrajectoryColumns {
            offsets: columns.offsets.iter().map(|&offset| offset as u32).collect::<Vec<_>>().into(),
            observations: columns.observations.clone().into(),
            actions: columns.actions.clone().into(),
            rewards: columns.rewards.clone().into(),
            propensities: present(!columns.propensities.is_empty()).map(|()| columns.propensities.clone().into()),
            last: Some(columns.last.clone().into()),
            terminated: Some(columns.terminated.iter().map(|&ended| u8::from(ended)).collect::<Vec<_>>().into()),
            tasks: present(!columns.tasks.is_empty()).map(|()| columns.tasks.clone().into()),
        }
    }

    /// What they are like, as JSON text: sizes, coverage, imbalance. O(steps).
    #[napi]
    pub fn report(&self) -> Result<String> {
        let report = logs::report(&self.0.all, self.0.source.columns.clone());
        serde_json::to_string(&report).map_err(invalid)
    }

    /// Some of the episodes, by number, in that order and as often as they are named.
    #[napi]
    pub fn select(&self, episodes: Uint32Array) -> Result<Self> {
        let chosen: Vec<usize> = episodes.iter().map(|&episode| episode as usize).collect();
        let len = self.0.all.len();
        if let Some(missing) = chosen.iter().find(|&&episode| episode >= len) {
            return Err(invalid(format!("episode {missing} does not exist: there are {len}, from 0")));
        }
        if chosen.is_empty() {
            return Err(invalid("no episode is named; at least one is needed"));
        }
        let recorded = Recorded { all: self.0.all.select(&chosen), source: self.0.source.clone() };
        Ok(Self(Held::new(&Home::here(), Arc::new(recorded))))
    }
}

fn names(space: &Space) -> Vec<String> {
    (0..space.len()).map(|i| space.name(i)).collect()
}
