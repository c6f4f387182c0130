//! The solver: triangulations of growing fineness until the gap is closed.

use tiresias_model::Model;

use super::bounds::{FaceBounds, Stages};
use super::convex::{ConvexStage, Envelope, product};
use super::geometry::{Face, FaceMaps, Geometry, bases, face_maps, scaled_faces};
use super::lattice::{Lattice, three};
use super::overlay::Overlay;
use super::supports;
use super::sweep::{Criterion, Lanes, Sweep};
use crate::belief::backup::ordered;
use crate::belief::bounds::{BeliefBounds, Refined};
use crate::belief::corner_solver::require_observations;
use crate::belief::corners::Corners;
use crate::limits::{Late, Watch};
use crate::policy::Body;
use crate::solver::Ended;
use crate::{Hook, Limits, Solution, SolveError, Solver, Stopped};

/// Masses looked at before [`Faces::faces`] gives up: some ten milliseconds.
const MOST_LOOKED_AT: usize = 1 << 20;

/// Divisions of the first triangulation where no face has three states.
const FIRST_LINEAR: usize = 16;

/// Certified triangulations of the faces that beliefs keep to, for POMDPs and APOMDPs in which every posterior belief has at most
/// three states in its support (noisy gauges, nearly observed states).
///
/// The value at the vertices of a regular triangulation of every face is swept backwards over the stages. For an APOMDP each
/// stage's interpolants are lowered and raised where the Bellman operator can leave them, so that they are proven bounds
/// (`docs/apomdp.md`); for a POMDP (and α = 0, where the maximising model is one more choice) the value is convex, and tangents and
/// interpolation bound it as they are. Divisions grow until the gap at the start is small enough.
///
/// O(vertices · A · M · observations per action) a stage for POMDPs, and the crossings of cells and images besides for APOMDPs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faces {
    /// Divisions of a face's edges in the first triangulation; 0 guesses them from the gap asked for, where a face has
    /// three states.
    pub first_divisions: usize,
    /// Divisions in the last, after which the solver stops with [`Stopped::Exhausted`]; 0 for 96, or where no face has three states
    /// for as many vertices a face as 96 give a triangle.
    pub most_divisions: usize,
}

impl Faces {
    /// The number of faces with at most three states on which the posterior beliefs of `model` lie; `None` when some spread
    /// wider, there are too many to list, it takes long to find them, or nothing is observed.
    pub fn faces(model: &Model) -> Option<usize> {
        model.observations()?;
        let mut left = MOST_LOOKED_AT;
        let mut spend = |work: usize| {
            left = left.checked_sub(work).ok_or(Late)?;
            Ok(())
        };
        Some(supports::faces(model, &mut spend).ok().flatten()?.len())
    }

    /// Divisions in the last triangulation.
    fn most_divisions(&self, linear: bool) -> usize {
        let triangle = Lattice { corners: 3, divisions: 96 };
        match self.most_divisions {
            0 if linear => triangle.vertices() - 1,
            0 => triangle.divisions,
            given => given,
        }
    }
}

impl Solver for Faces {
    fn name(&self) -> &'static str {
        "faces"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check_for(model)?;
        require_observations(self.name(), model)?;
        let watch = Watch::new(limits, hook);
        let supports = require_faces(self.name(), model, &watch)?;
        let found = supports.and_then(|supports| {
            let faces = scaled_faces(model, &supports, &watch)?;
            let maps = face_maps(model, &faces, &watch)?;
            Ok((faces, maps))
        });
        // Without time for more there are no faces, and no more is made of them.
        let (faces, maps) = found.unwrap_or_default();
        let mut bounds = BeliefBounds { corners: Corners::new(model, &watch), refined: Refined::None };
        let (mut lower, mut upper) = bounds.assess(model, 0, model.start()).bounds();
        // Without triangles the cost is linear in the divisions: they double whatever the gap, so that who asks for more has
        // tried all that serves who asks for less.
        let linear = faces.iter().all(|face| face.states.len() < 3);
        let most = self.most_divisions(linear);
        let mut divisions = match self.first_divisions {
            0 if linear => FIRST_LINEAR.min(most),
            0 => first_guess(model, upper - lower, limits.gap).min(most),
            given => given,
        };
        // Of the triangulation that is kept.
        let mut kept = (lower, f64::INFINITY);
        let (mut tried, mut iterations) = (0, 0);
        let stopped = loop {
            if upper - lower <= limits.gap {
                break Stopped::Converged;
            }
            if let Some(reason) =
                watch.check(lower, upper, iterations, estimated_bytes(model, &faces, &maps, divisions))
            {
                break reason;
            }
            if tried >= most || divisions > most {
                break Stopped::Exhausted;
            }
            let Ok(stages) = triangulate(model, &faces, &maps, divisions, &bounds.corners, &watch, limits) else {
                break watch.stopped().unwrap_or(Stopped::Time);
            };
            iterations += 1;
            let refined = FaceBounds::new(model, &faces, divisions, stages);
            let before = std::mem::replace(&mut bounds.refined, Refined::Faces(refined));
            let (low, high) = bounds.assess(model, 0, model.start()).bounds();
            // A finer lattice that does not contain the coarser one can be worse at the start. The one that is kept acts, so it is
            // the one with the best lower bound; of equal ones, the tighter.
            let same = model.rounding(low);
            if low > kept.0 + same || (low >= kept.0 - same && high < kept.1) {
                kept = (low, high);
            } else {
                bounds.refined = before;
            }
            (lower, upper) = ordered(kept.0, upper.min(high));
            tried = divisions;
            let next = if linear { 2 * divisions } else { next_divisions(divisions, upper - lower, limits.gap) };
            divisions = next.min(most);
        };
        let ended = Ended { bounds: (lower, upper), stopped, start_up: 0.0, iterations, backups: 0, threads: 1 };
        Ok(Solution::found(self.name(), model, Body::Belief(bounds), ended, &watch))
    }
}

