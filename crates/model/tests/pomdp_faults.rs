//! Broken `.pomdp` texts, one fault each. `§` marks where the message must point; it is no part of the text.

use tiresias_model::format::{Diagnostic, FormatError, ReadOptions, read};

const H: &str = "discount: 0.9\nstates: here there\nactions: stay go\nobservations: dark light\n";
const T: &str = "T: * identity\n";
const O: &str = "O: * uniform\n";

/// Text and a part of the message. `{H}`, `{T}` and `{O}` stand for the header and the tables above.
const FAULTS: &[(&str, &str)] = &[
    // ---- statements ----
    ("§", "expected `discount:` before the tables, found the end of the file"),
    ("# only a comment\n§", "expected `discount:` before the tables"),
    ("§hello", "expected `discount:`, `values:`, `states:`"),
    ("§Discount: 0.9", "found `Discount`"),
    ("§: 0.9", "found `:`"),
    ("§\u{1}", "expected `discount:`"),
    ("discount: 0.9 §state: 2", "`state` begins no statement"),
    ("discount: 0.9\nstates: here §there : 0.5", "`there` begins no statement"),
    ("discount: 0.9\nactions: 2\n§T: 0 identity", "expected `states:` before the tables, found `T`"),
    ("discount: 0.9\nstates: 2\n§T: 0 identity", "expected `actions:` before the tables, found `T`"),
    ("states: 2\nactions: 2\n§R: 0 : 0 : 0 1", "expected `discount:` before the tables, found `R`"),
    ("{H}{T}{O}§discount: 0.5", "`discount` after the first table"),
    ("{H}{T}§states: 2\n{O}", "`states` after the first table"),
    ("{H}{T}{O}§start: uniform", "`start` after the first table"),
    ("{H}{T}{O}§start include: here", "`start` after the first table"),
    ("{H}{T}{O}§X: 5", "expected `T:`, `O:`, `R:` or `E:`, found `X`"),
    ("{H}{T}{O}§t: * identity", "found `t`"),
    ("{H}{T}{O}§:", "found `:`"),
    // ---- discount and values ----
    ("discount§", "expected `:` after `discount`, found the end of the file"),
    ("discount §0.9", "expected `:` after `discount`, found `0.9`"),
    ("discount:§", "expected the discount"),
    ("discount:\n§states: 2", "expected the discount, a number in [0, 1], found `states`"),
    ("discount: §high\n", "expected the discount, a number in [0, 1], found `high`"),
    ("discount: §1.5", "the discount `1.5` is not in [0, 1]"),
    ("discount: §-0.1", "the discount `-0.1` is not in [0, 1]"),
    ("discount: §nan", "expected the discount"),
    ("discount: §inf", "expected the discount"),
    ("discount: §1e999", "`1e999` is too large"),
    ("discount: 0.9 §0.8\nstates: 2", "found `0.8`"),
    ("discount: 0.9\n§discount: 0.9", "`discount` stands twice"),
    ("discount: §1\nstates: 1\nactions: 1\nT: 0 identity", "a discount of 1 needs a horizon"),
    ("values: §profit", "expected `reward` or `cost`, found `profit`"),
    ("values:§", "expected `reward` or `cost`"),
    ("values: reward §cost", "found `cost`"),
    ("values: reward\n§values: reward", "`values` stands twice"),
    // ---- spaces ----
    ("discount: 0.9\n§states:\nactions: 2\nT: * identity", "`states:` names none"),
    ("discount: 0.9\nstates: §0\nactions: 1", "`0` is not a number of states"),
    ("discount: 0.9\nstates: §-3\nactions: 1", "`-3` is not a number of states"),
    ("discount: 0.9\nstates: §2.5\nactions: 1", "`2.5` is not a number of states"),
    ("discount: 0.9\nstates: §99999999999\nactions: 1", "`99999999999` is not a number of states"),
    ("discount: 0.9\nstates: §99999999999999999999999\nactions: 1", "is not a number of states"),
    ("discount: 0.9\n§states: 100000\nactions: 100000", "100000 states and 100000 actions are too many"),
    ("discount: 0.9\nstates: here there §here\nactions: 1", "state `here` stands twice"),
    ("discount: 0.9\nstates: 2\nactions: go stay §go", "action `go` stands twice"),
    ("{H}§observations: a", "`observations` stands twice"),
    ("discount: 0.9\nstates: 2\nactions: 2\nobservations: a b §b", "observation `b` stands twice"),
    ("discount: 0.9\nstates: here §*\nactions: 1", "`*` cannot be the name of a state"),
    ("discount: 0.9\nstates: here §7\nactions: 1", "`7` cannot be the name of a state"),
    ("discount: 0.9\nstates: 2\nactions: go §1e3", "`1e3` cannot be the name of an action"),
    ("discount: 0.9\nstates: 2\nactions: §2 go", "`2` cannot be the name of an action"),
    ("discount: 0.9\nstates: 2\nactions: 2\nobservations: §0", "`0` is not a number of observations"),
    ("discount: 0.9\nstates: 2\n§states: 2", "`states` stands twice"),
    ("discount: 0.9\nstates §2", "expected `:` after `states`, found `2`"),
    ("discount: 0.9\r\nstates: §0\r\nactions: 1\r\n", "`0` is not a number of states"),
    ("discount: 0.9 # é\nstates: ä §ä\nactions: 1", "state `ä` stands twice"),
    ("\t\tdiscount: §x", "found `x`"),
    ("discount: 0.9\nstates # two\n: here §here\nactions: 1", "state `here` stands twice"),
    // ---- start and terminal states ----
    ("{H}start: §nowhere\n{T}{O}", "there is no state `nowhere`"),
    ("{H}§start:\n{T}{O}", "the start names no belief"),
    ("{H}start: §2\n{T}{O}", "there is no state `2`"),
    ("{H}start: §0.5\n{T}{O}", "there is no state `0.5`"),
    ("{H}start: 0.5 0.25 §0.25\n{T}{O}", "expected 2 probabilities for the start and no more"),
    ("discount: 0.9 states: 3 actions: 1 start: 0.5 §0.5 T: * identity", "the start has 2 probabilities for 3 states"),
    ("{H}start: 0.5 §half\n{T}{O}", "expected a probability, found `half`"),
    ("{H}start: §1.5 -0.5\n{T}{O}", "`1.5` is not a probability"),
    ("{H}start: 1 §-0.5\n{T}{O}", "`-0.5` is not a probability"),
    ("{H}§start: 0.6 0.6\n{T}{O}", "a row does not sum to 1"),
    ("{H}start include: §x\n{T}{O}", "there is no state `x`"),
    ("{H}§start include:\n{T}{O}", "the start names no state"),
    ("{H}§start exclude: here there\n{T}{O}", "the start excludes every state"),
    ("{H}§start include here\n{T}{O}", "the keyword `start` cannot be the name of an observation"),
    ("discount: 0.9\nstates: a b\n§actions 2\nT: * identity", "the keyword `actions` cannot be the name of a state"),
    ("start include §here\n{H}{T}{O}", "expected `:` after `include`, found `here`"),
    ("start §here\n{H}{T}{O}", "expected `:` after `start`, found `here`"),
    ("{H}start: here\n§start: there\n{T}{O}", "`start` stands twice"),
    ("{H}E: §heaven\n{T}{O}", "there is no state `heaven`"),
    ("E §here\n{H}{T}{O}", "expected `:` after `E`"),
    ("{H}{T}{O}E: here §2", "there is no state `2`"),
    // ---- transitions ----
    ("{H}{T}T §stay identity", "expected `:` after `T`, found `stay`"),
    ("{H}{T}{O}T§", "expected `:` after `T`, found the end of the file"),
    ("{H}T: §run identity", "there is no action `run`"),
    ("{H}T: §2 identity", "there is no action `2`"),
    ("{H}T: §-1 identity", "there is no action `-1`"),
    ("{H}T:§", "expected an action or `*`, found the end of the file"),
    ("{H}T: §: here", "expected an action or `*`, found `:`"),
    ("{H}T: stay :§", "expected a state or `*`, found the end of the file"),
    ("{H}T: stay : §nowhere : here 1", "there is no state `nowhere`"),
    ("{H}T: stay : here : §nowhere 1", "there is no state `nowhere`"),
    ("{H}T: stay : here : here §much", "expected a probability, found `much`"),
    ("{H}T: stay : here : here §1.5", "`1.5` is not a probability"),
    ("{H}T: stay : here : here §-0.5", "`-0.5` is not a probability"),
    ("{H}T: stay : here : here §1,0", "expected a probability, found `1,0`"),
    ("{H}T: stay : here : here §0x1", "expected a probability, found `0x1`"),
    ("{H}T: stay : here : here §1e", "expected a probability, found `1e`"),
    ("{H}T: stay : here : here §1.0.0", "expected a probability, found `1.0.0`"),
    ("{H}T: stay : here : here §--1", "expected a probability, found `--1`"),
    ("{H}T: stay : here : here§", "expected a probability, found the end of the file"),
    ("{H}T: stay : here : here §: here 1", "expected a probability, found `:`"),
    ("{H}T: stay : here : here 1 §1", "expected `T:`, `O:`, `R:` or `E:`, found `1`"),
    ("{H}T: stay : here§", "expected a probability, `uniform` or `reset`, found the end"),
    ("{H}T: stay : here 0.5\n§T: go identity", "expected number 2 of the 2 of this row, found `T`"),
    ("{H}T: stay : here 1 §dark", "expected number 2 of the 2 of this row, found `dark`"),
    ("{H}T: stay : here §identity", "expected a probability, `uniform` or `reset`, found `identity`"),
    ("{H}T: stay §unifrom", "expected `:`, a probability, `uniform` or `identity`, found `unifrom`"),
    ("{H}T: stay §reset", "expected `:`, a probability, `uniform` or `identity`, found `reset`"),
    ("{H}T: stay\n1 0\n0\n§T: go identity", "expected number 2 of the 2 of this row"),
    ("{H}T: stay\n1 0\n§T: go identity", "found `T`"),
    ("{H}T: stay 1 0 0 1 §0", "found `0`"),
    ("{H}T: stay 1 0 §-1 2", "`-1` is not a probability"),
    ("{H}T: stay identity §identity", "found `identity`"),
    // ---- observations ----
    ("{H}{T}O: stay : here : §bright 1", "there is no observation `bright`"),
    ("{H}{T}O: stay : here : §2 1", "there is no observation `2`"),
    ("{H}{T}O: stay : here §reset", "expected a probability or `uniform`, found `reset`"),
    ("{H}{T}O: * : here 0.5 §R: * : * : * : * 1", "expected number 2 of the 2 of this row, found `R`"),
    ("{H}{T}O: * : here 0.5 §", "expected number 2 of the 2 of this row, found the end"),
    (
        "discount: 0.9 states: 3 actions: 1 observations: 2 T: * identity O: * §identity",
        "`identity` for 3 states and 2 obs",
    ),
    ("discount: 0.9\nstates: 2\nactions: 1\nT: * identity\n§O: * uniform", "`O:` in a file without observations"),
    // ---- rewards ----
    ("{H}{T}{O}R §stay", "expected `:` after `R`"),
    ("{H}{T}{O}R:§", "expected an action or `*`"),
    ("{H}{T}{O}R: stay §5", "expected `:` and a state, found `5`"),
    ("{H}{T}{O}R: *§", "expected `:` and a state, found the end of the file"),
    ("{H}{T}{O}R: * : here : §nowhere : * 1", "there is no state `nowhere`"),
    ("{H}{T}{O}R: stay : here : here : §bright 1", "there is no observation `bright`"),
    ("{H}{T}{O}R: stay : here : here : dark §much", "expected a number, found `much`"),
    ("{H}{T}{O}R: stay : here : here : dark§", "expected a number, found the end of the file"),
    ("{H}{T}{O}R: stay : here : here : dark §: dark 1", "expected a number, found `:`"),
    ("{H}{T}{O}R: stay : here : here 1 §R: * : * : * : * 1", "expected number 2 of the 2 of this row, found `R`"),
    ("{H}{T}{O}R: stay : here : here 1 2 §3", "found `3`"),
    ("{H}{T}{O}R: stay : here 1 2 3§", "expected number 2 of the 2 of this row"),
    ("{H}{T}{O}R: stay : here §uniform", "expected `:` or a number, found `uniform`"),
    ("{H}{T}{O}R: * : * : * : * §1e400", "`1e400` is too large"),
    ("{H}{T}{O}R: * : * : * : * §-1e308", "`-1e308` is too large for a reward"),
    ("{H}{T}{O}R: * : * : * : * §nan", "expected a number, found `nan`"),
    ("{H}{T}{O}R: * : * : * : * §-inf", "expected a number, found `-inf`"),
    (
        "discount: 0.9 states: 2 actions: 1 T: * identity R: 0 : 0 : 0 : §1 5",
        "expected `*`, as this file has no observations",
    ),
    // ---- rows ----
    ("{H}§T: stay 0.5 0.4 0 1\nT: go identity\n{O}", "a row does not sum to 1"),
    ("{H}{T}{O}§T: go : here : there 0.5", "a row does not sum to 1"),
    ("{H}T: stay identity\n{O}§", "2 rows of T have no entry"),
    ("{H}{T}§", "4 rows of O have no entry"),
    ("{H}{T}§O: * : here 0.5 0.4\nO: * : there uniform", "2 rows do not sum to 1"),
    ("{H}{T}§O: * : here 0.5 0.50002\nO: * : there uniform", "2 rows do not sum to 1"),
    ("{H}{T}{O}  §T: * : here : here 0 # nowhere to go", "2 rows do not sum to 1"),
];

