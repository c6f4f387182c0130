//! Few-shot examples in batches: tasks → oracles → rollouts → ids, for shards and for streams.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;
use tiresias_encode::{Dims, Encoder, ExampleText, LossOn, Tokenizer, Trajectory};
use tiresias_model::random::unit53;
use tiresias_sim::{Batch, Episode, World};

use crate::context::{dims, shape, trajectories, trajectory};
use crate::histories::histories;
use crate::labels::{Labels, Teacher, Teachers};
use crate::spec::Resolved;
use crate::{Hook, Progress, SolvedTask, Spec, StudyError};

/// Encoded examples of consecutive tasks, flat. Row `i` is example `i % examples_per_task` of task `tasks[i]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExampleBatch {
    /// Index of each row's task in its split.
    pub tasks: Vec<u64>,
    /// Token ids of all rows, one row after the other.
    pub ids: Vec<u32>,
    /// As many labels: the ids of the oracle's actions (of a learner's own, from histories) at the query's action positions, -100
    /// elsewhere.
    pub labels: Vec<i32>,
    /// Where each row of `ids` ends.
    pub ends: Vec<usize>,
    /// Prompts and completions of all rows in turn; empty unless asked for.
    pub text: String,
    /// Where each row's prompt and completion end in `text`.
    pub text_ends: Vec<(usize, usize)>,
    /// Where each row's decisions end in the three columns below, which have an entry for each decision of each query.
    pub decision_ends: Vec<usize>,
    /// The action that each decision is labelled with.
    pub taught_actions: Vec<u8>,
    /// The action of the oracle that labels; where what was done is the label, of the task's own oracle.
    pub oracle_actions: Vec<u8>,
    /// Bounds on what the label gives away in reward, in the labelling oracle's model; from histories, on what the oracle's action does.
    pub regret_bounds: Vec<f64>,
    /// Discounted return of every support trajectory, rows × K.
    pub support_returns: Vec<f64>,
    /// Discounted return of every query.
    pub query_returns: Vec<f64>,
}

impl ExampleBatch {
    /// Number of examples.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether it holds no example.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Ids and labels of row `i`.
    pub fn row(&self, i: usize) -> (&[u32], &[i32]) {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        (&self.ids[start..self.ends[i]], &self.labels[start..self.ends[i]])
    }

    /// Prompt and completion of row `i`; empty where no text was asked for.
    pub fn row_text(&self, i: usize) -> (&str, &str) {
        let Some(&(middle, end)) = self.text_ends.get(i) else { return ("", "") };
        let start = if i == 0 { 0 } else { self.text_ends[i - 1].1 };
        (&self.text[start..middle], &self.text[middle..end])
    }

    /// The oracle's actions and their regret bounds in row `i`.
    pub fn row_oracle(&self, i: usize) -> (&[u8], &[f64]) {
        let decisions = self.decisions(i);
        (&self.oracle_actions[decisions.clone()], &self.regret_bounds[decisions])
    }

    /// The entries of row `i`'s decisions.
    pub fn decisions(&self, i: usize) -> Range<usize> {
        (if i == 0 { 0 } else { self.decision_ends[i - 1] })..self.decision_ends[i]
    }

    /// Encodes a row behind the others. `text`, where text is asked for, is room for it.
    pub(crate) fn push(
        &mut self,
        encoder: &Encoder,
        text: Option<&mut ExampleText>,
        row: &Row<'_>,
    ) -> Result<(), StudyError> {
        let Row { task, support, executed, labels, oracle_actions, regret_bounds } = *row;
        encoder.push_example(support, &executed, labels, LossOn::Query, &mut self.ids, &mut self.labels)?;
        self.ends.push(self.ids.len());
        if let Some(text) = text {
            encoder.write_text(support, &executed, text)?;
            self.text.push_str(&text.prompt);
            let middle = self.text.len();
            self.text.push_str(&text.completion);
            self.text_ends.push((middle, self.text.len()));
        }
        self.tasks.push(task);
        self.taught_actions.extend_from_slice(labels);
        self.oracle_actions.extend_from_slice(oracle_actions);
        self.regret_bounds.extend_from_slice(regret_bounds);
        self.decision_ends.push(self.oracle_actions.len());
        Ok(())
    }

