//! Models in explicit form without a discount, as probabilistic verification has them: states with labels, choices, named rewards.
//!
//! A [`Model`](crate::Model) without a horizon has a discount below 1, all actions everywhere and observations that an action makes
//! likely. Here nothing is discounted, a state has choices of its own, and what is seen of a state depends on it alone.

use std::ops::Range;

use crate::Kernel;

/// Rewards under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedReward {
    /// The name; may be empty.
    pub name: String,
    /// What a choice earns, the reward of its state included.
    pub choice: Vec<f64>,
}

/// A POMDP, or an MDP, in explicit form. Made by [`format::read_drn`](crate::format::read_drn), which checks that rows are distributions, that every
/// state has a choice, and that states that look alike have the same actions in the same order.
#[derive(Debug, Clone, PartialEq)]
pub struct Explicit {
    /// A name for people.
    pub name: String,
    /// Where everything starts.
    pub start: usize,
    /// What is seen of each state; `None` when the state itself is.
    pub observations: Option<Vec<u32>>,
    /// State `s` has the choices `first[s]..first[s + 1]`.
    pub first: Vec<usize>,
    /// By choice: the index of its action's name.
    pub action: Vec<u32>,
    /// Names of actions.
    pub actions: Vec<String>,
    /// By choice: the distribution over next states.
    pub transition: Kernel,
    /// Labels by name, each with its states, ascending.
    pub labels: Vec<(String, Vec<u32>)>,
    /// Rewards by name.
    pub rewards: Vec<NamedReward>,
}

impl Explicit {
    /// Number of states.
    pub fn states(&self) -> usize {
        self.first.len() - 1
    }

    /// The choices of a state.
    pub fn choices(&self, state: usize) -> Range<usize> {
        self.first[state]..self.first[state + 1]
    }

    /// What is seen of a state: its number where the state itself is.
    #[inline]
    pub fn observation(&self, state: usize) -> usize {
        self.observations.as_ref().map_or(state, |seen| seen[state] as usize)
    }

    /// One more than the largest observation.
    pub fn observation_count(&self) -> usize {
        self.observations.as_ref().map_or(self.states(), |seen| seen.iter().max().map_or(0, |&most| most as usize + 1))
    }

    /// The states with a label, ascending; `None` where no state has it.
    pub fn labelled(&self, label: &str) -> Option<&[u32]> {
        self.labels.iter().find(|(name, _)| name == label).map(|(_, states)| &states[..])
    }

    /// The name of a choice's action.
    pub fn action_name(&self, choice: usize) -> &str {
        &self.actions[self.action[choice] as usize]
    }

    /// Bytes that the model takes on the heap.
    pub fn bytes(&self) -> usize {
        let words = size_of_val(&self.first[..])
            + size_of_val(&self.action[..])
            + self.observations.as_ref().map_or(0, |seen| size_of_val(&seen[..]));
        let names: usize = self.actions.iter().map(|name| size_of::<String>() + name.capacity()).sum();
        let labels: usize = self.labels.iter().map(|(name, states)| name.capacity() + size_of_val(&states[..])).sum();
        let rewards: usize = self.rewards.iter().map(|reward| size_of_val(&reward.choice[..])).sum();
        words + names + labels + rewards + self.transition.bytes()
    }
}
