//! The return of a policy over many episodes, for policies that are dear to ask.
//!
//! Asking a set of α-vectors and filtering a belief take microseconds; drawing a step takes nanoseconds. But a deterministic
//! policy does the same after the same history, and histories meet: every reset of the problem leads to one belief. So beliefs
//! are numbered as they are met, each with its action and, by observation, the number of the belief that follows. A step of
//! an episode then is two draws and a look-up; the policy is asked once a belief. The table is the policy as a finite-state
//! controller (Hansen, "An improved policy iteration algorithm for partially observable MDPs", NIPS 1997), made as far as the
//! episodes need it.

use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHasher};
use tiresias_model::random::{Key, unit32};
use tiresias_model::{Model, Policy, Space};

use crate::episode::{sample_dense, sample_row};
use crate::stream::{Purpose, Stream};

/// What a part's table may take before it is begun anew.
const MOST_BYTES: usize = 256 << 20;

/// Who acts.
#[derive(Clone, Copy)]
pub enum Actor<'a> {
    /// Uniformly random actions.
    Random,
    /// A policy; `stationary` when it ignores the stage.
    Policy {
        /// Maps stages and beliefs to actions.
        policy: &'a dyn Policy,
        /// Whether the stage makes no difference to it.
        stationary: bool,
    },
}

/// Episodes of one policy in one model, by the crate's contract, with the numbers of [`Episode`](crate::Episode).
///
/// Beliefs are rounded to 33 significant bits after each update, so that those which differ by rounding only are one; positive
/// probabilities stay positive. Episodes end early in terminal states, where nothing is left to earn.
#[derive(Clone, Copy)]
pub struct Simulation<'a> {
    /// The model; of a cloud, the first of its models moves the world and updates the belief.
    pub model: &'a Model,
    /// Who acts.
    pub actor: Actor<'a>,
    /// Stream of the random numbers.
    pub key: Key,
    /// Decisions an episode; at most the model's horizon.
    pub steps: usize,
}

/// What many returns say about their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Mean.
    pub mean: f64,
    /// Standard deviation of one return; 0 for a single one.
    pub deviation: f64,
    /// Half the width of the 95 % interval of the mean by the normal approximation; infinite for a single return.
    pub half_width: f64,
}

impl Summary {
    /// Of the given returns, at least one.
    pub fn of(returns: &[f64]) -> Self {
        let n = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / n;
        let squares: f64 = returns.iter().map(|r| (r - mean) * (r - mean)).sum();
        let deviation = if returns.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
        // The 97.5 % quantile of the standard normal distribution.
        let half_width = if returns.len() > 1 { 1.959_963_984_540_054 * deviation / n.sqrt() } else { f64::INFINITY };
        Self { mean, deviation, half_width }
    }
}

