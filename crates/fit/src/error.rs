//! Why trajectories give no model.

use thiserror::Error;
use tiresias_model::ModelError;
use tiresias_model::memory::Shortage;

/// Errors of this crate. Every message says what is wrong, where, and what was expected.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FitError {
    /// An option is outside its range.
    #[error("{what}: {value} is not {expected}")]
    Option {
        /// Which option.
        what: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// Where the state is what is seen, an episode must begin with one.
    #[error(
        "episode {episode} begins without an observation, and there is no state to start from; fit a POMDP instead"
    )]
    NoFirst {
        /// The episode, from 0.
        episode: usize,
    },
    /// The trajectories are over other spaces than the fit's.
    #[error("the trajectories have {found} {what}, those that were fitted had {expected}")]
    OtherData {
        /// Which space.
        what: &'static str,
        /// Its size in the fit.
        expected: usize,
        /// Its size in the trajectories.
        found: usize,
    },
    /// The fitted parts are no valid model, as with a discount of 1 and no horizon.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// What was asked for does not fit into memory.
    #[error(transparent)]
    Memory(#[from] Shortage),
    /// The hook broke.
    #[error("the call was cancelled")]
    Cancelled,
}

impl FitError {
    pub(crate) fn option(what: &'static str, value: &dyn ToString, expected: &str) -> Self {
        Self::Option { what, value: value.to_string(), expected: expected.into() }
    }
}

/// Checks that an option is a finite number that is not negative.
pub(crate) fn check_weight(what: &'static str, value: f64) -> Result<(), FitError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(FitError::option(what, &value, "a finite number that is not negative"))
}
