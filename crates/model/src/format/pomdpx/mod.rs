//! POMDPX, the XML format of APPL: factored models, some of whose state variables may be observed.
//!
//! The factors are multiplied out to flat, sparse rows; states are named by the values of their variables. A state variable
//! with `fullyObs="true"` is part of every observation, unless it is known anyway because it starts and moves with certainty:
//! [`observed_component`](crate::observed_component) finds it again in the flat model. One thing is lost: APPL lets the first
//! action depend on the observed variables, while nothing is seen here before the first action. A warning says so when it
//! makes a difference.

mod document;
mod function;
mod product;
mod table;
mod variables;

use self::document::{all, elements, one, tag, word};
use self::function::{ANY, Function, function};
use self::product::{Circle, Product};
use self::table::{Digit, Table, digits, table};
use self::variables::{Role, Values, Variable, Variables, product};
use super::ReadOptions;
use super::diagnostic::Fault;
use super::sheet::{ENTRY_LIMIT, ROW_LIMIT, TooLarge};
use super::xml::Node;
use crate::{Dynamics, Kernel, ModelBuilder, Reward, Space};

const PARTS: [&str; 7] = [
    "Description",
    "Discount",
    "Variable",
    "InitialStateBelief",
    "StateTransitionFunction",
    "ObsFunction",
    "RewardFunction",
];

/// The parts of the model in a text, and its repairs.
pub(super) fn read(text: &str, options: &ReadOptions) -> Result<(ModelBuilder, Vec<Fault>), Fault> {
    let (document, mut warnings) = document::parse(text)?;
    let root = document.root_element();
    if root.name() != "pomdpx" {
        let message = format!("the document is <{}>", root.name());
        return Err(Fault::new(tag(root), message, "expected <pomdpx>"));
    }
    if let Some(other) = elements(root).find(|node| !PARTS.contains(&node.name())) {
        // APPL looks for the parts that it knows, and sees no others.
        let message = format!("<{}> is no part of a model and is passed over", other.name());
        warnings.push(Fault::new(tag(other), message, format!("expected one of {}", PARTS.join(", "))));
    }
    let discount = discount(one(root, "Discount")?, options)?;
    let variables = Variables::read(one(root, "Variable")?)?;
    let start = functions(root, "InitialStateBelief", &variables, Role::Previous)?;
    let transition = functions(root, "StateTransitionFunction", &variables, Role::Current)?;
    let observation = match variables.observations[..] {
        [] => Vec::new(),
        _ => functions(root, "ObsFunction", &variables, Role::Observation)?,
    };
    let rewards = one(root, "RewardFunction")?;
    let rewards: Vec<Function> =
        all(rewards, "Func").map(|node| function(node, &variables, &[])).collect::<Result<_, _>>()?;
    let start_at = tag(one(root, "InitialStateBelief")?);
    // The flat model needs the memory.
    drop(document);

    let mut flat = Flat { variables: &variables, report: Report::default() };
    let (start, start_tables) = flat.start(&start)?;
    let (transition, hidden) = flat.transition(&transition, &start_tables)?;
    let all_observed = variables.observed.iter().all(|&observed| observed);
    let is_mdp = variables.observations.is_empty() && all_observed;
    let observation = if is_mdp { None } else { Some(flat.observation(&observation)?) };
    flat.report.check()?;
    warnings.extend(flat.report.warning());

    let dynamics = Dynamics { transition, observation };
    let (dynamics, observations, seen) = if is_mdp {
        (dynamics, None, Seen { values: Vec::new() })
    } else {
        let space = product("observations", &variables.observations.iter().collect::<Vec<_>>());
        let (dynamics, space, seen) = add_observed(dynamics, space, &hidden, start.len(), &variables);
        (dynamics, Some(space), seen)
    };
    if observations.is_some() {
        warnings.extend(unknown_at_first(&start, &variables, start_at));
    }
    let reward = flat.reward(&rewards, &dynamics, &seen)?;
    let builder = ModelBuilder {
        name: String::new(),
        states: product("states", &variables.states.iter().collect::<Vec<_>>()).with_observed(&variables.observed),
        actions: product("actions", &variables.actions.iter().collect::<Vec<_>>()),
        observations,
        reward,
        start,
        discount,
        horizon: options.horizon,
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: vec![dynamics],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    };
    Ok((builder, warnings))
}

