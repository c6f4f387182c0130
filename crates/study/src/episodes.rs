//! Evaluation episodes: many tasks, all stepped together, by a policy that sees only few-shot prompts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;
use tiresias_encode::{Encoder, Tokenizer};
use tiresias_model::random::Key;
use tiresias_sim::{Episode, NatureRule, World};
use tiresias_solve::random_value;

use crate::context::trajectories;
use crate::spec::Resolved;
use crate::{Hook, Progress, QueryNature, SolvedTask, Spec, StudyError};

/// Rows of ids of different lengths: row `i` is `ids[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ragged {
    /// All rows, one after the other.
    pub ids: Vec<u32>,
    /// Where each row starts, and the end; length rows + 1.
    pub offsets: Vec<u32>,
}

impl FromIterator<Vec<u32>> for Ragged {
    fn from_iter<T: IntoIterator<Item = Vec<u32>>>(rows: T) -> Self {
        let mut ragged = Self { ids: Vec::new(), offsets: vec![0] };
        for row in rows {
            ragged.ids.extend(row);
            ragged.offsets.push(ragged.ids.len() as u32);
        }
        ragged
    }
}

/// One episode of one task.
struct Row {
    task: usize,
    key: Key,
    index: u64,
    prompt: Vec<u32>,
    episode: Episode,
    total: f64,
    weight: f64,
    record: Vec<Decision>,
}

/// What happened at one decision.
#[derive(Clone)]
struct Decision {
    state: u32,
    observation: i32,
    action: u8,
    oracle_action: u8,
    agrees: bool,
    reward: f64,
    regret: f64,
    belief: Vec<f64>,
}

/// A batch of evaluation episodes of one specification; rows are tasks × episodes, task-major.
///
/// Every method that acts in the same batch (after [`Episodes::reset`]) meets the same tasks, the same support and the same
/// random numbers.
pub struct Episodes {
    spec: Spec,
    tasks: Arc<Vec<SolvedTask>>,
    encoder: Encoder,
    rows: Vec<Row>,
    horizon: usize,
    actions: usize,
}

/// What a method did, per row unless said otherwise.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Number of tasks.
    pub tasks: usize,
    /// Episodes per task.
    pub episodes: usize,
    /// Decisions per episode.
    pub horizon: usize,
    /// Discounted return.
    pub returns: Vec<f64>,
    /// `Σ_t γ^t (V_t(b_t) - Q_t(b_t, a_t))`, which estimates `V* - V^π` without bias (performance-difference identity; Kakade
    /// and Langford, ICML 2002), up to the oracle's certified gap. NaN when nature is a fixed model of a larger cloud: there the
    /// oracle's values are not those of the world.
    pub regrets: Vec<f64>,
    /// The terms of `regrets` by stage, rows × horizon.
    pub step_regrets: Vec<f64>,
    /// Share of decisions in the ε-optimal action set.
    pub agreement: Vec<f64>,
    /// Per task: the oracle's value at the start.
    pub optimal: Vec<f64>,
    /// Per task: its certified lower bound.
    pub lower: Vec<f64>,
    /// Per task: its certified upper bound.
    pub upper: Vec<f64>,
    /// Per task: exact value of the uniformly random policy; NaN for a cloud.
    pub random_value: Vec<f64>,
    /// Hidden states, rows × horizon.
    pub states: Vec<u32>,
    /// What was seen before each decision (-1 for nothing), rows × horizon.
    pub observations: Vec<i32>,
    /// Executed actions, rows × horizon.
    pub actions: Vec<u8>,
    /// The oracle's actions in the same places, rows × horizon.
    pub oracle_actions: Vec<u8>,
    /// Rewards, rows × horizon.
    pub rewards: Vec<f64>,
}

