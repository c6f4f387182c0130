//! The words of a `.pomdp` text.

use std::ops::Range;

use winnow::Parser;
use winnow::ascii::till_line_ending;
use winnow::combinator::{alt, preceded, repeat};
use winnow::error::EmptyError;
use winnow::token::{one_of, take_till, take_while};

use crate::format::diagnostic::Fault;

type Scan<T> = Result<T, EmptyError>;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, a name, a number or `*`: which of them, the grammar knows.
    Word,
    /// `:`
    Colon,
    /// The end of the text.
    End,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub kind: Kind,
    pub text: &'t [u8],
    pub start: usize,
}

impl Token<'_> {
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    pub fn is(&self, word: &str) -> bool {
        self.text == word.as_bytes()
    }

    /// The token in a message.
    pub fn quoted(&self) -> String {
        match self.kind {
            Kind::End => "the end of the file".into(),
            _ => quoted(self.text),
        }
    }

    /// "expected X, found Y", under the token.
    pub fn expected(&self, what: &str) -> Fault {
        let fault =
            Fault::new(self.range(), format!("expected {what}, found {}", self.quoted()), format!("expected {what}"));
        match slip(self.text) {
            Some(hint) => fault.note(hint),
            None => fault,
        }
    }

    /// [`expected`](Self::expected) a statement; a word that is nearly a keyword is told which.
    pub fn expected_statement(&self) -> Fault {
        let fault = self.expected(STATEMENTS);
        match nearest_statement(self.text) {
            Some(keyword) => fault.note(format!("perhaps `{keyword}:`")),
            None => fault,
        }
    }

    /// A finite number.
    #[inline]
    pub fn number(&self, what: &str) -> Result<f64, Fault> {
        let numeric = matches!(self.text.first(), Some(b'0'..=b'9' | b'.' | b'-' | b'+'));
        match fast_float2::parse::<f64, _>(self.text) {
            Ok(value) if numeric && value.is_finite() => Ok(value),
            Ok(_) if numeric && self.text.iter().any(u8::is_ascii_digit) => {
                let message = format!("{} is too large for a number", self.quoted());
                Err(Fault::new(self.range(), message, "larger than 1.8e308"))
            }
            _ => Err(self.expected(what)),
        }
    }
}

/// What somebody meant who wrote a word of this form where another one is expected.
fn slip(word: &[u8]) -> Option<&'static str> {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let between = |mark: u8| {
        let at = word.iter().position(|&byte| byte == mark)?;
        (digit(word[..at].last()) && digit(word.get(at + 1))).then_some(())
    };
    match word {
        _ if word.starts_with(b"//") || word.starts_with(b"/*") || word.first() == Some(&b'%') => {
            Some("comments begin with `#`")
        }
        _ if between(b',').is_some() => Some("numbers have a decimal point, and are separated by spaces: `0.5 0.5`"),
        _ if between(b'/').is_some() => Some("fractions are not read: write a decimal, of as many digits as you like"),
        [.., before, b'%'] if before.is_ascii_digit() => Some("probabilities are in [0, 1]: `0.5` for 50%"),
        [before @ .., b','] if digit(before.last()) => Some("numbers are separated by spaces, not by commas"),
        _ => None,
    }
}

/// The keyword of a statement that differs from a word by its case or by a letter or two.
fn nearest_statement(word: &[u8]) -> Option<&'static str> {
    let word = std::str::from_utf8(word).ok().filter(|word| word.len() <= SHOWN)?.to_lowercase();
    let keywords = ["discount", "values", "states", "actions", "observations", "start", "T", "O", "R", "E"];
    keywords.into_iter().find(|keyword| {
        let apart = strsim::osa_distance(&word, &keyword.to_lowercase());
        apart == 0 || (word.len() >= 4 && apart <= 2)
    })
}

/// At most this much of a word in a message.
const SHOWN: usize = 40;

