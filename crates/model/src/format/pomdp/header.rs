//! The statements before the first `T:`, `O:` or `R:`: discount, spaces, start.

use rustc_hash::FxHashMap;

use super::scan::{Kind, STATEMENTS, Scanner, Token, quoted};
use crate::Space;
use crate::distribution::is_probability;
use crate::format::diagnostic::{Fault, some_of};
use crate::format::rewards::ALL;
use crate::format::sheet::ROW_LIMIT;

/// A space and how the text refers to its elements.
#[derive(Debug)]
pub(super) struct Names<'t> {
    /// `state`, `action` or `observation`.
    what: &'static str,
    pub space: Space,
    index: FxHashMap<&'t [u8], u32>,
}

/// What the text says before its tables.
#[derive(Debug)]
pub(super) struct Header<'t> {
    pub discount: f64,
    pub discount_at: Token<'t>,
    /// Rewards are costs: their sign turns.
    pub cost: bool,
    pub states: Names<'t>,
    pub actions: Names<'t>,
    pub observations: Option<Names<'t>>,
    /// `None` is uniform.
    pub start: Option<Vec<f64>>,
    pub start_at: Token<'t>,
    pub terminal: Vec<usize>,
}

/// The statements as they come, before any of them can be understood: a start may name states that are listed later.
#[derive(Default)]
struct Statements<'t> {
    discount: Option<(f64, Token<'t>)>,
    cost: Option<bool>,
    states: Option<(Token<'t>, Vec<Token<'t>>)>,
    actions: Option<(Token<'t>, Vec<Token<'t>>)>,
    observations: Option<(Token<'t>, Vec<Token<'t>>)>,
    start: Option<(Token<'t>, StartForm, Vec<Token<'t>>)>,
    terminal: Vec<Token<'t>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StartForm {
    Plain,
    Include,
    Exclude,
}

/// Words that cannot be names: one in a list of names tells of a missing colon. pomdp-solve reserves them too.
pub(super) const KEYWORDS: [&str; 8] =
    ["discount", "values", "states", "actions", "observations", "start", "include", "exclude"];

/// Reads up to the first `T:`, `O:` or `R:`.
pub(super) fn header<'t>(scanner: &mut Scanner<'t>) -> Result<Header<'t>, Fault> {
    let mut seen = Statements::default();
    loop {
        let keyword = scanner.peek();
        match keyword.text {
            b"T" | b"O" | b"R" | b"" => break seen.understand(keyword),
            _ if keyword.kind == Kind::Colon => return Err(keyword.expected(STATEMENTS)),
            b"discount" => {
                let value = one_word(scanner, "discount:", "the discount, a number in [0, 1]")?;
                let number = value.number("the discount, a number in [0, 1]")?;
                if !(0.0..=1.0).contains(&number) {
                    let message = format!("the discount {} is not in [0, 1]", value.quoted());
                    return Err(Fault::new(value.range(), message, "expected a number in [0, 1]"));
                }
                once(&mut seen.discount, (number, value), keyword)?;
            }
            b"values" => {
                let value = one_word(scanner, "values:", "`reward` or `cost`")?;
                let cost = match value.text {
                    b"reward" | b"rewards" => false,
                    b"cost" | b"costs" => true,
                    _ => return Err(value.expected("`reward` or `cost`")),
                };
                once(&mut seen.cost, cost, keyword)?;
            }
            b"states" => once(&mut seen.states, (keyword, words(scanner, "states")?), keyword)?,
            b"actions" => once(&mut seen.actions, (keyword, words(scanner, "actions")?), keyword)?,
            b"observations" => once(&mut seen.observations, (keyword, words(scanner, "observations")?), keyword)?,
            b"start" => {
                scanner.next();
                let form = match scanner.peek().text {
                    b"include" => StartForm::Include,
                    b"exclude" => StartForm::Exclude,
                    _ => StartForm::Plain,
                };
                let after = if form == StartForm::Plain { "`start`".into() } else { scanner.next().quoted() };
                scanner.colon(&after)?;
                once(&mut seen.start, (keyword, form, scanner.words()?), keyword)?;
            }
            b"E" => seen.terminal.extend(words(scanner, "E")?),
            _ => return Err(keyword.expected_statement()),
        }
    }
}

/// The words of `keyword: …`.
pub(super) fn words<'t>(scanner: &mut Scanner<'t>, keyword: &str) -> Result<Vec<Token<'t>>, Fault> {
    scanner.next();
    scanner.colon(&format!("`{keyword}`"))?;
    scanner.words()
}

