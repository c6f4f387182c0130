//! Energy management: a device that harvests, conserves or spends a finite store of energy.

use super::{Family, Regime, RewardGrid, Task, TaskRequest, check_request};
use crate::random::{Key, Sequence};
use crate::{Dynamics, Kernel, Model, ModelBuilder, ModelError, Reward, Space};

const HARVEST: usize = 0;
const CONSERVE: usize = 1;
const PERFORM: usize = 2;

/// The energy-management family. State `e` in `0..=E` (E = 9 but for one split), actions harvest, conserve, perform:
///
/// - harvest: `e + g` with probability `p_h`, reward `-c_h`;
/// - conserve: `e - 1` with probability `p_l` (a leak, never below 0), reward 0;
/// - perform: if `e ≥ d`, reward `w` and `e - d`, one more with probability `p_x`; else a brown-out, reward `-k`, `e - 1`.
///
/// Levels are clipped to `0..=E`. As a POMDP a gauge reads `e` with probability `1 - η`, else a neighbour, reflected at the
/// ends. As an APOMDP each of the M models moves `p_h, p_l, p_x` and `η` by independent uniform draws of at most `δ` either
/// way around the nominal task, kept inside `[0.01, 0.99]` (`η` inside `[0.01, 0.49]`) so that every model of the cloud gives
/// the same readings a positive probability; the true model is drawn uniformly from the cloud.
/// The start distribution is uniform. The regimes of one (split, index, seed) share the nominal draw.
#[derive(Debug, Clone, Copy)]
pub struct Energy;

/// The numbers that make one model of the family.
#[derive(Debug, Clone, Copy)]
struct Parameters {
    top: usize,
    gain: usize,
    demand: usize,
    p_harvest: f64,
    p_leak: f64,
    p_extra: f64,
    reward: f64,
    cost: f64,
    penalty: f64,
    noise: f64,
}

const SPLITS: &[(&str, &str)] = &[
    ("train", "the training distribution"),
    ("test", "the training distribution, other tasks"),
    ("validation", "the training distribution, other tasks again: to choose on"),
    ("ood-harvest", "p_h in 0.2..0.5"),
    ("ood-capacity", "15 energy levels (E = 14)"),
    ("ood-noise", "gauge noise η in 0.3..0.45"),
    ("ood-horizon", "twice the training horizon"),
    ("ood-ambiguity", "spread δ in 0.2..0.35"),
];

impl Family for Energy {
    fn name(&self) -> &'static str {
        "energy"
    }

    fn description(&self) -> &'static str {
        "A device harvests, conserves or spends a finite store of energy."
    }

    fn splits(&self) -> &'static [(&'static str, &'static str)] {
        SPLITS
    }

    fn horizon(&self) -> usize {
        10
    }

    fn reward_grid(&self) -> RewardGrid {
        RewardGrid { low: -2.0, high: 3.0, step: 0.1 }
    }

    fn max_symbols(&self) -> usize {
        15
    }

    fn task(&self, request: &TaskRequest) -> Result<Task, ModelError> {
        check_request(self, request)?;
        let split = request.split.as_str();
        let mut draw = Key::named(request.seed, &["energy", split, "task"], &[request.index]).sequence();
        let nominal = Parameters::draw(split, &mut draw);
        let spread = if split == "ood-ambiguity" { draw.between(0.2, 0.35) } else { draw.between(0.05, 0.2) };
        let horizon = if split == "ood-horizon" { 2 * request.horizon } else { request.horizon };

        let mut parameters = nominal.named("");
        let (cloud, true_model) = if request.regime == Regime::Apomdp {
            parameters.push(("delta".into(), spread));
            let cloud: Vec<_> = (0..request.models).map(|_| nominal.perturbed(spread, &mut draw)).collect();
            for (m, model) in cloud.iter().enumerate() {
                parameters.extend(model.named(&format!("{m}.")));
            }
            let true_model = draw.integer(0, request.models as u32 - 1) as usize;
            (cloud, true_model)
        } else {
            (vec![nominal], 0)
        };
        let model = build(request, horizon, &nominal, &cloud)?;
        Ok(Task { model, true_model, parameters, reward_noise: 0.0 })
    }
}

