//! A POMDP from trajectories whose states are hidden.

use std::ops::RangeInclusive;

use tiresias_data::Trajectories;
use tiresias_model::{Model, memory};

use crate::error::check_weight;
use crate::hmm::climb::{Climb, Search};
use crate::hmm::expect::{Sample, Watch};
use crate::hmm::tables::{Prior, Size};
use crate::pomdp_model;
use crate::{FitError, HeldOut, Hook};

/// Hidden states that a fit may have at most, without the one in which episodes end.
pub const MOST_STATES: usize = 1000;

/// How a POMDP is fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct PomdpOptions {
    /// The model's name.
    pub name: String,
    /// Numbers of hidden states to try, without the one in which episodes end; at most [`MOST_STATES`]. Of several, `held_out` chooses.
    pub states: RangeInclusive<usize>,
    /// Weight of the prior of each distribution, in observations, not negative: Dirichlet(1 + weight / K) over K outcomes, whose
    /// mode after the counts n is `(n + weight / K) / (Σ n + weight)`. With weight 0 the likelihood alone is made greatest.
    pub weight: f64,
    /// Weight of the mean of all rewards in the mean of one state and action, in rewards, not negative.
    pub reward_weight: f64,
    /// Whether rewards tell of the hidden state while it is estimated, as normal variables around their mean with one variance. Beliefs of a model
    /// never see rewards; this only says what the fit may use.
    pub rewards_seen: bool,
    /// Random places to begin at, at least 1.
    pub starts: usize,
    /// Iterations from each place before only the best goes on, at least 1.
    pub trial_iterations: usize,
    /// Iterations of the best in all, at least 1.
    pub iterations: usize,
    /// The search ends when an iteration improves the log-posterior by no more than this for each decision, in nats; not negative.
    pub tolerance: f64,
    /// Discount factor of the model.
    pub discount: f64,
    /// Number of decisions of the model; `None` is an infinite horizon, which needs a discount below 1.
    pub horizon: Option<usize>,
    /// Which episodes the number of states is chosen by, and the report's held-out likelihood is of.
    pub held_out: HeldOut,
    /// All that is random is drawn from it.
    pub seed: u64,
}

impl Default for PomdpOptions {
    fn default() -> Self {
        Self {
            name: "fitted".into(),
            states: 2..=2,
            weight: 1.0,
            reward_weight: 1.0,
            rewards_seen: false,
            starts: 8,
            trial_iterations: 20,
            iterations: 500,
            tolerance: 1e-6,
            discount: 0.95,
            horizon: None,
            held_out: HeldOut::Nothing,
            seed: 0,
        }
    }
}

/// A number of states that was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The number, without the state in which episodes end.
    pub states: usize,
    /// Log-likelihood of the episodes left out, for each of their decisions, under a model of the rest; in nats.
    pub log_likelihood: f64,
    /// Standard error of the difference to the best candidate's, over episodes; 0 for the best.
    pub error: f64,
}

/// What is believed after a first symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstSymbol {
    /// The observation.
    pub symbol: usize,
    /// Episodes that begin with it.
    pub episodes: usize,
    /// The distribution of the state before the first action, given it; length S, with the state in which episodes end.
    pub belief: Vec<f64>,
}

/// What was found while a POMDP was fitted. Log-likelihoods are of what was seen (and earned, with `rewards_seen`) given what was done.
#[derive(Debug, Clone, PartialEq)]
pub struct PomdpReport {
    /// Number of episodes.
    pub episodes: usize,
    /// Number of decisions.
    pub steps: usize,
    /// Observations that were there, those before the first actions among them.
    pub seen: usize,
    /// The model's number of hidden states, without the one in which episodes end.
    pub states: usize,
    /// Actions that were never taken: their distributions are the prior, and their rewards the mean of all.
    pub untaken: Vec<usize>,
    /// Decisions expected in each state by action, `a * S + s`, with the state in which episodes end.
    pub visits: Vec<f64>,
    /// Log-likelihood for each decision under the model, in nats.
    pub log_likelihood: f64,
    /// The same of the episodes left out, under models of the rest; `None` where none were left out.
    pub held_out: Option<f64>,
    /// Numbers of states that were held against each other; one entry where `held_out` was asked for a single number.
    pub candidates: Vec<Candidate>,
    /// The log-posterior (likelihood and prior, up to a constant) that each start reached in its trial.
    pub trials: Vec<f64>,
    /// The log-posterior of every model on the best start's way, the fitted one's last; it never falls but by rounding.
    pub log_posteriors: Vec<f64>,
    /// Whether the search ended because nothing improved, and not for its number of iterations.
    pub converged: bool,
    /// What is believed before the first action by the symbol seen then, for those that some episode begins with.
    pub first_symbols: Vec<FirstSymbol>,
}

