//! Robust POMDPs: hidden states, and sets around rows from which nature picks anew at every decision. Held against a linear program of
//! the whole game of two decisions, against what theory says of its relatives, and by playing what is handed out.

mod common;

use common::{Size, hidden, runner};
use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};
use proptest::prelude::*;
use tiresias_model::{Ambiguity, Kernel, Kind, Model, Reward, Support};
use tiresias_solve::{Limits, RobustSolution, SolveError, StochasticController, Stopped, auto, no_hook, solve_robust};

fn rows(model: &Model) -> usize {
    model.states().len() * model.actions().len()
}

fn with(model: &Model, ambiguity: Ambiguity) -> Model {
    let mut parts = model.to_builder();
    parts.ambiguity = Some(ambiguity);
    parts.alpha = 1.0;
    parts.build().unwrap()
}

fn ball(model: &Model, radius: f64, support: Support) -> Model {
    with(model, Ambiguity::L1 { radius: vec![radius; rows(model)], support })
}

fn between(model: &Model, below: &[f64], above: &[f64]) -> Model {
    let s = model.states().len();
    let nominal: Vec<f64> = (0..rows(model) * s).map(|i| model.dynamics()[0].transition.get(i / s, i % s)).collect();
    let bound = |by: &[f64], sign: f64| {
        let moved = nominal.iter().zip(by.iter().cycle()).map(|(p, d)| (p + sign * d).clamp(0.0, 1.0));
        Kernel::from_dense(s, &moved.collect::<Vec<_>>())
    };
    with(model, Ambiguity::Interval { lower: bound(below, -1.0), upper: bound(above, 1.0) })
}

/// POMDPs with a set of any kind around every row.
fn ambiguous(size: Size) -> impl Strategy<Value = Model> {
    let wide = || prop::collection::vec(prop_oneof![1 => Just(0.0), 2 => 0.0..0.6_f64, 1 => Just(1.0)], 7);
    let radii = prop::collection::vec(prop_oneof![1 => Just(0.0), 4 => 0.0..1.5_f64, 1 => Just(2.5)], 5);
    (hidden(size), radii, wide(), wide(), 0..3).prop_map(|(model, radii, below, above, kind)| {
        let radius = (0..rows(&model)).map(|row| radii[row % radii.len()]).collect();
        match kind {
            0 => with(&model, Ambiguity::L1 { radius, support: Support::Nominal }),
            1 => with(&model, Ambiguity::L1 { radius, support: Support::All }),
            _ => between(&model, &below, &above),
        }
    })
}

fn endless(model: &Model, discount: f64) -> Model {
    let mut parts = model.to_builder();
    (parts.discount, parts.horizon, parts.final_reward) = (discount, None, Vec::new());
    parts.build().unwrap()
}

/// Adds variables for a row of nature's set, times a mass, to a program; one a next state.
fn nature(problem: &mut Problem, model: &Model, row: usize, mass: f64) -> Vec<Variable> {
    let s = model.states().len();
    let nominal = |to: usize| model.dynamics()[0].transition.get(row, to);
    let terminal = model.is_terminal(row % s);
    let (low, high): (Vec<f64>, Vec<f64>) = (0..s)
        .map(|to| match model.ambiguity().unwrap() {
            _ if terminal => (nominal(to), nominal(to)),
            Ambiguity::Interval { lower, upper } => (lower.get(row, to), upper.get(row, to)),
            Ambiguity::L1 { support: Support::Nominal, .. } if nominal(to) == 0.0 => (0.0, 0.0),
            Ambiguity::L1 { .. } => (0.0, 1.0),
        })
        .unzip();
    let p: Vec<Variable> = (0..s).map(|to| problem.add_var(0.0, (mass * low[to], mass * high[to]))).collect();
    problem.add_constraint(p.iter().map(|&p| (p, 1.0)), ComparisonOp::Eq, mass);
    if let (Ambiguity::L1 { radius, .. }, false) = (model.ambiguity().unwrap(), terminal) {
        // p = P + up - down, and what moves is at most the radius.
        let moved: Vec<(Variable, Variable)> = (0..s)
            .map(|_| (problem.add_var(0.0, (0.0, f64::INFINITY)), problem.add_var(0.0, (0.0, f64::INFINITY))))
            .collect();
        for (to, &(up, down)) in moved.iter().enumerate() {
            problem.add_constraint([(p[to], 1.0), (up, -1.0), (down, 1.0)], ComparisonOp::Eq, mass * nominal(to));
        }
        let all = moved.iter().flat_map(|&(up, down)| [(up, 1.0), (down, 1.0)]);
        problem.add_constraint(all, ComparisonOp::Le, mass * radius[row]);
    }
    p
}

