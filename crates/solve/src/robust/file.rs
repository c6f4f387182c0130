//! A robust solution as a document.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;
use tiresias_text::Unmarked;

use super::StochasticController;
use super::solver::{RobustSolution, RobustStats};
use crate::{SolveError, Stopped};

/// The value of the document's `schema` field.
pub const ROBUST_POLICY_SCHEMA: &str = "tiresias.robust-policy/1";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    schema: String,
    /// SHA-256 of the model's canonical JSON.
    model: String,
    lower: f64,
    upper: f64,
    controller: StochasticController,
    stopped: Stopped,
    stats: RobustStats,
}

impl RobustSolution {
    /// The solution as JSON, for `model`, which it solves.
    pub fn save(&self, model: &Model) -> String {
        let Self { lower, upper, controller, stats, stopped } = self.clone();
        let document = Document {
            schema: ROBUST_POLICY_SCHEMA.into(),
            model: model.sha256(),
            lower,
            upper,
            controller,
            stopped,
            stats,
        };
        serde_json::to_string(&document).expect("numbers are finite and keys are strings")
    }

    /// Reads what [`save`](Self::save) wrote. The lower bound is what the controller's nodes prove, each held against one step of the game;
    /// the upper is believed, and no less than that.
    ///
    /// Errors: [`SolveError::Corrupt`], [`SolveError::Version`], [`SolveError::OtherModel`].
    pub fn load(text: &str, model: &Model) -> Result<Self, SolveError> {
        let document: Document = serde_json::from_str(text.unmarked())
            .map_err(|error| SolveError::Corrupt(format!("robust policy: {error}")))?;
        let Document { schema, model: found, upper, controller, stopped, stats, .. } = document;
        if schema != ROBUST_POLICY_SCHEMA {
            return Err(SolveError::Version { found: schema, expected: ROBUST_POLICY_SCHEMA });
        }
        let expected = model.sha256();
        if found != expected {
            return Err(SolveError::OtherModel { found, expected });
        }
        if let Some(problem) = controller.problem(model) {
            return Err(SolveError::Corrupt(problem));
        }
        let lower = controller.lower(model);
        Ok(Self { lower, upper: upper.max(lower), controller, stats, stopped })
    }
}
