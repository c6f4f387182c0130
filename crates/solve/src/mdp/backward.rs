//! Backward induction for finite horizons (Bellman 1957; robust form: Iyengar, "Robust dynamic programming", 2005).

use std::sync::Arc;

use tiresias_model::{Kind, Model};

use super::sweep::{change, sweep};
use super::table::Table;
use crate::limits::Watch;
use crate::policy::Body;
use crate::{Hook, Limits, Solution, SolveError, SolvedPolicy, Solver, Stats, Stopped};

/// Exact backward induction for an MDP or robust MDP with a horizon: the lower bound equals the upper.
///
/// O(H · entries of all transition kernels) time, O(H·S·A) memory. When a limit cuts it short at stage t, the earlier stages
/// take the action values of stage t, shifted into the middle of the band that `min` and `max` of the last change of the values
/// leave for them (`MacQueen`, 1966), and half the width of that band is their proven error.
#[derive(Debug, Clone, Copy, Default)]
pub struct BackwardInduction;

impl Solver for BackwardInduction {
    fn name(&self) -> &'static str {
        "backward-induction"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check_for(model)?;
        let unsupported = |found: String| SolveError::Unsupported {
            solver: self.name(),
            expected: "an MDP or robust MDP with a horizon",
            found,
        };
        if !matches!(model.kind(), Kind::Mdp | Kind::RobustMdp) {
            return Err(unsupported(model.kind().name().into()));
        }
        let Some(horizon) = model.horizon() else { return Err(unsupported("without a horizon".into())) };

        let watch = Watch::new(limits, hook);
        let (s, a) = (model.states().len(), model.actions().len());
        let mut next = if model.final_reward().is_empty() { vec![0.0; s] } else { model.final_reward().to_vec() };
        let mut value = vec![0.0; s];
        let mut q = vec![0.0; horizon * s * a];
        let mut band = vec![0.0; horizon];
        let bytes = 8 * (q.len() + band.len() + 2 * s);
        let mut stopped = Stopped::Converged;
        let mut swept = 0;
        for stage in (0..horizon).rev() {
            sweep(model, &next, &mut q[stage * s * a..][..s * a], &mut value);
            let step = change(&value, &next);
            std::mem::swap(&mut value, &mut next);
            swept += 1;
            let (low, high) = if stage == 0 { (0.0, 0.0) } else { drift(step, model.discount(), stage) };
            let mean: f64 = model.start().iter().zip(&next).map(|(p, v)| p * v).sum();
            let reason = watch.check(mean + low, mean + high, swept, bytes);
            if let Some(reason) = reason.filter(|_| stage > 0) {
                stopped = reason;
                extend(&mut q, &mut band, stage, s * a, step, model.discount());
                break;
            }
        }
        let table = Table { stationary: false, q, band };
        let mean = table.expected_value(model, 0, model.start());
        let stats = Stats {
            seconds: watch.seconds(),
            iterations: swept,
            vectors: table.q.len(),
            points: table.q.len(),
            solver: self.name(),
        };
        let (lower, upper) = (mean - table.band[0], mean + table.band[0]);
        let policy = SolvedPolicy::new(Arc::new(model.clone()), Body::Table(table));
        Ok(Solution { lower, upper, policy, stats, stopped })
    }
}

/// `V_{t-k} - V_t` lies between these when `V_t - V_{t+1}` lies in `step`: the operator is monotone and `B(V + c) = BV + γc`.
fn drift(step: (f64, f64), discount: f64, stages: usize) -> (f64, f64) {
    let sum: f64 = (1..=stages).map(|i| discount.powi(i as i32)).sum();
    (step.0 * sum, step.1 * sum)
}

fn extend(q: &mut [f64], band: &mut [f64], from: usize, width: usize, step: (f64, f64), discount: f64) {
    let (earlier, known) = q.split_at_mut(from * width);
    for (stage, row) in earlier.chunks_exact_mut(width).enumerate() {
        let (low, high) = drift(step, discount, from - stage);
        row.iter_mut().zip(&known[..width]).for_each(|(q, k)| *q = k + f64::midpoint(low, high));
        band[stage] = (high - low) / 2.0;
    }
}
