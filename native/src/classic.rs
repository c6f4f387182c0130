//! The classic problems by name.

use tiresias_guard::napi;
use tiresias_model::classic::{self as core, CLASSICS};

use crate::errors::{Result, from_model};
use crate::model::Model;

/// A classic problem, or a family of them by parameters.
#[napi(object)]
pub struct ClassicInfo {
    /// What `classicModel` calls it.
    pub name: String,
    /// What may follow the name after a colon; empty for nothing, in brackets when it can be left out.
    pub parameters: String,
    /// The problem in a sentence, with its source.
    pub description: String,
}

/// The classic problems of the literature that `classicModel` builds.
#[napi]
pub fn classics() -> Vec<ClassicInfo> {
    CLASSICS
        .iter()
        .map(|classic| ClassicInfo {
            name: classic.name.into(),
            parameters: classic.parameters.into(),
            description: classic.description.into(),
        })
        .collect()
}

/// A classic problem: its name, and its parameters after a colon, say `tiger` or `rock-sample:7,8`. `UNKNOWN_NAME` when there is
/// none of that name (with the nearest one) or the parameters are none that it takes.
#[napi]
pub fn classic_model(name: String) -> Result<Model> {
    core::by_name(&name).map(Model::new).map_err(from_model)
}
