//! One decoder layer over packed rows, forward and backward, derived by hand: a Llama's, and what its relatives add to it.
//!
//! Rows of several sequences lie one after another without padding; only rotary positions and attention know where one ends.
//! What is trained, adapters or every weight, is the business of [`Trained`]: backward multiplies by the weights, hands each
//! one's input and output gradient over, and passes on.

use std::ops::Range;

use crate::attention::{self, Heads};
use crate::base::{Module, Shape};
use crate::bf16::{self, Kernel, Left, Right, Side};
use crate::kernels::{
    Rope, View, ViewMut, Write, add_to_rows, gated, gated_backward, matmul, rms_norm, rms_norm_again,
    rms_norm_backward, rms_norm_weight_gradient,
};
use crate::lora::{Delta, LowRank};

/// A model's weights as the passes read them.
pub trait Weights: Sync {
    /// The numbers that fix its shape.
    fn shape(&self) -> &Shape;

    /// The weight of one linear map as a product by this side reads it, possibly built in `scratch`.
    fn linear<'a>(&'a self, layer: usize, module: Module, side: Side, scratch: &'a mut Weight) -> Linear<'a>;

    /// What multiplies in bf16 whatever a pass does beside the linear maps: attention, and the gradients of what is trained.
    fn bf16(&self) -> Option<Kernel> {
        None
    }

    /// The weight of one norm.
    fn norm(&self, norm: Norm) -> &[f32];

    /// What a layer has that a Llama's has not.
    fn extra(&self, _layer: usize) -> &Extra {
        &Extra::NONE
    }
}

/// What some families add to a Llama's layer. None of it is ever trained.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Biases of the linear maps, indexed by `Module as usize`.
    pub biases: [Option<Vec<f32>>; 7],
    /// The norm of each head's queries, before rope.
    pub q_norm: Option<Vec<f32>>,
    /// The norm of each head's keys, before rope.
    pub k_norm: Option<Vec<f32>>,
    /// The norm of what attention adds to the residual stream.
    pub attn_out_norm: Option<Vec<f32>>,
    /// The norm of what the feed-forward block adds to the residual stream.
    pub ffn_out_norm: Option<Vec<f32>>,
}

impl Extra {
    /// Nothing, as in a Llama.
    pub const NONE: Self =
        Self { biases: [const { None }; 7], q_norm: None, k_norm: None, attn_out_norm: None, ffn_out_norm: None };
}

/// The weight of a linear map, `outputs × inputs`.
pub enum Linear<'a> {
    /// Row-major, for products in f32.
    Dense(&'a [f32]),
    /// Laid out for products in bf16 by this kernel.
    Bf16(Kernel, &'a Right),
}

/// Where a weight is built.
#[derive(Default)]
pub struct Weight {
    /// Dense, or as much of it as is dense at a time.
    pub dense: Vec<f32>,
    /// Rounded and laid out.
    pub bf16: Right,
    /// What an adapter adds.
    pub delta: Delta,
}

/// Buffers of products with weights.
#[derive(Default)]
pub struct Products {
    weight: Weight,
    /// What a weight is multiplied with, rounded and laid out.
    left: Left,
}

/// Weights in training: where their gradients go. All gradients are added to one flat vector.
pub trait Trained: Weights {
    /// Whether anything below the lowest layer wants that layer's input gradient.
    const EMBEDDING: bool;

    /// The gradient at one linear map, from its input `x` (`n × inputs`) and the gradient `dy` at its output (`n × outputs`).
    fn add_linear(
        &self,
        layer: usize,
        module: Module,
        x: &[f32],
        dy: &[f32],
        gradients: &mut [f32],
        scratch: &mut LowRank,
    );

    /// The part of the gradient that holds a norm's weight, if that is trained.
    fn norm_part<'g>(&self, norm: Norm, gradients: &'g mut [f32]) -> Option<&'g mut [f32]>;
}

/// One of a Llama's norms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// Before a layer's attention.
    Attention(usize),
    /// Before a layer's feed-forward block.
    FeedForward(usize),
    /// Before the head.
    Final,
}

