//! Rates of rollouts and belief updates beside the time that only writing the same bytes takes.
//!
//! `cargo run --release -p tiresias-sim --example rollout_rate` prints tables; `-- --json` prints one JSON object instead, by name
//! `{rate, floor, ratio}`. Rates are millions of steps, updates or writes a second; the ratio is our time over the floor's. Every
//! figure is the median of many repetitions, ours and the floor in turn, so that whatever else the machine does falls on both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_model::random::Key;
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Policy, Reward, Space, Tabular};
use tiresias_sim::{
    Batch, Behaviour, BeliefBatch, BeliefFilter, Environments, Level, NatureRule, Real, Record, RolloutSpec, Simulator,
    rollout_into,
};

/// Decisions an episode.
const HORIZON: usize = 10;
/// Lanes of the belief and environment batches.
const LANES: usize = 1 << 12;

/// Where the record is written.
#[derive(Clone, Copy)]
enum Place {
    /// 0.7 MB, again and again: it stays in the second-level cache.
    Cache,
    /// 178 MB, again and again: it outgrows every cache.
    Memory,
    /// 178 MB, allocated for each repetition: every page is new.
    Fresh,
}

impl Place {
    const ALL: [Self; 3] = [Self::Cache, Self::Memory, Self::Fresh];

    fn name(self) -> &'static str {
        ["cache", "memory", "fresh"][self as usize]
    }

    fn episodes(self) -> usize {
        if matches!(self, Self::Cache) { 1 << 12 } else { 1 << 20 }
    }
}

/// What was measured, million a second.
struct Row {
    name: String,
    rate: f64,
    /// The floor's rate, and our time over its.
    floor: Option<(f64, f64)>,
}

/// Perform (or the last action) from level 3 on, else the first action; at every stage the same, said to be staged or not.
struct Rule {
    action: usize,
    tabular: Tabular,
}

impl Policy for Rule {
    fn action(&self, stage: usize, belief: &[f64]) -> usize {
        let state = belief.iter().position(|&p| p > 0.5).unwrap_or(0);
        self.action_in_state(stage, state, belief.len())
    }

    fn action_in_state(&self, _: usize, state: usize, _: usize) -> usize {
        if state >= 3 { self.action } else { 0 }
    }

    fn tabular(&self) -> Option<Tabular> {
        Some(self.tabular)
    }
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let mut rows = Vec::new();
    let mut section = |title: &str, measured: Vec<Row>| {
        if !json {
            println!("{title}");
            measured.iter().for_each(print);
            println!();
        }
        rows.extend(measured);
    };

    let (levels, best) = (Level::available(), Level::best());
    let mdp = energy(Regime::Mdp);
    let (stationary, staged) = (Tabular::Stationary, Tabular::Staged);
    let mut recorded = Vec::new();
    for (threads, place) in [1, 2].into_iter().flat_map(|threads| Place::ALL.map(|place| (threads, place))) {
        for &level in &levels {
            recorded.push(recording(&mdp, ("oracle", stationary), place, threads, level));
        }
    }
    section("energy MDP, 10 states, 3 actions, 17 bytes a step: behaviour/place/threads/level", recorded);
    let mut behaviours = Vec::new();
    for behaviour in [("oracle", staged), ("epsilon:0.3", staged), ("random", stationary)] {
        for &level in &levels {
            behaviours.push(recording(&mdp, behaviour, Place::Cache, 1, level));
        }
    }
    section("the same, other behaviours; a staged oracle has a table for each decision", behaviours);
    section("the same, returns only: level", levels.iter().map(|&level| returns(&mdp, level)).collect());
    let few = [1, 5, 40].into_iter().flat_map(|episodes| calls(&mdp, episodes, best)).collect();
    section(&format!("calls for a few episodes of the staged oracle, {best}: compiled once, or at each call"), few);
    let walks = [10, 100, 1_000, 10_000].into_iter().flat_map(|states| walks(states, best)).collect();
    section(
        &format!(
            "sparse random walks (2 to 4 outcomes a row, 3 actions), oracle, in cache, 1 thread, {best}; compiling: million rows"
        ),
        walks,
    );
    let pomdp = Arc::new(energy(Regime::Pomdp));
    let beliefs = levels
        .iter()
        .flat_map(|&level| {
            let (wide, steps) = beliefs::<f64>(&pomdp, level);
            let (narrow, _) = beliefs::<f32>(&pomdp, level);
            let row = |what: &str, rate| Row { name: format!("{what}/{level}"), rate, floor: None };
            [row("beliefs/f64", wide), row("beliefs/f32", narrow), row("environments", steps)]
        })
        .collect();
    section("energy POMDP, 10 states, 10 observations, 1 thread: belief updates and environment steps", beliefs);
    if json {
        let number = |x: Option<f64>| x.map_or("null".into(), |x| format!("{x:.3}"));
        let fields: Vec<_> = rows
            .iter()
            .map(|Row { name, rate, floor }| {
                let (floor, ratio) = (number(floor.map(|f| f.0)), number(floor.map(|f| f.1)));
                format!("{name:?}:{{\"rate\":{rate:.3},\"floor\":{floor},\"ratio\":{ratio}}}")
            })
            .collect();
        println!("{{{}}}", fields.join(","));
    }
}

