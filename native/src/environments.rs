//! The vector environment: many episodes, stepped together by actions from outside.

use std::sync::Arc;

use napi::bindgen_prelude::{Float64ArraySlice, Int32ArraySlice, Uint8ArraySlice, Uint32ArraySlice};
use rayon::prelude::*;
use tiresias_guard::napi;
use tiresias_model::memory::{self, product};
use tiresias_model::{self as core, ModelError, Nature, Policy as _, random::Key};
use tiresias_sim::{Environments as Lockstep, Level, NatureRule};

use crate::arrays::{Out, apart, place};
use crate::background::{at_once, threads};
use crate::belief::{Filtered, Models, check_length, check_range};
use crate::errors::{Result, coded, from_model, invalid, whole};
use crate::held::{Held, Home, Weigh, disposable};
use crate::model::{Model, SharedModel};
use crate::rollout::{exact, horizon, level, nature, stream};
use crate::solve::Solution;

/// Which episodes a vector environment runs.
#[napi(object)]
#[derive(Clone)]
pub struct EnvironmentsOptions {
    /// Number of episodes that are stepped together.
    pub count: f64,
    /// Seed of the random stream, the same as a rollout's.
    pub seed: f64,
    /// Index of the first episode in the stream (default 0).
    pub first_episode: Option<f64>,
    /// Decisions per episode (default: the model's horizon; none for a model without one).
    pub horizon: Option<f64>,
    /// `fixed:M` (default `fixed:0`) or `resampled`; `adversarial` only where the cloud has one model.
    #[napi(ts_type = "`fixed:${number}` | 'resampled' | 'adversarial'")]
    pub nature: Option<String>,
    /// Follow each decision-maker's belief.
    pub beliefs: Option<bool>,
    /// When the horizon is reached, start the next `count` episodes at once: `step` then gives their first observations, and the last
    /// ones of the episodes that ended as `finalObservations`.
    pub auto_reset: Option<bool>,
    /// Threads of a step (default: the calling thread for few environments, every core for many).
    pub threads: Option<f64>,
    /// Highest SIMD level to use: `baseline`, `avx2` or `avx512` (default: the machine's). All give the same numbers.
    #[napi(ts_type = "'baseline' | 'avx2' | 'avx512'")]
    pub level: Option<String>,
}

/// Many episodes of one model at the same stage.
#[napi]
pub struct Environments(Held<Running>);

disposable!(Environments);

/// Episodes under way.
pub struct Running {
    model: SharedModel,
    lockstep: Lockstep,
    nature: NatureRule,
    level: Level,
    horizon: Option<usize>,
    count: usize,
    auto_reset: bool,
    threads: Option<usize>,
    /// The first episode of the seed, the one that lane 0 runs, and the one that it runs after the next reset.
    origin: u64,
    current: u64,
    next: u64,
    begun: bool,
    beliefs: Option<Beliefs>,
}

/// Below this many environments a step takes less time than waking other threads.
const SMALL: usize = 1 << 14;

#[napi]
impl Environments {
    /// Environments before their first `reset`.
    #[napi(constructor)]
    pub fn new(model: &Model, options: EnvironmentsOptions, solution: Option<&Solution>) -> Result<Self> {
        solution.map_or(Ok(()), |solution| solution.check_solves(&model.0))?;
        let count = whole("count", options.count, 1, u32::MAX)?;
        let nature = nature(options.nature.as_deref(), model.0.dynamics().len())?;
        let origin = options.first_episode.map_or(Ok(0), |first| exact("firstEpisode", first))?;
        let threads = options.threads.map(|n| threads(Some(n))).transpose()?;
        let (level, horizon) = (level(options.level.as_deref())?, horizon(&model.0, options.horizon, solution)?);
        let beliefs = options.beliefs.unwrap_or(false);
        // What a step writes is the caller's, but it is needed too.
        let each = if beliefs { product(&[model.0.states().len(), 8]) } else { 0 }.saturating_add(18);
        let needed = Lockstep::bytes_for(count).saturating_add(product(&[count, each]));
        memory::check(needed, || format!("{count} environments"), "step fewer together").map_err(invalid)?;
        let beliefs = beliefs.then(|| Beliefs::new(model.0.clone(), solution.cloned(), count, level)).transpose()?;
        let running = Running {
            model: model.0.clone(),
            lockstep: lockstep(&model.0, nature, stream(options.seed)?, count, level)?,
            nature,
            level,
            horizon,
            count,
            auto_reset: options.auto_reset.unwrap_or(false),
            threads,
            origin,
            current: origin,
            next: origin,
            begun: false,
            beliefs,
        };
        Ok(Self(Held::new(&Home::here(), running)))
    }

    /// Number of environments.
    #[napi(getter)]
    pub fn count(&self) -> u32 {
        self.0.count as u32
    }

