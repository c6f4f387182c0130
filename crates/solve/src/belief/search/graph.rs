//! The beliefs met so far, each once, with bounds that are brought up to date when they are looked at.
//!
//! A node remembers how many of its part's vectors and points it has been compared with, so that no pair is compared twice; a
//! branch's successors are found once, when its optimistic value first makes it the best. Backups are in [`improve`](super::improve),
//! what falls at the corners in [`corner_values`](super::corner_values), what goes in [`prune`](super::prune).

use rustc_hash::FxHashMap;
use tiresias_model::Model;

use super::compare::Room;
use super::corner_values::Schedule;
use super::improve::Ahead;
use super::leaps::Leaps;
use super::lineage::Lineage;
use super::team::Team;
use super::vectors::{Branches, VectorBounds, branches};
use crate::belief::backup::{Scratch, Sparse, expected_reward};
use crate::belief::corners::dot;
use crate::limits::Watch;

/// No point, no vector.
pub(super) const NONE: u32 = u32::MAX;
/// What an allocator keeps beside each block, about.
const BOX: usize = 16;
/// Scratch, and where the cells have their states.
const BY_STATE: usize = 8 + 16 + 4 * 4;
/// Less than this, a difference from 1 has few digits that are not rounding.
const LEAST_REST: f64 = 1e-9;
/// Beliefs that differ by less are one.
pub(super) const SAME: f64 = 1e-12;

pub(crate) struct Graph<'a> {
    pub(super) model: &'a Model,
    pub(super) bounds: &'a mut VectorBounds,
    pub(super) watch: &'a Watch<'a>,
    pub(super) branches: Branches,
    pub(super) nodes: Vec<Node>,
    /// Nodes by the hash of their place and rounded belief.
    known: FxHashMap<u64, u32>,
    /// By stage and cell.
    pub(super) shelves: Vec<Shelf>,
    /// Nodes whose state is certain.
    pub(super) corners: Vec<u32>,
    pub(super) schedule: Schedule,
    scratch: Scratch,
    children: Vec<Child>,
    pub(super) room: Room,
    pub(super) team: Team,
    pub(super) ahead: Ahead,
    pub(super) lineage: Lineage,
    pub(super) leaps: Leaps,
    /// Bytes of the nodes' boxes.
    boxed: usize,
    /// Improvements smaller than this are not kept.
    pub(super) least: f64,
    /// Whether any node's bounds changed since the search last asked.
    pub changed: bool,
    /// Backups so far.
    pub backups: u64,
    /// Numbers read so far, about.
    pub(super) read: u64,
}

pub(super) struct Node {
    pub stage: u32,
    pub cell: u32,
    /// Over the cell's own indices, ascending, sum 1.
    pub belief: Box<[(u32, f64)]>,
    pub lower: f64,
    pub upper: f64,
    /// The corners' mixture, as of this version of the corners.
    pub top: f64,
    pub version: u32,
    /// The best vector so far, and its value.
    pub best: u32,
    pub held: f64,
    pub vectors_seen: u32,
    pub points_seen: u32,
    /// This node's own point.
    pub point: u32,
    /// The last trial that came by.
    pub trial: u64,
    /// What the leaf below that adds most to this node's gap adds to it, when last looked at.
    pub worth: f64,
    /// Empty until the node is first looked into.
    pub branches: Box<[Branch]>,
}

pub(super) struct Branch {
    pub reward: f64,
    pub lower: f64,
    pub upper: f64,
    /// `None` until they are needed.
    pub children: Option<Box<[Child]>>,
}

#[derive(Clone, Copy)]
pub(super) struct Child {
    pub probability: f64,
    pub observation: u32,
    pub node: u32,
}

/// What the search knows of a part beside the bounds themselves.
#[derive(Default)]
pub(super) struct Shelf {
    pub nodes: Vec<u32>,
    /// The number of each vector.
    pub vectors: Vec<u32>,
    /// The node of each point.
    pub owners: Vec<u32>,
    /// Sizes at which superfluous vectors and points are looked for.
    pub most_vectors: usize,
    pub most_points: usize,
}

impl<'a> Graph<'a> {
    /// A graph without nodes; the points that `bounds` has are taken over as nodes. Improvements below `least` are not kept. Nodes
    /// are compared on so many threads.
    pub fn new(model: &'a Model, bounds: &'a mut VectorBounds, least: f64, threads: usize, watch: &'a Watch) -> Self {
        let shelves = bounds.stages.len() * bounds.cells.members.len();
        let shelf = || Shelf { most_vectors: 128, most_points: 128, ..Shelf::default() };
        let mut graph = Self {
            model,
            branches: branches(model),
            nodes: Vec::new(),
            known: FxHashMap::default(),
            shelves: std::iter::repeat_with(shelf).take(shelves).collect(),
            corners: Vec::new(),
            schedule: Schedule::default(),
            scratch: Scratch::new(model),
            children: Vec::new(),
            room: Room::default(),
            team: Team::new(threads),
            ahead: Ahead { call: 0, values: vec![(0, 0.0); model.states().len()] },
            lineage: Lineage::default(),
            leaps: Leaps::default(),
            boxed: 0,
            least,
            changed: false,
            backups: 0,
            read: 0,
            bounds,
            watch,
        };
        graph.take_over();
        graph
    }

