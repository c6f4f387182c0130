//! What is refused, what is an error, and what they say.

mod common;

use std::ops::ControlFlow;

use common::{A, Mdp, Path, Rule, S, record, rows};
use tiresias_data::Trajectories;
use tiresias_off_policy::{
    Behaviour, Error, Estimates, Estimator, Fit, Interval, Options, Refusal, Target, estimate, no_hook,
};

const RATIOS: [Estimator; 6] =
    [Estimator::Is, Estimator::Wis, Estimator::Pdis, Estimator::Wpdis, Estimator::Dr, Estimator::Wdr];

fn problem() -> Mdp {
    Mdp {
        start: 0.6,
        to_first: [[0.7, 0.2], [0.4, 0.9]],
        reward: [[[1.0, 0.0], [0.5, 2.0]], [[0.0, -1.0], [3.0, 0.2]]],
        end: [[0.0; A]; S],
        horizon: 4,
        discount: 0.9,
    }
}

fn drawn(behaviour: &Rule, episodes: usize) -> Vec<Path> {
    problem().draw(behaviour, episodes, 1)
}

fn run(log: &Trajectories, target: &[f64], options: &Options) -> Estimates {
    estimate(log, target, options, &no_hook).unwrap()
}

fn refusal(found: &Estimates, estimator: Estimator) -> &Refusal {
    found.get(estimator).as_ref().unwrap_err()
}

/// The second action was never taken in state 1; the target takes it there at every second stage.
#[test]
fn missing_overlap_is_named() {
    let paths = drawn(&vec![[0.5, 1.0]], 200);
    let target: Rule = vec![[0.5, 1.0], [0.5, 0.25]];
    let found = run(&record(&paths, None), &rows(&paths, &target), &Options::default());
    let odd = |path: &Path| (0..4).filter(|stage| stage % 2 == 1 && path.states[*stage] == 1).count();
    let (steps, first) = (paths.iter().map(odd).sum::<usize>(), paths.iter().position(|path| odd(path) > 0).unwrap());
    for estimator in RATIOS.into_iter().chain([Estimator::Fqe]) {
        let Refusal::Support { gaps, total: 1 } = refusal(&found, estimator) else { panic!("{}", estimator.name()) };
        let gap = &gaps[0];
        assert_eq!((gap.observation, gap.action, gap.stages, gap.steps), (1, 1, (0, 4), steps));
        assert!((gap.probability - 0.75).abs() < 1e-12);
        assert_eq!((gap.first[0], gap.first.len()), (first as u64, 10));
    }
    assert!(found.get(Estimator::OnPolicy).is_ok());
    let told = &found.diagnostics;
    assert!((told.unsupported_steps - steps as f64 / 800.0).abs() < 1e-12);
    assert!((told.unsupported_probability - 0.75 * steps as f64 / 800.0).abs() < 1e-12);
    let text = refusal(&found, Estimator::Is).to_string();
    assert!(text.contains("action 1 after observation 1"), "{text}");

    // With propensities the log itself says what was possible: only the fit lacks something.
    let found = run(&record(&paths, Some(&vec![[0.5, 1.0]])), &rows(&paths, &target), &Options::default());
    assert!(found.get(Estimator::Wis).is_ok() && found.get(Estimator::Dr).is_ok());
    assert_eq!(refusal(&found, Estimator::Fqe).kind(), "support");
    assert!(found.diagnostics.unsupported_steps > 0.0 && found.diagnostics.mean_weight < 0.9);
}

/// By stage, what was done at one stage only does not count for another.
#[test]
fn stages_have_overlap_of_their_own() {
    let behaviour: Rule = vec![[0.5, 0.5], [1.0, 1.0], [0.5, 0.5], [0.5, 0.5]];
    let paths = drawn(&behaviour, 300);
    let target: Rule = vec![[0.5, 0.5]];
    let log = record(&paths, None);
    let target = rows(&paths, &target);
    assert!(run(&log, &target, &Options::default()).get(Estimator::Wpdis).is_ok());
    let kind = Behaviour::Estimated { smoothing: 1.0, stages: Some(1) };
    let found = run(&log, &target, &Options { behaviour: kind, fit: Fit::Staged, ..Options::default() });
    for estimator in [Estimator::Wpdis, Estimator::Fqe] {
        let Refusal::Support { gaps, total: 2 } = refusal(&found, estimator) else { panic!("{}", estimator.name()) };
        assert!(gaps.iter().all(|gap| gap.stages == (1, 2) && gap.action == 1));
    }
}

