//! Controllers made from α-vectors, and nodes added to them where that pays.

use std::collections::{BinaryHeap, VecDeque};

use rustc_hash::{FxHashMap, FxHashSet};
use tiresias_model::Model;

use super::backup::{backup, follow};
use super::controller::{Controller, Node};
use super::vectors::Place;
use super::{AlphaPolicy, PolicyFileError};
use crate::belief::backup::{Scratch, Sparse, sparse};

/// Beliefs that nodes are added for at most, in one pass.
const MOST_BELIEFS: usize = 1_000;
const MOST_PASSES: usize = 5;
/// Share of what is still missing that a pass must have gained for another one to follow.
const LEAST_SHARE: f64 = 0.2;
/// Values of nodes by states that are held at most.
const MOST_VALUES: usize = 1 << 25;
/// What counts as a gain, relative to the start's value.
const GAIN: f64 = 1e-9;

pub(super) fn controller(policy: &AlphaPolicy, model: &Model) -> Result<Controller, PolicyFileError> {
    if model.dynamics().len() > 1 {
        return Err(PolicyFileError::Unsupported("a controller follows one model, not a cloud of several".into()));
    }
    let stages = Graph::follow(policy, model)?.stages;
    let mut vectors = Controller::new(stages.clone()).vectors(model)?;
    let mut grown = stages;
    let wanted = policy.value(0, model.start());
    let tolerance = GAIN * (1.0 + wanted.abs());
    for _ in 0..MOST_PASSES {
        let before = vectors.value(0, model.start());
        if before >= wanted - tolerance {
            break;
        }
        add_nodes(model, &mut grown, &mut vectors);
        // Gains that would take many passes to make up for what is missing are not worth their nodes.
        let after = vectors.value(0, model.start());
        if after <= before + tolerance || after - before < LEAST_SHARE * (wanted - after) {
            break;
        }
    }
    let start = vectors.best(0, &sparse(model.start())).map_or(0, |((_, node), _)| node as u32);
    Ok(Controller::new(from_start(&grown, start)))
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
    fn follow(policy: &'a AlphaPolicy, model: &'a Model) -> Result<Self, PolicyFileError> {
        let stages = vec![Vec::new(); model.horizon().unwrap_or(1)];
        let mut graph = Self { policy, model, stages, known: FxHashMap::default(), open: VecDeque::new() };
        let start = sparse(model.start());
        let better = backup(model, policy, 0, &start);
        match policy.best(0, &start) {
            Some((place, value)) if value >= better.value - GAIN * (1.0 + value.abs()) => {
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

/// Adds a node at each belief that the controller meets where a backup of the nodes' values is worth more than the best of them.
/// The farthest beliefs come first, so that one pass carries a gain all the way to the start.
fn add_nodes(model: &Model, stages: &mut [Vec<Node>], vectors: &mut AlphaPolicy) {
    let staged = model.horizon().is_some();
    let mut heap = BinaryHeap::from([Met { weight: 1.0, stage: 0, belief: sparse(model.start()) }]);
    let (mut met, mut known) = (Vec::new(), FxHashSet::default());
    let mut scratch = Scratch::new(model);
    // Ends: each belief is looked into once, and there are enough or no more of them.
    while met.len() < MOST_BELIEFS {
        let Some(Met { weight, stage, belief }) = heap.pop() else { break };
        // Beliefs that differ by rounding are one.
        let key: Vec<_> = belief.iter().map(|&(s, p)| (s, (p as f32).to_bits())).collect();
        if !known.insert((stage, key)) {
            continue;
        }
        let next = stage + usize::from(staged);
        if !staged || next < stages.len() {
            let action = backup(model, vectors, stage, &belief).action;
            scratch.successors(model, 0, &belief, action, |_, joint| {
                let mass: f64 = joint.iter().map(|&(_, p)| p).sum();
                let belief = joint.iter().map(|&(s, p)| (s, p / mass)).collect();
                // Without discount a long game would never look past its first stages otherwise.
                heap.push(Met { weight: weight * model.discount() * mass, stage: next, belief });
            });
        }
        met.push((stage, belief));
    }
    for (stage, belief) in met.into_iter().rev() {
        let better = backup(model, vectors, stage, &belief);
        let held = vectors.best(stage, &belief).map_or(f64::NEG_INFINITY, |(_, value)| value);
        let nodes: usize = stages.iter().map(Vec::len).sum();
        if better.value > held + 0.1 * GAIN * (1.0 + held.abs()) && nodes * model.states().len() < MOST_VALUES {
            let next = better.next.iter().map(|place| place.map(|(_, node)| node as u32)).collect();
            stages[stage].push(Node { action: better.action as u32, next });
            vectors.push(stage, better.action as u32, &better.vector);
        }
    }
}

/// A belief and how much of the value hangs on it.
struct Met {
    weight: f64,
    stage: usize,
    belief: Sparse,
}

impl Ord for Met {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Stages and states decide between equal weights, so that the order is the same everywhere.
        let first = |met: &Self| (met.stage, met.belief.first().map_or(0, |&(s, _)| s));
        self.weight.total_cmp(&other.weight).then_with(|| first(other).cmp(&first(self)))
    }
}

impl PartialOrd for Met {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Met {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Met {}

/// The nodes that can be reached from `start`, numbered in the order in which they are.
fn from_start(stages: &[Vec<Node>], start: u32) -> Vec<Vec<Node>> {
    let staged = stages.len() > 1;
    let mut numbers: Vec<FxHashMap<u32, u32>> = vec![FxHashMap::default(); stages.len()];
    let mut order: Vec<Vec<u32>> = vec![Vec::new(); stages.len()];
    let mut open = VecDeque::from([(0, start)]);
    numbers[0].insert(start, 0);
    order[0].push(start);
    // Ends: each node is numbered once.
    while let Some((stage, node)) = open.pop_front() {
        let after = stage + usize::from(staged);
        if after == stages.len() {
            continue;
        }
        for &next in stages[stage][node as usize].next.iter().flatten() {
            let number = order[after].len() as u32;
            numbers[after].entry(next).or_insert_with(|| {
                order[after].push(next);
                open.push_back((after, next));
                number
            });
        }
    }
    let renumbered = |(stage, nodes): (usize, &Vec<u32>)| {
        let after = stage + usize::from(staged);
        let number = |next: &Option<u32>| next.and_then(|next| numbers.get(after)?.get(&next).copied());
        let node = |&node: &u32| {
            let Node { action, next } = &stages[stage][node as usize];
            Node { action: *action, next: next.iter().map(number).collect() }
        };
        nodes.iter().map(node).collect()
    };
    order.iter().enumerate().map(renumbered).collect()
}
