//! A decision-maker at work, who remembers what to do after what.
//!
//! Filtering a belief and asking a policy take a microsecond or more; drawing a step takes a tenth of one. But a deterministic
//! policy does the same after the same history, and histories meet: every reset of the problem leads to one belief. So beliefs
//! are numbered as they recur, each with its decision and, by observation, the number of the belief that follows. A step of an
//! episode then is two draws and a look-up. The table is the policy as a finite-state controller (Hansen, "An improved policy
//! iteration algorithm for partially observable MDPs", NIPS 1997), made as far as the episodes need it.
//!
//! Most beliefs are met once. To store them would cost more time than to compute them and drive the others out of the caches, so
//! a belief is stored when it is met for the second time, as far as a small table of hashes remembers. What is stored changes
//! speed only: a belief and a decision are functions of what came before.

use rustc_hash::FxHashMap;
use tiresias_model::{ModelError, Nature};

use crate::conduct::{Conduct, Decision};
use crate::sparse_filter::{Scratch, Sparse};

/// Hashes of beliefs met lately, a power of two: half a megabyte stays in the second-level cache.
const LATELY: usize = 1 << 16;

/// No such node.
const NONE: u32 = u32::MAX;

/// Numbers of a node before its successors: the action and nature's two answers.
const HEADER: usize = 3;

/// One decision-maker. Every thread has its own.
pub(crate) struct Mind<'r, 'a> {
    conduct: &'r Conduct<'a>,
    /// Whether nature's choice is seen.
    told: bool,
    /// What is known of the present: its stage, the belief unless `node` holds it, and the decision.
    stage: usize,
    node: u32,
    belief: Sparse,
    decision: Decision,
    memory: Memory,
    scratch: Scratch,
    next: Sparse,
}

/// The numbered beliefs.
struct Memory {
    /// By node: the action, nature's answers, then the successors by (whether nature was seen to maximise, observation).
    rows: Vec<u32>,
    width: usize,
    symbols: usize,
    /// By node: the stage, and where its belief lies in `beliefs`.
    places: Vec<(u32, u32, u32)>,
    beliefs: Vec<(u32, f64)>,
    known: FxHashMap<u64, u32>,
    lately: Vec<u64>,
    most_bytes: usize,
}

impl<'r, 'a> Mind<'r, 'a> {
    /// A mind that stores at most about `most_bytes`.
    pub fn new(conduct: &'r Conduct<'a>, told: bool, most_bytes: usize) -> Self {
        // Seen states are looked up by themselves, not as successors of others.
        let symbols = if conduct.sees() { 0 } else { conduct.symbols() };
        let memory = Memory {
            rows: Vec::new(),
            width: HEADER + symbols * (1 + usize::from(told)),
            symbols,
            places: Vec::new(),
            beliefs: Vec::new(),
            known: FxHashMap::default(),
            lately: vec![0; LATELY],
            most_bytes,
        };
        let decision = Decision { action: 0, nature: Nature { minimiser: 0, maximiser: 0 } };
        let scratch = Scratch::new(conduct.model.states().len());
        Self {
            conduct,
            told,
            stage: 0,
            node: NONE,
            belief: Sparse::new(),
            decision,
            memory,
            scratch,
            next: Sparse::new(),
        }
    }

    /// The first decision of an episode that starts in `state`.
    pub fn start(&mut self, state: usize) -> Decision {
        self.stage = 0;
        if self.conduct.sees() {
            self.next.clear();
            self.next.push((state as u32, 1.0));
        } else if self.memory.places.is_empty() {
            self.next = self.conduct.start();
        } else {
            self.node = 0;
            self.decision = self.memory.decision(0);
            return self.decision;
        }
        self.arrive(NONE, 0);
        self.decision
    }

    /// The next decision, after nature chose a model and something was seen.
    #[inline]
    pub fn after(&mut self, model: usize, seen: usize) -> Result<Decision, ModelError> {
        self.stage += 1;
        let maximised = self.told && model != self.decision.nature.minimiser;
        let branch = usize::from(maximised) * self.memory.symbols + seen;
        if self.node != NONE && !self.conduct.sees() {
            let next = self.memory.rows[self.node as usize * self.memory.width + HEADER + branch];
            if next != NONE {
                self.node = next;
                self.decision = self.memory.decision(next);
                return Ok(self.decision);
            }
        }
        self.think(self.told.then_some(model), seen, branch)?;
        Ok(self.decision)
    }

    fn think(&mut self, told: Option<usize>, seen: usize, branch: usize) -> Result<(), ModelError> {
        let from = self.node;
        let belief = if from == NONE { self.belief.as_slice() } else { self.memory.belief(from) };
        self.conduct.update(belief, self.decision, told, seen, &mut self.scratch, &mut self.next)?;
        self.arrive(from, branch);
        Ok(())
    }

    /// Makes `next` the present: it follows the node `from`, if there is one, by `branch`.
    fn arrive(&mut self, from: u32, branch: usize) {
        std::mem::swap(&mut self.belief, &mut self.next);
        let stage = self.conduct.stage(self.stage);
        let hash = hash(stage, &self.belief);
        let (node, decision) = self.memory.find(hash, stage, &self.belief, || self.conduct.decide(stage, &self.belief));
        (self.node, self.decision) = (node, decision);
        if from != NONE && node != NONE && self.memory.symbols > 0 {
            self.memory.rows[from as usize * self.memory.width + HEADER + branch] = node;
        }
    }
}

