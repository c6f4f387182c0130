//! One application of the Bellman operator to a value vector.

use tiresias_model::{Model, Nature};

/// The α-MEU aggregate of the models' values: `α min + (1-α) max`.
#[inline]
pub(crate) fn blend(alpha: f64, lowest: f64, highest: f64) -> f64 {
    // Written so that α = 1 and equal ends give the minimum exactly.
    if lowest == highest { lowest } else { alpha * lowest + (1.0 - alpha) * highest }
}

/// `r_m(s,a) + γ Σ_s' P_m(s'|s,a) V(s')`.
#[inline]
pub(crate) fn backed_up(model: &Model, m: usize, state: usize, action: usize, next: &[f64]) -> f64 {
    let row = action * model.states().len() + state;
    let mean: f64 = model.dynamics()[m].transition.pairs(row).map(|(s, p)| p * next[s]).sum();
    model.expected_reward(m)[row] + model.discount() * mean
}

/// Nature's two answers at (state, action) when the next value is `next`, and the α-MEU value of the action.
pub(crate) fn robust_q(model: &Model, state: usize, action: usize, next: &[f64]) -> (f64, Nature) {
    let first = backed_up(model, 0, state, action, next);
    let (mut low, mut high, mut nature) = (first, first, Nature { minimiser: 0, maximiser: 0 });
    for m in 1..model.dynamics().len() {
        let value = backed_up(model, m, state, action, next);
        if value < low {
            (low, nature.minimiser) = (value, m);
        }
        if value > high {
            (high, nature.maximiser) = (value, m);
        }
    }
    (blend(model.alpha(), low, high), nature)
}

/// `Q(s,a) = H^α_m[r_m(s,a) + γ Σ P_m V]` into `q` (index `s * A + a`) and `max_a Q` into `value`. O(entries of all P).
pub(crate) fn sweep(model: &Model, next: &[f64], q: &mut [f64], value: &mut [f64]) {
    let actions = model.actions().len();
    for (state, row) in q.chunks_exact_mut(actions).enumerate() {
        for (action, q) in row.iter_mut().enumerate() {
            *q = robust_q(model, state, action, next).0;
        }
        value[state] = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    }
}

/// The least and the greatest entry of `new - old`.
pub(crate) fn change(new: &[f64], old: &[f64]) -> (f64, f64) {
    new.iter()
        .zip(old)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (n, o)| (low.min(n - o), high.max(n - o)))
}
