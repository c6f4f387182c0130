//! Families of one's own: a folder of model files, a file a task.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::{Family, Regime, RewardGrid, Task, TaskRequest, check_request};
use crate::format::{FormatError, ReadOptions};
use crate::random::Key;
use crate::{Kind, Model, ModelError, Reward, Space};

/// What a family's name begins with; the hash of its models follows.
pub const PREFIX: &str = "models:";
/// Decisions where no model says how many.
const USUAL: usize = 10;
/// Steps that a grid of rewards may have, the coarsest first.
const STEPS: [f64; 10] = [1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
/// How far a reward may lie off the grid, in steps.
const OFF: f64 = 1e-6;
/// The file beside the folders of splits that robust policies are solved for.
const ROBUST: &str = "robust.json";
/// Suffixes of model files.
const SUFFIXES: [&str; 5] = ["json", "pomdp", "mdp", "pomdpx", "xml"];

/// The families that were loaded, by name. They are few and stay, as a task may be drawn at any time.
static LOADED: LazyLock<Mutex<HashMap<String, Arc<Models>>>> = LazyLock::new(Mutex::default);

/// A family of models that were read from files. Task i of a split is the split's file i, by name; what a request says of the seed, of
/// the size of clouds and of regimes changes no model, its horizon and ambiguity attitude do.
#[derive(Debug)]
pub struct Models {
    name: &'static str,
    splits: Vec<(&'static str, &'static str)>,
    tasks: HashMap<&'static str, Vec<Model>>,
    regime: [Regime; 1],
    horizon: usize,
    grid: RewardGrid,
    symbols: usize,
    robust: Option<Model>,
}

/// Reads the models of a folder and makes them a family of the name that this returns: `models:` and a hash of the models, wherever they lie
/// and whatever their files are called.
///
/// A file `robust.json` beside the splits of MDPs or POMDPs is the model that robust policies are solved for: a cloud, or sets where states
/// are seen, with the tasks' actions, discount and symbols.
pub(super) fn load(folder: &Path) -> Result<String, FormatError> {
    let models = read(folder)?;
    let name = models.name.to_string();
    LOADED.lock().unwrap_or_else(PoisonError::into_inner).entry(name.clone()).or_insert_with(|| Arc::new(models));
    Ok(name)
}

/// The family of this name, if it was loaded.
pub(super) fn loaded(name: &str) -> Result<Box<dyn Family>, ModelError> {
    let found = LOADED.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
    let missing = || ModelError::Name {
        what: "family".into(),
        name: name.into(),
        problem: "is a folder of models that this process has not read: name the folder (--family FOLDER, loadFamily)"
            .into(),
    };
    found.map(|models| Box::new(Own(models)) as Box<dyn Family>).ok_or_else(missing)
}

fn read(folder: &Path) -> Result<Models, FormatError> {
    let (folders, mut files) = listed(folder)?;
    let is_robust = |file: &PathBuf| !folders.is_empty() && file.file_name().is_some_and(|name| name == ROBUST);
    let robust = files.iter().position(is_robust).map(|at| files.remove(at));
    let mut splits: Vec<(String, Vec<PathBuf>)> = Vec::new();
    if let (false, Some(file)) = (folders.is_empty(), files.first()) {
        let problem = "it lies beside the folders of splits and in none of them: move it into one".into();
        return Err(unusable(file, problem));
    }
    if folders.is_empty() {
        splits.push(("train".into(), files));
    }
    for split in folders {
        let name = split.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !matches!(&name[..], "train" | "test" | "validation") && !name.starts_with("ood-") {
            let problem = format!("{name:?} is no split: expected train, test, validation or ood-…");
            return Err(unusable(&split, problem));
        }
        let (within, files) = listed(&split)?;
        if let Some(folder) = within.first() {
            return Err(unusable(folder, "a split has files and no folders".into()));
        }
        splits.push((name, files));
    }
    let mut shape: Option<Shape> = None;
    let mut grid = Rewards::default();
    let (mut horizon, mut symbols) = (None, 0);
    let mut hash = Sha256::new();
    let mut tasks: HashMap<&'static str, Vec<Model>> = HashMap::new();
    let mut named = Vec::new();
    for (split, files) in splits {
        if files.is_empty() {
            let problem = "there is no model file in it (.json, .pomdp, .mdp, .pomdpx)".into();
            return Err(unusable(&folder.join(&split), problem));
        }
        let split: &'static str = split.leak();
        hash.update(format!("{split}\n"));
        let mut models = Vec::with_capacity(files.len());
        for file in files {
            let model = one(&file)?;
            let own = Shape::of(&model).map_err(|problem| unusable(&file, problem))?;
            match &shape {
                None => shape = Some(own),
                Some(first) => first.check(&own).map_err(|problem| unusable(&file, problem))?,
            }
            grid.add(&model);
            horizon = horizon.max(model.horizon());
            symbols = symbols.max(model.observations().map_or(model.states().len(), Space::len));
            hash.update(format!("{}\n", model.sha256()));
            models.push(model);
        }
        let count = models.len();
        let what = if count == 1 { "one model".to_string() } else { format!("{count} models") };
        named.push((split, &*what.leak()));
        tasks.insert(split, models);
    }
    let Some(shape) = shape else { return Err(unusable(folder, "there is no model in it".into())) };
    let Some(grid) = grid.grid() else {
        let problem = "its rewards lie on no grid of 0.001; round them, or give them in other units".into();
        return Err(unusable(folder, problem));
    };
    let robust = robust.map(|file| read_robust(&file, &shape, symbols, &tasks)).transpose()?;
    if let Some(model) = &robust {
        hash.update(format!("robust\n{}\n", model.sha256()));
    }
    let name = format!("{PREFIX}{:x}", hash.finalize());
    let horizon = horizon.unwrap_or(USUAL);
    Ok(Models { name: name.leak(), splits: named, tasks, regime: [shape.regime], horizon, grid, symbols, robust })
}

/// The model that robust policies are solved for: its policy must be able to act in every task.
fn read_robust(
    file: &Path,
    shape: &Shape,
    symbols: usize,
    tasks: &HashMap<&'static str, Vec<Model>>,
) -> Result<Model, FormatError> {
    let model = one(file)?;
    let refuse = |problem: String| Err(unusable(file, problem));
    let expected = match shape.regime {
        // One model alone is its own cloud.
        Regime::Mdp => [Kind::RobustMdp, Kind::Mdp],
        Regime::Pomdp => [Kind::Apomdp, Kind::Pomdp],
        Regime::Apomdp => return refuse("the tasks are APOMDPs, which have clouds of their own: leave it out".into()),
    };
    if !expected.contains(&model.kind()) {
        let (found, expected) = (model.kind().name(), expected[0].name());
        return refuse(format!(
            "it is a {found}: a policy that is robust over {}s is one of a {expected}",
            shape.regime
        ));
    }
    if model.actions() != &shape.actions || model.discount().to_bits() != shape.discount.to_bits() {
        return refuse("its actions or its discount are others than those of the tasks".into());
    }
    let seen = |model: &Model| model.observations().map_or(model.states().len(), Space::len);
    if seen(&model) != symbols || tasks.values().flatten().any(|task| seen(task) != symbols) {
        return refuse(
            "it and all tasks must show equally many symbols (observations, or states where these are seen)".into(),
        );
    }
    Ok(model)
}

/// Folders and model files, by name; what begins with a dot is left out, and other files are refused.
fn listed(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), FormatError> {
    let unreadable = |error: std::io::Error| FormatError::Unreadable {
        path: folder.display().to_string(),
        reason: error.to_string(),
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?.path());
    }
    entries.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    entries.sort();
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.into_iter().partition(|path| path.is_dir());
    let is_model = |path: &PathBuf| path.extension().is_some_and(|suffix| SUFFIXES.iter().any(|one| suffix == *one));
    match files.iter().find(|path| !is_model(path)) {
        Some(other) => Err(unusable(other, "it is no model file (.json, .pomdp, .mdp, .pomdpx)".into())),
        None => Ok((folders, files)),
    }
}

