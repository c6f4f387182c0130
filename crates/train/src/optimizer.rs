//! `AdamW` (Loshchilov and Hutter 2019) with a learning-rate schedule and clipping by the global norm.

use crate::config::{OptimizerConfig, Schedule};
use crate::kernels::{dot, simd};

/// The optimiser's state: one first and one second moment a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    /// Running means of gradients.
    pub first: Vec<f32>,
    /// Running means of squared gradients.
    pub second: Vec<f32>,
}

impl AdamW {
    /// All zero.
    pub fn new(parameters: usize) -> Self {
        Self { first: vec![0.0; parameters], second: vec![0.0; parameters] }
    }

    /// Update number `step` (from 1) at learning rate `lr`, as `PyTorch`'s `AdamW` does it.
    pub fn update(
        &mut self,
        config: &OptimizerConfig,
        step: u64,
        lr: f64,
        gradient_scale: f32,
        gradient: &[f32],
        parameters: &mut [f32],
    ) {
        let correction = |beta: f64| 1.0 - beta.powf(step as f64);
        let (b1, b2) = (config.beta1 as f32, config.beta2 as f32);
        let step_size = (lr / correction(config.beta1)) as f32;
        let root_correction = (1.0 / correction(config.beta2).sqrt()) as f32;
        let (eps, keep) = (config.eps as f32, (1.0 - lr * config.weight_decay) as f32);
        let moments = self.first.iter_mut().zip(&mut self.second);
        simd(
            #[inline(always)]
            || {
                for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
                    let g = g * gradient_scale;
                    *m = b1.mul_add(*m, (1.0 - b1) * g);
                    *v = b2.mul_add(*v, (1.0 - b2) * g * g);
                    *p = *p * keep - step_size * *m / (v.sqrt() * root_correction + eps);
                }
            },
        );
    }
}

/// The Euclidean norm of a whole gradient.
pub fn norm(gradient: &[f32]) -> f64 {
    let squares = simd(
        #[inline(always)]
        || gradient.chunks(4096).map(|chunk| f64::from(dot(chunk, chunk))).sum::<f64>(),
    );
    squares.sqrt()
}

/// What a gradient of this norm is multiplied by.
pub fn clip(norm: f64, max_norm: f64) -> f32 {
    if max_norm > 0.0 && norm > max_norm { (max_norm / norm) as f32 } else { 1.0 }
}

/// The learning rate of step `step` (from 1) of `steps`.
pub fn learning_rate(config: &OptimizerConfig, step: u64, steps: u64) -> f64 {
    let warmup = config.warmup_steps;
    if step <= warmup {
        return config.lr * step as f64 / warmup as f64;
    }
    let progress = (step - warmup - 1) as f64 / (steps - warmup).max(1) as f64;
    config.lr
        * match config.schedule {
            Schedule::Constant => 1.0,
            Schedule::Linear => 1.0 - progress,
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        }
}
