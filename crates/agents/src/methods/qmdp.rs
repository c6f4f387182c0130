//! `qmdp`: act as if the state were seen from the next decision on.

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use tiresias_model::family::Regime;

use crate::informed::{InformedValues, Untold};
use crate::registry::read_options;
use crate::{Entry, Group, Knows};

/// `qmdp` has no options.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {}

/// The greedy policy of [`InformedValues::qmdp`]. It never acts to learn of the state, since it expects to be shown it; what that costs
/// is its gap to the oracle. In a cloud, values are those of the max-min over the cloud by state and action, and the belief follows the
/// model that attains the minimum at the belief (for α ≥ ½), or the one that nature was seen to choose.
pub(crate) const ENTRY: Entry = Entry {
    name: "qmdp",
    label: "QMDP",
    group: Group::Reference,
    knows: Knows::Task,
    regimes: &[Regime::Pomdp, Regime::Apomdp],
    needs_support: false,
    summary: "Knows the task and acts as if the state were seen from the next decision on.",
    source: "Littman, Cassandra, Kaelbling, \"Learning policies for partially observable environments: scaling up\", ICML 1995",
    options: || schema_for!(Options),
    make: |options, study| {
        let Options {} = read_options(options)?;
        Ok(Box::new(Untold { horizon: study.shape.horizon, plan: InformedValues::qmdp }))
    },
};
