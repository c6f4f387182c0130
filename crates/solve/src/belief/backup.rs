//! One Bellman backup at one belief, for any bounds on the next stage's value.

use tiresias_model::{Model, Nature};

use crate::Assessment;
use crate::mdp::backup::blend;

/// A lower bound, a point estimate and an upper bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bracket {
    pub lower: f64,
    pub estimate: f64,
    pub upper: f64,
}

/// An unnormalised belief: ascending states with positive masses.
pub(crate) type Sparse = Vec<(u32, f64)>;

/// Bounds on a stage's value function, as a function of unnormalised beliefs (positively homogeneous).
pub(crate) trait ValueBounds {
    fn bracket(&self, stage: usize, belief: &[(u32, f64)]) -> Bracket;
}

/// The positive entries of a dense belief, but for [`IMPOSSIBLE`] ones.
pub(crate) fn sparse(belief: &[f64]) -> Sparse {
    belief.iter().enumerate().filter(|(_, p)| **p > IMPOSSIBLE).map(|(s, &p)| (s as u32, p)).collect()
}

/// What is less likely than this does not happen: far below rounding, and far from where probabilities lose their digits, divide to
/// infinity or underflow. What it leaves out of a value is this share of the largest value at most.
const IMPOSSIBLE: f64 = 1e-100;

/// Scratch for [`successors`]: beliefs by observation.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    predicted: Vec<f64>,
    support: Vec<u32>,
    by_observation: Vec<Sparse>,
    seen: Vec<u32>,
}

impl Scratch {
    pub fn new(model: &Model) -> Self {
        let observations = model.observations().map_or(0, tiresias_model::Space::len);
        Self {
            predicted: vec![0.0; model.states().len()],
            by_observation: vec![Vec::new(); observations],
            ..Self::default()
        }
    }

    /// What it keeps between calls. O(observations).
    pub fn bytes(&self) -> usize {
        let lists: usize = self.by_observation.iter().map(|list| size_of::<Sparse>() + 16 * list.capacity()).sum();
        lists + 8 * self.predicted.len()
    }

    /// Calls `visit(observation, joint)` for every observation that `action` can bring under model `m`, where
    /// `joint(s') = Q_m[a][s'][o] Σ_s b(s) P_m[a][s][s']`, ascending in s', where that is not [`IMPOSSIBLE`]; observations come in
    /// order.
    pub fn successors(
        &mut self,
        model: &Model,
        m: usize,
        belief: &[(u32, f64)],
        action: usize,
        mut visit: impl FnMut(usize, &[(u32, f64)]),
    ) {
        let s = model.states().len();
        let dynamics = &model.dynamics()[m];
        for &(state, mass) in belief {
            for (next, p) in dynamics.transition.pairs(action * s + state as usize) {
                if self.predicted[next] == 0.0 {
                    self.support.push(next as u32);
                }
                self.predicted[next] += mass * p;
            }
        }
        self.support.sort_unstable();
        let kernel = dynamics.observation.as_ref().expect("belief solvers check that the model has observations");
        for &next in &self.support {
            // An underflow to zero may have listed a state twice: the first visit takes its mass.
            let mass = std::mem::take(&mut self.predicted[next as usize]);
            for (o, q) in kernel.pairs(action * s + next as usize) {
                let joint = mass * q;
                if joint > IMPOSSIBLE {
                    if self.by_observation[o].is_empty() {
                        self.seen.push(o as u32);
                    }
                    self.by_observation[o].push((next, joint));
                }
            }
        }
        self.support.clear();
        self.seen.sort_unstable();
        for o in self.seen.drain(..) {
            let joint = &mut self.by_observation[o as usize];
            visit(o as usize, joint);
            joint.clear();
        }
    }
}

/// `E[r | b, a]` under model `m`.
pub(crate) fn expected_reward(model: &Model, m: usize, belief: &[(u32, f64)], action: usize) -> f64 {
    let rewards = &model.expected_reward(m)[action * model.states().len()..];
    belief.iter().map(|&(s, p)| p * rewards[s as usize]).sum()
}

/// Action values at `belief` when the next stage has the bounds `next` (at index `stage`).
pub(crate) fn backup(
    model: &Model,
    belief: &[(u32, f64)],
    stage: usize,
    next: &impl ValueBounds,
    scratch: &mut Scratch,
) -> Assessment {
    let actions = model.actions().len();
    let [mut lower, mut q_values, mut upper] = [0; 3].map(|_| Vec::with_capacity(actions));
    let mut nature = Vec::with_capacity(actions);
    for action in 0..actions {
        let mut ends = Ends::new();
        for m in 0..model.dynamics().len() {
            let mut sum = Bracket { lower: 0.0, estimate: 0.0, upper: 0.0 };
            scratch.successors(model, m, belief, action, |_, joint| {
                let bracket = next.bracket(stage, joint);
                sum.lower += bracket.lower;
                sum.estimate += bracket.estimate;
                sum.upper += bracket.upper;
            });
            let reward = expected_reward(model, m, belief, action);
            let value = |continuation: f64| reward + model.discount() * continuation;
            ends.add(m, value(sum.lower), value(sum.estimate), value(sum.upper));
        }
        let alpha = model.alpha();
        let (low, high) = ordered(blend(alpha, ends.low[0], ends.high[0]), blend(alpha, ends.low[2], ends.high[2]));
        lower.push(low);
        q_values.push(blend(alpha, ends.low[1], ends.high[1]));
        upper.push(high);
        nature.push(ends.nature);
    }
    Assessment::greedy(model, lower, q_values, upper, nature)
}

/// Point estimates of what `action` gives under each model of the cloud, when the models of later stages are nature's choice.
pub(crate) fn model_values(
    model: &Model,
    belief: &[(u32, f64)],
    action: usize,
    stage: usize,
    next: &impl ValueBounds,
) -> Vec<f64> {
    let mut scratch = Scratch::new(model);
    let mut value = |m: usize| {
        let mut continuation = 0.0;
        let add = |_: usize, joint: &[(u32, f64)]| continuation += next.bracket(stage, joint).estimate;
        scratch.successors(model, m, belief, action, add);
        expected_reward(model, m, belief, action) + model.discount() * continuation
    };
    (0..model.dynamics().len()).map(&mut value).collect()
}

/// Two bounds that meet can cross by rounding: the smaller is then the lower.
pub(crate) fn ordered(lower: f64, upper: f64) -> (f64, f64) {
    (lower.min(upper), lower.max(upper))
}

/// The least and the greatest over the cloud, of the lower bounds, the estimates and the upper bounds.
pub(crate) struct Ends {
    pub low: [f64; 3],
    pub high: [f64; 3],
    pub nature: Nature,
}

impl Ends {
    pub fn new() -> Self {
        Self { low: [f64::INFINITY; 3], high: [f64::NEG_INFINITY; 3], nature: Nature { minimiser: 0, maximiser: 0 } }
    }

    pub fn add(&mut self, m: usize, lower: f64, estimate: f64, upper: f64) {
        if estimate < self.low[1] {
            self.nature.minimiser = m;
        }
        if estimate > self.high[1] {
            self.nature.maximiser = m;
        }
        for (i, value) in [lower, estimate, upper].into_iter().enumerate() {
            self.low[i] = self.low[i].min(value);
            self.high[i] = self.high[i].max(value);
        }
    }
}
