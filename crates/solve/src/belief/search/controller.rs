//! The vectors' plans as one controller, and what it is worth for good.
//!
//! A vector is worth an action and then vectors that were there before it, the first of which repeat one action for ever: where the discount is
//! close to 1, each backup adds a (1 - γ)-th of what is missing. But the best vectors, each followed by those that are best at its
//! successors, are a controller that goes on for ever, and its value solves linear equations (Hansen, "Solving POMDPs by searching in policy
//! space", UAI 1998). Nothing is assumed of it: it is a policy, so that its value is a lower bound however it was found, and its vectors
//! are kept beside the others where they are better.

use rustc_hash::FxHashMap;

use super::graph::{Graph, NONE};
use super::grid::Grid;
use crate::limits::Late;
use crate::linear::fixed_point;

/// Values of a controller at most; plans beyond that are followed by vectors as they stand.
const MOST_VALUES: usize = 1 << 15;
/// Controllers made of each other's vectors: policy iteration.
const ROUNDS: usize = 20;
/// A round pays that closes this share of the gap at the start.
const PAYS: f64 = 0.05;

/// An action at the beliefs of a cell, and what comes after each observation.
struct Plan {
    cell: usize,
    branch: usize,
    after: Vec<Next>,
    /// After observations that its witness does not expect, by the cell that they lead to.
    otherwise: FxHashMap<usize, Next>,
    /// Where its values begin.
    from: usize,
    /// The belief that it was made for.
    witness: u32,
}

impl Plan {
    /// What comes after an observation that led to a cell.
    fn next(&self, observation: usize, cell: usize) -> Next {
        match self.after[observation] {
            Next::Unknown => self.otherwise[&cell],
            next => next,
        }
    }
}

#[derive(Clone, Copy)]
enum Next {
    Unknown,
    Plan(usize),
    /// A vector of the cell, as it stands.
    Vector(u32),
}

/// Plans by the vector that they are to replace.
#[derive(Default)]
struct Plans {
    list: Vec<Plan>,
    known: FxHashMap<(usize, u32), usize>,
    values: usize,
}

