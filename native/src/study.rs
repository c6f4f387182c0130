//! Dataset shards and evaluation episodes.

use std::ops::ControlFlow;
use std::path::Path;

use napi::bindgen_prelude::{AsyncTask, Float64Array, Int32Array, Uint8Array, Uint32Array};
use napi_derive::napi;
use tiresias_encode::{file_digest, read_shard};
use tiresias_study as core;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, background, guarded};
use crate::errors::{Result, from_encode, from_study, invalid};
use crate::tokenizer::Tokenizer;

/// How far a long call has come; `phase` is `solve`, `roll` or `write`.
#[napi(object)]
pub struct StageProgress {
    pub done: u32,
    pub total: u32,
    pub phase: String,
}

/// What a shard holds and what it cost.
#[napi(object, object_from_js = false)]
pub struct ShardReport {
    pub path: String,
    pub examples: u32,
    pub tasks: u32,
    pub tokens: f64,
    /// Number of labelled positions.
    pub labels: f64,
    pub bytes: f64,
    pub sha256: String,
    pub tokenizer_sha: String,
    pub template_sha: String,
    /// Wall seconds in all.
    pub seconds: f64,
    /// Wall seconds spent on oracles.
    pub solve_seconds: f64,
    /// Largest regret bound of a label, in reward units.
    pub max_regret_bound: f64,
    pub mean_regret_bound: f64,
    /// How often each action is the label.
    pub label_counts: Vec<u32>,
}

/// One row of a shard.
#[napi(object, object_from_js = false)]
pub struct ShardExample {
    pub input_ids: Int32Array,
    pub labels: Int32Array,
    pub prompt: String,
    pub completion: String,
    pub family: String,
    pub split: String,
    pub index: f64,
    pub seed: f64,
    pub regime: String,
    pub horizon: u32,
    pub behaviour: String,
    pub oracle_actions: Vec<u32>,
    pub regret_bounds: Vec<f64>,
    pub tokenizer_sha: String,
    pub template_sha: String,
}

