//! α-vectors over some of the states, laid out for products with sparse beliefs.

use crate::belief::bounds::PlanSet;

/// Vectors a block.
const WIDTH: usize = 32;

/// α-vectors, each with an action, over the same states.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VectorSet {
    /// Ascending.
    states: Vec<u32>,
    /// Whether these are all states, so that a state is its own place.
    all: bool,
    actions: Vec<u32>,
    /// Blocks of [`WIDTH`] vectors, `[block][place of the state][lane]`: the products of a block stay in registers, and a sparse
    /// belief reads whole rows. Places without a vector hold -∞, which never is the largest.
    blocks: Vec<[f64; WIDTH]>,
}

impl VectorSet {
    /// `states` is the number of the model's.
    pub fn new(set: &PlanSet, states: usize) -> Self {
        let all = set.states.len() == states;
        let mut out = Self { states: set.states.clone(), all, actions: Vec::new(), blocks: Vec::new() };
        set.plans.iter().for_each(|(action, vector)| out.push(*action, vector));
        out
    }

    /// From vectors over all states.
    pub fn over_all(plans: Vec<(u32, Vec<f64>)>) -> Self {
        let states = plans.first().map_or(0, |(_, vector)| vector.len());
        Self::new(&PlanSet { states: (0..states as u32).collect(), plans }, states)
    }

    /// Adds a vector, one entry a state of the set.
    pub fn push(&mut self, action: u32, vector: &[f64]) {
        let (i, width) = (self.actions.len(), self.states.len());
        if i % WIDTH == 0 {
            self.blocks.extend(std::iter::repeat_n([f64::NEG_INFINITY; WIDTH], width));
        }
        let rows = &mut self.blocks[i / WIDTH * width..][..width];
        rows.iter_mut().zip(vector).for_each(|(row, &value)| row[i % WIDTH] = value);
        self.actions.push(action);
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
    pub fn vector(&self, i: usize) -> impl Iterator<Item = f64> + '_ {
        let rows = &self.blocks[i / WIDTH * self.states.len()..][..self.states.len()];
        rows.iter().map(move |row| row[i % WIDTH])
    }

    /// The entry of vector `i` at `state`, where the set has it.
    pub fn entry(&self, i: usize, state: usize) -> Option<f64> {
        self.place(state).map(|place| self.blocks[i / WIDTH * self.states.len() + place][i % WIDTH])
    }

    pub fn place(&self, state: usize) -> Option<usize> {
        if self.all { Some(state) } else { self.states.binary_search(&(state as u32)).ok() }
    }

    /// Vector and product that are the best at a sparse belief, the first of equals; `None` where the set does not hold it.
    /// O(vectors · entries of the belief).
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
        let (mut best, mut block_of) = ([f64::NEG_INFINITY; WIDTH], [0; WIDTH]);
        // The loop is compiled for each SIMD level; sums run over states in the same order at all of them.
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for (number, block) in self.blocks.chunks_exact(self.states.len()).enumerate() {
                    let mut products = [0.0; WIDTH];
                    for &(place, mass) in belief {
                        let row = &block[place as usize];
                        for lane in 0..WIDTH {
                            products[lane] += mass * row[lane];
                        }
                    }
                    for lane in 0..WIDTH {
                        let better = products[lane] > best[lane];
                        best[lane] = if better { products[lane] } else { best[lane] };
                        block_of[lane] = if better { number as u64 } else { block_of[lane] };
                    }
                }
            },
        );
        let candidates = (0..WIDTH).map(|lane| (block_of[lane] as usize * WIDTH + lane, best[lane]));
        // Lanes are not in the order of the vectors.
        candidates.fold((usize::MAX, f64::NEG_INFINITY), |best, next| {
            if next.1 > best.1 || (next.1 == best.1 && next.0 < best.0) { next } else { best }
        })
    }
}
