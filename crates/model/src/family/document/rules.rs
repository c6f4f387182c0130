//! The tables of a document's model: distributions as branches, rewards as expressions, worked out for the numbers of a task.

use super::expression::{Expression, Values};
use super::numbers::{Counter, finite, for_each};
use super::work::Work;
use super::wrong::Wrong;
use crate::json::Step;
use crate::{Kernel, distribution};

/// How far below 0 rounding may push what other branches leave.
const ROUNDING: f64 = 1e-9;

/// The slots of what tables go by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slots {
    pub state: usize,
    pub action: usize,
    pub next: usize,
    pub seen: usize,
}

/// Where to, and how likely.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    pub when: Option<Expression>,
    pub each: Vec<Counter>,
    pub to: Expression,
    /// What the others leave, without it.
    pub p: Option<Expression>,
    pub path: Vec<Step>,
}

/// A distribution by its branches.
#[derive(Debug, Clone)]
pub(super) struct Branches {
    pub list: Vec<Branch>,
    pub path: Vec<Step>,
}

impl Branches {
    /// The distribution over `outcomes` for what the slots hold. `row` is filled anew.
    pub fn row(
        &self,
        outcomes: usize,
        values: &mut Values,
        work: &mut Work,
        row: &mut Vec<(usize, f64)>,
    ) -> Result<(), Wrong> {
        row.clear();
        let (mut rest, mut sum) = (None, 0.0);
        for branch in &self.list {
            let wrong = |problem| Wrong::new(&branch.path, problem);
            work.spend(1, &branch.path)?;
            for_each(&branch.each, values, work, &mut |values| {
                if let Some(when) = &branch.when
                    && when.value(values).map_err(|outside| wrong(outside.into()))? == 0.0
                {
                    return Ok(());
                }
                let p = match &branch.p {
                    None => {
                        if rest.replace(row.len()).is_some() {
                            return Err(wrong("two branches without a `p` cannot both have what is left".into()));
                        }
                        f64::NAN
                    }
                    Some(p) => finite(p, values).map_err(wrong)?,
                };
                if p == 0.0 {
                    return Ok(());
                }
                if p < 0.0 {
                    return Err(wrong(format!("the probability {p} is negative")));
                }
                let to = branch.to.value(values).map_err(|outside| wrong(outside.into()))?;
                if !(to >= 0.0 && to < outcomes as f64 && to.fract() == 0.0) {
                    return Err(wrong(format!("`to` is {to}, not one of 0 to {}", outcomes - 1)));
                }
                if branch.p.is_some() {
                    sum += p;
                }
                row.push((to as usize, p));
                Ok(())
            })?;
        }
        if let Some(rest) = rest {
            let left = 1.0 - sum;
            if left < -ROUNDING {
                return Err(Wrong::new(
                    &self.path,
                    format!("what has a `p` {}, and nothing is left", distribution::sums_to(sum)),
                ));
            }
            row[rest].1 = left.max(0.0);
            return Ok(());
        }
        if distribution::judge(sum, row.len()) == distribution::Sum::Wrong {
            return Err(Wrong::new(&self.path, format!("the row {}, not 1", distribution::sums_to(sum + 0.0))));
        }
        Ok(())
    }

    /// A distribution alone, such as the start.
    pub fn dense(&self, outcomes: usize, values: &mut Values, work: &mut Work) -> Result<Vec<f64>, Wrong> {
        let mut row = Vec::new();
        self.row(outcomes, values, work, &mut row)?;
        let mut dense = vec![0.0; outcomes];
        row.into_iter().for_each(|(to, p)| dense[to] += p);
        Ok(dense)
    }
}

/// Distributions by action and state: the state before, for transitions, or the state reached, for observations.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub branches: Vec<Branches>,
    /// Which of these each action has.
    pub of_action: Vec<usize>,
}

impl Table {
    /// The kernel, whose rows go by the state in `by`. O(rows · branches).
    pub fn kernel(
        &self,
        (states, outcomes): (usize, usize),
        (slots, by): (Slots, usize),
        values: &mut Values,
        work: &mut Work,
    ) -> Result<Kernel, Wrong> {
        let mut kernel = Kernel::new(outcomes);
        let mut row = Vec::new();
        for (action, &which) in self.of_action.iter().enumerate() {
            values.slots[slots.action] = action as f64;
            for state in 0..states {
                values.slots[by] = state as f64;
                self.branches[which].row(outcomes, values, work, &mut row).map_err(|wrong| {
                    let named = if by == slots.state { "s" } else { "next" };
                    Wrong { problem: format!("{} (a = {action}, {named} = {state})", wrong.problem), ..wrong }
                })?;
                kernel.push_row(row.iter().copied());
            }
        }
        Ok(kernel)
    }
}

/// A number by action.
#[derive(Debug, Clone)]
pub(super) struct Rewards {
    pub expressions: Vec<(Expression, Vec<Step>)>,
    /// Which of these each action has.
    pub of_action: Vec<usize>,
    pub form: Form,
}

/// What a reward depends on beside state and action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    Nothing,
    Next,
    NextAndSeen,
}

impl Rewards {
    pub fn worked_out(
        &self,
        states: usize,
        observations: usize,
        slots: Slots,
        values: &mut Values,
        work: &mut Work,
    ) -> Result<crate::Reward, Wrong> {
        let columns = match self.form {
            Form::Nothing => 1,
            Form::Next => states,
            Form::NextAndSeen => states * observations,
        };
        let (mut dense, mut row) = (Vec::new(), Vec::new());
        let mut rows = Kernel::new(columns);
        for (action, &which) in self.of_action.iter().enumerate() {
            let (expression, path) = &self.expressions[which];
            values.slots[slots.action] = action as f64;
            for state in 0..states {
                values.slots[slots.state] = state as f64;
                row.clear();
                for column in 0..columns {
                    work.spend(1, path)?;
                    if self.form == Form::Next {
                        values.slots[slots.next] = column as f64;
                    } else if self.form == Form::NextAndSeen {
                        values.slots[slots.next] = (column / observations) as f64;
                        values.slots[slots.seen] = (column % observations) as f64;
                    }
                    let at = |problem| Wrong::new(path, format!("{problem} (a = {action}, s = {state})"));
                    row.push(finite(expression, values).map_err(at)?);
                }
                if self.form == Form::Nothing {
                    dense.extend_from_slice(&row);
                } else {
                    rows.push_row(row.iter().copied().enumerate());
                }
            }
        }
        Ok(match self.form {
            Form::Nothing => crate::Reward::StateAction(dense),
            Form::Next => crate::Reward::Transition(rows),
            Form::NextAndSeen => crate::Reward::Full(rows),
        })
    }
}
