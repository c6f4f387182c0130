//! Loads model files and says what is in them, how long it took and the memory it peaked at:
//! `cargo run --release -p tiresias-model --example load -- FILE…`

use std::time::Instant;

use tiresias_model::Model;
use tiresias_model::format::ReadOptions;

fn main() {
    for path in std::env::args().skip(1) {
        let start = Instant::now();
        let loaded = Model::from_file(&path, &ReadOptions::default());
        let seconds = start.elapsed().as_secs_f64();
        match loaded {
            Err(error) => println!("{path}: {seconds:.3} s\n{error}"),
            Ok(loaded) => {
                let (model, dynamics) = (&loaded.model, &loaded.model.dynamics()[0]);
                let observations = model.observations().map_or(0, tiresias_model::Space::len);
                println!(
                    "{path}: {seconds:.3} s, peak {:.0} MB; {} states, {} actions, {observations} observations, {} + {} entries",
                    peak_megabytes(),
                    model.states().len(),
                    model.actions().len(),
                    dynamics.transition.entries(),
                    dynamics.observation.as_ref().map_or(0, tiresias_model::Kernel::entries),
                );
                let start = Instant::now();
                if let Some(cells) = tiresias_model::observed_component(model) {
                    let cells = cells.iter().max().map_or(0, |last| last + 1);
                    println!("  {cells} observed parts, found in {:.3} s", start.elapsed().as_secs_f64());
                }
                loaded.warnings.iter().for_each(|warning| println!("{warning}"));
            }
        }
    }
}

/// The largest resident set so far, where the system tells.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|kib| kib.split_whitespace().next()?.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib * 1024.0 / 1e6)
}
