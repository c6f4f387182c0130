//! Sessions: cached and whole, batched and single, merged and trained must all be one model.

use serde_json::{Value, json};
use tiresias_train::base::Module;
use tiresias_train::bf16::Kernel;
use tiresias_train::decide::Decider;
use tiresias_train::gradient::{Example, Trainer};
use tiresias_train::lora::Lora;
use tiresias_train::qlora::Qlora;
use tiresias_train::rng::Rng;
use tiresias_train::serve::answer;

use crate::support::{CONTEXT, Toy, VOCABULARY, assert_close, lines, random_parameters, refused};

fn ids(seed: u64, length: usize) -> Vec<u32> {
    let mut rng = Rng::new(&[seed]);
    (0..length).map(|_| u32::try_from(rng.below(VOCABULARY)).unwrap()).collect()
}

fn adapter(toy: &Toy) -> (Lora, Vec<f32>) {
    let base = toy.base();
    let lora = Lora::new(&base.shape, base.layers.len(), 4, 8.0, &Module::ALL);
    let parameters = random_parameters(lora.parameters(), 3, 0.3);
    (lora, parameters)
}

fn decider(toy: &Toy, threads: usize) -> Decider {
    decider_in(toy, None, threads)
}

fn decider_in(toy: &Toy, bf16: Option<Kernel>, threads: usize) -> Decider {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    Decider::new(toy.base(), Some(adapter(toy)), bf16, pool)
}

const CANDIDATES: [u32; 4] = [0, 5, 17, 47];

#[test]
fn opening_and_extending_equals_one_whole_context() {
    let mut decider = decider(&Toy::new(), 2);
    let whole = ids(1, 80);
    let (_, expected) = decider.open(std::slice::from_ref(&whole), &CANDIDATES).unwrap();
    for cuts in [&[1, 2, 3][..], &[40], &[79], &[10, 64, 65], &[5, 70, 79]] {
        let (session, _) = decider.open(&[whole[..cuts[0]].to_vec()], &CANDIDATES).unwrap();
        let ends = cuts[1..].iter().copied().chain([whole.len()]);
        let mut rows = Vec::new();
        for (&start, end) in cuts.iter().zip(ends) {
            rows = decider.extend(&session, &[whole[start..end].to_vec()]).unwrap();
        }
        assert_close(&rows[0], &expected[0], 1e-5);
    }
}

/// Contexts that begin alike, in groups within groups, some equal, some the beginning of others: what is shared does not show, neither at
/// once nor afterwards.
#[test]
fn shared_beginnings_equal_whole_contexts() {
    let toy = Toy::new();
    let task = |seed: u64| ids(seed, 40);
    let mut contexts = Vec::new();
    for (family, tasks) in [(1, [2, 3]), (4, [5, 6])] {
        for seed in tasks {
            for tail in [0, 1, 1, 7, 20] {
                contexts.push([ids(family, 25), task(seed), ids(10 + tail, tail as usize)].concat());
            }
        }
    }
    contexts.extend([ids(1, 25), ids(1, 1), ids(30, 9)]);
    let tails: Vec<Vec<u32>> = (0..contexts.len()).map(|i| ids(50 + i as u64, 1 + i % 3)).collect();
    let mut alone = decider(&toy, 1);
    let mut together = decider(&toy, 2);
    let (sessions, first) = together.open(&contexts, &CANDIDATES).unwrap();
    let second = together.extend(&sessions, &tails).unwrap();
    for (i, context) in contexts.iter().enumerate() {
        let (session, opened) = alone.open(std::slice::from_ref(context), &CANDIDATES).unwrap();
        assert_close(&first[i], &opened[0], 1e-5);
        assert_close(&second[i], &alone.extend(&session, &tails[i..=i]).unwrap()[0], 1e-5);
    }
    assert!(together.computed() < contexts.iter().chain(&tails).map(Vec::len).sum::<usize>() / 2);
}

/// In bf16 log-probabilities of about -4 are off by what rounding operands to 8 bits leaves, and the same bytes on one thread and on three,
/// whether those share sessions or one session's products.
#[test]
fn decisions_in_bf16_are_those_in_f32_but_for_rounding() {
    let toy = Toy::new();
    let contexts = [ids(1, 80), ids(2, 33), ids(3, 90)];
    let tails = [ids(4, 3), ids(5, 60), ids(6, 1)];
    let with = |bf16, threads| {
        let mut decider = decider_in(&toy, bf16, threads);
        let (sessions, mut rows) = decider.open(&contexts, &CANDIDATES).unwrap();
        rows.extend(decider.extend(&sessions, &tails).unwrap());
        rows.extend(decider.open(&contexts[..1], &CANDIDATES).unwrap().1);
        rows.concat()
    };
    let reference = with(None, 1);
    for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
        let one = with(Some(kernel), 1);
        assert_close(&one, &reference, 5e-2);
        assert_ne!(one, reference);
        assert_eq!(one, with(Some(kernel), 3), "{kernel}");
    }
}

