//! The `train` mode: from a configuration to a PEFT folder of adapters, or to the folder of a whole model.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::json;

use crate::about::{ABOUT, about};
use crate::base::Base;
use crate::bf16::Kernel;
use crate::checkpoint::{self, Progress, State};
use crate::config::{Architecture, Arithmetic, BACKEND, CONTRACT, TrainConfig};
use crate::data::Limits;
use crate::dpt::{self, Dpt};
use crate::error::{Error, Result};
use crate::events::{self, Event, Mark, Metrics};
use crate::gradient::{Model as _, Trainer};
use crate::learner::Learner;
use crate::lora::Lora;
use crate::network::Network;
use crate::optimizer::{self, AdamW};
use crate::qlora::{Adapters, Qlora};
use crate::source::Source;
use crate::{files, work};

const RUN: &str = "run.json";
const DONE: &str = "done.json";
const METRICS: &str = "metrics.jsonl";

/// What a training runs on.
struct Machine {
    pool: rayon::ThreadPool,
    /// The pool's matrix-product rate in GFLOP/s.
    peak: f64,
    /// Set by a signal.
    stop: Arc<AtomicBool>,
}

/// Trains to the end, or until a signal, resuming what is there.
pub fn run(config: &TrainConfig) -> Result<()> {
    let stop = stop_flag()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(config.threads).build();
    let pool = pool.map_err(|e| Error::Internal(format!("cannot start {} threads: {e}", config.threads)))?;
    let peak = pool.install(work::peak_gflops);
    events::print(&Event::backend(config.threads, Some(peak)).line())?;
    let machine = Machine { pool, peak, stop };
    match (&config.base, &config.lora, &config.architecture) {
        (Some(file), Some(settings), None) => {
            let base = Base::load_with(&file.path, file.sha256.as_deref(), file.random_weights)?;
            let source = Source::open(config, Some(&file.path), base.shape.limits())?;
            let lora = Lora::new(&base.shape, base.layers.len(), settings.r, settings.alpha, &settings.targets);
            let bf16 = config.arithmetic.unwrap_or_default().kernel();
            let model = Qlora { base: &base, lora: &lora, bf16 };
            let trainer = Trainer::new(model, source.longest(), config.gradient_checkpointing);
            let base_name =
                file.path.file_name().map_or_else(|| base.name.clone(), |n| n.to_string_lossy().into_owned());
            learn(config, &Adapters { trainer, alpha: settings.alpha, base_name }, &source, &machine)
        }
        (None, None, Some(Architecture::Llama(shape))) => {
            let network = Network::new(shape);
            let source = Source::open(config, None, network.shape().limits())?;
            let trainer = Trainer::new(network, source.longest(), config.gradient_checkpointing);
            learn(config, &trainer, &source, &machine)
        }
        (None, None, Some(Architecture::Dpt(shape))) => {
            let dpt = Dpt::new(shape).map_err(|e| Error::Internal(format!("a template that was checked: {e}")))?;
            let limits = Limits { vocabulary: dpt.vocabulary(), context: dpt::CONTEXT };
            let source = Source::open(config, None, limits)?;
            learn(config, &dpt, &source, &machine)
        }
        _ => Err(Error::Internal("neither adapters nor a network were configured".into())),
    }
}

/// Resumes or begins the training of whatever it is that learns.
fn learn(config: &TrainConfig, learner: &dyn Learner, source: &Source, machine: &Machine) -> Result<()> {
    source.check(config, learner)?;
    files::create_folder(&config.output)?;
    claim(config, learner, source)?;
    let mut metrics = Metrics::open(&config.output.join(METRICS))?;
    match finished(&config.output, learner, &metrics)? {
        Finished::Yes(line) => return events::print(&line),
        Finished::Damaged(why) => eprintln!("{}: {why}; going on from a checkpoint", config.output.display()),
        Finished::No => {}
    }
    let result = machine.pool.install(|| train(config, learner, source, &mut metrics, machine));
    if let Err(error) = &result {
        metrics.record(&Event::error(error))?;
    }
    metrics.sync()?;
    result
}

