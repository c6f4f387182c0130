//! The network of the Decision-Pretrained Transformer: GPT-2 over tokens that are vectors, without positions, forward and backward.
//!
//! Layer norms before attention and feed-forward, biases everywhere, GELU by tanh (Radford et al. 2019). Weights are kept as GPT-2
//! keeps them, inputs × outputs.
//!
//! The passes are made for networks as narrow as the published one (32): a few sequences at a time, whose activations stay in the
//! cache, and no matrix is packed. A matrix has a feature a row and a position a column (see `tile`), so that norms and softmaxes are
//! sums of rows. Once a step, what a norm multiplies and adds, and the scale of the queries, go into the maps that follow (`fold`), and
//! come out of the gradient at its end (`unfold`).

use std::ops::Range;

use crate::causal::{Gradients, Head, Scratch, panels_len};
use crate::config::DptConfig;
use crate::head::Loss;
use crate::kernels::{View, ViewMut, exp, simd};
use crate::layout::Layout;
use crate::rng::Rng;
use crate::tile::{Start, lanes, multiply, transpose};

/// ε of GPT-2's layer norms.
const EPS: f32 = 1e-5;
/// Numbers of a line of the cache.
const LINE: usize = 16;
/// Exponentials that a pass keeps for its way back, 16 MiB of them; with longer sequences it computes them again.
const KEPT: usize = 1 << 22;

/// A weight and its bias, among the parameters.
#[derive(Clone, Debug)]
struct Affine {
    weight: Range<usize>,
    bias: Range<usize>,
}

/// A linear map, and the norm that its input comes from.
#[derive(Clone, Debug)]
struct Map {
    inputs: usize,
    outputs: usize,
    affine: Affine,
    norm: Option<Affine>,
    /// So many of the first outputs are multiplied by this.
    scale: (usize, f32),
    folded: Folded,
    gradient: Affine,
}

/// Where a folded map lies among the weights of the passes.
#[derive(Clone, Debug)]
struct Folded {
    by_outputs: Range<usize>,
    by_inputs: Range<usize>,
    bias: Range<usize>,
}

/// One block's maps, in the order of their use.
#[derive(Clone, Debug)]
struct Block {
    /// Queries, keys and values side by side.
    attention: Map,
    projection: Map,
    fc: Map,
    fc_out: Map,
}

/// The network's shape and the layout of its parameters.
#[derive(Clone, Debug)]
pub struct DptNetwork {
    width: usize,
    heads: usize,
    layout: Layout,
    embed: Map,
    blocks: Vec<Block>,
    predict: Map,
    /// Numbers in all folded maps, and in all their gradients.
    folded: usize,
    gradients: usize,
}

/// Tokens by the few numbers of each that are not zero.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    numbers: Vec<(usize, f32)>,
    ends: Vec<usize>,
}

impl Tokens {
    /// Appends a token: places among its inputs, and what stands there.
    pub fn push(&mut self, numbers: impl IntoIterator<Item = (usize, f32)>) {
        self.numbers.extend(numbers);
        self.ends.push(self.numbers.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn get(&self, i: usize) -> &[(usize, f32)] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.numbers[start..self.ends[i]]
    }
}

/// Finds places for parameters, folded maps and gradients.
#[derive(Default)]
struct Builder {
    layout: Layout,
    folded: usize,
    gradients: usize,
}

impl Builder {
    fn affine(&mut self, name: &str, weight: Vec<usize>, outputs: usize) -> Affine {
        Affine {
            weight: self.layout.add(format!("{name}.weight"), weight),
            bias: self.layout.add(format!("{name}.bias"), vec![outputs]),
        }
    }

    fn norm(&mut self, name: &str, width: usize) -> Affine {
        self.affine(name, vec![width], width)
    }

