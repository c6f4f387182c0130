//! Saved policies, limits of the triangulation, batches.

mod common;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Size, draw, hidden, observed, runner, tiger};
use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_model::{Kernel, Model, Policy};
use tiresias_solve::{
    CornerBounds, Faces, Hook, Limits, POLICY_SCHEMA, Progress, Search, Solution, SolveError, Solver, Stopped, auto,
    no_hook, solve_batch,
};

fn energy(regime: Regime, index: u64, horizon: usize) -> Model {
    let request = TaskRequest { split: "train".into(), index, seed: 3, regime, horizon, models: 3, alpha: 1.0 };
    family("energy").unwrap().task(&request).unwrap().model
}

/// The tiger, with ears that may be worse than they should be.
fn two_tigers(horizon: usize, discount: f64) -> Model {
    let mut builder = tiger(Some(horizon)).to_builder();
    builder.discount = discount;
    let mut deaf = builder.dynamics[0].clone();
    let half = [0.5, 0.5].repeat(4);
    deaf.observation = Some(Kernel::from_dense(2, &[vec![0.7, 0.3, 0.3, 0.7], half].concat()));
    builder.dynamics.push(deaf);
    builder.build().unwrap()
}

fn solutions() -> Vec<Solution> {
    let mut runner = runner(1);
    let size = Size { states: 4, actions: 2, observations: 2, models: 2, horizon: 3 };
    let ambiguous = draw(&hidden(size), &mut runner);
    let table = draw(&observed(size), &mut runner);
    let solvers: [(Box<dyn Solver>, Model); 6] = [
        (Box::new(Search { most_trials: 20, ..Search::default() }), ambiguous.clone()),
        (Box::new(CornerBounds), ambiguous),
        (auto(&table), table),
        (Box::new(Search::default()), tiger(Some(8))),
        (Box::new(Faces::default()), tiger(None)),
        (Box::new(Faces::default()), energy(Regime::Apomdp, 1, 4)),
    ];
    let limits = Limits::with_gap(0.5);
    solvers.into_iter().map(|(solver, model)| solver.solve(&model, &limits, &no_hook).unwrap()).collect()
}

#[test]
fn a_solution_survives_saving() {
    for solution in solutions() {
        let (bytes, policy) = (solution.save(), &solution.policy);
        let loaded = Solution::load(&bytes, policy.model()).unwrap();
        assert_eq!((loaded.lower, loaded.upper), (solution.lower, solution.upper));
        assert_eq!((loaded.stopped, loaded.stats), (solution.stopped, solution.stats));
        let again = loaded.policy.clone();
        assert_eq!(again.form(), policy.form());
        let s = policy.model().states().len();
        for (stage, b) in [(0, policy.model().start().to_vec()), (2, vec![1.0 / s as f64; s])] {
            assert_eq!(again.assess(stage, &b), policy.assess(stage, &b));
            assert_eq!(again.action(stage, &b), policy.action(stage, &b));
        }
        assert_eq!(loaded.save(), bytes);
    }
}

#[test]
fn a_file_says_why_the_solver_stopped() {
    let solve = |limits: &Limits, hook: &Hook| Search::default().solve(&tiger(None), limits, hook).unwrap();
    let none = Limits { time: Some(Duration::ZERO), ..Limits::with_gap(1e-9) };
    let little = Limits { memory: Some(1), ..Limits::with_gap(1e-9) };
    for (solution, stopped) in [
        (solve(&Limits::with_gap(1.0), &no_hook), Stopped::Converged),
        (solve(&none, &no_hook), Stopped::Time),
        (solve(&little, &no_hook), Stopped::Memory),
        (solve(&Limits::with_gap(1e-9), &|_| ControlFlow::Break(())), Stopped::Cancelled),
    ] {
        assert_eq!(solution.stopped, stopped);
        assert_eq!(Solution::load(&solution.save(), &tiger(None)).unwrap().stopped, stopped);
    }
}

