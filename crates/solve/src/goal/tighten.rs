//! Interval iteration: bounds from below and from above that meet (Haddad and Monmege, TCS 2018; Baier et al., CAV 2017).
//!
//! A backup of lower bounds is a lower bound, and one of upper bounds an upper one, so that both hold at any moment. That they meet is due to the
//! quotient, in which every policy that matters ends. Upper bounds on rewards need a beginning, which [`ceiling`] finds.

use super::process::{Aim, Bounds, Process};
use super::quotient::{Fate, Quotient};
use crate::limits::{Late, Watch};

/// Where nothing moves by more than this share of the value, rounding is all that is left.
const ROUNDING: f64 = 1e-15;

/// Brings `bounds` closer, by steps down to `tolerance`, an absolute one. What is given must hold, and what is left does, late or not.
pub(crate) fn tighten(
    process: &Process,
    aim: Aim,
    bounds: &mut Bounds,
    tolerance: f64,
    watch: &Watch,
) -> Result<Quotient, Late> {
    let quotient = Quotient::new(process, aim, watch)?;
    let mut of_class = Bounds { lower: vec![0.0; quotient.classes()], upper: vec![f64::INFINITY; quotient.classes()] };
    for (node, &class) in quotient.class.iter().enumerate() {
        let class = class as usize;
        of_class.lower[class] = of_class.lower[class].max(bounds.lower[node]);
        of_class.upper[class] = of_class.upper[class].min(bounds.upper[node]);
    }
    for (class, fate) in quotient.fate.iter().enumerate() {
        match fate {
            Fate::Never => (of_class.lower[class], of_class.upper[class]) = (0.0, 0.0),
            Fate::Infinite => (of_class.lower[class], of_class.upper[class]) = (f64::INFINITY, f64::INFINITY),
            Fate::Open | Fate::Leaf => {}
        }
    }
    let outcome = begin(&quotient, aim, &mut of_class, watch)
        .and_then(|()| sweep(&quotient, aim, &mut of_class, tolerance, watch));
    for (node, &class) in quotient.class.iter().enumerate() {
        (bounds.lower[node], bounds.upper[node]) = (of_class.lower[class as usize], of_class.upper[class as usize]);
    }
    outcome.map(|()| quotient)
}

/// The bounds by class, after [`tighten`].
pub(crate) fn by_class(quotient: &Quotient, bounds: &Bounds) -> Bounds {
    let mut of_class = Bounds { lower: vec![0.0; quotient.classes()], upper: vec![0.0; quotient.classes()] };
    for (node, &class) in quotient.class.iter().enumerate() {
        of_class.lower[class as usize] = bounds.lower[node];
        of_class.upper[class as usize] = bounds.upper[node];
    }
    of_class
}

/// Rewards that are infinite, and first upper bounds on those that are not.
fn begin(quotient: &Quotient, aim: Aim, bounds: &mut Bounds, watch: &Watch) -> Result<(), Late> {
    match aim {
        Aim::MaxReach | Aim::MinReach => Ok(()),
        Aim::MinReward => {
            let lower = &bounds.lower;
            let may_end =
                surely(quotient, |class| quotient.fate[class] == Fate::Leaf && lower[class] < f64::INFINITY, watch)?;
            for class in (0..quotient.classes()).filter(|&class| !may_end[class]) {
                (bounds.lower[class], bounds.upper[class]) = (f64::INFINITY, f64::INFINITY);
            }
            let upper = &bounds.upper;
            if upper.iter().zip(&may_end).all(|(upper, ends)| !ends || *upper < f64::INFINITY) {
                return Ok(());
            }
            let ends = surely(quotient, |class| upper[class] < f64::INFINITY, watch)?;
            ceiling(quotient, aim, &ends, bounds, watch)
        }
        Aim::MaxReward => {
            let mut finite: Vec<bool> = (0..quotient.classes())
                .map(|class| quotient.fate[class] == Fate::Open || bounds.upper[class] < f64::INFINITY)
                .collect();
            // What leads to something infinite is, too. Ends: each round but the last takes a class away.
            loop {
                let mut changed = false;
                for &class in quotient.blocks().flatten() {
                    let class = class as usize;
                    watch.spend(quotient.work(class))?;
                    let leads = || quotient.actions(class).any(|a| quotient.successors(a).any(|(to, _)| !finite[to]));
                    if finite[class] && leads() {
                        finite[class] = false;
                        changed = true;
                    }
                }
                if !changed {
                    break;
                }
            }
            ceiling(quotient, aim, &finite, bounds, watch)
        }
    }
}

