//! Real base models, trained and deciding, against Hugging Face's implementation (`tests/data/reference.py`).

use serde::Deserialize;
use tiresias_train::base::{Base, Module};
use tiresias_train::decide::Decider;
use tiresias_train::gradient::{Example, Trainer};
use tiresias_train::lora::Lora;
use tiresias_train::qlora::Qlora;

use crate::support::{gemma3, smollm2};

#[derive(Deserialize)]
struct Reference {
    sequences: Vec<Sequence>,
}

#[derive(Deserialize)]
struct Sequence {
    ids: Vec<u32>,
    last_top_ids: Vec<u32>,
    last_top_logits: Vec<f32>,
    log_sum_exp: Vec<f32>,
    next_logprobs: Vec<f32>,
}

/// Both sides compute in f32 on the same de-quantised weights, in different orders: log-probabilities of about -1 to -30 out of
/// logits of about 30 agree to a few times 1e-5, and any mistake of layout, rope or norm is larger than 1e-1.
const TOLERANCE: f32 = 1e-3;

fn close(ours: f32, theirs: f32, what: &str) {
    assert!((ours - theirs).abs() < TOLERANCE, "{what}: {ours}, but the reference has {theirs}");
}

/// The trainer's and the decider's log-probabilities over every sequence of a reference.
fn matches(base: Base, reference: &str) {
    let reference: Reference = serde_json::from_str(reference).unwrap();

    // The trainer: the loss over all positions is minus the sum of the next tokens' log-probabilities.
    let lora = Lora::new(&base.shape, base.layers.len(), 16, 32.0, &Module::ALL);
    let longest = reference.sequences.iter().map(|sequence| sequence.ids.len()).max().unwrap();
    let trainer = Trainer::new(Qlora { base: &base, lora: &lora, bf16: None }, longest, true);
    let parameters = lora.initial(0);
    for sequence in &reference.sequences {
        let labels = sequence.ids.iter().map(|&id| Some(id)).collect();
        let example = Example { ids: sequence.ids.clone(), labels };
        let loss = trainer.loss_and_gradient(&parameters, &[&example], &mut Vec::new());
        let mean = sequence.next_logprobs.iter().sum::<f32>() / sequence.next_logprobs.len() as f32;
        assert_eq!(loss.labels as usize, sequence.next_logprobs.len());
        close((loss.sum / loss.labels as f64) as f32, -mean, "mean loss");
    }

    // The decider: whole contexts, and the shorter sequences again token by token.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let mut decider = Decider::new(base, None, None, pool);
    for sequence in &reference.sequences {
        let total = *sequence.log_sum_exp.last().unwrap();
        let (_, rows) = decider.open(std::slice::from_ref(&sequence.ids), &sequence.last_top_ids).unwrap();
        for (row, logit) in rows[0].iter().zip(&sequence.last_top_logits) {
            close(*row, logit - total, "last position");
        }
        if sequence.ids.len() > 50 {
            continue;
        }
        let (session, mut rows) = decider.open(&[sequence.ids[..1].to_vec()], &sequence.ids).unwrap();
        for (i, next) in sequence.ids.iter().enumerate().skip(1) {
            close(rows[0][i], sequence.next_logprobs[i - 1], "token by token");
            rows = decider.extend(&session, &[vec![*next]]).unwrap();
        }
    }
}

/// One test, because reading and de-quantising the model is most of its time.
#[test]
fn logits_match_the_reference() {
    let base = Base::load(&smollm2(), None).unwrap();
    assert_eq!((base.parameters, base.layers.len(), base.quantization.as_str()), (134_515_008, 30, "Q4_1"));
    assert_eq!((base.shape.vocabulary, base.shape.context, base.shape.hidden), (49_152, 8192, 576));
    assert_eq!(base.sha256, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53");
    assert_eq!(Lora::new(&base.shape, 30, 16, 32.0, &Module::ALL).parameters(), 4_884_480);
    matches(base, include_str!("../data/reference.json"));
}

/// One of its sequences is longer than the sliding window.
#[test]
#[ignore = "reads a file of 253 MB that TIRESIAS_GEMMA3 must name"]
fn gemma_3_matches_the_reference() {
    let base = Base::load(&gemma3(), None).unwrap();
    assert_eq!((base.parameters, base.layers.len(), base.quantization.as_str()), (268_098_176, 18, "Q5_0"));
    assert_eq!((base.shape.vocabulary, base.shape.context, base.shape.hidden), (262_144, 32_768, 640));
    assert_eq!(base.shape.layers, [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0]);
    assert_eq!(base.sha256, "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818");
    matches(base, include_str!("../data/gemma3.json"));
}
