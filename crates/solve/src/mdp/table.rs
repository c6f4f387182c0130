//! Policies for observed states: value vectors, from which the values of actions are one backup away.

use serde::{Deserialize, Serialize};
use tiresias_model::{Kernel, Model, Nature};

use super::backup::{Backups, backed_up};
use super::nature::Room;
use crate::Assessment;
use crate::assessment::first_best;

/// Value vectors and what each stage (or the one stationary stage) makes of them, with proven error bands.
///
/// The action values are not stored: S numbers a stage instead of S·A, and O(row) work for a value when it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// One stage for all times.
    pub stationary: bool,
    /// `[level][state]`: level 0 is given, and level k + 1 is the Bellman operator's image of level k, less a constant.
    pub values: Vec<f64>,
    /// By stage.
    pub stages: Vec<Stage>,
}

/// Where a stage finds its values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stage {
    /// `V(s) = values[level][s] + value_shift`, and `Q(s,a) = r(s,a) + γ Σ P values[level - 1] + action_shift`.
    pub level: usize,
    pub value_shift: f64,
    pub action_shift: f64,
    /// Half-width of the band around every value of the stage: 0 when it is exact.
    pub band: f64,
}

impl Table {
    /// What is known before any sweep: the middle of the range of what any policy can collect.
    pub fn unswept(model: &Model) -> Self {
        let (least, greatest) = model.reward_range();
        let last = |pick: fn(f64, f64) -> f64| model.final_reward().iter().copied().reduce(pick).unwrap_or(0.0);
        let discount = model.discount();
        // Values of zero: the backup of those has the middle of the next stage's range still to come.
        let stage = |ahead: (f64, f64), (low, high): (f64, f64)| Stage {
            level: 1,
            value_shift: f64::midpoint(low, high),
            action_shift: discount * f64::midpoint(ahead.0, ahead.1),
            band: (high - low) / 2.0,
        };
        let stages = match model.horizon() {
            None => {
                let range = (least / (1.0 - discount), greatest / (1.0 - discount));
                vec![stage(range, range)]
            }
            Some(horizon) => {
                let mut stages = Vec::with_capacity(horizon);
                let mut ahead = (last(f64::min), last(f64::max));
                for _ in 0..horizon {
                    let now = (least + discount * ahead.0, greatest + discount * ahead.1);
                    stages.push(stage(ahead, now));
                    ahead = now;
                }
                stages.reverse();
                stages
            }
        };
        Self { stationary: model.horizon().is_none(), values: vec![0.0; 2 * model.states().len()], stages }
    }

    /// What keeps the arrays from fitting `model`, in words.
    pub fn shape_problem(&self, model: &Model) -> Option<String> {
        let (stages, s) = (if self.stationary { 1 } else { model.horizon().unwrap_or(0) }, model.states().len());
        let levels = self.values.len() / s;
        let fits = self.stationary == model.horizon().is_none()
            && model.observations().is_none()
            && self.values.len().is_multiple_of(s)
            && self.stages.len() == stages
            && self.stages.iter().all(|stage| (1..levels).contains(&stage.level));
        (!fits).then(|| {
            format!("a table of {} values and {} stages does not fit the model", self.values.len(), self.stages.len())
        })
    }

    fn stage(&self, stage: usize) -> Stage {
        self.stages[if self.stationary { 0 } else { stage }]
    }

    /// Half-width of the band around the values of a stage.
    pub fn band(&self, stage: usize) -> f64 {
        self.stage(stage).band
    }

    fn level(&self, model: &Model, level: usize) -> &[f64] {
        let s = model.states().len();
        &self.values[level * s..][..s]
    }

    /// The action values of one state at one stage, and what nature answers to each.
    fn backups<'a>(&'a self, model: &'a Model, stage: usize, state: usize) -> impl Iterator<Item = (f64, Nature)> + 'a {
        let Stage { level, action_shift, .. } = self.stage(stage);
        let (backups, mut room) = (Backups::new(model, self.level(model, level - 1)), Room::default());
        (0..model.actions().len()).map(move |action| {
            let (q, nature) = backups.q(state, action, &mut room);
            (q + action_shift, nature)
        })
    }

