//! The action values that doubly robust estimates subtract before they weigh, and add without weights.
//!
//! N. Jiang, L. Li, "Doubly robust off-policy value evaluation for reinforcement learning", ICML 2016: for every episode
//! `Σ_t γ^t (ρ_t (r_t - Q_t) + ρ_{t-1} V_t)`. P. Thomas, E. Brunskill, "Data-efficient off-policy policy evaluation for reinforcement
//! learning", ICML 2016: the same with every ratio over its sum. V is Σ π Q, so that the two fit each other.

use tiresias_model::memory;
use tiresias_model::random::Key;

use crate::fqe::{Evidence, Fitted, Shape};
use crate::log::{Log, Probability};
use crate::occupancy::dot;
use crate::work::Workers;
use crate::{Error, Options};

/// Q at every step.
pub(crate) enum ActionValues<'a> {
    /// Given with the target, steps × actions.
    Outside(&'a [f64]),
    /// Of the fold of every episode, fitted to all others.
    Fitted { folds: Vec<u32>, fits: Vec<Fitted> },
}

impl ActionValues<'_> {
    /// Q of what was done at a step, and V there.
    pub fn at<P: Probability>(&self, log: &Log<P>, episode: usize, stage: usize, step: usize) -> (f64, f64) {
        let row = match self {
            Self::Outside(q) => &q[step * log.actions..],
            Self::Fitted { folds, fits } => {
                &fits[folds[episode] as usize].stage(stage)[log.symbol(step) * log.actions..]
            }
        };
        (row[log.action(step)], dot(log.row(step), row))
    }
}

/// What is counted in every fold, and which fold every episode is of.
pub(crate) struct Folds {
    pub of: Vec<u32>,
    parts: Vec<Evidence>,
}

impl Folds {
    /// An episode's fold is drawn by its origin, so that the order of episodes does not matter where origins are known; episodes of
    /// one origin stay together. O(steps · actions).
    pub fn new<P: Probability>(
        log: &Log<P>,
        shape: &Shape,
        workers: &Workers,
        options: &Options,
    ) -> Result<Self, Error> {
        let bytes = memory::product(&[Evidence::bytes(shape), options.folds + 2]);
        memory::check(bytes, || "counts of all transitions in every fold".into(), "use fewer folds or observations")?;
        let key = Key::named(options.seed, &["off-policy", "fold"], &[]);
        let folds = options.folds as u64;
        let draw = |episode| ((u64::from(key.block(log.origin(episode), 0, 0)[0]) * folds) >> 32) as u32;
        let of: Vec<u32> = (0..log.episodes()).map(draw).collect();
        let parts = workers.map("fit", (0..folds as u32).collect(), |_, fold| {
            let mut evidence = Evidence::none(shape);
            for episode in (0..log.episodes()).filter(|&episode| of[episode] == fold) {
                evidence.count(log, shape, episode);
            }
            evidence
        })?;
        Ok(Self { of, parts })
    }

    /// What is counted in all folds but one, or in all.
    pub fn without(&self, shape: &Shape, left_out: Option<usize>) -> Evidence {
        let mut evidence = Evidence::none(shape);
        for (fold, part) in self.parts.iter().enumerate() {
            if Some(fold) != left_out {
                evidence.add(part);
            }
        }
        evidence
    }

    /// Q of every fold, fitted to the others.
    pub fn values(&self, shape: &Shape, workers: &Workers, discount: f64) -> Result<ActionValues<'static>, Error> {
        let fits = workers.map("fit", (0..self.parts.len()).collect(), |_, fold| {
            Fitted::new(shape, &self.without(shape, Some(fold)), discount)
        })?;
        Ok(ActionValues::Fitted { folds: self.of.clone(), fits })
    }
}
