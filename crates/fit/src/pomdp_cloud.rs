//! Clouds around a fitted POMDP.

use rayon::prelude::*;
use tiresias_data::Trajectories;
use tiresias_model::random::{Draws, Key};

use crate::cloud::member;
use crate::hmm::climb::Climb;
use crate::hmm::expect::{Sample, Watch};
use crate::pomdp_model::{dynamics, reward, start};
use crate::split::resampled;
use crate::{Cloud, CloudOptions, FitError, Hook, PomdpFit};

impl PomdpFit {
    /// Draws of transition and observation rows from Dirichlet(n + weight / K), where n are the counts expected under the fitted model:
    /// the posterior that there would be if the states had been seen as they are expected to have been. It is approximate, and too
    /// narrow, since which states they were is not certain either; [`bootstrap`](Self::bootstrap) accounts for that. Hidden states mean
    /// the same in all members. The mean of the draws is the fitted model up to the tolerance of its search; rewards are the fitted ones.
    ///
    /// [`FitError::Option`] where the prior has no weight. A Gamma variable for each entry of every row and model.
    pub fn posterior(&self, options: &CloudOptions) -> Result<Cloud, FitError> {
        options.check(&self.model)?;
        let weight = self.search.prior.weight;
        if weight <= 0.0 {
            return Err(FitError::option("weight of the prior", &weight, "above 0, which a posterior needs"));
        }
        let draw = |m: usize| {
            let mut draws = Draws::new(Key::named(options.seed, &["fit", "posterior"], &[m as u64]));
            let mut drawn = self.climb.expected.counts.clone();
            drawn.each_row(|row| {
                let share = weight / row.len() as f64;
                row.iter_mut().for_each(|n| *n += share);
                draws.dirichlet(row);
            });
            member(&self.model, dynamics(&drawn))
        };
        let members = (0..options.models).into_par_iter().map(draw).collect::<Result<_, _>>()?;
        options.cloud(&self.model, members)
    }

    /// Fits to as many episodes drawn with replacement, by the same options; `data` are the trajectories that were fitted. Every fit begins
    /// at the fitted model, so that hidden states keep their meaning. Members have rewards and starts of their own; the ambiguous model
    /// has the fitted ones.
    ///
    /// As many searches from one start as there are models.
    pub fn bootstrap(&self, data: &Trajectories, options: &CloudOptions, hook: Hook<'_>) -> Result<Cloud, FitError> {
        options.check(&self.model)?;
        let size = self.climb.expected.counts.size;
        let actual = [
            ("observations", size.symbols, data.observation_space().len()),
            ("actions", size.actions, data.action_space().len()),
        ];
        for (what, expected, found) in actual {
            if expected != found {
                return Err(FitError::OtherData { what, expected, found });
            }
        }
        let mut watch = Watch::new(hook);
        watch.phase("refit", options.models);
        let mut members = Vec::new();
        for m in 0..options.models {
            let sample = Sample::new(data, resampled(data.len(), options.seed, m), size);
            let mut climb = Climb::begin(&self.search, &sample, self.climb.parameters.clone(), &mut watch)?;
            climb.go_on(&self.search, &sample, self.search.iterations, &mut watch, false)?;
            let mut parts = self.model.to_builder();
            parts.dynamics = vec![dynamics(&climb.parameters.chances)];
            parts.reward = reward(&self.search.rewards(&sample, &climb, &watch)?, size);
            parts.start = start(&climb.parameters.chances);
            members.push(parts.build()?);
            watch.done(m + 1)?;
        }
        options.cloud(&self.model, members)
    }
}
