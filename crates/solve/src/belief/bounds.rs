//! The bounds behind a policy for hidden states.

use serde::{Deserialize, Serialize};
use tiresias_model::{Model, Nature};

use super::backup::{Bracket, Ends, Scratch, ValueBounds, backup, expected_reward, model_values, sparse};
use super::corners::Corners;
use super::decide::{Estimates, decide};
use super::faces::bounds::FaceBounds;
use super::faces::estimates::FaceEstimates;
use super::plans::bounds::PlanBounds;
use super::search::vectors::VectorBounds;
use super::value_function::{Guard, PlanSet, Unrefined, ValueFunction};
use crate::Assessment;
use crate::exact::bounds::ExactBounds;
use crate::mdp::backup::blend;

/// Linear bounds everywhere, and what a solver refined them with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BeliefBounds {
    pub corners: Corners,
    pub refined: Refined,
}

/// The refinement over the corners.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Refined {
    None,
    Faces(FaceBounds),
    Estimates(FaceEstimates),
    Vectors(VectorBounds),
    Plans(PlanBounds),
    Exact(ExactBounds),
}

impl Refined {
    pub fn value(&self) -> &dyn ValueFunction {
        match self {
            Self::None => &Unrefined,
            Self::Faces(faces) => faces,
            Self::Estimates(estimates) => estimates,
            Self::Vectors(vectors) => vectors,
            Self::Plans(plans) => plans,
            Self::Exact(exact) => exact,
        }
    }
}

impl BeliefBounds {
    /// What keeps the arrays from fitting `model`, in words.
    pub fn shape_problem(&self, model: &Model) -> Option<String> {
        if model.observations().is_none() {
            return Some("bounds over beliefs do not fit a model whose state is seen".into());
        }
        self.corners.shape_problem(model).or_else(|| self.value().shape_problem(model))
    }

    pub fn value(&self) -> &dyn ValueFunction {
        self.refined.value()
    }

    pub fn form(&self) -> &'static str {
        self.value().form()
    }

    /// The α-vectors behind the lower bound of `stage`; `None` where it is not made of such.
    pub fn plans(&self, stage: usize) -> Option<Vec<PlanSet>> {
        self.value().plans(&self.corners, stage)
    }

    /// Carriers of lower and of upper bounds; without a refinement the corners' numbers.
    pub fn sizes(&self) -> (usize, usize) {
        match &self.refined {
            Refined::None => (self.corners.len(), self.corners.len()),
            refined => refined.value().sizes(),
        }
    }

    /// One backup of the next stage's bounds.
    pub fn assess(&self, model: &Model, stage: usize, belief: &[f64]) -> Assessment {
        self.assess_on(model, stage, &sparse(belief), &mut Scratch::new(model))
    }

    fn assess_on(&self, model: &Model, stage: usize, belief: &[(u32, f64)], scratch: &mut Scratch) -> Assessment {
        let mut assessment = backup(model, belief, stage + 1, self, scratch);
        // Estimates prove nothing, but they may choose among the actions that keep what the lower bounds prove.
        match self.value().guard() {
            Guard::None => {}
            Guard::Linear => assessment.keep(model, self.corners.lower(stage, belief)),
            // At the start, and for ever, what is proven is the best of the backups.
            Guard::Own if stage == 0 || model.horizon().is_none() => assessment.keep(model, f64::INFINITY),
            Guard::Own => assessment.keep(model, self.lower(stage, belief)),
        }
        assessment
    }

    /// The lower bound alone.
    fn lower(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.value().lower(&self.corners, stage, belief)
    }

    /// The lower bound on the value of one action.
    fn lower_of(
        &self,
        model: &Model,
        stage: usize,
        belief: &[(u32, f64)],
        action: usize,
        scratch: &mut Scratch,
    ) -> f64 {
        let mut ends = Ends::new();
        for m in 0..model.dynamics().len() {
            let mut ahead = 0.0;
            scratch.successors(model, m, belief, action, |_, joint| ahead += self.lower(stage + 1, joint));
            let value = expected_reward(model, m, belief, action) + model.discount() * ahead;
            ends.add(m, value, value, value);
        }
        blend(model.alpha(), ends.low[0], ends.high[0])
    }

    /// What the policy does at (stage, belief), and nature's answer: the assessment's, sooner. `estimates` are those of these bounds.
    pub fn act(
        &self,
        model: &Model,
        stage: usize,
        belief: &[(u32, f64)],
        estimates: &impl Estimates,
        scratch: &mut Scratch,
    ) -> (usize, Nature) {
        let (guard, own) = (self.value().guard(), stage > 0 && model.horizon().is_some());
        if guard == Guard::None || (guard == Guard::Own && own) {
            let (action, nature) = decide(model, belief, stage + 1, estimates, scratch);
            // Mostly what is best by the estimates keeps what is proven, and then the other actions' lower bounds matter to none.
            if guard == Guard::None
                || self.lower_of(model, stage, belief, action, scratch) >= self.lower(stage, belief) - model.tie(0.0)
            {
                return (action, nature);
            }
        }
        let assessment = self.assess_on(model, stage, belief, scratch);
        (assessment.action(), assessment.nature[assessment.action()])
    }

    /// What `action` gives under each model.
    pub fn model_values(&self, model: &Model, stage: usize, belief: &[f64], action: usize) -> Vec<f64> {
        model_values(model, &sparse(belief), action, stage + 1, self)
    }
}

impl Estimates for BeliefBounds {
    fn estimate(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.value().estimate(&self.corners, stage, belief)
    }

    fn at_most(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.value().at_most(stage, belief)
    }
}

impl ValueBounds for BeliefBounds {
    fn bracket(&self, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        self.value().bracket(&self.corners, stage, belief)
    }
}
