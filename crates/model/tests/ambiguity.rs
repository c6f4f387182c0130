//! Ambiguity sets in model files: what is read, what is written, what is refused and how.

use tiresias_model::{Ambiguity, Kind, Model, ModelError, Support};

/// Two states, two actions; the last state may be terminal.
fn text(ambiguity: &str, more: &str) -> String {
    format!(
        r#"{{"schema": "tiresias.model/1", "states": ["up", "down"], "actions": ["stay", "go"], "discount": 0.9,
            "reward": {{"state_action": [[1, 0], [0.5, 0]]}}, {more}
            "dynamics": [{{"transition": [[[0.7, 0.3], [0.2, 0.8]], [[0.5, 0.5], [1, 0]]]}}], "ambiguity": {ambiguity}}}"#
    )
}

const LOWER: &str = "[[[0.6, 0.2], [0, 0.5]], [[0.4, 0.4], [0.9, 0]]]";
const UPPER: &str = "[[[0.8, 0.4], [0.5, 1]], [[0.6, 0.6], [1, 0.1]]]";

fn interval(lower: &str, upper: &str) -> String {
    format!(r#"{{"kind": "interval", "lower": {lower}, "upper": {upper}}}"#)
}

fn message(ambiguity: &str, more: &str) -> String {
    Model::from_json(&text(ambiguity, more)).unwrap_err().to_string()
}

#[test]
fn a_radius_is_one_number_or_a_table() {
    let model = Model::from_json(&text(r#"{"kind": "l1", "radius": 0.4}"#, "")).unwrap();
    assert_eq!(model.kind(), Kind::RobustMdp);
    let ball = |radius: Vec<f64>, support| Some(Ambiguity::L1 { radius, support });
    assert_eq!(model.ambiguity().cloned(), ball(vec![0.4; 4], Support::Nominal));
    let table = r#"{"kind": "l1", "radius": [[0.1, 0.2], [0, 3]], "support": "all"}"#;
    let model = Model::from_json(&text(table, "")).unwrap();
    assert_eq!(model.ambiguity().cloned(), ball(vec![0.1, 0.2, 0.0, 3.0], Support::All));
}

#[test]
fn documents_read_back_as_they_were_and_the_hash_tells_sets_apart() {
    let sets = [
        r#"{"kind": "l1", "radius": 0.4}"#.to_string(),
        r#"{"kind": "l1", "radius": 0.4, "support": "all"}"#.into(),
        r#"{"kind": "l1", "radius": [[0.1, 0.2], [0, 3]]}"#.into(),
        interval(LOWER, UPPER),
        interval(LOWER, "[[[0.8, 0.4], [0.5, 1]], [[0.6, 0.6], [1, 0.2]]]"),
    ];
    let mut hashes = Vec::new();
    for more in ["", r#""terminal": ["down"],"#] {
        for set in &sets {
            let model = Model::from_json(&text(set, more)).unwrap();
            assert_eq!(Model::from_json(&model.to_json()).unwrap(), model);
            assert_eq!(model.to_builder().build().unwrap(), model);
            assert_eq!(model.single(0).kind(), Kind::Mdp);
            hashes.push(model.sha256());
        }
    }
    hashes.push(Model::from_json(&text(&sets[0], "")).unwrap().single(0).sha256());
    hashes.sort();
    // A terminal state's own bounds do not matter, and the last two differ nowhere else.
    hashes.dedup();
    assert_eq!(hashes.len(), 10);
}

#[test]
fn a_model_without_sets_keeps_its_document() {
    let plain = Model::from_json(&text("null", "")).unwrap();
    assert_eq!(plain.kind(), Kind::Mdp);
    assert!(!plain.to_json().contains("ambiguity"));
}

#[test]
fn rewards_of_transitions_bound_the_value_wherever_nature_leads() {
    // The nominal rows never take the transition that pays -50.
    let text = r#"{"schema": "tiresias.model/1", "states": 2, "actions": 1, "horizon": 3,
        "reward": {"transition": [[{"0": 1, "1": -50}, {"1": 1}]]}, "dynamics": [{"transition": [[[1, 0], [0, 1]]]}],
        "ambiguity": {"kind": "l1", "radius": 2, "support": "all"}}"#;
    let (low, high) = Model::from_json(text).unwrap().value_range();
    assert!(low <= -150.0 && high >= 3.0, "{low} {high}");
}

#[test]
fn a_negative_radius_is_refused_by_name() {
    let error = Model::from_json(&text(r#"{"kind": "l1", "radius": [[0.1, 0.2], [-0.5, 3]]}"#, "")).unwrap_err();
    assert!(matches!(error, ModelError::Number { value: -0.5, .. }));
    assert_eq!(
        error.to_string(),
        "ambiguity, radius, action go, state up: -0.5 is not a finite number that is not negative"
    );
}

#[test]
fn bounds_that_admit_no_distribution_are_refused_together() {
    let high = "[[[0.6, 0.2], [0, 0.5]], [[0.6, 0.6], [0.9, 0]]]";
    let found = message(&interval(high, UPPER), "");
    assert!(
        found.contains("1 row has") && found.contains("action go, state up: the lower bounds sum to 1.2"),
        "{found}"
    );
    let low = "[[[0.7, 0.2], [0.1, 0.8]], [[0.6, 0.6], [1, 0.1]]]";
    let found = message(&interval("[[{}, {}], [{}, {}]]", low), "");
    assert!(
        found.contains("2 rows have") && found.contains("action stay, state up: the upper bounds sum to 0.89"),
        "{found}"
    );
    let crossed = "[[[0.6, 0.2], [0, 0.5]], [[0.61, 0.2], [0.9, 0]]]";
    let found = message(&interval(crossed, UPPER), "");
    assert!(found.contains("state up: lower bound 0.61 of next state up is above the upper bound 0.6"), "{found}");
    let outside = "[[[0.8, 0.4], [0.5, 1]], [[0.45, 0.6], [1, 0.1]]]";
    let found = message(&interval(LOWER, outside), "");
    assert!(
        found.contains("the nominal probability 0.5 of next state up is not between its bounds, 0.4 and 0.45"),
        "{found}"
    );
    let forced = "[[[0.6, 0.2], [0, 0.5]], [[0.4, 0.4], [0.9, 0.05]]]";
    let found = message(&interval(forced, UPPER), "");
    assert!(found.contains("the nominal probability 0 of next state down is not between"), "{found}");
    let negative = "[[[0.6, -0.2], [0, 0.5]], [[0.4, 0.4], [0.9, 0]]]";
    let found = message(&interval(negative, UPPER), "");
    assert!(found.contains("lower bound -0.2 of next state down is not in [0, 1]"), "{found}");
    // Bounds of a terminal state say nothing, so nothing is wrong with them.
    let error = text(&interval("[[{}, {}], [{}, {}]]", "[[[1, 1], {}], [[1, 1], {}]]"), r#""terminal": ["down"],"#);
    assert!(Model::from_json(&error).is_ok());
}

#[test]
fn shapes_and_places_are_checked() {
    let found = message(r#"{"kind": "l1", "radius": [[0.1, 0.2]]}"#, "");
    assert_eq!(found, "ambiguity, radius: rows by action: expected 2 entries, found 1");
    let found = message(r#"{"kind": "l1", "radius": [[0.1, 0.2], [0.1]]}"#, "");
    assert_eq!(found, "ambiguity, radius, action go: rows by state: expected 2 entries, found 1");
    let found = message(&interval("[[{}, {}]]", UPPER), "");
    assert_eq!(found, "ambiguity, lower: rows by action: expected 2 entries, found 1");
    let found = message(&interval(LOWER, "[[[1, 1, 1], {}], [{}, {}]]"), "");
    assert_eq!(found, "ambiguity, upper, action stay, state up: expected 2 entries, found 3");
    assert!(message(r#"{"kind": "ball", "radius": 1}"#, "").contains("ball"));
    assert!(message(r#"{"kind": "l1", "radius": 1, "norm": 2}"#, "").contains("norm"));

    let mut parts = Model::from_json(&text(r#"{"kind": "l1", "radius": 0.4}"#, "")).unwrap().to_builder();
    parts.dynamics.push(parts.dynamics[0].clone());
    let error = parts.clone().build().unwrap_err();
    assert!(matches!(error, ModelError::Ambiguity(_)) && error.to_string().contains("one transition model"), "{error}");
    parts.dynamics.pop();
    parts.ambiguity = Some(Ambiguity::L1 { radius: vec![0.1], support: Support::All });
    let error = parts.build().unwrap_err();
    assert_eq!(error.to_string(), "ambiguity, radius (A·S): expected 4 entries, found 1");

    let tiger = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/tiger.json")).unwrap();
    let mut parts = Model::from_json(&tiger).unwrap().to_builder();
    parts.ambiguity = Some(Ambiguity::L1 { radius: vec![0.1; 6], support: Support::Nominal });
    assert_eq!(parts.build().unwrap().kind(), Kind::RobustPomdp);
}

/// The tiger with sets around what is heard.
fn heard(sets: &str) -> String {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/unsure-tiger.json")).unwrap();
    let (before, _) = text.split_once("\"observation_ambiguity\"").unwrap();
    format!("{before}\"observation_ambiguity\": {sets}}}")
}

#[test]
fn sets_around_observations_are_read_and_written() {
    let bounds = |lower: &str, upper: &str| {
        let even = "[[0.5, 0.5], [0.5, 0.5]]";
        format!(r#"{{"kind": "interval", "lower": [{lower}, {even}, {even}], "upper": [{upper}, {even}, {even}]}}"#)
    };
    let mut hashes = std::collections::BTreeSet::new();
    let sets = [
        r#"{"kind": "l1", "radius": 0.2}"#.to_string(),
        r#"{"kind": "l1", "radius": [[0.2, 0.3], [0, 0], [0, 0]], "support": "all"}"#.into(),
        bounds("[[0.75, 0.1], [0.1, 0.75]]", "[[0.9, 0.25], [0.25, 0.9]]"),
        bounds(r#"[{"hear-left": 0.75}, [0.1, 0.75]]"#, "[[0.9, 0.25], [0.25, 0.9]]"),
    ];
    for sets in &sets {
        let model = Model::from_json(&heard(sets)).unwrap();
        assert_eq!(model.kind(), Kind::RobustPomdp);
        assert_eq!(Model::from_json(&model.to_json()).unwrap(), model);
        assert_eq!(model.to_builder().build().unwrap(), model);
        assert_eq!(model.single(0).kind(), Kind::Pomdp);
        hashes.insert(model.sha256());
    }
    assert_eq!(hashes.len(), sets.len());
    let found = Model::from_json(&heard(&bounds("[[0.9, 0.1], [0.1, 0.75]]", "[[0.9, 0.25], [0.25, 0.9]]")));
    let found = found.unwrap_err().to_string();
    assert!(
        found.contains("action listen, next state tiger-left: the nominal probability 0.85 of observation hear-left"),
        "{found}"
    );
    let found = Model::from_json(&heard(r#"{"kind": "l1", "radius": [[0.2], [0, 0], [0, 0]]}"#)).unwrap_err();
    assert_eq!(
        found.to_string(),
        "observation_ambiguity, radius, action listen: rows by state: expected 2 entries, found 1"
    );
}

#[test]
fn sets_around_observations_want_observations_and_rewards_that_leave_them_out() {
    let text =
        text("null", "").replace("\"ambiguity\": null", r#""observation_ambiguity": {"kind": "l1", "radius": 1}"#);
    assert!(Model::from_json(&text).unwrap_err().to_string().contains("without a list of observations"));
    let mut parts = Model::from_json(&heard(r#"{"kind": "l1", "radius": 0.2}"#)).unwrap().to_builder();
    parts.reward = tiresias_model::Reward::Full(tiresias_model::Kernel::from_dense(4, &[1.0; 24]));
    let error = parts.clone().build().unwrap_err().to_string();
    assert!(error.contains("rewards that depend on what is seen"), "{error}");
    parts.reward = tiresias_model::Reward::Action(vec![0.0; 3]);
    parts.dynamics.push(parts.dynamics[0].clone());
    assert!(parts.build().unwrap_err().to_string().contains("there are 2"));
}
