//! How trajectories are laid out as text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::tokenizer::hex;
use crate::{Error, Result};

/// The widest field, in digits.
pub(crate) const WIDEST: u32 = 5;

/// One rollout, step by step. The three slices have one entry a step.
#[derive(Debug, Clone, Copy)]
pub struct Trajectory<'a> {
    /// What was seen before each action (the state, for an MDP); -1 where nothing was.
    pub observations: &'a [i32],
    /// The executed actions.
    pub actions: &'a [u8],
    /// The rewards that followed, in the model's own units.
    pub rewards: &'a [f64],
}

impl<'a> From<tiresias_data::Episode<'a>> for Trajectory<'a> {
    fn from(episode: tiresias_data::Episode<'a>) -> Self {
        Self { observations: episode.observations, actions: episode.actions, rewards: episode.rewards }
    }
}

/// How many symbols a model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dims {
    /// The number of observations (of states, for an MDP).
    pub observations: usize,
    /// The number of actions, at most 10.
    pub actions: usize,
}

/// Whether the query's own rewards can be read by the model that acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueryReward {
    /// They are printed like the support's.
    #[default]
    Shown,
    /// Missing symbols stand in their place.
    Hidden,
}

/// The layout of an example:
/// the header, then for every support trajectory the support marker and its steps, then the query marker and its steps.
/// A step is the line `o,a,r\n`: observation, action, reward, each a zero-padded decimal of fixed width. No digit may
/// stand in the header or a marker, and no two white-space characters may follow each other anywhere.
///
/// A reward `r` is printed as the whole number `round(r * reward_scale) + reward_offset`.
///
/// The default prints the energy family's MDPs (10 levels, rewards from -2.0 to 3.0 in steps of 0.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Template {
    /// The first text of an example; by convention the regime: `"mdp\n"`, `"pomdp\n"` or `"apomdp\n"`.
    pub header: String,
    /// Stands before every support trajectory.
    pub support_marker: String,
    /// Stands before the query trajectory.
    pub query_marker: String,
    /// Digits of an observation, 1 to 5.
    pub observation_width: u32,
    /// Digits of an action; always 1, because an action is one token.
    pub action_width: u32,
    /// Digits of a reward, 1 to 5.
    pub reward_width: u32,
    /// Symbols per unit of reward: 10 for rewards on a grid of 0.1.
    pub reward_scale: f64,
    /// The symbol of reward 0; large enough that no symbol is negative.
    pub reward_offset: i64,
    /// Fills a field, repeated to its width, where there is no observation or the reward is hidden.
    pub missing: char,
    /// Whether the query's rewards are printed.
    pub query_reward: QueryReward,
}

impl Default for Template {
    fn default() -> Self {
        Self {
            header: "mdp\n".into(),
            support_marker: "#\n".into(),
            query_marker: "?\n".into(),
            observation_width: 1,
            action_width: 1,
            reward_width: 2,
            reward_scale: 10.0,
            reward_offset: 20,
            missing: 'x',
            query_reward: QueryReward::Shown,
        }
    }
}

impl Template {
    /// The default with another regime's header (`"mdp"`, `"pomdp"`, `"apomdp"`) and an observation field wide enough
    /// for `observations` symbols.
    pub fn for_regime(regime: &str, observations: usize) -> Self {
        let last = observations.saturating_sub(1);
        Self {
            header: format!("{regime}\n"),
            observation_width: last.checked_ilog10().unwrap_or(0) + 1,
            ..Self::default()
        }
    }

