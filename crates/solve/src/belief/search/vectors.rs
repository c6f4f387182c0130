//! Bounds on a convex value function: α-vectors below, a sawtooth above, a set of each for every stage and cell.

use std::cell::Cell;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::cells::Cells;
use super::fib;
use super::plans;
use super::sawtooth::Sawtooth;
use crate::belief::backup::{Bracket, ValueBounds};
use crate::belief::corners::{Corners, dot};
use crate::belief::value_function::{PlanSet, ValueFunction};
use crate::limits::{Late, Watch};

/// Vectors whose inner products are summed up at a time: in registers, as the widest machines have them.
pub(super) const BLOCK: usize = 32;

/// More stages than this take long enough to be set up that the clock is looked at meanwhile.
pub(crate) const MANY_STAGES: usize = 256;

/// Numbers to lay out for which the clock is not looked at.
const SMALL: usize = 1 << 16;

/// What the decision-maker chooses from: an action, and with α = 0 also the model, which nature then picks to please.
pub(crate) type Branches = Vec<(usize, usize)>;

pub(crate) fn branches(model: &Model) -> Branches {
    (0..model.actions().len()).flat_map(|a| (0..model.dynamics().len()).map(move |m| (a, m))).collect()
}

/// Stages 0 to H, or one stationary stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct VectorBounds {
    pub stationary: bool,
    pub cells: Cells,
    pub stages: Vec<Stage>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stage {
    /// Upper bounds at the corners.
    pub top: Vec<f64>,
    /// Linear upper bounds on the value of each branch, `[branch][state]`.
    pub branch_top: Vec<f64>,
    /// By cell.
    pub parts: Vec<Part>,
}

/// The bounds of one stage over the beliefs of one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// α-vectors, `[state of the cell][vector]`: a belief's inner products with all of them run along the rows of its support.
    pub rows: Vec<Vec<f64>>,
    /// The action that each vector begins with.
    pub actions: Vec<u32>,
    pub points: Sawtooth,
}

impl VectorBounds {
    /// What the search begins with. Late, it has the linear bounds only; where stages are many, too late for that.
    pub fn new(model: &Model, corners: &Corners, watch: &Watch) -> Result<Self, Late> {
        let s = corners.states;
        // Small models are laid out at any rate.
        let laid_out = Cell::new(0_usize);
        let spend = |work: usize| {
            laid_out.set(laid_out.get().saturating_add(work));
            if laid_out.get() < SMALL { Ok(()) } else { watch.spend(work) }
        };
        let cells = Cells::spending(model, spend)?;
        let smallest = |upper: &Vec<f64>| -> Vec<f64> {
            (0..s).map(|i| upper.iter().skip(i).step_by(s).copied().fold(f64::INFINITY, f64::min)).collect()
        };
        let mut tops: Vec<Vec<f64>> = corners.upper.iter().map(smallest).collect();
        let branch_tops = fib::tighten(model, &branches(model), &mut tops, watch)?;
        let part = |lower: &[f64], members: &Vec<u32>| -> Result<Part, Late> {
            spend(4 * members.len() * model.actions().len())?;
            let row = |&state: &u32| lower.iter().skip(state as usize).step_by(s).copied().collect();
            let rows: Vec<Vec<f64>> = members.iter().map(row).collect();
            let actions = (0..model.actions().len() as u32).collect();
            Ok(Part { rows, actions, points: Sawtooth::default() })
        };
        let stage = |((lower, top), branch_top): ((&Vec<f64>, Vec<f64>), Vec<f64>)| -> Result<Stage, Late> {
            let parts = cells.members.iter().map(|members| part(lower, members)).collect::<Result<_, Late>>()?;
            Ok(Stage { top, branch_top, parts })
        };
        let mut stages: Vec<Stage> = Vec::with_capacity(tops.len());
        for from in corners.lower.iter().zip(tops).zip(branch_tops) {
            if stages.len() % MANY_STAGES == MANY_STAGES - 1 {
                watch.spend(usize::MAX)?;
            }
            stages.push(stage(from)?);
        }
        if cells.members.len() > 1 {
            for (number, (stage, plan)) in
                stages.iter_mut().zip(plans::by_cell(model, &cells, corners, watch)).enumerate()
            {
                if number % MANY_STAGES == MANY_STAGES - 1 {
                    watch.spend(usize::MAX)?;
                }
                let parts = stage.parts.iter_mut().zip(&cells.members).zip(&plan.actions);
                for ((part, members), &action) in parts {
                    part.push(action, members.iter().map(|&state| plan.values[state as usize]));
                }
            }
        }
        Ok(Self { stationary: corners.stationary, cells, stages })
    }

