//! Low-rank adapters (Hu et al. 2021): where each pair A, B lies in one flat vector of trainable parameters.
//!
//! A flat vector makes the optimiser, clipping, summing and saving loops over a slice. Gradients and moments share its layout.

use std::ops::Range;

use crate::base::{Module, Shape};
use crate::bf16::Multiplier;
use crate::kernels::{View, ViewMut, Write, matmul};
use crate::rng::Rng;

/// One adapted linear map: `W + scale · B·A`, with A `r × inputs` and B `outputs × r`.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The layer's index.
    pub layer: usize,
    /// Which of its linear maps.
    pub module: Module,
    /// Number of outputs.
    pub outputs: usize,
    /// Number of inputs.
    pub inputs: usize,
    /// Where A lies.
    pub a: Range<usize>,
    /// Where B lies.
    pub b: Range<usize>,
}

/// Buffers of the adapters' gradients.
#[derive(Default)]
pub struct LowRank {
    /// Rows of `r` numbers.
    thin: Vec<f32>,
    /// What the products are computed by.
    pub multiplier: Multiplier,
}

/// The layout of all pairs.
#[derive(Clone, Debug)]
pub struct Lora {
    /// Rank.
    pub r: usize,
    /// `alpha / r`.
    pub scale: f32,
    /// Adapted modules, in order.
    pub targets: Vec<Module>,
    pairs: Vec<Pair>,
}

impl Lora {
    /// Lays out one pair for each layer and target.
    pub fn new(shape: &Shape, layers: usize, r: usize, alpha: f64, targets: &[Module]) -> Self {
        let mut targets = targets.to_vec();
        targets.sort_unstable();
        targets.dedup();
        let (mut pairs, mut end) = (Vec::new(), 0);
        let mut next = |length: usize| {
            end += length;
            end - length..end
        };
        for layer in 0..layers {
            for &module in &targets {
                let (outputs, inputs) = shape.of(module);
                pairs.push(Pair { layer, module, outputs, inputs, a: next(r * inputs), b: next(outputs * r) });
            }
        }
        Self { r, scale: (alpha / r as f64) as f32, targets, pairs }
    }

    /// All pairs, by layer and then by module.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Number of trainable parameters.
    pub fn parameters(&self) -> usize {
        self.pairs.last().map_or(0, |p| p.b.end)
    }

    /// The pair of a module, if it is adapted.
    pub fn pair(&self, layer: usize, module: Module) -> Option<&Pair> {
        let at = self.targets.iter().position(|&t| t == module)?;
        self.pairs.get(layer * self.targets.len() + at)
    }

    /// PEFT's initial values: A Kaiming-uniform with a = √5, that is, uniform within ±1/√inputs; B zero.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut parameters = vec![0.0; self.parameters()];
        for pair in &self.pairs {
            let mut rng = Rng::new(&[seed, 1, pair.layer as u64, pair.module as u64]);
            let bound = 1.0 / (pair.inputs as f32).sqrt();
            parameters[pair.a.clone()].iter_mut().for_each(|x| *x = rng.uniform(bound));
        }
        parameters
    }

    /// `weight += scale · B·A`, for some rows of the weight.
    ///
    /// Adding the product to the weight, which is made dense for the matrix product anyhow, costs `r / rows` of that product;
    /// `x·Aᵀ·Bᵀ` beside it would cost several per cent in thin, slow products. The derivatives are the same.
    pub fn merge(&self, pair: &Pair, parameters: &[f32], rows: Range<usize>, weight: &mut [f32]) {
        let a = View::new(&parameters[pair.a.clone()], self.r, pair.inputs);
        let b = &parameters[pair.b.clone()][rows.start * self.r..rows.end * self.r];
        let dst = ViewMut::new(weight, rows.len(), pair.inputs);
        matmul(dst, Write::Add, self.scale, View::new(b, rows.len(), self.r), a, 1);
    }

    /// Adds the gradients at A and B of `y = x·(W + scale·B·A)ᵀ`, given `x` (`n × inputs`) and the gradient at `y`
    /// (`n × outputs`): `dA += scale·(dy·B)ᵀ·x`, `dB += scale·dyᵀ·(x·Aᵀ)`.
    pub fn backward(
        &self,
        pair: &Pair,
        parameters: &[f32],
        x: &[f32],
        dy: &[f32],
        gradients: &mut [f32],
        scratch: &mut LowRank,
    ) {
        let (n, r) = (x.len() / pair.inputs, self.r);
        let a = View::new(&parameters[pair.a.clone()], r, pair.inputs);
        let b = View::new(&parameters[pair.b.clone()], pair.outputs, r);
        let (x, dy) = (View::new(x, n, pair.inputs), View::new(dy, n, pair.outputs));
        let LowRank { thin, multiplier } = scratch;
        thin.resize(n * r, 0.0);
        multiplier.matmul(ViewMut::new(thin, n, r), Write::Set, self.scale, dy, b);
        let da = ViewMut::new(&mut gradients[pair.a.clone()], r, pair.inputs);
        multiplier.matmul(da, Write::Add, 1.0, View::new(thin, n, r).t(), x);
        multiplier.matmul(ViewMut::new(thin, n, r), Write::Set, self.scale, x, a.t());
        let db = ViewMut::new(&mut gradients[pair.b.clone()], pair.outputs, r);
        multiplier.matmul(db, Write::Add, 1.0, dy.t(), View::new(thin, n, r));
    }
}