    fn map(&mut self, name: &str, norm: Option<Affine>, inputs: usize, outputs: usize) -> Map {
        let take = |end: &mut usize, numbers: usize| {
            let start = *end;
            *end += numbers;
            start..*end
        };
        let affine = self.affine(name, vec![inputs, outputs], outputs);
        let folded = Folded {
            by_outputs: take(&mut self.folded, inputs * outputs),
            by_inputs: take(&mut self.folded, inputs * outputs),
            bias: take(&mut self.folded, outputs),
        };
        let padded = outputs.next_multiple_of(LINE);
        let weight = take(&mut self.gradients, inputs * padded);
        let gradient = Affine { weight, bias: take(&mut self.gradients, padded) };
        Map { inputs, outputs, affine, norm, scale: (0, 1.0), folded, gradient }
    }
}

impl DptNetwork {
    /// Lays out the parameters under GPT-2's names. The configuration has been checked.
    pub fn new(config: &DptConfig) -> Self {
        let (width, heads) = (config.hidden, config.heads);
        let mut builder = Builder::default();
        let embed = builder.map("embed_transition", None, 2 * config.observations + config.actions + 1, width);
        let block = |layer: usize| {
            let name = |part: &str| format!("transformer.h.{layer}.{part}");
            let ln_1 = builder.norm(&name("ln_1"), width);
            let mut attention = builder.map(&name("attn.c_attn"), Some(ln_1), width, 3 * width);
            attention.scale = (width, 1.0 / ((width / heads) as f32).sqrt());
            let projection = builder.map(&name("attn.c_proj"), None, width, width);
            let ln_2 = builder.norm(&name("ln_2"), width);
            let fc = builder.map(&name("mlp.c_fc"), Some(ln_2), width, 4 * width);
            Block { attention, projection, fc, fc_out: builder.map(&name("mlp.c_proj"), None, 4 * width, width) }
        };
        let blocks = (0..config.layers).map(block).collect();
        let ln_f = builder.norm("transformer.ln_f", width);
        let predict = builder.map("pred_actions", Some(ln_f), width, config.actions);
        let Builder { layout, folded, gradients } = builder;
        Self { width, heads, layout, embed, blocks, predict, folded, gradients }
    }

    /// Where its tensors lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Numbers in a token: two observations and an action, one-hot, and a reward.
    pub fn inputs(&self) -> usize {
        self.embed.inputs
    }

    /// Number of actions.
    pub fn actions(&self) -> usize {
        self.predict.outputs
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

    /// Multiplications and additions of all linear maps for one token, and of attention for one pair of tokens, forward. Most numbers of
    /// a token are zero, so that the first map hardly multiplies.
    pub fn flops(&self) -> (f64, f64) {
        let size = |map: &Map| 2.0 * (map.inputs * map.outputs) as f64;
        let block = |b: &Block| size(&b.attention) + size(&b.projection) + size(&b.fc) + size(&b.fc_out);
        let rows = self.blocks.iter().map(block).sum::<f64>() + size(&self.predict);
        (rows, 4.0 * (self.width * self.blocks.len()) as f64)
    }

    fn maps(&self) -> impl Iterator<Item = &Map> {
        let blocks = self.blocks.iter().flat_map(|b| [&b.attention, &b.projection, &b.fc, &b.fc_out]);
        std::iter::once(&self.embed).chain(blocks).chain(std::iter::once(&self.predict))
    }

    /// The weights as the passes read them.
    pub fn fold(&self, parameters: &[f32]) -> Vec<f32> {
        let mut folded = vec![0.0; self.folded];
        self.maps().for_each(|map| map.fold(parameters, &mut folded));
        folded
    }

    /// Numbers in the gradient that the passes add to.
    pub fn gradients(&self) -> usize {
        self.gradients
    }

    /// The gradient at the parameters, of one at the folded weights.
    pub fn unfold(&self, parameters: &[f32], gradient: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; parameters.len()];
        self.maps().for_each(|map| map.unfold(parameters, gradient, &mut out));
        out
    }
}

/// A sequence in the columns of a pass.
#[derive(Clone, Debug)]
struct Place {
    tokens: Range<usize>,
    /// Its columns: whole vectors, of which the last may be filled with nothing. As no query sees what follows it and nothing follows
    /// from what stands there, gradients are zero there by themselves.
    columns: Range<usize>,
}

/// What a block's backward pass needs of its forward pass.
#[derive(Default)]
struct Saved {
    norm_1: Normed,
    qkv: Vec<f32>,
    exponentials: Vec<f32>,
    inverse: Vec<f32>,
    attended: Vec<f32>,
    norm_2: Normed,
    active: Vec<f32>,
    slope: Vec<f32>,
}

/// A layer norm's standardised input, and one over its deviations.
#[derive(Default)]
struct Normed {
    standard: Vec<f32>,
    inverse: Vec<f32>,
}

/// The passes of some sequences and their buffers.
#[derive(Default)]
pub struct Pass {
    places: Vec<Place>,
    columns: usize,
    stride: usize,
    stream: Vec<f32>,
    blocks: Vec<Saved>,
    norm_f: Normed,
    /// `actions × columns`; after the loss its gradient.
    logits: Vec<f32>,
    /// A position a row.
    laid_down: Vec<f32>,
    panels: Vec<f32>,
    narrow: Vec<f32>,
    wide: Vec<f32>,
    attention: Scratch,
}

impl Pass {
    /// Logits of the actions after each token of the sequences, or their gradient once there is a loss.
    pub fn logits(&self) -> Vec<Vec<f32>> {
        let columns = self.places.iter().flat_map(|place| place.columns.clone().take(place.tokens.len()));
        columns.map(|column| self.logits.chunks_exact(self.stride).map(|row| row[column]).collect()).collect()
    }

