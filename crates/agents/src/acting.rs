//! The two kinds of agents that choose in a table: one whose choices are settled before the episode, and one that thinks at each decision.

use std::cell::OnceCell;

use tiresias_model::random::{Key, unit53};

use crate::counts::Counts;
use crate::plan::Choice;
use crate::window::Windows;
use crate::{ActionTable, Agent, AgentError, Context, Percept};

/// The lane of the draw among all actions, where a [`Choice`] leaves it open.
const OPEN: u32 = u32::MAX;

/// Where an agent is in its episode.
struct Place {
    windows: Windows,
    horizon: usize,
    key: Key,
    episode: u64,
    stage: usize,
    last: Option<usize>,
}

impl Place {
    fn new(context: &Context<'_>) -> Self {
        let (windows, horizon) = (Windows::of(context.shape), context.shape.horizon);
        Self { windows, horizon, key: context.key, episode: context.episode, stage: 0, last: None }
    }

    /// The window that is seen now.
    fn window(&self, percept: Percept) -> Result<usize, AgentError> {
        if self.stage == self.horizon {
            return Err(AgentError::Method(format!("the episode has {} decisions; begin another", self.horizon)));
        }
        self.windows.index(percept.seen, self.last)
    }

    /// Goes on to the next stage with what `choice` says.
    fn take(&mut self, choice: Choice) -> usize {
        let any = || {
            let [a, b, ..] = self.key.block(self.episode, self.stage as u32, OPEN);
            (unit53(a, b) * self.windows.actions() as f64) as usize
        };
        let action = choice.map_or_else(any, usize::from);
        self.stage += 1;
        self.last = Some(action);
        action
    }
}

/// An agent whose choices are settled before the episode.
pub(crate) struct Settled {
    place: Place,
    /// The choices in all windows at the last stages, the earlier first; stages before those choose as the first of them.
    choices: Vec<Choice>,
    observed: bool,
    table: OnceCell<ActionTable>,
}

impl Settled {
    /// An agent of `choices`, which are whole stages, at least one and at most the horizon.
    pub fn agent(context: &Context<'_>, choices: Vec<Choice>) -> Box<dyn Agent> {
        let place = Place::new(context);
        Box::new(Self { place, choices, observed: context.shape.observed(), table: OnceCell::new() })
    }

    fn choice(&self, stage: usize, window: usize) -> Choice {
        let windows = self.place.windows.count();
        let stages = self.choices.len() / windows;
        self.choices[(stage + stages).saturating_sub(self.place.horizon) * windows + window]
    }
}

impl Agent for Settled {
    fn act(&mut self, percept: Percept) -> Result<usize, AgentError> {
        let window = self.place.window(percept)?;
        Ok(self.place.take(self.choice(self.place.stage, window)))
    }

    fn table(&self) -> Option<&ActionTable> {
        let Place { windows, horizon, .. } = self.place;
        self.observed.then(|| {
            self.table.get_or_init(|| {
                let any = 1.0 / windows.actions() as f64;
                ActionTable::new(horizon, windows.count(), windows.actions(), |stage, state, row| {
                    match self.choice(stage, state) {
                        Some(action) => row[usize::from(action)] = 1.0,
                        None => row.fill(any),
                    }
                })
            })
        })
    }
}

/// What chooses from counts.
pub(crate) trait Mind: Send {
    /// The choice in `state` with `left` decisions to go, this one included.
    fn choose(&mut self, counts: &Counts, stage: usize, left: usize, state: usize) -> Choice;
}

/// An agent that counts what happens in its episode and thinks at each decision.
pub(crate) struct Learner<M> {
    place: Place,
    counts: Counts,
    state: usize,
    mind: M,
}

impl<M: Mind + 'static> Learner<M> {
    /// An agent that begins with `counts`.
    pub fn agent(context: &Context<'_>, counts: Counts, mind: M) -> Box<dyn Agent> {
        Box::new(Self { place: Place::new(context), counts, state: 0, mind })
    }
}

impl<M: Mind> Agent for Learner<M> {
    fn act(&mut self, percept: Percept) -> Result<usize, AgentError> {
        let state = self.place.window(percept)?;
        if let Some(action) = self.place.last {
            self.counts.record(self.state, action, percept.reward, Some(state));
        }
        self.state = state;
        // With one state the future is the same whatever is done.
        let left = if self.counts.states() == 1 { 1 } else { self.place.horizon - self.place.stage };
        let choice = self.mind.choose(&self.counts, self.place.stage, left, state);
        Ok(self.place.take(choice))
    }
}
