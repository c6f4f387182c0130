//! The Decision-Pretrained Transformer: its network against GPT-2 of Hugging Face, its reading against the encoder, and as a process.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;
use std::process::{Command, Stdio};

use candle_core::{Device, Tensor, Var};
use serde::Deserialize;
use serde_json::{Value, json};
use tiresias_encode::{CompactTokenizer, Dims, Encoder, LossOn, QueryReward, Template, Trajectory};
use tiresias_train::config::{DptConfig, OptimizerConfig, Schedule};
use tiresias_train::dpt::Dpt;
use tiresias_train::dpt_network::{DptNetwork, Pass, Tokens};
use tiresias_train::gradient::Example;
use tiresias_train::learner::Learner;
use tiresias_train::optimizer::AdamW;
use tiresias_train::rng::Rng;
use tiresias_train::transitions::{Reader, Step};

use crate::support::{Toy, assert_close, lines, read, refused, run_until};

#[derive(Deserialize)]
struct Reference {
    logits: Vec<Vec<f32>>,
    loss: f64,
    gradients: BTreeMap<String, Vec<f32>>,
}

/// Logits, loss and gradients of the setting of `tests/data/dpt.py`; `PyTorch` computed it in f64.
#[test]
fn the_network_is_gpt_2() {
    let reference: Reference = serde_json::from_str(include_str!("../data/dpt.json")).unwrap();
    let config = DptConfig { observations: 4, actions: 3, layers: 2, hidden: 8, heads: 2, ..DptConfig::default() };
    let network = DptNetwork::new(&config);
    let mut parameters = Vec::new();
    for tensor in network.layout().tensors() {
        let norm = tensor.name.contains(".ln_") && tensor.name.ends_with("weight");
        let value = |i: usize| (12.9898 * i as f64 + 1.0).sin();
        parameters.extend(tensor.at.clone().map(|i| if norm { 1.0 + 0.2 * value(i) } else { 0.6 * value(i) } as f32));
    }
    let sequences: Vec<Range<usize>> = vec![0..5, 5..6, 6..13];
    let mut tokens = Tokens::default();
    for row in 0..13 {
        tokens.push((0..network.inputs()).map(|i| (i, (0.7 * (row * network.inputs() + i) as f64).cos() as f32)));
    }
    let (weights, mut pass) = (network.fold(&parameters), Pass::default());
    pass.forward(&network, &weights, &tokens, &sequences, true);
    // Narrow norms amplify rounding: PyTorch in f32 is 7e-5 from itself in f64, and 1.3e-3 in its gradients.
    assert_close(&pass.logits().concat(), &reference.logits.concat(), 1e-4);

    let loss = pass.cross_entropy(&[2, 0, 1], 3).sum / 3.0;
    assert!((loss - reference.loss).abs() < 2e-6, "{loss} and {}", reference.loss);
    let mut gradient = vec![0.0; network.gradients()];
    pass.backward(&network, &weights, &tokens, &mut gradient);
    let gradient = network.unfold(&parameters, &gradient);
    assert_eq!(network.layout().tensors().len(), reference.gradients.len());
    for tensor in network.layout().tensors() {
        let expected = &reference.gradients[&tensor.name];
        let largest = expected.iter().fold(0f32, |a, b| a.max(b.abs()));
        for (ours, theirs) in gradient[tensor.at.clone()].iter().zip(expected) {
            // The bias of the keys has none: a softmax does not see it.
            assert!((ours - theirs).abs() < 3e-3 * largest.max(1e-3), "{}: {ours} and {theirs}", tensor.name);
        }
    }
}

/// Some sequences, and the network at some parameters, far from the first ones so that every part counts.
struct Setting {
    network: DptNetwork,
    config: DptConfig,
    parameters: Vec<f32>,
    tokens: Vec<Vec<f32>>,
    sequences: Vec<Range<usize>>,
    labels: Vec<usize>,
}

impl Setting {
    fn new(hidden: usize, heads: usize, layers: usize, lengths: &[usize]) -> Self {
        let config = DptConfig { observations: 4, actions: 5, layers, hidden, heads, ..DptConfig::default() };
        let network = DptNetwork::new(&config);
        let mut rng = Rng::new(&[7, hidden as u64]);
        let parameters = network.initial(3).iter().map(|x| x + 0.1 * rng.bell()).collect();
        let mut end = 0;
        let sequence = |n: &usize| {
            end += n;
            end - n..end
        };
        let sequences = lengths.iter().map(sequence).collect();
        let tokens = (0..end).map(|_| (0..network.inputs()).map(|_| rng.bell()).collect()).collect();
        let labels = lengths.iter().map(|_| rng.below(5)).collect();
        Self { network, config, parameters, tokens, sequences, labels }
    }

