//! From a document's text to a family: expressions are read, names are found, everything that can be wrong before a number is drawn is told.

use rustc_hash::FxHashMap;

use super::expression::{Expression, Operator, Place, Tree, Word, is_function, is_name, parse};
use super::numbers::{Counter, Number, Range, check_ends};
use super::rules::{Branch, Branches, Form, Rewards, Slots, Table};
use super::text::{BranchText, ByAction, ByName, DirichletText, NumberText, SpaceText, SplitText, Text, Value};
use super::whole::MOST_SYMBOLS;
use super::wrong::{Wrong, below};
use super::{Parts, Size, Split, whole};
use crate::Space;
use crate::json::Step;

/// Names that tables and splits bring along.
const RESERVED: [&str; 5] = ["s", "a", "next", "o", "horizon"];
/// Numbers, splits and branches of a document at most.
const MOST_PARTS: usize = 10_000;

/// Where a name's value is, and how many indices it takes; none for one number.
type Known = (Place, usize);

/// The names that are known so far.
#[derive(Default)]
struct Compiler {
    known: FxHashMap<String, Known>,
    /// Of all numbers, in whichever split.
    places: FxHashMap<String, Known>,
    slots: usize,
    lists: usize,
    parts: usize,
}

/// Understands a document.
pub(super) fn compile(text: &Text) -> Result<Parts, Wrong> {
    whole::check(text)?;
    let field = |name: &str| vec![Step::from(name)];
    let mut names = Compiler { slots: RESERVED.len(), ..Compiler::default() };
    let slots = Slots { state: 0, action: 1, next: 2, seen: 3 };
    let actions = whole::actions(&text.actions)?;
    let default = names.numbers(&text.numbers, &field("numbers"))?;
    // What tables know are the task's own numbers.
    let of_task = names.known.clone();
    let cloud = text.cloud.as_ref();
    let shared = cloud.map(|cloud| &cloud.numbers[..]).unwrap_or_default();
    let default_shared = names.numbers(shared, &["cloud".into(), "numbers".into()])?;
    let model = cloud.map(|cloud| &cloud.model[..]).unwrap_or_default();
    let model = names.moved(model, &["cloud".into(), "model".into()])?;
    let splits = names.splits(text, (&default, &default_shared))?;
    names.known = of_task;
    let states = names.size(&text.states, "states")?;
    let observations = text.observations.as_ref().map(|seen| names.size(seen, "observations")).transpose()?;
    let with = |slots: &[(&str, usize)]| -> Vec<(String, usize)> {
        slots.iter().map(|&(name, slot)| (name.to_string(), slot)).collect()
    };
    let by_state = with(&[("s", slots.state)]);
    let before = with(&[("s", slots.state), ("a", slots.action)]);
    let after = with(&[("next", slots.next), ("a", slots.action)]);
    let start = text.start.as_ref().map(|branches| names.branches(branches, &[], field("start"))).transpose()?;
    let transition = names.table(&text.transition, &actions, &before, &field("transition"))?;
    whole::check_seen(text)?;
    let observation = text.observation.as_ref();
    let observation =
        observation.map(|table| names.table(table, &actions, &after, &field("observation"))).transpose()?;
    let mut earned = before.clone();
    earned.push(("next".into(), slots.next));
    if observations.is_some() {
        earned.push(("o".into(), slots.seen));
    }
    let reward = names.rewards(&text.reward, &actions, (&earned, slots), &field("reward"))?;
    let within = |names: &mut Compiler, value: &Option<Value>, field: &str| {
        let path = vec![Step::from(field)];
        value
            .as_ref()
            .map(|value| names.knowing(&by_state, |names| Ok((names.expression(value, &path)?, path.clone()))))
            .transpose()
    };
    let terminal = within(&mut names, &text.terminal, "terminal")?;
    let final_reward = within(&mut names, &text.final_reward, "finalReward")?;
    let regimes = whole::regimes(text, reward.form)?;
    let grid = whole::grid(text)?;
    let symbols = whole::symbols(text, &regimes, &states, observations.as_ref())?;
    let moved = model.iter().map(|number| number.place).collect();
    Ok(Parts {
        stream: text.name.clone(),
        regimes,
        horizon: text.horizon,
        discount: text.discount,
        grid,
        symbols,
        splits,
        model,
        moved,
        states,
        actions,
        observations,
        start,
        terminal,
        transition,
        observation,
        reward,
        final_reward,
        slots,
        horizon_slot: RESERVED.len() - 1,
        counts: (names.slots, names.lists),
    })
}

