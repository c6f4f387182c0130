//! Trial-based search against the enumeration of the game tree and published values.

mod common;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Duration;

use common::{Size, belief, check_solution, draw, enumerate, hidden, runner, tiger, with_observed_halves};
use proptest::prelude::*;
use tiresias_model::classic::by_name;
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, Space, observed_component};
use tiresias_solve::{Limits, Search, Solution, Solver, Stopped, no_hook};

fn solve(model: &Model, gap: f64, trials: u64) -> Solution {
    let solver = Search { most_trials: trials, ..Search::default() };
    solver.solve(model, &Limits::with_gap(gap), &no_hook).unwrap()
}

#[test]
fn convex_models_converge_to_the_enumerated_value() {
    for (states, models, cases) in [(2, 1, 60), (3, 1, 60), (5, 1, 40), (3, 2, 60)] {
        let size = Size { states, actions: 2, observations: 2, models, horizon: 4 };
        let strategy = (hidden(size), prop::collection::vec(belief(states), 4));
        let run = |(model, beliefs): (Model, Vec<Vec<f64>>)| {
            let mut builder = model.to_builder();
            builder.alpha = 0.0;
            let model = builder.build().unwrap();
            let solution = solve(&model, 1e-6, 5_000);
            prop_assert_eq!(solution.stopped, Stopped::Converged);
            prop_assert!(solution.gap() <= 1e-6);
            check_solution(&model, &solution, &beliefs)
        };
        runner(cases).run(&strategy, run).unwrap();
    }
}

#[test]
fn observed_parts_keep_the_bounds_sound_and_tight() {
    let size = Size { states: 4, actions: 2, observations: 2, models: 1, horizon: 4 };
    let strategy = (hidden(size), prop::collection::vec(belief(4), 4));
    let split = Cell::new(0);
    runner(60)
        .run(&strategy, |(model, beliefs)| {
            let model = with_observed_halves(&model);
            split.set(split.get() + u32::from(observed_component(&model).is_some()));
            let solution = solve(&model, 1e-6, 5_000);
            prop_assert_eq!(solution.stopped, Stopped::Converged);
            check_solution(&model, &solution, &beliefs)?;
            check_solution(&model, &solve(&model, 0.0, 3), &beliefs)
        })
        .unwrap();
    assert!(split.get() > 20, "{} of the models are split", split.get());
}

#[test]
fn without_a_horizon_bounds_agree_with_a_long_one() {
    let check = |(model, beliefs): (Model, Vec<Vec<f64>>)| {
        for model in [with_observed_halves(&model), model] {
            let mut builder = model.to_builder();
            // A cloud has α-vectors when nature picks the model to please.
            let alpha = f64::from(u8::from(model.dynamics().len() == 1));
            (builder.discount, builder.final_reward, builder.alpha) = (0.7, Vec::new(), alpha);
            builder.horizon = Some(40);
            let long = solve(&builder.clone().build().unwrap(), 1e-4, 400);
            builder.horizon = None;
            let endless = builder.build().unwrap();
            // What the stages after the fortieth can add.
            let rest = 0.7_f64.powi(40) * 3.0 / 0.3;
            for trials in [1, 10, 400] {
                let last = Cell::new((f64::NEG_INFINITY, f64::INFINITY));
                let hook = |p: &tiresias_solve::Progress| {
                    assert!(p.lower >= last.get().0 && p.upper <= last.get().1);
                    last.set((p.lower, p.upper));
                    ControlFlow::Continue(())
                };
                let solver = Search { most_trials: trials, ..Search::default() };
                let solution = solver.solve(&endless, &Limits::with_gap(1e-4), &hook).unwrap();
                prop_assert!(solution.lower <= long.upper + rest + 1e-9 && long.lower - rest - 1e-9 <= solution.upper);
                let (lower, upper) = solution.policy.bounds(0, endless.start());
                prop_assert!(lower <= long.upper + rest + 1e-9 && long.lower - rest - 1e-9 <= upper);
                prop_assert!(lower >= solution.lower - 1e-9, "the policy is worth less than was said");
                for belief in &beliefs {
                    let (lower, upper) = solution.policy.bounds(0, belief);
                    let (least, most) = long.policy.bounds(0, belief);
                    prop_assert!(lower <= most + rest + 1e-9 && least - rest - 1e-9 <= upper);
                }
            }
        }
        Ok(())
    };
    for (models, cases) in [(1, 20), (2, 10)] {
        let size = Size { states: 4, actions: 3, observations: 2, models, horizon: 1 };
        runner(cases).run(&(hidden(size), prop::collection::vec(belief(4), 4)), check).unwrap();
    }
}

