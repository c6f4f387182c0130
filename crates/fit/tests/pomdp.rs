//! Fitted POMDPs against the models that made the data.

mod common;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Simulated, clear_pomdp, simulate, written};
use tiresias_fit::{CloudOptions, FitError, HeldOut, PomdpFit, PomdpOptions, fit_pomdp, no_hook};
use tiresias_model::{Kind, Model};

fn options(states: usize) -> PomdpOptions {
    PomdpOptions { states: states..=states, discount: 0.9, horizon: Some(6), ..PomdpOptions::default() }
}

/// The true state that each of three fitted ones is: by the symbol it shows most after action 0.
fn meaning(model: &Model) -> [usize; 3] {
    let kernel = model.dynamics()[0].observation.as_ref().unwrap();
    let most = |s| (0..3).max_by(|&a, &b| kernel.get(s, a).total_cmp(&kernel.get(s, b))).unwrap();
    let mut meaning = [most(0), most(1), most(2)];
    let found = meaning;
    meaning.sort_unstable();
    assert_eq!(meaning, [0, 1, 2], "{found:?}");
    found
}

/// The largest differences of probabilities and of rewards, states by what they mean.
fn apart(found: &Model, truth: &Model) -> (f64, f64) {
    let (n, meaning) = (truth.states().len(), meaning(found));
    assert_eq!(found.states().len(), n);
    let state = |s: usize| meaning.get(s).copied().unwrap_or(s);
    let (mut probability, mut reward) = (0.0_f64, 0.0_f64);
    for s in 0..n {
        probability = probability.max((found.start()[s] - truth.start()[state(s)]).abs());
        for a in 0..2 {
            let (row, true_row) = (a * n + s, a * n + state(s));
            let (f, t) = (&found.dynamics()[0], &truth.dynamics()[0]);
            for next in 0..n {
                let p = f.transition.get(row, next) - t.transition.get(true_row, state(next));
                probability = probability.max(p.abs());
            }
            let (f, t) = (f.observation.as_ref().unwrap(), t.observation.as_ref().unwrap());
            (0..f.columns()).for_each(|o| probability = probability.max((f.get(row, o) - t.get(true_row, o)).abs()));
            reward = reward.max((found.expected_reward(0)[row] - truth.expected_reward(0)[true_row]).abs());
        }
    }
    (probability, reward)
}

fn value(model: &Model) -> f64 {
    use tiresias_solve::{Limits, auto, no_hook};
    let solution = auto(model).solve(model, &Limits::with_gap(1e-3), &no_hook).unwrap();
    f64::midpoint(solution.lower, solution.upper)
}

#[test]
fn a_known_model_is_found_again_up_to_the_order_of_its_states() {
    for (ends, first, missing) in [(false, false, 0.0), (true, false, 0.1), (true, true, 0.0)] {
        let truth = clear_pomdp(ends);
        let how = Simulated { episodes: 4000, steps: 12, first, missing, ..Simulated::default() };
        let data = simulate(&truth, &how);
        let fit = fit_pomdp(&data, &PomdpOptions { starts: 4, ..options(3) }, &no_hook).unwrap();
        let (probability, reward) = apart(&fit.model, &truth);
        assert!(probability < 0.06 && reward < 0.12, "{ends} {first} {missing}: {probability}, {reward}");
        assert!(fit.report.converged);
        assert_eq!(fit.model.kind(), Kind::Pomdp);
        assert_eq!(fit.model.actions().names().unwrap(), ["stay", "go"]);
        let seen = fit.model.observations().unwrap().names().unwrap();
        assert_eq!(seen, &["red", "green", "blue", "grey", "ended"][..4 + usize::from(ends)]);
        let visits: f64 = fit.report.visits.iter().sum();
        assert!((visits - data.steps() as f64).abs() < 1e-6 * visits);
        let (found, expected) = (value(&fit.model), value(&truth));
        assert!((found - expected).abs() < 0.1, "{found}, not {expected}");
    }
}

#[test]
fn a_first_symbol_tells_of_the_start_and_the_model_starts_without_it() {
    let truth = clear_pomdp(false);
    let how = Simulated { episodes: 4000, first: true, ..Simulated::default() };
    let fit = fit_pomdp(&simulate(&truth, &how), &PomdpOptions { starts: 4, ..options(3) }, &no_hook).unwrap();
    let meaning = meaning(&fit.model);
    let symbols = truth.dynamics()[0].observation.as_ref().unwrap();
    assert_eq!(fit.report.first_symbols.iter().map(|first| first.episodes).sum::<usize>(), 4000);
    assert_eq!(fit.report.first_symbols.len(), 4);
    for first in &fit.report.first_symbols {
        let joint = [0, 1, 2].map(|s| truth.start()[s] * symbols.get(s, first.symbol));
        for (s, p) in first.belief.iter().enumerate() {
            let expected = joint[meaning[s]] / joint.iter().sum::<f64>();
            assert!((p - expected).abs() < 0.08, "symbol {}: {p}, not {expected}", first.symbol);
        }
    }
    let without = fit_pomdp(&simulate(&truth, &Simulated::default()), &options(3), &no_hook).unwrap();
    assert!(without.report.first_symbols.is_empty());
}

