//! APPL's XML policies, for models whose state has no observed part (`numObsValue="1"`).

use std::fmt::Write;

use roxmltree::{Document, Node};

use super::{AlphaPolicy, PolicyFileError, Source};

pub(super) fn write(policy: &AlphaPolicy, model: &str) -> String {
    let (vectors, states) = (policy.len(), policy.states());
    let model = model.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Policy version=\"0.1\" type=\"value\" model=\"{model}\">\n\
         <AlphaVector vectorLength=\"{states}\" numObsValue=\"1\" numVectors=\"{vectors}\">\n"
    );
    for i in 0..vectors {
        let (action, entries) = policy.vector(i);
        let _ = write!(out, "<Vector action=\"{action}\" obsValue=\"0\">");
        let entries: Vec<String> = entries.map(|value| value.to_string()).collect();
        out.push_str(&entries.join(" "));
        out.push_str("</Vector>\n");
    }
    out.push_str("</AlphaVector>\n</Policy>\n");
    out
}

pub(super) fn read(source: &Source) -> Result<Vec<(u32, Vec<f64>)>, PolicyFileError> {
    let document = Document::parse(source.text).map_err(|error| {
        let place = error.pos();
        let line = source.text.split_inclusive('\n').take(place.row as usize - 1).map(str::len).sum::<usize>();
        let within = source.text[line..].chars().take(place.col as usize - 1).map(char::len_utf8).sum::<usize>();
        // The library ends its message with the place, which is shown anyway.
        let message = error.to_string();
        let message = message.rsplit_once(" at ").map_or(message.as_str(), |(message, _)| message);
        source.error(line + within..line + within, format!("not XML: {message}"), "noticed here")
    })?;
    let root = document.root_element();
    let of = |node: Node| node.range().start..node.range().start + 1 + node.tag_name().name().len();
    if root.tag_name().name() != "Policy" {
        let message = format!("`{}` is not a policy", root.tag_name().name());
        return Err(source.error(of(root), message, "expected <Policy>"));
    }
    let Some(set) = root.children().find(|node| node.has_tag_name("AlphaVector")) else {
        return Err(source.error(of(root), "the policy has no <AlphaVector>", "expected a set of vectors inside"));
    };
    let length = number(source, set, "vectorLength")?;
    if number(source, set, "numObsValue")?.is_some_and(|values| values != 1) {
        let message = "the policy is of a model whose state has an observed part";
        return Err(source.error(of(set), message, "only numObsValue=\"1\" is read; solve the flat model"));
    }
    let mut pairs: Vec<(u32, Vec<f64>)> = Vec::new();
    for node in set.children().filter(Node::is_element) {
        let Some(action) = number(source, node, "action")? else {
            return Err(source.error(of(node), "a vector has no action", "expected action=\"NUMBER\""));
        };
        let expected = length.or_else(|| pairs.first().map(|(_, vector)| vector.len()));
        let vector = match node.tag_name().name() {
            "Vector" => dense(source, node, expected)?,
            "SparseVector" => sparse(source, node, expected)?,
            name => {
                let message = format!("`{name}` is not a vector");
                return Err(source.error(of(node), message, "expected <Vector> or <SparseVector>"));
            }
        };
        pairs.push((action as u32, vector));
    }
    match number(source, set, "numVectors")? {
        _ if pairs.is_empty() => Err(source.error(of(set), "the set holds no vectors", "expected <Vector> inside")),
        Some(vectors) if vectors != pairs.len() => {
            let message = format!("the set holds {} vectors, its numVectors says {vectors}", pairs.len());
            Err(source.error(of(set), message, "the file may be cut short or put together by hand"))
        }
        _ => Ok(pairs),
    }
}

/// A whole number in an attribute, where there is one.
fn number(source: &Source, node: Node, name: &str) -> Result<Option<usize>, PolicyFileError> {
    let Some(attribute) = node.attribute_node(name) else { return Ok(None) };
    if let Ok(number) = attribute.value().trim().parse::<u32>() {
        return Ok(Some(number as usize));
    }
    let message = format!("{name}: `{}` is not a whole number", attribute.value());
    Err(source.error(attribute.range_value(), message, "expected a number"))
}

fn dense(source: &Source, node: Node, length: Option<usize>) -> Result<Vec<f64>, PolicyFileError> {
    match node.first_child().filter(Node::is_text) {
        Some(text) => source.numbers(text.range(), length),
        None => Err(source.error(node.range(), "a vector has no entries", "expected one number a state")),
    }
}

/// `<Entry>state value</Entry>`, the others 0.
fn sparse(source: &Source, node: Node, length: Option<usize>) -> Result<Vec<f64>, PolicyFileError> {
    let Some(length) = length else {
        return Err(source.error(node.range(), "a sparse vector without vectorLength", "its length is not known"));
    };
    let mut vector = vec![0.0; length];
    for entry in node.children().filter(|child| child.has_tag_name("Entry")) {
        let pair = match entry.first_child().filter(Node::is_text) {
            Some(text) => source.numbers(text.range(), Some(2))?,
            None => Vec::new(),
        };
        match pair[..] {
            [state, value] if state.fract() == 0.0 && state >= 0.0 && (state as usize) < length => {
                vector[state as usize] = value;
            }
            _ => {
                let label = format!("expected a state from 0 to {} and a number", length.saturating_sub(1));
                return Err(source.error(entry.range(), "an entry of a sparse vector is wrong", label));
            }
        }
    }
    Ok(vector)
}
