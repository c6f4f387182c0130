//! One stage for a convex value function (one model, or α = 0): a tangent at every vertex below, interpolation above.

use serde::{Deserialize, Serialize};

use super::geometry::Geometry;
use super::lattice::{Place, three};
use super::sweep::Criterion;
use crate::limits::{Late, Watch};

/// A stage's bounds. `vectors[v]` is a linear function on the face of vertex `v` (index: corner, in the face's coordinates)
/// that is nowhere above the value function; `upper[v]` is not below it at `v`, so neither is the interpolant, by convexity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
        (0..3).map(|i| place.weight[i] * self.upper[place.vertex[i] as usize]).sum()
    }

    /// The stage before this one: point-based backups at all vertices (Pineau, Gordon, Thrun 2003) below, the Bellman operator at
    /// all vertices above.
    pub fn before(&self, geometry: &Geometry, c: Criterion, watch: &Watch) -> Result<Self, Late> {
        let mut out = Self::default();
        for (f, face) in geometry.faces.iter().enumerate() {
            let maps = &geometry.maps[f];
            for (v, ijl) in face.lattice(geometry.divisions).coordinates().into_iter().enumerate() {
                let y = three(|i| ijl[i] as f64 / geometry.divisions as f64);
                let places = geometry.places_of(f, v);
                watch.spend(8 * places.len())?;
                let (mut best, mut lower, mut upper) = ([0.0; 3], f64::NEG_INFINITY, f64::NEG_INFINITY);
                for g in 0..c.actions * c.models {
                    let (mut vector, mut above) = ([0.0; 3], 0.0);
                    for e in maps.groups[g] as usize..maps.groups[g + 1] as usize {
                        let map = &maps.maps[e];
                        let (chosen, _) = self.lower(&places[e], map.apply(y));
                        let next = &self.vectors[chosen];
                        for j in 0..3 {
                            vector[j] += (0..3).map(|i| next[i] * map.matrix[i][j]).sum::<f64>();
                        }
                        above += self.upper(&places[e]);
                    }
                    let reward = maps.rewards[g];
                    let vector = three(|j| reward[j] + c.discount * vector[j]);
                    let value = product(&vector, y);
                    if value > lower {
                        (best, lower) = (vector, value);
                    }
                    upper = upper.max(product(&reward, y) + c.discount * above);
                }
                out.vectors.push(best);
                out.upper.push(upper);
            }
        }
        Ok(out)
    }
}
