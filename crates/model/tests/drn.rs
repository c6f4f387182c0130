//! DRN texts, whole and broken. `§` marks where a message must point; it is no part of the text.

use tiresias_model::format::{Diagnostic, FormatError, ReadOptions, is_drn, read, read_drn};
use tiresias_model::{Objective, Quantity, Sense};

const H: &str = "@type: POMDP\n@parameters\n\n@reward_models\ntime cost\n@nr_states\n2\n@nr_choices\n3\n@model\n";
const TWO: &str =
    "state 0 {4} [1, 0] init\n\taction go [0.5, 2]\n\t\t0 : 0.25\n\t\t1 : 0.75\n\taction stay [0, 0]\n\t\t0 : 1\n";
const END: &str = "state 1 {5} [0, 0] goal \"all done\"\n\taction stay [0, 0]\n\t\t1 : 1\n";

/// Text and a part of the message. `{H}`, `{TWO}` and `{END}` stand for the parts above.
const FAULTS: &[(&str, &str)] = &[
    ("§", "expected `@model`, found the end of the file"),
    ("@type: POMDP\n§nr_states\n2", "expected `@type:`, `@value_type:`"),
    ("@type: §CTMC\n", "models of the type `CTMC` are not read"),
    ("@type: MDP\n§@type: MDP\n", "`@type` stands twice"),
    ("@value_type: §double-interval\n", "values of the type `double-interval` are not read"),
    ("@type: MDP\n@parameters\n§p q\n", "models with parameters are not read"),
    ("§@placeholders\n$0 : p\n", "placeholders are not read"),
    ("@type: MDP\n@nr_states\n§two\n", "expected the number of states, found `two`"),
    ("@type: MDP\n@nr_states\n§0\n", "at least one state"),
    ("@type: MDP\n§@model\n", "`@nr_states` is missing"),
    ("@nr_states\n1\n§@model\n", "`@type:` is missing"),
    ("{H}§1 : 0.5", "before the state's first action"),
    ("{H}§action go\n", "an action before the first state"),
    ("{H}§stat 0 {1}", "expected `state`, `action` or the number of a next state"),
    ("{H}state §1 {4}", "expected state 0, as states come in order"),
    ("{H}{TWO}{END}state §2 {4}", "no more than the 2 states that `@nr_states` says"),
    ("{H}state 0 §init", "expected `{` after the state of a POMDP"),
    ("{H}state 0 {§here}", "expected an observation"),
    ("{H}state 0 {4§", "expected `}` after the observation"),
    ("{H}state 0 {4} [§much, 0]", "expected a reward, found `much`"),
    ("{H}state 0 {4} [1, 0§", "expected `]` after the rewards"),
    ("{H}state 0 {4}\n\taction§ \n", "expected the name of an action"),
    ("{H}state 0 {4} init\n\taction go\n\t\t§7 : 1", "there is no state 7: `@nr_states` says 2"),
    ("{H}state 0 {4} init\n\taction go\n\t\t1 §0.5", "expected `:` after the next state"),
    ("{H}state 0 {4} init\n\taction go\n\t\t1 : §1.5", "`1.5` is not a probability"),
    ("{H}state 0 {4} init\n\taction go\n\t\t1 : §half", "expected a probability, found `half`"),
    ("{H}state 0 {4} init\n\taction go\n\t\t1 : 1 §1", "expected the end of the line"),
    ("{H}§state 0 {4} init\nstate 1 {5}", "state 0 has no action"),
    ("{H}{TWO}§state 1 {5}\n", "state 1 has no action"),
    ("{H}state 0 {4} init\n\t§action go\n\t\t1 : 0.5\n\taction stay\n\t\t0 : 1\n{END}", "do not sum to 1"),
    (
        "@type: MDP\n@nr_states\n§2\n@model\nstate 0 init\n\taction a\n\t\t0 : 1",
        "`@nr_states` says 2, but the model has 1 states",
    ),
    ("@type: MDP\n@nr_states\n1\n@nr_choices\n§2\n@model\nstate 0 init\n\taction a\n\t\t0 : 1", "`@nr_choices` says 2"),
    ("@type: MDP\n@nr_states\n1\n@model\nstate 0\n\taction a\n\t\t0 : 1§", "no state has the label `init`"),
    (
        "@type: MDP\n@nr_states\n2\n@model\nstate 0 init\n\taction a\n\t\t0 : 1\n§state 1 init\n\taction a\n\t\t0 : 1",
        "as state 0 has",
    ),
    (
        "{H}{TWO}§state 1 {4}\n\taction stay\n\t\t1 : 1\n",
        "states 0 and 1 look alike, but state 0 has the action `go` and state 1 has not",
    ),
];

fn filled(text: &str) -> String {
    text.replace("{H}", H).replace("{TWO}", TWO).replace("{END}", END)
}

#[track_caller]
fn fault(text: &str) -> Diagnostic {
    match read_drn("broken.drn", text.as_bytes()) {
        Err(FormatError::Text(diagnostic)) => *diagnostic,
        other => panic!("{text}\n{other:?}"),
    }
}

