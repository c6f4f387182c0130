//! Where the target goes in the fitted model, what the data lack there, and what every episode adds to the fitted value.
//!
//! With `d_t` the target's distribution over cells at stage t in the fitted model, the fitted value moves by
//! `Σ_t γ^t d_t(c) / n(c) · (r + γ V' - Q(c))` when an episode with a step in cell c is counted once more. These are zero on average,
//! so that the value is the mean of start value plus n times that, and a bootstrap of this mean is one of the fit to first order
//! (the infinitesimal jackknife; C. Jaeckel 1972, and Y. Duan, Z. Jia, M. Wang, "Minimax-optimal off-policy evaluation", ICML 2020).

use crate::Fit;
use crate::fqe::{Evidence, Fitted, Next, Shape};
use crate::log::{Log, Probability};

/// Everything that the target's way through the fitted model says.
pub(crate) struct Influence<'s> {
    shape: &'s Shape,
    start: Vec<f64>,
    /// `n Σ γ^t d_t(c) / n(c)`, by cell: what an unexpected reward counts for.
    reward: Vec<f64>,
    mean_reward: Vec<f64>,
    /// `n Σ γ^{t+1} d_t(c) Q_{t+1}(o', a') / n(c)`, by slot and action.
    next: Vec<f64>,
    /// The mean of that over the steps of the cell.
    mean_next: Vec<f64>,
    /// Cells that the target reaches and the data do not show.
    pub missing: Vec<bool>,
    /// The least over stages of `1 / Σ d_t(c)² / n(c)`, in episodes.
    pub effective: f64,
}

impl<'s> Influence<'s> {
    /// O(horizon · slots · actions); for a stationary fit O(slots · actions / (1 - γ)).
    pub fn new(shape: &'s Shape, evidence: &Evidence, fitted: &Fitted, discount: f64, negligible: f64) -> Self {
        let n = evidence.episodes;
        let stationary = shape.fit == Fit::Stationary;
        let stages = if stationary { (libm::log(1e-17) / libm::log(discount)).ceil() as usize } else { shape.horizon };
        // The mean of what is discounted, where there is no stage to look at alone.
        let mut visits = vec![0.0; shape.cells()];
        let mut next = vec![0.0; evidence.next.len()];
        let mut occupied: Vec<f64> = evidence.start.iter().map(|sum| sum / n).collect();
        let mut following = vec![0.0; shape.width];
        let mut missing = vec![false; shape.cells()];
        let mut effective = n;
        let mut weight = 1.0;
        for stage in 0..stages {
            let last = stage + 1 == stages;
            let base = shape.base(stage);
            following.fill(0.0);
            if !stationary {
                let counts = &evidence.steps[base..base + shape.width];
                effective = effective.min(effective_size(&occupied, counts, n, shape.fit));
            }
            for (pair, &mass) in occupied.iter().enumerate() {
                if mass == 0.0 {
                    continue;
                }
                let cell = base + pair;
                visits[cell] += weight * mass;
                let seen = evidence.steps[cell] > 0.0 && (last || evidence.followed[cell] > 0.0);
                missing[cell] |= !seen && mass > negligible;
                if last || evidence.followed[cell] == 0.0 {
                    continue;
                }
                let later = fitted.stage(stage + 1);
                for slot in shape.starts[cell]..shape.starts[cell + 1] {
                    let to = shape.next[slot] as usize * shape.actions;
                    for action in 0..shape.actions {
                        let entry = slot * shape.actions + action;
                        following[to + action] += mass * evidence.next[entry] / evidence.followed[cell];
                        next[entry] += n * weight * discount * mass / evidence.followed[cell] * later[to + action];
                    }
                }
            }
            std::mem::swap(&mut occupied, &mut following);
            weight *= discount;
        }
        if stationary {
            let mean: Vec<f64> = visits.iter().map(|sum| (1.0 - discount) * sum).collect();
            effective = effective.min(effective_size(&mean, &evidence.steps, n, shape.fit));
        }
        let reward =
            visits.iter().zip(&evidence.steps).map(|(d, &steps)| if steps > 0.0 { n * d / steps } else { 0.0 });
        let mean_next = (0..shape.cells()).map(|cell| {
            let entries = shape.starts[cell] * shape.actions..shape.starts[cell + 1] * shape.actions;
            let sum: f64 = entries.map(|entry| evidence.next[entry] * next[entry]).sum();
            if evidence.followed[cell] > 0.0 { sum / evidence.followed[cell] } else { 0.0 }
        });
        Self {
            shape,
            start: fitted.stage(0).to_vec(),
            reward: reward.collect(),
            mean_reward: (0..shape.cells()).map(|cell| evidence.mean_reward(cell)).collect(),
            mean_next: mean_next.collect(),
            next,
            missing,
            effective,
        }
    }

    /// What an episode adds: its start value plus n times its influence.
    pub fn of<P: Probability>(&self, log: &Log<P>, episode: usize) -> f64 {
        let shape = self.shape;
        let steps = log.trajectories.range(episode);
        let mut sum = dot(log.row(steps.start), &self.start[log.symbol(steps.start) * shape.actions..]);
        for (stage, step) in steps.enumerate() {
            let cell = shape.cell(stage, log.symbol(step), log.action(step));
            sum += self.reward[cell] * (log.columns.rewards[step] - self.mean_reward[cell]);
            match shape.after(log, episode, step) {
                Next::Unknown => {}
                Next::End => sum -= self.mean_next[cell],
                Next::Step(next) => {
                    let slot = shape.slot(cell, log.symbol(next)) * shape.actions;
                    sum += dot(log.row(next), &self.next[slot..]) - self.mean_next[cell];
                }
            }
        }
        sum
    }
}

/// `Σ p_a x_a` over the actions of a row.
pub(crate) fn dot<P: Probability>(row: &[P], values: &[f64]) -> f64 {
    row.iter().zip(values).map(|(&p, value)| p.into() * value).sum()
}

/// `1 / Σ d(c)² / n(c)`, where the mass that has ended counts as one more cell: n itself where the target goes as the data went. At most
/// n, as steps of one episode at several stages are not independent.
fn effective_size(mass: &[f64], counts: &[f64], n: f64, fit: Fit) -> f64 {
    let squares: f64 = mass.iter().zip(counts).filter(|&(_, &count)| count > 0.0).map(|(d, count)| d * d / count).sum();
    let gone = (1.0 - mass.iter().sum::<f64>()).max(0.0);
    let ended = if fit == Fit::Staged { n - counts.iter().sum::<f64>() } else { n };
    let gone = if ended > 0.0 { gone * gone / ended } else { 0.0 };
    (1.0 / (squares + gone)).min(n)
}
