//! The writer: sparse entries, numbers that read back bit for bit.

use std::fmt::Write as _;

use super::header::KEYWORDS;
use crate::{Kernel, Kind, Model, ModelError, Reward, Space};

/// The model as a `.pomdp` text. [`ModelError::Name`] when the format has no way to say some part of it.
pub(in crate::format) fn write(model: &Model) -> Result<String, ModelError> {
    expressible(model)?;
    let spaces = (model.states(), model.actions());
    let mut text = String::new();
    if !model.name().is_empty() {
        let _ = writeln!(text, "# {}", model.name().replace(char::is_control, " "));
    }
    let _ = writeln!(text, "discount: {}", number(model.discount()));
    text += "values: reward\n";
    write_space(&mut text, "states", model.states());
    write_space(&mut text, "actions", model.actions());
    if let Some(observations) = model.observations() {
        write_space(&mut text, "observations", observations);
    }
    write_start(&mut text, model);
    let terminal = model.terminal_states();
    if !terminal.is_empty() {
        text += "E:";
        for &state in &terminal {
            let _ = write!(text, " {}", label(model.states(), state));
        }
        text += "\n";
    }
    let dynamics = &model.dynamics()[0];
    write_kernel(&mut text, "T", &dynamics.transition, spaces, model.states());
    if let (Some(kernel), Some(observations)) = (&dynamics.observation, model.observations()) {
        write_kernel(&mut text, "O", kernel, spaces, observations);
    }
    write_reward(&mut text, model);
    Ok(text)
}

fn expressible(model: &Model) -> Result<(), ModelError> {
    let not = |what: &str, name: String, problem: &str| {
        Err(ModelError::Name { what: what.into(), name, problem: format!("{problem}; JSON can") })
    };
    if !matches!(model.kind(), Kind::Mdp | Kind::Pomdp) {
        return not(
            "kind",
            model.kind().name().into(),
            "has several models or an ambiguity set, which a .pomdp file cannot hold",
        );
    }
    if !model.final_reward().is_empty() {
        return not("final reward", String::new(), "is something a .pomdp file cannot hold");
    }
    let spaces =
        [("states", Some(model.states())), ("actions", Some(model.actions())), ("observations", model.observations())];
    for (what, space) in spaces {
        let names = space.and_then(Space::names).unwrap_or_default();
        for name in names {
            let word = !name.contains(|c: char| c.is_whitespace() || matches!(c, ':' | '#' | '\u{1a}'));
            let number = fast_float2::parse::<f64, _>(name).is_ok();
            if !word || number || name == "*" || name == "uniform" || KEYWORDS.contains(&name.as_str()) {
                return not(what, name.clone(), "is a name that a .pomdp file cannot hold");
            }
        }
    }
    Ok(())
}

/// The shortest decimal that reads back as the same number.
fn number(value: f64) -> String {
    // `{:?}` turns to exponents where digits would be many.
    format!("{value:?}")
}

fn label(space: &Space, i: usize) -> String {
    space.name(i)
}

fn write_space(text: &mut String, what: &str, space: &Space) {
    match space.names() {
        None => {
            let _ = writeln!(text, "{what}: {}", space.len());
        }
        Some(names) => {
            let _ = writeln!(text, "{what}: {}", names.join(" "));
        }
    }
}

fn write_start(text: &mut String, model: &Model) {
    let start = model.start();
    let certain = start.iter().position(|&p| p == 1.0).filter(|_| start.iter().filter(|&&p| p > 0.0).count() == 1);
    match certain {
        Some(state) if start.len() > 1 => {
            let _ = writeln!(text, "start: {}", label(model.states(), state));
        }
        _ => {
            *text += "start:";
            for &p in start {
                let _ = write!(text, " {}", number(p));
            }
            *text += "\n";
        }
    }
}

fn write_kernel(
    text: &mut String,
    letter: &str,
    kernel: &Kernel,
    (states, actions): (&Space, &Space),
    columns: &Space,
) {
    let s = states.len();
    for row in 0..kernel.rows() {
        for (column, p) in kernel.pairs(row) {
            let (action, state) = (label(actions, row / s), label(states, row % s));
            let _ = writeln!(text, "{letter}: {action} : {state} : {} {}", label(columns, column), number(p));
        }
    }
}

/// The entries that are not 0, and one at least: the positions it names say which form the reward has.
fn write_reward(text: &mut String, model: &Model) {
    let (states, actions) = (model.states(), model.actions());
    let (s, o) = (states.len(), model.observations().map_or(1, Space::len));
    let last = if model.observations().is_some() { " : *" } else { "" };
    let mut line = |place: String, value: f64| {
        let _ = writeln!(text, "R: {place} {}", number(value));
    };
    let row_label = |row: usize| format!("{} : {}", label(actions, row / s), label(states, row % s));
    match model.reward() {
        Reward::Action(r) => {
            for (a, &value) in r.iter().enumerate().filter(|&(_, &value)| value != 0.0) {
                line(format!("{} : * : *{last}", label(actions, a)), value);
            }
        }
        Reward::StateAction(r) => {
            let zero = r.iter().all(|&value| value == 0.0);
            for (row, &value) in r.iter().enumerate().filter(|&(row, &value)| value != 0.0 || (zero && row == 0)) {
                line(format!("{} : *{last}", row_label(row)), value);
            }
        }
        Reward::Transition(r) => {
            for row in 0..r.rows() {
                r.pairs(row)
                    .for_each(|(next, v)| line(format!("{} : {}{last}", row_label(row), label(states, next)), v));
            }
            if r.entries() == 0 {
                line(format!("{} : {}{last}", row_label(0), label(states, 0)), 0.0);
            }
        }
        Reward::Full(r) => {
            let observations = model.observations().expect("checked: a full reward needs observations");
            let place = |row: usize, c: usize| {
                format!("{} : {} : {}", row_label(row), label(states, c / o), label(observations, c % o))
            };
            for row in 0..r.rows() {
                r.pairs(row).for_each(|(column, v)| line(place(row, column), v));
            }
            if r.entries() == 0 {
                line(place(0, 0), 0.0);
            }
        }
    }
}
