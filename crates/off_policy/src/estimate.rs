//! All estimators on one log.

use tiresias_data::Trajectories;

use crate::behaviour::Propensities;
use crate::bootstrap::Bootstrap;
use crate::doubly_robust::{ActionValues, Folds};
use crate::effective::{self, Evenness};
use crate::fqe::{Fitted, Shape};
use crate::importance::values;
use crate::log::{Log, Probability, Target, Units};
use crate::occupancy::Influence;
use crate::overlap::{Overlap, scan};
use crate::ratio::unscaled;
use crate::sums::Sums;
use crate::weights::Weights;
use crate::work::{Hook, Workers};
use crate::{Error, Estimator, Fit, Options, Refusal};

/// Something that an estimate takes for granted and the data cannot show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assumption {
    /// What was seen is all that matters for what comes. Where the state is hidden this does not hold, and the estimate is biased by it.
    ObservationsAreStates,
    /// Rewards and transitions are the same at every stage.
    SameAtEveryStage,
    /// Whoever acted went by the observation alone (and the stage), and by nothing that was not logged.
    BehaviourByObservation,
    /// Cutting the largest ratios changes nothing: it biases the estimate.
    CutWeights,
}

/// One estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// In reward units.
    pub value: f64,
    /// Both ends.
    pub interval: [f64; 2],
    /// How many episodes it rests on, of all: by Kish for weights, by the target's and the data's frequencies for fitted Q evaluation.
    pub effective: f64,
    /// What it takes for granted.
    pub assumes: Vec<Assumption>,
}

/// Where the behaviour's probabilities came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The log.
    Logged,
    /// Counts.
    Estimated,
}

impl Source {
    /// `logged` or `estimated`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logged => "logged",
            Self::Estimated => "estimated",
        }
    }
}

/// How well the log covers the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostics {
    /// Where the behaviour's probabilities came from.
    pub behaviour: Source,
    /// Number of episodes.
    pub episodes: usize,
    /// Number of steps.
    pub steps: usize,
    /// What the bootstrap drew: episodes, or groups of neighbours where there were more than `Options::units`.
    pub units: usize,
    /// The largest cumulative ratio of any step, after cutting; infinite where it is no double.
    pub largest_weight: f64,
    /// The mean ratio of whole episodes. Far from 1: propensities are wrong, the target does what nobody did, or chance had its way.
    pub mean_weight: f64,
    /// Effective sample size of whole episodes' ratios.
    pub effective: f64,
    /// Effective sample size of every stage's cumulative ratios.
    pub effective_by_stage: Vec<f64>,
    /// Share of the episodes that the target could have brought about.
    pub possible: f64,
    /// Share of the steps at which the target has more than negligible probability of an action that nobody took after that observation.
    pub unsupported_steps: f64,
    /// The target's mean probability of such actions, over all steps.
    pub unsupported_probability: f64,
    /// Share of the steps whose ratio was cut.
    pub clipped: f64,
}

/// What [`estimate`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimates {
    /// In the order of [`Estimator::ALL`].
    pub all: Vec<(Estimator, Result<Estimate, Refusal>)>,
    /// How well the log covers the target.
    pub diagnostics: Diagnostics,
}

impl Estimates {
    /// What one estimator found.
    pub fn get(&self, estimator: Estimator) -> &Result<Estimate, Refusal> {
        &self.all[estimator as usize].1
    }
}

/// The target's value by all estimators.
///
/// O(steps · actions), and O(resamples · min(episodes, units) · horizon) for the intervals; 8 bytes a step beside the input, 12 for a moment. The same
/// bits for any number of threads. [`Error`] where the input is none; a number that the data do not support is a [`Refusal`] in its place.
pub fn estimate<'a, P: Probability + 'a>(
    trajectories: &Trajectories,
    target: impl Into<Target<'a, P>>,
    options: &Options,
    hook: &Hook,
) -> Result<Estimates, Error> {
    options.check()?;
    let log = Log::new(trajectories, target.into(), options)?;
    let workers = Workers::new(options.threads, hook)?;
    let units = Units::new(trajectories, options.units);
    let propensities = Propensities::new(&log, options)?;
    let weights = Weights::new(&log, &units, &workers, &propensities, options.max_weight)?;
    let counts = &propensities.counts;
    let overlap = scan(
        &log,
        &units,
        &workers,
        counts.width,
        |stage, symbol| counts.complete(stage, symbol),
        |stage, symbol, action| counts.never(stage, symbol, action),
    )?;

    let shape = Shape::new(&log, &units, &workers, options.fit)?;
    let folds = Folds::new(&log, &shape, &workers, options)?;
    let evidence = folds.without(&shape, None);
    let fitted = Fitted::new(&shape, &evidence, options.discount);
    let influence = Influence::new(&shape, &evidence, &fitted, options.discount, options.negligible);
    let uncovered = uncovered(&log, &units, &workers, &shape, &influence)?;
    let action_values = match log.target.q {
        Some(q) => ActionValues::Outside(q),
        None => folds.values(&shape, &workers, options.discount)?,
    };

    let sums = Sums::new(&log, &units, &workers, &weights, &action_values, &influence)?;
    let whole = effective::whole(&sums, &weights);
    let per_decision = effective::per_decision(&log, &units, &workers, &weights, &sums)?;
    let bootstrap = Bootstrap::new(&sums, &weights.scale, &workers, options)?;
    let found = values(sums.layout, &weights.scale, &sums.total);

    let judge = Judge { log: &log, options, weights: &weights };
    let support = match propensities.estimated {
        Some(_) if !overlap.is_empty() => Some(overlap.refusal(&log, counts.width)),
        _ => None,
    };
    let outcome = |estimator: Estimator| {
        let effective = match estimator {
            Estimator::OnPolicy => log.episodes() as f64,
            Estimator::Fqe => judge.coverage(uncovered.clone(), influence.effective)?,
            Estimator::Is | Estimator::Wis => judge.ratios(support.clone(), whole)?,
            _ => judge.ratios(support.clone(), per_decision)?,
        };
        let value = found[estimator as usize];
        if !value.is_finite() {
            return Err(Refusal::Overflow);
        }
        let interval = bootstrap.interval(estimator as usize, value, options);
        let interval = interval.map_err(|resamples| Refusal::Undefined { resamples })?;
        Ok(Estimate { value, interval, effective, assumes: assumptions(estimator, &propensities, options) })
    };
    let all = Estimator::ALL.map(|estimator| (estimator, outcome(estimator))).to_vec();
    let diagnostics = diagnose(&log, &units, &propensities, &weights, &overlap, &sums);
    Ok(Estimates { all, diagnostics })
}

