//! A network trained from nothing: against Hugging Face and `PyTorch`, against finite differences, and as a process.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};
use tiresias_encode::Tokenizer as _;
use tiresias_train::config::LlamaConfig;
use tiresias_train::decide::Decider;
use tiresias_train::gradient::{Example, Trainer};
use tiresias_train::network::Network;
use tiresias_train::rng::Rng;

use crate::support::{Toy, assert_close, lines, read, refused, run_until};

#[derive(Deserialize)]
struct Reference {
    sequences: Vec<Vec<u32>>,
    labels: Vec<Vec<i64>>,
    logprobs: Vec<Vec<Vec<f32>>>,
    loss: f64,
    gradients: BTreeMap<String, Vec<f32>>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../data/network.json")).unwrap()
}

/// The network of `tests/data/network.py`, and its parameters by the same formula.
fn setting() -> (Network, Vec<f32>) {
    let config = LlamaConfig {
        vocabulary: 11,
        context: 64,
        layers: 2,
        hidden: 8,
        heads: 2,
        kv_heads: 1,
        ffn: 12,
        ..LlamaConfig::default()
    };
    let network = Network::new(&config);
    let mut parameters = Vec::new();
    for tensor in network.layout().tensors() {
        let value = |i: usize| (12.9898 * i as f64 + 1.0).sin();
        let norm = tensor.dims.len() == 1;
        parameters.extend(tensor.at.clone().map(|i| if norm { 1.0 + 0.2 * value(i) } else { 0.6 * value(i) } as f32));
    }
    (network, parameters)
}

fn batch_of(reference: &Reference) -> Vec<Example> {
    let label = |&l: &i64| u32::try_from(l).ok();
    let rows = reference.sequences.iter().zip(&reference.labels);
    rows.map(|(ids, labels)| Example { ids: ids.clone(), labels: labels.iter().map(label).collect() }).collect()
}

fn loss(trainer: &Trainer<Network>, parameters: &[f32], batch: &[Example]) -> (f64, Vec<f32>) {
    let mut gradient = Vec::new();
    let batch: Vec<&Example> = batch.iter().collect();
    let loss = trainer.loss_and_gradient(parameters, &batch, &mut gradient);
    (loss.sum / loss.labels as f64, gradient)
}

/// `PyTorch` computed in f64, this program in f32: they agree to its rounding.
#[test]
fn loss_and_every_gradient_are_pytorch_s() {
    let reference = reference();
    let (network, parameters) = setting();
    let layout = network.clone();
    for checkpointing in [false, true] {
        let trainer = Trainer::new(network.clone(), 64, checkpointing);
        let (mean, gradient) = loss(&trainer, &parameters, &batch_of(&reference));
        assert!((mean - reference.loss).abs() < 1e-6, "{mean} and {}", reference.loss);
        assert_eq!(layout.layout().tensors().len(), reference.gradients.len());
        for tensor in layout.layout().tensors() {
            let expected = &reference.gradients[&tensor.name];
            let largest = expected.iter().fold(0f32, |a, b| a.max(b.abs()));
            assert!(largest > 1e-4, "{} has no gradient to compare", tensor.name);
            for (ours, theirs) in gradient[tensor.at.clone()].iter().zip(expected) {
                assert!((ours - theirs).abs() < 1e-4 * largest, "{}: {ours} and {theirs}", tensor.name);
            }
        }
    }
}

/// Whole contexts and token by token, against Hugging Face at every position.
#[test]
fn the_decider_s_log_probabilities_are_hugging_face_s() {
    let reference = reference();
    let (network, parameters) = setting();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let mut decider = Decider::new(network.base(&parameters, String::new()), None, None, pool);
    let all: Vec<u32> = (0..11).collect();
    for (ids, expected) in reference.sequences.iter().zip(&reference.logprobs) {
        let prefixes: Vec<Vec<u32>> = (1..=ids.len()).map(|n| ids[..n].to_vec()).collect();
        let (_, rows) = decider.open(&prefixes, &all).unwrap();
        rows.iter().zip(expected).for_each(|(row, expected)| assert_close(row, expected, 2e-6));
        let (session, mut rows) = decider.open(&prefixes[..1], &all).unwrap();
        for (i, expected) in expected.iter().enumerate() {
            assert_close(&rows[0], expected, 2e-6);
            if let Some(&next) = ids.get(i + 1) {
                rows = decider.extend(&session, &[vec![next]]).unwrap();
            }
        }
    }
}

