//! The tasks are linear MDPs, and their values exact.

use proptest::prelude::*;
use tiresias_model::random::Key;
use tiresias_model::{Dynamics, Kernel, ModelBuilder, Reward, Space};
use tiresias_solve::{BackwardInduction, Limits, Solver, no_hook};
use tiresias_theory::closed_form::spectrum;
use tiresias_theory::linear_mdp::{LinearMdp, Shape};
use tiresias_theory::planning;

fn shapes() -> impl Strategy<Value = (Shape, f64, u64)> {
    (2_usize..7, 2_usize..4, 1_usize..5, 1_usize..5, 0.0..2.0_f64, any::<u64>()).prop_map(
        |(states, actions, dimension, horizon, decay, seed)| {
            (Shape { states, actions, dimension: dimension.min(states * actions), horizon }, decay, seed)
        },
    )
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

proptest! {
    #[test]
    fn rows_are_distributions_and_the_second_moment_is_lambda((shape, decay, seed) in shapes()) {
        let lambda = spectrum(shape.dimension, decay);
        let mdp = LinearMdp::draw(shape, &lambda, Key(seed));
        for pair in 0..shape.pairs() {
            let row = mdp.transition(pair);
            prop_assert!(row.iter().all(|p| (0.0..=1.0).contains(p)));
            prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(mdp.rewards[pair].abs() <= 1.0);
            prop_assert!((dot(mdp.feature(pair), &mdp.level()) - 1.0).abs() < 1e-6, "the level is not 1");
        }
        for i in 0..shape.dimension {
            for j in 0..shape.dimension {
                let moment = (0..shape.pairs()).map(|pair| mdp.feature(pair)[i] * mdp.feature(pair)[j]).sum::<f64>() / shape.pairs() as f64;
                let expected = if i == j { lambda[i] } else { 0.0 };
                prop_assert!((moment - expected).abs() < 1e-6, "{i}, {j}: {moment} {expected}");
            }
        }
    }

    /// Linear: any values of the next states, and so every policy's action values and Q*, are features times weights.
    #[test]
    fn action_values_are_linear_in_the_features((shape, decay, seed) in shapes()) {
        let mdp = LinearMdp::draw(shape, &spectrum(shape.dimension, decay), Key(seed));
        let plan = planning::best(&mdp);
        for (q, w) in plan.q.iter().zip(&plan.weights) {
            for pair in 0..shape.pairs() {
                prop_assert!((dot(mdp.feature(pair), w) - q[pair]).abs() < 1e-6, "{} {}", dot(mdp.feature(pair), w), q[pair]);
            }
        }
    }

    /// Every deterministic policy of a tiny MDP, each one's value by the sum over all paths: the greatest is V*, the least the worst value, and
    /// the mean that of random actions, in which the value is linear stage by stage and state by state.
    #[test]
    fn values_are_those_of_brute_force(seed: u64, horizon in 1_usize..4) {
        let shape = Shape { states: 2, actions: 2, dimension: 2, horizon };
        let mdp = LinearMdp::draw(shape, &[1.0, 1.0], Key(seed));
        let decisions = 2 * horizon;
        let policies = (0..1_usize << decisions).map(|code| -> Vec<Vec<usize>> {
            (0..horizon).map(|stage| (0..2).map(|s| code >> (2 * stage + s) & 1).collect()).collect()
        });
        let values: Vec<f64> = policies
            .map(|policy| {
                let by_paths = paths(&mdp, &policy);
                let occupancy = planning::occupancy(&mdp, &policy);
                assert!((planning::value(&mdp, &policy, &occupancy) - by_paths).abs() < 1e-12);
                by_paths
            })
            .collect();
        let best = values.iter().copied().fold(f64::MIN, f64::max);
        let worst = values.iter().copied().fold(f64::MAX, f64::min);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let plan = planning::best(&mdp);
        prop_assert!((plan.value - best).abs() < 1e-12);
        prop_assert!((paths(&mdp, &plan.actions) - best).abs() < 1e-12);
        prop_assert!((planning::worst(&mdp).value - worst).abs() < 1e-12);
        prop_assert!((planning::random_value(&mdp) - mean).abs() < 1e-12);
    }

    /// The project's own solver, on the same MDP as a model.
    #[test]
    fn the_optimum_is_that_of_backward_induction((shape, decay, seed) in shapes()) {
        let mdp = LinearMdp::draw(shape, &spectrum(shape.dimension, decay), Key(seed));
        let Shape { states, actions, horizon, .. } = shape;
        let order: Vec<usize> = (0..actions).flat_map(|a| (0..states).map(move |s| s * actions + a)).collect();
        let mut transition = Kernel::new(states);
        for &pair in &order {
            let row = mdp.transition(pair);
            let sum: f64 = row.iter().sum();
            transition.push_row(row.iter().map(|p| p / sum).enumerate());
        }
        let model = ModelBuilder {
            name: "linear".into(),
            states: Space::unnamed("states", states).unwrap(),
            actions: Space::unnamed("actions", actions).unwrap(),
            observations: None,
            reward: Reward::StateAction(order.iter().map(|&pair| mdp.rewards[pair]).collect()),
            start: vec![1.0 / states as f64; states],
            discount: 1.0,
            horizon: Some(horizon),
            terminal: Vec::new(),
            final_reward: Vec::new(),
            dynamics: vec![Dynamics { transition, observation: None }],
            alpha: 1.0,
            ambiguity: None,
            observation_ambiguity: None,
        }
        .build()
        .unwrap();
        let solution = BackwardInduction.solve(&model, &Limits::default(), &no_hook).unwrap();
        let plan = planning::best(&mdp);
        prop_assert!((solution.lower - plan.value).abs() < 1e-9, "{} {}", solution.lower, plan.value);
    }

    /// No difference of features within a state is longer, and one is as long.
    #[test]
    fn leverage_is_the_longest_difference((shape, decay, seed) in shapes()) {
        let lambda = spectrum(shape.dimension, decay);
        let mdp = LinearMdp::draw(shape, &lambda, Key(seed));
        let mut longest: f64 = 0.0;
        for s in 0..shape.states {
            for a in 0..shape.actions {
                for b in 0..shape.actions {
                    let (x, y) = (mdp.feature(s * shape.actions + a), mdp.feature(s * shape.actions + b));
                    let length: f64 = (0..shape.dimension).map(|k| (x[k] - y[k]).powi(2) / lambda[k]).sum();
                    longest = longest.max(length.sqrt());
                }
            }
        }
        prop_assert!((mdp.leverage() - longest).abs() <= 1e-12 * longest);
    }
}

/// The value of a policy by the sum over all sequences of states.
fn paths(mdp: &LinearMdp, policy: &[Vec<usize>]) -> f64 {
    fn from(mdp: &LinearMdp, policy: &[Vec<usize>], stage: usize, s: usize) -> f64 {
        if stage == policy.len() {
            return 0.0;
        }
        let pair = s * mdp.shape.actions + policy[stage][s];
        let later: f64 =
            mdp.transition(pair).iter().enumerate().map(|(next, p)| p * from(mdp, policy, stage + 1, next)).sum();
        mdp.rewards[pair] + later
    }
    (0..mdp.shape.states).map(|s| from(mdp, policy, 0, s)).sum::<f64>() / mdp.shape.states as f64
}
