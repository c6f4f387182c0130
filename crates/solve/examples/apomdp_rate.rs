//! Time to a proven gap on ambiguous POMDPs, one JSON line a row: `cargo run --release -p tiresias-solve --example apomdp_rate --
//! FAMILY:STATES:MODELS:HORIZON:ALPHA:SHARE… [--method auto|faces|plans|search|estimate] [--tasks N] [--time SECONDS]`.
//!
//! SHARE is the gap asked for, as a share of the task's span: the best less the worst value that a policy can have. Families: `energy`
//! (10 states) and `clinical` (11) as Tiresias draws them, `gauge` (a noisy reading of one of STATES levels) and `wide` (every
//! belief spreads over all STATES).

use std::time::{Duration, Instant};

use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Policy, Reward, Space, belief};
use tiresias_solve::{Estimate, Faces, Limits, Plans, Search, Solution, Solver, auto, no_hook};

fn main() {
    let mut rows = Vec::new();
    let (mut method, mut tasks, mut time) = ("auto".to_string(), 5, 10.0);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| fail(&format!("{argument} needs a value")));
        match argument.as_str() {
            "--method" => method = value(),
            "--tasks" => tasks = number(&value()),
            "--time" => time = number(&value()),
            "--write" => write(&value()),
            _ => rows.push(argument),
        }
    }
    for row in rows {
        measure(&row, &method, tasks, time);
    }
}

fn fail(message: &str) -> ! {
    eprintln!(
        "{message}\nusage: apomdp_rate FAMILY:STATES:MODELS:HORIZON:ALPHA:SHARE… [--method M] [--tasks N] [--time S]"
    );
    std::process::exit(2)
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| fail(&format!("{text:?} is not a number")))
}

fn measure(row: &str, method: &str, tasks: u64, time: f64) {
    let parts: Vec<&str> = row.split(':').collect();
    let &[name, states, models, horizon, alpha, share] = parts.as_slice() else {
        fail(&format!("{row:?} has not six parts"))
    };
    let share: f64 = number(share);
    for index in 0..tasks {
        let model = task(name, number(states), number(models), number(horizon), number(alpha), index);
        let span = span(&model);
        let limits = Limits { time: Some(Duration::from_secs_f64(time)), ..Limits::with_gap(share * span) };
        let solve = || solver(method, &model).solve(&model, &limits, &no_hook).expect("it is hidden");
        let (clock, before) = (Instant::now(), processor_seconds());
        let mut solution = solve();
        let mut seconds = [clock.elapsed().as_secs_f64(), processor_seconds() - before];
        // Short solves are repeated: the processor's clock ticks every few milliseconds.
        let (clock, before, mut runs) = (Instant::now(), processor_seconds(), 0.0);
        while seconds[0] < 0.1 && clock.elapsed().as_secs_f64() < 0.2 {
            solution = solve();
            runs += 1.0;
        }
        if runs > 0.0 {
            seconds = [clock.elapsed().as_secs_f64() / runs, (processor_seconds() - before) / runs];
        }
        let labels = [0.0, 0.3].map(|perturbed| regrets(&solution, perturbed).map(|regret| regret / span));
        print(name, index, &solution, span, share, seconds, labels);
    }
}

/// Writes the first energy task as dense arrays, for peers.
fn write(folder: &str) {
    let model = task("energy", 10, 3, 10, 1.0, 0);
    let (s, a) = (model.states().len(), model.actions().len());
    let rows = |kernel: &Kernel| -> Vec<Vec<Vec<f64>>> {
        let row = |r: usize| (0..kernel.columns()).map(|c| kernel.get(r, c)).collect();
        (0..a).map(|action| (0..s).map(|state| row(action * s + state)).collect()).collect()
    };
    let kernels = |pick: fn(&Dynamics) -> &Kernel| model.dynamics().iter().map(|d| rows(pick(d))).collect::<Vec<_>>();
    let reference = Faces { first_divisions: 64, most_divisions: 64 };
    let reference = reference.solve(&model, &Limits::with_gap(0.0), &no_hook).expect("its faces are small").value();
    let text = serde_json::json!({
        "T": kernels(|d| &d.transition),
        "Q": kernels(|d| d.observation.as_ref().expect("it is hidden")),
        "R": model.expected_reward(0).chunks(s).collect::<Vec<_>>(),
        "start": model.start(),
        "horizon": 10,
        "alpha": 1.0,
        "reference": reference,
        "span": span(&model),
    });
    let path = std::path::Path::new(folder).join("energy-apomdp.json");
    std::fs::write(&path, text.to_string()).unwrap_or_else(|error| fail(&format!("{}: {error}", path.display())));
}

