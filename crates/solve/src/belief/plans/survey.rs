//! What can follow a belief, and the Bellman backup of both bounds there.

use tiresias_model::Model;

use super::bounds::{Desk, Named, Plan, Slots, Stage, least, look};
use super::hull::Look;
use crate::belief::backup::{Sparse, expected_reward};

/// A backup: bounds on the value of every action.
pub(crate) struct Backup {
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
}

impl Backup {
    /// The bounds of the best action.
    pub fn best(&self) -> (f64, f64) {
        let most = |v: &[f64]| v[index_of_greatest(v)];
        (most(&self.lower), most(&self.upper))
    }
}

/// A belief's successors with both bounds, for all actions and models.
pub(crate) struct Survey {
    /// Every successor that has mass, in order of action and model.
    successors: Vec<Successor>,
    /// The successors of group `action * M + m` are `successors[groups[g]..groups[g + 1]]`.
    groups: Vec<usize>,
    /// `[action][model]`: the reward, and with the continuation under the lower and under the upper bounds.
    rewards: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

struct Successor {
    joint: Sparse,
    slot: usize,
    /// The bound, and the plan that has it.
    ours: (f64, Named),
    natures: (f64, Named),
}

impl Survey {
    /// Looks at everything that can follow `belief`; `None` when the time is up before all is seen.
    pub fn new(model: &Model, next: &Stage, belief: &[(u32, f64)], desk: &mut Desk) -> Option<Self> {
        let slots = Slots::of(model);
        let mut out =
            Self { successors: Vec::new(), groups: vec![0], rewards: Vec::new(), low: Vec::new(), high: Vec::new() };
        let Desk { scratch, dense, watch, .. } = desk;
        for action in 0..model.actions().len() {
            for m in 0..slots.models {
                if watch.late() {
                    return None;
                }
                scratch.successors(model, m, belief, action, |o, joint| {
                    let (ours, natures) = look(dense, joint, |x| (least(&next.ours, x), least(&next.natures, x)));
                    let slot = slots.at(action, m, o);
                    out.successors.push(Successor { joint: joint.to_vec(), slot, ours, natures });
                });
                out.groups.push(out.successors.len());
                out.rewards.push(expected_reward(model, m, belief, action));
            }
        }
        out.sum(model);
        Some(out)
    }

    fn sum(&mut self, model: &Model) {
        self.low.clear();
        self.high.clear();
        for (g, reward) in self.rewards.iter().enumerate() {
            let successors = &self.successors[self.groups[g]..self.groups[g + 1]];
            let (cost, worth) = successors.iter().fold((0.0, 0.0), |s, x| (s.0 + x.ours.0, s.1 + x.natures.0));
            self.low.push(reward - model.discount() * cost);
            self.high.push(reward + model.discount() * worth);
        }
    }

    /// Takes account of plans of `next` that changed since: `ours` and `natures` are their numbers.
    pub fn renew(&mut self, model: &Model, next: &Stage, ours: &[u32], natures: &[u32], desk: &mut Desk) {
        if ours.is_empty() && natures.is_empty() {
            return;
        }
        let lower = |bound: &mut (f64, Named), plans: &[Plan], changed: &[u32], x: Look| {
            for &k in changed {
                let (value, which) = plans[k as usize].hull.at(x, bound.0);
                if value < bound.0 {
                    *bound = (value, (k, which));
                }
            }
        };
        for successor in &mut self.successors {
            let Successor { joint, ours: cost, natures: worth, .. } = successor;
            look(&mut desk.dense, joint, |x| {
                lower(cost, &next.ours, ours, x);
                lower(worth, &next.natures, natures, x);
            });
        }
        self.sum(model);
    }

    /// The bounds of every action.
    pub fn backup(&self, model: &Model) -> Backup {
        let models = model.dynamics().len();
        let alpha = model.alpha();
        let blended = |values: &[f64]| -> Vec<f64> {
            let ends = |v: &[f64]| v.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |e, &x| (e.0.min(x), e.1.max(x)));
            values.chunks_exact(models).map(ends).map(|(low, high)| alpha * low + (1.0 - alpha) * high).collect()
        };
        Backup { lower: blended(&self.low), upper: blended(&self.high) }
    }

    /// The successor of `action`, under the models that matter to its bounds, whose gap exceeds the `wanted` one (for mass 1) most;
    /// `None` when none does.
    pub fn widest(&self, model: &Model, action: usize, wanted: f64) -> Option<Sparse> {
        let models = model.dynamics().len();
        let mut widest: (f64, Option<(&Sparse, f64)>) = (0.0, None);
        for m in self.matter(model, action) {
            let g = action * models + m;
            for successor in &self.successors[self.groups[g]..self.groups[g + 1]] {
                let mass: f64 = successor.joint.iter().map(|p| p.1).sum();
                let excess = successor.natures.0 + successor.ours.0 - mass * wanted;
                if excess > widest.0 {
                    widest = (excess, Some((&successor.joint, mass)));
                }
            }
        }
        widest.1.map(|(joint, mass)| joint.iter().map(|&(s, p)| (s, p / mass)).collect())
    }

    /// The models whose bounds make up those of `action`.
    fn matter(&self, model: &Model, action: usize) -> Vec<usize> {
        let models = model.dynamics().len();
        let (low, high) = (&self.low[action * models..][..models], &self.high[action * models..][..models]);
        let mut out = Vec::new();
        if model.alpha() > 0.0 {
            out.extend([index_of_least(low), index_of_least(high)]);
        }
        if model.alpha() < 1.0 {
            out.extend([index_of_greatest(low), index_of_greatest(high)]);
        }
        out
    }

    /// The decision-maker's plan that is best here.
    pub fn our_plan(&self, model: &Model, backup: &Backup) -> (Vec<u32>, Vec<Named>) {
        let slots = Slots::of(model);
        let action = index_of_greatest(&backup.lower);
        let friend = index_of_greatest(&self.low[action * slots.models..][..slots.models]);
        let mut next = vec![(0, 0); slots.per_action()];
        let first = slots.at(action, 0, 0);
        let groups = action * slots.models..=(action + 1) * slots.models;
        for successor in &self.successors[self.groups[*groups.start()]..self.groups[*groups.end()]] {
            next[successor.slot - first] = successor.ours.1;
        }
        (vec![action as u32, friend as u32], next)
    }

    /// Nature's plan that is best here.
    pub fn natures_plan(&self, model: &Model) -> (Vec<u32>, Vec<Named>) {
        let models = model.dynamics().len();
        let moves = self.high.chunks_exact(models).map(|v| index_of_least(v) as u32).collect();
        let mut next = vec![(0, 0); model.actions().len() * Slots::of(model).per_action()];
        self.successors.iter().for_each(|successor| next[successor.slot] = successor.natures.1);
        (moves, next)
    }
}

pub(crate) fn index_of_least(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, k| if values[k] < values[best] { k } else { best })
}

pub(crate) fn index_of_greatest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, k| if values[k] > values[best] { k } else { best })
}
