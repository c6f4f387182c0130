//! The best plan that draws nothing, by enumeration: for short horizons.
//!
//! After a history of actions and observations, whatever the rest of a plan is, it earns a vector with one entry a model. Of those
//! vectors only the ones that no other exceeds everywhere matter (the Pareto front), as α-MEU rises with each entry: the front of a
//! history is the front, over actions, of reward plus all sums of one vector for each observation. NP-hard in general, as the
//! memory of a plan is not bounded by any belief.

use rustc_hash::FxHashMap;
use tiresias_model::Model;

use super::oracle::Oracle;
use super::{First, Plan, attitude};
use crate::belief::backup::{Scratch, Sparse, sparse};
use crate::formats::{Controller, Node};
use crate::limits::{Late, Watch};

/// Decisions at most: histories go as deep as this, and calls with them.
const MOST_DECISIONS: usize = 256;
/// Vectors compared at most.
const MOST_WORK: usize = 50_000_000;

/// A vector of a front and the plan that earns it.
#[derive(Clone)]
struct Entry {
    worth: Vec<f64>,
    tree: u32,
}

/// What a plan does after one history, and its plans after each observation.
struct Tree {
    action: u32,
    next: Vec<Option<u32>>,
}

/// The best plan of all that draw nothing; `None` without a horizon or with a long one, and where there are too many histories.
pub(super) fn best(oracle: &Oracle, model: &Model, watch: &Watch) -> Option<Plan> {
    let horizon = model.horizon().filter(|&horizon| horizon <= MOST_DECISIONS)?;
    let product = &oracle.product;
    let mut fronts = Fronts {
        product,
        states: model.states().len(),
        models: model.dynamics().len(),
        observations: product.observations().map_or(0, tiresias_model::Space::len),
        horizon,
        scratch: Scratch::new(product),
        known: FxHashMap::default(),
        trees: Vec::new(),
        work: 0,
        watch,
    };
    // Under every model the whole mass: entries are what each earns, and no prior has a say.
    let every = vec![1.0; fronts.models];
    let mut whole = vec![Chosen { worth: vec![0.0; fronts.models], trees: Vec::new() }];
    for part in &oracle.parts {
        let start: Vec<f64> = every.iter().flat_map(|_| part.belief().iter().map(|p| p * part.probability)).collect();
        let front = fronts.front(0, &sparse(&start)).ok()?;
        whole = fronts.sums(&whole, &front, Vec::push).ok()?;
    }
    let alpha = model.alpha();
    let best = whole.into_iter().reduce(|best, other| {
        if attitude(alpha, &other.worth) > attitude(alpha, &best.worth) { other } else { best }
    })?;
    let first =
        |(tree, part): (&u32, &super::oracle::Part)| First { state: part.state, controller: fronts.controller(*tree) };
    Some(Plan { controllers: best.trees.iter().zip(&oracle.parts).map(first).collect(), worth: best.worth })
}

/// A sum of vectors, and the plans that were chosen for it.
#[derive(Clone)]
struct Chosen<T> {
    worth: Vec<f64>,
    trees: T,
}

/// A stage, and masses bit for bit.
type Moment = (usize, Vec<(u32, u64)>);

struct Fronts<'a> {
    product: &'a Model,
    /// Of one model.
    states: usize,
    models: usize,
    observations: usize,
    horizon: usize,
    scratch: Scratch,
    /// By stage and what the history leaves of each model's mass, bit for bit.
    known: FxHashMap<Moment, Vec<Entry>>,
    trees: Vec<Tree>,
    work: usize,
    watch: &'a Watch<'a>,
}

