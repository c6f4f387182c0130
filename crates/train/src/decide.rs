//! The `decide` mode: many sessions, each with its keys and values kept, so that a decision costs only its new tokens.
//!
//! There is no gradient here, so adapters are merged into dense weights once at the start, f32 or bf16.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::attention;
use crate::base::{Base, Module, Shape};
use crate::bf16::{Kernel, Right, Side};
use crate::gradient::embed;
use crate::head;
use crate::kernels::{Rope, rms_norm};
use crate::layer::{Extra, Linear, Norm, Pass, Saved, Scratch, Weight, Weights};
use crate::lora::Lora;
use crate::qlora::Adapted;
use crate::quantized::Matrix;
use crate::serve::Decides;

/// Tokens that go through the layers together on one thread: enough for the matrix kernel, and little memory.
const CHUNK_TOKENS: usize = 512;
/// Rows of keys and values by which a cache grows at least.
const CACHE_STEP: usize = 64;

/// Tokens that a shared beginning must save: it goes through the layers before the rest can.
const WORTH_SHARING: usize = 64;

/// Why a request cannot be served: a stable code and a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `BAD_REQUEST`, `UNKNOWN_SESSION`, `BAD_TOKEN` or `TOO_LONG`.
    pub code: &'static str,
    /// What is wrong with which part of the request.
    pub message: String,
}

pub(crate) fn refuse<T>(code: &'static str, message: String) -> Result<T, Refusal> {
    Err(Refusal { code, message })
}

/// Refuses sessions that are not open, or that stand twice.
pub(crate) fn check_sessions(ids: &[u64], is_open: impl Fn(u64) -> bool) -> Result<(), Refusal> {
    let mut seen = std::collections::BTreeSet::new();
    for &id in ids {
        if !is_open(id) {
            return refuse("UNKNOWN_SESSION", format!("session {id} is not open"));
        }
        if !seen.insert(id) {
            return refuse("BAD_REQUEST", format!("session {id} stands twice in one request"));
        }
    }
    Ok(())
}

/// A base whose linear maps were made dense, adapters included.
struct Dense {
    base: Base,
    bf16: Option<Kernel>,
    linear: Vec<[Kept; 7]>,
}

/// A linear map, for products by its inputs alone.
enum Kept {
    Dense(Vec<f32>),
    Bf16(Right),
}

impl Weights for Dense {
    fn shape(&self) -> &Shape {
        &self.base.shape
    }

    fn linear<'a>(
        &'a self,
        layer: usize,
        module: Module,
        side: Side,
        columns: Range<usize>,
        _: &'a mut Weight,
    ) -> Linear<'a> {
        debug_assert_eq!(side, Side::Inputs);
        match &self.linear[layer][module as usize] {
            Kept::Dense(weight) => Linear::Dense(weight),
            Kept::Bf16(weight) => Linear::Bf16(weight.columns(columns)),
        }
    }

    fn bf16(&self) -> Option<Kernel> {
        self.bf16
    }

    fn norm(&self, norm: Norm) -> &[f32] {
        self.base.norm(norm)
    }

    fn extra(&self, layer: usize) -> &Extra {
        &self.base.layers[layer].extra
    }
}

/// One conversation with the model.
#[derive(Clone)]
struct Session {
    length: usize,
    /// Whose log-probabilities are wanted; of nobody's while it is but a beginning of others.
    candidates: Vec<u32>,
    /// Keys and values of every layer, `length × kv_width` each.
    cache: Vec<[Vec<f32>; 2]>,
}

impl Session {
    fn new(layers: usize, candidates: &[u32]) -> Self {
        Self { length: 0, candidates: candidates.to_vec(), cache: vec![[Vec::new(), Vec::new()]; layers] }
    }
}

/// Appends rows without the doubling that would waste half of a big cache.
fn append(cache: &mut Vec<f32>, rows: &[f32], width: usize) {
    if cache.capacity() - cache.len() < rows.len() {
        cache.reserve_exact(rows.len() + CACHE_STEP * width);
    }
    cache.extend_from_slice(rows);
}

