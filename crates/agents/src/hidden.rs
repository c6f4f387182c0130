//! Acting where the state is hidden, with nothing but the support and the history: fit a hidden Markov model, plan in it, follow it.

use std::sync::Arc;

use crate::hmm::{Effort, Expected, Hmm, Node, Prior, Size, fit, moments};
use crate::window::Windows;
use crate::{Agent, AgentError, Context, InformedValues};

/// Hidden states at most: the kernels of a fit are A·S² numbers, and each iteration looks at all of them.
const MOST_STATES: usize = 512;

/// Places that the search begins at, at most.
const MOST_STARTS: u32 = 1000;

/// How many places a search begins at without a word: the one where symbols name states, and one that is drawn.
pub(crate) const STARTS: u32 = 2;

/// Models that a search tries from each place, at most, and the share by which each must improve on the last. Ten times the share ends
/// too soon for the tiger problem, where the two states differ in little but one rare reward; more models gain nothing there, nor in the
/// energy family.
const ITERATIONS: usize = 25;
const TOLERANCE: f64 = 1e-4;

/// In the search rewards tell states apart, and a prior that pulls their means together would blur them: it counts for this share of a
/// reward. How much the prior says where a plan is made is the methods' own.
const REWARD_WEIGHT: f64 = 0.01;

/// The share of the rewards' variance that one further reward of the prior is off its mean.
const WITHIN: f64 = 0.01;

/// How a hidden Markov model is searched for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// Number of hidden states; `None` for as many as symbols.
    pub states: Option<usize>,
    /// Places that it begins at.
    pub starts: u32,
    /// Pseudo-counts of each distribution.
    pub weight: f64,
}

impl Search {
    /// Refuses what is out of range.
    pub fn check(&self) -> Result<(), AgentError> {
        let within = |option: &str, value: usize, most: usize| match value {
            0 => Err(AgentError::Method(format!(
                "option {option} is 0; set it to a number of 1..={most}, or leave it out"
            ))),
            _ if value > most => Err(AgentError::Method(format!(
                "option {option} is {value}; set it to a number of 1..={most}, or leave it out"
            ))),
            _ => Ok(()),
        };
        self.states.map_or(Ok(()), |states| within("states", states, MOST_STATES))?;
        within("starts", self.starts as usize, MOST_STARTS as usize)
    }

    /// What the support leads to expect of hidden states: the counts at the best fit. Rewards that are no finite numbers count as
    /// hidden. Refuses symbols and actions that are not the study's.
    ///
    /// At most `starts` · 25 iterations of [`climb`](crate::hmm::climb): some 2 ms for five trajectories of ten decisions in ten states.
    pub fn fit(&self, context: &Context<'_>) -> Result<Expected, AgentError> {
        let (shape, windows) = (context.shape, Windows::of(context.shape));
        let mut nodes = Vec::with_capacity(context.support.actions.len());
        windows.visit(context.support, |decision| {
            let seen = windows.parts(decision.window).and_then(|(symbol, action)| Some((action?, symbol)));
            let reward = Some(decision.reward).filter(|reward| reward.is_finite());
            nodes.push(Node { seen, action: decision.action, reward });
        })?;
        let trajectories: Vec<&[Node]> = nodes.chunks(context.support.horizon.max(1)).collect();
        let (reward_mean, variance) = moments(&trajectories);
        let variance = if variance > 0.0 { WITHIN * variance } else { 1.0 };
        let prior = Prior { weight: self.weight, reward_mean, reward_weight: REWARD_WEIGHT, variance };
        let effort = Effort { starts: self.starts, iterations: ITERATIONS, tolerance: TOLERANCE };
        let size =
            Size { states: self.states.unwrap_or(shape.symbols), actions: shape.actions, symbols: shape.symbols };
        Ok(fit(size, &trajectories, &prior, &effort, (context.key, context.episode)).expected)
    }
}

/// An agent that takes `hmm` for the truth: its belief follows the episode by Bayes' rule and it is greedy for the QMDP values. What the
/// model rules out is passed over. Rewards of the episode are not looked at, as the methods that know the truth do not, and a study
/// may hide them.
///
/// H·A·S² multiply-adds for the plan with A comparisons each, S² + S·A a decision.
pub(crate) fn follow(context: &Context<'_>, hmm: &Hmm) -> Result<Box<dyn Agent>, AgentError> {
    let model = Arc::new(hmm.model(context.shape)?);
    Ok(InformedValues::qmdp(model, context.shape.horizon).doubted())
}
