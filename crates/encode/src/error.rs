//! Every way in which encoding can fail.

use std::io;
use std::path::{Path, PathBuf};

/// Everything that can go wrong in this crate. Every variant names the offending value and, where one exists, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A GGUF file ends early, lies about a length or holds a value that is not allowed.
    #[error("{path}: not a readable GGUF file at byte {offset}: {reason}", path = path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// Where reading stopped, in bytes from the start of the file.
        offset: u64,
        /// What was found and what was expected.
        reason: String,
    },
    /// A GGUF file holds no tokenizer that this crate can build.
    #[error("{path}: unsupported tokenizer: {reason}", path = path.display())]
    UnsupportedTokenizer {
        /// The file.
        path: PathBuf,
        /// What was found and what is supported.
        reason: String,
    },
    /// A tokenizer could not be built, or refused a text.
    #[error("tokenizer {name}: {reason}")]
    Tokenizer {
        /// The tokenizer's name.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// A template breaks one of its own rules.
    #[error("template: {field}: {reason}")]
    Template {
        /// The field at fault.
        field: &'static str,
        /// The rule and the value that breaks it.
        reason: String,
    },
    /// The tokenizer merges two neighbours of the template, so ids cannot be written piece by piece.
    #[error(
        "tokenizer {tokenizer}: {left:?} followed by {right:?} is {together:?} in a text but {apart:?} apart; \
         choose other markers or widths in the template"
    )]
    Merges {
        /// The tokenizer's name.
        tokenizer: String,
        /// The text on the left of the boundary.
        left: String,
        /// The text on the right of the boundary.
        right: String,
        /// The ids of the two in a text.
        together: Vec<u32>,
        /// The ids of the two, each on its own.
        apart: Vec<u32>,
    },
    /// Two different texts of the template have the same ids, as happens to characters that a vocabulary lacks.
    #[error("tokenizer {tokenizer}: {first:?} and {second:?} are both {ids:?} and could not be told apart")]
    Indistinct {
        /// The tokenizer's name.
        tokenizer: String,
        /// One text.
        first: String,
        /// The other text.
        second: String,
        /// The ids of both.
        ids: Vec<u32>,
    },
    /// An action symbol is not one id, so there is no single position to predict.
    #[error("tokenizer {tokenizer}: the action {action:?} is {ids:?}, but an action must be exactly one token")]
    ActionNotOneToken {
        /// The tokenizer's name.
        tokenizer: String,
        /// The action's text.
        action: String,
        /// Its ids.
        ids: Vec<u32>,
    },
    /// An encoded example differs from the tokenizer's own ids although all neighbours are exact.
    #[error("tokenizer {tokenizer}: ids differ from position {position} of the text {text:?}")]
    WholeText {
        /// The tokenizer's name.
        tokenizer: String,
        /// The index of the first id that differs.
        position: usize,
        /// The text that was encoded in two ways.
        text: String,
    },
    /// An observation is not in `0..observations` (or -1 for none).
    #[error("observation {observation} at step {step}: must be -1 (none) or 0..{observations}")]
    Observation {
        /// The observation.
        observation: i32,
        /// The step, from 0.
        step: usize,
        /// How many observations there are.
        observations: usize,
    },
    /// An action is not in `0..actions`.
    #[error("action {action} at step {step}: must be in 0..{actions}")]
    Action {
        /// The action.
        action: u8,
        /// The step, from 0.
        step: usize,
        /// How many actions there are.
        actions: usize,
    },
    /// A reward is not on the template's grid.
    #[error("reward {reward} at step {step}: {reward} * {scale} is not a whole number to 1e-6; change reward_scale")]
    RewardOffGrid {
        /// The reward.
        reward: f64,
        /// The step, from 0.
        step: usize,
        /// The template's scale.
        scale: f64,
    },
    /// A reward is on the grid but does not fit its field.
    #[error(
        "reward {reward} at step {step}: its symbol {symbol} does not fit 0..{limit}; change reward_offset or reward_width"
    )]
    RewardRange {
        /// The reward.
        reward: f64,
        /// The step, from 0.
        step: usize,
        /// The reward's symbol.
        symbol: f64,
        /// The first symbol that does not fit.
        limit: usize,
    },
    /// Slices that must be equally long are not, or a trajectory has no step.
    #[error("{what}: {reason}")]
    Shape {
        /// What was given.
        what: &'static str,
        /// The lengths.
        reason: String,
    },
    /// A value of a dataset row does not fit its column.
    #[error("column {column}: {reason}")]
    Column {
        /// The column.
        column: &'static str,
        /// The value and the rule.
        reason: String,
    },
    /// No space is left on the device.
    #[error("{path}: no space left on the device; nothing was written under the final name", path = path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The file may not be read or written.
    #[error("{path}: permission denied", path = path.display())]
    Permission {
        /// The file.
        path: PathBuf,
    },
    /// Any other failure of the file system.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A shard is damaged or is not one of this project's.
    #[error("{path}: not a readable shard: {reason}", path = path.display())]
    Shard {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
}

impl Error {
    /// Sorts an I/O failure on `path` into the variants that a caller treats differently.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Permission { path },
            _ => Self::Io { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_callers_treat_differently_are_told_apart() {
        let sorted = |kind: io::ErrorKind| Error::io(Path::new("shard"), kind.into());
        assert!(matches!(sorted(io::ErrorKind::StorageFull), Error::DiskFull { .. }));
        assert!(matches!(sorted(io::ErrorKind::QuotaExceeded), Error::DiskFull { .. }));
        assert!(matches!(sorted(io::ErrorKind::PermissionDenied), Error::Permission { .. }));
        assert!(matches!(sorted(io::ErrorKind::ReadOnlyFilesystem), Error::Permission { .. }));
        assert!(matches!(sorted(io::ErrorKind::NotFound), Error::Io { .. }));
    }
}
