//! Attention's products in bf16: keys and values are laid out once for all query heads that share them, probabilities as soon as their row
//! is known.
//!
//! What keys and values get is summed as `dim × positions`, because then the blocks of probabilities are the right operand, whose rows may be
//! summed over without laying them out anew.

use super::{Backward, Heads, rows_of_blocks};
use crate::bf16::{self, Kernel, Left, Right};
use crate::kernels::{View, ViewMut, Write, dot, scale, simd, softmax_row, softmax_row_backward};
use crate::tile::transpose;

/// Buffers.
#[derive(Default)]
pub struct Scratch {
    p: Vec<f32>,
    ds: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
    /// A block of queries, of their output's gradient, of probabilities and of the gradient at scores.
    q: Left,
    dout: Left,
    p_rows: Left,
    ds_rows: Left,
    /// Queries or their output's gradient, turned.
    turned: Left,
    /// Keys and values, by the head's width or by positions.
    k: Right,
    v: Right,
    k_by_position: Right,
    /// Probabilities, or the gradient at scores, by queries.
    by_query: Right,
}

/// [`super::forward`] by a kernel.
#[allow(clippy::too_many_arguments)] // as there
pub fn forward(
    kernel: Kernel,
    shape: Heads,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    out: &mut [f32],
    lse: &mut [f32],
    scratch: &mut Scratch,
) {
    let (qw, kw, dim) = (shape.q_width(), shape.kv_width(), shape.dim);
    let (n, total) = (q.len() / qw, k.len() / kw);
    for head in 0..shape.heads {
        let (qc, kc, first_of_group) = shape.columns(head);
        if first_of_group {
            scratch.k.pack(View::strided(&k[kc..], total, dim, kw).t());
            scratch.v.pack(View::strided(&v[kc..], total, dim, kw));
        }
        for block in rows_of_blocks(n) {
            let (start, rows, position) = (block.start, block.len(), total - n + block.start);
            let seen = whole_tiles(shape, position)..position + rows;
            let keys = seen.len();
            let p = room(&mut scratch.p, rows * keys);
            scratch.q.pack(View::strided(&q[start * qw + qc..], rows, dim, qw));
            let scores = ViewMut::new(p, rows, keys);
            bf16::product(kernel, scores, Write::Set, &scratch.q, scratch.k.columns(seen.clone()), 1);
            scratch.p_rows.begin(rows, keys);
            for (i, row) in p.chunks_exact_mut(keys).enumerate() {
                let unmasked = shape.unmasked(row, seen.start, position + i);
                scale(shape.scale(), unmasked);
                lse[(start + i) * shape.heads + head] = softmax_row(unmasked);
                scratch.p_rows.put_row(i, 0, row);
            }
            let out = ViewMut::strided(&mut out[start * qw + qc..], rows, dim, qw);
            bf16::product(kernel, out, Write::Set, &scratch.p_rows, scratch.v.rows(seen), 1);
        }
    }
}

/// [`super::backward`] by a kernel.
pub fn backward(
    kernel: Kernel,
    shape: Heads,
    saved: &Backward,
    dq: &mut [f32],
    dk: &mut [f32],
    dv: &mut [f32],
    scratch: &mut Scratch,
) {
    let (qw, kw, dim) = (shape.q_width(), shape.kv_width(), shape.dim);
    let n = saved.q.len() / qw;
    for head in 0..shape.heads {
        let (qc, kc, first_of_group) = shape.columns(head);
        if first_of_group {
            let k = View::strided(&saved.k[kc..], n, dim, kw);
            scratch.k.pack(k.t());
            scratch.k_by_position.pack(k);
            scratch.v.pack(View::strided(&saved.v[kc..], n, dim, kw).t());
            for sum in [&mut scratch.dk, &mut scratch.dv] {
                sum.clear();
                sum.resize(dim * n, 0.0);
            }
        }
        for block in rows_of_blocks(n) {
            let (start, rows) = (block.start, block.len());
            let seen = whole_tiles(shape, start)..block.end;
            let (first, keys) = (seen.start, seen.len());
            let (p, ds) = (room(&mut scratch.p, rows * keys), room(&mut scratch.ds, rows * keys));
            let q = View::strided(&saved.q[start * qw + qc..], rows, dim, qw);
            let dout = View::strided(&saved.dout[start * qw + qc..], rows, dim, qw);
            scratch.q.pack(q);
            scratch.dout.pack(dout);
            let scores = ViewMut::new(p, rows, keys);
            bf16::product(kernel, scores, Write::Set, &scratch.q, scratch.k.columns(seen.clone()), 1);
            let dp = ViewMut::new(ds, rows, keys);
            bf16::product(kernel, dp, Write::Set, &scratch.dout, scratch.v.columns(seen.clone()), 1);
            scratch.p_rows.begin(rows, keys);
            scratch.ds_rows.begin(rows, keys);
            for (i, (p, ds)) in p.chunks_exact_mut(keys).zip(ds.chunks_exact_mut(keys)).enumerate() {
                let position = start + i;
                let at = position * qw + qc..position * qw + qc + dim;
                let delta = simd(
                    #[inline(always)]
                    || dot(&saved.dout[at.clone()], &saved.out[at]),
                );
                let lse = saved.lse[position * shape.heads + head];
                let (seen_p, seen_ds) = (shape.unmasked(p, first, position), shape.unmasked(ds, first, position));
                scale(shape.scale(), seen_p);
                softmax_row_backward(seen_p, seen_ds, lse, delta, shape.scale());
                scratch.p_rows.put_row(i, 0, p);
                scratch.ds_rows.put_row(i, 0, ds);
            }
            let dq = ViewMut::strided(&mut dq[start * qw + qc..], rows, dim, qw);
            bf16::product(kernel, dq, Write::Set, &scratch.ds_rows, scratch.k_by_position.rows(seen), 1);
            for (by_row, of, sum) in [(&scratch.ds_rows, q, &mut scratch.dk), (&scratch.p_rows, dout, &mut scratch.dv)]
            {
                scratch.by_query.turn(by_row);
                scratch.turned.pack(of.t());
                let sum = ViewMut::strided(&mut sum[first..], dim, keys, n);
                bf16::product(kernel, sum, Write::Add, &scratch.turned, &scratch.by_query, 1);
            }
        }
        if shape.columns(head + 1).2 {
            transpose(dim, n, &scratch.dk, n, &mut dk[kc..], kw);
            transpose(dim, n, &scratch.dv, n, &mut dv[kc..], kw);
        }
    }
}

/// The first key that a block needs which begins at this position, or up to a tile before it.
fn whole_tiles(shape: Heads, position: usize) -> usize {
    let first = shape.seen(position).start;
    first - first % bf16::BLOCK
}

/// The first so many numbers of a buffer, which never shrinks.
fn room(buffer: &mut Vec<f32>, count: usize) -> &mut [f32] {
    if buffer.len() < count {
        buffer.resize(count, 0.0);
    }
    &mut buffer[..count]
}
