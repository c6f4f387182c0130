//! Five Gaussian arms, the field's smallest test bed: regret beside `NumPy`'s, and UCB beside its formula.

mod common;

use common::{Support, begin, make, shape};
use serde_json::{Value, json};
use tiresias_agents::{Agent, Percept, Prior, Shape, registry};
use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_model::random::Key;

const ARMS: usize = 5;
const STEPS: usize = 500;
const NOISE: f64 = 0.3;

fn bandit() -> Shape {
    shape(Regime::Mdp, 1, ARMS, STEPS, 1.0)
}

/// The means of an environment and its noise by step, whatever is pulled.
fn environment(index: u64) -> (Vec<f64>, Vec<f64>) {
    let mut draw = Key::named(index, &["bandit"], &[]).sequence();
    let means = (0..ARMS).map(|_| draw.uniform()).collect();
    // Box and Muller's transform.
    let mut normal = || {
        let (u, v) = (draw.uniform(), draw.uniform());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    (means, (0..STEPS).map(|_| NOISE * normal()).collect())
}

/// Plays an environment; `each` is told (arm, reward).
fn play(agent: &mut dyn Agent, means: &[f64], noise: &[f64], mut each: impl FnMut(usize, f64)) {
    let mut reward = None;
    for noise in noise {
        let arm = agent.act(Percept { seen: Some(0), reward, told: None }).unwrap();
        reward = Some(means[arm] + noise);
        each(arm, means[arm] + noise);
    }
}

/// Cumulative pseudo-regret after 100 and 500 steps over 400 environments, as (mean, standard error).
fn regret(name: &str, options: &Value) -> [(f64, f64); 2] {
    let method = make(name, options.clone(), &bandit());
    let mut regrets = [Vec::new(), Vec::new()];
    for index in 0..400 {
        let (means, noise) = environment(index);
        let best = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut agent = begin(&*method, &bandit(), &Support::new(1), index, 0);
        let (mut sum, mut t) = (0.0, 0);
        play(&mut *agent, &means, &noise, |arm, _| {
            sum += best - means[arm];
            t += 1;
            if t == 100 {
                regrets[0].push(sum);
            }
        });
        regrets[1].push(sum);
    }
    regrets.map(|all| {
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let variance = all.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
        (mean, (variance / n).sqrt())
    })
}

/// `data/bandits.json`, made by `data/bandits.py`. Every arm is pulled once before any is pulled twice, but by Thompson sampling, which
/// knows that means are around 1/2 with variance 1/12 and that the noise is 0.3.
#[test]
fn regret_is_that_of_numpy() {
    let anchors: Value = serde_json::from_str(include_str!("data/bandits.json")).unwrap();
    // What was never pulled is expected to be better than anything: so each arm is pulled once.
    let empirical = json!({ "online": true, "rewardMean": 10.0, "rewardWeight": 0.0 });
    let thompson = json!({
        "online": true, "every": "decision", "rewardMean": 0.5, "rewardSpread": (1.0_f64 / 12.0).sqrt(), "rewardNoise": NOISE,
    });
    for (anchor, name, options) in [
        ("empirical", "empirical", empirical),
        ("ucb-constant", "ucb", json!({ "c": 1.0 })),
        ("ucb-log", "ucb", json!({ "c": 1.0, "confidence": "log" })),
        ("thompson", "posterior-sampling", thompson),
    ] {
        for ((mean, error), expected) in regret(name, &options).into_iter().zip(anchors[anchor].as_array().unwrap()) {
            let (anchor_mean, anchor_error) = (expected[0].as_f64().unwrap(), expected[1].as_f64().unwrap());
            let error = (error * error + anchor_error * anchor_error).sqrt();
            assert!((mean - anchor_mean).abs() < 4.0 * error, "{anchor}: {mean:.3} is not {anchor_mean} ± {error:.3}");
        }
    }
}

/// On a bandit `ucb` is the index `mean + c √(L/n)`, action for action.
#[test]
fn ucb_is_its_index() {
    for environment_index in 0..20 {
        let (c, log) = (0.1 + environment_index as f64 / 10.0, environment_index % 2 == 0);
        let method = make("ucb", json!({ "c": c, "confidence": if log { "log" } else { "constant" } }), &bandit());
        let (means, noise) = environment(environment_index);
        let (mut pulls, mut sums, mut t) = ([0.0; ARMS], [0.0; ARMS], 0.0_f64);
        let mut agent = begin(&*method, &bandit(), &Support::new(1), 1, 0);
        play(&mut *agent, &means, &noise, |arm, reward| {
            let growth = if log { t.ln() } else { 1.0 };
            let index = |a: usize| match pulls[a] {
                0.0 => f64::INFINITY,
                n => sums[a] / n + c * (growth / n).sqrt(),
            };
            let best = (0..ARMS).map(index).fold(f64::NEG_INFINITY, f64::max);
            assert!(index(arm) >= best - 1e-12, "environment {environment_index}, pull {t}: arm {arm}");
            (pulls[arm], sums[arm], t) = (pulls[arm] + 1.0, sums[arm] + reward, t + 1.0);
        });
    }
}

/// Where the posterior means of two arms differ clearly, `bayes` pulls the better. With uniform priors and normal noise an arm's
/// posterior is a normal about its average, cut to [0, 1], whose mean has a closed form.
#[test]
fn bayes_pulls_the_arm_of_the_largest_posterior_mean() {
    let density = |z: f64| (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    let below = |z: f64| 0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
    let mean = |sum: f64, pulls: f64| {
        if pulls == 0.0 {
            return 0.5;
        }
        let (average, spread) = (sum / pulls, NOISE / pulls.sqrt());
        let (low, high) = (-average / spread, (1.0 - average) / spread);
        average + spread * (density(low) - density(high)) / (below(high) - below(low))
    };
    let steps = 40;
    let shape = shape(Regime::Mdp, 1, ARMS, steps, 1.0);
    let split = "train".into();
    let request = TaskRequest { split, index: 0, seed: 3, regime: Regime::Mdp, horizon: steps, models: 1, alpha: 1.0 };
    let prior = Prior { family: family("bandit").unwrap(), request };
    let entry = registry::entry("bayes").unwrap();
    let method = entry.make(json!({ "particles": 20_000, "survivors": 2000 }), 0, &shape, &prior).unwrap();
    let (mut clear, mut agreed) = (0u32, 0u32);
    for index in 0..40 {
        let (means, noise) = environment(index);
        let mut agent = begin(&*method, &shape, &Support::new(1), index, 0);
        let (mut sums, mut pulls) = ([0.0; ARMS], [0.0; ARMS]);
        play(&mut *agent, &means, &noise[..steps], |arm, reward| {
            let worth: [f64; ARMS] = std::array::from_fn(|arm| mean(sums[arm], pulls[arm]));
            let best = worth.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if worth.iter().filter(|x| **x > best - 0.1).count() == 1 {
                clear += 1;
                agreed += u32::from(worth[arm] == best);
            }
            sums[arm] += reward;
            pulls[arm] += 1.0;
        });
    }
    assert!(clear > 500, "{clear}");
    // The pool is a sample, and its best draws are chosen anew only when the evidence has doubled.
    assert!(f64::from(agreed) > 0.97 * f64::from(clear), "{agreed} of {clear}");
}