    fn ours(&self, parameters: &[f32]) -> (f64, Vec<f32>) {
        let (weights, mut pass) = (self.network.fold(parameters), Pass::default());
        let mut tokens = Tokens::default();
        self.tokens.iter().for_each(|token| tokens.push(token.iter().copied().enumerate()));
        pass.forward(&self.network, &weights, &tokens, &self.sequences, true);
        let loss = pass.cross_entropy(&self.labels, self.labels.len()).sum / self.labels.len() as f64;
        let mut gradient = vec![0.0; self.network.gradients()];
        pass.backward(&self.network, &weights, &tokens, &mut gradient);
        (loss, self.network.unfold(parameters, &gradient))
    }

    /// The same in f64, whose derivatives candle records.
    fn recorded(&self, parameters: &[f32]) -> (f64, Vec<f32>) {
        self.record(parameters).unwrap()
    }

    fn record(&self, parameters: &[f32]) -> candle_core::Result<(f64, Vec<f32>)> {
        let (cpu, width) = (Device::Cpu, self.config.hidden);
        let mut variables = BTreeMap::new();
        for tensor in self.network.layout().tensors() {
            let values: Vec<f64> = parameters[tensor.at.clone()].iter().map(|x| f64::from(*x)).collect();
            variables.insert(tensor.name.clone(), Var::from_vec(values, tensor.dims.clone(), &cpu)?);
        }
        let of = |name: &str, part: &str| variables[&format!("{name}.{part}")].as_tensor();
        let affine = |name: &str, x: &Tensor| x.matmul(of(name, "weight"))?.broadcast_add(of(name, "bias"));
        let norm = |name: &str, x: &Tensor| {
            let x = x.broadcast_sub(&x.mean_keepdim(1)?)?;
            let deviation = (x.sqr()?.mean_keepdim(1)? + 1e-5)?.sqrt()?;
            x.broadcast_div(&deviation)?.broadcast_mul(of(name, "weight"))?.broadcast_add(of(name, "bias"))
        };
        let mut total = Tensor::new(0f64, &cpu)?;
        for (rows, &label) in self.sequences.iter().zip(&self.labels) {
            let n = rows.len();
            let numbers: Vec<f64> = self.tokens[rows.clone()].concat().iter().map(|x| f64::from(*x)).collect();
            let mut x = affine("embed_transition", &Tensor::from_vec(numbers, (n, self.network.inputs()), &cpu)?)?;
            let unseen = (0..n * n).map(|i| if i % n > i / n { f64::NEG_INFINITY } else { 0.0 }).collect();
            let unseen = Tensor::from_vec(unseen, (1, n, n), &cpu)?;
            for layer in 0..self.config.layers {
                let name = |part: &str| format!("transformer.h.{layer}.{part}");
                let qkv = affine(&name("attn.c_attn"), &norm(&name("ln_1"), &x)?)?;
                let dim = width / self.config.heads;
                let part = |i| {
                    qkv.narrow(1, i * width, width)?.reshape((n, self.config.heads, dim))?.transpose(0, 1)?.contiguous()
                };
                let scores =
                    (part(0)?.matmul(&part(1)?.t()?.contiguous()?)? / (dim as f64).sqrt())?.broadcast_add(&unseen)?;
                let p = scores.exp()?;
                let p = p.broadcast_div(&p.sum_keepdim(2)?)?;
                let attended = p.matmul(&part(2)?)?.transpose(0, 1)?.reshape((n, width))?;
                x = (x + affine(&name("attn.c_proj"), &attended)?)?;
                let h = affine(&name("mlp.c_fc"), &norm(&name("ln_2"), &x)?)?;
                let inner = ((&h + (h.powf(3.0)? * 0.044_715)?)? * (2.0 / std::f64::consts::PI).sqrt())?;
                let active = ((&h * 0.5)? * (inner.tanh()? + 1.0)?)?;
                x = (x + affine(&name("mlp.c_proj"), &active)?)?;
            }
            let logits = affine("pred_actions", &norm("transformer.ln_f", &x)?)?;
            let loss = (logits.exp()?.sum_keepdim(1)?.log()? - logits.narrow(1, label, 1)?)?;
            total = (total + (loss.mean_all()? / self.labels.len() as f64)?)?;
        }
        let gradients = total.backward()?;
        let mut flat = Vec::new();
        for tensor in self.network.layout().tensors() {
            let gradient = gradients.get(variables[&tensor.name].as_tensor()).unwrap();
            flat.extend(gradient.flatten_all()?.to_vec1::<f64>()?.iter().map(|x| *x as f32));
        }
        Ok((total.to_scalar()?, flat))
    }
}

