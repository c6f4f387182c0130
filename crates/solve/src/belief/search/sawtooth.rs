//! Upper bounds on a convex function from its values at points (Hauskrecht 2000).

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Points that [`Sawtooth::deepest_point`] looks at together.
const BLOCK: usize = 64;

/// Beliefs at which the function is known to be lower than the mixture of the corners.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sawtooth {
    heads: Vec<Head>,
    /// Where each point's entries end.
    ends: Vec<u32>,
    /// States and the point's depth over their masses, the largest mass first, by point.
    entries: Vec<(u32, f64)>,
}

/// What most comparisons end with: kept apart, so that they run through memory in order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Head {
    /// The depth: the value less the corners' mixture; negative, or 0 once the point is dropped.
    below: f64,
    /// The depth over the two largest masses; the same one twice where there is only one.
    slope: [f64; 2],
    state: [u32; 2],
}

impl Sawtooth {
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    pub fn bytes(&self) -> usize {
        size_of::<Head>() * self.heads.capacity() + 4 * self.ends.capacity() + 16 * self.entries.capacity()
    }

    pub fn push(&mut self, belief: &[(u32, f64)], below: f64) {
        let from = self.entries.len();
        // Depths are negative: the largest mass has the smallest slope.
        self.entries.extend(belief.iter().map(|&(s, p)| (s, below / p)));
        self.entries[from..].sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let first = self.entries[from];
        let second = *self.entries.get(from + 1).unwrap_or(&first);
        self.ends.push(self.entries.len() as u32);
        self.heads.push(Head { below, slope: [first.1, second.1], state: [first.0, second.0] });
    }

    fn entries(&self, point: usize) -> &[(u32, f64)] {
        let from = if point == 0 { 0 } else { self.ends[point - 1] };
        &self.entries[from as usize..self.ends[point] as usize]
    }

    /// The belief of a point, ascending in the states.
    pub fn belief(&self, point: usize) -> Vec<(u32, f64)> {
        let mut belief: Vec<(u32, f64)> = self.entries(point).iter().map(|&(s, slope)| (s, slope.recip())).collect();
        let sum: f64 = belief.iter().map(|entry| entry.1).sum();
        belief.iter_mut().for_each(|entry| entry.1 /= sum);
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
        // In place: a second copy of all points would be the largest thing there is.
        let (mut kept, mut from, mut end) = (0, 0, 0);
        for (point, &keep) in keep.iter().enumerate() {
            let range = from..self.ends[point] as usize;
            from = range.end;
            if keep {
                self.entries.copy_within(range.clone(), end);
                end += range.len();
                self.ends[kept] = end as u32;
                self.heads[kept] = self.heads[point];
                kept += 1;
            }
        }
        self.heads.truncate(kept);
        self.ends.truncate(kept);
        self.entries.truncate(end);
        keep
    }

    /// Keeps every point's value while the corners' mixture falls by `fallen` at each state.
    pub fn raise(&mut self, fallen: impl Fn(u32) -> f64) {
        for point in 0..self.heads.len() {
            let before = self.heads[point].below;
            if before >= 0.0 {
                continue;
            }
            let rise: f64 = self.entries(point).iter().map(|&(s, slope)| before / slope * fallen(s)).sum();
            if rise == 0.0 {
                continue;
            }
            self.scale(point, ((before + rise) / before).max(0.0));
        }
    }

    /// Lowers a point's value, if `below` is lower; a dropped one stays dropped.
    pub fn lower(&mut self, point: usize, below: f64) {
        let before = self.heads[point].below;
        if below < before && before < 0.0 {
            self.scale(point, below / before);
        }
    }

    /// Multiplies a point's depth.
    fn scale(&mut self, point: usize, factor: f64) {
        let from = if point == 0 { 0 } else { self.ends[point - 1] };
        self.entries[from as usize..self.ends[point] as usize].iter_mut().for_each(|entry| entry.1 *= factor);
        let head = &mut self.heads[point];
        head.below *= factor;
        head.slope = head.slope.map(|slope| slope * factor);
    }

    /// The lowest of `best` and what one of some points takes off the corners' mixture at a belief of at
    /// most this mass, given densely. A point takes its own depth times the largest multiple of it that is nowhere above the
    /// belief: the depth times the belief's mass over the point's, at the state where that is closest to zero.
    pub fn deepest(&self, of: Range<usize>, dense: &[f64], mass: f64, mut best: f64) -> f64 {
        let from = of.start;
        for (i, head) in self.heads[of].iter().enumerate() {
            let [first, second] = head.state;
            let mut takes = mass * head.below;
            takes = larger(takes, dense[first as usize] * head.slope[0]);
            takes = larger(takes, dense[second as usize] * head.slope[1]);
            if takes >= best {
                continue;
            }
            for &(s, slope) in self.entries(from + i).iter().skip(2) {
                takes = larger(takes, dense[s as usize] * slope);
                if takes >= best {
                    break;
                }
            }
            if takes < best {
                best = takes;
            }
        }
        best
    }