/// Along each tensor's own gradient the loss changes as it says.
#[test]
fn every_tensor_matches_finite_differences() {
    let (network, parameters) = setting();
    let batch = batch_of(&reference());
    let layout = network.clone();
    let trainer = Trainer::new(network, 64, false);
    let (_, gradient) = loss(&trainer, &parameters, &batch);
    for tensor in layout.layout().tensors() {
        let norm = gradient[tensor.at.clone()].iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let moved = |by: f64| {
            let mut moved = parameters.clone();
            tensor.at.clone().for_each(|i| moved[i] += (by * f64::from(gradient[i]) / norm) as f32);
            loss(&trainer, &moved, &batch).0
        };
        let h = 0.02;
        let slope = (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h);
        assert!((slope / norm - 1.0).abs() < 5e-3, "{}: slope {slope}, gradient {norm}", tensor.name);
    }
}

/// The first values have the spread and the mean that they should; norms are one; another seed gives others.
#[test]
fn initial_values_have_their_spread() {
    let network = Network::new(&LlamaConfig { vocabulary: 40, ..LlamaConfig::default() });
    let first = network.initial(1);
    assert_ne!(first, network.initial(2));
    for tensor in network.layout().tensors() {
        let values = &first[tensor.at.clone()];
        if tensor.dims.len() == 1 {
            assert!(values.iter().all(|&x| x == 1.0));
            continue;
        }
        let n = values.len() as f64;
        let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
        let spread = (values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / n).sqrt();
        // Five standard errors.
        assert!(mean.abs() < 5.0 * 0.02 / n.sqrt(), "{}: mean {mean}", tensor.name);
        assert!((spread / 0.02 - 1.0).abs() < 5.0 / (2.0 * n).sqrt(), "{}: spread {spread}", tensor.name);
    }
}

/// "Say at the end what stood first": a task of six answers, so that guessing costs ln 6 = 1.79. Only attention can solve it.
fn recall(count: usize) -> Vec<Example> {
    let mut rng = Rng::new(&[42]);
    let mut below = |n: usize| u32::try_from(rng.below(n)).unwrap();
    (0..count)
        .map(|_| {
            let mut ids = vec![below(6)];
            ids.extend((0..5 + below(4)).map(|_| 6 + below(4)));
            ids.extend([10, 0]);
            let mut labels = vec![None; ids.len()];
            labels[ids.len() - 1] = Some(ids[0]);
            Example { ids, labels }
        })
        .collect()
}

fn config(toy: &Toy, output: &str) -> Value {
    let mut config = toy.config(output);
    let fields = config.as_object_mut().unwrap();
    fields.remove("base");
    fields.remove("lora");
    fields.insert(
        "architecture".into(),
        json!({ "kind": "llama", "vocabulary": 11, "context": 64, "layers": 2, "hidden": 32, "heads": 4, "kv_heads": 2, "ffn": 64 }),
    );
    config["optimizer"]["lr"] = json!(0.01);
    config["steps"] = json!(150);
    config["batch_size"] = json!(16);
    toy.write_rows("data.jsonl", &recall(400));
    config
}

fn model(toy: &Toy, output: &str) -> [Vec<u8>; 3] {
    ["model.safetensors", "config.json", "tiresias.json"].map(|name| read(toy.path(output).join("model").join(name)))
}

