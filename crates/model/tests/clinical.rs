//! The clinical family against its definition.

use proptest::prelude::*;
use tiresias_model::family::{Regime, Task, TaskRequest, family};
use tiresias_model::{Kind, belief};

fn request(split: &str, index: u64, regime: Regime) -> TaskRequest {
    TaskRequest { split: split.into(), index, seed: 11, regime, horizon: 12, models: 3, alpha: 0.8 }
}

fn draw(split: &str, index: u64, regime: Regime) -> Task {
    family("clinical").unwrap().task(&request(split, index, regime)).unwrap()
}

fn parameter(task: &Task, name: &str) -> f64 {
    task.parameters.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no parameter {name}")).1
}

const SPLITS: [&str; 8] =
    ["train", "test", "validation", "ood-risk", "ood-response", "ood-tests", "ood-horizon", "ood-ambiguity"];
const LEVELS: [&str; 3] = ["low", "medium", "high"];
const STATUSES: [&str; 3] = ["healthy", "pre-diabetic", "diabetic"];

/// The probability that a test of three classes reads `seen` where `class` is true.
fn reads(class: usize, seen: usize, lower: f64, higher: f64) -> f64 {
    let (down, up) = (if class > 0 { lower } else { 0.0 }, if class < 2 { higher } else { 0.0 });
    match seen as i64 - class as i64 {
        -1 => down,
        1 => up,
        0 => 1.0 - down - up,
        _ => 0.0,
    }
}

