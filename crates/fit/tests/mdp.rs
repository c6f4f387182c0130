//! Fitted MDPs against what was recorded and what recorded it.

mod common;

use common::{Simulated, apart, random_mdp, simulate, written};
use tiresias_data::Trajectories;
use tiresias_fit::{FitError, HeldOut, MdpFit, MdpOptions, Successors, fit_mdp};
use tiresias_model::{Kind, Space};
use tiresias_solve::{Limits, Solver, no_hook};

fn plain() -> MdpOptions {
    MdpOptions { weight: 0.0, reward_weight: 0.0, ..MdpOptions::default() }
}

fn row(fit: &MdpFit, action: usize, state: usize) -> Vec<f64> {
    let s = fit.model.states().len();
    (0..s).map(|next| fit.model.dynamics()[0].transition.get(action * s + state, next)).collect()
}

fn reward(fit: &MdpFit, action: usize, state: usize) -> f64 {
    fit.model.expected_reward(0)[action * fit.model.states().len() + state]
}

/// Two states and two actions; action 1 is taken once in state 0 and never in state 1.
fn small() -> Trajectories {
    written(
        2,
        2,
        &[
            (&[(0, 0, 1.0), (1, 0, 2.0), (0, 0, 3.0)], 0, false),
            (&[(0, 0, 5.0), (1, 0, 0.0)], 1, true),
            // Stops with nothing seen: the reward counts, there is no transition.
            (&[(0, 1, 7.0)], -1, false),
        ],
    )
}

#[test]
fn rows_are_shares_and_rewards_are_means() {
    let fit = fit_mdp(&small(), &plain()).unwrap();
    assert_eq!(row(&fit, 0, 0), [1.0 / 3.0, 2.0 / 3.0, 0.0]);
    assert_eq!(row(&fit, 0, 1), [0.5, 0.0, 0.5]);
    assert_eq!((reward(&fit, 0, 0), reward(&fit, 0, 1), reward(&fit, 1, 0)), (3.0, 1.0, 7.0));
    assert_eq!(fit.model.start(), [1.0, 0.0, 0.0]);
    let report = &fit.report;
    assert_eq!((report.episodes, report.steps, report.transitions, report.unseen), (3, 6, 5, 0));
    let log_likelihood = ((1.0_f64 / 3.0).ln() + 2.0 * (2.0_f64 / 3.0).ln() + 2.0 * 0.5_f64.ln()) / 5.0;
    assert!((report.log_likelihood - log_likelihood).abs() < 1e-15);
    assert_eq!(report.held_out, None);
}

#[test]
fn what_was_never_done_is_the_prior_and_is_told() {
    let fit = fit_mdp(&small(), &plain()).unwrap();
    // Nobody did action 1 in state 1; action 1 in state 0 was done, and what it led to was not seen.
    assert_eq!(fit.report.uncovered, [(1, 1)]);
    let third = [1.0 / 3.0; 3];
    assert_eq!((row(&fit, 1, 1), row(&fit, 1, 0)), (third.to_vec(), third.to_vec()));
    assert_eq!(reward(&fit, 1, 1), 3.0);
}

#[test]
fn priors_weigh_as_much_as_they_say() {
    let options = MdpOptions { weight: 3.0, reward_weight: 2.0, ..MdpOptions::default() };
    let fit = fit_mdp(&small(), &options).unwrap();
    assert_eq!(row(&fit, 0, 0), [(1.0 + 1.0) / 6.0, (2.0 + 1.0) / 6.0, 1.0 / 6.0]);
    // The mean of all six rewards is 3.
    assert_eq!((reward(&fit, 0, 1), reward(&fit, 1, 0)), ((2.0 + 6.0) / 4.0, (7.0 + 6.0) / 3.0));
}

#[test]
fn the_prior_is_spread_over_successors_or_over_all_states() {
    // Nothing leads to state 2, where episodes begin.
    let data = written(3, 1, &[(&[(2, 0, 0.0), (0, 0, 0.0), (1, 0, 0.0)], 0, false)]);
    let fit = |successors| fit_mdp(&data, &MdpOptions { successors, ..MdpOptions::default() }).unwrap();
    assert_eq!(row(&fit(Successors::Seen), 0, 2), [0.75, 0.25, 0.0]);
    assert_eq!(row(&fit(Successors::All), 0, 0)[2], 1.0 / 6.0);
}