#[test]
fn every_number_is_the_same_for_any_number_of_threads() {
    let data = simulate(&clear_pomdp(true), &Simulated { episodes: 700, first: true, ..Simulated::default() });
    let options = PomdpOptions { held_out: HeldOut::Share(0.2), states: 2..=3, iterations: 40, ..options(2) };
    let clouds = CloudOptions { models: 2, ..CloudOptions::default() };
    let all = || {
        let fit = fit_pomdp(&data, &options, &no_hook).unwrap();
        let (drawn, refitted) = (fit.posterior(&clouds).unwrap(), fit.bootstrap(&data, &clouds, &no_hook).unwrap());
        (fit.model, fit.report, drawn.model, refitted.members)
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all);
    assert_eq!(with(1), with(2));
}

#[test]
fn held_out_episodes_choose_the_number_of_states() {
    let data = simulate(&clear_pomdp(false), &Simulated { episodes: 1000, ..Simulated::default() });
    for held_out in [HeldOut::Folds(3), HeldOut::Share(0.3)] {
        let options = PomdpOptions { states: 1..=4, held_out, starts: 3, tolerance: 1e-5, ..options(1) };
        let report = fit_pomdp(&data, &options, &no_hook).unwrap().report;
        assert_eq!(report.states, 3, "{:?}", report.candidates);
        assert_eq!(report.candidates.iter().map(|c| c.states).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(report.held_out, Some(report.candidates[2].log_likelihood));
        // Episodes left out are less likely than those fitted, but not by much.
        assert!((report.log_likelihood - report.held_out.unwrap()).abs() < 0.05);
    }
}

#[test]
fn rewards_tell_of_states_only_where_they_are_to() {
    // Both states show the same symbol; they keep for long, and rewards are 0 or 4.
    let mut episodes = Vec::new();
    for i in 0..60 {
        let level = f64::from(i % 2) * 4.0;
        episodes.push((0..8).map(|t| (0, 0, level + 0.1 * f64::from(t % 3))).collect::<Vec<_>>());
    }
    let episodes: Vec<_> = episodes.iter().map(|steps| (&steps[..], 0, false)).collect();
    let data = written(1, 1, &episodes);
    let rewards = |rewards_seen| {
        let fit = fit_pomdp(&data, &PomdpOptions { rewards_seen, ..options(2) }, &no_hook).unwrap();
        let mut rewards = fit.model.expected_reward(0).to_vec();
        rewards.sort_by(f64::total_cmp);
        rewards
    };
    let seen = rewards(true);
    assert!((seen[0] - 0.1).abs() < 0.05 && (seen[1] - 4.1).abs() < 0.05, "{seen:?}");
    let unseen = rewards(false);
    assert!(unseen.iter().all(|r| (r - 2.1).abs() < 0.5), "{unseen:?}");
}

/// A fit of the clear problem, and its data.
fn fitted(episodes: usize) -> (tiresias_data::Trajectories, PomdpFit) {
    let data = simulate(&clear_pomdp(true), &Simulated { episodes, ..Simulated::default() });
    let fit = fit_pomdp(&data, &PomdpOptions { starts: 3, tolerance: 1e-5, ..options(3) }, &no_hook).unwrap();
    (data, fit)
}

#[test]
fn clouds_are_around_the_model_and_wider_with_fewer_episodes() {
    let clouds = CloudOptions { models: 20, alpha: 0.5, seed: 2 };
    let mut spreads = Vec::new();
    for episodes in [200, 3200] {
        let (data, fit) = fitted(episodes);
        let mut both = Vec::new();
        for cloud in [fit.posterior(&clouds).unwrap(), fit.bootstrap(&data, &clouds, &no_hook).unwrap()] {
            assert_eq!((cloud.model.kind(), cloud.model.dynamics().len()), (Kind::Apomdp, 20));
            assert_eq!((cloud.model.alpha(), cloud.model.terminal_states()), (0.5, vec![3]));
            assert_eq!((cloud.model.reward(), cloud.model.start()), (fit.model.reward(), fit.model.start()));
            // Of a row that is visited often: the mean over members, and the standard deviation.
            let nominal = fit.model.dynamics()[0].transition.get(0, 0);
            let drawn: Vec<f64> = cloud.members.iter().map(|m| m.dynamics()[0].transition.get(0, 0)).collect();
            let mean = drawn.iter().sum::<f64>() / 20.0;
            let deviation = (drawn.iter().map(|p| (p - mean) * (p - mean)).sum::<f64>() / 19.0).sqrt();
            assert!((mean - nominal).abs() < 6.0 * deviation / 20.0_f64.sqrt(), "{mean} ± {deviation}, {nominal}");
            // Labels are the nominal model's.
            assert!(cloud.members.iter().all(|member| meaning(member) == meaning(&fit.model)));
            both.push(deviation);
        }
        // A draw takes states for seen, which a refit does not.
        assert!(both[1] > both[0], "{both:?}");
        spreads.push(both);
    }
    // Sixteen times the episodes: a quarter of the width, give or take.
    for (few, many) in spreads[0].iter().zip(&spreads[1]) {
        assert!((2.0..8.0).contains(&(few / many)), "{spreads:?}");
    }
}

#[test]
fn what_was_never_done_is_the_prior_and_is_told() {
    let data = written(2, 3, &[(&[(-1, 0, 1.0), (0, 2, 2.0), (1, 0, 3.0)], 0, true)]);
    let fit = fit_pomdp(&data, &options(2), &no_hook).unwrap();
    assert_eq!(fit.report.untaken, [1]);
    let Some(observation) = &fit.model.dynamics()[0].observation else { panic!("symbols") };
    for s in 0..2 {
        let row = 3 + s;
        assert!((0..3).all(|next| (fit.model.dynamics()[0].transition.get(row, next) - 1.0 / 3.0).abs() < 1e-12));
        assert!((0..2).all(|o| (observation.get(row, o) - 0.5).abs() < 1e-12));
        assert!((fit.model.expected_reward(0)[row] - 2.0).abs() < 1e-12);
    }
    assert_eq!((fit.report.episodes, fit.report.steps, fit.report.seen), (1, 3, 3));
}

#[test]
fn nothing_seen_and_nothing_weighed_is_still_a_model() {
    let data = written(3, 2, &[(&[(-1, 0, 1.0)], -1, false), (&[(-1, 1, 2.0)], -1, true)]);
    for weight in [0.0, 1.0] {
        let fit = fit_pomdp(&data, &PomdpOptions { weight, ..options(4) }, &no_hook).unwrap();
        assert_eq!((fit.model.states().len(), fit.report.seen), (5, 0));
    }
}

#[test]
fn a_hook_hears_of_every_phase_and_cancels_in_each() {
    let data = simulate(&clear_pomdp(true), &Simulated { episodes: 60, ..Simulated::default() });
    let options = PomdpOptions { states: 1..=2, held_out: HeldOut::Folds(2), iterations: 30, ..options(1) };
    for phase in ["choose", "try", "climb"] {
        let calls = AtomicUsize::new(0);
        let hook = |progress: tiresias_fit::Progress| {
            assert!(progress.done <= progress.total);
            if progress.phase == phase && progress.done > 0 {
                calls.fetch_add(1, Ordering::Relaxed);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        assert_eq!(fit_pomdp(&data, &options, &hook).unwrap_err(), FitError::Cancelled, "{phase}");
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
    let fit = fit_pomdp(&data, &options, &no_hook).unwrap();
    let broken = fit.bootstrap(&data, &CloudOptions::default(), &|_| ControlFlow::Break(()));
    assert_eq!(broken.unwrap_err(), FitError::Cancelled);
}

#[test]
fn what_cannot_be_fitted_is_refused_in_words() {
    let (data, fit) = fitted(20);
    let one = data.select(&[0]);
    let with = |change: &dyn Fn(&mut PomdpOptions)| {
        let mut options = options(2);
        change(&mut options);
        fit_pomdp(&one, &options, &no_hook).unwrap_err()
    };
    let errors = [
        (with(&|o| o.iterations = 0), "iterations: 0 is not at least 1"),
        (with(&|o| o.trial_iterations = 0), "trial iterations: 0 is not"),
        (with(&|o| o.starts = 0), "starts: 0 is not at least 1"),
        (with(&|o| o.states = 0..=2), "states: 0..=2 is not a range within 1..=1000"),
        (with(&|o| o.states = 2..=1001), "states: 2..=1001 is not"),
        (with(&|o| o.states = 2..=3), "held out: nothing is not enough to choose"),
        (with(&|o| o.held_out = HeldOut::Folds(2)), "folds: 2 is not possible with 1 episodes"),
        (with(&|o| o.weight = f64::INFINITY), "weight of the prior: inf"),
        (with(&|o| o.tolerance = -1.0), "tolerance: -1 is not"),
        (with(&|o| (o.discount, o.horizon) = (1.0, None)), "discount of a model without a horizon"),
        (
            fit.bootstrap(&written(2, 2, &[(&[(0, 0, 0.0)], 1, true)]), &CloudOptions::default(), &no_hook)
                .unwrap_err(),
            "have 2 observations, those that were fitted had 4",
        ),
        (fit.posterior(&CloudOptions { models: 0, ..CloudOptions::default() }).unwrap_err(), "models of the cloud"),
    ];
    for (error, words) in errors {
        assert!(error.to_string().contains(words), "{error}");
    }
    // One episode is enough for a fit, and more iterations than are allowed are not made.
    let single = fit_pomdp(&one, &PomdpOptions { iterations: 1, ..options(2) }, &no_hook).unwrap();
    assert_eq!((single.report.log_posteriors.len(), single.report.converged), (1, false));
}
