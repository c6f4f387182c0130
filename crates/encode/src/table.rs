//! Flat tables of id rows, copied a whole row at a time.

/// What one symbol of a field is for the tokenizer at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolKind {
    /// Every digit is one id.
    Digit,
    /// The tokenizer groups digits: a whole field is looked up.
    Number,
}

/// Rows of ids, each padded to a common stride, so that copying a row is a move of fixed size.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    ids: Vec<u32>,
    lengths: Vec<u32>,
}

impl Table {
    /// Pads `rows` to `stride`, which must be at least as long as each.
    pub(crate) fn new(rows: &[Vec<u32>], stride: usize) -> Self {
        let mut ids = Vec::with_capacity(rows.len() * stride);
        for row in rows {
            ids.extend_from_slice(row);
            ids.resize(ids.len() + stride - row.len(), 0);
        }
        Self { ids, lengths: rows.iter().map(|row| row.len() as u32).collect() }
    }

    /// The table as rows of `N` ids; `N` must be the stride.
    #[inline]
    pub(crate) fn rows<const N: usize>(&self) -> Rows<'_, N> {
        let (ids, rest) = self.ids.as_chunks::<N>();
        debug_assert!(rest.is_empty());
        Rows { ids, lengths: &self.lengths[..ids.len()] }
    }

    /// The ids of row `index`, without the padding.
    pub(crate) fn row(&self, index: usize, stride: usize) -> Option<&[u32]> {
        let length = *self.lengths.get(index)? as usize;
        Some(&self.ids[index * stride..][..length])
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.ids[..]) + size_of_val(&self.lengths[..])
    }

    /// The longest row.
    pub(crate) fn longest(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0) as usize
    }
}

/// A borrowed table with its stride known to the compiler.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, const N: usize> {
    ids: &'a [[u32; N]],
    lengths: &'a [u32],
}

impl<const N: usize> Rows<'_, N> {
    /// Copies row `index` to `out[at..at + N]` and returns the position after its last real id; `None` if there is no
    /// such row.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the copy must become one move in the caller's loop")]
    pub(crate) fn copy(&self, index: usize, out: &mut [u32], at: usize) -> Option<usize> {
        let row = self.ids.get(index)?;
        // An array assignment, not `copy_from_slice`: the latter may stay a call with the length forgotten.
        *out[at..].first_chunk_mut::<N>().expect("the caller has made room") = *row;
        Some(at + self.lengths[index] as usize)
    }
}
