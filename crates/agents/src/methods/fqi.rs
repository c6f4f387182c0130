//! `fqi`: fitted Q iteration on the support, with a table.

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;

use crate::acting::Settled;
use crate::counts::Counts;
use crate::plan::{Estimate, Planner, first_best};
use crate::registry::{ALL, iterations, read_options};
use crate::window::Windows;
use crate::{Agent, AgentError, Context, Entry, Group, Knows, Method};

/// What `fqi` may be told.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    /// Iterations; left out, as many as an episode has decisions.
    #[schemars(range(min = 1))]
    iterations: Option<usize>,
}

pub(crate) const ENTRY: Entry = Entry {
    name: "fqi",
    label: "Fitted Q",
    group: Group::Value,
    knows: Knows::Nothing,
    regimes: ALL,
    needs_support: true,
    summary: "Fits action values to the support by iterated regression on a table, and is greedy on them.",
    source: "Ernst, Geurts, Wehenkel, \"Tree-based batch mode reinforcement learning\", JMLR 2005",
    options: || schema_for!(Options),
    make: |options, study| {
        let options: Options = read_options(options)?;
        iterations(options.iterations, study.shape.horizon)?;
        Ok(Box::new(options))
    },
};

/// `Q_k(s,a)` is the mean over the support's decisions in `s` with `a` of `r + γ max Q_{k-1}(s',·)`, from `Q_0 = 0`; `s` is the state, or
/// the last observation with the last action. The decision with k to go is greedy on `Q_k`, or on the last iterate when there are fewer.
///
/// What the support does not hold stays at `Q = 0`, as in a network's fit it stays at whatever it was: the best action may be one that was
/// never tried. The last decision of a trajectory has a reward and no successor; it counts for the mean reward alone. Where a window
/// was never met, any action.
///
/// iterations · (transitions recorded + 2·S·A) multiply-adds.
impl Method for Options {
    fn begin(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        let counts = Counts::of(Windows::of(context.shape), context)?;
        let estimate = frequencies(&counts);
        let levels = iterations(self.iterations, context.shape.horizon)?;
        let choose = |_, state: usize, q: &mut [f64]| {
            let best = first_best(q);
            ((counts.met(state) > 0.0).then_some(best as u8), q[best])
        };
        let mut planner = Planner::default();
        let choices = planner.plan(&estimate, levels, context.shape.discount, |_, _| 0.0, choose).to_vec();
        Ok(Settled::agent(context, choices))
    }
}

/// Mean rewards and relative frequencies; what is not in the counts has reward 0 and leads to the unknown.
pub(super) fn frequencies(counts: &Counts) -> Estimate {
    let mut estimate = Estimate::default();
    estimate.clear(counts.actions());
    for row in 0..counts.rows() {
        let moved = counts.moved(row);
        let unknown = if moved > 0.0 { 0.0 } else { 1.0 };
        let moves = counts.moves(row).map(|(to, times)| (to, times / moved));
        estimate.push(counts.mean_reward(row).unwrap_or(0.0), unknown, moves);
    }
    estimate
}
