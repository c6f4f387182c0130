//! Which episodes a model is fitted to, which it is held against, and which a bootstrap draws.

use tiresias_model::random::{Draws, Key};

use crate::FitError;

/// Which episodes are left out of a fit to see what it says of them. Episodes are left out whole, and which ones is drawn from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum HeldOut {
    /// None.
    #[default]
    Nothing,
    /// One split: this share of them, in (0, 1), rounded to a whole number of at least 1.
    Share(f64),
    /// Each once, in this many parts, at least 2.
    Folds(usize),
}

/// Two disjoint lists of episodes, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    /// What the model is fitted to.
    pub fitted: Vec<usize>,
    /// What it is held against.
    pub held_out: Vec<usize>,
}

impl HeldOut {
    /// The splits of `episodes` episodes.
    pub(crate) fn splits(self, episodes: usize, seed: u64) -> Result<Vec<Split>, FitError> {
        let too_few = |what: &'static str, value: String| {
            Err(FitError::Option { what, value, expected: format!("possible with {episodes} episodes") })
        };
        // Part of each place in a random order.
        let (parts, part): (usize, Box<dyn Fn(usize) -> usize>) = match self {
            Self::Nothing => return Ok(Vec::new()),
            Self::Share(share) if !(share > 0.0 && share < 1.0) => {
                return Err(FitError::option("held-out share", &share, "between 0 and 1"));
            }
            Self::Share(_) if episodes < 2 => return too_few("held-out share", "a split".into()),
            Self::Share(share) => {
                let out = ((share * episodes as f64).round() as usize).clamp(1, episodes - 1);
                (1, Box::new(move |place| usize::from(place >= out)))
            }
            Self::Folds(folds) if folds < 2 => return Err(FitError::option("folds", &folds, "at least 2")),
            Self::Folds(folds) if folds > episodes => return too_few("folds", folds.to_string()),
            Self::Folds(folds) => (folds, Box::new(move |place| place % folds)),
        };
        let order = Draws::new(Key::named(seed, &["fit", "held out"], &[])).permutation(episodes);
        let mut part_of = vec![0; episodes];
        order.iter().enumerate().for_each(|(place, &episode)| part_of[episode] = part(place));
        let split = |out: usize| {
            let (held_out, fitted) = (0..episodes).partition(|&episode| part_of[episode] == out);
            Split { fitted, held_out }
        };
        Ok((0..parts).map(split).collect())
    }
}

/// As many episodes as there are, drawn with replacement, ascending (Efron, "Bootstrap methods: another look at the jackknife", 1979).
pub(crate) fn resampled(episodes: usize, seed: u64, member: usize) -> Vec<usize> {
    let mut draws = Draws::new(Key::named(seed, &["fit", "bootstrap"], &[member as u64]));
    let mut drawn: Vec<usize> = (0..episodes).map(|_| draws.below(episodes)).collect();
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_episode_is_held_out_once_in_folds_and_the_share_in_a_split() {
        let folds = HeldOut::Folds(3).splits(10, 7).unwrap();
        assert_eq!(folds.len(), 3);
        let mut all: Vec<usize> = folds.iter().flat_map(|split| split.held_out.clone()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        for Split { fitted, held_out } in &folds {
            assert!(held_out.len() >= 3 && fitted.len() + held_out.len() == 10);
            assert!(fitted.iter().all(|episode| !held_out.contains(episode)));
        }
        let [split] = &HeldOut::Share(0.3).splits(10, 7).unwrap()[..] else { panic!("one split") };
        assert_eq!((split.fitted.len(), split.held_out.len()), (7, 3));
        assert_ne!(HeldOut::Share(0.3).splits(10, 8).unwrap()[0], *split);
        // However small the share and the data, both parts have an episode.
        let [split] = &HeldOut::Share(0.001).splits(2, 0).unwrap()[..] else { panic!("one split") };
        assert_eq!((split.fitted.len(), split.held_out.len()), (1, 1));
    }

    #[test]
    fn what_cannot_be_split_is_refused_in_words() {
        for (held_out, episodes, words) in [
            (HeldOut::Share(1.0), 10, "held-out share: 1 is not between 0 and 1"),
            (HeldOut::Share(f64::NAN), 10, "NaN"),
            (HeldOut::Share(0.5), 1, "possible with 1 episodes"),
            (HeldOut::Folds(1), 10, "folds: 1 is not at least 2"),
            (HeldOut::Folds(11), 10, "folds: 11 is not possible with 10 episodes"),
        ] {
            let error = held_out.splits(episodes, 0).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_bootstrap_draws_as_many_and_some_twice() {
        let drawn = resampled(1000, 3, 0);
        assert_eq!(drawn.len(), 1000);
        assert_ne!(drawn, resampled(1000, 3, 1));
        let mut distinct = drawn.clone();
        distinct.dedup();
        // 1 - 1/e of them, with a standard deviation below 1 %.
        assert!((distinct.len() as f64 / 1000.0 - 0.632).abs() < 0.05);
    }
}
