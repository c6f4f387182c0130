//! Bounds on a value function that is neither convex nor concave: the best of plans that are one or the other.
//!
//! What a plan of the decision-maker is worth against nature's best answers is concave in the belief; what the decision-maker's best
//! answers make of a plan of nature is convex. So the former are lower bounds on `V`, the latter upper bounds, and each is itself
//! bounded by a [`Hull`]. A plan says what is done now, and names a plan of the next stage for every observation and model.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::hull::{Hull, Look};
use crate::belief::backup::{Bracket, Scratch, Sparse, ValueBounds, expected_reward, ordered};
use crate::belief::corners::Corners;
use crate::limits::Watch;

/// How many sweeps the first plans of an infinite horizon get at most, and what moves too little to go on.
const MOST_SWEEPS: usize = 200;
const ENOUGH: f64 = 1e-6;

/// Stages 0 to H, or one stationary stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlanBounds {
    stationary: bool,
    pub stages: Vec<Stage>,
}

/// The plans of one stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stage {
    /// The decision-maker's: bounds on the negative of their worth.
    pub ours: Vec<Plan>,
    /// Nature's.
    pub natures: Vec<Plan>,
}

/// One player's plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub hull: Hull,
    /// The decision-maker's: one action, and the model that answers for the part 1-α. Nature's: a model an action.
    pub moves: Vec<u32>,
    /// The next stage's plan by [`Slots`].
    pub next: Vec<u32>,
}

/// Where a plan keeps its successors: `[action][model][observation]`, of which a plan of the decision-maker has one action only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slots {
    pub models: usize,
    pub observations: usize,
}

impl Slots {
    pub fn of(model: &Model) -> Self {
        let observations = model.observations().map_or(0, tiresias_model::Space::len);
        Self { models: model.dynamics().len(), observations }
    }

    #[inline]
    pub fn at(self, action: usize, m: usize, observation: usize) -> usize {
        (action * self.models + m) * self.observations + observation
    }

    pub fn per_action(self) -> usize {
        self.models * self.observations
    }
}

/// The least of `plans`' bounds at `x` and whose it is; bounds that are not below `enough` need not be told apart.
pub(crate) fn least(plans: &[Plan], x: Look) -> (f64, u32) {
    let mut best = (f64::INFINITY, 0);
    for (k, plan) in plans.iter().enumerate() {
        let value = plan.hull.at(x, best.0);
        if value < best.0 {
            best = (value, k as u32);
        }
    }
    best
}

/// Working space for looking at beliefs.
pub(crate) struct Desk {
    pub scratch: Scratch,
    dense: Vec<f64>,
}

impl Desk {
    pub fn new(model: &Model) -> Self {
        Self { scratch: Scratch::new(model), dense: vec![0.0; model.states().len()] }
    }
}

/// Shows `belief` to `see` in the form that hulls read.
#[inline]
pub(crate) fn look<T>(dense: &mut [f64], belief: &[(u32, f64)], see: impl FnOnce(Look) -> T) -> T {
    let mut mass = 0.0;
    for &(s, p) in belief {
        dense[s as usize] = p;
        mass += p;
    }
    let seen = see(Look { sparse: belief, dense, mass });
    belief.iter().for_each(|&(s, _)| dense[s as usize] = 0.0);
    seen
}

impl PlanBounds {
    /// The plans of the linear bounds: one action whatever happens, one model whatever happens.
    pub fn new(model: &Model, corners: &Corners, watch: &Watch) -> Self {
        let (s, slots, actions) = (model.states().len(), Slots::of(model), model.actions().len());
        let repeat = |k: usize, corners: Vec<f64>, moves: Vec<u32>, slots: usize| Plan {
            hull: Hull::new(s, corners),
            moves,
            next: vec![k as u32; slots],
        };
        let ours =
            |(k, v): (usize, &[f64])| repeat(k, v.iter().map(|x| -x).collect(), vec![k as u32, 0], slots.per_action());
        let natures =
            |(k, v): (usize, &[f64])| repeat(k, v.to_vec(), vec![k as u32; actions], actions * slots.per_action());
        let stage = |(lower, upper): (&Vec<f64>, &Vec<f64>)| Stage {
            ours: lower.chunks_exact(s).enumerate().map(ours).collect(),
            natures: upper.chunks_exact(s).enumerate().map(natures).collect(),
        };
        let mut out = Self {
            stationary: corners.stationary,
            stages: corners.lower.iter().zip(&corners.upper).map(stage).collect(),
        };
        out.inform(model, watch);
        out
    }

