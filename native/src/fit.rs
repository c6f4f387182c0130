//! Models and clouds of models from recorded decisions.

use std::ops::ControlFlow;

use serde::Deserialize;
use serde_json::json;
use tiresias_fit::{self as core, CloudOptions, FitError, HeldOut, MdpOptions, PomdpOptions};
use tiresias_guard::napi;
use tiresias_model::Model;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, background, threads};
use crate::errors::{Result, cancelled, from_model, invalid};
use crate::logs::Trajectories;

/// How far a fit has come.
#[napi(object, object_from_js = false)]
pub struct FitProgress {
    /// `choose` for fits to a part of the episodes, `try` for the first iterations from every start, `climb` for the best start's way to the end,
    /// `refit` for the members of a bootstrap.
    #[napi(ts_type = "'choose' | 'try' | 'climb' | 'refit'")]
    pub phase: String,
    /// Fits, starts, iterations or members done.
    pub done: f64,
    /// How many there are at most.
    pub total: f64,
}

/// What a fit is asked for, as TypeScript writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    kind: Kind,
    name: String,
    states: Option<[usize; 2]>,
    weight: Option<f64>,
    reward_weight: Option<f64>,
    rewards_seen: Option<bool>,
    starts: Option<usize>,
    iterations: Option<usize>,
    tolerance: Option<f64>,
    discount: f64,
    horizon: Option<usize>,
    held_out: Option<f64>,
    folds: Option<usize>,
    seed: u64,
    ambiguity: Option<Around>,
    models: Option<usize>,
    alpha: Option<f64>,
    coverage: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Mdp,
    Pomdp,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Around {
    Posterior,
    Bootstrap,
    L1,
    Interval,
}

/// What a fit found, models as their JSON texts.
#[napi(object, object_from_js = false)]
pub struct FittedTexts {
    /// The likeliest model.
    pub model: String,
    /// The cloud or the sets around it, as one model; left out where none was asked for.
    pub ambiguous: Option<String>,
    /// The cloud's members.
    pub members: Vec<String>,
    /// What was found, as JSON text.
    pub report: String,
}

fn from_fit(error: FitError) -> napi::Error {
    match error {
        FitError::Cancelled => cancelled(),
        FitError::Model(error) => from_model(error),
        error => invalid(error),
    }
}

impl Asked {
    fn held_out(&self) -> HeldOut {
        match (self.folds, self.held_out) {
            (Some(folds), _) => HeldOut::Folds(folds),
            (None, Some(share)) => HeldOut::Share(share),
            (None, None) => HeldOut::Nothing,
        }
    }

    fn cloud(&self) -> CloudOptions {
        let plain = CloudOptions::default();
        CloudOptions {
            models: self.models.unwrap_or(plain.models),
            alpha: self.alpha.unwrap_or(plain.alpha),
            seed: self.seed,
        }
    }

    fn mdp(&self) -> MdpOptions {
        let plain = MdpOptions::default();
        MdpOptions {
            name: self.name.clone(),
            weight: self.weight.unwrap_or(plain.weight),
            reward_weight: self.reward_weight.unwrap_or(plain.reward_weight),
            discount: self.discount,
            horizon: self.horizon,
            held_out: self.held_out(),
            seed: self.seed,
            ..plain
        }
    }

    fn pomdp(&self) -> PomdpOptions {
        let plain = PomdpOptions::default();
        PomdpOptions {
            name: self.name.clone(),
            states: self.states.map_or(plain.states, |[least, most]| least..=most),
            weight: self.weight.unwrap_or(plain.weight),
            reward_weight: self.reward_weight.unwrap_or(plain.reward_weight),
            rewards_seen: self.rewards_seen.unwrap_or(plain.rewards_seen),
            starts: self.starts.unwrap_or(plain.starts),
            iterations: self.iterations.unwrap_or(plain.iterations),
            tolerance: self.tolerance.unwrap_or(plain.tolerance),
            discount: self.discount,
            horizon: self.horizon,
            held_out: self.held_out(),
            seed: self.seed,
            ..plain
        }
    }
}

