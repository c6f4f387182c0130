//! The solver: stages of dynamic programming from the horizon back, or until they change no more.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tiresias_model::Model;

use super::bounds::ExactBounds;
use super::budget::Budget;
use super::game::Game;
use super::prune::Pruner;
use super::stage::{Backup, Stage};
use super::supports::Supports;
use super::vectors::Vectors;
use crate::belief::backup::ordered;
use crate::belief::bounds::{BeliefBounds, Refined};
use crate::belief::corner_solver::require_observations;
use crate::belief::corners::Corners;
use crate::belief::search::vectors::branches;
use crate::limits::Watch;
use crate::policy::Body;
use crate::solver::Ended;
use crate::{Hook, Limits, Solution, SolveError, Solver, Stopped};

/// States that an observation may leave possible, at most: a linear program holds the square of it, on every thread.
const MOST_STATES: usize = 4096;

/// How often the hook is called while a stage is computed; the clock is read then, too.
const TICK: Duration = Duration::from_millis(20);

/// What may be spent on better bounds when the time is up.
const AFTERWARDS: Duration = Duration::from_millis(50);

/// Exact value functions of a POMDP (or of an APOMDP with α = 0) by incremental pruning: every stage of a horizon; without one,
/// as many as the gap needs. Uses [`Limits::threads`] threads, with the same result for any number of them.
///
/// With a horizon the bounds differ by rounding only (and by [`Limits::gap`] if that is more); what is finished when a limit
/// stops it stays exact, and linear bounds serve the stages before. The number of vectors a stage can grow exponentially.
#[derive(Debug, Clone, Copy)]
pub struct Exact {
    /// Compute vectors for all beliefs, not only for those that can follow an action and an observation. The policy is the same;
    /// its vectors then span all states.
    pub everywhere: bool,
    /// Multiply-adds, roughly, after which it gives up; it then stops with [`Stopped::Exhausted`] and what is finished. A processor
    /// does some hundreds of millions a second. The same number stops at the same stage on every machine.
    pub most_work: u64,
}

impl Default for Exact {
    fn default() -> Self {
        Self { everywhere: false, most_work: u64::MAX }
    }
}

impl Solver for Exact {
    fn name(&self) -> &'static str {
        "exact"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check_for(model)?;
        require_observations(self.name(), model)?;
        if model.dynamics().len() > 1 && model.alpha() > 0.0 {
            let found = format!("an APOMDP with alpha {}", model.alpha());
            let expected = "a POMDP, or an APOMDP with alpha 0 (a convex value)";
            return Err(SolveError::Unsupported { solver: self.name(), expected, found });
        }
        let watch = Watch::new(limits, hook);
        let budget = Budget::new(limits).with_work(self.most_work);
        let branches = branches(model);
        let supports = Supports::new(model, &branches, self.everywhere, &watch);
        let most = supports.states.iter().map(Vec::len).max().unwrap_or(0);
        if most > MOST_STATES {
            let expected = "a model whose observations leave at most 4096 states possible";
            return Err(SolveError::Unsupported { solver: self.name(), expected, found: format!("one with {most}") });
        }
        let corners = Corners::new(model, &watch);
        budget.hold(8 * corners.len());
        let backup = Backup { model, branches: &branches, supports: &supports, budget: &budget };
        let task = Task { model, limits, budget: &budget, corners: &corners, backup, everywhere: self.everywhere };
        let outcome = run_beside(&task, &watch, limits.threads);
        let bounds = BeliefBounds { corners: outcome.corners, refined: Refined::Exact(outcome.bounds) };
        let (lower, upper) = bounds.assess(model, 0, model.start()).bounds();
        let (lower, upper) = ordered(lower, upper);
        let stopped = match budget.reason() {
            _ if upper - lower <= limits.gap || outcome.complete => Stopped::Converged,
            reason => reason.unwrap_or(Stopped::Exhausted),
        };
        let (iterations, threads) = (outcome.stages, limits.threads);
        let ended = Ended { bounds: (lower, upper), stopped, start_up: 0.0, iterations, backups: 0, threads };
        Ok(Solution::found(self.name(), model, Body::Belief(bounds), ended, &watch))
    }
}

/// Bounds at the start, stages done.
type Message = (f64, f64, u64);

