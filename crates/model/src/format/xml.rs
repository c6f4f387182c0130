//! XML as APPL reads it: with `TinyXML`, which asks for less than the standard does.
//!
//! The events are quick-xml's; here they become a tree, with every departure from the standard noted. Taken are attributes
//! without quotes, prefixes that nobody declared and names that end in a colon (`xmlns:='…'`, as `POMDPXFiles.jl` writes it), `--`
//! in comments, a bare `&`, and anything after the document. A DOCTYPE is passed over: entities that it declares are not replaced,
//! external ones not fetched, so a text never becomes longer than it is.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart, Event};
use rustc_hash::FxHashSet;

/// A document; time and memory proportional to its text.
#[derive(Debug)]
pub struct Document<'t> {
    text: &'t str,
    /// The root first, each before what is in it.
    parts: Vec<Part<'t>>,
    attributes: Vec<Attribute<'t>>,
    departures: Vec<Departure>,
}

/// An element or a text of a document.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a, 't> {
    document: &'a Document<'t>,
    part: &'a Part<'t>,
}

/// What a text has that XML does not: one kind, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// Where the first one stands, in bytes.
    pub at: Range<usize>,
    /// What it is.
    pub what: String,
    /// How many there are.
    pub count: usize,
}

/// Why a text is no document, however leniently it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Where, in bytes.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
}

#[derive(Debug)]
struct Part<'t> {
    start: u32,
    end: u32,
    /// The next part within the same element, and the first one within this; 0 for none.
    next: u32,
    first: u32,
    what: What<'t>,
}

#[derive(Debug)]
enum What<'t> {
    /// Its name without a prefix, and which attributes are its own.
    Element(&'t str, Range<u32>),
    Text(Cow<'t, str>),
}

#[derive(Debug)]
struct Attribute<'t> {
    name: &'t str,
    value: Cow<'t, str>,
    at: Range<u32>,
}

impl<'t> Document<'t> {
    /// Reads a text of at most 4 GiB; what follows the document's one element is not read.
    pub fn parse(text: &'t str) -> Result<Self, Broken> {
        if text.len() > u32::MAX as usize {
            return Err(Broken { at: 0..0, message: "the file is larger than 4 GiB".into() });
        }
        let document = Self { text, parts: Vec::new(), attributes: Vec::new(), departures: Vec::new() };
        Builder { document, open: Vec::new(), pending: None, declared: FxHashSet::default() }.build()
    }

    /// The element that holds all others.
    pub fn root_element(&self) -> Node<'_, 't> {
        self.node(0)
    }

    /// Where the text departs from the standard, by kind.
    pub fn departures(&self) -> &[Departure] {
        &self.departures
    }

    fn node(&self, part: u32) -> Node<'_, 't> {
        Node { document: self, part: &self.parts[part as usize] }
    }
}

impl<'a, 't> Node<'a, 't> {
    /// Whether it is an element, not a text.
    pub fn is_element(&self) -> bool {
        matches!(self.part.what, What::Element(..))
    }

    /// The element's name without its prefix; empty for a text.
    pub fn name(self) -> &'t str {
        if let What::Element(name, _) = &self.part.what { name } else { "" }
    }

    /// The text, its references replaced; `None` for an element.
    pub fn text(self) -> Option<&'a str> {
        if let What::Text(text) = &self.part.what { Some(text) } else { None }
    }

    /// The bytes that it has in the source, from the beginning of its tag to the end of its end tag.
    pub fn range(self) -> Range<usize> {
        self.part.start as usize..self.part.end as usize
    }

    /// The text that the document was read from.
    pub fn source(self) -> &'t str {
        self.document.text
    }

    /// The elements and texts within; a text that is all white space is none.
    pub fn children(self) -> impl Iterator<Item = Node<'a, 't>> {
        let node = move |part: u32| (part != 0).then(|| self.document.node(part));
        std::iter::successors(node(self.part.first), move |child| node(child.part.next))
    }

    /// The value of an attribute, prefix and all in its name, and where the value stands.
    pub fn attribute_at(self, name: &str) -> Option<(&'a str, Range<usize>)> {
        let What::Element(_, own) = &self.part.what else { return None };
        let own = &self.document.attributes[own.start as usize..own.end as usize];
        let attribute = own.iter().find(|attribute| attribute.name == name)?;
        Some((&attribute.value, attribute.at.start as usize..attribute.at.end as usize))
    }

    /// The value of an attribute.
    pub fn attribute(self, name: &str) -> Option<&'a str> {
        self.attribute_at(name).map(|(value, _)| value)
    }
}

