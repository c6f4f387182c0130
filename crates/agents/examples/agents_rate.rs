//! Microseconds that each method takes to begin an episode and to act through it, beside what it computes.
//!
//! `cargo run --release -p tiresias-agents --example agents_rate`: energy-sized tasks (10 states, 3 actions, H = 10, K = 5), one thread.

use std::hint::black_box;
use std::time::Instant;

use serde_json::Value;
use tiresias_agents::{Context, Method, Percept, Prior, Shape, Trajectories, registry};
use tiresias_model::family::{Energy, Regime, TaskRequest};
use tiresias_model::random::Key;

const SYMBOLS: u32 = 10;
const ACTIONS: u32 = 3;
const HORIZON: usize = 10;
const SUPPORT: usize = 5;

/// Name, options, and multiply-adds an episode: S·A = 30 rows, 45 transitions, H = 10; in a hidden regime 93 rows.
const PLANS: &[(&str, &str, &str)] = &[
    ("bc-prompt", "{}", "50 votes"),
    ("empirical", "{}", "H (45 + 2·30) = 1,050"),
    ("empirical", r#"{"online": true}"#, "55 (45 + 2·30) = 5,800"),
    ("posterior-sampling", "{}", "330 draws, H·30·12 = 3,600"),
    ("posterior-sampling", r#"{"every": "decision", "online": true}"#, "3,300 draws, 55·30·12 = 20,000"),
    ("ucb", "{}", "55 (45 + 2·30) = 5,800"),
    ("fqi", "{}", "H (45 + 2·30) = 1,050"),
    ("cql", "{}", "H (45 + 2·30) = 1,050, some 200 Newton steps"),
    ("pessimistic", "{}", "H (45 + 2·30) = 1,050"),
];

fn main() {
    let request = TaskRequest {
        split: "train".into(),
        index: 0,
        seed: 1,
        regime: Regime::Mdp,
        horizon: HORIZON,
        models: 1,
        alpha: 1.0,
    };
    let prior = Prior { family: Box::new(Energy), request };
    println!("{:<20} {:<40} {:>6} {:>10}  multiply-adds in an MDP", "method", "options", "regime", "µs/episode");
    for &(name, options, cost) in PLANS {
        let entry = registry::entry(name).expect("it is listed");
        for &regime in entry.regimes.iter().filter(|&&regime| regime != Regime::Apomdp) {
            let (symbols, actions) = (SYMBOLS as usize, ACTIONS as usize);
            let shape = Shape { regime, symbols, actions, horizon: HORIZON, discount: 1.0 };
            let value: Value = serde_json::from_str(options).expect("it is JSON");
            // Some options are for states that are seen.
            let Ok(method) = entry.make(value, SUPPORT, &shape, &prior) else { continue };
            let supports: Vec<_> = (0..64).map(|i| columns(i, &shape)).collect();
            let microseconds = time(|episode| play(&*method, &shape, &supports[episode as usize % 64], episode));
            println!("{name:<20} {options:<40} {:<6} {microseconds:>10.2}  {cost}", regime.name());
        }
    }
}

/// The best of five rounds of as many episodes as a twentieth of a second holds, in microseconds an episode.
fn time(mut episode: impl FnMut(u64)) -> f64 {
    let rounds = (0..5).map(|_| {
        let (start, mut done) = (Instant::now(), 0);
        while start.elapsed().as_millis() < 50 {
            (0..16).for_each(|i| episode(done + i));
            done += 16;
        }
        start.elapsed().as_secs_f64() * 1e6 / done as f64
    });
    rounds.fold(f64::INFINITY, f64::min)
}

type Columns = (Vec<i32>, Vec<u8>, Vec<f64>);

/// A support of random actions and rewards on a walk.
fn columns(index: u64, shape: &Shape) -> Columns {
    let mut draw = Key::named(index, &["rate"], &[]).sequence();
    let (mut seen, mut actions, mut rewards) = (Vec::new(), Vec::new(), Vec::new());
    let mut level = draw.integer(0, SYMBOLS - 1);
    for t in 0..SUPPORT * HORIZON {
        seen.push(if t % HORIZON == 0 && !shape.observed() { -1 } else { level as i32 });
        actions.push(draw.integer(0, ACTIONS - 1) as u8);
        rewards.push(f64::from(draw.integer(0, 50)) / 10.0 - 2.0);
        level = (level + draw.integer(0, 2)).saturating_sub(1).min(SYMBOLS - 1);
    }
    (seen, actions, rewards)
}

fn play(method: &dyn Method, shape: &Shape, (observations, actions, rewards): &Columns, episode: u64) {
    let support = Trajectories { horizon: HORIZON, observations, actions, rewards };
    let context = Context { shape, support, key: Key(episode), episode };
    let mut agent = method.begin(&context).expect("the support fits");
    for t in 0..HORIZON {
        // What is seen is another support trajectory's walk: the agent need not be right, only busy.
        let seen = usize::try_from(observations[(HORIZON + t) % observations.len()]).ok();
        let percept = Percept { seen, reward: Some(rewards[t]), told: None };
        black_box(agent.act(percept).expect("the percept fits"));
    }
}
