//! What a policy earns, over many episodes.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;
use tiresias_model::random::Key;
use tiresias_model::{Kind, Policy};
use tiresias_sim::{Actor, Simulation, Summary};

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, background, threads};
use crate::errors::{Result, cancelled, from_policy_file, index, invalid, whole};
use crate::model::Model;
use crate::policy_files::AlphaPolicy;
use crate::solve::Solution;
use crate::study::StageProgress;

/// Which episodes to simulate.
#[napi(object)]
#[derive(Clone)]
pub struct SimulateOptions {
    /// Number of episodes.
    pub episodes: f64,
    /// Decisions an episode (default: the model's horizon, or as many as leave less than 1e-6 of the discount).
    pub steps: Option<f64>,
    /// Seed of the random stream (default 0).
    pub seed: Option<f64>,
    /// Threads (default: one a core). The same numbers for any.
    pub threads: Option<f64>,
}

/// The discounted returns of a policy, summed up.
#[napi(object)]
pub struct Simulated {
    pub episodes: f64,
    /// Decisions an episode at most.
    pub steps: f64,
    pub mean: f64,
    /// Standard deviation of one episode's return.
    pub deviation: f64,
    /// Ends of the 95 % interval of the mean, by the normal approximation.
    pub low: f64,
    pub high: f64,
    /// What the decisions that were cut off might add to the mean, at least and at most.
    pub truncation_low: f64,
    pub truncation_high: f64,
    /// Decisions made, over all episodes.
    pub decisions: f64,
    pub seconds: f64,
}

/// The most episodes and the most decisions of one.
const MOST: u32 = 1 << 30;

/// Simulates a policy, or random actions without one.
#[napi(ts_return_type = "Promise<Simulated>")]
pub fn simulate(
    model: &Model,
    options: SimulateOptions,
    solution: Option<&Solution>,
    vectors: Option<&AlphaPolicy>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
) -> Result<AsyncTask<Background<Simulated>>> {
    let model = model.0.clone();
    if !matches!(model.kind(), Kind::Mdp | Kind::Pomdp) {
        return Err(invalid("a model of several is simulated by rollout, where nature picks one"));
    }
    let policy: Option<Arc<dyn Policy>> = match (solution, vectors) {
        (Some(solution), None) => {
            solution.check_solves(&model)?;
            Some(Arc::new(solution.inner.policy.clone()))
        }
        (None, Some(vectors)) => {
            vectors.inner.check(&model).map_err(from_policy_file)?;
            Some(vectors.inner.clone())
        }
        _ => None,
    };
    let stationary = vectors.is_some() || solution.is_some_and(|s| s.model.horizon().is_none());
    let episodes = whole("episodes", options.episodes, 1, MOST)?;
    let longest = [&model].into_iter().chain(solution.map(|s| &s.model)).filter_map(|m| m.horizon()).min();
    let steps = match options.steps {
        Some(steps) => whole("steps", steps, 1, longest.map_or(MOST, |h| (h as u32).min(MOST)))?,
        None => longest.unwrap_or_else(|| long_enough(model.discount())),
    };
    let key = Key::named(index("seed", options.seed.unwrap_or(0.0))?, &["rollout"], &[]);
    let (cancel, reporter) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    Ok(background(threads(options.threads)?, move || {
        let start = Instant::now();
        let actor = policy.as_deref().map_or(Actor::Random, |policy| Actor::Policy { policy, stationary });
        let simulation = Simulation { model: &model, actor, key, steps };
        let mut returns = vec![0.0; episodes];
        let done = AtomicUsize::new(0);
        let hook = |finished| {
            let done = done.fetch_add(finished, Ordering::Relaxed) + finished;
            reporter.report(done == episodes, || StageProgress {
                done: done as u32,
                total: episodes as u32,
                phase: "simulate".into(),
            });
            if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let decisions = simulation.run(0, &mut returns, &hook).ok_or_else(cancelled)?;
        let Summary { mean, deviation, half_width } = Summary::of(&returns);
        let (truncation_low, truncation_high) = simulation.truncation();
        Ok(Simulated {
            episodes: episodes as f64,
            steps: steps as f64,
            mean,
            deviation,
            low: mean - half_width,
            high: mean + half_width,
            truncation_low,
            truncation_high,
            decisions: decisions as f64,
            seconds: start.elapsed().as_secs_f64(),
        })
    }))
}

/// Decisions after which less than 1e-6 of the discount is left.
fn long_enough(discount: f64) -> usize {
    if discount == 0.0 { 1 } else { (1e-6_f64.ln() / discount.ln()).ceil().clamp(1.0, f64::from(MOST)) as usize }
}
