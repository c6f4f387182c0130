//! `fib`: act as if the state before each observation would be told.

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use tiresias_model::family::Regime;

use crate::informed::{InformedValues, Untold};
use crate::registry::read_options;
use crate::{Entry, Group, Knows};

/// `fib` has no options.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {}

/// The greedy policy of [`InformedValues::fib`], which claims less than QMDP since the next decision has to do with the observation. In a
/// cloud, values are those of the max-min over the cloud by state and action, and the belief follows the model that attains the minimum
/// at the belief (for α ≥ ½), or the one that nature was seen to choose.
pub(crate) const ENTRY: Entry = Entry {
    name: "fib",
    label: "Fast informed bound",
    group: Group::Reference,
    knows: Knows::Task,
    regimes: &[Regime::Pomdp, Regime::Apomdp],
    needs_support: false,
    summary: "Knows the task and acts as if the state before each observation would be told.",
    source: "Hauskrecht, \"Value-function approximations for partially observable Markov decision processes\", JAIR 13, 2000",
    options: || schema_for!(Options),
    make: |options, study| {
        let Options {} = read_options(options)?;
        Ok(Box::new(Untold { horizon: study.shape.horizon, plan: InformedValues::fib }))
    },
};
