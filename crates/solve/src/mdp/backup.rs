//! The Bellman operator at one state and action, and nature's answer there.

use tiresias_model::{Model, Nature as Answers};

use super::drain::Lane;
use super::nature::{End, Nature, Room};

/// The α-MEU aggregate of the models' values: `α min + (1-α) max`.
#[inline]
pub(crate) fn blend(alpha: f64, lowest: f64, highest: f64) -> f64 {
    // Written so that α = 1 and equal ends give the minimum exactly.
    if lowest == highest { lowest } else { alpha * lowest + (1.0 - alpha) * highest }
}

/// `Σ_s' P(s'|row) V(s')`, always added in the same order: a value is the same number wherever it is computed.
#[inline]
pub(super) fn mean((index, probability): (&[u32], &[f64]), next: &[f64]) -> f64 {
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
pub(super) fn ambiguous(model: &Model, nature: &Nature, rows: &[usize], room: &mut Room) -> Lane {
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
