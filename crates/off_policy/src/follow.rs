//! What a solved policy would have done at every logged step: the target of an estimate.

use tiresias_data::{NOTHING, Trajectories};
use tiresias_model::belief::{predict, selected, update_under_ambiguity};
use tiresias_model::{Model, Policy};

use crate::Error;

/// Probabilities of a solved policy at every logged step, steps × actions: 1 for its action, 0 for the others. Its belief begins with the
/// model's start (or, given `first`, with row `o` of `first`, symbols × S, after the first symbol `o`) and is conditioned on what was
/// logged, as when it acts ([`update_under_ambiguity`]); where nothing was seen it is moved only. Where states are seen they are the symbols.
///
/// [`Error::OtherModel`] where names differ, a horizon is too short, or the model rules a logged observation out. O(steps · S²).
pub fn probabilities(
    model: &Model,
    policy: &dyn Policy,
    trajectories: &Trajectories,
    first: Option<&[f64]>,
) -> Result<Vec<f32>, Error> {
    let (s, actions) = (model.states().len(), trajectories.action_space().len());
    trajectories.belongs_to(model).map_err(|error| Error::OtherModel(error.to_string()))?;
    if let Some(first) = first
        && first.len() != trajectories.observation_space().len() * s
    {
        let expected = trajectories.observation_space().len() * s;
        return Err(Error::Length { what: "first", expected, found: first.len() });
    }
    let mut target = vec![0.0; trajectories.steps() * actions];
    let (mut belief, mut next) = (vec![0.0; s], vec![0.0; s]);
    for index in 0..trajectories.len() {
        let (episode, range) = (trajectories.episode(index), trajectories.range(index));
        belief.copy_from_slice(model.start());
        if let (Some(first), Some(symbol)) = (first, symbol(episode.observations[0])) {
            belief.copy_from_slice(&first[symbol * s..(symbol + 1) * s]);
        }
        for (stage, step) in range.enumerate() {
            let seen = symbol(episode.observations[stage]);
            let chosen = if model.observations().is_none() {
                let Some(state) = seen else {
                    return Err(impossible(index, stage, "nothing was seen, and the policy goes by the state"));
                };
                policy.action_in_state(stage, state, s)
            } else {
                policy.action(stage, &belief)
            };
            target[step * actions + chosen] = 1.0;
            if model.observations().is_none() || stage + 1 == episode.len() {
                continue;
            }
            // The model follows what was done, which need not be what the policy would have done.
            let done = usize::from(episode.actions[stage]);
            let nature = policy.nature(stage, &belief, done);
            match symbol(episode.observations[stage + 1]) {
                None => predict(model, selected(model, nature), &belief, done, &mut next),
                Some(seen) => {
                    update_under_ambiguity(model, nature, &belief, done, seen, &mut next)
                        .map_err(|error| impossible(index, stage + 1, &error.to_string()))?;
                }
            }
            std::mem::swap(&mut belief, &mut next);
        }
    }
    Ok(target)
}

fn symbol(seen: i32) -> Option<usize> {
    (seen != NOTHING).then_some(seen as usize)
}

fn impossible(episode: usize, step: usize, what: &str) -> Error {
    Error::OtherModel(format!("step {step} of episode {episode}: {what}"))
}
