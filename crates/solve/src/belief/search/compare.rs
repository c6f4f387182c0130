//! Comparing nodes with the vectors and points that they have not seen, which is where the time goes.
//!
//! A comparison reads the bounds and one node and changes nothing, so many nodes are compared at once on all threads of a
//! [`Team`](super::team::Team); what they gain is noted afterwards. No bit depends on the number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::graph::{Graph, Node, SAME};
use super::vectors::{BLOCK, Part, VectorBounds};
use crate::belief::backup::Sparse;
use crate::belief::corners::dot;

/// Numbers to read for which it pays to ask another thread: some microseconds.
const SHARE: usize = 1 << 12;

/// What a look at a node costs beside what it compares, in numbers read.
const VISIT: usize = 16;

/// What a node gains from a part of what it has not seen.
pub(super) struct Gain {
    /// The best of the new vectors, and its value.
    best: Option<(u32, f64)>,
    top: f64,
    upper: f64,
}

/// A node to compare, and with which share of what it has not seen: the k-th of n.
#[derive(Clone, Copy)]
struct Task {
    node: u32,
    share: (usize, usize),
}

/// Nodes to compare, and all that this takes; whoever is free takes the next one.
pub(super) struct Batch {
    nodes: Vec<Node>,
    bounds: VectorBounds,
    version: u32,
    tasks: Vec<Task>,
    next: AtomicUsize,
}

impl Batch {
    /// Compares nodes until none is left.
    pub fn work(&self, room: &mut Room) -> Vec<(u32, Gain)> {
        let next = || self.tasks.get(self.next.fetch_add(1, Ordering::Relaxed));
        let compare = |task: &Task| {
            let node = &self.nodes[task.node as usize];
            (task.node, node.compare(&self.bounds, self.version, task.share, room))
        };
        std::iter::from_fn(next).map(compare).collect()
    }
}

/// Room for one comparison at a time.
#[derive(Default)]
pub(super) struct Room {
    sums: Vec<f64>,
    dense: Vec<f64>,
    global: Sparse,
}

impl Graph<'_> {
    /// Brings a node's bounds up to date.
    pub(super) fn refresh(&mut self, node: u32) {
        self.read += (VISIT + self.nodes[node as usize].unseen(self.bounds, self.schedule.version)) as u64;
        self.look(node);
    }

    /// The same, uncounted.
    fn look(&mut self, node: u32) {
        let node = &mut self.nodes[node as usize];
        let gain = node.compare(self.bounds, self.schedule.version, (0, 1), &mut self.room);
        node.note(self.bounds, self.schedule.version, &gain);
    }

    /// Threads that have compared nodes.
    pub fn threads(&self) -> usize {
        1 + self.team.len()
    }

    /// Brings the corners' mixture at a node up to date, and no more.
    pub(super) fn catch_up(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        if node.version != self.schedule.version {
            node.top = node.mixture(self.bounds, &mut self.room);
            (node.upper, node.version) = (node.upper.min(node.top), self.schedule.version);
        }
    }

    /// Brings the bounds of several nodes up to date.
    pub(super) fn refresh_all(&mut self, nodes: impl Iterator<Item = u32>) {
        let version = self.schedule.version;
        let unseen = |node: u32| (node, self.nodes[node as usize].unseen(self.bounds, version));
        let nodes: Vec<(u32, usize)> = nodes.map(unseen).filter(|node| node.1 > 0).collect();
        let work: usize = nodes.iter().map(|node| node.1).sum();
        let lanes = self.team.ready(work / SHARE);
        // Whoever compares them: what is counted must not depend on the threads.
        self.read += (VISIT * nodes.len() + work) as u64;
        if lanes == 0 {
            nodes.into_iter().for_each(|(node, _)| self.look(node));
            return;
        }
        // Tasks are small enough for all threads to end at about the same time.
        let most = (work / (4 * (lanes + 1))).max(SHARE);
        let tasks = nodes.into_iter().flat_map(|(node, unseen)| {
            let shares = (unseen / most).max(1);
            (0..shares).map(move |k| Task { node, share: (k, shares) })
        });
        let tasks = tasks.collect();
        // The threads own what they read while they do, and give it back.
        let (nodes, bounds) = (std::mem::take(&mut self.nodes), std::mem::take(self.bounds));
        let batch = Batch { nodes, bounds, version, tasks, next: AtomicUsize::new(0) };
        let (batch, gains) = self.team.share(lanes, batch, &mut self.room);
        (self.nodes, *self.bounds) = (batch.nodes, batch.bounds);
        for (node, gain) in gains {
            self.nodes[node as usize].note(self.bounds, version, &gain);
        }
    }
}