/// Of the published size and of sizes that fill no vector, by candle in f64: every length has its own last panel and tile, and the
/// exponentials of the last setting are too many to be kept.
#[test]
fn gradients_are_those_that_candle_records() {
    for (hidden, heads, layers, lengths) in [
        (32, 4, 4, vec![101, 3]),
        (32, 1, 2, vec![40, 16]),
        (20, 5, 2, vec![1, 8, 17, 130]),
        (3, 3, 1, vec![5, 33, 50]),
        (16, 16, 2, vec![560]),
    ] {
        let setting = Setting::new(hidden, heads, layers, &lengths);
        let (loss, gradient) = setting.ours(&setting.parameters);
        let (recorded, expected) = setting.recorded(&setting.parameters);
        assert!((loss / recorded - 1.0).abs() < 1e-6, "{hidden} wide: loss {loss} and {recorded}");
        let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        for tensor in setting.network.layout().tensors() {
            let (ours, theirs) = (&gradient[tensor.at.clone()], &expected[tensor.at.clone()]);
            let off = norm(&mut ours.iter().zip(theirs).map(|(a, b)| a - b));
            let size = norm(&mut theirs.iter().copied());
            // The bias of the keys is in that of the attention's map and has none: a softmax does not see it.
            assert!(off < 1e-5 * size, "{hidden} wide, {}: {off:e} of {size:e}", tensor.name);
        }
    }
}

/// The same optimiser on either gradient goes the same way.
#[test]
fn it_learns_as_with_the_gradients_that_candle_records() {
    let setting = Setting::new(16, 2, 2, &[9, 20, 14]);
    let settings = OptimizerConfig {
        lr: 3e-3,
        schedule: Schedule::Constant,
        warmup_steps: 0,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.01,
        max_grad_norm: 0.0,
    };
    let run = |ours: bool| -> Vec<f64> {
        let (mut parameters, mut optimizer) = (setting.parameters.clone(), AdamW::new(setting.parameters.len()));
        let step = |step| {
            let (loss, gradient) = if ours { setting.ours(&parameters) } else { setting.recorded(&parameters) };
            optimizer.update(&settings, step, settings.lr, 1.0, &gradient, &mut parameters);
            loss
        };
        (1..=30).map(step).collect()
    };
    let (ours, recorded) = (run(true), run(false));
    assert!(recorded[29] < 0.5 * recorded[0], "{recorded:?}");
    for (ours, recorded) in ours.iter().zip(&recorded) {
        assert!((ours / recorded - 1.0).abs() < 1e-3, "{ours} and {recorded}");
    }
}

/// Trajectories of two steps and of one, then a query; some observations missing.
fn example(template: &Template, support: usize, tokenizer: &CompactTokenizer) -> (Vec<u32>, Vec<i32>) {
    let dims = Dims { observations: 10, actions: 3 };
    let encoder = Encoder::compile(template, tokenizer, dims).unwrap();
    let [first, second] = [
        Trajectory { observations: &[-1, 7], actions: &[2, 0], rewards: &[1.5, -2.0] },
        Trajectory { observations: &[4], actions: &[1], rewards: &[0.0] },
    ];
    let query = Trajectory { observations: &[3, -1, 9], actions: &[0, 1, 2], rewards: &[0.3, 3.0, -0.1] };
    let (mut ids, mut labels) = (Vec::new(), Vec::new());
    let support = &[first, second][..support];
    encoder.push_example(support, &query, &[1, 2, 0], LossOn::Query, &mut ids, &mut labels).unwrap();
    (ids, labels)
}

