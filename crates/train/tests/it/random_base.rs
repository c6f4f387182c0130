//! The same architecture with random weights: what is random, what stays, and that adapters know which base was theirs.

use std::process::Stdio;

use serde_json::json;
use tiresias_train::base::{Base, Module};
use tiresias_train::quantized::Quantized;

use crate::support::{Toy, lines, refused};

fn dense(matrix: &Quantized) -> Vec<f32> {
    let mut out = Vec::new();
    matrix.dequantize_into(&mut out);
    out
}

fn moments(values: &[f32]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    (mean, (values.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n).sqrt())
}

#[test]
fn every_matrix_keeps_its_spread_and_format_and_nothing_else() {
    let toy = Toy::new();
    let load = |seed| Base::load_with(&toy.path("toy.gguf"), None, seed).unwrap();
    let (own, random, again, other) = (load(None), load(Some(1)), load(Some(1)), load(Some(2)));
    let matrices = |base: &Base| -> Vec<(Vec<f32>, candle_core::quantized::GgmlDType)> {
        let linear = base.layers.iter().flat_map(|l| &l.linear);
        linear.chain([&base.embedding]).chain(&base.untied_head).map(|m| (dense(m), m.dtype())).collect()
    };
    let (own_m, random_m, again_m, other_m) = (matrices(&own), matrices(&random), matrices(&again), matrices(&other));
    assert_eq!(own_m.len(), 3 * Module::ALL.len() + 2);
    assert_eq!(random_m, again_m, "a seed means one base");
    for (i, ((own, format), (random, random_format))) in own_m.iter().zip(&random_m).enumerate() {
        assert_eq!(format, random_format);
        let ((mean, spread), (_, wanted)) = (moments(random), moments(own));
        let n = own.len() as f64;
        // Five standard errors, and a per cent for four-bit rounding.
        assert!(mean.abs() < (5.0 / n.sqrt() + 0.01) * wanted, "matrix {i}: mean {mean}");
        assert!((spread / wanted - 1.0).abs() < 5.0 / (2.0 * n).sqrt() + 0.01, "matrix {i}: {spread}, not {wanted}");
        let product: f64 = own.iter().zip(random).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        assert!(
            (product / (n * wanted * spread)).abs() < 5.0 / n.sqrt(),
            "matrix {i} is not independent of the file's"
        );
        assert_ne!(random, &other_m[i].0, "matrix {i} does not depend on the seed");
        assert!(random_m[..i].iter().all(|(earlier, _)| earlier != random), "matrix {i} repeats another");
    }
    // Norms: one number each, of the file's size.
    let norms = |base: &Base| {
        base.layers.iter().map(|l| l.attn_norm.clone()).chain([base.final_norm.clone()]).collect::<Vec<_>>()
    };
    for (own, random) in norms(&own).iter().zip(norms(&random)) {
        assert!(random.iter().all(|x| *x == random[0]));
        let squares = |values: &[f32]| values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        assert!((squares(own) / squares(&random) - 1.0).abs() < 1e-5);
    }
    assert_eq!(own.sha256, random.sha256);
}

#[test]
fn an_adapter_is_refused_on_a_base_with_other_weights() {
    let toy = Toy::new();
    let mut config = toy.config("out");
    config["base"]["random_weights"] = json!(7);
    config["steps"] = json!(12);
    let said = lines(&toy.train(&config));
    let losses: Vec<f64> = said.iter().filter(|l| l["event"] == "step").map(|l| l["loss"].as_f64().unwrap()).collect();
    assert!(losses[11] < losses[0], "adapters over random weights learn too: {losses:?}");
    let decide = |random: serde_json::Value| {
        let mut base = json!({ "path": toy.path("toy.gguf") });
        if !random.is_null() {
            base["random_weights"] = random;
        }
        let adapter = toy.path("out/adapter");
        let config = json!({ "contract": 2, "backend": "candle", "base": base, "adapter": adapter, "threads": 1 });
        toy.command("decide", &config).stdin(Stdio::null()).output().unwrap()
    };
    assert_eq!(lines(&decide(json!(7)))[0]["event"], "ready");
    refused(&decide(json!(8)), 4, "ADAPTER", &["random weights 7", "random weights 8", "base.random_weights"]);
    refused(&decide(json!(null)), 4, "ADAPTER", &["random weights 7", "its own weights"]);
    // Another seed is another run.
    config["base"]["random_weights"] = json!(8);
    toy.refuses(&config, 2, "OTHER_RUN", &["base"]);
}
