//! The decider's request loop: a JSON line in, a JSON line out, in order.

use std::io::BufRead;

use serde::Deserialize;
use serde_json::{Value, json};
use tiresias_text::Unmarked;

use crate::base::Base;
use crate::config::{CONTRACT, DecideConfig};
use crate::data::Limits;
use crate::decide::{Decider, Refusal};
use crate::dpt::DptDecider;
use crate::error::{Error, Result};
use crate::events::{self, Event};
use crate::model_folder::Loaded;
use crate::{dpt, model_folder, peft};

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    Open { id: Value, contexts: Vec<Vec<u32>>, candidates: Vec<u32> },
    Extend { id: Value, sessions: Vec<u64>, tokens: Vec<Vec<u32>> },
    Close { id: Value, sessions: Vec<u64> },
}

/// Whatever keeps sessions and gives log-probabilities.
pub trait Decides {
    /// Runs each context once. Returns the new sessions' ids and, for each, log-probabilities of the candidates.
    fn open(
        &mut self,
        contexts: &[Vec<u32>],
        candidates: &[u32],
    ) -> std::result::Result<(Vec<u64>, Vec<Vec<f32>>), Refusal>;

    /// Appends tokens to sessions. Returns a row of log-probabilities for each.
    fn extend(&mut self, ids: &[u64], tokens: &[Vec<u32>]) -> std::result::Result<Vec<Vec<f32>>, Refusal>;

    /// Forgets sessions; returns how many.
    fn close(&mut self, ids: &[u64]) -> std::result::Result<usize, Refusal>;
}

/// Serves requests until the input ends.
pub fn run(config: &DecideConfig, input: impl BufRead) -> Result<()> {
    events::print(&Event::backend(config.threads, None).line())?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(config.threads).build();
    let pool = pool.map_err(|e| Error::Internal(format!("cannot start {} threads: {e}", config.threads)))?;
    let (mut decider, limits): (Box<dyn Decides>, Limits) = match (&config.base, &config.model) {
        (Some(file), _) => {
            let base = Base::load_with(&file.path, file.sha256.as_deref(), file.random_weights)?;
            let adapter = config.adapter.as_deref().map(|folder| peft::load(folder, &base)).transpose()?;
            let limits = base.shape.limits();
            (Box::new(Decider::new(base, adapter, config.bf16(), pool)), limits)
        }
        (None, Some(folder)) => match model_folder::load(folder)? {
            Loaded::Llama(base) => {
                let limits = base.shape.limits();
                (Box::new(Decider::new(*base, None, None, pool)), limits)
            }
            Loaded::Dpt(dpt, parameters) => {
                let limits = Limits { vocabulary: dpt.vocabulary(), context: dpt::CONTEXT };
                (Box::new(DptDecider::new(*dpt, &parameters, pool)), limits)
            }
        },
        (None, None) => return Err(Error::Internal("neither a base nor a model was configured".into())),
    };
    let Limits { vocabulary, context } = limits;
    let ready = Event::Ready { contract: CONTRACT, vocabulary, context, adapter: config.adapter.is_some() };
    events::print(&ready.line())?;
    for line in input.split(b'\n') {
        let line = line.map_err(Error::io("read", "standard input"))?;
        if !line.trim_ascii().is_empty() {
            events::print(&answer(decider.as_mut(), &line).to_string())?;
        }
    }
    Ok(())
}

/// The reply to one request line.
pub fn answer(decider: &mut dyn Decides, line: &[u8]) -> Value {
    let parsed = serde_json::from_slice::<Value>(line.unmarked());
    let id = parsed.as_ref().ok().and_then(|v| v.get("id")).cloned().unwrap_or_default();
    let reply = parsed
        .and_then(serde_json::from_value::<Request>)
        .map_err(|e| Refusal { code: "BAD_REQUEST", message: format!("not a request of this contract: {e}") })
        .and_then(|request| serve(decider, request));
    reply.unwrap_or_else(|e| json!({ "id": id, "error": { "code": e.code, "message": e.message } }))
}

fn serve(decider: &mut dyn Decides, request: Request) -> std::result::Result<Value, Refusal> {
    Ok(match request {
        Request::Open { id, contexts, candidates } => {
            let (sessions, logprobs) = decider.open(&contexts, &candidates)?;
            json!({ "id": id, "sessions": sessions, "logprobs": logprobs })
        }
        Request::Extend { id, sessions, tokens } => {
            json!({ "id": id, "logprobs": decider.extend(&sessions, &tokens)? })
        }
        Request::Close { id, sessions } => json!({ "id": id, "closed": decider.close(&sessions)? }),
    })
}
