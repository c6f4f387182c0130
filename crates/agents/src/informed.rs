//! Values of a decision-maker who will know more than is to be had: planned once a task, asked at beliefs.

use std::sync::Arc;

use tiresias_model::{Model, Nature, Space};

use crate::tracking::Tracker;
use crate::{Agent, AgentError, Context, Known, Method, Percept};

/// Action values that are linear in the belief under each model of the cloud: `Q_t(b, a) = H^α_m Σ_s b(s) f_t(a, m, s)`.
///
/// Two ways to make them: [`qmdp`](Self::qmdp) and [`fib`](Self::fib). With one model both claim at least the optimal value at every
/// belief, `fib` at most what `qmdp` claims. In a cloud nature answers at the belief now, as in the APOMDP, and from the next decision on
/// sees the state, as in a robust MDP that is rectangular over states and actions. So there the decision-maker is too hopeful of what
/// she will know and too fearful of what nature will, and a claim bounds nothing.
#[derive(Debug, Clone)]
pub struct InformedValues {
    model: Arc<Model>,
    horizon: usize,
    /// `[stage][action][model][state]`.
    values: Vec<f64>,
}

/// `(model, m, action, state, next)` to the expectation of what is to come; `next[a * S + s]` are the action values of the next stage.
type Ahead = fn(&Model, usize, usize, usize, &[f64]) -> f64;

impl InformedValues {
    /// The state is seen from the next decision on: `f_t(a, m, s) = R(s,a) + γ Σ_s' P_m(s'|s,a) max_a' g_{t+1}(a', s')`, where
    /// `g_t(a, s) = H^α_m f_t(a, m, s)` (Littman, Cassandra and Kaelbling 1995, where there is one model).
    ///
    /// O(H · entries of the transition kernels · A).
    pub fn qmdp(model: Arc<Model>, horizon: usize) -> Self {
        Self::plan(model, horizon, |model, m, action, state, next| {
            let (s, a) = (model.states().len(), model.actions().len());
            let best = |to: usize| (0..a).map(|action| next[action * s + to]).fold(f64::NEG_INFINITY, f64::max);
            model.dynamics()[m].transition.pairs(action * s + state).map(|(to, p)| p * best(to)).sum()
        })
    }

    /// The next decision is made knowing the state now and the observation after it:
    /// `f_t(a, m, s) = R(s,a) + γ Σ_o max_a' Σ_s' P_m(s'|s,a) Q_m(o|s',a) g_{t+1}(a', s')`, with `g` as in [`qmdp`](Self::qmdp)
    /// (the fast informed bound of Hauskrecht 2000, where there is one model).
    ///
    /// O(H · S · A · (O · A + entries of the rows of `P_m` × `Q_m` · A)).
    pub fn fib(model: Arc<Model>, horizon: usize) -> Self {
        Self::plan(model, horizon, |model, m, action, state, next| {
            let (s, a) = (model.states().len(), model.actions().len());
            let dynamics = &model.dynamics()[m];
            let observations = model.observations().map_or(s, Space::len);
            let mut sums = vec![0.0; observations * a];
            for (to, p) in dynamics.transition.pairs(action * s + state) {
                let mut add = |o: usize, q: f64| {
                    (0..a).for_each(|then| sums[o * a + then] += p * q * next[then * s + to]);
                };
                match &dynamics.observation {
                    Some(kernel) => kernel.pairs(action * s + to).for_each(|(o, q)| add(o, q)),
                    None => add(to, 1.0),
                }
            }
            sums.chunks_exact(a).map(|row| row.iter().copied().fold(f64::NEG_INFINITY, f64::max)).sum()
        })
    }

    fn plan(model: Arc<Model>, horizon: usize, ahead: Ahead) -> Self {
        let (s, a, models) = (model.states().len(), model.actions().len(), model.dynamics().len());
        let mut next = match model.final_reward() {
            [] => vec![0.0; a * s],
            reward => reward.repeat(a),
        };
        let stage = a * models * s;
        let mut values = vec![0.0; horizon * stage];
        for values in values.chunks_exact_mut(stage.max(1)).rev() {
            let mut now = vec![0.0; a * s];
            for action in 0..a {
                for state in 0..s {
                    let mut ends = Ends::NONE;
                    for m in 0..models {
                        let reward = model.expected_reward(m)[action * s + state];
                        let value = reward + model.discount() * ahead(&model, m, action, state, &next);
                        values[(action * models + m) * s + state] = value;
                        ends = ends.and(m, value);
                    }
                    now[action * s + state] = ends.blend(model.alpha());
                }
            }
            next = now;
        }
        Self { model, horizon, values }
    }

