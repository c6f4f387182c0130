//! Trial-based search with two-sided bounds, for beliefs that spread anywhere.
//!
//! After heuristic search value iteration (Smith and Simmons, UAI 2004 and 2005), with one set of bounds a stage when there is a
//! horizon: vectors and a sawtooth where the value is convex ([`vectors`], [`sawtooth`], [`fib`]). Where it is not, the plans of
//! [`crate::belief::plans`] take their place.

mod cells;
mod compare;
mod controller;
mod corner_values;
mod descent;
mod effort;
mod fib;
mod graph;
mod grid;
mod improve;
mod leaps;
mod lineage;
mod plans;
mod prune;
mod sawtooth;
pub(crate) mod screens;
pub(crate) mod solver;
mod sweep;
mod team;
pub(crate) mod vectors;
