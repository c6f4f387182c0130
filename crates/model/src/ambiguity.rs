//! Ambiguity about every row of a kernel: what nature may choose in its place. Rows of transitions are (s, a)-rectangular, rows of
//! observations (a, s').

use crate::distribution::{self, Sum};
use crate::{Kernel, ModelBuilder, ModelError, Reward, Space};

/// Faulty rows named in one error.
const MOST_NAMED: usize = 8;

/// A set of distributions for each row `a * S + s` of a kernel, from which nature chooses anew at every step, for every state and
/// action apart (Iyengar, "Robust dynamic programming", 2005; Nilim & El Ghaoui, 2005). Columns are next states, or, around rows of
/// observations, what is seen.
///
/// The model's only kernel is the nominal one: what rollouts draw from, and the centre of balls.
#[derive(Debug, Clone, PartialEq)]
pub enum Ambiguity {
    /// `{p : Σ |p - P(·|s,a)| ≤ radius[a * S + s]}`. A radius of 2 or more lets nature choose freely.
    L1 {
        /// Length A·S, not negative.
        radius: Vec<f64>,
        /// Which columns may get probability that the nominal row does not give them.
        support: Support,
    },
    /// `{p : lower ≤ p ≤ upper}`, entry by entry: a bounded-parameter MDP (Givan, Leach, Dean 2000). Entries that are not stored are 0.
    Interval {
        /// Row `a * S + s` of lower bounds; none sums to more than 1.
        lower: Kernel,
        /// Row `a * S + s` of upper bounds; none sums to less than 1.
        upper: Kernel,
    },
}

/// Where the distributions of an L1 ball may put probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Support {
    /// On the columns that the nominal row holds possible.
    #[default]
    Nominal,
    /// On any column.
    All,
}

impl Ambiguity {
    /// Whether some distribution of the set of row `a * S + s` gives a column probability that the nominal one need not give it.
    pub fn allows(&self, row: usize, column: usize) -> bool {
        match self {
            Self::L1 { radius, support } => *support == Support::All && radius[row] > 0.0,
            Self::Interval { upper, .. } => upper.get(row, column) > 0.0,
        }
    }

    /// Whether nature has no choice in any row: what stands beside sets around observations that stand alone.
    pub fn is_certain(&self) -> bool {
        matches!(self, Self::L1 { radius, .. } if radius.iter().all(|r| *r == 0.0))
    }

    /// Sets that leave the nominal rows alone.
    pub(crate) fn none(rows: usize) -> Self {
        Self::L1 { radius: vec![0.0; rows], support: Support::Nominal }
    }

    /// Bytes that the sets take.
    pub fn bytes(&self) -> usize {
        match self {
            Self::L1 { radius, support: _ } => size_of_val(&radius[..]),
            Self::Interval { lower, upper } => lower.bytes() + upper.bytes(),
        }
    }

    /// Lower-case name: `l1`, `interval`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::L1 { .. } => "l1",
            Self::Interval { .. } => "interval",
        }
    }

    /// Checks that no set is empty and that the nominal row lies in each, for parts that are otherwise valid.
    pub(crate) fn check(&self, parts: &ModelBuilder, around: Around) -> Result<(), ModelError> {
        if parts.dynamics.len() > 1 {
            let several = parts.dynamics.len();
            let model = around.kernel();
            return Err(problem(&format!(
                "goes with one {model} model, and there are {several}; leave out all but one"
            )));
        }
        let Some((nominal, columns)) = around.nominal(parts) else {
            return Err(problem("around observations goes with observations, and there are none"));
        };
        if around == Around::Observations && matches!(parts.reward, Reward::Full(_)) {
            return Err(problem(
                "around observations does not go with rewards that depend on what is seen, where nature's best choice is no convex problem; \
                 make them rewards of state, action and next state",
            ));
        }
        let (s, a) = (parts.states.len(), parts.actions.len());
        let (field, state) = (around.field(), around.state());
        let name =
            |row: usize| format!("action {}, {state} {}", parts.actions.name(row / s), parts.states.name(row % s));
        let shape = |what: &str, expected: usize, found: usize| {
            let what = format!("{field}, {what}");
            if expected == found { Ok(()) } else { Err(ModelError::Shape { what, expected, found }) }
        };
        match self {
            Self::L1 { radius, .. } => {
                shape("radius (A·S)", a * s, radius.len())?;
                match (0..a * s).find(|&row| !(radius[row].is_finite() && radius[row] >= 0.0)) {
                    None => Ok(()),
                    Some(row) => Err(ModelError::Number {
                        what: format!("{field}, radius, {}", name(row)),
                        value: radius[row],
                        expected: "a finite number that is not negative",
                    }),
                }
            }
            Self::Interval { lower, upper } => {
                for (what, bounds) in [("lower", lower), ("upper", upper)] {
                    shape(&format!("{what} rows (A·S)"), a * s, bounds.rows())?;
                    shape(&format!("{what} columns ({})", around.letter()), columns.len(), bounds.columns())?;
                }
                let at = |column: usize| format!("{} {}", around.column(), columns.name(column));
                // Whatever a terminal state's transitions say, it stays; what is seen there is seen.
                let certain = |row: usize| around == Around::Transitions && parts.terminal.contains(&(row % s));
                let faulty: Vec<String> = (0..a * s)
                    .filter(|&row| !certain(row))
                    .filter_map(|row| {
                        let fault = interval_fault(lower, upper, nominal, row, &at)?;
                        Some(format!("{}: {fault}", name(row)))
                    })
                    .collect();
                if faulty.is_empty() { Ok(()) } else { Err(ModelError::Ambiguity(listed(&faulty))) }
            }
        }
    }

    /// The same sets in the form that solvers rely on: none around transitions of terminal states, and sums of bounds that enclose 1
    /// exactly.
    pub(crate) fn settle(self, around: Around, terminal: &[bool]) -> Self {
        let states = terminal.len();
        let stays = |row: usize| around == Around::Transitions && terminal[row % states];
        match self {
            Self::L1 { mut radius, support } => {
                (0..radius.len()).filter(|&row| stays(row)).for_each(|row| radius[row] = 0.0);
                Self::L1 { radius, support }
            }
            Self::Interval { mut lower, mut upper } => {
                if around == Around::Transitions {
                    let certain = |row: usize| stays(row).then_some(row % states);
                    [lower, upper] = [lower, upper].map(|bounds| bounds.with_certain_rows(certain));
                }
                for row in 0..lower.rows() {
                    scale(lower.row_mut(row), |sum| sum > 1.0);
                    scale(upper.row_mut(row), |sum| sum < 1.0);
                }
                Self::Interval { lower, upper }
            }
        }
    }
}

