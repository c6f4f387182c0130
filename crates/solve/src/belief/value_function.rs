//! What a solver over beliefs refines the linear bounds with: a value function between bounds, stage by stage.

use tiresias_model::Model;

use super::backup::{Bracket, ValueBounds};
use super::corners::Corners;

/// Bounds on the value at unnormalised beliefs (positively homogeneous). Where a refinement says nothing, at a belief or a stage, it gives
/// the linear bounds of the `corners` that it stands on.
///
/// A new refinement is a file that implements this, a variant of [`Refined`](super::bounds::Refined), and the solver that finds it.
pub(crate) trait ValueFunction {
    /// Its name, as [`SolvedPolicy::form`](crate::SolvedPolicy::form) gives it.
    fn form(&self) -> &'static str;

    /// What keeps the arrays from fitting `model`, in words.
    fn shape_problem(&self, model: &Model) -> Option<String>;

    /// Carriers of lower and of upper bounds, over all stages.
    fn sizes(&self) -> (usize, usize);

    fn bracket(&self, corners: &Corners, stage: usize, belief: &[(u32, f64)]) -> Bracket;

    /// The lower bound alone.
    fn lower(&self, corners: &Corners, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.bracket(corners, stage, belief).lower
    }

    /// The estimate alone, by which the policy acts.
    fn estimate(&self, corners: &Corners, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.lower(corners, stage, belief)
    }

    /// No estimate at the belief is above this, up to rounding, and it costs much less.
    fn at_most(&self, _stage: usize, _belief: &[(u32, f64)]) -> f64 {
        f64::INFINITY
    }

    /// How acting by the estimates is kept to what is proven.
    fn guard(&self) -> Guard {
        Guard::None
    }

    /// The α-vectors behind the lower bound of `stage`; `None` where it is not made of such.
    fn plans(&self, _corners: &Corners, _stage: usize) -> Option<Vec<PlanSet>> {
        None
    }
}

/// α-vectors over some states, each the value of a plan from each of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlanSet {
    /// Ascending.
    pub states: Vec<u32>,
    /// The action that a plan begins with, and its vector.
    pub plans: Vec<(u32, Vec<f64>)>,
}

/// How acting by estimates that are no lower bounds is kept to what is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The estimates are the lower bounds.
    None,
    /// By the linear lower bounds.
    Linear,
    /// By these bounds' own.
    Own,
}

/// The linear bounds and nothing beyond them.
pub(crate) struct Unrefined;

impl ValueFunction for Unrefined {
    fn form(&self) -> &'static str {
        "corners"
    }

    fn shape_problem(&self, _: &Model) -> Option<String> {
        None
    }

    fn sizes(&self) -> (usize, usize) {
        (0, 0)
    }

    fn bracket(&self, corners: &Corners, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        corners.bracket(stage, belief)
    }

    fn lower(&self, corners: &Corners, stage: usize, belief: &[(u32, f64)]) -> f64 {
        corners.lower(stage, belief)
    }

    fn plans(&self, corners: &Corners, stage: usize) -> Option<Vec<PlanSet>> {
        Some(vec![corners.plans(stage)])
    }
}
