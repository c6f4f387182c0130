//! One linear self-attention layer: Zhang, Frei, Bartlett, "Trained transformers learn linear models in-context", JMLR 25, 2024, section 3.
//!
//! A prompt of M pairs and a query is the matrix `E = [x₁ … x_M x_q; y₁ … y_M 0]`, and the layer is
//! `f(E) = E + W^PV E · Eᵀ W^KQ E / M`, with softmax and masks left away. Its prediction for the query is the last entry of the last column:
//! `ŷ = vᵀ (E Eᵀ / M) K x_q`, where `vᵀ` is the last row of `W^PV` and `K` is `W^KQ` without its last column. Nothing else of the
//! two matrices has a part in the prediction, so nothing else is kept or trained.

use crate::prompt::Prompt;

/// The part of a linear self-attention layer that predicts; as large, the gradient of its loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    dimension: usize,
    /// The last row of `W^PV`: d numbers that read the features, one that reads the labels.
    pub value: Vec<f64>,
    /// `W^KQ` without its last column, row-major: d + 1 rows of d.
    pub key_query: Vec<f64>,
}

/// Room for one prediction, to be used again.
#[derive(Debug, Clone)]
pub struct Scratch {
    attended: Vec<f64>,
    seen: Vec<f64>,
    read: Vec<f64>,
}

impl Scratch {
    /// For a layer on `dimension` features.
    pub fn new(dimension: usize) -> Self {
        let room = || vec![0.0; dimension + 1];
        Self { attended: room(), seen: room(), read: room() }
    }
}

impl Layer {
    /// All zeros.
    pub fn zero(dimension: usize) -> Self {
        Self { dimension, value: vec![0.0; dimension + 1], key_query: vec![0.0; (dimension + 1) * dimension] }
    }

    /// Number of features of a pair.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of numbers.
    pub fn size(&self) -> usize {
        self.value.len() + self.key_query.len()
    }

    /// All numbers in order.
    pub fn numbers(&self) -> impl Iterator<Item = &f64> {
        self.value.iter().chain(&self.key_query)
    }

    /// All numbers in order, to be changed.
    pub fn numbers_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        self.value.iter_mut().chain(&mut self.key_query)
    }

    /// The matrix A, row-major, of `x_qᵀ A (1/M Σ x y)`, the part of the prediction that the theory's minimiser has and no other: there A is `Γ⁻¹`.
    pub fn effective(&self) -> Vec<f64> {
        let d = self.dimension;
        (0..d * d).map(|at| self.value[d] * self.key_query[(at % d) * d + at / d]).collect()
    }

    /// How large the numbers are that the minimiser has at 0, as a share of those beside them: of the value's, and of the key's and query's.
    pub fn stray(&self) -> (f64, f64) {
        let d = self.dimension;
        let (features, labels) = self.key_query.split_at(d * d);
        (norm(&self.value[..d]) / self.value[d].abs(), norm(labels) / norm(features))
    }

    /// What the layer predicts for a query after a prompt.
    pub fn predict(&self, prompt: &Prompt, query: &[f64], scratch: &mut Scratch) -> f64 {
        self.forward(prompt, query, scratch);
        dot(&self.value, &scratch.seen)
    }

    /// Sets `attended = K x_q` and `seen = (E Eᵀ / M) K x_q`.
    fn forward(&self, prompt: &Prompt, query: &[f64], scratch: &mut Scratch) {
        for (out, row) in scratch.attended.iter_mut().zip(self.key_query.chunks_exact(self.dimension)) {
            *out = dot(row, query);
        }
        with_query(prompt, query, &scratch.attended, &mut scratch.seen);
    }

    /// Adds the gradient of `(ŷ - y)² / 2` to `gradient` and returns that loss.
    pub fn descend(&self, prompt: &Prompt, query: &[f64], y: f64, gradient: &mut Self, scratch: &mut Scratch) -> f64 {
        self.forward(prompt, query, scratch);
        let residual = dot(&self.value, &scratch.seen) - y;
        gradient.value.iter_mut().zip(&scratch.seen).for_each(|(g, seen)| *g += residual * seen);
        // ŷ = vᵀ G K x_q with G symmetric, so dŷ/dK = (G v) x_qᵀ.
        with_query(prompt, query, &self.value, &mut scratch.read);
        for (row, read) in gradient.key_query.chunks_exact_mut(self.dimension).zip(&scratch.read) {
            row.iter_mut().zip(query).for_each(|(g, x)| *g += residual * read * x);
        }
        residual * residual / 2.0
    }
}

/// `(E Eᵀ / M) v`: the query's own column has its features and no label.
fn with_query(prompt: &Prompt, query: &[f64], v: &[f64], out: &mut [f64]) {
    prompt.times(v, out);
    let own = dot(query, &v[..query.len()]);
    out.iter_mut().zip(query).for_each(|(out, x)| *out += own * x);
    let length = prompt.length() as f64;
    out.iter_mut().for_each(|out| *out /= length);
}

pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
