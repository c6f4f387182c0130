//! Families of one's own as one document: a model with named numbers and the ranges that they are drawn from (`docs/your-own-family.md`).

mod compile;
mod expression;
mod numbers;
mod rules;
mod text;
mod whole;
mod work;
mod wrong;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tiresias_text::Unmarked;

use self::expression::{Expression, List, Place, Values};
use self::numbers::{Number, finite};
use self::rules::{Branches, Rewards, Slots, Table};
use self::text::{SCHEMA, Text};
use self::work::Work;
use self::wrong::Wrong;
use super::{Family, LONGEST, Regime, RewardGrid, Task, TaskRequest, check_request};
use crate::format::{Diagnostic, FormatError, noticed};
use crate::json::{Step, locate};
use crate::random::{Draws, Key};
use crate::{Dynamics, ModelBuilder, ModelError, Reward, Space};

/// What a family's name begins with; the hash of its document follows.
pub const PREFIX: &str = "json:";
/// Bytes of a document at most.
const LARGEST: u64 = 1 << 20;
/// Tasks of every split and regime that are drawn when a document is read, to see that they can be.
const TRIED: u64 = 4;
/// Work after which no more of them are drawn.
const LONG: u64 = 1 << 20;
/// How far a reward may lie off the grid, in steps.
const OFF: f64 = 1e-6;

/// The families that were loaded, by name. They are few and stay, as a task may be drawn at any time.
static LOADED: LazyLock<Mutex<HashMap<String, Arc<Document>>>> = LazyLock::new(Mutex::default);

/// A family whose document was understood.
#[derive(Debug)]
struct Document {
    name: &'static str,
    description: &'static str,
    splits: Vec<(&'static str, &'static str)>,
    parts: Parts,
}

/// What tasks are made of.
#[derive(Debug)]
struct Parts {
    /// Names the stream of random numbers.
    stream: String,
    regimes: Vec<Regime>,
    horizon: usize,
    discount: f64,
    grid: RewardGrid,
    symbols: usize,
    splits: Vec<(String, Split)>,
    /// The numbers of a model of the cloud, and where they go.
    model: Vec<Number>,
    moved: Vec<Place>,
    states: Size,
    actions: Space,
    observations: Option<Size>,
    start: Option<Branches>,
    terminal: Option<(Expression, Vec<Step>)>,
    transition: Table,
    observation: Option<Table>,
    reward: Rewards,
    final_reward: Option<(Expression, Vec<Step>)>,
    slots: Slots,
    horizon_slot: usize,
    /// Slots and lists in all.
    counts: (usize, usize),
}

/// What sets a split apart.
#[derive(Debug)]
struct Split {
    description: String,
    numbers: Vec<Number>,
    /// Of the whole cloud.
    shared: Vec<Number>,
    horizon: Option<(Expression, Vec<Step>)>,
}

/// A space of every task, or of so many elements by a task's numbers.
#[derive(Debug)]
enum Size {
    Fixed(Space),
    Counted(Expression, Vec<Step>),
}

/// Reads a document and makes it a family, which [`family`](super::family) then knows by the name that this returns: `json:` and a hash of
/// the document, wherever it lies and however it is spaced.
pub(super) fn load(file: &Path) -> Result<String, FormatError> {
    let name = file.display().to_string();
    let unreadable = |reason: String| FormatError::Unreadable { path: name.clone(), reason };
    let size = std::fs::metadata(file).map_err(|error| unreadable(error.to_string()))?.len();
    if size > LARGEST {
        let problem = format!("a document of {size} bytes; a family's may have {LARGEST}");
        return Err(FormatError::Family { path: name, problem });
    }
    let bytes = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    load_document(&name, &bytes)
}

/// The same for the text of a document; `file` is its name in messages.
pub fn load_document(file: &str, bytes: &[u8]) -> Result<String, FormatError> {
    let document = read(file, bytes)?;
    let name = document.name.to_string();
    LOADED.lock().unwrap_or_else(PoisonError::into_inner).entry(name.clone()).or_insert_with(|| Arc::new(document));
    Ok(name)
}

/// The family of this name, if it was loaded.
pub(super) fn loaded(name: &str) -> Result<Box<dyn Family>, ModelError> {
    let found = LOADED.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
    let missing = || ModelError::Name {
        what: "family".into(),
        name: name.into(),
        problem: "is a document that this process has not read: name the file (--family FILE, loadFamily)".into(),
    };
    found.map(|document| Box::new(Own(document)) as Box<dyn Family>).ok_or_else(missing)
}

