//! What can go wrong while a study is made.

use thiserror::Error;
use tiresias_model::ModelError;
use tiresias_sim::BehaviourError;
use tiresias_solve::SolveError;

/// Errors of this crate.
#[derive(Debug, Error)]
pub enum StudyError {
    /// The specification is not valid JSON, or a field of it is wrong.
    #[error("specification: {0}")]
    Spec(String),
    /// A model or a belief.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// What was asked for does not fit into memory.
    #[error(transparent)]
    Memory(#[from] tiresias_model::memory::Shortage),
    /// A behaviour's name.
    #[error(transparent)]
    Behaviour(#[from] BehaviourError),
    /// An oracle.
    #[error("task {index}: {source}")]
    Solve {
        /// Index of the task in its split.
        index: u64,
        /// What went wrong.
        source: SolveError,
    },
    /// The policy that labels.
    #[error("the policy that labels: {0}")]
    Teacher(SolveError),
    /// The policy that labels cannot follow what happened.
    #[error("task {index}: the model that labels does not allow what happened: {source}")]
    Labels {
        /// Index of the task in its split.
        index: u64,
        /// What went wrong.
        source: ModelError,
    },
    /// Recorded decisions.
    #[error("records: {0}")]
    Records(String),
    /// Encoding or a shard file.
    #[error(transparent)]
    Encode(#[from] tiresias_encode::Error),
    /// A batch of actions has the wrong size, or an action does not exist.
    #[error("{0}")]
    Actions(String),
    /// A method cannot be made.
    #[error(transparent)]
    Agent(#[from] tiresias_agents::AgentError),
    /// A method that was at work.
    #[error("method {method}: {source}")]
    Acting {
        /// Its name.
        method: &'static str,
        /// What went wrong.
        source: tiresias_agents::AgentError,
    },
    /// The hook asked to stop.
    #[error("cancelled")]
    Cancelled,
}
