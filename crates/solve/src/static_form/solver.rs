//! Plans against priors, by a double oracle: H. B. `McMahan`, Gordon, Blum, "Planning in the presence of cost functions controlled by an
//! adversary", ICML 2003; for multi-environment POMDPs Bovy et al., `AB-HSVI`, `NeurIPS` 2025.

use tiresias_model::Model;

use super::game::{Equilibrium, equilibrium};
use super::oracle::{Answer, Oracle};
use super::{First, Plan, Pure, StaticSolution, StaticStats, Weighted, attitude, pure};
use crate::belief::backup::ordered;
use crate::formats::Controller;
use crate::limits::Watch;
use crate::{Hook, Limits, Progress, SolveError, Stopped};

/// Probabilities of plans that are rounding.
const NO_PLAN: f64 = 1e-9;
/// How much closer search comes than the two sides' gap is, and how much closer it is asked to come when neither side gained.
const CLOSER: f64 = 4.0;
/// Trials against one prior before others have their turn, at first; twice as many after each round in which neither side gained.
const TRIALS: u64 = 32;
/// Times in a row that it is asked so.
const MOST_IDLE: u32 = 8;
/// Plans at hand at most; those that are best against no prior that was met go first.
const MOST_PLANS: usize = 400;

/// Solves the static form of a cloud ([`StaticSolution`]) until a limit is reached or `hook` cancels. A model alone is its own cloud.
///
/// A prior over the cloud makes it a POMDP of M·S states, whose optimal value is no less than that of the static form, and equal to it
/// for the prior that is worst (minimax). Search answers the prior with a controller; what that earns under each model is added to
/// the plans at hand; the mixture of these that is best whatever the model is, and the prior that is worst for them, are a linear
/// program. With α < 1 nature is kind with probability 1-α: the same for each model that its kindness may pick, the best of which counts.
///
/// Errors: [`SolveError::Unsupported`] for sets around rows, and those of [`Search`](crate::Search).
pub fn solve_static(model: &Model, limits: &Limits, hook: &Hook) -> Result<StaticSolution, SolveError> {
    if model.ambiguity().is_some() {
        let (expected, found) =
            ("a cloud of models", "one with sets around its rows, of which nature picks anew at every step".into());
        return Err(SolveError::Unsupported { solver: "static", expected, found });
    }
    limits.check_values(model)?;
    let watch = Watch::new(limits, hook);
    let started = |_: &Progress| hook(&nothing(watch.elapsed()));
    let oracle = Oracle::new(model, limits, &started)?;
    let mut search = Sides::new(model, oracle, &watch);
    let stopped = search.run(limits, hook, &watch)?;
    let (lower, upper) = search.bounds();
    let (mixture, worth) = search.mixture();
    let pure = search.pure(limits, &watch);
    let (lower, upper) = ordered(lower, upper);
    let stats = StaticStats { seconds: watch.seconds(), priors: search.priors, plans: search.plans.len() };
    Ok(StaticSolution { lower, upper, prior: search.worst_prior(), mixture, worth, pure, stats, stopped })
}

fn nothing(elapsed: std::time::Duration) -> Progress {
    Progress { lower: f64::NEG_INFINITY, upper: f64::INFINITY, iterations: 0, elapsed }
}

/// A plan by the controllers that it is made of.
#[derive(Clone)]
struct Held {
    worth: Vec<f64>,
    /// By part: controller and node.
    nodes: Vec<(usize, u32)>,
}

/// The game as it stands where nature's kindness picks one model, or with α = 1 as there is no kindness.
struct Kindness {
    /// The model that it picks.
    model: Option<usize>,
    equilibrium: Equilibrium,
    /// What the equilibrium's mixture earns.
    lower: f64,
    upper: f64,
    /// For which the upper bound was found.
    prior: Vec<f64>,
}

struct Sides<'a> {
    model: &'a Model,
    oracle: Oracle<'a>,
    controllers: Vec<Controller>,
    plans: Vec<Held>,
    kindnesses: Vec<Kindness>,
    priors: u64,
}

impl<'a> Sides<'a> {
    /// With the plans that take one action whatever is seen.
    fn new(model: &'a Model, oracle: Oracle<'a>, watch: &Watch) -> Self {
        let models = model.dynamics().len();
        let uniform = vec![1.0 / models as f64; models];
        let (low, high) = model.value_range();
        let kindness = |picked| Kindness {
            model: picked,
            equilibrium: Equilibrium { mixture: Vec::new(), prior: uniform.clone() },
            lower: low,
            upper: high,
            prior: uniform.clone(),
        };
        let kindnesses =
            if model.alpha() == 1.0 { vec![kindness(None)] } else { (0..models).map(|m| kindness(Some(m))).collect() };
        let observations = oracle.product.observations().map_or(0, tiresias_model::Space::len);
        let parts = oracle.parts.len();
        let mut sides = Self { model, oracle, controllers: Vec::new(), plans: Vec::new(), kindnesses, priors: 0 };
        for action in 0..model.actions().len() {
            // One is needed whatever the time.
            let worth = |part| match sides.oracle.worth(part, Controller::blind(action, observations), watch) {
                None if action == 0 => {
                    let blind = Controller::blind(action, observations);
                    Some(Answer { controller: blind, worth: vec![vec![low; models]] })
                }
                answer => answer,
            };
            let Some(answers) = (0..parts).map(worth).collect() else { break };
            sides.add(answers);
        }
        sides
    }

