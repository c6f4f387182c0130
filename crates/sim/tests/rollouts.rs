//! Rollouts against the model's probabilities, the contract and each other.

use std::collections::HashMap;

use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_model::random::Key;
use tiresias_model::{Model, Nature, Policy, belief};
use tiresias_sim::{Batch, Behaviour, Episode, NatureRule, RolloutSpec, World, rollout};

fn energy(regime: Regime) -> Model {
    let request = TaskRequest { split: "train".into(), index: 4, seed: 3, regime, horizon: 10, models: 3, alpha: 0.75 };
    family("energy").unwrap().task(&request).unwrap().model
}

/// A rule of thumb: perform with at least `threshold` expected energy, else harvest; nature answers 1 and 2.
struct Threshold(f64);

impl Policy for Threshold {
    fn action(&self, _: usize, belief: &[f64]) -> usize {
        let mean: f64 = belief.iter().enumerate().map(|(e, p)| e as f64 * p).sum();
        if mean >= self.0 { 2 } else { 0 }
    }

    fn nature(&self, _: usize, _: &[f64], _: usize) -> Nature {
        Nature { minimiser: 1, maximiser: 2 }
    }
}

fn roll(model: &Model, policy: &Threshold, behaviour: &str, nature: NatureRule, episodes: usize) -> Batch {
    rollout(&RolloutSpec {
        model,
        policy: Some(policy),
        behaviour: &behaviour.parse::<Behaviour>().unwrap(),
        nature,
        horizon: 10,
        first_episode: 0,
        episodes,
        key: Key::named(1, &["test"], &[]),
        record_beliefs: true,
    })
    .unwrap()
}

/// Pearson's statistic of `counts` against `probabilities`, and the 1 - 1e-6 quantile of its distribution (Wilson–Hilferty).
fn chi_square(counts: &HashMap<usize, usize>, expected: impl Iterator<Item = (usize, f64)>) -> (f64, f64) {
    let total: usize = counts.values().sum();
    let (mut statistic, mut cells) = (0.0, 0usize);
    let mut covered = 0;
    for (outcome, p) in expected {
        let mean = p * total as f64;
        let count = counts.get(&outcome).copied().unwrap_or(0);
        covered += count;
        statistic += (count as f64 - mean).powi(2) / mean;
        cells += 1;
    }
    assert_eq!(covered, total, "an impossible outcome happened");
    let k = (cells.max(2) - 1) as f64;
    (statistic, k * (1.0 - 2.0 / (9.0 * k) + 4.753 * (2.0 / (9.0 * k)).sqrt()).powi(3))
}

#[test]
fn transitions_and_observations_follow_the_model() {
    let model = energy(Regime::Apomdp);
    let s = model.states().len();
    for m in 0..3 {
        let batch = roll(&model, &Threshold(3.0), "random", NatureRule::Fixed(m), 20_000);
        let (mut next, mut seen) = (HashMap::new(), HashMap::new());
        for t in (0..batch.states.len()).filter(|t| t % 10 < 9) {
            let (state, action) = (batch.states[t] as usize, usize::from(batch.actions[t]));
            let reached = batch.states[t + 1] as usize;
            *next.entry(action * s + state).or_insert_with(HashMap::new).entry(reached).or_insert(0) += 1;
            let row = action * s + reached;
            *seen.entry(row).or_insert_with(HashMap::new).entry(batch.observations[t + 1] as usize).or_insert(0) += 1;
        }
        let dynamics = &model.dynamics()[m];
        for (counts, kernel) in [(next, &dynamics.transition), (seen, dynamics.observation.as_ref().unwrap())] {
            for (row, counts) in counts {
                let (statistic, limit) = chi_square(&counts, kernel.pairs(row));
                assert!(statistic < limit, "model {m}, row {row}: {statistic} ≥ {limit}");
            }
        }
    }
}

/// The first outcome whose running sum passes the uniform.
fn pick(mut row: impl Iterator<Item = (usize, f64)>, u: f64) -> usize {
    let mut sum = 0.0;
    let passed = |&(_, p): &(usize, f64)| {
        sum += p;
        u < sum
    };
    row.find(passed).unwrap().0
}

