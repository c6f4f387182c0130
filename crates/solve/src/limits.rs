//! When a solver stops: a gap, a time, an amount of memory, or a hook that says so.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tiresias_model::memory::{self, product};
use tiresias_model::{Kind, Model};

use crate::{SolveError, Stopped};

/// Limits of one solve. All of them are checked often enough to hold within a fraction of a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Stop when `upper - lower` at the start belief is at most this, in units of value. 0 asks for all there is.
    pub gap: f64,
    /// Stop after this wall time, start-up included; the bounds are sound even when it is zero.
    pub time: Option<Duration>,
    /// Stop before the solver's own data exceed this many bytes. A horizon whose tables alone need more (or more than the process
    /// may have, without a limit) is refused with [`SolveError::Horizon`].
    pub memory: Option<usize>,
    /// Threads to use, at least 1. They share the sweeps over large models with observed states, the stages of
    /// [`Exact`](crate::Exact), the comparisons of a large [`Search`](crate::Search), and the tasks of
    /// [`solve_batch`](crate::solve_batch); triangulations and plans are made on one thread.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { gap: 1e-3, time: None, memory: None, threads: 1 }
    }
}

impl Limits {
    /// Default limits with this gap.
    pub fn with_gap(gap: f64) -> Self {
        Self { gap, ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<(), SolveError> {
        if self.gap.is_nan() || self.gap < 0.0 {
            return Err(SolveError::Limit { what: "gap", value: self.gap, expected: "a number that is not negative" });
        }
        if self.threads == 0 {
            return Err(SolveError::Limit { what: "threads", value: 0.0, expected: "at least 1" });
        }
        Ok(())
    }

    /// [`check`](Self::check), and whether the tables of all of `model`'s stages fit.
    pub(crate) fn check_for(&self, model: &Model) -> Result<(), SolveError> {
        self.check()?;
        let Some(horizon) = model.horizon() else { return Ok(()) };
        let (s, a, m) = (model.states().len(), model.actions().len(), model.dynamics().len());
        let numbers = match model.kind() {
            // A value a state, and where the stage finds them.
            Kind::Mdp | Kind::RobustMdp => s + 4,
            Kind::Pomdp | Kind::Apomdp => s * (a + m),
        };
        let bytes = product(&[horizon, 8, numbers]);
        let allowed = self.memory.unwrap_or_else(memory::limit);
        if bytes > allowed {
            return Err(SolveError::Horizon { horizon, bytes, allowed });
        }
        Ok(())
    }
}

/// What a solver knows while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Proven lower bound on the value at the start belief.
    pub lower: f64,
    /// Proven upper bound on the value at the start belief.
    pub upper: f64,
    /// Stages swept, trials run or triangulations tried so far.
    pub iterations: u64,
    /// Wall time since the start.
    pub elapsed: Duration,
}

/// Called between iterations; `ControlFlow::Break` cancels the solve, which then returns its best bounds.
pub type Hook<'a> = dyn Fn(&Progress) -> ControlFlow<()> + 'a;

/// A hook that never cancels.
pub fn no_hook(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The stopwatch and the hook of one solve.
pub(crate) struct Watch<'a> {
    limits: &'a Limits,
    hook: &'a Hook<'a>,
    start: Instant,
}

impl<'a> Watch<'a> {
    pub fn new(limits: &'a Limits, hook: &'a Hook<'a>) -> Self {
        Self { limits, hook, start: Instant::now() }
    }

    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Whether the time is up, without calling the hook: cheap enough for inner loops.
    pub fn late(&self) -> bool {
        self.limits.time.is_some_and(|limit| self.start.elapsed() >= limit)
    }

    /// Whether `bytes` of solver data are more than allowed.
    pub fn too_large(&self, bytes: usize) -> bool {
        self.limits.memory.is_some_and(|limit| bytes > limit)
    }

    /// Reports progress and says whether to stop for a reason other than convergence.
    pub fn check(&self, lower: f64, upper: f64, iterations: u64, bytes: usize) -> Option<Stopped> {
        let progress = Progress { lower, upper, iterations, elapsed: self.start.elapsed() };
        if (self.hook)(&progress).is_break() {
            return Some(Stopped::Cancelled);
        }
        if self.late() {
            return Some(Stopped::Time);
        }
        self.too_large(bytes).then_some(Stopped::Memory)
    }
}
