//! Families and tasks.

use tiresias_guard::napi;
use tiresias_model::family::{self as core, TaskRequest};
use tiresias_study::default_template;

use crate::errors::{Result, from_format, from_model, invalid};
use crate::held::{Held, Home, Weigh, disposable};
use crate::model::Model;

/// A split of a family.
#[napi(object)]
pub struct SplitInfo {
    /// What requests call it.
    #[napi(
        ts_type = "'train' | 'test' | 'validation' | 'ood-horizon' | 'ood-ambiguity' | 'ood-harvest' | 'ood-capacity' | 'ood-noise' | 'ood-risk' | 'ood-response' | 'ood-tests' | 'ood-concentrated' | `ood-${string}`"
    )]
    pub name: String,
    /// What its tasks are like.
    pub description: String,
}

/// A family of tasks.
#[napi(object)]
pub struct FamilyInfo {
    /// What requests call it.
    #[napi(
        ts_type = "'energy' | 'clinical' | 'darkroom' | 'linear' | 'bandit' | `models:${string}` | `json:${string}`"
    )]
    pub name: String,
    /// What its tasks are like.
    pub description: String,
    /// Its splits: `train`, `test` and those out of distribution.
    pub splits: Vec<SplitInfo>,
    /// The regimes that it has tasks of.
    #[napi(ts_type = "('mdp' | 'pomdp' | 'apomdp')[]")]
    pub regimes: Vec<String>,
    /// The horizon it is usually trained with, and a task's when its request names none.
    pub horizon: u32,
    /// Observations (states, where they are seen) of a task at most.
    pub symbols: u32,
}

/// A number that a task was drawn with.
#[napi(object)]
pub struct Parameter {
    /// What the family calls it.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// A drawn task.
#[napi]
pub struct DrawnTask(Held<Drawn>);

/// What was drawn.
pub struct Drawn {
    model: Model,
    true_model: u32,
    parameters: Vec<(String, f64)>,
}

impl Weigh for Drawn {
    const CLASS: &'static str = "DrawnTask";

    fn weight(&self) -> usize {
        self.parameters.iter().map(|(name, _)| name.len() + size_of::<(String, f64)>()).sum()
    }
}

disposable!(DrawnTask);

#[napi]
impl DrawnTask {
    /// The model.
    #[napi(getter)]
    pub fn model(&self) -> Model {
        self.0.model.clone()
    }

    /// The hidden true model of the cloud under `nature: fixed`.
    #[napi(getter)]
    pub fn true_model(&self) -> u32 {
        self.0.true_model
    }

    /// The numbers drawn: the nominal task's, then each model's under `m.`.
    #[napi(getter)]
    pub fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters.iter().map(|(name, value)| Parameter { name: name.clone(), value: *value }).collect()
    }
}

/// All families that are built in.
#[napi]
pub fn families() -> Vec<FamilyInfo> {
    core::families().iter().map(|family| info(family.as_ref())).collect()
}

/// A family, built in or loaded. `UNKNOWN_NAME` for any other.
#[napi]
pub fn family_info(name: String) -> Result<FamilyInfo> {
    core::family(&name).map(|family| info(family.as_ref())).map_err(from_model)
}

/// Makes a folder of model files, or a document, a family, and says what it is. Its name is `models:` or `json:` and a hash of what was read;
/// the process knows it from then on. `INVALID_MODEL_FILE` or `IO`, with the file, for what cannot be one.
#[napi]
pub fn load_family(path: String) -> Result<FamilyInfo> {
    let name = core::load(std::path::Path::new(&path)).map_err(from_format)?;
    family_info(name)
}

fn info(family: &dyn core::Family) -> FamilyInfo {
    let text = |&(name, description): &(&str, &str)| SplitInfo { name: name.into(), description: description.into() };
    FamilyInfo {
        name: family.name().into(),
        description: family.description().into(),
        splits: family.splits().iter().map(text).collect(),
        regimes: family.regimes().iter().map(ToString::to_string).collect(),
        horizon: family.horizon() as u32,
        symbols: family.max_symbols() as u32,
    }
}

/// Draws a task. `request` is `{"split","index","seed","regime","horizon","models","alpha"}` as JSON; without a horizon the
/// family's own.
#[napi]
pub fn draw_task(family: String, request: String) -> Result<DrawnTask> {
    let unreadable = |e| invalid(format!("task request: {e}"));
    let family = core::family(&family).map_err(from_model)?;
    let mut request: serde_json::Value = serde_json::from_str(&request).map_err(unreadable)?;
    if let Some(fields) = request.as_object_mut() {
        fields.entry("horizon").or_insert(family.horizon().into());
    }
    let request: TaskRequest = serde_json::from_value(request).map_err(unreadable)?;
    let task = family.task(&request).map_err(from_model)?;
    let drawn =
        Drawn { model: Model::new(task.model), true_model: task.true_model as u32, parameters: task.parameters };
    Ok(DrawnTask(Held::new(&Home::here(), drawn)))
}

/// The family's default few-shot template in a regime, as JSON.
#[napi(js_name = "defaultTemplate")]
pub fn default_template_json(
    family: String,
    #[napi(ts_arg_type = "'mdp' | 'pomdp' | 'apomdp'")] regime: String,
) -> Result<String> {
    let family = core::family(&family).map_err(from_model)?;
    let regime = regime.parse().map_err(from_model)?;
    Ok(default_template(family.as_ref(), regime).canonical_json())
}
