//! Sets around rows, with hidden states: nature chooses a row anew at every decision, for every state and action apart.
//!
//! `V(b) = max_a min over p_s in U(s,a) of Σ_s b(s) Σ_s' p_s(s') (r(s,a,s') + γ …)`: robust POMDPs (Osogami, "Robust partially observable
//! Markov decision process", ICML 2015; Krale, 2026, solves them by heuristic search). As the sets are convex and rectangular, `V` is
//! convex in the belief, which clouds' is not; so are sets around rows of observations, Q(a,s'), whose choice is made with the next
//! state. `docs/ambiguity.md` has the theory and what the other kinds mean.
//!
//! | file | |
//! | --- | --- |
//! | `solver` | trials between both bounds |
//! | `bounds` | vectors below, points and corners above |
//! | `saddle` | one decision against nature: the best mixtures of vectors, and nature's best answer |
//! | `nature` | nature's answers to values, row by row |
//! | `controller` | what is handed out: a controller that draws its successors, and what it is worth |
//! | `file` | the whole solution as a document, and read back |

mod bounds;
mod controller;
mod file;
mod nature;
mod saddle;
mod solver;

pub use controller::{Drawn, StochasticController};
pub use file::ROBUST_POLICY_SCHEMA;
pub use solver::{RobustSolution, RobustStats, solve_robust};
