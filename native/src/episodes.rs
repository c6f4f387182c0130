//! Evaluation episodes, those who act in them, and a language model's view of them.

use std::sync::Arc;

use napi::bindgen_prelude::{Float64Array, Int32Array, Uint8Array, Uint32Array};
use tiresias_agents::registry;
use tiresias_guard::napi;
use tiresias_study as core;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, background, guarded};
use crate::errors::{Result, from_study, invalid, whole};
use crate::held::{Held, Home, Weigh, disposable};
use crate::study::{StageProgress, hook};
use crate::tokenizer::Tokenizer;

/// Rows of ids of different lengths: row `i` is `ids[offsets[i]..offsets[i + 1]]`.
#[napi(object, object_from_js = false)]
pub struct Ragged {
    /// The ids of all rows, one after the other.
    pub ids: Uint32Array,
    /// Where each row begins, and where the last one ends; length rows + 1.
    pub offsets: Uint32Array,
}

impl From<core::Ragged> for Ragged {
    fn from(ragged: core::Ragged) -> Self {
        Self { ids: Uint32Array::new(ragged.ids), offsets: Uint32Array::new(ragged.offsets) }
    }
}

/// What a method did in a batch of episodes; per row unless said otherwise.
#[napi(object, object_from_js = false)]
pub struct Outcome {
    /// Number of tasks.
    pub tasks: u32,
    /// Episodes per task.
    pub episodes: u32,
    /// Decisions an episode.
    pub horizon: u32,
    /// Discounted return of each episode.
    pub returns: Float64Array,
    /// Sum over steps of `V_t - Q_t(action)`: estimates `V* - V^π` (NaN when nature is a fixed model of a larger cloud).
    pub regrets: Float64Array,
    /// The terms of `regrets`, rows × horizon.
    pub step_regrets: Float64Array,
    /// Share of decisions in the ε-optimal action set.
    pub agreement: Float64Array,
    /// Value of the policy that acted, computed where it is a table of an MDP, else NaN.
    pub values: Float64Array,
    /// Per task: the oracle's value at the start.
    pub optimal: Float64Array,
    /// Per task: certified lower bound on it.
    pub lower: Float64Array,
    /// Per task: certified upper bound on it.
    pub upper: Float64Array,
    /// Per task: exact value of the uniformly random policy (NaN for a cloud).
    pub random_value: Float64Array,
    /// Per task: certified lower bound on the value of its cloud's static form; left out unless the labels are `static`.
    pub static_lower: Option<Float64Array>,
    /// Per task: certified upper bound on it.
    pub static_upper: Option<Float64Array>,
    /// The hidden state before each decision; rows × horizon, like the rest.
    pub states: Uint32Array,
    /// What was seen before each decision; -1 where nothing was.
    pub observations: Int32Array,
    /// The method's actions.
    pub actions: Uint8Array,
    /// What the oracle would have done instead, on the same history.
    pub oracle_actions: Uint8Array,
    /// Realised rewards, undiscounted.
    pub rewards: Float64Array,
}

/// Trajectories of equal length as columns, one after the other: trajectories × horizon.
#[napi(object, object_from_js = false)]
pub struct Support {
    /// How many there are.
    pub count: u32,
    /// Decisions of each.
    pub horizon: u32,
    /// What was seen before each decision: the state in an MDP, else the last observation; -1 before the first.
    pub observations: Int32Array,
    /// What was done.
    pub actions: Uint8Array,
    /// What it earned, undiscounted.
    pub rewards: Float64Array,
}

/// A method that acts without a network.
#[napi(object, object_from_js = false)]
pub struct AgentInfo {
    /// Its name.
    pub name: String,
    /// What a report calls it.
    pub label: String,
    /// Its place in a report.
    #[napi(ts_type = "'reference' | 'imitation' | 'model' | 'value'")]
    pub group: String,
    /// What it is told of a task beyond its form, its support and its history.
    #[napi(ts_type = "'nothing' | 'family' | 'task'")]
    pub knows: String,
    /// Where it can be used.
    #[napi(ts_type = "('mdp' | 'pomdp' | 'apomdp')[]")]
    pub regimes: Vec<String>,
    /// Whether it cannot act without support trajectories.
    pub needs_support: bool,
    /// What it does, in one sentence.
    pub summary: String,
    /// Where it comes from.
    pub source: String,
    /// JSON Schema of its options, as text.
    pub options_schema: String,
}