/// Ragged contexts and ragged extensions in one request, on one thread and on three.
#[test]
fn batched_equals_single() {
    let toy = Toy::new();
    let contexts: Vec<Vec<u32>> = (0..9).map(|i| ids(i, 1 + 7 * i as usize)).collect();
    let tails: Vec<Vec<u32>> = (0..9).map(|i| ids(100 + i, 1 + (5 * i as usize) % 7)).collect();
    let mut alone = decider(&toy, 1);
    let single: Vec<[Vec<f32>; 2]> = contexts
        .iter()
        .zip(&tails)
        .map(|(context, tail)| {
            let (session, mut first) = alone.open(std::slice::from_ref(context), &CANDIDATES).unwrap();
            let mut second = alone.extend(&session, std::slice::from_ref(tail)).unwrap();
            [first.remove(0), second.remove(0)]
        })
        .collect();
    for threads in [1, 3] {
        let mut decider = decider(&toy, threads);
        let (sessions, first) = decider.open(&contexts, &CANDIDATES).unwrap();
        // In another order than they were opened, and not all of them.
        let order = [8, 0, 3, 5, 1];
        let picked: Vec<u64> = order.iter().map(|&i| sessions[i]).collect();
        let second = decider.extend(&picked, &order.map(|i| tails[i].clone())).unwrap();
        for i in 0..9 {
            assert_close(&first[i], &single[i][0], 1e-5);
        }
        for (row, &i) in second.iter().zip(&order) {
            assert_close(row, &single[i][1], 1e-5);
        }
    }
}

/// The decider's merged weights and the trainer's adapted ones give the same log-probability.
#[test]
fn merged_equals_training_forward() {
    let toy = Toy::new();
    let (base, (lora, parameters)) = (toy.base(), adapter(&toy));
    let trainer = Trainer::new(Qlora { base: &base, lora: &lora, bf16: None }, CONTEXT, false);
    let mut decider = decider(&toy, 2);
    for length in [2, 13, 70] {
        let context = ids(length as u64, length);
        let (_, rows) = decider.open(std::slice::from_ref(&context), &CANDIDATES).unwrap();
        for (candidate, logprob) in CANDIDATES.iter().zip(&rows[0]) {
            let mut example = Example { ids: context.clone(), labels: vec![None; length] };
            example.ids.push(0);
            example.labels.push(Some(*candidate));
            let loss = trainer.loss_and_gradient(&parameters, &[&example], &mut Vec::new());
            assert!((loss.sum + f64::from(*logprob)).abs() < 1e-4, "{} and {logprob}", loss.sum);
        }
    }
}

/// All candidates together are the whole distribution.
#[test]
fn probabilities_sum_to_one() {
    let mut decider = decider(&Toy::new(), 1);
    let all: Vec<u32> = (0..u32::try_from(VOCABULARY).unwrap()).collect();
    let (_, rows) = decider.open(&[ids(4, 30)], &all).unwrap();
    let total: f64 = rows[0].iter().map(|&x| f64::from(x).exp()).sum();
    assert!((total - 1.0).abs() < 1e-5, "{total}");
}

