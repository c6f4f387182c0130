//! The belief of an agent that has a model.

use std::sync::Arc;

use tiresias_model::belief::{predict, selected, update_under_ambiguity};
use tiresias_model::{Model, ModelError, Nature};

use crate::{AgentError, Percept};

/// A belief that follows an episode by Bayes' rule.
pub(crate) struct Tracker {
    model: Arc<Model>,
    horizon: usize,
    stage: usize,
    belief: Vec<f64>,
    after: Vec<f64>,
    last: Option<(usize, Nature)>,
    /// Whether what the model rules out is passed over.
    lenient: bool,
}

impl Tracker {
    /// At the start of an episode of `horizon` decisions in a world that is `model`.
    pub fn new(model: Arc<Model>, horizon: usize) -> Self {
        let belief = model.start().to_vec();
        Self { after: vec![0.0; belief.len()], belief, model, horizon, stage: 0, last: None, lenient: false }
    }

    /// The same in a world that may do what `model` rules out: such an observation is passed over, and the belief only moves with the
    /// action.
    pub fn lenient(model: Arc<Model>, horizon: usize) -> Self {
        Self { lenient: true, ..Self::new(model, horizon) }
    }

    /// The belief before the next decision: updated by the model that nature was seen to choose, else by the one that `H^α` selects.
    pub fn observe(&mut self, percept: Percept) -> Result<(usize, &[f64]), AgentError> {
        if self.stage == self.horizon {
            return Err(AgentError::Method(format!("the episode has {} decisions; begin another", self.horizon)));
        }
        let Some((action, nature)) = self.last else { return Ok((self.stage, &self.belief)) };
        let nature = percept.told.map_or(nature, |m| Nature { minimiser: m, maximiser: m });
        let symbols = self.model.observations().map_or(self.belief.len(), tiresias_model::Space::len);
        let seen = percept.seen.filter(|&seen| seen < symbols);
        let seen = seen.ok_or_else(|| {
            AgentError::Method(format!("after decision {} it must see one of {symbols} observations", self.stage - 1))
        })?;
        match update_under_ambiguity(&self.model, nature, &self.belief, action, seen, &mut self.after) {
            Err(ModelError::ImpossibleObservation { .. }) if self.lenient => {
                predict(&self.model, selected(&self.model, nature), &self.belief, action, &mut self.after);
            }
            done => {
                done?;
            }
        }
        std::mem::swap(&mut self.belief, &mut self.after);
        Ok((self.stage, &self.belief))
    }

    /// Goes on to the next stage after `action` and nature's answer to it.
    pub fn take(&mut self, action: usize, nature: Nature) -> usize {
        self.stage += 1;
        self.last = Some((action, nature));
        action
    }
}
