//! How much of the work goes into trials that go deep.

/// Each kind of trial gets this share of all work at least.
const LEAST: f64 = 0.1;
/// What a trial's gain counts for after the next one of its kind.
const DECAY: f64 = 0.9;

/// Two kinds of trials, each with what it has closed of the gap and done for it, the latest counting most.
///
/// Which one pays is a matter of the problem: lower bounds are made of whole plans, whose value shows at their end only, while upper
/// bounds fall wherever leaves are looked at.
#[derive(Default)]
pub(super) struct Effort {
    shallow: Kind,
    deep: Kind,
}

#[derive(Default)]
struct Kind {
    all_work: f64,
    work: f64,
    gain: f64,
}

impl Effort {
    /// Whether the next trial goes deep: the kind that has had less than its share, else the one that gains more for its work.
    pub fn deep_is_next(&self) -> bool {
        let least = LEAST * (self.shallow.all_work + self.deep.all_work);
        if self.deep.all_work <= least {
            return true;
        }
        // Of gain over work, multiplied out.
        self.shallow.all_work > least && self.deep.gain * self.shallow.work > self.shallow.gain * self.deep.work
    }

    /// Notes what a trial did.
    pub fn note(&mut self, deep: bool, work: u64, gain: f64) {
        let kind = if deep { &mut self.deep } else { &mut self.shallow };
        kind.all_work += work as f64;
        kind.work = DECAY * kind.work + work as f64;
        // The first bounds of a start that is spread can be infinite.
        kind.gain = DECAY * kind.gain + if gain.is_finite() { gain } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::Effort;

    #[test]
    fn work_goes_where_it_gains_and_a_tenth_to_the_other() {
        for (gains, expected) in [([1.0, 2.0], true), ([2.0, 1.0], false)] {
            let mut effort = Effort::default();
            let mut work = [0; 2];
            for _ in 0..1_000 {
                let deep = effort.deep_is_next();
                effort.note(deep, 10, gains[usize::from(deep)]);
                work[usize::from(deep)] += 10;
            }
            assert!((8_900..=9_100).contains(&work[usize::from(expected)]), "{work:?}");
        }
    }
}
