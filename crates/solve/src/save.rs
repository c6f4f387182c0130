//! Policies as files.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tiresias_model::Model;

use crate::SolveError;
use crate::policy::Body;

/// The value of a policy file's `schema` field.
pub const POLICY_SCHEMA: &str = "tiresias.policy/2";

#[derive(Serialize, Deserialize)]
struct Header {
    schema: String,
    /// SHA-256 of the model's canonical JSON.
    model: String,
    /// SHA-256 of everything after the header's newline.
    body: String,
}

pub(crate) fn write(model: &Model, body: &Body) -> Vec<u8> {
    let body = serde_json::to_vec(body).expect("bounds are finite numbers and keys are strings");
    let header =
        Header { schema: POLICY_SCHEMA.into(), model: model.sha256(), body: format!("{:x}", Sha256::digest(&body)) };
    let mut out = serde_json::to_vec(&header).expect("strings serialise");
    out.push(b'\n');
    out.extend(body);
    out
}

pub(crate) fn read(bytes: &[u8], model: &Model) -> Result<Body, SolveError> {
    let corrupt = |what: String| SolveError::Corrupt(what);
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
    let body: Body = serde_json::from_slice(body).map_err(|e| corrupt(format!("body: {e}")))?;
    match body.shape_problem(model) {
        None => Ok(body),
        Some(problem) => Err(corrupt(problem)),
    }
}