impl Simulation<'_> {
    /// The discounted returns of episodes `first..`, one an element, on the current rayon pool: the same for any number of
    /// threads. Returns the steps made, or `None` once `hook`, which gets the episodes finished since it was called last,
    /// breaks.
    pub fn run(
        &self,
        first: u64,
        returns: &mut [f64],
        hook: &(dyn Fn(usize) -> ControlFlow<()> + Sync),
    ) -> Option<u64> {
        let part = returns.len().div_ceil(rayon::current_num_threads()).max(1);
        let stopped = AtomicBool::new(false);
        let steps = returns.par_chunks_mut(part).enumerate().map(|(i, returns)| {
            let mut mind = Mind::new(self);
            let first = first + (i * part) as u64;
            let mut steps = 0;
            for (group, returns) in returns.chunks_mut(PIECE).enumerate() {
                for (e, total) in returns.iter_mut().enumerate() {
                    let episode = first + (group * PIECE + e) as u64;
                    steps += self.episode(episode, &mut mind, total);
                }
                if stopped.load(Ordering::Relaxed) || hook(returns.len()).is_break() {
                    stopped.store(true, Ordering::Relaxed);
                    return 0;
                }
            }
            steps
        });
        let steps = steps.sum();
        (!stopped.into_inner()).then_some(steps)
    }

    /// The bias of cutting episodes of a discounted model after `steps` decisions: bounds on what all later rewards add to the
    /// mean. Zeros when the model's horizon ends there.
    pub fn truncation(&self) -> (f64, f64) {
        let left = match self.model.horizon() {
            Some(horizon) if horizon <= self.steps => return (0.0, 0.0),
            _ => self.model.discount().powf(self.steps as f64),
        };
        let (low, high) = self.model.value_range();
        (left * low.min(0.0), left * high.max(0.0))
    }

    fn episode(&self, index: u64, mind: &mut Mind<'_>, total: &mut f64) -> u64 {
        let (model, s) = (self.model, self.model.states().len());
        let dynamics = &model.dynamics()[0];
        let stream = |purpose| Stream::new(self.key, index, purpose);
        let (mut transitions, mut observations) = (stream(Purpose::State), stream(Purpose::Observation));
        let mut actions = stream(Purpose::Action);
        let mut state = sample_dense(model.start(), unit32(transitions.word(0)));
        let mut node = mind.start(state);
        let mut weight = 1.0;
        *total = 0.0;
        for stage in 0..self.steps {
            let draw = stage as u32 + 1;
            let action = match self.actor {
                Actor::Random => (unit32(actions.word(draw)) * model.actions().len() as f64) as usize,
                Actor::Policy { .. } => mind.action(node),
            };
            let next = sample_row(&dynamics.transition, action * s + state, unit32(transitions.word(draw)));
            let seen = match &dynamics.observation {
                Some(kernel) => sample_row(kernel, action * s + next, unit32(observations.word(draw))),
                None => next,
            };
            let mut reward = model.realised_reward(state, action, next, seen);
            if model.horizon() == Some(stage + 1) && !model.final_reward().is_empty() {
                reward += model.discount() * model.final_reward()[next];
            }
            *total += weight * reward;
            weight *= model.discount();
            state = next;
            if model.is_terminal(state) && model.final_reward().is_empty() {
                return stage as u64 + 1;
            }
            if stage + 1 < self.steps {
                node = mind.next(node, stage + 1, action, seen);
            }
        }
        self.steps as u64
    }
}

/// Episodes between two looks at the hook.
const PIECE: usize = 16;

/// Where an observation can be made in this many times more states than a belief reaches, the states of the belief are looked up.
const MUCH: usize = 8;

/// No successor yet.
const NONE: u32 = u32::MAX;

/// A belief: positive entries, states ascending.
type Sparse = Vec<(u32, f64)>;

/// The beliefs met so far, what the policy does there and where observations lead.
struct Mind<'a> {
    simulation: &'a Simulation<'a>,
    symbols: usize,
    nodes: Vec<Node>,
    /// Successor of a node by observation, `node * symbols + observation`.
    after: Vec<u32>,
    /// A node by the hash of its stage and belief.
    known: FxHashMap<u64, u32>,
    bytes: usize,
    dense: Vec<f64>,
    /// States in which an observation can be made after an action and how likely it is then, by `action * symbols + observation`.
    likely: Vec<Sparse>,
}

struct Node {
    action: u32,
    /// 0 for a stationary policy.
    stage: u32,
    belief: Sparse,
}

impl<'a> Mind<'a> {
    fn new(simulation: &'a Simulation<'a>) -> Self {
        let model = simulation.model;
        let (s, symbols) = (model.states().len(), model.observations().map_or(model.states().len(), Space::len));
        let mut likely = Vec::new();
        if let (Some(kernel), Actor::Policy { .. }) = (&model.dynamics()[0].observation, simulation.actor) {
            likely.resize(model.actions().len() * symbols, Sparse::new());
            for row in 0..kernel.rows() {
                kernel.pairs(row).for_each(|(o, q)| likely[row / s * symbols + o].push(((row % s) as u32, q)));
            }
        }
        Self {
            simulation,
            symbols,
            likely,
            nodes: Vec::new(),
            after: Vec::new(),
            known: FxHashMap::default(),
            bytes: 0,
            dense: vec![0.0; model.states().len()],
        }
    }

    /// The node before the first decision; a seen state is known then.
    fn start(&mut self, state: usize) -> u32 {
        let model = self.simulation.model;
        if matches!(self.simulation.actor, Actor::Random) {
            return 0;
        }
        let belief = match model.observations() {
            Some(_) => {
                model.start().iter().enumerate().filter(|(_, p)| **p > 0.0).map(|(s, &p)| (s as u32, p)).collect()
            }
            None => vec![(state as u32, 1.0)],
        };
        self.node(0, belief)
    }

