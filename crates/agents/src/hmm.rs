//! An input–output hidden Markov model, fitted by expectation–maximisation.
//!
//! The state `s` is hidden. Action `a` moves it by `P(s'|s,a)`, `s'` shows the symbol `o` with `Q(o|s',a)`, and the decision earns a
//! reward around `r(s,a)`: what a POMDP of this project does, so that a fit is a [`Model`] to plan in. The iterations are those of Baum
//! and Welch (Rabiner, "A tutorial on hidden Markov models", Proceedings of the IEEE, 1989) with the action as an input (Bengio and
//! Frasconi, "An input output HMM architecture", Advances in Neural Information Processing Systems 7, 1995).

use std::f64::consts::TAU;

use tiresias_model::random::Key;
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, Space};

use crate::draws::{Draws, EPISODE};
use crate::{AgentError, Shape};

/// One decision of a recorded trajectory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Node {
    /// The action before it and the symbol that was seen after that; `None` where nothing was, as before the first decision.
    pub seen: Option<(usize, usize)>,
    /// The action.
    pub action: usize,
    /// What it earned, where that is known.
    pub reward: Option<f64>,
}

/// What is believed of a model before data, and how the search for its likeliest parameters begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prior {
    /// Pseudo-counts of each distribution, spread evenly: the mode is that of a Dirichlet prior with parameters 1 + weight / outcomes.
    pub weight: f64,
    /// Mean of the mean rewards.
    pub reward_mean: f64,
    /// Rewards that it counts for in every state and action.
    pub reward_weight: f64,
    /// Variance of a reward around its mean; it counts for one reward, and keeps the fitted variance above 0. In (reward units)².
    pub variance: f64,
}

/// Numbers of states, actions and symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub states: usize,
    pub actions: usize,
    pub symbols: usize,
}

/// The model's parameters. Rows are as in [`Dynamics`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hmm {
    size: Size,
    /// Length S.
    pub start: Vec<f64>,
    /// `[a * S + s][s']`.
    pub transition: Vec<f64>,
    /// `[a * S + s'][o]`.
    pub emission: Vec<f64>,
    /// `[a * S + s]`.
    pub reward: Vec<f64>,
    /// Of a reward around its mean, the same everywhere.
    pub variance: f64,
}

/// How often each thing is expected to have happened, given the data and a model. Rows are those of [`Hmm`].
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    size: Size,
    pub start: Vec<f64>,
    pub moved: Vec<f64>,
    pub shown: Vec<f64>,
    /// Known rewards by row.
    pub paid: Vec<f64>,
    /// Their sum by row.
    pub earned: Vec<f64>,
    /// All known rewards, squared.
    squares: f64,
}

/// Room for one trajectory, kept from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// `[t][s]`: the probability of the state given what came up to then.
    filtered: Vec<f64>,
    /// `[t][s]`: that of what was seen and earned at a decision given the state, divided by what makes its filter sum to 1.
    weighed: Vec<f64>,
    /// `[s]`: the likelihood of what comes after a decision, given the state at it; scaled as `weighed` is.
    later: Vec<f64>,
    /// `[s]`: the same with what was seen before and earned by the decision.
    from: Vec<f64>,
}

impl Hmm {
    /// The posterior mode's parameters after the counts `n` of a row: `(n + weight / outcomes) / (Σ n + weight)`, even where nothing is
    /// known. With the counts of data whose states are seen it is the posterior mean under Dirichlet(weight / outcomes) as well.
    pub fn of(expected: &Expected, prior: &Prior) -> Self {
        let Size { states, symbols, .. } = expected.size;
        let reward_weight = prior.reward_weight;
        let reward: Vec<f64> = (expected.paid.iter().zip(&expected.earned))
            .map(|(paid, earned)| match reward_weight + paid {
                0.0 => prior.reward_mean,
                weight => (reward_weight * prior.reward_mean + earned) / weight,
            })
            .collect();
        let rows = reward.iter().zip(&expected.paid).zip(&expected.earned);
        let misses = rows.fold(expected.squares, |sum, ((mean, paid), earned)| {
            let off = mean - prior.reward_mean;
            sum + mean * (mean * paid - 2.0 * earned) + reward_weight * off * off
        });
        // What is left of equal rewards is rounding.
        let variance = (misses.max(0.0) + prior.variance) / (expected.paid.iter().sum::<f64>() + 1.0);
        Self {
            size: expected.size,
            start: shares(&expected.start, states, prior.weight),
            transition: shares(&expected.moved, states, prior.weight),
            emission: shares(&expected.shown, symbols, prior.weight),
            reward,
            variance,
        }
    }