    /// Gives the sequences their columns.
    fn lay_out(&mut self, sequences: &[Range<usize>]) {
        let mut end = 0;
        let place = |tokens: &Range<usize>| {
            let start = end;
            end += tokens.len().next_multiple_of(lanes());
            Place { tokens: tokens.clone(), columns: start..end }
        };
        self.places = sequences.iter().map(place).collect();
        self.columns = end;
        // An odd number of lines, so that a column's numbers do not fight for one place in the cache.
        self.stride = (end.div_ceil(LINE) | 1) * LINE;
    }

    /// Logits of the actions after every token, where tokens attend within `sequences`. With `keep` a backward pass may follow.
    pub fn forward(
        &mut self,
        network: &DptNetwork,
        weights: &[f32],
        tokens: &Tokens,
        sequences: &[Range<usize>],
        keep: bool,
    ) {
        self.lay_out(sequences);
        let (n, stride, width) = (self.columns, self.stride, network.width);
        self.embed(network, weights, tokens);
        let kept = network.kept(&self.places);
        self.blocks.resize_with(if keep { network.blocks.len() } else { 1 }, Saved::default);
        for (i, block) in network.blocks.iter().enumerate() {
            let saved = &mut self.blocks[if keep { i } else { 0 }];
            saved.norm_1.norm(&self.stream, width, n, stride);
            saved.qkv.resize(3 * width * stride, 0.0);
            block.attention.forward(weights, &saved.norm_1.standard, &mut saved.qkv, Start::Zero, n, stride);
            saved.attended.resize(width * stride, 0.0);
            saved.inverse.resize(network.heads * stride, 0.0);
            let all = if keep { kept.unwrap_or(0) } else { 0 };
            saved.exponentials.resize(all, 0.0);
            let mut rest = &mut saved.exponentials[..];
            for place in &self.places {
                for index in 0..network.heads {
                    let panels;
                    let len = panels_len(place.columns.len());
                    if all == 0 {
                        self.panels.resize(self.panels.len().max(len), 0.0);
                        panels = &mut self.panels[..len];
                    } else {
                        (panels, rest) = std::mem::take(&mut rest).split_at_mut(len);
                    }
                    let at = network.head_at(index, place, stride);
                    let inverse = &mut saved.inverse[index * stride..][place.columns.clone()];
                    let head = network.head(&saved.qkv, place, stride, at);
                    head.exponentials(panels, inverse);
                    head.attend(panels, inverse, &mut saved.attended[at..]);
                }
            }
            block.projection.forward(weights, &saved.attended, &mut self.stream, Start::Kept, n, stride);
            saved.norm_2.norm(&self.stream, width, n, stride);
            saved.active.resize(4 * width * stride, 0.0);
            block.fc.forward(weights, &saved.norm_2.standard, &mut saved.active, Start::Zero, n, stride);
            saved.slope.resize(saved.active.len(), 0.0);
            gelu(&mut saved.active, &mut saved.slope, n, stride);
            block.fc_out.forward(weights, &saved.active, &mut self.stream, Start::Kept, n, stride);
        }
        self.norm_f.norm(&self.stream, width, n, stride);
        self.logits.resize(network.actions() * stride, 0.0);
        network.predict.forward(weights, &self.norm_f.standard, &mut self.logits, Start::Zero, n, stride);
    }