fn solver(method: &str, model: &Model) -> Box<dyn Solver> {
    match method {
        "auto" => auto(model),
        "faces" => Box::new(Faces::default()),
        "plans" => Box::new(Plans::default()),
        "estimate" => Box::new(Estimate::default()),
        "search" => Box::new(Search::default()),
        _ => fail(&format!("method {method:?} is not one of auto, faces, plans, search, estimate")),
    }
}

fn print(
    name: &str,
    index: u64,
    solution: &Solution,
    span: f64,
    share: f64,
    seconds: [f64; 2],
    [played, perturbed]: [[f64; 2]; 2],
) {
    let (model, stats) = (solution.policy.model(), solution.stats);
    let row = serde_json::json!({
        "problem": name, "task": index, "states": model.states().len(), "models": model.dynamics().len(),
        "horizon": model.horizon(), "alpha": model.alpha(), "share": share, "span": span,
        "seconds": seconds[0], "processorSeconds": seconds[1], "lower": solution.lower, "upper": solution.upper,
        "gapOfSpan": solution.gap() / span, "value": solution.value(), "solver": stats.solver,
        "stopped": solution.stopped.name(), "iterations": stats.iterations, "vectors": stats.vectors,
        "points": stats.points, "label95": played[0], "labelMost": played[1], "perturbed95": perturbed[0],
        "perturbedMost": perturbed[1],
    });
    println!("{row}");
}

/// What this thread has computed for, from Linux's /proc; 0 elsewhere.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// The bounds on the labels' regret along 20 roll-outs in models of the cloud in turn, in which a share of the actions is drawn at
/// random: what 95 % of them are below, and the largest.
fn regrets(solution: &Solution, perturbed: f64) -> [f64; 2] {
    let (policy, model) = (&solution.policy, solution.policy.model());
    let mut draw = Key::named(5, &["apomdp_rate", "rollouts"], &[]).sequence();
    let mut regrets = Vec::new();
    for episode in 0..20 {
        let dynamics = &model.dynamics()[episode % model.dynamics().len()];
        let mut state = pick(&mut draw, model.start().iter().copied().enumerate());
        let mut b = model.start().to_vec();
        for stage in 0..model.horizon().unwrap_or(20) {
            let assessment = policy.assess(stage, &b);
            let label = assessment.action();
            regrets.push(assessment.regret_bound(label));
            let random = draw.uniform() < perturbed;
            let action = if random { draw.integer(0, model.actions().len() as u32 - 1) as usize } else { label };
            state = pick(&mut draw, dynamics.transition.pairs(action * b.len() + state));
            let kernel = dynamics.observation.as_ref().expect("it is hidden");
            let observation = pick(&mut draw, kernel.pairs(action * b.len() + state));
            let mut next = vec![0.0; b.len()];
            let nature = policy.nature(stage, &b, action);
            belief::update_under_ambiguity(model, nature, &b, action, observation, &mut next).expect("it was drawn");
            b = next;
        }
    }
    regrets.sort_by(f64::total_cmp);
    [regrets[regrets.len() * 95 / 100], regrets[regrets.len() - 1]]
}

fn pick(draw: &mut Sequence, pairs: impl Iterator<Item = (usize, f64)>) -> usize {
    let (mut left, mut found) = (draw.uniform(), 0);
    for (i, p) in pairs.filter(|pair| pair.1 > 0.0) {
        found = i;
        left -= p;
        if left < 0.0 {
            break;
        }
    }
    found
}

fn task(name: &str, states: usize, models: usize, horizon: usize, alpha: f64, index: u64) -> Model {
    match name {
        "gauge" | "wide" => built(name, states, models, horizon, alpha, index),
        _ => {
            let regime = Regime::Apomdp;
            let request = TaskRequest { split: "train".into(), index, seed: 1, regime, horizon, models, alpha };
            let family = family(name).unwrap_or_else(|error| fail(&error.to_string()));
            family.task(&request).unwrap_or_else(|error| fail(&error.to_string())).model
        }
    }
}

