//! One decoder layer over packed rows, forward and backward, derived by hand: a Llama's, and what its relatives add to it.
//!
//! Rows of several sequences lie one after another without padding; only rotary positions and attention know where one ends.
//! What is trained, adapters or every weight, is the business of [`Trained`]: backward multiplies by the weights, hands each
//! one's input and output gradient over, and passes on.

use std::ops::Range;

use crate::attention::{self, Heads};
use crate::base::{Module, Shape};
use crate::bf16::{self, Kernel, Left, Right, RightPart, Side};
use crate::kernels::{
    Rope, View, ViewMut, Write, add_to_rows, gated, gated_backward, matmul, rms_norm, rms_norm_again,
    rms_norm_backward, rms_norm_weight_gradient,
};
use crate::lora::{Delta, LowRank};
use crate::operand::{Operand, Rows};

/// A model's weights as the passes read them.
pub trait Weights: Sync {
    /// The numbers that fix its shape.
    fn shape(&self) -> &Shape;

    /// Readies `scratch` for parts of one linear map.
    fn begin(&self, _layer: usize, _module: Module, _scratch: &mut Weight) {}

    /// The weight of one linear map as a product by this side reads it, possibly built in `scratch`: whole in f32, in bf16 for some of the
    /// product's columns, which begin at a block.
    fn linear<'a>(
        &'a self,
        layer: usize,
        module: Module,
        side: Side,
        columns: Range<usize>,
        scratch: &'a mut Weight,
    ) -> Linear<'a>;

    /// What multiplies with the linear maps in bf16; without it they are multiplied with in f32.
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
    /// Laid out for products in bf16.
    Bf16(RightPart<'a>),
}

/// Columns of a product whose weights are laid out at once in bf16, so that they stay in the second-level cache: 256 columns of 1,536
/// weights are 0.8 MB. Where their sums are used up at once it is half of that, for the sums' sake.
const COLUMNS: usize = 256;

