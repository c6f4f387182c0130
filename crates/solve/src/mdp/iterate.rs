//! The loop that value iteration, modified policy iteration and policy iteration share: improve, bound, evaluate.
//!
//! After a sweep whose change `BV - V` lies in `[d, D]`, the fixed point lies in `[BV + γd/(1-γ), BV + γD/(1-γ)]`, whatever V is
//! (`MacQueen` 1966, Porteus 1971; Puterman 1994, Theorem 6.6.3): the operator is monotone and `B(V + c) = BV + γc`, the robust one
//! too. So every way to find the next V is sound, and evaluation only has to be good.
//!
//! V is kept relative to its entry in state 0, which the operator's shift by constants allows: at a discount close to 1 the values
//! themselves are some 1/(1-γ) times larger than their differences, and would lose as many digits.

use tiresias_model::{Kind, Model};

use super::backup::Backups;
use super::bracket::Bracket;
use super::evaluate::exact_values;
use super::nature::Room;
use super::sweep::Sweeps;
use super::table::{Stage, Table, start_mean};
use crate::limits::Watch;
use crate::policy::Body;
use crate::solver::Ended;
use crate::{Hook, Limits, Solution, SolveError, Stopped};

/// How the policy of an improvement is evaluated before the next.
pub(crate) enum Evaluation {
    /// At most so many sweeps of its own operator (none: value iteration), fewer when they stop paying.
    Sweeps(u32),
    /// By solving its linear equations.
    Exact,
}

/// Evaluation ends when a sweep of the policy changes the differences of values by less than this share of what the improvement
/// changed: the next improvement is worth more.
const PAYS: f64 = 0.1;
/// Relative size of the rounding in a sweep, with room to spare.
const ROUNDING: f64 = 1e-13;

/// Refuses what the stationary solvers do not treat.
pub(crate) fn check(model: &Model, solver: &'static str) -> Result<(), SolveError> {
    let found = match (model.kind(), model.horizon()) {
        (Kind::Mdp | Kind::RobustMdp, None) => return Ok(()),
        (Kind::Mdp | Kind::RobustMdp, Some(_)) => "with a horizon",
        (kind, _) => kind.name(),
    };
    Err(SolveError::Unsupported { solver, expected: "an MDP or robust MDP without a horizon", found: found.into() })
}

/// The last completed improvement, from which the policy is made.
struct Best {
    next: Vec<f64>,
    value: Vec<f64>,
    stage: Stage,
}

pub(crate) fn iterate(
    model: &Model,
    limits: &Limits,
    hook: &Hook,
    solver: &'static str,
    evaluation: &Evaluation,
) -> Solution {
    let watch = Watch::new(limits, hook);
    let (s, discount) = (model.states().len(), model.discount());
    let ahead = discount / (1.0 - discount);
    let dense = if matches!(evaluation, Evaluation::Exact) { s * s + s } else { 0 };
    let bytes = 8 * (4 * s + dense) + 4 * s;
    let mut sweeps = Sweeps::new(model, limits, bytes);
    let bytes = bytes + sweeps.bytes;
    let mut bracket = Bracket::crude(model);
    let mut actions = vec![0; s];
    // The next V and a place to work; the best pair stays whole while both are written.
    let (mut v, mut work) = (vec![0.0; s], vec![0.0; s]);
    let mut best = Best { next: Vec::new(), value: Vec::new(), stage: Table::unswept(model).stages[0] };
    let mut iterations = 0;
    let stopped = loop {
        if iterations == 0 && watch.too_large(bytes) {
            break Stopped::Memory;
        }
        let mut pause = || watch.check(bracket.lower, bracket.upper, iterations, bytes);
        let reference = in_state_0(model, &v, 0..model.actions().len());
        let change = match sweeps.improve(&best.next, &v, reference, &mut work, &mut actions, &mut pause) {
            Ok(change) => change,
            Err(reason) => break reason,
        };
        iterations += 1;
        std::mem::swap(&mut best.next, &mut v);
        std::mem::swap(&mut best.value, &mut work);
        v.resize(s, 0.0);
        work.resize(s, 0.0);
        let (low, high) = (change.least * ahead, change.greatest * ahead);
        let middle = f64::midpoint(low, high);
        best.stage =
            Stage { level: 1, value_shift: middle + reference, action_shift: middle, band: (high - low) / 2.0 };
        let mean = start_mean(model, &best.value) + reference;
        bracket.tighten(mean + low, mean + high);
        let reason = watch.check(bracket.lower, bracket.upper, iterations, bytes);
        let size = best.value.iter().fold(reference.abs(), |size, v| size.max(v.abs()));
        // Below this width the band is made of rounding, and sweeping on cannot shrink it.
        let floor = ROUNDING * size * ahead.max(1.0);
        if high - low <= limits.gap {
            break Stopped::Converged;
        }
        if high - low <= floor {
            break if limits.gap == 0.0 { Stopped::Converged } else { Stopped::Exhausted };
        }
        if let Some(reason) = reason {
            break reason;
        }
        let mut pause = || watch.check(bracket.lower, bracket.upper, iterations, bytes);
        match evaluation {
            Evaluation::Sweeps(most) => {
                v.copy_from_slice(&best.value);
                let mut stop = None;
                for _ in 0..*most {
                    let chosen = actions[0] as usize;
                    let reference = in_state_0(model, &v, chosen..chosen + 1);
                    match sweeps.follow(&v, reference, &mut work, &mut actions, &mut pause) {
                        Ok(step) => {
                            std::mem::swap(&mut v, &mut work);
                            if step.span() <= PAYS * change.span() {
                                break;
                            }
                        }
                        Err(reason) => {
                            stop = Some(reason);
                            break;
                        }
                    }
                }
                if let Some(reason) = stop {
                    break reason;
                }
            }
            Evaluation::Exact => {
                if let Err(reason) = exact_values(model, &actions, &mut v, &mut pause) {
                    break reason;
                }
                let reference = v[0];
                v.iter_mut().for_each(|v| *v -= reference);
            }
        }
    };
    let backups = sweeps.backups;
    let threads = sweeps.threads();
    drop((v, work, actions, sweeps));
    let Best { next: mut values, value, stage } = best;
    values.extend(value);
    values.resize(2 * s, 0.0);
    let table = Table { stationary: true, values, stages: vec![stage] };
    let bounds = (bracket.lower, bracket.upper);
    let ended = Ended { bounds, stopped, start_up: 0.0, iterations, backups, threads };
    Solution::found(solver, model, Body::Table(table), ended, &watch)
}

/// The largest value of `actions` in state 0: what values are kept relative to.
fn in_state_0(model: &Model, next: &[f64], actions: std::ops::Range<usize>) -> f64 {
    let (backups, mut room) = (Backups::new(model, next), Room::default());
    actions.map(|action| backups.q(0, action, &mut room).0).fold(f64::NEG_INFINITY, f64::max)
}
