//! Random variables from a named stream.

use super::{Key, Sequence};

/// Draws one after the other, a pure function of the key.
#[derive(Debug)]
pub struct Draws {
    uniforms: Sequence,
}

impl Draws {
    /// The stream of a key.
    pub fn new(key: Key) -> Self {
        Self { uniforms: key.sequence() }
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.uniforms.uniform()
    }

    /// Uniform in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        self.uniforms.between(low, high)
    }

    /// Uniform in (0, 1].
    fn positive(&mut self) -> f64 {
        1.0 - self.uniforms.uniform()
    }

    /// Uniform integer below `n`, by which 2^53 is divided almost evenly.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.uniforms.uniform() * n as f64) as usize).min(n - 1)
    }

    /// `0..n` in random order (Fisher and Yates). O(n).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }

    /// A standard normal: the polar method (Marsaglia and Bray, "A convenient method for generating normal variables", 1964).
    pub fn normal(&mut self) -> f64 {
        // Ends: each turn with probability π/4.
        loop {
            let (x, y) = (self.uniforms.between(-1.0, 1.0), self.uniforms.between(-1.0, 1.0));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }

    /// The logarithm of a Gamma(shape, 1) variable, `shape > 0`: of a small shape the variable itself may be too small for a double
    /// (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000).
    pub fn log_gamma(&mut self, shape: f64) -> f64 {
        // Gamma(a) = Gamma(a + 1) · U^(1/a).
        let (raised, lowered) = if shape < 1.0 { (shape + 1.0, self.positive().ln() / shape) } else { (shape, 0.0) };
        let d = raised - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        // Ends: each turn with probability above 0.95.
        loop {
            let x = self.normal();
            let t = 1.0 + c * x;
            if t <= 0.0 {
                continue;
            }
            let v = t * t * t;
            if self.positive().ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return (d * v).ln() + lowered;
            }
        }
    }

    /// Replaces the parameters of a Dirichlet distribution by a draw from it; outcomes with the parameter 0 keep probability 0.
    /// Some parameter must be above 0.
    pub fn dirichlet(&mut self, p: &mut [f64]) {
        let mut greatest = f64::NEG_INFINITY;
        for entry in &mut *p {
            *entry = if *entry > 0.0 { self.log_gamma(*entry) } else { f64::NEG_INFINITY };
            greatest = greatest.max(*entry);
        }
        let mut sum = 0.0;
        for entry in &mut *p {
            *entry = (*entry - greatest).exp();
            sum += *entry;
        }
        p.iter_mut().for_each(|entry| *entry /= sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_names_each_number_once_and_every_order_is_as_likely() {
        let mut draws = Draws::new(Key::named(1, &["permutations"], &[]));
        let mut found = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            *found.entry(draws.permutation(3)).or_insert(0) += 1;
        }
        // Six orders; a standard deviation of each count is below 29.
        assert_eq!(found.len(), 6);
        assert!(found.values().all(|&count: &i32| (count - 1000).abs() < 150), "{found:?}");
    }

    #[test]
    fn dirichlet_draws_have_the_mean_and_variance_of_the_formula() {
        let parameters = [0.02, 0.5, 1.0, 7.0, 0.0];
        let (total, n) = (parameters.iter().sum::<f64>(), 40_000);
        let mut draws = Draws::new(Key::named(2, &["dirichlet"], &[]));
        let drawn: Vec<[f64; 5]> = (0..n)
            .map(|_| {
                let mut p = parameters;
                draws.dirichlet(&mut p);
                p
            })
            .collect();
        for (i, parameter) in parameters.iter().enumerate() {
            let mean = drawn.iter().map(|p| p[i]).sum::<f64>() / f64::from(n);
            let moment = |k| drawn.iter().map(|p| (p[i] - mean).powi(k)).sum::<f64>() / f64::from(n);
            let (expected, variance) =
                (parameter / total, parameter * (total - parameter) / (total * total * (total + 1.0)));
            let errors =
                [(variance / f64::from(n)).sqrt(), ((moment(4) - moment(2).powi(2)).max(0.0) / f64::from(n)).sqrt()];
            assert!((mean - expected).abs() <= 4.5 * errors[0], "mean {mean}, not {expected}");
            assert!((moment(2) - variance).abs() <= 4.5 * errors[1], "variance {}, not {variance}", moment(2));
        }
    }
}
