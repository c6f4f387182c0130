//! The `.pomdp` format of pomdp-solve (Cassandra), its MDP files included.
//!
//! A text is a header ([`header`]) and tables ([`tables`]), over words and colons ([`scan`]). White space and `#` comments may
//! stand anywhere. Later entries override earlier ones; what no entry sets is 0.

mod header;
mod scan;
mod tables;
mod write;

pub(super) use write::write;

use std::ops::Range;

use self::header::Header;
use self::scan::Scanner;
use super::ReadOptions;
use super::diagnostic::{Fault, Source};
use super::rewards::{Shape, reward};
use super::sheet::{BadRow, Findings, Rows, TooLarge};
use crate::distribution::{self, Sum, sums_to};
use crate::{Dynamics, ModelBuilder};

/// Whether a text begins with a statement of this format, after comments.
pub(super) fn begins(text: &[u8]) -> bool {
    Scanner::new(text).at_statement()
}

/// The parts of the model in a text, and its repairs. Time and memory proportional to the text and to the model's entries.
pub(super) fn read(source: &Source, options: &ReadOptions) -> Result<(ModelBuilder, Vec<Fault>), Fault> {
    if source.text.len() > u32::MAX as usize {
        return Err(Fault::new(0..0, "the file is larger than 4 GiB", ""));
    }
    let mut scanner = Scanner::new(source.text);
    let mut header = header::header(&mut scanner)?;
    if header.discount == 1.0 && options.horizon.is_none() {
        let at = header.discount_at.range();
        return Err(Fault::new(at, "a discount of 1 needs a horizon", "below 1 without a horizon")
            .note("the format has no horizon: give the number of decisions along with the file"));
    }
    let tables = tables::tables(&mut scanner, &mut header)?;

    let states = header.states.len();
    let end = source.text.len()..source.text.len();
    let too_large = |TooLarge| {
        let limit = super::sheet::ENTRY_LIMIT;
        Fault::new(end.clone(), format!("the model needs more than {limit} numbers"), "")
    };
    let mut terminal = vec![false; states];
    header.terminal.iter().for_each(|&s| terminal[s] = true);
    let certain = |row: usize| terminal[row % states].then_some(row % states);
    let transition = tables.transition.distributions(certain).map_err(too_large)?;
    let observation = tables.observation.map(|sheet| sheet.distributions(|_| None)).transpose().map_err(too_large)?;
    let start_sum: f64 = header.start.as_ref().map_or(1.0, |start| start.iter().sum());

    let report =
        Report { source, header: &header, start: start_sum, transition: &transition, observation: &observation };
    let warnings = report.check()?;

    let shape = Shape {
        actions: header.actions.len(),
        states,
        observations: header.observations.as_ref().map_or(1, header::Names::len),
    };
    let seen = observation.as_ref().map(|rows| &rows.kernel);
    let reward = reward(&tables.rewards, shape, &transition.kernel, seen).map_err(too_large)?;
    let mut start = header.start.unwrap_or_else(|| vec![1.0 / states as f64; states]);
    distribution::renormalise(&mut start);
    let builder = ModelBuilder {
        name: String::new(),
        states: header.states.space,
        actions: header.actions.space,
        observations: header.observations.map(|names| names.space),
        reward,
        start,
        discount: header.discount,
        horizon: options.horizon,
        terminal: header.terminal,
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition: transition.kernel, observation: observation.map(|rows| rows.kernel) }],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    };
    Ok((builder, warnings))
}

/// All rows that do not sum to 1, in one message; all that rounding kept from it, in another.
struct Report<'a> {
    source: &'a Source<'a>,
    header: &'a Header<'a>,
    start: f64,
    transition: &'a Rows,
    observation: &'a Option<Rows>,
}