fn fault(text: &str) -> Diagnostic {
    match read("f.pomdp", text.as_bytes(), &ReadOptions::default()) {
        Err(FormatError::Text(fault)) => *fault,
        other => panic!("expected a located fault, got {other:?}\n{text}"),
    }
}

#[test]
fn every_fault_is_told_where_it_is() {
    assert!(FAULTS.len() >= 130);
    for (marked, message) in FAULTS {
        let marked = marked.replace("{H}", H).replace("{T}", T).replace("{O}", O);
        let (before, after) = marked.split_once('§').expect("a mark");
        let found = fault(&format!("{before}{after}"));
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
        assert_eq!((found.line, found.column), (line, column), "{marked}\n{found}");
        assert!(found.message.contains(message), "{marked}\nexpected {message:?}\n{found}");
        let shown = found.to_string();
        assert!(shown.contains(&format!("f.pomdp:{line}:{column}")), "{shown}");
        assert!(shown.contains('^') && !found.label.is_empty(), "{shown}");
        assert!(shown.lines().count() <= 24, "{shown}");
    }
}

#[test]
fn a_message_shows_the_text_and_what_was_expected() {
    let text = format!("{H}{O}T: stay : here : theer 1.0\n");
    let expected = "\
error: there is no state `theer`
 --> f.pomdp:6:18
  |
6 | T: stay : here : theer 1.0
  |                  ^^^^^ expected a state
  |
  = note: the states are `here`, `there`";
    assert_eq!(fault(&text).to_string(), expected);
}

