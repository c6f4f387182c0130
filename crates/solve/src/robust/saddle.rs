//! One decision against nature.
//!
//! At belief b and action a nature picks what comes of it from a convex set, and the decision-maker, after each observation, a mixture of
//! vectors: a zero-sum game, bilinear, whose value is found by adding each side's best answer to the other's mixture until neither gains.
//! Mixtures come of linear programs over the answers so far; what either side is then sure of is worked out without them.

use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};

use super::bounds::{Stage, product};
use super::nature::{Outcome, Side};
use crate::belief::backup::Sparse;
use crate::limits::{Late, Watch};

/// Rounds at most: what is sure by then stays so.
const MOST_ROUNDS: usize = 60;

/// What both sides are sure of.
pub(super) struct Saddle {
    /// What the choice earns at the belief, whatever nature does.
    pub lower: f64,
    /// By observation, a distribution over vectors of the next stage.
    pub choice: Vec<Vec<(u32, f64)>>,
    /// Worth of next states under the choice.
    pub ahead: Vec<f64>,
    /// What nature answers.
    pub outcome: Outcome,
}

/// The game at (belief, action) until what the sides are sure of is `tolerance` apart.
pub(super) fn saddle(
    side: &mut Side,
    next: &Stage,
    (belief, action): (&[(u32, f64)], usize),
    (discount, tolerance): (f64, f64),
    watch: &Watch,
) -> Result<Saddle, Late> {
    let vector = |k: u32| &next.vectors[k as usize].worth[..];
    // Nature begins by being the worst for what is best everywhere alike.
    let states = next.vectors[0].worth.len();
    let even: Vec<(u32, f64)> = (0..states as u32).map(|s| (s, 1.0)).collect();
    let first = next.best(&even).0;
    let ahead = side.ahead(action, &vec![vec![(first, 1.0)]; side.observations()], vector);
    let mut outcomes = vec![side.answer(belief, action, &ahead)];
    let observations = outcomes[0].after.len();
    let mut active: Vec<Vec<u32>> = vec![Vec::new(); observations];
    let mut weights = vec![1.0];
    let mut sure: Option<Saddle> = None;
    let mut least = (f64::INFINITY, Outcome::default());
    for _ in 0..MOST_ROUNDS {
        watch.spend(states * observations)?;
        // What is best against nature's mixture.
        let mixed = mix(&outcomes, &weights);
        let mut worth = mixed.reward;
        for (o, after) in mixed.after.iter().enumerate().filter(|(_, after)| !after.is_empty()) {
            let (best, value) = next.best(after);
            worth += discount * value;
            if !active[o].contains(&best) {
                active[o].push(best);
            }
        }
        if worth < least.0 {
            least = (worth, mixed);
        }
        // What is worst for the mixtures that are best against its answers.
        let choice = best_choice(&outcomes, &active, &vector, discount, first);
        let ahead = side.ahead(action, &choice, vector);
        let answer = side.answer(belief, action, &ahead);
        let lower = value(&answer, &choice, &vector, discount);
        if sure.as_ref().is_none_or(|sure| lower > sure.lower) {
            sure = Some(Saddle { lower, choice, ahead: ahead.worth, outcome: Outcome::default() });
        }
        let lower = sure.as_ref().map_or(lower, |sure| sure.lower);
        if least.0 - lower <= tolerance {
            break;
        }
        // What only this answer lets be seen needs a vector, too, or its worth would count for nothing.
        for (active, after) in active.iter_mut().zip(&answer.after) {
            if active.is_empty() && !after.is_empty() {
                active.push(next.best(after).0);
            }
        }
        outcomes.push(answer);
        weights = worst_mixture(&outcomes, &active, &vector, discount);
    }
    let sure = sure.expect("there is a round at least");
    Ok(Saddle { outcome: least.1, ..sure })
}

/// What a choice earns of an outcome.
fn value<'v>(outcome: &Outcome, choice: &[Vec<(u32, f64)>], vector: &impl Fn(u32) -> &'v [f64], discount: f64) -> f64 {
    let of = |(after, choice): (&Sparse, &Sparse)| -> f64 {
        choice.iter().map(|&(k, p)| p * product(vector(k), after)).sum()
    };
    outcome.reward + discount * outcome.after.iter().zip(choice).map(of).sum::<f64>()
}

/// Outcomes weighted: nature's set is convex.
fn mix(outcomes: &[Outcome], weights: &[f64]) -> Outcome {
    let mut mixed = Outcome { reward: 0.0, after: vec![Vec::new(); outcomes[0].after.len()] };
    for (outcome, &weight) in outcomes.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
        mixed.reward += weight * outcome.reward;
        for (sum, after) in mixed.after.iter_mut().zip(&outcome.after) {
            sum.extend(after.iter().map(|&(s, p)| (s, weight * p)));
        }
    }
    for after in &mut mixed.after {
        after.sort_unstable_by_key(|&(s, _)| s);
        after.dedup_by(|next, first| {
            let same = next.0 == first.0;
            if same {
                first.1 += next.1;
            }
            same
        });
    }
    mixed
}

