//! Dense f32 kernels: the matrix product, and the row-wise functions of a Llama layer with their derivatives.
//!
//! Matrices are row-major slices. Every kernel runs on the calling thread; parallelism is over micro-batches, a level up,
//! so a result never depends on the number of threads. Loops are dispatched at run time to the widest instruction set.

use gemm::Parallelism;

/// A read-only matrix inside a slice, with any two strides: `rows × cols`, element `(i, j)` at `i·row_stride + j·col_stride`.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl<'a> View<'a> {
    /// A contiguous row-major matrix.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// A row-major matrix whose rows start `row_stride` elements apart, such as one head's columns of all heads' queries.
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(rows == 0 || cols == 0 || (rows - 1) * row_stride + cols <= data.len(), "view outside its slice");
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The transpose, which moves nothing.
    #[must_use]
    pub fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }
}

/// A writable row-major matrix inside a slice.
pub struct ViewMut<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
}

impl<'a> ViewMut<'a> {
    /// A contiguous row-major matrix.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// A row-major matrix whose rows start `row_stride ≥ cols` elements apart.
    pub fn strided(data: &'a mut [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(cols <= row_stride, "rows of a writable view overlap");
        assert!(rows == 0 || cols == 0 || (rows - 1) * row_stride + cols <= data.len(), "view outside its slice");
        Self { data, rows, cols, row_stride }
    }
}

/// What a product does with the values that stand in its destination.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Overwrite them.
    Set,
    /// Add to them.
    Add,
}

/// `dst (+)= scale · lhs · rhs`, on one thread, or on the current rayon pool if `threads > 1`.
#[allow(clippy::needless_pass_by_value)] // the exclusive view is given up, so that no caller keeps it by mistake
pub fn matmul(dst: ViewMut, write: Write, scale: f32, lhs: View, rhs: View, threads: usize) {
    let (m, n, k) = (dst.rows, dst.cols, lhs.cols);
    assert!(lhs.rows == m && rhs.cols == n && rhs.rows == k, "matrix shapes differ");
    if m == 0 || n == 0 {
        return;
    }
    let parallelism = if threads > 1 { Parallelism::Rayon(threads) } else { Parallelism::None };
    // SAFETY: the constructors of the views checked that every element lies inside its slice, transposing keeps the set of
    // elements, `dst` is borrowed mutably and its rows do not overlap, and the inner dimensions were compared above.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.data.as_mut_ptr(),
            1,
            dst.row_stride as isize,
            write == Write::Add,
            lhs.data.as_ptr(),
            lhs.col_stride as isize,
            lhs.row_stride as isize,
            rhs.data.as_ptr(),
            rhs.col_stride as isize,
            rhs.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Runs a loop compiled for the widest instruction set that this processor has.
#[inline(always)]
#[allow(clippy::inline_always)] // the closure must be inlined into the function that carries the target features
pub fn simd<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

const LANES: usize = 16;

/// Σ a·b in sixteen running sums, so that it vectorises and has one fixed order.
#[inline(always)]
#[allow(clippy::inline_always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (mut ca, mut cb) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (x, y) in ca.by_ref().zip(cb.by_ref()) {
        for i in 0..LANES {
            lanes[i] = x[i].mul_add(y[i], lanes[i]);
        }
    }
    let tail: f32 = ca.remainder().iter().zip(cb.remainder()).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + tail
}

/// eˣ to about one unit in the last place, branch-free so that it vectorises (Cephes' `expf`); below -87 it is about 1e-38.
#[inline(always)]
#[allow(clippy::inline_always, clippy::excessive_precision)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to the nearest integer and leaves that integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-0.693_359_375, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_15e-4f32;
    let p = p.mul_add(r, 1.398_199_95e-3);
    let p = p.mul_add(r, 8.333_451_9e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_55e-1);
    let p = p.mul_add(r, 5.000_000_1e-1);
    let p = (p * r).mul_add(r, r) + 1.0;
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// Multiplies every number.
pub fn scale(by: f32, numbers: &mut [f32]) {
    simd(
        #[inline(always)]
        || {
            for x in numbers.iter_mut() {
                *x *= by;
            }
        },
    );
}

/// Replaces a row by its exponentials over their sum, and returns the logarithm of the sum of exponentials.
pub fn softmax_row(row: &mut [f32]) -> f32 {
    simd(
        #[inline(always)]
        || {
            let max = max_of(row);
            let sum = exp_minus(row, max);
            let inverse = 1.0 / sum;
            for x in row.iter_mut() {
                *x *= inverse;
            }
            max + sum.ln()
        },
    )
}

