//! Recorded episodes of observed states, many lanes in lockstep. The same numbers as [`Episode`](crate::Episode), faster.
//!
//! # What a step costs
//!
//! Ten steps draw 11 words, 3 blocks of Philox. A block is 20 products, 20 shifts and 40 exclusive ors (20 where three operands meet
//! in one instruction), in vectors of 2, 4 or 8 lanes: 12, 6 or 2.3 vector operations a step. A row of two outcomes is 3 look-ups, a
//! comparison and a choice for 16 lanes in registers, or 4 loads and a store a lane through memory. A code is turned in 72 operations
//! for 64 bytes in each of 2, 4 or 8 words, and stored once; the record then reads 1 byte a step and writes 17. A core writes these to
//! its second-level cache in under a cycle: in cache arithmetic is the bound, and Philox the largest part of it; out of cache it is
//! memory.

use tiresias_model::{Policy, Tabular};

use crate::chain::{Chain, cloud, fits, scaled};
use crate::isa::{GROUP, look_up};
use crate::level::{Isa, Kernel};
use crate::packed::Packed;
use crate::philox::{Words, words};
use crate::record::{TILE, spread, turn};
use crate::rollout::{Columns, RolloutSpec};
use crate::rows::Table;
use crate::stream::{BLOCK, Purpose};

/// Lanes stepped together: enough to hide the latency of the look-ups, few enough that a block stays in the first-level cache.
const LANES: usize = 64;

/// Lanes stepped together where fewer than [`LANES`] episodes are left.
const FEW: usize = 16;

/// A rollout compiled for lockstep.
#[derive(Clone)]
pub(crate) struct Lockstep<'a> {
    spec: RolloutSpec<'a>,
    chain: Chain,
    moves: Moves,
    choice: Choice,
    /// The row of the policy's action by `stage · stride + state`, padded with zeros to what registers look up. Empty where the
    /// row is the state itself, or every action is random.
    rows: Vec<u32>,
    /// Distance between the stages of `rows`; 0 when the policy is stationary.
    stride: usize,
}

/// What an action depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Policy,
    Random,
    Epsilon,
}

/// The rows, as small as they can be written.
#[derive(Debug, Clone)]
enum Moves {
    Packed(Box<Packed>),
    /// Any number of states and rewards; actions by row of the first model.
    Wide {
        table: Table,
        actions: Vec<u8>,
    },
}

impl<'a> Lockstep<'a> {
    /// `None` where the scalar path is needed: hidden states, beliefs, nature's own policy, a policy that is not a table.
    /// O(horizon · S) for a policy that depends on the stage, and O(entries of P) of the rows that it may take.
    pub(crate) fn new(spec: &RolloutSpec<'a>) -> Option<Self> {
        let model = spec.model;
        let choice = match spec.behaviour.only_epsilon() {
            _ if spec.policy.is_none() => Choice::Random,
            Some(0.0) => Choice::Policy,
            Some(1.0) => Choice::Random,
            _ => Choice::Epsilon,
        };
        let policy = spec.policy.filter(|_| choice != Choice::Random);
        let stages = match policy.map(Policy::tabular) {
            None => 0,
            Some(None) => return None,
            Some(Some(Tabular::Stationary)) => 1,
            Some(Some(Tabular::Staged)) => spec.horizon,
        };
        let cloud = cloud(model, spec.nature)?;
        let long = u32::try_from(spec.horizon).is_err();
        if model.observations().is_some() || spec.record_beliefs || long || !fits(model, cloud.len()) {
            return None;
        }
        let (s, a) = (model.states().len(), model.actions().len());
        let action = |stage: usize, state: usize| policy.map_or(0, |policy| policy.action_in_state(stage, state, s));
        let (mut pairs, mut rows) = (Vec::new(), Vec::new());
        let width = if s <= 2 * GROUP { s.next_multiple_of(GROUP) } else { s };
        if choice == Choice::Policy && stages == 1 {
            pairs.extend((0..s).map(|state| (state as u32, action(0, state) as u32)));
        } else {
            // The policy's rows alone where no other is met, numbered as they come.
            let mut number = vec![u32::MAX; s * a];
            if choice != Choice::Policy {
                pairs.extend((0..s * a).map(|row| ((row / a) as u32, (row % a) as u32)));
                number = (0..(s * a) as u32).collect();
            }
            rows.resize(stages * width, 0);
            for stage in 0..stages {
                let rows = &mut rows[stage * width..][..s];
                for (state, row) in rows.iter_mut().enumerate() {
                    let action = action(stage, state);
                    let number = &mut number[state * a + action];
                    if *number == u32::MAX {
                        *number = pairs.len() as u32;
                        pairs.push((state as u32, action as u32));
                    }
                    *row = *number;
                }
            }
        }
        let (chain, table) = Chain::new(model, cloud, &pairs);
        let moves = match Packed::new(&table, &pairs) {
            Some(packed) => Moves::Packed(Box::new(packed)),
            None => Moves::Wide {
                table: Table::new(&table),
                actions: pairs.iter().map(|&(_, action)| action as u8).collect(),
            },
        };
        Some(Self { spec: *spec, chain, moves, choice, rows, stride: if stages > 1 { width } else { 0 } })
    }