/// Finds in a group of contexts, in lexicographic order and alike up to `from`, the groups that go on alike for long enough, and up to where.
/// Every context keeps a last token of its own, whose log-probabilities are asked for.
fn find_shared(contexts: &[Vec<u32>], group: &[usize], from: usize, found: &mut Vec<(Vec<usize>, usize)>) {
    let [first, .., last] = group else { return };
    let (first, last) = (&contexts[*first], &contexts[*last]);
    let alike = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    // In this order the shortest context that begins all others would be the first.
    let end = alike.min(first.len() - 1);
    if (group.len() - 1) * (end - from) >= WORTH_SHARING {
        found.push((group.to_vec(), end));
    } else {
        // A context that ends here begins others, perhaps; those go on without it.
        let longer: Vec<usize> = group.iter().copied().filter(|&i| contexts[i].len() > end + 1).collect();
        let parts = longer.chunk_by(|&a, &b| contexts[a][end] == contexts[b][end]);
        parts.filter(|part| part.len() < group.len()).for_each(|part| find_shared(contexts, part, from, found));
    }
}

/// A session and the tokens that it gets in this request.
struct Turn<'a> {
    session: &'a mut Session,
    tokens: &'a [u32],
}

/// The model and its open sessions.
pub struct Decider {
    model: Dense,
    ropes: Vec<Rope>,
    sessions: BTreeMap<u64, Session>,
    next: u64,
    computed: AtomicUsize,
    pool: rayon::ThreadPool,
}

impl Decider {
    /// Merges the adapter, if there is one, into the base, whose maps are kept and multiplied with in bf16 if there is a kernel for that.
    /// All work runs on `pool`.
    pub fn new(base: Base, adapter: Option<(Lora, Vec<f32>)>, bf16: Option<Kernel>, pool: rayon::ThreadPool) -> Self {
        let (lora, parameters) =
            adapter.unwrap_or_else(|| (Lora::new(&base.shape, base.layers.len(), 1, 1.0, &[]), Vec::new()));
        let adapted = Adapted { base: &base, lora: &lora, parameters: &parameters, bf16 };
        let dense = |layer| {
            Module::ALL.map(|module| {
                let mut weight = Weight::default();
                adapted.begin(layer, module, &mut weight);
                let (outputs, _) = base.shape.of(module);
                adapted.linear(layer, module, Side::Inputs, 0..outputs, &mut weight);
                if bf16.is_some() { Kept::Bf16(weight.bf16) } else { Kept::Dense(weight.dense) }
            })
        };
        let linear = pool.install(|| (0..base.layers.len()).into_par_iter().map(dense).collect());
        let ropes = base.shape.ropes(base.shape.context);
        Self {
            model: Dense { base, bf16, linear },
            ropes,
            sessions: BTreeMap::new(),
            next: 0,
            computed: AtomicUsize::new(0),
            pool,
        }
    }

    /// Tokens that went through the layers so far: fewer than were given where contexts begin alike.
    pub fn computed(&self) -> usize {
        self.computed.load(Ordering::Relaxed)
    }

    /// The base model.
    pub fn base(&self) -> &Base {
        &self.model.base
    }

    /// Runs each context once. Returns the new sessions' ids and, for each, log-probabilities of the candidates.
    pub fn open(&mut self, contexts: &[Vec<u32>], candidates: &[u32]) -> Result<(Vec<u64>, Vec<Vec<f32>>), Refusal> {
        if candidates.is_empty() {
            return refuse("BAD_REQUEST", "`candidates` must name at least one token id".into());
        }
        self.check_ids("candidates", candidates)?;
        for (i, context) in contexts.iter().enumerate() {
            self.check_tokens(&format!("contexts[{i}]"), context, 0)?;
        }
        let layers = self.model.base.layers.len();
        let mut opened: Vec<Session> = contexts.iter().map(|_| Session::new(layers, candidates)).collect();
        self.begin(contexts, &mut opened);
        let ends = opened.iter_mut().zip(contexts);
        let turns = ends.map(|(session, tokens)| Turn { tokens: &tokens[session.length..], session }).collect();
        let rows = self.run(turns);
        let ids: Vec<u64> = (self.next..).take(opened.len()).collect();
        self.next += opened.len() as u64;
        self.sessions.extend(ids.iter().copied().zip(opened));
        Ok((ids, rows))
    }

