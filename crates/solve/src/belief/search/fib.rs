//! The fast informed bound (Hauskrecht 2000), per stage.

use tiresias_model::Model;

use super::vectors::{Branches, MANY_STAGES};
use crate::belief::corners::leap;
use crate::limits::{Late, Watch};

/// How many sweeps an infinite horizon gets at most.
const MOST_SWEEPS: usize = 1_000;
/// Sweeps go on until less than this share of the largest value may be left. That is the search's to find.
const ENOUGH: f64 = 1e-4;

/// One sweep: for every branch, `f_b(s) = r_b(s) + γ Σ_o max_b' Σ_s' P(s'|s) Q(o|s') f'_b'(s')`. `next` is `[branch][state]`.
/// O(branches² · entries of the kernels); `None` when the time is up before its end.
fn sweep(model: &Model, branches: &Branches, next: &[f64], watch: &Watch) -> Option<Vec<f64>> {
    let (s, width) = (model.states().len(), branches.len());
    // By state, then branch: the inner loops run along the branches.
    let mut by_state = vec![0.0; next.len()];
    for (b, row) in next.chunks_exact(s).enumerate() {
        row.iter().enumerate().for_each(|(state, value)| by_state[state * width + b] = *value);
    }
    let mut out = Vec::with_capacity(next.len());
    let mut sums: Vec<f64> = Vec::new();
    let mut seen: Vec<u32> = Vec::new();
    for &(action, m) in branches {
        let dynamics = &model.dynamics()[m];
        let kernel = dynamics.observation.as_ref().expect("checked: the model has observations");
        sums.clear();
        sums.resize(kernel.columns() * width, 0.0);
        let mut is_seen = vec![false; kernel.columns()];
        for state in 0..s {
            if state % 16 == 0 && watch.late() {
                return None;
            }
            for (to, p) in dynamics.transition.pairs(action * s + state) {
                for (o, q) in kernel.pairs(action * s + to) {
                    if !std::mem::replace(&mut is_seen[o], true) {
                        seen.push(o as u32);
                    }
                    for (sum, value) in sums[o * width..][..width].iter_mut().zip(&by_state[to * width..][..width]) {
                        *sum += p * q * value;
                    }
                }
            }
            let mut mean = 0.0;
            for o in seen.drain(..) {
                let row = &mut sums[o as usize * width..][..width];
                mean += row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                row.fill(0.0);
                is_seen[o as usize] = false;
            }
            out.push(model.expected_reward(m)[action * s + state] + model.discount() * mean);
        }
    }
    Some(out)
}

/// Upper bounds at the corners for every stage (0 to H, or one): the smaller of the bound and what `tops` already has. Returns
/// the bounds by branch, `[stage][branch][state]`. When it is late, stages have what `tops` has; or, where they are many, there is no
/// time for that either.
pub(crate) fn tighten(
    model: &Model,
    branches: &Branches,
    tops: &mut [Vec<f64>],
    watch: &Watch,
) -> Result<Vec<Vec<f64>>, Late> {
    let s = model.states().len();
    let lower = |top: &mut [f64], bound: &[f64]| {
        for (i, top) in top.iter_mut().enumerate() {
            *top = bound.iter().skip(i).step_by(s).copied().fold(f64::NEG_INFINITY, f64::max).min(*top);
        }
    };
    let mut bound = tops[tops.len() - 1].repeat(branches.len());
    let mut by_branch = Vec::with_capacity(tops.len());
    if model.horizon().is_some() {
        by_branch.push(bound);
        let many = tops.len() > MANY_STAGES;
        for top in tops.iter_mut().rev().skip(1) {
            // No branch is worth more than the best one.
            let next = sweep(model, branches, &by_branch[by_branch.len() - 1], watch);
            if many && next.is_none() {
                return Err(Late);
            }
            let next = next.unwrap_or_else(|| top.repeat(branches.len()));
            lower(top, &next);
            by_branch.push(next);
        }
        by_branch.reverse();
    } else {
        let span = bound.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        for _ in 0..MOST_SWEEPS {
            let Some(mut next) = sweep(model, branches, &bound, watch) else { break };
            let moved = leap(&bound, &mut next, model.discount(), -1.0);
            bound = next;
            if moved * model.discount() < ENOUGH * (1.0 - model.discount()) * span {
                break;
            }
        }
        lower(&mut tops[0], &bound);
        by_branch.push(bound);
    }
    Ok(by_branch)
}
