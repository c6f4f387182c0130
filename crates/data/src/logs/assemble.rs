//! Rows become episodes.

use rustc_hash::FxHashMap;
use tiresias_model::Space;

use super::LogsError;
use super::faults::Faults;
use super::schema::Schema;
use super::symbols::{Symbols, in_order};
use super::table::{MISSING, Table, quoted};
use crate::{Columns, NOTHING, Trajectories};

/// The rows of each episode, in order.
struct Order {
    /// Rows, episode after episode; `None` where that is the file's own order.
    rows: Option<Vec<u32>>,
    /// Where each episode begins among them, and where the last one ends.
    starts: Vec<usize>,
}

impl Order {
    fn row(&self, at: usize) -> usize {
        self.rows.as_ref().map_or(at, |rows| rows[at] as usize)
    }
}

fn order(table: &Table, schema: &Schema, faults: &mut Faults) -> Order {
    let runs = table.runs(&schema.episode);
    let mut seen: FxHashMap<&[u8], usize> = FxHashMap::default();
    let episode_of: Vec<usize> = (0..runs.starts.len())
        .map(|run| {
            let next = seen.len();
            *seen.entry(runs.key(run)).or_insert(next)
        })
        .collect();
    let end = |run: usize| runs.starts.get(run + 1).copied().unwrap_or(table.rows);
    if seen.len() == runs.starts.len() {
        let starts = runs.starts.iter().copied().chain([table.rows]).collect();
        let sorted = Order { rows: None, starts };
        return by_step(table, schema, sorted);
    }
    if !schema.sort {
        for run in (0..runs.starts.len()).filter(|&run| run > 0 && episode_of[run] != episode_of[run - 1] + 1) {
            let first = episode_of.iter().position(|&episode| episode == episode_of[run]).unwrap_or(run);
            if first < run {
                let (line, before) = (table.line(runs.starts[run]), table.line(runs.starts[first]));
                let key = quoted(runs.key(run));
                faults.add(line, || format!("episode {key} began at line {before} and goes on here after others; give `step` and `\"sort\": true`, or sort the file"));
            }
        }
    }
    // Runs of one episode one after the other, in the order in which episodes first appear.
    let mut by_episode: Vec<usize> = (0..runs.starts.len()).collect();
    by_episode.sort_by_key(|&run| (episode_of[run], run));
    let (mut rows, mut starts) = (Vec::with_capacity(table.rows), Vec::with_capacity(seen.len() + 1));
    let mut last = None;
    for run in by_episode {
        if last != Some(episode_of[run]) {
            starts.push(rows.len());
            last = Some(episode_of[run]);
        }
        rows.extend((runs.starts[run]..end(run)).map(|row| row as u32));
    }
    starts.push(rows.len());
    by_step(table, schema, Order { rows: Some(rows), starts })
}

/// Sorts each episode's rows by step.
fn by_step(table: &Table, schema: &Schema, order: Order) -> Order {
    let Some(step) = schema.step.as_deref().filter(|_| schema.sort).map(|name| table.numbers(name)) else {
        return order;
    };
    let rising = |pair: &[usize]| (pair[0] + 1..pair[1]).all(|at| step[order.row(at - 1)] <= step[order.row(at)]);
    if order.starts.windows(2).all(rising) {
        return order;
    }
    let mut rows = order.rows.unwrap_or_else(|| (0..table.rows as u32).collect());
    for pair in order.starts.windows(2) {
        rows[pair[0]..pair[1]].sort_by(|&a, &b| step[a as usize].total_cmp(&step[b as usize]));
    }
    Order { rows: Some(rows), starts: order.starts }
}

/// Missing codes become those of the row before in the episode; at its beginning they stay missing.
pub(super) fn carry(table: &Table, schema: &Schema, codes: &mut [u32]) {
    // What is out of order is told once, when episodes are made.
    let order = order(table, schema, &mut Faults::default());
    for pair in order.starts.windows(2) {
        let mut last = MISSING;
        for at in pair[0]..pair[1] {
            let row = order.row(at);
            if codes[row] == MISSING {
                codes[row] = last;
            }
            last = codes[row];
        }
    }
}

