//! A step of a small model in one byte.

use crate::isa::{GROUP, Isa};
use crate::registers::Registers;
use crate::rollout::Columns;
use crate::rows::{Rows, Table};

/// A chain with at most 256 different steps (state, action, reward), each named by a code. An event is `code | next << 8`: while
/// episodes run, one look-up says all there is to know, and only codes need to be kept and turned.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    table: Table,
    registers: Option<Registers>,
    codes: Codes,
}

impl Packed {
    /// `pairs` are the (state, action) of the rows, over and over for every model. `None` when there are too many different steps.
    pub(crate) fn new(rows: &Rows, pairs: &[(u32, u32)]) -> Option<Self> {
        if pairs.len() > 256 {
            return None;
        }
        let mut codes = Codes { len: 0, who: [0; 256], reward: [0.0; 256] };
        let mut packed = Rows::with_capacity(rows.len());
        let mut events = Vec::new();
        for (row, &(state, action)) in rows.iter().zip(pairs.iter().cycle()) {
            for &(next, reward, p) in row {
                events.push((codes.code(state << 8 | action, reward)? | next << 8, 0.0, p));
            }
            packed.push(events.drain(..));
        }
        Some(Self { table: Table::new(&packed), registers: Registers::new(&packed), codes })
    }

    /// The event that `word[lane]` draws from `row[lane]`.
    #[inline(always)]
    pub(crate) fn events<I: Isa, const L: usize>(&self, isa: I, row: &[u32; L], word: &[u32; L], event: &mut [u32; L]) {
        match &self.registers {
            Some(registers) if I::WORDS => registers.events(isa, row, word, event),
            _ => self.table.events(row, word, event),
        }
    }

    /// The rewards of `codes`.
    #[inline(always)]
    pub(crate) fn rewards<I: Isa>(&self, isa: I, codes: &[u8], rewards: &mut [f64]) {
        match self.codes.len {
            0..=16 if I::REALS => self.codes.rewards::<I, 16>(isa, codes, rewards),
            17..=32 if I::REALS => self.codes.rewards::<I, 32>(isa, codes, rewards),
            _ => {
                for (reward, &code) in rewards.iter_mut().zip(codes) {
                    *reward = self.codes.reward[usize::from(code)];
                }
            }
        }
    }

    /// Writes the states and actions of `codes` to the columns that are recorded.
    #[inline(always)]
    pub(crate) fn record<I: Isa>(&self, isa: I, codes: &[u8], columns: &mut Columns<'_>) {
        match self.codes.len {
            0..=16 => self.codes.record::<I, 16>(isa, codes, columns),
            17..=32 => self.codes.record::<I, 32>(isa, codes, columns),
            _ => self.codes.record::<I, 256>(isa, codes, columns),
        }
    }
}

/// What the codes stand for.
#[derive(Debug, Clone)]
struct Codes {
    len: usize,
    /// `state << 8 | action`.
    who: [u32; 256],
    reward: [f64; 256],
}

impl Codes {
    /// The code of a step, a new one if need be. Rewards are told apart bit for bit: 0 and -0 are two.
    fn code(&mut self, who: u32, reward: f64) -> Option<u32> {
        let same = |&code: &usize| self.who[code] == who && self.reward[code].to_bits() == reward.to_bits();
        // From the end: the rows of a pair follow each other.
        let code = (0..self.len).rev().find(same).unwrap_or(self.len);
        if code == self.len {
            *self.who.get_mut(code)? = who;
            self.reward[code] = reward;
            self.len += 1;
        }
        Some(code as u32)
    }

    /// The first `N` codes' rewards.
    #[inline(always)]
    fn rewards<I: Isa, const N: usize>(&self, isa: I, codes: &[u8], rewards: &mut [f64]) {
        let Some(table) = self.reward.first_chunk::<N>() else { return };
        let ((groups, rest), (outs, last)) = (codes.as_chunks::<GROUP>(), rewards.as_chunks_mut::<GROUP>());
        for (out, group) in outs.iter_mut().zip(groups) {
            *out = isa.reals(table, *group);
        }
        for (out, &code) in last.iter_mut().zip(rest) {
            *out = self.reward[usize::from(code)];
        }
    }

    /// States and actions, by look-ups among the first `N` codes (all of them in memory when `N` is 256).
    #[inline(always)]
    fn record<I: Isa, const N: usize>(&self, isa: I, codes: &[u8], columns: &mut Columns<'_>) {
        let Some(table) = self.who.first_chunk::<N>() else { return };
        let (groups, rest) = codes.as_chunks::<GROUP>();
        let (states, last_states) = columns.states.as_chunks_mut::<GROUP>();
        let (seen, last_seen) = columns.observations.as_chunks_mut::<GROUP>();
        let (actions, last_actions) = columns.actions.as_chunks_mut::<GROUP>();
        for (i, group) in groups.iter().enumerate() {
            let mut who = [0; GROUP];
            for lane in 0..GROUP {
                who[lane] = u32::from(group[lane]);
            }
            if N <= 32 && I::WORDS {
                who = isa.words(table, who);
            } else {
                for lane in 0..GROUP {
                    who[lane] = self.who[usize::from(group[lane])];
                }
            }
            if let Some(out) = states.get_mut(i) {
                for lane in 0..GROUP {
                    out[lane] = who[lane] >> 8;
                }
            }
            if let Some(out) = seen.get_mut(i) {
                for lane in 0..GROUP {
                    out[lane] = (who[lane] >> 8) as i32;
                }
            }
            if let Some(out) = actions.get_mut(i) {
                for lane in 0..GROUP {
                    out[lane] = who[lane] as u8;
                }
            }
        }
        let who = |code: &u8| self.who[usize::from(*code)];
        last_states.iter_mut().zip(rest).for_each(|(out, code)| *out = who(code) >> 8);
        last_seen.iter_mut().zip(rest).for_each(|(out, code)| *out = (who(code) >> 8) as i32);
        last_actions.iter_mut().zip(rest).for_each(|(out, code)| *out = who(code) as u8);
    }
}
