//! What must be equal to what.

mod common;

use common::{A, Mdp, Path, Rule, S, probability, record, rows};
use tiresias_off_policy::{Behaviour, Estimates, Estimator, Fit, Options, Source, Target, estimate, no_hook};

fn problem(horizon: usize) -> Mdp {
    Mdp {
        start: 0.6,
        to_first: [[0.7, 0.2], [0.4, 0.9]],
        reward: [[[1.0, 0.0], [0.5, 2.0]], [[0.0, -1.0], [3.0, 0.2]]],
        end: [[0.05, 0.1], [0.2, 0.05]],
        horizon,
        discount: 0.9,
    }
}

fn behaviour() -> Rule {
    vec![[0.5, 0.4], [0.6, 0.55]]
}

fn target() -> Rule {
    vec![[0.3, 0.45], [0.7, 0.4]]
}

fn unguarded() -> Options {
    Options { discount: 0.9, least_effective: Some(0.0), largest_share: 1.0, resamples: 100, ..Options::default() }
}

fn value(found: &Estimates, estimator: Estimator) -> f64 {
    found.get(estimator).as_ref().unwrap_or_else(|refusal| panic!("{}: {refusal}", estimator.name())).value
}

fn values(found: &Estimates) -> [f64; 8] {
    Estimator::ALL.map(|estimator| value(found, estimator))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-11 * (1.0 + a.abs())
}

const RATIOS: [Estimator; 4] = [Estimator::Is, Estimator::Wis, Estimator::Pdis, Estimator::Wpdis];

#[test]
fn the_behaviour_itself_earns_the_mean() {
    let paths = problem(6).draw(&behaviour(), 300, 1);
    let found =
        estimate(&record(&paths, Some(&behaviour())), &rows(&paths, &behaviour())[..], &unguarded(), &no_hook).unwrap();
    let mean = value(&found, Estimator::OnPolicy);
    let by_hand: f64 =
        paths.iter().map(|path| path.rewards.iter().rev().fold(0.0, |sum, r| r + 0.9 * sum)).sum::<f64>() / 300.0;
    assert!(close(mean, by_hand));
    for estimator in RATIOS {
        assert!(close(value(&found, estimator), mean), "{}", estimator.name());
        assert!(close(found.get(estimator).as_ref().unwrap().effective, 300.0));
    }
    let told = &found.diagnostics;
    assert_eq!((told.behaviour, told.largest_weight, told.mean_weight, told.possible), (Source::Logged, 1.0, 1.0, 1.0));
    assert!(told.effective_by_stage.iter().all(|&size| close(size, 300.0)));
}

/// The frequencies themselves as the target: with counts instead of propensities, all ratios are 1.
#[test]
fn frequencies_are_the_behaviour() {
    let paths = problem(6).draw(&vec![[0.5, 0.4]], 300, 1);
    let mut counts = [[0.0; A]; S];
    for path in &paths {
        path.states.iter().zip(&path.actions).for_each(|(&s, &a)| counts[s][a] += 1.0);
    }
    let frequencies = vec![counts.map(|row| row[0] / (row[0] + row[1]))];
    let found = estimate(&record(&paths, None), &rows(&paths, &frequencies)[..], &unguarded(), &no_hook).unwrap();
    assert_eq!(found.diagnostics.behaviour, Source::Estimated);
    for estimator in RATIOS {
        assert!(close(value(&found, estimator), value(&found, Estimator::OnPolicy)), "{}", estimator.name());
    }
}

#[test]
fn doubly_robust_without_values_is_per_decision() {
    let paths = problem(6).draw(&behaviour(), 300, 2);
    let probabilities = rows(&paths, &target());
    let q = vec![0.0; probabilities.len()];
    let asked = Target { probabilities: &probabilities[..], q: Some(&q[..]) };
    let found = estimate(&record(&paths, Some(&behaviour())), asked, &unguarded(), &no_hook).unwrap();
    assert!(close(value(&found, Estimator::Dr), value(&found, Estimator::Pdis)));
    assert!(close(value(&found, Estimator::Wdr), value(&found, Estimator::Wpdis)));
}