impl Parameters {
    /// Draws the nominal task; every split makes the same draws in the same order.
    fn draw(split: &str, draw: &mut Sequence) -> Self {
        let p_harvest = if split == "ood-harvest" { draw.between(0.2, 0.5) } else { draw.between(0.5, 0.95) };
        let gain = draw.integer(1, 3) as usize;
        let p_leak = draw.between(0.0, 0.3);
        let demand = draw.integer(1, 3) as usize;
        let p_extra = draw.between(0.0, 0.4);
        // Tenths as integers, then one division: the nearest double to the decimal, so that rewards print exactly.
        let reward = f64::from(10 + 5 * draw.integer(0, 4)) / 10.0;
        let cost = f64::from(draw.integer(0, 5)) / 10.0;
        let penalty = f64::from(5 + 5 * draw.integer(0, 3)) / 10.0;
        let noise = if split == "ood-noise" { draw.between(0.3, 0.45) } else { draw.between(0.05, 0.3) };
        let top = if split == "ood-capacity" { 14 } else { 9 };
        Self { top, gain, demand, p_harvest, p_leak, p_extra, reward, cost, penalty, noise }
    }

    fn perturbed(self, spread: f64, draw: &mut Sequence) -> Self {
        let mut near = |p: f64, high: f64| (p + draw.between(-spread, spread)).clamp(0.01, high);
        Self {
            p_harvest: near(self.p_harvest, 0.99),
            p_leak: near(self.p_leak, 0.99),
            p_extra: near(self.p_extra, 0.99),
            noise: near(self.noise, 0.49),
            ..self
        }
    }

    fn named(&self, prefix: &str) -> Vec<(String, f64)> {
        [
            ("p_h", self.p_harvest),
            ("g", self.gain as f64),
            ("p_l", self.p_leak),
            ("d", self.demand as f64),
            ("p_x", self.p_extra),
            ("w", self.reward),
            ("c_h", self.cost),
            ("k", self.penalty),
            ("eta", self.noise),
        ]
        .into_iter()
        .map(|(name, value)| (format!("{prefix}{name}"), value))
        .collect()
    }

    fn transition(&self) -> Kernel {
        let top = self.top;
        let mut kernel = Kernel::new(top + 1);
        for e in 0..=top {
            kernel.push_row([((e + self.gain).min(top), self.p_harvest), (e, 1.0 - self.p_harvest)]);
        }
        for e in 0..=top {
            kernel.push_row([(e.saturating_sub(1), self.p_leak), (e, 1.0 - self.p_leak)]);
        }
        for e in 0..=top {
            if e >= self.demand {
                let rest = e - self.demand;
                kernel.push_row([(rest.saturating_sub(1), self.p_extra), (rest, 1.0 - self.p_extra)]);
            } else {
                kernel.push_row([(e.saturating_sub(1), 1.0)]);
            }
        }
        kernel
    }

    fn gauge(&self) -> Kernel {
        let top = self.top;
        let mut kernel = Kernel::new(top + 1);
        for _action in 0..3 {
            for e in 0..=top {
                let below = if e == 0 { 1 } else { e - 1 };
                let above = if e == top { top - 1 } else { e + 1 };
                kernel.push_row([(below, self.noise / 2.0), (above, self.noise / 2.0), (e, 1.0 - self.noise)]);
            }
        }
        kernel
    }

    fn rewards(&self) -> Vec<f64> {
        let levels = self.top + 1;
        let mut r = vec![0.0; 3 * levels];
        r[HARVEST * levels..][..levels].fill(-self.cost);
        r[CONSERVE * levels..][..levels].fill(0.0);
        for e in 0..levels {
            r[PERFORM * levels + e] = if e >= self.demand { self.reward } else { -self.penalty };
        }
        r
    }
}

fn build(
    request: &TaskRequest,
    horizon: usize,
    nominal: &Parameters,
    cloud: &[Parameters],
) -> Result<Model, ModelError> {
    let levels = nominal.top + 1;
    let seen = request.regime != Regime::Mdp;
    ModelBuilder {
        name: format!("energy/{}/{}/{}/{}", request.regime, request.split, request.index, request.seed),
        states: Space::unnamed("states", levels)?,
        actions: Space::named("actions", ["harvest", "conserve", "perform"])?,
        observations: seen.then(|| Space::unnamed("observations", levels)).transpose()?,
        reward: Reward::StateAction(nominal.rewards()),
        start: vec![1.0 / levels as f64; levels],
        discount: 1.0,
        horizon: Some(horizon),
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: cloud
            .iter()
            .map(|p| Dynamics { transition: p.transition(), observation: seen.then(|| p.gauge()) })
            .collect(),
        alpha: if request.regime == Regime::Apomdp { request.alpha } else { 1.0 },
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
}
