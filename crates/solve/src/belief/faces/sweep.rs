//! One stage for an ambiguous model: values at all vertices, then the proof that the interpolants bound the Bellman operator.

use tiresias_model::Model;

use super::geometry::Geometry;
use super::lattice::Place;
use super::overlay::{Crossing, Overlay};
use crate::mdp::sweep::blend;

/// Lower bound, point estimate, upper bound; the fourth lane makes it a vector register.
pub(crate) type Lanes = [f64; 4];

/// Excesses below this, relative to the values' size, are rounding.
const ROUNDING: f64 = 1e-13;

#[inline]
pub(crate) fn interpolate(values: &[Lanes], place: &Place) -> Lanes {
    let [a, b, c] = place.vertex.map(|v| values[v as usize]);
    let [u, v, w] = place.weight;
    [0, 1, 2, 3].map(|i| u * a[i] + v * b[i] + w * c[i])
}

/// Numbers that one stage needs beside the geometry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Criterion {
    pub alpha: f64,
    pub discount: f64,
    pub actions: usize,
    pub models: usize,
}

impl Criterion {
    pub fn of(model: &Model) -> Self {
        Self {
            alpha: model.alpha(),
            discount: model.discount(),
            actions: model.actions().len(),
            models: model.dynamics().len(),
        }
    }
}

/// One sweep's working arrays, kept between stages.
#[derive(Default)]
pub(crate) struct Sweep {
    /// `[vertex][action][model]` of one face: the action's value under the model.
    values: Vec<Lanes>,
    /// `[vertex][map]` of one face: the next stage's value at the image.
    images: Vec<Lanes>,
    /// `[action][model]` of one cell: how far the continuation can leave its interpolant, down and up.
    stray: Vec<[f64; 2]>,
    /// What one cell's corners must be lowered and raised by.
    slack: Vec<[f64; 2]>,
    candidates: Vec<[f64; 3]>,
}

impl Sweep {
    /// The stage before `next`, at all vertices. In lane 0 a function whose interpolant is nowhere above the Bellman operator's
    /// result on lane 0 of `next`, in lane 2 one whose interpolant is nowhere below it; lane 1 is the operator at the vertices.
    pub fn run(&mut self, geometry: &Geometry, overlay: &Overlay, criterion: Criterion, next: &[Lanes]) -> Vec<Lanes> {
        let mut out = Vec::with_capacity(next.len());
        for face in 0..geometry.faces.len() {
            let first = out.len();
            self.vertices(geometry, face, criterion, next, &mut out);
            let values = &mut out[first..];
            self.slack.clear();
            self.slack.resize(values.len(), [0.0; 2]);
            let corners = geometry.faces[face].states.len();
            let maps = geometry.maps[face].maps.len();
            for (number, cell) in overlay.cells[face].iter().enumerate() {
                self.strays(geometry, overlay, face, cell, number * maps, criterion, next);
                let (down, up) = self.residuals(cell, corners, criterion, values);
                for &v in &cell[..corners] {
                    let slack = &mut self.slack[v as usize];
                    *slack = [slack[0].max(down), slack[1].max(up)];
                }
            }
            for (value, slack) in values.iter_mut().zip(&self.slack) {
                value[0] -= slack[0];
                value[2] += slack[1];
            }
        }
        out
    }

    fn vertices(&mut self, geometry: &Geometry, face: usize, c: Criterion, next: &[Lanes], out: &mut Vec<Lanes>) {
        let maps = &geometry.maps[face];
        let lattice = geometry.faces[face].lattice(geometry.divisions);
        self.values.clear();
        self.images.clear();
        for (v, ijl) in lattice.coordinates().into_iter().enumerate() {
            let y = ijl.map(|i| i as f64 / geometry.divisions as f64);
            let first = self.images.len();
            self.images.extend(geometry.places_of(face, v).iter().map(|place| interpolate(next, place)));
            let images = &self.images[first..];
            let mut best = [f64::NEG_INFINITY; 4];
            for action in 0..c.actions {
                let (mut low, mut high) = ([f64::INFINITY; 4], [f64::NEG_INFINITY; 4]);
                for g in action * c.models..(action + 1) * c.models {
                    let mut sum = [0.0; 4];
                    for image in &images[maps.groups[g] as usize..maps.groups[g + 1] as usize] {
                        sum = [0, 1, 2, 3].map(|i| sum[i] + image[i]);
                    }
                    let r = maps.rewards[g];
                    let reward = r[0] * y[0] + r[1] * y[1] + r[2] * y[2];
                    let value = sum.map(|s| reward + c.discount * s);
                    low = [0, 1, 2, 3].map(|i| low[i].min(value[i]));
                    high = [0, 1, 2, 3].map(|i| high[i].max(value[i]));
                    self.values.push(value);
                }
                best = [0, 1, 2, 3].map(|i| best[i].max(blend(c.alpha, low[i], high[i])));
            }
            out.push(best);
        }
    }

