//! What is handed out earns what was proven: every solver of a single POMDP, the policy as it acts and in every format, evaluated
//! exactly on thousands of random models, with hidden and observed parts, terminal states, costs, with and without a horizon, from
//! starts that spread or do not, and with solves that stop at any moment.

mod common;

use std::collections::HashMap;
use std::time::Duration;

use common::enumerate_policy;
use tiresias_model::format::{ReadOptions, read};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Policy, Reward, Space};
use tiresias_solve::formats::{AlphaPolicy, Controller, PolicyFileError, PolicyFormat};
use tiresias_solve::{CornerBounds, Exact, Limits, Search, Solution, Solver, auto, no_hook};

/// So many in a short run, twenty times as many in a full one.
fn cases(short: u64) -> u64 {
    if std::env::var("TIRESIAS_PROMISES").is_ok_and(|length| length == "full") { 20 * short } else { short }
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A distribution over some of `n`, on at most `most` of those that `allowed` names.
    fn distribution(&mut self, n: usize, most: usize, allowed: impl Fn(usize) -> bool) -> Vec<f64> {
        let open: Vec<usize> = (0..n).filter(|&i| allowed(i)).collect();
        let mut out = vec![0.0; n];
        let round = self.below(2) == 0;
        for _ in 0..=self.below(most) {
            out[self.pick(&open)] += if round { 1.0 } else { 0.1 + self.uniform() };
        }
        let sum: f64 = out.iter().sum();
        out.iter().map(|p| p / sum).collect()
    }
}