    /// A place to begin the search at. Number 0 takes state `s` to show mostly symbol `s` (modulo their number) and all else to be even,
    /// as where observations are the state with errors; the others are drawn evenly from all models.
    fn anywhere(size: Size, nodes: &[&[Node]], number: u32, draws: &mut Draws) -> Self {
        let Size { states, actions, symbols } = size;
        let named = number == 0;
        let mut room = Vec::new();
        let mut rows = |count: usize, outcomes: usize, parameter: &dyn Fn(usize, usize) -> f64| {
            let mut all: Vec<f64> = (0..count * outcomes).map(|i| parameter(i / outcomes, i % outcomes)).collect();
            all.chunks_exact_mut(outcomes).for_each(|row| draws.dirichlet(row, &mut room));
            all
        };
        let even = if named { 20.0 } else { 1.0 };
        let start = rows(1, states, &|_, _| even);
        let transition = rows(actions * states, states, &|_, _| even);
        let emission = rows(actions * states, symbols, &|row, symbol| {
            if named && row % states % symbols == symbol { 1.0 + symbols as f64 } else { 1.0 }
        });
        let (mean, variance) = moments(nodes);
        let away = if named { 0.1 } else { 1.0 } * variance.sqrt();
        let reward = (0..actions * states).map(|_| mean + away * draws.normal()).collect();
        // Where rewards are all alike, any variance will do.
        let variance = if variance > 0.0 { variance } else { 1.0 };
        Self { size, start, transition, emission, reward, variance }
    }

    /// The logarithm of the likelihood of `trajectories`; `expected` is overwritten with the expected counts.
    ///
    /// Rewards are part of the likelihood, as normal variables of one variance: they are recorded, and tell states apart that show the
    /// same symbols, often better than symbols do. A trajectory that the model rules out has the logarithm -∞, and what made it
    /// impossible is passed over.
    ///
    /// 3·N·S² multiply-adds and N·S exponentials for N decisions.
    pub fn expect(&self, trajectories: &[&[Node]], expected: &mut Expected, room: &mut Room) -> f64 {
        expected.clear();
        let mut log_likelihood = 0.0;
        for nodes in trajectories {
            log_likelihood += self.forward(nodes, room);
            self.backward(nodes, room, expected);
        }
        expected.moved.iter_mut().zip(&self.transition).for_each(|(moved, p)| *moved *= p);
        log_likelihood
    }

    /// Fills the filter of every decision; returns the log-likelihood.
    fn forward(&self, nodes: &[Node], room: &mut Room) -> f64 {
        let states = self.size.states;
        room.filtered.clear();
        room.weighed.clear();
        let mut log_likelihood = 0.0;
        for (t, node) in nodes.iter().enumerate() {
            let base = t * states;
            match t.checked_sub(1) {
                None => room.filtered.extend_from_slice(&self.start),
                Some(before) => {
                    room.filtered.resize(base + states, 0.0);
                    let (past, now) = room.filtered.split_at_mut(base);
                    let rows = self.transition[nodes[before].action * states * states..].chunks_exact(states);
                    for (&mass, row) in past[before * states..].iter().zip(rows) {
                        now.iter_mut().zip(row).for_each(|(now, p)| *now += mass * p);
                    }
                }
            }
            log_likelihood += self.weigh(node, &mut room.weighed);
            let (now, weights) = (&mut room.filtered[base..], &mut room.weighed[base..]);
            let mut sum: f64 = now.iter().zip(&*weights).map(|(p, w)| p * w).sum();
            log_likelihood += sum.ln();
            if sum <= 0.0 {
                weights.fill(1.0);
                sum = now.iter().sum();
            }
            weights.iter_mut().for_each(|w| *w /= sum);
            now.iter_mut().zip(weights).for_each(|(p, w)| *p *= *w);
        }
        log_likelihood
    }

