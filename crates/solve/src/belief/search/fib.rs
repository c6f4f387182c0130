//! The fast informed bound (Hauskrecht 2000), per stage.

use tiresias_model::Model;

use super::vectors::Branches;
use crate::limits::Watch;

/// How many sweeps an infinite horizon gets at most.
const MOST_SWEEPS: usize = 1_000;

/// One sweep: for every branch, `f_b(s) = r_b(s) + γ Σ_o max_b' Σ_s' P(s'|s) Q(o|s') f'_b'(s')`. `next` is `[branch][state]`.
/// O(branches² · entries of the kernels).
fn sweep(model: &Model, branches: &Branches, next: &[f64]) -> Vec<f64> {
    let s = model.states().len();
    let mut out = Vec::with_capacity(next.len());
    let mut sums: Vec<f64> = Vec::new();
    for &(action, m) in branches {
        let dynamics = &model.dynamics()[m];
        let kernel = dynamics.observation.as_ref().expect("checked: the model has observations");
        let observations = kernel.columns();
        for state in 0..s {
            sums.clear();
            sums.resize(observations * branches.len(), 0.0);
            for (to, p) in dynamics.transition.pairs(action * s + state) {
                for (o, q) in kernel.pairs(action * s + to) {
                    for (b, sum) in sums[o * branches.len()..][..branches.len()].iter_mut().enumerate() {
                        *sum += p * q * next[b * s + to];
                    }
                }
            }
            let best = |row: &[f64]| row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mean: f64 = sums.chunks_exact(branches.len()).map(best).sum();
            out.push(model.expected_reward(m)[action * s + state] + model.discount() * mean);
        }
    }
    out
}

/// Upper bounds at the corners for every stage (0 to H, or one): the smaller of the bound and what `tops` already has.
pub(crate) fn tighten(model: &Model, branches: &Branches, tops: &mut [Vec<f64>], watch: &Watch) {
    let s = model.states().len();
    let lower = |top: &mut [f64], bound: &[f64]| {
        for (i, top) in top.iter_mut().enumerate() {
            *top = bound.iter().skip(i).step_by(s).copied().fold(f64::NEG_INFINITY, f64::max).min(*top);
        }
    };
    let mut bound = tops[tops.len() - 1].repeat(branches.len());
    if model.horizon().is_some() {
        for top in tops.iter_mut().rev().skip(1) {
            if watch.late() {
                return;
            }
            bound = sweep(model, branches, &bound);
            lower(top, &bound);
        }
    } else {
        for _ in 0..MOST_SWEEPS {
            let next = sweep(model, branches, &bound);
            let moved = next.iter().zip(&bound).fold(0.0_f64, |m, (n, b)| m.max((n - b).abs()));
            bound = next;
            if watch.late() || moved < 1e-9 {
                break;
            }
        }
        lower(&mut tops[0], &bound);
    }
}
