//! The Bellman operator over all states.

use rayon::ThreadPool;
use rayon::prelude::*;
use tiresias_model::{Ambiguity, Model, Reward, Support};

use super::block::{Block, Desk, Memory, Operator};
use super::held::Held;
use super::rivals::Rise;
use crate::{Limits, Stopped};

/// States a task sweeps at most: few enough that their values stay in the innermost cache while the actions pass over them, enough that
/// every action reads its rows in long runs.
const BLOCK: usize = 1024;
/// And at least, however long their rows.
const SMALL_BLOCK: usize = 16;
/// Kernel entries a thread reads between two looks at the clock: some milliseconds.
const ENTRIES_A_LOOK: usize = 1 << 22;
/// Kernels smaller than this are swept faster than what could be left out is found.
const ENTRIES_TO_REMEMBER: usize = 1 << 10;
/// Kernels smaller than this are swept faster than threads are woken.
const ENTRIES_FOR_THREADS: usize = 1 << 17;

/// The least and the greatest entry of `BV - V`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change {
    pub least: f64,
    pub greatest: f64,
}

impl Change {
    const NONE: Self = Self { least: f64::INFINITY, greatest: f64::NEG_INFINITY };

    pub fn span(self) -> f64 {
        self.greatest - self.least
    }

    /// Minimum and maximum do not depend on the order, so neither does the result on the number of threads.
    fn and(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), greatest: self.greatest.max(other.greatest) }
    }

    fn with(self, step: f64) -> Self {
        self.and(Self { least: step, greatest: step })
    }
}

/// What a sweep, or a part of it, did.
#[derive(Debug, Clone, Copy)]
struct Swept {
    change: Change,
    /// Action values computed.
    backups: u64,
}

impl Swept {
    const NONE: Self = Self { change: Change::NONE, backups: 0 };

    fn and(self, other: Self) -> Self {
        Self { change: self.change.and(other.change), backups: self.backups + other.backups }
    }
}

/// Sweeps over all states of a model, in blocks that threads take and in an order that gives the same bits for any number of them.
pub(crate) struct Sweeps<'a> {
    model: &'a Model,
    pool: Option<ThreadPool>,
    /// States a block.
    block: usize,
    /// Blocks between two looks at the clock.
    slab: usize,
    blocks: Vec<Block>,
    rise: Rise,
    /// Bytes that sweeps keep.
    pub bytes: usize,
    /// Action values computed so far.
    pub backups: u64,
}

impl<'a> Sweeps<'a> {
    /// For `limits.threads` threads, within what of `limits.memory` is left beside `taken` bytes.
    pub fn new(model: &'a Model, limits: &Limits, taken: usize) -> Self {
        let (states, actions) = (model.states().len(), model.actions().len());
        let entries = match model.ambiguity() {
            Some(Ambiguity::Interval { upper, .. }) => upper.entries(),
            _ => model.dynamics().iter().map(|d| d.transition.entries()).sum(),
        };
        // Inside somebody's pool the other threads have tasks of their own, and waiting for them would outlast any time limit.
        let alone = rayon::current_thread_index().is_none();
        let wanted = limits.threads > 1 && alone && entries >= ENTRIES_FOR_THREADS;
        // No threads to be had: the caller's own thread does the work.
        let pool = wanted.then(|| rayon::ThreadPoolBuilder::new().num_threads(limits.threads).build().ok()).flatten();
        let share = pool.as_ref().map_or(1, ThreadPool::current_num_threads) * ENTRIES_A_LOOK;
        // Where nature may lead anywhere and that pays, a row is looked for among all states.
        let anywhere = matches!(model.ambiguity(), Some(Ambiguity::L1 { support: Support::All, .. }));
        let looks =
            if anywhere && matches!(model.reward(), Reward::Transition(_)) { states * states * actions } else { 0 };
        let by_state = entries.max(looks) as f64 / states as f64;
        let block = ((ENTRIES_A_LOOK as f64 / by_state) as usize).clamp(SMALL_BLOCK, BLOCK);
        let slab = (share as f64 / by_state) as usize / block;
        let ceilings = size_of::<f32>() * states * (actions + 1);
        let (memory, bytes) = if entries < ENTRIES_TO_REMEMBER {
            (Memory::Nothing, 0)
        } else if Held::pays(model) {
            let all = ceilings + Held::bytes(model);
            let fits = limits.memory.is_none_or(|limit| taken + all <= limit);
            if fits { (Memory::CeilingsAndRows, all) } else { (Memory::Ceilings, ceilings) }
        } else {
            (Memory::Ceilings, ceilings)
        };
        let blocks = (0..states).step_by(block).map(|base| Block::new(base, memory)).collect();
        Self { model, pool, block, slab: slab.max(1), blocks, rise: Rise::default(), bytes, backups: 0 }
    }