fn train(
    config: &TrainConfig,
    learner: &dyn Learner,
    source: &Source,
    metrics: &mut Metrics,
    machine: &Machine,
) -> Result<()> {
    let fresh = || {
        let (parameters, optimizer) = (learner.initial(config.seed), AdamW::new(learner.parameters()));
        (State { progress: Progress::default(), parameters, optimizer }, Mark::default())
    };
    let (mut state, mark) = checkpoint::newest(&config.output, learner, metrics)?.unwrap_or_else(fresh);
    metrics.cut(&mark)?;
    let mut saved_at = state.progress.step;
    metrics.emit(&Event::Start {
        parameters: learner.weights(),
        trainable: learner.parameters(),
        examples: source.examples(config) as usize,
        resumed_from: saved_at,
        steps: config.steps,
        arithmetic: config.arithmetic.unwrap_or_default().name(),
        kernel: learner.kernel().map(Kernel::name),
    })?;

    let mut gradient = Vec::new();
    let mut made = source.make(config, learner, state.progress.step)?;
    while state.progress.step < config.steps {
        if machine.stop.load(Ordering::Relaxed) {
            if saved_at != state.progress.step {
                save_checkpoint(config, learner, &state, metrics)?;
            }
            return Err(Error::Stopped { step: state.progress.step });
        }
        let started = Instant::now();
        let step = state.progress.step + 1;
        let batch = source.batch(config, &made, step - 1);

        // The next step's examples are made meanwhile.
        let (loss, next) = rayon::join(
            || learner.loss_and_gradient(&state.parameters, &batch, &mut gradient),
            || source.make(config, learner, step),
        );
        let mean = loss.sum / loss.labels as f64;
        let norm = optimizer::norm(&gradient);
        finite(step, "loss", mean)?;
        finite(step, "gradient norm", norm)?;
        let scale = optimizer::clip(norm, config.optimizer.max_grad_norm);
        let lr = optimizer::learning_rate(&config.optimizer, step, config.steps);
        state.optimizer.update(&config.optimizer, step, lr, scale, &gradient, &mut state.parameters);

        let seconds = started.elapsed().as_secs_f64();
        let tokens: usize = batch.iter().map(|e| e.ids.len()).sum();
        let progress = &mut state.progress;
        progress.step = step;
        progress.tokens += tokens as u64;
        progress.seconds += seconds;
        progress.flops += learner.necessary_flops(&batch);
        progress.loss = mean;
        metrics.emit(&Event::Step {
            step,
            loss: mean,
            accuracy: loss.correct as f64 / loss.labels as f64,
            grad_norm: norm,
            lr,
            tokens: tokens as u64,
            labels: loss.labels,
            seconds,
            tokens_per_second: tokens as f64 / seconds,
        })?;
        made = next?;
        if step % config.checkpoint_every == 0 {
            save_checkpoint(config, learner, &state, metrics)?;
            saved_at = step;
        }
    }
    finish(config, learner, source, &state, machine.peak, metrics)
}

fn finite(step: u64, what: &'static str, value: f64) -> Result<()> {
    if value.is_finite() { Ok(()) } else { Err(Error::NotFinite { step, what }) }
}

fn save_checkpoint(config: &TrainConfig, learner: &dyn Learner, state: &State, metrics: &mut Metrics) -> Result<()> {
    // The line first: the metrics up to it are a part of the checkpoint.
    let said = Event::Checkpoint { step: state.progress.step, path: checkpoint::name(state.progress.step) };
    metrics.record(&said)?;
    metrics.sync()?;
    checkpoint::save(&config.output, state, learner, &metrics.mark())?;
    events::print(&said.line())
}

/// Writes the folder of what was learned, then the `done` line that a later start repeats.
fn finish(
    config: &TrainConfig,
    learner: &dyn Learner,
    source: &Source,
    state: &State,
    peak: f64,
    metrics: &mut Metrics,
) -> Result<()> {
    let mut contents = learner.files(&state.parameters)?;
    let mut made_from = json!({
        "contract": CONTRACT,
        "backend": BACKEND,
        "versions": { "tiresias-train": env!("CARGO_PKG_VERSION") },
        "data": { "sha256": source.sha256(), "examples": source.examples(config) },
        "steps": state.progress.step,
        "seed": config.seed,
    });
    let (name, origin) = learner.origin();
    made_from[name] = origin;
    if let Some(kernel) = learner.kernel() {
        made_from["arithmetic"] = in_bf16(kernel);
    }
    let about = about(made_from, &contents);
    contents.push((ABOUT, about));
    let adapter: BTreeMap<_, _> = contents.iter().map(|(name, bytes)| (*name, files::sha256(bytes))).collect();
    files::write_folder(&config.output.join(learner.folder()), &contents)?;
    let Progress { step, tokens, seconds, flops, loss } = state.progress;
    let done = Event::Done {
        step,
        adapter: learner.folder().into(),
        loss,
        tokens,
        seconds,
        tokens_per_second: tokens as f64 / seconds,
        matmul_share: flops / seconds / 1e9 / peak,
        peak_rss_bytes: events::peak_rss_bytes(),
    };
    // The metrics first: where the word is kept, everything that it speaks of is there.
    metrics.record(&done)?;
    metrics.sync()?;
    let word = json!({ "line": done.line(), "adapter": adapter, "metrics": metrics.mark() });
    files::write(&config.output.join(DONE), &files::seal(&word))?;
    events::print(&done.line())
}

