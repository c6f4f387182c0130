//! Bayes' rule, one observation at a time and all of them.

use proptest::prelude::*;
use tiresias_model::belief::{by_logarithms, successors, update, update_under_ambiguity};
use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, ModelError, Nature, Reward, Space};

proptest! {
    /// The list of what may follow is what Bayes' rule says of one observation at a time.
    #[test]
    fn successors_are_the_updates(index in 0_u64..50, action in 0_usize..3, m in 0_usize..3, seen in any::<bool>()) {
        let regime = if seen { Regime::Mdp } else { Regime::Apomdp };
        let request = TaskRequest { split: "train".into(), index, seed: 3, regime, horizon: 6, models: 3, alpha: 1.0 };
        let model = family("energy").unwrap().task(&request).unwrap().model;
        let m = m % model.dynamics().len();
        let symbols = model.observations().map_or(model.states().len(), tiresias_model::Space::len);
        let all = successors(&model, m, model.start(), action);
        prop_assert!((all.iter().map(|next| next.probability).sum::<f64>() - 1.0).abs() < 1e-12);
        let mut listed = all.iter().peekable();
        for observation in 0..symbols {
            let mut expected = vec![0.0; model.states().len()];
            let probability = update(&model, m, model.start(), action, observation, &mut expected);
            if probability == 0.0 {
                continue;
            }
            let next = listed.next().expect("every possible observation is listed");
            prop_assert_eq!(next.observation, observation);
            prop_assert!((next.probability - probability).abs() < 1e-12);
            let mut dense = vec![0.0; model.states().len()];
            next.belief.iter().for_each(|&(s, p)| dense[s] = p);
            prop_assert!(dense.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
        }
        prop_assert!(listed.next().is_none());
    }
}

/// A cloud over two hidden states that stay as they are, with its likelihoods of two symbols by model and state.
fn signs(likelihoods: &[[f64; 2]], alpha: f64) -> Model {
    let row = |p: f64| [p, 1.0 - p];
    let dynamics = likelihoods.iter().map(|[first, second]| Dynamics {
        transition: Kernel::from_dense(2, &[1.0, 0.0, 0.0, 1.0]),
        observation: Some(Kernel::from_dense(2, &[row(*first), row(*second)].concat())),
    });
    ModelBuilder {
        name: "signs".into(),
        states: Space::unnamed("states", 2).unwrap(),
        actions: Space::unnamed("actions", 1).unwrap(),
        observations: Some(Space::unnamed("observations", 2).unwrap()),
        reward: Reward::Action(vec![0.0]),
        start: vec![0.5; 2],
        discount: 1.0,
        horizon: Some(2),
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: dynamics.collect(),
        alpha,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

#[test]
fn the_selected_model_updates_unless_it_rules_the_observation_out() {
    let nature = Nature { minimiser: 0, maximiser: 1 };
    let update = |model: &Model, belief: [f64; 2]| {
        let mut out = [7.0; 2];
        update_under_ambiguity(model, nature, &belief, 0, 0, &mut out).map(|explained| (explained, out))
    };
    for (alpha, by, posterior) in [(1.0, 0, 0.8), (0.5, 0, 0.8), (0.4, 1, 0.25), (0.0, 1, 0.25)] {
        let (explained, out) = update(&signs(&[[0.4, 0.1], [0.2, 0.6]], alpha), [0.5; 2]).unwrap();
        assert_eq!((explained.model, out[0]), (by, posterior), "α = {alpha}");
    }
    // Models 2 and 3 are as likely as each other, and more than model 1.
    let (explained, out) = update(&signs(&[[0.0, 0.0], [0.1, 0.1], [0.3, 0.1], [0.1, 0.3]], 1.0), [0.5; 2]).unwrap();
    assert_eq!((explained.model, explained.likelihood), (2, 0.2));
    assert!((out[0] - 0.75).abs() < 1e-12);
    let none = update(&signs(&[[0.0, 0.0], [0.0, 1.0]], 1.0), [1.0, 0.0]);
    assert_eq!(none, Err(ModelError::ImpossibleObservation { action: 0, observation: 0, models: 2 }));
}

#[test]
fn a_probability_that_underflows_is_still_possible() {
    // 1e-200 of the mass in a state that shows the symbol once in 1e200: as a product no number. Model 1 is as unlikely by half.
    let nature = Nature { minimiser: 0, maximiser: 0 };
    let mut out = [0.0; 2];
    for (models, by) in
        [(&[[1e-200, 0.0]][..], 0), (&[[1e-200, 0.0], [1.0, 0.5]], 0), (&[[0.0, 0.0], [1e-200, 0.0], [2e-200, 0.0]], 2)]
    {
        let model = signs(models, 1.0);
        let explained = update_under_ambiguity(&model, nature, &[1e-200, 1.0], 0, 0, &mut out).unwrap();
        assert_eq!((explained.model, explained.likelihood, out), (by, 0.0, [1.0, 0.0]));
    }
    // With numbers that doubles hold, logarithms say the same as products.
    let model = signs(&[[0.3, 0.6], [0.5, 0.2]], 1.0);
    for m in 0..2 {
        let likelihood = update(&model, m, &[0.25, 0.75], 0, 1, &mut out);
        let (logarithm, posterior) = by_logarithms(&model, m, [(0, 0.25), (1, 0.75)].into_iter(), 0, 1);
        assert!((logarithm.exp() - likelihood).abs() < 1e-12);
        assert!(posterior.iter().all(|&(s, p)| (p - out[s]).abs() < 1e-12));
    }
}

/// In a robust MDP nature may lead where the nominal row does not: that state is seen all the same, and believed.
#[test]
fn a_state_that_only_the_set_allows_is_believed_when_it_is_seen() {
    let seen = |ambiguity: &str| {
        let text = format!(
            r#"{{"schema": "tiresias.model/1", "name": "door", "states": 2, "actions": 1, "discount": 0.9, "horizon": null, "start": [1, 0],
                "reward": {{"action": [0]}}, "dynamics": [{{"transition": [[[1, 0], [0, 1]]]}}]{ambiguity}}}"#
        );
        let model = Model::from_json(&text).unwrap();
        let mut out = [7.0; 2];
        let nature = Nature { minimiser: 0, maximiser: 0 };
        update_under_ambiguity(&model, nature, &[1.0, 0.0], 0, 1, &mut out).map(|explained| (explained.likelihood, out))
    };
    let interval = |upper: f64| {
        format!(
            r#", "ambiguity": {{"kind": "interval", "lower": [[[0.5, 0], [0, 1]]], "upper": [[[1, {upper}], [0, 1]]]}}"#
        )
    };
    let believed = Ok((0.0, [0.0, 1.0]));
    assert_eq!(seen(r#", "ambiguity": {"kind": "l1", "radius": 0.4, "support": "all"}"#), believed);
    assert_eq!(seen(&interval(0.2)), believed);
    let impossible = Err(ModelError::ImpossibleObservation { action: 0, observation: 1, models: 1 });
    assert_eq!(seen(r#", "ambiguity": {"kind": "l1", "radius": 0.4}"#), impossible);
    assert_eq!(seen(&interval(0.0)), impossible);
    assert_eq!(seen(""), impossible);
}
