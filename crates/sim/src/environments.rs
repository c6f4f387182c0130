//! A vector environment: many episodes at one stage, stepped by actions from outside.

use std::sync::Arc;

use rayon::prelude::*;
use thiserror::Error;
use tiresias_model::random::Key;
use tiresias_model::{Model, Reward};

use crate::NatureRule;
use crate::chain::{Chain, cloud};
use crate::level::{Kernel, Level};
use crate::philox::{LANES, Lane, Words, words};
use crate::rows::{Rows, Table};

/// Episodes `first..first + len` of the stream `key`, all at the same stage. Given the same actions, the states, observations and
/// rewards are those of [`Episode`](crate::Episode), bit for bit. Beliefs are the caller's own: a
/// [`BeliefBatch`](crate::BeliefBatch) takes the actions and the observations as they are.
///
/// Nothing is reset by itself: all episodes are equally long, and the caller knows the horizon. A step is O(1) a lane, on the
/// current rayon pool; at most 256 actions.
#[derive(Debug, Clone)]
pub struct Environments {
    model: Arc<Model>,
    chain: Chain,
    /// Rows over observations, numbered as the chain's by (model, state reached, action); `None` when the state is seen.
    seen: Option<Table>,
    key: Key,
    level: Level,
    first: u64,
    stage: u32,
    len: usize,
    /// Padded to whole blocks of lanes.
    state: Vec<u32>,
}

/// Why a model cannot be stepped in lockstep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EnvironmentsError {
    /// The oracle's own nature depends on a belief.
    #[error("nature by the oracle's policy needs a belief: step episodes one by one, or choose fixed or resampled")]
    Nature,
    /// Actions are bytes and row numbers are words.
    #[error("a vector environment takes at most 256 actions and 2^32 rows (models · states · actions)")]
    Size,
}

/// Lanes a piece of parallel work.
const PIECE: usize = 16 * LANES;

impl Environments {
    /// `len` environments before [`reset`](Self::reset), which starts their first episodes. O(entries of P and Q).
    pub fn new(
        model: Arc<Model>,
        nature: NatureRule,
        key: Key,
        len: usize,
        level: Level,
    ) -> Result<Self, EnvironmentsError> {
        let models = cloud(&model, nature).ok_or(EnvironmentsError::Nature)?;
        let chain = Chain::new(&model, nature).ok_or(EnvironmentsError::Size)?;
        let (s, a) = (model.states().len(), model.actions().len());
        let seen = model.observations().map(|_| {
            let mut rows = Rows::default();
            for kernel in models.filter_map(|m| model.dynamics()[m].observation.as_ref()) {
                for (next, action) in (0..s * a).map(|i| (i / a, i % a)) {
                    rows.push(kernel.pairs(action * s + next).map(|(o, p)| (o as u32, 0.0, p)));
                }
            }
            Table::new(&rows)
        });
        let state = vec![0; len.next_multiple_of(LANES)];
        let mut environments = Self { model, chain, seen, key, level, first: 0, stage: 0, len, state };
        environments.reset(0, &mut vec![0; len]);
        Ok(environments)
    }

    /// Number of environments.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Decisions made since the reset.
    pub fn stage(&self) -> usize {
        self.stage as usize
    }

    /// The hidden states, one an environment.
    pub fn states(&self) -> &[u32] {
        &self.state[..self.len]
    }

    /// Starts episodes `first..first + len` and writes what is seen before acting: the state, or -1 where it is hidden.
    ///
    /// # Panics
    /// When `observations` does not have one place an environment.
    pub fn reset(&mut self, first: u64, observations: &mut [i32]) {
        assert_eq!(observations.len(), self.len, "one observation an environment");
        (self.first, self.stage) = (first, 0);
        let (chain, key, level, hidden) = (&self.chain, self.key, self.level, self.seen.is_some());
        let pieces = self.state.par_chunks_mut(PIECE).zip(observations.par_chunks_mut(PIECE));
        pieces.enumerate().for_each(|(piece, (state, seen))| {
            level.run(Start { chain, key, first: first.wrapping_add((piece * PIECE) as u64), state });
            seen.iter_mut().zip(state).for_each(|(seen, state)| *seen = if hidden { -1 } else { *state as i32 });
        });
    }

