//! Models, random and classic, and the enumeration of the game tree that everything is measured against.
#![allow(dead_code)]

pub mod toy;

pub mod elimination;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Policy, Reward, Space};
use tiresias_solve::Solution;

/// A proptest runner that draws the same cases on every machine and run.
pub fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// Sizes of a random model.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub states: usize,
    pub actions: usize,
    pub observations: usize,
    pub models: usize,
    pub horizon: usize,
}

/// A random POMDP or APOMDP: sparse and dense rows, every reward form, discounts with 1, terminal states, final rewards.
pub fn hidden(size: Size) -> impl Strategy<Value = Model> {
    let Size { states: s, actions: a, observations: o, models: m, horizon } = size;
    let weights =
        |columns: usize| prop::collection::vec(prop_oneof![1 => Just(0.0), 2 => 0.05..1.0_f64], m * a * s * columns);
    let rewards = prop_oneof![
        prop::collection::vec(-3.0..3.0_f64, a).prop_map(Reward::Action),
        prop::collection::vec(-3.0..3.0_f64, a * s).prop_map(Reward::StateAction),
        prop::collection::vec(-3.0..3.0_f64, a * s * s)
            .prop_map(move |r| Reward::Transition(Kernel::from_dense(s, &r))),
        prop::collection::vec(-3.0..3.0_f64, a * s * s * o)
            .prop_map(move |r| Reward::Full(Kernel::from_dense(s * o, &r))),
    ];
    let rest = (
        prop::collection::vec(prop_oneof![1 => Just(0.0), 3 => 0.1..1.0_f64], s),
        prop_oneof![Just(1.0), 0.5..1.0_f64],
        prop_oneof![3 => Just(Vec::new()), 1 => Just(vec![s - 1])],
        prop_oneof![Just(Vec::new()), prop::collection::vec(-2.0..2.0_f64, s)],
        prop_oneof![Just(1.0), Just(0.0), 0.0..1.0_f64],
    );
    (weights(s), weights(o), rewards, rest).prop_map(
        move |(transition, observation, reward, (start, discount, terminal, final_reward, alpha))| {
            let dynamics = (0..m)
                .map(|k| Dynamics {
                    transition: stochastic(s, &transition[k * a * s * s..][..a * s * s]),
                    observation: Some(stochastic(o, &observation[k * a * s * o..][..a * s * o])),
                })
                .collect();
            ModelBuilder {
                name: "random".into(),
                states: Space::unnamed("states", s).unwrap(),
                actions: Space::unnamed("actions", a).unwrap(),
                observations: Some(Space::unnamed("observations", o).unwrap()),
                reward,
                start: normalised(&start),
                discount,
                horizon: Some(horizon),
                terminal,
                final_reward,
                dynamics,
                alpha,
                ambiguity: None,
                observation_ambiguity: None,
            }
            .build()
            .unwrap()
        },
    )
}

/// The same without observations: an MDP or robust MDP.
pub fn observed(size: Size) -> impl Strategy<Value = Model> {
    hidden(size).prop_filter_map("R(s,a,s',o) needs observations", |model| {
        let mut builder = model.to_builder();
        if matches!(builder.reward, Reward::Full(_)) {
            return None;
        }
        builder.observations = None;
        builder.dynamics.iter_mut().for_each(|d| d.observation = None);
        Some(builder.build().unwrap())
    })
}

/// One draw of `strategy`.
pub fn draw<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

fn normalised(weights: &[f64]) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 {
        return weights.iter().map(|w| w / sum).collect();
    }
    (0..weights.len()).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect()
}

fn stochastic(columns: usize, weights: &[f64]) -> Kernel {
    Kernel::from_dense(columns, &weights.chunks(columns).flat_map(normalised).collect::<Vec<_>>())
}

/// Beliefs over `states` states, some on faces of the simplex.
pub fn belief(states: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![1 => Just(0.0), 2 => 0.01..1.0_f64], states).prop_map(|w| normalised(&w))
}

/// `V_t(x)` of an unnormalised belief, by enumerating the game tree.
pub fn enumerate(model: &Model, stage: usize, x: &[f64]) -> f64 {
    if Some(stage) == model.horizon() {
        return x.iter().zip(model.final_reward()).map(|(p, r)| p * r).sum();
    }
    enumerate_actions(model, stage, x).into_iter().fold(f64::NEG_INFINITY, f64::max)
}

/// `Q_t(x, a)` of every action.
pub fn enumerate_actions(model: &Model, stage: usize, x: &[f64]) -> Vec<f64> {
    enumerate_with(model, stage, x, &|stage, x| enumerate(model, stage, x))
}

/// `J_t(x)` of a policy against nature's best answers: `H^α` over the cloud, `choose` for the decision-maker.
pub fn enumerate_policy(model: &Model, stage: usize, x: &[f64], choose: &dyn Fn(usize, &[f64]) -> usize) -> f64 {
    if Some(stage) == model.horizon() {
        return x.iter().zip(model.final_reward()).map(|(p, r)| p * r).sum();
    }
    let action = choose(stage, &normalised(x));
    enumerate_with(model, stage, x, &|stage, x| enumerate_policy(model, stage, x, choose))[action]
}

