//! Leaps to fixed points, where the discount is close to 1 and backups walk.
//!
//! A backup takes a (1 - γ)-th off what either bound lacks. What a trial finds out is new beliefs and which plan is best where; what that is worth in the
//! long run is found by solving equations: above those of an MDP ([`grid`](super::grid)), below those of its policy and of the controllers that
//! come of the vectors ([`controller`](super::controller)).

use super::graph::Graph;
use crate::limits::Late;

/// Below this discount, backups come as far by themselves as the next trials go.
const DISCOUNT: f64 = 0.99;
/// Backups before the first leap, beside one for each state; also the least beliefs of a grid.
const FIRST: u64 = 32;
/// A grid has at most so many beliefs for each backup.
const EACH: u64 = 2;
/// Between two leaps the trials have so much work for one of the last leap: where leaps close more of the gap for their work, and where
/// trials do.
const LESS: u64 = 1;
const MORE: u64 = 9;

/// When the bounds leap.
#[derive(Default)]
pub(super) struct Leaps {
    /// What the last one cost and took off the gap; the gap and all work after it.
    cost: u64,
    gain: f64,
    gap: f64,
    work: u64,
    /// What it held, in bytes.
    pub bytes: usize,
    /// The size that its grid was allowed to grow to.
    most: u64,
    /// The beliefs of its grid beside those certain of a state.
    pub grid: Vec<u32>,
}

impl Leaps {
    /// Whether it is time, by the gap and the work so far.
    fn is_due(&self, gap: f64, work: u64) -> bool {
        work - self.work >= if self.pays(gap, work) { LESS } else { MORE } * self.cost
    }

    /// Whether the last one closed more of the gap for its work than trials have since.
    fn pays(&self, gap: f64, work: u64) -> bool {
        // Of gain over work, multiplied out.
        self.gain * (work - self.work) as f64 >= (self.gap - gap) * self.cost as f64
    }
}

impl Graph<'_> {
    /// Leaps, if it is time.
    pub fn leap(&mut self, root: u32) {
        let few = self.backups < FIRST + self.model.states().len() as u64;
        if !self.bounds.stationary || self.model.discount() < DISCOUNT || few {
            return;
        }
        let gap = |graph: &Self| graph.nodes[root as usize].upper - graph.nodes[root as usize].lower;
        let (before, work) = (gap(self), self.read + self.watch.work());
        if !self.leaps.is_due(before, work) {
            return;
        }
        // A grid twice as large costs four times as much.
        let grown = if self.leaps.pays(before, work) { 2 * self.leaps.most } else { self.leaps.most * 3 / 2 };
        let most = grown.min(self.backups / EACH).max(FIRST);
        // Late, what was proven so far stays.
        let _: Result<(), Late> = self.leap_now(root, most as usize);
        let (gap, after) = (gap(self), self.read + self.watch.work());
        // The first bounds of a start that is spread can be infinite.
        let gain = if before.is_finite() { before - gap } else { 0.0 };
        let Leaps { grid, bytes, .. } = std::mem::take(&mut self.leaps);
        self.leaps = Leaps { cost: after - work, gain, gap, work: after, bytes, most, grid };
    }

    fn leap_now(&mut self, root: u32, most: usize) -> Result<(), Late> {
        let grid = self.settle_grid(root, most)?;
        self.play_grid(root, &grid)?;
        self.close_controllers(root)
    }
}
