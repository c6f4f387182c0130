//! A set of α-vectors over the states of one support.

/// Vectors, each with an action and with the point where it was found to be needed. All arrays are row-major, `dim` a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Vectors {
    pub dim: usize,
    pub values: Vec<f64>,
    pub actions: Vec<u32>,
    pub points: Vec<f64>,
}

impl Vectors {
    pub fn new(dim: usize) -> Self {
        Self { dim, ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.actions.len()
    }

    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dim..][..self.dim]
    }

    pub fn point(&self, i: usize) -> &[f64] {
        &self.points[i * self.dim..][..self.dim]
    }

    pub fn push(&mut self, values: impl IntoIterator<Item = f64>, action: u32, point: &[f64]) {
        self.values.extend(values);
        self.actions.push(action);
        self.points.extend(point);
    }

    pub fn append(&mut self, mut other: Self) {
        self.values.append(&mut other.values);
        self.actions.append(&mut other.actions);
        self.points.append(&mut other.points);
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        16 * self.values.len() + 4 * self.actions.len()
    }

    /// The largest entry in size.
    pub fn scale(&self) -> f64 {
        self.values.iter().fold(0.0, |m, v| m.max(v.abs()))
    }

    /// `max_i row(i) · point`.
    pub fn value(&self, point: &[f64]) -> f64 {
        (0..self.len()).map(|i| dot(self.row(i), point)).fold(f64::NEG_INFINITY, f64::max)
    }
}

#[inline]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
