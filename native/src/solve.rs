//! Solvers and policies.

use std::borrow::Cow;
use std::ops::{ControlFlow, Deref};
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Buffer, Float64Array, Uint32Array};
use tiresias_guard::napi;
use tiresias_model as model;
use tiresias_model::memory;
use tiresias_solve as core;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, alone, guarded, thread_count};
use crate::errors::{Result, coded, from_model, from_solve, invalid, whole};
use crate::held::{Held, Home, Weigh, disposable};
use crate::model::{Model, SharedModel, check_action, check_belief};
use crate::policy_files::AlphaPolicy;

/// Limits and choices of a solve.
#[napi(object)]
#[derive(Default, Clone)]
pub struct SolveOptions {
    /// Certified gap to stop at, in reward units (default 0.001).
    pub gap: Option<f64>,
    /// Wall time in seconds.
    pub time_seconds: Option<f64>,
    /// Bytes of solver data (default: what the process may have, its container's limit or the machine's memory).
    pub memory_bytes: Option<f64>,
    /// Threads (default: one per core).
    pub threads: Option<f64>,
    /// Another horizon than the model's.
    pub horizon: Option<f64>,
    /// Another ambiguity attitude than the model's.
    pub alpha: Option<f64>,
    /// Which algorithm: `auto` (default) picks one by the model, `solvers()` says what the others are; `point` is another name of `search`.
    #[napi(
        ts_type = "'auto' | 'search' | 'point' | 'exact' | 'faces' | 'plans' | 'estimate' | 'corners' | 'backward-induction' | 'modified-policy-iteration' | 'value-iteration' | 'policy-iteration'"
    )]
    pub solver: Option<String>,
}

/// Where a solve stands.
#[napi(object)]
pub struct SolveProgress {
    /// Proven lower bound on the value at the start, so far.
    pub lower: f64,
    /// Proven upper bound on it, so far.
    pub upper: f64,
    /// Iterations of the solver.
    pub iterations: f64,
    /// Wall time since the solve began.
    pub seconds: f64,
}

/// All that a policy knows about one decision. Arrays have one entry an action.
#[napi(object, object_from_js = false)]
pub struct Assessment {
    /// Point estimates of the actions' values.
    pub q_values: Float64Array,
    /// Proven lower bounds on them.
    pub lower: Float64Array,
    /// Proven upper bounds on them.
    pub upper: Float64Array,
    /// The model that gives least.
    pub minimisers: Vec<u32>,
    /// The model that gives most.
    pub maximisers: Vec<u32>,
    /// By action: the estimate under each model of the cloud for this step, when nature picks the models of later ones.
    pub model_values: Vec<Float64Array>,
}

/// A decision and how sure it is.
#[napi(object, object_from_js = false)]
pub struct Decided {
    /// The action taken.
    pub action: u32,
    /// Proven lower bound on the value of the decision.
    pub lower: f64,
    /// Proven upper bound on it.
    pub upper: f64,
    /// What the action can lose at most: an upper bound on `V* - Q*(action)`.
    pub regret_bound: f64,
    /// Point estimates of the actions' values, one an action.
    pub q_values: Float64Array,
}

/// A distribution over next states.
#[napi(object)]
pub struct NatureRow {
    /// The states that may follow, ascending.
    pub states: Uint32Array,
    /// Their probabilities.
    pub probabilities: Float64Array,
}

/// A solved model: bounds, and a policy with a bound on the regret of every action it names.
#[napi]
#[derive(Clone)]
pub struct Solution(Held<Solved>);

/// What a solve found, and of what.
#[derive(Clone)]
pub struct Solved {
    pub(crate) model: SharedModel,
    pub(crate) inner: Arc<core::Solution>,
}

impl Weigh for Solved {
    const CLASS: &'static str = "Solution";

    fn weight(&self) -> usize {
        self.inner.bytes()
    }
}

impl Deref for Solution {
    type Target = Solved;

    fn deref(&self) -> &Solved {
        &self.0
    }
}

disposable!(Solution);

