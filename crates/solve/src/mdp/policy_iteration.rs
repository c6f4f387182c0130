//! Policy iteration (Howard, "Dynamic Programming and Markov Processes", 1960).

use tiresias_model::{Kind, Model};

use super::iterate::{Evaluation, check, iterate};
use crate::{Hook, Limits, Solution, SolveError, Solver};

/// Policy iteration for a small MDP with discount below 1 and no horizon: every policy is evaluated exactly, so that a handful of
/// improvements ends in a band as narrow as rounding allows, whatever the discount.
///
/// O(S³ + entries) per improvement, 8 S² bytes. Robust MDPs are refused: nature's answer makes their evaluation no linear system.
#[derive(Debug, Clone, Copy)]
pub struct PolicyIteration {
    /// More states than this are refused.
    pub most_states: usize,
}

impl Default for PolicyIteration {
    fn default() -> Self {
        Self { most_states: 2000 }
    }
}

impl Solver for PolicyIteration {
    fn name(&self) -> &'static str {
        "policy-iteration"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check_for(model)?;
        check(model, self.name())?;
        let unsupported = |expected: &'static str, found: String| {
            Err(SolveError::Unsupported { solver: self.name(), expected, found })
        };
        if model.kind() == Kind::RobustMdp {
            return unsupported("one transition model (modified-policy-iteration takes several)", "robust-mdp".into());
        }
        let states = model.states().len();
        if states > self.most_states {
            let expected = "no more states than its most_states (modified-policy-iteration takes any number)";
            return unsupported(expected, format!("of {states} states"));
        }
        Ok(iterate(model, limits, hook, self.name(), &Evaluation::Exact))
    }
}
