//! Several models that could as well be true, as one ambiguous model.

use tiresias_model::{Dynamics, Model, memory};

use crate::FitError;

/// How many models a cloud has, and how it is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CloudOptions {
    /// Number of models, at least 1.
    pub models: usize,
    /// Ambiguity attitude α of the ambiguous model: 1 is max-min, 0 is max-max.
    pub alpha: f64,
    /// What is random is drawn from it.
    pub seed: u64,
}

impl Default for CloudOptions {
    fn default() -> Self {
        Self { models: 10, alpha: 1.0, seed: 0 }
    }
}

/// A cloud of models around a fitted one.
#[derive(Debug, Clone)]
pub struct Cloud {
    /// One ambiguous model with the dynamics of every member. A model has one reward and one start, and these are the fitted model's.
    pub model: Model,
    /// The members apart. Those of a bootstrap have the rewards and the start of their own episodes.
    pub members: Vec<Model>,
}

impl CloudOptions {
    /// Checks the options, and that as many copies of the dynamics of `model` fit.
    pub(crate) fn check(&self, model: &Model) -> Result<(), FitError> {
        if self.models == 0 {
            return Err(FitError::option("models of the cloud", &0, "at least 1"));
        }
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(FitError::option("alpha", &self.alpha, "in [0, 1]"));
        }
        // The members and the cloud have dynamics of their own.
        let bytes = memory::product(&[self.models, 2, model.bytes()]);
        memory::check(bytes, || format!("{} models", self.models), "draw fewer")?;
        Ok(())
    }

    /// The cloud of these members, with what they share taken from `nominal`.
    pub(crate) fn cloud(&self, nominal: &Model, members: Vec<Model>) -> Result<Cloud, FitError> {
        let mut parts = nominal.to_builder();
        parts.dynamics = members.iter().map(|member| member.dynamics()[0].clone()).collect();
        parts.alpha = self.alpha;
        Ok(Cloud { model: parts.build()?, members })
    }
}

/// `nominal` with other dynamics.
pub(crate) fn member(nominal: &Model, dynamics: Dynamics) -> Result<Model, FitError> {
    let mut parts = nominal.to_builder();
    parts.dynamics = vec![dynamics];
    Ok(parts.build()?)
}
