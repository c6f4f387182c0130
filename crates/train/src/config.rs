//! Configurations of both modes. Unknown fields are refused, and every message names its field.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tiresias_encode::Template;
use tiresias_text::Unmarked;

use crate::base::Module;
use crate::bf16::Kernel;
use crate::error::{Error, Result};
use crate::stream::StreamConfig;

/// The version of `docs/contracts.md` that this crate keeps.
pub const CONTRACT: u32 = 2;

/// The name of this backend.
pub const BACKEND: &str = "candle";

/// What products with a base's weights are computed in; everything else is in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// The reference.
    #[default]
    F32,
    /// Operands rounded to bf16, sums in f32.
    Bf16,
    /// The faster of the two on this machine ([`Kernel::outruns_f32`]).
    Auto,
}

impl Arithmetic {
    /// What it comes to on this machine.
    fn here(self) -> Self {
        match self {
            Self::Auto if Kernel::outruns_f32() => Self::Bf16,
            Self::Auto => Self::F32,
            chosen => chosen,
        }
    }

    /// The name in the contract of what it comes to on this machine.
    pub fn name(self) -> &'static str {
        if self.here() == Self::Bf16 { "bf16" } else { "f32" }
    }

    /// What multiplies in bf16 on this machine, if that is what it comes to. Without instructions for it the same is computed slowly, which
    /// is said but not refused: an adapter can be made again and looked into on any machine.
    pub fn kernel(self) -> Option<Kernel> {
        let kernel = (self.here() == Self::Bf16).then(Kernel::best);
        if kernel == Some(Kernel::Portable) {
            eprintln!(
                "this processor has no instructions for bf16, so that `arithmetic` f32 would be faster than bf16"
            );
        }
        kernel
    }
}

/// The base model.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseConfig {
    /// A GGUF file, or a folder as `transformers` writes it.
    pub path: PathBuf,
    /// Its hash in hexadecimal, checked if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// With a seed, its weights are replaced by random ones of the same spread (`Base::load_with`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_weights: Option<u64>,
}

/// One dataset file: `.parquet`, `.jsonl`, `.json` or `.safetensors`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The file.
    pub path: PathBuf,
    /// Its hash in hexadecimal, checked if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Low-rank adapters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank.
    pub r: usize,
    /// The product B·A is scaled by `alpha / r`.
    pub alpha: f64,
    /// Adapted modules.
    pub targets: Vec<Module>,
}

/// A network that is trained from nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Architecture {
    /// The language model's own.
    Llama(LlamaConfig),
    /// The Decision-Pretrained Transformer.
    Dpt(DptConfig),
}

/// The Decision-Pretrained Transformer of Lee et al. 2023 at the size of their bandits and Darkroom: 4 layers, 4 heads, width 32.
/// It reads the compact ids of some templates, as transitions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DptConfig {
    /// The templates of the tokenizer that wrote the ids, in its order; have no default.
    pub templates: Vec<Template>,
    /// Number of observations, of states where those are seen; has no default.
    pub observations: usize,
    /// Number of actions; has no default.
    pub actions: usize,
    /// Blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// Decisions that are learnt from in each example, drawn by its ids; all of them when left out. A decision costs a sequence of
    /// everything before it, so that all of a long trajectory's cost its length squared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisions: Option<usize>,
}

impl Default for DptConfig {
    fn default() -> Self {
        Self { templates: Vec::new(), observations: 0, actions: 0, layers: 4, hidden: 32, heads: 4, decisions: None }
    }
}

