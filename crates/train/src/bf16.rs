//! Matrix products of bf16 operands with f32 sums: `y (+)= x·Wᵀ` and `dx (+)= dy·W`, by whichever instructions this machine has.
//!
//! The floor, for SmolLM2-135M with r = 16 in micro-batches of 512 tokens: 425 MFLOP of a token's 474 are products with frozen maps
//! (106 million weights, forward and once backward), 610 where activations are computed again. AMX does 1,024 FLOP a cycle, so that a
//! weight's 512 products take a cycle. Decoding a weight takes a quarter of one (11 billion a second), so it and what follows, merging,
//! rounding and laying out, stay within a band that lies in the second-level cache, and are never a pass over memory. A number that goes to
//! memory and back costs more than all its arithmetic: whoever computes an activation rounds and lays it out a row at a time, once for all
//! products that read it, and a sum is written where it is wanted. The whole account is in the crate's README.
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

use crate::kernels::{View, ViewMut, Write, simd};

/// Lines of a tile, and pairs of a line.
const LINES: usize = 16;
/// Numbers along the summed dimension that a tile holds.
const DEPTH: usize = 32;
/// Rows and columns of the blocks that the destination is computed in: two tiles each way, so that each tile is used twice.
pub const BLOCK: usize = 2 * LINES;

/// Blocks of columns that stay in the second-level cache (under 0.4 MB at a depth of 1,536) while all rows go by, and wide enough that a row's
/// sums are written in long runs.
const PANEL: usize = 4;

/// Tiles along the summed dimension that go by at once: two rows of them and two columns, of 1 KB each, stay in the first-level cache while the
/// next columns come.
const DEEP: usize = 10;

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
#[inline(always)]
#[allow(clippy::inline_always)]
pub fn round(x: f32) -> f32 {
    f32::from_bits(rounded(x) & 0xffff_0000)
}

/// Splits rows of `r` numbers, `scale` times, into what rounding makes of them and what it loses. A row of `out` holds the first ones, then
/// both kinds in the order that `again` says.
pub fn split(numbers: &[f32], r: usize, scale: f32, again: Again, out: &mut [f32]) {
    simd(
        #[inline(always)]
        || {
            for (row, out) in numbers.chunks_exact(r).zip(out.chunks_exact_mut(3 * r)) {
                let (first, rest) = out.split_at_mut(r);
                let (second, third) = rest.split_at_mut(r);
                let (twice, lost) = if again == Again::Last { (third, second) } else { (second, third) };
                for i in 0..r {
                    let x = scale * row[i];
                    first[i] = round(x);
                    twice[i] = first[i];
                    lost[i] = x - first[i];
                }
            }
        },
    );
}

/// Where the rounded numbers of a row stand for the second time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// After what was lost.
    Last,
    /// Before it.
    Next,
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

/// The numbers of a line of pairs, in their order.
#[inline(always)]
#[allow(clippy::inline_always)]
fn halves(pairs: &[u32; LINES]) -> [u16; DEPTH] {
    let pairs = if cfg!(target_endian = "big") { pairs.map(|pair| pair.rotate_left(16)) } else { *pairs };
    // SAFETY: both types are 64 bytes of which every pattern is a value.
    unsafe { std::mem::transmute(pairs) }
}

/// How numbers become a line of pairs.
trait Rounding {
    /// Of 32 numbers that follow each other.
    fn along(numbers: &[f32; DEPTH]) -> [u32; LINES];
    /// Of numbers of one row and those below them.
    fn across(upper: &[f32; LINES], lower: &[f32; LINES]) -> [u32; LINES];
    /// Of two lines along rows the two across them.
    fn turned(upper: &[u32; LINES], lower: &[u32; LINES]) -> [[u32; LINES]; 2];
    /// Lines and pairs exchanged.
    fn transposed(tile: &Tile) -> Tile;
}

/// On any machine.
struct Portable;

