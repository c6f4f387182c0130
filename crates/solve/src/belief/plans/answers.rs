//! What a plan is worth when the other player answers it.

use tiresias_model::Model;

use super::bounds::{Desk, Named, Slots, Stage, look};
use super::hull::Hull;
use super::survey::index_of_greatest;
use crate::belief::backup::expected_reward;

/// What the decision-maker's plan costs (the negative of its worth) at a belief, at most: by nature's model, in `out`, and altogether.
pub(crate) fn cost(
    model: &Model,
    next: &Stage,
    (moves, following): (&[u32], &[Named]),
    belief: &[(u32, f64)],
    desk: &mut Desk,
    out: &mut Vec<f64>,
) -> f64 {
    let slots = Slots::of(model);
    let (action, friend, alpha) = (moves[0] as usize, moves[1] as usize, model.alpha());
    let Desk { scratch, dense, .. } = desk;
    out.clear();
    for m in 0..slots.models {
        let mut sum = 0.0;
        scratch.successors(model, m, belief, action, |o, joint| {
            // By the one bound that is named, however good others of the plan are here: so the number is not below what following it gives.
            let (plan, bound) = following[slots.at(0, m, o)];
            sum += look(dense, joint, |x| next.ours[plan as usize].hull.on(x, bound));
        });
        out.push(model.discount() * sum - expected_reward(model, m, belief, action));
    }
    if alpha < 1.0 {
        let friendly = out[friend];
        out.iter_mut().for_each(|harmful| *harmful = alpha * *harmful + (1.0 - alpha) * friendly);
    }
    out[index_of_greatest(out)]
}

/// What the decision-maker makes of nature's plan at a belief, at most: by action, in `out`, and altogether.
pub(crate) fn worth(
    model: &Model,
    next: &Stage,
    (moves, following): (&[u32], &[Named]),
    belief: &[(u32, f64)],
    desk: &mut Desk,
    out: &mut Vec<f64>,
) -> f64 {
    let slots = Slots::of(model);
    let alpha = model.alpha();
    let Desk { scratch, dense, .. } = desk;
    out.clear();
    for (action, &harm) in moves.iter().enumerate() {
        let mut value = |m: usize| {
            let mut sum = 0.0;
            scratch.successors(model, m, belief, action, |o, joint| {
                let plan = &next.natures[following[slots.at(action, m, o)].0 as usize];
                sum += look(dense, joint, |x| plan.hull.at(x, f64::INFINITY).0);
            });
            expected_reward(model, m, belief, action) + model.discount() * sum
        };
        let harmful = value(harm as usize);
        out.push(if alpha < 1.0 {
            let good = (0..slots.models).map(value).fold(f64::NEG_INFINITY, f64::max);
            alpha * harmful + (1.0 - alpha) * good
        } else {
            harmful
        });
    }
    out[index_of_greatest(out)]
}

/// The signature that [`cost`] and [`worth`] share.
pub(crate) type Value = fn(&Model, &Stage, (&[u32], &[Named]), &[(u32, f64)], &mut Desk, &mut Vec<f64>) -> f64;

/// The hull of a plan from what its branches are worth at the corners; `None` when the time is up before all are known.
pub(crate) fn hull(
    model: &Model,
    next: &Stage,
    plan: (&[u32], &[Named]),
    value: Value,
    desk: &mut Desk,
) -> Option<Hull> {
    let s = model.states().len();
    let mut out = Vec::new();
    let mut branches = Vec::new();
    for corner in 0..s {
        if desk.late() {
            return None;
        }
        value(model, next, plan, &[(corner as u32, 1.0)], desk, &mut out);
        branches.resize(s * out.len(), 0.0);
        out.iter().enumerate().for_each(|(b, v)| branches[b * s + corner] = *v);
    }
    Some(Hull::new(s, branches))
}
