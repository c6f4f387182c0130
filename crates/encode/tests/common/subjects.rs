//! Whole files of every kind that this crate reads, with what reads them: GGUF headers, `tokenizer.json`, shards in each format.

use std::path::{Path, PathBuf};

use tiresias_encode::{BpeTokenizer, GgufMetadata, Row, ShardFormat, ShardWriter, Task, Tokenizer, read_shard};
use tiresias_fuzz::{Answer, Subject, refused};

/// As Hugging Face writes it: byte pairs, and nothing around them.
pub const TOKENIZER: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
"pre_tokenizer":null,"post_processor":null,"decoder":null,"model":{"type":"BPE","dropout":null,"unk_token":null,
"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,
"vocab":{"a":0,"b":1,"1":2,"2":3,"ab":4,"12":5},"merges":["a b","1 2"]}}"#;

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A GGUF header with a small tokenizer.
fn gguf() -> Vec<u8> {
    let texts = |list: &[&str]| {
        let count = (list.len() as u64).to_le_bytes();
        let items = list.iter().flat_map(|item| text(item));
        [&8_u32.to_le_bytes()[..], &count].concat().into_iter().chain(items).collect::<Vec<u8>>()
    };
    let entry = |key: &str, kind: u32, value: Vec<u8>| [text(key), kind.to_le_bytes().to_vec(), value].concat();
    let entries = [
        entry("general.name", 8, text("small")),
        entry("some.number", 10, 7_u64.to_le_bytes().to_vec()),
        entry("tokenizer.ggml.model", 8, text("gpt2")),
        entry("tokenizer.ggml.pre", 8, text("smollm")),
        entry("tokenizer.ggml.tokens", 9, texts(&["a", "b", "ab", "1", "2", "12"])),
        entry("tokenizer.ggml.merges", 9, texts(&["a b", "1 2"])),
    ];
    let head =
        [&b"GGUF"[..], &3_u32.to_le_bytes(), &7_u64.to_le_bytes(), &(entries.len() as u64).to_le_bytes()].concat();
    [head, entries.concat()].concat()
}

fn of_tokenizer(tokenizer: &BpeTokenizer) -> Answer {
    match tokenizer.encode("ab12") {
        Ok(_) => Ok(true),
        Err(error) => refused(&error.to_string()),
    }
}

fn row(i: u64) -> Row {
    Row {
        input_ids: (0..12 + i as u32).collect(),
        labels: (0..12 + i as i32).map(|l| if l % 3 == 1 { l } else { -100 }).collect(),
        prompt: "mdp\n#\n".into(),
        completion: format!("{i},1,20\n"),
        task: Task { family: "energy".into(), split: "train".into(), index: i, seed: 7 },
        regime: "mdp".into(),
        horizon: 4,
        behaviour: "oracle".into(),
        oracle_actions: vec![0, 1, 2, 3],
        regret_bounds: vec![0.0, 0.25, 1e-17, 3.5],
        tokenizer_sha: "a".repeat(64),
        template_sha: "b".repeat(64),
    }
}

/// `folder` is for the files that are read by their path.
pub fn subjects(folder: &Path) -> Vec<Subject> {
    let mut subjects = vec![
        Subject::new("small.gguf", gguf(), |bytes| {
            match GgufMetadata::read(bytes, bytes.len() as u64, Path::new("small.gguf")) {
                Ok(metadata) => match BpeTokenizer::from_metadata(&metadata, Path::new("small.gguf")) {
                    Ok(tokenizer) => of_tokenizer(&tokenizer),
                    Err(error) => refused(&error.to_string()),
                },
                Err(error) => refused(&error.to_string()),
            }
        }),
        Subject::new("tokenizer.json", TOKENIZER.into(), |bytes| {
            match BpeTokenizer::from_json_bytes(bytes, "tokenizer.json") {
                Ok(tokenizer) => of_tokenizer(&tokenizer),
                Err(error) => refused(&error.to_string()),
            }
        }),
    ];
    for format in [ShardFormat::Parquet, ShardFormat::Jsonl, ShardFormat::Safetensors] {
        let path = folder.join(format!("shard.{}", format.extension()));
        let mut writer = ShardWriter::create(&path, format).expect("a folder that can be written to");
        (0..20).for_each(|i| writer.push(&row(i).borrowed()).expect("a row"));
        writer.finish().expect("a shard");
        let bytes = std::fs::read(&path).expect("it was written");
        let name = format!("shard.{}", format.extension());
        subjects.push(Subject::new(name, bytes, move |bytes| of_shard(&path, bytes)));
    }
    subjects
}

fn of_shard(path: &PathBuf, bytes: &[u8]) -> Answer {
    std::fs::write(path, bytes).map_err(|e| e.to_string())?;
    match read_shard(path) {
        // A reader goes on until its first error.
        Ok(rows) => match rows.take(100_000).find_map(Result::err) {
            None => Ok(true),
            Some(error) => refused(&error.to_string()),
        },
        Err(error) => refused(&error.to_string()),
    }
}