    /// Appends, by state, the likelihood of what was seen before and earned by a decision, up to a factor whose logarithm is returned:
    /// that of the likeliest reward, so that a reward far from all means does not round to 0 everywhere.
    fn weigh(&self, node: &Node, weights: &mut Vec<f64>) -> f64 {
        let Size { states, symbols, .. } = self.size;
        let base = weights.len();
        weights.resize(base + states, 1.0);
        let weights = &mut weights[base..];
        let mut scale = 0.0;
        if let Some(reward) = node.reward {
            let means = &self.reward[node.action * states..][..states];
            let exponent = |mean: f64| -0.5 * (reward - mean) * (reward - mean) / self.variance;
            let most = means.iter().map(|&mean| exponent(mean)).fold(f64::NEG_INFINITY, f64::max);
            weights.iter_mut().zip(means).for_each(|(weight, &mean)| *weight = (exponent(mean) - most).exp());
            scale = most - 0.5 * (TAU * self.variance).ln();
        }
        if let Some((action, symbol)) = node.seen {
            let rows = self.emission[action * states * symbols..].chunks_exact(symbols);
            weights.iter_mut().zip(rows).for_each(|(weight, row)| *weight *= row[symbol]);
        }
        scale
    }

    /// Adds the expected counts of a trajectory whose filter was filled; those of moves are yet to be multiplied by the probability of the
    /// move, which is the same for all.
    fn backward(&self, nodes: &[Node], room: &mut Room, expected: &mut Expected) {
        let Size { states, symbols, .. } = self.size;
        let Room { filtered, weighed, later, from } = room;
        later.clear();
        later.resize(states, 1.0);
        for (t, node) in nodes.iter().enumerate().rev() {
            let now = &filtered[t * states..][..states];
            from.clear();
            from.extend(later.iter().zip(&weighed[t * states..]).map(|(l, w)| l * w));
            let posterior = now.iter().zip(&*later).map(|(p, l)| p * l);
            if let Some(reward) = node.reward {
                let base = node.action * states;
                let rows = expected.paid[base..].iter_mut().zip(&mut expected.earned[base..]);
                rows.zip(posterior.clone()).for_each(|((paid, earned), p)| {
                    *paid += p;
                    *earned += p * reward;
                });
                expected.squares += reward * reward;
            }
            if let Some((action, symbol)) = node.seen {
                let rows = expected.shown[action * states * symbols..].chunks_exact_mut(symbols);
                rows.zip(posterior.clone()).for_each(|(row, p)| row[symbol] += p);
            }
            let Some(past) = t.checked_sub(1) else {
                expected.start.iter_mut().zip(posterior).for_each(|(sum, p)| *sum += p);
                continue;
            };
            let block = nodes[past].action * states * states;
            let rows = self.transition[block..].chunks_exact(states);
            let moved = expected.moved[block..].chunks_exact_mut(states);
            let sources = filtered[past * states..].iter().zip(&mut *later);
            for (((&mass, later), row), moved) in sources.zip(rows).zip(moved) {
                *later = row.iter().zip(&*from).map(|(p, f)| p * f).sum();
                moved.iter_mut().zip(&*from).for_each(|(moved, f)| *moved += mass * f);
            }
        }
    }

    /// The logarithm of the prior's density, up to a constant: what the posterior's mode adds to the likelihood.
    pub fn log_prior(&self, prior: &Prior) -> f64 {
        let Size { states, symbols, .. } = self.size;
        let logarithms = |p: &[f64], outcomes: usize| {
            let share = prior.weight / outcomes as f64;
            if share > 0.0 { share * p.iter().map(|p| p.ln()).sum::<f64>() } else { 0.0 }
        };
        let off: f64 = self.reward.iter().map(|mean| (mean - prior.reward_mean) * (mean - prior.reward_mean)).sum();
        let rewards = self.variance.ln() + (prior.variance + prior.reward_weight * off) / self.variance;
        logarithms(&self.start, states) + logarithms(&self.transition, states) + logarithms(&self.emission, symbols)
            - 0.5 * rewards
    }

    /// A POMDP with the parameters: start, moves, symbols and mean rewards, over the horizon of the study.
    pub fn model(&self, shape: &Shape) -> Result<Model, AgentError> {
        let Size { states, actions, symbols } = self.size;
        let dynamics = Dynamics {
            transition: Kernel::from_dense(states, &self.transition),
            observation: Some(Kernel::from_dense(symbols, &self.emission)),
        };
        let model = ModelBuilder {
            name: "fitted".into(),
            states: Space::unnamed("states", states)?,
            actions: Space::unnamed("actions", actions)?,
            observations: Some(Space::unnamed("observations", symbols)?),
            reward: Reward::StateAction(self.reward.clone()),
            start: self.start.clone(),
            discount: shape.discount,
            horizon: Some(shape.horizon),
            terminal: Vec::new(),
            final_reward: Vec::new(),
            dynamics: vec![dynamics],
            alpha: 1.0,
            ambiguity: None,
            observation_ambiguity: None,
        };
        Ok(model.build()?)
    }
}

