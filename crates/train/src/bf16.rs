//! Matrix products of bf16 operands with f32 sums: `y (+)= x·Wᵀ` and `dx (+)= dy·W`, by whichever instructions this machine has.
//!
//! The floor, for SmolLM2-135M with r = 16 in micro-batches of 512 tokens: 425 MFLOP of a token's 474 are products with frozen maps
//! (106 million weights, forward and once backward), 610 where activations are computed again. AMX does 2,048 FLOP a cycle, so that a
//! weight's 512 products take half a cycle. Decoding a weight takes a quarter of one (11 billion a second), so it and what follows,
//! rounding and laying out, must stay within a band of rows that lies in the second-level cache, and never be a pass over memory.
//! Laying out an activation is worth a cycle at most: it meets 192 to 1,536 weights, which take a cycle for every 1,024 products.
//!
//! All kernels read one layout: tiles of 16 lines of 16 pairs, a pair being two bf16 numbers that follow each other along the summed
//! dimension. A line of a [`Left`] tile is a row and its 16 pairs; a line of a [`Right`] tile is a pair of 16 columns, AMX's own form
//! ("VNNI"), which suits vector instructions as well. Everything is padded with zeros to whole tiles.
//!
//! Products of two bf16 numbers are exact in f32, so that kernels differ in the order of their sums and in nothing else: AVX-512 and the
//! portable kernel add one number after another, AMX sums even and odd ones apart, 32 at a time. (The instructions take subnormal numbers for
//! zero.) No order depends on threads or on the destination's shape.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use rayon::prelude::*;

use crate::kernels::{View, ViewMut, Write, matmul, simd};

/// Lines of a tile, and pairs of a line.
const LINES: usize = 16;
/// Numbers along the summed dimension that a tile holds.
const DEPTH: usize = 32;
/// Rows and columns of the blocks that the destination is computed in: two tiles each way, so that each tile is used twice.
const BLOCK: usize = 2 * LINES;

/// Blocks of columns that stay in the second-level cache (under 0.4 MB at a depth of 1,536) while all rows go by, and wide enough that a row's
/// sums are written in long runs.
const PANEL: usize = 4;

/// 16 lines of 16 pairs; the low half of a pair comes first.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Tile([[u32; LINES]; LINES]);

const ZERO: Tile = Tile([[0; LINES]; LINES]);

/// The instructions that multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Tiles of 16 × 16 sums (`tdpbf16ps`).
    Amx,
    /// Vectors of 16 sums (`vdpbf16ps`).
    Avx512,
    /// f32 arithmetic on the same rounded operands, on any machine.
    Portable,
}

impl Kernel {
    /// All, fastest first.
    pub const ALL: [Self; 3] = [Self::Amx, Self::Avx512, Self::Portable];

    /// The fastest one here.
    pub fn best() -> Self {
        Self::ALL.into_iter().find(|kernel| kernel.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::is_available(),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Amx => avx512::is_available() && amx::is_available(),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    /// Whether bf16 is faster than f32 on this machine. With AMX it is; with AVX-512 on AMD's processors, which start a `vdpbf16ps` every
    /// cycle as they do an f32 multiplication, and not on Intel's, which start one every second cycle (measured: the crate's README).
    pub fn outruns_f32() -> bool {
        match Self::best() {
            Self::Amx => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::is_of_amd(),
            _ => false,
        }
    }

    /// Its name in what a training writes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amx => "amx",
            Self::Avx512 => "avx512",
            Self::Portable => "portable",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kernel| kernel.name() == name)
            .ok_or_else(|| format!("no bf16 kernel is called `{name}`; there are amx, avx512 and portable"))
    }
}

/// The nearest bf16 number, ties to even, in the upper half; the lower half is of no account.
#[inline(always)]
#[allow(clippy::inline_always)] // see `kernels::simd`
fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    // Rounding up could turn what is not a number into one.
    if x.is_nan() { bits | 0x0040_0000 } else { nearest }
}

