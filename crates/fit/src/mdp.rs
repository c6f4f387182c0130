//! An MDP from trajectories whose observations are the states.

use tiresias_data::Trajectories;
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, memory};

use crate::counts::{Counts, with_ended};
use crate::error::check_weight;
use crate::{FitError, HeldOut};

/// Which states a transition may lead to before anything was seen from its own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Successors {
    /// Those that some transition of the trajectories led to; all where there is no transition.
    #[default]
    Seen,
    /// All.
    All,
}

/// How an MDP is fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct MdpOptions {
    /// The model's name.
    pub name: String,
    /// Weight of the prior of each transition row, in transitions, not negative. The prior is the symmetric Dirichlet distribution with
    /// parameters `weight / K` over the `K` states of `successors`, and a row is its posterior mean, `(n + weight / K) / (Σ n + weight)`;
    /// with weight 0 it is the share of the transitions seen.
    pub weight: f64,
    /// Which states the prior is spread over.
    pub successors: Successors,
    /// Weight of the mean of all rewards in the mean of one state and action, in rewards, not negative.
    pub reward_weight: f64,
    /// Discount factor of the model.
    pub discount: f64,
    /// Number of decisions of the model; `None` is an infinite horizon, which needs a discount below 1.
    pub horizon: Option<usize>,
    /// Which episodes the report's held-out likelihood is of.
    pub held_out: HeldOut,
    /// Which episodes these are is drawn from it; nothing else is random.
    pub seed: u64,
}

impl Default for MdpOptions {
    fn default() -> Self {
        Self {
            name: "fitted".into(),
            weight: 1.0,
            successors: Successors::Seen,
            reward_weight: 1.0,
            discount: 0.95,
            horizon: None,
            held_out: HeldOut::Nothing,
            seed: 0,
        }
    }
}

/// What was found while an MDP was fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct MdpReport {
    /// Number of episodes.
    pub episodes: usize,
    /// Number of decisions.
    pub steps: usize,
    /// Transitions that were counted; those into the end of an episode are among them.
    pub transitions: usize,
    /// Steps whose own state was not seen; they count for nothing.
    pub unseen: usize,
    /// States and actions that no step is of, as pairs: their transitions are the prior, their reward the mean of all.
    pub uncovered: Vec<(usize, usize)>,
    /// Mean logarithm of the probability of a transition under the model, in nats; 0 without transitions.
    pub log_likelihood: f64,
    /// The same of the transitions of episodes that were left out of the fit, under a model of the rest (each transition is left out once by
    /// folds, and the mean is over all); -∞ where one is ruled out, as can be with weight 0. `None` where none were left out or they
    /// have no transition.
    pub held_out: Option<f64>,
}

/// An MDP and what it was made from, from which sets and clouds around it are made.
#[derive(Debug, Clone)]
pub struct MdpFit {
    /// The model. Its states are the symbols of the trajectories, and after them `ended` if any episode ended by itself.
    pub model: Model,
    /// What was found.
    pub report: MdpReport,
    pub(crate) counts: Counts,
    pub(crate) options: MdpOptions,
    /// States that the prior is spread over, ascending.
    pub(crate) support: Vec<usize>,
}