/// Whether an earlier start came to the end.
enum Finished {
    No,
    /// With its `done` line.
    Yes(String),
    /// It did, but what it left was changed since.
    Damaged(String),
}

fn finished(output: &Path, learner: &dyn Learner, metrics: &Metrics) -> Result<Finished> {
    #[derive(serde::Deserialize)]
    struct Word {
        line: String,
        adapter: BTreeMap<String, String>,
        metrics: Mark,
    }
    let Some(bytes) = files::read_if_present(&output.join(DONE))? else { return Ok(Finished::No) };
    let word = files::unseal(&bytes).and_then(|word| serde_json::from_value::<Word>(word).map_err(|e| e.to_string()));
    let word = match word {
        Ok(word) => word,
        Err(why) => return Ok(Finished::Damaged(format!("`{DONE}` {why}"))),
    };
    let folder = learner.folder();
    for (name, sha256) in &word.adapter {
        if files::read_if_present(&output.join(folder).join(name))?.is_none_or(|bytes| files::sha256(&bytes) != *sha256)
        {
            return Ok(Finished::Damaged(format!("`{folder}/{name}` is missing or damaged")));
        }
    }
    if metrics.mark() != word.metrics {
        return Ok(Finished::Damaged(format!("`{METRICS}` is damaged")));
    }
    Ok(Finished::Yes(word.line))
}

/// Makes the output folder this run's, or refuses if it is another's. Two runs are the same if whatever can change the outcome is:
/// contents of files rather than their paths, and not the threads or how often checkpoints are written; f32 says nothing of itself, and
/// bf16 which instructions it is computed with.
fn claim(config: &TrainConfig, learner: &dyn Learner, source: &Source) -> Result<()> {
    let mut identity = serde_json::to_value(config).map_err(|e| Error::Internal(e.to_string()))?;
    if let Some(fields) = identity.as_object_mut() {
        fields.retain(|name, _| !["output", "threads", "checkpoint_every", "arithmetic"].contains(&name.as_str()));
        // Its models are named by their hash in the specifications.
        if let Some(stream) = fields.get_mut("stream").and_then(serde_json::Value::as_object_mut) {
            stream.remove("family_path");
        }
        fields.extend(learner.identity().map(|(name, value)| (name.to_owned(), value)));
        fields.extend(learner.kernel().map(|kernel| ("arithmetic".to_owned(), in_bf16(kernel))));
        // A stream's specifications are in the configuration.
        if config.stream.is_none() {
            fields.insert("data".into(), json!({ "sha256": source.sha256() }));
        }
    }
    let path = config.output.join(RUN);
    let Some(bytes) = files::read_if_present(&path)? else {
        return files::write(&path, &files::seal(&identity));
    };
    // A damaged one is nobody's, so that the first field differs.
    let earlier = files::unseal(&bytes).unwrap_or_default();
    let names =
        [&identity, &earlier].into_iter().filter_map(serde_json::Value::as_object).flat_map(|fields| fields.keys());
    match names.into_iter().find(|name| earlier.get(name.as_str()) != identity.get(name.as_str())) {
        None => Ok(()),
        Some(field) => Err(Error::OtherRun { output: config.output.clone(), field: field.clone() }),
    }
}

/// The arithmetic of a training in bf16: kernels add in different orders.
fn in_bf16(kernel: Kernel) -> serde_json::Value {
    json!({ "name": Arithmetic::Bf16.name(), "kernel": kernel.name() })
}

/// A flag that SIGTERM and SIGINT set.
fn stop_flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&flag))
            .map_err(Error::io("listen for", Path::new("signals")))?;
    }
    Ok(flag)
}