/// What a number is after rounding.
pub fn round(x: f32) -> f32 {
    f32::from_bits(rounded(x) & 0xffff_0000)
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn pair(one: f32, next: f32) -> u32 {
    rounded(one) >> 16 | rounded(next) & 0xffff_0000
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn first(pair: u32) -> f32 {
    f32::from_bits(pair << 16)
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn second(pair: u32) -> f32 {
    f32::from_bits(pair & 0xffff_0000)
}

/// One line of 16 pairs from up to 32 numbers that follow each other.
#[inline(always)]
#[allow(clippy::inline_always)]
fn along(numbers: &[f32], line: &mut [u32; LINES]) {
    let mut padded = [0.0; DEPTH];
    let numbers: &[f32; DEPTH] = if let Some(whole) = numbers.first_chunk() {
        whole
    } else {
        padded[..numbers.len()].copy_from_slice(numbers);
        &padded
    };
    for i in 0..LINES {
        line[i] = pair(numbers[2 * i], numbers[2 * i + 1]);
    }
}

/// One line of 16 pairs, each of a number of one row and the one below it.
#[inline(always)]
#[allow(clippy::inline_always)]
fn across(upper: &[f32], lower: &[f32], line: &mut [u32; LINES]) {
    if let (Some(upper), Some(lower)) = (upper.first_chunk::<LINES>(), lower.first_chunk::<LINES>()) {
        for i in 0..LINES {
            line[i] = pair(upper[i], lower[i]);
        }
    } else {
        let at = |row: &[f32], i: usize| row.get(i).copied().unwrap_or_default();
        *line = std::array::from_fn(|i| pair(at(upper, i), at(lower, i)));
    }
}

/// Fills the tile of a `lines × depth` matrix that begins at this line and depth, with its lines as lines, or with its pairs as lines. One of
/// the matrix's strides must be 1.
#[inline(always)]
#[allow(clippy::inline_always)]
fn fill_tile(to: &mut Tile, matrix: View, line: usize, depth: usize, pairs_as_lines: bool) {
    let View { data, rows: lines, cols: all, row_stride, col_stride } = matrix;
    let along_depth = col_stride == 1;
    let mut other = ZERO;
    let turned = along_depth == pairs_as_lines;
    let tile = if turned { &mut other } else { &mut *to };
    if along_depth {
        let at = |i: usize| if i < lines { &data[i * row_stride + depth..][..DEPTH.min(all - depth)] } else { &[] };
        for (i, pairs) in tile.0.iter_mut().enumerate() {
            along(at(line + i), pairs);
        }
    } else {
        let (first, width) = (line.min(lines), LINES.min(lines.saturating_sub(line)));
        let at = |i: usize| if i < all { &data[i * col_stride + first..][..width] } else { &[] };
        for (i, pairs) in tile.0.iter_mut().enumerate() {
            across(at(depth + 2 * i), at(depth + 2 * i + 1), pairs);
        }
    }
    if turned {
        transpose(&other, to);
    }
}

/// All tiles of a `lines × depth` matrix, line by line of tiles.
fn fill(tiles: &mut Vec<Tile>, matrix: View, pairs_as_lines: bool) {
    assert!(
        matrix.row_stride == 1 || matrix.col_stride == 1,
        "numbers of a line or of a column must follow each other"
    );
    let deep = matrix.cols.div_ceil(DEPTH);
    tiles.resize(matrix.rows.next_multiple_of(BLOCK) / LINES * deep, ZERO);
    simd(
        #[inline(always)]
        || {
            for (i, tiles) in tiles.chunks_exact_mut(deep.max(1)).enumerate() {
                for (k, to) in tiles.iter_mut().enumerate() {
                    fill_tile(to, matrix, i * LINES, k * DEPTH, pairs_as_lines);
                }
            }
        },
    );
}

/// The left operand of a product, `rows × depth`.
#[derive(Default)]
pub struct Left {
    rows: usize,
    depth: usize,
    /// Row by row of tiles.
    tiles: Vec<Tile>,
}

impl Left {
    /// Takes over a matrix.
    pub fn pack(&mut self, matrix: View) {
        (self.rows, self.depth) = (matrix.rows, matrix.cols);
        fill(&mut self.tiles, matrix, false);
    }
}

/// Which way a weight, `outputs × inputs`, meets what it is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// By its inputs: `x·Wᵀ`.
    Inputs,
    /// By its outputs: `dy·W`.
    Outputs,
}

/// Rows of a weight that are laid out together: whole tiles whichever way they lie.
const BAND: usize = DEPTH;

/// The right operand of a product, `depth × columns`.
#[derive(Default)]
pub struct Right {
    depth: usize,
    columns: usize,
    /// Column by column of tiles.
    tiles: Vec<Tile>,
}

impl Right {
    /// Takes over a matrix.
    pub fn pack(&mut self, matrix: View) {
        (self.depth, self.columns) = (matrix.rows, matrix.cols);
        fill(&mut self.tiles, matrix.t(), true);
    }

    /// Takes over a weight of `rows × cols` numbers, of which `decode` writes the rows it is asked for into `band`, a few at a time, so that
    /// they are still in the cache when they are rounded.
    pub fn pack_weight(
        &mut self,
        side: Side,
        (rows, cols): (usize, usize),
        band: &mut Vec<f32>,
        mut decode: impl FnMut(Range<usize>, &mut [f32]),
    ) {
        (self.depth, self.columns) = if side == Side::Inputs { (cols, rows) } else { (rows, cols) };
        let deep = self.depth.div_ceil(DEPTH);
        self.tiles.resize(self.columns.next_multiple_of(BLOCK) / LINES * deep, ZERO);
        for start in (0..rows).step_by(BAND) {
            let taken = start..(start + BAND).min(rows);
            let count = taken.len();
            band.resize(count * cols, 0.0);
            decode(taken, band);
            let band = View::new(band, count, cols);
            simd(
                #[inline(always)]
                || match side {
                    // The band's rows become two columns of tiles, or a part of every one.
                    Side::Inputs => {
                        let columns = &mut self.tiles[start / LINES * deep..][..BAND / LINES * deep];
                        for (i, tiles) in columns.chunks_exact_mut(deep).enumerate() {
                            for (k, to) in tiles.iter_mut().enumerate() {
                                fill_tile(to, band, i * LINES, k * DEPTH, true);
                            }
                        }
                    }
                    Side::Outputs => {
                        for (i, tiles) in self.tiles.chunks_exact_mut(deep).enumerate() {
                            fill_tile(&mut tiles[start / DEPTH], band.t(), i * LINES, 0, true);
                        }
                    }
                },
            );
        }
    }

    /// Bytes in memory.
    pub fn size_in_bytes(&self) -> usize {
        size_of_val(&*self.tiles)
    }
}

/// Exchanges lines and pairs.
#[inline(always)]
#[allow(clippy::inline_always)]
fn transpose(tile: &Tile, to: &mut Tile) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the machine has the instructions that the function is compiled for.
        return unsafe { avx512::transpose(tile, to) };
    }
    for (i, line) in to.0.iter_mut().enumerate() {
        *line = std::array::from_fn(|k| tile.0[k][i]);
    }
}

