//! Upper bounds on a convex function from its values at points (Hauskrecht 2000).

use serde::{Deserialize, Serialize};

/// A belief at which the function is known to be lower than the mixture of the corners.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// States and one over their masses, the largest mass first: most comparisons end there.
    entries: Vec<(u32, f64)>,
    /// The value less the corners' mixture; negative, or 0 once a lower value at the same belief has taken its place.
    pub below: f64,
}

impl Point {
    pub fn new(belief: &[(u32, f64)], below: f64) -> Self {
        let mut entries: Vec<(u32, f64)> = belief.iter().map(|&(s, p)| (s, p.recip())).collect();
        entries.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        Self { entries, below }
    }

    /// The belief, ascending in the states.
    pub fn belief(&self) -> Vec<(u32, f64)> {
        let mut belief: Vec<(u32, f64)> = self.entries.iter().map(|&(s, inverse)| (s, inverse.recip())).collect();
        belief.sort_unstable_by_key(|entry| entry.0);
        belief
    }

    pub fn bytes(&self) -> usize {
        32 + 16 * self.entries.len()
    }

    /// Whether it has only states below `states`.
    pub fn fits(&self, states: usize) -> bool {
        self.entries.iter().all(|&(s, _)| (s as usize) < states)
    }
}

/// The lowest of `best` and what one of the points takes off the corners' mixture at a belief of this mass, given densely.
/// A point takes its own depth times the largest multiple of it that is nowhere above the belief.
pub(crate) fn deepest(points: &[Point], dense: &[f64], mass: f64, mut best: f64) -> f64 {
    for point in points {
        if point.below * mass >= best {
            continue;
        }
        let enough = best / point.below;
        let mut ratio = f64::INFINITY;
        for &(s, inverse) in &point.entries {
            ratio = ratio.min(dense[s as usize] * inverse);
            if ratio <= enough {
                break;
            }
        }
        // An interrupted ratio is at most `enough`, and changes nothing.
        best = best.min(ratio * point.below);
    }
    best
}
