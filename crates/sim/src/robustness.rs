//! What one policy earns in a cloud, whatever nature does.

use crate::exact::response_value;
use crate::simulate::{Actor, EpisodesHook, SimulateError, Simulation};
use crate::{NatureRule, Summary};

/// A mean return: sampled, and computed where that is possible.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Valuation {
    /// Of the simulated episodes.
    pub sampled: Summary,
    /// The mean itself, where the beliefs that the policy can meet are few enough.
    pub exact: Option<f64>,
}

/// A policy's returns against every nature. All natures meet the same random numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Robustness {
    /// `J_m`: model `m` moves the world at every step, and the decision-maker is not told so.
    pub fixed: Vec<Valuation>,
    /// The model with the smallest mean return, exact where there are exact ones, the first of several.
    pub worst_model: usize,
    /// An interval that holds `min_m J_m` with a probability of at least 95 %: the smallest ends of the intervals of all `J_m`, made
    /// wide enough to hold all at once (Bonferroni).
    pub worst: (f64, f64),
    /// `min_m J_m`.
    pub worst_exact: Option<f64>,
    /// The mean of the `J_m`: a model drawn uniformly and kept.
    pub average: Valuation,
    /// A model drawn uniformly at each step.
    pub resampled: Valuation,
    /// The adversary's own answers: the minimiser with probability α, the maximiser otherwise, known to the decision-maker. `None`
    /// without an adversary.
    pub adversarial: Option<Valuation>,
    /// [`response_value`]: against nature's best response to this policy. `None` for random actions, and where too many beliefs
    /// can be met.
    pub response: Option<f64>,
    /// Decisions made, over all natures and episodes.
    pub decisions: u64,
}

impl Simulation<'_> {
    /// Plays episodes `0..episodes` against each model of the cloud, a resampled one and the adversary; `nature` is not read. Exact
    /// values take at most `most` belief updates each. The hook is told of `episodes` for each nature.
    pub fn robustness(&self, episodes: usize, most: usize, hook: &EpisodesHook) -> Result<Robustness, SimulateError> {
        if self.model.ambiguity().is_some() {
            return Err(SimulateError::AmbiguitySet);
        }
        let models = self.model.dynamics().len();
        let mut decisions = 0;
        let mut returns = vec![0.0; episodes];
        let mut sums = vec![0.0; episodes];
        let mut play = |nature, sums: Option<&mut [f64]>| {
            let simulation = Self { nature, ..*self };
            decisions += simulation.run(0, &mut returns, hook)?;
            if let Some(sums) = sums {
                sums.iter_mut().zip(&returns).for_each(|(sum, r)| *sum += r);
            }
            Ok(Valuation { sampled: Summary::of(&returns), exact: simulation.exact(most, hook)? })
        };
        let fixed = (0..models)
            .map(|m| play(NatureRule::Fixed(m), Some(&mut sums)))
            .collect::<Result<Vec<_>, SimulateError>>()?;
        let resampled = play(NatureRule::Resampled, None)?;
        let adversarial = self.adversary.map(|_| play(NatureRule::Oracle, None)).transpose()?;
        let response = match self.actor {
            Actor::Policy { policy, stationary } => {
                response_value(self.model, policy, stationary, self.steps, most, hook)?
            }
            Actor::Random => None,
        };
        sums.iter_mut().for_each(|sum| *sum /= models as f64);
        let exact: Option<Vec<f64>> = fixed.iter().map(|valuation| valuation.exact).collect();
        let means: Vec<f64> = exact.clone().unwrap_or_else(|| fixed.iter().map(|v| v.sampled.mean).collect());
        let least =
            |ends: &dyn Fn(&Summary) -> f64| fixed.iter().map(|v| ends(&v.sampled)).fold(f64::INFINITY, f64::min);
        let worst_model = (0..models).fold(0, |worst, m| if means[m] < means[worst] { m } else { worst });
        Ok(Robustness {
            worst: (least(&|s| s.mean - s.joint_half_width(models)), least(&|s| s.mean + s.joint_half_width(models))),
            worst_model,
            worst_exact: exact.as_ref().map(|_| means[worst_model]),
            average: Valuation {
                sampled: Summary::of(&sums),
                exact: exact.map(|exact| exact.iter().sum::<f64>() / models as f64),
            },
            fixed,
            resampled,
            adversarial,
            response,
            decisions,
        })
    }
}
