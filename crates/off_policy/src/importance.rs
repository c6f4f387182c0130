//! All estimates as functions of one row of sums.
//!
//! - IS: `Σ ρ_T G / n`, and PDIS: `Σ_t Σ ρ_t γ^t r_t / n`. D. Precup, R. Sutton, S. Singh, "Eligibility traces for off-policy policy
//!   evaluation", ICML 2000.
//! - WIS: `Σ ρ_T G / Σ ρ_T` (the same), and weighted per-decision: `Σ_t (Σ ρ_t γ^t r_t / Σ ρ_t)`, the consistent one (CWPDIS) of P. Thomas,
//!   "Safe reinforcement learning", University of Massachusetts, 2015.
//! - DR and WDR: see `doubly_robust.rs`. FQE: see `fqe.rs` and `occupancy.rs`.

use crate::ratio::unscaled;
use crate::sums::Layout;

/// An estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Estimator {
    /// What the behaviour earned: the mean return, no estimate of the target.
    OnPolicy,
    /// Ordinary importance sampling.
    Is,
    /// Weighted importance sampling.
    Wis,
    /// Per-decision importance sampling.
    Pdis,
    /// Weighted per-decision importance sampling, the consistent form.
    Wpdis,
    /// Fitted Q evaluation.
    Fqe,
    /// Doubly robust.
    Dr,
    /// Weighted doubly robust.
    Wdr,
}

impl Estimator {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::OnPolicy, Self::Is, Self::Wis, Self::Pdis, Self::Wpdis, Self::Fqe, Self::Dr, Self::Wdr];

    /// `on-policy`, `is`, `wis`, `pdis`, `wpdis`, `fqe`, `dr` or `wdr`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnPolicy => "on-policy",
            Self::Is => "is",
            Self::Wis => "wis",
            Self::Pdis => "pdis",
            Self::Wpdis => "wpdis",
            Self::Fqe => "fqe",
            Self::Dr => "dr",
            Self::Wdr => "wdr",
        }
    }

    /// Whether it weighs by ratios of probabilities.
    pub fn weighs(self) -> bool {
        !matches!(self, Self::OnPolicy | Self::Fqe)
    }
}

/// A number of every estimator, in the order of [`Estimator::ALL`].
pub(crate) type Values = [f64; Estimator::ALL.len()];

/// The estimates of the episodes that a row sums, not finite where they are not defined; ratios in it are relative to 2 to
/// the stages' scales.
/// O(horizon).
pub(crate) fn values(layout: Layout, scale: &[i32], row: &[f64]) -> Values {
    let n = row[Layout::EPISODES];
    let earned = &row[layout.earned()];
    let weight = &row[layout.weight()];
    let surprise = &row[layout.surprise()];
    let expected = &row[layout.expected()];
    let last = layout.horizon - 1;
    let (mut pdis, mut wpdis, mut dr, mut wdr) = (0.0, 0.0, 0.0, 0.0);
    // Before the first stage every episode has the ratio 1.
    let (mut scale_before, mut weight_before) = (0, n);
    for stage in 0..layout.horizon {
        pdis += unscaled(scale[stage], earned[stage]);
        wpdis += earned[stage] / weight[stage];
        dr += unscaled(scale[stage], surprise[stage]) + unscaled(scale_before, expected[stage]);
        wdr += surprise[stage] / weight[stage] + expected[stage] / weight_before;
        (scale_before, weight_before) = (scale[stage], weight[stage]);
    }
    let weighted = row[Layout::WEIGHTED];
    [
        row[Layout::RETURN] / n,
        unscaled(scale[last], weighted) / n,
        weighted / weight[last],
        pdis / n,
        wpdis,
        row[Layout::FITTED] / n,
        dr / n,
        wdr,
    ]
}