/// What a document says that it is.
#[derive(Deserialize)]
struct Kind {
    schema: Option<serde_json::Value>,
}

fn read(file: &str, bytes: &[u8]) -> Result<Document, FormatError> {
    let bytes = bytes.unmarked();
    let located = |at, message: String, label: &str| {
        FormatError::Text(Box::new(Diagnostic::error(file, bytes, at, message, label)))
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        located(at..at + 1, "the text is not UTF-8".into(), "the first byte that is not")
    })?;
    let syntax = |error: serde_json::Error| {
        let (at, message) = noticed(text, &error);
        located(at, format!("not a family in JSON: {message}"), "noticed here")
    };
    // A document of another kind is told so before its first field is called unknown.
    let kind: Kind = serde_json::from_str(text).map_err(syntax)?;
    if kind.schema.as_ref().and_then(serde_json::Value::as_str) != Some(SCHEMA) {
        let found = kind.schema.map_or("none".into(), |schema| schema.to_string());
        let at = locate(text, &["schema".into()]);
        return Err(located(at, format!("the schema is {found}, expected {SCHEMA:?}"), "expected another schema"));
    }
    let document: Text = serde_json::from_str(text).map_err(syntax)?;
    let shown = |wrong: Wrong, note: Option<String>| {
        let mut at = locate(text, &wrong.path);
        // Within an expression, unless its text has characters that JSON writes otherwise.
        if let Some(byte) =
            wrong.at.filter(|_| text.as_bytes().get(at.start) == Some(&b'"') && !text[at.clone()].contains('\\'))
        {
            let byte = (at.start + 1 + byte).min(at.end - 1);
            at = byte..byte + text[byte..].chars().next().map_or(0, char::len_utf8);
        }
        let mut diagnostic =
            Diagnostic::error(file, bytes, at, format!("{}: {}", wrong.place(), wrong.problem), "here");
        diagnostic.notes.extend(note);
        FormatError::Text(Box::new(diagnostic))
    };
    let parts = compile::compile(&document).map_err(|wrong| shown(wrong, None))?;
    parts.try_tasks().map_err(|(wrong, note)| shown(wrong, Some(note)))?;
    let canonical = serde_json::to_string(&document).expect("a document that was read can be written");
    let name = format!("{PREFIX}{:x}", Sha256::digest(canonical));
    let splits = parts.splits.iter().map(|(name, split)| {
        let (name, description): (&'static str, &'static str) = (name.clone().leak(), split.description.clone().leak());
        (name, description)
    });
    Ok(Document { name: name.leak(), description: document.description.leak(), splits: splits.collect(), parts })
}

/// Whether a reward is a multiple of the step.
fn on_grid(value: f64, step: f64) -> bool {
    (value / step - (value / step).round()).abs() <= OFF
}

impl Parts {
    /// Draws a few tasks of every split and regime, with clouds of two: what they have in common that is wrong is told of before any work
    /// begins, with the task that it was found in.
    fn try_tasks(&self) -> Result<(), (Wrong, String)> {
        let mut spent = 0;
        for index in 0..TRIED {
            for (split, _) in &self.splits {
                for &regime in &self.regimes {
                    if spent > LONG {
                        return Ok(());
                    }
                    let request = TaskRequest {
                        split: split.clone(),
                        index,
                        seed: 0,
                        regime,
                        horizon: self.horizon,
                        models: 2,
                        alpha: 1.0,
                    };
                    let (mut numbers, mut work) = (Vec::new(), Work::default());
                    self.draw(&request, &mut numbers, &mut work).map_err(|wrong| {
                        (wrong, format!("in task {index} of {split}, seed 0, regime {regime}: {}", told(&numbers)))
                    })?;
                    spent += work.spent();
                }
            }
        }
        Ok(())
    }

