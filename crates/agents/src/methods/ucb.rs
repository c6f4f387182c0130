//! `ucb`: optimism in the face of uncertainty.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use tiresias_model::family::Regime;

use crate::acting::{Learner, Mind};
use crate::counts::Counts;
use crate::plan::{Choice, Estimate, Planner, best_by};
use crate::registry::{at_least, read_options};
use crate::window::Windows;
use crate::{Agent, AgentError, Context, Entry, Group, Knows, Method};

/// How the confidence grows with the number of decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Confidence {
    /// The bonus is `c √(1/n)`.
    Constant,
    /// The bonus is `c √(ln t / n)`, as in UCB1 and UCBVI.
    Log,
}

/// What `ucb` may be told.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    /// Scale of the bonus, in units of reward.
    #[schemars(range(min = 0.0))]
    c: f64,
    /// Whether the bonus of an action grows with the logarithm of all decisions.
    confidence: Confidence,
}

impl Default for Options {
    fn default() -> Self {
        Self { c: 1.0, confidence: Confidence::Constant }
    }
}

pub(crate) const ENTRY: Entry = Entry {
    name: "ucb",
    label: "Optimism",
    group: Group::Model,
    knows: Knows::Nothing,
    regimes: &[Regime::Mdp],
    needs_support: false,
    summary: "Plans at every decision in the estimated model with a bonus for what was tried seldom.",
    source: "Azar, Osband, Munos, \"Minimax regret bounds for reinforcement learning\" (UCBVI), ICML 2017; \
             on a bandit: Auer, Cesa-Bianchi, Fischer, Machine Learning 2002",
    options: || schema_for!(Options),
    make: |options, _| {
        let options: Options = read_options(options)?;
        at_least("c", options.c, 0.0)?;
        Ok(Box::new(options))
    },
};

/// Relative frequencies for the moves, and for the reward the sample mean with a bonus `c √(L/n)`; `n` counts the decisions in that state
/// with that action, and `L` is 1 or `ln t` after `t` decisions in all, the support's included.
///
/// What was never tried has the greatest reward known so far, the bonus of `n = 1`, and leads to the best state. So no value needs a
/// cap: none exceeds what the greatest reward and bonus come to at every decision. Of equals the one tried least goes first: on a bandit
/// every arm is tried once before any is tried twice.
///
/// A decision costs a plan: decisions left · (transitions recorded + 2·S·A) multiply-adds.
impl Method for Options {
    fn begin(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        let counts = Counts::of(Windows::of(context.shape), context)?;
        let mind = Optimist {
            options: *self,
            discount: context.shape.discount,
            estimate: Estimate::default(),
            planner: Planner::default(),
        };
        Ok(Learner::agent(context, counts, mind))
    }
}

struct Optimist {
    options: Options,
    discount: f64,
    estimate: Estimate,
    planner: Planner,
}

impl Mind for Optimist {
    fn choose(&mut self, counts: &Counts, _stage: usize, left: usize, state: usize) -> Choice {
        let confidence = match self.options.confidence {
            Confidence::Constant => 1.0,
            Confidence::Log => counts.total().max(1.0).ln(),
        };
        let (_, greatest) = counts.reward_range();
        self.estimate.clear(counts.actions());
        for row in 0..counts.rows() {
            let bonus = self.options.c * (confidence / counts.tried(row).max(1.0)).sqrt();
            let moved = counts.moved(row);
            let unknown = if moved > 0.0 { 0.0 } else { 1.0 };
            let moves = counts.moves(row).map(|(to, times)| (to, times / moved));
            self.estimate.push(counts.mean_reward(row).unwrap_or(greatest) + bonus, unknown, moves);
        }
        let best_state = |_, values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let choices = self.planner.plan(&self.estimate, left, self.discount, best_state, |_, state, q| {
            let best = best_by(q, |action| -counts.tried_in(state)[action]);
            (Some(best as u8), q[best])
        });
        choices[state]
    }
}
