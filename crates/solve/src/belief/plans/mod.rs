//! Bounds for ambiguous models whose beliefs spread anywhere, from plans of both players.
//!
//! One file a step: a bound on a convex function ([`hull`]), the plans of every stage ([`bounds`]), what the other player makes of a
//! plan ([`answers`]), what can follow a belief ([`survey`]), and the trials that add plans ([`solver`]). The proof is in
//! `docs/apomdp.md`.

mod answers;
pub(crate) mod bounds;
mod hull;
pub(crate) mod solver;
mod survey;
