//! Policies for observed states: a table of action values per stage.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tiresias_model::{Model, Nature};

use super::sweep::robust_q;
use crate::Assessment;
use crate::assessment::first_best;

/// Action values per stage (or one stationary set), with a proven error band per stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// One set of values for all stages.
    pub stationary: bool,
    /// `[stage][state][action]`.
    pub q: Vec<f64>,
    /// Half-width of the band around every value of a stage: 0 when it is exact.
    pub band: Vec<f64>,
}

impl Table {
    /// What keeps the arrays from fitting `model`, in words.
    pub fn shape_problem(&self, model: &Model) -> Option<String> {
        let stages = if self.stationary { 1 } else { model.horizon().unwrap_or(0) };
        let expected = stages * model.states().len() * model.actions().len();
        let fits = self.stationary == model.horizon().is_none()
            && model.observations().is_none()
            && (self.q.len(), self.band.len()) == (expected, stages);
        (!fits).then(|| format!("a table of {} values does not fit the model, which needs {expected}", self.q.len()))
    }

    /// The values of one state at one stage.
    pub fn row(&self, model: &Model, stage: usize, state: usize) -> &[f64] {
        let (s, a) = (model.states().len(), model.actions().len());
        let stage = if self.stationary { 0 } else { stage };
        &self.q[(stage * s + state) * a..][..a]
    }

    /// The best action in a state and its regret bound, as [`assess`](Self::assess) gives them at that vertex.
    pub fn label(&self, model: &Model, stage: usize, state: usize) -> (usize, f64) {
        let q = self.row(model, stage, state);
        let action = first_best(q);
        let rivals = q.iter().enumerate().filter(|&(a, _)| a != action).map(|(_, &q)| q);
        let rival = rivals.fold(f64::NEG_INFINITY, f64::max);
        let band = self.band[if self.stationary { 0 } else { stage }];
        (action, ((rival + band) - (q[action] - band)).max(0.0))
    }

    fn state_value(&self, model: &Model, stage: usize, state: usize) -> f64 {
        self.row(model, stage, state).iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The expected value at `stage` when the state is drawn from `belief` and then seen.
    pub fn expected_value(&self, model: &Model, stage: usize, belief: &[f64]) -> f64 {
        let support = belief.iter().enumerate().filter(|(_, p)| **p > 0.0);
        support.map(|(s, p)| p * self.state_value(model, stage, s)).sum()
    }

    pub fn assess(&self, model: &Arc<Model>, stage: usize, belief: &[f64]) -> Assessment {
        let actions = model.actions().len();
        let band = self.band[if self.stationary { 0 } else { stage }];
        let (mut q, mut nature) = (vec![0.0; actions], vec![Nature { minimiser: 0, maximiser: 0 }; actions]);
        for (state, &p) in belief.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            q.iter_mut().zip(self.row(model, stage, state)).for_each(|(q, v)| *q += p * v);
        }
        if model.dynamics().len() > 1 {
            // Nature answers in the state that is seen; a belief that is not a vertex is answered at its likeliest state.
            let likeliest = (0..belief.len()).fold(0, |best, s| if belief[s] > belief[best] { s } else { best });
            let next = self.next_values(model, stage);
            for (action, nature) in nature.iter_mut().enumerate() {
                *nature = robust_q(model, likeliest, action, &next).1;
            }
        }
        let shifted = |by: f64| q.iter().map(|q| q + by).collect();
        Assessment { lower: shifted(-band), upper: shifted(band), q_values: q, nature }
    }

    fn next_values(&self, model: &Model, stage: usize) -> Vec<f64> {
        let s = model.states().len();
        if !self.stationary && Some(stage + 1) == model.horizon() {
            let last = model.final_reward();
            return if last.is_empty() { vec![0.0; s] } else { last.to_vec() };
        }
        (0..s).map(|state| self.state_value(model, stage + 1, state)).collect()
    }
}
