//! Parquet files that may be damaged.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length, SerializedFileReader};

/// Opens a file; whatever its bytes are, the worst is an error.
pub fn open(file: File) -> Result<SerializedFileReader<Ending>> {
    guarded(|| SerializedFileReader::new(Ending(file)))
}

/// A file whose end is an error to whoever reads on: the Parquet library passes over a page header's unknown fields without looking whether
/// there are any bytes left, and a damaged header may claim billions.
pub struct Ending(File);

impl Length for Ending {
    fn len(&self) -> u64 {
        Length::len(&self.0)
    }
}

impl ChunkReader for Ending {
    type T = UntilEnd;

    fn get_read(&self, start: u64) -> Result<UntilEnd> {
        self.0.get_read(start).map(UntilEnd)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<bytes::Bytes> {
        self.0.get_bytes(start, length)
    }
}

/// Reads up to the end and fails there.
pub struct UntilEnd(BufReader<File>);

impl Read for UntilEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends within a page")),
            read => Ok(read),
        }
    }
}

/// The Parquet library checks most of what a damaged file can hold, but panics on some of it; both become an error.
/// Nothing that the work could leave half done is looked at afterwards.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(ParquetError::General("a page or the footer is damaged".into())))
}
