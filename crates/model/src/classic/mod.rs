//! The classic problems of the literature, built from their published descriptions: [`by_name`]`("rock-sample:7,8")`.
//!
//! A name may have parameters after a colon. Each problem is one file; `docs/families.md` has the sources and how each compares
//! with the model files in circulation.

// A surname with a capital in it.
#[allow(clippy::doc_markdown)]
mod cheese;
mod grid;
mod maze;
mod network;
mod rock_sample;
mod russell;
mod shuttle;
mod sketch;
mod tag;
mod tiger;

use crate::{Model, ModelError};

/// A problem, or a family of them by parameters.
#[derive(Debug, Clone, Copy)]
pub struct Classic {
    /// What [`by_name`] calls it.
    pub name: &'static str,
    /// What may follow the name after a colon; empty for nothing, in brackets when it can be left out.
    pub parameters: &'static str,
    /// What it models, in one sentence.
    pub description: &'static str,
    build: fn(Option<&str>) -> Result<Model, ModelError>,
}

/// All problems, in alphabetical order.
pub const CLASSICS: &[Classic] = &[
    Classic {
        name: "4x3",
        parameters: "",
        description: "Russell and Norvig's grid with two wall sensors (11 states).",
        build: |parameters| none(parameters).and_then(|()| russell::model()),
    },
    Classic {
        name: "cheese",
        parameters: "",
        description: "McCallum's maze, in which the walls around a cell are all there is to see (11 states).",
        build: |parameters| none(parameters).and_then(|()| cheese::model()),
    },
    Classic {
        name: "maze",
        parameters: "hallway|hallway2|MAP",
        description: "A robot with a heading and noisy wall sensors looks for the goal of a map, say *****/1.*+.",
        build: maze::from_text,
    },
    Classic {
        name: "network",
        parameters: "[LEVELS]",
        description: "A network is kept busy without crashing; the load is seen in failing pings only (7 states).",
        build: network::from_text,
    },
    Classic {
        name: "rock-sample",
        parameters: "N,K[,SEED]",
        description: "A rover senses from afar which of K rocks on an N x N field are worth sampling.",
        build: rock_sample::from_text,
    },
    Classic {
        name: "shuttle",
        parameters: "",
        description: "Chrisman's shuttle carries supplies between two space stations (8 states).",
        build: |parameters| none(parameters).and_then(|()| shuttle::model()),
    },
    Classic {
        name: "tag",
        parameters: "",
        description: "A robot chases an opponent that it sees only when in the same cell (870 states).",
        build: |parameters| none(parameters).and_then(|()| tag::model()),
    },
    Classic {
        name: "tiger",
        parameters: "",
        description: "Behind one of two doors is a tiger; listening costs a little (2 states).",
        build: |parameters| none(parameters).and_then(|()| tiger::model()),
    },
];

/// The problem called `name`: a name of [`CLASSICS`], and its parameters after a colon.
///
/// [`ModelError::Name`] for an unknown name (with the nearest known one) or for parameters that it does not take.
pub fn by_name(name: &str) -> Result<Model, ModelError> {
    let (word, parameters) = match name.split_once(':') {
        Some((word, parameters)) => (word, Some(parameters)),
        None => (name, None),
    };
    let Some(classic) = CLASSICS.iter().find(|classic| classic.name == word) else { return Err(unknown(name, word)) };
    (classic.build)(parameters).map_err(|error| match error {
        ModelError::Name { problem, .. } => refused(name, problem),
        other => other,
    })
}

/// What is wrong with a name or its parameters, in words.
fn refused(name: &str, problem: impl Into<String>) -> ModelError {
    ModelError::Name { what: "model".into(), name: name.into(), problem: problem.into() }
}

fn unknown(name: &str, word: &str) -> ModelError {
    let known: Vec<_> = CLASSICS.iter().map(|classic| classic.name).collect();
    let folded: String = word.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    // `rocksample` and `RockSample_7_8` mean rock-sample, `hallway2` a maze; else the fewest typing errors.
    let alike = |name: &&&str| {
        let plain = name.replace('-', "");
        !folded.is_empty() && (folded.starts_with(&plain) || strsim::osa_distance(&folded, &plain) <= 2)
    };
    let nearest = known.iter().filter(alike).min_by_key(|name| strsim::osa_distance(&folded, name)).copied();
    let maze = maze::NAMED.iter().find(|(name, _)| *name == folded).map(|(name, _)| format!("maze:{name}"));
    let hint = maze.or(nearest.map(String::from)).map_or(String::new(), |name| format!("; did you mean {name}?"));
    refused(name, format!("is not one of {}{hint}", known.join(", ")))
}

fn none(parameters: Option<&str>) -> Result<(), ModelError> {
    parameters.map_or(Ok(()), |text| Err(refused(text, "has a parameter, and this problem takes none")))
}