/// The supports of the faces, an error that says that there are none, or that it is too late to say.
pub(super) fn require_faces(
    solver: &'static str,
    model: &Model,
    watch: &Watch,
) -> Result<Result<Vec<Vec<u32>>, Late>, SolveError> {
    match supports::faces(model, |work| watch.spend(work)) {
        Ok(Some(faces)) => Ok(Ok(faces)),
        Ok(None) => Err(SolveError::Unsupported {
            solver,
            expected: "posterior beliefs with at most three states in their support",
            found: "spread wider".into(),
        }),
        Err(Late) => Ok(Err(Late)),
    }
}

/// Divisions that close the gap of most energy tasks at once: measured there, the gap is about 1.7 % of the distance between the
/// linear bounds with 4 divisions (0.35 % where the value is convex), and falls with the power 1.5 of them.
fn first_guess(model: &Model, widest: f64, wanted: f64) -> usize {
    let at_four = if is_convex(model) { 0.0035 } else { 0.017 };
    let guess = 4.0 * (1.2 * at_four * widest / wanted.max(1e-300)).powf(0.65);
    (guess.ceil() as usize).clamp(2, 16)
}

/// The gap falls roughly with the power 1.5 of the divisions; a little more than that asks for, at most three times as many.
fn next_divisions(divisions: usize, gap: f64, wanted: f64) -> usize {
    let factor = if wanted > 0.0 { 1.1 * (gap / wanted).powf(0.65) } else { 2.0 };
    (divisions as f64 * factor.clamp(1.5, 3.0)).ceil() as usize
}

/// What a triangulation will take: the images' places, the crossings (about three a cell and map) and the stages.
fn estimated_bytes(model: &Model, faces: &[Face], maps: &[FaceMaps], divisions: usize) -> usize {
    let convex = is_convex(model);
    let of_face = |(face, maps): (&Face, &FaceMaps)| {
        let lattice = face.lattice(divisions);
        let crossings = if convex { 0 } else { 3 * divisions.pow(face.states.len() as u32 - 1) * 72 };
        maps.maps.len() * (40 * lattice.vertices() + crossings)
    };
    let stages = model.horizon().unwrap_or(2);
    faces.iter().zip(maps).map(of_face).sum::<usize>() + 32 * stages * bases(faces, divisions)[faces.len()] as usize
}

/// One model, or one that nature picks as the decision-maker would.
fn is_convex(model: &Model) -> bool {
    model.dynamics().len() == 1 || model.alpha() == 0.0
}

