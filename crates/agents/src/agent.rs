//! The seam between the world and whoever acts in it.

use tiresias_model::Model;
use tiresias_model::family::{Family, Regime, Task, TaskRequest};
use tiresias_model::random::Key;

use crate::{ActionTable, AgentError, Trajectories};

/// What every method knows of the tasks of a study: their outward form.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// MDP, POMDP or APOMDP.
    pub regime: Regime,
    /// What can be seen: states in an MDP, else observations.
    pub symbols: usize,
    /// Number of actions.
    pub actions: usize,
    /// Decisions an episode.
    pub horizon: usize,
    /// Discount factor.
    pub discount: f64,
}

impl Shape {
    /// Whether what is seen is the state.
    pub fn observed(&self) -> bool {
        self.regime == Regime::Mdp
    }
}

/// What a method begins an episode with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The form of the task.
    pub shape: &'a Shape,
    /// The K support trajectories.
    pub support: Trajectories<'a>,
    /// The method's own random stream for this task. Draw with `key.block(episode, stage, lane)`, so that no draw depends on another.
    pub key: Key,
    /// Index of the episode within its task.
    pub episode: u64,
}

/// What an agent is shown before a decision.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Percept {
    /// The state in an MDP, else the last observation; `None` before the first observation.
    pub seen: Option<usize>,
    /// Reward of the last decision; `None` before the first decision, and where the study hides the query's rewards.
    pub reward: Option<f64>,
    /// The model of the cloud that moved the world, where nature's choice is seen; only for methods that know the task.
    pub told: Option<usize>,
}

/// The truth about a task, for methods that are allowed it ([`Knows::Task`](crate::Knows)).
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The task's model (its whole cloud).
    pub model: &'a Model,
}

/// The distribution that tasks come from, for methods that are allowed it ([`Knows::Family`](crate::Knows)).
pub struct Prior {
    /// The family.
    pub family: Box<dyn Family>,
    /// Names the split, seed, regime, horizon and cloud; its `index` is to be replaced by the method's own.
    pub request: TaskRequest,
}

impl Prior {
    /// Draw `index` (below 2^63) from the split, another than any of a study's own: those have indices below 2^53. What hangs on the
    /// study's seed beyond the draw itself, such as known features, is as in the study. Of a family whose tasks are given, those of `train` in turn.
    pub fn draw(&self, index: u64) -> Result<Task, AgentError> {
        let mut request = TaskRequest { index: index | 1 << 63, ..self.request.clone() };
        // Where tasks are given there are no others: those to train on, in turn.
        for split in ["train", &self.request.split] {
            if let Some(count) = self.family.tasks(split) {
                (request.split, request.index) = (split.into(), index % count);
                break;
            }
        }
        Ok(self.family.task(&request)?)
    }
}

/// A way of acting after a few examples.
pub trait Method: Send + Sync {
    /// The same method, having thought about a task whose truth it is told. Called once a task, and only for methods whose entry says
    /// [`Knows::Task`](crate::Knows).
    fn told(&self, _known: Known<'_>) -> Result<Box<dyn Method>, AgentError> {
        Err(AgentError::Method("it was told the truth about a task and has no use for it".into()))
    }

    /// Bytes that it takes on the heap, if they are many.
    fn bytes(&self) -> usize {
        0
    }

    /// An agent for one episode.
    fn begin(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError>;
}

/// Whoever acts in one episode.
pub trait Agent: Send {
    /// The next action; called once a stage, in order.
    fn act(&mut self, percept: Percept) -> Result<usize, AgentError>;

    /// In an MDP: the action probabilities of every stage and state, when no action of this episode depends on anything else. The value
    /// of the episode's policy then is computed instead of sampled. Asked before the first decision.
    fn table(&self) -> Option<&ActionTable> {
        None
    }
}
