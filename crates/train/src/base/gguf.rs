//! Bases as llama.cpp writes them: one GGUF file.

use std::io::Cursor;

use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, Value};

use super::architecture::{Family, Module, Shape, Span, Windows, heads};
use super::rope::{Scaling, frequencies};
use super::tensors::Tensors;
use super::{Names, Plan};
use crate::quantized::Quantized;

/// GGUF's names of tensors.
const NAMES: Names = Names {
    embedding: "token_embd",
    head: "output",
    final_norm: "output_norm",
    layers: "blk",
    modules: ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"],
    attn_norm: "attn_norm",
    ffn_norm: "ffn_norm",
    q_norm: "attn_q_norm",
    k_norm: "attn_k_norm",
    attn_out_norm: "post_attention_norm",
    ffn_out_norm: "post_ffw_norm",
};

/// Reads a file's header: what its tensors mean, and the tensors.
pub fn open(bytes: &[u8], random_weights: Option<u64>) -> Result<(Plan, Tensors<'_>), String> {
    let mut reader = Cursor::new(bytes);
    let content = Content::read(&mut reader).map_err(|e| unreadable(&e.to_string()))?;
    let header =
        Header { content: &content, family: Family::find(text(&content, "general.architecture"), |f| f.gguf)? };
    let name = text(&content, "general.name").unwrap_or("base").to_owned();
    let mut shape = header.shape()?;
    let family = header.family;
    let vocabulary = content.tensor_infos.get("token_embd.weight").ok_or("has no tensor `token_embd.weight`")?;
    shape.vocabulary = vocabulary.shape.dims().first().copied().unwrap_or(0);
    let untied = content.tensor_infos.contains_key("output.weight");
    let has_bias = |name| content.tensor_infos.contains_key(&format!("blk.0.{name}.bias"));
    let biases = Module::ALL.map(|m| family.biases.contains(&m) || has_bias(NAMES.modules[m as usize]));
    let names = content.tensor_infos.keys().cloned().collect();
    let read = Box::new(move |name: &str| {
        let tensor = content.tensor(&mut reader, name, &Device::Cpu).map_err(|e| e.to_string())?;
        Quantized::from_qtensor(&tensor).map_err(|e| e.to_string())
    });
    let mut tensors = Tensors::new(names, read, random_weights);
    if tensors.has("rope_freqs.weight") {
        let factors = tensors.vector("rope_freqs.weight", shape.heads.dim / 2)?;
        let all = shape.spans.iter_mut().filter(|span| span.window.is_none());
        all.for_each(|span| span.frequencies.iter_mut().zip(&factors).for_each(|(f, by)| *f /= f64::from(*by)));
    }
    // llama.cpp's converter adds the offset of norms itself.
    let family = Family { norm_offset: 0.0, ..family.clone() };
    Ok((Plan { name, interleaved: family.interleaved, family, shape, untied, biases, names: NAMES }, tensors))
}

/// The metadata of a file.
struct Header<'a> {
    content: &'a Content,
    family: &'static Family,
}

impl Header<'_> {
    fn shape(&self) -> Result<Shape, String> {
        let hidden = self.number("embedding_length")?;
        let query = self.number("attention.head_count")?;
        let dim = self.optional("attention.key_length")?.unwrap_or(hidden / query.max(1));
        let mut heads = heads(query, self.optional("attention.head_count_kv")?.unwrap_or(query), dim)?;
        let layers = self.number("block_count")?;
        if layers > self.content.tensor_infos.len() {
            return Err(format!("has {} tensors for {layers} layers", self.content.tensor_infos.len()));
        }
        for (key, want) in [("attention.value_length", dim), ("rope.dimension_count", dim)] {
            if let Some(value) = self.optional(key)?.filter(|value| *value != want) {
                let key = self.key(key);
                return Err(format!("unsupported `{key}` {value} (supported: the head width, {want})"));
            }
        }
        for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
            if self.float(key).is_some_and(|cap| cap != 0.0) {
                return Err(format!("unsupported `{}`: logits are not capped here", self.key(key)));
            }
        }
        // Said by no metadata: of all sizes of Gemma 3 that with 62 layers alone divides by the root of another width (llama.cpp).
        if self.family.gguf == "gemma3" && layers == 62 {
            heads.scalar = hidden as f32 / query as f32;
        }
        let (spans, layers) = self.spans(dim, layers)?;
        Ok(Shape {
            vocabulary: 0,
            context: self.number("context_length")?,
            hidden,
            ffn: self.number("feed_forward_length")?,
            heads,
            eps: self.float("attention.layer_norm_rms_epsilon").ok_or("has no rms epsilon")? as f32,
            activation: self.family.activation,
            embedding_scale: self.family.embedding_scale(hidden),
            spans,
            layers,
        })
    }

    /// The kinds of attention, and each layer's. Scaled rope is for layers that see everything.
    fn spans(&self, dim: usize, layers: usize) -> Result<(Vec<Span>, Vec<usize>), String> {
        let scaling = match text(self.content, &self.key("rope.scaling.type")) {
            None | Some("none") => Scaling::None,
            Some("linear") => Scaling::Linear(self.float("rope.scaling.factor").ok_or("has no rope scaling factor")?),
            Some(kind) => return Err(format!("unsupported rope scaling `{kind}` (supported: linear, rope_freqs)")),
        };
        let mut global = frequencies(self.float("rope.freq_base").unwrap_or(self.family.theta), dim);
        scaling.apply(&mut global);
        let mut spans = vec![Span { window: None, frequencies: global }];
        let window = self.optional("attention.sliding_window")?.filter(|window| *window > 0);
        let (Some(window), Windows::AllBut(of)) = (window, self.family.windows) else {
            return match window {
                None => Ok((spans, vec![0; layers])),
                Some(window) => Err(format!("unsupported `{}` {window}", self.key("attention.sliding_window"))),
            };
        };
        let of = self.optional("attention.sliding_window_pattern")?.unwrap_or(of).max(1);
        let theta = self.float("rope.freq_base_swa").or(self.family.local_theta).unwrap_or(self.family.theta);
        spans.push(Span { window: Some(window), frequencies: frequencies(theta, dim) });
        Ok((spans, (0..layers).map(|layer| usize::from((layer + 1) % of != 0)).collect()))
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.family.gguf)
    }

    fn number(&self, key: &str) -> Result<usize, String> {
        self.optional(key)?.ok_or_else(|| format!("has no `{}`", self.key(key)))
    }

    fn optional(&self, key: &str) -> Result<Option<usize>, String> {
        let key = self.key(key);
        let value = self.content.metadata.get(&key).map(Value::to_u32).transpose();
        value.map(|value| value.map(|v| v as usize)).map_err(|e| format!("`{key}`: {e}"))
    }

    fn float(&self, key: &str) -> Option<f64> {
        match self.content.metadata.get(&self.key(key))? {
            Value::F32(v) => Some(f64::from(*v)),
            Value::F64(v) => Some(*v),
            _ => None,
        }
    }
}

fn text<'a>(content: &'a Content, key: &str) -> Option<&'a str> {
    content.metadata.get(key)?.to_string().ok().map(String::as_str)
}

/// Rows of a query or key weight in Hugging Face's order. GGUF interleaves the two halves of each head, because its rope turns
/// neighbours: its row `2i + t` of a head is Hugging Face's row `t·dim/2 + i`.
pub fn unpermuted(weight: &Quantized, dim: usize) -> Quantized {
    weight.permuted_rows(|row| {
        let (head, within) = (row / dim, row % dim);
        head * dim + 2 * (within % (dim / 2)) + within / (dim / 2)
    })
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