/// The name of a field rather than its value.
fn as_name(mut path: Vec<Step>) -> Vec<Step> {
    if let Some(Step::Field(name)) = path.pop() {
        path.push(Step::Name(name));
    }
    path
}

impl Compiler {
    /// Something more is understood; there may be only so much.
    fn part(&mut self, path: &[Step]) -> Result<(), Wrong> {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err(Wrong::new(path, format!("more than {MOST_PARTS} numbers, splits and branches")));
        }
        Ok(())
    }

    /// An expression of what is known.
    fn expression(&self, value: &Value, path: &[Step]) -> Result<Expression, Wrong> {
        let text = match value {
            Value::Number(number) => return Ok(Tree::Number(*number)),
            Value::Expression(text) => text,
        };
        let located = |at, problem| Wrong { at: Some(at), ..Wrong::new(path, problem) };
        let tree = parse(text).map_err(|slip| located(slip.at, slip.problem))?;
        self.known_in(&tree, path)
    }

    /// The same with the places of its names.
    fn known_in(&self, tree: &Tree<Word>, path: &[Step]) -> Result<Expression, Wrong> {
        let located = |at, problem| Wrong { at: Some(at), ..Wrong::new(path, problem) };
        tree.replaced(&mut |word, indices| {
            let name = &word.name;
            let Some(&(place, rank)) = self.known.get(name) else {
                return Err(located(word.at, format!("`{name}` is not known here{}", self.meant(name))));
            };
            match (rank, indices) {
                (0, Some(_)) => Err(located(word.at, format!("`{name}` is one number and has no entries"))),
                (0, None) => Ok(place),
                (rank, Some(found)) if rank == found => Ok(place),
                (rank, found) => {
                    let found = found.unwrap_or(0);
                    Err(located(word.at, format!("`{name}` is a list of numbers with {rank} indices, found {found}")))
                }
            }
        })
    }

    /// The known name that is nearest, or all of them.
    fn meant(&self, name: &str) -> String {
        let near = self.known.keys().map(|known| (strsim::damerau_levenshtein(known, name), known)).min();
        let mut all: Vec<&str> = self.known.keys().map(String::as_str).collect();
        all.sort_unstable();
        match near {
            None => "; no name is".into(),
            Some((distance, known)) if distance <= 1 + name.len() / 4 => format!("; perhaps `{known}`"),
            Some(_) if all.len() > 12 => format!("; known are {}, …", all[..12].join(", ")),
            Some(_) => format!("; known are {}", all.join(", ")),
        }
    }

    /// Runs `body` with names that are known only there.
    fn knowing<T>(
        &mut self,
        slots: &[(String, usize)],
        body: impl FnOnce(&mut Self) -> Result<T, Wrong>,
    ) -> Result<T, Wrong> {
        let outside = self.known.clone();
        self.known.extend(slots.iter().map(|(name, slot)| (name.clone(), (Place::Slot(*slot), 0))));
        let made = body(self);
        self.known = outside;
        made
    }

    /// Names that count, as in `j < n`; known from here on, so that this is undone by [`knowing`](Self::knowing).
    fn counters(&mut self, each: Option<&[String]>, path: &[Step]) -> Result<Vec<Counter>, Wrong> {
        let mut counters = Vec::new();
        let mut words = Vec::new();
        for (i, text) in each.unwrap_or_default().iter().enumerate() {
            let path = below(path, i);
            let tree = parse(text).map_err(|slip| Wrong { at: Some(slip.at), ..Wrong::new(&path, slip.problem) })?;
            let Tree::Binary(Operator::Less, sides) = tree else {
                return Err(Wrong::new(&path, format!("`{text}` counts nothing: expected such as `j < n`")));
            };
            let [Tree::Name(word), below] = *sides else {
                return Err(Wrong::new(&path, format!("`{text}` counts nothing: expected such as `j < n`")));
            };
            // Not each other: a list has as many numbers in all its rows.
            let below = self.known_in(&below, &path)?;
            counters.push(Counter { slot: self.slots, below, path });
            words.push(word);
            self.slots += 1;
        }
        for (word, counter) in words.into_iter().zip(&counters) {
            if is_function(&word.name) || self.known.contains_key(&word.name) {
                let problem = format!("`{}` cannot count here: it stands for something else", word.name);
                return Err(Wrong { at: Some(word.at), ..Wrong::new(&counter.path, problem) });
            }
            self.known.insert(word.name, (Place::Slot(counter.slot), 0));
        }
        Ok(counters)
    }

    /// Numbers one after the other, each known to those after it.
    fn numbers(&mut self, numbers: &[NumberText], path: &[Step]) -> Result<Vec<Number>, Wrong> {
        let all = numbers.iter().enumerate().map(|(i, text)| {
            let path = below(path, i);
            if self.known.contains_key(&text.name) {
                let problem = format!("`{}` stands for another number already", text.name);
                return Err(Wrong::new(&below(&path, "name"), problem));
            }
            self.number(text, path)
        });
        all.collect()
    }

    /// Numbers of a model of the cloud: the task's own in this model, and the model's own.
    fn moved(&mut self, numbers: &[NumberText], path: &[Step]) -> Result<Vec<Number>, Wrong> {
        let mut made: Vec<Number> = Vec::new();
        for (i, text) in numbers.iter().enumerate() {
            let path = below(path, i);
            if made.iter().any(|other| other.name == text.name) {
                return Err(Wrong::new(&below(&path, "name"), format!("`{}` stands twice", text.name)));
            }
            made.push(self.number(text, path)?);
        }
        Ok(made)
    }

    fn number(&mut self, text: &NumberText, path: Vec<Step>) -> Result<Number, Wrong> {
        self.part(&path)?;
        let name = &text.name;
        if !is_name(name) || is_function(name) || RESERVED.contains(&&name[..]) {
            let problem = format!(
                "`{name}` cannot be a number's name: that is a letter, then letters, digits and `_`, and no function and none of {}",
                RESERVED.join(", ")
            );
            return Err(Wrong::new(&below(&path, "name"), problem));
        }
        let (each, range) = self.knowing(&[], |names| {
            let each = names.counters(text.each.as_deref(), &below(&path, "each"))?;
            Ok((each, names.range(text, &path)?))
        })?;
        let distribution = matches!(range, Range::Dirichlet(_) | Range::Symmetric { .. });
        let rank = each.len() + usize::from(distribution);
        let place = match self.places.get(name) {
            Some(&(place, before)) if before == rank => place,
            Some(&(_, before)) => {
                let problem = format!("`{name}` has {rank} indices here and {before} elsewhere in the document");
                return Err(Wrong::new(&path, problem));
            }
            None if rank == 0 => {
                self.slots += 1;
                Place::Slot(self.slots - 1)
            }
            None => {
                self.lists += 1;
                Place::List(self.lists - 1)
            }
        };
        self.places.insert(name.clone(), (place, rank));
        self.known.insert(name.clone(), (place, rank));
        Ok(Number { name: name.clone(), place, each, range, path })
    }

    fn range(&self, text: &NumberText, path: &[Step]) -> Result<Range, Wrong> {
        let NumberText { name: _, each: _, value, uniform, integer, choice, weights, normal, dirichlet, outcomes } =
            text;
        let given = [
            ("value", value.is_some()),
            ("uniform", uniform.is_some()),
            ("integer", integer.is_some()),
            ("choice", choice.is_some()),
            ("normal", normal.is_some()),
            ("dirichlet", dirichlet.is_some()),
        ];
        let found: Vec<_> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        if found.len() != 1 {
            let names = given.map(|(name, _)| name).join(", ");
            let found = if found.is_empty() { "none".into() } else { found.join(" and ") };
            return Err(Wrong::new(path, format!("expected one of {names}, found {found}")));
        }
        for (given, name, with) in [
            (weights.is_some() && choice.is_none(), "weights", "choice"),
            (
                outcomes.is_some() && !matches!(dirichlet, Some(DirichletText::All(_))),
                "outcomes",
                "dirichlet of one parameter",
            ),
        ] {
            if given {
                return Err(Wrong::new(&below(path, name), format!("`{name}` goes with a `{with}`")));
            }
        }
        let one = |value: &Value, field: &str| self.expression(value, &below(path, field));
        let list = |values: &[Value], field: &str| {
            let at = below(path, field);
            values
                .iter()
                .enumerate()
                .map(|(i, value)| self.expression(value, &below(&at, i)))
                .collect::<Result<Vec<_>, _>>()
        };
        let pair = |values: &[Value], field: &str| {
            <[Expression; 2]>::try_from(list(values, field)?).map_err(|found| {
                Wrong::new(&below(path, field), format!("expected two numbers, found {}", found.len()))
            })
        };
        let not_empty = |values: &[Value], field: &str| {
            if values.is_empty() { Err(Wrong::new(&below(path, field), "the list is empty")) } else { Ok(()) }
        };
        // Of ends that are numbers as they stand it is told here, as not every number is drawn when a document is read.
        let ordered = |pair: [Expression; 2], field: &str| match &pair {
            [Tree::Number(low), Tree::Number(high)] => {
                check_ends(*low, *high).map_err(|problem| Wrong::new(&below(path, field), problem)).map(|()| pair)
            }
            _ => Ok(pair),
        };
        Ok(match (value, uniform, integer, choice, normal, dirichlet) {
            (Some(value), ..) => Range::Value(one(value, "value")?),
            (_, Some(ends), ..) => Range::Uniform(ordered(pair(ends, "uniform")?, "uniform")?),
            (_, _, Some(ends), ..) => Range::Integer(ordered(pair(ends, "integer")?, "integer")?),
            (_, _, _, Some(choices), ..) => {
                not_empty(choices, "choice")?;
                let weights = weights.as_deref().unwrap_or_default();
                if !weights.is_empty() && weights.len() != choices.len() {
                    let problem = format!("{} weights for {} numbers", weights.len(), choices.len());
                    return Err(Wrong::new(&below(path, "weights"), problem));
                }
                Range::Choice { choices: list(choices, "choice")?, weights: list(weights, "weights")? }
            }
            (_, _, _, _, Some(both), _) => Range::Normal(pair(both, "normal")?),
            (_, _, _, _, _, Some(DirichletText::Each(parameters))) => {
                not_empty(parameters, "dirichlet")?;
                Range::Dirichlet(list(parameters, "dirichlet")?)
            }
            (_, _, _, _, _, Some(DirichletText::All(parameter))) => {
                let Some(outcomes) = outcomes else {
                    let problem = "one parameter is for so many `outcomes`: say how many, or give a list";
                    return Err(Wrong::new(path, problem));
                };
                Range::Symmetric { parameter: one(parameter, "dirichlet")?, outcomes: one(outcomes, "outcomes")? }
            }
            _ => unreachable!("one of them was found"),
        })
    }

    /// The splits by name.
    fn splits(&mut self, text: &Text, default: (&[Number], &[Number])) -> Result<Vec<(String, Split)>, Wrong> {
        let mut splits = Vec::new();
        for (i, split) in text.splits.iter().enumerate() {
            let (name, path) = (&split.name, below(&[Step::from("splits")], i));
            self.part(&path)?;
            if !matches!(&name[..], "train" | "test" | "validation") && !name.starts_with("ood-") {
                let problem = format!("`{name}` is no split: expected train, test, validation or ood-…");
                return Err(Wrong::new(&below(&path, "name"), problem));
            }
            if text.splits[..i].iter().any(|other| other.name == *name) {
                return Err(Wrong::new(&below(&path, "name"), format!("the split `{name}` stands twice")));
            }
            splits.push((name.clone(), self.split(text, split, default, &path)?));
        }
        if !splits.iter().any(|(name, _)| name == "train") {
            return Err(Wrong::new(&[Step::from("splits")], "there is no split `train`"));
        }
        Ok(splits)
    }

    /// The numbers and the horizon of a split.
    fn split(
        &mut self,
        text: &Text,
        split: &SplitText,
        (default, default_shared): (&[Number], &[Number]),
        path: &[Step],
    ) -> Result<Split, Wrong> {
        let own = below(path, "numbers");
        let shared = text.cloud.as_ref().map(|cloud| &cloud.numbers[..]).unwrap_or_default();
        for (i, number) in split.numbers.iter().enumerate() {
            let (name, path) = (&number.name, below(&below(&own, i), "name"));
            if !text.numbers.iter().chain(shared).any(|other| other.name == *name) {
                let problem = format!("`{name}` is no number of the family that a split could draw otherwise");
                return Err(Wrong::new(&path, problem));
            }
            if split.numbers[..i].iter().any(|other| other.name == *name) {
                return Err(Wrong::new(&path, format!("`{name}` stands twice")));
            }
        }
        self.known.clear();
        let mut list = |numbers: &[NumberText], default: &[Number]| -> Result<Vec<Number>, Wrong> {
            let mut made = Vec::new();
            for (NumberText { name, .. }, number) in numbers.iter().zip(default) {
                self.known.insert(name.clone(), self.places[name]);
                let otherwise = split.numbers.iter().position(|other| other.name == *name);
                made.push(otherwise.map_or_else(
                    || Ok(number.clone()),
                    |i| {
                        self.known.remove(name);
                        self.number(&split.numbers[i], below(&own, i))
                    },
                )?);
            }
            Ok(made)
        };
        let numbers = list(&text.numbers, default)?;
        let shared = list(shared, default_shared)?;
        self.known.clear();
        let path = below(path, "horizon");
        let slot = [("horizon".to_string(), RESERVED.len() - 1)];
        let horizon = split
            .horizon
            .as_ref()
            .map(|value| self.knowing(&slot, |names| Ok((names.expression(value, &path)?, path.clone()))));
        Ok(Split {
            description: split.description.clone().unwrap_or_default(),
            numbers,
            shared,
            horizon: horizon.transpose()?,
        })
    }

    fn size(&mut self, text: &SpaceText, field: &str) -> Result<Size, Wrong> {
        let path = [Step::from(field)];
        let wrong = |error: crate::ModelError| Wrong::new(&path, error.to_string());
        match text {
            SpaceText::Names(names) if names.len() > MOST_SYMBOLS => {
                Err(Wrong::new(&path, format!("{} {field}; there may be {MOST_SYMBOLS}", names.len())))
            }
            SpaceText::Names(names) => {
                Space::named(field, names.iter().map(String::as_str)).map(Size::Fixed).map_err(wrong)
            }
            SpaceText::Count(Value::Number(count)) => {
                if !(1.0..=MOST_SYMBOLS as f64).contains(count) || count.fract() != 0.0 {
                    let problem = format!("{count} {field} are not a whole number from 1 to {MOST_SYMBOLS}");
                    return Err(Wrong::new(&path, problem));
                }
                Space::unnamed(field, *count as usize).map(Size::Fixed).map_err(wrong)
            }
            SpaceText::Count(value) => Ok(Size::Counted(self.expression(value, &path)?, path.to_vec())),
        }
    }

    fn branches(
        &mut self,
        texts: &[BranchText],
        slots: &[(String, usize)],
        path: Vec<Step>,
    ) -> Result<Branches, Wrong> {
        let mut list = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            let path = below(&path, i);
            self.part(&path)?;
            list.push(self.knowing(slots, |names| {
                let each = names.counters(text.each.as_deref(), &below(&path, "for"))?;
                let one = |value: &Value, field: &str| names.expression(value, &below(&path, field));
                Ok(Branch {
                    when: text.when.as_ref().map(|when| one(when, "when")).transpose()?,
                    to: one(&text.to, "to")?,
                    p: text.p.as_ref().map(|p| one(p, "p")).transpose()?,
                    each,
                    path: path.clone(),
                })
            })?);
        }
        Ok(Branches { list, path })
    }

    fn table(
        &mut self,
        text: &ByAction<Vec<BranchText>>,
        actions: &Space,
        slots: &[(String, usize)],
        path: &[Step],
    ) -> Result<Table, Wrong> {
        let (parts, of_action) = by_action(text, actions, path)?;
        let branches = parts.into_iter().map(|(texts, path)| self.branches(texts, slots, path));
        Ok(Table { branches: branches.collect::<Result<_, _>>()?, of_action })
    }

    fn rewards(
        &mut self,
        text: &ByAction<Value>,
        actions: &Space,
        (names, slots): (&[(String, usize)], Slots),
        path: &[Step],
    ) -> Result<Rewards, Wrong> {
        let (parts, of_action) = by_action(text, actions, path)?;
        let expressions = self.knowing(names, |compiler| {
            parts
                .into_iter()
                .map(|(value, path)| Ok((compiler.expression(value, &path)?, path)))
                .collect::<Result<Vec<_>, Wrong>>()
        })?;
        let mut form = Form::Nothing;
        for (expression, _) in &expressions {
            expression.each_name(&mut |place| {
                form = form.max(match place {
                    Place::Slot(slot) if *slot == slots.seen => Form::NextAndSeen,
                    Place::Slot(slot) if *slot == slots.next => Form::Next,
                    _ => Form::Nothing,
                });
            });
        }
        Ok(Rewards { expressions, of_action, form })
    }
}

