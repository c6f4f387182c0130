//! What a document says of all its tasks alike.

use super::Size;
use super::rules::Form;
use super::text::{GridText, SCHEMA, SpaceText, Text, Value};
use super::wrong::{Wrong, below};
use crate::Space;
use crate::family::{LONGEST, Regime, RewardGrid};
use crate::json::Step;

/// Symbols that a text can print.
pub(super) const MOST_SYMBOLS: usize = 100_000;
/// Steps of the grid of rewards that a text can print.
const MOST_REWARDS: f64 = 99_999.0;
/// Actions at most.
const MOST_ACTIONS: usize = 256;

/// Checks name, horizon and discount.
pub(super) fn check(text: &Text) -> Result<(), Wrong> {
    if text.schema != SCHEMA {
        let problem = format!("schema is {:?}, expected {SCHEMA:?}", text.schema);
        return Err(Wrong::new(&["schema".into()], problem));
    }
    let named = text.name.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !named {
        let problem = "a name is a letter, then letters, digits, `.`, `_` and `-`";
        return Err(Wrong::new(&["name".into()], problem));
    }
    if text.horizon == 0 || text.horizon > LONGEST {
        return Err(Wrong::new(
            &["horizon".into()],
            format!("the horizon {} is not from 1 to {LONGEST}", text.horizon),
        ));
    }
    if !(0.0..=1.0).contains(&text.discount) {
        return Err(Wrong::new(&["discount".into()], format!("the discount {} is not in [0, 1]", text.discount)));
    }
    Ok(())
}

/// Checks that observations come with a table of them, and a cloud with both.
pub(super) fn check_seen(text: &Text) -> Result<(), Wrong> {
    let (field, problem) = match (&text.observation, &text.observations, &text.cloud) {
        (Some(_), None, _) => ("observation", "says what is seen, and there are no `observations`"),
        (None, Some(_), _) => ("observations", "there are observations, and no `observation` says when"),
        (None, None, Some(_)) => ("cloud", "a cloud is of models with observations, and there are none"),
        _ => return Ok(()),
    };
    Err(Wrong::new(&[field.into()], problem))
}

/// The actions.
pub(super) fn actions(text: &SpaceText) -> Result<Space, Wrong> {
    let path = [Step::from("actions")];
    let wrong = |error: crate::ModelError| Wrong::new(&path, error.to_string());
    let space = match text {
        SpaceText::Names(names) => Space::named("actions", names.iter().map(String::as_str)).map_err(wrong)?,
        SpaceText::Count(Value::Number(count))
            if *count >= 1.0 && count.fract() == 0.0 && *count <= MOST_ACTIONS as f64 =>
        {
            Space::unnamed("actions", *count as usize).map_err(wrong)?
        }
        SpaceText::Count(_) => {
            let problem = format!("all tasks have the same actions: their names, or a number from 1 to {MOST_ACTIONS}");
            return Err(Wrong::new(&path, problem));
        }
    };
    if space.len() > MOST_ACTIONS {
        return Err(Wrong::new(&path, format!("{} actions; there may be {MOST_ACTIONS}", space.len())));
    }
    Ok(space)
}

/// The regimes that there are tasks of.
pub(super) fn regimes(text: &Text, form: Form) -> Result<Vec<Regime>, Wrong> {
    let mut possible = Vec::new();
    // What is seen is no part of an MDP.
    if form < Form::NextAndSeen {
        possible.push(Regime::Mdp);
    }
    if text.observation.is_some() {
        possible.push(Regime::Pomdp);
    }
    if text.cloud.is_some() {
        possible.push(Regime::Apomdp);
    }
    let Some(wanted) = &text.regimes else { return Ok(possible) };
    let path = [Step::from("regimes")];
    if wanted.is_empty() {
        return Err(Wrong::new(&path, "a family has tasks of one regime at least"));
    }
    for (i, regime) in wanted.iter().enumerate() {
        let at = below(&path, i);
        if wanted[..i].contains(regime) {
            return Err(Wrong::new(&at, format!("{regime} stands twice")));
        }
        if !possible.contains(regime) {
            let lacks = match regime {
                Regime::Mdp => "the reward goes by `o`, which is not seen in an MDP",
                Regime::Pomdp => "there is no `observation`",
                Regime::Apomdp => "there is no `cloud`",
            };
            return Err(Wrong::new(&at, format!("there are no tasks of the regime {regime}: {lacks}")));
        }
    }
    Ok(wanted.clone())
}

/// Where rewards lie.
pub(super) fn grid(text: &Text) -> Result<RewardGrid, Wrong> {
    let path = [Step::from("rewardGrid")];
    let GridText { low, high, step } = text.reward_grid;
    let parts = 1.0 / step;
    if !(0.001 - 1e-9..=1.0).contains(&step) || (parts - parts.round()).abs() > 1e-6 {
        let problem = format!("the step {step} is not 1 divided by a whole number up to 1000");
        return Err(Wrong::new(&below(&path, "step"), problem));
    }
    if !(low < high && low.is_finite() && high.is_finite()) {
        return Err(Wrong::new(&path, format!("the range of rewards from {low} to {high} is empty")));
    }
    if (high - low) / step > MOST_REWARDS {
        let problem =
            format!("from {low} to {high} are more than {MOST_REWARDS} steps of {step}, which a text cannot print");
        return Err(Wrong::new(&path, problem));
    }
    for (name, end) in [("low", low), ("high", high)] {
        if !super::on_grid(end, step) {
            return Err(Wrong::new(&below(&path, name), format!("{end} is no multiple of the step {step}")));
        }
    }
    Ok(RewardGrid { low, high, step })
}

/// The most symbols of a task.
pub(super) fn symbols(text: &Text, regimes: &[Regime], states: &Size, seen: Option<&Size>) -> Result<usize, Wrong> {
    let mut most = 0;
    let mut open = None;
    let mut look = |size: &Size, field: &'static str| match size {
        Size::Fixed(space) => most = most.max(space.len()),
        Size::Counted(..) => open = open.or(Some(field)),
    };
    if regimes.contains(&Regime::Mdp) {
        look(states, "states");
    }
    if let Some(seen) = seen.filter(|_| regimes.iter().any(|regime| *regime != Regime::Mdp)) {
        look(seen, "observations");
    }
    let stated = [Step::from("maxSymbols")];
    match (text.max_symbols, open) {
        (None, Some(field)) => {
            let problem = format!("tasks differ in the number of {field}: say the most there are as `maxSymbols`");
            Err(Wrong::new(&[field.into()], problem))
        }
        (None, None) => Ok(most),
        (Some(count), _) if count < most.max(1) || count > MOST_SYMBOLS => {
            let problem = format!("{count} is not from {} to {MOST_SYMBOLS}", most.max(1));
            Err(Wrong::new(&stated, problem))
        }
        (Some(count), _) => Ok(count),
    }
}
