//! The bounds that a certified triangulation gives at any belief on its faces.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::convex::ConvexStage;
use super::geometry::{Face, bases, by_state, find, place};
use super::sweep::{Lanes, interpolate};
use crate::belief::backup::Bracket;

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
    /// Interpolated: lower, estimate, upper.
    Ambiguous(Vec<Vec<Lanes>>),
    /// Vectors below, interpolation above.
    Convex(Vec<ConvexStage>),
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

    /// Bounds at an unnormalised belief, `None` when its support lies on no face.
    #[inline]
    pub fn bracket(&self, stage: usize, belief: &[(u32, f64)]) -> Option<Bracket> {
        let (f, y) = find(&self.faces, &self.by_state, belief)?;
        let place = place(&self.faces[f], self.divisions, self.base[f], y);
        let stage = if self.stationary { 0 } else { stage - 1 };
        Some(match &self.stages {
            Stages::Ambiguous(stages) => {
                let [lower, estimate, upper, _] = interpolate(&stages[stage], &place);
                Bracket { lower, estimate, upper }
            }
            Stages::Convex(stages) => {
                let (_, lower) = stages[stage].lower(&place, y);
                Bracket { lower, estimate: lower, upper: stages[stage].upper(&place) }
            }
        })
    }

    /// Numbers held.
    pub fn len(&self) -> usize {
        match &self.stages {
            Stages::Ambiguous(stages) => stages.iter().map(|s| 4 * s.len()).sum(),
            Stages::Convex(stages) => stages.iter().map(|s| 4 * s.upper.len()).sum(),
        }
    }

    /// What keeps the arrays from fitting `model`, in words.
    pub fn shape_problem(&self, model: &Model) -> Option<String> {
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
                        && stages.iter().all(|s| s.vectors.len() == s.upper.len())
                }
            };
        (!fits).then(|| "the triangulation does not fit the model".into())
    }
}
