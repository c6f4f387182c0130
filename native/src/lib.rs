//! The Node addon: converts, schedules and catches; no algorithm lives here.
//!
//! Synchronous calls borrow their inputs; long ones are [`background`] jobs on threads of our own ([`jobs`]), which share rayon pools,
//! report progress through weak callbacks (which never keep the process alive) and stop when their `CancelToken` says so. A
//! panic in either becomes a JavaScript error: `#[napi]` is `tiresias_guard`'s, which guards whatever is exported.

// napi hands over owned strings and objects.
#![allow(clippy::needless_pass_by_value)]
// napi's exports vanish from a test build, which checkers of all targets make though this crate has no tests of its own.
#![cfg_attr(test, allow(dead_code, unused_imports))]

mod arrays;
mod background;
mod belief;
mod classic;
mod decide;
mod environments;
mod episodes;
mod errors;
mod family;
mod fit;
mod games;
mod goal;
mod held;
mod jobs;
mod logs;
mod model;
mod off_policy;
mod policy_files;
mod policy_graph;
mod pools;
mod records;
mod rollout;
mod sharing;
mod simulate;
mod solve;
mod solve_batch;
mod state_table;
mod study;
mod theory;
mod tokenizer;

use tiresias_guard::napi;

/// Checks that so many bytes may be asked for. `INVALID_ARGUMENT`, with what was asked for, how much it needs, how much there is and what
/// lowers it, when they may not.
#[napi]
pub fn check_memory(needed: f64, what: String, advice: String) -> errors::Result<()> {
    // A cast that is out of range saturates, and NaN, a count that is none, is refused where it is read.
    tiresias_model::memory::check(needed as usize, || what, &advice).map_err(errors::invalid)
}

/// The version of the addon, equal to the package's.
#[napi]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}