/// What a step from `state` by `action` to `to` pays when `o` is seen.
fn pays(model: &Model, state: usize, action: usize, to: usize, o: usize) -> f64 {
    model.realised_reward(state, action, to, o)
}

/// What a step is worth at least when next states are worth `next`: a program for each row.
fn worst_step(model: &Model, action: usize, state: usize, next: impl Fn(usize, usize) -> f64) -> f64 {
    let s = model.states().len();
    let kernel = model.dynamics()[0].observation.as_ref().unwrap();
    let worth = |to: usize| -> f64 {
        let of = |(o, q): (usize, f64)| q * (pays(model, state, action, to, o) + model.discount() * next(to, o));
        kernel.pairs(action * s + to).map(of).sum()
    };
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let p = nature(&mut problem, model, action * s + state, 1.0);
    let total = problem.add_var(1.0, (f64::NEG_INFINITY, f64::INFINITY));
    let terms = p.iter().enumerate().map(|(to, &p)| (p, worth(to)));
    problem.add_constraint(terms.chain([(total, -1.0)]), ComparisonOp::Eq, 0.0);
    problem.solve().unwrap().objective()
}

/// The value of two decisions: for each first action one program, in which nature picks what comes of it and pays, after each observation,
/// for the best of the second actions.
fn two_decisions(model: &Model) -> f64 {
    let (s, a) = (model.states().len(), model.actions().len());
    let observations = model.observations().unwrap().len();
    let last = |to: usize, _: usize| model.final_reward().get(to).copied().unwrap_or(0.0);
    let second: Vec<Vec<f64>> =
        (0..a).map(|action| (0..s).map(|state| worst_step(model, action, state, last)).collect()).collect();
    let kernel = model.dynamics()[0].observation.as_ref().unwrap();
    let first = |action: usize| -> f64 {
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let likely: Vec<usize> = (0..s).filter(|&state| model.start()[state] > 0.0).collect();
        let moves: Vec<Vec<Variable>> =
            likely.iter().map(|&state| nature(&mut problem, model, action * s + state, model.start()[state])).collect();
        let reward = problem.add_var(1.0, (f64::NEG_INFINITY, f64::INFINITY));
        let terms = likely.iter().zip(&moves).flat_map(|(&state, p)| {
            p.iter().enumerate().map(move |(to, &p)| {
                let of = |(o, q): (usize, f64)| q * pays(model, state, action, to, o);
                (p, kernel.pairs(action * s + to).map(of).sum::<f64>())
            })
        });
        problem.add_constraint(terms.chain([(reward, -1.0)]), ComparisonOp::Eq, 0.0);
        for o in 0..observations {
            let most = problem.add_var(model.discount(), (f64::NEG_INFINITY, f64::INFINITY));
            for second in &second {
                let terms = moves.iter().flat_map(|p| {
                    p.iter().enumerate().map(|(to, &p)| (p, kernel.get(action * s + to, o) * second[to]))
                });
                problem.add_constraint(terms.chain([(most, -1.0)]), ComparisonOp::Le, 0.0);
            }
        }
        problem.solve().unwrap().objective()
    };
    (0..a).map(first).fold(f64::NEG_INFINITY, f64::max)
}

/// What the controller earns from its start when nature, which sees everything, answers the worst at every step.
fn played(model: &Model, controller: &StochasticController) -> f64 {
    let s = model.states().len();
    let mut next: Vec<Vec<f64>> = Vec::new();
    for nodes in controller.stages.iter().rev() {
        let worth = |node: &tiresias_solve::Drawn, state: usize| {
            worst_step(model, node.action as usize, state, |to, o| match node.next.get(o) {
                Some(draw) => draw.iter().map(|&(k, p)| p * next[k as usize][to]).sum(),
                None => model.final_reward().get(to).copied().unwrap_or(0.0),
            })
        };
        next = nodes.iter().map(|node| (0..s).map(|state| worth(node, state)).collect()).collect();
    }
    next[0].iter().zip(model.start()).map(|(v, p)| v * p).sum()
}

fn check_whole(solution: &RobustSolution, gap: f64) -> Result<(), TestCaseError> {
    prop_assert!(solution.lower <= solution.upper);
    prop_assert!(
        solution.upper - solution.lower <= gap,
        "gap {}, {:?}",
        solution.upper - solution.lower,
        solution.stopped
    );
    Ok(())
}

