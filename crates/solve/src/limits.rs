//! When a solver stops: a gap, a time, an amount of memory, or a hook that says so.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tiresias_model::memory::{self, product};
use tiresias_model::{Kind, Model};

use crate::SolveError;

/// The largest size of a total reward that is solved for: far beyond it, sums and products of values are no numbers any more.
const MOST_REWARD: f64 = 1e150;

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

    /// [`check`](Self::check), whether the tables of all of `model`'s stages fit, and whether its values are numbers to reckon with.
    pub(crate) fn check_for(&self, model: &Model) -> Result<(), SolveError> {
        if model.kind() == Kind::RobustPomdp {
            return Err(SolveError::Rectangular);
        }
        self.check_values(model)
    }

    /// [`check_for`](Self::check_for), whatever the kind of ambiguity.
    pub(crate) fn check_values(&self, model: &Model) -> Result<(), SolveError> {
        self.check()?;
        let (low, high) = model.value_range();
        let total = if -low > high { low } else { high };
        if total.abs() > MOST_REWARD {
            return Err(SolveError::Rewards { total, most: MOST_REWARD });
        }
        let Some(horizon) = model.horizon() else { return Ok(()) };
        let (s, a, m) = (model.states().len(), model.actions().len(), model.dynamics().len());
        let numbers = match model.kind() {
            // A value a state, and where the stage finds them.
            Kind::Mdp | Kind::RobustMdp => s + 4,
            Kind::Pomdp | Kind::Apomdp | Kind::RobustPomdp => s * (a + m),
        };
        let bytes = product(&[horizon, 8, numbers]);
        let allowed = self.memory.unwrap_or_else(memory::limit);
        if bytes > allowed {
            return Err(SolveError::Horizon { horizon, bytes, allowed });
        }
        Ok(())
    }
}

/// Why a solver stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stopped {
    /// The gap asked for is reached (or the answer is exact).
    Converged,
    /// The time is up.
    Time,
    /// More memory would be needed than [`Limits::memory`](crate::Limits::memory) allows.
    Memory,
    /// The method has nothing finer left to try: more time or memory would change nothing.
    Exhausted,
    /// The hook said so.
    Cancelled,
}

impl Stopped {
    /// Lower-case name: `converged`, `time`, `memory`, `exhausted`, `cancelled`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Exhausted => "exhausted",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a solver knows while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Proven lower bound on the value at the start belief; -∞ as long as there is none.
    pub lower: f64,
    /// Proven upper bound on the value at the start belief; ∞ as long as there is none.
    pub upper: f64,
    /// Stages swept, trials run or triangulations tried so far.
    pub iterations: u64,
    /// Wall time since the start.
    pub elapsed: Duration,
}

/// Called between iterations, and every few milliseconds within a long one; `ControlFlow::Break` cancels the solve, which then
/// returns its best bounds.
pub type Hook<'a> = dyn Fn(&Progress) -> ControlFlow<()> + 'a;

/// A hook that never cancels.
pub fn no_hook(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The solve is to stop: what was begun is left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Late;

/// How long an iteration may go on without a call of the hook.
const UNHEARD: Duration = Duration::from_millis(5);
/// Units of work between two looks at the clock: some ten microseconds, or a millisecond of larger ones.
const WORK_A_LOOK: usize = 1 << 14;

/// What is told at once counts for so much at most.
const MOST_WORK: usize = 1 << 24;

/// The stopwatch and the hook of one solve. What ends it is remembered: a solve that is to stop stays so, whoever asks.
///
/// Every loop of a solver asks: a trial, sweep or stage [`check`](Self::check) when it ends, and what takes long within one
/// [`late`](Self::late), or [`spend`](Self::spend) where a step is too short for a look at the clock. A loop without a bound of its
/// own (`loop`, `while`) that does not ask says in a comment `Ends:` why it ends; a test looks for both.
pub(crate) struct Watch<'a> {
    limits: &'a Limits,
    hook: &'a Hook<'a>,
    start: Instant,
    /// Why to stop.
    stopped: Cell<Option<Stopped>>,
    /// What the hook was told last, and when; at first it is asked at once.
    told: Cell<Option<Progress>>,
    /// Work since the last look at the clock, and all work that was told before it.
    work: Cell<usize>,
    told_work: Cell<u64>,
}

impl<'a> Watch<'a> {
    pub fn new(limits: &'a Limits, hook: &'a Hook<'a>) -> Self {
        Self {
            limits,
            hook,
            start: Instant::now(),
            stopped: Cell::new(None),
            told: Cell::new(None),
            work: Cell::new(0),
            told_work: Cell::new(0),
        }
    }

    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Whether to stop, because the time is up or the hook, which is called when it has not been for a while, says so: cheap enough
    /// for inner loops.
    pub fn late(&self) -> bool {
        if self.stopped.get().is_some() {
            return true;
        }
        let elapsed = self.start.elapsed();
        if self.limits.time.is_some_and(|limit| elapsed >= limit) {
            self.stopped.set(Some(Stopped::Time));
        } else {
            let told = self.told.get();
            if told.is_none_or(|told| elapsed >= told.elapsed + UNHEARD) {
                let nothing = Progress { lower: f64::NEG_INFINITY, upper: f64::INFINITY, iterations: 0, elapsed };
                self.tell(Progress { elapsed, ..told.unwrap_or(nothing) });
            }
        }
        self.stopped.get().is_some()
    }

    /// The same after so much work, in numbers read or so, for loops of steps that are shorter than a look at the clock.
    #[inline]
    pub fn after(&self, work: usize) -> bool {
        let done = self.work.get().saturating_add(work);
        if done < WORK_A_LOOK {
            self.work.set(done);
            return self.stopped.get().is_some();
        }
        self.work.set(0);
        // Where as much as there is was told, so that the clock be looked at, that much was not done.
        self.told_work.set(self.told_work.get() + done.min(MOST_WORK) as u64);
        self.late()
    }

    /// All work told to [`after`](Self::after).
    pub fn work(&self) -> u64 {
        self.told_work.get() + self.work.get() as u64
    }

    /// [`after`](Self::after), for work that cannot go on when it is to stop.
    #[inline]
    pub fn spend(&self, work: usize) -> Result<(), Late> {
        if self.after(work) { Err(Late) } else { Ok(()) }
    }

    /// Why to stop, when [`late`](Self::late) has said so.
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped.get()
    }

    fn tell(&self, progress: Progress) {
        self.told.set(Some(progress));
        if (self.hook)(&progress).is_break() {
            self.stopped.set(Some(Stopped::Cancelled));
        }
    }

    /// Whether `bytes` of solver data are more than allowed.
    pub fn too_large(&self, bytes: usize) -> bool {
        self.limits.memory.is_some_and(|limit| bytes > limit)
    }

    /// Reports progress and says whether to stop for a reason other than convergence.
    pub fn check(&self, lower: f64, upper: f64, iterations: u64, bytes: usize) -> Option<Stopped> {
        let elapsed = self.start.elapsed();
        if self.stopped.get() != Some(Stopped::Cancelled) {
            self.tell(Progress { lower, upper, iterations, elapsed });
        }
        if self.late() {
            return self.stopped.get();
        }
        self.too_large(bytes).then_some(Stopped::Memory)
    }
}
