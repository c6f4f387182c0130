//! Clouds and sets around fitted MDPs against theory, and against the models that made the data.

mod common;

use std::ops::ControlFlow;

use common::{Simulated, pick, random_mdp, simulate, written};
use tiresias_data::Trajectories;
use tiresias_fit::{CloudOptions, FitError, MdpOptions, fit_mdp, no_hook};
use tiresias_model::random::Key;
use tiresias_model::{Ambiguity, Kernel, Kind, Model, Support};

fn data(episodes: usize) -> Trajectories {
    simulate(&random_mdp(4, 2, true, 9), &Simulated { episodes, steps: 6, ..Simulated::default() })
}

#[test]
fn posterior_draws_have_the_mean_and_variance_of_the_dirichlet() {
    let data = written(2, 2, &[(&[(0, 0, 0.0), (1, 0, 0.0), (0, 0, 0.0), (0, 0, 0.0)], 1, false)]);
    let fit = fit_mdp(&data, &MdpOptions { weight: 2.0, ..MdpOptions::default() }).unwrap();
    let models = 20_000;
    let cloud = fit.posterior(&CloudOptions { models, ..CloudOptions::default() }).unwrap();
    assert_eq!(
        (cloud.model.dynamics().len(), cloud.members.len(), cloud.model.kind()),
        (models, models, Kind::RobustMdp)
    );
    // Rows (a, s) with their parameters for state 0 and 1; action 1 was never done.
    for (row, a, b) in [(0, 1.0 + 1.0, 1.0 + 2.0), (1, 1.0 + 1.0, 1.0), (2, 1.0, 1.0), (3, 1.0, 1.0)] {
        let drawn: Vec<f64> = cloud.model.dynamics().iter().map(|d| d.transition.get(row, 0)).collect();
        let n = models as f64;
        let mean = drawn.iter().sum::<f64>() / n;
        let variance = drawn.iter().map(|p| (p - mean) * (p - mean)).sum::<f64>() / n;
        let (m, v): (f64, f64) = (a / (a + b), a * b / ((a + b) * (a + b) * (a + b + 1.0)));
        assert!((mean - m).abs() < 4.5 * (v / n).sqrt(), "row {row}: mean {mean}, not {m}");
        // The fourth central moment of a distribution on [0, 1] is below a quarter of its variance or so.
        assert!((variance - v).abs() < 4.5 * (v / 4.0 / n).sqrt(), "row {row}: variance {variance}, not {v}");
    }
}

#[test]
fn a_cloud_shares_reward_and_start_and_is_the_same_for_any_number_of_threads() {
    let (data, options) = (data(200), CloudOptions { models: 7, alpha: 0.25, seed: 5 });
    let fit = fit_mdp(&data, &MdpOptions::default()).unwrap();
    let both = || (fit.posterior(&options).unwrap(), fit.bootstrap(&data, &options, &no_hook).unwrap());
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(both);
    let (one, two) = (with(1), with(2));
    for (a, b) in [(&one.0, &two.0), (&one.1, &two.1)] {
        assert_eq!((&a.model, &a.members), (&b.model, &b.members));
        assert_eq!((a.model.reward(), a.model.start()), (fit.model.reward(), fit.model.start()));
        assert_eq!((a.model.alpha(), a.model.dynamics().len()), (0.25, 7));
        assert!(a.members.iter().zip(a.model.dynamics()).all(|(member, dynamics)| member.dynamics()[0] == *dynamics));
        assert_ne!(a.model.dynamics()[0], a.model.dynamics()[1]);
        assert_eq!(a.model.terminal_states(), [3]);
    }
    let other = fit.posterior(&CloudOptions { seed: 6, ..options }).unwrap();
    assert_ne!(other.model, one.0.model);
}

