//! A small problem whose value is known, and logs of it drawn again and again.

use tiresias_off_policy::{Behaviour, Estimates, Estimator, Fit, Options, estimate, no_hook};

use crate::common::{Mdp, Rule, record, rows};

/// The problem, the policy that is asked about, and whoever acted.
pub fn problem() -> (Mdp, Rule, Rule) {
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

/// All estimates on a log drawn anew.
pub fn run(episodes: usize, seed: u64, options: &Options) -> Estimates {
    let (mdp, target, behaviour) = problem();
    let paths = mdp.draw(&behaviour, episodes, seed);
    let logged = if options.behaviour == Behaviour::Auto { Some(&behaviour) } else { None };
    let options = Options { discount: mdp.discount, fit: Fit::Staged, least_effective: Some(0.0), ..options.clone() };
    estimate(&record(&paths, logged), &rows(&paths, &target)[..], &options, &no_hook).unwrap()
}

/// The share of `repetitions` logs whose interval covers the value, by estimator, and the number that were refused.
pub fn coverage(episodes: usize, repetitions: u64, options: &Options) -> Vec<(Estimator, f64, usize)> {
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
