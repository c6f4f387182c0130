//! Upper bounds on a convex function from its values at points (Hauskrecht 2000).

use serde::{Deserialize, Serialize};

use crate::belief::backup::Sparse;
use crate::belief::corners::dot;

/// One stage's upper bound: values at the corners of the simplex and at beliefs inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sawtooth {
    /// Upper bounds at the corners.
    pub top: Vec<f64>,
    points: Vec<Point>,
    /// Points at the last pruning; the next comes when there are twice as many.
    pruned: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    belief: Sparse,
    /// The value less the corners' mixture; negative.
    below: f64,
}

impl Sawtooth {
    pub fn new(top: Vec<f64>) -> Self {
        Self { top, points: Vec::new(), pruned: 16 }
    }

    /// The bound at an unnormalised belief: of every point as much as fits under it, the rest at the corners. O(points · support).
    pub fn at(&self, belief: &[(u32, f64)]) -> f64 {
        dot(&self.top, belief) + deepest(&self.points, belief, usize::MAX)
    }

    /// Adds a point unless it lowers nothing.
    pub fn add(&mut self, belief: &[(u32, f64)], value: f64) {
        let below = value - dot(&self.top, belief);
        if below >= deepest(&self.points, belief, usize::MAX) {
            return;
        }
        self.points.push(Point { belief: belief.to_vec(), below });
        if self.points.len() > 2 * self.pruned {
            self.prune();
        }
    }

    /// Drops the points that the others make superfluous.
    fn prune(&mut self) {
        let mut i = 0;
        while i < self.points.len() {
            if deepest(&self.points, &self.points[i].belief, i) <= self.points[i].below {
                self.points.remove(i);
            } else {
                i += 1;
            }
        }
        self.pruned = self.points.len().max(16);
    }

    pub fn len(&self) -> usize {
        self.points.len()
    }

    pub fn bytes(&self) -> usize {
        8 * self.top.len() + self.points.iter().map(|p| 40 + 16 * p.belief.len()).sum::<usize>()
    }

    /// Whether the arrays fit a model with `states` states.
    pub fn fits(&self, states: usize) -> bool {
        self.top.len() == states && self.points.iter().flat_map(|p| &p.belief).all(|&(s, _)| (s as usize) < states)
    }
}

/// The lowest of 0 and what the points take off the corners' mixture.
fn deepest(points: &[Point], belief: &[(u32, f64)], except: usize) -> f64 {
    let mut best = 0.0_f64;
    for (i, point) in points.iter().enumerate() {
        if i != except {
            best = best.min(fit(&point.belief, belief, best / point.below) * point.below);
        }
    }
    best
}

/// The largest multiple of `point` that is nowhere above `belief`; stops early, with some smaller number, below `enough`.
fn fit(point: &[(u32, f64)], belief: &[(u32, f64)], enough: f64) -> f64 {
    let mut ratio = f64::INFINITY;
    let mut rest = belief.iter();
    for &(s, p) in point {
        let Some(&(_, mass)) = rest.find(|(t, _)| *t >= s).filter(|(t, _)| *t == s) else { return 0.0 };
        ratio = ratio.min(mass / p);
        if ratio <= enough {
            return 0.0;
        }
    }
    ratio
}
