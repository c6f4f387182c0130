//! What a policy would have earned, from recorded decisions alone.

use std::ops::ControlFlow;

use napi::bindgen_prelude::{Float32Array, Float64Array};
use serde::Deserialize;
use serde_json::{Value, json};
use tiresias_data::NOTHING;
use tiresias_guard::napi;
use tiresias_off_policy::{self as core, Assumption, Behaviour, Error, Fit, Interval, Options, Refusal, Target};

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, alone, guarded};
use crate::errors::{Result, cancelled, invalid};
use crate::logs::Trajectories;
use crate::solve::Solution;

/// How far an estimation has come.
#[napi(object, object_from_js = false)]
pub struct OffPolicyProgress {
    /// What is being done.
    #[napi(ts_type = "'weights' | 'fit' | 'sums' | 'resamples'")]
    pub phase: String,
    /// Pieces begun.
    pub done: f64,
    /// Pieces of this phase.
    pub total: f64,
}

/// Options as TypeScript writes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    discount: f64,
    behaviour: Option<String>,
    smoothing: Option<f64>,
    stages: Option<usize>,
    max_weight: Option<f64>,
    fit: Option<String>,
    folds: Option<usize>,
    least_effective: Option<f64>,
    largest_share: Option<f64>,
    level: Option<f64>,
    resamples: Option<usize>,
    interval: Option<String>,
    seed: Option<u64>,
    threads: Option<usize>,
}

impl Asked {
    fn options(self) -> Result<Options> {
        let plain = Options::default();
        let word = |what: &str, found: &str, known: &str| invalid(format!("{what} {found:?} is none of {known}"));
        let estimated = Behaviour::Estimated { smoothing: self.smoothing.unwrap_or(0.0), stages: self.stages };
        let counted = self.smoothing.is_some() || self.stages.is_some();
        let behaviour = match self.behaviour.as_deref() {
            None | Some("auto") if counted => estimated,
            None | Some("auto") => Behaviour::Auto,
            Some("logged") => Behaviour::Logged,
            Some("estimated") => estimated,
            Some(other) => return Err(word("behaviour", other, "auto, logged, estimated")),
        };
        let fit = match self.fit.as_deref() {
            None | Some("pooled") => Fit::Pooled,
            Some("staged") => Fit::Staged,
            Some("stationary") => Fit::Stationary,
            Some(other) => return Err(word("fit", other, "pooled, staged, stationary")),
        };
        let interval = match self.interval.as_deref() {
            None | Some("bca") => Interval::Bca,
            Some("percentile") => Interval::Percentile,
            Some(other) => return Err(word("interval", other, "bca, percentile")),
        };
        Ok(Options {
            discount: self.discount,
            behaviour,
            max_weight: self.max_weight,
            fit,
            folds: self.folds.unwrap_or(plain.folds),
            least_effective: self.least_effective,
            largest_share: self.largest_share.unwrap_or(plain.largest_share),
            level: self.level.unwrap_or(plain.level),
            resamples: self.resamples.unwrap_or(plain.resamples),
            interval,
            seed: self.seed.unwrap_or(plain.seed),
            threads: self.threads.unwrap_or(plain.threads),
            ..plain
        })
    }
}

fn from_off_policy(error: Error) -> napi::Error {
    match error {
        Error::Cancelled => cancelled(),
        error => invalid(error),
    }
}

/// Probabilities of every action at every logged step under a solved policy, steps × actions. `first` are beliefs after a first symbol,
/// symbols × states.
#[napi]
pub fn follow_policy(
    trajectories: &Trajectories,
    solution: &Solution,
    first: Option<Float64Array>,
) -> Result<Float32Array> {
    guarded(|| {
        let policy = &solution.inner.policy;
        core::probabilities(&solution.model, policy, &trajectories.0.all, first.as_deref())
            .map(Float32Array::new)
            .map_err(from_off_policy)
    })
}

/// Estimates the value of a policy given by its probabilities of every action at every logged step (steps × actions), and by its action values
/// as somebody believes, where `q` is given. Options and result are JSON text.
#[napi(ts_return_type = "Promise<string>")]
pub fn off_policy(
    trajectories: &Trajectories,
    target: Float32Array,
    q: Option<Float64Array>,
    options: String,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: OffPolicyProgress) => void")] on_progress: Option<
        ProgressCallback<OffPolicyProgress>,
    >,
) -> Result<Background<String>> {
    let options = serde_json::from_str::<Asked>(&options).map_err(invalid)?.options()?;
    let (cancel, reporter) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    let recorded = trajectories.0.clone();
    // Copies: JavaScript may write to its own while this is read.
    let (target, q) = (target.to_vec(), q.map(|q| q.to_vec()));
    Ok(alone(cancel.clone(), move || {
        let hook = |core::Progress { phase, done, total }: core::Progress| {
            reporter.report(false, || OffPolicyProgress {
                phase: phase.into(),
                done: done as f64,
                total: total as f64,
            });
            if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let asked = Target { probabilities: &target[..], q: q.as_deref() };
        let found = core::estimate(&recorded.all, asked, &options, &hook).map_err(from_off_policy)?;
        Ok(document(&recorded.all, &found).to_string())
    }))
}

fn document(all: &tiresias_data::Trajectories, found: &core::Estimates) -> Value {
    let estimates: Vec<Value> = found
        .all
        .iter()
        .map(|(estimator, outcome)| match outcome {
            Ok(one) => json!({
                "estimator": estimator.name(),
                "value": one.value,
                "interval": one.interval,
                "effective": one.effective,
                "assumes": one.assumes.iter().map(|assumption| assumed(*assumption)).collect::<Vec<_>>(),
            }),
            Err(refusal) => json!({ "estimator": estimator.name(), "refused": refused(all, refusal) }),
        })
        .collect();
    let seen = &found.diagnostics;
    json!({
        "estimates": estimates,
        "behaviour": seen.behaviour.name(),
        "episodes": seen.episodes,
        "steps": seen.steps,
        "largestWeight": seen.largest_weight,
        "meanWeight": seen.mean_weight,
        "effective": seen.effective,
        "effectiveByStage": seen.effective_by_stage,
        "possible": seen.possible,
        "unsupportedSteps": seen.unsupported_steps,
        "unsupportedProbability": seen.unsupported_probability,
        "clipped": seen.clipped,
    })
}

fn assumed(assumption: Assumption) -> &'static str {
    match assumption {
        Assumption::ObservationsAreStates => "observations-are-states",
        Assumption::SameAtEveryStage => "same-at-every-stage",
        Assumption::BehaviourByObservation => "behaviour-by-observation",
        Assumption::CutWeights => "cut-weights",
    }
}

/// A refusal with names in place of numbers.
fn refused(all: &tiresias_data::Trajectories, refusal: &Refusal) -> Value {
    let gaps = match refusal {
        Refusal::Support { gaps, .. } => gaps.as_slice(),
        _ => &[],
    };
    let seen = |symbol: i32| {
        if symbol == NOTHING { Value::Null } else { all.observation_space().name(symbol as usize).into() }
    };
    let gap = |gap: &core::Gap| {
        json!({
            "observation": seen(gap.observation),
            "action": all.action_space().name(gap.action.into()),
            "steps": gap.steps,
            "probability": gap.probability,
            "first": gap.first,
        })
    };
    json!({ "kind": refusal.kind(), "message": refusal.to_string(), "gaps": gaps.iter().map(gap).collect::<Vec<_>>() })
}
