//! Network monitoring: Littman (1996), in Cassandra, "Exact and approximate algorithms for partially observable Markov decision
//! processes" (Brown University, 1998).

use super::refused;
use super::sketch::{Row, Sketch, names};
use crate::{Model, ModelError};

/// Load levels of the published problem: 0, 20, …, 100 %.
const LEVELS: usize = 6;
const MOST_LEVELS: usize = 1000;
const REBOOT: usize = 3;

pub(super) fn from_text(parameters: Option<&str>) -> Result<Model, ModelError> {
    let Some(text) = parameters else { return model(LEVELS) };
    match text.parse() {
        Ok(levels) if (2..=MOST_LEVELS).contains(&levels) => model(levels),
        _ => Err(refused(text, format!("does not say a number of load levels, 2 to {MOST_LEVELS} (default {LEVELS})"))),
    }
}

/// The load takes a random step whose spread depends on how far traffic is restricted, and beyond full load the network crashes
/// until it is rebooted, which costs 40. A period at a load of x % earns x - 20, one in a crash -20. Above half load a ping
/// fails with the probability by which the load exceeds one half; in a crash always.
fn model(levels: usize) -> Result<Model, ModelError> {
    let crash = levels;
    let percent = |level: usize| 100.0 * level as f64 / (levels - 1) as f64;
    let label = |level: usize| format!("load-{:03}", percent(level).round());
    let states: Vec<String> = (0..levels).map(label).chain(["crash".into()]).collect();
    let walk = |level: usize, steps: &[(i64, f64)]| -> Row {
        let to = |step: i64| (level as i64 + step).max(0).min(crash as i64) as usize;
        steps.iter().map(|&(step, p)| (to(step), p)).collect()
    };
    Sketch {
        name: if levels == LEVELS { "network".into() } else { format!("network:{levels}") },
        start: vec![1.0 / states.len() as f64; states.len()],
        states,
        actions: names(["unrestrict", "steady", "restrict", "reboot"]),
        observations: names(["up", "down"]),
        terminal: Vec::new(),
        next: |action, state| match action {
            REBOOT => vec![(0, 1.0)],
            _ if state == crash => vec![(crash, 1.0)],
            0 => walk(state, &[(-2, 0.1), (-1, 0.1), (0, 0.3), (1, 0.3), (2, 0.1), (3, 0.1)]),
            1 => walk(state, &[(-2, 0.1), (-1, 0.2), (0, 0.4), (1, 0.2), (2, 0.1)]),
            // Restricting sheds much at once now and then, more of a load of 80 % or above.
            _ => {
                let shed = if percent(state) >= 80.0 { -4 } else { -3 };
                walk(state, &[(shed, 0.1), (-2, 0.1), (-1, 0.3), (0, 0.3), (1, 0.1), (2, 0.1)])
            }
        },
        seen: |_, state| {
            // One division, so that tenths stay tenths.
            let down = if state == crash { 1.0 } else { (percent(state) - 50.0).max(0.0) / 100.0 };
            vec![(0, 1.0 - down), (1, down)]
        },
        reward: |action, state, _| match action {
            REBOOT => -40.0,
            _ if state == crash => -20.0,
            _ => percent(state) - 20.0,
        },
    }
    .build()
}