    /// The SHA-256 of the template's canonical JSON (keys sorted, no white space), 64 lower-case hexadecimal digits.
    pub fn sha256(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.canonical_json());
        hex(digest)
    }

    /// The template as JSON with sorted keys and no white space.
    pub fn canonical_json(&self) -> String {
        // A sorted map of its own: serde_json's object keeps insertion order when any crate in the build asks for that.
        let value = serde_json::to_value(self).expect("a template is plain data");
        let sorted: BTreeMap<&String, &serde_json::Value> =
            value.as_object().expect("a struct is an object").iter().collect();
        serde_json::to_string(&sorted).expect("a template is plain data")
    }

    /// Checks the rules that do not depend on a tokenizer or on dimensions.
    pub fn validate(&self) -> Result<()> {
        for (field, text) in
            [("header", &self.header), ("support_marker", &self.support_marker), ("query_marker", &self.query_marker)]
        {
            if let Some(digit) = text.chars().find(|c| c.is_numeric()) {
                return Err(rule(field, format!("{text:?} holds the digit {digit:?}; digits are kept for the fields")));
            }
        }
        for (field, text) in [("support_marker", &self.support_marker), ("query_marker", &self.query_marker)] {
            if text.is_empty() {
                return Err(rule(field, "is empty; trajectories could not be told apart".into()));
            }
        }
        if self.support_marker == self.query_marker {
            return Err(rule("query_marker", format!("equals the support marker {:?}", self.support_marker)));
        }
        if self.missing.is_numeric() || self.missing.is_whitespace() || self.missing == ',' {
            return Err(rule("missing", format!("{:?} must not be a digit, white space or the comma", self.missing)));
        }
        for (field, width) in [("observation_width", self.observation_width), ("reward_width", self.reward_width)] {
            if !(1..=WIDEST).contains(&width) {
                return Err(rule(field, format!("{width} is not in 1..={WIDEST}")));
            }
        }
        if self.action_width != 1 {
            return Err(rule(
                "action_width",
                format!("{}, but an action is one digit, as one action is one token", self.action_width),
            ));
        }
        if !self.reward_scale.is_finite() || self.reward_scale <= 0.0 {
            return Err(rule("reward_scale", format!("{} is not a positive number", self.reward_scale)));
        }
        if self.reward_offset.unsigned_abs() > 1 << 31 {
            return Err(rule("reward_offset", format!("{} is beyond 2^31", self.reward_offset)));
        }
        self.joints().check_white_space()
    }

    /// Checks that `dims` fit the fields.
    pub(crate) fn fits(&self, dims: Dims) -> Result<()> {
        let limit = 10_usize.pow(self.observation_width);
        if dims.observations == 0 || dims.observations > limit {
            let reason = format!(
                "{} holds 0..{limit}, but there are {} observations",
                self.observation_width, dims.observations
            );
            return Err(rule("observation_width", reason));
        }
        if dims.actions == 0 || dims.actions > 10 {
            let reason = format!("one digit holds 1 to 10 actions, but there are {}", dims.actions);
            return Err(rule("action_width", reason));
        }
        Ok(())
    }

    /// How many reward symbols there are.
    pub(crate) fn reward_symbols(&self) -> usize {
        10_usize.pow(self.reward_width)
    }

    /// The template's grid of rewards.
    pub(crate) fn grid(&self) -> Grid {
        Grid { scale: self.reward_scale, offset: self.reward_offset as f64, limit: self.reward_symbols() as f64 }
    }
}

/// Turns rewards into symbols.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    scale: f64,
    offset: f64,
    limit: f64,
}

impl Grid {
    /// The symbol of a reward that is on the grid and in its range.
    #[inline]
    pub(crate) fn symbol(&self, reward: f64) -> Option<usize> {
        // Adding and subtracting 1.5 * 2^52 rounds to the nearest whole number without a call into the maths library.
        const ROUND: f64 = 6_755_399_441_055_744.0;
        let scaled = reward * self.scale;
        let whole = (scaled + ROUND) - ROUND;
        let symbol = whole + self.offset;
        // Written so that NaN fails too.
        let fits = (scaled - whole).abs() <= 1e-6 && symbol >= 0.0 && symbol < self.limit;
        // A field has at most five digits: the narrow conversion is the cheap one.
        fits.then_some(symbol as i32 as usize)
    }

    /// Says why `reward` has no symbol.
    #[cold]
    pub(crate) fn error(&self, reward: f64, step: usize) -> Error {
        let scaled = reward * self.scale;
        if (scaled - scaled.round()).abs() <= 1e-6 {
            return Error::RewardRange {
                reward,
                step,
                symbol: scaled.round() + self.offset,
                limit: self.limit as usize,
            };
        }
        Error::RewardOffGrid { reward, step, scale: self.scale }
    }
}

fn rule(field: &'static str, reason: String) -> Error {
    Error::Template { field, reason }
}

/// Checks that a trajectory's slices agree.
pub(crate) fn check_shape(trajectory: &Trajectory<'_>) -> Result<usize> {
    let Trajectory { observations, actions, rewards } = trajectory;
    if actions.is_empty() || observations.len() != actions.len() || rewards.len() != actions.len() {
        let reason = format!(
            "{} observations, {} actions and {} rewards; the three must be equally many and at least one",
            observations.len(),
            actions.len(),
            rewards.len()
        );
        return Err(Error::Shape { what: "trajectory", reason });
    }
    Ok(actions.len())
}
