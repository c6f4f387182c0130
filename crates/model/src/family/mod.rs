//! Task families: distributions over models. A task is a draw, reproducible from (family, split, index, seed).

mod bandit;
mod clinical;
mod darkroom;
mod document;
mod energy;
mod linear;
mod mersenne;
mod models;
mod patient;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::format::FormatError;
use crate::{Model, ModelError, memory};

pub use bandit::Bandit;
pub use clinical::Clinical;
pub use darkroom::Darkroom;
pub use document::{PREFIX as DOCUMENT_PREFIX, load_document};
pub use energy::Energy;
pub use linear::Linear;
pub use models::PREFIX as MODELS_PREFIX;

/// Which kind of model a task becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regime {
    /// The state is seen.
    Mdp,
    /// Noisy observations.
    Pomdp,
    /// Noisy observations and a cloud of models.
    Apomdp,
}

impl Regime {
    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mdp => "mdp",
            Self::Pomdp => "pomdp",
            Self::Apomdp => "apomdp",
        }
    }
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Regime {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        [Self::Mdp, Self::Pomdp, Self::Apomdp].into_iter().find(|r| r.name() == name).ok_or_else(|| ModelError::Name {
            what: "regime".into(),
            name: name.into(),
            problem: "is not one of mdp, pomdp, apomdp".into(),
        })
    }
}

/// What names a task, and how its model is to be shaped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRequest {
    /// A split of the family.
    pub split: String,
    /// Index within the split.
    pub index: u64,
    /// The study's seed.
    pub seed: u64,
    /// MDP, POMDP or APOMDP.
    pub regime: Regime,
    /// The training horizon; a split may lengthen it.
    pub horizon: usize,
    /// Size of the cloud in the APOMDP regime.
    pub models: usize,
    /// Ambiguity attitude α in the APOMDP regime.
    pub alpha: f64,
}

/// A drawn task.
#[derive(Debug, Clone)]
pub struct Task {
    /// The validated model.
    pub model: Model,
    /// The hidden true model of the cloud under `nature: fixed`.
    pub true_model: usize,
    /// The numbers drawn, by name, nominal first, then per model of the cloud.
    pub parameters: Vec<(String, f64)>,
    /// Standard deviation of the Gaussian noise on each realised step reward, in reward units; 0 where rewards are the model's own. The
    /// model has the expected rewards, by which policies are solved and measured; the world adds the noise to what is seen.
    pub reward_noise: f64,
}

/// A distribution over models.
pub trait Family: Send + Sync {
    /// The family's name.
    fn name(&self) -> &'static str;
    /// What it models, in one sentence.
    fn description(&self) -> &'static str;
    /// Its splits with what sets each apart: `train`, `test`, where tasks can be drawn without end `validation`, then the
    /// out-of-distribution ones.
    fn splits(&self) -> &[(&'static str, &'static str)];
    /// The regimes that its tasks come in.
    fn regimes(&self) -> &[Regime] {
        &[Regime::Mdp, Regime::Pomdp, Regime::Apomdp]
    }
    /// The horizon it is usually trained with.
    fn horizon(&self) -> usize;
    /// How many tasks a split has, where they are given and not drawn; `None` where there is no end of them, or no such split.
    fn tasks(&self, _split: &str) -> Option<u64> {
        None
    }
    /// Draws a task. The same request gives the same task, bit for bit.
    fn task(&self, request: &TaskRequest) -> Result<Task, ModelError>;
    /// The model that a policy robust over the whole family is solved for, with so many decisions; `None` where the family has none.
    fn robust(&self, _horizon: usize) -> Result<Option<Model>, ModelError> {
        Ok(None)
    }
    /// The smallest and largest step reward of any task, and the grid all rewards lie on.
    fn reward_grid(&self) -> RewardGrid;
    /// The largest number of observation symbols of any task (states when the state is seen).
    fn max_symbols(&self) -> usize;
}