impl Rounding for Portable {
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn along(numbers: &[f32; DEPTH]) -> [u32; LINES] {
        std::array::from_fn(
            #[inline(always)]
            |i| pair(numbers[2 * i], numbers[2 * i + 1]),
        )
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn across(upper: &[f32; LINES], lower: &[f32; LINES]) -> [u32; LINES] {
        std::array::from_fn(
            #[inline(always)]
            |i| pair(upper[i], lower[i]),
        )
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn turned(upper: &[u32; LINES], lower: &[u32; LINES]) -> [[u32; LINES]; 2] {
        let mut lines = [[0; LINES]; 2];
        for i in 0..LINES {
            let (line, at) = (&mut lines[i / 8], i % 8 * 2);
            line[at] = upper[i] & 0xffff | lower[i] << 16;
            line[at + 1] = upper[i] >> 16 | lower[i] & 0xffff_0000;
        }
        lines
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn transposed(tile: &Tile) -> Tile {
        let mut to = ZERO;
        for (i, line) in to.0.iter_mut().enumerate() {
            for k in 0..LINES {
                line[k] = tile.0[k][i];
            }
        }
        to
    }
}

/// A loop that rounds.
trait Rounds {
    /// Must be inlined, so that it is compiled for the instructions of its caller.
    fn run<R: Rounding>(self);
}

/// Runs it by the widest instructions that this machine rounds with.
fn dispatch(rounds: impl Rounds) {
    #[cfg(target_arch = "x86_64")]
    if avx512::is_available() {
        // SAFETY: the machine has the instructions that the function is compiled for.
        return unsafe { avx512::run(rounds) };
    }
    simd(
        #[inline(always)]
        || rounds.run::<Portable>(),
    );
}

/// The first numbers of a slice, and zeros where it ends.
#[inline(always)]
#[allow(clippy::inline_always)]
fn padded<const N: usize>(numbers: &[f32]) -> [f32; N] {
    numbers.first_chunk().copied().unwrap_or_else(
        #[inline(always)]
        || {
            let mut padded = [0.0; N];
            padded[..numbers.len()].copy_from_slice(numbers);
            padded
        },
    )
}

/// Fills the tile of a `lines × depth` matrix that begins at this line and depth, with its lines as lines, or with its pairs as lines. One of
/// the matrix's strides must be 1.
#[inline(always)]
#[allow(clippy::inline_always)]
fn fill_tile<R: Rounding>(to: &mut Tile, matrix: View, line: usize, depth: usize, pairs_as_lines: bool) {
    let View { data, rows: lines, cols: all, row_stride, col_stride } = matrix;
    let along_depth = col_stride == 1;
    let turned = along_depth == pairs_as_lines;
    let mut tile = ZERO;
    if along_depth && line + LINES <= lines && depth + DEPTH <= all {
        for (i, pairs) in tile.0.iter_mut().enumerate() {
            *pairs = R::along(data[(line + i) * row_stride + depth..].first_chunk().expect("a whole line"));
        }
        *to = if turned { R::transposed(&tile) } else { tile };
        return;
    }
    for (i, pairs) in tile.0.iter_mut().enumerate() {
        *pairs = if along_depth {
            let i = line + i;
            let row = if i < lines { &data[i * row_stride + depth..][..DEPTH.min(all - depth)] } else { &[] };
            R::along(&padded(row))
        } else {
            let (first, width) = (line.min(lines), LINES.min(lines.saturating_sub(line)));
            let i = depth + 2 * i;
            let upper = if i < all { &data[i * col_stride + first..][..width] } else { &[] };
            let lower = if i + 1 < all { &data[(i + 1) * col_stride + first..][..width] } else { &[] };
            R::across(&padded(upper), &padded(lower))
        };
    }
    *to = if turned { R::transposed(&tile) } else { tile };
}

/// All tiles of a `lines × depth` matrix, line by line of tiles.
struct Fill<'a> {
    tiles: &'a mut [Tile],
    matrix: View<'a>,
    pairs_as_lines: bool,
}

impl<'a> Fill<'a> {
    fn new(tiles: &'a mut Vec<Tile>, matrix: View<'a>, pairs_as_lines: bool) -> Self {
        assert!(
            matrix.row_stride == 1 || matrix.col_stride == 1,
            "numbers of a line or of a column must follow each other"
        );
        Self { tiles: room(tiles, tiles_for(matrix.rows, matrix.cols)), matrix, pairs_as_lines }
    }
}

impl Rounds for Fill<'_> {
    #[allow(clippy::inline_always)] // see `kernels::simd`
    #[inline(always)]
    fn run<R: Rounding>(self) {
        let deep = self.matrix.cols.div_ceil(DEPTH);
        for (i, tiles) in self.tiles.chunks_exact_mut(deep.max(1)).enumerate() {
            for (k, to) in tiles.iter_mut().enumerate() {
                fill_tile::<R>(to, self.matrix, i * LINES, k * DEPTH, self.pairs_as_lines);
            }
        }
    }
}

/// Tiles of so many lines, in whole blocks, and so much depth.
fn tiles_for(lines: usize, depth: usize) -> usize {
    lines.next_multiple_of(BLOCK) / LINES * depth.div_ceil(DEPTH)
}

/// The first so many tiles of a buffer, which never shrinks, so that what lies there is not cleared again and again.
fn room(tiles: &mut Vec<Tile>, count: usize) -> &mut [Tile] {
    if tiles.len() < count {
        tiles.resize(count, ZERO);
    }
    &mut tiles[..count]
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
        if matrix.col_stride == 1 {
            self.begin(matrix.rows, matrix.cols);
            dispatch(PutRows { to: self, row: 0, column: 0, matrix });
        } else {
            (self.rows, self.depth) = (matrix.rows, matrix.cols);
            dispatch(Fill::new(&mut self.tiles, matrix, false));
        }
    }

