//! Limits are heard: every solver, on models as odd as they come, is back soon after its time is up or its hook says so, with bounds
//! that are numbers; and rewards in other units change nothing but the units.

mod common;

use std::cell::Cell;
use std::fs;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Dynamics, Kernel, Kind, Model, ModelBuilder, Reward, Space};
use tiresias_solve::{
    BackwardInduction, CornerBounds, Estimate, Exact, Faces, Limits, ModifiedPolicyIteration, Plans, PolicyIteration,
    Progress, Search, Solution, SolveError, Solver, ValueIteration, auto, no_hook,
};

/// The time limit.
const TIME: Duration = Duration::from_millis(50);
/// The promise is a tenth of a second; a test binary is slow, and so is a machine with other work.
const OVER: Duration = Duration::from_secs(1);
/// A solve that is not back by then is not coming.
const HANGS: Duration = Duration::from_secs(60);

/// How many cases: 20 times as many at full length.
fn cases(short: u64) -> u64 {
    if std::env::var("TIRESIAS_PROMISES").is_ok_and(|length| length == "full") { 20 * short } else { short }
}

fn pick<T: Copy>(draw: &mut Sequence, of: &[T]) -> T {
    of[draw.integer(0, of.len() as u32 - 1) as usize]
}

/// A distribution: sure, sparse, dense, or with parts that are next to impossible.
fn row(draw: &mut Sequence, columns: usize, unlikely: bool) -> Vec<f64> {
    let mut weights: Vec<f64> = match draw.integer(0, 3) {
        0 => vec![0.0; columns],
        1 => (0..columns).map(|_| draw.uniform()).collect(),
        _ => (0..columns).map(|_| if draw.uniform() < 0.5 { 0.0 } else { draw.uniform() }).collect(),
    };
    let sum: f64 = weights.iter().sum();
    if sum == 0.0 {
        weights[draw.integer(0, columns as u32 - 1) as usize] = 1.0;
    } else {
        weights.iter_mut().for_each(|w| *w /= sum);
    }
    for w in &mut weights {
        if unlikely && *w == 0.0 && draw.uniform() < 0.3 {
            *w = pick(draw, &[1e-300, 1e-310, 1e-160, 1e-60, 1e-13]);
        }
    }
    weights
}

fn kernel(draw: &mut Sequence, rows: usize, columns: usize, unlikely: bool) -> Kernel {
    Kernel::from_dense(columns, &(0..rows).flat_map(|_| row(draw, columns, unlikely)).collect::<Vec<_>>())
}

/// Numbers that a model's oddity may lie in.
struct Odd<'a> {
    /// Sizes of rewards.
    magnitudes: &'a [f64],
    /// 0 for none.
    horizons: &'a [usize],
    discounts: &'a [f64],
    unlikely: bool,
}

const ODDEST: Odd = Odd {
    magnitudes: &[1.0, 1e8, 1e-8, 1e100, 1e-100],
    horizons: &[0, 0, 1, 2, 7, 40, 1_000, 20_000],
    discounts: &[0.0, 0.5, 0.9, 0.99, 0.9999, 1.0 - 1e-9, 1.0 - 1e-14, 1.0],
    unlikely: true,
};

/// Rewards and probabilities that arithmetic scales without rounding.
const PLAIN: Odd =
    Odd { magnitudes: &[1.0], horizons: &[0, 0, 1, 3, 6], discounts: &[0.0, 0.5, 0.9, 0.97], unlikely: false };

