//! Bases of every family in both formats: against Hugging Face, `PyTorch` and PEFT (`tests/data/families.py`), against each other, and
//! what is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use candle_core::quantized::gguf_file::Value as Gguf;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tiresias_train::base::{Base, FAMILIES, Module, Scaling};
use tiresias_train::decide::Decider;
use tiresias_train::files::sha256;
use tiresias_train::gradient::{Example, Trainer};
use tiresias_train::lora::Lora;
use tiresias_train::peft;
use tiresias_train::qlora::Qlora;

use crate::support::{Toy, assert_close, gguf, lines, read, refused};

const NAMES: [&str; 5] = ["llama", "mistral", "qwen2", "qwen3", "gemma3"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/families").join(name)
}

fn family(name: &str) -> Base {
    Base::load(&folder(name), None).unwrap()
}

#[derive(Deserialize)]
struct Reference {
    sequences: Vec<Vec<u32>>,
    labels: Vec<Vec<i64>>,
    logprobs: Vec<Vec<Vec<f32>>>,
    loss: f64,
    gradients: BTreeMap<String, Vec<f32>>,
}

impl Reference {
    fn of(name: &str) -> Self {
        serde_json::from_slice(&read(folder(name).join("reference.json"))).unwrap()
    }

    fn batch(&self) -> Vec<Example> {
        let rows = self.sequences.iter().zip(&self.labels);
        let label = |&l: &i64| u32::try_from(l).ok();
        rows.map(|(ids, labels)| Example { ids: ids.clone(), labels: labels.iter().map(label).collect() }).collect()
    }
}

/// The adapters of `families.py`, by the same formula.
fn adapters(base: &Base) -> (Lora, Vec<f32>) {
    let lora = Lora::new(&base.shape, base.layers.len(), 2, 3.0, &Module::ALL);
    let parameters = (0..lora.parameters()).map(|i| 0.5 * (12.9898 * i as f64 + 1.0).sin() as f32).collect();
    (lora, parameters)
}

fn loss(trainer: &Trainer<Qlora>, parameters: &[f32], batch: &[Example]) -> (f64, Vec<f32>) {
    let mut gradient = Vec::new();
    let batch: Vec<&Example> = batch.iter().collect();
    let loss = trainer.loss_and_gradient(parameters, &batch, &mut gradient);
    (loss.sum / loss.labels as f64, gradient)
}

fn decider(base: Base) -> Decider {
    Decider::new(base, None, None, rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap())
}