#[test]
fn a_damaged_policy_is_refused() {
    for solution in solutions() {
        let (bytes, model) = (solution.save(), solution.policy.model());
        for cut in [0, 1, 40, bytes.len() / 2, bytes.len() - 1] {
            assert!(matches!(Solution::load(&bytes[..cut], model), Err(SolveError::Corrupt(_))));
        }
        for at in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 2] {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(matches!(Solution::load(&bad, model), Err(SolveError::Corrupt(_))));
        }
        // An older version's file holds no reason for stopping: it is refused, and the message says what to do.
        for schema in ["tiresias.policy/2", "tiresias.policy/9"] {
            let text = String::from_utf8(bytes.clone()).unwrap().replacen(POLICY_SCHEMA, schema, 1);
            let error = Solution::load(text.as_bytes(), model).unwrap_err();
            assert!(matches!(error, SolveError::Version { .. }) && error.to_string().contains("solve the model again"));
        }
        assert!(matches!(Solution::load(&bytes, &tiger(Some(3))), Err(SolveError::OtherModel { .. })));
    }
}

#[test]
fn limits_of_the_triangulation_hold() {
    let model = energy(Regime::Apomdp, 0, 10);
    let fine = Faces::default().solve(&model, &Limits::with_gap(0.05), &no_hook).unwrap();
    assert_eq!(fine.stopped, Stopped::Converged);
    let inside = |s: &tiresias_solve::Solution| s.lower <= fine.upper && s.upper >= fine.lower;

    let none = Limits { time: Some(Duration::ZERO), ..Limits::with_gap(1e-6) };
    let solution = Faces::default().solve(&model, &none, &no_hook).unwrap();
    assert!(solution.stopped == Stopped::Time && inside(&solution));

    let little = Limits { memory: Some(100_000), ..Limits::with_gap(1e-6) };
    let solution = Faces::default().solve(&model, &little, &no_hook).unwrap();
    assert!(solution.stopped == Stopped::Memory && inside(&solution));

    let coarse = Faces { first_divisions: 3, most_divisions: 6 };
    let last = Cell::new((f64::NEG_INFINITY, f64::INFINITY));
    let hook = |p: &Progress| {
        assert!(p.lower >= last.get().0 && p.upper <= last.get().1);
        last.set((p.lower, p.upper));
        ControlFlow::Continue(())
    };
    let solution = coarse.solve(&model, &Limits::with_gap(0.0), &hook).unwrap();
    assert!(solution.stopped == Stopped::Exhausted && inside(&solution));
    let solution = coarse.solve(&model, &Limits::with_gap(0.0), &|_| ControlFlow::Break(())).unwrap();
    assert!(solution.stopped == Stopped::Cancelled && inside(&solution));
}

