//! The bounds that a certified triangulation gives at any belief on its faces.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::convex::Envelope;
use super::geometry::{Face, bases, by_state, find, place};
use super::sweep::{Lanes, interpolate};
use crate::belief::backup::{Bracket, ValueBounds, ordered};
use crate::belief::corners::Corners;
use crate::belief::value_function::{Guard, ValueFunction};

/// Bounds on the faces, for stages 1 to H (stage t at index t-1), or one stationary stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FaceBounds {
    pub stationary: bool,
    pub divisions: usize,
    pub faces: Vec<Face>,
    /// First vertex of every face.
    pub base: Vec<u32>,
    /// Faces by state, so that a belief finds its own from any state of its support.
    pub by_state: Vec<Vec<u32>>,
    pub stages: Stages,
}

/// The numbers at the vertices, by stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Stages {
    /// Interpolated: lower, the value swept without a proof, upper.
    Ambiguous(Vec<Vec<Lanes>>),
    /// Vectors below, interpolation above.
    Convex(Vec<Envelope>),
}

impl FaceBounds {
    pub fn new(model: &Model, faces: &[Face], divisions: usize, stages: Stages) -> Self {
        Self {
            stationary: model.horizon().is_none(),
            divisions,
            faces: faces.to_vec(),
            base: bases(faces, divisions),
            by_state: by_state(model, faces),
            stages,
        }
    }

    /// Bounds at an unnormalised belief, the best on the faces that hold it, with the first one's estimate; `None` when none does.
    ///
    /// It must be the best of all of them: a cell's proof goes by the face that a map leads to, which a belief on its side need not
    /// be found on first.
    #[inline]
    pub fn on_faces(&self, stage: usize, belief: &[(u32, f64)]) -> Option<Bracket> {
        let stage = self.index(stage);
        let on_face = |(f, y): (usize, [f64; 3])| {
            let place = place(&self.faces[f], self.divisions, self.base[f], y);
            match &self.stages {
                Stages::Ambiguous(stages) => {
                    let [lower, estimate, upper, _] = interpolate(&stages[stage], &place);
                    Bracket { lower, estimate, upper }
                }
                Stages::Convex(stages) => {
                    let lower = stages[stage].lower(f, y);
                    Bracket { lower, estimate: lower, upper: stages[stage].upper(&place) }
                }
            }
        };
        let better = |a: Bracket, b: Bracket| Bracket { lower: a.lower.max(b.lower), upper: a.upper.min(b.upper), ..a };
        find(&self.faces, &self.by_state, belief).map(on_face).reduce(better)
    }

    /// The lower bound alone, -∞ where no face holds the belief.
    #[inline]
    fn lower_on_faces(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        let stage = self.index(stage);
        let on_face = |(f, y): (usize, [f64; 3])| match &self.stages {
            Stages::Ambiguous(stages) => {
                interpolate(&stages[stage], &place(&self.faces[f], self.divisions, self.base[f], y))[0]
            }
            Stages::Convex(stages) => stages[stage].lower(f, y),
        };
        find(&self.faces, &self.by_state, belief).map(on_face).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The estimate of the first face that holds the belief.
    #[inline]
    fn estimate_on_faces(&self, stage: usize, belief: &[(u32, f64)]) -> Option<f64> {
        let stage = self.index(stage);
        find(&self.faces, &self.by_state, belief).next().map(|(f, y)| match &self.stages {
            Stages::Ambiguous(stages) => {
                interpolate(&stages[stage], &place(&self.faces[f], self.divisions, self.base[f], y))[1]
            }
            Stages::Convex(stages) => stages[stage].lower(f, y),
        })
    }

    /// Whether the estimates are other numbers than the lower bounds.
    fn has_estimates(&self) -> bool {
        matches!(self.stages, Stages::Ambiguous(_))
    }

    fn index(&self, stage: usize) -> usize {
        if self.stationary { 0 } else { stage - 1 }
    }
}

impl ValueFunction for FaceBounds {
    fn form(&self) -> &'static str {
        "faces"
    }

    /// The better of two bounds is one, and improvable where both are.
    fn bracket(&self, corners: &Corners, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        let Some(on_faces) = self.on_faces(stage, belief) else { return corners.bracket(stage, belief) };
        let low = on_faces.lower.max(corners.lower(stage, belief));
        let (lower, upper) = ordered(low, on_faces.upper);
        let estimate = if self.has_estimates() { on_faces.estimate } else { low };
        Bracket { lower, estimate, upper }
    }

    fn lower(&self, corners: &Corners, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.lower_on_faces(stage, belief).max(corners.lower(stage, belief))
    }

    fn estimate(&self, corners: &Corners, stage: usize, belief: &[(u32, f64)]) -> f64 {
        if !self.has_estimates() {
            return self.lower(corners, stage, belief);
        }
        self.estimate_on_faces(stage, belief).unwrap_or_else(|| corners.lower(stage, belief))
    }

    fn guard(&self) -> Guard {
        if self.has_estimates() { Guard::Own } else { Guard::None }
    }

    fn sizes(&self) -> (usize, usize) {
        match &self.stages {
            Stages::Ambiguous(stages) => {
                let vertices = stages.iter().map(Vec::len).sum();
                (vertices, vertices)
            }
            Stages::Convex(stages) => {
                let vectors = stages.iter().flat_map(|stage| &stage.vectors).map(Vec::len).sum();
                (vectors, stages.iter().map(|stage| stage.upper.len()).sum())
            }
        }
    }

    fn shape_problem(&self, model: &Model) -> Option<String> {
        let s = model.states().len();
        let sound_faces = self.divisions > 0
            && self.faces.iter().all(|f| {
                (1..=3).contains(&f.states.len())
                    && f.states.iter().all(|&t| (t as usize) < s)
                    && f.scale.iter().all(|w| *w > 0.0)
            });
        let wanted = model.horizon().unwrap_or(1);
        let expected = self.base.last().copied().unwrap_or(0) as usize;
        let vertices = |counts: Vec<usize>| counts.len() == wanted && counts.iter().all(|&n| n == expected);
        let fits = sound_faces
            && self.stationary == model.horizon().is_none()
            && self.base == bases(&self.faces, self.divisions)
            && self.by_state.len() == s
            && self.by_state.iter().flatten().all(|&f| (f as usize) < self.faces.len())
            && match &self.stages {
                Stages::Ambiguous(stages) => vertices(stages.iter().map(Vec::len).collect()),
                Stages::Convex(stages) => {
                    vertices(stages.iter().map(|s| s.upper.len()).collect())
                        && stages.iter().all(|s| s.vectors.len() == self.faces.len())
                        && stages.iter().flat_map(|s| &s.vectors).all(|vectors| !vectors.is_empty())
                }
            };
        (!fits).then(|| "the triangulation does not fit the model".into())
    }
}