    /// Acts in every environment: writes each step's realised reward (with the final reward where the model's horizon ends) and
    /// what is seen next.
    ///
    /// # Panics
    /// When a slice does not have one element an environment, or an action is not one of the model's.
    pub fn step(&mut self, actions: &[u8], rewards: &mut [f64], observations: &mut [i32]) {
        assert_eq!([actions.len(), rewards.len(), observations.len()], [self.len; 3], "one number an environment");
        let highest = actions.iter().copied().max().unwrap_or(0);
        assert!(usize::from(highest) < self.model.actions().len(), "action {highest} is not one of the model's");
        let Self { model, chain, seen, key, level, first, stage, .. } = self;
        let world = World { model, chain, seen: seen.as_ref(), key: *key, stage: *stage };
        let outputs = rewards.par_chunks_mut(PIECE).zip(observations.par_chunks_mut(PIECE));
        let pieces = self.state.par_chunks_mut(PIECE).zip(actions.par_chunks(PIECE)).zip(outputs);
        pieces.enumerate().for_each(|(piece, ((state, actions), (rewards, observations)))| {
            let first = first.wrapping_add((piece * PIECE) as u64);
            level.run(Step { world, first, state, actions, rewards, observations });
        });
        self.stage += 1;
    }
}

struct Start<'a> {
    chain: &'a Chain,
    key: Key,
    first: u64,
    state: &'a mut [u32],
}

impl Kernel for Start<'_> {
    #[inline(always)]
    fn run(self) {
        let mut draws: Words = [[0; LANES]; 4];
        for (block, state) in blocks(self.state).enumerate() {
            Chain::before(self.key, self.first.wrapping_add((block * LANES) as u64), &mut draws);
            self.chain.start(&draws[0], state);
        }
    }
}

/// What all environments share in a step.
#[derive(Clone, Copy)]
struct World<'a> {
    model: &'a Model,
    chain: &'a Chain,
    seen: Option<&'a Table>,
    key: Key,
    stage: u32,
}

struct Step<'a> {
    world: World<'a>,
    first: u64,
    state: &'a mut [u32],
    actions: &'a [u8],
    rewards: &'a mut [f64],
    observations: &'a mut [i32],
}

impl Kernel for Step<'_> {
    #[inline(always)]
    fn run(self) {
        let World { model, chain, seen, key, stage } = self.world;
        let mut draws: Words = [[0; LANES]; 4];
        let (mut moved_by, mut row, mut action): (Lane<u32>, _, Lane<u8>) = ([0; LANES], [0; LANES], [0; LANES]);
        let (mut reward, mut nothing) = ([0.0; LANES], [0.0; LANES]);
        let outputs = self.rewards.chunks_mut(LANES).zip(self.observations.chunks_mut(LANES));
        let lanes = blocks(self.state).zip(self.actions.chunks(LANES)).zip(outputs);
        for (block, ((state, actions), (rewards, observations))) in lanes.enumerate() {
            let first = self.first.wrapping_add((block * LANES) as u64);
            let (n, before) = (actions.len(), *state);
            action[..n].copy_from_slice(actions);
            words(key, first, stage, 0, &mut draws);
            chain.models(key, first, stage, &mut moved_by);
            chain.row(&moved_by, state, &action, &mut row);
            chain.step(stage, &row, &draws[0], state, &mut reward);
            let mut observation = *state;
            if let Some(table) = seen {
                chain.row(&moved_by, state, &action, &mut row);
                table.draw(&row, &draws[1], &mut observation, &mut nothing);
            }
            if matches!(model.reward(), Reward::Full(_)) {
                for lane in 0..n {
                    let (s, a, o) = (before[lane] as usize, usize::from(action[lane]), observation[lane] as usize);
                    reward[lane] += model.realised_reward(s, a, state[lane] as usize, o);
                }
            }
            rewards.copy_from_slice(&reward[..n]);
            for lane in 0..n {
                observations[lane] = observation[lane] as i32;
            }
        }
    }
}

/// Whole blocks of lanes.
#[inline(always)]
fn blocks(lanes: &mut [u32]) -> impl Iterator<Item = &mut Lane<u32>> {
    lanes.chunks_exact_mut(LANES).map(|block| block.try_into().expect("a whole block"))
}
