//! Rows of probabilities as a file gives them: in any order, later entries overriding earlier ones.

use std::ops::Range;

use crate::Kernel;
use crate::distribution::{self, Sum, sums_to};

/// Entries a table may store, and entries a file may set: at most 1.6 GB. A few bytes of text can ask for any number.
pub(super) const ENTRY_LIMIT: usize = 1 << 26;
/// Rows of a table, states times actions.
pub(super) const ROW_LIMIT: usize = 1 << 25;

/// How large a reward may be: totals over any horizon stay finite then, and nobody's are.
pub(super) const REWARD_LIMIT: f64 = 1e200;

/// One assignment to a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Set {
    /// One column.
    Cell(u32, f64),
    /// Every column.
    Fill(f64),
    /// The whole row, to a list stored with [`Sheet::list`].
    List(u32),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    row: u32,
    /// Where in the text, for messages.
    at: u32,
    set: Set,
}

/// A log of assignments to the rows of a matrix. Memory is proportional to the text, not to the matrix.
#[derive(Debug)]
pub(super) struct Sheet {
    rows: usize,
    columns: usize,
    log: Vec<Entry>,
    pairs: Vec<(u32, f64)>,
    lists: Vec<Range<usize>>,
}

/// A row that is no distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BadRow {
    pub row: usize,
    pub sum: f64,
    /// The last assignment to it; `None` when there is none.
    pub at: Option<u32>,
}

impl BadRow {
    /// What is wrong with it, in words that follow the row's name.
    pub fn problem(&self) -> String {
        if self.at.is_none() { "has no entry".into() } else { sums_to(self.sum) }
    }
}

/// Rows of one fault: how many, and the first few.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Findings {
    pub total: usize,
    /// Those that nothing was assigned to.
    pub empty: usize,
    pub first: Vec<BadRow>,
}

impl Findings {
    const KEPT: usize = 8;

    pub fn push(&mut self, row: BadRow) {
        self.total += 1;
        self.empty += usize::from(row.at.is_none());
        if self.first.len() < Self::KEPT {
            self.first.push(row);
        }
    }
}

/// What came of a sheet.
pub(super) struct Rows {
    /// Meaningless when a row is bad.
    pub kernel: Kernel,
    pub bad: Findings,
    /// Rows divided by their sum, when that was off by more than the last digits.
    pub repaired: Findings,
}

