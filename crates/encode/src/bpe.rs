//! The tokenizer of a language model, from its GGUF file or its `tokenizer.json`.

use std::path::Path;

use sha2::{Digest, Sha256};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, PreTokenizerWrapper};

use crate::gguf::GgufMetadata;
use crate::tokenizer::{Tokenizer, feed, hex};
use crate::{Error, Result};

/// GGUF's token types for control tokens and for tokens that a user added: both are matched as whole texts.
const WHOLE_TEXT_TYPES: [i64; 2] = [3, 4];

/// A model's tokenizer, run by the Hugging Face `tokenizers` library.
pub struct BpeTokenizer {
    inner: tokenizers::Tokenizer,
    name: String,
    sha256: String,
}

impl BpeTokenizer {
    /// The tokenizer in a GGUF file: byte-level BPE (`tokenizer.ggml.model` = `gpt2`) with the pre-tokenizer `smollm`.
    /// Any other is an [`Error::UnsupportedTokenizer`]; give such a model's `tokenizer.json` instead.
    pub fn from_gguf(path: &Path) -> Result<Self> {
        Self::from_metadata(&GgufMetadata::open(path)?, path)
    }

    /// As [`BpeTokenizer::from_gguf`], from metadata already read; `path` is only for messages.
    pub fn from_metadata(metadata: &GgufMetadata, path: &Path) -> Result<Self> {
        let refuse = |reason: String| Error::UnsupportedTokenizer { path: path.to_path_buf(), reason };
        let expect = |key: &str, wanted: &str| match metadata.text(key) {
            Some(found) if found == wanted => Ok(()),
            Some(found) => Err(refuse(format!(
                "{key} is {found:?}, and only {wanted:?} is supported; use the model's tokenizer.json"
            ))),
            None => Err(refuse(format!("{key} is missing"))),
        };
        expect("tokenizer.ggml.model", "gpt2")?;
        expect("tokenizer.ggml.pre", "smollm")?;
        let list =
            |key: &str| metadata.texts(key).ok_or_else(|| refuse(format!("{key} is missing or no list of texts")));
        let tokens = list("tokenizer.ggml.tokens")?;
        let merges = list("tokenizer.ggml.merges")?;

        let mut digest = Sha256::new();
        feed(&mut digest, "gguf gpt2 smollm");
        digest.update((tokens.len() as u64).to_le_bytes());
        tokens.iter().chain(&merges).for_each(|text| feed(&mut digest, text));

        let vocabulary: Vocab = tokens.iter().zip(0..).map(|(token, id)| ((*token).to_owned(), id)).collect();
        let mut pairs = Vec::with_capacity(merges.len());
        for merge in merges {
            let (left, right) =
                merge.split_once(' ').ok_or_else(|| refuse(format!("the merge {merge:?} is not two tokens")))?;
            pairs.push((left.to_owned(), right.to_owned()));
        }
        let model = BPE::builder().vocab_and_merges(vocabulary, pairs).build().map_err(|e| refuse(e.to_string()))?;
        let mut inner = tokenizers::Tokenizer::new(model);
        // SmolLM splits every digit off before the usual byte-level rules.
        inner.with_pre_tokenizer(Some(Sequence::new(vec![
            PreTokenizerWrapper::Digits(Digits::new(true)),
            PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, true)),
        ])));
        inner.with_decoder(Some(ByteLevel::default()));
        let types = metadata.integers("tokenizer.ggml.token_type").unwrap_or_default();
        let whole = tokens.iter().zip(&types).filter(|(_, kind)| WHOLE_TEXT_TYPES.contains(kind));
        let added: Vec<AddedToken> = whole.map(|(token, _)| AddedToken::from(*token, true)).collect();
        inner.add_special_tokens(&added);

        let name = metadata.text("general.name").unwrap_or("gguf").to_owned();
        Ok(Self { inner, name, sha256: hex(digest) })
    }

    /// The tokenizer in a Hugging Face `tokenizer.json`, of any kind the `tokenizers` library reads. Padding and
    /// truncation that the file asks for are switched off.
    pub fn from_json(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let name = path.parent().and_then(Path::file_name).unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self::from_json_bytes(&bytes, &name)
    }

    /// As [`BpeTokenizer::from_json`], from the file's bytes.
    pub fn from_json_bytes(bytes: &[u8], name: &str) -> Result<Self> {
        let failed = |e: tokenizers::Error| Error::Tokenizer { name: name.to_owned(), reason: e.to_string() };
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(failed)?;
        inner.with_truncation(None).map_err(failed)?;
        inner.with_padding(None);
        let mut digest = Sha256::new();
        digest.update(bytes);
        Ok(Self { inner, name: name.to_owned(), sha256: hex(digest) })
    }

    fn failed(&self, error: &tokenizers::Error) -> Error {
        Error::Tokenizer { name: self.name.clone(), reason: error.to_string() }
    }
}

impl Tokenizer for BpeTokenizer {
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
}
