//! One stage for an ambiguous model: values at all vertices, then the proof that the interpolants bound the Bellman operator.

use tiresias_model::{Model, ROUNDING};

use super::geometry::Geometry;
use super::lattice::{Cell, Place, four, three};
use super::overlay::{Crossing, Overlay};
use crate::limits::{Late, Watch};
use crate::mdp::backup::blend;

/// Lower bound, point estimate, upper bound; the fourth lane makes it a vector register.
pub(crate) type Lanes = [f64; 4];

#[inline]
pub(crate) fn interpolate(values: &[Lanes], place: &Place) -> Lanes {
    let [a, b, c] = place.vertex;
    let [a, b, c] = [values[a as usize], values[b as usize], values[c as usize]];
    let [u, v, w] = place.weight;
    four(|i| u * a[i] + v * b[i] + w * c[i])
}

/// Numbers that one stage needs beside the geometry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Criterion {
    pub alpha: f64,
    pub discount: f64,
    pub actions: usize,
    pub models: usize,
    /// [`Model::rounding`] of nothing.
    small: f64,
}

impl Criterion {
    pub fn of(model: &Model) -> Self {
        Self {
            alpha: model.alpha(),
            discount: model.discount(),
            actions: model.actions().len(),
            models: model.dynamics().len(),
            small: model.rounding(0.0),
        }
    }

    /// [`Model::rounding`]: what is less than this, of values near `value`, is nothing.
    #[inline]
    pub fn rounding(&self, value: f64) -> f64 {
        self.small + ROUNDING * value.abs()
    }

    /// Of the largest of three.
    fn largest_rounding(&self, values: &[f64; 3]) -> f64 {
        values.iter().fold(0.0, |most: f64, &value| most.max(self.rounding(value)))
    }
}

/// One sweep's working arrays, kept between stages.
#[derive(Default)]
pub(crate) struct Sweep {
    /// `[vertex][action][model]` of one face: the action's value under the model.
    values: Vec<Lanes>,
    /// `[vertex][map]` of one face: the next stage's value at the image.
    images: Vec<Lanes>,
    /// `[vertex]` of one face: the first action that is best by the lower bounds.
    greedy: Vec<u32>,
    /// `[edge][map]` of one face: how far the next stage's value can leave its interpolant over the edge's image, down and up; NaN
    /// when not yet asked.
    on_edges: Vec<[f64; 2]>,
    /// `[action][model]` of one cell: how far the continuation can leave its interpolant, down and up; NaN when not yet asked.
    stray: Vec<[f64; 2]>,
    /// What one cell's corners must be lowered and raised by.
    slack: Vec<[f64; 2]>,
    candidates: Vec<[f64; 3]>,
}

/// One cell under examination.
struct Site<'a> {
    geometry: &'a Geometry,
    overlay: &'a Overlay,
    criterion: Criterion,
    next: &'a [Lanes],
    /// A bound on how far lane 2 of `next` leaves any of its interpolants, for mass 1.
    rough: f64,
    face: usize,
    corners: usize,
    number: usize,
    cell: Cell,
    watch: &'a Watch<'a>,
}

impl Sweep {
    /// The stage before `next`, at all vertices. In lane 0 a function whose interpolant is nowhere above the Bellman operator's
    /// result on lane 0 of `next`, in lane 2 one whose interpolant is nowhere below it; lane 1 is the operator at the vertices.
    pub fn run(
        &mut self,
        geometry: &Geometry,
        overlay: &Overlay,
        criterion: Criterion,
        next: &[Lanes],
        watch: &Watch,
    ) -> Result<Vec<Lanes>, Late> {
        let mut out = Vec::with_capacity(next.len());
        let rough = roughness(geometry, next);
        for face in 0..geometry.faces.len() {
            let first = out.len();
            self.vertices(geometry, face, criterion, next, watch, &mut out)?;
            let values = &mut out[first..];
            self.slack.clear();
            self.slack.resize(values.len(), [0.0; 2]);
            let corners = geometry.faces[face].states.len();
            let topology = overlay.topology(corners);
            self.on_edges.clear();
            self.on_edges.resize(topology.edges.len() * geometry.maps[face].maps.len(), [f64::NAN; 2]);
            for (number, &cell) in topology.cells.iter().enumerate() {
                watch.spend(criterion.actions * criterion.models)?;
                let site = Site { geometry, overlay, criterion, next, rough, face, corners, number, cell, watch };
                self.stray.clear();
                self.stray.resize(criterion.actions * criterion.models, [f64::NAN; 2]);
                let (down, up) = (self.fall(&site, values), self.rise(&site, values));
                for &v in &cell.vertices[..corners] {
                    let slack = &mut self.slack[v as usize];
                    *slack = [slack[0].max(down), slack[1].max(up)];
                }
            }
            for (value, slack) in values.iter_mut().zip(&self.slack) {
                value[0] -= slack[0];
                value[2] += slack[1];
            }
        }
        Ok(out)
    }

