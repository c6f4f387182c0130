//! What a policy earns, computed and not sampled, where the beliefs that it can meet are few.
//!
//! Under a rule for nature a policy and a model make a Markov chain over pairs of a belief (the decision-maker's, right or wrong) and
//! a state. Its distribution is carried forward from stage to stage; equal beliefs are one, so that the work grows with the number
//! of different beliefs and not of histories.

use std::ops::ControlFlow;

use rustc_hash::FxHashMap;
use tiresias_model::{Model, Policy};

use crate::NatureRule;
use crate::conduct::{Conduct, Decision, NO_ANSWER};
use crate::simulate::{Actor, EpisodesHook, SimulateError, Simulation};
use crate::sparse_filter::{Scratch, Sparse, normalise};

/// Beliefs of one stage, each with something that belongs to it.
struct Layer<T> {
    place: FxHashMap<Vec<(u32, u64)>, usize>,
    beliefs: Vec<(Sparse, T)>,
}

impl<T: Default> Layer<T> {
    fn new() -> Self {
        Self { place: FxHashMap::default(), beliefs: Vec::new() }
    }

    /// The number of a belief, which is new or was here before.
    fn number(&mut self, belief: &[(u32, f64)]) -> usize {
        let key = belief.iter().map(|&(state, p)| (state, p.to_bits())).collect();
        *self.place.entry(key).or_insert_with(|| {
            self.beliefs.push((belief.to_vec(), T::default()));
            self.beliefs.len() - 1
        })
    }
}

impl Simulation<'_> {
    /// The expected discounted return of the `steps` decisions, up to rounding. `None` when it takes more than `most` belief updates,
    /// and for random actions against an adversary.
    pub fn exact(&self, most: usize, hook: &EpisodesHook) -> Result<Option<f64>, SimulateError> {
        let (model, conduct) = (self.model, self.conduct()?);
        if conduct.is_none() && self.told() {
            return Ok(None);
        }
        let s = model.states().len();
        let (mut scratch, mut outcomes, mut after) = (Scratch::new(s), Outcomes::new(model), Sparse::new());
        // The probability of each state together with the belief, states ascending.
        let mut layer: Layer<FxHashMap<u32, f64>> = Layer::new();
        for (state, &p) in model.start().iter().enumerate().filter(|(_, p)| **p > 0.0) {
            let belief = match &conduct {
                Some(conduct) if conduct.sees() => vec![(state as u32, 1.0)],
                Some(conduct) => conduct.start(),
                None => Sparse::new(),
            };
            let number = layer.number(&belief);
            layer.beliefs[number].1.insert(state as u32, p);
        }
        let (mut total, mut weight, mut updates) = (0.0, 1.0, 0);
        for stage in 0..self.steps {
            let last = stage + 1 == self.steps;
            let mut next: Layer<FxHashMap<u32, f64>> = Layer::new();
            for (belief, states) in &layer.beliefs {
                if hook(0) == ControlFlow::Break(()) {
                    return Err(SimulateError::Cancelled);
                }
                let mut states: Sparse = states.iter().map(|(&state, &p)| (state, p)).collect();
                states.sort_unstable_by_key(|&(state, _)| state);
                for (decision, chosen) in self.decisions(conduct.as_ref(), stage, belief) {
                    for (m, share) in self.movers(decision) {
                        let share = chosen * share;
                        let rewards = &model.expected_reward(m)[decision.action * s..];
                        let reward: f64 = states.iter().map(|&(state, p)| p * rewards[state as usize]).sum();
                        total += weight * share * reward;
                        if last && model.final_reward().is_empty() {
                            continue;
                        }
                        for (seen, joint) in outcomes.of(model, m, &states, decision.action) {
                            updates += 1;
                            if updates > most {
                                return Ok(None);
                            }
                            after.clear();
                            if let Some(conduct) = conduct.as_ref().filter(|_| !last) {
                                let told = self.told().then_some(m);
                                conduct.update(belief, decision, told, *seen, &mut scratch, &mut after)?;
                            }
                            let number = next.number(&after);
                            let states = &mut next.beliefs[number].1;
                            let going_on =
                                |state: u32| !model.is_terminal(state as usize) || !model.final_reward().is_empty();
                            for &(state, p) in joint.iter().filter(|&&(state, _)| going_on(state)) {
                                *states.entry(state).or_default() += share * p;
                            }
                        }
                    }
                }
            }
            weight *= model.discount();
            layer = next;
        }
        if model.horizon() == Some(self.steps) && !model.final_reward().is_empty() {
            for (state, p) in layer.beliefs.iter().flat_map(|(_, states)| states) {
                total += weight * p * model.final_reward()[*state as usize];
            }
        }
        Ok(Some(total))
    }

    /// What may be decided at a belief, with its probability.
    fn decisions(&self, conduct: Option<&Conduct>, stage: usize, belief: &[(u32, f64)]) -> Vec<(Decision, f64)> {
        let actions = self.model.actions().len();
        match conduct {
            Some(conduct) => vec![(conduct.decide(stage, belief), 1.0)],
            None => (0..actions).map(|action| (Decision { action, nature: NO_ANSWER }, 1.0 / actions as f64)).collect(),
        }
    }

    /// The models that nature may choose, with their probabilities.
    fn movers(&self, decision: Decision) -> Vec<(usize, f64)> {
        let (models, alpha) = (self.model.dynamics().len(), self.model.alpha());
        let movers = match self.nature {
            NatureRule::Fixed(m) => vec![(m, 1.0)],
            NatureRule::Resampled => (0..models).map(|m| (m, 1.0 / models as f64)).collect(),
            NatureRule::Oracle => vec![(decision.nature.minimiser, alpha), (decision.nature.maximiser, 1.0 - alpha)],
        };
        movers.into_iter().filter(|&(_, share)| share > 0.0).collect()
    }
}

