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
//! Every draw is a 32-bit word of Philox4x32-10 keyed by the caller's [`Key`](tiresias_model::random::Key), and a pure function of
//! (key, episode, purpose, number). Purposes have streams of their own, numbered 0 to 4:
//!
//! | purpose | draw 0 | draw t + 1 |
//! |---|---|---|
//! | 0 state | `s_0` | `s_{t+1}` |
//! | 1 observation | | `o_{t+1}` |
//! | 2 behaviour | the component of a mixture | whether stage t explores |
//! | 3 action | | the random action of stage t |
//! | 4 nature | | the model that moves stage t |
//!
//! A block holds four consecutive draws: draw `n` is word `n mod 4` of the block at counter (episode, `n / 4`, purpose). So the
//! numbers an episode meets do not depend on threads, batches or on what other episodes do, a step costs a quarter of a block for
//! each purpose that it reads, and two policies simulated with one key share their random numbers (common random numbers), whether
//! one of them explores or not.
#![forbid(unsafe_code)]
// Only what is inlined into a SIMD level's own function is compiled with its instructions.
#![allow(clippy::inline_always)]

mod behaviour;
mod belief_batch;
mod chain;
mod conduct;
mod environments;
mod episode;
mod exact;
mod filter;
mod isa;
mod level;
mod lockstep;
mod mind;
mod packed;
mod philox;
mod record;
mod registers;
mod robustness;
mod rollout;
mod rows;
mod simulate;
mod sparse_filter;
mod stream;
mod summary;

pub use behaviour::{Behaviour, BehaviourError};
pub use belief_batch::BeliefBatch;
pub use environments::{Environments, EnvironmentsError};
pub use episode::{Episode, NatureRule, Step, World};
pub use exact::response_value;
pub use filter::{BeliefFilter, Real};
pub use level::{LEVEL_VARIABLE, Level, LevelError};
pub use robustness::{Robustness, Valuation};
pub use rollout::{Batch, Columns, Record, RolloutSpec, Simulator, Stop, rollout, rollout_into};
pub use simulate::{Actor, EpisodesHook, SimulateError, Simulation};
pub use summary::Summary;