/// Payoffs by observation, active vector and outcome, and the largest in size.
fn payoffs<'v>(
    outcomes: &[Outcome],
    active: &[Vec<u32>],
    vector: &impl Fn(u32) -> &'v [f64],
) -> (Vec<Vec<Vec<f64>>>, f64) {
    let of = |(o, active): (usize, &Vec<u32>)| -> Vec<Vec<f64>> {
        let one = |&k: &u32| outcomes.iter().map(|outcome| product(vector(k), &outcome.after[o])).collect();
        active.iter().map(one).collect()
    };
    let payoffs: Vec<Vec<Vec<f64>>> = active.iter().enumerate().map(of).collect();
    let own = payoffs.iter().flatten().flatten().fold(0.0_f64, |most, v| most.max(v.abs()));
    let most = outcomes.iter().fold(own, |most, outcome| most.max(outcome.reward.abs()));
    (payoffs, if most > 0.0 { 1.0 / most } else { 1.0 })
}

/// By observation the mixture of active vectors that earns most when nature then picks the worst of its answers.
fn best_choice<'v>(
    outcomes: &[Outcome],
    active: &[Vec<u32>],
    vector: &impl Fn(u32) -> &'v [f64],
    discount: f64,
    otherwise: u32,
) -> Vec<Vec<(u32, f64)>> {
    let alone = |own: &Vec<u32>| vec![(own.last().copied().unwrap_or(otherwise), 1.0)];
    if active.iter().all(|own| own.len() < 2) {
        return active.iter().map(alone).collect();
    }
    let (payoffs, scale) = payoffs(outcomes, active, vector);
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let least = problem.add_var(1.0, (f64::NEG_INFINITY, f64::INFINITY));
    let weights: Vec<Vec<Variable>> =
        active.iter().map(|own| own.iter().map(|_| problem.add_var(0.0, (0.0, 1.0))).collect()).collect();
    for own in weights.iter().filter(|own| !own.is_empty()) {
        problem.add_constraint(own.iter().map(|&weight| (weight, 1.0)), ComparisonOp::Eq, 1.0);
    }
    for (j, outcome) in outcomes.iter().enumerate() {
        let terms = weights.iter().zip(&payoffs).flat_map(|(own, payoffs)| {
            own.iter().zip(payoffs).map(move |(&weight, payoff)| (weight, discount * scale * payoff[j]))
        });
        problem.add_constraint(terms.chain([(least, -1.0)]), ComparisonOp::Ge, -scale * outcome.reward);
    }
    let Ok(solution) = problem.solve() else { return active.iter().map(alone).collect() };
    let mixture = |(own, weights): (&Vec<u32>, &Vec<Variable>)| -> Vec<(u32, f64)> {
        let likely = own.iter().zip(weights).map(|(&k, &weight)| (k, solution[weight])).filter(|&(_, p)| p > 1e-12);
        let likely: Vec<(u32, f64)> = likely.collect();
        let sum: f64 = likely.iter().map(|(_, p)| p).sum();
        if sum > 0.5 { likely.iter().map(|&(k, p)| (k, p / sum)).collect() } else { alone(own) }
    };
    active.iter().zip(&weights).map(mixture).collect()
}

/// The mixture of nature's answers that leaves least when the best active vector is then chosen after each observation.
fn worst_mixture<'v>(
    outcomes: &[Outcome],
    active: &[Vec<u32>],
    vector: &impl Fn(u32) -> &'v [f64],
    discount: f64,
) -> Vec<f64> {
    let (payoffs, scale) = payoffs(outcomes, active, vector);
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let weights: Vec<Variable> =
        outcomes.iter().map(|outcome| problem.add_var(scale * outcome.reward, (0.0, 1.0))).collect();
    problem.add_constraint(weights.iter().map(|&weight| (weight, 1.0)), ComparisonOp::Eq, 1.0);
    for payoffs in payoffs.iter().filter(|payoffs| !payoffs.is_empty()) {
        let most = problem.add_var(discount, (f64::NEG_INFINITY, f64::INFINITY));
        for payoff in payoffs {
            let terms = weights.iter().zip(payoff).map(|(&weight, v)| (weight, scale * v));
            problem.add_constraint(terms.chain([(most, -1.0)]), ComparisonOp::Le, 0.0);
        }
    }
    let even = || vec![1.0 / outcomes.len() as f64; outcomes.len()];
    let Ok(solution) = problem.solve() else { return even() };
    let weights: Vec<f64> = weights.iter().map(|&weight| solution[weight].max(0.0)).collect();
    let sum: f64 = weights.iter().sum();
    if sum > 0.5 { weights.iter().map(|weight| weight / sum).collect() } else { even() }
}