#[test]
fn every_family_has_a_reference() {
    let of = |name: &str| serde_json::from_slice::<Value>(&read(folder(name).join("config.json"))).unwrap();
    let have: Vec<String> = NAMES.iter().map(|name| of(name)["model_type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(have, FAMILIES.map(|family| family.model_type));
}

/// `PyTorch` computed in f64, this program in f32: they agree to its rounding. The tensors' names are PEFT's own.
#[test]
fn loss_and_adapters_gradients_are_pytorch_s() {
    for name in NAMES {
        let (base, reference) = (family(name), Reference::of(name));
        let (lora, parameters) = adapters(&base);
        for checkpointing in [false, true] {
            let trainer = Trainer::new(Qlora { base: &base, lora: &lora, bf16: None }, 30, checkpointing);
            let (mean, gradient) = loss(&trainer, &parameters, &reference.batch());
            assert!((mean - reference.loss).abs() < 2e-6 * reference.loss, "{name}: {mean} and {}", reference.loss);
            assert_eq!(reference.gradients.len(), 2 * lora.pairs().len(), "{name}");
            for pair in lora.pairs() {
                for (which, at) in [("lora_A", &pair.a), ("lora_B", &pair.b)] {
                    let key = peft::key(pair, which);
                    let expected = &reference.gradients[&key];
                    let largest = expected.iter().fold(0f32, |a, b| a.max(b.abs()));
                    assert!(largest > 1e-4, "{name}: {key} has no gradient to compare");
                    for (ours, theirs) in gradient[at.clone()].iter().zip(expected) {
                        assert!((ours - theirs).abs() < 2e-4 * largest, "{name}: {key}: {ours} and {theirs}");
                    }
                }
            }
        }
    }
}

/// Whole contexts and token by token, past every window, against Hugging Face at every position.
#[test]
fn the_decider_s_log_probabilities_are_hugging_face_s() {
    for name in NAMES {
        let reference = Reference::of(name);
        let mut decider = decider(family(name));
        let all: Vec<u32> = (0..13).collect();
        for (ids, expected) in reference.sequences.iter().zip(&reference.logprobs) {
            let prefixes: Vec<Vec<u32>> = (1..=ids.len()).map(|n| ids[..n].to_vec()).collect();
            let (_, rows) = decider.open(&prefixes, &all).unwrap();
            rows.iter().zip(expected).for_each(|(row, expected)| assert_close(row, expected, 5e-6));
            let (session, mut rows) = decider.open(&prefixes[..1], &all).unwrap();
            for (i, expected) in expected.iter().enumerate() {
                assert_close(&rows[0], expected, 5e-6);
                if let Some(&next) = ids.get(i + 1) {
                    rows = decider.extend(&session, &[vec![next]]).unwrap();
                }
            }
        }
    }
}

/// Along the gradient's own direction within every A and every B, the loss of a Gemma changes as it says.
#[test]
fn a_gemma_s_gradients_match_finite_differences() {
    let (base, batch) = (family("gemma3"), Reference::of("gemma3").batch());
    let (lora, parameters) = adapters(&base);
    let trainer = Trainer::new(Qlora { base: &base, lora: &lora, bf16: None }, 30, false);
    let (_, gradient) = loss(&trainer, &parameters, &batch);
    for at in lora.pairs().iter().flat_map(|pair| [&pair.a, &pair.b]) {
        let norm = gradient[at.clone()].iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let moved = |by: f64| {
            let mut moved = parameters.clone();
            at.clone().for_each(|i| moved[i] += (by * f64::from(gradient[i]) / norm) as f32);
            loss(&trainer, &moved, &batch).0
        };
        let h = 0.01;
        let slope = (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h);
        assert!((slope / norm - 1.0).abs() < 5e-3, "at {at:?}: slope {slope}, gradient {norm}");
    }
}

/// A folder's tensors and settings as llama.cpp's converter writes them, in f32.
fn converted(name: &str) -> (Vec<(String, Gguf)>, BTreeMap<String, QTensor>) {
    let path = folder(name);
    let config: Value = serde_json::from_slice(&read(path.join("config.json"))).unwrap();
    let mut tensors = BTreeMap::new();
    for entry in std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "safetensors") {
            tensors.extend(candle_core::safetensors::load(entry, &Device::Cpu).unwrap());
        }
    }
    let gemma = name == "gemma3";
    let parts = [
        ("model.embed_tokens.", "token_embd."),
        ("lm_head.", "output."),
        ("model.norm.", "output_norm."),
        ("model.layers.", "blk."),
        ("self_attn.q_proj.", "attn_q."),
        ("self_attn.k_proj.", "attn_k."),
        ("self_attn.v_proj.", "attn_v."),
        ("self_attn.o_proj.", "attn_output."),
        ("self_attn.q_norm.", "attn_q_norm."),
        ("self_attn.k_norm.", "attn_k_norm."),
        ("mlp.gate_proj.", "ffn_gate."),
        ("mlp.up_proj.", "ffn_up."),
        ("mlp.down_proj.", "ffn_down."),
        ("input_layernorm.", "attn_norm."),
        ("post_attention_layernorm.", if gemma { "post_attention_norm." } else { "ffn_norm." }),
        ("pre_feedforward_layernorm.", "ffn_norm."),
        ("post_feedforward_layernorm.", "post_ffw_norm."),
    ];
    let heads = config["num_attention_heads"].as_u64().unwrap() as usize;
    let mut out = BTreeMap::new();
    for (name, tensor) in &tensors {
        let gguf = parts.iter().fold(name.clone(), |name, (from, to)| name.replace(from, to));
        let mut tensor = tensor.to_dtype(DType::F32).unwrap();
        if gemma && name.contains("norm") {
            tensor = (tensor + 1.0).unwrap();
        }
        if config["model_type"] == "llama" && (gguf.contains("attn_q.") || gguf.contains("attn_k.")) {
            // Rows (half, i) of a head go to (i, half).
            let dims = tensor.dims().to_vec();
            let count = if gguf.contains("attn_q.") { heads } else { heads / 2 };
            let rows = tensor.reshape((count, 2, dims[0] / count / 2, dims.get(1).copied().unwrap_or(1))).unwrap();
            tensor = rows.transpose(1, 2).unwrap().contiguous().unwrap().reshape(dims).unwrap();
        }
        out.insert(gguf, QTensor::quantize(&tensor, GgmlDType::F32).unwrap());
    }
    let arch = if gemma { "gemma3" } else { config["model_type"].as_str().unwrap() };
    let mut metadata = vec![("general.architecture".to_owned(), Gguf::String(arch.into()))];
    for (key, field) in [
        ("block_count", "num_hidden_layers"),
        ("context_length", "max_position_embeddings"),
        ("embedding_length", "hidden_size"),
        ("feed_forward_length", "intermediate_size"),
        ("attention.head_count", "num_attention_heads"),
        ("attention.head_count_kv", "num_key_value_heads"),
        ("attention.key_length", "head_dim"),
    ] {
        if let Some(number) = config[field].as_u64() {
            metadata.push((format!("{arch}.{key}"), Gguf::U32(number as u32)));
        }
    }
    metadata.push((format!("{arch}.attention.layer_norm_rms_epsilon"), Gguf::F32(1e-5)));
    let rope = &config["rope_parameters"];
    let theta = rope.get("full_attention").unwrap_or(rope)["rope_theta"].as_f64().unwrap();
    metadata.push((format!("{arch}.rope.freq_base"), Gguf::F32(theta as f32)));
    (metadata, out)
}

