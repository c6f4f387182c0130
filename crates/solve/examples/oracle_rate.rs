//! Oracle rate on the energy family: tasks/s to a proven gap, and the regret bounds of labels along perturbed rollouts.
//!
//! `cargo run --release -p tiresias-solve --example oracle_rate [tasks]`
//!
//! The floor it is measured against: a stage of the sweep reads 3 lattice vertices of 4 numbers for every image of every vertex,
//! and as much again for every crossing of an edge's image with the target's cell lines. At 6 divisions an energy APOMDP has
//! about 220 vertices, 11,000 images and 25,000 crossings: 110,000 vector multiply-adds a stage when all crossings are asked for,
//! their data (2 MB) streamed from the outer caches, so 0.1 to 0.2 ms a stage and 1 to 2 ms for ten. Finding the images and
//! crossings, once a task, takes some 36,000 locations in a lattice at 20 to 50 ns each, another 1 to 2 ms.

use std::time::Instant;

use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_model::random::Key;
use tiresias_model::{Model, Policy, Reward, belief};
use tiresias_solve::{Limits, Solution, auto, no_hook, solve_batch};

fn main() {
    let tasks: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100);
    println!(
        "regime  horizon  gap   threads  tasks/s  gap/span median, max     label regret/span 50 %, 95 %, max  assess µs"
    );
    for regime in [Regime::Mdp, Regime::Pomdp, Regime::Apomdp] {
        for horizon in [5, 10, 20] {
            let drawn: Vec<(Model, usize)> = (0..tasks).map(|index| task(regime, index, horizon)).collect();
            let models: Vec<Model> = drawn.iter().map(|d| d.0.clone()).collect();
            let spans: Vec<f64> = models.iter().map(span).collect();
            for share in [0.05, 0.01, 0.001] {
                if regime == Regime::Mdp && share < 0.05 {
                    continue;
                }
                for threads in [1, 2] {
                    row(regime, horizon, share, threads, &drawn, &models, &spans);
                }
            }
        }
    }
}

fn task(regime: Regime, index: u64, horizon: usize) -> (Model, usize) {
    let request = TaskRequest { split: "train".into(), index, seed: 1, regime, horizon, models: 3, alpha: 1.0 };
    let task = family("energy").expect("it exists").task(&request).expect("the split exists");
    (task.model, task.true_model)
}

/// The best less the worst value that any policy achieves.
fn span(model: &Model) -> f64 {
    let mut builder = model.to_builder();
    if let Reward::StateAction(rewards) = &mut builder.reward {
        rewards.iter_mut().for_each(|r| *r = -*r);
    }
    builder.alpha = 1.0 - builder.alpha;
    let negated = builder.build().expect("only signs changed");
    let value = |m: &Model| auto(m).solve(m, &Limits::with_gap(0.2), &no_hook).expect("auto fits").value();
    value(model) + value(&negated)
}

fn row(
    regime: Regime,
    horizon: usize,
    share: f64,
    threads: usize,
    drawn: &[(Model, usize)],
    models: &[Model],
    spans: &[f64],
) {
    // A batch has one limit for all its tasks: the share of their mean span. One thread solves each to the share of its own.
    let clock = Instant::now();
    let solutions: Vec<Solution> = if threads == 1 {
        let one = |(m, s): (&Model, &f64)| auto(m).solve(m, &Limits::with_gap(share * s), &no_hook).expect("auto fits");
        models.iter().zip(spans).map(one).collect()
    } else {
        let mean = spans.iter().sum::<f64>() / spans.len() as f64;
        let limits = Limits { threads, ..Limits::with_gap(share * mean) };
        let hook = |_: usize, p: &tiresias_solve::Progress| no_hook(p);
        solve_batch(models, &limits, &hook).into_iter().map(|s| s.expect("auto fits")).collect()
    };
    let rate = models.len() as f64 / clock.elapsed().as_secs_f64();
    let mut gaps: Vec<f64> = solutions.iter().zip(spans).map(|(s, span)| s.gap() / span).collect();
    gaps.sort_by(f64::total_cmp);
    let (mut regrets, mut seconds) = (Vec::new(), 0.0);
    if threads == 1 {
        for (i, (solution, span)) in solutions.iter().zip(spans).enumerate() {
            for episode in 0..5 {
                let clock = Instant::now();
                rollout(&drawn[i], solution, horizon, episode, &mut |regret| regrets.push(regret / span));
                seconds += clock.elapsed().as_secs_f64();
            }
        }
    }
    let assess = 1e6 * seconds / regrets.len() as f64;
    regrets.sort_by(f64::total_cmp);
    let at = |sorted: &[f64], q: f64| {
        let last = sorted.len().saturating_sub(1);
        sorted.get((q * last as f64) as usize).copied().unwrap_or(f64::NAN)
    };
    println!(
        "{:7} {horizon:7} {share:5} {threads:8} {rate:8.0}  {:.6} {:.6}   {:.6} {:.6} {:.6}   {assess:.1}",
        regime.name(),
        at(&gaps, 0.5),
        at(&gaps, 1.0),
        at(&regrets, 0.5),
        at(&regrets, 0.95),
        at(&regrets, 1.0),
    );
}

/// One episode in the true model with 30 % random actions; `visit` gets the regret bound of every label.
fn rollout(
    (model, truth): &(Model, usize),
    solution: &Solution,
    horizon: usize,
    episode: u64,
    visit: &mut dyn FnMut(f64),
) {
    let mut draw = Key(77).sequence();
    for _ in 0..episode * 1000 {
        draw.uniform();
    }
    let s = model.states().len();
    let mut pick = |weights: &[f64]| {
        let (mut left, mut i) = (draw.uniform() * weights.iter().sum::<f64>(), 0);
        while i + 1 < weights.len() && left >= weights[i] {
            left -= weights[i];
            i += 1;
        }
        i
    };
    let mut state = pick(model.start());
    let mut b = model.start().to_vec();
    let observed = model.observations().is_none();
    for stage in 0..horizon {
        if observed {
            b = (0..s).map(|i| f64::from(u8::from(i == state))).collect();
        }
        let assessment = solution.policy.assess(stage, &b);
        let label = assessment.action();
        visit(assessment.regret_bound(label));
        let action = if pick(&[0.7, 0.3]) == 0 { label } else { pick(&[1.0, 1.0, 1.0]) };
        let dynamics = &model.dynamics()[*truth];
        let mut next = vec![0.0; s];
        dynamics.transition.pairs(action * s + state).for_each(|(to, p)| next[to] = p);
        state = pick(&next);
        if let Some(kernel) = &dynamics.observation {
            let mut seen = vec![0.0; kernel.columns()];
            kernel.pairs(action * s + state).for_each(|(o, p)| seen[o] = p);
            let observation = pick(&seen);
            let mut out = vec![0.0; s];
            let nature = solution.policy.nature(stage, &b, action);
            belief::update_under_ambiguity(model, nature, &b, action, observation, &mut out).expect("it was drawn");
            b = out;
        }
    }
}
