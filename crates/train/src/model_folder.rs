//! Whole models as folders: `config.json` and `model.safetensors`. A Llama's is Hugging Face's, which `transformers` loads as it is.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use tiresias_text::Unmarked;

use crate::about;
use crate::base::Base;
use crate::config::{DptConfig, Fault, LlamaConfig};
use crate::dpt::Dpt;
use crate::error::{Error, Result};
use crate::files;
use crate::network::Network;

/// The folder under a training's output.
pub const FOLDER: &str = "model";
/// The name of the settings.
pub const CONFIG: &str = "config.json";
/// The name of the tensors.
pub const MODEL: &str = "model.safetensors";

/// Both files' contents, of a Llama.
pub fn files(network: &Network, parameters: &[f32]) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let config = &network.config;
    let settings = json!({
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": false,
        "bos_token_id": null,
        "eos_token_id": null,
        "hidden_act": "silu",
        "hidden_size": config.hidden,
        "initializer_range": config.init_std,
        "intermediate_size": config.ffn,
        "max_position_embeddings": config.context,
        "mlp_bias": false,
        "model_type": "llama",
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.kv_heads,
        "rms_norm_eps": config.eps,
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": true,
        "torch_dtype": "float32",
        "vocab_size": config.vocabulary,
    });
    Ok(vec![(CONFIG, format!("{settings:#}\n").into_bytes()), (MODEL, network.layout().safetensors(parameters)?)])
}

/// The fields of `config.json` that decide what the tensors mean.
#[derive(Deserialize)]
struct Settings {
    hidden_size: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    num_key_value_heads: usize,
    rms_norm_eps: f64,
    rope_theta: f64,
    tie_word_embeddings: bool,
    vocab_size: usize,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    rope_scaling: Option<serde_json::Value>,
}

/// A model that was read from its folder.
pub enum Loaded {
    /// A Llama, ready to decide.
    Llama(Box<Base>),
    /// A Decision-Pretrained Transformer and its parameters.
    Dpt(Box<Dpt>, Vec<f32>),
}

/// Reads a folder that a training left, which must be unchanged since.
pub fn load(folder: &Path) -> Result<Loaded> {
    let path = folder.join(CONFIG);
    let text = std::fs::read(&path).map_err(Error::io("read the model's settings", &path))?;
    let tensors = folder.join(MODEL);
    let bytes = std::fs::read(&tensors).map_err(Error::io("read the model", &tensors))?;
    about::check(folder, &[(CONFIG, &text), (MODEL, &bytes)])?;
    let fail = |message: String| Error::Adapter { path: path.clone(), message };
    let malformed = |e: serde_json::Error| fail(format!("malformed: {e}"));
    let mut settings: Value = serde_json::from_slice(text.unmarked()).map_err(malformed)?;
    let kind = settings.as_object_mut().and_then(|fields| fields.remove("model_type")).unwrap_or_default();
    let of_tensors = |message: String| Error::Adapter { path: tensors.clone(), message };
    match kind.as_str() {
        Some("llama") => {
            let network = llama(&serde_json::from_value(settings).map_err(malformed)?).map_err(fail)?;
            let parameters = network.layout().parse(&bytes).map_err(of_tensors)?;
            Ok(Loaded::Llama(Box::new(network.base(&parameters, files::sha256(&bytes)))))
        }
        Some("dpt") => {
            let config: DptConfig = serde_json::from_value(settings).map_err(malformed)?;
            refuse_faults(&config.faults()).and_then(|()| Dpt::new(&config)).map_err(fail).and_then(|dpt| {
                let parameters = dpt.network().layout().parse(&bytes).map_err(of_tensors)?;
                Ok(Loaded::Dpt(Box::new(dpt), parameters))
            })
        }
        _ => Err(fail(format!("`model_type` {kind} is not supported; name a folder that this program trained"))),
    }
}

fn refuse_faults(faults: &[Fault]) -> std::result::Result<(), String> {
    match faults.iter().find(|(wrong, ..)| *wrong) {
        None => Ok(()),
        Some((_, field, message)) => Err(format!("`{field}` {message}")),
    }
}

fn llama(settings: &Settings) -> std::result::Result<Network, String> {
    let unsupported = [
        (!settings.tie_word_embeddings, "tie_word_embeddings"),
        (settings.attention_bias, "attention_bias"),
        (settings.mlp_bias, "mlp_bias"),
        (settings.rope_scaling.is_some(), "rope_scaling"),
    ];
    if let Some((_, field)) = unsupported.into_iter().find(|(wrong, _)| *wrong) {
        return Err(format!("this value of `{field}` is not supported; train the model with this program"));
    }
    let config = LlamaConfig {
        vocabulary: settings.vocab_size,
        context: settings.max_position_embeddings,
        layers: settings.num_hidden_layers,
        hidden: settings.hidden_size,
        heads: settings.num_attention_heads,
        kv_heads: settings.num_key_value_heads,
        ffn: settings.intermediate_size,
        rope_theta: settings.rope_theta,
        eps: settings.rms_norm_eps,
        ..LlamaConfig::default()
    };
    refuse_faults(&config.faults())?;
    Ok(Network::new(&config))
}
