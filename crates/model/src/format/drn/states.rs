//! The states of a DRN text, their choices and where these lead.

use std::collections::BTreeMap;
use std::ops::Range;

use rustc_hash::FxHashMap;

use super::header::Header;
use super::line::{Line, Lines, Words};
use crate::Kernel;
use crate::distribution::{self, Sum, sums_to};
use crate::explicit::{Explicit, NamedReward};
use crate::format::diagnostic::{Fault, Source};

/// Rewards that a choice may have.
const MOST_REWARDS: usize = 64;

/// The label of the state where everything starts.
const START: &str = "init";

/// Reads the lines after `@model`.
pub(super) fn states(source: &Source, lines: &mut Lines, header: &Header) -> Result<(Explicit, Vec<Fault>), Fault> {
    let mut reader = Reader { header: Some(header), ..Reader::default() };
    for line in lines.by_ref() {
        let mut words = Words::new(line);
        match words.word(b":").text {
            b"state" => reader.state(line, &mut words)?,
            b"action" => reader.action(line, &mut words)?,
            _ => reader.transition(Words::new(line))?,
        }
    }
    reader.finish(source, lines.end())
}

#[derive(Debug)]
struct Choice {
    action: u32,
    at: Range<usize>,
    entries: Range<usize>,
}

#[derive(Debug, Default)]
struct Reader<'h> {
    header: Option<&'h Header>,
    /// By state: where it is said, what is seen, and its first choice.
    states: Vec<(Range<usize>, u32, usize)>,
    choices: Vec<Choice>,
    entries: Vec<(usize, f64)>,
    names: FxHashMap<String, u32>,
    actions: Vec<String>,
    labels: BTreeMap<String, Vec<u32>>,
    /// What the state that is read earns by itself.
    state_reward: Vec<f64>,
    /// By name, then choice; cut short after the last that earns something.
    rewards: Vec<Vec<f64>>,
}

