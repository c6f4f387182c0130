//! Feeds broken GGUF headers, `tokenizer.json` files and shards in all three formats to their readers.
//!
//! `cargo run --release -p tiresias-encode --example fuzz -- --seconds 60 --seed 1`
//!
//! The test-suite does the same, for a shorter time.

#[path = "../tests/common/subjects.rs"]
mod subjects;

fn main() {
    let folder = std::env::temp_dir().join(format!("tiresias-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    tiresias_fuzz::run(|_| subjects::subjects(&folder));
}
