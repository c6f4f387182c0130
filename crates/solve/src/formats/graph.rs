//! pomdp-solve's `.pg`: a line a node, with its number, its action and the number of the node that follows each observation.

use std::fmt::Write;
use std::ops::Range;

use super::controller::Node;
use super::{PolicyFileError, Source, words};

/// One stage; `last` for that of the last decision, after which there is no node: pomdp-solve writes 0.
pub(super) fn write(nodes: &[Node], last: bool) -> String {
    let mut out = String::new();
    for (number, node) in nodes.iter().enumerate() {
        let _ = write!(out, "{number} {} ", node.action);
        for next in &node.next {
            let _ = match next {
                _ if last => write!(out, " 0"),
                Some(next) => write!(out, " {next}"),
                None => write!(out, " -"),
            };
        }
        out.push('\n');
    }
    out
}

/// Nodes by number, of a model with so many actions and observations; text from `#` is a comment. The successors stay as they
/// are: how many nodes they can choose from is for the caller to know.
pub(super) fn read(
    source: &Source,
    actions: usize,
    observations: usize,
) -> Result<Vec<(Node, Range<usize>)>, PolicyFileError> {
    let text = source.text;
    let mut nodes: Vec<(u32, (Node, Range<usize>))> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.find('#').unwrap_or(line.trim_end().len());
        start += line.len();
        let found: Vec<Range<usize>> = words(text, range).collect();
        let [number, action, next @ ..] = &found[..] else {
            match found.first() {
                Some(first) => {
                    return Err(source.error(
                        first.clone(),
                        "a node without an action",
                        "expected `node action next …`",
                    ));
                }
                None => continue,
            }
        };
        let line = number.start..found[found.len() - 1].end;
        let value = |at: &Range<usize>, what: &str| {
            text[at.clone()].parse::<u32>().map_err(|_| {
                let message = format!("`{}` is not {what}", &text[at.clone()]);
                source.error(at.clone(), message, format!("expected {what}"))
            })
        };
        let id = value(number, "the number of a node")?;
        let taken = value(action, "the number of an action")?;
        source.check_action(taken, actions, action.clone())?;
        if next.len() != observations {
            let message = format!("the node has {} successors, the model {observations} observations", next.len());
            return Err(source.error(line, message, "expected one number for each observation, or `-`"));
        }
        let successor = |at: &Range<usize>| match &text[at.clone()] {
            "-" | "X" | "x" => Ok(None),
            _ => value(at, "the number of a node, nor `-`").map(Some),
        };
        let next = next.iter().map(successor).collect::<Result<_, _>>()?;
        nodes.push((id, (Node { action: taken, next }, line)));
    }
    nodes.sort_by_key(|&(id, _)| id);
    for (expected, (id, (_, line))) in (0..).zip(&nodes) {
        if *id != expected {
            let message =
                if *id < expected { format!("node {id} stands twice") } else { format!("there is no node {expected}") };
            return Err(source.error(line.clone(), message, "nodes are numbered from 0, each once"));
        }
    }
    if nodes.is_empty() {
        let end = text.len();
        return Err(source.error(end..end, "the graph has no nodes", "expected `node action next …`"));
    }
    Ok(nodes.into_iter().map(|(_, node)| node).collect())
}
