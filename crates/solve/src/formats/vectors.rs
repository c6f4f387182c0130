//! A set of α-vectors that acts.

use tiresias_model::{Model, Policy};

use super::screen::Screen;
use super::{PolicyFileError, PolicyFormat, Source, alpha, label, sarsop};
use crate::SolvedPolicy;
use crate::belief::backup::sparse;

/// A stationary policy of a POMDP as pairs of an action and an α-vector: at belief b it takes the action of the vector whose
/// product with b is the largest, the first such vector on ties.
#[derive(Debug, Clone, PartialEq)]
pub struct AlphaPolicy {
    states: usize,
    actions: Vec<u32>,
    /// The vectors, one after the other.
    entries: Vec<f64>,
    screen: Screen,
}

impl AlphaPolicy {
    /// From pairs of an action and a vector, at least one, all vectors of one length.
    pub(super) fn from_pairs(pairs: &[(u32, Vec<f64>)]) -> Self {
        let states = pairs[0].1.len();
        let entries: Vec<f64> = pairs.iter().flat_map(|(_, vector)| vector).copied().collect();
        let screen = Screen::new(states, &entries);
        Self { states, actions: pairs.iter().map(|&(action, _)| action).collect(), entries, screen }
    }

    /// The α-vectors behind a solved policy, each with an action that attains it.
    ///
    /// The solver's set Γ is backed up once more at beliefs the policy is likely to meet (at most 2,000, those with the largest
    /// γ^t·Pr first). A vector that is the backup of Γ under an action is no larger than that action's value under Γ, so where
    /// the new set is as good as Γ the policy improves on it; at the start that is so by construction.
    ///
    /// Errors: [`PolicyFileError::Unsupported`] when the policy is not one set of α-vectors for a single model: tables of
    /// observed states, a set a stage, triangulations, clouds.
    pub fn from_solved(policy: &SolvedPolicy) -> Result<Self, PolicyFileError> {
        label::labelled(policy).map(|pairs| Self::from_pairs(&pairs))
    }

    /// Reads a policy file; `name` is the file's, for messages and for its suffix. A name without a known suffix is told by
    /// how the text begins.
    pub fn read(name: &str, text: &str, format: Option<PolicyFormat>) -> Result<Self, PolicyFileError> {
        let begins = || {
            if text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
                PolicyFormat::Sarsop
            } else {
                PolicyFormat::Alpha
            }
        };
        let source = Source { file: name, text };
        let pairs = match format.or_else(|| PolicyFormat::of(name)).unwrap_or_else(begins) {
            PolicyFormat::Alpha => alpha::read(&source)?,
            PolicyFormat::Sarsop => sarsop::read(&source)?,
        };
        Ok(Self::from_pairs(&pairs))
    }

    /// The policy as a text that reads back bit for bit. `model` names the model, for the format that says it.
    pub fn write(&self, format: PolicyFormat, model: &str) -> String {
        match format {
            PolicyFormat::Alpha => alpha::write(self),
            PolicyFormat::Sarsop => sarsop::write(self, model),
        }
    }

    /// Checks that the policy can act in `model`.
    pub fn check(&self, model: &Model) -> Result<(), PolicyFileError> {
        let (states, actions) = (model.states().len(), model.actions().len());
        let problem = if self.states != states {
            format!("its vectors have {} entries, the model has {states} states", self.states)
        } else if let Some(action) = self.actions.iter().find(|&&action| action as usize >= actions) {
            format!("it takes action {action}, the model has {actions} actions, numbered from 0")
        } else {
            return Ok(());
        };
        Err(PolicyFileError::OtherModel { model: model.name().into(), problem })
    }

    /// The number of vectors, at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// The length of a vector.
    pub fn states(&self) -> usize {
        self.states
    }

    /// Action and entries of vector `i`.
    pub fn vector(&self, i: usize) -> (usize, impl Iterator<Item = f64> + '_) {
        (self.actions[i] as usize, self.entries[i * self.states..][..self.states].iter().copied())
    }

    /// The largest product of a vector with `belief` (length S).
    pub fn value(&self, belief: &[f64]) -> f64 {
        self.best(&sparse(belief)).1
    }

    /// The first vector whose product with the belief is the largest, and the product. O(vectors · positive entries) in single
    /// precision; in double precision only for those vectors that single precision cannot tell from the best.
    fn best(&self, belief: &[(u32, f64)]) -> (usize, f64) {
        let mut best = (0, f64::NEG_INFINITY);
        self.screen.candidates(belief, |i| {
            let value = product(&self.entries[i * self.states..][..self.states], belief);
            if value > best.1 {
                best = (i, value);
            }
        });
        best
    }
}

/// `vector · belief` in four sums, so that an addition need not wait for the one before.
fn product(vector: &[f64], belief: &[(u32, f64)]) -> f64 {
    let mut sums = [0.0; 4];
    let (fours, rest) = belief.as_chunks::<4>();
    for four in fours {
        for (sum, &(state, mass)) in sums.iter_mut().zip(four) {
            *sum += mass * vector[state as usize];
        }
    }
    for (sum, &(state, mass)) in sums.iter_mut().zip(rest) {
        *sum += mass * vector[state as usize];
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

impl Policy for AlphaPolicy {
    fn action(&self, stage: usize, belief: &[f64]) -> usize {
        self.action_on(stage, &sparse(belief), self.states)
    }

    fn action_on(&self, _stage: usize, belief: &[(u32, f64)], _states: usize) -> usize {
        self.actions[self.best(belief).0] as usize
    }
}