    /// Runs once what several contexts begin with, such as the trajectories of one task that their methods are given, and gives each session
    /// its keys and values. Beginnings of one round run side by side; a beginning within a beginning is the next round's.
    fn begin(&self, contexts: &[Vec<u32>], sessions: &mut [Session]) {
        let mut order: Vec<usize> = (0..contexts.len()).collect();
        order.sort_by_key(|&i| &contexts[i]);
        let mut groups = vec![order];
        loop {
            let mut shared = Vec::new();
            for group in groups {
                let from = group.first().map_or(0, |&i| sessions[i].length);
                find_shared(contexts, &group, from, &mut shared);
            }
            if shared.is_empty() {
                return;
            }
            let begun =
                |(group, _): &(Vec<usize>, usize)| Session { candidates: Vec::new(), ..sessions[group[0]].clone() };
            let mut beginnings: Vec<Session> = shared.iter().map(begun).collect();
            let turns = beginnings.iter_mut().zip(&shared).map(|(session, (group, end))| {
                let tokens = &contexts[group[0]][session.length..*end];
                Turn { session, tokens }
            });
            self.run(turns.collect());
            for (beginning, (group, _)) in beginnings.iter().zip(&shared) {
                for &i in group {
                    sessions[i].length = beginning.length;
                    sessions[i].cache.clone_from(&beginning.cache);
                }
            }
            groups = shared.into_iter().map(|(group, _)| group).collect();
        }
    }