impl Expected {
    /// No counts.
    pub fn new(size: Size) -> Self {
        let Size { states, actions, symbols } = size;
        let rows = actions * states;
        Self {
            size,
            start: vec![0.0; states],
            moved: vec![0.0; rows * states],
            shown: vec![0.0; rows * symbols],
            paid: vec![0.0; rows],
            earned: vec![0.0; rows],
            squares: 0.0,
        }
    }

    fn clear(&mut self) {
        for counts in [&mut self.start, &mut self.moved, &mut self.shown, &mut self.paid, &mut self.earned] {
            counts.fill(0.0);
        }
        self.squares = 0.0;
    }

    /// Parameters from the posterior that these counts give if they are taken for those of states that were seen: every distribution from
    /// Dirichlet(n + weight / outcomes), each mean reward as `reward` draws it from the number and the sum of a row's rewards.
    /// S·A·(S + O + 1) variables. `weight` is above 0.
    pub fn draw(&self, weight: f64, draws: &mut Draws, mut reward: impl FnMut(&mut Draws, (f64, f64)) -> f64) -> Hmm {
        let Size { states, symbols, .. } = self.size;
        let mut room = Vec::new();
        let mut drawn = |counts: &[f64], outcomes: usize| {
            let share = weight / outcomes as f64;
            let mut rows: Vec<f64> = counts.iter().map(|n| n + share).collect();
            rows.chunks_exact_mut(outcomes).for_each(|row| draws.dirichlet(row, &mut room));
            rows
        };
        let start = drawn(&self.start, states);
        let transition = drawn(&self.moved, states);
        let emission = drawn(&self.shown, symbols);
        let rows = self.paid.iter().zip(&self.earned);
        let reward = rows.map(|(&paid, &earned)| reward(draws, (paid, earned))).collect();
        Hmm { size: self.size, start, transition, emission, reward, variance: 0.0 }
    }
}

/// A model at which the search ended.
#[derive(Debug, Clone)]
pub(crate) struct Fit {
    /// The expected counts under it, from which [`Hmm::of`] makes the next.
    pub expected: Expected,
    /// Log-likelihood and log-prior of each model on the way, the last one's last.
    pub log_posteriors: Vec<f64>,
}

/// When the search ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Places that it begins at; at least 1.
    pub starts: u32,
    /// Models that it tries from each, at most.
    pub iterations: usize,
    /// It ends when the logarithm of the posterior improves by no more than this share of it.
    pub tolerance: f64,
}

/// Expectation–maximisation from `hmm` on.
///
/// An iteration costs 3·N·S² multiply-adds, N·S exponentials and A·S·(S + O) logarithms for N decisions: some 15,000, 500 and 600 for
/// five trajectories of ten decisions in ten states, with three actions and ten symbols.
pub(crate) fn climb(mut hmm: Hmm, trajectories: &[&[Node]], prior: &Prior, effort: &Effort) -> Fit {
    let (mut expected, mut room) = (Expected::new(hmm.size), Room::default());
    let mut log_posteriors: Vec<f64> = Vec::new();
    loop {
        let now = hmm.expect(trajectories, &mut expected, &mut room) + hmm.log_prior(prior);
        let before = log_posteriors.last().copied().unwrap_or(f64::NEG_INFINITY);
        log_posteriors.push(now);
        let better = now - before > effort.tolerance * now.abs();
        if !better || log_posteriors.len() >= effort.iterations {
            return Fit { expected, log_posteriors };
        }
        hmm = Hmm::of(&expected, prior);
    }
}

/// The best of the models that [`climb`] finds from several places, which are drawn from the stream of `key` for `episode`.
pub(crate) fn fit(
    size: Size,
    trajectories: &[&[Node]],
    prior: &Prior,
    effort: &Effort,
    (key, episode): (Key, u64),
) -> Fit {
    let from = |number: u32| {
        let mut draws = Draws::new(key, episode, EPISODE - 1 - number);
        climb(Hmm::anywhere(size, trajectories, number, &mut draws), trajectories, prior, effort)
    };
    (1..effort.starts).map(from).fold(from(0), |best, other| {
        if other.log_posteriors.last() > best.log_posteriors.last() { other } else { best }
    })
}

