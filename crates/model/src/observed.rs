//! The part of the state that a decision-maker always knows.
//!
//! In a problem of mixed observability (Ong, Png, Hsu, Lee, "Planning under uncertainty for robotic tasks with mixed
//! observability", IJRR 2010) some state variable is always seen, and beliefs need only range over the rest. A flat model does
//! not say so, but it can be found: it is a partition of the states such that whatever happens, the belief after the first
//! action lies within one cell.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use rustc_hash::FxHashMap;

use crate::{Dynamics, Model};

/// Maps each state to its cell of the finest partition for which cell, action and observation determine the next cell.
///
/// `None` when the whole state space is one cell, which is most often so. After the first action every belief that the model
/// (any model of its cloud) allows lies within one cell; the start may spread over several, as nothing is seen before the
/// first action. States that cannot occur after the first action share a cell of their own. Cells are numbered in the order
/// of their first states. An MDP has a cell for each state.
///
/// Congruence closure over a union-find: each state's rows are visited once, O(entries of T × entries of a row of Q) steps
/// with a logarithmic factor for merging; it ends as soon as one cell holds everything.
pub fn observed_component(model: &Model) -> Option<Vec<u32>> {
    match observed_component_while(model, |_| true) {
        ControlFlow::Continue(found) => found,
        ControlFlow::Break(()) => unreachable!("it is always to go on"),
    }
}

/// [`observed_component`] for as long as `go_on` says so, which is told how many entries were read since it was last asked, a state's
/// rows at a time.
pub fn observed_component_while(
    model: &Model,
    mut go_on: impl FnMut(usize) -> bool,
) -> ControlFlow<(), Option<Vec<u32>>> {
    let states = model.states().len();
    if model.observations().is_none() {
        return ControlFlow::Continue((states > 1).then(|| (0..states as u32).collect()));
    }
    let (cells, occurring) = cells(states, model.start(), model.dynamics(), &mut go_on)?;
    ControlFlow::Continue((occurring > 1).then_some(cells))
}

/// The cells by state, and how many of them occur after the first action.
fn cells(
    states: usize,
    start: &[f64],
    dynamics: &[Dynamics],
    go_on: &mut impl FnMut(usize) -> bool,
) -> ControlFlow<(), (Vec<u32>, usize)> {
    let mut asked = |read: usize| if go_on(read) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    let mut closure = Closure {
        parent: (0..=states as u32).collect(),
        seen: vec![FxHashMap::default(); states + 1],
        occurs: vec![false; states],
        queue: VecDeque::new(),
        equal: Vec::new(),
        unseen: states,
        apart: 0,
    };
    // Before the first action the cell is unknown: the start is a cell of its own, outside the states.
    for state in (0..states).filter(|&s| start[s] > 0.0) {
        asked(closure.visit(state, states as u32, states, dynamics))?;
    }
    while let Some(state) = closure.queue.pop_front() {
        if closure.unseen == 0 && closure.apart == 1 {
            // Most often so, and long before all rows are visited.
            return ControlFlow::Continue((vec![0; states], 1));
        }
        asked(closure.visit(state as usize, state, states, dynamics))?;
    }
    ControlFlow::Continue(closure.number(states))
}

struct Closure {
    /// Union-find over the states and the start.
    parent: Vec<u32>,
    /// For each root: a state that (action, observation) may lead to from its cell. All of them are in one cell.
    seen: Vec<FxHashMap<u64, u32>>,
    occurs: Vec<bool>,
    /// States that occur and were not visited yet.
    queue: VecDeque<u32>,
    /// Pairs that must be in one cell and may not be yet.
    equal: Vec<(u32, u32)>,
    /// States that do not occur, as far as is known.
    unseen: usize,
    /// Cells of those that do.
    apart: usize,
}

impl Closure {
    fn find(&mut self, mut state: u32) -> u32 {
        while self.parent[state as usize] != state {
            let above = self.parent[self.parent[state as usize] as usize];
            self.parent[state as usize] = above;
            state = above;
        }
        state
    }

    /// Enters where `state`, a member of `cell`, may lead. Returns the entries read.
    fn visit(&mut self, state: usize, cell: u32, states: usize, dynamics: &[Dynamics]) -> usize {
        let mut read = 0;
        let root = self.find(cell);
        let mut seen = std::mem::take(&mut self.seen[root as usize]);
        for model in dynamics {
            let Some(observation) = &model.observation else { continue };
            for action in 0..model.transition.rows() / states {
                for &next in model.transition.row(action * states + state).0 {
                    if !std::mem::replace(&mut self.occurs[next as usize], true) {
                        self.queue.push_back(next);
                        self.unseen -= 1;
                        self.apart += 1;
                    }
                    let kinds = observation.row(action * states + next as usize).0;
                    read += 1 + kinds.len();
                    for &o in kinds {
                        let key = (action * observation.columns()) as u64 + u64::from(o);
                        let first = *seen.entry(key).or_insert(next);
                        // A look before the merge: most pairs are known to be equal.
                        if first != next && self.parent[first as usize] != self.parent[next as usize] {
                            self.equal.push((first, next));
                        }
                    }
                }
            }
        }
        self.seen[root as usize] = seen;
        self.merge();
        read
    }

    fn merge(&mut self) {
        while let Some((one, other)) = self.equal.pop() {
            let (one, other) = (self.find(one), self.find(other));
            if one == other {
                continue;
            }
            let [a, b] = [one, other].map(|root| std::mem::take(&mut self.seen[root as usize]));
            // The smaller goes into the larger.
            let (root, below, mut large, small) =
                if a.len() < b.len() { (other, one, b, a) } else { (one, other, a, b) };
            self.parent[below as usize] = root;
            self.apart -= 1;
            for (key, state) in small {
                let first = *large.entry(key).or_insert(state);
                if first != state {
                    self.equal.push((first, state));
                }
            }
            self.seen[root as usize] = large;
        }
    }

    fn number(&mut self, states: usize) -> (Vec<u32>, usize) {
        const NONE: u32 = u32::MAX;
        let mut numbers = vec![NONE; states + 1];
        let (mut next, mut occurring) = (0, 0);
        let cells = (0..states)
            .map(|state| {
                // What cannot occur is numbered under the start, which no state is merged with.
                let occurs = self.occurs[state];
                let root = if occurs { self.find(state as u32) as usize } else { states };
                if numbers[root] == NONE {
                    numbers[root] = next;
                    next += 1;
                    occurring += usize::from(occurs);
                }
                numbers[root]
            })
            .collect();
        (cells, occurring)
    }
}
