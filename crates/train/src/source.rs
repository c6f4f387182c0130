//! Where a training's examples come from: files, or a stream that makes them as it goes.

use std::path::Path;

use crate::config::TrainConfig;
use crate::data::{self, Dataset, Limits};
use crate::error::{Error, Result};
use crate::gradient::Example;
use crate::learner::Learner;
use crate::stream::Stream;

/// The examples of a training.
pub enum Source {
    /// All of them, visited in a seeded order again and again.
    Files(Dataset),
    /// Each seen once.
    Stream(Box<Stream>),
}

impl Source {
    /// What a configuration names. `base` is the file of the base, if there is one.
    pub fn open(config: &TrainConfig, base: Option<&Path>, limits: Limits) -> Result<Self> {
        match &config.stream {
            Some(stream) => Ok(Self::Stream(Box::new(Stream::new(stream, base, limits)?))),
            None => Ok(Self::Files(Dataset::load(&config.data, limits)?)),
        }
    }

    /// Length of the longest example.
    pub fn longest(&self) -> usize {
        match self {
            Self::Files(dataset) => dataset.longest(),
            Self::Stream(stream) => stream.longest,
        }
    }

    /// Hash of the examples, or of all that makes them.
    pub fn sha256(&self) -> &str {
        match self {
            Self::Files(dataset) => &dataset.sha256,
            Self::Stream(stream) => &stream.sha256,
        }
    }

    /// Number of different examples that a whole training sees, at most.
    pub fn examples(&self, config: &TrainConfig) -> u64 {
        match self {
            Self::Files(dataset) => dataset.examples.len() as u64,
            Self::Stream(_) => config.steps.saturating_mul(config.batch_size as u64),
        }
    }

    /// Checks what is there already; a stream's examples are checked as they are made.
    pub fn check(&self, config: &TrainConfig, learner: &dyn Learner) -> Result<()> {
        let dataset = match self {
            Self::Files(dataset) => dataset,
            Self::Stream(stream) => return stream.check(self.examples(config)),
        };
        for (i, example) in dataset.examples.iter().enumerate() {
            let why = |e| format!("row {i}, counted over all files: {e}; generate it with the configured templates");
            let path = config.data.first().map(|file| file.path.clone()).unwrap_or_default();
            learner.check(example).map_err(|e| Error::Data { path, message: why(e) })?;
        }
        Ok(())
    }

    /// Makes the examples of step `step` (from 0) where there are none yet.
    pub fn make(&self, config: &TrainConfig, learner: &dyn Learner, step: u64) -> Result<Vec<Example>> {
        let Self::Stream(stream) = self else { return Ok(Vec::new()) };
        if step >= config.steps {
            return Ok(Vec::new());
        }
        let size = config.batch_size as u64;
        let examples = stream.examples(step * size..(step + 1) * size)?;
        for example in &examples {
            learner.check(example).map_err(|why| Error::Stream(format!("an example of step {}: {why}", step + 1)))?;
        }
        Ok(examples)
    }

    /// The examples of step `step` (from 0), of which `made` came from [`Source::make`].
    pub fn batch<'a>(&'a self, config: &TrainConfig, made: &'a [Example], step: u64) -> Vec<&'a Example> {
        match self {
            Self::Stream(_) => made.iter().collect(),
            Self::Files(Dataset { examples, .. }) => {
                let order = data::batch(examples.len(), config.batch_size, config.seed, step);
                order.into_iter().map(|i| &examples[i]).collect()
            }
        }
    }
}
