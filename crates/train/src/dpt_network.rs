//! The network of the Decision-Pretrained Transformer: GPT-2 over tokens that are vectors, without positions, forward and backward.
//!
//! Layer norms before attention and feed-forward, biases everywhere, GELU by tanh (Radford et al. 2019). Weights are kept as GPT-2
//! keeps them, inputs × outputs. Rows of several sequences lie one after another.

use std::ops::Range;

use crate::attention::{self, Heads};
use crate::config::DptConfig;
use crate::kernels::{View, ViewMut, Write, dot, exp, matmul, simd};
use crate::layout::Layout;
use crate::rng::Rng;

/// ε of GPT-2's layer norms.
const EPS: f32 = 1e-5;

/// A linear map or a layer norm: where its weight and its bias lie.
#[derive(Clone, Debug)]
struct Affine {
    weight: Range<usize>,
    bias: Range<usize>,
    inputs: usize,
    outputs: usize,
}

/// One block's maps, in the order of their use.
#[derive(Clone, Debug)]
struct Block {
    ln_1: Affine,
    /// Queries, keys and values side by side.
    attention: Affine,
    projection: Affine,
    ln_2: Affine,
    fc: Affine,
    fc_out: Affine,
}

/// The network's shape and the layout of its parameters.
#[derive(Clone, Debug)]
pub struct DptNetwork {
    heads: Heads,
    /// Numbers in a token.
    inputs: usize,
    actions: usize,
    layout: Layout,
    embed: Affine,
    blocks: Vec<Block>,
    ln_f: Affine,
    predict: Affine,
}

/// What a block's backward pass needs of its forward pass.
#[derive(Default)]
struct Saved {
    norm_1: Normed,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    attended: Vec<f32>,
    lse: Vec<f32>,
    norm_2: Normed,
    fc: Vec<f32>,
    gelu: Vec<f32>,
}

/// A layer norm's output, its input made standard, and one over its deviations.
#[derive(Default)]
struct Normed {
    out: Vec<f32>,
    standard: Vec<f32>,
    inverse: Vec<f32>,
}

/// A forward pass with all that the backward pass needs.
#[derive(Default)]
pub struct Passed {
    blocks: Vec<Saved>,
    norm_f: Normed,
    /// Logits of the actions at every row, `n × actions`.
    pub logits: Vec<f32>,
}

impl DptNetwork {
    /// Lays out the parameters under GPT-2's names. The configuration has been checked.
    pub fn new(config: &DptConfig) -> Self {
        let width = config.hidden;
        let mut layout = Layout::default();
        let mut affine = |name: String, inputs: usize, outputs: usize, weight: Vec<usize>| Affine {
            weight: layout.add(format!("{name}.weight"), weight),
            bias: layout.add(format!("{name}.bias"), vec![outputs]),
            inputs,
            outputs,
        };
        let inputs = 2 * config.observations + config.actions + 1;
        let embed = affine("embed_transition".into(), inputs, width, vec![inputs, width]);
        let mut blocks = Vec::new();
        for layer in 0..config.layers {
            let name = |part: &str| format!("transformer.h.{layer}.{part}");
            blocks.push(Block {
                ln_1: affine(name("ln_1"), width, width, vec![width]),
                attention: affine(name("attn.c_attn"), width, 3 * width, vec![width, 3 * width]),
                projection: affine(name("attn.c_proj"), width, width, vec![width, width]),
                ln_2: affine(name("ln_2"), width, width, vec![width]),
                fc: affine(name("mlp.c_fc"), width, 4 * width, vec![width, 4 * width]),
                fc_out: affine(name("mlp.c_proj"), 4 * width, width, vec![4 * width, width]),
            });
        }
        let ln_f = affine("transformer.ln_f".into(), width, width, vec![width]);
        let predict = affine("pred_actions".into(), width, config.actions, vec![width, config.actions]);
        let heads = Heads::new(config.heads, config.heads, width / config.heads);
        Self { heads, inputs, actions: config.actions, layout, embed, blocks, ln_f, predict }
    }

