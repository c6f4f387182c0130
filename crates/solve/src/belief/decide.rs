//! The action at a belief, and no more: a backup that leaves out what cannot change it.

use std::ops::Range;

use tiresias_model::{Model, Nature};

use super::backup::{Ends, Scratch, Sparse, expected_reward};
use crate::assessment::{first_best, surely_worse};
use crate::mdp::backup::blend;

/// What acting goes by: point estimates of a stage's value function, as a function of unnormalised beliefs.
///
/// A policy that takes the action whose backup is the best earns at least the estimates where they are *improvable*: nowhere above the
/// backup of the next stage's. Every lower bound here is (`docs/apomdp.md`), and so the estimates are the lower bounds.
pub(crate) trait Estimates {
    fn estimate(&self, stage: usize, belief: &[(u32, f64)]) -> f64;

    /// No estimate at the belief is above this, up to rounding, and it costs much less.
    fn at_most(&self, _stage: usize, _belief: &[(u32, f64)]) -> f64 {
        f64::INFINITY
    }
}

/// The action of the assessment that [`backup`](super::backup::backup) makes, and nature's answer to it; `stage` is the next one.
pub(crate) fn decide(
    model: &Model,
    belief: &[(u32, f64)],
    stage: usize,
    next: &impl Estimates,
    scratch: &mut Scratch,
) -> (usize, Nature) {
    if model.dynamics().len() == 1 {
        let action = best_action(model, belief, stage, next, scratch);
        return (action, Nature { minimiser: 0, maximiser: 0 });
    }
    let mut values = Vec::with_capacity(model.actions().len());
    let mut answers = Vec::with_capacity(model.actions().len());
    for action in 0..model.actions().len() {
        let mut ends = Ends::new();
        for m in 0..model.dynamics().len() {
            let mut ahead = 0.0;
            scratch.successors(model, m, belief, action, |_, joint| ahead += next.estimate(stage, joint));
            let value = expected_reward(model, m, belief, action) + model.discount() * ahead;
            ends.add(m, value, value, value);
        }
        values.push(blend(model.alpha(), ends.low[1], ends.high[1]));
        answers.push(ends.nature);
    }
    let action = first_best(model, &values);
    (action, answers[action])
}

/// What an action may be worth.
struct Prospect {
    action: usize,
    reward: f64,
    /// By observation, in order.
    ahead: Vec<Ahead>,
    /// The most that the action can be worth.
    most: f64,
}

/// What may be seen next.
struct Ahead {
    /// Where the belief lies in the list of all.
    belief: Range<usize>,
    mass: f64,
    /// The estimate, or the most that it can be.
    value: f64,
}

/// Looks first at the actions that may be worth the most, and at the likely observations. An action is left as soon as it cannot be
/// the best.
fn best_action(
    model: &Model,
    belief: &[(u32, f64)],
    stage: usize,
    next: &impl Estimates,
    scratch: &mut Scratch,
) -> usize {
    let discount = model.discount();
    let mut beliefs: Sparse = Vec::new();
    let prospect = |action: usize| {
        let mut ahead = Vec::new();
        scratch.successors(model, 0, belief, action, |_, joint| {
            let start = beliefs.len();
            beliefs.extend_from_slice(joint);
            let mass = joint.iter().map(|(_, p)| p).sum();
            ahead.push(Ahead { belief: start..beliefs.len(), mass, value: next.at_most(stage, joint) });
        });
        let reward = expected_reward(model, 0, belief, action);
        let most = reward + discount * ahead.iter().map(|ahead| ahead.value).sum::<f64>();
        Prospect { action, reward, ahead, most }
    };
    let mut prospects: Vec<Prospect> = (0..model.actions().len()).map(prospect).collect();
    prospects.sort_by(|a, b| b.most.total_cmp(&a.most));
    let mut values = vec![f64::NEG_INFINITY; prospects.len()];
    let mut best = f64::NEG_INFINITY;
    for Prospect { action, reward, mut ahead, mut most } in prospects {
        let mut order: Vec<usize> = (0..ahead.len()).collect();
        order.sort_unstable_by(|&a, &b| ahead[b].mass.total_cmp(&ahead[a].mass));
        for i in order {
            if surely_worse(model, most, best) {
                break;
            }
            let ahead = &mut ahead[i];
            let estimate = next.estimate(stage, &beliefs[ahead.belief.clone()]);
            most -= discount * (ahead.value - estimate);
            ahead.value = estimate;
        }
        if !surely_worse(model, most, best) {
            // Added up in the order of the observations, as a backup does.
            let sum = ahead.iter().fold(0.0, |sum, ahead| sum + ahead.value);
            values[action] = reward + discount * sum;
            best = best.max(values[action]);
        }
    }
    first_best(model, &values)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tiresias_model::classic;

    use super::*;
    use crate::belief::backup::sparse;

    /// A state is worth its number, which is known beforehand up to a factor.
    struct Counted<'c>(f64, &'c Cell<usize>);

    impl Estimates for Counted<'_> {
        fn estimate(&self, _stage: usize, belief: &[(u32, f64)]) -> f64 {
            self.1.set(self.1.get() + 1);
            belief.iter().map(|&(s, p)| p * f64::from(s)).sum()
        }

        fn at_most(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
            let before = self.1.get();
            let most = self.0 * self.estimate(stage, belief);
            self.1.set(before);
            most
        }
    }

    #[test]
    fn what_cannot_be_the_best_is_not_looked_at() {
        let model = classic::by_name("4x3").unwrap();
        let (belief, count) = (sparse(model.start()), Cell::new(0));
        let choose = |slack| {
            count.set(0);
            let (action, _) = decide(&model, &belief, 1, &Counted(slack, &count), &mut Scratch::new(&model));
            (action, count.get())
        };
        let (everything, all) = choose(f64::INFINITY);
        for slack in [1.0, 1.01, 2.0] {
            let (action, looks) = choose(slack);
            assert_eq!(action, everything);
            assert!(looks < all || slack == 2.0, "{looks} of {all} with {slack}");
        }
        // With bounds that are met, one action is looked at, and one that ties with it or is close.
        assert!(choose(1.0).1 * 2 <= all);
    }
}
