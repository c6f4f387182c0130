//! Problems without a discount: published values, exact values of small problems, and what is refused.

mod goal_models;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use goal_models::{Drn, maze, simple, three_by_three};
use proptest::prelude::*;
use tiresias_model::Explicit;
use tiresias_solve::{GoalSolution, Limits, Move, SolveError, Stopped, no_hook, solve_goal};

fn solve(model: &Explicit, objective: &str, gap: f64) -> Result<GoalSolution, SolveError> {
    solve_goal(model, &objective.parse().unwrap(), &Limits::with_gap(gap), &no_hook)
}

/// The value of an objective, with the policy that is handed out found worth what is proven.
#[track_caller]
fn value(model: &Explicit, objective: &str) -> f64 {
    let solution = solve(model, objective, 1e-9).unwrap();
    assert_eq!(solution.stopped, Stopped::Converged, "{objective} {solution:?}");
    let earned = earned(model, objective, &solution);
    assert!((earned - solution.lower).abs() < 1e-6, "{objective}: the policy earns {earned} of {}", solution.lower);
    solution.lower
}

/// What a policy earns, step by step until next to nothing is left: by the model's own states, without a belief.
fn earned(model: &Explicit, objective: &str, solution: &GoalSolution) -> f64 {
    let objective: tiresias_model::Objective = objective.parse().unwrap();
    let reward = objective.to_string().starts_with('R').then(|| &model.rewards[0].choice);
    let goals = model.labelled(&objective.goal).unwrap();
    let goal = |state: usize| goals.contains(&(state as u32));
    if goal(model.start) {
        return if reward.is_some() { 0.0 } else { 1.0 };
    }
    let mut mass = BTreeMap::from([((0, model.start), 1.0)]);
    let mut total = 0.0;
    for _ in 0..100_000 {
        let mut next_mass: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for ((node, state), p) in mass {
            let first = model.choices(state).start;
            let seen = model.observation(state) as u32;
            let act = &solution.policy.nodes[node].act;
            let choices: Vec<(usize, f64)> = match act {
                Move::Play { action, .. } => vec![(first + action, 1.0)],
                Move::Follow(plan) => {
                    let weights = &solution.policy.plans[*plan].weights;
                    let weights = &weights.iter().find(|pair| pair.0 == seen).unwrap().1;
                    weights.iter().enumerate().map(|(k, w)| (first + k, *w)).collect()
                }
            };
            for (choice, weight) in choices {
                total += reward.map_or(0.0, |reward| p * weight * reward[choice]);
                for (to, q) in model.transition.pairs(choice) {
                    let share = p * weight * q;
                    if goal(to) {
                        total += if reward.is_some() { 0.0 } else { share };
                        continue;
                    }
                    let at = match act {
                        Move::Follow(_) => node,
                        Move::Play { next, .. } => {
                            let seen = model.observation(to) as u32;
                            next.iter().find(|pair| pair.0 == seen).unwrap().1
                        }
                    };
                    *next_mass.entry((at, to)).or_default() += share;
                }
            }
        }
        next_mass.retain(|_, p| *p > 1e-12);
        mass = next_mass;
        if mass.is_empty() {
            break;
        }
    }
    total
}

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-7, "{found} is not {expected}");
}