    fn embed(&mut self, network: &DptNetwork, weights: &[f32], tokens: &Tokens) {
        let width = network.width;
        let Folded { by_inputs, bias, .. } = &network.embed.folded;
        let (weight, bias) = (&weights[by_inputs.clone()], &weights[bias.clone()]);
        self.laid_down.clear();
        self.laid_down.resize(self.columns * width, 0.0);
        for place in &self.places {
            let rows = self.laid_down[place.columns.start * width..].chunks_exact_mut(width);
            for (row, token) in rows.zip(place.tokens.clone()) {
                row.copy_from_slice(bias);
                for &(input, x) in tokens.get(token) {
                    let weight = &weight[input * width..(input + 1) * width];
                    row.iter_mut().zip(weight).for_each(|(sum, w)| *sum += x * w);
                }
            }
        }
        self.stream.resize(width * self.stride, 0.0);
        transpose(self.columns, width, &self.laid_down, width, &mut self.stream, self.stride);
    }

    /// Cross-entropy of each sequence's label, the mean over its positions; turns the logits into their gradient, of `total` decisions.
    pub fn cross_entropy(&mut self, labels: &[usize], total: usize) -> Loss {
        let (stride, actions) = (self.stride, self.logits.len() / self.stride);
        let mut loss = Loss { labels: labels.len() as u64, ..Loss::default() };
        let mut sums = Vec::new();
        for (place, &label) in self.places.iter().zip(labels) {
            let n = place.tokens.len();
            let row = |action: usize| action * stride + place.columns.start..action * stride + place.columns.end;
            let last = |action: usize| self.logits[row(action).start + n - 1];
            // Ties go to the lowest action, as everywhere.
            let best =
                |action: usize| if action < label { last(action) < last(label) } else { last(action) <= last(label) };
            loss.correct += u64::from((0..actions).all(best));
            let largest = |column: usize| {
                let of = |action: usize| self.logits[row(action).start + column];
                (of(label), (0..actions).map(of).fold(f32::NEG_INFINITY, f32::max))
            };
            sums.clear();
            sums.extend((0..n).map(|column| (largest(column), 0f32)));
            for action in 0..actions {
                let logits = &mut self.logits[row(action)];
                simd(
                    #[inline(always)]
                    || {
                        for (x, ((_, largest), sum)) in logits.iter_mut().zip(&mut sums) {
                            *x = exp(*x - *largest);
                            *sum += *x;
                        }
                    },
                );
                logits[n..].fill(0.0);
            }
            let share = 1.0 / (n * total) as f32;
            for (column, &((target, largest), sum)) in sums.iter().enumerate() {
                loss.sum += f64::from(largest - target + sum.ln()) / n as f64;
                for action in 0..actions {
                    let d = &mut self.logits[row(action).start + column];
                    *d = (*d / sum - f32::from(u8::from(action == label))) * share;
                }
            }
        }
        loss
    }

