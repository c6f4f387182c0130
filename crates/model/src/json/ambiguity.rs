//! The fields `ambiguity` and `observation_ambiguity` of a model file.

use serde::Deserialize;

use super::place::{Misplaced, within};
use super::{Columns, RowsFile, Shape, kernel, numbers};
use crate::{Ambiguity, Support};

/// The distributions that nature may choose in place of each nominal row. Only for one dynamics.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum AmbiguityFile {
    /// All distributions whose absolute differences from the nominal row sum to no more than the radius.
    L1 {
        /// One number for all rows, or `[action][state]`; not negative.
        radius: RadiusFile,
        /// `nominal` (default): only columns that the nominal row holds possible. `all`: any.
        #[serde(default)]
        support: SupportFile,
    },
    /// All distributions between two bounds on every probability.
    Interval {
        /// `[action][state]` rows of lower bounds over the next state, or `[action][next state]` rows over observations.
        lower: RowsFile,
        /// `[action][state]` rows of upper bounds over the next state, or `[action][next state]` rows over observations.
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
    /// The sets of the field `what`, around rows over `columns`.
    pub fn read(self, what: &str, shape: Shape, columns: &Columns) -> Result<Ambiguity, Misplaced> {
        let bounds = |field: &str, rows: RowsFile| {
            kernel(&format!("{what}, {field}"), rows, shape, columns).map_err(within(field))
        };
        Ok(match self {
            Self::L1 { radius, support } => {
                let support = match support {
                    SupportFile::Nominal => Support::Nominal,
                    SupportFile::All => Support::All,
                };
                let radius = match radius {
                    RadiusFile::Same(radius) => vec![radius; shape.actions.len() * shape.states.len()],
                    RadiusFile::Rows(rows) => {
                        numbers(&format!("{what}, radius"), rows, shape).map_err(within("radius"))?
                    }
                };
                Ambiguity::L1 { radius, support }
            }
            Self::Interval { lower, upper } => {
                Ambiguity::Interval { lower: bounds("lower", lower)?, upper: bounds("upper", upper)? }
            }
        })
    }
}