    /// Where its tensors lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Numbers in a token: two observations and an action, one-hot, and a reward.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// GPT-2's initial values in the blocks (deviation 0.02, divided by √(2·layers) before a residual sum; norms one, biases
    /// zero), and `PyTorch`'s at both ends (uniform within ±1/√inputs).
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut parameters = vec![0.0; self.layout.parameters()];
        let residual = 0.02 / (2.0 * self.blocks.len() as f32).sqrt();
        for (i, tensor) in self.layout.tensors().iter().enumerate() {
            let (mut rng, name) = (Rng::new(&[seed, 5, i as u64]), tensor.name.as_str());
            let values = &mut parameters[tensor.at.clone()];
            let ends = [("embed_transition", &self.embed), ("pred_actions", &self.predict)];
            if let Some((_, end)) = ends.iter().find(|(end, _)| name.starts_with(end)) {
                values.iter_mut().for_each(|x| *x = rng.uniform(1.0 / (end.inputs as f32).sqrt()));
            } else if tensor.dims.len() == 2 {
                let spread = if name.ends_with("c_proj.weight") { residual } else { 0.02 };
                values.iter_mut().for_each(|x| *x = rng.bell() * spread);
            } else if name.ends_with("weight") {
                values.fill(1.0);
            }
        }
        parameters
    }

    /// Multiplications and additions of all linear maps for one row, and of attention for one pair of rows, forward.
    pub fn flops(&self) -> (f64, f64) {
        let size = |a: &Affine| 2.0 * (a.inputs * a.outputs) as f64;
        let block = |b: &Block| size(&b.attention) + size(&b.projection) + size(&b.fc) + size(&b.fc_out);
        let rows = size(&self.embed) + self.blocks.iter().map(block).sum::<f64>() + size(&self.predict);
        (rows, 4.0 * (self.heads.q_width() * self.blocks.len()) as f64)
    }

    /// Logits of the actions at every row of `tokens` (`n × inputs`), where rows attend within `sequences`.
    pub fn forward(&self, parameters: &[f32], tokens: &[f32], sequences: &[Range<usize>], passed: &mut Passed) {
        let n = tokens.len() / self.inputs;
        let (width, heads) = (self.heads.q_width(), self.heads);
        let mut stream = vec![0.0; n * width];
        self.embed.forward(parameters, tokens, &mut stream, Write::Set);
        let mut scratch = attention::Scratch::default();
        passed.blocks.resize_with(self.blocks.len(), Saved::default);
        for (block, saved) in self.blocks.iter().zip(&mut passed.blocks) {
            block.ln_1.norm(parameters, &stream, &mut saved.norm_1);
            for (part, out) in [&mut saved.q, &mut saved.k, &mut saved.v].into_iter().enumerate() {
                out.resize(n * width, 0.0);
                block.attention.part(part).forward(parameters, &saved.norm_1.out, out, Write::Set);
            }
            saved.attended.resize(n * width, 0.0);
            saved.lse.resize(n * heads.heads, 0.0);
            for rows in sequences {
                let (at, l) = (rows.start * width..rows.end * width, rows.start * heads.heads..rows.end * heads.heads);
                let (q, k, v) = (&saved.q[at.clone()], &saved.k[at.clone()], &saved.v[at.clone()]);
                attention::forward(heads, q, k, v, &mut saved.attended[at], &mut saved.lse[l], &mut scratch);
            }
            block.projection.forward(parameters, &saved.attended, &mut stream, Write::Add);
            block.ln_2.norm(parameters, &stream, &mut saved.norm_2);
            saved.fc.resize(n * 4 * width, 0.0);
            block.fc.forward(parameters, &saved.norm_2.out, &mut saved.fc, Write::Set);
            gelu(&saved.fc, &mut saved.gelu);
            block.fc_out.forward(parameters, &saved.gelu, &mut stream, Write::Add);
        }
        self.ln_f.norm(parameters, &stream, &mut passed.norm_f);
        passed.logits.resize(n * self.actions, 0.0);
        self.predict.forward(parameters, &passed.norm_f.out, &mut passed.logits, Write::Set);
    }

    /// Adds the parameters' gradient, given the gradient at the logits.
    pub fn backward(
        &self,
        parameters: &[f32],
        tokens: &[f32],
        sequences: &[Range<usize>],
        passed: &Passed,
        dlogits: &[f32],
        gradient: &mut [f32],
    ) {
        let n = tokens.len() / self.inputs;
        let (width, heads) = (self.heads.q_width(), self.heads);
        let (mut d, mut dy) = (vec![0.0; n * width], vec![0.0; n * width]);
        let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![0.0; n * width]);
        let (mut wide, mut scratch) = (vec![0.0; n * 4 * width], attention::Scratch::default());
        self.predict.backward(parameters, &passed.norm_f.out, dlogits, gradient, Some((&mut dy, Write::Set)));
        self.ln_f.norm_backward(parameters, &passed.norm_f, &dy, gradient, &mut d);
        for (block, saved) in self.blocks.iter().zip(&passed.blocks).rev() {
            block.fc_out.backward(parameters, &saved.gelu, &d, gradient, Some((&mut wide, Write::Set)));
            gelu_backward(&saved.fc, &mut wide);
            block.fc.backward(parameters, &saved.norm_2.out, &wide, gradient, Some((&mut dy, Write::Set)));
            block.ln_2.norm_backward(parameters, &saved.norm_2, &dy, gradient, &mut d);
            block.projection.backward(parameters, &saved.attended, &d, gradient, Some((&mut dy, Write::Set)));
            for rows in sequences {
                let (at, l) = (rows.start * width..rows.end * width, rows.start * heads.heads..rows.end * heads.heads);
                let one = attention::Backward {
                    q: &saved.q[at.clone()],
                    k: &saved.k[at.clone()],
                    v: &saved.v[at.clone()],
                    out: &saved.attended[at.clone()],
                    lse: &saved.lse[l],
                    dout: &dy[at.clone()],
                };
                let (dq, dk, dv) = (&mut dq[at.clone()], &mut dk[at.clone()], &mut dv[at]);
                attention::backward(heads, &one, dq, dk, dv, &mut scratch);
            }
            let mut write = Write::Set;
            for (part, d) in [&dq, &dk, &dv].into_iter().enumerate() {
                let map = block.attention.part(part);
                map.backward(parameters, &saved.norm_1.out, d, gradient, Some((&mut dy, write)));
                write = Write::Add;
            }
            block.ln_1.norm_backward(parameters, &saved.norm_1, &dy, gradient, &mut d);
        }
        self.embed.backward(parameters, tokens, &d, gradient, None);
    }
}