/// The work on threads of its own, the hook on the caller's.
fn run_beside(task: &Task, watch: &Watch, threads: usize) -> Outcome {
    let (sender, receiver) = mpsc::channel::<Message>();
    let start = BeliefBounds { corners: task.corners.clone(), refined: Refined::None };
    let mut now: Message = {
        let (lower, upper) = start.assess(task.model, 0, task.model.start()).bounds();
        (lower, upper, 0)
    };
    let ask = |now: Message| {
        if let Some(reason) = watch.check(now.0, now.1, now.2, task.budget.held()) {
            task.budget.stop(reason);
        }
    };
    ask(now);
    std::thread::scope(|scope| {
        let work = scope.spawn(move || match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
            Ok(pool) => pool.install(|| task.run(&sender)),
            // No threads to be had: this one does the work, with the global pool's help.
            Err(_) => task.run(&sender),
        });
        // Ends: the work does, soon after the budget is spent, and drops its sender.
        loop {
            let left = task.limits.time.map_or(TICK, |time| time.saturating_sub(watch.elapsed()));
            match receiver.recv_timeout(TICK.min(left)) {
                Ok(first) => {
                    // Small stages come faster than a hook may take them: the last one stands for all.
                    for (lower, upper, stages) in std::iter::once(first).chain(receiver.try_iter()) {
                        now = (now.0.max(lower), now.1.min(upper), stages);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            ask(now);
        }
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

struct Task<'a> {
    model: &'a Model,
    limits: &'a Limits,
    budget: &'a Budget,
    corners: &'a Corners,
    backup: Backup<'a>,
    everywhere: bool,
}

struct Outcome {
    bounds: ExactBounds,
    corners: Corners,
    stages: u64,
    /// Nothing is left to do.
    complete: bool,
}

impl Task<'_> {
    fn run(&self, sender: &mpsc::Sender<Message>) -> Outcome {
        match self.model.horizon() {
            Some(horizon) => self.staged(horizon, sender),
            None => self.discounted(sender),
        }
    }

    fn staged(&self, horizon: usize, sender: &mpsc::Sender<Message>) -> Outcome {
        let supports = self.backup.supports;
        let mut bounds = ExactBounds::new(Some(horizon), supports);
        let reward = self.model.final_reward();
        let mut sets: Vec<Vectors> = Vec::new();
        for states in &supports.states {
            let mut set = Vectors::new(states.len());
            let values = states.iter().map(|&s| reward.get(s as usize).copied().unwrap_or(0.0));
            set.push(values, 0, &vec![1.0 / states.len() as f64; states.len()]);
            sets.push(set);
        }
        bounds.push(&sets, 0.0, 0.0);
        // A backup of stage 1 gives stage 0 at any belief.
        let last = if self.everywhere { horizon } else { horizon - 1 };
        let (mut error, mut done) = (0.0, 0);
        // Ends: at the last stage, or with one that the budget does not let be finished.
        while done < last {
            let Some(stage) = self.backup.stage(&sets) else { break };
            error = stage.error + self.model.discount() * error;
            let old = std::mem::replace(&mut sets, stage.sets);
            self.budget.free(if done == 0 { 0 } else { bytes(&old) });
            done += 1;
            self.budget.hold(bounds.push(&sets, error, error));
            let _ = sender.send((f64::NEG_INFINITY, f64::INFINITY, done as u64));
        }
        let mut corners = self.corners.clone();
        if done < last {
            (bounds, corners) = self.tighten(bounds, corners);
        }
        Outcome { bounds, corners, stages: done as u64, complete: done == last }
    }

    /// Lowers the upper bounds of the stages that were not reached, from the last that was: a value is at most linear between the
    /// corners. Left undone where the time is up and it would take long.
    fn tighten(&self, bounds: ExactBounds, corners: Corners) -> (ExactBounds, Corners) {
        let (states, reached) = (corners.states, bounds.reached());
        let late = self.budget.reason() == Some(Stopped::Time);
        let stage = self.model.horizon().unwrap_or(0) - reached;
        let mut held = BeliefBounds { corners, refined: Refined::Exact(bounds) };
        if reached > 0 && stage > 0 {
            let start = Instant::now();
            let corner = |s: usize| -> Vec<f64> { (0..states).map(|t| f64::from(u8::from(s == t))).collect() };
            // The stage before needs a backup of the one that is exact, at every corner.
            let top: Vec<f64> = (0..states)
                .take_while(|_| !late || start.elapsed() < AFTERWARDS)
                .map(|s| held.assess(self.model, stage - 1, &corner(s)).bounds().1)
                .collect();
            if top.len() == states {
                let over = || self.budget.spent() && start.elapsed() >= AFTERWARDS;
                held.corners.lower_the_top(self.model, stage - 1, &top, &over);
            }
        }
        let Refined::Exact(bounds) = held.refined else { unreachable!("it was put there") };
        (bounds, held.corners)
    }

    /// Value iteration from the linear lower bounds: a backup raises them, so that the sets rise towards the value.
    fn discounted(&self, sender: &mpsc::Sender<Message>) -> Outcome {
        let (model, supports, discount) = (self.model, self.backup.supports, self.model.discount());
        let lower: Vec<&[f64]> = self.corners.lower[0].chunks_exact(self.corners.states).collect();
        let mut sets: Vec<Vectors> = Vec::new();
        for states in &supports.states {
            let mut set = Vectors::new(states.len());
            let centre = vec![1.0 / states.len() as f64; states.len()];
            for (action, vector) in lower.iter().enumerate() {
                set.push(states.iter().map(|&s| vector[s as usize]), action as u32, &centre);
            }
            sets.push(set);
        }
        // Beyond the first sets, and after k stages beyond theirs by the discount to the k-th.
        let beyond = |vector: &&[f64]| -> f64 {
            let top = &self.corners.upper[0][..self.corners.states];
            top.iter().zip(*vector).map(|(t, v)| t - v).fold(f64::NEG_INFINITY, f64::max)
        };
        let mut above = lower.iter().map(beyond).fold(f64::INFINITY, f64::min).max(0.0);
        let (mut below, mut stages, mut complete) = (0.0, 0_u64, false);
        let mut left = above;
        let exact = |sets: &[Vectors], below: f64, above: f64| {
            let mut bounds = ExactBounds::new(None, supports);
            bounds.push(sets, below, above);
            bounds
        };
        let mut bounds = exact(&sets, below, above);
        // Ends: when the gap is reached, rounding is all that is left, or the budget does not let a stage be finished.
        while !complete {
            let Some(stage) = self.backup.stage(&sets) else { break };
            stages += 1;
            (below, above) = (discount * below + stage.error, discount * above + stage.error);
            // What is left after this stage, if the sets moved by between `low` and `high` everywhere.
            let factor = discount / (1.0 - discount);
            let rest = stage.error / (1.0 - discount);
            left *= discount;
            let Some((low, high)) = movement(&stage.sets, &sets, self.budget) else { break };
            // The bounds at the start are those of one more backup, and half the gap is left for what is not measured.
            let pad = 0.25 * self.limits.gap / (factor * discount).max(1e-300);
            let near = factor * discount * (high - low) <= 0.5 * self.limits.gap;
            if near && self.moved(&stage, &sets, low - pad, high + pad) {
                below = below.min(rest - factor * (low - pad)).max(-above);
                above = above.min(factor * (high + pad) + rest);
            }
            let old = std::mem::replace(&mut sets, stage.sets);
            self.budget.free(if stages == 1 { 0 } else { bytes(&old) });
            bounds = exact(&sets, below, above);
            let held = BeliefBounds { corners: self.corners.clone(), refined: Refined::Exact(bounds) };
            let (lower, upper) = held.assess(model, 0, model.start()).bounds();
            let Refined::Exact(again) = held.refined else { unreachable!("it was put there") };
            bounds = again;
            complete = upper - lower <= self.limits.gap;
            let _ = sender.send((lower, upper, stages));
            if left <= rest {
                // More stages would change nothing but rounding.
                break;
            }
        }
        Outcome { bounds, corners: self.corners.clone(), stages, complete }
    }

    /// Whether the value of `new` exceeds that of `old` by at least `low` and at most `high` at every belief.
    fn moved(&self, new: &Stage, old: &[Vectors], low: f64, high: f64) -> bool {
        let scale = old.iter().map(Vectors::scale).fold(0.0, f64::max);
        let pruner = Pruner { budget: self.budget, tolerance: 1e-12 * scale };
        new.sets.iter().zip(old).all(|(new, old)| {
            let mut game = Game::new(new.dim);
            let mut below = |set: &Vectors, shift: f64, other: &Vectors| {
                (0..set.len()).all(|i| pruner.below(set.row(i), shift - pruner.tolerance, other, &mut game))
            };
            below(new, high, old) && below(old, -low, new)
        })
    }
}

fn bytes(sets: &[Vectors]) -> usize {
    sets.iter().map(Vectors::bytes).sum()
}

/// The least and the greatest difference seen between two stages, at the points where their vectors are needed; `None` when the
/// budget is spent.
fn movement(new: &[Vectors], old: &[Vectors], budget: &Budget) -> Option<(f64, f64)> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for (new, old) in new.iter().zip(old) {
        for set in [new, old] {
            for i in 0..set.len() {
                if budget.spent() {
                    return None;
                }
                budget.work(new.values.len() + old.values.len());
                let change = new.value(set.point(i)) - old.value(set.point(i));
                (low, high) = (low.min(change), high.max(change));
            }
        }
    }
    Some((low, high))
}