    /// Nature's answers at a stage to every action (or one) in every state (or one), as rows in the order of a transition kernel.
    pub fn answers(&self, model: &Model, stage: usize, rows: impl Iterator<Item = (usize, usize)>) -> Kernel {
        let next = self.level(model, self.stage(stage).level - 1);
        let (backups, mut room) = (Backups::new(model, next), Room::default());
        let mut kernel = Kernel::new(next.len());
        rows.for_each(|(action, state)| kernel.push_row(backups.answer(state, action, &mut room)));
        kernel
    }

    /// The action values of one state at one stage.
    pub fn row(&self, model: &Model, stage: usize, state: usize) -> Vec<f64> {
        self.backups(model, stage, state).map(|(q, _)| q).collect()
    }

    /// The best action in a state and its regret bound, as [`assess`](Self::assess) gives them at that vertex.
    pub fn label(&self, model: &Model, stage: usize, state: usize) -> (usize, f64) {
        let q = self.row(model, stage, state);
        let action = first_best(model, &q);
        let rivals = q.iter().enumerate().filter(|&(a, _)| a != action).map(|(_, &q)| q);
        let rival = rivals.fold(f64::NEG_INFINITY, f64::max);
        let band = self.band(stage);
        (action, ((rival + band) - (q[action] - band)).max(0.0))
    }

    /// The value of a state at `stage`.
    pub fn state_value(&self, model: &Model, stage: usize, state: usize) -> f64 {
        let Stage { level, value_shift, .. } = self.stage(stage);
        self.level(model, level)[state] + value_shift
    }

    /// The expected value at `stage` when the state is drawn from `belief` and then seen.
    pub fn expected_value(&self, model: &Model, stage: usize, belief: &[f64]) -> f64 {
        let Stage { level, value_shift, .. } = self.stage(stage);
        let values = self.level(model, level);
        let support = belief.iter().zip(values).filter(|(p, _)| **p > 0.0);
        support.map(|(p, value)| p * (value + value_shift)).sum()
    }

    /// What `action` gives under each model.
    pub fn model_values(&self, model: &Model, stage: usize, belief: &[f64], action: usize) -> Vec<f64> {
        let Stage { level, action_shift, .. } = self.stage(stage);
        let next = self.level(model, level - 1);
        let support = || belief.iter().enumerate().filter(|(_, p)| **p > 0.0);
        let value = |m| support().map(|(s, p)| p * (backed_up(model, m, s, action, next) + action_shift)).sum();
        (0..model.dynamics().len()).map(value).collect()
    }

    /// What each action is worth to who has to act before the state is seen.
    pub fn assess(&self, model: &Model, stage: usize, belief: &[f64]) -> Assessment {
        let actions = model.actions().len();
        let (mut q, mut nature) = (vec![0.0; actions], vec![Nature { minimiser: 0, maximiser: 0 }; actions]);
        // Nature answers in the state that is seen; a belief that is not a vertex is answered at its likeliest state.
        let likeliest = (0..belief.len()).fold(0, |best, s| if belief[s] > belief[best] { s } else { best });
        for (state, &p) in belief.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            for (action, (value, answer)) in self.backups(model, stage, state).enumerate() {
                q[action] += p * value;
                if state == likeliest {
                    nature[action] = answer;
                }
            }
        }
        let band = self.band(stage);
        let shifted = |by: f64| q.iter().map(|q| q + by).collect();
        Assessment::greedy(model, shifted(-band), q.clone(), shifted(band), nature)
    }
}

/// `Σ_s start(s) V(s)`.
pub(crate) fn start_mean(model: &Model, value: &[f64]) -> f64 {
    model.start().iter().zip(value).map(|(p, v)| p * v).sum()
}
