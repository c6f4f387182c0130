//! Batched rollouts.

use std::time::{Duration, Instant};

use napi::bindgen_prelude::{
    Float64Array, Float64ArraySlice, Int32Array, Int32ArraySlice, Uint8Array, Uint8ArraySlice, Uint32Array,
    Uint32ArraySlice,
};
use tiresias_guard::napi;
use tiresias_model::memory::{self, product};
use tiresias_model::{Model as CoreModel, Policy, random::Key};
use tiresias_sim::{Batch, Behaviour, Columns, Level, NatureRule, Record, RolloutSpec, Simulator};
use tiresias_solve::ActingPolicy;

use crate::arrays::{Out, apart, place};
use crate::background::{Background, CancelToken, ProgressCallback, Reporter, background, guarded, pool, threads};
use crate::errors::{Result, from_model, invalid, whole};
use crate::model::{Model, SharedModel};
use crate::solve::Solution;
use crate::study::StageProgress;

/// Which episodes to roll out.
#[napi(object)]
#[derive(Clone)]
pub struct RolloutOptions {
    /// `oracle`, `random`, `epsilon:X` or `mixture:oracle=0.5,random=0.5`.
    #[napi(ts_type = "'oracle' | 'random' | `epsilon:${number}` | `mixture:${string}`")]
    pub behaviour: String,
    /// Number of episodes.
    pub episodes: f64,
    /// Seed of the random stream.
    pub seed: f64,
    /// Index of the first episode in the stream (default 0): episodes 100 to 199 are the same whether 0 to 99 were drawn or not.
    pub first_episode: Option<f64>,
    /// Decisions per episode (default: the model's horizon).
    pub horizon: Option<f64>,
    /// `fixed:M` (default `fixed:0`), `resampled` or `adversarial`.
    #[napi(ts_type = "`fixed:${number}` | 'resampled' | 'adversarial'")]
    pub nature: Option<String>,
    /// The columns to record: any of `states`, `observations`, `actions`, `rewards`, `beliefs` (default: all but beliefs). An empty
    /// list leaves the returns only.
    #[napi(ts_type = "readonly ('states' | 'observations' | 'actions' | 'rewards' | 'beliefs')[]")]
    pub record: Option<Vec<String>>,
    /// Adds beliefs to the default columns.
    pub beliefs: Option<bool>,
    /// Threads (default: one per core).
    pub threads: Option<f64>,
    /// Highest SIMD level to use: `baseline`, `avx2` or `avx512` (default: the machine's). All give the same numbers.
    #[napi(ts_type = "'baseline' | 'avx2' | 'avx512'")]
    pub level: Option<String>,
}

/// Recorded episodes; arrays are row-major, episodes × horizon. Columns that were not recorded are left out.
#[napi(object, object_from_js = false)]
pub struct Rollouts {
    /// Number of episodes.
    pub episodes: u32,
    /// Decisions an episode.
    pub horizon: u32,
    /// Discounted return of each episode.
    pub returns: Float64Array,
    /// Hidden state before each decision.
    pub states: Option<Uint32Array>,
    /// What the decision-maker saw before each decision; -1 before the first observation.
    pub observations: Option<Int32Array>,
    /// The actions taken.
    pub actions: Option<Uint8Array>,
    /// Realised rewards, undiscounted.
    pub rewards: Option<Float64Array>,
    /// Belief before each decision, episodes × horizon × S.
    pub beliefs: Option<Float64Array>,
}

/// Integers that JavaScript's numbers hold exactly.
pub fn exact(what: &str, value: f64) -> Result<u64> {
    if (0.0..9_007_199_254_740_992.0).contains(&value) && value.fract() == 0.0 {
        Ok(value as u64)
    } else {
        Err(invalid(format!("{what} {value} is not an integer in [0, 2^53)")))
    }
}

/// The stream that all rollouts of a seed come from.
pub fn stream(seed: f64) -> Result<Key> {
    Ok(Key::named(exact("seed", seed)?, &["rollout"], &[]))
}

