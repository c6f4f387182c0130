//! Everything a solved policy knows about one decision.

use tiresias_model::{Model, Nature};

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
    /// What the policy does.
    pub(crate) chosen: usize,
    /// Values so close to the best are tied with it.
    pub(crate) tie: f64,
}

impl Assessment {
    /// Of a policy that takes the best action by the point estimates.
    pub(crate) fn greedy(
        model: &Model,
        lower: Vec<f64>,
        q_values: Vec<f64>,
        upper: Vec<f64>,
        nature: Vec<Nature>,
    ) -> Self {
        let tie = model.tie(maximum(q_values.iter().copied()));
        Self { chosen: first_best(model, &q_values), tie, q_values, lower, upper, nature }
    }

    /// Takes the best action by the point estimates among those whose lower bound is `least` at least, or that are the best by the
    /// lower bounds where there is none.
    pub(crate) fn keep(&mut self, model: &Model, least: f64) {
        let enough = least.min(maximum(self.lower.iter().copied())) - self.tie;
        let safe = |(a, &q): (usize, &f64)| if self.lower[a] >= enough { q } else { f64::NEG_INFINITY };
        let safe: Vec<f64> = self.q_values.iter().enumerate().map(safe).collect();
        self.chosen = first_best(model, &safe);
    }

    /// `max_a` of the point estimates.
    pub fn value(&self) -> f64 {
        maximum(self.q_values.iter().copied())
    }

    /// Proven bounds on the value of the decision: `max_a lower[a]`, `max_a upper[a]`.
    pub fn bounds(&self) -> (f64, f64) {
        (maximum(self.lower.iter().copied()), maximum(self.upper.iter().copied()))
    }

    /// What the policy does: the best action by the point estimates, ties to the lowest index ([`Model::tie`]). Where the
    /// estimates are not lower bounds (`faces` of clouds, `estimate`), the best among the actions that keep what is proven.
    pub fn action(&self) -> usize {
        self.chosen
    }

    /// The actions whose estimated value is within `epsilon` (in units of value, not negative) of the best, ascending.
    pub fn optimal_actions(&self, epsilon: f64) -> Vec<usize> {
        (0..self.q_values.len()).filter(|&a| self.is_optimal(a, epsilon)).collect()
    }

    /// Whether `action` is one of [`optimal_actions`](Self::optimal_actions); what the policy does always is.
    pub fn is_optimal(&self, action: usize, epsilon: f64) -> bool {
        action == self.chosen || self.q_values[action] >= self.value() - epsilon - self.tie
    }

    /// What `action` gives less than what the policy does, by the point estimates: 0 for the policy's own action, up to ties. Their
    /// expected sum along a trajectory is the gap to the policy (performance-difference identity). Negative where estimates put an action
    /// higher than one that the policy takes because more is proven of it.
    pub fn estimated_regret(&self, action: usize) -> f64 {
        let (best, own) = (self.value(), self.q_values[self.chosen]);
        let own = if own >= best - self.tie { best } else { own };
        own - self.q_values[action]
    }

    /// A proven upper bound on `V* - Q*(action)`, not negative; 0 when the bounds show that the action is optimal.
    pub fn regret_bound(&self, action: usize) -> f64 {
        let rivals = (0..self.upper.len()).filter(|&a| a != action).map(|a| self.upper[a]);
        (maximum(rivals) - self.lower[action]).max(0.0)
    }
}

/// The lowest index whose value is tied with the largest.
pub(crate) fn first_best(model: &Model, values: &[f64]) -> usize {
    let best = maximum(values.iter().copied());
    let enough = best - model.tie(best);
    values.iter().position(|&q| q >= enough).unwrap_or(0)
}

/// Whether a value of at most `most` cannot be the first best where `best` is among the values; with room for rounding.
pub(crate) fn surely_worse(model: &Model, most: f64, best: f64) -> bool {
    most < best - 2.0 * model.tie(best)
}

pub(crate) fn maximum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NEG_INFINITY, f64::max)
}
