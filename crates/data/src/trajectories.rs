//! Recorded decisions in columns.

use std::ops::Range;

use tiresias_model::Space;

use crate::DataError;

/// Stands where nothing was seen.
pub const NOTHING: i32 = -1;

/// The columns that [`Trajectories`] are made of. A step is one decision: what was seen before it, what was done, what that earned.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Columns {
    /// Where each episode begins, in steps, and where the last one ends: episodes + 1 entries, from 0. No episode is empty.
    pub offsets: Vec<usize>,
    /// What was seen before each action (the state, where it can be seen), or [`NOTHING`]. One entry a step.
    pub observations: Vec<i32>,
    /// What was done. One entry a step.
    pub actions: Vec<u8>,
    /// What that earned, finite, in the units of the source. One entry a step.
    pub rewards: Vec<f64>,
    /// How likely whoever acted was to do what was done, given all that was seen before, in (0, 1]; empty where that is not known.
    pub propensities: Vec<f64>,
    /// What was seen after the last action, or [`NOTHING`]. One entry an episode.
    pub last: Vec<i32>,
    /// Whether the episode ended by itself (someone died, the machine broke); otherwise the record merely stops. One entry an episode.
    pub terminated: Vec<bool>,
    /// Which task each episode is of (a ward, a plant), numbered from 0; empty where all are of one.
    pub tasks: Vec<u32>,
    /// Where each episode begins in its source: a line, a row or an index. Empty where there is no source.
    pub origins: Vec<u64>,
}

/// Recorded decisions: episodes of possibly different lengths over one set of observations and one of actions.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectories {
    observations: Space,
    actions: Space,
    columns: Columns,
}

/// One episode. Slices have one entry a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode<'a> {
    /// What was seen before each action, or [`NOTHING`].
    pub observations: &'a [i32],
    /// What was done.
    pub actions: &'a [u8],
    /// What that earned.
    pub rewards: &'a [f64],
    /// How likely that was done; empty where it is not known.
    pub propensities: &'a [f64],
    /// What was seen after the last action, or [`NOTHING`].
    pub last: i32,
    /// Whether it ended by itself.
    pub terminated: bool,
}

impl Episode<'_> {
    /// What was seen after the action of `step`, or [`NOTHING`].
    pub fn seen_after(&self, step: usize) -> i32 {
        self.observations.get(step + 1).copied().unwrap_or(self.last)
    }

    /// Number of decisions, at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// `Σ γ^t r_t`, in reward units.
    pub fn discounted_return(&self, discount: f64) -> f64 {
        self.rewards.iter().rev().fold(0.0, |sum, reward| reward + discount * sum)
    }
}

impl Trajectories {
    /// Checks every entry: O(steps).
    pub fn new(observations: Space, actions: Space, columns: Columns) -> Result<Self, DataError> {
        let all = Self { observations, actions, columns };
        all.check_lengths()?;
        for episode in 0..all.len() {
            all.check_episode(episode)?;
        }
        Ok(all)
    }

    fn check_lengths(&self) -> Result<(), DataError> {
        let Columns { offsets, observations, actions, rewards, propensities, last, terminated, tasks, origins } =
            &self.columns;
        if self.actions.len() > usize::from(u8::MAX) + 1 {
            return Err(DataError::Invalid(format!("{} actions; at most 256 are possible", self.actions.len())));
        }
        if self.observations.len() > i32::MAX as usize {
            return Err(DataError::Invalid(format!(
                "{} observations; at most 2^31 are possible",
                self.observations.len()
            )));
        }
        let steps = actions.len();
        let rising = offsets.windows(2).all(|pair| pair[0] < pair[1]);
        if offsets.len() < 2 || offsets[0] != 0 || offsets[offsets.len() - 1] != steps || !rising {
            return Err(DataError::Invalid(
                "offsets must begin with 0, rise, and end with the number of steps; at least one episode is needed"
                    .into(),
            ));
        }
        let episodes = offsets.len() - 1;
        let optional = |len: usize, whole: usize| if len == 0 { 0 } else { whole };
        for (what, found, expected) in [
            ("observations", observations.len(), steps),
            ("rewards", rewards.len(), steps),
            ("propensities", propensities.len(), optional(propensities.len(), steps)),
            ("last", last.len(), episodes),
            ("terminated", terminated.len(), episodes),
            ("tasks", tasks.len(), optional(tasks.len(), episodes)),
            ("origins", origins.len(), optional(origins.len(), episodes)),
        ] {
            if found != expected {
                return Err(DataError::Length { what, expected, found });
            }
        }
        Ok(())
    }