    /// Sweeps the first plans once more, by branches: the player who answers them sees the state one stage late (Hauskrecht's
    /// fast informed bound, 2000, for nature's plans and one model).
    fn inform(&mut self, model: &Model, watch: &Watch) {
        let mut desk = Desk::new(model);
        let last = self.stages.len() - 1;
        let sweeps = if self.stationary { MOST_SWEEPS } else { last };
        for sweep in 0..sweeps {
            let (now, after) = if self.stationary { (0, 0) } else { (last - 1 - sweep, last - sweep) };
            let next = &self.stages[after];
            let mut renew = |plans: &[Plan], value: Value| -> Option<Vec<Hull>> {
                plans
                    .iter()
                    .map(|p| (!watch.late()).then(|| hull(model, next, (&p.moves, &p.next), value, &mut desk)))
                    .collect()
            };
            let stage = &self.stages[now];
            let (Some(ours), Some(natures)) = (renew(&stage.ours, cost), renew(&stage.natures, worth)) else { return };
            let stage = &mut self.stages[now];
            let mut moved = 0.0_f64;
            for (plan, hull) in stage.ours.iter_mut().zip(ours).chain(stage.natures.iter_mut().zip(natures)) {
                moved = moved.max(plan.hull.distance(&hull));
                plan.hull = hull;
            }
            if self.stationary && moved <= ENOUGH {
                return;
            }
        }
    }

    #[inline]
    pub fn index(&self, stage: usize) -> usize {
        if self.stationary { 0 } else { stage }
    }

    /// Plans and points.
    pub fn sizes(&self) -> (usize, usize) {
        let plans = || self.stages.iter().flat_map(|s| s.ours.iter().chain(&s.natures));
        (plans().count(), plans().map(|p| p.hull.points()).sum())
    }

    pub fn bytes(&self) -> usize {
        let plans = self.stages.iter().flat_map(|s| s.ours.iter().chain(&s.natures));
        plans.map(|p| 96 + p.hull.bytes() + 4 * (p.moves.len() + p.next.len())).sum()
    }

    /// What keeps the arrays from fitting `model`, in words.
    pub fn shape_problem(&self, model: &Model) -> Option<String> {
        let s = model.states().len();
        let plans = |plans: &[Plan]| !plans.is_empty() && plans.iter().all(|p| p.hull.fits(s));
        let fits = self.stationary == model.horizon().is_none()
            && self.stages.len() == model.horizon().map_or(1, |h| h + 1)
            && self.stages.iter().all(|stage| plans(&stage.ours) && plans(&stage.natures));
        (!fits).then(|| "the plans do not fit the model's stages and states".into())
    }
}

impl ValueBounds for PlanBounds {
    fn bracket(&self, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        let states = belief.iter().map(|b| b.0 as usize + 1).max().unwrap_or(0);
        let stage = &self.stages[self.index(stage)];
        let size = stage.natures[0].hull.states();
        debug_assert!(states <= size);
        look(&mut vec![0.0; size], belief, |x| {
            let (lower, upper) = ordered(-least(&stage.ours, x).0, least(&stage.natures, x).0);
            Bracket { lower, estimate: f64::midpoint(lower, upper), upper }
        })
    }
}

/// A belief's successors with both bounds, for all actions and models.
pub(crate) struct Survey {
    /// `[action][model]`: reward and continuation under the lower and the upper bounds.
    pub low: Vec<f64>,
    pub high: Vec<f64>,
    /// By [`Slots`]: the plans that bound the successor.
    ours: Vec<u32>,
    natures: Vec<u32>,
    /// `[action][model]`: the successor with the largest excess of its gap, and the excess.
    pub widest: Vec<(f64, Sparse)>,
}

/// A backup: bounds at the belief, and the plans that have them.
pub(crate) struct Backup {
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
}