fn loaded(metadata: &[(String, Gguf)], tensors: &BTreeMap<String, QTensor>) -> Result<Base, String> {
    let path = TempDir::new().unwrap();
    let path = path.path().join("base.gguf");
    let metadata: Vec<(&str, Gguf)> = metadata.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    std::fs::write(&path, gguf(&metadata, tensors)).unwrap();
    Base::load(&path, None).map_err(|e| e.to_string())
}

/// The same weights in both formats are the same base: names, order of rows, biases, norms, scaled rope, windows.
#[test]
fn a_gguf_file_and_a_folder_are_one_base() {
    for name in ["llama", "qwen2", "qwen3", "gemma3"] {
        let (mut metadata, mut tensors) = converted(name);
        let mut of_folder = family(name);
        let own = &of_folder.shape.spans[0].frequencies;
        match name {
            // The factors by which llama.cpp's converter says what Llama 3 does.
            "llama" => {
                let factors: Vec<f32> = own
                    .iter()
                    .enumerate()
                    .map(|(i, scaled)| (500f64.powf(-(i as f64) / own.len() as f64) / scaled) as f32)
                    .collect();
                let factors = Tensor::new(factors, &Device::Cpu).unwrap();
                tensors.insert("rope_freqs.weight".into(), QTensor::quantize(&factors, GgmlDType::F32).unwrap());
            }
            // A file has no word for this family's windows.
            "qwen2" => of_folder.shape.layers.fill(0),
            // Nor for another scale of scores, nor which layers see all, but for every so many.
            "gemma3" => {
                of_folder.shape.heads.scalar = of_folder.shape.heads.dim as f32;
                let more = [
                    ("rope.scaling.type", Gguf::String("linear".into())),
                    ("rope.scaling.factor", Gguf::F32(4.0)),
                    ("rope.freq_base_swa", Gguf::F32(100.0)),
                    ("attention.sliding_window", Gguf::U32(8)),
                    ("attention.sliding_window_pattern", Gguf::U32(2)),
                ];
                metadata.extend(more.map(|(key, value)| (format!("gemma3.{key}"), value)));
            }
            _ => {}
        }
        let of_file = loaded(&metadata, &tensors).unwrap();
        assert_eq!(of_file.parameters, of_folder.parameters, "{name}");
        let ids = Reference::of(name).sequences.remove(0);
        let all: Vec<u32> = (0..13).collect();
        let rows =
            [of_folder, of_file].map(|base| decider(base).open(std::slice::from_ref(&ids), &all).unwrap().1.remove(0));
        assert_close(&rows[0], &rows[1], 2e-6);
    }
}