/// Where nothing is left to chance but the behaviour's actions, and Q is right, every episode says the value.
#[test]
fn doubly_robust_with_the_truth_does_not_vary() {
    let mdp = Mdp { start: 1.0, to_first: [[1.0, 0.0], [0.0, 1.0]], end: [[0.0; A]; S], ..problem(5) };
    let paths = mdp.draw(&behaviour(), 200, 3);
    let next = |s: usize, a: usize| usize::from(mdp.to_first[s][a] == 0.0);
    // By stage, backward.
    let mut q = [[[0.0; A]; S]; 6];
    for stage in (0..5).rev() {
        for s in 0..S {
            for a in 0..A {
                let to = next(s, a);
                let later: f64 = (0..A).map(|b| probability(&target(), stage + 1, to, b) * q[stage + 1][to][b]).sum();
                q[stage][s][a] = mdp.reward[s][a][to] + 0.9 * later;
            }
        }
    }
    let outside: Vec<f64> =
        paths.iter().flat_map(|path| path.states.iter().enumerate().flat_map(|(t, &s)| q[t][s])).collect();
    let probabilities = rows(&paths, &target());
    let asked = Target { probabilities: &probabilities[..], q: Some(&outside[..]) };
    let found = estimate(&record(&paths, Some(&behaviour())), asked, &unguarded(), &no_hook).unwrap();
    let truth = mdp.value(&target());
    let dr = found.get(Estimator::Dr).as_ref().unwrap();
    assert!(close(dr.value, truth));
    assert!(close(dr.interval[0], truth) && close(dr.interval[1], truth), "{:?}", dr.interval);
    assert!(close(value(&found, Estimator::Wdr), truth));
    // Importance sampling alone does vary.
    let pdis = found.get(Estimator::Pdis).as_ref().unwrap();
    assert!(pdis.interval[1] - pdis.interval[0] > 0.1);
}

/// The model that frequencies make, by (stage,) state and action: mean reward, and the chances of the next states, in the order
/// first, second.
fn model(paths: &[Path], wanted: impl Fn(usize) -> bool, last_ends: bool) -> [[(f64, [f64; S]); A]; S] {
    let mut all = [[(0.0, [0.0; S]); A]; S];
    for s in 0..S {
        for a in 0..A {
            let (mut steps, mut rewards, mut known, mut next) = (0.0, 0.0, 0.0, [0.0; S]);
            for path in paths {
                for stage in (0..path.states.len()).filter(|&stage| wanted(stage)) {
                    if (path.states[stage], path.actions[stage]) != (s, a) {
                        continue;
                    }
                    steps += 1.0;
                    rewards += path.rewards[stage];
                    match path.states.get(stage + 1) {
                        Some(&to) => {
                            known += 1.0;
                            next[to] += 1.0;
                        }
                        None => known += f64::from(u8::from(path.terminated || last_ends)),
                    }
                }
            }
            let share = |count: f64| if known > 0.0 { count / known } else { 0.0 };
            all[s][a] = (rewards / steps, next.map(share));
        }
    }
    all
}

fn start_mean(paths: &[Path], v: [f64; S]) -> f64 {
    paths.iter().map(|path| v[path.states[0]]).sum::<f64>() / paths.len() as f64
}

fn fitted(paths: &[Path], rule: &Rule, fit: Fit) -> f64 {
    let options = Options { fit, ..unguarded() };
    value(&estimate(&record(paths, None), &rows(paths, rule)[..], &options, &no_hook).unwrap(), Estimator::Fqe)
}