    /// Its rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Makes room for rows that [`put_row`](Self::put_row) brings.
    pub fn begin(&mut self, rows: usize, depth: usize) {
        (self.rows, self.depth) = (rows, depth);
        let deep = depth.div_ceil(DEPTH);
        let tiles = room(&mut self.tiles, tiles_for(rows, depth));
        for padding in rows..rows.next_multiple_of(BLOCK) {
            for tile in &mut tiles[padding / LINES * deep..][..deep] {
                tile.0[padding % LINES] = [0; LINES];
            }
        }
    }

    /// Rounds a row, or what of it begins at a tile, and lays it out, while it is still in the cache of whatever computed it.
    pub fn put_row(&mut self, row: usize, column: usize, numbers: &[f32]) {
        assert!(row < self.rows && column + numbers.len() <= self.depth, "a row outside its matrix");
        assert!(column.is_multiple_of(DEPTH), "a part of a tile");
        dispatch(PutRows { to: self, row, column, matrix: View::new(numbers, 1, numbers.len()) });
    }

    /// What stands in a row, from the beginning of a tile on.
    pub fn row(&self, row: usize, column: usize, numbers: &mut [f32]) {
        assert!(row < self.rows && column + numbers.len() <= self.depth, "a row outside its matrix");
        assert!(column.is_multiple_of(DEPTH), "a part of a tile");
        let tiles = &self.tiles[row / LINES * self.depth.div_ceil(DEPTH) + column / DEPTH..];
        simd(
            #[inline(always)]
            || {
                let (whole, rest) = numbers.as_chunks_mut::<DEPTH>();
                let (before, after) = tiles.split_at(whole.len());
                for (tile, numbers) in before.iter().zip(whole) {
                    let halves = halves(&tile.0[row % LINES]);
                    for i in 0..DEPTH {
                        numbers[i] = f32::from_bits(u32::from(halves[i]) << 16);
                    }
                }
                for (i, number) in rest.iter_mut().enumerate() {
                    let pair = after[0].0[row % LINES][i / 2];
                    *number = if i % 2 == 0 { first(pair) } else { second(pair) };
                }
            },
        );
    }

    /// Some of its rows, from the beginning of a block on.
    pub fn part(&self, rows: Range<usize>) -> LeftPart<'_> {
        assert!(rows.start.is_multiple_of(BLOCK) && rows.end <= self.rows);
        let tiles = &self.tiles[tiles_for(rows.start, self.depth)..tiles_for(rows.end, self.depth)];
        LeftPart { tiles, rows: rows.len(), depth: self.depth }
    }
}

