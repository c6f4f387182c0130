//! What a policy earns, over many episodes.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tiresias_guard::napi;
use tiresias_model::random::Key;
use tiresias_model::{Policy, memory};
use tiresias_sim as sim;
use tiresias_sim::{Actor, NatureRule, Simulation, Summary};
use tiresias_solve as core;
use tiresias_solve::ActingPolicy;

use crate::background::{Background, CancelToken, ProgressCallback, Reporter, background, threads};
use crate::errors::{Result, from_policy_file, from_simulate, index, invalid, whole};
use crate::model::{Model, SharedModel};
use crate::policy_files::AlphaPolicy;
use crate::rollout::nature;
use crate::solve::Solution;
use crate::study::StageProgress;

/// Which episodes to simulate.
#[napi(object)]
#[derive(Clone)]
pub struct SimulateOptions {
    /// Number of episodes.
    pub episodes: f64,
    /// Decisions an episode (default: the model's horizon, or as many as leave less than 1e-6 of the discount).
    pub steps: Option<f64>,
    /// Seed of the random stream (default 0).
    pub seed: Option<f64>,
    /// Threads (default: one a core). The same numbers for any.
    pub threads: Option<f64>,
}

/// The discounted returns of a policy, summed up.
#[napi(object)]
pub struct Simulated {
    /// Number of episodes.
    pub episodes: f64,
    /// Decisions an episode at most.
    pub steps: f64,
    /// The mean, over the episodes.
    pub mean: f64,
    /// Standard deviation of one episode's return.
    pub deviation: f64,
    /// Lower end of the 95 % interval of the mean, by the normal approximation.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// What the decisions that were cut off might add to the mean at least.
    pub truncation_low: f64,
    /// What they might add to it at most.
    pub truncation_high: f64,
    /// Decisions made, over all episodes.
    pub decisions: f64,
    /// Wall time.
    pub seconds: f64,
}

/// A mean return against one nature.
#[napi(object)]
pub struct MeanReturn {
    /// The mean, over the episodes.
    pub mean: f64,
    /// Standard deviation of one episode's return.
    pub deviation: f64,
    /// Lower end of the 95 % interval of the mean, by the normal approximation.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// The mean itself, computed, where the beliefs that the policy can meet are few enough.
    pub exact: Option<f64>,
}

/// The fixed model against which a policy earns the least.
#[napi(object)]
pub struct StaticWorstCase {
    /// Its number in the cloud.
    pub model: u32,
    /// Lower end of an interval that holds the smallest of the models' mean returns with a probability of at least 95 % (Bonferroni).
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// The smallest of the models' mean returns, where all are computed.
    pub exact: Option<f64>,
}

/// What a policy earns in a cloud, nature by nature.
#[napi(object)]
pub struct Robustness {
    /// Episodes a nature; all natures meet the same random numbers.
    pub episodes: f64,
    /// Decisions an episode at most.
    pub steps: f64,
    /// `J_m` by model: it moves the world at every step, and the decision-maker is not told so.
    pub fixed: Vec<MeanReturn>,
    /// `min_m J_m`.
    pub worst: StaticWorstCase,
    /// The mean of the `J_m`: a model drawn uniformly and kept.
    pub average: MeanReturn,
    /// A model drawn uniformly at each step.
    pub resampled: MeanReturn,
    /// The adversary's own answers: the minimiser with probability α, the maximiser otherwise, known to the decision-maker. Left out
    /// without an adversary.
    pub adversarial: Option<MeanReturn>,
    /// The α-maxmin value of the policy itself: its return against nature's best response to it. Left out where too many beliefs
    /// can be met, and for random actions.
    pub response: Option<f64>,
    /// What the decisions that were cut off might add to each mean at least.
    pub truncation_low: f64,
    /// What they might add to each at most.
    pub truncation_high: f64,
    /// Decisions made, over all natures and episodes.
    pub decisions: f64,
    /// Wall time.
    pub seconds: f64,
}

/// The most episodes and the most decisions of one.
const MOST: u32 = 1 << 30;

