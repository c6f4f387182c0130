//! Tokenizers, and encoding without them.

use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{Float64Array, Int32Array, Int32ArraySlice, Uint8Array, Uint32Array, Uint32ArraySlice};
use rayon::prelude::*;
use tiresias_encode::{self as core, BpeTokenizer, CompactTokenizer, Dims, ExampleText, LossOn, Template, Trajectory};
use tiresias_guard::napi;
use tiresias_text::Unmarked;

use crate::arrays::{Out, apart, place};
use crate::background::{guarded, pool};
use crate::episodes::Ragged;
use crate::errors::{Result, from_encode, invalid, whole};
use crate::held::{Held, Home, Weigh, disposable};

/// A tokenizer. Adds no special tokens.
#[napi]
#[derive(Clone)]
pub struct Tokenizer(pub(crate) Held<Arc<dyn core::Tokenizer>>);

impl Weigh for Arc<dyn core::Tokenizer> {
    const CLASS: &'static str = "Tokenizer";

    fn weight(&self) -> usize {
        self.bytes()
    }
}

impl Tokenizer {
    fn new(tokenizer: impl core::Tokenizer + 'static) -> Self {
        Self(Held::new(&Home::here(), Arc::new(tokenizer)))
    }
}

disposable!(Tokenizer);

#[napi]
impl Tokenizer {
    /// From the vocabulary inside a GGUF model file: byte-level BPE (`SmolLM2`, GPT-2, Llama 3, Qwen) or `SentencePiece`
    /// BPE (Llama 2, Gemma).
    #[napi(factory)]
    pub fn from_gguf(path: String) -> Result<Self> {
        BpeTokenizer::from_gguf(Path::new(&path)).map(Self::new).map_err(from_encode)
    }

    /// The tokenizer of a base model: of a GGUF file by its own metadata, of a folder by the `tokenizer.json` in it.
    #[napi(factory)]
    pub fn from_base(path: String) -> Result<Self> {
        BpeTokenizer::from_base(Path::new(&path)).map(Self::new).map_err(from_encode)
    }

    /// From a Hugging Face `tokenizer.json` whose model is BPE.
    #[napi(factory)]
    pub fn from_json(path: String) -> Result<Self> {
        BpeTokenizer::from_json(Path::new(&path)).map(Self::new).map_err(from_encode)
    }

    /// The ids of a text.
    #[napi]
    pub fn encode(&self, text: String) -> Result<Uint32Array> {
        self.0.encode(&text).map(Uint32Array::new).map_err(from_encode)
    }

    /// The ids of many texts, in one call and on all cores; row `i` is the text `i`.
    #[napi]
    pub fn encode_batch(&self, texts: Vec<String>) -> Result<Ragged> {
        guarded(|| {
            pool(0)?.install(|| {
                let rows = texts.par_iter().map(|text| self.0.encode(text).map_err(from_encode));
                ragged(&rows.collect::<Result<Vec<_>>>()?)
            })
        })
    }

    /// The text of ids.
    #[napi]
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.0.decode(ids).map_err(from_encode)
    }

    /// The ids that every context of the model begins with, before the text's own: the beginning-of-text token, or none.
    /// `encode` does not add them; encoders and prompts write them, once.
    #[napi(getter)]
    pub fn beginning_of_text(&self) -> Uint32Array {
        Uint32Array::new(self.0.beginning_of_text().to_vec())
    }

    /// A short name.
    #[napi(getter)]
    pub fn name(&self) -> String {
        self.0.name().into()
    }

    /// SHA-256 of the data that define it.
    #[napi(getter)]
    pub fn sha256(&self) -> String {
        self.0.sha256()
    }

    /// How many ids there are; every id is smaller.
    #[napi(getter)]
    pub fn vocabulary_size(&self) -> u32 {
        self.0.vocabulary_size() as u32
    }
}

/// The native vocabulary of some templates (each as JSON text), for models trained from scratch: one id a digit
/// and one id a literal. It encodes texts of these templates alone.
#[napi]
pub fn compact_tokenizer(templates: Vec<String>) -> Result<Tokenizer> {
    let templates: Vec<Template> = templates.iter().map(|json| template(json)).collect::<Result<_>>()?;
    CompactTokenizer::new(&templates).map(Tokenizer::new).map_err(from_encode)
}

/// Trajectories, one after the other and step by step.
#[napi(object, object_to_js = false)]
pub struct TrajectoryBatch {
    /// What was seen before each action (the state, for an MDP); -1 where nothing was.
    pub observations: Int32Array,
    /// The executed actions.
    pub actions: Uint8Array,
    /// The rewards that followed, in the model's own units.
    #[napi(ts_type = "Float64Array | Float32Array | readonly number[]")]
    pub rewards: Float64Array,
    /// Where each trajectory begins, in steps, and where the last one ends: trajectories + 1 entries, from 0.
    pub steps: Uint32Array,
    /// Where each example begins, in trajectories, and where the last one ends: examples + 1 entries, from 0. The last
    /// trajectory of an example is its query, those before are its support.
    pub examples: Uint32Array,
    /// The oracle's action at each step of the queries, query after query; left out, the executed actions are the
    /// labels.
    pub labels: Option<Uint8Array>,
}

