//! Policies in clouds, against the reference that steps an episode at a time and against enumeration of all histories.

mod common;

use std::ops::ControlFlow;

use common::{Shape, model};
use tiresias_model::random::Key;
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, ModelError, Nature, Policy, Reward, Space, belief};
use tiresias_sim::{Actor, Episode, NatureRule, Robustness, SimulateError, Simulation, World, response_value};

/// Acts and answers by the largest product of a belief with fixed weights; minds the stage.
struct Rule {
    weights: Vec<Vec<f64>>,
    models: usize,
}

impl Rule {
    fn of(model: &Model, seed: u64) -> Self {
        let mut draw = Key::named(seed, &["rule"], &[]).sequence();
        let (s, a, m) = (model.states().len(), model.actions().len(), model.dynamics().len());
        let weights = (0..a.max(2 * m)).map(|_| (0..s).map(|_| draw.between(-1.0, 1.0)).collect()).collect();
        Self { weights, models: m }
    }

    fn best(&self, of: std::ops::Range<usize>, shift: usize, belief: &[f64]) -> usize {
        let (first, n) = (of.start, of.len());
        let value = |i: usize| -> f64 {
            let weights = &self.weights[(i + shift) % self.weights.len()];
            belief.iter().zip(weights).map(|(p, w)| p * w).sum()
        };
        of.fold(first, |best, i| if value(i) > value(best) { i } else { best }) % n.max(1)
    }
}

impl Policy for Rule {
    fn action(&self, stage: usize, belief: &[f64]) -> usize {
        self.best(0..2, stage, belief)
    }

    fn nature(&self, stage: usize, belief: &[f64], action: usize) -> Nature {
        Nature {
            minimiser: self.best(0..self.models, stage + action, belief),
            maximiser: self.best(0..self.models, stage + action + self.models, belief),
        }
    }
}

/// Clouds of every kind: seen and hidden states, all rewards, terminal states, with and without a horizon.
fn clouds() -> impl Iterator<Item = (Model, u64)> {
    (0..12).map(|seed| {
        let shape = Shape {
            states: 3,
            actions: 2,
            observations: if seed % 4 == 3 { 0 } else { 1 + seed as usize % 3 },
            models: 1 + seed as usize % 3,
            // A row that leaves nothing out keeps every history possible under each model.
            outcomes: 12,
            reward: seed as usize % 4,
            terminal: seed % 3 == 0,
            horizon: (seed % 2 == 0).then_some(4),
        };
        (mixed(&model(shape, seed)), seed)
    })
}

/// The same with a little of everything in each row, so that no observation is impossible.
fn mixed(model: &Model) -> Model {
    let mut parts = model.to_builder();
    let mix = |kernel: &Kernel| {
        let mut out = Kernel::new(kernel.columns());
        let share = 0.1 / kernel.columns() as f64;
        for row in 0..kernel.rows() {
            out.push_row((0..kernel.columns()).map(|c| (c, share + 0.9 * kernel.get(row, c))));
        }
        out
    };
    for dynamics in &mut parts.dynamics {
        dynamics.transition = mix(&dynamics.transition);
        dynamics.observation = dynamics.observation.as_ref().map(mix);
    }
    parts.build().unwrap()
}

fn natures(model: &Model) -> Vec<NatureRule> {
    let fixed = (0..model.dynamics().len()).map(NatureRule::Fixed);
    fixed.chain([NatureRule::Resampled, NatureRule::Oracle]).collect()
}

fn on(threads: usize, simulation: &Simulation, episodes: usize) -> (Vec<f64>, u64) {
    let mut returns = vec![f64::NAN; episodes];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let steps = pool.install(|| simulation.run(0, &mut returns, &go_on)).unwrap();
    (returns, steps)
}