#[test]
fn fitted_q_is_the_evaluation_of_the_empirical_model() {
    let paths = problem(4).draw(&behaviour(), 400, 4);

    let mut v = [0.0; S];
    for stage in (0..4).rev() {
        let now = model(&paths, |t| t == stage, true);
        v = std::array::from_fn(|s| {
            (0..A)
                .map(|a| {
                    let (r, next) = now[s][a];
                    probability(&target(), stage, s, a) * (r + 0.9 * (next[0] * v[0] + next[1] * v[1]))
                })
                .sum()
        });
    }
    assert!(close(fitted(&paths, &target(), Fit::Staged), start_mean(&paths, v)));

    // One rule for all stages from here on.
    let rule = vec![[0.3, 0.45]];
    let whole = model(&paths, |_| true, false);
    let reward: [f64; S] =
        std::array::from_fn(|s| (0..A).map(|a| probability(&rule, 0, s, a) * whole[s][a].0).sum::<f64>());
    let chance: [[f64; S]; S] = std::array::from_fn(|s| {
        std::array::from_fn(|to| (0..A).map(|a| probability(&rule, 0, s, a) * whole[s][a].1[to]).sum::<f64>())
    });
    let mut v = [0.0; S];
    for _ in 0..4 {
        v = std::array::from_fn(|s| reward[s] + 0.9 * (chance[s][0] * v[0] + chance[s][1] * v[1]));
    }
    assert!(close(fitted(&paths, &rule, Fit::Pooled), start_mean(&paths, v)));

    // (I - γP) v = r, by Cramer's rule.
    let m: [[f64; S]; S] =
        std::array::from_fn(|s| std::array::from_fn(|to| f64::from(u8::from(s == to)) - 0.9 * chance[s][to]));
    let determinant = m[0][0] * m[1][1] - m[0][1] * m[1][0];
    let v = [
        (reward[0] * m[1][1] - m[0][1] * reward[1]) / determinant,
        (m[0][0] * reward[1] - reward[0] * m[1][0]) / determinant,
    ];
    assert!(close(fitted(&paths, &rule, Fit::Stationary), start_mean(&paths, v)));
}

#[test]
fn order_of_episodes_does_not_matter() {
    let paths = problem(6).draw(&behaviour(), 300, 5);
    let trajectories = record(&paths, Some(&behaviour()));
    let reversed: Vec<usize> = (0..300).rev().collect();
    let turned: Vec<Path> = paths.iter().rev().cloned().collect();
    let first = estimate(&trajectories, &rows(&paths, &target())[..], &unguarded(), &no_hook).unwrap();
    let second =
        estimate(&trajectories.select(&reversed), &rows(&turned, &target())[..], &unguarded(), &no_hook).unwrap();
    for (a, b) in values(&first).into_iter().zip(values(&second)) {
        assert!(close(a, b), "{a} {b}");
    }
}

/// Rewards ten times as large are worth ten times as much. One more for every step of episodes of one length is worth Σ γ^t more,
/// except where weights do not sum to the number of episodes and no Q takes up the difference.
#[test]
fn rewards_in_other_units() {
    let mdp = Mdp { end: [[0.0; A]; S], ..problem(4) };
    let paths = mdp.draw(&behaviour(), 300, 6);
    let changed = |change: fn(f64) -> f64| -> [f64; 8] {
        let mut paths = paths.clone();
        paths.iter_mut().flat_map(|path| &mut path.rewards).for_each(|r| *r = change(*r));
        let log = record(&paths, Some(&behaviour()));
        values(&estimate(&log, &rows(&paths, &target())[..], &unguarded(), &no_hook).unwrap())
    };
    let plain = changed(|r| r);
    let worth = 1.0 + 0.9 + 0.81 + 0.729;
    for (index, estimator) in Estimator::ALL.into_iter().enumerate() {
        assert!(close(changed(|r| 10.0 * r)[index], 10.0 * plain[index]), "{}", estimator.name());
        let shifted = changed(|r| r + 1.0)[index] - plain[index] - worth;
        let exact = !matches!(estimator, Estimator::Is | Estimator::Pdis);
        assert_eq!(shifted.abs() < 1e-11, exact, "{}: {shifted}", estimator.name());
    }
}

#[test]
fn threads_change_no_bit() {
    let paths = problem(6).draw(&behaviour(), 500, 7);
    let trajectories = record(&paths, Some(&behaviour()));
    let run = |threads| {
        let options = Options { threads, units: 100, ..unguarded() };
        estimate(&trajectories, &rows(&paths, &target())[..], &options, &no_hook).unwrap()
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
    assert_eq!(one.diagnostics.units, 100);
}

#[test]
fn single_precision_is_enough() {
    let paths = problem(6).draw(&behaviour(), 300, 8);
    let trajectories = record(&paths, Some(&behaviour()));
    let double = rows(&paths, &target());
    let single: Vec<f32> = double.iter().map(|&p| p as f32).collect();
    let a = values(&estimate(&trajectories, &double[..], &unguarded(), &no_hook).unwrap());
    let b = values(&estimate(&trajectories, &single[..], &unguarded(), &no_hook).unwrap());
    assert!(a.into_iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5));
}

