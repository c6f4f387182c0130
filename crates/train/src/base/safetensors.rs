//! Bases as `transformers` writes them: a folder with `config.json` and `*.safetensors`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::quantized::GgmlDType;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tiresias_text::Unmarked;

use super::architecture::{Family, Module, Shape, Span, Windows, heads};
use super::rope::{Scaling, frequencies};
use super::tensors::Tensors;
use super::{Names, Plan, hex};
use crate::kernels::Activation;
use crate::quantized::Quantized;

/// The name of the settings.
const CONFIG: &str = "config.json";
/// What the names of files with tensors end in.
const TENSORS: &str = ".safetensors";
/// Which file holds which tensor, where there are several.
const INDEX: &str = "model.safetensors.index.json";
/// More than any header has; its length is the first thing in a file, and may be anything in a damaged one.
const LONGEST_HEADER: u64 = 100 << 20;

/// The hash of a folder: that of what `sha256sum` prints for the settings and every file of tensors, in the byte order of their names.
pub fn sha256(folder: &Path) -> Result<String, String> {
    let mut all = Sha256::new();
    for name in files(folder)? {
        let fail = |e: std::io::Error| format!("cannot read `{name}`: {e}; fetch the folder again");
        let (mut file, mut one) = (File::open(folder.join(&name)).map_err(fail)?, Sha256::new());
        let mut block = vec![0; 1 << 20];
        loop {
            match file.read(&mut block).map_err(fail)? {
                0 => break,
                n => one.update(&block[..n]),
            }
        }
        all.update(format!("{}  {name}\n", hex(&one.finalize())));
    }
    Ok(hex(&all.finalize()))
}

/// The files that make the base, in the byte order of their names.
fn files(folder: &Path) -> Result<Vec<String>, String> {
    let cannot = |e: std::io::Error| format!("cannot read the base model: {e}; fetch it again");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        names.extend(
            name.to_str().filter(|n| *n == CONFIG || n.ends_with(TENSORS) && !n.starts_with('.')).map(Into::into),
        );
    }
    names.sort_unstable();
    if names.len() < 2 || !names.iter().any(|name| name == CONFIG) {
        return Err(format!(
            "is a folder without {CONFIG} and *{TENSORS}; name a folder that has them, or a GGUF file"
        ));
    }
    Ok(names)
}

/// Reads a folder's settings and headers: what its tensors mean, and the tensors.
pub fn open(folder: &Path, random_weights: Option<u64>) -> Result<(Plan, Tensors<'static>), String> {
    let text = std::fs::read(folder.join(CONFIG)).map_err(|e| format!("cannot read `{CONFIG}`: {e}"))?;
    let values = serde_json::from_slice(text.unmarked()).map_err(|e| format!("`{CONFIG}` is malformed: {e}"))?;
    let kind = Values(&values).text("model_type")?.unwrap_or("none named");
    let family = Family::find(Some(kind), |f| f.model_type)?;
    let config = Config { values: Values(&values), family };
    let plan = config.plan()?;
    let entries = entries(folder)?;
    if plan.shape.layers.len() > entries.len() {
        return Err(format!("has {} tensors for {} layers", entries.len(), plan.shape.layers.len()));
    }
    // What older versions saved beside the weights follows from the settings.
    let names = entries.keys().filter(|name| !name.ends_with(".rotary_emb.inv_freq")).cloned().collect();
    let read = Box::new(move |name: &str| entries.get(name).ok_or("is missing")?.read());
    Ok((plan, Tensors::new(names, read, random_weights)))
}

/// Where one tensor lies.
struct Entry {
    file: PathBuf,
    start: u64,
    dims: Vec<usize>,
    dtype: String,
    bytes: u64,
}

