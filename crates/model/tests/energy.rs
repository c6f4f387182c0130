//! The energy family against its definition.

use proptest::prelude::*;
use tiresias_model::family::{Regime, Task, TaskRequest, family};
use tiresias_model::{Kind, ModelError};

fn request(split: &str, index: u64, regime: Regime) -> TaskRequest {
    TaskRequest { split: split.into(), index, seed: 11, regime, horizon: 10, models: 3, alpha: 0.8 }
}

fn draw(split: &str, index: u64, regime: Regime) -> Task {
    family("energy").unwrap().task(&request(split, index, regime)).unwrap()
}

fn parameter(task: &Task, name: &str) -> f64 {
    task.parameters.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no parameter {name}")).1
}

const SPLITS: [&str; 8] =
    ["train", "test", "validation", "ood-harvest", "ood-capacity", "ood-noise", "ood-horizon", "ood-ambiguity"];

proptest! {
    /// Every transition of every model, written out from the family's definition with the task's own numbers.
    #[test]
    fn transitions_follow_the_definition(split in prop::sample::select(&SPLITS[..]), index in 0u64..1000) {
        let task = draw(split, index, Regime::Apomdp);
        let levels = task.model.states().len();
        let top = levels - 1;
        let (g, d) = (parameter(&task, "g") as usize, parameter(&task, "d") as usize);
        for (m, dynamics) in task.model.dynamics().iter().enumerate() {
            let p = |name: &str| parameter(&task, &format!("{m}.{name}"));
            for e in 0..levels {
                let mut rows = vec![vec![0.0; levels]; 3];
                rows[0][(e + g).min(top)] += p("p_h");
                rows[0][e] += 1.0 - p("p_h");
                rows[1][e.max(1) - 1] += p("p_l");
                rows[1][e] += 1.0 - p("p_l");
                if e >= d {
                    rows[2][e - d] += 1.0 - p("p_x");
                    rows[2][(e - d).max(1) - 1] += p("p_x");
                } else {
                    rows[2][e.max(1) - 1] = 1.0;
                }
                for (action, row) in rows.iter().enumerate() {
                    for (next, &expected) in row.iter().enumerate() {
                        let found = dynamics.transition.get(action * levels + e, next);
                        prop_assert!((found - expected).abs() < 1e-12, "{split} m={m} a={action} e={e} next={next}");
                    }
                }
                let eta = p("eta");
                let mut seen = vec![0.0; levels];
                seen[e] = 1.0 - eta;
                seen[if e == 0 { 1 } else { e - 1 }] += eta / 2.0;
                seen[if e == top { top - 1 } else { e + 1 }] += eta / 2.0;
                let kernel = dynamics.observation.as_ref().unwrap();
                for (o, &expected) in seen.iter().enumerate() {
                    prop_assert!((kernel.get(e, o) - expected).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn numbers_stay_in_their_ranges(split in prop::sample::select(&SPLITS[..]), index in 0u64..1000) {
        let task = draw(split, index, Regime::Apomdp);
        let within = |name: &str, low: f64, high: f64| (low..=high).contains(&parameter(&task, name));
        let range = |special: bool, a: (f64, f64), b: (f64, f64)| if special { a } else { b };
        let (low, high) = range(split == "ood-harvest", (0.2, 0.5), (0.5, 0.95));
        prop_assert!(within("p_h", low, high));
        let (low, high) = range(split == "ood-noise", (0.3, 0.45), (0.05, 0.3));
        prop_assert!(within("eta", low, high));
        let (low, high) = range(split == "ood-ambiguity", (0.2, 0.35), (0.05, 0.2));
        prop_assert!(within("delta", low, high));
        prop_assert!(within("g", 1.0, 3.0) && within("d", 1.0, 3.0) && within("p_l", 0.0, 0.3) && within("p_x", 0.0, 0.4));
        prop_assert!(within("w", 1.0, 3.0) && within("c_h", 0.0, 0.5) && within("k", 0.5, 2.0));
        let delta = parameter(&task, "delta");
        for m in 0..3 {
            for name in ["p_h", "p_l", "p_x", "eta"] {
                let moved = parameter(&task, &format!("{m}.{name}")) - parameter(&task, name);
                prop_assert!(moved.abs() <= delta + 0.01 + 1e-12);
            }
        }
        prop_assert_eq!(task.model.states().len(), if split == "ood-capacity" { 15 } else { 10 });
        prop_assert_eq!(task.model.horizon(), Some(if split == "ood-horizon" { 20 } else { 10 }));
        prop_assert!(task.true_model < 3);
        // Rewards print exactly on the grid of tenths.
        for &r in task.model.expected_reward(0) {
            prop_assert_eq!(format!("{r}").parse::<f64>().unwrap(), (r * 10.0).round() / 10.0);
        }
    }
}

#[test]
fn a_task_is_its_request() {
    let sha = |split: &str, index, regime| draw(split, index, regime).model.sha256();
    assert_eq!(sha("train", 5, Regime::Apomdp), sha("train", 5, Regime::Apomdp));
    assert_ne!(sha("train", 5, Regime::Apomdp), sha("train", 6, Regime::Apomdp));
    assert_ne!(sha("train", 5, Regime::Apomdp), sha("test", 5, Regime::Apomdp));
    let other = TaskRequest { seed: 12, ..request("train", 5, Regime::Mdp) };
    assert_ne!(family("energy").unwrap().task(&other).unwrap().model.sha256(), sha("train", 5, Regime::Mdp));
}

#[test]
fn regimes_share_the_nominal_task() {
    let [mdp, pomdp, apomdp] = [Regime::Mdp, Regime::Pomdp, Regime::Apomdp].map(|regime| draw("test", 9, regime));
    assert_eq!(mdp.model.kind(), Kind::Mdp);
    assert_eq!(pomdp.model.kind(), Kind::Pomdp);
    assert_eq!(apomdp.model.kind(), Kind::Apomdp);
    assert_eq!(apomdp.model.alpha(), 0.8);
    for name in ["p_h", "g", "p_l", "d", "p_x", "w", "c_h", "k", "eta"] {
        assert_eq!(parameter(&mdp, name), parameter(&pomdp, name));
        assert_eq!(parameter(&mdp, name), parameter(&apomdp, name));
    }
}

#[test]
fn draws_cover_their_ranges() {
    let tasks: Vec<Task> = (0..2000).map(|i| draw("train", i, Regime::Mdp)).collect();
    for (name, values) in [("g", 3), ("d", 3), ("w", 5), ("c_h", 6), ("k", 4)] {
        let mut seen: Vec<String> = tasks.iter().map(|t| format!("{:.1}", parameter(t, name))).collect();
        let total = seen.len();
        seen.sort();
        let counts: Vec<usize> = seen.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
        assert_eq!(counts.len(), values, "{name}");
        // Uniform: each count within five standard deviations of its mean.
        let mean = total as f64 / values as f64;
        assert!(counts.iter().all(|&c| (c as f64 - mean).abs() < 5.0 * mean.sqrt()), "{name}: {counts:?}");
    }
    let mean = tasks.iter().map(|t| parameter(t, "p_h")).sum::<f64>() / tasks.len() as f64;
    assert!((mean - 0.725).abs() < 5.0 * 0.45 / (12.0 * tasks.len() as f64).sqrt());
}

#[test]
fn unknown_names_list_what_exists() {
    let error = family("energy").unwrap().task(&request("tset", 0, Regime::Mdp)).unwrap_err();
    assert!(matches!(&error, ModelError::Name { name, .. } if name == "tset"));
    assert!(error.to_string().contains("train, test, validation, ood-harvest"), "{error}");
    let error = family("enery").err().unwrap().to_string();
    assert!(error.contains("\"enery\" is not one of energy"), "{error}");
    let none = TaskRequest { models: 0, ..request("test", 0, Regime::Apomdp) };
    assert!(family("energy").unwrap().task(&none).is_err());
}