    /// Adds the folded maps' gradient, given the gradient at the logits. The forward pass kept what it found.
    pub fn backward(&mut self, network: &DptNetwork, weights: &[f32], tokens: &Tokens, gradient: &mut [f32]) {
        let (n, stride, width) = (self.columns, self.stride, network.width);
        let down = &mut self.laid_down;
        self.narrow.resize(width * stride, 0.0);
        self.wide.resize(4 * width * stride, 0.0);
        let (d, dy, wide) = (&mut self.stream, &mut self.narrow, &mut self.wide);
        network.predict.backward(weights, &self.norm_f.standard, &self.logits, gradient, Some(dy), down, n, stride);
        d.fill(0.0);
        self.norm_f.backward(dy, d, n, stride);
        let kept = network.kept(&self.places).is_some();
        for (block, saved) in network.blocks.iter().zip(&mut self.blocks).rev() {
            block.fc_out.backward(weights, &saved.active, d, gradient, Some(wide), down, n, stride);
            multiply_by(&saved.slope, wide);
            block.fc.backward(weights, &saved.norm_2.standard, wide, gradient, Some(dy), down, n, stride);
            saved.norm_2.backward(dy, d, n, stride);
            block.projection.backward(weights, &saved.attended, d, gradient, Some(dy), down, n, stride);
            let (dq, dkv) = wide.split_at_mut(width * stride);
            let (dk, dv) = dkv.split_at_mut(width * stride);
            let mut rest = &saved.exponentials[..];
            for place in &self.places {
                for index in 0..network.heads {
                    let at = network.head_at(index, place, stride);
                    let head = network.head(&saved.qkv, place, stride, at);
                    let inverse = &mut saved.inverse[index * stride..][place.columns.clone()];
                    let len = panels_len(place.columns.len());
                    let panels;
                    if kept {
                        (panels, rest) = rest.split_at(len);
                    } else {
                        head.exponentials(&mut self.panels[..len], inverse);
                        panels = &self.panels[..len];
                    }
                    let d = Gradients { q: &mut dq[at..], k: &mut dk[at..], v: &mut dv[at..] };
                    head.backward(panels, inverse, &saved.attended[at..], &mut dy[at..], d, &mut self.attention);
                }
            }
            let dqkv = &wide[..3 * width * stride];
            block.attention.backward(weights, &saved.norm_1.standard, dqkv, gradient, Some(dy), down, n, stride);
            saved.norm_1.backward(dy, d, n, stride);
        }
        let Affine { weight, bias } = &network.embed.gradient;
        let padded = bias.len();
        lay_down(d, width, n, stride, down);
        for place in &self.places {
            for (token, row) in place.tokens.clone().zip(down[place.columns.start * padded..].chunks_exact(padded)) {
                gradient[bias.clone()].iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
                for &(input, x) in tokens.get(token) {
                    let sums = &mut gradient[weight.start + input * padded..][..padded];
                    sums.iter_mut().zip(row).for_each(|(sum, d)| *sum += x * d);
                }
            }
        }
    }
}

impl DptNetwork {
    /// Numbers of all heads' exponentials in one block, if a pass keeps them.
    fn kept(&self, places: &[Place]) -> Option<usize> {
        let all = self.heads * places.iter().map(|place| panels_len(place.columns.len())).sum::<usize>();
        (all * self.blocks.len() <= KEPT).then_some(all)
    }

    /// Where a head's columns of a sequence begin in a matrix of `width` rows.
    fn head_at(&self, index: usize, place: &Place, stride: usize) -> usize {
        index * (self.width / self.heads) * stride + place.columns.start
    }

    fn head<'a>(&self, qkv: &'a [f32], place: &Place, stride: usize, at: usize) -> Head<'a> {
        let part = |i: usize| &qkv[i * self.width * stride + at..];
        let (q, k, v) = (part(0), part(1), part(2));
        Head { dim: self.width / self.heads, positions: place.columns.len(), stride, q, k, v }
    }
}

/// `down` gets a row for each of the first `n` columns of `d`, with zeros up to whole lines.
fn lay_down(d: &[f32], rows: usize, n: usize, stride: usize, down: &mut Vec<f32>) {
    let padded = rows.next_multiple_of(LINE);
    if padded > rows {
        down.clear();
    }
    down.resize(n * padded, 0.0);
    transpose(rows, n, d, stride, down, padded);
}

impl Map {
    /// `y = start + W·x + b` over the first `n` columns.
    fn forward(&self, weights: &[f32], x: &[f32], y: &mut [f32], start: Start, n: usize, stride: usize) {
        let weight = View::new(&weights[self.folded.by_outputs.clone()], self.outputs, self.inputs);
        let bias = &weights[self.folded.bias.clone()];
        let y = ViewMut::strided(y, self.outputs, n, stride);
        multiply(y, start, Some(bias), weight, View::strided(x, self.inputs, n, stride));
    }

