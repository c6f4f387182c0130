//! One patient of the clinical family: how the month goes, what the tests read, what it is worth.

use crate::Kernel;
use crate::random::Sequence;

/// Classes of the tacrolimus trough level, ascending.
pub(super) const LEVELS: [&str; 3] = ["low", "medium", "high"];
/// Diabetes status, from best to worst.
pub(super) const STATUSES: [&str; 3] = ["healthy", "pre-diabetic", "diabetic"];
/// What ends the course. Numbered after the nine pairs of level and status.
pub(super) const EVENTS: [&str; 2] = ["rejected", "dead"];

const PAIRS: usize = LEVELS.len() * STATUSES.len();
const REJECTED: usize = PAIRS;
const DEAD: usize = PAIRS + 1;
const STATES: usize = PAIRS + 2;

const HIGH: usize = 2;
const DIABETIC: usize = 2;

/// The numbers of one model. Probabilities are by month.
#[derive(Debug, Clone)]
pub(super) struct Patient {
    /// Rejection at a low level, healthy.
    pub rejection: f64,
    /// Healthy to pre-diabetic at a medium level, untreated.
    pub onset: f64,
    /// Pre-diabetic to diabetic at a medium level, untreated.
    pub worsening: f64,
    /// Death, healthy, below a high level.
    pub death: f64,
    /// The level moves one class towards the dose.
    pub exposure: f64,
    /// Factor of onset and worsening at a high level.
    pub harm: f64,
    /// Pre-diabetic to healthy under insulin.
    pub reversal: f64,
    /// Diabetic to pre-diabetic under insulin.
    pub remission: f64,
    /// The assay reads one class too high.
    pub over: f64,
    /// The glucose test reads one class too low.
    pub missed: f64,
    /// Whether the tests also err the other way, a third as often.
    pub both_ways: bool,
    /// Quality of life of a healthy patient, in twentieths; what the others take from it.
    pub quality: u32,
    pub diabetes_burden: u32,
    pub toxicity: u32,
    pub insulin_burden: u32,
    /// Quality of life after rejection, in twentieths.
    pub rejected_quality: u32,
}

/// Share of the rejection risk that is left at each level.
const PROTECTION: [f64; 3] = [1.0, 0.4, 0.15];
/// Share of onset and worsening at low and medium levels; at a high one the patient's own `harm`.
const METABOLIC: [f64; 2] = [0.6, 1.0];
/// Rejection and death by diabetes status.
const FRAILTY: [f64; 3] = [1.0, 1.2, 1.5];
/// Death by infection at a high level.
const INFECTION: f64 = 1.5;
/// Death after rejection, back on dialysis.
const DIALYSIS_DEATH: f64 = 3.0;
/// Improvement without insulin, and worsening under it, as a share of the other case.
const SPONTANEOUS: f64 = 0.1;
const UNDER_INSULIN: f64 = 0.4;

impl Patient {
    /// The same patient with the odds of each risk and test error multiplied by `exp(u)`, each u uniform in `[-spread, spread]`.
    /// Odds keep what is possible possible, so that every model of a cloud gives the same readings a positive probability.
    pub fn perturbed(&self, spread: f64, draw: &mut Sequence) -> Self {
        let mut near = |p: f64| {
            let odds = p / (1.0 - p) * draw.between(-spread, spread).exp();
            odds / (1.0 + odds)
        };
        Self {
            rejection: near(self.rejection),
            onset: near(self.onset),
            worsening: near(self.worsening),
            death: near(self.death),
            exposure: near(self.exposure),
            reversal: near(self.reversal),
            remission: near(self.remission),
            over: near(self.over),
            missed: near(self.missed),
            ..self.clone()
        }
    }

    /// The numbers by name.
    pub fn named(&self, prefix: &str) -> Vec<(String, f64)> {
        let twentieths = |n: u32| f64::from(n) / 20.0;
        [
            ("rejection", self.rejection),
            ("onset", self.onset),
            ("worsening", self.worsening),
            ("death", self.death),
            ("exposure", self.exposure),
            ("harm", self.harm),
            ("reversal", self.reversal),
            ("remission", self.remission),
            ("over", self.over),
            ("missed", self.missed),
            ("quality", twentieths(self.quality)),
            ("diabetes_burden", twentieths(self.diabetes_burden)),
            ("toxicity", twentieths(self.toxicity)),
            ("insulin_burden", twentieths(self.insulin_burden)),
            ("rejected_quality", twentieths(self.rejected_quality)),
        ]
        .into_iter()
        .map(|(name, value)| (format!("{prefix}{name}"), value))
        .collect()
    }

