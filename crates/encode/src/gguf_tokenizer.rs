//! The tokenizers that GGUF files hold, put together from the parts of the Hugging Face `tokenizers` library.

use std::cmp::Ordering;
use std::path::Path;

use sha2::{Digest, Sha256};
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Prepend, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::{AddedToken, Tokenizer};

use crate::gguf::GgufMetadata;
use crate::pre_tokenizer;
use crate::tokenizer::{feed, hex};
use crate::{Error, Result};

/// GGUF's token types.
mod kind {
    pub(super) const NORMAL: i64 = 1;
    pub(super) const CONTROL: i64 = 3;
    pub(super) const USER_DEFINED: i64 = 4;
    pub(super) const UNUSED: i64 = 5;
}

/// The mark that `SentencePiece` writes for a space.
const MARK: &str = "\u{2581}";

/// What a file's metadata describe.
pub(crate) struct Built {
    pub(crate) tokenizer: Tokenizer,
    /// The ids that stand at the beginning of a context.
    pub(crate) beginning: Vec<u32>,
    /// Of the data that it is made of.
    pub(crate) sha256: String,
}

/// Builds the tokenizer that the metadata describe.
pub(crate) fn build(metadata: &GgufMetadata, path: &Path) -> Result<Built> {
    let source = Source { metadata, path };
    match source.text("tokenizer.ggml.model")? {
        "gpt2" => source.byte_level(),
        "llama" => source.sentence_piece(),
        other => Err(source.refuse(format!(
            "tokenizer.ggml.model is {other:?}, and only \"gpt2\" (byte-level BPE) and \"llama\" (SentencePiece BPE) \
             are supported; use the model's tokenizer.json"
        ))),
    }
}

struct Source<'a> {
    metadata: &'a GgufMetadata,
    path: &'a Path,
}

impl<'a> Source<'a> {
    fn refuse(&self, reason: String) -> Error {
        Error::UnsupportedTokenizer { path: self.path.to_path_buf(), reason }
    }

    fn failed(&self, error: &tokenizers::Error) -> Error {
        self.refuse(error.to_string())
    }

