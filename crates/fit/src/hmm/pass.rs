//! Forward and backward over one episode (Rabiner 1989, with scaling), for a processor's own vectors.

use std::f64::consts::TAU;

use tiresias_data::{Episode, Trajectories};

use super::lanes::{LogProduct, add_outer, add_scaled, combine, multiply, scale};
use super::tables::{Expected, Parameters, Rewards, Size};

/// A model, ready for passes.
#[derive(Debug)]
pub(crate) struct Ready<'a> {
    pub parameters: &'a Parameters,
    /// `[a][s'][s]`.
    transposed: Vec<f64>,
    ones: Vec<f64>,
}

/// Room for one episode, kept from one to the next. A node is a decision, or what was seen after the last.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// `[node][s]`: the probability of the state given all up to the node.
    filtered: Vec<f64>,
    /// `[node][s]`: that of what was seen (and earned) at the node given the state.
    weights: Vec<f64>,
    /// `[node]`: what makes the filter sum to 1.
    inverses: Vec<f64>,
    /// `[s]`: the probability of the state given all before a node.
    predicted: Vec<f64>,
    /// `[s]`: the same with what was seen there; the filter before it is scaled.
    joint: Vec<f64>,
    /// `[s]`: products on the way.
    scratch: Vec<f64>,
    /// `[s]`: that of what comes after a node, given the state there; scaled as the filter is.
    later: Vec<f64>,
    /// `[s]`: the same with what was seen at the node.
    from: Vec<f64>,
    /// `[s]`: the probability of the state given everything.
    posterior: Vec<f64>,
}

impl Room {
    /// The filter of a node of the episode that was filled last.
    #[inline(always)]
    pub fn belief(&self, node: usize, width: usize) -> &[f64] {
        &self.filtered[node * width..][..width]
    }
}

impl<'a> Ready<'a> {
    pub fn new(parameters: &'a Parameters) -> Self {
        let transposed = parameters.chances.transposed();
        Self { parameters, transposed, ones: vec![1.0; parameters.chances.size.width()] }
    }
}

/// Nodes of an episode: what was seen after the last action is one, unless the episode ended there or nothing was seen.
fn nodes(episode: &Episode<'_>) -> usize {
    episode.len() + usize::from(!episode.terminated && episode.last >= 0)
}

/// What was seen at a node, with the row of its table.
#[inline(always)]
fn seen(episode: &Episode<'_>, node: usize, size: &Size) -> Option<usize> {
    match node.checked_sub(1) {
        None => usize::try_from(episode.observations[0]).ok(),
        Some(before) => {
            let symbol = usize::try_from(episode.seen_after(before)).ok()?;
            Some(usize::from(episode.actions[before]) * size.symbols + symbol)
        }
    }
}

/// Fills the filter of every node; returns the log-likelihood, -∞ where the model rules out what was seen, which is then passed over.
/// S² multiply-adds a decision.
#[inline(always)]
pub(crate) fn forward(ready: &Ready<'_>, episode: &Episode<'_>, room: &mut Room) -> f64 {
    let chances = &ready.parameters.chances;
    let (states, width) = (chances.size.states, chances.size.width());
    let nodes = nodes(episode);
    for numbers in [&mut room.filtered, &mut room.weights] {
        numbers.resize(numbers.len().max(nodes * width), 0.0);
    }
    room.inverses.resize(room.inverses.len().max(nodes), 0.0);
    let Room { predicted, joint, scratch, later, from, posterior, .. } = room;
    for numbers in [predicted, joint, scratch, later, from, posterior] {
        numbers.resize(width, 0.0);
    }
    let Room { filtered, weights: all_weights, inverses, predicted, joint, scratch, .. } = room;
    let (mut likelihood, mut inverse) = (LogProduct::ONE, 1.0);
    for node in 0..nodes {
        match node.checked_sub(1) {
            None => predicted.copy_from_slice(&chances.start),
            Some(before) => {
                let block = usize::from(episode.actions[before]) * states * width;
                // Of the filter before it is scaled, so that this need not wait for the scale.
                combine(&joint[..states], &chances.moved[block..][..states * width], scratch);
                scale(inverse, scratch, predicted);
            }
        }
        let table = if node == 0 { &chances.first } else { &chances.shown };
        let row = match seen(episode, node, &chances.size) {
            Some(row) => &table[row * width..][..width],
            None => &ready.ones[..],
        };
        let weights = &mut all_weights[node * width..][..width];
        scale(1.0, row, weights);
        if let (Some(rewards), true) = (&ready.parameters.rewards, node < episode.len()) {
            likelihood.times_exp(weigh(rewards, episode, node, states, weights));
        }
        let mut sum = multiply(predicted, weights, joint);
        likelihood.times(sum);
        if sum <= 0.0 {
            weights.fill(1.0);
            sum = multiply(predicted, &ready.ones, joint);
            sum = if sum > 0.0 { sum } else { 1.0 };
        }
        inverse = 1.0 / sum;
        scale(inverse, joint, &mut filtered[node * width..][..width]);
        inverses[node] = inverse;
    }
    if episode.terminated {
        let (t, action) = (episode.len() - 1, usize::from(episode.actions[episode.len() - 1]));
        let end = multiply(&filtered[t * width..][..width], &chances.ended[action * width..][..width], predicted);
        likelihood.times(end);
    }
    likelihood.ln()
}

