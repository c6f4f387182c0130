//! Causal attention of one sequence with grouped keys and values, forward and backward.
//!
//! Queries go in blocks against the keys that the block can see, so half of the score matrix is never computed and the scratch
//! is one block high. With a sliding window the keys before the block's first window are left out as well. The forward pass keeps the
//! log-sum-exp of every score row, from which the backward pass rebuilds the probabilities (Dao et al. 2022).

mod tiles;

use std::ops::Range;

use crate::bf16::Kernel;
use crate::kernels::{View, ViewMut, Write, dot, matmul, simd, softmax_row, softmax_row_backward};

/// Query rows of one block: high enough for the matrix kernel, low enough to skip most of what is masked.
const BLOCK: usize = 64;

/// The shape of multi-head attention; `heads` is a multiple of `kv_heads`.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads, each shared by `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Width of one head.
    pub dim: usize,
    /// Scores are divided by its root: the width of a head, where nothing else is said.
    pub scalar: f32,
    /// A position sees itself and those before it, so many in all; without it all of them.
    pub window: Option<usize>,
}

impl Heads {
    /// Heads whose scores are divided by the root of their width, and which see everything before them.
    pub const fn new(heads: usize, kv_heads: usize, dim: usize) -> Self {
        Self { heads, kv_heads, dim, scalar: dim as f32, window: None }
    }

    /// Width of a row of queries.
    pub fn q_width(&self) -> usize {
        self.heads * self.dim
    }

    /// Width of a row of keys, and of values.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.dim
    }

    /// Where a head's queries begin in a row, and its keys and values, and whether it is the first one that has these keys.
    fn columns(&self, head: usize) -> (usize, usize, bool) {
        let group = self.heads / self.kv_heads;
        (head * self.dim, head / group * self.dim, head.is_multiple_of(group))
    }

    fn scale(&self) -> f32 {
        1.0 / self.scalar.sqrt()
    }

    /// The keys that the query at a position sees.
    fn seen(&self, position: usize) -> Range<usize> {
        let end = position + 1;
        end.saturating_sub(self.window.unwrap_or(end))..end
    }

    /// What of a row of scores over the keys from `first` on the query at a position sees; the rest is set to zero.
    fn unmasked<'s>(&self, row: &'s mut [f32], first: usize, position: usize) -> &'s mut [f32] {
        let Range { start, end } = self.seen(position);
        row[..start - first].fill(0.0);
        row[end - first..].fill(0.0);
        &mut row[start - first..end - first]
    }
}

/// The blocks that so many query rows go in.
fn rows_of_blocks(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(n))
}

/// Buffers of attention.
#[derive(Default)]
pub struct Scratch {
    /// A block of scores, then of probabilities.
    p: Vec<f32>,
    /// The gradient at a block of scores.
    ds: Vec<f32>,
    /// What the products are computed by in bf16; without it they are computed in f32.
    pub bf16: Option<Kernel>,
    tiles: tiles::Scratch,
}

/// `out = softmax(q·kᵀ/√scalar)·v` for the last `n` of `total` positions: `q`, `out` are `n × heads·dim`, `k`, `v` are
/// `total × kv_heads·dim`, and query `i` sees keys up to `total - n + i`, as far back as the window. Fills `lse` (`n × heads`) with
/// log-sum-exps of scores.
pub fn forward(shape: Heads, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32], lse: &mut [f32], scratch: &mut Scratch) {
    let (qw, kw, dim) = (shape.q_width(), shape.kv_width(), shape.dim);
    let (n, total) = (q.len() / qw, k.len() / kw);
    if let Some(kernel) = scratch.bf16 {
        return tiles::forward(kernel, shape, q, k, v, out, lse, &mut scratch.tiles);
    }
    let p = &mut scratch.p;
    for head in 0..shape.heads {
        let (qc, kc, _) = shape.columns(head);
        for block in rows_of_blocks(n) {
            let (start, rows) = (block.start, block.len());
            let position = total - n + start;
            let first = shape.seen(position).start;
            let keys = position + rows - first;
            p.resize(rows * keys, 0.0);
            let queries = View::strided(&q[start * qw + qc..], rows, dim, qw);
            let k = View::strided(&k[first * kw + kc..], keys, dim, kw);
            matmul(ViewMut::new(p, rows, keys), Write::Set, shape.scale(), queries, k.t(), 1);
            for (i, row) in p.chunks_exact_mut(keys).enumerate() {
                lse[(start + i) * shape.heads + head] = softmax_row(shape.unmasked(row, first, position + i));
            }
            let v = View::strided(&v[first * kw + kc..], keys, dim, kw);
            let out = ViewMut::strided(&mut out[start * qw + qc..], rows, dim, qw);
            matmul(out, Write::Set, 1.0, View::new(p, rows, keys), v, 1);
        }
    }
}