fn decide(toy: &Toy, config: &Value, input: &str) -> std::process::Output {
    let mut command = toy.command("decide", config);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // A refusing process may be gone before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn a_network_learns_and_decides_by_what_it_learned() {
    let toy = Toy::new();
    let said = lines(&toy.train(&config(&toy, "out")));
    let (start, done) = (&said[0], said.last().unwrap());
    assert_eq!(start["parameters"], start["trainable"]);
    assert_eq!((&done["event"], &done["adapter"]), (&json!("done"), &json!("model")), "{done}");
    assert!(done["loss"].as_f64().unwrap() < 0.1, "guessing costs 1.79, this network {done}");
    // The folder is one that transformers knows: its names and shapes are checked by PyTorch's in the first test.
    let settings: Value = serde_json::from_slice(&model(&toy, "out")[1]).unwrap();
    assert_eq!((&settings["model_type"], &settings["hidden_size"]), (&json!("llama"), &json!(32)));

    let decider = json!({ "contract": 2, "backend": "candle", "model": toy.path("out/model"), "threads": 1 });
    let ask = r#"{"id":1,"op":"open","contexts":[[3,7,8,6,9,6,10],[5,6,6,6,6,6,6,10]],"candidates":[0,1,2,3,4,5]}"#;
    let answers = lines(&decide(&toy, &decider, ask));
    let ready = json!({ "event": "ready", "contract": 2, "vocabulary": 11, "context": 64, "adapter": false });
    assert_eq!(answers[0], ready);
    for (row, first) in [(0, 3), (1, 5)] {
        let row: Vec<f64> =
            answers[1]["logprobs"][row].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        assert!(row[first] > 0.5_f64.ln(), "{row:?} should prefer {first}");
    }
}

#[test]
fn killed_and_stopped_networks_end_with_the_same_bytes() {
    let toy = Toy::new();
    assert!(toy.train(&config(&toy, "whole")).status.success());
    let settings = config(&toy, "cut");
    let mut child = run_until(toy.command("train", &settings), "step", 6);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    let child = run_until(toy.command("train", &settings), "step", 20);
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    refused(&child.wait_with_output().unwrap(), 75, "STOPPED", &["run the same command again"]);
    let mut one_thread = settings;
    one_thread["threads"] = json!(1);
    let rest = lines(&toy.train(&one_thread));
    assert!(rest[0]["resumed_from"].as_u64().unwrap() >= 20);
    assert_eq!(model(&toy, "cut"), model(&toy, "whole"));
    assert_eq!(lines(&toy.train(&one_thread)), [rest.last().unwrap().clone()], "finished work was done again");
    one_thread["architecture"]["ffn"] = json!(72);
    toy.refuses(&one_thread, 2, "OTHER_RUN", &["architecture"]);
}

#[test]
fn what_is_no_network_is_refused_by_field() {
    let toy = Toy::new();
    let good = config(&toy, "out");
    let changes: [(&str, Value, &[&str]); 9] = [
        ("vocabulary", json!(0), &["architecture.vocabulary"]),
        ("hidden", json!(30), &["architecture.hidden", "multiple"]),
        ("kv_heads", json!(3), &["architecture.kv_heads"]),
        ("layers", json!(0), &["architecture.layers"]),
        ("ffn", json!(0), &["architecture.ffn"]),
        ("eps", json!(0), &["architecture.eps"]),
        ("init_std", json!(-1), &["architecture.init_std"]),
        ("kind", json!("mamba"), &["mamba"]),
        ("surplus", json!(1), &["surplus"]),
    ];
    for (field, value, words) in changes {
        let mut wrong = good.clone();
        wrong["architecture"][field] = value;
        toy.refuses(&wrong, 2, "CONFIG", words);
    }
    for (field, value, words) in [
        ("base", json!({ "path": toy.path("toy.gguf") }), ["`base` or `architecture`", "not both"]),
        ("lora", json!({ "r": 1, "alpha": 1, "targets": ["q_proj"] }), ["lora", "base"]),
        ("arithmetic", json!("bf16"), ["arithmetic", "base"]),
        ("arithmetic", json!("auto"), ["arithmetic", "base"]),
    ] {
        let mut wrong = good.clone();
        wrong[field] = value;
        toy.refuses(&wrong, 2, "CONFIG", &words);
    }
    let mut small = good;
    small["architecture"]["vocabulary"] = json!(10);
    toy.refuses(&small, 4, "DATA", &["row 0", "input_ids", "vocabulary of 10"]);
}

