//! Bounds for ambiguous models whose beliefs spread anywhere, from plans of both players.

pub(crate) mod bounds;
mod hull;
pub(crate) mod solver;
