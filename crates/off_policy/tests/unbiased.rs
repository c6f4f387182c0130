//! Expectations over all logs that could have been, by listing them.

mod common;

use common::{A, Mdp, Rule, record, rows};
use proptest::prelude::*;
use tiresias_off_policy::{Estimator, Options, Target, estimate, no_hook};

fn rule(low: f64) -> impl Strategy<Value = Rule> {
    prop::collection::vec(prop::array::uniform2(low..1.0 - low), 1..3)
}

fn mdp() -> impl Strategy<Value = Mdp> {
    let table = |range: std::ops::Range<f64>| prop::array::uniform2(prop::array::uniform2(range));
    let rewards = prop::array::uniform2(prop::array::uniform2(prop::array::uniform2(-1.0..1.0)));
    (0.0..1.0, table(0.1..0.9), rewards, table(0.1..0.5), 0.5..1.0)
        .prop_map(|(start, to_first, reward, end, discount)| Mdp { start, to_first, reward, end, horizon: 2, discount })
}

fn unguarded() -> Options {
    Options { least_effective: Some(0.0), largest_share: 1.0, resamples: 1, folds: 2, ..Options::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Over all pairs of trajectories, IS, PDIS and DR have the target's value as their mean, DR with the Q of the other fold and with
    /// any from outside; those that divide by the sum of weights do not.
    #[test]
    fn the_mean_over_all_logs_is_the_value(mdp in mdp(), target in rule(0.05), behaviour in rule(0.2), q in prop::array::uniform4(-2.0..2.0)) {
        let paths = mdp.paths(&behaviour);
        let options = Options { discount: mdp.discount, ..unguarded() };
        let [mut is, mut pdis, mut dr, mut outside] = [0.0; 4];
        let mut whole = 0.0;
        for (p, first) in &paths {
            for (r, second) in &paths {
                let log = [first.clone(), second.clone()];
                let trajectories = record(&log, Some(&behaviour));
                let probabilities = rows(&log, &target);
                // Of the state, the action and the stage's parity.
                let values: Vec<f64> = log.iter().flat_map(|path| path.states.iter().enumerate())
                    .flat_map(|(stage, &s)| (0..A).map(move |a| (s, a, stage)))
                    .map(|(s, a, stage)| q[s * A + a] * if stage == 0 { 1.0 } else { -0.5 }).collect();
                let found = estimate(&trajectories, &probabilities[..], &options, &no_hook).unwrap();
                let with = estimate(&trajectories, Target { probabilities: &probabilities, q: Some(&values) }, &options, &no_hook).unwrap();
                let value = |estimator| found.get(estimator).as_ref().unwrap().value;
                whole += p * r;
                is += p * r * value(Estimator::Is);
                pdis += p * r * value(Estimator::Pdis);
                dr += p * r * value(Estimator::Dr);
                outside += p * r * with.get(Estimator::Dr).as_ref().unwrap().value;
            }
        }
        let truth = mdp.value(&target);
        prop_assert!((whole - 1.0).abs() < 1e-12);
        for (name, mean) in [("is", is), ("pdis", pdis), ("dr", dr), ("dr outside", outside)] {
            prop_assert!((mean - truth).abs() < 1e-12, "{name}: {mean} instead of {truth}");
        }
    }
}
