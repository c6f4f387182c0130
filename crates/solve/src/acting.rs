//! A solved policy at work.

use std::sync::{Mutex, PoisonError};

use tiresias_model::{Nature, Policy, Tabular};

use crate::SolvedPolicy;
use crate::belief::backup::{Scratch, sparse};
use crate::belief::bounds::{BeliefBounds, Refined};
use crate::belief::decide::Estimates;
use crate::belief::search::screens::Screens;
use crate::policy::Body;

/// A solved policy made ready to act at many beliefs: the actions of [`SolvedPolicy`], one for one, sooner.
///
/// An action is chosen by one backup of point estimates, as [`SolvedPolicy::assess`] makes it. Left out of it are the bounds, which
/// the choice does not need; actions and observations that can no longer change it, by the fast informed bound; and, where
/// estimates are the best of many α-vectors, most of these by a look in single precision. Memory: half of what the vectors take.
#[derive(Debug)]
pub struct ActingPolicy<'p> {
    policy: &'p SolvedPolicy,
    screens: Option<Screens>,
    /// Working memory that no thread uses.
    idle: Mutex<Vec<Scratch>>,
}

impl<'p> ActingPolicy<'p> {
    /// Makes a policy ready. O(stages · cells of the vectors); what takes longer is made when it is first needed.
    pub fn new(policy: &'p SolvedPolicy) -> Self {
        let screens = match policy.body() {
            Body::Belief(BeliefBounds { refined: Refined::Vectors(vectors), .. }) => Some(Screens::new(vectors)),
            _ => None,
        };
        Self { policy, screens, idle: Mutex::default() }
    }
}

/// Estimates of bounds by way of their screens.
struct Screened<'a>(&'a BeliefBounds, Option<&'a Screens>);

impl Estimates for Screened<'_> {
    fn estimate(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        match (&self.0.refined, self.1) {
            (Refined::Vectors(vectors), Some(screens)) => screens.lower(vectors, stage, belief),
            _ => self.0.estimate(stage, belief),
        }
    }

    fn at_most(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.0.at_most(stage, belief)
    }
}

impl Policy for ActingPolicy<'_> {
    fn action(&self, stage: usize, belief: &[f64]) -> usize {
        match self.policy.body() {
            Body::Belief(_) => self.action_on(stage, &sparse(belief), belief.len()),
            Body::Table(_) => self.policy.action(stage, belief),
        }
    }

    fn action_in_state(&self, stage: usize, state: usize, states: usize) -> usize {
        match self.policy.body() {
            Body::Belief(_) => self.action_on(stage, &[(state as u32, 1.0)], states),
            Body::Table(_) => self.policy.action_in_state(stage, state, states),
        }
    }

    fn action_on(&self, stage: usize, belief: &[(u32, f64)], states: usize) -> usize {
        self.decision_on(stage, belief, states).0
    }

    fn decision_on(&self, stage: usize, belief: &[(u32, f64)], states: usize) -> (usize, Nature) {
        let Body::Belief(bounds) = self.policy.body() else { return self.policy.decision_on(stage, belief, states) };
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut scratch = taken.unwrap_or_else(|| Scratch::new(self.policy.model()));
        let estimates = Screened(bounds, self.screens.as_ref());
        let decided = bounds.act(self.policy.model(), stage, belief, &estimates, &mut scratch);
        idle().push(scratch);
        decided
    }

    fn tabular(&self) -> Option<Tabular> {
        self.policy.tabular()
    }

    fn nature(&self, stage: usize, belief: &[f64], action: usize) -> Nature {
        self.policy.nature(stage, belief, action)
    }
}
