//! The expectation step over many episodes, shared over threads.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use tiresias_data::Trajectories;

use super::pass::{Likelihoods, Passes, Ready};
use super::regress::{Beliefs, Moments};
use super::tables::{Expected, Parameters, Size};
use crate::{FitError, Hook, Progress};

/// Parts that the episodes are cut into at most, however many threads there are.
const MOST_PARTS: usize = 64;
/// Decisions of a part at least.
const LEAST_STEPS: usize = 256;
/// Bytes that the counts of all parts may take together.
const MOST_BYTES: usize = 512 << 20;
/// Multiply-adds of a part that are worth a call of the hook: a few milliseconds.
const LONG: usize = 1 << 23;

/// Some episodes, in a fixed number of parts of about as many decisions each.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    pub data: &'a Trajectories,
    pub episodes: Vec<usize>,
    pub steps: usize,
    parts: Vec<Range<usize>>,
    /// Whether a part takes long.
    long: bool,
}

impl<'a> Sample<'a> {
    pub fn new(data: &'a Trajectories, episodes: Vec<usize>, size: Size) -> Self {
        let length = |&episode: &usize| data.range(episode).len();
        let steps: usize = episodes.iter().map(length).sum();
        let wanted = (steps / LEAST_STEPS).min(MOST_BYTES / 8 / size.numbers()).clamp(1, MOST_PARTS);
        let (mut parts, mut begin, mut passed) = (Vec::new(), 0, 0);
        for (i, episode) in episodes.iter().enumerate() {
            passed += length(episode);
            if passed * wanted >= steps * (parts.len() + 1) {
                parts.push(begin..i + 1);
                begin = i + 1;
            }
        }
        let long = steps / wanted * 3 * size.states * size.states > LONG;
        Self { data, episodes, steps, parts, long }
    }

    /// Expected counts and the log-likelihood under a model. 3·N·S² multiply-adds for N decisions.
    pub fn expect(&self, parameters: &Parameters, watch: &Watch<'_>) -> Result<Expected, FitError> {
        let ready = Ready::new(parameters);
        let parts = self.each_part(watch, |passes| pulp::Arch::new().dispatch(passes), &ready)?;
        let sum = parts.into_iter().reduce(|mut sum, part| {
            sum.add(&part);
            sum
        });
        Ok(sum.expect("there is an episode"))
    }

    /// The log-likelihood of each episode. N·S² multiply-adds.
    pub fn log_likelihoods(&self, parameters: &Parameters, watch: &Watch<'_>) -> Result<Vec<f64>, FitError> {
        let ready = Ready::new(parameters);
        let parts = self.each_part(watch, |passes| pulp::Arch::new().dispatch(Likelihoods(passes)), &ready)?;
        Ok(parts.concat())
    }

    /// What the regression of rewards on beliefs needs. 2·N·S² multiply-adds.
    pub fn moments(&self, parameters: &Parameters, mean: f64, watch: &Watch<'_>) -> Result<Moments, FitError> {
        let ready = Ready::new(parameters);
        let parts = self.each_part(watch, |passes| pulp::Arch::new().dispatch(Beliefs(passes, mean)), &ready)?;
        let sum = parts.into_iter().reduce(|mut sum, part| {
            sum.add(&part);
            sum
        });
        Ok(sum.expect("there is an episode"))
    }

    fn each_part<T: Send>(
        &self,
        watch: &Watch<'_>,
        work: impl Fn(Passes<'_>) -> T + Sync,
        ready: &Ready<'_>,
    ) -> Result<Vec<T>, FitError> {
        let part = |range: &Range<usize>| {
            watch.check(self.long)?;
            Ok(work(Passes { ready, data: self.data, episodes: &self.episodes[range.clone()] }))
        };
        self.parts.par_iter().map(part).collect()
    }
}

/// The hook of one fit, and what it is told.
pub(crate) struct Watch<'a> {
    hook: Hook<'a>,
    progress: Progress,
    /// Whether the hook broke: then it stays so.
    cancelled: AtomicBool,
}

impl<'a> Watch<'a> {
    pub fn new(hook: Hook<'a>) -> Self {
        let progress = Progress { phase: "try", done: 0, total: 0, log_posterior: f64::NEG_INFINITY };
        Self { hook, progress, cancelled: AtomicBool::new(false) }
    }

    /// Begins a phase of `total` units.
    pub fn phase(&mut self, phase: &'static str, total: usize) {
        self.progress = Progress { phase, done: 0, total, log_posterior: f64::NEG_INFINITY };
    }

    /// Tells how much of the phase is done.
    pub fn done(&mut self, done: usize) -> Result<(), FitError> {
        self.progress.done = done;
        self.check(true)
    }

    /// Tells what an iteration came to.
    pub fn reached(&mut self, log_posterior: f64) -> Result<(), FitError> {
        self.progress.log_posterior = log_posterior;
        self.check(true)
    }

    /// Whether to go on; the hook is only asked if `ask`.
    fn check(&self, ask: bool) -> Result<(), FitError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(FitError::Cancelled);
        }
        if ask && (self.hook)(self.progress) == ControlFlow::Break(()) {
            self.cancelled.store(true, Ordering::Relaxed);
            return Err(FitError::Cancelled);
        }
        Ok(())
    }
}
