//! Whatever can be wrong with a configuration, a model or a dataset has its exit code, its name, and a message that says where.

use std::sync::Arc;

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Value as Gguf;
use parquet::data_type::{Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use safetensors::Dtype;
use serde_json::{Value, json};
use tiresias_train::base::Base;
use tiresias_train::data::{self, Dataset};
use tiresias_train::gradient::Example;

use crate::support::{Toy, VOCABULARY, examples, gguf, read, refused, toy_metadata, toy_tensors};

#[test]
fn configurations_are_refused_by_field() {
    let toy = Toy::new();
    let changes: [(&str, Value, &str); 18] = [
        ("/contract", json!(1), "contract"),
        ("/backend", json!("peft"), "backend"),
        ("/arithmetic", json!("nf4"), "bf16"),
        ("/token_budget", json!(4096), "token_budget"),
        ("/base/sha256", json!("abc"), "base.sha256"),
        ("/base/surplus", json!(1), "surplus"),
        ("/surplus", json!(1), "surplus"),
        ("/data", json!([]), "data"),
        ("/lora/r", json!(0), "lora.r"),
        ("/lora/alpha", json!(-1), "lora.alpha"),
        ("/lora/targets", json!([]), "lora.targets"),
        ("/lora/targets", json!(["lm_head"]), "lm_head"),
        ("/optimizer/lr", json!(0), "optimizer.lr"),
        ("/optimizer/schedule", json!("step"), "step"),
        ("/optimizer/beta2", json!(1.0), "optimizer.beta2"),
        ("/steps", json!(0), "steps"),
        ("/threads", json!(0), "threads"),
        ("/batch_size", Value::Null, "batch_size"),
    ];
    for (pointer, value, word) in changes {
        let mut config = toy.config("out");
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = config.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Value::Null => parent.remove(field),
            value => parent.insert(field.into(), value),
        };
        toy.refuses(&config, 2, "CONFIG", &[word]);
    }
    assert!(!toy.path("out").exists(), "a refused configuration wrote something");
    std::fs::write(toy.path("broken.json"), "{").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tiresias-train"));
    refused(&command.args(["train", "--config"]).arg(toy.path("broken.json")).output().unwrap(), 2, "CONFIG", &["EOF"]);
}

#[test]
fn the_first_line_says_what_the_program_is_before_it_loads_anything() {
    let toy = Toy::new();
    let mut config = toy.config("out");
    config["base"]["path"] = json!("nowhere.gguf");
    let about = |mode: &str, config: &Value| {
        let output = toy.command(mode, config).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap()
    };
    let mut training = about("train", &config);
    let peak = training["hardware"].as_object_mut().unwrap().remove("matmul_peak_gflops").unwrap();
    assert!(peak.as_f64().unwrap() > 0.0);
    let decide = json!({ "contract": 2, "backend": "candle", "base": config["base"], "threads": 2 });
    assert_eq!(training, about("decide", &decide));
    let expected = json!({
        "event": "backend", "contract": 2, "name": "candle", "version": env!("CARGO_PKG_VERSION"),
        "can": ["train", "decide", "full-parameter"], "bases": ["gguf", "safetensors"], "hardware": { "kind": "cpu", "threads": 2 },
    });
    assert_eq!(training, expected);
}

