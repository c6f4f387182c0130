//! The static form of ambiguity: one model of the cloud is true to the end, and nobody tells which.
//!
//! `max over π of H^α_m J_m(π)`, where `J_m(π)` is what policy π earns under model m and `H^α = α min_m + (1-α) max_m`. The policy may
//! be drawn at random before the first decision; `docs/ambiguity.md` has the theory, its sources and what the other kinds of
//! ambiguity mean.
//!
//! | file | |
//! | --- | --- |
//! | `solver` | plans against priors, until neither side gains: bounds from both |
//! | `oracle` | the best answer to a prior over the cloud, and what it is worth under each model |
//! | `game` | the best mixture of the plans at hand, and the prior that is worst for them |
//! | `file` | what is handed out as a document, and read back |
//! | `play` | what a plan does as an episode goes on |
//! | `pure` | the best plan without drawing, by enumeration |

mod file;
mod game;
mod oracle;
mod play;
mod pure;
mod solver;

pub use file::STATIC_POLICY_SCHEMA;
pub use play::Player;
pub use solver::solve_static;

use serde::{Deserialize, Serialize};

use crate::Stopped;
use crate::formats::Controller;

/// What [`solve_static`] returns. `lower <= V <= upper` is proven up to rounding, whatever the reason for stopping, and whoever plays
/// [`mixture`](Self::mixture) earns [`worth`](Self::worth)`[m]` if model m is true: `lower` is `H^α` of that.
#[derive(Debug, Clone)]
pub struct StaticSolution {
    /// What the mixture earns for certain.
    pub lower: f64,
    /// What no policy earns more than: the value of the POMDP in which the true model is drawn from [`prior`](Self::prior), where
    /// α = 1.
    pub upper: f64,
    /// A distribution over the cloud (length M) that is worst for the decision-maker, as far as was found.
    pub prior: Vec<f64>,
    /// Plans and the probabilities with which one of them is drawn before the first decision and then kept to; likeliest first.
    pub mixture: Vec<Weighted>,
    /// What the mixture earns under each model, length M.
    pub worth: Vec<f64>,
    /// The same question for policies that draw nothing.
    pub pure: Pure,
    /// What it cost.
    pub stats: StaticStats,
    /// Why it stopped.
    pub stopped: Stopped,
}

/// What a static solve cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StaticStats {
    /// Wall time.
    pub seconds: f64,
    /// Priors that were answered.
    pub priors: u64,
    /// Plans at hand at the end.
    pub plans: usize,
}

impl StaticSolution {
    /// `upper - lower`.
    pub fn gap(&self) -> f64 {
        self.upper - self.lower
    }
}

/// A plan and how likely it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Weighted {
    /// Positive; those of a mixture sum to 1.
    pub probability: f64,
    /// The plan.
    pub plan: Plan,
}

/// A plan that draws nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// What it earns under each model of the cloud, length M.
    pub worth: Vec<f64>,
    /// Where the state is hidden, one controller. Where it is seen, one for each state that the first may be, as that is seen before the
    /// first decision; their observations are the states moved to. Each begins in its node 0.
    pub controllers: Vec<First>,
}

/// The controller to follow from a first state on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct First {
    /// The first state, where it is seen.
    pub state: Option<usize>,
    /// Its node 0 is the one to start in.
    pub controller: Controller,
}

/// The best that can be done without drawing at random.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pure {
    /// What [`plan`](Self::plan) earns for certain.
    pub lower: f64,
    /// What no such policy earns more than; `lower` where all were gone through, else what no policy at all does.
    pub upper: f64,
    /// The best plan found.
    pub plan: Plan,
}

/// `α min + (1-α) max` of what is earned under each model.
pub(crate) fn attitude(alpha: f64, worth: &[f64]) -> f64 {
    let (least, most) =
        worth.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    crate::mdp::backup::blend(alpha, least, most)
}
