//! A cloud as one POMDP whose hidden state says, too, which of its models is true.

use crate::distribution::renormalise;
use crate::{Dynamics, Kernel, Model, ModelBuilder, ModelError, Reward, Space};

impl Model {
    /// The POMDP of a decision-maker who does not know which model of the cloud is true, and that the same one is to the end: a
    /// multi-environment POMDP (Raskin and Sankur, "Multiple-environment Markov decision processes", FSTTCS 2014; Chatterjee,
    /// Chmelík, Karkhanis, Novotný, Royer, "Multiple-environment Markov decision processes: efficient analysis and applications",
    /// ICAPS 2020).
    ///
    /// State `m * S + s` is model m in state s; no move changes m. The start is `prior` (length M) times this model's. Where the state
    /// is seen, the observation is the state that was moved to; nothing is seen before the first decision.
    ///
    /// O(entries of the kernels). Errors: [`ModelError::Shape`] for a prior of another length, [`ModelError::Rows`] where it does not
    /// sum to 1, [`ModelError::Ambiguity`] for a model with sets around its rows.
    pub fn environments(&self, prior: &[f64]) -> Result<Model, ModelError> {
        let (s, a, m) = (self.states().len(), self.actions().len(), self.dynamics().len());
        if self.ambiguity().is_some() {
            let why = "sets around rows hold infinitely many models; the one that is true is asked for of a cloud";
            return Err(ModelError::Ambiguity(why.into()));
        }
        if prior.len() != m {
            return Err(ModelError::Shape { what: "prior over the cloud".into(), expected: m, found: prior.len() });
        }
        let all = m * s;
        let observations = match self.observations() {
            Some(space) => space.clone(),
            None => self.states().clone(),
        };
        let entries = |kernel: fn(&Dynamics) -> Option<&Kernel>| -> usize {
            self.dynamics().iter().map(|one| kernel(one).map_or(a * s, Kernel::entries)).sum()
        };
        let mut transition = Kernel::with_capacity(all, a * all, entries(|one| Some(&one.transition)));
        let mut observation =
            Kernel::with_capacity(observations.len(), a * all, entries(|one| one.observation.as_ref()));
        let mut rewards = Vec::with_capacity(a * all);
        for action in 0..a {
            for (number, dynamics) in self.dynamics().iter().enumerate() {
                let rows = action * s..(action + 1) * s;
                rewards.extend_from_slice(&self.expected_reward(number)[rows.clone()]);
                for row in rows {
                    transition.push_row(dynamics.transition.pairs(row).map(|(to, p)| (number * s + to, p)));
                    match &dynamics.observation {
                        Some(kernel) => observation.push_row(kernel.pairs(row)),
                        None => observation.push_row([(row % s, 1.0)]),
                    }
                }
            }
        }
        let final_reward: Vec<f64> = (0..m).flat_map(|_| self.final_reward()).copied().collect();
        ModelBuilder {
            name: format!("{}, {m} environments", self.name()),
            states: Space::unnamed("states", all)?,
            actions: self.actions().clone(),
            observations: Some(observations),
            reward: Reward::StateAction(rewards),
            start: self.environments_start(prior, self.start()),
            discount: self.discount(),
            horizon: self.horizon(),
            terminal: (0..m)
                .flat_map(|number| self.terminal_states().into_iter().map(move |t| number * s + t))
                .collect(),
            final_reward,
            dynamics: vec![Dynamics { transition, observation: Some(observation) }],
            alpha: 1.0,
            ambiguity: None,
            observation_ambiguity: None,
        }
        .build()
    }

    /// The belief of [`environments`](Self::environments) for a prior over the cloud and a belief over the states.
    pub fn environments_start(&self, prior: &[f64], belief: &[f64]) -> Vec<f64> {
        let mut start: Vec<f64> = prior.iter().flat_map(|w| belief.iter().map(move |b| w * b)).collect();
        renormalise(&mut start);
        start
    }
}
