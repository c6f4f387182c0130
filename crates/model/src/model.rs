//! The one validated model type.

use std::sync::Arc;

use crate::ambiguity::Around;
use crate::distribution::{self, renormalise};
use crate::{Ambiguity, Kernel, ModelError, Reward, Space};

/// One model of the cloud: how the state moves and what is seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamics {
    /// Row `a * S + s` over next states: `P[a][s][s']`.
    pub transition: Kernel,
    /// Row `a * S + s'` over observations: `Q[a][s'][o]`; `None` when the state itself is seen.
    pub observation: Option<Kernel>,
}

/// A distribution of a model; `row` is `a * S + s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Start,
    Transition { model: usize, row: usize },
    Observation { model: usize, row: usize },
}

/// Distributions with something the matter: how many, and the first few in words.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub total: usize,
    pub first: Vec<(Place, String)>,
}

/// Rows named in one message.
const MOST_SHOWN: usize = 8;

/// What a model is, by the number of its dynamics and whether the state is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One dynamics, state observed.
    Mdp,
    /// Several dynamics, or an ambiguity set around one; state observed.
    RobustMdp,
    /// One dynamics with observations.
    Pomdp,
    /// Several dynamics with observations.
    Apomdp,
    /// One dynamics with observations, and an ambiguity set around each of its rows, of transitions, observations or both.
    RobustPomdp,
}

impl Kind {
    /// Lower-case name: `mdp`, `robust-mdp`, `pomdp`, `apomdp`, `robust-pomdp`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mdp => "mdp",
            Self::RobustMdp => "robust-mdp",
            Self::Pomdp => "pomdp",
            Self::Apomdp => "apomdp",
            Self::RobustPomdp => "robust-pomdp",
        }
    }
}

/// The parts of a model before validation; [`ModelBuilder::build`] checks all of them.
#[derive(Debug, Clone)]
pub struct ModelBuilder {
    /// A name for people.
    pub name: String,
    /// The state space, S.
    pub states: Space,
    /// The action space, A.
    pub actions: Space,
    /// The observation space, O; `None` when the state itself is seen.
    pub observations: Option<Space>,
    /// The reward in its given form.
    pub reward: Reward,
    /// Start distribution (the initial belief b0), length S.
    pub start: Vec<f64>,
    /// Discount factor γ in [0, 1]; below 1 when `horizon` is `None`.
    pub discount: f64,
    /// Number of decisions; `None` is an infinite horizon.
    pub horizon: Option<usize>,
    /// Terminal states: absorbing and without reward, whatever their rows say.
    pub terminal: Vec<usize>,
    /// Reward collected in the state that the last decision leads to, length S; empty for none. Finite horizons only.
    pub final_reward: Vec<f64>,
    /// The cloud of models, at least one.
    pub dynamics: Vec<Dynamics>,
    /// Ambiguity attitude α in [0, 1]: 1 is max-min, 0 is max-max.
    pub alpha: f64,
    /// What nature may choose in place of each transition row; `None` for nothing else. Only for one dynamics.
    pub ambiguity: Option<Ambiguity>,
    /// What nature may choose in place of each observation row; `None` for nothing else. Only for one dynamics with observations, and
    /// rewards that do not depend on what is seen.
    pub observation_ambiguity: Option<Ambiguity>,
}

/// A validated decision model. Distributions sum to 1, numbers are finite, shapes agree; immutable from here on. Clones share their
/// kernels and rewards.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    name: String,
    states: Space,
    actions: Space,
    observations: Option<Space>,
    reward: Arc<Reward>,
    /// By model; empty where the reward's own array says it.
    expected: Vec<Arc<[f64]>>,
    start: Vec<f64>,
    discount: f64,
    horizon: Option<usize>,
    terminal: Vec<bool>,
    final_reward: Vec<f64>,
    /// Shared, because every policy holds its model and the kernels are most of what a large one weighs.
    dynamics: Arc<[Dynamics]>,
    alpha: f64,
    /// There wherever nature has sets to choose from, if only around observations.
    ambiguity: Option<Arc<Ambiguity>>,
    observation_ambiguity: Option<Arc<Ambiguity>>,
    sizes: Sizes,
}

/// How large rewards are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Sizes {
    /// The highest less the lowest, of the steps' and of the final rewards, whichever is more.
    range: f64,
    /// The greatest magnitude.
    most: f64,
}

/// What share of the rewards' range a difference of values may be and still count as none.
const TIE: f64 = 1e-9;

