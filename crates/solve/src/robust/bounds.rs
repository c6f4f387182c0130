//! Bounds on a convex value function: vectors below, corners and points above.

use crate::belief::backup::Sparse;

/// The worth of a plan from every state, whatever nature does.
pub(super) struct Vector {
    pub action: u32,
    pub worth: Vec<f64>,
    /// By observation: the vectors of the next stage that it goes on with, and how likely.
    pub next: Vec<Vec<(u32, f64)>>,
}

/// A belief at which the value is known to be at most so much.
struct Point {
    belief: Sparse,
    value: f64,
    /// How far the value lies below the corners' mean, negative.
    drop: f64,
}

/// The bounds of one stage, or of all.
pub(super) struct Stage {
    pub vectors: Vec<Vector>,
    /// Those that no other exceeds everywhere.
    active: Vec<u32>,
    points: Vec<Point>,
    /// By state: what it is worth at most to who sees it.
    corners: Vec<f64>,
}

/// Points are looked through again when there are so many times as many.
const GROWTH: usize = 2;

impl Stage {
    pub fn new(corners: Vec<f64>) -> Self {
        Self { vectors: Vec::new(), active: Vec::new(), points: Vec::new(), corners }
    }

    /// The best vector at a belief, which need not be normalised, and its product.
    pub fn best(&self, belief: &[(u32, f64)]) -> (u32, f64) {
        let product = |k: u32| product(&self.vectors[k as usize].worth, belief);
        let first = (self.active[0], product(self.active[0]));
        self.active[1..].iter().fold(first, |best, &k| {
            let value = product(k);
            if value > best.1 { (k, value) } else { best }
        })
    }

    pub fn lower(&self, belief: &[(u32, f64)]) -> f64 {
        self.best(belief).1
    }

    /// Adds a vector, unless another one exceeds it everywhere; the number of whichever of the two.
    pub fn push(&mut self, vector: Vector) -> u32 {
        let exceeds = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a >= b);
        let vectors = &self.vectors;
        if let Some(&better) = self.active.iter().find(|&&k| exceeds(&vectors[k as usize].worth, &vector.worth)) {
            return better;
        }
        self.active.retain(|&k| !exceeds(&vector.worth, &vectors[k as usize].worth));
        let number = self.vectors.len() as u32;
        self.active.push(number);
        self.vectors.push(vector);
        number
    }

    /// The sawtooth over corners and points, positively homogeneous.
    pub fn upper(&self, belief: &[(u32, f64)]) -> f64 {
        product(&self.corners, belief) + self.points.iter().map(|point| tooth(point, belief)).fold(0.0, f64::min)
    }

    /// Notes that the value at a normalised belief is at most `value`.
    pub fn lower_to(&mut self, belief: &[(u32, f64)], value: f64) {
        if let [(state, _)] = belief {
            let corner = &mut self.corners[*state as usize];
            *corner = corner.min(value);
            // Points say what they said; what lies between them and the corners is measured again.
            for point in &mut self.points {
                point.drop = point.value - product(&self.corners, &point.belief);
            }
            return;
        }
        let drop = value - product(&self.corners, belief);
        self.points.retain(|point| point.belief != belief);
        self.points.push(Point { belief: belief.to_vec(), value, drop });
        if self.points.len().is_power_of_two() && self.points.len() >= 64 * GROWTH {
            self.prune();
        }
    }

    /// Forgets points that the others say as much without.
    fn prune(&mut self) {
        let mut i = 0;
        // Ends: each step leaves a point out or goes past it.
        while i < self.points.len() {
            let point = self.points.swap_remove(i);
            let others = self.points.iter().map(|other| tooth(other, &point.belief)).fold(0.0, f64::min);
            if others > point.drop {
                self.points.push(point);
                let last = self.points.len() - 1;
                self.points.swap(i, last);
                i += 1;
            }
        }
    }

    pub fn bytes(&self) -> usize {
        let vector = |vector: &Vector| {
            8 * vector.worth.len() + vector.next.iter().map(|next| 24 + 16 * next.len()).sum::<usize>() + 64
        };
        let vectors: usize = self.vectors.iter().map(vector).sum();
        vectors + self.points.iter().map(|point| 48 + 16 * point.belief.len()).sum::<usize>()
    }

    pub fn points(&self) -> usize {
        self.points.len() + self.corners.len()
    }
}

/// By how much a point lowers the bound at a belief.
fn tooth(point: &Point, belief: &[(u32, f64)]) -> f64 {
    let mut there = belief.iter();
    let mut share = f64::INFINITY;
    for &(state, mass) in &point.belief {
        match there.find(|&&(other, _)| other >= state) {
            Some(&(other, p)) if other == state => share = share.min(p / mass),
            _ => return 0.0,
        }
    }
    point.drop.min(0.0) * share
}

pub(super) fn product(values: &[f64], belief: &[(u32, f64)]) -> f64 {
    belief.iter().map(|&(s, p)| p * values[s as usize]).sum()
}