    /// Moves the rows of `other` behind this batch's own.
    fn append(&mut self, mut other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        let (ids, text, decisions) = (self.ids.len(), self.text.len(), self.oracle_actions.len());
        self.tasks.append(&mut other.tasks);
        self.ids.append(&mut other.ids);
        self.labels.append(&mut other.labels);
        self.ends.extend(other.ends.iter().map(|end| ids + end));
        self.text.push_str(&other.text);
        self.text_ends.extend(other.text_ends.iter().map(|(middle, end)| (text + middle, text + end)));
        self.decision_ends.extend(other.decision_ends.iter().map(|end| decisions + end));
        self.taught_actions.append(&mut other.taught_actions);
        self.oracle_actions.append(&mut other.oracle_actions);
        self.regret_bounds.append(&mut other.regret_bounds);
        self.support_returns.append(&mut other.support_returns);
        self.query_returns.append(&mut other.query_returns);
    }
}

/// An example before it is encoded. Labels, oracle's actions and bounds have an entry a decision.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub task: u64,
    pub support: &'a [Trajectory<'a>],
    pub executed: Trajectory<'a>,
    pub labels: &'a [u8],
    pub oracle_actions: &'a [u8],
    pub regret_bounds: &'a [f64],
}

/// Makes examples of any tasks of a specification. Its memory is one task's oracle a thread, whatever the number of tasks.
pub struct Generator {
    spec: Spec,
    names: Resolved,
    encoder: Encoder,
    with_text: bool,
    /// Decisions a trajectory.
    horizon: usize,
    teachers: Teachers,
}

/// The queries of one task, flat: executed trajectories, and the oracle's opinion of every decision.
#[derive(Default)]
pub(crate) struct Queries {
    pub executed: Batch,
    pub oracle_actions: Vec<u8>,
    pub regret_bounds: Vec<f64>,
}

impl Generator {
    /// Checks the specification and proves the encoding for its tokenizer. `with_text` asks for the text beside the ids.
    pub fn new(spec: &Spec, tokenizer: &dyn Tokenizer, with_text: bool) -> Result<Self, StudyError> {
        let names = spec.resolve()?;
        let first = names.family.task(&spec.request(spec.first_task))?;
        spec.check_task_fits(&first.model)?;
        let shape = shape(&first.model, spec);
        let encoder = Encoder::compile(&names.template, tokenizer, dims(&shape))?;
        let horizon = shape.horizon;
        let teachers = Teachers::new(spec, names.family.as_ref())?;
        Ok(Self { spec: spec.clone(), names, encoder, with_text, horizon, teachers })
    }

    /// Bytes that it takes on the heap.
    pub fn bytes(&self) -> usize {
        self.encoder.bytes()
    }

    /// The specification.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// SHA-256 of the template.
    pub fn template_sha(&self) -> String {
        self.names.template.sha256()
    }

    /// Number of actions, of observations.
    pub fn dims(&self) -> Dims {
        self.encoder.dims()
    }

    /// Examples of `tasks` (indices in the split), in order, on the current rayon pool: the same rows for any number of threads
    /// and however the tasks are cut into batches. `hook` hears of tasks done, in the phase `solve`.
    pub fn batch(&self, tasks: Range<u64>, hook: Hook<'_>) -> Result<ExampleBatch, StudyError> {
        let count = (tasks.end - tasks.start) as usize;
        self.spec.check_batch_fits(count, self.horizon)?;
        let progress = TaskProgress::new(hook, count);
        let mut batch = ExampleBatch::default();
        self.parts(tasks, &progress)?.into_iter().for_each(|part| batch.append(part));
        Ok(batch)
    }