impl Entry {
    fn read(&self) -> Result<Quantized, String> {
        let (dtype, size) = match self.dtype.as_str() {
            "F32" => (GgmlDType::F32, 4),
            "F16" => (GgmlDType::F16, 2),
            "BF16" => (GgmlDType::BF16, 2),
            other => return Err(format!("unsupported format {other} (supported: F32, F16, BF16)")),
        };
        let (rows, cols) = match self.dims[..] {
            [cols] => (1, cols),
            [rows, cols] => (rows, cols),
            _ => return Err(format!("has {} dimensions, not one or two", self.dims.len())),
        };
        let wanted = rows.checked_mul(cols).and_then(|n| n.checked_mul(size));
        if wanted.map(|n| n as u64) != Some(self.bytes) {
            return Err(format!("has {} bytes for {rows} × {cols} values of {}", self.bytes, self.dtype));
        }
        let mut file = File::open(&self.file).map_err(|e| e.to_string())?;
        let mut bytes = vec![0; wanted.unwrap_or(0)];
        file.seek(SeekFrom::Start(self.start)).and_then(|_| file.read_exact(&mut bytes)).map_err(|e| e.to_string())?;
        Ok(Quantized::from_bytes(dtype, rows, cols, bytes))
    }
}

/// The index of a folder.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// All tensors of a folder.
fn entries(folder: &Path) -> Result<BTreeMap<String, Entry>, String> {
    let mut all = BTreeMap::new();
    let files = files(folder)?;
    for name in files.iter().filter(|name| *name != CONFIG) {
        let said = |why: String| format!("`{name}`: {why}");
        for (tensor, entry) in header(&folder.join(name)).map_err(said)? {
            if all.insert(tensor.clone(), entry).is_some() {
                return Err(format!("tensor `{tensor}` stands in `{name}` and in another file"));
            }
        }
    }
    // The index names files that may be missing; which tensor lies where, the files say themselves.
    if let Ok(text) = std::fs::read(folder.join(INDEX)) {
        let index: Index =
            serde_json::from_slice(text.unmarked()).map_err(|e| format!("`{INDEX}` is malformed: {e}"))?;
        if let Some((tensor, file)) = index.weight_map.iter().find(|(_, file)| !files.contains(file)) {
            return Err(format!("has no file `{file}`, in which `{INDEX}` says `{tensor}` to be"));
        }
    }
    Ok(all)
}

/// What a file says of its tensors: the length of a JSON text, that text, and then the bytes of all tensors.
fn header(path: &Path) -> Result<BTreeMap<String, Entry>, String> {
    #[derive(Deserialize)]
    struct Said {
        dtype: String,
        shape: Vec<usize>,
        data_offsets: [u64; 2],
    }
    let unreadable = |e: &dyn std::fmt::Display| format!("not a readable safetensors file: {e}");
    let mut file = File::open(path).map_err(|e| unreadable(&e))?;
    let size = file.metadata().map_err(|e| unreadable(&e))?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|e| unreadable(&e))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER.min(size.saturating_sub(8)) {
        return Err(unreadable(&format_args!("its header of {length} bytes is longer than the file")));
    }
    let mut text = vec![0; length as usize];
    file.read_exact(&mut text).map_err(|e| unreadable(&e))?;
    let mut said: BTreeMap<String, Value> = serde_json::from_slice(&text).map_err(|e| unreadable(&e))?;
    said.remove("__metadata__");
    let mut entries = BTreeMap::new();
    for (name, value) in said {
        let Said { dtype, shape, data_offsets: [start, end] } =
            serde_json::from_value(value).map_err(|e| unreadable(&format_args!("tensor `{name}`: {e}")))?;
        if start > end || end > size - 8 - length {
            return Err(unreadable(&format_args!("tensor `{name}` ends after the file; it was cut off")));
        }
        let entry = Entry { file: path.to_owned(), start: 8 + length + start, dims: shape, dtype, bytes: end - start };
        entries.insert(name, entry);
    }
    Ok(entries)
}

/// Fields of a JSON object; null is as good as none.
#[derive(Clone, Copy)]
struct Values<'a>(&'a Map<String, Value>);

impl<'a> Values<'a> {
    fn field<T>(self, key: &str, what: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, String> {
        let value = self.0.get(key).filter(|value| !value.is_null());
        let read = |value| read(value).ok_or_else(|| format!("`{CONFIG}`: `{key}` must be {what}, not {value}"));
        value.map(read).transpose()
    }

    fn text(self, key: &str) -> Result<Option<&'a str>, String> {
        self.field(key, "a text", Value::as_str)
    }

    fn number(self, key: &str) -> Result<Option<usize>, String> {
        // Nothing that these numbers count comes near.
        self.field(key, "a whole number", |v| v.as_u64().filter(|n| *n <= 1 << 32).map(|n| n as usize))
    }