    /// The vectors of a stage, one set a cell.
    pub fn sets(&self, stage: usize) -> Vec<PlanSet> {
        let set = |(part, members): (&Part, &Vec<u32>)| PlanSet {
            states: members.clone(),
            plans: (0..part.vectors())
                .map(|i| (part.actions[i], part.rows.iter().map(|row| row[i]).collect()))
                .collect(),
        };
        self.stages[self.stage(stage)].parts.iter().zip(&self.cells.members).map(set).collect()
    }

    pub fn stage(&self, stage: usize) -> usize {
        if self.stationary { 0 } else { stage }
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.stages.iter().flat_map(|s| &s.parts)
    }

    /// The largest product of a vector of `stage` with a belief.
    pub fn lower(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.lower_by(stage, belief, |_, _, part, own| part.best(0..part.vectors(), own, &mut Vec::new()).1)
    }

    /// The same by way of `best`, which is given the stage, the cell, its part and the belief over the cell's own indices.
    pub fn lower_by(
        &self,
        stage: usize,
        belief: &[(u32, f64)],
        best: impl FnOnce(usize, usize, &Part, &[(u32, f64)]) -> f64,
    ) -> f64 {
        let stage = self.stage(stage);
        if belief.is_empty() {
            return 0.0;
        }
        let cell = self.cells.place(belief);
        let part = &self.stages[stage].parts[cell];
        if cell == self.cells.whole() {
            return best(stage, cell, part, belief);
        }
        let own: Vec<(u32, f64)> =
            belief.iter().map(|&(s, p)| (self.cells.index(cell, s as usize) as u32, p)).collect();
        best(stage, cell, part, &own)
    }

    /// What the fast informed bound says at a belief.
    pub fn informed(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.stages[self.stage(stage)].best_branch(belief)
    }

    /// The upper bound of a stage at a belief.
    pub fn upper(&self, number: usize, belief: &[(u32, f64)]) -> f64 {
        let stage = &self.stages[self.stage(number)];
        let mut upper = dot(&stage.top, belief);
        if belief.is_empty() {
            return upper;
        }
        // To be told the cell is worth something: the sum of the cells' upper bounds is one for a belief that spreads.
        let mut cells: Vec<usize> = belief.iter().map(|&(s, _)| self.cells.cell_of(s as usize)).collect();
        cells.sort_unstable();
        cells.dedup();
        for cell in cells {
            let part = &stage.parts[cell];
            if part.points.len() > 0 {
                let mut dense = vec![0.0; part.rows.len()];
                let mut mass = 0.0;
                for &(s, p) in belief.iter().filter(|(s, _)| self.cells.cell_of(*s as usize) == cell) {
                    dense[self.cells.index(cell, s as usize)] = p;
                    mass += p;
                }
                upper += part.points.deepest(0..part.points.len(), &dense, mass * (1.0 + 1e-12), 0.0);
            }
        }
        upper.min(self.informed(number, belief))
    }

    pub fn vectors(&self) -> usize {
        self.parts().map(Part::vectors).sum()
    }

    pub fn points(&self) -> usize {
        self.parts().map(|p| p.points.len()).sum()
    }

    pub fn bytes(&self) -> usize {
        let stage = |s: &Stage| 8 * (s.top.len() + s.branch_top.len()) + s.parts.iter().map(Part::bytes).sum::<usize>();
        self.stages.iter().map(stage).sum()
    }
}

impl Stage {
    /// The best branch's linear upper bound at a belief over the model's states: what the fast informed bound says there.
    pub fn best_branch(&self, belief: &[(u32, f64)]) -> f64 {
        self.branch_top.chunks_exact(self.top.len()).map(|top| dot(top, belief)).fold(f64::NEG_INFINITY, f64::max)
    }
}

