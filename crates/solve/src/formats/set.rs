//! α-vectors over some of the states.

use crate::belief::screen::{FEW, Screen};
use crate::belief::value_function::PlanSet;

/// α-vectors, each with an action, over the same states.
#[derive(Debug, Clone)]
pub(super) struct VectorSet {
    /// Ascending.
    states: Vec<u32>,
    /// Whether these are all states, so that a state is its own place.
    all: bool,
    actions: Vec<u32>,
    /// The vectors, one after the other.
    entries: Vec<f64>,
    /// Finds the best of many quickly; `None` for few, and while vectors are being added.
    screen: Option<Screen>,
}

impl PartialEq for VectorSet {
    fn eq(&self, other: &Self) -> bool {
        (&self.states, &self.actions, &self.entries) == (&other.states, &other.actions, &other.entries)
    }
}

impl VectorSet {
    /// `states` is the number of the model's.
    pub fn new(set: &PlanSet, states: usize) -> Self {
        let entries: Vec<f64> = set.plans.iter().flat_map(|(_, vector)| vector).copied().collect();
        let actions = set.plans.iter().map(|&(action, _)| action).collect();
        let screen = (set.plans.len() >= FEW).then(|| Screen::new(set.states.len(), &entries));
        Self { states: set.states.clone(), all: set.states.len() == states, actions, entries, screen }
    }

    /// Bytes that the vectors take, with what finds them quickly: single precision copies of them.
    pub fn bytes(&self) -> usize {
        let Self { states, all: _, actions, entries, screen } = self;
        let entries = size_of_val(&entries[..]);
        size_of_val(&states[..]) + size_of_val(&actions[..]) + entries + screen.as_ref().map_or(0, |_| entries / 2)
    }

    /// From vectors over all states.
    pub fn over_all(plans: Vec<(u32, Vec<f64>)>) -> Self {
        let states = plans.first().map_or(0, |(_, vector)| vector.len());
        Self::new(&PlanSet { states: (0..states as u32).collect(), plans }, states)
    }

    /// Adds a vector, one entry a state of the set.
    pub fn push(&mut self, action: u32, vector: &[f64]) {
        self.screen = None;
        self.actions.push(action);
        self.entries.extend(vector);
    }

    pub fn len(&self) -> usize {
        self.actions.len()
    }

    pub fn states(&self) -> &[u32] {
        &self.states
    }

    pub fn action(&self, i: usize) -> u32 {
        self.actions[i]
    }

    /// The entries of vector `i`, one a state of the set.
    pub fn vector(&self, i: usize) -> &[f64] {
        &self.entries[i * self.states.len()..][..self.states.len()]
    }

    /// The place of a state in the set's vectors, where they have it.
    pub fn place(&self, state: usize) -> Option<usize> {
        if self.all { Some(state) } else { self.states.binary_search(&(state as u32)).ok() }
    }

    /// Vector and product that are the best at a sparse belief, the first of equals; `None` where the set does not hold it.
    /// O(vectors · entries of the belief) in single precision; in double precision only for those vectors that single precision
    /// cannot tell from the best.
    pub fn best(&self, belief: &[(u32, f64)]) -> Option<(usize, f64)> {
        if self.all {
            return Some(self.best_at(belief));
        }
        let own: Option<Vec<(u32, f64)>> =
            belief.iter().map(|&(s, p)| self.place(s as usize).map(|place| (place as u32, p))).collect();
        own.map(|own| self.best_at(&own))
    }

    /// The same for a belief over the set's own places.
    fn best_at(&self, belief: &[(u32, f64)]) -> (usize, f64) {
        let exact = |i: usize| product(self.vector(i), belief);
        if let Some(screen) = &self.screen {
            return screen.best(belief, exact);
        }
        let products = (0..self.len()).map(|i| (i, exact(i)));
        products.fold((0, f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best })
    }
}

/// `vector · belief` in four sums, so that an addition need not wait for the one before.
fn product(vector: &[f64], belief: &[(u32, f64)]) -> f64 {
    let mut sums = [0.0; 4];
    let (fours, rest) = belief.as_chunks::<4>();
    for four in fours {
        for (sum, &(state, mass)) in sums.iter_mut().zip(four) {
            *sum += mass * vector[state as usize];
        }
    }
    for (sum, &(state, mass)) in sums.iter_mut().zip(rest) {
        *sum += mass * vector[state as usize];
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}
