//! CSV: blocks of whole lines, parsed side by side.
//!
//! A line end within quotes ends no row, so that blocks may be cut at line ends only as long as no quote has been met; from the first quote
//! on one reader goes through the rest of the file.

use std::cell::Cell as Counter;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder};
use rayon::prelude::*;

use super::table::{Cell, Table, Wanted};
use super::{Hook, LogsError, Reading, io};

/// Bytes a block: large enough that a block's own words cost little, small enough that all threads have work.
const BLOCK: usize = 4 << 20;

/// Where a wanted column stands among the fields of a row.
pub(super) struct Places {
    of: Vec<usize>,
    fields: usize,
}

/// The file's columns, in its order.
pub(super) fn header(path: &Path, delimiter: u8) -> Result<Vec<String>, LogsError> {
    let mut reader = reader(File::open(path).map_err(io(path))?, delimiter);
    let mut names = ByteRecord::new();
    let any = reader.read_byte_record(&mut names).map_err(|error| format_error(path, &error))?;
    if !any {
        return Err(LogsError::Format {
            path: path.display().to_string(),
            message: "is empty; its first line must name the columns".into(),
        });
    }
    let plain = |(i, name): (usize, &[u8])| {
        let name = if i == 0 { name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name) } else { name };
        String::from_utf8_lossy(name.trim_ascii()).into_owned()
    };
    Ok(names.iter().enumerate().map(plain).collect())
}

fn reader<R: Read>(from: R, delimiter: u8) -> Reader<R> {
    // A line ends with its line feed, which is counted with it; a carriage return before that is white space, which fields lose.
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(from)
}

/// All rows, the header too, one after the other.
pub(super) fn records(path: &Path, delimiter: u8) -> Result<csv::ByteRecordsIntoIter<File>, LogsError> {
    Ok(reader(File::open(path).map_err(io(path))?, delimiter).into_byte_records())
}

fn format_error(path: &Path, error: &csv::Error) -> LogsError {
    LogsError::Format { path: path.display().to_string(), message: error.to_string() }
}

/// Where the wanted columns are among `names`, or which are not there.
pub(super) fn places(path: &Path, names: &[String], wanted: &[Wanted]) -> Result<Places, LogsError> {
    let mut of = Vec::new();
    for Wanted { name, .. } in wanted {
        let mut at = names.iter().enumerate().filter(|(_, column)| *column == name).map(|(i, _)| i);
        match (at.next(), at.next()) {
            (Some(place), None) => of.push(place),
            (Some(_), Some(_)) => {
                return Err(LogsError::Schema(format!(
                    "{}: column {name:?} stands more than once in the header",
                    path.display()
                )));
            }
            (None, _) => {
                return Err(LogsError::Schema(format!(
                    "{} has no column {name:?}; it has {}",
                    path.display(),
                    names.join(", ")
                )));
            }
        }
    }
    Ok(Places { of, fields: names.len() })
}

/// Reads the wanted columns.
pub(super) fn read(
    path: &Path,
    delimiter: u8,
    wanted: &[Wanted],
    missing: &[String],
    hook: Hook<'_>,
) -> Result<Table, LogsError> {
    let places = places(path, &header(path, delimiter)?, wanted)?;
    let mut file = File::open(path).map_err(io(path))?;
    let total = file.metadata().map_err(io(path))?.len();
    let parse = |bytes: &[u8], header: bool| part(bytes, delimiter, header, wanted, &places, missing);
    let mut table = Table::new(wanted);
    let (mut done, mut lines, mut header, mut first, mut rest) = (0, 0, true, true, Vec::new());
    loop {
        let mut bytes = std::mem::take(&mut rest);
        let wish = BLOCK * rayon::current_num_threads();
        let had = bytes.len();
        let read = (&mut file).take(wish as u64).read_to_end(&mut bytes).map_err(io(path))?;
        done += read as u64;
        let ended = read < wish;
        if memchr::memchr(b'"', &bytes).is_some() {
            // What is left of the file behind what has been read.
            let from = std::io::Cursor::new(bytes).chain(file);
            let later = quoted(path, from, delimiter, header, wanted, &places, missing, hook, Reading { done, total })?;
            table.append(later, lines);
            return Ok(table);
        }
        if !ended {
            let cut = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
            rest = bytes.split_off(cut);
            // A line longer than a whole block: read on.
            if cut == 0 {
                if had + read >= 1 << 30 {
                    return Err(LogsError::Format {
                        path: path.display().to_string(),
                        message: format!("line {} is longer than 1 GiB", lines + 1),
                    });
                }
                continue;
            }
        }
        let shares = split(&bytes, rayon::current_num_threads());
        let parts: Vec<_> =
            shares.into_par_iter().enumerate().map(|(i, share)| parse(share, header && i == 0)).collect();
        for (part, own) in parts {
            table.append(part, lines);
            lines += own;
        }
        header &= bytes.is_empty();
        if first && table.rows > 0 && done < total {
            first = false;
            // From what a row took so far; blocks to come are much like the first.
            table.reserve((table.rows as f64 / done as f64 * total as f64 * 1.03) as usize);
        }
        if hook(Reading { done, total }).is_break() {
            return Err(LogsError::Cancelled);
        }
        if ended {
            return Ok(table);
        }
    }
}

