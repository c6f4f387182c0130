//! Linear MDPs and one linear self-attention layer: a case of learning a value function in context in which everything that the theory speaks of
//! can be computed. What is measured, and the bound it is held against, is derived in `docs/theory.md`.
//!
//! Read in this order: [`linear_mdp`] and [`planning`] (the tasks and exact values), [`prompt`] and [`attention`] (the layer), [`training`]
//! and [`closed_form`] (what it becomes), [`bound`] (what that costs), [`experiment`] (all together).
#![forbid(unsafe_code)]

use std::ops::ControlFlow;

pub mod attention;
pub mod bound;
pub mod closed_form;
pub mod experiment;
pub mod linear_mdp;
pub mod normals;
pub mod planning;
pub mod prompt;
pub mod training;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How much of the phase is done.
    pub done: usize,
    /// How much there is.
    pub total: usize,
    /// `train` or `measure`.
    pub phase: &'static str,
}

/// Told now and then how far a run has come; breaking stops it soon after.
pub type Hook<'a> = dyn Fn(Progress) -> ControlFlow<()> + Sync + 'a;

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The setting is none.
    #[error("{0}")]
    Setting(String),
    /// It would not fit.
    #[error(transparent)]
    Memory(#[from] tiresias_model::memory::Shortage),
    /// The hook said so.
    #[error("the run was cancelled")]
    Cancelled,
}

/// The hook said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

impl From<Cancelled> for Failed {
    fn from(Cancelled: Cancelled) -> Self {
        Self::Cancelled
    }
}