struct Builder<'t> {
    document: Document<'t>,
    /// The elements that are open, and the last part within each so far.
    open: Vec<(u32, u32)>,
    /// The text that is being put together.
    pending: Option<(Range<usize>, Cow<'t, str>)>,
    /// Prefixes of names.
    declared: FxHashSet<&'t str>,
}

impl<'t> Builder<'t> {
    fn build(mut self) -> Result<Document<'t>, Broken> {
        let text = self.document.text;
        let mut reader = Reader::from_str(text);
        reader.config_mut().allow_dangling_amp = true;
        loop {
            let start = reader.buffer_position() as usize;
            let event =
                reader.read_event().map_err(|error| broken(text, start..reader.error_position() as usize, &error))?;
            let at = start..reader.buffer_position() as usize;
            match event {
                Event::Text(piece) => self.text(at, piece.into_inner())?,
                Event::CData(piece) => self.text(at, piece.into_inner())?,
                Event::GeneralRef(reference) => {
                    let resolved = self.resolved(&at, &reference);
                    self.text(at, resolved)?;
                }
                Event::Start(tag) => self.start(at, &tag)?,
                Event::Empty(tag) => {
                    self.start(at.clone(), &tag)?;
                    self.end(at.end);
                }
                Event::End(_) => self.end(at.end),
                Event::Comment(comment) => {
                    self.flush();
                    if comment.contains("--") || comment.ends_with('-') {
                        self.depart(at, "`--` within a comment");
                    }
                }
                Event::Decl(_) | Event::PI(_) | Event::DocType(_) => self.flush(),
                Event::Eof => break,
            }
            if self.open.is_empty() && !self.document.parts.is_empty() {
                self.after(reader.buffer_position() as usize);
                return Ok(self.document);
            }
        }
        let end = text.trim_end().len();
        Err(match self.open.last() {
            Some(&(part, _)) => {
                let (start, name) =
                    (self.document.parts[part as usize].start as usize, self.document.node(part).name());
                Broken { at: start..start + 1 + name.len(), message: format!("<{name}> is never closed") }
            }
            None => Broken { at: end..end, message: "there is no element in it".into() },
        })
    }

    /// Bytes of the text that `piece`, a part of it, has.
    fn place(&self, piece: &str) -> Range<usize> {
        let start = (piece.as_ptr() as usize).wrapping_sub(self.document.text.as_ptr() as usize);
        debug_assert!(start + piece.len() <= self.document.text.len());
        start..start + piece.len()
    }

    fn depart(&mut self, at: Range<usize>, what: impl Into<String>) {
        const KINDS: usize = 16;
        let what = what.into();
        let departures = &mut self.document.departures;
        match departures.iter().position(|departure| departure.what == what) {
            Some(known) => departures[known].count += 1,
            None if departures.len() < KINDS => departures.push(Departure { at, what, count: 1 }),
            None => {}
        }
    }

    fn text(&mut self, at: Range<usize>, piece: Cow<'t, str>) -> Result<(), Broken> {
        if self.open.is_empty() {
            if piece.trim().is_empty() {
                return Ok(());
            }
            let at = at.start + (piece.len() - piece.trim_start().len());
            return Err(Broken { at: at..at + 1, message: "text before the first element".into() });
        }
        if piece.starts_with('&') && at.len() == piece.len() && !self.document.text[at.clone()].contains(';') {
            self.depart(at.start..at.start + 1, "a bare `&`, which XML writes `&amp;`");
        }
        match &mut self.pending {
            None => self.pending = Some((at, piece)),
            Some((range, text)) => {
                range.end = at.end;
                text.to_mut().push_str(&piece);
            }
        }
        Ok(())
    }

    /// What a reference stands for: itself, where nobody knows.
    fn resolved(&mut self, at: &Range<usize>, reference: &BytesRef) -> Cow<'t, str> {
        if let Ok(Some(character)) = reference.resolve_char_ref() {
            return Cow::Owned(character.into());
        }
        if let Some(known) = resolve_predefined_entity(reference) {
            return Cow::Borrowed(known);
        }
        self.depart(at.clone(), "a reference to an entity that XML does not know, left as it stands");
        Cow::Borrowed(&self.document.text[at.clone()])
    }

    fn flush(&mut self) {
        if let Some((at, text)) = self.pending.take().filter(|(_, text)| !text.trim_ascii().is_empty()) {
            self.push(at, What::Text(text));
        }
    }

    fn push(&mut self, at: Range<usize>, what: What<'t>) -> u32 {
        let number = self.document.parts.len() as u32;
        if let Some((parent, last)) = self.open.last_mut() {
            match *last {
                0 => self.document.parts[*parent as usize].first = number,
                before => self.document.parts[before as usize].next = number,
            }
            *last = number;
        }
        self.document.parts.push(Part { start: at.start as u32, end: at.end as u32, next: 0, first: 0, what });
        number
    }

    fn end(&mut self, end: usize) {
        self.flush();
        if let Some((part, _)) = self.open.pop() {
            self.document.parts[part as usize].end = end as u32;
        }
    }

    fn start(&mut self, at: Range<usize>, tag: &BytesStart) -> Result<(), Broken> {
        self.flush();
        let name = &self.document.text[self.place(tag.name().0)];
        let place = self.place(name);
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            let end = at.start + 1;
            return Err(Broken { at: at.start..end, message: "`<` begins no element; XML writes it `&lt;`".into() });
        }
        let first = self.document.attributes.len();
        self.attributes(tag)?;
        let own = first as u32..self.document.attributes.len() as u32;
        // A prefix may be declared by the element that uses it.
        for attribute in &self.document.attributes[first..] {
            if let Some(prefix) = attribute.name.strip_prefix("xmlns:") {
                self.declared.insert(prefix);
            }
        }
        let mut names = vec![(name, place)];
        let range = |at: &Range<u32>| at.start as usize..at.end as usize;
        names.extend(self.document.attributes[first..].iter().map(|a| (a.name, range(&a.at))));
        for (name, at) in names {
            let Some((prefix, local)) = name.split_once(':') else { continue };
            if local.is_empty() {
                self.depart(at, format!("the name `{name}`, which ends in a colon"));
            } else if !matches!(prefix, "xml" | "xmlns") && !self.declared.contains(prefix) {
                self.depart(at, format!("the prefix `{prefix}:`, which nothing declares"));
            }
        }
        let local = name.rsplit(':').next().unwrap_or(name);
        let number = self.push(at, What::Element(local, own));
        self.open.push((number, 0));
        Ok(())
    }

    fn attributes(&mut self, tag: &BytesStart) -> Result<(), Broken> {
        let mut seen = FxHashSet::default();
        let whole = self.place(tag);
        let refused = |at: Range<usize>, message: String| Err(Broken { at, message });
        // The duplicates are looked for here: the library compares each with all before it.
        for found in tag.html_attributes().with_checks(false) {
            let attribute = match found {
                Ok(attribute) => attribute,
                Err(error) => return refused(whole, error.to_string()),
            };
            let name_at = self.place(attribute.key.0);
            let name = &self.document.text[name_at.clone()];
            if !seen.insert(name) {
                return refused(name_at, format!("the attribute `{name}` stands twice"));
            }
            if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                return refused(name_at, format!("`{name}` is no name of an attribute"));
            }
            let rest = &self.document.text[name_at.end..whole.end];
            if !rest.trim_start().starts_with('=') {
                return refused(name_at, format!("the attribute `{name}` has no value"));
            }
            let Cow::Borrowed(value) = attribute.value else { unreachable!("read from a slice") };
            // An empty value may be a constant of the library's, which stands nowhere.
            let at = if value.is_empty() { name_at } else { self.place(value) };
            let raw: &'t str = if value.is_empty() { "" } else { &self.document.text[at.clone()] };
            if !raw.is_empty() && !self.document.text[..at.start].ends_with(['"', '\'']) {
                self.depart(at.clone(), "an attribute's value without quotes");
            }
            let value = unescape(raw).unwrap_or_else(|_| {
                self.depart(at.clone(), "a bare `&`, which XML writes `&amp;`");
                Cow::Borrowed(raw)
            });
            self.document.attributes.push(Attribute { name, value, at: at.start as u32..at.end as u32 });
        }
        Ok(())
    }

    /// Notes what stands after the document: white space, comments and instructions may.
    fn after(&mut self, end: usize) {
        let rest = &self.document.text[end..];
        let at = end + (rest.len() - rest.trim_start().len());
        let rest = rest.trim_start();
        if !rest.is_empty() && !rest.starts_with("<!--") && !rest.starts_with("<?") {
            let end = at + rest.chars().next().map_or(0, char::len_utf8);
            self.depart(at..end, "something after the end of the document, which is not read");
        }
    }
}

fn broken(text: &str, at: Range<usize>, error: &Error) -> Broken {
    let message = error.to_string();
    let message = ["syntax error: ", "ill-formed document: "]
        .iter()
        .find_map(|lead| message.strip_prefix(lead))
        .unwrap_or(&message);
    // Mistaken end tags are pointed at; what is never closed is pointed at where it begins.
    let place =
        if matches!(error, Error::IllFormed(IllFormedError::MismatchedEndTag { .. })) { at.start } else { at.end };
    let start = (0..=place.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    let end = start + text[start..].chars().next().map_or(0, char::len_utf8);
    Broken { at: start..end, message: message.into() }
}
