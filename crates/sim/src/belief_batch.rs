//! Many beliefs, updated together.

use rayon::prelude::*;
use tiresias_model::memory::product;

use crate::filter::{BeliefFilter, Real};
use crate::level::{Isa, Kernel, Level};

/// Beliefs a block: 2 vectors of f64 or 1 of f32 at the widest level, which hides the latency of a sum.
const WIDTH: usize = 16;

/// Blocks a piece of parallel work.
const PIECE: usize = 32;

/// `len` beliefs of length S as structures of arrays: blocks of 16 lanes, `[block][state][lane]`, so that one vector instruction
/// does the same state of several beliefs.
///
/// Every lane has its own action and observation: lanes of one action are gathered, 16 at a time, updated side by side and put back.
/// In f64 the numbers are those of [`tiresias_model::belief::update`], bit for bit, at every SIMD level: sums run over states in
/// the same order.
#[derive(Debug, Clone, PartialEq)]
pub struct BeliefBatch<T> {
    states: usize,
    len: usize,
    lanes: Vec<T>,
}

impl<T: Real> BeliefBatch<T> {
    /// `len` copies of `start` (length S).
    pub fn new(start: &[f64], len: usize) -> Self {
        let block = start.iter().flat_map(|&p| [T::of(p); WIDTH]);
        let blocks = len.div_ceil(WIDTH);
        let lanes = block.collect::<Vec<_>>().repeat(blocks);
        Self { states: start.len(), len, lanes }
    }

    /// Bytes that `len` beliefs over `states` states take.
    pub fn bytes_for(states: usize, len: usize) -> usize {
        product(&[len.div_ceil(WIDTH), WIDTH, states, size_of::<T>()])
    }

    /// Bytes that the beliefs take.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.lanes[..])
    }

    /// Number of beliefs.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Belief `lane`, by state.
    ///
    /// # Panics
    /// When there is no such lane.
    pub fn belief(&self, lane: usize) -> impl ExactSizeIterator<Item = T> + '_ {
        assert!(lane < self.len, "lane {lane} of {}", self.len);
        let block = &self.lanes[lane / WIDTH * WIDTH * self.states..][..WIDTH * self.states];
        block[lane % WIDTH..].iter().step_by(WIDTH).copied()
    }

    /// Sets belief `lane`.
    ///
    /// # Panics
    /// When there is no such lane or the belief does not have one number a state.
    pub fn set(&mut self, lane: usize, belief: &[T]) {
        assert!(lane < self.len && belief.len() == self.states, "lane {lane} of {}, one number a state", self.len);
        let block = &mut self.lanes[lane / WIDTH * WIDTH * self.states..][..WIDTH * self.states];
        block[lane % WIDTH..].iter_mut().step_by(WIDTH).zip(belief).for_each(|(place, &p)| *place = p);
    }

    /// Updates every lane with its action and observation, on the current rayon pool. `log_likelihoods[lane]` becomes
    /// `ln Pr(o | b, a)`; where the observation is impossible that is -∞ and the lane keeps its belief. Returns the number of
    /// such lanes. O(entries of `P[a]` / vector width + S) a lane.
    ///
    /// # Panics
    /// When a slice does not have one element a lane, the filter is of another number of states, or an action or observation is
    /// not one of the model's.
    pub fn update(
        &mut self,
        filter: &BeliefFilter<T>,
        actions: &[u8],
        observations: &[i32],
        log_likelihoods: &mut [f64],
        level: Level,
    ) -> usize {
        let lengths = [actions.len(), observations.len(), log_likelihoods.len()];
        assert_eq!(lengths, [self.len; 3], "one number a lane");
        assert_eq!(filter.states(), self.states, "a filter of as many states");
        // In single precision the compiler gathers 16 likelihoods by one AVX-512 instruction, slower than one by one.
        let level = if size_of::<T>() < 8 { level.min(Level::Avx2) } else { level };
        let lanes = PIECE * WIDTH;
        let beliefs = self.lanes.par_chunks_mut(lanes * self.states);
        let inputs = actions.par_chunks(lanes).zip(observations.par_chunks(lanes));
        let pieces = beliefs.zip(inputs).zip(log_likelihoods.par_chunks_mut(lanes));
        pieces
            .map(|((beliefs, (actions, observations)), likelihoods)| {
                filter.check_all(actions, observations);
                level.run(Update { filter, beliefs, actions, observations, likelihoods });
                likelihoods.iter_mut().for_each(|p| *p = p.ln());
                likelihoods.iter().filter(|&&p| p == f64::NEG_INFINITY).count()
            })
            .sum()
    }
}

