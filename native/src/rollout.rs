//! Batched rollouts.

use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, Float64Array, Int32Array, Uint8Array, Uint32Array};
use napi_derive::napi;
use tiresias_model::{Model as CoreModel, Policy, random::Key};
use tiresias_sim::{Behaviour, NatureRule, RolloutSpec, rollout as run};

use crate::background::{Background, background, guarded, pool, threads};
use crate::errors::{Result, from_model, invalid, whole};
use crate::model::Model;
use crate::solve::Solution;

/// Which episodes to roll out.
#[napi(object)]
#[derive(Clone)]
pub struct RolloutOptions {
    /// `oracle`, `random`, `epsilon:X` or `mixture:oracle=0.5,random=0.5`.
    pub behaviour: String,
    /// Number of episodes.
    pub episodes: f64,
    /// Seed of the random stream.
    pub seed: f64,
    /// Decisions per episode (default: the model's horizon).
    pub horizon: Option<f64>,
    /// `fixed:M` (default `fixed:0`), `resampled` or `adversarial`.
    pub nature: Option<String>,
    /// Threads (default: one per core).
    pub threads: Option<f64>,
    /// Also return beliefs.
    pub beliefs: Option<bool>,
}

/// Recorded episodes; arrays are row-major, episodes × horizon.
#[napi(object, object_from_js = false)]
pub struct Rollouts {
    pub episodes: u32,
    pub horizon: u32,
    /// Hidden state before each decision.
    pub states: Uint32Array,
    /// What the decision-maker saw before each decision; -1 before the first observation.
    pub observations: Int32Array,
    pub actions: Uint8Array,
    /// Realised rewards, undiscounted.
    pub rewards: Float64Array,
    /// Discounted return of each episode.
    pub returns: Float64Array,
    /// Belief before each decision, episodes × horizon × S.
    pub beliefs: Option<Float64Array>,
}

/// The most that one call may record: 16 GiB.
const MOST_BYTES: usize = 16 << 30;

struct Job {
    model: Arc<CoreModel>,
    solution: Option<Solution>,
    behaviour: Behaviour,
    nature: NatureRule,
    horizon: usize,
    episodes: usize,
    seed: u64,
    beliefs: bool,
}

impl Job {
    fn new(model: &Model, options: &RolloutOptions, solution: Option<&Solution>) -> Result<Self> {
        let behaviour: Behaviour = options.behaviour.parse().map_err(invalid)?;
        if behaviour.needs_oracle() && solution.is_none() {
            return Err(invalid(format!("behaviour {behaviour} needs a solution; solve the model first")));
        }
        let models = model.0.dynamics().len();
        let nature = options.nature.as_deref().unwrap_or("fixed:0");
        let nature = match (nature, nature.strip_prefix("fixed:").map(str::parse::<usize>)) {
            ("resampled", _) => NatureRule::Resampled,
            ("adversarial", _) if solution.is_some() || models == 1 => NatureRule::Oracle,
            ("adversarial", _) => return Err(invalid("nature adversarial needs a solution; solve the model first")),
            (_, Some(Ok(m))) if m < models => NatureRule::Fixed(m),
            _ => {
                return Err(invalid(format!(
                    "nature {nature:?}: expected resampled, adversarial or fixed:M with M < {models}"
                )));
            }
        };
        let horizon = options.horizon.map(|h| whole("horizon", h, 1, u32::MAX)).transpose()?.or(model.0.horizon());
        let horizon = horizon.ok_or_else(|| invalid("a model without a horizon needs the option horizon"))?;
        if let (Some(own), Some(_)) = (model.0.horizon(), solution)
            && horizon > own
        {
            return Err(invalid(format!("horizon {horizon} is longer than the solution's {own}")));
        }
        if !(options.seed >= 0.0 && options.seed < 9_007_199_254_740_992.0 && options.seed.fract() == 0.0) {
            return Err(invalid(format!("seed {} is not an integer in [0, 2^53)", options.seed)));
        }
        if model.0.actions().len() > 256 {
            return Err(invalid("recorded actions are bytes: at most 256 actions"));
        }
        let episodes = whole("episodes", options.episodes, 1, u32::MAX)?;
        let beliefs = options.beliefs.unwrap_or(false);
        // State, observation, action and reward, and a belief where it is asked for.
        let step = 17 + if beliefs { 8 * model.0.states().len() } else { 0 };
        if episodes.saturating_mul(horizon).saturating_mul(step) > MOST_BYTES {
            return Err(invalid(format!(
                "{episodes} episodes of {horizon} decisions do not fit in memory at {step} bytes a decision; roll out fewer at a time"
            )));
        }
        Ok(Self {
            model: model.0.clone(),
            solution: solution.cloned(),
            behaviour,
            nature,
            horizon,
            episodes,
            seed: options.seed as u64,
            beliefs,
        })
    }

    fn run(&self) -> Result<Rollouts> {
        let batch = run(&RolloutSpec {
            model: &self.model,
            policy: self.solution.as_ref().map(|s| &s.inner.policy as &dyn Policy),
            behaviour: &self.behaviour,
            nature: self.nature,
            horizon: self.horizon,
            first_episode: 0,
            episodes: self.episodes,
            key: Key::named(self.seed, &["rollout"], &[]),
            record_beliefs: self.beliefs,
        })
        .map_err(from_model)?;
        Ok(Rollouts {
            episodes: batch.episodes as u32,
            horizon: batch.horizon as u32,
            states: Uint32Array::new(batch.states),
            observations: Int32Array::new(batch.observations),
            actions: Uint8Array::new(batch.actions),
            rewards: Float64Array::new(batch.rewards),
            returns: Float64Array::new(batch.returns),
            beliefs: self.beliefs.then(|| Float64Array::new(batch.beliefs)),
        })
    }
}

/// Rolls out on the calling thread; see `rollout`.
#[napi]
pub fn rollout_sync(model: &Model, options: RolloutOptions, solution: Option<&Solution>) -> Result<Rollouts> {
    let job = Job::new(model, &options, solution)?;
    let pool = pool(threads(options.threads)?)?;
    guarded(|| pool.install(|| job.run()))
}

/// Rolls out in the background. The same numbers for any thread count.
#[napi(ts_return_type = "Promise<Rollouts>")]
pub fn rollout(
    model: &Model,
    options: RolloutOptions,
    solution: Option<&Solution>,
) -> Result<AsyncTask<Background<Rollouts>>> {
    let job = Job::new(model, &options, solution)?;
    Ok(background(threads(options.threads)?, move || job.run()))
}