    fn take_over(&mut self) {
        for stage in 0..self.bounds.stages.len() {
            for cell in 0..self.bounds.cells.members.len() {
                let shelf = self.shelf(stage, cell);
                self.shelves[shelf].vectors = self.lineage.adopt(self.bounds.stages[stage].parts[cell].vectors());
                // A point that was dropped does not say any more where it was.
                self.bounds.stages[stage].parts[cell].points.compact();
                for i in 0..self.bounds.stages[stage].parts[cell].points.len() {
                    let belief = self.bounds.stages[stage].parts[cell].points.belief(i);
                    let node = self.node(stage, cell, &belief);
                    self.shelves[shelf].owners.push(node);
                    self.nodes[node as usize].point = i as u32;
                }
            }
        }
    }

    /// Ends the search: the bounds get back the vectors that others go on with.
    pub fn finish(&mut self) {
        for old in self.lineage.recall() {
            self.bounds.stages[old.stage].parts[old.cell].push(old.action, old.vector);
        }
    }

    /// What the graph and the bounds hold. O(rows of vectors).
    pub fn bytes(&self) -> usize {
        // A node also has its place in the table, at most half of which is empty, and one on its shelf.
        let each = size_of::<Node>() + 2 * 17 + 8;
        let scratch = self.scratch.bytes() + BY_STATE * self.model.states().len();
        // The next leap's grid may be twice as large as the last one's.
        self.boxed
            + 2 * self.leaps.bytes
            + each * self.nodes.len()
            + scratch
            + self.bounds.bytes()
            + self.lineage.bytes()
    }

    /// What was done so far, in units that cost about the same: nodes made and backups.
    pub fn work(&self) -> u64 {
        self.nodes.len() as u64 + self.backups
    }

    pub fn bounds_at(&self, node: u32) -> (f64, f64) {
        let node = &self.nodes[node as usize];
        (node.lower, node.upper)
    }

    pub(super) fn shelf(&self, stage: usize, cell: usize) -> usize {
        stage * self.bounds.cells.members.len() + cell
    }

    /// The node of a normalised belief over the model's states.
    pub fn enter(&mut self, stage: usize, belief: &[(u32, f64)]) -> u32 {
        let cell = self.bounds.cells.place(belief);
        let own: Sparse = belief.iter().map(|&(s, p)| (self.bounds.cells.index(cell, s as usize) as u32, p)).collect();
        let node = self.node(self.bounds.stage(stage), cell, &own);
        self.refresh(node);
        node
    }