/// The rule that nature picks models by.
pub fn nature(rule: Option<&str>, models: usize) -> Result<NatureRule> {
    let rule = rule.unwrap_or("fixed:0");
    match (rule, rule.strip_prefix("fixed:").map(str::parse::<usize>)) {
        ("resampled", _) => Ok(NatureRule::Resampled),
        ("adversarial", _) => Ok(NatureRule::Oracle),
        (_, Some(Ok(m))) if m < models => Ok(NatureRule::Fixed(m)),
        _ => Err(invalid(format!("nature {rule:?}: expected resampled, adversarial or fixed:M with M < {models}"))),
    }
}

/// The SIMD level under a cap.
pub fn level(cap: Option<&str>) -> Result<Level> {
    let best = Level::best();
    cap.map_or(Ok(best), |cap| cap.parse::<Level>().map(|cap| cap.min(best)).map_err(invalid))
}

/// Decisions an episode: what was asked for, else the model's own; `None` where neither says. A solution's policy knows no stage
/// beyond its own horizon.
pub fn horizon(model: &CoreModel, asked: Option<f64>, solution: Option<&Solution>) -> Result<Option<usize>> {
    let horizon = asked.map(|h| whole("horizon", h, 1, u32::MAX)).transpose()?.or(model.horizon());
    if let Some(own) = solution.and_then(|solution| solution.model.horizon())
        && horizon.is_none_or(|horizon| horizon > own)
    {
        let long = horizon.map_or("unlimited".into(), |horizon| horizon.to_string());
        return Err(invalid(format!("horizon {long} is longer than the solution's {own}")));
    }
    Ok(horizon)
}

/// Which columns to record, and whether beliefs are among them.
fn columns(options: &RolloutOptions) -> Result<(Record, bool)> {
    let Some(names) = &options.record else { return Ok((Record::ALL, options.beliefs.unwrap_or(false))) };
    let (mut record, mut beliefs) = (Record::RETURNS, false);
    for name in names {
        match name.as_str() {
            "states" => record.states = true,
            "observations" => record.observations = true,
            "actions" => record.actions = true,
            "rewards" => record.rewards = true,
            "beliefs" => beliefs = true,
            _ => {
                return Err(invalid(format!(
                    "record: {name:?} is not a column; expected states, observations, actions, rewards or beliefs"
                )));
            }
        }
    }
    Ok((record, beliefs))
}

struct Job {
    model: SharedModel,
    solution: Option<Solution>,
    behaviour: Behaviour,
    nature: NatureRule,
    horizon: usize,
    first_episode: u64,
    episodes: usize,
    key: Key,
    record: Record,
    beliefs: bool,
    level: Level,
}

impl Job {
    fn new(model: &Model, options: &RolloutOptions, solution: Option<&Solution>) -> Result<Self> {
        let behaviour: Behaviour = options.behaviour.parse().map_err(invalid)?;
        solution.map_or(Ok(()), |solution| solution.check_solves(&model.0))?;
        if behaviour.needs_oracle() && solution.is_none() {
            return Err(invalid(format!("behaviour {behaviour} needs a solution; solve the model first")));
        }
        let models = model.0.dynamics().len();
        let nature = nature(options.nature.as_deref(), models)?;
        if nature == NatureRule::Oracle && models > 1 && solution.is_none() {
            return Err(invalid("nature adversarial needs a solution; solve the model first"));
        }
        let horizon = horizon(&model.0, options.horizon, solution)?;
        let horizon = horizon.ok_or_else(|| invalid("a model without a horizon needs the option horizon"))?;
        if model.0.actions().len() > 256 {
            return Err(invalid("recorded actions are bytes: at most 256 actions"));
        }
        let episodes = whole("episodes", options.episodes, 1, u32::MAX)?;
        let (record, beliefs) = columns(options)?;
        let job = Self {
            model: model.0.clone(),
            solution: solution.cloned(),
            behaviour,
            nature,
            horizon,
            first_episode: options.first_episode.map_or(Ok(0), |first| exact("firstEpisode", first))?,
            episodes,
            key: stream(options.seed)?,
            record,
            beliefs,
            level: level(options.level.as_deref())?,
        };
        let step = job.step_bytes();
        let needed = product(&[episodes, product(&[horizon, step]).saturating_add(8)]);
        let what = || format!("{episodes} episodes of {horizon} decisions, {step} bytes a decision,");
        memory::check(needed, what, "roll out fewer at a time or record less").map_err(invalid)?;
        Ok(job)
    }