impl Report<'_> {
    fn check(&self) -> Result<Vec<Fault>, Fault> {
        let bad = self.lines(|rows| &rows.bad, Sum::Wrong);
        if bad.total > 0 {
            let only_empty = ["T", "O"].into_iter().zip(bad.empty).find(|(_, empty)| *empty == bad.total);
            let mut fault = bad.fault(|n| match (n, only_empty) {
                (1, Some((table, _))) => format!("a row of {table} has no entry"),
                (n, Some((table, _))) => format!("{n} rows of {table} have no entry"),
                (1, None) => "a row does not sum to 1".into(),
                (n, None) => format!("{n} rows do not sum to 1"),
            });
            // The commonest cause, which hides behind its many effects.
            for (empty, statement) in
                bad.empty.into_iter().zip(["`T: * identity` keeps the state", "`O: * uniform` says nothing"])
            {
                if empty > 0 {
                    fault = fault
                        .note(format!("a row that no statement sets is all 0; before the others, {statement} there"));
                }
            }
            return Err(fault);
        }
        let repaired = self.lines(|rows| &rows.repaired, Sum::Rounded);
        if repaired.total == 0 {
            return Ok(Vec::new());
        }
        let said = |n| match n {
            1 => "a row is off by rounding and was divided by its sum".into(),
            n => format!("{n} rows are off by rounding and were divided by their sums"),
        };
        Ok(vec![repaired.fault(said)])
    }

    /// The rows of one fault in words, start first, with their places.
    fn lines(&self, pick: impl Fn(&Rows) -> &Findings, start: Sum) -> Lines {
        let mut lines = Lines { total: 0, empty: [0; 2], rows: Vec::new() };
        if distribution::judge(self.start, self.header.states.len()) == start {
            lines.total += 1;
            let at = self.header.start_at.range();
            lines.rows.push((at.clone(), format!("start {}", sums_to(self.start)), Some(self.source.line(at.start))));
        }
        let observation = self.observation.as_ref().map(|rows| ("O", rows));
        for (i, (letter, rows)) in [("T", self.transition)].into_iter().chain(observation).enumerate() {
            let findings = pick(rows);
            lines.total += findings.total;
            lines.empty[i] = findings.empty;
            lines.rows.extend(findings.first.iter().map(|row| self.line(letter, *row)));
        }
        lines
    }

    fn line(&self, letter: &str, row: BadRow) -> (Range<usize>, String, Option<usize>) {
        let states = self.header.states.len();
        let action = self.header.actions.space.name(row.row / states);
        let state = self.header.states.space.name(row.row % states);
        let text = self.source.text;
        match row.at {
            None => (text.len()..text.len(), format!("{letter}: {action} : {state} {}", row.problem()), None),
            Some(at) => {
                let at = at as usize;
                let stop = text[at..].iter().position(|b| matches!(b, b'\n' | b'\r' | b'#'));
                let line = &text[at..stop.map_or(text.len(), |stop| at + stop)];
                let label = format!("{letter}: {action} : {state} {}", row.problem());
                (at..at + line.trim_ascii_end().len(), label, Some(self.source.line(at)))
            }
        }
    }
}

/// Rows of one fault: their number, and the first of them in words.
struct Lines {
    total: usize,
    /// Those of T and of O that nothing was assigned to.
    empty: [usize; 2],
    rows: Vec<(Range<usize>, String, Option<usize>)>,
}

impl Lines {
    fn fault(&self, message: impl Fn(usize) -> String) -> Fault {
        let total = self.total;
        let mut rows = self.rows.iter().cloned();
        let (at, label, _) = rows.next().expect("a fault has a row");
        let mut fault = Fault::new(at, message(total), label);
        let others: Vec<String> = rows
            .take(7)
            .map(|(_, label, line)| line.map_or(label.clone(), |line| format!("{label} (line {line})")))
            .collect();
        let more = total - 1 - others.len();
        if !others.is_empty() {
            let tail = if more > 0 { format!("\n… and {more} more") } else { String::new() };
            fault = fault.note(others.join("\n") + &tail);
        }
        fault
    }
}
