//! The Bellman operator over a block of states.

use tiresias_model::{Model, Reward};

use super::backup::{ambiguous, blend, mean};
use super::drain::LANES;
use super::held::Held;
use super::nature::{Nature, Room};
use super::rivals::{Rise, select};

/// The operator for given next values.
pub(super) struct Operator<'a> {
    model: &'a Model,
    next: &'a [f64],
    nature: Option<Nature<'a>>,
    /// All next values are 0, so that rewards are all that actions are worth, bit for bit.
    blank: bool,
}

/// Room for the action values of rows.
#[derive(Default)]
pub(super) struct Desk {
    list: Vec<usize>,
    q: Vec<f64>,
    high: Vec<f64>,
    room: Room,
}

impl<'a> Operator<'a> {
    pub fn new(model: &'a Model, next: &'a [f64]) -> Self {
        let nature = Nature::new(model, next);
        // Where nature picks the next state and that pays, the mean of nothing is something.
        let pays = nature.is_some() && matches!(model.reward(), Reward::Transition(_));
        Self { model, next, nature, blank: !pays && next.iter().all(|&v| v == 0.0) }
    }

    /// The values of the given rows `a * S + s`, into `desk.q`.
    fn rows(&self, rows: &[usize], desk: &mut Desk) {
        let Desk { q, high, room, .. } = desk;
        q.clear();
        if let Some(nature) = self.nature.as_ref().filter(|_| !self.blank) {
            for rows in rows.chunks(LANES) {
                q.extend_from_slice(&ambiguous(self.model, nature, rows, room)[..rows.len()]);
            }
            return;
        }
        self.under(0, rows, |_, value| q.push(value));
        let models = self.model.dynamics().len();
        if models > 1 {
            q.clone_into(high);
            for m in 1..models {
                self.under(m, rows, |i, value| (q[i], high[i]) = (q[i].min(value), high[i].max(value)));
            }
            let alpha = self.model.alpha();
            q.iter_mut().zip(high).for_each(|(q, high)| *q = blend(alpha, *q, *high));
        }
    }

    /// The values of the given rows under model `m`, each with its place in the list.
    #[inline(always)]
    fn under(&self, m: usize, rows: &[usize], mut take: impl FnMut(usize, f64)) {
        let (reward, discount) = (self.model.expected_reward(m), self.model.discount());
        if self.blank {
            rows.iter().enumerate().for_each(|(i, &row)| take(i, reward[row]));
            return;
        }
        let kernel = &self.model.dynamics()[m].transition;
        let mut i = 0;
        // Rows that follow each other are cheaper to find.
        for run in rows.chunk_by(|a, b| *b == a + 1) {
            let reward = &reward[run[0]..][..run.len()];
            for (r, row) in reward.iter().zip(kernel.rows_from(run[0])) {
                take(i, r + discount * mean(row, self.next));
                i += 1;
            }
        }
    }
}

/// Backs up all actions of the states from `base` on, in the order of the kernel: the best values and the first actions that have
/// them. `note` is given every value and its place, `[action][state]`.
fn every_action(
    operator: &Operator,
    base: usize,
    value: &mut [f64],
    actions: &mut [u32],
    desk: &mut Desk,
    mut note: impl FnMut(usize, f64),
) {
    let n = value.len();
    value.fill(f64::NEG_INFINITY);
    for action in 0..operator.model.actions().len() {
        let first = action * operator.next.len() + base;
        let mut list = std::mem::take(&mut desk.list);
        list.clear();
        list.extend(first..first + n);
        operator.rows(&list, desk);
        desk.list = list;
        for (i, ((value, chosen), &q)) in value.iter_mut().zip(&mut *actions).zip(&desk.q).enumerate() {
            note(action * n + i, q);
            *chosen = if q > *value { action as u32 } else { *chosen };
            *value = if q > *value { q } else { *value };
        }
    }
}

/// What sweeps remember of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// Nothing: in a small model all actions are backed up sooner than the worse ones are left out.
    Nothing,
    /// Above the value of every action.
    Ceilings,
    /// That, and the rows of the policy.
    CeilingsAndRows,
}

