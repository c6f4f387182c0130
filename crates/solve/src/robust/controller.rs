//! What is handed out: a controller that draws its successors, and what it earns whatever nature does.

use serde::{Deserialize, Serialize};
use tiresias_model::{Model, Space};

use super::nature::{Side, seen};

/// A finite-state controller whose next node is drawn: against nature, that is worth more than a choice for certain. Begins in node 0 of
/// the first stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StochasticController {
    /// By stage, or one for all; successors are nodes of the next stage.
    pub stages: Vec<Vec<Drawn>>,
}

/// A node of a [`StochasticController`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    /// What it does.
    pub action: u32,
    /// By observation: nodes that may follow, and their probabilities; empty after the last decision.
    pub next: Vec<Vec<(u32, f64)>>,
    /// By state: what it earns from there at least, whatever nature answers.
    pub worth: Vec<f64>,
}

impl StochasticController {
    /// What it earns from the start at least.
    pub fn lower(&self, model: &Model) -> f64 {
        self.stages[0][0].worth.iter().zip(model.start()).map(|(v, p)| v * p).sum()
    }

    /// Why it is not what it says, in words: a node is believed when a decision, nature's worst answer and the worth of what follows give as
    /// much, which by induction proves it.
    pub(super) fn problem(&self, model: &Model) -> Option<String> {
        let (states, observations) = (model.states().len(), model.observations().map_or(0, Space::len));
        let staged = model.horizon().is_some();
        if self.stages.len() != model.horizon().unwrap_or(1) || self.stages.iter().any(Vec::is_empty) {
            return Some(format!("a controller of {} stages does not fit", self.stages.len()));
        }
        let zero = vec![0.0; states];
        let last = if model.final_reward().is_empty() { &zero[..] } else { model.final_reward() };
        let seen = seen(model);
        let mut side = Side::new(model, &seen);
        let even = vec![vec![(0, 1.0)]; observations];
        for (stage, nodes) in self.stages.iter().enumerate() {
            let after = if staged { stage + 1 } else { 0 };
            for (number, node) in nodes.iter().enumerate() {
                let ends = after == self.stages.len();
                let count = self.stages.get(after).map_or(0, Vec::len);
                let fits = |next: &Vec<(u32, f64)>| {
                    let sum: f64 = next.iter().map(|(_, p)| p).sum();
                    (sum - 1.0).abs() < 1e-9 && next.iter().all(|&(to, p)| (to as usize) < count && p >= 0.0)
                };
                let whole = node.worth.len() == states && node.worth.iter().all(|v| v.is_finite());
                let next = if ends { true } else { node.next.len() == observations && node.next.iter().all(fits) };
                if !whole || !next || node.action as usize >= model.actions().len() {
                    return Some(format!("node {number} of stage {stage} does not fit the model"));
                }
                let (choice, ahead) = if ends { (&even, None) } else { (&node.next, Some(&self.stages[after])) };
                let vector = |k: u32| ahead.map_or(last, |nodes| &nodes[k as usize].worth);
                let ahead = side.ahead(node.action as usize, choice, vector);
                let earned = side.backed_up(node.action as usize, &ahead.worth);
                let room = |v: f64| 1e-9 * (model.reward_spread() + v.abs());
                if let Some(state) = (0..states).find(|&s| node.worth[s] > earned[s] + room(earned[s])) {
                    return Some(format!(
                        "node {number} of stage {stage} says that it earns {} from state {}, and earns {}",
                        node.worth[state],
                        model.states().name(state),
                        earned[state]
                    ));
                }
            }
        }
        None
    }
}