#[test]
fn members_of_a_bootstrap_vary_as_samples_do() {
    // 400 single steps from state 0: the share that leads to state 0 has the variance p (1 - p) / 400 over samples.
    let episodes: Vec<_> = (0..400).map(|i| (&[(0, 0, 1.0)][..], i32::from(i % 4 != 0), false)).collect();
    let data = written(2, 1, &episodes);
    let fit = fit_mdp(&data, &MdpOptions { weight: 0.0, ..MdpOptions::default() }).unwrap();
    let models = 4000;
    let cloud = fit.bootstrap(&data, &CloudOptions { models, ..CloudOptions::default() }, &no_hook).unwrap();
    let shares: Vec<f64> = cloud.members.iter().map(|m| m.dynamics()[0].transition.get(0, 0)).collect();
    let mean = shares.iter().sum::<f64>() / models as f64;
    let variance = shares.iter().map(|p| (p - mean) * (p - mean)).sum::<f64>() / models as f64;
    let expected = 0.25 * 0.75 / 400.0;
    assert!((mean - 0.25).abs() < 4.5 * (expected / models as f64).sqrt());
    // The relative standard deviation of a sample's variance is sqrt(2 / n).
    assert!((variance / expected - 1.0).abs() < 4.5 * (2.0 / models as f64).sqrt(), "{variance}, not {expected}");
}

