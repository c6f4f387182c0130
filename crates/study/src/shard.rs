//! One dataset shard, whole: tasks → oracles → rollouts → ids → file.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rayon::prelude::*;
use tiresias_encode::{Encoder, LossOn, RowRef, ShardWriter, TaskRef, Tokenizer, Trajectory};
use tiresias_sim::{Episode, World};

use crate::context::trajectories;
use crate::episodes::solve_tasks;
use crate::spec::Resolved;
use crate::{Hook, Progress, SolvedTask, Spec, StudyError};

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
    /// Wall seconds spent on oracles.
    pub solve_seconds: f64,
    /// Largest regret bound of a label, in reward units.
    pub max_regret_bound: f64,
    /// Mean regret bound of the labels.
    pub mean_regret_bound: f64,
    /// How often each action is the label.
    pub label_counts: Vec<usize>,
}

/// An encoded example, ready to be written.
struct Example {
    task: u64,
    ids: Vec<u32>,
    labels: Vec<i32>,
    prompt: String,
    completion: String,
    oracle_actions: Vec<u8>,
    regret_bounds: Vec<f64>,
}

/// The query as it was executed, with the oracle's opinion of every decision.
#[derive(Default)]
struct Query {
    observations: Vec<i32>,
    actions: Vec<u8>,
    rewards: Vec<f64>,
    labels: Vec<u8>,
    regret_bounds: Vec<f64>,
}

/// Makes the shard `path` on the current rayon pool. The same specification gives the same bytes for any number of threads
/// (unless `solver.timeSeconds` cuts a solve short). The file appears under its name only when it is whole.
pub fn make_shard(
    spec: &Spec,
    tokenizer: &dyn Tokenizer,
    path: &Path,
    hook: Hook<'_>,
) -> Result<ShardReport, StudyError> {
    let start = Instant::now();
    let names = spec.resolve()?;
    let tasks = solve_tasks(spec, &names, spec.first_task..spec.first_task + spec.tasks as u64, hook)?;
    let solve_seconds = start.elapsed().as_secs_f64();

    let encoder = Encoder::compile(&names.template, tokenizer, tasks[0].dims())?;
    let examples = roll(spec, &names, &tasks, &encoder, hook)?;

    let mut report = ShardReport {
        tasks: tasks.len(),
        tokenizer_sha: tokenizer.sha256(),
        template_sha: names.template.sha256(),
        solve_seconds,
        label_counts: vec![0; tasks[0].model().actions().len()],
        ..ShardReport::default()
    };
    let mut writer = ShardWriter::create(path, spec.format.into())?;
    for example in &examples {
        writer.push(&RowRef {
            input_ids: &example.ids,
            labels: &example.labels,
            prompt: &example.prompt,
            completion: &example.completion,
            task: TaskRef { family: &spec.family, split: &spec.split, index: example.task, seed: spec.seed },
            regime: spec.regime.name(),
            horizon: example.oracle_actions.len() as u32,
            behaviour: &spec.support.behaviour,
            oracle_actions: &example.oracle_actions,
            regret_bounds: &example.regret_bounds,
            tokenizer_sha: &report.tokenizer_sha,
            template_sha: &report.template_sha,
        })?;
        report.tokens += example.ids.len();
        report.labels += example.labels.iter().filter(|&&label| label >= 0).count();
        for (&action, &bound) in example.oracle_actions.iter().zip(&example.regret_bounds) {
            report.label_counts[usize::from(action)] += 1;
            report.max_regret_bound = report.max_regret_bound.max(bound);
            report.mean_regret_bound += bound;
        }
    }
    let decisions: usize = report.label_counts.iter().sum();
    report.mean_regret_bound /= decisions.max(1) as f64;
    report.examples = examples.len();
    let file = writer.finish()?;
    (report.bytes, report.sha256) = (file.bytes, file.sha256);
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// Rolls out and encodes every example, in order.
fn roll(
    spec: &Spec,
    names: &Resolved,
    tasks: &[SolvedTask],
    encoder: &Encoder,
    hook: Hook<'_>,
) -> Result<Vec<Example>, StudyError> {
    let done = AtomicUsize::new(0);
    let by_task: Vec<Vec<Example>> = tasks
        .par_iter()
        .map(|task| {
            let progress = Progress { phase: "roll", done: done.fetch_add(1, Ordering::Relaxed), total: tasks.len() };
            if hook(progress).is_break() {
                return Err(StudyError::Cancelled);
            }
            (0..spec.examples_per_task as u64).map(|e| example(spec, names, task, encoder, e)).collect()
        })
        .collect::<Result<_, _>>()?;
    Ok(by_task.into_iter().flatten().collect())
}

fn example(
    spec: &Spec,
    names: &Resolved,
    task: &SolvedTask,
    encoder: &Encoder,
    index: u64,
) -> Result<Example, StudyError> {
    let support = task.support(spec, names, index)?;
    let support = trajectories(&support);
    let query = query(spec, names, task, index)?;
    let executed = Trajectory { observations: &query.observations, actions: &query.actions, rewards: &query.rewards };
    let (mut ids, mut labels) = (Vec::new(), Vec::new());
    encoder.push_example(&support, &executed, &query.labels, LossOn::Query, &mut ids, &mut labels)?;
    let text = encoder.text(&support, &executed)?;
    Ok(Example {
        task: task.index,
        ids,
        labels,
        prompt: text.prompt,
        completion: text.completion,
        oracle_actions: query.labels,
        regret_bounds: query.regret_bounds,
    })
}

/// Rolls out the query: executed by the query behaviour, every decision labelled by the oracle.
fn query(spec: &Spec, names: &Resolved, task: &SolvedTask, index: u64) -> Result<Query, StudyError> {
    let policy = &task.solution.policy;
    let nature = spec.recorded_nature(task.task.true_model);
    let world = World { model: task.model(), policy: Some(policy), nature };
    let mut episode = Episode::start(&world, task.key(spec, "query"), index);
    let epsilon = episode.epsilon_of(&names.query);
    let actions = task.model().actions().len();
    let mut query = Query::default();
    for stage in 0..task.horizon(spec) {
        let assessment = policy.assess(stage, episode.belief());
        let label = assessment.action();
        let action = if episode.explores(epsilon) { episode.random_action(actions) } else { label };
        query.observations.push(episode.seen().map_or(-1, |o| o as i32));
        query.actions.push(action as u8);
        query.labels.push(label as u8);
        query.regret_bounds.push(assessment.regret_bound(label));
        query.rewards.push(episode.step(&world, action)?.reward);
    }
    Ok(query)
}
