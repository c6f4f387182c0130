//! Rotary frequencies, and how a model whose context was stretched scales them.

use std::f64::consts::TAU;

/// `θ^(-2i/dim)`, one a pair of dimensions of a head (Su et al. 2021).
pub fn frequencies(theta: f64, dim: usize) -> Vec<f64> {
    (0..dim / 2).map(|i| theta.powf(-2.0 * i as f64 / dim as f64)).collect()
}

/// What is done to the frequencies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling {
    /// Nothing.
    None,
    /// All are divided (Chen et al. 2023).
    Linear(f64),
    /// Those that turn less than `low` times over the context that the model was first trained on are divided, those that turn more than
    /// `high` times stay, and between the two it goes over in a line (Llama 3.1).
    Llama3 {
        /// The divisor.
        factor: f64,
        /// Turns over the first context, below which a frequency is divided …
        low: f64,
        /// … and above which it stays.
        high: f64,
        /// The first context.
        context: f64,
    },
}

impl Scaling {
    /// Scales the frequencies.
    pub fn apply(self, frequencies: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Linear(factor) => frequencies.iter_mut().for_each(|f| *f /= factor),
            Self::Llama3 { factor, low, high, context } => {
                for f in frequencies {
                    let turns = *f * context / TAU;
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    *f = *f * kept + *f / factor * (1.0 - kept);
                }
            }
        }
    }
}