/// Two rows of a left operand's tiles, or two columns of a right one's.
type Two<'a> = [&'a [Tile]; 2];

/// A block of the destination.
#[repr(C, align(64))]
struct Sums([[f32; BLOCK]; BLOCK]);

/// Multiplies in f32, or in bf16 by a kernel; keeps its buffers.
#[derive(Default)]
pub struct Multiplier {
    /// In bf16 by this.
    pub kernel: Option<Kernel>,
    left: Left,
    right: Right,
}

impl Multiplier {
    /// `dst (+)= scale · lhs · rhs`, on this thread.
    pub fn matmul(&mut self, dst: ViewMut, write: Write, scale: f32, lhs: View, rhs: View) {
        let Some(kernel) = self.kernel else { return matmul(dst, write, scale, lhs, rhs, 1) };
        self.left.pack(lhs);
        self.right.pack(rhs);
        product(kernel, dst, write, scale, &self.left, &self.right, 1);
    }
}

/// `dst (+)= scale · left · right`, on one thread, or on the current rayon pool if `threads > 1`.
pub fn product(kernel: Kernel, dst: ViewMut, write: Write, scale: f32, left: &Left, right: &Right, threads: usize) {
    let (rows, columns) = (left.rows, right.columns);
    assert!(dst.rows == rows && dst.cols == columns && left.depth == right.depth, "matrix shapes differ");
    let blocks = columns.div_ceil(BLOCK);
    if threads <= 1 || blocks <= 1 {
        return multiply(kernel, left, right, 0..blocks, dst, write, scale);
    }
    // Threads share the columns, because the rows may be few.
    let parts: Vec<Range<usize>> = (0..threads).map(|i| i * blocks / threads..(i + 1) * blocks / threads).collect();
    let width = |part: &Range<usize>| (part.end * BLOCK).min(columns) - part.start * BLOCK;
    let done: Vec<Vec<f32>> = parts
        .par_iter()
        .map(|part| {
            let mut own = vec![0.0; rows * width(part)];
            let dst = ViewMut::new(&mut own, rows, width(part));
            multiply(kernel, left, right, part.clone(), dst, Write::Set, scale);
            own
        })
        .collect();
    for (part, own) in parts.iter().zip(done).filter(|(part, _)| !part.is_empty()) {
        for (dst, own) in dst.data.chunks_mut(dst.row_stride).zip(own.chunks_exact(width(part))) {
            put(&mut dst[part.start * BLOCK..][..own.len()], write, 1.0, own);
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn put(dst: &mut [f32], write: Write, scale: f32, sums: &[f32]) {
    // No closures: one that is not inlined would miss the wide instructions.
    let pairs = dst.iter_mut().zip(sums);
    if write == Write::Set {
        for (dst, sum) in pairs {
            *dst = sum * scale;
        }
    } else {
        for (dst, sum) in pairs {
            *dst += sum * scale;
        }
    }
}

/// Some blocks of columns of a product, into a matrix of these columns alone.
#[allow(clippy::needless_pass_by_value)] // as in `kernels::matmul`
fn multiply(kernel: Kernel, left: &Left, right: &Right, blocks: Range<usize>, dst: ViewMut, write: Write, scale: f32) {
    let deep = left.depth.div_ceil(DEPTH);
    if blocks.is_empty() || deep == 0 {
        return;
    }
    let mut sums = Sums([[0.0; BLOCK]; BLOCK]);
    let mut each = |multiply: &dyn Fn(Two, Two, &mut Sums)| {
        for panel in blocks.clone().step_by(PANEL) {
            let rows = dst.data.chunks_mut(BLOCK * dst.row_stride);
            for ((i, a), rows) in left.tiles.chunks_exact(2 * deep).enumerate().zip(rows) {
                for block in panel..(panel + PANEL).min(blocks.end) {
                    multiply(halves(a), halves(&right.tiles[2 * block * deep..][..2 * deep]), &mut sums);
                    let at = (block - blocks.start) * BLOCK;
                    let (height, width) = (BLOCK.min(dst.rows - i * BLOCK), BLOCK.min(dst.cols - at));
                    put_block(&mut rows[at..], dst.row_stride, (height, width), write, scale, &sums);
                }
            }
        }
    };
    match kernel {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Kernel::Amx => {
            let amx = amx::Tiles::configure();
            each(&|a, b, sums| amx.multiply(a, b, sums));
        }
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512 => {
            assert!(kernel.is_available(), "this machine has no AVX512-BF16");
            // SAFETY: the machine has the instructions that the function is compiled for.
            each(&|a, b, sums| unsafe { avx512::multiply(a, b, sums) });
        }
        _ => each(&portable),
    }
}

/// Writes what of a block lies inside the destination.
fn put_block(
    dst: &mut [f32],
    row_stride: usize,
    (height, width): (usize, usize),
    write: Write,
    scale: f32,
    sums: &Sums,
) {
    simd(
        #[inline(always)]
        || {
            for (dst, sums) in dst.chunks_mut(row_stride).zip(&sums.0).take(height) {
                // Lengths that the compiler knows, but for the very last columns.
                let (dst, sums) = (&mut dst[..width], &sums[..width]);
                let ((dst, rest), (sums, others)) = (dst.as_chunks_mut::<LINES>(), sums.as_chunks::<LINES>());
                for (dst, sums) in dst.iter_mut().zip(sums) {
                    put(dst, write, scale, sums);
                }
                put(rest, write, scale, others);
            }
        },
    );
}

fn halves(tiles: &[Tile]) -> Two<'_> {
    tiles.split_at(tiles.len() / 2).into()
}

/// One number after another, the second of a pair first, as AVX-512 adds them.
fn portable(left: Two, right: Two, sums: &mut Sums) {
    simd(
        #[inline(always)]
        || {
            for (i, row) in sums.0.iter_mut().enumerate() {
                let [mut one, mut other] = [[0f32; LINES]; 2];
                for (a, (b, c)) in left[i / LINES].iter().zip(right[0].iter().zip(right[1])) {
                    for (x, (b, c)) in a.0[i % LINES].iter().zip(b.0.iter().zip(&c.0)) {
                        add_pairs(&mut one, *x, b);
                        add_pairs(&mut other, *x, c);
                    }
                }
                row[..LINES].copy_from_slice(&one);
                row[LINES..].copy_from_slice(&other);
            }
        },
    );
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn add_pairs(sums: &mut [f32; LINES], x: u32, columns: &[u32; LINES]) {
    for i in 0..LINES {
        sums[i] = sums[i] + second(x) * second(columns[i]) + first(x) * first(columns[i]);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __cpuid, __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_set1_epi32, _mm512_setzero_ps,
        _mm512_shuffle_i32x4, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
        _mm512_unpacklo_epi64,
    };
    use std::mem::transmute;

    use super::{BLOCK, LINES, Sums, Tile, Two};

    pub fn is_available() -> bool {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")
    }

    pub fn is_of_amd() -> bool {
        let vendor = __cpuid(0);
        [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
    }

    /// Exchanges lines and pairs: first within groups of four pairs of four lines, then the groups.
    #[target_feature(enable = "avx512f")]
    pub fn transpose(tile: &Tile, to: &mut Tile) {
        const EVEN: i32 = 0b10_00_10_00;
        const ODD: i32 = 0b11_01_11_01;
        // SAFETY: both types are 1,024 bytes of which every pattern is a value.
        let mut x: [__m512i; LINES] = unsafe { transmute(*tile) };
        for four in x.as_chunks_mut::<4>().0 {
            let [a, b, c, d] = *four;
            let (low, high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let (lower, higher) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            four[0] = _mm512_unpacklo_epi64(low, lower);
            four[1] = _mm512_unpackhi_epi64(low, lower);
            four[2] = _mm512_unpacklo_epi64(high, higher);
            four[3] = _mm512_unpackhi_epi64(high, higher);
        }
        let mut out = x;
        for i in 0..4 {
            let (a, b, c, d) = (x[i], x[4 + i], x[8 + i], x[12 + i]);
            let (even, odd) = (_mm512_shuffle_i32x4::<EVEN>(a, b), _mm512_shuffle_i32x4::<ODD>(a, b));
            let (evens, odds) = (_mm512_shuffle_i32x4::<EVEN>(c, d), _mm512_shuffle_i32x4::<ODD>(c, d));
            out[i] = _mm512_shuffle_i32x4::<EVEN>(even, evens);
            out[4 + i] = _mm512_shuffle_i32x4::<EVEN>(odd, odds);
            out[8 + i] = _mm512_shuffle_i32x4::<ODD>(even, evens);
            out[12 + i] = _mm512_shuffle_i32x4::<ODD>(odd, odds);
        }
        // SAFETY: as above.
        *to = unsafe { transmute::<[__m512i; LINES], Tile>(out) };
    }

    /// Rows of a block that are summed at once: with two columns of tiles, 16 of the 32 registers.
    const ROWS: usize = 8;

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn multiply(left: Two, right: Two, sums: &mut Sums) {
        for (i, rows) in sums.0.chunks_exact_mut(ROWS).enumerate() {
            let (a, top) = (left[i * ROWS / LINES], i * ROWS % LINES);
            let mut own = [[_mm512_setzero_ps(); 2]; ROWS];
            for (a, (b, c)) in a.iter().zip(right[0].iter().zip(right[1])) {
                for k in 0..LINES {
                    // SAFETY: both types are 64 bytes of which every pattern is a value.
                    let columns = unsafe {
                        [transmute::<[u32; LINES], __m512bh>(b.0[k]), transmute::<[u32; LINES], __m512bh>(c.0[k])]
                    };
                    for row in 0..ROWS {
                        // SAFETY: as above.
                        let x = unsafe {
                            transmute::<__m512i, __m512bh>(_mm512_set1_epi32(a.0[top + row][k].cast_signed()))
                        };
                        for column in 0..2 {
                            own[row][column] = _mm512_dpbf16_ps(own[row][column], x, columns[column]);
                        }
                    }
                }
            }
            for (row, own) in rows.iter_mut().zip(own) {
                // SAFETY: as above.
                *row = unsafe { transmute::<[__m512; 2], [f32; BLOCK]>(own) };
            }
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx {
    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    use std::sync::OnceLock;

    use super::{BLOCK, LINES, Sums, Tile, Two};

    /// Whether the processor has the instructions and Linux lets this process use them, which it must be asked for once.
    pub fn is_available() -> bool {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(|| {
            // SAFETY: every 64-bit processor has the instruction; newer compilers know that.
            #[allow(unused_unsafe)]
            let features = unsafe { if __cpuid(0).eax < 7 { 0 } else { __cpuid_count(7, 0).edx } };
            let (bf16, tiles) = (features >> 22 & 1, features >> 24 & 1);
            bf16 & tiles == 1 && permitted()
        })
    }

    /// Asks Linux for the tile registers' place in this process's saved state.
    fn permitted() -> bool {
        const ARCH_PRCTL: i64 = 158;
        const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
        const XFEATURE_XTILEDATA: i64 = 18;
        let answer: i64;
        // SAFETY: a system call that reads and writes no memory of this process; it may use up rcx and r11.
        unsafe {
            asm!("syscall", inlateout("rax") ARCH_PRCTL => answer, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") XFEATURE_XTILEDATA,
                lateout("rcx") _, lateout("r11") _, options(nostack));
        }
        answer == 0
    }

    /// What the tile registers hold: "palette 1", and each register's bytes a line and lines.
    #[repr(C, align(64))]
    struct Configuration {
        palette: u8,
        start: u8,
        reserved: [u8; 14],
        line_bytes: [u16; 16],
        lines: [u8; 16],
    }

    /// The calling thread's tile registers, while this lives.
    pub struct Tiles(());

    impl Tiles {
        pub fn configure() -> Self {
            assert!(is_available(), "this machine has no AMX for bf16");
            let eight = |value| std::array::from_fn(|i| if i < 8 { value } else { 0 });
            let (line_bytes, lines) = (eight(64).map(u16::from), eight(LINES as u8));
            let configuration = Configuration { palette: 1, start: 0, reserved: [0; 14], line_bytes, lines };
            // SAFETY: the machine has the instruction, which reads 64 bytes; the compiler itself uses no tile registers.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly)) };
            Self(())
        }

        /// A block of the destination in four registers: every tile that is read serves two of them.
        #[allow(clippy::unused_self)] // whose registers these are
        pub fn multiply(&self, left: Two, right: Two, sums: &mut Sums) {
            let deep = left[0].len();
            assert!(deep > 0 && [left[1], right[0], right[1]].iter().all(|tiles| tiles.len() == deep));
            // SAFETY: the registers are configured as 16 lines of 64 bytes while `self` lives. Each operand is read for `deep` tiles,
            // which it has, and `sums` is written for its 32 lines of 128 bytes.
            unsafe {
                asm!(
                    "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                    "2:",
                    "tileloadd tmm4, [{a} + {line}]",
                    "tileloadd tmm6, [{c} + {line}]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "tileloadd tmm5, [{b} + {line}]",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tileloadd tmm7, [{d} + {line}]",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                    "add {a}, 1024", "add {b}, 1024", "add {c}, 1024", "add {d}, 1024",
                    "dec {deep}",
                    "jnz 2b",
                    "tilestored [{to} + 2*{line}], tmm0",
                    "tilestored [{to} + 2*{line} + 64], tmm1",
                    "tilestored [{to} + 2*{line} + 2048], tmm2",
                    "tilestored [{to} + 2*{line} + 2112], tmm3",
                    a = inout(reg) left[0].as_ptr() => _,
                    b = inout(reg) left[1].as_ptr() => _,
                    c = inout(reg) right[0].as_ptr() => _,
                    d = inout(reg) right[1].as_ptr() => _,
                    deep = inout(reg) deep => _,
                    line = in(reg) 64usize,
                    to = in(reg) sums.0.as_mut_ptr(),
                    options(nostack),
                );
            }
        }
    }

    const _: () = assert!(
        size_of::<Sums>() == 4 * BLOCK * BLOCK && size_of::<Configuration>() == 64 && size_of::<Tile>() == 1024
    );

    impl Drop for Tiles {
        fn drop(&mut self) {
            // SAFETY: the machine has the instruction; nobody else's registers are in use on this thread.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }
}
