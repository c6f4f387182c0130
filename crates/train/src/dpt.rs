//! The Decision-Pretrained Transformer (Lee et al. 2023): what it reads of an example, how it is trained, how it decides.
//!
//! A decision is a query observation and a set of transitions: everything that stands before it in the example, support and query
//! alike. The query is the first token, each transition one more; the network guesses the oracle's action after every one of them.
//! A set has no order: there are no positions, and the transitions stand in an order drawn from the ids that they were read from.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use serde_json::{Value, json};

use crate::config::{Architecture, DptConfig};
use crate::decide::{Refusal, check_sessions, refuse};
use crate::dpt_network::{DptNetwork, Pass, Tokens};
use crate::error::Result;
use crate::gradient::Example;
use crate::head::Loss;
use crate::kernels::log_sum_exp;
use crate::learner::Learner;
use crate::model_folder;
use crate::rng::Rng;
use crate::serve::Decides;
use crate::transitions::{Reader, Step};

/// Tokens whose gradients are summed on one thread: few enough that threads end together, and many beside the sum of their gradients.
const CHUNK: usize = 384;
/// Tokens that go through the network together, at least one sequence: their activations stay in the second-level cache.
const GROUP: usize = 128;
/// Numbers of the gradient that one thread sums over all chunks.
const SUM: usize = 4096;
/// Why an example cannot be wrong once training has begun.
const CHECKED: &str = "every example was checked before training";
/// The longest text, in ids; the network itself has no limit.
pub const CONTEXT: usize = 1 << 16;

/// An example's steps, and of those that are learnt from the index and the oracle's action.
type Labelled = (Vec<Step>, Vec<(usize, usize)>);

/// The network and how it reads ids.
pub struct Dpt {
    config: DptConfig,
    network: DptNetwork,
    reader: Reader,
    /// Passes with their buffers, as many as there were threads at once.
    passes: Mutex<Vec<Pass>>,
}

/// FNV-1a over whole ids.
fn hash(start: u64, ids: &[u32]) -> u64 {
    ids.iter().fold(start, |hash, &id| (hash ^ u64::from(id)).wrapping_mul(0x0100_0000_01b3))
}

/// Tokens of some decisions one after another.
#[derive(Default)]
struct Decisions {
    tokens: Tokens,
    sequences: Vec<Range<usize>>,
    labels: Vec<usize>,
}

impl Dpt {
    /// Of a configuration that has been checked; what is wrong with its templates otherwise.
    pub fn new(config: &DptConfig) -> std::result::Result<Self, String> {
        let (network, reader) = (DptNetwork::new(config), Reader::new(&config.templates)?);
        Ok(Self { config: config.clone(), network, reader, passes: Mutex::default() })
    }

    /// Its network.
    pub fn network(&self) -> &DptNetwork {
        &self.network
    }

    /// What it was made from.
    pub fn config(&self) -> &DptConfig {
        &self.config
    }

    /// Number of ids that it reads.
    pub fn vocabulary(&self) -> usize {
        self.reader.vocabulary()
    }

    fn steps(&self, ids: &[u32]) -> std::result::Result<Vec<Step>, String> {
        let steps = self.reader.steps(ids)?;
        let DptConfig { observations, actions, .. } = self.config;
        for step in &steps {
            if let Some(seen) = step.observation.filter(|&o| o >= observations) {
                return Err(format!("holds observation {seen}, but `observations` is {observations}"));
            }
            if let Some(action) = step.action.filter(|&a| a >= actions) {
                return Err(format!("holds action {action}, but `actions` is {actions}"));
            }
        }
        Ok(steps)
    }

    /// Appends the tokens of the decision at step `at` of `steps`, which were read from `ids`; a label is pushed by the caller.
    fn push(&self, steps: &[Step], at: usize, ids: &[u32], out: &mut Decisions) {
        let &DptConfig { observations, actions, .. } = &self.config;
        let start = out.tokens.len();
        out.tokens.push(steps[at].observation.map(|seen| (seen, 1.0)));
        let seed = hash(at as u64, &ids[..steps[at].at.min(ids.len())]);
        for i in Rng::new(&[6, seed]).permutation(at) {
            let (step, next) = (steps[i], steps[i + 1]);
            let hot = |place: Option<usize>, from: usize| place.map(|place| (from + place, 1.0));
            let seen = hot(next.observation.filter(|_| !next.first), observations + actions);
            let reward = step.reward.map(|reward| (self.network.inputs() - 1, reward));
            out.tokens
                .push([hot(step.observation, 0), hot(step.action, observations), seen, reward].into_iter().flatten());
        }
        out.sequences.push(start..out.tokens.len());
    }

