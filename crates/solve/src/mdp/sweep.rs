//! The Bellman operator: at one state and action, and over all states.

use rayon::ThreadPool;
use rayon::prelude::*;
use tiresias_model::{Ambiguity, Model, Nature as Answers};

use super::drain::{LANES, Lane};
use super::nature::{End, Nature, Room};
use crate::Stopped;

/// States a task sweeps: few enough that their values stay in the innermost cache while the actions pass over them, enough that
/// every action reads its rows in long runs.
const BLOCK: usize = 1024;
/// Kernel entries a thread reads between two looks at the clock: some milliseconds.
const ENTRIES_A_LOOK: usize = 1 << 22;
/// Kernels smaller than this are swept faster than threads are woken.
const ENTRIES_FOR_THREADS: usize = 1 << 17;

/// The α-MEU aggregate of the models' values: `α min + (1-α) max`.
#[inline]
pub(crate) fn blend(alpha: f64, lowest: f64, highest: f64) -> f64 {
    // Written so that α = 1 and equal ends give the minimum exactly.
    if lowest == highest { lowest } else { alpha * lowest + (1.0 - alpha) * highest }
}

/// `Σ_s' P(s'|row) V(s')`, always added in the same order: a value is the same number wherever it is computed.
#[inline]
fn mean((index, probability): (&[u32], &[f64]), next: &[f64]) -> f64 {
    index.iter().zip(probability).fold(0.0, |sum, (&s, p)| sum + p * next[s as usize])
}

/// `r_m(s,a) + γ Σ_s' P_m(s'|s,a) V(s')`.
#[inline]
pub(crate) fn backed_up(model: &Model, m: usize, state: usize, action: usize, next: &[f64]) -> f64 {
    let row = action * model.states().len() + state;
    model.expected_reward(m)[row] + model.discount() * mean(model.dynamics()[m].transition.row(row), next)
}

/// The values of actions in one state after another, all with the same next values.
pub(crate) struct Backups<'a> {
    model: &'a Model,
    next: &'a [f64],
    nature: Option<Nature<'a>>,
}

impl<'a> Backups<'a> {
    pub fn new(model: &'a Model, next: &'a [f64]) -> Self {
        Self { model, next, nature: Nature::new(model, next) }
    }

    /// The α-MEU value of an action, and the models of the cloud that nature answers it with.
    pub fn q(&self, state: usize, action: usize, room: &mut Room) -> (f64, Answers) {
        let model = self.model;
        let mut answers = Answers { minimiser: 0, maximiser: 0 };
        if let Some(nature) = &self.nature {
            return (ambiguous(model, nature, &[action * model.states().len() + state], room)[0], answers);
        }
        let first = backed_up(model, 0, state, action, self.next);
        let (mut low, mut high) = (first, first);
        for m in 1..model.dynamics().len() {
            let value = backed_up(model, m, state, action, self.next);
            if value < low {
                (low, answers.minimiser) = (value, m);
            }
            if value > high {
                (high, answers.maximiser) = (value, m);
            }
        }
        (blend(model.alpha(), low, high), answers)
    }

    /// The distribution over next states that nature answers with in the mean, `α p_min + (1-α) p_max`: under it the expected value
    /// of the action is its α-MEU value. Entries may repeat.
    pub fn answer(&self, state: usize, action: usize, room: &mut Room) -> Vec<(usize, f64)> {
        let (row, alpha) = (action * self.model.states().len() + state, self.model.alpha());
        let mut mixed = Vec::new();
        if let Some(nature) = &self.nature {
            for (end, share) in [(End::Least, alpha), (End::Greatest, 1.0 - alpha)].into_iter().filter(|e| e.1 > 0.0) {
                nature.answer(row, end, room);
                mixed.extend(room.columns.iter().zip(&room.p).map(|(&s, p)| (s as usize, share * p)));
            }
        } else {
            let Answers { minimiser, maximiser } = self.q(state, action, room).1;
            for (m, share) in [(minimiser, alpha), (maximiser, 1.0 - alpha)] {
                mixed.extend(self.model.dynamics()[m].transition.pairs(row).map(|(s, p)| (s, share * p)));
            }
        }
        mixed
    }
}

/// The α-MEU values of at most `LANES` rows `a * S + s` over their ambiguity sets.
fn ambiguous(model: &Model, nature: &Nature, rows: &[usize], room: &mut Room) -> Lane {
    let mut at = |end| nature.values(rows, end, room);
    match model.alpha() {
        1.0 => at(End::Least),
        0.0 => at(End::Greatest),
        alpha => {
            let (low, high) = (at(End::Least), at(End::Greatest));
            std::array::from_fn(|l| blend(alpha, low[l], high[l]))
        }
    }
}

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

/// Sweeps over all states of a model, in blocks that threads take and in an order that gives the same bits for any number of them.
pub(crate) struct Sweeps<'a> {
    model: &'a Model,
    pool: Option<ThreadPool>,
    /// States between two looks at the clock, a multiple of [`BLOCK`].
    slab: usize,
}

