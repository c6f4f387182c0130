//! Tasks a second of the families `energy` and `clinical`, built in and as documents, on one core.
//!
//! `cargo run --release -p tiresias-model --example family_rate` prints a table; `-- --json` prints one JSON object. A rate is the median of
//! repetitions, of the two in turn, so that whatever else the machine does falls on both.

use std::path::Path;
use std::time::{Duration, Instant};

use tiresias_model::family::{Family, Regime, TaskRequest, family, load};

/// Repetitions of each.
const REPETITIONS: usize = 9;
/// How long one takes, about.
const LONG: Duration = Duration::from_millis(300);

/// Tasks a second, from `first` on for as long as a repetition takes.
fn rate(family: &dyn Family, regime: Regime, first: u64) -> f64 {
    let start = Instant::now();
    let mut drawn = 0;
    while start.elapsed() < LONG {
        let (index, horizon) = (first + drawn, family.horizon());
        let request = TaskRequest { split: "train".into(), index, seed: 0, regime, horizon, models: 3, alpha: 1.0 };
        std::hint::black_box(family.task(&request).expect("a task"));
        drawn += 1;
    }
    drawn as f64 / start.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/families");
    let mut rows = Vec::new();
    for name in ["energy", "clinical"] {
        let document = family(&load(&folder.join(format!("{name}.json"))).expect("a document")).expect("a family");
        let built_in = family(name).expect("a family");
        for regime in [Regime::Mdp, Regime::Pomdp, Regime::Apomdp] {
            let (mut ours, mut its) = (Vec::new(), Vec::new());
            for repetition in 0..REPETITIONS {
                let first = repetition as u64 * 1_000_000;
                ours.push(rate(document.as_ref(), regime, first));
                its.push(rate(built_in.as_ref(), regime, first));
            }
            rows.push((name, regime, median(ours), median(its)));
        }
    }
    if json {
        let rows = rows.iter().map(|(name, regime, document, built_in)| {
            serde_json::json!({
                "family": name, "regime": regime.name(),
                "tasksPerSecond": { "document": document.round(), "builtIn": built_in.round() },
                "ratio": (built_in / document * 100.0).round() / 100.0,
            })
        });
        println!("{}", serde_json::json!({ "rows": rows.collect::<Vec<_>>() }));
        return;
    }
    println!("{:<10} {:<7} {:>12} {:>12} {:>6}", "family", "regime", "document/s", "built in/s", "ratio");
    for (name, regime, document, built_in) in rows {
        println!("{name:<10} {:<7} {document:>12.0} {built_in:>12.0} {:>6.2}", regime.name(), built_in / document);
    }
}
