//! `bayes`: knows where tasks come from, and learns from support and history which one this is.

use std::sync::Arc;

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;

use crate::particles::{Evidence, Mind, Move, Pool};
use crate::registry::{ALL, read_options};
use crate::{Agent, AgentError, Context, Entry, Group, Knows, Method, Percept};

/// What `bayes` may be told.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    /// Tasks drawn from the family, once a study; those that are the same count as one of more weight. More is nearer to the posterior.
    #[schemars(range(min = 1, max = 10_000_000))]
    particles: u64,
    /// The likeliest hypotheses that an episode keeps.
    #[schemars(range(min = 1))]
    survivors: usize,
    /// Decisions over which it reckons with what it will learn, beyond which it takes the task and the state for seen. Every one costs a
    /// factor of actions times what can be seen.
    #[schemars(range(min = 0, max = 8))]
    lookahead: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { particles: 20_000, survivors: 256, lookahead: 0 }
    }
}

/// A posterior over tasks (and over the models of a cloud, each as likely, of which one moves the world for ever) by importance: draws
/// from the prior, weighed by the likelihood of support and history. A reward that a task cannot pay rules it out, or, where rewards are
/// noisy ([`Task::reward_noise`](tiresias_model::family::Task)), weighs by the noise's density.
///
/// With `lookahead` 0 the action is the best by the belief-averaged value `Σ_tasks w Σ_s b(s) Q*(s, a)`: QMDP over tasks and states. It
/// never acts to learn, and can be beaten. With `lookahead` at the number of decisions left it is the Bayes-adaptive optimum of the pool,
/// and **only that policy is beaten by none in expectation**, up to how well the pool stands for the family and the survivors for the
/// posterior, which are chosen anew whenever the evidence has doubled; anything between is an approximation. With lookahead it reckons with seeing rewards where the state is seen, and
/// elsewhere once it was shown one.
///
/// Where no task of the pool explains what was seen, rewards are left out for the rest of the episode; where none does even so, the
/// first of the pool stand for the prior.
///
/// An episode costs one pass over the pool's distinct reward tables, a walk through the K·H recorded decisions for each task that is left
/// once the rewards are known (times M in a cloud) at a few multiply-adds a decision, and some survivors · A of them for each decision of
/// its own. A task's values are made once, in H · entries of its kernels.
pub(crate) const ENTRY: Entry = Entry {
    name: "bayes",
    label: "Bayes",
    group: Group::Reference,
    knows: Knows::Family,
    regimes: ALL,
    needs_support: false,
    summary: "Knows the family, weighs tasks by how well they explain support and history, and acts by the mean of their values.",
    source: "Duff, Optimal Learning: Computational procedures for Bayes-adaptive Markov decision processes, 2002; belief-averaged values: \
             Littman, Cassandra, Kaelbling, ICML 1995",
    options: || schema_for!(Options),
    make: |options, study| {
        let options: Options = read_options(options)?;
        let problem = |what: &str, value: u64, range: &str| {
            Err(AgentError::Method(format!("option {what} is {value}; set it to {range}, or leave it out")))
        };
        match options {
            Options { particles: particles @ (0 | 10_000_001..), .. } => {
                return problem("particles", particles, "1 to 10000000");
            }
            Options { survivors: 0, .. } => return problem("survivors", 0, "at least 1"),
            Options { lookahead: lookahead @ 9.., .. } => return problem("lookahead", lookahead as u64, "at most 8"),
            _ => {}
        }
        let prior = study.prior.ok_or_else(|| AgentError::Method("it needs the family that tasks come from".into()))?;
        let pool = Pool::draw(prior, study.shape, options.particles, options.survivors)?;
        Ok(Box::new(Bayes { pool: Arc::new(pool), lookahead: options.lookahead }))
    },
};

struct Bayes {
    pool: Arc<Pool>,
    lookahead: usize,
}

impl Method for Bayes {
    fn bytes(&self) -> usize {
        self.pool.bytes()
    }

