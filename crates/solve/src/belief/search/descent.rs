//! One trial over the graph: from the root down to a leaf that matters, improving the bounds on the way back.

use tiresias_model::Model;

use super::graph::Graph;
use crate::limits::Watch;

/// Trials without a horizon stop at this depth whatever the discount.
const DEEPEST: usize = 2_000;
/// Nodes that a trial goes through and that no trial was at before.
const NEW: usize = 2;
/// The same for trials that go deeper: the value of a whole plan, which lower bounds are made of, shows at its end only.
const NEW_DEEPER: usize = 32;

/// One trial of a run.
pub(crate) struct Trial<'a> {
    /// Counts from 1.
    pub number: u64,
    /// Bounds at the root that are so far apart are close enough.
    pub wanted: f64,
    /// Whether it may come back to beliefs that it has been at.
    pub again: bool,
    /// Whether it goes deeper than to the next leaves.
    pub deep: bool,
    /// The actions of the first steps; then those with the highest upper bound.
    pub forced: &'a [usize],
}

/// Runs a trial from `root` at `stage`. The action is the one with the highest upper bound (Smith and Simmons 2004), the
/// observation the one towards the leaf that adds most to the gap, as far as its own belief's gap is beyond what is wanted there
/// (focused real-time dynamic programming: Smith and Simmons, AAAI 2006). It ends where no gap is, or soon after its first leaf.
pub(crate) fn descend(model: &Model, graph: &mut Graph, root: u32, stage: usize, trial: &Trial, watch: &Watch) {
    let mut path = vec![root];
    let mut new = if trial.deep { NEW_DEEPER } else { NEW };
    let mut wanted = trial.wanted;
    loop {
        let depth = path.len() - 1;
        if watch.late() || model.horizon().map_or(depth >= DEEPEST, |h| stage + depth + 1 >= h) {
            break;
        }
        let node = path[depth];
        if graph.is_leaf(node) {
            if new == 0 {
                break;
            }
            new -= 1;
        }
        let branch = graph.visit(node, trial.number, trial.forced.get(depth).copied());
        wanted /= model.discount().max(1e-9);
        match graph.next(node, branch, wanted, trial) {
            Some(next) => path.push(next),
            None => break,
        }
    }
    for &node in path.iter().rev() {
        if watch.late() {
            return;
        }
        graph.improve(node);
    }
}

impl Graph<'_> {
    fn is_leaf(&self, node: u32) -> bool {
        self.nodes[node as usize].branches.is_empty()
    }

    /// The branch to follow from a node: the one with the highest upper bound, of the forced action if there is one.
    fn visit(&mut self, node: u32, trial: u64, forced: Option<usize>) -> usize {
        self.nodes[node as usize].trial = trial;
        let models = self.model.dynamics().len();
        self.highest(node, |branch| forced.is_none_or(|action| branch / models == action))
    }

    /// The successor with the most promising leaf below it, other than the node itself and, unless they may come again, those
    /// that the trial has been at; `None` when no gap exceeds `wanted`.
    fn next(&self, node: u32, branch: usize, wanted: f64, trial: &Trial) -> Option<u32> {
        let children = self.nodes[node as usize].branches[branch].children.as_deref().unwrap_or_default();
        let mut found = (0.0, None);
        for child in children {
            let after = &self.nodes[child.node as usize];
            let excess = after.upper - after.lower - wanted;
            if excess <= 0.0 || child.node == node || !trial.again && after.trial == trial.number {
                continue;
            }
            // What was known of its leaves can be out of date: a gap without worth is better than none.
            let adds = child.probability * after.worth.max(1e-9 * excess).min(excess);
            if adds > found.0 {
                found = (adds, Some(child.node));
            }
        }
        found.1
    }
}