/// Makes the episodes. Faults are added; where there are any, what is returned is for nobody.
pub(super) fn episodes(
    table: Table,
    symbols: &Symbols,
    schema: &Schema,
    faults: &mut Faults,
) -> Result<Trajectories, LogsError> {
    let order = order(&table, schema, faults);
    let (action_space, action_codes) = actions(&table, schema, faults)?;
    let mut columns = Columns { offsets: vec![0], ..Columns::default() };
    let rewards = table.numbers(&schema.reward.column);
    let steps = schema.step.as_deref().map(|name| table.numbers(name));
    let propensities = schema.propensity.as_deref().map(|name| table.numbers(name));
    let terminated = schema.terminated.as_deref().map(|name| truths(&table, name, faults));
    let tasks = schema.task.as_deref().map(|name| table.words(name));
    for pair in order.starts.windows(2) {
        let (first, last) = (order.row(pair[0]), order.row(pair[1] - 1));
        let closing = action_codes[last] == MISSING;
        if closing && pair[1] - pair[0] == 1 {
            faults.add(table.line(first), || {
                "is the only row of its episode and has no action, so that nothing was decided".into()
            });
        }
        for at in pair[0]..pair[1] - usize::from(closing) {
            let row = order.row(at);
            let line = || table.line(row);
            if let Some(steps) = steps {
                check_step(steps, row, (at > pair[0]).then(|| order.row(at - 1)), &table, schema, faults);
            }
            if action_codes[row] == MISSING {
                faults.add(line(), || {
                    format!(
                        "action {:?} is missing; only an episode's last row may go without, to hold what was seen then",
                        schema.action.column
                    )
                });
            }
            let reward = if rewards[row].is_nan() { schema.reward.when_missing } else { Some(rewards[row]) };
            if reward.is_none() {
                faults.add(line(), || format!("reward {:?} is missing; give `\"reward\": {{\"column\": …, \"whenMissing\": 0}}` if that means a number", schema.reward.column));
            }
            if let Some(propensities) = propensities {
                let p = propensities[row];
                if !(p > 0.0 && p <= 1.0) {
                    let found = if p.is_nan() { "missing".into() } else { p.to_string() };
                    faults.add(line(), || {
                        format!("propensity is {found}; the probability of what was done lies above 0 and at most at 1")
                    });
                }
                columns.propensities.push(p);
            }
            columns.observations.push(symbols.rows[row]);
            columns.actions.push(action_codes[row] as u8);
            columns.rewards.push(reward.unwrap_or(0.0));
            if let Some(terminated) = &terminated
                && terminated[row]
                && at + 1 + usize::from(closing) < pair[1]
            {
                faults.add(line(), || "says that the episode ended here, but more rows follow".into());
            }
        }
        if closing {
            close(&table, schema, last, (pair[1] - pair[0] > 1).then(|| order.row(pair[1] - 2)), faults);
        }
        columns.offsets.push(columns.actions.len());
        columns.last.push(if closing { symbols.rows[last] } else { NOTHING });
        let before = if closing && pair[1] - pair[0] > 1 { order.row(pair[1] - 2) } else { last };
        columns.terminated.push(terminated.as_ref().is_some_and(|ended| ended[last] || ended[before]));
        columns.origins.push(table.line(first));
        if let Some(words) = tasks {
            let task = words.codes[first];
            let other = (pair[0]..pair[1]).map(|at| order.row(at)).find(|&row| words.codes[row] != task);
            if let Some(row) = other {
                faults.add(table.line(row), || "is of another task than the episode's first row".into());
            }
            if task == MISSING {
                faults.add(table.line(first), || "the episode's task is missing".into());
            }
            columns.tasks.push(task);
        }
    }
    let found = std::mem::take(faults);
    *faults = table.faults;
    faults.append(found, 0);
    faults.sort();
    if !faults.is_empty() {
        return Err(LogsError::Faults(std::mem::take(faults)));
    }
    Ok(Trajectories::new(symbols.space.clone(), action_space, columns)?)
}

