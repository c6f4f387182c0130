//! Safetensors shards: what the file holds. <https://github.com/huggingface/safetensors#format>
//!
//! Eight bytes with the length of the header, the header (JSON: where each tensor lies, and texts in `__metadata__`),
//! then the tensors, little-endian, without a gap. Here every tensor has one dimension. A list column is flat, with a
//! tensor of `rows + 1` offsets beside it: row `i` is `values[offsets[i]..offsets[i + 1]]`. What is the same in all rows
//! stands once, in `__metadata__`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::row::RowRef;
use crate::{Error, Result};

/// The tensors of a shard in the order of their bytes: the widest first, so that all are aligned.
pub(crate) const TENSORS: [Tensor; COUNT] = [
    Tensor { name: "offsets", dtype: "I64", width: 8 },
    Tensor { name: "prompt_offsets", dtype: "I64", width: 8 },
    Tensor { name: "completion_offsets", dtype: "I64", width: 8 },
    Tensor { name: "oracle_offsets", dtype: "I64", width: 8 },
    Tensor { name: "task_index", dtype: "I64", width: 8 },
    Tensor { name: "regret_bounds", dtype: "F64", width: 8 },
    Tensor { name: "horizon", dtype: "I32", width: 4 },
    Tensor { name: "input_ids", dtype: "I32", width: 4 },
    Tensor { name: "labels", dtype: "I32", width: 4 },
    Tensor { name: "prompt", dtype: "U8", width: 1 },
    Tensor { name: "completion", dtype: "U8", width: 1 },
    Tensor { name: "oracle_actions", dtype: "U8", width: 1 },
];

pub(crate) const COUNT: usize = 12;

/// Positions in [`TENSORS`].
pub(crate) mod at {
    pub(crate) const OFFSETS: usize = 0;
    pub(crate) const PROMPT_OFFSETS: usize = 1;
    pub(crate) const COMPLETION_OFFSETS: usize = 2;
    pub(crate) const ORACLE_OFFSETS: usize = 3;
    pub(crate) const TASK_INDEX: usize = 4;
    pub(crate) const REGRET_BOUNDS: usize = 5;
    pub(crate) const HORIZON: usize = 6;
    pub(crate) const INPUT_IDS: usize = 7;
    pub(crate) const LABELS: usize = 8;
    pub(crate) const PROMPT: usize = 9;
    pub(crate) const COMPLETION: usize = 10;
    pub(crate) const ORACLE_ACTIONS: usize = 11;
}

/// One tensor's name and type; `width` is the bytes of an element.
pub(crate) struct Tensor {
    pub name: &'static str,
    pub dtype: &'static str,
    pub width: u64,
}

/// The header.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    #[serde(rename = "__metadata__")]
    pub constants: BTreeMap<String, String>,
    #[serde(flatten)]
    pub tensors: BTreeMap<String, Info>,
}

/// Where one tensor lies, in bytes behind the header.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Info {
    pub dtype: String,
    pub shape: Vec<u64>,
    pub data_offsets: [u64; 2],
}

impl Header {
    /// The header of tensors with `lengths` elements.
    pub(crate) fn new(constants: BTreeMap<String, String>, lengths: &[u64; COUNT]) -> Self {
        let mut end = 0;
        let tensors = TENSORS.iter().zip(lengths).map(|(tensor, length)| {
            let start = end;
            end += length * tensor.width;
            let info = Info { dtype: tensor.dtype.into(), shape: vec![*length], data_offsets: [start, end] };
            (tensor.name.to_owned(), info)
        });
        let tensors = tensors.collect();
        Self { constants, tensors }
    }

    /// The file's first bytes, up to the first tensor.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).expect("a header is plain data");
        // Spaces behind it keep the tensors aligned.
        json.resize(json.len().next_multiple_of(8), b' ');
        [&(json.len() as u64).to_le_bytes()[..], &json].concat()
    }
}

/// What is the same in all rows, by its key in `__metadata__`.
pub(crate) fn constants(row: &RowRef<'_>) -> [(&'static str, String); 7] {
    [
        ("task.family", row.task.family.to_owned()),
        ("task.split", row.task.split.to_owned()),
        ("task.seed", row.task.seed.to_string()),
        ("regime", row.regime.to_owned()),
        ("behaviour", row.behaviour.to_owned()),
        ("tokenizer_sha", row.tokenizer_sha.to_owned()),
        ("template_sha", row.template_sha.to_owned()),
    ]
}

/// Checks that a row has the constants of the first one.
pub(crate) fn check_constants(first: &[(&'static str, String); 7], row: &RowRef<'_>) -> Result<()> {
    let mut pairs = first.iter().zip(constants(row));
    let Some(((column, wanted), (_, found))) = pairs.find(|((_, wanted), (_, found))| wanted != found) else {
        return Ok(());
    };
    let reason = format!(
        "{found:?} here but {wanted:?} in the first row; a safetensors shard holds one for all its rows, so use \
         another format or one shard for each"
    );
    Err(Error::Column { column, reason })
}