#[test]
fn command_lines_are_refused_and_versions_are_told() {
    let run = |arguments: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_tiresias-train")).args(arguments).output().unwrap()
    };
    refused(&run(&["train"]), 2, "USAGE", &["--config"]);
    refused(&run(&["fly"]), 2, "USAGE", &["fly"]);
    refused(&run(&["train", "--config", "/nowhere/c.json"]), 2, "CONFIG", &["/nowhere/c.json"]);
    let version = run(&["--version"]);
    assert!(version.status.success() && String::from_utf8(version.stdout).unwrap().contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn base_models_are_refused_by_kind() {
    let toy = Toy::new();
    let good = read(toy.path("toy.gguf"));
    let set = |key: &'static str, value: Gguf| {
        let mut metadata = toy_metadata();
        metadata.retain(|(k, _)| *k != key);
        metadata.push((key, value));
        gguf(&metadata, &toy_tensors(GgmlDType::Q4_1))
    };
    let with = |name: &str| {
        let mut tensors = toy_tensors(GgmlDType::Q4_1);
        let more = tensors["output_norm.weight"].dequantize(&candle_core::Device::Cpu).unwrap();
        let more = candle_core::quantized::QTensor::quantize(&more, GgmlDType::F32).unwrap();
        tensors.insert(name.into(), more);
        gguf(&toy_metadata(), &tensors)
    };
    let mut missing = toy_tensors(GgmlDType::Q4_1);
    missing.remove("blk.1.ffn_up.weight");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"not a model".to_vec(), "GGUF"),
        (Vec::new(), "GGUF"),
        (good[..good.len() / 2].to_vec(), "remaining in file"),
        (good[..200].to_vec(), "GGUF"),
        (set("general.architecture", Gguf::String("gpt2".into())), "gpt2"),
        (set("general.alignment", Gguf::U32(0)), "panicked"),
        (set("llama.rope.scaling.type", Gguf::String("yarn".into())), "yarn"),
        (set("llama.embedding_length", Gguf::U32(65)), "token_embd.weight"),
        (set("llama.attention.head_count", Gguf::U32(0)), "0 heads"),
        (set("llama.attention.head_count_kv", Gguf::U32(3)), "3 key heads"),
        (set("llama.rope.dimension_count", Gguf::U32(8)), "rope.dimension_count"),
        (set("llama.block_count", Gguf::U32(2)), "unsupported tensor `blk.2"),
        (set("llama.block_count", Gguf::U32(4)), "blk.3.attn_norm"),
        (set("llama.block_count", Gguf::U32(u32::MAX)), "layers"),
        (set("llama.attention.key_length", Gguf::U32(u32::MAX - 1)), "head width 4294967294"),
        (with("blk.0.ffn_gate_exps.weight"), "unsupported tensor `blk.0.ffn_gate_exps.weight`"),
        (with("blk.0.attn_q.bias"), "has no tensor `blk.1.attn_q.bias`"),
        (gguf(&toy_metadata(), &missing), "blk.1.ffn_up.weight"),
    ];
    // The number of a tensor's format stands after its name (a length and the bytes), its rank and its two dimensions.
    let name = b"token_embd.weight";
    let at = good.windows(name.len()).position(|bytes| bytes == name).unwrap() + name.len() + 4 + 2 * 8;
    assert_eq!(good[at..at + 4], 3_u32.to_le_bytes(), "Q4_1");
    let of = |number: u32| [&good[..at], &number.to_le_bytes(), &good[at + 4..]].concat();
    let formats = [
        (of(20), "unsupported quantisation IQ4_NL (supported: F32, F16, "),
        (of(23), "unsupported quantisation IQ4_XS (supported: F32, F16, "),
        (of(39), "unsupported quantisation MXFP4"),
        (of(1000), "not a readable GGUF file"),
    ];
    for (bytes, words) in cases.into_iter().chain(formats) {
        std::fs::write(toy.path("bad.gguf"), bytes).unwrap();
        let mut config = toy.config("out");
        config["base"] = json!({ "path": toy.path("bad.gguf") });
        toy.refuses(&config, 3, "BASE_MODEL", &["bad.gguf", words]);
    }
    let mut config = toy.config("out");
    config["base"]["sha256"] = json!("0".repeat(64));
    toy.refuses(&config, 3, "BASE_MODEL", &["SHA-256", "fetch it again"]);
    config["base"] = json!({ "path": toy.path("absent.gguf") });
    toy.refuses(&config, 3, "BASE_MODEL", &["absent.gguf"]);
    let mut config = toy.config("out");
    config["base"]["sha256"] = json!(toy.base().sha256.to_uppercase());
    config["steps"] = json!(1);
    assert!(toy.train(&config).status.success(), "the right hash is refused");
}

/// Any one byte of the header may be anything: the reader answers with an error or a model, and never ends the process.
#[test]
fn damaged_headers_never_crash() {
    let toy = Toy::new();
    let good = read(toy.path("toy.gguf"));
    std::panic::set_hook(Box::new(|_| ()));
    for at in 0..600 {
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        std::fs::write(toy.path("bad.gguf"), bytes).unwrap();
        let _ = Base::load(&toy.path("bad.gguf"), None);
    }
    let _ = std::panic::take_hook();
}