/// A last row without an action: what it says beside what was seen would be lost.
fn close(table: &Table, schema: &Schema, row: usize, before: Option<usize>, faults: &mut Faults) {
    let reward = table.numbers(&schema.reward.column)[row];
    if reward != 0.0 && !reward.is_nan() {
        let what = || format!("has the reward {reward} but no action that earned it; add it to the row before");
        faults.add(table.line(row), what);
    }
    if let Some(steps) = schema.step.as_deref().map(|name| table.numbers(name)) {
        check_step(steps, row, before, table, schema, faults);
    }
}

fn check_step(steps: &[f64], row: usize, before: Option<usize>, table: &Table, schema: &Schema, faults: &mut Faults) {
    let step = steps[row];
    if step.is_nan() {
        faults.add(table.line(row), || format!("step {:?} is missing", schema.step.as_deref().unwrap_or_default()));
    } else if let Some(before) = before {
        let last = steps[before];
        if step == last {
            faults.add(table.line(row), || format!("repeats step {step}, which line {} has", table.line(before)));
        } else if step < last {
            faults.add(table.line(row), || {
                format!("is step {step} after step {last}; give `\"sort\": true`, or sort the file")
            });
        }
    }
}

/// The actions there are, and that of each row.
fn actions(table: &Table, schema: &Schema, faults: &mut Faults) -> Result<(Space, Vec<u32>), LogsError> {
    let words = table.words(&schema.action.column);
    let named = &schema.action.names;
    let (place, names) = if named.is_empty() {
        in_order(&words.names)
    } else {
        let unknown =
            |word: &[u8]| named.iter().position(|name| name.as_bytes() == word).map_or(MISSING, |at| at as u32);
        (words.names.iter().map(|word| unknown(word)).collect(), named.clone())
    };
    if names.is_empty() {
        return Err(LogsError::Schema(format!("action {:?} is missing in every row", schema.action.column)));
    }
    if names.len() > 256 {
        return Err(LogsError::Schema(format!(
            "action {:?} has {} different values; at most 256 are possible",
            schema.action.column,
            names.len()
        )));
    }
    for (row, &code) in words.codes.iter().enumerate() {
        if code != MISSING && place[code as usize] == MISSING {
            faults.add(table.line(row), || {
                format!("action {:?} is not among the schema's `names`: {}", words.text(code), named.join(", "))
            });
        }
    }
    let codes = words.codes.iter().map(|&code| if code == MISSING { MISSING } else { place[code as usize] }).collect();
    let space = Space::named("actions", names).map_err(|error| LogsError::Schema(error.to_string()))?;
    Ok((space, codes))
}

/// A column of truth values; a missing one is false.
fn truths(table: &Table, name: &str, faults: &mut Faults) -> Vec<bool> {
    let words = table.words(name);
    let meaning = |code: u32| {
        let word = words.text(code).to_lowercase();
        match word.as_str() {
            "true" | "t" | "yes" | "y" => Some(true),
            "false" | "f" | "no" | "n" => Some(false),
            number => {
                number.parse::<f64>().ok().filter(|number| *number == 0.0 || *number == 1.0).map(|number| number == 1.0)
            }
        }
    };
    let meanings: Vec<Option<bool>> = (0..words.names.len()).map(|code| meaning(code as u32)).collect();
    let mut truth = vec![false; table.rows];
    for (row, &code) in words.codes.iter().enumerate().filter(|(_, code)| **code != MISSING) {
        match meanings[code as usize] {
            Some(value) => truth[row] = value,
            None => faults.add(table.line(row), || {
                format!("column {name:?} holds {:?}; write true or false, yes or no, 1 or 0", words.text(code))
            }),
        }
    }
    truth
}
