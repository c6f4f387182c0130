//! The product of small matrices whose rows are features and whose columns are positions.
//!
//! `gemm` packs its operands, which pays for large matrices. Those of a small transformer lie in the first-level cache as they are: a
//! tile of sums stays in registers while the summed dimension goes by, one side broadcast, the other read in whole vectors.
//!
//! Every sum adds one product after another in the order of the summed dimension, whatever the tile and the width of a vector, so that
//! all machines that fuse multiplication and addition give the same bits.

#![allow(clippy::inline_always)] // see `kernels::simd`

use pulp::{Arch, Simd, WithSimd};

use crate::kernels::{View, ViewMut};

/// How much of the summed dimension goes by at once: a strip of it stays in the first-level cache.
const DEPTH: usize = 128;
/// Vectors of columns whose sums are made together.
pub const VECTORS: usize = 2;

/// What the sums begin with, beside a bias for each row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing.
    Zero,
    /// What stands in the destination.
    Kept,
}

/// Numbers in a vector: columns of destinations are a multiple of it.
pub fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    Arch::new().dispatch(Lanes)
}

/// `dst = start + bias + lhs·rhs`.
pub fn multiply(dst: ViewMut, start: Start, bias: Option<&[f32]>, lhs: View, rhs: View) {
    Arch::new().dispatch(Product { dst, start, bias, lhs, rhs });
}

struct Product<'a> {
    dst: ViewMut<'a>,
    start: Start,
    bias: Option<&'a [f32]>,
    lhs: View<'a>,
    rhs: View<'a>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { dst, start, bias, lhs, rhs } = self;
        product(simd, dst, start, bias, lhs, rhs);
    }
}

/// [`multiply`] inside another kernel.
#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_pass_by_value)] // see `kernels::simd` and `kernels::matmul`
pub fn product<S: Simd>(simd: S, dst: ViewMut, start: Start, bias: Option<&[f32]>, lhs: View, rhs: View) {
    let (rows, columns, depth) = (dst.rows, dst.cols, lhs.cols);
    assert!(lhs.rows == rows && rhs.rows == depth && rhs.cols == columns, "matrix shapes differ");
    assert!(rhs.col_stride == 1 && columns % S::F32_LANES == 0, "columns are not whole vectors");
    assert!(depth > 0, "nothing to sum");
    assert!(bias.is_none_or(|bias| bias.len() == rows), "one bias a row");
    if rows == 0 || columns == 0 {
        return;
    }
    for block in (0..depth).step_by(DEPTH) {
        let mut column = 0;
        while column < columns {
            let vectors = ((columns - column) / S::F32_LANES).min(VECTORS);
            // SAFETY: the constructors of the views checked that every element lies inside its slice, the shapes were compared above,
            // `block`, `column` and the rows that `Strip` visits are inside them, and `dst` is borrowed mutably.
            unsafe {
                let strip = Strip {
                    dst: dst.data.as_mut_ptr().add(column),
                    dst_row: dst.row_stride,
                    kept: start == Start::Kept || block > 0,
                    bias: bias.filter(|_| block == 0).map_or(std::ptr::null(), <[f32]>::as_ptr),
                    lhs: lhs.data.as_ptr().add(block * lhs.col_stride),
                    lhs_row: lhs.row_stride,
                    lhs_depth: lhs.col_stride,
                    rhs: rhs.data.as_ptr().add(block * rhs.row_stride + column),
                    rhs_depth: rhs.row_stride,
                    depth: DEPTH.min(depth - block),
                };
                if vectors == VECTORS {
                    strip.rows::<S, VECTORS>(simd, rows);
                } else {
                    strip.rows::<S, 1>(simd, rows);
                }
            }
            column += vectors * S::F32_LANES;
        }
    }
}

/// One or two vectors of the destination's columns, with addresses of its first row.
#[derive(Clone, Copy)]
struct Strip {
    dst: *mut f32,
    dst_row: usize,
    kept: bool,
    /// Null for none.
    bias: *const f32,
    lhs: *const f32,
    lhs_row: usize,
    lhs_depth: usize,
    rhs: *const f32,
    rhs_depth: usize,
    depth: usize,
}

