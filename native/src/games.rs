//! Kinds of ambiguity whose policies are controllers: one model of the cloud that is true to the end, and sets around rows of hidden states.

use std::ops::ControlFlow;

use tiresias_guard::napi;
use tiresias_solve as core;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, alone, guarded};
use crate::errors::{Result, from_solve};
use crate::model::Model;
use crate::solve::{SolveOptions, SolveProgress, prepare};

/// Solves the static form in the background: resolves to the solution's document, with its best bounds when it was stopped.
#[napi(ts_return_type = "Promise<string>")]
pub fn solve_static(
    model: &Model,
    options: Option<SolveOptions>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: SolveProgress) => void")] on_progress: Option<ProgressCallback<SolveProgress>>,
) -> Result<Background<String>> {
    let (model, limits) = prepare(model, &options.unwrap_or_default())?;
    Ok(in_background(cancel, on_progress, move |hook| {
        core::solve_static(&model, &limits, hook).map(|solution| solution.save(&model)).map_err(from_solve)
    }))
}

/// Solves a robust POMDP in the background: resolves to the solution's document, with its best bounds when it was stopped.
#[napi(ts_return_type = "Promise<string>")]
pub fn solve_robust(
    model: &Model,
    options: Option<SolveOptions>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: SolveProgress) => void")] on_progress: Option<ProgressCallback<SolveProgress>>,
) -> Result<Background<String>> {
    let (model, limits) = prepare(model, &options.unwrap_or_default())?;
    Ok(in_background(cancel, on_progress, move |hook| {
        core::solve_robust(&model, &limits, hook).map(|solution| solution.save(&model)).map_err(from_solve)
    }))
}

/// Reads the document of a static solution of `model`, whose plans are evaluated again, and gives it back with what was found.
#[napi]
pub fn load_static(text: String, model: &Model) -> Result<String> {
    guarded(|| core::StaticSolution::load(&text, &model.0).map(|solution| solution.save(&model.0)).map_err(from_solve))
}

/// Reads the document of a robust solution of `model`, the worth of whose nodes is held against one step of the game.
#[napi]
pub fn load_robust(text: String, model: &Model) -> Result<String> {
    guarded(|| core::RobustSolution::load(&text, &model.0).map(|solution| solution.save(&model.0)).map_err(from_solve))
}

fn in_background(
    cancel: Option<&CancelToken>,
    on_progress: Option<ProgressCallback<SolveProgress>>,
    solve: impl FnOnce(&core::Hook) -> Result<String> + Send + 'static,
) -> Background<String> {
    let (cancel, reporter) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    alone(cancel.clone(), move || {
        solve(&|p: &core::Progress| {
            let (seconds, iterations) = (p.elapsed.as_secs_f64(), p.iterations as f64);
            if p.lower.is_finite() && p.upper.is_finite() {
                reporter.report(false, || SolveProgress { lower: p.lower, upper: p.upper, iterations, seconds });
            }
            if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    })
}
