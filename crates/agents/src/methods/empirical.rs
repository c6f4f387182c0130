//! `empirical`: certainty equivalence. The mean model of the posterior is taken for the truth.

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use tiresias_model::family::Regime;

use crate::acting::{Learner, Mind, Settled};
use crate::counts::Counts;
use crate::plan::{Choice, Estimate, Planner, first_best};
use crate::registry::{at_least, read_options};
use crate::window::Windows;
use crate::{Agent, AgentError, Context, Entry, Group, Knows, Method};

/// What `empirical` may be told.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    /// Transitions that the prior counts for in every state and action, spread evenly over the next states.
    #[schemars(range(min = 0.0))]
    prior_weight: f64,
    /// Rewards that the prior counts for in every state and action.
    #[schemars(range(min = 0.0))]
    reward_weight: f64,
    /// The prior's mean reward; left out, the least of the support's rewards (0 without a support).
    reward_mean: Option<f64>,
    /// Whether counting and planning go on within the episode.
    online: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { prior_weight: 1.0, reward_weight: 1.0, reward_mean: None, online: false }
    }
}

pub(crate) const ENTRY: Entry = Entry {
    name: "empirical",
    label: "Empirical model",
    group: Group::Model,
    knows: Knows::Nothing,
    regimes: &[Regime::Mdp],
    needs_support: false,
    summary: "Plans in the mean model of the posterior that a Dirichlet prior and the support give.",
    source: "Martin, Bayesian Decision Problems and Markov Chains, 1967; certainty equivalence: Mania, Tu, Recht, NeurIPS 2019",
    options: || schema_for!(Options),
    make: |options, _| {
        let options: Options = read_options(options)?;
        at_least("priorWeight", options.prior_weight, 0.0)?;
        at_least("rewardWeight", options.reward_weight, 0.0)?;
        Ok(Box::new(options))
    },
};

/// The posterior mean of `P(·|s,a)` under Dirichlet(w/S, …, w/S), of `r(s,a)` under a prior worth `rewardWeight` rewards, and the plan that
/// is best if both are true. In a state that was never met all actions look alike, and any is taken.
///
/// The prior matters most where the support always took the same action: the evenly spread moves of the others look good from a poor
/// state. So their reward is expected to be poor unless `rewardMean` says otherwise; with the mean of the support's rewards this method
/// does worse than a random one after an oracle's trajectories in the energy family.
///
/// A plan costs H · (transitions recorded + 2·S·A) multiply-adds; `online`, every decision costs one for the decisions left.
impl Method for Options {
    fn begin(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        let counts = Counts::of(Windows::of(context.shape), context)?;
        let mut mind = CertaintyEquivalent {
            options: *self,
            reward_mean: self.reward_mean.unwrap_or(counts.reward_range().0),
            discount: context.shape.discount,
            estimate: Estimate::default(),
            planner: Planner::default(),
        };
        if self.online {
            return Ok(Learner::agent(context, counts, mind));
        }
        let choices = mind.plan(&counts, context.shape.horizon).to_vec();
        Ok(Settled::agent(context, choices))
    }
}

struct CertaintyEquivalent {
    options: Options,
    reward_mean: f64,
    discount: f64,
    estimate: Estimate,
    planner: Planner,
}

impl CertaintyEquivalent {
    fn plan(&mut self, counts: &Counts, levels: usize) -> &[Choice] {
        let Options { prior_weight, reward_weight, .. } = self.options;
        self.estimate.clear(counts.actions());
        for row in 0..counts.rows() {
            let (paid, earned) = counts.rewards(row);
            let weight = reward_weight + paid;
            let reward =
                if weight > 0.0 { (reward_weight * self.reward_mean + earned) / weight } else { self.reward_mean };
            let weight = prior_weight + counts.moved(row);
            let unknown = if weight > 0.0 { prior_weight / weight } else { 1.0 };
            self.estimate.push(reward, unknown, counts.moves(row).map(|(to, times)| (to, times / weight)));
        }
        // The prior's share of a row is spread evenly, and so is worth the mean.
        let mean = |_, values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        self.planner.plan(&self.estimate, levels, self.discount, mean, |_, state, q| {
            let best = first_best(q);
            ((counts.met(state) > 0.0).then_some(best as u8), q[best])
        })
    }
}

impl Mind for CertaintyEquivalent {
    fn choose(&mut self, counts: &Counts, _stage: usize, left: usize, state: usize) -> Choice {
        self.plan(counts, left)[state]
    }
}
