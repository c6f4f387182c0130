//! A run that is stopped, however it is stopped, ends with the bytes of one that was not.

use std::process::Command;

use serde_json::{Value, json};
use tiresias_train::bf16::Kernel;

use crate::support::{Toy, lines, read, refused, run_until};

fn adapter(toy: &Toy, output: &str) -> [Vec<u8>; 3] {
    let file = |name: &str| read(toy.path(output).join("adapter").join(name));
    [file("adapter_model.safetensors"), file("adapter_config.json"), file("tiresias.json")]
}

/// Long enough that a signal sent after step 6 finds it at work.
fn long(toy: &Toy, output: &str) -> Value {
    let mut config = toy.config(output);
    config["steps"] = json!(150);
    config["checkpoint_every"] = json!(4);
    config
}

#[test]
fn killed_and_stopped_runs_end_with_the_same_bytes() {
    let toy = Toy::new();
    let whole = toy.train(&long(&toy, "whole"));
    assert!(whole.status.success());
    let expected = adapter(&toy, "whole");

    let config = long(&toy, "cut");
    let mut child = run_until(toy.command("train", &config), "step", 6);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    // A crash while writing leaves half a line, and half a checkpoint under a temporary name.
    let metrics = toy.path("cut/metrics.jsonl");
    std::fs::write(&metrics, [read(&metrics), b"{\"event\":\"st".to_vec()].concat()).unwrap();
    std::fs::create_dir_all(toy.path("cut/checkpoints/.step-999.tmp")).unwrap();

    let child = run_until(toy.command("train", &config), "step", 40);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    refused(&output, 75, "STOPPED", &["run the same command again"]);
    let checkpoint = lines(&output).into_iter().rev().nth(1).unwrap();
    assert_eq!(checkpoint["event"], "checkpoint");

    let rest = toy.train(&config);
    assert!(rest.status.success());
    assert_eq!(lines(&rest)[0]["resumed_from"], checkpoint["step"]);
    assert_eq!(lines(&rest)[1]["step"], checkpoint["step"].as_u64().unwrap() + 1);
    assert_eq!(adapter(&toy, "cut"), expected);

    // Losses agree step by step, and every line of the three runs is in the metrics, whole.
    let losses = |output: &str| {
        let text = String::from_utf8(read(toy.path(output).join("metrics.jsonl"))).unwrap();
        let steps = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()).filter(|l| l["event"] == "step");
        steps.map(|l| (l["step"].as_u64().unwrap(), l["loss"].to_string())).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(losses("cut"), losses("whole"));
    assert_eq!(losses("cut").len(), 150);
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let toy = Toy::new();
    assert!(toy.train(&toy.config("whole")).status.success());
    let config = toy.config("cut");
    assert!(toy.train(&config).status.success());
    for file in ["done.json", "adapter/adapter_model.safetensors"] {
        std::fs::remove_file(toy.path("cut").join(file)).unwrap();
    }
    let newest = toy.path("cut/checkpoints/step-12/optimizer.safetensors");
    let mut bytes = read(&newest);
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    let output = toy.train(&config);
    assert_eq!(lines(&output)[0]["resumed_from"], 8);
    assert!(String::from_utf8_lossy(&output.stderr).contains("damaged"));
    assert_eq!(adapter(&toy, "cut"), adapter(&toy, "whole"));
}

