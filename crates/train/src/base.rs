//! The frozen base model, read from a GGUF file.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, Value};
use sha2::{Digest, Sha256};

use crate::attention::Heads;
use crate::data::Limits;
use crate::error::{Error, Result};
use crate::kernels::Rope;
use crate::layer::Norm;
use crate::quantized::{Matrix, Quantized};

/// The seven linear maps of a Llama layer, in the order of their use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // each is its name
pub enum Module {
    QProj,
    KProj,
    VProj,
    OProj,
    GateProj,
    UpProj,
    DownProj,
}

impl Module {
    /// All of them; `ALL[m as usize] == m`.
    pub const ALL: [Self; 7] =
        [Self::QProj, Self::KProj, Self::VProj, Self::OProj, Self::GateProj, Self::UpProj, Self::DownProj];

    /// Hugging Face's name of the module within a layer.
    pub fn path(self) -> &'static str {
        match self {
            Self::QProj => "self_attn.q_proj",
            Self::KProj => "self_attn.k_proj",
            Self::VProj => "self_attn.v_proj",
            Self::OProj => "self_attn.o_proj",
            Self::GateProj => "mlp.gate_proj",
            Self::UpProj => "mlp.up_proj",
            Self::DownProj => "mlp.down_proj",
        }
    }

    /// GGUF's name of the module within a layer.
    fn gguf(self) -> &'static str {
        match self {
            Self::QProj => "attn_q",
            Self::KProj => "attn_k",
            Self::VProj => "attn_v",
            Self::OProj => "attn_output",
            Self::GateProj => "ffn_gate",
            Self::UpProj => "ffn_up",
            Self::DownProj => "ffn_down",
        }
    }
}

/// The numbers that fix a Llama's shape.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Number of token ids.
    pub vocabulary: usize,
    /// Longest sequence the model was made for.
    pub context: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width inside the feed-forward block.
    pub ffn: usize,
    /// Attention heads.
    pub heads: Heads,
    /// ε of the root-mean-square norms.
    pub eps: f32,
    /// Rotary frequencies, one a pair of dimensions.
    pub frequencies: Vec<f64>,
}

impl Shape {
    /// `(outputs, inputs)` of a module.
    pub fn of(&self, module: Module) -> (usize, usize) {
        let (q, kv) = (self.heads.q_width(), self.heads.kv_width());
        match module {
            Module::QProj => (q, self.hidden),
            Module::KProj | Module::VProj => (kv, self.hidden),
            Module::OProj => (self.hidden, q),
            Module::GateProj | Module::UpProj => (self.ffn, self.hidden),
            Module::DownProj => (self.hidden, self.ffn),
        }
    }

    /// What the model can read.
    pub fn limits(&self) -> Limits {
        Limits { vocabulary: self.vocabulary, context: self.context }
    }

    /// Rotary tables for sequences of up to `length` tokens.
    pub fn rope(&self, length: usize) -> Rope {
        Rope::new(&self.frequencies, length)
    }
}

/// One decoder layer's frozen weights.
pub struct Layer {
    /// Norm before attention.
    pub attn_norm: Vec<f32>,
    /// Norm before the feed-forward block.
    pub ffn_norm: Vec<f32>,
    /// The linear maps, indexed by `Module as usize`.
    pub linear: [Quantized; 7],
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

    /// Reads a GGUF file and checks its hash, if one is expected.
    pub fn load(path: &Path, expected_sha256: Option<&str>) -> Result<Self> {
        Self::load_with(path, expected_sha256, None)
    }

    /// As [`Base::load`], or its architecture with random weights: with a seed, each matrix is replaced by draws of mean 0 and the
    /// same standard deviation, quantised to the same blocks, and each norm's weights by their root mean square.
    pub fn load_with(path: &Path, expected_sha256: Option<&str>, random_weights: Option<u64>) -> Result<Self> {
        let fail = |message: String| Error::Base { path: path.to_owned(), message };
        let bytes =
            std::fs::read(path).map_err(|e| fail(format!("cannot read the base model: {e}; fetch it again")))?;
        let sha256 = hex(&Sha256::digest(&bytes));
        if let Some(expected) = expected_sha256.filter(|e| !e.eq_ignore_ascii_case(&sha256)) {
            return Err(fail(format!(
                "has SHA-256 {sha256}, not the configured {expected}; fetch it again or mend `base.sha256`"
            )));
        }
        // candle's reader checks lengths but divides by the file's own alignment: a hostile file may still panic.
        catch_unwind(AssertUnwindSafe(|| Self::parse(&bytes, sha256, random_weights)))
            .unwrap_or_else(|_| Err("the GGUF reader panicked".into()))
            .map_err(|e| {
                // What this program does not compute, no other copy of the file holds otherwise.
                let again = if e.starts_with("unsupported") { "" } else { "fetch the file again, or " };
                fail(format!("{e}; {again}name another model"))
            })
    }