    /// Decisions an episode; `null` for no limit.
    #[napi(getter)]
    pub fn horizon(&self) -> Option<u32> {
        self.0.horizon.map(|horizon| horizon as u32)
    }

    /// Decisions made since the reset.
    #[napi(getter)]
    pub fn stage(&self) -> u32 {
        self.0.lockstep.stage() as u32
    }

    /// Index of lane 0's episode in the stream; lane i runs this plus i.
    #[napi(getter)]
    pub fn first_episode(&self) -> f64 {
        self.0.current as f64
    }

    /// Starts episodes and writes what is seen before acting: the state, or -1 where it is hidden. Without arguments these are the
    /// next `count` of the stream; with a seed, the first ones of that seed's.
    #[napi]
    pub fn reset(
        &mut self,
        seed: Option<f64>,
        first_episode: Option<f64>,
        mut observations: Int32ArraySlice,
    ) -> Result<()> {
        let mut running = self.0.write();
        let running = &mut *running;
        check_length("observations", observations.len(), running.count)?;
        let from = first_episode.map(|first| exact("firstEpisode", first)).transpose()?;
        if let Some(seed) = seed {
            running.lockstep = lockstep(&running.model, running.nature, stream(seed)?, running.count, running.level)?;
            running.next = running.origin;
        }
        let first = from.unwrap_or(running.next);
        let (small, observations) = (running.count < SMALL, observations.out());
        at_once(running.threads, small, || {
            running.start(first, observations);
            Ok(())
        })
    }

    /// Acts in every environment. Writes what is seen next, the realised rewards, whether the state reached ends the episode for good
    /// (a terminal state, or the model's own horizon) and whether only the limit asked for does.
    #[napi]
    pub fn step(
        &mut self,
        actions: &[u8],
        mut observations: Int32ArraySlice,
        mut rewards: Float64ArraySlice,
        mut terminated: Uint8ArraySlice,
        mut truncated: Uint8ArraySlice,
        mut final_observations: Option<Int32ArraySlice>,
    ) -> Result<()> {
        let mut running = self.0.write();
        let running = &mut *running;
        let arrays = [
            ("actions", actions.len()),
            ("observations", observations.len()),
            ("rewards", rewards.len()),
            ("terminated", terminated.len()),
            ("truncated", truncated.len()),
        ];
        arrays.into_iter().try_for_each(|(what, len)| check_length(what, len, running.count))?;
        let last = final_observations.as_ref().map_or(&[][..], |last| last);
        if final_observations.is_some() {
            check_length("final observations", last.len(), running.count)?;
        }
        let read = [place(actions), place(last)];
        apart(&[read, [place(&observations), place(&rewards)], [place(&terminated), place(&truncated)]].concat())?;
        check_range("action", actions, running.model.actions().len())?;
        if !running.begun {
            return Err(coded("NOT_RESET", "no episode is running: call reset() first"));
        }
        let (threads, small) = (running.threads, running.count < SMALL);
        let (observations, rewards) = (observations.out(), rewards.out());
        let (terminated, truncated) = (terminated.out(), truncated.out());
        let last = final_observations.as_mut().map(Out::out);
        at_once(threads, small, || running.act(actions, observations, rewards, terminated, truncated, last))
    }

    /// Writes the hidden states.
    #[napi]
    pub fn states(&self, mut out: Uint32ArraySlice) -> Result<()> {
        check_length("states", out.len(), self.0.count)?;
        out.out().copy_from_slice(self.0.lockstep.states());
        Ok(())
    }

    /// Writes the decision-makers' beliefs, count × S: point masses where the state is seen.
    #[napi]
    pub fn beliefs(&self, mut out: Float64ArraySlice) -> Result<()> {
        let Some(beliefs) = &self.0.beliefs else {
            return Err(invalid("these environments follow no beliefs: make them with the option beliefs"));
        };
        check_length("beliefs", out.len(), self.0.count * self.0.model.states().len())?;
        beliefs.read(self.0.lockstep.states(), out.out());
        Ok(())
    }
}

impl Weigh for Running {
    const CLASS: &'static str = "Environments";

    fn weight(&self) -> usize {
        self.lockstep.bytes() + self.beliefs.as_ref().map_or(0, Beliefs::bytes)
    }
}

impl Running {
    fn start(&mut self, first: u64, observations: &mut [i32]) {
        self.lockstep.reset(first, observations);
        (self.current, self.next, self.begun) = (first, first.wrapping_add(self.count as u64), true);
        if let Some(beliefs) = &mut self.beliefs {
            beliefs.reset();
        }
    }

