//! Controllers made from α-vectors, with nodes added until they are worth as much.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use tiresias_model::Model;

use super::backup::{backup, continued, follow};
use super::controller::{Controller, Node, stopped};
use super::reach::{reached, renumbered};
use super::vectors::Place;
use super::{AlphaPolicy, PolicyFileError};
use crate::belief::backup::{Scratch, Sparse, sparse};

/// Multiply-adds that adding nodes may take, and the steps that it looks ahead.
const MOST_WORK: usize = 2_000_000_000;
const MOST_STEPS: usize = 1_000;
/// By how much less than the pass before a pass may leave the start short.
const SHORTER: f64 = 0.1;
/// Values of nodes by states that are held at most.
const MOST_VALUES: usize = 1 << 25;
/// What counts as a gain: a share of what values can differ by, and of their size, to which a controller's are worked out.
const GAIN: f64 = 1e-9;
const ROUNDING: f64 = 1e-10;

/// See [`Controller::from_vectors_while`].
pub(super) fn controller(
    policy: &AlphaPolicy,
    model: &Model,
    within: f64,
    late: &dyn Fn() -> bool,
) -> Result<Controller, PolicyFileError> {
    if model.dynamics().len() > 1 {
        return Err(PolicyFileError::Unsupported("a controller follows one model, not a cloud of several".into()));
    }
    let stages = Graph::follow(policy, model, late)?.stages;
    let vectors = Controller::new(stages.clone()).vectors_while(model, late)?;
    let start = sparse(model.start());
    let mut growth = Growth { policy, model, stages, vectors, scratch: Scratch::new(model), work: 0, late };
    let (wanted, held) = (policy.value(0, model.start()), growth.vectors.value(0, model.start()));
    let tolerance = gain(model).max(within);
    // What is quickly made up for comes first, for the case that the work runs out.
    let mut short = wanted - held;
    while short > tolerance && !growth.spent() {
        short = (SHORTER * short).max(tolerance);
        growth.serve(0, &start, short, MOST_STEPS);
        if short == tolerance {
            break;
        }
    }
    let node = growth.vectors.best(0, &start).map_or(0, |((_, node), _)| node as u32);
    Ok(Controller::new(renumbered(&growth.stages, &reached(&growth.stages, node))))
}

fn gain(model: &Model) -> f64 {
    let (low, high) = model.value_range();
    GAIN * (high - low) + ROUNDING * low.abs().max(high.abs())
}

/// Nodes while they are found.
struct Graph<'a> {
    policy: &'a AlphaPolicy,
    model: &'a Model,
    stages: Vec<Vec<Node>>,
    known: FxHashMap<(usize, Place), u32>,
    /// Stage and node, the belief at which it was first met, and its vector's set.
    open: VecDeque<(usize, u32, Sparse, Option<usize>)>,
}

impl<'a> Graph<'a> {
    /// The nodes that are met from the start.
    fn follow(policy: &'a AlphaPolicy, model: &'a Model, late: &dyn Fn() -> bool) -> Result<Self, PolicyFileError> {
        let stages = vec![Vec::new(); model.horizon().unwrap_or(1)];
        let mut graph = Self { policy, model, stages, known: FxHashMap::default(), open: VecDeque::new() };
        let start = sparse(model.start());
        let better = backup(model, policy, 0, &start);
        match policy.best(0, &start) {
            Some((place, value)) if value >= better.value - gain(model) => {
                graph.node(0, place, &start);
            }
            // The start is worth more than the vectors say.
            _ => {
                graph.stages[0].push(Node { action: better.action as u32, next: Vec::new() });
                graph.open.push_back((0, 0, start, None));
            }
        }
        let mut scratch = Scratch::new(model);
        // Ends: each node comes once, and they are counted.
        while let Some((stage, node, witness, set)) = graph.open.pop_front() {
            if late() {
                return Err(stopped());
            }
            graph.expand(stage, node, &witness, set, &mut scratch);
            let nodes: usize = graph.stages.iter().map(Vec::len).sum();
            if nodes.saturating_mul(model.states().len()) > MOST_VALUES {
                let why = format!(
                    "a controller of the policy has more than {nodes} nodes, too many to work out their values"
                );
                return Err(PolicyFileError::Unsupported(why));
            }
        }
        Ok(graph)
    }

    /// The node of a vector; a new one remembers the belief.
    fn node(&mut self, stage: usize, place: Place, belief: &[(u32, f64)]) -> u32 {
        let next = self.stages[stage].len() as u32;
        let node = *self.known.entry((stage, place)).or_insert(next);
        if node == next {
            let action = self.policy.sets(stage)[place.0].action(place.1);
            self.stages[stage].push(Node { action, next: Vec::new() });
            let mass: f64 = belief.iter().map(|&(_, p)| p).sum();
            let witness = belief.iter().map(|&(s, p)| (s, p / mass)).collect();
            self.open.push_back((stage, node, witness, Some(place.0)));
        }
        node
    }

