//! Every family and regime, from the draw to the shard and to evaluation episodes.

use std::collections::HashMap;
use std::ops::ControlFlow;

use tiresias_encode::{CompactTokenizer, Tokenizer as _, read_shard};
use tiresias_model::family::{Regime, TaskRequest, families, family};
use tiresias_study::{Episodes, Progress, Spec, default_template, make_shard};

/// Long enough for every goal of the dark room.
fn horizon(family: &str) -> usize {
    if family == "darkroom" { 20 } else { 5 }
}

fn spec(family: &str, regime: &str, gap: f64) -> Spec {
    let horizon = horizon(family);
    let text = format!(
        r#"{{"family":"{family}","split":"test","seed":5,"regime":"{regime}","horizon":{horizon},"models":2,
            "support":{{"trajectories":1,"behaviour":"random"}},"query":{{"behaviour":"epsilon:0.3"}},
            "solver":{{"gap":{gap}}},"tasks":3,"examplesPerTask":2}}"#
    );
    Spec::from_json(&text).unwrap()
}

fn quiet(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The rewards that a text prints, on the family's grid.
fn printed(text: &str, low: f64, step: f64) -> Vec<f64> {
    let steps = text.lines().filter(|line| line.contains(','));
    steps.map(|line| low + step * line.rsplit(',').next().unwrap().parse::<f64>().unwrap()).collect()
}

#[test]
fn shards_and_episodes_of_every_family() {
    let folder = tempfile::tempdir().unwrap();
    for family in families() {
        for &regime in family.regimes() {
            let name = format!("{}-{regime}", family.name());
            let grid = family.reward_grid();
            let spec = spec(family.name(), regime.name(), 0.02 * (grid.high - grid.low) * 5.0);
            let tokenizer = CompactTokenizer::new(&[default_template(family.as_ref(), regime)]).unwrap();
            let path = folder.path().join(&name);
            let report = make_shard(&spec, &tokenizer, &path, &quiet).unwrap();
            assert_eq!((report.examples, report.labels), (6, 6 * horizon(family.name())), "{name}");
            for row in read_shard(&path).unwrap().map(Result::unwrap) {
                let text = format!("{}{}", row.prompt, row.completion);
                assert_eq!(row.input_ids, tokenizer.encode(&text).unwrap(), "{name}");
                // The support shows its rewards, and all of them lie where the family says.
                let support = text.split('?').next().unwrap();
                let rewards = printed(support, grid.low, grid.step);
                assert_eq!(rewards.len(), horizon(family.name()), "{name}: {text}");
                let inside = |r: &f64| (grid.low - 1e-9..=grid.high + 1e-9).contains(r);
                assert!(rewards.iter().all(inside), "{name}: {rewards:?}");
            }
        }
    }
}

/// Against the oracle's own nature the mean return of the oracle's policy is its value.
#[test]
fn oracles_of_every_family_attain_their_values() {
    for family in families() {
        for &regime in family.regimes() {
            let mut spec = spec(family.name(), regime.name(), 0.05);
            spec.episodes_per_task = 300;
            let mut episodes = Episodes::create(&spec, &quiet).unwrap();
            while !episodes.done() {
                episodes.step(&episodes.oracle_actions()).unwrap();
            }
            let out = episodes.outcome();
            let n = out.returns.len() as f64;
            let mean = out.returns.iter().sum::<f64>() / n;
            let deviation = (out.returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>()).sqrt() / n;
            let optimal = out.optimal.iter().sum::<f64>() / out.optimal.len() as f64;
            assert!((mean - optimal).abs() < 0.05 + 5.0 * deviation, "{} {regime}: {mean} {optimal}", family.name());
            // Against nature there is no one value of a random policy.
            if regime == Regime::Apomdp {
                continue;
            }
            let random = out.random_value.iter().sum::<f64>() / out.random_value.len() as f64;
            assert!(optimal > random, "{} {regime}: {optimal} {random}", family.name());
        }
    }
}

#[test]
fn a_regime_that_a_family_lacks_is_refused() {
    let spec = spec("darkroom", "pomdp", 0.1);
    let darkroom = family("darkroom").unwrap();
    let tokenizer = CompactTokenizer::new(&[default_template(darkroom.as_ref(), spec.regime)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = make_shard(&spec, &tokenizer, &folder.path().join("x"), &quiet).err().unwrap().to_string();
    assert!(error.contains("is not one of mdp"), "{error}");
}

/// What is chosen on `validation` was chosen on no task that is trained or tested on.
#[test]
fn splits_of_one_distribution_share_no_task() {
    for family in families() {
        let names: Vec<&str> = family.splits().iter().map(|(name, _)| *name).collect();
        assert_eq!(names.contains(&"validation"), family.name() != "darkroom", "its goals are given");
        let regime = family.regimes()[0];
        let mut tasks = HashMap::new();
        for split in names.into_iter().filter(|name| ["train", "test", "validation"].contains(name)) {
            for index in 0..20 {
                let (split, seed, horizon) = (split.to_owned(), 7, family.horizon());
                let request = TaskRequest { split: split.clone(), index, seed, regime, horizon, models: 3, alpha: 1.0 };
                let parameters = format!("{:?}", family.task(&request).unwrap().parameters);
                assert_eq!(tasks.insert(parameters, (split.clone(), index)), None, "{} {split} {index}", family.name());
            }
        }
    }
}
