//! Cumulative ratios `ρ_t = Π_{s ≤ t} π(a_s | h_s) / μ(a_s | h_s)`.
//!
//! An episode that has ended keeps its last ratio at all later stages, as if it stayed where it is without earning (Thomas 2015): so
//! weights of one stage are over all episodes, and their mean is 1. They are kept relative to a power of two no smaller than half the
//! largest of their stage, so that a thousand stages neither overflow nor vanish.

use std::ops::Range;

use crate::Error;
use crate::behaviour::Propensities;
use crate::log::{Log, Probability, Units};
use crate::ratio::Ratio;
use crate::work::{Workers, cut};

/// ρ of every step.
pub(crate) struct Weights {
    /// `ρ_t 2^-scale_t`, one a step, in [0, 2).
    pub scaled: Vec<f64>,
    /// ρ of every episode's last step.
    pub ends: Vec<Ratio>,
    /// The exponent of the largest `ρ_t` over all episodes, one a stage; 0 where all are 0.
    pub scale: Vec<i32>,
    /// The largest of all.
    pub largest: Ratio,
    /// The first stage at which all are 0.
    pub none_from: Option<usize>,
    /// Steps whose ratio was cut.
    pub clipped: usize,
}

impl Weights {
    /// O(steps · actions), the most of it in reading the target's rows, which it checks. 8 bytes a step, 12 while it is made.
    pub fn new<P: Probability>(
        log: &Log<P>,
        units: &Units,
        workers: &Workers,
        propensities: &Propensities,
        most: Option<f64>,
    ) -> Result<Self, Error> {
        let cap = most.map(Ratio::of);
        let mut scaled = vec![0.0; log.trajectories.steps()];
        let mut exponents = vec![0; scaled.len()];
        let pieces = cut(&mut scaled, &units.step_ends).into_iter().zip(cut(&mut exponents, &units.step_ends));
        let parts = workers.map("weights", pieces.collect(), |unit, piece| {
            products(log, units.episodes[unit].clone(), propensities, cap, piece)
        })?;

        let mut ends = Vec::with_capacity(log.episodes());
        let mut largest = vec![Ratio::NONE; log.horizon];
        let mut clipped = 0;
        for part in parts {
            let part = part?;
            ends.extend(part.ends);
            clipped += part.clipped;
            for (all, own) in largest.iter_mut().zip(part.largest) {
                *all = larger(*all, own);
            }
        }
        let scale: Vec<_> = largest.iter().map(|ratio| if ratio.is_zero() { 0 } else { ratio.exponent }).collect();

        let pieces = cut(&mut scaled, &units.step_ends);
        workers.map("weights", pieces, |unit, piece| {
            let first = log.columns.offsets[units.episodes[unit].start];
            for episode in units.episodes[unit].clone() {
                for (stage, step) in log.trajectories.range(episode).enumerate() {
                    let mantissa = &mut piece[step - first];
                    *mantissa = Ratio { mantissa: *mantissa, exponent: exponents[step] }.relative(scale[stage]);
                }
            }
        })?;
        Ok(Self {
            scaled,
            ends,
            scale,
            none_from: largest.iter().position(|ratio| ratio.is_zero()),
            largest: largest.into_iter().fold(Ratio::NONE, larger),
            clipped,
        })
    }
}

fn larger(a: Ratio, b: Ratio) -> Ratio {
    if b.is_above(a) { b } else { a }
}

/// What the products of a unit leave beside themselves.
struct Products {
    ends: Vec<Ratio>,
    /// Largest of every stage, ended episodes among them.
    largest: Vec<Ratio>,
    clipped: usize,
}

fn products<P: Probability>(
    log: &Log<P>,
    episodes: Range<usize>,
    propensities: &Propensities,
    cap: Option<Ratio>,
    (mantissas, exponents): (&mut [f64], &mut [i32]),
) -> Result<Products, Error> {
    let first = log.columns.offsets[episodes.start];
    let mut largest = vec![Ratio::NONE; log.horizon];
    // By the stage from which on they have ended.
    let mut ended = vec![Ratio::NONE; log.horizon + 1];
    let mut ends = Vec::with_capacity(episodes.len());
    let mut clipped = 0;
    for episode in episodes {
        log.check(episode)?;
        let (mut whole, mut kept) = (Ratio::ONE, Ratio::ONE);
        let steps = log.trajectories.range(episode);
        let length = steps.len();
        for (stage, step) in steps.enumerate() {
            let target = Ratio::of(log.row(step)[log.action(step)].into());
            whole = whole.times(target.over(Ratio::of(propensities.of(log, stage, step))));
            // What is cut is the cumulative ratio of each step; the product itself goes on uncut.
            kept = whole;
            if let Some(cap) = cap
                && whole.is_above(cap)
            {
                kept = cap;
                clipped += 1;
            }
            (mantissas[step - first], exponents[step - first]) = (kept.mantissa, kept.exponent);
            largest[stage] = larger(largest[stage], kept);
        }
        ends.push(kept);
        ended[length] = larger(ended[length], kept);
    }
    let mut held = Ratio::NONE;
    for (largest, ended) in largest.iter_mut().zip(ended) {
        held = larger(held, ended);
        *largest = larger(*largest, held);
    }
    Ok(Products { ends, largest, clipped })
}