/// log Σ exp of a row.
pub fn log_sum_exp(row: &[f32]) -> f32 {
    simd(
        #[inline(always)]
        || {
            let max = max_of(row);
            let mut lanes = [0f32; LANES];
            let mut chunks = row.chunks_exact(LANES);
            for chunk in chunks.by_ref() {
                for i in 0..LANES {
                    lanes[i] += exp(chunk[i] - max);
                }
            }
            let tail: f32 = chunks.remainder().iter().map(|x| exp(x - max)).sum();
            max + (lanes.iter().sum::<f32>() + tail).ln()
        },
    )
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn max_of(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = row.chunks_exact(LANES);
    for chunk in chunks.by_ref() {
        for i in 0..LANES {
            lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
        }
    }
    lanes.iter().chain(chunks.remainder()).fold(f32::NEG_INFINITY, |a, &b| a.max(b))
}

/// Replaces each x by exp(x - shift) and returns their sum.
#[inline(always)]
#[allow(clippy::inline_always)]
fn exp_minus(row: &mut [f32], shift: f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let mut chunks = row.chunks_exact_mut(LANES);
    for chunk in chunks.by_ref() {
        for i in 0..LANES {
            chunk[i] = exp(chunk[i] - shift);
            lanes[i] += chunk[i];
        }
    }
    let mut tail = 0.0;
    for x in chunks.into_remainder() {
        *x = exp(*x - shift);
        tail += *x;
    }
    lanes.iter().sum::<f32>() + tail
}

/// One row of attention's backward pass: turns scores into `p · (dp - delta) · scale`, in `dp`, and into probabilities `p`, in
/// place. `p = exp(score - log_sum_exp)`.
pub fn softmax_row_backward(scores: &mut [f32], dp: &mut [f32], log_sum_exp: f32, delta: f32, scale: f32) {
    simd(
        #[inline(always)]
        || {
            for (s, d) in scores.iter_mut().zip(dp) {
                *s = exp(*s - log_sum_exp);
                *d = *s * (*d - delta) * scale;
            }
        },
    );
}

/// `out = x / rms(x) · weight` for each row; keeps `1 / rms` in `inverse`, one a row (Zhang and Sennrich 2019).
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32], inverse: &mut [f32]) {
    let width = weight.len();
    simd(
        #[inline(always)]
        || {
            for ((x, out), inverse) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(inverse) {
                let scale = 1.0 / (dot(x, x) / width as f32 + eps).sqrt();
                *inverse = scale;
                for i in 0..width {
                    out[i] = x[i] * scale * weight[i];
                }
            }
        },
    );
}

/// `rms_norm` again from the kept `inverse`: the same values, one pass.
pub fn rms_norm_again(x: &[f32], weight: &[f32], inverse: &[f32], out: &mut [f32]) {
    let width = weight.len();
    simd(
        #[inline(always)]
        || {
            for ((x, out), &scale) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(inverse) {
                for i in 0..width {
                    out[i] = x[i] * scale * weight[i];
                }
            }
        },
    );
}

/// `dx += ∂rms_norm/∂xᵀ · dout`: with g = dout·weight and s = 1/rms, `dx += s·g - x·s³·(g·x)/width`.
pub fn rms_norm_backward(x: &[f32], weight: &[f32], inverse: &[f32], dout: &mut [f32], dx: &mut [f32]) {
    let width = weight.len();
    simd(
        #[inline(always)]
        || {
            let rows = x.chunks_exact(width).zip(dout.chunks_exact_mut(width)).zip(dx.chunks_exact_mut(width));
            for (((x, g), dx), &s) in rows.zip(inverse) {
                for i in 0..width {
                    g[i] *= weight[i];
                }
                let c = dot(g, x) * s * s * s / width as f32;
                for i in 0..width {
                    dx[i] += g[i].mul_add(s, -(x[i] * c));
                }
            }
        },
    );
}

/// `dweight += Σ over rows of dout · x / rms(x)`: the gradient at the weight of `rms_norm`.
pub fn rms_norm_weight_gradient(x: &[f32], inverse: &[f32], dout: &[f32], dweight: &mut [f32]) {
    let width = dweight.len();
    simd(
        #[inline(always)]
        || {
            for ((x, d), &scale) in x.chunks_exact(width).zip(dout.chunks_exact(width)).zip(inverse) {
                for i in 0..width {
                    dweight[i] = (d[i] * scale).mul_add(x[i], dweight[i]);
                }
            }
        },
    );
}