fn go_on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn reference(simulation: &Simulation, policy: Option<&dyn Policy>, episodes: u64) -> Vec<f64> {
    let Simulation { model, nature, adversary, key, steps, .. } = *simulation;
    let world = World { model, policy: adversary, nature };
    let one = |index| {
        let mut episode = Episode::start(&world, key, index);
        let (mut total, mut weight) = (0.0, 1.0);
        for _ in 0..steps {
            let action = match policy {
                Some(policy) => episode.action_of(policy),
                None => episode.random_action(model.actions().len()),
            };
            total += weight * episode.step(&world, action).unwrap().reward;
            weight *= model.discount();
        }
        total
    };
    (0..episodes).map(one).collect()
}

#[test]
fn every_nature_plays_the_reference_episodes() {
    for (model, seed) in clouds() {
        let (policy, other) = (Rule::of(&model, seed), Rule::of(&model, seed + 100));
        let key = Key::named(seed, &["clouds"], &[]);
        let acting = Actor::Policy { policy: &policy, stationary: false };
        for nature in natures(&model) {
            for (actor, adversary) in [(acting, &policy), (acting, &other), (Actor::Random, &other)] {
                let acts = matches!(actor, Actor::Policy { .. }).then_some(&policy as &dyn Policy);
                let simulation = Simulation { model: &model, actor, nature, adversary: Some(adversary), key, steps: 4 };
                let (returns, steps) = on(1, &simulation, 60);
                for (found, expected) in returns.iter().zip(reference(&simulation, acts, 60)) {
                    assert!((found - expected).abs() < 1e-12, "{nature:?} of seed {seed}: {found}, not {expected}");
                }
                assert_eq!(on(3, &simulation, 60), (returns, steps));
            }
        }
    }
}

/// The return from here on, by enumeration: all models that nature may choose, states and observations, beliefs in full.
struct Histories<'a> {
    model: &'a Model,
    policy: &'a Rule,
    nature: NatureRule,
    steps: usize,
}

impl Histories<'_> {
    fn value(&self) -> f64 {
        let s = self.model.states().len();
        let at = |state: usize| {
            let mut seen = vec![0.0; s];
            seen[state] = 1.0;
            let hidden = self.model.observations().is_some();
            self.from(0, state, if hidden { self.model.start() } else { &seen })
        };
        (0..s).map(|state| self.model.start()[state] * at(state)).sum()
    }

    fn from(&self, stage: usize, state: usize, belief: &[f64]) -> f64 {
        let (model, s) = (self.model, self.model.states().len());
        if stage == self.steps {
            let ends = model.horizon() == Some(stage) && !model.final_reward().is_empty();
            return if ends { model.final_reward()[state] } else { 0.0 };
        }
        let action = self.policy.action(stage, belief);
        let answer = match model.dynamics().len() {
            1 => Nature { minimiser: 0, maximiser: 0 },
            _ => self.policy.nature(stage, belief, action),
        };
        let all = model.dynamics().len();
        let choices = match self.nature {
            NatureRule::Fixed(m) => vec![(m, 1.0)],
            NatureRule::Resampled => (0..all).map(|m| (m, 1.0 / all as f64)).collect(),
            NatureRule::Oracle => vec![(answer.minimiser, model.alpha()), (answer.maximiser, 1.0 - model.alpha())],
        };
        let mut total = 0.0;
        for (m, share) in choices {
            let selected = if model.alpha() >= 0.5 { answer.minimiser } else { answer.maximiser };
            let updates = if self.nature == NatureRule::Oracle { m } else { selected };
            let dynamics = &model.dynamics()[m];
            for (next, p) in dynamics.transition.pairs(action * s + state) {
                let observed = match &dynamics.observation {
                    Some(kernel) => kernel.pairs(action * s + next).collect(),
                    None => vec![(next, 1.0)],
                };
                for (seen, q) in observed {
                    let mut after = vec![0.0; s];
                    assert!(belief::update(model, updates, belief, action, seen, &mut after) > 0.0);
                    let reward = model.realised_reward(state, action, next, seen);
                    total += share * p * q * (reward + model.discount() * self.from(stage + 1, next, &after));
                }
            }
        }
        total
    }

    /// `W_t(b)` as `response_value` has it.
    fn response(&self, stage: usize, belief: &[f64]) -> f64 {
        let (model, s) = (self.model, self.model.states().len());
        if stage == self.steps {
            let ends = model.horizon() == Some(stage) && !model.final_reward().is_empty();
            return if ends { belief.iter().zip(model.final_reward()).map(|(p, r)| p * r).sum() } else { 0.0 };
        }
        let action = self.policy.action(stage, belief);
        let symbols = model.observations().map_or(s, Space::len);
        let answers = (0..model.dynamics().len()).map(|m| {
            let rewards = &model.expected_reward(m)[action * s..];
            let mut value: f64 = belief.iter().zip(rewards).map(|(p, r)| p * r).sum();
            for seen in 0..symbols {
                let mut after = vec![0.0; s];
                let likelihood = belief::update(model, m, belief, action, seen, &mut after);
                if likelihood > 0.0 {
                    value += model.discount() * likelihood * self.response(stage + 1, &after);
                }
            }
            value
        });
        let answers: Vec<f64> = answers.collect();
        let low = answers.iter().copied().fold(f64::INFINITY, f64::min);
        let high = answers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        model.alpha() * low + (1.0 - model.alpha()) * high
    }
}