/// Some columns of a weight and the part of the bias that goes with them.
struct Map {
    weight: usize,
    bias: usize,
    inputs: usize,
    outputs: usize,
    stride: usize,
}

impl Affine {
    fn whole(&self) -> Map {
        let Self { weight, bias, inputs, outputs } = self;
        Map { weight: weight.start, bias: bias.start, inputs: *inputs, outputs: *outputs, stride: *outputs }
    }

    /// Queries (0), keys (1) or values (2) of GPT-2's joint map.
    fn part(&self, part: usize) -> Map {
        let Map { weight, bias, inputs, outputs, stride } = self.whole();
        let outputs = outputs / 3;
        Map { weight: weight + part * outputs, bias: bias + part * outputs, inputs, outputs, stride }
    }

    fn forward(&self, parameters: &[f32], x: &[f32], y: &mut [f32], write: Write) {
        self.whole().forward(parameters, x, y, write);
    }

    fn backward(
        &self,
        parameters: &[f32],
        x: &[f32],
        dy: &[f32],
        gradient: &mut [f32],
        dx: Option<(&mut [f32], Write)>,
    ) {
        self.whole().backward(parameters, x, dy, gradient, dx);
    }

    /// Layer norm of each row (Ba, Kiros, Hinton 2016).
    fn norm(&self, parameters: &[f32], x: &[f32], normed: &mut Normed) {
        let (weight, bias) = (&parameters[self.weight.clone()], &parameters[self.bias.clone()]);
        let width = self.inputs;
        normed.out.resize(x.len(), 0.0);
        normed.standard.resize(x.len(), 0.0);
        normed.inverse.resize(x.len() / width, 0.0);
        simd(
            #[inline(always)]
            || {
                let out = normed.out.chunks_exact_mut(width).zip(normed.standard.chunks_exact_mut(width));
                for ((x, (out, standard)), inverse) in x.chunks_exact(width).zip(out).zip(&mut normed.inverse) {
                    let mean = x.iter().sum::<f32>() / width as f32;
                    for i in 0..width {
                        standard[i] = x[i] - mean;
                    }
                    let scale = 1.0 / (dot(standard, standard) / width as f32 + EPS).sqrt();
                    *inverse = scale;
                    for i in 0..width {
                        standard[i] *= scale;
                        out[i] = standard[i].mul_add(weight[i], bias[i]);
                    }
                }
            },
        );
    }

