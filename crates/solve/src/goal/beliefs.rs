//! The beliefs that can come about from the start, as far as they have been explored.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use super::problem::Problem;
use super::process::Process;

/// Beliefs that differ by less than this are one.
const SAME: f64 = 1e-12;
/// Digits by which beliefs are looked up.
const COARSE: f64 = 1e9;

/// Beliefs over live states and the process that they make up. A belief that has not been expanded is a leaf.
pub(crate) struct Beliefs {
    pub process: Process,
    offset: Vec<u32>,
    state: Vec<u32>,
    mass: Vec<f64>,
    index: FxHashMap<u64, Vec<u32>>,
}

impl Beliefs {
    /// The start, where state 0 is certain.
    pub fn new() -> Self {
        let mut this = Self {
            process: Process::new(),
            offset: vec![0],
            state: Vec::new(),
            mass: Vec::new(),
            index: FxHashMap::default(),
        };
        this.find(&[(0, 1.0)]);
        this
    }

    pub fn len(&self) -> usize {
        self.process.nodes()
    }

    /// States, ascending, and their probabilities.
    pub fn of(&self, node: usize) -> impl Iterator<Item = (u32, f64)> + Clone + '_ {
        let range = self.offset[node] as usize..self.offset[node + 1] as usize;
        self.state[range.clone()].iter().copied().zip(self.mass[range].iter().copied())
    }

    /// One of the states, all of which look the same.
    pub fn a_state(&self, node: usize) -> usize {
        self.state[self.offset[node] as usize] as usize
    }

    /// The node of a belief, a new one if it has not been met.
    fn find(&mut self, belief: &[(u32, f64)]) -> u32 {
        let mut hasher = FxHasher::default();
        for &(state, mass) in belief {
            (state, (mass * COARSE).round() as u64).hash(&mut hasher);
        }
        let key = hasher.finish();
        let same = |&node: &u32| {
            let mut pairs = self.of(node as usize).zip(belief);
            self.of(node as usize).count() == belief.len()
                && pairs.all(|((state, mass), other)| state == other.0 && (mass - other.1).abs() < SAME)
        };
        if let Some(node) = self.index.get(&key).and_then(|nodes| nodes.iter().find(|node| same(node))) {
            return *node;
        }
        self.state.extend(belief.iter().map(|pair| pair.0));
        self.mass.extend(belief.iter().map(|pair| pair.1));
        self.offset.push(self.state.len() as u32);
        let node = self.process.push_node() as u32;
        self.index.entry(key).or_default().push(node);
        node
    }

    /// Gives a leaf its actions. New beliefs come last. Returns the numbers read.
    pub fn expand(&mut self, problem: &Problem, node: usize) -> usize {
        let belief: Vec<(u32, f64)> = self.of(node).collect();
        let mut work = 0;
        let mut made = Vec::new();
        for k in 0..problem.process.actions(self.a_state(node)).len() {
            let (mut gain, mut end) = (0.0, 0.0);
            let mut next: Vec<(u32, u32, f64)> = Vec::new();
            for &(state, mass) in &belief {
                let action = problem.process.actions(state as usize).start + k;
                gain += mass * problem.process.gain(action);
                end += mass * problem.process.end(action);
                let successors = problem.process.successors(action);
                next.extend(successors.map(|(to, p)| (problem.seen[to], to as u32, mass * p)));
            }
            work += 8 * next.len();
            next.sort_unstable_by_key(|&(seen, state, _)| (seen, state));
            next.dedup_by(|new, kept| {
                let same = (new.0, new.1) == (kept.0, kept.1);
                if same {
                    kept.2 += new.2;
                }
                same
            });
            let mut successors = Vec::new();
            for alike in next.chunk_by(|a, b| a.0 == b.0) {
                let sum: f64 = alike.iter().map(|entry| entry.2).sum();
                // What is less likely than that does not happen to a solver.
                if sum > 1e-100 {
                    let posterior: Vec<(u32, f64)> = alike.iter().map(|&(_, state, p)| (state, p / sum)).collect();
                    successors.push((self.find(&posterior), sum));
                }
            }
            made.push((gain, end, successors));
        }
        self.process.begin(node);
        for (gain, end, successors) in made {
            self.process.push_action(node, gain, end, successors);
        }
        work
    }

    pub fn bytes(&self) -> usize {
        // A belief, its place in the index, and its bounds.
        self.process.bytes() + 12 * self.state.len() + 80 * self.len()
    }
}
