//! From recorded trajectories to models and clouds of models.
//!
//! [`fit_mdp`] counts, where the state is what was seen; the sets and clouds around its answer say how little the counts may mean:
//! [`MdpFit::l1`] and [`MdpFit::interval`] hold the true rows with a stated probability, [`MdpFit::posterior`] and
//! [`MdpFit::bootstrap`] draw models that could as well be true. [`fit_pomdp`] finds hidden states by expectation–maximisation, with
//! the same clouds.
//!
//! Every number is a function of the trajectories, the options and the seed: random numbers are counter-based, and sums are made
//! over parts that do not depend on the number of threads. Work is shared over the current rayon pool.
#![forbid(unsafe_code)]
// Only what is inlined into a function compiled for a processor's vectors is compiled with them.
#![allow(clippy::inline_always)]

mod cloud;
mod counts;
mod error;
mod hmm;
mod mdp;
mod mdp_cloud;
mod pomdp;
mod pomdp_cloud;
mod pomdp_model;
mod progress;
mod sets;
mod split;

pub use cloud::{Cloud, CloudOptions};
pub use error::FitError;
pub use mdp::{MdpFit, MdpOptions, MdpReport, Successors, fit_mdp};
pub use pomdp::{Candidate, FirstSymbol, MOST_STATES, PomdpFit, PomdpOptions, PomdpReport, fit_pomdp};
pub use progress::{Hook, Progress, no_hook};
pub use split::HeldOut;
