//! Methods that follow the oracle of a model other than the task's.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use tiresias_model::{Dynamics, Kernel, Model, Policy, memory};
use tiresias_solve::{Limits, SolvedPolicy, auto, no_hook};

use crate::informed::untold;
use crate::tracking::Tracker;
use crate::{Agent, AgentError, Context, Known, Method, Percept};

/// How well a plan is solved.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlanOptions {
    /// Certified gap at the start to stop at, in reward units. There is no time limit, as actions would depend on the machine's speed.
    #[schemars(range(min = 0.0))]
    pub gap: f64,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { gap: GAP }
    }
}

/// The default gap, that of a study's oracles.
pub(crate) const GAP: f64 = 0.01;

/// A method that has yet to be told its task.
pub(crate) struct Untold<F> {
    pub horizon: usize,
    pub gap: f64,
    /// Whether which model nature was seen to choose says something in the model that is planned in.
    pub heeds_nature: bool,
    /// The model to plan in.
    pub imagine: F,
}

impl<F> Method for Untold<F>
where
    F: Fn(&Model) -> Result<Model, AgentError> + Send + Sync,
{
    fn told(&self, known: Known<'_>) -> Result<Box<dyn Method>, AgentError> {
        let model = Arc::new((self.imagine)(known.model)?);
        let limits = Limits { gap: self.gap, time: None, memory: Some(memory::limit()), threads: 1 };
        let policy = Arc::new(auto(&model).solve(&model, &limits, &no_hook)?.policy);
        Ok(Box::new(Planned { model, policy, horizon: self.horizon, heeds_nature: self.heeds_nature }))
    }

    fn begin(&self, _: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        Err(untold())
    }
}

/// A method that was.
struct Planned {
    model: Arc<Model>,
    policy: Arc<SolvedPolicy>,
    horizon: usize,
    heeds_nature: bool,
}

impl Method for Planned {
    fn bytes(&self) -> usize {
        self.model.bytes() + self.policy.bytes()
    }

    fn begin(&self, _: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        // The world is another than the one that is planned in.
        let tracker = Tracker::lenient(Arc::clone(&self.model), self.horizon);
        Ok(Box::new(Follower { policy: Arc::clone(&self.policy), tracker, heeds_nature: self.heeds_nature }))
    }
}

struct Follower {
    policy: Arc<SolvedPolicy>,
    tracker: Tracker,
    heeds_nature: bool,
}

impl Agent for Follower {
    fn act(&mut self, percept: Percept) -> Result<usize, AgentError> {
        let told = percept.told.filter(|_| self.heeds_nature);
        let (stage, belief) = self.tracker.observe(Percept { told, ..percept })?;
        let positive = belief.iter().enumerate().filter(|(_, p)| **p > 0.0);
        let sparse: Vec<(u32, f64)> = positive.map(|(state, &p)| (state as u32, p)).collect();
        let (action, nature) = self.policy.decision_on(stage, &sparse, belief.len());
        Ok(self.tracker.take(action, nature))
    }
}

/// The mean of the cloud's kernels, row by row.
pub(crate) fn centre(model: &Model) -> Dynamics {
    let share = 1.0 / model.dynamics().len() as f64;
    let mean = |kernels: &[&Kernel]| {
        let mut kernel = Kernel::new(kernels[0].columns());
        for r in 0..kernels[0].rows() {
            kernel.push_row(kernels.iter().flat_map(|k| k.pairs(r).map(|(column, p)| (column, share * p))));
        }
        kernel
    };
    let transitions: Vec<_> = model.dynamics().iter().map(|dynamics| &dynamics.transition).collect();
    let observations: Vec<_> = model.dynamics().iter().filter_map(|dynamics| dynamics.observation.as_ref()).collect();
    Dynamics { transition: mean(&transitions), observation: (!observations.is_empty()).then(|| mean(&observations)) }
}