    /// `dx += ∂norm/∂xᵀ·dy`: with g = dy·weight, `dx += (g - mean g - x̂·mean(g·x̂)) / σ`.
    fn norm_backward(&self, parameters: &[f32], normed: &Normed, dy: &[f32], gradient: &mut [f32], dx: &mut [f32]) {
        let width = self.inputs;
        let weight = &parameters[self.weight.clone()];
        // The bias follows its weight.
        let (dweight, dbias) = gradient[self.weight.start..self.bias.end].split_at_mut(width);
        let mut g = vec![0.0; width];
        simd(
            #[inline(always)]
            || {
                let rows = dy.chunks_exact(width).zip(dx.chunks_exact_mut(width));
                let kept = normed.standard.chunks_exact(width).zip(&normed.inverse);
                for ((dy, dx), (standard, &inverse)) in rows.zip(kept) {
                    for i in 0..width {
                        dweight[i] = dy[i].mul_add(standard[i], dweight[i]);
                        dbias[i] += dy[i];
                        g[i] = dy[i] * weight[i];
                    }
                    let mean = g.iter().sum::<f32>() / width as f32;
                    let along = dot(&g, standard) / width as f32;
                    for i in 0..width {
                        dx[i] += (g[i] - mean - standard[i] * along) * inverse;
                    }
                }
            },
        );
    }
}

impl Map {
    /// `y (+)= x·W + b`.
    fn forward(&self, parameters: &[f32], x: &[f32], y: &mut [f32], write: Write) {
        let (n, bias) = (x.len() / self.inputs, &parameters[self.bias..self.bias + self.outputs]);
        for row in y.chunks_exact_mut(self.outputs) {
            match write {
                Write::Set => row.copy_from_slice(bias),
                Write::Add => row.iter_mut().zip(bias).for_each(|(y, b)| *y += b),
            }
        }
        let weight = View::strided(&parameters[self.weight..], self.inputs, self.outputs, self.stride);
        matmul(ViewMut::new(y, n, self.outputs), Write::Add, 1.0, View::new(x, n, self.inputs), weight, 1);
    }

    /// `dW += xᵀ·dy`, `db += Σ dy`, `dx (+)= dy·Wᵀ`.
    fn backward(
        &self,
        parameters: &[f32],
        x: &[f32],
        dy: &[f32],
        gradient: &mut [f32],
        dx: Option<(&mut [f32], Write)>,
    ) {
        let n = x.len() / self.inputs;
        let dbias = &mut gradient[self.bias..self.bias + self.outputs];
        dy.chunks_exact(self.outputs).for_each(|dy| dbias.iter_mut().zip(dy).for_each(|(sum, d)| *sum += d));
        let (x, dy) = (View::new(x, n, self.inputs), View::new(dy, n, self.outputs));
        let dweight = ViewMut::strided(&mut gradient[self.weight..], self.inputs, self.outputs, self.stride);
        matmul(dweight, Write::Add, 1.0, x.t(), dy, 1);
        if let Some((dx, write)) = dx {
            let weight = View::strided(&parameters[self.weight..], self.inputs, self.outputs, self.stride);
            matmul(ViewMut::new(dx, n, self.inputs), write, 1.0, dy, weight.t(), 1);
        }
    }
}

/// √(2/π).
const GELU_SCALE: f32 = 0.797_884_6;

/// `tanh(√(2/π)·(x + 0.044715·x³))` and its argument's derivative.
#[inline(always)]
#[allow(clippy::inline_always)] // see `kernels::simd`
fn gelu_tanh(x: f32) -> (f32, f32) {
    let square = x * x;
    let u = GELU_SCALE * x * 0.044_715f32.mul_add(square, 1.0);
    let tanh = 1.0 - 2.0 / (exp(2.0 * u) + 1.0);
    (tanh, GELU_SCALE * (3.0 * 0.044_715f32).mul_add(square, 1.0))
}

/// GELU by its tanh approximation (Hendrycks and Gimpel 2016), as GPT-2 computes it.
fn gelu(x: &[f32], out: &mut Vec<f32>) {
    out.resize(x.len(), 0.0);
    simd(
        #[inline(always)]
        || {
            for (&x, out) in x.iter().zip(out) {
                *out = 0.5 * x * (1.0 + gelu_tanh(x).0);
            }
        },
    );
}

fn gelu_backward(x: &[f32], d: &mut [f32]) {
    simd(
        #[inline(always)]
        || {
            for (&x, d) in x.iter().zip(d) {
                let (tanh, slope) = gelu_tanh(x);
                *d *= 0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * slope;
            }
        },
    );
}