    fn parse(bytes: &[u8], sha256: String, random_weights: Option<u64>) -> std::result::Result<Self, String> {
        let file = &mut Gguf::new(bytes, random_weights)?;
        let shape = file.shape()?;
        let embedding = file.matrix("token_embd.weight", (shape.vocabulary, shape.hidden))?;
        let untied_head = if file.has("output.weight") {
            Some(file.matrix("output.weight", (shape.vocabulary, shape.hidden))?)
        } else {
            None
        };
        let final_norm = file.norm("output_norm.weight", shape.hidden)?;
        let count = file.number("block_count")?;
        let layers = (0..count).map(|i| file.layer(i, &shape)).collect::<std::result::Result<Vec<_>, _>>()?;
        file.finish()?;
        let linear = layers.iter().flat_map(|l| &l.linear).chain(&untied_head).chain([&embedding]);
        let parameters = linear.map(|w| w.rows() * w.cols()).sum::<usize>() + (2 * layers.len() + 1) * shape.hidden;
        let quantization = layers.first().map_or_else(|| "none".into(), |l| format!("{:?}", l.linear[0].dtype()));
        let name = file.text("general.name").unwrap_or("base").to_owned();
        Ok(Self {
            shape,
            embedding,
            untied_head,
            final_norm,
            layers,
            sha256,
            random_weights,
            name,
            quantization,
            parameters,
        })
    }
}

/// A GGUF file being read: takes tensors by name, and at the end refuses what nobody asked for, because a model with tensors
/// that this code does not know (biases, experts) would be computed wrongly.
struct Gguf<'a> {
    content: Content,
    reader: Cursor<&'a [u8]>,
    unread: BTreeSet<String>,
    random_weights: Option<u64>,
}

impl<'a> Gguf<'a> {
    fn new(bytes: &'a [u8], random_weights: Option<u64>) -> std::result::Result<Self, String> {
        let mut reader = Cursor::new(bytes);
        let content = Content::read(&mut reader).map_err(|e| unreadable(&e.to_string()))?;
        let unread = content.tensor_infos.keys().cloned().collect();
        let file = Self { content, reader, unread, random_weights };
        match file.text("general.architecture") {
            Some("llama") => Ok(file),
            other => Err(format!("unsupported architecture `{}` (supported: llama)", other.unwrap_or("none named"))),
        }
    }

    fn shape(&mut self) -> std::result::Result<Shape, String> {
        let hidden = self.number("embedding_length")?;
        let heads = self.number("attention.head_count")?;
        let kv_heads = self.number("attention.head_count_kv").unwrap_or(heads);
        let dim = self.number("attention.key_length").unwrap_or(hidden / heads.max(1));
        if heads == 0 || kv_heads == 0 || heads % kv_heads != 0 || !dim.is_multiple_of(2) || dim == 0 {
            return Err(format!("impossible attention shape: {heads} heads, {kv_heads} key heads, head width {dim}"));
        }
        for (key, want) in [("attention.value_length", dim), ("rope.dimension_count", dim)] {
            if let Ok(value) = self.number(key)
                && value != want
            {
                return Err(format!("unsupported `llama.{key}` {value} (supported: the head width, {want})"));
            }
        }
        if let Some(kind) = self.text("llama.rope.scaling.type").filter(|k| *k != "none") {
            return Err(format!("unsupported rope scaling `{kind}`"));
        }
        let theta = self.float("rope.freq_base").unwrap_or(10_000.0);
        let mut frequencies: Vec<f64> = (0..dim / 2).map(|i| theta.powf(-2.0 * i as f64 / dim as f64)).collect();
        if self.has("rope_freqs.weight") {
            let factors = self.vector("rope_freqs.weight", dim / 2)?;
            frequencies.iter_mut().zip(factors).for_each(|(f, factor)| *f /= f64::from(factor));
        }
        let embedding =
            self.content.tensor_infos.get("token_embd.weight").ok_or("has no tensor `token_embd.weight`")?;
        Ok(Shape {
            vocabulary: embedding.shape.dims().first().copied().unwrap_or(0),
            context: self.number("context_length")?,
            hidden,
            ffn: self.number("feed_forward_length")?,
            heads: Heads { heads, kv_heads, dim },
            eps: self.float("attention.layer_norm_rms_epsilon").ok_or("has no rms epsilon")? as f32,
            frequencies,
        })
    }

