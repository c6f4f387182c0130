//! Validation names what is wrong, and models survive their JSON form.

use proptest::prelude::*;
use tiresias_model::{Dynamics, Kernel, Kind, Model, ModelBuilder, ModelError, Reward, Space};

/// The tiger problem (Kaelbling, Littman, Cassandra 1998): listen, open left, open right.
fn tiger() -> ModelBuilder {
    let identity = [1.0, 0.0, 0.0, 1.0];
    let reset = [0.5; 4];
    let hear = [0.85, 0.15, 0.15, 0.85];
    ModelBuilder {
        name: "tiger".into(),
        states: Space::named("states", ["tiger-left", "tiger-right"]).unwrap(),
        actions: Space::named("actions", ["listen", "open-left", "open-right"]).unwrap(),
        observations: Some(Space::named("observations", ["hear-left", "hear-right"]).unwrap()),
        reward: Reward::StateAction(vec![-1.0, -1.0, -100.0, 10.0, 10.0, -100.0]),
        start: vec![0.5, 0.5],
        discount: 0.95,
        horizon: None,
        terminal: vec![],
        final_reward: vec![],
        dynamics: vec![Dynamics {
            transition: Kernel::from_dense(2, &[identity, reset, reset].concat()),
            observation: Some(Kernel::from_dense(2, &[hear, reset, reset].concat())),
        }],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    }
}

fn message(builder: ModelBuilder) -> String {
    builder.build().expect_err("the model is broken").to_string()
}

#[test]
fn kinds_follow_from_the_parts() {
    let pomdp = tiger().build().unwrap();
    assert_eq!(pomdp.kind(), Kind::Pomdp);
    let mut parts = tiger();
    parts.dynamics.push(parts.dynamics[0].clone());
    assert_eq!(parts.clone().build().unwrap().kind(), Kind::Apomdp);
    parts.observations = None;
    parts.dynamics.iter_mut().for_each(|d| d.observation = None);
    assert_eq!(parts.clone().build().unwrap().kind(), Kind::RobustMdp);
    parts.dynamics.pop();
    assert_eq!(parts.build().unwrap().kind(), Kind::Mdp);
}

