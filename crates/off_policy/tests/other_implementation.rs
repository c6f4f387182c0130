//! The same log under SCOPE-RL: see `fixtures/make_scope_rl.py`.

use serde_json::Value;
use tiresias_data::{Columns, Trajectories};
use tiresias_model::Space;
use tiresias_off_policy::{Estimator, Options, Target, estimate, no_hook};

#[test]
fn scope_rl_says_the_same() {
    let known: Value = serde_json::from_str(include_str!("fixtures/scope_rl.json")).unwrap();
    let numbers = |name: &str| -> Vec<f64> {
        known[name].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let steps = known["steps"].as_u64().unwrap() as usize;
    let actions = numbers("actions");
    let episodes = actions.len() / steps;
    let columns = Columns {
        offsets: (0..=episodes).map(|episode| episode * steps).collect(),
        observations: numbers("observations").into_iter().map(|o| o as i32).collect(),
        actions: actions.into_iter().map(|a| a as u8).collect(),
        rewards: numbers("rewards"),
        propensities: numbers("propensities"),
        last: vec![0; episodes],
        terminated: vec![true; episodes],
        ..Columns::default()
    };
    let space = |what| Space::unnamed(what, 3).unwrap();
    let trajectories = Trajectories::new(space("observation"), space("action"), columns).unwrap();
    let (probabilities, q) = (numbers("target"), numbers("q"));
    let options = Options {
        discount: known["discount"].as_f64().unwrap(),
        least_effective: Some(0.0),
        largest_share: 1.0,
        ..Options::default()
    };
    let asked = Target { probabilities: &probabilities[..], q: Some(&q[..]) };
    let found = estimate(&trajectories, asked, &options, &no_hook).unwrap();
    for estimator in Estimator::ALL {
        let Some(theirs) = known["values"][estimator.name()].as_f64() else { continue };
        let ours = found.get(estimator).as_ref().unwrap().value;
        // They add 1e-10 to what they divide by.
        assert!((ours - theirs).abs() < 1e-8, "{}: {ours} and {theirs}", estimator.name());
    }
}
