//! `nominal`: the oracle of the cloud's centre.

use schemars::schema_for;
use tiresias_model::Model;
use tiresias_model::family::Regime;

use crate::planned::{PlanOptions, Untold, centre};
use crate::registry::{at_least, read_options};
use crate::{AgentError, Entry, Group, Knows};

/// Takes the mean of the cloud's kernels, row by row, for the truth, and follows the oracle of that POMDP. What ambiguity is worth caring
/// about is its gap to the oracle of the cloud.
pub(crate) const ENTRY: Entry = Entry {
    name: "nominal",
    label: "Nominal model",
    group: Group::Reference,
    knows: Knows::Task,
    regimes: &[Regime::Apomdp],
    needs_support: false,
    summary: "Knows the cloud and takes its centre for the truth.",
    source: "The nominal problem of robust optimisation: Nilim, El Ghaoui, \"Robust control of Markov decision processes with uncertain \
             transition matrices\", Operations Research 53, 2005",
    options: || schema_for!(PlanOptions),
    make: |options, study| {
        let PlanOptions { gap } = read_options(options)?;
        at_least("gap", gap, 0.0)?;
        Ok(Box::new(Untold { horizon: study.shape.horizon, gap, heeds_nature: false, imagine }))
    },
};

/// The POMDP of the mean kernels.
fn imagine(model: &Model) -> Result<Model, AgentError> {
    let mut parts = model.to_builder();
    parts.dynamics = vec![centre(model)];
    Ok(parts.build()?)
}
