//! One dataset shard, whole: tasks → oracles → rollouts → ids → file.

use std::path::Path;
use std::time::Instant;

use tiresias_encode::{RowRef, ShardFormat, ShardWriter, TaskRef, Tokenizer};

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
pub(crate) const BATCH_ROWS: usize = 4096;

/// Makes the shard `path` on the current rayon pool. The same specification gives the same bytes for any number of threads
/// (unless `solver.timeSeconds` cuts a solve short). The file appears under its name only when it is whole. Memory is a row group
/// and two batches of a few thousand rows (or of one task a thread, when a task has more), whatever the number of examples.
pub fn make_shard(
    spec: &Spec,
    tokenizer: &dyn Tokenizer,
    path: &Path,
    hook: Hook<'_>,
) -> Result<ShardReport, StudyError> {
    let generator = Generator::new(spec, tokenizer, true)?;
    let progress = TaskProgress::new(hook, spec.tasks);
    let end = spec.first_task + spec.tasks as u64;
    let tasks_per_batch = (BATCH_ROWS / spec.examples_per_task).max(rayon::current_num_threads()) as u64;
    let origin = Origin {
        family: &spec.family,
        split: &spec.split,
        seed: spec.seed,
        regime: spec.regime.name(),
        behaviour: if spec.histories.is_some() { "q-learning" } else { &spec.support.behaviour },
    };
    let report = ShardReport {
        tasks: spec.tasks,
        tokenizer_sha: tokenizer.sha256(),
        template_sha: generator.template_sha(),
        label_counts: vec![0; generator.dims().actions],
        ..ShardReport::default()
    };
    let batches = (spec.first_task..end).step_by(tasks_per_batch as usize);
    write_shard(path, spec.format.into(), origin, report, &progress, batches, |first| {
        generator.parts(first..end.min(first + tasks_per_batch), &progress)
    })
}

/// Writes batches while the next ones are made. What a report says of the whole it is given.
pub(crate) fn write_shard(
    path: &Path,
    format: ShardFormat,
    origin: Origin<'_>,
    report: ShardReport,
    progress: &TaskProgress<'_>,
    batches: impl Iterator<Item = u64>,
    make: impl Fn(u64) -> Result<Vec<ExampleBatch>, StudyError> + Sync,
) -> Result<ShardReport, StudyError> {
    let start = Instant::now();
    let mut output = Output { origin, writer: ShardWriter::create(path, format)?, report };
    let mut ready = Vec::new();
    for first in batches {
        let (written, made) = rayon::join(|| output.write(&ready, progress), || make(first));
        written?;
        ready = made?;
    }
    output.write(&ready, progress)?;
    progress.check()?;
    let Output { writer, mut report, .. } = output;
    let file = writer.finish()?;
    (report.bytes, report.sha256) = (file.bytes, file.sha256);
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// Where all rows of a shard come from.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub family: &'a str,
    pub split: &'a str,
    pub seed: u64,
    pub regime: &'a str,
    /// Who acted in the support.
    pub behaviour: &'a str,
}

/// The file in the making, and what is in it so far.
struct Output<'a> {
    origin: Origin<'a>,
    writer: ShardWriter,
    report: ShardReport,
}

impl Output<'_> {
    fn write(&mut self, parts: &[ExampleBatch], progress: &TaskProgress<'_>) -> Result<(), StudyError> {
        parts.iter().try_for_each(|part| self.write_part(part, progress))
    }

    fn write_part(&mut self, part: &ExampleBatch, progress: &TaskProgress<'_>) -> Result<(), StudyError> {
        let Self { origin, writer, report } = self;
        let Origin { family, split, seed, regime, behaviour } = *origin;
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
                task: TaskRef { family, split, index: part.tasks[i], seed },
                regime,
                horizon: part.decisions(i).len() as u32,
                behaviour,
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