/// The methods that act without a network.
#[napi]
pub fn agent_list() -> Vec<AgentInfo> {
    registry::entries()
        .into_iter()
        .map(|entry| AgentInfo {
            name: entry.name.into(),
            label: entry.label.into(),
            group: entry.group.name().into(),
            knows: entry.knows.name().into(),
            regimes: entry.regimes.iter().map(|regime| regime.name().into()).collect(),
            needs_support: entry.needs_support,
            summary: entry.summary.into(),
            source: entry.source.into(),
            options_schema: (entry.options)().as_value().to_string(),
        })
        .collect()
}

/// Makes the method `name` for the tasks of `spec`; both `spec` and `options` are JSON. It then plays any episodes of that
/// specification, whichever tasks and nature they have.
#[napi(ts_return_type = "Promise<Agents>")]
pub fn create_agents(spec: String, name: String, options: String) -> Result<Background<Agents>> {
    let spec = core::Spec::from_json(&spec).map_err(from_study)?;
    let options = serde_json::from_str(&options).map_err(|error| invalid(format!("options of {name}: {error}")))?;
    let home = Home::here();
    Ok(background(CancelToken::new(), spec.threads, move || {
        let agents = core::Agents::new(&spec, &name, options).map_err(from_study)?;
        Ok(Agents(Held::new(&home, Arc::new(agents))))
    }))
}

/// A method that acts without a network, made for a study's tasks.
#[napi]
pub struct Agents(Held<Arc<core::Agents>>);

impl Weigh for Arc<core::Agents> {
    const CLASS: &'static str = "Agents";

    fn weight(&self) -> usize {
        self.bytes()
    }
}

disposable!(Agents);

#[napi]
impl Agents {
    /// The method's name in the registry.
    #[napi(getter)]
    pub fn name(&self) -> &str {
        self.0.name()
    }
}

/// Draws and solves the tasks, and draws the support. `spec` is JSON.
#[napi(ts_return_type = "Promise<Episodes>")]
pub fn create_episodes(
    spec: String,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
) -> Result<Background<Episodes>> {
    let spec = core::Spec::from_json(&spec).map_err(from_study)?;
    let (cancel, reporter, home) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress), Home::here());
    Ok(background(cancel.clone(), spec.threads, move || {
        let episodes = core::Episodes::create(&spec, &hook(&reporter, &cancel)).map_err(from_study)?;
        Ok(Episodes(Held::new(&home, episodes)))
    }))
}

/// Evaluation episodes of one regime, stepped together; rows are tasks × episodes, task-major. Every method that acts in the
/// batch after `reset` meets the same tasks, support and random numbers.
#[napi]
pub struct Episodes(Held<core::Episodes>);

impl Weigh for core::Episodes {
    const CLASS: &'static str = "Episodes";

    fn weight(&self) -> usize {
        self.bytes()
    }
}

disposable!(Episodes);

#[napi]
impl Episodes {
    /// The same tasks, support and random numbers with another nature moving the world (`oracle` or `fixed:M`); nothing is
    /// solved again.
    #[napi]
    pub fn with_query_nature(
        &self,
        #[napi(ts_arg_type = "'oracle' | `fixed:${number}`")] nature: String,
    ) -> Result<Episodes> {
        let nature = core::QueryNature::try_from(nature).map_err(invalid)?;
        let episodes = guarded(|| self.0.with_query_nature(nature).map_err(from_study))?;
        Ok(Episodes(Held::new(&Home::here(), episodes)))
    }

