//! Decision models: MDP, POMDP and ambiguous POMDP (APOMDP) as one validated type, and families of them.
//!
//! A [`Model`] has one reward, one start distribution and one or more [`Dynamics`]. One dynamics without observations is an
//! MDP, one with them a POMDP, several an APOMDP (a robust MDP when the state is observed): see [`Kind`]. Everything downstream
//! — solvers, simulation, encoding — reads this one type.
//!
//! Pure: no threads, no clock, and no file but the one that [`Model::from_file`] is given and those in which the system says how much
//! [`memory`] there is. Randomness comes from the counter-based generator in [`random`].
#![forbid(unsafe_code)]

mod ambiguity;
pub mod belief;
pub mod classic;
mod cloud;
pub mod distribution;
mod environments;
mod error;
mod explicit;
pub mod family;
pub mod format;
mod json;
mod kernel;
pub mod memory;
mod model;
mod objective;
mod observed;
mod policy;
pub mod random;
mod reward;
mod space;

pub use ambiguity::{Ambiguity, Support};
pub use error::ModelError;
pub use explicit::{Explicit, NamedReward};
pub use json::SCHEMA;
pub use kernel::Kernel;
pub use model::{Dynamics, Kind, Model, ModelBuilder, ROUNDING};
pub use objective::{Objective, Quantity, Sense};
pub use observed::{observed_component, observed_component_while};
pub use policy::{Nature, Policy, Tabular};
pub use reward::{Reward, SparseRows};
pub use space::Space;
