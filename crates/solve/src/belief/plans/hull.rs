//! An upper bound on a convex function from its values at the corners of the simplex and at points (Hauskrecht 2000).

use serde::{Deserialize, Serialize};

/// Bounds a convex, positively homogeneous function `f` of unnormalised beliefs from above. A concave function is bounded from below
/// by the hull of its negative.
///
/// `f` is a maximum of convex branches, each at most the mixture of its values at the corners. And for every point c and every
/// `ρ >= 0` with `ρc <= x`, `f(x) <= ρ f(c) + corners·(x - ρc)`, where the corners are those of the maximum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hull {
    /// The greatest of the branches at each corner.
    corners: Vec<f64>,
    /// `[branch][corner]`.
    branches: Vec<f64>,
    points: Vec<Point>,
    /// How far the deepest point is below the corners' mixture, for mass 1; not positive.
    deepest: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    /// How far the function is below the corners' mixture here, at most; negative.
    below: f64,
    /// States with one over their masses (they sum to 1), the largest mass first: the ratio is soon known to be small.
    inverse: Vec<(u32, f64)>,
}

/// An unnormalised belief as a hull reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub sparse: &'a [(u32, f64)],
    /// The same by state.
    pub dense: &'a [f64],
    pub mass: f64,
}

/// `vector · x`. A belief that fills a third of the states is read densely, in lanes whose sums do not wait for each other.
#[inline]
fn dot(vector: &[f64], x: Look) -> f64 {
    if 3 * x.sparse.len() < vector.len() {
        return x.sparse.iter().map(|&(s, p)| p * vector[s as usize]).sum();
    }
    let (a, b) = (vector.chunks_exact(4), x.dense.chunks_exact(4));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    let mut lanes = [0.0; 4];
    for (a, b) in a.zip(b) {
        lanes = [lanes[0] + a[0] * b[0], lanes[1] + a[1] * b[1], lanes[2] + a[2] * b[2], lanes[3] + a[3] * b[3]];
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

impl Hull {
    /// From the values of all branches at `states` corners.
    pub fn new(states: usize, branches: Vec<f64>) -> Self {
        let highest = |s: usize| branches.iter().skip(s).step_by(states).copied().fold(f64::NEG_INFINITY, f64::max);
        Self { corners: (0..states).map(highest).collect(), branches, points: Vec::new(), deepest: 0.0 }
    }

    pub fn states(&self) -> usize {
        self.corners.len()
    }

    pub fn points(&self) -> usize {
        self.points.len()
    }

    pub fn bytes(&self) -> usize {
        8 * (self.corners.len() + self.branches.len())
            + self.points.iter().map(|p| 56 + 16 * p.inverse.len()).sum::<usize>()
    }

    /// The bound at `x`, or something that is not less than `enough`. O((branches + points) · support), most branches and points
    /// after a few states.
    #[inline]
    pub fn at(&self, x: Look, enough: f64) -> f64 {
        let mixture = dot(&self.corners, x);
        // What nothing is below comes back as it was, bit for bit: who asks tells by it that this hull is not the least.
        let mut best = self.highest_branch(x, enough.min(mixture));
        if mixture + self.deepest * x.mass >= best {
            return best;
        }
        for point in &self.points {
            let mut ratio = x.mass;
            for &(s, inverse) in &point.inverse {
                ratio = ratio.min(x.dense[s as usize] * inverse);
                if mixture + ratio * point.below >= best {
                    break;
                }
            }
            best = best.min(mixture + ratio * point.below);
        }
        best
    }

    /// The greatest of the branches' mixtures, or `enough` when one is not less.
    #[inline]
    fn highest_branch(&self, x: Look, enough: f64) -> f64 {
        let mut highest = f64::NEG_INFINITY;
        for branch in self.branches.chunks_exact(self.corners.len()) {
            highest = highest.max(dot(branch, x));
            if highest >= enough {
                return enough;
            }
        }
        highest
    }

    /// Adds the value at a belief of mass 1, or lowers it where the belief is a point already.
    pub fn push(&mut self, belief: &[(u32, f64)], value: f64) {
        let below = value - belief.iter().map(|&(s, p)| p * self.corners[s as usize]).sum::<f64>();
        if below >= 0.0 {
            return;
        }
        let mut inverse: Vec<(u32, f64)> = belief.iter().map(|&(s, p)| (s, p.recip())).collect();
        inverse.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        self.deepest = self.deepest.min(below);
        match self.points.iter_mut().find(|p| p.inverse == inverse) {
            Some(point) => point.below = point.below.min(below),
            None => self.points.push(Point { below, inverse }),
        }
    }

    /// The size of the largest corner.
    pub fn size(&self) -> f64 {
        self.corners.iter().fold(0.0, |most, value| most.max(value.abs()))
    }

    /// The mean size of the corners at a belief: what rounding there is measured by.
    pub fn size_at(&self, belief: &[(u32, f64)]) -> f64 {
        belief.iter().map(|&(s, p)| p * self.corners[s as usize].abs()).sum()
    }

    /// The greatest difference at a corner.
    pub fn distance(&self, other: &Self) -> f64 {
        self.corners.iter().zip(&other.corners).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
    }

    /// Whether it fits a model with this many states.
    pub fn fits(&self, states: usize) -> bool {
        states > 0
            && self.corners.len() == states
            && !self.branches.is_empty()
            && self.branches.len().is_multiple_of(states)
            && self.points.iter().flat_map(|p| &p.inverse).all(|&(s, inverse)| (s as usize) < states && inverse > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use tiresias_model::random::{Key, Sequence};

    use super::*;

    fn belief(draw: &mut Sequence, states: usize) -> Vec<(u32, f64)> {
        let weights: Vec<f64> = (0..states).map(|_| if draw.uniform() < 0.3 { 0.0 } else { draw.uniform() }).collect();
        let sum = weights.iter().sum::<f64>().max(1e-9);
        weights.iter().enumerate().filter(|w| *w.1 > 0.0).map(|(s, w)| (s as u32, w / sum)).collect()
    }

    /// The bound by its definition.
    fn defined(hull: &Hull, x: Look) -> f64 {
        let mixture = |v: &[f64]| x.sparse.iter().map(|&(s, p)| p * v[s as usize]).sum::<f64>();
        let branches = hull.branches.chunks(hull.states()).map(mixture).fold(f64::NEG_INFINITY, f64::max);
        let point = |p: &Point| {
            let ratio = p.inverse.iter().map(|&(s, i)| x.dense[s as usize] * i).fold(f64::INFINITY, f64::min);
            mixture(&hull.corners) + ratio * p.below
        };
        hull.points.iter().map(point).fold(branches, f64::min)
    }

    #[test]
    fn the_bound_is_what_it_is_defined_as_and_never_a_hair_below_what_it_need_not_beat() {
        let mut draw = Key(11).sequence();
        for trial in 0..4_000 {
            let states = 1 + trial % 9;
            let mut hull = Hull::new(states, (0..states * (1 + trial % 3)).map(|_| draw.between(-2.0, 2.0)).collect());
            for _ in 0..trial % 4 {
                let c = belief(&mut draw, states);
                if !c.is_empty() {
                    hull.push(&c, draw.between(-4.0, 0.0));
                }
            }
            let mut sparse = belief(&mut draw, states);
            let scale = draw.uniform();
            sparse.iter_mut().for_each(|entry| entry.1 *= scale);
            let mut dense = vec![0.0; states];
            sparse.iter().for_each(|&(s, p)| dense[s as usize] = p);
            let x = Look { sparse: &sparse, dense: &dense, mass: sparse.iter().map(|entry| entry.1).sum() };
            let full = hull.at(x, f64::INFINITY);
            assert!((full - defined(&hull, x)).abs() < 1e-12, "{full} {}", defined(&hull, x));
            for less in [0.0, 1e-17, 1e-16, 1e-12, 0.1, 3.0, draw.uniform()] {
                // Anything lower would be taken for a better plan.
                assert!(hull.at(x, full - less) >= full - less);
            }
        }
    }
}