/// A POMDP and what it was made from, from which clouds around it are made.
#[derive(Debug, Clone)]
pub struct PomdpFit {
    /// The model. Its states are numbered, and after them comes `ended` if any episode ended by itself; its observations are those of the
    /// trajectories, and in that case one that shows the end.
    pub model: Model,
    /// What was found.
    pub report: PomdpReport,
    pub(crate) climb: Climb,
    pub(crate) search: Search,
}

/// Fits a POMDP by expectation–maximisation with several starts: `P(s'|s,a)`, `Q(o|s',a)`, the start belief, and R(s,a).
///
/// - R(s,a) is found by regression of rewards on beliefs, shrunk towards the mean of all, so that it does not matter that rewards may tell more of the
///   state than symbols do; with `rewards_seen` it is the mean of the normal variables.
/// - The last transition of an episode that ended by itself leads to a known terminal state called `ended`, whose own symbol, `ended` too,
///   shows it; what was seen after that action is not used. If no episode did, there is neither.
/// - What was not seen is summed over. What was seen before the first action has distributions of its own, `P(o|s)`, that are fitted with the rest:
///   a model of this project shows nothing before the first action, so that its start is the belief of one who has not seen the
///   first symbol, and [`PomdpReport::first_symbols`] says what each makes of it.
/// - Where the record merely stops and nothing was seen after the last action, that step's reward counts and there is no transition.
/// - Tasks and propensities are not used: how actions were chosen does not matter as long as it hung on what was seen.
///
/// Of several numbers of states the smallest is taken whose likelihood of episodes left out is within one standard error of the best one's
/// (Breiman, Friedman, Olshen, Stone, "Classification and regression trees", 1984).
///
/// An iteration costs 3·N·S² multiply-adds for N decisions. [`FitError::Option`] on options out of range, [`FitError::Memory`] where tables do not
/// fit, [`FitError::Cancelled`] when `hook` breaks.
pub fn fit_pomdp(data: &Trajectories, options: &PomdpOptions, hook: Hook<'_>) -> Result<PomdpFit, FitError> {
    options.check()?;
    let search = options.search(data);
    let mut watch = Watch::new(hook);
    let candidates = choose(data, options, &search, &mut watch)?;
    let states = chosen(&candidates).map_or(*options.states.start(), |candidate| candidate.states);
    let size = size(data, states)?;
    let sample = Sample::new(data, (0..data.len()).collect(), size);
    let (climb, trials) = search.run(&sample, size, &mut watch, true)?;
    let report = PomdpReport {
        episodes: data.len(),
        steps: data.steps(),
        seen: data.columns().observations.iter().chain(&data.columns().last).filter(|&&seen| seen >= 0).count(),
        states,
        untaken: (0..size.actions).filter(|&a| !data.columns().actions.contains(&(a as u8))).collect(),
        visits: pomdp_model::visits(&climb.expected),
        log_likelihood: climb.expected.log_likelihood / data.steps() as f64,
        held_out: chosen(&candidates).map(|candidate| candidate.log_likelihood),
        candidates,
        trials,
        log_posteriors: climb.log_posteriors.clone(),
        converged: climb.converged,
        first_symbols: pomdp_model::first_symbols(data, &climb.parameters.chances),
    };
    let rewards = search.rewards(&sample, &climb, &watch)?;
    let model = pomdp_model::model(data, options, &climb.parameters.chances, &rewards)?;
    Ok(PomdpFit { model, report, climb, search })
}

