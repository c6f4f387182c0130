//! A vector environment: many episodes at one stage, stepped by actions from outside.

use std::sync::Arc;

use rayon::prelude::*;
use thiserror::Error;
use tiresias_model::memory::product;
use tiresias_model::random::Key;
use tiresias_model::{Model, Reward};

use crate::NatureRule;
use crate::chain::{Chain, cloud, fits};
use crate::level::{Isa, Kernel, Level};
use crate::philox::{Words, words};
use crate::rows::{Rows, Table};
use crate::stream::{BLOCK, Purpose};

/// Lanes stepped together.
const LANES: usize = 64;

/// One number a lane.
type Lane<T> = [T; LANES];

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
    /// Row `(m·S + s)·A + a`: the rows that compete for a step lie together.
    moves: Table,
    /// Rows over observations, numbered as the moves' by (model, state reached, action); `None` when the state is seen.
    seen: Option<Table>,
    key: Key,
    level: Level,
    first: u64,
    stage: u32,
    len: usize,
    /// Padded to whole blocks of lanes.
    state: Vec<u32>,
    /// The draws of this stage and its neighbours, by block of lanes.
    draws: Vec<Draws>,
}

/// Draws of four stages in a block of lanes; observation and nature where the model needs them.
#[derive(Debug, Clone)]
struct Draws {
    state: Words<LANES>,
    observation: Words<LANES>,
    nature: Words<LANES>,
}

/// Why a model cannot be stepped in lockstep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EnvironmentsError {
    /// The oracle's own nature depends on a belief.
    #[error("nature by the oracle's policy needs a belief: step episodes one by one, or choose fixed or resampled")]
    Nature,
    /// Actions are bytes and row numbers are words.
    #[error("a vector environment takes at most 256 actions and 2^28 rows (models · states · actions)")]
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
        if !fits(&model, models.len()) {
            return Err(EnvironmentsError::Size);
        }
        let (s, a) = (model.states().len(), model.actions().len());
        let pairs: Vec<_> = (0..s * a).map(|row| ((row / a) as u32, (row % a) as u32)).collect();
        let (chain, moves) = Chain::new(&model, models.clone(), &pairs);
        let moves = Table::new(&moves);
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
        let draws = Draws { state: [[0; LANES]; 4], observation: [[0; LANES]; 4], nature: [[0; LANES]; 4] };
        let draws = vec![draws; len.div_ceil(LANES)];
        let mut environments = Self { model, chain, moves, seen, key, level, first: 0, stage: 0, len, state, draws };
        environments.reset(0, &mut vec![0; len]);
        Ok(environments)
    }

    /// Bytes that `len` environments of a model take at least, the tables that they share left out.
    pub fn bytes_for(len: usize) -> usize {
        // One block of lanes more: the first observations, which are thrown away.
        product(&[len.div_ceil(LANES), size_of::<Draws>() + 2 * LANES * size_of::<u32>()])
    }

    /// Bytes that they take, the model that they share left out.
    pub fn bytes(&self) -> usize {
        let Self { model: _, chain, moves, seen, key: _, level: _, first: _, stage: _, len: _, state, draws } = self;
        let tables = chain.bytes() + moves.bytes() + seen.as_ref().map_or(0, Table::bytes);
        tables + size_of_val(&state[..]) + size_of_val(&draws[..])
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
        let (world, state, draws) = self.parts();
        let (level, hidden) = (world.level, world.seen.is_some());
        let pieces = state.par_chunks_mut(PIECE).zip(draws.par_chunks_mut(PIECE / LANES));
        pieces.zip(observations.par_chunks_mut(PIECE)).enumerate().for_each(|(piece, ((state, draws), seen))| {
            level.run(Start { world, first: first.wrapping_add((piece * PIECE) as u64), state, draws });
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
        let highest = actions.iter().fold(0, |highest, &action| if action > highest { action } else { highest });
        assert!(usize::from(highest) < self.model.actions().len(), "action {highest} is not one of the model's");
        let first = self.first;
        let (world, state, draws) = self.parts();
        let outputs = rewards.par_chunks_mut(PIECE).zip(observations.par_chunks_mut(PIECE));
        let inputs = draws.par_chunks_mut(PIECE / LANES).zip(actions.par_chunks(PIECE));
        let pieces = state.par_chunks_mut(PIECE).zip(inputs).zip(outputs);
        pieces.enumerate().for_each(|(piece, ((state, (draws, actions)), (rewards, observations)))| {
            let first = first.wrapping_add((piece * PIECE) as u64);
            world.level.run(Step { world, first, state, draws, actions, rewards, observations });
        });
        self.stage += 1;
    }

    /// What is shared, and what each lane has for itself.
    fn parts(&mut self) -> (World<'_>, &mut [u32], &mut [Draws]) {
        let Self { model, chain, moves, seen, key, level, stage, state, draws, .. } = self;
        let world = World { model, chain, moves, seen: seen.as_ref(), key: *key, level: *level, stage: *stage };
        (world, state, draws)
    }
}

/// What all environments share.
#[derive(Clone, Copy)]
struct World<'a> {
    model: &'a Model,
    chain: &'a Chain,
    moves: &'a Table,
    seen: Option<&'a Table>,
    key: Key,
    level: Level,
    stage: u32,
}

