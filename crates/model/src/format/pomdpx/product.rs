//! Products of conditional probabilities: from factors to flat rows.

use super::table::{Digit, Table};
use super::variables::{Role, Variables};

/// One factor: a table whose columns are values of the variables that it adds.
struct Step<'a> {
    table: &'a Table,
    /// Row digits over variables that the flat row is given, by position.
    given: Vec<(usize, usize)>,
    /// Row digits over variables that other factors add.
    added: Vec<Digit>,
    /// What each column contributes to the flat index.
    flat: Vec<u32>,
}

/// A distribution over the product of the variables of one role, given those of another.
///
/// The given variables count up like an odometer, the last fastest. Factors stand at the last given variable they depend on,
/// so that from one row to the next only those are multiplied anew that can have changed: on average little more than one.
pub(super) struct Product<'a> {
    /// Sizes of the given variables.
    sizes: Vec<usize>,
    /// Flat strides and sizes of the variables that are added.
    added: Vec<(usize, usize)>,
    levels: Vec<Vec<Step<'a>>>,
}

/// Some variables depend on each other in a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Circle;

impl<'a> Product<'a> {
    pub fn new(tables: &[&'a Table], given: Option<Role>, adds: Role, variables: &Variables) -> Result<Self, Circle> {
        let sizes_of = |role: Role| -> Vec<usize> {
            let list = match role {
                Role::Action => &variables.actions,
                Role::Previous | Role::Current => &variables.states,
                Role::Observation => &variables.observations,
            };
            list.iter().map(super::variables::Values::len).collect()
        };
        let sizes = given.map_or_else(Vec::new, sizes_of);
        let mut stride = 1;
        let mut added: Vec<(usize, usize)> = sizes_of(adds)
            .into_iter()
            .rev()
            .map(|size| {
                stride *= size;
                (stride / size, size)
            })
            .collect();
        added.reverse();
        let mut levels: Vec<Vec<Step>> = (0..sizes.len().max(1)).map(|_| Vec::new()).collect();
        // Factors in an order in which each finds the variables it depends on.
        let mut level_of: Vec<Option<usize>> = vec![None; added.len()];
        let mut waiting: Vec<&Table> = tables.to_vec();
        while !waiting.is_empty() {
            let ready = |table: &&Table| {
                table.rows.iter().all(|d| d.variable.role != adds || level_of[d.variable.index].is_some())
            };
            let table = waiting.remove(waiting.iter().position(ready).ok_or(Circle)?);
            let level = table.rows.iter().map(|digit| match digit.variable {
                v if v.role == adds => level_of[v.index].expect("ready"),
                v => v.index,
            });
            let level = level.max().unwrap_or(0);
            table.columns.iter().for_each(|digit| level_of[digit.variable.index] = Some(level));
            let is_added = |digit: &&Digit| digit.variable.role == adds;
            let contribution = |column: usize| -> usize {
                let part = |d: &Digit| column / d.stride % d.size * added[d.variable.index].0;
                table.columns.iter().map(part).sum()
            };
            levels[level].push(Step {
                table,
                given: table.rows.iter().filter(|d| !is_added(d)).map(|d| (d.variable.index, d.stride)).collect(),
                added: table.rows.iter().filter(is_added).copied().collect(),
                flat: (0..table.kernel.columns()).map(|column| contribution(column) as u32).collect(),
            });
        }
        Ok(Self { sizes, added, levels })
    }

    /// Calls `emit` with every row in turn: flat columns, ascending, and their probabilities.
    pub fn rows(&self, mut emit: impl FnMut(&[(u32, f64)])) {
        let mut digits = vec![0_usize; self.sizes.len()];
        let mut partial: Vec<Vec<(u32, f64)>> = vec![Vec::new(); self.levels.len()];
        let mut scratch = Vec::new();
        let mut changed = 0;
        loop {
            for level in changed..self.levels.len() {
                let (below, here) = partial.split_at_mut(level);
                here[0].clear();
                match below.last() {
                    None => here[0].push((0, 1.0)),
                    Some(below) => here[0].extend_from_slice(below),
                }
                for step in &self.levels[level] {
                    self.multiply(step, &digits, &here[0], &mut scratch);
                    std::mem::swap(&mut here[0], &mut scratch);
                }
            }
            let row = partial.last_mut().expect("at least one level");
            if !row.is_sorted_by_key(|&(column, _)| column) {
                row.sort_unstable_by_key(|&(column, _)| column);
                // The next row builds on the lower levels, not on this one.
            }
            emit(row);
            let Some(turning) = (0..digits.len()).rev().find(|&i| digits[i] + 1 < self.sizes[i]) else { return };
            digits[turning] += 1;
            digits[turning + 1..].fill(0);
            changed = turning;
        }
    }

    fn multiply(&self, step: &Step, digits: &[usize], row: &[(u32, f64)], out: &mut Vec<(u32, f64)>) {
        out.clear();
        let base: usize = step.given.iter().map(|&(variable, stride)| digits[variable] * stride).sum();
        for &(flat, p) in row {
            let value = |d: &Digit| {
                let (stride, size) = self.added[d.variable.index];
                flat as usize / stride % size * d.stride
            };
            let index = base + step.added.iter().map(value).sum::<usize>();
            out.extend(step.table.kernel.pairs(index).map(|(column, q)| (flat + step.flat[column], p * q)));
        }
    }
}
