//! One backup of a policy's vectors at one belief: which action it takes there, and what follows.

use tiresias_model::Model;

use super::AlphaPolicy;
use super::vectors::Place;
use crate::belief::backup::{Scratch, expected_reward, sparse};

/// The best action at a belief, and the vector that it makes with the vectors that are best after each observation.
pub(super) struct Choice {
    pub action: usize,
    /// Over all states.
    pub vector: Vec<f64>,
    /// The product of the vector with the belief.
    pub value: f64,
}

/// A point-based backup (Pineau, Gordon, Thrun, IJCAI 2003) at `stage` of the vectors of the next one.
pub(super) fn backup(model: &Model, policy: &AlphaPolicy, stage: usize, belief: &[(u32, f64)]) -> Choice {
    let states = model.states().len();
    let last = model.horizon() == Some(stage + 1);
    let mut scratch = Scratch::new(model);
    let after = |joint: &[(u32, f64)]| -> (Option<Place>, f64) {
        if last {
            let reward = |s: u32| model.final_reward().get(s as usize).copied().unwrap_or(0.0);
            return (None, joint.iter().map(|&(s, p)| p * reward(s)).sum());
        }
        let mass: f64 = joint.iter().map(|&(_, p)| p).sum();
        policy
            .best(stage + 1, joint)
            .map_or((None, mass * policy.floor(stage + 1)), |(place, value)| (Some(place), value))
    };
    let values: Vec<f64> = (0..model.actions().len())
        .map(|action| {
            let mut ahead = 0.0;
            scratch.successors(model, 0, belief, action, |_, joint| ahead += after(joint).1);
            expected_reward(model, 0, belief, action) + model.discount() * ahead
        })
        .collect();
    let action = crate::assessment::first_best(model, &values);
    let anywhere = sparse(&vec![1.0 / states as f64; states]);
    let next = follow(model, &mut scratch, action, belief, &anywhere, |joint| after(joint).0);
    let vector = continued(model, policy, stage, action, &next);
    let value = belief.iter().map(|&(s, p)| p * vector[s as usize]).sum();
    Choice { action, vector, value }
}

/// The vector, over all states, of an action at `stage` that is followed, after each observation, by a vector of the next stage; by
/// the floor where there is none or it does not have the state.
pub(super) fn continued(
    model: &Model,
    policy: &AlphaPolicy,
    stage: usize,
    action: usize,
    next: &[Option<Place>],
) -> Vec<f64> {
    let (states, discount) = (model.states().len(), model.discount());
    let last = model.horizon() == Some(stage + 1);
    let kernel = model.dynamics()[0].observation.as_ref().expect("checked: a POMDP");
    // Where a state leads, the last decision's reward or what the chosen vector says.
    let ahead = |to: usize| -> f64 {
        if last {
            return model.final_reward().get(to).copied().unwrap_or(0.0);
        }
        let sets = policy.sets(stage + 1);
        let entry = |place: Option<Place>| {
            place
                .and_then(|(set, i)| sets[set].place(to).map(|place| sets[set].vector(i)[place]))
                .unwrap_or_else(|| policy.floor(stage + 1))
        };
        kernel.pairs(action * states + to).map(|(o, q)| q * entry(next[o])).sum()
    };
    let mut known = vec![None; states];
    let rewards = &model.expected_reward(0)[action * states..][..states];
    (0..states)
        .map(|from| {
            let pairs = model.dynamics()[0].transition.pairs(action * states + from);
            let mean: f64 = pairs.map(|(to, p)| p * *known[to].get_or_insert_with(|| ahead(to))).sum();
            rewards[from] + discount * mean
        })
        .collect()
}

/// What `choose` says of the belief after `action` and each observation: from `belief`, or where that cannot bring it from
/// `prior`; `None` where that cannot, either.
pub(super) fn follow<T: Clone>(
    model: &Model,
    scratch: &mut Scratch,
    action: usize,
    belief: &[(u32, f64)],
    prior: &[(u32, f64)],
    mut choose: impl FnMut(&[(u32, f64)]) -> Option<T>,
) -> Vec<Option<T>> {
    let mut next = vec![None; model.observations().map_or(0, tiresias_model::Space::len)];
    let mut reached = vec![false; next.len()];
    scratch.successors(model, 0, belief, action, |o, joint| (next[o], reached[o]) = (choose(joint), true));
    if reached.contains(&false) {
        scratch.successors(model, 0, prior, action, |o, joint| {
            if !reached[o] {
                next[o] = choose(joint);
            }
        });
    }
    next
}
