//! What the encoder needs of a tokenizer.

use sha2::{Digest, Sha256};

use crate::Result;

/// Turns text into ids and back. No implementation adds a beginning- or end-of-text token to what it encodes; which ids a
/// context of its model begins with it says, and the encoder writes them, once.
pub trait Tokenizer: Send + Sync {
    /// The ids of `text`.
    fn encode(&self, text: &str) -> Result<Vec<u32>>;

    /// The text of `ids`, as well as it can be told.
    fn decode(&self, ids: &[u32]) -> Result<String>;

    /// The SHA-256 of the data that define the tokenizer, 64 lower-case hexadecimal digits.
    fn sha256(&self) -> String;

    /// A short name for messages and manifests.
    fn name(&self) -> &str;

    /// How many ids there are; every id is smaller.
    fn vocabulary_size(&self) -> usize;

    /// Bytes that it takes, nearly.
    fn bytes(&self) -> usize;

    /// The ids that stand at the beginning of every context of the model, before the text's own: the beginning-of-text
    /// token, where the model was trained with one.
    fn beginning_of_text(&self) -> &[u32] {
        &[]
    }

    /// Texts that hold a digit and become one id wherever they stand, before any merging. Such a text can reach over
    /// more than two neighbours of a template, which merging two by two does not show.
    fn whole_texts(&self) -> &[String] {
        &[]
    }
}

/// The digest as lower-case hexadecimal digits.
pub(crate) fn hex(digest: Sha256) -> String {
    digest.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is below 16"));
        }
        text
    })
}

/// Feeds a string so that no two lists of strings share a digest.
pub(crate) fn feed(digest: &mut Sha256, text: &str) {
    digest.update((text.len() as u64).to_le_bytes());
    digest.update(text.as_bytes());
}
