//! `cql`: conservative Q-learning on the support, with a table.

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;

use super::fqi::frequencies;
use crate::acting::Settled;
use crate::counts::Counts;
use crate::plan::Planner;
use crate::registry::{ALL, at_least, iterations, read_options};
use crate::window::Windows;
use crate::{Agent, AgentError, Context, Entry, Group, Knows, Method};

/// What `cql` may be told.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    /// Weight of the conservative term; 0 is fitted Q iteration among the actions that were tried.
    #[schemars(range(min = 0.0))]
    alpha: f64,
    /// Iterations; left out, as many as an episode has decisions.
    #[schemars(range(min = 1))]
    iterations: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self { alpha: 1.0, iterations: None }
    }
}

pub(crate) const ENTRY: Entry = Entry {
    name: "cql",
    label: "Conservative Q",
    group: Group::Value,
    knows: Knows::Nothing,
    regimes: ALL,
    needs_support: true,
    summary: "Fits action values to the support and presses down those of actions that the support does not take.",
    source: "Kumar, Zhou, Tucker, Levine, \"Conservative Q-learning for offline reinforcement learning\", NeurIPS 2020",
    options: || schema_for!(Options),
    make: |options, study| {
        let options: Options = read_options(options)?;
        at_least("alpha", options.alpha, 0.0)?;
        iterations(options.iterations, study.shape.horizon)?;
        Ok(Box::new(options))
    },
};

/// CQL(H) with a table, solved instead of descended. Each iteration minimises over `Q_k`, summed over the support's decisions,
///
/// `α (logsumexp Q_k(s,·) - Q_k(s,a)) + ½ (Q_k(s,a) - r - γ max Q_{k-1}(s',·))²`,
///
/// which is convex and apart by state. Setting the gradient to 0 gives `Q_k(s,a) = y(s,a) - α (softmax Q_k(a|s) / π(a|s) - 1)`, with `y`
/// the mean target and `π` the support's share of the action: values fall where the softmax likes an action more than the support
/// did. An action that the support never takes has no minimum: its value is minus infinity, and it is never taken. Windows, decisions
/// without a successor and the number of iterations are as in `fqi`; in windows that were never met the value is 0 and any action
/// is taken. It is the objective of d3rlpy's discrete CQL, whose Huber loss is the square while the error is below 1.
///
/// iterations · (transitions recorded + 2·S·A) multiply-adds, and in each state with two tried actions some 3 Newton steps of as many
/// exponentials.
impl Method for Options {
    fn begin(&self, context: &Context<'_>) -> Result<Box<dyn Agent>, AgentError> {
        let counts = Counts::of(Windows::of(context.shape), context)?;
        let estimate = frequencies(&counts);
        let levels = iterations(self.iterations, context.shape.horizon)?;
        let mut fit = Fit::new(self.alpha, &counts);
        let choose = |_, state: usize, q: &mut [f64]| match fit.best(state, q) {
            Some((action, value)) => (Some(action), value),
            None => (None, 0.0),
        };
        let mut planner = Planner::default();
        let choices = planner.plan(&estimate, levels, context.shape.discount, |_, _| 0.0, choose).to_vec();
        Ok(Settled::agent(context, choices))
    }
}

/// The minimiser of the conservative objective in one state after another.
struct Fit<'a> {
    alpha: f64,
    counts: &'a Counts,
    /// By row: `Q - y` of the last iteration, where the next begins.
    below: Vec<f64>,
    /// The actions that were tried in the state at hand, with their counts and targets.
    tried: Vec<(u8, f64, f64)>,
    q: Vec<f64>,
    trial: Vec<f64>,
    softmax: Vec<f64>,
    step: Vec<f64>,
}

impl<'a> Fit<'a> {
    fn new(alpha: f64, counts: &'a Counts) -> Self {
        let below = vec![0.0; counts.rows()];
        let empty = Vec::new;
        Self { alpha, counts, below, tried: Vec::new(), q: empty(), trial: empty(), softmax: empty(), step: empty() }
    }

    /// The greedy action and its value, given the mean targets of all actions; `None` where no action was tried.
    fn best(&mut self, state: usize, targets: &[f64]) -> Option<(u8, f64)> {
        self.tried.clear();
        let counts = self.counts.tried_in(state).iter().zip(targets).enumerate();
        self.tried.extend(counts.filter(|(_, (n, _))| **n > 0.0).map(|(a, (&n, &y))| (a as u8, n, y)));
        let first = state * targets.len();
        let row = |action: u8| first + usize::from(action);
        self.q.clear();
        self.q.extend(self.tried.iter().map(|&(action, _, y)| y + self.below[row(action)]));
        // With one tried action the softmax is 1, as is its share: nothing is pressed down.
        if self.tried.len() > 1 && self.alpha > 0.0 {
            self.minimise();
        }
        for (&(action, _, y), q) in self.tried.iter().zip(&self.q) {
            self.below[row(action)] = q - y;
        }
        let values = self.tried.iter().zip(&self.q).map(|(&(action, ..), &q)| (action, q));
        values.reduce(|best, other| if other.1 > best.1 { other } else { best })
    }

