//! Memoryless plans: what is seen decides what is done. Their values, state by state, are bounds at any belief.

use super::problem::Problem;
use super::process::{Aim, Bounds, Process};
use super::tighten::tighten;
use crate::limits::{Late, Watch};

/// What a plan that is nearly certain of its actions does else, so that it comes away from anywhere.
const ASTRAY: f64 = 0.1;

/// A plan and what it is worth.
pub(crate) struct Plan {
    /// By what is seen, then action: how likely it is.
    pub weights: Vec<Vec<f64>>,
    /// By state: a bound on what it earns, on the side of the plan.
    pub value: Vec<f64>,
}

impl Plan {
    /// All actions alike, worth nothing known.
    pub fn uniform(problem: &Problem) -> Self {
        let weights = problem.actions_by_seen().into_iter().map(|n| vec![1.0 / n as f64; n]).collect();
        let nothing = match problem.aim {
            Aim::MaxReach | Aim::MaxReward => 0.0,
            Aim::MinReach => 1.0,
            Aim::MinReward => f64::INFINITY,
        };
        Self { weights, value: vec![nothing; problem.states()] }
    }

    /// A bound on what it earns at a belief.
    pub fn at(&self, belief: impl Iterator<Item = (u32, f64)>) -> f64 {
        belief.map(|(state, mass)| mass * self.value[state as usize]).sum()
    }

    fn of(problem: &Problem, weights: Vec<Vec<f64>>, tolerance: f64, watch: &Watch) -> Result<Self, Late> {
        let mut chain = Process::new();
        for state in 0..problem.states() {
            let node = chain.push_node();
            chain.begin(node);
            let (mut gain, mut end, mut next) = (0.0, 0.0, Vec::new());
            for (action, &weight) in problem.process.actions(state).zip(&weights[problem.seen[state] as usize]) {
                if weight > 0.0 {
                    gain += weight * problem.process.gain(action);
                    end += weight * problem.process.end(action);
                    next.extend(problem.process.successors(action).map(|(to, p)| (to as u32, weight * p)));
                }
            }
            chain.push_action(node, gain, end, next);
        }
        let mut bounds = Bounds::any(problem.aim, problem.states());
        tighten(&chain, problem.aim, &mut bounds, tolerance, watch)?;
        Ok(Self { weights, value: bounds.earned(problem.aim).to_vec() })
    }
}

/// Plans worth having, the first of which gives every action its chance: by chance, among the actions that leave a way to the end, and by what the
/// actions would be worth if the state were seen (`hope`, by state), surely and nearly so.
pub(crate) fn plans(problem: &Problem, hope: &[f64], tolerance: f64, watch: &Watch) -> Result<Vec<Plan>, Late> {
    let chance = Plan::uniform(problem).weights;
    let mut all = vec![chance.clone()];
    let open = match problem.aim {
        Aim::MinReward => ways_out(problem, watch)?,
        _ => chance,
    };
    if open != all[0] {
        all.push(open.clone());
    }
    let sure = as_if_seen(problem, hope, &open);
    let nearly = sure
        .iter()
        .zip(&open)
        .map(|(sure, open)| sure.iter().zip(open).map(|(sure, open)| (1.0 - ASTRAY) * sure + ASTRAY * open).collect());
    all.push(nearly.collect());
    all.push(sure);
    all.into_iter().map(|weights| Plan::of(problem, weights, tolerance, watch)).collect()
}

/// The action whose values, were the state seen, are best on average over the states that look so; among those that `open` gives a chance.
fn as_if_seen(problem: &Problem, hope: &[f64], open: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut total: Vec<Vec<f64>> = open.iter().map(|open| vec![0.0; open.len()]).collect();
    for state in 0..problem.states() {
        if hope[state].is_finite() {
            let total = &mut total[problem.seen[state] as usize];
            problem.process.actions(state).zip(total).for_each(|(a, total)| *total += problem.process.value(a, hope));
        }
    }
    let best = |(total, open): (&Vec<f64>, &Vec<f64>)| {
        let allowed = (0..total.len()).filter(|&k| open[k] > 0.0);
        let best = allowed.reduce(|best, k| if problem.aim.better(total[k], total[best]) { k } else { best });
        (0..total.len()).map(|k| f64::from(u8::from(Some(k) == best))).collect()
    };
    total.iter().zip(open).map(best).collect()
}

/// Chance among the actions that never lead to where there is no way to the end by such actions. From a state that is left, the end is reached surely.
/// Not every such plan is found: the question is hard (NP: Chatterjee, Chmelík and Tracol 2016).
fn ways_out(problem: &Problem, watch: &Watch) -> Result<Vec<Vec<f64>>, Late> {
    let process = &problem.process;
    let mut allowed: Vec<Vec<bool>> = problem.actions_by_seen().into_iter().map(|n| vec![true; n]).collect();
    let mut lost = vec![false; problem.states()];
    loop {
        let mut out = vec![false; problem.states()];
        loop {
            let mut changed = false;
            for state in (0..problem.states()).rev().filter(|&s| !lost[s]) {
                watch.spend(4)?;
                let leads = || {
                    process.actions(state).zip(&allowed[problem.seen[state] as usize]).any(|(action, allowed)| {
                        *allowed && (process.end(action) > 0.0 || process.successors(action).any(|(to, _)| out[to]))
                    })
                };
                if !out[state] && leads() {
                    out[state] = true;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        let before = (lost.clone(), allowed.clone());
        lost = out.iter().map(|out| !out).collect();
        for state in (0..problem.states()).filter(|&s| !lost[s]) {
            for (action, allowed) in process.actions(state).zip(&mut allowed[problem.seen[state] as usize]) {
                *allowed &= process.successors(action).all(|(to, _)| !lost[to]);
            }
        }
        if before == (lost.clone(), allowed.clone()) {
            break;
        }
    }
    let chance = |allowed: &Vec<bool>| {
        let n = allowed.iter().filter(|allowed| **allowed).count();
        // Where nothing is left, the plan is not to come there.
        let all = n == 0;
        let share = 1.0 / if all { allowed.len() } else { n } as f64;
        allowed.iter().map(|allowed| if all || *allowed { share } else { 0.0 }).collect()
    };
    Ok(allowed.iter().map(chance).collect())
}