    /// As [`Generator::batch`], in parts of consecutive tasks, which saves moving them together.
    pub(crate) fn parts(
        &self,
        tasks: Range<u64>,
        progress: &TaskProgress<'_>,
    ) -> Result<Vec<ExampleBatch>, StudyError> {
        // Enough parts to keep every thread busy to the end, each with enough rows to repay its set-up.
        let count = tasks.end - tasks.start;
        let fewest_tasks = (PART_ROWS / self.spec.examples_per_task as u64).max(1);
        let size = (count / (8 * rayon::current_num_threads() as u64)).clamp(1, fewest_tasks);
        let parts: Vec<_> = (0..count.div_ceil(size))
            .map(|i| tasks.start + i * size..tasks.end.min(tasks.start + (i + 1) * size))
            .collect();
        let shared = self.teachers.of_all(&self.spec, &|| progress.cancelled())?;
        parts.into_par_iter().with_max_len(1).map(|part| self.part(part, shared.as_deref(), progress)).collect()
    }

    /// Examples of consecutive tasks, made on the calling thread.
    fn part(
        &self,
        tasks: Range<u64>,
        shared: Option<&Teacher>,
        progress: &TaskProgress<'_>,
    ) -> Result<ExampleBatch, StudyError> {
        let mut batch = ExampleBatch::default();
        let mut text = ExampleText::default();
        let count = (tasks.end - tasks.start) as usize;
        for index in tasks {
            // Asked before and during every solve, so that one long solve can be cancelled too.
            progress.check()?;
            let task = SolvedTask::solve(&self.spec, &self.names, index, &|| progress.cancelled())?;
            self.push_task(&task, shared, &mut batch, &mut text, progress)?;
            if batch.len() == self.spec.examples_per_task {
                // Rows hardly differ in length: room for the other tasks' spares moving everything again and again.
                batch.ids.reserve(batch.ids.len() * count);
                batch.labels.reserve(batch.labels.len() * count);
                batch.text.reserve(batch.text.len() * count);
            }
            progress.one_done();
        }
        Ok(batch)
    }

    fn push_task(
        &self,
        task: &SolvedTask,
        shared: Option<&Teacher>,
        batch: &mut ExampleBatch,
        text: &mut ExampleText,
        progress: &TaskProgress<'_>,
    ) -> Result<(), StudyError> {
        let Self { spec, names, encoder, .. } = self;
        let (examples, k, horizon) = (spec.examples_per_task, spec.support.trajectories, task.horizon(spec));
        let differs = |batch: &ExampleBatch| !batch.is_empty() && batch.decisions(0).len() != horizon;
        if dims(&task.shape(spec)) != encoder.dims() || differs(batch) {
            return Err(StudyError::Spec(format!("task {} differs in shape from the tasks before it", task.index)));
        }
        let (support, queries) = if let Some(of) = spec.histories {
            histories(task, spec, of, progress)?
        } else {
            let support = task.support(spec, names, (0, examples), &|| progress.cancelled())?;
            (support, self.queries(task, shared, progress)?)
        };
        // What is imitated: whoever labels, or whoever acted.
        let imitated = spec.histories.is_some() || spec.labels == Labels::Behaviour;
        let taught = if imitated { &queries.executed.actions } else { &queries.oracle_actions };
        let support_rows = trajectories(&support);
        for e in 0..examples {
            progress.check()?;
            let decisions = e * horizon..(e + 1) * horizon;
            let row = Row {
                task: task.index,
                support: &support_rows[e * k..(e + 1) * k],
                executed: trajectory(&queries.executed, e),
                labels: &taught[decisions.clone()],
                oracle_actions: &queries.oracle_actions[decisions.clone()],
                regret_bounds: &queries.regret_bounds[decisions],
            };
            batch.push(encoder, self.with_text.then_some(&mut *text), &row)?;
        }
        batch.support_returns.extend_from_slice(&support.returns);
        batch.query_returns.extend_from_slice(&queries.executed.returns);
        Ok(())
    }

