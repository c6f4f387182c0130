//! One stage of dynamic programming on sets of vectors: project, cross-sum, unite, pruning at every step.

use rayon::prelude::*;
use tiresias_model::Model;

use super::budget::Budget;
use super::prune::{Pruned, Pruner};
use super::supports::Supports;
use super::vectors::Vectors;

/// Loss that one pruning may cause, relative to the largest value of the stage.
const TOLERANCE: f64 = 1e-13;

/// What does not change from stage to stage.
pub(crate) struct Backup<'a> {
    pub model: &'a Model,
    pub branches: &'a [(usize, usize)],
    pub supports: &'a Supports,
    pub budget: &'a Budget,
}

/// A stage: one set a support, and the most that its values are wrong by, given exact values of the next stage.
pub(crate) struct Stage {
    pub sets: Vec<Vectors>,
    pub error: f64,
}

impl Backup<'_> {
    /// The stage before one with the sets `next`, by support; its sets are counted as held. `None` when the budget is spent.
    pub fn stage(&self, next: &[Vectors]) -> Option<Stage> {
        let rewards = || (0..self.model.dynamics().len()).flat_map(|m| self.model.expected_reward(m)).copied();
        let scale =
            next.iter().map(Vectors::scale).fold(0.0, f64::max) + rewards().fold(0.0_f64, |m, r| m.max(r.abs()));
        let pruner = Pruner { budget: self.budget, tolerance: TOLERANCE * scale.max(f64::MIN_POSITIVE) };
        let parts: Vec<Pruned> = (0..self.supports.states.len())
            .into_par_iter()
            .map(|f| {
                let branches: Vec<Pruned> =
                    (0..self.branches.len()).into_par_iter().map(|b| self.branch(&pruner, f, b, next)).collect();
                let mut all = Vectors::new(self.supports.states[f].len());
                let mut loss = 0.0_f64;
                for part in branches {
                    all.append(part.vectors);
                    loss = loss.max(part.loss);
                }
                let united = pruner.prune(&all);
                self.budget.free(all.bytes());
                self.budget.hold(united.vectors.bytes());
                Pruned { vectors: united.vectors, loss: loss + united.loss }
            })
            .collect();
        if self.budget.spent() {
            return None;
        }
        let loss = parts.iter().map(|p| p.loss).fold(0.0, f64::max);
        // Sums of products over successors and observations, of numbers no larger than `scale`.
        let terms = self.model.states().len() + self.supports.after.first().map_or(0, Vec::len) + 4;
        let rounding = 2.0 * terms as f64 * f64::EPSILON * scale;
        Some(Stage { sets: parts.into_iter().map(|p| p.vectors).collect(), error: loss + rounding })
    }

    /// The vectors of one action (and model): for every observation one of the next stage's, plus the reward. Small sets first.
    fn branch(&self, pruner: &Pruner, support: usize, branch: usize, next: &[Vectors]) -> Pruned {
        let (action, m) = self.branches[branch];
        let states = &self.supports.states[support];
        let mut projected: Vec<Pruned> = (0..self.supports.after[branch].len())
            .into_par_iter()
            .filter_map(|o| self.project(support, branch, o, next).map(|set| pruner.prune(&set)))
            .collect();
        let projections = projected.iter().map(|p| p.vectors.bytes()).sum();
        self.budget.hold(projections);
        projected.sort_by_key(|p| p.vectors.len());
        // One pruning a set and one a cross-sum, each of which may lose what it says.
        let mut loss: f64 = projected.iter().map(|p| p.loss).sum();
        let centre = vec![1.0 / states.len() as f64; states.len()];
        let mut sum = Vectors::new(states.len());
        let rewards = &self.model.expected_reward(m)[action * self.model.states().len()..];
        sum.push(states.iter().map(|&s| rewards[s as usize]), action as u32, &centre);
        self.budget.hold(sum.bytes());
        for set in projected {
            let crossed = pruner.cross(&sum, &set.vectors);
            self.budget.free(sum.bytes());
            (sum, loss) = (crossed.vectors, loss + crossed.loss);
            if self.budget.spent() {
                break;
            }
        }
        self.budget.free(projections);
        Pruned { vectors: sum, loss }
    }

    /// `γ Σ_s' P[a][s][s'] Q[a][s'][o] α(s')` over the support's states `s`, for every `α` of the support that `o` leaves;
    /// `None` when `o` cannot come from here, or the budget is spent.
    fn project(&self, support: usize, branch: usize, o: usize, next: &[Vectors]) -> Option<Vectors> {
        let (action, m) = self.branches[branch];
        let after = self.supports.after[branch][o].filter(|_| !self.budget.spent())?;
        let (s, states, there) =
            (self.model.states().len(), &self.supports.states[support], &self.supports.states[after]);
        let dynamics = &self.model.dynamics()[m];
        let kernel = dynamics.observation.as_ref().expect("checked: the model has observations");
        let seen: Vec<f64> = there.iter().map(|&to| kernel.get(action * s + to as usize, o)).collect();
        // Sparse rows: (column in the support after, weight).
        let rows: Vec<Vec<(usize, f64)>> = states
            .iter()
            .map(|&from| {
                let pairs = dynamics.transition.pairs(action * s + from as usize);
                pairs
                    .filter_map(|(to, p)| {
                        let column = there.binary_search(&(to as u32)).ok()?;
                        let weight = self.model.discount() * p * seen[column];
                        (weight > 0.0).then_some((column, weight))
                    })
                    .collect()
            })
            .collect();
        if rows.iter().all(Vec::is_empty) {
            return None;
        }
        let centre = vec![1.0 / states.len() as f64; states.len()];
        let mut out = Vectors::new(states.len());
        for i in 0..next[after].len() {
            let vector = next[after].row(i);
            out.push(
                rows.iter().map(|row| row.iter().map(|&(column, weight)| weight * vector[column]).sum()),
                action as u32,
                &centre,
            );
        }
        Some(out)
    }
}
