//! Safetensors shards, read back a row at a time in flat memory: one stream for each tensor.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::row::{Row, Task};
use crate::safetensors::{COUNT, Header, Info, TENSORS, at};
use crate::{Error, Result};

/// No shard's header is longer: it has a fixed set of tensors and seven short texts.
const LONGEST_HEADER: u64 = 1 << 20;

/// Whether a file that starts with `start` can be a safetensors shard.
pub(crate) fn starts_like_one(start: &[u8]) -> bool {
    // No text begins with the zeros that end a small 64-bit number.
    matches!(start, [_, _, _, 0, 0, 0, 0, 0, b'{', ..])
}

/// An open shard.
pub(crate) struct SafetensorsSource {
    tensors: Vec<Stream>,
    rows: u64,
    next: u64,
    /// What all rows share; the rest is empty.
    constants: Row,
    /// The ends of the last row's lists, by the position of their offsets, which are the first four tensors.
    ends: [u64; 4],
}

impl SafetensorsSource {
    /// Opens a shard and checks that it has the tensors of one, and no byte more.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let damaged = |reason: String| Error::Shard { path: path.to_path_buf(), reason };
        let failed = |e| Error::io(path, e);
        let mut file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| damaged("it is too short for a header".into()))?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER.min(size - 8) {
            return Err(damaged(format!("its header of {length} bytes is longer than the file or than any shard's")));
        }
        let mut json = vec![0; length as usize];
        file.read_exact(&mut json).map_err(failed)?;
        let header: Header = serde_json::from_slice(&json).map_err(|e| damaged(format!("header: {e}")))?;

        let mut infos = Vec::with_capacity(COUNT);
        for tensor in &TENSORS {
            let info = header.tensors.get(tensor.name).ok_or_else(|| damaged(format!("no tensor {}", tensor.name)))?;
            let Info { dtype, shape, data_offsets: [start, end] } = info;
            let [elements] = shape[..] else {
                return Err(damaged(format!("the tensor {} has {} dimensions, not 1", tensor.name, shape.len())));
            };
            if dtype != tensor.dtype || end.checked_sub(*start) != elements.checked_mul(tensor.width) {
                return Err(damaged(format!(
                    "the tensor {} of {elements} elements is {dtype} at {start}..{end}, not {}",
                    tensor.name, tensor.dtype
                )));
            }
            infos.push((*start, *end, elements));
        }
        let mut spans: Vec<_> = infos.iter().map(|(start, end, _)| (*start, *end)).collect();
        spans.sort_unstable();
        let end = spans.iter().try_fold(0, |at, (start, end)| (*start == at).then_some(*end));
        if header.tensors.len() != COUNT || end != Some(size - 8 - length) {
            return Err(damaged("its tensors do not fill it from the header to the end".into()));
        }

        let rows = infos[at::HORIZON].2;
        let equal = |tensor: usize, wanted: Option<u64>| {
            if Some(infos[tensor].2) == wanted {
                return Ok(());
            }
            Err(damaged(format!(
                "the tensor {} has {} elements for {rows} rows",
                TENSORS[tensor].name, infos[tensor].2
            )))
        };
        equal(at::TASK_INDEX, Some(rows))?;
        equal(at::LABELS, Some(infos[at::INPUT_IDS].2))?;
        equal(at::REGRET_BOUNDS, Some(infos[at::ORACLE_ACTIONS].2))?;
        for offsets in [at::OFFSETS, at::PROMPT_OFFSETS, at::COMPLETION_OFFSETS, at::ORACLE_OFFSETS] {
            equal(offsets, rows.checked_add(1))?;
        }
        let tensors = infos.iter().map(|(start, _, elements)| {
            let mut file = File::open(path).map_err(failed)?;
            file.seek(SeekFrom::Start(8 + length + start)).map_err(failed)?;
            Ok(Stream { file: BufReader::with_capacity(1 << 15, file), left: *elements })
        });
        let mut source = Self {
            tensors: tensors.collect::<Result<_>>()?,
            rows,
            next: 0,
            constants: if rows == 0 { Row::default() } else { shared(&header, path)? },
            ends: [0; 4],
        };
        for offsets in [at::OFFSETS, at::PROMPT_OFFSETS, at::COMPLETION_OFFSETS, at::ORACLE_OFFSETS] {
            if source.scalar(offsets, path, i64::from_le_bytes)? != 0 {
                return Err(damaged(format!("the tensor {} does not begin with 0", TENSORS[offsets].name)));
            }
        }
        Ok(source)
    }

    /// The next row; `None` after the last.
    pub(crate) fn row(&mut self, path: &Path) -> Option<Result<Row>> {
        (self.next < self.rows).then(|| {
            self.next += 1;
            self.read(path)
        })
    }

    fn read(&mut self, path: &Path) -> Result<Row> {
        let damaged = |reason: &str| Error::Shard { path: path.to_path_buf(), reason: reason.into() };
        let ids = self.length(at::OFFSETS, path)?;
        let signed = self.list(at::INPUT_IDS, ids, path, i32::from_le_bytes)?;
        let input_ids: Result<Vec<u32>, _> = signed.into_iter().map(u32::try_from).collect();
        let labels = self.list(at::LABELS, ids, path, i32::from_le_bytes)?;
        let prompt = self.text(at::PROMPT, at::PROMPT_OFFSETS, path)?;
        let completion = self.text(at::COMPLETION, at::COMPLETION_OFFSETS, path)?;
        let decisions = self.length(at::ORACLE_OFFSETS, path)?;
        let oracle_actions = self.list(at::ORACLE_ACTIONS, decisions, path, u8::from_le_bytes)?;
        let regret_bounds = self.list(at::REGRET_BOUNDS, decisions, path, f64::from_le_bytes)?;
        let index = self.scalar(at::TASK_INDEX, path, i64::from_le_bytes)?;
        let horizon = self.scalar(at::HORIZON, path, i32::from_le_bytes)?;
        if self.next == self.rows && self.tensors.iter().any(|tensor| tensor.left > 0) {
            return Err(damaged("its offsets end before its tensors"));
        }
        let shared = self.constants.clone();
        Ok(Row {
            input_ids: input_ids.map_err(|_| damaged("an id is negative"))?,
            labels,
            prompt,
            completion,
            task: Task {
                index: u64::try_from(index).map_err(|_| damaged("a task's index is negative"))?,
                ..shared.task
            },
            horizon: u32::try_from(horizon).map_err(|_| damaged("a horizon is negative"))?,
            oracle_actions,
            regret_bounds,
            ..shared
        })
    }

    /// How many elements the next row has, by its offsets.
    fn length(&mut self, offsets: usize, path: &Path) -> Result<u64> {
        let end = self.scalar(offsets, path, i64::from_le_bytes)?;
        let begin = self.ends[offsets];
        let length = u64::try_from(end).ok().and_then(|end| end.checked_sub(begin));
        let length = length.ok_or_else(|| Error::Shard {
            path: path.to_path_buf(),
            reason: format!("{} falls from {begin} to {end}", TENSORS[offsets].name),
        })?;
        self.ends[offsets] += length;
        Ok(length)
    }

    fn text(&mut self, tensor: usize, offsets: usize, path: &Path) -> Result<String> {
        let length = self.length(offsets, path)?;
        let bytes = self.list(tensor, length, path, u8::from_le_bytes)?;
        String::from_utf8(bytes).map_err(|_| Error::Shard {
            path: path.to_path_buf(),
            reason: format!("{} is not UTF-8", TENSORS[tensor].name),
        })
    }

    fn scalar<T, const N: usize>(&mut self, tensor: usize, path: &Path, decode: impl Fn([u8; N]) -> T) -> Result<T> {
        let mut list = self.list(tensor, 1, path, decode)?;
        Ok(list.pop().expect("one was read"))
    }

    fn list<T, const N: usize>(
        &mut self,
        tensor: usize,
        length: u64,
        path: &Path,
        decode: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>> {
        let stream = &mut self.tensors[tensor];
        // What is left is bounded by the file's size, so damage costs an error, never memory.
        if length > stream.left {
            let reason = format!("{} ends before its offsets", TENSORS[tensor].name);
            return Err(Error::Shard { path: path.to_path_buf(), reason });
        }
        stream.left -= length;
        let mut bytes = vec![0; length as usize * N];
        stream.file.read_exact(&mut bytes).map_err(|e| Error::io(path, e))?;
        let (elements, _) = bytes.as_chunks::<N>();
        Ok(elements.iter().map(|element| decode(*element)).collect())
    }
}

/// One tensor, as far as it is not read yet.
struct Stream {
    file: BufReader<File>,
    /// In elements.
    left: u64,
}

/// What the header says of all rows.
fn shared(header: &Header, path: &Path) -> Result<Row> {
    let damaged = |key: &str, what: &str| Error::Shard {
        path: path.to_path_buf(),
        reason: format!("the key {key} in __metadata__ is {what}"),
    };
    let text = |key: &str| header.constants.get(key).cloned().ok_or_else(|| damaged(key, "missing"));
    let seed = text("task.seed")?.parse().map_err(|_| damaged("task.seed", "no whole number"))?;
    Ok(Row {
        task: Task { family: text("task.family")?, split: text("task.split")?, seed, index: 0 },
        regime: text("regime")?,
        behaviour: text("behaviour")?,
        tokenizer_sha: text("tokenizer_sha")?,
        template_sha: text("template_sha")?,
        ..Row::default()
    })
}
