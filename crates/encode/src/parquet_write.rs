//! Parquet, written a column at a time.

use std::io::Write;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use crate::list_column::ListColumn;
use crate::row::RowRef;
use crate::schema::{COMPRESSION, column_descriptor, properties, schema};

/// A row group is closed at whichever comes first: readers hold one in memory, and its bounds must depend on rows alone.
const GROUP_ROWS: usize = 8192;
const GROUP_IDS: usize = 1 << 21;

/// A Parquet file in the making. `W` is given back by [`ParquetShard::finish`].
pub(crate) struct ParquetShard<W: Write + Send> {
    file: SerializedFileWriter<W>,
    group: Group,
}

impl<W: Write + Send> ParquetShard<W> {
    pub(crate) fn new(output: W) -> Result<Self> {
        Ok(Self { file: SerializedFileWriter::new(output, schema(), properties())?, group: Group::default() })
    }

    /// Takes a validated row.
    pub(crate) fn push(&mut self, row: &RowRef<'_>) -> Result<()> {
        self.group.push(row);
        if self.group.horizon.len() >= GROUP_ROWS || self.group.input_ids.len() >= GROUP_IDS {
            self.flush()?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<W> {
        self.flush()?;
        self.file.into_inner()
    }

    fn flush(&mut self) -> Result<()> {
        if self.group.horizon.is_empty() {
            return Ok(());
        }
        let mut writer = self.file.next_row_group()?;
        self.group.write(&mut writer)?;
        writer.close()?;
        self.group.clear();
        Ok(())
    }
}

/// A column of lists, flat, with the levels that say where each list begins.
#[derive(Default)]
struct Lists<T> {
    values: Vec<T>,
    /// 0 for an empty list, 1 for a value.
    definition: Vec<i16>,
    /// 0 for the first entry of a row, 1 for the others.
    repetition: Vec<i16>,
}

impl<T> Lists<T> {
    fn push(&mut self, list: impl ExactSizeIterator<Item = T>) {
        let entries = list.len().max(1);
        self.definition.resize(self.definition.len() + entries, i16::from(list.len() > 0));
        self.repetition.push(0);
        self.repetition.resize(self.repetition.len() + entries - 1, 1);
        self.values.extend(list);
    }

    fn clear(&mut self) {
        self.values.clear();
        self.definition.clear();
        self.repetition.clear();
    }
}

/// A column of texts in one buffer.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// The rows of one row group, by column.
#[derive(Default)]
struct Group {
    input_ids: ListColumn,
    labels: ListColumn,
    prompt: Texts,
    completion: Texts,
    family: Texts,
    split: Texts,
    index: Vec<i64>,
    seed: Vec<i64>,
    regime: Texts,
    horizon: Vec<i32>,
    behaviour: Texts,
    oracle_actions: ListColumn,
    regret_bounds: Lists<f64>,
    tokenizer_sha: Texts,
    template_sha: Texts,
}

impl Group {
    fn push(&mut self, row: &RowRef<'_>) {
        self.input_ids.push(row.input_ids.iter().map(|id| *id as i32));
        self.labels.push(row.labels.iter().copied());
        self.prompt.push(row.prompt);
        self.completion.push(row.completion);
        self.family.push(row.task.family);
        self.split.push(row.task.split);
        self.index.push(row.task.index.cast_signed());
        self.seed.push(row.task.seed.cast_signed());
        self.regime.push(row.regime);
        self.horizon.push(row.horizon.cast_signed());
        self.behaviour.push(row.behaviour);
        self.oracle_actions.push(row.oracle_actions.iter().map(|action| i32::from(*action)));
        self.regret_bounds.push(row.regret_bounds.iter().copied());
        self.tokenizer_sha.push(row.tokenizer_sha);
        self.template_sha.push(row.template_sha);
    }

    /// Writes the columns in the order of the schema.
    fn write<W: Write + Send>(&mut self, out: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        self.input_ids.write(out, column_descriptor("input_ids.list.element"), *COMPRESSION)?;
        self.labels.write(out, column_descriptor("labels.list.element"), *COMPRESSION)?;
        texts(out, &mut self.prompt)?;
        texts(out, &mut self.completion)?;
        texts(out, &mut self.family)?;
        texts(out, &mut self.split)?;
        column::<Int64Type, _>(out, &self.index, None)?;
        column::<Int64Type, _>(out, &self.seed, None)?;
        texts(out, &mut self.regime)?;
        column::<Int32Type, _>(out, &self.horizon, None)?;
        texts(out, &mut self.behaviour)?;
        self.oracle_actions.write(out, column_descriptor("oracle_actions.list.element"), *COMPRESSION)?;
        lists::<DoubleType, _>(out, &self.regret_bounds)?;
        texts(out, &mut self.tokenizer_sha)?;
        texts(out, &mut self.template_sha)
    }

    fn clear(&mut self) {
        self.input_ids.clear();
        self.labels.clear();
        self.oracle_actions.clear();
        self.regret_bounds.clear();
        self.index.clear();
        self.seed.clear();
        self.horizon.clear();
        let texts = [
            &mut self.prompt,
            &mut self.completion,
            &mut self.family,
            &mut self.split,
            &mut self.regime,
            &mut self.behaviour,
            &mut self.tokenizer_sha,
            &mut self.template_sha,
        ];
        texts.into_iter().for_each(Texts::clear);
    }
}

fn lists<T: DataType, W: Write + Send>(out: &mut SerializedRowGroupWriter<'_, W>, lists: &Lists<T::T>) -> Result<()> {
    column::<T, W>(out, &lists.values, Some((&lists.definition, &lists.repetition)))
}

fn texts<W: Write + Send>(out: &mut SerializedRowGroupWriter<'_, W>, texts: &mut Texts) -> Result<()> {
    // One shared buffer with a view for each text: no allocation a row.
    let buffer = ByteArray::from(std::mem::take(&mut texts.bytes));
    let starts = std::iter::once(&0).chain(&texts.ends);
    let views: Vec<_> = starts.zip(&texts.ends).map(|(start, end)| buffer.slice(*start, end - start)).collect();
    column::<ByteArrayType, W>(out, &views, None)
}

/// Writes the next column; `levels` are definition and repetition levels of a list.
fn column<T: DataType, W: Write + Send>(
    out: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<(&[i16], &[i16])>,
) -> Result<()> {
    let mut writer = out.next_column()?.expect("the schema has as many columns as are written");
    let (definition, repetition) = levels.unzip();
    writer.typed::<T>().write_batch(values, definition, repetition)?;
    writer.close()
}