impl PomdpOptions {
    fn check(&self) -> Result<(), FitError> {
        check_weight("weight of the prior", self.weight)?;
        check_weight("weight of the mean reward", self.reward_weight)?;
        check_weight("tolerance", self.tolerance)?;
        for (what, count) in
            [("starts", self.starts), ("trial iterations", self.trial_iterations), ("iterations", self.iterations)]
        {
            if count == 0 {
                return Err(FitError::option(what, &0, "at least 1"));
            }
        }
        let (least, most) = (*self.states.start(), *self.states.end());
        if least == 0 || least > most || most > MOST_STATES {
            let value = format!("{least}..={most}");
            return Err(FitError::option("states", &value, &format!("a range within 1..={MOST_STATES}")));
        }
        if least < most && self.held_out == HeldOut::Nothing {
            return Err(FitError::option("held out", &"nothing", "enough to choose among several numbers of states"));
        }
        Ok(())
    }

    fn search(&self, data: &Trajectories) -> Search {
        let rewards = &data.columns().rewards;
        let n = rewards.len() as f64;
        let mean = rewards.iter().sum::<f64>() / n;
        let variance = rewards.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / n;
        Search {
            prior: Prior {
                weight: self.weight,
                reward_weight: self.reward_weight,
                reward_mean: mean,
                // Where rewards are all alike, any variance will do.
                reward_variance: if variance > 0.0 { variance } else { 1.0 },
            },
            rewards_seen: self.rewards_seen,
            starts: self.starts,
            trial_iterations: self.trial_iterations,
            iterations: self.iterations,
            tolerance: self.tolerance,
            seed: self.seed,
        }
    }
}

fn size(data: &Trajectories, states: usize) -> Result<Size, FitError> {
    let firsts = data.episodes().any(|episode| episode.observations[0] >= 0);
    let ends = data.columns().terminated.contains(&true);
    let (actions, symbols) = (data.action_space().len(), data.observation_space().len());
    let size = Size { states, actions, symbols, firsts, ends };
    // Parameters, counts, a climb on the way and the best so far, and the parts of a sum.
    let bytes = memory::product(&[size.numbers(), 8, 10]);
    memory::check(bytes, || format!("the tables of {states} hidden states"), "ask for fewer states")?;
    Ok(size)
}

/// Holds every number of states against the episodes left out.
fn choose(
    data: &Trajectories,
    options: &PomdpOptions,
    search: &Search,
    watch: &mut Watch<'_>,
) -> Result<Vec<Candidate>, FitError> {
    let splits = options.held_out.splits(data.len(), options.seed)?;
    if splits.is_empty() {
        return Ok(Vec::new());
    }
    watch.phase("choose", splits.len() * options.states.clone().count());
    let (mut all, mut done) = (Vec::new(), 0);
    for states in options.states.clone() {
        let size = size(data, states)?;
        // By episode left out, in the same order for every number of states.
        let mut found = Vec::new();
        for split in &splits {
            let (climb, _) = search.run(&Sample::new(data, split.fitted.clone(), size), size, watch, false)?;
            let left = Sample::new(data, split.held_out.clone(), size);
            found.extend(left.log_likelihoods(&climb.parameters, watch)?);
            done += 1;
            watch.done(done)?;
        }
        all.push((states, found));
    }
    let steps: usize = splits.iter().flat_map(|split| &split.held_out).map(|&episode| data.range(episode).len()).sum();
    Ok(candidates(&all, steps as f64))
}

fn candidates(all: &[(usize, Vec<f64>)], steps: f64) -> Vec<Candidate> {
    let total = |found: &[f64]| found.iter().sum::<f64>();
    let mut best = &all[0].1;
    for (_, found) in all {
        if total(found) > total(best) {
            best = found;
        }
    }
    let candidate = |(states, found): &(usize, Vec<f64>)| {
        let n = found.len() as f64;
        let mean = (total(best) - total(found)) / n;
        let squares: f64 = best.iter().zip(found).map(|(b, f)| (b - f - mean) * (b - f - mean)).sum();
        // The variance of a sum of n differences.
        let error = (squares * n / (n - 1.0)).sqrt() / steps;
        let error = if error.is_finite() { error } else { 0.0 };
        Candidate { states: *states, log_likelihood: total(found) / steps, error }
    };
    all.iter().map(candidate).collect()
}

/// The smallest number of states within one standard error of the best.
fn chosen(candidates: &[Candidate]) -> Option<&Candidate> {
    let best = candidates.iter().map(|candidate| candidate.log_likelihood).fold(f64::NEG_INFINITY, f64::max);
    candidates.iter().find(|candidate| candidate.log_likelihood + candidate.error >= best)
}