fn one_word<'t>(scanner: &mut Scanner<'t>, keyword: &str, what: &str) -> Result<Token<'t>, Fault> {
    let keyword = keyword.trim_end_matches(':');
    let words = words(scanner, keyword)?;
    match words[..] {
        [word] => Ok(word),
        [] => Err(scanner.peek().expected(what)),
        [_, second, ..] if KEYWORDS.iter().any(|keyword| second.is(keyword)) => {
            let after = words.get(2).copied().unwrap_or(scanner.peek());
            Err(after.expected(&format!("`:` after {}", second.quoted())))
        }
        [_, second, ..] => Err(second.expected(STATEMENTS)),
    }
}

fn once<T>(slot: &mut Option<T>, value: T, keyword: Token) -> Result<(), Fault> {
    if slot.is_some() {
        let message = format!("{} stands twice", keyword.quoted());
        return Err(Fault::new(keyword.range(), message, "expected once"));
    }
    *slot = Some(value);
    Ok(())
}

impl<'t> Statements<'t> {
    /// `end` is the token at which the header ends.
    fn understand(self, end: Token<'t>) -> Result<Header<'t>, Fault> {
        let missing = |what: &str| end.expected(&format!("`{what}:` before the tables"));
        let (discount, discount_at) = self.discount.ok_or_else(|| missing("discount"))?;
        let (states_at, states) = self.states.ok_or_else(|| missing("states"))?;
        let states = Names::new("state", states_at, &states)?;
        let (actions_at, actions) = self.actions.ok_or_else(|| missing("actions"))?;
        let actions = Names::new("action", actions_at, &actions)?;
        let observations = self.observations.map(|(at, words)| Names::new("observation", at, &words)).transpose()?;
        if states.space.len().saturating_mul(actions.space.len()) > ROW_LIMIT {
            let message = format!("{} states and {} actions are too many", states.space.len(), actions.space.len());
            return Err(Fault::new(
                states_at.range(),
                message,
                format!("states × actions must stay below {ROW_LIMIT}"),
            ));
        }
        let (start_at, start) = match self.start {
            None => (states_at, None),
            Some((at, form, words)) => (at, start(&states, at, form, &words)?),
        };
        let mut header = Header {
            discount,
            discount_at,
            cost: self.cost.unwrap_or(false),
            states,
            actions,
            observations,
            start,
            start_at,
            terminal: Vec::new(),
        };
        header.add_terminal(&self.terminal)?;
        Ok(header)
    }
}

impl<'t> Header<'t> {
    /// The states of an `E:` statement.
    pub fn add_terminal(&mut self, words: &[Token<'t>]) -> Result<(), Fault> {
        for word in words {
            self.terminal.push(self.states.index(*word)? as usize);
        }
        Ok(())
    }
}

fn start(names: &Names, at: Token, form: StartForm, words: &[Token]) -> Result<Option<Vec<f64>>, Fault> {
    let states = names.space.len();
    let over = |chosen: Vec<bool>| {
        let count = chosen.iter().filter(|&&c| c).count();
        chosen.into_iter().map(|c| if c { 1.0 / count as f64 } else { 0.0 }).collect()
    };
    match (form, words) {
        (_, []) => {
            let message = format!("the start names no {}", if form == StartForm::Plain { "belief" } else { "state" });
            Err(Fault::new(at.range(), message, format!("expected a state, `uniform` or {states} probabilities")))
        }
        (StartForm::Plain, [word]) if word.is("uniform") => Ok(None),
        (StartForm::Plain, [word]) if states > 1 || word.number("").is_err() => {
            let state = names.index(*word)?;
            Ok(Some(over((0..states as u32).map(|s| s == state).collect())))
        }
        (StartForm::Plain, _) => {
            // Names where there should be numbers.
            if let Some(named) = words.iter().find(|word| word.number("").is_err() && names.index(**word).is_ok()) {
                let list = some_of(words.iter().map(Token::quoted)).replace(['`', ','], "");
                return Err(named
                    .expected(&format!("one state, `uniform` or {states} probabilities"))
                    .note(format!("to start in one of several states, each as likely: `start include: {list}`")));
            }
            if let Some(extra) = words.get(states) {
                return Err(extra.expected(&format!("{states} probabilities for the start and no more")));
            }
            let start: Vec<f64> = words.iter().map(|word| probability(*word)).collect::<Result<_, _>>()?;
            if start.len() < states {
                let last = words[words.len() - 1];
                let message = format!("the start has {} probabilities for {states} states", start.len());
                return Err(Fault::new(last.range(), message, format!("expected {} more", states - start.len())));
            }
            Ok(Some(start))
        }
        (StartForm::Include | StartForm::Exclude, _) => {
            let include = form == StartForm::Include;
            let mut chosen = vec![!include; states];
            for word in words {
                chosen[names.index(*word)? as usize] = include;
            }
            if !chosen.contains(&true) {
                return Err(Fault::new(
                    at.range(),
                    "the start excludes every state",
                    "expected at least one to be left",
                ));
            }
            Ok(Some(over(chosen)))
        }
    }
}

/// A number that may be a probability, give or take its rounding.
#[inline]
pub(super) fn probability(token: Token) -> Result<f64, Fault> {
    let value = token.number("a probability")?;
    if is_probability(value) {
        return Ok(value);
    }
    Err(Fault::new(token.range(), format!("{} is not a probability", token.quoted()), "expected a number in [0, 1]"))
}

impl<'t> Names<'t> {
    fn new(what: &'static str, at: Token<'t>, words: &[Token<'t>]) -> Result<Self, Fault> {
        let plural = format!("{what}s");
        if words.is_empty() {
            let message = format!("`{plural}:` names none");
            return Err(Fault::new(at.range(), message, "expected a number or a list of names"));
        }
        // A list 0 1 2 … names what its numbers name anyway.
        let counting = words.len() > 1 && words.iter().enumerate().all(|(i, word)| integer(word.text) == Some(i));
        if counting || (words.len() == 1 && words[0].number("").is_ok()) {
            let count = if counting { Some(words.len()) } else { integer(words[0].text) };
            if let Some(count @ 1..=ROW_LIMIT) = count {
                let space = Space::unnamed(&plural, count).map_err(|e| Fault::new(at.range(), e.to_string(), ""))?;
                return Ok(Self { what, space, index: FxHashMap::default() });
            }
            let message = format!("{} is not a number of {plural}", words[0].quoted());
            return Err(Fault::new(
                words[0].range(),
                message,
                format!("expected a whole number from 1 to {ROW_LIMIT}"),
            ));
        }
        let mut index = FxHashMap::default();
        for (i, word) in words.iter().enumerate() {
            if word.is("*") || word.number("").is_ok() || std::str::from_utf8(word.text).is_err() {
                let message = format!("{} cannot be the name of {} {what}", word.quoted(), article(what));
                return Err(Fault::new(word.range(), message, "expected a name: no number, no `*`, in UTF-8"));
            }
            if KEYWORDS.iter().any(|keyword| word.is(keyword)) {
                let message = format!("the keyword {} cannot be the name of {} {what}", word.quoted(), article(what));
                return Err(Fault::new(word.range(), message, "expected a name, or a `:` after the keyword"));
            }
            if index.insert(word.text, i as u32).is_some() {
                let message = format!("{what} {} stands twice", word.quoted());
                return Err(Fault::new(word.range(), message, "expected another name"));
            }
        }
        let names = words.iter().map(|word| String::from_utf8_lossy(word.text).into_owned());
        let space = Space::named(&plural, names).map_err(|e| Fault::new(at.range(), e.to_string(), ""))?;
        Ok(Self { what, space, index })
    }

    pub fn len(&self) -> usize {
        self.space.len()
    }

    /// The element that a token names.
    #[inline]
    pub fn index(&self, token: Token) -> Result<u32, Fault> {
        if token.kind == Kind::Word {
            if let Some(&i) = self.index.get(token.text) {
                return Ok(i);
            }
            if let Some(i) = integer(token.text).filter(|&i| i < self.space.len()) {
                return Ok(i as u32);
            }
        }
        Err(self.unknown(token))
    }

    /// The element that a token names, or [`ALL`] for `*`.
    #[inline]
    pub fn index_or_all(&self, token: Token) -> Result<u32, Fault> {
        if token.text == b"*" { Ok(ALL) } else { self.index(token) }
    }

    fn unknown(&self, token: Token) -> Fault {
        let what = self.what;
        let all = match self.space.names() {
            Some(names) => some_of(names.iter().map(|name| quoted(name.as_bytes()))),
            None => format!("0 to {}", self.space.len() - 1),
        };
        let message = if token.kind == Kind::Word {
            format!("there is no {what} {}", token.quoted())
        } else {
            format!("expected {} {what} or `*`, found {}", article(what), token.quoted())
        };
        let fault = Fault::new(token.range(), message, format!("expected {} {what}", article(what)))
            .note(format!("the {what}s are {all}"));
        let with_comma = [token.text, b","].concat();
        let without = token.text.strip_suffix(b",").unwrap_or(token.text);
        if self.index.contains_key(&*with_comma)
            || (without.len() < token.text.len() && self.index.contains_key(without))
        {
            return fault.note("names are separated by spaces: a comma is part of its name");
        }
        fault
    }
}

fn article(what: &str) -> &'static str {
    if what.starts_with(['a', 'o']) { "an" } else { "a" }
}

/// A whole number in decimal digits.
fn integer(text: &[u8]) -> Option<usize> {
    let digits = !text.is_empty() && text.len() <= 12 && text.iter().all(u8::is_ascii_digit);
    digits.then(|| text.iter().fold(0, |n, &digit| n * 10 + usize::from(digit - b'0')))
}