    fn expand(&mut self, stage: usize, node: u32, witness: &Sparse, set: Option<usize>, scratch: &mut Scratch) {
        let (policy, model) = (self.policy, self.model);
        // An observation that cannot come from the witness may come from another state that the vector speaks of.
        let states: Vec<u32> = match set {
            Some(set) => policy.sets(stage)[set].states().to_vec(),
            None => (0..model.states().len() as u32).collect(),
        };
        let share = 1.0 / states.len() as f64;
        let prior: Sparse = states.into_iter().map(|s| (s, share)).collect();
        let action = self.stages[stage][node as usize].action as usize;
        let after = if model.horizon().is_some() { stage + 1 } else { stage };
        let next = follow(model, scratch, action, witness, &prior, |joint| {
            if after == self.stages.len() {
                return None;
            }
            let (place, _) = policy.best(after, joint)?;
            Some(self.node(after, place, joint))
        });
        self.stages[stage][node as usize].next = next;
    }
}

/// A controller to which nodes are added: what each is worth is known when it is, as it goes on with others that are known.
struct Growth<'a> {
    policy: &'a AlphaPolicy,
    model: &'a Model,
    stages: Vec<Vec<Node>>,
    /// What the nodes are worth.
    vectors: AlphaPolicy,
    scratch: Scratch,
    work: usize,
    late: &'a dyn Fn() -> bool,
}

impl Growth<'_> {
    /// Whether no more nodes are to be added.
    fn spent(&self) -> bool {
        let nodes: usize = self.stages.iter().map(Vec::len).sum();
        self.work > MOST_WORK || (self.late)() || nodes * self.model.states().len() > MOST_VALUES
    }

    /// A node that is worth, at a normalised belief, what the policy's vectors say less `short`: one that is there, or a new one
    /// that does what the best vector does and goes on with nodes that fall short accordingly. By induction it exists if one
    /// decision does not lower what the vectors say; discounting lets every node do after some steps. The best there is where the
    /// work or the steps to look ahead run out.
    fn serve(&mut self, stage: usize, belief: &[(u32, f64)], short: f64, steps: usize) -> Option<u32> {
        let model = self.model;
        let held = self.vectors.best(stage, belief).map(|((_, node), value)| (node as u32, value));
        self.work += self.stages[stage].len() * belief.len();
        let first = (stage == 0 && steps == MOST_STEPS).then(|| backup(model, self.policy, stage, belief));
        let (action, wanted) = match (self.policy.best(stage, belief), &first) {
            // The start can be worth more than the vectors say.
            (found, Some(first)) if found.is_none_or(|(_, value)| value < first.value) => (first.action, first.value),
            (Some(((set, i), value)), _) => (self.policy.sets(stage)[set].action(i) as usize, value),
            (None, _) => return held.map(|(node, _)| node),
        };
        if let Some((node, value)) = held
            && (value >= wanted - short || steps == 0 || self.spent())
        {
            return Some(node);
        }
        let after = stage + usize::from(model.horizon().is_some());
        let mut next = vec![None; model.observations().map_or(0, tiresias_model::Space::len)];
        if after < self.stages.len() {
            // Where an observation cannot come from this belief, what suits all states.
            let share = 1.0 / model.states().len() as f64;
            let anywhere: Sparse = (0..model.states().len() as u32).map(|s| (s, share)).collect();
            let vectors = &self.vectors;
            self.scratch.successors(model, 0, &anywhere, action, |o, joint| {
                next[o] = vectors.best(after, joint).map(|((_, node), _)| node as u32);
            });
            let mut ahead: Vec<(usize, Sparse)> = Vec::new();
            self.scratch.successors(model, 0, belief, action, |o, joint| {
                let mass: f64 = joint.iter().map(|&(_, p)| p).sum();
                ahead.push((o, joint.iter().map(|&(s, p)| (s, p / mass)).collect()));
            });
            let short = if model.discount() > 0.0 { short / model.discount() } else { f64::INFINITY };
            for (o, belief) in ahead {
                next[o] = self.serve(after, &belief, short, steps.saturating_sub(1)).or(next[o]);
            }
        }
        let places: Vec<Option<Place>> = next.iter().map(|node| node.map(|node| (0, node as usize))).collect();
        let vector = continued(model, &self.vectors, stage, action, &places);
        self.work += model.states().len() * next.len();
        self.vectors.push(stage, action as u32, &vector);
        self.stages[stage].push(Node { action: action as u32, next });
        Some(self.stages[stage].len() as u32 - 1)
    }
}
