//! `posterior-sampling`: act as if a model drawn from the posterior were true.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use tiresias_model::random::Key;

use crate::acting::{Learner, Mind, Settled};
use crate::counts::Counts;
use crate::draws::{Draws, EPISODE};
use crate::hidden::{STARTS, Search, follow};
use crate::plan::{Choice, Estimate, Planner, first_best};
use crate::registry::{ALL, above, at_least, read_options};
use crate::window::Windows;
use crate::{Agent, AgentError, Context, Entry, Group, Knows, Method};

/// How often a model is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Every {
    /// Once an episode.
    Episode,
    /// At every decision.
    Decision,
}

/// What `posterior-sampling` may be told.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    /// Transitions that the prior counts for in every state and action, spread evenly over the next states; where states are hidden, as
    /// many observations too. Above 0.
    #[schemars(extend("exclusiveMinimum" = 0))]
    prior_weight: f64,
    /// The prior's mean reward; left out, the least of the support's rewards (0 without a support).
    reward_mean: Option<f64>,
    /// The prior's standard deviation of the mean reward of a state and action; left out, that of the support's rewards (1 where they
    /// are all alike).
    #[schemars(extend("exclusiveMinimum" = 0))]
    reward_spread: Option<f64>,
    /// Standard deviation of a reward around its mean; left out, that of the support's rewards within a state and action, or
    /// `rewardSpread` where no state and action was met twice. Where states are hidden, the last observation with its action is the state
    /// in this.
    #[schemars(range(min = 0.0))]
    reward_noise: Option<f64>,
    /// Whether a model is drawn once an episode, or anew at every decision; this only where states are seen.
    every: Every,
    /// Whether counting goes on within the episode; with `every` at `decision`.
    online: bool,
    /// Where states are hidden: how many there are taken to be; left out, as many as observations.
    #[schemars(range(min = 1, max = 512))]
    states: Option<usize>,
    /// Where states are hidden: how many places the search for a model begins at.
    #[schemars(range(min = 1, max = 1000))]
    starts: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prior_weight: 1.0,
            reward_mean: None,
            reward_spread: None,
            reward_noise: None,
            every: Every::Episode,
            online: false,
            states: None,
            starts: STARTS,
        }
    }
}

impl Options {
    fn search(&self) -> Search {
        Search { states: self.states, starts: self.starts, weight: self.prior_weight }
    }
}

pub(crate) const ENTRY: Entry = Entry {
    name: "posterior-sampling",
    label: "Posterior sampling",
    group: Group::Model,
    knows: Knows::Nothing,
    regimes: ALL,
    needs_support: false,
    summary: "Plans in a model drawn from the posterior, once an episode or at every decision; where states are hidden, from what it would \
              be if they had been seen as a hidden Markov model infers them.",
    source: "Osband, Russo, Van Roy, \"(More) efficient reinforcement learning via posterior sampling\", NeurIPS 2013; \
             on a bandit: Thompson, Biometrika 1933; hidden states: Rabiner, Proceedings of the IEEE, 1989, and \
             Bengio, Frasconi, \"An input output HMM architecture\", NIPS 7, 1995",
    options: || schema_for!(Options),
    make: |options, study| {
        let options: Options = read_options(options)?;
        above("priorWeight", options.prior_weight, 0.0)?;
        options.reward_spread.map_or(Ok(()), |spread| above("rewardSpread", spread, 0.0))?;
        options.reward_noise.map_or(Ok(()), |noise| at_least("rewardNoise", noise, 0.0))?;
        options.search().check()?;
        if options.every == Every::Decision && !study.shape.observed() {
            let problem = "every is \"decision\" where states are hidden and a belief follows the one model of an episode; \
                           set every to \"episode\" or leave it out";
            return Err(AgentError::Method(problem.into()));
        }
        if options.online && options.every == Every::Episode {
            let problem = "online has no use while every is \"episode\", as the one model is drawn before anything is learned; \
                           set every to \"decision\" or leave online out";
            return Err(AgentError::Method(problem.into()));
        }
        Ok(Box::new(options))
    },
};