impl<'a> Sweeps<'a> {
    pub fn new(model: &'a Model, threads: usize) -> Self {
        let entries = match model.ambiguity() {
            Some(Ambiguity::Interval { upper, .. }) => upper.entries(),
            _ => model.dynamics().iter().map(|d| d.transition.entries()).sum(),
        };
        // Inside somebody's pool the other threads have tasks of their own, and waiting for them would outlast any time limit.
        let alone = rayon::current_thread_index().is_none();
        let wanted = threads > 1 && alone && entries >= ENTRIES_FOR_THREADS;
        // No threads to be had: the caller's own thread does the work.
        let pool = wanted.then(|| rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok()).flatten();
        let states = model.states().len();
        let share = pool.as_ref().map_or(1, ThreadPool::current_num_threads) * ENTRIES_A_LOOK;
        let slab = (share as f64 / entries as f64 * states as f64) as usize / BLOCK * BLOCK;
        Self { model, pool, slab: slab.max(BLOCK) }
    }

    /// Threads that a sweep runs on.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, ThreadPool::current_num_threads)
    }

    /// `BV - reference` into `value` and a best action (the first) into `actions`, for `V = next`; how far `BV` is from `V`.
    /// `pause` is asked between slabs whether to give up. O(entries of all kernels) time, no memory.
    pub fn improve(
        &self,
        next: &[f64],
        reference: f64,
        value: &mut [f64],
        actions: &mut [u32],
        pause: &mut dyn FnMut() -> Option<Stopped>,
    ) -> Result<Change, Stopped> {
        let nature = Nature::new(self.model, next);
        self.all(value, actions, pause, |base, value, actions| {
            let (mut q, mut high, mut room) = ([0.0; BLOCK], [0.0; BLOCK], Room::default());
            value.fill(f64::NEG_INFINITY);
            for action in 0..self.model.actions().len() {
                let q = &mut q[..value.len()];
                if let Some(nature) = &nature {
                    let rows = action * next.len() + base;
                    for (k, q) in q.chunks_mut(LANES).enumerate() {
                        let rows: [usize; LANES] = std::array::from_fn(|l| rows + k * LANES + l);
                        let values = ambiguous(self.model, nature, &rows[..q.len()], &mut room);
                        q.copy_from_slice(&values[..q.len()]);
                    }
                } else {
                    self.action_values(action, base, next, q, &mut high);
                }
                for ((best, chosen), &q) in value.iter_mut().zip(&mut *actions).zip(&*q) {
                    if q > *best {
                        (*best, *chosen) = (q, action as u32);
                    }
                }
            }
            finish(value, &next[base..], reference)
        })
    }

    /// `B_π V - reference` into `value` for the policy `actions` and `V = next`; how far `B_π V` is from `V`.
    pub fn follow(
        &self,
        next: &[f64],
        reference: f64,
        value: &mut [f64],
        actions: &mut [u32],
        pause: &mut dyn FnMut() -> Option<Stopped>,
    ) -> Result<Change, Stopped> {
        let backups = Backups::new(self.model, next);
        self.all(value, actions, pause, |base, value, actions| {
            let mut room = Room::default();
            for (i, (value, &action)) in value.iter_mut().zip(&*actions).enumerate() {
                *value = backups.q(base + i, action as usize, &mut room).0;
            }
            finish(value, &next[base..], reference)
        })
    }

    /// `Q(s, action)` under the cloud for the states from `base` on. One action after the other, because that is how rows lie in memory.
    fn action_values(&self, action: usize, base: usize, next: &[f64], q: &mut [f64], high: &mut [f64]) {
        let (s, discount) = (self.model.states().len(), self.model.discount());
        let rows = action * s + base;
        for (m, dynamics) in self.model.dynamics().iter().enumerate() {
            let reward = &self.model.expected_reward(m)[rows..][..q.len()];
            let kernel = dynamics.transition.rows_from(rows);
            let values = reward.iter().zip(kernel).map(|(r, row)| r + discount * mean(row, next));
            if m == 0 {
                q.iter_mut().zip(values).for_each(|(q, value)| *q = value);
                high[..q.len()].copy_from_slice(q);
            } else {
                for ((low, high), value) in q.iter_mut().zip(&mut *high).zip(values) {
                    (*low, *high) = (low.min(value), high.max(value));
                }
            }
        }
        if self.model.dynamics().len() > 1 {
            let alpha = self.model.alpha();
            q.iter_mut().zip(high).for_each(|(q, high)| *q = blend(alpha, *q, *high));
        }
    }

    fn all(
        &self,
        value: &mut [f64],
        actions: &mut [u32],
        pause: &mut dyn FnMut() -> Option<Stopped>,
        block: impl Fn(usize, &mut [f64], &mut [u32]) -> Change + Sync,
    ) -> Result<Change, Stopped> {
        let mut change = Change::NONE;
        let slabs = value.chunks_mut(self.slab).zip(actions.chunks_mut(self.slab));
        for (slab, (value, actions)) in slabs.enumerate() {
            let base = slab * self.slab;
            if let Some(reason) = if slab > 0 { pause() } else { None } {
                return Err(reason);
            }
            let step =
                |(i, (value, actions)): (usize, (&mut [f64], &mut [u32]))| block(base + i * BLOCK, value, actions);
            let slab = if let Some(pool) = &self.pool {
                pool.install(|| {
                    let blocks = value.par_chunks_mut(BLOCK).zip(actions.par_chunks_mut(BLOCK));
                    blocks.enumerate().map(step).reduce(|| Change::NONE, Change::and)
                })
            } else {
                let blocks = value.chunks_mut(BLOCK).zip(actions.chunks_mut(BLOCK));
                blocks.enumerate().map(step).fold(Change::NONE, Change::and)
            };
            change = change.and(slab);
        }
        Ok(change)
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
