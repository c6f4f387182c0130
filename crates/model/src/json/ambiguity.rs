//! The `ambiguity` field of a model file.

use serde::{Deserialize, Serialize};

use super::{RowsFile, check, kernel, rows};
use crate::{Ambiguity, ModelError, Space, Support};

/// The transition distributions that nature may choose in place of each nominal row. Only for observed states and one dynamics.
#[derive(Debug, Serialize, Deserialize)]
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

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum RadiusFile {
    Same(#[cfg_attr(test, schemars(range(min = 0)))] f64),
    Rows(Vec<Vec<f64>>),
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum SupportFile {
    #[default]
    Nominal,
    All,
}

impl AmbiguityFile {
    pub fn read(self, actions: &Space, states: &Space) -> Result<Ambiguity, ModelError> {
        Ok(match self {
            Self::L1 { radius, support } => {
                let support = match support {
                    SupportFile::Nominal => Support::Nominal,
                    SupportFile::All => Support::All,
                };
                let radius = match radius {
                    RadiusFile::Same(radius) => vec![radius; actions.len() * states.len()],
                    RadiusFile::Rows(by_action) => {
                        check("ambiguity, radius: rows by action".into(), actions.len(), by_action.len())?;
                        for (a, row) in by_action.iter().enumerate() {
                            check(format!("ambiguity, radius, action {}", actions.name(a)), states.len(), row.len())?;
                        }
                        by_action.concat()
                    }
                };
                Ambiguity::L1 { radius, support }
            }
            Self::Interval { lower, upper } => Ambiguity::Interval {
                lower: kernel("ambiguity, lower", lower, actions, states, states)?,
                upper: kernel("ambiguity, upper", upper, actions, states, states)?,
            },
        })
    }

    pub fn of(ambiguity: &Ambiguity, states: usize) -> Self {
        match ambiguity {
            Ambiguity::L1 { radius, support } => Self::L1 {
                radius: if radius.iter().all(|r| *r == radius[0]) {
                    RadiusFile::Same(radius[0])
                } else {
                    RadiusFile::Rows(radius.chunks(states).map(<[f64]>::to_vec).collect())
                },
                support: match support {
                    Support::Nominal => SupportFile::Nominal,
                    Support::All => SupportFile::All,
                },
            },
            Ambiguity::Interval { lower, upper } => {
                Self::Interval { lower: rows(lower, states), upper: rows(upper, states) }
            }
        }
    }
}
