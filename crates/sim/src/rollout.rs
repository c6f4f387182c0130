//! Batches of recorded episodes.

use rayon::prelude::*;
use tiresias_model::random::Key;
use tiresias_model::{Model, ModelError, Policy};

use crate::lockstep::{Lockstep, Walk};
use crate::{Behaviour, Episode, Level, NatureRule, World};

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

/// Which columns of a [`Batch`] to fill; the others stay empty. Returns are always there, and beliefs are asked for by
/// [`RolloutSpec::record_beliefs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // One flag a column is what it is.
pub struct Record {
    /// Hidden states.
    pub states: bool,
    /// What the decision-maker saw.
    pub observations: bool,
    /// Actions.
    pub actions: bool,
    /// Rewards.
    pub rewards: bool,
}

impl Record {
    /// Every column: 17 bytes a step.
    pub const ALL: Self = Self { states: true, observations: true, actions: true, rewards: true };
    /// Returns only: 8 bytes an episode.
    pub const RETURNS: Self = Self { states: false, observations: false, actions: false, rewards: false };
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

impl Batch {
    /// Bytes that it takes on the heap.
    pub fn bytes(&self) -> usize {
        let Self { episodes: _, horizon: _, states, observations, actions, rewards, returns, beliefs } = self;
        let small = size_of_val(&states[..]) + size_of_val(&observations[..]) + size_of_val(&actions[..]);
        small + size_of_val(&rewards[..]) + size_of_val(&returns[..]) + size_of_val(&beliefs[..])
    }
}

/// Episodes a piece of parallel work: one [`Episode`] after the other, or in lockstep, where a step is far shorter.
const PIECE: usize = 64;
const LOCKSTEP_PIECE: usize = 1024;

/// Asked now and then whether to stop: a few times a millisecond at most, from any thread.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// Decisions between two such questions where nobody is asked for an action.
const LOOK: usize = 64;

/// Rolls out a batch on the current rayon pool. The same numbers for any thread count. O(episodes · horizon · row length), plus
/// the cost of the policy and, when the state is hidden, of one belief update a step.
///
/// # Panics
/// When the behaviour needs an oracle and `policy` is `None`, or the model has more than 256 actions.
pub fn rollout(spec: &RolloutSpec<'_>) -> Result<Batch, ModelError> {
    let mut batch = Batch::default();
    rollout_into(spec, Record::ALL, Level::best(), &mut batch)?;
    Ok(batch)
}

/// [`rollout`] of chosen columns at a chosen SIMD level, into a batch whose memory is used again: a stream of batches touches no
/// new memory after its first. Every level gives the same numbers. After an error the batch's numbers mean nothing.
///
/// Many batches of one model and policy are better served by a [`Simulator`], which is compiled once.
///
/// # Panics
/// As [`rollout`].
pub fn rollout_into(spec: &RolloutSpec<'_>, record: Record, level: Level, batch: &mut Batch) -> Result<(), ModelError> {
    Simulator::once(spec).run(spec.first_episode, spec.episodes, record, level, batch)
}

/// A model, a policy and a behaviour made ready to roll out batch after batch.
///
/// Observed states under a policy that is a [table](Policy::tabular), random actions or a mixture of the two, and a nature that
/// needs no policy, run in lockstep at O(1) a step whatever the number of states and the length of the rows; everything else
/// runs one [`Episode`] after the other. The numbers are the same.
#[derive(Clone)]
pub struct Simulator<'a> {
    spec: RolloutSpec<'a>,
    lockstep: Option<Lockstep<'a>>,
    stop: Option<Stop<'a>>,
}

impl<'a> Simulator<'a> {
    /// Compiles tables where lockstep is possible: O(S · horizon) for a policy that depends on the stage, plus O(entries of P) of
    /// the rows that behaviour and policy can meet. `first_episode` and `episodes` of `spec` are not read.
    ///
    /// # Panics
    /// As [`rollout`].
    pub fn new(spec: &RolloutSpec<'a>) -> Self {
        Self::with_lockstep(spec, true)
    }