#[test]
fn two_decisions_are_worth_what_one_program_says_and_the_controller_earns_it() {
    let small = Size { states: 2, actions: 2, observations: 2, models: 1, horizon: 2 };
    let sizes = prop_oneof![ambiguous(small), ambiguous(Size { states: 3, actions: 3, observations: 3, ..small })];
    runner(200)
        .run(&sizes, |model| {
            prop_assert_eq!(model.kind(), Kind::RobustPomdp);
            let solution = solve_robust(&model, &Limits::with_gap(1e-6), &no_hook).unwrap();
            check_whole(&solution, 1e-6)?;
            let value = two_decisions(&model);
            prop_assert!(
                solution.lower <= value + 1e-7 && value <= solution.upper + 1e-7,
                "{value} not in [{}, {}]",
                solution.lower,
                solution.upper
            );
            let earned = played(&model, &solution.controller);
            prop_assert!(earned >= solution.lower - 1e-7, "earns {earned}, {} was promised", solution.lower);
            prop_assert!((solution.controller.lower(&model) - solution.lower).abs() < 1e-9);
            Ok(())
        })
        .unwrap();
}

#[test]
fn longer_games_close_and_are_earned() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 1, horizon: 4 };
    runner(60)
        .run(&ambiguous(size), |model| {
            let solution = solve_robust(&model, &Limits::with_gap(1e-3), &no_hook).unwrap();
            check_whole(&solution, 1e-3)?;
            prop_assert!(played(&model, &solution.controller) >= solution.lower - 1e-7);
            let read = RobustSolution::load(&solution.save(&model), &model).unwrap();
            prop_assert_eq!(read.controller, solution.controller);
            Ok(())
        })
        .unwrap();
}

#[test]
fn without_a_horizon_too() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 1, horizon: 1 };
    runner(40)
        .run(&ambiguous(size), |model| {
            let model = endless(&model, 0.7);
            let solution = solve_robust(&model, &Limits::with_gap(1e-2), &no_hook).unwrap();
            check_whole(&solution, 1e-2)?;
            // What it says of its nodes holds step by step, by programs of our own.
            let nodes = &solution.controller.stages[0];
            for node in nodes {
                for state in 0..3 {
                    let earned = worst_step(&model, node.action as usize, state, |to, o| {
                        node.next[o].iter().map(|&(k, p)| p * nodes[k as usize].worth[to]).sum()
                    });
                    prop_assert!(
                        node.worth[state] <= earned + 1e-6,
                        "{} from {state}, says {}",
                        earned,
                        node.worth[state]
                    );
                }
            }
            RobustSolution::load(&solution.save(&model), &model).unwrap();
            Ok(())
        })
        .unwrap();
}

#[test]
fn relatives_agree() {
    let size = Size { states: 3, actions: 2, observations: 2, models: 1, horizon: 3 };
    runner(60)
        .run(&(hidden(size), 0.0..1.0_f64), |(model, radius)| {
            let mut parts = model.to_builder();
            parts.alpha = 1.0;
            let plain = parts.build().unwrap();
            let limits = Limits::with_gap(1e-5);
            let value = |model: &Model| solve_robust(model, &limits, &no_hook).unwrap();
            // Sets of one distribution leave a POMDP.
            let alone = value(&ball(&plain, 0.0, Support::All));
            let pomdp = auto(&plain).solve(&plain, &limits, &no_hook).unwrap();
            prop_assert!((alone.lower - pomdp.lower).abs() < 1e-4, "{} and {}", alone.lower, pomdp.lower);
            // Larger sets are worth no more.
            let (some, more) =
                (value(&ball(&plain, radius, Support::Nominal)), value(&ball(&plain, radius + 0.3, Support::Nominal)));
            prop_assert!(more.lower <= some.upper + 1e-5 && some.lower <= alone.upper + 1e-5);
            // What is seen is worth no less than what is hidden.
            let all = value(&ball(&plain, radius, Support::All));
            prop_assert!(all.lower <= some.upper + 1e-5);
            Ok(())
        })
        .unwrap();
}

