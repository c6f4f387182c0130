//! Loss and gradient of a batch: micro-batches side by side on all threads, their gradients summed in a fixed order.

use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;

use crate::attention;
use crate::base::Shape;
use crate::head::{self, Loss};
use crate::kernels::{Rope, rms_norm, rms_norm_backward, rms_norm_weight_gradient};
use crate::layer::{Norm, Pass, Saved, Scratch, Trained, Weights as _, attend_within};
use crate::quantized::Matrix;

/// One training example: a label stands at the position that it is the value of, `None` where there is no loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Labels, as many as ids.
    pub labels: Vec<Option<u32>>,
}

impl Example {
    /// Labelled positions as `(row that predicts, label)`. The first position has no predecessor, so its label does not count.
    pub fn targets(&self) -> impl Iterator<Item = (usize, u32)> {
        self.labels.iter().enumerate().skip(1).filter_map(|(i, label)| Some((i - 1, (*label)?)))
    }

    /// How many of its tokens the loss depends on: attention is causal, so nothing after the row of the last target does.
    pub fn needed(&self) -> usize {
        self.targets().last().map_or(0, |(row, _)| row + 1)
    }
}

/// Examples one after another, without padding.
#[derive(Default)]
struct Packed {
    ids: Vec<u32>,
    positions: Vec<u32>,
    sequences: Vec<Range<usize>>,
    label_rows: Vec<usize>,
    labels: Vec<u32>,
}

impl Packed {
    fn push(&mut self, example: &Example) {
        let start = self.ids.len();
        self.ids.extend(&example.ids[..example.needed()]);
        self.positions.extend(0..example.needed() as u32);
        self.sequences.push(start..self.ids.len());
        for (row, label) in example.targets() {
            self.label_rows.push(start + row);
            self.labels.push(label);
        }
    }
}

/// Tokens that make a micro-batch worth its weights' decoding (some per cent of its time).
const MICRO_BATCH_TOKENS: usize = 512;

/// Splits a batch into a power of two of micro-batches of about equal length, longest example first into the shortest one. The
/// split depends on the examples alone, never on the threads, and so does every rounding error.
fn micro_batches(examples: &[&Example]) -> Vec<Packed> {
    let tokens: usize = examples.iter().map(|e| e.needed()).sum();
    let count = tokens.div_ceil(MICRO_BATCH_TOKENS).next_power_of_two().min(examples.len());
    let mut longest_first: Vec<&&Example> = examples.iter().collect();
    longest_first.sort_by_key(|e| std::cmp::Reverse(e.needed()));
    let mut out: Vec<Packed> = (0..count).map(|_| Packed::default()).collect();
    for example in longest_first {
        if let Some(shortest) = out.iter_mut().min_by_key(|p| p.ids.len()) {
            shortest.push(example);
        }
    }
    out
}

/// Buffers of one micro-batch in flight.
#[derive(Default)]
struct Workspace {
    saved: Vec<Saved>,
    stream: Vec<f32>,
    d: Vec<f32>,
    rows: Vec<f32>,
    drows: Vec<f32>,
    inverse: Vec<f32>,
    layer: Scratch,
    head: head::Scratch,
}

/// A Llama and what of it is trained: a flat vector of parameters makes weights of it.
pub trait Model: Sync {
    /// Its weights at some parameters.
    type Weights<'p>: Trained
    where
        Self: 'p;

    /// The numbers that fix its shape.
    fn shape(&self) -> &Shape;

    /// The weights at these parameters.
    fn at<'p>(&'p self, parameters: &'p [f32]) -> Self::Weights<'p>;

    /// Number of decoder layers.
    fn layers(&self) -> usize;

    /// Token embeddings, `vocabulary × hidden`.
    fn embedding<'p>(&'p self, parameters: &'p [f32]) -> Matrix<'p>;

    /// The language-model head, `vocabulary × hidden`.
    fn head<'p>(&'p self, parameters: &'p [f32]) -> Matrix<'p>;

    /// The part of the gradient that holds the embeddings, and with them the head, if those are trained.
    fn embedding_part<'g>(&self, gradients: &'g mut [f32]) -> Option<&'g mut [f32]>;
}

/// Computes losses and gradients of one model, keeping its buffers between batches.
pub struct Trainer<M> {
    model: M,
    ropes: Vec<Rope>,
    /// Keep only each layer's input and compute the layer again on the way back: a fifth of the memory, a third more time.
    checkpointing: bool,
    workspaces: Mutex<Vec<Workspace>>,
    gradients: Mutex<Vec<Vec<f32>>>,
}

impl<M: Model> Trainer<M> {
    /// For examples of up to `longest` tokens.
    pub fn new(model: M, longest: usize, checkpointing: bool) -> Self {
        let ropes = model.shape().ropes(longest);
        Self { model, ropes, checkpointing, workspaces: Mutex::default(), gradients: Mutex::default() }
    }

