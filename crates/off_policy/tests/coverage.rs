//! How often the intervals cover the value, over logs drawn anew; and that weighted estimates come to it with more episodes.

mod common;
#[path = "common/repeated.rs"]
mod repeated;

use repeated::{coverage, problem, run};
use tiresias_off_policy::{Estimator, Options};

/// Of 500 logs, 95 % ± 2 % at two standard deviations of the count; what is asked is within 3 points.
#[test]
fn intervals_cover_at_their_rate() {
    let options = Options { resamples: 500, ..Options::default() };
    for (estimator, share, refused) in coverage(400, 500, &options) {
        assert_eq!(refused, 0);
        assert!((share - 0.95).abs() <= 0.03, "{}: {share}", estimator.name());
    }
}

/// Groups of neighbours say the same of how estimates vary as episodes do.
#[test]
fn so_do_intervals_from_groups() {
    let options = Options { resamples: 500, units: 200, ..Options::default() };
    for (estimator, share, refused) in coverage(2000, 500, &options) {
        assert_eq!(refused, 0);
        assert!((share - 0.95).abs() <= 0.03, "{}: {share}", estimator.name());
    }
}

/// Errors fall with the episodes, to well within what chance allows of 200 000.
#[test]
fn weighted_estimates_are_consistent() {
    let (mdp, target, _) = problem();
    let truth = mdp.value(&target);
    let found = run(200_000, 3, &Options::default());
    for estimator in Estimator::ALL.into_iter().skip(1) {
        let found = found.get(estimator).as_ref().unwrap();
        let width = found.interval[1] - found.interval[0];
        assert!(width < 0.1, "{}: {width}", estimator.name());
        assert!((found.value - truth).abs() < width, "{}: {} for {truth}", estimator.name(), found.value);
    }
}
