//! The five-armed bandit: the field's smallest test bed for learning in context, as in Lee et al., "Supervised pretraining can learn
//! in-context reinforcement learning" (the Decision-Pretrained Transformer), `NeurIPS` 2023.

use super::{Family, Regime, RewardGrid, Task, TaskRequest, check_request};
use crate::random::Key;
use crate::{Dynamics, Kernel, Model, ModelBuilder, ModelError, Reward, Space};

const ARMS: usize = 5;
/// Standard deviation of a pull around its arm's mean.
const NOISE: f64 = 0.3;

/// One state and five arms, whose means are uniform in [0, 1]. A pull earns its arm's mean and Gaussian noise of standard deviation 0.3,
/// which the world draws ([`Task::reward_noise`]), rounded to hundredths and cut to -1 … 2, which is beyond three deviations of any arm.
/// Episodes have 500 pulls. Best and worst are known by the means, so oracle and regrets are exact.
#[derive(Debug, Clone, Copy)]
pub struct Bandit;

impl Family for Bandit {
    fn name(&self) -> &'static str {
        "bandit"
    }

    fn description(&self) -> &'static str {
        "Five arms with means uniform in [0, 1] and Gaussian noise of 0.3."
    }

    fn splits(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("train", "the training distribution"),
            ("test", "the training distribution, other tasks"),
            ("validation", "the training distribution, other tasks again: to choose on"),
        ]
    }

    fn regimes(&self) -> &'static [Regime] {
        &[Regime::Mdp]
    }

    fn horizon(&self) -> usize {
        500
    }

    fn reward_grid(&self) -> RewardGrid {
        RewardGrid { low: -1.0, high: 2.0, step: 0.01 }
    }

    fn max_symbols(&self) -> usize {
        1
    }

    fn task(&self, request: &TaskRequest) -> Result<Task, ModelError> {
        check_request(self, request)?;
        let mut draw = Key::named(request.seed, &["bandit", &request.split, "task"], &[request.index]).sequence();
        let means: Vec<f64> = (0..ARMS).map(|_| draw.uniform()).collect();
        let parameters = means.iter().enumerate().map(|(arm, mean)| (format!("mean.{arm}"), *mean)).collect();
        Ok(Task { model: model(request, means)?, true_model: 0, parameters, reward_noise: NOISE })
    }
}

fn model(request: &TaskRequest, means: Vec<f64>) -> Result<Model, ModelError> {
    let mut transition = Kernel::new(1);
    (0..ARMS).for_each(|_| transition.push_row([(0, 1.0)]));
    ModelBuilder {
        name: format!("bandit/{}/{}/{}", request.split, request.index, request.seed),
        states: Space::unnamed("states", 1)?,
        actions: Space::unnamed("actions", ARMS)?,
        observations: None,
        reward: Reward::StateAction(means),
        start: vec![1.0],
        discount: 1.0,
        horizon: Some(request.horizon),
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition, observation: None }],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
}