/// The classes from which some policy surely ends, or comes to a class that `known` says, which counts as ending (the nested fixed point of
/// de Alfaro 1997).
pub(crate) fn surely(quotient: &Quotient, known: impl Fn(usize) -> bool, watch: &Watch) -> Result<Vec<bool>, Late> {
    let mut within = vec![true; quotient.classes()];
    loop {
        let mut reached: Vec<bool> = (0..quotient.classes()).map(&known).collect();
        loop {
            let mut changed = false;
            for &class in quotient.blocks().flatten() {
                let class = class as usize;
                if reached[class] || !within[class] || quotient.fate[class] != Fate::Open {
                    continue;
                }
                watch.spend(quotient.work(class))?;
                reached[class] = quotient.actions(class).any(|action| {
                    let mut next = quotient.successors(action);
                    next.clone().all(|(to, _)| within[to]) && (quotient.ends(action) || next.any(|(to, _)| reached[to]))
                });
                changed |= reached[class];
            }
            if !changed {
                break;
            }
        }
        if reached == within {
            return Ok(within);
        }
        within = reached;
    }
}

/// First upper bounds for the classes of a set whose own are infinite.
///
/// Each step is made to gain ε more, and values are backed up until none rises by more than ε/2. Then one more step of the true gains lowers each of them by ε/2 at
/// least, `T y ≤ y - ε/2`: so what the steps gain from here on is `y` at most, and there are `2 y / ε` of them at most (Park's induction; the guess of optimistic value
/// iteration, Hartmanns and Kaminski, CAV 2020, without the guessing).
fn ceiling(quotient: &Quotient, aim: Aim, set: &[bool], bounds: &mut Bounds, watch: &Watch) -> Result<(), Late> {
    let missing: Vec<bool> =
        set.iter().zip(&bounds.upper).map(|(within, upper)| *within && *upper == f64::INFINITY).collect();
    let gains = quotient.blocks().flatten().flat_map(|&class| quotient.actions(class as usize));
    let most = gains.map(|action| quotient.gain(action)).fold(0.0, f64::max);
    let more = if most > 0.0 { most / 64.0 } else { 1.0 };
    let mut values: Vec<f64> =
        (0..set.len()).map(|class| if missing[class] { bounds.lower[class] } else { bounds.upper[class] }).collect();
    for block in quotient.blocks() {
        loop {
            let mut moved = 0.0_f64;
            for &class in block {
                let class = class as usize;
                if !missing[class] {
                    continue;
                }
                watch.spend(quotient.work(class))?;
                // Values outside the set are infinite, so that no action that leads there is the least.
                let value = quotient.best(class, aim, &values).1 + more;
                moved = moved.max((value - values[class]).abs());
                values[class] = value;
            }
            if moved <= more / 2.0 {
                break;
            }
        }
    }
    for class in (0..set.len()).filter(|&class| missing[class]) {
        bounds.upper[class] = values[class];
    }
    Ok(())
}

/// Backups of both bounds, one set of classes that lead to one another after the other.
fn sweep(quotient: &Quotient, aim: Aim, bounds: &mut Bounds, tolerance: f64, watch: &Watch) -> Result<(), Late> {
    for block in quotient.blocks() {
        loop {
            let mut moved = 0.0_f64;
            for &class in block {
                let class = class as usize;
                if quotient.fate[class] != Fate::Open || bounds.lower[class] == bounds.upper[class] {
                    continue;
                }
                watch.spend(2 * quotient.work(class))?;
                let lower = quotient.best(class, aim, &bounds.lower).1.max(bounds.lower[class]);
                let upper = quotient.best(class, aim, &bounds.upper).1.min(bounds.upper[class]);
                // From infinity to a number is no step of any size, but comes only once.
                let fell = if bounds.upper[class] == upper { 0.0 } else { bounds.upper[class] - upper };
                let step = (lower - bounds.lower[class]).max(fell);
                if step > ROUNDING * lower.abs() {
                    moved = moved.max(step);
                }
                // Bounds that meet can cross by rounding.
                (bounds.lower[class], bounds.upper[class]) = (lower, upper.max(lower));
            }
            if block.len() == 1 || moved <= tolerance {
                break;
            }
        }
    }
    Ok(())
}
