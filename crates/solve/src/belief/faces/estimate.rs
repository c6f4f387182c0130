//! Values without a certificate: two lattices, and what their difference says of the error (Richardson's extrapolation).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::geometry::{Face, Geometry, bases, by_state, face_maps, find, place, scaled_faces};
use super::lattice::three;
use super::solver::{ends, require_faces, stationary_sweeps};
use super::sweep::Criterion;
use crate::belief::backup::{Bracket, sparse};
use crate::belief::bounds::{BeliefBounds, Refined};
use crate::belief::corner_solver::require_observations;
use crate::belief::corners::Corners;
use crate::limits::{Late, Watch};
use crate::mdp::backup::blend;
use crate::policy::Body;
use crate::{Hook, Limits, Solution, SolveError, SolvedPolicy, Solver, Stats, Stopped};

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

/// Estimates on the faces, for stages 1 to H (stage t at index t-1), or one stationary stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FaceEstimates {
    stationary: bool,
    faces: Vec<Face>,
    by_state: Vec<Vec<u32>>,
    coarse: Values,
    fine: Values,
}

/// The numbers at one lattice's vertices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Values {
    divisions: usize,
    base: Vec<u32>,
    /// `[stage][vertex]`.
    stages: Vec<Vec<f64>>,
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
            let coarse = Values::new(model, &faces, self.divisions, &corners, limits, &watch)?;
            let fine = Values::new(model, &faces, 2 * self.divisions, &corners, limits, &watch)?;
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
        let (vectors, points) = bounds.sizes();
        let stats = Stats {
            seconds: watch.seconds(),
            start_up: 0.0,
            iterations: 1,
            backups: 0,
            vectors,
            points,
            threads: 1,
            solver: self.name(),
        };
        let policy = SolvedPolicy::new(Arc::new(model.clone()), Body::Belief(bounds));
        Ok(Solution::new((lower, upper), policy, stats, stopped))
    }
}

impl FaceEstimates {
    /// The estimate at an unnormalised belief between the bounds of `wide`; `wide` where the belief's support lies on no face.
    pub fn bracket(&self, stage: usize, belief: &[(u32, f64)], wide: Bracket) -> Bracket {
        let Some((f, y)) = find(&self.faces, &self.by_state, belief).next() else { return wide };
        let stage = if self.stationary { 0 } else { stage - 1 };
        let at = |values: &Values| {
            let place = place(&self.faces[f], values.divisions, values.base[f], y);
            (0..3).map(|i| place.weight[i] * values.stages[stage][place.vertex[i] as usize]).sum::<f64>()
        };
        let fine = at(&self.fine);
        let estimate = fine + (fine - at(&self.coarse)) / 3.0;
        Bracket { estimate: estimate.max(wide.lower).min(wide.upper), ..wide }
    }

    /// Numbers held.
    pub fn len(&self) -> usize {
        [&self.coarse, &self.fine].iter().flat_map(|v| &v.stages).map(Vec::len).sum()
    }

    /// What keeps the arrays from fitting `model`, in words.
    pub fn shape_problem(&self, model: &Model) -> Option<String> {
        let s = model.states().len();
        let sound = |face: &Face| (1..=3).contains(&face.states.len()) && face.states.iter().all(|&t| (t as usize) < s);
        let fits = self.stationary == model.horizon().is_none()
            && self.faces.iter().all(sound)
            && self.by_state == by_state(model, &self.faces)
            && [&self.coarse, &self.fine].iter().all(|v| v.fit(&self.faces, model.horizon().unwrap_or(1)));
        (!fits).then(|| "the estimates do not fit the model".into())
    }
}

impl Values {
    fn fit(&self, faces: &[Face], stages: usize) -> bool {
        let expected = self.base.last().copied().unwrap_or(0) as usize;
        self.divisions > 0
            && self.base == bases(faces, self.divisions)
            && self.stages.len() == stages
            && self.stages.iter().all(|s| s.len() == expected)
    }

    /// All stages.
    fn new(
        model: &Model,
        faces: &[Face],
        divisions: usize,
        corners: &Corners,
        limits: &Limits,
        watch: &Watch,
    ) -> Result<Self, Late> {
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
        Ok(Self { divisions, base: geometry.base, stages })
    }
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
