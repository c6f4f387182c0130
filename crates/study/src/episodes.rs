//! Evaluation episodes: many tasks, all stepped together, by whoever gives the actions.
//!
//! This is the world. It knows no tokenizer and no method: it hands out the structured support, then what is seen and earned, and takes
//! actions. Agents of `tiresias-agents` play in it by one call ([`Episodes::play`]); a language model reads it through
//! [`Prompts`](crate::Prompts); anyone else steps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;
use tiresias_agents::{Context, Known, Method, Percept, Shape, Trajectories};
use tiresias_encode::QueryReward;
use tiresias_model::random::{Key, unit53};
use tiresias_sim::{Episode, NatureRule, World};
use tiresias_solve::{random_value, staged_policy_value};

use crate::labels::{Labels, Teacher, Teachers};
use crate::spec::Resolved;
use crate::support::SupportSet;
use crate::{Agents, Hook, Progress, QueryNature, SolvedTask, Spec, StudyError};

/// One episode of one task.
struct Row {
    /// Which of the tasks.
    task: usize,
    /// The number of the episode on its task, by which its random numbers are drawn.
    index: u64,
    episode: Episode,
    total: f64,
    weight: f64,
    /// Value of the policy that acts, where it is a table; else NaN.
    value: f64,
    /// The model that moved the world last, where nature's choice is seen.
    told: Option<usize>,
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
    shape: Shape,
    /// Whether whoever acts sees what an action earned.
    shows_rewards: bool,
    tasks: Arc<Vec<SolvedTask>>,
    /// Of each task the policy that labels examples, where that is not the task's oracle.
    teachers: Arc<Vec<Option<Arc<Teacher>>>>,
    /// Of each row.
    support: Arc<Vec<SupportSet>>,
    /// Episodes that were played before on each row of a deployment.
    before: u64,
    rows: Vec<Row>,
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
    /// Value of the policy that acted, computed: of an MDP's policy that is a table. NaN where it is not known.
    pub values: Vec<f64>,
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
    /// Per task: bounds on the value of its cloud's static form; empty unless the labels are `static`.
    pub static_bounds: Vec<(f64, f64)>,
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
    /// Draws and solves the tasks and draws their support, in parallel on the current rayon pool.
    pub fn create(spec: &Spec, hook: Hook<'_>) -> Result<Self, StudyError> {
        let names = spec.resolve()?;
        spec.check_episodes_fit(&names)?;
        let tasks = solve_tasks(spec, &names, spec.first_task..spec.first_task + spec.tasks as u64, hook)?;
        let shape = tasks[0].shape(spec);
        if let Some(task) = tasks.iter().find(|task| task.shape(spec) != shape) {
            return Err(StudyError::Spec(format!("task {} differs in shape from task {}", task.index, tasks[0].index)));
        }
        let solved = Progress { phase: "solve", done: spec.tasks, total: spec.tasks };
        let cancelled = || hook(solved).is_break();
        let teachers = teachers(spec, &names, &tasks, &cancelled)?;
        let support_of = |task: &SolvedTask| -> Result<Vec<SupportSet>, StudyError> {
            let batch = task.support(spec, &names, (0, spec.episodes_per_task), &cancelled)?;
            let count = spec.support.trajectories;
            Ok((0..spec.episodes_per_task).map(|i| SupportSet::of(&batch, count, i)).collect())
        };
        let support: Vec<Vec<SupportSet>> = tasks.par_iter().map(support_of).collect::<Result<_, _>>()?;
        let mut episodes = Self {
            spec: spec.clone(),
            shape,
            shows_rewards: names.template.query_reward == QueryReward::Shown,
            tasks: Arc::new(tasks),
            teachers: Arc::new(teachers),
            support: Arc::new(support.into_iter().flatten().collect()),
            before: 0,
            rows: Vec::new(),
        };
        episodes.rows = episodes.fresh_rows();
        Ok(episodes)
    }