impl World<'_> {
    /// Draws number `n` and its block's others, for the purposes that this model has.
    #[inline(always)]
    fn draw(&self, first: u64, n: u32, draws: &mut Draws) {
        words(self.key, first, n / BLOCK, Purpose::State, &mut draws.state);
        if self.seen.is_some() {
            words(self.key, first, n / BLOCK, Purpose::Observation, &mut draws.observation);
        }
        if self.chain.models > 1 {
            words(self.key, first, n / BLOCK, Purpose::Nature, &mut draws.nature);
        }
    }
}

struct Start<'a> {
    world: World<'a>,
    first: u64,
    state: &'a mut [u32],
    draws: &'a mut [Draws],
}

impl Kernel for Start<'_> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        for (block, (state, draws)) in blocks(self.state).zip(self.draws).enumerate() {
            self.world.draw(self.first.wrapping_add((block * LANES) as u64), 0, draws);
            self.world.chain.start(isa, &draws.state[0], state);
        }
    }
}

struct Step<'a> {
    world: World<'a>,
    first: u64,
    state: &'a mut [u32],
    draws: &'a mut [Draws],
    actions: &'a [u8],
    rewards: &'a mut [f64],
    observations: &'a mut [i32],
}

impl Kernel for Step<'_> {
    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        let World { model, chain, moves, seen, stage, .. } = self.world;
        let (n, full) = (stage + 1, matches!(model.reward(), Reward::Full(_)));
        let k = (n % BLOCK) as usize;
        let (mut action, mut row): (Lane<u8>, Lane<u32>) = ([0; LANES], [0; LANES]);
        let mut symbol: Lane<u32> = [0; LANES];
        let count = model.actions().len() as u32;
        let outputs = self.rewards.chunks_mut(LANES).zip(self.observations.chunks_mut(LANES));
        let lanes = blocks(self.state).zip(self.draws).zip(self.actions.chunks(LANES)).zip(outputs);
        for (block, (((state, draws), actions), (rewards, observations))) in lanes.enumerate() {
            if k == 0 {
                self.world.draw(self.first.wrapping_add((block * LANES) as u64), n, draws);
            }
            let before = *state;
            action[..actions.len()].copy_from_slice(actions);
            number(chain, &draws.nature[k], &before, count, &action, &mut row);
            moves.draws(&row, &draws.state[k], state, &mut symbol);
            let mut observation = *state;
            if let Some(table) = seen {
                number(chain, &draws.nature[k], state, count, &action, &mut row);
                table.events(&row, &draws.observation[k], &mut observation);
            }
            let added = chain.added(stage as usize);
            for lane in 0..rewards.len() {
                let next = state[lane] as usize;
                let mut reward = moves.rewards()[symbol[lane] as usize];
                if full {
                    let (s, a, o) = (before[lane] as usize, usize::from(action[lane]), observation[lane] as usize);
                    reward += model.realised_reward(s, a, next, o);
                }
                if let Some(added) = added {
                    reward += added[next];
                }
                rewards[lane] = reward;
                observations[lane] = observation[lane] as i32;
            }
        }
    }
}

/// The row of every lane.
#[inline(always)]
fn number(chain: &Chain, nature: &Lane<u32>, state: &Lane<u32>, actions: u32, action: &Lane<u8>, row: &mut Lane<u32>) {
    for lane in 0..LANES {
        row[lane] = state[lane] * actions + u32::from(action[lane]);
    }
    if chain.models > 1 {
        chain.move_to_model(nature, row);
    }
}

/// Whole blocks of lanes.
#[inline(always)]
fn blocks(lanes: &mut [u32]) -> impl Iterator<Item = &mut Lane<u32>> {
    lanes.chunks_exact_mut(LANES).map(|block| block.try_into().expect("a whole block"))
}
