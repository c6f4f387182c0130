//! Models.

use std::borrow::Cow;
use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Either, Float64Array, Function, JsObjectValue, Object};
use tiresias_guard::napi;
use tiresias_model as core;
use tiresias_model::format::{Diagnostic, Format, Loaded, ReadOptions};

use crate::errors::{Result, from_format, from_model, invalid, whole};
use crate::held::{Held, Home, Weigh, disposable};

/// A validated decision model: MDP, POMDP, robust MDP or APOMDP. Immutable.
#[napi]
#[derive(Clone)]
pub struct Model(pub(crate) SharedModel);

/// A model that objects share, counted once.
pub type SharedModel = Held<Arc<core::Model>>;

impl Weigh for Arc<core::Model> {
    const CLASS: &'static str = "Model";

    fn weight(&self) -> usize {
        self.bytes()
    }
}

impl Model {
    /// A new object for JavaScript, made on its thread.
    pub(crate) fn new(model: core::Model) -> Self {
        Self(Held::new(&Home::here(), Arc::new(model)))
    }
}

disposable!(Model);

#[napi]
impl Model {
    /// Reads a `tiresias.model/1` document: the object, or its text as it lies in a file.
    #[napi(factory, ts_args_type = "document: string | object")]
    pub fn from_json(env: Env, document: Either<String, Object<'_>>) -> Result<Self> {
        let text = match document {
            Either::A(text) => text,
            Either::B(object) => json_text(env, object)?,
        };
        core::Model::from_json(&text).map(Self::new).map_err(from_model)
    }

    /// Reads a model file (`.pomdp`, `.mdp`, `.pomdpx`, `.json`): `INVALID_MODEL_FILE` with file, line and column in its details
    /// when there is no model in it.
    #[napi]
    pub fn from_file(path: String, options: Option<ModelFileOptions>) -> Result<LoadedModel> {
        let options = options.unwrap_or_default().read()?;
        core::Model::from_file(&path, &options).map(LoadedModel::new).map_err(from_format)
    }

    /// Reads the text of a model file.
    #[napi]
    pub fn parse(text: String, options: Option<ModelFileOptions>) -> Result<LoadedModel> {
        let options = options.unwrap_or_default();
        let name = options.name.clone().unwrap_or_else(|| "model".into());
        core::format::read(&name, text.as_bytes(), &options.read()?).map(LoadedModel::new).map_err(from_format)
    }

    /// The ambiguous model whose cloud are all of `models`, which agree in everything but transitions and observations. `alpha` is
    /// the ambiguity attitude: 1 is max-min (default), 0 max-max. `INVALID_MODEL` names the first that differs, and in what.
    #[napi(factory)]
    pub fn cloud(models: Vec<ClassInstance<'_, Model>>, alpha: Option<f64>) -> Result<Self> {
        let members: Vec<core::Model> = models.iter().map(|model| (**model.0).clone()).collect();
        core::Model::cloud(&members, alpha.unwrap_or(1.0)).map(Self::new).map_err(from_model)
    }

    /// The model in pomdp-solve's text format, without its horizon. `INVALID_ARGUMENT` when the format cannot hold some part of it.
    #[napi]
    pub fn to_pomdp(&self) -> Result<String> {
        self.0.to_pomdp().map_err(|error| invalid(format!("not as .pomdp: {error}")))
    }

    /// Number of values of the part of the state that is always known after the first action; 1 when there is no such part.
    #[napi]
    pub fn observed_parts(&self) -> u32 {
        core::observed_component(&self.0).map_or(1, |cells| cells.into_iter().max().map_or(1, |last| last + 1))
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
        parts.build().map(Self::new).map_err(from_model)
    }

    /// A name for people.
    #[napi(getter)]
    pub fn name(&self) -> String {
        self.0.name().into()
    }

    /// What it is, by the number of its dynamics and whether the state is seen.
    #[napi(getter, ts_return_type = "'mdp' | 'robust-mdp' | 'pomdp' | 'apomdp' | 'robust-pomdp'")]
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

    /// What nature may choose in place of each transition row: `l1` or `interval`; `null` for nothing beyond the cloud.
    #[napi(getter, ts_return_type = "'l1' | 'interval' | null")]
    pub fn ambiguity(&self) -> Option<String> {
        let alone = self.0.observation_ambiguity().is_some();
        self.0.ambiguity().filter(|sets| !(alone && sets.is_certain())).map(|sets| sets.name().into())
    }

    /// What nature may choose in place of each observation row: `l1` or `interval`; `null` for nothing.
    #[napi(getter, ts_return_type = "'l1' | 'interval' | null")]
    pub fn observation_ambiguity(&self) -> Option<String> {
        self.0.observation_ambiguity().map(|sets| sets.name().into())
    }

    /// Name (or number) of state `i`.
    #[napi]
    pub fn state_name(&self, i: f64) -> Result<String> {
        name(Some(self.0.states()), "state", i)
    }

    /// Name (or number) of action `i`.
    #[napi]
    pub fn action_name(&self, i: f64) -> Result<String> {
        name(Some(self.0.actions()), "action", i)
    }

    /// Name (or number) of observation `i`.
    #[napi]
    pub fn observation_name(&self, i: f64) -> Result<String> {
        name(self.0.observations(), "observation", i)
    }