/// Known moves between states, of which some lead nowhere, so that beliefs come back to themselves, and some anywhere.
fn moves(states: usize, actions: usize) -> impl Strategy<Value = Model> {
    let moves = prop::collection::vec((0..states, 0..4_u8), states * actions);
    let rewards = prop::collection::vec(-1.0..1.0_f64, states * actions);
    (moves, prop::collection::vec(0..2_usize, states), rewards).prop_map(move |(moves, signs, rewards)| {
        let (mut transition, mut observation) = (Kernel::new(states), Kernel::new(2));
        for (row, &(to, kind)) in moves.iter().enumerate() {
            match kind {
                0 => transition.push_row([(row % states, 1.0)]),
                1 => transition.push_row((0..states).map(|to| (to, 1.0 / states as f64))),
                _ => transition.push_row([(to, 1.0)]),
            }
            observation.push_row([(signs[row % states], 1.0)]);
        }
        ModelBuilder {
            name: "moves".into(),
            states: Space::unnamed("states", states).unwrap(),
            actions: Space::unnamed("actions", actions).unwrap(),
            observations: Some(Space::unnamed("observations", 2).unwrap()),
            reward: Reward::StateAction(rewards),
            start: vec![1.0 / states as f64; states],
            discount: 0.8,
            horizon: None,
            terminal: Vec::new(),
            final_reward: Vec::new(),
            dynamics: vec![Dynamics { transition, observation: Some(observation) }],
            alpha: 1.0,
            ambiguity: None,
            observation_ambiguity: None,
        }
        .build()
        .unwrap()
    })
}

