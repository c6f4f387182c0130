//! Feeds broken models (in all three formats) and policies (in all four) to their readers.
//!
//! `cargo run --release -p tiresias-solve --example fuzz -- --seconds 60 --seed 1 FILE…`
//!
//! Each file is a model; without one, small models in every format are broken. The test-suite does the same, for a shorter time.

#[path = "../tests/common/subjects.rs"]
mod subjects;
#[path = "../tests/common/whole.rs"]
mod whole;

fn main() {
    tiresias_fuzz::run(|files| {
        let given = files.iter().map(|path| (path.clone(), std::fs::read(path).expect(path)));
        let models: Vec<_> = if files.is_empty() { whole::models() } else { given.collect() };
        models.into_iter().flat_map(|(name, bytes)| subjects::subjects(&name, bytes)).collect()
    });
}