/// What a gate's values go through, always of the form `x · sigmoid(z(x))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `z = x`: with it a gated block is `SwiGLU` (Shazeer 2020).
    Silu,
    /// GELU by tanh, `z = 2√(2/π)·(x + 0.044715·x³)`, because `(1 + tanh y)/2 = sigmoid(2y)`.
    GeluTanh,
}

/// 2√(2/π).
const GELU_LINEAR: f32 = 2.0 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;
const GELU_CUBIC: f32 = GELU_LINEAR * 0.044_715;

/// `out = activation(gate) · up`.
pub fn gated(activation: Activation, gate: &[f32], up: &[f32], out: &mut [f32]) {
    match activation {
        Activation::Silu => gated_by(
            #[inline(always)]
            |x| x,
            gate,
            up,
            out,
        ),
        Activation::GeluTanh => gated_by(
            #[inline(always)]
            |x| x * GELU_CUBIC.mul_add(x * x, GELU_LINEAR),
            gate,
            up,
            out,
        ),
    }
}

/// `gated` backwards, in place: `(gate, up, dout)` become `(dgate, dup, out)`.
pub fn gated_backward(activation: Activation, gate: &mut [f32], up: &mut [f32], dout: &mut [f32]) {
    match activation {
        Activation::Silu => gated_backward_by(
            #[inline(always)]
            |x| (x, 1.0),
            gate,
            up,
            dout,
        ),
        Activation::GeluTanh => gated_backward_by(
            #[inline(always)]
            |x| {
                let cubic = GELU_CUBIC * x * x;
                (x * (cubic + GELU_LINEAR), 3f32.mul_add(cubic, GELU_LINEAR))
            },
            gate,
            up,
            dout,
        ),
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn gated_by(z: impl Fn(f32) -> f32, gate: &[f32], up: &[f32], out: &mut [f32]) {
    simd(
        #[inline(always)]
        || {
            for ((&g, &u), out) in gate.iter().zip(up).zip(out) {
                *out = g / (1.0 + exp(-z(g))) * u;
            }
        },
    );
}

/// `z` gives its value and its derivative: `d(x·s)/dx = s + x·s·(1 - s)·z'` with `s = sigmoid(z)`.
#[inline(always)]
#[allow(clippy::inline_always)]
fn gated_backward_by(z: impl Fn(f32) -> (f32, f32), gate: &mut [f32], up: &mut [f32], dout: &mut [f32]) {
    simd(
        #[inline(always)]
        || {
            for ((g, u), d) in gate.iter_mut().zip(up).zip(dout) {
                let (z, dz) = z(*g);
                let s = 1.0 / (1.0 + exp(-z));
                let active = *g * s;
                let (dg, du) = (*d * *u * s.mul_add((*g - active) * dz, s), *d * active);
                *d = active * *u;
                (*g, *u) = (dg, du);
            }
        },
    );
}

/// Adds one row to every row of `x`.
pub fn add_to_rows(row: &[f32], x: &mut [f32]) {
    x.chunks_exact_mut(row.len()).for_each(|x| x.iter_mut().zip(row).for_each(|(x, b)| *x += b));
}

/// Rotary position embedding in Hugging Face's layout: dimension `i` of a head turns with dimension `i + half` (Su et al. 2021).
pub struct Rope {
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rope {
    /// Tables for positions `0..length`; `frequencies` holds one angle a position step for each pair of dimensions.
    pub fn new(frequencies: &[f64], length: usize) -> Self {
        let angles = (0..length).flat_map(|p| frequencies.iter().map(move |f| p as f64 * f));
        let (cos, sin) = angles.map(|a| (a.cos() as f32, a.sin() as f32)).unzip();
        Self { half: frequencies.len(), cos, sin }
    }

    /// Turns every head of every row of `x` by its position; `direction` is 1, or -1 to turn back (the derivative's transpose).
    pub fn rotate(&self, x: &mut [f32], positions: &[u32], direction: f32) {
        let half = self.half;
        if positions.is_empty() {
            return;
        }
        let width = x.len() / positions.len();
        simd(
            #[inline(always)]
            || {
                for (row, &p) in x.chunks_exact_mut(width).zip(positions) {
                    let at = p as usize * half..(p as usize + 1) * half;
                    let (cos, sin) = (&self.cos[at.clone()], &self.sin[at]);
                    for head in row.chunks_exact_mut(2 * half) {
                        let (lo, hi) = head.split_at_mut(half);
                        for i in 0..half {
                            let s = sin[i] * direction;
                            let (a, b) = (lo[i], hi[i]);
                            lo[i] = a.mul_add(cos[i], -(b * s));
                            hi[i] = b.mul_add(cos[i], a * s);
                        }
                    }
                }
            },
        );
    }
}
