//! `mixture`: the Bayesian who believes that one model of the cloud is true.

use schemars::schema_for;
use tiresias_model::family::Regime;
use tiresias_model::{Dynamics, Kernel, Model, Reward, Space};

use crate::planned::{PlanOptions, Untold};
use crate::registry::{at_least, read_options};
use crate::{AgentError, Entry, Group, Knows};

/// A uniform prior over the models of the cloud, of which one moves the world for ever: a POMDP over pairs of a model and a state, whose
/// oracle is followed with the belief over these. What nature was seen to choose is not heeded, since a believer in one model would then
/// be sure of it, and wrong at the next decision.
///
/// The world may do what no one model explains: such an observation is passed over, and the belief only moves with the action.
pub(crate) const ENTRY: Entry = Entry {
    name: "mixture",
    label: "Bayes mixture",
    group: Group::Reference,
    knows: Knows::Task,
    regimes: &[Regime::Apomdp],
    needs_support: false,
    summary: "Knows the cloud, believes that one of its models is true, and learns which.",
    source: "The hidden-model Markov decision process of Chades, Carwardine, Martin, Nicol, Sabbadin, Buffet, \"MOMDPs: a solution for \
             modelling adaptive management problems\", AAAI 2012",
    options: || schema_for!(PlanOptions),
    make: |options, study| {
        let PlanOptions { gap } = read_options(options)?;
        at_least("gap", gap, 0.0)?;
        Ok(Box::new(Untold { horizon: study.shape.horizon, gap, heeds_nature: false, imagine }))
    },
};

/// The POMDP over pairs, numbered `m * S + s`.
fn imagine(model: &Model) -> Result<Model, AgentError> {
    let (s, a, models) = (model.states().len(), model.actions().len(), model.dynamics().len());
    let mut parts = model.to_builder();
    let pairs = || (0..a).flat_map(|action| (0..models).map(move |m| (action, m)));
    let mut transition = Kernel::new(models * s);
    let mut observation = model.observations().map(|space| Kernel::new(space.len()));
    let mut reward = Vec::with_capacity(a * models * s);
    for (action, m) in pairs() {
        let Dynamics { transition: moves, observation: readings } = &model.dynamics()[m];
        reward.extend_from_slice(&model.expected_reward(m)[action * s..][..s]);
        for state in 0..s {
            transition.push_row(moves.pairs(action * s + state).map(|(to, p)| (m * s + to, p)));
            if let (Some(kernel), Some(readings)) = (&mut observation, readings) {
                kernel.push_row(readings.pairs(action * s + state));
            }
        }
    }
    parts.states = Space::unnamed("states", models * s)?;
    parts.reward = Reward::StateAction(reward);
    parts.start = (0..models * s).map(|pair| model.start()[pair % s] / models as f64).collect();
    parts.terminal =
        (0..models).flat_map(|m| model.terminal_states().into_iter().map(move |state| m * s + state)).collect();
    parts.final_reward = model.final_reward().repeat(models);
    parts.dynamics = vec![Dynamics { transition, observation }];
    parts.alpha = 1.0;
    Ok(parts.build()?)
}
