//! Which action attains a lower bound: the backup of a set of α-vectors at the beliefs that its policy meets.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rustc_hash::FxHashSet;
use tiresias_model::{Kind, Model};

use super::PolicyFileError;
use crate::SolvedPolicy;
use crate::belief::backup::{Scratch, Sparse, expected_reward, sparse};
use crate::belief::corners::dot;

/// Beliefs that are backed up at most.
const MOST_BELIEFS: usize = 2_000;

pub(super) fn labelled(policy: &SolvedPolicy) -> Result<Vec<(u32, Vec<f64>)>, PolicyFileError> {
    let model = policy.model();
    let unsupported = |why: String| PolicyFileError::Unsupported(format!("the policy is no set of α-vectors: {why}"));
    if model.kind() != Kind::Pomdp {
        return Err(unsupported(format!("the model is of kind {}, not pomdp", model.kind().name())));
    }
    if model.horizon().is_some() {
        return Err(unsupported("it has rules of its own for each stage of the horizon".into()));
    }
    let Some(vectors) = policy.stationary_lower(model.value_range().0) else {
        let form = policy.form();
        return Err(unsupported(format!("its bounds are of the form `{form}`; solve with the point-based solver")));
    };
    let mut backups = Backups { model, vectors: &vectors, scratch: Scratch::new(model) };
    let mut set: Vec<(u32, Vec<f64>)> = Vec::new();
    let mut heap = BinaryHeap::from([Reached { weight: 1.0, belief: sparse(model.start()) }]);
    // The corners stand for beliefs that are not met: from each state the policy has something sensible to do.
    let corners = model.states().len().min(MOST_BELIEFS / 2);
    heap.extend((0..corners).map(|s| Reached { weight: 0.0, belief: vec![(s as u32, 1.0)] }));
    // Beliefs that differ by rounding, as after every reset, are one.
    let mut done = FxHashSet::default();
    while done.len() < MOST_BELIEFS {
        let Some(Reached { weight, belief }) = heap.pop() else { break };
        if !done.insert(belief.iter().map(|&(s, p)| (s, (p as f32).to_bits())).collect::<Vec<_>>()) {
            continue;
        }
        let action = backups.best_action(&belief);
        let vector = backups.vector(&belief, action);
        let value = dot(&vector, &belief);
        // A vector that is only as good as one in the set adds nothing here; the other's action will do.
        let tolerance = 1e-9 * (1.0 + value.abs());
        if set.iter().all(|(_, other)| dot(other, &belief) < value - tolerance) {
            set.push((action as u32, vector));
        }
        if weight > 0.0 {
            backups.scratch.successors(model, 0, &belief, action, |_, joint| {
                let mass: f64 = joint.iter().map(|&(_, p)| p).sum();
                let belief = joint.iter().map(|&(s, p)| (s, p / mass)).collect();
                heap.push(Reached { weight: weight * model.discount() * mass, belief });
            });
        }
    }
    Ok(set)
}

/// A belief and how much of the value hangs on it.
struct Reached {
    weight: f64,
    belief: Sparse,
}

impl Ord for Reached {
    fn cmp(&self, other: &Self) -> Ordering {
        // States decide between equal weights, so that the order is the same everywhere.
        let first = |reached: &Self| reached.belief.first().map_or(0, |&(s, _)| s);
        self.weight.total_cmp(&other.weight).then_with(|| first(other).cmp(&first(self)))
    }
}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Reached {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Reached {}

/// Point-based backups (Pineau, Gordon, Thrun, IJCAI 2003) of a set of vectors.
struct Backups<'a> {
    model: &'a Model,
    vectors: &'a [Vec<f64>],
    scratch: Scratch,
}

impl Backups<'_> {
    fn best_action(&mut self, belief: &[(u32, f64)]) -> usize {
        let (model, vectors) = (self.model, self.vectors);
        let values: Vec<f64> = (0..model.actions().len())
            .map(|action| {
                let mut ahead = 0.0;
                self.scratch.successors(model, 0, belief, action, |_, joint| ahead += best(vectors, joint).1);
                expected_reward(model, 0, belief, action) + model.discount() * ahead
            })
            .collect();
        crate::assessment::first_best(&values)
    }

    /// The value, from each state, of `action` and then the vector that is best after each observation from `belief`.
    fn vector(&mut self, belief: &[(u32, f64)], action: usize) -> Vec<f64> {
        let (model, s) = (self.model, self.model.states().len());
        let dynamics = &model.dynamics()[0];
        let kernel = dynamics.observation.as_ref().expect("checked: a POMDP");
        let mut chosen = vec![None; kernel.columns()];
        let mut predicted = vec![0.0; s];
        self.scratch.successors(model, 0, belief, action, |o, joint| {
            chosen[o] = Some(best(self.vectors, joint).0);
            joint.iter().for_each(|&(to, p)| predicted[to as usize] += p);
        });
        // An observation that cannot come from here still needs a vector: the one best at the mean of those that can.
        let fallback = best(self.vectors, &sparse(&predicted)).0;
        let ahead: Vec<f64> = (0..s)
            .map(|to| {
                let after = kernel.pairs(action * s + to);
                after.map(|(o, q)| q * self.vectors[chosen[o].unwrap_or(fallback)][to]).sum()
            })
            .collect();
        let rewards = &model.expected_reward(0)[action * s..][..s];
        let mean =
            |from: usize| -> f64 { dynamics.transition.pairs(action * s + from).map(|(to, p)| p * ahead[to]).sum() };
        (0..s).map(|from| rewards[from] + model.discount() * mean(from)).collect()
    }
}

fn best(vectors: &[Vec<f64>], belief: &[(u32, f64)]) -> (usize, f64) {
    let values = vectors.iter().map(|vector| dot(vector, belief)).enumerate();
    values.fold((0, f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best })
}