/// What the backward pass reads: the forward pass's inputs and results, and the gradient of its output.
pub struct Backward<'a> {
    /// Queries.
    pub q: &'a [f32],
    /// Keys.
    pub k: &'a [f32],
    /// Values.
    pub v: &'a [f32],
    /// The forward pass's output.
    pub out: &'a [f32],
    /// The forward pass's log-sum-exps.
    pub lse: &'a [f32],
    /// Gradient of the loss at `out`.
    pub dout: &'a [f32],
}

/// Gradients at `q`, `k` and `v` of one whole sequence (`n = total`). All three are overwritten.
pub fn backward(shape: Heads, saved: &Backward, dq: &mut [f32], dk: &mut [f32], dv: &mut [f32], scratch: &mut Scratch) {
    let (qw, kw, dim) = (shape.q_width(), shape.kv_width(), shape.dim);
    let n = saved.q.len() / qw;
    if let Some(kernel) = scratch.bf16 {
        return tiles::backward(kernel, shape, saved, dq, dk, dv, &mut scratch.tiles);
    }
    let Scratch { p, ds, .. } = scratch;
    dk.fill(0.0);
    dv.fill(0.0);
    for head in 0..shape.heads {
        let (qc, kc, _) = shape.columns(head);
        for block in rows_of_blocks(n) {
            let (start, rows) = (block.start, block.len());
            let first = shape.seen(start).start;
            let keys = start + rows - first;
            p.resize(rows * keys, 0.0);
            ds.resize(rows * keys, 0.0);
            let queries = View::strided(&saved.q[start * qw + qc..], rows, dim, qw);
            let dout = View::strided(&saved.dout[start * qw + qc..], rows, dim, qw);
            let k = View::strided(&saved.k[first * kw + kc..], keys, dim, kw);
            let v = View::strided(&saved.v[first * kw + kc..], keys, dim, kw);
            matmul(ViewMut::new(p, rows, keys), Write::Set, shape.scale(), queries, k.t(), 1);
            matmul(ViewMut::new(ds, rows, keys), Write::Set, 1.0, dout, v.t(), 1);
            for (i, (p, ds)) in p.chunks_exact_mut(keys).zip(ds.chunks_exact_mut(keys)).enumerate() {
                let at = (start + i) * qw + qc..(start + i) * qw + qc + dim;
                let delta = simd(
                    #[inline(always)]
                    || dot(&saved.dout[at.clone()], &saved.out[at]),
                );
                let lse = saved.lse[(start + i) * shape.heads + head];
                let (p, ds) = (shape.unmasked(p, first, start + i), shape.unmasked(ds, first, start + i));
                softmax_row_backward(p, ds, lse, delta, shape.scale());
            }
            let (p, ds) = (View::new(p, rows, keys), View::new(ds, rows, keys));
            matmul(ViewMut::strided(&mut dq[start * qw + qc..], rows, dim, qw), Write::Set, 1.0, ds, k, 1);
            matmul(ViewMut::strided(&mut dk[first * kw + kc..], keys, dim, kw), Write::Add, 1.0, ds.t(), queries, 1);
            matmul(ViewMut::strided(&mut dv[first * kw + kc..], keys, dim, kw), Write::Add, 1.0, p.t(), dout, 1);
        }
    }
}
