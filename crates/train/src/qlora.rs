//! `QLoRA`: low-rank adapters in training over a frozen, quantised base.

use std::ops::Range;

use serde_json::{Value, json};

use crate::base::{Base, Module, Shape};
use crate::bf16::{Kernel, Side};
use crate::error::Result;
use crate::gradient::{Example, Model, Trainer};
use crate::head::Loss;
use crate::layer::{Extra, Linear, Norm, Trained, Weight, Weights};
use crate::learner::Learner;
use crate::lora::{Lora, LowRank};
use crate::operand::Rows;
use crate::quantized::Matrix;
use crate::{peft, work};

/// A quantised base with low-rank adapters: made dense for each use and dropped after it.
pub struct Adapted<'a> {
    /// The frozen base.
    pub base: &'a Base,
    /// The adapters' layout.
    pub lora: &'a Lora,
    /// The adapters' parameters.
    pub parameters: &'a [f32],
    /// What multiplies with the frozen maps in bf16; without it they are multiplied with in f32.
    pub bf16: Option<Kernel>,
}

impl Weights for Adapted<'_> {
    fn shape(&self) -> &Shape {
        &self.base.shape
    }

    fn begin(&self, layer: usize, module: Module, scratch: &mut Weight) {
        if let (Some(_), Some(pair)) = (self.bf16, self.lora.pair(layer, module)) {
            self.lora.begin_merge(pair, self.parameters, &mut scratch.delta);
        }
    }

    fn linear<'a>(
        &'a self,
        layer: usize,
        module: Module,
        side: Side,
        columns: Range<usize>,
        scratch: &'a mut Weight,
    ) -> Linear<'a> {
        let frozen = &self.base.layers[layer].linear[module as usize];
        let pair = self.lora.pair(layer, module);
        let Weight { dense, bf16, delta } = scratch;
        if let Some(kernel) = self.bf16 {
            let (rows, columns) = match side {
                Side::Inputs => (columns, 0..frozen.cols()),
                Side::Outputs => (0..frozen.rows(), columns),
            };
            bf16.pack_weight(side, (rows.len(), columns.len()), dense, |taken, out| {
                let rows = rows.start + taken.start..rows.start + taken.end;
                frozen.dequantize_part(rows.clone(), columns.clone(), out);
                if pair.is_some() {
                    Lora::merge_in_bf16(kernel, delta, rows, columns.clone(), out);
                }
            });
            return Linear::Bf16((&*bf16).into());
        }
        frozen.dequantize_into(dense);
        if let Some(pair) = pair {
            self.lora.merge(pair, self.parameters, dense);
        }
        Linear::Dense(dense)
    }

    fn bf16(&self) -> Option<Kernel> {
        self.bf16
    }

    fn norm(&self, norm: Norm) -> &[f32] {
        self.base.norm(norm)
    }

    fn extra(&self, layer: usize) -> &Extra {
        &self.base.layers[layer].extra
    }
}

impl Trained for Adapted<'_> {
    const EMBEDDING: bool = false;

    fn add_linear(
        &self,
        layer: usize,
        module: Module,
        x: Rows,
        dy: Rows,
        gradients: &mut [f32],
        scratch: &mut LowRank,
    ) {
        if let Some(pair) = self.lora.pair(layer, module) {
            self.lora.backward(pair, self.parameters, x, dy, gradients, scratch);
        }
    }

    fn norm_part<'g>(&self, _: Norm, _: &'g mut [f32]) -> Option<&'g mut [f32]> {
        None
    }
}

/// A base and the layout of its adapters.
#[derive(Clone, Copy)]
pub struct Qlora<'a> {
    /// The frozen base.
    pub base: &'a Base,
    /// The adapters' layout.
    pub lora: &'a Lora,
    /// What multiplies with the frozen maps in bf16; without it they are multiplied with in f32.
    pub bf16: Option<Kernel>,
}

impl Model for Qlora<'_> {
    type Weights<'p>
        = Adapted<'p>
    where
        Self: 'p;

    fn shape(&self) -> &Shape {
        &self.base.shape
    }

    fn at<'p>(&'p self, parameters: &'p [f32]) -> Adapted<'p> {
        Adapted { base: self.base, lora: self.lora, parameters, bf16: self.bf16 }
    }

    fn layers(&self) -> usize {
        self.base.layers.len()
    }

    fn embedding<'p>(&'p self, _: &'p [f32]) -> Matrix<'p> {
        Matrix::Quantized(&self.base.embedding)
    }

    fn head<'p>(&'p self, _: &'p [f32]) -> Matrix<'p> {
        self.base.head()
    }

    fn embedding_part<'g>(&self, _: &'g mut [f32]) -> Option<&'g mut [f32]> {
        None
    }
}

/// Adapters in training.
pub struct Adapters<'a> {
    /// The gradient.
    pub trainer: Trainer<Qlora<'a>>,
    /// The numerator of the adapters' scale.
    pub alpha: f64,
    /// What PEFT is told about the base: the model file's name, which means the same on every machine.
    pub base_name: String,
}

impl Learner for Adapters<'_> {
    fn weights(&self) -> usize {
        self.trainer.model().base.parameters
    }

    fn parameters(&self) -> usize {
        self.trainer.model().lora.parameters()
    }

    fn initial(&self, seed: u64) -> Vec<f32> {
        self.trainer.model().lora.initial(seed)
    }

    fn loss_and_gradient(&self, parameters: &[f32], examples: &[&Example], gradient: &mut Vec<f32>) -> Loss {
        self.trainer.loss_and_gradient(parameters, examples, gradient)
    }

    fn kernel(&self) -> Option<Kernel> {
        self.trainer.model().bf16
    }

    fn necessary_flops(&self, examples: &[&Example]) -> f64 {
        let Qlora { base, lora, .. } = self.trainer.model();
        work::necessary_flops(&base.shape, base.layers.len(), lora, examples)
    }

    fn folder(&self) -> &'static str {
        "adapter"
    }

    fn files(&self, parameters: &[f32]) -> Result<Vec<(&'static str, Vec<u8>)>> {
        peft::files(self.trainer.model().lora, self.alpha, parameters, &self.base_name)
    }

    fn tensors(&self) -> &'static str {
        peft::MODEL
    }

    fn parse(&self, bytes: &[u8]) -> std::result::Result<Vec<f32>, String> {
        peft::parse(self.trainer.model().lora, bytes)
    }

    fn origin(&self) -> (&'static str, Value) {
        let base = self.trainer.model().base;
        let mut origin = identity(base);
        origin["file"] = json!(self.base_name);
        origin["name"] = json!(base.name);
        origin["quantization"] = json!(base.quantization);
        origin["parameters"] = json!(base.parameters);
        ("base", origin)
    }

    fn identity(&self) -> Option<(&'static str, Value)> {
        Some(("base", identity(self.trainer.model().base)))
    }
}

/// What tells one base from another: the file's hash, and the seed of what replaced its weights.
pub fn identity(base: &Base) -> Value {
    let mut identity = json!({ "sha256": base.sha256 });
    if let Some(seed) = base.random_weights {
        identity["random_weights"] = json!(seed);
    }
    identity
}