    /// An example's steps, and those of its labelled decisions that are learnt from: which step each is, and the oracle's action there.
    fn labelled(&self, example: &Example) -> std::result::Result<Labelled, String> {
        let steps = self.steps(&example.ids)?;
        let mut labelled = Vec::new();
        let mut at = 0;
        for (row, label) in example.targets() {
            let position = row + 1;
            while steps.get(at).is_some_and(|step| step.at < position) {
                at += 1;
            }
            if steps.get(at).is_none_or(|step| step.at != position) {
                return Err(format!("labels[{position}] does not stand at an action"));
            }
            if label as usize >= self.config.actions {
                return Err(format!("labels[{position}] is {label}, but `actions` is {}", self.config.actions));
            }
            labelled.push((at, label as usize));
        }
        if let Some(decisions) = self.config.decisions.filter(|&decisions| decisions < labelled.len()) {
            let mut drawn = Rng::new(&[7, hash(0, &example.ids)]).permutation(labelled.len());
            drawn.truncate(decisions);
            drawn.sort_unstable();
            labelled = drawn.into_iter().map(|i| labelled[i]).collect();
        }
        Ok((steps, labelled))
    }

    fn decisions(&self, example: &Example) -> Decisions {
        let (steps, labelled) = self.labelled(example).expect(CHECKED);
        let mut decisions = Decisions::default();
        for (at, label) in labelled {
            self.push(&steps, at, &example.ids, &mut decisions);
            decisions.labels.push(label);
        }
        decisions
    }

    fn with_pass<R>(&self, f: impl FnOnce(&mut Pass) -> R) -> R {
        let passes = || self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pass = passes().pop().unwrap_or_default();
        let result = f(&mut pass);
        passes().push(pass);
        result
    }

    /// Loss and gradient at the folded weights of some decisions, of which a batch has `total`: the mean over decisions of the mean over
    /// prefixes.
    fn chunk(&self, weights: &[f32], examples: &[Decisions], total: usize) -> (Loss, Vec<f32>) {
        let mut gradient = vec![0.0; self.network.gradients()];
        let mut loss = Loss::default();
        self.with_pass(|pass| {
            for Decisions { tokens, sequences, labels } in examples {
                let mut start = 0;
                while start < sequences.len() {
                    let first = sequences[start].start;
                    let more = sequences[start..].iter().take_while(|rows| rows.end - first <= GROUP).count();
                    let group = start..start + more.max(1);
                    start = group.end;
                    pass.forward(&self.network, weights, tokens, &sequences[group.clone()], true);
                    loss += pass.cross_entropy(&labels[group], total);
                    pass.backward(&self.network, weights, tokens, &mut gradient);
                }
            }
        });
        (loss, gradient)
    }
}

impl Learner for Dpt {
    fn weights(&self) -> usize {
        self.network.layout().parameters()
    }

    fn parameters(&self) -> usize {
        self.network.layout().parameters()
    }

    fn initial(&self, seed: u64) -> Vec<f32> {
        self.network.initial(seed)
    }

    fn check(&self, example: &Example) -> std::result::Result<(), String> {
        self.labelled(example).map(drop)
    }

    fn loss_and_gradient(&self, parameters: &[f32], examples: &[&Example], gradient: &mut Vec<f32>) -> Loss {
        let decisions: Vec<Decisions> = examples.par_iter().map(|example| self.decisions(example)).collect();
        let total = decisions.iter().map(|decisions| decisions.labels.len()).sum();
        let weights = self.network.fold(parameters);
        // The split depends on the examples alone, and so does the order of the sum.
        let mut tokens = 0;
        let chunks: Vec<&[Decisions]> = decisions
            .chunk_by(|one, _| {
                tokens += one.tokens.len();
                let same = tokens < CHUNK;
                if !same {
                    tokens = 0;
                }
                same
            })
            .collect();
        let parts: Vec<_> = chunks.par_iter().with_max_len(1).map(|chunk| self.chunk(&weights, chunk, total)).collect();
        let mut loss = Loss::default();
        parts.iter().for_each(|(part, _)| loss += *part);
        let mut sum = vec![0.0; self.network.gradients()];
        sum.par_chunks_mut(SUM).enumerate().for_each(|(i, sum)| {
            for (_, g) in &parts {
                sum.iter_mut().zip(&g[i * SUM..]).for_each(|(sum, x)| *sum += x);
            }
        });
        *gradient = self.network.unfold(parameters, &sum);
        loss
    }

    fn necessary_flops(&self, examples: &[&Example]) -> f64 {
        let (row, pair) = self.network.flops();
        let of = |(at, _): (usize, usize)| {
            let n = (at + 1) as f64;
            3.0 * (n * row + n * (n + 1.0) / 2.0 * pair)
        };
        examples.iter().flat_map(|example| self.labelled(example).expect(CHECKED).1).map(of).sum()
    }

    fn folder(&self) -> &'static str {
        model_folder::FOLDER
    }

    fn files(&self, parameters: &[f32]) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let mut settings = json!(self.config);
        settings["model_type"] = json!("dpt");
        let tensors = self.network.layout().safetensors(parameters)?;
        Ok(vec![(model_folder::CONFIG, format!("{settings:#}\n").into_bytes()), (model_folder::MODEL, tensors)])
    }

    fn tensors(&self) -> &'static str {
        model_folder::MODEL
    }

    fn parse(&self, bytes: &[u8]) -> std::result::Result<Vec<f32>, String> {
        self.network.layout().parse(bytes)
    }

    fn origin(&self) -> (&'static str, Value) {
        ("architecture", json!(Architecture::Dpt(self.config.clone())))
    }

    fn identity(&self) -> Option<(&'static str, Value)> {
        None
    }
}

