//! Errors as `CODE: what, where, what to do`; TypeScript turns the code into a field.

use napi::{Error, Status};
use tiresias_agents::AgentError;
use tiresias_encode as encode;
use tiresias_model::ModelError;
use tiresias_model::format::FormatError;
use tiresias_sim::SimulateError;
use tiresias_solve::SolveError;
use tiresias_solve::formats::PolicyFileError;
use tiresias_study::StudyError;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with a stable code.
pub fn coded(code: &str, message: impl std::fmt::Display) -> Error {
    Error::new(Status::GenericFailure, format!("{code}: {message}"))
}

/// Bad input that this layer itself finds.
pub fn invalid(message: impl std::fmt::Display) -> Error {
    coded("INVALID_ARGUMENT", message)
}

/// A whole number in `low..=high` from what JavaScript gave. napi itself would wrap negatives and cut fractions.
pub fn whole(what: &str, value: f64, low: u32, high: u32) -> Result<usize> {
    if value.fract() == 0.0 && value >= f64::from(low) && value <= f64::from(high) {
        Ok(value as usize)
    } else {
        Err(invalid(format!("{what}: {value} is not a whole number from {low} to {high}")))
    }
}

/// An index of a task: a whole number that a double holds exactly.
pub fn index(what: &str, value: f64) -> Result<u64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && (0.0..LIMIT).contains(&value) {
        Ok(value as u64)
    } else {
        Err(invalid(format!("{what}: {value} is not a whole number from 0 to 2^53 - 1")))
    }
}

pub fn from_model(error: ModelError) -> Error {
    let code = match &error {
        ModelError::ImpossibleObservation { .. } => "IMPOSSIBLE_OBSERVATION",
        ModelError::Name { .. } => "UNKNOWN_NAME",
        ModelError::Memory(_) => "INVALID_ARGUMENT",
        _ => "INVALID_MODEL",
    };
    coded(code, error)
}

pub fn from_format(error: FormatError) -> Error {
    let code = if matches!(error, FormatError::Unreadable { .. }) { "IO" } else { "INVALID_MODEL_FILE" };
    coded(code, error)
}

pub fn from_policy_file(error: PolicyFileError) -> Error {
    let code = if matches!(error, PolicyFileError::Unsupported(_)) { "INVALID_ARGUMENT" } else { "INVALID_POLICY" };
    coded(code, error)
}

pub fn from_solve(error: SolveError) -> Error {
    coded(solve_code(&error), error)
}

/// What was asked for was wrong, or solving it went wrong.
fn solve_code(error: &SolveError) -> &'static str {
    match error {
        SolveError::Unsupported { .. }
        | SolveError::Rectangular
        | SolveError::Limit { .. }
        | SolveError::Horizon { .. }
        | SolveError::Shape { .. }
        | SolveError::Rewards { .. }
        | SolveError::Negative { .. }
        | SolveError::Infinite { .. } => "INVALID_ARGUMENT",
        SolveError::Unknown { .. } => "UNKNOWN_NAME",
        SolveError::Corrupt(_) | SolveError::Version { .. } | SolveError::OtherModel { .. } => "INVALID_POLICY",
    }
}

pub fn from_encode(error: encode::Error) -> Error {
    let code = match &error {
        encode::Error::Io { .. } => "IO",
        encode::Error::Gguf { .. } | encode::Error::Tokenizer { .. } | encode::Error::UnsupportedTokenizer { .. } => {
            "INVALID_TOKENIZER"
        }
        _ => "ENCODE_FAILED",
    };
    coded(code, with_template_fields(error.to_string()))
}

/// A message with a template's fields as JavaScript calls them: the core has the names of the hashed text.
fn with_template_fields(mut message: String) -> String {
    const FIELDS: [(&str, &str); 8] = [
        ("support_marker", "supportMarker"),
        ("query_marker", "queryMarker"),
        ("observation_width", "observationWidth"),
        ("action_width", "actionWidth"),
        ("reward_width", "rewardWidth"),
        ("reward_scale", "rewardScale"),
        ("reward_offset", "rewardOffset"),
        ("query_reward", "queryReward"),
    ];
    for (core, ours) in FIELDS {
        message = message.replace(core, ours);
    }
    message
}

pub fn from_study(error: StudyError) -> Error {
    match error {
        StudyError::Spec(_)
        | StudyError::Memory(_)
        | StudyError::Behaviour(_)
        | StudyError::Actions(_)
        | StudyError::Records(_) => invalid(error),
        StudyError::Model(error) => from_model(error),
        StudyError::Solve { ref source, .. } | StudyError::Teacher(ref source) => coded(solve_code(source), error),
        StudyError::Labels { .. } => coded("INVALID_MODEL", error),
        StudyError::Encode(error) => from_encode(error),
        StudyError::Agent(error) => from_agent(error),
        StudyError::Acting { .. } => coded("METHOD_FAILED", error),
        StudyError::Cancelled => cancelled(),
    }
}

fn from_agent(error: AgentError) -> Error {
    match error {
        AgentError::Unknown { .. } => coded("UNKNOWN_NAME", error),
        AgentError::Options { .. } | AgentError::Unfit { .. } => invalid(error),
        AgentError::Method(_) => coded("METHOD_FAILED", error),
        AgentError::Model(error) => from_model(error),
        AgentError::Solve(error) => from_solve(error),
    }
}

pub fn from_simulate(error: SimulateError) -> Error {
    match error {
        SimulateError::Cancelled => cancelled(),
        SimulateError::Model(error) => from_model(error),
        SimulateError::NoAdversary | SimulateError::AmbiguitySet => invalid(error),
    }
}

pub fn cancelled() -> Error {
    coded("CANCELLED", "the call was cancelled")
}