    /// Fills `stray` for one cell.
    #[allow(clippy::too_many_arguments)]
    fn strays(
        &mut self,
        geometry: &Geometry,
        overlay: &Overlay,
        face: usize,
        cell: &[u32; 3],
        first: usize,
        c: Criterion,
        next: &[Lanes],
    ) {
        let maps = &geometry.maps[face];
        let each = maps.maps.len();
        let first = overlay.first[face] + first;
        self.stray.clear();
        for g in 0..c.actions * c.models {
            let mut sum = [0.0; 2];
            for e in maps.groups[g] as usize..maps.groups[g + 1] as usize {
                let range = overlay.offsets[first + e] as usize..overlay.offsets[first + e + 1] as usize;
                if range.is_empty() {
                    continue;
                }
                let at = cell.map(|v| self.images[v as usize * each + e]);
                let [down, up] = stray(next, &overlay.crossings[range], &at);
                sum = [sum[0] + down, sum[1] + up];
            }
            self.stray.push(sum.map(|s| c.discount * s));
        }
    }

    /// How far the operator can fall below the interpolant of lane 0 on one cell, and rise above that of lane 2.
    fn residuals(&mut self, cell: &[u32; 3], corners: usize, c: Criterion, values: &[Lanes]) -> (f64, f64) {
        let groups = c.actions * c.models;
        let size = 1.0 + cell.iter().fold(0.0_f64, |m, &v| m.max(values[v as usize][2].abs()));
        let tolerance = ROUNDING * size;

        // Lower: any mixture of actions, and for the part (1-α) any one model an action, is below the operator.
        self.candidates.clear();
        for action in 0..c.actions {
            let value = |i: usize, m: usize| {
                let g = action * c.models + m;
                self.values[cell[i] as usize * groups + g][0] - self.stray[g][0]
            };
            let least = |i: usize| (0..c.models).map(|m| value(i, m)).fold(f64::INFINITY, f64::min);
            let lows = [0, 1, 2].map(least);
            let answers = if c.alpha < 1.0 { c.models } else { 1 };
            for m in 0..answers {
                self.candidates.push([0, 1, 2].map(|i| {
                    values[cell[i] as usize][0]
                        - blend(c.alpha, lows[i], if c.alpha < 1.0 { value(i, m) } else { lows[i] })
                }));
            }
        }
        let down = least_peak(&self.candidates, corners, tolerance);

        // Upper: for every action, any mixture of models for the part α is above it, and (1-α) max over models is convex.
        let mut up = 0.0_f64;
        for action in 0..c.actions {
            let value = |i: usize, m: usize| {
                let g = action * c.models + m;
                self.values[cell[i] as usize * groups + g][2] + self.stray[g][1]
            };
            let greatest = |i: usize| (0..c.models).map(|m| value(i, m)).fold(f64::NEG_INFINITY, f64::max);
            let highs = [0, 1, 2].map(greatest);
            self.candidates.clear();
            for m in 0..c.models {
                let one = |i: usize| blend(c.alpha, value(i, m), highs[i]) - values[cell[i] as usize][2];
                self.candidates.push([0, 1, 2].map(one));
            }
            up = up.max(least_peak(&self.candidates, corners, tolerance.max(up)));
        }
        (down, up)
    }
}

/// The greatest fall of lane 0 below, and rise of lane 2 above, the interpolant of the values `at` the corners' images.
#[inline]
fn stray(next: &[Lanes], crossings: &[Crossing], at: &[Lanes; 3]) -> [f64; 2] {
    let mut out = [0.0_f64; 2];
    for crossing in crossings {
        let value = interpolate(next, &crossing.place);
        let w = crossing.corners;
        let line = |lane: usize| w[0] * at[0][lane] + w[1] * at[1][lane] + w[2] * at[2][lane];
        out[0] = out[0].max(line(0) - value[0]);
        out[1] = out[1].max(value[2] - line(2));
    }
    out
}

/// A bound on `min` over mixtures of the candidates of the `max` over corners, not negative: the best single candidate or
/// mixture of two. Stops at the first that is at most `enough`.
fn least_peak(candidates: &[[f64; 3]], corners: usize, enough: f64) -> f64 {
    let peak = |t: &[f64; 3]| t[..corners].iter().copied().fold(0.0_f64, f64::max);
    let mut best = candidates.iter().map(peak).fold(f64::INFINITY, f64::min);
    for (k, p) in candidates.iter().enumerate() {
        if best <= enough {
            break;
        }
        for q in &candidates[..k] {
            for (i, j) in [(0, 1), (0, 2), (1, 2)] {
                let slope = (p[i] - q[i]) - (p[j] - q[j]);
                let t = (q[j] - q[i]) / slope;
                if j < corners && t > 0.0 && t < 1.0 {
                    best = best.min(peak(&[0, 1, 2].map(|i| t * p[i] + (1.0 - t) * q[i])));
                }
            }
        }
    }
    best
}
