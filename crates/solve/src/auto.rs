//! Which solver for which model.

use std::ops::ControlFlow;

use rayon::prelude::*;
use tiresias_model::{Kind, Model};

use crate::{BackwardInduction, Faces, Limits, Progress, Search, Solution, SolveError, Solver, ValueIteration};

/// The solver for `model`, by its kind and horizon; [`Solver::name`] says which.
pub fn auto(model: &Model) -> Box<dyn Solver> {
    match (model.kind(), model.horizon()) {
        (Kind::Mdp | Kind::RobustMdp, Some(_)) => Box::new(BackwardInduction),
        (Kind::Mdp | Kind::RobustMdp, None) => Box::new(ValueIteration),
        (Kind::Pomdp | Kind::Apomdp, _) if Faces::applies(model) => Box::new(Faces::default()),
        (Kind::Pomdp | Kind::Apomdp, _) => Box::new(Search::default()),
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
    let one = |i: usize| auto(&models[i]).solve(&models[i], limits, &|progress| hook(i, progress));
    match rayon::ThreadPoolBuilder::new().num_threads(limits.threads.max(1)).build() {
        Ok(pool) => pool.install(|| (0..models.len()).into_par_iter().map(one).collect()),
        // No threads to be had: the caller's own thread does the work.
        Err(_) => (0..models.len()).map(one).collect(),
    }
}
