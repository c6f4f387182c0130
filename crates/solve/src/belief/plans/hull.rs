//! An upper bound on a convex function from its values at the corners of the simplex and at points (Hauskrecht 2000).

use serde::{Deserialize, Serialize};

/// Bounds a convex, positively homogeneous function `f` of unnormalised beliefs from above. A concave function is bounded from below
/// by the hull of its negative.
///
/// `f` is a maximum of convex branches, each at most the mixture of its values at the corners, and no more of `f` is known than that
/// and its values at points. Every point c gives one bound, `f(x) <= ρ f(c) + max over branches of their mixtures at (x - ρc)` with the
/// best `ρ >= 0` for which `ρc <= x`. It is convex and positively homogeneous again ([`on`](Self::on)); the least of several
/// ([`at`](Self::at)) is not. That is what tells a bound that can be followed from one that can only be trusted (`docs/apomdp.md`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hull {
    states: usize,
    /// `[branch][corner]`.
    branches: Vec<f64>,
    points: Vec<Point>,
    /// By branch: the least of the points' slopes, not positive.
    steepest: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    /// By branch: how much the bound changes with ρ as long as the branch is the greatest, `f(c)` less the branch's mixture at c.
    slopes: Vec<f64>,
    /// States with one over their masses (they sum to 1), the largest mass first: the ratio is soon known to be small.
    inverse: Vec<(u32, f64)>,
}

/// Branches whose mixtures are kept on the stack.
const FEW: usize = 16;

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
        let steepest = vec![0.0; branches.len() / states];
        Self { states, branches, points: Vec::new(), steepest }
    }

    pub fn states(&self) -> usize {
        self.states
    }

    pub fn points(&self) -> usize {
        self.points.len()
    }

    pub fn bytes(&self) -> usize {
        let point = |p: &Point| 64 + 8 * p.slopes.len() + 16 * p.inverse.len();
        8 * (self.branches.len() + self.steepest.len()) + self.points.iter().map(point).sum::<usize>()
    }

    /// The least of all bounds at `x`, or something that is not less than `enough`, and whose it is: 0 for that of the branches alone,
    /// k + 1 for that of point k. O((branches + points) · support), most branches and points after a few states.
    #[inline]
    pub fn at(&self, x: Look, enough: f64) -> (f64, u32) {
        self.with_mixtures(x, enough, |mixtures, top| {
            let mut best = (mixtures[top], 0);
            if mixtures[top] + x.mass * self.steepest[top] < best.0.min(enough) {
                for (k, point) in self.points.iter().enumerate() {
                    let value = point.bound(x, mixtures, top, best.0.min(enough));
                    if value < best.0 {
                        best = (value, k as u32 + 1);
                    }
                }
            }
            best
        })
    }

    /// The bound at `x` that [`at`](Self::at) calls number `which`.
    #[inline]
    pub fn on(&self, x: Look, which: u32) -> f64 {
        let bound = |mixtures: &[f64], top: usize| match which {
            0 => (mixtures[top], 0),
            k => (self.points[k as usize - 1].bound(x, mixtures, top, mixtures[top]), k),
        };
        self.with_mixtures(x, f64::INFINITY, bound).0
    }

    /// Gives `see` the branches' mixtures at `x`, and which is the greatest; `enough` as soon as no bound can be less.
    #[inline]
    fn with_mixtures(&self, x: Look, enough: f64, see: impl FnOnce(&[f64], usize) -> (f64, u32)) -> (f64, u32) {
        let (mut few, mut many) = ([0.0; FEW], Vec::new());
        let branches = self.steepest.len();
        let mixtures = if branches <= FEW {
            &mut few[..branches]
        } else {
            many.resize(branches, 0.0);
            &mut many[..]
        };
        let mut top = 0;
        for (b, branch) in self.branches.chunks_exact(self.states).enumerate() {
            mixtures[b] = dot(branch, x);
            // ρ is at most the mass.
            if mixtures[b] + x.mass * self.steepest[b] >= enough {
                return (enough, 0);
            }
            if mixtures[b] > mixtures[top] {
                top = b;
            }
        }
        see(mixtures, top)
    }

    /// Adds the value at a belief of mass 1, or lowers it where the belief is a point already. Nothing where the branches say as much.
    pub fn push(&mut self, belief: &[(u32, f64)], value: f64) {
        let mixture = |branch: &[f64]| belief.iter().map(|&(s, p)| p * branch[s as usize]).sum::<f64>();
        let slopes: Vec<f64> = self.branches.chunks_exact(self.states).map(|branch| value - mixture(branch)).collect();
        if slopes.iter().all(|&slope| slope >= 0.0) {
            return;
        }
        let mut inverse: Vec<(u32, f64)> = belief.iter().map(|&(s, p)| (s, p.recip())).collect();
        inverse.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let lower = |old: &mut [f64], new: &[f64]| old.iter_mut().zip(new).for_each(|(old, new)| *old = old.min(*new));
        lower(&mut self.steepest, &slopes);
        match self.points.iter_mut().find(|p| p.inverse == inverse) {
            Some(point) => lower(&mut point.slopes, &slopes),
            None => self.points.push(Point { slopes, inverse }),
        }
    }

    /// The greatest difference at a corner.
    pub fn distance(&self, other: &Self) -> f64 {
        let corner = |hull: &Self, s: usize| {
            hull.branches.iter().skip(s).step_by(hull.states).copied().fold(f64::NEG_INFINITY, f64::max)
        };
        (0..self.states).fold(0.0, |most, s| most.max((corner(self, s) - corner(other, s)).abs()))
    }

    /// Whether it fits a model with this many states.
    pub fn fits(&self, states: usize) -> bool {
        let point = |p: &Point| {
            p.slopes.len() == self.steepest.len() && p.inverse.iter().all(|&(s, i)| (s as usize) < states && i > 0.0)
        };
        states > 0
            && self.states == states
            && !self.steepest.is_empty()
            && self.branches.len() == states * self.steepest.len()
            && self.points.iter().all(point)
    }

    /// Whether [`on`](Self::on) may be asked for this bound.
    pub fn holds(&self, which: u32) -> bool {
        which as usize <= self.points.len()
    }
}

