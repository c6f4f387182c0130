//! The beliefs met so far, each once, with bounds that are brought up to date when they are looked at.
//!
//! A node remembers how many of its part's vectors and points it has been compared with, so that no pair is compared twice; a
//! branch's successors are found once, when its optimistic value first makes it the best.

use rustc_hash::FxHashMap;
use tiresias_model::Model;

use super::vectors::{Branches, VectorBounds, branches};
use crate::belief::backup::{Scratch, Sparse, expected_reward};
use crate::belief::corners::dot;

/// No point, no vector.
const NONE: u32 = u32::MAX;
/// Beliefs that differ by less are one.
const SAME: f64 = 1e-12;

pub(crate) struct Graph<'a> {
    model: &'a Model,
    pub bounds: &'a mut VectorBounds,
    branches: Branches,
    nodes: Vec<Node>,
    /// Nodes by the hash of their place and rounded belief.
    known: FxHashMap<u64, u32>,
    /// By stage and cell.
    shelves: Vec<Shelf>,
    scratch: Scratch,
    sums: Vec<f64>,
    dense: Vec<f64>,
    /// What the vectors of [`vector`](Self::vector) read, by state, and in which call it was made.
    ahead: Vec<(u64, f64)>,
    calls: u64,
    bytes: usize,
    /// Improvements smaller than this are not kept.
    least: f64,
    /// Whether any node's bounds changed since the search last asked.
    pub changed: bool,
}

struct Node {
    stage: u32,
    cell: u32,
    /// Over the cell's own indices, ascending, sum 1.
    belief: Box<[(u32, f64)]>,
    pub lower: f64,
    pub upper: f64,
    /// The corners' mixture.
    top: f64,
    /// The best vector so far, and its value.
    best: u32,
    held: f64,
    vectors_seen: u32,
    points_seen: u32,
    /// This node's own point.
    point: u32,
    /// The last trial that came by.
    trial: u64,
    /// Empty until the node is first looked into.
    branches: Box<[Branch]>,
}

struct Branch {
    reward: f64,
    lower: f64,
    upper: f64,
    /// `None` until they are needed.
    children: Option<Box<[Child]>>,
}

#[derive(Clone, Copy)]
struct Child {
    probability: f64,
    observation: u32,
    node: u32,
}

/// What the search knows of a part beside the bounds themselves.
#[derive(Default)]
struct Shelf {
    nodes: Vec<u32>,
    /// The node of each point.
    owners: Vec<u32>,
    /// Sizes at which superfluous vectors and points are looked for.
    most_vectors: usize,
    most_points: usize,
}

impl<'a> Graph<'a> {
    /// A graph without nodes; the points that `bounds` has are taken over as nodes. Improvements below `least` are not kept.
    pub fn new(model: &'a Model, bounds: &'a mut VectorBounds, least: f64) -> Self {
        let shelves = bounds.stages.len() * bounds.cells.members.len();
        let shelf = || Shelf { most_vectors: 128, most_points: 128, ..Shelf::default() };
        let bytes = bounds.bytes();
        let mut graph = Self {
            model,
            branches: branches(model),
            nodes: Vec::new(),
            known: FxHashMap::default(),
            shelves: std::iter::repeat_with(shelf).take(shelves).collect(),
            scratch: Scratch::new(model),
            sums: Vec::new(),
            dense: vec![0.0; model.states().len()],
            ahead: vec![(0, 0.0); model.states().len()],
            calls: 0,
            bytes,
            least,
            changed: false,
            bounds,
        };
        graph.take_over();
        graph
    }

