//! `robust`: the max-min oracle of a misjudged cloud.

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use tiresias_model::family::Regime;
use tiresias_model::{Dynamics, Kernel, Model};

use crate::planned::{GAP, Untold, centre};
use crate::registry::{at_least, read_options};
use crate::{AgentError, Entry, Group, Knows};

/// What `robust` may be told.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    /// How far each model lies from the cloud's centre, in units of its true distance: above 1 it fears too much, below 1 too little, at
    /// 1 it is the max-min oracle itself.
    #[schemars(range(min = 0.0))]
    spread: f64,
    /// Certified gap at the start to stop at, in reward units. There is no time limit, as actions would depend on the machine's speed.
    #[schemars(range(min = 0.0))]
    gap: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { spread: 2.0, gap: GAP }
    }
}

/// Every kernel row is `P̄ + spread · (P_m - P̄)`, cut at 0 and divided by its sum, with `P̄` the mean of the cloud; α is 1 whatever the
/// task's is. The belief follows the misjudged model of the number that nature was seen to choose, else the minimiser. The world may do
/// what all misjudged models rule out: such an observation is passed over, and the belief only moves with the action.
pub(crate) const ENTRY: Entry = Entry {
    name: "robust",
    label: "Robust, misjudged",
    group: Group::Reference,
    knows: Knows::Task,
    regimes: &[Regime::Apomdp],
    needs_support: false,
    summary: "Knows the cloud but for its size, and plays max-min in it.",
    source: "Max-min: Saghafian, \"Ambiguous partially observable Markov decision processes\", J. Econ. Theory 178, 2018; \
             the misjudged cloud is this project's own",
    options: || schema_for!(Options),
    make: |options, study| {
        let Options { spread, gap } = read_options(options)?;
        at_least("spread", spread, 0.0)?;
        at_least("gap", gap, 0.0)?;
        let imagine = move |model: &Model| misjudged(model, spread);
        Ok(Box::new(Untold { horizon: study.shape.horizon, gap, heeds_nature: true, imagine }))
    },
};

/// The max-min problem of the cloud whose models are `spread` times as far from the centre.
fn misjudged(model: &Model, spread: f64) -> Result<Model, AgentError> {
    let mean = centre(model);
    let mut parts = model.to_builder();
    parts.alpha = 1.0;
    for Dynamics { transition, observation } in &mut parts.dynamics {
        *transition = moved(transition, &mean.transition, spread);
        if let (Some(kernel), Some(mean)) = (observation, &mean.observation) {
            *kernel = moved(kernel, mean, spread);
        }
    }
    Ok(parts.build()?)
}

fn moved(kernel: &Kernel, mean: &Kernel, spread: f64) -> Kernel {
    let mut out = Kernel::new(kernel.columns());
    for r in 0..kernel.rows() {
        // What the model holds possible the mean does, too. The whole exceeds 1 by what is cut.
        let entries = mean.pairs(r).map(|(column, p)| (column, (p + spread * (kernel.get(r, column) - p)).max(0.0)));
        let row: Vec<(usize, f64)> = entries.collect();
        let sum: f64 = row.iter().map(|(_, p)| p).sum();
        out.push_row(row.into_iter().map(|(column, p)| (column, p / sum)));
    }
    out
}