    /// All episodes at their start.
    fn fresh_rows(&self) -> Vec<Row> {
        let episodes = self.spec.episodes_per_task as u64;
        let first = self.before * episodes;
        let rows = self.tasks.iter().enumerate().flat_map(|(at, task)| {
            let key: Key = task.key(&self.spec, "query");
            (first..first + episodes).map(move |index| Row {
                task: at,
                index,
                episode: Episode::start(&world(&self.spec, task), key, index),
                total: 0.0,
                weight: 1.0,
                value: f64::NAN,
                told: None,
                record: Vec::with_capacity(self.shape.horizon),
            })
        });
        rows.collect()
    }

    /// The same tasks, support and random numbers with another nature moving the world; nothing is solved again.
    pub fn with_query_nature(&self, nature: QueryNature) -> Result<Self, StudyError> {
        let spec = Spec { query_nature: nature, ..self.spec.clone() };
        spec.check()?;
        Ok(self.sharing(spec))
    }

    /// The same episodes at their start, whatever happened in these; they share tasks and support.
    #[must_use]
    pub fn fresh(&self) -> Self {
        self.sharing(self.spec.clone())
    }

    /// The first episode of a deployment: the same tasks, of which nothing is shown and nothing was played.
    #[must_use]
    pub fn deployed(&self) -> Self {
        self.continued(self.rows.iter().map(|_| SupportSet::default()).collect(), 0)
    }

    /// The next episode of a deployment, once these are [`done`](Self::done): what was just played is the last trajectory of each row's
    /// support, which keeps the last `keep` of them. Random numbers are those of further episodes on the same tasks.
    pub fn next_episode(&self, keep: usize) -> Result<Self, StudyError> {
        if !self.done() {
            let (stage, horizon) = (self.stage(), self.horizon());
            return Err(StudyError::Actions(format!(
                "decision {stage} of {horizon}: play these episodes to their end"
            )));
        }
        let follow = |(row, support): (&Row, &SupportSet)| {
            let steps = row.record.iter().map(|d| (d.observation, d.action, d.reward));
            support.followed_by(steps, keep * self.horizon())
        };
        Ok(self.continued(self.rows.iter().zip(&*self.support).map(follow).collect(), self.before + 1))
    }

    fn continued(&self, support: Vec<SupportSet>, before: u64) -> Self {
        let mut episodes = self.sharing(self.spec.clone());
        (episodes.support, episodes.before) = (Arc::new(support), before);
        episodes.reset();
        episodes
    }

    fn sharing(&self, spec: Spec) -> Self {
        let mut episodes = Self {
            spec,
            shape: self.shape.clone(),
            shows_rewards: self.shows_rewards,
            tasks: Arc::clone(&self.tasks),
            teachers: Arc::clone(&self.teachers),
            support: Arc::clone(&self.support),
            before: self.before,
            rows: Vec::new(),
        };
        episodes.rows = episodes.fresh_rows();
        episodes
    }

    /// Bytes that the episodes take, with their tasks, oracles and support.
    pub fn bytes(&self) -> usize {
        let Self { spec: _, shape: _, shows_rewards: _, tasks, teachers, support, before: _, rows } = self;
        let teachers = teachers.iter().flatten().map(|teacher| teacher.bytes()).sum::<usize>();
        let row = |row: &Row| {
            let beliefs: usize = row.record.iter().map(|decision| size_of_val(&decision.belief[..])).sum();
            size_of::<Row>() + row.episode.bytes() + row.record.capacity() * size_of::<Decision>() + beliefs
        };
        let tasks = tasks.iter().map(SolvedTask::bytes).sum::<usize>();
        let support = support.iter().map(|set| size_of::<SupportSet>() + set.bytes()).sum::<usize>();
        tasks + teachers + support + rows.iter().map(row).sum::<usize>()
    }

    /// The specification.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What the tasks look like from outside.
    pub fn shape(&self) -> &Shape {
        &self.shape
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
        self.shape.actions
    }

    /// Decisions per episode.
    pub fn horizon(&self) -> usize {
        self.shape.horizon
    }

    /// Decisions made so far.
    pub fn stage(&self) -> usize {
        self.rows[0].record.len()
    }

    /// Whether every episode is over.
    pub fn done(&self) -> bool {
        self.stage() == self.horizon()
    }

