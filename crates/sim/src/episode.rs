//! One episode, stepped by whoever chooses the actions.

use tiresias_model::random::{Key, unit32};
use tiresias_model::{Kernel, Model, ModelError, Nature, Policy, belief};

use crate::Behaviour;
use crate::stream::{Purpose, Stream, word};

/// How nature picks the model of the cloud at each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatureRule {
    /// Model `m`, always.
    Fixed(usize),
    /// A uniform draw at each step.
    Resampled,
    /// The oracle's own worst case: at (t, b, a) the minimiser with probability α, the maximiser otherwise. The draw is known
    /// to the belief tracker, so that the decision-maker's value under the oracle's policy is the α-MEU value itself.
    Oracle,
}

/// What an episode happens in. `policy` answers for nature; without one nature's answers are model 0.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The model.
    pub model: &'a Model,
    /// The oracle whose view of nature moves the belief (and, under [`NatureRule::Oracle`], the world).
    pub policy: Option<&'a dyn Policy>,
    /// How nature picks models.
    pub nature: NatureRule,
}

/// What one decision led to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The realised reward, undiscounted; the last stage's includes the final reward, scaled by γ so that it discounts like it.
    pub reward: f64,
    /// The state reached.
    pub next_state: usize,
    /// What the decision-maker sees next: the observation, or the state when it is observed.
    pub seen: usize,
    /// The model of the cloud that moved the world.
    pub model: usize,
}

/// The state of one running episode.
#[derive(Debug, Clone)]
pub struct Episode {
    key: Key,
    index: u64,
    stage: usize,
    state: usize,
    seen: Option<usize>,
    observed: bool,
    belief: Vec<f64>,
    scratch: Vec<f64>,
    transitions: Stream,
    observations: Stream,
    natures: Stream,
}

impl Episode {
    /// Episode `index` of the stream `key`, before its first decision.
    pub fn start(world: &World<'_>, key: Key, index: u64) -> Self {
        let model = world.model;
        let mut transitions = Stream::new(key, index, Purpose::State);
        let state = sample_dense(model.start(), unit32(transitions.word(0)));
        let observed = model.observations().is_none();
        let belief = if observed { point(model.states().len(), state) } else { model.start().to_vec() };
        let scratch = vec![0.0; belief.len()];
        let (observations, natures) =
            (Stream::new(key, index, Purpose::Observation), Stream::new(key, index, Purpose::Nature));
        let seen = observed.then_some(state);
        Self { key, index, stage: 0, state, seen, observed, belief, scratch, transitions, observations, natures }
    }

