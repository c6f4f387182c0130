//! A cell as a whole: bounds hold, parts fall as they should, and threads change nothing.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use tiresias_theory::experiment::{Outcome, Setting};
use tiresias_theory::linear_mdp::Shape;
use tiresias_theory::training::Training;
use tiresias_theory::{Failed, Progress};

fn setting() -> Setting {
    Setting {
        seed: 3,
        shape: Shape { states: 6, actions: 3, dimension: 3, horizon: 3 },
        decay: 1.0,
        training_length: 10,
        pairs: vec![5, 50, 500],
        tasks: 12,
        prompts: 20,
        gaussian_prompts: 400,
        layers: 1,
        training: Training { steps: 60, batch: 48, learning_rate: 0.05 },
    }
}

fn run(setting: &Setting) -> Outcome {
    setting.run(&|_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn the_numbers_are_the_same_for_any_number_of_threads() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        format!("{:?}", pool.install(|| run(&setting())))
    };
    assert_eq!(on(1), on(3));
}

/// `V* − V^π ≤ Σ E_π[e(s, π) − e(s, π*)] ≤ D Σ ‖ŵ − w‖_Λ` for every prompt, so for means; then the bounds in expectation. All are of the closed form.
#[test]
fn every_step_of_the_bound_holds() {
    for decay in [0.0, 1.0] {
        for training_length in [3, 30] {
            let outcome = run(&Setting { decay, training_length, ..setting() });
            for task in &outcome.tasks {
                assert!(task.worst <= task.random && task.random <= task.optimal);
                for point in &task.points {
                    let acted = point.closed;
                    assert!(acted.loss >= -1e-12 && acted.loss <= task.optimal - task.worst + 1e-12);
                    assert!(acted.loss <= acted.advantage + 1e-9, "{acted:?}");
                    assert!(acted.advantage <= acted.realised + 1e-9, "{acted:?}");
                    let bound = point.bound;
                    assert!(
                        bound.sharp <= bound.total + 1e-9 && bound.total <= bound.estimation + bound.bias + 1e-9,
                        "{bound:?}"
                    );
                    assert!(acted.loss <= bound.sharp, "{acted:?} {bound:?}");
                }
            }
        }
    }
}

/// The mean over tasks and prompts of the squared error that was measured is the exact one, within five standard errors over tasks.
#[test]
fn measured_errors_are_the_exact_ones() {
    let outcome = run(&Setting { tasks: 40, prompts: 50, ..setting() });
    for at in 0..3 {
        let ratios: Vec<f64> = outcome
            .tasks
            .iter()
            .map(|task| task.points[at].closed.error_training / task.points[at].exact.total())
            .collect();
        let mean = ratios.iter().sum::<f64>() / 40.0;
        let error = (ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 39.0 / 40.0).sqrt();
        assert!((mean - 1.0).abs() < 5.0 * error && error < 0.05, "{mean} ± {error}");
    }
    for point in &outcome.gaussian {
        assert!((point.closed - point.exact.total()).abs() < 5.0 * point.closed_error, "{point:?}");
        assert!(point.closed_error < 0.2 * point.closed);
    }
}

/// Estimation falls as 1/M and bias does not; bias falls with N, in the limit as 1/N².
#[test]
fn the_parts_fall_with_what_they_should() {
    let task = |training_length: usize| run(&Setting { training_length, ..setting() }).tasks.swap_remove(0);
    let (short, long, longer) = (task(10), task(1000), task(10_000));
    for points in [&short.points, &long.points] {
        assert!((points[0].exact.estimation / points[2].exact.estimation - 100.0).abs() < 1e-9);
        assert!((points[0].bound.estimation / points[2].bound.estimation - 10.0).abs() < 1e-9);
        assert_eq!((points[0].exact.bias, points[0].bound.bias), (points[2].exact.bias, points[2].bound.bias));
    }
    assert!(short.points[0].bound.bias > 10.0 * long.points[0].bound.bias);
    assert!((long.points[0].exact.bias / longer.points[0].exact.bias - 100.0).abs() < 3.0);
}

/// With equal eigenvalues `Γ⁻¹ Λ` is a number: what is left of the bias scales every estimate alike, and no decision hangs on it.
#[test]
fn shrinking_all_directions_alike_costs_nothing() {
    let outcomes = [4, 4000].map(|training_length| run(&Setting { decay: 0.0, training_length, ..setting() }));
    let [short, long] = outcomes.each_ref().map(|outcome| &outcome.tasks);
    for (short, long) in short.iter().zip(long) {
        for (a, b) in short.points.iter().zip(&long.points) {
            assert!((a.closed.loss - b.closed.loss).abs() < 1e-12);
            assert!((a.bound.sharp / b.bound.sharp - 1.0).abs() < 1e-9);
            assert!(a.bound.bias > 100.0 * b.bound.bias);
        }
    }
    let unequal = [4, 4000].map(|training_length| run(&Setting { decay: 2.0, training_length, ..setting() }));
    let loss = |outcome: &Outcome| outcome.tasks.iter().map(|task| task.points[2].closed.loss).sum::<f64>();
    assert!(loss(&unequal[0]) > loss(&unequal[1]), "{} {}", loss(&unequal[0]), loss(&unequal[1]));
}

#[test]
fn it_stops_when_it_is_told_to() {
    let whole = AtomicUsize::new(0);
    let measured = AtomicUsize::new(0);
    setting()
        .run(&|progress: Progress| {
            whole.fetch_add(1, Ordering::Relaxed);
            assert!(progress.done <= progress.total);
            if progress.phase == "measure" {
                measured.fetch_max(progress.done, Ordering::Relaxed);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(measured.into_inner(), 400 + 12 * 20, "the last report is of the end");
    for after in [0, 30, whole.into_inner() / 2] {
        let asked = AtomicUsize::new(0);
        let hook = |_: Progress| {
            if asked.fetch_add(1, Ordering::Relaxed) >= after {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        assert!(matches!(setting().run(&hook), Err(Failed::Cancelled)), "after {after}");
    }
}

#[test]
fn what_is_no_setting_is_refused_by_name() {
    let cases: [(Setting, &str); 6] = [
        (Setting { tasks: 0, ..setting() }, "tasks"),
        (Setting { pairs: vec![], ..setting() }, "pairs"),
        (Setting { pairs: vec![5, 5], ..setting() }, "pairs"),
        (Setting { decay: f64::NAN, ..setting() }, "decay"),
        (Setting { shape: Shape { states: 2, actions: 1, dimension: 3, horizon: 1 }, ..setting() }, "features"),
        (Setting { training: Training { steps: 1, batch: 1, learning_rate: -1.0 }, ..setting() }, "learningRate"),
    ];
    for (setting, word) in cases {
        let error = setting.run(&|_| ControlFlow::Continue(())).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