/// More entries than [`ENTRY_LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Sheet {
    pub fn new(rows: usize, columns: usize) -> Result<Self, TooLarge> {
        if rows > ROW_LIMIT {
            return Err(TooLarge);
        }
        Ok(Self { rows, columns, log: Vec::new(), pairs: Vec::new(), lists: Vec::new() })
    }

    /// Stores a row for [`Set::List`]: columns ascending.
    pub fn list(&mut self, row: impl IntoIterator<Item = (u32, f64)>) -> Set {
        let start = self.pairs.len();
        self.pairs.extend(row.into_iter().filter(|&(_, p)| p != 0.0));
        self.lists.push(start..self.pairs.len());
        Set::List(self.lists.len() as u32 - 1)
    }

    #[inline]
    pub fn set(&mut self, row: usize, set: Set, at: u32) -> Result<(), TooLarge> {
        if self.log.len() >= ENTRY_LIMIT {
            return Err(TooLarge);
        }
        debug_assert!(row < self.rows);
        self.log.push(Entry { row: row as u32, at, set });
        Ok(())
    }

    /// The rows as distributions. `given` names the column of the rows that are certain, whatever was assigned to them.
    pub fn distributions(self, given: impl Fn(usize) -> Option<usize>) -> Result<Rows, TooLarge> {
        let (mut bad, mut repaired) = (Findings::default(), Findings::default());
        let kernel = self.replay(|row, start, entries, at| {
            if let Some(column) = given(row) {
                entries.truncate(start);
                entries.push(column as u32, 1.0);
                return;
            }
            let probability = &mut entries.values[start..];
            let sum: f64 = probability.iter().sum();
            match distribution::judge(sum, probability.len()) {
                Sum::One => {}
                Sum::Rounded => repaired.push(BadRow { row, sum, at }),
                Sum::Wrong => bad.push(BadRow { row, sum, at }),
            }
            distribution::renormalise(probability);
            if bad.total > 0 {
                // Nobody will use the kernel: it need not grow.
                entries.truncate(start);
            }
        })?;
        Ok(Rows { kernel, bad, repaired })
    }

    /// The rows as they are: numbers rather than distributions.
    pub fn numbers(self) -> Result<Kernel, TooLarge> {
        self.replay(|_, _, _, _| {})
    }

    /// Carries the assignments out, row by row; `finish` sees each row as it was built and may change it.
    fn replay(mut self, mut finish: impl FnMut(usize, usize, &mut Entries, Option<u32>)) -> Result<Kernel, TooLarge> {
        let order = self.sorted_by_row();
        if self.whole_rows(&order) > ENTRY_LIMIT {
            return Err(TooLarge);
        }
        let mut out = Entries { index: Vec::with_capacity(self.log.len()), values: Vec::with_capacity(self.log.len()) };
        let mut offsets: Vec<u32> = vec![0];
        let mut scratch: Vec<(u32, f64)> = Vec::new();
        let mut next = 0;
        for row in 0..self.rows {
            let first = next;
            let row_of = |i: usize| self.log[order.get(i)].row as usize;
            while next < self.log.len() && row_of(next) == row {
                next += 1;
            }
            let start = out.index.len();
            self.replay_row(&order, first..next, &mut scratch, &mut out);
            let at = (next > first).then(|| self.log[order.get(next - 1)].at);
            finish(row, start, &mut out, at);
            if out.index.len() > ENTRY_LIMIT {
                return Err(TooLarge);
            }
            offsets.push(out.index.len() as u32);
        }
        self.log = Vec::new();
        out.index.shrink_to_fit();
        out.values.shrink_to_fit();
        Ok(Kernel::from_parts(self.columns, offsets, out.index, out.values))
    }

    fn replay_row(&self, order: &Order, entries: Range<usize>, scratch: &mut Vec<(u32, f64)>, out: &mut Entries) {
        let set = |i: usize| self.log[order.get(i)].set;
        // Everything before the last whole row is overridden.
        let whole = entries.clone().rev().find(|&i| !matches!(set(i), Set::Cell(..)));
        scratch.clear();
        let cells = match whole {
            None => entries,
            Some(i) => {
                match set(i) {
                    Set::Fill(p) if p != 0.0 => scratch.extend((0..self.columns as u32).map(|c| (c, p))),
                    Set::List(list) => scratch.extend_from_slice(&self.pairs[self.lists[list as usize].clone()]),
                    Set::Fill(_) | Set::Cell(..) => {}
                }
                i + 1..entries.end
            }
        };
        let mut ascending = true;
        for i in cells {
            if let Set::Cell(column, p) = set(i) {
                ascending &= scratch.last().is_none_or(|&(last, _)| last < column);
                scratch.push((column, p));
            }
        }
        if !ascending {
            // Stable, so that of equal columns the last is the latest.
            scratch.sort_by_key(|&(column, _)| column);
        }
        for (i, &(column, p)) in scratch.iter().enumerate() {
            let latest = scratch.get(i + 1).is_none_or(|&(after, _)| after != column);
            if latest && p != 0.0 {
                out.push(column, p);
            }
        }
    }

    /// Entries that the rows assigned as a whole need, counted before any memory is asked for.
    fn whole_rows(&self, order: &Order) -> usize {
        let (mut total, mut row, mut last) = (0, u32::MAX, 0);
        for i in 0..self.log.len() {
            let entry = &self.log[order.get(i)];
            if entry.row != row {
                total += last;
                (row, last) = (entry.row, 0);
            }
            match entry.set {
                Set::Fill(p) => last = if p == 0.0 { 0 } else { self.columns },
                Set::List(list) => last = self.lists[list as usize].len(),
                Set::Cell(..) => {}
            }
        }
        total + last
    }

    /// The log's indices by row, in the order of the text within a row.
    fn sorted_by_row(&self) -> Order {
        if self.log.is_sorted_by_key(|e| e.row) {
            return Order(None);
        }
        if self.log.len() < self.rows {
            let mut order: Vec<u32> = (0..self.log.len() as u32).collect();
            order.sort_by_key(|&i| self.log[i as usize].row);
            return Order(Some(order));
        }
        let mut place = vec![0_u32; self.rows + 1];
        self.log.iter().for_each(|e| place[e.row as usize + 1] += 1);
        for row in 0..self.rows {
            place[row + 1] += place[row];
        }
        let mut order = vec![0_u32; self.log.len()];
        for (i, e) in self.log.iter().enumerate() {
            order[place[e.row as usize] as usize] = i as u32;
            place[e.row as usize] += 1;
        }
        Order(Some(order))
    }
}

/// A permutation; `None` is the identity.
struct Order(Option<Vec<u32>>);

impl Order {
    #[inline]
    fn get(&self, i: usize) -> usize {
        self.0.as_ref().map_or(i, |order| order[i] as usize)
    }
}

/// The entries of a kernel under construction.
pub(super) struct Entries {
    index: Vec<u32>,
    values: Vec<f64>,
}

impl Entries {
    #[inline]
    fn push(&mut self, column: u32, p: f64) {
        self.index.push(column);
        self.values.push(p);
    }

    fn truncate(&mut self, len: usize) {
        self.index.truncate(len);
        self.values.truncate(len);
    }
}