/// Of 270 million parameters, say: every sixth layer sees all, and the local rope's base is said by nobody.
#[test]
fn a_gemma_file_has_its_family_s_pattern() {
    let (mut metadata, tensors) = converted("gemma3");
    metadata.push(("gemma3.attention.sliding_window".into(), Gguf::U32(8)));
    let base = loaded(&metadata, &tensors).unwrap();
    assert_eq!(base.shape.layers, [1, 1, 1]);
    assert_eq!((base.shape.spans[0].window, base.shape.spans[1].window), (None, Some(8)));
    assert!((base.shape.spans[1].frequencies[1] - 10_000f64.powf(-1.0 / 3.0)).abs() < 1e-9);
    metadata.push(("gemma3.final_logit_softcapping".into(), Gguf::F32(30.0)));
    assert!(loaded(&metadata, &tensors).err().unwrap().contains("unsupported `gemma3.final_logit_softcapping`"));
    // Llamas have no window that a file could name.
    let (mut metadata, tensors) = converted("llama");
    metadata.push(("llama.attention.sliding_window".into(), Gguf::U32(8)));
    assert!(loaded(&metadata, &tensors).err().unwrap().contains("unsupported `llama.attention.sliding_window` 8"));
}

/// As older versions of `transformers` wrote the same settings.
#[test]
fn older_settings_mean_the_same() {
    let copy = Copy::of("gemma3");
    let expected = family("gemma3").shape;
    copy.settings(|config| {
        let fields = config.as_object_mut().unwrap();
        for key in ["rope_parameters", "layer_types", "attention_bias", "tie_word_embeddings"] {
            fields.remove(key);
        }
        config["rope_theta"] = json!(1000.0);
        config["rope_scaling"] = json!({ "type": "linear", "factor": 4.0 });
        config["rope_local_base_freq"] = json!(100.0);
        config["sliding_window_pattern"] = json!(2);
    });
    let shape = copy.load().unwrap().shape;
    assert_eq!(format!("{shape:?}"), format!("{expected:?}"));

    let copy = Copy::of("llama");
    copy.settings(|config| {
        config["rope_theta"] = json!(500.0);
        let mut scaling = config.as_object_mut().unwrap().remove("rope_parameters").unwrap();
        scaling.as_object_mut().unwrap().remove("rope_theta");
        config["rope_scaling"] = scaling;
    });
    assert_eq!(format!("{:?}", copy.load().unwrap().shape), format!("{:?}", family("llama").shape));
    copy.settings(|config| config["rope_scaling"] = Value::Null);
    let plain = copy.load().unwrap().shape.spans[0].frequencies.clone();
    assert_ne!(plain, family("llama").shape.spans[0].frequencies);

    let copy = Copy::of("qwen2");
    copy.settings(|config| drop(config.as_object_mut().unwrap().remove("layer_types")));
    assert_eq!(copy.load().unwrap().shape.layers, [0, 1, 1]);
    copy.settings(|config| config["use_sliding_window"] = json!(false));
    assert_eq!(copy.load().unwrap().shape.layers, [0, 0, 0]);
}

#[test]
fn llama_3_keeps_fast_frequencies_and_divides_slow_ones() {
    let turns = |n: f64| n * std::f64::consts::TAU / 1024.0;
    let mut frequencies = [turns(9.0), turns(4.0), turns(2.5), turns(1.0), turns(0.1)];
    let before = frequencies;
    Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, context: 1024.0 }.apply(&mut frequencies);
    let ratios: Vec<f64> = frequencies.iter().zip(before).map(|(after, before)| after / before).collect();
    for (ratio, expected) in ratios.iter().zip([1.0, 1.0, 0.5 + 0.5 / 8.0, 0.125, 0.125]) {
        assert!((ratio - expected).abs() < 1e-12, "{ratios:?}");
    }
}

/// A copy of a family's folder, to be changed.
struct Copy(TempDir);

