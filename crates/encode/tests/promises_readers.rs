//! What the readers of tokenizers and shards promise: a byte-order mark is passed over, and what is broken anywhere is answered.

#[path = "common/subjects.rs"]
mod subjects;

use tiresias_encode::{BpeTokenizer, Tokenizer};
use tiresias_fuzz::{Until, fuzz};

/// Broken files of every kind: read or refused in words, never a panic, never long, never large. The example `fuzz` does it for hours.
#[test]
fn broken_files_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let subjects = subjects::subjects(folder.path());
    let full = std::env::var("TIRESIAS_PROMISES").is_ok_and(|value| value == "full");
    let report = fuzz(&subjects, 11, Until::Cases(if full { 40_000 } else { 2_000 }), |_, _, _| ());
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.read > 0, "none of {} was read", report.cases);
}

#[test]
fn a_tokenizers_byte_order_mark_is_passed_over() {
    let [plain, marked] = ["", "\u{feff}"].map(|mark| {
        let text = format!("{mark}{}", subjects::TOKENIZER);
        BpeTokenizer::from_json_bytes(text.as_bytes(), "t").unwrap().encode("ab12").unwrap()
    });
    assert_eq!((plain.clone(), plain), (marked, vec![4, 5]));
}