impl DptConfig {
    /// What is wrong with it.
    pub fn faults(&self) -> Vec<Fault> {
        let Self { ref templates, observations, actions, layers, hidden, heads, decisions } = *self;
        let range = |n: usize, largest: usize| !(1..=largest).contains(&n);
        let between = |largest: usize, n: usize| format!("must be in 1..={largest}, not {n}");
        let template = templates.iter().find_map(|template| template.validate().err());
        vec![
            (templates.is_empty(), "architecture.templates", "must name the tokenizer's templates".to_owned()),
            (template.is_some(), "architecture.templates", template.map_or_else(String::new, |e| e.to_string())),
            (range(observations, 100_000), "architecture.observations", between(100_000, observations)),
            (range(actions, 10), "architecture.actions", between(10, actions)),
            (range(layers, 256), "architecture.layers", between(256, layers)),
            (range(heads, 256), "architecture.heads", between(256, heads)),
            (
                range(hidden, 1 << 14) || !hidden.is_multiple_of(heads.max(1)),
                "architecture.hidden",
                format!("must be a multiple of the {heads} heads, up to {}, not {hidden}", 1 << 14),
            ),
            (decisions == Some(0), "architecture.decisions", "must be at least 1".to_owned()),
        ]
    }
}

/// A Llama's shape, small by default: RMS norms, rotary positions, `SwiGLU`, grouped keys, head tied to the embeddings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LlamaConfig {
    /// Number of token ids; has no default.
    pub vocabulary: usize,
    /// Longest sequence.
    pub context: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width inside the feed-forward block.
    pub ffn: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// ε of the norms.
    pub eps: f64,
    /// Standard deviation of the initial matrices.
    pub init_std: f64,
}

impl Default for LlamaConfig {
    fn default() -> Self {
        Self {
            vocabulary: 0,
            context: 2048,
            layers: 4,
            hidden: 128,
            heads: 4,
            kv_heads: 2,
            ffn: 344,
            rope_theta: 10_000.0,
            eps: 1e-5,
            init_std: 0.02,
        }
    }
}

/// Whether it is wrong, which field, and what should stand there.
pub type Fault = (bool, &'static str, String);

impl LlamaConfig {
    /// What is wrong with it.
    pub fn faults(&self) -> Vec<Fault> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let range = |n: usize, largest: usize| !(1..=largest).contains(&n);
        let between = |largest: usize, n: usize| format!("must be in 1..={largest}, not {n}");
        let Self { vocabulary, context, layers, hidden, heads, kv_heads, ffn, rope_theta, eps, init_std } = *self;
        let width = heads.max(1);
        vec![
            (
                !(2..=1 << 20).contains(&vocabulary),
                "architecture.vocabulary",
                format!("must be the number of the tokenizer's ids, in 2..={}, not {vocabulary}", 1 << 20),
            ),
            (range(context, 1 << 20), "architecture.context", between(1 << 20, context)),
            (range(layers, 256), "architecture.layers", between(256, layers)),
            (range(heads, 256), "architecture.heads", between(256, heads)),
            (
                range(hidden, 1 << 14) || !hidden.is_multiple_of(2 * width),
                "architecture.hidden",
                format!("must be a multiple of twice the heads, {}, up to {}, not {hidden}", 2 * width, 1 << 14),
            ),
            (
                range(kv_heads, width) || !width.is_multiple_of(kv_heads.max(1)),
                "architecture.kv_heads",
                format!("must divide the {heads} heads, not {kv_heads}"),
            ),
            (range(ffn, 1 << 16), "architecture.ffn", between(1 << 16, ffn)),
            (!positive(rope_theta), "architecture.rope_theta", format!("must be positive, not {rope_theta}")),
            (!positive(eps), "architecture.eps", format!("must be positive, not {eps}")),
            (!positive(init_std), "architecture.init_std", format!("must be positive, not {init_std}")),
        ]
    }
}

/// How the learning rate goes after its linear warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It falls in a line to zero just after the last step.
    Linear,
    /// It falls along half a cosine to zero just after the last step.
    Cosine,
}

