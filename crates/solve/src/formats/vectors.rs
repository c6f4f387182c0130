//! Sets of α-vectors that act.

use tiresias_model::{Kind, Model, Policy};

use super::backup::backup;
use super::set::VectorSet;
use super::{Controller, PolicyFileError, PolicyFormat, Source, alpha, sarsop};
use crate::SolvedPolicy;
use crate::belief::backup::{Sparse, sparse};
use crate::belief::value_function::PlanSet;

/// A policy of a POMDP as α-vectors, each with an action: at belief b it takes the action of the vector whose product with b is
/// the largest, the first such vector on ties. Without a horizon one collection of vectors serves all decisions; with one, each
/// stage may have its own.
///
/// A vector may span all states or some. Only vectors that span a belief's states are compared at it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlphaPolicy {
    states: usize,
    /// By stage, or one for all: no plan is worth less, which is what a vector says of states that it does not span.
    floors: Vec<f64>,
    /// By stage, or one for all.
    stages: Vec<Vec<VectorSet>>,
}

/// A vector by its set and its number there.
pub(super) type Place = (usize, usize);

impl AlphaPolicy {
    pub(super) fn from_sets(model: &Model, stages: &[Vec<PlanSet>]) -> Self {
        let states = model.states().len();
        let sets = |sets: &Vec<PlanSet>| {
            sets.iter().filter(|set| !set.plans.is_empty()).map(|set| VectorSet::new(set, states)).collect()
        };
        Self { states, floors: floors(model, stages.len()), stages: stages.iter().map(sets).collect() }
    }

    /// Bytes that the vectors take.
    pub fn bytes(&self) -> usize {
        let Self { states: _, floors, stages } = self;
        8 * floors.len() + stages.iter().flatten().map(VectorSet::bytes).sum::<usize>()
    }

    /// From vectors over all states, by stage or for all stages.
    pub(super) fn from_vectors(model: &Model, stages: Vec<Vec<(u32, Vec<f64>)>>) -> Self {
        let states = stages.first().and_then(|plans| plans.first()).map_or(0, |(_, vector)| vector.len());
        let floors = floors(model, stages.len());
        let stages = stages.into_iter().map(|plans| vec![VectorSet::over_all(plans)]).collect();
        Self { states, floors, stages }
    }

    /// The α-vectors behind a solved policy, with the actions that the solver found them for: their largest product with a belief
    /// is the lower bound that was proven there. One vector more is made at the start, where the solver's own bound is a backup
    /// of the others.
    ///
    /// Errors: [`PolicyFileError::Unsupported`] when the policy is not made of α-vectors for a single model: tables of observed
    /// states, triangulations, clouds.
    pub fn from_solved(policy: &SolvedPolicy) -> Result<Self, PolicyFileError> {
        let model = policy.model();
        let unsupported =
            |why: String| PolicyFileError::Unsupported(format!("the policy is no set of α-vectors: {why}"));
        if model.kind() != Kind::Pomdp {
            return Err(unsupported(format!("the model is of kind {}, not pomdp", model.kind().name())));
        }
        let stages: Option<Vec<_>> = (0..model.horizon().unwrap_or(1)).map(|stage| policy.plans(stage)).collect();
        let Some(mut stages) = stages else {
            let form = policy.form();
            let why = format!("its bounds are of the form `{form}`; solve with the point-based or the exact solver");
            return Err(unsupported(why));
        };
        let vectors = Self::from_sets(model, &stages);
        let start = sparse(model.start());
        let better = backup(model, &vectors, 0, &start);
        if vectors.best(0, &start).is_none_or(|(_, value)| value < better.value) {
            add(&mut stages[0], vectors.states, (better.action as u32, better.vector));
            return Ok(Self::from_sets(model, &stages));
        }
        Ok(vectors)
    }

