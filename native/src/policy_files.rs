//! Policies that other tools write and read.

use std::sync::Arc;

use napi_derive::napi;
use tiresias_model::{self as model, Policy as _};
use tiresias_solve::{self as core, formats};

use crate::errors::{Result, from_policy_file, invalid};
use crate::model::{Model, check_belief};

/// α-vectors, each with an action: at a belief the policy takes the action of the vector whose product with it is the largest.
#[napi]
#[derive(Clone)]
pub struct AlphaPolicy {
    pub(crate) model: Arc<model::Model>,
    pub(crate) inner: Arc<formats::AlphaPolicy>,
}

/// How to read a policy file.
#[napi(object)]
#[derive(Default)]
pub struct PolicyFileOptions {
    /// The file's name, for messages and for the format.
    pub name: Option<String>,
    /// `alpha` (pomdp-solve) or `sarsop` (APPL's XML); by the name's suffix, else by how the text begins, when it is left out.
    #[napi(ts_type = "'alpha' | 'sarsop'")]
    pub format: Option<String>,
}

impl AlphaPolicy {
    pub(crate) fn of(policy: &core::SolvedPolicy, model: &Arc<model::Model>) -> Result<Self> {
        let inner = formats::AlphaPolicy::from_solved(policy).map_err(from_policy_file)?;
        Ok(Self { model: model.clone(), inner: Arc::new(inner) })
    }
}

#[napi]
impl AlphaPolicy {
    /// Reads a policy file for a model. `INVALID_POLICY`, with file, line and column in its details where the text is wrong.
    #[napi(factory)]
    pub fn parse(text: String, model: &Model, options: Option<PolicyFileOptions>) -> Result<Self> {
        let options = options.unwrap_or_default();
        let name = options.name.as_deref().unwrap_or("policy");
        let format = options.format.as_deref().map(format).transpose()?;
        let inner = formats::AlphaPolicy::read(name, &text, format).map_err(from_policy_file)?;
        inner.check(&model.0).map_err(from_policy_file)?;
        Ok(Self { model: model.0.clone(), inner: Arc::new(inner) })
    }

    /// Number of vectors.
    #[napi(getter)]
    pub fn size(&self) -> u32 {
        self.inner.len() as u32
    }

    /// The action for a belief (length S); ties go to the vector that comes first.
    #[napi]
    pub fn action(&self, belief: &[f64]) -> Result<u32> {
        Ok(self.inner.action(0, check_belief(&self.model, belief)?) as u32)
    }

    /// The largest product of a vector with a belief: for vectors below the optimal value, what the policy is worth at least.
    #[napi]
    pub fn value(&self, belief: &[f64]) -> Result<f64> {
        Ok(self.inner.value(check_belief(&self.model, belief)?))
    }

    /// The policy as a text: `alpha` (pomdp-solve) or `sarsop` (APPL's XML).
    #[napi]
    pub fn write(&self, #[napi(ts_arg_type = "'alpha' | 'sarsop'")] to: String) -> Result<String> {
        Ok(self.inner.write(format(&to)?, self.model.name()))
    }
}

fn format(name: &str) -> Result<formats::PolicyFormat> {
    match name {
        "alpha" => Ok(formats::PolicyFormat::Alpha),
        "sarsop" => Ok(formats::PolicyFormat::Sarsop),
        other => Err(invalid(format!("format {other:?}: expected alpha or sarsop"))),
    }
}