    /// Recorded bytes a decision.
    fn step_bytes(&self) -> usize {
        let Record { states, observations, actions, rewards } = self.record;
        let [states, observations, actions, rewards, beliefs] =
            [states, observations, actions, rewards, self.beliefs].map(usize::from);
        4 * states + 4 * observations + actions + 8 * rewards + 8 * self.model.states().len() * beliefs
    }

    /// The solution, made ready to act.
    fn acting(&self) -> Option<ActingPolicy<'_>> {
        self.solution.as_ref().map(|solution| ActingPolicy::new(&solution.inner.policy))
    }

    /// The model, the policy and the behaviour, compiled.
    fn simulator<'a>(&'a self, acting: Option<&'a ActingPolicy<'_>>) -> Simulator<'a> {
        Simulator::new(&RolloutSpec {
            model: &self.model,
            policy: acting.map(|policy| policy as &dyn Policy),
            behaviour: &self.behaviour,
            nature: self.nature,
            horizon: self.horizon,
            first_episode: self.first_episode,
            episodes: self.episodes,
            key: self.key,
            record_beliefs: self.beliefs,
        })
    }

    fn run(&self, cancel: &CancelToken) -> Result<Rollouts> {
        let mut batch = Batch::default();
        let (acting, stop) = (self.acting(), || cancel.cancelled());
        let simulator = self.simulator(acting.as_ref()).stopping(&stop);
        let run = simulator.run(self.first_episode, self.episodes, self.record, self.level, &mut batch);
        cancel.check()?;
        run.map_err(from_model)?;
        Ok(self.hand_over(batch))
    }

    /// [`run`](Self::run) in pieces, between which it reports. An episode's numbers depend on its index only,
    /// so the pieces are free.
    fn run_in_pieces(&self, cancel: &CancelToken, reporter: &Reporter<StageProgress>) -> Result<Rollouts> {
        let (acting, stop) = (self.acting(), || cancel.cancelled());
        let simulator = self.simulator(acting.as_ref()).stopping(&stop);
        let (mut all, mut piece) = (self.reserved(), Batch::default());
        let (mut done, mut size) = (0, self.piece());
        while done < self.episodes {
            let (n, began) = (size.min(self.episodes - done), Instant::now());
            let first = self.first_episode + done as u64;
            let run = simulator.run(first, n, self.record, self.level, &mut piece);
            cancel.check()?;
            run.map_err(from_model)?;
            all.states.extend_from_slice(&piece.states);
            all.observations.extend_from_slice(&piece.observations);
            all.actions.extend_from_slice(&piece.actions);
            all.rewards.extend_from_slice(&piece.rewards);
            all.returns.extend_from_slice(&piece.returns);
            all.beliefs.extend_from_slice(&piece.beliefs);
            done += n;
            if began.elapsed() > LONG_PIECE {
                size = (size / 2).max(1);
            }
            let (done, total) = (done as u32, self.episodes as u32);
            reporter.report(done == total, || StageProgress { done, total, phase: "rollout".into() });
        }
        Ok(self.hand_over(all))
    }

    /// Episodes a piece at first: what fits a second-level cache, so that adding it to the rest costs little.
    fn piece(&self) -> usize {
        ((rayon::current_num_threads() << 16) / self.horizon).max(1)
    }

    /// An empty batch with room for every episode.
    fn reserved(&self) -> Batch {
        let steps = self.episodes * self.horizon;
        let room = |recorded: bool| if recorded { steps } else { 0 };
        Batch {
            states: Vec::with_capacity(room(self.record.states)),
            observations: Vec::with_capacity(room(self.record.observations)),
            actions: Vec::with_capacity(room(self.record.actions)),
            rewards: Vec::with_capacity(room(self.record.rewards)),
            returns: Vec::with_capacity(self.episodes),
            beliefs: Vec::with_capacity(room(self.beliefs) * self.model.states().len()),
            ..Batch::default()
        }
    }

    fn hand_over(&self, batch: Batch) -> Rollouts {
        let Record { states, observations, actions, rewards } = self.record;
        Rollouts {
            episodes: self.episodes as u32,
            horizon: self.horizon as u32,
            returns: Float64Array::new(batch.returns),
            states: states.then(|| Uint32Array::new(batch.states)),
            observations: observations.then(|| Int32Array::new(batch.observations)),
            actions: actions.then(|| Uint8Array::new(batch.actions)),
            rewards: rewards.then(|| Float64Array::new(batch.rewards)),
            beliefs: self.beliefs.then(|| Float64Array::new(batch.beliefs)),
        }
    }
}

