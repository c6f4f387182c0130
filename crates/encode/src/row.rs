//! One example as it lies on disk.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Where the example's task comes from, borrowed. A column of four fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TaskRef<'a> {
    /// The task family.
    pub family: &'a str,
    /// `train`, `test`, or the name of an out-of-distribution split.
    pub split: &'a str,
    /// The index of the task in its split; at most `i64::MAX`.
    pub index: u64,
    /// The seed of the data set. Stored as a signed 64-bit column, so at most `i64::MAX`.
    pub seed: u64,
}

/// One row of a shard, borrowed for writing. Its fields are the columns, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RowRef<'a> {
    /// Token ids.
    pub input_ids: &'a [u32],
    /// One label an id; -100 where there is no loss.
    pub labels: &'a [i32],
    /// The text up to and including the query marker.
    pub prompt: &'a str,
    /// The text of the query's steps.
    pub completion: &'a str,
    /// Where the task comes from.
    pub task: TaskRef<'a>,
    /// `mdp`, `pomdp` or `apomdp`.
    pub regime: &'a str,
    /// The number of steps of the query.
    pub horizon: u32,
    /// The policy that gathered the support.
    pub behaviour: &'a str,
    /// The oracle's action at every query step.
    pub oracle_actions: &'a [u8],
    /// An upper bound on what each of these actions gives away, in reward.
    pub regret_bounds: &'a [f64],
    /// SHA-256 of the tokenizer's data.
    pub tokenizer_sha: &'a str,
    /// SHA-256 of the template.
    pub template_sha: &'a str,
}

/// As [`TaskRef`], owned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of TaskRef")]
pub struct Task {
    pub family: String,
    pub split: String,
    pub index: u64,
    pub seed: u64,
}

/// As [`RowRef`], owned: what reading a shard gives.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of RowRef")]
pub struct Row {
    pub input_ids: Vec<u32>,
    pub labels: Vec<i32>,
    pub prompt: String,
    pub completion: String,
    pub task: Task,
    pub regime: String,
    pub horizon: u32,
    pub behaviour: String,
    pub oracle_actions: Vec<u8>,
    pub regret_bounds: Vec<f64>,
    pub tokenizer_sha: String,
    pub template_sha: String,
}

impl Row {
    /// The row as it is written.
    pub fn borrowed(&self) -> RowRef<'_> {
        RowRef {
            input_ids: &self.input_ids,
            labels: &self.labels,
            prompt: &self.prompt,
            completion: &self.completion,
            task: TaskRef {
                family: &self.task.family,
                split: &self.task.split,
                index: self.task.index,
                seed: self.task.seed,
            },
            regime: &self.regime,
            horizon: self.horizon,
            behaviour: &self.behaviour,
            oracle_actions: &self.oracle_actions,
            regret_bounds: &self.regret_bounds,
            tokenizer_sha: &self.tokenizer_sha,
            template_sha: &self.template_sha,
        }
    }
}

impl RowRef<'_> {
    /// Checks what the columns' types and both formats can hold.
    pub(crate) fn validate(&self) -> Result<()> {
        let refuse = |column, reason| Err(Error::Column { column, reason });
        if self.labels.len() != self.input_ids.len() {
            return refuse("labels", format!("{} labels for {} ids", self.labels.len(), self.input_ids.len()));
        }
        // A maximum is found many ids at a time, a search is not.
        if let Some(id) = self.input_ids.iter().max().filter(|id| i32::try_from(**id).is_err()) {
            return refuse("input_ids", format!("the id {id} does not fit 32 bits with a sign"));
        }
        for (column, value) in [("task.index", self.task.index), ("task.seed", self.task.seed)] {
            if i64::try_from(value).is_err() {
                return refuse(column, format!("{value} is above {}, the largest the column holds", i64::MAX));
            }
        }
        if i32::try_from(self.horizon).is_err() {
            return refuse("horizon", format!("{} does not fit 32 bits with a sign", self.horizon));
        }
        if self.regret_bounds.len() != self.oracle_actions.len() {
            let reason = format!("{} bounds for {} actions", self.regret_bounds.len(), self.oracle_actions.len());
            return refuse("regret_bounds", reason);
        }
        if let Some(bound) = self.regret_bounds.iter().find(|bound| !bound.is_finite()) {
            return refuse("regret_bounds", format!("{bound} is not a finite number, which JSON cannot hold"));
        }
        Ok(())
    }
}
