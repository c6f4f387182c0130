//! Few-shot examples from recorded decisions themselves: nothing is simulated.
//!
//! An example's query is an episode of the records, its support are others of the same task. Every decision is labelled with what was done, or
//! with what a policy would have done that was solved for a model of these records. What a label loses at most is said in that model.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use tiresias_data::{Columns, NOTHING, Trajectories};
use tiresias_encode::{Dims, Encoder, ExampleText, Template, Tokenizer, Trajectory};
use tiresias_model::family::Regime;
use tiresias_model::random::{Key, unit53};
use tiresias_model::{Model, Space};
use tiresias_text::Unmarked;

use crate::examples::{Row, TaskProgress};
use crate::labels::{Teacher, teacher};
use crate::shard::{BATCH_ROWS, Origin, write_shard};
use crate::spec::SolverSpec;
use crate::{ExampleBatch, Format, Hook, Labels, Progress, ShardReport, StudyError};

/// How examples are made from records. One JSON object, camelCase, unknown fields refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordsSpec {
    /// What rows call the records: `records:` and their hash.
    pub name: String,
    /// Whether what is seen is the state: `mdp` or `pomdp`.
    pub regime: Regime,
    /// What decisions are labelled with.
    pub labels: Labels,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Episodes before the query.
    pub trajectories: usize,
    /// When the solver of the labels may stop.
    #[serde(default)]
    pub solver: SolverSpec,
    /// How examples are laid out as text.
    pub template: Template,
    /// What files are written as.
    #[serde(default)]
    pub format: Format,
}

impl RecordsSpec {
    /// Reads a specification.
    pub fn from_json(text: &str) -> Result<Self, StudyError> {
        let spec: Self = serde_json::from_str(text.unmarked()).map_err(|e| StudyError::Spec(e.to_string()))?;
        if spec.seed >= 1 << 53 {
            return Err(StudyError::Spec("seed: must be below 2^53".into()));
        }
        if spec.regime == Regime::Apomdp {
            return Err(StudyError::Spec(
                "regime: records are of the regime mdp or pomdp, whatever labels them".into(),
            ));
        }
        if spec.labels == Labels::Static {
            let problem = "labels: static plans say what to do after what they did themselves, and records are of what somebody else did; use robust";
            return Err(StudyError::Spec(problem.into()));
        }
        Ok(spec)
    }
}

/// What is said of every recorded step, in the columns of the records: one entry a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelledSteps {
    /// What the step is labelled with.
    pub labels: Vec<u8>,
    /// What the policy that was solved for the model would have done.
    pub oracle_actions: Vec<u8>,
    /// What the label loses at most, in the model.
    pub regret_bounds: Vec<f64>,
    /// What the recorded action loses at most, in the model.
    pub recorded_regret_bounds: Vec<f64>,
}

/// Records with their labels, from which any examples can be made.
pub struct Records {
    spec: RecordsSpec,
    /// As prompts show them: rewards on the template's grid.
    shown: Trajectories,
    returns: Vec<f64>,
    steps: LabelledSteps,
    dims: Dims,
    /// The episodes of each task, and which task each episode is of.
    tasks: Vec<Vec<usize>>,
    task_of: Vec<usize>,
    /// The order in which episodes become queries.
    order: Vec<usize>,
}

impl Records {
    /// Solves the policy that labels, and labels every step. `model` is one that was fitted to such records; `first`, where states are hidden,
    /// has what is believed after a first symbol, symbols × S. O(steps · S²) after the solve. `hook` hears of episodes labelled, in the phase
    /// `solve`.
    ///
    /// [`StudyError::Records`] where the model does not fit the records, or a task has too few episodes for a support.
    pub fn new(
        spec: &RecordsSpec,
        trajectories: &Trajectories,
        model: &Model,
        first: Option<&[f64]>,
        hook: Hook<'_>,
    ) -> Result<Self, StudyError> {
        trajectories.belongs_to(model).map_err(|error| StudyError::Records(error.to_string()))?;
        let (states, hidden) = (model.states().len(), model.observations().is_some());
        if hidden != (spec.regime == Regime::Pomdp) {
            let (regime, kind) = (spec.regime, model.kind().name());
            return Err(StudyError::Records(format!("the model that labels is a {kind}, and the regime is {regime}")));
        }
        let symbols = trajectories.observation_space().len();
        if first.is_some_and(|first| first.len() != symbols * states) {
            return Err(StudyError::Records(format!("first beliefs must be {symbols} × {states} numbers")));
        }
        let (task_of, tasks) = tasks(trajectories);
        if let Some(short) = tasks.iter().find(|episodes| episodes.len() <= spec.trajectories) {
            let (k, task, found) = (spec.trajectories, task_of[short[0]], short.len());
            let problem = format!(
                "a support of {k} episodes and a query need {} of the same task, and task {task} has {found}",
                k + 1
            );
            return Err(StudyError::Records(problem));
        }
        let cancelled = || hook(Progress { phase: "solve", done: 0, total: trajectories.len() }).is_break();
        let teacher = teacher(spec.labels, model, &spec.solver.limits(), &cancelled)?;
        let steps = labelled(spec, trajectories, &teacher, first, hook)?;
        let returns = trajectories.episodes().map(|episode| episode.discounted_return(model.discount())).collect();
        let dims =
            Dims { observations: model.observations().map_or(states, Space::len), actions: model.actions().len() };
        let mut order: Vec<usize> = (0..trajectories.len()).collect();
        let mut draw = key(spec, "order", 0).sequence();
        for i in (1..order.len()).rev() {
            order.swap(i, draw.integer(0, i as u32) as usize);
        }
        let shown = on_grid(trajectories, spec.template.reward_scale)?;
        Ok(Self { spec: spec.clone(), shown, returns, steps, dims, tasks, task_of, order })
    }

