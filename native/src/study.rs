//! Dataset shards and streams of examples.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use napi::bindgen_prelude::{Float64Array, Int32Array, Uint8Array, Uint32Array};
use tiresias_encode::{file_digest, read_shard};
use tiresias_guard::napi;
use tiresias_study as core;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, background, guarded};
use crate::errors::{Result, from_encode, from_study, index, invalid, whole};
use crate::held::{Held, Home, Weigh, disposable};
use crate::tokenizer::Tokenizer;

/// How far a long call has come: in tasks or models (`phase` is `solve`), in shards (`read`), in episodes (`play`, `rollout`, `simulate`), in
/// steps of training (`train`) or in prompts (`measure`).
#[napi(object)]
pub struct StageProgress {
    /// How many are done.
    pub done: u32,
    /// How many there are in all.
    pub total: u32,
    /// What is going on.
    #[napi(ts_type = "'solve' | 'play' | 'read' | 'rollout' | 'simulate' | 'train' | 'measure'")]
    pub phase: String,
}

/// What a column of numbers is like; `min` and `max` are left out when it is empty.
#[napi(object, object_from_js = false)]
pub struct Summary {
    /// How many numbers there are.
    pub count: f64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, of the population.
    pub deviation: f64,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
}

impl From<core::Summary> for Summary {
    fn from(summary: core::Summary) -> Self {
        let some = summary.count > 0;
        Self {
            count: summary.count as f64,
            mean: summary.mean,
            deviation: summary.deviation(),
            min: some.then_some(summary.min),
            max: some.then_some(summary.max),
        }
    }
}

/// What a shard holds and what it cost.
#[napi(object, object_from_js = false)]
pub struct ShardReport {
    /// The file.
    pub path: String,
    /// Number of rows.
    pub examples: u32,
    /// Number of tasks that they are of.
    pub tasks: u32,
    /// Number of ids in all rows.
    pub tokens: f64,
    /// Number of labelled positions.
    pub labels: f64,
    /// Size of the file.
    pub bytes: f64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// SHA-256 of what defines the tokenizer.
    pub tokenizer_sha: String,
    /// SHA-256 of the template.
    pub template_sha: String,
    /// Wall seconds in all.
    pub seconds: f64,
    /// Regret bounds of the labels, in reward units.
    pub regret_bounds: Summary,
    /// Discounted returns of the support trajectories.
    pub support_returns: Summary,
    /// Discounted returns of the queries as they were executed.
    pub query_returns: Summary,
    /// How often each action is the label.
    pub label_counts: Vec<u32>,
}

impl ShardReport {
    /// What the core says of the shard at `path`.
    pub(crate) fn of(path: String, report: core::ShardReport) -> Self {
        Self {
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
            regret_bounds: report.regret_bounds.into(),
            support_returns: report.support_returns.into(),
            query_returns: report.query_returns.into(),
            label_counts: report.label_counts.into_iter().map(|n| n as u32).collect(),
        }
    }
}

/// One row of a shard.
#[napi(object, object_from_js = false)]
pub struct ShardExample {
    /// The ids of the whole example, executed actions included.
    pub input_ids: Int32Array,
    /// The ids of the actions that the query's decisions are labelled with, at their positions, -100 elsewhere; as long as `inputIds`.
    pub labels: Int32Array,
    /// The text up to and including the query marker.
    pub prompt: String,
    /// The text of the query's steps.
    pub completion: String,
    /// The family of its task; of recorded decisions their name.
    #[napi(ts_type = "FamilyInfo['name'] | `records:${string}`")]
    pub family: String,
    /// The split of its task.
    #[napi(
        ts_type = "'train' | 'test' | 'validation' | 'ood-horizon' | 'ood-ambiguity' | 'ood-harvest' | 'ood-capacity' | 'ood-noise' | 'ood-risk' | 'ood-response' | 'ood-tests' | 'ood-concentrated'"
    )]
    pub split: String,
    /// The index of its task in the split; of recorded decisions the episode that is the query.
    pub index: f64,
    /// The seed of its task.
    pub seed: f64,
    /// Whether states are seen, and whether there is a cloud.
    #[napi(ts_type = "'mdp' | 'pomdp' | 'apomdp'")]
    pub regime: String,
    /// Decisions of the query.
    pub horizon: u32,
    /// Who acted in the support: `oracle`, `random`, `epsilon:X` or a mixture; `q-learning` in learning histories, `recorded` in records.
    #[napi(ts_type = "'oracle' | 'random' | `epsilon:${number}` | `mixture:${string}` | 'q-learning' | 'recorded'")]
    pub behaviour: String,
    /// The action of the oracle that labels at each step of the query; where what was done is the label, of the task's own oracle.
    pub oracle_actions: Vec<u32>,
    /// What each label loses at most in that oracle's model, in reward units.
    pub regret_bounds: Vec<f64>,
    /// SHA-256 of what defines the tokenizer.
    pub tokenizer_sha: String,
    /// SHA-256 of the template.
    pub template_sha: String,
}

