//! Trajectories in a Parquet file that any reader of Parquet opens: a row a decision, with a last row without an action where something was
//! seen after the last decision. What the numbers are called is in the file's metadata.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::reader::get_typed_column_reader;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{BoolType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::{Deserialize, Serialize};
use tiresias_model::Space;

use crate::parquet_file::{guarded, open};
use crate::{Columns, DataError, NOTHING, Trajectories};

/// The format's name and version.
const SCHEMA: &str = "tiresias.trajectories/1";
const KEY: &str = "tiresias.trajectories";

const MESSAGE: &str = "message trajectories {
    required int64 episode; required int32 step; optional int32 observation; optional int32 action; optional double reward;
    optional double propensity; optional boolean terminated; optional int32 task; optional int64 origin; }";

/// Rows a group; episodes are kept whole.
const GROUP: usize = 1 << 20;

/// What the numbers of a file mean.
#[derive(Serialize, Deserialize)]
struct Names {
    version: String,
    observations: Vec<String>,
    actions: Vec<String>,
    /// Where they come from: JSON of the writer's own.
    source: serde_json::Value,
}

fn wrong(path: &Path, what: impl std::fmt::Display) -> DataError {
    DataError::Invalid(format!("{}: {what}", path.display()))
}

/// Writes a file, whole or not at all. `source` is JSON that says where the trajectories come from. O(steps); equal ones give equal bytes.
pub fn save(all: &Trajectories, source: serde_json::Value, path: &Path) -> std::result::Result<(), DataError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let written = write(all, source, temporary).and_then(|()| fs::rename(temporary, path).map_err(Into::into));
    if written.is_err() {
        // What is half done is of no use to anyone.
        let _ = fs::remove_file(temporary);
    }
    written.map_err(|error| wrong(path, error))
}

fn write(all: &Trajectories, source: serde_json::Value, path: &Path) -> Result<()> {
    let names = Names {
        version: SCHEMA.into(),
        observations: (0..all.observation_space().len()).map(|i| all.observation_space().name(i)).collect(),
        actions: (0..all.action_space().len()).map(|i| all.action_space().name(i)).collect(),
        source,
    };
    let json = serde_json::to_string(&names).map_err(|error| ParquetError::External(Box::new(error)))?;
    let properties = WriterProperties::builder()
        .set_created_by("tiresias".into())
        .set_compression(Compression::ZSTD(parquet::basic::ZstdLevel::default()))
        .set_key_value_metadata(Some(vec![KeyValue::new(KEY.into(), json)]))
        .build();
    let output = BufWriter::new(File::create(path)?);
    let mut file = SerializedFileWriter::new(output, Arc::new(parse_message_type(MESSAGE)?), Arc::new(properties))?;
    let mut episode = 0;
    while episode < all.len() {
        let first = episode;
        let mut rows = 0;
        while episode < all.len() && rows < GROUP {
            rows += all.range(episode).len() + 1;
            episode += 1;
        }
        let mut group = file.next_row_group()?;
        Group::of(all, first, episode).write(&mut group)?;
        group.close()?;
    }
    let output = file.into_inner()?.into_inner().map_err(|error| ParquetError::External(Box::new(error)))?;
    output.sync_all()?;
    Ok(())
}

/// An optional column: its values, and where there is one.
struct Optional<T> {
    values: Vec<T>,
    there: Vec<i16>,
}

impl<T> Optional<T> {
    fn new() -> Self {
        Self { values: Vec::new(), there: Vec::new() }
    }

