//! Rows small enough for vector registers.

use crate::isa::{GROUP, Isa};
use crate::rows::{Rows, last_words};

/// At most 32 rows of at most 4 outcomes, by outcome and then by row: a draw looks up every outcome of a row and keeps the last one
/// whose threshold the word passed, 2 look-ups, a comparison and a choice an outcome for 16 lanes.
#[derive(Debug, Clone)]
pub(crate) enum Registers {
    Short(Vec<Outcome<16>>),
    Long(Vec<Outcome<32>>),
}

/// One outcome of every row.
#[derive(Debug, Clone)]
pub(crate) struct Outcome<const N: usize> {
    /// The last word that draws the outcome before; words beyond it draw this one or a later one.
    before: [u32; N],
    event: [u32; N],
}

impl Registers {
    /// `None` when the rows are too many or too long.
    pub(crate) fn new(rows: &Rows) -> Option<Self> {
        match (rows.len(), rows.longest()) {
            (..=16, ..=4) => Some(Self::Short(outcomes(rows))),
            (..=32, ..=4) => Some(Self::Long(outcomes(rows))),
            _ => None,
        }
    }

    /// What `word[lane]` draws from `row[lane]`; `L` is a multiple of 16.
    #[inline(always)]
    pub(crate) fn events<I: Isa, const L: usize>(&self, isa: I, row: &[u32; L], word: &[u32; L], event: &mut [u32; L]) {
        match self {
            Self::Short(outcomes) => draw(isa, outcomes, row, word, event),
            Self::Long(outcomes) => draw(isa, outcomes, row, word, event),
        }
    }
}

fn outcomes<const N: usize>(rows: &Rows) -> Vec<Outcome<N>> {
    // A row that lacks an outcome is never beyond the last word.
    let mut outcomes = vec![Outcome { before: [u32::MAX; N], event: [0; N] }; rows.longest()];
    for (r, row) in rows.iter().enumerate() {
        for (i, &(event, ..)) in row.iter().enumerate() {
            outcomes[i].event[r] = event;
        }
        for (i, last) in last_words(row).take(row.len() - 1).enumerate() {
            outcomes[i + 1].before[r] = last;
        }
    }
    outcomes
}

#[inline(always)]
fn draw<I: Isa, const N: usize, const L: usize>(
    isa: I,
    outcomes: &[Outcome<N>],
    row: &[u32; L],
    word: &[u32; L],
    event: &mut [u32; L],
) {
    let Some((first, later)) = outcomes.split_first() else { return };
    let (rows, _) = row.as_chunks::<GROUP>();
    let (words, _) = word.as_chunks::<GROUP>();
    let (events, _) = event.as_chunks_mut::<GROUP>();
    for group in 0..L / GROUP {
        let mut drawn = isa.words(&first.event, rows[group]);
        for outcome in later {
            let before = isa.words(&outcome.before, rows[group]);
            let other = isa.words(&outcome.event, rows[group]);
            for lane in 0..GROUP {
                drawn[lane] = if words[group][lane] > before[lane] { other[lane] } else { drawn[lane] };
            }
        }
        events[group] = drawn;
    }
}