/// A pair that the target cannot come to does not stand in the way of the fit.
#[test]
fn what_the_target_cannot_reach_needs_no_data() {
    let mdp = Mdp { start: 1.0, to_first: [[1.0, 0.0], [0.0, 0.0]], ..problem() };
    let paths = mdp.draw(&vec![[0.5, 1.0]], 200, 1);
    // Never leaves state 0, and would do there in state 1 what nobody did.
    let found = run(&record(&paths, None), &rows(&paths, &vec![[1.0, 0.0]]), &Options::default());
    assert!((found.get(Estimator::Fqe).as_ref().unwrap().value - 4.0).abs() < 1e-12);
    assert_eq!(refusal(&found, Estimator::Wis).kind(), "support");
}

/// A continuation that no record shows is missing, too.
#[test]
fn a_pair_seen_only_where_records_stop_is_no_transition() {
    let path = |actions: [usize; 2]| Path {
        states: vec![0, 0],
        actions: actions.to_vec(),
        rewards: vec![1.0, 2.0],
        last: 0,
        terminated: false,
    };
    let paths: Vec<Path> = (0..40).map(|index| path([0, index % 2])).collect();
    let options = Options { least_effective: Some(0.0), ..Options::default() };
    let found = run(&record(&paths, None), &rows(&paths, &vec![[0.5, 0.5]]), &options);
    assert!(matches!(refusal(&found, Estimator::Fqe), Refusal::Support { total: 1, .. }));
    let found = run(&record(&paths, None), &rows(&paths, &vec![[1.0, 0.5]]), &options);
    assert!(found.get(Estimator::Fqe).is_ok());
}

#[test]
fn weights_that_leave_little_are_refused() {
    let half: Rule = vec![[0.5, 0.5]];
    let paths = drawn(&half, 400);
    let log = record(&paths, Some(&half));
    // One in sixteen episodes is possible: some 25 of 400.
    let certain = rows(&paths, &vec![[1.0, 1.0]]);
    let found = run(&log, &certain, &Options::default());
    let possible = paths.iter().filter(|path| path.actions.iter().all(|&a| a == 0)).count() as f64;
    let wis = found.get(Estimator::Wis).as_ref().unwrap();
    assert!((wis.effective - possible).abs() < 1e-9);
    assert!((found.diagnostics.possible - possible / 400.0).abs() < 1e-12);
    let strict = Options { least_effective: Some(possible + 1.0), ..Options::default() };
    let found = run(&log, &certain, &strict);
    let expected = Refusal::Effective { effective: wis.effective, least: possible + 1.0 };
    assert_eq!(refusal(&found, Estimator::Is), &expected);
    // Single decisions leave more than whole episodes do.
    assert!(found.get(Estimator::Pdis).as_ref().unwrap().effective > 2.0 * possible);
    assert!(found.get(Estimator::Fqe).is_ok());
    assert_eq!(Options::default().floor(400), 10.0);
    assert_eq!(Options::default().floor(5000), 50.0);
}

#[test]
fn one_episode_does_not_decide() {
    let half: Rule = vec![[0.5, 0.5]];
    let mut paths = drawn(&half, 50);
    paths.iter_mut().for_each(|path| path.actions[3] = 1);
    paths[17].actions = vec![0; 4];
    let log = record(&paths, Some(&half));
    let found = run(&log, &rows(&paths, &vec![[0.99, 0.99]]), &Options::default());
    let Refusal::OneWeight { share, episode: 17 } = refusal(&found, Estimator::Wis) else { panic!() };
    assert!(*share > 0.5);
    let free = Options { largest_share: 1.0, least_effective: Some(0.0), ..Options::default() };
    assert!(run(&log, &rows(&paths, &vec![[0.99, 0.99]]), &free).get(Estimator::Wis).is_ok());
}

#[test]
fn an_impossible_log_is_refused() {
    let mut paths = drawn(&vec![[0.5, 0.5]], 50);
    paths.iter_mut().for_each(|path| path.actions[2] = 1);
    let log = record(&paths, Some(&vec![[0.5, 0.5]]));
    let free = Options { largest_share: 1.0, least_effective: Some(0.0), ..Options::default() };
    let found = run(&log, &rows(&paths, &vec![[1.0, 1.0]]), &free);
    for estimator in RATIOS {
        assert_eq!(refusal(&found, estimator), &Refusal::NoWeight { stage: 2 });
    }
    assert_eq!((found.diagnostics.possible, found.diagnostics.mean_weight), (0.0, 0.0));
    // The first action is seen in other places, which is all that the fit needs.
    assert!(found.get(Estimator::Fqe).is_ok());
}

#[test]
fn what_is_too_large_is_refused() {
    let mut paths = drawn(&vec![[0.5, 0.5]], 50);
    paths.iter_mut().flat_map(|path| &mut path.rewards).for_each(|reward| *reward = 1e308);
    let found = run(&record(&paths, Some(&vec![[0.5, 0.5]])), &rows(&paths, &vec![[0.5, 0.5]]), &Options::default());
    assert!(found.all.iter().all(|(_, outcome)| outcome == &Err(Refusal::Overflow)));
}

