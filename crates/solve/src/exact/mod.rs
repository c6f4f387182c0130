//! Exact α-vectors of a convex value function, stage by stage: incremental pruning.
//!
//! The story reads in this order: which beliefs there are ([`supports`]), sets of vectors over them ([`vectors`]), the linear
//! programs that say whether a vector is needed ([`game`]), pruning one set and the cross-sum of two ([`prune`]), one stage of
//! dynamic programming ([`stage`]), and the solver that repeats it ([`solver`]) and keeps what it found ([`bounds`]).
//! `docs/exact.md` has the method, its tolerance and its measurements.

pub(crate) mod bounds;
mod budget;
mod game;
mod prune;
pub(crate) mod solver;
mod stage;
mod supports;
mod vectors;
