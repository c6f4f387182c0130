//! Rates of rollouts and belief updates beside the time that only writing the same bytes takes, in one table.
//!
//! `cargo run --release -p tiresias-sim --example rollout_rate`. Every figure is the median of many short repetitions.

use std::sync::Arc;
use std::time::Instant;

use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_model::random::Key;
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Policy, Reward, Space, Tabular};
use tiresias_sim::{
    Batch, Behaviour, BeliefBatch, BeliefFilter, Environments, Level, NatureRule, Real, Record, RolloutSpec,
    rollout_into,
};

/// Decisions an episode.
const HORIZON: usize = 10;
/// Episodes of a batch that stays in the second-level cache (0.7 MB), and of one that outgrows it (11 MB).
const SMALL: usize = 1 << 12;
const LARGE: usize = 1 << 16;
/// Lanes of the belief and environment batches.
const LANES: usize = 1 << 12;

/// Perform (or the last action) from level 3 on, else the first action.
struct Rule(usize);

impl Policy for Rule {
    fn action(&self, stage: usize, belief: &[f64]) -> usize {
        let state = belief.iter().position(|&p| p > 0.5).unwrap_or(0);
        self.action_in_state(stage, state, belief.len())
    }

    fn action_in_state(&self, _: usize, state: usize, _: usize) -> usize {
        if state >= 3 { self.0 } else { 0 }
    }

    fn tabular(&self) -> Option<Tabular> {
        Some(Tabular::Stationary)
    }
}

fn main() {
    let levels = Level::available();
    let energy = energy(Regime::Mdp);
    println!(
        "energy MDP, 10 states, 3 actions; million steps a second; floor = writing the same bytes, nothing else\n"
    );
    println!("behaviour    record   episodes threads  level       rate   floor  floor/rate");
    for (behaviour, record, episodes) in [
        ("oracle", Record::ALL, SMALL),
        ("oracle", Record::ALL, LARGE),
        ("epsilon:0.3", Record::ALL, SMALL),
        ("random", Record::ALL, SMALL),
        ("oracle", Record::RETURNS, SMALL),
    ] {
        for threads in [1, 2] {
            for &level in &levels {
                let (rate, floor) = rates(&energy, behaviour, record, episodes, threads, level);
                let name = if record == Record::ALL { "17 bytes" } else { "returns " };
                print!("{behaviour:<12} {name} {episodes:>8} {threads:>7}  {level:<8} {rate:>7.0}");
                if record == Record::ALL { println!(" {floor:>7.0} {:>7.2}", floor / rate) } else { println!() }
            }
        }
    }

    let best = Level::best();
    println!("\nsparse random walks (2 to 4 outcomes a row, 3 actions), oracle, 17 bytes, 1 thread, {best}");
    println!("states  rate with set-up  without");
    for states in [10, 100, 1_000, 10_000] {
        // The set-up of a call is what two lengths of a batch have in common.
        let (walk, steps) = (walk(states), (HORIZON << 13) as f64);
        let time = |episodes: usize| {
            let (rate, _) = rates(&walk, "oracle", Record::ALL, episodes, 1, best);
            (episodes * HORIZON) as f64 / rate
        };
        let (once, thrice) = (time(1 << 13), time(3 << 13));
        println!("{states:>6} {:>17.0} {:>8.0}", steps / once, 2.0 * steps / (thrice - once));
    }

    println!("\nenergy POMDP, 10 states, 10 observations; million updates or steps a second, 1 thread");
    println!("level     beliefs f64  beliefs f32  environments");
    let pomdp = Arc::new(self::energy(Regime::Pomdp));
    for &level in &levels {
        let (wide, steps) = beliefs::<f64>(&pomdp, level);
        let (narrow, _) = beliefs::<f32>(&pomdp, level);
        println!("{level:<8} {wide:>12.1} {narrow:>12.1} {steps:>13.1}");
    }
}

