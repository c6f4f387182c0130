//! Lower bounds from plans that look at nothing but the cell.

use tiresias_model::Model;

use super::cells::Cells;
use crate::belief::corners::{Corners, leap};
use crate::limits::Watch;
use crate::mdp::backup::backed_up;

/// How many sweeps an infinite horizon gets at most: to find the actions, and to work out what they are worth.
const MOST_SWEEPS: usize = 500;
/// A sweep that raises no cell's mean, or no state's value, by this share of the largest value is the last one.
const ENOUGH: f64 = 1e-5;

/// For every stage (0 to H, or one) and state, what a plan is worth that knows the cell and sees no more: in each cell it takes the
/// action that is best on the mean of the cell's states. Every cell's values are an α-vector for beliefs within the cell, as the
/// cell is known after every action; where it need not be, in cells that are not closed, they stay what the corners have.
///
/// Every vector is the value of its action followed by the vectors of the cells that come next, those handed out and no others
/// (or a bound below it, without a horizon): who takes its action in a cell earns it.
///
/// Blind plans (Hauskrecht 2000) are the case of one cell. O(sweeps · entries of the transition kernels).
pub(crate) fn by_cell(model: &Model, cells: &Cells, corners: &Corners, watch: &Watch) -> Vec<Plan> {
    // Each cell starts with the blind plan that is best on its mean.
    let mut plans: Vec<Plan> = corners.lower.iter().map(|lower| best_blind(cells, lower, corners.states)).collect();
    if corners.stationary {
        let size = plans[0].values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        for _ in 0..MOST_SWEEPS {
            let next = plans[0].values.clone();
            if sweep(model, cells, &next, &mut plans[0], watch) <= ENOUGH * size {
                break;
            }
        }
        // A cell's values may go on with values that other cells had and have no more: what the actions are worth now is below.
        settle(model, cells, &mut plans[0], ENOUGH * size, watch);
    } else {
        for stage in (0..plans.len() - 1).rev() {
            let (before, after) = plans.split_at_mut(stage + 1);
            sweep(model, cells, &after[0].values, &mut before[stage], watch);
        }
    }
    plans
}

/// A stage's values by state, and the action that each cell (but the whole) begins with.
pub(crate) struct Plan {
    pub values: Vec<f64>,
    pub actions: Vec<u32>,
    /// And the model of the cloud that nature answers with.
    models: Vec<u32>,
}

fn mean(values: impl Iterator<Item = f64>, members: &[u32]) -> f64 {
    values.sum::<f64>() / members.len() as f64
}

fn best_blind(cells: &Cells, lower: &[f64], states: usize) -> Plan {
    let mut plan = Plan { values: vec![0.0; states], actions: Vec::new(), models: vec![0; cells.whole()] };
    for members in &cells.members[..cells.whole()] {
        let of = |vector: &[f64]| mean(members.iter().map(|&s| vector[s as usize]), members);
        let blind = lower.chunks_exact(states).enumerate();
        let (action, best) = blind.max_by(|a, b| of(a.1).total_cmp(&of(b.1))).expect("there is an action");
        members.iter().for_each(|&s| plan.values[s as usize] = best[s as usize]);
        plan.actions.push(action as u32);
    }
    plan
}

/// Replaces the values of the cells where a better action is found, and returns by how much a cell's mean rose at most.
fn sweep(model: &Model, cells: &Cells, next: &[f64], now: &mut Plan, watch: &Watch) -> f64 {
    let mut risen = 0.0_f64;
    for (cell, members) in cells.members.iter().enumerate().take(cells.whole()) {
        if !cells.is_closed(cell) || watch.late() {
            continue;
        }
        let mut best = mean(members.iter().map(|&s| now.values[s as usize]), members);
        for m in 0..model.dynamics().len() {
            for action in 0..model.actions().len() {
                let value = |&s: &u32| backed_up(model, m, s as usize, action, next);
                let found = mean(members.iter().map(value), members);
                if found > best {
                    risen = risen.max(found - best);
                    best = found;
                    members.iter().for_each(|s| now.values[*s as usize] = value(s));
                    (now.actions[cell], now.models[cell]) = (action as u32, m as u32);
                }
            }
        }
    }
    risen
}

/// Replaces the values of the closed cells by what the actions are worth in them, from below: values that one more decision does not
/// lower, whenever the sweeps end. The plan's actions hold for all its cells, and closed cells lead to closed ones only.
fn settle(model: &Model, cells: &Cells, plan: &mut Plan, enough: f64, watch: &Watch) {
    let closed = (0..cells.whole()).filter(|&cell| cells.is_closed(cell));
    let states: Vec<(u32, usize)> =
        closed.flat_map(|cell| cells.members[cell].iter().map(move |&state| (state, cell))).collect();
    let swept = |plan: &Plan| -> Vec<f64> {
        let value = |&(state, cell): &(u32, usize)| {
            backed_up(model, plan.models[cell] as usize, state as usize, plan.actions[cell] as usize, &plan.values)
        };
        states.iter().map(value).collect()
    };
    let put = |plan: &mut Plan, values: &[f64]| {
        states.iter().zip(values).for_each(|(&(state, _), value)| plan.values[state as usize] = *value);
    };
    // So much lower, a sweep lowers them nowhere.
    let fallen =
        states.iter().zip(swept(plan)).fold(0.0_f64, |most, (s, new)| most.max(plan.values[s.0 as usize] - new));
    let mut values: Vec<f64> =
        states.iter().map(|s| plan.values[s.0 as usize] - fallen / (1.0 - model.discount())).collect();
    put(plan, &values);
    for _ in 0..MOST_SWEEPS {
        if watch.late() {
            break;
        }
        let mut next = swept(plan);
        let change = leap(&values, &mut next, model.discount(), 1.0);
        put(plan, &next);
        values = next;
        if change <= enough {
            break;
        }
    }
}
