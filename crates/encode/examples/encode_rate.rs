//! How fast examples become ids, beside the floor that the machine's memory sets and the tokenizer that it replaces.
//!
//! `cargo run --release -p tiresias-encode --example encode_rate -- [--json] [--gguf MODEL [--tokenizers]] [--export FOLDER]`
//!
//! Every id costs four bytes, its label four more; a step reads thirteen (observation, action, reward). The floor is the
//! time to write as many bytes over the same buffers with a fill, which is as fast as a core writes. Figures are medians;
//! encoding and the fill take turns.
//!
//! With `--tokenizers` the same examples as text go through the `tokenizers` crate with the model's vocabulary too, on one
//! thread, and must give the same ids. `--export` writes texts and ids for tokenizers in other languages; `--json` prints one object.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tiresias_encode::{
    BpeTokenizer, CompactTokenizer, Dims, Encoder, ExampleText, LossOn, Template, Tokenizer, Trajectory,
};

const EXAMPLES: usize = 2048;
const SUPPORT: usize = 4;
const HORIZON: usize = 20;
const ROUNDS: usize = 25;
/// Of the tokenizer, which takes a thousand times as long.
const TOKENIZER_ROUNDS: usize = 3;

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[derive(Default)]
struct Options {
    json: bool,
    tokenizers: bool,
    gguf: Option<PathBuf>,
    export: Option<PathBuf>,
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut path = || arguments.next().map(PathBuf::from).ok_or_else(|| format!("{argument}: a path must follow"));
        match argument.as_str() {
            "--json" => options.json = true,
            "--tokenizers" => options.tokenizers = true,
            "--gguf" => options.gguf = Some(path()?),
            "--export" => options.export = Some(path()?),
            other => {
                let expected = "--json, --gguf MODEL, --tokenizers or --export FOLDER";
                return Err(format!("unknown argument {other:?}: expected {expected}"));
            }
        }
    }
    Ok(options)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    let template = Template::default();
    let dims = Dims { observations: 10, actions: 3 };
    let pretrained = options.gguf.as_deref().map(BpeTokenizer::from_gguf).transpose()?;
    // Without a model file: one id for a digit, one for a literal, as with SmolLM2 but for the longer markers.
    let compact = CompactTokenizer::new(std::slice::from_ref(&template))?;
    let tokenizer = pretrained.as_ref().map_or(&compact as &dyn Tokenizer, |tokenizer| tokenizer);
    let encoder = Encoder::compile(&template, tokenizer, dims)?;

    // A cheap generator of states, so that branches and table rows are not always the same.
    let mut state = 1_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let steps = EXAMPLES * (SUPPORT + 1) * HORIZON;
    let observations: Vec<i32> = (0..steps).map(|_| draw(10) as i32).collect();
    let actions: Vec<u8> = (0..steps).map(|_| draw(3) as u8).collect();
    let rewards: Vec<f64> = (0..steps).map(|_| (draw(51) as f64 - 20.0) / 10.0).collect();
    let trajectories: Vec<Trajectory<'_>> = (0..steps / HORIZON)
        .map(|k| {
            let range = k * HORIZON..(k + 1) * HORIZON;
            Trajectory {
                observations: &observations[range.clone()],
                actions: &actions[range.clone()],
                rewards: &rewards[range],
            }
        })
        .collect();

    let (mut ids, mut labels) = (Vec::new(), Vec::new());
    let encode = |ids: &mut Vec<u32>, labels: &mut Vec<i32>| {
        ids.clear();
        labels.clear();
        for example in trajectories.chunks_exact(SUPPORT + 1) {
            let (support, query) = (&example[..SUPPORT], &example[SUPPORT]);
            encoder
                .push_example(support, query, query.actions, LossOn::Query, ids, labels)
                .expect("every value is in range");
        }
        black_box((&ids, &labels));
    };
    encode(&mut ids, &mut labels);
    let count = ids.len();
    let (encoded, mut copies, mut fills) = (ids.clone(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        copies.push(seconds(|| encode(&mut ids, &mut labels)));
        fills.push(seconds(|| {
            ids.fill(7);
            labels.fill(-100);
            black_box((&mut ids, &mut labels));
        }));
    }
    let (encode, fill) = (median(copies), median(fills));

    let mut texts = Vec::with_capacity(EXAMPLES);
    for example in trajectories.chunks_exact(SUPPORT + 1) {
        let mut text = ExampleText::default();
        encoder.write_text(&example[..SUPPORT], &example[SUPPORT], &mut text)?;
        texts.push(text.whole());
    }
    let characters: usize = texts.iter().map(String::len).sum();
    let tokenize = pretrained.as_ref().filter(|_| options.tokenizers).map(|tokenizer| {
        let whole = |text: &String| tokenizer.encode(text).expect("the tokenizer takes any text");
        assert!(encoded.iter().eq(texts.iter().flat_map(whole).collect::<Vec<_>>().iter()), "both give the same ids");
        let all = || texts.iter().for_each(|text| drop(black_box(whole(text))));
        median((0..TOKENIZER_ROUNDS).map(|_| seconds(all)).collect())
    });
    if let Some(folder) = &options.export {
        export(folder, &texts, &encoded)?;
    }

    let rate = |seconds: f64| count as f64 / seconds;
    if options.json {
        let object = serde_json::json!({
            "unit": "ids/s", "threads": 1, "ids": count, "text_bytes": characters, "tokenizer": tokenizer.name(),
            "encode": rate(encode), "floor": rate(fill), "tokenizers": tokenize.map(rate),
        });
        println!("{object}");
        return Ok(());
    }
    let line = |name: &str, seconds: f64, remark: &str| {
        println!("{name:<10} {:8.1} million ids/s  {remark}", rate(seconds) / 1e6);
    };
    println!(
        "{EXAMPLES} examples of {SUPPORT} + 1 trajectories of {HORIZON} steps, {}: {count} ids, {} bytes with labels",
        tokenizer.name(),
        8 * count
    );
    let million_steps = steps as f64 / encode / 1e6;
    line("encode", encode, &format!("{:.2} GB/s, {million_steps:.1} million steps/s", 8e-9 * rate(encode)));
    line("fill", fill, &format!("{:.2} GB/s, the floor: the same bytes, no thought", 8e-9 * rate(fill)));
    if let Some(tokenize) = tokenize {
        let (ratio, speed) = (tokenize / encode, characters as f64 / tokenize / 1e6);
        line("tokenizers", tokenize, &format!("{speed:.1} MB/s of text, the same ids {ratio:.0} times slower"));
    }
    println!("encoding takes {:.2} times the floor", encode / fill);
    Ok(())
}

/// Every example's text as a JSON list, and all ids in a row.
fn export(folder: &Path, texts: &[String], ids: &[u32]) -> std::io::Result<()> {
    std::fs::write(folder.join("texts.json"), serde_json::to_string(texts)?)?;
    std::fs::write(folder.join("ids.json"), serde_json::to_string(ids)?)
}
