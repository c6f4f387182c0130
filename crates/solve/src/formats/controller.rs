//! Finite-state controllers: plans that remember a node instead of a belief.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::reach::{reached, renumbered};
use super::vectors::{check_model, floor};
use super::{AlphaPolicy, PolicyFileError, Source, graph, grow};
use crate::belief::corners::leap;

/// Values of nodes by states that are held at most.
const MOST_VALUES: usize = 1 << 26;
/// Sweeps at most; every sweep's result is a lower bound.
const MOST_SWEEPS: usize = 100_000;

/// A finite-state controller: nature shows an observation after every decision, and the node and the observation say the next
/// node. Without a horizon one graph serves all decisions; with one, each stage may have its own, whose successors are nodes of
/// the next stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// By stage, or one for all.
    stages: Vec<Vec<Node>>,
}

/// A node of a controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// What it does.
    pub action: u32,
    /// The node after each observation. `None` for one that is not expected; should it come all the same, the controller does
    /// not move (at a horizon's stages: takes node 0).
    pub next: Vec<Option<u32>>,
}

impl Controller {
    pub(crate) fn new(stages: Vec<Vec<Node>>) -> Self {
        Self { stages }
    }

    /// What keeps it from playing `observations` observations with `actions` actions over `horizon` decisions, in words.
    pub(crate) fn shape_problem(&self, actions: usize, observations: usize, horizon: Option<usize>) -> Option<String> {
        let staged = self.stages.len() > 1;
        if self.stages.is_empty() || (staged && horizon != Some(self.stages.len())) {
            return Some(format!("a controller has {} stages", self.stages.len()));
        }
        for (stage, nodes) in self.stages.iter().enumerate() {
            let after = self.stages.get(stage + usize::from(staged)).map_or(0, Vec::len);
            let fits = |node: &Node| {
                (node.action as usize) < actions
                    && node.next.len() == observations
                    && node.next.iter().flatten().all(|&next| (next as usize) < after)
            };
            if nodes.is_empty() || !nodes.iter().all(fits) {
                return Some(format!("a node of stage {stage} has an action or a successor that does not exist"));
            }
        }
        None
    }

    /// A controller that does what a set of α-vectors does at the beliefs that follow from the model's start, as far as a finite
    /// number of nodes can. Its node 0 is the one to start in.
    ///
    /// A node stands for a vector and the belief at which it was first met; the vectors that are best after each observation from
    /// there say its successors. The controller's value is then worked out, and nodes are added where a backup of it at a belief
    /// that it meets is worth more (Hansen, UAI 1998), until they raise the start's value no more or there are many of them.
    ///
    /// Errors: [`PolicyFileError::Unsupported`] when nodes times states are more than 2^26.
    pub fn from_vectors(policy: &AlphaPolicy, model: &Model) -> Result<Self, PolicyFileError> {
        grow::controller(policy, model, 0.0, &|| false)
    }

    /// [`from_vectors`](Self::from_vectors), with nodes added until the start is worth what the vectors say less `within`, while it is not late: then with the nodes that there are, or an error where they do not yet go
    /// on to the end.
    pub(crate) fn from_vectors_while(
        policy: &AlphaPolicy,
        model: &Model,
        within: f64,
        late: &dyn Fn() -> bool,
    ) -> Result<Self, PolicyFileError> {
        grow::controller(policy, model, within, late)
    }

    /// One that takes the same action whatever is seen.
    pub(crate) fn blind(action: usize, observations: usize) -> Self {
        Self { stages: vec![vec![Node { action: action as u32, next: vec![Some(0); observations] }]] }
    }

    /// The part of it that is met from a node of its first stage, which becomes node 0.
    pub(crate) fn rooted(&self, node: u32) -> Self {
        Self { stages: renumbered(&self.stages, &reached(&self.stages, node)) }
    }

    /// Reads `.pg` texts for a model: one for all stages, or one a stage, that with one decision to go first; each with its file's
    /// name.
    pub fn read(files: &[(&str, &str)], model: &Model) -> Result<Self, PolicyFileError> {
        check_model(model, files.len())?;
        let (actions, observations) =
            (model.actions().len(), model.observations().map_or(0, tiresias_model::Space::len));
        let mut stages: Vec<Vec<Node>> = Vec::new();
        for (number, &file) in files.iter().enumerate() {
            let source = Source::of(file);
            let nodes = graph::read(&source, actions, observations)?;
            // After the last decision there is no node, whatever the numbers say.
            let after = if files.len() == 1 { Some(nodes.len()) } else { stages.last().map(Vec::len) };
            if let Some(after) = after {
                check_successors(&source, &nodes, after, number)?;
            }
            stages.push(nodes.into_iter().map(|(node, _)| node).collect());
        }
        stages.reverse();
        Ok(Self { stages })
    }

    /// The controller as `.pg` texts: one, or one a stage, that with one decision to go first.
    pub fn write(&self) -> Vec<String> {
        let staged = self.stages.len() > 1;
        let stage = |(number, nodes): (usize, &Vec<Node>)| graph::write(nodes, staged && number == 0);
        self.stages.iter().rev().enumerate().map(stage).collect()
    }

    /// By stage, or one for all.
    pub(super) fn stages(&self) -> &[Vec<Node>] {
        &self.stages
    }

