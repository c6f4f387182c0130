//! From a hidden Markov model's tables to a POMDP and to what is said of it.

use tiresias_data::Trajectories;
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, Space};

use crate::FitError;
use crate::counts::with_ended;
use crate::hmm::tables::{Expected, Size, Tables};
use crate::pomdp::{FirstSymbol, PomdpOptions};

/// The POMDP of these probabilities and (padded) mean rewards, over the spaces of the trajectories.
pub(crate) fn model(
    data: &Trajectories,
    options: &PomdpOptions,
    chances: &Tables,
    means: &[f64],
) -> Result<Model, FitError> {
    let Size { states, ends, .. } = chances.size;
    let numbers = Space::unnamed("states", states)?;
    let seen = data.observation_space();
    let (states, observations) = if ends {
        (with_ended("states", &numbers)?, with_ended("observations", seen)?)
    } else {
        (numbers, seen.clone())
    };
    let model = ModelBuilder {
        name: options.name.clone(),
        states,
        actions: data.action_space().clone(),
        observations: Some(observations),
        reward: reward(means, chances.size),
        start: start(chances),
        discount: options.discount,
        horizon: options.horizon,
        terminal: if ends { vec![chances.size.states] } else { Vec::new() },
        final_reward: Vec::new(),
        dynamics: vec![dynamics(chances)],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    };
    Ok(model.build()?)
}

/// Transitions and observations. Where episodes end there is a last state, which leads to itself and shows the last symbol.
pub(crate) fn dynamics(chances: &Tables) -> Dynamics {
    let Size { states, actions, symbols, ends, .. } = chances.size;
    let (all, width) = (chances.size.outcomes(), chances.size.width());
    let mut transition = Kernel::with_capacity(all, actions * all, actions * all * all);
    let mut observation = Kernel::with_capacity(symbols + usize::from(ends), actions * all, actions * all * symbols);
    for a in 0..actions {
        for s in 0..states {
            let moved = &chances.moved[(a * states + s) * width..][..states];
            let end = (states, chances.ended[a * width + s]);
            transition.push_row(moved.iter().copied().enumerate().chain(ends.then_some(end)));
            observation.push_row((0..symbols).map(|o| (o, chances.shown[(a * symbols + o) * width + s])));
        }
        if ends {
            transition.push_row([(states, 1.0)]);
            observation.push_row([(symbols, 1.0)]);
        }
    }
    Dynamics { transition, observation: Some(observation) }
}

pub(crate) fn start(chances: &Tables) -> Vec<f64> {
    with_end(&chances.start, chances.size)
}

/// Mean rewards as a model has them, of padded ones.
pub(crate) fn reward(means: &[f64], size: Size) -> Reward {
    Reward::StateAction(by_row(means, size))
}

/// Decisions expected in each state, `a * S + s`.
pub(crate) fn visits(expected: &Expected) -> Vec<f64> {
    by_row(&expected.paid, expected.counts.size)
}

/// `[a][s]` without padding, and with 0 for the state in which episodes end.
fn by_row(padded: &[f64], size: Size) -> Vec<f64> {
    padded.chunks_exact(size.width()).flat_map(|row| with_end(row, size)).collect()
}

fn with_end(padded: &[f64], size: Size) -> Vec<f64> {
    let mut row = padded[..size.states].to_vec();
    row.resize(size.outcomes(), 0.0);
    row
}

/// The belief after each first symbol that some episode begins with, by Bayes' rule.
pub(crate) fn first_symbols(data: &Trajectories, chances: &Tables) -> Vec<FirstSymbol> {
    let mut episodes = vec![0; chances.size.symbols];
    for episode in data.episodes() {
        if let Ok(symbol) = usize::try_from(episode.observations[0]) {
            episodes[symbol] += 1;
        }
    }
    let width = chances.size.width();
    let belief = |symbol: usize| {
        let shown = &chances.first[symbol * width..][..width];
        let mut belief: Vec<f64> = chances.start.iter().zip(shown).map(|(p, q)| p * q).collect();
        let sum: f64 = belief.iter().sum();
        // A symbol that no state shows, as rounding can make it without a prior, says nothing.
        if sum > 0.0 {
            belief.iter_mut().for_each(|p| *p /= sum);
        } else {
            belief.clone_from(&chances.start);
        }
        with_end(&belief, chances.size)
    };
    let seen = episodes.iter().enumerate().filter(|&(_, &episodes)| episodes > 0);
    seen.map(|(symbol, &episodes)| FirstSymbol { symbol, episodes, belief: belief(symbol) }).collect()
}
