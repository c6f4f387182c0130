//! The bounds behind a policy for hidden states.

use serde::{Deserialize, Serialize};
use tiresias_model::{Model, Nature};

use super::backup::{Bracket, Ends, Scratch, ValueBounds, backup, expected_reward, model_values, ordered, sparse};
use super::corners::Corners;
use super::decide::{Estimates, decide};
use super::faces::bounds::FaceBounds;
use super::faces::estimate::FaceEstimates;
use super::plans::bounds::PlanBounds;
use super::search::vectors::VectorBounds;
use crate::exact::bounds::ExactBounds;
use crate::limits::Watch;
use crate::mdp::backup::blend;
use crate::{Assessment, Hook, Limits, Plans, Search};

/// Linear bounds everywhere, and what a solver refined them with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BeliefBounds {
    pub corners: Corners,
    pub refined: Refined,
}

/// α-vectors over some states, each the value of a plan from each of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlanSet {
    /// Ascending.
    pub states: Vec<u32>,
    /// The action that a plan begins with, and its vector.
    pub plans: Vec<(u32, Vec<f64>)>,
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

/// How acting by estimates that are no lower bounds is kept to what is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// The estimates are the lower bounds.
    None,
    /// By the linear lower bounds.
    Linear,
    /// By these bounds' own.
    Own,
}

impl BeliefBounds {
    /// What keeps the arrays from fitting `model`, in words.
    pub fn shape_problem(&self, model: &Model) -> Option<String> {
        if model.observations().is_none() {
            return Some("bounds over beliefs do not fit a model whose state is seen".into());
        }
        self.corners.shape_problem(model).or_else(|| match &self.refined {
            Refined::None => None,
            Refined::Faces(faces) => faces.shape_problem(model),
            Refined::Estimates(estimates) => estimates.shape_problem(model),
            Refined::Vectors(vectors) => vectors.shape_problem(model),
            Refined::Plans(plans) => plans.shape_problem(model),
            Refined::Exact(exact) => exact.shape_problem(model),
        })
    }

