//! Beliefs as the states of an MDP, and its value.
//!
//! A backup lowers an upper bound by what its successors' have fallen, times γ: where the discount is close to 1, each takes off a (1 - γ)-th of
//! what is too much. But if every successor's bound is a mixture of a grid's beliefs, then so are all actions' values: an MDP whose states are
//! the grid's beliefs, the value of which is a bound (Lovejoy, Operations Research 39, 1991; Hauskrecht, JAIR 2000). Policy iteration has it in a
//! few systems of linear equations, whatever the discount, and mixtures that are chosen by these values make them lower still.
//!
//! It is proven thus. Let values x of the grid be such that no action's value at one of its beliefs, reckoned with their mixtures, is above its
//! own x. Mixtures bound whatever is convex, so that the backup of their lower envelope U is nowhere above U: U bounds the value.
//! Where the values found miss that by e, x + e / (1 - γ) does not.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;

use rustc_hash::{FxHashMap, FxHashSet};

use super::graph::{Child, Graph, NONE};
use super::sawtooth::Sawtooth;
use crate::limits::Late;
use crate::linear::{DIRECTIONS, fixed_point};

/// Improvements of the policy under given mixtures, and choices of mixtures.
const IMPROVEMENTS: usize = 40;
const CHOICES: usize = 16;
/// Mixtures are chosen anew while that lowers some value by this share of the gap at the start.
const PAYS: f64 = 0.02;
/// Beliefs that a grid grows by at least, if there are so many; and by half of what it has.
const LEAST: usize = 16;
/// What a policy gains less than, as a share of the largest value, is rounding.
const ROUNDING: f64 = 1e-14;

/// What an action is worth at a belief: a constant, and a mixture of the grid's values.
#[derive(Default)]
struct Row {
    constant: f64,
    weights: Vec<(u32, f64)>,
}

impl Row {
    fn value(&self, x: &[f64], discount: f64) -> f64 {
        let after: f64 = self.weights.iter().map(|&(g, w)| w * x[g as usize]).sum();
        self.constant + discount * after
    }
}

/// The MDP.
#[derive(Default)]
pub(super) struct Grid {
    /// Its beliefs: those certain of a state, by state, and others.
    pub nodes: Vec<u32>,
    pub of: FxHashMap<u32, u32>,
    /// The branch that is best at each.
    pub policy: Vec<usize>,
    values: Vec<f64>,
    /// By belief and branch; none for branches that were not looked into, whose bounds stand as they are.
    rows: Vec<Vec<Option<Row>>>,
    /// The beliefs as a sawtooth, by cell, and which each point is.
    teeth: Vec<(Sawtooth, Vec<u32>)>,
}

impl Grid {
    /// What it holds, and what its equations take.
    fn bytes(&self) -> usize {
        let rows = self.rows.iter().flatten().flatten().map(|row| size_of::<Row>() + 16 * row.weights.capacity());
        let teeth: usize = self.teeth.iter().map(|(teeth, owners)| teeth.bytes() + 4 * owners.capacity()).sum();
        rows.sum::<usize>() + teeth + self.nodes.len() * (8 * (DIRECTIONS + 4) + size_of::<Vec<Option<Row>>>())
    }
}

/// A belief to look at, by how likely it is.
struct Open(f64, u32);

impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(other.1.cmp(&self.1))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Open {}