    /// The row of every lane at `stage`: `state` itself where rows are states, else `row`, filled.
    #[inline(always)]
    fn rows<'b, I: Isa, const L: usize>(
        &self,
        isa: I,
        stage: usize,
        draws: &Draws<L>,
        epsilon: &[u64; L],
        state: &'b [u32; L],
        row: &'b mut [u32; L],
    ) -> &'b [u32; L] {
        let k = (stage + 1) % TILE;
        if self.choice != Choice::Random {
            if self.rows.is_empty() && self.chain.models == 1 {
                return state;
            }
            if self.rows.is_empty() {
                *row = *state;
            } else {
                let states = self.spec.model.states().len();
                let width = if states <= 2 * GROUP { states.next_multiple_of(GROUP) } else { states };
                look_up(isa, &self.rows[stage * self.stride..][..width], state, row);
            }
        }
        if self.choice != Choice::Policy {
            let actions = self.spec.model.actions().len() as u32;
            let (explore, action) = (draws.of(Purpose::Behaviour, k), draws.of(Purpose::Action, k));
            for lane in 0..L {
                let random = state[lane] * actions + scaled(action[lane], actions);
                row[lane] = if u64::from(explore[lane]) < epsilon[lane] { random } else { row[lane] };
            }
        }
        if self.chain.models > 1 {
            self.chain.move_to_model(draws.of(Purpose::Nature, k), row);
        }
        row
    }

    /// A word of exploration below this explores.
    #[inline(always)]
    fn epsilons<const L: usize>(&self, word: &[u32; L], epsilon: &mut [u64; L]) {
        if self.choice == Choice::Random {
            return epsilon.fill(u64::MAX);
        }
        for lane in 0..L {
            epsilon[lane] = (self.spec.behaviour.epsilon(word[lane]) * 4_294_967_296.0).ceil() as u64;
        }
    }

    /// Whether a step reads the draws of a purpose.
    fn reads(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::State => true,
            Purpose::Observation => false,
            Purpose::Behaviour => self.choice == Choice::Epsilon,
            Purpose::Action => self.choice != Choice::Policy,
            Purpose::Nature => self.chain.models > 1,
        }
    }
}

/// The draws of one tile, by purpose. [`TILE`] is a whole number of blocks, and draw 0 is the first of the first tile.
struct Draws<const L: usize>([[Words<L>; TILE / BLOCK as usize]; 5]);

impl<const L: usize> Draws<L> {
    #[inline(always)]
    fn of(&self, purpose: Purpose, k: usize) -> &[u32; L] {
        &self.0[purpose as usize][k / BLOCK as usize][k % BLOCK as usize]
    }
}

/// What a block of lanes holds between steps.
struct Lanes<const L: usize> {
    draws: Draws<L>,
    state: [u32; L],
    row: [u32; L],
    epsilon: [u64; L],
    total: [f64; L],
}