/// All stages at one fineness.
fn triangulate(
    model: &Model,
    faces: &[Face],
    maps: &[FaceMaps],
    divisions: usize,
    corners: &Corners,
    watch: &Watch,
    limits: &Limits,
) -> Result<Stages, Late> {
    let geometry = Geometry::new(faces, maps.to_vec(), divisions, watch)?;
    let criterion = Criterion::of(model);
    let ends = ends(model, faces, divisions, corners);
    let sweeps = model.horizon().map_or_else(|| stationary_sweeps(model, corners, limits), |h| h - 1);
    let keep_all = model.horizon().is_some();
    if is_convex(model) {
        let stage = ConvexStage {
            vectors: ends.iter().map(|end| end.low).collect(),
            upper: ends.iter().map(|end| product(&end.high, end.at)).collect(),
        };
        let step = |next: &ConvexStage| next.before(&geometry, criterion, watch);
        let mut stages = backwards(stage, sweeps, keep_all, watch, step)?;
        if !keep_all {
            let for_ever = |last: &ConvexStage| last.for_ever(&geometry, criterion, 2 * sweeps, watch);
            stages = stages.iter().map(for_ever).collect::<Result<_, Late>>()?;
        }
        let envelope = |stage| Envelope::new(stage, faces, &geometry.base, divisions, criterion);
        Ok(Stages::Convex(stages.into_iter().map(envelope).collect()))
    } else {
        let overlay = Overlay::new(&geometry, watch)?;
        let lanes = |end: &End| -> Lanes {
            let (low, high) = (product(&end.low, end.at), product(&end.high, end.at));
            [low, f64::midpoint(low, high), high, 0.0]
        };
        let stage = ends.iter().map(lanes).collect();
        let mut sweep = Sweep::default();
        let mut fallen = 0.0;
        let step = |next: &Vec<Lanes>| {
            let stage = sweep.run(&geometry, &overlay, criterion, next, watch)?;
            if !keep_all {
                fallen = most_fallen(faces, divisions, next, &stage);
            }
            Ok(stage)
        };
        let mut stages = backwards(stage, sweeps, keep_all, watch, step)?;
        if !keep_all {
            let by = criterion.discount / (1.0 - criterion.discount) * fallen;
            for (value, mass) in stages[0].iter_mut().zip(masses(faces, divisions)) {
                value[0] -= by * mass;
            }
        }
        Ok(Stages::Ambiguous(stages))
    }
}

/// The masses of all vertices, as beliefs.
fn masses(faces: &[Face], divisions: usize) -> impl Iterator<Item = f64> {
    faces.iter().flat_map(move |face| {
        let mass = |c: [usize; 3]| (0..face.states.len()).map(|i| c[i] as f64 * face.scale[i]).sum::<f64>();
        face.lattice(divisions).coordinates().into_iter().map(move |c| mass(c) / divisions as f64)
    })
}

/// How far the lower bounds `before` are below those of the stage after, at most, for mass 1; not negative. With it the last sweep of
/// an infinite horizon proves itself: from `L' <= B L` and `L <= L' + c` follows `L' - c γ / (1 - γ) <= B (L' - c γ / (1 - γ))`.
fn most_fallen(faces: &[Face], divisions: usize, after: &[Lanes], before: &[Lanes]) -> f64 {
    let falls = after
        .iter()
        .zip(before)
        .zip(masses(faces, divisions))
        .map(|((after, before), mass)| (after[0] - before[0]) / mass);
    falls.fold(0.0, f64::max)
}

/// What the sweeps start from at one vertex: linear bounds on its face, and its coordinates.
pub(super) struct End {
    low: [f64; 3],
    high: [f64; 3],
    at: [f64; 3],
}

impl End {
    pub fn middle(&self) -> f64 {
        f64::midpoint(product(&self.low, self.at), product(&self.high, self.at))
    }
}

/// The final reward, or without a horizon one linear lower and one linear upper bound, at all vertices. It must be linear: the
/// interpolant of a maximum of linear functions is above it, that of a minimum below.
pub(super) fn ends(model: &Model, faces: &[Face], divisions: usize, corners: &Corners) -> Vec<End> {
    let (low, high) = corners.best_linear(corners.lower.len() - 1, model.start());
    let mut out = Vec::new();
    for face in faces {
        let on_face = |v: &[f64]| three(|i| face.states.get(i).map_or(0.0, |&s| v[s as usize] * face.scale[i]));
        let (low, high) = (on_face(low), on_face(high));
        let at = |c: [usize; 3]| c.map(|i| i as f64 / divisions as f64);
        out.extend(face.lattice(divisions).coordinates().into_iter().map(|c| End { low, high, at: at(c) }));
    }
    out
}

/// Applies `step` `sweeps` times; all results in order of time, or only the last one's.
fn backwards<T>(
    end: T,
    sweeps: usize,
    keep_all: bool,
    watch: &Watch,
    mut step: impl FnMut(&T) -> Result<T, Late>,
) -> Result<Vec<T>, Late> {
    let mut stages = vec![end];
    for _ in 0..sweeps {
        watch.spend(1)?;
        let next = step(&stages[stages.len() - 1])?;
        if !keep_all {
            stages.clear();
        }
        stages.push(next);
    }
    stages.reverse();
    Ok(stages)
}

/// Sweeps after which the linear bounds that an infinite horizon starts from differ by a tenth of the gap.
pub(super) fn stationary_sweeps(model: &Model, corners: &Corners, limits: &Limits) -> usize {
    let widest = corners.widest();
    let wanted = (limits.gap / 10.0).max(1e-6 * widest);
    if model.discount() == 0.0 || widest <= wanted {
        return 1;
    }
    ((wanted / widest).ln() / model.discount().ln()).ceil() as usize
}