fn hook(reporter: &Reporter<StageProgress>, cancel: &CancelToken) -> impl Fn(core::Progress) -> ControlFlow<()> + Sync {
    |progress| {
        reporter.report(progress.done == progress.total, || StageProgress {
            done: progress.done as u32,
            total: progress.total as u32,
            phase: progress.phase.into(),
        });
        if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Makes one whole shard. `spec` is JSON; the file appears under its name only when it is whole.
#[napi(ts_return_type = "Promise<ShardReport>")]
pub fn make_shard(
    spec: String,
    tokenizer: &Tokenizer,
    path: String,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
) -> Result<AsyncTask<Background<ShardReport>>> {
    let spec = core::Spec::from_json(&spec).map_err(from_study)?;
    let (tokenizer, cancel, reporter) =
        (tokenizer.clone(), cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    Ok(background(spec.threads, move || {
        let hook = hook(&reporter, &cancel);
        let report = core::make_shard(&spec, tokenizer.0.as_ref(), Path::new(&path), &hook).map_err(from_study)?;
        Ok(ShardReport {
            path,
            examples: report.examples as u32,
            tasks: report.tasks as u32,
            tokens: report.tokens as f64,
            labels: report.labels as f64,
            bytes: report.bytes as f64,
            sha256: report.sha256,
            tokenizer_sha: report.tokenizer_sha,
            template_sha: report.template_sha,
            seconds: report.seconds,
            solve_seconds: report.solve_seconds,
            max_regret_bound: report.max_regret_bound,
            mean_regret_bound: report.mean_regret_bound,
            label_counts: report.label_counts.into_iter().map(|n| n as u32).collect(),
        })
    }))
}

/// Reads row `row` of a shard (Parquet or JSON lines).
#[napi]
pub fn read_example(path: String, row: u32) -> Result<ShardExample> {
    guarded(|| {
        let mut rows = read_shard(Path::new(&path)).map_err(from_encode)?;
        // Not `nth`: an error in an earlier row must come out, not be counted as one.
        for _ in 0..row {
            rows.next().transpose().map_err(from_encode)?;
        }
        let row = rows.next().ok_or_else(|| invalid(format!("{path} has no row {row}")))?.map_err(from_encode)?;
        Ok(ShardExample {
            input_ids: Int32Array::new(row.input_ids.into_iter().map(|id| id as i32).collect()),
            labels: Int32Array::new(row.labels),
            prompt: row.prompt,
            completion: row.completion,
            family: row.task.family,
            split: row.task.split,
            index: row.task.index as f64,
            seed: row.task.seed as f64,
            regime: row.regime,
            horizon: row.horizon,
            behaviour: row.behaviour,
            oracle_actions: row.oracle_actions.into_iter().map(u32::from).collect(),
            regret_bounds: row.regret_bounds,
            tokenizer_sha: row.tokenizer_sha,
            template_sha: row.template_sha,
        })
    })
}

/// SHA-256 of a file's bytes, in hexadecimal.
#[napi(ts_return_type = "Promise<string>")]
pub fn file_sha256(path: String) -> AsyncTask<Background<String>> {
    background(0, move || file_digest(Path::new(&path)).map(|(_, sha)| sha).map_err(from_encode))
}

/// Rows of ids of different lengths: row `i` is `ids[offsets[i]..offsets[i + 1]]`.
#[napi(object, object_from_js = false)]
pub struct Ragged {
    pub ids: Uint32Array,
    /// Length rows + 1.
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
    pub tasks: u32,
    /// Episodes per task.
    pub episodes: u32,
    pub horizon: u32,
    pub returns: Float64Array,
    /// Sum over steps of `V_t - Q_t(action)`: estimates `V* - V^π` (NaN when nature is a fixed model of a larger cloud).
    pub regrets: Float64Array,
    /// The terms of `regrets`, rows × horizon.
    pub step_regrets: Float64Array,
    /// Share of decisions in the ε-optimal action set.
    pub agreement: Float64Array,
    /// Per task: the oracle's value at the start.
    pub optimal: Float64Array,
    /// Per task: certified lower bound on it.
    pub lower: Float64Array,
    /// Per task: certified upper bound on it.
    pub upper: Float64Array,
    /// Per task: exact value of the uniformly random policy (NaN for a cloud).
    pub random_value: Float64Array,
    /// Rows × horizon, like the rest.
    pub states: Uint32Array,
    pub observations: Int32Array,
    pub actions: Uint8Array,
    pub oracle_actions: Uint8Array,
    pub rewards: Float64Array,
}

/// Evaluation episodes of one regime, stepped together; rows are tasks × episodes, task-major. Every method that acts in the
/// batch after `reset` meets the same tasks, support and random numbers.
#[napi]
pub struct Episodes(core::Episodes);

#[napi]
impl Episodes {
    /// Draws and solves the tasks, draws the support, encodes the prompts. `spec` is JSON.
    #[napi(ts_return_type = "Promise<Episodes>")]
    pub fn create(
        spec: String,
        tokenizer: &Tokenizer,
        cancel: Option<&CancelToken>,
        #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
    ) -> Result<AsyncTask<Background<Episodes>>> {
        let spec = core::Spec::from_json(&spec).map_err(from_study)?;
        let (tokenizer, cancel, reporter) =
            (tokenizer.clone(), cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
        Ok(background(spec.threads, move || {
            let hook = hook(&reporter, &cancel);
            core::Episodes::create(&spec, tokenizer.0.as_ref(), &hook).map(Episodes).map_err(from_study)
        }))
    }

    /// The same tasks, support and random numbers with another nature moving the world (`oracle` or `fixed:M`); nothing is
    /// solved again.
    #[napi]
    pub fn with_query_nature(&self, nature: String) -> Result<Episodes> {
        let nature = core::QueryNature::try_from(nature).map_err(invalid)?;
        guarded(|| self.0.with_query_nature(nature).map(Episodes).map_err(from_study))
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

    /// Whether every episode is over.
    #[napi(getter)]
    pub fn done(&self) -> bool {
        self.0.done()
    }

    /// Token id of each action.
    #[napi]
    pub fn action_ids(&self) -> Uint32Array {
        Uint32Array::new(self.0.action_ids().to_vec())
    }

    /// Each row's few-shot prompt, up to the place of the first action.
    #[napi]
    pub fn prompts(&self) -> Ragged {
        self.0.prompts().into()
    }

    /// What the oracle would do now in each row.
    #[napi]
    pub fn oracle_actions(&self) -> Result<Uint8Array> {
        guarded(|| Ok(Uint8Array::new(self.0.oracle_actions())))
    }

    /// A uniformly random action in each row, from the episode's own stream.
    #[napi]
    pub fn random_actions(&self) -> Uint8Array {
        Uint8Array::new(self.0.random_actions())
    }

    /// Acts in every row; returns the ids up to the place of the next action (empty rows after the last stage).
    #[napi]
    pub fn step(&mut self, actions: &[u8]) -> Result<Ragged> {
        guarded(|| self.0.step(actions).map(Into::into).map_err(from_study))
    }

    /// Back to the start of every episode, with the same random numbers.
    #[napi]
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// The oracle's belief before each decision of a row so far, steps × states.
    #[napi]
    pub fn beliefs(&self, row: u32) -> Result<Float64Array> {
        if row as usize >= self.0.rows() {
            return Err(invalid(format!("row {row} of {} does not exist", self.0.rows())));
        }
        Ok(Float64Array::new(self.0.beliefs(row as usize)))
    }

    /// What happened so far.
    #[napi]
    pub fn outcome(&self) -> Outcome {
        let out = self.0.outcome();
        Outcome {
            tasks: out.tasks as u32,
            episodes: out.episodes as u32,
            horizon: out.horizon as u32,
            returns: Float64Array::new(out.returns),
            regrets: Float64Array::new(out.regrets),
            step_regrets: Float64Array::new(out.step_regrets),
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