/// Who acts, who answers for nature, and for how long.
struct Play {
    model: SharedModel,
    solution: Option<Arc<core::Solution>>,
    vectors: Option<Arc<core::formats::AlphaPolicy>>,
    /// Who answers for nature, unless the solution that acts does.
    adversary: Option<Arc<core::Solution>>,
    stationary: bool,
    episodes: usize,
    steps: usize,
    key: Key,
}

impl Play {
    fn new(
        model: &Model,
        options: &SimulateOptions,
        solution: Option<&Solution>,
        vectors: Option<&AlphaPolicy>,
        adversary: Option<&Solution>,
    ) -> Result<Self> {
        let model = model.0.clone();
        for solution in [solution, adversary].into_iter().flatten() {
            solution.check_solves(&model)?;
        }
        if let Some(vectors) = vectors {
            vectors.inner.check(&model).map_err(from_policy_file)?;
        }
        let episodes = whole("episodes", options.episodes, 1, MOST)?;
        let returns = memory::product(&[episodes, size_of::<f64>()]);
        memory::check(returns, || format!("the returns of {episodes} episodes"), "lower the option episodes")
            .map_err(invalid)?;
        let answers = adversary.or(solution);
        let longest = [Some(&model), solution.map(|s| &s.model), answers.map(|s| &s.model)];
        let longest = longest.into_iter().flatten().filter_map(|m| m.horizon()).min();
        let steps = match options.steps {
            Some(steps) => whole("steps", steps, 1, longest.map_or(MOST, |h| (h as u32).min(MOST)))?,
            None => longest.unwrap_or_else(|| long_enough(model.discount())),
        };
        let solved = |solution: &Solution| solution.inner.clone();
        Ok(Self {
            solution: solution.map(solved),
            vectors: vectors.map(|vectors| vectors.inner.clone()),
            adversary: adversary.map(solved),
            stationary: vectors.is_none_or(|v| v.inner.horizon().is_none())
                && [solution, answers].into_iter().flatten().all(|s| s.model.horizon().is_none()),
            episodes,
            steps,
            key: Key::named(index("seed", options.seed.unwrap_or(0.0))?, &["rollout"], &[]),
            model,
        })
    }

