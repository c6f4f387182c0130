//! A decision by the stored bounds themselves, without a backup.

use crate::SolvedPolicy;
use crate::belief::backup::sparse;
use crate::belief::bounds::{BeliefBounds, Refined};
use crate::policy::Body;

/// An action, and bounds on the value of the belief at which it is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Direct {
    /// The action that the best α-vector begins with.
    pub action: usize,
    /// That vector's product with the belief: what a plan that begins with the action is worth at least.
    pub lower: f64,
    /// The stored upper bound on the optimal value.
    pub upper: f64,
}

impl Direct {
    /// A proven upper bound on `V* - Q*(action)`: the plan begins with the action.
    pub fn regret_bound(&self) -> f64 {
        self.upper - self.lower
    }
}

impl SolvedPolicy {
    /// What to do at (stage, belief) by the α-vectors alone: the action that the best of them begins with, as the tools that read
    /// α-vectors act. O(vectors · states + points) where [`assess`](Self::assess) makes a backup, O(actions · observations) times
    /// that; its bounds are tighter, and the action can be another. `None` where the policy is not of α-vectors of one model.
    pub fn direct(&self, stage: usize, belief: &[f64]) -> Option<Direct> {
        let Body::Belief(BeliefBounds { refined: Refined::Vectors(vectors), .. }) = self.body() else { return None };
        // With several models a vector belongs to a choice of nature's, too.
        if self.model().dynamics().len() > 1 {
            return None;
        }
        let belief = sparse(belief);
        let mut action = 0;
        let lower = vectors.lower_by(stage, &belief, |_, _, part, own| {
            let (vector, value) = part.best(0..part.vectors(), own, &mut Vec::new());
            action = part.actions[vector as usize] as usize;
            value
        });
        // Rounding may put the two an ulp the wrong way round.
        let upper = vectors.upper(stage, &belief).max(lower);
        Some(Direct { action, lower, upper })
    }
}
