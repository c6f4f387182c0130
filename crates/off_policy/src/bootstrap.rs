//! Bootstrap intervals of all estimates at once.
//!
//! Units are drawn with replacement, as many as there are; a resample is the sum of their rows. Intervals are bias-corrected and
//! accelerated (B. Efron, "Better bootstrap confidence intervals", JASA 82, 1987) or percentiles. Ties and percentiles are treated as
//! in `scipy.stats.bootstrap`.

use tiresias_model::random::Key;

use crate::importance::{Values, values};
use crate::normal;
use crate::sums::Sums;
use crate::work::Workers;
use crate::{Error, Interval, Options};

/// Resamples that one pass over the rows serves: rows of many stages come from memory, and this many accumulators fit a cache.
const TOGETHER: usize = 16;

/// The estimates of all resamples, and of all units but one.
pub(crate) struct Bootstrap {
    draws: Vec<Values>,
    jackknife: Vec<Values>,
}

impl Bootstrap {
    /// O(resamples · units · horizon).
    pub fn new(sums: &Sums, scale: &[i32], workers: &Workers, options: &Options) -> Result<Self, Error> {
        let key = Key::named(options.seed, &["off-policy", "bootstrap"], &[]);
        let resamples = options.resamples;
        let chunks: Vec<_> =
            (0..resamples).step_by(TOGETHER).map(|first| first..(first + TOGETHER).min(resamples)).collect();
        let draws = workers.map("resamples", chunks, |_, chunk| {
            let counts: Vec<_> = chunk.map(|resample| counts(key, resample as u64, sums.rows.len())).collect();
            let mut totals = vec![vec![0.0; sums.layout.len()]; counts.len()];
            for (unit, row) in sums.rows.iter().enumerate() {
                for (counts, total) in counts.iter().zip(&mut totals) {
                    if counts[unit] > 0 {
                        let times = f64::from(counts[unit]);
                        for (sum, entry) in total.iter_mut().zip(row) {
                            *sum += times * entry;
                        }
                    }
                }
            }
            totals.iter().map(|total| values(sums.layout, scale, total)).collect::<Vec<_>>()
        })?;
        let without = |row: &Vec<f64>| {
            let rest: Vec<f64> = sums.total.iter().zip(row).map(|(all, own)| all - own).collect();
            values(sums.layout, scale, &rest)
        };
        let jackknife = match options.interval {
            Interval::Bca => sums.rows.iter().map(without).collect(),
            Interval::Percentile => Vec::new(),
        };
        Ok(Self { draws: draws.concat(), jackknife })
    }

    /// The interval of one estimator around its estimate; how many resamples leave it undefined where that are more than one in twenty.
    pub fn interval(&self, estimator: usize, estimate: f64, options: &Options) -> Result<[f64; 2], usize> {
        let mut draws: Vec<f64> = self.draws.iter().map(|values| values[estimator]).filter(|x| x.is_finite()).collect();
        let undefined = self.draws.len() - draws.len();
        if 20 * undefined > self.draws.len() {
            return Err(undefined);
        }
        draws.sort_unstable_by(f64::total_cmp);
        if draws[0] == estimate && draws[draws.len() - 1] == estimate {
            return Ok([estimate; 2]);
        }
        let tail = (1.0 - options.level) / 2.0;
        let ends = [tail, 1.0 - tail];
        if options.interval == Interval::Percentile {
            return Ok(ends.map(|share| quantile(&draws, share)));
        }
        let acceleration = acceleration(self.jackknife.iter().map(|values| values[estimator]));
        Ok(ends.map(|share| quantile(&draws, corrected(&draws, estimate, acceleration, share))))
    }
}

/// How often every unit is drawn.
fn counts(key: Key, resample: u64, units: usize) -> Vec<u32> {
    let mut counts = vec![0; units];
    for draw in 0..units {
        let word = key.block(resample, (draw / 4) as u32, 0)[draw % 4];
        counts[((u64::from(word) * units as u64) >> 32) as usize] += 1;
    }
    counts
}

/// The share of the draws below the end of an interval that leaves out `tail` on its left.
fn corrected(draws: &[f64], estimate: f64, acceleration: f64, tail: f64) -> f64 {
    let below = draws.partition_point(|&draw| draw < estimate);
    let tied = draws.partition_point(|&draw| draw <= estimate) - below;
    // Ties count half on each side; an estimate outside all resamples counts as half a resample inside.
    let half = 0.5 / draws.len() as f64;
    let share = (below as f64 + 0.5 * tied as f64) / draws.len() as f64;
    let bias = normal::quantile(share.clamp(half, 1.0 - half));
    let shifted = bias + normal::quantile(tail);
    let stretch = 1.0 - acceleration * shifted;
    // Past its pole the correction has no meaning: take the outermost resample on that side.
    if stretch > 0.0 {
        normal::cumulative(bias + shifted / stretch)
    } else if shifted > 0.0 {
        1.0
    } else {
        0.0
    }
}

/// A sixth of the skewness of the leave-one-out values about their mean, with its sign turned; 0 where they are constant or one is not
/// defined.
fn acceleration(jackknife: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let centre = jackknife.clone().sum::<f64>() / jackknife.len() as f64;
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in jackknife {
        let influence = centre - value;
        squares += influence * influence;
        cubes += influence * influence * influence;
    }
    let acceleration = cubes / (6.0 * squares * squares.sqrt());
    if acceleration.is_finite() { acceleration } else { 0.0 }
}

/// The p-quantile of ascending values, interpolated linearly.
fn quantile(ascending: &[f64], p: f64) -> f64 {
    let position = p * (ascending.len() - 1) as f64;
    let floor = position as usize;
    let low = ascending[floor];
    let high = ascending[(floor + 1).min(ascending.len() - 1)];
    low + (high - low) * (position - floor as f64)
}
