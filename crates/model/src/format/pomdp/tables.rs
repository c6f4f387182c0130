//! The statements `T:`, `O:` and `R:`.

use std::ops::Range;

use super::header::{Header, Names, probability, words};
use super::scan::{Kind, STATEMENTS, Scanner, Token};
use crate::format::diagnostic::Fault;
use crate::format::rewards::{ALL, Rule};
use crate::format::sheet::{REWARD_LIMIT, Set, Sheet, TooLarge};

/// The tables as the text gives them.
pub(super) struct Tables {
    pub transition: Sheet,
    pub observation: Option<Sheet>,
    pub rewards: Vec<Rule>,
}

/// Reads to the end of the text.
pub(super) fn tables<'t>(scanner: &mut Scanner<'t>, header: &mut Header<'t>) -> Result<Tables, Fault> {
    let rows = header.actions.len() * header.states.len();
    let sheet = |columns: usize| Sheet::new(rows, columns).map_err(|TooLarge| too_large(scanner.peek()));
    let transition = sheet(header.states.len())?;
    let observation = header.observations.as_ref().map(|o| sheet(o.len())).transpose()?;
    let mut tables = Tables { transition, observation, rewards: Vec::new() };
    loop {
        let keyword = scanner.peek();
        match keyword.text {
            b"" => return Ok(tables),
            b"T" => {
                scanner.next();
                let (sheet, columns) = (&mut tables.transition, &header.states);
                Target { header, sheet, columns, keyword }.read(scanner)?;
            }
            b"O" => {
                scanner.next();
                let (Some(columns), Some(sheet)) = (&header.observations, &mut tables.observation) else {
                    let label = "expected `observations:` before the tables";
                    return Err(Fault::new(keyword.range(), "`O:` in a file without observations", label));
                };
                Target { header, sheet, columns, keyword }.read(scanner)?;
            }
            b"R" => reward(scanner, header, &mut tables.rewards)?,
            b"E" => {
                let states = words(scanner, "E")?;
                header.add_terminal(&states)?;
            }
            b"discount" | b"values" | b"states" | b"actions" | b"observations" | b"start" if scanner.at_statement() => {
                let message = format!("{} after the first table", keyword.quoted());
                return Err(Fault::new(keyword.range(), message, "expected before every `T:`, `O:` and `R:`"));
            }
            _ => {
                let mut fault =
                    keyword.expected("`T:`, `O:`, `R:` or `E:`").note(format!("statements are {STATEMENTS}"));
                if keyword.text.first().is_some_and(|byte| byte.is_ascii_digit() || b".+-".contains(byte)) {
                    fault = fault.note("a number more than the statement before asks for");
                }
                return Err(fault);
            }
        }
    }
}

fn too_large(at: Token) -> Fault {
    let limit = crate::format::sheet::ENTRY_LIMIT;
    Fault::new(at.range(), format!("the model needs more than {limit} numbers"), "one too many")
}

/// The elements an index stands for.
fn each(index: u32, len: usize) -> Range<usize> {
    if index == ALL { 0..len } else { index as usize..index as usize + 1 }
}

/// The table that a statement `T:` or `O:` writes to.
struct Target<'a, 't> {
    header: &'a Header<'t>,
    sheet: &'a mut Sheet,
    /// Next states for `T:`, observations for `O:`.
    columns: &'a Names<'t>,
    keyword: Token<'t>,
}

impl<'t> Target<'_, 't> {
    /// The statement from its first colon on: a cell, a row or a matrix.
    fn read(&mut self, scanner: &mut Scanner<'t>) -> Result<(), Fault> {
        scanner.colon(&self.keyword.quoted())?;
        let action = self.header.actions.index_or_all(scanner.next())?;
        if scanner.peek().kind != Kind::Colon {
            return self.matrix(scanner, action);
        }
        scanner.next();
        let state = self.header.states.index_or_all(scanner.next())?;
        if scanner.peek().kind != Kind::Colon {
            let row = self.row(scanner)?;
            return self.assign(action, state, row);
        }
        scanner.next();
        let column = self.columns.index_or_all(scanner.next())?;
        let p = probability(scanner.next())?;
        self.assign(action, state, if column == ALL { Set::Fill(p) } else { Set::Cell(column, p) })
    }

    fn assign(&mut self, action: u32, state: u32, set: Set) -> Result<(), Fault> {
        let states = self.header.states.len();
        for action in each(action, self.header.actions.len()) {
            for state in each(state, states) {
                let at = self.keyword.start as u32;
                self.sheet.set(action * states + state, set, at).map_err(|TooLarge| too_large(self.keyword))?;
            }
        }
        Ok(())
    }

    fn uniform(&self) -> Set {
        Set::Fill(1.0 / self.columns.len() as f64)
    }

    fn row(&mut self, scanner: &mut Scanner<'t>) -> Result<Set, Fault> {
        let transition = self.keyword.is("T");
        match scanner.peek() {
            word if word.is("uniform") => {
                scanner.next();
                Ok(self.uniform())
            }
            word if word.is("reset") && transition => {
                scanner.next();
                Ok(match &self.header.start {
                    None => self.uniform(),
                    Some(start) => self.sheet.list(start.iter().enumerate().map(|(s, &p)| (s as u32, p))),
                })
            }
            _ => {
                let forms = if transition { ", `uniform` or `reset`" } else { " or `uniform`" };
                self.numbers(scanner, &format!("a probability{forms}"))
            }
        }
    }

    fn matrix(&mut self, scanner: &mut Scanner<'t>, action: u32) -> Result<(), Fault> {
        let states = self.header.states.len();
        match scanner.peek() {
            word if word.is("uniform") => {
                scanner.next();
                self.assign(action, ALL, self.uniform())
            }
            word if word.is("identity") => {
                if self.columns.len() != states {
                    let message = format!("`identity` for {states} states and {} observations", self.columns.len());
                    return Err(Fault::new(word.range(), message, "expected as many observations as states"));
                }
                scanner.next();
                for state in 0..states as u32 {
                    let row = self.sheet.list([(state, 1.0)]);
                    self.assign(action, state, row)?;
                }
                Ok(())
            }
            _ => {
                for state in 0..states as u32 {
                    let row = self.numbers(scanner, "`:`, a probability, `uniform` or `identity`")?;
                    self.assign(action, state, row)?;
                }
                Ok(())
            }
        }
    }

    /// As many probabilities as there are columns.
    fn numbers(&mut self, scanner: &mut Scanner<'t>, what: &str) -> Result<Set, Fault> {
        let columns = self.columns.len();
        let mut row = Vec::new();
        for column in 0..columns as u32 {
            let p = number(scanner, what, column as usize, columns, probability)?;
            if p != 0.0 {
                row.push((column, p));
            }
        }
        Ok(self.sheet.list(row))
    }
}