/// Fits a model, and a cloud or sets around it, by options in JSON text.
#[napi(ts_return_type = "Promise<FittedTexts>")]
pub fn fit_logs(
    trajectories: &Trajectories,
    options: String,
    threads: Option<f64>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: FitProgress) => void")] on_progress: Option<ProgressCallback<FitProgress>>,
) -> Result<Background<FittedTexts>> {
    let asked: Asked = serde_json::from_str(&options).map_err(invalid)?;
    let (cancel, reporter, threads) =
        (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress), self::threads(threads)?);
    let recorded = trajectories.0.clone();
    Ok(background(cancel.clone(), threads, move || {
        let hook = |core::Progress { phase, done, total, .. }: core::Progress| {
            reporter.report(false, || FitProgress { phase: phase.into(), done: done as f64, total: total as f64 });
            if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        fitted(&recorded.all, &asked, &hook).map_err(from_fit)
    }))
}

fn fitted(all: &tiresias_data::Trajectories, asked: &Asked, hook: core::Hook<'_>) -> Result<FittedTexts, FitError> {
    match asked.kind {
        Kind::Mdp => {
            let fit = core::fit_mdp(all, &asked.mdp())?;
            let coverage = asked.coverage.unwrap_or(0.95);
            let around = match asked.ambiguity {
                None => (None, Vec::new()),
                Some(Around::Posterior) => parts(fit.posterior(&asked.cloud())?),
                Some(Around::Bootstrap) => parts(fit.bootstrap(all, &asked.cloud(), hook)?),
                Some(Around::L1) => (Some(fit.l1(coverage)?), Vec::new()),
                Some(Around::Interval) => (Some(fit.interval(coverage)?), Vec::new()),
            };
            let report = &fit.report;
            let pair = |&(state, action): &(usize, usize)| json!({ "state": all.observation_space().name(state), "action": all.action_space().name(action) });
            let uncovered: Vec<_> = report
                .uncovered
                .iter()
                .take(100)
                .filter(|&&(state, _)| state < all.observation_space().len())
                .map(pair)
                .collect();
            let report = json!({
                "kind": "mdp",
                "episodes": report.episodes,
                "steps": report.steps,
                "transitions": report.transitions,
                "unseen": report.unseen,
                "uncovered": report.uncovered.len(),
                "uncoveredPairs": uncovered,
                "logLikelihood": report.log_likelihood,
                "heldOut": report.held_out,
            });
            Ok(texts(&fit.model, around, &report))
        }
        Kind::Pomdp => {
            let fit = core::fit_pomdp(all, &asked.pomdp(), hook)?;
            let around = match asked.ambiguity {
                None => (None, Vec::new()),
                Some(Around::Posterior) => parts(fit.posterior(&asked.cloud())?),
                Some(Around::Bootstrap) => parts(fit.bootstrap(all, &asked.cloud(), hook)?),
                Some(Around::L1 | Around::Interval) => {
                    return Err(FitError::Option {
                        what: "ambiguity",
                        value: "sets around rows".into(),
                        expected: "possible where states are hidden, as no count is known; take posterior or bootstrap"
                            .into(),
                    });
                }
            };
            let report = &fit.report;
            let first = |one: &core::FirstSymbol| json!({ "symbol": all.observation_space().name(one.symbol), "episodes": one.episodes, "belief": one.belief });
            let candidate = |one: &core::Candidate| json!({ "states": one.states, "heldOut": one.log_likelihood, "error": one.error });
            let report = json!({
                "kind": "pomdp",
                "episodes": report.episodes,
                "steps": report.steps,
                "seen": report.seen,
                "states": report.states,
                "untaken": report.untaken.iter().map(|&action| all.action_space().name(action)).collect::<Vec<_>>(),
                "logLikelihood": report.log_likelihood,
                "heldOut": report.held_out,
                "candidates": report.candidates.iter().map(candidate).collect::<Vec<_>>(),
                "starts": report.trials,
                "iterations": report.log_posteriors.len(),
                "converged": report.converged,
                "firstSymbols": report.first_symbols.iter().map(first).collect::<Vec<_>>(),
            });
            Ok(texts(&fit.model, around, &report))
        }
    }
}

fn parts(cloud: core::Cloud) -> (Option<Model>, Vec<Model>) {
    (Some(cloud.model), cloud.members)
}

fn texts(model: &Model, (ambiguous, members): (Option<Model>, Vec<Model>), report: &serde_json::Value) -> FittedTexts {
    FittedTexts {
        model: model.to_json(),
        ambiguous: ambiguous.map(|model| model.to_json()),
        members: members.iter().map(Model::to_json).collect(),
        report: report.to_string(),
    }
}