/// `P(·|s,a)` from its Dirichlet posterior, each mean reward from its normal posterior under a known noise, and the plan that is best
/// if both are true. With `every` at `decision` and `online` this is Thompson sampling on a bandit.
///
/// A draw costs S·A·(S + 1) variables of some 60 ns, its plan H · S·A·(S + 2) multiply-adds; `every` at `decision` costs both as often.
///
/// Where states are hidden, the posterior is approximated: the counts are those that the likeliest hidden Markov model expects
/// ([`Search`]), and are taken for counts of states that were seen. So the draw knows how few the data are, but not that the hidden
/// states may have been others, nor that another fit may be as likely: it is too sure. The plan is that of QMDP, and the belief follows
/// the episode ([`follow`]).
impl Method for Options {
    fn begin(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        if !context.shape.observed() {
            return self.begin_hidden(context);
        }
        let horizon = context.shape.horizon;
        let counts = Counts::of(Windows::of(context.shape), context)?;
        let mut mind = Sampler {
            prior_weight: self.prior_weight,
            rewards: RewardPrior::new(self, &counts, context.support.rewards),
            discount: context.shape.discount,
            key: context.key,
            episode: context.episode,
            row: vec![0.0; counts.states()],
            room: Vec::new(),
            estimate: Estimate::default(),
            planner: Planner::default(),
        };
        Ok(match (self.every, self.online) {
            (Every::Episode, _) => Settled::agent(context, mind.plan(&counts, EPISODE, horizon).to_vec()),
            (Every::Decision, true) => Learner::agent(context, counts, mind),
            (Every::Decision, false) => {
                let states = counts.states();
                let stage = |t: usize| mind.plan(&counts, t as u32, horizon - t)[..states].to_vec();
                Settled::agent(context, (0..horizon).flat_map(stage).collect())
            }
        })
    }
}

impl Options {
    fn begin_hidden(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        let expected = self.search().fit(context)?;
        let counts = Counts::of(Windows::of(context.shape), context)?;
        let rewards = RewardPrior::new(self, &counts, context.support.rewards);
        let mut draws = Draws::new(context.key, context.episode, EPISODE);
        let drawn = expected.draw(self.prior_weight, &mut draws, |draws, known| {
            let (mean, deviation) = rewards.posterior(known);
            mean + deviation * draws.normal()
        });
        follow(context, &drawn)
    }
}

/// Independent normal priors of mean rewards.
#[derive(Debug, Clone, Copy)]
struct RewardPrior {
    mean: f64,
    spread: f64,
    noise: f64,
}

impl RewardPrior {
    /// What the options leave open is taken from the support.
    fn new(options: &Options, counts: &Counts, rewards: &[f64]) -> Self {
        let centre = counts.mean_of_all();
        let known = || rewards.iter().filter(|reward| reward.is_finite());
        let n = known().count() as f64;
        let squares: f64 = known().map(|r| (r - centre) * (r - centre)).sum();
        let spread = options.reward_spread.unwrap_or(if squares > 0.0 { (squares / n).sqrt() } else { 1.0 });
        // Within rows: all squares less those of the rows' means.
        let met = (0..counts.rows()).filter(|&row| counts.rewards(row).0 > 0.0);
        let (rows, between) = met.fold((0.0, 0.0), |(rows, sum), row| {
            let (paid, earned) = counts.rewards(row);
            let from_centre = earned / paid - centre;
            (rows + 1.0, sum + paid * from_centre * from_centre)
        });
        // What is left of equal rewards is rounding.
        let within = if squares - between > 1e-12 * squares { squares - between } else { 0.0 };
        let noise = if n > rows { (within / (n - rows)).sqrt() } else { spread };
        Self {
            mean: options.reward_mean.unwrap_or(counts.reward_range().0),
            spread,
            noise: options.reward_noise.unwrap_or(noise),
        }
    }

    /// Mean and standard deviation of the posterior after `paid` rewards that sum to `earned`.
    fn posterior(self, (paid, earned): (f64, f64)) -> (f64, f64) {
        if paid == 0.0 {
            return (self.mean, self.spread);
        }
        // The prior counts for as many rewards as would leave its spread.
        let weight = (self.noise / self.spread).powi(2);
        ((weight * self.mean + earned) / (weight + paid), self.noise / (weight + paid).sqrt())
    }
}

struct Sampler {
    prior_weight: f64,
    rewards: RewardPrior,
    discount: f64,
    key: Key,
    episode: u64,
    row: Vec<f64>,
    room: Vec<f64>,
    estimate: Estimate,
    planner: Planner,
}

impl Sampler {
    fn plan(&mut self, counts: &Counts, step: u32, levels: usize) -> &[Choice] {
        let mut draws = Draws::new(self.key, self.episode, step);
        let share = self.prior_weight / counts.states() as f64;
        self.estimate.clear(counts.actions());
        for row in 0..counts.rows() {
            self.row.fill(share);
            counts.moves(row).for_each(|(to, times)| self.row[to as usize] += times);
            draws.dirichlet(&mut self.row, &mut self.room);
            let (mean, deviation) = self.rewards.posterior(counts.rewards(row));
            let reward = mean + deviation * draws.normal();
            self.estimate.push(reward, 0.0, (0..).zip(self.row.iter().copied()));
        }
        let greedy = |_, _, q: &mut [f64]| {
            let best = first_best(q);
            (Some(best as u8), q[best])
        };
        self.planner.plan(&self.estimate, levels, self.discount, |_, _| 0.0, greedy)
    }
}

impl Mind for Sampler {
    fn choose(&mut self, counts: &Counts, stage: usize, left: usize, state: usize) -> Choice {
        self.plan(counts, stage as u32, left)[state]
    }
}
