//! Stochastic matrices in compressed sparse rows.

use crate::distribution::renormalise;

/// Rows of a stochastic matrix: row `r` holds the positive entries of one distribution, columns ascending.
///
/// A transition kernel has row `a * S + s` over next states, an observation kernel row `a * S + s'` over observations.
/// Only strictly positive probabilities are stored, so sampling never meets an impossible column.
#[derive(Debug, Clone)]
pub struct Kernel {
    columns: usize,
    offsets: Offsets,
    index: Vec<u32>,
    probability: Vec<f64>,
}

/// Where the entries of each row are.
#[derive(Debug, Clone)]
enum Offsets {
    /// Row `r` begins at entry `list[r]` and ends where the next one begins.
    List(Vec<u32>),
    /// All rows have as many entries: deterministic moves of large models need no list, which would be a third of them.
    Every { width: u32, rows: u32 },
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        (self.columns, self.rows()) == (other.columns, other.rows())
            && (0..=self.rows()).all(|r| self.offset(r) == other.offset(r))
            && (&self.index, &self.probability) == (&other.index, &other.probability)
    }
}

impl Kernel {
    /// An empty kernel over `columns` outcomes; rows are pushed in order.
    pub fn new(columns: usize) -> Self {
        Self { columns, offsets: Offsets::List(vec![0]), index: Vec::new(), probability: Vec::new() }
    }

    /// From its parts: row `r` is `index[offsets[r]..offsets[r + 1]]`, ascending, and as much of `values`; none of them 0.
    pub(crate) fn from_parts(columns: usize, offsets: Vec<u32>, index: Vec<u32>, values: Vec<f64>) -> Self {
        debug_assert_eq!(offsets.last().map(|&end| end as usize), Some(index.len()));
        debug_assert_eq!(index.len(), values.len());
        let width = offsets.get(1).map_or(0, |end| end - offsets[0]);
        let offsets = match u32::try_from(offsets.len() - 1) {
            Ok(rows) if offsets.windows(2).all(|pair| pair[1] - pair[0] == width) => Offsets::Every { width, rows },
            _ => Offsets::List(offsets),
        };
        Self { columns, offsets, index, probability: values }
    }

    /// From a dense row-major matrix of `rows × columns` numbers; zeros are dropped.
    pub fn from_dense(columns: usize, dense: &[f64]) -> Self {
        let mut kernel = Self::new(columns);
        for row in dense.chunks(columns) {
            kernel.push_row(row.iter().copied().enumerate());
        }
        kernel
    }

    /// An empty kernel with room for `rows` rows of `entries` entries in all, so that building a large one never copies it.
    pub fn with_capacity(columns: usize, rows: usize, entries: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        let offsets = Offsets::List(offsets);
        Self { columns, offsets, index: Vec::with_capacity(entries), probability: Vec::with_capacity(entries) }
    }

    /// Appends a row. Entries may come in any order and repeat (they add up); zeros are dropped.
    /// Panics at 2^32 entries, which offsets of 32 bits cannot name.
    pub fn push_row(&mut self, entries: impl IntoIterator<Item = (usize, f64)>) {
        let start = self.index.len();
        let mut row: Vec<(usize, f64)> = entries.into_iter().filter(|&(_, p)| p != 0.0).collect();
        row.sort_unstable_by_key(|&(column, _)| column);
        for (column, p) in row {
            if self.index.len() > start && self.index.last() == Some(&(column as u32)) {
                *self.probability.last_mut().expect("index and probability grow together") += p;
            } else {
                self.index.push(column as u32);
                self.probability.push(p);
            }
        }
        let end = u32::try_from(self.index.len()).expect("a kernel holds fewer than 2^32 entries");
        if let Offsets::Every { width, rows } = self.offsets {
            self.offsets = Offsets::List((0..=rows).map(|r| r * width).collect());
        }
        if let Offsets::List(list) = &mut self.offsets {
            list.push(end);
        }
    }