    /// As [`Simulator::new`], for the episodes of `spec` alone: compiled only where they are worth it.
    ///
    /// # Panics
    /// As [`rollout`].
    pub fn once(spec: &RolloutSpec<'a>) -> Self {
        // With fewer steps, compiling a row (or reading the policy at a stage) costs more than it saves.
        let rows = spec.model.states().len() * spec.model.actions().len();
        Self::with_lockstep(spec, spec.episodes.saturating_mul(spec.horizon) >= 4 * rows)
    }

    fn with_lockstep(spec: &RolloutSpec<'a>, lockstep: bool) -> Self {
        assert!(spec.policy.is_some() || !spec.behaviour.needs_oracle(), "behaviour {} needs a policy", spec.behaviour);
        assert!(spec.model.actions().len() <= 256, "recorded actions are bytes");
        Self { spec: *spec, lockstep: if lockstep { Lockstep::new(spec) } else { None }, stop: None }
    }

    /// The same, but it ends soon after `stop` gives `true`. It then says `Ok` all the same, and the numbers mean nothing: whoever
    /// stops it knows.
    #[must_use]
    pub fn stopping(mut self, stop: Stop<'a>) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Rolls out episodes `first..first + episodes` into `batch`, as [`rollout_into`]: on the current rayon pool, or on the calling
    /// thread when they are few (up to 1,024 in lockstep, 64 otherwise).
    pub fn run(
        &self,
        first: u64,
        episodes: usize,
        record: Record,
        level: Level,
        batch: &mut Batch,
    ) -> Result<(), ModelError> {
        let spec = &self.spec;
        let steps = episodes * spec.horizon;
        (batch.episodes, batch.horizon) = (episodes, spec.horizon);
        fit(&mut batch.states, steps * usize::from(record.states));
        fit(&mut batch.observations, steps * usize::from(record.observations));
        fit(&mut batch.actions, steps * usize::from(record.actions));
        fit(&mut batch.rewards, steps * usize::from(record.rewards));
        fit(&mut batch.returns, episodes);
        fit(&mut batch.beliefs, steps * spec.model.states().len() * usize::from(spec.record_beliefs));
        let columns = Columns {
            states: &mut batch.states,
            observations: &mut batch.observations,
            actions: &mut batch.actions,
            rewards: &mut batch.rewards,
            returns: &mut batch.returns,
            beliefs: &mut batch.beliefs,
        };
        self.fill(first, level, columns)
    }

    /// As [`Simulator::run`], into memory that the caller owns: as many episodes as `columns.returns` is long.
    ///
    /// # Panics
    /// When a column is neither empty nor as long as the episodes need, or beliefs are asked for and their column is empty.
    pub fn fill(&self, first: u64, level: Level, mut columns: Columns<'_>) -> Result<(), ModelError> {
        let spec = &self.spec;
        let episodes = columns.returns.len();
        columns.check(episodes * spec.horizon, usize::from(spec.record_beliefs) * spec.model.states().len());
        let stopped = || self.stop.is_some_and(|stop| stop());
        let piece = |first, columns| match &self.lockstep {
            _ if stopped() => Ok(()),
            Some(lockstep) => {
                level.run(Walk { lockstep, first, columns, stopped: &stopped });
                Ok(())
            }
            None => one_by_one(spec, first, columns, &stopped),
        };
        let most = if self.lockstep.is_some() { LOCKSTEP_PIECE } else { PIECE };
        if episodes <= most {
            return piece(first, columns);
        }
        // Pieces are the same for every number of threads, and each has its own place in the batch.
        let mut pieces = Vec::with_capacity(episodes.div_ceil(most));
        while let Some((_, columns)) = columns.split(most, spec.horizon) {
            pieces.push((first.wrapping_add((pieces.len() * most) as u64), columns));
        }
        pieces.into_par_iter().try_for_each(|(first, columns)| piece(first, columns))
    }
}

/// Makes a column `len` long. New memory comes zeroed from the system, untouched until it is written.
fn fit<T: Copy + Default>(column: &mut Vec<T>, len: usize) {
    if column.capacity() < len {
        *column = vec![T::default(); len];
    } else {
        column.resize(len, T::default());
    }
}

/// The columns of a [`Batch`], or of some consecutive episodes of one, in memory that somebody else owns. Those that are not
/// recorded are empty.
#[derive(Debug, Default)]
pub struct Columns<'a> {
    /// Hidden states, episodes × horizon.
    pub states: &'a mut [u32],
    /// What the decision-maker saw, episodes × horizon.
    pub observations: &'a mut [i32],
    /// Actions, episodes × horizon.
    pub actions: &'a mut [u8],
    /// Rewards, episodes × horizon.
    pub rewards: &'a mut [f64],
    /// Returns, one an episode; never empty.
    pub returns: &'a mut [f64],
    /// Beliefs, episodes × horizon × S.
    pub beliefs: &'a mut [f64],
}

