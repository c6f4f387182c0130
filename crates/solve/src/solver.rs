//! The seam between models and whatever solves them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use crate::belief::backup::ordered;
use crate::limits::Watch;
use crate::policy::Body;
use crate::{Hook, Limits, SolveError, SolvedPolicy, Stopped};

/// What a solve cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Wall time, start-up included.
    pub seconds: f64,
    /// Of it, the seconds until the first bounds stood, where they are a phase of their own; else 0.
    pub start_up: f64,
    /// Stages swept, trials run or triangulations tried.
    pub iterations: u64,
    /// Backups at single beliefs, where the solver makes such; else 0.
    pub backups: u64,
    /// α-vectors kept (or table entries, or lattice vertices that carry a lower bound), over all stages.
    pub vectors: usize,
    /// Belief points kept (or lattice vertices that carry an upper bound), over all stages.
    pub points: usize,
    /// Threads that had a part in it.
    #[serde(default)]
    pub threads: usize,
    /// The solver's name.
    #[serde(deserialize_with = "crate::save::name")]
    pub solver: Name,
}

/// An alias, as serde would take a reference for a borrow from the file.
type Name = &'static str;

/// How a solve ended: what is not seen of the policy that it found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// Lower and upper, at the start distribution.
    pub bounds: (f64, f64),
    pub stopped: Stopped,
    pub start_up: f64,
    pub iterations: u64,
    pub backups: u64,
    pub threads: usize,
}

/// What a solver returns. `lower <= V(b0) <= upper` is proven up to rounding, whatever the reason for stopping.
#[derive(Debug, Clone)]
pub struct Solution {
    /// Lower bound on the value at the start distribution. Where the state is observed, the first one is drawn from it and seen
    /// before the first decision ([`SolvedPolicy::informed_bounds`]).
    pub lower: f64,
    /// Upper bound on the value at the start distribution.
    pub upper: f64,
    /// The policy, with bounds at every stage and belief.
    pub policy: SolvedPolicy,
    /// What it cost.
    pub stats: Stats,
    /// Why it stopped: the gap is reached, a limit bound, the hook said so, or the method is exhausted.
    pub stopped: Stopped,
}

impl Solution {
    /// The only way to make one: bounds that come by two ways and meet can cross by rounding, and then the smaller is the lower.
    pub(crate) fn new(bounds: (f64, f64), policy: SolvedPolicy, stats: Stats, stopped: Stopped) -> Self {
        let (lower, upper) = ordered(bounds.0, bounds.1);
        Self { lower, upper, policy, stats, stopped }
    }

    /// What `solver` came to, whose policy is made of `body`.
    pub(crate) fn found(solver: &'static str, model: &Model, body: Body, ended: Ended, watch: &Watch) -> Self {
        let Ended { bounds, stopped, start_up, iterations, backups, threads } = ended;
        let (vectors, points) = body.sizes();
        let seconds = watch.seconds();
        let stats = Stats { seconds, start_up, iterations, backups, vectors, points, threads, solver };
        Self::new(bounds, SolvedPolicy::new(Arc::new(model.clone()), body), stats, stopped)
    }

    /// `upper - lower`.
    pub fn gap(&self) -> f64 {
        self.upper - self.lower
    }

    /// Bytes that the policy takes, its model left out.
    pub fn bytes(&self) -> usize {
        self.policy.bytes()
    }

    /// The point estimate of the value at the start distribution, between the bounds.
    pub fn value(&self) -> f64 {
        self.policy.start_value().clamp(self.lower, self.upper)
    }
}

/// A configured algorithm. Deterministic: the same model and limits give the same solution for any number of threads, as long as
/// no time limit cuts it short.
pub trait Solver: Send + Sync {
    /// The solver's name, as in [`Stats::solver`].
    fn name(&self) -> &'static str;

    /// Solves `model` until a limit is reached or `hook` cancels.
    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError>;
}
