//! Cumulative ratios `ρ_t = Π_{s ≤ t} π(a_s | h_s) / μ(a_s | h_s)`, and how evenly they lie on the episodes.
//!
//! An episode that has ended keeps its last ratio at all later stages, as if it stayed where it is without earning (Thomas 2015): so
//! weights of one stage are over all episodes, and their mean is 1. Ratios are multiplied as logarithms and kept relative to the
//! largest of their stage, so that a thousand stages neither overflow nor vanish.

use std::ops::Range;

use crate::Error;
use crate::behaviour::Propensities;
use crate::log::{Log, Probability, Units};
use crate::work::{Workers, cut};

/// ρ of every step.
pub(crate) struct Weights {
    /// `ρ_t e^-scale_t`, one a step, in [0, 1].
    pub scaled: Vec<f64>,
    /// `ln ρ` of every episode's last step.
    pub ends: Vec<f64>,
    /// `ln max ρ_t` over all episodes, one a stage; 0 where all are 0.
    pub scale: Vec<f64>,
    /// The first stage at which all are 0.
    pub none_from: Option<usize>,
    /// Steps whose ratio was cut.
    pub clipped: usize,
}

/// `ln (π / μ)`, also where the ratio itself is no double; -∞ for π = 0.
fn log_ratio(target: f64, behaviour: f64) -> f64 {
    let ratio = target / behaviour;
    if ratio.is_normal() { libm::log(ratio) } else { libm::log(target) - libm::log(behaviour) }
}

impl Weights {
    /// O(steps · actions), the most of it in reading the target's rows, which it checks. 8 bytes a step.
    pub fn new<P: Probability>(
        log: &Log<P>,
        units: &Units,
        workers: &Workers,
        propensities: &Propensities,
        most: Option<f64>,
    ) -> Result<Self, Error> {
        let cap = most.map_or(f64::INFINITY, libm::log);
        let mut scaled = vec![0.0; log.trajectories.steps()];
        let pieces = cut(&mut scaled, &units.step_ends);
        let parts = workers.map("weights", pieces, |unit, piece| {
            unit_logs(log, units.episodes[unit].clone(), propensities, cap, piece)
        })?;

        let mut weights =
            Self { scaled, ends: Vec::new(), scale: vec![f64::NEG_INFINITY; log.horizon], none_from: None, clipped: 0 };
        for part in parts {
            let UnitLogs { ends, largest, clipped } = part?;
            weights.ends.extend(ends);
            weights.clipped += clipped;
            for (all, own) in weights.scale.iter_mut().zip(largest) {
                *all = all.max(own);
            }
        }
        weights.none_from = weights.scale.iter().position(|&largest| largest == f64::NEG_INFINITY);
        for largest in &mut weights.scale {
            if *largest == f64::NEG_INFINITY {
                *largest = 0.0;
            }
        }

        let scale = &weights.scale;
        workers.map("weights", cut(&mut weights.scaled, &units.step_ends), |unit, piece| {
            let first = log.columns.offsets[units.episodes[unit].start];
            for episode in units.episodes[unit].clone() {
                for (stage, step) in log.trajectories.range(episode).enumerate() {
                    let entry = &mut piece[step - first];
                    *entry = libm::exp(*entry - scale[stage]);
                }
            }
        })?;
        Ok(weights)
    }
}

/// What the logarithms of a unit's ratios leave beside themselves.
struct UnitLogs {
    ends: Vec<f64>,
    /// Largest of every stage, ended episodes among them.
    largest: Vec<f64>,
    clipped: usize,
}

fn unit_logs<P: Probability>(
    log: &Log<P>,
    episodes: Range<usize>,
    propensities: &Propensities,
    cap: f64,
    piece: &mut [f64],
) -> Result<UnitLogs, Error> {
    let first = log.columns.offsets[episodes.start];
    let mut largest = vec![f64::NEG_INFINITY; log.horizon];
    // By the stage from which on they have ended.
    let mut ended = vec![f64::NEG_INFINITY; log.horizon + 1];
    let mut ends = Vec::with_capacity(episodes.len());
    let mut clipped = 0;
    for episode in episodes {
        log.check(episode)?;
        let (mut whole, mut kept) = (0.0, 0.0);
        let steps = log.trajectories.range(episode);
        let length = steps.len();
        for (stage, step) in steps.enumerate() {
            let target: f64 = log.row(step)[log.action(step)].into();
            whole += log_ratio(target, propensities.of(log, stage, step));
            // What is cut is the cumulative ratio of each step; the product itself goes on uncut.
            kept = f64::min(whole, cap);
            clipped += usize::from(whole > cap);
            piece[step - first] = kept;
            largest[stage] = largest[stage].max(kept);
        }
        ends.push(kept);
        ended[length] = ended[length].max(kept);
    }
    let mut held = f64::NEG_INFINITY;
    for (largest, ended) in largest.iter_mut().zip(ended) {
        held = held.max(ended);
        *largest = largest.max(held);
    }
    Ok(UnitLogs { ends, largest, clipped })
}