    /// The point that takes most off the corners' mixture at a normalised belief, given densely, and the multiple of it that does; `None` where
    /// none takes anything.
    pub fn deepest_point(&self, dense: &[f64]) -> Option<(usize, f64)> {
        let mut found = None;
        let mut best = 0.0;
        // In blocks, of which most take off less than one before: only those that do not are looked at point by point.
        for from in (0..self.heads.len()).step_by(BLOCK) {
            let of = from..(from + BLOCK).min(self.heads.len());
            if self.deepest(of.clone(), dense, 1.0, best) >= best {
                continue;
            }
            for point in of {
                let takes = self.deepest(point..point + 1, dense, 1.0, best);
                if takes < best {
                    (best, found) = (takes, Some((point, takes / self.heads[point].below)));
                }
            }
        }
        found
    }

    /// Whether it has only states below `states`, and its parts fit together.
    pub fn fits(&self, states: usize) -> bool {
        let inside = |s: u32| (s as usize) < states;
        self.entries.iter().all(|&(s, _)| inside(s))
            && self.heads.iter().all(|head| head.state.into_iter().all(inside))
            && self.ends.len() == self.heads.len()
            && self.ends.is_sorted()
            && self.ends.last().is_none_or(|&end| end as usize == self.entries.len())
    }
}

/// `f64::max` without its care for what is not a number, which takes most of its time.
#[inline]
fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::Sawtooth;

    /// Two points and three corners, and what they say at a belief by the definition.
    const POINTS: [([f64; 3], f64); 2] = [([0.5, 0.5, 0.0], 3.0), ([0.2, 0.3, 0.5], 4.5)];

    fn mixture(corners: [f64; 3], belief: [f64; 3]) -> f64 {
        (0..3).map(|s| corners[s] * belief[s]).sum()
    }

    fn by_definition(corners: [f64; 3], belief: [f64; 3]) -> f64 {
        let takes = |(point, value): ([f64; 3], f64)| {
            let ratio = (0..3).filter(|&s| point[s] > 0.0).map(|s| belief[s] / point[s]).fold(1.0, f64::min);
            ratio * (value - mixture(corners, point)).min(0.0)
        };
        mixture(corners, belief) + POINTS.into_iter().map(takes).fold(0.0, f64::min)
    }

    #[test]
    fn points_keep_their_values_when_corners_fall() {
        let sparse =
            |belief: [f64; 3]| -> Vec<(u32, f64)> { (0..3_u32).zip(belief).filter(|entry| entry.1 > 0.0).collect() };
        let (before, after) = ([8.0, 6.0, 7.0], [6.0, 5.5, 2.0]);
        let mut sawtooth = Sawtooth::default();
        POINTS.into_iter().for_each(|(point, value)| sawtooth.push(&sparse(point), value - mixture(before, point)));
        for corners in [before, after] {
            if corners == after {
                sawtooth.raise(|s| before[s as usize] - after[s as usize]);
            }
            for belief in [[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.1, 0.8, 0.1], [0.0, 0.5, 0.5]] {
                let found = mixture(corners, belief) + sawtooth.deepest(0..sawtooth.len(), &belief, 1.0, 0.0);
                assert!((found - by_definition(corners, belief)).abs() < 1e-12, "{belief:?} under {corners:?}");
            }
        }
        let mut lowered = sawtooth.clone();
        lowered.lower(0, sawtooth.below(0) + 0.5);
        lowered.lower(1, -1.0);
        assert_eq!(lowered, sawtooth, "lowered to a higher value, or dropped before");
        lowered.lower(0, 2.0 * sawtooth.below(0));
        let belief = [0.4, 0.4, 0.2];
        assert!(
            (lowered.deepest(0..2, &belief, 1.0, 0.0) - 2.0 * sawtooth.deepest(0..2, &belief, 1.0, 0.0)).abs() < 1e-12
        );
        // The second point lies above these corners' mixture now.
        assert!(sawtooth.below(0) < 0.0 && sawtooth.below(1) == 0.0);
        assert_eq!(sawtooth.compact(), [true, false]);
        assert_eq!(sawtooth.belief(0), [(0, 0.5), (1, 0.5)]);
    }
}