/// What one layer's backward pass needs of its forward pass, for `n` rows: 5,800 numbers a row in SmolLM2-135M.
#[derive(Default)]
pub struct Saved {
    /// The residual stream at the layer's input, `n × hidden`.
    pub x: Vec<f32>,
    /// Queries and keys after rope, and values.
    pub q: Vec<f32>,
    /// See `q`.
    pub k: Vec<f32>,
    /// See `q`.
    pub v: Vec<f32>,
    /// Attention's output before the output projection.
    pub attended: Vec<f32>,
    /// Log-sum-exps of attention's scores, `n × heads`.
    pub lse: Vec<f32>,
    middle: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    attn_inverse: Vec<f32>,
    ffn_inverse: Vec<f32>,
    q_in: NormIn,
    k_in: NormIn,
    attn_out: NormIn,
    ffn_out: NormIn,
}

/// The input of one of [`Extra`]'s norms, and one over its rows' root mean squares.
#[derive(Default)]
struct NormIn {
    x: Vec<f32>,
    inverse: Vec<f32>,
}

impl NormIn {
    /// Takes `y` in and replaces it by its norm.
    fn forward(&mut self, weight: &[f32], eps: f32, y: &mut [f32]) {
        self.x.clear();
        self.x.extend_from_slice(y);
        self.inverse.resize(y.len() / weight.len(), 0.0);
        rms_norm(&self.x, weight, eps, y, &mut self.inverse);
    }

    /// The gradient at its input; uses up `dy`, the one at its output.
    fn backward(&self, weight: &[f32], dy: &mut [f32], dx: &mut Vec<f32>) {
        dx.clear();
        dx.resize(dy.len(), 0.0);
        rms_norm_backward(&self.x, weight, &self.inverse, dy, dx);
    }

    /// The same where `dy` also goes on along the residual stream, and so is kept; `copy` is a buffer.
    fn branch_gradient<'b>(&self, weight: &[f32], dy: &[f32], copy: &mut Vec<f32>, dx: &'b mut Vec<f32>) -> &'b [f32] {
        copy.clear();
        copy.extend_from_slice(dy);
        self.backward(weight, copy, dx);
        dx
    }
}

/// Buffers that live from layer to layer, so that a step allocates nothing.
#[derive(Default)]
pub struct Scratch {
    products: Products,
    /// What the weights' own gradients take.
    pub low_rank: LowRank,
    /// A norm's output, then its gradient.
    normed: Vec<f32>,
    dnormed: Vec<f32>,
    /// Inside the feed-forward block.
    wide: Vec<f32>,
    dq: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
    /// What a block adds to the residual stream, or the gradient there, and a norm's other gradient.
    branch: [Vec<f32>; 2],
    /// Inside attention.
    pub attention: attention::Scratch,
}

/// What one pass through a model reads.
pub struct Pass<'a, W> {
    /// Shape, linear maps and norms.
    pub weights: &'a W,
    /// Rotary tables long enough for every position, one for each of the shape's spans.
    pub ropes: &'a [Rope],
    /// Threads of one matrix product: 1 where passes run side by side.
    pub threads: usize,
}

