//! Whole files of every kind that models and their policies come in, with what reads them.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tiresias_fuzz::{Answer, Subject, refused};
use tiresias_model::format::{FormatError, ReadOptions, read};
use tiresias_model::{Kind, Model, Policy};
use tiresias_solve::formats::{AlphaPolicy, PolicyFormat};
use tiresias_solve::{Limits, Search, Solution, Solver, no_hook};

/// A model file and, of a small POMDP, its policies in every format.
pub fn subjects(name: &str, bytes: Vec<u8>) -> Vec<Subject> {
    let model = read(name, &bytes, &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}")).model;
    let path = name.to_string();
    let mut subjects = vec![Subject::new(name, bytes, move |bytes| of_model(&path, bytes))];
    if model.kind() != Kind::Pomdp || model.states().len() >= 100 {
        return subjects;
    }
    let limits = Limits { gap: 1.0, time: Some(Duration::from_millis(300)), ..Limits::default() };
    let solution = Search::default().solve(&model, &limits, &no_hook).expect("a POMDP is solved");
    let vectors = AlphaPolicy::from_solved(&solution.policy).expect("the search makes vectors");
    for (suffix, format) in
        [("alpha", PolicyFormat::Alpha), ("pg", PolicyFormat::Graph), ("policy", PolicyFormat::Sarsop)]
    {
        let Ok(mut texts) = vectors.write(format, &model) else { continue };
        let (path, of) = (format!("{name}.{suffix}"), model.clone());
        let read = move |bytes: &[u8]| of_policy(&path, Some(format), bytes, &of);
        subjects.push(Subject::new(format!("{name}.{suffix}"), texts.remove(0).into_bytes(), read));
    }
    let load = move |bytes: &[u8]| match Solution::load(bytes, &model) {
        Ok(solution) => acts(&solution.policy, &model),
        Err(error) => refused(&error.to_string()),
    };
    subjects.push(Subject::new(format!("{name}.tiresias"), solution.save(), load).mended(mend));
    subjects
}

fn of_model(name: &str, bytes: &[u8]) -> Answer {
    match read(name, bytes, &ReadOptions::default()) {
        Ok(loaded) => {
            let sum = loaded.model.start().iter().sum::<f64>();
            if (sum - 1.0).abs() >= 1e-9 {
                return Err(format!("a start that sums to {sum}"));
            }
            // What is written reads back the same, unless the format cannot hold it.
            let json = loaded.model.to_json();
            match read("again.json", json.as_bytes(), &ReadOptions::default()) {
                Ok(again) if again.model.to_json() == json => Ok(true),
                Ok(_) => Err("its JSON reads back as another model".into()),
                Err(error) => Err(format!("its JSON is refused: {error}")),
            }
        }
        Err(FormatError::Text(fault)) => refused(&fault.to_string()),
        Err(error) => Err(format!("a message that says no place: {error}")),
    }
}

fn of_policy(name: &str, format: Option<PolicyFormat>, bytes: &[u8], model: &Model) -> Answer {
    match AlphaPolicy::read(&[(name, &String::from_utf8_lossy(bytes))], format, model) {
        Ok(policy) => acts(&policy, model),
        Err(error) => refused(&error.to_string()),
    }
}

fn acts(policy: &dyn Policy, model: &Model) -> Answer {
    let action = policy.action(0, model.start());
    if action < model.actions().len() { Ok(true) } else { Err(format!("action {action}")) }
}

/// Our own policies have a checksum of their body in their first line.
fn mend(bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
    let header = String::from_utf8_lossy(&bytes[..body]).into_owned();
    let Some(old) = header.split("\"body\":\"").nth(1).and_then(|rest| rest.get(..64)) else { return bytes };
    let mut whole = header.replace(old, &format!("{:x}", Sha256::digest(&bytes[body..]))).into_bytes();
    whole.extend(&bytes[body..]);
    whole
}
