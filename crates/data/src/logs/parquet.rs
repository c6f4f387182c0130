//! Parquet: row groups side by side, column by column.

use std::fs::File;
use std::path::Path;

use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{BoolType, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::schema::types::ColumnDescriptor;
use rayon::prelude::*;

use super::table::{Cell, Kind, Table, Wanted};
use super::{Hook, LogsError, Reading, io};
use crate::parquet_file::{guarded, open};

fn damaged(path: &Path, error: &ParquetError) -> LogsError {
    LogsError::Format { path: path.display().to_string(), message: error.to_string() }
}

/// Reads the wanted columns.
pub(super) fn read(
    path: &Path,
    wanted: &[Wanted],
    missing: &[String],
    hook: Hook<'_>,
) -> std::result::Result<Table, LogsError> {
    let file = File::open(path).map_err(io(path))?;
    let total = file.metadata().map_err(io(path))?.len();
    let reader = open(file).map_err(|error| damaged(path, &error))?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let mut places = Vec::new();
    for Wanted { name, .. } in wanted {
        let place = schema.columns().iter().position(|column| column.path().string() == *name);
        let Some(place) = place else {
            let names: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
            return Err(LogsError::Schema(format!(
                "{} has no column {name:?}; it has {}",
                path.display(),
                names.join(", ")
            )));
        };
        let column = &schema.columns()[place];
        if column.max_rep_level() > 0 || !plain(column) {
            return Err(LogsError::Schema(format!(
                "{}: column {name:?} is of type {}; numbers, texts and truth values can be read",
                path.display(),
                if column.max_rep_level() > 0 { "list".into() } else { column.physical_type().to_string() }
            )));
        }
        places.push(place);
    }
    let groups: Vec<usize> = (0..reader.num_row_groups()).collect();
    let mut table = Table::new(wanted);
    for some in groups.chunks(rayon::current_num_threads()) {
        let parts: Vec<Result<Table>> = some
            .par_iter()
            .map(|&group| guarded(|| part(&*reader.get_row_group(group)?, schema.columns(), &places, wanted, missing)))
            .collect();
        for part in parts {
            let rows = table.rows as u64;
            table.append(part.map_err(|error| damaged(path, &error))?, rows);
        }
        let done = total * (some[some.len() - 1] as u64 + 1) / groups.len() as u64;
        if hook(Reading { done, total }).is_break() {
            return Err(LogsError::Cancelled);
        }
    }
    Ok(table)
}

/// Whether a column's values are numbers, texts or truth values.
fn plain(column: &ColumnDescriptor) -> bool {
    let decimal = matches!(column.logical_type_ref(), Some(LogicalType::Decimal { .. }))
        || column.converted_type() == ConvertedType::DECIMAL;
    !decimal && !matches!(column.physical_type(), Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY)
}

fn unsigned(column: &ColumnDescriptor) -> bool {
    matches!(
        column.converted_type(),
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
    )
}

fn part(
    group: &dyn RowGroupReader,
    columns: &[std::sync::Arc<ColumnDescriptor>],
    places: &[usize],
    wanted: &[Wanted],
    missing: &[String],
) -> Result<Table> {
    let rows = usize::try_from(group.metadata().num_rows())
        .map_err(|_| ParquetError::General("a row group claims a negative number of rows".into()))?;
    let mut table = Table::new(wanted);
    (0..rows as u64).for_each(|line| table.row(line));
    for (index, &place) in places.iter().enumerate() {
        let column = &columns[place];
        let mut take = Take { group, place, rows, optional: column.max_def_level(), index, table: &mut table, missing };
        let word = wanted[index].kind != Kind::Number;
        match column.physical_type() {
            Physical::BOOLEAN => take.all::<BoolType>(|&value| Cell::Text(if value { b"true" } else { b"false" }))?,
            Physical::INT32 if unsigned(column) => {
                take.all::<Int32Type>(|&value| Cell::Integer(i64::from(value as u32)))?;
            }
            Physical::INT32 => take.all::<Int32Type>(|&value| Cell::Integer(i64::from(value)))?,
            Physical::INT64 if unsigned(column) && !word => {
                take.all::<Int64Type>(|&value| Cell::Number(value as u64 as f64))?;
            }
            Physical::INT64 => take.all::<Int64Type>(|&value| Cell::Integer(value))?,
            // As a word it is what the file's own precision shows.
            Physical::FLOAT if word => {
                take.all::<FloatType>(|value| number(value.to_string().parse().unwrap_or(f64::NAN)))?;
            }
            Physical::FLOAT => take.all::<FloatType>(|&value| number(f64::from(value)))?,
            Physical::DOUBLE => take.all::<DoubleType>(|&value| number(value))?,
            _ => take.all::<ByteArrayType>(|value| Cell::Text(value.data()))?,
        }
    }
    Ok(table)
}

fn number(value: f64) -> Cell<'static> {
    if value.is_nan() { Cell::Missing } else { Cell::Number(value) }
}

/// One column of a row group.
struct Take<'a> {
    group: &'a dyn RowGroupReader,
    place: usize,
    rows: usize,
    optional: i16,
    index: usize,
    table: &'a mut Table,
    missing: &'a [String],
}

impl Take<'_> {
    fn all<T: DataType>(&mut self, cell: impl Fn(&T::T) -> Cell<'_>) -> Result<()> {
        let mut reader = get_typed_column_reader::<T>(self.group.get_column_reader(self.place)?);
        let (mut values, mut definition, mut rows) = (Vec::new(), Vec::new(), 0);
        while rows < self.rows {
            let levels = (self.optional > 0).then_some(&mut definition);
            let (read, _, _) = reader.read_records(self.rows - rows, levels, None, &mut values)?;
            if read == 0 {
                return Err(ParquetError::General(format!(
                    "column {} ends after {rows} of {} rows",
                    self.place, self.rows
                )));
            }
            rows += read;
        }
        let mut values = values.iter();
        for row in 0..self.rows {
            let there = self.optional == 0 || definition.get(row) == Some(&self.optional);
            let value = if there { values.next() } else { None };
            self.table.field(row, self.index, value.map_or(Cell::Missing, &cell), self.missing, row as u64);
        }
        Ok(())
    }
}
