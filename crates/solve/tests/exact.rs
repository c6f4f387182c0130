//! The exact solver against the enumeration of the game tree, published values and the other solvers.

mod common;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Duration;

use common::{Size, belief, check_solution, draw, enumerate, enumerate_actions, hidden, runner, tiger};
use proptest::prelude::*;
use tiresias_model::{Model, Policy, Reward};
use tiresias_solve::{Exact, Limits, Search, Solution, SolveError, Solver, Stopped, no_hook};

fn limits(gap: f64) -> Limits {
    Limits { gap, threads: 2, ..Limits::default() }
}

fn exact(model: &Model) -> Solution {
    let solution = Exact::default().solve(model, &limits(0.0), &no_hook).unwrap();
    assert_eq!(solution.stopped, Stopped::Converged);
    solution
}

fn changed(model: &Model, change: impl FnOnce(&mut tiresias_model::ModelBuilder)) -> Model {
    let mut builder = model.to_builder();
    change(&mut builder);
    builder.build().unwrap()
}

/// A model whose vectors multiply quickly: nothing in it is sparse or symmetric.
fn large(horizon: usize) -> Model {
    let size = Size { states: 5, actions: 4, observations: 4, models: 1, horizon };
    draw(&hidden(size).prop_map(|m| changed(&m, |b| b.terminal = Vec::new())), &mut runner(1))
}

#[test]
fn values_equal_the_enumeration_at_every_stage_and_belief() {
    for (states, actions, observations, horizon, cases) in
        [(1, 2, 2, 3, 10), (2, 2, 2, 3, 60), (3, 2, 2, 3, 60), (3, 1, 3, 3, 20), (3, 3, 1, 3, 20), (5, 3, 3, 2, 40)]
    {
        let size = Size { states, actions, observations, models: 1, horizon };
        let strategy = (hidden(size), prop::collection::vec(belief(states), 6));
        for everywhere in [false, true] {
            let run = |(model, beliefs): (Model, Vec<Vec<f64>>)| {
                let solution = Exact { everywhere, ..Exact::default() }.solve(&model, &limits(0.0), &no_hook).unwrap();
                prop_assert_eq!(solution.stopped, Stopped::Converged);
                prop_assert!(solution.gap() < 1e-10);
                for (k, b) in beliefs.iter().enumerate() {
                    let stage = k % horizon;
                    let found = solution.policy.q_values(stage, b);
                    for (q, expected) in found.iter().zip(enumerate_actions(&model, stage, b)) {
                        prop_assert!((q - expected).abs() < 1e-10, "{q} {expected}");
                    }
                }
                check_solution(&model, &solution, &beliefs)
            };
            runner(cases).run(&strategy, run).unwrap();
        }
    }
}

#[test]
fn a_kind_nature_is_one_more_choice() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 2, horizon: 2 };
    let strategy = (hidden(size), prop::collection::vec(belief(3), 4));
    let run = |(model, beliefs): (Model, Vec<Vec<f64>>)| {
        let model = changed(&model, |b| b.alpha = 0.0);
        check_solution(&model, &exact(&model), &beliefs)
    };
    runner(40).run(&strategy, run).unwrap();
}

#[test]
fn discounts_of_zero_and_one_costs_and_twins() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 1, horizon: 3 };
    let run = |model: Model| {
        for discount in [0.0, 1.0] {
            let model = changed(&model, |b| {
                b.discount = discount;
                // Costs only, and two actions that are the same.
                b.reward = Reward::StateAction(vec![-1.0, -2.5, -0.5, -1.0, -2.5, -0.5]);
                for dynamics in &mut b.dynamics {
                    let twin = |kernel: &mut tiresias_model::Kernel| {
                        let rows: Vec<Vec<(usize, f64)>> = (0..3).map(|r| kernel.pairs(r).collect()).collect();
                        let mut twice = tiresias_model::Kernel::new(kernel.columns());
                        rows.iter().chain(&rows).for_each(|row| twice.push_row(row.iter().copied()));
                        *kernel = twice;
                    };
                    twin(&mut dynamics.transition);
                    dynamics.observation.iter_mut().for_each(twin);
                }
            });
            let solution = exact(&model);
            let expected = enumerate(&model, 0, model.start());
            prop_assert!((solution.value() - expected).abs() < 1e-10);
            prop_assert_eq!(solution.policy.action(0, model.start()), 0, "ties go to the lowest index");
        }
        Ok(())
    };
    runner(30).run(&hidden(size), run).unwrap();
}

