//! Policies that other tools write and read.

use std::ops::Deref;
use std::sync::Arc;

use napi::Either;
use tiresias_guard::napi;
use tiresias_model::Policy as _;
use tiresias_solve::{self as core, formats};

use crate::errors::{Result, from_policy_file, invalid, whole};
use crate::held::{Held, Home, Weigh, disposable};
use crate::model::{Model, SharedModel, check_belief};

/// α-vectors, each with an action: at a belief the policy takes the action of the vector whose product with it is the largest.
#[napi]
#[derive(Clone)]
pub struct AlphaPolicy(Held<Vectors>);

/// Vectors, and the model that they act in.
#[derive(Clone)]
pub struct Vectors {
    pub(crate) model: SharedModel,
    pub(crate) inner: Arc<formats::AlphaPolicy>,
}

impl Weigh for Vectors {
    const CLASS: &'static str = "AlphaPolicy";

    fn weight(&self) -> usize {
        self.inner.bytes()
    }
}

impl Deref for AlphaPolicy {
    type Target = Vectors;

    fn deref(&self) -> &Vectors {
        &self.0
    }
}

disposable!(AlphaPolicy);

/// How to read a policy file.
#[napi(object)]
#[derive(Default)]
pub struct PolicyFileOptions {
    /// The file's name, for messages and for the format.
    pub name: Option<String>,
    /// `alpha` and `pg` (pomdp-solve) or `sarsop` (APPL's XML); when it is left out, by how the text begins, and where that leaves it
    /// open, by the name's suffix.
    #[napi(ts_type = "'alpha' | 'pg' | 'sarsop'")]
    pub format: Option<String>,
}

impl AlphaPolicy {
    fn new(model: &SharedModel, inner: formats::AlphaPolicy) -> Self {
        Self(Held::new(&Home::here(), Vectors { model: model.clone(), inner: Arc::new(inner) }))
    }

    pub(crate) fn of(policy: &core::SolvedPolicy, model: &SharedModel) -> Result<Self> {
        let inner = formats::AlphaPolicy::from_solved(policy).map_err(from_policy_file)?;
        Ok(Self::new(model, inner))
    }
}

#[napi]
impl AlphaPolicy {
    /// Reads a policy for a model: one text for all stages, or a list of one a stage, that with one decision to go first. A policy
    /// graph (`pg`) becomes the vectors of its nodes' values. `INVALID_POLICY`, with file, line and column in its details where the
    /// text is wrong.
    #[napi(factory)]
    pub fn parse(text: Either<String, Vec<String>>, model: &Model, options: Option<PolicyFileOptions>) -> Result<Self> {
        let options = options.unwrap_or_default();
        let format = options.format.as_deref().map(format).transpose()?;
        let texts = Texts::new(text, options.name);
        let inner = formats::AlphaPolicy::read(&texts.files(), format, &model.0).map_err(from_policy_file)?;
        Ok(Self::new(&model.0, inner))
    }

    /// Number of vectors, over all stages.
    #[napi(getter)]
    pub fn size(&self) -> u32 {
        self.inner.len() as u32
    }

    /// Number of stages with vectors of their own, or null when one set serves all decisions.
    #[napi(getter)]
    pub fn horizon(&self) -> Option<u32> {
        self.inner.horizon().map(|horizon| horizon as u32)
    }

    /// The action for a belief (length S) at a stage (default 0); ties go to the vector that comes first.
    #[napi]
    pub fn action(
        &self,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
        stage: Option<f64>,
    ) -> Result<u32> {
        Ok(self.inner.action(self.stage(stage)?, &check_belief(&self.model, belief)?) as u32)
    }

    /// The largest product of a vector with a belief at a stage (default 0): for vectors below the optimal value, what the policy
    /// is worth at least.
    #[napi]
    pub fn value(
        &self,
        #[napi(ts_arg_type = "Float64Array | Float32Array | readonly number[]")] belief: &[f64],
        stage: Option<f64>,
    ) -> Result<f64> {
        Ok(self.inner.value(self.stage(stage)?, &check_belief(&self.model, belief)?))
    }

    /// The policy as a text: `alpha` or `pg` (pomdp-solve), or `sarsop` (APPL's XML). `INVALID_ARGUMENT` when stages have vectors
    /// of their own: see `writeStages`.
    #[napi]
    pub fn write(&self, #[napi(ts_arg_type = "'alpha' | 'pg' | 'sarsop'")] to: String) -> Result<String> {
        let mut texts = self.write_stages(to)?;
        match texts.pop() {
            Some(text) if texts.is_empty() => Ok(text),
            _ => Err(invalid("the policy has vectors of its own for each stage: use writeStages")),
        }
    }

    /// The policy as texts: one for all stages, or one a stage, that with one decision to go first. A policy graph (`pg`) is that
    /// of a controller which does what the vectors do, as nearly as a finite number of nodes can.
    #[napi]
    pub fn write_stages(&self, #[napi(ts_arg_type = "'alpha' | 'pg' | 'sarsop'")] to: String) -> Result<Vec<String>> {
        self.inner.write(format(&to)?, &self.model).map_err(from_policy_file)
    }

    fn stage(&self, stage: Option<f64>) -> Result<usize> {
        let last = self.inner.horizon().map_or(u32::MAX, |horizon| horizon as u32 - 1);
        whole("stage", stage.unwrap_or(0.0), 0, last)
    }
}

/// The texts of a policy's files, each with a name for messages.
pub(crate) struct Texts {
    names: Vec<String>,
    texts: Vec<String>,
}

impl Texts {
    pub fn new(text: Either<String, Vec<String>>, name: Option<String>) -> Self {
        let name = name.unwrap_or_else(|| "policy".into());
        match text {
            Either::A(text) => Self { names: vec![name], texts: vec![text] },
            Either::B(texts) => Self { names: (1..=texts.len()).map(|k| format!("{name}{k}")).collect(), texts },
        }
    }

    pub fn files(&self) -> Vec<(&str, &str)> {
        self.names.iter().zip(&self.texts).map(|(name, text)| (&**name, &**text)).collect()
    }
}

fn format(name: &str) -> Result<formats::PolicyFormat> {
    match name {
        "alpha" => Ok(formats::PolicyFormat::Alpha),
        "pg" => Ok(formats::PolicyFormat::Graph),
        "sarsop" => Ok(formats::PolicyFormat::Sarsop),
        other => Err(invalid(format!("format {other:?}: expected alpha, pg or sarsop"))),
    }
}