/// A block of states, and what sweeps remember of it.
pub(super) struct Block {
    /// Its first state.
    pub base: usize,
    memory: Memory,
    /// The rows of the policy, where keeping them pays.
    held: Option<Held>,
    /// Above the values of all actions, `[action][state]`; empty before the first improvement. See [`Rise`].
    ceilings: Vec<f32>,
    /// The greatest ceiling of a state, without the action that was best.
    rivals: Vec<f32>,
    /// Kept where nothing else is.
    desk: Desk,
}

impl Block {
    /// The block from state `base` on.
    pub fn new(base: usize, memory: Memory) -> Self {
        let held = (memory == Memory::CeilingsAndRows).then(Held::default);
        Self { base, memory, held, ceilings: Vec::new(), rivals: Vec::new(), desk: Desk::default() }
    }

    /// The values of the policy's actions.
    pub fn follow(&mut self, operator: &Operator, value: &mut [f64], actions: &[u32], desk: &mut Desk) {
        if let Some(held) = &mut self.held {
            held.follow(operator.model, self.base, actions, operator.next, value);
            return;
        }
        let rows = actions.iter().zip(self.base..).map(|(&action, s)| action as usize * operator.next.len() + s);
        operator.rows(&rows.collect::<Vec<_>>(), desk);
        value.copy_from_slice(&desk.q);
    }

    /// Best action values and actions; how many values had to be computed.
    pub fn improve(&mut self, operator: &Operator, rise: Rise, value: &mut [f64], actions: &mut [u32]) -> u64 {
        let n = value.len();
        let every = n * operator.model.actions().len();
        if self.memory == Memory::Nothing {
            every_action(operator, self.base, value, actions, &mut self.desk, |_, _| {});
        } else if self.ceilings.is_empty() {
            let mut ceilings = vec![f32::INFINITY; every];
            let note = |row: usize, q| ceilings[row] = rise.ceiling(q);
            every_action(operator, self.base, value, actions, &mut Desk::default(), note);
            self.ceilings = ceilings;
            self.rivals.resize(n, f32::INFINITY);
            self.rank(&(0..n).collect::<Vec<_>>(), actions);
        } else {
            return self.again(operator, rise, value, actions);
        }
        every as u64
    }

    /// Finds the greatest ceilings of the `open` states again.
    fn rank(&mut self, open: &[usize], actions: &[u32]) {
        open.iter().for_each(|&i| self.rivals[i] = f32::NEG_INFINITY);
        for (action, ceilings) in self.ceilings.chunks_exact(self.rivals.len()).enumerate() {
            for &i in open {
                let ceiling = if actions[i] == action as u32 { f32::NEG_INFINITY } else { ceilings[i] };
                self.rivals[i] = if ceiling > self.rivals[i] { ceiling } else { self.rivals[i] };
            }
        }
    }

    /// A later one computes the values of the actions that were best, then those that may be better.
    fn again(&mut self, operator: &Operator, rise: Rise, value: &mut [f64], actions: &mut [u32]) -> u64 {
        let (n, mut desk) = (value.len(), Desk::default());
        self.follow(operator, value, actions, &mut desk);
        let mut backups = n as u64;
        let (mut open, mut live, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        select(0..n, &mut open, |i| rise.reaches(self.rivals[i], value[i]));
        let held = actions.to_vec();
        for &i in &open {
            self.ceilings[actions[i] as usize * n + i] = rise.ceiling(value[i]);
        }
        for (action, ceilings) in self.ceilings.chunks_exact_mut(n).enumerate() {
            let reaches = |i: usize| (held[i] != action as u32) & rise.reaches(ceilings[i], value[i]);
            select(open.iter().copied(), &mut live, reaches);
            let first = action * operator.next.len() + self.base;
            rows.clear();
            rows.extend(live.iter().map(|i| first + i));
            operator.rows(&rows, &mut desk);
            for (&i, &q) in live.iter().zip(&desk.q) {
                ceilings[i] = rise.ceiling(q);
                // Of equals the first.
                if q > value[i] || (q == value[i] && (action as u32) < actions[i]) {
                    (value[i], actions[i]) = (q, action as u32);
                }
            }
            backups += rows.len() as u64;
        }
        self.rank(&open, actions);
        backups
    }
}
