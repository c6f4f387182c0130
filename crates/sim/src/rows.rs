//! Sampling rows by integer thresholds: the outcome of the f64 comparison, exactly, without floating point.
//!
//! The scalar path takes the first outcome with `x · 2⁻³² < c_i`, where `c_i` is the running f64 sum. Scaling by a power of two is
//! exact and `x` is an integer, so that is `x < ⌈c_i · 2³²⌉`, or `x ≤ last_i` with `last_i = ⌈c_i · 2³²⌉ - 1`, which fits a word
//! where the threshold itself may not. The last outcome takes what is left.

/// One outcome of a row: `(what happens, reward, probability)`, probabilities positive.
pub(crate) type Outcome = (u32, f64, f64);

/// Rows of outcomes, one after the other in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    outcomes: Vec<Outcome>,
    ends: Vec<usize>,
}

impl Rows {
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self { outcomes: Vec::with_capacity(4 * rows), ends: Vec::with_capacity(rows) }
    }

    pub(crate) fn push(&mut self, row: impl Iterator<Item = Outcome>) {
        self.outcomes.extend(row);
        self.ends.push(self.outcomes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Outcome]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.outcomes[start..end])
    }

    /// The length of the longest row.
    pub(crate) fn longest(&self) -> usize {
        self.iter().map(<[Outcome]>::len).max().unwrap_or(0)
    }
}

/// The last word that draws each outcome or one before it.
pub(crate) fn last_words(row: &[Outcome]) -> impl Iterator<Item = u32> {
    let mut cumulative = 0.0;
    row.iter().enumerate().map(move |(i, &(_, _, p))| {
        cumulative += p;
        // ⌈x⌉ - 1 of a positive x, without the call that a ceiling is at baseline.
        let scaled: f64 = cumulative * 4_294_967_296.0;
        let below = scaled as u64 - u64::from(scaled as u64 as f64 == scaled);
        let last = u32::try_from(below).unwrap_or(u32::MAX);
        if i + 1 == row.len() { u32::MAX } else { last }
    })
}

/// How a table draws the outcome of a row: `(what happens, which outcome it is)`.
trait Draw {
    fn draw(&self, row: usize, word: u32) -> (u32, u32);
}

/// At most `K` outcomes a row, `K` a power of two, one record a row: a draw counts the thresholds that the word passed, without a
/// branch. Outcomes are numbered within their row.
#[derive(Debug, Clone)]
pub(crate) struct Narrow<const K: usize>(Vec<Record<K>>);

/// Aligned, so that no record of up to 4 outcomes lies on two cache lines.
#[derive(Debug, Clone)]
#[repr(align(16))]
struct Record<const K: usize> {
    last: [u32; K],
    event: [u32; K],
}

impl<const K: usize> Narrow<K> {
    fn new(rows: &Rows) -> Self {
        let record = |row: &[Outcome]| {
            let mut record = Record { last: [u32::MAX; K], event: [0; K] };
            for (i, (&(event, ..), last)) in row.iter().zip(last_words(row)).enumerate() {
                (record.last[i], record.event[i]) = (last, event);
            }
            record
        };
        Self(rows.iter().map(record).collect())
    }
}

impl<const K: usize> Draw for Narrow<K> {
    #[inline(always)]
    fn draw(&self, row: usize, word: u32) -> (u32, u32) {
        let record = &self.0[row];
        let mut outcome = 0;
        for i in 0..K - 1 {
            outcome += u32::from(word > record.last[i]);
        }
        (record.event[outcome as usize & (K - 1)], outcome)
    }
}

/// Rows of any length, by guide tables (Chen and Asau, "On generating random variates from an empirical distribution", 1974): the
/// word's leading bits name the first outcome it can draw, and a search from there takes less than two steps on average,
/// whatever the row's length. Outcomes are numbered through all rows.
#[derive(Debug, Clone)]
pub(crate) struct Guided {
    rows: Vec<Span>,
    guide: Vec<u32>,
    last: Vec<u32>,
    event: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Span {
    guide: usize,
    shift: u32,
}

impl Guided {
    pub(crate) fn new(rows: &Rows) -> Self {
        let mut table =
            Self { rows: Vec::with_capacity(rows.len()), guide: Vec::new(), last: Vec::new(), event: Vec::new() };
        for row in rows.iter() {
            let first = table.last.len();
            table.last.extend(last_words(row));
            let last = &table.last[first..];
            let bits = row.len().next_power_of_two().trailing_zeros();
            table.rows.push(Span { guide: table.guide.len(), shift: 32 - bits });
            let mut outcome = 0;
            for bucket in 0..1u64 << bits {
                let lowest = (bucket << (32 - bits)) as u32;
                while last[outcome] < lowest {
                    outcome += 1;
                }
                table.guide.push((first + outcome) as u32);
            }
            table.event.extend(row.iter().map(|&(event, ..)| event));
        }
        table
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let Self { rows, guide, last, event } = self;
        size_of_val(&rows[..]) + size_of_val(&guide[..]) + size_of_val(&last[..]) + size_of_val(&event[..])
    }

