//! What is wrong with a text, where, and how to show it.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Bytes of the offending text, and of what follows it on its line, at most.
const MOST_TEXT: usize = 1000;

/// Lines of a note, at most.
const MOST_LINES: usize = 12;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file has no model in it.
    Error,
    /// The model was read, after a repair that the message names.
    Warning,
}

/// One finding at one place of a file. [`Display`](fmt::Display) shows the line with a caret under the text, plain ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in names rather than indices.
    pub message: String,
    /// The file's name as it was given.
    pub file: String,
    /// Line of the text, counted from 1.
    pub line: usize,
    /// Column of the text in characters, counted from 1.
    pub column: usize,
    /// The offending text itself, at most a thousand bytes of it; empty at the end of the file.
    pub text: String,
    /// What stands under the caret: most often what was expected there.
    pub label: String,
    /// Further lines: the other rows of the same fault, or what to do.
    pub notes: Vec<String>,
    /// The line the text stands on.
    source: String,
    /// The text within the line, in bytes.
    span: Range<usize>,
}

impl Diagnostic {
    /// An error at a byte range of `text`: for readers of other files than models, such as policies.
    pub fn error(
        file: &str,
        text: &[u8],
        at: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Source { file, text }.error(Fault::new(at, message, label))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let annotation = AnnotationKind::Primary.span(self.span.clone()).label(&self.label);
        let snippet = Snippet::source(&self.source).line_start(self.line).path(&self.file).annotation(annotation);
        let report = level.primary_title(&self.message).element(snippet);
        let report = report.elements(self.notes.iter().map(|note| Level::NOTE.message(note)));
        f.write_str(&Renderer::plain().render(&[report]))
    }
}

/// A text under its file's name, from which diagnostics are cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'t> {
    pub file: &'t str,
    pub text: &'t [u8],
}

/// A finding before it is placed in its text: a byte range, a message, a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub at: Range<usize>,
    pub message: String,
    pub label: String,
    pub notes: Vec<String>,
}

impl Fault {
    pub fn new(at: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { at, message: message.into(), label: label.into(), notes: Vec::new() }
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

impl Source<'_> {
    pub fn error(&self, fault: Fault) -> Diagnostic {
        self.place(fault, Severity::Error)
    }

    pub fn warning(&self, fault: Fault) -> Diagnostic {
        self.place(fault, Severity::Warning)
    }

    /// The line of a byte, counted from 1.
    pub fn line(&self, byte: usize) -> usize {
        1 + self.text[..byte].split(|&b| b == b'\n').skip(1).count()
    }

    fn place(&self, fault: Fault, severity: Severity) -> Diagnostic {
        let Fault { at, message, label, notes } = fault;
        let start = at.start.min(self.text.len());
        let line_start = self.text[..start].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        let line_end = self.text[start..].iter().position(|&b| b == b'\n').map_or(self.text.len(), |i| start + i);
        // A word can be as long as a file, and nobody reads more than its beginning.
        let end = at.end.clamp(start, line_end.min(start + MOST_TEXT));
        let line_end = line_end.min(end + MOST_TEXT);
        // Bytes that are not UTF-8 become U+FFFD, which changes lengths: convert the three parts one by one.
        let [before, text, after] = [line_start..start, start..end, end..line_end]
            .map(|range| String::from_utf8_lossy(&self.text[range]).replace(['\r', '\0'], " "));
        Diagnostic {
            severity,
            message: readable(&message),
            file: self.file.into(),
            line: self.line(start),
            column: 1 + before.chars().count(),
            label: readable(&label),
            notes: notes.iter().map(|note| some_lines(note)).collect(),
            span: before.len()..before.len() + text.len(),
            source: format!("{before}{text}{after}"),
            text,
        }
    }
}

/// A message on one line, of a length that fits on a screen: it may quote the file, where a name can be as long as the file itself.
fn readable(message: &str) -> String {
    const HEAD: usize = 600;
    const TAIL: usize = 200;
    let line = message.replace(['\r', '\n'], " ");
    let length = line.chars().count();
    if length <= HEAD + TAIL {
        return line;
    }
    let tail = line.chars().skip(length - TAIL);
    line.chars().take(HEAD).chain(" … ".chars()).chain(tail).collect()
}

/// The first lines of a note, each readable.
fn some_lines(note: &str) -> String {
    note.lines().take(MOST_LINES).map(readable).collect::<Vec<_>>().join("\n")
}

/// The first few of `items` in one line, and how many more there are.
pub(super) fn some_of(items: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 6;
    let more = items.len().saturating_sub(SHOWN);
    let shown: Vec<String> = items.take(SHOWN).collect();
    if more > 0 { format!("{}, … ({more} more)", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a file has the length of, a finding about it can be read on a screen.
    #[test]
    fn findings_are_short_whatever_they_quote() {
        let text = "name\n".repeat(5_000);
        for at in [0..text.len(), 4_000..4_001, text.len()..text.len()] {
            let source = Source { file: "long", text: text.as_bytes() };
            let fault = Fault::new(at, format!("`{text}` is no name"), text.clone()).note(text.clone());
            let shown = source.error(fault).to_string();
            assert!(shown.len() < 8_000 && shown.lines().count() <= 24, "{shown}");
            assert!(shown.contains("is no name"), "{shown}");
        }
    }
}