    fn check_episode(&self, index: usize) -> Result<(), DataError> {
        let episode = self.episode(index);
        let entry = |step, what, value: String, expected: String| {
            Err(DataError::Entry { episode: index, step, what, value, expected })
        };
        for step in 0..=episode.len() {
            let seen = episode.observations.get(step).copied().unwrap_or(episode.last);
            if seen != NOTHING && usize::try_from(seen).map_or(true, |seen| seen >= self.observations.len()) {
                return entry(
                    step,
                    "observation",
                    seen.to_string(),
                    format!("below {}, or {NOTHING}", self.observations.len()),
                );
            }
        }
        for step in 0..episode.len() {
            if usize::from(episode.actions[step]) >= self.actions.len() {
                return entry(
                    step,
                    "action",
                    episode.actions[step].to_string(),
                    format!("below {}", self.actions.len()),
                );
            }
            if !episode.rewards[step].is_finite() {
                return entry(step, "reward", episode.rewards[step].to_string(), "a finite number".into());
            }
        }
        for (step, &p) in episode.propensities.iter().enumerate() {
            if !(p > 0.0 && p <= 1.0) {
                return entry(step, "propensity", p.to_string(), "above 0 and at most 1".into());
            }
        }
        Ok(())
    }

    /// Number of episodes, at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.columns.last.len()
    }

    /// Number of decisions.
    pub fn steps(&self) -> usize {
        self.columns.actions.len()
    }

    /// Decisions of the longest episode.
    pub fn longest(&self) -> usize {
        self.columns.offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    }

    /// What can be seen.
    pub fn observation_space(&self) -> &Space {
        &self.observations
    }

    /// What can be done.
    pub fn action_space(&self) -> &Space {
        &self.actions
    }

    /// All columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The steps of an episode, as a range of the columns' entries.
    pub fn range(&self, episode: usize) -> Range<usize> {
        self.columns.offsets[episode]..self.columns.offsets[episode + 1]
    }

    /// One episode.
    pub fn episode(&self, index: usize) -> Episode<'_> {
        let Columns { observations, actions, rewards, propensities, last, terminated, .. } = &self.columns;
        let range = self.range(index);
        Episode {
            observations: &observations[range.clone()],
            actions: &actions[range.clone()],
            rewards: &rewards[range.clone()],
            propensities: if propensities.is_empty() { &[] } else { &propensities[range] },
            last: last[index],
            terminated: terminated[index],
        }
    }

    /// All episodes in turn.
    pub fn episodes(&self) -> impl ExactSizeIterator<Item = Episode<'_>> {
        (0..self.len()).map(|index| self.episode(index))
    }

    /// Whether it is known how likely each action was.
    pub fn has_propensities(&self) -> bool {
        !self.columns.propensities.is_empty()
    }

    /// Some of the episodes, in the order given and as often as they are named, as a bootstrap names them. O(steps of these).
    ///
    /// # Panics
    ///
    /// Where none is named, or one that does not exist.
    #[must_use]
    pub fn select(&self, episodes: &[usize]) -> Self {
        assert!(!episodes.is_empty(), "no episode is named");
        let from = &self.columns;
        let mut columns = Columns { offsets: vec![0], ..Columns::default() };
        for &index in episodes {
            let range = self.range(index);
            columns.observations.extend_from_slice(&from.observations[range.clone()]);
            columns.actions.extend_from_slice(&from.actions[range.clone()]);
            columns.rewards.extend_from_slice(&from.rewards[range.clone()]);
            if self.has_propensities() {
                columns.propensities.extend_from_slice(&from.propensities[range]);
            }
            columns.offsets.push(columns.actions.len());
            columns.last.push(from.last[index]);
            columns.terminated.push(from.terminated[index]);
            columns.tasks.extend(from.tasks.get(index));
            columns.origins.extend(from.origins.get(index));
        }
        Self { observations: self.observations.clone(), actions: self.actions.clone(), columns }
    }

    /// Bytes that it takes on the heap, nearly: 13 a step, 21 with propensities.
    pub fn bytes(&self) -> usize {
        let Columns { offsets, observations, actions, rewards, propensities, last, terminated, tasks, origins } =
            &self.columns;
        let steps = size_of_val(&observations[..])
            + size_of_val(&actions[..])
            + size_of_val(&rewards[..])
            + size_of_val(&propensities[..]);
        let episodes = size_of_val(&offsets[..])
            + size_of_val(&last[..])
            + size_of_val(&terminated[..])
            + size_of_val(&tasks[..])
            + size_of_val(&origins[..]);
        steps + episodes
    }
}
