//! Bounds on a value function that is neither convex nor concave: the best of plans that are one or the other.
//!
//! What a plan of the decision-maker is worth against nature's best answers is concave in the belief; what the decision-maker's best
//! answers make of a plan of nature is convex. So the former are lower bounds on `V`, the latter upper bounds, and each is itself
//! bounded by a [`Hull`]. A plan says what is done now, and names a plan of the next stage for every observation and model.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::answers::{Value, cost, hull, worth};
use super::hull::{Hull, Look};
use crate::belief::backup::{Bracket, Scratch, ValueBounds, ordered};
use crate::belief::corners::Corners;
use crate::belief::search::vectors::MANY_STAGES;
use crate::belief::value_function::ValueFunction;
use crate::limits::{Late, Watch};

/// How many sweeps the first plans of an infinite horizon get at most, and which share of the largest value moves too little to go on.
const MOST_SWEEPS: usize = 200;
const ENOUGH: f64 = 1e-7;

/// Stages 0 to H, or one stationary stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlanBounds {
    stationary: bool,
    stages: Vec<Stage>,
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
    /// What follows, by [`Slots`].
    pub next: Vec<Named>,
}

/// A plan of the next stage, and which of its hull's bounds was best where it was chosen. The decision-maker's plans are valued by that
/// bound alone; nature's by whichever is best.
pub(crate) type Named = (u32, u32);

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

/// The least of `plans`' bounds at `x` and whose it is.
pub(crate) fn least(plans: &[Plan], x: Look) -> (f64, Named) {
    let mut best = (f64::INFINITY, (0, 0));
    // The newest are likely to be the best here, and then the others are soon known not to be.
    for (k, plan) in plans.iter().enumerate().rev() {
        let (value, bound) = plan.hull.at(x, best.0);
        if value < best.0 {
            best = (value, (k as u32, bound));
        }
    }
    best
}

/// Working space for looking at beliefs, and the watch that tells when to stop.
pub(crate) struct Desk<'a> {
    pub watch: &'a Watch<'a>,
    pub scratch: Scratch,
    pub dense: Vec<f64>,
    /// Beliefs that were backed up here.
    pub backups: u64,
}

impl<'a> Desk<'a> {
    pub fn new(model: &Model, watch: &'a Watch<'a>) -> Self {
        Self { watch, scratch: Scratch::new(model), dense: vec![0.0; model.states().len()], backups: 0 }
    }

    pub fn late(&self) -> bool {
        self.watch.late()
    }