/// `AdamW`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Largest learning rate.
    pub lr: f64,
    /// Its course.
    pub schedule: Schedule,
    /// Steps until it is reached.
    pub warmup_steps: u64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay, times the learning rate.
    pub weight_decay: f64,
    /// Gradients of a larger norm are scaled down to it; 0 turns clipping off.
    pub max_grad_norm: f64,
}

/// The `train` mode.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Must be [`CONTRACT`].
    pub contract: u32,
    /// Must be `candle`.
    pub backend: String,
    /// The base model that gets adapters, or …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseConfig>,
    /// … the network that is trained from nothing: one of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// Files of examples, in order, or …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<DataConfig>,
    /// … what makes them as training goes on: one of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamConfig>,
    /// Everything is written under this folder.
    pub output: PathBuf,
    /// The base model's adapters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
    /// Optimiser.
    pub optimizer: OptimizerConfig,
    /// Optimiser steps.
    pub steps: u64,
    /// Examples a step.
    pub batch_size: usize,
    /// Seed of the shuffle and of the initial values.
    pub seed: u64,
    /// Threads; the result does not depend on it.
    pub threads: usize,
    /// A checkpoint after every so many steps.
    pub checkpoint_every: u64,
    /// Compute activations again on the way back instead of keeping them.
    pub gradient_checkpointing: bool,
    /// What products with the base's weights are computed in; f32 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arithmetic: Option<Arithmetic>,
}

/// The `decide` mode.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideConfig {
    /// Must be [`CONTRACT`].
    pub contract: u32,
    /// Must be `candle`.
    pub backend: String,
    /// The base model, or …
    #[serde(default)]
    pub base: Option<BaseConfig>,
    /// … the folder of a network that was trained from nothing: one of the two.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A PEFT folder; without it the base acts as it is.
    #[serde(default)]
    pub adapter: Option<PathBuf>,
    /// Threads.
    pub threads: usize,
    /// As in training, and free of what was chosen there.
    #[serde(default)]
    pub arithmetic: Option<Arithmetic>,
}

impl TrainConfig {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self> {
        let config: Self = read(path)?;
        check(path, &config.faults())?;
        Ok(config)
    }

    fn faults(&self) -> Vec<Fault> {
        let o = &self.optimizer;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let fraction = |x: f64| (0.0..1.0).contains(&x);
        let mut faults = common_faults(self.contract, &self.backend, self.base.as_ref(), self.threads, self.arithmetic);
        faults.push((
            self.base.is_some() == self.architecture.is_some(),
            "base",
            "or `architecture` must be given, and not both".to_owned(),
        ));
        faults.push((
            self.base.is_some() != self.lora.is_some(),
            "lora",
            "must be given with a `base`, which it adapts, and only with one".to_owned(),
        ));
        faults.extend(match &self.architecture {
            None => Vec::new(),
            Some(Architecture::Llama(llama)) => llama.faults(),
            Some(Architecture::Dpt(dpt)) => dpt.faults(),
        });
        if let Some(l) = &self.lora {
            faults.extend([
                (!(1..=4096).contains(&l.r), "lora.r", format!("must be in 1..=4096, not {}", l.r)),
                (!positive(l.alpha), "lora.alpha", format!("must be positive, not {}", l.alpha)),
                (l.targets.is_empty(), "lora.targets", "must name at least one module".to_owned()),
            ]);
        }
        let wrong =
            self.data.iter().filter_map(|d| d.sha256.as_deref()).find(|hash| !is_hash(hash)).unwrap_or_default();
        faults.extend([
            (!wrong.is_empty(), "data.sha256", format!("must be 64 hexadecimal digits, not `{wrong}`")),
            (
                self.data.is_empty() != self.stream.is_some(),
                "data",
                "must name at least one file, or `stream` what makes examples, and not both".to_owned(),
            ),
            (
                self.stream.as_ref().is_some_and(|stream| stream.specs.is_empty()),
                "stream.specs",
                "must name at least one specification".to_owned(),
            ),
            (self.output.as_os_str().is_empty(), "output", "must name a folder".to_owned()),
            (!positive(o.lr), "optimizer.lr", format!("must be positive, not {}", o.lr)),
            (!fraction(o.beta1), "optimizer.beta1", format!("must be in [0, 1), not {}", o.beta1)),
            (!fraction(o.beta2), "optimizer.beta2", format!("must be in [0, 1), not {}", o.beta2)),
            (!positive(o.eps), "optimizer.eps", format!("must be positive, not {}", o.eps)),
            (
                !(o.weight_decay == 0.0 || positive(o.weight_decay)),
                "optimizer.weight_decay",
                format!("must be 0 or positive, not {}", o.weight_decay),
            ),
            (
                !(o.max_grad_norm == 0.0 || positive(o.max_grad_norm)),
                "optimizer.max_grad_norm",
                format!("must be positive, or 0 for no clipping, not {}", o.max_grad_norm),
            ),
            (self.steps == 0, "steps", "must be at least 1".to_owned()),
            (self.batch_size == 0, "batch_size", "must be at least 1".to_owned()),
            (self.checkpoint_every == 0, "checkpoint_every", "must be at least 1".to_owned()),
        ]);
        faults
    }
}

