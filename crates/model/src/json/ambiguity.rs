//! The `ambiguity` field of a model file.

use serde::Deserialize;

use super::place::{Misplaced, within};
use super::{RowsFile, Shape, kernel, numbers};
use crate::{Ambiguity, Support};

/// The transition distributions that nature may choose in place of each nominal row. Only for observed states and one dynamics.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum AmbiguityFile {
    /// All distributions whose absolute differences from the nominal row sum to no more than the radius.
    L1 {
        /// One number for all rows, or `[action][state]`; not negative.
        radius: RadiusFile,
        /// `nominal` (default): only states that the nominal row holds possible. `all`: any state.
        #[serde(default)]
        support: SupportFile,
    },
    /// All distributions between two bounds on every probability.
    Interval {
        /// `[action][state]` rows of lower bounds over the next state.
        lower: RowsFile,
        /// `[action][state]` rows of upper bounds over the next state.
        upper: RowsFile,
    },
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum RadiusFile {
    Same(#[cfg_attr(test, schemars(range(min = 0)))] f64),
    Rows(Vec<Vec<f64>>),
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum SupportFile {
    #[default]
    Nominal,
    All,
}

impl AmbiguityFile {
    pub fn read(self, shape: Shape) -> Result<Ambiguity, Misplaced> {
        let bounds = |field: &str, rows: RowsFile| {
            kernel(&format!("ambiguity, {field}"), rows, shape, shape.states).map_err(within(field))
        };
        Ok(match self {
            Self::L1 { radius, support } => {
                let support = match support {
                    SupportFile::Nominal => Support::Nominal,
                    SupportFile::All => Support::All,
                };
                let radius = match radius {
                    RadiusFile::Same(radius) => vec![radius; shape.actions.len() * shape.states.len()],
                    RadiusFile::Rows(rows) => numbers("ambiguity, radius", rows, shape).map_err(within("radius"))?,
                };
                Ambiguity::L1 { radius, support }
            }
            Self::Interval { lower, upper } => {
                Ambiguity::Interval { lower: bounds("lower", lower)?, upper: bounds("upper", upper)? }
            }
        })
    }
}
