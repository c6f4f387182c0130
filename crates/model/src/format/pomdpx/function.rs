//! Conditional probabilities and rewards over named variables, as tables or as decision diagrams.
//!
//! Either way a function becomes a list of [`Rule`]s: a value for every assignment that matches a pattern, later rules
//! overriding earlier ones, 0 where none matches. So memory follows the text, not the product of the variables.

use rustc_hash::FxHashMap;

use super::document::{Word, all, attribute, elements, one, tag, word, words};
use super::variables::{Role, Variable, Variables};
use crate::distribution::is_probability;
use crate::format::diagnostic::Fault;
use crate::format::sheet::{ENTRY_LIMIT, REWARD_LIMIT};
use crate::format::xml::Node;

/// Any value of a variable.
pub(super) const ANY: u32 = u32::MAX;

/// A value for all assignments that match a pattern.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// For each of [`Function::variables`] a value or [`ANY`].
    pub pattern: Vec<u32>,
    pub value: f64,
    /// Where in the text.
    pub at: u32,
}

/// `Pr(children | parents)`, or a reward of its parents when there are no children.
#[derive(Debug)]
pub(super) struct Function {
    /// Parents first, then children.
    pub variables: Vec<Variable>,
    pub parents: usize,
    pub rules: Vec<Rule>,
    /// Where in the text.
    pub at: std::ops::Range<usize>,
}

/// Reads a `<CondProb>` (whose `<Var>` has one of `roles`) or, with no roles, a `<Func>`.
pub(super) fn function(node: Node, variables: &Variables, roles: &[Role]) -> Result<Function, Fault> {
    let of = one(node, "Var")?;
    let mut children = Vec::new();
    for word in words(of) {
        if roles.is_empty() {
            if !variables.rewards.iter().any(|reward| reward == word.text) {
                let message = format!("there is no reward variable `{}`", word.text);
                return Err(Fault::new(word.at, message, "expected the name of a <RewardVar>"));
            }
            continue;
        }
        let variable = variables.find(&word)?;
        if !roles.contains(&variable.role) {
            let message = format!("`{}` is no variable to define here", word.text);
            return Err(Fault::new(word.at, message, format!("expected {}", describe(roles))));
        }
        children.push(variable);
    }
    if children.is_empty() && !roles.is_empty() {
        return Err(Fault::new(tag(of), "<Var> names no variable", format!("expected {}", describe(roles))));
    }
    let mut scope = Vec::new();
    let parents = words(one(node, "Parent")?);
    if !(parents.len() == 1 && parents[0].text == "null") {
        for word in &parents {
            let variable = variables.find(word)?;
            if scope.contains(&variable) || children.contains(&variable) {
                let message = format!("`{}` stands twice among the variables", word.text);
                return Err(Fault::new(word.at.clone(), message, "expected another variable"));
            }
            scope.push(variable);
        }
    }
    let parents = scope.len();
    scope.extend(children);
    let mut function = Function { variables: scope, parents, rules: Vec::new(), at: tag(node) };
    let parameter = one(node, "Parameter")?;
    match parameter.attribute("type").map_or("TBL", str::trim) {
        "TBL" => function.read_table(parameter, variables)?,
        "DD" => function.read_diagram(parameter, variables)?,
        other => {
            let message = format!("parameters of type \"{other}\" are unknown");
            return Err(Fault::new(tag(parameter), message, "expected \"TBL\" or \"DD\""));
        }
    }
    Ok(function)
}

fn describe(roles: &[Role]) -> &'static str {
    match roles {
        [Role::Previous, ..] => "a state variable before the step (vnamePrev)",
        [Role::Current, ..] => "a state variable after the step (vnameCurr)",
        _ => "an observation variable",
    }
}

impl Function {
    fn is_reward(&self) -> bool {
        self.parents == self.variables.len()
    }

    fn push(&mut self, pattern: Vec<u32>, value: f64, at: usize) -> Result<(), Fault> {
        if self.rules.len() >= ENTRY_LIMIT {
            return Err(Fault::new(
                at..at,
                format!("the function needs more than {ENTRY_LIMIT} numbers"),
                "one too many",
            ));
        }
        self.rules.push(Rule { pattern, value, at: at as u32 });
        Ok(())
    }

    fn value(&self, word: &Word) -> Result<f64, Fault> {
        let value = word.number()?;
        if self.is_reward() && value.abs() > REWARD_LIMIT {
            let message = format!("`{}` is too large for a reward", word.text);
            return Err(Fault::new(word.at.clone(), message, format!("expected at most {REWARD_LIMIT:e} in size")));
        }
        if self.is_reward() || is_probability(value) {
            return Ok(value + 0.0);
        }
        let message = format!("`{}` is not a probability", word.text);
        Err(Fault::new(word.at.clone(), message, "expected a number in [0, 1]"))
    }

    // ---- tables ----