/// Number `i` of the `len` of a row; `what` is what may stand at its beginning.
fn number<'t>(
    scanner: &mut Scanner<'t>,
    what: &str,
    i: usize,
    len: usize,
    read: impl Fn(Token<'t>) -> Result<f64, Fault>,
) -> Result<f64, Fault> {
    let token = scanner.next();
    let numeric = matches!(token.text.first(), Some(b'0'..=b'9' | b'.' | b'-' | b'+'));
    if numeric {
        return read(token);
    }
    Err(if i == 0 {
        token.expected(what)
    } else {
        token.expected(&format!("number {} of the {len} of this row", i + 1))
    })
}

/// `R: a : s : s' : o v`, `R: a : s : s'` and a row over o, `R: a : s` and a matrix over (s', o). Without observations each
/// form has one index less.
fn reward<'t>(scanner: &mut Scanner<'t>, header: &Header<'t>, rules: &mut Vec<Rule>) -> Result<(), Fault> {
    let sign = if header.cost { -1.0 } else { 1.0 };
    let value = |token: Token| {
        let value = token.number("a number")?;
        if value.abs() > REWARD_LIMIT {
            let message = format!("{} is too large for a reward", token.quoted());
            return Err(Fault::new(token.range(), message, format!("expected at most {REWARD_LIMIT:e} in size")));
        }
        // Adding 0 makes a negative zero positive.
        Ok(sign * value + 0.0)
    };
    let keyword = scanner.next();
    scanner.colon(&keyword.quoted())?;
    let mut cell = [header.actions.index_or_all(scanner.next())?, ALL, ALL, ALL];
    let mut given = 1;
    while given < 4 && scanner.peek().kind == Kind::Colon {
        scanner.next();
        let token = scanner.next();
        cell[given] = match (given, &header.observations) {
            (3, Some(observations)) => observations.index_or_all(token)?,
            (3, None) if token.is("*") => ALL,
            (3, None) => return Err(token.expected("`*`, as this file has no observations")),
            _ => header.states.index_or_all(token)?,
        };
        given += 1;
    }
    let (states, observations) = (header.states.len(), header.observations.as_ref().map(Names::len));
    let mut push = |cell: [u32; 4], value: f64| {
        if rules.len() >= crate::format::sheet::ENTRY_LIMIT {
            return Err(too_large(keyword));
        }
        rules.push(Rule { cell, value });
        Ok(())
    };
    // The positions that a row and a matrix run over.
    let last = if observations.is_some() { 3 } else { 2 };
    match (given, observations) {
        _ if given > last => push(cell, value(scanner.next())?),
        (1, Some(_)) => {
            let action = header.actions.space.name(if cell[0] == ALL { 0 } else { cell[0] as usize });
            let action = if cell[0] == ALL { "*" } else { &action };
            let fault = scanner.peek().expected("`:` and a state");
            Err(fault.note(format!("the same reward wherever it is taken: `R: {action} : * : * : * NUMBER`")))
        }
        _ => {
            // All of it is overridden, then what is not 0 is set.
            push(cell, 0.0)?;
            let columns = observations.unwrap_or(states);
            let rows = if given == last { 1 } else { states };
            for row in 0..rows as u32 {
                for column in 0..columns {
                    let what = if given == last { "a number" } else { "`:` or a number" };
                    let value = number(scanner, what, column, columns, value)?;
                    if value != 0.0 {
                        if given < last {
                            cell[last - 1] = row;
                        }
                        cell[last] = column as u32;
                        push(cell, value)?;
                    }
                }
            }
            Ok(())
        }
    }
}