impl<const L: usize> Lanes<L> {
    fn new() -> Self {
        let draws = Draws([[[[0; L]; 4]; TILE / 4]; 5]);
        Self { draws, state: [0; L], row: [0; L], epsilon: [0; L], total: [0.0; L] }
    }

    /// Draws `from..to`, a tile, of episodes from `first` on; before the first decision, the start states too.
    #[inline(always)]
    fn draw<I: Isa>(&mut self, isa: I, lockstep: &Lockstep<'_>, first: u64, from: usize, to: usize) {
        let key = lockstep.spec.key;
        for purpose in [Purpose::State, Purpose::Behaviour, Purpose::Action, Purpose::Nature] {
            if lockstep.reads(purpose) {
                let block = from as u32 / BLOCK;
                for b in 0..(to - from).div_ceil(BLOCK as usize) {
                    words(key, first, block + b as u32, purpose, &mut self.draws.0[purpose as usize][b]);
                }
            }
        }
        if from == 0 {
            lockstep.chain.start(isa, self.draws.of(Purpose::State, 0), &mut self.state);
            if lockstep.choice != Choice::Policy {
                lockstep.epsilons(self.draws.of(Purpose::Behaviour, 0), &mut self.epsilon);
            }
            self.total.fill(0.0);
        }
    }
}

/// The episodes of one piece of the batch, from `first` on.
pub(crate) struct Walk<'a, 'b> {
    pub lockstep: &'a Lockstep<'a>,
    pub first: u64,
    pub columns: Columns<'b>,
    /// Whether to leave the rest as it is.
    pub stopped: &'a dyn Fn() -> bool,
}

/// Steps of a block of lanes between two questions whether to stop.
const LOOK: usize = 1 << 14;

impl Kernel for Walk<'_, '_> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        if self.columns.returns.len() > 3 * FEW {
            self.blocks::<I, LANES>(isa);
        } else {
            self.blocks::<I, FEW>(isa);
        }
    }
}

impl Walk<'_, '_> {
    #[inline(always)]
    fn blocks<I: Isa, const L: usize>(&mut self, isa: I) {
        let lockstep = self.lockstep;
        let horizon = lockstep.spec.horizon;
        let mut lanes = Lanes::<L>::new();
        match &lockstep.moves {
            Moves::Packed(packed) => {
                walk_packed(isa, lockstep, packed, self.first, &mut self.columns, &mut lanes, self.stopped);
            }
            Moves::Wide { table, actions } => {
                while let Some((_, mut block)) = self.columns.split(L, horizon) {
                    walk_wide(isa, lockstep, (table, actions), self.first, &mut block, &mut lanes, self.stopped);
                    self.first = self.first.wrapping_add(L as u64);
                }
            }
        }
    }
}

