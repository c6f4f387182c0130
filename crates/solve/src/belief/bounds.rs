//! The bounds behind a policy for hidden states.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::backup::{Bracket, ValueBounds, backup, model_values, sparse};
use super::corners::Corners;
use super::decide::Estimates;
use super::faces::bounds::FaceBounds;
use super::faces::estimate::FaceEstimates;
use super::plans::bounds::PlanBounds;
use super::search::vectors::VectorBounds;
use crate::exact::bounds::ExactBounds;
use crate::limits::Watch;
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

    /// Trials from (stage, belief), where the refinement is one that trials improve.
    pub fn refine(&mut self, model: &Model, stage: usize, belief: &[f64], limits: &Limits, hook: &Hook) {
        let watch = Watch::new(limits, hook);
        let from = (stage, sparse(belief));
        let beside = (&watch, self.corners.bytes());
        match &mut self.refined {
            Refined::None | Refined::Faces(_) | Refined::Estimates(_) | Refined::Exact(_) => {}
            Refined::Vectors(bounds) => drop(Search::default().run_vectors(model, bounds, &from, limits, beside)),
            Refined::Plans(bounds) => drop(Plans::default().run(model, bounds, &from, limits, &watch)),
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
            Refined::Faces(faces) => (faces.len() / 4, faces.len() / 4),
            Refined::Estimates(estimates) => (estimates.len(), estimates.len()),
            Refined::Vectors(vectors) => (vectors.vectors(), vectors.points()),
            Refined::Plans(plans) => plans.sizes(),
            Refined::Exact(exact) => (exact.vectors(), exact.vectors()),
        }
    }

    /// One backup of the next stage's bounds.
    pub fn assess(&self, model: &Model, stage: usize, belief: &[f64]) -> Assessment {
        backup(model, &sparse(belief), stage + 1, self)
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
            _ => self.bracket(stage, belief).estimate,
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
            // The linear bounds are below the lattice's, or nearly: they serve where it does not reach.
            Refined::Faces(faces) => {
                faces.bracket(stage, belief).unwrap_or_else(|| self.corners.bracket(stage, belief))
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