    /// Finds or makes a node; a new one has the corners' bound above and none below.
    pub(super) fn node(&mut self, stage: usize, cell: usize, belief: &[(u32, f64)]) -> u32 {
        let hash = hash(stage, cell, belief);
        let next = self.nodes.len() as u32;
        if let Some(&found) = self.known.get(&hash) {
            let node = &self.nodes[found as usize];
            let same = node.stage as usize == stage
                && node.cell as usize == cell
                && node.belief.len() == belief.len()
                && node.belief.iter().zip(belief).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < SAME);
            if same {
                return found;
            }
        } else {
            self.known.insert(hash, next);
        }
        let members = &self.bounds.cells.members[cell];
        let bound = &self.bounds.stages[stage];
        let global: Sparse = belief.iter().map(|&(s, p)| (members[s as usize], p)).collect();
        let top = dot(&bound.top, &global);
        let upper = top.min(bound.best_branch(&global));
        self.boxed += BOX + 16 * belief.len();
        self.nodes.push(Node {
            stage: stage as u32,
            cell: cell as u32,
            belief: belief.into(),
            lower: f64::NEG_INFINITY,
            upper,
            top,
            version: self.schedule.version,
            best: NONE,
            held: f64::NEG_INFINITY,
            vectors_seen: 0,
            points_seen: 0,
            point: NONE,
            trial: 0,
            worth: f64::INFINITY,
            branches: Box::default(),
        });
        let shelf = self.shelf(stage, cell);
        self.shelves[shelf].nodes.push(next);
        if belief.len() == 1 {
            self.corners.push(next);
        }
        next
    }

    /// Gives a node its branches, with the linear bounds above.
    fn open(&mut self, node: u32) {
        let here = &self.nodes[node as usize];
        if !here.branches.is_empty() {
            return;
        }
        let belief = self.global(here);
        let tops = &self.bounds.stages[here.stage as usize].branch_top;
        let branch = |(&(action, m), top): (&(usize, usize), &[f64])| Branch {
            reward: expected_reward(self.model, m, &belief, action),
            lower: f64::NEG_INFINITY,
            upper: dot(top, &belief),
            children: None,
        };
        let opened: Box<[Branch]> =
            self.branches.iter().zip(tops.chunks_exact(self.model.states().len())).map(branch).collect();
        self.boxed += BOX + size_of_val(&*opened);
        self.nodes[node as usize].branches = opened;
    }

    /// The belief over the model's states.
    pub(super) fn global(&self, node: &Node) -> Sparse {
        let members = &self.bounds.cells.members[node.cell as usize];
        node.belief.iter().map(|&(s, p)| (members[s as usize], p)).collect()
    }

    /// Finds the successors of a branch.
    fn expand(&mut self, node: u32, branch: usize) -> Box<[Child]> {
        let (action, m) = self.branches[branch];
        let stage = self.nodes[node as usize].stage as usize + usize::from(!self.bounds.stationary);
        let belief = self.global(&self.nodes[node as usize]);
        let mut scratch = std::mem::take(&mut self.scratch);
        // Collected where there is room, then copied to a block of their size: lists that grow leave holes that little fits into.
        let mut children = std::mem::take(&mut self.children);
        let mut own: Sparse = Vec::new();
        scratch.successors(self.model, m, &belief, action, |o, joint| {
            let mass: f64 = joint.iter().map(|p| p.1).sum();
            let cell = self.bounds.cells.place(joint);
            own.clear();
            own.extend(joint.iter().map(|&(s, p)| (self.bounds.cells.index(cell, s as usize) as u32, p / mass)));
            children.push(Child { probability: mass, observation: o as u32, node: self.node(stage, cell, &own) });
        });
        self.scratch = scratch;
        self.read += 4 * (belief.len() * self.model.states().len().min(16) + children.len()) as u64;
        self.boxed += BOX + children.len() * size_of::<Child>();
        let boxed = children.as_slice().into();
        children.clear();
        self.children = children;
        boxed
    }

    /// Brings a branch's bounds up to date.
    pub(super) fn evaluate(&mut self, node: u32, branch: usize) {
        let children = self.nodes[node as usize].branches[branch].children.take();
        let children = children.unwrap_or_else(|| self.expand(node, branch));
        self.refresh_all(children.iter().map(|child| child.node).filter(|&child| child != node));
        let mut low = 0.0;
        for child in &children {
            low += child.probability * self.nodes[child.node as usize].lower;
        }
        let high = self.above(node, self.nodes[node as usize].branches[branch].reward, &children);
        let branch = &mut self.nodes[node as usize].branches[branch];
        branch.lower = branch.lower.max(branch.reward + self.model.discount() * low);
        branch.upper = branch.upper.min(high);
        branch.children = Some(children);
    }

    /// The upper bound of a branch of `node` with this reward from its successors' upper bounds as they are.
    pub(super) fn above(&self, node: u32, reward: f64, children: &[Child]) -> f64 {
        let (mut high, mut back) = (0.0, 0.0);
        for child in children {
            if child.node == node {
                back += child.probability;
            } else {
                high += child.probability * self.nodes[child.node as usize].upper;
            }
        }
        // What comes back to this very belief is worth no more than the branch, if the branch is the best. Where nearly all comes back
        // and the discount is close to 1, rounding is all that is left of the difference, and the belief's own bound has to do.
        let rest = 1.0 - self.model.discount() * back;
        if rest > LEAST_REST {
            (reward + self.model.discount() * high) / rest
        } else {
            reward + self.model.discount() * (high + back * self.nodes[node as usize].upper)
        }
    }

    /// The branch with the highest upper bound among `allowed`, up to date: those whose old bound is lower cannot pass it.
    pub(super) fn highest(&mut self, node: u32, allowed: impl Fn(usize) -> bool) -> usize {
        self.open(node);
        let mut last = usize::MAX;
        // Ends: bounds only fall, and what a branch depends on changes when it is brought up to date only.
        loop {
            let branches = &self.nodes[node as usize].branches;
            let better = |best: usize, b: usize| {
                if allowed(b) && (best == usize::MAX || branches[b].upper > branches[best].upper) { b } else { best }
            };
            let best = (0..branches.len()).fold(usize::MAX, better);
            if best == last {
                return best;
            }
            // A branch that another one passed and that is the highest again is brought up to date again: that is cheap.
            self.evaluate(node, best);
            last = best;
        }
    }
}

fn hash(stage: usize, cell: usize, belief: &[(u32, f64)]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write_usize(stage);
    hasher.write_usize(cell);
    for &(s, p) in belief {
        hasher.write_u32(s);
        // To a billionth: beliefs that rounding tells apart mostly meet here.
        hasher.write_u64((p * 1e9).round() as u64);
    }
    hasher.finish()
}