    /// What `word` draws from `row`.
    #[inline(always)]
    pub(crate) fn event(&self, row: usize, word: u32) -> u32 {
        self.draw(row, word).0
    }
}

impl Draw for Guided {
    #[inline(always)]
    fn draw(&self, row: usize, word: u32) -> (u32, u32) {
        let span = &self.rows[row];
        let mut outcome = self.guide[span.guide + (u64::from(word) >> span.shift) as usize] as usize;
        while word > self.last[outcome] {
            outcome += 1;
        }
        (self.event[outcome], outcome as u32)
    }
}

/// Rows in the form that fits the longest one, and the reward of every outcome.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    form: Form,
    /// By symbol.
    rewards: Vec<f64>,
    /// The symbol of an outcome is `row · factor + (outcome & mask)`: rewards that depend on the row alone are kept once.
    factor: u32,
    mask: u32,
}

#[derive(Debug, Clone)]
enum Form {
    Two(Narrow<2>),
    Four(Narrow<4>),
    Eight(Narrow<8>),
    Wide(Guided),
}

impl Table {
    pub(crate) fn new(rows: &Rows) -> Self {
        let (form, width) = match rows.longest() {
            0..=2 => (Form::Two(Narrow::new(rows)), 2),
            3..=4 => (Form::Four(Narrow::new(rows)), 4),
            5..=8 => (Form::Eight(Narrow::new(rows)), 8),
            _ => (Form::Wide(Guided::new(rows)), 0),
        };
        let constant = |row: &[Outcome]| row.iter().all(|(_, reward, _)| reward.to_bits() == row[0].1.to_bits());
        let (mut rewards, mut factor, mut mask) = (Vec::new(), 1, 0);
        if rows.iter().all(constant) {
            rewards.extend(rows.iter().map(|row| row.first().map_or(0.0, |&(_, reward, _)| reward)));
        } else {
            for row in rows.iter() {
                rewards.extend(row.iter().map(|&(_, reward, _)| reward));
                rewards.extend(std::iter::repeat_n(0.0, usize::saturating_sub(width, row.len())));
            }
            (factor, mask) = (width as u32, u32::MAX);
        }
        Self { form, rewards, factor, mask }
    }

    /// What `word[lane]` draws from `row[lane]`.
    #[inline(always)]
    pub(crate) fn events<const L: usize>(&self, row: &[u32; L], word: &[u32; L], event: &mut [u32; L]) {
        match &self.form {
            Form::Two(table) => events(table, row, word, event),
            Form::Four(table) => events(table, row, word, event),
            Form::Eight(table) => events(table, row, word, event),
            Form::Wide(table) => events(table, row, word, event),
        }
    }

    /// [`events`](Self::events), and the symbols that name their rewards.
    #[inline(always)]
    pub(crate) fn draws<const L: usize>(
        &self,
        row: &[u32; L],
        word: &[u32; L],
        event: &mut [u32; L],
        symbol: &mut [u32; L],
    ) {
        match &self.form {
            Form::Two(table) => draws(table, row, word, event, symbol),
            Form::Four(table) => draws(table, row, word, event, symbol),
            Form::Eight(table) => draws(table, row, word, event, symbol),
            Form::Wide(table) => draws(table, row, word, event, symbol),
        }
        for lane in 0..L {
            symbol[lane] = row[lane] * self.factor + (symbol[lane] & self.mask);
        }
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let form = match &self.form {
            Form::Two(table) => size_of_val(&table.0[..]),
            Form::Four(table) => size_of_val(&table.0[..]),
            Form::Eight(table) => size_of_val(&table.0[..]),
            Form::Wide(table) => table.bytes(),
        };
        form + size_of_val(&self.rewards[..])
    }

    /// Rewards by symbol.
    #[inline(always)]
    pub(crate) fn rewards(&self) -> &[f64] {
        &self.rewards
    }
}

/// Not inlined, so the same code at every level: look-ups are made a lane at a time anyway, and here they have all registers.
#[inline(never)]
fn events<const L: usize>(table: &impl Draw, row: &[u32; L], word: &[u32; L], event: &mut [u32; L]) {
    for lane in 0..L {
        (event[lane], _) = table.draw(row[lane] as usize, word[lane]);
    }
}

/// Not inlined, as [`events`].
#[inline(never)]
fn draws<const L: usize>(
    table: &impl Draw,
    row: &[u32; L],
    word: &[u32; L],
    event: &mut [u32; L],
    symbol: &mut [u32; L],
) {
    for lane in 0..L {
        (event[lane], symbol[lane]) = table.draw(row[lane] as usize, word[lane]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Portable;
    use crate::registers::Registers;

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
            let (table, guided, registers) = (Table::new(&rows), Guided::new(&rows), Registers::new(&rows));
            assert_eq!(registers.is_some(), list.len() <= 4);
            for word in around {
                let expected = reference(&row, word);
                let (mut event, mut symbol) = ([9], [9]);
                table.draws(&[1], &[word], &mut event, &mut symbol);
                assert_eq!((event[0], table.rewards()[symbol[0] as usize]), (expected, 0.5 * f64::from(expected)));
                assert_eq!(guided.event(1, word), expected);
                if let Some(registers) = &registers {
                    let mut events = [0; 16];
                    registers.events(Portable, &[1; 16], &[word; 16], &mut events);
                    assert_eq!(events, [expected; 16]);
                }
            }
        }
    }
}