    fn read_table(&mut self, parameter: Node, variables: &Variables) -> Result<(), Fault> {
        for entry in elements(parameter) {
            if entry.name() != "Entry" {
                let message = format!("<{}> in a table", entry.name());
                return Err(Fault::new(tag(entry), message, "expected <Entry>"));
            }
            self.read_entry(entry, variables)?;
        }
        Ok(())
    }

    /// An instance holds for each variable a value, `*` (all values alike) or `-` (the numbers run over its values).
    fn read_entry(&mut self, entry: Node, variables: &Variables) -> Result<(), Fault> {
        let at = entry.range().start;
        let instance = one(entry, "Instance")?;
        let tokens = words(instance);
        if tokens.len() != self.variables.len() {
            let message = format!("the instance has {} values for {} variables", tokens.len(), self.variables.len());
            let names: Vec<&str> = self.variables.iter().map(|v| variables.name_of(*v)).collect();
            return Err(Fault::new(
                tag(instance),
                message,
                format!("expected a value of each of {}", names.join(", ")),
            ));
        }
        let mut pattern = Vec::with_capacity(tokens.len());
        let mut dashes = Vec::new();
        for (i, token) in tokens.iter().enumerate() {
            pattern.push(match token.text {
                "*" => ANY,
                "-" => {
                    dashes.push(i);
                    ANY
                }
                text => variables.values(self.variables[i]).index(text, &token.at)?,
            });
        }
        let sizes: Vec<usize> = dashes.iter().map(|&i| variables.values(self.variables[i]).len()).collect();
        let numbers = one(entry, if self.is_reward() { "ValueTable" } else { "ProbTable" })?;
        let words = words(numbers);
        match (&words[..], self.is_reward()) {
            ([word], false) if word.text == "uniform" => {
                let children = &self.variables[self.parents..];
                let outcomes: usize = children.iter().map(|v| variables.values(*v).len()).product();
                self.push(pattern, 1.0 / outcomes as f64, at)
            }
            ([word], false) if word.text == "identity" => {
                if sizes.len() != 2 || sizes[0] != sizes[1] {
                    let message = "`identity` needs two `-` over as many values each";
                    return Err(Fault::new(word.at.clone(), message, "expected numbers, or another instance"));
                }
                self.push(pattern.clone(), 0.0, at)?;
                for value in 0..sizes[0] as u32 {
                    (pattern[dashes[0]], pattern[dashes[1]]) = (value, value);
                    self.push(pattern.clone(), 1.0, at)?;
                }
                Ok(())
            }
            _ => {
                let expected = sizes.iter().try_fold(1_usize, |n, &size| n.checked_mul(size)).unwrap_or(usize::MAX);
                if words.len() != expected {
                    let place = words.get(expected).map_or_else(|| tag(numbers), |word| word.at.clone());
                    let message = format!("{} numbers where the instance asks for {expected}", words.len());
                    return Err(Fault::new(place, message, format!("expected {expected} in all")));
                }
                if !dashes.is_empty() {
                    self.push(pattern.clone(), 0.0, at)?;
                }
                for (i, word) in words.iter().enumerate() {
                    let value = self.value(word)?;
                    if value == 0.0 && !dashes.is_empty() {
                        continue;
                    }
                    // The last dash changes fastest.
                    let mut rest = i;
                    for (&dash, &size) in dashes.iter().zip(&sizes).rev() {
                        pattern[dash] = (rest % size) as u32;
                        rest /= size;
                    }
                    self.push(pattern.clone(), value, at)?;
                }
                Ok(())
            }
        }
    }

    // ---- decision diagrams ----

    fn read_diagram(&mut self, parameter: Node, variables: &Variables) -> Result<(), Fault> {
        let mut templates = FxHashMap::default();
        for template in all(parameter, "SubDAGTemplate") {
            if templates.insert(attribute(template, "id")?, template).is_some() {
                let message = format!("the template {} stands twice", attribute(template, "id")?);
                return Err(Fault::new(tag(template), message, "expected another id"));
            }
        }
        let mut reader = Diagram { function: self, variables, templates, depth: 0 };
        let free = vec![ANY; reader.function.variables.len()];
        let mut open = Vec::new();
        reader.descend(one(parameter, "DAG")?, &free, &mut open)
    }
}

/// A decision diagram while it is read: each path to a leaf is a rule.
struct Diagram<'f, 'a, 't> {
    function: &'f mut Function,
    variables: &'f Variables,
    templates: FxHashMap<&'a str, Node<'a, 't>>,
    depth: usize,
}

/// Nodes and templates on a path of a diagram: more than any model that fits in memory has variables, less than a stack holds.
const DEPTH_LIMIT: usize = 256;