fn print(Row { name, rate, floor }: &Row) {
    match floor {
        Some((floor, ratio)) => println!("{name:<34} {rate:>8.1}   floor {floor:>8.1}   ratio {ratio:>6.2}"),
        None => println!("{name:<34} {rate:>8.1}"),
    }
}

fn spec<'a>(model: &'a Model, policy: &'a Rule, behaviour: &'a Behaviour, episodes: usize) -> RolloutSpec<'a> {
    RolloutSpec {
        model,
        policy: Some(policy),
        behaviour,
        nature: NatureRule::Fixed(0),
        horizon: HORIZON,
        first_episode: 0,
        episodes,
        key: Key::named(0, &["rate"], &[]),
        record_beliefs: false,
    }
}

/// All columns, beside writing as many bytes in the same layout. Compiling is part of our time.
fn recording(model: &Model, (behaviour, tabular): (&str, Tabular), place: Place, threads: usize, level: Level) -> Row {
    let policy = Rule { action: model.actions().len() - 1, tabular };
    let parsed = behaviour.parse().expect("a behaviour's name");
    let spec = spec(model, &policy, &parsed, place.episodes());
    let steps = spec.episodes * HORIZON;
    let (mut ours, mut floor) = (Batch::default(), Batch::default());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool starts");
    let times = pool.install(|| {
        in_turn(
            || {
                if matches!(place, Place::Fresh) {
                    ours = Batch::default();
                }
                seconds(|| rollout_into(&spec, Record::ALL, level, &mut ours).expect("observed states are explained"))
            },
            |value| {
                if matches!(place, Place::Fresh) {
                    floor = Batch::default();
                }
                seconds(|| write(&mut floor, spec.episodes, threads, value))
            },
        )
    });
    let staged = if tabular == Tabular::Staged { " staged" } else { "" };
    row(format!("{behaviour}{staged}/{}/{threads}/{level}", place.name()), steps as f64, times)
}

/// Returns alone: 8 bytes an episode, and nothing worth a floor.
fn returns(model: &Model, level: Level) -> Row {
    let (policy, oracle) = (Rule { action: 2, tabular: Tabular::Stationary }, Behaviour::oracle());
    let spec = spec(model, &policy, &oracle, Place::Cache.episodes());
    let mut batch = Batch::default();
    let times = repeated(|| {
        seconds(|| rollout_into(&spec, Record::RETURNS, level, &mut batch).expect("observed states are explained"))
    });
    Row { name: format!("returns/{level}"), rate: (spec.episodes * HORIZON) as f64 / median(times) / 1e6, floor: None }
}

/// One call for `episodes`, on this thread: with tables made before, and with tables made by the call. A thousand calls a time.
fn calls(model: &Model, episodes: usize, level: Level) -> [Row; 2] {
    const CALLS: usize = 1000;
    let (policy, oracle) = (Rule { action: 2, tabular: Tabular::Staged }, Behaviour::oracle());
    let spec = spec(model, &policy, &oracle, episodes);
    let simulator = Simulator::new(&spec);
    let mut batch = Batch::default();
    let mut rate = |name: &str, call: &dyn Fn(u64, &mut Batch)| {
        let times = repeated(|| seconds(|| (0..CALLS).for_each(|i| call((i * episodes) as u64, &mut batch))));
        let steps = (CALLS * episodes * HORIZON) as f64;
        Row { name: format!("{name}/{episodes} episodes"), rate: steps / median(times) / 1e6, floor: None }
    };
    [
        rate("compiled once", &|first, batch| {
            simulator.run(first, episodes, Record::ALL, level, batch).expect("observed states are explained");
        }),
        rate("at each call", &|first_episode, batch| {
            rollout_into(&RolloutSpec { first_episode, ..spec }, Record::ALL, level, batch)
                .expect("observed states are explained");
        }),
    ]
}