/// What of a left operand a product reads.
#[derive(Clone, Copy)]
pub struct LeftPart<'a> {
    tiles: &'a [Tile],
    rows: usize,
    depth: usize,
}

impl<'a> From<&'a Left> for LeftPart<'a> {
    fn from(whole: &'a Left) -> Self {
        whole.part(0..whole.rows)
    }
}

/// Rows of a matrix, which become rows of a left operand from some one on.
struct PutRows<'a> {
    to: &'a mut Left,
    row: usize,
    column: usize,
    matrix: View<'a>,
}

impl Rounds for PutRows<'_> {
    #[allow(clippy::inline_always)] // see `kernels::simd`
    #[inline(always)]
    fn run<R: Rounding>(self) {
        let Self { to, row: first, column, matrix } = self;
        let deep = to.depth.div_ceil(DEPTH);
        for i in 0..matrix.rows {
            let (row, numbers) = (first + i, &matrix.data[i * matrix.row_stride..][..matrix.cols]);
            let tiles = &mut to.tiles[row / LINES * deep + column / DEPTH..];
            let (whole, rest) = numbers.as_chunks::<DEPTH>();
            for (tile, numbers) in tiles.iter_mut().zip(whole) {
                tile.0[row % LINES] = R::along(numbers);
            }
            if !rest.is_empty() {
                tiles[whole.len()].0[row % LINES] = R::along(&padded(rest));
            }
        }
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
        dispatch(Fill::new(&mut self.tiles, matrix.t(), true));
    }

    /// Takes over the matrix of a left operand, whose rows are now summed over.
    pub fn turn<'a>(&mut self, left: impl Into<LeftPart<'a>>) {
        let left = left.into();
        (self.depth, self.columns) = (left.rows, left.depth);
        dispatch(Turn { left, right: room(&mut self.tiles, tiles_for(left.depth, left.rows)) });
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
        for start in (0..rows).step_by(BAND) {
            let taken = start..(start + BAND).min(rows);
            let count = taken.len();
            band.resize(count * cols, 0.0);
            decode(taken, band);
            dispatch(FillBand { to: self, side, start, band: View::new(band, count, cols) });
        }
    }

    /// Some of its columns, from the beginning of a block on.
    pub fn columns(&self, columns: Range<usize>) -> RightPart<'_> {
        let step = self.depth.div_ceil(DEPTH);
        assert!(columns.start.is_multiple_of(BLOCK) && columns.end <= self.columns);
        let tiles = &self.tiles[columns.start / LINES * step..];
        RightPart { tiles, step, first: 0, depth: self.depth, columns: columns.len() }
    }

    /// Some of its rows, from the beginning of a tile on. Where they end within one, a left operand's zeros meet the others.
    pub fn rows(&self, rows: Range<usize>) -> RightPart<'_> {
        let (step, first) = (self.depth.div_ceil(DEPTH), rows.start / DEPTH);
        assert!(rows.start.is_multiple_of(DEPTH) && rows.end <= self.depth);
        RightPart { tiles: &self.tiles, step, first, depth: rows.len(), columns: self.columns }
    }

    /// Bytes in memory.
    pub fn size_in_bytes(&self) -> usize {
        size_of_val(&*self.tiles)
    }
}

/// What of a right operand a product reads.
#[derive(Clone, Copy)]
pub struct RightPart<'a> {
    tiles: &'a [Tile],
    /// Tiles from one column of them to the next.
    step: usize,
    /// The first one of each column.
    first: usize,
    depth: usize,
    columns: usize,
}

impl<'a> RightPart<'a> {
    fn column(self, i: usize, deep: Range<usize>) -> &'a [Tile] {
        &self.tiles[i * self.step + self.first..][deep]
    }
}

impl<'a> From<&'a Right> for RightPart<'a> {
    fn from(whole: &'a Right) -> Self {
        whole.columns(0..whole.columns)
    }
}

/// Some rows of a weight, which become two columns of tiles, or a part of every one.
struct FillBand<'a> {
    to: &'a mut Right,
    side: Side,
    start: usize,
    band: View<'a>,
}

