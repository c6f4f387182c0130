//! Many beliefs, updated together.

use rayon::prelude::*;

use crate::filter::{BeliefFilter, Real};
use crate::level::{Isa, Kernel, Level};

/// Beliefs a block: 2 vectors of f64 or 1 of f32 at the widest level, which hides the latency of a sum.
const WIDTH: usize = 16;

/// Blocks a piece of parallel work.
const PIECE: usize = 32;

/// `len` beliefs of length S as structures of arrays: blocks of 16 lanes, `[block][state][lane]`, so that one vector instruction
/// does the same state of several beliefs.
///
/// Every lane has its own action and observation. A block predicts once for each distinct action among its lanes and every lane
/// keeps the prediction of its own: min(A, 16) passes at most, each at the cost of one belief's. In f64 the numbers are those of
/// [`tiresias_model::belief::update`], bit for bit, at every SIMD level: sums run over states in the same order.
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
    /// such lanes. O(min(A, 16) · entries of `P[a]` / 16 + S) a lane.
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
        let lanes = PIECE * WIDTH;
        let beliefs = self.lanes.par_chunks_mut(lanes * self.states);
        let inputs = actions.par_chunks(lanes).zip(observations.par_chunks(lanes));
        let pieces = beliefs.zip(inputs).zip(log_likelihoods.par_chunks_mut(lanes));
        pieces
            .map(|((beliefs, (actions, observations)), likelihoods)| {
                // A negative observation becomes one that no model has.
                actions.iter().zip(observations).for_each(|(&a, &o)| filter.check(a.into(), o as usize));
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
    #[inline(always)]
    fn run<I: Isa>(self, _: I) {
        let mut joint = vec![[T::default(); WIDTH]; self.filter.states()];
        let outputs = self.likelihoods.chunks_mut(WIDTH);
        let inputs = self.actions.chunks(WIDTH).zip(self.observations.chunks(WIDTH)).zip(outputs);
        let (blocks, _) = self.beliefs.as_chunks_mut::<WIDTH>();
        for (block, ((actions, observations), likelihoods)) in blocks.chunks_exact_mut(joint.len()).zip(inputs) {
            // Lanes beyond the last belief do as the first one does: no pass of their own.
            let (mut action, mut observation) = ([actions[0]; WIDTH], [observations[0]; WIDTH]);
            action[..actions.len()].copy_from_slice(actions);
            observation[..observations.len()].copy_from_slice(observations);
            predict(self.filter, block, &action, &mut joint);
            let total = weigh(self.filter, &action, &observation, &mut joint);
            normalise(block, &joint, &total);
            likelihoods.iter_mut().zip(&total).for_each(|(out, total)| *out = total.wide());
        }
    }
}

/// `joint[s'][lane] = Σ_s b[s][lane] · P[action[lane]][s][s']`. Lanes are told apart by multiplying with 0 or 1, which is exact and
/// stays in vectors where a choice would become a branch a lane.
#[inline(always)]
fn predict<T: Real>(filter: &BeliefFilter<T>, belief: &[[T; WIDTH]], action: &[u8; WIDTH], joint: &mut [[T; WIDTH]]) {
    joint.fill([T::default(); WIDTH]);
    for first in 0..WIDTH {
        let a = action[first];
        if action[..first].contains(&a) {
            continue;
        }
        let mut own = [T::default(); WIDTH];
        for lane in 0..WIDTH {
            own[lane] = T::of(f64::from(u8::from(action[lane] == a)));
        }
        for next in 0..joint.len() {
            let mut mass = [T::default(); WIDTH];
            for &(state, p) in filter.predecessors(a.into(), next) {
                let belief = &belief[state as usize];
                for lane in 0..WIDTH {
                    mass[lane] += belief[lane] * p;
                }
            }
            let joint = &mut joint[next];
            for lane in 0..WIDTH {
                joint[lane] += mass[lane] * own[lane];
            }
        }
    }
}

/// `joint[s'][lane] *= Q[action[lane]][s'][observation[lane]]`; returns the sums over `s'`.
#[inline(always)]
fn weigh<T: Real>(
    filter: &BeliefFilter<T>,
    action: &[u8; WIDTH],
    observation: &[i32; WIDTH],
    joint: &mut [[T; WIDTH]],
) -> [T; WIDTH] {
    let mut weights = [filter.likelihoods(action[0].into(), observation[0] as usize); WIDTH];
    for lane in 1..WIDTH {
        weights[lane] = filter.likelihoods(action[lane].into(), observation[lane] as usize);
    }
    let mut total = [T::default(); WIDTH];
    for next in 0..joint.len() {
        let joint = &mut joint[next];
        for lane in 0..WIDTH {
            joint[lane] = joint[lane] * weights[lane][next];
            total[lane] += joint[lane];
        }
    }
    total
}

/// `b[s][lane] = joint[s][lane] / total[lane]` where the total is positive; elsewhere `0 / 1 + b[s][lane]`.
#[inline(always)]
fn normalise<T: Real>(belief: &mut [[T; WIDTH]], joint: &[[T; WIDTH]], total: &[T; WIDTH]) {
    let (mut divisor, mut kept) = (*total, [T::default(); WIDTH]);
    for lane in 0..WIDTH {
        if total[lane] <= T::default() {
            (divisor[lane], kept[lane]) = (T::of(1.0), T::of(1.0));
        }
    }
    for state in 0..joint.len() {
        let (belief, joint) = (&mut belief[state], &joint[state]);
        for lane in 0..WIDTH {
            let mut updated = joint[lane] / divisor[lane];
            updated += belief[lane] * kept[lane];
            belief[lane] = updated;
        }
    }
}
