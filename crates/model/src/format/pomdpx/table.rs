//! One function under one action, as sparse rows over the variables that matter there.

use super::function::{ANY, Function};
use super::variables::{Role, Variable, Variables};
use crate::Kernel;
use crate::format::sheet::{ENTRY_LIMIT, Findings, Set, Sheet, TooLarge};

/// A variable's part in an index: its value times `stride`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digit {
    pub variable: Variable,
    pub stride: usize,
    pub size: usize,
}

/// Rows over some variables, columns over others; variables that no rule asks for are in neither.
#[derive(Debug)]
pub(super) struct Table {
    pub kernel: Kernel,
    pub rows: Vec<Digit>,
    pub columns: Vec<Digit>,
    pub bad: Findings,
    pub repaired: Findings,
}

impl Table {
    /// Row index of an assignment.
    #[inline]
    pub fn index(digits: &[Digit], value: impl Fn(Variable) -> usize) -> usize {
        digits.iter().map(|digit| value(digit.variable) * digit.stride).sum()
    }

    /// The assignment of row `row` in words: `robot_0 = s01, rock_0 = good`.
    pub fn row_name(&self, variables: &Variables, row: usize) -> String {
        let part = |digit: &Digit| {
            let value = &variables.values(digit.variable).names[row / digit.stride % digit.size];
            format!("{} = {value}", variables.name_of(digit.variable))
        };
        self.rows.iter().map(part).collect::<Vec<_>>().join(", ")
    }
}

/// Strides for `variables`, the last changing fastest, and the size of their product.
pub(super) fn digits(of: &[Variable], variables: &Variables) -> Result<(Vec<Digit>, usize), TooLarge> {
    let mut size = 1_usize;
    let mut digits = Vec::with_capacity(of.len());
    for &variable in of.iter().rev() {
        let len = variables.values(variable).len();
        digits.push(Digit { variable, stride: size, size: len });
        size = size.checked_mul(len).ok_or(TooLarge)?;
    }
    digits.reverse();
    Ok((digits, size))
}

/// `function` under an action, given as a value of each action variable.
///
/// Probabilities have their parents as rows and their children as columns. A reward has what is known before the step as rows
/// and what comes of it as columns.
pub(super) fn table(function: &Function, action: &[usize], variables: &Variables) -> Result<Table, TooLarge> {
    let is_reward = function.parents == function.variables.len();
    let matching = || {
        function.rules.iter().filter(|rule| {
            rule.pattern.iter().zip(&function.variables).all(|(&value, variable)| {
                variable.role != Role::Action || value == ANY || value as usize == action[variable.index]
            })
        })
    };
    let mut asked = vec![false; function.variables.len()];
    for rule in matching() {
        rule.pattern.iter().zip(&mut asked).for_each(|(&value, asked)| *asked |= value != ANY);
    }
    let (mut row_places, mut column_places) = (Vec::new(), Vec::new());
    for (place, variable) in function.variables.iter().enumerate() {
        let in_columns = if is_reward { variable.role != Role::Previous } else { place >= function.parents };
        match variable.role {
            Role::Action => {}
            _ if in_columns && (asked[place] || !is_reward) => column_places.push(place),
            _ if !in_columns && asked[place] => row_places.push(place),
            _ => {}
        }
    }
    let variables_at = |places: &[usize]| places.iter().map(|&place| function.variables[place]).collect::<Vec<_>>();
    let (rows, row_count) = digits(&variables_at(&row_places), variables)?;
    let (columns, column_count) = digits(&variables_at(&column_places), variables)?;
    if column_count > u32::MAX as usize {
        return Err(TooLarge);
    }
    let mut sheet = Sheet::new(row_count, column_count)?;
    for rule in matching() {
        let at_places = |places: &[usize]| places.iter().map(|&place| rule.pattern[place]).collect::<Vec<u32>>();
        let over_columns = at_places(&column_places);
        let whole = over_columns.iter().all(|&value| value == ANY);
        let free = |digits: &[Digit], pattern: &[u32]| {
            let sizes = digits.iter().zip(pattern).filter(|&(_, &value)| value == ANY).map(|(digit, _)| digit.size);
            sizes.fold(1_usize, usize::saturating_mul)
        };
        let over_rows = at_places(&row_places);
        let cells = free(&rows, &over_rows).saturating_mul(if whole { 1 } else { free(&columns, &over_columns) });
        if cells > ENTRY_LIMIT {
            return Err(TooLarge);
        }
        let mut result = Ok(());
        each(&rows, &over_rows, &mut |row| {
            let mut set = |set| {
                if result.is_ok() {
                    result = sheet.set(row, set, rule.at);
                }
            };
            if whole {
                set(Set::Fill(rule.value));
            } else {
                each(&columns, &over_columns, &mut |column| set(Set::Cell(column as u32, rule.value)));
            }
        });
        result?;
    }
    if is_reward {
        let kernel = sheet.numbers()?;
        return Ok(Table { kernel, rows, columns, bad: Findings::default(), repaired: Findings::default() });
    }
    let done = sheet.distributions(|_| None)?;
    Ok(Table { kernel: done.kernel, rows, columns, bad: done.bad, repaired: done.repaired })
}

/// Calls `visit` with every index that matches `pattern`, ascending.
fn each(digits: &[Digit], pattern: &[u32], visit: &mut impl FnMut(usize)) {
    fn go(digits: &[Digit], pattern: &[u32], index: usize, visit: &mut impl FnMut(usize)) {
        match (digits.split_first(), pattern.split_first()) {
            (Some((digit, digits)), Some((&ANY, pattern))) => {
                (0..digit.size).for_each(|value| go(digits, pattern, index + value * digit.stride, visit));
            }
            (Some((digit, digits)), Some((&value, pattern))) => {
                go(digits, pattern, index + value as usize * digit.stride, visit);
            }
            _ => visit(index),
        }
    }
    go(digits, pattern, 0, visit);
}
