//! The variables of a factored model.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::document::{Word, all, attribute, elements, tag, word, words};
use crate::Space;
use crate::format::diagnostic::{Fault, some_of};
use crate::format::sheet::ROW_LIMIT;
use crate::format::xml::Node;

/// Variables of a kind; twenty-five of two values each already fill the largest model.
const VARIABLE_LIMIT: usize = 256;

/// Values of a variable that says only how many: each gets a name.
const COUNT_LIMIT: usize = 1 << 20;

/// What a variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Action,
    /// A state variable before the step.
    Previous,
    /// A state variable after the step.
    Current,
    Observation,
}

/// A variable as conditional probabilities refer to it: which kind, and which of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variable {
    pub role: Role,
    pub index: usize,
}

/// The values of a variable.
#[derive(Debug)]
pub(super) struct Values {
    pub name: String,
    pub names: Vec<String>,
    index: FxHashMap<String, u32>,
}

/// All variables. State variables have two names and one list of values.
#[derive(Debug, Default)]
pub(super) struct Variables {
    pub states: Vec<Values>,
    /// Whether each state variable is always seen.
    pub observed: Vec<bool>,
    pub actions: Vec<Values>,
    pub observations: Vec<Values>,
    pub rewards: Vec<String>,
    by_name: FxHashMap<String, Variable>,
}

impl Values {
    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn index(&self, word: &str, at: &Range<usize>) -> Result<u32, Fault> {
        self.index.get(word).copied().ok_or_else(|| {
            let all = some_of(self.names.iter().map(|name| format!("`{name}`")));
            Fault::new(
                at.clone(),
                format!("`{word}` is not a value of {}", self.name),
                format!("expected a value of {}", self.name),
            )
            .note(format!("the values of {} are {all}", self.name))
        })
    }
}

impl Variables {
    pub fn read(node: Node) -> Result<Self, Fault> {
        let mut variables = Self::default();
        for child in elements(node) {
            match child.name() {
                "StateVar" => {
                    let (previous, current) = (attribute(child, "vnamePrev")?, attribute(child, "vnameCurr")?);
                    let index = variables.states.len();
                    variables.name(child, previous, Role::Previous, index)?;
                    variables.name(child, current, Role::Current, index)?;
                    variables.states.push(values(child, previous, 's')?);
                    variables.observed.push(match child.attribute("fullyObs").map(str::trim) {
                        None | Some("false" | "0") => false,
                        Some("true" | "1") => true,
                        Some(other) => {
                            let message = format!("fullyObs is \"{other}\"");
                            return Err(Fault::new(tag(child), message, "expected \"true\" or \"false\""));
                        }
                    });
                }
                "ObsVar" => {
                    let name = attribute(child, "vname")?;
                    variables.name(child, name, Role::Observation, variables.observations.len())?;
                    variables.observations.push(values(child, name, 'o')?);
                }
                "ActionVar" => {
                    let name = attribute(child, "vname")?;
                    variables.name(child, name, Role::Action, variables.actions.len())?;
                    variables.actions.push(values(child, name, 'a')?);
                }
                "RewardVar" => variables.rewards.push(attribute(child, "vname")?.into()),
                other => {
                    let message = format!("<{other}> is no kind of variable");
                    let label = "expected <StateVar>, <ObsVar>, <ActionVar> or <RewardVar>";
                    return Err(Fault::new(tag(child), message, label));
                }
            }
        }
        for (what, list) in [("StateVar", &variables.states), ("ActionVar", &variables.actions)] {
            if list.is_empty() {
                return Err(Fault::new(tag(node), format!("<Variable> without <{what}>"), "expected at least one"));
            }
        }
        for list in [&variables.states, &variables.actions, &variables.observations] {
            if list.len() > VARIABLE_LIMIT {
                let message = format!("{} variables of one kind", list.len());
                return Err(Fault::new(tag(node), message, format!("expected at most {VARIABLE_LIMIT}")));
            }
            let size = list.iter().try_fold(1_usize, |n, values| n.checked_mul(values.len()));
            if size.is_none_or(|n| n > ROW_LIMIT) {
                let message = "the variables have too many values together";
                return Err(Fault::new(tag(node), message, format!("their product must stay below {ROW_LIMIT}")));
            }
        }
        Ok(variables)
    }

    fn name(&mut self, node: Node, name: &str, role: Role, index: usize) -> Result<(), Fault> {
        if self.by_name.insert(name.into(), Variable { role, index }).is_some() {
            return Err(Fault::new(tag(node), format!("the name {name} stands twice"), "expected another name"));
        }
        Ok(())
    }

    /// The variable that a word names.
    pub fn find(&self, word: &Word) -> Result<Variable, Fault> {
        self.by_name.get(word.text).copied().ok_or_else(|| {
            let mut names: Vec<String> = self.by_name.keys().cloned().collect();
            names.sort();
            Fault::new(word.at.clone(), format!("there is no variable `{}`", word.text), "expected a variable's name")
                .note(format!("the variables are {}", some_of(names.into_iter())))
        })
    }

    pub fn values(&self, variable: Variable) -> &Values {
        match variable.role {
            Role::Action => &self.actions[variable.index],
            Role::Previous | Role::Current => &self.states[variable.index],
            Role::Observation => &self.observations[variable.index],
        }
    }

    /// The name by which the text calls it.
    pub fn name_of(&self, variable: Variable) -> &str {
        self.by_name.iter().find(|(_, v)| **v == variable).map_or("", |(name, _)| name)
    }
}

/// `<ValueEnum>` or `<NumValues>`.
fn values(node: Node, name: &str, letter: char) -> Result<Values, Fault> {
    let enumeration = all(node, "ValueEnum").next();
    let count = all(node, "NumValues").next();
    let names: Vec<String> = match (enumeration, count) {
        (Some(list), None) => words(list).into_iter().map(|word| word.text.into()).collect(),
        (None, Some(count)) => {
            let word = word(count, "a whole number")?;
            let Ok(count @ 1..=COUNT_LIMIT) = word.text.parse::<usize>() else {
                let message = format!("`{}` is not a number of values", word.text);
                return Err(Fault::new(word.at, message, format!("expected a whole number from 1 to {COUNT_LIMIT}")));
            };
            (0..count).map(|i| format!("{letter}{i}")).collect()
        }
        _ => {
            let message = format!("variable {name} needs its values once");
            return Err(Fault::new(tag(node), message, "expected <ValueEnum> or <NumValues> within"));
        }
    };
    if names.is_empty() {
        return Err(Fault::new(tag(node), format!("variable {name} has no values"), "expected at least one"));
    }
    let mut index = FxHashMap::default();
    for (i, value) in names.iter().enumerate() {
        if value == "*" || value == "-" || index.insert(value.clone(), i as u32).is_some() {
            let problem = if value == "*" || value == "-" { "cannot be a value" } else { "stands twice" };
            return Err(Fault::new(tag(node), format!("`{value}` {problem} of {name}"), "expected distinct names"));
        }
    }
    Ok(Values { name: name.into(), names, index })
}

/// The product of variables as one space: values joined by commas, the first variable changing slowest.
pub(super) fn product(what: &'static str, variables: &[&Values]) -> Space {
    let len = variables.iter().map(|values| values.len()).product();
    let names = variables.iter().map(|values| values.names.clone()).collect();
    // Values with commas would be ambiguous, and then numbers are clearer.
    Space::product(what, names).or_else(|_| Space::unnamed(what, len)).expect("every variable has a value")
}