    /// `dW += x·dyᵀ`, `db += Σ dy`, `dx = Wᵀ·dy`.
    #[allow(clippy::too_many_arguments)]
    fn backward(
        &self,
        weights: &[f32],
        x: &[f32],
        dy: &[f32],
        gradient: &mut [f32],
        dx: Option<&mut Vec<f32>>,
        down: &mut Vec<f32>,
        n: usize,
        stride: usize,
    ) {
        lay_down(dy, self.outputs, n, stride, down);
        let Affine { weight, bias } = &self.gradient;
        let padded = bias.len();
        let dbias = &mut gradient[bias.clone()];
        add_rows(down, dbias);
        let dweight = ViewMut::new(&mut gradient[weight.clone()], self.inputs, padded);
        let x = View::strided(x, self.inputs, n, stride);
        multiply(dweight, Start::Kept, None, x, View::new(down, n, padded));
        if let Some(dx) = dx {
            let weight = View::new(&weights[self.folded.by_inputs.clone()], self.inputs, self.outputs);
            let dx = ViewMut::strided(dx, self.inputs, n, stride);
            multiply(dx, Start::Zero, None, weight, View::strided(dy, self.outputs, n, stride));
        }
    }

    fn scale(&self, output: usize) -> f32 {
        if output < self.scale.0 { self.scale.1 } else { 1.0 }
    }

    /// What the norm of the map's input multiplies input `i` by, and adds to it.
    fn normed(&self, parameters: &[f32], i: usize) -> (f32, f32) {
        self.norm
            .as_ref()
            .map_or((1.0, 0.0), |norm| (parameters[norm.weight.start + i], parameters[norm.bias.start + i]))
    }

    /// `scale·((x̂∘w + b)·W + c)` is `x̂·(scale·w∘W) + scale·(c + b·W)`.
    fn fold(&self, parameters: &[f32], folded: &mut [f32]) {
        let Folded { by_outputs, by_inputs, bias } = &self.folded;
        folded[bias.clone()].copy_from_slice(&parameters[self.affine.bias.clone()]);
        for i in 0..self.inputs {
            let (multiplied, added) = self.normed(parameters, i);
            for o in 0..self.outputs {
                let weight = parameters[self.affine.weight.start + i * self.outputs + o];
                let both = weight * multiplied * self.scale(o);
                folded[by_inputs.start + i * self.outputs + o] = both;
                folded[by_outputs.start + o * self.inputs + i] = both;
                folded[bias.start + o] += added * weight;
            }
        }
        folded[bias.clone()].iter_mut().enumerate().for_each(|(o, x)| *x *= self.scale(o));
    }

    /// The parameters' gradient from the folded map's: the chain rule through `fold`.
    fn unfold(&self, parameters: &[f32], gradient: &[f32], out: &mut [f32]) {
        let Affine { weight, bias } = &self.gradient;
        let (at, padded) = (self.affine.weight.start, bias.len());
        for o in 0..self.outputs {
            out[self.affine.bias.start + o] = gradient[bias.start + o] * self.scale(o);
        }
        for i in 0..self.inputs {
            let (multiplied, added) = self.normed(parameters, i);
            let (mut dmultiplied, mut dadded) = (0.0, 0.0);
            for o in 0..self.outputs {
                let d = gradient[weight.start + i * padded + o] * self.scale(o);
                let dbias = gradient[bias.start + o] * self.scale(o);
                let weight = parameters[at + i * self.outputs + o];
                dmultiplied += weight * d;
                dadded += weight * dbias;
                out[at + i * self.outputs + o] = d * multiplied + dbias * added;
            }
            if let Some(norm) = &self.norm {
                (out[norm.weight.start + i], out[norm.bias.start + i]) = (dmultiplied, dadded);
            }
        }
    }
}

