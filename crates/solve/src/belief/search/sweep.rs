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
            if self.nodes[number].version != self.schedule.version {
                self.catch_up(number as u32);
            }
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

#[cfg(test)]
mod tests {
    use tiresias_model::classic;

    use super::{Graph, NONE};
    use crate::belief::backup::{ValueBounds, sparse};
    use crate::belief::corners::Corners;
    use crate::belief::search::vectors::VectorBounds;
    use crate::limits::Watch;
    use crate::{Limits, no_hook};

    #[test]
    fn what_is_known_of_successors_reaches_the_start_and_its_point() {
        let model = classic::by_name("4x3").unwrap();
        let limits = Limits::default();
        let watch = Watch::new(&limits, &no_hook);
        let mut bounds = VectorBounds::new(&model, &Corners::new(&model, &watch), &watch);
        let start = sparse(model.start());
        let mut graph = Graph::new(&model, &mut bounds, 0.0, &watch);
        let root = graph.enter(0, &start);
        // The start first every time, so that it does not know what its successors learn.
        for _ in 0..3 {
            (0..graph.nodes.len() as u32).for_each(|node| graph.improve(node));
        }
        assert_ne!(graph.nodes[root as usize].point, NONE);
        let before = graph.bounds_at(root).1;
        graph.sweep();
        let after = graph.bounds_at(root).1;
        // By the definition: the best branch, each as good as its successors allow.
        let branches = graph.nodes[root as usize].branches.iter();
        let backup = branches.map(|branch| match &branch.children {
            Some(children) => graph.above(root, branch.reward, children),
            None => branch.upper,
        });
        assert!(after < before && (after - backup.fold(f64::NEG_INFINITY, f64::max)).abs() < 1e-12);
        assert!(bounds.bracket(0, &start).upper <= after + 1e-9);
    }
}