#[test]
fn a_decider_refuses_a_changed_network() {
    let toy = Toy::new();
    let mut settings = config(&toy, "out");
    settings["steps"] = json!(1);
    assert!(toy.train(&settings).status.success());
    let decider = json!({ "contract": 2, "backend": "candle", "model": toy.path("out/model"), "threads": 1 });
    for name in ["model.safetensors", "config.json", "tiresias.json"] {
        let path = toy.path("out/model").join(name);
        let good = read(&path);
        let mut bytes = good.clone();
        let at = bytes.len() - 3;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        refused(&decide(&toy, &decider, ""), 4, "ADAPTER", &[name]);
        std::fs::write(&path, good).unwrap();
    }
    let mut both = decider.clone();
    both["base"] = json!({ "path": toy.path("toy.gguf") });
    refused(&decide(&toy, &both, ""), 2, "CONFIG", &["base", "model"]);
    let mut rounded = decider.clone();
    rounded["arithmetic"] = json!("bf16");
    refused(&decide(&toy, &rounded, ""), 2, "CONFIG", &["arithmetic", "base"]);
    let mut adapter = decider;
    adapter["adapter"] = json!("anything");
    refused(&decide(&toy, &adapter, ""), 2, "CONFIG", &["adapter", "base"]);
}

/// As `config`, but with examples made as training goes on, of two specifications in turn.
fn streaming(toy: &Toy, output: &str) -> Value {
    let mut config = config(toy, output);
    let spec = |regime: &str, change: Value| {
        let mut spec = json!({
            "family": "energy", "split": "train", "seed": 4, "regime": regime, "horizon": 3, "support": { "trajectories": 1 },
            "solver": { "gap": 1.0 }, "tasks": 1,
        });
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        spec
    };
    let family = tiresias_model::family::family("energy").unwrap();
    let templates =
        ["mdp", "pomdp"].map(|regime| tiresias_study::default_template(family.as_ref(), regime.parse().unwrap()));
    let specs =
        [spec("mdp", json!({ "examplesPerTask": 3 })), spec("pomdp", json!({ "histories": { "episodes": 5 } }))];
    let fields = config.as_object_mut().unwrap();
    fields.remove("data");
    fields.insert("stream".into(), json!({ "specs": specs, "templates": templates }));
    config["architecture"]["vocabulary"] =
        json!(tiresias_encode::CompactTokenizer::new(&templates).unwrap().vocabulary_size());
    config["steps"] = json!(30);
    config["batch_size"] = json!(5);
    config
}

/// A family of one's own is known to the trainer by its path: a document's tasks go on without end, a folder's do not, and another document is refused.
#[test]
fn a_stream_draws_from_a_family_of_one_s_own() {
    let toy = Toy::new();
    let document = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/families/energy.json");
    let folder = toy.path("models/train");
    std::fs::create_dir_all(&folder).unwrap();
    let energy = tiresias_model::family::family("energy").unwrap();
    for index in 0..4 {
        let request = json!({ "split": "train", "index": index, "seed": 4, "regime": "mdp", "horizon": 3, "models": 3, "alpha": 1.0 });
        let model = energy.task(&serde_json::from_value(request).unwrap()).unwrap().model;
        std::fs::write(folder.join(format!("{index}.json")), model.to_json()).unwrap();
    }
    let of = |path: &std::path::Path, output: &str| {
        let name = tiresias_model::family::load(path).unwrap();
        let family = tiresias_model::family::family(&name).unwrap();
        let templates = [tiresias_study::default_template(family.as_ref(), "mdp".parse().unwrap())];
        let mut config = streaming(&toy, output);
        config["stream"]["family_path"] = json!(path);
        config["stream"]["templates"] = json!(templates);
        for spec in config["stream"]["specs"].as_array_mut().unwrap() {
            spec["family"] = json!(name);
            spec["regime"] = json!("mdp");
        }
        config["architecture"]["vocabulary"] =
            json!(tiresias_encode::CompactTokenizer::new(&templates).unwrap().vocabulary_size());
        config["steps"] = json!(3);
        config
    };
    let ends = |config: &Value| assert_eq!(lines(&toy.train(config)).last().unwrap()["event"], "done");
    ends(&of(&document, "document"));
    // The same document elsewhere: the training has come to its end, and is not another one.
    let elsewhere = toy.path("elsewhere.json");
    std::fs::copy(&document, &elsewhere).unwrap();
    ends(&of(&elsewhere, "document"));
    let mut other = of(&document, "other");
    std::fs::write(&elsewhere, std::fs::read_to_string(&document).unwrap().replace("0.95", "0.9")).unwrap();
    other["stream"]["family_path"] = json!(elsewhere);
    toy.refuses(&other, 2, "STREAM", &["has not read"]);
    // Fifteen examples of two specifications, of one of which an example takes a task: eight tasks of four.
    let mut folder = of(&toy.path("models"), "folder");
    toy.refuses(&folder, 2, "STREAM", &["8 tasks of train, which has 4 models", "examplesPerTask"]);
    folder["stream"]["specs"][1]["examplesPerTask"] = json!(2);
    ends(&folder);
}

