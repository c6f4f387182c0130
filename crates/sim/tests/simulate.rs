//! The simulator that numbers beliefs against the one that steps an episode at a time.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use tiresias_model::format::{ReadOptions, read};
use tiresias_model::random::Key;
use tiresias_model::{Model, Policy};
use tiresias_sim::{Actor, Episode, NatureRule, SimulateError, Simulation, Summary, World};

/// A patrol on a ring of five rooms that starts anew at the end; walls are seen with noise.
const PATROL: &str = "discount: 0.9\nstates: 5\nactions: go stay\nobservations: wall gap\nstart: 0.4 0.3 0.3 0 0\n\
    T: go\n0.1 0.9 0 0 0\n0 0.1 0.9 0 0\n0 0 0.1 0.9 0\n0 0 0 0.1 0.9\n0.4 0.3 0.3 0 0\nT: stay identity\n\
    O: *\n0.8 0.2\n0.7 0.3\n0.3 0.7\n0.2 0.8\n0.5 0.5\n\
    R: go : 4 : * : * 10\nR: go : * : 2 : wall -3\nR: stay : * : * : gap 0.5\n";

fn patrol(text: &str, horizon: Option<usize>) -> Model {
    read("patrol.pomdp", text.as_bytes(), &ReadOptions { horizon, format: None }).unwrap().model
}

/// Goes when it is probably in the later rooms, and always at even stages if it minds the stage.
struct Rule {
    stationary: bool,
}

impl Policy for Rule {
    fn action(&self, stage: usize, belief: &[f64]) -> usize {
        usize::from(belief[3] + belief[4] < 0.37 && (self.stationary || stage % 2 == 1))
    }
}

/// Returns by [`Episode`], which keeps a whole belief and asks the policy at each step.
fn reference(model: &Model, policy: Option<&dyn Policy>, key: Key, steps: usize, episodes: u64) -> Vec<f64> {
    let world = World { model, policy: None, nature: NatureRule::Fixed(0) };
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

/// In a model by itself.
fn single<'a>(model: &'a Model, actor: Actor<'a>, key: Key, steps: usize) -> Simulation<'a> {
    Simulation { model, actor, nature: NatureRule::Fixed(0), adversary: None, key, steps }
}

fn simulated(simulation: &Simulation, episodes: usize, threads: usize) -> (Vec<f64>, u64) {
    let mut returns = vec![f64::NAN; episodes];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let steps = pool.install(|| simulation.run(0, &mut returns, &|_| ControlFlow::Continue(())));
    (returns, steps.unwrap())
}

#[test]
fn returns_are_those_of_the_reference_for_any_number_of_threads() {
    let key = Key::named(5, &["simulate"], &[]);
    let seen = PATROL.lines().filter(|line| !line.starts_with("observations") && !line.starts_with("O:"));
    let seen: Vec<&str> = seen.filter(|line| !line.starts_with("0.8")).collect();
    let seen = format!("{}\n", seen.join("\n"))
        .replace("0.7 0.3\n0.3 0.7\n0.2 0.8\n0.5 0.5\n", "")
        .replace(": * : * 10", ": * 10")
        .replace("2 : wall", "2")
        .replace(": * : gap", ": *");
    for (model, steps) in [
        (patrol(PATROL, None), 40),
        (patrol(PATROL, Some(12)), 12),
        (patrol(&seen, None), 40),
        (patrol(&PATROL.replace("T: go\n", "E: 4\nT: go\n"), None), 40),
    ] {
        for stationary in [true, false] {
            let rule = Rule { stationary };
            let actor = Actor::Policy { policy: &rule, stationary };
            let expected = reference(&model, Some(&rule), key, steps, 100);
            let simulation = single(&model, actor, key, steps);
            let (returns, made) = simulated(&simulation, 100, 1);
            for (found, expected) in returns.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
            assert_eq!(simulated(&simulation, 100, 3), (returns, made));
            assert!(made <= 100 * steps as u64);
        }
        let simulation = single(&model, Actor::Random, key, steps);
        let expected = reference(&model, None, key, steps, 50);
        let (returns, _) = simulated(&simulation, 50, 2);
        assert!(returns.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

#[test]
fn a_hook_stops_it() {
    let (model, rule) = (patrol(PATROL, None), Rule { stationary: true });
    let actor = Actor::Policy { policy: &rule, stationary: true };
    let simulation = single(&model, actor, Key(1), 10);
    assert_eq!(simulation.run(0, &mut [0.0; 100], &|_| ControlFlow::Break(())), Err(SimulateError::Cancelled));
}

/// Counts how often it is asked.
struct Asked<'a>(&'a AtomicUsize);

impl Policy for Asked<'_> {
    fn action(&self, _stage: usize, _belief: &[f64]) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) % 2
    }
}

#[test]
fn a_long_episode_is_stopped_on_its_way() {
    let (model, asked) = (patrol(PATROL, None), AtomicUsize::new(0));
    let policy = Asked(&asked);
    let actor = Actor::Policy { policy: &policy, stationary: false };
    let simulation = single(&model, actor, Key(1), 1 << 30);
    let hook = |_| if asked.load(Ordering::Relaxed) < 500 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    assert_eq!(simulation.run(0, &mut [0.0], &hook), Err(SimulateError::Cancelled));
    assert!(asked.load(Ordering::Relaxed) < 1000);
}

#[test]
fn what_is_cut_off_is_bounded() {
    let model = patrol(PATROL, None);
    let cut = |model: &Model, steps| single(model, Actor::Random, Key(1), steps).truncation();
    let (low, high) = cut(&model, 20);
    // Going from the last room earns 10 unless it shows the wall of room 2, 0.3 · 0.3 of all times, and then -3; going from room 1
    // meets that wall 0.9 · 0.3 of all times. A share of 0.9^20 is left of at most ten times as much.
    let left = 0.9_f64.powi(20) * 10.0;
    assert!((high - left * (0.91 * 10.0 - 0.09 * 3.0)).abs() < 1e-9, "{high}");
    assert!((low + left * 0.9 * 0.3 * 3.0).abs() < 1e-9, "{low}");
    assert_eq!(cut(&patrol(PATROL, Some(20)), 20), (0.0, 0.0));
}

#[test]
fn a_summary_is_the_textbook_one() {
    // Mean 3, sample variance 10 / 4.
    let summary = Summary::of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!((summary.mean, summary.deviation), (3.0, 2.5_f64.sqrt()));
    assert!((summary.half_width - 1.959_964 * (2.5_f64 / 5.0).sqrt()).abs() < 1e-6);
    assert_eq!(Summary::of(&[2.0]), Summary { mean: 2.0, deviation: 0.0, half_width: f64::INFINITY });
}