impl Normed {
    /// Makes every column standard: mean 0 and variance 1 (Ba, Kiros, Hinton 2016).
    fn norm(&mut self, x: &[f32], width: usize, n: usize, stride: usize) {
        let Self { standard, inverse } = self;
        standard.resize(width * stride, 0.0);
        inverse.resize(n, 0.0);
        let mut mean = vec![0.0; n];
        let share = 1.0 / width as f32;
        simd(
            #[inline(always)]
            || {
                for x in x.chunks_exact(stride) {
                    mean.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
                }
                mean.iter_mut().for_each(|sum| *sum *= share);
                inverse.fill(0.0);
                for (out, x) in standard.chunks_exact_mut(stride).zip(x.chunks_exact(stride)) {
                    for (((out, x), mean), sum) in out.iter_mut().zip(x).zip(&mean).zip(inverse.iter_mut()) {
                        *out = x - mean;
                        *sum = out.mul_add(*out, *sum);
                    }
                }
                inverse.iter_mut().for_each(|sum| *sum = 1.0 / sum.mul_add(share, EPS).sqrt());
                for out in standard.chunks_exact_mut(stride) {
                    out.iter_mut().zip(inverse.iter()).for_each(|(out, inverse)| *out *= inverse);
                }
            },
        );
    }

    /// `dx += (dy - mean dy - x̂·mean(dy·x̂)) / σ`.
    fn backward(&self, dy: &[f32], dx: &mut [f32], n: usize, stride: usize) {
        let width = self.standard.len() / stride;
        let (mut mean, mut along) = (vec![0.0; n], vec![0.0; n]);
        let share = 1.0 / width as f32;
        simd(
            #[inline(always)]
            || {
                for (dy, standard) in dy.chunks_exact(stride).zip(self.standard.chunks_exact(stride)) {
                    let sums = mean.iter_mut().zip(along.iter_mut());
                    for ((dy, standard), (mean, along)) in dy.iter().zip(standard).zip(sums) {
                        *mean += dy;
                        *along = dy.mul_add(*standard, *along);
                    }
                }
                mean.iter_mut()
                    .zip(along.iter_mut())
                    .for_each(|(mean, along)| (*mean, *along) = (*mean * share, *along * share));
                let rows = dx.chunks_exact_mut(stride).zip(dy.chunks_exact(stride));
                for ((dx, dy), standard) in rows.zip(self.standard.chunks_exact(stride)) {
                    let sums = mean.iter().zip(&along).zip(&self.inverse);
                    for (((dx, dy), standard), ((mean, along), inverse)) in
                        dx.iter_mut().zip(dy).zip(standard).zip(sums)
                    {
                        *dx += standard.mul_add(-along, dy - mean) * inverse;
                    }
                }
            },
        );
    }
}

/// `d ∘= slope`.
fn multiply_by(slope: &[f32], d: &mut [f32]) {
    simd(
        #[inline(always)]
        || {
            for (d, slope) in d.iter_mut().zip(slope) {
                *d *= slope;
            }
        },
    );
}

/// Adds every row of `x` to `sum`.
fn add_rows(x: &[f32], sum: &mut [f32]) {
    simd(
        #[inline(always)]
        || {
            for row in x.chunks_exact(sum.len()) {
                for (sum, x) in sum.iter_mut().zip(row) {
                    *sum += x;
                }
            }
        },
    );
}

/// √(2/π).
const GELU_SCALE: f32 = 0.797_884_6;

/// GELU by its tanh approximation (Hendrycks and Gimpel 2016), as GPT-2 computes it, in place, and its slope. With u = √(2/π)·(x +
/// 0.044715·x³) it is x·s where s = (1 + tanh u)/2 = 1/(1 + exp(-2u)), and its slope is s + x·s·(1 - s)·2u'.
fn gelu(x: &mut [f32], slope: &mut [f32], n: usize, stride: usize) {
    simd(
        #[inline(always)]
        || {
            for (x, slope) in x.chunks_exact_mut(stride).zip(slope.chunks_exact_mut(stride)) {
                for (x, slope) in x[..n].iter_mut().zip(slope) {
                    let square = *x * *x;
                    let s = 1.0 / (1.0 + exp(-2.0 * GELU_SCALE * *x * 0.044_715f32.mul_add(square, 1.0)));
                    let active = *x * s;
                    let du = 2.0 * GELU_SCALE * (3.0 * 0.044_715f32).mul_add(square, 1.0);
                    *slope = (active * (1.0 - s)).mul_add(du, s);
                    *x = active;
                }
            }
        },
    );
}
