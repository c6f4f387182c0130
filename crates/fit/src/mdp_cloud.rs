//! Clouds around a fitted MDP.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use tiresias_data::Trajectories;
use tiresias_model::random::{Draws, Key};
use tiresias_model::{Dynamics, Kernel};

use crate::cloud::member;
use crate::counts::Counts;
use crate::mdp::{rewards, start, transition};
use crate::split::resampled;
use crate::{Cloud, CloudOptions, FitError, Hook, MdpFit, Progress};

impl MdpFit {
    /// Draws of the transition rows from their posterior, which is exact: every row is Dirichlet(n + weight / K) on the states of
    /// [`successors`](crate::MdpOptions::successors), and rows are independent. Their mean is the fitted model. A row that was never seen is
    /// drawn from the prior. Rewards are the fitted ones.
    ///
    /// [`FitError::Option`] where the prior has no weight. A Gamma variable for each possible entry of every row and model.
    pub fn posterior(&self, options: &CloudOptions) -> Result<Cloud, FitError> {
        options.check(&self.model)?;
        if self.options.weight <= 0.0 {
            return Err(FitError::option(
                "weight of the prior",
                &self.options.weight,
                "above 0, which a posterior needs",
            ));
        }
        let draw = |m: usize| {
            let key = Key::named(options.seed, &["fit", "posterior"], &[m as u64]);
            member(&self.model, Dynamics { transition: self.drawn(&mut Draws::new(key)), observation: None })
        };
        let members = (0..options.models).into_par_iter().map(draw).collect::<Result<_, _>>()?;
        options.cloud(&self.model, members)
    }

    fn drawn(&self, draws: &mut Draws) -> Kernel {
        let Self { counts, support, .. } = self;
        let prior = self.options.weight / support.len() as f64;
        let mut place = vec![usize::MAX; counts.states];
        support.iter().enumerate().for_each(|(i, &state)| place[state] = i);
        let mut kernel = Kernel::with_capacity(counts.states, counts.moved.rows(), 0);
        let mut row = vec![0.0; support.len()];
        for r in 0..counts.moved.rows() {
            if counts.is_over(r) {
                kernel.push_row([(r % counts.states, 1.0)]);
                continue;
            }
            row.fill(prior);
            counts.moved.pairs(r).for_each(|(next, n)| row[place[next]] += n);
            draws.dirichlet(&mut row);
            kernel.push_row(support.iter().copied().zip(row.iter().copied()));
        }
        kernel
    }

    /// Fits to as many episodes drawn with replacement, by the same options; `data` are the trajectories that were fitted. The states that
    /// the prior is spread over are those of the whole. Members have rewards and starts of their own; the ambiguous model has the fitted ones.
    ///
    /// O(models · steps).
    pub fn bootstrap(&self, data: &Trajectories, options: &CloudOptions, hook: Hook<'_>) -> Result<Cloud, FitError> {
        options.check(&self.model)?;
        self.check_data(data)?;
        let done = AtomicUsize::new(0);
        let refit = |m: usize| {
            let counts = Counts::of(data, &resampled(data.len(), options.seed, m))?;
            let mut parts = self.model.to_builder();
            let transition = transition(&counts, &self.support, self.options.weight);
            parts.dynamics = vec![Dynamics { transition, observation: None }];
            parts.reward = rewards(&counts, self.options.reward_weight);
            parts.start = start(&counts);
            let model = parts.build()?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            let progress = Progress { phase: "refit", done, total: options.models, log_posterior: f64::NEG_INFINITY };
            match hook(progress) {
                ControlFlow::Continue(()) => Ok(model),
                ControlFlow::Break(()) => Err(FitError::Cancelled),
            }
        };
        let members = (0..options.models).into_par_iter().map(refit).collect::<Result<_, _>>()?;
        options.cloud(&self.model, members)
    }

    fn check_data(&self, data: &Trajectories) -> Result<(), FitError> {
        let states = data.observation_space().len() + usize::from(data.columns().terminated.contains(&true));
        let (actions, fitted) = (data.action_space().len(), self.model.actions().len());
        for (what, expected, found) in [("states", self.counts.states, states), ("actions", fitted, actions)] {
            if expected != found {
                return Err(FitError::OtherData { what, expected, found });
            }
        }
        Ok(())
    }
}
