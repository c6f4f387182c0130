//! Cells of the theory study.

use napi::bindgen_prelude::Float64Array;
use tiresias_guard::napi;
use tiresias_theory::Failed;
use tiresias_theory::experiment::{Acted, Outcome, Point, Setting};
use tiresias_theory::linear_mdp::Shape;
use tiresias_theory::training::Training;

use std::ops::ControlFlow;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, background, threads};
use crate::errors::{Result, cancelled, index, invalid, whole};
use crate::study::StageProgress;

/// What a cell of the theory study is made from.
#[napi(object)]
pub struct TheoryOptions {
    /// Of all random numbers.
    pub seed: f64,
    /// Features of a pair.
    pub dimension: f64,
    /// The eigenvalues of the features' covariance fall as `k^-decay`: 0 makes them equal.
    pub decay: f64,
    /// N: pairs of a training prompt.
    pub training_length: f64,
    /// M: pairs of a prompt at test time, rising.
    pub pairs: Vec<f64>,
    /// States of an MDP.
    pub states: f64,
    /// Actions in every state.
    pub actions: f64,
    /// Decisions an episode.
    pub horizon: f64,
    /// MDPs.
    pub tasks: f64,
    /// Prompts of every MDP.
    pub prompts: f64,
    /// Gaussian prompts on which the trained layers are held against the theory.
    pub gaussian_prompts: f64,
    /// Layers that are trained.
    pub layers: f64,
    /// Steps of gradient descent a layer.
    pub steps: f64,
    /// Fresh prompts a step.
    pub batch: f64,
    /// Of the first step; it falls linearly to 0.
    pub learning_rate: f64,
    /// Threads (default: one a core). The same numbers for any.
    pub threads: Option<f64>,
}

/// How close a trained layer came to the closed form.
#[napi(object, object_from_js = false)]
pub struct TheoryLayer {
    /// `‖A − Γ⁻¹‖_F / ‖Γ⁻¹‖_F` for the layer's matrix A.
    pub distance: f64,
    /// By how much the mean squared error of A on prompts of the training's length exceeds that of `Γ⁻¹`, as a share of it.
    pub excess: f64,
    /// How large the numbers are that the closed form has at 0, as a share of those beside them: the value's.
    pub stray_value: f64,
    /// The same of key and query.
    pub stray_key_query: f64,
}

/// Mean squared errors on prompts drawn as in training, of M pairs.
#[napi(object, object_from_js = false)]
pub struct TheoryGaussian {
    /// M.
    pub pairs: u32,
    /// Of the closed form, in theory: what falls with M.
    pub estimation: f64,
    /// Of the closed form, in theory: what falls with N.
    pub bias: f64,
    /// Of the closed form, measured.
    pub closed: f64,
    /// Its standard error.
    pub closed_error: f64,
    /// Of the trained layers, measured on the same prompts.
    pub trained: f64,
    /// Its standard error.
    pub trained_error: f64,
}

/// What came of a cell.
#[napi(object, object_from_js = false)]
pub struct TheoryOutcome {
    /// One a trained layer.
    pub layers: Vec<TheoryLayer>,
    /// One a number of pairs.
    pub gaussian: Vec<TheoryGaussian>,
    /// What the columns of `rows` are.
    pub columns: Vec<String>,
    /// Row-major: a row a task and number of pairs, the pairs of one task together.
    pub rows: Float64Array,
}

/// Runs a cell of the theory study.
#[napi(ts_return_type = "Promise<TheoryOutcome>")]
pub fn theory_cell(
    options: TheoryOptions,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
) -> Result<Background<TheoryOutcome>> {
    let setting = setting(&options)?;
    let (cancel, reporter) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    Ok(background(cancel.clone(), threads(options.threads)?, move || {
        let hook = |progress: tiresias_theory::Progress| {
            let (done, total) = (progress.done as u32, progress.total as u32);
            let last = progress.phase == "measure" && done == total;
            reporter.report(last, || StageProgress { done, total, phase: progress.phase.into() });
            if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        setting.run(&hook).map(|outcome| handed(&setting, &outcome)).map_err(|failed| match failed {
            Failed::Cancelled => cancelled(),
            wrong => invalid(wrong),
        })
    }))
}

/// Limits are there so that no call runs for long between two looks at its token.
fn setting(options: &TheoryOptions) -> Result<Setting> {
    const MOST: u32 = 1_000_000;
    const LONGEST: u32 = 100_000;
    let pairs = options.pairs.iter().map(|&m| whole("pairs", m, 1, LONGEST)).collect::<Result<Vec<_>>>()?;
    Ok(Setting {
        seed: index("seed", options.seed)?,
        shape: Shape {
            states: whole("states", options.states, 1, 200)?,
            actions: whole("actions", options.actions, 1, 20)?,
            dimension: whole("dimension", options.dimension, 1, 32)?,
            horizon: whole("horizon", options.horizon, 1, 100)?,
        },
        decay: options.decay,
        training_length: whole("trainingLength", options.training_length, 1, LONGEST)?,
        pairs,
        tasks: whole("tasks", options.tasks, 1, MOST)?,
        prompts: whole("prompts", options.prompts, 1, 1000)?,
        gaussian_prompts: whole("gaussianPrompts", options.gaussian_prompts, 1, MOST)?,
        layers: whole("layers", options.layers, 1, 100)?,
        training: Training {
            steps: whole("steps", options.steps, 1, MOST)?,
            batch: whole("batch", options.batch, 1, 65_536)?,
            learning_rate: options.learning_rate,
        },
    })
}

/// The columns of a row, without those of who acted.
const COLUMNS: [&str; 10] = [
    "optimal",
    "random",
    "worst",
    "leverage",
    "estimation",
    "bias",
    "bound",
    "boundEstimation",
    "boundBias",
    "boundSharp",
];

/// The columns of who acted, behind its name.
const ACTED: [&str; 7] = ["Loss", "Advantage", "Realised", "ErrorTraining", "ErrorStates", "ErrorPolicy", "Optimism"];

fn handed(setting: &Setting, outcome: &Outcome) -> TheoryOutcome {
    let of = |who: &'static str| ACTED.iter().map(move |what| format!("{who}{what}"));
    let columns: Vec<String> =
        COLUMNS.iter().map(ToString::to_string).chain(of("closed")).chain(of("trained")).collect();
    let acted = |by: &Acted| {
        [by.loss, by.advantage, by.realised, by.error_training, by.error_states, by.error_policy, by.optimism]
    };
    let mut rows = Vec::new();
    for task in &outcome.tasks {
        for Point { exact, bound, closed, trained } in &task.points {
            rows.extend([task.optimal, task.random, task.worst, task.leverage, exact.estimation, exact.bias]);
            rows.extend([bound.total, bound.estimation, bound.bias, bound.sharp]);
            rows.extend(acted(closed).into_iter().chain(acted(trained)));
        }
    }
    let layers = outcome.layers.iter().map(|layer| TheoryLayer {
        distance: layer.distance,
        excess: layer.excess,
        stray_value: layer.stray_value,
        stray_key_query: layer.stray_key_query,
    });
    let gaussian = setting.pairs.iter().zip(&outcome.gaussian).map(|(&pairs, point)| TheoryGaussian {
        pairs: pairs as u32,
        estimation: point.exact.estimation,
        bias: point.exact.bias,
        closed: point.closed,
        closed_error: point.closed_error,
        trained: point.trained,
        trained_error: point.trained_error,
    });
    TheoryOutcome { layers: layers.collect(), gaussian: gaussian.collect(), columns, rows: Float64Array::new(rows) }
}
