//! The bounds that need no search.

use tiresias_model::{Kind, Model};

use super::bounds::{BeliefBounds, Refined};
use super::corners::Corners;
use crate::limits::Watch;
use crate::policy::Body;
use crate::solver::Ended;
use crate::{Hook, Limits, Solution, SolveError, Solver, Stopped};

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
        let (lower, upper) = bounds.assess(model, 0, model.start()).bounds();
        let reason = watch.check(lower, upper, 1, bounds.corners.bytes());
        let stopped =
            if upper - lower <= limits.gap { Stopped::Converged } else { reason.unwrap_or(Stopped::Exhausted) };
        let ended = Ended { bounds: (lower, upper), stopped, start_up: 0.0, iterations: 1, backups: 0, threads: 1 };
        Ok(Solution::found(self.name(), model, Body::Belief(bounds), ended, &watch))
    }
}

/// What a solver returns that had no time for more than the linear bounds.
pub(crate) fn unrefined(model: &Model, corners: Corners, watch: &Watch, solver: &'static str) -> Solution {
    let bounds = BeliefBounds { corners, refined: Refined::None };
    let ended = Ended {
        bounds: bounds.assess(model, 0, model.start()).bounds(),
        stopped: watch.stopped().unwrap_or(Stopped::Time),
        start_up: watch.seconds(),
        iterations: 0,
        backups: 0,
        threads: 1,
    };
    Solution::found(solver, model, Body::Belief(bounds), ended, watch)
}

/// Belief solvers treat models with observations; the others have tables.
pub(crate) fn require_observations(solver: &'static str, model: &Model) -> Result<(), SolveError> {
    if matches!(model.kind(), Kind::Pomdp | Kind::Apomdp) {
        return Ok(());
    }
    Err(SolveError::Unsupported { solver, expected: "a POMDP or APOMDP", found: model.kind().name().into() })
}