#[test]
fn tiger_has_its_published_values() {
    for (horizon, value) in [(10, 6.693_368_431_751), (20, 11.879_568_728_804), (50, 17.759_759_578_063)] {
        let solution = exact(&tiger(Some(horizon)));
        assert!((solution.value() - value).abs() < 1e-9, "{horizon}: {}", solution.value());
        assert!(solution.gap() < 1e-8, "{horizon}: {}", solution.gap());
    }
}

#[test]
fn without_a_horizon_the_gap_is_reached_from_both_sides() {
    let model = tiger(None);
    let solution = Exact::default().solve(&model, &limits(1e-4), &no_hook).unwrap();
    assert_eq!(solution.stopped, Stopped::Converged);
    assert!(solution.gap() <= 1e-4);
    // V_400 is within 0.95^400 · 10 / 0.05 < 3e-7 of it.
    assert!(solution.lower <= 19.371_368_4 && solution.upper >= 19.371_368_3, "{} {}", solution.lower, solution.upper);
}

#[test]
fn rewards_of_any_size_are_solved_alike() {
    let model = tiger(None);
    for scale in [1e-9, 1e-3, 1e6, 1e12] {
        let scaled = changed(&model, |b| match &mut b.reward {
            Reward::StateAction(rewards) => rewards.iter_mut().for_each(|r| *r *= scale),
            other => panic!("{other:?}"),
        });
        let solution = Exact::default().solve(&scaled, &limits(1e-3 * scale), &no_hook).unwrap();
        assert_eq!(solution.stopped, Stopped::Converged, "{scale}");
        let (lower, upper) = (solution.lower / scale, solution.upper / scale);
        assert!(lower <= 19.371_368_4 && upper >= 19.371_368_3, "{scale}: {lower} {upper}");
    }
}

/// A corridor of 75 places, walked deterministically and seen, with a bit that is not seen but looked at with errors.
#[test]
fn many_states_of_which_few_are_possible_at_once() {
    let places = 75;
    let n = 2 * places;
    let (mut walk, mut see) = (tiresias_model::Kernel::new(n), tiresias_model::Kernel::new(n));
    for action in 0..2 {
        for state in 0..n {
            let (place, bit) = (state / 2, state % 2);
            walk.push_row([(2 * ((place + action) % places) + bit, 1.0)]);
            let right = if action == 0 { 0.8 } else { 0.5 };
            let mut row = [(2 * place + bit, right), (2 * place + 1 - bit, 1.0 - right)];
            row.sort_by_key(|&(o, _)| o);
            see.push_row(row);
        }
    }
    let model = changed(&tiger(Some(4)), |b| {
        b.states = tiresias_model::Space::unnamed("states", n).unwrap();
        b.actions = tiresias_model::Space::unnamed("actions", 2).unwrap();
        b.observations = Some(tiresias_model::Space::unnamed("observations", n).unwrap());
        // A step pays by the bit and the place, a look costs a little.
        let step = (0..n).map(|s| if s % 2 == 0 { 1.0 } else { -1.5 } * (1.0 + (s / 2 % 3) as f64));
        b.reward = Reward::StateAction((0..n).map(|_| -0.1).chain(step).collect());
        // Only the first places can be reached within the horizon.
        b.start = (0..n).map(|s| if s < 2 { 0.5 } else { 0.0 }).collect();
        b.final_reward = (0..n).map(|s| (s % 5) as f64).collect();
        b.dynamics = vec![tiresias_model::Dynamics { transition: walk, observation: Some(see) }];
    });
    let solution = exact(&model);
    assert!((solution.value() - enumerate(&model, 0, model.start())).abs() < 1e-10);
    let vectors = solution.stats.vectors;
    assert!(vectors < 4 * 8 * places, "sets of a few vectors over two states each, not {vectors}");
    let certain: Vec<f64> = (0..n).map(|s| f64::from(u8::from(s == 149))).collect();
    let expected = enumerate_actions(&model, 2, &certain);
    for (q, expected) in solution.policy.q_values(2, &certain).iter().zip(expected) {
        assert!((q - expected).abs() < 1e-10, "{q} {expected}");
    }
}

