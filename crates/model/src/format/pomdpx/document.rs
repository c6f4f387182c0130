//! Walking the XML: elements, words and where they stand.

use std::ops::Range;

use roxmltree::{Document, Node, ParsingOptions};

use crate::format::diagnostic::Fault;

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

/// The document, or where its XML breaks.
pub(super) fn parse(text: &str) -> Result<Document<'_>, Fault> {
    let options = ParsingOptions { nodes_limit: u32::MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| {
        let place = error.pos();
        let line = text.split_inclusive('\n').take(place.row as usize - 1).map(str::len).sum::<usize>();
        let column: usize = text[line..].chars().take((place.col as usize).saturating_sub(1)).map(char::len_utf8).sum();
        let at = line + column;
        let end = at + text[at..].chars().next().map_or(0, char::len_utf8);
        // The library ends its message with the place, which is shown anyway.
        let message = error.to_string();
        let message = message.split(" at ").next().unwrap_or(&message);
        Fault::new(at..end, format!("not well-formed XML: {message}"), "the XML breaks here")
    })
}

/// The opening tag, which stands for the element in a message.
pub(super) fn tag(node: Node) -> Range<usize> {
    let range = node.range();
    let text = &node.document().input_text()[range.clone()];
    let len = text.find('>').map_or(text.len(), |i| i + 1);
    range.start..range.start + len
}

pub(super) fn elements<'a, 't>(node: Node<'a, 't>) -> impl Iterator<Item = Node<'a, 't>> {
    node.children().filter(Node::is_element)
}

/// The child elements called `name`.
pub(super) fn all<'a, 't>(node: Node<'a, 't>, name: &'static str) -> impl Iterator<Item = Node<'a, 't>> {
    node.children().filter(move |child| child.has_tag_name(name))
}

/// The one child element called `name`.
pub(super) fn one<'a, 't>(node: Node<'a, 't>, name: &'static str) -> Result<Node<'a, 't>, Fault> {
    let mut found = all(node, name);
    match (found.next(), found.next()) {
        (Some(child), None) => Ok(child),
        (None, _) => {
            let message = format!("<{}> without <{name}>", node.tag_name().name());
            Err(Fault::new(tag(node), message, format!("expected a <{name}> within")))
        }
        (_, Some(second)) => {
            let message = format!("<{name}> stands twice in <{}>", node.tag_name().name());
            Err(Fault::new(tag(second), message, "expected once"))
        }
    }
}

/// The attribute called `name`.
pub(super) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, Fault> {
    node.attribute(name).map(str::trim).ok_or_else(|| {
        let message = format!("<{}> without the attribute `{name}`", node.tag_name().name());
        Fault::new(tag(node), message, format!("expected {name}=\"…\""))
    })
}

/// The words of an element's text.
pub(super) fn words<'a>(node: Node<'a, '_>) -> Vec<Word<'a>> {
    let mut words = Vec::new();
    for child in node.children().filter(Node::is_text) {
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
            let message = format!("<{}> holds {n} words", node.tag_name().name());
            Err(Fault::new(tag(node), message, format!("expected {what}")))
        }
    }
}
