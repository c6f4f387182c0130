//! Broken JSON models, one fault each: the tiger with one thing replaced by another.

use tiresias_model::Model;
use tiresias_model::format::{FormatError, ReadOptions, read};

const TIGER: &str = include_str!("../../../examples/tiger.json");

/// What is replaced (at its first place), by what, and a part of the message. `§` marks the line that the message must point to, `¶`
/// the very column; they are no part of the text. The library that parses says by itself where the text is no JSON of a model.
const FAULTS: &[(&str, &str, &str)] = &[
    // ---- JSON ----
    ("}\n  ]\n}", "}\n  ]¶", "not a model in JSON: EOF"),
    ("\"discount\": 0.95,\n  ", "\"discount\": 0.95\n  §", "expected `,` or `}`"),
    ("\"discount\": 0.95", "\"discount\": §zero", "expected value"),
    ("\"discount\": 0.95", "\"discount\" §0.95", "expected `:`"),
    ("\"horizon\": 10,", "\"horizon\": 10,§,", "key must be a string"),
    ("0.15, 0.85]],", "0.15, §0.85,]],", "trailing comma"),
    ("\"name\": \"tiger", "\"name\": §\"ti\u{1}ger", "control character"),
    ("\"name\": \"tiger", "\"name\": §\"ti\\qger", "invalid escape"),
    ("0.95", "§.95", "expected value"),
    ("0.95", "§NaN", "expected value"),
    ("0.95", "§1e999", "number out of range"),
    ("}\n  ]\n}", "}\n  ]\n}\n§{}", "trailing characters"),
    ("{\n  \"schema\"", "[\n  §\"schema\"", "expected"),
    // ---- fields ----
    ("\"schema\": \"tiresias.model/1\",", "", "missing field `schema`"),
    ("\"tiresias.model/1\"", "¶\"tiresias.model/9\"", "schema is \"tiresias.model/9\", expected \"tiresias.model/1\""),
    ("\"schema\": \"tiresias.model/1\"", "\"schema\": §1", "invalid type: integer `1`, expected a string"),
    ("\"states\": [\"tiger-left\", \"tiger-right\"],", "", "missing field `states`"),
    ("\"reward\": { \"state_action\": [[-1, -1], [-100, 10], [10, -100]] },", "", "missing field `reward`"),
    ("\"discount\": 0.95", "§\"discuont\": 0.95", "unknown field `discuont`"),
    ("\"discount\": 0.95", "\"horizon\": 10, \"discount\": 0.95", "duplicate field `horizon`"),
    ("\"discount\": 0.95", "\"discount\": §\"0.95\"", "invalid type: string \"0.95\", expected a number"),
    ("\"horizon\": 10", "\"horizon\": §-10", "invalid value: integer `-10`"),
    ("\"horizon\": 10", "\"horizon\": §2.5", "invalid type: number `2.5`, expected a whole number from 0 on"),
    // ---- spaces ----
    ("[\"tiger-left\", \"tiger-right\"]", "§-2", "integer `-2`, expected a count or a list of names"),
    ("[\"tiger-left\", \"tiger-right\"]", "§2.0", "expected a count or a list of names"),
    ("[\"tiger-left\", \"tiger-right\"]", "§{\"left\": 1}", "expected a count or a list of names"),
    ("[\"tiger-left\", \"tiger-right\"]", "[\"tiger-left\", §3]", "integer `3`, expected a string"),
    ("[\"tiger-left\", \"tiger-right\"]", "¶[\"tiger-left\", \"tiger-left\"]", "\"tiger-left\" stands twice"),
    ("[\"tiger-left\", \"tiger-right\"]", "¶[\"tiger-left\", \"\"]", "is empty"),
    ("[\"hear-left\", \"hear-right\"]", "¶0", "observations: expected 1 entries, found 0"),
    ("[\"hear-left\", \"hear-right\"]", "¶[]", "observations: expected 1 entries, found 0"),
    ("\"observations\": [\"hear-left\", \"hear-right\"],", "", "observation model"),
    // ---- numbers ----
    ("0.95", "¶1.5", "discount: 1.5 is not in [0, 1]"),
    ("0.95", "¶-0.5", "discount: -0.5 is not in [0, 1]"),
    ("\"horizon\": 10", "\"horizon\": ¶0", "horizon: 0 is not at least 1"),
    ("0.95,\n  \"horizon\": 10", "¶1", "discount of a model without a horizon: 1 is not below 1"),
    ("\"horizon\": 10", "\"alpha\": ¶2, \"horizon\": 10", "alpha: 2 is not in [0, 1]"),
    ("\"horizon\": 10", "\"terminal\": [¶\"nowhere\"], \"horizon\": 10", "\"nowhere\" is neither a name nor an index"),
    ("\"horizon\": 10", "\"final_reward\": ¶[1], \"horizon\": 10", "final reward: expected 2 entries, found 1"),
    ("\"start\": [0.5, 0.5]", "\"start\": ¶[0.5, 0.4]", "start distribution: sums to 0.9"),
    ("\"start\": [0.5, 0.5]", "\"start\": ¶[1]", "expected 2 entries, found 1"),
    ("\"start\": [0.5, 0.5]", "\"start\": ¶[1.5, -0.5]", "start distribution"),
    ("\"start\": [0.5, 0.5]", "\"start\": §\"uniform\"", "expected a row: a list of numbers, or an object"),
    // ---- rows ----
    ("{ \"tiger-left\": 1 }", "{ ¶\"tiger-lft\": 1 }", "\"tiger-lft\" is neither a name nor an index"),
    ("{ \"tiger-left\": 1 }", "{ ¶\"2\": 1 }", "\"2\" is neither a name nor an index"),
    ("{ \"tiger-left\": 1 }", "§{ \"tiger-left\": 0.3, \"tiger-left\": 1 }", "the column `tiger-left` stands twice"),
    ("{ \"tiger-left\": 1 }", "{ \"tiger-left\": §\"1\" }", "string \"1\", expected a number"),
    ("{ \"tiger-left\": 1 }", "¶{}", "transition, action listen, s = tiger-left: sums to 0"),
    ("{ \"tiger-left\": 1 }", "§1", "integer `1`, expected a row"),
    ("{ \"tiger-left\": 1 }", "§null", "null, expected a row"),
    ("[[0.85, 0.15], [0.15, 0.85]]", "[¶[0.85, 0.25], [0.15, 0.85]]", "action listen, s' = tiger-left: sums to 1.1"),
    ("[[0.85, 0.15], [0.15, 0.85]]", "¶[[0.85, 0.15]]", "expected 2 entries, found 1"),
    ("[[0.85, 0.15], [0.15, 0.85]],", "", "expected 3 entries, found 2"),
    ("[[0.85, 0.15], [0.15, 0.85]]", "[¶[0.85, 0.15, 0], [0.15, 0.85]]", "expected 2 entries, found 3"),
    // ---- reward ----
    ("{ \"state_action\": [[-1, -1], [-100, 10], [10, -100]] }", "¶{ \"action\": [1, 1e308, 1] }", "total reward"),
    (
        "{ \"state_action\": [[-1, -1], [-100, 10], [10, -100]] }",
        "{ \"action\": §[1, {}, 1] }",
        "invalid type: object, expected a number",
    ),
    (
        "{ \"state_action\": [[-1, -1], [-100, 10], [10, -100]] }",
        "{ \"full\": [[{}, {}], [{}, { \"0\": { ¶\"7\": 1 } }], [{}, {}]] }",
        "reward, action open-left, state tiger-right: \"7\" is neither a name nor an index",
    ),
    (
        "{ \"state_action\": [[-1, -1], [-100, 10], [10, -100]] }",
        "{ \"full\": [[{}, {}], [{}, [{}, ¶[1]]], [{}, {}]] }",
        "reward, action open-left, state tiger-right: expected 2 entries, found 1",
    ),
    (
        "{ \"state_action\": [[-1, -1], [-100, 10], [10, -100]] }",
        "{ \"full\": [[§7]] }",
        "expected a list of rows, or an object",
    ),
    ("\"state_action\"", "§\"state-action\"", "unknown variant `state-action`"),
    ("[[-1, -1], [-100, 10], [10, -100]]", "¶[[-1, -1], [-100, 10]]", "expected 3 entries, found 2"),
    ("[[-1, -1], [-100, 10], [10, -100]]", "[[-1, -1], [-100, 10], ¶[10]]", "expected 2 entries, found 1"),
    ("[[-1, -1], [-100, 10], [10, -100]]", "[[-1, -1], §-100, [10, -100]]", "invalid type"),
    // ---- dynamics ----
    ("\"observation\": [", "§\"observaton\": [", "unknown field `observaton`"),
    ("\"transition\": [", "§\"transitions\": [", "unknown field `transitions`"),
];

