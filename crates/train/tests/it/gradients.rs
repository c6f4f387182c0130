//! Gradients against finite differences, and what they must not depend on.

use tiresias_train::base::{Base, Module};
use tiresias_train::gradient::{Example, Trainer};
use tiresias_train::lora::Lora;
use tiresias_train::qlora::Qlora;

use crate::support::{CONTEXT, Toy, assert_close, examples, random_parameters};

const RANK: usize = 4;

fn loss(trainer: &Trainer<Qlora>, parameters: &[f32], batch: &[&Example]) -> (f64, Vec<f32>) {
    let mut gradient = Vec::new();
    let loss = trainer.loss_and_gradient(parameters, batch, &mut gradient);
    (loss.sum / loss.labels as f64, gradient)
}

fn setting(base: &Base, targets: &[Module]) -> (Lora, Vec<f32>) {
    let lora = Lora::new(&base.shape, base.layers.len(), RANK, 8.0, targets);
    let parameters = random_parameters(lora.parameters(), 3, 0.2);
    (lora, parameters)
}

/// Along the gradient's own direction within every A and every B of every layer and module, the loss changes as it says.
#[test]
fn every_adapter_matrix_matches_finite_differences() {
    let base = Toy::new().base();
    let (lora, parameters) = setting(&base, &Module::ALL);
    let examples = examples(5, 2);
    let batch: Vec<&Example> = examples.iter().collect();
    let trainer = Trainer::new(Qlora { base: &base, lora: &lora, bf16: None }, CONTEXT, false);
    let (_, gradient) = loss(&trainer, &parameters, &batch);
    for pair in lora.pairs() {
        for (which, at) in [("A", &pair.a), ("B", &pair.b)] {
            let norm = gradient[at.clone()].iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            assert!(norm > 1e-4, "layer {} {:?} {which} has no gradient", pair.layer, pair.module);
            let moved = |by: f64| {
                let mut moved = parameters.clone();
                for i in at.clone() {
                    moved[i] += (by * f64::from(gradient[i]) / norm) as f32;
                }
                loss(&trainer, &moved, &batch).0
            };
            // A five-point stencil: its error is of the order h⁴, so h can be large enough for f32 losses.
            let h = 0.02;
            let slope = (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h);
            let error = (slope / norm - 1.0).abs();
            assert!(error < 5e-3, "layer {} {:?} {which}: slope {slope}, gradient {norm}", pair.layer, pair.module);
        }
    }
}

#[test]
fn checkpointing_changes_no_bit() {
    let base = Toy::new().base();
    let (lora, parameters) = setting(&base, &Module::ALL);
    let examples = examples(9, 4);
    let batch: Vec<&Example> = examples.iter().collect();
    let kept = loss(&Trainer::new(Qlora { base: &base, lora: &lora, bf16: None }, CONTEXT, false), &parameters, &batch);
    let again = loss(&Trainer::new(Qlora { base: &base, lora: &lora, bf16: None }, CONTEXT, true), &parameters, &batch);
    assert_eq!(kept, again);
}

/// Micro-batches and threads: one thread and three give the same bits, also when a trainer's buffers are used again.
#[test]
fn threads_change_no_bit() {
    let base = Toy::new().base();
    let (lora, parameters) = setting(&base, &Module::ALL);
    let examples = examples(40, 5);
    let batch: Vec<&Example> = examples.iter().collect();
    let with = |threads: usize, rounds: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let trainer = Trainer::new(Qlora { base: &base, lora: &lora, bf16: None }, CONTEXT, false);
        let run = || (0..rounds).map(|_| loss(&trainer, &parameters, &batch)).last().unwrap();
        pool.install(run)
    };
    assert_eq!(with(1, 1), with(3, 2));
}

/// A packed batch is the mean over its labels: sequences do not see each other.
#[test]
fn a_batch_is_the_sum_of_its_examples() {
    let base = Toy::new().base();
    let (lora, parameters) = setting(&base, &Module::ALL);
    let trainer = Trainer::new(Qlora { base: &base, lora: &lora, bf16: None }, CONTEXT, false);
    let examples = examples(6, 6);
    let batch: Vec<&Example> = examples.iter().collect();
    let (together, gradient) = loss(&trainer, &parameters, &batch);
    let labels = |e: &Example| e.targets().count() as f64;
    let total: f64 = examples.iter().map(labels).sum();
    let (mut apart, mut sum) = (0.0, vec![0f32; gradient.len()]);
    for example in &examples {
        let (part, g) = loss(&trainer, &parameters, &[example]);
        let weight = labels(example) / total;
        apart += part * weight;
        sum.iter_mut().zip(&g).for_each(|(sum, g)| *sum += g * weight as f32);
    }
    assert!((together - apart).abs() < 1e-5, "{together} and {apart}");
    assert_close(&gradient, &sum, 1e-4);
}

/// Modules that are not adapted pass gradients on and take none.
#[test]
fn a_subset_of_targets_gets_the_same_gradients() {
    let base = Toy::new().base();
    let (all, mut parameters) = setting(&base, &Module::ALL);
    let targets = [Module::QProj, Module::VProj, Module::DownProj];
    let (some, _) = setting(&base, &targets);
    // Where B is zero an adapter changes nothing, so both models are the same.
    all.pairs().iter().filter(|p| !targets.contains(&p.module)).for_each(|p| parameters[p.b.clone()].fill(0.0));
    let shared = |p: &tiresias_train::lora::Pair| {
        let from = all.pair(p.layer, p.module).unwrap();
        [(p.a.clone(), from.a.clone()), (p.b.clone(), from.b.clone())]
    };
    let mut fewer = vec![0.0; some.parameters()];
    for (to, from) in some.pairs().iter().flat_map(shared) {
        fewer[to].copy_from_slice(&parameters[from]);
    }
    let examples = examples(5, 7);
    let batch: Vec<&Example> = examples.iter().collect();
    let (loss_all, gradient_all) =
        loss(&Trainer::new(Qlora { base: &base, lora: &all, bf16: None }, CONTEXT, false), &parameters, &batch);
    let (loss_some, gradient_some) =
        loss(&Trainer::new(Qlora { base: &base, lora: &some, bf16: None }, CONTEXT, false), &fewer, &batch);
    assert!((loss_all - loss_some).abs() < 1e-6);
    for (to, from) in some.pairs().iter().flat_map(shared) {
        assert_close(&gradient_some[to], &gradient_all[from], 1e-5);
    }
}