/// The same model for the same number.
fn odd(number: u64, odd: &Odd) -> Model {
    let mut draw = Key::named(7, &["odd"], &[number]).sequence();
    let draw = &mut draw;
    let states = pick(draw, &[1, 2, 2, 3, 3, 4, 6, 12]);
    let actions = pick(draw, &[1, 1, 1, 2, 3, 5]);
    let hidden = draw.uniform() < 0.8;
    let observations = pick(draw, &[1, 1, 2, 3, 4]);
    let models = pick(draw, &[1, 1, 2, 3, 5]);
    let unlikely = odd.unlikely && draw.uniform() < 0.4;
    let mut dynamics: Vec<Dynamics> = (0..models)
        .map(|_| Dynamics {
            transition: kernel(draw, actions * states, states, unlikely),
            observation: hidden.then(|| kernel(draw, actions * states, observations, unlikely)),
        })
        .collect();
    if draw.uniform() < 0.1 {
        dynamics = vec![dynamics[0].clone(); models];
    }
    let horizon = pick(draw, odd.horizons);
    let discount = loop {
        let discount = pick(draw, odd.discounts);
        if horizon > 0 || discount < 1.0 {
            break discount;
        }
    };
    let size = pick(draw, odd.magnitudes);
    let mut reward = |n: usize| (0..n).map(|_| size * f64::from(draw.integer(0, 12)) - 6.0 * size).collect::<Vec<_>>();
    let (mut rewards, last) = (reward(actions * states), reward(states));
    if draw.uniform() < 0.05 {
        rewards.fill(0.0);
    }
    if draw.uniform() < 0.1 {
        rewards[0] *= 1e8;
    }
    let name = |what: &str, n: usize| Space::unnamed(what, n).unwrap();
    ModelBuilder {
        name: format!("odd {number}"),
        states: name("states", states),
        actions: name("actions", actions),
        observations: hidden.then(|| name("observations", observations)),
        reward: Reward::StateAction(rewards),
        start: row(draw, states, unlikely),
        discount,
        horizon: (horizon > 0).then_some(horizon),
        terminal: if draw.uniform() < 0.2 { vec![states - 1] } else { Vec::new() },
        final_reward: if horizon > 0 && draw.uniform() < 0.3 { last } else { Vec::new() },
        dynamics,
        alpha: pick(draw, &[1.0, 1.0, 0.0, 0.3, 0.72]),
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

/// Every solver that may treat the model.
fn solvers(model: &Model) -> Vec<Box<dyn Solver>> {
    match (model.kind(), model.horizon()) {
        (Kind::Mdp | Kind::RobustMdp, Some(_)) => vec![auto(model), Box::new(BackwardInduction)],
        (Kind::Mdp | Kind::RobustMdp, None) => vec![
            auto(model),
            Box::new(ValueIteration),
            Box::new(ModifiedPolicyIteration::default()),
            Box::new(PolicyIteration::default()),
        ],
        (Kind::RobustPomdp, _) => Vec::new(),
        (Kind::Pomdp | Kind::Apomdp, _) => vec![
            auto(model),
            Box::new(CornerBounds),
            Box::new(Search::default()),
            Box::new(Plans::default()),
            Box::new(Faces::default()),
            Box::new(Estimate::default()),
            Box::new(Exact::default()),
        ],
    }
}

/// Processor time of this thread, where the system tells.
fn processor() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

/// What one solve says and the processor time that it took after it was to stop, or what is wrong with it.
fn solved(model: &Model, solver: &dyn Solver, by_hook: bool, gap: f64) -> Result<(Option<Solution>, Duration), String> {
    let limits = Limits { gap, time: (!by_hook).then_some(TIME), threads: 1, ..Limits::default() };
    let begin = Instant::now();
    let used = || processor().unwrap_or_else(|| begin.elapsed());
    // The hook is called every few milliseconds: the last call in time is about when time is up.
    let in_time = Cell::new(used());
    let hook = |p: &Progress| {
        if p.elapsed < TIME {
            in_time.set(used());
            return ControlFlow::Continue(());
        }
        if by_hook { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let solution = solver.solve(model, &limits, &hook);
    let over = if begin.elapsed() > TIME { used().saturating_sub(in_time.get()) } else { Duration::ZERO };
    if over > OVER {
        return Err(format!("{over:?} too late"));
    }
    match solution {
        Ok(solution) if solution.lower <= solution.upper => Ok((Some(solution), over)),
        Ok(solution) => Err(format!("bounds {} and {}", solution.lower, solution.upper)),
        Err(SolveError::Unsupported { .. }) => Ok((None, over)),
        Err(error) => Err(error.to_string()),
    }
}

/// All solvers on one model: by how much each was late, or what is wrong.
fn every_solver(number: u64) -> Result<Vec<(Duration, String)>, String> {
    let model = odd(number, &ODDEST);
    let (least, greatest) = model.value_range();
    let size = least.abs().max(greatest.abs());
    let gap = [0.0, 1e-3, 0.1 * size][number as usize % 3];
    let mut late = Vec::new();
    let mut narrowest: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
    for (k, solver) in solvers(&model).iter().enumerate() {
        let name = format!("model {number}, {} (number {k})", solver.name());
        let run = || solved(&model, solver.as_ref(), (number + k as u64).is_multiple_of(2), gap);
        let answer = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("a panic".into()));
        let (solution, over) = answer.map_err(|what| format!("{name}: {what}\n{}", model.to_json()))?;
        late.push((over, name.clone()));
        let Some(Solution { lower, upper, .. }) = solution else { continue };
        narrowest = (narrowest.0.max(lower), narrowest.1.min(upper));
        if narrowest.0 > narrowest.1 + 1e-9 * size {
            return Err(format!(
                "{name}: [{lower}, {upper}] and others exclude each other: {narrowest:?}\n{}",
                model.to_json()
            ));
        }
    }
    Ok(late)
}

#[test]
fn every_solver_hears_the_clock_and_the_hook() {
    let (sender, receiver) = channel();
    let all = cases(20);
    std::thread::spawn(move || {
        for number in 0..all {
            if sender.send((number, every_solver(number))).is_err() {
                return;
            }
        }
    });
    let mut late = Vec::new();
    for expected in 0..all {
        match receiver.recv_timeout(HANGS) {
            Ok((_, Ok(one))) => late.extend(one),
            Ok((_, Err(what))) => panic!("{what}"),
            Err(RecvTimeoutError::Timeout) => {
                panic!("not back after {HANGS:?}: model {expected}\n{}", odd(expected, &ODDEST).to_json())
            }
            Err(RecvTimeoutError::Disconnected) => panic!("model {expected} ended the thread"),
        }
    }
    late.sort_unstable();
    let worst: Vec<String> = late.iter().rev().take(8).map(|(over, name)| format!("{over:?} {name}")).collect();
    println!("{} solves of {all} models; processor time over the limit, the most: {}", late.len(), worst.join("; "));
}

/// Lower bounds and upper bounds of these came by two ways, and crossed by one rounding.
#[test]
fn bounds_that_meet_do_not_cross() {
    let text = r#"{"schema":"tiresias.model/1","name":"odd 35","states":3,"actions":1,"observations":1,"discount":0.9999,"horizon":7,
        "alpha":0.0,"start":[0.27881124315708766,0.35090563905577365,0.3702831177871387],"terminal":["2"],
        "reward":{"state_action":[[-6e-100,5e-100,6e-100]]},
        "dynamics":[{"transition":[[{"0":1.0,"1":1e-310},{"1":1.0},{"2":1.0}]],"observation":[[{"0":1.0},{"0":1.0},{"0":1.0}]]}]}"#;
    let model = Model::from_json(text).unwrap();
    for solver in solvers(&model) {
        if let Ok(solution) = solver.solve(&model, &Limits::default(), &no_hook) {
            assert!(solution.lower <= solution.upper, "{}: {} {}", solver.name(), solution.lower, solution.upper);
            assert!(solution.lower <= solution.value() && solution.value() <= solution.upper);
        }
    }
}

/// The model in units in which a reward is so many times as large.
fn in_units(model: &Model, factor: f64) -> Model {
    let mut parts = model.to_builder();
    if let Reward::StateAction(rewards) = &mut parts.reward {
        rewards.iter_mut().for_each(|r| *r *= factor);
    }
    parts.final_reward.iter_mut().for_each(|r| *r *= factor);
    parts.build().unwrap()
}

/// The same for any number of threads and any clock: what bounds a run is counted.
fn counted(model: &Model) -> Vec<Box<dyn Solver>> {
    let mut all = solvers(model);
    all.retain(|solver| !matches!(solver.name(), "search" | "plans" | "faces" | "exact"));
    if matches!(model.kind(), Kind::Pomdp | Kind::Apomdp) {
        all.push(Box::new(Search { most_trials: 100, ..Search::default() }));
        all.push(Box::new(Plans { most_trials: 30, ..Plans::default() }));
        all.push(Box::new(Faces { first_divisions: 3, most_divisions: 8 }));
        all.push(Box::new(Exact { most_work: 300_000, ..Exact::default() }));
    }
    all
}

#[test]
fn units_of_reward_change_nothing_but_the_units() {
    for number in 0..cases(20) {
        let model = odd(number, &PLAIN);
        // A power of two scales without rounding, so every step is the same, bit for bit.
        for factor in [2.0_f64.powi(27), 2.0_f64.powi(-27)] {
            let other = in_units(&model, factor);
            for (solver, same) in counted(&model).iter().zip(counted(&other)) {
                let run = |solver: &dyn Solver, model: &Model, gap: f64| {
                    let limits = Limits { gap, threads: 1, ..Limits::default() };
                    match solver.solve(model, &limits, &no_hook) {
                        Ok(s) => {
                            Some((s.lower, s.upper, s.stats.iterations, s.stats.backups, s.stats.vectors, s.stopped))
                        }
                        Err(SolveError::Unsupported { .. }) => None,
                        Err(error) => panic!("{error}"),
                    }
                };
                let (one, two) = (run(solver.as_ref(), &model, 0.01), run(same.as_ref(), &other, 0.01 * factor));
                let scaled = one.map(|one| (factor * one.0, factor * one.1, one.2, one.3, one.4, one.5));
                assert_eq!(scaled, two, "{} times {factor}, model {number}\n{}", solver.name(), model.to_json());
            }
        }
    }
}

#[test]
fn rewards_beyond_arithmetic_are_refused_in_words() {
    for number in 0..40 {
        let model = in_units(&odd(number, &PLAIN), 1e200);
        if model.value_range() == (0.0, 0.0) {
            continue;
        }
        for solver in solvers(&model) {
            let found = solver.solve(&model, &Limits::default(), &no_hook).err();
            let Some(SolveError::Rewards { .. } | SolveError::Unsupported { .. }) = found else {
                panic!("{}: {found:?}", solver.name())
            };
        }
    }
}

/// The text of a block, from its opening brace on.
fn block(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return &text[..=at],
            '}' => depth -= 1,
            _ => {}
        }
    }
    text
}

#[test]
fn no_loop_without_a_bound_of_its_own_forgets_to_look_or_to_say_why_it_ends() {
    let asks = ["watch.", "late()", "spend(", "spent()", "pause", "Ends:"];
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = 0;
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let mut at = 0;
            for line in code.split_inclusive('\n') {
                let start = line.trim_start();
                let is_open = start.starts_with("while ") || start.starts_with("loop {") || start.contains("= loop {");
                if is_open {
                    let said =
                        code[..at].trim_end().lines().rev().take_while(|line| line.trim_start().starts_with("//"));
                    let loops = block(&code[at..]);
                    let heard = |text: &str| asks.iter().any(|ask| text.contains(ask));
                    assert!(
                        heard(loops) || said.into_iter().any(heard),
                        "{}: {start} neither looks at its watch nor says `Ends:`",
                        path.display()
                    );
                    found += 1;
                }
                at += line.len();
            }
        }
    }
    assert!(found > 15, "{found} loops");
}
