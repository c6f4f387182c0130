//! Backward induction for finite horizons (Bellman 1957; robust form: Iyengar, "Robust dynamic programming", 2005).

use tiresias_model::{Kind, Model};

use super::bracket::Bracket;
use super::sweep::{Change, Sweeps};
use super::table::{Stage, Table, start_mean};
use crate::limits::Watch;
use crate::policy::Body;
use crate::solver::Ended;
use crate::{Hook, Limits, Solution, SolveError, Solver, Stopped};

/// Exact backward induction for an MDP or robust MDP with a horizon: the lower bound equals the upper.
///
/// O(H · entries of all transition kernels) time, O(H·S) memory. When a limit cuts it short at stage t, the earlier stages
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
        let s = model.states().len();
        let bytes = 8 * (horizon + 1) * s + 4 * s;
        let mut sweeps = Sweeps::new(model, limits, bytes);
        let bytes = bytes + sweeps.bytes;
        let mut bracket = Bracket::crude(model);
        let mut actions = vec![0; s];
        // Room for all stages at once: memory that is never written is never taken, and growing would copy.
        let mut values: Vec<f64> = Vec::with_capacity((horizon + 1) * s);
        values.extend(model.final_reward());
        values.resize(s, 0.0);
        let (mut stopped, mut last) = (Stopped::Converged, None);
        for level in 1..=horizon {
            values.resize((level + 1) * s, 0.0);
            let (next, value) = values.split_at_mut(level * s);
            let (before, next) = next.split_at((level - 1) * s);
            let before = &before[level.saturating_sub(2) * s..];
            let mut pause = || watch.check(bracket.lower, bracket.upper, level as u64 - 1, bytes);
            match sweeps.improve(before, next, 0.0, value, &mut actions, &mut pause) {
                Ok(change) => last = Some((level, change)),
                Err(reason) => {
                    stopped = reason;
                    break;
                }
            }
            let (low, high) = drift(last.expect("just set").1, model.discount(), horizon - level);
            let mean = start_mean(model, value);
            bracket.tighten(mean + low, mean + high);
            let reason = watch.check(bracket.lower, bracket.upper, level as u64, bytes);
            if let Some(reason) = reason.filter(|_| level < horizon) {
                stopped = reason;
                break;
            }
        }
        let table = match last {
            None => Table::unswept(model),
            Some((level, change)) => {
                values.truncate((level + 1) * s);
                let stage = |t| stage(horizon - t, level, change, model.discount());
                Table { stationary: false, values, stages: (0..horizon).map(stage).collect() }
            }
        };
        if stopped == Stopped::Converged {
            let value = table.expected_value(model, 0, model.start());
            bracket = Bracket { lower: value, upper: value };
        }
        let ended = Ended {
            bounds: (bracket.lower, bracket.upper),
            stopped,
            start_up: 0.0,
            iterations: last.map_or(0, |(level, _)| level as u64),
            backups: sweeps.backups,
            threads: sweeps.threads(),
        };
        Ok(Solution::found(self.name(), model, Body::Table(table), ended, &watch))
    }
}

/// `V_{t-k} - V_t` lies between these when `V_t - V_{t+1}` lies in `step`: the operator is monotone and `B(V + c) = BV + γc`.
fn drift(step: Change, discount: f64, stages: usize) -> (f64, f64) {
    if stages == 0 {
        return (0.0, 0.0);
    }
    let sum: f64 = if discount == 1.0 {
        stages as f64
    } else {
        discount * -(stages as f64 * discount.ln()).exp_m1() / (1.0 - discount)
    };
    (step.least * sum, step.greatest * sum)
}

/// The stage with `left` decisions to go, when the sweeps got as far as `level`.
fn stage(left: usize, level: usize, change: Change, discount: f64) -> Stage {
    let (low, high) = drift(change, discount, left.saturating_sub(level));
    let shift = f64::midpoint(low, high);
    Stage { level: left.min(level), value_shift: shift, action_shift: shift, band: (high - low) / 2.0 }
}
