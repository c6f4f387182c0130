//! Rewards as a file gives them: patterns over (action, state, next state, observation), later ones overriding.
//!
//! `R: * : * : goal : *` names A·S·O cells of which few can ever occur. A wildcard therefore only reaches the cells that have a
//! positive probability: no other can be drawn, and the model stays as sparse as its transitions. Cells named one by one are
//! kept whether they can occur or not, so that a model written to a file reads back as it was.

use rustc_hash::FxHashMap;

use super::sheet::{ENTRY_LIMIT, TooLarge};
use crate::{Kernel, Reward};

/// The wildcard.
pub(super) const ALL: u32 = u32::MAX;

/// One assignment: action, state, next state, observation, each an index or [`ALL`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub cell: [u32; 4],
    pub value: f64,
}

/// The size of each position of a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub actions: usize,
    pub states: usize,
    pub observations: usize,
}

/// The reward in the coarsest form in which all rules can be written: R(a), R(s,a), R(s,a,s') or R(s,a,s',o).
pub(super) fn reward(
    rules: &[Rule],
    shape: Shape,
    transition: &Kernel,
    observation: Option<&Kernel>,
) -> Result<Reward, TooLarge> {
    let names = |position: usize| rules.iter().any(|rule| rule.cell[position] != ALL);
    match observation {
        Some(observation) if names(3) => full(rules, shape, transition, observation).map(Reward::Full),
        _ if names(2) => over_transitions(rules, shape, transition).map(Reward::Transition),
        _ if names(1) => Ok(Reward::StateAction(dense(rules, shape.actions, shape.states))),
        _ => Ok(Reward::Action(dense(rules, shape.actions, 1))),
    }
}

fn dense(rules: &[Rule], actions: usize, states: usize) -> Vec<f64> {
    let range = |index: u32, len: usize| if index == ALL { 0..len } else { index as usize..index as usize + 1 };
    let cells = |rule: &Rule| range(rule.cell[0], actions).len() * range(rule.cell[1], states).len();
    let total = rules.iter().map(cells).fold(0, usize::saturating_add);
    // A thousand times everything is said once if only the last of equal rules counts.
    let last: Option<FxHashMap<[u32; 4], usize>> =
        (total > 8 * actions * states).then(|| rules.iter().enumerate().map(|(age, rule)| (rule.cell, age)).collect());
    let mut reward = vec![0.0; actions * states];
    for (age, rule) in rules.iter().enumerate() {
        if last.as_ref().is_some_and(|last| last[&rule.cell] != age) {
            continue;
        }
        for action in range(rule.cell[0], actions) {
            let row = range(rule.cell[1], states);
            reward[action * states + row.start..action * states + row.end].fill(rule.value);
        }
    }
    reward
}

fn over_transitions(rules: &[Rule], shape: Shape, transition: &Kernel) -> Result<Kernel, TooLarge> {
    let latest = Latest::new(rules);
    let named = Named::new(rules, shape, |cell| (cell[2] != ALL).then_some(cell[2]));
    build(
        shape,
        shape.states,
        &named,
        |action, state, columns| {
            columns.extend_from_slice(transition.row(action * shape.states + state).0);
        },
        |action, state, column| latest.value([action, state, column, ALL]),
    )
}

fn full(rules: &[Rule], shape: Shape, transition: &Kernel, observation: &Kernel) -> Result<Kernel, TooLarge> {
    let latest = Latest::new(rules);
    let observations = shape.observations as u32;
    let named =
        Named::new(rules, shape, |cell| (cell[2] != ALL && cell[3] != ALL).then(|| cell[2] * observations + cell[3]));
    build(
        shape,
        shape.states * shape.observations,
        &named,
        |action, state, columns| {
            for &next in transition.row(action * shape.states + state).0 {
                let seen = observation.row(action * shape.states + next as usize).0;
                columns.extend(seen.iter().map(|o| next * observations + o));
            }
        },
        |action, state, column| latest.value([action, state, column / observations, column % observations]),
    )
}

/// Sparse rows: the columns that can occur and those named, with the value that the latest rule gives them.
fn build(
    shape: Shape,
    columns: usize,
    named: &Named,
    occurring: impl Fn(usize, usize, &mut Vec<u32>),
    value: impl Fn(u32, u32, u32) -> f64,
) -> Result<Kernel, TooLarge> {
    if columns > u32::MAX as usize {
        return Err(TooLarge);
    }
    let (mut offsets, mut index, mut values) = (vec![0], Vec::new(), Vec::new());
    let mut row = Vec::new();
    for action in 0..shape.actions {
        for state in 0..shape.states {
            row.clear();
            occurring(action, state, &mut row);
            let extra = named.columns(action * shape.states + state);
            if !extra.is_empty() {
                row.extend(extra.iter().map(|&(_, column)| column));
                row.sort_unstable();
                row.dedup();
            }
            for &column in &row {
                let value = value(action as u32, state as u32, column);
                if value != 0.0 {
                    index.push(column);
                    values.push(value);
                }
            }
            if index.len() > ENTRY_LIMIT {
                return Err(TooLarge);
            }
            offsets.push(index.len() as u32);
        }
    }
    Ok(Kernel::from_parts(columns, offsets, index, values))
}

/// The cells named without a wildcard, by row.
struct Named(Vec<(u32, u32)>);

impl Named {
    fn new(rules: &[Rule], shape: Shape, column: impl Fn(&[u32; 4]) -> Option<u32>) -> Self {
        let mut cells: Vec<(u32, u32)> = rules
            .iter()
            .filter(|rule| rule.cell[0] != ALL && rule.cell[1] != ALL)
            .filter_map(|rule| Some((rule.cell[0] * shape.states as u32 + rule.cell[1], column(&rule.cell)?)))
            .collect();
        cells.sort_unstable();
        cells.dedup();
        Self(cells)
    }

    fn columns(&self, row: usize) -> &[(u32, u32)] {
        let start = self.0.partition_point(|&(r, _)| (r as usize) < row);
        let len = self.0[start..].partition_point(|&(r, _)| r as usize == row);
        &self.0[start..start + len]
    }
}

/// The latest rule for a cell: one table for each set of wildcards that the file uses, sixteen at most.
struct Latest(Vec<SameWildcards>);

/// Rules that have their wildcards in the same places: the latest of each cell, with its age and value.
struct SameWildcards {
    wild: [bool; 4],
    rules: FxHashMap<[u32; 4], (usize, f64)>,
}

impl Latest {
    fn new(rules: &[Rule]) -> Self {
        let mut tables: Vec<SameWildcards> = Vec::new();
        for (age, rule) in rules.iter().enumerate() {
            let wild = rule.cell.map(|index| index == ALL);
            let table = tables.iter().position(|table| table.wild == wild).unwrap_or_else(|| {
                tables.push(SameWildcards { wild, rules: FxHashMap::default() });
                tables.len() - 1
            });
            tables[table].rules.insert(rule.cell, (age, rule.value));
        }
        Self(tables)
    }

    fn value(&self, cell: [u32; 4]) -> f64 {
        let of = |table: &SameWildcards| {
            let key = std::array::from_fn(|i| if table.wild[i] { ALL } else { cell[i] });
            table.rules.get(&key).copied()
        };
        self.0.iter().filter_map(of).max_by_key(|&(age, _)| age).map_or(0.0, |(_, value)| value)
    }
}