    /// Threads that a sweep runs on.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, ThreadPool::current_num_threads)
    }

    /// `BV - reference` into `value` and a best action (the first) into `actions`, for `V = next`; how far `BV` is from `V`.
    /// `before` is the V of the last improvement (empty at the first), and `actions` what it found. `pause` is asked between slabs
    /// whether to give up; no improvement can follow then. O(entries of all kernels) time, and less the more actions are known to be
    /// worse.
    pub fn improve(
        &mut self,
        before: &[f64],
        next: &[f64],
        reference: f64,
        value: &mut [f64],
        actions: &mut [u32],
        pause: &mut dyn FnMut() -> Option<Stopped>,
    ) -> Result<Change, Stopped> {
        self.rise.step(self.model.discount(), before, next);
        let (operator, rise) = (Operator::new(self.model, next), self.rise);
        self.all(value, actions, pause, |block, value, actions| {
            let backups = block.improve(&operator, rise, value, actions);
            Swept { change: finish(value, &next[block.base..], reference), backups }
        })
    }

    /// `B_π V - reference` into `value` for the policy `actions` and `V = next`; how far `B_π V` is from `V`.
    pub fn follow(
        &mut self,
        next: &[f64],
        reference: f64,
        value: &mut [f64],
        actions: &mut [u32],
        pause: &mut dyn FnMut() -> Option<Stopped>,
    ) -> Result<Change, Stopped> {
        let operator = Operator::new(self.model, next);
        self.all(value, actions, pause, |block, value, actions| {
            block.follow(&operator, value, actions, &mut Desk::default());
            Swept { change: finish(value, &next[block.base..], reference), backups: value.len() as u64 }
        })
    }

    fn all(
        &mut self,
        value: &mut [f64],
        actions: &mut [u32],
        pause: &mut dyn FnMut() -> Option<Stopped>,
        sweep: impl Fn(&mut Block, &mut [f64], &mut [u32]) -> Swept + Sync,
    ) -> Result<Change, Stopped> {
        let mut swept = Swept::NONE;
        let (block, states) = (self.block, self.slab * self.block);
        let slabs = self.blocks.chunks_mut(self.slab).zip(value.chunks_mut(states)).zip(actions.chunks_mut(states));
        for (i, ((blocks, value), actions)) in slabs.enumerate() {
            if let Some(reason) = if i > 0 { pause() } else { None } {
                return Err(reason);
            }
            let step = |((block, value), actions): ((&mut Block, &mut [f64]), &mut [u32])| sweep(block, value, actions);
            let slab = if let Some(pool) = &self.pool {
                pool.install(|| {
                    let parts =
                        blocks.par_iter_mut().zip(value.par_chunks_mut(block)).zip(actions.par_chunks_mut(block));
                    parts.map(step).reduce(|| Swept::NONE, Swept::and)
                })
            } else {
                let parts = blocks.iter_mut().zip(value.chunks_mut(block)).zip(actions.chunks_mut(block));
                parts.map(step).fold(Swept::NONE, Swept::and)
            };
            swept = swept.and(slab);
        }
        self.backups += swept.backups;
        Ok(swept.change)
    }
}

/// The change of a block, and its values less the reference.
fn finish(value: &mut [f64], next: &[f64], reference: f64) -> Change {
    value.iter_mut().zip(next).fold(Change::NONE, |change, (value, old)| {
        let change = change.with(*value - old);
        *value -= reference;
        change
    })
}
