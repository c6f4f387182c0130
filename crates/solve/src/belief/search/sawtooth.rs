//! Upper bounds on a convex function from its values at points (Hauskrecht 2000).

use serde::{Deserialize, Serialize};

/// Beliefs at which the function is known to be lower than the mixture of the corners.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sawtooth {
    heads: Vec<Head>,
    /// States and one over their masses, the largest mass first, by point: what the heads have no room for.
    entries: Vec<(u32, f64)>,
}

/// What most comparisons end with: kept apart, so that they run through memory in order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Head {
    /// The value less the corners' mixture; negative, or 0 once the point is dropped.
    below: f64,
    /// One over the two largest masses; the same one twice where there is only one.
    inverse: [f64; 2],
    state: [u32; 2],
    /// All entries, the head's included.
    from: u32,
    to: u32,
}

impl Sawtooth {
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    pub fn bytes(&self) -> usize {
        size_of::<Head>() * self.heads.len() + 16 * self.entries.len()
    }

    pub fn push(&mut self, belief: &[(u32, f64)], below: f64) {
        let from = self.entries.len();
        self.entries.extend(belief.iter().map(|&(s, p)| (s, p.recip())));
        self.entries[from..].sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let first = self.entries[from];
        let second = *self.entries.get(from + 1).unwrap_or(&first);
        let (from, to) = (from as u32, self.entries.len() as u32);
        self.heads.push(Head { below, inverse: [first.1, second.1], state: [first.0, second.0], from, to });
    }

    /// The belief of a point, ascending in the states.
    pub fn belief(&self, point: usize) -> Vec<(u32, f64)> {
        let entries = &self.entries[self.heads[point].from as usize..self.heads[point].to as usize];
        let mut belief: Vec<(u32, f64)> = entries.iter().map(|&(s, inverse)| (s, inverse.recip())).collect();
        belief.sort_unstable_by_key(|entry| entry.0);
        belief
    }

    /// How far a point is below the corners' mixture; 0 when it was dropped.
    pub fn below(&self, point: usize) -> f64 {
        self.heads[point].below
    }

    /// Makes a point without effect; its number stays taken until [`compact`](Self::compact).
    pub fn drop(&mut self, point: usize) {
        self.heads[point].below = 0.0;
    }

    /// Forgets the dropped points, and returns which were kept.
    pub fn compact(&mut self) -> Vec<bool> {
        let keep: Vec<bool> = self.heads.iter().map(|head| head.below < 0.0).collect();
        let heads = std::mem::take(&mut self.heads);
        let entries = std::mem::take(&mut self.entries);
        for head in heads.into_iter().filter(|head| head.below < 0.0) {
            let from = self.entries.len() as u32;
            self.entries.extend_from_slice(&entries[head.from as usize..head.to as usize]);
            self.heads.push(Head { from, to: self.entries.len() as u32, ..head });
        }
        keep
    }

    /// The lowest of `best` and what one of the points from number `from` on takes off the corners' mixture at a belief of at
    /// most this mass, given densely. A point takes its own depth times the largest multiple of it that is nowhere above the
    /// belief.
    pub fn deepest(&self, from: usize, dense: &[f64], mass: f64, mut best: f64) -> f64 {
        for head in &self.heads[from..] {
            let [first, second] = [0, 1].map(|i| dense[head.state[i] as usize] * head.inverse[i]);
            let mut ratio = mass.min(first).min(second);
            if ratio * head.below >= best {
                continue;
            }
            let enough = best / head.below;
            for &(s, inverse) in self.entries[head.from as usize..head.to as usize].iter().skip(2) {
                ratio = ratio.min(dense[s as usize] * inverse);
                if ratio <= enough {
                    break;
                }
            }
            // An interrupted ratio is at most `enough`, and changes nothing.
            best = best.min(ratio * head.below);
        }
        best
    }

    /// Whether it has only states below `states`, and its parts fit together.
    pub fn fits(&self, states: usize) -> bool {
        let inside = |s: u32| (s as usize) < states;
        self.entries.iter().all(|&(s, _)| inside(s))
            && self.heads.iter().all(|head| {
                head.state.into_iter().all(inside) && head.from < head.to && head.to as usize <= self.entries.len()
            })
    }
}