/// What the encoder writes, the reader reads: with and without support, rewards shown and hidden, several regimes in one tokenizer.
#[test]
fn the_reader_reads_what_the_encoder_wrote() {
    let mdp = Template::for_regime("mdp", 10);
    let hidden = Template { query_reward: QueryReward::Hidden, ..Template::for_regime("pomdp", 10) };
    let templates = [mdp, hidden];
    let tokenizer = CompactTokenizer::new(&templates).unwrap();
    let reader = Reader::new(&templates).unwrap();
    let step = |observation: i32, action, reward: Option<f32>, first| {
        (usize::try_from(observation).ok(), Some(action), reward, first)
    };
    for template in &templates {
        let shown = template.query_reward == QueryReward::Shown;
        let rewards = |x| shown.then_some(x);
        let steps = [
            step(-1, 2, Some(1.5), true),
            step(7, 0, Some(-2.0), false),
            step(4, 1, Some(0.0), true),
            step(3, 0, rewards(0.3), true),
            step(-1, 1, rewards(3.0), false),
            step(9, 2, rewards(-0.1), false),
        ];
        for support in 0..3 {
            let (ids, labels) = example(template, support, &tokenizer);
            let found = reader.steps(&ids).unwrap();
            let seen: Vec<_> = found.iter().map(|s| (s.observation, s.action, s.reward, s.first)).collect();
            let skipped = [3, 1, 0][support];
            let expected = [&steps[..3 - skipped], &steps[3..]].concat();
            assert_eq!(seen, expected);
            // Actions stand where the encoder put its labels.
            let labelled: Vec<usize> = labels.iter().enumerate().filter(|(_, l)| **l >= 0).map(|(i, _)| i).collect();
            let query: Vec<usize> = found[found.len() - 3..].iter().map(|s| s.at).collect();
            assert_eq!(query, labelled);
            // Cut before an action, that action is to be chosen.
            let cut: Vec<Step> = reader.steps(&ids[..labelled[1]]).unwrap();
            assert_eq!((cut.len(), cut.last().unwrap().action), (found.len() - 1, None));
        }
    }
}

/// Each task has its own best action, shown by the rewards of the support alone: a network that ignores them can only guess.
fn family(count: usize, seed: u64) -> (DptConfig, Vec<Example>) {
    let template = Template::for_regime("mdp", 4);
    let tokenizer = CompactTokenizer::new(std::slice::from_ref(&template)).unwrap();
    let encoder = Encoder::compile(&template, &tokenizer, Dims { observations: 4, actions: 3 }).unwrap();
    let mut rng = Rng::new(&[seed]);
    let examples = (0..count).map(|_| {
        let best = rng.below(3) as u8;
        let mut draw = |n: usize| {
            let observations: Vec<i32> = (0..n).map(|_| rng.below(4) as i32).collect();
            let actions: Vec<u8> = (0..n).map(|_| rng.below(3) as u8).collect();
            let rewards: Vec<f64> = actions.iter().map(|&a| if a == best { 1.0 } else { -1.0 }).collect();
            (observations, actions, rewards)
        };
        let (support, query) = (draw(6), draw(3));
        let trajectory = |(o, a, r): &(Vec<i32>, Vec<u8>, Vec<f64>)| {
            // Leaked so that the borrowed trajectory may be returned; a test is short.
            Trajectory { observations: o.clone().leak(), actions: a.clone().leak(), rewards: r.clone().leak() }
        };
        let (mut ids, mut labels) = (Vec::new(), Vec::new());
        let (support, query) = (trajectory(&support), trajectory(&query));
        encoder.push_example(&[support], &query, &[best; 3], LossOn::Query, &mut ids, &mut labels).unwrap();
        Example { ids, labels: labels.iter().map(|&l| u32::try_from(l).ok()).collect() }
    });
    let examples = examples.collect();
    let config = DptConfig { templates: vec![template], observations: 4, actions: 3, ..DptConfig::default() };
    (config, examples)
}

/// Along each tensor's gradient, through reading, prefixes and means, the loss changes as it says; threads change no bit.
#[test]
fn gradients_match_finite_differences_and_threads_change_no_bit() {
    let (config, examples) = family(40, 3);
    let dpt = Dpt::new(&DptConfig { layers: 2, hidden: 16, heads: 2, ..config }).unwrap();
    let mut rng = Rng::new(&[9]);
    let parameters: Vec<f32> = dpt.initial(1).iter().map(|x| x + 0.2 * rng.bell()).collect();
    let batch: Vec<&Example> = examples.iter().collect();
    let loss = |parameters: &[f32], threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut gradient = Vec::new();
        let loss = pool.install(|| dpt.loss_and_gradient(parameters, &batch, &mut gradient));
        assert_eq!(loss.labels, 120);
        (loss.sum / 120.0, gradient)
    };
    let (mean, gradient) = loss(&parameters, 1);
    assert_eq!((mean, gradient.clone()), loss(&parameters, 3));
    for tensor in dpt.network().layout().tensors() {
        let norm = gradient[tensor.at.clone()].iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        assert!(norm > 1e-4, "{} has no gradient", tensor.name);
        let moved = |by: f64| {
            let mut moved = parameters.clone();
            tensor.at.clone().for_each(|i| moved[i] += (by * f64::from(gradient[i]) / norm) as f32);
            loss(&moved, 2).0
        };
        let h = 0.02;
        let slope = (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h);
        assert!((slope / norm - 1.0).abs() < 5e-3, "{}: slope {slope}, gradient {norm}", tensor.name);
    }
}