impl<W: Weights> Pass<'_, W> {
    /// `y (+)= x·Wᵀ`, and the bias where there is one, for linear maps of one input.
    pub fn linear<const N: usize>(
        &self,
        layer: usize,
        x: &[f32],
        maps: [(Module, &mut [f32]); N],
        write: Write,
        scratch: &mut Products,
    ) {
        let Products { weight, left } = scratch;
        for (i, (module, y)) in maps.into_iter().enumerate() {
            let (outputs, inputs) = self.weights.shape().of(module);
            let n = x.len() / inputs;
            match self.weights.linear(layer, module, Side::Inputs, weight) {
                Linear::Dense(weight) => {
                    let weight = View::new(weight, outputs, inputs);
                    matmul(
                        ViewMut::new(&mut *y, n, outputs),
                        write,
                        1.0,
                        View::new(x, n, inputs),
                        weight.t(),
                        self.threads,
                    );
                }
                Linear::Bf16(kernel, weight) => {
                    if i == 0 {
                        left.pack(View::new(x, n, inputs));
                    }
                    bf16::product(kernel, ViewMut::new(&mut *y, n, outputs), write, 1.0, left, weight, self.threads);
                }
            }
            if let Some(bias) = &self.weights.extra(layer).biases[module as usize] {
                add_to_rows(bias, y);
            }
        }
    }

    fn rope(&self, layer: usize) -> &Rope {
        &self.ropes[self.weights.shape().layers[layer]]
    }

    /// From `saved.x` to the next layer's input in `out`, filling `saved`. `attend` turns `q`, `k`, `v` into `attended` and `lse`.
    /// Without `out` it stops before the last product, where nothing in the backward pass needs that.
    pub fn forward(
        &self,
        layer: usize,
        saved: &mut Saved,
        positions: &[u32],
        scratch: &mut Scratch,
        attend: impl FnOnce(&mut Saved, &mut attention::Scratch),
        out: Option<&mut Vec<f32>>,
    ) {
        let (shape, n) = (self.weights.shape(), positions.len());
        let norm = |norm| self.weights.norm(norm);
        let (heads, eps, extra) = (shape.heads, shape.eps, self.weights.extra(layer));
        let Scratch { products, normed, wide, branch: [branch, _], attention, .. } = scratch;
        saved.resize(n, heads, shape.hidden, shape.ffn);
        normed.resize(n * shape.hidden, 0.0);
        wide.resize(n * shape.ffn, 0.0);

        rms_norm(&saved.x, norm(Norm::Attention(layer)), eps, normed, &mut saved.attn_inverse);
        let maps: [(_, &mut [f32]); 3] =
            [(Module::QProj, &mut saved.q), (Module::KProj, &mut saved.k), (Module::VProj, &mut saved.v)];
        self.linear(layer, normed, maps, Write::Set, products);
        if let Some(weight) = &extra.q_norm {
            saved.q_in.forward(weight, eps, &mut saved.q);
        }
        if let Some(weight) = &extra.k_norm {
            saved.k_in.forward(weight, eps, &mut saved.k);
        }
        self.rope(layer).rotate(&mut saved.q, positions, 1.0);
        self.rope(layer).rotate(&mut saved.k, positions, 1.0);
        attend(saved, attention);
        saved.middle.copy_from_slice(&saved.x);
        let (attended, middle) = (&saved.attended, &mut saved.middle);
        match &extra.attn_out_norm {
            None => self.linear(layer, attended, [(Module::OProj, middle)], Write::Add, products),
            Some(norm) => {
                branch.resize(n * shape.hidden, 0.0);
                self.linear(layer, attended, [(Module::OProj, &mut *branch)], Write::Set, products);
                saved.attn_out.forward(norm, eps, branch);
                add_to(branch, middle);
            }
        }

        rms_norm(&saved.middle, norm(Norm::FeedForward(layer)), eps, normed, &mut saved.ffn_inverse);
        let maps: [(_, &mut [f32]); 2] = [(Module::GateProj, &mut saved.gate), (Module::UpProj, &mut saved.up)];
        self.linear(layer, normed, maps, Write::Set, products);
        if out.is_none() && extra.ffn_out_norm.is_none() {
            return;
        }
        gated(shape.activation, &saved.gate, &saved.up, wide);
        if let Some(norm) = &extra.ffn_out_norm {
            branch.resize(n * shape.hidden, 0.0);
            self.linear(layer, wide, [(Module::DownProj, &mut *branch)], Write::Set, products);
            saved.ffn_out.forward(norm, eps, branch);
        }
        if let Some(out) = out {
            out.clear();
            out.extend_from_slice(&saved.middle);
            match &extra.ffn_out_norm {
                None => self.linear(layer, wide, [(Module::DownProj, out)], Write::Add, products),
                Some(_) => add_to(branch, out),
            }
        }
    }
}

