//! Simulation: one written contract, behaviour policies, and batched rollouts.
//!
//! # The simulation contract
//!
//! An episode starts in `s_0 ~ b0`. At stage `t = 0, 1, …` the decision-maker sees the state `s_t` (fully observed) or the
//! observation `o_t` (partially observed; nothing at `t = 0`), chooses `a_t`, nature chooses a model `m` of the cloud, then
//! `s_{t+1} ~ P_m[a_t][s_t]`, `o_{t+1} ~ Q_m[a_t][s_{t+1}]`, and the reward is `R(s_t, a_t, s_{t+1}, o_{t+1})`, discounted by
//! `γ^t`. After the last stage the final reward of the state reached, if the model has one, is added, discounted by `γ^H`.
//! Terminal states absorb and give no reward.
//!
//! # Random numbers
//!
//! Every draw is a Philox block keyed by the caller's [`Key`](tiresias_model::random::Key) at counter (episode, stage): the
//! numbers an episode meets do not depend on threads, batches or on what other episodes do. Two policies simulated with one
//! key share their random numbers (common random numbers).
#![forbid(unsafe_code)]
// Only what is inlined into a SIMD level's own function is compiled with its instructions.
#![allow(clippy::inline_always)]

mod behaviour;
mod belief_batch;
mod chain;
mod environments;
mod episode;
mod filter;
mod level;
mod lockstep;
mod philox;
mod rollout;
mod rows;

pub use behaviour::{Behaviour, BehaviourError};
pub use belief_batch::BeliefBatch;
pub use environments::{Environments, EnvironmentsError};
pub use episode::{Episode, NatureRule, Step, World};
pub use filter::{BeliefFilter, Real};
pub use level::{LEVEL_VARIABLE, Level, LevelError};
pub use rollout::{Batch, Record, RolloutSpec, rollout, rollout_into};
