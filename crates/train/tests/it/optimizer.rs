//! The optimiser against `PyTorch`'s numbers, and the learning rate's course.

use serde::Deserialize;
use tiresias_train::config::{OptimizerConfig, Schedule};
use tiresias_train::optimizer::{AdamW, clip, learning_rate, norm};

use crate::support::assert_close;

fn config(schedule: Schedule) -> OptimizerConfig {
    OptimizerConfig {
        lr: 0.02,
        schedule,
        warmup_steps: 4,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-8,
        weight_decay: 0.1,
        max_grad_norm: 1.0,
    }
}

#[test]
fn updates_match_pytorch() {
    #[derive(Deserialize)]
    struct Reference {
        start: Vec<f32>,
        gradients: Vec<Vec<f32>>,
        norms: Vec<f64>,
        after: Vec<Vec<f32>>,
    }
    let reference: Reference = serde_json::from_str(include_str!("../data/optimizer.json")).unwrap();
    let config = config(Schedule::Constant);
    let mut parameters = reference.start.clone();
    let mut optimizer = AdamW::new(parameters.len());
    for (step, gradient) in (1..).zip(&reference.gradients) {
        let norm = norm(gradient);
        assert!((norm / reference.norms[step as usize - 1] - 1.0).abs() < 1e-6);
        let scale = clip(norm, config.max_grad_norm);
        optimizer.update(&config, step, config.lr, scale, gradient, &mut parameters);
        assert_close(&parameters, &reference.after[step as usize - 1], 2e-6);
    }
}

#[test]
fn small_gradients_are_not_clipped_and_zero_turns_clipping_off() {
    assert_eq!(clip(0.5, 1.0), 1.0);
    assert_eq!(clip(4.0, 1.0), 0.25);
    assert_eq!(clip(4.0, 0.0), 1.0);
}

#[test]
fn the_learning_rate_warms_up_and_falls() {
    let rates = |schedule| (1..=12).map(|step| learning_rate(&config(schedule), step, 12)).collect::<Vec<_>>();
    for schedule in [Schedule::Constant, Schedule::Linear, Schedule::Cosine] {
        let rates = rates(schedule);
        for (rate, warm) in rates[..5].iter().zip([0.005, 0.01, 0.015, 0.02, 0.02]) {
            assert!((rate - warm).abs() < 1e-12, "{schedule:?}: {rates:?}");
        }
        assert!(rates.iter().all(|&r| r > 0.0));
    }
    assert!(rates(Schedule::Constant)[4..].iter().all(|&r| r == 0.02));
    let linear = rates(Schedule::Linear);
    assert!((linear[8] - 0.01).abs() < 1e-12 && (linear[11] - 0.0025).abs() < 1e-12);
    let cosine = rates(Schedule::Cosine);
    assert!((cosine[8] - 0.01).abs() < 1e-12 && cosine[11] < linear[11] && cosine[5] > linear[5]);
}

/// A warm-up as long as the run, or longer, is a straight climb.
#[test]
fn a_long_warmup_never_divides_by_zero() {
    let mut config = config(Schedule::Cosine);
    config.warmup_steps = 20;
    assert!((learning_rate(&config, 10, 10) - 0.01).abs() < 1e-12);
    config.warmup_steps = 0;
    assert_eq!(learning_rate(&config, 1, 1), 0.02);
}
