//! A fast planner for small estimated models: backward induction over sparse rows.

/// An action, or `None` where nothing is known: any, each as likely.
pub(crate) type Choice = Option<u8>;

/// An estimated model. Row `state * A + action` has a reward, successors with probabilities, and what those lack of 1: the probability
/// of the unknown, whose value whoever plans decides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Estimate {
    actions: usize,
    reward: Vec<f64>,
    unknown: Vec<f64>,
    /// Where each row's successors end.
    end: Vec<u32>,
    next: Vec<u32>,
    probability: Vec<f64>,
}

impl Estimate {
    /// Forgets all rows and keeps their room.
    pub fn clear(&mut self, actions: usize) {
        self.actions = actions;
        self.reward.clear();
        self.unknown.clear();
        self.end.clear();
        self.next.clear();
        self.probability.clear();
    }

    /// Adds the next row.
    pub fn push(&mut self, reward: f64, unknown: f64, moves: impl IntoIterator<Item = (u32, f64)>) {
        for (next, probability) in moves {
            self.next.push(next);
            self.probability.push(probability);
        }
        self.reward.push(reward);
        self.unknown.push(unknown);
        self.end.push(self.next.len() as u32);
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.reward.len() / self.actions
    }
}

/// Room for plans, kept from one to the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Planner {
    ahead: Vec<f64>,
    values: Vec<f64>,
    q: Vec<f64>,
    choices: Vec<Choice>,
}

impl Planner {
    /// `Q(s,a) = r(s,a) + γ (Σ_s' p(s'|s,a) V(s') + p(unknown|s,a) u)`, from the last decision back to the one with `levels` to go.
    ///
    /// `unknown` is told how many decisions come after and the values of the states then, and says `u`; before the last decision it is
    /// not asked. `choose` is told the decisions to go, the state and its action values, which it may change, and says the choice and
    /// the value of the state. Returns the choices, the earliest stage first.
    ///
    /// levels · (entries + 2·S·A) multiply-adds and levels · S choices; no allocation once there is room.
    pub fn plan(
        &mut self,
        estimate: &Estimate,
        levels: usize,
        discount: f64,
        mut unknown: impl FnMut(usize, &[f64]) -> f64,
        mut choose: impl FnMut(usize, usize, &mut [f64]) -> (Choice, f64),
    ) -> &[Choice] {
        let (states, actions) = (estimate.states(), estimate.actions);
        self.ahead.clear();
        self.ahead.resize(states, 0.0);
        self.values.resize(states, 0.0);
        self.q.resize(actions, 0.0);
        self.choices.clear();
        self.choices.resize(levels * states, None);
        for level in 1..=levels {
            let elsewhere = if level == 1 { 0.0 } else { unknown(level - 1, &self.ahead) };
            let choices = &mut self.choices[(levels - level) * states..][..states];
            let (mut row, mut start) = (0, 0);
            for state in 0..states {
                for q in &mut self.q {
                    let end = estimate.end[row] as usize;
                    let successors = estimate.next[start..end].iter().zip(&estimate.probability[start..end]);
                    let known = successors.fold(0.0, |sum, (&next, p)| sum + p * self.ahead[next as usize]);
                    *q = estimate.reward[row] + discount * (known + estimate.unknown[row] * elsewhere);
                    (row, start) = (row + 1, end);
                }
                (choices[state], self.values[state]) = choose(level, state, &mut self.q);
            }
            std::mem::swap(&mut self.ahead, &mut self.values);
        }
        &self.choices
    }
}

/// The best action, the first of several.
pub(crate) fn first_best(q: &[f64]) -> usize {
    (1..q.len()).fold(0, |best, action| if q[action] > q[best] { action } else { best })
}

/// The best action; of several, the one for which `prefer` is greatest, and of those the first.
pub(crate) fn best_by(q: &[f64], prefer: impl Fn(usize) -> f64) -> usize {
    (1..q.len()).fold(0, |best, action| {
        let better = q[action] > q[best] || (q[action] == q[best] && prefer(action) > prefer(best));
        if better { action } else { best }
    })
}

/// `1 + γ + … + γ^(levels - 1)`: what a reward of 1 a decision comes to.
pub(crate) fn annuity(discount: f64, levels: usize) -> f64 {
    (0..levels).fold(0.0, |sum, _| 1.0 + discount * sum)
}
