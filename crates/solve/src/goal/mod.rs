//! Problems without a discount: reaching a goal as surely, or as cheaply, as can be, however long it takes. `docs/indefinite-horizon.md` has the
//! theory.

mod beliefs;
mod components;
mod controller;
mod plans;
mod problem;
mod process;
mod quotient;
mod solver;
mod tighten;

pub use controller::{Controller, Move, Node, Randomised};
pub use solver::{GoalSolution, solve_goal};