#[test]
fn all_bad_rows_are_in_one_message() {
    let text = format!("{H}start: 0.5 0.6\nT: stay 0.5 0.4 0 1\nO: * 1 1 0 1\n");
    let found = fault(&text);
    assert_eq!(found.message, "6 rows do not sum to 1");
    assert_eq!(found.label, "start sums to 1.1");
    assert_eq!(
        found.notes,
        [
            "T: stay : here sums to 0.9 (line 6)\nT: go : here has no entry\nT: go : there has no entry\n\
          O: stay : here sums to 2 (line 7)\nO: go : here sums to 2 (line 7)",
            "a row that no statement sets is all 0; before the others, `T: * identity` keeps the state there"
        ]
    );
}

#[test]
fn rows_that_were_forgotten_have_one_cause_and_its_cure() {
    let head = "discount: 0.9\nstates: 20\nactions: go stay\nobservations: 2\n";
    let found = fault(&format!("{head}T: stay identity\nT: go : 3 : 4 1\nO: * uniform\n"));
    assert_eq!(found.message, "19 rows of T have no entry");
    assert_eq!(found.label, "T: go : 0 has no entry");
    let cure = "a row that no statement sets is all 0; before the others, `T: * identity` keeps the state there";
    assert_eq!(found.notes[1..], [cure]);
    // As it says.
    let mended = format!("{head}T: * identity\nT: go : 3 uniform\nT: go : 3 : 4 1\n");
    let found = fault(&mended);
    assert_eq!(found.message, "41 rows do not sum to 1", "the uniform row and all of O");
    assert!(found.notes.last().unwrap().contains("`O: * uniform` says nothing there"));
    let whole = mended.replace("T: go : 3 uniform\n", "T: go : 3 : 3 0\n") + "O: * uniform\n";
    assert!(read("f.pomdp", whole.as_bytes(), &ReadOptions::default()).is_ok());
}