    fn run(&mut self, limits: &Limits, hook: &Hook, watch: &Watch) -> Result<Stopped, SolveError> {
        let (mut closer, mut trials, mut idle) = (1.0, TRIALS, 0);
        loop {
            self.settle();
            let (lower, upper) = self.bounds();
            let bytes = self.oracle.bytes() + self.bytes();
            if upper - lower <= limits.gap {
                return Ok(Stopped::Converged);
            }
            if idle > MOST_IDLE {
                return Ok(Stopped::Exhausted);
            }
            if let Some(stopped) = watch.check(lower, upper, self.priors, bytes) {
                return Ok(stopped);
            }
            let one = self.highest();
            let prior = self.prior_of(one);
            let gap = ((upper - lower) / CLOSER).max(limits.gap / CLOSER) / closer;
            let iterations = self.priors;
            let told =
                |p: &Progress| hook(&Progress { lower, upper, iterations, elapsed: watch.elapsed().max(p.elapsed) });
            let ((_, high), cut) = self.oracle.bounds(&prior, (gap, trials), limits, watch, &told);
            self.priors += 1;
            let kindness = &mut self.kindnesses[one];
            let tie = self.model.tie(upper);
            let mut gained = high < kindness.upper - tie;
            if high < kindness.upper {
                kindness.upper = high;
                kindness.prior = kindness.equilibrium.prior.clone();
            }
            let before = self.best_against(&prior);
            if let Some(answers) = self.oracle.answers(&prior, gap, watch) {
                self.add(answers);
            }
            gained |= self.best_against(&prior) > before + tie;
            (closer, idle) = match (gained, cut) {
                (true, _) => (1.0, 0),
                (false, false) => (closer * CLOSER, idle + 1),
                (false, true) => (closer, idle),
            };
            if !gained {
                trials = trials.saturating_mul(2);
            }
        }
    }

    /// The prior that the search is to answer: nature's own, and with its kindness the model that this picks.
    fn prior_of(&self, one: usize) -> Vec<f64> {
        let (alpha, kindness) = (self.model.alpha(), &self.kindnesses[one]);
        let own = kindness.equilibrium.prior.iter().enumerate();
        own.map(|(m, w)| alpha * w + if kindness.model == Some(m) { 1.0 - alpha } else { 0.0 }).collect()
    }

    fn best_against(&self, prior: &[f64]) -> f64 {
        let worth = |plan: &Held| -> f64 { plan.worth.iter().zip(prior).map(|(v, w)| v * w).sum() };
        self.plans.iter().map(worth).fold(f64::NEG_INFINITY, f64::max)
    }

    /// Plays the games again with the plans at hand.
    fn settle(&mut self) {
        let alpha = self.model.alpha();
        for one in 0..self.kindnesses.len() {
            let picked = self.kindnesses[one].model;
            let payoff: Vec<Vec<f64>> = self
                .plans
                .iter()
                .map(|plan| {
                    let kind = picked.map_or(0.0, |m| (1.0 - alpha) * plan.worth[m]);
                    plan.worth.iter().map(|v| alpha * v + kind).collect()
                })
                .collect();
            // Where the method gives up, the best plan alone is a mixture, too.
            let equilibrium = equilibrium(&payoff).unwrap_or_else(|| {
                let mut mixture = vec![0.0; self.plans.len()];
                mixture[self.best_alone()] = 1.0;
                Equilibrium { mixture, prior: self.kindnesses[one].equilibrium.prior.clone() }
            });
            let lower = attitude(alpha, &self.mixed(&equilibrium.mixture));
            let kindness = &mut self.kindnesses[one];
            kindness.lower = lower;
            kindness.equilibrium = equilibrium;
        }
    }

    /// What a mixture earns under each model.
    fn mixed(&self, mixture: &[f64]) -> Vec<f64> {
        let mut worth = vec![0.0; self.model.dynamics().len()];
        for (plan, weight) in self.plans.iter().zip(mixture) {
            worth.iter_mut().zip(&plan.worth).for_each(|(sum, v)| *sum += weight * v);
        }
        worth
    }

    fn bounds(&self) -> (f64, f64) {
        let lower = self.kindnesses.iter().map(|one| one.lower).fold(f64::NEG_INFINITY, f64::max);
        (lower, self.kindnesses[self.highest()].upper)
    }

    /// The kindness that still may be worth most.
    fn highest(&self) -> usize {
        (1..self.kindnesses.len())
            .fold(0, |best, i| if self.kindnesses[i].upper > self.kindnesses[best].upper { i } else { best })
    }

    fn worst_prior(&self) -> Vec<f64> {
        self.kindnesses[self.highest()].prior.clone()
    }

