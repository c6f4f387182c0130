//! Columns in memory.

use super::LogsError;
use super::table::{Cell, Table, Wanted};

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub enum Array {
    /// Numbers; NaN is a missing one.
    Numbers(Vec<f64>),
    /// Words; `None` is a missing one.
    Words(Vec<Option<String>>),
}

/// Columns by name, all of one length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arrays {
    /// Names and columns.
    pub columns: Vec<(String, Array)>,
}

impl Array {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Words(words) => words.len(),
        }
    }
}

/// The wanted ones as a table.
pub(super) fn table(arrays: &Arrays, wanted: &[Wanted], missing: &[String]) -> Result<Table, LogsError> {
    let Some(rows) = arrays.columns.first().map(|(_, array)| array.len()) else {
        return Err(LogsError::Schema("there are no columns".into()));
    };
    if let Some((name, array)) = arrays.columns.iter().find(|(_, array)| array.len() != rows) {
        return Err(LogsError::Schema(format!(
            "column {name:?} has {} entries where the first column has {rows}",
            array.len()
        )));
    }
    let mut from = Vec::new();
    for Wanted { name, .. } in wanted {
        let Some((_, array)) = arrays.columns.iter().find(|(column, _)| column == name) else {
            let names: Vec<&str> = arrays.columns.iter().map(|(column, _)| column.as_str()).collect();
            return Err(LogsError::Schema(format!("there is no column {name:?}; there are {}", names.join(", "))));
        };
        from.push(array);
    }
    let mut table = Table::new(wanted);
    for row in 0..rows {
        table.row(row as u64);
        for (column, array) in from.iter().enumerate() {
            let cell = match array {
                Array::Numbers(numbers) if numbers[row].is_nan() => Cell::Missing,
                Array::Numbers(numbers) => Cell::Number(numbers[row]),
                Array::Words(words) => words[row].as_deref().map_or(Cell::Missing, |word| Cell::Text(word.as_bytes())),
            };
            table.field(row, column, cell, missing, row as u64);
        }
    }
    Ok(table)
}
