//! The standard normal distribution.

/// The probability of at most `x`.
pub(crate) fn cumulative(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// The x with that probability, for p in (0, 1): by bisection, which needs no constants and is exact to rounding. Some fifty steps.
pub(crate) fn quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -quantile(1.0 - p);
    }
    // No double above 0 has a quantile below this.
    let (mut low, mut high) = (-40.0, 0.0);
    // Ends: the interval halves until no double lies within.
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if cumulative(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From tables: M. Abramowitz, I. Stegun, "Handbook of mathematical functions", 1964, table 26.5 and scipy.stats.norm.ppf.
    #[test]
    fn known_quantiles() {
        for (p, x) in [
            (0.5, 0.0),
            (0.025, -1.959_963_984_540_054),
            (0.975, 1.959_963_984_540_054),
            (1e-10, -6.361_340_902_404_056),
        ] {
            assert!((quantile(p) - x).abs() < 1e-12, "{p}: {}", quantile(p));
            assert!((cumulative(x) - p).abs() < 1e-12 * p.max(1e-3));
        }
    }
}