    /// Rolls out a task's queries: executed by whoever labels, perturbed as the query's behaviour says, every decision judged.
    fn queries(
        &self,
        task: &SolvedTask,
        shared: Option<&Teacher>,
        progress: &TaskProgress<'_>,
    ) -> Result<Queries, StudyError> {
        let own = self.teachers.of_task(task, &self.spec, &|| progress.cancelled())?;
        let teacher = shared.or(own.as_ref());
        if task.policy().tabular().is_none() || teacher.is_some() || self.spec.labels == Labels::Behaviour {
            return self.queries_by_belief(task, teacher, progress);
        }
        // The oracle's opinion of a state needs no belief, so the episodes can run in lockstep.
        let policy = &task.solution.policy;
        let horizon = task.horizon(&self.spec);
        let (spec, cancelled) = (&self.spec, || progress.cancelled());
        let executed = task.rollout(spec, &self.names.query, "query", (0, spec.examples_per_task), &cancelled)?;
        let seen = executed.states.iter().enumerate();
        let (oracle_actions, regret_bounds) = seen
            .map(|(i, &state)| {
                let (action, bound) = policy.label_in_state(i % horizon, state as usize);
                (action as u8, bound)
            })
            .unzip();
        Ok(Queries { executed, oracle_actions, regret_bounds })
    }

    /// The same step by step. Without a teacher the task's oracle labels, by its own belief.
    fn queries_by_belief(
        &self,
        task: &SolvedTask,
        teacher: Option<&Teacher>,
        progress: &TaskProgress<'_>,
    ) -> Result<Queries, StudyError> {
        let (spec, policy) = (&self.spec, &task.solution.policy);
        let nature = spec.recorded_nature(task.task.true_model);
        let world = World { model: task.model(), policy: Some(policy), nature };
        let (key, horizon, actions) = (task.key(spec, "query"), task.horizon(spec), task.model().actions().len());
        let mut queries = Queries::default();
        let executed = &mut queries.executed;
        (executed.episodes, executed.horizon) = (spec.examples_per_task, horizon);
        for index in 0..spec.examples_per_task as u64 {
            let mut episode = Episode::start(&world, key, index);
            let epsilon = episode.epsilon_of(&self.names.query);
            let [high, low, ..] = task.key(spec, "plan").block(index, 0, 0);
            let mut follower = teacher.map(|teacher| teacher.begin(episode.seen(), None, unit53(high, low)));
            let (mut total, mut weight) = (0.0, 1.0);
            for stage in 0..horizon {
                progress.check()?;
                let own;
                let (best, assessment) = if let Some(follower) = &mut follower {
                    follower.look()
                } else {
                    own = policy.assess(stage, episode.belief());
                    (own.action(), &own)
                };
                let action = if episode.explores(epsilon) { episode.random_action(actions) } else { best };
                let label = if spec.labels == Labels::Behaviour { action } else { best };
                queries.regret_bounds.push(assessment.regret_bound(label));
                executed.observations.push(episode.seen().map_or(-1, |o| o as i32));
                executed.actions.push(action as u8);
                queries.oracle_actions.push(best as u8);
                let step = episode.step(&world, action)?;
                if let Some(follower) = follower.as_mut().filter(|_| stage + 1 < horizon) {
                    let ruled_out = |source| StudyError::Labels { index: task.index, source };
                    follower.step(action, Some(step.seen)).map_err(ruled_out)?;
                }
                let reward = task.earned(spec, "query", (index, stage), step.reward);
                executed.rewards.push(reward);
                total += weight * reward;
                weight *= task.model().discount();
            }
            executed.returns.push(total);
        }
        Ok(queries)
    }
}

/// Rows a part aims for.
const PART_ROWS: u64 = 256;

/// Counts tasks for the hook, and remembers that it asked to stop.
pub(crate) struct TaskProgress<'a> {
    hook: Hook<'a>,
    total: usize,
    done: AtomicUsize,
    stop: AtomicBool,
}

impl<'a> TaskProgress<'a> {
    pub(crate) fn new(hook: Hook<'a>, total: usize) -> Self {
        Self { hook, total, done: AtomicUsize::new(0), stop: AtomicBool::new(false) }
    }

    pub(crate) fn one_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// [`StudyError::Cancelled`] once the hook has asked to stop.
    pub(crate) fn check(&self) -> Result<(), StudyError> {
        if self.cancelled() { Err(StudyError::Cancelled) } else { Ok(()) }
    }

    /// Tells the hook how far things are, and says whether it ever asked to stop.
    pub(crate) fn cancelled(&self) -> bool {
        let progress = Progress { phase: "solve", done: self.done.load(Ordering::Relaxed), total: self.total };
        if (self.hook)(progress).is_break() {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.stop.load(Ordering::Relaxed)
    }
}