    /// Newton's method with halved steps, from `q` to the minimiser.
    fn minimise(&mut self) {
        let n: f64 = self.tried.iter().map(|&(_, n, _)| n).sum();
        let mut objective = self.objective(n, false);
        // Ends: strictly convex; 100 is far more than the handful of steps that it takes.
        for _ in 0..100 {
            let size = self.newton_step(n);
            // The softmax bends over differences of about 1, so after a step this small what is left is rounding.
            let rounding = 1e-13 * self.q.iter().fold(0.0_f64, |greatest, q| greatest.max(q.abs()));
            if size <= 1e-7 || size <= rounding {
                self.q.iter_mut().zip(&self.step).for_each(|(q, step)| *q -= step);
                return;
            }
            let mut length = 1.0;
            loop {
                self.trial.clear();
                self.trial.extend(self.q.iter().zip(&self.step).map(|(q, step)| q - length * step));
                let there = self.objective(n, true);
                // Differences may be rounding: then no length helps, and a short step does no harm.
                if there < objective || length < 1e-6 {
                    objective = there;
                    break;
                }
                length /= 2.0;
            }
            std::mem::swap(&mut self.q, &mut self.trial);
        }
    }

    /// The objective at `q` or at `trial`, leaving the softmax there. `n` is the number of decisions in the state.
    fn objective(&mut self, n: f64, trial: bool) -> f64 {
        let q = if trial { &self.trial } else { &self.q };
        let greatest = q.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.softmax.clear();
        self.softmax.extend(q.iter().map(|q| (q - greatest).exp()));
        let sum: f64 = self.softmax.iter().sum();
        self.softmax.iter_mut().for_each(|p| *p /= sum);
        let data: f64 =
            self.tried.iter().zip(q).map(|(&(_, n, y), q)| n * ((q - y) * (q - y) / 2.0 - self.alpha * q)).sum();
        data + self.alpha * n * (greatest + sum.ln())
    }

    /// Leaves in `step` the inverse Hessian times the gradient, and returns the size of its largest entry. The Hessian is a diagonal less
    /// a matrix of rank one: Sherman and Morrison's formula.
    fn newton_step(&mut self, n: f64) -> f64 {
        let strength = self.alpha * n;
        self.step.clear();
        let (mut along, mut shrink) = (0.0, 0.0);
        for ((&(_, n, y), q), p) in self.tried.iter().zip(&self.q).zip(&self.softmax) {
            let gradient = n * (q - y - self.alpha) + strength * p;
            let diagonal = n + strength * p;
            self.step.push(gradient / diagonal);
            along += p * gradient / diagonal;
            shrink += p * p / diagonal;
        }
        let factor = strength * along / (1.0 - strength * shrink);
        let mut size = 0.0_f64;
        for ((step, &(_, n, _)), p) in self.step.iter_mut().zip(&self.tried).zip(&self.softmax) {
            *step += factor * p / (n + strength * p);
            size = size.max(step.abs());
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same iterates as `SciPy`'s minimisers of the objective find: `tests/data/cql.py`.
    #[test]
    fn values_are_those_of_an_independent_minimiser() {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Case {
            states: usize,
            action_count: usize,
            horizon: usize,
            discount: f64,
            alpha: f64,
            iterations: usize,
            observations: Vec<usize>,
            actions: Vec<usize>,
            rewards: Vec<f64>,
            q: Vec<Vec<Option<f64>>>,
        }
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/data/cql.json")).unwrap();
        for (i, case) in cases.iter().enumerate() {
            let mut counts = Counts::new(case.states, case.action_count);
            for t in 0..case.actions.len() {
                let next = ((t + 1) % case.horizon != 0).then(|| case.observations[t + 1]);
                counts.record(case.observations[t], case.actions[t], Some(case.rewards[t]), next);
            }
            let mut fit = Fit::new(case.alpha, &counts);
            let mut found = vec![vec![None; case.action_count]; case.states];
            let choose = |_, state: usize, q: &mut [f64]| {
                let (action, value) = fit.best(state, q).expect("each state was met");
                found[state].fill(None);
                for (&(action, ..), q) in fit.tried.iter().zip(&fit.q) {
                    found[state][usize::from(action)] = Some(*q);
                }
                (Some(action), value)
            };
            Planner::default().plan(&frequencies(&counts), case.iterations, case.discount, |_, _| 0.0, choose);
            for (found, expected) in found.iter().flatten().zip(case.q.iter().flatten()) {
                let near = match (found, expected) {
                    (Some(found), Some(expected)) => (found - expected).abs() < 1e-5,
                    (found, expected) => found == expected,
                };
                assert!(near, "case {i}: {found:?} is not {expected:?}");
            }
        }
    }

    /// At the minimiser `Q = y - α (softmax Q / π - 1)`, for weights and targets of any size.
    #[test]
    fn the_gradient_is_zero() {
        for (alpha, size) in [(1e-3, 1.0), (1.0, 1.0), (1.0, 1e3), (50.0, 1e-2), (1e4, 10.0), (0.1, 1e5)] {
            let mut counts = Counts::new(1, 4);
            for (action, times) in [(0, 1), (1, 40), (3, 7)] {
                (0..times).for_each(|_| counts.record(0, action, Some(0.0), None));
            }
            let targets = [size, -0.5 * size, 9.0 * size, 0.2 * size];
            let mut fit = Fit::new(alpha, &counts);
            let (best, value) = fit.best(0, &targets).unwrap();
            let total: f64 = fit.q.iter().map(|q| (q - value).exp()).sum();
            for (&(action, n, y), q) in fit.tried.iter().zip(&fit.q) {
                let expected = y - alpha * ((q - value).exp() / total * 48.0 / n - 1.0);
                assert!((q - expected).abs() < 1e-9 * (alpha * 48.0 + size), "α {alpha}: {q} is not {expected}");
                assert!(action != 2 && *q <= value && (action != best || *q == value));
            }
        }
    }
}
