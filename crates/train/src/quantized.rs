//! A matrix kept in GGUF's block-quantised bytes and made dense a few rows at a time.

use std::borrow::Cow;
use std::ops::Range;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::kernels::simd;
use crate::rng::Rng;

/// A frozen `rows × cols` matrix in its file's own block format.
pub struct Quantized {
    dtype: GgmlDType,
    rows: usize,
    cols: usize,
    bytes: Vec<u8>,
}

impl Quantized {
    /// Takes over a candle tensor whose rows are whole blocks; a vector is one row.
    pub fn from_qtensor(tensor: &QTensor) -> candle_core::Result<Self> {
        let (rows, cols) = match *tensor.shape().dims() {
            [cols] => (1, cols),
            _ => tensor.shape().dims2()?,
        };
        let dtype = tensor.dtype();
        if cols % dtype.block_size() != 0 {
            candle_core::bail!("a row of {cols} is no whole number of {dtype:?} blocks");
        }
        Ok(Self { dtype, rows, cols, bytes: tensor.data()?.into_owned() })
    }

    /// Takes over the bytes of so many whole blocks.
    pub fn from_bytes(dtype: GgmlDType, rows: usize, cols: usize, bytes: Vec<u8>) -> Self {
        let matrix = Self { dtype, rows, cols, bytes };
        assert!(cols.is_multiple_of(dtype.block_size()) && matrix.bytes.len() == rows * matrix.row_bytes());
        matrix
    }

    /// A dense matrix.
    pub fn from_f32(values: &[f32], rows: usize, cols: usize) -> Self {
        assert_eq!(values.len(), rows * cols);
        Self { dtype: GgmlDType::F32, rows, cols, bytes: values.iter().flat_map(|x| x.to_le_bytes()).collect() }
    }

    /// Number of rows (outputs of a linear layer).
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns (inputs of a linear layer).
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The block format.
    pub fn dtype(&self) -> GgmlDType {
        self.dtype
    }

    /// Bytes in memory.
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn row_bytes(&self) -> usize {
        self.cols / self.dtype.block_size() * self.dtype.type_size()
    }

    /// The same matrix with row `source(i)` at `i`. Blocks run along a row, so nothing is decoded and nothing is lost.
    #[must_use]
    pub fn permuted_rows(&self, source: impl Fn(usize) -> usize) -> Self {
        let width = self.row_bytes();
        let bytes = (0..self.rows).flat_map(|i| &self.bytes[source(i) * width..(source(i) + 1) * width]).copied();
        Self { bytes: bytes.collect(), ..*self }
    }

    /// A matrix of the same format whose values are draws with mean 0 and this one's standard deviation. The stream of a row is named
    /// by the seed, the tensor's name and the row.
    pub fn randomised(&self, seed: u64, name: &str) -> candle_core::Result<Self> {
        let mut values = Vec::new();
        self.dequantize_into(&mut values);
        let n = values.len() as f64;
        let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
        let spread = (values.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n).sqrt() as f32;
        let name: Vec<u64> = [seed, 3].into_iter().chain(name.bytes().map(u64::from)).collect();
        values.par_chunks_mut(self.cols).enumerate().for_each(|(row, values)| {
            let mut rng = Rng::new(&[&name[..], &[row as u64]].concat());
            values.iter_mut().for_each(|x| *x = rng.bell() * spread);
        });
        let dense = Tensor::from_vec(values, (self.rows, self.cols), &Device::Cpu)?;
        Self::from_qtensor(&QTensor::quantize(&dense, self.dtype)?)
    }

    /// Makes some rows dense: `out` is `rows.len() × cols`.
    pub fn dequantize_rows(&self, rows: Range<usize>, out: &mut [f32]) {
        assert_eq!(out.len(), rows.len() * self.cols, "destination of another size");
        let bytes = &self.bytes[rows.start * self.row_bytes()..rows.end * self.row_bytes()];
        self.decode(bytes, (rows.len(), self.cols), out);
    }

    /// Makes some columns of some rows dense, from the beginning of a block to the end of one.
    pub fn dequantize_part(&self, rows: Range<usize>, columns: Range<usize>, out: &mut [f32]) {
        if columns == (0..self.cols) {
            return self.dequantize_rows(rows, out);
        }
        assert_eq!(out.len(), rows.len() * columns.len(), "destination of another size");
        let block = self.dtype.block_size();
        assert!(columns.start.is_multiple_of(block) && columns.end.is_multiple_of(block), "a part of a block");
        let at = |column: usize| column / block * self.dtype.type_size();
        let bytes =
            self.bytes[rows.start * self.row_bytes()..rows.end * self.row_bytes()].chunks_exact(self.row_bytes());
        for (bytes, out) in bytes.zip(out.chunks_exact_mut(columns.len())) {
            self.decode(&bytes[at(columns.start)..at(columns.end)], (1, columns.len()), out);
        }
    }

