//! What a training trains, behind one face: the loop, its checkpoints and its folders know no more of it than this.

use serde_json::Value;

use crate::bf16::Kernel;
use crate::error::Result;
use crate::gradient::Example;
use crate::head::Loss;

/// A model with one flat vector of trainable parameters.
pub trait Learner: Sync {
    /// Number of weights of the whole model, without adapters.
    fn weights(&self) -> usize;

    /// Number of trainable parameters: the length of every vector of parameters, gradients and moments.
    fn parameters(&self) -> usize;

    /// The parameters that training begins with.
    fn initial(&self, seed: u64) -> Vec<f32>;

    /// What is wrong with an example, of those whose ids and labels are in the vocabulary.
    fn check(&self, _: &Example) -> std::result::Result<(), String> {
        Ok(())
    }

    /// Mean cross-entropy's parts over the batch's labelled positions, and its gradient at the parameters, which overwrites
    /// `gradient`.
    fn loss_and_gradient(&self, parameters: &[f32], examples: &[&Example], gradient: &mut Vec<f32>) -> Loss;

    /// What multiplies in bf16, where something does.
    fn kernel(&self) -> Option<Kernel> {
        None
    }

    /// Floating-point operations that such a step cannot do without.
    fn necessary_flops(&self, examples: &[&Example]) -> f64;

    /// The name of the folder that holds what was learned.
    fn folder(&self) -> &'static str;

    /// That folder's files.
    fn files(&self, parameters: &[f32]) -> Result<Vec<(&'static str, Vec<u8>)>>;

    /// Which of them holds the parameters.
    fn tensors(&self) -> &'static str;

    /// The parameters in such a file, or what is wrong with it.
    fn parse(&self, bytes: &[u8]) -> std::result::Result<Vec<f32>, String>;

    /// What the folder says of its origin, by name: the frozen base, or the architecture.
    fn origin(&self) -> (&'static str, Value);

    /// The part of the origin that makes two runs the same, where the configuration alone does not say it.
    fn identity(&self) -> Option<(&'static str, Value)>;
}
