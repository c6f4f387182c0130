//! How likely the behaviour was to do what was done.

use tiresias_model::memory;

use crate::log::{Log, Probability};
use crate::{Behaviour, Error, Options};

/// How often every action was taken at every observation, stages put together in buckets.
pub(crate) struct Counts {
    /// Stages of a bucket.
    pub width: usize,
    symbols: usize,
    actions: usize,
    taken: Vec<u64>,
    /// Sums of `taken` over actions.
    seen: Vec<u64>,
    /// Whether every action was taken.
    complete: Vec<bool>,
}

impl Counts {
    /// O(steps + buckets · symbols · actions).
    pub fn new<P: Probability>(log: &Log<P>, stages: Option<usize>) -> Result<Self, Error> {
        let width = stages.unwrap_or(log.horizon).min(log.horizon);
        let rows = memory::product(&[log.horizon.div_ceil(width), log.symbols]);
        let bytes = memory::product(&[rows, log.actions + 2, 8]);
        memory::check(bytes, || "counts of all observations and actions".into(), "use wider buckets of stages")?;
        let mut counts = Self {
            width,
            symbols: log.symbols,
            actions: log.actions,
            taken: vec![0; rows * log.actions],
            seen: Vec::new(),
            complete: Vec::new(),
        };
        for episode in 0..log.episodes() {
            for (stage, step) in log.trajectories.range(episode).enumerate() {
                let cell = counts.cell(stage, log.symbol(step), log.action(step));
                counts.taken[cell] += 1;
            }
        }
        for row in counts.taken.chunks_exact(log.actions) {
            counts.seen.push(row.iter().sum());
            counts.complete.push(row.iter().all(|&count| count > 0));
        }
        Ok(counts)
    }

    fn row(&self, stage: usize, symbol: usize) -> usize {
        stage / self.width * self.symbols + symbol
    }

    fn cell(&self, stage: usize, symbol: usize, action: usize) -> usize {
        self.row(stage, symbol) * self.actions + action
    }

    /// Whether nobody took the action there.
    pub fn never(&self, stage: usize, symbol: usize, action: usize) -> bool {
        self.taken[self.cell(stage, symbol, action)] == 0
    }

    /// Whether every action was taken there.
    pub fn complete(&self, stage: usize, symbol: usize) -> bool {
        self.complete[self.row(stage, symbol)]
    }

    fn frequency(&self, stage: usize, symbol: usize, action: usize, smoothing: f64) -> f64 {
        let taken = self.taken[self.cell(stage, symbol, action)] as f64;
        let seen = self.seen[self.row(stage, symbol)] as f64;
        (taken + smoothing) / (seen + smoothing * self.actions as f64)
    }
}

/// Where the behaviour's probabilities come from, and the counts that overlap is judged by.
pub(crate) struct Propensities {
    pub counts: Counts,
    /// The smoothing of the counts; `None` where propensities are logged.
    pub estimated: Option<f64>,
}

impl Propensities {
    pub fn new<P: Probability>(log: &Log<P>, options: &Options) -> Result<Self, Error> {
        let logged = log.trajectories.has_propensities();
        let (estimated, stages) = match options.behaviour {
            Behaviour::Logged if !logged => return Err(Error::NoPropensities),
            Behaviour::Auto if !logged => (Some(0.0), None),
            Behaviour::Logged | Behaviour::Auto => (None, None),
            Behaviour::Estimated { smoothing, stages } => (Some(smoothing), stages),
        };
        Ok(Self { counts: Counts::new(log, stages)?, estimated })
    }

    /// The probability of what was done at a step, above 0.
    pub fn of<P: Probability>(&self, log: &Log<P>, stage: usize, step: usize) -> f64 {
        match self.estimated {
            None => log.columns.propensities[step],
            Some(smoothing) => self.counts.frequency(stage, log.symbol(step), log.action(step), smoothing),
        }
    }
}
