//! Bounds that are linear in the belief: sound for every model, the floor under everything finer.

use serde::{Deserialize, Serialize};
use tiresias_model::Model;

use super::backup::{Bracket, ValueBounds};
use super::value_function::PlanSet;
use crate::limits::Watch;
use crate::mdp::backup::{backed_up, blend};

/// How many sweeps an infinite horizon gets at most; every sweep's result is sound.
const MOST_SWEEPS: usize = 2_000;

/// Linear bounds per stage.
///
/// - Lower: the value of repeating one action whatever happens, while nature sees the state when it does harm and answers
///   blindly (always with one model) when it does good. One vector an action.
/// - Upper: the decision-maker sees the state from the next stage on, nature harms blindly with one model, and does good
///   seeing the state. One vector a model (Hauskrecht's MDP bound, 2000, when there is one model).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Corners {
    pub stationary: bool,
    pub states: usize,
    /// `[stage][action][state]`, stages 0 to H (the last holds the final reward); a single stage without a horizon.
    pub lower: Vec<Vec<f64>>,
    /// `[stage][model][state]`.
    pub upper: Vec<Vec<f64>>,
}

impl Corners {
    /// What keeps the arrays from fitting `model`, in words.
    pub fn shape_problem(&self, model: &Model) -> Option<String> {
        let stages = model.horizon().map_or(1, |h| h + 1);
        let s = model.states().len();
        let fits =
            |vectors: &[Vec<f64>], each: usize| vectors.len() == stages && vectors.iter().all(|v| v.len() == each * s);
        let fits = self.stationary == model.horizon().is_none()
            && self.states == s
            && fits(&self.lower, model.actions().len())
            && fits(&self.upper, model.dynamics().len());
        (!fits).then(|| "the linear bounds do not fit the model's stages, states, actions or cloud".into())
    }

    /// O(H · A · entries of all transition kernels); cruder constants fill the stages that a late `watch` leaves.
    pub fn new(model: &Model, watch: &Watch) -> Self {
        match model.horizon() {
            Some(horizon) => Self::staged(model, horizon, watch),
            None => Self::discounted(model, watch),
        }
    }

    fn staged(model: &Model, horizon: usize, watch: &Watch) -> Self {
        let s = model.states().len();
        let late = &|| watch.late();
        let last = if model.final_reward().is_empty() { vec![0.0; s] } else { model.final_reward().to_vec() };
        let mut lower = vec![last.repeat(model.actions().len())];
        let mut upper = vec![last.repeat(model.dynamics().len())];
        for _ in 0..horizon {
            let (low, high) = (&lower[lower.len() - 1], &upper[upper.len() - 1]);
            let swept = lower_sweep(model, low, late).zip(upper_sweep(model, high, late));
            let (low, high) = swept.unwrap_or_else(|| {
                let (worst, best) = reward_range(model);
                let flat = |from: &[f64], reward: f64, pick: fn(f64, f64) -> f64| {
                    let end = from.iter().copied().reduce(pick).unwrap_or(0.0);
                    vec![reward + model.discount() * end; from.len()]
                };
                (flat(low, worst, f64::min), flat(high, best, f64::max))
            });
            lower.push(low);
            upper.push(high);
        }
        lower.reverse();
        upper.reverse();
        Self { stationary: false, states: s, lower, upper }
    }

    fn discounted(model: &Model, watch: &Watch) -> Self {
        let s = model.states().len();
        let late = &|| watch.late();
        let (worst, best) = reward_range(model);
        let forever = 1.0 / (1.0 - model.discount());
        let mut lower = vec![worst * forever; s * model.actions().len()];
        let mut upper = vec![best * forever; s * model.dynamics().len()];
        // With one model the search goes on from here with finer means; with several this is its floor.
        let share = if model.dynamics().len() == 1 { 1e-4 * (1.0 - model.discount()) } else { 1e-9 };
        let small = share * (best - worst).max(1e-300) * forever;
        for _ in 0..MOST_SWEEPS {
            let swept = lower_sweep(model, &lower, late).zip(upper_sweep(model, &upper, late));
            let Some((mut low, mut high)) = swept else { break };
            let mut change = leap(&upper, &mut high, model.discount(), -1.0);
            for (old, new) in lower.chunks_exact(s).zip(low.chunks_exact_mut(s)) {
                change = change.max(leap(old, new, model.discount(), 1.0));
            }
            (lower, upper) = (low, high);
            if change <= small {
                break;
            }
        }
        Self { stationary: true, states: s, lower: vec![lower], upper: vec![upper] }
    }

    /// Replaces the upper bounds of `stage` by the one vector `top` where it is lower, and sweeps it on to the stages before, as far as
    /// `late` lets it.
    pub fn lower_the_top(&mut self, model: &Model, stage: usize, top: &[f64], late: &dyn Fn() -> bool) {
        let lower = |old: &mut [f64], new: &[f64]| old.iter_mut().zip(new).for_each(|(old, new)| *old = old.min(*new));
        let models = model.dynamics().len();
        lower(&mut self.upper[stage], &top.repeat(models));
        for t in (0..stage).rev() {
            let Some(swept) = upper_sweep(model, &self.upper[t + 1], late) else { return };
            lower(&mut self.upper[t], &swept);
        }
    }

    fn stage(&self, stage: usize) -> usize {
        if self.stationary { 0 } else { stage }
    }

    /// The plans of the stage's linear lower bounds: one action each, whatever happens.
    pub fn plans(&self, stage: usize) -> PlanSet {
        let blind = self.lower[self.stage(stage)].chunks_exact(self.states).map(<[f64]>::to_vec);
        PlanSet { states: (0..self.states as u32).collect(), plans: (0..).zip(blind).collect() }
    }