    /// Bytes that it takes on the heap.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.belief[..]) + size_of_val(&self.scratch[..])
    }

    /// The number of decisions made.
    pub fn stage(&self) -> usize {
        self.stage
    }

    /// The hidden state.
    pub fn state(&self) -> usize {
        self.state
    }

    /// What the decision-maker sees before acting; `None` before the first observation.
    pub fn seen(&self) -> Option<usize> {
        self.seen
    }

    /// The decision-maker's belief (a point mass when the state is observed).
    pub fn belief(&self) -> &[f64] {
        &self.belief
    }

    /// The number of this stage's draws; draws 0 come before the first decision.
    fn draw(&self) -> u32 {
        self.stage as u32 + 1
    }

    /// A uniformly random action, from this stage's own word.
    pub fn random_action(&self, actions: usize) -> usize {
        (unit32(word(self.key, self.index, Purpose::Action, self.draw())) * actions as f64) as usize
    }

    /// Whether an ε-perturbed behaviour explores at this stage.
    pub fn explores(&self, epsilon: f64) -> bool {
        unit32(word(self.key, self.index, Purpose::Behaviour, self.draw())) < epsilon
    }

    /// The ε of this trajectory's behaviour; a mixture's component is drawn from the episode's own word.
    pub fn epsilon_of(&self, behaviour: &Behaviour) -> f64 {
        behaviour.epsilon(word(self.key, self.index, Purpose::Behaviour, 0))
    }

    /// The action of a policy here: by state when it is observed, else by belief.
    pub fn action_of(&self, policy: &dyn Policy) -> usize {
        match self.seen {
            Some(state) if self.observed => policy.action_in_state(self.stage, state, self.belief.len()),
            _ => policy.action(self.stage, &self.belief),
        }
    }

    /// Acts. [`ModelError::ImpossibleObservation`] when no model of the cloud explains what the world showed (only possible
    /// when the world moves by a model outside the belief tracker's cloud).
    pub fn step(&mut self, world: &World<'_>, action: usize) -> Result<Step, ModelError> {
        let model = world.model;
        let s = model.states().len();
        let answer = self.nature(world, action);
        let moved_by = match world.nature {
            NatureRule::Fixed(m) => m,
            NatureRule::Resampled => (self.nature_uniform() * model.dynamics().len() as f64) as usize,
            NatureRule::Oracle if self.nature_uniform() < model.alpha() => answer.minimiser,
            NatureRule::Oracle => answer.maximiser,
        };
        let dynamics = &model.dynamics()[moved_by];
        let draw = self.draw();
        let next = sample_row(&dynamics.transition, action * s + self.state, unit32(self.transitions.word(draw)));
        let seen = match &dynamics.observation {
            Some(kernel) => sample_row(kernel, action * s + next, unit32(self.observations.word(draw))),
            None => next,
        };
        let mut reward = model.realised_reward(self.state, action, next, seen);
        if model.horizon() == Some(self.stage + 1) && !model.final_reward().is_empty() {
            reward += model.discount() * model.final_reward()[next];
        }
        self.update_belief(world, answer, moved_by, action, seen)?;
        self.stage += 1;
        self.state = next;
        self.seen = Some(seen);
        Ok(Step { reward, next_state: next, seen, model: moved_by })
    }

    fn nature(&self, world: &World<'_>, action: usize) -> Nature {
        match world.policy {
            Some(policy) if world.model.dynamics().len() > 1 => policy.nature(self.stage, &self.belief, action),
            _ => Nature { minimiser: 0, maximiser: 0 },
        }
    }

    fn nature_uniform(&mut self) -> f64 {
        let draw = self.draw();
        unit32(self.natures.word(draw))
    }

    fn update_belief(
        &mut self,
        world: &World<'_>,
        answer: Nature,
        moved_by: usize,
        action: usize,
        seen: usize,
    ) -> Result<(), ModelError> {
        let model = world.model;
        if model.observations().is_none() {
            self.belief.fill(0.0);
            self.belief[seen] = 1.0;
            return Ok(());
        }
        let known = if world.nature == NatureRule::Oracle {
            Nature { minimiser: moved_by, maximiser: moved_by }
        } else {
            answer
        };
        belief::update_under_ambiguity(model, known, &self.belief, action, seen, &mut self.scratch)?;
        std::mem::swap(&mut self.belief, &mut self.scratch);
        Ok(())
    }
}

fn point(len: usize, at: usize) -> Vec<f64> {
    let mut belief = vec![0.0; len];
    belief[at] = 1.0;
    belief
}

/// The outcome at which the cumulative probability passes `u`; the last possible one when rounding leaves a sliver.
#[inline]
pub(crate) fn sample_row(kernel: &Kernel, row: usize, u: f64) -> usize {
    let (index, probability) = kernel.row(row);
    let mut cumulative = 0.0;
    for (&i, &p) in index.iter().zip(probability) {
        cumulative += p;
        if u < cumulative {
            return i as usize;
        }
    }
    index[index.len() - 1] as usize
}

pub(crate) fn sample_dense(probability: &[f64], u: f64) -> usize {
    let mut cumulative = 0.0;
    let mut last = 0;
    for (i, &p) in probability.iter().enumerate().filter(|&(_, &p)| p > 0.0) {
        cumulative += p;
        if u < cumulative {
            return i;
        }
        last = i;
    }
    last
}