    pub fn form(&self) -> &'static str {
        match &self.refined {
            Refined::None => "corners",
            Refined::Faces(_) => "faces",
            Refined::Estimates(_) => "estimates",
            Refined::Vectors(_) => "vectors",
            Refined::Plans(_) => "plans",
            Refined::Exact(_) => "exact",
        }
    }

    /// Trials from (stage, belief), where the refinement is one that trials improve; whether as many were made as are allowed.
    pub fn refine(
        &mut self,
        model: &Model,
        (stage, belief): (usize, &[f64]),
        most_trials: u64,
        limits: &Limits,
        hook: &Hook,
    ) -> bool {
        let watch = Watch::new(limits, hook);
        let from = (stage, sparse(belief));
        let beside = (&watch, self.corners.bytes());
        match &mut self.refined {
            Refined::None | Refined::Faces(_) | Refined::Estimates(_) | Refined::Exact(_) => false,
            Refined::Vectors(bounds) => {
                let usual = Search::default();
                let search = Search { most_trials: most_trials.min(usual.most_trials), ..usual };
                search.run_vectors(model, bounds, &from, limits, beside).trials >= most_trials
            }
            Refined::Plans(bounds) => {
                let _ = Plans::default().run(model, bounds, &from, limits, &watch);
                false
            }
        }
    }

    /// The α-vectors behind the lower bound of `stage`; `None` where it is not made of such.
    pub fn plans(&self, stage: usize) -> Option<Vec<PlanSet>> {
        match &self.refined {
            Refined::None => Some(vec![self.corners.plans(stage)]),
            Refined::Vectors(vectors) => Some(vectors.sets(stage)),
            // The linear bounds serve the beliefs and stages that exact vectors do not.
            Refined::Exact(exact) => {
                let mut sets = exact.sets(stage);
                if sets.iter().all(|set| set.states.len() < self.corners.states) {
                    sets.push(self.corners.plans(stage));
                }
                Some(sets)
            }
            Refined::Faces(_) | Refined::Estimates(_) | Refined::Plans(_) => None,
        }
    }

    /// Carriers of lower and of upper bounds.
    pub fn sizes(&self) -> (usize, usize) {
        match &self.refined {
            Refined::None => (self.corners.len(), self.corners.len()),
            Refined::Faces(faces) => faces.sizes(),
            Refined::Estimates(estimates) => (estimates.len(), estimates.len()),
            Refined::Vectors(vectors) => (vectors.vectors(), vectors.points()),
            Refined::Plans(plans) => plans.sizes(),
            Refined::Exact(exact) => (exact.vectors(), exact.vectors()),
        }
    }

    /// One backup of the next stage's bounds.
    pub fn assess(&self, model: &Model, stage: usize, belief: &[f64]) -> Assessment {
        self.assess_on(model, stage, &sparse(belief), &mut Scratch::new(model))
    }

    fn assess_on(&self, model: &Model, stage: usize, belief: &[(u32, f64)], scratch: &mut Scratch) -> Assessment {
        let mut assessment = backup(model, belief, stage + 1, self, scratch);
        // Estimates prove nothing, but they may choose among the actions that keep what the lower bounds prove.
        match self.guard() {
            Guard::None => {}
            Guard::Linear => assessment.keep(model, self.corners.lower(stage, belief)),
            // At the start, and for ever, what is proven is the best of the backups.
            Guard::Own if stage == 0 || model.horizon().is_none() => assessment.keep(model, f64::INFINITY),
            Guard::Own => assessment.keep(model, self.lower(stage, belief)),
        }
        assessment
    }

    /// Below what an action's lower bound must not fall for the policy to take it.
    fn guard(&self) -> Guard {
        match &self.refined {
            Refined::Estimates(_) => Guard::Linear,
            Refined::Faces(faces) if faces.has_estimates() => Guard::Own,
            _ => Guard::None,
        }
    }

    /// The lower bound alone.
    fn lower(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        match &self.refined {
            Refined::Faces(faces) => faces.lower(stage, belief).max(self.corners.lower(stage, belief)),
            _ => self.bracket(stage, belief).lower,
        }
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
        let (guard, own) = (self.guard(), stage > 0 && model.horizon().is_some());
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
        match &self.refined {
            Refined::Vectors(vectors) => vectors.lower(stage, belief),
            Refined::Plans(plans) => plans.lower(stage, belief),
            Refined::None => self.corners.lower(stage, belief),
            Refined::Faces(faces) if faces.has_estimates() => {
                faces.estimate(stage, belief).unwrap_or_else(|| self.corners.lower(stage, belief))
            }
            Refined::Faces(_) => self.lower(stage, belief),
            Refined::Estimates(_) | Refined::Exact(_) => self.bracket(stage, belief).estimate,
        }
    }

    fn at_most(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        match &self.refined {
            Refined::Vectors(vectors) => vectors.informed(stage, belief),
            _ => f64::INFINITY,
        }
    }
}

impl ValueBounds for BeliefBounds {
    fn bracket(&self, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        match &self.refined {
            Refined::None => self.corners.bracket(stage, belief),
            // The better of two bounds is one, and improvable where both are.
            Refined::Faces(faces) => {
                let Some(on_faces) = faces.bracket(stage, belief) else { return self.corners.bracket(stage, belief) };
                let low = on_faces.lower.max(self.corners.lower(stage, belief));
                let (lower, upper) = ordered(low, on_faces.upper);
                let estimate = if faces.has_estimates() { on_faces.estimate } else { low };
                Bracket { lower, estimate, upper }
            }
            Refined::Estimates(estimates) => estimates.bracket(stage, belief, self.corners.bracket(stage, belief)),
            Refined::Vectors(vectors) => vectors.bracket(stage, belief),
            Refined::Plans(plans) => plans.bracket(stage, belief),
            // Stages that were not reached, and beliefs that cannot come about, have the linear bounds.
            Refined::Exact(exact) => {
                exact.bracket(stage, belief).unwrap_or_else(|| self.corners.bracket(stage, belief))
            }
        }
    }
}
