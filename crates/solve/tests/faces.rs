//! Certified triangulations against the enumeration of the game tree.

mod common;

use common::{Size, belief, check_solution, draw, hidden, runner, tiger};
use proptest::prelude::*;
use tiresias_model::Model;
use tiresias_solve::{Faces, Limits, Solver, Stopped, no_hook};

const TINY: f64 = 1e-9;

fn solve(model: &Model, divisions: usize) -> tiresias_solve::Solution {
    let solver = Faces { first_divisions: divisions, most_divisions: divisions };
    solver.solve(model, &Limits::with_gap(0.0), &no_hook).unwrap()
}

fn check(model: &Model, divisions: usize, beliefs: &[Vec<f64>]) -> Result<(), TestCaseError> {
    check_solution(model, &solve(model, divisions), beliefs)
}

#[test]
fn bounds_hold_on_random_models() {
    for (states, models, divisions, cases) in
        [(2, 1, 3, 60), (2, 2, 3, 150), (2, 3, 5, 100), (3, 1, 3, 60), (3, 2, 1, 100), (3, 2, 3, 200), (3, 2, 6, 100)]
    {
        let size = Size { states, actions: 2, observations: 2, models, horizon: 3 };
        let strategy = (hidden(size), prop::collection::vec(belief(states), 6));
        runner(cases).run(&strategy, |(model, beliefs)| check(&model, divisions, &beliefs)).unwrap();
    }
}

#[test]
fn bounds_hold_with_three_actions_and_longer_horizons() {
    let size = Size { states: 3, actions: 3, observations: 2, models: 2, horizon: 4 };
    let strategy = (hidden(size), prop::collection::vec(belief(3), 4));
    runner(12).run(&strategy, |(model, beliefs)| check(&model, 4, &beliefs)).unwrap();
    let size = Size { states: 3, actions: 2, observations: 3, models: 3, horizon: 3 };
    let strategy = (hidden(size), prop::collection::vec(belief(3), 4));
    runner(12).run(&strategy, |(model, beliefs)| check(&model, 5, &beliefs)).unwrap();
}

#[test]
fn the_gap_closes_with_the_divisions() {
    let mut runner = runner(1);
    let size = Size { states: 3, actions: 3, observations: 2, models: 2, horizon: 4 };
    for _ in 0..20 {
        let model = draw(&hidden(size), &mut runner);
        let (coarse, fine) = (solve(&model, 3), solve(&model, 48));
        assert!(fine.gap() <= coarse.gap() + TINY);
        assert!(fine.gap() < 0.12, "gap {}", fine.gap());
    }
}

#[test]
fn tiger_has_its_published_values() {
    for (horizon, value) in [(10, 6.693_368_431_751), (20, 11.879_568_728_804)] {
        let model = tiger(Some(horizon));
        let solution = Faces { most_divisions: 20_000, ..Faces::default() }
            .solve(&model, &Limits::with_gap(1e-4), &no_hook)
            .unwrap();
        assert_eq!(solution.stopped, Stopped::Converged);
        assert!(solution.gap() <= 1e-4);
        assert!((solution.lower - TINY..=solution.upper + TINY).contains(&value), "{solution:?}");
    }
    let solution = Faces { most_divisions: 20_000, ..Faces::default() }
        .solve(&tiger(None), &Limits::with_gap(1e-3), &no_hook)
        .unwrap();
    // Published to six decimals.
    let published = solution.lower - 5e-7..=solution.upper + 5e-7;
    assert!(published.contains(&19.371_368), "{} {}", solution.lower, solution.upper);
    assert_eq!(solution.stopped, Stopped::Converged);
}
