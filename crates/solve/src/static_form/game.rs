//! The matrix game of plans against models: two small linear programs, for a library's simplex method.
//!
//! Nothing is believed of it: a mixture is worth what its plans are worth, and a prior proves what the search against it proves.

use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};

/// Who plays what in an equilibrium, as far as the method's rounding goes.
pub(super) struct Equilibrium {
    /// A distribution over the plans.
    pub mixture: Vec<f64>,
    /// A distribution over the models: nature's.
    pub prior: Vec<f64>,
}

/// The equilibrium of the game in which plan k under model m pays `payoff[k][m]`, the planner maximises and nature minimises. There is
/// a plan at least. `None` where the method gives up.
///
/// Numbers are moved into [0, 1] first, which changes no equilibrium.
pub(super) fn equilibrium(payoff: &[Vec<f64>]) -> Option<Equilibrium> {
    let all = || payoff.iter().flatten().copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let scale = if high > low { 1.0 / (high - low) } else { 1.0 };
    let unit = |value: f64| (value - low) * scale;
    let models = payoff[0].len();
    let planner = side(OptimizationDirection::Maximize, payoff.len(), models, |plan, model| unit(payoff[plan][model]))?;
    let nature = side(OptimizationDirection::Minimize, models, payoff.len(), |model, plan| unit(payoff[plan][model]))?;
    Some(Equilibrium { mixture: planner, prior: nature })
}

/// The best distribution over `own` choices when the other side then takes the worst of `others`.
fn side(
    direction: OptimizationDirection,
    own: usize,
    others: usize,
    payoff: impl Fn(usize, usize) -> f64,
) -> Option<Vec<f64>> {
    let mut problem = Problem::new(direction);
    let value = problem.add_var(1.0, (0.0, 1.0));
    let weights: Vec<Variable> = (0..own).map(|_| problem.add_var(0.0, (0.0, 1.0))).collect();
    problem.add_constraint(weights.iter().map(|&weight| (weight, 1.0)), ComparisonOp::Eq, 1.0);
    let bound = match direction {
        OptimizationDirection::Maximize => ComparisonOp::Ge,
        OptimizationDirection::Minimize => ComparisonOp::Le,
    };
    for other in 0..others {
        let terms = weights.iter().enumerate().map(|(choice, &weight)| (weight, payoff(choice, other)));
        problem.add_constraint(terms.chain([(value, -1.0)]), bound, 0.0);
    }
    let solution = problem.solve().ok()?;
    let weights: Vec<f64> = weights.iter().map(|&weight| solution[weight].max(0.0)).collect();
    let sum: f64 = weights.iter().sum();
    (sum > 0.5).then(|| weights.iter().map(|weight| weight / sum).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], expected: &[f64]) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}, not {expected:?}");
    }

    #[test]
    fn matching_pennies_is_played_evenly() {
        let game = equilibrium(&[vec![1.0, -1.0], vec![-1.0, 1.0]]).unwrap();
        close(&game.mixture, &[0.5, 0.5]);
        close(&game.prior, &[0.5, 0.5]);
    }

    /// Rows (3, 0) and (1, 2): mixing them by p makes the columns 1 + 2p and 2 - 2p, equal at p = 1/4; nature's by q 3q and 2 - q.
    #[test]
    fn an_uneven_game_is_what_algebra_says_in_any_units() {
        for (unit, offset) in [(1.0, 0.0), (1e9, -4e9), (1e-7, 3.0)] {
            let rows = [[3.0, 0.0], [1.0, 2.0]].map(|row| row.map(|v| v * unit + offset).to_vec());
            let game = equilibrium(&rows).unwrap();
            close(&game.mixture, &[0.25, 0.75]);
            close(&game.prior, &[0.5, 0.5]);
        }
    }

    #[test]
    fn plans_that_are_all_alike_are_any_mixture() {
        let game = equilibrium(&vec![vec![7.0; 3]; 4]).unwrap();
        assert!(
            (game.mixture.iter().sum::<f64>() - 1.0).abs() < 1e-12 && (game.prior.len(), game.mixture.len()) == (3, 4)
        );
    }
}
