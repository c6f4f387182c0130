//! Adapters as standard PEFT folders: `adapter_config.json` and `adapter_model.safetensors`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{DType, Device};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use serde_json::{Value, json};
use tiresias_text::Unmarked;

use crate::about;
use crate::base::{Base, Module};
use crate::error::{Error, Result};
use crate::lora::{Lora, Pair};

/// The name of the settings.
pub const CONFIG: &str = "adapter_config.json";
/// The name of the tensors.
pub const MODEL: &str = "adapter_model.safetensors";

/// PEFT's name of A (`lora_A`) or B (`lora_B`) of a pair.
pub fn key(pair: &Pair, which: &str) -> String {
    format!("base_model.model.model.layers.{}.{}.{which}.weight", pair.layer, pair.module.path())
}

fn module_name(module: Module) -> &'static str {
    let path = module.path();
    path.rsplit('.').next().unwrap_or(path)
}

/// Both files' contents. `base_name` is what `base_model_name_or_path` says.
pub fn files(lora: &Lora, alpha: f64, parameters: &[f32], base_name: &str) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let alpha = if alpha.fract() == 0.0 { json!(alpha as i64) } else { json!(alpha) };
    let config = json!({
        "auto_mapping": null,
        "base_model_name_or_path": base_name,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "modules_to_save": null,
        "peft_type": "LORA",
        "r": lora.r,
        "revision": null,
        "target_modules": lora.targets.iter().map(|&m| module_name(m)).collect::<Vec<_>>(),
        "task_type": "CAUSAL_LM",
        "use_dora": false,
        "use_rslora": false,
    });
    Ok(vec![(CONFIG, format!("{config:#}\n").into_bytes()), (MODEL, tensors(lora, parameters)?)])
}

/// Holds an adapter against what it says of itself, if it says anything: no other base, no changed file.
fn check(folder: &Path, base: &Base, files: &[(&str, &[u8])]) -> Result<()> {
    let Some(about) = about::check(folder, files)? else { return Ok(()) };
    let fail = |message: String| Err(Error::Adapter { path: folder.join(about::ABOUT), message });
    let made_for = &about["base"];
    if made_for["sha256"] != json!(base.sha256) {
        return fail(format!(
            "the adapter was trained on the base model with SHA-256 {}, not {}; name that model, or train again",
            made_for["sha256"].as_str().unwrap_or("unknown"),
            base.sha256
        ));
    }
    if made_for["random_weights"] != json!(base.random_weights) {
        let said =
            |seed: &Value| if seed.is_null() { "its own weights".into() } else { format!("random weights {seed}") };
        return fail(format!(
            "the adapter was trained on this model with {}, not with {}; set `base.random_weights` as it was, or train again",
            said(made_for.get("random_weights").unwrap_or(&Value::Null)),
            said(&json!(base.random_weights))
        ));
    }
    Ok(())
}

fn tensors(lora: &Lora, parameters: &[f32]) -> Result<Vec<u8>> {
    let bytes: Vec<u8> = parameters.iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = |shape, at: &std::ops::Range<usize>| {
        TensorView::new(Dtype::F32, shape, &bytes[4 * at.start..4 * at.end])
            .map_err(|e| Error::Internal(format!("an adapter's tensor does not fit its shape: {e}")))
    };
    let mut tensors = Vec::with_capacity(2 * lora.pairs().len());
    for pair in lora.pairs() {
        tensors.push((key(pair, "lora_A"), view(vec![lora.r, pair.inputs], &pair.a)?));
        tensors.push((key(pair, "lora_B"), view(vec![pair.outputs, lora.r], &pair.b)?));
    }
    safetensors::serialize(tensors, Some([("format".to_owned(), "pt".to_owned())].into()))
        .map_err(|e| Error::Internal(format!("cannot serialise the adapter: {e}")))
}

/// The fields of `adapter_config.json` that decide what the tensors mean. Others (initialisation, dropout, …) do not matter here.
#[derive(Deserialize)]
struct Config {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    target_modules: BTreeSet<Module>,
    #[serde(default = "none")]
    bias: String,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    layers_to_transform: Option<Value>,
    #[serde(default)]
    rank_pattern: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    alpha_pattern: Option<BTreeMap<String, Value>>,
}