impl DecideConfig {
    /// What multiplies in bf16, if that was asked for.
    pub fn bf16(&self) -> Option<Kernel> {
        self.arithmetic.unwrap_or_default().kernel()
    }

    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self> {
        let config: Self = read(path)?;
        let mut faults =
            common_faults(config.contract, &config.backend, config.base.as_ref(), config.threads, config.arithmetic);
        faults.extend([
            (
                config.base.is_some() == config.model.is_some(),
                "base",
                "or `model` must be given, and not both".to_owned(),
            ),
            (
                config.adapter.is_some() && config.base.is_none(),
                "adapter",
                "needs the `base` that it was trained on".to_owned(),
            ),
        ]);
        check(path, &faults)?;
        Ok(config)
    }
}

fn common_faults(
    contract: u32,
    backend: &str,
    base: Option<&BaseConfig>,
    threads: usize,
    arithmetic: Option<Arithmetic>,
) -> Vec<Fault> {
    let hash = base.and_then(|base| base.sha256.as_deref()).unwrap_or(&"0".repeat(64)).to_owned();
    vec![
        (contract != CONTRACT, "contract", format!("must be {CONTRACT}, not {contract}: update the older side")),
        (backend != BACKEND, "backend", format!("must be `{BACKEND}` for this program, not `{backend}`")),
        (
            arithmetic.is_some_and(|chosen| chosen != Arithmetic::F32) && base.is_none(),
            "arithmetic",
            "is to be chosen with a `base` only; what is trained from nothing is computed in f32: leave it out"
                .to_owned(),
        ),
        (!is_hash(&hash), "base.sha256", format!("must be 64 hexadecimal digits, not `{hash}`")),
        (!(1..=1024).contains(&threads), "threads", format!("must be in 1..=1024, not {threads}")),
    ]
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let fail = |message: String| Error::Config { path: path.to_owned(), message };
    let text = std::fs::read_to_string(path).map_err(|e| fail(format!("cannot read the configuration: {e}")))?;
    let mut document = serde_json::Deserializer::from_str(text.unmarked());
    let config = serde_path_to_error::deserialize(&mut document).map_err(|error| match error.path().to_string() {
        whole if whole == "." => fail(error.to_string()),
        field => fail(format!("`{field}`: {}", error.into_inner())),
    })?;
    document.end().map_err(|error| fail(error.to_string()))?;
    Ok(config)
}

fn check(path: &Path, faults: &[Fault]) -> Result<()> {
    match faults.iter().find(|(wrong, ..)| *wrong) {
        None => Ok(()),
        Some((_, field, message)) => {
            Err(Error::Config { path: path.to_owned(), message: format!("`{field}` {message}") })
        }
    }
}
