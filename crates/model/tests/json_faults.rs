//! Broken JSON models, one fault each: the tiger with one thing replaced by another.

use tiresias_model::format::{FormatError, ReadOptions, read};

const TIGER: &str = include_str!("../../../examples/tiger.json");

/// What is replaced (at its first place), by what, and a part of the message. `§` marks what a message that has a place must point
/// into the line of; it is no part of the text.
const FAULTS: &[(&str, &str, &str)] = &[
    // ---- JSON ----
    ("}\n  ]\n}", "}\n  ]", "not a model in JSON: EOF"),
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
    ("tiresias.model/1", "tiresias.model/9", "schema is \"tiresias.model/9\", expected \"tiresias.model/1\""),
    ("\"schema\": \"tiresias.model/1\"", "\"schema\": §1", "invalid type: integer `1`, expected a string"),
    ("\"states\": [\"tiger-left\", \"tiger-right\"],", "", "missing field `states`"),
    ("\"reward\": { \"state_action\": [[-1, -1], [-100, 10], [10, -100]] },", "", "missing field `reward`"),
    ("\"discount\": 0.95", "§\"discuont\": 0.95", "unknown field `discuont`"),
    ("\"discount\": 0.95", "\"horizon\": 10, \"discount\": 0.95", "duplicate field `horizon`"),
    ("\"discount\": 0.95", "\"discount\": §\"0.95\"", "invalid type: string \"0.95\", expected f64"),
    ("\"horizon\": 10", "\"horizon\": §-10", "invalid value: integer `-10`"),
    ("\"horizon\": 10", "\"horizon\": §2.5", "invalid type: floating point `2.5`"),
    // ---- spaces ----
    ("[\"tiger-left\", \"tiger-right\"]", "§-2", "integer `-2`, expected a count or a list of names"),
    ("[\"tiger-left\", \"tiger-right\"]", "§2.0", "expected a count or a list of names"),
    ("[\"tiger-left\", \"tiger-right\"]", "§{\"left\": 1}", "expected a count or a list of names"),
    ("[\"tiger-left\", \"tiger-right\"]", "[\"tiger-left\", §3]", "integer `3`, expected a string"),
    ("[\"tiger-left\", \"tiger-right\"]", "[\"tiger-left\", \"tiger-left\"]", "\"tiger-left\" stands twice"),
    ("[\"tiger-left\", \"tiger-right\"]", "[\"tiger-left\", \"\"]", "is empty"),
    ("[\"hear-left\", \"hear-right\"]", "0", "observations: expected 1 entries, found 0"),
    ("[\"hear-left\", \"hear-right\"]", "[]", "observations: expected 1 entries, found 0"),
    ("\"observations\": [\"hear-left\", \"hear-right\"],", "", "observation model"),
    // ---- numbers ----
    ("0.95", "1.5", "discount: 1.5 is not in [0, 1]"),
    ("0.95", "-0.5", "discount: -0.5 is not in [0, 1]"),
    ("\"horizon\": 10", "\"horizon\": 0", "horizon: 0 is not at least 1"),
    ("0.95,\n  \"horizon\": 10", "1", "discount of a model without a horizon: 1 is not below 1"),
    ("\"horizon\": 10", "\"alpha\": 2, \"horizon\": 10", "alpha: 2 is not in [0, 1]"),
    ("\"horizon\": 10", "\"terminal\": [\"nowhere\"], \"horizon\": 10", "\"nowhere\" is neither a name nor an index"),
    ("\"horizon\": 10", "\"final_reward\": [1], \"horizon\": 10", "final reward: expected 2 entries, found 1"),
    ("\"start\": [0.5, 0.5]", "\"start\": [0.5, 0.4]", "start distribution: sums to 0.9"),
    ("\"start\": [0.5, 0.5]", "\"start\": [1]", "expected 2 entries, found 1"),
    ("\"start\": [0.5, 0.5]", "\"start\": [1.5, -0.5]", "start distribution"),
    ("\"start\": [0.5, 0.5]", "\"start\": §\"uniform\"", "expected a row: a list of numbers, or an object"),
    // ---- rows ----
    ("{ \"tiger-left\": 1 }", "{ \"tiger-lft\": 1 }", "\"tiger-lft\" is neither a name nor an index"),
    ("{ \"tiger-left\": 1 }", "{ \"2\": 1 }", "\"2\" is neither a name nor an index"),
    ("{ \"tiger-left\": 1 }", "§{ \"tiger-left\": 0.3, \"tiger-left\": 1 }", "the column `tiger-left` stands twice"),
    ("{ \"tiger-left\": 1 }", "{ \"tiger-left\": §\"1\" }", "string \"1\", expected f64"),
    ("{ \"tiger-left\": 1 }", "{}", "transition, action listen, s = tiger-left: sums to 0"),
    ("{ \"tiger-left\": 1 }", "§1", "integer `1`, expected a row"),
    ("{ \"tiger-left\": 1 }", "§null", "null, expected a row"),
    ("[[0.85, 0.15], [0.15, 0.85]]", "[[0.85, 0.25], [0.15, 0.85]]", "action listen, s' = tiger-left: sums to 1.1"),
    ("[[0.85, 0.15], [0.15, 0.85]]", "[[0.85, 0.15]]", "expected 2 entries, found 1"),
    ("[[0.85, 0.15], [0.15, 0.85]],", "", "expected 3 entries, found 2"),
    ("[[0.85, 0.15], [0.15, 0.85]]", "[[0.85, 0.15, 0], [0.15, 0.85]]", "expected 2 entries, found 3"),
    // ---- reward ----
    ("\"state_action\"", "§\"state-action\"", "unknown variant `state-action`"),
    ("[[-1, -1], [-100, 10], [10, -100]]", "[[-1, -1], [-100, 10]]", "expected 3 entries, found 2"),
    ("[[-1, -1], [-100, 10], [10, -100]]", "[[-1, -1], [-100, 10], [10]]", "expected 2 entries, found 1"),
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
        let line = broken.find('§').map(|at| 1 + broken[..at].matches('\n').count());
        let Err(error) = read("t.json", broken.replace('§', "").as_bytes(), &ReadOptions::default()) else {
            wrong.push(format!("{to} is not refused"));
            continue;
        };
        let message = error.to_string();
        let found = if let FormatError::Text(fault) = error { Some(fault.line) } else { None };
        if !message.contains(part) || message.lines().count() > 24 || line.is_some() && line != found {
            wrong.push(format!("{to}: expected {part:?} at {line:?}, found {found:?} {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