#[test]
fn batches_are_the_same_for_any_number_of_threads() {
    let models: Vec<Model> =
        (0..6).flat_map(|i| [Regime::Mdp, Regime::Pomdp, Regime::Apomdp].map(|regime| energy(regime, i, 5))).collect();
    let calls = AtomicUsize::new(0);
    let hook = |i: usize, _: &Progress| {
        assert!(i < models.len());
        calls.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let solve = |threads| solve_batch(&models, &Limits { threads, ..Limits::with_gap(0.1) }, &hook);
    let (one, three) = (solve(1), solve(3));
    for (a, b) in one.iter().zip(&three) {
        let (a, b) = (a.as_ref().unwrap(), b.as_ref().unwrap());
        assert_eq!((a.lower, a.upper, a.stats.vectors), (b.lower, b.upper, b.stats.vectors));
        assert_eq!(a.policy, b.policy);
    }
    assert!(calls.load(Ordering::Relaxed) > models.len());
}

#[test]
fn energy_tasks_converge_in_all_regimes() {
    for horizon in [5, 10, 20] {
        for index in 0..4 {
            for regime in [Regime::Mdp, Regime::Pomdp, Regime::Apomdp] {
                let model = energy(regime, index, horizon);
                let (low, high) = model.value_range();
                let gap = 0.01 * (high - low);
                let solution = auto(&model).solve(&model, &Limits::with_gap(gap), &no_hook).unwrap();
                assert_eq!(solution.stopped, Stopped::Converged);
                assert!(solution.gap() <= gap && solution.lower <= solution.upper);
                assert!(solution.lower >= low && solution.upper <= high);
            }
        }
    }
}

#[test]
fn a_small_gap_is_closed_by_search() {
    let model = energy(Regime::Pomdp, 2, 8);
    let solution = auto(&model).solve(&model, &Limits::with_gap(1e-5), &no_hook).unwrap();
    assert_eq!((solution.stats.solver, solution.stopped), ("search", Stopped::Converged));
    let rough = auto(&model).solve(&model, &Limits::with_gap(0.05), &no_hook).unwrap();
    assert_eq!((rough.stats.solver, rough.stopped), ("faces", Stopped::Converged));
    assert!(rough.lower <= solution.upper && solution.lower <= rough.upper);
}

#[test]
fn small_ambiguous_games_reach_small_gaps() {
    for discount in [1.0, 0.95] {
        let model = two_tigers(10, discount);
        let mut last = f64::INFINITY;
        for gap in [2.0, 0.5, 0.1, 0.03, 0.01] {
            let solution = auto(&model).solve(&model, &Limits::with_gap(gap), &no_hook).unwrap();
            assert_eq!(solution.stopped, Stopped::Converged);
            assert!(solution.gap() <= gap.min(last), "{} where {last} was reached", solution.gap());
            last = solution.gap();
        }
        // What cannot be reached is as good as what can, and says why it stopped.
        let limits = Limits { time: Some(Duration::from_secs(20)), ..Limits::with_gap(0.0) };
        let solution = Faces::default().solve(&model, &limits, &no_hook).unwrap();
        assert_eq!(solution.stopped, Stopped::Exhausted);
        assert!(solution.gap() <= last);
        let little = Limits { memory: Some(200_000), ..Limits::with_gap(0.0) };
        let solution = Faces::default().solve(&model, &little, &no_hook).unwrap();
        assert_eq!(solution.stopped, Stopped::Memory);
    }
}

#[test]
fn the_last_triangulation_has_the_most_divisions() {
    let model = two_tigers(10, 1.0);
    let solve = |first_divisions, most_divisions| {
        Faces { first_divisions, most_divisions }.solve(&model, &Limits::with_gap(0.0), &no_hook).unwrap()
    };
    let (stepwise, at_once) = (solve(16, 100), solve(100, 100));
    assert_eq!((stepwise.stopped, at_once.stopped), (Stopped::Exhausted, Stopped::Exhausted));
    assert!(stepwise.gap() <= at_once.gap());
}

#[test]
fn the_tightest_triangulation_is_kept() {
    let model = two_tigers(10, 1.0);
    let gap = |first_divisions, most_divisions| {
        let solver = Faces { first_divisions, most_divisions };
        let policy = solver.solve(&model, &Limits::with_gap(0.0), &no_hook).unwrap().policy;
        let (lower, upper) = policy.bounds(0, model.start());
        upper - lower
    };
    let mut worse = 0;
    for divisions in 10..30 {
        let (coarse, fine) = (gap(divisions, divisions), gap(divisions + 1, divisions + 1));
        worse += usize::from(fine > coarse);
        assert!(gap(divisions, divisions + 1) <= coarse.min(fine));
    }
    assert!(worse > 0, "a case in which the finer one is worse");
}

#[test]
fn plans_go_on_where_triangulations_end() {
    let mut runner = runner(1);
    let size = Size { states: 3, actions: 3, observations: 2, models: 2, horizon: 2 };
    let strategy = hidden(size);
    let mut found = 0;
    for _ in 0..40 {
        let model = draw(&strategy, &mut runner);
        let limits = Limits::with_gap(1e-9);
        let faces = Faces::default().solve(&model, &limits, &no_hook).unwrap();
        let solution = auto(&model).solve(&model, &limits, &no_hook).unwrap();
        let tiny = 1e-9;
        assert!(solution.gap() <= faces.gap() + tiny);
        assert!(solution.lower >= faces.lower - tiny && solution.upper <= faces.upper + tiny);
        found += usize::from(faces.stopped == Stopped::Exhausted && solution.stopped == Stopped::Converged);
    }
    assert!(found > 0, "a game that triangulations leave open and plans close");
}

#[test]
fn a_horizon_beyond_all_memory_is_refused_before_anything_is_allocated() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 2, horizon: 2 };
    let mut runner = runner(1);
    let models =
        [tiger(Some(2)), two_tigers(2, 0.95), draw(&hidden(size), &mut runner), draw(&observed(size), &mut runner)];
    for model in models {
        for (horizon, memory) in [
            (1_000_000_000_000, None),
            (1 << 50, None),
            (1_000_000, Some(1_000_000)),
            (1_000_000_000_000, Some(1 << 40)),
        ] {
            let mut builder = model.to_builder();
            (builder.discount, builder.horizon) = (1.0, Some(horizon));
            let long = builder.build().unwrap();
            let limits = Limits { memory, ..Limits::default() };
            let refused = auto(&long).solve(&long, &limits, &no_hook).unwrap_err();
            let SolveError::Horizon { bytes, allowed, .. } = refused else { panic!("{refused}") };
            assert!(bytes > allowed && allowed == memory.unwrap_or_else(tiresias_model::memory::limit));
        }
    }
}

