//! One stage for a convex value function (one model, or α = 0): a tangent at every vertex below, interpolation above.

use serde::{Deserialize, Serialize};

use super::geometry::{Face, Geometry};
use super::lattice::{Place, three};
use super::sweep::Criterion;
use crate::limits::{Late, Watch};

/// A stage's bounds while they are swept. `vectors[v]` is a linear function on the face of vertex `v` (index: corner, in the face's
/// coordinates) that is nowhere above the value function; `upper[v]` is not below it at `v`, so neither is the interpolant, by convexity.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ConvexStage {
    pub vectors: Vec<[f64; 3]>,
    pub upper: Vec<f64>,
}

/// `a · y`.
#[inline]
pub(crate) fn product(a: &[f64; 3], y: [f64; 3]) -> f64 {
    a[0] * y[0] + a[1] * y[1] + a[2] * y[2]
}

impl ConvexStage {
    /// The best of the vectors at the corners of the cell, at coordinates `y`, and its value there.
    #[inline]
    pub fn lower(&self, place: &Place, y: [f64; 3]) -> (usize, f64) {
        let [first, second, third] = place.vertex.map(|v| (v as usize, product(&self.vectors[v as usize], y)));
        let best = if second.1 > first.1 { second } else { first };
        if third.1 > best.1 { third } else { best }
    }

    #[inline]
    pub fn upper(&self, place: &Place) -> f64 {
        interpolate(&self.upper, place)
    }

    /// The stage before this one: point-based backups at all vertices (Pineau, Gordon, Thrun 2003) below, the Bellman operator at
    /// all vertices above.
    pub fn before(&self, geometry: &Geometry, c: Criterion, watch: &Watch) -> Result<Self, Late> {
        self.decide(geometry, c, watch, |_, _| {})
    }

    /// [`before`](Self::before); `seen` is told of every vertex's decision: its group of maps, and its continuation's vector for each.
    fn decide(
        &self,
        geometry: &Geometry,
        c: Criterion,
        watch: &Watch,
        mut seen: impl FnMut(usize, &[u32]),
    ) -> Result<Self, Late> {
        let mut out = Self::default();
        let (mut following, mut best_following) = (Vec::new(), Vec::new());
        for (f, face) in geometry.faces.iter().enumerate() {
            let maps = &geometry.maps[f];
            for (v, ijl) in face.lattice(geometry.divisions).coordinates().into_iter().enumerate() {
                let y = three(|i| ijl[i] as f64 / geometry.divisions as f64);
                let places = geometry.places_of(f, v);
                watch.spend(8 * places.len())?;
                let (mut best, mut lower, mut upper) = ([0.0; 3], f64::NEG_INFINITY, f64::NEG_INFINITY);
                let mut group = 0;
                for g in 0..c.actions * c.models {
                    following.clear();
                    let (mut vector, mut above) = ([0.0; 3], 0.0);
                    for e in maps.groups[g] as usize..maps.groups[g + 1] as usize {
                        let map = &maps.maps[e];
                        let (chosen, _) = self.lower(&places[e], map.apply(y));
                        following.push(chosen as u32);
                        let before = map.turn(&self.vectors[chosen]);
                        (0..3).for_each(|j| vector[j] += before[j]);
                        above += self.upper(&places[e]);
                    }
                    let reward = maps.rewards[g];
                    let vector = three(|j| reward[j] + c.discount * vector[j]);
                    let value = product(&vector, y);
                    if value > lower {
                        (best, lower, group) = (vector, value, g);
                        best_following.clone_from(&following);
                    }
                    upper = upper.max(product(&reward, y) + c.discount * above);
                }
                seen(group, &best_following);
                out.vectors.push(best);
                out.upper.push(upper);
            }
        }
        Ok(out)
    }

