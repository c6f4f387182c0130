//! A step of a small model in one word.

use crate::isa::{GROUP, Isa};
use crate::registers::Registers;
use crate::rows::{Outcome, Rows, Table};

/// A chain whose states, actions and different rewards have at most 256 values each. An event is `state | action << 8 |
/// reward << 16 | next << 24`: one look-up says all there is to know of a step.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    table: Table,
    registers: Option<Registers>,
    values: Values,
}

impl Packed {
    /// `pairs` are the (state, action) of the rows, over and over for every model. `None` when the model is too large.
    pub(crate) fn new(rows: &Rows, pairs: &[(u32, u32)]) -> Option<Self> {
        let mut values = Values::default();
        let mut packed = Rows::with_capacity(rows.len());
        for (row, &(state, action)) in rows.iter().zip(pairs.iter().cycle()) {
            if state > 255 || action > 255 || row.iter().any(|&(next, reward, _)| next > 255 || !values.add(reward)) {
                return None;
            }
            let event = |&(next, reward, p): &Outcome| {
                let symbol = u32::from(values.symbol(reward));
                (state | action << 8 | symbol << 16 | next << 24, 0.0, p)
            };
            packed.push(row.iter().map(event));
        }
        Some(Self { table: Table::new(&packed), registers: Registers::new(&packed), values })
    }

    /// The event that `word[lane]` draws from `row[lane]`.
    #[inline(always)]
    pub(crate) fn events<I: Isa, const L: usize>(&self, isa: I, row: &[u32; L], word: &[u32; L], event: &mut [u32; L]) {
        match &self.registers {
            Some(registers) if I::WORDS => registers.events(isa, row, word, event),
            _ => self.table.events(row, word, event),
        }
    }

    /// The rewards of `symbol`.
    #[inline(always)]
    pub(crate) fn rewards<I: Isa>(&self, isa: I, symbol: &[u8], reward: &mut [f64]) {
        self.values.look_up(isa, symbol, reward);
    }
}

/// The different rewards of a model, by symbol.
#[derive(Debug, Clone)]
struct Values {
    len: usize,
    values: [f64; 256],
}

impl Default for Values {
    fn default() -> Self {
        Self { len: 0, values: [0.0; 256] }
    }
}

impl Values {
    /// The place of a reward, bit for bit: 0 and -0 are two rewards.
    fn place(&self, reward: f64) -> Option<usize> {
        self.values[..self.len].iter().position(|value| value.to_bits() == reward.to_bits())
    }

    /// Whether there is room for `reward`.
    fn add(&mut self, reward: f64) -> bool {
        if self.place(reward).is_none() {
            let Some(free) = self.values.get_mut(self.len) else { return false };
            *free = reward;
            self.len += 1;
        }
        true
    }

    fn symbol(&self, reward: f64) -> u8 {
        self.place(reward).expect("every reward was added") as u8
    }

    #[inline(always)]
    fn look_up<I: Isa>(&self, isa: I, symbol: &[u8], reward: &mut [f64]) {
        if I::REALS && self.len <= GROUP {
            let (few, _) = self.values.as_chunks::<GROUP>();
            let ((symbols, rest), (rewards, last)) = (symbol.as_chunks::<GROUP>(), reward.as_chunks_mut::<GROUP>());
            for (reward, symbol) in rewards.iter_mut().zip(symbols) {
                *reward = isa.reals(&few[0], *symbol);
            }
            for (reward, &symbol) in last.iter_mut().zip(rest) {
                *reward = self.values[usize::from(symbol)];
            }
            return;
        }
        for (reward, &symbol) in reward.iter_mut().zip(symbol) {
            *reward = self.values[usize::from(symbol)];
        }
    }
}
