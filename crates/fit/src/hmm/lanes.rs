//! Sums over short vectors, in loops that the compiler turns into vector instructions.
//!
//! Vectors are padded to a multiple of [`LANES`]. No sum is in an order that hangs on the processor, so that all give the same numbers.

/// Numbers that are added side by side.
pub(crate) const LANES: usize = 4;

/// `out[j] = Σ_i mass[i] · rows[i][j]`; a row is as long as `out`.
#[inline(always)]
pub(crate) fn combine(mass: &[f64], rows: &[f64], out: &mut [f64]) {
    let (width, mut column) = (out.len(), 0);
    while column + 4 * LANES <= width {
        combine_block::<{ 4 * LANES }>(mass, rows, column, out);
        column += 4 * LANES;
    }
    // What is left goes in one block: most of its work is finding the rows.
    match (width - column) / LANES {
        3 => combine_block::<{ 3 * LANES }>(mass, rows, column, out),
        2 => combine_block::<{ 2 * LANES }>(mass, rows, column, out),
        1 => combine_block::<LANES>(mass, rows, column, out),
        _ => {}
    }
}

/// Even and odd rows have sums of their own, since each addition waits for the one before.
#[inline(always)]
fn combine_block<const W: usize>(mass: &[f64], rows: &[f64], column: usize, out: &mut [f64]) {
    let width = out.len();
    let (mut even, mut odd) = ([0.0; W], [0.0; W]);
    let (pairs, last) = mass.as_chunks::<2>();
    let mut rows = rows.chunks_exact(width);
    for [a, b] in pairs {
        add_block(*a, rows.next(), column, &mut even);
        add_block(*b, rows.next(), column, &mut odd);
    }
    for mass in last {
        add_block(*mass, rows.next(), column, &mut even);
    }
    for (out, (even, odd)) in out[column..column + W].iter_mut().zip(even.iter().zip(&odd)) {
        *out = even + odd;
    }
}

#[inline(always)]
fn add_block<const W: usize>(mass: f64, row: Option<&[f64]>, column: usize, sums: &mut [f64; W]) {
    let Some(block) = row.and_then(|row| row[column..].first_chunk::<W>()) else { return };
    for (sum, p) in sums.iter_mut().zip(block) {
        *sum += mass * p;
    }
}

/// `rows[i][j] += mass[i] · row[j]`.
#[inline(always)]
pub(crate) fn add_outer(mass: &[f64], row: &[f64], rows: &mut [f64]) {
    for (&mass, sums) in mass.iter().zip(rows.chunks_exact_mut(row.len())) {
        add_scaled(mass, row, sums);
    }
}

/// `sums[j] += mass · row[j]`.
#[inline(always)]
pub(crate) fn add_scaled(mass: f64, row: &[f64], sums: &mut [f64]) {
    let ((row, _), (sums, _)) = (row.as_chunks::<LANES>(), sums.as_chunks_mut::<LANES>());
    for (sums, row) in sums.iter_mut().zip(row) {
        // A copy, so that the compiler need not fear that one is a part of the other.
        let mut block = *sums;
        for lane in 0..LANES {
            block[lane] += mass * row[lane];
        }
        *sums = block;
    }
}

/// `out[j] = factor · row[j]`.
#[inline(always)]
pub(crate) fn scale(factor: f64, row: &[f64], out: &mut [f64]) {
    let ((row, _), (out, _)) = (row.as_chunks::<LANES>(), out.as_chunks_mut::<LANES>());
    for (out, row) in out.iter_mut().zip(row) {
        *out = row.map(|p| factor * p);
    }
}

/// `out[j] = a[j] · b[j]`; returns `Σ_j out[j]`.
#[inline(always)]
pub(crate) fn multiply(a: &[f64], b: &[f64], out: &mut [f64]) -> f64 {
    let ((a, _), (b, _), (out, _)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>(), out.as_chunks_mut::<LANES>());
    let mut sums = [0.0; LANES];
    for ((a, b), out) in a.iter().zip(b).zip(out) {
        let mut block = [0.0; LANES];
        for lane in 0..LANES {
            block[lane] = a[lane] * b[lane];
            sums[lane] += block[lane];
        }
        *out = block;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// A product of many factors, as its logarithm: one logarithm for some hundred factors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogProduct {
    logarithm: f64,
    product: f64,
}

impl LogProduct {
    pub const ONE: Self = Self { logarithm: 0.0, product: 1.0 };

    /// Multiplies by a factor in [0, 1e100].
    #[inline(always)]
    pub fn times(&mut self, factor: f64) {
        if factor < 1e-150 {
            self.logarithm += factor.ln();
            return;
        }
        self.product *= factor;
        if !(1e-150..1e150).contains(&self.product) {
            self.fold();
        }
    }

    fn fold(&mut self) {
        self.logarithm += self.product.ln();
        self.product = 1.0;
    }

    /// Multiplies by `exp(exponent)`.
    #[inline(always)]
    pub fn times_exp(&mut self, exponent: f64) {
        self.logarithm += exponent;
    }

    #[inline(always)]
    pub fn ln(mut self) -> f64 {
        self.fold();
        self.logarithm
    }
}
