//! The best answer to a prior: point-based search in the POMDP whose hidden state holds the model.

use std::time::Duration;

use tiresias_model::Model;

use crate::formats::{AlphaPolicy, Controller};
use crate::limits::Watch;
use crate::{Hook, Limits, Search, SolveError, SolvedPolicy, Solver};

/// A start that the first observation tells apart, where the state is seen; the only one where it is not.
pub(super) struct Part {
    pub state: Option<usize>,
    pub probability: f64,
    /// Over the states of one model, length S.
    belief: Vec<f64>,
}

impl Part {
    pub fn belief(&self) -> &[f64] {
        &self.belief
    }
}

/// The parts of a model's start.
pub(super) fn parts(model: &Model) -> Vec<Part> {
    if model.observations().is_some() {
        return vec![Part { state: None, probability: 1.0, belief: model.start().to_vec() }];
    }
    let likely = model.start().iter().enumerate().filter(|(_, p)| **p > 0.0);
    let part = |(state, &probability): (usize, &f64)| {
        let mut belief = vec![0.0; model.states().len()];
        belief[state] = 1.0;
        Part { state: Some(state), probability, belief }
    };
    likely.map(part).collect()
}

/// Search whose bounds serve every prior: they are on one value function over beliefs about model and state.
pub(super) struct Oracle<'a> {
    model: &'a Model,
    /// See [`Model::environments`].
    pub product: Model,
    pub parts: Vec<Part>,
    policy: SolvedPolicy,
}

/// A controller for each part, and by its nodes and models what it earns from there.
pub(super) struct Answer {
    pub controller: Controller,
    /// `[node][model]`.
    pub worth: Vec<Vec<f64>>,
}

impl<'a> Oracle<'a> {
    pub fn new(model: &'a Model, limits: &Limits, hook: &Hook) -> Result<Self, SolveError> {
        let models = model.dynamics().len();
        let product = model.environments(&vec![1.0 / models as f64; models]).map_err(|error| {
            SolveError::Unsupported { solver: "static", expected: "a cloud of models", found: error.to_string() }
        })?;
        // The first bounds, which trials then tighten prior by prior.
        let first = Search { most_trials: 0, ..Search::default() }.solve(&product, limits, hook)?;
        Ok(Self { model, product, parts: parts(model), policy: first.policy })
    }

    /// Bytes that the bounds take.
    pub fn bytes(&self) -> usize {
        self.policy.bytes()
    }

    fn belief(&self, part: usize, prior: &[f64]) -> Vec<f64> {
        self.model.environments_start(prior, &self.parts[part].belief)
    }

    /// Proven bounds on the best that can be done against a prior, brought to a gap where the limits and so many trials allow it; whether
    /// trials ran out.
    pub fn bounds(
        &mut self,
        prior: &[f64],
        (gap, trials): (f64, u64),
        limits: &Limits,
        watch: &Watch,
        hook: &Hook,
    ) -> ((f64, f64), bool) {
        let (mut sum, mut cut) = ((0.0, 0.0), false);
        for part in 0..self.parts.len() {
            let belief = self.belief(part, prior);
            let time = limits.time.map(|time| time.saturating_sub(watch.elapsed()).max(Duration::ZERO));
            let rest = Limits { gap, time, ..limits.clone() };
            cut |= self.policy.refine_for(0, &belief, trials, &rest, hook);
            let (low, high) = self.policy.bounds(0, &belief);
            let p = self.parts[part].probability;
            sum = (sum.0 + p * low, sum.1 + p * high);
        }
        (sum, cut)
    }

    /// A controller for each part that does against the prior what the lower bounds say less `within`, as far as a controller can. `None`
    /// when it is late, or they grow too large.
    pub fn answers(&self, prior: &[f64], within: f64, watch: &Watch) -> Option<Vec<Answer>> {
        let vectors = AlphaPolicy::from_solved(&self.policy).ok()?;
        let late = || watch.late();
        (0..self.parts.len())
            .map(|part| {
                let start = self.product.starting_at(self.belief(part, prior));
                let controller = Controller::from_vectors_while(&vectors, &start, within, &late).ok()?;
                self.worth(part, controller, watch)
            })
            .collect()
    }

    /// What a controller earns from each node, under each model.
    pub fn worth(&self, part: usize, controller: Controller, watch: &Watch) -> Option<Answer> {
        let values = controller.values_while(&self.product, &|| watch.late()).ok()?;
        let (states, models) = (self.model.states().len(), self.model.dynamics().len());
        let belief = &self.parts[part].belief;
        let of = |value: &[f64]| -> Vec<f64> {
            (0..models).map(|m| value[m * states..][..states].iter().zip(belief).map(|(v, p)| v * p).sum()).collect()
        };
        let worth = values[0].chunks_exact(models * states).map(of).collect();
        Some(Answer { controller, worth })
    }
}
