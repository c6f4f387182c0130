//! The columns of a file that a schema names, read but not yet understood.

use rustc_hash::FxHashMap;

use super::faults::Faults;

/// Stands for a missing word.
pub(super) const MISSING: u32 = u32::MAX;

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers; NaN where one is missing.
    Number,
    /// Words, each different one once; [`MISSING`] where one is missing.
    Word,
    /// A word that stays the same over many rows: where it changes.
    Key,
}

/// A column to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub name: String,
    pub kind: Kind,
}

/// Numbered words.
#[derive(Debug, Default, Clone)]
pub(super) struct Words {
    pub codes: Vec<u32>,
    pub names: Vec<Box<[u8]>>,
    numbers: FxHashMap<Box<[u8]>, u32>,
}

impl Words {
    fn push(&mut self, word: &[u8]) {
        // Most rows repeat the word of the row before.
        if let Some(&last) = self.codes.last()
            && last != MISSING
            && *self.names[last as usize] == *word
        {
            self.codes.push(last);
            return;
        }
        let code = self.number(word);
        self.codes.push(code);
    }

    fn number(&mut self, word: &[u8]) -> u32 {
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        let number = self.names.len() as u32;
        self.names.push(word.into());
        self.numbers.insert(word.into(), number);
        number
    }

    fn append(&mut self, later: &Self) {
        let numbers: Vec<u32> = later.names.iter().map(|name| self.number(name)).collect();
        self.codes
            .extend(later.codes.iter().map(|&code| if code == MISSING { MISSING } else { numbers[code as usize] }));
    }

    /// The word of a row as a person reads it.
    pub fn text(&self, code: u32) -> String {
        String::from_utf8_lossy(&self.names[code as usize]).into_owned()
    }
}

/// Where a key changes, and to what; the keys lie one after the other.
#[derive(Debug, Default, Clone)]
pub(super) struct Runs {
    pub starts: Vec<usize>,
    keys: Vec<u8>,
    ends: Vec<usize>,
}

impl Runs {
    pub fn key(&self, run: usize) -> &[u8] {
        &self.keys[if run == 0 { 0 } else { self.ends[run - 1] }..self.ends[run]]
    }

    fn push(&mut self, row: usize, key: &[u8]) {
        if !self.starts.is_empty() && self.key(self.starts.len() - 1) == key {
            return;
        }
        self.starts.push(row);
        self.keys.extend_from_slice(key);
        self.ends.push(self.keys.len());
    }

    fn append(&mut self, later: &Self, rows: usize) {
        (0..later.starts.len()).for_each(|run| self.push(rows + later.starts[run], later.key(run)));
    }
}

/// One column.
#[derive(Debug, Clone)]
pub(super) enum Column {
    Numbers(Vec<f64>),
    Words(Words),
    Runs(Runs),
}

/// What a file's field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    Missing,
    Number(f64),
    Integer(i64),
    Text(&'a [u8]),
}

/// All wanted columns of some rows.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub wanted: Vec<Wanted>,
    pub columns: Vec<Column>,
    pub rows: usize,
    pub faults: Faults,
    /// Rows at which the line number does not simply go on, and their lines.
    jumps: Vec<(usize, u64)>,
}

impl Table {
    pub fn new(wanted: &[Wanted]) -> Self {
        let column = |wanted: &Wanted| match wanted.kind {
            Kind::Number => Column::Numbers(Vec::new()),
            Kind::Word => Column::Words(Words::default()),
            Kind::Key => Column::Runs(Runs::default()),
        };
        Self {
            wanted: wanted.to_vec(),
            columns: wanted.iter().map(column).collect(),
            rows: 0,
            faults: Faults::default(),
            jumps: Vec::new(),
        }
    }

    /// The line of a row.
    pub fn line(&self, row: usize) -> u64 {
        let jump = self.jumps.partition_point(|&(from, _)| from <= row) - 1;
        let (from, line) = self.jumps[jump];
        line + (row - from) as u64
    }

    /// Begins a row; its fields follow, in the order of the rows within a column.
    pub fn row(&mut self, line: u64) {
        if self.jumps.last().is_none_or(|&(from, first)| first + (self.rows - from) as u64 != line) {
            self.jumps.push((self.rows, line));
        }
        self.rows += 1;
    }

