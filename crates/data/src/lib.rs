//! Trajectories: what was seen, done and earned, in columns.
//!
//! [`Trajectories`] is the one shape of recorded decisions, wherever they come from: a file of somebody's records, or a simulation.
#![forbid(unsafe_code)]

mod error;
mod trajectories;

pub use error::DataError;
pub use trajectories::{Columns, Episode, NOTHING, Trajectories};