/// How to encode a batch.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct EncodeOptions {
    /// Which actions carry a label: `query` (default) or `query+support`.
    #[napi(ts_type = "'query' | 'query+support'")]
    pub loss_on: Option<String>,
    /// Also give the texts.
    pub texts: Option<bool>,
}

/// Encoded examples: row `i` is `ids[offsets[i]..offsets[i + 1]]`, and so are its labels.
#[napi(object, object_from_js = false)]
pub struct EncodedBatch {
    /// The ids of all examples, one after the other.
    pub ids: Uint32Array,
    /// The id that belongs at the position; -100 where there is no loss.
    pub labels: Int32Array,
    /// Length examples + 1.
    pub offsets: Uint32Array,
    /// Each example's text, where they were asked for.
    pub texts: Option<Vec<String>>,
}

/// Compiles a template (JSON text) for a tokenizer and for the numbers of observations (states, for an MDP) and
/// actions. Throws `ENCODE_FAILED` naming the two neighbours that the tokenizer merges, if there are any.
#[napi]
pub fn compile_encoder(template: String, tokenizer: &Tokenizer, observations: f64, actions: f64) -> Result<Encoder> {
    let template = self::template(&template)?;
    let dims = Dims {
        observations: whole("observations", observations, 1, u32::MAX)?,
        actions: whole("actions", actions, 1, 10)?,
    };
    let compile = || core::Encoder::compile(&template, &**tokenizer.0, dims).map_err(from_encode);
    guarded(compile).map(|encoder| Encoder(Held::new(&Home::here(), encoder)))
}

/// Writes the ids of examples without running the tokenizer; compiling proves that they are the tokenizer's own.
#[napi]
pub struct Encoder(Held<core::Encoder>);

impl Weigh for core::Encoder {
    const CLASS: &'static str = "Encoder";

    fn weight(&self) -> usize {
        self.bytes()
    }
}

disposable!(Encoder);

#[napi]
impl Encoder {
    /// `digit`, or `number` where the tokenizer groups digits, so that whole fields are looked up.
    #[napi(getter, ts_return_type = "'digit' | 'number'")]
    pub fn symbols(&self) -> &'static str {
        match self.0.symbol_kind() {
            core::SymbolKind::Digit => "digit",
            core::SymbolKind::Number => "number",
        }
    }

    /// The id of every action, by action.
    #[napi(getter)]
    pub fn action_ids(&self) -> Uint32Array {
        Uint32Array::new(self.0.action_ids().to_vec())
    }

    /// Encodes a batch of examples. Throws `INVALID_ARGUMENT` if the arrays do not fit together, and `ENCODE_FAILED` naming
    /// the step if a value does not fit the template; then nothing is returned.
    #[napi]
    pub fn encode_batch(&self, batch: TrajectoryBatch, options: Option<EncodeOptions>) -> Result<EncodedBatch> {
        let options = options.unwrap_or_default();
        let loss_on = loss_on(options.loss_on.as_deref())?;
        guarded(|| encode(&self.0, &batch, loss_on, options.texts.unwrap_or(false)))
    }

    /// As `encodeBatch`, into arrays of the caller's, which saves touching new memory: fills `ids`, `labels` and `offsets` (examples + 1
    /// entries) and returns the number of ids. Row `i` is `ids[offsets[i]..offsets[i + 1]]`. Throws `INVALID_ARGUMENT` when they are too
    /// short; 8 ids a step and a few dozen an example are enough.
    #[napi]
    pub fn encode_batch_into(
        &self,
        batch: TrajectoryBatch,
        mut ids: Uint32ArraySlice,
        mut labels: Int32ArraySlice,
        mut offsets: Uint32ArraySlice,
        #[napi(ts_arg_type = "'query' | 'query+support'")] loss_on: Option<String>,
    ) -> Result<u32> {
        let loss_on = self::loss_on(loss_on.as_deref())?;
        if offsets.len() != batch.examples.len() {
            return Err(invalid(format!(
                "offsets: {} entries, where {} are needed",
                offsets.len(),
                batch.examples.len()
            )));
        }
        let inputs = [place(&batch.observations), place(&batch.actions), place(&batch.rewards), place(&batch.steps)];
        let others = [place(&batch.examples), place(batch.labels.as_deref().unwrap_or_default())];
        apart(&[&inputs[..], &others, &[place(&ids), place(&labels), place(&offsets)]].concat())?;
        guarded(|| {
            let (ids, labels, offsets) = (ids.out(), labels.out(), offsets.out());
            let (mut at, mut row) = (0, 0);
            offsets[0] = 0;
            each_example(&batch, |support, query, wanted| {
                let filled = self.0.fill_example(support, query, wanted, loss_on, &mut ids[at..], &mut labels[at..]);
                at += filled.map_err(|e| match e {
                    core::Error::Shape { what: "output", .. } => invalid(format!("example {row}: {e}")),
                    e => from_encode(e),
                })?;
                row += 1;
                offsets[row] = end(at)?;
                Ok(())
            })?;
            end(at)
        })
    }
}