    /// Row `a * 11 + s` over next states.
    pub fn transition(&self) -> Kernel {
        let mut kernel = Kernel::new(STATES);
        for action in 0..4 {
            let (high_dose, insulin) = (action >= 2, action % 2 == 1);
            for pair in 0..PAIRS {
                kernel.push_row(self.month(pair / 3, pair % 3, high_dose, insulin));
            }
            let death = (DIALYSIS_DEATH * self.death).min(1.0);
            kernel.push_row([(DEAD, death), (REJECTED, 1.0 - death)]);
            kernel.push_row([(DEAD, 1.0)]);
        }
        kernel
    }

    /// A month of a living patient with a working organ. First whether an event strikes, at this month's level and status; if
    /// none does, level and status move independently.
    fn month(&self, level: usize, status: usize, high_dose: bool, insulin: bool) -> Vec<(usize, f64)> {
        let infection = if level == HIGH { INFECTION } else { 1.0 };
        let dead = self.death * FRAILTY[status] * infection;
        let rejected = (1.0 - dead) * self.rejection * PROTECTION[level] * FRAILTY[status];
        let goes_on = 1.0 - dead - rejected;
        let mut row = vec![(DEAD, dead), (REJECTED, rejected)];
        for (next_level, p) in self.level_moves(level, high_dose) {
            for &(next_status, q) in &self.status_moves(level, status, insulin) {
                row.push((next_level * 3 + next_status, goes_on * p * q));
            }
        }
        row
    }

    fn level_moves(&self, level: usize, high_dose: bool) -> [(usize, f64); 2] {
        let towards = if high_dose { (level + 1).min(HIGH) } else { level.saturating_sub(1) };
        [(towards, self.exposure), (level, 1.0 - self.exposure)]
    }

    fn status_moves(&self, level: usize, status: usize, insulin: bool) -> [(usize, f64); 3] {
        let harm = METABOLIC.get(level).copied().unwrap_or(self.harm) * if insulin { UNDER_INSULIN } else { 1.0 };
        let worse = [self.onset, self.worsening, 0.0][status] * harm;
        let better = [0.0, self.reversal, self.remission][status] * if insulin { 1.0 } else { SPONTANEOUS };
        let (better, worse) = (better, worse.min(1.0 - better));
        [(status.saturating_sub(1), better), ((status + 1).min(DIABETIC), worse), (status, 1.0 - better - worse)]
    }

    /// Row `a * 11 + s'` over readings: the two tests err independently, events are always noticed.
    pub fn tests(&self) -> Kernel {
        let reverse = if self.both_ways { 1.0 / 3.0 } else { 0.0 };
        let mut kernel = Kernel::new(STATES);
        for _action in 0..4 {
            for pair in 0..PAIRS {
                let assay = reading(pair / 3, self.over * reverse, self.over);
                let glucose = reading(pair % 3, self.missed, self.missed * reverse);
                let pairs = assay.iter().flat_map(|&(l, p)| glucose.iter().map(move |&(d, q)| (l * 3 + d, p * q)));
                kernel.push_row(pairs);
            }
            kernel.push_row([(REJECTED, 1.0)]);
            kernel.push_row([(DEAD, 1.0)]);
        }
        kernel
    }

    /// `R(s, a)`: the month's quality of life.
    pub fn rewards(&self) -> Vec<f64> {
        let mut rewards = Vec::with_capacity(4 * STATES);
        for action in 0..4 {
            for pair in 0..PAIRS {
                let toxicity = if pair / 3 == HIGH { self.toxicity } else { 0 };
                let status = [0, 1, self.diabetes_burden][pair % 3];
                let insulin = if action % 2 == 1 { self.insulin_burden } else { 0 };
                rewards.push(f64::from(self.quality - toxicity - status - insulin) / 20.0);
            }
            rewards.extend([f64::from(self.rejected_quality) / 20.0, 0.0]);
        }
        rewards
    }
}

/// What a test of three classes reads: one class lower, one higher, or the truth. Nothing lies beyond the ends.
fn reading(class: usize, lower: f64, higher: f64) -> [(usize, f64); 3] {
    let lower = if class == 0 { 0.0 } else { lower };
    let higher = if class == 2 { 0.0 } else { higher };
    [(class.saturating_sub(1), lower), ((class + 1).min(2), higher), (class, 1.0 - lower - higher)]
}
