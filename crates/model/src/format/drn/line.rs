//! The lines of a DRN text and the words in them.

use std::ops::Range;

use winnow::Parser;
use winnow::combinator::{delimited, opt, preceded};
use winnow::error::EmptyError;
use winnow::token::{literal, take_till, take_while};

use crate::format::diagnostic::Fault;

type Scan<T> = Result<T, EmptyError>;

/// A line without the blanks around it, and where it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'t> {
    pub text: &'t [u8],
    pub start: usize,
}

impl Line<'_> {
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }
}

/// The lines of a text that say something: neither empty nor comments.
#[derive(Debug, Clone)]
pub(super) struct Lines<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The next line of any kind.
    pub fn raw(&mut self) -> Option<Line<'t>> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let indent = rest[..length].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let line = Line { text: rest[indent..length].trim_ascii_end(), start: self.at + indent };
        self.at += length + 1;
        Some(line)
    }

    /// The end of the text, for messages.
    pub fn end(&self) -> Range<usize> {
        self.text.len()..self.text.len()
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        // Ends: the text does.
        loop {
            let line = self.raw()?;
            if !line.text.is_empty() && !line.text.starts_with(b"//") {
                return Some(line);
            }
        }
    }
}

/// A word and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'t> {
    pub text: &'t [u8],
    pub start: usize,
}

impl Word<'_> {
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    pub fn quoted(&self) -> String {
        if self.text.is_empty() { "the end of the line".into() } else { quoted(self.text) }
    }

    /// The word as a text for a name.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(self.text).into_owned()
    }

    pub fn expected(&self, what: &str) -> Fault {
        Fault::new(self.range(), format!("expected {what}, found {}", self.quoted()), format!("expected {what}"))
    }

    /// A finite number, written as a decimal or as a fraction `a/b`.
    pub fn number(&self, what: &str) -> Result<f64, Fault> {
        let decimal = |text: &[u8]| {
            let numeric = matches!(text.first(), Some(b'0'..=b'9' | b'.' | b'-' | b'+'));
            fast_float2::parse::<f64, _>(text).ok().filter(|value| numeric && value.is_finite())
        };
        let value = match self.text.iter().position(|&byte| byte == b'/') {
            None => decimal(self.text),
            Some(at) => decimal(&self.text[..at]).zip(decimal(&self.text[at + 1..])).map(|(over, under)| over / under),
        };
        value.filter(|value| value.is_finite()).ok_or_else(|| self.expected(what))
    }

    /// A whole number below 2^32.
    pub fn whole(&self, what: &str) -> Result<u32, Fault> {
        let digits = std::str::from_utf8(self.text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|text| text.parse().ok()).ok_or_else(|| self.expected(what))
    }
}

/// At most this much of a word in a message.
const SHOWN: usize = 40;

fn quoted(text: &[u8]) -> String {
    let word = String::from_utf8_lossy(text);
    if word.chars().count() > SHOWN {
        let head: String = word.chars().take(SHOWN).collect();
        return format!("`{head}…`");
    }
    format!("`{word}`")
}

/// A cursor over one line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'t> {
    line: Line<'t>,
    rest: &'t [u8],
}

impl<'t> Words<'t> {
    pub fn new(line: Line<'t>) -> Self {
        Self { line, rest: line.text }
    }

    fn placed(&self, text: &'t [u8]) -> Word<'t> {
        Word { text, start: self.line.start + self.line.text.len() - self.rest.len() - text.len() }
    }

    /// The next word, up to a blank or one of `marks`; empty at the end of the line and before a mark.
    pub fn word(&mut self, marks: &[u8]) -> Word<'t> {
        let plain = take_till(0.., |byte: u8| byte.is_ascii_whitespace() || marks.contains(&byte));
        let text = blanks_and(plain).parse_next(&mut self.rest).unwrap_or_default();
        self.placed(text)
    }

    /// The next label: a word, or anything in double quotation marks, which are no part of it.
    pub fn label(&mut self) -> Word<'t> {
        let inside = delimited(literal("\""), take_till(1.., b'"'), literal("\""));
        match opt(blanks_and(inside)).parse_next(&mut self.rest) {
            Ok(Some(text)) => {
                let Word { text, start } = self.placed(text);
                // The mark at its end has been passed, too.
                Word { text, start: start - 1 }
            }
            _ => self.word(b""),
        }
    }

    /// Moves over a mark, if it stands here.
    pub fn skip(&mut self, mark: &str) -> bool {
        let parsed: Scan<_> = opt(blanks_and(literal(mark))).parse_next(&mut self.rest);
        parsed.is_ok_and(|found| found.is_some())
    }

    /// Moves over a mark, which must stand here after `after`.
    pub fn mark(&mut self, mark: &str, after: &str) -> Result<(), Fault> {
        if self.skip(mark) { Ok(()) } else { Err(self.peek().expected(&format!("`{mark}` after {after}"))) }
    }

    /// The next word, without moving.
    pub fn peek(&self) -> Word<'t> {
        { *self }.word(b"")
    }

    /// Nothing may be left of the line.
    pub fn end(&self) -> Result<(), Fault> {
        let left = self.peek();
        if left.text.is_empty() { Ok(()) } else { Err(left.expected("the end of the line")) }
    }
}

fn blanks_and<'t>(parser: impl Parser<&'t [u8], &'t [u8], EmptyError>) -> impl Parser<&'t [u8], &'t [u8], EmptyError> {
    preceded(take_while(0.., |byte: u8| byte.is_ascii_whitespace()), parser)
}
