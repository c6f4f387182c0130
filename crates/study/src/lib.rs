//! The few-shot study: contexts, dataset shards and evaluation episodes made from families.
//!
//! A [`Spec`] says which tasks are drawn, how their oracles are solved and how few-shot contexts are made. [`make_shard`] turns
//! it into one file of oracle-labelled examples; [`Episodes`] into a batch of episodes in which a method acts. Both draw the same contexts from the same random streams.
#![forbid(unsafe_code)]

mod agents;
mod context;
mod episodes;
mod error;
mod examples;
mod histories;
mod labels;
mod noise;
mod prompts;
mod records;
mod scan;
mod shard;
mod spec;
mod summary;
mod support;

pub use agents::Agents;
pub use context::SolvedTask;
pub use episodes::{Episodes, Outcome};
pub use error::StudyError;
pub use examples::{ExampleBatch, Generator};
pub use labels::Labels;
pub use prompts::{Prompts, Ragged};
pub use records::{LabelledSteps, Records, RecordsSpec};
pub use scan::{Scan, scan};
pub use shard::{ShardReport, make_shard};
pub use spec::{Format, Histories, QueryNature, Spec, default_template};
pub use summary::Summary;

use std::ops::ControlFlow;

/// How far a long call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done: `solve` for tasks drawn, solved and rolled out; `play` for episodes of a method; `read` for shards read back.
    pub phase: &'static str,
    /// Tasks (shards, when reading) done.
    pub done: usize,
    /// How many there are in all.
    pub total: usize,
}

/// Called now and then from worker threads; `Break` cancels.
pub type Hook<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync);
