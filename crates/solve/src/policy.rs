//! The policies that solvers return.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tiresias_model::{Kernel, Model, Nature, Policy, Tabular};

use crate::Assessment;
use crate::assessment::first_best;
use crate::belief::backup::{Scratch, sparse};
use crate::belief::bounds::BeliefBounds;
use crate::belief::value_function::PlanSet;
use crate::mdp::table::Table;

/// A policy with proven bounds at every stage and belief: a staged table where the state is observed, bounds on the value as a
/// function of the belief (per stage) where it is not. It holds its model, and saves and loads.
///
/// Stages count from 0. A policy of a model with horizon H answers for stages 0 to H-1 and panics beyond; without a horizon it
/// is stationary and ignores the stage. A belief has length S and sums to 1.
///
/// All that is said of a belief speaks of the decision-maker who must act knowing it and no more. Where the state is observed,
/// decisions are made in states, at the vertices; a belief that is none is that of somebody who has to act before the state is
/// seen (it is seen afterwards, and nature sees it always). What the state is worth to who sees it first has names of its own:
/// [`informed_value`](Self::informed_value) and [`informed_bounds`](Self::informed_bounds), which are never less.
#[derive(Debug, Clone, PartialEq)]
pub struct SolvedPolicy {
    model: Arc<Model>,
    body: Body,
}

/// What the policy is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Body {
    Table(Table),
    Belief(BeliefBounds),
}

impl Body {
    /// What keeps the arrays from fitting `model`, in words. A file that passed its checksum may still be hand-made.
    pub fn shape_problem(&self, model: &Model) -> Option<String> {
        match self {
            Self::Table(table) => table.shape_problem(model),
            Self::Belief(bounds) => bounds.shape_problem(model),
        }
    }

    /// Carriers of lower and of upper bounds, over all stages.
    pub fn sizes(&self) -> (usize, usize) {
        match self {
            Self::Table(table) => (table.values.len(), table.values.len()),
            Self::Belief(bounds) => bounds.sizes(),
        }
    }
}

impl SolvedPolicy {
    pub(crate) fn new(model: Arc<Model>, body: Body) -> Self {
        Self { model, body }
    }

    /// What it is made of.
    pub(crate) fn body(&self) -> &Body {
        &self.body
    }

    /// The bounds over beliefs that it is made of, to be tightened, and its model.
    pub(crate) fn bounds_mut(&mut self) -> Option<(&Model, &mut BeliefBounds)> {
        match &mut self.body {
            Body::Belief(bounds) => Some((&self.model, bounds)),
            Body::Table(_) => None,
        }
    }

    /// The model it was solved for.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Bytes that it takes, its model left out: those of what a file of it would hold. O(size).
    pub fn bytes(&self) -> usize {
        crate::weight::of(&self.body)
    }

