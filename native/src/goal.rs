//! Problems without a discount: DRN files and objectives.

use std::ops::ControlFlow;

use tiresias_guard::napi;
use tiresias_model::{Explicit, Objective};
use tiresias_solve as core;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, alone, guarded};
use crate::errors::{Result, from_format, from_solve, invalid};
use crate::solve::{SolveProgress, limits};

/// Limits of a solve for a goal.
#[napi(object)]
#[derive(Default, Clone)]
pub struct GoalOptions {
    /// Certified gap to stop at, in units of the objective (default 0.001).
    pub gap: Option<f64>,
    /// Wall time in seconds.
    pub time_seconds: Option<f64>,
    /// Bytes of solver data (default: what the process may have, its container's limit or the machine's memory).
    pub memory_bytes: Option<f64>,
}

/// What is proven of an objective on a model without a discount.
#[napi(object, object_from_js = false)]
pub struct GoalSolution {
    /// The objective, as PRISM and Storm write it.
    pub objective: String,
    /// States of the model.
    pub states: u32,
    /// Its choices, over all states.
    pub choices: u32,
    /// How many observations there are; left out where states are seen.
    pub observations: Option<u32>,
    /// What reading the file found worth saying.
    pub warnings: Vec<String>,
    /// Lower bound on the value at the start: a probability, or an expected sum of rewards.
    pub lower: f64,
    /// Upper bound on it; infinite as long as nothing less is proven.
    pub upper: f64,
    /// Why it stopped.
    #[napi(ts_type = "'converged' | 'time' | 'memory' | 'exhausted' | 'cancelled'")]
    pub stopped: String,
    /// Wall time of the solve.
    pub seconds: f64,
    /// Rounds of exploring beliefs and bounding them.
    pub iterations: f64,
    /// Beliefs explored.
    pub points: f64,
    /// Nodes of the finite controller that earns the lower bound of what is to be much, or the upper one of what is to be little.
    pub policy_nodes: f64,
    /// The name of the action that it begins with; left out where that is drawn, or all is over.
    pub first_action: Option<String>,
}

struct Asked {
    model: Explicit,
    warnings: Vec<String>,
    objective: Objective,
    limits: core::Limits,
}

fn asked(path: &str, objective: &str, options: Option<GoalOptions>) -> Result<Asked> {
    let options = options.unwrap_or_default();
    let limits = limits(options.gap, options.time_seconds, options.memory_bytes, 1)?;
    let objective = objective.parse().map_err(invalid)?;
    let (model, warnings) = Explicit::from_file(path).map_err(from_format)?;
    Ok(Asked { model, warnings: warnings.iter().map(ToString::to_string).collect(), objective, limits })
}

fn run(asked: Asked, hook: &core::Hook) -> Result<GoalSolution> {
    let Asked { model, warnings, objective, limits } = asked;
    let found = core::solve_goal(&model, &objective, &limits, hook).map_err(from_solve)?;
    Ok(GoalSolution {
        objective: objective.to_string(),
        states: model.states() as u32,
        choices: model.action.len() as u32,
        observations: model.observations.is_some().then(|| model.observation_count() as u32),
        warnings,
        lower: found.lower,
        upper: found.upper,
        stopped: found.stopped.name().into(),
        seconds: found.stats.seconds,
        iterations: found.stats.iterations as f64,
        points: found.stats.points as f64,
        policy_nodes: found.policy.nodes.len() as f64,
        first_action: found.policy.first_action(&model).map(String::from),
    })
}

/// Solves a DRN file for an objective on the calling thread; see `solveGoal`.
#[napi]
pub fn solve_goal_sync(path: String, objective: String, options: Option<GoalOptions>) -> Result<GoalSolution> {
    guarded(|| run(asked(&path, &objective, options)?, &core::no_hook))
}

/// Solves a DRN file for an objective in the background. A cancelled solve resolves with its best bounds and `stopped: "cancelled"`.
#[napi(ts_return_type = "Promise<GoalSolution>")]
pub fn solve_goal(
    path: String,
    objective: String,
    options: Option<GoalOptions>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: SolveProgress) => void")] on_progress: Option<ProgressCallback<SolveProgress>>,
) -> Result<Background<GoalSolution>> {
    let asked = asked(&path, &objective, options)?;
    let (cancel, reporter) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    Ok(alone(cancel.clone(), move || {
        run(asked, &|p: &core::Progress| {
            let (seconds, iterations) = (p.elapsed.as_secs_f64(), p.iterations as f64);
            if p.lower.is_finite() {
                reporter.report(false, || SolveProgress { lower: p.lower, upper: p.upper, iterations, seconds });
            }
            if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }))
}
