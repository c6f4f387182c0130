//! Bounds on a value function that is neither convex nor concave: cones around stored points.
//!
//! `V_t` is positively homogeneous, and adding mass `d >= 0` to a belief changes it by something between `least·d` and
//! `most·d`, where `least` and `most` are the values of a state-observing adversary and ally (induction over stages: rewards and
//! maps are linear, and `max`, `min` and their mixtures keep both inequalities). So for every stored point `c` and `ρ >= 0`
//!
//! `V(x) <= ρ V(c) + most·(x - ρc)⁺ - least·(ρc - x)⁺`, and `V(x) >= ρ V(c) + least·(x - ρc)⁺ - most·(ρc - x)⁺`.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::trial::SearchBounds;
use crate::belief::backup::{Bracket, Sparse, ValueBounds, backup, ordered};
use crate::belief::corners::Corners;
use crate::limits::Watch;
use crate::mdp::sweep::backed_up;

/// Stages 0 to H, or one stationary stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConeBounds {
    corners: Corners,
    stages: Vec<Stage>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stage {
    least: Vec<f64>,
    most: Vec<f64>,
    points: Vec<Point>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    belief: Sparse,
    lower: f64,
    upper: f64,
}

impl ConeBounds {
    pub fn new(model: &Model, corners: &Corners, watch: &Watch) -> Self {
        let s = model.states().len();
        let stages = if model.horizon().is_some() {
            let last = model.final_reward();
            let last = if last.is_empty() { vec![0.0; s] } else { last.to_vec() };
            let mut stages = vec![Stage { least: last.clone(), most: last, points: Vec::new() }];
            for _ in 1..corners.lower.len() {
                let next = &stages[stages.len() - 1];
                let slopes = slopes(model, &next.least, &next.most);
                stages.push(slopes);
            }
            stages.reverse();
            stages
        } else {
            let range = model.value_range();
            let mut stage = Stage { least: vec![range.0; s], most: vec![range.1; s], points: Vec::new() };
            for _ in 0..1_000 {
                let next = slopes(model, &stage.least, &stage.most);
                let moved = next.least.iter().zip(&stage.least).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
                stage = next;
                if moved < 1e-9 || watch.late() {
                    break;
                }
            }
            vec![stage]
        };
        Self { corners: corners.clone(), stages }
    }

    fn stage(&self, stage: usize) -> usize {
        if self.corners.stationary { 0 } else { stage }
    }

    pub fn points(&self) -> usize {
        self.stages.iter().map(|s| s.points.len()).sum()
    }

    /// What keeps the arrays from fitting `model`, in words.
    pub fn shape_problem(&self, model: &Model) -> Option<String> {
        let s = model.states().len();
        let beliefs = |stage: &Stage| stage.points.iter().flat_map(|p| &p.belief).all(|&(t, _)| (t as usize) < s);
        let fits = self.stages.len() == model.horizon().map_or(1, |h| h + 1)
            && self.stages.iter().all(|t| (t.least.len(), t.most.len()) == (s, s) && beliefs(t));
        let problem = (!fits).then(|| "the cones do not fit the model's stages and states".into());
        problem.or_else(|| self.corners.shape_problem(model))
    }
}

/// The state-observing adversary's and ally's values one stage earlier.
fn slopes(model: &Model, least: &[f64], most: &[f64]) -> Stage {
    let s = model.states().len();
    let choices = || (0..model.actions().len()).flat_map(|a| (0..model.dynamics().len()).map(move |m| (a, m)));
    let over = |next: &[f64], state: usize, pick: fn(f64, f64) -> f64| {
        choices().map(|(a, m)| backed_up(model, m, state, a, next)).reduce(pick).expect("there is an action")
    };
    Stage {
        least: (0..s).map(|i| over(least, i, f64::min)).collect(),
        most: (0..s).map(|i| over(most, i, f64::max)).collect(),
        points: Vec::new(),
    }
}

impl Stage {
    /// The cones' bounds at an unnormalised belief. O(points · support · log support).
    fn cones(&self, x: &[(u32, f64)]) -> (f64, f64) {
        let (mut lower, mut upper) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut pairs = Vec::new();
        for point in &self.points {
            merge(x, &point.belief, &mut pairs);
            upper = upper.min(self.cone(&pairs, point.upper, 1.0));
            lower = lower.max(-self.cone(&pairs, -point.lower, -1.0));
        }
        (lower, upper)
    }

    /// `min_ρ ρ v + up·(x - ρc)⁺ - down·(ρc - x)⁺`, where (up, down) is (most, least), or their negatives exchanged for
    /// `sign` -1. Convex in ρ with a kink where `ρ c_s = x_s`, so the minimum is at 0 or at a kink.
    fn cone(&self, pairs: &[(u32, f64, f64)], value: f64, sign: f64) -> f64 {
        let at = |ratio: f64| {
            pairs.iter().fold(ratio * value, |sum, &(s, x, c)| {
                let rest = x - ratio * c;
                let (most, least) = (self.most[s as usize], self.least[s as usize]);
                let slope = if (rest > 0.0) == (sign > 0.0) { most } else { least };
                sum + sign * slope * rest
            })
        };
        let kinks = pairs.iter().filter(|(_, _, c)| *c > 0.0).map(|&(_, x, c)| x / c);
        kinks.map(at).fold(at(0.0), f64::min)
    }
}

/// Both beliefs' masses by state.
fn merge(x: &[(u32, f64)], c: &[(u32, f64)], out: &mut Vec<(u32, f64, f64)>) {
    out.clear();
    let (mut i, mut j) = (0, 0);
    while i < x.len() || j < c.len() {
        let (s, t) = (x.get(i).map_or(u32::MAX, |p| p.0), c.get(j).map_or(u32::MAX, |p| p.0));
        let state = s.min(t);
        let a = if s == state { x[i].1 } else { 0.0 };
        let b = if t == state { c[j].1 } else { 0.0 };
        i += usize::from(s == state);
        j += usize::from(t == state);
        out.push((state, a, b));
    }
}

impl ValueBounds for ConeBounds {
    fn bracket(&self, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        let base = self.corners.bracket(stage, belief);
        let (lower, upper) = self.stages[self.stage(stage)].cones(belief);
        let (lower, upper) = ordered(lower.max(base.lower), upper.min(base.upper));
        Bracket { lower, estimate: f64::midpoint(lower, upper), upper }
    }
}

impl SearchBounds for ConeBounds {
    fn improve(&mut self, model: &Model, stage: usize, belief: &[(u32, f64)]) {
        let before = self.bracket(stage, belief);
        let (low, high) = backup(model, belief, stage + 1, self).bounds();
        let (lower, upper) = ordered(before.lower.max(low), before.upper.min(high));
        if lower > before.lower || upper < before.upper {
            let now = self.stage(stage);
            let points = &mut self.stages[now].points;
            match points.iter_mut().find(|p| p.belief == belief) {
                Some(point) => (point.lower, point.upper) = (lower, upper),
                None => points.push(Point { belief: belief.to_vec(), lower, upper }),
            }
        }
    }

    fn bytes(&self) -> usize {
        let points = |s: &Stage| s.points.iter().map(|p| 48 + 16 * p.belief.len()).sum::<usize>();
        8 * self.corners.len() + self.stages.iter().map(|s| 16 * s.least.len() + points(s)).sum::<usize>()
    }
}
