//! `pessimistic`: value iteration with lower confidence bounds on the support.

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;

use crate::acting::Settled;
use crate::counts::Counts;
use crate::plan::{Estimate, Planner, annuity, best_by};
use crate::registry::{ALL, at_least, read_options};
use crate::window::Windows;
use crate::{Agent, AgentError, Context, Entry, Group, Knows, Method};

/// What `pessimistic` may be told.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    /// Scale of the penalty, in units of what the rewards' range comes to over the decisions left.
    #[schemars(range(min = 0.0))]
    scale: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { scale: 0.1 }
    }
}

pub(crate) const ENTRY: Entry = Entry {
    name: "pessimistic",
    label: "Pessimistic",
    group: Group::Value,
    knows: Knows::Nothing,
    regimes: ALL,
    needs_support: true,
    summary: "Value iteration on the support with a penalty for what was tried seldom.",
    source: "Rashidinejad, Zhu, Ma, Jiao, Russell, \"Bridging offline reinforcement learning and imitation learning\" (VI-LCB), NeurIPS \
             2021; Jin, Yang, Wang, \"Is pessimism provably efficient for offline RL?\" (PEVI), ICML 2021",
    options: || schema_for!(Options),
    make: |options, _| {
        let options: Options = read_options(options)?;
        at_least("scale", options.scale, 0.0)?;
        Ok(Box::new(options))
    },
};

/// `Q_k(s,a) = max(r̂ + γ P̂ V_{k-1} - b_k(s,a), floor_k)`, with sample means, `b_k = scale · (r_max - r_min)(1 + γ + … + γ^{k-1}) / √n(s,a)`
/// and `floor_k = r_min (1 + γ + … + γ^{k-1})`, the least that can come of k decisions. `r_min` and `r_max` are the support's.
///
/// What was never tried is worth the floor, and of equals the one tried most goes first, so an action that was never tried is never
/// preferred to one that was. Where a state (or the last observation with the last action) was never met, any action.
///
/// H · (transitions recorded + 2·S·A) multiply-adds.
impl Method for Options {
    fn begin(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        let (horizon, discount) = (context.shape.horizon, context.shape.discount);
        let counts = Counts::of(Windows::of(context.shape), context)?;
        let (least, greatest) = counts.reward_range();
        let mut estimate = Estimate::default();
        estimate.clear(counts.actions());
        for row in 0..counts.rows() {
            let moved = counts.moved(row);
            let unknown = if moved > 0.0 { 0.0 } else { 1.0 };
            let moves = counts.moves(row).map(|(to, times)| (to, times / moved));
            estimate.push(counts.mean_reward(row).unwrap_or(least), unknown, moves);
        }
        // Nothing was tried `1/0` times: its penalty is beyond any floor.
        let shares: Vec<f64> = (0..counts.rows()).map(|row| 1.0 / counts.tried(row).sqrt()).collect();
        let decisions: Vec<f64> = (0..=horizon).map(|levels| annuity(discount, levels)).collect();
        let floor = |left: usize, _: &[f64]| least * decisions[left];
        let choose = |left: usize, state: usize, q: &mut [f64]| {
            let floor = least * decisions[left];
            let penalty = self.scale * (greatest - least) * decisions[left];
            for (q, share) in q.iter_mut().zip(&shares[state * counts.actions()..]) {
                *q = if share.is_finite() { (*q - penalty * share).max(floor) } else { floor };
            }
            let best = best_by(q, |action| counts.tried_in(state)[action]);
            ((counts.met(state) > 0.0).then_some(best as u8), q[best])
        };
        let choices = Planner::default().plan(&estimate, horizon, discount, floor, choose).to_vec();
        Ok(Settled::agent(context, choices))
    }
}