fn discount(node: Node, options: &ReadOptions) -> Result<f64, Fault> {
    let word = word(node, "a number in [0, 1]")?;
    let discount = word.number()?;
    if !(0.0..=1.0).contains(&discount) {
        let message = format!("the discount `{}` is not in [0, 1]", word.text);
        return Err(Fault::new(word.at, message, "expected a number in [0, 1]"));
    }
    if discount == 1.0 && options.horizon.is_none() {
        return Err(Fault::new(word.at, "a discount of 1 needs a horizon", "below 1 without a horizon")
            .note("the format has no horizon: give the number of decisions along with the file"));
    }
    Ok(discount)
}

/// The conditional probabilities of one part, each variable of `role` defined once.
fn functions(root: Node, part: &'static str, variables: &Variables, role: Role) -> Result<Vec<Function>, Fault> {
    let node = one(root, part)?;
    let count = if role == Role::Observation { variables.observations.len() } else { variables.states.len() };
    let mut defined = vec![false; count];
    let mut functions = Vec::new();
    for child in all(node, "CondProb") {
        let function = function(child, variables, &[role])?;
        let allowed = |parent: Variable| match role {
            Role::Previous => parent.role == Role::Previous,
            Role::Current => parent.role != Role::Observation,
            _ => parent.role != Role::Previous,
        };
        if let Some(parent) = function.variables[..function.parents].iter().find(|parent| !allowed(**parent)) {
            let message = format!("`{}` cannot be a parent in <{part}>", variables.name_of(*parent));
            return Err(Fault::new(tag(child), message, "expected other parents"));
        }
        for variable in &function.variables[function.parents..] {
            if std::mem::replace(&mut defined[variable.index], true) {
                let message = format!("`{}` is defined twice", variables.name_of(*variable));
                return Err(Fault::new(tag(child), message, "expected once"));
            }
        }
        functions.push(function);
    }
    match defined.iter().position(|&defined| !defined) {
        None => Ok(functions),
        Some(index) => {
            let name = variables.name_of(Variable { role, index });
            Err(Fault::new(tag(node), format!("<{part}> does not define `{name}`"), "expected a <CondProb> for it"))
        }
    }
}

/// Rows of all factors that do not sum to 1, or were repaired.
#[derive(Default)]
struct Report {
    bad: Vec<(usize, String)>,
    bad_total: usize,
    repaired: Vec<(usize, String)>,
    repaired_total: usize,
}

impl Report {
    fn add(&mut self, function: &Function, table: &Table, action: &str, variables: &Variables) {
        let lists = [
            (&table.bad, &mut self.bad, &mut self.bad_total),
            (&table.repaired, &mut self.repaired, &mut self.repaired_total),
        ];
        for (findings, rows, total) in lists {
            *total += findings.total;
            for row in &findings.first {
                let children = &function.variables[function.parents..];
                let names: Vec<&str> = children.iter().map(|v| variables.name_of(*v)).collect();
                let mut given = table.row_name(variables, row.row);
                if function.variables.iter().any(|v| v.role == Role::Action) {
                    given = if given.is_empty() { action.into() } else { format!("{action}, {given}") };
                }
                let given = if given.is_empty() { given } else { format!(" given {given}") };
                let place = row.at.map_or(function.at.start, |at| at as usize);
                rows.push((place, format!("{}{given} {}", names.join(", "), row.problem())));
            }
        }
    }

    fn check(&mut self) -> Result<(), Fault> {
        let total = self.bad_total;
        let message =
            if total == 1 { "a row does not sum to 1".into() } else { format!("{total} rows do not sum to 1") };
        fault(std::mem::take(&mut self.bad), total, message).map_or(Ok(()), Err)
    }

    fn warning(&mut self) -> Option<Fault> {
        let total = self.repaired_total;
        let message = match total {
            1 => "a row is off by rounding and was divided by its sum".into(),
            n => format!("{n} rows are off by rounding and were divided by their sums"),
        };
        fault(std::mem::take(&mut self.repaired), total, message)
    }
}

fn fault(rows: Vec<(usize, String)>, total: usize, message: String) -> Option<Fault> {
    let mut rows = rows.into_iter();
    let (at, label) = rows.next()?;
    let others: Vec<String> = rows.take(7).map(|(_, label)| label).collect();
    let more = total - 1 - others.len();
    let tail = if more > 0 { format!("\n… and {more} more") } else { String::new() };
    let fault = Fault::new(at..at + 1, message, label);
    Some(if others.is_empty() { fault } else { fault.note(others.join("\n") + &tail) })
}

/// The tables of some functions: by function, then by action, or one for all actions.
struct Factors(Vec<Vec<Table>>);

