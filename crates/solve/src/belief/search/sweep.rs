//! A sweep over the upper bounds of all nodes that were looked into.
//!
//! A trial backs up its own path only; what it finds out holds for all other nodes that lead there as well. Backing these up from
//! successors that are known costs no comparison with a point. A backup of upper bounds is one (Hauskrecht, JAIR 2000), and the least of
//! two is one, so bounds stay proven and never rise, in whatever order the nodes come.

use super::graph::{Graph, NONE};

/// Nodes between two looks at the clock.
const AT_ONCE: usize = 1024;

impl Graph<'_> {
    /// Backs up the upper bounds of all nodes with branches from the successors as they are, the latest first, as successors are
    /// mostly later, and lowers their points in place: nodes compared before do not see that, but learn it in the same way, or
    /// are compared anew once corners fall. O(known successors + points' entries).
    pub(super) fn sweep(&mut self) {
        for number in (0..self.nodes.len()).rev() {
            if number % AT_ONCE == 0 && self.watch.late() {
                return;
            }
            if self.nodes[number].branches.is_empty() {
                continue;
            }
            self.catch_up(number);
            let mut branches = std::mem::take(&mut self.nodes[number].branches);
            let mut most = f64::NEG_INFINITY;
            for branch in &mut branches {
                if let Some(children) = &branch.children {
                    branch.upper = branch.upper.min(self.above(number as u32, branch.reward, children));
                }
                most = most.max(branch.upper);
            }
            let node = &mut self.nodes[number];
            node.branches = branches;
            node.upper = node.upper.min(most);
            if node.point != NONE {
                let points = &mut self.bounds.stages[node.stage as usize].parts[node.cell as usize].points;
                points.lower(node.point as usize, node.upper - node.top);
            }
        }
    }
}
