//! Trajectories: what was seen, done and earned, in columns.
//!
//! [`Trajectories`] is the one shape of recorded decisions, wherever they come from: a file of somebody's records ([`logs`]), or a
//! simulation. Its own files are [`file`]'s.
#![forbid(unsafe_code)]

mod belongs;
mod error;
pub mod file;
pub mod logs;
pub mod parquet_file;
mod trajectories;

pub use error::DataError;
pub use trajectories::{Columns, Episode, NOTHING, Trajectories};
