//! Policies of other tools: what is written reads back, what is broken is located, and what is exported keeps its worth.

use proptest::prelude::*;
use tiresias_model::format::{ReadOptions, read};
use tiresias_model::{Model, Policy};
use tiresias_solve::formats::{AlphaPolicy, PolicyFileError, PolicyFormat};
use tiresias_solve::{Exact, Limits, Search, Solver, no_hook};

/// Two doors, one of them bad; listening tells which in 85 of 100 cases.
const DOORS: &str = "discount: 0.95\nstates: left right\nactions: listen open-left open-right\nobservations: l r\n\
    T: listen identity\nT: open-left uniform\nT: open-right uniform\n\
    O: listen\n0.85 0.15\n0.15 0.85\nO: open-left uniform\nO: open-right uniform\n\
    R: listen : * : * : * -1\nR: open-left : left : * : * -100\nR: open-left : right : * : * 10\n\
    R: open-right : left : * : * 10\nR: open-right : right : * : * -100\n";

fn doors(horizon: Option<usize>) -> Model {
    read("doors.pomdp", DOORS.as_bytes(), &ReadOptions { horizon, format: None }).unwrap().model
}

/// A model of so many states, actions and observations, in which nothing happens.
fn still(states: usize, actions: usize, observations: usize) -> Model {
    let text = format!(
        "discount: 0.9\nstates: {states}\nactions: {actions}\nobservations: {observations}\nT: * identity\nO: * uniform\n"
    );
    read("still.pomdp", text.as_bytes(), &ReadOptions::default()).unwrap().model
}

fn one(name: &str, text: &str, model: &Model) -> Result<AlphaPolicy, PolicyFileError> {
    AlphaPolicy::read(&[(name, text)], None, model)
}

fn pairs(policy: &AlphaPolicy) -> Vec<(usize, Vec<f64>)> {
    policy.vectors(0).collect()
}

/// The `.alpha` text of the vectors, by its definition and not by the writer.
fn alpha_text(vectors: &[(usize, Vec<f64>)]) -> String {
    let line = |v: &Vec<f64>| v.iter().map(|x| format!("{x:e}")).collect::<Vec<_>>().join(" ");
    vectors.iter().map(|(action, vector)| format!("{action}\n{}\n", line(vector))).collect::<Vec<_>>().join("\n")
}

proptest! {
    #[test]
    fn both_formats_read_back_bit_for_bit(
        vectors in (1usize..6).prop_flat_map(|s| {
            prop::collection::vec((0usize..9, prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, s)), 1..8)
        })
    ) {
        let model = still(vectors[0].1.len(), 9, 2);
        let policy = one("p.alpha", &alpha_text(&vectors), &model).unwrap();
        prop_assert_eq!(&pairs(&policy), &vectors);
        for format in [PolicyFormat::Alpha, PolicyFormat::Sarsop] {
            let texts = policy.write(format, &model).unwrap();
            // The format is told by the text when the name does not say it.
            prop_assert_eq!(&one("p", &texts[0], &model).unwrap(), &policy);
        }
    }
}

#[test]
fn reads_what_the_other_tools_write() {
    let expected = vec![(1, vec![-1.5, 20.0]), (0, vec![3.0, 0.0])];
    for (name, text) in [
        ("p.alpha", "1\n-1.500000 20.000000 \n\n0\n3.0 0\n\n"),
        ("p.alpha", "# by hand\r\n\r\n1\r\n-1.5 2e1 # two\r\n0\r\n3 0\r\n"),
        (
            "p.policy",
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<Policy version=\"0.1\" type=\"value\" model=\"m.pomdp\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:noNamespaceSchemaLocation=\"policyx.xsd\">\n\
             <AlphaVector vectorLength=\"2\" numObsValue=\"1\" numVectors=\"2\">\n\
             <Vector action=\"1\" obsValue=\"0\">-1.5 20 </Vector>\n\
             <SparseVector action=\"0\" obsValue=\"0\"><Entry>0 3</Entry></SparseVector>\n</AlphaVector> </Policy>\n",
        ),
    ] {
        assert_eq!(pairs(&one(name, text, &still(2, 2, 2)).unwrap()), expected, "{name}");
    }
}