/// The update of one piece; leaves likelihoods, not yet their logarithms.
struct Update<'a, T> {
    filter: &'a BeliefFilter<T>,
    beliefs: &'a mut [T],
    actions: &'a [u8],
    observations: &'a [i32],
    likelihoods: &'a mut [f64],
}

impl<T: Real> Kernel for Update<'_, T> {
    /// Lanes in the order of their actions, [`WIDTH`] at a time: a group of one action predicts once.
    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        let Self { filter, beliefs, actions, observations, likelihoods } = self;
        let states = filter.states();
        let order = by_action(actions);
        let (blocks, _) = beliefs.as_chunks_mut::<WIDTH>();
        let mut belief = vec![[T::default(); WIDTH]; states];
        let mut joint = belief.clone();
        let mut lanes = order.as_slice();
        while let Some(&first) = lanes.first() {
            let action = actions[usize::from(first)];
            let mut n = 1;
            while n < WIDTH.min(lanes.len()) && actions[usize::from(lanes[n])] == action {
                n += 1;
            }
            let (group, rest) = lanes.split_at(n);
            lanes = rest;
            // Places without a lane do as the first one does.
            let (mut at, mut weights) = ([0; WIDTH], [filter.likelihoods(0, 0); WIDTH]);
            for place in 0..WIDTH {
                at[place] = usize::from(group[if place < n { place } else { 0 }]);
                weights[place] = filter.likelihoods(action.into(), observations[at[place]] as usize);
                let own = &blocks[at[place] / WIDTH * states..][..states];
                for (to, from) in belief.iter_mut().zip(own) {
                    to[place] = from[at[place] % WIDTH];
                }
            }
            predict(filter, action.into(), &belief, &mut joint);
            let total = weigh(&weights, &mut joint);
            normalise(&mut joint, &total);
            for place in 0..n {
                likelihoods[at[place]] = total[place].wide();
                // An impossible observation leaves the belief as it was.
                if total[place] > T::default() {
                    let own = &mut blocks[at[place] / WIDTH * states..][..states];
                    for (to, from) in own.iter_mut().zip(&joint) {
                        to[at[place] % WIDTH] = from[place];
                    }
                }
            }
        }
    }
}

/// The lanes of a piece, those of one action after the other.
fn by_action(actions: &[u8]) -> Vec<u16> {
    let mut next = [0usize; 257];
    actions.iter().for_each(|&a| next[usize::from(a) + 1] += 1);
    (0..256).for_each(|a| next[a + 1] += next[a]);
    let mut order = vec![0; actions.len()];
    for (lane, &a) in actions.iter().enumerate() {
        order[next[usize::from(a)]] = lane as u16;
        next[usize::from(a)] += 1;
    }
    order
}

/// `joint[s'][lane] = Σ_s b[s][lane] · P[a][s][s']`.
#[inline(always)]
fn predict<T: Real>(filter: &BeliefFilter<T>, action: usize, belief: &[[T; WIDTH]], joint: &mut [[T; WIDTH]]) {
    for (next, joint) in joint.iter_mut().enumerate() {
        let mut mass = [T::default(); WIDTH];
        for &(state, p) in filter.predecessors(action, next) {
            let belief = &belief[state as usize];
            for lane in 0..WIDTH {
                mass[lane] += belief[lane] * p;
            }
        }
        *joint = mass;
    }
}

/// `joint[s'][lane] *= weights[lane][s']`; returns the sums over `s'`.
#[inline(always)]
fn weigh<T: Real>(weights: &[&[T]; WIDTH], joint: &mut [[T; WIDTH]]) -> [T; WIDTH] {
    let mut total = [T::default(); WIDTH];
    for (next, joint) in joint.iter_mut().enumerate() {
        for lane in 0..WIDTH {
            joint[lane] = joint[lane] * weights[lane][next];
            total[lane] += joint[lane];
        }
    }
    total
}

#[inline(always)]
fn normalise<T: Real>(joint: &mut [[T; WIDTH]], total: &[T; WIDTH]) {
    for joint in joint {
        for lane in 0..WIDTH {
            joint[lane] = joint[lane] / total[lane];
        }
    }
}