    fn text(&self, key: &str) -> Result<&'a str> {
        self.metadata.text(key).ok_or_else(|| self.refuse(format!("{key} is missing")))
    }

    fn texts(&self, key: &str) -> Result<Vec<&'a str>> {
        self.metadata.texts(key).ok_or_else(|| self.refuse(format!("{key} is missing or no list of texts")))
    }

    /// Byte-level BPE with written merges.
    fn byte_level(&self) -> Result<Built> {
        let name = self.text("tokenizer.ggml.pre")?;
        let pre = pre_tokenizer::named(name).ok_or_else(|| {
            self.refuse(format!(
                "tokenizer.ggml.pre is {name:?}, and how that splits a text is not known here; use the model's tokenizer.json"
            ))
        })?;
        let split = pre.steps().map_err(|e| self.failed(&e))?;
        let tokens = self.texts("tokenizer.ggml.tokens")?;
        let merges = self.texts("tokenizer.ggml.merges")?;
        let mut digest = digest(&format!("gguf gpt2 {name}"), &tokens, &merges);
        let beginning = self.beginning(pre.beginning, None, &tokens)?;
        feed_beginning(&mut digest, &beginning);

        let pairs: Option<Merges> =
            merges.iter().map(|merge| merge.split_once(' ').map(|(l, r)| (l.into(), r.into()))).collect();
        let pairs = pairs.ok_or_else(|| self.refuse("a merge is not two tokens with a space between".into()))?;
        let model = BPE::builder()
            .vocab_and_merges(vocabulary(&tokens), pairs)
            // Llama 3's vocabulary holds whole words that its merges do not reach.
            .ignore_merges(pre.whole_words)
            .build()
            .map_err(|e| self.failed(&e))?;
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_pre_tokenizer(Some(PreTokenizers::new(split)));
        tokenizer.with_decoder(Some(ByteLevel::default()));
        self.add_whole_texts(&mut tokenizer, &tokens);
        Ok(Built { tokenizer, beginning, sha256: hex(digest) })
    }

    /// `SentencePiece`'s BPE: the neighbours whose union has the highest score merge first; a character outside the
    /// vocabulary becomes its bytes; a mark stands before the text and for every space.
    fn sentence_piece(&self) -> Result<Built> {
        for key in ["tokenizer.ggml.precompiled_charsmap", "tokenizer.ggml.remove_extra_whitespaces"] {
            let asked = match self.metadata.get(key) {
                None => false,
                Some(value) => self.metadata.flag(key) != Some(false) && !value.is_empty_array(),
            };
            if asked {
                return Err(self.refuse(format!("{key} is set, which rewrites the text and is not supported")));
            }
        }
        let tokens = self.texts("tokenizer.ggml.tokens")?;
        let numbers = |key: &str| self.refuse(format!("{key} is missing or not one number a token"));
        let scores = self.metadata.floats("tokenizer.ggml.scores").filter(|list| list.len() == tokens.len());
        let scores = scores.ok_or_else(|| numbers("tokenizer.ggml.scores"))?;
        let kinds = self.metadata.integers("tokenizer.ggml.token_type").filter(|list| list.len() == tokens.len());
        let kinds = kinds.ok_or_else(|| numbers("tokenizer.ggml.token_type"))?;
        let prefix = self.metadata.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
        let unknown = match self.metadata.get("tokenizer.ggml.unknown_token_id") {
            Some(crate::GgufValue::Unsigned(id)) => *id as usize,
            _ => 0,
        };
        let unknown = tokens.get(unknown).ok_or_else(|| self.refuse("the unknown token is no token".into()))?;

        let mut digest = digest(&format!("gguf llama {prefix}"), &tokens, &[unknown]);
        scores.iter().for_each(|score| digest.update(score.to_le_bytes()));
        kinds.iter().for_each(|kind| digest.update(kind.to_le_bytes()));
        let beginning = self.beginning(true, Some(1), &tokens)?;
        feed_beginning(&mut digest, &beginning);

        let model = BPE::builder()
            .vocab_and_merges(vocabulary(&tokens), self.scored_merges(&tokens, &scores, &kinds)?)
            .unk_token((*unknown).to_owned())
            .fuse_unk(true)
            .byte_fallback(true)
            .build()
            .map_err(|e| self.failed(&e))?;
        let literal = |text: &str| ReplacePattern::String(text.into());
        let mark = Replace::new(literal(" "), MARK).map_err(|e| self.failed(&e))?;
        let space = Replace::new(literal(MARK), " ").map_err(|e| self.failed(&e))?;
        let mut normalizers = vec![mark.into()];
        let mut decoders = vec![space.into(), ByteFallback::new().into(), Fuse::new().into()];
        if prefix {
            normalizers.insert(0, Prepend::new(MARK.into()).into());
            decoders.push(Strip::new(' ', 1, 0).into());
        }
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_normalizer(Some(Normalizers::new(normalizers)));
        tokenizer.with_decoder(Some(Decoders::new(decoders)));
        self.add_whole_texts(&mut tokenizer, &tokens);
        Ok(Built { tokenizer, beginning, sha256: hex(digest) })
    }

    /// The beginning-of-text token, if contexts begin with one: as the file says, else by `usual`, the habit of its kind.
    fn beginning(&self, usual: bool, usual_id: Option<u64>, tokens: &[&str]) -> Result<Vec<u32>> {
        if !self.metadata.flag("tokenizer.ggml.add_bos_token").unwrap_or(usual) {
            return Ok(Vec::new());
        }
        let id = match self.metadata.get("tokenizer.ggml.bos_token_id") {
            Some(crate::GgufValue::Unsigned(id)) => Some(*id),
            _ => usual_id,
        };
        match id {
            Some(id) if (id as usize) < tokens.len() => Ok(vec![id as u32]),
            Some(id) => Err(self.refuse(format!("tokenizer.ggml.bos_token_id is {id}, which is no token"))),
            None => Err(self.refuse(
                "contexts are to begin with the beginning-of-text token, and tokenizer.ggml.bos_token_id is missing; \
                 use the model's tokenizer.json"
                    .into(),
            )),
        }
    }

    /// Every split of every piece into two others, best score first. Of equal scores `SentencePiece` merges the leftmost.
    /// Splits of one piece have its score, and so do, in Llama 2, all runs of marks: for these, the longer left part
    /// first is the leftmost, as a run grows from its left. Two other pieces of one score have no such order.
    fn scored_merges(&self, tokens: &[&str], scores: &[f64], kinds: &[i64]) -> Result<Merges> {
        let merges = |id: usize| matches!(kinds[id], kind::NORMAL | kind::UNUSED);
        let pieces: std::collections::HashSet<&str> =
            (0..tokens.len()).filter(|id| merges(*id)).map(|id| tokens[id]).collect();
        let mut splits: Vec<(f64, &str, &str)> = Vec::new();
        for id in (0..tokens.len()).filter(|id| merges(*id)) {
            let piece = tokens[id];
            let halves = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
            let known = halves.filter(|(left, right)| pieces.contains(left) && pieces.contains(right));
            splits.extend(known.map(|(left, right)| (scores[id], left, right)));
        }
        let lengths = |left: &str, right: &str| (left.chars().count(), right.chars().count());
        splits.sort_by(|a, b| {
            b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then_with(|| lengths(b.1, b.2).cmp(&lengths(a.1, a.2)))
        });
        for pair in splits.windows(2) {
            let [first, second] = [pair[0], pair[1]].map(|(_, left, right)| format!("{left}{right}"));
            let marks = |piece: &str| piece.replace(MARK, "").is_empty();
            let ordered = first == second || (marks(&first) && marks(&second));
            // Written so that NaN is refused too.
            if pair[0].0.partial_cmp(&pair[1].0) != Some(Ordering::Greater) && !ordered {
                return Err(self.refuse(format!(
                    "{first:?} and {second:?} have the same score or none, so which merges first depends on the text; \
                     use the model's tokenizer.json"
                )));
            }
        }
        Ok(splits.into_iter().map(|(_, left, right)| (left.into(), right.into())).collect())
    }

    /// Control tokens and tokens that a user added are matched as whole texts.
    fn add_whole_texts(&self, tokenizer: &mut Tokenizer, tokens: &[&str]) {
        let kinds = self.metadata.integers("tokenizer.ggml.token_type").unwrap_or_default();
        let whole = tokens.iter().zip(&kinds).filter(|(_, k)| matches!(**k, kind::CONTROL | kind::USER_DEFINED));
        let added: Vec<AddedToken> = whole.map(|(token, _)| AddedToken::from(*token, true)).collect();
        tokenizer.add_special_tokens(&added);
    }
}

/// A tokenizer whose contexts begin with nothing has the digest that it had before there were beginnings.
fn feed_beginning(digest: &mut Sha256, beginning: &[u32]) {
    if !beginning.is_empty() {
        feed(digest, &format!("beginning {beginning:?}"));
    }
}

fn vocabulary(tokens: &[&str]) -> Vocab {
    tokens.iter().zip(0..).map(|(token, id)| ((*token).to_owned(), id)).collect()
}

fn digest(kind: &str, tokens: &[&str], more: &[&str]) -> Sha256 {
    let mut digest = Sha256::new();
    feed(&mut digest, kind);
    digest.update((tokens.len() as u64).to_le_bytes());
    tokens.iter().chain(more).for_each(|text| feed(&mut digest, text));
    digest
}