/// What was said in a session, and the candidates of its answers.
struct Session {
    ids: Vec<u32>,
    candidates: Vec<u32>,
}

/// A trained network and its sessions. A decision has its own query in front, so that nothing can be kept between two.
pub struct DptDecider {
    dpt: Dpt,
    weights: Vec<f32>,
    sessions: BTreeMap<u64, Session>,
    next: u64,
    pool: rayon::ThreadPool,
}

impl DptDecider {
    /// All work runs on `pool`.
    pub fn new(dpt: Dpt, parameters: &[f32], pool: rayon::ThreadPool) -> Self {
        Self { weights: dpt.network.fold(parameters), dpt, sessions: BTreeMap::new(), next: 0, pool }
    }

    /// Log-probabilities of the candidates among all actions, after each text.
    fn decide(&self, what: &str, texts: &[(Vec<u32>, &[u32])]) -> std::result::Result<Vec<Vec<f32>>, Refusal> {
        let row = |(i, (ids, candidates)): (usize, &(Vec<u32>, &[u32]))| {
            let said = |why: &str| format!("`{what}[{i}]`: {why}");
            if let Some(id) = ids.iter().find(|&&id| id as usize >= self.dpt.vocabulary()) {
                let vocabulary = self.dpt.vocabulary();
                return refuse("BAD_TOKEN", said(&format!("holds {id}, outside the vocabulary of {vocabulary} ids")));
            }
            if ids.len() > CONTEXT {
                return refuse("TOO_LONG", said(&format!("{} tokens exceed the context of {CONTEXT}", ids.len())));
            }
            let steps = self.dpt.steps(ids).or_else(|why| refuse("BAD_REQUEST", said(&why)))?;
            let Some(at) = steps.len().checked_sub(1).filter(|&at| steps[at].action.is_none()) else {
                return refuse("BAD_REQUEST", said("does not end where an action is to be chosen"));
            };
            let mut decision = Decisions::default();
            self.dpt.push(&steps, at, ids, &mut decision);
            let logits = self.dpt.with_pass(|pass| {
                pass.forward(&self.dpt.network, &self.weights, &decision.tokens, &decision.sequences, false);
                pass.logits().swap_remove(at)
            });
            let total = log_sum_exp(&logits);
            Ok(candidates.iter().map(|&id| logits[id as usize] - total).collect())
        };
        self.pool.install(|| texts.par_iter().enumerate().map(row).collect())
    }
}

impl Decides for DptDecider {
    fn open(
        &mut self,
        contexts: &[Vec<u32>],
        candidates: &[u32],
    ) -> std::result::Result<(Vec<u64>, Vec<Vec<f32>>), Refusal> {
        if candidates.is_empty() {
            return refuse("BAD_REQUEST", "`candidates` must name at least one token id".into());
        }
        let actions = self.dpt.network.actions();
        if let Some(id) = candidates.iter().find(|&&id| id as usize >= actions) {
            return refuse("BAD_TOKEN", format!("`candidates` holds {id}, which is none of the {actions} actions"));
        }
        let texts: Vec<_> = contexts.iter().map(|ids| (ids.clone(), candidates)).collect();
        let rows = self.decide("contexts", &texts)?;
        let numbers: Vec<u64> = (self.next..).take(contexts.len()).collect();
        self.next += contexts.len() as u64;
        let session = |ids: &Vec<u32>| Session { ids: ids.clone(), candidates: candidates.to_vec() };
        self.sessions.extend(numbers.iter().copied().zip(contexts.iter().map(session)));
        Ok((numbers, rows))
    }

    fn extend(&mut self, ids: &[u64], tokens: &[Vec<u32>]) -> std::result::Result<Vec<Vec<f32>>, Refusal> {
        if ids.len() != tokens.len() {
            let (a, b) = (ids.len(), tokens.len());
            return refuse("BAD_REQUEST", format!("{a} `sessions` but {b} lists of `tokens`; they must be as many"));
        }
        check_sessions(ids, |id| self.sessions.contains_key(&id))?;
        let longer = |(id, tokens): (&u64, &Vec<u32>)| {
            let session = &self.sessions[id];
            ([&session.ids[..], tokens].concat(), session.candidates.as_slice())
        };
        let texts: Vec<_> = ids.iter().zip(tokens).map(longer).collect();
        let rows = self.decide("tokens", &texts)?;
        for (id, tokens) in ids.iter().zip(tokens) {
            if let Some(session) = self.sessions.get_mut(id) {
                session.ids.extend_from_slice(tokens);
            }
        }
        Ok(rows)
    }

    fn close(&mut self, ids: &[u64]) -> std::result::Result<usize, Refusal> {
        check_sessions(ids, |id| self.sessions.contains_key(&id))?;
        ids.iter().for_each(|id| drop(self.sessions.remove(id)));
        Ok(ids.len())
    }
}
