//! Random variables from a method's stream.

use tiresias_model::random::{Key, unit53};

/// The step at which what is drawn once an episode is drawn.
pub(crate) const EPISODE: u32 = u32::MAX;

/// The draws of one decision (or of [`EPISODE`]), one after the other, whatever is drawn elsewhere.
#[derive(Debug)]
pub(crate) struct Draws {
    key: Key,
    episode: u64,
    step: u32,
    lane: u32,
    /// A normal that came with the last one.
    spare: Option<f64>,
}

impl Draws {
    pub fn new(key: Key, episode: u64, step: u32) -> Self {
        Self { key, episode, step, lane: 0, spare: None }
    }

    /// Two independent uniforms in [0, 1).
    fn pair(&mut self) -> (f64, f64) {
        let [a, b, c, d] = self.key.block(self.episode, self.step, self.lane);
        self.lane += 1;
        (unit53(a, b), unit53(c, d))
    }

    /// A standard normal: the polar method (Marsaglia and Bray, "A convenient method for generating normal variables", 1964).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // Ends: each turn with probability π/4.
        loop {
            let (u, v) = self.pair();
            let (x, y) = (2.0 * u - 1.0, 2.0 * v - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }

    /// A Gamma(shape, 1) variable, `shape > 0`, as `(g, e)` for `g · exp(e)`: of a small shape it may be too small for a double (Marsaglia
    /// and Tsang, "A simple method for generating gamma variables", 2000).
    pub fn gamma(&mut self, shape: f64) -> (f64, f64) {
        // Gamma(a) = Gamma(a + 1) · U^(1/a).
        let raised = if shape < 1.0 { shape + 1.0 } else { shape };
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
            let (u, w) = self.pair();
            let square = x * x;
            if u < 1.0 - 0.0331 * square * square || u.ln() < 0.5 * square + d * (1.0 - v + v.ln()) {
                // 1 - w is never 0.
                return (d * v, if shape < 1.0 { (1.0 - w).ln() / shape } else { 0.0 });
            }
        }
    }

    /// Fills `p`, which holds the parameters (above 0) of a Dirichlet distribution, with a draw from it. One Gamma variable an entry;
    /// `room` is scratch.
    pub fn dirichlet(&mut self, p: &mut [f64], room: &mut Vec<f64>) {
        room.clear();
        let mut greatest = f64::NEG_INFINITY;
        for entry in &mut *p {
            let (factor, exponent) = self.gamma(*entry);
            *entry = factor;
            room.push(exponent);
            greatest = greatest.max(exponent);
        }
        let mut sum = 0.0;
        for (entry, exponent) in p.iter_mut().zip(room) {
            *entry *= (*exponent - greatest).exp();
            sum += *entry;
        }
        p.iter_mut().for_each(|entry| *entry /= sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of `n` draws, with the standard errors of both.
    fn moments(draws: &[f64]) -> [(f64, f64); 2] {
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / n;
        let central = |k: i32| draws.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / n;
        let (variance, fourth) = (central(2), central(4));
        [(mean, (variance / n).sqrt()), (variance, ((fourth - variance * variance) / n).sqrt())]
    }

    #[test]
    fn normals_are_standard() {
        let mut draws = Draws::new(Key::named(1, &["normals"], &[]), 0, 0);
        let drawn: Vec<_> = (0..40_000).map(|_| draws.normal()).collect();
        let [(mean, e), (variance, f)] = moments(&drawn);
        assert!(mean.abs() < 4.5 * e && (variance - 1.0).abs() < 4.5 * f, "mean {mean}, variance {variance}");
        // P(|Z| < 1) and P(|Z| < 2).
        for (within, expected) in [(1.0, 0.682_689), (2.0, 0.954_500)] {
            let share = drawn.iter().filter(|z| z.abs() < within).count() as f64 / 40_000.0;
            assert!((share - expected).abs() < 4.5 * (expected * (1.0 - expected) / 40_000.0_f64).sqrt());
        }
    }

    #[test]
    fn gammas_have_their_mean_and_variance() {
        for (i, shape) in [0.05, 0.5, 1.0, 2.5, 40.0].into_iter().enumerate() {
            let mut draws = Draws::new(Key::named(i as u64, &["gammas"], &[]), 3, 7);
            let value = |(factor, exponent): (f64, f64)| factor * exponent.exp();
            let drawn: Vec<_> = (0..40_000).map(|_| value(draws.gamma(shape))).collect();
            let [(mean, e), (variance, f)] = moments(&drawn);
            assert!((mean - shape).abs() < 4.5 * e, "Gamma({shape}) has mean {mean} ± {e}");
            assert!((variance - shape).abs() < 4.5 * f, "Gamma({shape}) has variance {variance} ± {f}");
        }
    }

    #[test]
    fn dirichlet_draws_have_its_mean_and_variance() {
        for (i, parameters) in [vec![0.02, 0.03], vec![0.1, 3.1, 0.1, 1.1], vec![20.0, 1.0, 5.0]].iter().enumerate() {
            let total: f64 = parameters.iter().sum();
            let mut drawn = vec![Vec::new(); parameters.len()];
            for episode in 0..40_000 {
                let mut p = parameters.clone();
                Draws::new(Key::named(i as u64, &["dirichlet"], &[]), episode, EPISODE)
                    .dirichlet(&mut p, &mut Vec::new());
                assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                p.iter().zip(&mut drawn).for_each(|(&p, column)| column.push(p));
            }
            for (parameter, column) in parameters.iter().zip(&drawn) {
                let mean = parameter / total;
                let variance = mean * (1.0 - mean) / (total + 1.0);
                let [(m, e), (v, f)] = moments(column);
                assert!((m - mean).abs() < 4.5 * e, "mean {m} ± {e} is not {mean}");
                assert!((v - variance).abs() < 4.5 * f, "variance {v} ± {f} is not {variance}");
            }
        }
    }
}
