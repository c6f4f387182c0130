//! Solutions as files: the policy, and what was proven when the solver stopped.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashSet;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use tiresias_model::Model;
use tiresias_text::Unmarked;

use crate::policy::Body;
use crate::{Solution, SolveError, SolvedPolicy, Stats, Stopped};

/// The value of a policy file's `schema` field.
pub const POLICY_SCHEMA: &str = "tiresias.policy/4";

#[derive(Serialize, Deserialize)]
struct Header {
    schema: String,
    /// SHA-256 of the model's canonical JSON.
    model: String,
    /// SHA-256 of everything after the header's newline.
    body: String,
}

#[derive(Serialize)]
struct Saving<'a> {
    lower: f64,
    upper: f64,
    stopped: Stopped,
    stats: &'a Stats,
    policy: &'a Body,
}

#[derive(Deserialize)]
struct Saved {
    lower: f64,
    upper: f64,
    stopped: Stopped,
    stats: Stats,
    policy: Body,
}

impl Solution {
    /// The solution as a file: one header line of JSON (schema, the model's sha256, the body's sha256), then the body as JSON: the
    /// bounds at the start, why the solver stopped, what it cost, and the policy.
    pub fn save(&self) -> Vec<u8> {
        let Self { lower, upper, stopped, stats, policy } = self;
        let saving = Saving { lower: *lower, upper: *upper, stopped: *stopped, stats, policy: policy.body() };
        let body = serde_json::to_vec(&saving).expect("bounds are finite numbers and keys are strings");
        let (model, sha256) = (policy.model().sha256(), format!("{:x}", Sha256::digest(&body)));
        let header = Header { schema: POLICY_SCHEMA.into(), model, body: sha256 };
        let mut out = serde_json::to_vec(&header).expect("strings serialise");
        out.push(b'\n');
        out.extend(body);
        out
    }

    /// Reads what [`save`](Self::save) wrote. Errors: [`SolveError::Corrupt`], [`SolveError::Version`],
    /// [`SolveError::OtherModel`] when it was solved for a model other than `model`.
    pub fn load(bytes: &[u8], model: &Model) -> Result<Self, SolveError> {
        let corrupt = |what: String| SolveError::Corrupt(what);
        let bytes = bytes.unmarked();
        let end = bytes.iter().position(|&b| b == b'\n').ok_or_else(|| corrupt("there is no header line".into()))?;
        let header: Header = serde_json::from_slice(&bytes[..end]).map_err(|e| corrupt(format!("header: {e}")))?;
        if header.schema != POLICY_SCHEMA {
            return Err(SolveError::Version { found: header.schema, expected: POLICY_SCHEMA });
        }
        let body = &bytes[end + 1..];
        let found = format!("{:x}", Sha256::digest(body));
        if found != header.body {
            return Err(corrupt(format!("the body's sha256 is {found}, the header says {}", header.body)));
        }
        let expected = model.sha256();
        if header.model != expected {
            return Err(SolveError::OtherModel { found: header.model, expected });
        }
        let saved: Saved = serde_json::from_slice(body).map_err(|e| corrupt(format!("body: {e}")))?;
        let Saved { lower, upper, stopped, stats, policy } = saved;
        if lower > upper {
            return Err(corrupt(format!("the lower bound {lower} is above the upper bound {upper}")));
        }
        if let Some(problem) = policy.shape_problem(model) {
            return Err(corrupt(problem));
        }
        let policy = SolvedPolicy::new(Arc::new(model.clone()), policy);
        Ok(Self { lower, upper, policy, stats, stopped })
    }
}

/// A solver's name, as a string that lives as long as the program: there are few of them, and each is kept once.
pub(crate) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    static NAMES: Mutex<Option<FxHashSet<&'static str>>> = Mutex::new(None);
    let name = String::deserialize(deserializer)?;
    if name.len() > 64 {
        return Err(serde::de::Error::custom("the solver's name is longer than 64 bytes"));
    }
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(name.as_str()) {
        return Ok(known);
    }
    let name: &'static str = Box::leak(name.into_boxed_str());
    names.insert(name);
    Ok(name)
}