    /// Shows `belief` to `see` in the form that hulls read.
    pub fn look<T>(&mut self, belief: &[(u32, f64)], see: impl FnOnce(Look) -> T) -> T {
        look(&mut self.dense, belief, see)
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
    /// The plans of the linear bounds: one action whatever happens, one model whatever happens. Fails where it is late and stages are
    /// many.
    pub fn new(model: &Model, corners: &Corners, watch: &Watch) -> Result<Self, Late> {
        let (s, slots, actions) = (model.states().len(), Slots::of(model), model.actions().len());
        let repeat = |k: usize, corners: Vec<f64>, moves: Vec<u32>, slots: usize| Plan {
            hull: Hull::new(s, corners),
            moves,
            next: vec![(k as u32, 0); slots],
        };
        let ours =
            |(k, v): (usize, &[f64])| repeat(k, v.iter().map(|x| -x).collect(), vec![k as u32, 0], slots.per_action());
        let natures =
            |(k, v): (usize, &[f64])| repeat(k, v.to_vec(), vec![k as u32; actions], actions * slots.per_action());
        let stage = |(lower, upper): (&Vec<f64>, &Vec<f64>)| Stage {
            ours: lower.chunks_exact(s).enumerate().map(ours).collect(),
            natures: upper.chunks_exact(s).enumerate().map(natures).collect(),
        };
        let mut stages = Vec::with_capacity(corners.lower.len());
        for from in corners.lower.iter().zip(&corners.upper) {
            if stages.len() % MANY_STAGES == MANY_STAGES - 1 {
                watch.spend(usize::MAX)?;
            }
            stages.push(stage(from));
        }
        let mut out = Self { stationary: corners.stationary, stages };
        out.inform(model, watch);
        Ok(out)
    }

    /// Sweeps the first plans once more, by branches: the player who answers them sees the state one stage late (Hauskrecht's
    /// fast informed bound, 2000, for nature's plans and one model).
    fn inform(&mut self, model: &Model, watch: &Watch) {
        let mut desk = Desk::new(model, watch);
        let last = self.stages.len() - 1;
        let sweeps = if self.stationary { MOST_SWEEPS } else { last };
        for sweep in 0..sweeps {
            let (now, after) = if self.stationary { (0, 0) } else { (last - 1 - sweep, last - sweep) };
            let next = &self.stages[after];
            let mut renew = |plans: &[Plan], value: Value| -> Option<Vec<Hull>> {
                plans.iter().map(|p| hull(model, next, (&p.moves, &p.next), value, &mut desk)).collect()
            };
            let stage = &self.stages[now];
            let (Some(ours), Some(natures)) = (renew(&stage.ours, cost), renew(&stage.natures, worth)) else { return };
            let stage = &mut self.stages[now];
            let mut moved = 0.0_f64;
            for (plan, hull) in stage.ours.iter_mut().zip(ours).chain(stage.natures.iter_mut().zip(natures)) {
                moved = moved.max(plan.hull.distance(&hull));
                plan.hull = hull;
            }
            if self.stationary && moved <= ENOUGH * model.reward_spread() {
                return;
            }
        }
    }

    #[inline]
    pub fn index(&self, stage: usize) -> usize {
        if self.stationary { 0 } else { stage }
    }

    /// The plans of a stage.
    pub fn at(&self, stage: usize) -> &Stage {
        &self.stages[self.index(stage)]
    }

    pub fn at_mut(&mut self, stage: usize) -> &mut Stage {
        let index = self.index(stage);
        &mut self.stages[index]
    }

    /// The plans of the stage after.
    pub fn after(&self, stage: usize) -> &Stage {
        self.at(stage + 1)
    }

    pub fn bytes(&self) -> usize {
        let plans = self.stages.iter().flat_map(|s| s.ours.iter().chain(&s.natures));
        plans.map(|p| 96 + p.hull.bytes() + 4 * p.moves.len() + 8 * p.next.len()).sum()
    }
}

impl PlanBounds {
    /// The lower bound at an unnormalised belief.
    pub fn lower(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        let stage = self.at(stage);
        look(&mut vec![0.0; stage.ours[0].hull.states()], belief, |x| -least(&stage.ours, x).0)
    }
}

impl ValueBounds for PlanBounds {
    fn bracket(&self, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        let states = belief.iter().map(|b| b.0 as usize + 1).max().unwrap_or(0);
        let stage = self.at(stage);
        let size = stage.natures[0].hull.states();
        debug_assert!(states <= size);
        look(&mut vec![0.0; size], belief, |x| {
            let estimate = -least(&stage.ours, x).0;
            let (lower, upper) = ordered(estimate, least(&stage.natures, x).0);
            Bracket { lower, estimate, upper }
        })
    }
}

impl ValueFunction for PlanBounds {
    fn form(&self) -> &'static str {
        "plans"
    }

    fn shape_problem(&self, model: &Model) -> Option<String> {
        let (s, slots, actions) = (model.states().len(), Slots::of(model), model.actions().len());
        let number = |k: u32, of: usize| (k as usize) < of;
        let fits = |(k, bound): Named, plans: &[Plan]| plans.get(k as usize).is_some_and(|plan| plan.hull.holds(bound));
        let ours = |plan: &Plan, next: &Stage| {
            let [action, friend] = plan.moves[..] else { return false };
            (number(action, actions) && number(friend, slots.models) && plan.next.len() == slots.per_action())
                && plan.next.iter().all(|&named| fits(named, &next.ours))
        };
        let natures = |plan: &Plan, next: &Stage| {
            (plan.moves.len() == actions && plan.next.len() == actions * slots.per_action())
                && plan.moves.iter().all(|&m| number(m, slots.models))
                && plan.next.iter().all(|&named| fits(named, &next.natures))
        };
        let sound = |t: usize| {
            let (stage, next) = (&self.stages[t], self.stages.get(t + 1).unwrap_or(&self.stages[t]));
            let plans = || stage.ours.iter().chain(&stage.natures);
            (!stage.ours.is_empty() && !stage.natures.is_empty() && plans().all(|p| p.hull.fits(s)))
                && stage.ours.iter().all(|p| ours(p, next))
                && stage.natures.iter().all(|p| natures(p, next))
        };
        let fits = self.stationary == model.horizon().is_none()
            && self.stages.len() == model.horizon().map_or(1, |h| h + 1)
            && (0..self.stages.len()).all(sound);
        (!fits).then(|| "the plans do not fit the model's stages and states".into())
    }

    /// Plans and points.
    fn sizes(&self) -> (usize, usize) {
        let plans = || self.stages.iter().flat_map(|s| s.ours.iter().chain(&s.natures));
        (plans().count(), plans().map(|p| p.hull.points()).sum())
    }

    fn bracket(&self, _: &Corners, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        ValueBounds::bracket(self, stage, belief)
    }

    fn lower(&self, _: &Corners, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.lower(stage, belief)
    }
}
