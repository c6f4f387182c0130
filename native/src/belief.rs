//! Belief filters: of one acting decision-maker, and of many beliefs together.

use napi::bindgen_prelude::{Either, Float32Array, Float64Array, Float64ArraySlice};
use tiresias_guard::napi;
use tiresias_model::memory::{self, product};
use tiresias_model::{self as core, Nature, Policy as _};
use tiresias_sim::{BeliefBatch as Lanes, BeliefFilter, Level, Real};

use crate::arrays::{Out as _, apart, place};
use crate::background::{at_once, threads};
use crate::errors::{Result, from_model, invalid, whole};
use crate::held::{Held, Home, Weigh, disposable};
use crate::model::{Model, SharedModel, check_action, check_belief};
use crate::rollout::level;
use crate::solve::{Solution, over};

/// Tracks the belief of a decision-maker who acts in a model. In an APOMDP the model that updates the belief is the one that
/// `H^α` selects under the given solution; when it rules the observation out, the one with the largest likelihood.
#[napi]
pub struct BeliefTracker(Held<Tracked>);

disposable!(BeliefTracker);

/// A belief and what it is a belief in.
pub struct Tracked {
    model: SharedModel,
    solution: Option<Solution>,
    belief: Vec<f64>,
    scratch: Vec<f64>,
    stage: usize,
    updated_by: usize,
}

impl Weigh for Tracked {
    const CLASS: &'static str = "BeliefTracker";

    fn weight(&self) -> usize {
        size_of_val(&self.belief[..]) + size_of_val(&self.scratch[..])
    }
}

impl Tracked {
    /// Checks that there is a decision left, of the model's and of the solution's.
    fn check_goes_on(&self) -> Result<()> {
        let horizons = [self.model.horizon(), self.solution.as_ref().and_then(|solution| solution.model.horizon())];
        match horizons.into_iter().flatten().min() {
            Some(horizon) if self.stage >= horizon => Err(over(self.stage, horizon)),
            _ => Ok(()),
        }
    }
}

#[napi]
impl BeliefTracker {
    /// Starts at the model's b0. A cloud of several models needs a solution of it.
    #[napi(constructor)]
    pub fn new(model: &Model, solution: Option<&Solution>) -> Result<Self> {
        if model.0.dynamics().len() > 1 && solution.is_none() {
            return Err(invalid("a belief tracker of several models needs their solution, which selects the model"));
        }
        solution.map_or(Ok(()), |solution| solution.check_solves(&model.0))?;
        let belief = model.0.start().to_vec();
        let scratch = vec![0.0; belief.len()];
        // Nature has nothing to choose from where there is one model.
        let solution = solution.filter(|_| model.0.dynamics().len() > 1).cloned();
        let tracked = Tracked { model: model.0.clone(), solution, belief, scratch, stage: 0, updated_by: 0 };
        Ok(Self(Held::new(&Home::here(), tracked)))
    }

    /// Conditions on an action and what was seen after it; returns the observation's likelihood under the model used.
    /// `IMPOSSIBLE_OBSERVATION` when no model allows it; the belief is then as it was. `INVALID_ARGUMENT` once the horizon is over.
    #[napi]
    pub fn update(&mut self, action: f64, observation: f64) -> Result<f64> {
        let mut tracked = self.0.write();
        tracked.check_goes_on()?;
        let Tracked { model, solution, belief, scratch, stage, updated_by } = &mut *tracked;
        let action = check_action(model, action)?;
        let symbols = model.observations().map_or(model.states().len(), core::Space::len);
        let observation = whole("observation", observation, 0, symbols as u32 - 1)?;
        let nature = match solution {
            Some(solution) => solution.inner.policy.nature(*stage, belief, action),
            None => Nature { minimiser: 0, maximiser: 0 },
        };
        let explained = core::belief::update_under_ambiguity(model, nature, belief, action, observation, scratch)
            .map_err(from_model)?;
        std::mem::swap(belief, scratch);
        *stage += 1;
        *updated_by = explained.model;
        Ok(explained.likelihood)
    }

