//! Families and tasks.

use std::sync::Arc;

use napi_derive::napi;
use tiresias_model::family::{self as core, TaskRequest};
use tiresias_study::default_template;

use crate::errors::{Result, from_model, invalid};
use crate::model::Model;

/// A split of a family.
#[napi(object)]
pub struct SplitInfo {
    pub name: String,
    pub description: String,
}

/// A family of tasks.
#[napi(object)]
pub struct FamilyInfo {
    pub name: String,
    pub description: String,
    pub splits: Vec<SplitInfo>,
    pub regimes: Vec<String>,
}

/// A number that a task was drawn with.
#[napi(object)]
pub struct Parameter {
    pub name: String,
    pub value: f64,
}

/// A drawn task.
#[napi]
pub struct DrawnTask {
    model: Model,
    true_model: u32,
    parameters: Vec<(String, f64)>,
}

#[napi]
impl DrawnTask {
    /// The model.
    #[napi(getter)]
    pub fn model(&self) -> Model {
        self.model.clone()
    }

    /// The hidden true model of the cloud under `nature: fixed`.
    #[napi(getter)]
    pub fn true_model(&self) -> u32 {
        self.true_model
    }

    /// The numbers drawn: the nominal task's, then each model's under `m.`.
    #[napi(getter)]
    pub fn parameters(&self) -> Vec<Parameter> {
        self.parameters.iter().map(|(name, value)| Parameter { name: name.clone(), value: *value }).collect()
    }
}

/// All families.
#[napi]
pub fn families() -> Vec<FamilyInfo> {
    let text = |&(name, description): &(&str, &str)| SplitInfo { name: name.into(), description: description.into() };
    core::families()
        .iter()
        .map(|family| FamilyInfo {
            name: family.name().into(),
            description: family.description().into(),
            splits: family.splits().iter().map(text).collect(),
            regimes: ["mdp", "pomdp", "apomdp"].map(String::from).to_vec(),
        })
        .collect()
}

/// Draws a task. `request` is `{"split","index","seed","regime","horizon","models","alpha"}` as JSON.
#[napi]
pub fn draw_task(family: String, request: String) -> Result<DrawnTask> {
    let request: TaskRequest = serde_json::from_str(&request).map_err(|e| invalid(format!("task request: {e}")))?;
    let task = core::family(&family).and_then(|family| family.task(&request)).map_err(from_model)?;
    Ok(DrawnTask {
        model: Model(Arc::new(task.model)),
        true_model: task.true_model as u32,
        parameters: task.parameters,
    })
}

/// The family's default few-shot template in a regime, as JSON.
#[napi(js_name = "defaultTemplate")]
pub fn default_template_json(family: String, regime: String) -> Result<String> {
    let family = core::family(&family).map_err(from_model)?;
    let regime = regime.parse().map_err(from_model)?;
    Ok(default_template(family.as_ref(), regime).canonical_json())
}
