//! Models whose state is not observed: POMDPs and ambiguous POMDPs.

pub(crate) mod backup;
pub(crate) mod bounds;
pub(crate) mod corner_solver;
pub(crate) mod corners;
pub(crate) mod decide;
pub(crate) mod faces;
#[cfg(test)]
mod improvable;
pub(crate) mod plans;
pub(crate) mod screen;
pub(crate) mod search;
pub(crate) mod value_function;