#[test]
fn random_discounted_models_agree_with_search() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 1, horizon: 2 };
    let run = |model: Model| {
        let model = changed(&model, |b| {
            (b.horizon, b.discount, b.final_reward) = (None, 0.8, Vec::new());
        });
        let solution = Exact::default().solve(&model, &limits(1e-3), &no_hook).unwrap();
        prop_assert_eq!(solution.stopped, Stopped::Converged);
        let other = Search::default().solve(&model, &limits(1e-2), &no_hook).unwrap();
        prop_assert!(solution.lower <= other.upper + 1e-9 && other.lower <= solution.upper + 1e-9);
        Ok(())
    };
    runner(20).run(&hidden(size), run).unwrap();
}

#[test]
fn nothing_left_to_do_is_exhausted_not_endless() {
    let model = changed(&tiger(None), |b| b.discount = 0.3);
    let solution = Exact::default().solve(&model, &limits(0.0), &no_hook).unwrap();
    assert_eq!(solution.stopped, Stopped::Exhausted);
    assert!(solution.gap() < 1e-9);
}

#[test]
fn search_encloses_the_exact_value() {
    let size = Size { states: 4, actions: 2, observations: 2, models: 1, horizon: 5 };
    let run = |model: Model| {
        let value = exact(&model).value();
        let search = Search { most_trials: 50, ..Search::default() }.solve(&model, &limits(1e-6), &no_hook).unwrap();
        prop_assert!(search.lower <= value + 1e-9 && value <= search.upper + 1e-9);
        Ok(())
    };
    runner(30).run(&hidden(size), run).unwrap();
}

#[test]
fn values_are_convex_in_the_belief_and_rise_with_rewards() {
    let size = Size { states: 4, actions: 2, observations: 2, models: 1, horizon: 4 };
    let strategy = (hidden(size), belief(4), belief(4), 0.0..1.0_f64);
    let run = |(model, a, b, share): (Model, Vec<f64>, Vec<f64>, f64)| {
        let policy = exact(&model).policy;
        let between: Vec<f64> = a.iter().zip(&b).map(|(a, b)| share * a + (1.0 - share) * b).collect();
        let chord = share * policy.value(0, &a) + (1.0 - share) * policy.value(0, &b);
        prop_assert!(policy.value(0, &between) <= chord + 1e-9);
        // One more in every state at the end is worth the discount to the fourth.
        let richer = changed(&model, |m| {
            let last = if m.final_reward.is_empty() { vec![0.0; 4] } else { m.final_reward.clone() };
            m.final_reward = last.iter().map(|r| r + 1.0).collect();
        });
        let more = exact(&richer).policy.value(0, &a) - policy.value(0, &a);
        prop_assert!((more - model.discount().powi(4)).abs() < 1e-9);
        Ok(())
    };
    runner(20).run(&strategy, run).unwrap();
}

