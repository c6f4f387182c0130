//! Which actions need not be backed up, because they cannot be best: temporary action elimination (Hastings & van Nunen, "The action
//! elimination algorithm for Markov decision processes", 1977; Puterman & Shin, "Action elimination procedures for modified policy
//! iteration algorithms", 1982; Puterman 1994, §6.7).
//!
//! No action value rises by more than γ times what the next values rise by at most, so an old one is a ceiling for all later ones. An
//! action whose ceiling lies below what another is worth now is left out: the sweep's maximum, and with it every bound, stays the same bit
//! for bit, and the rows of the kernel that could not have changed it are not read.

/// Relative size of the rounding in an action value, with room to spare.
const ROUNDING: f64 = 1e-13;

/// How far action values can have risen since the first sweep.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rise {
    /// Since the first sweep, at most.
    risen: f64,
    /// The greatest size of a next value so far: what rounding is relative to.
    size: f64,
}

impl Rise {
    /// The next values are no longer `before` but `next`. O(S) time.
    pub fn step(&mut self, discount: f64, before: &[f64], next: &[f64]) {
        self.size = next.iter().fold(self.size, |size, v| size.max(v.abs()));
        if !before.is_empty() {
            let rise = before.iter().zip(next).fold(f64::NEG_INFINITY, |rise, (old, new)| rise.max(new - old));
            self.risen += discount * rise;
        }
    }

    /// A number that, plus what action values rise by from now on, is above one that is `q` now. Of 32 bits, a hair more than needed
    /// (twice the rounding to 32 bits, which no branch has to look at).
    #[inline]
    pub fn ceiling(self, q: f64) -> f32 {
        let level = q - self.risen;
        let above = level + (level.abs() * f64::from(f32::EPSILON) + f64::from(f32::MIN_POSITIVE));
        (above as f32).max(f32::MIN)
    }

    /// Whether an action (or one of several) with this ceiling may be worth as much as `best`. Whatever is no number may.
    #[inline]
    #[allow(clippy::neg_cmp_op_on_partial_ord)]
    pub fn reaches(self, ceiling: f32, best: f64) -> bool {
        !(f64::from(ceiling) + (self.risen + ROUNDING * self.size) < best - ROUNDING * best.abs())
    }
}

/// Those of `items` that are `wanted`; without branches, for nobody could predict them.
#[inline]
pub(super) fn select(
    items: impl ExactSizeIterator<Item = usize>,
    into: &mut Vec<usize>,
    wanted: impl Fn(usize) -> bool,
) {
    into.clear();
    into.resize(items.len(), 0);
    let mut count = 0;
    for item in items {
        into[count] = item;
        count += usize::from(wanted(item));
    }
    into.truncate(count);
}

#[cfg(test)]
mod tests {
    use super::{Rise, select};

    #[test]
    fn ceilings_are_above_by_a_hair() {
        for q in
            [0.0, 1.0, -1.0, 0.1, -0.1, 1e-42, -1e-42, 1e-300, 1.0 + 1e-12, -1.0 - 1e-12, 1e30, -1e30, 1e300, -1e300]
        {
            let ceiling = f64::from(Rise::default().ceiling(q));
            assert!(ceiling > q, "{ceiling} {q}");
            assert!(q.abs() > 1e38 || ceiling - q <= 3e-7 * q.abs() + 1e-37, "{ceiling} {q}");
        }
    }

    #[test]
    fn no_action_that_may_have_risen_to_the_best_is_left_out() {
        let mut rise = Rise::default();
        rise.step(0.5, &[], &[0.0, 0.0]);
        let ceiling = rise.ceiling(1.0);
        // Next values rise by 2 at most, which is worth 1 a step earlier; then they all fall by 4.
        rise.step(0.5, &[0.0, 0.0], &[-3.0, 2.0]);
        assert!(rise.reaches(ceiling, 2.0) && !rise.reaches(ceiling, 2.001));
        rise.step(0.5, &[-3.0, 2.0], &[-7.0, -2.0]);
        assert!(rise.reaches(ceiling, 0.0) && !rise.reaches(ceiling, 0.001));
        assert!(
            rise.reaches(f32::NAN, 1e9) && rise.reaches(f32::INFINITY, 1e9) && !rise.reaches(f32::NEG_INFINITY, -1e9)
        );
    }

    #[test]
    fn selecting_keeps_the_order() {
        let mut chosen = vec![7; 3];
        select([5, 1, 4, 2].into_iter(), &mut chosen, |i| i % 2 == 0);
        assert_eq!(chosen, [4, 2]);
    }
}
