//! The return of a policy over many episodes, for policies that are dear to ask; how that is made cheap is in `mind.rs`.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use thiserror::Error;
use tiresias_model::random::{Key, unit32};
use tiresias_model::{Model, ModelError, Policy};

use crate::conduct::{Conduct, Decision, NO_ANSWER, Sides};
use crate::episode::{sample_dense, sample_row};
use crate::mind::Mind;
use crate::stream::{Purpose, Stream};
use crate::{Episode, NatureRule, World};

/// What the tables of all threads may take together.
const MOST_BYTES: usize = 512 << 20;

/// Who acts.
#[derive(Clone, Copy)]
pub enum Actor<'a> {
    /// Uniformly random actions.
    Random,
    /// A policy; `stationary` when neither it nor the adversary minds the stage.
    Policy {
        /// Maps stages and beliefs to actions.
        policy: &'a dyn Policy,
        /// Whether the stage makes no difference.
        stationary: bool,
    },
}

/// Episodes of one policy in one model, by the crate's contract, with the numbers of [`Episode`].
///
/// Beliefs are rounded to 33 significant bits after each update, so that those which differ by rounding only are one; positive
/// probabilities stay positive. Episodes end early in terminal states, where nothing is left to earn.
#[derive(Clone, Copy)]
pub struct Simulation<'a> {
    /// The model.
    pub model: &'a Model,
    /// Who acts.
    pub actor: Actor<'a>,
    /// How nature picks the model of a cloud at each step.
    pub nature: NatureRule,
    /// Who answers for nature in a cloud: plays it under [`NatureRule::Oracle`], and selects the model that updates beliefs under
    /// the other rules. A solution is its own adversary. `None`: the answer is model 0, and beliefs are updated by it.
    pub adversary: Option<&'a dyn Policy>,
    /// Stream of the random numbers.
    pub key: Key,
    /// Decisions an episode; at most the model's horizon.
    pub steps: usize,
}

/// Why a simulation gives no numbers.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SimulateError {
    /// The hook broke.
    #[error("the call was cancelled")]
    Cancelled,
    /// Every model of the cloud rules out what a decision-maker saw: their beliefs were updated by a model that is not the world's
    /// and rules out its state.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Adversarial nature, and nobody who answers for it.
    #[error("adversarial nature needs an adversary: a solution of the cloud, which answers for nature")]
    NoAdversary,
    /// Adversarial nature in a model whose rows have an ambiguity set around them.
    #[error("nature that chooses within an ambiguity set cannot be played; fixed:0 plays the model's own rows")]
    AmbiguitySet,
}

/// Told the episodes finished since its last call, which may be none; stops the work when it breaks.
pub type EpisodesHook<'h> = dyn Fn(usize) -> ControlFlow<()> + Sync + 'h;

