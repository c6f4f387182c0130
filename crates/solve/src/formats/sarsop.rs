//! APPL's XML policies: α-vectors over the hidden part of the state, by the value of the observed part (Ong, Png, Hsu and Lee,
//! IJRR 2010). `obsValue` numbers the values of the observed variables together, the last changing fastest, and a vector has an
//! entry for each value of the others together.

use std::fmt::Write;
use std::ops::Range;

use tiresias_model::format::xml::{Document, Node};
use tiresias_model::{Model, observed_component};

use super::{AlphaPolicy, MOST_TEXT, PolicyFileError, Source};
use crate::belief::value_function::PlanSet;

pub(super) fn write(policy: &AlphaPolicy, model: &Model) -> Result<String, PolicyFileError> {
    if policy.horizon().is_some() {
        let why =
            "APPL's XML holds one policy for all stages, and this one has rules of its own for each; use .alpha or .pg";
        return Err(PolicyFileError::Unsupported(why.into()));
    }
    let split = Split::of(model).unwrap_or_else(|| Split::whole(model));
    let mut vectors = 0;
    let mut body = String::new();
    for set in policy.sets(0) {
        // The values of the observed part that the set's states have, each with the states' places.
        let mut parts: Vec<(u32, Vec<(usize, usize)>)> = Vec::new();
        for (i, &state) in set.states().iter().enumerate() {
            let (value, place) = split.places[state as usize];
            match parts.iter_mut().find(|(v, _)| *v == value) {
                Some((_, places)) => places.push((i, place as usize)),
                None => parts.push((value, vec![(i, place as usize)])),
            }
        }
        let mut entries = vec![0.0; split.hidden];
        for i in 0..set.len() {
            let vector = set.vector(i);
            for (value, places) in &parts {
                entries.fill(policy.floor(0));
                places.iter().for_each(|&(from, to)| entries[to] = vector[from]);
                let _ = write!(body, "<Vector action=\"{}\" obsValue=\"{value}\">", set.action(i));
                // APPL reads words: the end tag must not touch the last number.
                for entry in &entries {
                    let _ = write!(body, "{entry} ");
                }
                body.push_str("</Vector>\n");
                vectors += 1;
            }
            if body.len() > MOST_TEXT {
                let why = "more than 400 MB of text; use Tiresias' own format";
                return Err(PolicyFileError::Unsupported(why.into()));
            }
        }
    }
    let name = model.name().replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let (observed, hidden) = (split.observed, split.hidden);
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Policy version=\"0.1\" type=\"value\" model=\"{name}\">\n\
         <AlphaVector vectorLength=\"{hidden}\" numObsValue=\"{observed}\" numVectors=\"{vectors}\">\n\
         {body}</AlphaVector>\n</Policy>\n"
    ))
}

/// How states are pairs of an observed value and a hidden one.
struct Split {
    observed: usize,
    hidden: usize,
    /// By state.
    places: Vec<(u32, u32)>,
}

impl Split {
    /// What the model's file said, where it said something.
    fn of(model: &Model) -> Option<Self> {
        let places = model.states().observed_and_hidden()?;
        let count = |part: fn(&(u32, u32)) -> u32| places.iter().map(part).max().map_or(1, |last| last as usize + 1);
        Some(Self { observed: count(|pair| pair.0), hidden: count(|pair| pair.1), places })
    }

    /// Nothing is observed.
    fn whole(model: &Model) -> Self {
        let states = model.states().len();
        Self { observed: 1, hidden: states, places: (0..states as u32).map(|s| (0, s)).collect() }
    }

    /// With so many values each: as the model's file said, or with the observed value slowest, if what is always known of the
    /// state (other than of states that do not occur) does say it.
    fn sized(model: &Model, observed: usize, hidden: usize) -> Result<Self, String> {
        let states = model.states().len();
        if observed == 1 && hidden == states {
            return Ok(Self::whole(model));
        }
        if observed.checked_mul(hidden) != Some(states) {
            let wrong =
                if observed == 1 { String::new() } else { format!(" for {observed} values of an observed part") };
            return Err(format!("its vectors have {hidden} entries{wrong}, the model has {states} states"));
        }
        if let Some(split) = Self::of(model) {
            if (split.observed, split.hidden) == (observed, hidden) {
                return Ok(split);
            }
            let (x, y) = (split.observed, split.hidden);
            return Err(format!("it has {observed} observed and {hidden} hidden values, the model {x} and {y}"));
        }
        let places: Vec<(u32, u32)> = (0..states).map(|s| ((s / hidden) as u32, (s % hidden) as u32)).collect();
        let cells = observed_component(model).unwrap_or_else(|| vec![0; states]);
        let reached = reached(model);
        let mut value_of = vec![None; states];
        let consistent = (0..states)
            .filter(|&s| reached[s])
            .all(|s| *value_of[cells[s] as usize].get_or_insert(places[s].0) == places[s].0);
        if consistent {
            return Ok(Self { observed, hidden, places });
        }
        Err(format!(
            "it is for an observed part of {observed} values, which this model's states do not have; give the POMDPX file that \
             it was made for"
        ))
    }
}

/// The states that can occur after the first action.
fn reached(model: &Model) -> Vec<bool> {
    let states = model.states().len();
    let mut reached = vec![false; states];
    let mut open: Vec<usize> = (0..states).filter(|&s| model.start()[s] > 0.0).collect();
    // Ends: each state is read once.
    while let Some(state) = open.pop() {
        for action in 0..model.actions().len() {
            for (next, _) in model.dynamics()[0].transition.pairs(action * states + state) {
                if !std::mem::replace(&mut reached[next], true) {
                    open.push(next);
                }
            }
        }
    }
    reached
}