/// A random model whose state has `cells` observed values; every observation tells the value, and perhaps more. Few successors and
/// few rewards, so that plans have to go somewhere.
fn random_model(seed: u64, horizon: Option<usize>) -> Model {
    let mut random = Random(seed);
    let cells = random.pick(&[1, 1, 2, 3, 4]);
    let states = cells + random.below(10 - cells);
    let (actions, signals) = (2 + random.below(2), 1 + random.below(2));
    let mut cell_of: Vec<usize> = (0..states).map(|s| if s < cells { s } else { random.below(cells) }).collect();
    cell_of.sort_unstable();
    let observations = cells * signals;
    let successors = 1 + random.below(3);
    let transition: Vec<f64> = (0..actions * states)
        .flat_map(|_| {
            let anywhere = random.below(3) == 0;
            let cell = random.below(cells);
            random.distribution(states, successors, |s| anywhere || cell_of[s] == cell)
        })
        .collect();
    let telling = random.below(3) > 0;
    let observation: Vec<f64> = (0..actions * states)
        .flat_map(|row| {
            let cell = if telling { cell_of[row % states] } else { 0 };
            random.distribution(observations, 2, |o| if telling { o / signals == cell } else { o < signals })
        })
        .collect();
    let scale = random.pick(&[1.0, 1.0, 1.0, 0.1, 1e4]);
    let sign = random.pick(&[1.0, -1.0, 0.0]);
    let rare = random.below(4);
    let reward = |random: &mut Random| {
        if random.below(4) < rare {
            return 0.0;
        }
        let size = scale * (random.below(20) as f64 - 10.0);
        if sign == 0.0 { size } else { sign * size.abs() }
    };
    let rewards: Vec<f64> = (0..actions * states).map(|_| reward(&mut random)).collect();
    let terminal = if random.below(3) == 0 { vec![random.below(states)] } else { Vec::new() };
    let start = match random.below(3) {
        0 => random.distribution(states, 1, |_| true),
        1 => random.distribution(states, 3, |s| cell_of[s] == 0),
        _ => random.distribution(states, 5, |_| true),
    };
    let final_reward = if horizon.is_some() && random.below(2) == 0 {
        (0..states).map(|_| reward(&mut random)).collect()
    } else {
        Vec::new()
    };
    let dynamics = Dynamics {
        transition: Kernel::from_dense(states, &transition),
        observation: Some(Kernel::from_dense(observations, &observation)),
    };
    ModelBuilder {
        name: format!("random-{seed}"),
        states: Space::unnamed("states", states).unwrap(),
        actions: Space::unnamed("actions", actions).unwrap(),
        observations: Some(Space::unnamed("observations", observations).unwrap()),
        reward: Reward::StateAction(rewards),
        start,
        discount: if horizon.is_some() {
            random.pick(&[1.0, 1.0, 0.9, 0.0])
        } else {
            random.pick(&[0.9, 0.8, 0.5, 0.0])
        },
        horizon,
        terminal,
        final_reward,
        dynamics: vec![dynamics],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

/// What may be lost by rounding and by ties: a share of what values can differ by.
fn tolerance(model: &Model) -> f64 {
    let (low, high) = model.value_range();
    1e-7 * (high - low) + 1e-9 * low.abs().max(high.abs()) + 1e-300
}

/// What a policy earns from the start. With a horizon by all histories; without one over the beliefs that it comes to, where those
/// beyond the first two thousand are counted with the most that can be earned, so that the result errs upwards only.
fn earned(model: &Model, policy: &dyn Policy) -> f64 {
    if model.horizon().is_some() {
        return enumerate_policy(model, 0, model.start(), &|stage, belief| policy.action(stage, belief));
    }
    let most = CornerBounds.solve(model, &Limits::default(), &no_hook).unwrap().policy;
    let (states, observations) = (model.states().len(), model.observations().unwrap().len());
    let mut beliefs = vec![model.start().to_vec()];
    let key = |belief: &[f64]| -> Vec<i64> { belief.iter().map(|p| (p * 1e10).round() as i64).collect() };
    let mut known = HashMap::from([(key(model.start()), 0)]);
    // Reward, and the beliefs that follow with their probabilities.
    let mut steps: Vec<(f64, Vec<(f64, usize)>)> = Vec::new();
    let mut joint = vec![0.0; states];
    while steps.len() < beliefs.len().min(2_000) {
        let belief = beliefs[steps.len()].clone();
        let action = policy.action(0, &belief);
        let reward: f64 = (0..states).map(|s| belief[s] * model.expected_reward(0)[action * states + s]).sum();
        let mut next = Vec::new();
        for o in 0..observations {
            let mass = tiresias_model::belief::joint(model, 0, &belief, action, o, &mut joint);
            if mass > 0.0 {
                let after: Vec<f64> = joint.iter().map(|p| p / mass).collect();
                let number = *known.entry(key(&after)).or_insert(beliefs.len());
                if number == beliefs.len() {
                    beliefs.push(after);
                }
                next.push((mass, number));
            }
        }
        steps.push((reward, next));
    }
    let mut values: Vec<f64> = beliefs.iter().map(|belief| most.bounds(0, belief).1).collect();
    let sweeps = if model.discount() == 0.0 { 2.0 } else { 1e-12_f64.ln() / model.discount().ln() };
    for _ in 0..sweeps.ceil() as usize {
        for (i, (reward, next)) in steps.iter().enumerate() {
            values[i] = reward + model.discount() * next.iter().map(|&(p, j)| p * values[j]).sum::<f64>();
        }
    }
    values[0]
}

/// What a controller earns from node 0, by its nodes and not by beliefs.
fn walked(model: &Model, controller: &Controller) -> f64 {
    let states = model.states().len();
    let kernel = model.dynamics()[0].observation.as_ref().unwrap();
    let horizon = model.horizon();
    let steps = horizon.unwrap_or_else(|| {
        if model.discount() == 0.0 { 2 } else { (1e-12_f64.ln() / model.discount().ln()).ceil() as usize }
    });
    let mut values: Vec<Vec<f64>> = Vec::new();
    for stage in (0..steps).rev() {
        let nodes = controller.nodes(if horizon.is_some() { stage } else { 0 });
        let value = |(number, node): (usize, &tiresias_solve::formats::Node)| -> Vec<f64> {
            let action = node.action as usize;
            let stay = if horizon.is_some() { 0 } else { number };
            let ahead = |to: usize| -> f64 {
                if stage + 1 == steps {
                    return model.final_reward().get(to).copied().unwrap_or(0.0);
                }
                let after = |o: usize| node.next[o].map_or(stay, |next| next as usize);
                kernel.pairs(action * states + to).map(|(o, q)| q * values[after(o)][to]).sum()
            };
            let one = |from: usize| -> f64 {
                let pairs = model.dynamics()[0].transition.pairs(action * states + from);
                let mean: f64 = pairs.map(|(to, p)| p * ahead(to)).sum();
                model.expected_reward(0)[action * states + from] + model.discount() * mean
            };
            (0..states).map(one).collect()
        };
        values = nodes.iter().enumerate().map(value).collect();
    }
    values[0].iter().zip(model.start()).map(|(v, p)| v * p).sum()
}

/// The policy as written in a format and read again; `None` where the format cannot hold it.
fn written(policy: &AlphaPolicy, format: PolicyFormat, model: &Model) -> Option<Vec<String>> {
    match policy.write(format, model) {
        Ok(texts) => Some(texts),
        Err(PolicyFileError::Unsupported(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

/// Everything that is handed out of a solution earns its lower bound.
fn check(model: &Model, solution: &Solution, what: &str) {
    let enough = solution.lower - tolerance(model);
    let keeps = |value: f64, how: &str| {
        assert!(
            value >= enough,
            "{} by {what}: {how} earns {value}, proven are {} to {}",
            model.name(),
            solution.lower,
            solution.upper
        );
        assert!(value <= solution.upper + tolerance(model), "{}: {how} earns {value}", model.name());
    };
    let acts = earned(model, &solution.policy);
    assert!(acts >= enough, "{} by {what}: earns {acts}, proven are {}", model.name(), solution.lower);
    let again =
        Solution::load(&solution.save(), model).unwrap_or_else(|error| panic!("{} by {what}: {error}", model.name()));
    assert_eq!((again.lower, &again.policy), (solution.lower, &solution.policy));
    let assessment = solution.policy.assess(0, model.start());
    for action in 0..model.actions().len() {
        let (low, q, high) = (assessment.lower[action], assessment.q_values[action], assessment.upper[action]);
        assert!(
            low <= q + tolerance(model) && q <= high + tolerance(model),
            "{} by {what}: {low} {q} {high}",
            model.name()
        );
    }
    let Ok(policy) = AlphaPolicy::from_solved(&solution.policy) else { return };
    for format in [PolicyFormat::Alpha, PolicyFormat::Sarsop, PolicyFormat::Graph] {
        let Some(texts) = written(&policy, format, model) else { continue };
        let names: Vec<String> = (1..=texts.len()).map(|k| format!("policy{k}")).collect();
        let files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
        let back = AlphaPolicy::read(&files, Some(format), model).unwrap();
        let acts = earned(model, &back);
        assert!(acts >= enough, "{} by {what}: {format:?} earns {acts}, proven are {}", model.name(), solution.lower);
        if format == PolicyFormat::Graph {
            keeps(walked(model, &Controller::read(&files, model).unwrap()), "the controller");
        }
    }
    // No backup lowers what the vectors say at the beliefs that an action and an observation lead to.
    let mut random = Random(7);
    let (states, actions) = (model.states().len(), model.actions().len());
    for stage in 1..model.horizon().unwrap_or(4) {
        let (from, action) = (random.distribution(states, 3, |_| true), random.below(actions));
        let mut joint = vec![0.0; states];
        let inside = |s: usize| model.horizon().is_none() && model.start()[s] > 0.0;
        let from = if (0..states).any(inside) { model.start().to_vec() } else { from };
        for o in 0..model.observations().unwrap().len() {
            let mass = tiresias_model::belief::joint(model, 0, &from, action, o, &mut joint);
            if mass > 0.0 {
                let after: Vec<f64> = joint.iter().map(|p| p / mass).collect();
                let (value, assessment) = (policy.value(stage, &after), solution.policy.assess(stage, &after));
                let backed_up = assessment.lower[policy.action(stage, &after)];
                assert!(
                    backed_up >= value - tolerance(model),
                    "{} by {what}: at stage {stage} the vectors say {value}, a backup {backed_up}",
                    model.name()
                );
            }
        }
    }
}

/// Solvers, cut short or not.
fn solvers(random: &mut Random, model: &Model) -> Vec<(String, Solution)> {
    let gap = random.pick(&[1.0, 1e-2, 1e-6]);
    let most_trials = random.pick(&[0, 1, 3, 10, 100, 400]);
    let most_work = random.pick(&[100, 10_000, 300_000]);
    let limits = Limits::with_gap(gap);
    let late = Limits { time: Some(Duration::ZERO), ..limits.clone() };
    let search = Search { most_trials, ..Search::default() };
    let exact = |everywhere| Exact { everywhere, most_work };
    let everywhere = random.below(2) == 0;
    let mut out = vec![
        (format!("search of {most_trials} trials"), search.solve(model, &limits, &no_hook)),
        (
            format!("exact, {most_work} work, everywhere {everywhere}"),
            exact(everywhere).solve(model, &limits, &no_hook),
        ),
        ("corners".into(), CornerBounds.solve(model, &limits, &no_hook)),
    ];
    match random.below(4) {
        0 => out.push(("search without time".into(), search.solve(model, &late, &no_hook))),
        1 => out.push(("exact without time".into(), exact(false).solve(model, &late, &no_hook))),
        2 => out.push(("auto without time".into(), auto(model).solve(model, &late, &no_hook))),
        _ => out.push(("auto".into(), auto(model).solve(model, &Limits::with_gap(gap.max(1e-3)), &no_hook))),
    }
    out.into_iter().map(|(what, solution)| (what, solution.unwrap())).collect()
}

fn run(seeds: std::ops::Range<u64>, horizon: impl Fn(u64) -> Option<usize>) {
    for seed in seeds {
        let model = random_model(seed, horizon(seed));
        let mut random = Random(seed ^ 0xabcd);
        for (what, mut solution) in solvers(&mut random, &model) {
            check(&model, &solution, &what);
            // Tightened from elsewhere, the policy earns no less.
            if what.starts_with("search") && random.below(3) == 0 {
                let belief = random.distribution(model.states().len(), 4, |_| true);
                let stage = random.below(model.horizon().unwrap_or(1));
                let trials = std::cell::Cell::new(0);
                let some = |_: &tiresias_solve::Progress| {
                    trials.set(trials.get() + 1);
                    if trials.get() > 20 {
                        std::ops::ControlFlow::Break(())
                    } else {
                        std::ops::ControlFlow::Continue(())
                    }
                };
                solution.policy.refine(stage, &belief, &Limits::with_gap(1e-6), &some).unwrap();
                check(&model, &solution, &format!("{what}, refined"));
            }
        }
    }
}

#[test]
fn policies_without_a_horizon_earn_what_was_proven() {
    run(0..cases(200), |_| None);
}

#[test]
fn policies_with_a_horizon_earn_what_was_proven() {
    run(1_000_000..1_000_000 + cases(200), |seed| Some(1 + seed as usize % 4));
}

/// A cell's plan is to go on with another cell's, whose own plan changes for a better mean later and then leaves the states that
/// matter with nothing.
const PASSED_ON: &str = "discount: 0.9\nstates: a d c1 c2 e1 e2 h f0 f g z\nactions: y x w\nobservations: 8\nstart: a\n\
    T: * : * 0 0 0 0 0 0 0 0 0 0 1\nT: x : a 0 1 0 0 0 0 0 0 0 0 0\nT: y : a 0 0 0.5 0.5 0 0 0 0 0 0 0\n\
    T: w : a 0 0 0 0 0.5 0.5 0 0 0 0 0\nT: * : d 0 0 1 0 0 0 0 0 0 0 0\nT: x : c1 0 0 0 0 1 0 0 0 0 0 0\n\
    T: x : e1 0 0 0 0 0 0 1 0 0 0 0\nT: x : f0 0 0 0 0 0 0 0 0 1 0 0\nT: x : f 0 0 0 0 0 0 0 0 0 1 0\n\
    T: y : c2 0 0 0 0 0 0 0 1 0 0 0\nT: y : e2 0 0 0 0 0 0 0 0 1 0 0\n\
    O: * 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 1 0 0 0 0 0 \
    0 0 0 1 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0 1\n\
    R: w : h : * : * 10\nR: w : g : * : * 12\n";

#[test]
fn a_plan_goes_on_with_plans_that_are_there() {
    let model = read("passed-on.pomdp", PASSED_ON.as_bytes(), &ReadOptions::default()).unwrap().model;
    // From a by x to d, c1, e1 and h, then w: 10 after four steps.
    let best = 0.9_f64.powi(4) * 10.0;
    for most_trials in [0, 1, 10, 1_000] {
        let solution =
            Search { most_trials, ..Search::default() }.solve(&model, &Limits::with_gap(1e-6), &no_hook).unwrap();
        check(&model, &solution, &format!("search of {most_trials} trials"));
        if most_trials == 1_000 {
            assert!((solution.lower - best).abs() < 1e-6, "{}", solution.lower);
        }
    }
}

/// Sets large enough for vectors to be dropped.
#[test]
fn vectors_that_others_go_on_with_are_not_dropped() {
    for seed in 7..7 + cases(1) {
        let mut random = Random(seed);
        let (states, actions, observations) = (20, 3, 3);
        let rows = |random: &mut Random, n: usize| -> Vec<f64> {
            (0..actions * states).flat_map(|_| random.distribution(n, 3, |_| true)).collect()
        };
        let dynamics = Dynamics {
            transition: Kernel::from_dense(states, &rows(&mut random, states)),
            observation: Some(Kernel::from_dense(observations, &rows(&mut random, observations))),
        };
        let model = ModelBuilder {
            name: format!("dense-{seed}"),
            states: Space::unnamed("states", states).unwrap(),
            actions: Space::unnamed("actions", actions).unwrap(),
            observations: Some(Space::unnamed("observations", observations).unwrap()),
            reward: Reward::StateAction((0..actions * states).map(|_| random.uniform()).collect()),
            start: vec![1.0 / states as f64; states],
            discount: 0.95,
            horizon: None,
            terminal: Vec::new(),
            final_reward: Vec::new(),
            dynamics: vec![dynamics],
            alpha: 1.0,
            ambiguity: None,
            observation_ambiguity: None,
        }
        .build()
        .unwrap();
        let solution =
            Search { most_trials: 800, ..Search::default() }.solve(&model, &Limits::with_gap(0.0), &no_hook).unwrap();
        let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
        let mut worst = 0.0_f64;
        for _ in 0..2_000 {
            let belief = random.distribution(states, 5, |_| true);
            let assessment = solution.policy.assess(0, &belief);
            worst = worst.max(policy.value(0, &belief) - assessment.lower[policy.action(0, &belief)]);
        }
        assert!(worst < 1e-9, "{} of {} vectors: a backup lowers them by {worst}", model.name(), policy.len());
    }
}
