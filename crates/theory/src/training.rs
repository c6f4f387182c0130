//! Training the layer on prompts that are drawn as it goes.

use std::ops::ControlFlow;

use rayon::prelude::*;
use tiresias_model::random::Key;

use crate::attention::{Layer, Scratch, dot};
use crate::closed_form::ClosedForm;
use crate::normals::Normals;
use crate::prompt::Prompt;
use crate::{Cancelled, Hook, Progress};

/// How a layer is trained.
#[derive(Debug, Clone)]
pub struct Training {
    /// Steps of gradient descent.
    pub steps: usize,
    /// Fresh prompts a step.
    pub batch: usize,
    /// Of the first step; it falls linearly to 0.
    pub learning_rate: f64,
}

/// Prompts of a batch are added up in so many at a time, in this order whatever the threads.
const CHUNK: usize = 16;

/// Trains a layer on prompts of `length` pairs with `x ~ N(0, Λ)`, `y = xᵀ w`, `w ~ N(0, I)`, one w a prompt, from the theory's
/// initialisation. Steps are Adam's (Kingma & Ba, ICLR 2015): the curvature differs a thousandfold between the layer's numbers.
pub fn train(closed: &ClosedForm, length: usize, how: &Training, key: Key, hook: &Hook) -> Result<Layer, Cancelled> {
    let mut layer = initial(closed, key);
    let mut adam = Adam::new(layer.size());
    for step in 0..how.steps {
        let go_on = || match hook(Progress { done: step, total: how.steps, phase: "train" }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Cancelled),
        };
        let prompts =
            Prompts { lambda: closed.lambda(), length, key, first: (step * how.batch) as u64, batch: how.batch };
        let gradient = prompts.gradient(&layer, &go_on)?;
        adam.step(&mut layer, &gradient, how.learning_rate * (1.0 - step as f64 / how.steps as f64));
    }
    Ok(layer)
}

/// Theorem 4.1's: `W^PV` reads labels by σ, `W^KQ` is `σ Θ Θᵀ` with `‖Θ Θᵀ‖_F = 1`, Θ random, and σ² is half of what the theorem allows.
fn initial(closed: &ClosedForm, key: Key) -> Layer {
    let d = closed.lambda().len();
    let mut normals = Normals::new(key, u64::MAX);
    let theta: Vec<f64> = (0..d * d).map(|_| normals.draw()).collect();
    let row = |i: usize| &theta[i * d..][..d];
    let square: Vec<f64> = (0..d * d).map(|at| dot(row(at / d), row(at % d))).collect();
    let norm = dot(&square, &square).sqrt();
    let largest = closed.gamma().iter().copied().fold(0.0, f64::max);
    let sigma = (1.0 / (largest * (d as f64).sqrt())).sqrt();
    let mut layer = Layer::zero(d);
    layer.value[d] = sigma;
    layer.key_query[..d * d].iter_mut().zip(square).for_each(|(k, s)| *k = sigma * s / norm);
    layer
}

/// The prompts of a step.
struct Prompts<'a> {
    lambda: &'a [f64],
    length: usize,
    key: Key,
    /// The number of the first, over the whole training.
    first: u64,
    batch: usize,
}

impl Prompts<'_> {
    /// The gradient of their mean loss.
    fn gradient(&self, layer: &Layer, go_on: &(dyn Fn() -> Result<(), Cancelled> + Sync)) -> Result<Layer, Cancelled> {
        let chunks = (0..self.batch.div_ceil(CHUNK)).into_par_iter();
        let sums = chunks.map(|chunk| self.sum(chunk, layer, go_on)).collect::<Result<Vec<_>, _>>()?;
        let mut mean = Layer::zero(layer.dimension());
        for sum in &sums {
            mean.numbers_mut().zip(sum.numbers()).for_each(|(mean, sum)| *mean += sum / self.batch as f64);
        }
        Ok(mean)
    }

    fn sum(&self, chunk: usize, layer: &Layer, go_on: &dyn Fn() -> Result<(), Cancelled>) -> Result<Layer, Cancelled> {
        let d = self.lambda.len();
        let deviations: Vec<f64> = self.lambda.iter().map(|l| l.sqrt()).collect();
        let ones = vec![1.0; d];
        let (mut sum, mut prompt, mut scratch) = (Layer::zero(d), Prompt::new(d), Scratch::new(d));
        let (mut w, mut x) = (vec![0.0; d], vec![0.0; d]);
        for i in chunk * CHUNK..self.batch.min((chunk + 1) * CHUNK) {
            go_on()?;
            let mut normals = Normals::new(self.key, self.first + i as u64);
            normals.fill(&ones, &mut w);
            prompt.clear();
            for _ in 0..self.length {
                normals.fill(&deviations, &mut x);
                prompt.add(&x, dot(&w, &x), 1);
            }
            normals.fill(&deviations, &mut x);
            layer.descend(&prompt, &x, dot(&w, &x), &mut sum, &mut scratch);
        }
        Ok(sum)
    }
}

struct Adam {
    first: Vec<f64>,
    second: Vec<f64>,
    /// The powers of the two rates of forgetting.
    powers: (f64, f64),
}

impl Adam {
    const BETAS: (f64, f64) = (0.9, 0.999);

    fn new(size: usize) -> Self {
        Self { first: vec![0.0; size], second: vec![0.0; size], powers: (1.0, 1.0) }
    }

    fn step(&mut self, layer: &mut Layer, gradient: &Layer, rate: f64) {
        let (b1, b2) = Self::BETAS;
        self.powers = (self.powers.0 * b1, self.powers.1 * b2);
        let (c1, c2) = (1.0 - self.powers.0, 1.0 - self.powers.1);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((number, g), (first, second)) in layer.numbers_mut().zip(gradient.numbers()).zip(moments) {
            *first = b1 * *first + (1.0 - b1) * g;
            *second = b2 * *second + (1.0 - b2) * g * g;
            *number -= rate * (*first / c1) / ((*second / c2).sqrt() + 1e-12);
        }
    }
}