    /// What is said of every step.
    pub fn steps(&self) -> &LabelledSteps {
        &self.steps
    }

    /// Bytes that they take on the heap, nearly.
    pub fn bytes(&self) -> usize {
        self.shown.bytes() + self.shown.steps() * 18 + self.shown.len() * 40
    }

    /// Makes a shard of the examples `first` to `first + count` on the current rayon pool. Example i has for a query episode i of a drawn order
    /// that begins again when all were queries, and a support of its own; it is the same whichever shard it is in.
    pub fn make_shard(
        &self,
        tokenizer: &dyn Tokenizer,
        path: &Path,
        (first, count): (u64, usize),
        hook: Hook<'_>,
    ) -> Result<ShardReport, StudyError> {
        let spec = &self.spec;
        let encoder = Encoder::compile(&spec.template, tokenizer, self.dims)?;
        let progress = TaskProgress::new(hook, count);
        let end = first + count as u64;
        let (name, regime) = (&spec.name, spec.regime.name());
        let origin = Origin { family: name, split: "train", seed: spec.seed, regime, behaviour: "recorded" };
        let tasks = (first..end).map(|example| self.task_of[self.query(example)]).collect::<BTreeSet<_>>();
        let report = ShardReport {
            tasks: tasks.len(),
            tokenizer_sha: tokenizer.sha256(),
            template_sha: spec.template.sha256(),
            label_counts: vec![0; self.dims.actions],
            ..ShardReport::default()
        };
        let batches = (first..end).step_by(BATCH_ROWS);
        write_shard(path, spec.format.into(), origin, report, &progress, batches, |from| {
            let examples = from..end.min(from + BATCH_ROWS as u64);
            let parts: Vec<_> = examples.clone().step_by(PART_ROWS).collect();
            let part = |from: u64| self.part(&encoder, from..examples.end.min(from + PART_ROWS as u64), &progress);
            parts.into_par_iter().with_max_len(1).map(part).collect()
        })
    }

    fn query(&self, example: u64) -> usize {
        self.order[(example % self.order.len() as u64) as usize]
    }

    /// The support of an example: other episodes of its query's task, each at most once.
    fn support(&self, example: u64, query: usize) -> Vec<usize> {
        let mut others: Vec<usize> =
            self.tasks[self.task_of[query]].iter().copied().filter(|&one| one != query).collect();
        let mut draw = key(&self.spec, "support", example).sequence();
        for i in 0..self.spec.trajectories {
            let chosen = draw.integer(i as u32, others.len() as u32 - 1) as usize;
            others.swap(i, chosen);
        }
        others.truncate(self.spec.trajectories);
        others
    }

    fn part(
        &self,
        encoder: &Encoder,
        examples: Range<u64>,
        progress: &TaskProgress<'_>,
    ) -> Result<ExampleBatch, StudyError> {
        let (mut batch, mut text) = (ExampleBatch::default(), ExampleText::default());
        for example in examples {
            progress.check()?;
            let query = self.query(example);
            let support = self.support(example, query);
            let shown: Vec<Trajectory<'_>> = support.iter().map(|&one| self.shown.episode(one).into()).collect();
            let steps = self.shown.range(query);
            let row = Row {
                task: query as u64,
                support: &shown,
                executed: self.shown.episode(query).into(),
                labels: &self.steps.labels[steps.clone()],
                oracle_actions: &self.steps.oracle_actions[steps.clone()],
                regret_bounds: &self.steps.regret_bounds[steps],
            };
            batch.push(encoder, Some(&mut text), &row)?;
            batch.support_returns.extend(support.iter().map(|&one| self.returns[one]));
            batch.query_returns.push(self.returns[query]);
            progress.one_done();
        }
        Ok(batch)
    }
}

