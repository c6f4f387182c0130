//! The linear family against its definition.

use proptest::prelude::*;
use tiresias_model::family::{Linear, Regime, Task, TaskRequest, family};

fn draw(split: &str, index: u64, seed: u64) -> Task {
    let request =
        TaskRequest { split: split.into(), index, seed, regime: Regime::Mdp, horizon: 7, models: 3, alpha: 1.0 };
    family("linear").unwrap().task(&request).unwrap()
}

proptest! {
    /// Rewards are φ·θ and transitions φ·μ, with the published features and the task's own numbers; rewards print as hundredths.
    #[test]
    fn everything_is_linear_in_the_features(
        split in prop::sample::select(&["train", "test", "validation", "ood-horizon", "ood-concentrated"][..]), index in 0_u64..1000, seed in 0_u64..50,
    ) {
        let task = draw(split, index, seed);
        let p = |name: String| task.parameters.iter().find(|(n, _)| *n == name).unwrap().1;
        let phi = Linear::features(seed);
        prop_assert_eq!(phi.len(), 30);
        for (row, phi) in phi.iter().enumerate() {
            prop_assert!((phi.iter().sum::<f64>() - 1.0).abs() < 1e-12 && phi.iter().all(|x| *x >= 0.0));
            let reward: f64 = (0..4).map(|k| phi[k] * p(format!("theta.{k}"))).sum();
            let found = task.model.expected_reward(0)[row];
            prop_assert!((found - reward).abs() < 1e-12);
            prop_assert_eq!(found, (found * 100.0).round() / 100.0);
            for s in 0..10 {
                let expected: f64 = (0..4).map(|k| phi[k] * p(format!("mu.{k}.{s}"))).sum();
                prop_assert!((task.model.dynamics()[0].transition.get(row, s) - expected).abs() < 1e-12);
            }
        }
        prop_assert_eq!(task.model.horizon(), Some(if split == "ood-horizon" { 14 } else { 7 }));
    }
}

#[test]
fn features_belong_to_the_seed_and_the_rest_to_the_task() {
    assert_eq!(Linear::features(3), Linear::features(3));
    assert_ne!(Linear::features(3), Linear::features(4));
    assert_ne!(draw("train", 0, 3).parameters, draw("train", 1, 3).parameters);
    assert_ne!(draw("train", 0, 3).parameters, draw("test", 0, 3).parameters);
    assert_eq!(draw("train", 0, 3).model.sha256(), draw("train", 0, 3).model.sha256());
    // The features span R^4: otherwise fewer would do.
    let phi = Linear::features(3);
    let independent = (0..27).any(|i| determinant(&phi[i..i + 4]).abs() > 1e-3);
    assert!(independent);
    // Concentrated measures put more on their likeliest state.
    let peak = |split: &str| {
        let most = |task: Task| {
            task.parameters.iter().filter(|(n, _)| n.starts_with("mu.0")).fold(0.0_f64, |m, (_, p)| m.max(*p))
        };
        (0..200).map(|i| most(draw(split, i, 3))).sum::<f64>() / 200.0
    };
    assert!(peak("ood-concentrated") > peak("train") + 0.1);
}

fn determinant(rows: &[[f64; 4]]) -> f64 {
    let mut m: Vec<[f64; 4]> = rows.to_vec();
    let mut product = 1.0;
    for i in 0..4 {
        let pivot = (i..4).max_by(|&a, &b| m[a][i].abs().total_cmp(&m[b][i].abs())).unwrap();
        m.swap(i, pivot);
        product *= m[i][i];
        if m[i][i] == 0.0 {
            return 0.0;
        }
        for r in i + 1..4 {
            let factor = m[r][i] / m[i][i];
            for c in i..4 {
                m[r][c] -= factor * m[i][c];
            }
        }
    }
    product
}