#[test]
fn finished_work_is_not_done_again_and_another_configuration_is_refused() {
    let toy = Toy::new();
    let config = toy.config("out");
    let first = lines(&toy.train(&config));
    let events: Vec<&str> = first.iter().map(|l| l["event"].as_str().unwrap()).collect();
    assert_eq!(first[0]["arithmetic"], "f32");
    assert_eq!(events.iter().filter(|e| **e == "step").count(), 12);
    assert_eq!(events.iter().filter(|e| **e == "checkpoint").count(), 3);
    assert_eq!((events[0], events[events.len() - 1]), ("start", "done"));
    let mut kept: Vec<_> =
        std::fs::read_dir(toy.path("out/checkpoints")).unwrap().map(|e| e.unwrap().file_name()).collect();
    kept.sort();
    assert_eq!(kept, ["step-12", "step-8"]);

    let again = toy.train(&config);
    assert_eq!((lines(&again), again.status.code()), (vec![first[first.len() - 1].clone()], Some(0)));
    for (field, value) in [("steps", json!(13)), ("seed", json!(6)), ("batch_size", json!(3))] {
        let mut other = config.clone();
        other[field] = value;
        toy.refuses(&other, 2, "OTHER_RUN", &[field, "output"]);
    }
    toy.write_rows("data.jsonl", &crate::support::examples(24, 2));
    toy.refuses(&config, 2, "OTHER_RUN", &["data"]);
}

fn losses(output: &std::process::Output) -> Vec<f64> {
    lines(output).iter().filter(|l| l["event"] == "step").filter_map(|l| l["loss"].as_f64()).collect()
}

/// bf16 says so wherever it matters, is reproducible like f32, and learns as well: each step's loss is within 2 % of f32's. Rounding
/// moves a loss by about 2⁻⁸ of itself, and the noise of what earlier steps learned adds to that.
#[test]
fn bf16_is_named_and_learns_as_f32_does() {
    let toy = Toy::new();
    let mut config = toy.config("bf16");
    config["arithmetic"] = json!("bf16");
    let output = toy.train(&config);
    assert!(output.status.success());
    let kernel = Kernel::best().name();
    let start = &lines(&output)[0];
    assert_eq!((&start["arithmetic"], &start["kernel"]), (&json!("bf16"), &json!(kernel)));
    let about: Value = serde_json::from_slice(&read(toy.path("bf16/adapter/tiresias.json"))).unwrap();
    assert_eq!(about["arithmetic"], json!({ "name": "bf16", "kernel": kernel }));
    let slow = String::from_utf8_lossy(&output.stderr).contains("f32 would be faster");
    assert_eq!(slow, Kernel::best() == Kernel::Portable);

    let reference = toy.train(&toy.config("f32"));
    assert_ne!(adapter(&toy, "bf16")[0], adapter(&toy, "f32")[0]);
    for (ours, theirs) in losses(&output).iter().zip(losses(&reference)) {
        assert!((ours / theirs - 1.0).abs() < 0.02, "{ours} and {theirs} in f32");
    }

    // Neither goes on where the other began.
    for (folder, arithmetic) in [("bf16", Some("f32")), ("bf16", None), ("f32", Some("bf16"))] {
        let mut other = toy.config(folder);
        if let Some(arithmetic) = arithmetic {
            other["arithmetic"] = json!(arithmetic);
        }
        toy.refuses(&other, 2, "OTHER_RUN", &["arithmetic"]);
    }
    let mut same = toy.config("f32");
    same["arithmetic"] = json!("f32");
    assert!(toy.train(&same).status.success(), "f32 is f32 whether it is named or not");

    config["output"] = json!(toy.path("again"));
    config["threads"] = json!(1);
    config["gradient_checkpointing"] = json!(false);
    assert!(toy.train(&config).status.success());
    assert_eq!(adapter(&toy, "again"), adapter(&toy, "bf16"));
}

/// Neither threads nor checkpoints nor recomputation change the adapter.
#[test]
fn what_should_not_matter_does_not() {
    let toy = Toy::new();
    assert!(toy.train(&toy.config("one")).status.success());
    let mut config = toy.config("two");
    config["threads"] = json!(1);
    config["checkpoint_every"] = json!(5);
    config["gradient_checkpointing"] = json!(false);
    let output = toy.train(&config);
    assert!(output.status.success());
    assert_eq!(adapter(&toy, "one"), adapter(&toy, "two"));
    // And it learns: labels are a function of the input at their own position, which is seen only as the next input's context.
    let losses: Vec<f64> = lines(&output).iter().filter_map(|l| l["loss"].as_f64()).collect();
    assert!(losses[losses.len() - 2] < 0.8 * losses[0], "{losses:?}");
}
