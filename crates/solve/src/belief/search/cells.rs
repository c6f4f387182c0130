//! The parts of the state space that beliefs keep to (mixed observability: Ong, Png, Hsu and Lee, IJRR 2010).

use serde::{Deserialize, Serialize};
use tiresias_model::{Model, observed_component_while};

use crate::limits::Late;

/// The cells of [`observed_component`], so that vectors and points are as long as their cell and are compared within it only.
/// Where nothing is observed there is one cell with all states; else a last one, `whole`, is for beliefs that spread.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cells {
    of: Vec<u32>,
    /// Index within the cell, by state.
    local: Vec<u32>,
    /// States by cell, ascending.
    pub members: Vec<Vec<u32>>,
    /// Whether cell, action and observation determine the next cell: not so where the states cannot be reached.
    closed: Vec<bool>,
}

impl Cells {
    /// However long it takes.
    pub fn new(model: &Model) -> Self {
        Self::spending(model, |_| Ok(())).expect("there is time for all of it")
    }

    /// `spend` is told the entries read.
    pub fn spending(model: &Model, mut spend: impl FnMut(usize) -> Result<(), Late>) -> Result<Self, Late> {
        let states = model.states().len() as u32;
        let found = observed_component_while(model, |read| spend(read).is_ok());
        let Some(of) = found.continue_value().ok_or(Late)? else {
            let all: Vec<u32> = (0..states).collect();
            return Ok(Self { of: vec![0; all.len()], local: all.clone(), members: vec![all], closed: vec![true] });
        };
        let cells = of.iter().copied().max().map_or(0, |last| last as usize + 1);
        let (mut members, mut closed) = (vec![Vec::new(); cells], vec![true; cells]);
        let mut local = Vec::with_capacity(of.len());
        let reached = reached(model);
        for state in 0..states {
            let cell = of[state as usize] as usize;
            local.push(members[cell].len() as u32);
            members[cell].push(state);
            closed[cell] &= reached[state as usize];
        }
        members.push((0..states).collect());
        closed.push(false);
        Ok(Self { of, local, members, closed })
    }

    /// The cell for beliefs that spread over several.
    pub fn whole(&self) -> usize {
        self.members.len() - 1
    }

    /// Whether vectors and points are kept for the cell's beliefs.
    pub fn is_closed(&self, cell: usize) -> bool {
        self.closed[cell]
    }

    /// The cell of beliefs over `states`, of which there is at least one.
    pub fn place(&self, belief: &[(u32, f64)]) -> usize {
        let first = self.cell_of(belief[0].0 as usize);
        let within = self.closed[first] && belief.iter().all(|&(s, _)| self.of[s as usize] as usize == first);
        if within { first } else { self.whole() }
    }

    /// The cell of one state, which need not be closed.
    pub fn cell_of(&self, state: usize) -> usize {
        self.of[state] as usize
    }

    /// The index of `state` in `cell`.
    pub fn index(&self, cell: usize, state: usize) -> usize {
        // With a single cell, both are the same.
        if cell == self.whole() { state } else { self.local[state] as usize }
    }
}

/// The states that can occur after the first action.
fn reached(model: &Model) -> Vec<bool> {
    let states = model.states().len();
    let mut reached = vec![false; states];
    let mut open: Vec<usize> = (0..states).filter(|&s| model.start()[s] > 0.0).collect();
    // Ends: each state is reached once.
    while let Some(state) = open.pop() {
        for dynamics in model.dynamics() {
            for action in 0..model.actions().len() {
                for (next, _) in dynamics.transition.pairs(action * states + state) {
                    if !std::mem::replace(&mut reached[next], true) {
                        open.push(next);
                    }
                }
            }
        }
    }
    reached
}
