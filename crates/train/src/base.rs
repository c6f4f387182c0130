//! The frozen base model: a GGUF file, or a folder as `transformers` writes it. What it computes is data (`architecture`), each format
//! has a file of its own, and one place takes the tensors of both.

mod architecture;
mod gguf;
mod rope;
mod safetensors;
mod tensors;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use sha2::{Digest, Sha256};

pub use architecture::{FAMILIES, Family, Module, Shape, Span};
pub use gguf::unpermuted;
pub use rope::{Scaling, frequencies};

use crate::error::{Error, Result};
use crate::layer::{Extra, Norm};
use crate::quantized::{Matrix, Quantized};
use tensors::Tensors;

/// One decoder layer's frozen weights.
pub struct Layer {
    /// Norm before attention.
    pub attn_norm: Vec<f32>,
    /// Norm before the feed-forward block.
    pub ffn_norm: Vec<f32>,
    /// The linear maps, indexed by `Module as usize`.
    pub linear: [Quantized; 7],
    /// What a Llama's layer has not.
    pub extra: Extra,
}

/// A whole frozen model.
pub struct Base {
    /// Its shape.
    pub shape: Shape,
    /// Token embeddings, `vocabulary × hidden`.
    pub embedding: Quantized,
    /// The language-model head, unless it is tied to the embeddings.
    pub untied_head: Option<Quantized>,
    /// Norm before the head.
    pub final_norm: Vec<f32>,
    /// Decoder layers.
    pub layers: Vec<Layer>,
    /// Hash of the file, in hexadecimal.
    pub sha256: String,
    /// The seed of the draws that replaced its weights, if they did.
    pub random_weights: Option<u64>,
    /// The name that the file gives the model.
    pub name: String,
    /// Block format of the first layer's query weights, such as `Q4_1`.
    pub quantization: String,
    /// Number of weights.
    pub parameters: usize,
}

impl Base {
    /// The weight of one norm.
    pub fn norm(&self, norm: Norm) -> &[f32] {
        match norm {
            Norm::Attention(layer) => &self.layers[layer].attn_norm,
            Norm::FeedForward(layer) => &self.layers[layer].ffn_norm,
            Norm::Final => &self.final_norm,
        }
    }

    /// The head: its own weights, or the embeddings.
    pub fn head(&self) -> Matrix<'_> {
        Matrix::Quantized(self.untied_head.as_ref().unwrap_or(&self.embedding))
    }

    /// Reads a GGUF file or a folder and checks its hash, if one is expected.
    pub fn load(path: &Path, expected_sha256: Option<&str>) -> Result<Self> {
        Self::load_with(path, expected_sha256, None)
    }

    /// As [`Base::load`], or its architecture with random weights: with a seed, each matrix and bias is replaced by draws of mean 0 and
    /// the same standard deviation, quantised to the same blocks, and each norm's weights by their root mean square.
    pub fn load_with(path: &Path, expected_sha256: Option<&str>, random_weights: Option<u64>) -> Result<Self> {
        let fail = |message: String| Error::Base { path: path.to_owned(), message };
        let cannot = |e: std::io::Error| fail(format!("cannot read the base model: {e}; fetch it again"));
        let folder = path.is_dir();
        let bytes = if folder { Vec::new() } else { std::fs::read(path).map_err(cannot)? };
        let sha256 = if folder { safetensors::sha256(path).map_err(fail)? } else { hex(&Sha256::digest(&bytes)) };
        if let Some(expected) = expected_sha256.filter(|e| !e.eq_ignore_ascii_case(&sha256)) {
            return Err(fail(format!(
                "has SHA-256 {sha256}, not the configured {expected}; fetch it again or mend `base.sha256`"
            )));
        }
        let read = || {
            let (plan, tensors) =
                if folder { safetensors::open(path, random_weights) } else { gguf::open(&bytes, random_weights) }?;
            plan.assemble(tensors, sha256, random_weights)
        };
        // candle's reader checks lengths but divides by the file's own alignment: a hostile file may still panic.
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("its reader panicked".into())).map_err(|e| {
            // What this program does not compute, no other copy of the file holds otherwise.
            let again = if e.contains("unsupported") { "" } else { "fetch it again, or " };
            fail(format!("{e}; {again}name another model"))
        })
    }
}