impl<'a, 't> Diagram<'_, 'a, 't> {
    /// Reads the one node, leaf or sub-diagram within `node`, which is reached with `pattern`. `open` are the templates that
    /// it stands in.
    fn descend(&mut self, node: Node<'a, 't>, pattern: &[u32], open: &mut Vec<&'a str>) -> Result<(), Fault> {
        const EXPECTED: &str = "expected one <Node>, <Terminal> or <SubDAG> within";
        if self.depth == DEPTH_LIMIT {
            let message = format!("the decision diagram is deeper than {DEPTH_LIMIT}");
            return Err(Fault::new(tag(node), message, "one too deep"));
        }
        let mut inner = elements(node);
        let (Some(child), None) = (inner.next(), inner.next()) else {
            let message = format!("<{}> leads to {} nodes", node.name(), elements(node).count());
            return Err(Fault::new(tag(node), message, EXPECTED));
        };
        match child.name() {
            "Terminal" => {
                let word = word(child, "a number")?;
                let value = self.function.value(&word)?;
                if value == 0.0 { Ok(()) } else { self.function.push(pattern.to_vec(), value, child.range().start) }
            }
            "Node" | "SubDAG" => {
                self.depth += 1;
                match child.name() {
                    "Node" => self.branch(child, pattern, open)?,
                    _ => self.sub_diagram(child, pattern, open)?,
                }
                self.depth -= 1;
                Ok(())
            }
            other => Err(Fault::new(tag(child), format!("<{other}> in a decision diagram"), EXPECTED)),
        }
    }

    fn branch(&mut self, node: Node<'a, 't>, pattern: &[u32], open: &mut Vec<&'a str>) -> Result<(), Fault> {
        let place = self.place(node, pattern)?;
        let values = self.variables.values(self.function.variables[place]);
        let mut pattern = pattern.to_vec();
        let mut taken = vec![false; values.len()];
        for edge in elements(node) {
            if edge.name() != "Edge" {
                let message = format!("<{}> in a <Node>", edge.name());
                return Err(Fault::new(tag(edge), message, "expected <Edge>"));
            }
            let value = attribute(edge, "val")?;
            let index = values.index(value, &tag(edge))?;
            if std::mem::replace(&mut taken[index as usize], true) {
                return Err(Fault::new(tag(edge), format!("two edges for {value}"), "expected one edge a value"));
            }
            pattern[place] = index;
            self.descend(edge, &pattern, open)?;
        }
        Ok(())
    }

    fn sub_diagram(&mut self, node: Node<'a, 't>, pattern: &[u32], open: &mut Vec<&'a str>) -> Result<(), Fault> {
        let at = node.range().start;
        match attribute(node, "type")? {
            "uniform" => {
                let place = self.place(node, pattern)?;
                let outcomes = self.variables.values(self.function.variables[place]).len();
                self.function.push(pattern.to_vec(), 1.0 / outcomes as f64, at)
            }
            "deterministic" => {
                let place = self.place(node, pattern)?;
                let value = attribute(node, "val")?;
                let mut pattern = pattern.to_vec();
                pattern[place] = self.variables.values(self.function.variables[place]).index(value, &tag(node))?;
                self.function.push(pattern, 1.0, at)
            }
            "persistent" => {
                let place = self.place(node, pattern)?;
                let variable = self.function.variables[place];
                let before = Variable { role: Role::Previous, ..variable };
                let position = self.function.variables.iter().position(|v| *v == before);
                let (Role::Current, Some(position)) = (variable.role, position) else {
                    let message = "only a state variable with its previous value among the parents can persist";
                    return Err(Fault::new(tag(node), message, "expected another type of <SubDAG>"));
                };
                let mut persists = pattern.to_vec();
                for value in 0..self.variables.values(variable).len() as u32 {
                    if pattern[position] == ANY || pattern[position] == value {
                        (persists[position], persists[place]) = (value, value);
                        self.function.push(persists.clone(), 1.0, at)?;
                    }
                }
                Ok(())
            }
            "template" => {
                let id = attribute(node, "idref")?;
                let Some(&template) = self.templates.get(id) else {
                    return Err(Fault::new(
                        tag(node),
                        format!("there is no template {id}"),
                        "expected a <SubDAGTemplate>'s id",
                    ));
                };
                if open.contains(&id) {
                    return Err(Fault::new(tag(node), format!("the template {id} holds itself"), "expected another"));
                }
                open.push(id);
                self.descend(template, pattern, open)?;
                open.pop();
                Ok(())
            }
            other => {
                let message = format!("<SubDAG> of type \"{other}\"");
                Err(Fault::new(tag(node), message, "expected uniform, deterministic, persistent or template"))
            }
        }
    }

    /// Which of the function's variables `var="…"` names; it must not have been decided on the way here.
    fn place(&self, node: Node<'a, 't>, pattern: &[u32]) -> Result<usize, Fault> {
        let name = Word { text: attribute(node, "var")?, at: tag(node) };
        let variable = self.variables.find(&name)?;
        let place = self.function.variables.iter().position(|v| *v == variable);
        match place {
            Some(place) if pattern[place] == ANY => Ok(place),
            Some(_) => {
                let message = format!("`{}` was decided further up", name.text);
                Err(Fault::new(name.at, message, "expected another variable"))
            }
            None => {
                let message = format!("`{}` is neither parent nor variable of this function", name.text);
                Err(Fault::new(name.at, message, "expected one of its variables"))
            }
        }
    }
}