    /// Its model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Mean cross-entropy's parts over the batch's labelled positions, and its gradient at the parameters.
    pub fn loss_and_gradient(&self, parameters: &[f32], examples: &[&Example], gradient: &mut Vec<f32>) -> Loss {
        let labels: usize = examples.iter().map(|e| e.targets().count()).sum();
        let weight = 1.0 / labels as f32;
        let batches = micro_batches(examples);
        let parts: Vec<(Loss, Vec<f32>)> =
            batches.par_iter().with_max_len(1).map(|batch| self.micro_batch(parameters, batch, weight)).collect();
        gradient.clear();
        gradient.resize(parameters.len(), 0.0);
        let mut loss = Loss::default();
        for (part, g) in parts {
            loss += part;
            gradient.iter_mut().zip(&g).for_each(|(sum, x)| *sum += x);
            give_back(&self.gradients, g);
        }
        loss
    }

    fn micro_batch(&self, parameters: &[f32], batch: &Packed, weight: f32) -> (Loss, Vec<f32>) {
        let mut gradient: Vec<f32> = take(&self.gradients);
        gradient.clear();
        gradient.resize(parameters.len(), 0.0);
        let mut workspace: Workspace = take(&self.workspaces);
        let weights = self.model.at(parameters);
        let pass = Pass { weights: &weights, ropes: &self.ropes, threads: 1 };
        let loss = self.forward_backward(&pass, parameters, batch, weight, &mut workspace, &mut gradient);
        give_back(&self.workspaces, workspace);
        (loss, gradient)
    }

    fn forward_backward(
        &self,
        pass: &Pass<M::Weights<'_>>,
        parameters: &[f32],
        batch: &Packed,
        weight: f32,
        workspace: &mut Workspace,
        gradient: &mut [f32],
    ) -> Loss {
        let Workspace { saved, stream, d, rows, drows, inverse, layer: scratch, head } = workspace;
        let (shape, layers) = (pass.weights.shape(), self.model.layers());
        let hidden = shape.hidden;
        let attend = |layer: usize| {
            let heads = shape.heads_of(layer);
            move |s: &mut Saved, scratch: &mut attention::Scratch| attend_within(heads, &batch.sequences, s, scratch)
        };
        saved.resize_with(layers + 1, Saved::default);
        scratch.attention.bf16 = pass.weights.bf16();

        // Forward. With checkpointing every layer works in the last `Saved`, and the others keep only their layer's input.
        embed(self.model.embedding(parameters), shape.embedding_scale, &batch.ids, stream);
        for layer in 0..layers {
            let at = if self.checkpointing { layers } else { layer };
            saved[at].x.clone_from(stream);
            if self.checkpointing {
                saved[layer].x.clone_from(stream);
            }
            pass.forward(layer, &mut saved[at], &batch.positions, scratch, attend(layer), Some(stream));
        }

        // Head, at the rows before a label.
        rows.clear();
        batch.label_rows.iter().for_each(|&r| rows.extend_from_slice(&stream[r * hidden..(r + 1) * hidden]));
        drows.resize(rows.len(), 0.0);
        inverse.resize(batch.label_rows.len(), 0.0);
        let norm = pass.weights.norm(Norm::Final);
        rms_norm(rows, norm, shape.eps, drows, inverse);
        let head_gradient = self.model.embedding_part(gradient);
        let matrix = self.model.head(parameters);
        let loss = head::loss_and_gradient(matrix, drows, &batch.labels, weight, head, head_gradient);

        // Backward.
        let mut dx = vec![0.0; rows.len()];
        if let Some(part) = pass.weights.norm_part(Norm::Final, gradient) {
            rms_norm_weight_gradient(rows, inverse, drows, part);
        }
        rms_norm_backward(rows, norm, inverse, drows, &mut dx);
        d.clear();
        d.resize(stream.len(), 0.0);
        for (&row, dx) in batch.label_rows.iter().zip(dx.chunks_exact(hidden)) {
            d[row * hidden..(row + 1) * hidden].copy_from_slice(dx);
        }
        for layer in (0..layers).rev() {
            let at = if self.checkpointing { layers } else { layer };
            if self.checkpointing {
                let (inputs, working) = saved.split_at_mut(layers);
                working[0].x.clone_from(&inputs[layer].x);
                pass.forward(layer, &mut working[0], &batch.positions, scratch, attend(layer), None);
            }
            pass.backward(layer, &mut saved[at], &batch.positions, &batch.sequences, scratch, d, gradient);
        }
        if let Some(part) = self.model.embedding_part(gradient) {
            for (&id, d) in batch.ids.iter().zip(d.chunks_exact(hidden)) {
                let row = &mut part[id as usize * hidden..(id as usize + 1) * hidden];
                row.iter_mut().zip(d).for_each(|(sum, d)| *sum += d * shape.embedding_scale);
            }
        }
        loss
    }
}

/// Rows of the embedding, `scale` times.
pub fn embed(embedding: Matrix, scale: f32, ids: &[u32], out: &mut Vec<f32>) {
    let hidden = embedding.cols();
    out.resize(ids.len() * hidden, 0.0);
    for (&id, row) in ids.iter().zip(out.chunks_exact_mut(hidden)) {
        embedding.dequantize_rows(id as usize..id as usize + 1, row);
        row.iter_mut().for_each(|x| *x *= scale);
    }
}

fn take<T: Default>(pool: &Mutex<Vec<T>>) -> T {
    pool.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop().unwrap_or_default()
}

fn give_back<T>(pool: &Mutex<Vec<T>>, value: T) {
    pool.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(value);
}
