//! Recorded episodes of observed states, many lanes in lockstep. The same numbers as [`Episode`](crate::Episode), faster.
//!
//! # What a step costs
//!
//! Philox takes 10 rounds of 2 widening products, 2 shifts and 4 exclusive ors (2 where three operands meet in one instruction):
//! 60 to 80 operations a step, in vectors of 2, 4 or 8 lanes. The walk takes about 6 loads (action, row, word, threshold, next
//! state, reward) and 4 stores, the record 3 loads, 3 stores and a copy, a lane at a time. With 2 to 4 vector operations, 4 loads
//! and 2 stores a cycle that is 2 to 4 cycles of Philox with AVX-512 (10 to 20 with SSE2) and about 5 for the rest. A record is
//! 4 + 4 + 1 + 8 = 17 bytes, which a core writes in well under a cycle to its second-level cache and about 2 to memory: arithmetic
//! is the bound, not memory.

use tiresias_model::{Policy, Tabular};

use crate::chain::{Chain, scaled};
use crate::level::Kernel;
use crate::philox::{LANES, Lane, Words, words};
use crate::rollout::{Columns, RolloutSpec};

/// A rollout compiled for lockstep.
pub(crate) struct Lockstep<'a> {
    spec: &'a RolloutSpec<'a>,
    chain: Chain,
    choice: Choice,
    /// The policy's action by `stage · S + state`; one stage when it is stationary, none when every action is random.
    table: Vec<u8>,
    /// Distance between the stages of `table`.
    stride: usize,
}

/// What a lane's action depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Policy,
    Random,
    Epsilon,
}

impl<'a> Lockstep<'a> {
    /// `None` where the scalar path is needed (hidden states, beliefs, nature's own policy, a policy that is not a table) or
    /// compiling the tables would cost more than the steps.
    pub(crate) fn new(spec: &'a RolloutSpec<'a>) -> Option<Self> {
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
        let (s, a, models) = (model.states().len(), model.actions().len(), model.dynamics().len());
        let set_up = s * (stages + a * models);
        let worth = spec.episodes.saturating_mul(spec.horizon) >= set_up.max(1);
        if model.observations().is_some() || spec.record_beliefs || !worth || spec.horizon > u32::MAX as usize {
            return None;
        }
        let chain = Chain::new(model, spec.nature)?;
        let entry = |i: usize| policy.map_or(0, |policy| policy.action_in_state(i / s, i % s, s) as u8);
        let table = (0..stages * s).map(entry).collect();
        Some(Self { spec, chain, choice, table, stride: if stages > 1 { s } else { 0 } })
    }

    /// The policy's actions at `stage`, by state.
    #[inline(always)]
    fn policy(&self, stage: usize) -> &[u8] {
        &self.table[stage * self.stride..]
    }

    #[inline(always)]
    fn choose(&self, stage: usize, draws: &Words, epsilon: &Lane<u64>, state: &Lane<u32>, action: &mut Lane<u8>) {
        let actions = self.spec.model.actions().len() as u32;
        if self.choice != Choice::Random {
            let policy = self.policy(stage);
            for lane in 0..LANES {
                action[lane] = policy[state[lane] as usize];
            }
        }
        if self.choice != Choice::Policy {
            for lane in 0..LANES {
                let explores = u64::from(draws[2][lane]) < epsilon[lane];
                let random = scaled(draws[3][lane], actions) as u8;
                action[lane] = if explores { random } else { action[lane] };
            }
        }
    }

    /// The lane's word of exploration must stay below this.
    #[inline(always)]
    fn epsilons(&self, draws: &Words, epsilon: &mut Lane<u64>) {
        if self.choice == Choice::Random {
            return epsilon.fill(u64::MAX);
        }
        for lane in 0..LANES {
            epsilon[lane] = (self.spec.behaviour.epsilon(draws[1][lane]) * 4_294_967_296.0).ceil() as u64;
        }
    }
}

/// The episodes of one piece of the batch, from `first` on, [`LANES`] at a time.
pub(crate) struct Walk<'a, 'b> {
    pub lockstep: &'a Lockstep<'a>,
    pub first: u64,
    pub columns: Columns<'b>,
}

impl Kernel for Walk<'_, '_> {
    #[inline(always)]
    fn run(self) {
        let Lockstep { spec, chain, choice, .. } = self.lockstep;
        let (horizon, key, mut columns) = (spec.horizon, spec.key, self.columns);
        let mut draws: Words = [[0; LANES]; 4];
        let (mut state, mut model, mut row, mut epsilon) = ([0; LANES], [0; LANES], [0; LANES], [0; LANES]);
        let (mut states, mut actions, mut rewards) = ([[0; LANES]; TILE], [[0; LANES]; TILE], [[0.0; LANES]; TILE]);
        let mut first = self.first;
        while let Some((episodes, block)) = columns.split(LANES, horizon) {
            Chain::before(key, first, &mut draws);
            chain.start(&draws[0], &mut state);
            if *choice != Choice::Policy {
                self.lockstep.epsilons(&draws, &mut epsilon);
            }
            let (mut total, mut weight) = ([0.0; LANES], 1.0);
            for from in (0..horizon).step_by(TILE) {
                let stages = TILE.min(horizon - from);
                for t in 0..stages {
                    let (stage, action, reward) = ((from + t) as u32, &mut actions[t], &mut rewards[t]);
                    words(key, first, stage, 0, &mut draws);
                    self.lockstep.choose(from + t, &draws, &epsilon, &state, action);
                    chain.models(key, first, stage, &mut model);
                    chain.row(&model, &state, action, &mut row);
                    states[t] = state;
                    chain.step(stage, &row, &draws[0], &mut state, reward);
                    for lane in 0..LANES {
                        total[lane] += weight * reward[lane];
                    }
                    weight *= spec.model.discount();
                }
                record(block.states, episodes, from, stages, |t, lane| states[t][lane]);
                record(block.actions, episodes, from, stages, |t, lane| actions[t][lane]);
                record(block.rewards, episodes, from, stages, |t, lane| rewards[t][lane]);
                if block.states.is_empty() {
                    record(block.observations, episodes, from, stages, |t, lane| states[t][lane] as i32);
                }
            }
            for step in 0..block.states.len().min(block.observations.len()) {
                block.observations[step] = block.states[step] as i32;
            }
            block.returns.copy_from_slice(&total[..episodes]);
            first = first.wrapping_add(LANES as u64);
        }
    }
}

/// Stages kept before they are written: enough for a whole line of every column, few enough for the first-level cache.
const TILE: usize = 16;

/// Writes stages `from..from + stages` of every episode of an `episodes × horizon` block; nothing when the block is not recorded.
/// The tile turns lanes side by side into episodes one after the other, so that memory is written in order. Not inlined: moves of a
/// lane at a time gain nothing from vectors, and here they have all registers.
#[inline(never)]
fn record<T: Copy>(block: &mut [T], episodes: usize, from: usize, stages: usize, value: impl Fn(usize, usize) -> T) {
    if block.is_empty() {
        return;
    }
    let (horizon, stages) = (block.len() / episodes, stages.min(TILE));
    for lane in 0..episodes.min(LANES) {
        let row = &mut block[lane * horizon + from..][..stages];
        for t in 0..stages {
            row[t] = value(t, lane);
        }
    }
}
