//! What a column of numbers is like, without keeping them.

/// Count, mean, spread and range of numbers. Sums are taken in the order the numbers come, so that equal columns give equal bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// Their mean; 0 when there are none.
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub squares: f64,
    /// The smallest; infinite when there are none.
    pub min: f64,
    /// The largest; minus infinity when there are none.
    pub max: f64,
}

impl Default for Summary {
    fn default() -> Self {
        Self { count: 0, mean: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Summary {
    /// Takes more numbers in (a batch as a whole: Chan, Golub and `LeVeque`, "Updating formulae and a pairwise
    /// algorithm for computing sample variances", 1979).
    pub fn extend(&mut self, numbers: &[f64]) {
        if numbers.is_empty() {
            return;
        }
        let (mine, theirs) = (self.count as f64, numbers.len() as f64);
        let mean = numbers.iter().sum::<f64>() / theirs;
        let squares: f64 = numbers.iter().map(|x| (x - mean) * (x - mean)).sum();
        let (all, apart) = (mine + theirs, mean - self.mean);
        self.squares += squares + apart * apart * mine * theirs / all;
        self.mean += apart * theirs / all;
        self.count += numbers.len();
        self.min = numbers.iter().copied().fold(self.min, f64::min);
        self.max = numbers.iter().copied().fold(self.max, f64::max);
    }

    /// Standard deviation of the population; 0 when there are no numbers.
    pub fn deviation(&self) -> f64 {
        (self.squares / self.count.max(1) as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn batches_give_the_moments_of_the_whole(numbers in prop::collection::vec(-1e3..1e3_f64, 1..200), cut in 0..200_usize) {
            let mut summary = Summary::default();
            let (head, tail) = numbers.split_at(cut.min(numbers.len()));
            [head, tail].iter().for_each(|part| summary.extend(part));
            let n = numbers.len() as f64;
            let mean = numbers.iter().sum::<f64>() / n;
            let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            prop_assert_eq!(summary.count, numbers.len());
            prop_assert!((summary.mean - mean).abs() < 1e-9);
            prop_assert!((summary.deviation() - variance.sqrt()).abs() < 1e-6);
            prop_assert_eq!(summary.min, numbers.iter().copied().fold(f64::INFINITY, f64::min));
            prop_assert_eq!(summary.max, numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        }
    }
}
