//! Checkpoints: everything that the next step depends on, with a hash of every file, so that half a checkpoint is never resumed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::{Error, Result};
use crate::events::{Mark, Metrics};
use crate::files;
use crate::learner::Learner;
use crate::optimizer::AdamW;

const STATE: &str = "state.json";
const OPTIMIZER: &str = "optimizer.safetensors";
/// Checkpoints kept: the newest, and one in case the newest turns out damaged.
const KEPT: usize = 2;

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds spent in steps.
    pub seconds: f64,
    /// Necessary floating-point operations done.
    pub flops: f64,
    /// Loss of the last step.
    pub loss: f64,
}

/// A resumable state of training.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Where the run stands.
    pub progress: Progress,
    /// What is trained.
    pub parameters: Vec<f32>,
    /// The optimiser's moments.
    pub optimizer: AdamW,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    progress: Progress,
    /// How far `metrics.jsonl` had come.
    metrics: Mark,
    /// Of the other files.
    sha256: BTreeMap<String, String>,
}

/// Where the checkpoint of a step lies, relative to the output folder.
pub fn name(step: u64) -> String {
    format!("checkpoints/step-{step}")
}

/// Writes the checkpoint of a state under `output`, with how far the metrics had come, and removes all but the newest two.
pub fn save(output: &Path, state: &State, learner: &dyn Learner, metrics: &Mark) -> Result<()> {
    let mut contents = learner.files(&state.parameters)?;
    contents.push((OPTIMIZER, moments(&state.optimizer)?));
    let sha256: BTreeMap<_, _> = contents.iter().map(|(name, bytes)| (*name, files::sha256(bytes))).collect();
    let file = json!({ "progress": state.progress, "metrics": metrics, "sha256": sha256 });
    contents.push((STATE, files::seal(&file)));
    files::create_folder(&output.join("checkpoints"))?;
    files::write_folder(&output.join(name(state.progress.step)), &contents)?;
    for (_, old) in newest_first(output)?.into_iter().skip(KEPT) {
        files::remove_folder(&old)?;
    }
    Ok(())
}

/// The newest whole checkpoint under `output` that continues these metrics, if there is one; says on standard error what it passes over.
pub fn newest(output: &Path, learner: &dyn Learner, metrics: &Metrics) -> Result<Option<(State, Mark)>> {
    for (_, folder) in newest_first(output)? {
        match load(&folder, learner, metrics) {
            Ok(found) => return Ok(Some(found)),
            Err(why) => eprintln!("passing over the checkpoint {}: {why}", folder.display()),
        }
    }
    Ok(None)
}

fn newest_first(output: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let folder = output.join("checkpoints");
    let entries = match std::fs::read_dir(&folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::io("list", &folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("list", &folder))?.path();
        let step = path.file_name().and_then(|n| n.to_str()?.strip_prefix("step-")?.parse().ok());
        found.extend(step.map(|step: u64| (step, path)));
    }
    found.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
    Ok(found)
}

fn load(folder: &Path, learner: &dyn Learner, metrics: &Metrics) -> std::result::Result<(State, Mark), String> {
    let read = |name: &str| std::fs::read(folder.join(name)).map_err(|e| format!("`{name}`: {e}"));
    let fail = |e: &dyn std::fmt::Display| format!("`{STATE}`: {e}");
    let file = files::unseal(&read(STATE)?).map_err(|e| fail(&e))?;
    let file: StateFile = serde_json::from_value(file).map_err(|e| fail(&e))?;
    if !metrics.begin_with(&file.metrics).map_err(|e| e.to_string())? {
        return Err("the metrics up to it are damaged".into());
    }
    let checked = |name: &str| {
        let bytes = read(name)?;
        match file.sha256.get(name) {
            Some(expected) if *expected == files::sha256(&bytes) => Ok(bytes),
            _ => Err(format!("`{name}` is damaged")),
        }
    };
    let parameters = learner.parse(&checked(learner.tensors())?)?;
    let bytes = checked(OPTIMIZER)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| format!("`{OPTIMIZER}`: {e}"))?;
    let moment = |name: &str| {
        let tensor = tensors.tensor(name).map_err(|e| format!("`{OPTIMIZER}`: {e}"))?;
        let values = tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>();
        if values.len() == learner.parameters() { Ok(values) } else { Err(format!("`{OPTIMIZER}` has another size")) }
    };
    let optimizer = AdamW { first: moment("first")?, second: moment("second")? };
    Ok((State { progress: file.progress, parameters, optimizer }, file.metrics))
}

fn moments(optimizer: &AdamW) -> Result<Vec<u8>> {
    let bytes = |moment: &[f32]| moment.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let (first, second) = (bytes(&optimizer.first), bytes(&optimizer.second));
    let fail = |e: &dyn std::fmt::Display| Error::Internal(format!("cannot serialise the optimiser: {e}"));
    let view = |bytes| TensorView::new(Dtype::F32, vec![optimizer.first.len()], bytes).map_err(|e| fail(&e));
    safetensors::serialize([("first", view(&first)?), ("second", view(&second)?)], None).map_err(|e| fail(&e))
}