impl<'a> Columns<'a> {
    /// Panics unless every recorded column holds `steps` steps.
    fn check(&self, steps: usize, belief: usize) {
        let Self { states, observations, actions, rewards, beliefs, .. } = self;
        for (column, len) in [
            ("states", states.len()),
            ("observations", observations.len()),
            ("actions", actions.len()),
            ("rewards", rewards.len()),
        ] {
            assert!(len == 0 || len == steps, "column {column} has {len} elements where {steps} are needed");
        }
        let needed = steps * belief;
        assert!(beliefs.len() == needed, "column beliefs has {} elements where {needed} are needed", beliefs.len());
    }

    /// Whether any column of steps is recorded.
    #[inline(always)]
    pub(crate) fn records(&self) -> bool {
        let Self { states, observations, actions, rewards, .. } = self;
        !(states.is_empty() && observations.is_empty() && actions.is_empty() && rewards.is_empty())
    }

    /// Splits off at most `episodes` episodes and says how many; `None` when none are left.
    #[inline(always)]
    pub(crate) fn split(&mut self, episodes: usize, horizon: usize) -> Option<(usize, Columns<'a>)> {
        let (left, n) = (self.returns.len(), episodes.min(self.returns.len()));
        if n == 0 {
            return None;
        }
        let beliefs = self.beliefs.len() / left;
        let piece = Columns {
            states: take(&mut self.states, n * horizon),
            observations: take(&mut self.observations, n * horizon),
            actions: take(&mut self.actions, n * horizon),
            rewards: take(&mut self.rewards, n * horizon),
            returns: take(&mut self.returns, n),
            beliefs: take(&mut self.beliefs, n * beliefs),
        };
        Some((n, piece))
    }
}

/// The first `n` elements of a column, or all of one that is empty.
#[inline(always)]
#[allow(clippy::mut_mut)] // It moves the caller's slice on.
fn take<'a, T>(column: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(column).split_at_mut_checked(n).unwrap_or_default();
    *column = tail;
    head
}

/// One episode after the other: the reference for every faster path.
fn one_by_one(
    spec: &RolloutSpec<'_>,
    first: u64,
    mut columns: Columns<'_>,
    stopped: &dyn Fn() -> bool,
) -> Result<(), ModelError> {
    let model = spec.model;
    let (actions, states) = (model.actions().len(), model.states().len());
    let world = World { model, policy: spec.policy, nature: spec.nature };
    let mut index = first;
    while let Some((_, row)) = columns.split(1, spec.horizon) {
        let mut episode = Episode::start(&world, spec.key, index);
        let epsilon = episode.epsilon_of(spec.behaviour);
        let (mut total, mut weight) = (0.0, 1.0);
        for t in 0..spec.horizon {
            // A policy may take milliseconds for an action.
            if (spec.policy.is_some() || t.is_multiple_of(LOOK)) && stopped() {
                return Ok(());
            }
            let action = match spec.policy {
                Some(policy) if !episode.explores(epsilon) => episode.action_of(policy),
                _ => episode.random_action(actions),
            };
            put(row.states, t, episode.state() as u32);
            put(row.observations, t, episode.seen().map_or(-1, |o| o as i32));
            put(row.actions, t, action as u8);
            if !row.beliefs.is_empty() {
                row.beliefs[t * states..][..states].copy_from_slice(episode.belief());
            }
            let step = episode.step(&world, action)?;
            put(row.rewards, t, step.reward);
            total += weight * step.reward;
            weight *= model.discount();
        }
        row.returns[0] = total;
        index = index.wrapping_add(1);
    }
    Ok(())
}

/// Writes to a column that may not be recorded.
fn put<T>(column: &mut [T], t: usize, value: T) {
    if let Some(place) = column.get_mut(t) {
        *place = value;
    }
}
