//! Linear MDPs: Jin, Yang, Wang, Jordan, "Provably efficient reinforcement learning with linear function approximation", COLT 2020.

use super::{Family, Regime, RewardGrid, Task, TaskRequest, check_request};
use crate::random::{Key, Sequence};
use crate::{Dynamics, Kernel, ModelBuilder, ModelError, Reward, Space};

const STATES: usize = 10;
const ACTIONS: usize = 3;
/// Number of features.
const DIMENSION: usize = 4;
/// Features and reward weights are whole tenths, so that rewards are whole hundredths.
const TENTHS: u32 = 10;

/// Reward and transitions linear in features `φ(s, a)` in the unit simplex of R^4: `R(s, a) = φ(s, a) · θ` and
/// `P(s' | s, a) = Σ_k φ_k(s, a) μ_k(s')`, each `μ_k` a distribution over the 10 states. So every policy's action values are linear
/// in φ too. θ and μ are the task; **φ is known**: a function of the request's seed alone, [`Linear::features`].
///
/// φ(s, a) cuts the unit interval at three uniform tenths; `θ_k` is a uniform tenth; `μ_k` has weights `u^4`, u uniform, or `u^12` in
/// the split `ood-concentrated`. The start is uniform.
#[derive(Debug, Clone, Copy)]
pub struct Linear;

impl Linear {
    /// The features of every task of a seed: row `a * 10 + s`, four numbers a row.
    pub fn features(seed: u64) -> Vec<[f64; 4]> {
        tenths(seed).iter().map(|phi| phi.map(|n| f64::from(n) / f64::from(TENTHS))).collect()
    }
}

fn tenths(seed: u64) -> Vec<[u32; DIMENSION]> {
    let mut draw = Key::named(seed, &["linear", "features"], &[]).sequence();
    let mut one = || {
        let mut cuts = [0, draw.integer(0, TENTHS), draw.integer(0, TENTHS), draw.integer(0, TENTHS), TENTHS];
        cuts.sort_unstable();
        std::array::from_fn(|k| cuts[k + 1] - cuts[k])
    };
    (0..ACTIONS * STATES).map(|_| one()).collect()
}

fn measure(draw: &mut Sequence, power: i32) -> [f64; STATES] {
    let weights: [f64; STATES] = std::array::from_fn(|_| draw.uniform().powi(power));
    let sum: f64 = weights.iter().sum();
    weights.map(|w| w / sum)
}

impl Family for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn description(&self) -> &'static str {
        "Reward and transitions are linear in four known features."
    }

    fn splits(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("train", "the training distribution"),
            ("test", "the training distribution, other tasks"),
            ("validation", "the training distribution, other tasks again: to choose on"),
            ("ood-horizon", "twice the training horizon"),
            ("ood-concentrated", "transitions to fewer states"),
        ]
    }

    fn regimes(&self) -> &'static [Regime] {
        &[Regime::Mdp]
    }

    fn horizon(&self) -> usize {
        10
    }

    fn reward_grid(&self) -> RewardGrid {
        RewardGrid { low: 0.0, high: 1.0, step: 0.01 }
    }

    fn max_symbols(&self) -> usize {
        STATES
    }

    fn task(&self, request: &TaskRequest) -> Result<Task, ModelError> {
        check_request(self, request)?;
        let split = request.split.as_str();
        let mut draw = Key::named(request.seed, &["linear", split, "task"], &[request.index]).sequence();
        let theta: [u32; DIMENSION] = std::array::from_fn(|_| draw.integer(0, TENTHS));
        let power = if split == "ood-concentrated" { 12 } else { 4 };
        let mu: [_; DIMENSION] = std::array::from_fn(|_| measure(&mut draw, power));
        let horizon = if split == "ood-horizon" { 2 * request.horizon } else { request.horizon };

        let mut parameters: Vec<(String, f64)> = Vec::new();
        for (k, weight) in theta.iter().enumerate() {
            parameters.push((format!("theta.{k}"), f64::from(*weight) / f64::from(TENTHS)));
        }
        for (k, measure) in mu.iter().enumerate() {
            parameters.extend(measure.iter().enumerate().map(|(s, p)| (format!("mu.{k}.{s}"), *p)));
        }

        let mut transition = Kernel::new(STATES);
        let mut rewards = Vec::with_capacity(ACTIONS * STATES);
        for phi in tenths(request.seed) {
            let share = |k: usize| f64::from(phi[k]) / f64::from(TENTHS);
            transition.push_row((0..STATES).map(|s| (s, (0..DIMENSION).map(|k| share(k) * mu[k][s]).sum())));
            // Hundredths as an integer, then one division: the nearest double to the decimal, so that rewards print exactly.
            let hundredths: u32 = phi.iter().zip(theta).map(|(n, weight)| n * weight).sum();
            rewards.push(f64::from(hundredths) / f64::from(TENTHS * TENTHS));
        }
        let model = ModelBuilder {
            name: format!("linear/{split}/{}/{}", request.index, request.seed),
            states: Space::unnamed("states", STATES)?,
            actions: Space::unnamed("actions", ACTIONS)?,
            observations: None,
            reward: Reward::StateAction(rewards),
            start: vec![1.0 / STATES as f64; STATES],
            discount: 1.0,
            horizon: Some(horizon),
            terminal: Vec::new(),
            final_reward: Vec::new(),
            dynamics: vec![Dynamics { transition, observation: None }],
            alpha: 1.0,
            ambiguity: None,
            observation_ambiguity: None,
        }
        .build()?;
        Ok(Task { model, true_model: 0, parameters, reward_noise: 0.0 })
    }
}
