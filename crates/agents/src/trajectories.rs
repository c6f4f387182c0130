//! Recorded trajectories as columns.

/// Trajectories of equal length, one after the other; all columns are trajectories × horizon.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trajectories<'a> {
    /// Decisions of each.
    pub horizon: usize,
    /// What was seen before each decision: the state in an MDP, else the last observation, -1 before the first.
    pub observations: &'a [i32],
    /// Actions.
    pub actions: &'a [u8],
    /// Rewards, undiscounted.
    pub rewards: &'a [f64],
}

/// One decision of a trajectory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Index within its trajectory.
    pub stage: usize,
    /// What was seen before it.
    pub seen: Option<usize>,
    /// What was done.
    pub action: usize,
    /// What it earned.
    pub reward: f64,
    /// What was seen after it; `None` after the last decision, where nothing is recorded.
    pub next: Option<usize>,
}

/// A decision whose states before and after are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// The state before.
    pub state: usize,
    /// The action.
    pub action: usize,
    /// The reward.
    pub reward: f64,
    /// The state after.
    pub next: usize,
}

impl<'a> Trajectories<'a> {
    /// Number of trajectories.
    pub fn count(&self) -> usize {
        self.actions.len().checked_div(self.horizon).unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// The steps of trajectory `i`, in order.
    pub fn steps(&self, i: usize) -> impl Iterator<Item = Step> + use<'a> {
        let Self { horizon, observations, actions, rewards } = *self;
        let seen = move |t: usize| usize::try_from(observations[i * horizon + t]).ok();
        (0..horizon).map(move |stage| Step {
            stage,
            seen: seen(stage),
            action: usize::from(actions[i * horizon + stage]),
            reward: rewards[i * horizon + stage],
            next: if stage + 1 < horizon { seen(stage + 1) } else { None },
        })
    }

    /// The steps of all trajectories, in order.
    pub fn all_steps(&self) -> impl Iterator<Item = Step> + use<'a> {
        let this = *self;
        (0..this.count()).flat_map(move |i| this.steps(i))
    }

    /// All decisions with states before and after (where the state is seen): all but each trajectory's last.
    pub fn transitions(&self) -> impl Iterator<Item = Transition> + use<'a> {
        self.all_steps().filter_map(|Step { seen, action, reward, next, .. }| {
            Some(Transition { state: seen?, action, reward, next: next? })
        })
    }
}