/// Whose rows sets are around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Around {
    Transitions,
    Observations,
}

impl Around {
    /// The field of a builder and of a model file.
    pub fn field(self) -> &'static str {
        match self {
            Self::Transitions => "ambiguity",
            Self::Observations => "observation_ambiguity",
        }
    }

    fn kernel(self) -> &'static str {
        match self {
            Self::Transitions => "transition",
            Self::Observations => "observation",
        }
    }

    fn state(self) -> &'static str {
        match self {
            Self::Transitions => "state",
            Self::Observations => "next state",
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Transitions => "next state",
            Self::Observations => "observation",
        }
    }

    fn letter(self) -> &'static str {
        match self {
            Self::Transitions => "S",
            Self::Observations => "O",
        }
    }

    /// The rows in whose place nature chooses, and what their columns are.
    fn nominal(self, parts: &ModelBuilder) -> Option<(&Kernel, &Space)> {
        match self {
            Self::Transitions => Some((&parts.dynamics[0].transition, &parts.states)),
            Self::Observations => Some((parts.dynamics[0].observation.as_ref()?, parts.observations.as_ref()?)),
        }
    }
}

/// Divides by the sum where that lies on the wrong side of 1 by more than rounding.
fn scale(bounds: &mut [f64], wrong: impl Fn(f64) -> bool) {
    let sum: f64 = bounds.iter().sum();
    if wrong(sum) && (sum - 1.0).abs() > 1e-12 {
        bounds.iter_mut().for_each(|p| *p /= sum);
    }
}

fn problem(text: &str) -> ModelError {
    ModelError::Ambiguity(format!("an ambiguity set {text}"))
}

fn listed(faulty: &[String]) -> String {
    let (named, more) = (faulty.len().min(MOST_NAMED), faulty.len().saturating_sub(MOST_NAMED));
    let tail = if more > 0 { format!("\n  … and {more} more") } else { String::new() };
    let count = if faulty.len() == 1 { "1 row has".into() } else { format!("{} rows have", faulty.len()) };
    format!(
        "{count} bounds that no distribution, or not the nominal one, satisfies:\n  {}{tail}",
        faulty[..named].join("\n  ")
    )
}

/// What is wrong with the bounds of one row, in words.
fn interval_fault(
    lower: &Kernel,
    upper: &Kernel,
    nominal: &Kernel,
    row: usize,
    at: &dyn Fn(usize) -> String,
) -> Option<String> {
    let probability = |p: f64| (0.0..=1.0).contains(&p);
    for (what, bounds) in [("lower", lower), ("upper", upper)] {
        if let Some((column, p)) = bounds.pairs(row).find(|&(_, p)| !probability(p)) {
            return Some(format!("{what} bound {p} of {} is not in [0, 1]", at(column)));
        }
    }
    if let Some((column, p)) = lower.pairs(row).find(|&(column, p)| p > upper.get(row, column)) {
        return Some(format!("lower bound {p} of {} is above the upper bound {}", at(column), upper.get(row, column)));
    }
    let sum = |bounds: &Kernel| bounds.row(row).1.iter().sum::<f64>();
    let wrong = |sum: f64| distribution::judge(sum, nominal.columns()) == Sum::Wrong;
    if sum(lower) > 1.0 && wrong(sum(lower)) {
        return Some(format!("the lower bounds sum to {}, more than 1", sum(lower)));
    }
    if sum(upper) < 1.0 && wrong(sum(upper)) {
        return Some(format!("the upper bounds sum to {}, less than 1", sum(upper)));
    }
    // Columns that the nominal row leaves out have probability 0, so their lower bound must be 0.
    let columns = nominal.pairs(row).chain(lower.pairs(row).map(|(column, _)| (column, nominal.get(row, column))));
    columns
        .map(|(column, p)| (column, p, lower.get(row, column), upper.get(row, column)))
        // Division by its sum may have moved the nominal row as far as that was off.
        .find(|&(_, p, low, high)| p < low - distribution::TOLERANCE || p > high + distribution::TOLERANCE)
        .map(|(column, p, low, high)| {
            format!("the nominal probability {p} of {} is not between its bounds, {low} and {high}", at(column))
        })
}
