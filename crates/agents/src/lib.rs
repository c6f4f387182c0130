//! Methods that act after a few examples without a network: they count, plan, sample or look ahead.
//!
//! A [`Method`] is given the structured support of a task, begins an [`Agent`] for each episode, and the agent then sees
//! observations and rewards and gives actions. It knows no tokenizer, no world and no truth: what of a task it may know beyond its
//! support is said in its [`Entry`] ([`Knows`]) and handed over by whoever runs the world. A method is one file, with its options,
//! its source and its tests beside it; [`registry`] lists them.
#![forbid(unsafe_code)]

mod acting;
mod agent;
mod counts;
mod draws;
mod error;
mod hidden;
mod hmm;
mod informed;
mod methods;
mod particles;
mod plan;
mod planned;
mod q_learning;
pub mod registry;
mod table;
mod tracking;
mod trajectories;
mod window;

pub use agent::{Agent, Context, Known, Method, Percept, Prior, Shape};
pub use error::AgentError;
pub use informed::InformedValues;
pub use q_learning::QLearning;
pub use registry::{Entry, Group, Knows};
pub use table::ActionTable;
pub use trajectories::{Step, Trajectories, Transition};