    /// The number of nodes, over all stages.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.stages.iter().map(Vec::len).sum()
    }

    /// The number of stages with nodes of their own; `None` when one graph serves all decisions.
    pub fn horizon(&self) -> Option<usize> {
        (self.stages.len() > 1).then_some(self.stages.len())
    }

    /// The nodes of `stage`.
    pub fn nodes(&self, stage: usize) -> &[Node] {
        &self.stages[if self.stages.len() == 1 { 0 } else { stage }]
    }

    /// What the controller is worth from each node and state, as α-vectors with the nodes' actions: vector `n` of a stage is node
    /// `n`'s value. The largest product with a belief is what the controller earns from there when it starts in the best node; so
    /// it is a lower bound on the optimal value, and the policy of the vectors, which chooses again at every stage, earns no less.
    ///
    /// Without a horizon the linear equations are solved by iteration from below with `MacQueen`'s extrapolation (1966), to 1e-11 of
    /// the values' size. O(nodes · (entries of the kernels)) a sweep.
    ///
    /// Errors: [`PolicyFileError::Unsupported`] for a cloud of models, and when nodes times states are more than 2^26.
    pub fn vectors(&self, model: &Model) -> Result<AlphaPolicy, PolicyFileError> {
        self.vectors_while(model, &|| false)
    }

    /// [`vectors`](Self::vectors) while it is not late: then with lower values.
    pub(super) fn vectors_while(&self, model: &Model, late: &dyn Fn() -> bool) -> Result<AlphaPolicy, PolicyFileError> {
        let values = self.values_while(model, late)?;
        let states = model.states().len();
        let plans = |(stage, values): (usize, Vec<f64>)| {
            let actions = self.nodes(stage).iter().map(|node| node.action);
            actions.zip(values.chunks_exact(states).map(<[f64]>::to_vec)).collect()
        };
        Ok(AlphaPolicy::from_vectors(model, values.into_iter().enumerate().map(plans).collect()))
    }

    /// By stage, `[node][state]`; when it is late, what is known to be earned at least, or an error where nothing is.
    pub(crate) fn values_while(
        &self,
        model: &Model,
        late: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<f64>>, PolicyFileError> {
        if model.dynamics().len() > 1 {
            let why = "what a controller is worth is worked out for one model, not for a cloud of several";
            return Err(PolicyFileError::Unsupported(why.into()));
        }
        let states = model.states().len();
        let most = self.stages.iter().map(Vec::len).max().unwrap_or(0);
        if most.saturating_mul(states).saturating_mul(model.horizon().unwrap_or(1)) > MOST_VALUES {
            let why = format!("a controller of {most} nodes for {states} states is too large to be worked out");
            return Err(PolicyFileError::Unsupported(why));
        }
        let Some(horizon) = model.horizon() else { return Ok(vec![self.forever(model, late)]) };
        let last = if model.final_reward().is_empty() { vec![0.0; states] } else { model.final_reward().to_vec() };
        let mut values: Vec<Vec<f64>> = Vec::new();
        for stage in (0..horizon).rev() {
            if late() {
                return Err(stopped());
            }
            let next = match values.last() {
                Some(values) => Next::Nodes(values),
                None => Next::End(&last),
            };
            values.push(sweep(model, self.nodes(stage), &next, self.stages.len() == 1));
        }
        values.reverse();
        Ok(values)
    }

    fn forever(&self, model: &Model, late: &dyn Fn() -> bool) -> Vec<f64> {
        let nodes = &self.stages[0];
        let mut values = vec![floor(model); nodes.len() * model.states().len()];
        for _ in 0..MOST_SWEEPS {
            let mut next = sweep(model, nodes, &Next::Nodes(&values), true);
            let change = leap(&values, &mut next, model.discount(), 1.0);
            values = next;
            let scale = values.iter().fold(1e-300_f64, |most, value| most.max(value.abs()));
            if change <= scale * (1e-11 * (1.0 - model.discount())).max(4e-16) || late() {
                break;
            }
        }
        values
    }
}

/// Why there is nothing when it is late.
pub(super) fn stopped() -> PolicyFileError {
    PolicyFileError::Unsupported("there was no time to follow the vectors to the end".into())
}

/// What comes after a stage.
enum Next<'a> {
    /// `[node][state]`.
    Nodes(&'a [f64]),
    /// By state.
    End(&'a [f64]),
}

/// Values of `nodes`, `[node][state]`, when the next stage's are `next`; `stay` where an unexpected observation keeps the node.
fn sweep(model: &Model, nodes: &[Node], next: &Next, stay: bool) -> Vec<f64> {
    let states = model.states().len();
    let dynamics = &model.dynamics()[0];
    let kernel = dynamics.observation.as_ref().expect("checked: a POMDP");
    let mut out = Vec::with_capacity(nodes.len() * states);
    let mut ahead = vec![0.0; states];
    for (number, node) in nodes.iter().enumerate() {
        let action = node.action as usize;
        for (to, ahead) in ahead.iter_mut().enumerate() {
            *ahead = match next {
                Next::End(last) => last[to],
                Next::Nodes(values) => {
                    let unexpected = if stay { number } else { 0 };
                    let after = |o: usize| node.next[o].map_or(unexpected, |next| next as usize);
                    kernel.pairs(action * states + to).map(|(o, q)| q * values[after(o) * states + to]).sum()
                }
            };
        }
        let rewards = &model.expected_reward(0)[action * states..][..states];
        out.extend((0..states).map(|from| {
            let pairs = dynamics.transition.pairs(action * states + from);
            rewards[from] + model.discount() * pairs.map(|(to, p)| p * ahead[to]).sum::<f64>()
        }));
    }
    out
}

fn check_successors(
    source: &Source,
    nodes: &[(Node, Range<usize>)],
    after: usize,
    stage: usize,
) -> Result<(), PolicyFileError> {
    for (node, line) in nodes {
        if let Some(next) = node.next.iter().flatten().find(|next| **next as usize >= after) {
            let whose = if stage == 0 { "" } else { " with one decision less to go" };
            let message = format!("there is no node {next}{whose}");
            return Err(source.error(line.clone(), message, format!("expected successors from 0 to {}", after - 1)));
        }
    }
    Ok(())
}
