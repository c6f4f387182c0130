//! How many episodes the weights leave: (Σ w)² / Σ w² (L. Kish, "Survey sampling", 1965).

use std::f64::consts::LN_2;

use crate::Error;
use crate::log::{Log, Probability, Units};
use crate::ratio::unscaled;
use crate::sums::{Layout, Sums};
use crate::weights::Weights;
use crate::work::Workers;

/// How evenly one set of weights lies on the episodes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evenness {
    /// Effective sample size.
    pub size: f64,
    /// The largest weight's share of all.
    pub share: f64,
    /// Whose that is.
    pub episode: usize,
}

/// (Σ w)² / Σ w², 0 for no weight.
fn kish(sum: f64, squares: f64) -> f64 {
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// Of every stage's ratios.
pub(crate) fn by_stage(sums: &Sums) -> Vec<f64> {
    sums.total[sums.layout.weight()].iter().zip(&sums.squares).map(|(&sum, &squares)| kish(sum, squares)).collect()
}

/// Of whole episodes' ratios: those of the last stage.
pub(crate) fn whole(sums: &Sums, weights: &Weights) -> Evenness {
    let last = sums.layout.horizon - 1;
    let sum = sums.total[sums.layout.weight()][last];
    let mut episode = 0;
    for (index, &end) in weights.ends.iter().enumerate() {
        if end.is_above(weights.ends[episode]) {
            episode = index;
        }
    }
    let share = weights.ends[episode].relative(weights.scale[last]) / sum;
    Evenness { size: kish(sum, sums.squares[last]), share, episode }
}

/// Of what an episode's rewards count for in a per-decision estimate: `Σ_t γ^t ρ_t / Σ ρ_t` over all stages. O(steps).
pub(crate) fn per_decision<P: Probability>(
    log: &Log<P>,
    units: &Units,
    workers: &Workers,
    weights: &Weights,
    sums: &Sums,
) -> Result<Evenness, Error> {
    let total = &sums.total[sums.layout.weight()];
    // ln Σ_{s ≥ t} γ^s / Σ ρ_s: an episode that ended before t has the same ratio at all these stages.
    let log_discount = libm::log(log.discount);
    let mut tail = vec![f64::NEG_INFINITY; log.horizon + 1];
    for stage in (0..log.horizon).rev() {
        let own = stage as f64 * log_discount - f64::from(weights.scale[stage]) * LN_2 - libm::log(total[stage]);
        let (high, low) = (own.max(tail[stage + 1]), own.min(tail[stage + 1]));
        tail[stage] = high + libm::log1p(libm::exp(low - high));
    }
    let parts = workers.map("sums", units.episodes.clone(), |_, episodes| {
        let (mut sum, mut squares, mut largest, mut whose) = (0.0, 0.0, -1.0, episodes.start);
        for episode in episodes {
            let steps = log.trajectories.range(episode);
            let length = steps.len();
            let (mut weight, mut discount) = (0.0, 1.0);
            for (stage, step) in steps.enumerate() {
                weight += discount * weights.scaled[step] / total[stage];
                discount *= log.discount;
            }
            if length < log.horizon {
                weight += libm::exp(weights.ends[episode].ln() + tail[length]);
            }
            sum += weight;
            squares += weight * weight;
            if weight > largest {
                (largest, whose) = (weight, episode);
            }
        }
        (sum, squares, largest, whose)
    })?;
    let (mut sum, mut squares, mut largest, mut whose) = (0.0, 0.0, -1.0, 0);
    for part in parts {
        sum += part.0;
        squares += part.1;
        if part.2 > largest {
            (largest, whose) = (part.2, part.3);
        }
    }
    Ok(Evenness { size: kish(sum, squares), share: largest / sum, episode: whose })
}

/// The mean ratio of whole episodes: 1 but for chance where propensities are right, the target's actions are covered and nothing is cut.
pub(crate) fn mean_weight(sums: &Sums, weights: &Weights) -> f64 {
    let last = sums.layout.horizon - 1;
    let sum = sums.total[sums.layout.weight()][last];
    unscaled(weights.scale[last], sum) / sums.total[Layout::EPISODES]
}