    /// What may follow an action at a belief (length S) under model `model` of the cloud (default 0): the likeliest `most` (default
    /// 16) observations, in falling order of probability, with the beliefs after them. Where the state is seen, the observation is
    /// the next state.
    #[napi]
    pub fn successors(
        &self,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
        action: f64,
        model: Option<f64>,
        most: Option<f64>,
    ) -> Result<Vec<Successor>> {
        let (belief, action) = (check_belief(&self.0, belief)?, check_action(&self.0, action)?);
        let m = whole("model", model.unwrap_or(0.0), 0, self.models() - 1)?;
        let most = whole("most", most.unwrap_or(16.0), 1, u32::MAX)?;
        let mut all = core::belief::successors(&self.0, m, &belief, action);
        all.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        all.truncate(most);
        let states = self.0.states().len();
        let dense = |sparse: &[(usize, f64)]| {
            let mut dense = vec![0.0; states];
            sparse.iter().for_each(|&(s, p)| dense[s] = p);
            Float64Array::new(dense)
        };
        let told = |next: &core::belief::Successor| Successor {
            observation: next.observation as u32,
            probability: next.probability,
            belief: dense(&next.belief),
        };
        Ok(all.iter().map(told).collect())
    }

    /// The start distribution b0, length S.
    #[napi]
    pub fn start(&self) -> Float64Array {
        Float64Array::new(self.0.start().to_vec())
    }
}

/// What may follow a decision.
#[napi(object, object_from_js = false)]
pub struct Successor {
    /// What is observed; the next state, where it is seen.
    pub observation: u32,
    /// How likely that is.
    pub probability: f64,
    /// Length S.
    pub belief: Float64Array,
}

/// What a model file leaves open.
#[napi(object)]
#[derive(Default)]
pub struct ModelFileOptions {
    /// The file's name, for messages and for the format, when a text is parsed.
    pub name: Option<String>,
    /// `pomdp`, `pomdpx` or `json` (default: by how the text begins; where that leaves it open, by the suffix of the name).
    #[napi(ts_type = "'pomdp' | 'pomdpx' | 'json'")]
    pub format: Option<String>,
    /// Number of decisions, in place of what the file says. A discount of 1 needs one.
    pub horizon: Option<f64>,
}

impl ModelFileOptions {
    fn read(&self) -> Result<ReadOptions> {
        let format = match self.format.as_deref() {
            None => None,
            Some("pomdp") => Some(Format::Pomdp),
            Some("pomdpx") => Some(Format::Pomdpx),
            Some("json") => Some(Format::Json),
            Some(other) => return Err(invalid(format!("format {other:?}: expected pomdp, pomdpx or json"))),
        };
        let horizon = self.horizon.map(|h| whole("horizon", h, 1, u32::MAX)).transpose()?;
        Ok(ReadOptions { horizon, format })
    }
}

/// Something that was repaired or left out in reading a model file.
#[napi(object)]
#[derive(Clone)]
pub struct ModelWarning {
    /// What was repaired or left out.
    pub message: String,
    /// The file's name.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// The whole message, with the line and a caret under the text.
    pub text: String,
}

/// A model read from a file.
#[napi]
pub struct LoadedModel(Held<Reading>);

/// What a file was read as.
pub struct Reading {
    model: Model,
    format: Format,
    warnings: Vec<Diagnostic>,
}

impl Weigh for Reading {
    const CLASS: &'static str = "LoadedModel";

    fn weight(&self) -> usize {
        self.warnings.iter().map(|w| size_of::<Diagnostic>() + 2 * w.message.len() + w.file.len()).sum()
    }
}

disposable!(LoadedModel);

impl LoadedModel {
    fn new(loaded: Loaded) -> Self {
        let Loaded { model, format, warnings } = loaded;
        Self(Held::new(&Home::here(), Reading { model: Model::new(model), format, warnings }))
    }
}

#[napi]
impl LoadedModel {
    /// The model.
    #[napi(getter)]
    pub fn model(&self) -> Model {
        self.0.model.clone()
    }

    /// The format it was in.
    #[napi(getter, ts_return_type = "'pomdp' | 'pomdpx' | 'json'")]
    pub fn format(&self) -> String {
        match self.0.format {
            Format::Pomdp => "pomdp",
            Format::Pomdpx => "pomdpx",
            Format::Json => "json",
        }
        .into()
    }

    /// Repairs of rounding, and what a format says that the model cannot hold.
    #[napi(getter)]
    pub fn warnings(&self) -> Vec<ModelWarning> {
        let warning = |w: &Diagnostic| ModelWarning {
            message: w.message.clone(),
            file: w.file.clone(),
            line: w.line as u32,
            column: w.column as u32,
            text: w.to_string(),
        };
        self.0.warnings.iter().map(warning).collect()
    }
}

/// What `JSON.stringify` makes of an object: it writes every double so that reading gives the same one.
fn json_text(env: Env, object: Object<'_>) -> Result<String> {
    let json: Object<'_> = env.get_global()?.get_named_property("JSON")?;
    let stringify: Function<'_, Object<'_>, String> = json.get_named_property("stringify")?;
    let unwritable = |error: napi::Error| invalid(format!("document cannot be written as JSON: {}", error.reason));
    stringify.call(object).map_err(unwritable)
}

fn name(space: Option<&core::Space>, what: &str, i: f64) -> Result<String> {
    let space = space.ok_or_else(|| invalid(format!("{what}: the model has none, its states are seen")))?;
    Ok(space.name(whole(what, i, 0, space.len() as u32 - 1)?))
}

/// `belief` as a distribution over the model's states; divided by its sum where that is off by rounding, as rows of files are.
pub fn check_belief<'a>(model: &core::Model, belief: &'a [f64]) -> Result<Cow<'a, [f64]>> {
    let s = model.states().len();
    if belief.len() != s {
        return Err(invalid(format!("belief has {} entries, the model has {s} states", belief.len())));
    }
    core::distribution::distribution(belief)
        .map_err(|problem| invalid(format!("belief is not a distribution: it {problem}")))
}

/// Checks that `action` exists.
pub fn check_action(model: &core::Model, action: f64) -> Result<usize> {
    whole("action", action, 0, model.actions().len() as u32 - 1)
}
