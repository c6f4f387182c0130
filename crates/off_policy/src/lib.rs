//! What another policy would have earned, from recorded decisions alone.
//!
//! [`estimate`] takes logged episodes and the probabilities that a target policy gives to every action at every logged step, and
//! returns the target's value by several estimators: importance sampling, fitted Q evaluation, doubly robust. Each has an interval
//! (a bootstrap over episodes) and an effective sample size beside it; a number that the data do not support is refused, and the
//! refusal says where. What each estimator assumes is in `docs/off-policy.md`.
//!
//! The value is that of the recorded steps: `Σ γ^t r_t` from an episode's first step to its last, whether it ended there by itself or
//! the record stops.
#![forbid(unsafe_code)]

mod behaviour;
mod bootstrap;
mod doubly_robust;
mod effective;
mod error;
mod estimate;
mod follow;
mod fqe;
mod importance;
mod log;
mod normal;
mod occupancy;
mod options;
mod overlap;
mod ratio;
mod refusal;
mod sums;
mod weights;
mod work;

pub use error::Error;
pub use estimate::{Assumption, Diagnostics, Estimate, Estimates, Source, estimate};
pub use follow::probabilities;
pub use importance::Estimator;
pub use log::{Probability, Target};
pub use options::{Behaviour, Fit, Interval, Options};
pub use refusal::{Gap, Refusal};
pub use work::{Hook, Progress, no_hook};

/// How far the target's probabilities of one step may sum to something else than 1.
pub const ROUNDING: f64 = 1e-6;