/// The best less the worst value that a policy can have: of the lower bounds for both, so it may be too small, never too large.
fn span(model: &Model) -> f64 {
    let mut builder = model.to_builder();
    let Reward::StateAction(rewards) = &mut builder.reward else { fail("the rewards are not R(s,a)") };
    rewards.iter_mut().for_each(|r| *r = -*r);
    builder.alpha = 1.0 - builder.alpha;
    let negated = builder.build().expect("only signs changed");
    let limits = Limits { time: Some(Duration::from_secs_f64(2.0)), ..Limits::with_gap(0.0) };
    let lower = |m: &Model, solver: &dyn Solver| solver.solve(m, &limits, &no_hook).expect("it is hidden").lower;
    let convex = Search { most_trials: 200, ..Search::default() };
    if Faces::faces(model).is_some() {
        let faces = Faces { first_divisions: 6, most_divisions: 6 };
        return lower(model, &faces) + lower(&negated, &faces);
    }
    let plans = Plans { most_trials: 30, ..Plans::default() };
    let worst: &dyn Solver = if negated.alpha() == 0.0 { &convex } else { &plans };
    lower(model, &plans) + lower(&negated, worst)
}

/// A store of `states` levels that drains by itself and can be filled at a cost, and paid work that takes from it. `gauge`: the
/// reading is the level or a neighbour. `wide`: the reading is one of five, its chances a bell around the level; and every level
/// can become any other.
fn built(name: &str, states: usize, models: usize, horizon: usize, alpha: f64, index: u64) -> Model {
    let mut draw = Key::named(7, &["apomdp_rate", name], &[index]).sequence();
    let nominal: [f64; 4] =
        [draw.between(0.5, 0.9), draw.between(0.1, 0.3), draw.between(0.6, 0.9), draw.between(0.1, 0.25)];
    let cloud = (0..models).map(|_| near(nominal, &mut draw)).map(|p| dynamics(name == "wide", states, p)).collect();
    let last = states - 1;
    let reward = |row: usize| {
        let (action, level) = (row / states, row % states);
        // Rewards on the scale of a step, whatever the number of levels.
        [-0.3, 0.0, if 4 * level >= last { 2.0 } else { -1.0 }][action]
    };
    ModelBuilder {
        name: format!("{name}-{states}-{models}-{index}"),
        states: Space::unnamed("states", states).expect("some"),
        actions: Space::unnamed("actions", 3).expect("some"),
        observations: Some(Space::unnamed("observations", if name == "wide" { 5 } else { states }).expect("some")),
        reward: Reward::StateAction((0..3 * states).map(reward).collect()),
        start: vec![1.0 / states as f64; states],
        discount: 1.0,
        horizon: Some(horizon),
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: cloud,
        alpha,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .expect("it is a model")
}

/// The numbers of one model of the cloud.
fn near(nominal: [f64; 4], draw: &mut Sequence) -> [f64; 4] {
    nominal.map(|p| (p + draw.between(-0.1, 0.1)).clamp(0.02, 0.98))
}

fn dynamics(wide: bool, states: usize, [fill, leak, work, error]: [f64; 4]) -> Dynamics {
    let last = states - 1;
    let step = (states / 5).max(1);
    let mut transition = Kernel::new(states);
    for action in 0..3 {
        for level in 0..states {
            let (to, p) = match action {
                0 => ((level + 2 * step).min(last), fill),
                1 => (level.saturating_sub(step), leak),
                _ => (level.saturating_sub(3 * step), work),
            };
            let mut row = vec![(to, p), (level, 1.0 - p)];
            if wide {
                row.iter_mut().for_each(|entry| entry.1 *= 0.95);
                row.extend((0..states).map(|s| (s, 0.05 / states as f64)));
            }
            transition.push_row(row);
        }
    }
    let mut observation = Kernel::new(if wide { 5 } else { states });
    for row in 0..3 * states {
        let level = row % states;
        if wide {
            let bell: Vec<f64> = (0..5)
                .map(|o| {
                    (-(f64::from(o) - 4.0 * level as f64 / last as f64).powi(2) / (0.5 + 3.0 * error)).exp() + 0.01
                })
                .collect();
            let sum: f64 = bell.iter().sum();
            observation.push_row(bell.iter().map(|w| w / sum).enumerate());
        } else {
            let (below, above) = (level.abs_diff(1).min(last), if level == last { last - 1 } else { level + 1 });
            observation.push_row([(level, 1.0 - error), (below, error / 2.0), (above, error / 2.0)]);
        }
    }
    Dynamics { transition, observation: Some(observation) }
}