#[napi]
impl Solution {
    /// The model that was solved, with the horizon and the ambiguity attitude that it was solved for.
    #[napi]
    pub fn model(&self) -> Model {
        Model(self.model.clone())
    }

    /// Lower bound on the value at the start. Where states are observed, the first is seen before the first decision.
    #[napi(getter)]
    pub fn lower(&self) -> f64 {
        self.inner.lower
    }

    /// Upper bound on the value at the start.
    #[napi(getter)]
    pub fn upper(&self) -> f64 {
        self.inner.upper
    }

    /// Point estimate of the value at the start, between the bounds.
    #[napi(getter)]
    pub fn value(&self) -> f64 {
        self.inner.value()
    }

    /// Wall time of the solve.
    #[napi(getter)]
    pub fn seconds(&self) -> f64 {
        self.inner.stats.seconds
    }

    /// Iterations of the solver.
    #[napi(getter)]
    pub fn iterations(&self) -> f64 {
        self.inner.stats.iterations as f64
    }

    /// Backups at single beliefs; 0 from solvers that sweep.
    #[napi(getter)]
    pub fn backups(&self) -> f64 {
        self.inner.stats.backups as f64
    }

    /// α-vectors, table entries or lattice vertices kept.
    #[napi(getter)]
    pub fn size(&self) -> f64 {
        self.inner.stats.vectors as f64
    }

    /// Belief points kept, or what else carries the upper bound.
    #[napi(getter)]
    pub fn points(&self) -> f64 {
        self.inner.stats.points as f64
    }

    /// Threads that had a part in it: large MDPs and searches with many vectors take more than one.
    #[napi(getter)]
    pub fn threads(&self) -> f64 {
        self.inner.stats.threads as f64
    }

