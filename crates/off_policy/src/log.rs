//! The question in the shape that estimators read: logged steps beside the target's probabilities.

use std::ops::Range;

use tiresias_data::{Columns, Trajectories};

use crate::{Error, Options, ROUNDING};

/// A floating-point number that probabilities are given in.
pub trait Probability: Copy + Send + Sync + Into<f64> {}

impl<P: Copy + Send + Sync + Into<f64>> Probability for P {}

/// The policy that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a, P> {
    /// Its probability of every action at every logged step, given all that was logged before: steps × actions, rows sum to 1 within
    /// [`ROUNDING`]. What it goes by is its own affair: an observation, a belief, a prompt.
    pub probabilities: &'a [P],
    /// Its action values as somebody outside believes, steps × actions, in reward units and discounted to the step itself: the doubly
    /// robust estimates then use these. Any finite numbers leave them unbiased, provided they were not made from these episodes.
    pub q: Option<&'a [f64]>,
}

impl<'a, P> From<&'a [P]> for Target<'a, P> {
    fn from(probabilities: &'a [P]) -> Self {
        Self { probabilities, q: None }
    }
}

/// Logged steps, the target's rows, and the sizes of everything.
pub(crate) struct Log<'a, P> {
    pub trajectories: &'a Trajectories,
    pub columns: &'a Columns,
    pub target: Target<'a, P>,
    /// A.
    pub actions: usize,
    /// Observations and, last, having seen nothing.
    pub symbols: usize,
    /// Steps of the longest episode.
    pub horizon: usize,
    pub discount: f64,
    pub negligible: f64,
}

impl<'a, P: Probability> Log<'a, P> {
    pub fn new(trajectories: &'a Trajectories, target: Target<'a, P>, options: &Options) -> Result<Self, Error> {
        let actions = trajectories.action_space().len();
        let expected = trajectories.steps() * actions;
        let lengths = [("target", target.probabilities.len()), ("q", target.q.map_or(expected, <[f64]>::len))];
        for (what, found) in lengths {
            if found != expected {
                return Err(Error::Length { what, expected, found });
            }
        }
        if trajectories.len() < 2 {
            return Err(Error::OneEpisode);
        }
        Ok(Self {
            trajectories,
            columns: trajectories.columns(),
            target,
            actions,
            symbols: trajectories.observation_space().len() + 1,
            horizon: trajectories.longest(),
            discount: options.discount,
            negligible: options.negligible,
        })
    }

    /// Number of episodes.
    pub fn episodes(&self) -> usize {
        self.trajectories.len()
    }

    /// What was seen before a step, as an index of a table.
    pub fn symbol(&self, step: usize) -> usize {
        usize::try_from(self.columns.observations[step]).unwrap_or(self.symbols - 1)
    }

    /// The observation that a symbol stands for.
    pub fn observation(&self, symbol: usize) -> i32 {
        if symbol + 1 == self.symbols { tiresias_data::NOTHING } else { symbol as i32 }
    }

    /// What was done at a step.
    pub fn action(&self, step: usize) -> usize {
        usize::from(self.columns.actions[step])
    }

    /// The target's probabilities at a step.
    pub fn row(&self, step: usize) -> &'a [P] {
        &self.target.probabilities[step * self.actions..][..self.actions]
    }

    /// What names an episode outside: where it begins in its source, or its number.
    pub fn origin(&self, episode: usize) -> u64 {
        self.columns.origins.get(episode).copied().unwrap_or(episode as u64)
    }

    /// Checks the target's rows of an episode, and the values given with them.
    pub fn check(&self, episode: usize) -> Result<(), Error> {
        let steps = self.trajectories.range(episode);
        let start = steps.start;
        for at in steps {
            let step = at - start;
            let mut sum = 0.0;
            for (action, &p) in self.row(at).iter().enumerate() {
                let value: f64 = p.into();
                // Also false where it is not a number.
                if !(value >= 0.0 && value.is_finite()) {
                    return Err(Error::Entry { episode, step, action, what: "the target's probability", value });
                }
                sum += value;
            }
            if (sum - 1.0).abs() > ROUNDING {
                return Err(Error::Sum { episode, step, sum });
            }
            let Some(q) = self.target.q else { continue };
            for (action, &value) in q[at * self.actions..][..self.actions].iter().enumerate() {
                if !value.is_finite() {
                    return Err(Error::Entry { episode, step, action, what: "the value", value });
                }
            }
        }
        Ok(())
    }
}

/// Groups of neighbouring episodes: what one thread works on at a time, and what a bootstrap draws.
#[derive(Debug, Clone)]
pub(crate) struct Units {
    pub episodes: Vec<Range<usize>>,
    /// Where the steps of each end.
    pub step_ends: Vec<usize>,
}

impl Units {
    /// At most `most` of them, whose sizes differ by one at most.
    pub fn new(trajectories: &Trajectories, most: usize) -> Self {
        let (all, count) = (trajectories.len(), trajectories.len().min(most));
        let bound = |unit: usize| (unit as u128 * all as u128 / count as u128) as usize;
        let episodes: Vec<_> = (0..count).map(|unit| bound(unit)..bound(unit + 1)).collect();
        let step_ends = episodes.iter().map(|range| trajectories.columns().offsets[range.end]).collect();
        Self { episodes, step_ends }
    }

    pub fn len(&self) -> usize {
        self.episodes.len()
    }
}
