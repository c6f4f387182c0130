//! One file of a data set: written whole or not at all, and read back.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use sha2::{Digest, Sha256};

use crate::parquet_read::ParquetSource;
use crate::parquet_write::ParquetShard;
use crate::row::{Row, RowRef};
use crate::safetensors_read::{SafetensorsSource, starts_like_one};
use crate::safetensors_write::SafetensorsShard;
use crate::tokenizer::hex;
use crate::{Error, Result};

/// How rows lie in the file. All hold the same columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardFormat {
    /// Apache Parquet, compressed with zstd.
    Parquet,
    /// One JSON object a line.
    Jsonl,
    /// Flat tensors with offsets, for readers that map a file into memory. All rows must have the same family, split,
    /// seed, regime, behaviour, tokenizer and template; a row that differs is an [`Error::Column`].
    ///
    /// Tensors, by name: `input_ids` and `labels` (I32) with `offsets`; `prompt` and `completion` (U8, UTF-8) with
    /// `prompt_offsets` and `completion_offsets`; `oracle_actions` (U8) and `regret_bounds` (F64) with `oracle_offsets`;
    /// `task_index` (I64) and `horizon` (I32), one a row. Offsets are I64, rows + 1 of them, in elements. The constants
    /// are texts in `__metadata__`: `task.family`, `task.split`, `task.seed`, `regime`, `behaviour`, `tokenizer_sha`,
    /// `template_sha`.
    Safetensors,
}

impl ShardFormat {
    /// The usual ending of a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Jsonl => "jsonl",
            Self::Safetensors => "safetensors",
        }
    }
}

/// A finished file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardSummary {
    /// Where it is.
    pub path: PathBuf,
    /// How many rows it holds.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Writes one shard. Rows go to `<name>.tmp` (and a safetensors shard's tensors to `<name>.<tensor>.tmp` first), which
/// takes the final name only in [`ShardWriter::finish`]; a writer that is dropped before, or fails, removes all it began.
/// Equal rows give equal bytes. Memory does not grow with the rows.
pub struct ShardWriter {
    sink: Sink,
    rows: u64,
    partial: Partial,
}

enum Sink {
    Parquet(Box<ParquetShard<Hashed>>),
    /// The output and the line being made.
    Jsonl(Hashed, Vec<u8>),
    Safetensors(Box<SafetensorsShard<Hashed>>),
}

impl ShardWriter {
    /// Begins a shard that will be called `path`; a leftover `<name>.tmp` is overwritten.
    pub fn create(path: &Path, format: ShardFormat) -> Result<Self> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let file = File::create(&temporary).map_err(|e| Error::io(&temporary, e))?;
        let partial = Partial { temporary, path: path.to_path_buf(), renamed: false };
        let output = Hashed { file: BufWriter::with_capacity(1 << 16, file), digest: Sha256::new(), bytes: 0 };
        let sink = match format {
            ShardFormat::Parquet => {
                Sink::Parquet(Box::new(ParquetShard::new(output).map_err(|e| parquet_error(path, e))?))
            }
            ShardFormat::Jsonl => Sink::Jsonl(output, Vec::new()),
            ShardFormat::Safetensors => Sink::Safetensors(Box::new(SafetensorsShard::new(output, path)?)),
        };
        Ok(Self { sink, rows: 0, partial })
    }

    /// Appends a row. After an error other than [`Error::Column`] the writer can only be dropped.
    pub fn push(&mut self, row: &RowRef<'_>) -> Result<()> {
        row.validate()?;
        let path = &self.partial.path;
        match &mut self.sink {
            Sink::Parquet(shard) => shard.push(row).map_err(|e| parquet_error(path, e))?,
            Sink::Jsonl(output, line) => {
                line.clear();
                serde_json::to_writer(&mut *line, row).map_err(|e| Error::io(path, e.into()))?;
                line.push(b'\n');
                output.write_all(line).map_err(|e| Error::io(path, e))?;
            }
            Sink::Safetensors(shard) => shard.push(row)?,
        }
        self.rows += 1;
        Ok(())
    }

    /// Writes what is left, waits until it is on the device, and gives the file its final name.
    pub fn finish(self) -> Result<ShardSummary> {
        let Self { sink, rows, mut partial } = self;
        let path = partial.path.clone();
        let output = match sink {
            Sink::Parquet(shard) => shard.finish().map_err(|e| parquet_error(&path, e))?,
            Sink::Jsonl(output, _) => output,
            Sink::Safetensors(shard) => shard.finish()?,
        };
        let Hashed { file, digest, bytes } = output;
        let file = file.into_inner().map_err(|e| Error::io(&path, e.into_error()))?;
        file.sync_all().map_err(|e| Error::io(&path, e))?;
        partial.rename().map_err(|e| Error::io(&path, e))?;
        Ok(ShardSummary { path, rows, bytes, sha256: hex(digest) })
    }
}

