//! Parquet shards, read back a row group at a time.

use std::fs::File;

use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use tiresias_data::parquet_file::{Ending, guarded, open};

use crate::row::{Row, Task};
use crate::schema::mismatch;

/// An open shard.
pub(crate) struct ParquetSource {
    file: SerializedFileReader<Ending>,
    next: usize,
}

impl ParquetSource {
    /// Opens a shard and checks that it has the columns of one.
    pub(crate) fn open(file: File) -> Result<Self> {
        let file = open(file)?;
        match mismatch(file.metadata().file_metadata().schema_descr()) {
            Some(difference) => Err(ParquetError::General(difference)),
            None => Ok(Self { file, next: 0 }),
        }
    }

    /// The rows of the next row group; `None` after the last.
    pub(crate) fn group(&mut self) -> Option<Result<Vec<Row>>> {
        if self.next == self.file.num_row_groups() {
            return None;
        }
        self.next += 1;
        Some(guarded(|| self.file.get_row_group(self.next - 1).and_then(|group| rows(&*group))))
    }
}

/// The values of one column and, for a list, its definition and repetition levels.
struct Raw<T> {
    values: Vec<T>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

/// Walks through the columns in the order of the schema.
struct Columns<'a> {
    group: &'a dyn RowGroupReader,
    rows: usize,
    next: usize,
}

impl Columns<'_> {
    fn damaged(&self, what: &str) -> ParquetError {
        ParquetError::General(format!("column {}: {what}", self.next - 1))
    }

    /// The next column, undecoded.
    fn raw<T: DataType>(&mut self, list: bool) -> Result<Raw<T::T>> {
        let mut reader = get_typed_column_reader::<T>(self.group.get_column_reader(self.next)?);
        self.next += 1;
        let mut raw = Raw { values: Vec::new(), definition: Vec::new(), repetition: Vec::new() };
        let mut rows = 0;
        while rows < self.rows {
            let levels = if list { (Some(&mut raw.definition), Some(&mut raw.repetition)) } else { (None, None) };
            let (read, _, _) = reader.read_records(self.rows - rows, levels.0, levels.1, &mut raw.values)?;
            if read == 0 {
                return Err(self.damaged("it ends before the last row"));
            }
            rows += read;
        }
        Ok(raw)
    }

    fn scalars<T: DataType, U>(&mut self, convert: impl Fn(&T::T) -> Option<U>) -> Result<Vec<U>> {
        let Raw { values, .. } = self.raw::<T>(false)?;
        if values.len() != self.rows {
            return Err(self.damaged("it has another number of rows"));
        }
        let values: Option<Vec<U>> = values.iter().map(convert).collect();
        values.ok_or_else(|| self.damaged("a value is out of range"))
    }

    fn texts(&mut self) -> Result<Vec<String>> {
        let text = |bytes: &ByteArray| bytes.as_utf8().ok().map(str::to_owned);
        self.scalars::<ByteArrayType, _>(text)
    }

    fn lists<T: DataType, U>(&mut self, convert: impl Fn(&T::T) -> Option<U>) -> Result<Vec<Vec<U>>> {
        let Raw { values, definition, repetition } = self.raw::<T>(true)?;
        let mut lists: Vec<Vec<U>> = Vec::with_capacity(self.rows);
        let mut values = values.iter();
        for (definition, repetition) in definition.iter().zip(&repetition) {
            if *repetition == 0 {
                lists.push(Vec::new());
            }
            if *definition == 0 {
                continue;
            }
            let value = values.next().and_then(&convert).ok_or_else(|| self.damaged("a value is out of range"))?;
            lists.last_mut().ok_or_else(|| self.damaged("its first level is not 0"))?.push(value);
        }
        if lists.len() == self.rows { Ok(lists) } else { Err(self.damaged("it has another number of rows")) }
    }
}

fn rows(group: &dyn RowGroupReader) -> Result<Vec<Row>> {
    let count = usize::try_from(group.metadata().num_rows()).map_err(|e| ParquetError::External(Box::new(e)))?;
    let mut columns = Columns { group, rows: count, next: 0 };
    let unsigned = |value: &i32| u32::try_from(*value).ok();
    let unsigned_long = |value: &i64| u64::try_from(*value).ok();

    let input_ids = columns.lists::<Int32Type, _>(unsigned)?;
    let labels = columns.lists::<Int32Type, _>(|label| Some(*label))?;
    let prompt = columns.texts()?;
    let completion = columns.texts()?;
    let family = columns.texts()?;
    let split = columns.texts()?;
    let index = columns.scalars::<Int64Type, _>(unsigned_long)?;
    let seed = columns.scalars::<Int64Type, _>(unsigned_long)?;
    let regime = columns.texts()?;
    let horizon = columns.scalars::<Int32Type, _>(unsigned)?;
    let behaviour = columns.texts()?;
    let oracle_actions = columns.lists::<Int32Type, _>(|action| u8::try_from(*action).ok())?;
    let regret_bounds = columns.lists::<DoubleType, _>(|bound| Some(*bound))?;
    let tokenizer_sha = columns.texts()?;
    let template_sha = columns.texts()?;

    // A transposition: each column gives up its next value for each row.
    let (mut input_ids, mut labels) = (input_ids.into_iter(), labels.into_iter());
    let (mut prompt, mut completion) = (prompt.into_iter(), completion.into_iter());
    let (mut family, mut split) = (family.into_iter(), split.into_iter());
    let (mut regime, mut behaviour) = (regime.into_iter(), behaviour.into_iter());
    let (mut oracle_actions, mut regret_bounds) = (oracle_actions.into_iter(), regret_bounds.into_iter());
    let (mut tokenizer_sha, mut template_sha) = (tokenizer_sha.into_iter(), template_sha.into_iter());
    let row = |i: usize| {
        Some(Row {
            input_ids: input_ids.next()?,
            labels: labels.next()?,
            prompt: prompt.next()?,
            completion: completion.next()?,
            task: Task { family: family.next()?, split: split.next()?, index: index[i], seed: seed[i] },
            regime: regime.next()?,
            horizon: horizon[i],
            behaviour: behaviour.next()?,
            oracle_actions: oracle_actions.next()?,
            regret_bounds: regret_bounds.next()?,
            tokenizer_sha: tokenizer_sha.next()?,
            template_sha: template_sha.next()?,
        })
    };
    let rows: Option<Vec<Row>> = (0..count).map(row).collect();
    rows.ok_or_else(|| ParquetError::General("its columns are not equally long".into()))
}