    /// What represents it: `table`, `exact`, `faces`, `estimates`, `vectors`, `plans` or `corners`.
    pub fn form(&self) -> &'static str {
        match &self.body {
            Body::Table(_) => "table",
            Body::Belief(bounds) => bounds.form(),
        }
    }

    /// The α-vectors behind the lower bound of `stage`; `None` where it is not made of such.
    pub(crate) fn plans(&self, stage: usize) -> Option<Vec<PlanSet>> {
        match &self.body {
            Body::Belief(bounds) => bounds.plans(stage),
            Body::Table(_) => None,
        }
    }

    /// Values, bounds and nature's answers for every action at (stage, belief), in one pass.
    /// One Bellman backup of the stored values or bounds, at the states that the belief holds possible.
    pub fn assess(&self, stage: usize, belief: &[f64]) -> Assessment {
        match &self.body {
            Body::Table(table) => table.assess(&self.model, stage, belief),
            Body::Belief(bounds) => bounds.assess(&self.model, stage, belief),
        }
    }

    /// Point estimates of `Q_t(b, a)`, one an action; their maximum is [`value`](Self::value).
    pub fn q_values(&self, stage: usize, belief: &[f64]) -> Vec<f64> {
        self.assess(stage, belief).q_values
    }

    /// Point estimate of `V_t(b)`: the greatest of [`q_values`](Self::q_values).
    pub fn value(&self, stage: usize, belief: &[f64]) -> f64 {
        self.assess(stage, belief).value()
    }

    /// Proven `(lower, upper)` bounds on `V_t(b)`: those of [`assess`](Self::assess).
    pub fn bounds(&self, stage: usize, belief: &[f64]) -> (f64, f64) {
        self.assess(stage, belief).bounds()
    }

    /// Point estimate of `Σ_s b(s) V_t(s)`: the state is drawn from `belief` and seen before the decision. At a vertex the same as
    /// [`value`](Self::value), elsewhere at least as much. `None` where the state is hidden. O(S).
    pub fn informed_value(&self, stage: usize, belief: &[f64]) -> Option<f64> {
        let Body::Table(table) = &self.body else { return None };
        Some(table.expected_value(&self.model, stage, belief))
    }

    /// Point estimate of the value of `state` at `stage`, when it is seen. `None` where the state is hidden. O(1).
    pub fn state_value(&self, stage: usize, state: usize) -> Option<f64> {
        let Body::Table(table) = &self.body else { return None };
        Some(table.state_value(&self.model, stage, state))
    }

    /// Proven `(lower, upper)` bounds on [`informed_value`](Self::informed_value).
    pub fn informed_bounds(&self, stage: usize, belief: &[f64]) -> Option<(f64, f64)> {
        let Body::Table(table) = &self.body else { return None };
        let (value, band) = (table.expected_value(&self.model, stage, belief), table.band(stage));
        Some((value - band, value + band))
    }

    /// A proven upper bound on `V*_t(b) - Q*_t(b, action)`, at least 0: what `action` loses to the best that can be done knowing `b`.
    pub fn regret_bound(&self, stage: usize, belief: &[f64], action: usize) -> f64 {
        self.assess(stage, belief).regret_bound(action)
    }

    /// The action at `stage` when the state is known to be `state`, with its regret bound: what
    /// [`assess`](Self::assess) says at that vertex, and cheap where the policy is a table: one backup of that state.
    pub fn label_in_state(&self, stage: usize, state: usize) -> (usize, f64) {
        if let Body::Table(table) = &self.body {
            return table.label(&self.model, stage, state);
        }
        let mut belief = vec![0.0; self.model.states().len()];
        belief[state] = 1.0;
        let assessment = self.assess(stage, &belief);
        let action = assessment.action();
        (action, assessment.regret_bound(action))
    }

    /// The actions whose estimated value is within `epsilon` of the best, ascending.
    pub fn optimal_actions(&self, stage: usize, belief: &[f64], epsilon: f64) -> Vec<usize> {
        self.assess(stage, belief).optimal_actions(epsilon)
    }

    /// The model that nature answers `action` with when it means harm.
    pub fn worst_model(&self, stage: usize, belief: &[f64], action: usize) -> usize {
        self.assess(stage, belief).nature[action].minimiser
    }

    /// Point estimates of what `action` gives at (stage, belief) if this step follows model m and every later one the model that
    /// nature picks: `X_{a,m}(b)` of docs/apomdp.md, one a model. `H^α` of them is the action's value where the state is hidden
    /// or the belief a vertex. Where ambiguity is a set around the rows of one model, its own rows are meant.
    pub fn model_values(&self, stage: usize, belief: &[f64], action: usize) -> Vec<f64> {
        match &self.body {
            Body::Table(table) => table.model_values(&self.model, stage, belief, action),
            Body::Belief(bounds) => bounds.model_values(&self.model, stage, belief, action),
        }
    }

    /// Nature's answers at `stage` as one transition kernel, row `a * S + s`: `α p_min + (1-α) p_max` of the models of the cloud, or of
    /// the distributions of the ambiguity sets, that the estimated next values make least and greatest. An MDP with these kernels (one
    /// a stage) has the action values of the robust model. `None` where the state is hidden.
    pub fn nature_kernel(&self, stage: usize) -> Option<Kernel> {
        let Body::Table(table) = &self.body else { return None };
        let (s, a) = (self.model.states().len(), self.model.actions().len());
        Some(table.answers(&self.model, stage, (0..a).flat_map(|action| (0..s).map(move |state| (action, state)))))
    }

    /// One row of [`nature_kernel`](Self::nature_kernel): next states, ascending, and their probabilities.
    pub fn nature_row(&self, stage: usize, state: usize, action: usize) -> Option<Vec<(usize, f64)>> {
        let Body::Table(table) = &self.body else { return None };
        Some(table.answers(&self.model, stage, std::iter::once((action, state))).pairs(0).collect())
    }

    /// Point estimate of the value at the start distribution. Where the state is observed, the first one is seen before the first
    /// decision: the informed value.
    pub fn start_value(&self) -> f64 {
        let start = self.model.start();
        self.informed_value(0, start).unwrap_or_else(|| self.value(0, start))
    }
}

impl Policy for SolvedPolicy {
    fn action(&self, stage: usize, belief: &[f64]) -> usize {
        match &self.body {
            Body::Table(table) => table.assess(&self.model, stage, belief).action(),
            Body::Belief(_) => self.decision_on(stage, &sparse(belief), belief.len()).0,
        }
    }

    fn action_in_state(&self, stage: usize, state: usize, states: usize) -> usize {
        if let Body::Table(table) = &self.body {
            return first_best(&self.model, &table.row(&self.model, stage, state));
        }
        let mut belief = vec![0.0; states];
        belief[state] = 1.0;
        self.action(stage, &belief)
    }

    fn action_on(&self, stage: usize, belief: &[(u32, f64)], states: usize) -> usize {
        self.decision_on(stage, belief, states).0
    }

    fn decision_on(&self, stage: usize, belief: &[(u32, f64)], states: usize) -> (usize, Nature) {
        match &self.body {
            Body::Belief(bounds) => bounds.act(&self.model, stage, belief, bounds, &mut Scratch::new(&self.model)),
            Body::Table(table) => {
                let mut dense = vec![0.0; states];
                belief.iter().for_each(|&(state, mass)| dense[state as usize] = mass);
                let assessment = table.assess(&self.model, stage, &dense);
                let action = assessment.action();
                (action, assessment.nature[action])
            }
        }
    }

    fn tabular(&self) -> Option<Tabular> {
        match &self.body {
            Body::Table(table) if table.stationary => Some(Tabular::Stationary),
            Body::Table(_) => Some(Tabular::Staged),
            Body::Belief(_) => None,
        }
    }

    fn nature(&self, stage: usize, belief: &[f64], action: usize) -> Nature {
        self.assess(stage, belief).nature[action]
    }
}
