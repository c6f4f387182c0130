//! What a caller may choose.

use crate::Error;

/// Where the behaviour's probabilities come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Behaviour {
    /// The logged propensities where there are any, else [`Estimated`](Self::Estimated) by frequencies over all stages.
    Auto,
    /// The logged propensities; [`Error::NoPropensities`] where there are none.
    Logged,
    /// Counted: (n(o, a) + smoothing) / (n(o) + smoothing · actions). This assumes that whoever acted went by the observation alone
    /// (and the stage).
    Estimated {
        /// Added to every count, at least 0. With 0 they are plain frequencies.
        smoothing: f64,
        /// Counts are kept apart for every so many stages; `None` puts all stages together.
        stages: Option<usize>,
    },
}

/// What fitted Q evaluation is fitted to. See `docs/off-policy.md` for what each assumes of where episodes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Every stage has rewards and transitions of its own; an episode's last step ends it. Needs the most data.
    Staged,
    /// One set of rewards and transitions for all stages, evaluated backward over as many stages as the longest episode has.
    Pooled,
    /// One set, evaluated to convergence; needs a discount below 1. What is estimated has no horizon then.
    Stationary,
}

/// How both ends of an interval are read off the resamples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Bias-corrected and accelerated (Efron 1987).
    Bca,
    /// Percentiles of the resamples.
    Percentile,
}

/// All choices. [`Options::default`] has those named below.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// γ in (0, 1]. Default 1.
    pub discount: f64,
    /// Default [`Behaviour::Auto`].
    pub behaviour: Behaviour,
    /// Cumulative ratios above this count as this. It lowers variance and biases every estimate that uses ratios. Default none.
    pub max_weight: Option<f64>,
    /// Probabilities of the target up to this count as none when overlap is looked at. Default 1e-6, the rounding that is allowed in
    /// its rows.
    pub negligible: f64,
    /// Default [`Fit::Pooled`].
    pub fit: Fit,
    /// Doubly robust estimates take the Q of all folds but an episode's own; at least 2. Default 5.
    pub folds: usize,
    /// An estimate with a smaller effective sample size is refused. Default: 10, or a hundredth of the episodes where that is more.
    pub least_effective: Option<f64>,
    /// An estimate in which one episode has a larger share of all weight is refused. Default 0.5.
    pub largest_share: f64,
    /// Coverage of the intervals, in (0, 1). Default 0.95.
    pub level: f64,
    /// Bootstrap resamples, at least 1. Default 1000.
    pub resamples: usize,
    /// Default [`Interval::Bca`].
    pub interval: Interval,
    /// Where there are more episodes than this, groups of neighbours are resampled, so many of them; at least 2. Default 2048.
    pub units: usize,
    /// The same data, options and seed give the same bits. Default 0.
    pub seed: u64,
    /// Threads, at least 1; no number depends on them. Default 1.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            discount: 1.0,
            behaviour: Behaviour::Auto,
            max_weight: None,
            negligible: crate::ROUNDING,
            fit: Fit::Pooled,
            folds: 5,
            least_effective: None,
            largest_share: 0.5,
            level: 0.95,
            resamples: 1000,
            interval: Interval::Bca,
            units: 2048,
            seed: 0,
            threads: 1,
        }
    }
}

impl Options {
    /// The smallest effective sample size that is not refused, of so many episodes.
    pub fn floor(&self, episodes: usize) -> f64 {
        self.least_effective.unwrap_or_else(|| (episodes as f64 / 100.0).max(10.0))
    }

    /// [`Error::Option`] where one is outside its range.
    pub fn check(&self) -> Result<(), Error> {
        let inside = |name, value: f64, fits: bool, expected| {
            if fits { Ok(()) } else { Err(Error::Option { name, value, expected }) }
        };
        let gamma = self.discount;
        inside("discount", gamma, gamma > 0.0 && gamma <= 1.0, "above 0 and at most 1")?;
        if self.fit == Fit::Stationary {
            inside("discount", gamma, gamma < 1.0, "below 1 for a stationary fit")?;
        }
        if let Behaviour::Estimated { smoothing, stages } = self.behaviour {
            inside("smoothing", smoothing, (0.0..=1e100).contains(&smoothing), "at least 0 and at most 1e100")?;
            let stages = stages.unwrap_or(1);
            inside("stages", stages as f64, stages > 0, "at least 1")?;
        }
        let clip = self.max_weight.unwrap_or(1.0);
        inside("max_weight", clip, clip > 0.0 && clip.is_finite(), "above 0 and finite")?;
        inside("negligible", self.negligible, (0.0..1.0).contains(&self.negligible), "at least 0 and below 1")?;
        let floor = self.least_effective.unwrap_or(0.0);
        inside("least_effective", floor, floor >= 0.0 && floor.is_finite(), "at least 0 and finite")?;
        let share = self.largest_share;
        inside("largest_share", share, share > 0.0 && share <= 1.0, "above 0 and at most 1")?;
        inside("level", self.level, self.level > 0.0 && self.level < 1.0, "strictly between 0 and 1")?;
        for (name, value, least, expected) in [
            ("folds", self.folds, 2, "at least 2"),
            ("resamples", self.resamples, 1, "at least 1"),
            ("units", self.units, 2, "at least 2"),
            ("threads", self.threads, 1, "at least 1"),
        ] {
            inside(name, value as f64, value >= least, expected)?;
        }
        Ok(())
    }
}