/// Told to learn from one decision of an example, it learns what it would from that label alone; which one, the ids say, and every
/// place has its turn. As many as there are is all of them.
#[test]
fn some_decisions_of_an_example_are_drawn_by_its_ids() {
    let (config, examples) = family(60, 5);
    let dpt = |decisions| Dpt::new(&DptConfig { layers: 1, hidden: 8, heads: 2, decisions, ..config.clone() }).unwrap();
    let (all, one, three) = (dpt(None), dpt(Some(1)), dpt(Some(3)));
    let parameters: Vec<f32> = all.initial(1);
    let step = |dpt: &Dpt, example: &Example| {
        let mut gradient = Vec::new();
        let loss = dpt.loss_and_gradient(&parameters, &[example], &mut gradient);
        (loss.sum, loss.labels, gradient, dpt.necessary_flops(&[example]))
    };
    let mut turns = [0; 3];
    for example in &examples {
        assert_eq!(step(&three, example), step(&all, example));
        let labelled: Vec<usize> = (0..example.ids.len()).filter(|&i| example.labels[i].is_some()).collect();
        let alone = labelled.iter().map(|&kept| {
            let labels = example.labels.iter().enumerate().map(|(i, label)| label.filter(|_| i == kept)).collect();
            step(&all, &Example { ids: example.ids.clone(), labels })
        });
        let drawn = step(&one, example);
        let same: Vec<usize> = alone.enumerate().filter(|(_, alone)| *alone == drawn).map(|(i, _)| i).collect();
        assert_eq!((same.len(), drawn.1), (1, 1), "one of the three, and which one is told apart");
        turns[same[0]] += 1;
    }
    assert!(turns.iter().all(|&turns| turns > 8), "{turns:?} of 60");
}

fn config(toy: &Toy, output: &str) -> Value {
    let (dpt, examples) = family(300, 1);
    toy.write_rows("data.jsonl", &examples);
    let mut config = toy.config(output);
    let fields = config.as_object_mut().unwrap();
    fields.remove("base");
    fields.remove("lora");
    let templates = json!(dpt.templates);
    fields.insert(
        "architecture".into(),
        json!({ "kind": "dpt", "templates": templates, "observations": 4, "actions": 3 }),
    );
    config["optimizer"]["lr"] = json!(0.003);
    config["steps"] = json!(120);
    config["batch_size"] = json!(16);
    config
}

fn model(toy: &Toy, output: &str) -> [Vec<u8>; 3] {
    ["model.safetensors", "config.json", "tiresias.json"].map(|name| read(toy.path(output).join("model").join(name)))
}

