//! Medication after a kidney transplant: the risk of rejecting the organ against new-onset diabetes.

use super::patient::{EVENTS, LEVELS, Patient, STATUSES};
use super::{Family, Regime, RewardGrid, Task, TaskRequest, check_request};
use crate::random::{Key, Sequence};
use crate::{Dynamics, Model, ModelBuilder, ModelError, Reward, Space};

/// The clinical family: synthetic, with the structure of Boloori, Saghafian, Chakkera and Cook, "Data-driven management of
/// post-transplant medications: an ambiguous partially observable Markov decision process approach", Manufacturing & Service
/// Operations Management 22 (2020). None of its numbers is a patient's; `docs/families.md` gives the reason for each.
///
/// A stage is a month. States are the class of the tacrolimus trough level (low, medium, high) × the diabetes status (healthy,
/// pre-diabetic, diabetic), and two events that nothing follows: the organ is rejected, the patient dies. Actions are the dose
/// of the immunosuppressant (low, high) × diabetes treatment (none, insulin). A high level protects the organ and harms the
/// metabolism; insulin turns the diabetes status back and is a burden. The reward is the month's quality of life, on a grid of 0.05.
///
/// As a POMDP the trough assay may read one class too high and the glucose test one class too low; events are always
/// noticed. In the split `ood-tests` both may also err the other way. As an APOMDP each of the M models multiplies the odds of
/// its risks and of its test errors by factors `exp(u)`, each u uniform in `[-δ, δ]`; the true model is drawn uniformly.
///
/// The start is uniform over medium and high levels × healthy and pre-diabetic. The regimes of one (split, index, seed) share
/// the nominal draw.
#[derive(Debug, Clone, Copy)]
pub struct Clinical;

const SPLITS: &[(&str, &str)] = &[
    ("train", "the training distribution"),
    ("test", "the training distribution, other tasks"),
    ("validation", "the training distribution, other tasks again: to choose on"),
    ("ood-risk", "rejection and onset of diabetes twice as likely"),
    ("ood-response", "insulin turns diabetes back half as often"),
    ("ood-tests", "tests err more often, and either way"),
    ("ood-horizon", "twice the training horizon"),
    ("ood-ambiguity", "spread δ in 0.5..0.9"),
];

/// Doses × treatments, the treatment changing fastest.
const ACTIONS: [&str; 4] = ["low-dose", "low-dose-insulin", "high-dose", "high-dose-insulin"];

impl Family for Clinical {
    fn name(&self) -> &'static str {
        "clinical"
    }

    fn description(&self) -> &'static str {
        "Doses after a kidney transplant weigh the risk of rejection against diabetes (synthetic)."
    }

    fn splits(&self) -> &'static [(&'static str, &'static str)] {
        SPLITS
    }

    fn horizon(&self) -> usize {
        12
    }

    fn reward_grid(&self) -> RewardGrid {
        RewardGrid { low: 0.0, high: 1.0, step: 0.05 }
    }

    fn max_symbols(&self) -> usize {
        LEVELS.len() * STATUSES.len() + EVENTS.len()
    }

    fn task(&self, request: &TaskRequest) -> Result<Task, ModelError> {
        check_request(self, request)?;
        let split = request.split.as_str();
        let mut draw = Key::named(request.seed, &["clinical", split, "task"], &[request.index]).sequence();
        let nominal = nominal(split, &mut draw);
        let spread = if split == "ood-ambiguity" { draw.between(0.5, 0.9) } else { draw.between(0.2, 0.5) };
        let horizon = if split == "ood-horizon" { 2 * request.horizon } else { request.horizon };

        let mut parameters = nominal.named("");
        let (cloud, true_model) = if request.regime == Regime::Apomdp {
            parameters.push(("delta".into(), spread));
            let cloud: Vec<_> = (0..request.models).map(|_| nominal.perturbed(spread, &mut draw)).collect();
            for (m, patient) in cloud.iter().enumerate() {
                parameters.extend(patient.named(&format!("{m}.")));
            }
            (cloud, draw.integer(0, request.models as u32 - 1) as usize)
        } else {
            (vec![nominal.clone()], 0)
        };
        let model = build(request, horizon, &nominal, &cloud)?;
        Ok(Task { model, true_model, parameters, reward_noise: 0.0 })
    }
}

/// Draws the nominal task; every split makes the same draws in the same order.
fn nominal(split: &str, draw: &mut Sequence) -> Patient {
    let risk = if split == "ood-risk" { 2.0 } else { 1.0 };
    let response = if split == "ood-response" { 0.5 } else { 1.0 };
    let rejection = risk * draw.between(0.02, 0.06);
    let onset = risk * draw.between(0.03, 0.1);
    let worsening = risk * draw.between(0.03, 0.1);
    let death = draw.between(0.002, 0.006);
    let exposure = draw.between(0.4, 0.8);
    let harm = draw.between(1.5, 2.5);
    let reversal = response * draw.between(0.2, 0.5);
    let remission = response * draw.between(0.1, 0.4);
    let (over, missed) = (draw.between(0.05, 0.25), draw.between(0.1, 0.4));
    let both_ways = split == "ood-tests";
    let (over, missed) = if both_ways { (over + 0.1, missed + 0.1) } else { (over, missed) };
    // Twentieths as integers, divided once when the rewards are made, so that these print exactly.
    let mut twentieths = |low, high| draw.integer(low, high);
    Patient {
        rejection,
        onset,
        worsening,
        death,
        exposure,
        harm,
        reversal,
        remission,
        over,
        missed,
        both_ways,
        quality: twentieths(16, 18),
        diabetes_burden: twentieths(2, 4),
        toxicity: twentieths(0, 2),
        insulin_burden: twentieths(1, 2),
        rejected_quality: twentieths(8, 11),
    }
}

fn build(request: &TaskRequest, horizon: usize, nominal: &Patient, cloud: &[Patient]) -> Result<Model, ModelError> {
    let pairs = || LEVELS.iter().flat_map(|level| STATUSES.iter().map(move |status| format!("{level}-{status}")));
    let names = || pairs().chain(EVENTS.iter().map(|event| (*event).to_string()));
    let seen = request.regime != Regime::Mdp;
    let start =
        |name: &String| !name.starts_with("low") && (name.ends_with("-healthy") || name.ends_with("pre-diabetic"));
    ModelBuilder {
        name: format!("clinical/{}/{}/{}/{}", request.regime, request.split, request.index, request.seed),
        states: Space::named("states", names())?,
        actions: Space::named("actions", ACTIONS)?,
        observations: seen.then(|| Space::named("observations", names())).transpose()?,
        reward: Reward::StateAction(nominal.rewards()),
        start: names().map(|name| if start(&name) { 0.25 } else { 0.0 }).collect(),
        discount: 1.0,
        horizon: Some(horizon),
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: cloud
            .iter()
            .map(|p| Dynamics { transition: p.transition(), observation: seen.then(|| p.tests()) })
            .collect(),
        alpha: if request.regime == Regime::Apomdp { request.alpha } else { 1.0 },
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
}
