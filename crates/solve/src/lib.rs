//! Oracles: solvers with two-sided bounds, and the policies they return.
//!
//! A [`Solver`] turns a [`tiresias_model::Model`] into a [`Solution`]: proven lower and upper bounds on the value at the start
//! distribution, the cost, the reason for stopping, and a [`SolvedPolicy`] that maps (stage, belief) to an action and bounds the
//! regret of any action there. [`auto`] picks the solver. Values are expected total rewards, discounted to the stage they are
//! asked for.
//!
//! Pure but for the clock that time limits need: no files, no randomness, and the same result for any number of threads.
#![forbid(unsafe_code)]
// Only what is inlined into a SIMD level's own function is compiled with its instructions.
#![allow(clippy::inline_always)]

mod acting;
mod assessment;
mod auto;
mod belief;
mod direct;
mod error;
mod evaluate;
mod exact;
pub mod formats;
mod goal;
mod limits;
mod linear;
mod mdp;
mod policy;
mod refine;
mod registry;
mod robust;
mod save;
mod solver;
mod static_form;
mod weight;

pub use acting::ActingPolicy;
pub use assessment::Assessment;
pub use auto::{auto, solve_batch};
pub use belief::corner_solver::CornerBounds;
pub use belief::faces::estimate::Estimate;
pub use belief::faces::solver::Faces;
pub use belief::plans::solver::Plans;
pub use belief::search::solver::Search;
pub use direct::Direct;
pub use error::SolveError;
pub use evaluate::{random_value, staged_actions_value, staged_policy_value};
pub use exact::solver::Exact;
pub use goal::{Controller, GoalSolution, Move, Node, Randomised, solve_goal};
pub use limits::{Hook, Limits, Progress, Stopped, no_hook};
pub use mdp::backward::BackwardInduction;
pub use mdp::modified_policy_iteration::ModifiedPolicyIteration;
pub use mdp::policy_iteration::PolicyIteration;
pub use mdp::value_iteration::ValueIteration;
pub use policy::SolvedPolicy;
pub use registry::{Entry as SolverEntry, SOLVERS, solver};
pub use robust::{Drawn, ROBUST_POLICY_SCHEMA, RobustSolution, RobustStats, StochasticController, solve_robust};
pub use save::POLICY_SCHEMA;
pub use solver::{Solution, Solver, Stats};
pub use static_form::{
    First, Plan, Player, Pure, STATIC_POLICY_SCHEMA, StaticSolution, StaticStats, Weighted, solve_static,
};