    /// A field of a row.
    pub fn field(&mut self, row: usize, column: usize, cell: Cell<'_>, missing: &[String], line: u64) {
        let mut text = [0; 32];
        let cell = match cell {
            Cell::Text(word) => {
                let word = word.trim_ascii();
                // Most words are none of these by their first letter.
                let gap = |gap: &String| gap.as_bytes().first() == word.first() && gap.as_bytes() == word;
                if missing.iter().any(gap) { Cell::Missing } else { Cell::Text(word) }
            }
            Cell::Number(number) if is_gap(number, missing) => Cell::Missing,
            Cell::Integer(number) if is_gap(number as f64, missing) => Cell::Missing,
            other => other,
        };
        match &mut self.columns[column] {
            Column::Numbers(numbers) => {
                let number = match cell {
                    Cell::Missing => f64::NAN,
                    Cell::Number(number) if number.is_infinite() => {
                        let name = &self.wanted[column].name;
                        self.faults.add(line, || format!("column {name:?} holds {number}, which is no finite number"));
                        f64::NAN
                    }
                    Cell::Number(number) => number,
                    Cell::Integer(number) => number as f64,
                    Cell::Text(word) => match fast_float2::parse::<f64, _>(word) {
                        Ok(number) if number.is_finite() => number,
                        _ => {
                            let name = &self.wanted[column].name;
                            self.faults.add(line, || {
                                format!("column {name:?} holds {}, which is no finite number", quoted(word))
                            });
                            f64::NAN
                        }
                    },
                };
                numbers.push(number);
            }
            Column::Words(words) => match cell {
                Cell::Missing => words.codes.push(MISSING),
                cell => words.push(as_text(cell, &mut text)),
            },
            Column::Runs(runs) => match cell {
                Cell::Missing => {
                    let name = &self.wanted[column].name;
                    self.faults
                        .add(line, || format!("column {name:?} is missing, so that the row belongs to no episode"));
                    runs.push(row, b"");
                }
                cell => runs.push(row, as_text(cell, &mut text)),
            },
        }
    }

    /// The rows of a later part, whose lines count from `lines`.
    pub fn append(&mut self, later: Self, lines: u64) {
        for (column, more) in self.columns.iter_mut().zip(&later.columns) {
            match (column, more) {
                (Column::Numbers(numbers), Column::Numbers(more)) => numbers.extend_from_slice(more),
                (Column::Words(words), Column::Words(more)) => words.append(more),
                (Column::Runs(runs), Column::Runs(more)) => runs.append(more, self.rows),
                _ => unreachable!("parts of one file have the same columns"),
            }
        }
        self.jumps.extend(later.jumps.iter().map(|&(row, line)| (row + self.rows, line + lines)));
        self.rows += later.rows;
        self.faults.append(later.faults, lines);
    }

    /// Makes room for so many rows in all, so that growing does not double what is there.
    pub fn reserve(&mut self, rows: usize) {
        let more = rows.saturating_sub(self.rows);
        for column in &mut self.columns {
            match column {
                Column::Numbers(numbers) => numbers.reserve_exact(more),
                Column::Words(words) => words.codes.reserve_exact(more),
                Column::Runs(_) => {}
            }
        }
    }

    /// Frees a column that nobody will read again.
    pub fn free(&mut self, name: &str, kind: Kind) {
        if let Some(at) = self.wanted.iter().position(|wanted| wanted.kind == kind && wanted.name == name) {
            match &mut self.columns[at] {
                Column::Numbers(numbers) => *numbers = Vec::new(),
                Column::Words(words) => *words = Words::default(),
                Column::Runs(runs) => *runs = Runs::default(),
            }
        }
    }

    fn find(&self, name: &str, kind: Kind) -> &Column {
        let at = self.wanted.iter().position(|wanted| wanted.kind == kind && wanted.name == name);
        &self.columns[at.expect("the schema named it")]
    }

    pub fn numbers(&self, name: &str) -> &[f64] {
        match self.find(name, Kind::Number) {
            Column::Numbers(numbers) => numbers,
            _ => unreachable!("found by its kind"),
        }
    }

    pub fn words(&self, name: &str) -> &Words {
        match self.find(name, Kind::Word) {
            Column::Words(words) => words,
            _ => unreachable!("found by its kind"),
        }
    }

    pub fn runs(&self, name: &str) -> &Runs {
        match self.find(name, Kind::Key) {
            Column::Runs(runs) => runs,
            _ => unreachable!("found by its kind"),
        }
    }
}

/// Whether a number stands for "missing", as -999 may.
fn is_gap(number: f64, missing: &[String]) -> bool {
    let numeric = |gap: &&String| gap.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    missing.iter().filter(numeric).any(|gap| gap.parse() == Ok(number))
}

/// A field as a message shows it.
pub(super) fn quoted(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    let short: String = text.chars().take(40).collect();
    format!("{short:?}{}", if short.len() < text.len() { "…" } else { "" })
}

/// A word, also of a number: whole numbers without a point.
fn as_text<'a>(cell: Cell<'a>, room: &'a mut [u8; 32]) -> &'a [u8] {
    use std::io::Write;
    let mut write = |number: std::fmt::Arguments<'_>| {
        let mut rest = &mut room[..];
        let fits = rest.write_fmt(number).is_ok();
        let left = rest.len();
        fits.then_some(32 - left)
    };
    let length = match cell {
        Cell::Missing => Some(0),
        Cell::Text(word) => return word,
        Cell::Integer(number) => write(format_args!("{number}")),
        Cell::Number(number) => write(format_args!("{number}")).or_else(|| write(format_args!("{number:e}"))),
    };
    &room[..length.unwrap_or(0)]
}
