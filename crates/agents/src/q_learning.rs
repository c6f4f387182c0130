//! Tabular Q-learning over many episodes of one task: the algorithm whose learning histories Algorithm Distillation imitates.

use crate::window::Windows;
use crate::{AgentError, Shape};

/// A table of action values that learns from one decision to the next and keeps what it learned from episode to episode.
///
/// It conditions on the state where that is seen, else on the last observation and action. An update moves `Q(w, a)` by `rate` towards
/// `r + γ max Q(w', ·)`, at first by more: by 1/n at the n-th visit while that is more than `rate`. Nothing follows an episode's last
/// decision. Values begin at 0. A decision costs A comparisons, an update as many (Watkins, Dayan, Machine Learning 8, 1992).
#[derive(Debug, Clone)]
pub struct QLearning {
    windows: Windows,
    discount: f64,
    rate: f64,
    values: Vec<f64>,
    visits: Vec<u32>,
    window: usize,
}

impl QLearning {
    /// Knows nothing yet. `rate` is in (0, 1].
    pub fn new(shape: &Shape, rate: f64) -> Self {
        let windows = Windows::of(shape);
        let size = windows.count() * windows.actions();
        Self { windows, discount: shape.discount, rate, values: vec![0.0; size], visits: vec![0; size], window: 0 }
    }

    /// Begins an episode, in which `seen` is seen first: the state, or nothing where it is hidden.
    pub fn begin(&mut self, seen: Option<usize>) -> Result<(), AgentError> {
        self.window = self.windows.index(seen, None)?;
        Ok(())
    }

    /// The best action here by what it knows; of equals the lowest.
    pub fn best(&self) -> usize {
        let values = self.of(self.window);
        (1..values.len()).fold(0, |best, action| if values[action] > values[best] { action } else { best })
    }

    /// Learns that `action` earned `reward` here, and goes on to where `next` is seen; `None` after the last decision.
    pub fn learn(&mut self, action: usize, reward: f64, next: Option<usize>) -> Result<(), AgentError> {
        let next = next.map(|seen| self.windows.index(Some(seen), Some(action))).transpose()?;
        let follows = next.map_or(0.0, |window| self.of(window).iter().copied().fold(f64::NEG_INFINITY, f64::max));
        let at = self.window * self.windows.actions() + action;
        self.visits[at] = self.visits[at].saturating_add(1);
        let rate = self.rate.max(1.0 / f64::from(self.visits[at]));
        self.values[at] += rate * (reward + self.discount * follows - self.values[at]);
        self.window = next.unwrap_or(self.window);
        Ok(())
    }

    fn of(&self, window: usize) -> &[f64] {
        let actions = self.windows.actions();
        &self.values[window * actions..(window + 1) * actions]
    }
}

#[cfg(test)]
mod tests {
    use tiresias_model::family::Regime;

    use super::*;

    /// Two states; action 1 moves between them, action 0 stays. Only staying in state 1 earns, 1 a time.
    #[test]
    fn finds_the_way_in_a_chain() {
        let shape = Shape { regime: Regime::Mdp, symbols: 2, actions: 2, horizon: 50, discount: 0.9 };
        let mut learner = QLearning::new(&shape, 0.1);
        let mut draws = (0..).map(|i: u32| i.wrapping_mul(2_654_435_761) >> 16);
        for _ in 0..40 {
            let mut state = 0;
            learner.begin(Some(state)).unwrap();
            for _ in 0..50 {
                let draw = draws.next().unwrap();
                let action = if draw % 10 < 3 { (draw / 10 % 2) as usize } else { learner.best() };
                let reward = f64::from(u8::from(state == 1 && action == 0));
                state = if action == 1 { 1 - state } else { state };
                // The chain has no end: an episode is cut, not over.
                learner.learn(action, reward, Some(state)).unwrap();
            }
        }
        // Staying in state 1 for good is worth 1 / (1 - 0.9) = 10, coming there 9.
        learner.begin(Some(1)).unwrap();
        assert_eq!(learner.best(), 0);
        learner.begin(Some(0)).unwrap();
        assert_eq!(learner.best(), 1);
        assert!((learner.of(1)[0] - 10.0).abs() < 1.0 && (learner.of(0)[1] - 9.0).abs() < 1.0, "{:?}", learner.values);
    }

    #[test]
    fn the_mean_of_what_was_earned_where_nothing_follows() {
        let shape = Shape { regime: Regime::Pomdp, symbols: 2, actions: 3, horizon: 1, discount: 1.0 };
        let mut learner = QLearning::new(&shape, 0.01);
        for reward in [3.0, -1.0, 4.0, 6.0] {
            learner.begin(None).unwrap();
            learner.learn(2, reward, None).unwrap();
        }
        assert_eq!(learner.of(0), [0.0, 0.0, 3.0]);
        assert_eq!(learner.best(), 2);
    }
}
