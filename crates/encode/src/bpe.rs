//! The tokenizer of a language model, from its GGUF file or its `tokenizer.json`.

use std::path::Path;

use sha2::{Digest, Sha256};
use tiresias_text::Unmarked;
use tokenizers::ModelWrapper;

use crate::gguf::GgufMetadata;
use crate::gguf_tokenizer::{self, Built};
use crate::tokenizer::{Tokenizer, hex};
use crate::{Error, Result};

/// A model's tokenizer, run by the Hugging Face `tokenizers` library.
pub struct BpeTokenizer {
    inner: tokenizers::Tokenizer,
    name: String,
    sha256: String,
    beginning: Vec<u32>,
    whole_texts: Vec<String>,
}

impl BpeTokenizer {
    /// The tokenizer of a base model: of a GGUF file by its own metadata, of a folder by the `tokenizer.json` in it.
    pub fn from_base(path: &Path) -> Result<Self> {
        if path.is_dir() { Self::from_json(&path.join("tokenizer.json")) } else { Self::from_gguf(path) }
    }

    /// The tokenizer in a GGUF file: byte-level BPE (`tokenizer.ggml.model` = `gpt2`) with a pre-tokenizer whose
    /// splits are known (`tokenizer.ggml.pre`: `smollm`, `gpt-2`, `llama-bpe`, `qwen2` and others), or `SentencePiece`
    /// BPE with byte fallback (`llama`: Llama 2, Gemma). Any other is an [`Error::UnsupportedTokenizer`]; give such a
    /// model's `tokenizer.json` instead.
    pub fn from_gguf(path: &Path) -> Result<Self> {
        Self::from_metadata(&GgufMetadata::open(path)?, path)
    }

    /// As [`BpeTokenizer::from_gguf`], from metadata already read; `path` is only for messages.
    pub fn from_metadata(metadata: &GgufMetadata, path: &Path) -> Result<Self> {
        let Built { tokenizer, beginning, sha256 } = gguf_tokenizer::build(metadata, path)?;
        Ok(Self::new(tokenizer, metadata.text("general.name").unwrap_or("gguf"), sha256, beginning))
    }

    /// The tokenizer in a Hugging Face `tokenizer.json` whose model is BPE without dropout. Padding and truncation that
    /// the file asks for are switched off.
    pub fn from_json(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let name = path.parent().and_then(Path::file_name).unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self::from_json_bytes(&bytes, &name)
    }

    /// As [`BpeTokenizer::from_json`], from the file's bytes.
    pub fn from_json_bytes(bytes: &[u8], name: &str) -> Result<Self> {
        let refuse = |reason: String| Error::Tokenizer { name: name.to_owned(), reason };
        // The library panics on some broken files.
        let read = std::panic::catch_unwind(|| tokenizers::Tokenizer::from_bytes(bytes.unmarked()));
        let read =
            read.map_err(|_| refuse("it is broken in a way that the `tokenizers` library has no words for".into()))?;
        let mut inner = read.map_err(|e| refuse(e.to_string()))?;
        // The proof that pieces stay apart rests on merges between neighbours; Unigram and WordPiece have none.
        match inner.get_model() {
            ModelWrapper::BPE(bpe) if bpe.dropout.unwrap_or(0.0) > 0.0 => {
                return Err(refuse("its model drops merges at random; set dropout to null".into()));
            }
            ModelWrapper::BPE(_) => {}
            _ => return Err(refuse("its model is not BPE, and no other kind is supported".into())),
        }
        inner.with_truncation(None).map_err(|e| refuse(e.to_string()))?;
        inner.with_padding(None);
        let mut digest = Sha256::new();
        digest.update(bytes);
        let beginning = beginning(&inner).map_err(|e| refuse(e.to_string()))?;
        Ok(Self::new(inner, name, hex(digest), beginning))
    }

    fn new(inner: tokenizers::Tokenizer, name: &str, sha256: String, beginning: Vec<u32>) -> Self {
        let whole_texts = whole_texts(&inner);
        Self { inner, name: name.to_owned(), sha256, beginning, whole_texts }
    }

    fn failed(&self, error: &tokenizers::Error) -> Error {
        Error::Tokenizer { name: self.name.clone(), reason: error.to_string() }
    }
}

/// What a token takes in the tables of the library, an estimate.
const A_TOKEN: usize = 300;

impl Tokenizer for BpeTokenizer {
    fn bytes(&self) -> usize {
        // The library's tables, which it does not let anybody measure: an id and its text each way, and about one merge an id.
        A_TOKEN * self.vocabulary_size()
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, false).map_err(|e| self.failed(&e))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, false).map_err(|e| self.failed(&e))
    }

    fn sha256(&self) -> String {
        self.sha256.clone()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    fn beginning_of_text(&self) -> &[u32] {
        &self.beginning
    }

    fn whole_texts(&self) -> &[String] {
        &self.whole_texts
    }
}

/// What the file's post-processor puts before a text.
fn beginning(inner: &tokenizers::Tokenizer) -> tokenizers::Result<Vec<u32>> {
    let [bare, whole] =
        [inner.encode_fast("0", false)?, inner.encode_fast("0", true)?].map(|encoding| encoding.get_ids().to_vec());
    // What it puts behind the text is not ours: a context goes on.
    let before = (0..=whole.len().saturating_sub(bare.len())).find(|at| whole[*at..].starts_with(&bare)).unwrap_or(0);
    Ok(whole[..before].to_vec())
}

/// The texts that come out as one token wherever they stand, and that hold a digit: added tokens and, where the model
/// looks whole words up before it merges, all its words.
fn whole_texts(inner: &tokenizers::Tokenizer) -> Vec<String> {
    let added = inner.get_added_tokens_decoder().into_values().map(|token| token.content);
    let mut texts: Vec<String> = added.collect();
    if let ModelWrapper::BPE(bpe) = inner.get_model()
        && bpe.ignore_merges
    {
        let words = inner.get_vocab(false).into_iter().filter(|(word, _)| reaches_over_digits(word));
        texts.extend(words.filter_map(|(_, id)| inner.decode(&[id], false).ok()));
    }
    texts.retain(|text| reaches_over_digits(text));
    // The map's order is random; errors should not be.
    texts.sort();
    texts
}

fn reaches_over_digits(text: &str) -> bool {
    text.len() > 1 && text.bytes().any(|byte| byte.is_ascii_digit())
}