impl Factors {
    fn under(&self, action: usize) -> Vec<&Table> {
        self.0.iter().map(|tables| tables.get(action).unwrap_or(&tables[0])).collect()
    }
}

/// Multiplies factors out.
struct Flat<'a> {
    variables: &'a Variables,
    report: Report,
}

fn too_large(TooLarge: TooLarge) -> Fault {
    Fault::new(0..0, format!("the flat model needs more than {ENTRY_LIMIT} numbers"), "multiplied out")
}

fn circle(functions: &[Function]) -> impl Fn(Circle) -> Fault {
    let at = functions.first().map_or(0..0, |f| f.at.clone());
    move |Circle| Fault::new(at.clone(), "the variables depend on each other in a circle", "one of these")
}

impl Flat<'_> {
    /// The values of the action variables of action `action`, and its name.
    fn action(&self, mut action: usize) -> (Vec<usize>, String) {
        let mut values = vec![0; self.variables.actions.len()];
        for (value, variable) in values.iter_mut().zip(&self.variables.actions).rev() {
            *value = action % variable.len();
            action /= variable.len();
        }
        let names: Vec<&str> = values
            .iter()
            .zip(&self.variables.actions)
            .map(|(&value, variable)| variable.names[value].as_str())
            .collect();
        (values, names.join(","))
    }

    fn actions(&self) -> usize {
        self.variables.actions.iter().map(Values::len).product()
    }

    fn states(&self) -> usize {
        self.variables.states.iter().map(Values::len).product()
    }

    fn start(&mut self, functions: &[Function]) -> Result<(Vec<f64>, Vec<Table>), Fault> {
        let tables: Vec<Table> =
            functions.iter().map(|f| table(f, &[], self.variables)).collect::<Result<_, _>>().map_err(too_large)?;
        functions.iter().zip(&tables).for_each(|(f, table)| self.report.add(f, table, "", self.variables));
        let mut start = vec![0.0; self.states()];
        if self.report.bad_total == 0 {
            let references: Vec<&Table> = tables.iter().collect();
            let product = Product::new(&references, None, Role::Previous, self.variables).map_err(circle(functions))?;
            product.rows(|row| row.iter().for_each(|&(state, p)| start[state as usize] = p));
        }
        Ok((start, tables))
    }

    /// The transition kernel, and the observed variables that nobody can predict.
    fn transition(&mut self, functions: &[Function], start: &[Table]) -> Result<(Kernel, Vec<usize>), Fault> {
        let factors = self.factors(functions)?;
        let by_action: Vec<Vec<&Table>> = (0..self.actions()).map(|action| factors.under(action)).collect();
        let hidden = unpredictable(self.variables, start, &by_action);
        Ok((self.kernel(&by_action, functions, Role::Previous, Role::Current)?, hidden))
    }

    fn observation(&mut self, functions: &[Function]) -> Result<Kernel, Fault> {
        let factors = self.factors(functions)?;
        let by_action: Vec<Vec<&Table>> = (0..self.actions()).map(|action| factors.under(action)).collect();
        self.kernel(&by_action, functions, Role::Current, Role::Observation)
    }

    fn factors(&mut self, functions: &[Function]) -> Result<Factors, Fault> {
        let mut factors = Factors(Vec::new());
        for function in functions {
            // Functions that no action changes are tabulated once.
            let asks = function.variables.iter().any(|v| v.role == Role::Action);
            let tables = (0..if asks { self.actions() } else { 1 }).map(|action| {
                let (action, name) = self.action(action);
                let table = table(function, &action, self.variables).map_err(too_large)?;
                self.report.add(function, &table, &name, self.variables);
                Ok(table)
            });
            factors.0.push(tables.collect::<Result<_, Fault>>()?);
        }
        Ok(factors)
    }

    /// Rows `a * S + s` over the product of the variables of role `adds`, given the states of role `given`.
    fn kernel(
        &self,
        by_action: &[Vec<&Table>],
        functions: &[Function],
        given: Role,
        adds: Role,
    ) -> Result<Kernel, Fault> {
        let sizes = if adds == Role::Observation { &self.variables.observations } else { &self.variables.states };
        let columns = sizes.iter().map(Values::len).product();
        let rows = self.actions().saturating_mul(self.states());
        if rows > ROW_LIMIT {
            return Err(too_large(TooLarge));
        }
        if self.report.bad_total > 0 {
            return Ok(Kernel::new(columns));
        }
        // Room for two entries a row: what is not used is never touched, and growing would leave holes behind.
        let room = (2 * rows).min(1 << 24);
        let (mut index, mut values) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        for tables in by_action {
            let product = Product::new(tables, Some(given), adds, self.variables).map_err(circle(functions))?;
            let mut fits = true;
            product.rows(|row| {
                fits &= index.len() + row.len() <= ENTRY_LIMIT;
                if fits {
                    index.extend(row.iter().map(|&(column, _)| column));
                    values.extend(row.iter().map(|&(_, p)| p));
                    offsets.push(index.len() as u32);
                }
            });
            if !fits {
                return Err(too_large(TooLarge));
            }
        }
        Ok(Kernel::from_parts(columns, offsets, index, values))
    }

    /// The sum of all rewards, in the coarsest form that holds it.
    fn reward(&self, functions: &[Function], dynamics: &Dynamics, seen: &Seen) -> Result<Reward, Fault> {
        let tables = |action: usize| -> Result<Vec<Table>, Fault> {
            let (action, _) = self.action(action);
            functions.iter().map(|function| table(function, &action, self.variables).map_err(too_large)).collect()
        };
        // All of them before the reward, which needs more memory than they: what making them took is free again by then.
        let by_action: Vec<Vec<Table>> = (0..self.actions()).map(tables).collect::<Result<_, _>>()?;
        let asks = |role: Role| {
            functions.iter().any(|function| {
                let mut places = (0..function.variables.len()).filter(|&place| function.variables[place].role == role);
                places.any(|place| function.rules.iter().any(|rule| rule.pattern[place] != ANY))
            })
        };
        let states = self.states();
        let full = asks(Role::Observation);
        if !full && !asks(Role::Current) {
            let mut reward = Vec::with_capacity(self.actions() * states);
            for tables in &by_action {
                self.each_state(|digits| {
                    let value = |table: &Table| table.kernel.get(Table::index(&table.rows, |v| digits[v.index]), 0);
                    reward.push(tables.iter().map(value).sum());
                });
            }
            return Ok(Reward::StateAction(reward));
        }
        let places = |role: Role, count: usize| {
            let all: Vec<Variable> = (0..count).map(|index| Variable { role, index }).collect();
            digits(&all, self.variables).map(|(digits, _)| digits).map_err(too_large)
        };
        let state_digits = places(Role::Current, self.variables.states.len())?;
        let seen_digits = places(Role::Observation, self.variables.observations.len())?;
        let observations = dynamics.observation.as_ref().map_or(1, Kernel::columns);
        let columns = if full { states.saturating_mul(observations) } else { states };
        if columns > u32::MAX as usize {
            return Err(too_large(TooLarge));
        }
        let mut rows = Kernel::new(columns);
        for (action, tables) in by_action.iter().enumerate() {
            let mut row = action * states;
            self.each_state(|before| {
                let bases: Vec<usize> = tables.iter().map(|t| Table::index(&t.rows, |v| before[v.index])).collect();
                let value = |next: usize, o: usize| -> f64 {
                    let of = |v: Variable| {
                        let (digit, index): (&Digit, usize) = match v.role {
                            Role::Observation => (&seen_digits[v.index], seen.only(o)),
                            _ => (&state_digits[v.index], next),
                        };
                        index / digit.stride % digit.size
                    };
                    let of_table =
                        |(table, &base): (&Table, &usize)| table.kernel.get(base, Table::index(&table.columns, of));
                    tables.iter().zip(&bases).map(of_table).sum()
                };
                let nexts = dynamics.transition.row(row).0;
                match &dynamics.observation {
                    Some(kernel) if full => rows.push_row(
                        nexts
                            .iter()
                            .flat_map(|&next| {
                                let next = next as usize;
                                kernel.row(action * states + next).0.iter().map(move |&o| (next, o as usize))
                            })
                            .map(|(next, o)| (next * observations + o, value(next, o))),
                    ),
                    _ => rows.push_row(nexts.iter().map(|&next| (next as usize, value(next as usize, 0)))),
                }
                row += 1;
            });
            if rows.entries() > ENTRY_LIMIT {
                return Err(too_large(TooLarge));
            }
        }
        Ok(if full { Reward::Full(rows) } else { Reward::Transition(rows) })
    }

    /// Calls `visit` with the values of the state variables of each state in turn.
    fn each_state(&self, mut visit: impl FnMut(&[usize])) {
        let sizes: Vec<usize> = self.variables.states.iter().map(Values::len).collect();
        let mut digits = vec![0; sizes.len()];
        loop {
            visit(&digits);
            let Some(turning) = (0..digits.len()).rev().find(|&i| digits[i] + 1 < sizes[i]) else { return };
            digits[turning] += 1;
            digits[turning + 1..].fill(0);
        }
    }
}