/// Where a family's rewards lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardGrid {
    /// Smallest step reward.
    pub low: f64,
    /// Largest step reward.
    pub high: f64,
    /// Rewards are integer multiples of this.
    pub step: f64,
}

/// All families, by name.
pub fn families() -> Vec<Box<dyn Family>> {
    vec![Box::new(Energy), Box::new(Clinical), Box::new(Darkroom), Box::new(Linear), Box::new(Bandit)]
}

/// Whether a name is one of a family of one's own, which a process knows once it has loaded it ([`load`]).
pub fn is_own(name: &str) -> bool {
    name.starts_with(models::PREFIX) || name.starts_with(document::PREFIX)
}

/// Makes a folder of model files or a document (`docs/your-own-family.md`) a family, which [`family`] then knows by the name that this
/// returns: a hash of what was read, wherever it lies.
///
/// In a folder a file is a task and a subfolder a split (`train`, `test`, `validation`, `ood-…`); files beside no subfolder are `train`. All
/// models are of one kind (MDP, POMDP or APOMDP) and have the same actions and discount; states and observations may differ in number. Rewards
/// lie on a grid of 0.001 at least. O(size of the files); what is loaded already is read again, as it may have changed.
pub fn load(path: &Path) -> Result<String, FormatError> {
    if path.is_file() { document::load(path) } else { models::load(path) }
}

/// The family called `name`, built in or loaded ([`load`]); the error lists those that exist.
pub fn family(name: &str) -> Result<Box<dyn Family>, ModelError> {
    if name.starts_with(models::PREFIX) {
        return models::loaded(name);
    }
    if name.starts_with(document::PREFIX) {
        return document::loaded(name);
    }
    families().into_iter().find(|f| f.name() == name).ok_or_else(|| ModelError::Name {
        what: "family".into(),
        name: name.into(),
        problem: format!("is not one of {}", families().iter().map(|f| f.name()).collect::<Vec<_>>().join(", ")),
    })
}

/// The longest horizon of a task; a split may double it, and stages are counted in 32 bits.
const LONGEST: usize = (1 << 31) - 1;

/// So many models always fit.
const FEW: usize = 1 << 10;

/// What every family refuses: an unknown split, a regime it does not have, a cloud that is empty or does not fit into memory.
fn check_request(family: &dyn Family, request: &TaskRequest) -> Result<(), ModelError> {
    if !family.splits().iter().any(|(name, _)| *name == request.split) {
        let names: Vec<_> = family.splits().iter().map(|(name, _)| *name).collect();
        return Err(ModelError::Name {
            what: format!("split of family {}", family.name()),
            name: request.split.clone(),
            problem: format!("is not one of {}", names.join(", ")),
        });
    }
    if !family.regimes().contains(&request.regime) {
        let names: Vec<_> = family.regimes().iter().map(|regime| regime.name()).collect();
        return Err(ModelError::Name {
            what: format!("regime of family {}", family.name()),
            name: request.regime.name().into(),
            problem: format!("is not one of {}", names.join(", ")),
        });
    }
    if request.models == 0 {
        return Err(ModelError::Number { what: "models in the cloud".into(), value: 0.0, expected: "at least 1" });
    }
    if request.horizon > LONGEST {
        let value = request.horizon as f64;
        return Err(ModelError::Number { what: "horizon".into(), value, expected: "below 2^31" });
    }
    if request.regime == Regime::Apomdp && request.models > FEW {
        // A cloud of one shows what each model takes.
        let one = family.task(&TaskRequest { models: 1, ..request.clone() })?;
        let each = one.model.bytes() + one.parameters.iter().map(|(name, _)| name.len() + 32).sum::<usize>();
        let what = || format!("a cloud of {} models", request.models);
        memory::check(memory::product(&[each, request.models]), what, "ask for fewer models")?;
    }
    Ok(())
}
