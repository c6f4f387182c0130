//! Broken documents of families: each is read, or refused with its place, soon and in little memory.

use std::path::Path;

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
