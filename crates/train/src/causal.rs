//! Causal attention of one head over one sequence, with positions in the lanes of vectors, forward and backward.
//!
//! Rows are features here and columns positions (see `tile`), so that a row of scores belongs to a key and a softmax goes down a column:
//! nothing is ever summed across a vector. Queries go in panels of two vectors. A panel sees the keys up to its end; of those
//! inside it, its first vector sees only the first, and products step over what they do not see.
//!
//! A panel's exponentials stay as they are, not divided by their sum: outputs and their gradients are, once a position (Dao et al.
//! 2022 do so too).

#![allow(clippy::inline_always)] // see `kernels::simd`

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::kernels::{View, ViewMut, simd};
use crate::tile::{Start, VECTORS, lanes, product, transpose};

/// One head's matrices of one sequence, `dim × positions`, the rows `stride` apart. Queries come scaled.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// Width of the head.
    pub dim: usize,
    /// Positions, a multiple of the vector.
    pub positions: usize,
    /// From one row to the next.
    pub stride: usize,
    /// Queries.
    pub q: &'a [f32],
    /// Keys.
    pub k: &'a [f32],
    /// Values.
    pub v: &'a [f32],
}

/// Panels of queries over so many positions: where each begins and how wide it is.
fn panels(positions: usize, lanes: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let panel = start..positions.min(start + VECTORS * lanes);
        start = panel.end;
        (!panel.is_empty()).then_some(panel)
    })
}

/// Numbers in all panels of a head: [`Head::exponentials`] fills as many.
pub fn panels_len(positions: usize) -> usize {
    panels(positions, lanes()).map(|panel| panel.end * panel.len()).sum()
}

/// A panel's keys in runs, each with the number of columns at the panel's start that do not see it.
#[inline(always)]
#[allow(clippy::inline_always)] // see `kernels::simd`
fn steps(panel: &Range<usize>, lanes: usize) -> impl Iterator<Item = (Range<usize>, usize)> {
    let (start, seen) = (panel.start, panel.start + lanes);
    let first = std::iter::once((0..seen, 0));
    first.chain((seen..panel.end).step_by(lanes).map(move |key| (key..key + lanes, key - start)))
}

impl Head<'_> {
    /// Fills the panels with `exp(k·q - largest)`, zero where a query does not see a key, and `inverse` with one over their sums.
    pub fn exponentials(self, panels: &mut [f32], inverse: &mut [f32]) {
        Arch::new().dispatch(Exponentials { head: self, out: panels, inverse });
    }

    /// `out = v·exponentials·inverse`, the rows of `out` as far apart as those of the head.
    pub fn attend(self, panels: &[f32], inverse: &[f32], out: &mut [f32]) {
        Arch::new().dispatch(Attend { head: self, exponentials: panels, inverse, out });
    }

    /// Gradients at queries, keys and values, all overwritten, given what the forward pass made; `dout` is used up.
    pub fn backward(
        self,
        panels: &[f32],
        inverse: &[f32],
        out: &[f32],
        dout: &mut [f32],
        d: Gradients,
        scratch: &mut Scratch,
    ) {
        let Self { dim, positions, stride, q, .. } = self;
        // Columns of what is laid down are whole vectors.
        let wide = dim.next_multiple_of(lanes());
        scratch.delta.resize(positions, 0.0);
        scratch.delta.fill(0.0);
        let delta = &mut scratch.delta[..];
        simd(
            #[inline(always)]
            || {
                for i in 0..dim {
                    let (dout, out) = (&mut dout[i * stride..][..positions], &out[i * stride..][..positions]);
                    for (((dout, out), inverse), delta) in dout.iter_mut().zip(out).zip(inverse).zip(delta.iter_mut()) {
                        *dout *= inverse;
                        *delta = out.mul_add(*dout, *delta);
                    }
                }
            },
        );
        for down in [&mut scratch.q, &mut scratch.dout, &mut scratch.dk, &mut scratch.dv] {
            down.resize(positions * wide, 0.0);
        }
        // What was laid down before may have had other columns.
        if wide > dim {
            scratch.q.fill(0.0);
            scratch.dout.fill(0.0);
        }
        scratch.dk.fill(0.0);
        scratch.dv.fill(0.0);
        transpose(dim, positions, q, stride, &mut scratch.q, wide);
        transpose(dim, positions, dout, stride, &mut scratch.dout, wide);
        let (dk, dv) = (d.k, d.v);
        Arch::new().dispatch(Backward { head: self, exponentials: panels, dout, dq: d.q, wide, scratch });
        transpose(positions, dim, &scratch.dk, wide, dk, stride);
        transpose(positions, dim, &scratch.dv, wide, dv, stride);
    }
}