/// What share of the size of values their rounding may be.
pub const ROUNDING: f64 = 1e-13;

impl ModelBuilder {
    /// Validates and freezes the model. All rows that do not sum to 1 are reported together, by name.
    pub fn build(self) -> Result<Model, ModelError> {
        let (s, a) = (self.states.len(), self.actions.len());
        check_range("discount", self.discount, 0.0, 1.0, "in [0, 1]")?;
        check_range("alpha", self.alpha, 0.0, 1.0, "in [0, 1]")?;
        if self.horizon.is_none() && self.discount >= 1.0 {
            return Err(ModelError::Number {
                what: "discount of a model without a horizon".into(),
                value: self.discount,
                expected: "below 1 (or give a horizon)",
            });
        }
        if self.horizon == Some(0) {
            return Err(ModelError::Number { what: "horizon".into(), value: 0.0, expected: "at least 1" });
        }
        check_len("start distribution", s, self.start.len())?;
        check_len("dynamics (at least one model)", 1, self.dynamics.len().min(1))?;
        if !self.final_reward.is_empty() {
            check_len("final reward", s, self.final_reward.len())?;
            check_finite("final reward", &self.final_reward)?;
        }
        for (m, dynamics) in self.dynamics.iter().enumerate() {
            let of = self.model_label(m);
            check_len(&format!("transition rows (A·S){of}"), a * s, dynamics.transition.rows())?;
            check_len(&format!("transition columns (S){of}"), s, dynamics.transition.columns())?;
            match (&self.observations, &dynamics.observation) {
                (None, None) => {}
                (Some(space), Some(kernel)) => {
                    check_len(&format!("observation rows (A·S){of}"), a * s, kernel.rows())?;
                    check_len(&format!("observation columns (O){of}"), space.len(), kernel.columns())?;
                }
                (space, kernel) => {
                    return Err(ModelError::Shape {
                        what: format!("observation model{of}"),
                        expected: usize::from(space.is_some()),
                        found: usize::from(kernel.is_some()),
                    });
                }
            }
        }
        self.check_reward()?;
        self.check_rows()?;
        for (sets, around) in
            [(&self.ambiguity, Around::Transitions), (&self.observation_ambiguity, Around::Observations)]
        {
            if let Some(sets) = sets {
                sets.check(&self, around)?;
            }
        }
        self.finish()
    }

    fn model_label(&self, m: usize) -> String {
        if self.dynamics.len() == 1 { String::new() } else { format!(" of model {m}") }
    }

    fn check_reward(&self) -> Result<(), ModelError> {
        let (s, a) = (self.states.len(), self.actions.len());
        let sparse = |rows: &Kernel, columns: usize| {
            check_len("reward rows (A·S)", a * s, rows.rows())?;
            check_len("reward columns", columns, rows.columns())?;
            (0..rows.rows()).try_for_each(|r| check_finite("reward", rows.row(r).1))
        };
        match &self.reward {
            Reward::Action(r) => check_len("reward R(a)", a, r.len()).and_then(|()| check_finite("reward R(a)", r)),
            Reward::StateAction(r) => {
                check_len("reward R(s,a)", a * s, r.len()).and_then(|()| check_finite("reward R(s,a)", r))
            }
            Reward::Transition(rows) => sparse(rows, s),
            Reward::Full(rows) => match &self.observations {
                Some(space) => sparse(rows, s * space.len()),
                None => Err(ModelError::Shape {
                    what: "reward R(s,a,s',o) without observations".into(),
                    expected: 0,
                    found: 1,
                }),
            },
        }
    }

    fn check_rows(&self) -> Result<(), ModelError> {
        let bad = self.rows_with(distribution::problem);
        if bad.total == 0 {
            return Ok(());
        }
        Err(ModelError::Rows { rows: bad.first.into_iter().map(|(_, words)| words).collect(), total: bad.total })
    }

    /// The distributions that `problem` finds something in: how many, and the first few in words. Shapes must agree.
    pub(crate) fn rows_with(&self, problem: impl Fn(&[f64]) -> Option<String>) -> Findings {
        let mut findings = Findings::default();
        let mut look = |place: Place, probabilities: &[f64]| {
            let Some(problem) = problem(probabilities) else { return };
            if findings.first.len() < MOST_SHOWN {
                findings.first.push((place, format!("{}: {problem}", self.row_label(place))));
            }
            findings.total += 1;
        };
        look(Place::Start, &self.start);
        for (model, dynamics) in self.dynamics.iter().enumerate() {
            for row in 0..dynamics.transition.rows() {
                look(Place::Transition { model, row }, dynamics.transition.row(row).1);
            }
            let observation = dynamics.observation.as_ref();
            for (row, kernel) in observation.into_iter().flat_map(|kernel| (0..kernel.rows()).map(move |r| (r, kernel)))
            {
                look(Place::Observation { model, row }, kernel.row(row).1);
            }
        }
        findings
    }