fn enumerate_with(model: &Model, stage: usize, x: &[f64], next: &dyn Fn(usize, &[f64]) -> f64) -> Vec<f64> {
    let (s, a) = (model.states().len(), model.actions().len());
    let o = model.observations().unwrap().len();
    let mut joint = vec![0.0; s];
    let mut out = Vec::new();
    for action in 0..a {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for m in 0..model.dynamics().len() {
            let mut value: f64 = (0..s).map(|i| x[i] * model.expected_reward(m)[action * s + i]).sum();
            for observation in 0..o {
                if tiresias_model::belief::joint(model, m, x, action, observation, &mut joint) > 0.0 {
                    value += model.discount() * next(stage + 1, &joint);
                }
            }
            (low, high) = (low.min(value), high.max(value));
        }
        out.push(model.alpha() * low + (1.0 - model.alpha()) * high);
    }
    out
}

/// The tiger problem (Cassandra, Kaelbling, Littman 1994): listen, open left, open right.
pub fn tiger(horizon: Option<usize>) -> Model {
    let (half, sure) = ([0.5, 0.5], [1.0, 0.0, 0.0, 1.0]);
    ModelBuilder {
        name: "tiger".into(),
        states: Space::named("states", ["tiger-left", "tiger-right"]).unwrap(),
        actions: Space::named("actions", ["listen", "open-left", "open-right"]).unwrap(),
        observations: Some(Space::named("observations", ["left", "right"]).unwrap()),
        reward: Reward::StateAction(vec![-1.0, -1.0, -100.0, 10.0, 10.0, -100.0]),
        start: half.to_vec(),
        discount: 0.95,
        horizon,
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: vec![Dynamics {
            transition: Kernel::from_dense(2, &[sure.to_vec(), half.repeat(2), half.repeat(2)].concat()),
            observation: Some(Kernel::from_dense(2, &[vec![0.85, 0.15, 0.15, 0.85], half.repeat(4)].concat())),
        }],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

/// What every solution of a model with hidden states must satisfy, at the start and at the given beliefs (at stages in turn).
pub fn check_solution(model: &Model, solution: &Solution, beliefs: &[Vec<f64>]) -> Result<(), TestCaseError> {
    let exact = enumerate(model, 0, model.start());
    let tiny = 1e-9 * (1.0 + exact.abs());
    prop_assert!(solution.lower <= exact + tiny, "lower {} above {exact}", solution.lower);
    prop_assert!(solution.upper >= exact - tiny, "upper {} below {exact}", solution.upper);
    prop_assert!((solution.lower - tiny..=solution.upper + tiny).contains(&solution.value()));
    let policy = &solution.policy;
    let played = enumerate_policy(model, 0, model.start(), &|t, b| policy.action(t, b));
    prop_assert!(played <= exact + tiny, "no policy is better than the best: {played} {exact}");
    if model.dynamics().len() == 1 {
        // The greedy policy of a lower bound that no backup lowers is at least as good as the bound.
        prop_assert!(played >= solution.lower - tiny, "{played} below {}", solution.lower);
    }
    for (k, b) in beliefs.iter().enumerate() {
        let stage = k % model.horizon().unwrap();
        let exact = enumerate_actions(model, stage, b);
        let best = exact.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let assessment = policy.assess(stage, b);
        for (action, q) in exact.iter().enumerate() {
            prop_assert!(assessment.lower[action] <= q + tiny, "{} {q}", assessment.lower[action]);
            prop_assert!(assessment.upper[action] >= q - tiny, "{} {q}", assessment.upper[action]);
            prop_assert!(assessment.regret_bound(action) >= best - q - tiny);
            prop_assert_eq!(assessment.regret_bound(action), policy.regret_bound(stage, b, action));
        }
        prop_assert_eq!(
            policy.value(stage, b),
            policy.q_values(stage, b).into_iter().fold(f64::NEG_INFINITY, f64::max)
        );
        prop_assert!(policy.optimal_actions(stage, b, 0.0).contains(&policy.action(stage, b)));
    }
    Ok(())
}

/// The same model, except that every observation also tells which half of the states it is in: mixed observability.
pub fn with_observed_halves(model: &Model) -> Model {
    let mut builder = model.to_builder();
    let (states, observations) = (model.states().len(), model.observations().unwrap().len());
    let half = |row: usize| row % states * 2 / states;
    for dynamics in &mut builder.dynamics {
        let before = dynamics.observation.take().unwrap();
        let mut after = Kernel::new(2 * observations);
        (0..before.rows()).for_each(|r| after.push_row(before.pairs(r).map(|(o, q)| (half(r) * observations + o, q))));
        dynamics.observation = Some(after);
    }
    builder.observations = Some(Space::unnamed("observations", 2 * observations).unwrap());
    // The reward's own shape may have observations in it.
    builder.reward = Reward::StateAction(model.expected_reward(0).to_vec());
    builder.build().unwrap()
}