/// A word of the text in back-quotes.
pub(super) fn quoted(text: &[u8]) -> String {
    let word = String::from_utf8_lossy(text);
    if word.chars().count() > SHOWN {
        let head: String = word.chars().take(SHOWN).collect();
        return format!("`{head}…`");
    }
    format!("`{word}`")
}

/// A cursor over the tokens with one token of look-ahead. Copying it looks further ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'t> {
    text: &'t [u8],
    rest: &'t [u8],
    token: Token<'t>,
}

impl<'t> Scanner<'t> {
    pub fn new(text: &'t [u8]) -> Self {
        let mut scanner = Self { text, rest: text, token: Token { kind: Kind::End, text: b"", start: 0 } };
        scanner.next();
        scanner
    }

    /// The token at the cursor.
    #[inline]
    pub fn peek(&self) -> Token<'t> {
        self.token
    }

    /// The token at the cursor, and moves on.
    #[inline]
    pub fn next(&mut self) -> Token<'t> {
        let token = self.token;
        let text = preceded(blank, alt((colon, word))).parse_next(&mut self.rest).unwrap_or_default();
        let kind = match text {
            b"" => Kind::End,
            b":" => Kind::Colon,
            _ => Kind::Word,
        };
        let start = self.text.len() - self.rest.len() - text.len();
        self.token = Token { kind, text, start };
        token
    }

    /// Moves over a `:`, which must stand here after `what`.
    pub fn colon(&mut self, after: &str) -> Result<(), Fault> {
        match self.peek().kind {
            Kind::Colon => {
                self.next();
                Ok(())
            }
            _ => Err(self.peek().expected(&format!("`:` after {after}"))),
        }
    }

    /// Whether the word at the cursor begins a statement: it is one of the keywords and a colon follows. A state may be
    /// called `T`.
    pub fn at_statement(&self) -> bool {
        let follows = |scanner: &mut Self| scanner.next().kind == Kind::Colon;
        let mut ahead = *self;
        match ahead.next().text {
            b"discount" | b"values" | b"states" | b"actions" | b"observations" | b"T" | b"O" | b"R" | b"E" => {
                follows(&mut ahead)
            }
            b"start" => match ahead.peek().text {
                b"include" | b"exclude" => {
                    ahead.next();
                    follows(&mut ahead)
                }
                _ => follows(&mut ahead),
            },
            _ => false,
        }
    }

    /// The words from here to the next statement.
    pub fn words(&mut self) -> Result<Vec<Token<'t>>, Fault> {
        let mut words = Vec::new();
        while self.peek().kind == Kind::Word && !self.at_statement() {
            words.push(self.next());
        }
        match self.peek().kind {
            Kind::Colon => {
                let before = words.last().map_or(self.peek(), |word| *word);
                let message = format!("{} begins no statement", before.quoted());
                let fault = Fault::new(before.range(), message, format!("expected {STATEMENTS}"));
                Err(match nearest_statement(before.text) {
                    Some(keyword) => fault.note(format!("perhaps `{keyword}:`")),
                    None => fault,
                })
            }
            _ => Ok(words),
        }
    }
}

/// What may begin a statement.
pub(super) const STATEMENTS: &str =
    "`discount:`, `values:`, `states:`, `actions:`, `observations:`, `start:`, `E:`, `T:`, `O:` or `R:`";

fn is_space(byte: u8) -> bool {
    // Vertical tab, and the end-of-file mark of DOS.
    byte.is_ascii_whitespace() || byte == 0x0b || byte == 0x1a
}

fn blank(input: &mut &[u8]) -> Scan<()> {
    let spaces = take_while(1.., is_space).void();
    let comment = (b'#', till_line_ending).void();
    repeat(0.., alt((spaces, comment))).parse_next(input)
}

fn colon<'t>(input: &mut &'t [u8]) -> Scan<&'t [u8]> {
    one_of(b':').take().parse_next(input)
}

fn word<'t>(input: &mut &'t [u8]) -> Scan<&'t [u8]> {
    take_till(1.., |byte| is_space(byte) || byte == b':' || byte == b'#').parse_next(input)
}