impl Copy {
    fn of(name: &str) -> Self {
        let copy = Self(TempDir::new().unwrap());
        for entry in std::fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap()) {
            std::fs::copy(entry.path(), copy.path(entry.file_name().to_str().unwrap())).unwrap();
        }
        copy
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn settings(&self, change: impl FnOnce(&mut Value)) {
        let path = self.path("config.json");
        let mut config = serde_json::from_slice(&read(&path)).unwrap();
        change(&mut config);
        std::fs::write(path, config.to_string()).unwrap();
    }

    /// Writes the tensors again.
    fn tensors(&self, change: impl FnOnce(&mut std::collections::HashMap<String, Tensor>)) {
        let path = self.path("model.safetensors");
        let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
        change(&mut tensors);
        candle_core::safetensors::save(&tensors, path).unwrap();
    }

    fn load(&self) -> Result<Base, String> {
        Base::load(self.0.path(), None).map_err(|e| format!("{} ({})", e, e.exit()))
    }

    fn refuses(&self, words: &[&str]) {
        let why = self.load().err().unwrap_or_else(|| panic!("nothing was refused; wanted {words:?}"));
        assert!(why.ends_with("(3)") && words.iter().all(|word| why.contains(word)), "{why:?} lacks one of {words:?}");
    }
}

#[test]
fn settings_are_refused_by_name() {
    for (name, field, value, words) in [
        (
            "gemma3",
            "model_type",
            json!("gemma3"),
            "unsupported architecture `gemma3` (supported: llama, mistral, qwen2",
        ),
        ("gemma3", "model_type", json!(null), "none named"),
        ("gemma3", "attn_logit_softcapping", json!(50.0), "unsupported `attn_logit_softcapping`"),
        ("gemma3", "final_logit_softcapping", json!(30.0), "unsupported `final_logit_softcapping`"),
        ("gemma3", "use_bidirectional_attention", json!(true), "unsupported `use_bidirectional_attention`"),
        ("gemma3", "hidden_activation", json!("relu"), "unsupported `hidden_activation` relu"),
        ("gemma3", "query_pre_attn_scalar", json!(0), "scores over the root of 0"),
        ("gemma3", "sliding_window", json!(null), "has no `sliding_window`"),
        ("gemma3", "sliding_window", json!(0), "sliding window of 0"),
        ("gemma3", "layer_types", json!(["full_attention"]), "`layer_types` must be one of"),
        (
            "gemma3",
            "layer_types",
            json!(["full_attention", "chunked_attention", "full_attention"]),
            "`layer_types` must be",
        ),
        ("gemma3", "attention_bias", json!(true), "has no tensor `model.layers.0.self_attn.q_proj.bias`"),
        ("gemma3", "tie_word_embeddings", json!(false), "has no tensor `lm_head.weight`"),
        ("gemma3", "quantization_config", json!({ "bits": 4 }), "unsupported `quantization_config`"),
        ("gemma3", "hidden_size", json!(-1), "`hidden_size` must be a whole number, not -1"),
        ("gemma3", "hidden_size", json!(16), "`model.embed_tokens.weight` is (13, 12), but the header says (13, 16)"),
        ("gemma3", "vocab_size", json!(null), "has no `vocab_size`"),
        ("gemma3", "num_hidden_layers", json!(4), "must be one of"),
        ("gemma3", "num_hidden_layers", json!(1_000_000_000), "impossible number of layers"),
        ("gemma3", "head_dim", json!(5), "head width 5"),
        ("gemma3", "num_key_value_heads", json!(3), "3 key heads"),
        ("llama", "attention_bias", json!(false), "unsupported tensor `model.layers.0.self_attn.k_proj.bias`"),
        ("llama", "mlp_bias", json!(false), "unsupported tensor `model.layers.0.mlp.down_proj.bias`"),
        ("llama", "tie_word_embeddings", json!(true), "unsupported tensor `lm_head.weight`"),
        ("llama", "num_hidden_layers", json!(1), "unsupported tensor `model.layers.1."),
        ("llama", "num_hidden_layers", json!(3), "has no tensor `model.layers.2.input_layernorm.weight`"),
        ("llama", "hidden_act", json!("gelu"), "unsupported `hidden_act` gelu (supported: silu, gelu_pytorch_tanh)"),
        ("llama", "rms_norm_eps", json!(null), "has no `rms_norm_eps`"),
        ("llama", "partial_rotary_factor", json!(0.5), "unsupported `partial_rotary_factor`"),
        ("llama", "rope_parameters", json!({ "rope_type": "yarn", "factor": 2 }), "unsupported rope scaling `yarn`"),
        ("llama", "rope_parameters", json!({ "rope_type": "llama3" }), "has no `factor`"),
        ("llama", "rope_parameters", json!({ "rope_theta": -1.0 }), "impossible rotary frequencies"),
        ("llama", "rope_parameters", json!(7), "`rope_parameters` must be an object, not 7"),
    ] {
        let copy = Copy::of(name);
        copy.settings(|config| config[field] = value);
        copy.refuses(&[words, "name another model"]);
    }
}

