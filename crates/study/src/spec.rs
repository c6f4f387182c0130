//! The specification of a shard or of a batch of evaluation episodes. It is stated here and nowhere else: TypeScript's types and the
//! experiment file's checks are made from [`Spec::schema`].

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use tiresias_encode::{QueryReward, ShardFormat, Template};
use tiresias_model::family::{DOCUMENT_PREFIX, Family, MODELS_PREFIX, Regime, TaskRequest, families, family};
use tiresias_sim::{Behaviour, NatureRule};
use tiresias_text::Unmarked;

use tiresias_model::Model;
use tiresias_model::memory::{self, product};

use tiresias_solve::Limits;

use crate::StudyError;
use crate::labels::{Labels, Teachers};

/// Which tasks, which oracles, which contexts. One JSON object, camelCase, unknown fields refused.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// The family of the tasks.
    #[schemars(schema_with = "family_names")]
    pub family: String,
    /// Its split.
    #[schemars(schema_with = "split_names")]
    pub split: String,
    /// Seed of everything that is drawn.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
    /// Whether states are seen, and whether there is a cloud.
    #[schemars(schema_with = "regime_names")]
    pub regime: Regime,
    /// Decisions an episode; a split may lengthen it.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub horizon: usize,
    /// Size of an APOMDP's cloud.
    #[serde(default = "three")]
    #[schemars(range(min = 1))]
    pub models: usize,
    /// Ambiguity attitude of an APOMDP: 1 is max-min, 0 max-max.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1))]
    pub alpha: f64,
    /// Who picks an APOMDP's model while trajectories are drawn: `fixed` is the task's hidden true model.
    #[serde(default)]
    pub nature: Nature,
    /// The support of an example.
    pub support: Support,
    /// The query of an example.
    #[serde(default)]
    pub query: Query,
    /// Shards: examples from the learning histories of an algorithm instead, whoever acts in `support` and `query`; null for none.
    #[serde(default)]
    pub histories: Option<Histories>,
    /// Shards: what the decisions of a query are labelled with.
    #[serde(default)]
    pub labels: Labels,
    /// When the oracle may stop.
    #[serde(default)]
    pub solver: SolverSpec,
    /// Changes to the family's own template; null for none.
    #[serde(default)]
    #[schemars(schema_with = "template")]
    pub template: Option<serde_json::Map<String, serde_json::Value>>,
    /// Index of the first task in the split.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub first_task: u64,
    /// Number of tasks.
    #[schemars(range(min = 1))]
    pub tasks: usize,
    /// Worker threads; 0 for all cores. Changes no number.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub threads: usize,
    /// Shards: examples that share a task and its oracle, each with its own support and query.
    #[serde(default = "one_usize")]
    #[schemars(range(min = 1))]
    pub examples_per_task: usize,
    /// Shards: what the file is written as.
    #[serde(default)]
    pub format: Format,
    /// Evaluation: episodes on each task, each with its own support.
    #[serde(default = "one_usize")]
    #[schemars(range(min = 1))]
    pub episodes_per_task: usize,
    /// Evaluation: an action within this of the best counts as agreeing with the oracle, in reward.
    #[serde(default = "epsilon")]
    #[schemars(range(min = 0))]
    pub epsilon: f64,
    /// Evaluation of an APOMDP: who picks the model that acts in the query.
    #[serde(default)]
    #[schemars(schema_with = "query_nature")]
    pub query_nature: QueryNature,
}

/// Nature in recorded trajectories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "lowercase")]
pub enum Nature {
    /// The task's hidden true model.
    #[default]
    Fixed,
    /// The oracle's own worst case.
    Adversarial,
    /// A uniform draw at each step.
    Resampled,
}

/// Who moves the world in evaluation: `"oracle"`, or `"fixed:M"` for model M of the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum QueryNature {
    /// The oracle's nature, against which the gap is non-negative in expectation.
    #[default]
    Oracle,
    /// One model of the cloud.
    Fixed(usize),
}

impl TryFrom<String> for QueryNature {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("fixed:").map(str::parse) {
            Some(Ok(m)) => Ok(Self::Fixed(m)),
            _ if text == "oracle" => Ok(Self::Oracle),
            _ => Err(format!("query nature {text:?}: expected oracle or fixed:M")),
        }
    }
}

impl From<QueryNature> for String {
    fn from(nature: QueryNature) -> Self {
        match nature {
            QueryNature::Oracle => "oracle".into(),
            QueryNature::Fixed(m) => format!("fixed:{m}"),
        }
    }
}