    /// Reads a policy of `model` from one text that serves all stages, or from one a stage, each with its file's name: that with
    /// one decision to go first, as pomdp-solve numbers them. Without a format, it is told by how the text
    /// begins ([`PolicyFormat::of_text`]). A policy graph becomes the vectors of its nodes' values.
    pub fn read(files: &[(&str, &str)], format: Option<PolicyFormat>, model: &Model) -> Result<Self, PolicyFileError> {
        check_model(model, files.len())?;
        let format_of = |&(name, text): &(&str, &str)| format.unwrap_or_else(|| PolicyFormat::of_text(name, text));
        let policy = match files.first().map(format_of) {
            Some(PolicyFormat::Graph) => return Controller::read(files, model)?.vectors(model),
            Some(PolicyFormat::Sarsop) if files.len() == 1 => {
                let mut sets = sarsop::read(&Source::of(files[0]), model)?;
                let policy = Self::from_sets(model, std::slice::from_ref(&sets));
                let start = sparse(model.start());
                if model.dynamics().len() > 1 || policy.best(0, &start).is_some() {
                    return policy.checked(model);
                }
                // The observed part is not known before the first decision, so that no vector speaks of the start: what one
                // decision makes of them does.
                let first = backup(model, &policy, 0, &start);
                add(&mut sets, policy.states, (first.action as u32, first.vector));
                Self::from_sets(model, &[sets])
            }
            Some(PolicyFormat::Sarsop) => {
                return Err(PolicyFileError::Unsupported("APPL's XML holds one policy for all stages".into()));
            }
            _ => {
                let stages: Result<Vec<_>, _> =
                    files.iter().rev().map(|file| alpha::read(&Source::of(*file), model.actions().len())).collect();
                Self::from_vectors(model, stages?)
            }
        };
        policy.checked(model)
    }

    fn checked(self, model: &Model) -> Result<Self, PolicyFileError> {
        self.check(model)?;
        Ok(self)
    }

    /// The policy as texts that read back with the same numbers: one, or one a stage, that with one decision to go first.
    ///
    /// Errors: [`PolicyFileError::Unsupported`] when the format has no way to hold it, or the text would be too long.
    pub fn write(&self, format: PolicyFormat, model: &Model) -> Result<Vec<String>, PolicyFileError> {
        match format {
            PolicyFormat::Alpha => (0..self.stages.len()).rev().map(|stage| alpha::write(self, stage)).collect(),
            PolicyFormat::Sarsop => sarsop::write(self, model).map(|text| vec![text]),
            PolicyFormat::Graph => Controller::from_vectors(self, model).map(|controller| controller.write()),
        }
    }

    /// Checks that the policy can act in `model`, which need not be the one it was read for.
    pub fn check(&self, model: &Model) -> Result<(), PolicyFileError> {
        check_model(model, self.stages.len())?;
        let (states, actions) = (model.states().len(), model.actions().len());
        let mut taken = self.stages.iter().flatten().flat_map(|set| (0..set.len()).map(|i| set.action(i)));
        let problem = if self.states != states {
            format!("its vectors have {} entries, the model has {states} states", self.states)
        } else if let Some(action) = taken.find(|&action| action as usize >= actions) {
            format!("it takes action {action}, the model has {actions} actions, numbered from 0")
        } else {
            return Ok(());
        };
        Err(PolicyFileError::OtherModel { model: model.name().into(), problem })
    }

    /// The number of stages with vectors of their own; `None` when all decisions share them.
    pub fn horizon(&self) -> Option<usize> {
        (self.stages.len() > 1).then_some(self.stages.len())
    }

    /// The number of vectors, at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.stages.iter().flatten().map(VectorSet::len).sum()
    }

    /// Actions and vectors of `stage` over all states. Entries of states that a vector does not span are below the value of any
    /// plan.
    pub fn vectors(&self, stage: usize) -> impl Iterator<Item = (usize, Vec<f64>)> + '_ {
        let sets = self.sets(stage).iter();
        sets.flat_map(move |set| {
            (0..set.len()).map(move |i| {
                let mut vector = vec![self.floor(stage); self.states];
                set.states().iter().zip(set.vector(i)).for_each(|(&s, &value)| vector[s as usize] = value);
                (set.action(i) as usize, vector)
            })
        })
    }

    /// The largest product of a vector of `stage` with `belief` (length S), summed over the vectors' parts of the state where the
    /// belief spreads over several.
    pub fn value(&self, stage: usize, belief: &[f64]) -> f64 {
        let belief = sparse(belief);
        match self.best(stage, &belief) {
            Some((_, value)) => value,
            None => self.parts(stage, &belief).iter().map(|part| part.value).sum(),
        }
    }

    pub(super) fn sets(&self, stage: usize) -> &[VectorSet] {
        &self.stages[if self.stages.len() == 1 { 0 } else { stage }]
    }

    /// Adds a vector over all states to a stage whose only set has all states.
    pub(super) fn push(&mut self, stage: usize, action: u32, vector: &[f64]) {
        self.stages[stage][0].push(action, vector);
    }

    /// What no plan of `stage` is worth less than.
    pub(super) fn floor(&self, stage: usize) -> f64 {
        self.floors[if self.floors.len() == 1 { 0 } else { stage }]
    }

    /// The best vector at a sparse belief and its product; `None` when none spans it.
    pub(super) fn best(&self, stage: usize, belief: &[(u32, f64)]) -> Option<(Place, f64)> {
        let mut found: Option<(Place, f64)> = None;
        for (number, set) in self.sets(stage).iter().enumerate() {
            if let Some((i, value)) = set.best(belief)
                && found.is_none_or(|(_, best)| value > best)
            {
                found = Some(((number, i), value));
            }
        }
        found
    }

    /// What the belief is made of, by the first set that has the state, each with the action of the set's best vector there.
    fn parts(&self, stage: usize, belief: &[(u32, f64)]) -> Vec<Part> {
        let sets = self.sets(stage);
        let mut pieces: Vec<Sparse> = vec![Vec::new(); sets.len() + 1];
        for &(s, p) in belief {
            let set = sets.iter().position(|set| set.place(s as usize).is_some()).unwrap_or(sets.len());
            pieces[set].push((s, p));
        }
        let part = |(number, piece): (usize, &Sparse)| {
            let mass: f64 = piece.iter().map(|&(_, p)| p).sum();
            let best = sets.get(number).and_then(|set| set.best(piece).map(|(i, value)| (set.action(i), value)));
            best.map_or(Part { action: 0, mass: 0.0, value: mass * self.floor(stage) }, |(action, value)| Part {
                action,
                mass,
                value,
            })
        };
        pieces.iter().enumerate().filter(|(_, piece)| !piece.is_empty()).map(part).collect()
    }
}