impl Point {
    /// The least over ρ of the greatest of the branches' `mixture + ρ slope`, or something that is not less than `enough`; branch
    /// `top` is the greatest at ρ = 0.
    #[inline]
    fn bound(&self, x: Look, mixtures: &[f64], top: usize, enough: f64) -> f64 {
        if self.slopes[top] >= 0.0 {
            return mixtures[top];
        }
        let mut ratio = x.mass;
        for &(s, inverse) in &self.inverse {
            ratio = ratio.min(x.dense[s as usize] * inverse);
            if mixtures[top] + ratio * self.slopes[top] >= enough {
                return enough;
            }
        }
        // The greatest of lines is convex: from the left, the falling line that is the greatest so far; from the right, a rising one.
        let greatest = |at: f64| {
            let value = |b: usize| mixtures[b] + at * self.slopes[b];
            (1..mixtures.len()).fold((0, value(0)), |best, b| if value(b) > best.1 { (b, value(b)) } else { best })
        };
        let (mut falling, mut at) = (top, ratio);
        let (mut rising, mut value) = greatest(at);
        // Each line is met once.
        for _ in 0..mixtures.len() {
            if self.slopes[rising] <= 0.0 {
                return value;
            }
            let meet = (mixtures[falling] - mixtures[rising]) / (self.slopes[rising] - self.slopes[falling]);
            at = meet.clamp(0.0, ratio);
            let (line, highest) = greatest(at);
            value = highest;
            if line == falling || line == rising {
                return value;
            }
            if self.slopes[line] > 0.0 {
                rising = line;
            } else {
                falling = line;
            }
        }
        value
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

    /// The bound by its definition: the least over ρ, where lines meet or ρ ends.
    fn defined(hull: &Hull, x: Look) -> f64 {
        let mixture = |v: &[f64]| x.sparse.iter().map(|&(s, p)| p * v[s as usize]).sum::<f64>();
        let mixtures: Vec<f64> = hull.branches.chunks(hull.states()).map(mixture).collect();
        let greatest = |p: &Point, at: f64| {
            mixtures.iter().zip(&p.slopes).map(|(m, slope)| m + at * slope).fold(f64::NEG_INFINITY, f64::max)
        };
        let point = |p: &Point| {
            let ratio = p.inverse.iter().map(|&(s, i)| x.dense[s as usize] * i).fold(f64::INFINITY, f64::min);
            let mut places = vec![0.0, ratio];
            for i in 0..mixtures.len() {
                for j in 0..i {
                    places.push((mixtures[i] - mixtures[j]) / (p.slopes[j] - p.slopes[i]));
                }
            }
            let inside = places.into_iter().filter(|at| (0.0..=ratio).contains(at));
            inside.map(|at| greatest(p, at)).fold(f64::INFINITY, f64::min)
        };
        let branches = mixtures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        hull.points.iter().map(point).fold(branches, f64::min)
    }

    /// What makes plans that name single bounds improvable.
    #[test]
    fn a_single_bound_is_convex() {
        let mut draw = Key(12).sequence();
        for trial in 0..4_000 {
            let states = 1 + trial % 5;
            let mut hull = Hull::new(states, (0..states * (1 + trial % 4)).map(|_| draw.between(-2.0, 2.0)).collect());
            let c = belief(&mut draw, states);
            if c.is_empty() {
                continue;
            }
            hull.push(&c, draw.between(-4.0, 0.0));
            let value = |x: &[f64]| {
                let sparse: Vec<(u32, f64)> = (0..).zip(x.iter().copied()).filter(|(_, p)| *p > 0.0).collect();
                hull.on(Look { sparse: &sparse, dense: x, mass: x.iter().sum() }, hull.points() as u32)
            };
            let mut point = || (0..states).map(|_| draw.uniform()).collect::<Vec<f64>>();
            let (x, y) = (point(), point());
            let sum: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
            assert!(value(&sum) <= value(&x) + value(&y) + 1e-12, "{} {} {}", value(&sum), value(&x), value(&y));
        }
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
            let (full, which) = hull.at(x, f64::INFINITY);
            assert_eq!(hull.on(x, which), full);
            assert!((full - defined(&hull, x)).abs() < 1e-12, "{full} {}", defined(&hull, x));
            for less in [0.0, 1e-17, 1e-16, 1e-12, 0.1, 3.0, draw.uniform()] {
                // Anything lower would be taken for a better plan.
                assert!(hull.at(x, full - less).0 >= full - less);
            }
        }
    }
}