/// The support of an example.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Support {
    /// Trajectories before the query.
    #[schemars(range(min = 0))]
    pub trajectories: usize,
    /// Who acts in them.
    #[serde(default = "oracle")]
    #[schemars(schema_with = "behaviour")]
    pub behaviour: String,
}

/// The query of an example.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Who acts in it: whoever labels it, or that policy perturbed; with the labels `behaviour` the task's oracle is meant.
    #[serde(default = "oracle")]
    #[schemars(schema_with = "behaviour")]
    pub behaviour: String,
}

impl Default for Query {
    fn default() -> Self {
        Self { behaviour: oracle() }
    }
}

/// Where examples come from that are no oracle's: the learning histories of tabular Q-learning, as Algorithm Distillation learns from.
///
/// Each example has a history of its own. Its query is a drawn episode of it, its support are as many earlier ones as there are
/// trajectories, evenly spaced from the first on, so that what the learner gains from one to the next is seen; labels are the actions
/// that the learner took. Actions are random with a probability that falls from 1 at the first episode to `leastEpsilon` in the middle
/// of the history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Histories {
    /// Episodes that the learner has; more than the support's trajectories.
    #[schemars(range(min = 1, max = 100_000))]
    pub episodes: usize,
    /// Its learning rate.
    #[schemars(range(min = 0, max = 1))]
    pub rate: f64,
    /// Random actions at the end.
    #[schemars(range(min = 0, max = 1))]
    pub least_epsilon: f64,
}

impl Default for Histories {
    fn default() -> Self {
        Self { episodes: 100, rate: 0.1, least_epsilon: 0.05 }
    }
}

/// When the oracle may stop.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SolverSpec {
    /// At this gap between its bounds, in reward.
    #[schemars(range(min = 0))]
    pub gap: f64,
    /// After so many seconds; null for no limit. A limit makes labels depend on the machine's speed.
    #[schemars(range(min = 0))]
    pub time_seconds: Option<f64>,
}

impl SolverSpec {
    /// The limits of one solve, on the calling thread.
    pub(crate) fn limits(self) -> Limits {
        let time = self.time_seconds.map(Duration::from_secs_f64);
        Limits { gap: self.gap, time, memory: Some(memory::limit()), threads: 1 }
    }
}

impl Default for SolverSpec {
    fn default() -> Self {
        Self { gap: 0.01, time_seconds: None }
    }
}

/// File format of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Apache Parquet.
    #[default]
    Parquet,
    /// JSON lines.
    Jsonl,
    /// Tensors of flat columns.
    Safetensors,
}

impl From<Format> for ShardFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Parquet => Self::Parquet,
            Format::Jsonl => Self::Jsonl,
            Format::Safetensors => Self::Safetensors,
        }
    }
}

/// A string that is one of some names.
fn one_of(names: impl IntoIterator<Item = &'static str>) -> Schema {
    let names: Vec<_> = names.into_iter().collect();
    json_schema!({ "type": "string", "enum": names })
}

fn family_names(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = families().iter().map(|family| family.name()).collect();
    let words: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    json_schema!({
        "type": "string",
        "anyOf": [{ "enum": names }, { "pattern": format!("^({MODELS_PREFIX}|{DOCUMENT_PREFIX})[0-9a-f]{{64}}$") }],
        "tsType": format!("{} | `{MODELS_PREFIX}${{string}}` | `{DOCUMENT_PREFIX}${{string}}`", words.join(" | ")),
    })
}

/// Those of the built-in families; a family of one's own may have others out of distribution.
fn split_names(_: &mut SchemaGenerator) -> Schema {
    let mut names: Vec<&str> = Vec::new();
    for family in families() {
        let own =
            family.splits().iter().map(|(name, _)| *name).filter(|name| !names.contains(name)).collect::<Vec<_>>();
        names.extend(own);
    }
    let words: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    json_schema!({
        "type": "string",
        "anyOf": [{ "enum": names }, { "pattern": "^ood-." }],
        "tsType": format!("{} | `ood-${{string}}`", words.join(" | ")),
    })
}

fn regime_names(_: &mut SchemaGenerator) -> Schema {
    one_of([Regime::Mdp, Regime::Pomdp, Regime::Apomdp].map(Regime::name))
}

/// What [`Behaviour`] reads; `tsType` is TypeScript's word for it.
fn behaviour(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "tsType": "Behaviour" })
}

fn query_nature(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^(?:oracle|fixed:\\d+)$", "tsType": "QueryNature" })
}