#[test]
fn files_and_tensors_are_refused_by_name() {
    let copy = Copy::of("gemma3");
    copy.tensors(|t| drop(t.remove("model.layers.1.self_attn.k_norm.weight")));
    copy.refuses(&["has no tensor `model.layers.1.self_attn.k_norm.weight`", "fetch it again"]);
    let copy = Copy::of("gemma3");
    copy.tensors(|t| drop(t.insert("model.experts".into(), t["model.norm.weight"].clone())));
    copy.refuses(&["unsupported tensor `model.experts`"]);
    let copy = Copy::of("gemma3");
    copy.tensors(|t| {
        drop(t.insert("model.layers.0.self_attn.rotary_emb.inv_freq".into(), t["model.norm.weight"].clone()));
    });
    assert!(copy.load().is_ok(), "what follows from the settings is no weight");
    copy.tensors(|t| drop(t.insert("model.norm.weight".into(), t["model.norm.weight"].to_dtype(DType::F64).unwrap())));
    copy.refuses(&["tensor `model.norm.weight`: unsupported format F64 (supported: F32, F16, BF16)"]);
    let cut = |length: usize| {
        let copy = Copy::of("gemma3");
        let bytes = read(copy.path("model.safetensors"));
        std::fs::write(copy.path("model.safetensors"), &bytes[..length]).unwrap();
        copy
    };
    cut(20_000).refuses(&["`model.safetensors`: not a readable safetensors file", "cut off", "fetch it again"]);
    cut(500).refuses(&["not a readable safetensors file", "longer than the file"]);
    cut(0).refuses(&["not a readable safetensors file"]);

    let copy = Copy::of("llama");
    std::fs::remove_file(copy.path("model-00002-of-00002.safetensors")).unwrap();
    copy.refuses(&["has no file `model-00002-of-00002.safetensors`, in which `model.safetensors.index.json` says"]);
    std::fs::copy(copy.path("model-00001-of-00002.safetensors"), copy.path("model-00002-of-00002.safetensors"))
        .unwrap();
    copy.refuses(&["stands in `model-00002-of-00002.safetensors` and in another file"]);
    std::fs::write(copy.path("config.json"), "{").unwrap();
    copy.refuses(&["`config.json` is malformed"]);
    std::fs::remove_file(copy.path("config.json")).unwrap();
    copy.refuses(&["is a folder without config.json and *.safetensors"]);
}

/// Any one byte of a header may be anything: the reader answers with an error or a model.
#[test]
fn damaged_folders_never_crash() {
    let copy = Copy::of("gemma3");
    let good = read(copy.path("model.safetensors"));
    for at in 0..600 {
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        std::fs::write(copy.path("model.safetensors"), bytes).unwrap();
        let _ = copy.load();
    }
}

/// What `sha256sum` prints for the settings and the tensors, hashed again; other files do not count.
#[test]
fn the_hash_of_a_folder_is_that_of_its_files() {
    let copy = Copy::of("llama");
    let line = |name: &str| format!("{}  {name}\n", sha256(&read(copy.path(name))));
    let names = ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let expected = sha256(names.map(line).concat().as_bytes());
    assert_eq!(copy.load().unwrap().sha256, expected);
    std::fs::write(copy.path("README.md"), "words").unwrap();
    let base = Base::load(copy.0.path(), Some(&expected.to_uppercase())).unwrap();
    assert_eq!(base.sha256, expected);
    let why = Base::load(copy.0.path(), Some(&"0".repeat(64))).err().unwrap().to_string();
    assert!(why.contains(&expected) && why.contains("base.sha256"), "{why}");
}