/// The model of a file. Without a horizon and with discount 1 there is none yet; a task has one.
fn one(file: &Path) -> Result<Model, FormatError> {
    let read = |horizon| Model::from_file(file, &ReadOptions { horizon, ..ReadOptions::default() });
    match read(None) {
        Ok(loaded) => Ok(loaded.model),
        Err(error) => read(Some(USUAL)).map(|loaded| loaded.model).map_err(|_| error),
    }
}

fn unusable(path: &Path, problem: String) -> FormatError {
    FormatError::Family { path: path.display().to_string(), problem }
}

/// What all models of a family share.
struct Shape {
    regime: Regime,
    actions: Space,
    discount: f64,
}

impl Shape {
    fn of(model: &Model) -> Result<Self, String> {
        let regime = match model.kind() {
            Kind::Mdp => Regime::Mdp,
            Kind::Pomdp => Regime::Pomdp,
            Kind::Apomdp => Regime::Apomdp,
            kind => return Err(format!("it is a {}: tasks are MDPs, POMDPs or APOMDPs", kind.name())),
        };
        Ok(Self { regime, actions: model.actions().clone(), discount: model.discount() })
    }

    fn check(&self, other: &Self) -> Result<(), String> {
        if self.regime != other.regime {
            return Err(format!("it is of kind {}, the models before it of kind {}", other.regime, self.regime));
        }
        if self.discount.to_bits() != other.discount.to_bits() {
            return Err(format!("its discount is {}, that of the models before it {}", other.discount, self.discount));
        }
        if self.actions != other.actions {
            return Err("its actions are others than those of the models before it".into());
        }
        Ok(())
    }
}