impl Episodes {
    /// Draws and solves the tasks (in parallel on the current rayon pool), draws the support, encodes the prompts.
    pub fn create(spec: &Spec, tokenizer: &dyn Tokenizer, hook: Hook<'_>) -> Result<Self, StudyError> {
        let names = spec.resolve()?;
        spec.check_episodes_fit(&names)?;
        let tasks = solve_tasks(spec, &names, spec.first_task..spec.first_task + spec.tasks as u64, hook)?;
        let first = &tasks[0];
        let (dims, horizon, actions) = (first.dims(), first.horizon(spec), first.model().actions().len());
        let encoder = Encoder::compile(&names.template, tokenizer, dims)?;
        let solved = Progress { phase: "solve", done: spec.tasks, total: spec.tasks };
        let cancelled = || hook(solved).is_break();
        let mut rows = Vec::with_capacity(spec.tasks * spec.episodes_per_task);
        for (t, task) in tasks.iter().enumerate() {
            if task.dims() != dims || task.horizon(spec) != horizon {
                return Err(StudyError::Spec(format!(
                    "task {} differs in shape from task {}",
                    task.index, first.index
                )));
            }
            let key = task.key(spec, "query");
            for e in 0..spec.episodes_per_task as u64 {
                let support = task.support(spec, &names, (e, 1), &cancelled)?;
                let episode = Episode::start(&world(spec, task), key, e);
                let mut prompt = Vec::new();
                encoder.push_prompt(&trajectories(&support), seen(&episode), &mut prompt)?;
                rows.push(Row {
                    task: t,
                    key,
                    index: e,
                    prompt,
                    episode,
                    total: 0.0,
                    weight: 1.0,
                    record: Vec::with_capacity(horizon),
                });
            }
        }
        Ok(Self { spec: spec.clone(), tasks: Arc::new(tasks), encoder, rows, horizon, actions })
    }

    /// The same tasks, support and random numbers with another nature moving the world; nothing is solved again.
    pub fn with_query_nature(&self, nature: QueryNature) -> Result<Self, StudyError> {
        let spec = Spec { query_nature: nature, ..self.spec.clone() };
        spec.check()?;
        let rows = self.rows.iter().map(|row| Row {
            prompt: row.prompt.clone(),
            episode: Episode::start(&world(&spec, &self.tasks[row.task]), row.key, row.index),
            record: Vec::with_capacity(self.horizon),
            total: 0.0,
            weight: 1.0,
            ..*row
        });
        Ok(Self {
            rows: rows.collect(),
            tasks: Arc::clone(&self.tasks),
            encoder: self.encoder.clone(),
            horizon: self.horizon,
            actions: self.actions,
            spec,
        })
    }