impl Rounds for FillBand<'_> {
    #[allow(clippy::inline_always)] // see `kernels::simd`
    #[inline(always)]
    fn run<R: Rounding>(self) {
        let Self { to, side, start, band } = self;
        let deep = to.depth.div_ceil(DEPTH);
        let tiles = room(&mut to.tiles, tiles_for(to.columns, to.depth));
        match side {
            Side::Inputs => {
                let columns = &mut tiles[start / LINES * deep..][..BAND / LINES * deep];
                for (i, tiles) in columns.chunks_exact_mut(deep).enumerate() {
                    for (k, to) in tiles.iter_mut().enumerate() {
                        fill_tile::<R>(to, band, i * LINES, k * DEPTH, true);
                    }
                }
            }
            Side::Outputs => {
                for (i, tiles) in tiles.chunks_exact_mut(deep).enumerate() {
                    fill_tile::<R>(&mut tiles[start / DEPTH], band.t(), i * LINES, 0, true);
                }
            }
        }
    }
}

/// Pairs along rows become pairs across rows: two rows of 32 numbers are a line of one tile and a line of the next column's.
struct Turn<'a> {
    left: LeftPart<'a>,
    right: &'a mut [Tile],
}

impl Rounds for Turn<'_> {
    #[allow(clippy::inline_always)] // see `kernels::simd`
    #[inline(always)]
    fn run<R: Rounding>(self) {
        let Self { left, right } = self;
        let (deep, high) = (left.depth.div_ceil(DEPTH), left.rows.div_ceil(DEPTH));
        for (k, rows) in left.tiles.chunks_exact(2 * deep.max(1)).enumerate() {
            for t in 0..deep {
                let (one, other) = right[2 * t * high..][..2 * high].split_at_mut(high);
                for line in 0..LINES {
                    let tile = &rows[line / 8 * deep + t].0;
                    [one[k].0[line], other[k].0[line]] = R::turned(&tile[line % 8 * 2], &tile[line % 8 * 2 + 1]);
                }
            }
        }
    }
}

/// Two rows of a left operand's tiles, or two columns of a right one's.
type Two<'a> = [&'a [Tile]; 2];

/// A block of the destination: its first number and what follows, so many numbers from one row to the next, and whether sums begin with
/// what stands there.
struct Block<'a> {
    sums: &'a mut [f32],
    stride: usize,
    write: Write,
}

/// `dst (+)= left · right`, on one thread, or on the current rayon pool if `threads > 1`. Sums that are added to begin with what stands there.
pub fn product<'a>(
    kernel: Kernel,
    dst: ViewMut,
    write: Write,
    left: impl Into<LeftPart<'a>>,
    right: impl Into<RightPart<'a>>,
    threads: usize,
) {
    let (left, right) = (left.into(), right.into());
    let (rows, columns) = (left.rows, right.columns);
    assert!(dst.rows == rows && dst.cols == columns && left.depth == right.depth, "matrix shapes differ");
    let blocks = columns.div_ceil(BLOCK);
    if threads <= 1 || blocks <= 1 {
        return multiply(kernel, left, right, 0..blocks, dst, write);
    }
    // Threads share the columns, because the rows may be few.
    let parts: Vec<Range<usize>> = (0..threads).map(|i| i * blocks / threads..(i + 1) * blocks / threads).collect();
    let span = |part: &Range<usize>| part.start * BLOCK..(part.end * BLOCK).min(columns);
    let begun = &dst;
    let done: Vec<Vec<f32>> = parts
        .par_iter()
        .map(|part| {
            let span = span(part);
            let mut own = Vec::with_capacity(rows * span.len());
            begun.data.chunks(begun.row_stride).take(rows).for_each(|row| own.extend_from_slice(&row[span.clone()]));
            let dst = ViewMut::new(&mut own, rows, span.len());
            multiply(kernel, left, right, part.clone(), dst, write);
            own
        })
        .collect();
    for (part, own) in parts.iter().zip(done).filter(|(part, _)| !part.is_empty()) {
        let span = span(part);
        for (dst, own) in dst.data.chunks_mut(dst.row_stride).zip(own.chunks_exact(span.len())) {
            dst[span.clone()].copy_from_slice(own);
        }
    }
}

