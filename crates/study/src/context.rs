//! Solved tasks and the few-shot contexts drawn from them.

use std::ops::ControlFlow;

use tiresias_agents::Shape;
use tiresias_encode::{Dims, Trajectory};
use tiresias_model::family::{Task, family, is_own};
use tiresias_model::random::Key;
use tiresias_model::{Model, Policy, Space};
use tiresias_sim::{Batch, Behaviour, Level, Record, RolloutSpec, Simulator, Stop};
use tiresias_solve::{Solution, auto};

use crate::noise::Noise;
use crate::spec::Resolved;
use crate::{Spec, StudyError};

/// A task with its oracle.
pub struct SolvedTask {
    /// Index in its split.
    pub index: u64,
    /// The task.
    pub task: Task,
    /// Its oracle.
    pub solution: Solution,
    noise: Option<Noise>,
}

impl SolvedTask {
    /// Draws task `index` of the specification and solves its oracle on the calling thread.
    pub(crate) fn solve(
        spec: &Spec,
        names: &Resolved,
        index: u64,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Self, StudyError> {
        let task = names.family.task(&spec.request(index))?;
        let hook = |_: &_| if cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let solution = auto(&task.model)
            .solve(&task.model, &spec.limits(), &hook)
            .map_err(|source| StudyError::Solve { index, source })?;
        if cancelled() {
            return Err(StudyError::Cancelled);
        }
        let noise = Noise::new(task.reward_noise, names.family.as_ref());
        Ok(Self { index, task, solution, noise })
    }

    /// Bytes that the task and its oracle take.
    pub fn bytes(&self) -> usize {
        let parameters = self.task.parameters.iter().map(|(name, _)| name.len() + 32).sum::<usize>();
        self.task.model.bytes() + parameters + self.solution.bytes()
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.task.model
    }

    /// The oracle's policy.
    pub fn policy(&self) -> &dyn Policy {
        &self.solution.policy
    }

    /// Decisions per episode (a split may lengthen the training horizon).
    pub(crate) fn horizon(&self, spec: &Spec) -> usize {
        self.model().horizon().unwrap_or(spec.horizon)
    }

    /// What it looks like from outside.
    pub(crate) fn shape(&self, spec: &Spec) -> Shape {
        shape(self.model(), spec)
    }

    /// The random stream of this task for a purpose.
    pub(crate) fn key(&self, spec: &Spec, purpose: &str) -> Key {
        Key::named(spec.seed, &[&spec.family, &spec.split, spec.regime.name(), purpose], &[self.index])
    }

    /// The K support trajectories of each of `count` examples (or episodes) from `first` on.
    pub(crate) fn support(
        &self,
        spec: &Spec,
        names: &Resolved,
        (first, count): (u64, usize),
        cancelled: Stop<'_>,
    ) -> Result<Batch, StudyError> {
        let k = spec.support.trajectories;
        self.rollout(spec, &names.support, "support", (first * k as u64, count * k), cancelled)
    }

    /// Recorded episodes of a behaviour, from the task's own stream for a purpose.
    pub(crate) fn rollout(
        &self,
        spec: &Spec,
        behaviour: &Behaviour,
        purpose: &str,
        (first_episode, episodes): (u64, usize),
        cancelled: Stop<'_>,
    ) -> Result<Batch, StudyError> {
        let study = spec;
        let spec = RolloutSpec {
            model: self.model(),
            policy: Some(self.policy()),
            behaviour,
            nature: spec.recorded_nature(self.task.true_model),
            horizon: self.horizon(spec),
            first_episode,
            episodes,
            key: self.key(spec, purpose),
            record_beliefs: false,
        };
        let mut batch = Batch::default();
        let simulator = Simulator::once(&spec).stopping(cancelled);
        let run = simulator.run(first_episode, episodes, Record::ALL, Level::best(), &mut batch);
        if cancelled() {
            return Err(StudyError::Cancelled);
        }
        run?;
        if self.noise.is_some() {
            self.make_noisy(study, purpose, first_episode, &mut batch);
        }
        Ok(batch)
    }

    /// Draws the rewards of a batch whose rewards are expected ones, and adds them up again.
    fn make_noisy(&self, spec: &Spec, purpose: &str, first_episode: u64, batch: &mut Batch) {
        let episodes = batch.rewards.chunks_exact_mut(batch.horizon).zip(&mut batch.returns);
        for (episode, (rewards, total)) in (first_episode..).zip(episodes) {
            let mut weight = 1.0;
            *total = 0.0;
            for (stage, reward) in rewards.iter_mut().enumerate() {
                *reward = self.earned(spec, purpose, (episode, stage), *reward);
                *total += weight * *reward;
                weight *= self.model().discount();
            }
        }
    }

    /// What a decision earns in the stream of a purpose, that is expected to earn `reward`.
    pub(crate) fn earned(&self, spec: &Spec, purpose: &str, (episode, stage): (u64, usize), reward: f64) -> f64 {
        match &self.noise {
            Some(noise) => noise.on(self.key(spec, &format!("noise/{purpose}")), episode, stage, reward),
            None => reward,
        }
    }
}

/// What the tasks of a specification look like from outside, one of whose models is `model`.
pub(crate) fn shape(model: &Model, spec: &Spec) -> Shape {
    // Tasks of one's own may differ in what can be seen: all of them are written as the largest.
    let own = if is_own(&spec.family) { family(&spec.family).ok() } else { None };
    let symbols = model.observations().map_or(model.states().len(), Space::len);
    Shape {
        regime: spec.regime,
        symbols: own.map_or(symbols, |family| family.max_symbols()),
        actions: model.actions().len(),
        horizon: model.horizon().unwrap_or(spec.horizon),
        discount: model.discount(),
    }
}

/// The numbers of symbols that trajectories of tasks of that shape hold.
pub(crate) fn dims(shape: &Shape) -> Dims {
    Dims { observations: shape.symbols, actions: shape.actions }
}

/// The trajectories of a batch, as the encoder takes them.
pub(crate) fn trajectories(batch: &Batch) -> Vec<Trajectory<'_>> {
    (0..batch.episodes).map(|episode| trajectory(batch, episode)).collect()
}

/// One trajectory of a batch.
pub(crate) fn trajectory(batch: &Batch, episode: usize) -> Trajectory<'_> {
    let steps = episode * batch.horizon..(episode + 1) * batch.horizon;
    Trajectory {
        observations: &batch.observations[steps.clone()],
        actions: &batch.actions[steps.clone()],
        rewards: &batch.rewards[steps],
    }
}