    /// Adds what the search answered: where the state is hidden every node of the controller is a plan.
    fn add(&mut self, answers: Vec<Answer>) {
        let models = self.model.dynamics().len();
        let first = self.controllers.len();
        let plans: Vec<Held> = if let [answer] = &answers[..] {
            let nodes = answer.worth.iter().enumerate();
            nodes.map(|(node, worth)| Held { worth: worth.clone(), nodes: vec![(first, node as u32)] }).collect()
        } else {
            let mut worth = vec![0.0; models];
            for (answer, part) in answers.iter().zip(&self.oracle.parts) {
                worth.iter_mut().zip(&answer.worth[0]).for_each(|(sum, v)| *sum += part.probability * v);
            }
            vec![Held { worth, nodes: (0..answers.len()).map(|part| (first + part, 0)).collect() }]
        };
        self.controllers.extend(answers.into_iter().map(|answer| answer.controller));
        for plan in plans {
            let least = |other: &Held| other.worth.iter().zip(&plan.worth).all(|(a, b)| a >= b);
            if !self.plans.iter().any(least) {
                self.plans.retain(|other| !plan.worth.iter().zip(&other.worth).all(|(a, b)| a >= b));
                self.plans.push(plan);
            }
        }
        if self.plans.len() > MOST_PLANS {
            self.drop_idle();
        }
    }

    /// Forgets plans that no equilibrium plays, the lowest against the latest priors first.
    fn drop_idle(&mut self) {
        self.settle();
        let played = |plan: usize| self.kindnesses.iter().any(|one| one.equilibrium.mixture[plan] > NO_PLAN);
        let against = |plan: usize| -> f64 {
            let value = |one: &Kindness| -> f64 {
                self.plans[plan].worth.iter().zip(&one.equilibrium.prior).map(|(v, w)| v * w).sum()
            };
            self.kindnesses.iter().map(value).fold(f64::NEG_INFINITY, f64::max)
        };
        let mut order: Vec<(bool, f64, usize)> =
            (0..self.plans.len()).map(|plan| (played(plan), against(plan), plan)).collect();
        order.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)));
        order.truncate(MOST_PLANS / 2);
        self.plans = order.into_iter().map(|(_, _, plan)| self.plans[plan].clone()).collect();
        self.settle();
    }

    fn bytes(&self) -> usize {
        let node = 8 + 8 * self.oracle.product.observations().map_or(0, tiresias_model::Space::len);
        self.controllers.iter().map(|controller| controller.len() * node).sum()
    }

    /// The best mixture, likeliest plan first, and what it earns under each model.
    fn mixture(&self) -> (Vec<Weighted>, Vec<f64>) {
        let best = |a: &&Kindness, b: &&Kindness| a.lower.total_cmp(&b.lower);
        let weights = self.kindnesses.iter().max_by(best).map_or(&[][..], |one| &one.equilibrium.mixture);
        let mut drawn: Vec<(usize, f64)> = weights.iter().copied().enumerate().filter(|(_, w)| *w > NO_PLAN).collect();
        if drawn.is_empty() {
            drawn.push((self.best_alone(), 1.0));
        }
        drawn.sort_by(|a, b| b.1.total_cmp(&a.1));
        let sum: f64 = drawn.iter().map(|(_, w)| w).sum();
        let mut worth = vec![0.0; self.model.dynamics().len()];
        let mut mixture = Vec::with_capacity(drawn.len());
        for (plan, weight) in drawn {
            let probability = weight / sum;
            worth.iter_mut().zip(&self.plans[plan].worth).for_each(|(total, v)| *total += probability * v);
            mixture.push(Weighted { probability, plan: self.plan(&self.plans[plan]) });
        }
        (mixture, worth)
    }

    fn plan(&self, held: &Held) -> Plan {
        let parts = held.nodes.iter().zip(&self.oracle.parts);
        let first = |(&(controller, node), part): (&(usize, u32), &super::oracle::Part)| First {
            state: part.state,
            controller: self.controllers[controller].rooted(node),
        };
        Plan { worth: held.worth.clone(), controllers: parts.map(first).collect() }
    }

    fn best_alone(&self) -> usize {
        let value = |plan: usize| attitude(self.model.alpha(), &self.plans[plan].worth);
        (1..self.plans.len()).fold(0, |best, plan| if value(plan) > value(best) { plan } else { best })
    }

    /// The best plan alone: by enumeration where that is short, else of those at hand.
    fn pure(&self, limits: &Limits, watch: &Watch) -> Pure {
        let alpha = self.model.alpha();
        let plan = self.plan(&self.plans[self.best_alone()]);
        let (lower, upper) = (attitude(alpha, &plan.worth), self.bounds().1);
        let (lower, upper) = ordered(lower, upper);
        if upper - lower <= limits.gap {
            return Pure { lower, upper, plan };
        }
        match pure::best(&self.oracle, self.model, watch) {
            Some(plan) => {
                let value = attitude(alpha, &plan.worth);
                Pure { lower: value, upper: value, plan }
            }
            None => Pure { lower, upper, plan },
        }
    }
}