/// The episodes of a small model: codes, turned as bytes, then looked up in the order of the record. Looking up waits until all
/// blocks have walked: codes that are read back at once, in other widths than they were written, would have to reach the cache
/// first.
#[inline(always)]
fn walk_packed<I: Isa, const L: usize>(
    isa: I,
    lockstep: &Lockstep<'_>,
    packed: &Packed,
    mut first: u64,
    columns: &mut Columns<'_>,
    lanes: &mut Lanes<L>,
    stopped: &dyn Fn() -> bool,
) {
    let (horizon, discount) = (lockstep.spec.horizon, lockstep.spec.model.discount());
    let (recorded, rewarded) = (columns.records(), !columns.rewards.is_empty());
    let mut record = vec![0; if recorded { columns.returns.len() * horizon } else { 0 }];
    // The last stage's rewards, where the final reward is added to what the codes stand for.
    let mut ends = Vec::new();
    let mut codes = [[0; L]; TILE];
    let (mut event, mut reward) = ([0; L], [0.0; L]);
    for (block, returns) in columns.returns.chunks_mut(L).enumerate() {
        let mut weight = 1.0;
        for from in (0..=horizon).step_by(TILE) {
            if from > 0 && from.is_multiple_of(LOOK) && stopped() {
                return;
            }
            let to = (from + TILE).min(horizon + 1);
            lanes.draw(isa, lockstep, first, from, to);
            let begin = from.max(1);
            for n in begin..to {
                let (t, stage) = (n - begin, n - 1);
                let Lanes { draws, state, row, epsilon, total } = &mut *lanes;
                let row = lockstep.rows(isa, stage, draws, epsilon, state, row);
                packed.events(isa, row, draws.of(Purpose::State, n % TILE), &mut event);
                for lane in 0..L {
                    codes[t][lane] = event[lane] as u8;
                    state[lane] = event[lane] >> 8;
                }
                packed.rewards(isa, &codes[t], &mut reward);
                if let Some(added) = lockstep.chain.added(stage) {
                    for lane in 0..L {
                        reward[lane] += added[state[lane] as usize];
                    }
                    if rewarded {
                        ends.extend_from_slice(&reward);
                    }
                }
                for lane in 0..L {
                    total[lane] += weight * reward[lane];
                }
                weight *= discount;
            }
            if recorded {
                turn(&codes, (returns.len(), horizon), (begin - 1, to - begin), &mut record[block * L * horizon..]);
            }
        }
        returns.copy_from_slice(&lanes.total[..returns.len()]);
        first = first.wrapping_add(L as u64);
    }
    packed.record(isa, &record, columns);
    if rewarded {
        packed.rewards(isa, &record, columns.rewards);
        if let Some(last) = lockstep.chain.last() {
            let rows = columns.rewards.chunks_exact_mut(horizon);
            rows.zip(ends).for_each(|(row, reward)| row[last] = reward);
        }
    }
}

/// One block of a model of any size: numbers turned as they are.
#[inline(always)]
fn walk_wide<I: Isa, const L: usize>(
    isa: I,
    lockstep: &Lockstep<'_>,
    (table, action_of): (&Table, &[u8]),
    first: u64,
    block: &mut Columns<'_>,
    lanes: &mut Lanes<L>,
    stopped: &dyn Fn() -> bool,
) {
    let (horizon, discount) = (lockstep.spec.horizon, lockstep.spec.model.discount());
    let episodes = block.returns.len();
    let (mut states, mut actions, mut rewards) = ([[0; L]; TILE], [[0; L]; TILE], [[0.0; L]; TILE]);
    let mut symbol = [0; L];
    let mut weight = 1.0;
    for from in (0..=horizon).step_by(TILE) {
        if from > 0 && from.is_multiple_of(LOOK) && stopped() {
            return;
        }
        let to = (from + TILE).min(horizon + 1);
        lanes.draw(isa, lockstep, first, from, to);
        let begin = from.max(1);
        for n in begin..to {
            let (t, stage) = (n - begin, n - 1);
            let Lanes { draws, state, row, epsilon, total } = &mut *lanes;
            states[t] = *state;
            let row = lockstep.rows(isa, stage, draws, epsilon, &states[t], row);
            table.draws(row, draws.of(Purpose::State, n % TILE), state, &mut symbol);
            for lane in 0..L {
                let row = row[lane] as usize;
                actions[t][lane] = action_of[if lockstep.chain.models > 1 { row % action_of.len() } else { row }];
                rewards[t][lane] = table.rewards()[symbol[lane] as usize];
            }
            if let Some(added) = lockstep.chain.added(stage) {
                for lane in 0..L {
                    rewards[t][lane] += added[state[lane] as usize];
                }
            }
            for lane in 0..L {
                total[lane] += weight * rewards[t][lane];
            }
            weight *= discount;
        }
        let (shape, tile) = ((episodes, horizon), (begin - 1, to - begin));
        if !block.states.is_empty() {
            spread(shape, tile, block.states, |t, lane| states[t][lane]);
        }
        if !block.observations.is_empty() {
            spread(shape, tile, block.observations, |t, lane| states[t][lane] as i32);
        }
        if !block.actions.is_empty() {
            turn(&actions, shape, tile, block.actions);
        }
        if !block.rewards.is_empty() {
            spread(shape, tile, block.rewards, |t, lane| rewards[t][lane]);
        }
    }
    block.returns.copy_from_slice(&lanes.total[..episodes]);
}
