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

/// Bounds on the entries of a kernel, `below` and `above` it.
fn between(kernel: &Kernel, below: &[f64], above: &[f64]) -> Ambiguity {
    let columns = kernel.columns();
    let nominal: Vec<f64> = (0..kernel.rows() * columns).map(|i| kernel.get(i / columns, i % columns)).collect();
    let bound = |by: &[f64], sign: f64| {
        let moved = nominal.iter().zip(by.iter().cycle()).map(|(p, d)| (p + sign * d).clamp(0.0, 1.0));
        Kernel::from_dense(columns, &moved.collect::<Vec<_>>())
    };
    Ambiguity::Interval { lower: bound(below, -1.0), upper: bound(above, 1.0) }
}

/// A set of any kind around every row of a kernel.
fn sets(kernel: &Kernel, kind: usize, radii: &[f64], below: &[f64], above: &[f64]) -> Ambiguity {
    let radius = (0..kernel.rows()).map(|row| radii[row % radii.len()]).collect();
    match kind {
        0 => Ambiguity::L1 { radius, support: Support::Nominal },
        1 => Ambiguity::L1 { radius, support: Support::All },
        _ => between(kernel, below, above),
    }
}

/// POMDPs with a set of any kind around every row of transitions, of observations, or of both.
fn ambiguous(size: Size) -> impl Strategy<Value = Model> {
    let wide = || prop::collection::vec(prop_oneof![1 => Just(0.0), 2 => 0.0..0.6_f64, 1 => Just(1.0)], 7);
    let radii = || prop::collection::vec(prop_oneof![1 => Just(0.0), 4 => 0.0..1.5_f64, 1 => Just(2.5)], 5);
    let around = || (0..3_usize, radii(), wide(), wide());
    (hidden(size), 0..3, around(), around()).prop_map(|(model, whose, moves, sight)| {
        let mut parts = model.to_builder();
        parts.alpha = 1.0;
        // Sets around observations do not go with rewards that depend on them.
        let whose = if matches!(parts.reward, Reward::Full(_)) { 0 } else { whose };
        if whose != 1 {
            let (kind, radii, below, above) = &moves;
            parts.ambiguity = Some(sets(&parts.dynamics[0].transition, *kind, radii, below, above));
        }
        if whose != 0 {
            let (kind, radii, below, above) = &sight;
            let kernel = parts.dynamics[0].observation.as_ref().unwrap();
            parts.observation_ambiguity = Some(sets(kernel, *kind, radii, below, above));
        }
        parts.build().unwrap()
    })
}

fn endless(model: &Model, discount: f64) -> Model {
    let mut parts = model.to_builder();
    (parts.discount, parts.horizon, parts.final_reward) = (discount, None, Vec::new());
    parts.build().unwrap()
}

/// Terms of a linear expression.
type Terms = Vec<(Variable, f64)>;

fn times(terms: &Terms, factor: f64) -> impl Iterator<Item = (Variable, f64)> + '_ {
    terms.iter().map(move |&(variable, c)| (variable, c * factor))
}

/// Adds variables for a distribution from the set around a row, times a mass that is an expression itself; one a column.
fn chosen(
    problem: &mut Problem,
    (sets, nominal): (Option<&Ambiguity>, &Kernel),
    row: usize,
    mass: &Terms,
) -> Vec<Variable> {
    let columns = nominal.columns();
    let p: Vec<Variable> = (0..columns).map(|_| problem.add_var(0.0, (0.0, f64::INFINITY))).collect();
    problem.add_constraint(p.iter().map(|&p| (p, 1.0)).chain(times(mass, -1.0)), ComparisonOp::Eq, 0.0);
    for (column, &p) in p.iter().enumerate() {
        let own = nominal.get(row, column);
        let (low, high) = match sets {
            None => (own, own),
            Some(Ambiguity::Interval { lower, upper }) => (lower.get(row, column), upper.get(row, column)),
            Some(Ambiguity::L1 { support: Support::Nominal, .. }) if own == 0.0 => (0.0, 0.0),
            Some(Ambiguity::L1 { .. }) => (0.0, 1.0),
        };
        problem.add_constraint([(p, 1.0)].into_iter().chain(times(mass, -low)), ComparisonOp::Ge, 0.0);
        problem.add_constraint([(p, 1.0)].into_iter().chain(times(mass, -high)), ComparisonOp::Le, 0.0);
    }
    if let Some(Ambiguity::L1 { radius, .. }) = sets {
        // p = P + up - down, and what moves is at most the radius.
        let moved: Vec<(Variable, Variable)> = (0..columns)
            .map(|_| (problem.add_var(0.0, (0.0, f64::INFINITY)), problem.add_var(0.0, (0.0, f64::INFINITY))))
            .collect();
        for (column, &(up, down)) in moved.iter().enumerate() {
            let terms =
                [(p[column], 1.0), (up, -1.0), (down, 1.0)].into_iter().chain(times(mass, -nominal.get(row, column)));
            problem.add_constraint(terms, ComparisonOp::Eq, 0.0);
        }
        let all = moved.iter().flat_map(|&(up, down)| [(up, 1.0), (down, 1.0)]).chain(times(mass, -radius[row]));
        problem.add_constraint(all, ComparisonOp::Le, 0.0);
    }
    p
}

