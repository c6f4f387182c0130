//! The few-shot study: contexts, dataset shards and evaluation episodes made from families.
//!
//! A [`Spec`] says which tasks are drawn, how their oracles are solved and how few-shot contexts are made. [`make_shard`] turns
//! it into one file of oracle-labelled examples; [`Episodes`] into a batch of episodes in which a policy under test acts, one
//! native call a step. Both draw the same contexts from the same random streams.
#![forbid(unsafe_code)]

mod context;
mod episodes;
mod error;
mod shard;
mod spec;

pub use context::SolvedTask;
pub use episodes::{Episodes, Outcome, Ragged};
pub use error::StudyError;
pub use shard::{ShardReport, make_shard};
pub use spec::{Format, QueryNature, Spec, default_template};

use std::ops::ControlFlow;

/// How far a long call has come. `phase` is `solve`, `roll` or `write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: &'static str,
    /// Tasks done.
    pub done: usize,
    /// Tasks in all.
    pub total: usize,
}

/// Called now and then from worker threads; `Break` cancels.
pub type Hook<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync);
