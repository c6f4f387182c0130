//! The native vocabulary: one id a symbol, for models trained from scratch.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::tokenizer::{Tokenizer, feed, hex};
use crate::{Error, Result, Template};

/// Ids 0 to 9 are the digits; from 10 on, one id for each distinct literal (maximal run of non-digits) of the templates
/// it was made for, in a fixed order. Text with any other literal is an error.
#[derive(Debug, Clone)]
pub struct CompactTokenizer {
    literals: Vec<String>,
    ids: HashMap<String, u32>,
}

impl CompactTokenizer {
    /// The vocabulary of all literals of `templates`, in the order of the templates. Several regimes can share one.
    pub fn new(templates: &[Template]) -> Result<Self> {
        let mut tokenizer = Self { literals: Vec::new(), ids: HashMap::new() };
        for template in templates {
            template.validate()?;
            for joint in template.joints().all() {
                let next = 10 + tokenizer.literals.len() as u32;
                if !tokenizer.ids.contains_key(&joint.text) {
                    tokenizer.ids.insert(joint.text.clone(), next);
                    tokenizer.literals.push(joint.text);
                }
            }
        }
        Ok(tokenizer)
    }

    fn error(&self, reason: String) -> Error {
        Error::Tokenizer { name: self.name().into(), reason }
    }
}

impl Tokenizer for CompactTokenizer {
    fn bytes(&self) -> usize {
        self.literals.iter().map(|literal| 2 * literal.len() + 80).sum()
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.bytes().next() {
            if first.is_ascii_digit() {
                ids.push(u32::from(first - b'0'));
                rest = &rest[1..];
                continue;
            }
            let (literal, after) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
            let id = self.ids.get(literal).ok_or_else(|| self.error(format!("no id for the literal {literal:?}")))?;
            ids.push(*id);
            rest = after;
        }
        Ok(ids)
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut text = String::new();
        for &id in ids {
            match id {
                0..=9 => text.push(char::from(b'0' + id as u8)),
                _ => text.push_str(
                    self.literals
                        .get(id as usize - 10)
                        .ok_or_else(|| self.error(format!("no symbol has the id {id}")))?,
                ),
            }
        }
        Ok(text)
    }

    fn sha256(&self) -> String {
        let mut digest = Sha256::new();
        feed(&mut digest, self.name());
        self.literals.iter().for_each(|literal| feed(&mut digest, literal));
        hex(digest)
    }

    fn name(&self) -> &'static str {
        "compact"
    }

    fn vocabulary_size(&self) -> usize {
        10 + self.literals.len()
    }
}