/// A thousand stages: ratios of e^±700 and beyond, and episodes that ended long before.
#[test]
fn long_horizons_give_numbers() {
    let mdp = Mdp { end: [[0.001; A]; S], ..problem(1000) };
    let paths = mdp.draw(&vec![[0.5, 0.5]], 40, 9);
    let log = record(&paths, Some(&vec![[0.5, 0.5]]));
    for rule in [vec![[0.05, 0.05]], vec![[0.999_999, 0.999_999]], vec![[0.45, 0.55]]] {
        let found = estimate(&log, &rows(&paths, &rule)[..], &unguarded(), &no_hook).unwrap();
        for (estimator, outcome) in &found.all {
            if let Ok(found) = outcome {
                assert!(found.value.is_finite() && found.effective >= 0.999, "{}", estimator.name());
                assert!(found.interval.iter().all(|end| end.is_finite()), "{}: {found:?}", estimator.name());
            }
        }
        for estimator in [Estimator::Wis, Estimator::Wpdis, Estimator::Wdr, Estimator::Pdis] {
            value(&found, estimator);
        }
        // Weighted importance sampling by hand, relative to the largest of all weights.
        let logs: Vec<f64> = paths
            .iter()
            .map(|path| {
                path.states.iter().zip(&path.actions).map(|(&s, &a)| (2.0 * probability(&rule, 0, s, a)).ln()).sum()
            })
            .collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut above, mut below) = (0.0, 0.0);
        for (log, path) in logs.iter().zip(&paths) {
            above += (log - largest).exp() * path.rewards.iter().rev().fold(0.0, |sum, r| r + 0.9 * sum);
            below += (log - largest).exp();
        }
        assert!((value(&found, Estimator::Wis) - above / below).abs() < 1e-9);
        assert!(found.diagnostics.effective_by_stage.iter().all(|size| (0.999..=40.001).contains(size)));
    }
}

/// Cutting leaves no ratio above what was asked.
#[test]
fn cutting_bounds_the_ratios() {
    let paths = problem(6).draw(&behaviour(), 300, 10);
    let options = Options { max_weight: Some(1.5), ..unguarded() };
    let found =
        estimate(&record(&paths, Some(&behaviour())), &rows(&paths, &target())[..], &options, &no_hook).unwrap();
    assert!((found.diagnostics.largest_weight - 1.5).abs() < 1e-12);
    assert!(found.diagnostics.clipped > 0.05 && found.diagnostics.mean_weight < 1.0);
    let mut by_hand = 0.0;
    for path in &paths {
        let mut ratio = 1.0;
        for (stage, (&s, &a)) in path.states.iter().zip(&path.actions).enumerate() {
            ratio *= probability(&target(), stage, s, a) / probability(&behaviour(), stage, s, a);
            by_hand += f64::min(ratio, 1.5) * 0.9_f64.powi(stage as i32) * path.rewards[stage] / 300.0;
        }
    }
    assert!(close(value(&found, Estimator::Pdis), by_hand));
}

/// Counts kept apart by stage, with smoothing, by hand.
#[test]
fn behaviour_is_counted_by_stage() {
    let paths = problem(4).draw(&behaviour(), 300, 11);
    let kind = Behaviour::Estimated { smoothing: 2.0, stages: Some(1) };
    let options = Options { behaviour: kind, ..unguarded() };
    let found = estimate(&record(&paths, None), &rows(&paths, &target())[..], &options, &no_hook).unwrap();
    let mut counts = [[[2.0; A]; S]; 4];
    for path in &paths {
        for (stage, (&s, &a)) in path.states.iter().zip(&path.actions).enumerate() {
            counts[stage][s][a] += 1.0;
        }
    }
    let mut by_hand = 0.0;
    for path in &paths {
        let mut ratio = 1.0;
        for (stage, (&s, &a)) in path.states.iter().zip(&path.actions).enumerate() {
            let [p, q] = counts[stage][s];
            ratio *= probability(&target(), stage, s, a) * (p + q) / counts[stage][s][a];
        }
        by_hand += ratio * path.rewards.iter().rev().fold(0.0, |sum, r| r + 0.9 * sum) / 300.0;
    }
    assert!(close(value(&found, Estimator::Is), by_hand));
}