impl Part {
    pub fn vectors(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    pub fn bytes(&self) -> usize {
        self.rows.iter().map(|row| 40 + 8 * row.capacity()).sum::<usize>() + self.points.bytes()
    }

    /// Adds a vector over the cell's states.
    pub fn push(&mut self, action: u32, vector: impl IntoIterator<Item = f64>) {
        self.actions.push(action);
        self.rows.iter_mut().zip(vector).for_each(|(row, value)| row.push(value));
    }

    /// Keeps the vectors for which `keep` says so.
    pub fn retain(&mut self, keep: &[bool]) {
        fn retain<T>(of: &mut Vec<T>, keep: &[bool]) {
            let mut kept = keep.iter();
            of.retain(|_| kept.next() == Some(&true));
        }
        self.rows.iter_mut().for_each(|row| retain(row, keep));
        retain(&mut self.actions, keep);
    }

    /// One of the vectors `of` that is nowhere below vector `i`. O(vectors · states), mostly O(vectors).
    pub fn above(&self, i: usize, of: &[u32]) -> Option<u32> {
        let mut of = of.to_vec();
        for row in &self.rows {
            of.retain(|&other| row[other as usize] >= row[i]);
        }
        of.first().copied()
    }

    /// The vectors, one after the other.
    pub fn by_vector(&self) -> Vec<f64> {
        (0..self.vectors()).flat_map(|i| self.rows.iter().map(move |row| row[i])).collect()
    }

    /// Vector `i` times a belief over the cell's own indices, as [`best`](Self::best) sums it up.
    pub fn product(&self, i: usize, belief: &[(u32, f64)]) -> f64 {
        belief.iter().fold(0.0, |sum, &(s, p)| sum + p * self.rows[s as usize][i])
    }

    fn fits(&self, states: usize, model: &Model) -> bool {
        self.rows.len() == states
            && self.actions.len() == self.vectors()
            && self.actions.iter().all(|&action| (action as usize) < model.actions().len())
            && self.rows.iter().all(|row| !row.is_empty() && row.len() == self.rows[0].len())
            && self.points.fits(states)
    }

    /// The best of some vectors at a belief over the cell's own indices, and its value; the oldest of equals. `sums` is scratch.
    pub fn best(&self, of: Range<usize>, belief: &[(u32, f64)], sums: &mut Vec<f64>) -> (u32, f64) {
        let from = of.start;
        sums.clear();
        sums.resize(of.len(), 0.0);
        pulp::Arch::new().dispatch(Products { rows: &self.rows, from, belief, sums });
        let better = |best: (usize, f64), (i, &value): (usize, &f64)| if value > best.1 { (i, value) } else { best };
        let (i, value) = sums.iter().enumerate().fold((0, f64::NEG_INFINITY), better);
        ((from + i) as u32, value)
    }
}

/// The inner products of a belief with the vectors from number `from` on, into `sums`, which are 0 before. A type of its own and no
/// closure, which would not be compiled for each level of SIMD.
struct Products<'a> {
    rows: &'a [Vec<f64>],
    from: usize,
    belief: &'a [(u32, f64)],
    sums: &'a mut [f64],
}

impl pulp::WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // Only what is inlined is compiled for the machine's own width.
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { rows, from, belief, sums } = self;
        for (start, sums) in (from..).step_by(BLOCK).zip(sums.chunks_mut(BLOCK)) {
            let Some(block) = sums.first_chunk_mut::<BLOCK>() else {
                for &(s, p) in belief {
                    for (sum, value) in sums.iter_mut().zip(&rows[s as usize][start..]) {
                        *sum += p * value;
                    }
                }
                return;
            };
            let mut within = [0.0; BLOCK];
            for &(s, p) in belief {
                let row = rows[s as usize][start..].first_chunk::<BLOCK>().expect("a row is as long as the others");
                for i in 0..BLOCK {
                    within[i] += p * row[i];
                }
            }
            *block = within;
        }
    }
}

impl ValueBounds for VectorBounds {
    fn bracket(&self, number: usize, belief: &[(u32, f64)]) -> Bracket {
        let upper = self.upper(number, belief);
        if belief.is_empty() {
            return Bracket { lower: upper, estimate: upper, upper };
        }
        let lower = self.lower(number, belief);
        Bracket { lower, estimate: lower, upper }
    }
}

impl ValueFunction for VectorBounds {
    fn form(&self) -> &'static str {
        "vectors"
    }

    fn shape_problem(&self, model: &Model) -> Option<String> {
        let s = model.states().len();
        let fits = self.stationary == model.horizon().is_none()
            && self.stages.len() == model.horizon().map_or(1, |h| h + 1)
            && self.cells == Cells::new(model)
            && self.stages.iter().all(|stage| {
                stage.top.len() == s
                    && stage.branch_top.len() == s * branches(model).len()
                    && stage.parts.len() == self.cells.members.len()
                    && stage
                        .parts
                        .iter()
                        .zip(&self.cells.members)
                        .all(|(part, members)| part.fits(members.len(), model))
            });
        (!fits).then(|| "the α-vectors do not fit the model's stages and states".into())
    }

    fn sizes(&self) -> (usize, usize) {
        (self.vectors(), self.points())
    }

    fn bracket(&self, _: &Corners, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        ValueBounds::bracket(self, stage, belief)
    }

    fn lower(&self, _: &Corners, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.lower(stage, belief)
    }

    fn at_most(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.informed(stage, belief)
    }

    fn plans(&self, _: &Corners, stage: usize) -> Option<Vec<PlanSet>> {
        Some(self.sets(stage))
    }
}