/// Nature's choices at a belief and an action: by state of the belief what moves to each next state, and by next state what is seen there.
fn nature(
    problem: &mut Problem,
    model: &Model,
    action: usize,
    belief: &[f64],
) -> (Vec<Vec<Variable>>, Vec<Vec<Variable>>) {
    let s = model.states().len();
    let dynamics = &model.dynamics()[0];
    let moves: Vec<Vec<Variable>> = (0..s)
        .map(|state| {
            let mass = problem.add_var(0.0, (belief[state], belief[state]));
            let sets = model.ambiguity().filter(|_| !model.is_terminal(state));
            chosen(problem, (sets, &dynamics.transition), action * s + state, &vec![(mass, 1.0)])
        })
        .collect();
    let sight = (0..s)
        .map(|to| {
            let mass: Terms = moves.iter().map(|p| (p[to], 1.0)).collect();
            let around = (model.observation_ambiguity(), dynamics.observation.as_ref().unwrap());
            chosen(problem, around, action * s + to, &mass)
        })
        .collect();
    (moves, sight)
}

/// What the moves pay. Where nature chooses what is seen, that does not matter to rewards.
fn rewards(model: &Model, action: usize, moves: &[Vec<Variable>]) -> Terms {
    let s = model.states().len();
    let kernel = model.dynamics()[0].observation.as_ref().unwrap();
    let pays = |state: usize, to: usize| -> f64 {
        kernel.pairs(action * s + to).map(|(o, q)| q * model.realised_reward(state, action, to, o)).sum()
    };
    let by_state = moves.iter().enumerate();
    by_state.flat_map(|(state, p)| p.iter().enumerate().map(move |(to, &p)| (p, pays(state, to)))).collect()
}

/// What a step is worth at least when next states are worth `next`: one program.
fn worst_step(model: &Model, action: usize, state: usize, next: impl Fn(usize, usize) -> f64) -> f64 {
    let mut belief = vec![0.0; model.states().len()];
    belief[state] = 1.0;
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let (moves, sight) = nature(&mut problem, model, action, &belief);
    let total = problem.add_var(1.0, (f64::NEG_INFINITY, f64::INFINITY));
    let ahead = sight.iter().enumerate().flat_map(|(to, q)| {
        let next = &next;
        q.iter().enumerate().map(move |(o, &q)| (q, model.discount() * next(to, o)))
    });
    let terms: Terms = rewards(model, action, &moves).into_iter().chain(ahead).chain([(total, -1.0)]).collect();
    problem.add_constraint(summed(terms), ComparisonOp::Eq, 0.0);
    problem.solve().unwrap().objective()
}

/// Each variable once.
fn summed(mut terms: Terms) -> Terms {
    terms.sort_by_key(|(variable, _)| variable.idx());
    terms.dedup_by(|next, first| {
        let same = next.0 == first.0;
        if same {
            first.1 += next.1;
        }
        same
    });
    terms
}

