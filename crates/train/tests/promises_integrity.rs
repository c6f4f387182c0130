//! A flipped bit anywhere in what a training reads back is refused by the file's name, or what it spoils is done again to the same
//! bytes; it is never learned from, resumed or reported.

#[allow(dead_code)]
#[path = "it/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tiresias_train::files;
use tiresias_train::rng::Rng;

use support::{Toy, lines, read, refused};

fn cases(short: usize) -> usize {
    if std::env::var("TIRESIAS_PROMISES").is_ok_and(|v| v == "full") { short * 20 } else { short }
}

/// All files in a folder and below.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(tree(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn flip(path: &Path, rng: &mut Rng) -> String {
    let mut bytes = read(path);
    let (at, bit) = (rng.below(bytes.len()), rng.below(8));
    bytes[at] ^= 1 << bit;
    std::fs::write(path, bytes).unwrap();
    format!("bit {bit} of byte {at} of {}", path.display())
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    for path in tree(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(path, target).unwrap();
    }
}

/// What a training says that does not depend on the machine: its adapter, its curve, and its last word.
#[derive(Debug, PartialEq)]
struct Said {
    adapter: Vec<(String, String)>,
    curve: BTreeMap<u64, [String; 4]>,
    done: [String; 3],
}

fn said(output: &Path, last: &Value) -> Said {
    let adapter = tree(&output.join("adapter"))
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), files::sha256(&read(path))));
    let text = String::from_utf8(read(output.join("metrics.jsonl"))).unwrap();
    // As the client reads it: the later line of a step counts.
    let steps =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|line| line["event"] == "step");
    Said {
        adapter: adapter.collect(),
        curve: steps
            .map(|l| (l["step"].as_u64().unwrap(), ["loss", "accuracy", "lr", "tokens"].map(|key| l[key].to_string())))
            .collect(),
        done: ["step", "loss", "tokens"].map(|key| last[key].to_string()),
    }
}

#[test]
fn a_flipped_bit_in_a_training_s_folder_is_refused_or_redone() {
    let toy = Toy::new();
    let (config, output) = (toy.config("out"), toy.path("out"));
    let first = lines(&toy.train(&config)).pop().unwrap();
    let expected = said(&output, &first);
    copy(&output, &toy.path("kept"));
    let mut rng = Rng::new(&[11]);
    let all = tree(&output);
    for case in 0..cases(10) {
        copy(&toy.path("kept"), &output);
        // Half of them as if it had been killed before its end, so that checkpoints and metrics are what counts.
        if case % 2 == 1 {
            std::fs::remove_file(output.join("done.json")).unwrap();
            std::fs::remove_dir_all(output.join("adapter")).unwrap();
        }
        let path = &all[rng.below(all.len())];
        if !path.exists() {
            continue;
        }
        let what = flip(path, &mut rng);
        let again = toy.train(&config);
        let last = lines(&again).pop().unwrap();
        if again.status.success() {
            assert_eq!(said(&output, &last), expected, "{what}");
        } else {
            refused(&again, 2, "OTHER_RUN", &[output.to_str().unwrap()]);
            assert!(path.ends_with("run.json"), "{what}");
        }
    }
}

#[test]
fn a_flipped_bit_in_a_file_of_examples_is_refused() {
    let toy = Toy::new();
    let mut config = toy.config("out");
    let path = toy.path("data.jsonl");
    let good = read(&path);
    let hash = files::sha256(&good);
    config["data"][0]["sha256"] = json!(hash.to_uppercase());
    let mut rng = Rng::new(&[12]);
    for _ in 0..cases(6) {
        flip(&path, &mut rng);
        toy.refuses(&config, 4, "DATA", &["data.jsonl", &hash.to_uppercase()]);
        assert!(!toy.path("out").exists(), "something was begun");
        std::fs::write(&path, &good).unwrap();
    }
    assert!(toy.train(&config).status.success());
    config["data"][0]["sha256"] = json!("abc");
    toy.refuses(&config, 2, "CONFIG", &["data.sha256", "abc"]);
}

#[test]
fn a_decider_refuses_a_changed_adapter_and_one_of_another_base() {
    let toy = Toy::new();
    assert!(toy.train(&toy.config("out")).status.success());
    let adapter = toy.path("out/adapter");
    let config = json!({ "contract": 2, "backend": "candle", "base": { "path": toy.path("toy.gguf") }, "adapter": adapter, "threads": 1 });
    // The input has ended when it starts, so that a decider that is content ends well.
    let decide = |config: &Value| toy.command("decide", config).stdin(std::process::Stdio::null()).output().unwrap();
    assert!(decide(&config).status.success());
    let mut rng = Rng::new(&[13]);
    let files = tree(&adapter);
    assert_eq!(files.len(), 3);
    for case in 0..cases(9) {
        let path = &files[case % 3];
        let good = read(path);
        let what = flip(path, &mut rng);
        let refusal = decide(&config);
        refused(&refusal, 4, "ADAPTER", &[path.file_name().unwrap().to_str().unwrap()]);
        assert_eq!(lines(&refusal).len(), 1, "{what}");
        std::fs::write(path, good).unwrap();
    }
    // Of the same shape, so that nothing but its hash tells it from the one that was meant.
    let mut other = read(toy.path("toy.gguf"));
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(toy.path("other.gguf"), other).unwrap();
    let mut of_other = config.clone();
    of_other["base"]["path"] = json!(toy.path("other.gguf"));
    refused(&decide(&of_other), 4, "ADAPTER", &["base model", "SHA-256"]);
    // An adapter of another program says nothing of its base.
    std::fs::remove_file(adapter.join("tiresias.json")).unwrap();
    assert!(decide(&of_other).status.success());
}