impl Node {
    fn part<'a>(&self, bounds: &'a VectorBounds) -> &'a Part {
        &bounds.stages[self.stage as usize].parts[self.cell as usize]
    }

    /// Numbers that a comparison would read, about.
    fn unseen(&self, bounds: &VectorBounds, version: u32) -> usize {
        let part = self.part(bounds);
        let mut points = part.points.len() - self.points_seen as usize;
        let mut numbers = (part.vectors() - self.vectors_seen as usize) * self.belief.len();
        if self.version != version {
            numbers += self.belief.len();
            if self.branches.is_empty() {
                points = part.points.len();
                let stage = &bounds.stages[self.stage as usize];
                numbers += stage.branch_top.len() / stage.top.len() * self.belief.len();
            }
        }
        numbers + 4 * points
    }

    /// The corners' mixture, and the belief over the model's states into `room`.
    fn mixture(&self, bounds: &VectorBounds, room: &mut Room) -> f64 {
        let members = &bounds.cells.members[self.cell as usize];
        room.global.clear();
        room.global.extend(self.belief.iter().map(|&(s, p)| (members[s as usize], p)));
        dot(&bounds.stages[self.stage as usize].top, &room.global)
    }

    /// Compares the node with the k-th of n shares of the vectors and points that it has not seen.
    fn compare(&self, bounds: &VectorBounds, version: u32, (k, n): (usize, usize), room: &mut Room) -> Gain {
        let share = |from: usize, to: usize| {
            let end = |k: usize| if k == n { to } else { from + (to - from) * k / n / BLOCK * BLOCK };
            end(k)..end(k + 1)
        };
        let part = self.part(bounds);
        let (mut top, mut upper, mut points_seen) = (self.top, self.upper, self.points_seen as usize);
        if self.version != version {
            // The corners' mixture has fallen, and the points reach lower everywhere; only leaves are compared with all of them
            // anew, as the others learn from their successors.
            top = self.mixture(bounds, room);
            upper = upper.min(top);
            if self.branches.is_empty() {
                points_seen = 0;
                if k == 0 {
                    upper = upper.min(bounds.stages[self.stage as usize].best_branch(&room.global));
                }
            }
        }
        let vectors = share(self.vectors_seen as usize, part.vectors());
        let best = (!vectors.is_empty()).then(|| part.best(vectors, &self.belief, &mut room.sums));
        let points = share(points_seen, part.points.len());
        if !points.is_empty() {
            room.dense.resize(room.dense.len().max(part.rows.len()), 0.0);
            self.belief.iter().for_each(|&(s, p)| room.dense[s as usize] = p);
            let below = part.points.deepest(points, &room.dense, 1.0 + SAME, (upper - top).min(0.0));
            self.belief.iter().for_each(|&(s, _)| room.dense[s as usize] = 0.0);
            upper = upper.min(top + below);
        }
        Gain { best, top, upper }
    }

    /// Takes over what a comparison found; those of all shares of a node together leave the same, in any order.
    fn note(&mut self, bounds: &VectorBounds, version: u32, gain: &Gain) {
        if let Some((best, value)) = gain.best {
            // The oldest of equals.
            if value > self.held || value == self.held && best < self.best {
                (self.best, self.held) = (best, value);
                self.lower = self.lower.max(value);
            }
        }
        (self.top, self.upper, self.version) = (gain.top, self.upper.min(gain.upper), version);
        let part = self.part(bounds);
        (self.vectors_seen, self.points_seen) = (part.vectors() as u32, part.points.len() as u32);
    }
}
