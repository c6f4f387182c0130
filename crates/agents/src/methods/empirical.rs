//! `empirical`: certainty equivalence. The mean model of the posterior is taken for the truth.

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;

use crate::acting::{Learner, Mind, Settled};
use crate::counts::Counts;
use crate::hidden::{STARTS, Search, follow};
use crate::hmm::{Hmm, Prior};
use crate::plan::{Choice, Estimate, Planner, first_best};
use crate::registry::{ALL, at_least, read_options};
use crate::window::Windows;
use crate::{Agent, AgentError, Context, Entry, Group, Knows, Method};

/// What `empirical` may be told.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    /// Transitions that the prior counts for in every state and action, spread evenly over the next states; where states are hidden, as
    /// many observations too.
    #[schemars(range(min = 0.0))]
    prior_weight: f64,
    /// Rewards that the prior counts for in every state and action.
    #[schemars(range(min = 0.0))]
    reward_weight: f64,
    /// The prior's mean reward; left out, the least of the support's rewards (0 without a support).
    reward_mean: Option<f64>,
    /// Whether counting and planning go on within the episode. Only where states are seen.
    online: bool,
    /// Where states are hidden: how many there are taken to be; left out, as many as observations.
    #[schemars(range(min = 1, max = 512))]
    states: Option<usize>,
    /// Where states are hidden: how many places the search for a model begins at.
    #[schemars(range(min = 1, max = 1000))]
    starts: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { prior_weight: 1.0, reward_weight: 1.0, reward_mean: None, online: false, states: None, starts: STARTS }
    }
}

impl Options {
    fn search(&self) -> Search {
        Search { states: self.states, starts: self.starts, weight: self.prior_weight }
    }
}

pub(crate) const ENTRY: Entry = Entry {
    name: "empirical",
    label: "Empirical model",
    group: Group::Model,
    knows: Knows::Nothing,
    regimes: ALL,
    needs_support: false,
    summary: "Plans in the mean model of the posterior that a Dirichlet prior and the support give; where states are hidden, in a hidden \
              Markov model fitted to the support.",
    source: "Martin, Bayesian Decision Problems and Markov Chains, 1967; certainty equivalence: Mania, Tu, Recht, NeurIPS 2019; \
             hidden states: Rabiner, Proceedings of the IEEE, 1989, and Bengio, Frasconi, \"An input output HMM architecture\", NIPS 7, 1995",
    options: || schema_for!(Options),
    make: |options, study| {
        let options: Options = read_options(options)?;
        at_least("priorWeight", options.prior_weight, 0.0)?;
        at_least("rewardWeight", options.reward_weight, 0.0)?;
        options.search().check()?;
        if options.online && !study.shape.observed() {
            let problem =
                "online has no use where states are hidden, as the one model is fitted to the support; leave it out";
            return Err(AgentError::Method(problem.into()));
        }
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
///
/// Where states are hidden, the model is a hidden Markov model, the likeliest that was found, with the same priors ([`Search`]); the
/// plan in it is that of QMDP, and the belief follows the episode ([`follow`]). Without a support all actions look alike, and any
/// is taken.
impl Method for Options {
    fn begin(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        if !context.shape.observed() {
            return self.begin_hidden(context);
        }
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

impl Options {
    fn begin_hidden(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        if context.support.is_empty() {
            return Ok(Settled::agent(context, vec![None; Windows::of(context.shape).count()]));
        }
        let expected = self.search().fit(context)?;
        let known = context.support.rewards.iter().copied().filter(|reward| reward.is_finite());
        let least = known.reduce(f64::min).unwrap_or(0.0);
        let prior = Prior {
            weight: self.prior_weight,
            reward_mean: self.reward_mean.unwrap_or(least),
            reward_weight: self.reward_weight,
            variance: 0.0,
        };
        follow(context, &Hmm::of(&expected, &prior))
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