/// `o,a,rr` and the line end with a few more for markers.
const IDS_A_STEP: usize = 8;

fn encode(encoder: &core::Encoder, batch: &TrajectoryBatch, loss_on: LossOn, texts: bool) -> Result<EncodedBatch> {
    // About what a step takes; growing step by step would copy everything several times.
    let room = IDS_A_STEP * (batch.actions.len() + batch.examples.len());
    let (mut ids, mut labels) = (Vec::with_capacity(room), Vec::with_capacity(room));
    let mut offsets = Vec::with_capacity(batch.examples.len());
    offsets.push(0);
    let (mut written, mut text) = (Vec::new(), ExampleText::default());
    each_example(batch, |support, query, wanted| {
        encoder.push_example(support, query, wanted, loss_on, &mut ids, &mut labels).map_err(from_encode)?;
        offsets.push(end(ids.len())?);
        if texts {
            encoder.write_text(support, query, &mut text).map_err(from_encode)?;
            written.push(text.whole());
        }
        Ok(())
    })?;
    Ok(EncodedBatch {
        ids: Uint32Array::new(ids),
        labels: Int32Array::new(labels),
        offsets: Uint32Array::new(offsets),
        texts: texts.then_some(written),
    })
}

/// Calls `work` with the support, the query and the wanted labels of every example, once the batch has been checked.
fn each_example(
    batch: &TrajectoryBatch,
    mut work: impl FnMut(&[Trajectory<'_>], &Trajectory<'_>, &[u8]) -> Result<()>,
) -> Result<()> {
    let steps = ranges("steps", &batch.steps, batch.actions.len())?;
    let examples = ranges("examples", &batch.examples, steps.len())?;
    let length = batch.actions.len();
    if batch.observations.len() != length || batch.rewards.len() != length {
        return Err(invalid(format!(
            "{} observations and {} rewards for {length} actions; give one of each a step",
            batch.observations.len(),
            batch.rewards.len()
        )));
    }
    let trajectories: Vec<Trajectory<'_>> = steps
        .into_iter()
        .map(|range| Trajectory {
            observations: &batch.observations[range.clone()],
            actions: &batch.actions[range.clone()],
            rewards: &batch.rewards[range],
        })
        .collect();
    let mut oracle = batch.labels.as_deref();
    for (i, example) in examples.into_iter().enumerate() {
        let Some((query, support)) = trajectories[example].split_last() else {
            return Err(invalid(format!("example {i} has no trajectory; the last one of an example is its query")));
        };
        let wanted = match &mut oracle {
            Some(all) => all.split_off(..query.actions.len()).ok_or_else(|| {
                invalid(format!("labels end before the query of example {i}; give one a step of each query"))
            })?,
            None => query.actions,
        };
        work(support, query, wanted)?;
    }
    match oracle {
        Some(rest @ [_, ..]) => Err(invalid(format!("{} labels too many; give one a step of each query", rest.len()))),
        _ => Ok(()),
    }
}

fn loss_on(name: Option<&str>) -> Result<LossOn> {
    match name {
        None | Some("query") => Ok(LossOn::Query),
        Some("query+support") => Ok(LossOn::QueryAndSupport),
        Some(other) => Err(invalid(format!("lossOn {other:?}: expected query or query+support"))),
    }
}

/// The ranges between neighbouring entries of a list of offsets into `length` things.
fn ranges(what: &str, offsets: &[u32], length: usize) -> Result<Vec<std::ops::Range<usize>>> {
    let rises = offsets.is_sorted();
    if !rises || offsets.first() != Some(&0) || offsets.last().map(|last| *last as usize) != Some(length) {
        return Err(invalid(format!("{what}: must rise from 0 to {length} without a step back")));
    }
    Ok(offsets.windows(2).map(|pair| pair[0] as usize..pair[1] as usize).collect())
}

fn ragged(rows: &[Vec<u32>]) -> Result<Ragged> {
    let mut offsets = Vec::with_capacity(rows.len() + 1);
    offsets.push(0);
    let mut length = 0;
    for row in rows {
        length += row.len();
        offsets.push(end(length)?);
    }
    Ok(Ragged { ids: Uint32Array::new(rows.concat()), offsets: Uint32Array::new(offsets) })
}

/// An offset, which JavaScript gets in 32 bits.
fn end(length: usize) -> Result<u32> {
    u32::try_from(length).map_err(|_| invalid("more than 2^32 ids in one batch; encode fewer at a time"))
}

fn template(json: &str) -> Result<Template> {
    serde_json::from_str(json.unmarked()).map_err(|e| invalid(format!("template: {e}")))
}
