//! One dataset shard, whole: tasks → oracles → rollouts → ids → file.

use std::path::Path;
use std::time::Instant;

use tiresias_encode::{RowRef, ShardWriter, TaskRef, Tokenizer};

use crate::examples::TaskProgress;
use crate::{ExampleBatch, Generator, Hook, Spec, StudyError, Summary};

/// What a shard holds and what it cost.
#[derive(Debug, Clone, Default)]
pub struct ShardReport {
    /// Number of examples.
    pub examples: usize,
    /// Number of tasks.
    pub tasks: usize,
    /// Number of token ids.
    pub tokens: usize,
    /// Number of labelled positions.
    pub labels: usize,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// SHA-256 of the tokenizer.
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
    pub label_counts: Vec<usize>,
}

/// Rows in flight: one batch is written while the next is made.
const BATCH_ROWS: usize = 4096;

/// Makes the shard `path` on the current rayon pool. The same specification gives the same bytes for any number of threads
/// (unless `solver.timeSeconds` cuts a solve short). The file appears under its name only when it is whole. Memory is a row group
/// and two batches of a few thousand rows (or of one task a thread, when a task has more), whatever the number of examples.
pub fn make_shard(
    spec: &Spec,
    tokenizer: &dyn Tokenizer,
    path: &Path,
    hook: Hook<'_>,
) -> Result<ShardReport, StudyError> {
    let start = Instant::now();
    let generator = Generator::new(spec, tokenizer, true)?;
    let progress = TaskProgress::new(hook, spec.tasks);
    let end = spec.first_task + spec.tasks as u64;
    let tasks_per_batch = (BATCH_ROWS / spec.examples_per_task).max(rayon::current_num_threads()) as u64;
    let mut output = Output::create(&generator, tokenizer, path)?;
    let mut ready = Vec::new();
    for first in (spec.first_task..end).step_by(tasks_per_batch as usize) {
        let tasks = first..end.min(first + tasks_per_batch);
        let (written, made) = rayon::join(|| output.write(&ready, &progress), || generator.parts(tasks, &progress));
        written?;
        ready = made?;
    }
    output.write(&ready, &progress)?;
    progress.check()?;
    let Output { writer, mut report, .. } = output;
    let file = writer.finish()?;
    (report.bytes, report.sha256) = (file.bytes, file.sha256);
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// The file in the making, and what is in it so far.
struct Output<'a> {
    spec: &'a Spec,
    writer: ShardWriter,
    report: ShardReport,
}

impl<'a> Output<'a> {
    fn create(generator: &'a Generator, tokenizer: &dyn Tokenizer, path: &Path) -> Result<Self, StudyError> {
        let spec = generator.spec();
        let report = ShardReport {
            tasks: spec.tasks,
            tokenizer_sha: tokenizer.sha256(),
            template_sha: generator.template_sha(),
            label_counts: vec![0; generator.dims().actions],
            ..ShardReport::default()
        };
        Ok(Self { spec, writer: ShardWriter::create(path, spec.format.into())?, report })
    }

    fn write(&mut self, parts: &[ExampleBatch], progress: &TaskProgress<'_>) -> Result<(), StudyError> {
        parts.iter().try_for_each(|part| self.write_part(part, progress))
    }

    fn write_part(&mut self, part: &ExampleBatch, progress: &TaskProgress<'_>) -> Result<(), StudyError> {
        let Self { spec, writer, report } = self;
        for i in 0..part.len() {
            progress.check()?;
            let (input_ids, labels) = part.row(i);
            let (prompt, completion) = part.row_text(i);
            let (oracle_actions, regret_bounds) = part.row_oracle(i);
            writer.push(&RowRef {
                input_ids,
                labels,
                prompt,
                completion,
                task: TaskRef { family: &spec.family, split: &spec.split, index: part.tasks[i], seed: spec.seed },
                regime: spec.regime.name(),
                horizon: part.horizon as u32,
                behaviour: if spec.histories.is_some() { "q-learning" } else { &spec.support.behaviour },
                oracle_actions,
                regret_bounds,
                tokenizer_sha: &report.tokenizer_sha,
                template_sha: &report.template_sha,
            })?;
        }
        report.examples += part.len();
        report.tokens += part.ids.len();
        report.labels += part.oracle_actions.len();
        part.taught_actions.iter().for_each(|&action| report.label_counts[usize::from(action)] += 1);
        report.regret_bounds.extend(&part.regret_bounds);
        report.support_returns.extend(&part.support_returns);
        report.query_returns.extend(&part.query_returns);
        Ok(())
    }
}