/// What a format calls its tensors: those of a layer after `layers` and its number, all before `.weight` or `.bias`.
struct Names {
    embedding: &'static str,
    head: &'static str,
    final_norm: &'static str,
    layers: &'static str,
    modules: [&'static str; 7],
    attn_norm: &'static str,
    ffn_norm: &'static str,
    q_norm: &'static str,
    k_norm: &'static str,
    attn_out_norm: &'static str,
    ffn_out_norm: &'static str,
}

/// What a header says: how the tensors make a base.
struct Plan {
    name: String,
    family: Family,
    shape: Shape,
    /// Whether the head has weights of its own.
    untied: bool,
    /// Which maps have biases, indexed by `Module as usize`.
    biases: [bool; 7],
    /// Whether rows of queries and keys must be put in Hugging Face's order.
    interleaved: bool,
    names: Names,
}

impl Plan {
    /// Takes every tensor, and refuses those that are missing or left over.
    fn assemble(
        self,
        mut tensors: Tensors,
        sha256: String,
        random_weights: Option<u64>,
    ) -> std::result::Result<Base, String> {
        let Self { shape, names, .. } = &self;
        shape.check()?;
        let rows = (shape.vocabulary, shape.hidden);
        let weight = |name: &str| format!("{name}.weight");
        let embedding = tensors.matrix(&weight(names.embedding), rows)?;
        let untied_head = self.untied.then(|| tensors.matrix(&weight(names.head), rows)).transpose()?;
        let final_norm = tensors.norm(&weight(names.final_norm), shape.hidden, self.family.norm_offset)?;
        let layers = (0..shape.layers.len()).map(|index| self.layer(&mut tensors, index));
        let layers = layers.collect::<std::result::Result<Vec<_>, _>>()?;
        tensors.finish()?;
        Ok(Base {
            quantization: layers.first().map_or_else(|| "none".into(), |l| format!("{:?}", l.linear[0].dtype())),
            embedding,
            untied_head,
            final_norm,
            layers,
            sha256,
            random_weights,
            parameters: tensors.parameters,
            name: self.name,
            shape: self.shape,
        })
    }

    fn layer(&self, tensors: &mut Tensors, index: usize) -> std::result::Result<Layer, String> {
        let Self { shape, names, family, .. } = self;
        let at = |name: &str, part: &str| format!("{}.{index}.{name}.{part}", names.layers);
        let mut norm = |name: &str, length| tensors.norm(&at(name, "weight"), length, family.norm_offset);
        let attn_norm = norm(names.attn_norm, shape.hidden)?;
        let ffn_norm = norm(names.ffn_norm, shape.hidden)?;
        let mut some = |wanted: bool, name, length| wanted.then(|| norm(name, length)).transpose();
        let mut extra = Extra {
            q_norm: some(family.head_norms, names.q_norm, shape.heads.dim)?,
            k_norm: some(family.head_norms, names.k_norm, shape.heads.dim)?,
            attn_out_norm: some(family.output_norms, names.attn_out_norm, shape.hidden)?,
            ffn_out_norm: some(family.output_norms, names.ffn_out_norm, shape.hidden)?,
            ..Extra::default()
        };
        let mut linear = Vec::with_capacity(Module::ALL.len());
        for module in Module::ALL {
            let (outputs, inputs) = shape.of(module);
            let (name, interleaved) =
                (names.modules[module as usize], self.interleaved && matches!(module, Module::QProj | Module::KProj));
            let ordered = |rows: Quantized| if interleaved { unpermuted(&rows, shape.heads.dim) } else { rows };
            linear.push(ordered(tensors.matrix(&at(name, "weight"), (outputs, inputs))?));
            if self.biases[module as usize] {
                let bias = Quantized::from_f32(&tensors.bias(&at(name, "bias"), outputs)?, outputs, 1);
                extra.biases[module as usize] = Some(ordered(bias).to_dense());
            }
        }
        let linear = linear.try_into().map_err(|_| "a layer has not seven linear maps")?;
        Ok(Layer { attn_norm, ffn_norm, linear, extra })
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}
