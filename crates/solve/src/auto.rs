//! Which solver for which model.

use std::ops::ControlFlow;
use std::time::Duration;

use rayon::prelude::*;
use tiresias_model::{Kind, Model};

use crate::belief::backup::ordered;
use crate::{
    BackwardInduction, Faces, Hook, Limits, ModifiedPolicyIteration, Plans, Progress, Search, Solution, SolveError,
    Solver, Stats, Stopped,
};

/// Stages times faces beyond which a triangulation is no longer small change.
const MANY_FACES: usize = 10_000;

/// The solver for `model`, by its kind, horizon and size; [`Solver::name`] and [`Stats::solver`](crate::Stats::solver) say which.
///
/// Observed states get tables. Hidden states get certified triangulations where beliefs keep to small faces, trial-based search
/// elsewhere; where a triangulation does not reach the gap, search goes on with the time and memory that are left.
pub fn auto(model: &Model) -> Box<dyn Solver> {
    match (model.kind(), model.horizon()) {
        (Kind::Mdp | Kind::RobustMdp, Some(_)) => Box::new(BackwardInduction),
        (Kind::Mdp | Kind::RobustMdp, None) => Box::new(ModifiedPolicyIteration::default()),
        (Kind::Pomdp | Kind::Apomdp, horizon) => {
            let convex = model.dynamics().len() == 1 || model.alpha() == 0.0;
            let small =
                Faces::faces(model).is_some_and(|faces| faces.saturating_mul(horizon.unwrap_or(1)) <= MANY_FACES);
            match (small, convex) {
                // With two or three states there is one face, and search has it exact in a few trials.
                (true, true) if model.states().len() > 3 => {
                    Box::new(FacesThen { most_divisions: 48, search: Box::new(Search::default()) })
                }
                (true, false) => {
                    let most_divisions = Faces::default().most_divisions;
                    Box::new(FacesThen { most_divisions, search: Box::new(Plans::default()) })
                }
                (false, false) => Box::new(Plans::default()),
                _ => Box::new(Search::default()),
            }
        }
    }
}

/// Triangulations, whose bounds are as good off the best path as on it; then search, which can close
/// any gap of a convex value, and that of a short game.
struct FacesThen {
    most_divisions: usize,
    search: Box<dyn Solver>,
}

impl Solver for FacesThen {
    fn name(&self) -> &'static str {
        "faces"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        let first = Faces { most_divisions: self.most_divisions, ..Faces::default() }.solve(model, limits, hook)?;
        if !matches!(first.stopped, Stopped::Memory | Stopped::Exhausted) {
            return Ok(first);
        }
        let spent = Duration::from_secs_f64(first.stats.seconds);
        let rest = Limits {
            time: limits.time.map(|time| time.saturating_sub(spent)),
            // The triangulation is kept meanwhile, at 32 bytes a vertex.
            memory: limits.memory.map(|bytes| bytes.saturating_sub(32 * first.stats.vectors)),
            ..limits.clone()
        };
        // Progress goes on from where the triangulations left it.
        let going_on = |p: &Progress| {
            let (lower, upper) = (p.lower.max(first.lower), p.upper.min(first.upper));
            let iterations = p.iterations + first.stats.iterations;
            hook(&Progress { lower, upper, iterations, elapsed: p.elapsed + spent })
        };
        let Ok(second) = self.search.solve(model, &rest, &going_on) else {
            // Not even search's tables fit beside the triangulation.
            return Ok(Solution { stopped: Stopped::Memory, ..first });
        };
        let (lower, upper) = ordered(first.lower.max(second.lower), first.upper.min(second.upper));
        let stopped = if upper - lower <= limits.gap { Stopped::Converged } else { second.stopped };
        let seconds = first.stats.seconds + second.stats.seconds;
        let iterations = first.stats.iterations + second.stats.iterations;
        let (start_up, backups, threads) = (first.stats.start_up, second.stats.backups, second.stats.threads);
        let Solution { policy, stats, .. } = if second.gap() < first.gap() { second } else { first };
        Ok(Solution { lower, upper, policy, stats: Stats { seconds, start_up, iterations, backups, threads, ..stats }, stopped })
    }
}

/// Solves every model with [`auto`], on `limits.threads` threads, results in order. The limits hold per task.
///
/// `hook` gets the task's index and its progress, from any thread; a `Break` stops that task (break every call to stop all).
pub fn solve_batch(
    models: &[Model],
    limits: &Limits,
    hook: &(dyn Fn(usize, &Progress) -> ControlFlow<()> + Sync),
) -> Vec<Result<Solution, SolveError>> {
    let each = Limits { threads: 1, ..limits.clone() };
    let one = |i: usize| auto(&models[i]).solve(&models[i], &each, &|progress| hook(i, progress));
    match rayon::ThreadPoolBuilder::new().num_threads(limits.threads.max(1)).build() {
        Ok(pool) => pool.install(|| (0..models.len()).into_par_iter().map(one).collect()),
        // No threads to be had: the caller's own thread does the work.
        Err(_) => (0..models.len()).map(one).collect(),
    }
}