#[test]
fn a_thousand_bad_rows_and_names_stay_on_a_screen() {
    let names: Vec<String> = (0..1000).map(|i| format!("a-state-with-a-long-name-{i}")).collect();
    let head = format!("discount: 0.9\nstates: {}\nactions: 1\n", names.join(" "));
    for text in [format!("{head}T: * uniform\nT: * : * : 5 0.5"), format!("{head}T: 0 : nowhere uniform"), head] {
        let shown = fault(&text).to_string();
        assert!(shown.lines().count() <= 24 && shown.len() < 3000, "{shown}");
    }
    // The line itself may be long.
    let text = format!("discount: 0.9\nstates: {} {}\nactions: 1", names.join(" "), names[700]);
    let shown = fault(&text).to_string();
    assert!(shown.lines().count() <= 24 && shown.lines().all(|line| line.chars().count() < 300), "{shown}");
    let text = format!("discount: {}", "9".repeat(100_000));
    assert!(fault(&text).message.len() < 200);
    let found = fault(&"ä".repeat(100_000));
    assert!(
        (1, 1) == (found.line, found.column) && found.text.len() < 1010 && found.to_string().len() < 3000,
        "{found}"
    );
}

#[test]
fn bytes_that_are_no_text_are_shown_and_refused_as_names() {
    let found = match read("f", b"discount: 0.9\nstates: caf\xe9 b\nactions: 1", &ReadOptions::default()) {
        Err(FormatError::Text(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!((found.line, found.column, found.text.as_str()), (2, 9, "caf\u{fffd}"));
    // In a comment they do no harm.
    read("f", b"# caf\xe9\ndiscount: 0.9\nstates: 1\nactions: 1\nT: 0 identity", &ReadOptions::default()).unwrap();
}

#[test]
fn files_that_are_no_texts_are_told_what_they_are() {
    let utf16: Vec<u8> = "discount: 0.9".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, kind) in [
        (&b"\x1f\x8b\x08\x00\x00"[..], "packed with gzip; unpack it first"),
        (b"\xfd7zXZ\x00", "packed with xz"),
        (b"\x28\xb5\x2f\xfd\x04", "packed with zstd"),
        (b"BZh91AY", "packed with bzip2"),
        (b"PK\x03\x04", "a zip archive"),
        (b"%PDF-1.7", "a PDF document"),
        (&[b"\xff\xfe", &utf16[..]].concat(), "in UTF-16; save it as UTF-8"),
        (b"\xfe\xff\x00d", "in UTF-16"),
    ] {
        for name in ["m.pomdp", "m.pomdpx", "m.json", "m"] {
            let shown = read(name, bytes, &ReadOptions::default()).unwrap_err().to_string();
            assert!(shown.contains(kind) && shown.contains(&format!("{name}:1:1")), "{shown}");
        }
    }
}

#[test]
fn truncated_files_end_in_a_located_message() {
    let tiger = include_str!("data/tiger.pomdp");
    let lines: Vec<&str> = tiger.split_inclusive('\n').collect();
    let last_needed = lines.iter().rposition(|line| line.starts_with("uniform")).unwrap();
    for cut in 0..=lines.len() {
        let text = lines[..cut].concat();
        let read = read("t.pomdp", text.as_bytes(), &ReadOptions::default());
        match read {
            // Rewards left out are 0.
            Ok(_) => assert!(cut > last_needed, "{text}"),
            Err(FormatError::Text(fault)) => {
                assert!(cut <= last_needed && fault.line <= cut + 1, "{fault}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn small_texts_cannot_ask_for_much_memory() {
    let head = "discount: 0.9\nstates: 10000000\nactions: 1\n";
    assert!(fault(head).message.contains("10000000 rows of T have no entry"));
    assert!(fault("discount: 0.9 states: 30000 actions: 1 T: * uniform").message.contains("needs more than"));
}