    fn row_label(&self, place: Place) -> String {
        let (what, model, state, row) = match place {
            Place::Start => return "start distribution".into(),
            Place::Transition { model, row } => ("transition", model, "s", row),
            Place::Observation { model, row } => ("observation", model, "s'", row),
        };
        let of = self.model_label(model);
        let (action, s) = (self.actions.name(row / self.states.len()), self.states.name(row % self.states.len()));
        format!("{what}{of}, action {action}, {state} = {s}")
    }

    fn finish(mut self) -> Result<Model, ModelError> {
        let s = self.states.len();
        renormalise(&mut self.start);
        for dynamics in &mut self.dynamics {
            dynamics.transition.renormalise();
            if let Some(observation) = &mut dynamics.observation {
                observation.renormalise();
            }
        }
        let mut terminal = vec![false; s];
        for &state in &self.terminal {
            if state >= s {
                let problem = format!("is not one of the {s} states");
                return Err(ModelError::Name { what: "terminal states".into(), name: state.to_string(), problem });
            }
            terminal[state] = true;
        }
        if terminal.contains(&true) {
            for dynamics in &mut self.dynamics {
                dynamics.transition = dynamics.transition.with_certain_rows(|row| terminal[row % s].then_some(row % s));
            }
        }
        if self.observation_ambiguity.is_some() && self.ambiguity.is_none() {
            self.ambiguity = Some(Ambiguity::none(s * self.actions.len()));
        }
        let settled = |sets: Option<Ambiguity>, around| sets.map(|sets| Arc::new(sets.settle(around, &terminal)));
        let ambiguity = settled(self.ambiguity, Around::Transitions);
        let observation_ambiguity = settled(self.observation_ambiguity, Around::Observations);
        let mut model = Model {
            name: self.name,
            states: self.states,
            actions: self.actions,
            observations: self.observations,
            reward: Arc::new(self.reward),
            expected: Vec::new(),
            start: self.start,
            discount: self.discount,
            horizon: self.horizon,
            terminal,
            final_reward: self.final_reward,
            dynamics: self.dynamics.into(),
            alpha: self.alpha,
            ambiguity,
            observation_ambiguity,
            sizes: Sizes::default(),
        };
        model.expected = (0..model.dynamics.len()).map(|m| model.compute_expected_reward(m).into()).collect();
        model.sizes = model.compute_sizes();
        let (low, high) = model.value_range();
        match [low, high, high - low].into_iter().find(|v| !v.is_finite()) {
            Some(value) => {
                Err(ModelError::Number { what: "total reward over the horizon".into(), value, expected: "finite" })
            }
            None => Ok(model),
        }
    }
}

impl Model {
    /// MDP, robust MDP, POMDP, APOMDP or robust POMDP.
    pub fn kind(&self) -> Kind {
        if self.ambiguity.is_some() && self.observations.is_some() {
            return Kind::RobustPomdp;
        }
        match (self.dynamics.len() > 1 || self.ambiguity.is_some(), self.observations.is_some()) {
            (false, false) => Kind::Mdp,
            (true, false) => Kind::RobustMdp,
            (false, true) => Kind::Pomdp,
            (true, true) => Kind::Apomdp,
        }
    }

    /// A name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The state space.
    pub fn states(&self) -> &Space {
        &self.states
    }

    /// The action space.
    pub fn actions(&self) -> &Space {
        &self.actions
    }

    /// The observation space; `None` when the state itself is seen.
    pub fn observations(&self) -> Option<&Space> {
        self.observations.as_ref()
    }

    /// The reward in its given form.
    pub fn reward(&self) -> &Reward {
        &self.reward
    }

