//! Encoding: tokenizers, templates, few-shot examples and dataset shards.
//!
//! A [`Template`] says how trajectories become text, a [`Tokenizer`] says which ids the text has, and an [`Encoder`],
//! compiled once from the two, writes the ids without running the tokenizer again: every decimal digit is one id and
//! every maximal run of other characters is one literal. Compiling *proves* that this is exact for the tokenizer at
//! hand, or fails and names the neighbours that merge. A [`ShardWriter`] puts examples on disk, a [`ShardReader`] reads
//! them back.
//!
//! The crate takes slices and returns owned values.
#![forbid(unsafe_code)]

mod bpe;
mod compact;
mod encoder;
mod error;
mod gguf;
mod gguf_tokenizer;
mod joints;
mod list_column;
mod parquet_read;
mod parquet_write;
mod pre_tokenizer;
mod proof;
mod row;
mod safetensors;
mod safetensors_read;
mod safetensors_write;
mod sample;
mod schema;
mod shard;
mod table;
mod template;
mod text;
mod tokenizer;

pub use bpe::BpeTokenizer;
pub use compact::CompactTokenizer;
pub use encoder::{Encoder, IGNORED, LossOn};
pub use error::Error;
pub use gguf::{GgufMetadata, GgufValue};
pub use row::{Row, RowRef, Task, TaskRef};
pub use shard::{ShardFormat, ShardReader, ShardSummary, ShardWriter, file_digest, read_shard};
pub use table::SymbolKind;
pub use template::{Dims, QueryReward, Template, Trajectory};
pub use text::ExampleText;
pub use tokenizer::Tokenizer;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;