/// The fields are [`Template`]'s, in camelCase.
fn template(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["object", "null"], "tsType": "Template | null" })
}

fn one() -> f64 {
    1.0
}
fn one_usize() -> usize {
    1
}
fn three() -> usize {
    3
}
fn epsilon() -> f64 {
    1e-3
}
fn oracle() -> String {
    "oracle".into()
}

/// The names of a specification, resolved.
pub(crate) struct Resolved {
    pub family: Box<dyn Family>,
    pub support: Behaviour,
    pub query: Behaviour,
    pub template: Template,
}

impl Spec {
    /// JSON Schema of a specification: all fields, with what they mean, their bounds and defaults.
    pub fn schema() -> Schema {
        schemars::schema_for!(Self)
    }

    /// Reads and checks a specification.
    pub fn from_json(text: &str) -> Result<Self, StudyError> {
        let spec: Self = serde_json::from_str(text.unmarked()).map_err(|e| StudyError::Spec(e.to_string()))?;
        spec.check()?;
        Ok(spec)
    }

    /// Checks what the types do not say.
    pub(crate) fn check(&self) -> Result<(), StudyError> {
        let checks = [
            (self.seed < 1 << 53, "seed: must be below 2^53"),
            (self.horizon >= 1, "horizon: must be at least 1"),
            (self.tasks >= 1, "tasks: must be at least 1"),
            (self.examples_per_task >= 1, "examplesPerTask: must be at least 1"),
            (self.episodes_per_task >= 1, "episodesPerTask: must be at least 1"),
            (
                self.first_task.checked_add(self.tasks as u64).is_some_and(|end| end < 1 << 53),
                "firstTask + tasks: must be below 2^53",
            ),
            (self.epsilon >= 0.0, "epsilon: must not be negative"),
            (self.solver.gap >= 0.0, "solver.gap: must not be negative"),
            (self.solver.time_seconds.is_none_or(|t| t >= 0.0), "solver.timeSeconds: must not be negative"),
            (self.alpha >= 0.0 && self.alpha <= 1.0, "alpha: must lie in [0, 1]"),
        ];
        if let Some((_, message)) = checks.iter().find(|(ok, _)| !ok) {
            return Err(StudyError::Spec((*message).into()));
        }
        if let Some(Histories { episodes, rate, least_epsilon }) = self.histories {
            let k = self.support.trajectories;
            if episodes <= k || episodes > 100_000 {
                let message = format!("histories.episodes: must be above the support's {k} trajectories, up to 100000");
                return Err(StudyError::Spec(message));
            }
            if !(rate > 0.0 && rate <= 1.0) {
                return Err(StudyError::Spec("histories.rate: must be above 0, up to 1".into()));
            }
            if !(0.0..=1.0).contains(&least_epsilon) {
                return Err(StudyError::Spec("histories.leastEpsilon: must lie in [0, 1]".into()));
            }
        }
        if let (QueryNature::Fixed(m), Regime::Apomdp) = (self.query_nature, self.regime)
            && m >= self.models
        {
            return Err(StudyError::Spec(format!("queryNature: fixed:{m}, but the cloud has {} models", self.models)));
        }
        Teachers::new(self, self.resolve()?.family.as_ref()).map(|_| ())
    }

    /// When a solver may stop.
    pub(crate) fn limits(&self) -> Limits {
        self.solver.limits()
    }

    /// Bytes that one example takes at least while it is made: its trajectories as they were rolled out (a state, what was seen, an
    /// action and a reward a step), and an id and a label a step.
    fn example_bytes(&self, horizon: usize) -> usize {
        product(&[self.support.trajectories.saturating_add(1), horizon, 17 + 8])
    }

    /// Checks that all examples of one task fit into memory, which a task is made in.
    pub(crate) fn check_task_fits(&self, model: &Model) -> Result<(), StudyError> {
        let horizon = model.horizon().unwrap_or(self.horizon);
        let (examples, k) = (self.examples_per_task, self.support.trajectories);
        let what = || format!("{examples} examples of a task, of {k} + 1 trajectories of {horizon} decisions each,");
        let advice = "lower examplesPerTask, support.trajectories or horizon";
        Ok(memory::check(product(&[self.example_bytes(horizon), examples]), what, advice)?)
    }

    /// Checks that the ids of a batch of examples fit into memory.
    pub(crate) fn check_batch_fits(&self, tasks: usize, horizon: usize) -> Result<(), StudyError> {
        let rows = product(&[tasks, self.examples_per_task]);
        let k = self.support.trajectories;
        let what = || format!("{rows} examples, of {k} + 1 trajectories of {horizon} decisions each,");
        let steps = product(&[k.saturating_add(1), horizon, 8]);
        Ok(memory::check(product(&[steps, rows]), what, "ask for fewer tasks at a time")?)
    }

