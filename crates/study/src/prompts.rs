//! A language model's view of evaluation episodes: few-shot prompts, and the ids that each decision adds.

use tiresias_encode::{Encoder, Tokenizer, Trajectory};

use crate::context::dims;
use crate::{Episodes, StudyError};

/// Rows of ids of different lengths: row `i` is `ids[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ragged {
    /// All rows, one after the other.
    pub ids: Vec<u32>,
    /// Where each row starts, and the end; length rows + 1.
    pub offsets: Vec<u32>,
}

/// Writes what happens in [`Episodes`] in a tokenizer's ids. Any number of views, of any tokenizers, may read the same episodes.
pub struct Prompts {
    encoder: Encoder,
}

impl Prompts {
    /// Proves the encoding for the episodes' template and the tokenizer.
    pub fn new(episodes: &Episodes, tokenizer: &dyn Tokenizer) -> Result<Self, StudyError> {
        let template = episodes.spec().resolve()?.template;
        Ok(Self { encoder: Encoder::compile(&template, tokenizer, dims(episodes.shape()))? })
    }

    /// Bytes that it takes on the heap.
    pub fn bytes(&self) -> usize {
        self.encoder.bytes()
    }

    /// Token id of each action.
    pub fn action_ids(&self) -> &[u32] {
        self.encoder.action_ids()
    }

    /// Each row's few-shot prompt, up to the place of the first action. Only before the first decision.
    pub fn open(&self, episodes: &Episodes) -> Result<Ragged, StudyError> {
        if episodes.stage() > 0 {
            return Err(StudyError::Actions("prompts are for the start of the episodes; reset first".into()));
        }
        let seen = episodes.seen();
        rows(episodes, |row, ids| {
            let support = episodes.support(row);
            let trajectories: Vec<Trajectory<'_>> = (0..support.count())
                .map(|i| {
                    let steps = i * support.horizon..(i + 1) * support.horizon;
                    Trajectory {
                        observations: &support.observations[steps.clone()],
                        actions: &support.actions[steps.clone()],
                        rewards: &support.rewards[steps],
                    }
                })
                .collect();
            self.encoder.push_prompt(&trajectories, seen[row], ids)
        })
    }

    /// The ids from the place of each row's last action up to the place of its next one; empty rows before the first and after the last.
    pub fn next(&self, episodes: &Episodes) -> Result<Ragged, StudyError> {
        let over = episodes.done();
        rows(episodes, |row, ids| match episodes.last(row) {
            Some((action, reward, seen)) if !over => self.encoder.push_step(action, reward, seen, ids),
            _ => Ok(()),
        })
    }
}

fn rows(
    episodes: &Episodes,
    mut push: impl FnMut(usize, &mut Vec<u32>) -> Result<(), tiresias_encode::Error>,
) -> Result<Ragged, StudyError> {
    let mut ragged = Ragged { ids: Vec::new(), offsets: vec![0] };
    for row in 0..episodes.rows() {
        push(row, &mut ragged.ids)?;
        let end = u32::try_from(ragged.ids.len())
            .map_err(|_| StudyError::Spec("more than 2^32 ids: ask for fewer tasks".into()))?;
        ragged.offsets.push(end);
    }
    Ok(ragged)
}
