//! The rows that products with weights take in: dense in f32, or rounded to bf16 and laid out once for all products that read them.
//!
//! A function writes them a row at a time, so that a row is rounded while it lies in the first-level cache, and never written in f32.

use crate::bf16::{Kernel, Left};
use crate::kernels::View;

/// Rows as products read them.
#[derive(Clone, Copy)]
pub enum Rows<'a> {
    /// Row-major, for products in f32.
    Dense(&'a [f32]),
    /// Laid out for products in bf16 by this kernel.
    Bf16(Kernel, &'a Left),
}

/// A buffer for them.
#[derive(Default)]
pub struct Operand {
    /// All rows, or the one that is to be rounded next.
    dense: Vec<f32>,
    left: Left,
}

impl Operand {
    /// Rows that lie in memory.
    pub fn of<'a>(&'a mut self, bf16: Option<Kernel>, rows: &'a [f32], width: usize) -> Rows<'a> {
        let Some(kernel) = bf16 else { return Rows::Dense(rows) };
        self.left.pack(View::new(rows, rows.len() / width, width));
        Rows::Bf16(kernel, &self.left)
    }

    /// Rows that `write` makes of their numbers.
    pub fn made(
        &mut self,
        bf16: Option<Kernel>,
        (n, width): (usize, usize),
        mut write: impl FnMut(usize, &mut [f32]),
    ) -> Rows<'_> {
        let Some(kernel) = bf16 else {
            self.dense.resize(n * width, 0.0);
            self.dense.chunks_exact_mut(width).enumerate().for_each(|(i, row)| write(i, row));
            return Rows::Dense(&self.dense);
        };
        self.dense.resize(width, 0.0);
        self.left.begin(n, width);
        for i in 0..n {
            write(i, &mut self.dense);
            self.left.put_row(i, 0, &self.dense);
        }
        Rows::Bf16(kernel, &self.left)
    }

    /// Room for rows that [`put`](Self::put) brings, to be rounded.
    pub fn begin(&mut self, n: usize, width: usize) {
        self.left.begin(n, width);
    }

    /// Brings a part of a row.
    pub fn put(&mut self, row: usize, column: usize, numbers: &[f32]) {
        self.left.put_row(row, column, numbers);
    }

    /// What was brought.
    pub fn brought(&self, kernel: Kernel) -> Rows<'_> {
        Rows::Bf16(kernel, &self.left)
    }
}