const MOST: usize = 1 << 20;

#[test]
fn exact_returns_are_those_of_all_histories_and_lie_in_the_intervals() {
    for (model, seed) in clouds() {
        let policy = Rule::of(&model, seed);
        let actor = Actor::Policy { policy: &policy, stationary: false };
        let key = Key::named(seed, &["exact"], &[]);
        for nature in natures(&model) {
            let simulation = Simulation { model: &model, actor, nature, adversary: Some(&policy), key, steps: 4 };
            let exact = simulation.exact(MOST, &go_on).unwrap().unwrap();
            let expected = Histories { model: &model, policy: &policy, nature, steps: 4 }.value();
            assert!((exact - expected).abs() < 1e-8, "{nature:?} of seed {seed}: {exact}, not {expected}");
            let (returns, _) = on(2, &simulation, 4000);
            let summary = tiresias_sim::Summary::of(&returns);
            // 5 standard deviations of the mean: one such test in 3.5 million fails by chance.
            assert!((summary.mean - exact).abs() <= 2.6 * summary.half_width + 1e-9, "{nature:?} of seed {seed}");
            assert_eq!(simulation.exact(0, &go_on).unwrap(), None);
        }
    }
}

#[test]
fn random_actions_have_exact_returns_too() {
    for (model, seed) in clouds() {
        let simulation = Simulation {
            model: &model,
            actor: Actor::Random,
            nature: NatureRule::Resampled,
            adversary: None,
            key: Key::named(seed, &["random"], &[]),
            steps: 4,
        };
        // Random actions in a cloud that is drawn anew at each step: the mean of the models' values of each first step, and so on,
        // is the value in the mean model, where rewards do not depend on what is seen.
        let exact = simulation.exact(MOST, &go_on).unwrap().unwrap();
        let (returns, _) = on(2, &simulation, 4000);
        let summary = tiresias_sim::Summary::of(&returns);
        assert!((summary.mean - exact).abs() <= 2.6 * summary.half_width + 1e-9, "seed {seed}");
        if model.dynamics().len() == 1 && model.horizon() == Some(4) {
            let expected = tiresias_solve::random_value(&model, 0);
            assert!((exact - expected).abs() < 1e-9, "seed {seed}: {exact}, not {expected}");
        }
    }
}

#[test]
fn natures_best_response_is_the_recursion_over_all_histories() {
    for (model, seed) in clouds() {
        let policy = Rule::of(&model, seed);
        let histories = Histories { model: &model, policy: &policy, nature: NatureRule::Resampled, steps: 4 };
        let s = model.states().len();
        let expected: f64 = if model.observations().is_some() {
            histories.response(0, model.start())
        } else {
            let at = |state: usize| histories.response(0, &(0..s).map(|i| f64::from(i == state)).collect::<Vec<_>>());
            (0..s).map(|state| model.start()[state] * at(state)).sum()
        };
        let found = response_value(&model, &policy, false, 4, MOST, &go_on).unwrap().unwrap();
        assert!((found - expected).abs() < 1e-8, "seed {seed}: {found}, not {expected}");
        assert_eq!(response_value(&model, &policy, false, 4, 3, &go_on).unwrap(), None);
    }
}