/// Where a head's gradients go.
pub struct Gradients<'a> {
    /// At queries.
    pub q: &'a mut [f32],
    /// At keys.
    pub k: &'a mut [f32],
    /// At values.
    pub v: &'a mut [f32],
}

/// Buffers of the backward pass: what is laid down has a position a row.
#[derive(Default)]
pub struct Scratch {
    delta: Vec<f32>,
    q: Vec<f32>,
    dout: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
    /// One panel of gradients at scores.
    panel: Vec<f32>,
}

/// `panel = keysᵀ·queries` where a query sees the key; the rest is not touched.
#[inline(always)]
#[allow(clippy::inline_always)]
fn down<S: Simd>(simd: S, head: &Head, keys: &[f32], queries: &[f32], at: &Range<usize>, panel: &mut [f32]) {
    let (dim, stride, width) = (head.dim, head.stride, at.len());
    for (rows, skip) in steps(at, S::F32_LANES) {
        let keys = View::strided(&keys[rows.start..], dim, rows.len(), stride).t();
        let queries = View::strided(&queries[at.start + skip..], dim, width - skip, stride);
        let dst = ViewMut::strided(&mut panel[rows.start * width + skip..], rows.len(), width - skip, width);
        product(simd, dst, Start::Zero, None, keys, queries);
    }
}

/// `out = values·panel` in the panel's columns.
#[inline(always)]
#[allow(clippy::inline_always)]
fn across<S: Simd>(simd: S, head: &Head, values: &[f32], panel: &[f32], at: &Range<usize>, out: &mut [f32]) {
    let (dim, stride, width) = (head.dim, head.stride, at.len());
    for (rows, skip) in steps(at, S::F32_LANES) {
        let start = if rows.start == 0 { Start::Zero } else { Start::Kept };
        let values = View::strided(&values[rows.start..], dim, rows.len(), stride);
        let panel = View::strided(&panel[rows.start * width + skip..], rows.len(), width - skip, width);
        let dst = ViewMut::strided(&mut out[at.start + skip..], dim, width - skip, stride);
        product(simd, dst, start, None, values, panel);
    }
}

/// `out += panel·queries`, where `queries` and `out` are laid down.
#[inline(always)]
#[allow(clippy::inline_always)]
fn back<S: Simd>(simd: S, wide: usize, panel: &[f32], queries: &[f32], at: &Range<usize>, out: &mut [f32]) {
    let width = at.len();
    for (rows, skip) in steps(at, S::F32_LANES) {
        let panel = View::strided(&panel[rows.start * width + skip..], rows.len(), width - skip, width);
        let queries = View::new(&queries[(at.start + skip) * wide..], width - skip, wide);
        let dst = ViewMut::new(&mut out[rows.start * wide..], rows.len(), wide);
        product(simd, dst, Start::Kept, None, panel, queries);
    }
}

struct Exponentials<'a> {
    head: Head<'a>,
    out: &'a mut [f32],
    inverse: &'a mut [f32],
}

impl WithSimd for Exponentials<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { head, mut out, inverse } = self;
        for at in panels(head.positions, S::F32_LANES) {
            let panel;
            (panel, out) = std::mem::take(&mut out).split_at_mut(at.end * at.len());
            down(simd, &head, head.k, head.q, &at, panel);
            for column in (0..at.len()).step_by(S::F32_LANES) {
                let sums = softmax(simd, panel, at.len(), column, at.start + column);
                let ones = simd.splat_f32s(1.0);
                store::<S>(&mut inverse[at.start + column..], simd.div_f32s(ones, sums));
            }
        }
    }
}

struct Attend<'a> {
    head: Head<'a>,
    exponentials: &'a [f32],
    inverse: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { head, exponentials: mut rest, inverse, out } = self;
        for at in panels(head.positions, S::F32_LANES) {
            let panel;
            (panel, rest) = rest.split_at(at.end * at.len());
            across(simd, &head, head.v, panel, &at, out);
        }
        for i in 0..head.dim {
            let row = out[i * head.stride..][..head.positions].iter_mut();
            row.zip(inverse).for_each(|(x, inverse)| *x *= inverse);
        }
    }
}

