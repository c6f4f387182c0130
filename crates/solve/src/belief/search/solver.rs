//! The solver: trials until the gap at the start is closed.

use tiresias_model::Model;

use super::descent::{Trial, descend};
use super::effort::Effort;
use super::graph::Graph;
use super::vectors::VectorBounds;
use crate::belief::backup::{Sparse, ordered, sparse};
use crate::belief::bounds::{BeliefBounds, Refined};
use crate::belief::corner_solver::{require_observations, unrefined};
use crate::belief::corners::Corners;
use crate::limits::Watch;
use crate::policy::Body;
use crate::solver::Ended;
use crate::{Hook, Limits, Plans, Solution, SolveError, Solver, Stopped};

/// Trials in a row that change nothing at the start before the search gives up: rounding is all that is left.
const MOST_IDLE: u64 = 200;
/// The share of the gap asked for that improvements too small to be kept may add up to.
const LEFT_OUT: f64 = 0.01;
/// A trial goes down to where the gap is this share of the start's: deeper ones pay only once that is closed (SARSOP's too).
const AIM: f64 = 0.5;

/// Trial-based search with two-sided bounds for any POMDP or APOMDP, with a horizon (bounds per stage) or discounted.
///
/// Where the value is convex (one model, or α = 0), α-vectors and a sawtooth bound it (HSVI2: Smith and Simmons, UAI 2005). Where
/// it is not, [`Plans`] of both players do.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Every `explore`-th trial starts with actions that need not be the best, so that the bounds are good where a perturbed
    /// execution leads, too; 0 never does.
    pub explore: u64,
    /// Trials after which the search gives up; it then stops with [`Stopped::Exhausted`].
    pub most_trials: u64,
}

impl Default for Search {
    fn default() -> Self {
        Self { explore: 4, most_trials: 100_000 }
    }
}

impl Solver for Search {
    fn name(&self) -> &'static str {
        "search"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check_for(model)?;
        require_observations(self.name(), model)?;
        if model.dynamics().len() > 1 && model.alpha() > 0.0 {
            return Plans { explore: self.explore, most_trials: self.most_trials }.solve(model, limits, hook);
        }
        let watch = Watch::new(limits, hook);
        let corners = Corners::new(model, &watch);
        let start = (0, sparse(model.start()));
        let vectors = VectorBounds::new(model, &corners, &watch);
        let start_up = watch.seconds();
        let Ok(mut vectors) = vectors else { return Ok(unrefined(model, corners, &watch, self.name())) };
        let run = self.run_vectors(model, &mut vectors, &start, limits, (&watch, corners.bytes()));
        let bounds = BeliefBounds { corners, refined: Refined::Vectors(vectors) };
        let Run { lower, upper, trials: iterations, backups, threads, stopped } = run;
        let ended = Ended { bounds: (lower, upper), stopped, start_up, iterations, backups, threads };
        Ok(Solution::found(self.name(), model, Body::Belief(bounds), ended, &watch))
    }
}

/// How a run of trials ended.
pub(crate) struct Run {
    lower: f64,
    upper: f64,
    pub trials: u64,
    backups: u64,
    /// Threads that compared nodes.
    threads: usize,
    stopped: Stopped,
}

impl Search {
    /// Trials over α-vectors and a sawtooth from (stage, belief) until a limit is reached; so many bytes are held beside them.
    pub(crate) fn run_vectors(
        &self,
        model: &Model,
        bounds: &mut VectorBounds,
        (stage, start): &(usize, Sparse),
        limits: &Limits,
        (watch, beside): (&Watch, usize),
    ) -> Run {
        // What all backups of a trial leave out, together, is a small share of the gap asked for.
        let steps = model.horizon().map_or_else(|| 1.0 / (1.0 - model.discount()), |h| h as f64);
        let mut graph = Graph::new(model, bounds, LEFT_OUT * limits.gap / steps, limits.threads, watch);
        let root = graph.enter(*stage, start);
        let (mut trials, mut idle) = (0, 0);
        let mut effort = Effort::default();
        loop {
            let (lower, upper) = graph.bounds_at(root);
            let (lower, upper) = ordered(lower, upper);
            idle = if std::mem::take(&mut graph.changed) { 0 } else { idle + 1 };
            let stopped = if upper - lower <= limits.gap {
                Some(Stopped::Converged)
            } else if trials >= self.most_trials || idle > MOST_IDLE {
                Some(Stopped::Exhausted)
            } else {
                watch.check(lower, upper, trials, graph.bytes() + beside)
            };
            if let Some(stopped) = stopped {
                let (backups, threads) = (graph.backups, graph.threads());
                graph.finish();
                return Run { lower, upper, trials, backups, threads, stopped };
            }
            // Half the gap asked for, so that the last trials do not stop a hair above it.
            // Where trials change nothing they go deeper, and around in circles: a gap that comes back on itself needs that.
            let aim = AIM * 0.5_f64.powi(i32::try_from(idle).unwrap_or(i32::MAX));
            let wanted = (limits.gap / 2.0).max((upper - lower) * aim);
            trials += 1;
            let forced = forced(model, self.explore, trials - 1);
            let (before, deep) = (graph.work(), effort.deep_is_next());
            let trial = Trial { number: trials, wanted, again: idle > 0, deep, forced: &forced };
            descend(model, &mut graph, root, *stage, &trial, watch);
            let (low, high) = graph.bounds_at(root);
            effort.note(deep, graph.work() - before, (upper - lower) - (high - low));
            graph.settle_corners();
            graph.leap(root);
        }
    }
}

/// The actions that an exploring trial, every `explore`-th, starts with: the digits of its number, so that every sequence has its
/// turn. With one action there is nothing to explore.
pub(crate) fn forced(model: &Model, explore: u64, trial: u64) -> Vec<usize> {
    let actions = model.actions().len() as u64;
    if actions == 1 || explore == 0 || trial % explore != explore - 1 {
        return Vec::new();
    }
    let number = trial / explore;
    let digits = number.checked_ilog(actions).unwrap_or(0);
    (0..=digits).map(|digit| (number / actions.pow(digit) % actions) as usize).collect()
}
