//! Value iteration with two-sided stopping (Bellman 1957; bounds: `MacQueen` 1966, Porteus 1971).

use tiresias_model::Model;

use super::iterate::{Evaluation, check, iterate};
use crate::{Hook, Limits, Solution, SolveError, Solver};

/// Value iteration for an MDP or robust MDP with discount below 1 and no horizon.
///
/// It stops when the proven band around the values of all states is at most `limits.gap` wide, and returns its middle. The width
/// shrinks with the span of the change of the values: by γ a sweep at least, and as fast as the states mix. O(entries of all
/// transition kernels) per sweep, and less where actions cannot be best (Hastings & van Nunen 1977). 36 S + 4 S·A bytes, and as much as the
/// kernel of one policy where the limit on memory leaves room.
#[derive(Debug, Clone, Copy, Default)]
pub struct ValueIteration;

impl Solver for ValueIteration {
    fn name(&self) -> &'static str {
        "value-iteration"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check_for(model)?;
        check(model, self.name())?;
        Ok(iterate(model, limits, hook, self.name(), &Evaluation::Sweeps(0)))
    }
}