struct Backward<'a> {
    head: Head<'a>,
    exponentials: &'a [f32],
    dout: &'a [f32],
    dq: &'a mut [f32],
    wide: usize,
    scratch: &'a mut Scratch,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { head, exponentials: mut rest, dout, dq, wide, scratch } = self;
        let Scratch { delta, q, dout: dout_down, dk, dv, panel: d } = scratch;
        for at in panels(head.positions, S::F32_LANES) {
            let panel;
            (panel, rest) = rest.split_at(at.end * at.len());
            if d.len() < panel.len() {
                d.resize(panel.len(), 0.0);
            }
            down(simd, &head, head.v, dout, &at, d);
            // `ds = p·(dp - δ)`.
            for (rows, skip) in steps(&at, S::F32_LANES) {
                for column in (skip..at.len()).step_by(S::F32_LANES) {
                    let delta = load::<S>(&delta[at.start + column..]);
                    for row in rows.clone() {
                        let place = row * at.len() + column;
                        let ds = simd.sub_f32s(load::<S>(&d[place..]), delta);
                        store::<S>(&mut d[place..], simd.mul_f32s(load::<S>(&panel[place..]), ds));
                    }
                }
            }
            across(simd, &head, head.k, d, &at, dq);
            back(simd, wide, panel, dout_down, &at, dv);
            back(simd, wide, d, q, &at, dk);
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn load<S: Simd>(from: &[f32]) -> S::f32s {
    assert!(from.len() >= S::F32_LANES);
    // SAFETY: a vector's worth of numbers is there; the read needs no alignment.
    unsafe { from.as_ptr().cast::<S::f32s>().read_unaligned() }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn store<S: Simd>(to: &mut [f32], vector: S::f32s) {
    assert!(to.len() >= S::F32_LANES);
    // SAFETY: as in `load`, and borrowed mutably.
    unsafe { to.as_mut_ptr().cast::<S::f32s>().write_unaligned(vector) }
}

/// Lanes of the widest vector there is.
const WIDEST: usize = 16;

/// `-∞` and 0 before the middle, 0 and 1 from it on: read from `WIDEST - r` on, the first `r` lanes are not seen.
const UNSEEN: [f32; 2 * WIDEST] = halves(f32::NEG_INFINITY, 0.0);
const SEEN: [f32; 2 * WIDEST] = halves(0.0, 1.0);

const fn halves(before: f32, from: f32) -> [f32; 2 * WIDEST] {
    let mut table = [from; 2 * WIDEST];
    let mut i = 0;
    while i < WIDEST {
        table[i] = before;
        i += 1;
    }
    table
}

/// Replaces one vector's columns of a panel, whose first query is at `position`, by their exponentials from the largest; their sums.
#[inline(always)]
#[allow(clippy::inline_always)]
fn softmax<S: Simd>(simd: S, panel: &mut [f32], width: usize, column: usize, position: usize) -> S::f32s {
    let lanes = S::F32_LANES;
    let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
    for key in 0..position {
        largest = simd.max_f32s(largest, load::<S>(&panel[key * width + column..]));
    }
    // A key `r` rows into the vector's own positions is not seen by its first `r` lanes.
    for r in 0..lanes {
        let score = &mut panel[(position + r) * width + column..];
        let masked = simd.add_f32s(load::<S>(score), load::<S>(&UNSEEN[WIDEST - r..]));
        store::<S>(score, masked);
        largest = simd.max_f32s(largest, masked);
    }
    let mut sums = simd.splat_f32s(0.0);
    let log2_e = simd.splat_f32s(std::f32::consts::LOG2_E);
    let shift = simd.mul_f32s(largest, simd.splat_f32s(-std::f32::consts::LOG2_E));
    for key in 0..position + lanes {
        let score = &mut panel[key * width + column..];
        let e = exp2(simd, simd.mul_add_f32s(load::<S>(score), log2_e, shift));
        sums = simd.add_f32s(sums, e);
        store::<S>(score, e);
    }
    for r in 0..lanes {
        let e = &mut panel[(position + r) * width + column..];
        store::<S>(e, simd.mul_f32s(load::<S>(e), load::<S>(&SEEN[WIDEST - r..])));
    }
    sums
}

/// 2ˣ for x up to 0 or hardly above it, to about one unit in the last place (Cephes' `exp2f`); below -125 it is about 1e-38, which
/// changes no sum that holds a one.
#[inline(always)]
#[allow(clippy::inline_always, clippy::excessive_precision)]
fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Adding 1.5·2²³ rounds to the nearest integer and leaves that integer in the low bits.
    let round = simd.splat_f32s(12_582_912.0);
    let x = simd.max_f32s(x, simd.splat_f32s(-125.0));
    let shifted = simd.add_f32s(x, round);
    let r = simd.sub_f32s(x, simd.sub_f32s(shifted, round));
    let mut p = simd.splat_f32s(1.535_336_188_319_500e-4);
    for coefficient in [
        1.339_887_440_266_574e-3,
        9.618_437_357_674_640e-3,
        5.550_332_471_162_809e-2,
        2.402_264_791_363_012e-1,
        6.931_472_028_550_421e-1,
        1.0,
    ] {
        p = simd.mul_add_f32s(p, r, simd.splat_f32s(coefficient));
    }
    // The integer, moved to where the exponent stands, is added to it.
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(p), exponent))
}
