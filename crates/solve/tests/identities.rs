//! What must hold between models (SPEC: one model is a POMDP, a seen state a robust MDP, monotone in α).

mod common;

use common::{Size, draw, enumerate, hidden, runner};
use tiresias_model::{Kernel, Model};
use tiresias_solve::{BackwardInduction, Faces, Limits, Search, Solution, Solver, no_hook};

fn faces(model: &Model) -> Solution {
    let solver = Faces { first_divisions: 24, most_divisions: 24 };
    solver.solve(model, &Limits::with_gap(0.0), &no_hook).unwrap()
}

fn overlap(a: &Solution, b: &Solution) -> bool {
    a.lower <= b.upper + 1e-9 && b.lower <= a.upper + 1e-9
}

#[test]
fn identical_models_are_one_pomdp() {
    let mut runner = runner(1);
    let size = Size { states: 3, actions: 2, observations: 2, models: 1, horizon: 4 };
    for _ in 0..20 {
        let one = draw(&hidden(size), &mut runner);
        let mut builder = one.to_builder();
        builder.dynamics = vec![builder.dynamics[0].clone(); 3];
        builder.alpha = 0.7;
        let three = builder.build().unwrap();
        let (a, b) = (faces(&one), faces(&three));
        assert!(overlap(&a, &b));
        assert!((a.value() - b.value()).abs() < 0.02, "{} {}", a.value(), b.value());
        let exact = enumerate(&one, 0, one.start());
        assert!((enumerate(&three, 0, three.start()) - exact).abs() < 1e-9);
        let search = Search::default().solve(&one, &Limits::with_gap(1e-6), &no_hook).unwrap();
        assert!((search.value() - exact).abs() < 1e-5);
    }
}

#[test]
fn no_ambiguity_aversion_is_a_convex_choice_of_model() {
    let mut runner = runner(1);
    let size = Size { states: 3, actions: 2, observations: 2, models: 2, horizon: 4 };
    for _ in 0..20 {
        let mut builder = draw(&hidden(size), &mut runner).to_builder();
        builder.alpha = 0.0;
        let model = builder.build().unwrap();
        let search = Search::default().solve(&model, &Limits::with_gap(1e-6), &no_hook).unwrap();
        assert!((search.value() - enumerate(&model, 0, model.start())).abs() < 1e-5);
        assert!(overlap(&search, &faces(&model)));
    }
}

#[test]
fn a_seen_state_is_a_robust_mdp() {
    let mut runner = runner(1);
    let size = Size { states: 4, actions: 3, observations: 4, models: 3, horizon: 5 };
    for _ in 0..20 {
        let mut builder = draw(&hidden(size), &mut runner).to_builder();
        if matches!(builder.reward, tiresias_model::Reward::Full(_)) {
            continue;
        }
        // The first action comes before any observation, so the start must be known.
        builder.start = vec![0.0, 1.0, 0.0, 0.0];
        let identity: Vec<f64> = (0..12 * 4).map(|i| f64::from(u8::from(i / 4 % 4 == i % 4))).collect();
        builder.dynamics.iter_mut().for_each(|d| d.observation = Some(Kernel::from_dense(4, &identity)));
        let hidden = builder.clone().build().unwrap();
        builder.observations = None;
        builder.dynamics.iter_mut().for_each(|d| d.observation = None);
        let seen = builder.build().unwrap();
        let exact = BackwardInduction.solve(&seen, &Limits::default(), &no_hook).unwrap();
        let found = faces(&hidden);
        assert!((found.lower - exact.lower).abs() < 1e-9 && (found.upper - exact.lower).abs() < 1e-9);
        for state in 0..4 {
            let b: Vec<f64> = (0..4).map(|s| f64::from(u8::from(s == state))).collect();
            assert_eq!(found.policy.nature_at(2, &b), exact.policy.nature_at(2, &b));
        }
    }
}

trait NatureAt {
    fn nature_at(&self, stage: usize, belief: &[f64]) -> Vec<usize>;
}

impl NatureAt for tiresias_solve::SolvedPolicy {
    fn nature_at(&self, stage: usize, belief: &[f64]) -> Vec<usize> {
        (0..3).map(|a| self.worst_model(stage, belief, a)).collect()
    }
}

#[test]
fn the_value_falls_with_ambiguity_aversion() {
    let mut runner = runner(1);
    let size = Size { states: 3, actions: 2, observations: 2, models: 3, horizon: 4 };
    for _ in 0..15 {
        let mut builder = draw(&hidden(size), &mut runner).to_builder();
        let solutions: Vec<_> = [0.0, 0.3, 0.7, 1.0]
            .map(|alpha| {
                builder.alpha = alpha;
                faces(&builder.clone().build().unwrap())
            })
            .into_iter()
            .collect();
        for pair in solutions.windows(2) {
            assert!(pair[1].lower <= pair[0].upper + 1e-9);
            assert!(pair[1].value() <= pair[0].value() + 0.02);
        }
    }
}
