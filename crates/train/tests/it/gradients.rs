//! Gradients against finite differences, and what they must not depend on.

use tiresias_train::base::{Base, Module};
use tiresias_train::bf16::Kernel;
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

/// f32, and bf16 by every kernel that this machine has.
fn arithmetics() -> impl Iterator<Item = Option<Kernel>> {
    let kernels = Kernel::ALL.into_iter().filter(|kernel| kernel.is_available());
    std::iter::once(None).chain(kernels.map(Some))
}

#[test]
fn checkpointing_changes_no_bit() {
    let base = Toy::new().base();
    let (lora, parameters) = setting(&base, &Module::ALL);
    let examples = examples(9, 4);
    let batch: Vec<&Example> = examples.iter().collect();
    for bf16 in arithmetics() {
        let with = |checkpointing| {
            let trainer = Trainer::new(Qlora { base: &base, lora: &lora, bf16 }, CONTEXT, checkpointing);
            loss(&trainer, &parameters, &batch)
        };
        assert_eq!(with(false), with(true), "{bf16:?}");
    }
}

/// Rounding operands to 8 bits moves a product by up to 2⁻⁸ of itself, at random. Over three layers that is a few per cent of a gradient's
/// length, and a wrong layout would be all of it; among themselves kernels differ in the order of f32 sums alone.
#[test]
fn gradients_in_bf16_are_those_in_f32_but_for_rounding() {
    let base = Toy::new().base();
    let (lora, parameters) = setting(&base, &Module::ALL);
    let examples = examples(9, 4);
    let batch: Vec<&Example> = examples.iter().collect();
    let at = |bf16| loss(&Trainer::new(Qlora { base: &base, lora: &lora, bf16 }, CONTEXT, true), &parameters, &batch);
    let apart = |a: &[f32], b: &[f32]| {
        let length = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        length(&mut a.iter().zip(b).map(|(a, b)| a - b)) / length(&mut b.iter().copied())
    };
    let (reference, portable) = (at(None), at(Some(Kernel::Portable)));
    assert_ne!(reference.1, portable.1, "nothing was rounded");
    for bf16 in arithmetics().flatten() {
        let (loss, gradient) = at(Some(bf16));
        assert!((loss / reference.0 - 1.0).abs() < 5e-3, "{bf16}: loss {loss}, in f32 {}", reference.0);
        assert!(apart(&gradient, &reference.1) < 5e-2, "{bf16} and f32: {}", apart(&gradient, &reference.1));
        assert!(apart(&gradient, &portable.1) < 1e-2, "{bf16} and portable: {}", apart(&gradient, &portable.1));
    }
}

/// Micro-batches and threads: one thread and three give the same bits, also when a trainer's buffers are used again.
#[test]
fn threads_change_no_bit() {
    let base = Toy::new().base();
    let (lora, parameters) = setting(&base, &Module::ALL);
    let examples = examples(40, 5);
    let batch: Vec<&Example> = examples.iter().collect();
    for bf16 in arithmetics() {
        let with = |threads: usize, rounds: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let trainer = Trainer::new(Qlora { base: &base, lora: &lora, bf16 }, CONTEXT, false);
            let run = || (0..rounds).map(|_| loss(&trainer, &parameters, &batch)).last().unwrap();
            pool.install(run)
        };
        assert_eq!(with(1, 1), with(3, 2), "{bf16:?}");
    }
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