#[test]
fn faults_are_named_where_they_are() {
    for (marked, expected) in FAULTS {
        let marked = filled(marked);
        let at = marked.find('§').unwrap();
        let found = fault(&marked.replace('§', ""));
        assert!(found.to_string().contains(expected), "{marked}\n{found}");
        let line = 1 + marked[..at].matches('\n').count();
        let column = 1 + marked[..at].rsplit('\n').next().unwrap().chars().count();
        // The end of a text that ends with its line is on the next one or this.
        assert!((found.line, found.column) == (line, column), "{marked}\n{found}");
    }
}

#[test]
fn a_model_is_what_its_text_says() {
    let (model, warnings) =
        read_drn("folder/two.drn", filled("// Exported\n{H}{TWO}//[x=1]\n{END}").as_bytes()).unwrap();
    assert!(warnings.is_empty());
    assert_eq!((model.name.as_str(), model.states(), model.start), ("two", 2, 0));
    assert_eq!(model.observations, Some(vec![4, 5]));
    assert_eq!((model.choices(0), model.choices(1)), (0..2, 2..3));
    assert_eq!((model.action_name(0), model.action_name(1), model.action_name(2)), ("go", "stay", "stay"));
    assert_eq!(model.transition.pairs(0).collect::<Vec<_>>(), [(0, 0.25), (1, 0.75)]);
    assert_eq!(model.labelled("all done"), Some(&[1][..]));
    assert_eq!(model.labelled("none"), None);
    // The state's reward is its choices', too.
    assert_eq!(model.rewards.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["time", "cost"]);
    assert_eq!(
        (&model.rewards[0].choice[..], &model.rewards[1].choice[..]),
        (&[1.5, 1.0, 0.0][..], &[2.0, 0.0, 0.0][..])
    );
}

#[test]
fn actions_of_states_that_look_alike_are_brought_into_one_order() {
    let text = "@type: POMDP\n@nr_states\n2\n@model\nstate 0 {0} init\n\taction a\n\t\t0 : 1\n\taction b\n\t\t1 : 1\n\
                state 1 {0}\n\taction b\n\t\t0 : 1\n\taction a\n\t\t1 : 1\n";
    let (model, _) = read_drn("two", text.as_bytes()).unwrap();
    let names: Vec<&str> = (0..4).map(|choice| model.action_name(choice)).collect();
    assert_eq!(names, ["a", "b", "a", "b"]);
    assert_eq!(model.transition.pairs(2).collect::<Vec<_>>(), [(1, 1.0)]);
}

#[test]
fn fractions_are_read_and_rounding_is_repaired_with_a_word() {
    let text = |third: &str| {
        format!(
            "@type: DTMC\n@value_type: rational\n@nr_states\n2\n@model\nstate 0 init\n\taction 0\n\t\t0 : {third}\n\t\t1 : 2/3\nstate 1\n\taction 0\n\t\t1 : 1\n"
        )
    };
    let (exact, warnings) = read_drn("chain", text("1/3").as_bytes()).unwrap();
    assert!(warnings.is_empty() && exact.observations.is_none());
    let (rounded, warnings) = read_drn("chain", text("0.333333").as_bytes()).unwrap();
    assert!(warnings[0].to_string().contains("off by rounding"), "{warnings:?}");
    let sum: f64 = rounded.transition.row(0).1.iter().sum();
    assert!((sum - 1.0).abs() < 1e-15);
}

#[test]
fn a_reader_of_models_says_what_a_drn_file_needs() {
    let text = filled("{H}{TWO}{END}");
    assert!(is_drn(text.as_bytes()) && !is_drn(b"discount: 0.9"));
    let error = read("two.drn", text.as_bytes(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("this is a DRN file, whose model has no discount"), "{error}");
}

#[test]
fn whatever_is_cut_short_is_answered() {
    let text = filled("{H}{TWO}{END}");
    for end in 0..text.len() {
        let _ = read_drn("cut", &text.as_bytes()[..end]);
    }
}

#[test]
fn objectives_read_back() {
    for text in [
        r#"Pmax=? [F "goal"]"#,
        r#"Pmin=? ["safe ground" U "goal"]"#,
        r#"Rmin=? [F "goal"]"#,
        r#"R{"time"}max=? [F "goal"]"#,
    ] {
        let objective: Objective = text.parse().unwrap();
        assert_eq!(objective.to_string(), text);
        let spaced = text.replace('=', " = ").replace('[', " [ ").replace(']', " ] ");
        assert_eq!(spaced.parse::<Objective>().unwrap(), objective);
    }
    let objective: Objective = r#"Pmin=?[F "x"]"#.parse().unwrap();
    assert_eq!((objective.sense, objective.quantity), (Sense::Min, Quantity::Reach { through: None }));
    for (text, at) in [
        ("Pmax=? [F goal]", 11),
        ("Smax=? [F \"x\"]", 1),
        (r#"Pmax=? [F<=5 "x"]"#, 10),
        (r#"P{"r"}max=? [F "x"]"#, 2),
        ("", 1),
    ] {
        let error = text.parse::<Objective>().unwrap_err().to_string();
        assert!(error.contains(&format!("from character {at} on")), "{text}: {error}");
    }
}
