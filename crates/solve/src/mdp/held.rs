//! The rows of a policy's own kernel, one after the other.

use tiresias_model::Model;

use super::backup::mean;

/// Where a state's row is, and what of the model goes with it.
#[derive(Debug, Clone, Copy)]
struct Slot {
    reward: f64,
    start: u32,
    width: u32,
    action: u32,
}

/// The rows that some states, following each other, have under a policy, copied as often as its actions change.
///
/// Policies take their rows from all over the kernel, which costs some five cache lines each where a row of ten that lies beside the
/// last costs two. Every sweep reads the rows of the last policy, and evaluation reads nothing else.
#[derive(Debug, Default)]
pub(super) struct Held {
    slots: Vec<Slot>,
    columns: Vec<u32>,
    p: Vec<f64>,
}

/// What `Slot::action` is before any row is there.
const NONE: u32 = u32::MAX;

impl Held {
    /// Whether copies pay: a model without choice has its rows in order.
    pub fn pays(model: &Model) -> bool {
        model.ambiguity().is_none() && model.dynamics().len() == 1 && model.actions().len() > 2
    }

    /// Bytes for all states of a model. O(rows) time.
    pub fn bytes(model: &Model) -> usize {
        let states = model.states().len();
        states * size_of::<Slot>() + 12 * (0..states).map(|state| widest(model, state)).sum::<usize>()
    }

    /// `r(s, π(s)) + γ Σ P(s'|s, π(s)) next(s')` of the states from `base` on, into `value`.
    pub fn follow(&mut self, model: &Model, base: usize, actions: &[u32], next: &[f64], value: &mut [f64]) {
        if self.slots.is_empty() {
            let mut start = 0;
            self.slots.extend((base..base + actions.len()).map(|state| {
                let slot = Slot { reward: 0.0, start, width: 0, action: NONE };
                start += widest(model, state) as u32;
                slot
            }));
            self.columns.resize(start as usize, 0);
            self.p.resize(start as usize, 0.0);
        }
        let (transition, reward) = (&model.dynamics()[0].transition, model.expected_reward(0));
        for (i, ((slot, &action), value)) in self.slots.iter_mut().zip(actions).zip(value).enumerate() {
            let start = slot.start as usize;
            if slot.action != action {
                let row = action as usize * next.len() + base + i;
                let (columns, p) = transition.row(row);
                self.columns[start..][..p.len()].copy_from_slice(columns);
                self.p[start..][..p.len()].copy_from_slice(p);
                (slot.reward, slot.width, slot.action) = (reward[row], p.len() as u32, action);
            }
            let row = start..start + slot.width as usize;
            *value = slot.reward + model.discount() * mean((&self.columns[row.clone()], &self.p[row]), next);
        }
    }
}

/// Entries of the widest row of a state.
fn widest(model: &Model, state: usize) -> usize {
    let transition = &model.dynamics()[0].transition;
    (0..model.actions().len()).map(|a| transition.row(a * model.states().len() + state).0.len()).max().unwrap_or(0)
}