#[test]
fn the_state_in_which_episodes_end_has_a_name_of_its_own_and_pays_nothing() {
    let data = small();
    let named = |names: [&str; 2]| {
        let space = Space::named("observations", names).unwrap();
        Trajectories::new(space, data.action_space().clone(), data.columns().clone()).unwrap()
    };
    for (names, ended) in [(["a", "b"], "ended"), (["a", "ended"], "ended-2"), (["ended-2", "ended"], "ended-3")] {
        let fit = fit_mdp(&named(names), &MdpOptions::default()).unwrap();
        assert_eq!(fit.model.states().names().unwrap(), [names[0], names[1], ended]);
        assert_eq!(fit.model.terminal_states(), [2]);
        assert_eq!((row(&fit, 0, 2), reward(&fit, 1, 2)), (vec![0.0, 0.0, 1.0], 0.0));
    }
    // Without an end there is no such state.
    let fit = fit_mdp(&written(2, 1, &[(&[(0, 0, 1.0)], 1, false)]), &MdpOptions::default()).unwrap();
    assert_eq!((fit.model.states().len(), fit.model.terminal_states().len()), (2, 0));
}

#[test]
fn a_step_whose_state_was_not_seen_counts_for_nothing() {
    let data = written(2, 1, &[(&[(0, 0, 1.0), (-1, 0, 100.0), (1, 0, 3.0)], 1, false)]);
    let fit = fit_mdp(&data, &plain()).unwrap();
    assert_eq!((fit.report.transitions, fit.report.unseen), (1, 1));
    assert_eq!((reward(&fit, 0, 0), reward(&fit, 0, 1), row(&fit, 0, 1)), (1.0, 3.0, vec![0.0, 1.0]));
}

#[test]
fn a_known_model_is_found_again_and_solved_for_its_value() {
    let truth = random_mdp(6, 3, true, 4);
    let data = simulate(&truth, &Simulated { episodes: 20_000, steps: 20, ..Simulated::default() });
    let options = MdpOptions { discount: truth.discount(), held_out: HeldOut::Folds(4), ..MdpOptions::default() };
    let fit = fit_mdp(&data, &options).unwrap();
    let distance = apart(&fit.model.dynamics()[0].transition, &truth.dynamics()[0].transition);
    assert!(distance < 0.03, "{distance}");
    let rewards = fit.model.expected_reward(0).iter().zip(truth.expected_reward(0));
    assert!(rewards.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) < 0.03);
    assert!(fit.report.uncovered.is_empty());
    // What is left out is a little less likely than what is fitted: by (parameters / transitions) or so.
    let loss = fit.report.log_likelihood - fit.report.held_out.unwrap();
    assert!(loss > 0.0 && loss < 0.005, "{loss}");

    let value = |model| {
        let solution = tiresias_solve::ValueIteration.solve(model, &Limits::with_gap(1e-6), &no_hook).unwrap();
        f64::midpoint(solution.lower, solution.upper)
    };
    let (found, expected) = (value(&fit.model), value(&truth));
    assert!((found - expected).abs() < 0.05, "{found}, not {expected}");
}

#[test]
fn held_out_episodes_are_held_against_a_fit_of_the_others() {
    // Two episodes with nothing in common: each is ruled out by the other without a prior, and has its share with one.
    let data = written(2, 1, &[(&[(0, 0, 0.0)], 0, false), (&[(0, 0, 0.0)], 1, false)]);
    let held_out = |weight| {
        let options = MdpOptions { weight, held_out: HeldOut::Folds(2), ..MdpOptions::default() };
        fit_mdp(&data, &options).unwrap().report.held_out.unwrap()
    };
    assert_eq!(held_out(0.0), f64::NEG_INFINITY);
    assert!((held_out(1.0) - 0.25_f64.ln()).abs() < 1e-15);
}

#[test]
fn one_step_without_a_transition_is_a_model_too() {
    let fit = fit_mdp(&written(2, 2, &[(&[(1, 0, 4.0)], -1, false)]), &MdpOptions::default()).unwrap();
    assert_eq!((fit.model.kind(), fit.report.transitions, fit.report.log_likelihood), (Kind::Mdp, 0, 0.0));
    assert_eq!(fit.report.uncovered, [(0, 0), (0, 1), (1, 1)]);
    assert_eq!(row(&fit, 0, 1), [0.5, 0.5]);
}

#[test]
fn what_cannot_be_fitted_is_refused_in_words() {
    let unseen = written(2, 1, &[(&[(0, 0, 0.0)], 1, false), (&[(-1, 0, 0.0)], 1, false)]);
    assert_eq!(fit_mdp(&unseen, &MdpOptions::default()).unwrap_err(), FitError::NoFirst { episode: 1 });
    for (options, words) in [
        (MdpOptions { weight: -1.0, ..MdpOptions::default() }, "weight of the prior: -1 is not"),
        (MdpOptions { reward_weight: f64::NAN, ..MdpOptions::default() }, "weight of the mean reward: NaN"),
        (MdpOptions { discount: 1.0, ..MdpOptions::default() }, "discount of a model without a horizon"),
        (MdpOptions { held_out: HeldOut::Folds(9), ..MdpOptions::default() }, "folds: 9 is not possible with 3"),
    ] {
        let error = fit_mdp(&small(), &options).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