/// `sum += x`.
fn add_to(x: &[f32], sum: &mut [f32]) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
}

impl Saved {
    fn resize(&mut self, n: usize, heads: Heads, hidden: usize, ffn: usize) {
        debug_assert_eq!(self.x.len(), n * hidden);
        self.q.resize(n * heads.q_width(), 0.0);
        self.k.resize(n * heads.kv_width(), 0.0);
        self.v.resize(n * heads.kv_width(), 0.0);
        self.attended.resize(n * heads.q_width(), 0.0);
        self.lse.resize(n * heads.heads, 0.0);
        self.middle.resize(n * hidden, 0.0);
        self.gate.resize(n * ffn, 0.0);
        self.up.resize(n * ffn, 0.0);
        self.attn_inverse.resize(n, 0.0);
        self.ffn_inverse.resize(n, 0.0);
    }
}

impl<W: Trained> Pass<'_, W> {
    /// `dx (+)= dy·W`.
    pub fn input_gradient(
        &self,
        layer: usize,
        module: Module,
        dy: &[f32],
        dx: &mut [f32],
        write: Write,
        scratch: &mut Products,
    ) {
        let (outputs, inputs) = self.weights.shape().of(module);
        let n = dy.len() / outputs;
        let Products { weight, left } = scratch;
        match self.weights.linear(layer, module, Side::Outputs, weight) {
            Linear::Dense(weight) => {
                let weight = View::new(weight, outputs, inputs);
                matmul(ViewMut::new(dx, n, inputs), write, 1.0, View::new(dy, n, outputs), weight, self.threads);
            }
            Linear::Bf16(kernel, weight) => {
                left.pack(View::new(dy, n, outputs));
                bf16::product(kernel, ViewMut::new(dx, n, inputs), write, 1.0, left, weight, self.threads);
            }
        }
    }

    /// Turns `d`, the gradient at the layer's output, into the one at its input, and adds the trained weights' gradients. Uses up
    /// `saved`. `sequences` are the row ranges within which rows attend to each other. The lowest layer's input gradient is left
    /// unfinished where nobody wants it.
    #[allow(clippy::too_many_arguments)] // a layer's backward pass has as many ends
    pub fn backward(
        &self,
        layer: usize,
        saved: &mut Saved,
        positions: &[u32],
        sequences: &[Range<usize>],
        scratch: &mut Scratch,
        d: &mut [f32],
        gradients: &mut [f32],
    ) {
        let (shape, n) = (self.weights.shape(), positions.len());
        let norm = |norm| self.weights.norm(norm);
        let (attention, feed_forward) = (Norm::Attention(layer), Norm::FeedForward(layer));
        let (heads, extra) = (shape.heads_of(layer), self.weights.extra(layer));
        let Scratch {
            products,
            low_rank,
            normed,
            dnormed,
            wide,
            dq,
            dk,
            dv,
            branch: [branch, dnorm],
            attention: within,
        } = scratch;
        let mut learn = |module, x: &[f32], dy: &[f32], gradients: &mut [f32]| {
            self.weights.add_linear(layer, module, x, dy, gradients, low_rank);
        };
        normed.resize(n * shape.hidden, 0.0);
        dnormed.resize(n * shape.hidden, 0.0);
        wide.resize(n * shape.ffn, 0.0);

        // Feed-forward block: gated_backward leaves its own gradients in `gate` and `up`, and down's input in `wide`.
        let dbranch = match &extra.ffn_out_norm {
            None => &*d,
            Some(norm) => saved.ffn_out.branch_gradient(norm, d, dnorm, branch),
        };
        self.input_gradient(layer, Module::DownProj, dbranch, wide, Write::Set, products);
        gated_backward(shape.activation, &mut saved.gate, &mut saved.up, wide);
        learn(Module::DownProj, wide, dbranch, gradients);
        rms_norm_again(&saved.middle, norm(feed_forward), &saved.ffn_inverse, normed);
        learn(Module::GateProj, normed, &saved.gate, gradients);
        learn(Module::UpProj, normed, &saved.up, gradients);
        self.input_gradient(layer, Module::GateProj, &saved.gate, dnormed, Write::Set, products);
        self.input_gradient(layer, Module::UpProj, &saved.up, dnormed, Write::Add, products);
        if let Some(part) = self.weights.norm_part(feed_forward, gradients) {
            rms_norm_weight_gradient(&saved.middle, &saved.ffn_inverse, dnormed, part);
        }
        rms_norm_backward(&saved.middle, norm(feed_forward), &saved.ffn_inverse, dnormed, d);

        // Attention: `middle` is free now and takes the gradient at `attended`.
        let dbranch = match &extra.attn_out_norm {
            None => &*d,
            Some(norm) => saved.attn_out.branch_gradient(norm, d, dnorm, branch),
        };
        learn(Module::OProj, &saved.attended, dbranch, gradients);
        let dattended = &mut saved.middle;
        dattended.resize(saved.attended.len(), 0.0);
        self.input_gradient(layer, Module::OProj, dbranch, dattended, Write::Set, products);
        dq.resize(saved.q.len(), 0.0);
        dk.resize(saved.k.len(), 0.0);
        dv.resize(saved.v.len(), 0.0);
        for rows in sequences {
            let (q, kv, l) = spans(heads, rows);
            let saved = attention::Backward {
                q: &saved.q[q.clone()],
                k: &saved.k[kv.clone()],
                v: &saved.v[kv.clone()],
                out: &saved.attended[q.clone()],
                lse: &saved.lse[l],
                dout: &dattended[q.clone()],
            };
            attention::backward(heads, &saved, &mut dq[q], &mut dk[kv.clone()], &mut dv[kv], within);
        }
        self.rope(layer).rotate(dq, positions, -1.0);
        self.rope(layer).rotate(dk, positions, -1.0);
        if let Some(weight) = &extra.q_norm {
            saved.q_in.backward(weight, dq, branch);
            std::mem::swap(dq, branch);
        }
        if let Some(weight) = &extra.k_norm {
            saved.k_in.backward(weight, dk, branch);
            std::mem::swap(dk, branch);
        }
        rms_norm_again(&saved.x, norm(attention), &saved.attn_inverse, normed);
        learn(Module::QProj, normed, dq, gradients);
        learn(Module::KProj, normed, dk, gradients);
        learn(Module::VProj, normed, dv, gradients);
        if layer > 0 || W::EMBEDDING {
            self.input_gradient(layer, Module::QProj, dq, dnormed, Write::Set, products);
            self.input_gradient(layer, Module::KProj, dk, dnormed, Write::Add, products);
            self.input_gradient(layer, Module::VProj, dv, dnormed, Write::Add, products);
            if let Some(part) = self.weights.norm_part(attention, gradients) {
                rms_norm_weight_gradient(&saved.x, &saved.attn_inverse, dnormed, part);
            }
            rms_norm_backward(&saved.x, norm(attention), &saved.attn_inverse, dnormed, d);
        }
    }
}

/// Attention within each sequence of a packed batch: `attend` of a training pass.
pub fn attend_within(heads: Heads, sequences: &[Range<usize>], saved: &mut Saved, scratch: &mut attention::Scratch) {
    for rows in sequences {
        let (q, kv, l) = spans(heads, rows);
        let (k, v) = (&saved.k[kv.clone()], &saved.v[kv]);
        let out = &mut saved.attended[q.clone()];
        attention::forward(heads, &saved.q[q], k, v, out, &mut saved.lse[l], scratch);
    }
}

/// Where a sequence's rows lie in queries, in keys and values, and in log-sum-exps.
fn spans(heads: Heads, rows: &Range<usize>) -> (Range<usize>, Range<usize>, Range<usize>) {
    let at = |width: usize| rows.start * width..rows.end * width;
    (at(heads.q_width()), at(heads.kv_width()), at(heads.heads))
}
