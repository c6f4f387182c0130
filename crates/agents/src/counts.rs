//! What recorded decisions say about the rewards and the moves of a table of states.

use crate::window::{Decision, Windows};
use crate::{AgentError, Context};

/// Counts by (state, action), in rows `state * A + action`. A state is a window where the true state is hidden.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    actions: usize,
    tried: Vec<f64>,
    paid: Vec<f64>,
    earned: Vec<f64>,
    moved: Vec<f64>,
    /// By row: the first of its moves, or `END`.
    first: Vec<u32>,
    moves: Vec<Move>,
    /// Decisions by state.
    met: Vec<f64>,
    least: f64,
    greatest: f64,
}

/// A successor of a row, and the next one: a list, so that a move can be added in the midst of an episode.
#[derive(Debug, Clone, Copy)]
struct Move {
    to: u32,
    times: f64,
    link: u32,
}

const END: u32 = u32::MAX;

impl Counts {
    /// No counts.
    pub fn new(states: usize, actions: usize) -> Self {
        let rows = states * actions;
        Self {
            actions,
            tried: vec![0.0; rows],
            paid: vec![0.0; rows],
            earned: vec![0.0; rows],
            moved: vec![0.0; rows],
            first: vec![END; rows],
            moves: Vec::new(),
            met: vec![0.0; states],
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
        }
    }

    /// The counts of a support; a reward that is no finite number counts as hidden. O(S·A) room, O(decisions · successors of a row) time.
    pub fn of(windows: Windows, context: &Context<'_>) -> Result<Self, AgentError> {
        let mut counts = Self::new(windows.count(), windows.actions());
        windows.visit(context.support, |Decision { window, action, reward, next }| {
            counts.record(window, action, Some(reward).filter(|reward| reward.is_finite()), next);
        })?;
        Ok(counts)
    }

    /// Adds a decision, with its reward where that is shown and its successor where there is one.
    pub fn record(&mut self, state: usize, action: usize, reward: Option<f64>, next: Option<usize>) {
        let row = state * self.actions + action;
        self.tried[row] += 1.0;
        self.met[state] += 1.0;
        if let Some(reward) = reward {
            self.paid[row] += 1.0;
            self.earned[row] += reward;
            self.least = self.least.min(reward);
            self.greatest = self.greatest.max(reward);
        }
        if let Some(next) = next {
            self.moved[row] += 1.0;
            self.count_move(row, next as u32);
        }
    }

    fn count_move(&mut self, row: usize, to: u32) {
        let mut at = self.first[row];
        while at != END {
            let known = &mut self.moves[at as usize];
            if known.to == to {
                known.times += 1.0;
                return;
            }
            at = known.link;
        }
        self.moves.push(Move { to, times: 1.0, link: self.first[row] });
        self.first[row] = self.moves.len() as u32 - 1;
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.met.len()
    }

    /// Number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// Number of rows, S·A.
    pub fn rows(&self) -> usize {
        self.tried.len()
    }

    /// Decisions in a row.
    pub fn tried(&self, row: usize) -> f64 {
        self.tried[row]
    }

    /// How often each action was taken in a state.
    pub fn tried_in(&self, state: usize) -> &[f64] {
        &self.tried[state * self.actions..][..self.actions]
    }

    /// Decisions in a state.
    pub fn met(&self, state: usize) -> f64 {
        self.met[state]
    }

    /// All decisions.
    pub fn total(&self) -> f64 {
        self.met.iter().sum()
    }

    /// How many rewards of a row are known, and their sum.
    pub fn rewards(&self, row: usize) -> (f64, f64) {
        (self.paid[row], self.earned[row])
    }

    /// The mean reward of a row, `None` where no reward of it is known.
    pub fn mean_reward(&self, row: usize) -> Option<f64> {
        (self.paid[row] > 0.0).then(|| self.earned[row] / self.paid[row])
    }

    /// The mean of all rewards, 0 when none is known.
    pub fn mean_of_all(&self) -> f64 {
        let known: f64 = self.paid.iter().sum();
        if known > 0.0 { self.earned.iter().sum::<f64>() / known } else { 0.0 }
    }

    /// The least and the greatest reward, both 0 when none is known.
    pub fn reward_range(&self) -> (f64, f64) {
        if self.least <= self.greatest { (self.least, self.greatest) } else { (0.0, 0.0) }
    }

    /// How many successors of a row were recorded.
    pub fn moved(&self, row: usize) -> f64 {
        self.moved[row]
    }

    /// The successors of a row and how often each came, in no particular but a fixed order.
    pub fn moves(&self, row: usize) -> impl Iterator<Item = (u32, f64)> + '_ {
        let mut at = self.first[row];
        std::iter::from_fn(move || {
            let known = self.moves.get(at as usize)?;
            at = known.link;
            Some((known.to, known.times))
        })
    }
}
