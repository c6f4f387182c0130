//! What acting greedily on an estimate can cost at most, in its two parts. Derived step by step in `docs/theory.md`.

use crate::attention::dot;
use crate::closed_form::{ClosedForm, Error, Pairs, square};
use crate::linear_mdp::LinearMdp;
use crate::planning::Plan;

/// Bounds on the mean over prompts of `V* − V^π`, π greedy on the closed form's estimate of every stage's `Q*` from M pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// `D Σ_h √(estimation_h + bias_h)`, with D the leverage of a decision.
    pub total: f64,
    /// `D Σ_h √estimation_h`: what of it falls with the pairs of the prompt.
    pub estimation: f64,
    /// `D Σ_h √bias_h`: what of it falls with the length of training prompts. `total` is at most the sum of the two.
    pub bias: f64,
    /// The same without what no greedy decision hangs on, the scale of the estimate and its level:
    /// `D Σ_h min_c √(E Var(c φᵀŵ_h − Q*_h))`, the variance over uniformly drawn pairs.
    pub sharp: f64,
}

/// What the bounds of one task are made of.
#[derive(Debug, Clone)]
pub struct Parts {
    leverage: f64,
    stages: Vec<Stage>,
}

#[derive(Debug, Clone, Copy)]
struct Stage {
    /// M times the mean of `‖ŵ − E ŵ‖²_Λ`, and of its part off the level.
    spread: f64,
    spread_off_level: f64,
    /// `‖E ŵ − w‖²_Λ`.
    bias: f64,
    /// Of `E ŵ` and w off the level: square, product, square.
    products: (f64, f64, f64),
}

impl Parts {
    /// Of the optimal action values of a task.
    pub fn new(mdp: &LinearMdp, plan: &Plan, closed: &ClosedForm) -> Self {
        let mean = mean_feature(mdp);
        let stage = |(weights, labels): (&Vec<f64>, &Vec<f64>)| {
            let pairs = Pairs { features: &mdp.features, labels, weights };
            let spread = pairs.spread(closed);
            let limit = closed.limit(weights);
            // Λ less the square of the mean feature is the covariance: a constant error has none.
            let product = |v: &[f64], w: &[f64]| -> f64 {
                (0..v.len()).map(|k| closed.lambda()[k] * v[k] * w[k]).sum::<f64>() - dot(&mean, v) * dot(&mean, w)
            };
            Stage {
                spread,
                spread_off_level: (spread - pairs.spread_along(closed, &mean)).max(0.0),
                bias: closed.bias(weights),
                products: (product(&limit, &limit), product(&limit, weights), product(weights, weights)),
            }
        };
        Self { leverage: mdp.leverage(), stages: plan.weights.iter().zip(&plan.q).map(stage).collect() }
    }

    /// D.
    pub fn leverage(&self) -> f64 {
        self.leverage
    }

    /// The mean squared error at uniformly drawn pairs, averaged over stages.
    pub fn error(&self, pairs: usize) -> Error {
        let mean = |of: fn(&Stage) -> f64| self.stages.iter().map(of).sum::<f64>() / self.stages.len() as f64;
        Error { estimation: mean(|stage| stage.spread) / pairs as f64, bias: mean(|stage| stage.bias) }
    }

    /// The bounds for prompts of M pairs.
    pub fn bound(&self, pairs: usize) -> Bound {
        let m = pairs as f64;
        let sum = |of: &dyn Fn(&Stage) -> f64| {
            self.leverage * self.stages.iter().map(|stage| of(stage).max(0.0).sqrt()).sum::<f64>()
        };
        Bound {
            total: sum(&|stage| stage.spread / m + stage.bias),
            estimation: sum(&|stage| stage.spread / m),
            bias: sum(&|stage| stage.bias),
            sharp: sum(&|stage| {
                let (mm, mw, ww) = stage.products;
                // The least over c of c² (mm + spread / M) − 2 c mw + ww. A scale that is not positive turns decisions round: 0 is the limit of those that are.
                ww - square(mw.max(0.0)) / (mm + stage.spread_off_level / m).max(f64::MIN_POSITIVE)
            }),
        }
    }
}

fn mean_feature(mdp: &LinearMdp) -> Vec<f64> {
    let (d, n) = (mdp.shape.dimension, mdp.shape.pairs() as f64);
    (0..d).map(|k| mdp.features.iter().skip(k).step_by(d).sum::<f64>() / n).collect()
}