/// A refused request says why and leaves every session as it was.
#[test]
fn refusals_change_nothing() {
    let mut decider = decider(&Toy::new(), 2);
    let mut ask = |request: Value| answer(&mut decider, request.to_string().as_bytes());
    let opened = ask(json!({ "id": 1, "op": "open", "contexts": [ids(1, 9), ids(2, 9)], "candidates": CANDIDATES }));
    assert_eq!(opened["sessions"], json!([0, 1]));
    let long = ids(3, CONTEXT - 8);
    for (request, code) in [
        (json!({ "op": "extend", "sessions": [0, 7], "tokens": [[1], [1]] }), "UNKNOWN_SESSION"),
        (json!({ "op": "extend", "sessions": [0, 0], "tokens": [[1], [1]] }), "BAD_REQUEST"),
        (json!({ "op": "extend", "sessions": [0], "tokens": [[1], [1]] }), "BAD_REQUEST"),
        (json!({ "op": "extend", "sessions": [0, 1], "tokens": [[1], []] }), "BAD_REQUEST"),
        (json!({ "op": "extend", "sessions": [0, 1], "tokens": [[1], [VOCABULARY]] }), "BAD_TOKEN"),
        (json!({ "op": "extend", "sessions": [0, 1], "tokens": [[1], long] }), "TOO_LONG"),
        (json!({ "op": "extend", "sessions": [0], "tokens": [[-1]] }), "BAD_REQUEST"),
        (json!({ "op": "close", "sessions": [0, 9] }), "UNKNOWN_SESSION"),
        (json!({ "op": "open", "contexts": [[1], []], "candidates": [1] }), "BAD_REQUEST"),
        (json!({ "op": "open", "contexts": [[1]], "candidates": [] }), "BAD_REQUEST"),
        (json!({ "op": "open", "contexts": [[1]], "candidates": [VOCABULARY] }), "BAD_TOKEN"),
        (json!({ "op": "open", "contexts": [[1]], "candidates": [1], "surplus": 1 }), "BAD_REQUEST"),
        (json!({ "op": "dance" }), "BAD_REQUEST"),
        (json!([]), "BAD_REQUEST"),
    ] {
        let mut request = request;
        if let Some(fields) = request.as_object_mut() {
            fields.insert("id".into(), json!("mine"));
        }
        let reply = ask(request.clone());
        assert_eq!(reply["error"]["code"], code, "{request}: {reply}");
        assert!(!reply["error"]["message"].as_str().unwrap().is_empty());
        assert!(reply["id"] == "mine" || request.is_array());
    }
    let extended = ask(json!({ "id": 2, "op": "extend", "sessions": [0, 1], "tokens": [[3, 4], [5]] }));
    let fresh = |context: Vec<u32>, tail: &[u32]| [context, tail.to_vec()].concat();
    let whole = ask(json!({ "id": 3, "op": "open", "contexts": [fresh(ids(1, 9), &[3, 4]), fresh(ids(2, 9), &[5])],
                            "candidates": CANDIDATES }));
    assert_eq!(whole["sessions"], json!([2, 3]), "a refused open used up session ids");
    let floats = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect::<Vec<_>>();
    for i in 0..2 {
        assert_close(&floats(&extended["logprobs"][i]), &floats(&whole["logprobs"][i]), 1e-5);
    }
    assert_eq!(ask(json!({ "id": 4, "op": "close", "sessions": [0, 1, 2, 3] })), json!({ "id": 4, "closed": 4 }));
    assert_eq!(ask(json!({ "id": 5, "op": "close", "sessions": [0] }))["error"]["code"], "UNKNOWN_SESSION");
}

/// The process: trains an adapter, then serves it; the end of input ends it.
#[test]
fn the_process_serves_a_trained_adapter() {
    use std::io::Write as _;
    use std::process::Stdio;
    let toy = Toy::new();
    let mut config = toy.config("out");
    config["steps"] = json!(4);
    assert!(toy.train(&config).status.success());
    let ask = |config: &Value, input: &str| {
        let mut command = toy.command("decide", config);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // A refusing process may be gone before it reads.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    let mut config =
        json!({ "contract": 2, "backend": "candle", "base": { "path": toy.path("toy.gguf") }, "threads": 2 });
    let requests = "{\"id\":1,\"op\":\"open\",\"contexts\":[[1,2,3]],\"candidates\":[4,5]}\n\nnonsense\n\
                    {\"id\":3,\"op\":\"close\",\"sessions\":[0]}";
    let plain = ask(&config, requests);
    config["adapter"] = json!(toy.path("out/adapter"));
    let adapted = ask(&config, requests);
    for (output, has_adapter) in [(&plain, false), (&adapted, true)] {
        assert_eq!(output.status.code(), Some(0));
        let lines = lines(output);
        let ready = json!({ "event": "ready", "contract": 2, "vocabulary": 48, "context": 96, "adapter": has_adapter });
        assert_eq!(lines[0], ready);
        assert_eq!(lines[2]["error"]["code"], "BAD_REQUEST");
        assert_eq!(lines[3], json!({ "id": 3, "closed": 1 }));
        assert_eq!(lines.len(), 4);
    }
    assert_ne!(lines(&plain)[1]["logprobs"], lines(&adapted)[1]["logprobs"], "the adapter changes nothing");
    config["arithmetic"] = json!("bf16");
    let rounded = ask(&config, requests);
    assert_eq!(rounded.status.code(), Some(0));
    assert_ne!(lines(&rounded)[1]["logprobs"], lines(&adapted)[1]["logprobs"], "bf16 rounds nothing");
    config["adapter"] = json!(toy.path("nowhere"));
    refused(&ask(&config, ""), 4, "IO", &["nowhere", "adapter"]);
}