#[test]
fn broken_input_is_an_error() {
    let half: Rule = vec![[0.5, 0.5]];
    let paths = drawn(&half, 20);
    let log = record(&paths, Some(&half));
    let good = rows(&paths, &half);
    let fails = |target: &[f64], q: Option<&[f64]>| {
        let asked = Target { probabilities: target, q };
        estimate(&log, asked, &Options::default(), &no_hook).unwrap_err()
    };
    let with = |index: usize, value: f64| {
        let mut target = good.clone();
        target[index] = value;
        target
    };
    for value in [f64::NAN, -0.1, f64::INFINITY] {
        // Step 5 is the second of the second episode.
        let error = fails(&with(5 * A + 1, value), None);
        assert!(matches!(error, Error::Entry { episode: 1, step: 1, action: 1, .. }), "{error}");
    }
    assert!(matches!(fails(&with(0, 0.50001), None), Error::Sum { episode: 0, step: 0, .. }));
    assert!(estimate(&log, &with(0, 0.500_000_9)[..], &Options::default(), &no_hook).is_ok());
    assert_eq!(fails(&good[1..], None), Error::Length { what: "target", expected: 160, found: 159 });
    assert_eq!(fails(&good, Some(&good[2..])), Error::Length { what: "q", expected: 160, found: 158 });
    assert!(matches!(fails(&good, Some(&with(3, f64::NAN))), Error::Entry { episode: 0, step: 1, action: 1, .. }));

    let one = log.select(&[3]);
    assert_eq!(estimate(&one, &good[..4 * A], &Options::default(), &no_hook).unwrap_err(), Error::OneEpisode);

    let bare = record(&paths, None);
    let logged = Options { behaviour: Behaviour::Logged, ..Options::default() };
    assert_eq!(estimate(&bare, &good[..], &logged, &no_hook).unwrap_err(), Error::NoPropensities);
}

#[test]
fn options_have_ranges() {
    let half: Rule = vec![[0.5, 0.5]];
    let paths = drawn(&half, 20);
    let log = record(&paths, Some(&half));
    let estimated = |smoothing, stages| Behaviour::Estimated { smoothing, stages };
    let plain = Options::default;
    for (name, options) in [
        ("discount", Options { discount: 0.0, ..plain() }),
        ("discount", Options { discount: f64::NAN, ..plain() }),
        ("discount", Options { fit: Fit::Stationary, ..plain() }),
        ("smoothing", Options { behaviour: estimated(-1.0, None), ..plain() }),
        ("smoothing", Options { behaviour: estimated(1e308, None), ..plain() }),
        ("stages", Options { behaviour: estimated(0.0, Some(0)), ..plain() }),
        ("max_weight", Options { max_weight: Some(0.0), ..plain() }),
        ("negligible", Options { negligible: 1.0, ..plain() }),
        ("least_effective", Options { least_effective: Some(-1.0), ..plain() }),
        ("largest_share", Options { largest_share: 0.0, ..plain() }),
        ("level", Options { level: 1.0, ..plain() }),
        ("folds", Options { folds: 1, ..plain() }),
        ("resamples", Options { resamples: 0, ..plain() }),
        ("units", Options { units: 1, ..plain() }),
        ("threads", Options { threads: 0, ..plain() }),
    ] {
        let error = estimate(&log, &rows(&paths, &half)[..], &options, &no_hook).unwrap_err();
        assert!(matches!(error, Error::Option { name: found, .. } if found == name), "{name}: {error}");
    }
}

#[test]
fn a_hook_ends_it() {
    let half: Rule = vec![[0.5, 0.5]];
    let paths = drawn(&half, 20);
    let log = record(&paths, Some(&half));
    for phase in ["weights", "fit", "sums", "resamples"] {
        let hook = |progress: tiresias_off_policy::Progress| {
            if progress.phase == phase { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        for threads in [1, 2] {
            let options = Options { threads, ..Options::default() };
            assert_eq!(estimate(&log, &rows(&paths, &half)[..], &options, &hook).unwrap_err(), Error::Cancelled);
        }
    }
}

/// An interval of either kind lies around its estimate, and a wider level makes it wider.
#[test]
fn intervals_are_read_off_the_resamples() {
    let half: Rule = vec![[0.5, 0.5]];
    let paths = drawn(&half, 200);
    let log = record(&paths, Some(&half));
    let target = rows(&paths, &vec![[0.3, 0.6]]);
    for interval in [Interval::Bca, Interval::Percentile] {
        let at = |level| run(&log, &target, &Options { interval, level, ..Options::default() });
        let (narrow, wide) = (at(0.5), at(0.99));
        for estimator in Estimator::ALL {
            let [narrow, wide] = [&narrow, &wide].map(|found| found.get(estimator).as_ref().unwrap());
            let [low, high] = narrow.interval;
            assert!(wide.interval[0] < low && low < narrow.value && narrow.value < high && high < wide.interval[1]);
        }
    }
}
