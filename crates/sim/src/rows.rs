//! Sampling rows by integer thresholds: the outcome of the f64 comparison, exactly, without floating point.
//!
//! The scalar path takes the first outcome with `x · 2⁻³² < c_i`, where `c_i` is the running f64 sum. Scaling by a power of two is
//! exact and `x` is an integer, so that is `x < ⌈c_i · 2³²⌉`, or `x ≤ last_i` with `last_i = ⌈c_i · 2³²⌉ - 1`, which fits a word
//! where the threshold itself may not. The last outcome takes what is left.

/// One row of a table: `(outcome, reward, probability)`, probabilities positive.
pub(crate) type Outcome = (u32, f64, f64);

/// Rows of outcomes, one after the other in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    outcomes: Vec<Outcome>,
    ends: Vec<usize>,
}

impl Rows {
    pub(crate) fn push(&mut self, row: impl Iterator<Item = Outcome>) {
        self.outcomes.extend(row);
        self.ends.push(self.outcomes.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn iter(&self) -> impl Iterator<Item = &[Outcome]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.outcomes[start..end])
    }
}

/// The last word that draws each outcome or one before it.
fn last_words(row: &[Outcome]) -> impl Iterator<Item = u32> {
    let mut cumulative = 0.0;
    row.iter().enumerate().map(move |(i, &(_, _, p))| {
        cumulative += p;
        let last = ((cumulative * 4_294_967_296.0_f64).ceil() - 1.0).min(f64::from(u32::MAX)) as u32;
        if i + 1 == row.len() { u32::MAX } else { last }
    })
}

/// How a table draws the outcome of a row, and its reward.
pub(crate) trait Draw {
    fn draw(&self, row: usize, word: u32) -> (u32, f64);
}

/// At most `K` outcomes a row, one record a row: a draw counts the thresholds that the word passed, without a branch.
#[derive(Debug, Clone)]
pub(crate) struct Narrow<const K: usize>(Vec<Record<K>>);

#[derive(Debug, Clone)]
struct Record<const K: usize> {
    last: [u32; K],
    next: [u32; K],
    reward: [f64; K],
}

impl<const K: usize> Narrow<K> {
    fn new(rows: &Rows) -> Self {
        let record = |row: &[Outcome]| {
            let mut record = Record { last: [u32::MAX; K], next: [0; K], reward: [0.0; K] };
            for (i, (&(next, reward, _), last)) in row.iter().zip(last_words(row)).enumerate() {
                (record.last[i], record.next[i], record.reward[i]) = (last, next, reward);
            }
            record
        };
        Self(rows.iter().map(record).collect())
    }
}

impl<const K: usize> Draw for Narrow<K> {
    #[inline(always)]
    fn draw(&self, row: usize, word: u32) -> (u32, f64) {
        let record = &self.0[row];
        let mut outcome = 0;
        for i in 0..K - 1 {
            outcome += usize::from(word > record.last[i]);
        }
        (record.next[outcome], record.reward[outcome])
    }
}

/// Rows of any length, by guide tables (Chen and Asau, "On generating random variates from an empirical distribution", 1974): the
/// word's leading bits name the first outcome it can draw, and a search from there takes less than two steps on average,
/// whatever the row's length.
#[derive(Debug, Clone)]
pub(crate) struct Guided {
    rows: Vec<Span>,
    guide: Vec<u32>,
    last: Vec<u32>,
    next: Vec<u32>,
    reward: Vec<f64>,
}

#[derive(Debug, Clone)]
struct Span {
    guide: usize,
    shift: u32,
}

impl Guided {
    pub(crate) fn new(rows: &Rows) -> Self {
        let (guide, last, next, reward) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut table = Self { rows: Vec::with_capacity(rows.len()), guide, last, next, reward };
        for row in rows.iter() {
            let first = table.last.len();
            table.last.extend(last_words(row));
            let last = &table.last[first..];
            let bits = row.len().next_power_of_two().trailing_zeros();
            table.rows.push(Span { guide: table.guide.len(), shift: 32 - bits });
            for bucket in 0..1u64 << bits {
                let lowest = (bucket << (32 - bits)) as u32;
                table.guide.push((first + last.partition_point(|&last| last < lowest)) as u32);
            }
            table.next.extend(row.iter().map(|outcome| outcome.0));
            table.reward.extend(row.iter().map(|outcome| outcome.1));
        }
        table
    }
}

