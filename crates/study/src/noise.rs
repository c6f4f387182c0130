//! Noise on the rewards of tasks whose family says so: what a reward is expected to be is the model's, what it is is the world's.

use tiresias_model::family::{Family, RewardGrid};
use tiresias_model::random::{Key, unit53};

/// Gaussian noise, rounded to the family's grid of rewards and cut to its range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    deviation: f64,
    grid: RewardGrid,
}

impl Noise {
    /// `None` where the rewards are the model's own.
    pub fn new(deviation: f64, family: &dyn Family) -> Option<Self> {
        (deviation > 0.0).then(|| Self { deviation, grid: family.reward_grid() })
    }

    /// What a decision earns that is expected to earn `reward`: the same for the same stream, episode and stage, whatever else is drawn.
    pub fn on(&self, key: Key, episode: u64, stage: usize, reward: f64) -> f64 {
        let [a, b, c, d] = key.block(episode, stage as u32, 0);
        // Box and Muller's transform; 1 - u lies in (0, 1].
        let radius = (-2.0 * (1.0 - unit53(a, b)).ln()).sqrt();
        let normal = radius * (2.0 * std::f64::consts::PI * unit53(c, d)).cos();
        let RewardGrid { low, high, step } = self.grid;
        let scale = (1.0 / step).round();
        ((reward + self.deviation * normal) * scale).round().clamp(low * scale, high * scale) / scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiresias_model::family::Bandit;

    /// Mean and variance of 40,000 draws within five standard errors (rounding adds 1/12 of a squared hundredth), all on the grid.
    #[test]
    fn has_the_mean_and_the_deviation_that_it_says() {
        let noise = Noise::new(0.3, &Bandit).unwrap();
        let key = Key::named(1, &["noise"], &[]);
        let draws: Vec<f64> = (0..40_000).map(|i| noise.on(key, i / 500, (i % 500) as usize, 0.5)).collect();
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / n;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - 0.5).abs() < 5.0 * 0.3 / n.sqrt(), "{mean}");
        assert!((variance - 0.09).abs() < 5.0 * 0.09 * (2.0 / n).sqrt(), "{variance}");
        assert!(draws.iter().all(|x| (-1.0..=2.0).contains(x) && ((x * 100.0).round() - x * 100.0).abs() < 1e-9));
        assert!(Noise::new(0.0, &Bandit).is_none());
    }
}
