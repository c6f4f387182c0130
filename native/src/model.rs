//! Models.

use std::sync::Arc;

use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;
use tiresias_model as core;

use crate::errors::{Result, from_model, invalid, whole};

/// A validated decision model: MDP, POMDP, robust MDP or APOMDP. Immutable.
#[napi]
#[derive(Clone)]
pub struct Model(pub(crate) Arc<core::Model>);

#[napi]
impl Model {
    /// Reads a `tiresias.model/1` JSON document.
    #[napi(factory)]
    pub fn from_json(text: String) -> Result<Self> {
        core::Model::from_json(&text).map(|model| Self(Arc::new(model))).map_err(from_model)
    }

    /// The canonical JSON document.
    #[napi]
    pub fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// SHA-256 of the canonical JSON, in hexadecimal.
    #[napi]
    pub fn sha256(&self) -> String {
        self.0.sha256()
    }

    /// The same model with another horizon or ambiguity attitude; what is left out stays.
    #[napi]
    pub fn with(&self, horizon: Option<f64>, alpha: Option<f64>) -> Result<Self> {
        let mut parts = self.0.to_builder();
        parts.horizon = horizon.map(|h| whole("horizon", h, 1, u32::MAX)).transpose()?.or(parts.horizon);
        parts.alpha = alpha.unwrap_or(parts.alpha);
        parts.build().map(|model| Self(Arc::new(model))).map_err(from_model)
    }

    /// A name for people.
    #[napi(getter)]
    pub fn name(&self) -> String {
        self.0.name().into()
    }

    /// `mdp`, `robust-mdp`, `pomdp` or `apomdp`.
    #[napi(getter)]
    pub fn kind(&self) -> String {
        self.0.kind().name().into()
    }

    /// Number of states, S.
    #[napi(getter)]
    pub fn states(&self) -> u32 {
        self.0.states().len() as u32
    }

    /// Number of actions, A.
    #[napi(getter)]
    pub fn actions(&self) -> u32 {
        self.0.actions().len() as u32
    }

    /// Number of observations, O; 0 when the state itself is observed.
    #[napi(getter)]
    pub fn observations(&self) -> u32 {
        self.0.observations().map_or(0, |o| o.len() as u32)
    }

    /// Size of the cloud, M.
    #[napi(getter)]
    pub fn models(&self) -> u32 {
        self.0.dynamics().len() as u32
    }

    /// Discount factor.
    #[napi(getter)]
    pub fn discount(&self) -> f64 {
        self.0.discount()
    }

    /// Number of decisions; `null` for an infinite horizon.
    #[napi(getter)]
    pub fn horizon(&self) -> Option<u32> {
        self.0.horizon().map(|h| h as u32)
    }

    /// Ambiguity attitude α.
    #[napi(getter)]
    pub fn alpha(&self) -> f64 {
        self.0.alpha()
    }

    /// Name (or number) of state `i`.
    #[napi]
    pub fn state_name(&self, i: u32) -> Result<String> {
        name(Some(self.0.states()), "state", i)
    }

    /// Name (or number) of action `i`.
    #[napi]
    pub fn action_name(&self, i: u32) -> Result<String> {
        name(Some(self.0.actions()), "action", i)
    }

    /// Name (or number) of observation `i`.
    #[napi]
    pub fn observation_name(&self, i: u32) -> Result<String> {
        name(self.0.observations(), "observation", i)
    }

    /// The start distribution b0, length S.
    #[napi]
    pub fn start(&self) -> Float64Array {
        Float64Array::new(self.0.start().to_vec())
    }
}

fn name(space: Option<&core::Space>, what: &str, i: u32) -> Result<String> {
    match space {
        Some(space) if (i as usize) < space.len() => Ok(space.name(i as usize)),
        _ => Err(invalid(format!("{what} {i} does not exist"))),
    }
}

/// Checks that `belief` is a distribution over the model's states.
pub fn check_belief<'a>(model: &core::Model, belief: &'a [f64]) -> Result<&'a [f64]> {
    let s = model.states().len();
    if belief.len() != s {
        return Err(invalid(format!("belief has {} entries, the model has {s} states", belief.len())));
    }
    let sum: f64 = belief.iter().sum();
    if belief.iter().any(|p| !(0.0..=1.0 + 1e-9).contains(p)) || (sum - 1.0).abs() > 1e-6 {
        return Err(invalid(format!("belief is not a distribution: it sums to {sum}")));
    }
    Ok(belief)
}

/// Checks that `action` exists.
pub fn check_action(model: &core::Model, action: f64) -> Result<usize> {
    whole("action", action, 0, model.actions().len() as u32 - 1)
}
