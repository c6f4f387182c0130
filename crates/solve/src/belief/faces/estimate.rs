//! Values without a certificate: two lattices, and what their difference says of the error (Richardson's extrapolation).

use tiresias_model::Model;

use super::estimates::{FaceEstimates, Values};
use super::geometry::{Face, Geometry, by_state, face_maps, scaled_faces};
use super::lattice::three;
use super::solver::{ends, require_faces, stationary_sweeps};
use super::sweep::Criterion;
use crate::belief::backup::sparse;
use crate::belief::bounds::{BeliefBounds, Refined};
use crate::belief::corner_solver::require_observations;
use crate::belief::corners::Corners;
use crate::limits::{Late, Watch};
use crate::mdp::backup::blend;
use crate::policy::Body;
use crate::solver::Ended;
use crate::{Hook, Limits, Solution, SolveError, Solver, Stopped};

/// Point estimates from triangulated faces, for the same models as [`Faces`](crate::Faces) and several times as fast: the values at the
/// vertices are swept without a proof. The bounds that come with them are the linear ones: sound, and far apart. The policy takes
/// the action that is best by the estimates among those that keep what the linear bounds prove.
///
/// Two lattices, one twice as fine as the other: interpolation errs by about the square of the divisions, so the fine one's error
/// is a third of their difference, which is taken off. O(vertices · A · M · observations per action) a stage.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    /// Divisions of the coarse lattice's edges, at least 1.
    pub divisions: usize,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { divisions: 8 }
    }
}

impl Solver for Estimate {
    fn name(&self) -> &'static str {
        "estimate"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check_for(model)?;
        require_observations(self.name(), model)?;
        if self.divisions == 0 {
            return Err(SolveError::Limit { what: "divisions", value: 0.0, expected: "at least 1" });
        }
        let watch = Watch::new(limits, hook);
        let supports = require_faces(self.name(), model, &watch)?;
        let corners = Corners::new(model, &watch);
        let estimates = supports.and_then(|supports| {
            let faces = scaled_faces(model, &supports, &watch)?;
            let coarse = values(model, &faces, self.divisions, &corners, limits, &watch)?;
            let fine = values(model, &faces, 2 * self.divisions, &corners, limits, &watch)?;
            let by_state = by_state(model, &faces);
            Ok(FaceEstimates { stationary: model.horizon().is_none(), faces, by_state, coarse, fine })
        });
        let mut bounds = BeliefBounds { corners, refined: Refined::None };
        // What is left of the linear bounds when the estimates choose (`docs/apomdp.md`).
        let lower = bounds.corners.lower(0, &sparse(model.start()));
        let (_, upper) = bounds.assess(model, 0, model.start()).bounds();
        let stopped = if upper - lower <= limits.gap { Stopped::Converged } else { Stopped::Exhausted };
        let stopped = watch.check(lower, upper, 1, 0).unwrap_or(stopped);
        if let Ok(estimates) = estimates {
            bounds.refined = Refined::Estimates(estimates);
        }
        let ended = Ended { bounds: (lower, upper), stopped, start_up: 0.0, iterations: 1, backups: 0, threads: 1 };
        Ok(Solution::found(self.name(), model, Body::Belief(bounds), ended, &watch))
    }
}

/// All stages.
fn values(
    model: &Model,
    faces: &[Face],
    divisions: usize,
    corners: &Corners,
    limits: &Limits,
    watch: &Watch,
) -> Result<Values, Late> {
    let geometry = Geometry::new(faces, face_maps(model, faces, watch)?, divisions, watch)?;
    let criterion = Criterion::of(model);
    let mut stages: Vec<Vec<f64>> =
        vec![ends(model, faces, divisions, corners).iter().map(super::solver::End::middle).collect()];
    let sweeps = model.horizon().map_or_else(|| stationary_sweeps(model, corners, limits), |h| h - 1);
    for _ in 0..sweeps {
        let before = before(&geometry, criterion, &stages[stages.len() - 1], watch)?;
        if model.horizon().is_none() {
            stages.clear();
        }
        stages.push(before);
    }
    stages.reverse();
    Ok(Values { divisions, base: geometry.base, stages })
}

/// The Bellman operator at all vertices.
fn before(geometry: &Geometry, c: Criterion, next: &[f64], watch: &Watch) -> Result<Vec<f64>, Late> {
    let mut out = Vec::with_capacity(next.len());
    for (f, face) in geometry.faces.iter().enumerate() {
        let maps = &geometry.maps[f];
        for (v, ijl) in face.lattice(geometry.divisions).coordinates().into_iter().enumerate() {
            let y = three(|i| ijl[i] as f64 / geometry.divisions as f64);
            let places = geometry.places_of(f, v);
            watch.spend(4 + 4 * places.len())?;
            let mut best = f64::NEG_INFINITY;
            for action in 0..c.actions {
                let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
                for g in action * c.models..(action + 1) * c.models {
                    let mut sum = 0.0;
                    for place in &places[maps.groups[g] as usize..maps.groups[g + 1] as usize] {
                        let [i, j, l] = three(|i| next[place.vertex[i] as usize]);
                        sum += place.weight[0] * i + place.weight[1] * j + place.weight[2] * l;
                    }
                    let r = maps.rewards[g];
                    let value = r[0] * y[0] + r[1] * y[1] + r[2] * y[2] + c.discount * sum;
                    (low, high) = (low.min(value), high.max(value));
                }
                best = best.max(blend(c.alpha, low, high));
            }
            out.push(best);
        }
    }
    Ok(out)
}
