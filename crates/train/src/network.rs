//! A Llama from nothing: every weight is a parameter of training, the head is the embeddings.
//!
//! It computes by the same passes as an adapted base; only where a gradient goes is another matter.

use std::ops::Range;

use serde_json::{Value, json};

use crate::attention::Heads;
use crate::base::{Base, Layer, Module, Shape, Span, frequencies};
use crate::bf16::Side;
use crate::config::LlamaConfig;
use crate::error::Result;
use crate::gradient::{Example, Model, Trainer};
use crate::head::Loss;
use crate::kernels::{Activation, View, ViewMut, Write, matmul};
use crate::layer::{Extra, Linear, Norm, Trained, Weight, Weights};
use crate::layout::{Layout, Tensor};
use crate::learner::Learner;
use crate::lora::LowRank;
use crate::operand::Rows;
use crate::quantized::{Matrix, Quantized};
use crate::rng::Rng;
use crate::{model_folder, work};

/// Tensors of one layer: its linear maps, then its two norms.
const LAYER: usize = Module::ALL.len() + 2;

/// A Llama's shape and the layout of its parameters in one flat vector.
#[derive(Clone, Debug)]
pub struct Network {
    /// What it was made from.
    pub config: LlamaConfig,
    shape: Shape,
    /// The embeddings, then [`LAYER`] tensors a layer, then the last norm.
    layout: Layout,
}

impl Network {
    /// Lays out the parameters. The configuration has been checked.
    pub fn new(config: &LlamaConfig) -> Self {
        let dim = config.hidden / config.heads;
        let shape = Shape {
            vocabulary: config.vocabulary,
            context: config.context,
            hidden: config.hidden,
            ffn: config.ffn,
            heads: Heads::new(config.heads, config.kv_heads, dim),
            eps: config.eps as f32,
            activation: Activation::Silu,
            embedding_scale: 1.0,
            spans: vec![Span { window: None, frequencies: frequencies(config.rope_theta, dim) }],
            layers: vec![0; config.layers],
        };
        let mut layout = Layout::default();
        layout.add("model.embed_tokens.weight".into(), vec![config.vocabulary, config.hidden]);
        for layer in 0..config.layers {
            for module in Module::ALL {
                let (outputs, inputs) = shape.of(module);
                layout.add(format!("model.layers.{layer}.{}.weight", module.path()), vec![outputs, inputs]);
            }
            layout.add(format!("model.layers.{layer}.input_layernorm.weight"), vec![config.hidden]);
            layout.add(format!("model.layers.{layer}.post_attention_layernorm.weight"), vec![config.hidden]);
        }
        layout.add("model.norm.weight".into(), vec![config.hidden]);
        Self { config: config.clone(), shape, layout }
    }

    /// Where its tensors lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn tensors(&self) -> &[Tensor] {
        self.layout.tensors()
    }

    /// Hugging Face's initial values: matrices with a standard deviation of `init_std`, norms at one.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut parameters = vec![1.0; self.layout.parameters()];
        for (i, tensor) in self.tensors().iter().enumerate().filter(|(_, t)| t.dims.len() == 2) {
            let mut rng = Rng::new(&[seed, 4, i as u64]);
            let spread = self.config.init_std as f32;
            parameters[tensor.at.clone()].iter_mut().for_each(|x| *x = rng.bell() * spread);
        }
        parameters
    }

    fn linear(&self, layer: usize, module: Module) -> Range<usize> {
        self.tensors()[1 + layer * LAYER + module as usize].at.clone()
    }

    fn norm(&self, norm: Norm) -> Range<usize> {
        let at = match norm {
            Norm::Attention(layer) => (layer + 1) * LAYER - 1,
            Norm::FeedForward(layer) => (layer + 1) * LAYER,
            Norm::Final => self.tensors().len() - 1,
        };
        self.tensors()[at].at.clone()
    }

    /// The network at some parameters as a base that decides.
    pub fn base(&self, parameters: &[f32], sha256: String) -> Base {
        let dense = |at: Range<usize>, (rows, cols)| Quantized::from_f32(&parameters[at], rows, cols);
        let layer = |layer| Layer {
            attn_norm: parameters[self.norm(Norm::Attention(layer))].to_vec(),
            ffn_norm: parameters[self.norm(Norm::FeedForward(layer))].to_vec(),
            linear: Module::ALL.map(|module| dense(self.linear(layer, module), self.shape.of(module))),
            extra: Extra::NONE,
        };
        Base {
            shape: self.shape.clone(),
            embedding: dense(self.tensors()[0].at.clone(), (self.shape.vocabulary, self.shape.hidden)),
            untied_head: None,
            final_norm: parameters[self.norm(Norm::Final)].to_vec(),
            layers: (0..self.config.layers).map(layer).collect(),
            sha256,
            random_weights: None,
            name: "llama".into(),
            quantization: "F32".into(),
            parameters: self.layout.parameters(),
        }
    }
}