    /// Whether whoever acts sees what an action earned.
    pub fn shows_rewards(&self) -> bool {
        self.shows_rewards
    }

    /// The support trajectories of a row.
    pub fn support(&self, row: usize) -> Trajectories<'_> {
        self.support[row].trajectories(self.horizon())
    }

    /// What is seen in each row before the next decision: the state, else the last observation; -1 before the first one.
    pub fn seen(&self) -> Vec<i32> {
        self.rows.iter().map(|row| seen(&row.episode)).collect()
    }

    /// What the last decision earned in each row, undiscounted; NaN before the first, and where whoever acts does not see it.
    pub fn earned(&self) -> Vec<f64> {
        let earned = |row: &Row| row.record.last().filter(|_| self.shows_rewards).map_or(f64::NAN, |last| last.reward);
        self.rows.iter().map(earned).collect()
    }

    /// The last decision of a row: what was done, what it earned, what is seen since. `None` before the first.
    pub(crate) fn last(&self, row: usize) -> Option<(u8, f64, i32)> {
        let row = &self.rows[row];
        row.record.last().map(|last| (last.action, last.reward, seen(&row.episode)))
    }

    /// What the oracle would do now.
    pub fn oracle_actions(&self) -> Vec<u8> {
        let action = |row: &Row| row.episode.action_of(self.tasks[row.task].policy()) as u8;
        self.rows.par_iter().map(action).collect()
    }

    /// What the policy would do now that labels the examples of the specification. It goes by what was seen and done in the episode.
    pub fn teacher_actions(&self) -> Result<Vec<u8>, StudyError> {
        let action = |row: &Row| {
            let task = &self.tasks[row.task];
            let Some(teacher) = &self.teachers[row.task] else { return Ok(row.episode.action_of(task.policy()) as u8) };
            let [high, low, ..] = task.key(&self.spec, "plan").block(row.index, 0, 0);
            let symbol = |seen: i32| usize::try_from(seen).ok();
            let mut history = row.record.iter().map(|d| d.observation).chain([seen(&row.episode)]).map(symbol);
            let mut follower = teacher.begin(history.next().flatten(), None, unit53(high, low));
            for (decision, seen) in row.record.iter().zip(history) {
                let ruled_out = |source| StudyError::Labels { index: task.index, source };
                follower.step(usize::from(decision.action), seen).map_err(ruled_out)?;
            }
            Ok(follower.look().0 as u8)
        };
        self.rows.par_iter().map(action).collect()
    }

    /// A uniformly random action in each row, from the episode's own stream.
    pub fn random_actions(&self) -> Vec<u8> {
        self.rows.iter().map(|row| row.episode.random_action(self.shape.actions) as u8).collect()
    }

    /// Acts in every row.
    pub fn step(&mut self, actions: &[u8]) -> Result<(), StudyError> {
        if actions.len() != self.rows.len() {
            let (got, want) = (actions.len(), self.rows.len());
            return Err(StudyError::Actions(format!("{got} actions for {want} episodes; give one for each")));
        }
        let count = self.shape.actions;
        if let Some((row, action)) = actions.iter().enumerate().find(|(_, a)| usize::from(**a) >= count) {
            return Err(StudyError::Actions(format!("row {row}: action {action} of {count} does not exist")));
        }
        if self.done() {
            let horizon = self.horizon();
            return Err(StudyError::Actions(format!("the episodes are over after {horizon} decisions; reset first")));
        }
        let (spec, tasks) = (&self.spec, &self.tasks);
        self.rows.par_iter_mut().zip(actions).try_for_each(|(row, &action)| row.step(spec, &tasks[row.task], action))
    }

    /// Back to the start of every episode, with the same random numbers.
    pub fn reset(&mut self) {
        self.rows = self.fresh_rows();
    }

    /// Plays every episode from its start to its end, rows in parallel on the current rayon pool. `hook` hears of episodes done, in the
    /// phase `play`.
    pub fn play(&mut self, agents: &Agents, hook: Hook<'_>) -> Result<(), StudyError> {
        self.reset();
        let (done, total, stop) = (AtomicUsize::new(0), self.rows.len(), AtomicBool::new(false));
        let check = || {
            let progress = Progress { phase: "play", done: done.load(Ordering::Relaxed), total };
            if hook(progress).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
            if stop.load(Ordering::Relaxed) { Err(StudyError::Cancelled) } else { Ok(()) }
        };
        let acting = |source| StudyError::Acting { method: agents.name(), source };
        let method_of = |task: &SolvedTask| -> Result<Option<Box<dyn Method>>, StudyError> {
            check()?;
            let knows = agents.knows_task().then(|| agents.method().told(Known { model: task.model() }));
            knows.transpose().map_err(acting)
        };
        let methods: Vec<_> = self.tasks.par_iter().map(method_of).collect::<Result<_, _>>()?;
        let Self { spec, shape, shows_rewards, tasks, teachers: _, support, before: _, rows } = self;
        let tells = agents.knows_task() && spec.acting_nature() == NatureRule::Oracle;
        rows.par_iter_mut().zip(&**support).try_for_each(|(row, support)| {
            check()?;
            let task = &tasks[row.task];
            let context = Context {
                shape,
                support: support.trajectories(shape.horizon),
                key: task.key(spec, "method"),
                episode: row.index,
            };
            let method = methods[row.task].as_deref().unwrap_or(agents.method());
            let mut agent = method.begin(&context).map_err(acting)?;
            if let Some(table) = agent.table().filter(|_| shape.observed() && task.model().dynamics().len() == 1) {
                row.value = staged_policy_value(task.model(), 0, table.probabilities())
                    .map_err(|source| StudyError::Solve { index: task.index, source })?;
            }
            for _ in 0..shape.horizon {
                let percept = Percept {
                    seen: row.episode.seen(),
                    reward: row.record.last().filter(|_| *shows_rewards).map(|last| last.reward),
                    told: row.told.filter(|_| tells),
                };
                let action = agent.act(percept).map_err(acting)?;
                if action >= shape.actions {
                    let problem = format!("method {} took action {action} of {}", agents.name(), shape.actions);
                    return Err(StudyError::Actions(problem));
                }
                row.step(spec, task, action as u8)?;
            }
            done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
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
            horizon: self.shape.horizon,
            ..Outcome::default()
        };
        if self.spec.labels == Labels::Static {
            let of = |(teacher, task): (&Option<Arc<Teacher>>, &SolvedTask)| {
                let own = (task.solution.lower, task.solution.upper);
                teacher.as_ref().and_then(|teacher| teacher.static_bounds()).unwrap_or(own)
            };
            out.static_bounds = self.teachers.iter().zip(&*self.tasks).map(of).collect();
        }
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
            out.values.push(row.value);
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
    fn step(&mut self, spec: &Spec, task: &SolvedTask, action: u8) -> Result<(), StudyError> {
        let (stage, belief) = (self.episode.stage(), self.episode.belief());
        let assessment = task.solution.policy.assess(stage, belief);
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
        decision.reward = task.earned(spec, "query", (self.index, stage), step.reward);
        self.told = Some(step.model);
        self.total += self.weight * decision.reward;
        self.weight *= task.model().discount();
        self.record.push(decision);
        Ok(())
    }
}

fn world<'a>(spec: &Spec, task: &'a SolvedTask) -> World<'a> {
    World { model: task.model(), policy: Some(task.policy()), nature: spec.acting_nature() }
}

fn seen(episode: &Episode) -> i32 {
    episode.seen().map_or(-1, |o| o as i32)
}

/// Of each task the policy that labels, where that is not the task's oracle.
fn teachers(
    spec: &Spec,
    names: &Resolved,
    tasks: &[SolvedTask],
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Option<Arc<Teacher>>>, StudyError> {
    let teachers = Teachers::new(spec, names.family.as_ref())?;
    let shared = teachers.of_all(spec, cancelled)?;
    let of = |task: &SolvedTask| match &shared {
        Some(teacher) => Ok(Some(Arc::clone(teacher))),
        None => Ok(teachers.of_task(task, spec, cancelled)?.map(Arc::new)),
    };
    tasks.par_iter().map(of).collect()
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