    /// The belief, length S.
    #[napi]
    pub fn belief(&self) -> Float64Array {
        Float64Array::new(self.0.belief.clone())
    }

    /// Number of updates so far.
    #[napi(getter)]
    pub fn stage(&self) -> u32 {
        self.0.stage as u32
    }

    /// The model of the cloud that made the last update; 0 before the first.
    #[napi(getter)]
    pub fn model(&self) -> u32 {
        self.0.updated_by as u32
    }

    /// Back to b0.
    #[napi]
    pub fn reset(&mut self) {
        let mut tracked = self.0.write();
        let Tracked { model, belief, stage, updated_by, .. } = &mut *tracked;
        belief.copy_from_slice(model.start());
        (*stage, *updated_by) = (0, 0);
    }
}

/// How a batch of beliefs is kept.
#[napi(object)]
#[derive(Clone)]
pub struct BeliefBatchOptions {
    /// Number of beliefs.
    pub count: f64,
    /// `f64` (default) or `f32`: half the memory, and relative errors of about 1e-6.
    #[napi(ts_type = "'f64' | 'f32'")]
    pub precision: Option<String>,
    /// Threads of an update (default: the calling thread for small batches, every core for large ones).
    pub threads: Option<f64>,
    /// Highest SIMD level to use: `baseline`, `avx2` or `avx512` (default: the machine's). All give the same numbers.
    #[napi(ts_type = "'baseline' | 'avx2' | 'avx512'")]
    pub level: Option<String>,
}

/// Beliefs of one precision, and the filters of the models that update them.
pub(crate) struct Filtered<T> {
    filters: Vec<BeliefFilter<T>>,
    lanes: Lanes<T>,
    start: Vec<T>,
    level: Level,
}

