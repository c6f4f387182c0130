//! A prompt of pairs (x, y), as a linear layer sees it: only through sums.

/// The sums of a prompt's pairs: `Σ (x, y)(x, y)ᵀ`, all that one linear attention layer can tell of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    dimension: usize,
    length: usize,
    /// Row-major, d + 1 by d + 1, symmetric.
    sums: Vec<f64>,
}

impl Prompt {
    /// An empty prompt of pairs whose x has `dimension` numbers.
    pub fn new(dimension: usize) -> Self {
        Self { dimension, length: 0, sums: vec![0.0; (dimension + 1) * (dimension + 1)] }
    }

    /// Makes it empty again.
    pub fn clear(&mut self) {
        self.length = 0;
        self.sums.fill(0.0);
    }

    /// Adds the pair (x, y) so many times.
    pub fn add(&mut self, x: &[f64], y: f64, times: usize) {
        let d = self.dimension;
        let weight = times as f64;
        self.length += times;
        // The lower triangle; whoever reads it mirrors.
        for i in 0..d {
            let row = &mut self.sums[i * (d + 1)..][..=i];
            row.iter_mut().zip(x).for_each(|(sum, xj)| *sum += weight * x[i] * xj);
        }
        let last = &mut self.sums[d * (d + 1)..];
        last[..d].iter_mut().zip(x).for_each(|(sum, xj)| *sum += weight * y * xj);
        last[d] += weight * y * y;
    }

    /// Number of pairs.
    pub fn length(&self) -> usize {
        self.length
    }

    /// `Σ x y`, d numbers.
    pub fn correlation(&self) -> &[f64] {
        &self.sums[self.dimension * (self.dimension + 1)..][..self.dimension]
    }

    /// `Σ (x, y)(x, y)ᵀ v`.
    pub fn times(&self, v: &[f64], out: &mut [f64]) {
        let n = self.dimension + 1;
        out.fill(0.0);
        for i in 0..n {
            let row = &self.sums[i * n..][..i];
            let mut sum = self.sums[i * n + i] * v[i];
            for (j, value) in row.iter().enumerate() {
                sum += value * v[j];
                out[j] += value * v[i];
            }
            out[i] += sum;
        }
    }
}