    fn take_over(&mut self) {
        for stage in 0..self.bounds.stages.len() {
            for cell in 0..self.bounds.cells.members.len() {
                let shelf = self.shelf(stage, cell);
                for i in 0..self.bounds.stages[stage].parts[cell].points.len() {
                    let belief = self.bounds.stages[stage].parts[cell].points.belief(i);
                    let node = self.node(stage, cell, &belief);
                    self.shelves[shelf].owners.push(node);
                    self.nodes[node as usize].point = i as u32;
                }
            }
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn bounds_at(&self, node: u32) -> (f64, f64) {
        let node = &self.nodes[node as usize];
        (node.lower, node.upper)
    }

    fn shelf(&self, stage: usize, cell: usize) -> usize {
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
    fn node(&mut self, stage: usize, cell: usize, belief: &[(u32, f64)]) -> u32 {
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
        let upper = top.min(bound.best_branch(&global, self.model.states().len()));
        self.bytes += size_of::<Node>() + 16 * belief.len() + 32;
        self.nodes.push(Node {
            stage: stage as u32,
            cell: cell as u32,
            belief: belief.into(),
            lower: f64::NEG_INFINITY,
            upper,
            top,
            best: NONE,
            held: f64::NEG_INFINITY,
            vectors_seen: 0,
            points_seen: 0,
            point: NONE,
            trial: 0,
            branches: Box::default(),
        });
        let shelf = self.shelf(stage, cell);
        self.shelves[shelf].nodes.push(next);
        next
    }

    /// Compares a node with the vectors and points that it has not seen.
    fn refresh(&mut self, node: u32) {
        let node = &mut self.nodes[node as usize];
        let part = &self.bounds.stages[node.stage as usize].parts[node.cell as usize];
        let vectors = part.vectors();
        if (node.vectors_seen as usize) < vectors {
            let (best, value) = part.best(node.vectors_seen as usize, &node.belief, &mut self.sums);
            if value > node.held {
                (node.best, node.held) = (best as u32, value);
                node.lower = node.lower.max(value);
            }
            node.vectors_seen = vectors as u32;
        }
        if (node.points_seen as usize) < part.points.len() {
            node.belief.iter().for_each(|&(s, p)| self.dense[s as usize] = p);
            let best = (node.upper - node.top).min(0.0);
            let below = part.points.deepest(node.points_seen as usize, &self.dense, 1.0 + SAME, best);
            node.belief.iter().for_each(|&(s, _)| self.dense[s as usize] = 0.0);
            node.upper = node.upper.min(node.top + below);
            node.points_seen = part.points.len() as u32;
        }
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
        self.bytes += size_of_val(&*opened);
        self.nodes[node as usize].branches = opened;
    }

    /// The belief over the model's states.
    fn global(&self, node: &Node) -> Sparse {
        let members = &self.bounds.cells.members[node.cell as usize];
        node.belief.iter().map(|&(s, p)| (members[s as usize], p)).collect()
    }

    /// Finds the successors of a branch.
    fn expand(&mut self, node: u32, branch: usize) -> Box<[Child]> {
        let (action, m) = self.branches[branch];
        let stage = self.nodes[node as usize].stage as usize + usize::from(!self.bounds.stationary);
        let belief = self.global(&self.nodes[node as usize]);
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut children = Vec::new();
        let mut own: Sparse = Vec::new();
        scratch.successors(self.model, m, &belief, action, |o, joint| {
            let mass: f64 = joint.iter().map(|p| p.1).sum();
            let cell = self.bounds.cells.place(joint);
            own.clear();
            own.extend(joint.iter().map(|&(s, p)| (self.bounds.cells.index(cell, s as usize) as u32, p / mass)));
            children.push(Child { probability: mass, observation: o as u32, node: self.node(stage, cell, &own) });
        });
        self.scratch = scratch;
        self.bytes += children.len() * size_of::<Child>();
        children.into()
    }

    /// Brings a branch's bounds up to date.
    fn evaluate(&mut self, node: u32, branch: usize) {
        let children = self.nodes[node as usize].branches[branch].children.take();
        let children = children.unwrap_or_else(|| self.expand(node, branch));
        let (mut low, mut high, mut back) = (0.0, 0.0, 0.0);
        for child in &children {
            if child.node != node {
                self.refresh(child.node);
            }
            let next = &self.nodes[child.node as usize];
            if child.node == node {
                back += child.probability;
                low += child.probability * next.lower;
                continue;
            }
            low += child.probability * next.lower;
            high += child.probability * next.upper;
        }
        let branch = &mut self.nodes[node as usize].branches[branch];
        branch.lower = branch.lower.max(branch.reward + self.model.discount() * low);
        // What comes back to this very belief is worth no more than the branch, if the branch is the best.
        let high = (branch.reward + self.model.discount() * high) / (1.0 - self.model.discount() * back);
        branch.upper = branch.upper.min(high);
        branch.children = Some(children);
    }

    /// The branch with the highest upper bound among `allowed`, up to date: those whose old bound is lower cannot pass it.
    fn highest(&mut self, node: u32, allowed: impl Fn(usize) -> bool) -> usize {
        self.open(node);
        let mut last = usize::MAX;
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

    /// The branch to follow from a node: the one with the highest upper bound, of the forced action if there is one.
    pub fn descend(&mut self, node: u32, trial: u64, forced: Option<usize>) -> usize {
        self.nodes[node as usize].trial = trial;
        if let Some(action) = forced {
            let of = |b: usize| b / self.model.dynamics().len() == action;
            return self.highest(node, of);
        }
        self.highest(node, |_| true)
    }

    /// The successor that adds most to the gap beyond `wanted`, other than the node itself and, unless `again`, those that the
    /// trial has been at; `None` when no gap exceeds it.
    pub fn widest(&self, node: u32, branch: usize, wanted: f64, (trial, again): (u64, bool)) -> Option<u32> {
        let children = self.nodes[node as usize].branches[branch].children.as_deref().unwrap_or_default();
        let mut found = (0.0, None);
        for child in children {
            let (lower, upper) = self.bounds_at(child.node);
            let excess = child.probability * (upper - lower - wanted);
            let open = child.node != node && (again || self.nodes[child.node as usize].trial != trial);
            if open && excess > found.0 {
                found = (excess, Some(child.node));
            }
        }
        found.1
    }

    /// A point-based backup (Pineau, Gordon, Thrun 2003) below and a Bellman backup above.
    pub fn improve(&mut self, node: u32) {
        self.refresh(node);
        let top = self.highest(node, |_| true);
        self.lift(node);
        let upper = self.nodes[node as usize].branches[top].upper;
        self.press(node, upper);
    }

    /// Raises the lower bound of a node, with a vector where its part keeps them.
    fn lift(&mut self, node: u32) {
        // Old lower bounds still hold, and one that has become the best deserves a look.
        let best = |graph: &Self| {
            let branches = &graph.nodes[node as usize].branches;
            let better = |best: usize, b: usize| if branches[b].lower > branches[best].lower { b } else { best };
            (0..branches.len()).fold(0, better)
        };
        let first = best(self);
        self.evaluate(node, first);
        let chosen = best(self);
        let here = &self.nodes[node as usize];
        let value = here.branches[chosen].lower;
        let (stage, cell) = (here.stage as usize, here.cell as usize);
        if !self.bounds.cells.is_closed(cell) {
            self.changed |= value > here.lower + self.least;
            self.nodes[node as usize].lower = value.max(here.lower);
            return;
        }
        if value <= here.held + self.least {
            return;
        }
        let vector = self.vector(node, chosen);
        let here = &mut self.nodes[node as usize];
        let value: f64 = here.belief.iter().map(|&(s, p)| p * vector[s as usize]).sum();
        if value > here.held + 0.5 * self.least && value > here.held {
            let part = &mut self.bounds.stages[stage].parts[cell];
            here.best = part.vectors() as u32;
            here.held = value;
            here.lower = here.lower.max(value);
            self.bytes += 8 * vector.len();
            part.push(self.branches[chosen].0 as u32, vector);
            self.changed = true;
            let shelf = self.shelf(stage, cell);
            if part_len(self.bounds, stage, cell) > self.shelves[shelf].most_vectors {
                self.prune_vectors(stage, cell);
            }
        }
    }

    /// Lowers the upper bound of a node, with a point where its part keeps them.
    fn press(&mut self, node: u32, upper: f64) {
        let here = &mut self.nodes[node as usize];
        let (stage, cell) = (here.stage as usize, here.cell as usize);
        if upper >= here.upper - self.least {
            return;
        }
        here.upper = upper;
        self.changed = true;
        if !self.bounds.cells.is_closed(cell) || here.belief.len() == 1 && upper >= here.top {
            return;
        }
        let shelf = stage * self.bounds.cells.members.len() + cell;
        let points = &mut self.bounds.stages[stage].parts[cell].points;
        if here.point != NONE {
            points.drop(here.point as usize);
        }
        here.point = points.len() as u32;
        points.push(&here.belief, upper - here.top);
        self.bytes += 44 + 16 * here.belief.len();
        self.shelves[shelf].owners.push(node);
        if self.shelves[shelf].owners.len() > self.shelves[shelf].most_points {
            self.prune_points(stage, cell);
        }
    }

    /// The vector of taking `branch` and then, for each observation, the vector that is best at the successor.
    fn vector(&mut self, node: u32, branch: usize) -> Vec<f64> {
        let (action, m) = self.branches[branch];
        let here = &self.nodes[node as usize];
        let cell = here.cell as usize;
        let next_stage = here.stage as usize + usize::from(!self.bounds.stationary);
        let states = self.model.states().len();
        let dynamics = &self.model.dynamics()[m];
        let kernel = dynamics.observation.as_ref().expect("checked: the model has observations");
        let mut chosen = vec![NONE; kernel.columns()];
        // An observation that cannot come from here still needs a vector: the one best at the likeliest successor in its cell.
        let mut fallback: FxHashMap<u32, (f64, u32)> = FxHashMap::default();
        for child in here.branches[branch].children.as_deref().unwrap_or_default() {
            let after = &self.nodes[child.node as usize];
            chosen[child.observation as usize] = after.best;
            let entry = fallback.entry(after.cell).or_insert((0.0, 0));
            if child.probability > entry.0 {
                *entry = (child.probability, after.best);
            }
        }
        // Other states of this cell may lead to cells that the belief itself does not: there, the one best on the cell's mean.
        for i in 0..self.bounds.cells.members[cell].len() {
            let from = self.bounds.cells.members[cell][i] as usize;
            for (to, _) in dynamics.transition.pairs(action * states + from) {
                let cell = self.bounds.cells.cell_of(to);
                fallback.entry(cell as u32).or_insert_with(|| (0.0, self.best_on_mean(next_stage, cell)));
            }
        }
        let next = &self.bounds.stages[next_stage];
        self.calls += 1;
        let rewards = &self.model.expected_reward(m)[action * states..][..states];
        let mut out = Vec::with_capacity(self.bounds.cells.members[cell].len());
        for &from in &self.bounds.cells.members[cell] {
            let mut mean = 0.0;
            for (to, p) in dynamics.transition.pairs(action * states + from as usize) {
                if self.ahead[to].0 != self.calls {
                    let cell = self.bounds.cells.cell_of(to);
                    let row = &next.parts[cell].rows[self.bounds.cells.index(cell, to)];
                    let mut value = 0.0;
                    for (o, q) in kernel.pairs(action * states + to) {
                        if chosen[o] == NONE {
                            chosen[o] = fallback[&(cell as u32)].1;
                        }
                        value += q * row[chosen[o] as usize];
                    }
                    self.ahead[to] = (self.calls, value);
                }
                mean += p * self.ahead[to].1;
            }
            out.push(rewards[from as usize] + self.model.discount() * mean);
        }
        out
    }

    /// The vector that is best on the mean of a cell's states.
    fn best_on_mean(&mut self, stage: usize, cell: usize) -> u32 {
        let states = self.bounds.cells.members[cell].len() as u32;
        let mean: Sparse = (0..states).map(|s| (s, 1.0 / f64::from(states))).collect();
        let node = self.node(stage, cell, &mean);
        self.refresh(node);
        self.nodes[node as usize].best
    }

    /// Drops the vectors that are best at no node (dominance at sampled beliefs: Kurniawati et al. 2008).
    fn prune_vectors(&mut self, stage: usize, cell: usize) {
        let shelf = self.shelf(stage, cell);
        let nodes = std::mem::take(&mut self.shelves[shelf].nodes);
        let count = part_len(self.bounds, stage, cell);
        let mut keep = vec![false; count];
        for &node in &nodes {
            if !self.nodes[node as usize].branches.is_empty() {
                self.refresh(node);
                keep[self.nodes[node as usize].best as usize] = true;
            }
        }
        // The one just made, and those without which a leaf would fall back below the bound it had.
        keep[count - 1] = true;
        for &node in &nodes {
            let best = |graph: &Self| graph.nodes[node as usize].best;
            if best(self) != NONE && !keep[best(self) as usize] {
                self.refresh(node);
                keep[best(self) as usize] = true;
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
        part.retain(&keep);
        self.bytes -= 8 * part.rows.len() * (count - part.vectors());
        self.shelves[shelf].most_vectors = (2 * part.vectors()).max(128);
        self.shelves[shelf].nodes = nodes;
    }

    /// Drops the points that lower ones have replaced and those that others make superfluous.
    fn prune_points(&mut self, stage: usize, cell: usize) {
        let shelf = self.shelf(stage, cell);
        let owners = std::mem::take(&mut self.shelves[shelf].owners);
        for (i, &owner) in owners.iter().enumerate() {
            self.refresh(owner);
            let node = &mut self.nodes[owner as usize];
            let points = &mut self.bounds.stages[stage].parts[cell].points;
            if node.upper - node.top < points.below(i) {
                points.drop(i);
            }
            if points.below(i) >= 0.0 && node.point == i as u32 {
                node.point = NONE;
            }
        }
        let points = &mut self.bounds.stages[stage].parts[cell].points;
        let before_bytes = points.bytes();
        let keep = points.compact();
        self.bytes -= before_bytes - points.bytes() + 4 * (keep.len() - points.len());
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

fn part_len(bounds: &VectorBounds, stage: usize, cell: usize) -> usize {
    bounds.stages[stage].parts[cell].vectors()
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
