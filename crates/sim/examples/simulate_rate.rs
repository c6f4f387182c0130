//! Decisions a second of a policy in a POMDP:
//! `cargo run --release -p tiresias-sim --example simulate_rate -- MODEL POLICY [EPISODES] [THREADS]`.
//! The policy is a file of α-vectors, or one of ours, whose solution then acts by itself.

use std::ops::ControlFlow;
use std::time::Instant;

use tiresias_model::Policy;
use tiresias_model::format::{ReadOptions, read};
use tiresias_model::random::Key;
use tiresias_sim::{Actor, NatureRule, Simulation, Summary};
use tiresias_solve::formats::AlphaPolicy;
use tiresias_solve::{ActingPolicy, Solution};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: usize| arguments.get(i).map_or(default, |text| text.parse().expect("a number"));
    let (model, policy) = (&arguments[0], &arguments[1]);
    let (episodes, threads) = (number(2, 4000), number(3, 1));
    let bytes = std::fs::read(model).expect("the model can be read");
    let model = read(model, &bytes, &ReadOptions::default()).expect("the model is valid").model;
    let text = std::fs::read_to_string(policy).expect("the policy can be read");
    let solution = text.starts_with('{').then(|| Solution::load(text.as_bytes(), &model).expect("the policy is valid"));
    let policy: Box<dyn Policy + '_> = if let Some(solution) = &solution {
        Box::new(ActingPolicy::new(&solution.policy))
    } else {
        let vectors = AlphaPolicy::read(&[(policy, &text)], None, &model).expect("the policy is valid");
        print!("{} vectors, ", vectors.len());
        Box::new(vectors)
    };
    let steps = (1e-6_f64.ln() / model.discount().ln()).ceil() as usize;
    let actor = Actor::Policy { policy: &*policy, stationary: true };
    let simulation = Simulation {
        model: &model,
        actor,
        nature: NatureRule::Fixed(0),
        adversary: None,
        key: Key::named(0, &["rollout"], &[]),
        steps,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    let mut returns = vec![0.0; episodes];
    let (start, before) = (Instant::now(), cpu_seconds());
    let decisions =
        pool.install(|| simulation.run(0, &mut returns, &|_| ControlFlow::Continue(()))).expect("nothing stops it");
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - before);
    let Summary { mean, half_width, .. } = Summary::of(&returns);
    println!(
        "{decisions} decisions, mean {mean:.6} ± {half_width:.6}: {:.3} million a second ({wall:.2} s), {:.3} a processor second ({cpu:.2} s)",
        decisions as f64 / wall / 1e6,
        decisions as f64 / cpu / 1e6,
    );
}

/// Processor seconds of this process, by Linux's own count of ticks of a hundredth.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // User and system time are the 14th and 15th field, the 12th and 13th after the name in brackets.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