    fn float(self, key: &str) -> Result<Option<f64>, String> {
        self.field(key, "a number", Value::as_f64)
    }

    fn flag(self, key: &str) -> Result<bool, String> {
        Ok(self.field(key, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    fn object(self, key: &str) -> Result<Option<Self>, String> {
        Ok(self.field(key, "an object", Value::as_object)?.map(Self))
    }
}

fn present<T>(value: Result<Option<T>, String>, key: &str) -> Result<T, String> {
    value?.ok_or_else(|| format!("`{CONFIG}` has no `{key}`"))
}

/// The settings of a model.
struct Config<'a> {
    values: Values<'a>,
    family: &'static Family,
}

impl Config<'_> {
    fn plan(&self) -> Result<Plan, String> {
        let Self { values, family } = *self;
        for key in ["attn_logit_softcapping", "final_logit_softcapping", "quantization_config"] {
            if values.0.get(key).is_some_and(|value| !value.is_null()) {
                return Err(format!("unsupported `{key}` in `{CONFIG}`"));
            }
        }
        if values.flag("use_bidirectional_attention")? {
            return Err(format!("unsupported `use_bidirectional_attention` in `{CONFIG}`"));
        }
        let (attention_bias, mlp_bias) = (values.flag("attention_bias")?, values.flag("mlp_bias")?);
        let biases = Module::ALL.map(|module| {
            family.biases.contains(&module)
                || match module {
                    Module::QProj | Module::KProj | Module::VProj | Module::OProj => attention_bias,
                    Module::GateProj | Module::UpProj | Module::DownProj => mlp_bias,
                }
        });
        let tied = values.field("tie_word_embeddings", "true or false", Value::as_bool)?.unwrap_or(family.tied);
        Ok(Plan {
            name: values.text("_name_or_path")?.filter(|name| !name.is_empty()).unwrap_or("base").to_owned(),
            family: family.clone(),
            shape: self.shape()?,
            untied: !tied,
            biases,
            interleaved: false,
            names: names(family),
        })
    }

    fn shape(&self) -> Result<Shape, String> {
        let Self { values, family } = *self;
        let number = |key| present(values.number(key), key);
        let hidden = number("hidden_size")?;
        let query = number("num_attention_heads")?;
        let dim = values.number("head_dim")?.unwrap_or(hidden / query.max(1));
        let mut heads = heads(query, values.number("num_key_value_heads")?.unwrap_or(query), dim)?;
        if let Some(scalar) = family.query_scalar {
            heads.scalar = values.float("query_pre_attn_scalar")?.map_or(scalar, |scalar| scalar as f32);
        }
        let activation = match values.text(family.activation_key)? {
            None => family.activation,
            Some("silu" | "swish") => Activation::Silu,
            Some("gelu_pytorch_tanh" | "gelu_new") => Activation::GeluTanh,
            Some(other) => {
                let key = family.activation_key;
                return Err(format!("unsupported `{key}` {other} (supported: silu, gelu_pytorch_tanh)"));
            }
        };
        let (spans, layers) = self.spans(dim, number("num_hidden_layers")?)?;
        Ok(Shape {
            vocabulary: number("vocab_size")?,
            context: number("max_position_embeddings")?,
            hidden,
            ffn: number("intermediate_size")?,
            heads,
            eps: present(values.float("rms_norm_eps"), "rms_norm_eps")? as f32,
            activation,
            embedding_scale: family.embedding_scale(hidden),
            spans,
            layers,
        })
    }

    /// The kinds of attention, and each layer's.
    fn spans(&self, dim: usize, layers: usize) -> Result<(Vec<Span>, Vec<usize>), String> {
        let mut spans = vec![Span { window: None, frequencies: self.frequencies(dim, false)? }];
        let local = self.local_layers(layers)?;
        if local.contains(&true) {
            let window = present(self.values.number("sliding_window"), "sliding_window")?;
            spans.push(Span { window: Some(window), frequencies: self.frequencies(dim, true)? });
        }
        Ok((spans, local.into_iter().map(usize::from).collect()))
    }

    /// Which layers have a sliding window.
    fn local_layers(&self, layers: usize) -> Result<Vec<bool>, String> {
        let Self { values, family } = *self;
        if layers > 1 << 16 {
            return Err(format!("`{CONFIG}`: impossible number of layers {layers}"));
        }
        let window = values.number("sliding_window")?.is_some();
        let named = |value: &Value| {
            let kinds = value.as_array()?.iter().map(|kind| match kind.as_str()? {
                "full_attention" => Some(false),
                "sliding_attention" => Some(true),
                _ => None,
            });
            kinds.collect::<Option<Vec<_>>>().filter(|kinds| kinds.len() == layers)
        };
        let types =
            || values.field("layer_types", "one of `full_attention` and `sliding_attention` for each layer", named);
        let all = |local: &dyn Fn(usize) -> bool| (0..layers).map(local).collect::<Vec<bool>>();
        Ok(match family.windows {
            Windows::Never => all(&|_| false),
            Windows::Always => all(&|_| window),
            Windows::From if !window || !values.flag("use_sliding_window")? => all(&|_| false),
            Windows::From => {
                let first = values.number("max_window_layers")?.unwrap_or(layers);
                types()?.unwrap_or_else(|| all(&|layer| layer >= first))
            }
            Windows::AllBut(of) => {
                let of = values.number("sliding_window_pattern")?.unwrap_or(of).max(1);
                types()?.unwrap_or_else(|| all(&|layer| (layer + 1) % of != 0))
            }
        })
    }

    /// Rotary frequencies of layers with a sliding window, or of the others. `transformers` 5 writes `rope_parameters`, for each kind of
    /// layers where there are two; older versions `rope_theta` and `rope_scaling`.
    fn frequencies(&self, dim: usize, local: bool) -> Result<Vec<f64>, String> {
        let Self { values, family } = *self;
        let parameters = values.object("rope_parameters")?.or(values.object("rope_scaling")?);
        let nested = |key| parameters.map_or(Ok(None), |parameters| parameters.object(key));
        let own = nested(if local { "sliding_attention" } else { "full_attention" })?;
        let local_theta = family.local_theta.filter(|_| local);
        let (theta, scaling) = match (own, local_theta) {
            (Some(own), _) => (own.float("rope_theta")?.or(local_theta), scaling(own)?),
            (None, Some(theta)) => (Some(values.float("rope_local_base_freq")?.unwrap_or(theta)), Scaling::None),
            (None, None) => {
                let theta = parameters.map_or(Ok(None), |parameters| parameters.float("rope_theta"))?;
                (theta.or(values.float("rope_theta")?), parameters.map_or(Ok(Scaling::None), scaling)?)
            }
        };
        for values in [Some(values), parameters, own].into_iter().flatten() {
            if values.float("partial_rotary_factor")?.is_some_and(|part| part != 1.0) {
                return Err(format!("unsupported `partial_rotary_factor` in `{CONFIG}`"));
            }
        }
        let mut frequencies = frequencies(theta.unwrap_or(family.theta), dim);
        scaling.apply(&mut frequencies);
        Ok(frequencies)
    }
}

/// What is done to rotary frequencies.
fn scaling(parameters: Values) -> Result<Scaling, String> {
    let float = |key| present(parameters.float(key), key);
    match parameters.text("rope_type")?.or(parameters.text("type")?) {
        None | Some("default") => Ok(Scaling::None),
        Some("linear") => Ok(Scaling::Linear(float("factor")?)),
        Some("llama3") => Ok(Scaling::Llama3 {
            factor: float("factor")?,
            low: float("low_freq_factor")?,
            high: float("high_freq_factor")?,
            context: float("original_max_position_embeddings")?,
        }),
        Some(other) => Err(format!("unsupported rope scaling `{other}` (supported: linear, llama3)")),
    }
}

/// Names of tensors as `transformers` has them. Where a block's output has a norm, the one of its name moves there.
fn names(family: &Family) -> Names {
    let ffn_norm = if family.output_norms { "pre_feedforward_layernorm" } else { "post_attention_layernorm" };
    Names {
        embedding: "model.embed_tokens",
        head: "lm_head",
        final_norm: "model.norm",
        layers: "model.layers",
        modules: Module::ALL.map(Module::path),
        attn_norm: "input_layernorm",
        ffn_norm,
        q_norm: "self_attn.q_norm",
        k_norm: "self_attn.k_norm",
        attn_out_norm: "post_attention_layernorm",
        ffn_out_norm: "post_feedforward_layernorm",
    }
}
