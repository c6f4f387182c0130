//! Bayes' rule on one belief; batches live in `tiresias-sim`.

use std::collections::BTreeMap;

use crate::{Ambiguity, Model, ModelError, Nature};

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

/// Bayes' rule on one belief, in whatever form it is kept, for every model of a cloud: what [`explain`] chooses from. Both ways write
/// the posterior to a place of the implementer's, over what was there.
pub trait Posteriors {
    /// The posterior under model `m`, unnormalised; returns its sum, `Pr(o | b, a, m)`.
    fn joint(&mut self, m: usize) -> f64;

    /// The same by way of logarithms ([`by_logarithms`]): the posterior sums to 1; returns `ln Pr(o | b, a, m)`, -∞ where that is 0.
    fn by_logarithms(&mut self, m: usize) -> f64;
}

/// What explains an observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explained {
    /// The model whose posterior was written last.
    pub model: usize,
    /// What that posterior sums to; positive.
    pub sum: f64,
    /// `Pr(o | b, a, m)`; 0 where it is below the smallest number.
    pub likelihood: f64,
}

/// The rule by which a belief is updated where there are several models: by the `selected` one; where that rules the observation out,
/// by the one under which it is the most likely, the first of several; `None` where all `models` rule it out.
///
/// Ruled out is what no state that the belief holds possible can lead to. A probability below the smallest normal number is no such
/// thing, although it may round to 0: it is computed, and compared, by its logarithm.
pub fn explain(selected: usize, models: usize, posteriors: &mut impl Posteriors) -> Option<Explained> {
    let whole = |model, likelihood| {
        (likelihood >= f64::MIN_POSITIVE).then_some(Explained { model, sum: likelihood, likelihood })
    };
    let tiny = |model, logarithm: f64| {
        (logarithm > f64::NEG_INFINITY).then(|| Explained { model, sum: 1.0, likelihood: logarithm.exp() })
    };
    if let Some(explained) = whole(selected, posteriors.joint(selected)) {
        return Some(explained);
    }
    if let Some(explained) = tiny(selected, posteriors.by_logarithms(selected)) {
        return Some(explained);
    }
    let likeliest = |likelihood: &mut dyn FnMut(usize) -> f64, none: f64| {
        let best = (0..models).fold((none, 0), |best, m| {
            let found = likelihood(m);
            if found > best.0 { (found, m) } else { best }
        });
        best.1
    };
    let m = likeliest(&mut |m| posteriors.joint(m), 0.0);
    if let Some(explained) = whole(m, posteriors.joint(m)) {
        return Some(explained);
    }
    let m = likeliest(&mut |m| posteriors.by_logarithms(m), f64::NEG_INFINITY);
    tiny(m, posteriors.by_logarithms(m))
}

/// The model that `H^α` selects to update the belief of a decision-maker who acts: the minimiser for α ≥ ½, else the maximiser.
pub fn selected(model: &Model, nature: Nature) -> usize {
    if model.alpha() >= 0.5 { nature.minimiser } else { nature.maximiser }
}

/// The belief after `action` and `observation` under model `m`, as its positive entries, and `ln Pr(o | b, a, m)`: numbers of any
/// size. Empty and -∞ where no state of the belief leads to the observation.
pub fn by_logarithms(
    model: &Model,
    m: usize,
    belief: impl Iterator<Item = (usize, f64)>,
    action: usize,
    observation: usize,
) -> (f64, Vec<(usize, f64)>) {
    let (s, dynamics) = (model.states().len(), &model.dynamics()[m]);
    let mut ways: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (state, mass) in belief.filter(|&(_, mass)| mass > 0.0) {
        for (next, p) in dynamics.transition.pairs(action * s + state).filter(|&(_, p)| p > 0.0) {
            let q = match &dynamics.observation {
                Some(kernel) => kernel.get(action * s + next, observation),
                None => f64::from(u8::from(next == observation)),
            };
            if q > 0.0 {
                ways.entry(next).or_default().push(mass.ln() + p.ln() + q.ln());
            }
        }
    }
    let most = ways.values().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares = |(next, ways): (usize, Vec<f64>)| (next, ways.iter().map(|way| (way - most).exp()).sum::<f64>());
    let mut posterior: Vec<(usize, f64)> = ways.into_iter().map(shares).collect();
    let sum: f64 = posterior.iter().map(|(_, p)| p).sum();
    posterior.iter_mut().for_each(|(_, p)| *p /= sum);
    posterior.retain(|(_, p)| *p > 0.0);
    (most + sum.ln(), posterior)
}

/// Updates the belief of a decision-maker who acts: [`explain`] with the model that `H^α` selects ([`selected`]). Writes the new belief
/// to `out`; `sum` is what it was divided by. [`ModelError::ImpossibleObservation`] when every model rules the observation out, and in a robust
/// MDP every row of the set; `out` is then all zero. A state that only the set allows has likelihood 0 and is believed.
pub fn update_under_ambiguity(
    model: &Model,
    nature: Nature,
    belief: &[f64],
    action: usize,
    observation: usize,
    out: &mut [f64],
) -> Result<Explained, ModelError> {
    struct Dense<'a> {
        model: &'a Model,
        belief: &'a [f64],
        action: usize,
        observation: usize,
        out: &'a mut [f64],
    }
    impl Posteriors for Dense<'_> {
        fn joint(&mut self, m: usize) -> f64 {
            joint(self.model, m, self.belief, self.action, self.observation, self.out)
        }

        fn by_logarithms(&mut self, m: usize) -> f64 {
            let entries = self.belief.iter().copied().enumerate();
            let (logarithm, posterior) = by_logarithms(self.model, m, entries, self.action, self.observation);
            self.out.fill(0.0);
            posterior.into_iter().for_each(|(state, p)| self.out[state] = p);
            logarithm
        }
    }
    let models = model.dynamics().len();
    let mut posteriors = Dense { model, belief, action, observation, out };
    let Some(explained) = explain(selected(model, nature), models, &mut posteriors) else {
        // A state that is seen is believed where nature may lead to it, though the nominal row does not.
        let states = model.states().len();
        let allows =
            |sets: &Ambiguity, state: usize| belief[state] > 0.0 && sets.allows(action * states + state, observation);
        let seen = model.observations().is_none();
        if seen && model.ambiguity().is_some_and(|sets| (0..states).any(|state| allows(sets, state))) {
            out[observation] = 1.0;
            return Ok(Explained { model: 0, sum: 1.0, likelihood: 0.0 });
        }
        return Err(ModelError::ImpossibleObservation { action, observation, models });
    };
    out.iter_mut().for_each(|p| *p /= explained.sum);
    Ok(explained)
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