/// The values that Storm's own tests name for its model `simple`, without and with slipping.
#[test]
fn storms_simple_model() {
    for slippery in [0.0, 0.4] {
        let model = simple(slippery);
        assert_near(value(&model, r#"Pmax=? [F "goal"]"#), 7.0 / 10.0);
        assert_near(value(&model, r#"Pmin=? [F "goal"]"#), 3.0 / 10.0);
        let (least, most) = if slippery == 0.0 { (19.0 / 50.0, 29.0 / 50.0) } else { (19.0 / 30.0, 29.0 / 30.0) };
        assert_near(value(&model, r#"Rmin=? [F "end"]"#), least);
        assert_near(value(&model, r#"Rmax=? [F "end"]"#), most);
    }
}

/// PRISM's mazes: 4.3 steps, and 74 / 13; and its grid, which it bounds by [2.84961, 2.87500].
#[test]
fn prisms_mazes_and_grid() {
    assert_near(value(&maze(2), r#"Rmin=? [F "target"]"#), 4.3);
    assert_near(value(&maze(3), r#"Rmin=? [F "target"]"#), 74.0 / 13.0);
    let steps = value(&three_by_three(), r#"R{"steps"}min=? [F "target"]"#);
    assert!((2.849_609..=2.875_001).contains(&steps), "{steps}");
}

/// A coin under a cup: whatever is called, half the calls are right. Turned up first, all of them are.
#[test]
fn a_guess_is_worth_what_it_is() {
    let mut drn = Drn::new(5, "");
    drn.state(0, 0, "init").action("toss", "", &[(1, 0.5), (2, 0.5)]);
    drn.state(1, 1, "").action("heads", "", &[(3, 1.0)]).action("tails", "", &[(4, 1.0)]);
    drn.state(2, 1, "").action("heads", "", &[(4, 1.0)]).action("tails", "", &[(3, 1.0)]);
    drn.state(3, 2, "right").action("stay", "", &[(3, 1.0)]);
    drn.state(4, 2, "wrong").action("stay", "", &[(4, 1.0)]);
    let model = drn.read();
    for objective in [r#"Pmax=? [F "right"]"#, r#"Pmin=? [F "right"]"#, r#"Pmax=? [F "wrong"]"#] {
        assert_near(value(&model, objective), 0.5);
    }
    let seen = drn.observed().read();
    assert_near(value(&seen, r#"Pmax=? [F "right"]"#), 1.0);
    assert_near(value(&seen, r#"Pmin=? [F "right"]"#), 0.0);
}

/// Two rooms to walk between for ever, and a way out that is worth 0.3: every value is a fixed point within the rooms.
#[test]
fn what_may_go_round_for_ever_is_no_end_in_itself() {
    let mut drn = Drn::new(4, "cost");
    drn.state(0, 0, "init").action("over", "[0]", &[(1, 1.0)]).action("out", "[1]", &[(0, 1.0)]);
    drn.state(1, 1, "").action("back", "[0]", &[(0, 1.0)]).action("leap", "[1]", &[(2, 0.3), (3, 0.7)]);
    drn.state(2, 2, "goal").action("stay", "[0]", &[(2, 1.0)]);
    drn.state(3, 3, "lost").action("stay", "[0]", &[(3, 1.0)]);
    let model = drn.read();
    assert_near(value(&model, r#"Pmax=? [F "goal"]"#), 0.3);
    assert_near(value(&model, r#"Pmin=? [F "goal"]"#), 0.0);
    let either = Drn { text: drn.text.replace("\"lost\"", "\"goal\"") };
    assert_near(value(&either.read(), r#"Rmin=? [F "goal"]"#), 1.0);
}

/// Keeping to states of a label: the short way leads through another.
#[test]
fn states_to_keep_to() {
    let mut drn = Drn::new(3, "");
    drn.state(0, 0, "init dry").action("wade", "", &[(1, 1.0)]).action("wait", "", &[(0, 0.5), (2, 0.25), (1, 0.25)]);
    drn.state(1, 1, "").action("on", "", &[(2, 1.0)]);
    drn.state(2, 2, "dry home").action("stay", "", &[(2, 1.0)]);
    let model = drn.read();
    assert_near(value(&model, r#"Pmax=? [F "home"]"#), 1.0);
    let solution = solve(&model, r#"Pmax=? ["dry" U "home"]"#, 1e-9).unwrap();
    assert_near(solution.lower, 0.5);
    assert_near(solution.upper, 0.5);
}

#[test]
fn what_cannot_be_answered_is_named() {
    let message = |model: &Explicit, objective: &str| solve(model, objective, 1e-3).unwrap_err().to_string();
    let model = simple(0.0);
    assert!(message(&model, r#"Pmax=? [F "gaol"]"#).contains(r#"no label "gaol"; it has end, goal, init"#));
    assert!(message(&model, r#"R{"time"}min=? [F "end"]"#).contains(r#"no reward "time""#));
    // From the start 3 in 10 at least come to state 6 instead of the goal.
    let infinite = message(&model, r#"Rmin=? [F "goal"]"#);
    assert!(infinite.contains("infinite: no policy surely reaches the goal"), "{infinite}");
    let round = message(&maze(2), r#"Rmax=? [F "target"]"#);
    assert!(round.contains("may go round for ever"), "{round}");
    let mut drn = Drn::new(2, "gain");
    drn.state(0, 0, "init").action("go", "[-2]", &[(1, 1.0)]);
    drn.state(1, 1, "goal").action("stay", "[0]", &[(1, 1.0)]);
    assert!(message(&drn.read(), r#"Rmin=? [F "goal"]"#).contains("state 0, action go: the reward -2 is negative"));
    assert_near(value(&drn.read(), r#"Pmax=? [F "goal"]"#), 1.0);
}

#[test]
fn limits_are_heard_and_bounds_hold_all_the_same() {
    let model = maze(3);
    let objective = r#"Rmin=? [F "target"]"#.parse().unwrap();
    let at_once = Limits { time: Some(Duration::ZERO), ..Limits::with_gap(0.0) };
    let solution = solve_goal(&model, &objective, &at_once, &no_hook).unwrap();
    assert_eq!((solution.stopped, solution.lower), (Stopped::Time, 0.0));
    assert!(!solution.policy.nodes.is_empty());
    let little = Limits { memory: Some(4_000), ..Limits::with_gap(0.0) };
    let solution = solve_goal(&model, &objective, &little, &no_hook).unwrap();
    assert_eq!(solution.stopped, Stopped::Memory);
    assert!(solution.lower <= 74.0 / 13.0 && 74.0 / 13.0 <= solution.upper, "{solution:?}");
    let no = |_: &_| ControlFlow::Break(());
    let solution = solve_goal(&model, &objective, &Limits::with_gap(0.0), &no).unwrap();
    assert_eq!(solution.stopped, Stopped::Cancelled);
}

/// A random model of `n` states in which a step leads on, or, where `back` says so, anywhere; the last state is the goal, the one before a trap.
fn random(n: usize, back: bool, observed: bool, draws: &[u8]) -> Explicit {
    let mut draws = draws.iter().copied().cycle();
    let mut draw = |below: usize| draws.next().unwrap() as usize % below;
    let mut drn = Drn::new(n, "cost");
    for state in 0..n {
        let seen = if state >= n - 2 { 7 + state } else { draw(2) };
        drn.state(
            state,
            if observed { state } else { seen },
            if state == 0 {
                "init"
            } else if state == n - 1 {
                "goal"
            } else {
                ""
            },
        );
        for action in ["a", "b"] {
            if state >= n - 2 {
                drn.action(action, "[0]", &[(state, 1.0)]);
                continue;
            }
            let from = if back { 0 } else { state + 1 };
            let (x, y, cost) = (from + draw(n - from), from + draw(n - from), 1 + draw(4));
            drn.action(action, &format!("[{cost}]"), &if x == y { vec![(x, 1.0)] } else { vec![(x, 0.25), (y, 0.75)] });
        }
    }
    drn.read()
}

/// The best probability of the goal within so many steps, by trying everything: all actions after all courses of events.
fn by_trying(model: &Explicit, belief: &BTreeMap<usize, f64>, steps: usize, most: bool) -> f64 {
    let goal = model.states() - 1;
    let Some(&some) = belief.keys().next().filter(|_| steps > 0) else { return 0.0 };
    let values = (0..model.choices(some).len()).map(|k| {
        let mut value = 0.0;
        let mut seen: BTreeMap<usize, BTreeMap<usize, f64>> = BTreeMap::new();
        for (&state, &mass) in belief {
            for (to, p) in model.transition.pairs(model.choices(state).start + k) {
                if to == goal {
                    value += mass * p;
                } else {
                    *seen.entry(model.observation(to)).or_default().entry(to).or_default() += mass * p;
                }
            }
        }
        value + seen.values().map(|belief| by_trying(model, belief, steps - 1, most)).sum::<f64>()
    });
    if most { values.fold(0.0, f64::max) } else { values.fold(f64::INFINITY, f64::min) }
}

/// What Bellman's equations come to where states are seen.
fn by_iteration(model: &Explicit, most: bool) -> f64 {
    let goal = model.states() - 1;
    let mut values = vec![0.0; goal + 1];
    values[goal] = 1.0;
    for _ in 0..5_000 {
        for state in 0..goal {
            let of = model.choices(state).map(|c| model.transition.pairs(c).map(|(to, p)| p * values[to]).sum::<f64>());
            values[state] = if most { of.fold(0.0, f64::max) } else { of.fold(1.0, f64::min) };
        }
    }
    values[0]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Where every course of events ends after some steps, trying everything gives the value.
    #[test]
    fn short_problems_are_solved_as_by_trying(n in 4_usize..8, most in any::<bool>(), draws in prop::collection::vec(any::<u8>(), 60)) {
        let model = random(n, false, false, &draws);
        let exact = by_trying(&model, &BTreeMap::from([(0, 1.0)]), n, most);
        assert_near(value(&model, if most { r#"Pmax=? [F "goal"]"# } else { r#"Pmin=? [F "goal"]"# }), exact);
    }

    /// Where they may go on, what some steps reach is no more than the upper bound, and the policy earns what is said.
    #[test]
    fn long_problems_have_bounds_that_hold(n in 4_usize..7, most in any::<bool>(), draws in prop::collection::vec(any::<u8>(), 60)) {
        let model = random(n, true, false, &draws);
        let objective = if most { r#"Pmax=? [F "goal"]"# } else { r#"Pmin=? [F "goal"]"# };
        let limits = Limits { time: Some(Duration::from_millis(300)), ..Limits::with_gap(1e-6) };
        let solution = solve_goal(&model, &objective.parse().unwrap(), &limits, &no_hook).unwrap();
        let some = by_trying(&model, &BTreeMap::from([(0, 1.0)]), 5, most);
        prop_assert!(some <= solution.upper + 1e-9, "{some} of {solution:?}");
        let earned = earned(&model, objective, &solution);
        let (lower, upper) = (solution.lower - 1e-6, solution.upper + 1e-6);
        prop_assert!(if most { lower <= earned } else { earned <= upper }, "{earned} of {solution:?}");
        prop_assert!(if most { earned <= upper } else { lower <= earned }, "{earned} of {solution:?}");
        // Who sees the state does as well at least.
        let seen = by_iteration(&model, most);
        prop_assert!(if most { lower <= seen } else { seen <= upper }, "{seen} of {solution:?}");
    }

    /// Broken off at any call of the hook, bounds hold and the policy earns its own.
    #[test]
    fn stopped_at_any_moment_bounds_hold(n in 4_usize..8, most in any::<bool>(), moment in 0_u32..12, draws in prop::collection::vec(any::<u8>(), 60)) {
        let model = random(n, false, false, &draws);
        let objective = if most { r#"Pmax=? [F "goal"]"# } else { r#"Pmin=? [F "goal"]"# };
        let calls = std::cell::Cell::new(0);
        let stop = |_: &_| {
            calls.set(calls.get() + 1);
            if calls.get() > moment { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let solution = solve_goal(&model, &objective.parse().unwrap(), &Limits::with_gap(0.0), &stop).unwrap();
        let exact = by_trying(&model, &BTreeMap::from([(0, 1.0)]), n, most);
        prop_assert!(solution.lower <= exact + 1e-9 && exact <= solution.upper + 1e-9, "{exact} not in {solution:?}");
        let earned = earned(&model, objective, &solution);
        prop_assert!(if most { solution.lower <= earned + 1e-9 } else { earned <= solution.upper + 1e-9 }, "{earned} of {solution:?}");
        prop_assert!(solution.stopped != Stopped::Cancelled || calls.get() > moment);
    }

    /// Observations that tell the state make an MDP of a POMDP.
    #[test]
    fn seen_states_are_those_of_an_mdp(n in 4_usize..9, most in any::<bool>(), draws in prop::collection::vec(any::<u8>(), 60)) {
        let model = random(n, true, true, &draws);
        let mdp = Explicit { observations: None, ..model.clone() };
        let exact = by_iteration(&model, most);
        for model in [&model, &mdp] {
            assert_near(value(model, if most { r#"Pmax=? [F "goal"]"# } else { r#"Pmin=? [F "goal"]"# }), exact);
        }
    }
}
