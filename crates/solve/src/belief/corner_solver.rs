//! The bounds that need no search.

use std::sync::Arc;

use tiresias_model::{Kind, Model};

use super::backup::sparse;
use super::bounds::{BeliefBounds, Refined};
use super::corners::Corners;
use crate::limits::Watch;
use crate::policy::Body;
use crate::{Hook, Limits, Solution, SolveError, SolvedPolicy, Solver, Stats, Stopped};

/// Linear bounds for any POMDP or APOMDP: cheap, sound and loose. What the other solvers start from, and stop with at once when
/// they are given no time.
#[derive(Debug, Clone, Copy, Default)]
pub struct CornerBounds;

impl Solver for CornerBounds {
    fn name(&self) -> &'static str {
        "corners"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check_for(model)?;
        require_observations(self.name(), model)?;
        let watch = Watch::new(limits, hook);
        let bounds = BeliefBounds { corners: Corners::new(model, &watch), refined: Refined::None };
        let numbers = bounds.corners.len();
        let (lower, upper) = bounds.assess(model, 0, model.start()).bounds();
        let reason = watch.check(lower, upper, 1, 8 * numbers);
        let stopped =
            if upper - lower <= limits.gap { Stopped::Converged } else { reason.unwrap_or(Stopped::Exhausted) };
        debug_assert!(!sparse(model.start()).is_empty());
        let stats = Stats {
            seconds: watch.seconds(),
            start_up: 0.0,
            iterations: 1,
            backups: 0,
            vectors: numbers,
            points: numbers,
            threads: 1,
            solver: self.name(),
        };
        let policy = SolvedPolicy::new(Arc::new(model.clone()), Body::Belief(bounds));
        Ok(Solution::new((lower, upper), policy, stats, stopped))
    }
}

/// What a solver returns that had no time for more than the linear bounds.
pub(crate) fn unrefined(model: &Model, corners: Corners, watch: &Watch, solver: &'static str) -> Solution {
    let vectors = corners.len();
    let bounds = BeliefBounds { corners, refined: Refined::None };
    let (lower, upper) = bounds.assess(model, 0, model.start()).bounds();
    let seconds = watch.seconds();
    let stats =
        Stats { seconds, start_up: seconds, iterations: 0, backups: 0, vectors, points: vectors, threads: 1, solver };
    let policy = SolvedPolicy::new(Arc::new(model.clone()), Body::Belief(bounds));
    Solution::new((lower, upper), policy, stats, watch.stopped().unwrap_or(Stopped::Time))
}

/// Belief solvers treat models with observations; the others have tables.
pub(crate) fn require_observations(solver: &'static str, model: &Model) -> Result<(), SolveError> {
    if matches!(model.kind(), Kind::Pomdp | Kind::Apomdp) {
        return Ok(());
    }
    Err(SolveError::Unsupported { solver, expected: "a POMDP or APOMDP", found: model.kind().name().into() })
}