/// Random weights keep formats and spreads; biases are drawn too, and norms become their root mean square.
#[test]
fn random_weights_replace_all_that_was_learned() {
    let random = |name, seed| Base::load_with(&folder(name), None, Some(seed)).unwrap();
    let (own, first, other) = (family("gemma3"), random("gemma3", 1), random("gemma3", 2));
    assert_eq!((own.sha256, own.parameters), (first.sha256.clone(), first.parameters));
    for (layer, (own, first)) in own.layers.iter().zip(&first.layers).enumerate() {
        let drawn = &other.layers[layer].linear;
        for ((own, first), other) in own.linear.iter().zip(&first.linear).zip(drawn) {
            assert!(own.to_dense() != first.to_dense() && first.to_dense() != other.to_dense());
        }
        let norms = |of: &tiresias_train::layer::Extra| {
            [&of.q_norm, &of.k_norm, &of.attn_out_norm, &of.ffn_out_norm].map(|norm| norm.clone().unwrap())
        };
        for (own, first) in norms(&own.extra).iter().zip(norms(&first.extra)) {
            let square = own.iter().map(|x| x * x).sum::<f32>() / own.len() as f32;
            assert!(first.iter().all(|x| *x == first[0]) && (first[0] - square.sqrt()).abs() < 1e-6);
        }
    }
    let bias = |base: &Base| base.layers[0].extra.biases[Module::QProj as usize].clone().unwrap();
    assert_ne!(bias(&family("llama")), bias(&random("llama", 1)));
}

/// The process: adapters over a folder, and the same folder deciding with them.
#[test]
fn a_folder_is_trained_on_and_decides() {
    let toy = Toy::new();
    let base = folder("gemma3");
    let reference = Reference::of("gemma3");
    toy.write_rows("data.jsonl", &reference.batch());
    let mut config = toy.config("out");
    config["base"] = json!({ "path": base, "sha256": family("gemma3").sha256 });
    let said = lines(&toy.train(&config));
    let losses: Vec<f64> = said.iter().filter(|l| l["event"] == "step").map(|l| l["loss"].as_f64().unwrap()).collect();
    assert!(losses[11] < losses[0], "{losses:?}");
    let about: Value = serde_json::from_slice(&read(toy.path("out/adapter/tiresias.json"))).unwrap();
    assert_eq!((&about["base"]["file"], &about["base"]["quantization"]), (&json!("gemma3"), &json!("F32")));
    let decide = |base: &Path| {
        let config = json!({ "contract": 2, "backend": "candle", "base": { "path": base },
                             "adapter": toy.path("out/adapter"), "threads": 1 });
        toy.command("decide", &config).stdin(Stdio::null()).output().unwrap()
    };
    assert_eq!(lines(&decide(&base))[0]["vocabulary"], 13);
    refused(&decide(&folder("qwen3")), 4, "ADAPTER", &["was trained on the base model with SHA-256"]);
    config["base"] = json!({ "path": toy.path("nowhere") });
    toy.refuses(&config, 3, "BASE_MODEL", &["nowhere"]);
}

/// Where positions see a window's width, attention has less to do.
#[test]
fn windows_are_counted_in_the_arithmetic() {
    let base = family("gemma3");
    let lora = Lora::new(&base.shape, base.layers.len(), 2, 3.0, &[]);
    let example = Example { ids: vec![1; 21], labels: [vec![None; 20], vec![Some(2)]].concat() };
    let mut all = base.shape.clone();
    all.layers.fill(0);
    let flops = |shape| tiresias_train::work::necessary_flops(shape, 3, &lora, &[&example]);
    // Two layers, 20 rows that see themselves and up to 7 before them.
    let unseen: usize = (0..20usize).map(|row| (row + 1).saturating_sub(8)).sum();
    assert_eq!(flops(&all) - flops(&base.shape), (12 * base.shape.heads.q_width() * 2 * unseen) as f64);
}