#[test]
fn the_table_of_a_cloud_is_made_of_its_parts() {
    for (model, seed) in clouds() {
        let policy = Rule::of(&model, seed);
        let actor = Actor::Policy { policy: &policy, stationary: false };
        let key = Key::named(seed, &["table"], &[]);
        let simulation =
            Simulation { model: &model, actor, nature: NatureRule::Fixed(0), adversary: Some(&policy), key, steps: 4 };
        let table = simulation.robustness(4000, MOST, &go_on).unwrap();
        let exact: Vec<f64> = table.fixed.iter().map(|v| v.exact.unwrap()).collect();
        let least = exact.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(table.worst_exact, Some(least));
        assert_eq!(exact[table.worst_model], least);
        // The seeds are fixed: these intervals hold, as at least 19 of 20 must.
        assert!(
            table.worst.0 <= least + 1e-9 && least <= table.worst.1 + 1e-9,
            "seed {seed}: {least} in {:?}",
            table.worst
        );
        let models = exact.len() as f64;
        assert!((table.average.exact.unwrap() - exact.iter().sum::<f64>() / models).abs() < 1e-12);
        let means: f64 = table.fixed.iter().map(|v| v.sampled.mean).sum();
        assert!((table.average.sampled.mean - means / models).abs() < 1e-9);
        // Without a limit that they fit, sampled means choose the worst model.
        let Robustness { worst_model, worst_exact, response, .. } = simulation.robustness(4000, 0, &go_on).unwrap();
        assert_eq!((worst_exact, response), (None, None));
        let mean = |m: usize| table.fixed[m].sampled.mean;
        assert!((0..exact.len()).all(|m| mean(worst_model) <= mean(m)));
    }
}