    fn layer(&mut self, index: usize, shape: &Shape) -> std::result::Result<Layer, String> {
        let attn_norm = self.norm(&format!("blk.{index}.attn_norm.weight"), shape.hidden)?;
        let ffn_norm = self.norm(&format!("blk.{index}.ffn_norm.weight"), shape.hidden)?;
        let mut linear = Vec::with_capacity(7);
        for module in Module::ALL {
            let weight = self.matrix(&format!("blk.{index}.{}.weight", module.gguf()), shape.of(module))?;
            linear.push(match module {
                Module::QProj | Module::KProj => unpermuted(&weight, shape.heads.dim),
                _ => weight,
            });
        }
        let linear = linear.try_into().map_err(|_| "a layer has not seven linear maps")?;
        Ok(Layer { attn_norm, ffn_norm, linear })
    }

    fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    fn take(&mut self, name: &str) -> std::result::Result<candle_core::quantized::QTensor, String> {
        self.unread.remove(name);
        self.content.tensor(&mut self.reader, name, &Device::Cpu).map_err(|e| format!("tensor `{name}`: {e}"))
    }

    fn matrix(&mut self, name: &str, shape: (usize, usize)) -> std::result::Result<Quantized, String> {
        let matrix = Quantized::from_qtensor(&self.take(name)?).map_err(|e| format!("tensor `{name}`: {e}"))?;
        match (matrix.rows(), matrix.cols()) {
            found if found == shape => match self.random_weights {
                None => Ok(matrix),
                Some(seed) => matrix.randomised(seed, name).map_err(|e| format!("tensor `{name}`: {e}")),
            },
            found => Err(format!("tensor `{name}` is {found:?}, but the header says {shape:?}")),
        }
    }

    fn norm(&mut self, name: &str, length: usize) -> std::result::Result<Vec<f32>, String> {
        let weights = self.vector(name, length)?;
        if self.random_weights.is_none() {
            return Ok(weights);
        }
        let squares: f64 = weights.iter().map(|w| f64::from(*w).powi(2)).sum();
        Ok(vec![(squares / length as f64).sqrt() as f32; length])
    }

    fn vector(&mut self, name: &str, length: usize) -> std::result::Result<Vec<f32>, String> {
        let dense = self.take(name)?.dequantize(&Device::Cpu).and_then(|t| t.flatten_all()?.to_vec1::<f32>());
        match dense.map_err(|e| format!("tensor `{name}`: {e}"))? {
            values if values.len() == length => Ok(values),
            values => Err(format!("tensor `{name}` has {} values, but the header says {length}", values.len())),
        }
    }

    fn finish(&self) -> std::result::Result<(), String> {
        match self.unread.first() {
            None => Ok(()),
            Some(name) => Err(format!("unsupported tensor `{name}` ({} of its kind or others)", self.unread.len())),
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.content.metadata.get(key)?.to_string().ok().map(String::as_str)
    }

    fn number(&self, key: &str) -> std::result::Result<usize, String> {
        let key = format!("llama.{key}");
        let value = self.content.metadata.get(&key).ok_or_else(|| format!("has no `{key}`"))?;
        value.to_u32().map(|v| v as usize).map_err(|e| format!("`{key}`: {e}"))
    }

    fn float(&self, key: &str) -> Option<f64> {
        match self.content.metadata.get(&format!("llama.{key}"))? {
            Value::F32(v) => Some(f64::from(*v)),
            Value::F64(v) => Some(*v),
            _ => None,
        }
    }
}

/// What candle says of a file that it cannot read. A block format that it does not know, it calls by its number.
fn unreadable(error: &str) -> String {
    let number = error.split("unknown dtype for tensor ").nth(1);
    let number = number.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    match number.and_then(ggml_type) {
        Some(name) => format!("unsupported quantisation {name} (supported: {SUPPORTED})"),
        None => format!("not a readable GGUF file: {error}"),
    }
}

/// The formats of tensors that are computed.
const SUPPORTED: &str = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Q8_K";

/// ggml's name of a tensor format that is not computed, by its number in `enum ggml_type`; `None` for a number that it has not.
fn ggml_type(number: u32) -> Option<&'static str> {
    Some(match number {
        4 => "Q4_2",
        5 => "Q4_3",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        31 => "Q4_0_4_4",
        32 => "Q4_0_4_8",
        33 => "Q4_0_8_8",
        34 => "TQ1_0",
        35 => "TQ2_0",
        36 => "IQ4_NL_4_4",
        37 => "IQ4_NL_4_8",
        38 => "IQ4_NL_8_8",
        39 => "MXFP4",
        40 => "NVFP4",
        _ => return None,
    })
}

/// Rows of a query or key weight in Hugging Face's order. GGUF interleaves the two halves of each head, because its rope turns
/// neighbours: its row `2i + t` of a head is Hugging Face's row `t·dim/2 + i`.
pub fn unpermuted(weight: &Quantized, dim: usize) -> Quantized {
    weight.permuted_rows(|row| {
        let (head, within) = (row / dim, row % dim);
        head * dim + 2 * (within % (dim / 2)) + within / (dim / 2)
    })
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}