/// Some blocks of columns of a product, into a matrix of these columns alone.
#[allow(clippy::needless_pass_by_value)] // as in `kernels::matmul`
fn multiply(kernel: Kernel, left: LeftPart, right: RightPart, blocks: Range<usize>, dst: ViewMut, write: Write) {
    let deep = left.depth.div_ceil(DEPTH);
    if blocks.is_empty() || deep == 0 {
        return;
    }
    let count = deep.div_ceil(DEEP);
    let parts = (0..count).map(|i| i * deep / count..(i + 1) * deep / count);
    let mut edge = None;
    let mut each = |multiply: &dyn Fn(Two, Two, Block)| {
        for panel in blocks.clone().step_by(PANEL) {
            for part in parts.clone() {
                let write = if part.start > 0 { Write::Add } else { write };
                let rows = dst.data.chunks_mut(BLOCK * dst.row_stride);
                for ((i, a), rows) in left.tiles.chunks_exact(2 * deep).enumerate().zip(rows) {
                    let a = [&a[part.clone()], &a[deep..][part.clone()]];
                    for block in panel..(panel + PANEL).min(blocks.end) {
                        let at = (block - blocks.start) * BLOCK;
                        let (height, width) = (BLOCK.min(dst.rows - i * BLOCK), BLOCK.min(dst.cols - at));
                        let b = [right.column(2 * block, part.clone()), right.column(2 * block + 1, part.clone())];
                        let (sums, stride) = (&mut rows[at..], dst.row_stride);
                        if (height, width) == (BLOCK, BLOCK) {
                            multiply(a, b, Block { sums, stride, write });
                        } else {
                            at_the_edge(
                                sums,
                                stride,
                                (height, width),
                                write,
                                edge.get_or_insert([0.0; BLOCK * BLOCK]),
                                |block| multiply(a, b, block),
                            );
                        }
                    }
                }
            }
        }
    };
    match kernel {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Kernel::Amx => {
            let amx = amx::Tiles::configure();
            each(&|a, b, block| amx.multiply(a, b, block));
        }
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512 => {
            assert!(kernel.is_available(), "this machine has no AVX512-BF16");
            // SAFETY: the machine has the instructions that the function is compiled for.
            each(&|a, b, block| unsafe { avx512::multiply(a, b, block) });
        }
        _ => each(&portable),
    }
}

/// A block of which only a part lies inside the destination; `whole` is a buffer.
fn at_the_edge(
    dst: &mut [f32],
    stride: usize,
    (height, width): (usize, usize),
    write: Write,
    whole: &mut [f32; BLOCK * BLOCK],
    multiply: impl FnOnce(Block),
) {
    if write == Write::Add {
        for (whole, dst) in whole.chunks_exact_mut(BLOCK).zip(dst.chunks(stride)).take(height) {
            whole[..width].copy_from_slice(&dst[..width]);
        }
    }
    multiply(Block { sums: &mut *whole, stride: BLOCK, write });
    for (whole, dst) in whole.chunks_exact(BLOCK).zip(dst.chunks_mut(stride)).take(height) {
        dst[..width].copy_from_slice(&whole[..width]);
    }
}

