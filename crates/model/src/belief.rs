//! Bayes' rule on one belief; batches live in `tiresias-sim`.

use std::collections::BTreeMap;

use crate::{Model, ModelError, Nature};

/// Propagates `belief` through `P[a]` of model `m` and weighs it by `Q[a][·][o]`, unnormalised:
/// `out(s') = Q[a][s'][o] · Σ_s b(s) P[a][s][s']`. Returns its sum, `Pr(o | b, a, m)`. O(entries of `P[a]`).
///
/// Without an observation model the "observation" is the next state itself.
pub fn joint(model: &Model, m: usize, belief: &[f64], action: usize, observation: usize, out: &mut [f64]) -> f64 {
    predict(model, m, belief, action, out);
    let s = model.states().len();
    if let Some(kernel) = &model.dynamics()[m].observation {
        for (next, mass) in out.iter_mut().enumerate().filter(|(_, mass)| **mass > 0.0) {
            *mass *= kernel.get(action * s + next, observation);
        }
    } else {
        let mass = out[observation];
        out.fill(0.0);
        out[observation] = mass;
    }
    out.iter().sum()
}

/// `out(s') = Σ_s b(s) P[a][s][s']` under model `m`.
pub fn predict(model: &Model, m: usize, belief: &[f64], action: usize, out: &mut [f64]) {
    let s = model.states().len();
    out.fill(0.0);
    for (state, &mass) in belief.iter().enumerate() {
        if mass > 0.0 {
            for (next, p) in model.dynamics()[m].transition.pairs(action * s + state) {
                out[next] += mass * p;
            }
        }
    }
}

/// The belief after `action` and `observation` under model `m`, written to `out`; returns `Pr(o | b, a, m)`.
/// When that is 0 `out` is left all zero and the caller decides what it means.
pub fn update(model: &Model, m: usize, belief: &[f64], action: usize, observation: usize, out: &mut [f64]) -> f64 {
    let likelihood = joint(model, m, belief, action, observation, out);
    if likelihood > 0.0 {
        out.iter_mut().for_each(|p| *p /= likelihood);
    }
    likelihood
}

/// The model that updates an acting decision-maker's belief: the one that `H^α` selected (the minimiser for α ≥ ½, else the
/// maximiser); when it gives the observation probability 0, the model with the largest likelihood (lowest index on ties).
///
/// Writes the new belief to `out` and returns the model used. [`ModelError::ImpossibleObservation`] when every model gives 0.
pub fn update_under_ambiguity(
    model: &Model,
    nature: Nature,
    belief: &[f64],
    action: usize,
    observation: usize,
    out: &mut [f64],
) -> Result<usize, ModelError> {
    let selected = if model.alpha() >= 0.5 { nature.minimiser } else { nature.maximiser };
    if update(model, selected, belief, action, observation, out) > 0.0 {
        return Ok(selected);
    }
    let models = model.dynamics().len();
    let (mut best, mut largest) = (0, 0.0);
    for m in 0..models {
        let likelihood = joint(model, m, belief, action, observation, out);
        if likelihood > largest {
            (best, largest) = (m, likelihood);
        }
    }
    if largest > 0.0 {
        update(model, best, belief, action, observation, out);
        return Ok(best);
    }
    Err(ModelError::ImpossibleObservation { action, observation, models })
}

/// What may follow a decision: an observation, its probability, and the belief after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Successor {
    /// The observation; the next state where the state is seen.
    pub observation: usize,
    /// `Pr(o | b, a, m)`, positive.
    pub probability: f64,
    /// The belief after it: ascending states with their positive probabilities.
    pub belief: Vec<(usize, f64)>,
}

/// All that may follow `action` at `belief` under model `m`, in order of observations. O(entries of the rows that the belief reaches).
pub fn successors(model: &Model, m: usize, belief: &[f64], action: usize) -> Vec<Successor> {
    let s = model.states().len();
    let mut predicted = vec![0.0; s];
    predict(model, m, belief, action, &mut predicted);
    let reached = predicted.into_iter().enumerate().filter(|(_, mass)| *mass > 0.0);
    let Some(kernel) = &model.dynamics()[m].observation else {
        let seen = |(next, mass)| Successor { observation: next, probability: mass, belief: vec![(next, 1.0)] };
        return reached.map(seen).collect();
    };
    let mut joint: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
    for (next, mass) in reached {
        for (observation, q) in kernel.pairs(action * s + next) {
            joint.entry(observation).or_default().push((next, mass * q));
        }
    }
    let normalised = |(observation, mut belief): (usize, Vec<(usize, f64)>)| {
        let probability: f64 = belief.iter().map(|(_, p)| p).sum();
        belief.iter_mut().for_each(|(_, p)| *p /= probability);
        Successor { observation, probability, belief }
    };
    joint.into_iter().map(normalised).filter(|successor| successor.probability > 0.0).collect()
}
