//! Policy files that nobody wrote: whatever the bytes, an answer that fits on a screen.

mod common;

use std::fmt::Write;

use common::tiger;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tiresias_model::{Model, Policy};
use tiresias_solve::formats::{AlphaPolicy, PolicyFileError, PolicyFormat};
use tiresias_solve::{Limits, Search, Solution, SolveError, Solver, no_hook};

fn solution() -> Solution {
    Search::default().solve(&tiger(None), &Limits::with_gap(1.0), &no_hook).unwrap()
}

/// Valid files of the tiger's policy.
fn files() -> Vec<(&'static str, String)> {
    let (model, policy) = (tiger(None), AlphaPolicy::from_solved(&solution().policy).unwrap());
    let formats = [("p.alpha", PolicyFormat::Alpha), ("p.pg", PolicyFormat::Graph), ("p.policy", PolicyFormat::Sarsop)];
    let mut files: Vec<(&str, String)> =
        formats.map(|(name, format)| (name, policy.write(format, &model).unwrap().remove(0))).to_vec();
    let sparse = "<?xml version=\"1.0\"?>\n<Policy version=\"0.1\" type=\"value\" model=\"t\">\n\
        <AlphaVector vectorLength=\"2\" numObsValue=\"1\" numVectors=\"2\">\n\
        <SparseVector action=\"1\" obsValue=\"0\"><Entry>0 -3</Entry><Entry>1 4.5e1</Entry></SparseVector>\n\
        <Vector action=\"0\" obsValue=\"0\">1 2 </Vector>\n</AlphaVector></Policy>\n";
    files.push(("sparse.policy", sparse.into()));
    files.push(("p.pg", "# by hand\n0 0  1 2\n1 2  0 -\n2 1  X 0\n".into()));
    files
}

/// Reads, and acts where that gives a policy; what is refused has a message that fits on a screen.
fn answers(name: &str, text: &str, model: &Model) {
    match AlphaPolicy::read(&[(name, text)], None, model) {
        Ok(policy) => assert!(policy.action(0, &[0.3, 0.7]) < 3 && policy.value(0, &[0.3, 0.7]).is_finite()),
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && message.lines().count() <= 24, "{message}");
            if let PolicyFileError::Text(fault) = error {
                assert!(fault.line >= 1 && fault.column >= 1 && fault.line <= text.split('\n').count());
            }
        }
    }
}

#[test]
fn truncated_files_are_answered() {
    let model = tiger(None);
    for (name, text) in files() {
        assert!(AlphaPolicy::read(&[(name, &text)], None, &model).is_ok(), "{name} is whole");
        for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
            answers(name, &text[..end], &model);
        }
        // A file without one of its lines, each in turn.
        let lines: Vec<&str> = text.lines().collect();
        for cut in 0..lines.len() {
            let rest = [&lines[..cut], &lines[cut + 1..]].concat().join("\n");
            answers(name, &rest, &model);
        }
    }
}

#[test]
fn xml_that_is_cut_short_is_refused() {
    let model = tiger(None);
    for (name, text) in files().into_iter().filter(|(name, _)| name.ends_with("policy")) {
        let end = text.trim_end().len();
        for end in 0..end {
            assert!(AlphaPolicy::read(&[(name, &text[..end])], None, &model).is_err(), "{name} up to byte {end}");
        }
    }
}

/// A text with some bytes changed, inserted or taken out.
fn mutated() -> impl Strategy<Value = (usize, Vec<(prop::sample::Index, u8, u8)>)> {
    (0_usize..5, prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..8))
}

fn mutate(bytes: &mut Vec<u8>, edits: &[(prop::sample::Index, u8, u8)]) {
    for (index, byte, kind) in edits {
        let at = index.index(bytes.len());
        // Digits and brackets go further than other bytes.
        let byte = if byte % 2 == 0 { b"0123456789<>/\"-. \n"[*byte as usize / 2 % 18] } else { *byte };
        match kind {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ if bytes.len() > 1 => drop(bytes.remove(at)),
            _ => {}
        }
    }
}

#[test]
fn changed_files_are_answered() {
    let (model, files) = (tiger(None), files());
    let run = |(which, edits): (usize, Vec<_>)| {
        let (name, text) = &files[which];
        let mut bytes = text.clone().into_bytes();
        mutate(&mut bytes, &edits);
        answers(name, &String::from_utf8_lossy(&bytes), &model);
        Ok(())
    };
    common::runner(2_000).run(&mutated(), run).unwrap();
}

#[test]
fn any_text_is_answered() {
    let model = tiger(None);
    let run = |text: String| {
        ["p.alpha", "p.pg", "p.policy", "p"].iter().for_each(|name| answers(name, &text, &model));
        Ok(())
    };
    common::runner(300).run(&"[-0-9XaeE.# \n<>/\"=&Policy]{0,80}", run).unwrap();
}

/// A file of our own with this body and its true checksum: as somebody's script would write it.
fn sealed(header: &str, body: &[u8]) -> Vec<u8> {
    let sum = Sha256::digest(body).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let at = header.find("\"body\":\"").expect("a header names the body's sum") + 8;
    [&header.as_bytes()[..at], sum.as_bytes(), &header.as_bytes()[at + 64..], b"\n", body].concat()
}

#[test]
fn our_own_files_are_answered_even_where_the_checksum_is_right() {
    let (solution, model) = (solution(), tiger(None));
    let bytes = solution.save();
    let end = bytes.iter().position(|&b| b == b'\n').unwrap();
    let (header, body) = (std::str::from_utf8(&bytes[..end]).unwrap(), &bytes[end + 1..]);
    assert_eq!(sealed(header, body), bytes);
    for at in (0..bytes.len()).step_by(7) {
        assert!(Solution::load(&bytes[..at], &model).is_err());
    }
    for end in (0..body.len()).step_by(3) {
        assert!(matches!(Solution::load(&sealed(header, &body[..end]), &model), Err(SolveError::Corrupt(_))));
    }
    let run = |(_, edits): (usize, Vec<_>)| {
        let mut changed = body.to_vec();
        mutate(&mut changed, &edits);
        match Solution::load(&sealed(header, &changed), &model) {
            Ok(loaded) => {
                let action = loaded.policy.action(0, &[0.3, 0.7]);
                prop_assert!(action < 3 && loaded.lower <= loaded.upper);
            }
            Err(error) => prop_assert!(error.to_string().lines().count() <= 24),
        }
        Ok(())
    };
    common::runner(2_000).run(&mutated(), run).unwrap();
    let reason = String::from_utf8(body.to_vec()).unwrap().replace("\"converged\"", "\"tired\"");
    let error = Solution::load(&sealed(header, reason.as_bytes()), &model).unwrap_err();
    assert!(error.to_string().contains("unknown variant `tired`"), "{error}");
}