impl<'h> Reader<'h> {
    fn header(&self) -> &'h Header {
        self.header.expect("a reader is made with a header")
    }

    /// `state 3 {2} [0.5, 1] label "another label"`.
    fn state(&mut self, line: Line, words: &mut Words) -> Result<(), Fault> {
        self.close()?;
        let number = words.word(b"{[");
        let state = number.whole("the number of a state")? as usize;
        if state != self.states.len() || state >= self.header().states {
            let expected = if self.states.len() < self.header().states {
                format!("state {}, as states come in order", self.states.len())
            } else {
                format!("no more than the {} states that `@nr_states` says", self.header().states)
            };
            return Err(number.expected(&expected));
        }
        let mut seen = 0;
        if self.header().hidden {
            words.mark("{", "the state of a POMDP")?;
            seen = words.word(b"}").whole("an observation, a whole number")?;
            words.mark("}", "the observation")?;
        }
        self.state_reward = rewards(words)?;
        loop {
            // Ends: the line does.
            let label = words.label();
            if label.text.is_empty() {
                break;
            }
            let states = self.labels.entry(label.name()).or_default();
            if states.last() != Some(&(state as u32)) {
                states.push(state as u32);
            }
        }
        self.states.push((line.range(), seen, self.choices.len()));
        Ok(())
    }

    /// `action name [0.5, 1]`.
    fn action(&mut self, line: Line, words: &mut Words) -> Result<(), Fault> {
        let Some(&(_, _, first)) = self.states.last() else {
            return Err(Fault::new(line.range(), "an action before the first state", "expected a state"));
        };
        self.close_choice();
        let mut name = words.word(b"[").name();
        if name.is_empty() {
            return Err(words.peek().expected("the name of an action"));
        }
        // Two choices of one state may have one name; then they are told apart by their order.
        let before =
            |name: &str| self.names.get(name).is_some_and(|id| self.choices[first..].iter().any(|c| c.action == *id));
        if before(&name) {
            // There are more numbers than choices.
            let most = self.choices.len() - first + 2;
            let next = (2..=most).map(|n| format!("{name}#{n}")).find(|name| !before(name));
            name = next.expect("there are more numbers than choices");
        }
        let action = *self.names.entry(name.clone()).or_insert_with(|| {
            self.actions.push(name);
            self.actions.len() as u32 - 1
        });
        let mut earned = rewards(words)?;
        words.end()?;
        if earned.len() < self.state_reward.len() {
            earned.resize(self.state_reward.len(), 0.0);
        }
        earned.iter_mut().zip(&self.state_reward).for_each(|(earned, state)| *earned += state);
        for (i, reward) in earned.into_iter().enumerate().filter(|&(_, reward)| reward != 0.0) {
            if self.rewards.len() <= i {
                self.rewards.resize(i + 1, Vec::new());
            }
            self.rewards[i].resize(self.choices.len(), 0.0);
            self.rewards[i].push(reward);
        }
        let entries = self.entries.len()..self.entries.len();
        self.choices.push(Choice { action, at: line.range(), entries });
        Ok(())
    }

    /// `4 : 0.25`.
    fn transition(&mut self, mut words: Words) -> Result<(), Fault> {
        let number = words.word(b":");
        let states = self.header().states;
        let target = number.whole("`state`, `action` or the number of a next state")? as usize;
        if self.states.last().is_none_or(|&(_, _, first)| first == self.choices.len()) {
            return Err(Fault::new(
                number.range(),
                "a transition before the state's first action",
                "expected an action",
            ));
        }
        if target >= states {
            let message = format!("there is no state {target}: `@nr_states` says {states}");
            return Err(Fault::new(number.range(), message, format!("expected at most {}", states - 1)));
        }
        words.mark(":", "the next state")?;
        let word = words.word(b"");
        let probability = word.number("a probability")?;
        if !distribution::is_probability(probability) {
            let message = format!("{} is not a probability", word.quoted());
            return Err(Fault::new(word.range(), message, "expected a number in [0, 1]"));
        }
        words.end()?;
        self.entries.push((target, probability));
        Ok(())
    }

    fn close_choice(&mut self) {
        let end = self.entries.len();
        if let Some(choice) = self.choices.last_mut() {
            choice.entries.end = end;
        }
    }

    /// The state before the next one is complete.
    fn close(&mut self) -> Result<(), Fault> {
        self.close_choice();
        match self.states.last() {
            Some((at, _, first)) if *first == self.choices.len() => {
                let message = format!("state {} has no action", self.states.len() - 1);
                Err(Fault::new(at.clone(), message, "no action")
                    .note("a state where nothing happens any more has one that leads back to it"))
            }
            _ => Ok(()),
        }
    }

    fn finish(mut self, source: &Source, end: Range<usize>) -> Result<(Explicit, Vec<Fault>), Fault> {
        self.close()?;
        self.check_counts()?;
        let warnings = self.check_rows(source)?;
        let start = self.start(end)?;
        let mut order: Vec<usize> = (0..self.choices.len()).collect();
        if self.header().hidden {
            self.line_up(&mut order, source)?;
        }
        let first = self.states.iter().map(|state| state.2).chain([self.choices.len()]).collect();
        let mut transition = Kernel::with_capacity(self.states.len(), order.len(), self.entries.len());
        for &choice in &order {
            let entries = &self.entries[self.choices[choice].entries.clone()];
            transition.push_row(entries.iter().copied());
        }
        transition.renormalise();
        let names = &self.header().rewards;
        if self.rewards.len() < names.len().min(MOST_REWARDS) {
            self.rewards.resize(names.len().min(MOST_REWARDS), Vec::new());
        }
        let named = self.rewards.iter().enumerate().map(|(i, reward)| NamedReward {
            name: names.get(i).cloned().unwrap_or_else(|| format!("rew{i}")),
            choice: order.iter().map(|&choice| reward.get(choice).copied().unwrap_or(0.0)).collect(),
        });
        let model = Explicit {
            name: String::new(),
            start,
            observations: self.header().hidden.then(|| self.states.iter().map(|state| state.1).collect()),
            first,
            action: order.iter().map(|&choice| self.choices[choice].action).collect(),
            transition,
            rewards: named.collect(),
            actions: self.actions,
            labels: self.labels.into_iter().collect(),
        };
        Ok((model, warnings))
    }

    fn check_counts(&self) -> Result<(), Fault> {
        let header = self.header();
        let states = (self.states.len(), header.states, &header.states_at, "states", "`@nr_states`");
        let choices =
            header.choices.as_ref().map(|(count, at)| (self.choices.len(), *count, at, "choices", "`@nr_choices`"));
        match std::iter::once(states).chain(choices).find(|(found, said, ..)| found != said) {
            None => Ok(()),
            Some((found, said, at, what, entry)) => {
                let message = format!("{entry} says {said}, but the model has {found} {what}");
                Err(Fault::new(at.clone(), message, format!("expected {found}")))
            }
        }
    }

    /// All choices whose probabilities do not sum to 1 in one fault; those that do but for rounding in a warning.
    fn check_rows(&self, source: &Source) -> Result<Vec<Fault>, Fault> {
        let sum = |choice: &Choice| self.entries[choice.entries.clone()].iter().map(|entry| entry.1).sum::<f64>() + 0.0;
        let of = |what: Sum| {
            let mut rows = self.choices.iter().filter(|c| distribution::judge(sum(c), c.entries.len()) == what);
            let first = rows.next()?;
            let others: Vec<String> =
                rows.clone().take(7).map(|c| format!("line {} {}", source.line(c.at.start), sums_to(sum(c)))).collect();
            let more = rows.count() - others.len();
            let tail = if more > 0 { format!("\n… and {more} more") } else { String::new() };
            Some((first, others.join("\n") + &tail))
        };
        let fault = |(first, others): (&Choice, String), message: &str| {
            let fault = Fault::new(first.at.clone(), message, sums_to(sum(first)));
            if others.is_empty() { fault } else { fault.note(others) }
        };
        if let Some(wrong) = of(Sum::Wrong) {
            return Err(fault(wrong, "the probabilities of an action do not sum to 1"));
        }
        let message = "probabilities are off by rounding and were divided by their sum";
        Ok(of(Sum::Rounded).into_iter().map(|rounded| fault(rounded, message)).collect())
    }

    fn start(&self, end: Range<usize>) -> Result<usize, Fault> {
        match self.labels.get(START).map_or(&[][..], |states| &states[..]) {
            [] => Err(Fault::new(end, "no state has the label `init`", "expected a state with `init` before")),
            [start] => Ok(*start as usize),
            [first, second, ..] => {
                let at = self.states[*second as usize].0.clone();
                Err(Fault::new(
                    at,
                    format!("state {second} has the label `init`, as state {first} has"),
                    "a second start",
                )
                .note("a start that is drawn is a state of its own, whose action leads to the others"))
            }
        }
    }

    /// States that look alike get the same actions in the same order, or else are named.
    fn line_up(&self, order: &mut [usize], source: &Source) -> Result<(), Fault> {
        let mut alike: FxHashMap<u32, usize> = FxHashMap::default();
        let range =
            |state: usize| self.states[state].2..self.states.get(state + 1).map_or(self.choices.len(), |next| next.2);
        for (state, (at, seen, _)) in self.states.iter().enumerate() {
            order[range(state)].sort_unstable_by_key(|&choice| self.choices[choice].action);
            let other = *alike.entry(*seen).or_insert(state);
            let actions = |state: usize| order[range(state)].iter().map(|&choice| self.choices[choice].action);
            let missing = |from: usize, of: usize| actions(of).find(|action| actions(from).all(|a| a != *action));
            let wrong =
                missing(state, other).map(|a| (a, state, other)).or(missing(other, state).map(|a| (a, other, state)));
            if let Some((action, without, with)) = wrong {
                let name = &self.actions[action as usize];
                let message = format!(
                    "states {other} and {state} look alike, but state {with} has the action `{name}` and state {without} has not"
                );
                let line = source.line(self.states[other].0.start);
                return Err(Fault::new(
                    at.clone(),
                    message,
                    format!("observation {seen}, as state {other} has (line {line})"),
                )
                .note("what may be done must not tell more of the state than the observation does"));
            }
        }
        Ok(())
    }
}

/// `[0.5, 1]`, or nothing.
fn rewards(words: &mut Words) -> Result<Vec<f64>, Fault> {
    let mut rewards = Vec::new();
    if !words.skip("[") {
        return Ok(rewards);
    }
    loop {
        // Ends: the line does, or there are too many.
        let word = words.word(b",]");
        rewards.push(word.number("a reward")?);
        if rewards.len() > MOST_REWARDS {
            return Err(Fault::new(word.range(), format!("more than {MOST_REWARDS} rewards"), "one too many"));
        }
        if !words.skip(",") {
            words.mark("]", "the rewards")?;
            return Ok(rewards);
        }
    }
}