    /// The best of the stage's linear lower bounds.
    pub fn lower(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.lower[self.stage(stage)]
            .chunks_exact(self.states)
            .map(|v| dot(v, belief))
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// The best of the stage's linear upper bounds.
    pub fn upper(&self, stage: usize, belief: &[(u32, f64)]) -> f64 {
        self.upper[self.stage(stage)].chunks_exact(self.states).map(|v| dot(v, belief)).fold(f64::INFINITY, f64::min)
    }

    /// The stage's linear lower and upper bound that are best at `belief`.
    pub fn best_linear(&self, stage: usize, belief: &[f64]) -> (&[f64], &[f64]) {
        let at = |v: &&[f64]| -> f64 { v.iter().zip(belief).map(|(v, p)| v * p).sum() };
        let stage = self.stage(stage);
        let lower = self.lower[stage].chunks_exact(self.states).max_by(|a, b| at(a).total_cmp(&at(b)));
        let upper = self.upper[stage].chunks_exact(self.states).min_by(|a, b| at(a).total_cmp(&at(b)));
        (lower.expect("there is an action"), upper.expect("there is a model"))
    }

    /// The greatest distance between the stage-0 bounds at any state.
    pub fn widest(&self) -> f64 {
        let corner = |s: usize| [(s as u32, 1.0)];
        (0..self.states).map(|s| self.upper(0, &corner(s)) - self.lower(0, &corner(s))).fold(0.0, f64::max)
    }

    /// What the numbers take.
    pub fn bytes(&self) -> usize {
        8 * self.len()
    }

    /// Numbers held.
    pub fn len(&self) -> usize {
        self.lower.iter().chain(&self.upper).map(Vec::len).sum()
    }
}

impl ValueBounds for Corners {
    fn bracket(&self, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        let (lower, upper) = (self.lower(stage, belief), self.upper(stage, belief));
        Bracket { lower, estimate: lower, upper }
    }
}

/// Takes a sound bound `old` and its sweep `new` further in the direction in which the sweep moves it (`sign` 1 is up), and
/// returns the greatest change.
///
/// A sweep turns V + c into TV + γ c. So if every value moved by at least `d`, V shifted by `d / (1 - γ)` is moved in the same
/// direction or not at all, hence still a bound, and so is its sweep (`MacQueen` 1966).
pub(crate) fn leap(old: &[f64], new: &mut [f64], discount: f64, sign: f64) -> f64 {
    let moves = || new.iter().zip(old).map(|(n, o)| sign * (n - o));
    let size = new.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    // A move must be more than rounding to be told from none.
    let least = moves().fold(f64::INFINITY, f64::min) - 1e-14 * size;
    let shift = if least > 0.0 { discount * least / (1.0 - discount) } else { 0.0 };
    new.iter_mut().for_each(|value| *value += sign * shift);
    new.iter().zip(old).fold(0.0, |most, (n, o)| most.max((n - o).abs()))
}

/// `vector · belief`.
#[inline]
pub(crate) fn dot(vector: &[f64], belief: &[(u32, f64)]) -> f64 {
    belief.iter().map(|&(s, p)| p * vector[s as usize]).sum()
}

/// The least and the greatest expected step reward.
fn reward_range(model: &Model) -> (f64, f64) {
    let rewards = || (0..model.dynamics().len()).flat_map(|m| model.expected_reward(m)).copied();
    (rewards().fold(f64::INFINITY, f64::min), rewards().fold(f64::NEG_INFINITY, f64::max))
}

/// The least and the greatest over the cloud of one (state, action)'s backed-up value.
fn ends(model: &Model, state: usize, action: usize, next: &[f64]) -> (f64, f64) {
    (0..model.dynamics().len())
        .map(|m| backed_up(model, m, state, action, next))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

/// `None` when the time is up before its end.
fn lower_sweep(model: &Model, next: &[f64], late: &dyn Fn() -> bool) -> Option<Vec<f64>> {
    let s = model.states().len();
    sweep(next, s, late, |action, state, next| {
        // Any one model bounds the maximum over models from below, as long as it is the same for all states.
        let blind = backed_up(model, 0, state, action, next);
        if model.dynamics().len() == 1 {
            blind
        } else {
            blend(model.alpha(), ends(model, state, action, next).0, blind)
        }
    })
}

/// `None` when the time is up before its end.
fn upper_sweep(model: &Model, next: &[f64], late: &dyn Fn() -> bool) -> Option<Vec<f64>> {
    let s = model.states().len();
    sweep(next, s, late, |m, state, next| {
        let value = |action: usize| {
            let blind = backed_up(model, m, state, action, next);
            if model.dynamics().len() == 1 {
                blind
            } else {
                blend(model.alpha(), blind, ends(model, state, action, next).1)
            }
        };
        (0..model.actions().len()).map(value).fold(f64::NEG_INFINITY, f64::max)
    })
}

/// States that are swept between two looks at the clock: even where each leads to ten thousand others, some milliseconds.
const AT_A_TIME: usize = 64;

/// `value(i, state, vector i of next)` for each of the vectors over `s` states that `next` holds.
fn sweep(
    next: &[f64],
    s: usize,
    late: &dyn Fn() -> bool,
    value: impl Fn(usize, usize, &[f64]) -> f64,
) -> Option<Vec<f64>> {
    let mut out = Vec::with_capacity(next.len());
    for (i, next) in next.chunks_exact(s).enumerate() {
        for from in (0..s).step_by(AT_A_TIME) {
            if late() {
                return None;
            }
            out.extend((from..(from + AT_A_TIME).min(s)).map(|state| value(i, state, next)));
        }
    }
    Some(out)
}
