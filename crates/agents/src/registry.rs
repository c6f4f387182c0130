//! The methods that there are, and what each needs.

use schemars::Schema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tiresias_model::family::Regime;

use crate::methods::{
    bayes, bc_prompt, cql, empirical, fib, fqi, mixture, nominal, pessimistic, posterior_sampling, qmdp, robust, ucb,
};
use crate::{AgentError, Method, Prior, Shape};

/// What a method may know of a task beyond its form, its support and its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knows {
    /// Nothing.
    Nothing,
    /// The distribution that tasks come from.
    Family,
    /// The task itself.
    Task,
}

impl Knows {
    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Family => "family",
            Self::Task => "task",
        }
    }
}

/// Methods that belong together in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// They know the task or the family: what could be had.
    Reference,
    /// They imitate the support.
    Imitation,
    /// They estimate a model from the support and plan in it.
    Model,
    /// They learn a value function from the support.
    Value,
}

impl Group {
    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Imitation => "imitation",
            Self::Model => "model",
            Self::Value => "value",
        }
    }
}

/// A method as the rest of the project knows it.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its name in experiments and results.
    pub name: &'static str,
    /// What a report calls it.
    pub label: &'static str,
    /// Its place in a report.
    pub group: Group,
    /// What it is told.
    pub knows: Knows,
    /// Where it can be used.
    pub regimes: &'static [Regime],
    /// Whether it cannot act without a support.
    pub needs_support: bool,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// JSON Schema of its options.
    pub options: fn() -> Schema,
    pub(crate) make: Make,
}

/// Makes a method from its options.
pub(crate) type Make = fn(Value, &Study<'_>) -> Result<Box<dyn Method>, AgentError>;

/// What a method is made for.
#[derive(Clone, Copy)]
pub struct Study<'a> {
    /// The form of its tasks.
    pub shape: &'a Shape,
    /// Where they come from; `Some` only for methods that are allowed it.
    pub prior: Option<&'a Prior>,
}

/// Every regime.
pub(crate) const ALL: &[Regime] = &[Regime::Mdp, Regime::Pomdp, Regime::Apomdp];

/// All methods, in the order of reports.
pub fn entries() -> Vec<Entry> {
    vec![
        bayes::ENTRY,
        qmdp::ENTRY,
        fib::ENTRY,
        robust::ENTRY,
        nominal::ENTRY,
        mixture::ENTRY,
        bc_prompt::ENTRY,
        empirical::ENTRY,
        posterior_sampling::ENTRY,
        ucb::ENTRY,
        fqi::ENTRY,
        cql::ENTRY,
        pessimistic::ENTRY,
    ]
}

/// The entry called `name`.
pub fn entry(name: &str) -> Result<Entry, AgentError> {
    let all = entries();
    all.iter().find(|entry| entry.name == name).copied().ok_or_else(|| AgentError::Unknown {
        name: name.into(),
        known: all.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })
}

impl Entry {
    /// Makes the method. `options` is a JSON object; `support` the number of trajectories that each episode begins with; `prior` is handed
    /// on only to a method that may know it.
    pub fn make(
        &self,
        options: Value,
        support: usize,
        shape: &Shape,
        prior: &Prior,
    ) -> Result<Box<dyn Method>, AgentError> {
        let unfit = |problem: String, remedy: String| AgentError::Unfit { name: self.name.into(), problem, remedy };
        if !self.regimes.contains(&shape.regime) {
            let names: Vec<_> = self.regimes.iter().map(|regime| regime.name()).collect();
            let remedy = format!("leave it out, or use it in {}", names.join(", "));
            return Err(unfit(format!("the regime {} is not one that it can act in", shape.regime), remedy));
        }
        if self.needs_support && support == 0 {
            let remedy = "raise support.trajectories, or leave it out".into();
            return Err(unfit("it cannot act without support trajectories".into(), remedy));
        }
        let prior = (self.knows == Knows::Family).then_some(prior);
        (self.make)(options, &Study { shape, prior }).map_err(|error| match error {
            AgentError::Method(problem) => AgentError::Options { name: self.name.into(), problem },
            other => other,
        })
    }
}

/// Reads a method's options; what is left out keeps its default, what is unknown is refused.
pub(crate) fn read_options<T: DeserializeOwned>(options: Value) -> Result<T, AgentError> {
    serde_json::from_value(options).map_err(|error| AgentError::Method(format!("options: {error}")))
}

/// Refuses an option below `least`.
pub(crate) fn at_least(option: &str, value: f64, least: f64) -> Result<(), AgentError> {
    check(option, value, value >= least, &format!("at least {least}"))
}

/// Refuses an option that is not above `limit`.
pub(crate) fn above(option: &str, value: f64, limit: f64) -> Result<(), AgentError> {
    check(option, value, value > limit, &format!("above {limit}"))
}

fn check(option: &str, value: f64, fits: bool, range: &str) -> Result<(), AgentError> {
    if fits {
        return Ok(());
    }
    Err(AgentError::Method(format!("option {option} is {value}; set it to a number {range}, or leave it out")))
}

/// The number of iterations, which without a word is the horizon, and never more.
pub(crate) fn iterations(option: Option<usize>, horizon: usize) -> Result<usize, AgentError> {
    match option {
        Some(0) => Err(AgentError::Method("option iterations is 0; set it to at least 1, or leave it out".into())),
        _ => Ok(option.unwrap_or(horizon).min(horizon)),
    }
}