    /// Bytes that the model takes on the heap, what it shares with its clones included.
    pub fn bytes(&self) -> usize {
        // Every field by name, so that a new one is not forgotten.
        let Self {
            name,
            states,
            actions,
            observations,
            reward,
            expected,
            start,
            discount: _,
            horizon: _,
            terminal,
            final_reward,
            dynamics,
            alpha: _,
            ambiguity,
            observation_ambiguity,
            sizes: _,
        } = self;
        let spaces = states.bytes() + actions.bytes() + observations.as_ref().map_or(0, Space::bytes);
        let expected: usize = expected.iter().map(|rewards| 16 + size_of_val(&rewards[..])).sum();
        let kernels = |Dynamics { transition, observation }: &Dynamics| {
            size_of::<Dynamics>() + transition.bytes() + observation.as_ref().map_or(0, Kernel::bytes)
        };
        let dynamics: usize = dynamics.iter().map(kernels).sum();
        let vectors = size_of_val(&start[..]) + terminal.len() + size_of_val(&final_reward[..]);
        let ambiguity: usize = [ambiguity, observation_ambiguity].into_iter().flatten().map(|sets| sets.bytes()).sum();
        name.capacity() + spaces + reward.bytes() + expected + vectors + dynamics + ambiguity
    }

    /// `E[r | s, a]` under model `m`, index `a * S + s`. The same array for every `m` when the reward is R(a) or R(s,a).
    pub fn expected_reward(&self, m: usize) -> &[f64] {
        match (&*self.reward, &*self.expected[m]) {
            (Reward::StateAction(reward), []) => reward,
            (_, expected) => expected,
        }
    }

    /// The reward of one realised step; 0 from a terminal state.
    #[inline]
    pub fn realised_reward(&self, state: usize, action: usize, next: usize, observation: usize) -> f64 {
        if self.terminal[state] {
            return 0.0;
        }
        let observations = self.observations.as_ref().map_or(1, Space::len);
        self.reward.realised(self.states.len(), observations, state, action, next, observation)
    }

    /// The start distribution, b0.
    pub fn start(&self) -> &[f64] {
        &self.start
    }

    /// The discount factor γ.
    pub fn discount(&self) -> f64 {
        self.discount
    }

    /// Number of decisions; `None` is an infinite horizon.
    pub fn horizon(&self) -> Option<usize> {
        self.horizon
    }

    /// Whether `state` is terminal (absorbing, without reward).
    pub fn is_terminal(&self, state: usize) -> bool {
        self.terminal[state]
    }