impl Graph<'_> {
    /// Lowers the upper bounds of a grid that grows to `most` beliefs beside the corners, by those to which its policy leads and that are not in it: once there
    /// are none, nothing is mixed that matters, and the value is exact.
    pub(super) fn settle_grid(&mut self, root: u32, most: usize) -> Result<Grid, Late> {
        let states = self.model.states().len();
        let mut grid = Grid::default();
        for state in 0..states as u32 {
            self.watch.spend(1 << 8)?;
            let corner = self.enter(0, &[(state, 1.0)]);
            self.add(&mut grid, corner)?;
        }
        for node in std::mem::take(&mut self.leaps.grid) {
            self.add(&mut grid, node)?;
        }
        for round in 0..CHOICES {
            let before = grid.values.clone();
            self.choose_mixtures(&mut grid)?;
            self.iterate_policy(&mut grid)?;
            self.take_grid(&grid);
            let room = (states + most).saturating_sub(grid.nodes.len()).min(grid.nodes.len() / 2 + LEAST);
            let grows = self.frontier(root, &grid, room)?;
            let (lower, upper) = self.bounds_at(root);
            let fell = |(before, after): (&f64, &f64)| before - after;
            let largest = before.iter().zip(&grid.values).map(fell).fold(0.0, f64::max);
            if grows.is_empty() && round > 0 && largest <= PAYS * (upper - lower) || upper - lower <= 0.0 {
                break;
            }
            for node in grows {
                self.add(&mut grid, node)?;
            }
        }
        self.leaps.bytes = grid.bytes();
        self.leaps.grid = grid.nodes[states..].to_vec();
        Ok(grid)
    }

    fn add(&mut self, grid: &mut Grid, node: u32) -> Result<(), Late> {
        self.watch.spend(1 << 10)?;
        let best = self.highest(node, |_| true);
        if let Entry::Vacant(entry) = grid.of.entry(node) {
            entry.insert(grid.nodes.len() as u32);
            grid.nodes.push(node);
            grid.policy.push(best);
            grid.values.push(self.nodes[node as usize].upper);
        }
        Ok(())
    }

    /// The likeliest `most` of the beliefs beside the grid that its policy comes to from the start.
    fn frontier(&mut self, root: u32, grid: &Grid, most: usize) -> Result<Vec<u32>, Late> {
        let mut found = Vec::new();
        let (mut open, mut seen) = (BinaryHeap::from([Open(1.0, root)]), FxHashSet::from_iter([root]));
        // Ends: each belief is opened once, and of those that are not in the grid none is gone beyond.
        while let Some(Open(likely, node)) = open.pop() {
            if found.len() == most {
                break;
            }
            self.watch.spend(1 << 6)?;
            let branch = match grid.of.get(&node) {
                Some(&g) => grid.policy[g as usize],
                None if self.bounds.cells.is_closed(self.nodes[node as usize].cell as usize) => {
                    found.push(node);
                    continue;
                }
                None => self.highest(node, |_| true),
            };
            for child in self.nodes[node as usize].branches[branch].children.as_deref().unwrap_or_default() {
                if seen.insert(child.node) {
                    open.push(Open(likely * child.probability, child.node));
                }
            }
        }
        Ok(found)
    }

    /// Makes every successor's bound the lowest mixture of the grid's values as they are, of those that have one belief beside the corners.
    fn choose_mixtures(&self, grid: &mut Grid) -> Result<(), Late> {
        let members = &self.bounds.cells.members;
        grid.teeth = members.iter().map(|_| Default::default()).collect();
        for (g, &node) in grid.nodes.iter().enumerate().skip(self.model.states().len()) {
            let here = &self.nodes[node as usize];
            let cell = here.cell as usize;
            let corners = here.belief.iter().map(|&(s, p)| p * grid.values[members[cell][s as usize] as usize]);
            let below = grid.values[g] - corners.sum::<f64>();
            if below < 0.0 {
                grid.teeth[cell].0.push(&here.belief, below);
                grid.teeth[cell].1.push(g as u32);
            }
        }
        let mut rows = Vec::with_capacity(grid.nodes.len());
        for &node in &grid.nodes {
            let branches = &self.nodes[node as usize].branches;
            let row = |branch: usize| branches[branch].children.is_some().then(|| self.row(grid, node, branch));
            rows.push((0..branches.len()).map(|branch| row(branch).transpose()).collect::<Result<_, Late>>()?);
        }
        grid.rows = rows;
        Ok(())
    }

    /// A branch that was looked into, with every successor's bound as a mixture.
    fn row(&self, grid: &Grid, node: u32, branch: usize) -> Result<Row, Late> {
        let here = &self.nodes[node as usize].branches[branch];
        let mut row = Row { constant: here.reward, weights: Vec::new() };
        for child in here.children.as_deref().unwrap_or_default() {
            self.mix(grid, child, &mut row)?;
        }
        row.weights.sort_unstable_by_key(|entry| entry.0);
        row.weights.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0.0 };
            same
        });
        Ok(row)
    }

    /// Adds a successor.
    fn mix(&self, grid: &Grid, child: &Child, row: &mut Row) -> Result<(), Late> {
        if let Some(&g) = grid.of.get(&child.node) {
            row.weights.push((g, child.probability));
            return Ok(());
        }
        let after = &self.nodes[child.node as usize];
        let (cell, belief) = (after.cell as usize, &after.belief);
        if !self.bounds.cells.is_closed(cell) {
            row.constant += self.model.discount() * child.probability * after.upper;
            return Ok(());
        }
        let members = &self.bounds.cells.members[cell];
        let (teeth, owners) = &grid.teeth[cell];
        self.watch.spend(belief.len() + 4 * owners.len())?;
        let mut dense = vec![0.0; members.len()];
        belief.iter().for_each(|&(s, p)| dense[s as usize] = p);
        if let Some((point, times)) = teeth.deepest_point(&dense) {
            let owner = owners[point];
            row.weights.push((owner, child.probability * times));
            for &(s, p) in &self.nodes[grid.nodes[owner as usize] as usize].belief {
                dense[s as usize] = (dense[s as usize] - times * p).max(0.0);
            }
        }
        let corners = belief.iter().filter(|&&(s, _)| dense[s as usize] > 0.0);
        row.weights.extend(corners.map(|&(s, _)| (members[s as usize], child.probability * dense[s as usize])));
        Ok(())
    }

    /// The value of the MDP under its mixtures (Howard 1960).
    fn iterate_policy(&mut self, grid: &mut Grid) -> Result<(), Late> {
        let discount = self.model.discount();
        let mut first = true;
        for _ in 0..IMPROVEMENTS {
            let mut changed = std::mem::take(&mut first);
            let scale = grid.values.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            for g in 0..grid.nodes.len() {
                self.watch.spend(64)?;
                // Ends: a branch is looked into once.
                loop {
                    let value = |branch: usize| self.value(grid, g, branch);
                    let better = |best: (usize, f64), branch: usize| {
                        let value = value(branch);
                        if value > best.1 + ROUNDING * scale { (branch, value) } else { best }
                    };
                    let kept = (grid.policy[g], value(grid.policy[g]));
                    let (best, _) = (0..self.branches.len()).fold(kept, better);
                    changed |= grid.policy[g] != best;
                    grid.policy[g] = best;
                    if grid.rows[g][best].is_some() {
                        break;
                    }
                    self.evaluate(grid.nodes[g], best);
                    grid.rows[g][best] = Some(self.row(grid, grid.nodes[g], best)?);
                    changed = true;
                }
            }
            if !changed {
                break;
            }
            let chosen: Vec<&Row> =
                grid.policy.iter().zip(&grid.rows).filter_map(|(&b, rows)| rows[b].as_ref()).collect();
            let mut map = |x: &[f64], out: &mut [f64]| {
                out.iter_mut().zip(&chosen).for_each(|(out, row)| *out = row.value(x, discount));
            };
            let cost = chosen.iter().map(|row| row.weights.len()).sum();
            fixed_point(&mut map, cost, &mut grid.values, self.watch)?;
        }
        Ok(())
    }

    /// What a branch is worth at a belief of the grid.
    fn value(&self, grid: &Grid, g: usize, branch: usize) -> f64 {
        match &grid.rows[g][branch] {
            Some(row) => row.value(&grid.values, self.model.discount()),
            None => self.nodes[grid.nodes[g] as usize].branches[branch].upper,
        }
    }

    /// Takes over what is lower than it was.
    fn take_grid(&mut self, grid: &Grid) {
        let mut most = 0.0_f64;
        for g in 0..grid.nodes.len() {
            for branch in 0..self.branches.len() {
                most = most.max(self.value(grid, g, branch) - grid.values[g]);
            }
        }
        let shift = most / (1.0 - self.model.discount());
        for (&node, x) in grid.nodes.iter().zip(&grid.values) {
            if !(x + shift).is_finite() {
                continue;
            }
            self.catch_up(node as usize);
            let (upper, here) = (x + shift, &self.nodes[node as usize]);
            if upper >= here.upper - self.least {
                continue;
            }
            let (cell, point) = (here.cell as usize, here.point);
            if point == NONE {
                self.press(node, upper);
            } else {
                let below = upper - here.top;
                self.nodes[node as usize].upper = upper;
                self.bounds.stages[0].parts[cell].points.lower(point as usize, below);
                self.changed = true;
            }
        }
        self.take_corners();
        self.sweep();
    }
}
