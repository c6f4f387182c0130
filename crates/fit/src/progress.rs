//! How a long fit tells how far it is, and how it is cancelled.

use std::ops::ControlFlow;

/// How far a fit has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// What is being done: `choose` for fits to a part of the episodes, `try` for the first iterations from every start, `climb` for the
    /// best start's way to the end, `refit` for the members of a bootstrap.
    pub phase: &'static str,
    /// Fits, starts, iterations or members done, by the phase.
    pub done: usize,
    /// How many there are at most.
    pub total: usize,
    /// What an iteration makes greater: the logarithm of the likelihood and of the prior's density, up to a constant; -∞ before there is one.
    pub log_posterior: f64,
}

/// Called between iterations and now and then within them, from worker threads too; `Break` cancels, and the call that is cancelled
/// returns [`FitError::Cancelled`](crate::FitError::Cancelled).
pub type Hook<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync);

/// A hook that never cancels.
pub fn no_hook(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
