//! Exact values of policies that are not optimal: the uniformly random one, and any staged policy on an MDP.

use tiresias_model::Model;

use crate::SolveError;

/// Expected total (discounted) reward of choosing every action with equal probability, from the start distribution, under model
/// `m` of the cloud. The random policy is open loop, so the state is a chain under the mean kernel whether it is seen or not.
///
/// O(H · entries of the transition kernel); without a horizon, as many steps as make the rest smaller than 1e-12 of the range.
pub fn random_value(model: &Model, m: usize) -> f64 {
    let (s, a) = (model.states().len(), model.actions().len());
    let (kernel, reward) = (&model.dynamics()[m].transition, model.expected_reward(m));
    let share = 1.0 / a as f64;
    let mean_reward: Vec<f64> = (0..s).map(|i| (0..a).map(|b| reward[b * s + i]).sum::<f64>() * share).collect();
    let steps = model.horizon().unwrap_or_else(|| {
        if model.discount() == 0.0 { 1 } else { (1e-13_f64.ln() / model.discount().ln()).ceil() as usize }
    });
    let (mut now, mut next) = (model.start().to_vec(), vec![0.0; s]);
    let (mut total, mut weight) = (0.0, 1.0);
    for _ in 0..steps {
        total += weight * now.iter().zip(&mean_reward).map(|(p, r)| p * r).sum::<f64>();
        weight *= model.discount();
        next.fill(0.0);
        for (state, &mass) in now.iter().enumerate().filter(|(_, mass)| **mass > 0.0) {
            for action in 0..a {
                kernel.pairs(action * s + state).for_each(|(to, p)| next[to] += mass * share * p);
            }
        }
        std::mem::swap(&mut now, &mut next);
    }
    total + weight * now.iter().zip(model.final_reward()).map(|(p, r)| p * r).sum::<f64>()
}

/// Value at the start distribution, under model `m`, of a staged stochastic policy that sees the state: `probabilities` has
/// index `(stage * S + state) * A + action`, for every stage of the horizon. O(H · entries of the transition kernel).
///
/// Errors: [`SolveError::Unsupported`] without a horizon, [`SolveError::Shape`] when the array's length is not H·S·A.
pub fn staged_policy_value(model: &Model, m: usize, probabilities: &[f64]) -> Result<f64, SolveError> {
    let (s, a) = (model.states().len(), model.actions().len());
    let Some(horizon) = model.horizon() else {
        return Err(SolveError::Unsupported {
            solver: "staged policy evaluation",
            expected: "a model with a horizon",
            found: "without one".into(),
        });
    };
    if probabilities.len() != horizon * s * a {
        return Err(SolveError::Shape {
            what: "action probabilities (H·S·A)",
            expected: horizon * s * a,
            found: probabilities.len(),
        });
    }
    let last = model.final_reward();
    let mut next = if last.is_empty() { vec![0.0; s] } else { last.to_vec() };
    for stage in (0..horizon).rev() {
        let value = |state: usize| -> f64 {
            let row = &probabilities[(stage * s + state) * a..][..a];
            let chosen = row.iter().enumerate().filter(|(_, p)| **p != 0.0);
            chosen.map(|(action, p)| p * crate::mdp::backup::backed_up(model, m, state, action, &next)).sum()
        };
        next = (0..s).map(value).collect();
    }
    Ok(model.start().iter().zip(&next).map(|(p, v)| p * v).sum())
}

/// [`staged_policy_value`] of a deterministic policy: `actions` has index `stage * S + state`.
///
/// Errors: as there, and [`SolveError::Shape`] when an entry is not an action.
pub fn staged_actions_value(model: &Model, m: usize, actions: &[usize]) -> Result<f64, SolveError> {
    let a = model.actions().len();
    let mut probabilities = vec![0.0; actions.len() * a];
    for (i, &action) in actions.iter().enumerate() {
        if action >= a {
            return Err(SolveError::Shape { what: "actions below", expected: a, found: action });
        }
        probabilities[i * a + action] = 1.0;
    }
    staged_policy_value(model, m, &probabilities)
}
