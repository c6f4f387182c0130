//! The belief filter of one acting decision-maker.

use std::sync::Arc;

use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;
use tiresias_model::{self as core, Nature, Policy as _};

use crate::errors::{Result, from_model, invalid, whole};
use crate::model::{Model, check_action};
use crate::solve::Solution;

/// Tracks the belief of a decision-maker who acts in a model. In an APOMDP the model that updates the belief is the one that
/// `H^α` selects under the given solution; when it rules the observation out, the one with the largest likelihood.
#[napi]
pub struct BeliefTracker {
    model: Arc<core::Model>,
    solution: Option<Solution>,
    belief: Vec<f64>,
    scratch: Vec<f64>,
    stage: usize,
    updated_by: usize,
}

#[napi]
impl BeliefTracker {
    /// Starts at the model's b0. A cloud of several models needs a solution of it.
    #[napi(constructor)]
    pub fn new(model: &Model, solution: Option<&Solution>) -> Result<Self> {
        if model.0.dynamics().len() > 1 && solution.is_none() {
            return Err(invalid("a belief tracker of several models needs their solution, which selects the model"));
        }
        let belief = model.0.start().to_vec();
        let scratch = vec![0.0; belief.len()];
        Ok(Self { model: model.0.clone(), solution: solution.cloned(), belief, scratch, stage: 0, updated_by: 0 })
    }

    /// Conditions on an action and what was seen after it; returns the observation's likelihood under the model used.
    /// `IMPOSSIBLE_OBSERVATION` when no model allows it; the belief is then as it was.
    #[napi]
    pub fn update(&mut self, action: f64, observation: f64) -> Result<f64> {
        let action = check_action(&self.model, action)?;
        let symbols = self.model.observations().map_or(self.model.states().len(), core::Space::len);
        let observation = whole("observation", observation, 0, symbols as u32 - 1)?;
        let nature = match &self.solution {
            Some(solution) => solution.inner.policy.nature(self.stage, &self.belief, action),
            None => Nature { minimiser: 0, maximiser: 0 },
        };
        let (model, belief) = (&self.model, &self.belief);
        let used = core::belief::update_under_ambiguity(model, nature, belief, action, observation, &mut self.scratch)
            .map_err(from_model)?;
        let likelihood = core::belief::update(model, used, belief, action, observation, &mut self.scratch);
        std::mem::swap(&mut self.belief, &mut self.scratch);
        self.stage += 1;
        self.updated_by = used;
        Ok(likelihood)
    }

    /// The belief, length S.
    #[napi]
    pub fn belief(&self) -> Float64Array {
        Float64Array::new(self.belief.clone())
    }

    /// Number of updates so far.
    #[napi(getter)]
    pub fn stage(&self) -> u32 {
        self.stage as u32
    }

    /// The model of the cloud that made the last update.
    #[napi(getter)]
    pub fn model(&self) -> u32 {
        self.updated_by as u32
    }

    /// Back to b0.
    #[napi]
    pub fn reset(&mut self) {
        self.belief.copy_from_slice(self.model.start());
        self.stage = 0;
    }
}
