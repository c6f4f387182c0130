//! What a decision-maker with a policy does, as rules: the decision at a belief, and the belief after an observation.

use tiresias_model::belief::{self, Posteriors};
use tiresias_model::{Model, ModelError, Nature, Policy};

use crate::sparse_filter::{Scratch, Sparse, SparseFilter, normalise};

/// Model 0 at both ends: nature's answer where nobody gives another.
pub(crate) const NO_ANSWER: Nature = Nature { minimiser: 0, maximiser: 0 };

/// A policy, and who answers for nature.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub policy: &'a dyn Policy,
    /// May be the policy itself; nature's answer is model 0 when it is `None`.
    pub adversary: Option<&'a dyn Policy>,
    /// Whether neither minds the stage.
    pub stationary: bool,
}

/// The action at a belief, and what nature answers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub action: usize,
    pub nature: Nature,
}

/// The rules, made ready to be asked often; shared between threads.
pub(crate) struct Conduct<'a> {
    pub model: &'a Model,
    pub sides: Sides<'a>,
    /// One a model of the cloud; empty where the state is seen.
    filters: Vec<SparseFilter<'a>>,
    /// Who is asked for nature's answers, if they are needed.
    adversary: Option<&'a dyn Policy>,
    /// Whether that is the policy itself.
    same: bool,
}

impl<'a> Conduct<'a> {
    /// `adversarial` when nature plays its answers; where states are hidden they also say which model updates beliefs.
    pub fn new(model: &'a Model, sides: Sides<'a>, adversarial: bool) -> Self {
        let models = model.dynamics().len();
        let filters: Vec<_> = (0..models).filter_map(|m| SparseFilter::new(model, m)).collect();
        let needed = models > 1 && (adversarial || !filters.is_empty());
        let adversary = sides.adversary.filter(|_| needed);
        let same = adversary.is_some_and(|adversary| std::ptr::addr_eq(adversary, sides.policy));
        Self { model, sides, filters, adversary, same }
    }

    /// Whether the decision-maker sees the state.
    pub fn sees(&self) -> bool {
        self.filters.is_empty()
    }

    /// How many things can be seen.
    pub fn symbols(&self) -> usize {
        self.model.observations().map_or(self.model.states().len(), tiresias_model::Space::len)
    }

    /// The stage as far as it matters.
    pub fn stage(&self, stage: usize) -> usize {
        if self.sides.stationary { 0 } else { stage }
    }

    /// The belief before the first decision.
    pub fn start(&self) -> Sparse {
        self.model.start().iter().enumerate().filter(|(_, p)| **p > 0.0).map(|(s, &p)| (s as u32, p)).collect()
    }

    /// The decision at a belief.
    pub fn decide(&self, stage: usize, belief: &[(u32, f64)]) -> Decision {
        let (policy, states) = (self.sides.policy, self.model.states().len());
        let stage = self.stage(stage);
        if self.same {
            let (action, nature) = policy.decision_on(stage, belief, states);
            return Decision { action, nature };
        }
        let action = match belief {
            &[(state, _)] if self.sees() => policy.action_in_state(stage, state as usize, states),
            _ => policy.action_on(stage, belief, states),
        };
        let nature = self.adversary.map_or(NO_ANSWER, |adversary| adversary.nature_on(stage, belief, states, action));
        Decision { action, nature }
    }

    /// The belief after a decision and what was then seen, to `out`, by the rule of [`belief::explain`]: updated by the model that
    /// nature was seen to choose (`told`), else by the one that `H^α` selects. `ImpossibleObservation` when every model of a cloud
    /// rules the observation out.
    pub fn update(
        &self,
        belief: &[(u32, f64)],
        decision: Decision,
        told: Option<usize>,
        seen: usize,
        scratch: &mut Scratch,
        out: &mut Sparse,
    ) -> Result<(), ModelError> {
        if self.sees() {
            out.clear();
            out.push((seen as u32, 1.0));
            return Ok(());
        }
        let Decision { action, nature } = decision;
        let (models, selected) = (self.filters.len(), told.unwrap_or_else(|| belief::selected(self.model, nature)));
        let mut posteriors = Filtered { conduct: self, belief, action, seen, scratch, out };
        let explained = belief::explain(selected, models, &mut posteriors)
            .ok_or(ModelError::ImpossibleObservation { action, observation: seen, models })?;
        normalise(out, explained.sum);
        Ok(())
    }
}

/// The posteriors of a sparse belief.
struct Filtered<'r, 'a> {
    conduct: &'r Conduct<'a>,
    belief: &'r [(u32, f64)],
    action: usize,
    seen: usize,
    scratch: &'r mut Scratch,
    out: &'r mut Sparse,
}

impl Posteriors for Filtered<'_, '_> {
    #[inline]
    fn joint(&mut self, m: usize) -> f64 {
        self.conduct.filters[m].joint(self.belief, self.action, self.seen, self.scratch, self.out)
    }

    fn by_logarithms(&mut self, m: usize) -> f64 {
        let entries = self.belief.iter().map(|&(state, p)| (state as usize, p));
        let (logarithm, posterior) = belief::by_logarithms(self.conduct.model, m, entries, self.action, self.seen);
        self.out.clear();
        self.out.extend(posterior.into_iter().map(|(state, p)| (state as u32, p)));
        logarithm
    }
}
