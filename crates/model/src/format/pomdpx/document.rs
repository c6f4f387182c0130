//! Walking the XML: elements, words and where they stand.

use std::ops::Range;

use crate::format::diagnostic::Fault;
use crate::format::xml::{Departure, Document, Node};

/// A word of a text node.
#[derive(Debug, Clone)]
pub(super) struct Word<'t> {
    pub text: &'t str,
    pub at: Range<usize>,
}

impl Word<'_> {
    pub fn number(&self) -> Result<f64, Fault> {
        match fast_float2::parse::<f64, _>(self.text) {
            Ok(value) if value.is_finite() => Ok(value),
            _ => {
                let message = format!("expected a number, found `{}`", self.text);
                Err(Fault::new(self.at.clone(), message, "expected a number"))
            }
        }
    }
}

/// The document, and what it has that XML has not; or where it breaks.
pub(super) fn parse(text: &str) -> Result<(Document<'_>, Vec<Fault>), Fault> {
    let document = Document::parse(text).map_err(|broken| {
        Fault::new(broken.at, format!("not well-formed XML: {}", broken.message), "the XML breaks here")
    })?;
    let warning = |Departure { at, what, count }: &Departure| {
        let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
        Fault::new(at.clone(), format!("not well-formed XML: {what}{times}"), "read as APPL reads it")
    };
    let warnings = document.departures().iter().map(warning).collect();
    Ok((document, warnings))
}

/// The opening tag, which stands for the element in a message.
pub(super) fn tag(node: Node) -> Range<usize> {
    let range = node.range();
    let text = &node.source()[range.clone()];
    let len = text.find('>').map_or(text.len(), |i| i + 1);
    range.start..range.start + len
}

pub(super) fn elements<'a, 't>(node: Node<'a, 't>) -> impl Iterator<Item = Node<'a, 't>> {
    node.children().filter(Node::is_element)
}

/// The child elements called `name`.
pub(super) fn all<'a, 't>(node: Node<'a, 't>, name: &'static str) -> impl Iterator<Item = Node<'a, 't>> {
    node.children().filter(move |child| child.name() == name)
}

/// The one child element called `name`.
pub(super) fn one<'a, 't>(node: Node<'a, 't>, name: &'static str) -> Result<Node<'a, 't>, Fault> {
    let mut found = all(node, name);
    match (found.next(), found.next()) {
        (Some(child), None) => Ok(child),
        (None, _) => {
            let message = format!("<{}> without <{name}>", node.name());
            Err(Fault::new(tag(node), message, format!("expected a <{name}> within")))
        }
        (_, Some(second)) => {
            let message = format!("<{name}> stands twice in <{}>", node.name());
            Err(Fault::new(tag(second), message, "expected once"))
        }
    }
}

/// The attribute called `name`.
pub(super) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, Fault> {
    node.attribute(name).map(str::trim).ok_or_else(|| {
        let message = format!("<{}> without the attribute `{name}`", node.name());
        Fault::new(tag(node), message, format!("expected {name}=\"…\""))
    })
}

/// The words of an element's text.
pub(super) fn words<'a>(node: Node<'a, '_>) -> Vec<Word<'a>> {
    let mut words = Vec::new();
    for child in node.children().filter(|child| child.text().is_some()) {
        let (text, range) = (child.text().unwrap_or_default(), child.range());
        for word in text.split_ascii_whitespace() {
            // An entity makes the text longer or shorter than its source: places are then only near.
            let start = (range.start + (word.as_ptr() as usize - text.as_ptr() as usize)).min(range.end);
            words.push(Word { text: word, at: start..(start + word.len()).min(range.end) });
        }
    }
    words
}

/// The only word of an element's text.
pub(super) fn word<'a>(node: Node<'a, '_>, what: &str) -> Result<Word<'a>, Fault> {
    let mut words = words(node);
    match words.len() {
        1 => Ok(words.remove(0)),
        n => {
            let message = format!("<{}> holds {n} words", node.name());
            Err(Fault::new(tag(node), message, format!("expected {what}")))
        }
    }
}