/// Learns from support that it never saw, in sessions: whole or step by step, and in whatever order the text tells it.
#[test]
fn it_learns_in_context_and_decides_in_sessions() {
    let toy = Toy::new();
    let said = lines(&toy.train(&config(&toy, "out")));
    let done = said.last().unwrap();
    assert_eq!((&done["event"], &done["adapter"]), (&json!("done"), &json!("model")), "{done}");

    let (_, fresh) = family(40, 2);
    let actions = |e: &Example| e.targets().map(|(row, label)| (row + 1, label)).collect::<Vec<_>>();
    let first = |e: &Example| e.ids[..actions(e)[0].0].to_vec();
    let (contexts, tails): (Vec<_>, Vec<_>) =
        fresh.iter().map(|e| (first(e), e.ids[actions(e)[0].0..actions(e)[2].0].to_vec())).unzip();
    let whole: Vec<_> = fresh.iter().map(|e| e.ids[..actions(e)[2].0].to_vec()).collect();
    let sessions: Vec<usize> = (0..fresh.len()).collect();
    let asked = [
        json!({ "id": 1, "op": "open", "contexts": contexts, "candidates": [0, 1, 2] }),
        json!({ "id": 2, "op": "extend", "sessions": sessions, "tokens": tails }),
        json!({ "id": 3, "op": "open", "contexts": whole, "candidates": [0, 1, 2] }),
        json!({ "id": 4, "op": "extend", "sessions": [0], "tokens": [[0]] }),
        json!({ "id": 5, "op": "open", "contexts": [contexts[0]], "candidates": [3] }),
        json!({ "id": 6, "op": "open", "contexts": [[200]], "candidates": [0] }),
        json!({ "id": 7, "op": "close", "sessions": [0, 1] }),
    ];
    let decider = json!({ "contract": 2, "backend": "candle", "model": toy.path("out/model"), "threads": 2 });
    let ask = |decider: &Value, input: String| {
        let mut command = toy.command("decide", decider);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    let answers = lines(&ask(&decider, asked.map(|line| line.to_string()).join("\n")));
    assert_eq!(answers[0]["event"], "ready");
    let rows = |answer: &Value| -> Vec<Vec<f64>> { serde_json::from_value(answer["logprobs"].clone()).unwrap() };
    // The support may miss the best action, with (2/3)⁶ = 0.09; then two are left.
    for answer in [&answers[1], &answers[2]] {
        let right = |(row, e): (&Vec<f64>, &Example)| {
            assert!((row.iter().map(|x| x.exp()).sum::<f64>() - 1.0).abs() < 1e-5, "{row:?} is no distribution");
            row.iter().all(|x| *x <= row[actions(e)[0].1 as usize])
        };
        let share = rows(answer).iter().zip(&fresh).filter(|pair| right((pair.0, pair.1))).count();
        assert!(share >= 36, "{share} of 40, where guessing has 13");
    }
    assert_eq!(answers[2]["logprobs"], answers[3]["logprobs"], "step by step differs from whole");
    for (answer, code) in [(4, "BAD_REQUEST"), (5, "BAD_TOKEN"), (6, "BAD_TOKEN")] {
        assert_eq!(answers[answer]["error"]["code"], code, "{}", answers[answer]);
    }
    assert_eq!(answers[7], json!({ "id": 7, "closed": 2 }));

    let path = toy.path("out/model/model.safetensors");
    let mut bytes = read(&path);
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    refused(&ask(&decider, String::new()), 4, "ADAPTER", &["model.safetensors", "damaged"]);
}

#[test]
fn killed_and_stopped_it_ends_with_the_same_bytes() {
    let toy = Toy::new();
    assert!(toy.train(&config(&toy, "whole")).status.success());
    let settings = config(&toy, "cut");
    let mut child = run_until(toy.command("train", &settings), "step", 6);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    let child = run_until(toy.command("train", &settings), "step", 20);
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    refused(&child.wait_with_output().unwrap(), 75, "STOPPED", &["run the same command again"]);
    assert!(toy.train(&settings).status.success());
    assert_eq!(model(&toy, "cut"), model(&toy, "whole"));
}

#[test]
fn what_it_cannot_read_is_refused() {
    let toy = Toy::new();
    let good = config(&toy, "out");
    for (field, value, words) in [
        ("templates", json!([]), ["architecture.templates", "must name"]),
        ("templates", json!([{ "header": "mdp1\n" }]), ["architecture.templates", "digit"]),
        ("observations", json!(0), ["architecture.observations", "must be"]),
        ("actions", json!(11), ["architecture.actions", "must be"]),
        ("hidden", json!(30), ["architecture.hidden", "multiple"]),
        ("decisions", json!(0), ["architecture.decisions", "at least 1"]),
        ("vocabulary", json!(14), ["vocabulary", "unknown field"]),
    ] {
        let mut wrong = good.clone();
        wrong["architecture"][field] = value;
        toy.refuses(&wrong, 2, "CONFIG", &words);
    }
    for (field, words) in [("observations", ["row 0", "holds observation"]), ("actions", ["row 0", "holds action"])] {
        let mut small = good.clone();
        small["architecture"][field] = json!(1);
        toy.refuses(&small, 4, "DATA", &words);
    }
    let (_, mut examples) = family(1, 1);
    examples[0].labels.rotate_left(1);
    toy.write_rows("data.jsonl", &examples);
    toy.refuses(&good, 4, "DATA", &["row 0", "does not stand at an action"]);
}
