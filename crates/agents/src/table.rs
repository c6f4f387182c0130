//! Action probabilities of every stage and state: what a method's policy is when it does not learn while it acts.

/// Probabilities, stage-major, then by state, then by action; each row sums to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionTable {
    states: usize,
    actions: usize,
    probabilities: Vec<f64>,
}

impl ActionTable {
    /// The table whose row (stage, state) `fill` writes over zeros.
    pub fn new(horizon: usize, states: usize, actions: usize, mut fill: impl FnMut(usize, usize, &mut [f64])) -> Self {
        let mut probabilities = vec![0.0; horizon * states * actions];
        for (i, row) in probabilities.chunks_exact_mut(actions).enumerate() {
            fill(i / states, i % states, row);
        }
        Self { states, actions, probabilities }
    }

    /// One action for every stage and state: row-major, stage first.
    pub fn deterministic(states: usize, actions: usize, choices: &[usize]) -> Self {
        let horizon = choices.len() / states;
        Self::new(horizon, states, actions, |stage, state, row| row[choices[stage * states + state]] = 1.0)
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.states
    }

    /// Number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// Number of stages.
    pub fn horizon(&self) -> usize {
        self.probabilities.len() / (self.states * self.actions)
    }

    /// All probabilities, index `(stage * S + state) * A + action`.
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// Action probabilities of a stage and state.
    pub fn row(&self, stage: usize, state: usize) -> &[f64] {
        let start = (stage * self.states + state) * self.actions;
        &self.probabilities[start..start + self.actions]
    }

    /// The action at which the cumulative probability passes `u` in [0, 1).
    pub fn sample(&self, stage: usize, state: usize, u: f64) -> usize {
        let row = self.row(stage, state);
        let mut cumulative = 0.0;
        for (action, &p) in row.iter().enumerate() {
            cumulative += p;
            if u < cumulative {
                return action;
            }
        }
        // Rounding may leave a sliver at the end.
        row.iter().rposition(|&p| p > 0.0).unwrap_or(0)
    }
}
