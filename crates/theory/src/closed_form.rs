//! What gradient flow makes of the layer, and what that errs by: Zhang, Frei, Bartlett 2024, theorems 4.1 and 4.2.

use crate::attention::dot;

/// The minimiser for prompts of N Gaussian pairs: `ŷ = x_qᵀ Γ⁻¹ (1/M Σ xᵢ yᵢ)` with `Γ = (1 + 1/N) Λ + (tr Λ / N) I`.
///
/// `Λ` is diagonal here, which loses nothing: other features are these, rotated. So is `Γ`, then.
#[derive(Debug, Clone)]
pub struct ClosedForm {
    lambda: Vec<f64>,
    gamma: Vec<f64>,
}

/// A mean squared error in its two parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Error {
    /// From M pairs instead of infinitely many: falls as 1/M.
    pub estimation: f64,
    /// From training on prompts of N pairs: what infinitely many pairs still leave, falls as 1/N².
    pub bias: f64,
}

impl Error {
    /// Both.
    pub fn total(self) -> f64 {
        self.estimation + self.bias
    }
}

/// The diagonal of a covariance whose eigenvalues fall as `k^-decay`, the largest being 1.
pub fn spectrum(dimension: usize, decay: f64) -> Vec<f64> {
    (1..=dimension).map(|k| libm::pow(k as f64, -decay)).collect()
}

impl ClosedForm {
    /// For pairs of covariance `diag(lambda)`, trained on prompts of `length` of them.
    pub fn new(lambda: &[f64], length: usize) -> Self {
        let n = length as f64;
        let trace: f64 = lambda.iter().sum();
        let gamma = lambda.iter().map(|l| (1.0 + 1.0 / n) * l + trace / n).collect();
        Self { lambda: lambda.to_vec(), gamma }
    }

    /// The diagonal of `Λ`.
    pub fn lambda(&self) -> &[f64] {
        &self.lambda
    }

    /// The diagonal of `Γ`.
    pub fn gamma(&self) -> &[f64] {
        &self.gamma
    }

    /// `Γ⁻¹ (1/M Σ x y)`: the weights by which it predicts, from `Σ x y`.
    pub fn weights(&self, correlation: &[f64], length: usize) -> Vec<f64> {
        correlation.iter().zip(&self.gamma).map(|(sum, gamma)| sum / (gamma * length as f64)).collect()
    }

    /// `Γ⁻¹ Λ w`: the weights that infinitely many pairs give.
    pub fn limit(&self, w: &[f64]) -> Vec<f64> {
        (0..w.len()).map(|k| self.lambda[k] / self.gamma[k] * w[k]).collect()
    }

    /// `‖(Γ⁻¹ Λ − I) w‖²_Λ`.
    pub fn bias(&self, w: &[f64]) -> f64 {
        (0..w.len()).map(|k| self.lambda[k] * square((self.lambda[k] / self.gamma[k] - 1.0) * w[k])).sum()
    }

    /// The mean squared error after M pairs `x ~ N(0, Λ)`, `y = xᵀ w`, over `w ~ N(0, I)`: exact. The covariance of `x y` is
    /// `Λ w wᵀ Λ + (wᵀ Λ w) Λ` (Isserlis 1918), in the mean over w `Λ² + tr(Λ) Λ`.
    pub fn gaussian_error(&self, pairs: usize) -> Error {
        let trace: f64 = self.lambda.iter().sum();
        let terms = || self.lambda.iter().zip(&self.gamma);
        let estimation: f64 = terms().map(|(l, g)| l * (l * l + trace * l) / (g * g)).sum();
        Error { estimation: estimation / pairs as f64, bias: terms().map(|(l, g)| l * square(l / g - 1.0)).sum() }
    }

    /// The mean squared error over prompts of the training's length of a layer that predicts `x_qᵀ A (1/N Σ x y)`, `A` row-major, over
    /// `x ~ N(0, Λ)` and `w ~ N(0, I)`: `tr(Λ A Γ Λ Aᵀ) − 2 tr(Λ A Λ) + tr Λ`, since `E[Ŝ²] = Γ Λ` for `Ŝ = 1/N Σ x xᵀ`.
    pub fn population_loss(&self, a: &[f64]) -> f64 {
        let d = self.lambda.len();
        let quadratic: f64 =
            (0..d * d).map(|at| self.lambda[at / d] * square(a[at]) * self.gamma[at % d] * self.lambda[at % d]).sum();
        let linear: f64 = (0..d).map(|k| square(self.lambda[k]) * a[k * d + k]).sum();
        quadratic - 2.0 * linear + self.lambda.iter().sum::<f64>()
    }
}

/// How pairs are distributed at test time, and the weights of their labels: finitely many x, all equally likely, with `y = xᵀ w`.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    /// Row-major, d numbers a row.
    pub features: &'a [f64],
    /// One a row.
    pub labels: &'a [f64],
    /// d numbers.
    pub weights: &'a [f64],
}

impl Pairs<'_> {
    /// M times the mean of `‖ŵ − E ŵ‖²_Λ` over prompts of M pairs: `tr(Γ⁻¹ Cov(x y) Γ⁻¹ Λ)`, by summing over all x. Their second moment must be `Λ`.
    pub fn spread(&self, closed: &ClosedForm) -> f64 {
        let d = self.weights.len();
        (0..d).map(|k| closed.lambda[k] / square(closed.gamma[k]) * self.variance(|x| x[k])).sum()
    }

    /// The same for `cᵀ ŵ`: M times its variance.
    pub fn spread_along(&self, closed: &ClosedForm, c: &[f64]) -> f64 {
        let direction: Vec<f64> = c.iter().zip(&closed.gamma).map(|(c, g)| c / g).collect();
        self.variance(|x| dot(&direction, x))
    }

    fn variance(&self, of: impl Fn(&[f64]) -> f64) -> f64 {
        let n = self.labels.len() as f64;
        let values = || self.features.chunks_exact(self.weights.len()).zip(self.labels).map(|(x, y)| of(x) * y);
        let mean = values().sum::<f64>() / n;
        values().map(|value| square(value - mean)).sum::<f64>() / n
    }
}

pub(crate) fn square(x: f64) -> f64 {
    x * x
}
