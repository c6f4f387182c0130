//! The adapter folder is PEFT's: its names, its shapes, its settings; and nothing else passes for one.

use std::collections::BTreeMap;

use proptest::prelude::*;
use safetensors::SafeTensors;
use tiresias_train::base::Module;
use tiresias_train::lora::Lora;
use tiresias_train::peft;

use crate::support::{Toy, random_parameters};

fn write(toy: &Toy, contents: &[(&str, Vec<u8>)]) -> std::path::PathBuf {
    let folder = toy.path("adapter");
    std::fs::create_dir_all(&folder).unwrap();
    contents.iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).unwrap());
    folder
}

/// Keys and shapes by PEFT's rule (`base_model.model.` + the module's path in `LlamaForCausalLM` + `.lora_A.weight`), written out
/// here from Hugging Face's module tree rather than taken from the crate.
#[test]
fn keys_and_shapes_are_peft_s() {
    let base = Toy::new().base();
    let lora = Lora::new(&base.shape, base.layers.len(), 4, 8.0, &Module::ALL);
    let files = peft::files(&lora, 8.0, &lora.initial(1), "toy.gguf").unwrap();
    let bytes = &files.iter().find(|(name, _)| *name == "adapter_model.safetensors").unwrap().1;
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let found: BTreeMap<String, Vec<usize>> =
        tensors.tensors().into_iter().map(|(name, view)| (name, view.shape().to_vec())).collect();
    let mut expected = BTreeMap::new();
    for layer in 0..3 {
        for (module, outputs, inputs) in [
            ("self_attn.q_proj", 64, 64),
            ("self_attn.k_proj", 32, 64),
            ("self_attn.v_proj", 32, 64),
            ("self_attn.o_proj", 64, 64),
            ("mlp.gate_proj", 96, 64),
            ("mlp.up_proj", 96, 64),
            ("mlp.down_proj", 64, 96),
        ] {
            let name = format!("base_model.model.model.layers.{layer}.{module}");
            expected.insert(format!("{name}.lora_A.weight"), vec![4, inputs]);
            expected.insert(format!("{name}.lora_B.weight"), vec![outputs, 4]);
        }
    }
    assert_eq!(found, expected);
    let config: serde_json::Value = serde_json::from_slice(&files[0].1).unwrap();
    for (field, value) in [
        ("peft_type", serde_json::json!("LORA")),
        ("task_type", serde_json::json!("CAUSAL_LM")),
        ("r", serde_json::json!(4)),
        ("lora_alpha", serde_json::json!(8)),
        ("lora_dropout", serde_json::json!(0.0)),
        ("bias", serde_json::json!("none")),
        ("base_model_name_or_path", serde_json::json!("toy.gguf")),
    ] {
        assert_eq!(config[field], value, "{field}");
    }
}

/// A starts Kaiming-uniform and B at zero, so the first forward pass is the base's; another seed gives another A.
#[test]
fn initial_values_are_peft_s() {
    let base = Toy::new().base();
    let lora = Lora::new(&base.shape, base.layers.len(), 8, 8.0, &Module::ALL);
    let (one, again, other) = (lora.initial(1), lora.initial(1), lora.initial(2));
    assert_eq!(one, again);
    for pair in lora.pairs() {
        let bound = 1.0 / (pair.inputs as f32).sqrt();
        let a = &one[pair.a.clone()];
        assert!(a.iter().all(|x| x.abs() <= bound) && a.iter().any(|x| x.abs() > 0.9 * bound));
        let variance = a.iter().map(|x| x * x).sum::<f32>() / a.len() as f32;
        assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 0.2, "{variance}");
        assert!(one[pair.b.clone()].iter().all(|&x| x == 0.0));
        assert_ne!(a, &other[pair.a.clone()]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn folders_round_trip(r in 1usize..9, alpha in 1u32..40, picked in proptest::sample::subsequence(Module::ALL.to_vec(), 1..8)) {
        let toy = Toy::new();
        let base = toy.base();
        let alpha = f64::from(alpha) / 2.0;
        let lora = Lora::new(&base.shape, base.layers.len(), r, alpha, &picked);
        let parameters = random_parameters(lora.parameters(), 1, 1.0);
        let folder = write(&toy, &peft::files(&lora, alpha, &parameters, "toy").unwrap());
        let (loaded, values) = peft::load(&folder, &base).unwrap();
        prop_assert_eq!((loaded.r, loaded.scale, loaded.targets), (lora.r, lora.scale, lora.targets));
        prop_assert_eq!(values, parameters);
    }
}

/// An adapter whose names or shapes are not exactly the settings' is refused, never half applied.
#[test]
fn other_tensors_and_settings_are_refused() {
    let toy = Toy::new();
    let base = toy.base();
    let lora = |targets: &[Module], r| Lora::new(&base.shape, base.layers.len(), r, 8.0, targets);
    let files = |lora: &Lora| peft::files(lora, 8.0, &lora.initial(0), "toy").unwrap();
    let good = files(&lora(&Module::ALL, 4));
    let load = |config: Vec<u8>, model: Vec<u8>| {
        let folder = write(&toy, &[(peft::CONFIG, config), (peft::MODEL, model)]);
        peft::load(&folder, &base).map(|_| ()).unwrap_err().to_string()
    };
    let (config, model) = (good[0].1.clone(), good[1].1.clone());
    let fewer = files(&lora(&Module::ALL[..6], 4))[1].1.clone();
    assert!(load(config.clone(), fewer.clone()).contains("has no tensor"));
    assert!(load(files(&lora(&Module::ALL[..6], 4))[0].1.clone(), model.clone()).contains("does not call for"));
    assert!(load(config.clone(), files(&lora(&Module::ALL, 2))[1].1.clone()).contains("must be"));
    assert!(load(config.clone(), model[..model.len() - 5].to_vec()).contains("not readable"));
    assert!(load(config.clone(), b"nonsense".to_vec()).contains("not readable"));
    for (field, value) in [
        ("peft_type", serde_json::json!("IA3")),
        ("bias", serde_json::json!("all")),
        ("use_dora", serde_json::json!(true)),
        ("modules_to_save", serde_json::json!(["lm_head"])),
        ("rank_pattern", serde_json::json!({ "q_proj": 8 })),
        ("target_modules", serde_json::json!(["lm_head"])),
    ] {
        let mut changed: serde_json::Value = serde_json::from_slice(&config).unwrap();
        changed[field] = value;
        let message = load(changed.to_string().into_bytes(), model.clone());
        assert!(message.contains(field) || message.contains("lm_head"), "{field}: {message}");
    }
}
