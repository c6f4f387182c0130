//! Exact vectors as the bounds behind a policy.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::supports::{Supports, holds};
use super::vectors::{Vectors, dot};
use crate::belief::backup::{Bracket, ValueBounds};
use crate::belief::corners::Corners;
use crate::belief::value_function::{PlanSet, ValueFunction};

/// Vectors of the stages that were reached, counted from the end: `stages[k]` has `k` decisions to go. Without a horizon there is
/// one, and it serves all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExactBounds {
    horizon: Option<usize>,
    /// Ascending states, by support.
    supports: Vec<Vec<u32>>,
    stages: Vec<Kept>,
}

/// One stage's sets, by support, and how far below and above the best vector the value can be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    sets: Vec<Set>,
    below: f64,
    above: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Set {
    /// `[vector][state of the support]`.
    vectors: Vec<f64>,
    /// The action that each vector begins with.
    actions: Vec<u32>,
}

impl ExactBounds {
    pub fn new(horizon: Option<usize>, supports: &Supports) -> Self {
        Self { horizon, supports: supports.states.clone(), stages: Vec::new() }
    }

    /// Adds the next stage; values lie between the best vector less `below` and that plus `above`.
    /// Returns the bytes that the stage takes.
    pub fn push(&mut self, stage: &[Vectors], below: f64, above: f64) -> usize {
        let keep = |set: &Vectors| Set { vectors: set.values.clone(), actions: set.actions.clone() };
        self.stages.push(Kept { sets: stage.iter().map(keep).collect(), below, above });
        stage.iter().map(|set| 8 * set.values.len() + 4 * set.len()).sum()
    }

    /// α-vectors held.
    fn vectors(&self) -> usize {
        self.stages.iter().flat_map(|stage| &stage.sets).map(|set| set.actions.len()).sum()
    }

    /// Decisions to go at the earliest stage that is held.
    pub fn reached(&self) -> usize {
        self.stages.len().saturating_sub(1)
    }

    /// The vectors of `stage`, one set a support; none where the stage was not reached.
    fn sets(&self, stage: usize) -> Vec<PlanSet> {
        let Some(kept) = self.stages.get(self.to_go(stage)) else { return Vec::new() };
        let set = |(set, states): (&Set, &Vec<u32>)| {
            // Lower bounds: what pruning may have left out is taken off.
            let rows = set.vectors.chunks_exact(states.len()).map(|row| row.iter().map(|v| v - kept.below).collect());
            PlanSet { states: states.clone(), plans: set.actions.iter().copied().zip(rows).collect() }
        };
        kept.sets.iter().zip(&self.supports).map(set).collect()
    }

    fn to_go(&self, stage: usize) -> usize {
        self.horizon.map_or(0, |h| h.saturating_sub(stage))
    }

    /// The value of `stage` at an unnormalised belief; `None` where the stage was not reached or no support holds the belief.
    fn known(&self, stage: usize, belief: &[(u32, f64)]) -> Option<Bracket> {
        let kept = self.stages.get(self.to_go(stage))?;
        let states: Vec<u32> = belief.iter().map(|b| b.0).collect();
        let support = self.supports.iter().position(|support| holds(support, &states))?;
        let all = &self.supports[support];
        let mut point = vec![0.0; all.len()];
        let mut mass = 0.0;
        for &(state, p) in belief {
            point[all.binary_search(&state).expect("the support holds it")] = p;
            mass += p;
        }
        let vectors = kept.sets[support].vectors.chunks_exact(all.len());
        let best = vectors.map(|v| dot(v, &point)).fold(f64::NEG_INFINITY, f64::max);
        // The estimate is what the policy of these vectors earns at least: without a horizon that can be proven to be more than they
        // say, as they still rise.
        let lower = best - mass * kept.below;
        Some(Bracket { lower, estimate: lower, upper: best + mass * kept.above })
    }
}

impl ValueFunction for ExactBounds {
    fn form(&self) -> &'static str {
        "exact"
    }

    fn shape_problem(&self, model: &Model) -> Option<String> {
        let (s, a) = (model.states().len() as u32, model.actions().len() as u32);
        let ascends = |states: &Vec<u32>| states.is_sorted_by(|a, b| a < b) && states.last().is_some_and(|&l| l < s);
        let fits = self.horizon == model.horizon()
            && self.stages.len() <= self.horizon.map_or(1, |h| h + 1)
            && self.supports.iter().all(ascends)
            && self.stages.iter().all(|stage| {
                stage.sets.len() == self.supports.len()
                    && stage.sets.iter().zip(&self.supports).all(|(set, states)| {
                        !set.actions.is_empty()
                            && set.vectors.len() == set.actions.len() * states.len()
                            && set.actions.iter().all(|&action| action < a)
                    })
            });
        (!fits).then(|| "the exact vectors do not fit the model's stages, states and actions".into())
    }

    fn sizes(&self) -> (usize, usize) {
        (self.vectors(), self.vectors())
    }

    /// Stages that were not reached, and beliefs that cannot come about, have the linear bounds.
    fn bracket(&self, corners: &Corners, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        self.known(stage, belief).unwrap_or_else(|| corners.bracket(stage, belief))
    }

    fn plans(&self, corners: &Corners, stage: usize) -> Option<Vec<PlanSet>> {
        let mut sets = self.sets(stage);
        if sets.iter().all(|set| set.states.len() < corners.states) {
            sets.push(corners.plans(stage));
        }
        Some(sets)
    }
}