/// Every draw is the word that the crate's documentation names: block (episode, n / 4, purpose), word n mod 4.
#[test]
fn draws_come_from_their_documented_counters() {
    let model = energy(Regime::Apomdp);
    let key = Key::named(3, &["counters"], &[]);
    let behaviour: Behaviour = "mixture:epsilon:0.5=1,random=1".parse().unwrap();
    let policy = Threshold(3.0);
    let world = World { model: &model, policy: Some(&policy), nature: NatureRule::Resampled };
    let (s, a) = (model.states().len(), model.actions().len());
    for e in [0, 5, 1 << 33] {
        let u = |purpose: u32, n: u32| f64::from(key.block(e, n / 4, purpose)[n as usize % 4]) / 4_294_967_296.0;
        let mut episode = Episode::start(&world, key, e);
        let mut state = pick(model.start().iter().copied().enumerate(), u(0, 0));
        let epsilon = if u(2, 0) < 0.5 { 0.5 } else { 1.0 };
        assert_eq!(episode.epsilon_of(&behaviour), epsilon);
        for t in 0..9 {
            assert_eq!((episode.state(), episode.explores(epsilon)), (state, u(2, t + 1) < epsilon));
            let action = (u(3, t + 1) * a as f64) as usize;
            assert_eq!(episode.random_action(a), action);
            let m = (u(4, t + 1) * 3.0) as usize;
            let dynamics = &model.dynamics()[m];
            let next = pick(dynamics.transition.pairs(action * s + state), u(0, t + 1));
            let seen = pick(dynamics.observation.as_ref().unwrap().pairs(action * s + next), u(1, t + 1));
            let Ok(step) = episode.step(&world, action) else { break };
            assert_eq!((step.model, step.next_state, step.seen), (m, next, seen));
            state = next;
        }
    }
}

#[test]
fn actions_are_uniform_and_epsilon_is_epsilon() {
    let model = energy(Regime::Mdp);
    let batch = roll(&model, &Threshold(3.0), "random", NatureRule::Fixed(0), 20_000);
    let mut counts = HashMap::new();
    batch.actions.iter().for_each(|&a| *counts.entry(usize::from(a)).or_insert(0) += 1);
    let (statistic, limit) = chi_square(&counts, (0..3).map(|a| (a, 1.0 / 3.0)));
    assert!(statistic < limit);

    let deviations = |behaviour: &str| {
        let batch = roll(&model, &Threshold(3.0), behaviour, NatureRule::Fixed(0), 5_000);
        let own = |t: usize| if f64::from(batch.states[t]) >= 3.0 { 2 } else { 0 };
        let by_episode: Vec<usize> =
            (0..5_000).map(|e| (0..10).filter(|t| batch.actions[e * 10 + t] != own(e * 10 + t)).count()).collect();
        by_episode
    };
    let near = |count: usize, p: f64| (count as f64 - 50_000.0 * p).abs() < 5.0 * (50_000.0 * p * (1.0 - p)).sqrt();
    assert_eq!(deviations("oracle").iter().sum::<usize>(), 0);
    assert!(near(deviations("epsilon:0.3").iter().sum(), 0.3 * 2.0 / 3.0));
    // A mixture draws its component once a trajectory: half of them never deviate.
    let mixed = deviations("mixture:oracle=1,random=1");
    let faithful = mixed.iter().filter(|&&d| d == 0).count();
    assert!((faithful as f64 - 2_500.0).abs() < 5.0 * 1_250f64.sqrt(), "{faithful}");
}

#[test]
fn every_recorded_number_follows_the_contract() {
    for regime in [Regime::Mdp, Regime::Pomdp] {
        let model = energy(regime);
        let batch = roll(&model, &Threshold(3.0), "epsilon:0.5", NatureRule::Fixed(0), 500);
        let s = model.states().len();
        for e in 0..500 {
            let mut belief = model.start().to_vec();
            let mut total = 0.0;
            for t in 0..10 {
                let i = e * 10 + t;
                let (state, action) = (batch.states[i] as usize, usize::from(batch.actions[i]));
                total += batch.rewards[i];
                assert_eq!(batch.rewards[i], model.expected_reward(0)[action * s + state]);
                let recorded = &batch.beliefs[i * s..][..s];
                if regime == Regime::Mdp {
                    assert_eq!(batch.observations[i], state as i32);
                    assert_eq!(recorded[state], 1.0);
                } else if t == 0 {
                    assert_eq!(batch.observations[i], -1);
                    assert_eq!(recorded, model.start());
                } else {
                    let (before, seen) = (belief.clone(), batch.observations[i] as usize);
                    let previous = usize::from(batch.actions[i - 1]);
                    // Bayes' rule written out from P and Q.
                    let d = &model.dynamics()[0];
                    for next in 0..s {
                        let reach: f64 = (0..s).map(|x| before[x] * d.transition.get(previous * s + x, next)).sum();
                        belief[next] = reach * d.observation.as_ref().unwrap().get(previous * s + next, seen);
                    }
                    let sum: f64 = belief.iter().sum();
                    belief.iter_mut().for_each(|p| *p /= sum);
                    for (x, y) in recorded.iter().zip(&belief) {
                        assert!((x - y).abs() < 1e-12);
                    }
                }
            }
            assert!((total - batch.returns[e]).abs() < 1e-9);
        }
    }
}