/// What stands for each action, each thing once with its place, and which of these each action has.
type OfActions<'t, T> = (Vec<(&'t T, Vec<Step>)>, Vec<usize>);

fn by_action<'t, T>(text: &'t ByAction<T>, actions: &Space, path: &[Step]) -> Result<OfActions<'t, T>, Wrong> {
    let fields = match text {
        ByAction::All(all) => return Ok((vec![(all, path.to_vec())], vec![0; actions.len()])),
        ByAction::Of(ByName(fields)) => fields,
    };
    let mut of_action = vec![None; actions.len()];
    let mut others = None;
    for (i, name) in fields.keys().enumerate() {
        if name == "*" {
            others = Some(i);
            continue;
        }
        let Some(action) = actions.index(name) else {
            let known: Vec<_> = (0..actions.len().min(12)).map(|a| actions.name(a)).collect();
            let problem = format!("`{name}` is no action; expected {} or `*`", known.join(", "));
            return Err(Wrong::new(&as_name(below(path, name.as_str())), problem));
        };
        if of_action[action].replace(i).is_some() {
            let problem = format!("the action {} stands twice", actions.name(action));
            return Err(Wrong::new(&as_name(below(path, name.as_str())), problem));
        }
    }
    let found = of_action.iter().enumerate().map(|(action, found)| {
        found.or(others).ok_or_else(|| {
            Wrong::new(
                path,
                format!("there is nothing for the action {}, nor `*` for all others", actions.name(action)),
            )
        })
    });
    let of_action = found.collect::<Result<_, _>>()?;
    Ok((fields.iter().map(|(name, value)| (value, below(path, name.as_str()))).collect(), of_action))
}