/// Bands of so many columns.
fn bands(columns: usize, width: usize) -> impl Iterator<Item = Range<usize>> {
    (0..columns).step_by(width).map(move |start| start..(start + width).min(columns))
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

/// Weights in training: where their gradients go. All gradients are added to one flat vector.
pub trait Trained: Weights {
    /// Whether anything below the lowest layer wants that layer's input gradient.
    const EMBEDDING: bool;

    /// The gradient at one linear map, from its input `x` (`n × inputs`) and the gradient `dy` at its output (`n × outputs`).
    fn add_linear(&self, layer: usize, module: Module, x: Rows, dy: Rows, gradients: &mut [f32], scratch: &mut LowRank);

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
    /// In bf16 gates are kept rounded.
    rounded: [Left; 2],
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
    weights: [Weight; 2],
    /// What the weights' own gradients take.
    pub low_rank: LowRank,
    /// The input of linear maps, and gradients at the outputs of up to three of them.
    x: Operand,
    dy: [Operand; 3],
    /// The gradient at a norm's output.
    dnormed: Vec<f32>,
    /// The gradient inside the feed-forward block.
    wide: Vec<f32>,
    /// A band of gates and of what they multiply, and a row of each.
    band: [Vec<f32>; 2],
    rows: [Vec<f32>; 2],
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
        x: Rows,
        maps: [(Module, &mut [f32]); N],
        write: Write,
        scratch: &mut Weight,
    ) {
        for (module, y) in maps {
            let (outputs, inputs) = self.weights.shape().of(module);
            let n = y.len() / outputs;
            match x {
                Rows::Dense(x) => {
                    let weight = View::new(self.dense(layer, module, Side::Inputs, scratch), outputs, inputs);
                    let dst = ViewMut::new(&mut *y, n, outputs);
                    matmul(dst, write, 1.0, View::new(x, n, inputs), weight.t(), self.threads);
                }
                Rows::Bf16(kernel, x) => {
                    self.in_bands(
                        kernel,
                        layer,
                        module,
                        Side::Inputs,
                        x,
                        ViewMut::new(&mut *y, n, outputs),
                        write,
                        scratch,
                    );
                }
            }
            if let Some(bias) = &self.weights.extra(layer).biases[module as usize] {
                add_to_rows(bias, y);
            }
        }
    }

    fn dense<'a>(&'a self, layer: usize, module: Module, side: Side, scratch: &'a mut Weight) -> &'a [f32] {
        let (outputs, inputs) = self.weights.shape().of(module);
        let columns = if side == Side::Inputs { outputs } else { inputs };
        match self.weights.linear(layer, module, side, 0..columns, scratch) {
            Linear::Dense(weight) => weight,
            Linear::Bf16(_) => unreachable!("rows come in the arithmetic of the weights"),
        }
    }

    fn laid_out<'a>(
        &'a self,
        layer: usize,
        module: Module,
        side: Side,
        columns: Range<usize>,
        scratch: &'a mut Weight,
    ) -> RightPart<'a> {
        match self.weights.linear(layer, module, side, columns, scratch) {
            Linear::Bf16(weight) => weight,
            Linear::Dense(_) => unreachable!("rows come in the arithmetic of the weights"),
        }
    }

    /// `dst (+)= x · weight` in bf16, a band of columns after another.
    #[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)] // see `kernels::matmul`
    fn in_bands(
        &self,
        kernel: Kernel,
        layer: usize,
        module: Module,
        side: Side,
        x: &Left,
        dst: ViewMut,
        write: Write,
        scratch: &mut Weight,
    ) {
        self.weights.begin(layer, module, scratch);
        // Several threads have one product, of a weight that is laid out already.
        let width = if self.threads > 1 { dst.cols } else { COLUMNS };
        for band in bands(dst.cols, width) {
            let weight = self.laid_out(layer, module, side, band.clone(), scratch);
            let part = ViewMut::strided(&mut dst.data[band.start..], dst.rows, band.len(), dst.row_stride);
            bf16::product(kernel, part, write, x, weight, self.threads);
        }
    }

    /// Gates and what they multiply, rounded, and down's input, if it is wanted: all by bands, whose sums stay in the cache.
    fn gated_by_bands(
        &self,
        kernel: Kernel,
        layer: usize,
        x: &Left,
        [gate, up]: [&mut Left; 2],
        mut down_in: Option<&mut Operand>,
        scratch: (&mut [Weight; 2], &mut [Vec<f32>; 2], &mut Vec<f32>),
    ) {
        let (shape, n) = (self.weights.shape(), x.rows());
        let (weights, sums, out) = scratch;
        let maps = [Module::GateProj, Module::UpProj];
        gate.begin(n, shape.ffn);
        up.begin(n, shape.ffn);
        if let Some(to) = &mut down_in {
            to.begin(n, shape.ffn);
        }
        maps.iter().zip(&mut *weights).for_each(|(map, weight)| self.weights.begin(layer, *map, weight));
        for band in bands(shape.ffn, COLUMNS / 2) {
            let width = band.len();
            for ((map, weight), sums) in maps.into_iter().zip(&mut *weights).zip(&mut *sums) {
                sums.resize(n * width, 0.0);
                let weight = self.laid_out(layer, map, Side::Inputs, band.clone(), weight);
                bf16::product(kernel, ViewMut::new(sums, n, width), Write::Set, x, weight, self.threads);
                if let Some(bias) = &self.weights.extra(layer).biases[map as usize] {
                    add_to_rows(&bias[band.clone()], sums);
                }
            }
            out.resize(width, 0.0);
            for (i, (g, u)) in sums[0].chunks_exact(width).zip(sums[1].chunks_exact(width)).enumerate() {
                gate.put_row(i, band.start, g);
                up.put_row(i, band.start, u);
                if let Some(to) = &mut down_in {
                    gated(shape.activation, g, u, out);
                    to.put(i, band.start, out);
                }
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
        let (heads, eps, extra, bf16) = (shape.heads, shape.eps, self.weights.extra(layer), self.weights.bf16());
        let Scratch { weights, x, dy: [one, ..], branch: [branch, _], attention, band, rows: [out_row, _], .. } =
            scratch;
        let weight = &mut weights[0];
        saved.resize(n, heads, shape.hidden, if bf16.is_some() { 0 } else { shape.ffn });

        let attention_norm = norm(Norm::Attention(layer));
        let normed = x.made(bf16, (n, shape.hidden), |i, out| {
            rms_norm(row(&saved.x, i, out), attention_norm, eps, out, &mut saved.attn_inverse[i..=i]);
        });
        let maps: [(_, &mut [f32]); 3] =
            [(Module::QProj, &mut saved.q), (Module::KProj, &mut saved.k), (Module::VProj, &mut saved.v)];
        self.linear(layer, normed, maps, Write::Set, weight);
        if let Some(norm) = &extra.q_norm {
            saved.q_in.forward(norm, eps, &mut saved.q);
        }
        if let Some(norm) = &extra.k_norm {
            saved.k_in.forward(norm, eps, &mut saved.k);
        }
        self.rope(layer).rotate(&mut saved.q, positions, 1.0);
        self.rope(layer).rotate(&mut saved.k, positions, 1.0);
        attend(saved, attention);
        saved.middle.copy_from_slice(&saved.x);
        let (attended, middle) = (x.of(bf16, &saved.attended, heads.q_width()), &mut saved.middle);
        match &extra.attn_out_norm {
            None => self.linear(layer, attended, [(Module::OProj, middle)], Write::Add, weight),
            Some(norm) => {
                branch.resize(n * shape.hidden, 0.0);
                self.linear(layer, attended, [(Module::OProj, &mut *branch)], Write::Set, weight);
                saved.attn_out.forward(norm, eps, branch);
                add_to(branch, middle);
            }
        }

        let feed_forward_norm = norm(Norm::FeedForward(layer));
        let normed = x.made(bf16, (n, shape.hidden), |i, out| {
            rms_norm(row(&saved.middle, i, out), feed_forward_norm, eps, out, &mut saved.ffn_inverse[i..=i]);
        });
        let wanted = out.is_some() || extra.ffn_out_norm.is_some();
        let wide = match normed {
            Rows::Dense(_) => {
                let maps: [(_, &mut [f32]); 2] = [(Module::GateProj, &mut saved.gate), (Module::UpProj, &mut saved.up)];
                self.linear(layer, normed, maps, Write::Set, weight);
                if !wanted {
                    return;
                }
                x.made(bf16, (n, shape.ffn), |i, out| {
                    gated(shape.activation, row(&saved.gate, i, out), row(&saved.up, i, out), out);
                })
            }
            Rows::Bf16(kernel, normed) => {
                let to = wanted.then_some(&mut *one);
                self.gated_by_bands(
                    kernel,
                    layer,
                    normed,
                    saved.rounded.each_mut(),
                    to,
                    (&mut *weights, band, out_row),
                );
                if !wanted {
                    return;
                }
                one.brought(kernel)
            }
        };
        let weight = &mut weights[0];
        if let Some(norm) = &extra.ffn_out_norm {
            branch.resize(n * shape.hidden, 0.0);
            self.linear(layer, wide, [(Module::DownProj, &mut *branch)], Write::Set, weight);
            saved.ffn_out.forward(norm, eps, branch);
        }
        if let Some(out) = out {
            out.clear();
            out.extend_from_slice(&saved.middle);
            match &extra.ffn_out_norm {
                None => self.linear(layer, wide, [(Module::DownProj, out)], Write::Add, weight),
                Some(_) => add_to(branch, out),
            }
        }
    }
}

/// The row of a matrix that becomes `out`, one as wide.
fn row<'m>(matrix: &'m [f32], i: usize, out: &[f32]) -> &'m [f32] {
    &matrix[i * out.len()..][..out.len()]
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
        dy: Rows,
        dx: &mut [f32],
        write: Write,
        scratch: &mut Weight,
    ) {
        let (outputs, inputs) = self.weights.shape().of(module);
        let n = dx.len() / inputs;
        let dst = ViewMut::new(dx, n, inputs);
        match dy {
            Rows::Dense(dy) => {
                let weight = View::new(self.dense(layer, module, Side::Outputs, scratch), outputs, inputs);
                matmul(dst, write, 1.0, View::new(dy, n, outputs), weight, self.threads);
            }
            Rows::Bf16(kernel, dy) => self.in_bands(kernel, layer, module, Side::Outputs, dy, dst, write, scratch),
        }
    }

    /// From the gradient at down's output those at the gates and at what they multiply, and down's input again.
    fn gates_gradient(
        &self,
        kernel: Kernel,
        layer: usize,
        dy: &Left,
        [gate, up]: [&Left; 2],
        to: [&mut Operand; 3],
        scratch: (&mut Weight, &mut Vec<f32>, &mut [Vec<f32>; 2]),
    ) {
        let (shape, n) = (self.weights.shape(), dy.rows());
        let (weight, sums, rows) = scratch;
        let [dgate, dup, down_in] = to;
        for to in [&mut *dgate, &mut *dup, &mut *down_in] {
            to.begin(n, shape.ffn);
        }
        self.weights.begin(layer, Module::DownProj, weight);
        for band in bands(shape.ffn, COLUMNS) {
            let width = band.len();
            sums.resize(n * width, 0.0);
            let weight = self.laid_out(layer, Module::DownProj, Side::Outputs, band.clone(), weight);
            bf16::product(kernel, ViewMut::new(sums, n, width), Write::Set, dy, weight, self.threads);
            let [g, u] = rows.each_mut().map(|row| {
                row.resize(width, 0.0);
                &mut row[..width]
            });
            for (i, d) in sums.chunks_exact_mut(width).enumerate() {
                gate.row(i, band.start, g);
                up.row(i, band.start, u);
                gated_backward(shape.activation, g, u, d);
                dgate.put(i, band.start, g);
                dup.put(i, band.start, u);
                down_in.put(i, band.start, d);
            }
        }
    }

    /// Turns `d`, the gradient at the layer's output, into the one at its input, and adds the trained weights' gradients. Uses up
    /// `saved`. `sequences` are the row ranges within which rows attend to each other. The lowest layer's input gradient is left
    /// unfinished where nobody wants it.
    #[allow(clippy::too_many_arguments, clippy::too_many_lines)] // a layer's backward pass has as many ends, and reads in order
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
        let (heads, extra, bf16) = (shape.heads_of(layer), self.weights.extra(layer), self.weights.bf16());
        let Scratch {
            weights: [weight, _],
            low_rank,
            x,
            dy: [one, two, three],
            dnormed,
            wide,
            band: [band, _],
            rows,
            dq,
            dk,
            dv,
            branch: [branch, dnorm],
            attention: within,
        } = scratch;
        let mut learn = |module, x: Rows, dy: Rows, gradients: &mut [f32]| {
            self.weights.add_linear(layer, module, x, dy, gradients, low_rank);
        };
        dnormed.resize(n * shape.hidden, 0.0);

        // Feed-forward block: where it is not in bands, `gated_backward` leaves its own gradients in `gate` and `up`, and down's input in `wide`.
        let dbranch = match &extra.ffn_out_norm {
            None => &*d,
            Some(norm) => saved.ffn_out.branch_gradient(norm, d, dnorm, branch),
        };
        let dbranch = x.of(bf16, dbranch, shape.hidden);
        let [dgate, dup, down_in] = match dbranch {
            Rows::Dense(_) => {
                wide.resize(n * shape.ffn, 0.0);
                self.input_gradient(layer, Module::DownProj, dbranch, wide, Write::Set, weight);
                gated_backward(shape.activation, &mut saved.gate, &mut saved.up, wide);
                [Rows::Dense(&saved.gate), Rows::Dense(&saved.up), Rows::Dense(wide)]
            }
            Rows::Bf16(kernel, dy) => {
                let to = [&mut *one, &mut *two, &mut *three];
                self.gates_gradient(kernel, layer, dy, saved.rounded.each_ref(), to, (weight, band, rows));
                [one.brought(kernel), two.brought(kernel), three.brought(kernel)]
            }
        };
        learn(Module::DownProj, down_in, dbranch, gradients);
        let normed = x.made(bf16, (n, shape.hidden), |i, out| {
            rms_norm_again(row(&saved.middle, i, out), norm(feed_forward), &saved.ffn_inverse[i..=i], out);
        });
        learn(Module::GateProj, normed, dgate, gradients);
        learn(Module::UpProj, normed, dup, gradients);
        self.input_gradient(layer, Module::GateProj, dgate, dnormed, Write::Set, weight);
        self.input_gradient(layer, Module::UpProj, dup, dnormed, Write::Add, weight);
        if let Some(part) = self.weights.norm_part(feed_forward, gradients) {
            rms_norm_weight_gradient(&saved.middle, &saved.ffn_inverse, dnormed, part);
        }
        rms_norm_backward(&saved.middle, norm(feed_forward), &saved.ffn_inverse, dnormed, d);

        // Attention: `middle` is free now and takes the gradient at `attended`.
        let dbranch = match &extra.attn_out_norm {
            None => &*d,
            Some(norm) => saved.attn_out.branch_gradient(norm, d, dnorm, branch),
        };
        let dbranch = one.of(bf16, dbranch, shape.hidden);
        learn(Module::OProj, x.of(bf16, &saved.attended, heads.q_width()), dbranch, gradients);
        let dattended = &mut saved.middle;
        dattended.resize(saved.attended.len(), 0.0);
        self.input_gradient(layer, Module::OProj, dbranch, dattended, Write::Set, weight);
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
        if let Some(norm) = &extra.q_norm {
            saved.q_in.backward(norm, dq, branch);
            std::mem::swap(dq, branch);
        }
        if let Some(norm) = &extra.k_norm {
            saved.k_in.backward(norm, dk, branch);
            std::mem::swap(dk, branch);
        }
        let normed = x.made(bf16, (n, shape.hidden), |i, out| {
            rms_norm_again(row(&saved.x, i, out), norm(attention), &saved.attn_inverse[i..=i], out);
        });
        let dq = one.of(bf16, dq, heads.q_width());
        let dk = two.of(bf16, dk, heads.kv_width());
        let dv = three.of(bf16, dv, heads.kv_width());
        learn(Module::QProj, normed, dq, gradients);
        learn(Module::KProj, normed, dk, gradients);
        learn(Module::VProj, normed, dv, gradients);
        if layer > 0 || W::EMBEDDING {
            self.input_gradient(layer, Module::QProj, dq, dnormed, Write::Set, weight);
            self.input_gradient(layer, Module::KProj, dk, dnormed, Write::Add, weight);
            self.input_gradient(layer, Module::VProj, dv, dnormed, Write::Add, weight);
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