/// A piece that took longer is followed by a smaller one: about so often may a slow rollout report.
const LONG_PIECE: Duration = Duration::from_millis(50);

/// Rolls out on the calling thread; see `rollout`.
#[napi]
pub fn rollout_sync(model: &Model, options: RolloutOptions, solution: Option<&Solution>) -> Result<Rollouts> {
    let job = Job::new(model, &options, solution)?;
    let pool = pool(threads(options.threads)?)?;
    guarded(|| pool.install(|| job.run(&CancelToken::new())))
}

/// Rolls out on the calling thread into arrays that the caller owns: no memory is touched for the first time, which costs more than
/// the simulation. The columns of `options.record` (all but beliefs by default) must be given, each of its length.
#[napi]
#[allow(clippy::too_many_arguments)] // One a column.
pub fn rollout_into_sync(
    model: &Model,
    options: RolloutOptions,
    solution: Option<&Solution>,
    mut returns: Float64ArraySlice,
    mut states: Option<Uint32ArraySlice>,
    mut observations: Option<Int32ArraySlice>,
    mut actions: Option<Uint8ArraySlice>,
    mut rewards: Option<Float64ArraySlice>,
    mut beliefs: Option<Float64ArraySlice>,
) -> Result<()> {
    let job = Job::new(model, &options, solution)?;
    let pool = pool(threads(options.threads)?)?;
    let steps = job.episodes * job.horizon;
    let Record { states: s, observations: o, actions: a, rewards: r } = job.record;
    let belief = usize::from(job.beliefs) * job.model.states().len();
    let given = [
        ("returns", returns.len(), job.episodes, place(&returns)),
        column("states", states.as_deref(), s, steps),
        column("observations", observations.as_deref(), o, steps),
        column("actions", actions.as_deref(), a, steps),
        column("rewards", rewards.as_deref(), r, steps),
        column("beliefs", beliefs.as_deref(), job.beliefs, steps * belief),
    ];
    for (name, len, needed, _) in given {
        if len != needed {
            return Err(invalid(format!("into.{name} has {len} elements where {needed} are needed")));
        }
    }
    apart(&given.map(|(.., place)| place))?;
    guarded(|| {
        let columns = Columns {
            returns: returns.out(),
            states: states.as_mut().map(Out::out).unwrap_or_default(),
            observations: observations.as_mut().map(Out::out).unwrap_or_default(),
            actions: actions.as_mut().map(Out::out).unwrap_or_default(),
            rewards: rewards.as_mut().map(Out::out).unwrap_or_default(),
            beliefs: beliefs.as_mut().map(Out::out).unwrap_or_default(),
        };
        let run = || {
            let acting = job.acting();
            job.simulator(acting.as_ref()).fill(job.first_episode, job.level, columns)
        };
        pool.install(run).map_err(from_model)
    })
}

/// A column's name, how long it is and should be, and where it lies.
fn column<T>(
    name: &'static str,
    array: Option<&[T]>,
    recorded: bool,
    needed: usize,
) -> (&'static str, usize, usize, (usize, usize)) {
    let array = array.unwrap_or_default();
    (name, array.len(), if recorded { needed } else { 0 }, place(array))
}

/// Rolls out in the background. The same numbers for any thread count. Only a rollout that has a callback is made in pieces.
#[napi(ts_return_type = "Promise<Rollouts>")]
pub fn rollout(
    model: &Model,
    options: RolloutOptions,
    solution: Option<&Solution>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
) -> Result<Background<Rollouts>> {
    let job = Job::new(model, &options, solution)?;
    let watched = on_progress.is_some();
    let (cancel, reporter) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    Ok(background(cancel.clone(), threads(options.threads)?, move || {
        if watched { job.run_in_pieces(&cancel, &reporter) } else { job.run(&cancel) }
    }))
}
