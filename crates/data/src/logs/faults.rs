//! What is wrong with rows, listed together.

use std::fmt::{self, Display};

use serde::Serialize;

/// How many faults are told one by one; the others are counted.
const TOLD: usize = 50;

/// How many are kept to find the first ones among, as they are not found in the order of lines.
const KEPT: usize = 100_000;

/// A row that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its line in a text file, from 1; its row in a Parquet file or in arrays, from 0.
    pub line: u64,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Faults in the order of their lines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Faults {
    /// The first ones.
    pub told: Vec<Fault>,
    /// How many there are in all.
    pub count: u64,
}

impl Faults {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One more; the message is made only where it will be told.
    pub(super) fn add(&mut self, line: u64, message: impl FnOnce() -> String) {
        self.count += 1;
        if self.told.len() < KEPT {
            self.told.push(Fault { line, message: message() });
        }
    }

    /// Those of a later part of the file, whose lines count from `lines`.
    pub(super) fn append(&mut self, later: Self, lines: u64) {
        let room = KEPT - self.told.len().min(KEPT);
        self.told.extend(
            later.told.into_iter().take(room).map(|Fault { line, message }| Fault { line: line + lines, message }),
        );
        self.count += later.count;
    }

    /// In the order of lines, whatever order they were found in.
    pub(super) fn sort(&mut self) {
        self.told.sort_by_key(|fault| fault.line);
        self.told.truncate(TOLD);
    }
}

impl Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}, so nothing was taken", self.count, if self.count == 1 { "fault" } else { "faults" })?;
        for Fault { line, message } in &self.told {
            write!(out, "\n  line {line}: {message}")?;
        }
        match self.count as usize - self.told.len().min(self.count as usize) {
            0 => Ok(()),
            more => write!(out, "\n  … and {more} more"),
        }
    }
}