#[test]
fn limits_leave_sound_bounds() {
    let model = large(40);
    let reference = Search { most_trials: 100, ..Search::default() }.solve(&model, &limits(1e-2), &no_hook).unwrap();
    let sound = |solution: &Solution| {
        assert!(solution.lower <= reference.upper + 1e-9, "{} {}", solution.lower, reference.upper);
        assert!(solution.upper >= reference.lower - 1e-9, "{} {}", solution.upper, reference.lower);
    };
    for milliseconds in [0, 100] {
        let timed = Limits { time: Some(Duration::from_millis(milliseconds)), ..limits(0.0) };
        let solution = Exact::default().solve(&model, &timed, &no_hook).unwrap();
        assert_eq!(solution.stopped, Stopped::Time);
        sound(&solution);
    }
    let small = Limits { memory: Some(200_000), ..limits(0.0) };
    let solution = Exact::default().solve(&model, &small, &no_hook).unwrap();
    assert_eq!(solution.stopped, Stopped::Memory);
    sound(&solution);
    assert!(solution.stats.iterations > 0, "some stages fit");

    let calls = Cell::new(0);
    let hook = |p: &tiresias_solve::Progress| {
        assert!(p.lower <= p.upper);
        calls.set(calls.get() + 1);
        if calls.get() > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let solution = Exact::default().solve(&model, &limits(0.0), &hook).unwrap();
    assert_eq!(solution.stopped, Stopped::Cancelled);
    sound(&solution);
    // The last stages were finished: they stay exact, at any belief.
    let (lower, upper) = solution.policy.bounds(38, &[0.2; 5]);
    assert!(upper - lower < 1e-9);
}

#[test]
fn policies_are_saved_read_and_checked() {
    let model = tiger(Some(6));
    let solution = exact(&model);
    let policy = &solution.policy;
    assert_eq!(policy.form(), "exact");
    let bytes = solution.save();
    let again = Solution::load(&bytes, &model).unwrap().policy;
    for stage in 0..6 {
        for p in [0.0, 0.1, 0.5, 0.93, 1.0] {
            assert_eq!(policy.assess(stage, &[p, 1.0 - p]), again.assess(stage, &[p, 1.0 - p]));
        }
    }
    let other = tiger(Some(7));
    assert!(matches!(Solution::load(&bytes, &other), Err(SolveError::OtherModel { .. })));
}

#[test]
fn any_number_of_threads_gives_the_same_policy() {
    let model = large(4);
    let policy = |threads| {
        let limits = Limits { threads, ..limits(0.0) };
        Exact::default().solve(&model, &limits, &no_hook).unwrap().policy
    };
    assert_eq!(policy(1), policy(3));
}

#[test]
fn other_kinds_of_models_are_refused() {
    let size = Size { states: 2, actions: 2, observations: 2, models: 2, horizon: 2 };
    let ambiguous = changed(&draw(&hidden(size), &mut runner(1)), |b| b.alpha = 1.0);
    let seen = changed(&ambiguous.single(0), |b| {
        b.reward = Reward::Action(vec![0.0, 1.0]);
        b.observations = None;
        b.dynamics.iter_mut().for_each(|d| d.observation = None);
    });
    for model in [ambiguous, seen] {
        let error = Exact::default().solve(&model, &limits(0.0), &no_hook).unwrap_err();
        assert!(matches!(error, SolveError::Unsupported { solver: "exact", .. }), "{error}");
    }
}

#[test]
fn supports_too_large_for_a_linear_program_are_refused() {
    let n = 4097;
    let mut stay = tiresias_model::Kernel::new(n);
    (0..n).for_each(|s| stay.push_row([(s, 1.0)]));
    let mut blind = tiresias_model::Kernel::new(1);
    (0..n).for_each(|_| blind.push_row([(0, 1.0)]));
    let model = changed(&tiger(Some(2)), |b| {
        b.states = tiresias_model::Space::unnamed("states", n).unwrap();
        b.actions = tiresias_model::Space::unnamed("actions", 1).unwrap();
        b.observations = Some(tiresias_model::Space::unnamed("observations", 1).unwrap());
        b.reward = Reward::Action(vec![1.0]);
        b.start = (0..n).map(|s| f64::from(u8::from(s == 0))).collect();
        b.dynamics = vec![tiresias_model::Dynamics { transition: stay, observation: Some(blind) }];
    });
    let error = Exact::default().solve(&model, &limits(0.0), &no_hook).unwrap_err();
    assert!(error.to_string().contains("4096"), "{error}");
}