/// About equal shares of whole lines, in order.
pub(super) fn split(mut bytes: &[u8], shares: usize) -> Vec<&[u8]> {
    let mut all = Vec::new();
    for left in (1..=shares).rev() {
        let wish = bytes.len() / left;
        let cut = if left == 1 {
            bytes.len()
        } else {
            memchr::memchr(b'\n', &bytes[wish..]).map_or(bytes.len(), |at| wish + at + 1)
        };
        let (share, later) = bytes.split_at(cut);
        all.push(share);
        bytes = later;
    }
    all
}

/// Rows without quotes, and how many lines they are.
fn part(
    bytes: &[u8],
    delimiter: u8,
    header: bool,
    wanted: &[Wanted],
    places: &Places,
    missing: &[String],
) -> (Table, u64) {
    let mut table = Table::new(wanted);
    let mut reader = reader(bytes, delimiter);
    let mut record = ByteRecord::new();
    let mut skip = header;
    // Reading from memory, any bytes are some fields: only input and output can fail.
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        if !std::mem::take(&mut skip) {
            row(&mut table, &record, places, missing);
        }
    }
    (table, memchr::memchr_iter(b'\n', bytes).count() as u64)
}

/// The rest of a file that has quotes.
#[allow(clippy::too_many_arguments)] // It takes over from `read` in the middle.
fn quoted(
    path: &Path,
    from: impl Read,
    delimiter: u8,
    header: bool,
    wanted: &[Wanted],
    places: &Places,
    missing: &[String],
    hook: Hook<'_>,
    mut reading: Reading,
) -> Result<Table, LogsError> {
    let mut table = Table::new(wanted);
    let quotes = Counter::new(0);
    let mut reader = reader(Quotes { from, seen: &quotes }, delimiter);
    let mut record = ByteRecord::new();
    let (mut skip, start, mut last) = (header, reading.done, (0, false));
    while reader.read_byte_record(&mut record).map_err(|error| format_error(path, &error))? {
        if std::mem::take(&mut skip) {
            continue;
        }
        last = (record.position().map_or(0, csv::Position::line), record.as_slice().contains(&b'\n'));
        row(&mut table, &record, places, missing);
        if table.rows.is_multiple_of(65_536) {
            reading.done = reader.position().byte().max(start).min(reading.total);
            if hook(reading) == ControlFlow::Break(()) {
                return Err(LogsError::Cancelled);
            }
        }
    }
    if let (line, true) = last
        && quotes.get() % 2 == 1
    {
        table.faults.add(line, || "has a quote that is never closed: all that follows would be one field".into());
    }
    Ok(table)
}

/// Counts the quotes that are read: of fields that are closed there are two each.
struct Quotes<'a, R> {
    from: R,
    seen: &'a Counter<usize>,
}

impl<R: Read> Read for Quotes<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.seen.set(self.seen.get() + memchr::memchr_iter(b'"', &buffer[..read]).count());
        Ok(read)
    }
}

fn row(table: &mut Table, record: &ByteRecord, places: &Places, missing: &[String]) {
    let line = record.position().map_or(0, csv::Position::line);
    if record.len() == 1 && record[0].trim_ascii().is_empty() && places.fields > 1 {
        // A blank line.
        return;
    }
    if record.len() != places.fields {
        let (found, expected) = (record.len(), places.fields);
        table.faults.add(line, || format!("has {found} fields where the header has {expected}"));
        return;
    }
    table.row(line);
    for (column, &place) in places.of.iter().enumerate() {
        table.field(table.rows - 1, column, Cell::Text(&record[place]), missing, line);
    }
}