/// Rows that a thread makes at a time.
const PART_ROWS: usize = 256;

fn key(spec: &RecordsSpec, purpose: &str, number: u64) -> Key {
    Key::named(spec.seed, &["records", purpose], &[number])
}

/// Which task each episode is of, and the episodes of each.
fn tasks(trajectories: &Trajectories) -> (Vec<usize>, Vec<Vec<usize>>) {
    let columns = trajectories.columns();
    let task_of: Vec<usize> =
        (0..trajectories.len()).map(|one| columns.tasks.get(one).map_or(0, |&t| t as usize)).collect();
    let mut tasks = vec![Vec::new(); task_of.iter().max().map_or(0, |most| most + 1)];
    task_of.iter().enumerate().for_each(|(episode, &task)| tasks[task].push(episode));
    // Records that were divided may have no episode of some task.
    let kept: Vec<usize> = (0..tasks.len()).filter(|&task| !tasks[task].is_empty()).collect();
    let number = |task: usize| kept.binary_search(&task).unwrap_or(0);
    (task_of.into_iter().map(number).collect(), kept.iter().map(|&task| std::mem::take(&mut tasks[task])).collect())
}

/// The records with rewards that prompts can print.
fn on_grid(trajectories: &Trajectories, scale: f64) -> Result<Trajectories, StudyError> {
    let columns = trajectories.columns().clone();
    let rewards = columns.rewards.iter().map(|reward| (reward * scale).round() / scale).collect();
    let (observations, actions) = (trajectories.observation_space().clone(), trajectories.action_space().clone());
    Trajectories::new(observations, actions, Columns { rewards, ..columns })
        .map_err(|error| StudyError::Records(error.to_string()))
}

/// Labels every step, episodes in parallel on the current rayon pool.
fn labelled(
    spec: &RecordsSpec,
    trajectories: &Trajectories,
    teacher: &Teacher,
    first: Option<&[f64]>,
    hook: Hook<'_>,
) -> Result<LabelledSteps, StudyError> {
    let progress = TaskProgress::new(hook, trajectories.len());
    let follow = |index: usize| -> Result<LabelledSteps, StudyError> {
        progress.check()?;
        let steps = follow(spec, trajectories, index, teacher, first)?;
        progress.one_done();
        Ok(steps)
    };
    let episodes: Vec<LabelledSteps> = (0..trajectories.len()).into_par_iter().map(follow).collect::<Result<_, _>>()?;
    let mut all = LabelledSteps::default();
    for mut episode in episodes {
        all.labels.append(&mut episode.labels);
        all.oracle_actions.append(&mut episode.oracle_actions);
        all.regret_bounds.append(&mut episode.regret_bounds);
        all.recorded_regret_bounds.append(&mut episode.recorded_regret_bounds);
    }
    Ok(all)
}

/// Goes along one episode.
fn follow(
    spec: &RecordsSpec,
    trajectories: &Trajectories,
    index: usize,
    teacher: &Teacher,
    first: Option<&[f64]>,
) -> Result<LabelledSteps, StudyError> {
    let (episode, states) = (trajectories.episode(index), teacher.model().states().len());
    let hidden = teacher.model().observations().is_some();
    let symbol = |seen: i32| (seen != NOTHING).then_some(seen as usize);
    let refuse = |step: usize, problem: &str| {
        let place = match trajectories.columns().origins.get(index) {
            Some(line) => format!("the episode that begins at {line}"),
            None => format!("episode {index}"),
        };
        StudyError::Records(format!("step {step} of {place}: {problem}"))
    };
    if !hidden && let Some(step) = episode.observations.iter().position(|&seen| seen == NOTHING) {
        return Err(refuse(step, "nothing was seen, and the policy that labels goes by the state"));
    }
    let start = symbol(episode.observations[0]);
    let belief = first.zip(start).filter(|_| hidden).map(|(first, seen)| &first[seen * states..(seen + 1) * states]);
    let [high, low, ..] = key(spec, "plan", index as u64).block(0, 0, 0);
    let mut follower = teacher.begin(start, belief, unit53(high, low));
    let mut steps = LabelledSteps::default();
    for step in 0..episode.len() {
        let done = usize::from(episode.actions[step]);
        let (best, assessment) = follower.look();
        let label = if spec.labels == Labels::Behaviour { done } else { best };
        steps.labels.push(label as u8);
        steps.oracle_actions.push(best as u8);
        steps.regret_bounds.push(assessment.regret_bound(label));
        steps.recorded_regret_bounds.push(assessment.regret_bound(done));
        if step + 1 < episode.len() {
            follower.step(done, symbol(episode.observations[step + 1])).map_err(|error| {
                refuse(step + 1, &format!("the model that labels does not allow what was seen ({error}); fit one with a larger weight of the prior"))
            })?;
        }
    }
    Ok(steps)
}