    /// The solver that ran.
    #[napi(
        getter,
        ts_return_type = "'exact' | 'search' | 'faces' | 'plans' | 'estimate' | 'corners' | 'value-iteration' | 'policy-iteration' | 'modified-policy-iteration' | 'backward-induction'"
    )]
    pub fn solver(&self) -> String {
        self.inner.stats.solver.into()
    }

    /// Why it stopped: at the gap, at a limit, with nothing finer left to try, or because it was told to.
    #[napi(getter, ts_return_type = "'converged' | 'time' | 'memory' | 'exhausted' | 'cancelled'")]
    pub fn stopped(&self) -> String {
        self.inner.stopped.name().into()
    }

    /// The action at a stage for a belief (length S); ties go to the lowest index.
    #[napi]
    pub fn action(
        &self,
        stage: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
    ) -> Result<u32> {
        let (stage, belief) = self.at(stage, belief)?;
        Ok(model::Policy::action(&self.inner.policy, stage, &belief) as u32)
    }

    /// Action values at a stage for a belief, length A.
    #[napi]
    pub fn q_values(
        &self,
        stage: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
    ) -> Result<Float64Array> {
        let (stage, belief) = self.at(stage, belief)?;
        Ok(Float64Array::new(self.inner.policy.q_values(stage, &belief)))
    }

    /// `[lower, upper]` on the optimal value at a stage for who must act knowing the belief and no more: the bounds of `assess`. Where
    /// states are observed see `informedBounds`, too.
    #[napi(ts_return_type = "[lower: number, upper: number]")]
    pub fn bounds(
        &self,
        stage: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
    ) -> Result<Vec<f64>> {
        let (stage, belief) = self.at(stage, belief)?;
        let (lower, upper) = self.inner.policy.bounds(stage, &belief);
        Ok(vec![lower, upper])
    }

    /// `[lower, upper]` on the optimal value at a stage where the state is drawn from a belief and seen before the decision: what `lower`
    /// and `upper` are at the start of a model with observed states. `INVALID_ARGUMENT` where the state is hidden.
    #[napi(ts_return_type = "[lower: number, upper: number]")]
    pub fn informed_bounds(
        &self,
        stage: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
    ) -> Result<Vec<f64>> {
        let (stage, belief) = self.at(stage, belief)?;
        let (lower, upper) = self.inner.policy.informed_bounds(stage, &belief).ok_or_else(hidden_value)?;
        Ok(vec![lower, upper])
    }

    /// Everything about a decision at once: action values with bounds, nature's answers, and what each model would give.
    #[napi]
    pub fn assess(
        &self,
        stage: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
    ) -> Result<Assessment> {
        let (stage, belief) = self.at(stage, belief)?;
        let policy = &self.inner.policy;
        let assessed = policy.assess(stage, &belief);
        let actions = 0..assessed.q_values.len();
        Ok(Assessment {
            minimisers: assessed.nature.iter().map(|nature| nature.minimiser as u32).collect(),
            maximisers: assessed.nature.iter().map(|nature| nature.maximiser as u32).collect(),
            model_values: actions.map(|a| Float64Array::new(policy.model_values(stage, &belief, a))).collect(),
            q_values: Float64Array::new(assessed.q_values),
            lower: Float64Array::new(assessed.lower),
            upper: Float64Array::new(assessed.upper),
        })
    }

    /// What to do at a stage for a belief, and how sure it is, from one backup: [`action`](Self::action), [`bounds`](Self::bounds),
    /// [`regret_bound`](Self::regret_bound) of that action and [`q_values`](Self::q_values) together.
    #[napi]
    pub fn decide(
        &self,
        stage: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
    ) -> Result<Decided> {
        let (stage, belief) = self.at(stage, belief)?;
        let policy = &self.inner.policy;
        let assessed = policy.assess(stage, &belief);
        let action = assessed.action();
        let (lower, upper) = assessed.bounds();
        Ok(Decided {
            action: action as u32,
            lower,
            upper,
            regret_bound: assessed.regret_bound(action),
            q_values: Float64Array::new(assessed.q_values),
        })
    }

    /// Upper bound on `V*(b) - Q*(b, action)`: what the action loses to the best that can be done knowing the belief and no more.
    #[napi]
    pub fn regret_bound(
        &self,
        stage: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
        action: f64,
    ) -> Result<f64> {
        let (stage, belief) = self.at(stage, belief)?;
        Ok(self.inner.policy.regret_bound(stage, &belief, check_action(&self.model, action)?))
    }

    /// Every action whose value is within `epsilon` of the best.
    #[napi]
    pub fn optimal_actions(
        &self,
        stage: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
        epsilon: f64,
    ) -> Result<Vec<u32>> {
        let (stage, belief) = self.at(stage, belief)?;
        Ok(self.inner.policy.optimal_actions(stage, &belief, epsilon).into_iter().map(|a| a as u32).collect())
    }

    /// The model nature answers with: the minimiser for α ≥ ½, else the maximiser.
    #[napi]
    pub fn worst_model(
        &self,
        stage: f64,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
        action: f64,
    ) -> Result<u32> {
        let (stage, belief) = self.at(stage, belief)?;
        let answer = model::Policy::nature(&self.inner.policy, stage, &belief, check_action(&self.model, action)?);
        Ok(if self.model.alpha() >= 0.5 { answer.minimiser } else { answer.maximiser } as u32)
    }

    /// Nature's answer to an action in a state, where states are observed: the next states and their probabilities, α of the distribution
    /// that is worst for the action and 1-α of the best. `INVALID_ARGUMENT` where the state is hidden.
    #[napi]
    pub fn nature_row(&self, stage: f64, state: f64, action: f64) -> Result<NatureRow> {
        let (stage, action) = (self.stage(stage)?, check_action(&self.model, action)?);
        let state = whole("state", state, 0, self.model.states().len() as u32 - 1)?;
        let row = self.inner.policy.nature_row(stage, state, action).ok_or_else(hidden)?;
        let (states, probabilities) = row.into_iter().map(|(s, p)| (s as u32, p)).unzip::<u32, f64, Vec<_>, Vec<_>>();
        Ok(NatureRow { states: Uint32Array::new(states), probabilities: Float64Array::new(probabilities) })
    }

    /// The MDP whose transitions are nature's answers at a stage to every action in every state. Without a horizon it is worth what
    /// the robust model is worth. `INVALID_ARGUMENT` where the state is hidden.
    #[napi]
    pub fn nature_model(&self, stage: f64) -> Result<Model> {
        let kernel = self.inner.policy.nature_kernel(self.stage(stage)?).ok_or_else(hidden)?;
        let mut parts = self.model.single(0).to_builder();
        parts.dynamics[0].transition = kernel;
        parts.build().map(Model::new).map_err(from_model)
    }

    /// The α-vectors of the policy, each with its action: what other tools read. `INVALID_ARGUMENT` when the policy is of
    /// another form; solve a POMDP with the solver `point` or `exact`.
    #[napi]
    pub fn alpha_policy(&self) -> Result<AlphaPolicy> {
        AlphaPolicy::of(&self.inner.policy, &self.model)
    }

    /// The solution as a checksummed file that remembers its model: policy, bounds, cost and why the solver stopped.
    #[napi(ts_return_type = "Uint8Array")]
    pub fn save_policy(&self) -> Buffer {
        Buffer::from(self.inner.save())
    }

    /// Checks that this solves `model`, whatever the number of decisions: a policy for another model of the same shape would act
    /// without a sign that anything is wrong.
    pub(crate) fn check_solves(&self, model: &Arc<model::Model>) -> Result<()> {
        let (own, other): (&Arc<_>, _) = (&self.model, model);
        let same = Arc::ptr_eq(own, other) || {
            let resized = |model: &model::Model, like: &model::Model| {
                let mut parts = model.to_builder();
                parts.horizon = like.horizon();
                parts.build().is_ok_and(|resized| resized == *like)
            };
            **own == **other || resized(own, other) || resized(other, own)
        };
        if same {
            return Ok(());
        }
        let (own, other) = (own.sha256(), other.sha256());
        Err(coded(
            "INVALID_POLICY",
            format!(
                "the solution is of model {}…, not of {}…; solve the model that it is used with",
                &own[..12],
                &other[..12]
            ),
        ))
    }

    /// Checks a stage and a belief.
    pub(crate) fn at<'a>(&self, stage: f64, belief: &'a [f64]) -> Result<(usize, Cow<'a, [f64]>)> {
        Ok((self.stage(stage)?, check_belief(&self.model, belief)?))
    }

    pub(crate) fn stage(&self, stage: f64) -> Result<usize> {
        let stage = whole("stage", stage, 0, u32::MAX)?;
        match self.model.horizon() {
            Some(horizon) if stage >= horizon => Err(over(stage, horizon)),
            _ => Ok(stage),
        }
    }
}

