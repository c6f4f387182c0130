//! The seam between solvers and everything that acts.

/// Which model of the cloud nature answers with at a (stage, belief, action): both ends of the α-MEU criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nature {
    /// The model with the smallest continuation value.
    pub minimiser: usize,
    /// The model with the largest continuation value.
    pub maximiser: usize,
}

/// How a table over observed states depends on the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tabular {
    /// The same actions at every stage.
    Stationary,
    /// Actions of its own for each stage.
    Staged,
}

/// A policy maps (stage, belief) to an action. Stages count from 0; a stationary policy ignores them.
pub trait Policy: Send + Sync {
    /// The action at `stage` for `belief` (length S, sums to 1). Ties go to the lowest index.
    fn action(&self, stage: usize, belief: &[f64]) -> usize;

    /// The action when the state is known. Tables answer without a belief.
    fn action_in_state(&self, stage: usize, state: usize, states: usize) -> usize {
        let mut belief = vec![0.0; states];
        belief[state] = 1.0;
        self.action(stage, &belief)
    }

    /// The action for a belief given by its positive entries, states ascending, over `states` states. Policies that read a belief
    /// entry by entry answer without writing the zeros.
    fn action_on(&self, stage: usize, belief: &[(u32, f64)], states: usize) -> usize {
        self.action(stage, &dense(belief, states))
    }

    /// Nature's answer to `action` at a belief as in [`action_on`](Self::action_on).
    fn nature_on(&self, stage: usize, belief: &[(u32, f64)], states: usize, action: usize) -> Nature {
        self.nature(stage, &dense(belief, states), action)
    }

    /// [`action_on`](Self::action_on) and nature's answer to that action: what a simulator of a cloud asks at each belief that it
    /// meets. Policies for which both are one computation make it once.
    fn decision_on(&self, stage: usize, belief: &[(u32, f64)], states: usize) -> (usize, Nature) {
        let action = self.action_on(stage, belief, states);
        (action, self.nature_on(stage, belief, states, action))
    }

    /// Whether [`action_in_state`](Self::action_in_state) is a table that may be asked for every state: batched simulation then
    /// reads it once instead of asking at each step.
    fn tabular(&self) -> Option<Tabular> {
        None
    }

    /// Nature's answer to `action`; model 0 at both ends when there is only one.
    fn nature(&self, _stage: usize, _belief: &[f64], _action: usize) -> Nature {
        Nature { minimiser: 0, maximiser: 0 }
    }
}

/// A belief with its zeros.
fn dense(belief: &[(u32, f64)], states: usize) -> Vec<f64> {
    let mut dense = vec![0.0; states];
    belief.iter().for_each(|&(state, mass)| dense[state as usize] = mass);
    dense
}
