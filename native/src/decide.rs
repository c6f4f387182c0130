//! Decisions for services: a belief conditioned on what was seen, and many decisions in one call.

use napi::bindgen_prelude::{Float64Array, Float64ArraySlice, Uint32Array};
use rayon::prelude::*;
use tiresias_guard::napi;
use tiresias_model::belief::{selected, update_under_ambiguity};
use tiresias_model::{self as model, Nature, Policy as _};
use tiresias_solve as core;

use crate::arrays::{Out as _, apart, place};
use crate::background::{Background, CancelToken, at_once, background, threads};
use crate::errors::{Result, cancelled, coded, from_model, invalid, whole};
use crate::model::{check_action, check_belief};
use crate::solve::{Solution, over};

/// What made a belief out of the one before it.
#[napi(object, object_from_js = false)]
pub struct Updated {
    /// The observation's likelihood under the model that made the update.
    pub likelihood: f64,
    /// The model of the cloud that made the update; 0 where there is one.
    pub model: u32,
    /// The model that `H^α` selects; `model` is another one only where this rules the observation out.
    pub selected: u32,
}

/// Decisions at many beliefs, one an entry.
#[napi(object, object_from_js = false)]
pub struct DecidedBatch {
    /// The actions taken.
    pub actions: Uint32Array,
    /// Proven lower bounds on the values of the decisions.
    pub lower: Float64Array,
    /// Proven upper bounds on them.
    pub upper: Float64Array,
    /// What each action can lose at most.
    pub regret_bounds: Float64Array,
}

/// One of them.
type Decision = (usize, f64, f64, f64);

/// Below so many decisions another thread costs more than it brings.
const FEW: usize = 16;

impl From<Vec<Decision>> for DecidedBatch {
    fn from(decisions: Vec<Decision>) -> Self {
        let column = |of: fn(&Decision) -> f64| Float64Array::new(decisions.iter().map(of).collect());
        Self {
            actions: Uint32Array::new(decisions.iter().map(|decision| decision.0 as u32).collect()),
            lower: column(|decision| decision.1),
            upper: column(|decision| decision.2),
            regret_bounds: column(|decision| decision.3),
        }
    }
}

/// A decision by a backup of what is stored, or by what is stored alone where it has that form.
fn decision(policy: &core::SolvedPolicy, stage: usize, belief: &[f64], lookahead: bool) -> Decision {
    if !lookahead && let Some(direct) = policy.direct(stage, belief) {
        return (direct.action, direct.lower, direct.upper, direct.regret_bound());
    }
    let assessed = policy.assess(stage, belief);
    let (action, (lower, upper)) = (assessed.action(), assessed.bounds());
    (action, lower, upper, assessed.regret_bound(action))
}

/// Checks every stage and belief of a batch, and names the first entry that is wrong.
fn check(model: &model::Model, stages: &[u32], beliefs: &[f64]) -> Result<()> {
    let states = model.states().len();
    if Some(beliefs.len()) != stages.len().checked_mul(states) {
        let (given, count) = (beliefs.len(), stages.len());
        return Err(invalid(format!("beliefs: {given} numbers where {count} beliefs over {states} states are needed")));
    }
    for (i, (&stage, belief)) in stages.iter().zip(beliefs.chunks_exact(states)).enumerate() {
        let named = |error: napi::Error| {
            let reason = error.reason.strip_prefix("INVALID_ARGUMENT: ").unwrap_or(&error.reason).to_owned();
            coded("INVALID_ARGUMENT", format!("entry {i}: {reason}"))
        };
        if let Some(horizon) = model.horizon().filter(|&horizon| stage as usize >= horizon) {
            return Err(named(over(stage as usize, horizon)));
        }
        check_belief(model, belief).map_err(named)?;
    }
    Ok(())
}

/// Decides at beliefs that passed [`check`], on the threads of the pool that it runs in.
fn decide_all(
    policy: &core::SolvedPolicy,
    stages: &[u32],
    beliefs: &[f64],
    lookahead: bool,
    cancel: &CancelToken,
) -> Result<DecidedBatch> {
    let states = policy.model().states().len();
    let decisions: Result<Vec<Decision>> = stages
        .par_iter()
        .zip(beliefs.par_chunks_exact(states))
        .map(|(&stage, belief)| {
            cancel.check()?;
            // As it was checked: the mass that rounding took is put back.
            let belief = check_belief(policy.model(), belief)?;
            Ok(decision(policy, stage as usize, &belief, lookahead))
        })
        .collect();
    decisions.map(DecidedBatch::from)
}