/// The refusal of fitted Q evaluation where the target reaches pairs without data.
fn uncovered<P: Probability>(
    log: &Log<P>,
    units: &Units,
    workers: &Workers,
    shape: &Shape,
    influence: &Influence,
) -> Result<Option<Refusal>, Error> {
    if !influence.missing.contains(&true) {
        return Ok(None);
    }
    let width = if shape.fit == Fit::Staged { 1 } else { log.horizon };
    let missing = |stage, symbol, action| influence.missing[shape.cell(stage, symbol, action)];
    Ok(Some(scan(log, units, workers, width, |_, _| false, missing)?.refusal(log, width)))
}

/// Decides whether a number is given.
struct Judge<'a, 'b, P> {
    log: &'b Log<'a, P>,
    options: &'b Options,
    weights: &'b Weights,
}

impl<P: Probability> Judge<'_, '_, P> {
    fn enough(&self, effective: f64) -> Result<f64, Refusal> {
        let least = self.options.floor(self.log.episodes());
        if effective < least { Err(Refusal::Effective { effective, least }) } else { Ok(effective) }
    }

    fn coverage(&self, uncovered: Option<Refusal>, effective: f64) -> Result<f64, Refusal> {
        uncovered.map_or(Ok(()), Err)?;
        self.enough(effective)
    }

    fn ratios(&self, support: Option<Refusal>, evenness: Evenness) -> Result<f64, Refusal> {
        support.map_or(Ok(()), Err)?;
        if let Some(stage) = self.weights.none_from {
            return Err(Refusal::NoWeight { stage });
        }
        let Evenness { size, share, episode } = evenness;
        if share > self.options.largest_share {
            return Err(Refusal::OneWeight { share, episode: self.log.origin(episode) });
        }
        self.enough(size)
    }
}

fn assumptions(estimator: Estimator, propensities: &Propensities, options: &Options) -> Vec<Assumption> {
    let mut assumes = Vec::new();
    if estimator == Estimator::Fqe {
        assumes.push(Assumption::ObservationsAreStates);
        if options.fit != Fit::Staged {
            assumes.push(Assumption::SameAtEveryStage);
        }
    }
    if estimator.weighs() && propensities.estimated.is_some() {
        assumes.push(Assumption::BehaviourByObservation);
    }
    if estimator.weighs() && options.max_weight.is_some() {
        assumes.push(Assumption::CutWeights);
    }
    assumes
}

fn diagnose<P: Probability>(
    log: &Log<P>,
    units: &Units,
    propensities: &Propensities,
    weights: &Weights,
    overlap: &Overlap,
    sums: &Sums,
) -> Diagnostics {
    let steps = log.trajectories.steps();
    let share = |count: usize| count as f64 / steps as f64;
    let effective_by_stage = effective::by_stage(sums);
    let possible = weights.ends.iter().filter(|end| !end.is_zero()).count();
    Diagnostics {
        behaviour: if propensities.estimated.is_some() { Source::Estimated } else { Source::Logged },
        episodes: log.episodes(),
        steps,
        units: units.len(),
        largest_weight: unscaled(weights.largest.exponent, weights.largest.mantissa),
        mean_weight: effective::mean_weight(sums, weights),
        effective: *effective_by_stage.last().expect("there is a stage"),
        effective_by_stage,
        possible: possible as f64 / log.episodes() as f64,
        unsupported_steps: share(overlap.steps),
        unsupported_probability: overlap.mass / steps as f64,
        clipped: share(weights.clipped),
    }
}
