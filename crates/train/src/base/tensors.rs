//! The named tensors of a base while it is read: each is taken by whoever knows it, and at the end what nobody asked for is refused,
//! because a model with tensors that this code does not know (experts, say) would be computed wrongly.

use std::collections::BTreeSet;

use crate::quantized::Quantized;

/// Reads one tensor by name; a vector is a matrix of one row.
pub type Read<'a> = Box<dyn FnMut(&str) -> Result<Quantized, String> + 'a>;

/// The tensors of a file or a folder.
pub struct Tensors<'a> {
    unread: BTreeSet<String>,
    read: Read<'a>,
    random_weights: Option<u64>,
    /// Number of weights that were taken.
    pub parameters: usize,
}

impl<'a> Tensors<'a> {
    /// Of these names. With a seed, matrices and biases are replaced by draws of the same spread, and norms by their root mean square.
    pub fn new(names: BTreeSet<String>, read: Read<'a>, random_weights: Option<u64>) -> Self {
        Self { unread: names, read, random_weights, parameters: 0 }
    }

    /// Whether there is an untaken one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.unread.contains(name)
    }

    /// Takes a matrix of `(rows, columns)`.
    pub fn matrix(&mut self, name: &str, shape: (usize, usize)) -> Result<Quantized, String> {
        let matrix = self.take(name)?;
        let found = (matrix.rows(), matrix.cols());
        if found != shape {
            return Err(format!("tensor `{name}` is {found:?}, but the header says {shape:?}"));
        }
        self.parameters += shape.0 * shape.1;
        self.drawn(matrix, name)
    }

    /// Takes a bias.
    pub fn bias(&mut self, name: &str, length: usize) -> Result<Vec<f32>, String> {
        let bias = Quantized::from_f32(&self.vector(name, length)?, 1, length);
        self.parameters += length;
        Ok(self.drawn(bias, name)?.to_dense())
    }

    /// Takes a norm's weight, from which `offset` was left out.
    pub fn norm(&mut self, name: &str, length: usize, offset: f32) -> Result<Vec<f32>, String> {
        let mut weights = self.vector(name, length)?;
        weights.iter_mut().for_each(|w| *w += offset);
        self.parameters += length;
        if self.random_weights.is_none() {
            return Ok(weights);
        }
        let squares: f64 = weights.iter().map(|w| f64::from(*w).powi(2)).sum();
        Ok(vec![(squares / length as f64).sqrt() as f32; length])
    }

    /// Takes numbers that are no weights.
    pub fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>, String> {
        let vector = self.take(name)?;
        match vector.rows() * vector.cols() {
            found if found == length => Ok(vector.to_dense()),
            found => Err(format!("tensor `{name}` has {found} values, but the header says {length}")),
        }
    }

    /// Refuses what was not taken.
    pub fn finish(&self) -> Result<(), String> {
        match self.unread.first() {
            None => Ok(()),
            Some(name) => Err(format!("unsupported tensor `{name}` ({} of its kind or others)", self.unread.len())),
        }
    }

    fn take(&mut self, name: &str) -> Result<Quantized, String> {
        if !self.unread.remove(name) {
            return Err(format!("has no tensor `{name}`"));
        }
        (self.read)(name).map_err(|e| format!("tensor `{name}`: {e}"))
    }

    fn drawn(&self, matrix: Quantized, name: &str) -> Result<Quantized, String> {
        match self.random_weights {
            None => Ok(matrix),
            Some(seed) => matrix.randomised(seed, name).map_err(|e| format!("tensor `{name}`: {e}")),
        }
    }
}
