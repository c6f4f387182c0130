//! What a memoryless method conditions on: the state where it is seen, else the last observation with the last action.

use crate::{AgentError, Shape, Trajectories};

/// Numbers the windows of a study. An MDP's windows are its states; elsewhere window 0 is the first decision, before anything is seen,
/// and window `1 + o * A + a` is observation `o` after action `a`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    observed: bool,
    symbols: usize,
    actions: usize,
}

impl Windows {
    pub fn of(shape: &Shape) -> Self {
        Self { observed: shape.observed(), symbols: shape.symbols, actions: shape.actions }
    }

    /// Number of windows.
    pub fn count(self) -> usize {
        if self.observed { self.symbols } else { 1 + self.symbols * self.actions }
    }

    /// Number of actions.
    pub fn actions(self) -> usize {
        self.actions
    }

    /// The window in which `seen` is seen after the action `last`.
    pub fn index(self, seen: Option<usize>, last: Option<usize>) -> Result<usize, AgentError> {
        let found = match (seen, last) {
            (Some(symbol), _) if symbol >= self.symbols => Err(format!("symbol {symbol} was seen")),
            (Some(state), _) if self.observed => Ok(state),
            (None, _) if self.observed => Err("no state was seen".into()),
            (Some(observation), Some(action)) => Ok(1 + observation * self.actions + action),
            _ => Ok(0),
        };
        let kind = if self.observed { "states" } else { "observations" };
        found.map_err(|problem: String| {
            AgentError::Method(format!(
                "{problem} where the study has {} {kind}; hand over its own symbols",
                self.symbols
            ))
        })
    }

    /// The observation and the action of a window, `None` for the first decision; an MDP's windows have no action.
    pub fn parts(self, window: usize) -> Option<(usize, Option<usize>)> {
        match window {
            state if self.observed => Some((state, None)),
            0 => None,
            _ => Some(((window - 1) / self.actions, Some((window - 1) % self.actions))),
        }
    }

    /// Calls `visit` with each decision of `support`, as windows.
    pub fn visit(self, support: Trajectories<'_>, mut visit: impl FnMut(Decision)) -> Result<(), AgentError> {
        for i in 0..support.count() {
            let mut last = None;
            for step in support.steps(i) {
                if step.action >= self.actions {
                    let (action, most) = (step.action, self.actions);
                    let problem = format!(
                        "the support has action {action} where the study has {most} actions; hand over its own"
                    );
                    return Err(AgentError::Method(problem));
                }
                let window = self.index(step.seen, last)?;
                last = Some(step.action);
                let next = step.next.map(|_| self.index(step.next, last)).transpose()?;
                visit(Decision { window, action: step.action, reward: step.reward, next });
            }
        }
        Ok(())
    }
}

/// A recorded decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Decision {
    /// The window in which it was taken.
    pub window: usize,
    /// The action.
    pub action: usize,
    /// What it earned.
    pub reward: f64,
    /// The window after it; `None` after a trajectory's last.
    pub next: Option<usize>,
}

#[cfg(test)]
mod tests {
    use tiresias_model::family::Regime;

    use super::*;

    fn windows(regime: Regime) -> Windows {
        Windows::of(&Shape { regime, symbols: 4, actions: 3, horizon: 2, discount: 1.0 })
    }

    #[test]
    fn each_window_has_a_number_of_its_own() {
        let hidden = windows(Regime::Pomdp);
        assert_eq!(hidden.index(None, None).unwrap(), 0);
        let mut met = vec![false; hidden.count()];
        met[0] = true;
        for (o, a) in (0..4).flat_map(|o| (0..3).map(move |a| (o, a))) {
            let window = hidden.index(Some(o), Some(a)).unwrap();
            assert!(!std::mem::replace(&mut met[window], true), "window {window} is two");
            assert_eq!(hidden.parts(window), Some((o, Some(a))));
        }
        assert!(met.iter().all(|&met| met));
        let seen = windows(Regime::Mdp);
        assert_eq!((seen.count(), seen.index(Some(3), Some(1)).unwrap()), (4, 3));
        assert_eq!(seen.parts(3), Some((3, None)));
    }

    #[test]
    fn what_is_not_of_the_study_is_refused() {
        for (regime, seen, words) in [
            (Regime::Mdp, None, "no state was seen where the study has 4 states"),
            (Regime::Mdp, Some(4), "symbol 4 was seen where the study has 4 states"),
            (Regime::Apomdp, Some(9), "symbol 9 was seen where the study has 4 observations"),
        ] {
            let message = windows(regime).index(seen, Some(0)).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
        let support = Trajectories { horizon: 1, observations: &[0], actions: &[3], rewards: &[0.0] };
        let message = windows(Regime::Mdp).visit(support, |_| ()).unwrap_err().to_string();
        assert!(message.contains("action 3 where the study has 3 actions"), "{message}");
    }
}