impl<T: Real> Filtered<T> {
    pub(crate) fn new(model: &core::Model, count: usize, level: Level) -> Result<Self> {
        let (s, a, m) = (model.states().len(), model.actions().len(), model.dynamics().len());
        let o = model.observations().map_or(s, core::Space::len);
        let needed = product(&[m, BeliefFilter::<T>::bytes_for(model)]).saturating_add(Lanes::<T>::bytes_for(s, count));
        let what = || {
            format!(
                "{count} beliefs over {s} states, with likelihoods of {o} observations after {a} actions under {m} models,"
            )
        };
        memory::check(needed, what, "keep fewer beliefs, or the state itself where it is seen").map_err(invalid)?;
        let start = model.start();
        Ok(Self {
            filters: (0..m).map(|m| BeliefFilter::new(model, m)).collect(),
            lanes: Lanes::new(start, count),
            start: start.iter().map(|&p| T::of(p)).collect(),
            level,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.filters.iter().map(BeliefFilter::bytes).sum::<usize>() + self.lanes.bytes() + size_of_val(&self.start[..])
    }

    pub(crate) fn update(
        &mut self,
        models: Models<'_>,
        actions: &[u8],
        observations: &[i32],
        out: &mut [f64],
    ) -> usize {
        match models {
            Models::Same(m) => self.lanes.update(&self.filters[m], actions, observations, out, self.level),
            Models::Each(models) => {
                let of = |m: usize| (0..models.len()).filter(|&lane| models[lane] as usize == m).collect::<Vec<_>>();
                (0..self.filters.len()).map(|m| self.update_some(m, &of(m), actions, observations, out)).sum()
            }
        }
    }

    /// Updates some lanes by model `m`: gathers them, updates them together, puts them back.
    fn update_some(
        &mut self,
        m: usize,
        some: &[usize],
        actions: &[u8],
        observations: &[i32],
        out: &mut [f64],
    ) -> usize {
        let wide: Vec<f64> = self.start.iter().map(|p| p.wide()).collect();
        let mut gathered = Lanes::new(&wide, some.len());
        let mut belief = Vec::with_capacity(wide.len());
        let mut copy = |from: &Lanes<T>, at: usize, to: &mut Lanes<T>, place: usize| {
            belief.clear();
            belief.extend(from.belief(at));
            to.set(place, &belief);
        };
        some.iter().enumerate().for_each(|(i, &lane)| copy(&self.lanes, lane, &mut gathered, i));
        let actions: Vec<u8> = some.iter().map(|&lane| actions[lane]).collect();
        let observations: Vec<i32> = some.iter().map(|&lane| observations[lane]).collect();
        let mut likelihoods = vec![0.0; some.len()];
        let impossible = gathered.update(&self.filters[m], &actions, &observations, &mut likelihoods, self.level);
        for (i, &lane) in some.iter().enumerate() {
            copy(&gathered, i, &mut self.lanes, lane);
            out[lane] = likelihoods[i];
        }
        impossible
    }

    pub(crate) fn read(&self, out: &mut [T]) {
        for (lane, out) in out.chunks_exact_mut(self.start.len()).enumerate() {
            out.iter_mut().zip(self.lanes.belief(lane)).for_each(|(out, p)| *out = p);
        }
    }

    pub(crate) fn reset(&mut self) {
        (0..self.lanes.len()).for_each(|lane| self.lanes.set(lane, &self.start));
    }

    fn set(&mut self, lane: usize, belief: &[f64]) {
        self.lanes.set(lane, &belief.iter().map(|&p| T::of(p)).collect::<Vec<_>>());
    }
}

/// Which model of the cloud updates a lane.
#[derive(Clone, Copy)]
pub(crate) enum Models<'a> {
    Same(usize),
    Each(&'a [u32]),
}

enum Precision {
    Double(Filtered<f64>),
    Single(Filtered<f32>),
}

/// The same call on either precision.
macro_rules! either {
    ($precision:expr, $beliefs:ident => $call:expr) => {
        match $precision {
            Precision::Double($beliefs) => $call,
            Precision::Single($beliefs) => $call,
        }
    };
}

/// Below this many numbers of beliefs an update takes less time than waking other threads.
const SMALL: usize = 1 << 16;

/// Many beliefs over one model's states, updated together.
#[napi]
pub struct BeliefBatch(Held<Batch>);

disposable!(BeliefBatch);

/// Beliefs, and what they are beliefs in.
pub struct Batch {
    model: SharedModel,
    beliefs: Precision,
    count: usize,
    threads: Option<usize>,
}

impl Weigh for Batch {
    const CLASS: &'static str = "BeliefBatch";

    fn weight(&self) -> usize {
        either!(&self.beliefs, b => b.bytes())
    }
}

#[napi]
impl BeliefBatch {
    /// `count` copies of the start belief b0.
    #[napi(constructor)]
    pub fn new(model: &Model, options: BeliefBatchOptions) -> Result<Self> {
        let count = whole("count", options.count, 1, u32::MAX)?;
        let level = level(options.level.as_deref())?;
        if model.0.actions().len() > 256 {
            return Err(invalid("a batch's actions are bytes: at most 256 actions"));
        }
        let beliefs = match options.precision.as_deref() {
            None | Some("f64") => Precision::Double(Filtered::new(&model.0, count, level)?),
            Some("f32") => Precision::Single(Filtered::new(&model.0, count, level)?),
            Some(other) => return Err(invalid(format!("precision {other:?}: expected f64 or f32"))),
        };
        let threads = options.threads.map(|n| threads(Some(n))).transpose()?;
        Ok(Self(Held::new(&Home::here(), Batch { model: model.0.clone(), beliefs, count, threads })))
    }

    /// Number of beliefs.
    #[napi(getter)]
    pub fn count(&self) -> u32 {
        self.0.count as u32
    }

    /// Conditions every belief on its action and what was seen after it, under one model of the cloud or a model a lane. Writes
    /// `ln Pr(o | b, a)` to `log_likelihoods` and returns how many observations were impossible: -Infinity, and the belief as it was.
    /// Nothing is changed when an argument is out of range.
    #[napi]
    pub fn update(
        &mut self,
        actions: &[u8],
        observations: &[i32],
        mut log_likelihoods: Float64ArraySlice,
        models: Either<f64, &[u32]>,
    ) -> Result<u32> {
        let mut batch = self.0.write();
        let Batch { model, beliefs, count, threads } = &mut *batch;
        let (count, threads, cloud) = (*count, *threads, model.dynamics().len());
        check_length("actions", actions.len(), count)?;
        check_length("observations", observations.len(), count)?;
        check_length("log-likelihoods", log_likelihoods.len(), count)?;
        let symbols = model.observations().map_or(model.states().len(), core::Space::len);
        check_range("action", actions, model.actions().len())?;
        check_range("observation", observations, symbols)?;
        let models = match models {
            Either::A(m) => Models::Same(whole("model", m, 0, cloud as u32 - 1)?),
            Either::B(models) => {
                check_length("models", models.len(), count)?;
                check_range("model", models, cloud)?;
                Models::Each(models)
            }
        };
        apart(&[place(actions), place(observations), place(&log_likelihoods)])?;
        let out = log_likelihoods.out();
        let small = count * model.states().len() < SMALL;
        let update = || Ok(either!(beliefs, b => b.update(models, actions, observations, out)));
        at_once(threads, small, update).map(|impossible| impossible as u32)
    }

    /// The beliefs, count × S, row-major.
    #[napi]
    pub fn beliefs(&self) -> Either<Float64Array, Float32Array> {
        let len = self.0.count * self.0.model.states().len();
        match &self.0.beliefs {
            Precision::Double(beliefs) => {
                let mut out = vec![0.0; len];
                beliefs.read(&mut out);
                Either::A(Float64Array::new(out))
            }
            Precision::Single(beliefs) => {
                let mut out = vec![0.0; len];
                beliefs.read(&mut out);
                Either::B(Float32Array::new(out))
            }
        }
    }

    /// Belief `lane`, length S.
    #[napi]
    pub fn belief(&self, lane: f64) -> Result<Float64Array> {
        let lane = self.lane(lane)?;
        let belief = either!(&self.0.beliefs, b => b.lanes.belief(lane).map(Real::wide).collect::<Vec<_>>());
        Ok(Float64Array::new(belief))
    }

    /// Sets belief `lane`, length S.
    #[napi]
    pub fn set(
        &mut self,
        lane: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
    ) -> Result<()> {
        let lane = self.lane(lane)?;
        let belief = check_belief(&self.0.model, belief)?;
        either!(&mut self.0.write().beliefs, b => b.set(lane, &belief));
        Ok(())
    }

    /// Back to b0: the lanes whose byte is not 0, all of them when there is no mask.
    #[napi]
    pub fn reset(&mut self, mask: Option<&[u8]>) -> Result<()> {
        mask.map_or(Ok(()), |mask| check_length("mask", mask.len(), self.0.count))?;
        let mut batch = self.0.write();
        for lane in (0..batch.count).filter(|&lane| mask.is_none_or(|mask| mask[lane] != 0)) {
            either!(&mut batch.beliefs, b => b.lanes.set(lane, &b.start));
        }
        Ok(())
    }

    fn lane(&self, lane: f64) -> Result<usize> {
        whole("lane", lane, 0, self.0.count as u32 - 1)
    }
}

/// Checks that there is one element a lane.
pub fn check_length(what: &str, found: usize, lanes: usize) -> Result<()> {
    if found == lanes {
        return Ok(());
    }
    Err(invalid(format!("{what}: {found} elements for {lanes} lanes")))
}

/// Checks that every lane's number is below `end`, and names the first that is not.
pub fn check_range<T: Copy + Into<i64>>(what: &str, numbers: &[T], end: usize) -> Result<()> {
    let outside = |n: T| !(0..end as i64).contains(&n.into());
    // Without a branch a lane, then once more to find which.
    if !numbers.iter().fold(false, |any, &n| any | outside(n)) {
        return Ok(());
    }
    let lane = numbers.iter().position(|&n| outside(n)).unwrap_or_default();
    let found: i64 = numbers[lane].into();
    Err(invalid(format!("{what} {found} of lane {lane} is not a whole number from 0 to {}", end - 1)))
}