impl Graph<'_> {
    /// Adds the vectors of what the grid's policy is worth when it is played: at the belief of the grid that is nearest.
    pub(super) fn play_grid(&mut self, root: u32, grid: &Grid) -> Result<(), Late> {
        let plans = self.plans(root, Some(grid))?;
        self.add_worth(&plans.list, vec![0.0; plans.values])?;
        self.evaluate_best(root);
        Ok(())
    }

    /// Adds the vectors of controllers as long as they are better.
    pub(super) fn close_controllers(&mut self, root: u32) -> Result<(), Late> {
        for _ in 0..ROUNDS {
            let (before, upper) = self.bounds_at(root);
            if !self.close_controller(root)? {
                break;
            }
            self.evaluate_best(root);
            let (after, _) = self.bounds_at(root);
            if after - before <= PAYS * (upper - before) {
                break;
            }
        }
        Ok(())
    }

    /// The controller of the vectors that are best from `root` on; whether any of its vectors was worth keeping.
    fn close_controller(&mut self, root: u32) -> Result<bool, Late> {
        let plans = self.plans(root, None)?;
        let mut values = vec![0.0; plans.values];
        for (&(cell, vector), &plan) in &plans.known {
            let rows = &self.bounds.stages[0].parts[cell].rows;
            for (value, row) in values[plans.list[plan].from..].iter_mut().zip(rows) {
                *value = row[vector as usize];
            }
        }
        self.add_worth(&plans.list, values)
    }

    /// Adds what plans are worth for good, found from `values`; whether any of them was worth keeping.
    fn add_worth(&mut self, plans: &[Plan], mut values: Vec<f64>) -> Result<bool, Late> {
        let mut ahead = std::mem::take(&mut self.ahead.values);
        ahead.iter_mut().for_each(|entry| entry.0 = 0);
        self.ahead.call = 0;
        let rows = self
            .model
            .dynamics()
            .iter()
            .map(|dynamics| dynamics.transition.entries() / dynamics.transition.rows().max(1) + 1);
        let cost = values.len() * rows.max().unwrap_or(1);
        let solved = {
            let mut call = 0;
            let mut map = |x: &[f64], out: &mut [f64]| {
                for plan in plans {
                    call += 1;
                    self.follow(plan, plans, x, call, &mut ahead, out);
                }
            };
            fixed_point(&mut map, cost, &mut values, self.watch).map(|()| {
                // No plan is worth less than this, whatever the method came to.
                let mut after = vec![0.0; values.len()];
                map(&values, &mut after);
                let least = after.iter().zip(&values).map(|(after, value)| after - value).fold(0.0, f64::min);
                let shift = least / (1.0 - self.model.discount());
                values.iter_mut().for_each(|value| *value += shift);
            })
        };
        ahead.iter_mut().for_each(|entry| entry.0 = 0);
        self.ahead.values = ahead;
        solved?;
        let worth = |plan: &Plan| -> f64 {
            let belief = &self.nodes[plan.witness as usize].belief;
            belief.iter().map(|&(s, p)| p * values[plan.from + s as usize]).sum()
        };
        if !values.iter().all(|value| value.is_finite())
            || !plans.iter().any(|plan| worth(plan) > self.nodes[plan.witness as usize].held + self.least)
        {
            return Ok(false);
        }
        // They go on with each other and with some that were there, so that all of them stay.
        for plan in plans {
            for (cell, vector) in self.fixed(plan) {
                let shelf = self.shelf(0, cell);
                self.lineage.keep(self.shelves[shelf].vectors[vector as usize]);
            }
        }
        for (plan, number) in plans.iter().zip(self.lineage.adopt(plans.len())) {
            let part = &mut self.bounds.stages[0].parts[plan.cell];
            let members = self.bounds.cells.members[plan.cell].len();
            part.push(self.branches[plan.branch].0 as u32, values[plan.from..][..members].iter().copied());
            let shelf = self.shelf(0, plan.cell);
            self.shelves[shelf].vectors.push(number);
        }
        for plan in plans {
            self.refresh(plan.witness);
        }
        self.changed = true;
        Ok(true)
    }

    /// The vectors as they stand that a plan goes on with, by cell, each once.
    fn fixed(&self, plan: &Plan) -> Vec<(usize, u32)> {
        let (action, m) = self.branches[plan.branch];
        let states = self.model.states().len();
        let dynamics = &self.model.dynamics()[m];
        let kernel = dynamics.observation.as_ref().expect("checked: the model has observations");
        let mut found: Vec<(usize, u32)> = Vec::new();
        for &from in &self.bounds.cells.members[plan.cell] {
            for (to, _) in dynamics.transition.pairs(action * states + from as usize) {
                let cell = self.bounds.cells.cell_of(to);
                for (o, _) in kernel.pairs(action * states + to) {
                    if let Next::Vector(vector) = plan.next(o, cell) {
                        found.push((cell, vector));
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// One plan for each vector that is best at a belief to which those before it lead, first at the start.
    fn plans(&mut self, root: u32, grid: Option<&Grid>) -> Result<Plans, Late> {
        let mut plans = Plans::default();
        // Beliefs that spread over cells have no vectors of their own.
        let (mut open, mut seen) = (vec![root], vec![root]);
        // Ends: each belief comes once, and only what is between the start and the first cells does.
        while let Some(node) = open.pop() {
            if self.bounds.cells.is_closed(self.nodes[node as usize].cell as usize) {
                self.goes_on(node, grid, &mut plans);
                continue;
            }
            self.watch.spend(1 << 10)?;
            let branch = self.evaluate_best(node);
            let children = self.nodes[node as usize].branches[branch].children.as_deref().unwrap_or_default();
            for child in children {
                if !seen.contains(&child.node) {
                    seen.push(child.node);
                    open.push(child.node);
                }
            }
        }
        let mut done = 0;
        // Ends: a plan is made once for each vector.
        while done < plans.list.len() {
            self.watch.spend(1 << 10)?;
            let (node, cell) = (plans.list[done].witness, plans.list[done].cell);
            let branch = match grid {
                Some(grid) => grid.policy[grid.of[&node] as usize],
                None => self.evaluate_best(node),
            };
            let (action, m) = self.branches[branch];
            let dynamics = &self.model.dynamics()[m];
            let observations = dynamics.observation.as_ref().map_or(0, tiresias_model::Kernel::columns);
            let children = self.nodes[node as usize].branches[branch].children.clone().unwrap_or_default();
            let mut after = vec![Next::Unknown; observations];
            let mut likeliest: FxHashMap<usize, (f64, Next)> = FxHashMap::default();
            for child in &children {
                let next = self.goes_on(child.node, grid, &mut plans);
                after[child.observation as usize] = next;
                let entry =
                    likeliest.entry(self.nodes[child.node as usize].cell as usize).or_insert((child.probability, next));
                if child.probability > entry.0 {
                    *entry = (child.probability, next);
                }
            }
            let mut otherwise: FxHashMap<usize, Next> =
                likeliest.into_iter().map(|(cell, (_, next))| (cell, next)).collect();
            let states = self.model.states().len();
            for i in 0..self.bounds.cells.members[cell].len() {
                let from = self.bounds.cells.members[cell][i] as usize;
                for (to, _) in dynamics.transition.pairs(action * states + from) {
                    let cell = self.bounds.cells.cell_of(to);
                    otherwise.entry(cell).or_insert_with(|| Next::Vector(self.best_on_mean(0, cell)));
                }
            }
            let plan = &mut plans.list[done];
            (plan.branch, plan.after, plan.otherwise) = (branch, after, otherwise);
            done += 1;
        }
        Ok(plans)
    }

    /// What goes on at a belief: the plan of its best vector, which is to be made if there is none and there is room.
    fn goes_on(&mut self, node: u32, grid: Option<&Grid>, plans: &mut Plans) -> Next {
        self.refresh(node);
        let here = &self.nodes[node as usize];
        let (cell, best) = (here.cell as usize, here.best);
        let (witness, key) = match grid {
            Some(grid) => {
                let near = self.nearest(node, grid);
                (near, near)
            }
            None => (node, best),
        };
        if let Some(&plan) = plans.known.get(&(cell, key)) {
            return Next::Plan(plan);
        }
        let members = self.bounds.cells.members[cell].len();
        if plans.values + members > MOST_VALUES {
            return Next::Vector(best);
        }
        let plan = plans.list.len();
        plans.known.insert((cell, key), plan);
        let from = plans.values;
        plans.values += members;
        plans.list.push(Plan { cell, branch: 0, after: Vec::new(), otherwise: FxHashMap::default(), from, witness });
        Next::Plan(plan)
    }

    /// The belief of the grid that is nearest to a node's, in its cell: there is one, as all states are in the grid.
    fn nearest(&self, node: u32, grid: &Grid) -> u32 {
        if grid.of.contains_key(&node) {
            return node;
        }
        let here = &self.nodes[node as usize];
        let mut dense = vec![0.0; self.bounds.cells.members[here.cell as usize].len()];
        here.belief.iter().for_each(|&(s, p)| dense[s as usize] = p);
        // Of two beliefs, what they have in common is 1 less half their distance.
        let common = |other: u32| -> f64 {
            let other = &self.nodes[other as usize];
            if other.cell == here.cell {
                other.belief.iter().map(|&(s, p)| p.min(dense[s as usize])).sum()
            } else {
                -1.0
            }
        };
        let better = |best: (u32, f64), &other: &u32| {
            let common = common(other);
            if common > best.1 { (other, common) } else { best }
        };
        grid.nodes.iter().fold((node, -0.5), better).0
    }

    /// The branch of a node with the highest lower bound, of those that are worth a look.
    fn evaluate_best(&mut self, node: u32) -> usize {
        self.highest(node, |_| true);
        let here = &self.nodes[node as usize];
        if here.best != NONE {
            let action = self.bounds.stages[0].parts[here.cell as usize].actions[here.best as usize] as usize;
            let own: Vec<usize> = (0..self.branches.len()).filter(|&b| self.branches[b].0 == action).collect();
            own.into_iter().for_each(|branch| self.evaluate(node, branch));
        }
        let branches = &self.nodes[node as usize].branches;
        let better = |best: usize, b: usize| if branches[b].lower > branches[best].lower { b } else { best };
        let best = (0..branches.len()).fold(0, better);
        self.evaluate(node, best);
        let lower = self.nodes[node as usize].branches[best].lower;
        let here = &mut self.nodes[node as usize];
        if !self.bounds.cells.is_closed(here.cell as usize) {
            here.lower = here.lower.max(lower);
        }
        best
    }

    /// What a plan is worth when the plans go on with the values `x`, into its own part of `out`.
    fn follow(&self, plan: &Plan, plans: &[Plan], x: &[f64], call: u64, ahead: &mut [(u64, f64)], out: &mut [f64]) {
        let (action, m) = self.branches[plan.branch];
        let states = self.model.states().len();
        let dynamics = &self.model.dynamics()[m];
        let kernel = dynamics.observation.as_ref().expect("checked: the model has observations");
        let rewards = &self.model.expected_reward(m)[action * states..][..states];
        let members = &self.bounds.cells.members[plan.cell];
        for (&from, out) in members.iter().zip(&mut out[plan.from..]) {
            let mut mean = 0.0;
            for (to, p) in dynamics.transition.pairs(action * states + from as usize) {
                if ahead[to].0 != call {
                    let cell = self.bounds.cells.cell_of(to);
                    let index = self.bounds.cells.index(cell, to);
                    let row = &self.bounds.stages[0].parts[cell].rows[index];
                    let value = |(o, q): (usize, f64)| {
                        q * match plan.next(o, cell) {
                            Next::Plan(next) => x[plans[next].from + index],
                            Next::Vector(next) => row[next as usize],
                            Next::Unknown => unreachable!("what is not expected has its vector"),
                        }
                    };
                    ahead[to] = (call, kernel.pairs(action * states + to).map(value).sum());
                }
                mean += p * ahead[to].1;
            }
            *out = rewards[from as usize] + self.model.discount() * mean;
        }
    }
}