/// The n-th example of a stream is the n-th of its specifications' shards in turn, whatever the batches.
#[test]
fn a_stream_s_examples_are_the_shards_in_turn() {
    let toy = Toy::new();
    let settings = streaming(&toy, "out");
    let config: tiresias_train::stream::StreamConfig = serde_json::from_value(settings["stream"].clone()).unwrap();
    let limits = tiresias_train::data::Limits { vocabulary: 100, context: 4096 };
    let stream = tiresias_train::stream::Stream::new(&config, None, limits).unwrap();
    let tokenizer = tiresias_encode::CompactTokenizer::new(config.templates.as_ref().unwrap()).unwrap();
    let whole: Vec<_> = config
        .specs
        .iter()
        .map(|spec| {
            let spec = tiresias_study::Spec::from_json(&spec.to_string()).unwrap();
            let generator = tiresias_study::Generator::new(&spec, &tokenizer, false).unwrap();
            generator.batch(0..20, &|_| std::ops::ControlFlow::Continue(())).unwrap()
        })
        .collect();
    for range in [0..1, 1..2, 0..7, 3..8, 9..10, 8..40, 5..5] {
        let examples = stream.examples(range.clone()).unwrap();
        assert_eq!(examples.len() as u64, range.end - range.start);
        for (n, example) in range.zip(&examples) {
            let (ids, labels) = whole[(n % 2) as usize].row((n / 2) as usize);
            assert_eq!(example.ids, ids, "example {n}");
            let known: Vec<_> = labels.iter().map(|&label| u32::try_from(label).ok()).collect();
            assert_eq!(example.labels, known, "example {n}");
            assert!(example.ids.len() <= stream.longest);
        }
    }
}

#[test]
fn a_killed_training_on_a_stream_ends_with_the_same_bytes() {
    let toy = Toy::new();
    let said = lines(&toy.train(&streaming(&toy, "whole")));
    assert_eq!(said[0]["examples"], json!(150), "{}", said[0]);
    let settings = streaming(&toy, "cut");
    let mut child = run_until(toy.command("train", &settings), "step", 8);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    let mut rest = settings;
    rest["threads"] = json!(1);
    assert!(lines(&toy.train(&rest))[0]["resumed_from"].as_u64().unwrap() >= 4);
    assert_eq!(model(&toy, "cut"), model(&toy, "whole"));
    rest["stream"]["specs"][0]["seed"] = json!(5);
    toy.refuses(&rest, 2, "OTHER_RUN", &["stream"]);
}

#[test]
fn what_is_no_stream_is_refused() {
    let toy = Toy::new();
    let change = |change: fn(&mut Value)| {
        let mut config = streaming(&toy, "out");
        change(&mut config);
        config
    };
    toy.refuses(&change(|c| c["stream"]["specs"] = json!([])), 2, "CONFIG", &["stream.specs"]);
    toy.refuses(&change(|c| c["data"] = json!([{ "path": "data.jsonl" }])), 2, "CONFIG", &["data", "stream"]);
    toy.refuses(&change(|c| c["stream"]["specs"][0]["family"] = json!("enrgy")), 2, "STREAM", &["enrgy"]);
    toy.refuses(
        &change(|c| drop(c["stream"].as_object_mut().unwrap().remove("templates"))),
        2,
        "STREAM",
        &["templates"],
    );
    toy.refuses(&change(|c| c["architecture"]["vocabulary"] = json!(5)), 2, "STREAM", &["vocabulary"]);
}