    /// The common formats are decoded here at some billion weights a second; every other one goes through candle.
    fn decode(&self, bytes: &[u8], (rows, cols): (usize, usize), out: &mut [f32]) {
        match self.dtype {
            GgmlDType::F32 => {
                for (x, b) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                    *x = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                }
            }
            GgmlDType::BF16 => {
                for (x, b) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *x = f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16);
                }
            }
            // A closure that is not inlined would miss the wide instructions, and its fused multiply-add would be a call.
            GgmlDType::Q4_0 => blocks::<18>(
                bytes,
                out,
                #[inline(always)]
                |b, out| nibbles(&b[2..], f16_at(b, 0), -8.0 * f16_at(b, 0), out),
            ),
            GgmlDType::Q4_1 => blocks::<20>(
                bytes,
                out,
                #[inline(always)]
                |b, out| nibbles(&b[4..], f16_at(b, 0), f16_at(b, 2), out),
            ),
            GgmlDType::Q8_0 => blocks::<34>(
                bytes,
                out,
                #[inline(always)]
                |b, out| {
                    let d = f16_at(b, 0);
                    for i in 0..32 {
                        out[i] = f32::from(b[2 + i].cast_signed()) * d;
                    }
                },
            ),
            other => dequantize_with_candle(other, bytes, (rows, cols), out),
        }
    }

    /// The whole matrix, dense.
    pub fn to_dense(&self) -> Vec<f32> {
        let mut out = Vec::new();
        self.dequantize_into(&mut out);
        out
    }

    /// The whole matrix, dense, in a reused buffer.
    pub fn dequantize_into(&self, out: &mut Vec<f32>) {
        out.resize(self.rows * self.cols, 0.0);
        self.dequantize_rows(0..self.rows, out);
    }
}

fn dequantize_with_candle(dtype: GgmlDType, bytes: &[u8], shape: (usize, usize), out: &mut [f32]) {
    let dense = QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, dtype)
        .and_then(|storage| QTensor::new(storage, shape))
        .and_then(|tensor| tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>())
        .expect("candle decodes on the CPU every format that it loads, and the shape was checked at load");
    out.copy_from_slice(&dense);
}

/// A matrix that is read a few rows at a time: frozen blocks, or dense parameters.
#[derive(Clone, Copy)]
pub enum Matrix<'a> {
    /// A frozen matrix in its file's own blocks.
    Quantized(&'a Quantized),
    /// Dense row-major values, and how many stand in a row.
    Dense(&'a [f32], usize),
}

impl Matrix<'_> {
    /// Number of rows.
    pub fn rows(self) -> usize {
        match self {
            Self::Quantized(matrix) => matrix.rows(),
            Self::Dense(values, cols) => values.len() / cols,
        }
    }

    /// Number of columns.
    pub fn cols(self) -> usize {
        match self {
            Self::Quantized(matrix) => matrix.cols(),
            Self::Dense(_, cols) => cols,
        }
    }

    /// Some rows, dense: `out` is `rows.len() × cols`.
    pub fn dequantize_rows(self, rows: Range<usize>, out: &mut [f32]) {
        match self {
            Self::Quantized(matrix) => matrix.dequantize_rows(rows, out),
            Self::Dense(values, cols) => out.copy_from_slice(&values[rows.start * cols..rows.end * cols]),
        }
    }
}

/// Applies `decode` to each block of `BYTES` bytes and 32 weights.
#[inline(always)]
#[allow(clippy::inline_always)] // see `kernels::simd`
fn blocks<const BYTES: usize>(bytes: &[u8], out: &mut [f32], decode: impl Fn(&[u8; BYTES], &mut [f32; 32])) {
    simd(
        #[inline(always)]
        || {
            for (block, out) in bytes.as_chunks::<BYTES>().0.iter().zip(out.as_chunks_mut::<32>().0) {
                // Opaque, or the compiler vectorises across blocks, with scattered stores, at a fifth of the speed.
                decode(std::hint::black_box(block), out);
            }
        },
    );
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn f16_at(block: &[u8], at: usize) -> f32 {
    // Shifting the bits leaves an exponent that is 112 too small, also for subnormals; scales are finite.
    let bits = u32::from(u16::from_le_bytes([block[at], block[at + 1]]));
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16)
}

/// 16 bytes are 32 weights `nibble · d + m`: the low halves first, then the high ones.
#[inline(always)]
#[allow(clippy::inline_always)]
fn nibbles(bytes: &[u8], d: f32, m: f32, out: &mut [f32; 32]) {
    for i in 0..16 {
        out[i] = f32::from(bytes[i] & 15).mul_add(d, m);
        out[i + 16] = f32::from(bytes[i] >> 4).mul_add(d, m);
    }
}