/// A vector of the file: action, observed value, entries.
type Vector = (u32, usize, Vec<f64>);

/// The vectors by observed value.
pub(super) fn read(source: &Source, model: &Model) -> Result<Vec<PlanSet>, PolicyFileError> {
    let (observed, vectors) = parse(source, (model.states().len(), model.actions().len()))?;
    let other = |problem| PolicyFileError::OtherModel { model: model.name().into(), problem };
    let split = Split::sized(model, observed, vectors[0].2.len()).map_err(other)?;
    let mut sets = vec![PlanSet { states: Vec::new(), plans: Vec::new() }; observed];
    let mut places = vec![Vec::new(); observed];
    for (state, &(value, place)) in (0..).zip(&split.places) {
        sets[value as usize].states.push(state);
        places[value as usize].push(place as usize);
    }
    for (action, value, entries) in vectors {
        let vector = places[value].iter().map(|&place| entries[place]).collect();
        sets[value].plans.push((action, vector));
    }
    Ok(sets)
}

/// `states` are those of the model: no vector is longer, whatever the text says.
fn parse(source: &Source, (states, actions): (usize, usize)) -> Result<(usize, Vec<Vector>), PolicyFileError> {
    let document = Document::parse(source.text)
        .map_err(|broken| source.error(broken.at, format!("not XML: {}", broken.message), "noticed here"))?;
    let root = document.root_element();
    let of = |node: Node| node.range().start..node.range().start + 1 + node.name().len();
    if root.name() != "Policy" {
        let message = format!("`{}` is not a policy", root.name());
        return Err(source.error(of(root), message, "expected <Policy>"));
    }
    let Some(set) = root.children().find(|node| node.name() == "AlphaVector") else {
        return Err(source.error(of(root), "the policy has no <AlphaVector>", "expected a set of vectors inside"));
    };
    let length = number(source, set, "vectorLength")?;
    if let Some(length) = length.filter(|&length| length > states) {
        let message = format!("its vectors have {length} entries, the model has {states} states");
        return Err(source.error(of(set), message, format!("expected a vectorLength of at most {states}")));
    }
    let observed = number(source, set, "numObsValue")?.unwrap_or(1);
    if observed == 0 || observed > source.text.len() {
        let message = format!("numObsValue is {observed}, which this file cannot hold");
        return Err(source.error(of(set), message, "expected the number of values of the observed part, at least 1"));
    }
    let mut vectors: Vec<Vector> = Vec::new();
    for node in set.children().filter(Node::is_element) {
        let Some(action) = number(source, node, "action")? else {
            return Err(source.error(of(node), "a vector has no action", "expected action=\"NUMBER\""));
        };
        source.check_action(action as u32, actions, node.attribute_at("action").map_or(of(node), |(_, at)| at))?;
        let value = number(source, node, "obsValue")?.unwrap_or(0);
        if value >= observed {
            let message = format!("obsValue {value} is not below the {observed} of numObsValue");
            return Err(source.error(of(node), message, "expected an observed value, numbered from 0"));
        }
        let expected = length.or_else(|| vectors.first().map(|(_, _, vector)| vector.len()));
        let vector = match node.name() {
            "Vector" => dense(source, node, expected)?,
            "SparseVector" => sparse(source, node, expected)?,
            name => {
                let message = format!("`{name}` is not a vector");
                return Err(source.error(of(node), message, "expected <Vector> or <SparseVector>"));
            }
        };
        vectors.push((action as u32, value, vector));
    }
    match number(source, set, "numVectors")? {
        _ if vectors.is_empty() => Err(source.error(of(set), "the set holds no vectors", "expected <Vector> inside")),
        Some(said) if said != vectors.len() => {
            let message = format!("the set holds {} vectors, its numVectors says {said}", vectors.len());
            Err(source.error(of(set), message, "the file may be cut short or put together by hand"))
        }
        _ => Ok((observed, vectors)),
    }
}

/// A whole number in an attribute, where there is one.
fn number(source: &Source, node: Node, name: &str) -> Result<Option<usize>, PolicyFileError> {
    let Some((value, at)) = node.attribute_at(name) else { return Ok(None) };
    if let Ok(number) = value.trim().parse::<u32>() {
        return Ok(Some(number as usize));
    }
    let message = format!("{name}: `{value}` is not a whole number");
    Err(source.error(at, message, "expected a number"))
}

/// Where the text stands that an element begins with.
fn text_of(node: Node) -> Option<Range<usize>> {
    node.children().next().filter(|child| child.text().is_some()).map(Node::range)
}

fn dense(source: &Source, node: Node, length: Option<usize>) -> Result<Vec<f64>, PolicyFileError> {
    match text_of(node) {
        Some(text) => source.numbers(text, length),
        None => Err(source.error(node.range(), "a vector has no entries", "expected one number a state")),
    }
}

/// `<Entry>state value</Entry>`, the others 0.
fn sparse(source: &Source, node: Node, length: Option<usize>) -> Result<Vec<f64>, PolicyFileError> {
    let Some(length) = length else {
        return Err(source.error(node.range(), "a sparse vector without vectorLength", "its length is not known"));
    };
    let mut vector = vec![0.0; length];
    for entry in node.children().filter(|child| child.name() == "Entry") {
        let pair = match text_of(entry) {
            Some(text) => source.numbers(text, Some(2))?,
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