/// Multiplies the weights by the likelihood of a decision's reward, up to a factor whose logarithm is returned: that of the likeliest
/// mean, so that a reward far from all means does not round to 0 everywhere.
fn weigh(rewards: &Rewards, episode: &Episode<'_>, node: usize, states: usize, weights: &mut [f64]) -> f64 {
    let (reward, action) = (episode.rewards[node], usize::from(episode.actions[node]));
    let means = &rewards.means[action * weights.len()..][..states];
    let exponent = |mean: f64| -0.5 * (reward - mean) * (reward - mean) / rewards.variance;
    let most = means.iter().map(|&mean| exponent(mean)).fold(f64::NEG_INFINITY, f64::max);
    weights.iter_mut().zip(means).for_each(|(weight, &mean)| *weight *= (exponent(mean) - most).exp());
    most - 0.5 * (TAU * rewards.variance).ln()
}

/// Adds what is expected of an episode whose filter was filled; the counts of moves are yet to be multiplied by the probability of the
/// move, which is the same for all. 2·S² multiply-adds a decision.
#[inline(always)]
pub(crate) fn backward(ready: &Ready<'_>, episode: &Episode<'_>, room: &mut Room, expected: &mut Expected) {
    let chances = &ready.parameters.chances;
    let (states, width) = (chances.size.states, chances.size.width());
    let Room { filtered, weights, inverses, scratch, later, from, posterior, .. } = room;
    let counts = &mut expected.counts;
    later.fill(1.0);
    if episode.terminated {
        let (t, row) = (episode.len() - 1, usize::from(episode.actions[episode.len() - 1]) * width);
        let ended = &chances.ended[row..][..width];
        let sum = multiply(&filtered[t * width..][..width], ended, posterior);
        if sum > 0.0 {
            later.iter_mut().zip(ended).for_each(|(later, p)| *later = p / sum);
            add_scaled(1.0 / sum, posterior, &mut counts.ended[row..][..width]);
        }
    }
    for node in (0..nodes(episode)).rev() {
        multiply(&filtered[node * width..][..width], later, posterior);
        if node < episode.len() {
            let (row, reward) = (usize::from(episode.actions[node]) * width, episode.rewards[node]);
            add_scaled(1.0, posterior, &mut expected.paid[row..][..width]);
            add_scaled(reward, posterior, &mut expected.earned[row..][..width]);
            expected.squares += reward * reward;
        }
        if let Some(row) = seen(episode, node, &chances.size) {
            let table = if node == 0 { &mut counts.first } else { &mut counts.shown };
            add_scaled(1.0, posterior, &mut table[row * width..][..width]);
        }
        let Some(before) = node.checked_sub(1) else { break };
        multiply(later, &weights[node * width..][..width], scratch);
        scale(inverses[node], scratch, from);
        let block = usize::from(episode.actions[before]) * states * width;
        let past = &filtered[before * width..][..states];
        add_outer(past, from, &mut counts.moved[block..][..states * width]);
        combine(&from[..states], &ready.transposed[block..][..states * width], later);
    }
    add_scaled(1.0, posterior, &mut counts.start);
}

/// Both passes over some episodes.
pub(crate) struct Passes<'a> {
    pub ready: &'a Ready<'a>,
    pub data: &'a Trajectories,
    pub episodes: &'a [usize],
}

impl pulp::WithSimd for Passes<'_> {
    type Output = Expected;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Expected {
        let (mut expected, mut room) = (Expected::zeros(self.ready.parameters.chances.size), Room::default());
        for &episode in self.episodes {
            let episode = self.data.episode(episode);
            expected.log_likelihood += forward(self.ready, &episode, &mut room);
            backward(self.ready, &episode, &mut room, &mut expected);
        }
        let moved = &self.ready.parameters.chances.moved;
        expected.counts.moved.iter_mut().zip(moved).for_each(|(n, p)| *n *= p);
        expected
    }
}

/// Forward passes alone: the log-likelihood of each episode.
pub(crate) struct Likelihoods<'a>(pub Passes<'a>);

impl pulp::WithSimd for Likelihoods<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Vec<f64> {
        let Self(Passes { ready, data, episodes }) = self;
        let mut room = Room::default();
        episodes.iter().map(|&episode| forward(ready, &data.episode(episode), &mut room)).collect()
    }
}