#[test]
fn discount_and_final_reward_enter_the_return() {
    let mut parts = energy(Regime::Mdp).to_builder();
    parts.discount = 0.5;
    parts.final_reward = (0..10).map(f64::from).collect();
    let model = parts.build().unwrap();
    let policy = Threshold(3.0);
    let world = World { model: &model, policy: Some(&policy), nature: NatureRule::Fixed(0) };
    let batch = roll(&model, &policy, "oracle", NatureRule::Fixed(0), 20);
    for e in 0..20 {
        let mut episode = Episode::start(&world, Key::named(1, &["test"], &[]), e);
        let (mut total, mut last) = (0.0, 0);
        for t in 0..10 {
            assert_eq!(episode.state(), batch.states[e as usize * 10 + t] as usize);
            let action = episode.action_of(&policy);
            total += 0.5f64.powi(t as i32) * model.expected_reward(0)[action * 10 + episode.state()];
            last = episode.step(&world, action).unwrap().next_state;
        }
        total += 0.5f64.powi(10) * last as f64;
        assert!((total - batch.returns[e as usize]).abs() < 1e-12);
    }
}

#[test]
fn the_same_numbers_for_any_thread_count_and_batch() {
    let model = energy(Regime::Apomdp);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| roll(&model, &Threshold(3.0), "epsilon:0.3", NatureRule::Oracle, 1000))
    };
    let one = run(1);
    assert_eq!(one, run(4));
    let behaviour: Behaviour = "epsilon:0.3".parse().unwrap();
    let later = rollout(&RolloutSpec {
        model: &model,
        policy: Some(&Threshold(3.0)),
        behaviour: &behaviour,
        nature: NatureRule::Oracle,
        horizon: 10,
        first_episode: 900,
        episodes: 100,
        key: Key::named(1, &["test"], &[]),
        record_beliefs: false,
    })
    .unwrap();
    assert_eq!(later.states, one.states[9000..]);
    assert_eq!(later.rewards, one.rewards[9000..]);
}

#[test]
fn the_oracles_nature_answers_as_alpha_says_and_is_known_to_the_filter() {
    let model = energy(Regime::Apomdp);
    let policy = Threshold(3.0);
    let world = World { model: &model, policy: Some(&policy), nature: NatureRule::Oracle };
    let (mut minimiser, mut steps) = (0usize, 0usize);
    for e in 0..2000 {
        let mut episode = Episode::start(&world, Key::named(9, &["nature"], &[]), e);
        for _ in 0..10 {
            let before = episode.belief().to_vec();
            let action = episode.action_of(&policy);
            let step = episode.step(&world, action).unwrap();
            assert!(step.model == 1 || step.model == 2);
            minimiser += usize::from(step.model == 1);
            steps += 1;
            let mut expected = vec![0.0; before.len()];
            assert!(belief::update(&model, step.model, &before, action, step.seen, &mut expected) > 0.0);
            assert_eq!(episode.belief(), expected);
        }
    }
    let p = model.alpha();
    assert!((minimiser as f64 - p * steps as f64).abs() < 5.0 * (p * (1.0 - p) * steps as f64).sqrt());
}

#[test]
fn under_a_fixed_model_the_filter_follows_the_selected_model() {
    let model = energy(Regime::Apomdp);
    let policy = Threshold(3.0);
    let world = World { model: &model, policy: Some(&policy), nature: NatureRule::Fixed(0) };
    let mut episode = Episode::start(&world, Key::named(5, &["fixed"], &[]), 0);
    let before = episode.belief().to_vec();
    let step = episode.step(&world, 0).unwrap();
    assert_eq!(step.model, 0);
    let mut expected = vec![0.0; before.len()];
    // α = 0.75 ≥ ½ selects the minimiser, model 1.
    belief::update(&model, 1, &before, 0, step.seen, &mut expected);
    assert_eq!(episode.belief(), expected);
}
