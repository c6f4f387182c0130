//! Everything a solved policy knows about one decision.

use tiresias_model::Nature;

/// How close to the best an action's value must be, relative to the values' size, to count as tied with it.
const TIE: f64 = 1e-9;

/// Action values at one (stage, belief), with proven bounds. One call computes what a label needs.
///
/// All values are expected totals from this stage on, discounted to it. `lower[a] <= Q*(a) <= upper[a]` is proven up to
/// rounding; `q_values` are point estimates that one value function Ṽ implies, and [`value`](Self::value) is their maximum.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Point estimate of `Q(a)`, one an action.
    pub q_values: Vec<f64>,
    /// Lower bound on `Q(a)`.
    pub lower: Vec<f64>,
    /// Upper bound on `Q(a)`.
    pub upper: Vec<f64>,
    /// Nature's answers to each action under the point estimates; model 0 when there is only one.
    pub nature: Vec<Nature>,
}

impl Assessment {
    /// `max_a` of the point estimates.
    pub fn value(&self) -> f64 {
        maximum(self.q_values.iter().copied())
    }

    /// Proven bounds on the value of the decision: `max_a lower[a]`, `max_a upper[a]`.
    pub fn bounds(&self) -> (f64, f64) {
        (maximum(self.lower.iter().copied()), maximum(self.upper.iter().copied()))
    }

    /// The best action by the point estimates; values that differ by rounding only are ties, and ties go to the lowest index.
    pub fn action(&self) -> usize {
        first_best(&self.q_values)
    }

    /// The actions whose estimated value is within `epsilon` (in units of value, not negative) of the best, ascending.
    pub fn optimal_actions(&self, epsilon: f64) -> Vec<usize> {
        let best = self.value();
        let enough = best - epsilon - TIE * (1.0 + best.abs());
        (0..self.q_values.len()).filter(|&a| self.q_values[a] >= enough).collect()
    }

    /// A proven upper bound on `V* - Q*(action)`, not negative; 0 when the bounds show that the action is optimal.
    pub fn regret_bound(&self, action: usize) -> f64 {
        let rivals = (0..self.upper.len()).filter(|&a| a != action).map(|a| self.upper[a]);
        (maximum(rivals) - self.lower[action]).max(0.0)
    }
}

/// The lowest index whose value is the largest up to rounding.
pub(crate) fn first_best(values: &[f64]) -> usize {
    let best = maximum(values.iter().copied());
    let enough = best - TIE * (1.0 + best.abs());
    values.iter().position(|&q| q >= enough).unwrap_or(0)
}

/// Whether a value of at most `most` cannot be the first best where `best` is among the values; with room for rounding.
pub(crate) fn surely_worse(most: f64, best: f64) -> bool {
    most < best - 2.0 * TIE * (1.0 + best.abs())
}

fn maximum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NEG_INFINITY, f64::max)
}