/// Steps in cache without compiling, and compiling alone.
fn walks(states: usize, level: Level) -> [Row; 2] {
    let (model, oracle) = (walk(states), Behaviour::oracle());
    let policy = Rule { action: 2, tabular: Tabular::Stationary };
    let spec = spec(&model, &policy, &oracle, Place::Cache.episodes());
    let simulator = Simulator::new(&spec);
    let (mut ours, mut floor) = (Batch::default(), Batch::default());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool starts");
    let times = pool.install(|| {
        let run = |batch: &mut Batch| {
            simulator.run(0, spec.episodes, Record::ALL, level, batch).expect("observed states are explained");
        };
        in_turn(|| seconds(|| run(&mut ours)), |value| seconds(|| write(&mut floor, spec.episodes, 1, value)))
    });
    let compile = median(repeated(|| seconds(|| drop(std::hint::black_box(Simulator::new(&spec))))));
    [
        row(format!("walk/{states} states"), (spec.episodes * HORIZON) as f64, times),
        Row { name: format!("compile/{states} states"), rate: states as f64 / compile / 1e6, floor: None },
    ]
}

fn row(name: String, steps: f64, times: Vec<(f64, f64)>) -> Row {
    let ratio = median(times.iter().map(|(ours, floor)| ours / floor).collect());
    let (ours, floor): (Vec<_>, Vec<_>) = times.into_iter().unzip();
    Row { name, rate: steps / median(ours) / 1e6, floor: Some((steps / median(floor) / 1e6, ratio)) }
}

/// Writes every column of a batch, block by block as a rollout does.
fn write(batch: &mut Batch, episodes: usize, threads: usize, value: usize) {
    let steps = episodes * HORIZON;
    if batch.returns.len() != episodes {
        *batch = Batch {
            states: vec![0; steps],
            observations: vec![0; steps],
            actions: vec![0; steps],
            rewards: vec![0.0; steps],
            returns: vec![0.0; episodes],
            ..Batch::default()
        };
    }
    let block = 64 * HORIZON;
    let share = (steps / threads).next_multiple_of(block).max(block);
    let (s, o) = (batch.states.chunks_mut(share), batch.observations.chunks_mut(share));
    let (a, r) = (batch.actions.chunks_mut(share), batch.rewards.chunks_mut(share));
    rayon::scope(|scope| {
        for (((s, o), a), r) in s.zip(o).zip(a).zip(r) {
            scope.spawn(move |_| {
                let (s, o) = (s.chunks_mut(block), o.chunks_mut(block));
                for (((s, o), a), r) in s.zip(o).zip(a.chunks_mut(block)).zip(r.chunks_mut(block)) {
                    s.fill(value as u32);
                    o.fill(value as i32);
                    a.fill(value as u8);
                    r.fill(value as f64);
                }
            });
        }
    });
    batch.returns.fill(value as f64);
}

/// Belief updates and environment steps, millions a second, with actions that differ between neighbouring lanes.
fn beliefs<T: Real>(model: &Arc<Model>, level: Level) -> (f64, f64) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool starts");
    let filter = BeliefFilter::<T>::new(model, 0);
    let key = Key::named(0, &["rate"], &[]);
    let mut environments = Environments::new(model.clone(), NatureRule::Fixed(0), key, LANES, level).expect("fits");
    let (mut seen, mut rewards, mut logs) = (vec![0; LANES], vec![0.0; LANES], vec![0.0; LANES]);
    let (mut updates, mut steps) = (Vec::new(), Vec::new());
    pool.install(|| {
        for _ in 0..40 {
            environments.reset(0, &mut seen);
            let mut batch = BeliefBatch::new(model.start(), LANES);
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

/// Times of the two in turn: for 0.3 seconds, and at least 5 times.
fn in_turn(mut ours: impl FnMut() -> f64, mut floor: impl FnMut(usize) -> f64) -> Vec<(f64, f64)> {
    let (start, mut times) = (Instant::now(), Vec::new());
    // The first touch of a reused buffer is none of the two.
    ours();
    floor(0);
    while times.len() < 5 || start.elapsed() < Duration::from_millis(300) {
        times.push((ours(), floor(times.len())));
    }
    times
}

fn repeated(mut time: impl FnMut() -> f64) -> Vec<f64> {
    in_turn(&mut time, |_| 0.0).into_iter().map(|(time, _)| time).collect()
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
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .expect("a valid model")
}