#[napi]
impl Solution {
    /// Writes the belief at the next stage by Bayes' rule to `out` (length S), after an action at (stage, belief) and what was seen then: the next state, where the
    /// state is seen. In a cloud the model that `H^α` selects updates it; where it rules the observation out, the model under which
    /// that is likeliest. `IMPOSSIBLE_OBSERVATION` when no model allows it; `out` is then of no use.
    #[napi]
    pub fn update(
        &self,
        stage: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
        action: f64,
        observation: f64,
        mut out: Float64ArraySlice,
    ) -> Result<Updated> {
        let given = place(belief);
        let (stage, belief) = self.at(stage, belief)?;
        let model: &model::Model = &self.model;
        let action = check_action(model, action)?;
        let symbols = model.observations().map_or(model.states().len(), model::Space::len);
        let observation = whole("observation", observation, 0, symbols as u32 - 1)?;
        // Nature has nothing to choose from where there is one model.
        let nature = match model.dynamics().len() {
            1 => Nature { minimiser: 0, maximiser: 0 },
            _ => self.inner.policy.nature(stage, &belief, action),
        };
        if out.len() != belief.len() {
            return Err(invalid(format!("out has {} entries, the model has {} states", out.len(), belief.len())));
        }
        apart(&[given, place(&out)])?;
        let explained =
            update_under_ambiguity(model, nature, &belief, action, observation, out.out()).map_err(from_model)?;
        Ok(Updated {
            likelihood: explained.likelihood,
            model: explained.model as u32,
            selected: selected(model, nature) as u32,
        })
    }

    /// What to do at (stage, belief), as `decide` says or, without `lookahead`, `decideBatchSync`; written to `out`: the action, the lower
    /// and the upper bound, and what the action can lose at most. Makes no object, for those who decide for every request.
    #[napi]
    pub fn decide_into(
        &self,
        stage: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
        mut out: Float64ArraySlice,
        lookahead: Option<bool>,
    ) -> Result<()> {
        let given = place(belief);
        let (stage, belief) = self.at(stage, belief)?;
        if out.len() != 4 {
            return Err(invalid(format!(
                "out has {} entries and takes 4: action, lower, upper, regret bound",
                out.len()
            )));
        }
        apart(&[given, place(&out)])?;
        let (action, lower, upper, regret) = decision(&self.inner.policy, stage, &belief, lookahead.unwrap_or(true));
        out.out().copy_from_slice(&[action as f64, lower, upper, regret]);
        Ok(())
    }

    /// What to do at many (stage, belief), on the calling thread where they are few; `beliefs` is row-major, entries × S. Each
    /// entry is what `decide` says there. Without `lookahead` policies of α-vectors of one model act by these and the stored bounds,
    /// without a backup: sooner, by wider bounds. `INVALID_ARGUMENT` names the first entry that is wrong.
    #[napi]
    pub fn decide_batch_sync(
        &self,
        stages: &[u32],
        beliefs: &[f64],
        lookahead: Option<bool>,
        thread_limit: Option<f64>,
    ) -> Result<DecidedBatch> {
        check(&self.model, stages, beliefs)?;
        let limit = thread_limit.map(|n| threads(Some(n))).transpose()?;
        let policy = &self.inner.policy;
        at_once(limit, stages.len() < FEW, || {
            decide_all(policy, stages, beliefs, lookahead.unwrap_or(true), &CancelToken::default())
        })
    }

    /// As `decideBatchSync`, on threads of the library's own. The arrays are copied before the call returns.
    #[napi(ts_return_type = "Promise<DecidedBatch>")]
    pub fn decide_batch(
        &self,
        stages: &[u32],
        beliefs: &[f64],
        lookahead: Option<bool>,
        thread_limit: Option<f64>,
        cancel: Option<&CancelToken>,
    ) -> Result<Background<DecidedBatch>> {
        check(&self.model, stages, beliefs)?;
        let (stages, beliefs) = (stages.to_vec(), beliefs.to_vec());
        let (cancel, solution) = (cancel.cloned().unwrap_or_default(), self.inner.clone());
        Ok(background(cancel.clone(), threads(thread_limit)?, move || {
            if cancel.unwanted() {
                return Err(cancelled());
            }
            decide_all(&solution.policy, &stages, &beliefs, lookahead.unwrap_or(true), &cancel)
        }))
    }
}
