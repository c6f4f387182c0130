//! Stochastic matrices in compressed sparse rows.

/// Rows of a stochastic matrix: row `r` holds the positive entries of one distribution, columns ascending.
///
/// A transition kernel has row `a * S + s` over next states, an observation kernel row `a * S + s'` over observations.
/// Only strictly positive probabilities are stored, so sampling never meets an impossible column.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    columns: usize,
    offsets: Vec<u32>,
    index: Vec<u32>,
    probability: Vec<f64>,
}

impl Kernel {
    /// An empty kernel over `columns` outcomes; rows are pushed in order.
    pub fn new(columns: usize) -> Self {
        Self { columns, offsets: vec![0], index: Vec::new(), probability: Vec::new() }
    }

    /// From its parts: row `r` is `index[offsets[r]..offsets[r + 1]]`, ascending, and as much of `values`; none of them 0.
    pub(crate) fn from_parts(columns: usize, offsets: Vec<u32>, index: Vec<u32>, values: Vec<f64>) -> Self {
        debug_assert_eq!(offsets.last().map(|&end| end as usize), Some(index.len()));
        debug_assert_eq!(index.len(), values.len());
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
        self.offsets.push(u32::try_from(self.index.len()).expect("a kernel holds fewer than 2^32 entries"));
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
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
        let range = self.offsets[r] as usize..self.offsets[r + 1] as usize;
        (&self.index[range.clone()], &self.probability[range])
    }

    /// The values of row `r`.
    pub(crate) fn row_mut(&mut self, r: usize) -> &mut [f64] {
        &mut self.probability[self.offsets[r] as usize..self.offsets[r + 1] as usize]
    }

    /// The rows from `first` on, one after the other: cheaper than [`row`](Self::row) for each.
    #[inline]
    pub fn rows_from(&self, first: usize) -> impl Iterator<Item = (&[u32], &[f64])> {
        let start = self.offsets[first] as usize;
        let (mut index, mut probability) = (&self.index[start..], &self.probability[start..]);
        self.offsets[first..].windows(2).map(move |ends| {
            let (i, p);
            let entries = (ends[1] - ends[0]) as usize;
            (i, index) = index.split_at(entries);
            (p, probability) = probability.split_at(entries);
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

/// Divides by the sum, unless that is 1 up to rounding already: so a distribution written to a file reads back bit for bit.
pub(crate) fn renormalise(probability: &mut [f64]) {
    let sum: f64 = probability.iter().sum();
    if (sum - 1.0).abs() > 1e-12 {
        probability.iter_mut().for_each(|p| *p /= sum);
    }
}
