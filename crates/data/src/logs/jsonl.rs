//! JSON lines: an object a line, its fields the columns.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rayon::prelude::*;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::csv::split;
use super::table::{Cell, Table, Wanted};
use super::{Hook, LogsError, Reading, io};

/// Bytes a block and thread.
const BLOCK: usize = 4 << 20;

/// Reads the wanted columns. A field that an object lacks is missing.
pub(super) fn read(path: &Path, wanted: &[Wanted], missing: &[String], hook: Hook<'_>) -> Result<Table, LogsError> {
    let mut file = File::open(path).map_err(io(path))?;
    let total = file.metadata().map_err(io(path))?.len();
    let mut table = Table::new(wanted);
    let (mut done, mut lines, mut rest, mut seen) = (0, 0, Vec::new(), vec![false; wanted.len()]);
    loop {
        let mut bytes = std::mem::take(&mut rest);
        let wish = BLOCK * rayon::current_num_threads();
        let read = (&mut file).take(wish as u64).read_to_end(&mut bytes).map_err(io(path))?;
        done += read as u64;
        let ended = read < wish;
        if !ended {
            rest = bytes.split_off(memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1));
        }
        let shares = split(&bytes, rayon::current_num_threads());
        let parts: Vec<_> = shares.into_par_iter().map(|share| part(share, wanted, missing)).collect();
        for (part, own, has) in parts {
            table.append(part, lines);
            seen.iter_mut().zip(has).for_each(|(seen, has)| *seen |= has);
            lines += own;
        }
        if hook(Reading { done, total }).is_break() {
            return Err(LogsError::Cancelled);
        }
        if ended {
            return known(path, table, &seen);
        }
    }
}

/// A column that no row has is a mistake in the schema.
fn known(path: &Path, table: Table, seen: &[bool]) -> Result<Table, LogsError> {
    match seen.iter().position(|&seen| !seen).filter(|_| table.rows > 0) {
        Some(column) => Err(LogsError::Schema(format!(
            "{} has no field {:?} in any line",
            path.display(),
            table.wanted[column].name
        ))),
        None => Ok(table),
    }
}

/// Some lines, how many they are, and which columns any of them has.
fn part(bytes: &[u8], wanted: &[Wanted], missing: &[String]) -> (Table, u64, Vec<bool>) {
    let mut table = Table::new(wanted);
    let (mut lines, mut seen) = (0, vec![false; wanted.len()]);
    for text in bytes.split_inclusive(|&byte| byte == b'\n') {
        lines += 1;
        let text = if lines == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
        if text.trim_ascii().is_empty() {
            continue;
        }
        let mut fields: Vec<Option<Scalar<'_>>> = vec![None; wanted.len()];
        let mut json = serde_json::Deserializer::from_slice(text);
        let row = Row { wanted, fields: &mut fields };
        if let Err(error) = row.deserialize(&mut json).and_then(|()| json.end()) {
            table.faults.add(lines, || format!("is no JSON object of plain fields: {error}"));
            continue;
        }
        table.row(lines);
        for (column, field) in fields.iter().enumerate() {
            let cell = match field {
                None | Some(Scalar::Missing) => Cell::Missing,
                Some(Scalar::Number(number)) => Cell::Number(*number),
                Some(Scalar::Integer(number)) => Cell::Integer(*number),
                Some(Scalar::Text(text)) => Cell::Text(text.as_bytes()),
            };
            seen[column] |= field.is_some();
            table.field(table.rows - 1, column, cell, missing, lines);
        }
    }
    (table, lines, seen)
}

#[derive(Clone)]
enum Scalar<'a> {
    Missing,
    Number(f64),
    Integer(i64),
    Text(Cow<'a, str>),
}

/// Takes the wanted fields of an object, and passes over the others.
struct Row<'a, 'de> {
    wanted: &'a [Wanted],
    fields: &'a mut [Option<Scalar<'de>>],
}

impl<'de> DeserializeSeed<'de> for Row<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, 'de> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let mut columns =
                self.wanted.iter().enumerate().filter(|(_, wanted)| wanted.name == *name).map(|(i, _)| i).peekable();
            if columns.peek().is_none() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value_seed(Field)?;
            for column in columns {
                if self.fields[column].replace(value.clone()).is_some() {
                    return Err(A::Error::custom(format!("field {name:?} stands twice")));
                }
            }
        }
        Ok(())
    }
}

struct Field;

impl<'de> DeserializeSeed<'de> for Field {
    type Value = Scalar<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field {
    type Value = Scalar<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a number, a text, true, false or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Missing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(if value { "true" } else { "false" })))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        // Beyond what an integer holds it is a name, which a double would confuse with others.
        Ok(i64::try_from(value).map_or_else(|_| Scalar::Text(Cow::Owned(value.to_string())), Scalar::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom("a list stands where one value is needed"))
    }
}
