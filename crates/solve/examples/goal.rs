//! Solves a DRN file for an objective: `cargo run -p tiresias-solve --example goal -- FILE 'Pmax=? [F "goal"]' GAP SECONDS`.

use std::error::Error;
use std::time::Duration;

use tiresias_model::Explicit;
use tiresias_solve::{Limits, no_hook, solve_goal};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, objective, gap, seconds] = &arguments[..] else {
        return Err("give FILE, OBJECTIVE, GAP and SECONDS".into());
    };
    let (model, warnings) = Explicit::from_file(file)?;
    warnings.iter().for_each(|warning| eprintln!("{warning}"));
    let time = Some(Duration::from_secs_f64(seconds.parse()?));
    let limits = Limits { time, ..Limits::with_gap(gap.parse()?) };
    let solution = solve_goal(&model, &objective.parse()?, &limits, &no_hook)?;
    println!(
        "[{}, {}] {} after {:.3} s, {} rounds, {} beliefs; the policy has {} nodes and begins with {}",
        solution.lower,
        solution.upper,
        solution.stopped.name(),
        solution.stats.seconds,
        solution.stats.iterations,
        solution.stats.points,
        solution.policy.nodes.len(),
        solution.policy.first_action(&model).unwrap_or("no certain action"),
    );
    Ok(())
}
