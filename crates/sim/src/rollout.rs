//! Batches of recorded episodes.

use rayon::prelude::*;
use tiresias_model::random::Key;
use tiresias_model::{Model, ModelError, Policy};

use crate::{Behaviour, Episode, NatureRule, World};

/// Which episodes to roll out, and how.
#[derive(Clone, Copy)]
pub struct RolloutSpec<'a> {
    /// The model.
    pub model: &'a Model,
    /// The oracle: acts where the behaviour asks for it, and answers for nature. Needed unless the behaviour is random.
    pub policy: Option<&'a dyn Policy>,
    /// How the decision-maker acts.
    pub behaviour: &'a Behaviour,
    /// How nature picks models.
    pub nature: NatureRule,
    /// Decisions per episode.
    pub horizon: usize,
    /// Index of the first episode.
    pub first_episode: u64,
    /// Number of episodes.
    pub episodes: usize,
    /// The random stream.
    pub key: Key,
    /// Whether to record beliefs.
    pub record_beliefs: bool,
}

/// Recorded episodes, row-major `episodes × horizon`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// Number of episodes.
    pub episodes: usize,
    /// Decisions per episode.
    pub horizon: usize,
    /// Hidden state before each decision.
    pub states: Vec<u32>,
    /// What the decision-maker saw before each decision; -1 before the first observation.
    pub observations: Vec<i32>,
    /// Actions executed.
    pub actions: Vec<u8>,
    /// Realised rewards, undiscounted.
    pub rewards: Vec<f64>,
    /// Discounted return of each episode, length `episodes`.
    pub returns: Vec<f64>,
    /// Belief before each decision, `episodes × horizon × S`; empty unless asked for.
    pub beliefs: Vec<f64>,
}

/// Episodes a chunk: small pieces in a fixed order, so that the result does not depend on which thread ran which.
const CHUNK: usize = 256;

/// Rolls out a batch on the current rayon pool. The same numbers for any thread count. O(episodes · horizon · row length), plus
/// the cost of the policy and, when the state is hidden, of one belief update a step.
///
/// # Panics
/// When the behaviour needs an oracle and `policy` is `None`, or the model has more than 256 actions.
pub fn rollout(spec: &RolloutSpec<'_>) -> Result<Batch, ModelError> {
    assert!(spec.policy.is_some() || !spec.behaviour.needs_oracle(), "behaviour {} needs a policy", spec.behaviour);
    assert!(spec.model.actions().len() <= 256, "recorded actions are bytes");
    let chunks: Vec<Batch> = (0..spec.episodes.div_ceil(CHUNK))
        .into_par_iter()
        .map(|c| {
            let start = c * CHUNK;
            record(spec, start..(start + CHUNK).min(spec.episodes))
        })
        .collect::<Result<_, _>>()?;
    let mut batch = Batch { episodes: spec.episodes, horizon: spec.horizon, ..Batch::default() };
    for chunk in chunks {
        batch.states.extend(chunk.states);
        batch.observations.extend(chunk.observations);
        batch.actions.extend(chunk.actions);
        batch.rewards.extend(chunk.rewards);
        batch.returns.extend(chunk.returns);
        batch.beliefs.extend(chunk.beliefs);
    }
    Ok(batch)
}

fn record(spec: &RolloutSpec<'_>, episodes: std::ops::Range<usize>) -> Result<Batch, ModelError> {
    let model = spec.model;
    let actions = model.actions().len();
    let world = World { model, policy: spec.policy, nature: spec.nature };
    let mut batch = Batch::default();
    for e in episodes {
        let mut episode = Episode::start(&world, spec.key, spec.first_episode + e as u64);
        let epsilon = episode.epsilon_of(spec.behaviour);
        let (mut total, mut weight) = (0.0, 1.0);
        for _ in 0..spec.horizon {
            let action = match spec.policy {
                Some(policy) if !episode.explores(epsilon) => episode.action_of(policy),
                _ => episode.random_action(actions),
            };
            batch.states.push(episode.state() as u32);
            batch.observations.push(episode.seen().map_or(-1, |o| o as i32));
            batch.actions.push(action as u8);
            if spec.record_beliefs {
                batch.beliefs.extend_from_slice(episode.belief());
            }
            let step = episode.step(&world, action)?;
            batch.rewards.push(step.reward);
            total += weight * step.reward;
            weight *= model.discount();
        }
        batch.returns.push(total);
    }
    Ok(batch)
}