    /// Draws a task. `told` is filled with the numbers as they are drawn. O(branches of all rows).
    fn draw(&self, request: &TaskRequest, told: &mut Vec<(String, f64)>, work: &mut Work) -> Result<Task, Wrong> {
        let split = self.splits.iter().find(|(name, _)| *name == request.split).map(|(_, split)| split);
        let split = split.ok_or_else(|| Wrong::new(&["splits".into()], "there is no such split"))?;
        let mut draws = Draws::new(Key::named(request.seed, &[&self.stream, &request.split, "task"], &[request.index]));
        let (slots, lists) = self.counts;
        let mut values = Values { slots: vec![0.0; slots], lists: vec![List::default(); lists] };
        for number in &split.numbers {
            number.draw(&mut values, &mut draws, work)?;
            if number.is_drawn() {
                number.told(&values, "", told);
            }
        }
        let horizon = self.horizon_of(split, request.horizon, &mut values)?;
        let seen = request.regime != Regime::Mdp;
        let states = self.states.space("states", &values)?;
        let observations = self.observations.as_ref().filter(|_| seen);
        let observations = observations.map(|size| size.space("observations", &values)).transpose()?;
        let (what, symbols) =
            observations.as_ref().map_or(("states", states.len()), |seen| ("observations", seen.len()));
        if symbols > self.symbols {
            let problem = format!("{symbols} {what} are more than `maxSymbols`, {}", self.symbols);
            return Err(Wrong::new(&[what.into()], problem));
        }
        let count = states.len();
        let start = match &self.start {
            None => vec![1.0 / count as f64; count],
            Some(branches) => branches.dense(count, &mut values, work)?,
        };
        let mut by_state = |rule: &Option<(Expression, Vec<Step>)>, values: &mut Values| {
            let Some((expression, path)) = rule else { return Ok(Vec::new()) };
            let each = (0..count).map(|state| {
                work.spend(1, path)?;
                values.slots[self.slots.state] = state as f64;
                finite(expression, values).map_err(|problem| Wrong::new(path, format!("{problem} (s = {state})")))
            });
            each.collect::<Result<Vec<f64>, Wrong>>()
        };
        let terminal = by_state(&self.terminal, &mut values)?;
        let final_reward = by_state(&self.final_reward, &mut values)?;
        let seen_count = observations.as_ref().map_or(1, Space::len);
        let reward = self.reward.worked_out(count, seen_count, self.slots, &mut values, work)?;
        self.check_rewards(&reward, &final_reward)?;
        let mut dynamics = Vec::new();
        let mut true_model = 0;
        let sizes = (count, seen_count);
        if request.regime == Regime::Apomdp {
            for number in &split.shared {
                number.draw(&mut values, &mut draws, work)?;
                if number.is_drawn() {
                    number.told(&values, "", told);
                }
            }
            for m in 0..request.models {
                let mut model = values.clone();
                self.move_numbers(split, &mut model, &mut draws, work)?;
                for number in split.numbers.iter().filter(|number| number.is_drawn()) {
                    number.told(&model, &format!("{m}."), told);
                }
                dynamics.push(self.dynamics(sizes, true, &mut model, work)?);
            }
            true_model = ((draws.uniform() * request.models as f64) as usize).min(request.models - 1);
        } else {
            dynamics.push(self.dynamics(sizes, seen, &mut values, work)?);
        }
        let TaskRequest { split, index, seed, regime, .. } = request;
        let model = ModelBuilder {
            name: format!("{}/{regime}/{split}/{index}/{seed}", self.stream),
            states,
            actions: self.actions.clone(),
            observations,
            reward,
            start,
            discount: self.discount,
            horizon: Some(horizon),
            terminal: terminal.iter().enumerate().filter(|(_, holds)| **holds != 0.0).map(|(s, _)| s).collect(),
            final_reward,
            dynamics,
            alpha: if *regime == Regime::Apomdp { request.alpha } else { 1.0 },
            ambiguity: None,
            observation_ambiguity: None,
        };
        let model = model.build().map_err(|error| Wrong::new(&[], error.to_string()))?;
        Ok(Task { model, true_model, parameters: Vec::new(), reward_noise: 0.0 })
    }

    /// The numbers of one model of the cloud; what is worked out of others is worked out again, unless the model says it itself.
    fn move_numbers(
        &self,
        split: &Split,
        values: &mut Values,
        draws: &mut Draws,
        work: &mut Work,
    ) -> Result<(), Wrong> {
        self.model.iter().try_for_each(|number| number.draw(values, draws, work))?;
        let again = split.numbers.iter().filter(|number| !number.is_drawn() && !self.moved.contains(&number.place));
        again.into_iter().try_for_each(|number| number.draw(values, draws, work))
    }

    fn dynamics(
        &self,
        (states, observations): (usize, usize),
        seen: bool,
        values: &mut Values,
        work: &mut Work,
    ) -> Result<Dynamics, Wrong> {
        let slots = self.slots;
        let transition = self.transition.kernel((states, states), (slots, slots.state), values, work)?;
        let observation = self.observation.as_ref().filter(|_| seen);
        let observation =
            observation.map(|table| table.kernel((states, observations), (slots, slots.next), values, work));
        Ok(Dynamics { transition, observation: observation.transpose()? })
    }

