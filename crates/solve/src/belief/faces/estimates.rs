//! Values without a certificate, at any belief on the faces.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::geometry::{Face, bases, by_state, find, place};
use crate::belief::backup::{Bracket, ValueBounds};
use crate::belief::corners::Corners;
use crate::belief::value_function::{Guard, ValueFunction};

/// Estimates on the faces, for stages 1 to H (stage t at index t-1), or one stationary stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FaceEstimates {
    pub(super) stationary: bool,
    pub(super) faces: Vec<Face>,
    pub(super) by_state: Vec<Vec<u32>>,
    pub(super) coarse: Values,
    pub(super) fine: Values,
}

/// The numbers at one lattice's vertices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Values {
    pub(super) divisions: usize,
    pub(super) base: Vec<u32>,
    /// `[stage][vertex]`.
    pub(super) stages: Vec<Vec<f64>>,
}

impl FaceEstimates {
    /// The estimate at an unnormalised belief between the bounds of `wide`; `wide` where the belief's support lies on no face.
    fn narrowed(&self, stage: usize, belief: &[(u32, f64)], wide: Bracket) -> Bracket {
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
    fn len(&self) -> usize {
        [&self.coarse, &self.fine].iter().flat_map(|v| &v.stages).map(Vec::len).sum()
    }
}

impl ValueFunction for FaceEstimates {
    fn form(&self) -> &'static str {
        "estimates"
    }

    fn shape_problem(&self, model: &Model) -> Option<String> {
        let s = model.states().len();
        let sound = |face: &Face| (1..=3).contains(&face.states.len()) && face.states.iter().all(|&t| (t as usize) < s);
        let fits = self.stationary == model.horizon().is_none()
            && self.faces.iter().all(sound)
            && self.by_state == by_state(model, &self.faces)
            && [&self.coarse, &self.fine].iter().all(|v| v.fit(&self.faces, model.horizon().unwrap_or(1)));
        (!fits).then(|| "the estimates do not fit the model".into())
    }

    fn sizes(&self) -> (usize, usize) {
        (self.len(), self.len())
    }

    fn bracket(&self, corners: &Corners, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        self.narrowed(stage, belief, corners.bracket(stage, belief))
    }

    fn estimate(&self, corners: &Corners, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.bracket(corners, stage, belief).estimate
    }

    fn guard(&self) -> Guard {
        Guard::Linear
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
}