    /// The terminal states, ascending.
    pub fn terminal_states(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|&s| self.terminal[s]).collect()
    }

    /// Reward collected in the state that the last decision leads to (length S), or empty.
    pub fn final_reward(&self) -> &[f64] {
        &self.final_reward
    }

    /// The cloud of models.
    pub fn dynamics(&self) -> &[Dynamics] {
        &self.dynamics
    }

    /// The ambiguity attitude α.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// What nature may choose in place of each transition row, beyond the cloud.
    pub fn ambiguity(&self) -> Option<&Ambiguity> {
        self.ambiguity.as_deref()
    }

    /// What nature may choose in place of each observation row. Where there is something, there are sets around transitions too, of
    /// radius 0 if none were given.
    pub fn observation_ambiguity(&self) -> Option<&Ambiguity> {
        self.observation_ambiguity.as_deref()
    }

    /// Back to parts, to change some and build again.
    pub fn to_builder(&self) -> ModelBuilder {
        ModelBuilder {
            name: self.name.clone(),
            states: self.states.clone(),
            actions: self.actions.clone(),
            observations: self.observations.clone(),
            reward: Reward::clone(&self.reward),
            start: self.start.clone(),
            discount: self.discount,
            horizon: self.horizon,
            terminal: self.terminal_states(),
            final_reward: self.final_reward.clone(),
            dynamics: self.dynamics.to_vec(),
            alpha: self.alpha,
            ambiguity: self.ambiguity.as_deref().cloned(),
            observation_ambiguity: self.observation_ambiguity.as_deref().cloned(),
        }
    }

    /// The same model from another start: a distribution over its states, as the model's own is.
    #[must_use]
    pub fn starting_at(&self, start: Vec<f64>) -> Model {
        assert!(start.len() == self.start.len(), "a start has an entry a state");
        Model { start, ..self.clone() }
    }

    /// The same model with only dynamics `m` and no ambiguity: what the world is when `m` is true.
    #[must_use]
    pub fn single(&self, m: usize) -> Model {
        let (dynamics, expected) = ([self.dynamics[m].clone()].into(), vec![self.expected[m].clone()]);
        Model { dynamics, expected, ambiguity: None, observation_ambiguity: None, ..self.clone() }
    }

    /// The lowest and the highest expected reward of any step, whatever nature chooses.
    pub fn reward_range(&self) -> (f64, f64) {
        let expected = (0..self.dynamics.len()).flat_map(|m| self.expected_reward(m));
        // Where nature chooses the next state, no more is known than what each transition can pay.
        let realised = match (&self.ambiguity, &*self.reward) {
            (Some(_), Reward::Transition(rows) | Reward::Full(rows)) => {
                Some((0..rows.rows()).flat_map(|r| rows.row(r).1).chain(&[0.0]))
            }
            _ => None,
        };
        let all = expected.chain(realised.into_iter().flatten());
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &r| (low.min(r), high.max(r)))
    }

    fn compute_sizes(&self) -> Sizes {
        let final_rewards = self
            .final_reward
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &r| (low.min(r), high.max(r)));
        let ends = [self.reward_range(), final_rewards].into_iter().filter(|(low, high)| low <= high);
        ends.fold(Sizes::default(), |sizes, (low, high)| Sizes {
            range: sizes.range.max(high - low),
            most: sizes.most.max(low.abs()).max(high.abs()),
        })
    }

    /// Values near `value` that differ by no more than this are tied: a share of 1e-9 of the rewards' range, and room for rounding.
    /// Multiplying all rewards multiplies it, and adding to all of them hardly moves it, so what ties does not hang on their units.
    pub fn tie(&self, value: f64) -> f64 {
        TIE * self.sizes.range + self.rounding(value)
    }

    /// Room for the rounding of sums of rewards that come to about `value`: a share of 1e-13 of it and of the largest reward.
    pub fn rounding(&self, value: f64) -> f64 {
        ROUNDING * (self.sizes.most + value.abs())
    }

    /// The highest reward less the lowest, of the steps' and of the final rewards, whichever is more.
    pub fn reward_spread(&self) -> f64 {
        self.sizes.range
    }

    /// Crude bounds on the total reward from any state: `[lowest, highest]` step reward over the (discounted) horizon.
    pub fn value_range(&self) -> (f64, f64) {
        let (low, high) = self.reward_range();
        let steps = match self.horizon {
            None => 1.0 / (1.0 - self.discount),
            Some(h) if self.discount == 1.0 => h as f64,
            Some(h) => (1.0 - self.discount.powf(h as f64)) / (1.0 - self.discount),
        };
        let last = |pick: fn(f64, f64) -> f64| self.final_reward.iter().copied().reduce(pick).unwrap_or(0.0);
        let weight = self.horizon.map_or(0.0, |h| self.discount.powf(h as f64));
        (low * steps + weight * last(f64::min), high * steps + weight * last(f64::max))
    }

    fn compute_expected_reward(&self, m: usize) -> Vec<f64> {
        let (s, a) = (self.states.len(), self.actions.len());
        let observations = self.observations.as_ref().map_or(1, Space::len);
        let dynamics = &self.dynamics[m];
        if let Reward::StateAction(reward) = &*self.reward
            && (0..a * s).all(|row| !self.terminal[row % s] || reward[row] == 0.0)
        {
            return Vec::new();
        }
        let one = |row: usize| -> f64 {
            let (action, state) = (row / s, row % s);
            match &*self.reward {
                _ if self.terminal[state] => 0.0,
                Reward::Action(r) => r[action],
                Reward::StateAction(r) => r[row],
                Reward::Transition(r) => dynamics.transition.pairs(row).map(|(next, p)| p * r.get(row, next)).sum(),
                Reward::Full(r) => dynamics
                    .transition
                    .pairs(row)
                    .map(|(next, p)| {
                        let seen = dynamics.observation.as_ref().expect("checked: a full reward needs observations");
                        let mean: f64 =
                            seen.pairs(action * s + next).map(|(o, q)| q * r.get(row, next * observations + o)).sum();
                        p * mean
                    })
                    .sum(),
            }
        };
        (0..a * s).map(one).collect()
    }
}

fn check_len(what: &str, expected: usize, found: usize) -> Result<(), ModelError> {
    if expected == found { Ok(()) } else { Err(ModelError::Shape { what: what.into(), expected, found }) }
}

fn check_finite(what: &str, values: &[f64]) -> Result<(), ModelError> {
    match values.iter().find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(&value) => Err(ModelError::Number { what: what.into(), value, expected: "finite" }),
    }
}

fn check_range(what: &str, value: f64, low: f64, high: f64, expected: &'static str) -> Result<(), ModelError> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(ModelError::Number { what: what.into(), value, expected }) }
}