    /// Bytes that the episodes take, with their tasks and oracles.
    pub fn bytes(&self) -> usize {
        let Self { spec: _, tasks, encoder, rows, horizon: _, actions: _ } = self;
        let tasks: usize = tasks.iter().map(SolvedTask::bytes).sum();
        let row = |row: &Row| {
            let Row { task: _, key: _, index: _, prompt, episode, total: _, weight: _, record } = row;
            let beliefs: usize = record.iter().map(|decision| size_of_val(&decision.belief[..])).sum();
            let records = record.capacity() * size_of::<Decision>();
            size_of::<Row>() + size_of_val(&prompt[..]) + episode.bytes() + records + beliefs
        };
        tasks + encoder.bytes() + rows.iter().map(row).sum::<usize>()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// Decisions per episode.
    pub fn horizon(&self) -> usize {
        self.horizon
    }

    /// Whether every episode is over.
    pub fn done(&self) -> bool {
        self.rows.iter().all(|row| row.record.len() == self.horizon)
    }

    /// Token id of each action.
    pub fn action_ids(&self) -> &[u32] {
        self.encoder.action_ids()
    }

    /// Each row's prompt, up to the place of the first action.
    pub fn prompts(&self) -> Ragged {
        self.rows.iter().map(|row| row.prompt.clone()).collect()
    }

    /// What the oracle would do now.
    pub fn oracle_actions(&self) -> Vec<u8> {
        self.rows.par_iter().map(|row| row.episode.action_of(self.tasks[row.task].policy()) as u8).collect()
    }

    /// A uniformly random action in each row, from the episode's own stream.
    pub fn random_actions(&self) -> Vec<u8> {
        self.rows.iter().map(|row| row.episode.random_action(self.actions) as u8).collect()
    }

    /// Acts in every row; returns the ids that lead to the place of the next action (empty rows after the last stage).
    pub fn step(&mut self, actions: &[u8]) -> Result<Ragged, StudyError> {
        if actions.len() != self.rows.len() {
            let (got, want) = (actions.len(), self.rows.len());
            return Err(StudyError::Actions(format!("{got} actions for {want} episodes; give one for each")));
        }
        if let Some((row, action)) = actions.iter().enumerate().find(|(_, a)| usize::from(**a) >= self.actions) {
            return Err(StudyError::Actions(format!("row {row}: action {action} of {} does not exist", self.actions)));
        }
        if self.done() {
            return Err(StudyError::Actions(format!(
                "the episodes are over after {} decisions; reset first",
                self.horizon
            )));
        }
        let (spec, tasks, encoder, horizon) = (&self.spec, &self.tasks, &self.encoder, self.horizon);
        let ids: Vec<Vec<u32>> = self
            .rows
            .par_iter_mut()
            .zip(actions)
            .map(|(row, &action)| row.step(spec, &tasks[row.task], encoder, horizon, action))
            .collect::<Result<_, _>>()?;
        Ok(ids.into_iter().collect())
    }

    /// Back to the start of every episode, with the same random numbers.
    pub fn reset(&mut self) {
        for row in &mut self.rows {
            row.episode = Episode::start(&world(&self.spec, &self.tasks[row.task]), row.key, row.index);
            row.record.clear();
            (row.total, row.weight) = (0.0, 1.0);
        }
    }

    /// The oracle's belief before each decision of a row so far, steps × states.
    pub fn beliefs(&self, row: usize) -> Vec<f64> {
        self.rows[row].record.iter().flat_map(|d| d.belief.iter().copied()).collect()
    }

    /// What happened so far; complete once [`Episodes::done`].
    pub fn outcome(&self) -> Outcome {
        let mut out = Outcome {
            tasks: self.tasks.len(),
            episodes: self.spec.episodes_per_task,
            horizon: self.horizon,
            ..Outcome::default()
        };
        for task in self.tasks.iter() {
            out.optimal.push(task.solution.value());
            out.lower.push(task.solution.lower);
            out.upper.push(task.solution.upper);
            let single = task.model().dynamics().len() == 1;
            out.random_value.push(if single { random_value(task.model(), 0) } else { f64::NAN });
        }
        for row in &self.rows {
            let decisions = row.record.len().max(1) as f64;
            out.returns.push(row.total);
            out.regrets.push(row.record.iter().map(|d| d.regret).sum());
            out.agreement.push(row.record.iter().filter(|d| d.agrees).count() as f64 / decisions);
            for d in &row.record {
                out.step_regrets.push(d.regret);
                out.states.push(d.state);
                out.observations.push(d.observation);
                out.actions.push(d.action);
                out.oracle_actions.push(d.oracle_action);
                out.rewards.push(d.reward);
            }
        }
        out
    }
}

impl Row {
    fn step(
        &mut self,
        spec: &Spec,
        task: &SolvedTask,
        encoder: &Encoder,
        horizon: usize,
        action: u8,
    ) -> Result<Vec<u32>, StudyError> {
        let (stage, belief) = (self.episode.stage(), self.episode.belief());
        let policy = &task.solution.policy;
        let assessment = policy.assess(stage, belief);
        let regret = assessment.estimated_regret(usize::from(action));
        let world = world(spec, task);
        let fixed = matches!(world.nature, NatureRule::Fixed(_)) && task.model().dynamics().len() > 1;
        let mut decision = Decision {
            state: self.episode.state() as u32,
            observation: seen(&self.episode),
            action,
            oracle_action: assessment.action() as u8,
            agrees: assessment.is_optimal(usize::from(action), spec.epsilon),
            reward: 0.0,
            regret: if fixed { f64::NAN } else { self.weight * regret },
            belief: belief.to_vec(),
        };
        let step = self.episode.step(&world, usize::from(action))?;
        decision.reward = step.reward;
        self.total += self.weight * step.reward;
        self.weight *= task.model().discount();
        self.record.push(decision);
        let mut ids = Vec::new();
        if self.record.len() < horizon {
            encoder.push_step(action, step.reward, step.seen as i32, &mut ids)?;
        }
        Ok(ids)
    }
}

fn world<'a>(spec: &Spec, task: &'a SolvedTask) -> World<'a> {
    World { model: task.model(), policy: Some(task.policy()), nature: spec.acting_nature() }
}

fn seen(episode: &Episode) -> i32 {
    episode.seen().map_or(-1, |o| o as i32)
}

/// Solves a range of tasks in parallel, in order, telling the hook after each.
pub(crate) fn solve_tasks(
    spec: &Spec,
    names: &Resolved,
    indices: std::ops::Range<u64>,
    hook: Hook<'_>,
) -> Result<Vec<SolvedTask>, StudyError> {
    let total = (indices.end - indices.start) as usize;
    let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    indices
        .into_par_iter()
        .map(|index| {
            // Asked before, during and after every solve, so that one long solve can be cancelled too.
            let cancelled = || {
                let progress = Progress { phase: "solve", done: done.load(Ordering::Relaxed), total };
                if hook(progress).is_break() {
                    stop.store(true, Ordering::Relaxed);
                }
                stop.load(Ordering::Relaxed)
            };
            if cancelled() {
                return Err(StudyError::Cancelled);
            }
            let solved = SolvedTask::solve(spec, names, index, &cancelled)?;
            done.fetch_add(1, Ordering::Relaxed);
            Ok(solved)
        })
        .collect()
}