#[test]
fn every_fault_is_told() {
    assert!(read("t.json", TIGER.as_bytes(), &ReadOptions::default()).is_ok());
    let mut wrong = Vec::new();
    for (from, to, part) in FAULTS {
        let broken = TIGER.replacen(from, to, 1);
        assert_ne!(broken, TIGER, "{from} is in the text");
        let place = |mark: char| {
            let (before, _) = broken.split_once(mark)?;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
            Some((1 + before.matches('\n').count(), 1 + column))
        };
        let Err(error) = read("t.json", broken.replace(['§', '¶'], "").as_bytes(), &ReadOptions::default()) else {
            wrong.push(format!("{to} is not refused"));
            continue;
        };
        let message = error.to_string();
        let FormatError::Text(fault) = error else {
            wrong.push(format!("{to}: no place in {message}"));
            continue;
        };
        let found = (fault.line, fault.column);
        let there = place('§').is_none_or(|(line, _)| line == found.0) && place('¶').is_none_or(|place| place == found);
        if !message.contains(part) || message.lines().count() > 24 || !there {
            wrong.push(format!("{to}: expected {part:?}\n{message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn refused(text: &str) -> String {
    read("t.json", text.as_bytes(), &ReadOptions::default()).unwrap_err().to_string()
}

#[test]
fn a_message_shows_the_text_and_what_was_expected() {
    let text = TIGER.replacen("{ \"tiger-left\": 1 }", "{ \"tiger-lft\": 1 }", 1);
    let line = 1 + text[..text.find("tiger-lft").unwrap()].matches('\n').count();
    let shown = refused(&text);
    assert!(
        shown.starts_with("error: transition, action listen, state tiger-left: \"tiger-lft\" is neither a name"),
        "{shown}"
    );
    assert!(shown.contains(&format!("t.json:{line}:")), "{shown}");
    assert!(shown.contains("^^^^^^^^^^^ expected a name or a number"), "{shown}");
}

#[test]
fn all_bad_rows_are_in_one_message() {
    let text = TIGER
        .replacen("\"start\": [0.5, 0.5]", "\"start\": [0.5, 0.6]", 1)
        .replace("[[0.85, 0.15], [0.15, 0.85]]", "[[0.85, 0.25], [0.15, 0.65]]");
    let line = 1 + text[..text.find("0.25").unwrap()].matches('\n').count();
    let shown = refused(&text);
    assert!(shown.starts_with("error: 3 rows are not probability distributions"), "{shown}");
    for part in [
        "start distribution: sums to 1.1, not 1".to_string(),
        format!("observation, action listen, s' = tiger-left: sums to 1.1, not 1 (line {line})"),
        format!("observation, action listen, s' = tiger-right: sums to 0.8, not 1 (line {line})"),
    ] {
        assert!(shown.contains(&part), "{shown}");
    }
}

#[test]
fn rounding_is_repaired_and_said() {
    let text = TIGER.replace("0.15, 0.85", "0.1500003, 0.85");
    let loaded = read("t.json", text.as_bytes(), &ReadOptions::default()).unwrap();
    let said: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("warning: a row is off by rounding and was divided by its sum"), "{said:?}");
    let row: f64 = loaded.model.dynamics()[0].observation.as_ref().unwrap().row(1).1.iter().sum();
    assert!((row - 1.0).abs() < 1e-12);
    assert_eq!(read("t.json", TIGER.as_bytes(), &ReadOptions::default()).unwrap().warnings, []);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let marked = format!("\u{feff}{TIGER}");
    let [a, b] = [TIGER, &marked].map(|text| read("t.json", text.as_bytes(), &ReadOptions::default()).unwrap().model);
    assert_eq!(a, b);
    assert!(
        refused(&marked.replace("0.95", "1.5")).contains("t.json:7:15"),
        "{}",
        refused(&marked.replace("0.95", "1.5"))
    );
}

#[test]
fn a_reward_for_every_observation_takes_no_more_than_its_entries() {
    // A row over observations for each of a million pairs of states would be 3 MB of brackets.
    let text = "discount: 0.9 states: 1000 actions: 1 observations: 2 T: * identity O: * uniform R: 0 : 3 : 3 : 1 7 R: 0 : 3 : 5 : 0 2";
    let model = read("t.pomdp", text.as_bytes(), &ReadOptions::default()).unwrap().model;
    let json = model.to_json();
    assert!(json.len() < 100_000, "{} bytes", json.len());
    assert!(json.contains("{\"3\":{\"1\":7.0},\"5\":{\"0\":2.0}}"));
    assert_eq!(Model::from_json(&json).unwrap(), model);
    // Lists of rows say the same.
    let small = |full: &str| {
        TIGER.replacen("\"state_action\": [[-1, -1], [-100, 10], [10, -100]]", &format!("\"full\": {full}"), 1)
    };
    let objects = small("[[{ \"tiger-left\": [1, 0] }, {}], [{}, { \"1\": { \"hear-right\": 2 } }], [{}, {}]]");
    let lists = small("[[[[1, 0], [0, 0]], [{}, {}]], [[{}, {}], [{}, [0, 2]]], [[{}, {}], [{}, {}]]]");
    assert_eq!(Model::from_json(&objects).unwrap(), Model::from_json(&lists).unwrap());
}
