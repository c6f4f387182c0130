//! `bc-prompt`: behaviour cloning from the prompt.

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;

use crate::acting::Settled;
use crate::plan::{Choice, first_best};
use crate::registry::{ALL, read_options};
use crate::window::{Decision, Windows};
use crate::{Agent, AgentError, Context, Entry, Group, Knows, Method};

/// Behaviour cloning's options: none.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {}

pub(crate) const ENTRY: Entry = Entry {
    name: "bc-prompt",
    label: "Cloning",
    group: Group::Imitation,
    knows: Knows::Nothing,
    regimes: ALL,
    needs_support: true,
    summary: "Does what the support did most often in the same state or after the same observation and action, or in the nearest one.",
    source: "Pomerleau, \"ALVINN: an autonomous land vehicle in a neural network\", NeurIPS 1988",
    options: || schema_for!(Options),
    make: |options, _| Ok(Box::new(read_options::<Options>(options)?)),
};

/// The support's most frequent action in the same window: the state in an MDP, else the last observation with the last action. Of
/// several the lowest.
///
/// Where the support has nothing, the windows with the nearest symbol vote together (symbols are compared as numbers: energy levels, cells
/// of a grid); among those, only the ones with the same last action if there are any. Where there is no such window either, any action.
/// O(windows · windows met) at most.
impl Method for Options {
    fn begin(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        let windows = Windows::of(context.shape);
        let actions = windows.actions();
        let mut votes = vec![0.0; windows.count() * actions];
        windows.visit(context.support, |Decision { window, action, .. }| votes[window * actions + action] += 1.0)?;
        let votes_in = |window: usize| &votes[window * actions..][..actions];
        let met: Vec<usize> = (0..windows.count()).filter(|&w| votes_in(w).iter().any(|&n| n > 0.0)).collect();

        let mut pooled = vec![0.0; actions];
        let mut choice = |window: usize| -> Choice {
            if votes_in(window).iter().any(|&n| n > 0.0) {
                return Some(first_best(votes_in(window)) as u8);
            }
            let here = windows.parts(window)?;
            let distance = |&other: &usize| {
                let there = windows.parts(other)?;
                Some((here.0.abs_diff(there.0), here.1 != there.1))
            };
            let nearest = met.iter().filter_map(distance).min()?;
            pooled.fill(0.0);
            for &near in met.iter().filter(|other| distance(other) == Some(nearest)) {
                pooled.iter_mut().zip(votes_in(near)).for_each(|(sum, n)| *sum += n);
            }
            Some(first_best(&pooled) as u8)
        };
        let choices = (0..windows.count()).map(&mut choice).collect();
        Ok(Settled::agent(context, choices))
    }
}