/// Two rooms, and a sign that says which; model 1's sign says the other. Guessing right earns 1, wrong -1.
fn liar(alpha: f64) -> Model {
    let sign = |right: f64| Kernel::from_dense(2, &[[right, 1.0 - right, 1.0 - right, right]; 3].concat());
    let stay = Kernel::from_dense(2, &[[1.0, 0.0, 0.0, 1.0]; 3].concat());
    let dynamics = [1.0, 0.0].map(|right| Dynamics { transition: stay.clone(), observation: Some(sign(right)) });
    ModelBuilder {
        name: "liar".into(),
        states: Space::unnamed("states", 2).unwrap(),
        actions: Space::unnamed("actions", 3).unwrap(),
        observations: Some(Space::unnamed("observations", 2).unwrap()),
        reward: Reward::StateAction(vec![0.0, 0.0, 1.0, -1.0, -1.0, 1.0]),
        start: vec![0.5, 0.5],
        discount: 1.0,
        horizon: Some(2),
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: dynamics.to_vec(),
        alpha,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

/// Reads the sign, then guesses the likelier room; names model 0.
struct Trusting;

impl Policy for Trusting {
    fn action(&self, stage: usize, belief: &[f64]) -> usize {
        if stage == 0 { 0 } else { 1 + usize::from(belief[1] > belief[0]) }
    }
}

#[test]
fn a_fixed_model_that_nobody_tells_of_can_be_worse_than_natures_best_response() {
    // Known to the decision-maker, either sign tells the room: worth 1. Read as model 0 the other sign misleads every time.
    let model = liar(1.0);
    let actor = Actor::Policy { policy: &Trusting, stationary: false };
    let simulation =
        Simulation { model: &model, actor, nature: NatureRule::Fixed(0), adversary: None, key: Key(3), steps: 2 };
    let table = simulation.robustness(100, MOST, &go_on).unwrap();
    assert_eq!(table.response, Some(1.0));
    assert_eq!([table.fixed[0].exact, table.fixed[1].exact], [Some(1.0), Some(-1.0)]);
    assert_eq!((table.worst_model, table.worst_exact, table.worst), (1, Some(-1.0), (-1.0, -1.0)));
    assert_eq!((table.average.exact, table.resampled.exact, table.adversarial), (Some(0.0), Some(0.0), None));
}

/// Reads the sign, again and again.
struct Reader;

impl Policy for Reader {
    fn action(&self, _: usize, _: &[f64]) -> usize {
        0
    }
}

#[test]
fn what_no_model_explains_is_an_error() {
    // Seen twice, the sign contradicts itself when nature switches: no model gives the second one any probability.
    let mut parts = liar(1.0).to_builder();
    parts.horizon = Some(4);
    let model = parts.build().unwrap();
    let actor = Actor::Policy { policy: &Reader, stationary: true };
    let with = |nature| Simulation { model: &model, actor, nature, adversary: None, key: Key(3), steps: 4 };
    // Model 1 explains what model 0 does not: the largest likelihood rules.
    let mut returns = [f64::NAN; 40];
    assert_eq!(with(NatureRule::Resampled).run(0, &mut returns, &go_on), Ok(160));
    assert_eq!(with(NatureRule::Oracle).run(0, &mut returns, &go_on), Err(SimulateError::NoAdversary));
    // With a third symbol that only model 1 shows, in room 1, a belief in room 0 has no explanation.
    let mut parts = model.to_builder();
    parts.observations = Some(Space::unnamed("observations", 3).unwrap());
    let honest = Kernel::from_dense(3, &[[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]; 3].concat());
    let odd = Kernel::from_dense(3, &[[0.0, 1.0, 0.0, 0.5, 0.0, 0.5]; 3].concat());
    for (dynamics, observation) in parts.dynamics.iter_mut().zip([honest, odd]) {
        dynamics.observation = Some(observation);
    }
    let model = parts.build().unwrap();
    let simulation =
        Simulation { model: &model, actor, nature: NatureRule::Fixed(1), adversary: None, key: Key(3), steps: 4 };
    let expected = SimulateError::Model(ModelError::ImpossibleObservation { action: 0, observation: 2, models: 2 });
    assert_eq!(simulation.run(0, &mut returns, &go_on), Err(expected.clone()));
    assert_eq!(simulation.exact(MOST, &go_on), Err(expected));
}

#[test]
fn a_hook_stops_exact_values_too() {
    let model = liar(0.5);
    let actor = Actor::Policy { policy: &Trusting, stationary: false };
    let simulation =
        Simulation { model: &model, actor, nature: NatureRule::Fixed(0), adversary: None, key: Key(3), steps: 2 };
    let stop = |_| ControlFlow::Break(());
    assert_eq!(simulation.exact(MOST, &stop), Err(SimulateError::Cancelled));
    assert_eq!(response_value(&model, &Trusting, false, 2, MOST, &stop), Err(SimulateError::Cancelled));
    assert_eq!(simulation.robustness(10, MOST, &stop), Err(SimulateError::Cancelled));
}

#[test]
fn natures_within_ambiguity_sets_are_refused() {
    let text = include_bytes!("../../../examples/robust-machine.json");
    let model =
        tiresias_model::format::read("robust-machine.json", text, &tiresias_model::format::ReadOptions::default())
            .unwrap()
            .model;
    assert!(model.ambiguity().is_some());
    let actor = Actor::Policy { policy: &Reader, stationary: true };
    let with = |nature| Simulation { model: &model, actor, nature, adversary: Some(&Reader), key: Key(3), steps: 3 };
    let mut returns = [0.0; 5];
    assert_eq!(with(NatureRule::Oracle).run(0, &mut returns, &go_on), Err(SimulateError::AmbiguitySet));
    assert_eq!(with(NatureRule::Fixed(0)).robustness(5, MOST, &go_on), Err(SimulateError::AmbiguitySet));
    assert_eq!(response_value(&model, &Reader, true, 3, MOST, &go_on), Err(SimulateError::AmbiguitySet));
    assert!(with(NatureRule::Fixed(0)).run(0, &mut returns, &go_on).is_ok());
}