/// `(n + weight / outcomes) / (Σ n + weight)` by row; even where that is 0 / 0.
fn shares(counts: &[f64], outcomes: usize, weight: f64) -> Vec<f64> {
    let mut rows = counts.to_vec();
    for row in rows.chunks_exact_mut(outcomes) {
        let sum = row.iter().sum::<f64>() + weight;
        let even = 1.0 / outcomes as f64;
        row.iter_mut().for_each(|n| *n = if sum > 0.0 { (*n + weight * even) / sum } else { even });
    }
    rows
}

/// Mean and variance of the known rewards, both 0 where none is.
pub(crate) fn moments(trajectories: &[&[Node]]) -> (f64, f64) {
    let rewards = || trajectories.iter().flat_map(|nodes| nodes.iter()).filter_map(|node| node.reward);
    let n = rewards().count().max(1) as f64;
    let mean = rewards().sum::<f64>() / n;
    (mean, rewards().map(|reward| (reward - mean) * (reward - mean)).sum::<f64>() / n)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tiresias_model::random::Sequence;

    use super::*;

    const PRIOR: Prior = Prior { weight: 0.7, reward_mean: -0.5, reward_weight: 0.3, variance: 0.2 };
    /// Nothing but data.
    const FLAT: Prior = Prior { weight: 0.0, reward_mean: 0.0, reward_weight: 0.0, variance: 1.0 };

    fn number(draw: &mut Sequence, below: usize) -> usize {
        draw.integer(0, below as u32 - 1) as usize
    }

    /// Trajectories in which symbols and rewards are missing here and there.
    fn noise(size: Size, lengths: &[usize], draw: &mut Sequence) -> Vec<Vec<Node>> {
        let mut node = |t: usize| Node {
            seen: (t > 0 && draw.uniform() < 0.9).then(|| (number(draw, size.actions), number(draw, size.symbols))),
            action: number(draw, size.actions),
            reward: (draw.uniform() < 0.8).then(|| draw.between(-1.0, 2.0)),
        };
        lengths.iter().map(|&length| (0..length).map(&mut node).collect()).collect()
    }

    fn slices(trajectories: &[Vec<Node>]) -> Vec<&[Node]> {
        trajectories.iter().map(Vec::as_slice).collect()
    }

    fn somewhere(size: Size, nodes: &[&[Node]], number: u32, seed: u64) -> Hmm {
        Hmm::anywhere(size, nodes, number, &mut Draws::new(Key::named(seed, &["somewhere"], &[]), 0, 0))
    }

    fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, place: &str) {
        assert_eq!(found.len(), expected.len(), "{place}");
        let apart = found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
        assert!(apart <= tolerance, "{place}: {apart} apart");
    }

    /// The likelihood and the expected counts of a trajectory by all ways that the states may have gone.
    fn by_enumeration(hmm: &Hmm, nodes: &[Node], expected: &mut Expected) -> f64 {
        let Size { states, symbols, .. } = hmm.size;
        let mut ways = Vec::new();
        for way in 0..states.pow(nodes.len() as u32) {
            let path: Vec<usize> = (0..nodes.len()).map(|t| way / states.pow(t as u32) % states).collect();
            let mut p = hmm.start[path[0]];
            for (t, node) in nodes.iter().enumerate() {
                if t > 0 {
                    p *= hmm.transition[(nodes[t - 1].action * states + path[t - 1]) * states + path[t]];
                }
                if let Some((action, symbol)) = node.seen {
                    p *= hmm.emission[(action * states + path[t]) * symbols + symbol];
                }
                if let Some(reward) = node.reward {
                    let off = reward - hmm.reward[node.action * states + path[t]];
                    p *= (-0.5 * off * off / hmm.variance).exp() / (TAU * hmm.variance).sqrt();
                }
            }
            ways.push((path, p));
        }
        let likelihood: f64 = ways.iter().map(|(_, p)| p).sum();
        for (path, p) in ways {
            let share = p / likelihood;
            expected.start[path[0]] += share;
            for (t, node) in nodes.iter().enumerate() {
                let row = node.action * states + path[t];
                if t + 1 < nodes.len() {
                    expected.moved[row * states + path[t + 1]] += share;
                }
                if let Some((action, symbol)) = node.seen {
                    expected.shown[(action * states + path[t]) * symbols + symbol] += share;
                }
                if let Some(reward) = node.reward {
                    expected.paid[row] += share;
                    expected.earned[row] += share * reward;
                }
            }
        }
        expected.squares += nodes.iter().filter_map(|node| node.reward).map(|reward| reward * reward).sum::<f64>();
        likelihood.ln()
    }

    #[test]
    fn expected_counts_are_those_of_all_ways() {
        for seed in 0..40 {
            let mut draw = Key::named(seed, &["ways"], &[]).sequence();
            let size = Size { states: 1 + number(&mut draw, 3), actions: 2, symbols: 3 };
            let trajectories = noise(size, &[1, 5, 0, 3], &mut draw);
            let nodes = slices(&trajectories);
            let hmm = somewhere(size, &nodes, seed as u32 % 2, seed);
            let (mut found, mut all) = (Expected::new(size), Expected::new(size));
            let log_likelihood = hmm.expect(&nodes, &mut found, &mut Room::default());
            let enumerated: f64 =
                nodes.iter().filter(|nodes| !nodes.is_empty()).map(|nodes| by_enumeration(&hmm, nodes, &mut all)).sum();
            let place = format!("seed {seed}");
            assert!((log_likelihood - enumerated).abs() < 1e-10, "{place}: {log_likelihood} is not {enumerated}");
            for (found, all) in [
                (&found.start, &all.start),
                (&found.moved, &all.moved),
                (&found.shown, &all.shown),
                (&found.paid, &all.paid),
                (&found.earned, &all.earned),
                (&vec![found.squares], &vec![all.squares]),
            ] {
                assert_close(found, all, 1e-10, &place);
            }
        }
    }

    #[test]
    fn the_posterior_never_falls() {
        let effort = Effort { starts: 1, iterations: 60, tolerance: f64::NEG_INFINITY };
        for seed in 0..60 {
            let mut draw = Key::named(seed, &["climb"], &[]).sequence();
            let size = Size {
                states: 1 + number(&mut draw, 6),
                actions: 1 + number(&mut draw, 3),
                symbols: 1 + number(&mut draw, 5),
            };
            let trajectories = noise(size, &[10, 10, 3, 1], &mut draw);
            let nodes = slices(&trajectories);
            for prior in [PRIOR, FLAT] {
                let fit = climb(somewhere(size, &nodes, seed as u32 % 2, seed), &nodes, &prior, &effort);
                assert_eq!(fit.log_posteriors.len(), 60);
                for pair in fit.log_posteriors.windows(2) {
                    assert!(pair[1] >= pair[0] - 1e-9 * pair[0].abs(), "seed {seed}: {} after {}", pair[1], pair[0]);
                }
            }
        }
    }

    /// One action and no rewards: a hidden Markov model as everyone knows it.
    #[test]
    fn with_one_action_it_is_the_hidden_markov_model_of_hmmlearn() {
        let data: Value = serde_json::from_str(include_str!("../tests/data/hmm.json")).unwrap();
        let numbers = |value: &Value| serde_json::from_value::<Vec<f64>>(value.clone()).unwrap();
        let rows = |value: &Value| serde_json::from_value::<Vec<Vec<f64>>>(value.clone()).unwrap();
        for case in data["cases"].as_array().unwrap() {
            let of = |place: &str| {
                let parts = &case[place];
                (numbers(&parts[0]), rows(&parts[1]).concat(), rows(&parts[2]).concat())
            };
            let (start, transition, emission) = of("from");
            let states = start.len();
            let size = Size { states, actions: 1, symbols: emission.len() / states };
            let mut hmm = Hmm { size, start, transition, emission, reward: vec![0.0; states], variance: 1.0 };
            let trajectories: Vec<Vec<Node>> = (rows(&case["sequences"]).iter())
                .map(|symbols| {
                    let node = |&symbol: &f64| Node { seen: Some((0, symbol as usize)), action: 0, reward: None };
                    symbols.iter().map(node).collect()
                })
                .collect();
            let nodes = slices(&trajectories);
            let (mut expected, mut room) = (Expected::new(size), Room::default());
            for (i, known) in numbers(&case["logLikelihoods"]).iter().enumerate() {
                let found = hmm.expect(&nodes, &mut expected, &mut room);
                assert!((found - known).abs() < 1e-8, "iteration {i}: {found} is not {known}");
                hmm = Hmm::of(&expected, &FLAT);
            }
            let (start, transition, emission) = of("to");
            assert_close(&hmm.start, &start, 1e-8, "start");
            assert_close(&hmm.transition, &transition, 1e-8, "transition");
            assert_close(&hmm.emission, &emission, 1e-8, "emission");
        }
    }

    /// A column of `row`, as often as it says.
    fn pick(row: &[f64], draw: &mut Sequence) -> usize {
        let mut u = draw.uniform();
        let passed = |&p: &f64| {
            u -= p;
            u < 0.0
        };
        row.iter().position(passed).unwrap_or(row.len() - 1)
    }

    /// States that each have a symbol of their own, and rewards: the data leave only their names open.
    #[test]
    fn long_data_tell_the_model_up_to_its_names() {
        for seed in 0..5 {
            let mut draw = Key::named(seed, &["long"], &[]).sequence();
            let size = Size { states: 3, actions: 2, symbols: 3 };
            let mut truth = somewhere(size, &[], 1, seed);
            for row in 0..6 {
                // State s shows symbol s + 1, so that no start has the names right.
                (0..3).for_each(|o| truth.emission[row * 3 + o] = f64::from(u8::from(o == (row + 1) % 3)));
            }
            truth.reward = (0..6).map(|_| draw.between(-1.0, 1.0)).collect();
            truth.start = vec![0.2, 0.3, 0.5];
            let trajectories: Vec<Vec<Node>> = (0..400)
                .map(|_| {
                    let (mut state, mut seen) = (pick(&truth.start, &mut draw), None);
                    let step = |_| {
                        let action = number(&mut draw, 2);
                        let node = Node { seen, action, reward: Some(truth.reward[action * 3 + state]) };
                        state = pick(&truth.transition[(action * 3 + state) * 3..][..3], &mut draw);
                        seen = Some((action, pick(&truth.emission[(action * 3 + state) * 3..][..3], &mut draw)));
                        node
                    };
                    (0..30).map(step).collect()
                })
                .collect();
            let nodes = slices(&trajectories);
            let effort = Effort { starts: 4, iterations: 200, tolerance: 1e-8 };
            let prior = Prior { weight: 0.1, reward_mean: 0.0, reward_weight: 0.01, variance: 1e-3 };
            let found = fit(size, &nodes, &prior, &effort, (Key::named(seed, &["search"], &[]), 0));
            let hmm = Hmm::of(&found.expected, &prior);
            // The name of each true state in the fit: who shows its symbol.
            let name =
                |state: usize| (0..3).max_by(|&i, &j| shows(&hmm, i, state).total_cmp(&shows(&hmm, j, state))).unwrap();
            let names = [0, 1, 2].map(name);
            for (row, state) in (0..6).map(|row| (row, row % 3)) {
                let base = row - state + names[state];
                assert!((hmm.reward[base] - truth.reward[row]).abs() < 0.02, "seed {seed}, reward {row}");
                for to in 0..3 {
                    let (found, p) = (hmm.transition[base * 3 + names[to]], truth.transition[row * 3 + to]);
                    assert!((found - p).abs() < 0.05, "seed {seed}, row {row}: {found} is not {p}");
                }
                let start = (hmm.start[names[state]] - truth.start[state]).abs();
                assert!(start < 0.1 && shows(&hmm, names[state], state) > 0.99, "seed {seed}: start {start} off");
            }
        }
    }

    /// How likely the fit's state `i` shows the symbol of the true `state`.
    fn shows(hmm: &Hmm, i: usize, state: usize) -> f64 {
        hmm.emission[i * 3 + (state + 1) % 3]
    }

    /// Data that a model rules out are passed over.
    #[test]
    fn the_impossible_is_passed_over() {
        let size = Size { states: 2, actions: 1, symbols: 2 };
        let nodes = [None, Some((0, 1)), Some((0, 0))].map(|seen| Node { seen, action: 0, reward: Some(1e6) });
        let hmm = Hmm { emission: vec![1.0, 0.0, 1.0, 0.0], ..somewhere(size, &[], 1, 1) };
        let mut expected = Expected::new(size);
        assert_eq!(hmm.expect(&[&nodes], &mut expected, &mut Room::default()), f64::NEG_INFINITY);
        assert!((expected.moved.iter().sum::<f64>() - 2.0).abs() < 1e-12);
        let next = Hmm::of(&expected, &FLAT);
        assert!(next.transition.iter().chain(&next.reward).all(|p| p.is_finite()) && next.variance > 0.0);
    }
}
