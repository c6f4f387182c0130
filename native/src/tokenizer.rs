//! Tokenizers.

use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::Uint32Array;
use napi_derive::napi;
use tiresias_encode::{self as core, BpeTokenizer};

use crate::errors::{Result, from_encode};

/// A tokenizer of a pretrained model. Adds no special tokens.
#[napi]
#[derive(Clone)]
pub struct Tokenizer(pub(crate) Arc<dyn core::Tokenizer>);

#[napi]
impl Tokenizer {
    /// From the vocabulary and merges inside a GGUF model file.
    #[napi(factory)]
    pub fn from_gguf(path: String) -> Result<Self> {
        BpeTokenizer::from_gguf(Path::new(&path)).map(|t| Self(Arc::new(t))).map_err(from_encode)
    }

    /// From a Hugging Face `tokenizer.json`.
    #[napi(factory)]
    pub fn from_json(path: String) -> Result<Self> {
        BpeTokenizer::from_json(Path::new(&path)).map(|t| Self(Arc::new(t))).map_err(from_encode)
    }

    /// The ids of a text.
    #[napi]
    pub fn encode(&self, text: String) -> Result<Uint32Array> {
        self.0.encode(&text).map(Uint32Array::new).map_err(from_encode)
    }

    /// The text of ids.
    #[napi]
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.0.decode(ids).map_err(from_encode)
    }

    /// A short name.
    #[napi(getter)]
    pub fn name(&self) -> String {
        self.0.name().into()
    }

    /// SHA-256 of the data that define it.
    #[napi(getter)]
    pub fn sha256(&self) -> String {
        self.0.sha256()
    }
}