    /// The first entry of row `r`, or the number of entries.
    #[inline]
    fn offset(&self, r: usize) -> usize {
        match &self.offsets {
            Offsets::List(list) => list[r] as usize,
            Offsets::Every { width, .. } => r * *width as usize,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match &self.offsets {
            Offsets::List(list) => list.len() - 1,
            Offsets::Every { rows, .. } => *rows as usize,
        }
    }

    /// Bytes that the rows take.
    pub fn bytes(&self) -> usize {
        let Self { columns: _, offsets, index, probability } = self;
        let offsets = if let Offsets::List(list) = offsets { size_of_val(&list[..]) } else { 0 };
        offsets + size_of_val(&index[..]) + size_of_val(&probability[..])
    }

    /// Number of outcomes.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of stored entries.
    pub fn entries(&self) -> usize {
        self.index.len()
    }

    /// Row `r`: ascending columns and their probabilities.
    #[inline]
    pub fn row(&self, r: usize) -> (&[u32], &[f64]) {
        let range = self.offset(r)..self.offset(r + 1);
        (&self.index[range.clone()], &self.probability[range])
    }

    /// The values of row `r`.
    pub(crate) fn row_mut(&mut self, r: usize) -> &mut [f64] {
        let range = self.offset(r)..self.offset(r + 1);
        &mut self.probability[range]
    }

    /// The rows from `first` on, one after the other: cheaper than [`row`](Self::row) for each.
    #[inline]
    pub fn rows_from(&self, first: usize) -> impl Iterator<Item = (&[u32], &[f64])> {
        let mut start = self.offset(first);
        let (mut index, mut probability) = (&self.index[start..], &self.probability[start..]);
        (first..self.rows()).map(move |r| {
            let end = self.offset(r + 1);
            let (i, p);
            (i, index) = index.split_at(end - start);
            (p, probability) = probability.split_at(end - start);
            start = end;
            (i, p)
        })
    }

    /// Row `r` as pairs.
    #[inline]
    pub fn pairs(&self, r: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let (index, probability) = self.row(r);
        index.iter().map(|&i| i as usize).zip(probability.iter().copied())
    }

    /// Entry `(r, column)`, zero when not stored. Logarithmic in the row's length.
    #[inline]
    pub fn get(&self, r: usize, column: usize) -> f64 {
        let (index, probability) = self.row(r);
        index.binary_search(&(column as u32)).map_or(0.0, |i| probability[i])
    }

    /// The same kernel with every row for which `target` names a column replaced by certainty of that column.
    pub(crate) fn with_certain_rows(&self, target: impl Fn(usize) -> Option<usize>) -> Self {
        let mut kernel = Self::with_capacity(self.columns, self.rows(), self.entries());
        for r in 0..self.rows() {
            match target(r) {
                Some(column) => kernel.push_row([(column, 1.0)]),
                None => kernel.push_row(self.pairs(r)),
            }
        }
        kernel
    }

    /// Makes every row sum to 1 up to rounding.
    pub(crate) fn renormalise(&mut self) {
        for r in 0..self.rows() {
            renormalise(self.row_mut(r));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kernel;

    #[test]
    fn rows_of_one_width_are_rows_like_others() {
        for offsets in [vec![0, 1, 2, 3], vec![0, 0, 2, 3], vec![0, 3], vec![0, 0, 0]] {
            let entries = offsets[offsets.len() - 1];
            let index: Vec<u32> = (0..entries).collect();
            let values: Vec<f64> = index.iter().map(|&i| f64::from(i) + 1.0).collect();
            let mut kernel = Kernel::from_parts(4, offsets.clone(), index.clone(), values.clone());
            let mut pushed = Kernel::new(4);
            for (r, pair) in offsets.windows(2).enumerate() {
                let range = pair[0] as usize..pair[1] as usize;
                assert_eq!(kernel.row(r), (&index[range.clone()], &values[range.clone()]));
                pushed.push_row(range.map(|i| (i, values[i])));
            }
            assert_eq!(kernel, pushed);
            assert_eq!((kernel.rows(), kernel.entries()), (offsets.len() - 1, entries as usize));
            kernel.push_row([(1, 0.5), (3, 0.5)]);
            assert_ne!(kernel, pushed);
            pushed.push_row([(1, 0.5), (3, 0.5)]);
            assert_eq!(kernel, pushed);
        }
    }
}