/// Fits an MDP: transition probabilities are posterior means under a Dirichlet prior, rewards are shrunk means of state and action
/// ([`MdpOptions`]), the start distribution is the shares of the states that episodes begin in.
///
/// The last transition of an episode that ended by itself leads to a terminal state called `ended` (`ended-2` and so on where a
/// state has that name), whatever was seen after it; if no episode did, there is no such state. Where the record merely stops and nothing was
/// seen after the last action, that step's reward counts and there is no transition. A step whose state was not seen counts for
/// nothing, and neither does a transition to what was not seen. Tasks and propensities are not used.
///
/// [`FitError::NoFirst`] if an episode begins with nothing seen, [`FitError::Option`] and [`FitError::Model`] on options out of range.
/// O(steps + A·S·K) time, and 12 bytes for each entry of the transition rows, of which a prior makes A·S·K.
pub fn fit_mdp(data: &Trajectories, options: &MdpOptions) -> Result<MdpFit, FitError> {
    check_weight("weight of the prior", options.weight)?;
    check_weight("weight of the mean reward", options.reward_weight)?;
    let everyone: Vec<usize> = (0..data.len()).collect();
    let counts = Counts::of(data, &everyone)?;
    let support = support(&counts, options.successors);
    if options.weight > 0.0 {
        let entries = memory::product(&[counts.moved.rows(), support.len(), 12]);
        memory::check(entries, || "the prior of all transition rows".into(), "set the prior's weight to 0")?;
    }
    let transition = transition(&counts, &support, options.weight);

    let (s, rows) = (counts.states, counts.moved.rows());
    let report = MdpReport {
        episodes: data.len(),
        steps: data.steps(),
        transitions: counts.transitions(),
        unseen: counts.unseen,
        uncovered: (0..rows)
            .filter(|&row| counts.paid[row] == 0.0 && !counts.is_over(row))
            .map(|row| (row % s, row / s))
            .collect(),
        log_likelihood: per_transition(&counts, &transition).unwrap_or(0.0),
        held_out: held_out(data, options, &support)?,
    };
    let model = ModelBuilder {
        name: options.name.clone(),
        states: match counts.ended {
            Some(_) => with_ended("states", data.observation_space())?,
            None => data.observation_space().clone(),
        },
        actions: data.action_space().clone(),
        observations: None,
        reward: rewards(&counts, options.reward_weight),
        start: start(&counts),
        discount: options.discount,
        horizon: options.horizon,
        terminal: counts.ended.into_iter().collect(),
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition, observation: None }],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    };
    Ok(MdpFit { model: model.build()?, report, counts, options: options.clone(), support })
}

fn support(counts: &Counts, successors: Successors) -> Vec<usize> {
    let mut seen = vec![successors == Successors::All; counts.states];
    (0..counts.moved.rows()).for_each(|row| counts.moved.pairs(row).for_each(|(next, _)| seen[next] = true));
    let support: Vec<usize> = (0..counts.states).filter(|&state| seen[state]).collect();
    if support.is_empty() { (0..counts.states).collect() } else { support }
}

/// Posterior means of all rows. Rows of the state in which episodes end lead to itself.
pub(crate) fn transition(counts: &Counts, support: &[usize], weight: f64) -> Kernel {
    let mut kernel = Kernel::with_capacity(counts.states, counts.moved.rows(), counts.moved.entries());
    for (row, &moves) in counts.moves.iter().enumerate() {
        if counts.is_over(row) {
            kernel.push_row([(row % counts.states, 1.0)]);
        } else if moves + weight == 0.0 {
            kernel.push_row(support.iter().map(|&next| (next, 1.0 / support.len() as f64)));
        } else {
            let sum = moves + weight;
            let prior = support.iter().map(|&next| (next, weight / support.len() as f64 / sum));
            kernel.push_row(prior.chain(counts.moved.pairs(row).map(|(next, n)| (next, n / sum))));
        }
    }
    kernel
}

pub(crate) fn rewards(counts: &Counts, weight: f64) -> Reward {
    let mut rewards = counts.rewards(weight);
    (0..rewards.len()).filter(|&row| counts.is_over(row)).for_each(|row| rewards[row] = 0.0);
    Reward::StateAction(rewards)
}

pub(crate) fn start(counts: &Counts) -> Vec<f64> {
    let episodes: f64 = counts.first.iter().sum();
    counts.first.iter().map(|n| n / episodes).collect()
}

fn per_transition(counts: &Counts, transition: &Kernel) -> Option<f64> {
    (counts.transitions() > 0).then(|| counts.log_likelihood(transition) / counts.transitions() as f64)
}

/// Which successors are possible is taken from all episodes, so that a state which only episodes left out lead to is not ruled out.
fn held_out(data: &Trajectories, options: &MdpOptions, support: &[usize]) -> Result<Option<f64>, FitError> {
    let (mut sum, mut transitions) = (0.0, 0);
    for split in options.held_out.splits(data.len(), options.seed)? {
        let (fitted, left) = (Counts::of(data, &split.fitted)?, Counts::of(data, &split.held_out)?);
        sum += left.log_likelihood(&transition(&fitted, support, options.weight));
        transitions += left.transitions();
    }
    Ok((transitions > 0).then(|| sum / transitions as f64))
}
