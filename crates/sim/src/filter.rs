//! Bayes' rule compiled for one model of the cloud, in f64 or f32.

use std::fmt::Debug;
use std::ops::{AddAssign, Div, Mul};

use tiresias_model::Model;
use tiresias_model::memory::product;

/// The numbers beliefs are made of: `f64` or `f32`.
pub trait Real:
    Copy + Debug + Default + PartialOrd + Send + Sync + AddAssign + Mul<Output = Self> + Div<Output = Self> + 'static
{
    /// The nearest number of this type.
    fn of(x: f64) -> Self;
    /// The same number in double precision.
    fn wide(self) -> f64;
}

impl Real for f64 {
    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

impl Real for f32 {
    #[inline(always)]
    fn of(x: f64) -> Self {
        x as Self
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

/// The kernels of one model, turned to the order in which a filter reads them: transitions by the state they lead to, sparse, so
/// that a sum over predecessors stays in a register; observation likelihoods by observation, dense (A·O·S numbers).
#[derive(Debug, Clone)]
pub struct BeliefFilter<T> {
    states: usize,
    actions: usize,
    observations: usize,
    /// Where the predecessors of `s'` under `a` start, index `a * S + s'`, one more at the end.
    offsets: Vec<usize>,
    /// Predecessors, ascending, and the probability of the transition from each.
    from: Vec<(u32, T)>,
    /// `Q[a][s'][o]` at `(a * O + o) * S + s'`.
    likelihood: Vec<T>,
}

impl<T: Real> BeliefFilter<T> {
    /// The filter of model `m` of the cloud. Without an observation model the observation is the next state.
    /// O(A·S·O + entries of P); the dense likelihoods take A·S² numbers when the state is seen.
    ///
    /// # Panics
    /// When the cloud has no model `m`.
    pub fn new(model: &Model, m: usize) -> Self {
        let (states, actions) = (model.states().len(), model.actions().len());
        let observations = model.observations().map_or(states, tiresias_model::Space::len);
        let dynamics = &model.dynamics()[m];
        let mut offsets = vec![0];
        let mut from = Vec::with_capacity(dynamics.transition.entries());
        for action in 0..actions {
            let mut into: Vec<Vec<(u32, T)>> = vec![Vec::new(); states];
            for state in 0..states {
                for (next, p) in dynamics.transition.pairs(action * states + state) {
                    into[next].push((state as u32, T::of(p)));
                }
            }
            for entries in into {
                from.extend(entries);
                offsets.push(from.len());
            }
        }
        let mut likelihood = vec![T::default(); actions * observations * states];
        for row in 0..actions * states {
            let (action, next) = (row / states, row % states);
            let mut set = |o: usize, q: f64| likelihood[(action * observations + o) * states + next] = T::of(q);
            match &dynamics.observation {
                Some(kernel) => kernel.pairs(row).for_each(|(o, q)| set(o, q)),
                None => set(next, 1.0),
            }
        }
        Self { states, actions, observations, offsets, from, likelihood }
    }

    /// Bytes that the filter of one model takes.
    pub fn bytes_for(model: &Model) -> usize {
        let (s, a) = (model.states().len(), model.actions().len());
        let o = model.observations().map_or(s, tiresias_model::Space::len);
        let entries = model.dynamics().iter().map(|dynamics| dynamics.transition.entries()).max().unwrap_or(0);
        let likelihood = product(&[a, o, s, size_of::<T>()]);
        likelihood.saturating_add(product(&[a, s, 8])).saturating_add(product(&[entries, size_of::<(u32, T)>()]))
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        let Self { states: _, actions: _, observations: _, offsets, from, likelihood } = self;
        size_of_val(&offsets[..]) + size_of_val(&from[..]) + size_of_val(&likelihood[..])
    }

    /// S, the length of a belief.
    pub fn states(&self) -> usize {
        self.states
    }

    /// One update, written to `out` (length S). Returns the log-likelihood `ln Pr(o | b, a)`; when the observation is impossible
    /// that is -∞ and `out` is the belief unchanged. O(entries of `P[a]`).
    ///
    /// # Panics
    /// When a length is not S, or `action` or `observation` is not one of the model's.
    pub fn update(&self, belief: &[T], action: usize, observation: usize, out: &mut [T]) -> f64 {
        assert_eq!([belief.len(), out.len()], [self.states; 2], "a belief has one number a state");
        self.check(action, observation);
        let weights = self.likelihoods(action, observation);
        let mut total = T::default();
        for (next, (out, &weight)) in out.iter_mut().zip(weights).enumerate() {
            let mut mass = T::default();
            for &(state, p) in self.predecessors(action, next) {
                mass += belief[state as usize] * p;
            }
            *out = mass * weight;
            total += *out;
        }
        if total > T::default() {
            out.iter_mut().for_each(|p| *p = *p / total);
        } else {
            out.copy_from_slice(belief);
        }
        total.wide().ln()
    }

    pub(crate) fn check(&self, action: usize, observation: usize) {
        assert!(action < self.actions, "action {action} is not one of the model's {}", self.actions);
        let observations = self.observations;
        assert!(observation < observations, "observation {observation} is not one of the model's {observations}");
    }

    /// [`check`](Self::check) of many: one pass without branches, and a second one to find what is wrong.
    pub(crate) fn check_all(&self, actions: &[u8], observations: &[i32]) {
        let mut fine = true;
        for (&action, &observation) in actions.iter().zip(observations) {
            // A negative observation becomes one that no model has.
            fine &= usize::from(action) < self.actions && (observation as usize) < self.observations;
        }
        if !fine {
            actions.iter().zip(observations).for_each(|(&a, &o)| self.check(a.into(), o as usize));
        }
    }

    /// The states that lead to `next` under `action`, ascending, with their probabilities.
    #[inline(always)]
    pub(crate) fn predecessors(&self, action: usize, next: usize) -> &[(u32, T)] {
        let at = action * self.states + next;
        &self.from[self.offsets[at]..self.offsets[at + 1]]
    }

    /// `Q[action][·][observation]`, length S.
    #[inline(always)]
    pub(crate) fn likelihoods(&self, action: usize, observation: usize) -> &[T] {
        &self.likelihood[(action * self.observations + observation) * self.states..][..self.states]
    }
}
