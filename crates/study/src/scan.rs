//! What the rows of a dataset's shards are like, read back from the files.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use tiresias_encode::read_shard;

use crate::{Hook, Progress, StudyError};

/// What [`scan`] found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scan {
    /// Rows read.
    pub examples: usize,
    /// Rows whose token ids another row before them has too (by a 64-bit hash: below 2^32 rows, a false one is unlikely).
    pub duplicates: usize,
    /// Fewest and most token ids of a row; 0 when there are none.
    pub shortest: usize,
    /// See `shortest`.
    pub longest: usize,
    /// Bounds below which half, 95 and 99 of a hundred regret bounds lie; each up to 1 % above the true quantile.
    pub regret_bound_quantiles: [f64; 3],
}

/// Reads every row of `paths` (shards of one dataset), in parallel on the current rayon pool. Memory: 8 bytes a row.
pub fn scan(paths: &[PathBuf], hook: Hook<'_>) -> Result<Scan, StudyError> {
    let done = AtomicUsize::new(0);
    let stopped =
        || hook(Progress { phase: "read", done: done.load(Ordering::Relaxed), total: paths.len() }).is_break();
    let shards: Vec<Shard> = paths
        .par_iter()
        .with_max_len(1)
        .map(|path| {
            let mut shard = Shard::default();
            for row in read_shard(path)? {
                let row = row?;
                shard.push(&row.input_ids, &row.regret_bounds);
                if shard.hashes.len().is_multiple_of(1024) && stopped() {
                    return Err(StudyError::Cancelled);
                }
            }
            done.fetch_add(1, Ordering::Relaxed);
            if stopped() { Err(StudyError::Cancelled) } else { Ok(shard) }
        })
        .collect::<Result<_, _>>()?;

    let mut all = Shard::default();
    for shard in shards {
        all.hashes.extend(shard.hashes);
        all.bounds.add(&shard.bounds);
        all.longest = all.longest.max(shard.longest);
        all.shortest = all.shortest.min(shard.shortest);
    }
    let examples = all.hashes.len();
    all.hashes.par_sort_unstable();
    let duplicates = all.hashes.windows(2).filter(|pair| pair[0] == pair[1]).count();
    Ok(Scan {
        examples,
        duplicates,
        shortest: if examples == 0 { 0 } else { all.shortest },
        longest: all.longest,
        regret_bound_quantiles: [0.5, 0.95, 0.99].map(|share| all.bounds.quantile(share)),
    })
}

/// What is kept of a shard's rows.
struct Shard {
    hashes: Vec<u64>,
    bounds: Histogram,
    shortest: usize,
    longest: usize,
}

impl Default for Shard {
    fn default() -> Self {
        Self { hashes: Vec::new(), bounds: Histogram::default(), shortest: usize::MAX, longest: 0 }
    }
}

impl Shard {
    fn push(&mut self, ids: &[u32], bounds: &[f64]) {
        // Unseeded, so that two runs agree.
        self.hashes.push(BuildHasherDefault::<DefaultHasher>::default().hash_one(ids));
        bounds.iter().for_each(|&bound| self.bounds.push(bound));
        self.shortest = self.shortest.min(ids.len());
        self.longest = self.longest.max(ids.len());
    }
}

/// Non-negative numbers counted by exponent and seven bits of the mantissa: bits of such doubles are in their order.
#[derive(Default)]
struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

const DROPPED_BITS: u32 = 45;

impl Histogram {
    fn push(&mut self, number: f64) {
        // Adding 0 makes -0 into 0.
        let bin = (((number.max(0.0) + 0.0).to_bits()) >> DROPPED_BITS) as usize;
        if self.counts.len() <= bin {
            self.counts.resize(bin + 1, 0);
        }
        self.counts[bin] += 1;
        self.total += 1;
    }

    fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
    }

    /// At least `share` of the numbers are at most this.
    fn quantile(&self, share: f64) -> f64 {
        let wanted = (share * self.total as f64).ceil() as u64;
        let mut seen = 0;
        for (bin, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && wanted > 0 {
                // The largest number of the bin; 0 has one of its own.
                return if bin == 0 { 0.0 } else { f64::from_bits(((bin as u64 + 1) << DROPPED_BITS) - 1) };
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_at_most_one_percent_above(mut numbers in prop::collection::vec(prop_oneof![Just(0.0), 1e-9..1e3_f64], 1..300)) {
            let mut histogram = Histogram::default();
            numbers.iter().for_each(|&x| histogram.push(x));
            numbers.sort_by(f64::total_cmp);
            for share in [0.01, 0.5, 0.95, 0.99, 1.0] {
                let exact = numbers[((share * numbers.len() as f64).ceil() as usize).max(1) - 1];
                let found = histogram.quantile(share);
                prop_assert!(found >= exact && found <= 1.01 * exact, "{} {}", found, exact);
            }
        }
    }
}