    /// What the vectors are worth when every one is followed by vectors of its own stage for ever: the decisions of the next sweep
    /// as a controller with a node a vertex. At most `sweeps` steps towards its values; what is then left is taken off.
    pub fn for_ever(&self, geometry: &Geometry, c: Criterion, sweeps: usize, watch: &Watch) -> Result<Self, Late> {
        let mut nodes: Vec<(usize, Vec<u32>)> = Vec::with_capacity(self.upper.len());
        let mut now = self.decide(geometry, c, watch, |group, following| nodes.push((group, following.to_vec())))?;
        let faces = 0..geometry.faces.len();
        let face_of: Vec<usize> =
            faces.flat_map(|f| (geometry.base[f]..geometry.base[f + 1]).map(move |_| f)).collect();
        let mut fallen = f64::INFINITY;
        for _ in 0..sweeps.max(1) {
            let step = |(&f, (g, following)): (&usize, &(usize, Vec<u32>))| {
                let maps = &geometry.maps[f];
                let mut sum = [0.0; 3];
                for (map, &next) in maps.maps[maps.groups[*g] as usize..].iter().zip(following) {
                    let before = map.turn(&now.vectors[next as usize]);
                    (0..3).for_each(|j| sum[j] += before[j]);
                }
                three(|j| maps.rewards[*g][j] + c.discount * sum[j])
            };
            watch.spend(64 * nodes.len())?;
            let vectors: Vec<[f64; 3]> = face_of.iter().zip(&nodes).map(step).collect();
            fallen = 0.0;
            let mut moved = 0.0_f64;
            for ((new, old), &f) in vectors.iter().zip(&now.vectors).zip(&face_of) {
                let face = &geometry.faces[f];
                for j in 0..face.states.len() {
                    let change = (old[j] - new[j]) / face.scale[j];
                    (fallen, moved) = (fallen.max(change), moved.max(change.abs()));
                }
            }
            now.vectors = vectors;
            if moved <= c.rounding(0.0) {
                break;
            }
        }
        now.shift(geometry, &face_of, c.discount / (1.0 - c.discount) * fallen);
        Ok(now)
    }

    /// Lowers all vectors by `by` for mass 1.
    fn shift(&mut self, geometry: &Geometry, face_of: &[usize], by: f64) {
        for (vector, &f) in self.vectors.iter_mut().zip(face_of) {
            let face = &geometry.faces[f];
            (0..face.states.len()).for_each(|j| vector[j] -= by * face.scale[j]);
        }
    }
}

/// A stage's bounds as they are kept: the greatest of *all* vectors of a face is the lower bound on it. So it is nowhere above the
/// backup of the next stage's, whose faces hold all vectors that a vector is followed by. The best at a cell's corners, which is what
/// a sweep looks at, need not hold them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// By face, those that differ.
    pub vectors: Vec<Vec<[f64; 3]>>,
    /// By vertex of all faces.
    pub upper: Vec<f64>,
}

impl Envelope {
    /// Of `stage`. Neighbouring vertices mostly have the same vector, up to rounding. O(vertices).
    pub fn new(stage: ConvexStage, faces: &[Face], base: &[u32], divisions: usize, c: Criterion) -> Self {
        let vectors = faces.iter().zip(base).map(|(face, &first)| {
            let lattice = face.lattice(divisions);
            let mut kept: Vec<[f64; 3]> = Vec::new();
            // By vertex: which of those kept serves it.
            let mut served: Vec<usize> = Vec::with_capacity(lattice.vertices());
            for (v, [_, j, l]) in lattice.coordinates().into_iter().enumerate() {
                let vector = stage.vectors[first as usize + v];
                let by = |k: &usize| (0..3).all(|i| vector[i] <= kept[*k][i] + c.rounding(vector[i]));
                let left = (j > 0).then(|| served[v - 1]);
                let below = (l > 0).then(|| served[lattice.vertex(j, l - 1) as usize]);
                let old = left.into_iter().chain(below).find(by);
                served.push(old.unwrap_or(kept.len()));
                if old.is_none() {
                    kept.push(vector);
                }
            }
            kept
        });
        Self { vectors: vectors.collect(), upper: stage.upper }
    }

    /// The lower bound at coordinates `y` of a face.
    #[inline]
    pub fn lower(&self, face: usize, y: [f64; 3]) -> f64 {
        self.vectors[face].iter().map(|vector| product(vector, y)).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The upper bound at a place.
    #[inline]
    pub fn upper(&self, place: &Place) -> f64 {
        interpolate(&self.upper, place)
    }
}

fn interpolate(values: &[f64], place: &Place) -> f64 {
    (0..3).map(|i| place.weight[i] * values[place.vertex[i] as usize]).sum()
}
