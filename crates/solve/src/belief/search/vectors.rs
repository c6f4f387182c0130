//! Bounds on a convex value function: α-vectors below, a sawtooth above, one of each a stage.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::fib;
use super::sawtooth::Sawtooth;
use super::trial::SearchBounds;
use crate::belief::backup::{Bracket, Scratch, ValueBounds, expected_reward};
use crate::belief::corners::{Corners, dot};
use crate::limits::Watch;

/// What the decision-maker chooses from: an action, and with α = 0 also the model, which nature then picks to please.
pub(crate) type Branches = Vec<(usize, usize)>;

pub(crate) fn branches(model: &Model) -> Branches {
    (0..model.actions().len()).flat_map(|a| (0..model.dynamics().len()).map(move |m| (a, m))).collect()
}

/// Stages 0 to H, or one stationary stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct VectorBounds {
    pub stationary: bool,
    stages: Vec<Stage>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stage {
    /// `[vector][state]`.
    vectors: Vec<Vec<f64>>,
    upper: Sawtooth,
}

impl VectorBounds {
    pub fn new(model: &Model, corners: &Corners, watch: &Watch) -> Self {
        let s = corners.states;
        let smallest = |upper: &Vec<f64>| -> Vec<f64> {
            (0..s).map(|i| upper.iter().skip(i).step_by(s).copied().fold(f64::INFINITY, f64::min)).collect()
        };
        let mut tops: Vec<Vec<f64>> = corners.upper.iter().map(smallest).collect();
        fib::tighten(model, &branches(model), &mut tops, watch);
        let stage = |(lower, top): (&Vec<f64>, Vec<f64>)| {
            let mut stage = Stage { vectors: Vec::new(), upper: Sawtooth::new(top) };
            lower.chunks_exact(s).for_each(|v| stage.add(v.to_vec()));
            stage
        };
        Self { stationary: corners.stationary, stages: corners.lower.iter().zip(tops).map(stage).collect() }
    }

    fn stage(&self, stage: usize) -> usize {
        if self.stationary { 0 } else { stage }
    }

    pub fn vectors(&self) -> usize {
        self.stages.iter().map(|s| s.vectors.len()).sum()
    }

    pub fn points(&self) -> usize {
        self.stages.iter().map(|s| s.upper.len()).sum()
    }

    /// What keeps the arrays from fitting `model`, in words.
    pub fn shape_problem(&self, model: &Model) -> Option<String> {
        let s = model.states().len();
        let fits = self.stationary == model.horizon().is_none()
            && self.stages.len() == model.horizon().map_or(1, |h| h + 1)
            && self.stages.iter().all(|stage| {
                !stage.vectors.is_empty() && stage.vectors.iter().all(|v| v.len() == s) && stage.upper.fits(s)
            });
        (!fits).then(|| "the α-vectors do not fit the model's stages and states".into())
    }
}

impl Stage {
    /// The best vector at an unnormalised belief, and its value. Ties go to the oldest.
    fn best(&self, belief: &[(u32, f64)]) -> (usize, f64) {
        let mut best = (0, f64::NEG_INFINITY);
        for (i, vector) in self.vectors.iter().enumerate() {
            let value = dot(vector, belief);
            if value > best.1 {
                best = (i, value);
            }
        }
        best
    }

    /// Adds a vector unless one is above it everywhere, and drops those it is above everywhere.
    fn add(&mut self, vector: Vec<f64>) {
        let above = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a >= b);
        if !self.vectors.iter().any(|v| above(v, &vector)) {
            self.vectors.retain(|v| !above(&vector, v));
            self.vectors.push(vector);
        }
    }
}

impl ValueBounds for VectorBounds {
    fn bracket(&self, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        let stage = &self.stages[self.stage(stage)];
        let lower = stage.best(belief).1;
        Bracket { lower, estimate: lower, upper: stage.upper.at(belief) }
    }
}

impl SearchBounds for VectorBounds {
    /// A point-based backup (Pineau, Gordon, Thrun 2003) below and a Bellman backup above.
    fn improve(&mut self, model: &Model, stage: usize, belief: &[(u32, f64)]) {
        let next = &self.stages[self.stage(stage + 1)];
        let mut scratch = Scratch::new(model);
        let (mut best, mut upper) = ((f64::NEG_INFINITY, (0, 0)), f64::NEG_INFINITY);
        for (action, m) in branches(model) {
            let (mut low, mut high) = (0.0, 0.0);
            scratch.successors(model, m, belief, action, |_, joint| {
                low += next.best(joint).1;
                high += next.upper.at(joint);
            });
            let reward = expected_reward(model, m, belief, action);
            let (low, high) = (reward + model.discount() * low, reward + model.discount() * high);
            if low > best.0 {
                best = (low, (action, m));
            }
            upper = upper.max(high);
        }
        let vector = self.backed_up(model, stage, belief, best.1, &mut scratch);
        let now = self.stage(stage);
        if dot(&vector, belief) > self.stages[now].best(belief).1 {
            self.stages[now].add(vector);
        }
        self.stages[now].upper.add(belief, upper);
    }

    fn bytes(&self) -> usize {
        let vectors = |s: &Stage| s.vectors.iter().map(|v| 24 + 8 * v.len()).sum::<usize>();
        self.stages.iter().map(|s| vectors(s) + s.upper.bytes()).sum()
    }
}

impl VectorBounds {
    /// The vector of taking `branch` at `stage` and then, for each observation, the vector that is best after it.
    fn backed_up(
        &self,
        model: &Model,
        stage: usize,
        belief: &[(u32, f64)],
        (action, m): (usize, usize),
        scratch: &mut Scratch,
    ) -> Vec<f64> {
        let s = model.states().len();
        let next = &self.stages[self.stage(stage + 1)];
        let dynamics = &model.dynamics()[m];
        let kernel = dynamics.observation.as_ref().expect("checked: the model has observations");
        // An observation that cannot come from here still needs a vector: the one best at the mean of those that can.
        let mut predicted = vec![0.0; s];
        let mut chosen = vec![usize::MAX; kernel.columns()];
        scratch.successors(model, m, belief, action, |o, joint| {
            chosen[o] = next.best(joint).0;
            joint.iter().for_each(|&(to, p)| predicted[to as usize] += p);
        });
        let fallback = next.best(&crate::belief::backup::sparse(&predicted)).0;
        chosen.iter_mut().filter(|c| **c == usize::MAX).for_each(|c| *c = fallback);
        let ahead: Vec<f64> = (0..s)
            .map(|to| kernel.pairs(action * s + to).map(|(o, q)| q * next.vectors[chosen[o]][to]).sum())
            .collect();
        let rewards = &model.expected_reward(m)[action * s..][..s];
        (0..s)
            .map(|from| {
                let mean: f64 = dynamics.transition.pairs(action * s + from).map(|(to, p)| p * ahead[to]).sum();
                rewards[from] + model.discount() * mean
            })
            .collect()
    }
}