    fn vertices(
        &mut self,
        geometry: &Geometry,
        face: usize,
        c: Criterion,
        next: &[Lanes],
        watch: &Watch,
        out: &mut Vec<Lanes>,
    ) -> Result<(), Late> {
        let maps = &geometry.maps[face];
        let lattice = geometry.faces[face].lattice(geometry.divisions);
        self.values.clear();
        self.images.clear();
        self.greedy.clear();
        for (v, ijl) in lattice.coordinates().into_iter().enumerate() {
            let y = three(|i| ijl[i] as f64 / geometry.divisions as f64);
            let first = self.images.len();
            watch.spend(4 + 4 * geometry.places_of(face, v).len())?;
            self.images.extend(geometry.places_of(face, v).iter().map(|place| interpolate(next, place)));
            let images = &self.images[first..];
            let (mut best, mut greedy) = ([f64::NEG_INFINITY; 4], 0);
            for action in 0..c.actions {
                let (mut low, mut high) = ([f64::INFINITY; 4], [f64::NEG_INFINITY; 4]);
                for g in action * c.models..(action + 1) * c.models {
                    let mut sum = [0.0; 4];
                    for image in &images[maps.groups[g] as usize..maps.groups[g + 1] as usize] {
                        sum = four(|i| sum[i] + image[i]);
                    }
                    let r = maps.rewards[g];
                    let reward = r[0] * y[0] + r[1] * y[1] + r[2] * y[2];
                    let value = four(|i| reward + c.discount * sum[i]);
                    low = four(|i| low[i].min(value[i]));
                    high = four(|i| high[i].max(value[i]));
                    self.values.push(value);
                }
                let value = four(|i| blend(c.alpha, low[i], high[i]));
                if value[0] > best[0] {
                    greedy = action as u32;
                }
                best = four(|i| best[i].max(value[i]));
            }
            self.greedy.push(greedy);
            out.push(best);
        }
        Ok(())
    }

    /// How far the continuation of group `g = action * M + model` can leave its interpolant on the cell, down and up.
    fn stray(&mut self, site: &Site, g: usize) -> [f64; 2] {
        if !self.stray[g][0].is_nan() {
            return self.stray[g];
        }
        let maps = &site.geometry.maps[site.face];
        let each = maps.maps.len();
        let edges = if site.corners == 3 { 3 } else { 1 };
        let mut sum = [0.0; 2];
        for e in maps.groups[g] as usize..maps.groups[g + 1] as usize {
            let mut far = [0.0_f64; 2];
            for &edge in &site.cell.edges[..edges] {
                let [down, up] = self.stray_on_edge(site, edge as usize, e);
                far = [far[0].max(down), far[1].max(up)];
            }
            if site.corners == 3 {
                let inside = site.overlay.inside.of(site.face, site.number * each + e);
                if !inside.is_empty() {
                    site.watch.after(4 * inside.len());
                    let at = site.cell.vertices.map(|v| self.images[v as usize * each + e]);
                    let [down, up] = stray(site.next, inside, &at);
                    far = [far[0].max(down), far[1].max(up)];
                }
            }
            sum = [sum[0] + far[0], sum[1] + far[1]];
        }
        self.stray[g] = sum.map(|s| site.criterion.discount * s);
        self.stray[g]
    }

    fn stray_on_edge(&mut self, site: &Site, edge: usize, e: usize) -> [f64; 2] {
        let each = site.geometry.maps[site.face].maps.len();
        let slot = edge * each + e;
        if self.on_edges[slot][0].is_nan() {
            let crossings = site.overlay.on_edges.of(site.face, slot);
            // Whoever comes to the next cell learns that it is late.
            site.watch.after(4 * crossings.len());
            let [u, v] = site.overlay.topology(site.corners).edges[edge];
            let at = [u, v, v].map(|v| self.images[v as usize * each + e]);
            self.on_edges[slot] = stray(site.next, crossings, &at);
        }
        self.on_edges[slot]
    }

    /// The value of group `g` at corner `i`.
    fn value(&self, site: &Site, i: usize, g: usize) -> Lanes {
        self.values[site.cell.vertices[i] as usize * site.criterion.actions * site.criterion.models + g]
    }

