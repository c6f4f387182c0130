//! Low-rank adapters (Hu et al. 2021): where each pair A, B lies in one flat vector of trainable parameters.
//!
//! A flat vector makes the optimiser, clipping, summing and saving loops over a slice. Gradients and moments share its layout.

use std::ops::Range;

use crate::base::{Module, Shape};
use crate::bf16::{self, Again, Kernel, Left, Right};
use crate::kernels::{View, ViewMut, Write, matmul, scale};
use crate::operand::Rows;
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

/// Rows that are turned at once: of 1,536 numbers they stay in the second-level cache.
const ROWS: usize = 128;

/// Buffers of the adapters' gradients.
#[derive(Default)]
pub struct LowRank {
    /// Rows of `r` numbers.
    thin: Vec<f32>,
    /// The gradient at B, turned.
    db: Vec<f32>,
    left: Left,
    right: Right,
}

/// The two sides of the product B·A in bf16.
#[derive(Default)]
pub struct Delta {
    split: Vec<f32>,
    b: Left,
    a: Right,
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

    /// `weight += scale · B·A`.
    ///
    /// Adding the product to the weight, which is made dense for the matrix product anyhow, costs `r / rows` of that product;
    /// `x·Aᵀ·Bᵀ` beside it would cost several per cent in thin, slow products. The derivatives are the same.
    pub fn merge(&self, pair: &Pair, parameters: &[f32], weight: &mut [f32]) {
        let a = View::new(&parameters[pair.a.clone()], self.r, pair.inputs);
        let b = View::new(&parameters[pair.b.clone()], pair.outputs, self.r);
        matmul(ViewMut::new(weight, pair.outputs, pair.inputs), Write::Add, self.scale, b, a, 1);
    }

    /// Lays out the product for `merge_in_bf16`.
    ///
    /// In f32 the product B·A would take as long as the weight's own one does in bf16. Every number goes in as the sum of two bf16 numbers,
    /// of whose four products the three largest are taken: 16 bits are right, of which the merged weight keeps 8.
    pub fn begin_merge(&self, pair: &Pair, parameters: &[f32], delta: &mut Delta) {
        let (r, Delta { split, b: left, a: right }) = (self.r, delta);
        // A's matrix is split as one row, so that its numbers of each kind stand together.
        split.resize(3 * r * pair.inputs, 0.0);
        bf16::split(&parameters[pair.a.clone()], r * pair.inputs, 1.0, Again::Next, split);
        right.pack(View::new(split, 3 * r, pair.inputs));
        split.resize(pair.outputs * 3 * r, 0.0);
        bf16::split(&parameters[pair.b.clone()], r, self.scale, Again::Last, split);
        left.pack(View::new(split, pair.outputs, 3 * r));
    }

    /// `merge` for a part of the weight by a bf16 kernel, after `begin_merge`. Rows and columns begin at a block.
    pub fn merge_in_bf16(kernel: Kernel, delta: &Delta, rows: Range<usize>, columns: Range<usize>, weight: &mut [f32]) {
        let dst = ViewMut::new(weight, rows.len(), columns.len());
        bf16::product(kernel, dst, Write::Add, delta.b.part(rows), delta.a.columns(columns), 1);
    }

    /// Adds the gradients at A and B of `y = x·(W + scale·B·A)ᵀ`, given `x` (`n × inputs`) and the gradient at `y`
    /// (`n × outputs`): `dA += scale·(dy·B)ᵀ·x`, `dB += scale·dyᵀ·(x·Aᵀ)`.
    pub fn backward(
        &self,
        pair: &Pair,
        parameters: &[f32],
        x: Rows,
        dy: Rows,
        gradients: &mut [f32],
        scratch: &mut LowRank,
    ) {
        let r = self.r;
        let a = View::new(&parameters[pair.a.clone()], r, pair.inputs);
        let b = View::new(&parameters[pair.b.clone()], pair.outputs, r);
        let LowRank { thin, db, left, right } = scratch;
        match (x, dy) {
            (Rows::Dense(x), Rows::Dense(dy)) => {
                let n = x.len() / pair.inputs;
                let (x, dy) = (View::new(x, n, pair.inputs), View::new(dy, n, pair.outputs));
                thin.resize(n * r, 0.0);
                matmul(ViewMut::new(thin, n, r), Write::Set, self.scale, dy, b, 1);
                let da = ViewMut::new(&mut gradients[pair.a.clone()], r, pair.inputs);
                matmul(da, Write::Add, 1.0, View::new(thin, n, r).t(), x, 1);
                matmul(ViewMut::new(thin, n, r), Write::Set, self.scale, x, a.t(), 1);
                let db = ViewMut::new(&mut gradients[pair.b.clone()], pair.outputs, r);
                matmul(db, Write::Add, 1.0, dy.t(), View::new(thin, n, r), 1);
            }
            (Rows::Bf16(kernel, x), Rows::Bf16(_, dy)) => {
                let n = x.rows();
                // B's gradient comes turned, because `dy` is a right operand there.
                db.clear();
                db.resize(r * pair.outputs, 0.0);
                for (over, factor, by, length, sum) in
                    [(dy, b, x, pair.inputs, &mut gradients[pair.a.clone()]), (x, a.t(), dy, pair.outputs, &mut db[..])]
                {
                    thin.resize(n * r, 0.0);
                    right.pack(factor);
                    bf16::product(kernel, ViewMut::new(thin, n, r), Write::Set, over, &*right, 1);
                    scale(self.scale, thin);
                    for start in (0..n).step_by(ROWS) {
                        let rows = start..(start + ROWS).min(n);
                        left.pack(View::new(&thin[start * r..rows.end * r], rows.len(), r).t());
                        right.turn(by.part(rows));
                        bf16::product(kernel, ViewMut::new(sum, r, length), Write::Add, &*left, &*right, 1);
                    }
                }
                for (i, row) in gradients[pair.b.clone()].chunks_exact_mut(r).enumerate() {
                    row.iter_mut().enumerate().for_each(|(k, sum)| *sum += db[k * pair.outputs + i]);
                }
            }
            _ => unreachable!("both sides of a map are of one arithmetic"),
        }
    }
}