impl Draw for Guided {
    #[inline(always)]
    fn draw(&self, row: usize, word: u32) -> (u32, f64) {
        let span = &self.rows[row];
        let mut outcome = self.guide[span.guide + (u64::from(word) >> span.shift) as usize] as usize;
        while word > self.last[outcome] {
            outcome += 1;
        }
        (self.next[outcome], self.reward[outcome])
    }
}

/// The form that fits the longest row.
#[derive(Debug, Clone)]
pub(crate) enum Table {
    Two(Narrow<2>),
    Four(Narrow<4>),
    Eight(Narrow<8>),
    Wide(Guided),
}

impl Table {
    pub(crate) fn new(rows: &Rows) -> Self {
        match rows.iter().map(<[Outcome]>::len).max().unwrap_or(0) {
            0..=2 => Self::Two(Narrow::new(rows)),
            3..=4 => Self::Four(Narrow::new(rows)),
            5..=8 => Self::Eight(Narrow::new(rows)),
            _ => Self::Wide(Guided::new(rows)),
        }
    }

    /// Draws `row[lane]` by `word[lane]` for every lane.
    #[inline(always)]
    pub(crate) fn draw<const L: usize>(
        &self,
        row: &[u32; L],
        word: &[u32; L],
        next: &mut [u32; L],
        reward: &mut [f64; L],
    ) {
        match self {
            Self::Two(table) => draw(table, row, word, next, reward),
            Self::Four(table) => draw(table, row, word, next, reward),
            Self::Eight(table) => draw(table, row, word, next, reward),
            Self::Wide(table) => draw(table, row, word, next, reward),
        }
    }
}

/// Not inlined, so the same code at every level: look-ups are made a lane at a time anyway, and here they have all registers.
#[inline(never)]
fn draw<const L: usize>(
    table: &impl Draw,
    row: &[u32; L],
    word: &[u32; L],
    next: &mut [u32; L],
    reward: &mut [f64; L],
) {
    for lane in 0..L {
        (next[lane], reward[lane]) = table.draw(row[lane] as usize, word[lane]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scalar path's rule, in f64.
    fn reference(row: &[Outcome], word: u32) -> u32 {
        let (u, mut cumulative) = (f64::from(word) / 4_294_967_296.0, 0.0);
        let passed = |&&(_, _, p): &&Outcome| {
            cumulative += p;
            u < cumulative
        };
        row.iter().find(passed).unwrap_or(row.last().unwrap()).0
    }

    #[test]
    fn integer_thresholds_are_the_f64_comparison_at_every_edge() {
        let lists: [&[f64]; 6] = [
            &[1.0],
            &[0.1, 0.9],
            &[0.1, 0.2, 0.3, 0.4],
            &[1e-300, 1.0 - 1e-12, 1e-12],
            &[1.0, 1e-17, 1e-17],
            &[1.0 / 13.0; 13],
        ];
        for list in lists {
            let row: Vec<Outcome> = list.iter().enumerate().map(|(i, &p)| (i as u32, 0.5 * i as f64, p)).collect();
            let mut edges: Vec<u32> = last_words(&row).collect();
            edges.extend([0, 1, u32::MAX - 1, u32::MAX]);
            let around: Vec<u32> = edges.iter().flat_map(|&e| [e.saturating_sub(1), e, e.saturating_add(1)]).collect();
            let mut rows = Rows::default();
            (0..2).for_each(|_| rows.push(row.iter().copied()));
            let (table, guided) = (Table::new(&rows), Guided::new(&rows));
            for word in around {
                let expected = reference(&row, word);
                let (mut next, mut reward) = ([9], [9.0]);
                table.draw(&[1], &[word], &mut next, &mut reward);
                assert_eq!((next[0], reward[0]), (expected, 0.5 * f64::from(expected)));
                assert_eq!(guided.draw(1, word).0, expected);
            }
        }
    }
}