    /// How far the operator can fall below the interpolant of lane 0. Any mixture of actions, and for the part 1-α any one model
    /// an action, is below the operator; the actions tried are those that are best at a corner.
    fn fall(&mut self, site: &Site, values: &[Lanes]) -> f64 {
        let Criterion { alpha, models, .. } = site.criterion;
        let at = site.cell.vertices.map(|v| values[v as usize][0]);
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        let greedy = site.cell.vertices.map(|v| self.greedy[v as usize] as usize);
        for (k, &action) in greedy.iter().enumerate() {
            if greedy[..k].contains(&action) {
                continue;
            }
            let mut lows = [f64::INFINITY; 3];
            for g in action * models..(action + 1) * models {
                let stray = self.stray(site, g)[0];
                lows = three(|i| lows[i].min(self.value(site, i, g)[0] - stray));
            }
            let answers = if alpha < 1.0 { models } else { 1 };
            for g in action * models..action * models + answers {
                let stray = self.stray(site, g)[0];
                candidates.push(three(|i| {
                    let good = if alpha < 1.0 { self.value(site, i, g)[0] - stray } else { lows[i] };
                    at[i] - blend(alpha, lows[i], good)
                }));
            }
        }
        let fall = least_peak(&candidates, site.corners, site.criterion.largest_rounding(&at));
        self.candidates = candidates;
        fall
    }

    /// How far the operator can rise above the interpolant of lane 2. For every action any mixture of models for the part α is
    /// above it, and `(1-α) max` over models is convex; the models tried are those that are worst at a corner.
    fn rise(&mut self, site: &Site, values: &[Lanes]) -> f64 {
        let Criterion { alpha, actions, models, .. } = site.criterion;
        let at = site.cell.vertices.map(|v| values[v as usize][2]);
        let tolerance = site.criterion.largest_rounding(&at);
        let mut candidates = std::mem::take(&mut self.candidates);
        let mut rise = 0.0_f64;
        for action in 0..actions {
            let groups = action * models..(action + 1) * models;
            let worst = three(|i| {
                groups.clone().fold(groups.start, |w, g| {
                    if self.value(site, i, g)[2] < self.value(site, i, w)[2] { g } else { w }
                })
            });
            if self.hopeless(site, &at, &worst, groups.clone()) {
                continue;
            }
            let mut highs = [f64::NEG_INFINITY; 3];
            if alpha < 1.0 {
                for g in groups {
                    let stray = self.stray(site, g)[1];
                    highs = three(|i| highs[i].max(self.value(site, i, g)[2] + stray));
                }
            }
            candidates.clear();
            for (k, &g) in worst.iter().enumerate() {
                if !worst[..k].contains(&g) {
                    let stray = self.stray(site, g)[1];
                    candidates.push(three(|i| {
                        let bad = self.value(site, i, g)[2] + stray;
                        blend(alpha, bad, if alpha < 1.0 { highs[i] } else { bad }) - at[i]
                    }));
                }
            }
            rise = rise.max(least_peak(&candidates, site.corners, tolerance.max(rise)));
        }
        self.candidates = candidates;
        rise
    }

    /// Whether an action's value stays below the interpolant on the whole cell even if all its continuations stray as far as
    /// the roughness of `next` lets them.
    fn hopeless(&self, site: &Site, at: &[f64; 3], worst: &[usize; 3], groups: std::ops::Range<usize>) -> bool {
        let Criterion { alpha, discount, .. } = site.criterion;
        let mass = &site.geometry.maps[site.face].mass;
        // One model answers for the part α at all corners; which one does not matter for soundness.
        let bad = worst[0];
        (0..site.corners).all(|i| {
            let reach = |g: usize| self.value(site, i, g)[2] + discount * mass[g] * site.rough;
            let high = if alpha < 1.0 { groups.clone().map(reach).fold(f64::NEG_INFINITY, f64::max) } else { 0.0 };
            let value = if alpha < 1.0 { alpha * reach(bad) + (1.0 - alpha) * high } else { reach(bad) };
            value <= at[i]
        })
    }
}

/// A bound on how far lane 2 of `next` can be above an interpolant of it between any points of a face, for mass 1: the range of
/// its difference from the linear function through the face's corners.
fn roughness(geometry: &Geometry, next: &[Lanes]) -> f64 {
    let mut rough = 0.0_f64;
    for (f, face) in geometry.faces.iter().enumerate() {
        let values = &next[geometry.base[f] as usize..geometry.base[f + 1] as usize];
        let coordinates = face.lattice(geometry.divisions).coordinates();
        let corner = |j: usize| {
            let at = coordinates.iter().position(|c| c[j] == geometry.divisions);
            at.map_or(0.0, |v| values[v][2])
        };
        let corners = [0, 1, 2].map(corner);
        let (mut low, mut high) = (0.0_f64, 0.0_f64);
        for (c, value) in coordinates.iter().zip(values) {
            let linear: f64 = (0..3).map(|j| corners[j] * c[j] as f64).sum::<f64>() / geometry.divisions as f64;
            (low, high) = (low.min(value[2] - linear), high.max(value[2] - linear));
        }
        rough = rough.max(high - low);
    }
    rough
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
                    best = best.min(peak(&three(|i| t * p[i] + (1.0 - t) * q[i])));
                }
            }
        }
    }
    best
}