    /// The first episode of a deployment: the same tasks, of which nothing is shown and nothing was played.
    #[napi]
    pub fn deployed(&self) -> Result<Episodes> {
        guarded(|| Ok(Episodes(Held::new(&Home::here(), self.0.deployed()))))
    }

    /// The next episode of a deployment, once these are done: what was just played is the last trajectory of each row's support, which
    /// keeps the last `keep` of them.
    #[napi]
    pub fn next_episode(&self, keep: f64) -> Result<Episodes> {
        let keep = whole("keep", keep, 0, 100_000)?;
        let episodes = guarded(|| self.0.next_episode(keep).map_err(from_study))?;
        Ok(Episodes(Held::new(&Home::here(), episodes)))
    }

    /// These episodes, played from start to end by a method that acts without a network. They share tasks and support with this object,
    /// which stays as it is.
    #[napi(ts_return_type = "Promise<Episodes>")]
    pub fn played(
        &self,
        agents: &Agents,
        cancel: Option<&CancelToken>,
        #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
    ) -> Result<Background<Episodes>> {
        let (agents, cancel) = (Arc::clone(&agents.0), cancel.cloned().unwrap_or_default());
        let (reporter, home, mut episodes) =
            (Reporter::new(on_progress), Home::here(), guarded(|| Ok(self.0.fresh()))?);
        Ok(background(cancel.clone(), episodes.spec().threads, move || {
            episodes.play(&agents, &hook(&reporter, &cancel)).map_err(from_study)?;
            Ok(Episodes(Held::new(&home, episodes)))
        }))
    }

    /// Number of rows.
    #[napi(getter)]
    pub fn rows(&self) -> u32 {
        self.0.rows() as u32
    }

    /// Number of tasks.
    #[napi(getter)]
    pub fn tasks(&self) -> u32 {
        self.0.tasks() as u32
    }

    /// What can be seen: states in an MDP, else observations.
    #[napi(getter)]
    pub fn symbols(&self) -> u32 {
        self.0.shape().symbols as u32
    }

    /// Number of actions.
    #[napi(getter)]
    pub fn actions(&self) -> u32 {
        self.0.actions() as u32
    }

    /// Decisions per episode.
    #[napi(getter)]
    pub fn horizon(&self) -> u32 {
        self.0.horizon() as u32
    }

    /// Discount factor.
    #[napi(getter)]
    pub fn discount(&self) -> f64 {
        self.0.shape().discount
    }

    /// Decisions made so far.
    #[napi(getter)]
    pub fn stage(&self) -> u32 {
        self.0.stage() as u32
    }

    /// Whether every episode is over.
    #[napi(getter)]
    pub fn done(&self) -> bool {
        self.0.done()
    }

    /// The support trajectories of a row.
    #[napi]
    pub fn support(&self, row: f64) -> Result<Support> {
        let support = self.0.support(whole("row", row, 0, self.0.rows() as u32 - 1)?);
        Ok(Support {
            count: support.count() as u32,
            horizon: support.horizon as u32,
            observations: Int32Array::new(support.observations.to_vec()),
            actions: Uint8Array::new(support.actions.to_vec()),
            rewards: Float64Array::new(support.rewards.to_vec()),
        })
    }

    /// What is seen in each row before the next decision: the state, else the last observation; -1 before the first one.
    #[napi]
    pub fn seen(&self) -> Int32Array {
        Int32Array::new(self.0.seen())
    }

    /// What the last decision earned in each row, undiscounted; NaN before the first decision, and where the query's rewards are hidden.
    #[napi]
    pub fn earned(&self) -> Float64Array {
        Float64Array::new(self.0.earned())
    }

    /// What the oracle would do now in each row.
    #[napi]
    pub fn oracle_actions(&self) -> Result<Uint8Array> {
        guarded(|| Ok(Uint8Array::new(self.0.oracle_actions())))
    }

    /// What the policy that labels the specification's examples would do now in each row.
    #[napi]
    pub fn teacher_actions(&self) -> Result<Uint8Array> {
        guarded(|| self.0.teacher_actions().map(Uint8Array::new).map_err(from_study))
    }