impl Survey {
    /// Looks at everything that can follow `belief`, where `wanted` is the gap that needs no closing, for mass 1.
    pub fn new(model: &Model, next: &Stage, belief: &[(u32, f64)], wanted: f64, desk: &mut Desk) -> Self {
        let slots = Slots::of(model);
        let (actions, models) = (model.actions().len(), slots.models);
        let mut out = Self {
            low: Vec::with_capacity(actions * models),
            high: Vec::with_capacity(actions * models),
            ours: vec![0; actions * slots.per_action()],
            natures: vec![0; actions * slots.per_action()],
            widest: Vec::with_capacity(actions * models),
        };
        let Desk { scratch, dense } = desk;
        for action in 0..actions {
            for m in 0..models {
                let (mut low, mut high) = (0.0, 0.0);
                let mut widest: (f64, Sparse) = (0.0, Vec::new());
                scratch.successors(model, m, belief, action, |o, joint| {
                    let ((cost, ours), (value, natures), mass) =
                        look(dense, joint, |x| (least(&next.ours, x), least(&next.natures, x), x.mass));
                    let slot = slots.at(action, m, o);
                    (out.ours[slot], out.natures[slot]) = (ours, natures);
                    low -= cost;
                    high += value;
                    let excess = value + cost - mass * wanted;
                    if excess > widest.0 {
                        widest = (excess, joint.iter().map(|&(s, p)| (s, p / mass)).collect());
                    }
                });
                let reward = expected_reward(model, m, belief, action);
                out.low.push(reward + model.discount() * low);
                out.high.push(reward + model.discount() * high);
                out.widest.push(widest);
            }
        }
        out
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

    /// The models whose bounds make up those of `action`.
    pub fn matter(&self, model: &Model, action: usize) -> Vec<usize> {
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
    pub fn our_plan(&self, model: &Model, backup: &Backup) -> (Vec<u32>, Vec<u32>) {
        let slots = Slots::of(model);
        let action = index_of_greatest(&backup.lower);
        let friend = index_of_greatest(&self.low[action * slots.models..][..slots.models]);
        let next = self.ours[slots.at(action, 0, 0)..slots.at(action + 1, 0, 0)].to_vec();
        (vec![action as u32, friend as u32], next)
    }

    /// Nature's plan that is best here.
    pub fn natures_plan(&self, model: &Model) -> (Vec<u32>, Vec<u32>) {
        let models = model.dynamics().len();
        let moves = self.high.chunks_exact(models).map(|v| index_of_least(v) as u32).collect();
        (moves, self.natures.clone())
    }
}

pub(crate) fn index_of_least(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, k| if values[k] < values[best] { k } else { best })
}

pub(crate) fn index_of_greatest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, k| if values[k] > values[best] { k } else { best })
}

/// What the decision-maker's plan costs (the negative of its worth) at a belief, at most: by nature's model, in `out`, and altogether.
pub(crate) fn cost(
    model: &Model,
    next: &Stage,
    (moves, following): (&[u32], &[u32]),
    belief: &[(u32, f64)],
    desk: &mut Desk,
    out: &mut Vec<f64>,
) -> f64 {
    let slots = Slots::of(model);
    let (action, friend, alpha) = (moves[0] as usize, moves[1] as usize, model.alpha());
    let Desk { scratch, dense } = desk;
    out.clear();
    for m in 0..slots.models {
        let mut sum = 0.0;
        scratch.successors(model, m, belief, action, |o, joint| {
            let plan = &next.ours[following[slots.at(0, m, o)] as usize];
            sum += look(dense, joint, |x| plan.hull.at(x, f64::INFINITY));
        });
        out.push(model.discount() * sum - expected_reward(model, m, belief, action));
    }
    if alpha < 1.0 {
        let friendly = out[friend];
        out.iter_mut().for_each(|harmful| *harmful = alpha * *harmful + (1.0 - alpha) * friendly);
    }
    out[index_of_greatest(out)]
}

/// What the decision-maker makes of nature's plan at a belief, at most: by action, in `out`, and altogether.
pub(crate) fn worth(
    model: &Model,
    next: &Stage,
    (moves, following): (&[u32], &[u32]),
    belief: &[(u32, f64)],
    desk: &mut Desk,
    out: &mut Vec<f64>,
) -> f64 {
    let slots = Slots::of(model);
    let alpha = model.alpha();
    let Desk { scratch, dense } = desk;
    out.clear();
    for (action, &harm) in moves.iter().enumerate() {
        let mut value = |m: usize| {
            let mut sum = 0.0;
            scratch.successors(model, m, belief, action, |o, joint| {
                let plan = &next.natures[following[slots.at(action, m, o)] as usize];
                sum += look(dense, joint, |x| plan.hull.at(x, f64::INFINITY));
            });
            expected_reward(model, m, belief, action) + model.discount() * sum
        };
        let harmful = value(harm as usize);
        out.push(if alpha < 1.0 {
            let good = (0..slots.models).map(value).fold(f64::NEG_INFINITY, f64::max);
            alpha * harmful + (1.0 - alpha) * good
        } else {
            harmful
        });
    }
    out[index_of_greatest(out)]
}

/// The signature that [`cost`] and [`worth`] share.
pub(crate) type Value = fn(&Model, &Stage, (&[u32], &[u32]), &[(u32, f64)], &mut Desk, &mut Vec<f64>) -> f64;

/// The hull of a plan from what its branches are worth at the corners.
pub(crate) fn hull(model: &Model, next: &Stage, plan: (&[u32], &[u32]), value: Value, desk: &mut Desk) -> Hull {
    let s = model.states().len();
    let mut out = Vec::new();
    let mut branches = Vec::new();
    for corner in 0..s {
        value(model, next, plan, &[(corner as u32, 1.0)], desk, &mut out);
        branches.resize(s * out.len(), 0.0);
        out.iter().enumerate().for_each(|(b, v)| branches[b * s + corner] = *v);
    }
    Hull::new(s, branches)
}