    fn act(
        &mut self,
        actions: &[u8],
        observations: &mut [i32],
        rewards: &mut [f64],
        terminated: &mut [u8],
        truncated: &mut [u8],
        final_observations: Option<&mut [i32]>,
    ) -> Result<()> {
        let stage = self.lockstep.stage();
        self.lockstep.step(actions, rewards, observations);
        if let Some(beliefs) = &mut self.beliefs
            && let Err(error) = beliefs.update(stage, actions, observations)
        {
            self.begun = false;
            return Err(from_model(error));
        }
        let over = self.horizon == Some(stage + 1);
        let natural = self.model.horizon() == Some(stage + 1);
        for (terminated, &state) in terminated.iter_mut().zip(self.lockstep.states()) {
            *terminated = u8::from(over && natural || self.model.is_terminal(state as usize));
        }
        for (truncated, &terminated) in truncated.iter_mut().zip(&*terminated) {
            *truncated = u8::from(over) & !terminated & 1;
        }
        if over && self.auto_reset {
            if let Some(last) = final_observations {
                last.copy_from_slice(observations);
            }
            self.start(self.next, observations);
        } else if over || stage + 2 > LAST_STAGE {
            self.begun = false;
        }
        Ok(())
    }
}

/// Stages are words, of which the last names the draws before the first decision.
const LAST_STAGE: usize = u32::MAX as usize;

fn lockstep(model: &SharedModel, nature: NatureRule, key: Key, count: usize, level: Level) -> Result<Lockstep> {
    Lockstep::new(Arc::clone(model), nature, key, count, level).map_err(invalid)
}

/// The beliefs of decision-makers who act in a model, as a rollout records them.
struct Beliefs {
    model: SharedModel,
    lanes: Lanes,
}

/// How beliefs are kept.
enum Lanes {
    /// The state is seen: nothing to keep.
    Seen,
    /// One model: every lane's belief follows the same filter.
    One { beliefs: Filtered<f64>, likelihoods: Vec<f64> },
    /// A cloud: the model that updates a belief is chosen at the belief itself. Row-major.
    Cloud { solution: Option<Solution>, beliefs: Vec<f64> },
}

impl Beliefs {
    fn new(model: SharedModel, solution: Option<Solution>, count: usize, level: Level) -> Result<Self> {
        let lanes = match model.dynamics().len() {
            _ if model.observations().is_none() => Lanes::Seen,
            1 => Lanes::One { beliefs: Filtered::new(&model, count, level)?, likelihoods: vec![0.0; count] },
            _ => Lanes::Cloud { solution, beliefs: model.start().repeat(count) },
        };
        Ok(Self { model, lanes })
    }

    fn bytes(&self) -> usize {
        match &self.lanes {
            Lanes::Seen => 0,
            Lanes::One { beliefs, likelihoods } => beliefs.bytes() + size_of_val(&likelihoods[..]),
            Lanes::Cloud { solution: _, beliefs } => size_of_val(&beliefs[..]),
        }
    }

    fn reset(&mut self) {
        let start = self.model.start();
        match &mut self.lanes {
            Lanes::Seen => {}
            Lanes::One { beliefs, .. } => beliefs.reset(),
            Lanes::Cloud { beliefs, .. } => {
                beliefs.chunks_exact_mut(start.len()).for_each(|b| b.copy_from_slice(start));
            }
        }
    }

    fn update(&mut self, stage: usize, actions: &[u8], observations: &[i32]) -> Result<(), ModelError> {
        let model = &*self.model;
        let impossible = |lane: usize| ModelError::ImpossibleObservation {
            action: actions[lane].into(),
            observation: observations[lane] as usize,
            models: model.dynamics().len(),
        };
        match &mut self.lanes {
            Lanes::Seen => Ok(()),
            Lanes::One { beliefs, likelihoods } => {
                beliefs.update(Models::Same(0), actions, observations, likelihoods);
                likelihoods.iter().position(|&p| p == f64::NEG_INFINITY).map_or(Ok(()), |lane| Err(impossible(lane)))
            }
            Lanes::Cloud { solution, beliefs } => {
                let policy = solution.as_ref().map(|solution| &solution.inner.policy);
                let s = model.states().len();
                let lanes = beliefs.par_chunks_exact_mut(s).with_min_len(64).zip(actions).zip(observations);
                lanes.try_for_each_init(
                    || vec![0.0; s],
                    |scratch, ((belief, &action), &seen)| {
                        let (action, seen) = (usize::from(action), seen as usize);
                        let answer =
                            policy.map_or(Nature { minimiser: 0, maximiser: 0 }, |p| p.nature(stage, belief, action));
                        core::belief::update_under_ambiguity(model, answer, belief, action, seen, scratch)?;
                        belief.copy_from_slice(scratch);
                        Ok(())
                    },
                )
            }
        }
    }

    fn read(&self, states: &[u32], out: &mut [f64]) {
        match &self.lanes {
            Lanes::Seen => {
                out.fill(0.0);
                let rows = out.chunks_exact_mut(self.model.states().len());
                rows.zip(states).for_each(|(row, &state)| row[state as usize] = 1.0);
            }
            Lanes::One { beliefs, .. } => beliefs.read(out),
            Lanes::Cloud { beliefs, .. } => out.copy_from_slice(beliefs),
        }
    }
}
