//! Value iteration for discounted models with two-sided stopping (`MacQueen` 1966; Puterman 1994, §6.6).

use std::sync::Arc;

use tiresias_model::{Kind, Model};

use super::sweep::{change, sweep};
use super::table::Table;
use crate::limits::Watch;
use crate::policy::Body;
use crate::{Hook, Limits, Solution, SolveError, SolvedPolicy, Solver, Stats, Stopped};

/// Value iteration for an MDP or robust MDP with discount below 1 and no horizon.
///
/// After a sweep whose change lies in `[d, D]`, the fixed point lies in `[V + γd/(1-γ), V + γD/(1-γ)]`: the operator is monotone
/// and `B(V + c) = BV + γc`, for the robust operator too. The values returned are the middle of that band and their proven error
/// is half its width. O(entries of all transition kernels) per sweep.
#[derive(Debug, Clone, Copy, Default)]
pub struct ValueIteration;

impl Solver for ValueIteration {
    fn name(&self) -> &'static str {
        "value-iteration"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check()?;
        let unsupported = |found: &str| SolveError::Unsupported {
            solver: self.name(),
            expected: "an MDP or robust MDP without a horizon",
            found: found.into(),
        };
        if !matches!(model.kind(), Kind::Mdp | Kind::RobustMdp) {
            return Err(unsupported(model.kind().name()));
        }
        if model.horizon().is_some() {
            return Err(unsupported("with a horizon"));
        }

        let watch = Watch::new(limits, hook);
        let (s, a, discount) = (model.states().len(), model.actions().len(), model.discount());
        let (mut old, mut value, mut q) = (vec![0.0; s], vec![0.0; s], vec![0.0; s * a]);
        let bytes = 8 * (q.len() + 2 * s);
        let ahead = discount / (1.0 - discount);
        let mut sweeps = 0;
        // Below this width the band is made of rounding, and sweeping on cannot shrink it.
        let floor = |value: &[f64]| 1e-13 * (1.0 + value.iter().fold(0.0_f64, |m, v| m.max(v.abs())));
        let (low, high, stopped) = loop {
            sweep(model, &old, &mut q, &mut value);
            sweeps += 1;
            let (least, greatest) = change(&value, &old);
            let (low, high) = (least * ahead, greatest * ahead);
            std::mem::swap(&mut old, &mut value);
            let mean: f64 = model.start().iter().zip(&old).map(|(p, v)| p * v).sum();
            let reason = watch.check(mean + low, mean + high, sweeps, bytes);
            if high - low <= limits.gap.max(floor(&old) * ahead.max(1.0)) {
                break (low, high, Stopped::Converged);
            }
            if let Some(reason) = reason {
                break (low, high, reason);
            }
        };
        let middle = f64::midpoint(low, high);
        q.iter_mut().for_each(|q| *q += middle);
        let table = Table { stationary: true, q, band: vec![(high - low) / 2.0] };
        let mean = table.expected_value(model, 0, model.start());
        let stats =
            Stats { seconds: watch.seconds(), iterations: sweeps, vectors: s * a, points: s * a, solver: self.name() };
        let (lower, upper) = (mean - table.band[0], mean + table.band[0]);
        let policy = SolvedPolicy::new(Arc::new(model.clone()), Body::Table(table));
        Ok(Solution { lower, upper, policy, stats, stopped })
    }
}