/// Which product of observation variables an observation of the flat model holds.
struct Seen {
    /// By flat observation; empty when they are the same.
    values: Vec<u32>,
}

impl Seen {
    fn only(&self, observation: usize) -> usize {
        self.values.get(observation).map_or(observation, |&o| o as usize)
    }
}

/// The observed variables that nobody can predict: all but those with a certain start whose next value is certain given the
/// action and variables of the same kind.
fn unpredictable(variables: &Variables, start: &[Table], transition: &[Vec<&Table>]) -> Vec<usize> {
    let count = variables.states.len();
    let mut predictable = vec![true; count];
    let certain = |table: &Table| (0..table.kernel.rows()).all(|row| table.kernel.row(row).0.len() == 1);
    let tables = || start.iter().chain(transition.iter().flatten().copied());
    // Taking away what depends on the unpredictable, until nothing changes.
    loop {
        let before = predictable.clone();
        for table in tables() {
            if !certain(table) || table.rows.iter().any(|digit| !predictable[digit.variable.index]) {
                table.columns.iter().for_each(|digit| predictable[digit.variable.index] = false);
            }
        }
        if predictable == before {
            return (0..count).filter(|&v| variables.observed[v] && !predictable[v]).collect();
        }
    }
}

/// Adds the observed state variables `hidden` to the observations.
fn add_observed(
    mut dynamics: Dynamics,
    space: Space,
    hidden: &[usize],
    states: usize,
    variables: &Variables,
) -> (Dynamics, Space, Seen) {
    if hidden.is_empty() {
        return (dynamics, space, Seen { values: Vec::new() });
    }
    let mut strides = vec![1; variables.states.len()];
    for i in (1..strides.len()).rev() {
        strides[i - 1] = strides[i] * variables.states[i].len();
    }
    let value = |variable: usize, state: usize| state / strides[variable] % variables.states[variable].len();
    let names = hidden.iter().map(|&variable| &variables.states[variable]);
    let observed: Vec<&Values> = names.collect();
    let heads = product("observations", &observed);
    let place = |state: usize| hidden.iter().fold(0, |n, &v| n * variables.states[v].len() + value(v, state));
    // Only the pairs that some action and state allow.
    let kernel = dynamics.observation.take().expect("called with observations");
    let columns = kernel.columns();
    let mut used = std::collections::BTreeMap::new();
    for row in 0..kernel.rows() {
        let head = place(row % states);
        used.extend(kernel.row(row).0.iter().map(|&o| ((head, o), 0_u32)));
    }
    used.values_mut().zip(0..).for_each(|(number, i)| *number = i);
    let mut pairs = Kernel::new(used.len());
    for row in 0..kernel.rows() {
        let head = place(row % states);
        pairs.push_row(kernel.pairs(row).map(|(o, p)| (used[&(head, o as u32)] as usize, p)));
    }
    let name = |&(head, o): &(usize, u32)| match columns {
        1 => heads.name(head),
        _ => format!("{},{}", heads.name(head), space.name(o as usize)),
    };
    let names: Vec<String> = used.keys().map(name).collect();
    let values = used.keys().map(|&(_, o)| o).collect();
    let len = names.len();
    let space =
        Space::named("observations", names).or_else(|_| Space::unnamed("observations", len)).expect("not empty");
    dynamics.observation = Some(pairs);
    (dynamics, space, Seen { values })
}

/// Says which observed variables are not known before the first action.
fn unknown_at_first(start: &[f64], variables: &Variables, at: std::ops::Range<usize>) -> Option<Fault> {
    let mut stride = start.len();
    let mut unknown = Vec::new();
    for (i, values) in variables.states.iter().enumerate() {
        stride /= values.len();
        let mut possible = (0..start.len()).filter(|&s| start[s] > 0.0).map(|s| s / stride % values.len());
        let first = possible.next();
        if variables.observed[i] && possible.any(|value| Some(value) != first) {
            unknown.push(values.name.as_str());
        }
    }
    (!unknown.is_empty()).then(|| {
        let message = format!("{} is observed, but not before the first action", unknown.join(", "));
        Fault::new(at, message, "its start is random")
            .note("nothing is seen before the first action: values are those of a blind first step")
    })
}