#[test]
fn beliefs_that_come_back_to_themselves_have_sound_bounds() {
    let check = |model: Model| {
        let mut builder = model.to_builder();
        builder.horizon = Some(60);
        let long = solve(&builder.build().unwrap(), 1e-4, 500);
        // What the stages after the sixtieth can add.
        let rest = 0.8_f64.powi(60) / 0.2;
        let solution = solve(&model, 1e-4, 500);
        prop_assert!(solution.lower <= long.upper + rest + 1e-9 && long.lower - rest - 1e-9 <= solution.upper);
        for state in 0..model.states().len() {
            let corner: Vec<f64> = (0..model.states().len()).map(|s| f64::from(u8::from(s == state))).collect();
            let (lower, upper) = solution.policy.bounds(0, &corner);
            let (least, most) = long.policy.bounds(0, &corner);
            prop_assert!(lower <= most + rest + 1e-9, "{} is above {}", lower, most);
            prop_assert!(least - rest - 1e-9 <= upper, "{} is below {}", upper, least);
        }
        Ok(())
    };
    for (states, actions) in [(3, 2), (6, 3), (9, 3)] {
        runner(40).run(&moves(states, actions), check).unwrap();
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let model = by_name("maze:hallway").unwrap();
    let solved = |threads| {
        let limits = Limits { threads, ..Limits::with_gap(1e-3) };
        Search { explore: 4, most_trials: 12 }.solve(&model, &limits, &no_hook).unwrap()
    };
    let alone = solved(1);
    assert_eq!(alone.stats.threads, 1);
    let beliefs: Vec<Vec<f64>> = draw(&prop::collection::vec(belief(model.states().len()), 10), &mut runner(1));
    for threads in [2, 3] {
        let shared = solved(threads);
        assert_eq!(shared.stats.threads, threads, "the search is large enough to be shared");
        let figures = |s: &Solution| {
            let stats = s.stats;
            (s.lower.to_bits(), s.upper.to_bits(), stats.iterations, stats.backups, stats.vectors, stats.points)
        };
        assert_eq!(figures(&shared), figures(&alone));
        for belief in &beliefs {
            assert_eq!(shared.policy.assess(0, belief), alone.policy.assess(0, belief));
        }
    }
}

#[test]
fn more_memory_buys_tighter_bounds() {
    let size = Size { states: 8, actions: 3, observations: 3, models: 1, horizon: 1 };
    let mut builder = draw(&hidden(size), &mut runner(1)).to_builder();
    (builder.discount, builder.final_reward, builder.horizon) = (0.95, Vec::new(), None);
    let model = builder.build().unwrap();
    let mut gap = f64::INFINITY;
    for bytes in [20_000, 60_000, 200_000, 600_000] {
        let limits = Limits { memory: Some(bytes), ..Limits::with_gap(1e-9) };
        let solution = Search::default().solve(&model, &limits, &no_hook).unwrap();
        assert_eq!(solution.stopped, Stopped::Memory);
        assert!(solution.gap() < gap);
        gap = solution.gap();
    }
}

#[test]
fn the_statistics_count_what_they_say() {
    let model = tiger(None);
    let limits = Limits::with_gap(1e-4);
    let reports = Cell::new(0);
    let hook = |p: &tiresias_solve::Progress| {
        // Where a trial takes long there are more, of the same trial; and one before there are bounds.
        let first = p.lower.is_finite() && p.iterations == reports.get();
        reports.set(reports.get() + u64::from(first));
        ControlFlow::Continue(())
    };
    let solution = Search { explore: 0, ..Search::default() }.solve(&model, &limits, &hook).unwrap();
    let stats = solution.stats;
    assert!(0.0 < stats.start_up && stats.start_up <= stats.seconds);
    // A report before every trial, and every trial backs up its start at least. Converged, the last report is not made.
    assert_eq!(stats.iterations, reports.get());
    assert!(stats.backups >= stats.iterations);
    assert!(stats.points as u64 <= stats.backups, "every point comes from a backup");
}

#[test]
fn plans_hold_on_random_ambiguous_models() {
    for (states, models, cases) in [(2, 2, 80), (3, 3, 60), (4, 2, 60), (5, 2, 30)] {
        let size = Size { states, actions: 2, observations: 2, models, horizon: 3 };
        let strategy = (hidden(size), prop::collection::vec(belief(states), 6));
        runner(cases)
            .run(&strategy, |(model, beliefs)| check_solution(&model, &solve(&model, 0.0, 60), &beliefs))
            .unwrap();
    }
}

#[test]
fn plans_close_the_gap_of_small_games() {
    let mut runner = runner(1);
    let size = Size { states: 4, actions: 2, observations: 2, models: 2, horizon: 2 };
    for _ in 0..20 {
        let model = draw(&hidden(size), &mut runner);
        let solution = solve(&model, 1e-9, 1_000);
        assert!((solution.value() - enumerate(&model, 0, model.start())).abs() < 1e-8);
    }
}

#[test]
fn tiger_has_its_published_values() {
    for (horizon, value) in [(10, 6.693_368_431_751), (20, 11.879_568_728_804)] {
        let solution = solve(&tiger(Some(horizon)), 1e-9, 10_000);
        assert_eq!(solution.stopped, Stopped::Converged);
        assert!((solution.lower - value).abs() < 2e-9, "{} {}", solution.lower, solution.upper);
    }
    let solution = solve(&tiger(None), 1e-4, 10_000);
    assert_eq!(solution.stopped, Stopped::Converged);
    assert!((solution.lower..=solution.upper).contains(&19.371_368), "{} {}", solution.lower, solution.upper);
}

#[test]
fn bounds_are_monotone_and_limits_hold() {
    let last = Cell::new((f64::NEG_INFINITY, f64::INFINITY));
    let hook = |p: &tiresias_solve::Progress| {
        let (lower, upper) = last.get();
        assert!(p.lower >= lower && p.upper <= upper && p.lower <= p.upper + 1e-9);
        last.set((p.lower, p.upper));
        ControlFlow::Continue(())
    };
    let model = tiger(Some(20));
    Search::default().solve(&model, &Limits::with_gap(1e-6), &hook).unwrap();
    assert!(last.get().1 - last.get().0 < 10.0);

    let none = Limits { time: Some(Duration::ZERO), ..Limits::with_gap(1e-6) };
    let solution = Search::default().solve(&model, &none, &no_hook).unwrap();
    assert_eq!(solution.stopped, Stopped::Time);
    assert!((solution.lower..=solution.upper).contains(&11.879_568_728_804));

    let little = Limits { memory: Some(6_000), ..Limits::with_gap(0.0) };
    let solution = Search::default().solve(&model, &little, &no_hook).unwrap();
    assert_eq!(solution.stopped, Stopped::Memory);

    let calls = Cell::new(0);
    let cancel = |_: &tiresias_solve::Progress| {
        calls.set(calls.get() + 1);
        if calls.get() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let solution = Search::default().solve(&model, &Limits::with_gap(0.0), &cancel).unwrap();
    assert_eq!((solution.stopped, calls.get()), (Stopped::Cancelled, 3));
    assert!((solution.lower..=solution.upper).contains(&11.879_568_728_804));
}

#[test]
fn refining_tightens_where_it_is_asked_to() {
    let mut runner = runner(1);
    for models in [1, 2] {
        let size = Size { states: 4, actions: 2, observations: 2, models, horizon: 3 };
        for _ in 0..10 {
            let model = draw(&hidden(size), &mut runner);
            let mut policy = solve(&model, 10.0, 1).policy;
            let b = draw(&belief(4), &mut runner);
            let before = policy.bounds(1, &b);
            let after = policy.refine(1, &b, &Limits::with_gap(1e-6), &no_hook).unwrap();
            let exact = enumerate(&model, 1, &b);
            assert!(after.0 >= before.0 - 1e-12 && after.1 <= before.1 + 1e-12);
            assert!(after.0 <= exact + 1e-9 && exact <= after.1 + 1e-9);
            assert!(models > 1 || after.1 - after.0 <= 1e-6);
        }
    }
}