    fn begin(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        Ok(Box::new(Posterior {
            pool: Arc::clone(&self.pool),
            lookahead: self.lookahead,
            evidence: Evidence::new(context.support),
            observed: context.shape.observed(),
            symbols: context.shape.symbols,
            actions: context.shape.actions,
            horizon: context.shape.horizon,
            stage: 0,
            last: 0,
            minds: Vec::new(),
            until: usize::MAX,
            heeds_rewards: true,
            sees_rewards: context.shape.observed(),
        }))
    }
}

/// A posterior that goes through an episode.
struct Posterior {
    pool: Arc<Pool>,
    lookahead: usize,
    evidence: Evidence,
    observed: bool,
    symbols: usize,
    actions: usize,
    horizon: usize,
    stage: usize,
    last: usize,
    minds: Vec<Mind>,
    /// Decisions of evidence from which on those that were not kept, when it was less, may say more.
    until: usize,
    /// Whether the hypotheses explain the rewards that were seen.
    heeds_rewards: bool,
    /// Whether it reckons with seeing rewards.
    sees_rewards: bool,
}

impl Agent for Posterior {
    fn act(&mut self, percept: Percept) -> Result<usize, AgentError> {
        self.check(percept)?;
        self.sees_rewards |= percept.reward.is_some();
        if self.stage == 0 {
            self.evidence.begin(percept.seen.filter(|_| self.observed));
        } else {
            let step = Move::shown(self.last, percept);
            self.evidence.push(step);
            let heeded = Move { reward: step.reward.filter(|_| self.heeds_rewards), ..step };
            self.pool.update(&mut self.minds, self.stage - 1, heeded);
        }
        let decisions = self.evidence.decisions();
        if self.minds.is_empty() || decisions >= self.until {
            // At the start; and where those kept are wrong, others of the pool may not be: again whenever the evidence has doubled.
            let selected = self.pool.select(&self.evidence);
            self.until = if selected.cut { 2 * decisions.max(1) } else { usize::MAX };
            (self.minds, self.heeds_rewards) = (selected.minds, selected.rewards);
        }
        self.last = self.best();
        self.stage += 1;
        Ok(self.last)
    }
}

impl Posterior {
    fn check(&self, percept: Percept) -> Result<(), AgentError> {
        if self.stage == self.horizon {
            return Err(AgentError::Method(format!("the episode has {} decisions; begin another", self.horizon)));
        }
        let needed = self.observed || self.stage > 0;
        if needed && percept.seen.is_none_or(|seen| seen >= self.symbols) {
            let (stage, symbols) = (self.stage, self.symbols);
            return Err(AgentError::Method(format!("before decision {stage} it must see one of {symbols} symbols")));
        }
        Ok(())
    }

    /// The best action, the first of several.
    fn best(&self) -> usize {
        let values: Vec<f64> = (0..self.actions).map(|a| self.q(&self.minds, self.stage, a, self.lookahead)).collect();
        let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let tied = best - self.pool.model(&self.minds[0]).tie(best);
        values.iter().position(|value| *value >= tied).unwrap_or(0)
    }

    /// What an action is worth to hypotheses of any total mass, reckoning with what it teaches for `depth` decisions.
    fn q(&self, minds: &[Mind], stage: usize, action: usize, depth: usize) -> f64 {
        if depth == 0 || stage + 1 == self.horizon {
            return self.pool.informed(minds, stage, action);
        }
        let (reward, outcomes) = self.pool.outcomes(minds, stage, action, self.sees_rewards && self.heeds_rewards);
        let value = |minds: &Vec<Mind>| {
            let q = (0..self.actions).map(|action| self.q(minds, stage + 1, action, depth - 1));
            q.fold(f64::NEG_INFINITY, f64::max)
        };
        let discount = self.pool.model(&minds[0]).discount();
        reward + discount * outcomes.iter().map(value).sum::<f64>()
    }
}