fn none() -> String {
    "none".into()
}

impl Config {
    /// What this crate would compute wrongly, by the field's name.
    fn unsupported(&self) -> Option<&'static str> {
        let filled = |map: &Option<BTreeMap<String, Value>>| map.as_ref().is_some_and(|m| !m.is_empty());
        [
            (self.peft_type != "LORA", "peft_type"),
            (self.r == 0, "r"),
            (self.target_modules.is_empty(), "target_modules"),
            (self.bias != "none", "bias"),
            (self.use_dora, "use_dora"),
            (self.fan_in_fan_out, "fan_in_fan_out"),
            (self.modules_to_save.as_ref().is_some_and(|m| !m.is_empty()), "modules_to_save"),
            (self.layers_to_transform.is_some(), "layers_to_transform"),
            (filled(&self.rank_pattern), "rank_pattern"),
            (filled(&self.alpha_pattern), "alpha_pattern"),
        ]
        .into_iter()
        .find_map(|(wrong, field)| wrong.then_some(field))
    }
}

/// Reads a PEFT folder, this crate's own or another's. One that says what it was trained on must be unchanged and meet that base. Its tensors must be exactly those that its settings call for: PEFT itself
/// passes over unknown names in silence, and the adapter then does nothing.
pub fn load(folder: &Path, base: &Base) -> Result<(Lora, Vec<f32>)> {
    let path = folder.join(CONFIG);
    let fail = |message: String| Error::Adapter { path: path.clone(), message };
    let text = std::fs::read(&path).map_err(Error::io("read the adapter's settings", &path))?;
    let config: Config = serde_json::from_slice(text.unmarked()).map_err(|e| fail(format!("malformed: {e}")))?;
    if let Some(field) = config.unsupported() {
        return Err(fail(format!("this value of `{field}` is not supported; train the adapter without it")));
    }
    let alpha = config.lora_alpha * if config.use_rslora { (config.r as f64).sqrt() } else { 1.0 };
    let targets: Vec<Module> = config.target_modules.iter().copied().collect();
    let lora = Lora::new(&base.shape, base.layers.len(), config.r, alpha, &targets);
    let path = folder.join(MODEL);
    let bytes = std::fs::read(&path).map_err(Error::io("read the adapter", &path))?;
    check(folder, base, &[(CONFIG, &text), (MODEL, &bytes)])?;
    let parameters = parse(&lora, &bytes).map_err(|message| Error::Adapter { path, message })?;
    Ok((lora, parameters))
}

/// The flat parameter vector from the bytes of a safetensors file with exactly this layout's keys and shapes.
pub fn parse(lora: &Lora, bytes: &[u8]) -> std::result::Result<Vec<f32>, String> {
    let mut tensors =
        candle_core::safetensors::load_buffer(bytes, &Device::Cpu).map_err(|e| format!("not readable: {e}"))?;
    let mut parameters = vec![0.0; lora.parameters()];
    for pair in lora.pairs() {
        for (which, at, shape) in
            [("lora_A", &pair.a, (lora.r, pair.inputs)), ("lora_B", &pair.b, (pair.outputs, lora.r))]
        {
            let key = key(pair, which);
            let tensor = tensors.remove(&key).ok_or_else(|| format!("has no tensor `{key}`"))?;
            if tensor.dims() != [shape.0, shape.1] {
                return Err(format!("tensor `{key}` is {:?}, but must be {shape:?}", tensor.dims()));
            }
            let values = tensor.to_dtype(DType::F32).and_then(|t| t.flatten_all()?.to_vec1::<f32>());
            parameters[at.clone()].copy_from_slice(&values.map_err(|e| format!("tensor `{key}`: {e}"))?);
        }
    }
    match tensors.keys().min() {
        None => Ok(parameters),
        Some(key) => Err(format!("has a tensor `{key}` that `{CONFIG}` does not call for")),
    }
}