/// There is no decision at a stage: the horizon ends before it.
pub(crate) fn over(stage: usize, horizon: usize) -> napi::Error {
    let last = horizon - 1;
    invalid(format!("stage {stage}: the horizon is over; its {horizon} decisions are at stages 0 to {last}"))
}

pub(crate) fn prepare(model: &Model, options: &SolveOptions) -> Result<(SharedModel, core::Limits)> {
    let changed = options.horizon.is_some() || options.alpha.is_some();
    let model = if changed { model.with(options.horizon, options.alpha)? } else { model.clone() };
    let threads = thread_count(options.threads)?;
    let limits = limits(options.gap, options.time_seconds, options.memory_bytes, threads)?;
    Ok((model.0, limits))
}

/// Limits as options say them.
pub(crate) fn limits(
    gap: Option<f64>,
    time_seconds: Option<f64>,
    memory_bytes: Option<f64>,
    threads: usize,
) -> Result<core::Limits> {
    if let Some(seconds) = time_seconds.filter(|t| !(0.0..1e9).contains(t)) {
        return Err(invalid(format!("timeSeconds: {seconds} is not a number of seconds")));
    }
    if let Some(bytes) = memory_bytes.filter(|b| b.is_nan() || *b < 1.0) {
        return Err(invalid(format!("memoryBytes: {bytes} is not a number of bytes")));
    }
    if let Some(gap) = gap.filter(|g| g.is_nan() || *g < 0.0) {
        return Err(invalid(format!("gap: {gap} is not a number of at least 0")));
    }
    Ok(core::Limits {
        gap: gap.unwrap_or(core::Limits::default().gap),
        time: time_seconds.map(Duration::from_secs_f64),
        memory: Some(memory_bytes.map_or_else(memory::limit, |b| b as usize)),
        threads,
    })
}

