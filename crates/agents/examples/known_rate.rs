//! Microseconds that each method that knows the task or the family takes to prepare, and to begin an episode and act through it.
//!
//! `cargo run --release -p tiresias-agents --example known_rate`: tasks of the energy family (10 states, 3 actions, a cloud of 3, H = 10,
//! K = 5 trajectories of random actions), one thread, the mean of all episodes after the first round.

use std::hint::black_box;
use std::time::Instant;

use serde_json::Value;
use tiresias_agents::{Context, Known, Knows, Method, Percept, Prior, Shape, Trajectories, registry};
use tiresias_model::family::{Energy, Family, Task, TaskRequest};
use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Kernel, Model};

const HORIZON: usize = 10;
const SUPPORT: usize = 5;
const TASKS: u64 = 8;
const EPISODES: u64 = 25;

const METHODS: &[(&str, &str)] = &[
    ("bayes", "{}"),
    ("bayes", r#"{"lookahead": 1}"#),
    ("qmdp", "{}"),
    ("fib", "{}"),
    ("robust", "{}"),
    ("nominal", "{}"),
    ("mixture", "{}"),
];

fn main() {
    println!(
        "{:<10} {:<18} {:<7} {:>12} {:>12} {:>12}",
        "method", "options", "regime", "made, ms", "told, ms", "µs/episode"
    );
    for &(name, options) in METHODS {
        let entry = registry::entry(name).expect("it is listed");
        for &regime in entry.regimes {
            let request = TaskRequest {
                split: "test".into(),
                index: 0,
                seed: 1,
                regime,
                horizon: HORIZON,
                models: 3,
                alpha: 1.0,
            };
            let shape = Shape { regime, symbols: 10, actions: 3, horizon: HORIZON, discount: 1.0 };
            let task = |index| Energy.task(&TaskRequest { index, ..request.clone() }).expect("it is a task");
            let tasks: Vec<Task> = (0..TASKS).map(task).collect();
            let options_json: Value = serde_json::from_str(options).expect("it is JSON");
            let prior = Prior { family: Box::new(Energy), request };
            let start = Instant::now();
            let method = entry.make(options_json, SUPPORT, &shape, &prior).expect("it fits");
            let made = start.elapsed().as_secs_f64() * 1e3;
            let start = Instant::now();
            let knows = entry.knows == Knows::Task;
            let told: Vec<_> = tasks
                .iter()
                .filter(|_| knows)
                .map(|task| method.told(Known { model: &task.model }).expect("it plans"))
                .collect();
            let telling = start.elapsed().as_secs_f64() * 1e3 / TASKS as f64;
            let mut seconds = 0.0;
            for round in 0..3 {
                for (i, task) in tasks.iter().enumerate() {
                    let method = told.get(i).map_or(&*method, |told| &**told);
                    for episode in 0..EPISODES {
                        let taken = play(method, &shape, task, episode);
                        seconds += if round > 0 { taken } else { 0.0 };
                    }
                }
            }
            let each = seconds * 1e6 / (2 * TASKS * EPISODES) as f64;
            println!("{name:<10} {options:<18} {:<7} {made:>12.1} {telling:>12.1} {each:>12.1}", regime.name());
        }
    }
}

/// Plays an episode in the task's true model; returns the seconds of the method alone.
fn play(method: &dyn Method, shape: &Shape, task: &Task, episode: u64) -> f64 {
    let (model, m) = (&task.model, task.true_model);
    let mut draw = Key::named(episode, &["known-rate", model.name()], &[]).sequence();
    let (mut observations, mut actions, mut rewards) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SUPPORT {
        let mut world = World::start(model, m, &mut draw);
        for _ in 0..HORIZON {
            let action = draw.integer(0, 2) as usize;
            observations.push(world.seen.map_or(-1, |seen| seen as i32));
            actions.push(action as u8);
            rewards.push(world.step(action, &mut draw));
        }
    }
    let support = Trajectories { horizon: HORIZON, observations: &observations, actions: &actions, rewards: &rewards };
    let mut world = World::start(model, m, &mut draw);
    let mut reward = None;
    let start = Instant::now();
    let mut agent = method.begin(&Context { shape, support, key: Key(episode), episode }).expect("the support fits");
    let mut seconds = start.elapsed().as_secs_f64();
    for _ in 0..HORIZON {
        let percept = Percept { seen: world.seen, reward: reward.filter(|_| shape.observed()), told: None };
        let start = Instant::now();
        let action = black_box(agent.act(percept).expect("the percept fits"));
        seconds += start.elapsed().as_secs_f64();
        reward = Some(world.step(action, &mut draw));
    }
    seconds
}

struct World<'a> {
    model: &'a Model,
    m: usize,
    state: usize,
    seen: Option<usize>,
}

impl<'a> World<'a> {
    fn start(model: &'a Model, m: usize, draw: &mut Sequence) -> Self {
        let state = draw.integer(0, model.states().len() as u32 - 1) as usize;
        Self { model, m, state, seen: model.observations().is_none().then_some(state) }
    }

    fn step(&mut self, action: usize, draw: &mut Sequence) -> f64 {
        let (s, dynamics) = (self.model.states().len(), &self.model.dynamics()[self.m]);
        let reward = self.model.expected_reward(self.m)[action * s + self.state];
        self.state = sample(&dynamics.transition, action * s + self.state, draw);
        let seen = dynamics.observation.as_ref().map(|kernel| sample(kernel, action * s + self.state, draw));
        self.seen = Some(seen.unwrap_or(self.state));
        reward
    }
}

fn sample(kernel: &Kernel, row: usize, draw: &mut Sequence) -> usize {
    let (mut u, mut last) = (draw.uniform(), 0);
    for (column, p) in kernel.pairs(row) {
        last = column;
        if u < p {
            break;
        }
        u -= p;
    }
    last
}
