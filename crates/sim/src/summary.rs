//! What many returns say about their mean.

/// Mean and spread of returns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Mean.
    pub mean: f64,
    /// Standard deviation of one return; 0 for a single one.
    pub deviation: f64,
    /// Half the width of the 95 % interval of the mean by the normal approximation; infinite for a single return.
    pub half_width: f64,
}

impl Summary {
    /// Of the given returns, at least one.
    pub fn of(returns: &[f64]) -> Self {
        let n = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / n;
        let squares: f64 = returns.iter().map(|r| (r - mean) * (r - mean)).sum();
        let deviation = if returns.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
        let half_width = if returns.len() > 1 { normal_quantile(0.975) * deviation / n.sqrt() } else { f64::INFINITY };
        Self { mean, deviation, half_width }
    }

    /// Half the width of an interval for the mean that is one of `intervals`, all of which hold at once with a probability of at
    /// least 95 % (Bonferroni), whatever the returns have to do with each other.
    pub fn joint_half_width(&self, intervals: usize) -> f64 {
        self.half_width * (normal_quantile(1.0 - 0.025 / intervals as f64) / normal_quantile(0.975))
    }
}

/// Below which a standard normal number lies with probability `p` in [0.5, 1): the root of Φ, by bisection.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    while high - low > 1e-15 * high {
        let middle = f64::midpoint(low, high);
        // Φ(z) = erfc(-z/√2) / 2; the upper tail keeps its digits where Φ is close to 1.
        let tail = 0.5 * libm::erfc(middle * std::f64::consts::FRAC_1_SQRT_2);
        (low, high) = if tail > 1.0 - p { (middle, high) } else { (low, middle) };
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (p, z) in
            [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (0.995, 2.575_829_303_548_901), (0.9995, 3.290_526_731_491_9)]
        {
            assert!((normal_quantile(p) - z).abs() < 1e-11, "{p}");
        }
    }

    #[test]
    fn a_joint_interval_is_wider_by_the_quantiles() {
        let summary = Summary::of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!((summary.joint_half_width(1) - summary.half_width).abs() < 1e-15);
        let five = 2.575_829_303_548_901 * (2.5_f64 / 5.0).sqrt();
        assert!((summary.joint_half_width(5) - five).abs() < 1e-9);
        assert_eq!(Summary::of(&[2.0]).joint_half_width(3), f64::INFINITY);
    }
}
