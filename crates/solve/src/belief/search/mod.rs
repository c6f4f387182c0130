//! Trial-based search with two-sided bounds, for beliefs that spread anywhere.
//!
//! After heuristic search value iteration (Smith and Simmons, UAI 2004 and 2005), with one set of bounds a stage when there is a
//! horizon. The trials ([`trial`]) know nothing of how bounds are kept: vectors and a sawtooth where the value is convex
//! ([`vectors`], [`sawtooth`], [`fib`]), cones around stored points where it is not ([`cones`]).

mod cells;
pub(crate) mod cones;
mod descent;
mod fib;
mod graph;
mod plans;
mod sawtooth;
pub(crate) mod solver;
mod trial;
pub(crate) mod vectors;