    fn action(&self, node: u32) -> usize {
        self.nodes[node as usize].action as usize
    }

    /// The node after an observation at `node`, before the decision at `stage`.
    #[inline]
    fn next(&mut self, node: u32, stage: usize, action: usize, seen: usize) -> u32 {
        if matches!(self.simulation.actor, Actor::Random) {
            return 0;
        }
        let place = node as usize * self.symbols + seen;
        if self.after[place] != NONE {
            return self.after[place];
        }
        let belief = self.filtered(node, action, seen);
        if self.bytes > MOST_BYTES {
            self.nodes.clear();
            self.after.clear();
            self.known.clear();
            self.bytes = 0;
            return self.node(stage, belief);
        }
        let next = self.node(stage, belief);
        self.after[place] = next;
        next
    }

    fn node(&mut self, stage: usize, belief: Sparse) -> u32 {
        let Actor::Policy { policy, stationary } = self.simulation.actor else { return 0 };
        let stage = if stationary { 0 } else { stage };
        let mut hasher = FxHasher::default();
        stage.hash(&mut hasher);
        belief.iter().for_each(|&(s, p)| (s, p.to_bits()).hash(&mut hasher));
        let hash = hasher.finish();
        if let Some(&known) = self.known.get(&hash) {
            let node = &self.nodes[known as usize];
            if node.stage as usize == stage && node.belief == belief {
                return known;
            }
        }
        let seen = self.simulation.model.observations().is_none();
        let action = if seen && let &[(state, _)] = belief.as_slice() {
            policy.action_in_state(stage, state as usize, self.dense.len())
        } else {
            belief.iter().for_each(|&(s, p)| self.dense[s as usize] = p);
            let action = policy.action(stage, &self.dense);
            belief.iter().for_each(|&(s, _)| self.dense[s as usize] = 0.0);
            action
        };
        let number = self.nodes.len() as u32;
        self.bytes += 64 + 16 * belief.len() + 4 * self.symbols;
        self.nodes.push(Node { action: action as u32, stage: stage as u32, belief });
        self.after.resize(self.after.len() + self.symbols, NONE);
        self.known.insert(hash, number);
        number
    }

    /// Bayes' rule, then rounding.
    fn filtered(&mut self, node: u32, action: usize, seen: usize) -> Sparse {
        let model = self.simulation.model;
        let s = model.states().len();
        let dynamics = &model.dynamics()[0];
        let Some(observation) = &dynamics.observation else { return vec![(seen as u32, 1.0)] };
        let mut support = Vec::new();
        for &(state, mass) in &self.nodes[node as usize].belief {
            for (next, p) in dynamics.transition.pairs(action * s + state as usize) {
                if self.dense[next] == 0.0 {
                    support.push(next as u32);
                }
                self.dense[next] += mass * p;
            }
        }
        let likely = &self.likely[action * self.symbols + seen];
        let mut belief: Sparse = if likely.len() <= MUCH * support.len() {
            likely.iter().map(|&(next, q)| (next, self.dense[next as usize] * q)).filter(|(_, p)| *p > 0.0).collect()
        } else {
            support.sort_unstable();
            let weighed = |next: u32| self.dense[next as usize] * observation.get(action * s + next as usize, seen);
            support.iter().map(|&next| (next, weighed(next))).filter(|(_, p)| *p > 0.0).collect()
        };
        if belief.is_empty() {
            // Only where a probability fell below the smallest number: what was predicted is the best guess.
            support.sort_unstable();
            support.dedup();
            belief = support.iter().map(|&next| (next, self.dense[next as usize])).collect();
        }
        support.iter().for_each(|&next| self.dense[next as usize] = 0.0);
        let sum: f64 = belief.iter().map(|(_, p)| p).sum();
        belief.iter_mut().for_each(|(_, p)| *p = rounded(*p / sum));
        belief
    }
}

/// To 33 significant bits, the nearest; positive numbers stay positive.
fn rounded(p: f64) -> f64 {
    f64::from_bits((p.to_bits() + (1 << 19)) & !((1 << 20) - 1))
}