/// A network at some parameters.
pub struct Dense<'a> {
    network: &'a Network,
    parameters: &'a [f32],
}

impl Weights for Dense<'_> {
    fn shape(&self) -> &Shape {
        &self.network.shape
    }

    fn linear<'a>(&'a self, layer: usize, module: Module, _: Side, _: Range<usize>, _: &'a mut Weight) -> Linear<'a> {
        Linear::Dense(&self.parameters[self.network.linear(layer, module)])
    }

    fn norm(&self, norm: Norm) -> &[f32] {
        &self.parameters[self.network.norm(norm)]
    }
}

impl Trained for Dense<'_> {
    const EMBEDDING: bool = true;

    /// `dW += dyᵀ·x`.
    fn add_linear(&self, layer: usize, module: Module, x: Rows, dy: Rows, gradients: &mut [f32], _: &mut LowRank) {
        let (Rows::Dense(x), Rows::Dense(dy)) = (x, dy) else { unreachable!("a network is computed in f32") };
        let (outputs, inputs) = self.network.shape.of(module);
        let n = x.len() / inputs;
        let (x, dy) = (View::new(x, n, inputs), View::new(dy, n, outputs));
        let dst = ViewMut::new(&mut gradients[self.network.linear(layer, module)], outputs, inputs);
        matmul(dst, Write::Add, 1.0, dy.t(), x, 1);
    }

    fn norm_part<'g>(&self, norm: Norm, gradients: &'g mut [f32]) -> Option<&'g mut [f32]> {
        Some(&mut gradients[self.network.norm(norm)])
    }
}

impl Model for Network {
    type Weights<'p> = Dense<'p>;

    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn at<'p>(&'p self, parameters: &'p [f32]) -> Dense<'p> {
        Dense { network: self, parameters }
    }

    fn layers(&self) -> usize {
        self.config.layers
    }

    fn embedding<'p>(&'p self, parameters: &'p [f32]) -> Matrix<'p> {
        Matrix::Dense(&parameters[self.tensors()[0].at.clone()], self.shape.hidden)
    }

    fn head<'p>(&'p self, parameters: &'p [f32]) -> Matrix<'p> {
        self.embedding(parameters)
    }

    fn embedding_part<'g>(&self, gradients: &'g mut [f32]) -> Option<&'g mut [f32]> {
        Some(&mut gradients[self.tensors()[0].at.clone()])
    }
}

impl Learner for Trainer<Network> {
    fn weights(&self) -> usize {
        self.model().layout.parameters()
    }

    fn parameters(&self) -> usize {
        self.model().layout.parameters()
    }

    fn initial(&self, seed: u64) -> Vec<f32> {
        self.model().initial(seed)
    }

    fn loss_and_gradient(&self, parameters: &[f32], examples: &[&Example], gradient: &mut Vec<f32>) -> Loss {
        Trainer::loss_and_gradient(self, parameters, examples, gradient)
    }

    fn necessary_flops(&self, examples: &[&Example]) -> f64 {
        work::flops_of_all(self.model().shape(), self.model().config.layers, examples)
    }

    fn folder(&self) -> &'static str {
        model_folder::FOLDER
    }

    fn files(&self, parameters: &[f32]) -> Result<Vec<(&'static str, Vec<u8>)>> {
        model_folder::files(self.model(), parameters)
    }

    fn tensors(&self) -> &'static str {
        model_folder::MODEL
    }

    fn parse(&self, bytes: &[u8]) -> std::result::Result<Vec<f32>, String> {
        self.model().layout.parse(bytes)
    }

    fn origin(&self) -> (&'static str, Value) {
        ("architecture", json!(crate::config::Architecture::Llama(self.model().config.clone())))
    }

    fn identity(&self) -> Option<(&'static str, Value)> {
        None
    }
}
