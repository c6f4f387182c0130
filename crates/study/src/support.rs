//! What an episode begins with: trajectories of the same task, in columns of its own.

use tiresias_agents::Trajectories;
use tiresias_sim::Batch;

/// Some trajectories of equal length, one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct SupportSet {
    observations: Vec<i32>,
    actions: Vec<u8>,
    rewards: Vec<f64>,
}

impl SupportSet {
    /// The `i`-th group of `count` trajectories of a batch.
    pub fn of(batch: &Batch, count: usize, i: usize) -> Self {
        let steps = i * count * batch.horizon..(i + 1) * count * batch.horizon;
        Self {
            observations: batch.observations[steps.clone()].to_vec(),
            actions: batch.actions[steps.clone()].to_vec(),
            rewards: batch.rewards[steps].to_vec(),
        }
    }

    /// These and, after them, the steps of one more trajectory; of them all the last `steps`.
    pub fn followed_by(&self, trajectory: impl Iterator<Item = (i32, u8, f64)>, steps: usize) -> Self {
        let mut all = self.clone();
        for (observation, action, reward) in trajectory {
            all.observations.push(observation);
            all.actions.push(action);
            all.rewards.push(reward);
        }
        let dropped = all.actions.len().saturating_sub(steps);
        all.observations.drain(..dropped);
        all.actions.drain(..dropped);
        all.rewards.drain(..dropped);
        all
    }

    /// As whoever acts reads it.
    pub fn trajectories(&self, horizon: usize) -> Trajectories<'_> {
        let Self { observations, actions, rewards } = self;
        Trajectories { horizon, observations, actions, rewards }
    }

    /// Bytes that it takes on the heap.
    pub fn bytes(&self) -> usize {
        let Self { observations, actions, rewards } = self;
        size_of_val(&observations[..]) + size_of_val(&actions[..]) + size_of_val(&rewards[..])
    }
}
