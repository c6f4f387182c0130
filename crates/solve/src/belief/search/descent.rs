//! One trial over the graph: from the root down to where the bounds are close enough, improving them on the way back.

use tiresias_model::Model;

use super::graph::Graph;
use crate::limits::Watch;

/// Trials without a horizon stop at this depth whatever the discount.
const DEEPEST: usize = 2_000;

/// Runs a trial from `root` at `stage` that aims at bounds `wanted` apart there (Smith and Simmons 2004). The action is the one
/// with the highest upper bound, or `forced` at the first steps; the observation is the one that adds most to the gap and, unless
/// `again`, leads to no belief that this trial, the `number`-th, has been at.
pub(crate) fn descend(
    model: &Model,
    graph: &mut Graph,
    root: u32,
    stage: usize,
    mut wanted: f64,
    (number, again, forced): (u64, bool, &[usize]),
    watch: &Watch,
) {
    let mut path = vec![root];
    loop {
        let depth = path.len() - 1;
        if watch.late() || model.horizon().map_or(depth >= DEEPEST, |h| stage + depth + 1 >= h) {
            break;
        }
        let node = path[depth];
        let branch = graph.descend(node, number, forced.get(depth).copied());
        wanted /= model.discount().max(1e-9);
        match graph.widest(node, branch, wanted, (number, again)) {
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
