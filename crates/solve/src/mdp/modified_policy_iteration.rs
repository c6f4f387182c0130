//! Modified policy iteration (Puterman & Shin, "Modified policy iteration algorithms for discounted Markov decision problems",
//! Management Science 24, 1978; robust form: Kaufman & Schaefer, "Robust modified policy iteration", 2013).

use tiresias_model::Model;

use super::iterate::{Evaluation, check, iterate};
use crate::{Hook, Limits, Solution, SolveError, Solver};

/// Modified policy iteration for an MDP or robust MDP with discount below 1 and no horizon.
///
/// Between two improvements the policy found is followed for a number of sweeps, each of which reads one action's rows instead of
/// all. Bounds and stopping are those of [`ValueIteration`](crate::ValueIteration), proven at every improvement.
#[derive(Debug, Clone, Copy)]
pub struct ModifiedPolicyIteration {
    /// The most sweeps that evaluate one policy; they end before, once they change a tenth of what the improvement changed.
    pub evaluations: u32,
}

impl Default for ModifiedPolicyIteration {
    fn default() -> Self {
        Self { evaluations: 100 }
    }
}

impl Solver for ModifiedPolicyIteration {
    fn name(&self) -> &'static str {
        "modified-policy-iteration"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check_for(model)?;
        check(model, self.name())?;
        Ok(iterate(model, limits, hook, self.name(), &Evaluation::Sweeps(self.evaluations)))
    }
}