    /// Appends tokens to sessions and runs only those. Returns a row of log-probabilities for each.
    pub fn extend(&mut self, ids: &[u64], tokens: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, Refusal> {
        if ids.len() != tokens.len() {
            let (a, b) = (ids.len(), tokens.len());
            return refuse("BAD_REQUEST", format!("{a} `sessions` but {b} lists of `tokens`; they must be as many"));
        }
        check_sessions(ids, |id| self.sessions.contains_key(&id))?;
        for (i, (id, tokens)) in ids.iter().zip(tokens).enumerate() {
            self.check_tokens(&format!("tokens[{i}]"), tokens, self.sessions[id].length)?;
        }
        // Take the sessions out, so that each can be borrowed on its own.
        let mut taken: Vec<Session> = ids.iter().filter_map(|id| self.sessions.remove(id)).collect();
        let turns = taken.iter_mut().zip(tokens).map(|(session, tokens)| Turn { session, tokens }).collect();
        let rows = self.run(turns);
        self.sessions.extend(ids.iter().copied().zip(taken));
        Ok(rows)
    }

    /// Forgets sessions; returns how many.
    pub fn close(&mut self, ids: &[u64]) -> Result<usize, Refusal> {
        check_sessions(ids, |id| self.sessions.contains_key(&id))?;
        ids.iter().for_each(|id| drop(self.sessions.remove(id)));
        Ok(ids.len())
    }

    fn check_ids(&self, what: &str, ids: &[u32]) -> Result<(), Refusal> {
        let vocabulary = self.model.base.shape.vocabulary;
        match ids.iter().find(|&&id| id as usize >= vocabulary) {
            None => Ok(()),
            Some(id) => refuse("BAD_TOKEN", format!("`{what}` holds {id}, outside the vocabulary of {vocabulary} ids")),
        }
    }

    fn check_tokens(&self, what: &str, tokens: &[u32], before: usize) -> Result<(), Refusal> {
        let context = self.model.base.shape.context;
        if tokens.is_empty() {
            return refuse("BAD_REQUEST", format!("`{what}` must hold at least one token"));
        }
        if before + tokens.len() > context {
            let n = tokens.len();
            return refuse(
                "TOO_LONG",
                format!("`{what}`: {before} tokens and {n} more exceed the context of {context}"),
            );
        }
        self.check_ids(what, tokens)
    }

    /// Runs all turns in chunks side by side and returns their rows in order.
    fn run(&self, mut turns: Vec<Turn>) -> Vec<Vec<f32>> {
        self.pool.install(|| {
            let threads = rayon::current_num_threads();
            let total: usize = turns.iter().map(|t| t.tokens.len()).sum();
            self.computed.fetch_add(total, Ordering::Relaxed);
            let limit = total.div_ceil(threads).min(CHUNK_TOKENS);
            let mut chunks: Vec<&mut [Turn]> = Vec::new();
            let mut rest = &mut turns[..];
            while !rest.is_empty() {
                let ends = rest.iter().scan(0, |end, turn| {
                    *end += turn.tokens.len();
                    Some(*end)
                });
                let count = ends.take_while(|&end| end <= limit).count();
                let (chunk, after) = rest.split_at_mut(count.max(1));
                chunks.push(chunk);
                rest = after;
            }
            // A single chunk has the whole pool to itself; several share it, one thread each.
            let each = if chunks.len() == 1 { threads } else { 1 };
            let rows: Vec<_> =
                chunks.into_par_iter().with_max_len(1).map(|chunk| self.run_chunk(chunk, each)).collect();
            rows.into_iter().flatten().collect()
        })
    }

    fn run_chunk(&self, turns: &mut [Turn], threads: usize) -> Vec<Vec<f32>> {
        let shape = &self.model.base.shape;
        let hidden = shape.hidden;
        let (qw, kw) = (shape.heads.q_width(), shape.heads.kv_width());
        let pass = Pass { weights: &self.model, ropes: &self.ropes, threads };
        let ids: Vec<u32> = turns.iter().flat_map(|t| t.tokens).copied().collect();
        let positions: Vec<u32> =
            turns.iter().flat_map(|t| (t.session.length..).take(t.tokens.len())).map(|p| p as u32).collect();
        let (mut stream, mut saved, mut scratch) = (Vec::new(), Saved::default(), Scratch::default());
        embed(Matrix::Quantized(&self.model.base.embedding), shape.embedding_scale, &ids, &mut stream);
        for layer in 0..self.model.base.layers.len() {
            saved.x.clone_from(&stream);
            let heads = shape.heads_of(layer);
            let attend = |s: &mut Saved, scratch: &mut attention::Scratch| {
                let mut start = 0;
                for turn in &mut *turns {
                    let rows = start..start + turn.tokens.len();
                    let span = |width: usize| rows.start * width..rows.end * width;
                    let [keys, values] = &mut turn.session.cache[layer];
                    append(keys, &s.k[span(kw)], kw);
                    append(values, &s.v[span(kw)], kw);
                    let (out, lse) = (&mut s.attended[span(qw)], &mut s.lse[span(heads.heads)]);
                    attention::forward(heads, &s.q[span(qw)], keys, values, out, lse, scratch);
                    start = rows.end;
                }
            };
            pass.forward(layer, &mut saved, &positions, &mut scratch, attend, Some(&mut stream));
        }

        let (mut last, mut end) = (Vec::with_capacity(turns.len() * hidden), 0);
        for turn in &mut *turns {
            turn.session.length += turn.tokens.len();
            end += turn.tokens.len();
            if !turn.session.candidates.is_empty() {
                last.extend_from_slice(&stream[(end - 1) * hidden..end * hidden]);
            }
        }
        let candidates: Vec<&[u32]> =
            turns.iter().map(|t| t.session.candidates.as_slice()).filter(|candidates| !candidates.is_empty()).collect();
        let (mut normed, mut inverse) = (vec![0.0; last.len()], vec![0.0; candidates.len()]);
        rms_norm(&last, &self.model.base.final_norm, shape.eps, &mut normed, &mut inverse);
        head::log_probabilities(self.model.base.head(), &normed, &candidates, &mut head::Scratch::default(), threads)
    }
}

impl Decides for Decider {
    fn open(&mut self, contexts: &[Vec<u32>], candidates: &[u32]) -> Result<(Vec<u64>, Vec<Vec<f32>>), Refusal> {
        Self::open(self, contexts, candidates)
    }

    fn extend(&mut self, ids: &[u64], tokens: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, Refusal> {
        Self::extend(self, ids, tokens)
    }

    fn close(&mut self, ids: &[u64]) -> Result<usize, Refusal> {
        Self::close(self, ids)
    }
}