#[test]
fn with_the_state_seen_it_is_the_robust_mdp() {
    let size = Size { states: 3, actions: 2, observations: 3, models: 1, horizon: 3 };
    runner(60)
        .run(&ambiguous(size), |model| {
            let mut parts = model.to_builder();
            if matches!(parts.reward, Reward::Full(_)) {
                return Ok(());
            }
            let sight: Vec<f64> = (0..rows(&model) * 3).map(|i| f64::from(u8::from(i / 3 % 3 == i % 3))).collect();
            parts.dynamics[0].observation = Some(Kernel::from_dense(3, &sight));
            parts.start = vec![0.0, 1.0, 0.0];
            let hidden = parts.clone().build().unwrap();
            parts.dynamics[0].observation = None;
            parts.observations = None;
            let seen = parts.build().unwrap();
            let found = solve_robust(&hidden, &Limits::with_gap(1e-5), &no_hook).unwrap();
            let known = auto(&seen).solve(&seen, &Limits::with_gap(1e-9), &no_hook).unwrap();
            prop_assert!((found.lower - known.value()).abs() < 1e-4 && (found.upper - known.value()).abs() < 1e-4);
            Ok(())
        })
        .unwrap();
}

/// The toy with the likelihood of the turn anywhere in [0.1, 0.9].
fn toy(horizon: Option<usize>, discount: f64) -> Model {
    let mut parts = common::toy::parts(&[0.5]);
    (parts.horizon, parts.discount) = (horizon, discount);
    parts.ambiguity =
        Some(Ambiguity::Interval { lower: common::toy::moves(0.1, 0.1), upper: common::toy::moves(0.9, 0.9) });
    parts.build().unwrap()
}

#[test]
fn the_toy_is_worth_what_was_published() {
    let model = toy(Some(4), 1.0);
    let solution = solve_robust(&model, &Limits::with_gap(1e-6), &no_hook).unwrap();
    assert!((solution.lower - 70.0).abs() < 1e-5 && (solution.upper - 70.0).abs() < 1e-5, "{solution:?}");
    let near = solve_robust(&toy(None, 0.999_999), &Limits::with_gap(1e-2), &no_hook).unwrap();
    assert!((near.lower - 70.0).abs() < 2e-2 && near.stopped == Stopped::Converged, "{near:?}");
}

#[test]
fn documents_that_boast_are_found_out() {
    let model = toy(Some(4), 1.0);
    let solution = solve_robust(&model, &Limits::with_gap(1e-6), &no_hook).unwrap();
    let told = |text: &str, model: &Model| RobustSolution::load(text, model).unwrap_err().to_string();
    let mut boast = solution.clone();
    boast.controller.stages[1][0].worth[1] += 1.0;
    assert!(told(&boast.save(&model), &model).contains("says that it earns"));
    let mut lost = solution.clone();
    lost.controller.stages[0][0].next[0][0].0 = 99;
    assert!(told(&lost.save(&model), &model).contains("does not fit"));
    let text = solution.save(&model);
    assert!(told(&text, &toy(Some(4), 0.5)).contains("sha256"));
    assert!(told(&text[1..], &model).contains("robust policy"));
    // The lower bound is the controller's, whatever the document says.
    let mut high = solution.clone();
    high.lower = 1e6;
    assert!((RobustSolution::load(&high.save(&model), &model).unwrap().lower - 70.0).abs() < 1e-5);
}

#[test]
fn what_it_does_not_treat_is_named_and_no_other_solver_takes_it_for_a_pomdp() {
    let model = toy(Some(4), 1.0);
    assert_eq!(auto(&model).solve(&model, &Limits::default(), &no_hook).unwrap_err(), SolveError::Rectangular);
    let mut parts = model.to_builder();
    parts.alpha = 0.5;
    let told = solve_robust(&parts.build().unwrap(), &Limits::default(), &no_hook).unwrap_err().to_string();
    assert!(told.contains("alpha"), "{told}");
    let mut parts = model.to_builder();
    parts.ambiguity = None;
    assert!(solve_robust(&parts.build().unwrap(), &Limits::default(), &no_hook).is_err());
}

#[test]
fn it_stops_when_it_is_told_to_and_what_it_says_then_holds() {
    let model = toy(None, 0.95);
    let whole = solve_robust(&model, &Limits::with_gap(1e-6), &no_hook).unwrap();
    let none = Limits { time: Some(std::time::Duration::ZERO), ..Limits::with_gap(0.0) };
    let solution = solve_robust(&model, &none, &no_hook).unwrap();
    assert_eq!(solution.stopped, Stopped::Time);
    assert!(solution.lower <= whole.upper && whole.lower <= solution.upper);
    let stop = |_: &tiresias_solve::Progress| std::ops::ControlFlow::Break(());
    assert_eq!(solve_robust(&model, &Limits::with_gap(0.0), &stop).unwrap().stopped, Stopped::Cancelled);
}
