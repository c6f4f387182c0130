//! Certified triangulations: for models whose beliefs keep to faces of the simplex with at most three states.
//!
//! One file a step: which faces ([`supports`]), how a face is cut into cells ([`lattice`]), the model as maps between faces
//! ([`geometry`]), where a piecewise linear function can leave its interpolant ([`overlay`]), one stage of the sweep for
//! ambiguous models ([`sweep`]) and for convex ones ([`convex`]), the search for the number of divisions ([`solver`]), and the
//! bounds it all yields ([`bounds`]). The proof is in `docs/apomdp.md`.

pub(crate) mod bounds;
mod convex;
pub(crate) mod estimate;
pub(crate) mod estimates;
mod geometry;
mod lattice;
mod overlay;
pub(crate) mod solver;
mod supports;
mod sweep;
#[cfg(test)]
mod tests;
