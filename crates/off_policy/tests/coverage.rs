//! How often the intervals cover the value, over logs drawn anew; and that weighted estimates come to it with more episodes.

mod common;

use common::{Mdp, Rule, record, rows};
use tiresias_off_policy::{Behaviour, Estimates, Estimator, Fit, Interval, Options, estimate, no_hook};

fn problem() -> (Mdp, Rule, Rule) {
    let mdp = Mdp {
        start: 0.6,
        to_first: [[0.7, 0.2], [0.4, 0.9]],
        reward: [[[1.0, 0.0], [0.5, 2.0]], [[0.0, -1.0], [3.0, 0.2]]],
        end: [[0.05, 0.1], [0.1, 0.05]],
        horizon: 5,
        discount: 0.95,
    };
    (mdp, vec![[0.3, 0.35]], vec![[0.5, 0.55]])
}

fn run(episodes: usize, seed: u64, options: &Options) -> Estimates {
    let (mdp, target, behaviour) = problem();
    let paths = mdp.draw(&behaviour, episodes, seed);
    let logged = if options.behaviour == Behaviour::Auto { Some(&behaviour) } else { None };
    let options = Options { discount: mdp.discount, fit: Fit::Staged, least_effective: Some(0.0), ..options.clone() };
    estimate(&record(&paths, logged), &rows(&paths, &target)[..], &options, &no_hook).unwrap()
}

/// The share of `repetitions` logs whose interval covers the value, by estimator, and the number that were refused.
fn coverage(episodes: usize, repetitions: u64, options: &Options) -> Vec<(Estimator, f64, usize)> {
    let (mdp, target, behaviour) = problem();
    let [truth, earned] = [mdp.value(&target), mdp.value(&behaviour)];
    let logs: Vec<_> = (0..repetitions).map(|seed| run(episodes, seed, &Options { seed, ..options.clone() })).collect();
    Estimator::ALL
        .map(|estimator| {
            let value = if estimator == Estimator::OnPolicy { earned } else { truth };
            let given: Vec<_> = logs.iter().filter_map(|log| log.get(estimator).as_ref().ok()).collect();
            let covered = given.iter().filter(|found| found.interval[0] <= value && value <= found.interval[1]).count();
            (estimator, covered as f64 / given.len() as f64, logs.len() - given.len())
        })
        .to_vec()
}

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

/// `cargo test --release -p tiresias-off-policy --test coverage -- --ignored --nocapture`: the table of docs/off-policy.md.
#[test]
#[ignore = "a table for the documentation"]
fn table() {
    let estimated = Behaviour::Estimated { smoothing: 0.0, stages: None };
    for (behaviour, interval) in
        [(Behaviour::Auto, Interval::Bca), (Behaviour::Auto, Interval::Percentile), (estimated, Interval::Bca)]
    {
        println!("{behaviour:?}, {interval:?}");
        for episodes in [25, 50, 100, 200, 400, 1000] {
            print!("{episodes}:");
            for (estimator, share, refused) in
                coverage(episodes, 2000, &Options { interval, behaviour, ..Options::default() })
            {
                print!(" {} {:.1} ({refused})", estimator.name(), 100.0 * share);
            }
            println!();
        }
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