#[test]
fn datasets_are_refused_by_row() {
    let toy = Toy::new();
    let long: Vec<u32> = vec![1; 97];
    let cases = [
        ("x.jsonl", json!({ "input_ids": [1, 2, 3], "labels": [-100, 2] }), "row 1: 3 `input_ids` but 2 `labels`"),
        ("x.jsonl", json!({ "input_ids": [1, VOCABULARY], "labels": [-100, 2] }), "row 1: input_ids[1] is 48"),
        ("x.jsonl", json!({ "input_ids": [1, -2], "labels": [-100, 2] }), "input_ids[1] is -2"),
        ("x.jsonl", json!({ "input_ids": [1, 2], "labels": [-100, 99] }), "labels[1] is 99"),
        ("x.jsonl", json!({ "input_ids": [1, 2], "labels": [1, -100] }), "nothing to learn"),
        ("x.jsonl", json!({ "input_ids": [], "labels": [] }), "nothing to learn"),
        ("x.jsonl", json!({ "input_ids": long, "labels": long }), "context is 96"),
        ("x.jsonl", json!({ "input_ids": [1, 2] }), "line 2: missing field `labels`"),
        ("x.jsonl", json!({ "input_ids": "12", "labels": [] }), "line 2"),
        ("x.csv", json!({}), "unknown dataset format"),
        ("x.parquet", json!({}), "Parquet"),
    ];
    for (name, second, words) in cases {
        let text = format!("{}\n{second}\n", json!({ "input_ids": [1, 2, 3], "labels": [-100, 2, 3] }));
        std::fs::write(toy.path(name), text).unwrap();
        let mut config = toy.config("out");
        config["data"] = json!([{ "path": toy.path("data.jsonl") }, { "path": toy.path(name) }]);
        toy.refuses(&config, 4, "DATA", &[name, words]);
    }
    std::fs::write(toy.path("x.jsonl"), "\n").unwrap();
    let mut config = toy.config("out");
    config["data"] = json!([{ "path": toy.path("x.jsonl") }]);
    toy.refuses(&config, 4, "DATA", &["no rows"]);
    config["data"] = json!([{ "path": toy.path("absent.parquet") }]);
    toy.refuses(&config, 4, "IO", &["absent.parquet"]);
    std::fs::write(toy.path("file"), "").unwrap();
    let mut config = toy.config("out");
    config["output"] = json!(toy.path("file/out"));
    toy.refuses(&config, 4, "IO", &["create the folder"]);
}

#[test]
fn losses_that_run_away_have_their_own_exit() {
    let toy = Toy::new();
    let mut config = toy.config("out");
    config["optimizer"]["lr"] = json!(1e30);
    config["optimizer"]["max_grad_norm"] = json!(0);
    config["optimizer"]["warmup_steps"] = json!(0);
    toy.refuses(&config, 5, "NOT_FINITE", &["optimizer.lr"]);
}

/// Lists of int32 and int64, optional and required, across row groups, beside columns that are none of our business.
#[test]
fn parquet_and_json_lines_hold_the_same_examples() {
    let toy = Toy::new();
    let base = toy.base();
    let rows = examples(25, 8);
    toy.write_rows("rows.jsonl", &rows);
    write_parquet(&toy.path("rows.parquet"), &rows);
    let load = |name: &str| Dataset::load(&[toy.data(name)], base.shape.limits()).unwrap();
    let (json, parquet) = (load("rows.jsonl"), load("rows.parquet"));
    assert_eq!(json.examples, rows);
    assert_eq!(parquet.examples, rows);
    assert_eq!(json.sha256, parquet.sha256);
    assert_ne!(json.sha256, Dataset::load(&[toy.data("data.jsonl")], base.shape.limits()).unwrap().sha256);
}

