//! Why a number is refused.

use std::fmt;

/// Something that the target does and the data do not show.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// What was seen, or [`NOTHING`](tiresias_data::NOTHING).
    pub observation: i32,
    /// What the target does there and nobody did.
    pub action: u8,
    /// The stages meant, from `.0` and below `.1`; all stages where counts are not kept apart.
    pub stages: (usize, usize),
    /// Logged steps at which the target does it.
    pub steps: usize,
    /// The target's mean probability of it at these steps.
    pub probability: f64,
    /// Where the first episodes with such steps begin in their source (`origins`), or their numbers from 0 where there is no source.
    pub first: Vec<u64>,
}

/// Why a number is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// The target does what the data do not show.
    Support {
        /// What and where: those with the most steps.
        gaps: Vec<Gap>,
        /// How many there are in all.
        total: usize,
    },
    /// No logged episode is possible under the target up to and with this stage.
    NoWeight {
        /// The first such stage.
        stage: usize,
    },
    /// The weights leave too few episodes that count.
    Effective {
        /// The effective sample size.
        effective: f64,
        /// What it had to be.
        least: f64,
    },
    /// One episode decides the number.
    OneWeight {
        /// Its share of all weight.
        share: f64,
        /// Where it begins in its source, or its number from 0.
        episode: u64,
    },
    /// The number is too large for a double.
    Overflow,
    /// The number is not defined on more than one resample in twenty, so that there is no interval.
    Undefined {
        /// How many those are.
        resamples: usize,
    },
}

impl Refusal {
    /// The kind in one word: `support`, `no-weight`, `effective`, `one-weight`, `overflow` or `undefined`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Support { .. } => "support",
            Self::NoWeight { .. } => "no-weight",
            Self::Effective { .. } => "effective",
            Self::OneWeight { .. } => "one-weight",
            Self::Overflow => "overflow",
            Self::Undefined { .. } => "undefined",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Support { gaps, total } => {
                write!(f, "the target does what the data do not show, in {total} places")?;
                for (index, gap) in gaps.iter().enumerate() {
                    let Gap { observation, action, steps, probability, first, .. } = gap;
                    write!(
                        f,
                        "{}action {action} after observation {observation} ",
                        if index == 0 { ": " } else { "; " }
                    )?;
                    write!(f, "({steps} steps, probability {probability:.3}, first in {first:?})")?;
                }
                Ok(())
            }
            Self::NoWeight { stage } => write!(f, "no episode is possible under the target up to stage {stage}"),
            Self::Effective { effective, least } => {
                write!(f, "the effective sample size is {effective:.1}, and {least:.1} are needed")
            }
            Self::OneWeight { share, episode } => {
                write!(f, "the episode at {episode} has {:.0} % of all weight", 100.0 * share)
            }
            Self::Overflow => f.write_str("the number is too large"),
            Self::Undefined { resamples } => write!(f, "the number is not defined on {resamples} resamples"),
        }
    }
}
