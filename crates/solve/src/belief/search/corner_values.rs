//! Upper bounds at the corners, which fall as the search learns what follows from a known state.
//!
//! Every upper bound is the corners' mixture less what a point takes off, so a corner that falls takes all beliefs near it along.
//! Corners are backed up in turn, and what they have lost is taken over from time to time, as nodes are compared anew then.

use super::graph::Graph;

/// Corners are taken over when there are so many times as many backups as the last time.
const GROWTH: f64 = 1.1;
/// Backups before they are at first.
const FIRST: f64 = 16.0;
/// Corners backed up between two trials.
const AT_ONCE: usize = 256;

/// When corners are looked at.
#[derive(Default)]
pub(super) struct Schedule {
    /// How often the corners have fallen.
    pub version: u32,
    /// Backups when they were last taken over, and when all of them had been backed up.
    taken: u64,
    backed_up: u64,
    /// The state whose turn it is.
    next: usize,
}

impl Graph<'_> {
    /// Looks at the corners, and sweeps over all nodes, if it is time.
    pub fn settle_corners(&mut self) {
        let states = self.model.states().len();
        // As many backups as the trials have made, once there is one for every corner. With a horizon there are corners at every
        // stage, and those are improved that a trial comes to.
        let due = self.bounds.stationary && self.backups - self.schedule.backed_up > states as u64;
        if due || self.schedule.next > 0 {
            for _ in 0..AT_ONCE {
                if self.watch.late() {
                    return;
                }
                let node = self.enter(0, &[(self.schedule.next as u32, 1.0)]);
                self.improve(node);
                self.schedule.next += 1;
                if self.schedule.next == states {
                    (self.schedule.next, self.schedule.backed_up) = (0, self.backups);
                    break;
                }
            }
        }
        if self.backups as f64 >= FIRST + GROWTH * self.schedule.taken as f64 {
            self.schedule.taken = self.backups;
            self.sweep();
            self.take_corners();
        }
    }

    /// Takes over what the corners' nodes have lost. O(points · their states).
    pub(super) fn take_corners(&mut self) {
        let states = self.model.states().len();
        let mut fallen: Vec<Vec<f64>> = vec![Vec::new(); self.bounds.stages.len()];
        for &node in &self.corners {
            let node = &self.nodes[node as usize];
            let (stage, cell) = (node.stage as usize, node.cell as usize);
            let state = self.bounds.cells.members[cell][node.belief[0].0 as usize] as usize;
            let bound = &mut self.bounds.stages[stage];
            for (branch, top) in node.branches.iter().zip(bound.branch_top.iter_mut().skip(state).step_by(states)) {
                // Not the branch's own bound: that takes it to be the best where it leads back.
                let Some(children) = &branch.children else { continue };
                let after: f64 = children.iter().map(|c| c.probability * self.nodes[c.node as usize].upper).sum();
                *top = top.min(branch.reward + self.model.discount() * after);
            }
            if node.upper < bound.top[state] {
                fallen[stage].resize(states, 0.0);
                fallen[stage][state] += bound.top[state] - node.upper;
                bound.top[state] = node.upper;
            }
        }
        for (stage, fallen) in self.bounds.stages.iter_mut().zip(&fallen).filter(|(_, fallen)| !fallen.is_empty()) {
            self.schedule.version += 1;
            for (part, members) in stage.parts.iter_mut().zip(&self.bounds.cells.members) {
                part.points.raise(|s| fallen[members[s as usize] as usize]);
            }
        }
    }
}
