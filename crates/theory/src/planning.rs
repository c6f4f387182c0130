//! Exact values: backward induction, the occupancy of a policy, and what it earns.

use crate::attention::dot;
use crate::linear_mdp::LinearMdp;

/// Values of a policy that is optimal, or the worst that there is.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Action values, a list a stage, a number a pair.
    pub q: Vec<Vec<f64>>,
    /// The weights that make them of features, a list a stage.
    pub weights: Vec<Vec<f64>>,
    /// The actions: of a stage, of a state; the lowest of equals.
    pub actions: Vec<Vec<usize>>,
    /// The value at the start.
    pub value: f64,
}

/// Backward induction, for the most that can be earned.
pub fn best(mdp: &LinearMdp) -> Plan {
    plan(mdp, greedy)
}

/// Backward induction, for the least that can be earned.
pub fn worst(mdp: &LinearMdp) -> Plan {
    plan(mdp, |q, actions| greedy(&q.iter().map(|q| -q).collect::<Vec<_>>(), actions))
}

fn plan(mdp: &LinearMdp, choose: impl Fn(&[f64], usize) -> Vec<usize>) -> Plan {
    let shape = mdp.shape;
    let mut values = vec![0.0; shape.states];
    let mut plan = Plan { q: Vec::new(), weights: Vec::new(), actions: Vec::new(), value: 0.0 };
    for _ in 0..shape.horizon {
        let q: Vec<f64> =
            (0..shape.pairs()).map(|pair| mdp.rewards[pair] + dot(mdp.transition(pair), &values)).collect();
        let chosen = choose(&q, shape.actions);
        plan.weights.push(mdp.weights(&values));
        values = chosen.iter().enumerate().map(|(s, a)| q[s * shape.actions + a]).collect();
        plan.q.push(q);
        plan.actions.push(chosen);
    }
    plan.q.reverse();
    plan.weights.reverse();
    plan.actions.reverse();
    plan.value = values.iter().sum::<f64>() / shape.states as f64;
    plan
}

/// The greatest of every state, the lowest of equals.
pub fn greedy(q: &[f64], actions: usize) -> Vec<usize> {
    q.chunks_exact(actions)
        .map(|row| (1..actions).fold(0, |best, a| if row[a] > row[best] { a } else { best }))
        .collect()
}

/// How likely each state is at each stage when a policy acts.
pub fn occupancy(mdp: &LinearMdp, policy: &[Vec<usize>]) -> Vec<Vec<f64>> {
    let actions = mdp.shape.actions;
    flow(mdp, |stage, s, add| add(s * actions + policy[stage][s], 1.0))
}

/// What a policy earns in the mean, from its occupancy.
pub fn value(mdp: &LinearMdp, policy: &[Vec<usize>], occupancy: &[Vec<f64>]) -> f64 {
    let actions = mdp.shape.actions;
    let stage = |(chosen, likely): (&Vec<usize>, &Vec<f64>)| -> f64 {
        likely.iter().zip(chosen).enumerate().map(|(s, (p, a))| p * mdp.rewards[s * actions + a]).sum()
    };
    policy.iter().zip(occupancy).map(stage).sum()
}

/// What uniformly random actions earn in the mean.
pub fn random_value(mdp: &LinearMdp) -> f64 {
    let actions = mdp.shape.actions;
    let share = 1.0 / actions as f64;
    let occupancy = flow(mdp, |_, s, add| (0..actions).for_each(|a| add(s * actions + a, share)));
    let reward = |s: usize| -> f64 { mdp.rewards[s * actions..][..actions].iter().sum::<f64>() * share };
    occupancy.iter().map(|likely| likely.iter().enumerate().map(|(s, p)| p * reward(s)).sum::<f64>()).sum()
}

/// States of each stage from a uniform start; `act` hands over the pairs of a stage and state with their probabilities.
fn flow(mdp: &LinearMdp, act: impl Fn(usize, usize, &mut dyn FnMut(usize, f64))) -> Vec<Vec<f64>> {
    let states = mdp.shape.states;
    let mut all = vec![vec![1.0 / states as f64; states]];
    for stage in 0..mdp.shape.horizon - 1 {
        let mut next = vec![0.0; states];
        for (s, likely) in all[stage].iter().enumerate() {
            act(stage, s, &mut |pair, share| {
                next.iter_mut().zip(mdp.transition(pair)).for_each(|(next, p)| *next += likely * share * p);
            });
        }
        all.push(next);
    }
    all
}
