//! Expectation–maximisation from a place, and from several.

use super::expect::{Sample, Watch};
use super::starts::start;
use super::tables::{Expected, Parameters, Prior, Size};
use crate::FitError;

/// What all climbs of one fit have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Search {
    pub prior: Prior,
    pub rewards_seen: bool,
    /// Places to begin at, at least 1.
    pub starts: usize,
    /// Iterations from each before only the best goes on.
    pub trial_iterations: usize,
    /// Iterations of that one in all, at least 1.
    pub iterations: usize,
    /// A climb ends when an iteration improves the log-posterior by no more than this for each decision.
    pub tolerance: f64,
    pub seed: u64,
}

/// A model on the way, with what is expected under it.
#[derive(Debug, Clone)]
pub(crate) struct Climb {
    pub parameters: Parameters,
    pub expected: Expected,
    /// Of every model so far.
    pub log_posteriors: Vec<f64>,
    pub converged: bool,
}

impl Climb {
    pub fn begin(
        search: &Search,
        sample: &Sample<'_>,
        parameters: Parameters,
        watch: &mut Watch<'_>,
    ) -> Result<Self, FitError> {
        let expected = sample.expect(&parameters, watch)?;
        let log_posterior = expected.log_likelihood + parameters.log_prior(&search.prior);
        watch.reached(log_posterior)?;
        Ok(Self { parameters, expected, log_posteriors: vec![log_posterior], converged: false })
    }

    /// Iterates until there are `iterations` models or nothing improves. `told` tells the watch of iterations as units of its phase.
    pub fn go_on(
        &mut self,
        search: &Search,
        sample: &Sample<'_>,
        iterations: usize,
        watch: &mut Watch<'_>,
        told: bool,
    ) -> Result<(), FitError> {
        // Ends: each turn adds a log-posterior.
        while !self.converged && self.log_posteriors.len() < iterations {
            let before = self.log_posterior();
            let parameters = self.expected.mode(&search.prior, search.rewards_seen);
            let next = Self::begin(search, sample, parameters, watch)?;
            let now = next.log_posterior();
            self.log_posteriors.push(now);
            // Not better either where it is no number, since the model rules the data out.
            let better = now - before > search.tolerance * sample.steps as f64;
            self.converged = !better;
            (self.parameters, self.expected) = (next.parameters, next.expected);
            if told {
                watch.done(self.log_posteriors.len())?;
            }
        }
        Ok(())
    }

    pub fn log_posterior(&self) -> f64 {
        self.log_posteriors.last().copied().unwrap_or(f64::NEG_INFINITY)
    }
}

impl Search {
    /// The best of several starts: a few iterations from each, then the best one's way to the end (Biernacki, Celeux, Govaert, "Choosing
    /// starting values for the EM algorithm", Computational Statistics & Data Analysis, 2003). Returns it with the log-posteriors that
    /// the trials reached. `told` tells the watch of starts and iterations as phases.
    pub fn run(
        &self,
        sample: &Sample<'_>,
        size: Size,
        watch: &mut Watch<'_>,
        told: bool,
    ) -> Result<(Climb, Vec<f64>), FitError> {
        let trial_iterations = if self.starts == 1 { 1 } else { self.trial_iterations.min(self.iterations) };
        if told {
            watch.phase("try", self.starts);
        }
        let (mut best, mut reached): (Option<Climb>, Vec<f64>) = (None, Vec::new());
        for number in 0..self.starts {
            let parameters = start(size, number, &self.prior, self.rewards_seen, self.seed);
            let mut trial = Climb::begin(self, sample, parameters, watch)?;
            trial.go_on(self, sample, trial_iterations, watch, false)?;
            reached.push(trial.log_posterior());
            if best.as_ref().is_none_or(|best| trial.log_posterior() > best.log_posterior()) {
                best = Some(trial);
            }
            if told {
                watch.done(number + 1)?;
            }
        }
        let mut best = best.expect("there is a start");
        if told {
            watch.phase("climb", self.iterations);
            watch.done(best.log_posteriors.len())?;
        }
        best.go_on(self, sample, self.iterations, watch, told)?;
        Ok((best, reached))
    }
}