struct Part {
    action: u32,
    mass: f64,
    value: f64,
}

impl Policy for AlphaPolicy {
    fn action(&self, stage: usize, belief: &[f64]) -> usize {
        self.action_on(stage, &sparse(belief), self.states)
    }

    fn action_on(&self, stage: usize, belief: &[(u32, f64)], _states: usize) -> usize {
        if let Some(((set, i), _)) = self.best(stage, belief) {
            return self.sets(stage)[set].action(i) as usize;
        }
        // No vector knows enough, as at a start before the part of the state that is always seen has been seen: the action that
        // most of the belief's mass would take then.
        let parts = self.parts(stage, belief);
        let votes =
            |action: u32| -> f64 { parts.iter().filter(|part| part.action == action).map(|part| part.mass).sum() };
        let mut actions: Vec<u32> = parts.iter().map(|part| part.action).collect();
        actions.sort_unstable();
        actions.dedup();
        let best = actions.into_iter().map(|action| (action, votes(action)));
        best.reduce(|best, next| if next.1 > best.1 { next } else { best }).map_or(0, |(action, _)| action as usize)
    }
}

/// Adds a vector over all states to the set that has such, or to a new one.
fn add(sets: &mut Vec<PlanSet>, states: usize, plan: (u32, Vec<f64>)) {
    match sets.iter_mut().rev().find(|set| set.states.len() == states) {
        Some(set) => set.plans.push(plan),
        None => sets.push(PlanSet { states: (0..states as u32).collect(), plans: vec![plan] }),
    }
}

/// Below the value of any plan, by stage where so many are those of the horizon, else one for all stages. One more decision does not
/// lower it, so that vectors filled up with it are improvable as the vectors themselves are.
fn floors(model: &Model, stages: usize) -> Vec<f64> {
    if model.horizon() != Some(stages) {
        return vec![floor(model)];
    }
    let rewards = || (0..model.dynamics().len()).flat_map(|m| model.expected_reward(m)).copied();
    let worst = rewards().fold(f64::INFINITY, f64::min);
    let last = model.final_reward().iter().copied().reduce(f64::min).unwrap_or(0.0);
    let mut floors: Vec<f64> = Vec::with_capacity(stages);
    for _ in 0..stages {
        floors.push(worst + model.discount() * floors.last().copied().unwrap_or(last));
    }
    floors.reverse();
    floors
}

/// Below the value of any plan, at any stage.
pub(super) fn floor(model: &Model) -> f64 {
    let last = model.final_reward().iter().copied().fold(0.0, f64::min);
    model.value_range().0.min(last)
}

/// Whether `files` files can hold a policy of `model`.
pub(super) fn check_model(model: &Model, files: usize) -> Result<(), PolicyFileError> {
    let other = |problem| Err(PolicyFileError::OtherModel { model: model.name().into(), problem });
    // In a cloud, too, vectors act on beliefs.
    if model.observations().is_none() {
        return other(format!("α-vectors and policy graphs act in a POMDP, this is of kind {}", model.kind().name()));
    }
    match model.horizon() {
        _ if files == 1 => Ok(()),
        Some(horizon) if files == horizon => Ok(()),
        Some(horizon) => other(format!("it has {files} stages, the model has a horizon of {horizon}")),
        None => other(format!("it has {files} stages, the model has no horizon")),
    }
}