#[test]
fn every_bad_row_is_named_together() {
    let mut parts = tiger();
    let mut dense = [1.0, 0.0, 0.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5];
    (dense[5], dense[8]) = (0.6, -0.5);
    parts.dynamics[0].transition = Kernel::from_dense(2, &dense);
    parts.start = vec![0.5, 0.4];
    let text = message(parts);
    for part in [
        "3 rows are not",
        "start distribution: sums to 0.9, not 1",
        "transition, action open-left, s = tiger-left: sums to 1.1, not 1",
        "transition, action open-right, s = tiger-left: holds -0.5, which is not a probability",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn long_lists_of_bad_rows_are_cut_with_their_number() {
    let s = 20;
    let mut parts = tiger();
    parts.states = Space::unnamed("states", s).unwrap();
    parts.start = vec![1.0 / s as f64; s];
    parts.reward = Reward::Action(vec![0.0; 3]);
    parts.dynamics = vec![Dynamics { transition: Kernel::from_dense(s, &vec![0.1; 3 * s * s]), observation: None }];
    parts.observations = None;
    let text = message(parts);
    assert!(text.contains("60 rows are not") && text.ends_with("… and 52 more"), "{text}");
}

#[test]
fn numbers_shapes_and_names_are_checked() {
    type Breakage = Box<dyn Fn(&mut ModelBuilder)>;
    let broken: Vec<(&str, Breakage)> = vec![
        ("discount: 1.5 is not in [0, 1]", Box::new(|p| p.discount = 1.5)),
        ("discount: NaN is not in [0, 1]", Box::new(|p| p.discount = f64::NAN)),
        ("alpha: -0.1 is not in [0, 1]", Box::new(|p| p.alpha = -0.1)),
        ("without a horizon: 1 is not below 1", Box::new(|p| p.discount = 1.0)),
        ("horizon: 0 is not at least 1", Box::new(|p| p.horizon = Some(0))),
        ("start distribution: expected 2 entries, found 3", Box::new(|p| p.start = vec![1.0, 0.0, 0.0])),
        ("reward R(s,a): expected 6 entries, found 5", Box::new(|p| p.reward = Reward::StateAction(vec![0.0; 5]))),
        ("reward R(a): inf is not finite", Box::new(|p| p.reward = Reward::Action(vec![0.0, 0.0, f64::INFINITY]))),
        ("total reward over the horizon: -inf is not finite", Box::new(|p| p.reward = Reward::Action(vec![-1e308; 3]))),
        ("dynamics (at least one model)", Box::new(|p| p.dynamics.clear())),
        ("observation model", Box::new(|p| p.dynamics[0].observation = None)),
        ("\"2\" is not one of the 2 states", Box::new(|p| p.terminal = vec![2])),
        ("final reward: expected 2", Box::new(|p| p.final_reward = vec![1.0])),
    ];
    for (part, breakage) in broken {
        let mut parts = tiger();
        breakage(&mut parts);
        let text = message(parts);
        assert!(text.contains(part), "expected {part:?} in {text:?}");
    }
    let twice = Space::named("states", ["a", "b", "a"]).unwrap_err();
    assert!(matches!(twice, ModelError::Name { name, .. } if name == "a"));
}

#[test]
fn terminal_states_absorb_without_reward() {
    let mut parts = tiger();
    parts.terminal = vec![1];
    let model = parts.build().unwrap();
    for action in 0..3 {
        assert_eq!(model.dynamics()[0].transition.pairs(action * 2 + 1).collect::<Vec<_>>(), [(1, 1.0)]);
        assert_eq!(model.expected_reward(0)[action * 2 + 1], 0.0);
        assert_eq!(model.realised_reward(1, action, 1, 0), 0.0);
    }
    assert_eq!(model.realised_reward(0, 1, 0, 0), -100.0);
}

#[test]
fn json_errors_say_where() {
    let json = tiger().build().unwrap().to_json();
    let cases = [
        (json.replace("tiresias.model/1", "other/9"), "schema is \"other/9\""),
        (json.replace("\"discount\":0.95", "\"discount\":oops"), "line 1 column"),
        (json.replace("\"discount\"", "\"discunt\""), "unknown field `discunt`"),
        (json.replacen("{\"0\":1.0}", "{\"7\":1.0}", 1), "\"7\" is neither a name nor an index"),
        (json.replacen("{\"0\":1.0}", "{\"0\":0.7}", 1), "transition, action listen, s = tiger-left: sums to 0.7"),
    ];
    for (text, part) in cases {
        let error = Model::from_json(&text).expect_err(part).to_string();
        assert!(error.contains(part), "expected {part:?} in {error:?}");
    }
}

/// A count is believed only when the rows are there: no allocation follows a number alone.
#[test]
fn absurd_counts_are_errors() {
    for count in ["1000000000000", "4294967295", "18446744073709551615"] {
        let text = format!(
            r#"{{"schema":"tiresias.model/1","states":{count},"actions":1,"horizon":3,
            "reward":{{"action":[1]}},"dynamics":[{{"transition":[[[1.0]]]}}]}}"#
        );
        assert!(Model::from_json(&text).is_err(), "{count}");
    }
}

#[test]
fn the_examples_are_valid_models() {
    for (name, kind) in [("tiger", Kind::Pomdp), ("ambiguous-tiger", Kind::Apomdp)] {
        let path = format!("{}/../../examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(Model::from_json(&text).unwrap().kind(), kind);
        assert_eq!(Model::from_json(&format!("\u{feff}{text}")).unwrap().kind(), kind);
    }
}

#[test]
fn json_takes_names_dense_rows_and_defaults() {
    let text = r#"{"schema":"tiresias.model/1","states":["a","b"],"actions":1,"horizon":3,
        "reward":{"action":[1]},"dynamics":[{"transition":[[[0.25,0.75],{"b":1}]]}]}"#;
    let model = Model::from_json(text).unwrap();
    assert_eq!(model.start(), [0.5, 0.5]);
    assert_eq!((model.discount(), model.alpha(), model.horizon()), (1.0, 1.0, Some(3)));
    assert_eq!(model.dynamics()[0].transition.get(0, 1), 0.75);
    assert_eq!(model.dynamics()[0].transition.get(1, 1), 1.0);
}

/// A row of a stochastic matrix with some zeros.
fn distribution(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![Just(0.0), 0.05..1.0f64], n).prop_map(|mut row| {
        if row.iter().all(|&p| p == 0.0) {
            row[0] = 1.0;
        }
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|p| *p /= sum);
        row
    })
}

fn stochastic(rows: usize, columns: usize) -> impl Strategy<Value = Kernel> {
    prop::collection::vec(distribution(columns), rows).prop_map(move |rows| Kernel::from_dense(columns, &rows.concat()))
}