proptest! {
    /// Marginals and events of every row of every model, from the family's definition with the task's own numbers.
    #[test]
    fn months_follow_the_definition(split in prop::sample::select(&SPLITS[..]), index in 0u64..1000) {
        let task = draw(split, index, Regime::Apomdp);
        let (states, actions) = (task.model.states(), task.model.actions());
        let at = |name: &str| states.index(name).unwrap();
        let pair = |c: usize, d: usize| at(&format!("{}-{}", LEVELS[c], STATUSES[d]));
        let (rejected, dead) = (at("rejected"), at("dead"));
        for (m, dynamics) in task.model.dynamics().iter().enumerate() {
            let p = |name: &str| parameter(&task, &format!("{m}.{name}"));
            for (dose, insulin) in [(0, 0), (0, 1), (2, 0), (2, 1)] {
                let name = format!("{}-dose{}", if dose == 0 { "low" } else { "high" }, if insulin == 1 { "-insulin" } else { "" });
                let row = |s: usize| actions.index(&name).unwrap() * 11 + s;
                for (c, d) in (0..3).flat_map(|c| (0..3).map(move |d| (c, d))) {
                    let next = |to: usize| dynamics.transition.get(row(pair(c, d)), to);
                    let frailty = [1.0, 1.2, 1.5][d];
                    let death = p("death") * frailty * if c == 2 { 1.5 } else { 1.0 };
                    prop_assert!((next(dead) - death).abs() < 1e-12);
                    let rejection = p("rejection") * [1.0, 0.4, 0.15][c] * frailty;
                    prop_assert!((next(rejected) - (1.0 - death) * rejection).abs() < 1e-12);
                    let alive = 1.0 - next(dead) - next(rejected);
                    // The level moves one class towards the dose.
                    let towards = if dose == 2 { (c + 1).min(2) } else { c.max(1) - 1 };
                    let moved: f64 = (0..3).map(|d| next(pair(towards, d))).sum::<f64>() / alive;
                    let expected = if towards == c { 1.0 } else { p("exposure") };
                    prop_assert!((moved - expected).abs() < 1e-12);
                    // The status.
                    let harm = [0.6, 1.0, p("harm")][c] * if insulin == 1 { 0.4 } else { 1.0 };
                    let relief = if insulin == 1 { 1.0 } else { 0.1 };
                    let becomes = |to: usize| (0..3).map(|c| next(pair(c, to))).sum::<f64>() / alive;
                    let worse = [p("onset") * harm, p("worsening") * harm, 0.0][d];
                    let better = [0.0, p("reversal") * relief, p("remission") * relief][d];
                    if d > 0 { prop_assert!((becomes(d - 1) - better).abs() < 1e-12); }
                    if d < 2 { prop_assert!((becomes(d + 1) - worse).abs() < 1e-12); }
                    prop_assert!((becomes(d) - (1.0 - better - worse)).abs() < 1e-12);
                }
                prop_assert!((dynamics.transition.get(row(rejected), dead) - 3.0 * p("death")).abs() < 1e-12);
                prop_assert_eq!(dynamics.transition.get(row(dead), dead), 1.0);
            }
        }
    }

    #[test]
    fn tests_err_as_said(split in prop::sample::select(&SPLITS[..]), index in 0u64..1000) {
        let task = draw(split, index, Regime::Apomdp);
        let back = if split == "ood-tests" { 1.0 / 3.0 } else { 0.0 };
        for (m, dynamics) in task.model.dynamics().iter().enumerate() {
            let (over, missed) = (parameter(&task, &format!("{m}.over")), parameter(&task, &format!("{m}.missed")));
            let kernel = dynamics.observation.as_ref().unwrap();
            for (s, o) in (0..11).flat_map(|s| (0..11).map(move |o| (s, o))) {
                let expected = if s < 9 && o < 9 {
                    reads(s / 3, o / 3, over * back, over) * reads(s % 3, o % 3, missed, missed * back)
                } else {
                    f64::from(u8::from(s == o))
                };
                prop_assert!((kernel.get(s, o) - expected).abs() < 1e-12, "{split} m={m} s={s} o={o}");
            }
        }
    }

    /// Rewards are whole twentieths that print as such, worse for worse states, and never below death.
    #[test]
    fn rewards_are_on_the_grid(split in prop::sample::select(&SPLITS[..]), index in 0u64..1000) {
        let task = draw(split, index, Regime::Mdp);
        let r = task.model.expected_reward(0);
        for &value in r {
            prop_assert!((0.0..=1.0).contains(&value));
            prop_assert_eq!(value, (value * 20.0).round() / 20.0);
            let printed = value.to_string();
            prop_assert!(printed.len() <= 4, "{}", printed);
        }
        let p = |name: &str| parameter(&task, name);
        for (level, status, insulin) in (0..3).flat_map(|c| (0..3).flat_map(move |d| (0..2_u8).map(move |i| (c, d, i)))) {
            let expected = p("quality")
                - if level == 2 { p("toxicity") } else { 0.0 }
                - [0.0, 0.05, p("diabetes_burden")][status]
                - f64::from(insulin) * p("insulin_burden");
            for dose in 0..2 {
                prop_assert!((r[(2 * dose + usize::from(insulin)) * 11 + level * 3 + status] - expected).abs() < 1e-12);
            }
        }
        for action in 0..4 {
            prop_assert_eq!(r[action * 11 + 9], p("rejected_quality"));
            prop_assert_eq!(r[action * 11 + 10], 0.0);
        }
    }

    #[test]
    fn numbers_stay_in_their_ranges(split in prop::sample::select(&SPLITS[..]), index in 0u64..1000) {
        let task = draw(split, index, Regime::Apomdp);
        let within = |name: &str, low: f64, high: f64| (low..=high).contains(&parameter(&task, name));
        let risk = if split == "ood-risk" { 2.0 } else { 1.0 };
        let response = if split == "ood-response" { 0.5 } else { 1.0 };
        let error = if split == "ood-tests" { 0.1 } else { 0.0 };
        prop_assert!(within("rejection", 0.02 * risk, 0.06 * risk) && within("onset", 0.03 * risk, 0.1 * risk));
        prop_assert!(within("worsening", 0.03 * risk, 0.1 * risk) && within("death", 0.002, 0.006));
        prop_assert!(within("exposure", 0.4, 0.8) && within("harm", 1.5, 2.5));
        prop_assert!(within("reversal", 0.2 * response, 0.5 * response) && within("remission", 0.1 * response, 0.4 * response));
        prop_assert!(within("over", 0.05 + error, 0.25 + error) && within("missed", 0.1 + error, 0.4 + error));
        let (low, high) = if split == "ood-ambiguity" { (0.5, 0.9) } else { (0.2, 0.5) };
        prop_assert!(within("delta", low, high));
        // Each model's odds are within a factor exp(delta) of the nominal ones.
        let logit = |p: f64| (p / (1.0 - p)).ln();
        for (m, name) in (0..3).flat_map(|m| ["rejection", "onset", "worsening", "death", "exposure", "reversal", "remission", "over", "missed"].map(|n| (m, n))) {
            let moved = logit(parameter(&task, &format!("{m}.{name}"))) - logit(parameter(&task, name));
            prop_assert!(moved.abs() <= parameter(&task, "delta") + 1e-9);
        }
        prop_assert_eq!(task.model.horizon(), Some(if split == "ood-horizon" { 24 } else { 12 }));
        prop_assert!(task.true_model < 3);
    }

    /// Whatever is done and read, at most four states stay possible (two levels × two statuses) where tests err one way.
    #[test]
    fn beliefs_keep_to_small_faces(index in 0u64..100, moves in prop::collection::vec((0usize..4, 0.0..1.0), 12)) {
        let model = draw("train", index, Regime::Pomdp).model;
        let mut b = model.start().to_vec();
        for (action, u) in moves {
            let seen: Vec<(usize, Vec<f64>)> = (0..11).filter_map(|o| {
                let mut next = vec![0.0; 11];
                (belief::update(&model, 0, &b, action, o, &mut next) > 0.0).then_some((o, next))
            }).collect();
            b = seen[(u * seen.len() as f64) as usize].1.clone();
            prop_assert!(b.iter().filter(|&&p| p > 0.0).count() <= 4);
        }
    }
}

#[test]
fn regimes_share_the_nominal_task() {
    let [mdp, pomdp, apomdp] = [Regime::Mdp, Regime::Pomdp, Regime::Apomdp].map(|regime| draw("test", 9, regime));
    assert_eq!([mdp.model.kind(), pomdp.model.kind(), apomdp.model.kind()], [Kind::Mdp, Kind::Pomdp, Kind::Apomdp]);
    for (name, value) in &mdp.parameters {
        assert_eq!([parameter(&pomdp, name), parameter(&apomdp, name)], [*value; 2], "{name}");
    }
    assert_eq!(draw("test", 9, Regime::Apomdp).model.sha256(), apomdp.model.sha256());
    assert_ne!(draw("test", 10, Regime::Apomdp).model.sha256(), apomdp.model.sha256());
    // Four starting pairs, all of them with the organ at work.
    let start: Vec<String> =
        (0..11).filter(|&s| mdp.model.start()[s] > 0.0).map(|s| mdp.model.states().name(s)).collect();
    assert_eq!(start, ["medium-healthy", "medium-pre-diabetic", "high-healthy", "high-pre-diabetic"]);
}
