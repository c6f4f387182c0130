//! Records of others, as trajectories: a file and a [`Schema`] that says what its columns mean.
//!
//! A file is read once, in blocks, into the columns that the schema names ([`table`]); what was seen becomes symbols ([`symbols`]); rows
//! become episodes ([`assemble`]). Whatever is wrong is a [`Fault`] with its line; either all rows are taken or none.

mod arrays;
mod assemble;
mod csv;
mod faults;
mod infer;
mod jsonl;
mod parquet;
mod report;
mod schema;
mod symbols;
mod table;

use std::ops::ControlFlow;
use std::path::Path;

use thiserror::Error;

pub use arrays::{Array, Arrays};
pub use faults::{Fault, Faults};
pub use infer::{Inference, infer};
pub use report::{ActionUse, Coverage, Lengths, Report, SymbolUse, Symbols, report};
pub use schema::{ActionColumn, Format, ObservationColumn, RewardColumn, SCHEMA, Schema, WhenMissing};

use crate::{DataError, Trajectories};
use table::Table;

/// Why a file is no trajectories.
#[derive(Debug, Error)]
pub enum LogsError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The schema asks for what the file does not have, or for what makes no sense.
    #[error("schema: {0}")]
    Schema(String),
    /// The file is not of its format.
    #[error("{path}: {message}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong, where, and what to do.
        message: String,
    },
    /// Rows that cannot be taken, all of them together.
    #[error("{0}")]
    Faults(Faults),
    /// Columns that do not fit together.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The hook asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// How far the reading of a file has come, in bytes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Bytes read.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Called between blocks; `Break` cancels.
pub type Hook<'a> = &'a (dyn Fn(Reading) -> ControlFlow<()> + Sync);

/// What comes of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The episodes.
    pub trajectories: Trajectories,
    /// What they are like.
    pub report: Report,
}

/// Reads a file of records. Time O(rows), memory that of the columns which the schema names. `threads` counts workers, 0 for one per core;
/// what comes out does not depend on it.
pub fn import(path: &Path, schema: &Schema, threads: usize, hook: Hook<'_>) -> Result<Import, LogsError> {
    let wanted = schema.wanted()?;
    let format = schema.format_of(path)?;
    let table = in_pool(threads, || match format {
        Format::Csv | Format::Tsv => csv::read(path, schema.delimiter_of(format)?, &wanted, &schema.missing, hook),
        Format::Jsonl => jsonl::read(path, &wanted, &schema.missing, hook),
        Format::Parquet => parquet::read(path, &wanted, &schema.missing, hook),
    })?;
    finish(table, schema)
}

/// The same from columns in memory, as Gymnasium's and Minari's are.
pub fn import_arrays(arrays: &Arrays, schema: &Schema) -> Result<Import, LogsError> {
    finish(arrays::table(arrays, &schema.wanted()?, &schema.missing)?, schema)
}

fn finish(mut table: Table, schema: &Schema) -> Result<Import, LogsError> {
    if table.rows == 0 && table.faults.is_empty() {
        return Err(LogsError::Schema("the file has no row".into()));
    }
    if table.rows > u32::MAX as usize {
        return Err(LogsError::Schema(format!(
            "{} rows; at most 2^32 can be read at once: split the file",
            table.rows
        )));
    }
    if table.rows == 0 {
        table.faults.sort();
        return Err(LogsError::Faults(table.faults));
    }
    let mut faults = Faults::default();
    let symbols = symbols::all(&table, schema, &mut faults)?;
    for (name, kind) in schema.observed_only() {
        table.free(name, kind);
    }
    let trajectories = assemble::episodes(table, &symbols, schema, &mut faults)?;
    if !faults.is_empty() {
        return Err(LogsError::Faults(faults));
    }
    let report = report(&trajectories, symbols.described);
    Ok(Import { trajectories, report })
}

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(work),
        // A machine that grants no thread still has this one.
        Err(_) => work(),
    }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> LogsError + '_ {
    move |source| LogsError::Io { path: path.display().to_string(), source }
}