/// Rewards as they are drawn, of all models.
#[derive(Default)]
struct Rewards {
    steps: Vec<f64>,
    finals: Vec<f64>,
}

impl Rewards {
    fn add(&mut self, model: &Model) {
        match model.reward() {
            Reward::Action(values) | Reward::StateAction(values) => self.steps.extend(values),
            Reward::Transition(rows) | Reward::Full(rows) => {
                self.steps.push(0.0);
                (0..rows.rows()).for_each(|row| self.steps.extend(rows.row(row).1));
            }
        }
        if !model.terminal_states().is_empty() {
            self.steps.push(0.0);
        }
        self.finals.extend(model.final_reward());
        for values in [&mut self.steps, &mut self.finals] {
            values.sort_by(f64::total_cmp);
            values.dedup();
        }
    }

    /// The coarsest grid that has all of them, and the sums with what is earned at the end.
    fn grid(&self) -> Option<RewardGrid> {
        let on = |step: f64, value: f64| (value / step - (value / step).round()).abs() <= OFF;
        let all = || self.steps.iter().chain(&self.finals);
        let step = STEPS.into_iter().find(|&step| all().all(|&value| on(step, value)))?;
        let (low, high) = (self.steps.first()?, self.steps.last()?);
        let end = |value: Option<&f64>| value.copied().unwrap_or(0.0);
        let low = low + end(self.finals.first()).min(0.0);
        let high = high + end(self.finals.last()).max(0.0);
        // One reward alone is a grid of one step.
        Some(RewardGrid { low, high: if high > low { high } else { low + step }, step })
    }
}

/// A loaded family.
struct Own(Arc<Models>);

impl Family for Own {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn description(&self) -> &'static str {
        "Models of one's own, a file a task."
    }

    fn splits(&self) -> &[(&'static str, &'static str)] {
        &self.0.splits
    }

    fn regimes(&self) -> &[Regime] {
        &self.0.regime
    }

    fn horizon(&self) -> usize {
        self.0.horizon
    }

    fn reward_grid(&self) -> RewardGrid {
        self.0.grid
    }

    fn max_symbols(&self) -> usize {
        self.0.symbols
    }

    fn robust(&self, horizon: usize) -> Result<Option<Model>, ModelError> {
        let with_horizon = |model: &Model| {
            let mut parts = model.to_builder();
            parts.horizon = Some(horizon);
            parts.alpha = 1.0;
            parts.build()
        };
        self.0.robust.as_ref().map(with_horizon).transpose()
    }

    fn tasks(&self, split: &str) -> Option<u64> {
        self.0.tasks.get(split).map(|models| models.len() as u64)
    }

    fn task(&self, request: &TaskRequest) -> Result<Task, ModelError> {
        check_request(self, request)?;
        let models = &self.0.tasks[&request.split[..]];
        let Some(model) = usize::try_from(request.index).ok().and_then(|index| models.get(index)) else {
            let count = models.len();
            return Err(ModelError::Name {
                what: format!("task of split {}", request.split),
                name: request.index.to_string(),
                problem: format!("is not one of its {count} models, numbered from 0: ask for fewer tasks"),
            });
        };
        let mut parts = model.to_builder();
        parts.horizon = Some(request.horizon);
        if request.regime == Regime::Apomdp {
            parts.alpha = request.alpha;
        }
        let mut draw =
            Key::named(request.seed, &[self.0.name, &request.split, "true model"], &[request.index]).sequence();
        let true_model = draw.integer(0, model.dynamics().len() as u32 - 1) as usize;
        Ok(Task { model: parts.build()?, true_model, parameters: Vec::new(), reward_noise: 0.0 })
    }
}
