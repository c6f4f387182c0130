//! A static solution as a document: what to play, and what it is worth.
//!
//! Nothing in it is believed when it is read: plans are played through again, model by model, and what they earn is what counts.

use serde::{Deserialize, Serialize};
use tiresias_model::{Kind, Model, Space};
use tiresias_text::Unmarked;

use super::oracle::parts;
use super::{Plan, Pure, StaticSolution, StaticStats, Weighted, attitude};
use crate::{SolveError, Stopped};

/// The value of the document's `schema` field.
pub const STATIC_POLICY_SCHEMA: &str = "tiresias.static-policy/1";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    schema: String,
    /// SHA-256 of the model's canonical JSON.
    model: String,
    alpha: f64,
    lower: f64,
    upper: f64,
    prior: Vec<f64>,
    worth: Vec<f64>,
    mixture: Vec<Weighted>,
    pure: Pure,
    stopped: Stopped,
    stats: StaticStats,
}

impl StaticSolution {
    /// The solution as JSON, for `model`, which it solves.
    pub fn save(&self, model: &Model) -> String {
        let Self { lower, upper, prior, mixture, worth, pure, stats, stopped } = self.clone();
        let document = Document {
            schema: STATIC_POLICY_SCHEMA.into(),
            model: model.sha256(),
            alpha: model.alpha(),
            lower,
            upper,
            prior,
            worth,
            mixture,
            pure,
            stopped,
            stats,
        };
        serde_json::to_string(&document).expect("numbers are finite and keys are strings")
    }

    /// Reads what [`save`](Self::save) wrote. Plans are evaluated again: their worth, and the lower bounds, are those found now.
    /// O(nodes · entries of the kernels).
    ///
    /// Errors: [`SolveError::Corrupt`] for a document that is none or does not fit, [`SolveError::Version`],
    /// [`SolveError::OtherModel`].
    pub fn load(text: &str, model: &Model) -> Result<Self, SolveError> {
        let corrupt = |what: String| SolveError::Corrupt(what);
        let document: Document =
            serde_json::from_str(text.unmarked()).map_err(|error| corrupt(format!("static policy: {error}")))?;
        if document.schema != STATIC_POLICY_SCHEMA {
            return Err(SolveError::Version { found: document.schema, expected: STATIC_POLICY_SCHEMA });
        }
        let expected = model.sha256();
        if document.model != expected {
            return Err(SolveError::OtherModel { found: document.model, expected });
        }
        let Document { upper, prior, mut mixture, mut pure, stopped, stats, .. } = document;
        let models = model.dynamics().len();
        let sum: f64 = mixture.iter().map(|one| one.probability).sum();
        let is_distribution = |p: f64| p > 0.0 && p <= 1.0;
        if !mixture.iter().all(|one| is_distribution(one.probability)) || (sum - 1.0).abs() > 1e-6 {
            return Err(corrupt("the mixture's probabilities are no distribution".into()));
        }
        if prior.len() != models || !upper.is_finite() {
            return Err(corrupt(format!("prior or bounds do not fit a cloud of {models}")));
        }
        let mut worth = vec![0.0; models];
        for one in &mut mixture {
            one.plan.worth = evaluate(&one.plan, model)?;
            worth.iter_mut().zip(&one.plan.worth).for_each(|(total, v)| *total += one.probability * v);
        }
        pure.plan.worth = evaluate(&pure.plan, model)?;
        pure.lower = attitude(model.alpha(), &pure.plan.worth);
        let lower = attitude(model.alpha(), &worth);
        Ok(Self { lower, upper: upper.max(lower), prior, mixture, worth, pure, stats, stopped })
    }
}

/// What a plan earns under each model.
fn evaluate(plan: &Plan, model: &Model) -> Result<Vec<f64>, SolveError> {
    let corrupt = |what: String| SolveError::Corrupt(what);
    let states = model.states().len();
    let observations = model.observations().map_or(states, Space::len);
    let parts = parts(model);
    let mut worth = vec![0.0; model.dynamics().len()];
    if plan.controllers.len() != parts.len() {
        let found = plan.controllers.len();
        return Err(corrupt(format!("a plan has {found} controllers, the start {} parts", parts.len())));
    }
    for (first, part) in plan.controllers.iter().zip(&parts) {
        if first.state != part.state {
            return Err(corrupt("a plan's controllers are not for the states of the start, in order".into()));
        }
        if let Some(problem) = first.controller.shape_problem(model.actions().len(), observations, model.horizon()) {
            return Err(corrupt(problem));
        }
        for (m, worth) in worth.iter_mut().enumerate() {
            let single = model.single(m);
            // One model alone is its own POMDP, where the state is seen as well.
            let one = if single.kind() == Kind::Pomdp { single } else { environment(&single)? };
            let values = first.controller.values_while(&one, &|| false).map_err(|error| corrupt(error.to_string()))?;
            *worth += part.probability * values[0][..states].iter().zip(part.belief()).map(|(v, p)| v * p).sum::<f64>();
        }
    }
    Ok(worth)
}

fn environment(single: &Model) -> Result<Model, SolveError> {
    single.environments(&[1.0]).map_err(|error| SolveError::Corrupt(error.to_string()))
}