impl Memory {
    #[inline]
    fn decision(&self, node: u32) -> Decision {
        let row = &self.rows[node as usize * self.width..][..HEADER];
        let nature = Nature { minimiser: row[1] as usize, maximiser: row[2] as usize };
        Decision { action: row[0] as usize, nature }
    }

    fn belief(&self, node: u32) -> &[(u32, f64)] {
        let (_, start, len) = self.places[node as usize];
        &self.beliefs[start as usize..][..len as usize]
    }

    /// The node of a belief, or `NONE` where it is not stored, and the decision there.
    fn find(
        &mut self,
        hash: u64,
        stage: usize,
        belief: &[(u32, f64)],
        decide: impl FnOnce() -> Decision,
    ) -> (u32, Decision) {
        let known = self.known.get(&hash).copied();
        if let Some(node) =
            known.filter(|&node| self.places[node as usize].0 as usize == stage && self.belief(node) == belief)
        {
            return (node, self.decision(node));
        }
        let decision = decide();
        let lately = &mut self.lately[hash as usize % LATELY];
        let recurs = *lately == hash || self.places.is_empty();
        *lately = hash;
        let bytes = size_of::<u32>() * self.rows.len() + size_of::<(u32, f64)>() * self.beliefs.len();
        if !recurs || known.is_some() || bytes > self.most_bytes {
            return (NONE, decision);
        }
        let node = self.places.len() as u32;
        self.places.push((stage as u32, self.beliefs.len() as u32, belief.len() as u32));
        self.beliefs.extend_from_slice(belief);
        let Decision { action, nature } = decision;
        self.rows.extend([action as u32, nature.minimiser as u32, nature.maximiser as u32]);
        self.rows.resize(self.rows.len() + self.width - HEADER, NONE);
        self.known.insert(hash, node);
        (node, decision)
    }
}

/// A hash of a stage and a belief. The terms are independent of each other, so that they are computed side by side.
fn hash(stage: usize, belief: &[(u32, f64)]) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mixed = |x: u64| {
        let x = (x ^ (x >> 32)).wrapping_mul(ODD);
        x ^ (x >> 29)
    };
    let terms = belief.iter().map(|&(state, p)| mixed(p.to_bits() ^ u64::from(state + 1).wrapping_mul(ODD)));
    mixed(terms.fold(stage as u64, u64::wrapping_add))
}

#[cfg(test)]
mod tests {
    use tiresias_model::format::{ReadOptions, read};
    use tiresias_model::random::Key;
    use tiresias_model::{Model, Policy};

    use super::*;
    use crate::conduct::Sides;

    /// Two rooms, five readings, and a reset: beliefs recur after it and hardly otherwise.
    const MODEL: &str = "discount: 0.9\nstates: 3\nactions: 2\nobservations: 4\nstart: 0.5 0.5 0\n\
        T: 0\n0.7 0.3 0\n0.2 0.7 0.1\n0.5 0.5 0\nT: 1\n0.9 0.05 0.05\n0.1 0.9 0\n0.5 0.5 0\n\
        O: *\n0.5 0.3 0.2 0\n0.2 0.3 0.5 0\n0 0 0 1\n";

    fn model() -> Model {
        read("rooms.pomdp", MODEL.as_bytes(), &ReadOptions::default()).unwrap().model
    }

    struct Rule;

    impl Policy for Rule {
        fn action(&self, stage: usize, belief: &[f64]) -> usize {
            usize::from(belief[0] > 0.45) ^ (stage % 2)
        }
    }

    #[test]
    fn what_is_stored_changes_nothing() {
        let model = model();
        for stationary in [true, false] {
            let sides = Sides { policy: &Rule, adversary: None, stationary };
            let conduct = Conduct::new(&model, sides, false);
            // Nothing but the start, little, and everything that recurs.
            let mut minds = [0, 2000, 1 << 20].map(|most| Mind::new(&conduct, false, most));
            let mut draw = Key::named(2, &["minds"], &[]).sequence();
            for _ in 0..300 {
                let first = minds.each_mut().map(|mind| mind.start(0));
                assert!(first.iter().all(|decision| *decision == first[0]));
                for _ in 0..20 {
                    let seen = draw.integer(0, 3) as usize;
                    let next = minds.each_mut().map(|mind| mind.after(0, seen));
                    assert!(next.iter().all(|decision| *decision == next[0]));
                    // The reset is not seen twice in a row.
                    if next[0].is_err() {
                        break;
                    }
                }
            }
            let stored = minds.each_ref().map(|mind| mind.memory.places.len());
            assert_eq!(stored[0], 1);
            assert!(1 < stored[1] && stored[1] < stored[2], "{stored:?}");
        }
    }

    #[test]
    fn a_stored_belief_needs_no_second_thought() {
        let model = model();
        let sides = Sides { policy: &Rule, adversary: None, stationary: true };
        let conduct = Conduct::new(&model, sides, false);
        let mut mind = Mind::new(&conduct, false, 1 << 20);
        for _ in 0..3 {
            mind.start(0);
            for _ in 0..5 {
                mind.after(0, 1).unwrap();
            }
        }
        // Met for the second time each of the five was stored, and the third time found.
        assert_eq!(mind.memory.places.len(), 6);
        assert_eq!(mind.node, 5);
    }
}