/// What the policy is worth against nature's best response to it:
/// `W_t(b) = H^α_m [ R_m(b, a) + γ Σ_o Pr(o | b, a, m) W_{t+1}(T(b, a, o, m)) ]` with `a` the policy's action at (t, b), from the start
/// distribution, over `steps` decisions. The α-MEU value of the policy: at most that of the model, and at α = 1 what the policy
/// guarantees whatever nature chooses, as long as its choices are known when beliefs are updated.
///
/// `None` when it takes more than `most` belief updates. [`SimulateError::AmbiguitySet`] where nature has more to choose from than
/// the models of a cloud.
pub fn response_value(
    model: &Model,
    policy: &dyn Policy,
    stationary: bool,
    steps: usize,
    most: usize,
    hook: &EpisodesHook,
) -> Result<Option<f64>, SimulateError> {
    if model.ambiguity().is_some() {
        return Err(SimulateError::AmbiguitySet);
    }
    let key = tiresias_model::random::Key(0);
    let actor = Actor::Policy { policy, stationary };
    let simulation = Simulation { model, actor, nature: NatureRule::Fixed(0), adversary: None, key, steps };
    let Some(conduct) = simulation.conduct()? else { return Ok(None) };
    let (s, models) = (model.states().len(), model.dynamics().len());
    let mut outcomes = Outcomes::new(model);
    let mut layers: Vec<Layer<Vec<Answer>>> = vec![Layer::new()];
    let starts: Vec<(Sparse, f64)> = if conduct.sees() {
        conduct.start().into_iter().map(|(state, p)| (vec![(state, 1.0)], p)).collect()
    } else {
        vec![(conduct.start(), 1.0)]
    };
    for (belief, _) in &starts {
        layers[0].number(belief);
    }
    let mut updates = 0;
    for stage in 0..steps {
        let (mut next, layer) = (Layer::new(), layers.last_mut().expect("there is a first"));
        for (belief, answers) in &mut layer.beliefs {
            if hook(0) == ControlFlow::Break(()) {
                return Err(SimulateError::Cancelled);
            }
            let action = conduct.decide(stage, belief).action;
            for m in 0..models {
                let rewards = &model.expected_reward(m)[action * s..];
                let reward = belief.iter().map(|&(state, p)| p * rewards[state as usize]).sum();
                let mut answer = Answer { reward, after: Vec::new() };
                for (_, joint) in outcomes.of(model, m, belief, action) {
                    updates += 1;
                    if updates > most {
                        return Ok(None);
                    }
                    let sum = joint.iter().map(|(_, p)| p).sum();
                    normalise(joint, sum);
                    answer.after.push((sum, next.number(joint)));
                }
                answers.push(answer);
            }
        }
        layers.push(next);
    }
    let last = layers.pop().expect("there is a last");
    let ends = model.horizon() == Some(steps) && !model.final_reward().is_empty();
    let at_end = |belief: &Sparse| belief.iter().map(|&(state, p)| p * model.final_reward()[state as usize]).sum();
    let mut values: Vec<f64> = last.beliefs.iter().map(|(belief, _)| if ends { at_end(belief) } else { 0.0 }).collect();
    for layer in layers.iter().rev() {
        let value = |answers: &Vec<Answer>| {
            let ends = answers.iter().map(|answer| {
                let ahead: f64 = answer.after.iter().map(|&(p, node)| p * values[node]).sum();
                answer.reward + model.discount() * ahead
            });
            let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            if low == high { low } else { model.alpha() * low + (1.0 - model.alpha()) * high }
        };
        values = layer.beliefs.iter().map(|(_, answers)| value(answers)).collect();
    }
    // The start's beliefs are numbered in their order.
    Ok(Some(starts.iter().zip(&values).map(|((_, p), value)| p * value).sum()))
}

/// What one model of the cloud answers: the step's reward, and the beliefs that follow with their probabilities.
struct Answer {
    reward: f64,
    after: Vec<(f64, usize)>,
}

/// Where a decision may lead, by what is seen.
struct Outcomes {
    predicted: Vec<f64>,
    by_symbol: Vec<(usize, Sparse)>,
}

impl Outcomes {
    fn new(model: &Model) -> Self {
        let symbols = model.observations().map_or(model.states().len(), tiresias_model::Space::len);
        let by_symbol = (0..symbols).map(|seen| (seen, Sparse::new())).collect();
        Self { predicted: vec![0.0; model.states().len()], by_symbol }
    }

    /// Every observation that may follow `action` under model `m`, with the joint probabilities of the states reached, ascending.
    fn of(
        &mut self,
        model: &Model,
        m: usize,
        states: &[(u32, f64)],
        action: usize,
    ) -> impl Iterator<Item = &mut (usize, Sparse)> {
        let (s, dynamics) = (model.states().len(), &model.dynamics()[m]);
        self.by_symbol.iter_mut().for_each(|(_, joint)| joint.clear());
        for &(state, mass) in states {
            let row = dynamics.transition.pairs(action * s + state as usize);
            row.for_each(|(next, p)| self.predicted[next] += mass * p);
        }
        for (next, mass) in self.predicted.iter_mut().enumerate().filter(|(_, mass)| **mass > 0.0) {
            let mass = std::mem::take(mass);
            match &dynamics.observation {
                Some(kernel) => {
                    kernel
                        .pairs(action * s + next)
                        .for_each(|(o, q)| self.by_symbol[o].1.push((next as u32, mass * q)));
                }
                None => self.by_symbol[next].1.push((next as u32, mass)),
            }
        }
        self.by_symbol.iter_mut().filter(|(_, joint)| joint.iter().any(|(_, p)| *p > 0.0))
    }
}