    /// A uniformly random action in each row, from the episode's own stream.
    #[napi]
    pub fn random_actions(&self) -> Uint8Array {
        Uint8Array::new(self.0.random_actions())
    }

    /// Acts in every row.
    #[napi]
    pub fn step(&mut self, actions: &[u8]) -> Result<()> {
        let mut episodes = self.0.write();
        guarded(|| episodes.step(actions).map_err(from_study))
    }

    /// Back to the start of every episode, with the same random numbers.
    #[napi]
    pub fn reset(&mut self) {
        self.0.write().reset();
    }

    /// The oracle's belief before each decision of a row so far, steps × states.
    #[napi]
    pub fn beliefs(&self, row: f64) -> Result<Float64Array> {
        let row = whole("row", row, 0, self.0.rows() as u32 - 1)?;
        Ok(Float64Array::new(self.0.beliefs(row)))
    }

    /// What happened so far.
    #[napi]
    pub fn outcome(&self) -> Outcome {
        let out = self.0.outcome();
        let (lower, upper): (Vec<f64>, Vec<f64>) = out.static_bounds.into_iter().unzip();
        let present = |bounds: Vec<f64>| (!bounds.is_empty()).then(|| Float64Array::new(bounds));
        Outcome {
            static_lower: present(lower),
            static_upper: present(upper),
            tasks: out.tasks as u32,
            episodes: out.episodes as u32,
            horizon: out.horizon as u32,
            returns: Float64Array::new(out.returns),
            regrets: Float64Array::new(out.regrets),
            step_regrets: Float64Array::new(out.step_regrets),
            values: Float64Array::new(out.values),
            agreement: Float64Array::new(out.agreement),
            optimal: Float64Array::new(out.optimal),
            lower: Float64Array::new(out.lower),
            upper: Float64Array::new(out.upper),
            random_value: Float64Array::new(out.random_value),
            states: Uint32Array::new(out.states),
            observations: Int32Array::new(out.observations),
            actions: Uint8Array::new(out.actions),
            oracle_actions: Uint8Array::new(out.oracle_actions),
            rewards: Float64Array::new(out.rewards),
        }
    }
}

/// What a language model reads of episodes: few-shot prompts, and the ids that each decision adds, in a tokenizer's ids. Any number of
/// views, of any tokenizers, may read the same episodes.
#[napi]
pub struct Prompts(Held<core::Prompts>);

impl Weigh for core::Prompts {
    const CLASS: &'static str = "Prompts";

    fn weight(&self) -> usize {
        self.bytes()
    }
}

disposable!(Prompts);

#[napi]
impl Prompts {
    /// Proves the encoding for the episodes' template and the tokenizer.
    #[napi(constructor)]
    pub fn new(episodes: &Episodes, tokenizer: &Tokenizer) -> Result<Self> {
        let prompts = guarded(|| core::Prompts::new(&episodes.0, &**tokenizer.0).map_err(from_study))?;
        Ok(Self(Held::new(&Home::here(), prompts)))
    }

    /// Number of actions.
    #[napi(getter)]
    pub fn actions(&self) -> u32 {
        self.0.action_ids().len() as u32
    }

    /// Token id of each action.
    #[napi]
    pub fn action_ids(&self) -> Uint32Array {
        Uint32Array::new(self.0.action_ids().to_vec())
    }

    /// Each row's few-shot prompt, up to the place of the first action. Only before the first decision.
    #[napi]
    pub fn open(&self, episodes: &Episodes) -> Result<Ragged> {
        guarded(|| self.0.open(&episodes.0).map(Into::into).map_err(from_study))
    }

    /// The ids from the place of each row's last action up to the place of its next one; empty rows before the first and after the last.
    #[napi]
    pub fn next(&self, episodes: &Episodes) -> Result<Ragged> {
        guarded(|| self.0.next(&episodes.0).map(Into::into).map_err(from_study))
    }
}