#[test]
fn broken_files_are_located() {
    let xml = |inside: &str| {
        format!("<Policy>\n<AlphaVector vectorLength=\"2\" numVectors=\"1\">\n{inside}\n</AlphaVector></Policy>")
    };
    for (name, text, place, part) in [
        ("p.alpha", String::new(), (1, 1), "no vectors"),
        ("p.alpha", "0\n".into(), (1, 1), "the last action has no vector"),
        ("p.alpha", "0\n1 2\n\n1\n".into(), (4, 1), "the last action has no vector"),
        ("p.alpha", "zero\n1 2\n".into(), (1, 1), "`zero` is not an action"),
        ("p.alpha", "-1\n1 2\n".into(), (1, 1), "`-1` is not an action"),
        ("p.alpha", "1 2\n0\n".into(), (1, 1), "is not an action"),
        ("p.alpha", "0\n1 2\n\n0\n1 2 3\n".into(), (5, 1), "3 entries, others have 2"),
        ("p.alpha", "0\n1 x\n".into(), (2, 3), "`x` is not a finite number"),
        ("p.alpha", "0\n1 nan\n".into(), (2, 3), "`nan` is not a finite number"),
        ("p.alpha", "0\n1 1e999\n".into(), (2, 3), "`1e999` is not a finite number"),
        ("p.policy", "<Policy>\n<AlphaVector>\n".into(), (2, 1), "not XML"),
        ("p.policy", "<Model/>".into(), (1, 1), "`Model` is not a policy"),
        ("p.policy", "<Policy>\n</Policy>".into(), (1, 1), "no <AlphaVector>"),
        ("p.policy", xml(""), (2, 1), "holds no vectors"),
        ("p.policy", xml("<Vector>1 2</Vector>"), (3, 1), "no action"),
        ("p.policy", xml("<Vector action=\"x\">1 2</Vector>"), (3, 17), "`x` is not a whole number"),
        ("p.policy", xml("<Vector action=\"0\">1 2 3</Vector>"), (3, 20), "3 entries, others have 2"),
        ("p.policy", xml("<Vector action=\"0\"></Vector>"), (3, 1), "no entries"),
        (
            "p.policy",
            xml("<Vector action=\"0\">1 2</Vector><Vector action=\"0\">1 2</Vector>"),
            (2, 1),
            "holds 2 vectors",
        ),
        ("p.policy", xml("<SparseVector action=\"0\"><Entry>2 1</Entry></SparseVector>"), (3, 26), "entry"),
        ("p.policy", xml("<Tree action=\"0\"/>"), (3, 1), "`Tree` is not a vector"),
        ("p.policy", xml("<Vector action=\"0\" obsValue=\"1\">1 2</Vector>"), (3, 1), "obsValue 1 is not below the 1"),
        (
            "p.policy",
            "<Policy>\n<AlphaVector vectorLength=\"2\" numObsValue=\"0\"/></Policy>".into(),
            (2, 1),
            "numObsValue is 0",
        ),
        (
            "p.policy",
            "<Policy>\n<AlphaVector vectorLength=\"2\" numObsValue=\"4294967295\"/></Policy>".into(),
            (2, 1),
            "numObsValue is 4294967295",
        ),
        (
            "p.policy",
            "<Policy>\n<AlphaVector vectorLength=\"4294967295\"><SparseVector action=\"0\"/></AlphaVector></Policy>"
                .into(),
            (2, 1),
            "4294967295 entries, the model has 2 states",
        ),
        ("p.pg", String::new(), (1, 1), "no nodes"),
        ("p.pg", "0\n".into(), (1, 1), "without an action"),
        ("p.pg", "0 1\n".into(), (1, 1), "0 successors, the model 2"),
        ("p.pg", "0 1 0 0 0\n".into(), (1, 1), "3 successors"),
        ("p.pg", "0 3 0 0\n".into(), (1, 3), "there is no action 3"),
        ("p.pg", "0 -1 0 0\n".into(), (1, 3), "`-1` is not the number of an action"),
        ("p.pg", "a 1 0 0\n".into(), (1, 1), "`a` is not the number of a node"),
        ("p.pg", "0 1 0 b\n".into(), (1, 7), "`b` is not the number of a node"),
        ("p.pg", "0 1 0 1\n".into(), (1, 1), "there is no node 1"),
        ("p.pg", "0 1 0 0\n\n2 1 0 0".into(), (3, 1), "there is no node 1"),
        ("p.pg", "0 1 0 0\n0 2 0 0".into(), (2, 1), "node 0 stands twice"),
        ("p.pg", "0 1 0 0\n99999999999 2 0 0".into(), (2, 1), "is not the number of a node"),
    ] {
        match one(name, &text, &still(2, 3, 2)) {
            Err(PolicyFileError::Text(diagnostic)) => {
                assert_eq!((diagnostic.line, diagnostic.column), place, "{diagnostic}");
                assert!(diagnostic.message.contains(part), "{diagnostic}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn a_policy_of_another_model_is_refused() {
    let model = doors(None);
    let problem = |text: &str| one("p.alpha", text, &model).unwrap_err().to_string();
    assert!(problem("0\n1 2 3\n").contains("3 entries, the model has 2 states"));
    assert!(problem("1\n1 2\n\n3\n1 2\n").contains("there is no action 3\n --> p.alpha:4:1"));
    assert!(one("p.alpha", "2\n1 2\n", &model).is_ok());
    let xml = |inside: &str| {
        let text = format!("<Policy><AlphaVector {inside}</AlphaVector></Policy>");
        one("p.policy", &text, &model).unwrap_err().to_string()
    };
    assert!(xml("><Vector action=\"0\">1 2 3</Vector>").contains("3 entries, the model has 2 states"));
    assert!(xml("><Vector action=\"3\">1 2</Vector>").contains("there is no action 3\n --> p.policy:1:39"));
    // Nobody sees the door before it is opened.
    assert!(xml("numObsValue=\"2\"><Vector action=\"0\">1</Vector>").contains("observed part of 2 values"));
    let mdp =
        read("m.mdp", b"discount: 0.9\nstates: 2\nactions: 1\nT: 0 identity", &ReadOptions::default()).unwrap().model;
    assert!(one("p.alpha", "0\n1 2\n", &mdp).unwrap_err().to_string().contains("kind mdp"));
    // One file, or one a stage.
    let files = [("p.alpha1", "0\n1 2\n"), ("p.alpha2", "0\n1 2\n")];
    for (model, ok) in [(doors(None), false), (doors(Some(2)), true), (doors(Some(3)), false)] {
        assert_eq!(AlphaPolicy::read(&files, None, &model).is_ok(), ok);
    }
}

/// Beliefs over two states, from one corner to the other.
fn beliefs() -> impl Iterator<Item = [f64; 2]> {
    (0..=100).map(|i| [f64::from(i) / 100.0, 1.0 - f64::from(i) / 100.0])
}

#[test]
fn the_vectors_of_a_solved_policy_are_what_was_proven() {
    for horizon in [None, Some(5)] {
        let model = doors(horizon);
        let solution = Search::default().solve(&model, &Limits::with_gap(1e-3), &no_hook).unwrap();
        let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
        assert_eq!(policy.horizon(), horizon);
        for (stage, belief) in (0..horizon.unwrap_or(1)).flat_map(|t| beliefs().map(move |b| (t, b))) {
            let value = policy.value(stage, &belief);
            // The solution says what a backup of its vectors is worth; a vector is worth no more.
            let assessment = solution.policy.assess(stage, &belief);
            assert!(value <= assessment.bounds().0 + 1e-9, "{value} {:?}", assessment.bounds());
            // The action is worth what the vector says.
            let action = policy.action(stage, &belief);
            assert!(assessment.lower[action] >= value - 1e-9, "{value} {}", assessment.lower[action]);
        }
        let value = policy.value(0, model.start());
        assert!(value >= solution.lower - 1e-9 && value <= solution.upper + 1e-9, "{value}");
        // Who is rather sure where the bad thing is opens the other door; who knows nothing listens.
        let stage = horizon.map_or(0, |h| h - 1);
        assert_eq!([[0.97, 0.03], [0.03, 0.97], [0.5, 0.5]].map(|belief| policy.action(stage, &belief)), [2, 1, 0]);
    }
}

#[test]
fn exact_vectors_are_exported_too() {
    for (horizon, everywhere) in [(Some(1), false), (Some(6), false), (Some(6), true), (None, false)] {
        let model = doors(horizon);
        let solution =
            Exact { everywhere, ..Exact::default() }.solve(&model, &Limits::with_gap(1e-6), &no_hook).unwrap();
        let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
        let value = policy.value(0, model.start());
        assert!((value - solution.value()).abs() <= 1e-6, "{value} {}", solution.value());
        for (stage, belief) in (0..horizon.unwrap_or(1)).flat_map(|t| beliefs().map(move |b| (t, b))) {
            let (lower, upper) = solution.policy.bounds(stage, &belief);
            let value = policy.value(stage, &belief);
            assert!(value <= upper + 1e-9);
            // The start's stage has one vector, which is exact at the start.
            assert!(stage == 0 && !everywhere || value >= lower - 1e-6, "{stage} {belief:?} {value} {lower}");
        }
    }
}

#[test]
fn a_file_a_stage_reads_back() {
    let model = doors(Some(4));
    let solution =
        Exact { everywhere: true, ..Exact::default() }.solve(&model, &Limits::with_gap(0.0), &no_hook).unwrap();
    let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
    let texts = policy.write(PolicyFormat::Alpha, &model).unwrap();
    assert_eq!(texts.len(), 4);
    let names: Vec<String> = (1..=4).map(|k| format!("p.alpha{k}")).collect();
    let files: Vec<(&str, &str)> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(AlphaPolicy::read(&files, None, &model).unwrap(), policy);
    // One decision to go: each action's reward.
    let mut last = pairs(&one("p.alpha1", &texts[0], &model).unwrap());
    last.sort_by_key(|(action, _)| *action);
    let expected = [(0, [-1.0, -1.0]), (1, [-100.0, 10.0]), (2, [10.0, -100.0])];
    for ((action, vector), (expected_action, expected)) in last.iter().zip(expected) {
        assert_eq!(*action, expected_action);
        assert!(vector.iter().zip(expected).all(|(v, e)| (v - e).abs() < 1e-9), "{vector:?}");
    }
    let error = policy.write(PolicyFormat::Sarsop, &model).unwrap_err();
    assert!(error.to_string().contains("one policy for all stages"), "{error}");
}

#[test]
fn other_policies_are_no_vectors() {
    let model = doors(None);
    let faces = tiresias_solve::Faces::default().solve(&model, &Limits::with_gap(1.0), &no_hook).unwrap();
    let mdp = "discount: 0.9\nstates: 2\nactions: 1\nT: 0 identity";
    let mdp = read("m.mdp", mdp.as_bytes(), &ReadOptions::default()).unwrap().model;
    let table = tiresias_solve::auto(&mdp).solve(&mdp, &Limits::default(), &no_hook).unwrap();
    for (solution, part) in [(faces, "of the form `faces`"), (table, "of kind mdp")] {
        let error = AlphaPolicy::from_solved(&solution.policy).unwrap_err();
        assert!(matches!(&error, PolicyFileError::Unsupported(why) if why.contains(part)), "{error}");
    }
}

#[test]
fn one_state_one_action_one_observation_and_costs() {
    let text =
        "values: cost\nstates: 1\nactions: 1\nobservations: 1\nT: * identity\nO: * uniform\nR: * : * : * : * 3\n";
    for (discount, horizon, expected) in
        [(0.0, None, -3.0), (0.5, None, -6.0), (1.0, Some(4), -12.0), (0.0, Some(2), -3.0)]
    {
        let text = format!("discount: {discount}\n{text}");
        let model = read("one.pomdp", text.as_bytes(), &ReadOptions { horizon, format: None }).unwrap().model;
        let solvers: [Box<dyn Solver>; 2] = [Box::new(Search::default()), Box::new(Exact::default())];
        for solver in solvers {
            let solution = solver.solve(&model, &Limits::with_gap(1e-9), &no_hook).unwrap();
            let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
            for (suffix, format) in [("alpha", PolicyFormat::Alpha), ("pg", PolicyFormat::Graph)] {
                let texts = policy.write(format, &model).unwrap();
                assert_eq!(texts.len(), horizon.unwrap_or(1));
                let names: Vec<String> = (1..=texts.len()).map(|k| format!("p.{suffix}{k}")).collect();
                let files: Vec<_> =
                    names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
                let value = AlphaPolicy::read(&files, None, &model).unwrap().value(0, &[1.0]);
                assert!((value - expected).abs() < 1e-8, "{suffix} {discount} {horizon:?}: {value}");
            }
        }
    }
}
