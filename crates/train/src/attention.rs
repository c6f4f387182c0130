//! Causal attention of one sequence with grouped keys and values, forward and backward.
//!
//! Queries go in blocks against the keys that the block can see, so half of the score matrix is never computed and the scratch
//! is one block high. The forward pass keeps the log-sum-exp of every score row, from which the backward pass rebuilds the
//! probabilities (Dao et al. 2022).

use crate::bf16::Multiplier;
use crate::kernels::{View, ViewMut, Write, dot, simd, softmax_row, softmax_row_backward};

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
}

impl Heads {
    /// Width of a row of queries.
    pub fn q_width(&self) -> usize {
        self.heads * self.dim
    }

    /// Width of a row of keys, and of values.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.dim
    }

    fn scale(&self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }
}

/// Buffers of attention.
#[derive(Default)]
pub struct Scratch {
    /// A block of scores, then of probabilities.
    p: Vec<f32>,
    /// The gradient at a block of scores.
    ds: Vec<f32>,
    /// What the products are computed by.
    pub multiplier: Multiplier,
}

/// `out = softmax(q·kᵀ/√dim)·v` for the last `n` of `total` positions: `q`, `out` are `n × heads·dim`, `k`, `v` are
/// `total × kv_heads·dim`, and query `i` sees keys `0..=total - n + i`. Fills `lse` (`n × heads`) with log-sum-exps of scores.
pub fn forward(shape: Heads, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32], lse: &mut [f32], scratch: &mut Scratch) {
    let (qw, kw, dim) = (shape.q_width(), shape.kv_width(), shape.dim);
    let (n, total) = (q.len() / qw, k.len() / kw);
    let Scratch { p, multiplier, .. } = scratch;
    for head in 0..shape.heads {
        let (qc, kc) = (head * dim, head / (shape.heads / shape.kv_heads) * dim);
        for start in (0..n).step_by(BLOCK) {
            let rows = BLOCK.min(n - start);
            let keys = total - n + start + rows;
            p.resize(rows * keys, 0.0);
            let queries = View::strided(&q[start * qw + qc..], rows, dim, qw);
            let k = View::strided(&k[kc..], keys, dim, kw);
            multiplier.matmul(ViewMut::new(p, rows, keys), Write::Set, shape.scale(), queries, k.t());
            for (i, row) in p.chunks_exact_mut(keys).enumerate() {
                let (seen, masked) = row.split_at_mut(keys - rows + i + 1);
                lse[(start + i) * shape.heads + head] = softmax_row(seen);
                masked.fill(0.0);
            }
            let v = View::strided(&v[kc..], keys, dim, kw);
            let out = ViewMut::strided(&mut out[start * qw + qc..], rows, dim, qw);
            multiplier.matmul(out, Write::Set, 1.0, View::new(p, rows, keys), v);
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
    let Scratch { p, ds, multiplier } = scratch;
    dk.fill(0.0);
    dv.fill(0.0);
    for head in 0..shape.heads {
        let (qc, kc) = (head * dim, head / (shape.heads / shape.kv_heads) * dim);
        for start in (0..n).step_by(BLOCK) {
            let rows = BLOCK.min(n - start);
            let keys = start + rows;
            p.resize(rows * keys, 0.0);
            ds.resize(rows * keys, 0.0);
            let queries = View::strided(&saved.q[start * qw + qc..], rows, dim, qw);
            let dout = View::strided(&saved.dout[start * qw + qc..], rows, dim, qw);
            let k = View::strided(&saved.k[kc..], keys, dim, kw);
            let v = View::strided(&saved.v[kc..], keys, dim, kw);
            multiplier.matmul(ViewMut::new(p, rows, keys), Write::Set, shape.scale(), queries, k.t());
            multiplier.matmul(ViewMut::new(ds, rows, keys), Write::Set, 1.0, dout, v.t());
            for (i, (p, ds)) in p.chunks_exact_mut(keys).zip(ds.chunks_exact_mut(keys)).enumerate() {
                let at = (start + i) * qw + qc..(start + i) * qw + qc + dim;
                let delta = simd(
                    #[inline(always)]
                    || dot(&saved.dout[at.clone()], &saved.out[at]),
                );
                let lse = saved.lse[(start + i) * shape.heads + head];
                let seen = keys - rows + i + 1;
                softmax_row_backward(&mut p[..seen], &mut ds[..seen], lse, delta, shape.scale());
                p[seen..].fill(0.0);
                ds[seen..].fill(0.0);
            }
            let (p, ds) = (View::new(p, rows, keys), View::new(ds, rows, keys));
            multiplier.matmul(ViewMut::strided(&mut dq[start * qw + qc..], rows, dim, qw), Write::Set, 1.0, ds, k);
            multiplier.matmul(ViewMut::strided(&mut dk[kc..], keys, dim, kw), Write::Add, 1.0, ds.t(), queries);
            multiplier.matmul(ViewMut::strided(&mut dv[kc..], keys, dim, kw), Write::Add, 1.0, p.t(), dout);
        }
    }
}