/// Our rate and that of writing alone, million steps a second.
fn rates(model: &Model, behaviour: &str, record: Record, episodes: usize, threads: usize, level: Level) -> (f64, f64) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool starts");
    let policy = Rule(model.actions().len() - 1);
    let spec = RolloutSpec {
        model,
        policy: Some(&policy),
        behaviour: &behaviour.parse::<Behaviour>().expect("a behaviour's name"),
        nature: NatureRule::Fixed(0),
        horizon: HORIZON,
        first_episode: 0,
        episodes,
        key: Key::named(0, &["rate"], &[]),
        record_beliefs: false,
    };
    let steps = (episodes * HORIZON) as f64;
    let repetitions = (100_000_000 / (episodes * HORIZON)).clamp(15, 400);
    let mut batch = Batch::default();
    // Both in turn, so that whatever else the machine does falls on both.
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    pool.install(|| {
        for repetition in 0..repetitions {
            ours.push(seconds(|| {
                rollout_into(&spec, record, level, &mut batch).expect("observed states explain themselves");
            }));
            floor.push(seconds(|| write(&mut batch, threads, repetition)));
        }
    });
    (steps / median(ours) / 1e6, steps / median(floor) / 1e6)
}

/// Writes every column of a batch, piece by piece as a rollout does.
fn write(batch: &mut Batch, threads: usize, value: usize) {
    let piece = 64 * HORIZON;
    let share = (batch.actions.len() / threads).next_multiple_of(piece).max(piece);
    let (s, o) = (batch.states.chunks_mut(share), batch.observations.chunks_mut(share));
    let (a, r) = (batch.actions.chunks_mut(share), batch.rewards.chunks_mut(share));
    rayon::scope(|scope| {
        for (((s, o), a), r) in s.zip(o).zip(a).zip(r) {
            scope.spawn(move |_| {
                let (s, o) = (s.chunks_mut(piece), o.chunks_mut(piece));
                for (((s, o), a), r) in s.zip(o).zip(a.chunks_mut(piece)).zip(r.chunks_mut(piece)) {
                    s.fill(value as u32);
                    o.fill(value as i32);
                    a.fill(value as u8);
                    r.fill(value as f64);
                }
            });
        }
    });
}

/// Belief updates and environment steps, millions a second, with actions that differ between neighbouring lanes.
fn beliefs<T: Real>(model: &Arc<Model>, level: Level) -> (f64, f64) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool starts");
    let filter = BeliefFilter::<T>::new(model, 0);
    let mut batch = BeliefBatch::new(model.start(), LANES);
    let key = Key::named(0, &["rate"], &[]);
    let mut environments = Environments::new(model.clone(), NatureRule::Fixed(0), key, LANES, level).expect("fits");
    let (mut seen, mut rewards, mut logs) = (vec![0; LANES], vec![0.0; LANES], vec![0.0; LANES]);
    let (mut updates, mut steps) = (Vec::new(), Vec::new());
    pool.install(|| {
        for _ in 0..20 {
            environments.reset(0, &mut seen);
            batch = BeliefBatch::new(model.start(), LANES);
            for stage in 0..HORIZON {
                let actions: Vec<u8> =
                    (0..LANES).map(|lane| (key.block(lane as u64, stage as u32, 9)[0] % 3) as u8).collect();
                steps.push(seconds(|| environments.step(&actions, &mut rewards, &mut seen)));
                updates.push(seconds(|| assert_eq!(batch.update(&filter, &actions, &seen, &mut logs, level), 0)));
            }
        }
    });
    (LANES as f64 / median(updates) / 1e6, LANES as f64 / median(steps) / 1e6)
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn energy(regime: Regime) -> Model {
    let request =
        TaskRequest { split: "train".into(), index: 4, seed: 3, regime, horizon: HORIZON, models: 1, alpha: 1.0 };
    family("energy").expect("a family").task(&request).expect("a task").model
}

/// A walk on a ring that jumps to scattered places: neighbouring states share no cache line of their rows.
fn walk(states: usize) -> Model {
    let mut draw = Key::named(states as u64, &["walk"], &[]).sequence();
    let mut transition = Kernel::new(states);
    for _ in 0..3 * states {
        let outcomes = draw.integer(2, 4);
        let p = 1.0 / f64::from(outcomes);
        transition
            .push_row((0..outcomes).map(|_| (draw.integer(0, states as u32 - 1) as usize, p)).collect::<Vec<_>>());
    }
    ModelBuilder {
        name: "walk".into(),
        states: Space::unnamed("states", states).expect("states"),
        actions: Space::unnamed("actions", 3).expect("actions"),
        observations: None,
        reward: Reward::StateAction((0..3 * states).map(|i| (i % 7) as f64).collect()),
        start: vec![1.0 / states as f64; states],
        discount: 1.0,
        horizon: Some(HORIZON),
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition, observation: None }],
        alpha: 1.0,
    }
    .build()
    .expect("a valid model")
}
