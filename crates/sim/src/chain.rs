//! What moves the world of a model whose nature has no memory, compiled for lockstep.

use std::ops::Range;

use tiresias_model::{Model, Reward};

use crate::NatureRule;
use crate::isa::{GROUP, Isa, look_up};
use crate::rows::{Guided, Rows, last_words};

/// Start distribution and rows of a model. The caller names the (state, action) pairs that it meets; their rows lie one after the
/// other, once for each model that nature draws from.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    /// Models that nature draws from at each step; 1 when it is fixed.
    pub models: u32,
    /// Rows of each model.
    pub pairs: u32,
    start: Start,
    /// The last stage and what it adds by state reached, `γ · final`.
    last: Option<(usize, Vec<f64>)>,
}

/// The start distribution: few outcomes are counted, as in a row of the table, but the same row in every lane.
#[derive(Debug, Clone)]
enum Start {
    Few { last: Vec<u32>, states: [u32; GROUP] },
    Many(Guided),
}

impl Start {
    fn new(rows: &Rows) -> Self {
        match rows.iter().next() {
            Some(row) if row.len() <= GROUP => {
                let mut states = [0; GROUP];
                states.iter_mut().zip(row).for_each(|(state, outcome)| *state = outcome.0);
                Self::Few { last: last_words(row).take(row.len() - 1).collect(), states }
            }
            _ => Self::Many(Guided::new(rows)),
        }
    }
}

/// The models that nature picks from at each step: one, or all of them uniformly. `None` when the pick depends on a policy.
pub(crate) fn cloud(model: &Model, nature: NatureRule) -> Option<Range<usize>> {
    let models = model.dynamics().len();
    match nature {
        NatureRule::Fixed(m) => Some(m..m + 1),
        NatureRule::Oracle if models == 1 => Some(0..1),
        NatureRule::Oracle => None,
        NatureRule::Resampled => Some(0..models),
    }
}

/// Whether row numbers and draws fit words: then the scalar path's f64 products are exact, and integer products the same numbers.
pub(crate) fn fits(model: &Model, models: usize) -> bool {
    let (s, a) = (model.states().len(), model.actions().len());
    a <= 256 && models <= 1 << 16 && models * s * a <= 1 << 28
}

impl Chain {
    /// The chain, and its rows with the state reached as what happens. O(entries of those rows, times log for rewards by next
    /// state). A reward that depends on the observation is left 0.
    pub(crate) fn new(model: &Model, cloud: Range<usize>, pairs: &[(u32, u32)]) -> (Self, Rows) {
        let s = model.states().len();
        let seen = matches!(model.reward(), Reward::Full(_));
        let mut rows = Rows::with_capacity(cloud.len() * pairs.len());
        let models = cloud.len() as u32;
        for kernel in cloud.map(|m| &model.dynamics()[m].transition) {
            for (state, action) in pairs.iter().map(|&(s, a)| (s as usize, a as usize)) {
                let reward = |next| if seen { 0.0 } else { model.realised_reward(state, action, next, next) };
                rows.push(kernel.pairs(action * s + state).map(|(next, p)| (next as u32, reward(next), p)));
            }
        }
        let mut start = Rows::default();
        let possible = model.start().iter().enumerate().filter(|&(_, &p)| p > 0.0);
        start.push(possible.map(|(state, &p)| (state as u32, 0.0, p)));
        let last = model.horizon().filter(|_| !model.final_reward().is_empty()).map(|horizon| {
            let added = model.final_reward().iter().map(|r| model.discount() * r).collect();
            (horizon - 1, added)
        });
        (Self { models, pairs: pairs.len() as u32, start: Start::new(&start), last }, rows)
    }

    /// Bytes that it takes, the rows left out.
    pub(crate) fn bytes(&self) -> usize {
        let start = match &self.start {
            Start::Few { last, states: _ } => size_of_val(&last[..]),
            Start::Many(table) => table.bytes(),
        };
        start + self.last.as_ref().map_or(0, |(_, added)| size_of_val(&added[..]))
    }

    /// Draws the start states.
    #[inline(always)]
    pub(crate) fn start<I: Isa, const L: usize>(&self, isa: I, word: &[u32; L], state: &mut [u32; L]) {
        match &self.start {
            Start::Few { last, states } => {
                let mut outcome = [0; L];
                for &last in last {
                    for lane in 0..L {
                        outcome[lane] += u32::from(word[lane] > last);
                    }
                }
                look_up(isa, states, &outcome, state);
            }
            Start::Many(table) => {
                for lane in 0..L {
                    state[lane] = table.event(0, word[lane]);
                }
            }
        }
    }

    /// What `stage` adds to its reward by state reached, if it is the model's last one.
    #[inline(always)]
    pub(crate) fn added(&self, stage: usize) -> Option<&[f64]> {
        self.last.as_ref().filter(|(last, _)| *last == stage).map(|(_, added)| added.as_slice())
    }

    /// The stage that adds to its reward, if there is one.
    pub(crate) fn last(&self) -> Option<usize> {
        self.last.as_ref().map(|(last, _)| *last)
    }

    /// Moves each lane's row to those of the model that nature draws by `word`.
    #[inline(always)]
    pub(crate) fn move_to_model<const L: usize>(&self, word: &[u32; L], row: &mut [u32; L]) {
        for lane in 0..L {
            row[lane] += scaled(word[lane], self.models) * self.pairs;
        }
    }
}

/// `⌊word · n / 2³²⌋`: what the scalar path's `(word · 2⁻³² · n) as usize` is while `n` has at most 21 bits.
#[inline(always)]
pub(crate) fn scaled(word: u32, n: u32) -> u32 {
    ((u64::from(word) * u64::from(n)) >> 32) as u32
}