    /// Calls `run` with the simulation, whose policies are made ready to act.
    fn simulation<T>(&self, nature: NatureRule, run: impl FnOnce(&Simulation<'_>) -> T) -> T {
        let [solution, adversary] =
            [&self.solution, &self.adversary].map(|solution| solution.as_ref().map(|s| ActingPolicy::new(&s.policy)));
        let solution = solution.as_ref().map(|policy| policy as &dyn Policy);
        let vectors = self.vectors.as_ref().map(|vectors| &**vectors as &dyn Policy);
        let stationary = self.stationary;
        let actor = vectors.or(solution).map_or(Actor::Random, |policy| Actor::Policy { policy, stationary });
        // A solution that acts and answers for nature is the same object, so that it is asked once for both.
        let adversary = adversary.as_ref().map(|policy| policy as &dyn Policy).or(solution);
        run(&Simulation { model: &self.model, actor, nature, adversary, key: self.key, steps: self.steps })
    }

    /// Whether somebody answers for nature.
    fn is_answered(&self) -> bool {
        self.adversary.is_some() || self.solution.is_some()
    }
}

/// Counts episodes for whoever watches, and stops them when they are cancelled.
fn watch(total: usize, cancel: CancelToken, reporter: Reporter<StageProgress>) -> impl Fn(usize) -> ControlFlow<()> {
    let done = AtomicUsize::new(0);
    move |finished| {
        if finished == 0 {
            return if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        }
        let done = done.fetch_add(finished, Ordering::Relaxed) + finished;
        reporter.report(done == total, || StageProgress {
            done: done.min(u32::MAX as usize) as u32,
            total: total.min(u32::MAX as usize) as u32,
            phase: "simulate".into(),
        });
        if cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Simulates a policy, or random actions without one. `adversary` answers for nature; without one a solution is its own.
#[napi(ts_return_type = "Promise<Simulated>")]
#[allow(clippy::too_many_arguments)]
pub fn simulate(
    model: &Model,
    options: SimulateOptions,
    #[napi(ts_arg_type = "`fixed:${number}` | 'resampled' | 'adversarial' | undefined | null")] rule: Option<String>,
    solution: Option<&Solution>,
    vectors: Option<&AlphaPolicy>,
    adversary: Option<&Solution>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
) -> Result<Background<Simulated>> {
    let play = Play::new(model, &options, solution, vectors, adversary)?;
    let rule = nature(rule.as_deref(), play.model.dynamics().len())?;
    let cancel = cancel.cloned().unwrap_or_default();
    let hook = watch(play.episodes, cancel.clone(), Reporter::new(on_progress));
    Ok(background(cancel, threads(options.threads)?, move || {
        let start = Instant::now();
        let mut returns = vec![0.0; play.episodes];
        let (decisions, (truncation_low, truncation_high)) = play
            .simulation(rule, |simulation| {
                simulation.run(0, &mut returns, &hook).map(|decisions| (decisions, simulation.truncation()))
            })
            .map_err(from_simulate)?;
        let Summary { mean, deviation, half_width } = Summary::of(&returns);
        Ok(Simulated {
            episodes: play.episodes as f64,
            steps: play.steps as f64,
            mean,
            deviation,
            low: mean - half_width,
            high: mean + half_width,
            truncation_low,
            truncation_high,
            decisions: decisions as f64,
            seconds: start.elapsed().as_secs_f64(),
        })
    }))
}

/// Simulates a policy, or random actions without one, against every nature, and computes what can be computed with at most
/// `exact_updates` belief updates a value.
#[napi(ts_return_type = "Promise<Robustness>")]
#[allow(clippy::too_many_arguments)]
pub fn robustness(
    model: &Model,
    options: SimulateOptions,
    exact_updates: f64,
    solution: Option<&Solution>,
    vectors: Option<&AlphaPolicy>,
    adversary: Option<&Solution>,
    cancel: Option<&CancelToken>,
    #[napi(ts_arg_type = "(progress: StageProgress) => void")] on_progress: Option<ProgressCallback<StageProgress>>,
) -> Result<Background<Robustness>> {
    let play = Play::new(model, &options, solution, vectors, adversary)?;
    let most = whole("exactUpdates", exact_updates, 0, MOST)?;
    let natures = play.model.dynamics().len() + 1 + usize::from(play.is_answered());
    let cancel = cancel.cloned().unwrap_or_default();
    let hook = watch(play.episodes * natures, cancel.clone(), Reporter::new(on_progress));
    if play.episodes.saturating_mul(natures) > u32::MAX as usize {
        return Err(invalid(format!("{} episodes against each of {natures} natures are too many", play.episodes)));
    }
    Ok(background(cancel, threads(options.threads)?, move || {
        let start = Instant::now();
        let (found, (truncation_low, truncation_high)) = play
            .simulation(NatureRule::Fixed(0), |simulation| {
                let found = simulation.robustness(play.episodes, most, &hook);
                found.map(|found| (found, simulation.truncation()))
            })
            .map_err(from_simulate)?;
        Ok(Robustness {
            episodes: play.episodes as f64,
            steps: play.steps as f64,
            fixed: found.fixed.into_iter().map(mean_return).collect(),
            worst: StaticWorstCase {
                model: found.worst_model as u32,
                low: found.worst.0,
                high: found.worst.1,
                exact: found.worst_exact,
            },
            average: mean_return(found.average),
            resampled: mean_return(found.resampled),
            adversarial: found.adversarial.map(mean_return),
            response: found.response,
            truncation_low,
            truncation_high,
            decisions: found.decisions as f64,
            seconds: start.elapsed().as_secs_f64(),
        })
    }))
}

fn mean_return(
    sim::Valuation { sampled: Summary { mean, deviation, half_width }, exact }: sim::Valuation,
) -> MeanReturn {
    MeanReturn { mean, deviation, low: mean - half_width, high: mean + half_width, exact }
}

/// Decisions after which less than 1e-6 of the discount is left.
fn long_enough(discount: f64) -> usize {
    if discount == 0.0 { 1 } else { (1e-6_f64.ln() / discount.ln()).ceil().clamp(1.0, f64::from(MOST)) as usize }
}
