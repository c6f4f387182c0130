//! The language-model head, at the rows that need it and nowhere else, with the vocabulary's weights made dense in blocks.

use std::ops::Range;

use crate::kernels::{View, ViewMut, Write, log_sum_exp, matmul, softmax_row};
use crate::quantized::Matrix;

/// Vocabulary rows made dense at once: 4.5 MiB at a width of 576.
const VOCABULARY_BLOCK: usize = 2048;
/// Rows of logits kept at once: 24 MiB at 49,152 ids.
const ROW_BLOCK: usize = 128;

/// Sums over labelled positions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// Σ of cross-entropies.
    pub sum: f64,
    /// Positions where the label has the largest logit.
    pub correct: u64,
    /// Labelled positions.
    pub labels: u64,
}

impl std::ops::AddAssign for Loss {
    fn add_assign(&mut self, other: Self) {
        self.sum += other.sum;
        self.correct += other.correct;
        self.labels += other.labels;
    }
}

/// Buffers of the head.
#[derive(Default)]
pub struct Scratch {
    weight: Vec<f32>,
    logits: Vec<f32>,
}

/// Calls `f` with each block of the vocabulary and its dense weights.
fn for_each_block(head: Matrix, weight: &mut Vec<f32>, mut f: impl FnMut(Range<usize>, &[f32])) {
    for start in (0..head.rows()).step_by(VOCABULARY_BLOCK) {
        let ids = start..(start + VOCABULARY_BLOCK).min(head.rows());
        weight.resize(ids.len() * head.cols(), 0.0);
        head.dequantize_rows(ids.clone(), weight);
        f(ids, weight);
    }
}

/// `logits = rows · headᵀ`, `n × vocabulary`.
fn logits(head: Matrix, rows: &[f32], scratch: &mut Scratch, threads: usize) {
    let (width, vocabulary, n) = (head.cols(), head.rows(), rows.len() / head.cols());
    let Scratch { weight, logits } = scratch;
    logits.resize(n * vocabulary, 0.0);
    for_each_block(head, weight, |ids, weight| {
        let dst = ViewMut::strided(&mut logits[ids.start..], n, ids.len(), vocabulary);
        let weight = View::new(weight, ids.len(), width);
        matmul(dst, Write::Set, 1.0, View::new(rows, n, width), weight.t(), threads);
    });
}

/// Cross-entropy of `labels` given normalised hidden rows, which it replaces by `weight · ∂Σ/∂rows`. Where the head itself is
/// trained, `weight · ∂Σ/∂head` is added to `head_gradient`.
pub fn loss_and_gradient(
    head: Matrix,
    rows: &mut [f32],
    labels: &[u32],
    weight: f32,
    scratch: &mut Scratch,
    mut head_gradient: Option<&mut [f32]>,
) -> Loss {
    let (width, vocabulary) = (head.cols(), head.rows());
    let mut loss = Loss::default();
    for (rows, labels) in rows.chunks_mut(ROW_BLOCK * width).zip(labels.chunks(ROW_BLOCK)) {
        logits(head, rows, scratch, 1);
        let Scratch { weight: dense, logits } = &mut *scratch;
        for (row, &label) in logits.chunks_exact_mut(vocabulary).zip(labels) {
            let target = row[label as usize];
            // Ties go to the lowest id, so the label wins only if no earlier id is as large.
            let (before, after) = row.split_at(label as usize);
            loss.correct += u64::from(before.iter().all(|&x| x < target) && after.iter().all(|&x| x <= target));
            loss.sum += f64::from(softmax_row(row)) - f64::from(target);
            row[label as usize] -= 1.0;
        }
        loss.labels += labels.len() as u64;
        if let Some(gradient) = &mut head_gradient {
            let d = View::new(logits, labels.len(), vocabulary);
            let dst = ViewMut::new(gradient, vocabulary, width);
            matmul(dst, Write::Add, weight, d.t(), View::new(rows, labels.len(), width), 1);
        }
        let mut write = Write::Set;
        for_each_block(head, dense, |ids, dense| {
            let d = View::strided(&logits[ids.start..], labels.len(), ids.len(), vocabulary);
            let dense = View::new(dense, ids.len(), width);
            matmul(ViewMut::new(rows, labels.len(), width), write, weight, d, dense, 1);
            write = Write::Add;
        });
    }
    loss
}

/// Log-probabilities over the whole vocabulary, read at each row's candidates.
pub fn log_probabilities(
    head: Matrix,
    rows: &[f32],
    candidates: &[&[u32]],
    scratch: &mut Scratch,
    threads: usize,
) -> Vec<Vec<f32>> {
    let mut out = Vec::with_capacity(candidates.len());
    for (rows, candidates) in rows.chunks(ROW_BLOCK * head.cols()).zip(candidates.chunks(ROW_BLOCK)) {
        logits(head, rows, scratch, threads);
        for (row, candidates) in scratch.logits.chunks_exact(head.rows()).zip(candidates) {
            let total = log_sum_exp(row);
            out.push(candidates.iter().map(|&id| row[id as usize] - total).collect());
        }
    }
    out
}
