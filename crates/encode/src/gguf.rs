//! A reader of GGUF metadata (versions 2 and 3, little-endian). Tensors are not touched.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. Every length in the file is checked against
//! the bytes that are left before anything is reserved, so a damaged file costs an error, never memory.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Arrays of arrays deeper than this are refused.
const DEEPEST: u32 = 4;

/// One metadata value; integers of all widths are widened.
#[derive(Debug, Clone, PartialEq)]
pub enum GgufValue {
    /// An unsigned integer.
    Unsigned(u64),
    /// A signed integer.
    Signed(i64),
    /// A floating-point number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    String(String),
    /// A list of values of one type.
    Array(Vec<GgufValue>),
}

/// The metadata of one GGUF file, in the file's order.
#[derive(Debug, Clone, PartialEq)]
pub struct GgufMetadata {
    /// The version of the format, 2 or 3.
    pub version: u32,
    /// How many tensors the file says it holds.
    pub tensors: u64,
    /// Keys and values.
    pub entries: Vec<(String, GgufValue)>,
}

impl GgufMetadata {
    /// Reads the metadata at the start of a file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
        Self::read(BufReader::with_capacity(1 << 16, file), length, path)
    }

    /// Reads the metadata from a stream of `length` bytes; `path` is only for messages.
    pub fn read(input: impl Read, length: u64, path: &Path) -> Result<Self> {
        let mut source = Source { input, offset: 0, length, path: path.to_path_buf() };
        if &source.bytes::<4>()? != b"GGUF" {
            return Err(source.error("it does not begin with \"GGUF\""));
        }
        let version = u32::from_le_bytes(source.bytes()?);
        if !matches!(version, 2 | 3) {
            let what = if matches!(version.swap_bytes(), 2 | 3) { "is big-endian" } else { "is not supported" };
            return Err(source.error(&format!("version {version:#x} {what}; versions 2 and 3, little-endian, are")));
        }
        let tensors = u64::from_le_bytes(source.bytes()?);
        // The shortest entry: an empty key (8 bytes), a type (4) and one byte.
        let count = source.count(13)?;
        let mut entries = Vec::with_capacity(count.min(1 << 10));
        for _ in 0..count {
            let key = source.string()?;
            let kind = u32::from_le_bytes(source.bytes()?);
            entries.push((key, source.value(kind, 0)?));
        }
        Ok(Self { version, tensors, entries })
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&GgufValue> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The text of a key, if it holds one.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            GgufValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The texts of a key, if it holds an array of nothing else.
    pub fn texts(&self, key: &str) -> Option<Vec<&str>> {
        let GgufValue::Array(values) = self.get(key)? else { return None };
        values
            .iter()
            .map(|value| if let GgufValue::String(text) = value { Some(text.as_str()) } else { None })
            .collect()
    }

    /// The whole numbers of a key, if it holds an array of nothing else.
    pub fn integers(&self, key: &str) -> Option<Vec<i64>> {
        let GgufValue::Array(values) = self.get(key)? else { return None };
        let whole = |value: &GgufValue| match value {
            GgufValue::Unsigned(n) => i64::try_from(*n).ok(),
            GgufValue::Signed(n) => Some(*n),
            _ => None,
        };
        values.iter().map(whole).collect()
    }

    /// The floating-point numbers of a key, if it holds an array of nothing else.
    pub fn floats(&self, key: &str) -> Option<Vec<f64>> {
        let GgufValue::Array(values) = self.get(key)? else { return None };
        values.iter().map(|value| if let GgufValue::Float(number) = value { Some(*number) } else { None }).collect()
    }

    /// The truth value of a key, if it holds one.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            GgufValue::Bool(truth) => Some(*truth),
            _ => None,
        }
    }
}

impl GgufValue {
    /// Whether this is a list of nothing.
    pub(crate) fn is_empty_array(&self) -> bool {
        matches!(self, Self::Array(values) if values.is_empty())
    }
}

/// A stream that knows how much of it is left.
struct Source<R> {
    input: R,
    offset: u64,
    length: u64,
    path: PathBuf,
}

impl<R: Read> Source<R> {
    fn error(&self, reason: &str) -> Error {
        Error::Gguf { path: self.path.clone(), offset: self.offset, reason: reason.into() }
    }

    fn left(&self) -> u64 {
        self.length.saturating_sub(self.offset)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        if buffer.len() as u64 > self.left() {
            return Err(self.error(&format!("the file ends where {} more bytes are needed", buffer.len())));
        }
        self.input.read_exact(buffer).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => self.error("the file ends early"),
            _ => Error::io(&self.path, e),
        })?;
        self.offset += buffer.len() as u64;
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut buffer = [0; N];
        self.fill(&mut buffer)?;
        Ok(buffer)
    }

    /// A count of things of which each takes at least `smallest` bytes.
    fn count(&mut self, smallest: u64) -> Result<usize> {
        let count = u64::from_le_bytes(self.bytes()?);
        if count > self.left() / smallest {
            return Err(self.error(&format!("a count of {count} does not fit the {} bytes that are left", self.left())));
        }
        usize::try_from(count).map_err(|_| self.error(&format!("a count of {count} is beyond this machine")))
    }

    fn string(&mut self) -> Result<String> {
        let length = self.count(1)?;
        let mut buffer = vec![0; length];
        self.fill(&mut buffer)?;
        String::from_utf8(buffer).map_err(|_| self.error("a text is not UTF-8"))
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<GgufValue> {
        Ok(match kind {
            0 => GgufValue::Unsigned(self.bytes::<1>()?[0].into()),
            1 => GgufValue::Signed(i8::from_le_bytes(self.bytes()?).into()),
            2 => GgufValue::Unsigned(u16::from_le_bytes(self.bytes()?).into()),
            3 => GgufValue::Signed(i16::from_le_bytes(self.bytes()?).into()),
            4 => GgufValue::Unsigned(u32::from_le_bytes(self.bytes()?).into()),
            5 => GgufValue::Signed(i32::from_le_bytes(self.bytes()?).into()),
            6 => GgufValue::Float(f32::from_le_bytes(self.bytes()?).into()),
            7 => match self.bytes::<1>()?[0] {
                truth @ (0 | 1) => GgufValue::Bool(truth == 1),
                other => return Err(self.error(&format!("{other} is not a truth value"))),
            },
            8 => GgufValue::String(self.string()?),
            9 => self.array(depth)?,
            10 => GgufValue::Unsigned(u64::from_le_bytes(self.bytes()?)),
            11 => GgufValue::Signed(i64::from_le_bytes(self.bytes()?)),
            12 => GgufValue::Float(f64::from_le_bytes(self.bytes()?)),
            other => return Err(self.error(&format!("{other} is not a value type"))),
        })
    }

    fn array(&mut self, depth: u32) -> Result<GgufValue> {
        if depth == DEEPEST {
            return Err(self.error("arrays are nested too deeply"));
        }
        let kind = u32::from_le_bytes(self.bytes()?);
        let smallest = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => 12,
            other => return Err(self.error(&format!("{other} is not a value type"))),
        };
        let count = self.count(smallest)?;
        let mut values = Vec::with_capacity(count.min(1 << 16));
        for _ in 0..count {
            values.push(self.value(kind, depth + 1)?);
        }
        Ok(GgufValue::Array(values))
    }
}