    fn horizon_of(&self, split: &Split, asked: usize, values: &mut Values) -> Result<usize, Wrong> {
        let Some((expression, path)) = &split.horizon else { return Ok(asked) };
        values.slots[self.horizon_slot] = asked as f64;
        let horizon = finite(expression, values).map_err(|problem| Wrong::new(path, problem))?;
        if horizon >= 1.0 && horizon.fract() == 0.0 && horizon <= 2.0 * LONGEST as f64 {
            return Ok(horizon as usize);
        }
        Err(Wrong::new(path, format!("the horizon {horizon} is not a whole number from 1 on (horizon = {asked})")))
    }

    /// Rewards lie on the grid, and with what is earned at the end within its range.
    fn check_rewards(&self, reward: &Reward, final_reward: &[f64]) -> Result<(), Wrong> {
        let RewardGrid { low, high, step } = self.grid;
        let check = |path: &str, values: &mut dyn Iterator<Item = f64>| {
            let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
            for value in values {
                if !on_grid(value, step) {
                    let problem = format!("the reward {value} is no multiple of the grid's step {step}");
                    return Err(Wrong::new(&[path.into()], problem));
                }
                (least, most) = (least.min(value), most.max(value));
            }
            Ok((least, most))
        };
        let (last_least, last_most) = check("finalReward", &mut final_reward.iter().copied())?;
        let (least, most) = match reward {
            Reward::Action(values) | Reward::StateAction(values) => check("reward", &mut values.iter().copied())?,
            Reward::Transition(rows) | Reward::Full(rows) => {
                let entries = (0..rows.rows()).flat_map(|row| rows.row(row).1.iter().copied());
                check("reward", &mut entries.chain([0.0]))?
            }
        };
        let zero = if self.terminal.is_some() { 0.0 } else { least };
        let within = |least: f64, most: f64| least >= low - OFF * step && most <= high + OFF * step;
        let (least, most) = (least.min(zero), most.max(zero));
        if !within(least, most) {
            let problem = format!("rewards from {least} to {most} leave the grid's range from {low} to {high}");
            return Err(Wrong::new(&["reward".into()], problem));
        }
        if !final_reward.is_empty() && !within(least + last_least.min(0.0), most + last_most.max(0.0)) {
            let problem = format!(
                "with final rewards from {last_least} to {last_most} a reward may leave the grid's range from {low} to {high}"
            );
            return Err(Wrong::new(&["finalReward".into()], problem));
        }
        Ok(())
    }
}

impl Size {
    fn space(&self, what: &'static str, values: &Values) -> Result<Space, Wrong> {
        let (expression, path) = match self {
            Self::Fixed(space) => return Ok(space.clone()),
            Self::Counted(expression, path) => (expression, path),
        };
        let wrong = |problem: String| Wrong::new(path, problem);
        let count = finite(expression, values).map_err(wrong)?;
        if count >= 1.0 && count.fract() == 0.0 && count <= 1e5 {
            return Space::unnamed(what, count as usize).map_err(|error| wrong(error.to_string()));
        }
        Err(wrong(format!("{count} {what} are not a whole number from 1 to 100000")))
    }
}

/// The first numbers of a task in words.
fn told(numbers: &[(String, f64)]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<_> = numbers.iter().take(SHOWN).map(|(name, value)| format!("{name} = {value}")).collect();
    let more = if numbers.len() > SHOWN { ", …" } else { "" };
    if shown.is_empty() { "no number was drawn yet".into() } else { format!("{}{more}", shown.join(", ")) }
}

/// A loaded family.
struct Own(Arc<Document>);

impl Family for Own {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn description(&self) -> &'static str {
        self.0.description
    }

    fn splits(&self) -> &[(&'static str, &'static str)] {
        &self.0.splits
    }

    fn regimes(&self) -> &[Regime] {
        &self.0.parts.regimes
    }

    fn horizon(&self) -> usize {
        self.0.parts.horizon
    }

    fn reward_grid(&self) -> RewardGrid {
        self.0.parts.grid
    }

    fn max_symbols(&self) -> usize {
        self.0.parts.symbols
    }

    fn task(&self, request: &TaskRequest) -> Result<Task, ModelError> {
        check_request(self, request)?;
        let mut parameters = Vec::new();
        let task = self.0.parts.draw(request, &mut parameters, &mut Work::default());
        match task {
            Ok(task) => Ok(Task { parameters, ..task }),
            Err(wrong) => {
                let TaskRequest { split, index, seed, regime, .. } = request;
                let stream = &self.0.parts.stream;
                let problem = format!("{}: {} ({})", wrong.place(), wrong.problem, told(&parameters));
                Err(ModelError::Draw { task: format!("{stream} {split} {index}, seed {seed}, {regime}"), problem })
            }
        }
    }
}