/// One number after another, the second of a pair first, as AVX-512 adds them.
#[allow(clippy::needless_pass_by_value)]
fn portable(left: Two, right: Two, block: Block) {
    simd(
        #[inline(always)]
        || {
            for (i, row) in block.sums.chunks_mut(block.stride).take(BLOCK).enumerate() {
                let (row, _) = row[..BLOCK].as_chunks_mut::<LINES>();
                let mut own = if block.write == Write::Add { [row[0], row[1]] } else { [[0.0; LINES]; 2] };
                for (a, (b, c)) in left[i / LINES].iter().zip(right[0].iter().zip(right[1])) {
                    for (x, (b, c)) in a.0[i % LINES].iter().zip(b.0.iter().zip(&c.0)) {
                        add_pairs(&mut own[0], *x, b);
                        add_pairs(&mut own[1], *x, c);
                    }
                }
                row.copy_from_slice(&own);
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
        __cpuid, __m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_permutex2var_epi16,
        _mm512_permutexvar_epi16, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_shuffle_i32x4, _mm512_unpackhi_epi32,
        _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };
    use std::mem::transmute;

    use super::{BLOCK, Block, DEPTH, LINES, Rounding, Rounds, Tile, Two, Write};

    pub fn is_available() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16")
    }

    /// Runs a loop compiled for these instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub fn run(rounds: impl Rounds) {
        rounds.run::<Hardware>();
    }

    /// By `vcvtne2ps2bf16`, which takes subnormal numbers for zero as the products do. For loops that `run` runs.
    pub struct Hardware;

    /// Where the 32 halves of a line come from: from the first 16 and from the last by turns.
    const BY_TURNS: [u16; DEPTH] = {
        let mut halves = [0; DEPTH];
        let mut i = 0;
        while i < DEPTH {
            halves[i] = (i / 2 + i % 2 * LINES) as u16;
            i += 1;
        }
        halves
    };

    /// Where halves come from where two lines of 32 become two lines by turns: the lower 16 of each, then the upper ones.
    const OF_TWO: [[u16; DEPTH]; 2] = {
        let mut halves = [[0; DEPTH]; 2];
        let mut i = 0;
        while i < 2 * DEPTH {
            halves[i / DEPTH][i % DEPTH] = (i / 2 + i % 2 * DEPTH) as u16;
            i += 1;
        }
        halves
    };

    impl Rounding for Hardware {
        #[inline(always)]
        #[allow(clippy::inline_always)]
        fn along(numbers: &[f32; DEPTH]) -> [u32; LINES] {
            // SAFETY: the types are of one size and every pattern is a value; whoever rounds like this has the instruction.
            unsafe {
                let [first, last] = transmute::<[f32; DEPTH], [__m512; 2]>(*numbers);
                transmute::<__m512bh, [u32; LINES]>(_mm512_cvtne2ps_pbh(last, first))
            }
        }

        #[inline(always)]
        #[allow(clippy::inline_always)]
        fn across(upper: &[f32; LINES], lower: &[f32; LINES]) -> [u32; LINES] {
            // SAFETY: as above.
            unsafe {
                let (upper, lower) =
                    (transmute::<[f32; LINES], __m512>(*upper), transmute::<[f32; LINES], __m512>(*lower));
                let halves = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(lower, upper));
                let by_turns = transmute::<[u16; DEPTH], __m512i>(BY_TURNS);
                transmute::<__m512i, [u32; LINES]>(_mm512_permutexvar_epi16(by_turns, halves))
            }
        }

        #[inline(always)]
        #[allow(clippy::inline_always)]
        fn turned(upper: &[u32; LINES], lower: &[u32; LINES]) -> [[u32; LINES]; 2] {
            // SAFETY: as above.
            unsafe {
                let upper = transmute::<[u32; LINES], __m512i>(*upper);
                let lower = transmute::<[u32; LINES], __m512i>(*lower);
                let order = transmute::<[[u16; DEPTH]; 2], [__m512i; 2]>(OF_TWO);
                let first = _mm512_permutex2var_epi16(upper, order[0], lower);
                let second = _mm512_permutex2var_epi16(upper, order[1], lower);
                transmute::<[__m512i; 2], [[u32; LINES]; 2]>([first, second])
            }
        }

        #[inline(always)]
        #[allow(clippy::inline_always)]
        fn transposed(tile: &Tile) -> Tile {
            // SAFETY: as above.
            unsafe { transpose(tile) }
        }
    }

    pub fn is_of_amd() -> bool {
        let vendor = __cpuid(0);
        [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
    }

    /// Exchanges lines and pairs: first within groups of four pairs of four lines, then the groups.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transpose(tile: &Tile) -> Tile {
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
        unsafe { transmute::<[__m512i; LINES], Tile>(out) }
    }

    /// Rows of a block that are summed at once: with two columns of tiles, 16 of the 32 registers.
    const ROWS: usize = 8;

    #[allow(clippy::needless_pass_by_value)] // the block is this call's alone, whichever kernel takes it
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn multiply(left: Two, right: Two, block: Block) {
        for (i, rows) in block.sums.chunks_mut(ROWS * block.stride).take(BLOCK / ROWS).enumerate() {
            let (a, top) = (left[i * ROWS / LINES], i * ROWS % LINES);
            let mut own = [[_mm512_setzero_ps(); 2]; ROWS];
            if block.write == Write::Add {
                for (own, row) in own.iter_mut().zip(rows.chunks(block.stride)) {
                    // SAFETY: both types are of one size and every pattern is a value.
                    *own =
                        unsafe { transmute::<[f32; BLOCK], [__m512; 2]>(*row.first_chunk().expect("a whole block")) };
                }
            }
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
            for (row, own) in rows.chunks_mut(block.stride).zip(own) {
                // SAFETY: as above.
                let own = unsafe { transmute::<[__m512; 2], [f32; BLOCK]>(own) };
                row[..BLOCK].copy_from_slice(&own);
            }
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx {
    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count, _MM_HINT_ET0, _mm_prefetch};
    use std::sync::OnceLock;

    use super::{BLOCK, Block, LINES, Tile, Two, Write};

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
        #[allow(clippy::unused_self, clippy::needless_pass_by_value)] // whose registers these are; an exclusive borrow given up
        pub fn multiply(&self, left: Two, right: Two, block: Block) {
            let (deep, stride) = (left[0].len(), block.stride);
            assert!(deep > 0 && [left[1], right[0], right[1]].iter().all(|tiles| tiles.len() == deep));
            assert!(stride >= BLOCK && block.sums.len() >= (BLOCK - 1) * stride + BLOCK, "a block outside its matrix");
            // The destination comes from afar while the operands are multiplied.
            for row in block.sums.chunks(stride).take(BLOCK) {
                // SAFETY: asking for memory early changes nothing.
                unsafe {
                    _mm_prefetch::<_MM_HINT_ET0>(row.as_ptr().cast());
                    _mm_prefetch::<_MM_HINT_ET0>(row[LINES..].as_ptr().cast());
                }
            }
            // SAFETY: the registers are configured as 16 lines of 64 bytes while `self` lives. Each operand is read for `deep` tiles,
            // which it has, and `sums` is read and written for 32 lines of 128 bytes, which are inside it.
            unsafe {
                asm!(
                    "test {add:e}, {add:e}",
                    "jnz 3f",
                    "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                    "jmp 2f",
                    "3:",
                    "tileloadd tmm0, [{to} + {stride}]",
                    "tileloadd tmm1, [{to} + {stride} + 64]",
                    "tileloadd tmm2, [{lower} + {stride}]",
                    "tileloadd tmm3, [{lower} + {stride} + 64]",
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
                    "tilestored [{to} + {stride}], tmm0",
                    "tilestored [{to} + {stride} + 64], tmm1",
                    "tilestored [{lower} + {stride}], tmm2",
                    "tilestored [{lower} + {stride} + 64], tmm3",
                    a = inout(reg) left[0].as_ptr() => _,
                    b = inout(reg) left[1].as_ptr() => _,
                    c = inout(reg) right[0].as_ptr() => _,
                    d = inout(reg) right[1].as_ptr() => _,
                    deep = inout(reg) deep => _,
                    line = in(reg) size_of::<[u32; LINES]>(),
                    to = in(reg) block.sums.as_mut_ptr(),
                    lower = in(reg) block.sums[LINES * stride..].as_mut_ptr(),
                    stride = in(reg) stride * size_of::<f32>(),
                    add = in(reg) u32::from(block.write == Write::Add),
                    options(nostack),
                );
            }
        }
    }

    const _: () = assert!(size_of::<Configuration>() == 64 && size_of::<Tile>() == 1024);

    impl Drop for Tiles {
        fn drop(&mut self) {
            // SAFETY: the machine has the instruction; nobody else's registers are in use on this thread.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }
}
