//! Examples made while training goes on, from the specification of a dataset: no file, and none comes twice.

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tiresias_encode::{BpeTokenizer, CompactTokenizer, Template, Tokenizer};
use tiresias_model::family;
use tiresias_study::{Generator, Spec};

use crate::base::hex;
use crate::data::{Limits, example};
use crate::error::{Error, Result};
use crate::gradient::Example;

/// What is drawn.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// Specifications of shards (`docs/datasets.md`), of which examples are taken in turn; `tasks` and `threads` have no meaning here.
    pub specs: Vec<Value>,
    /// The folder or the document of the specifications' family, where that is one of somebody's own. Its name is a hash of what lies there, so
    /// that another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_path: Option<PathBuf>,
    /// Templates of the compact vocabulary; without them ids are the base's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<Template>>,
}

/// The endless sequence of a specification's examples. Example `n` is of specification `n` mod their number, and depends on `n` alone.
pub struct Stream {
    generators: Vec<Generator>,
    limits: Limits,
    /// Hash of the specifications and the vocabulary.
    pub sha256: String,
    /// Length of the longest example.
    pub longest: usize,
}

impl Stream {
    /// Checks the specifications and draws the first example of each. `base` is the GGUF file whose vocabulary is meant where there are
    /// no templates.
    pub fn new(config: &StreamConfig, base: Option<&Path>, limits: Limits) -> Result<Self> {
        let tokenizer: Box<dyn Tokenizer> = match (&config.templates, base) {
            (Some(templates), _) => Box::new(CompactTokenizer::new(templates).map_err(refused)?),
            (None, Some(path)) => Box::new(BpeTokenizer::from_base(path).map_err(refused)?),
            (None, None) => {
                return Err(Error::Stream("has no templates, and there is no base to take ids from".into()));
            }
        };
        if let Some(path) = &config.family_path {
            family::load(path).map_err(refused)?;
        }
        let mut hash = Sha256::new();
        hash.update(tokenizer.sha256());
        let mut generators = Vec::new();
        for spec in &config.specs {
            let text = spec.to_string();
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(&text);
            generators.push(
                Generator::new(&Spec::from_json(&text).map_err(refused)?, tokenizer.as_ref(), false)
                    .map_err(refused)?,
            );
        }
        let mut stream = Self { generators, limits, sha256: hex(&hash.finalize()), longest: 0 };
        // Fields of a step are of fixed width, so an example is as long as any of its specification.
        let first = stream.examples(0..stream.generators.len() as u64)?;
        stream.longest = first.iter().map(|example| example.ids.len()).max().unwrap_or(0);
        Ok(stream)
    }

    /// Checks that there are tasks for so many examples, where a family of one's own has only so many models.
    pub fn check(&self, examples: u64) -> Result<()> {
        for generator in &self.generators {
            let spec = generator.spec();
            let family = family::family(&spec.family).map_err(refused)?;
            let Some(tasks) = family.tasks(&spec.split).filter(|_| family::is_own(&spec.family)) else { continue };
            let each = spec.examples_per_task as u64;
            let needed = examples.div_ceil(self.generators.len() as u64).div_ceil(each).saturating_add(spec.first_task);
            if needed > tasks {
                return Err(Error::Stream(format!(
                    "{examples} examples, {each} a task, take {needed} tasks of {}, which has {tasks} models: raise examplesPerTask, or lower steps or batchSize",
                    spec.split
                )));
            }
        }
        Ok(())
    }

    /// Examples `range`, on the current rayon pool.
    pub fn examples(&self, range: Range<u64>) -> Result<Vec<Example>> {
        let count = self.generators.len() as u64;
        let mut of_each = Vec::new();
        for (i, generator) in self.generators.iter().enumerate() {
            // Of this one those with numbers `i + count * n`.
            let number = |at: u64| at.saturating_sub(i as u64).div_ceil(count);
            of_each.push(rows(generator, number(range.start)..number(range.end), self.limits)?.into_iter());
        }
        let turns = range.map(|at| of_each[(at % count) as usize].next());
        turns.collect::<Option<_>>().ok_or_else(|| Error::Internal("a stream ran dry".into()))
    }
}

/// Examples `wanted` of one specification.
fn rows(generator: &Generator, wanted: Range<u64>, limits: Limits) -> Result<Vec<Example>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let (first, each) = (generator.spec().first_task, generator.spec().examples_per_task as u64);
    let tasks = wanted.start / each..(wanted.end - 1) / each + 1;
    let batch =
        generator.batch(first + tasks.start..first + tasks.end, &|_| ControlFlow::Continue(())).map_err(refused)?;
    wanted
        .map(|n| {
            let (ids, labels) = batch.row((n - tasks.start * each) as usize);
            let wide = |ids: &mut dyn Iterator<Item = i64>| ids.collect::<Vec<_>>();
            let ids = wide(&mut ids.iter().map(|&id| id.into()));
            let labels = wide(&mut labels.iter().map(|&label| label.into()));
            example(&ids, &labels, limits).map_err(|why| Error::Stream(format!("example {n}: {why}")))
        })
        .collect()
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::Stream(why.to_string())
}
