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

    /// A number that, plus what it rises by from now on, is above an action value that is `q` now. Of 32 bits, since rounding it up
    /// hardly ever lets an action through that would have been left out.
    #[inline]
    pub fn ceiling(self, q: f64) -> f32 {
        let level = q - self.risen;
        let near = level as f32;
        if f64::from(near) < level { near.next_up() } else { near }
    }

    /// Whether an action (or one of several) with this ceiling may be worth as much as `best`. Whatever is no number may.
    #[inline]
    pub fn reaches(self, ceiling: f32, best: f64) -> bool {
        !(f64::from(ceiling) + (self.risen + ROUNDING * self.size) < best - ROUNDING * best.abs())
    }
}

/// Those of `items` that are `wanted`; without branches, for nobody could predict them.
#[inline]
pub(super) fn select<T: Copy + Default>(items: impl ExactSizeIterator<Item = T>, into: &mut Vec<T>, wanted: impl Fn(T) -> bool) {
    into.clear();
    into.resize(items.len(), T::default());
    let mut count = 0;
    for item in items {
        into[count] = item;
        count += usize::from(wanted(item));
    }
    into.truncate(count);
}