#[test]
fn a_label_in_a_state_is_the_assessment_of_that_vertex() {
    for Solution { policy, .. } in solutions() {
        let states = policy.model().states().len();
        for (stage, state) in (0..2).flat_map(|t| (0..states).map(move |s| (t, s))) {
            let mut belief = vec![0.0; states];
            belief[state] = 1.0;
            let assessment = policy.assess(stage, &belief);
            let action = assessment.action();
            assert_eq!(policy.label_in_state(stage, state), (action, assessment.regret_bound(action)));
            assert_eq!(policy.action_in_state(stage, state, states), action);
        }
    }
}

#[test]
fn values_under_each_model_make_up_the_action_values() {
    for Solution { policy, .. } in solutions() {
        let model = policy.model();
        let states = model.states().len();
        let mut vertex = vec![0.0; states];
        vertex[states - 1] = 1.0;
        let start = model.start().to_vec();
        // Where the state is seen nature answers in each state, so only a vertex has one answer.
        let beliefs = if model.observations().is_some() { vec![start, vertex] } else { vec![vertex] };
        for (stage, belief) in (0..model.horizon().unwrap_or(1)).flat_map(|t| beliefs.iter().map(move |b| (t, b))) {
            let q_values = policy.q_values(stage, belief);
            for (action, q) in q_values.iter().enumerate() {
                let values = policy.model_values(stage, belief, action);
                assert_eq!(values.len(), model.dynamics().len());
                let low = values.iter().copied().fold(f64::INFINITY, f64::min);
                let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let mixed = model.alpha() * low + (1.0 - model.alpha()) * high;
                assert!((mixed - q).abs() < 1e-9 * (1.0 + q.abs()), "{}: {values:?} against {q}", policy.form());
                assert_eq!(values[policy.worst_model(stage, belief, action)], low);
            }
        }
    }
}

#[test]
fn at_the_last_stage_a_model_gives_its_reward_and_the_final_one() {
    let mut parts = energy(Regime::Apomdp, 2, 4).to_builder();
    parts.final_reward = (0..parts.states.len()).map(|s| s as f64).collect();
    let model = parts.build().unwrap();
    let policy = Faces::default().solve(&model, &Limits::with_gap(0.5), &no_hook).unwrap().policy;
    let (states, belief) = (model.states().len(), model.start());
    for action in 0..model.actions().len() {
        for (m, value) in policy.model_values(3, belief, action).into_iter().enumerate() {
            let from = |s: usize| {
                let row = action * states + s;
                let next: f64 = model.dynamics()[m].transition.pairs(row).map(|(next, p)| p * next as f64).sum();
                model.expected_reward(m)[row] + model.discount() * next
            };
            let expected: f64 = (0..states).map(|s| belief[s] * from(s)).sum();
            assert!((value - expected).abs() < 1e-9, "action {action}, model {m}: {value} against {expected}");
        }
    }
}