#[test]
fn a_hook_cancels_a_bootstrap_and_what_is_out_of_range_is_refused() {
    let data = data(20);
    let fit = fit_mdp(&data, &MdpOptions { weight: 0.0, ..MdpOptions::default() }).unwrap();
    let options = CloudOptions::default();
    assert_eq!(fit.bootstrap(&data, &options, &|_| ControlFlow::Break(())).unwrap_err(), FitError::Cancelled);
    let other = written(9, 2, &[(&[(0, 0, 0.0)], 1, false)]);
    let errors = [
        (fit.posterior(&options).unwrap_err(), "above 0, which a posterior needs"),
        (
            fit.posterior(&CloudOptions { models: 0, ..options }).unwrap_err(),
            "models of the cloud: 0 is not at least 1",
        ),
        (fit.posterior(&CloudOptions { alpha: 1.5, ..options }).unwrap_err(), "alpha: 1.5 is not in [0, 1]"),
        (fit.bootstrap(&other, &options, &no_hook).unwrap_err(), "have 9 states, those that were fitted had 4"),
        (fit.l1(1.0).map(|_| ()).unwrap_err(), "coverage: 1 is not"),
        (fit.interval(f64::NAN).map(|_| ()).unwrap_err(), "coverage: NaN is not"),
    ];
    for (error, words) in errors {
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// Whether every row of `truth` lies in the set around it.
fn holds(model: &Model, truth: &Kernel) -> bool {
    let nominal = &model.dynamics()[0].transition;
    (0..truth.rows()).all(|r| match model.ambiguity().unwrap() {
        Ambiguity::L1 { radius, support } => {
            assert_eq!(*support, Support::All);
            let distance: f64 = (0..truth.columns()).map(|c| (truth.get(r, c) - nominal.get(r, c)).abs()).sum();
            distance <= radius[r] + 1e-12
        }
        Ambiguity::Interval { lower, upper } => {
            (0..truth.columns()).all(|c| (lower.get(r, c)..=upper.get(r, c)).contains(&truth.get(r, c)))
        }
    })
}

#[test]
fn the_true_rows_lie_in_the_sets_as_often_as_stated() {
    let truth = random_mdp(3, 2, false, 2);
    for coverage in [0.5, 0.9] {
        let mut held = [0, 0];
        let repetitions = 600;
        for seed in 0..repetitions {
            let data = simulate(&truth, &Simulated { episodes: 20, steps: 5, seed, ..Simulated::default() });
            let fit = fit_mdp(&data, &MdpOptions::default()).unwrap();
            for (model, held) in [fit.l1(coverage), fit.interval(coverage)].into_iter().zip(&mut held) {
                let model = model.unwrap();
                assert_eq!(model.kind(), Kind::RobustMdp);
                *held += i32::from(holds(&model, &truth.dynamics()[0].transition));
            }
        }
        for (name, held) in ["l1", "interval"].into_iter().zip(held) {
            assert!(f64::from(held) >= coverage * repetitions as f64, "{name} held {held} times of {repetitions}");
        }
    }
}

#[test]
fn intervals_of_one_row_miss_hardly_less_than_they_may() {
    // One action, one state to leave and two to reach: with S = 3 and one row that data cover, the interval of an entry misses with
    // probability (1 - coverage) / 9 at most. Its share of misses over samples of 50 must be near that and not above.
    let (p, n, coverage) = (0.3, 50, 0.1);
    let stated = (1.0 - coverage) / 9.0;
    let mut draws = Key::named(3, &["rows"], &[]).sequence();
    let mut missed = 0;
    let repetitions = 4000;
    let mut bounds = std::collections::HashMap::new();
    for _ in 0..repetitions {
        let ones = (0..n).filter(|_| pick(&mut draws, [(0, 1.0 - p), (1, p)].into_iter()) == 1).count();
        let (low, high) = *bounds.entry(ones).or_insert_with(|| {
            let episodes: Vec<_> = (0..n).map(|i| (&[(0, 0, 0.0)][..], 1 + i32::from(i < ones), false)).collect();
            let fit = fit_mdp(&written(3, 1, &episodes), &MdpOptions::default()).unwrap();
            let model = fit.interval(coverage).unwrap();
            let Some(Ambiguity::Interval { lower, upper }) = model.ambiguity() else { panic!("intervals") };
            (lower.get(0, 2), upper.get(0, 2))
        });
        missed += i32::from(!(low..=high).contains(&p));
    }
    let share = f64::from(missed) / f64::from(repetitions);
    assert!(
        share <= stated + 3.0 * (stated / f64::from(repetitions)).sqrt() && share > stated / 4.0,
        "{share} of {stated}"
    );
}

#[test]
fn bounds_of_intervals_leave_just_the_stated_tails() {
    // 7 of 20, and none and all of them, against sums of binomial probabilities.
    let choose = |n: i32, k: i32| (1..=k).fold(1.0, |c, i| c * f64::from(n - k + i) / f64::from(i));
    let tail = |from: i32, to: i32, p: f64| -> f64 {
        (from..=to).map(|k| choose(20, k) * p.powi(k) * (1.0 - p).powi(20 - k)).sum()
    };
    let episodes: Vec<_> = (0..20).map(|i| (&[(0, 0, 0.0)][..], i32::from(i < 7), false)).collect();
    let fit = fit_mdp(&written(3, 1, &episodes), &MdpOptions::default()).unwrap();
    let model = fit.interval(0.95).unwrap();
    let Some(Ambiguity::Interval { lower, upper }) = model.ambiguity() else { panic!("intervals") };
    let half = 0.05 / 9.0 / 2.0;
    for (next, k) in [(0, 13), (1, 7)] {
        assert!((tail(k, 20, lower.get(0, next)) / half - 1.0).abs() < 1e-9);
        assert!((tail(0, k, upper.get(0, next)) / half - 1.0).abs() < 1e-9);
    }
    assert_eq!(lower.get(0, 2), 0.0);
    assert!(((1.0 - upper.get(0, 2)).powi(20) / half - 1.0).abs() < 1e-9);
    // A row never seen may be anything.
    assert!((0..3).all(|next| (lower.get(1, next), upper.get(1, next)) == (0.0, 1.0)));
}

#[test]
fn radii_are_those_of_the_theorem() {
    let episodes: Vec<_> = (0..500).map(|i| (&[(0, 0, 0.0)][..], i % 2, false)).collect();
    let fit = fit_mdp(&written(3, 1, &episodes), &MdpOptions::default()).unwrap();
    let model = fit.l1(0.95).unwrap();
    let Some(Ambiguity::L1 { radius, .. }) = model.ambiguity() else { panic!("balls") };
    // 2^3 - 2 = 6 subsets, three rows.
    assert!((radius[0] - (2.0 / 500.0 * (6.0 / (0.05 / 3.0_f64)).ln()).sqrt()).abs() < 1e-12);
    assert_eq!(radius[1..], [2.0, 2.0]);
    // The centre is the share, without the prior.
    assert_eq!(model.dynamics()[0].transition.get(0, 0), 0.5);
    // Few data say nothing: no more than 2.
    let few = fit_mdp(&written(3, 1, &episodes[..1]), &MdpOptions::default()).unwrap().l1(0.95).unwrap();
    let Some(Ambiguity::L1 { radius, .. }) = few.ambiguity() else { panic!("balls") };
    assert_eq!(radius[0], 2.0);
}
