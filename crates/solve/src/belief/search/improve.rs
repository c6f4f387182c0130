//! Backups: a vector below, a point above.

use rustc_hash::FxHashMap;

use super::graph::{Graph, NONE};
use crate::belief::backup::Sparse;

/// What the vectors of [`Graph::vector`] read, by state, and in which call it was made.
pub(super) struct Ahead {
    pub call: u64,
    pub values: Vec<(u64, f64)>,
}

impl Graph<'_> {
    /// A point-based backup (Pineau, Gordon, Thrun 2003) below and a Bellman backup above.
    pub fn improve(&mut self, node: u32) {
        self.backups += 1;
        self.refresh(node);
        let top = self.highest(node, |_| true);
        self.lift(node);
        self.nodes[node as usize].worth = self.worth(node, top);
        let upper = self.nodes[node as usize].branches[top].upper;
        self.press(node, upper);
    }

    /// What the leaf below `branch` that adds most to the gap of `node` adds to it.
    fn worth(&self, node: u32, branch: usize) -> f64 {
        let children = self.nodes[node as usize].branches[branch].children.as_deref().unwrap_or_default();
        let others = children.iter().filter(|child| child.node != node);
        let adds = others.map(|child| {
            let after = &self.nodes[child.node as usize];
            child.probability * after.worth.min(after.upper - after.lower)
        });
        self.model.discount() * adds.fold(0.0, f64::max)
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
        let (vector, follows) = self.vector(node, chosen);
        let here = &mut self.nodes[node as usize];
        let value: f64 = here.belief.iter().map(|&(s, p)| p * vector[s as usize]).sum();
        if value > here.held + 0.5 * self.least && value > here.held {
            let part = &mut self.bounds.stages[stage].parts[cell];
            here.best = part.vectors() as u32;
            here.held = value;
            here.lower = here.lower.max(value);
            part.push(self.branches[chosen].0 as u32, vector);
            self.changed = true;
            let shelf = self.shelf(stage, cell);
            self.shelves[shelf].vectors.push(self.lineage.add(follows));
            if self.bounds.stages[stage].parts[cell].vectors() > self.shelves[shelf].most_vectors {
                self.prune_vectors(stage, cell);
            }
        }
    }

    /// Lowers the upper bound of a node, with a point where its part keeps them.
    pub(super) fn press(&mut self, node: u32, upper: f64) {
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
        self.shelves[shelf].owners.push(node);
        if self.shelves[shelf].owners.len() > self.shelves[shelf].most_points {
            self.prune_points(stage, cell);
        }
    }

    /// The vector of taking `branch` and then, for each observation, the vector that is best at the successor; and the numbers of
    /// these.
    fn vector(&mut self, node: u32, branch: usize) -> (Vec<f64>, Vec<u32>) {
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
        let mut follows: Vec<(u32, u32)> = Vec::new();
        for child in here.branches[branch].children.as_deref().unwrap_or_default() {
            let after = &self.nodes[child.node as usize];
            chosen[child.observation as usize] = after.best;
            follows.push((after.cell, after.best));
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
        self.ahead.call += 1;
        let call = self.ahead.call;
        let rewards = &self.model.expected_reward(m)[action * states..][..states];
        let mut out = Vec::with_capacity(self.bounds.cells.members[cell].len());
        for &from in &self.bounds.cells.members[cell] {
            let mut mean = 0.0;
            for (to, p) in dynamics.transition.pairs(action * states + from as usize) {
                if self.ahead.values[to].0 != call {
                    let cell = self.bounds.cells.cell_of(to);
                    let row = &next.parts[cell].rows[self.bounds.cells.index(cell, to)];
                    let mut value = 0.0;
                    for (o, q) in kernel.pairs(action * states + to) {
                        if chosen[o] == NONE {
                            chosen[o] = fallback[&(cell as u32)].1;
                            follows.push((cell as u32, chosen[o]));
                        }
                        value += q * row[chosen[o] as usize];
                    }
                    self.ahead.values[to] = (call, value);
                }
                mean += p * self.ahead.values[to].1;
            }
            out.push(rewards[from as usize] + self.model.discount() * mean);
        }
        let number = |(cell, i): (u32, u32)| self.shelves[self.shelf(next_stage, cell as usize)].vectors[i as usize];
        (out, follows.into_iter().map(number).collect())
    }

    /// The vector that is best on the mean of a cell's states.
    pub(super) fn best_on_mean(&mut self, stage: usize, cell: usize) -> u32 {
        let states = self.bounds.cells.members[cell].len() as u32;
        let mean: Sparse = (0..states).map(|s| (s, 1.0 / f64::from(states))).collect();
        let node = self.node(stage, cell, &mean);
        self.refresh(node);
        self.nodes[node as usize].best
    }
}
