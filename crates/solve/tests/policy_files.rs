//! Policies of other tools: what is written reads back, what is broken is located, and what is exported keeps its worth.

use proptest::prelude::*;
use tiresias_model::format::{ReadOptions, read};
use tiresias_model::{Model, Policy};
use tiresias_solve::formats::{AlphaPolicy, PolicyFileError, PolicyFormat};
use tiresias_solve::{Limits, Search, Solver, no_hook};

/// Two doors, one of them bad; listening tells which in 85 of 100 cases.
const DOORS: &str = "discount: 0.95\nstates: left right\nactions: listen open-left open-right\nobservations: l r\n\
    T: listen identity\nT: open-left uniform\nT: open-right uniform\n\
    O: listen\n0.85 0.15\n0.15 0.85\nO: open-left uniform\nO: open-right uniform\n\
    R: listen : * : * : * -1\nR: open-left : left : * : * -100\nR: open-left : right : * : * 10\n\
    R: open-right : left : * : * 10\nR: open-right : right : * : * -100\n";

fn doors(horizon: Option<usize>) -> Model {
    read("doors.pomdp", DOORS.as_bytes(), &ReadOptions { horizon, format: None }).unwrap().model
}

fn pairs(policy: &AlphaPolicy) -> Vec<(usize, Vec<f64>)> {
    (0..policy.len()).map(|i| policy.vector(i)).map(|(action, entries)| (action, entries.collect())).collect()
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
        let policy = AlphaPolicy::read("p.alpha", &alpha_text(&vectors), None).unwrap();
        prop_assert_eq!(&pairs(&policy), &vectors);
        for format in [PolicyFormat::Alpha, PolicyFormat::Sarsop] {
            let text = policy.write(format, "a \"model\" <&>");
            // The format is told by the text when the name does not say it.
            prop_assert_eq!(&AlphaPolicy::read("p", &text, None).unwrap(), &policy);
        }
    }

    #[test]
    fn no_cut_of_a_file_panics(cut in 0usize..400) {
        let policy = AlphaPolicy::read("p.alpha", "0\n1 2.5\n\n2\n-3 4e2\n", None).unwrap();
        for format in [PolicyFormat::Alpha, PolicyFormat::Sarsop] {
            let text = policy.write(format, "m");
            drop(AlphaPolicy::read("p", &text[..cut.min(text.len())], Some(format)));
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
        assert_eq!(pairs(&AlphaPolicy::read(name, text, None).unwrap()), expected, "{name}");
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
        ("p.policy", "<Policy>\n<AlphaVector>\n".into(), (1, 1), "not XML"),
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
        (
            "p.policy",
            "<Policy>\n<AlphaVector vectorLength=\"2\" numObsValue=\"3\"/></Policy>".into(),
            (2, 1),
            "observed part",
        ),
    ] {
        match AlphaPolicy::read(name, &text, None) {
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
    let problem = |text: &str| AlphaPolicy::read("p.alpha", text, None).unwrap().check(&model).unwrap_err().to_string();
    assert!(problem("0\n1 2 3\n").contains("3 entries, the model has 2 states"));
    assert!(problem("3\n1 2\n").contains("takes action 3, the model has 3 actions"));
    assert_eq!(AlphaPolicy::read("p.alpha", "2\n1 2\n", None).unwrap().check(&model), Ok(()));
}

#[test]
fn the_vectors_of_a_solved_policy_are_worth_what_was_proven() {
    let model = doors(None);
    let solution = Search::default().solve(&model, &Limits::with_gap(1e-3), &no_hook).unwrap();
    let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
    for i in 0..=100 {
        let belief = [f64::from(i) / 100.0, 1.0 - f64::from(i) / 100.0];
        let (_, upper) = solution.policy.bounds(0, &belief);
        assert!(policy.value(&belief) <= upper + 1e-9, "no vector lies above the optimal value");
    }
    let value = policy.value(model.start());
    assert!(value >= solution.lower - 1e-9 && value <= solution.upper + 1e-9, "{value}");
    // Who knows where the bad thing is opens the other door; who knows nothing listens.
    assert_eq!([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]].map(|belief| policy.action(0, &belief)), [2, 1, 0]);
}

#[test]
fn other_policies_are_no_vectors() {
    for (model, part) in [(doors(Some(3)), "each stage"), (doors(None), "form")] {
        let solver: Box<dyn Solver> = match model.horizon() {
            Some(_) => Box::new(Search::default()),
            None => Box::new(tiresias_solve::Faces::default()),
        };
        let solution = solver.solve(&model, &Limits::with_gap(1.0), &no_hook).unwrap();
        let error = AlphaPolicy::from_solved(&solution.policy).unwrap_err();
        assert!(matches!(&error, PolicyFileError::Unsupported(why) if why.contains(part)), "{error}");
    }
}
