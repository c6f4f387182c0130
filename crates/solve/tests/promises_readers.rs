//! What the readers of policies promise: the beginning of a text decides its format, a byte-order mark is passed over, APPL's laxness
//! is taken, what was written reads back the same, and what is cut short is answered.

#[path = "common/subjects.rs"]
mod subjects;
#[path = "common/whole.rs"]
mod whole;

use std::time::{Duration, Instant};

use tiresias_fuzz::{Until, fuzz};
use tiresias_model::{Model, classic};
use tiresias_solve::formats::{AlphaPolicy, PolicyFileError, PolicyFormat};
use tiresias_solve::{Limits, Search, Solution, Solver, no_hook};

fn tiger() -> Model {
    classic::by_name("tiger").unwrap()
}

fn solution(model: &Model) -> Solution {
    Search::default().solve(model, &Limits::with_gap(1.0), &no_hook).unwrap()
}

const FORMATS: [PolicyFormat; 3] = [PolicyFormat::Alpha, PolicyFormat::Graph, PolicyFormat::Sarsop];

fn texts(model: &Model) -> Vec<(PolicyFormat, String)> {
    let policy = AlphaPolicy::from_solved(&solution(model).policy).unwrap();
    FORMATS.into_iter().map(|format| (format, policy.write(format, model).unwrap().remove(0))).collect()
}

#[test]
fn the_beginning_of_a_policy_decides_its_format() {
    let model = tiger();
    for (format, text) in texts(&model) {
        let right = AlphaPolicy::read(&[("p", &text)], Some(format), &model).unwrap();
        for suffix in ["alpha", "pg", "policy", "xml", "alpha3", "txt", ""] {
            for lead in ["", "\u{feff}", "\n \n"] {
                let name = format!("p.{suffix}");
                let read = AlphaPolicy::read(&[(&name, &format!("{lead}{text}"))], None, &model);
                assert_eq!(read.as_ref(), Ok(&right), "{format:?} as {name} after {lead:?}");
            }
        }
    }
    // Comments come before what decides.
    let alpha = format!("# 0 0 0 0\n\n{}", texts(&model)[0].1);
    assert_eq!(PolicyFormat::of_text("p.pg", &alpha), PolicyFormat::Alpha);
    // An empty text leaves it open.
    assert_eq!(PolicyFormat::of_text("p.pg2", "\n# nothing\n"), PolicyFormat::Graph);
    assert_eq!(PolicyFormat::of_text("p", ""), PolicyFormat::Alpha);
}

#[test]
fn our_own_policies_pass_over_a_mark() {
    let model = tiger();
    let solution = solution(&model);
    let marked = ["\u{feff}".as_bytes(), &solution.save()].concat();
    let again = Solution::load(&marked, &model).unwrap();
    assert_eq!((again.lower, again.upper), (solution.lower, solution.upper));
    assert_eq!(again.save(), solution.save());
}

#[test]
fn policies_in_appls_xml_are_read_as_models_are() {
    let model = tiger();
    let (_, text) = texts(&model).remove(2);
    let right = AlphaPolicy::read(&[("p", &text)], None, &model).unwrap();
    for (from, to) in [
        ("<Policy ", "<!DOCTYPE Policy>\n<Policy xmlns:='http://a.example/x' xsi:schema='policy.xsd' "),
        ("<AlphaVector ", "<!-- a -- b --><AlphaVector "),
        ("</Policy>", "</Policy> and more"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert_eq!(AlphaPolicy::read(&[("p", &changed)], None, &model).as_ref(), Ok(&right), "{to}");
    }
}

/// Cut at any byte: an error with its place, or fewer vectors than there were, in time linear in the text.
#[test]
fn policies_cut_short_are_answered() {
    let model = tiger();
    let step = if std::env::var("TIRESIAS_PROMISES").is_ok_and(|value| value == "full") { 1 } else { 7 };
    for (format, text) in texts(&model) {
        let whole = AlphaPolicy::read(&[("p", &text)], Some(format), &model).unwrap().len();
        for cut in (0..text.len()).step_by(step) {
            let start = Instant::now();
            match AlphaPolicy::read(&[("p", &text[..cut])], Some(format), &model) {
                Ok(policy) => {
                    assert!(format != PolicyFormat::Sarsop || text[cut..].trim().is_empty() || policy.len() < whole);
                }
                Err(PolicyFileError::Text(fault)) => assert!(fault.line >= 1 && !fault.message.is_empty()),
                Err(other) => assert!(cut < 200 || matches!(other, PolicyFileError::OtherModel { .. }), "{other}"),
            }
            assert!(start.elapsed() < Duration::from_secs(2), "{format:?} at {cut}");
        }
    }
    let bytes = solution(&model).save();
    for cut in (0..bytes.len()).step_by(step) {
        assert!(Solution::load(&bytes[..cut], &model).is_err(), "at {cut}");
    }
}

/// Broken files of every kind: read or refused in words, never a panic, never long, never large. The example `fuzz` does it for hours.
#[test]
fn broken_files_are_answered() {
    let subjects: Vec<_> =
        whole::models().into_iter().flat_map(|(name, bytes)| subjects::subjects(&name, bytes)).collect();
    let kinds = ["pomdp", "pomdpx", "json", "mdp", "alpha", "pg", "policy", "tiresias"];
    for kind in kinds {
        assert!(subjects.iter().any(|subject| subject.name().ends_with(&format!(".{kind}"))), "{kind}");
    }
    let full = std::env::var("TIRESIAS_PROMISES").is_ok_and(|value| value == "full");
    let report = fuzz(&subjects, 11, Until::Cases(if full { 100_000 } else { 3_000 }), |_, _, _| ());
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.read > report.cases / 50, "{} of {} were read", report.read, report.cases);
}