    /// Checks that all tasks, oracles and episodes of an evaluation fit into memory.
    pub(crate) fn check_episodes_fit(&self, names: &Resolved) -> Result<(), StudyError> {
        let model = names.family.task(&self.request(self.first_task))?.model;
        let horizon = model.horizon().unwrap_or(self.horizon);
        let (tasks, episodes) = (self.tasks, self.episodes_per_task);
        // A row holds its support, its belief twice, and what happened with the belief before it.
        let support = product(&[self.support.trajectories, horizon, 17]);
        let belief = product(&[model.states().len(), 8, horizon.saturating_add(2)]);
        let row = support.saturating_add(belief).saturating_add(product(&[horizon, 64]));
        let needed = product(&[tasks, product(&[episodes, row]).saturating_add(model.bytes())]);
        let what = || format!("{tasks} tasks with {episodes} episodes of {horizon} decisions each");
        Ok(memory::check(needed, what, "lower tasks, episodesPerTask, support.trajectories or horizon")?)
    }

    pub(crate) fn resolve(&self) -> Result<Resolved, StudyError> {
        let family = family(&self.family)?;
        let template = self.template_for(family.as_ref())?;
        Ok(Resolved {
            support: self.support.behaviour.parse()?,
            query: self.query.behaviour.parse()?,
            template,
            family,
        })
    }

    /// The family's default template with this specification's fields in place of its own.
    fn template_for(&self, family: &dyn Family) -> Result<Template, StudyError> {
        let default = default_template(family, self.regime);
        let Some(fields) = &self.template else { return Ok(default) };
        let bad = |e: serde_json::Error| StudyError::Spec(format!("template: {e}"));
        let mut value = serde_json::to_value(default).map_err(bad)?;
        let object = value.as_object_mut().expect("a template serialises to an object");
        object.extend(fields.iter().map(|(k, v)| (k.clone(), v.clone())));
        serde_json::from_value(value).map_err(bad)
    }

    pub(crate) fn request(&self, index: u64) -> TaskRequest {
        TaskRequest {
            split: self.split.clone(),
            index,
            seed: self.seed,
            regime: self.regime,
            horizon: self.horizon,
            models: self.models,
            alpha: self.alpha,
        }
    }

    /// Nature in recorded trajectories of a task whose hidden model is `true_model`.
    pub(crate) fn recorded_nature(&self, true_model: usize) -> NatureRule {
        match (self.regime, self.nature) {
            (Regime::Mdp | Regime::Pomdp, _) => NatureRule::Fixed(0),
            (Regime::Apomdp, Nature::Fixed) => NatureRule::Fixed(true_model),
            (Regime::Apomdp, Nature::Adversarial) => NatureRule::Oracle,
            (Regime::Apomdp, Nature::Resampled) => NatureRule::Resampled,
        }
    }

    /// Nature in evaluation episodes.
    pub(crate) fn acting_nature(&self) -> NatureRule {
        match (self.regime, self.query_nature) {
            (Regime::Mdp | Regime::Pomdp, _) => NatureRule::Fixed(0),
            (Regime::Apomdp, QueryNature::Oracle) => NatureRule::Oracle,
            (Regime::Apomdp, QueryNature::Fixed(m)) => NatureRule::Fixed(m),
        }
    }
}

/// A family's default template in a regime: wide enough for every split, rewards on the family's grid.
///
/// Where the state is hidden the query's rewards are hidden too: a realised reward tells more about the state than the
/// observation does, and the oracle, as always in a POMDP, conditions on actions and observations only. With the same
/// information on both sides the gap is non-negative, and a sum of per-step regrets estimates it without bias. The support's
/// rewards stay: they come from other episodes and speak of the task only.
pub fn default_template(family: &dyn Family, regime: Regime) -> Template {
    let grid = family.reward_grid();
    let scale = (1.0 / grid.step).round();
    let symbols = ((grid.high - grid.low) * scale).round();
    Template {
        reward_scale: scale,
        reward_offset: (-grid.low * scale).round() as i64,
        reward_width: (symbols as u64).checked_ilog10().unwrap_or(0) + 1,
        query_reward: if regime == Regime::Mdp { QueryReward::Shown } else { QueryReward::Hidden },
        ..Template::for_regime(regime.name(), family.max_symbols())
    }
}