    fn push(&mut self, value: Option<T>) {
        self.there.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

/// The rows of some episodes.
struct Group {
    episode: Vec<i64>,
    step: Vec<i32>,
    observation: Optional<i32>,
    action: Optional<i32>,
    reward: Optional<f64>,
    propensity: Optional<f64>,
    terminated: Optional<bool>,
    task: Optional<i32>,
    origin: Optional<i64>,
}

impl Group {
    fn of(all: &Trajectories, first: usize, end: usize) -> Self {
        let mut group = Self {
            episode: Vec::new(),
            step: Vec::new(),
            observation: Optional::new(),
            action: Optional::new(),
            reward: Optional::new(),
            propensity: Optional::new(),
            terminated: Optional::new(),
            task: Optional::new(),
            origin: Optional::new(),
        };
        let seen = |symbol: i32| (symbol != NOTHING).then_some(symbol);
        for index in first..end {
            let episode = all.episode(index);
            let closing = usize::from(episode.last != NOTHING);
            let rows = episode.len() + closing;
            for step in 0..rows {
                let decided = step < episode.len();
                group.episode.push(index as i64);
                group.step.push(step as i32);
                group.observation.push(seen(if decided { episode.observations[step] } else { episode.last }));
                group.action.push(decided.then(|| i32::from(episode.actions[step])));
                group.reward.push(decided.then(|| episode.rewards[step]));
                group.propensity.push(episode.propensities.get(step).copied());
                group.terminated.push((step + 1 == rows).then_some(episode.terminated));
                group.task.push(all.columns().tasks.get(index).map(|&task| task as i32));
                group.origin.push(all.columns().origins.get(index).map(|&origin| origin as i64));
            }
        }
        group
    }

    fn write<W: Write + Send>(&self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        let mut column = 0;
        while let Some(mut writer) = group.next_column()? {
            match (writer.untyped(), column) {
                (ColumnWriter::Int64ColumnWriter(writer), 0) => writer.write_batch(&self.episode, None, None)?,
                (ColumnWriter::Int32ColumnWriter(writer), 1) => writer.write_batch(&self.step, None, None)?,
                (ColumnWriter::Int32ColumnWriter(writer), 2) => {
                    writer.write_batch(&self.observation.values, Some(&self.observation.there), None)?
                }
                (ColumnWriter::Int32ColumnWriter(writer), 3) => {
                    writer.write_batch(&self.action.values, Some(&self.action.there), None)?
                }
                (ColumnWriter::DoubleColumnWriter(writer), 4) => {
                    writer.write_batch(&self.reward.values, Some(&self.reward.there), None)?
                }
                (ColumnWriter::DoubleColumnWriter(writer), 5) => {
                    writer.write_batch(&self.propensity.values, Some(&self.propensity.there), None)?
                }
                (ColumnWriter::BoolColumnWriter(writer), 6) => {
                    writer.write_batch(&self.terminated.values, Some(&self.terminated.there), None)?
                }
                (ColumnWriter::Int32ColumnWriter(writer), 7) => {
                    writer.write_batch(&self.task.values, Some(&self.task.there), None)?
                }
                (ColumnWriter::Int64ColumnWriter(writer), 8) => {
                    writer.write_batch(&self.origin.values, Some(&self.origin.there), None)?
                }
                _ => return Err(ParquetError::General("the message and the columns disagree".into())),
            };
            writer.close()?;
            column += 1;
        }
        Ok(())
    }
}

/// Reads a file that [`save`] wrote, and where its trajectories come from. Every entry is checked.
pub fn load(path: &Path) -> std::result::Result<(Trajectories, serde_json::Value), DataError> {
    let file = File::open(path).map_err(|error| wrong(path, error))?;
    let reader = open(file).map_err(|error| wrong(path, error))?;
    let metadata = reader.metadata().file_metadata();
    let json = metadata
        .key_value_metadata()
        .and_then(|all| all.iter().find(|entry| entry.key == KEY))
        .and_then(|entry| entry.value.as_deref());
    let Some(json) = json else {
        return Err(wrong(path, "is a Parquet file, but not one of trajectories; make one with `tiresias import`"));
    };
    let names: Names = serde_json::from_str(json).map_err(|error| wrong(path, error))?;
    if names.version != SCHEMA {
        return Err(wrong(path, format!("version {:?} is not known; this release reads {SCHEMA:?}", names.version)));
    }
    let expected = parse_message_type(MESSAGE).map_err(|error| wrong(path, error))?;
    if metadata.schema_descr().root_schema().get_fields() != expected.get_fields() {
        return Err(wrong(path, "has other columns than trajectories have"));
    }
    let mut columns = Columns { offsets: vec![0], ..Columns::default() };
    for index in 0..reader.num_row_groups() {
        guarded(|| read_group(&*reader.get_row_group(index)?, &mut columns)).map_err(|error| wrong(path, error))?;
    }
    let named = |error: tiresias_model::ModelError| wrong(path, error);
    let observations = Space::named("observations", names.observations).map_err(named)?;
    let actions = Space::named("actions", names.actions).map_err(named)?;
    let all = Trajectories::new(observations, actions, columns).map_err(|error| wrong(path, error))?;
    Ok((all, names.source))
}

/// One column of a row group, a value or none for each row.
fn column<T: DataType>(group: &dyn RowGroupReader, index: usize, optional: bool) -> Result<Vec<Option<T::T>>> {
    let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(index)?);
    let (mut values, mut there, mut read) = (Vec::new(), Vec::new(), 0);
    while read < rows {
        let (more, _, _) = reader.read_records(rows - read, optional.then_some(&mut there), None, &mut values)?;
        if more == 0 {
            return Err(ParquetError::General(format!("column {index} ends after {read} of {rows} rows")));
        }
        read += more;
    }
    let mut values = values.into_iter();
    Ok((0..rows).map(|row| if optional && there.get(row) != Some(&1) { None } else { values.next() }).collect())
}

fn read_group(group: &dyn RowGroupReader, into: &mut Columns) -> Result<()> {
    let episode = column::<Int64Type>(group, 0, false)?;
    let observation = column::<Int32Type>(group, 2, true)?;
    let action = column::<Int32Type>(group, 3, true)?;
    let reward = column::<DoubleType>(group, 4, true)?;
    let propensity = column::<DoubleType>(group, 5, true)?;
    let terminated = column::<BoolType>(group, 6, true)?;
    let task = column::<Int32Type>(group, 7, true)?;
    let origin = column::<Int64Type>(group, 8, true)?;
    let odd = |row: usize, what: &str| ParquetError::General(format!("row {row}: {what}"));
    let rows = episode.len();
    for row in 0..rows {
        let ends = row + 1 == rows || episode[row + 1] != episode[row];
        let seen = observation[row].unwrap_or(NOTHING);
        let closing = action[row].is_none();
        if closing && !ends {
            return Err(odd(row, "no action within an episode"));
        }
        if let Some(action) = action[row] {
            into.observations.push(seen);
            into.actions.push(u8::try_from(action).map_err(|_| odd(row, "an action that does not exist"))?);
            into.rewards.push(reward[row].ok_or_else(|| odd(row, "a decision without a reward"))?);
            into.propensities.extend(propensity[row]);
        }
        if ends {
            into.offsets.push(into.actions.len());
            into.last.push(if closing { seen } else { NOTHING });
            into.terminated.push(terminated[row].unwrap_or(false));
            into.tasks.extend(task[row].map(|task| task as u32));
            into.origins.extend(origin[row].map(|origin| origin as u64));
        }
    }
    Ok(())
}