    /// Action values at `stage` and `belief` (length S, sums to 1), and nature's answer to each action.
    pub fn assess(&self, stage: usize, belief: &[f64]) -> Vec<(f64, Nature)> {
        let (s, models) = (belief.len(), self.model.dynamics().len());
        let stage = &self.values[stage * self.model.actions().len() * models * s..];
        let actions = stage.chunks_exact(models * s).take(self.model.actions().len());
        let mean = |row: &[f64]| row.iter().zip(belief).map(|(value, p)| value * p).sum();
        actions
            .map(|rows| {
                let ends = rows.chunks_exact(s).enumerate().fold(Ends::NONE, |ends, (m, row)| ends.and(m, mean(row)));
                (ends.blend(self.model.alpha()), ends.nature())
            })
            .collect()
    }

    /// What is claimed at `stage` and `belief`: the greatest action value.
    pub fn value(&self, stage: usize, belief: &[f64]) -> f64 {
        self.assess(stage, belief).into_iter().map(|(value, _)| value).fold(f64::NEG_INFINITY, f64::max)
    }

    /// An agent that is greedy for these values in a world that may be another than their model: what the model rules out is passed over,
    /// and which model nature was seen to choose says nothing.
    pub(crate) fn doubted(self) -> Box<dyn Agent> {
        let tracker = Tracker::lenient(Arc::clone(&self.model), self.horizon);
        Box::new(GreedyAgent { values: Arc::new(self), tracker, heeds_nature: false })
    }

    /// The greedy action, the first of several, and nature's answer to it.
    fn decide(&self, stage: usize, belief: &[f64]) -> (usize, Nature) {
        let assessed = self.assess(stage, belief);
        let best = assessed.iter().map(|(value, _)| *value).fold(f64::NEG_INFINITY, f64::max);
        let tied = best - self.model.tie(best);
        let action = assessed.iter().position(|(value, _)| *value >= tied).unwrap_or(0);
        (action, assessed[action].1)
    }
}

/// The least and the greatest of what each model gives, and which models these are, the first of several.
#[derive(Debug, Clone, Copy)]
struct Ends {
    low: (f64, usize),
    high: (f64, usize),
}

impl Ends {
    const NONE: Self = Self { low: (f64::INFINITY, 0), high: (f64::NEG_INFINITY, 0) };

    fn and(self, m: usize, value: f64) -> Self {
        Self {
            low: if value < self.low.0 { (value, m) } else { self.low },
            high: if value > self.high.0 { (value, m) } else { self.high },
        }
    }

    /// `α min + (1-α) max`.
    fn blend(self, alpha: f64) -> f64 {
        if self.low.0 == self.high.0 { self.low.0 } else { alpha * self.low.0 + (1.0 - alpha) * self.high.0 }
    }

    fn nature(self) -> Nature {
        Nature { minimiser: self.low.1, maximiser: self.high.1 }
    }
}

/// A method that is greedy for informed values and has yet to be told its task.
pub(crate) struct Untold {
    pub horizon: usize,
    pub plan: fn(Arc<Model>, usize) -> InformedValues,
}

impl Method for Untold {
    fn told(&self, known: Known<'_>) -> Result<Box<dyn Method>, AgentError> {
        Ok(Box::new(Greedy(Arc::new((self.plan)(Arc::new(known.model.clone()), self.horizon)))))
    }

    fn begin(&self, _: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        Err(untold())
    }
}

/// Why a method that was not told its task does not act.
pub(crate) fn untold() -> AgentError {
    AgentError::Method("it plans in the task's own model; tell it the task before an episode begins".into())
}

/// A method that was.
struct Greedy(Arc<InformedValues>);

impl Method for Greedy {
    fn bytes(&self) -> usize {
        size_of_val(&self.0.values[..])
    }

    fn begin(&self, _: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        let tracker = Tracker::new(Arc::clone(&self.0.model), self.0.horizon);
        Ok(Box::new(GreedyAgent { values: Arc::clone(&self.0), tracker, heeds_nature: true }))
    }
}

struct GreedyAgent {
    values: Arc<InformedValues>,
    tracker: Tracker,
    /// Whether which model nature was seen to choose is one of the values' own.
    heeds_nature: bool,
}

impl Agent for GreedyAgent {
    fn act(&mut self, percept: Percept) -> Result<usize, AgentError> {
        let told = percept.told.filter(|_| self.heeds_nature);
        let (stage, belief) = self.tracker.observe(Percept { told, ..percept })?;
        let (action, nature) = self.values.decide(stage, belief);
        Ok(self.tracker.take(action, nature))
    }
}
