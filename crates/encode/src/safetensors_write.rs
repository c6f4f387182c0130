//! Safetensors, written a row at a time in flat memory: each tensor goes to a file of its own, and the files are joined
//! behind the header once all lengths are known.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::row::RowRef;
use crate::safetensors::{COUNT, Header, TENSORS, at, check_constants, constants};
use crate::{Error, Result};

/// A safetensors file in the making. `W` is given back by [`SafetensorsShard::finish`].
pub(crate) struct SafetensorsShard<W: Write> {
    output: W,
    tensors: Vec<Spool>,
    constants: Option<[(&'static str, String); 7]>,
    path: PathBuf,
}

impl<W: Write> SafetensorsShard<W> {
    /// Begins the shard `path`, whose tensors are gathered in `<path>.<tensor>.tmp`.
    pub(crate) fn new(output: W, path: &Path) -> Result<Self> {
        let tensors = TENSORS.iter().map(|tensor| Spool::create(path, tensor.name)).collect::<Result<_>>()?;
        let mut shard = Self { output, tensors, constants: None, path: path.to_path_buf() };
        for offsets in [at::OFFSETS, at::PROMPT_OFFSETS, at::COMPLETION_OFFSETS, at::ORACLE_OFFSETS] {
            shard.put(offsets, [0_i64.to_le_bytes()])?;
        }
        Ok(shard)
    }

    /// Takes a validated row. [`Error::Column`] if it differs where rows must be the same; then nothing is written.
    pub(crate) fn push(&mut self, row: &RowRef<'_>) -> Result<()> {
        match &self.constants {
            Some(first) => check_constants(first, row)?,
            None => self.constants = Some(constants(row)),
        }
        self.put(at::INPUT_IDS, row.input_ids.iter().map(|id| id.to_le_bytes()))?;
        self.put(at::LABELS, row.labels.iter().map(|label| label.to_le_bytes()))?;
        self.end(at::INPUT_IDS, at::OFFSETS)?;
        self.put_bytes(at::PROMPT, row.prompt.as_bytes())?;
        self.end(at::PROMPT, at::PROMPT_OFFSETS)?;
        self.put_bytes(at::COMPLETION, row.completion.as_bytes())?;
        self.end(at::COMPLETION, at::COMPLETION_OFFSETS)?;
        self.put(at::TASK_INDEX, [row.task.index.to_le_bytes()])?;
        self.put(at::HORIZON, [row.horizon.to_le_bytes()])?;
        self.put_bytes(at::ORACLE_ACTIONS, row.oracle_actions)?;
        self.put(at::REGRET_BOUNDS, row.regret_bounds.iter().map(|bound| bound.to_le_bytes()))?;
        self.end(at::ORACLE_ACTIONS, at::ORACLE_OFFSETS)
    }

    pub(crate) fn finish(mut self) -> Result<W> {
        let lengths: [u64; COUNT] = std::array::from_fn(|i| self.tensors[i].length);
        let constants = self.constants.take().into_iter().flatten().map(|(key, value)| (key.to_owned(), value));
        let failed = |e| Error::io(&self.path, e);
        self.output.write_all(&Header::new(constants.collect(), &lengths).bytes()).map_err(failed)?;
        for tensor in self.tensors {
            tensor.join(&mut self.output).map_err(failed)?;
        }
        Ok(self.output)
    }

    /// Appends elements to a tensor.
    fn put<const N: usize>(&mut self, tensor: usize, elements: impl IntoIterator<Item = [u8; N]>) -> Result<()> {
        debug_assert_eq!(TENSORS[tensor].width, N as u64);
        let spool = &mut self.tensors[tensor];
        for element in elements {
            spool.file.write_all(&element).map_err(|e| Error::io(&spool.path, e))?;
            spool.length += 1;
        }
        Ok(())
    }

    /// Appends elements of one byte.
    fn put_bytes(&mut self, tensor: usize, bytes: &[u8]) -> Result<()> {
        debug_assert_eq!(TENSORS[tensor].width, 1);
        let spool = &mut self.tensors[tensor];
        spool.length += bytes.len() as u64;
        spool.file.write_all(bytes).map_err(|e| Error::io(&spool.path, e))
    }

    /// Notes in `offsets` that a row's part of `tensor` ends here.
    fn end(&mut self, tensor: usize, offsets: usize) -> Result<()> {
        let end = self.tensors[tensor].length.cast_signed();
        self.put(offsets, [end.to_le_bytes()])
    }
}

/// One tensor on disk; the file is removed with it.
struct Spool {
    file: BufWriter<File>,
    path: PathBuf,
    /// In elements.
    length: u64,
}

impl Spool {
    fn create(shard: &Path, tensor: &str) -> Result<Self> {
        let mut path = shard.as_os_str().to_owned();
        path.push(format!(".{tensor}.tmp"));
        let path = PathBuf::from(path);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.map_err(|e| Error::io(&path, e))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 16, file), path, length: 0 })
    }

    fn join(mut self, output: &mut impl Write) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(0))?;
        io::copy(file, output).map(|_| ())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        fs::remove_file(&self.path).ok();
    }
}