prop_compose! {
    fn any_model()(s in 1usize..5, a in 1usize..4, o in 1usize..4, m in 1usize..4, form in 0usize..4, seen in any::<bool>())
        (dynamics in prop::collection::vec((stochastic(a * s, s), stochastic(a * s, o)), m),
         start in distribution(s),
         values in prop::collection::vec(-10.0..10.0f64, a * s * s * o),
         terminal in prop::collection::vec(0..s, 0..2),
         final_reward in prop::option::of(prop::collection::vec(-5.0..5.0f64, s)),
         s in Just(s), a in Just(a), o in Just(o), form in Just(form), seen in Just(seen)) -> Model {
        let sparse = |columns: usize| {
            let mut rows = Kernel::new(columns);
            values.chunks(values.len() / (a * s)).for_each(|row| rows.push_row(row.iter().copied().take(columns).enumerate()));
            rows
        };
        ModelBuilder {
            name: "random".into(),
            states: Space::unnamed("states", s).unwrap(),
            actions: Space::unnamed("actions", a).unwrap(),
            observations: (!seen).then(|| Space::unnamed("observations", o).unwrap()),
            reward: match form {
                0 => Reward::Action(values[..a].to_vec()),
                1 => Reward::StateAction(values[..a * s].to_vec()),
                2 => Reward::Transition(sparse(s)),
                _ if seen => Reward::Transition(sparse(s)),
                _ => Reward::Full(sparse(s * o)),
            },
            start,
            discount: 0.9,
            horizon: Some(4),
            terminal,
            final_reward: final_reward.unwrap_or_default(),
            dynamics: dynamics.into_iter()
                .map(|(transition, q)| Dynamics { transition, observation: (!seen).then_some(q) }).collect(),
            alpha: 0.7,
            ambiguity: None,
            observation_ambiguity: None,
        }.build().unwrap()
    }
}

proptest! {
    #[test]
    fn json_round_trips_exactly(model in any_model()) {
        let json = model.to_json();
        let back = Model::from_json(&json).unwrap();
        prop_assert_eq!(back.sha256(), model.sha256());
        prop_assert_eq!(back, model);
    }

    /// Where names are the numbers of other elements, no other model is read back.
    #[test]
    fn json_round_trips_where_names_are_numbers(model in any_model(), shift in 1_usize..4, around in any::<bool>()) {
        let named = |space: &Space| {
            let name = |i: usize| (if around { (i + shift) % space.len() } else { i + shift }).to_string();
            Space::named("elements", (0..space.len()).map(name)).unwrap()
        };
        let mut parts = model.to_builder();
        (parts.states, parts.actions) = (named(model.states()), named(model.actions()));
        parts.observations = model.observations().map(named);
        let model = parts.build().unwrap();
        let back = Model::from_json(&model.to_json()).unwrap();
        prop_assert_eq!(back.sha256(), model.sha256());
        prop_assert_eq!(back, model);
    }

    /// The expected reward is the realised reward averaged over every outcome, by definition.
    #[test]
    fn expected_reward_is_the_mean_of_the_realised(model in any_model()) {
        let (s, a) = (model.states().len(), model.actions().len());
        let o = model.observations().map_or(1, Space::len);
        for (m, dynamics) in model.dynamics().iter().enumerate() {
            for row in 0..a * s {
                let mut mean = 0.0;
                for (next, p) in dynamics.transition.pairs(row) {
                    for seen in 0..o {
                        let q = dynamics.observation.as_ref().map_or(1.0, |q| q.get(row / s * s + next, seen));
                        mean += p * q * model.realised_reward(row % s, row / s, next, seen);
                    }
                }
                prop_assert!((mean - model.expected_reward(m)[row]).abs() < 1e-9);
            }
        }
    }

    /// Posteriors weighted by the likelihoods of their observations give back the prediction (law of total probability).
    #[test]
    fn beliefs_average_to_the_prediction(model in any_model(), weights in prop::collection::vec(0.01..1.0f64, 4), action in 0usize..3) {
        let s = model.states().len();
        let action = action % model.actions().len();
        let mut belief = weights[..s.min(4)].to_vec();
        let sum: f64 = belief.iter().sum();
        belief.iter_mut().for_each(|p| *p /= sum);
        for m in 0..model.dynamics().len() {
            let (mut predicted, mut posterior, mut average) = (vec![0.0; s], vec![0.0; s], vec![0.0; s]);
            tiresias_model::belief::predict(&model, m, &belief, action, &mut predicted);
            for o in 0..model.observations().map_or(s, Space::len) {
                let likelihood = tiresias_model::belief::update(&model, m, &belief, action, o, &mut posterior);
                if likelihood > 0.0 {
                    prop_assert!((posterior.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                }
                for (sum, p) in average.iter_mut().zip(&posterior) {
                    *sum += likelihood * p;
                }
            }
            for (x, y) in average.iter().zip(&predicted) {
                prop_assert!((x - y).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in ".{0,200}") {
        prop_assert!(Model::from_json(&text).is_err());
    }
}