/// Flat tensors cut by offsets, among others; and what is wrong with some that are none.
#[test]
fn safetensors_hold_the_same_examples() {
    let toy = Toy::new();
    let limits = toy.base().shape.limits();
    let rows = examples(25, 8);
    toy.write_rows("rows.jsonl", &rows);
    let ids: Vec<i32> = rows.iter().flat_map(|r| r.ids.iter().map(|&id| id.cast_signed())).collect();
    let labels: Vec<i32> =
        rows.iter().flat_map(|r| r.labels.iter().map(|l| l.map_or(-100, u32::cast_signed))).collect();
    let ends = rows.iter().scan(0, |end, row| {
        *end += row.ids.len() as i64;
        Some(*end)
    });
    let mut offsets: Vec<i64> = std::iter::once(0).chain(ends).collect();
    let write = |name: &str, offsets: &[i64]| {
        let bytes = |numbers: &[i32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        let (ids, labels) = (bytes(&ids), bytes(&labels));
        let cuts: Vec<u8> = offsets.iter().flat_map(|n| n.to_le_bytes()).collect();
        let view = |dtype, shape, data| safetensors::tensor::TensorView::new(dtype, vec![shape], data).unwrap();
        let tensors = [
            ("input_ids", view(Dtype::I32, ids.len() / 4, &ids)),
            ("labels", view(Dtype::I32, labels.len() / 4, &labels)),
            ("offsets", view(Dtype::I64, offsets.len(), &cuts)),
            ("prompt", view(Dtype::U8, 3, b"mdp")),
        ];
        safetensors::serialize_to_file(tensors, None, &toy.path(name)).unwrap();
    };
    write("rows.safetensors", &offsets);
    let load = |name: &str| Dataset::load(&[toy.data(name)], limits);
    assert_eq!(load("rows.safetensors").unwrap().examples, rows);
    assert_eq!(load("rows.safetensors").unwrap().sha256, load("rows.jsonl").unwrap().sha256);
    offsets[3] = 1 << 40;
    write("cut.safetensors", &offsets);
    std::fs::write(toy.path("none.safetensors"), "mdp").unwrap();
    for (name, part) in [("cut.safetensors", "row 2: offsets"), ("none.safetensors", "not a readable safetensors")] {
        let error = load(name).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

fn write_parquet(path: &std::path::Path, rows: &[Example]) {
    let schema = "message schema {
        required binary prompt (UTF8);
        optional group input_ids (LIST) { repeated group list { optional int32 element; } }
        required group labels (LIST) { repeated group list { required int64 element; } }
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder().set_compression(parquet::basic::Compression::SNAPPY).build();
    let mut writer =
        SerializedFileWriter::new(std::fs::File::create(path).unwrap(), schema, properties.into()).unwrap();
    for rows in rows.chunks(10) {
        let first = |i: usize| i16::from(i > 0);
        let repetition: Vec<i16> = rows.iter().flat_map(|r| (0..r.ids.len()).map(first)).collect();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let prompts: Vec<parquet::data_type::ByteArray> = rows.iter().map(|_| "5,1,20".into()).collect();
        column.typed::<parquet::data_type::ByteArrayType>().write_batch(&prompts, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let ids: Vec<i32> = rows.iter().flat_map(|r| r.ids.iter().map(|&id| id.cast_signed())).collect();
        column.typed::<Int32Type>().write_batch(&ids, Some(&vec![3; ids.len()]), Some(&repetition)).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let labels: Vec<i64> = rows.iter().flat_map(|r| r.labels.iter().map(|l| l.map_or(-100, i64::from))).collect();
        column.typed::<Int64Type>().write_batch(&labels, Some(&vec![1; labels.len()]), Some(&repetition)).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

proptest! {
    /// Each epoch visits every example once; batch n is the same whoever asks, and whatever was asked before.
    #[test]
    fn batches_walk_through_shuffled_epochs(examples in 1usize..40, size in 1usize..20, seed in 0u64..50) {
        let steps = (3 * examples).div_ceil(size) as u64;
        let walk: Vec<usize> = (0..steps).flat_map(|n| data::batch(examples, size, seed, n)).collect();
        for epoch in walk.chunks_exact(examples).take(3) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..examples).collect::<Vec<_>>());
        }
        prop_assert_eq!(&walk[..size.min(walk.len())], &data::batch(examples, size, seed, 0)[..size.min(walk.len())]);
        if examples > 10 {
            prop_assert_ne!(&walk[..examples], &walk[examples..2 * examples], "two epochs in the same order");
        }
    }
}