/// The value of two decisions: for each first action one program, in which nature picks what comes of it and pays, after each observation,
/// for the best of the second actions.
fn two_decisions(model: &Model) -> f64 {
    let (s, a) = (model.states().len(), model.actions().len());
    let observations = model.observations().unwrap().len();
    let last = |to: usize, _: usize| model.final_reward().get(to).copied().unwrap_or(0.0);
    let second: Vec<Vec<f64>> =
        (0..a).map(|action| (0..s).map(|state| worst_step(model, action, state, last)).collect()).collect();
    let first = |action: usize| -> f64 {
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let (moves, sight) = nature(&mut problem, model, action, model.start());
        let reward = problem.add_var(1.0, (f64::NEG_INFINITY, f64::INFINITY));
        let terms: Terms = rewards(model, action, &moves).into_iter().chain([(reward, -1.0)]).collect();
        problem.add_constraint(terms, ComparisonOp::Eq, 0.0);
        for o in 0..observations {
            let most = problem.add_var(model.discount(), (f64::NEG_INFINITY, f64::INFINITY));
            for second in &second {
                let terms = sight.iter().zip(second).map(|(q, &worth)| (q[o], worth));
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
            parts.observation_ambiguity = None;
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

/// The same game with a step for the move and one for the look: states are those of before and, by action, those that were led to, where
/// nothing but the look happens. Only transitions have sets: a look leads to the state and what is seen of it, which is then known.
fn in_two_steps(model: &Model) -> Model {
    let (s, a) = (model.states().len(), model.actions().len());
    let o = model.observations().unwrap().len();
    let dynamics = &model.dynamics()[0];
    // States: (s, o), then (a, s').
    let (before, led) =
        (|state: usize, seen: usize| state * o + seen, |action: usize, to: usize| s * o + action * s + to);
    let count = s * o + a * s;
    let mut parts = model.to_builder();
    let mut moves = Kernel::new(count);
    let (mut low, mut high) = (Kernel::new(count), Kernel::new(count));
    let mut pays = Kernel::new(count);
    let bounds = |sets: Option<&Ambiguity>, row: usize, column: usize, own: f64| match sets {
        Some(Ambiguity::Interval { lower, upper }) => (lower.get(row, column), upper.get(row, column)),
        _ => (own, own),
    };
    for action in 0..a {
        for cell in 0..count {
            let mut entries: Vec<(usize, f64, f64, f64, f64)> = Vec::new();
            if cell < s * o {
                let state = cell / o;
                let (row, sets) = (action * s + state, model.ambiguity().filter(|_| !model.is_terminal(state)));
                for to in 0..s {
                    let p = dynamics.transition.get(row, to);
                    let (l, h) = bounds(sets, row, to, p);
                    entries.push((led(action, to), p, l, h, model.realised_reward(state, action, to, 0)));
                }
            } else {
                let row = cell - s * o;
                for seen in 0..o {
                    let q = dynamics.observation.as_ref().unwrap().get(row, seen);
                    let (l, h) = bounds(model.observation_ambiguity(), row, seen, q);
                    entries.push((before(row % s, seen), q, l, h, 0.0));
                }
            }
            let column = |pick: fn(&(usize, f64, f64, f64, f64)) -> f64| {
                entries.iter().map(move |entry| (entry.0, pick(entry))).filter(|(_, v)| *v != 0.0).collect::<Vec<_>>()
            };
            moves.push_row(column(|e| e.1));
            low.push_row(column(|e| e.2));
            high.push_row(column(|e| e.3));
            pays.push_row(column(|e| e.4));
        }
    }
    parts.states = tiresias_model::Space::unnamed("states", count).unwrap();
    parts.observations = Some(tiresias_model::Space::unnamed("observations", o + 1).unwrap());
    // What is seen is the state's own; after a move, nothing.
    let sight: Vec<f64> = (0..a * count)
        .flat_map(|row| {
            let cell = row % count;
            let seen = if cell < s * o { cell % o } else { o };
            (0..=o).map(move |column| f64::from(u8::from(column == seen)))
        })
        .collect();
    parts.dynamics =
        vec![tiresias_model::Dynamics { transition: moves, observation: Some(Kernel::from_dense(o + 1, &sight)) }];
    parts.reward = Reward::Transition(pays);
    parts.ambiguity = Some(Ambiguity::Interval { lower: low, upper: high });
    parts.observation_ambiguity = None;
    let start = model.start();
    parts.start = (0..count).map(|cell| if cell < s * o && cell % o == 0 { start[cell / o] } else { 0.0 }).collect();
    parts.final_reward = match model.final_reward() {
        [] => Vec::new(),
        last => (0..count).map(|cell| if cell < s * o { last[cell / o] } else { 0.0 }).collect(),
    };
    parts.terminal = Vec::new();
    parts.discount = 1.0;
    parts.horizon = model.horizon().map(|h| 2 * h);
    parts.build().unwrap()
}

#[test]
fn a_look_apart_from_the_move_is_the_same_game() {
    let size = Size { states: 2, actions: 2, observations: 2, models: 1, horizon: 2 };
    let wide = || prop::collection::vec(0.0..0.5_f64, 7);
    runner(40)
        .run(&(hidden(size), wide(), wide(), wide(), wide()), |(model, a, b, c, d)| {
            let mut parts = model.to_builder();
            if matches!(parts.reward, Reward::Full(_)) || !parts.terminal.is_empty() {
                return Ok(());
            }
            (parts.alpha, parts.discount) = (1.0, 1.0);
            parts.ambiguity = Some(between(&parts.dynamics[0].transition, &a, &b));
            parts.observation_ambiguity = Some(between(parts.dynamics[0].observation.as_ref().unwrap(), &c, &d));
            let whole = parts.build().unwrap();
            let limits = Limits::with_gap(1e-5);
            let (one, two) = (
                solve_robust(&whole, &limits, &no_hook).unwrap(),
                solve_robust(&in_two_steps(&whole), &limits, &no_hook).unwrap(),
            );
            prop_assert!((one.lower - two.lower).abs() < 1e-4, "{} in one step, {} in two", one.lower, two.lower);
            check_whole(&one, 1e-5)?;
            Ok(())
        })
        .unwrap();
}

#[test]
fn ears_that_may_be_better_are_worth_what_the_worst_are() {
    // Every pair of ears that are right with 0.75 to 0.9 says at least what ears of 0.75 do, which can be had from them by forgetting
    // (Blackwell 1951); so nature picks these.
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/unsure-tiger.json")).unwrap();
    let unsure = Model::from_json(&text).unwrap();
    let mut parts = unsure.to_builder();
    (parts.ambiguity, parts.observation_ambiguity) = (None, None);
    let ears: Vec<f64> = [0.75, 0.25, 0.25, 0.75].into_iter().chain([0.5; 8]).collect();
    parts.dynamics[0].observation = Some(Kernel::from_dense(2, &ears));
    let worst = parts.build().unwrap();
    let found = solve_robust(&unsure, &Limits::with_gap(1e-4), &no_hook).unwrap();
    let known = auto(&worst).solve(&worst, &Limits::with_gap(1e-9), &no_hook).unwrap();
    assert!(found.lower <= known.upper + 1e-9 && known.lower <= found.upper + 1e-9, "{found:?} {}", known.lower);
    assert_eq!(found.stopped, Stopped::Converged);
}

#[test]
fn what_may_be_seen_anywhere_says_nothing() {
    // Nature makes every look alike: the best is then what no look can better.
    let size = Size { states: 3, actions: 2, observations: 2, models: 1, horizon: 3 };
    runner(40)
        .run(&hidden(size), |model| {
            let mut parts = model.to_builder();
            if matches!(parts.reward, Reward::Full(_)) {
                return Ok(());
            }
            parts.alpha = 1.0;
            let mut blind = parts.clone();
            parts.observation_ambiguity =
                Some(Ambiguity::L1 { radius: vec![2.0; rows(&model)], support: Support::All });
            let ambiguous = parts.build().unwrap();
            prop_assert_eq!(ambiguous.kind(), Kind::RobustPomdp);
            blind.dynamics[0].observation = Some(Kernel::from_dense(2, &[1.0, 0.0].repeat(rows(&model))));
            let blind = blind.build().unwrap();
            let limits = Limits::with_gap(1e-5);
            let (found, known) = (
                solve_robust(&ambiguous, &limits, &no_hook).unwrap(),
                auto(&blind).solve(&blind, &limits, &no_hook).unwrap(),
            );
            prop_assert!((found.lower - known.lower).abs() < 1e-4, "{} and {}", found.lower, known.lower);
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
