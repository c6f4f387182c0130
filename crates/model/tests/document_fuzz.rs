//! Broken documents of families: each is read, or refused with its place, soon and in little memory.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use tiresias_fuzz::{Answer, Subject, Until, fuzz, refused};
use tiresias_model::ModelError;
use tiresias_model::family::{TaskRequest, family, load_document};
use tiresias_model::format::FormatError;

/// What is read draws models, or says which task it cannot draw.
fn answer(bytes: &[u8]) -> Answer {
    let name = match load_document("broken.json", bytes) {
        Ok(name) => name,
        Err(FormatError::Text(fault)) => return refused(&fault.to_string()),
        Err(error) => return Err(format!("a message that says no place: {error}")),
    };
    let family = family(&name).map_err(|error| error.to_string())?;
    for (split, _) in family.splits() {
        for &regime in family.regimes() {
            let horizon = family.horizon();
            let asked =
                TaskRequest { split: (*split).into(), index: 77, seed: 9, regime, horizon, models: 2, alpha: 1.0 };
            match family.task(&asked) {
                Ok(task) if task.model.states().len() <= 100_000 => {}
                Ok(task) => return Err(format!("a model of {} states", task.model.states().len())),
                Err(ModelError::Draw { task, problem }) if task.contains(split) && problem.starts_with('$') => {}
                Err(error) => return Err(format!("a message that says no place: {error}")),
            }
        }
    }
    Ok(true)
}

#[test]
fn broken_documents_are_answered() {
    let full = std::env::var("TIRESIAS_PROMISES").is_ok_and(|value| value == "full");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/families");
    let subjects: Vec<_> = ["energy.json", "clinical.json", "chain.json"]
        .into_iter()
        .map(|name| Subject::new(name, std::fs::read(folder.join(name)).unwrap(), answer))
        .collect();
    let report = fuzz(&subjects, 1, Until::Cases(if full { 20_000 } else { 1000 }), |_, _, _| {});
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert!(report.read > 0 && report.read < report.cases, "{report:?}");
}

/// The leaves of a document.
fn leaves<'v>(value: &'v mut Value, to: &mut Vec<&'v mut Value>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|inner| leaves(inner, to)),
        Value::Object(fields) => fields.values_mut().for_each(|inner| leaves(inner, to)),
        leaf => to.push(leaf),
    }
}

/// What somebody may have meant, and what nobody did.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec![
            json!(0),
            json!(-1),
            json!(0.5),
            json!(1e9),
            json!(1e300),
            json!(99_999),
            json!(null),
            json!([]),
            json!({}),
            json!(""),
            json!("s"),
            json!("next"),
            json!("1 / 0"),
            json!("0 / 0"),
            json!("exp(1000)"),
            json!("s + 1"),
            json!("n"),
            json!("p_h"),
            json!("top * 10000"),
            json!("999999"),
            json!("level[s]"),
            json!("level[s + 1]"),
            json!("slip"),
            json!("i < 1000000"),
            json!("s < n"),
            json!("if(s, 0.3, 0.7)"),
            json!("train"),
            json!("harvest"),
            json!(true),
        ]),
        "[-+*/%^!<>=&|(), .0-9snp_\\[\\]]{0,12}".prop_map(Value::String),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// A document with another value in one to three places is read, or refused with its place.
    #[test]
    fn documents_with_odd_values_are_answered(
        which in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), odd()), 1..4),
    ) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/families");
        let text = std::fs::read(folder.join(["energy.json", "clinical.json", "chain.json", "machines.json"][which])).unwrap();
        let mut document: Value = serde_json::from_slice(&text).unwrap();
        let mut places = Vec::new();
        leaves(&mut document, &mut places);
        let count = places.len();
        for (at, value) in changes {
            *places[at.index(count)] = value;
        }
        let answered = answer(document.to_string().as_bytes());
        prop_assert!(answered.is_ok(), "{:?}", answered);
    }
}