impl Simulation<'_> {
    /// The discounted returns of episodes `first..`, one an element, on the current rayon pool: the same for any number of
    /// threads. Returns the steps made.
    ///
    /// # Panics
    /// When the cloud has no model that `nature` names, or the policy is made for a model of another shape.
    pub fn run(&self, first: u64, returns: &mut [f64], hook: &EpisodesHook) -> Result<u64, SimulateError> {
        let conduct = self.conduct()?;
        let threads = rayon::current_num_threads();
        let part = returns.len().div_ceil(threads).max(1);
        let stopped = AtomicBool::new(false);
        let parts = returns.par_chunks_mut(part).enumerate().map(|(i, returns)| {
            let mut mind = conduct.as_ref().map(|conduct| Mind::new(conduct, self.told(), MOST_BYTES / threads));
            let first = first + (i * part) as u64;
            let mut watch = Watch { hook, stopped: &stopped, steps: 0 };
            for (group, returns) in returns.chunks_mut(PIECE).enumerate() {
                for (e, total) in returns.iter_mut().enumerate() {
                    let index = first + (group * PIECE + e) as u64;
                    let episode = match (&mut mind, self.adversary) {
                        (None, Some(adversary)) if self.told() => {
                            self.random_and_answered(index, adversary, total, &mut watch)
                        }
                        (mind, _) => self.episode(index, mind.as_mut(), total, &mut watch),
                    };
                    episode.inspect_err(|_| stopped.store(true, Ordering::Relaxed))?;
                }
                watch.look(returns.len())?;
            }
            Ok(watch.steps)
        });
        // An error of the world comes before the cancellations that it caused, the first episode's before others'.
        let parts: Vec<Result<u64, SimulateError>> = parts.collect();
        let mut steps = 0;
        let mut cancelled = false;
        for part in parts {
            match part {
                Ok(made) => steps += made,
                Err(SimulateError::Cancelled) => cancelled = true,
                Err(error) => return Err(error),
            }
        }
        if cancelled { Err(SimulateError::Cancelled) } else { Ok(steps) }
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

    /// The rules of the policy that acts; `None` for random actions.
    pub(crate) fn conduct(&self) -> Result<Option<Conduct<'_>>, SimulateError> {
        if self.nature == NatureRule::Oracle && self.model.ambiguity().is_some() {
            return Err(SimulateError::AmbiguitySet);
        }
        if self.told() && self.adversary.is_none() {
            return Err(SimulateError::NoAdversary);
        }
        let Actor::Policy { policy, stationary } = self.actor else { return Ok(None) };
        let sides = Sides { policy, adversary: self.adversary, stationary };
        Ok(Some(Conduct::new(self.model, sides, self.told())))
    }

    /// Whether nature's choice is known to the belief tracker.
    pub(crate) fn told(&self) -> bool {
        self.nature == NatureRule::Oracle && self.model.dynamics().len() > 1
    }

    fn episode(
        &self,
        index: u64,
        mut mind: Option<&mut Mind<'_, '_>>,
        total: &mut f64,
        watch: &mut Watch,
    ) -> Result<(), SimulateError> {
        let model = self.model;
        let s = model.states().len();
        let stream = |purpose| Stream::new(self.key, index, purpose);
        let (mut transitions, mut observations) = (stream(Purpose::State), stream(Purpose::Observation));
        let (mut actions, mut natures) = (stream(Purpose::Action), stream(Purpose::Nature));
        let mut state = sample_dense(model.start(), unit32(transitions.word(0)));
        let mut decision = mind.as_mut().map_or(Decision { action: 0, nature: NO_ANSWER }, |mind| mind.start(state));
        let mut weight = 1.0;
        *total = 0.0;
        for stage in 0..self.steps {
            let draw = stage as u32 + 1;
            if mind.is_none() {
                decision.action = (unit32(actions.word(draw)) * model.actions().len() as f64) as usize;
            }
            let action = decision.action;
            let m = match self.nature {
                NatureRule::Fixed(m) => m,
                NatureRule::Resampled => (unit32(natures.word(draw)) * model.dynamics().len() as f64) as usize,
                NatureRule::Oracle if unit32(natures.word(draw)) < model.alpha() => decision.nature.minimiser,
                NatureRule::Oracle => decision.nature.maximiser,
            };
            let dynamics = &model.dynamics()[m];
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
            watch.step()?;
            if model.is_terminal(state) && model.final_reward().is_empty() {
                break;
            }
            if let Some(mind) = mind.as_mut().filter(|_| stage + 1 < self.steps) {
                decision = mind.after(m, seen)?;
            }
        }
        Ok(())
    }

    /// Random actions that nature answers: every step has its own answer, so the reference steps them.
    fn random_and_answered(
        &self,
        index: u64,
        adversary: &dyn Policy,
        total: &mut f64,
        watch: &mut Watch,
    ) -> Result<(), SimulateError> {
        let world = World { model: self.model, policy: Some(adversary), nature: self.nature };
        let mut episode = Episode::start(&world, self.key, index);
        let mut weight = 1.0;
        *total = 0.0;
        for _ in 0..self.steps {
            let action = episode.random_action(self.model.actions().len());
            *total += weight * episode.step(&world, action)?.reward;
            weight *= self.model.discount();
            watch.step()?;
        }
        Ok(())
    }
}

/// Episodes that the hook is told of together.
const PIECE: usize = 16;
/// Decisions between two looks at the hook at most: a decision may take milliseconds.
const LOOK: u64 = 32;

/// Counts the steps of one thread, and whether they should go on.
struct Watch<'h> {
    hook: &'h EpisodesHook<'h>,
    /// Shared by all threads.
    stopped: &'h AtomicBool,
    steps: u64,
}

impl Watch<'_> {
    #[inline]
    fn step(&mut self) -> Result<(), SimulateError> {
        self.steps += 1;
        if self.steps.is_multiple_of(LOOK) { self.look(0) } else { Ok(()) }
    }

    /// Tells the hook that so many episodes are finished.
    fn look(&self, finished: usize) -> Result<(), SimulateError> {
        if self.stopped.load(Ordering::Relaxed) || (self.hook)(finished).is_break() {
            self.stopped.store(true, Ordering::Relaxed);
            return Err(SimulateError::Cancelled);
        }
        Ok(())
    }
}