/// The file under its temporary name.
struct Partial {
    temporary: PathBuf,
    path: PathBuf,
    renamed: bool,
}

impl Partial {
    fn rename(&mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)?;
        self.renamed = true;
        // The new name itself is durable only once the folder is; not every system lets a folder be opened.
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if let Ok(folder) = File::open(folder) {
            folder.sync_all().ok();
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.renamed {
            fs::remove_file(&self.temporary).ok();
        }
    }
}

/// A file that is hashed and counted as it is written.
struct Hashed {
    file: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.digest.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The rows of a shard, in order. Ends after the first error.
pub struct ShardReader {
    source: Source,
    path: PathBuf,
}

enum Source {
    Parquet(Box<ParquetSource>, std::vec::IntoIter<Row>),
    Jsonl { file: BufReader<File>, line: u64 },
    Safetensors(Box<SafetensorsSource>),
    Done,
}

/// Opens a shard. A name that ends in `.parquet` or `.safetensors`, or such a file's first bytes, tell the format; all
/// else is JSON lines.
pub fn read_shard(path: &Path) -> Result<ShardReader> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(|e| Error::io(path, e))?);
    let start = file.fill_buf().map_err(|e| Error::io(path, e))?;
    let named = |ending: &str| path.extension().is_some_and(|found| found == ending);
    let source = if start.starts_with(b"PAR1") || named("parquet") {
        let source = ParquetSource::open(file.into_inner()).map_err(|e| parquet_error(path, e))?;
        Source::Parquet(Box::new(source), Vec::new().into_iter())
    } else if starts_like_one(start) || named("safetensors") {
        Source::Safetensors(Box::new(SafetensorsSource::open(path)?))
    } else {
        Source::Jsonl { file, line: 0 }
    };
    Ok(ShardReader { source, path: path.to_path_buf() })
}

impl Iterator for ShardReader {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.source.next(&self.path);
        if !matches!(next, Some(Ok(_))) {
            self.source = Source::Done;
        }
        next
    }
}

impl Source {
    fn next(&mut self, path: &Path) -> Option<Result<Row>> {
        match self {
            Self::Parquet(file, rows) => loop {
                if let Some(row) = rows.next() {
                    return Some(Ok(row));
                }
                match file.group()? {
                    Ok(group) => *rows = group.into_iter(),
                    Err(e) => return Some(Err(parquet_error(path, e))),
                }
            },
            Self::Jsonl { file, line } => {
                let mut text = String::new();
                *line += 1;
                match file.read_line(&mut text) {
                    Ok(0) => None,
                    Ok(_) => {
                        Some(serde_json::from_str(&text).map_err(|e| Error::Shard {
                            path: path.to_path_buf(),
                            reason: format!("line {line}: {e}"),
                        }))
                    }
                    Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                        Some(Err(Error::Shard { path: path.to_path_buf(), reason: format!("line {line}: not UTF-8") }))
                    }
                    Err(e) => Some(Err(Error::io(path, e))),
                }
            }
            Self::Safetensors(file) => file.row(path),
            Self::Done => None,
        }
    }
}

/// The size and SHA-256 of a file, to compare with a manifest.
pub fn file_digest(path: &Path) -> Result<(u64, String)> {
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((bytes, hex(digest))),
            Ok(n) => {
                digest.update(&buffer[..n]);
                bytes += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io(path, e)),
        }
    }
}

fn parquet_error(path: &Path, error: ParquetError) -> Error {
    let damaged = |reason: String| Error::Shard { path: path.to_path_buf(), reason };
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => Error::io(path, *cause),
            Err(cause) => damaged(cause.to_string()),
        },
        other => damaged(other.to_string()),
    }
}