pub(crate) fn hook(
    reporter: &Reporter<StageProgress>,
    cancel: &CancelToken,
) -> impl Fn(core::Progress) -> ControlFlow<()> + Sync {
    |progress| {
        reporter.report(progress.done == progress.total, || StageProgress {
            done: progress.done as u32,
            total: progress.total as u32,
            phase: progress.phase.into(),
        });
        if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// JSON Schema of a specification of shards or episodes, as text.
#[napi]
pub fn spec_schema() -> String {
    core::Spec::schema().as_value().to_string()
}

/// Checks a specification of shards or episodes (JSON text), without drawing anything.
#[napi]
pub fn check_spec(spec: String) -> Result<()> {
    guarded(|| core::Spec::from_json(&spec).map(|_| ()).map_err(from_study))
}

/// Makes one whole shard. `spec` is JSON; the file appears under its name only when it is whole.
#[napi(ts_return_type = "Promise<ShardReport>")]
pub fn make_shard(
    spec: String,
    tokenizer: &Tokenizer,
    path: String,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
) -> Result<Background<ShardReport>> {
    let spec = core::Spec::from_json(&spec).map_err(from_study)?;
    let (tokenizer, cancel, reporter) =
        (tokenizer.clone(), cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    Ok(background(cancel.clone(), spec.threads, move || {
        let hook = hook(&reporter, &cancel);
        let report = core::make_shard(&spec, &**tokenizer.0, Path::new(&path), &hook).map_err(from_study)?;
        Ok(ShardReport::of(path, report))
    }))
}

/// Encoded examples of consecutive tasks, flat: row `i` has the ids `inputIds[offsets[i]..offsets[i + 1]]`.
#[napi(object, object_from_js = false)]
pub struct ExampleBatch {
    /// Number of examples.
    pub rows: u32,
    /// Decisions of a query.
    pub horizon: u32,
    /// The ids of all examples, one after the other.
    pub input_ids: Int32Array,
    /// The ids of the actions that the query's decisions are labelled with, at their positions, -100 elsewhere; as long as `inputIds`.
    pub labels: Int32Array,
    /// Where each row begins, and where the last one ends; length rows + 1.
    pub offsets: Uint32Array,
    /// Index of each row's task in its split.
    pub tasks: Float64Array,
    /// Rows × horizon.
    pub oracle_actions: Uint8Array,
    /// Rows × horizon, in reward units.
    pub regret_bounds: Float64Array,
    /// Discounted, rows × K.
    pub support_returns: Float64Array,
    /// Discounted, one a row.
    pub query_returns: Float64Array,
    /// The text up to and including the query marker; empty unless asked for.
    pub prompts: Vec<String>,
    /// The text of the query's steps; empty unless asked for.
    pub completions: Vec<String>,
}

impl TryFrom<core::ExampleBatch> for ExampleBatch {
    type Error = napi::Error;

    fn try_from(batch: core::ExampleBatch) -> Result<Self> {
        let rows = batch.len();
        let with_text = !batch.text_ends.is_empty();
        let texts = |pick: fn((&str, &str)) -> String| {
            let rows = if with_text { rows } else { 0 };
            (0..rows).map(|i| pick(batch.row_text(i))).collect::<Vec<_>>()
        };
        let (prompts, completions) = (texts(|(prompt, _)| prompt.into()), texts(|(_, completion)| completion.into()));
        if batch.ids.len() > u32::MAX as usize {
            return Err(invalid("a batch of more than 2^32 ids: ask for fewer tasks at a time"));
        }
        let mut offsets = vec![0];
        offsets.extend(batch.ends.iter().map(|&end| end as u32));
        Ok(Self {
            rows: rows as u32,
            horizon: batch.decision_ends.first().map_or(0, |&end| end) as u32,
            input_ids: Int32Array::new(batch.ids.into_iter().map(u32::cast_signed).collect()),
            labels: Int32Array::new(batch.labels),
            offsets: Uint32Array::new(offsets),
            tasks: Float64Array::new(batch.tasks.into_iter().map(|index| index as f64).collect()),
            oracle_actions: Uint8Array::new(batch.oracle_actions),
            regret_bounds: Float64Array::new(batch.regret_bounds),
            support_returns: Float64Array::new(batch.support_returns),
            query_returns: Float64Array::new(batch.query_returns),
            prompts,
            completions,
        })
    }
}

/// Checks `spec` (JSON) and proves the encoding for the tokenizer.
#[napi(ts_return_type = "Promise<ExampleSource>")]
pub fn create_example_source(spec: String, tokenizer: &Tokenizer, text: bool) -> Result<Background<ExampleSource>> {
    let spec = core::Spec::from_json(&spec).map_err(from_study)?;
    let (tokenizer, home) = (tokenizer.clone(), Home::here());
    Ok(background(CancelToken::new(), spec.threads, move || {
        let generator = core::Generator::new(&spec, &**tokenizer.0, text).map_err(from_study)?;
        Ok(ExampleSource(Held::new(&home, Arc::new(generator))))
    }))
}

/// Makes examples of any tasks of a specification, for those who want no files.
#[napi]
pub struct ExampleSource(Held<Arc<core::Generator>>);

impl Weigh for Arc<core::Generator> {
    const CLASS: &'static str = "ExampleSource";

    fn weight(&self) -> usize {
        self.bytes()
    }
}

disposable!(ExampleSource);

#[napi]
impl ExampleSource {
    /// The examples of `tasks` tasks from `first_task` on: the same rows however the tasks are cut into batches.
    #[napi(ts_return_type = "Promise<ExampleBatch>")]
    pub fn batch(&self, first_task: f64, tasks: f64, cancel: Option<&CancelToken>) -> Result<Background<ExampleBatch>> {
        let (first, tasks) = (index("firstTask", first_task)?, whole("tasks", tasks, 1, u32::MAX)? as u64);
        let (generator, cancel) = (Arc::clone(&self.0), cancel.cloned().unwrap_or_default());
        Ok(background(cancel.clone(), generator.spec().threads, move || {
            let hook = |_| if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            generator.batch(first..first + tasks, &hook).map_err(from_study)?.try_into()
        }))
    }
}

/// What the rows of a dataset's shards are like, read back from the files.
#[napi(object, object_from_js = false)]
pub struct Scan {
    /// Number of rows.
    pub examples: f64,
    /// Rows whose token ids another row before them has too.
    pub duplicates: f64,
    /// Fewest token ids of a row.
    pub shortest: f64,
    /// Most token ids of a row.
    pub longest: f64,
    /// Bounds below which 50, 95 and 99 of a hundred regret bounds lie, each at most 1 % above the true quantile.
    #[napi(ts_type = "[median: number, most: number, nearlyAll: number]")]
    pub regret_bound_quantiles: Vec<f64>,
}

/// Reads every row of the shards.
#[napi(ts_return_type = "Promise<Scan>")]
pub fn scan_shards(
    paths: Vec<String>,
    threads: Option<f64>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
) -> Result<Background<Scan>> {
    let (cancel, reporter) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    Ok(background(cancel.clone(), crate::background::threads(threads)?, move || {
        let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
        let scan = core::scan(&paths, &hook(&reporter, &cancel)).map_err(from_study)?;
        Ok(Scan {
            examples: scan.examples as f64,
            duplicates: scan.duplicates as f64,
            shortest: scan.shortest as f64,
            longest: scan.longest as f64,
            regret_bound_quantiles: scan.regret_bound_quantiles.to_vec(),
        })
    }))
}

/// Reads row `row` of a shard (Parquet or JSON lines).
#[napi]
pub fn read_example(path: String, row: f64) -> Result<ShardExample> {
    let row = whole("row", row, 0, u32::MAX)?;
    guarded(|| {
        let mut rows = read_shard(Path::new(&path)).map_err(from_encode)?;
        // Not `nth`: an error in an earlier row must come out, not be counted as one.
        for _ in 0..row {
            if rows.next().transpose().map_err(from_encode)?.is_none() {
                break;
            }
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
pub fn file_sha256(path: String) -> Background<String> {
    background(CancelToken::new(), 1, move || file_digest(Path::new(&path)).map(|(_, sha)| sha).map_err(from_encode))
}