/// A solver that can be asked for by name.
#[napi(object)]
pub struct SolverInfo {
    /// Its name.
    pub name: String,
    /// Other names that it answers to.
    pub aliases: Vec<String>,
    /// Which models it treats.
    pub treats: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// Where it comes from.
    pub source: String,
}

/// The solvers by name; `auto` picks among them.
#[napi]
pub fn solvers() -> Vec<SolverInfo> {
    let info = |entry: &core::SolverEntry| SolverInfo {
        name: entry.name.into(),
        aliases: entry.aliases.iter().map(ToString::to_string).collect(),
        treats: entry.treats.into(),
        summary: entry.summary.into(),
        source: entry.source.into(),
    };
    core::SOLVERS.iter().map(info).collect()
}

/// The solver that the option names.
pub(crate) fn solver(name: Option<&str>, model: &model::Model) -> Result<Box<dyn core::Solver>> {
    match name {
        None | Some("auto") => Ok(core::auto(model)),
        Some(name) => core::solver(name).ok_or_else(|| {
            let names: Vec<&str> = core::SOLVERS.iter().map(|entry| entry.name).collect();
            invalid(format!("solver {name:?}: expected auto, {}", names.join(", ")))
        }),
    }
}

pub(crate) fn run(
    home: &Arc<Home>,
    model: SharedModel,
    solver: &dyn core::Solver,
    limits: &core::Limits,
    hook: &core::Hook,
) -> Result<Solution> {
    let inner = solver.solve(&model, limits, hook).map_err(from_solve)?;
    Ok(Solution(Held::new(home, Solved { model, inner: Arc::new(inner) })))
}

/// Solves on the calling thread; see `solve`.
#[napi]
pub fn solve_sync(model: &Model, options: Option<SolveOptions>) -> Result<Solution> {
    let options = options.unwrap_or_default();
    let (model, limits) = prepare(model, &options)?;
    let solver = solver(options.solver.as_deref(), &model)?;
    guarded(|| run(&Home::here(), model, &*solver, &limits, &core::no_hook))
}

/// Solves in the background. A cancelled solve resolves with its best bounds and `stopped: "cancelled"`.
#[napi(ts_return_type = "Promise<Solution>")]
pub fn solve(
    model: &Model,
    options: Option<SolveOptions>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: SolveProgress) => void")] on_progress: Option<ProgressCallback<SolveProgress>>,
) -> Result<Background<Solution>> {
    let options = options.unwrap_or_default();
    let (model, limits) = prepare(model, &options)?;
    let solver = solver(options.solver.as_deref(), &model)?;
    let (cancel, reporter) = (cancel.cloned().unwrap_or_default(), Reporter::new(on_progress));
    let home = Home::here();
    Ok(alone(cancel.clone(), move || {
        run(&home, model, &*solver, &limits, &|p: &core::Progress| {
            let seconds = p.elapsed.as_secs_f64();
            let iterations = p.iterations as f64;
            // Before the first bounds stand there is nothing to report.
            if p.lower.is_finite() && p.upper.is_finite() {
                reporter.report(false, || SolveProgress { lower: p.lower, upper: p.upper, iterations, seconds });
            }
            if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }))
}

/// A solution read back from its file, with the bounds, the cost and the reason for stopping that it was saved with.
#[napi]
pub fn load_policy(bytes: &[u8], model: &Model) -> Result<Solution> {
    let inner = core::Solution::load(bytes, &model.0).map_err(|e| coded("INVALID_POLICY", e))?;
    Ok(Solution(Held::new(&Home::here(), Solved { model: model.0.clone(), inner: Arc::new(inner) })))
}

fn hidden_value() -> napi::Error {
    invalid("informed values are those of states that are seen before the decision; this model's are hidden")
}

fn hidden() -> napi::Error {
    invalid("nature's distributions over next states are known where states are observed; this model's are hidden")
}
