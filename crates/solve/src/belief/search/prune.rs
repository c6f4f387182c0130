//! Forgetting vectors and points that serve no belief of the graph; vectors that others go on with only retire
//! ([`lineage`](super::lineage)).
//!
//! Both prunings look at many nodes; when the time is up they leave everything as it is.

use super::graph::{Graph, NONE};
use super::lineage::Retired;

/// Nodes between two looks at the clock.
const AT_ONCE: usize = 256;

impl Graph<'_> {
    /// Drops the vectors that are best at no node (dominance at sampled beliefs: Kurniawati et al. 2008).
    pub(super) fn prune_vectors(&mut self, stage: usize, cell: usize) {
        let shelf = self.shelf(stage, cell);
        let nodes = std::mem::take(&mut self.shelves[shelf].nodes);
        let count = self.bounds.stages[stage].parts[cell].vectors();
        let mut keep = vec![false; count];
        // The one just made.
        keep[count - 1] = true;
        for opened in [true, false] {
            for some in nodes.chunks(AT_ONCE) {
                if self.watch.late() {
                    self.shelves[shelf].nodes = nodes;
                    return;
                }
                // Of the leaves, those that would fall back below the bound they had.
                let wanted = |graph: &Self, node: &u32| {
                    let node = &graph.nodes[*node as usize];
                    let is_lost = || node.best != NONE && !keep[node.best as usize];
                    if opened { !node.branches.is_empty() } else { is_lost() }
                };
                let some: Vec<u32> = some.iter().copied().filter(|node| wanted(self, node)).collect();
                self.refresh_all(some.iter().copied());
                some.iter().for_each(|&node| keep[self.nodes[node as usize].best as usize] = true);
            }
        }
        let before = prefix(&keep);
        for &node in &nodes {
            let node = &mut self.nodes[node as usize];
            if node.best != NONE {
                node.best = before[node.best as usize];
                node.vectors_seen = before[node.vectors_seen as usize];
            }
        }
        let part = &mut self.bounds.stages[stage].parts[cell];
        let vectors = std::mem::take(&mut self.shelves[shelf].vectors);
        let kept: Vec<u32> = (0..count as u32).filter(|&i| keep[i as usize]).collect();
        for (i, &number) in vectors.iter().enumerate().filter(|(i, _)| !keep[*i]) {
            if !self.lineage.is_needed(number) {
                self.lineage.drop(number);
            } else if let Some(above) = (!self.watch.late()).then(|| part.above(i, &kept)).flatten() {
                self.lineage.replace(number, vectors[above as usize]);
            } else {
                let vector = part.rows.iter().map(|row| row[i]).collect();
                self.lineage.retire(number, Retired { stage, cell, action: part.actions[i], vector });
            }
        }
        part.retain(&keep);
        let shelf = &mut self.shelves[shelf];
        shelf.vectors = vectors.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(number, _)| number).collect();
        shelf.most_vectors = (2 * part.vectors()).max(128);
        shelf.nodes = nodes;
    }

    /// Drops the points that lower ones have replaced and those that others make superfluous.
    pub(super) fn prune_points(&mut self, stage: usize, cell: usize) {
        let shelf = self.shelf(stage, cell);
        let owners = std::mem::take(&mut self.shelves[shelf].owners);
        for (batch, some) in owners.chunks(AT_ONCE).enumerate() {
            if self.watch.late() {
                self.shelves[shelf].owners = owners;
                return;
            }
            self.refresh_all(some.iter().copied());
            for (i, &owner) in (batch * AT_ONCE..).zip(some) {
                let node = &mut self.nodes[owner as usize];
                let points = &mut self.bounds.stages[stage].parts[cell].points;
                if node.upper - node.top < points.below(i) {
                    points.drop(i);
                }
                if points.below(i) >= 0.0 && node.point == i as u32 {
                    node.point = NONE;
                }
            }
        }
        let points = &mut self.bounds.stages[stage].parts[cell].points;
        let keep = points.compact();
        let (kept, before) = (points.len(), prefix(&keep));
        for &node in &self.shelves[shelf].nodes {
            let node = &mut self.nodes[node as usize];
            node.points_seen = before[node.points_seen as usize];
            if node.point != NONE {
                node.point = before[node.point as usize];
            }
        }
        let shelf = &mut self.shelves[shelf];
        shelf.owners = owners.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(owner, _)| owner).collect();
        shelf.most_points = (2 * kept).max(128);
    }
}

/// How many before each are kept, and in all.
fn prefix(keep: &[bool]) -> Vec<u32> {
    let mut sum = 0;
    let mut out = Vec::with_capacity(keep.len() + 1);
    out.push(0);
    for &kept in keep {
        sum += u32::from(kept);
        out.push(sum);
    }
    out
}