impl Strip {
    /// All rows: six and two vectors fill sixteen registers with sums, operands and room for the next, and four and two, or eight and
    /// one, still hide the latency of a sum.
    #[inline(always)]
    unsafe fn rows<S: Simd, const V: usize>(self, simd: S, rows: usize) {
        let mut row = 0;
        // SAFETY: as for `tile`, whose rows end at `rows`.
        unsafe {
            while row < rows {
                let left = rows - row;
                row += if V == 1 && left >= 8 {
                    self.tile::<S, 8, V>(simd, row)
                } else if left >= 6 && left != 8 {
                    self.tile::<S, 6, V>(simd, row)
                } else if left >= 4 {
                    self.tile::<S, 4, V>(simd, row)
                } else if left >= 2 {
                    self.tile::<S, 2, V>(simd, row)
                } else {
                    self.tile::<S, 1, V>(simd, row)
                };
            }
        }
    }

    /// `M` rows from `row` on: all must lie in the destination, the left side and the bias, and `V` vectors in rows of the right side.
    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize, const V: usize>(self, simd: S, row: usize) -> usize {
        // SAFETY: the caller's promise; vectors have the alignment of their numbers.
        unsafe {
            let dst = self.dst.add(row * self.dst_row);
            let at = |m: usize, v: usize| dst.add(m * self.dst_row + v * S::F32_LANES).cast::<S::f32s>();
            let mut sums = [[simd.splat_f32s(0.0); V]; M];
            if self.kept {
                for m in 0..M {
                    for v in 0..V {
                        sums[m][v] = at(m, v).read_unaligned();
                    }
                }
            }
            if !self.bias.is_null() {
                for m in 0..M {
                    let bias = simd.splat_f32s(*self.bias.add(row + m));
                    for v in 0..V {
                        sums[m][v] = simd.add_f32s(sums[m][v], bias);
                    }
                }
            }
            let (mut lhs, mut rhs) = (self.lhs.add(row * self.lhs_row), self.rhs);
            for _ in 0..self.depth {
                let mut right = [simd.splat_f32s(0.0); V];
                for v in 0..V {
                    right[v] = rhs.add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned();
                }
                for m in 0..M {
                    let left = simd.splat_f32s(*lhs.add(m * self.lhs_row));
                    for v in 0..V {
                        sums[m][v] = simd.mul_add_f32s(left, right[v], sums[m][v]);
                    }
                }
                lhs = lhs.wrapping_add(self.lhs_depth);
                rhs = rhs.wrapping_add(self.rhs_depth);
            }
            for m in 0..M {
                for v in 0..V {
                    at(m, v).write_unaligned(sums[m][v]);
                }
            }
        }
        M
    }
}

/// Lays rows down as columns: `dst` (`columns × rows`) is the transpose of `src` (`rows × columns`), with so many numbers from one row
/// to the next on either side.
pub fn transpose(rows: usize, columns: usize, src: &[f32], src_row: usize, dst: &mut [f32], dst_row: usize) {
    assert!(columns <= src_row && (rows == 0 || (rows - 1) * src_row + columns <= src.len()), "outside the source");
    assert!(
        rows <= dst_row && (columns == 0 || (columns - 1) * dst_row + rows <= dst.len()),
        "outside the destination"
    );
    let whole = (rows - rows % BLOCK, columns - columns % BLOCK);
    for i in (0..whole.0).step_by(BLOCK) {
        for j in (0..whole.1).step_by(BLOCK) {
            transpose_block(&src[i * src_row + j..], src_row, &mut dst[j * dst_row + i..], dst_row);
        }
    }
    let mut one = |i: usize, j: usize| dst[j * dst_row + i] = src[i * src_row + j];
    for i in 0..rows {
        (if i < whole.0 { whole.1 } else { 0 }..columns).for_each(|j| one(i, j));
    }
}

/// Rows and columns that are turned in registers.
const BLOCK: usize = 4;

#[inline]
fn transpose_block(src: &[f32], src_row: usize, dst: &mut [f32], dst_row: usize) {
    assert!(src.len() >= 3 * src_row + BLOCK && dst.len() >= 3 * dst_row + BLOCK);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: all four rows of either side are inside their slices; every x86-64 has these instructions.
    unsafe {
        use std::arch::x86_64::{_MM_TRANSPOSE4_PS, _mm_loadu_ps, _mm_storeu_ps};
        let row = |i: usize| _mm_loadu_ps(src.as_ptr().add(i * src_row));
        let (mut a, mut b, mut c, mut d) = (row(0), row(1), row(2), row(3));
        _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
        for (j, column) in [a, b, c, d].into_iter().enumerate() {
            _mm_storeu_ps(dst.as_mut_ptr().add(j * dst_row), column);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    for i in 0..BLOCK {
        for j in 0..BLOCK {
            dst[j * dst_row + i] = src[i * src_row + j];
        }
    }
}