impl Fronts<'_> {
    /// The front from `stage` on, where the history leaves these masses of model and state.
    fn front(&mut self, stage: usize, masses: &Sparse) -> Result<Vec<Entry>, Late> {
        if stage == self.horizon {
            let last = self.product.final_reward();
            let worth = if last.is_empty() { vec![0.0; self.models] } else { self.by_model(masses, last) };
            return Ok(vec![Entry { worth, tree: 0 }]);
        }
        let key = (stage, masses.iter().map(|&(s, p)| (s, p.to_bits())).collect());
        if let Some(front) = self.known.get(&key) {
            return Ok(front.clone());
        }
        let all = self.product.states().len();
        let mut front: Vec<Entry> = Vec::new();
        for action in 0..self.product.actions().len() {
            let rewards = &self.product.expected_reward(0)[action * all..][..all];
            let worth = self.by_model(masses, rewards);
            let mut ahead: Vec<(usize, Sparse)> = Vec::new();
            self.scratch.successors(self.product, 0, masses, action, |o, joint| ahead.push((o, joint.to_vec())));
            let mut sums = vec![Chosen { worth, trees: Vec::new() }];
            for (o, joint) in ahead {
                let discount = self.product.discount();
                let mut next = self.front(stage + 1, &joint)?;
                next.iter_mut().for_each(|entry| entry.worth.iter_mut().for_each(|v| *v *= discount));
                sums = self.sums(&sums, &next, |trees, tree| trees.push((o, tree)))?;
            }
            for sum in sums {
                let mut next = vec![None; self.observations];
                if stage + 1 < self.horizon {
                    sum.trees.iter().for_each(|&(o, tree)| next[o] = Some(tree));
                }
                self.trees.push(Tree { action: action as u32, next });
                let entry = Entry { worth: sum.worth, tree: self.trees.len() as u32 - 1 };
                self.spend(front.len() + 1)?;
                enter(&mut front, entry, |entry| &entry.worth);
            }
        }
        self.known.insert(key, front.clone());
        Ok(front)
    }

    /// The front of all sums of one of `some` and one of `next`.
    fn sums<T: Clone>(
        &mut self,
        some: &[Chosen<T>],
        next: &[Entry],
        choose: impl Fn(&mut T, u32),
    ) -> Result<Vec<Chosen<T>>, Late> {
        let mut sums: Vec<Chosen<T>> = Vec::new();
        for one in some {
            for entry in next {
                self.spend(sums.len() + 1)?;
                let mut sum = one.clone();
                sum.worth.iter_mut().zip(&entry.worth).for_each(|(total, v)| *total += v);
                choose(&mut sum.trees, entry.tree);
                enter(&mut sums, sum, |sum| &sum.worth);
            }
        }
        Ok(sums)
    }

    fn spend(&mut self, work: usize) -> Result<(), Late> {
        self.work += work * self.models;
        if self.work > MOST_WORK {
            return Err(Late);
        }
        self.watch.spend(work * self.models)
    }

    /// The masses' product with values, model by model.
    fn by_model(&self, masses: &Sparse, values: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.models];
        masses.iter().for_each(|&(s, p)| sums[s as usize / self.states] += p * values[s as usize]);
        sums
    }

    /// A plan as a controller with a graph a stage.
    fn controller(&self, root: u32) -> Controller {
        let mut stages: Vec<Vec<Node>> = Vec::with_capacity(self.horizon);
        let mut now = vec![root];
        for _ in 0..self.horizon {
            let mut numbers: FxHashMap<u32, u32> = FxHashMap::default();
            let mut after: Vec<u32> = Vec::new();
            let nodes = now.iter().map(|&tree| {
                let Tree { action, next } = &self.trees[tree as usize];
                let number = |tree: &u32| {
                    *numbers.entry(*tree).or_insert_with(|| {
                        after.push(*tree);
                        after.len() as u32 - 1
                    })
                };
                let mut number = number;
                Node { action: *action, next: next.iter().map(|tree| tree.as_ref().map(&mut number)).collect() }
            });
            let nodes: Vec<Node> = nodes.collect();
            stages.push(nodes);
            now = after;
        }
        Controller::new(stages)
    }
}

/// Enters a vector into a front, if none there is as good everywhere; those that it makes needless go.
fn enter<T>(front: &mut Vec<T>, new: T, worth: impl Fn(&T) -> &[f64]) {
    let exceeds = |a: &T, b: &T| worth(a).iter().zip(worth(b)).all(|(a, b)| a >= b);
    if !front.iter().any(|old| exceeds(old, &new)) {
        front.retain(|old| !exceeds(&new, old));
        front.push(new);
    }
}
