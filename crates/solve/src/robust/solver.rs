//! Heuristic search over beliefs against nature: HSVI (Smith and Simmons 2004), where each backup is a game.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tiresias_model::{Kind, Model, Space};

use super::bounds::{Stage, Vector};
use super::controller::{Drawn, StochasticController};
use super::nature::{Side, seen};
use super::saddle::{Saddle, saddle};
use crate::belief::backup::{Sparse, ordered, sparse};
use crate::limits::{Late, Watch};
use crate::{Hook, Limits, Progress, SolveError, Stopped, auto};

/// Sweeps of a blind policy's value at most; every sweep is a lower bound.
const MOST_SWEEPS: usize = 20_000;
/// Decisions that a trial goes ahead at most.
const MOST_DEPTH: usize = 2_000;
/// Trials in a row that change nothing before there is nothing left to try; each makes games closer than the one before.
const MOST_IDLE: u32 = 6;

/// What [`solve_robust`] returns. `lower <= V <= upper` is proven up to rounding, whatever the reason for stopping, and whoever plays
/// the controller earns at least `lower`, whatever nature does.
#[derive(Debug, Clone)]
pub struct RobustSolution {
    /// What the controller earns at least.
    pub lower: f64,
    /// What nothing earns more than, against nature's best.
    pub upper: f64,
    /// What to play.
    pub controller: StochasticController,
    /// What it cost.
    pub stats: RobustStats,
    /// Why it stopped.
    pub stopped: Stopped,
}

/// What a robust solve cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RobustStats {
    /// Wall time.
    pub seconds: f64,
    /// Trials from the start.
    pub trials: u64,
    /// Games played out, one for a belief and an action.
    pub games: u64,
    /// Vectors found, over all stages.
    pub vectors: usize,
    /// What carries upper bounds, over all stages.
    pub points: usize,
}

/// Solves a robust POMDP: hidden states, and sets around the rows of the only transition kernel, of which nature picks anew at every
/// decision, in the worst way (α = 1).
///
/// Errors: [`SolveError::Unsupported`] for another kind of model and for α below 1, where the value is not convex.
pub fn solve_robust(model: &Model, limits: &Limits, hook: &Hook) -> Result<RobustSolution, SolveError> {
    let unsupported =
        |expected: &'static str, found: String| SolveError::Unsupported { solver: "robust", expected, found };
    if model.kind() != Kind::RobustPomdp {
        return Err(unsupported("hidden states with sets around their rows", model.kind().name().into()));
    }
    if model.alpha() < 1.0 {
        return Err(unsupported("alpha 1 (what is the worst counts)", format!("of alpha {}", model.alpha())));
    }
    limits.check_values(model)?;
    let watch = Watch::new(limits, hook);
    let seen = seen(model);
    let silent = |p: &Progress| hook(&Progress { lower: f64::NEG_INFINITY, upper: f64::INFINITY, ..*p });
    let informed = auto(&seen).solve(&seen, &Limits { gap: limits.gap / 8.0, ..limits.clone() }, &silent)?;
    let mut search = Search::new(model, &seen, &informed.policy, limits.gap, &watch);
    let stopped = search.run(limits, &watch);
    let start = sparse(model.start());
    let (lower, upper) = ordered(search.stages[0].lower(&start), search.stages[0].upper(&start));
    let stats = RobustStats {
        seconds: watch.seconds(),
        trials: search.trials,
        games: search.games,
        vectors: search.stages.iter().map(|stage| stage.vectors.len()).sum(),
        points: search.stages.iter().map(Stage::points).sum(),
    };
    Ok(RobustSolution { lower, upper, controller: search.controller(&start), stats, stopped })
}

struct Search<'a> {
    model: &'a Model,
    side: Side<'a>,
    /// One for all decisions; with a horizon one for each, and one for what is left at the end.
    stages: Vec<Stage>,
    /// How close games are brought.
    tolerance: f64,
    trials: u64,
    games: u64,
    changed: bool,
}

impl<'a> Search<'a> {
    fn new(model: &'a Model, seen: &'a Model, informed: &crate::SolvedPolicy, gap: f64, watch: &Watch) -> Self {
        let states = model.states().len();
        let steps = model.horizon().map_or_else(|| 1.0 / (1.0 - model.discount()), |h| h as f64);
        let corners = |stage: usize| -> Vec<f64> {
            let corner = |state: usize| {
                let mut belief = vec![0.0; states];
                belief[state] = 1.0;
                informed.bounds(stage, &belief).1
            };
            (0..states).map(corner).collect()
        };
        let mut stages: Vec<Stage> =
            (0..model.horizon().unwrap_or(1)).map(|stage| Stage::new(corners(stage))).collect();
        if model.horizon().is_some() {
            let last = if model.final_reward().is_empty() { vec![0.0; states] } else { model.final_reward().to_vec() };
            let mut end = Stage::new(last.clone());
            end.push(Vector { action: 0, worth: last, next: Vec::new() });
            stages.push(end);
        }
        let tolerance = gap / (4.0 * steps);
        let side = Side::new(model, seen);
        let mut search = Self { model, side, stages, tolerance, trials: 0, games: 0, changed: false };
        (0..model.actions().len()).for_each(|action| search.blind(action, watch));
        search
    }

    /// The vectors of taking one action always.
    fn blind(&mut self, action: usize, watch: &Watch) {
        let observations = self.model.observations().map_or(0, Space::len);
        let (low, high) = self.model.value_range();
        if self.model.horizon().is_none() {
            let mut worth = vec![low; self.model.states().len()];
            for _ in 0..MOST_SWEEPS {
                let next = self.side.backed_up(action, &worth);
                // From below, sweeps only rise.
                let change = next.iter().zip(&worth).fold(0.0_f64, |most, (new, old)| most.max(new - old));
                worth.iter_mut().zip(&next).for_each(|(old, new)| *old = old.max(*new));
                if change <= 1e-12 * (high - low).max(low.abs()) || watch.late() {
                    break;
                }
            }
            let own = self.stages[0].vectors.len() as u32;
            let next = vec![vec![(own, 1.0)]; observations];
            self.stages[0].push(Vector { action: action as u32, worth, next });
            return;
        }
        let mut after = 0;
        for stage in (0..self.stages.len() - 1).rev() {
            let worth = self.side.backed_up(action, &self.stages[stage + 1].vectors[after as usize].worth);
            let next = vec![vec![(after, 1.0)]; observations];
            after = self.stages[stage].push(Vector { action: action as u32, worth, next });
        }
    }

    fn run(&mut self, limits: &Limits, watch: &Watch) -> Stopped {
        let start = sparse(self.model.start());
        let mut idle = 0;
        loop {
            let (lower, upper) = (self.stages[0].lower(&start), self.stages[0].upper(&start));
            let (lower, upper) = ordered(lower, upper);
            if upper - lower <= limits.gap {
                return Stopped::Converged;
            }
            if idle > MOST_IDLE {
                return Stopped::Exhausted;
            }
            let bytes = self.stages.iter().map(Stage::bytes).sum();
            if let Some(stopped) = watch.check(lower, upper, self.trials, bytes) {
                return stopped;
            }
            self.changed = false;
            self.trials += 1;
            if self.trial(&start, (limits.gap / 2.0, idle), watch).is_err() {
                return watch.stopped().unwrap_or(Stopped::Time);
            }
            if self.changed {
                idle = 0;
            } else {
                idle += 1;
                self.tolerance /= 4.0;
            }
        }
    }

    /// Goes where the bounds are far apart, and backs up on the way home.
    fn trial(&mut self, start: &Sparse, (wanted, idle): (f64, u32), watch: &Watch) -> Result<(), Late> {
        let mut path: Vec<(usize, Sparse)> = vec![(0, start.clone())];
        let discount = self.model.discount();
        let mut wanted = wanted * 0.5_f64.powi(i32::try_from(idle).unwrap_or(i32::MAX));
        // Ends: no longer than the depth allowed.
        while path.len() < MOST_DEPTH {
            let (stage, belief) = path.last().cloned().expect("it begins with the start");
            let after = stage + usize::from(self.model.horizon().is_some());
            if after + 1 == self.stages.len() && self.model.horizon().is_some() {
                break;
            }
            let games = self.games_at(stage, &belief, watch)?;
            let best = (1..games.len()).fold(0, |best, a| if games[a].1 > games[best].1 { a } else { best });
            wanted /= discount.max(1e-12);
            let excess = |joint: &Sparse| {
                let mass: f64 = joint.iter().map(|(_, p)| p).sum();
                self.stages[after].upper(joint) - self.stages[after].lower(joint) - mass * wanted
            };
            let next = games[best].0.outcome.after.iter().filter(|joint| !joint.is_empty());
            let widest = next.map(|joint| (excess(joint), joint)).fold(None, |widest: Option<(f64, &Sparse)>, one| {
                if widest.is_none_or(|(excess, _)| one.0 > excess) { Some(one) } else { widest }
            });
            match widest {
                Some((excess, joint)) if excess > 0.0 => {
                    let mass: f64 = joint.iter().map(|(_, p)| p).sum();
                    path.push((after, joint.iter().map(|&(s, p)| (s, p / mass)).collect()));
                }
                _ => break,
            }
        }
        for (stage, belief) in path.iter().rev() {
            self.back_up(*stage, belief, watch)?;
        }
        Ok(())
    }

    /// By action: the game, and the upper bound that nature's answer proves.
    fn games_at(&mut self, stage: usize, belief: &Sparse, watch: &Watch) -> Result<Vec<(Saddle, f64)>, Late> {
        let after = stage + usize::from(self.model.horizon().is_some());
        let discount = self.model.discount();
        (0..self.model.actions().len())
            .map(|action| {
                self.games += 1;
                let terms = (discount, self.tolerance);
                let game = saddle(&mut self.side, &self.stages[after], (belief, action), terms, watch)?;
                let next = game.outcome.after.iter().filter(|joint| !joint.is_empty());
                let ahead: f64 = next.map(|joint| self.stages[after].upper(joint)).sum();
                let upper = game.outcome.reward + discount * ahead;
                Ok((game, upper))
            })
            .collect()
    }

    fn back_up(&mut self, stage: usize, belief: &Sparse, watch: &Watch) -> Result<(), Late> {
        let games = self.games_at(stage, belief, watch)?;
        let upper = games.iter().map(|(_, upper)| *upper).fold(f64::NEG_INFINITY, f64::max);
        let (before_low, before_high) = (self.stages[stage].lower(belief), self.stages[stage].upper(belief));
        let tie = self.model.rounding(upper);
        if upper < before_high - tie {
            self.stages[stage].lower_to(belief, upper);
            self.changed = true;
        }
        let best = (1..games.len()).fold(0, |best, a| if games[a].0.lower > games[best].0.lower { a } else { best });
        let game = &games[best].0;
        if game.lower > before_low + tie {
            let worth = self.side.backed_up(best, &game.ahead);
            self.stages[stage].push(Vector { action: best as u32, worth, next: game.choice.clone() });
            self.changed = true;
        }
        Ok(())
    }

    /// What is met from the best vector at the start.
    fn controller(&self, start: &Sparse) -> StochasticController {
        let staged = self.model.horizon().is_some();
        let count = self.model.horizon().unwrap_or(1);
        let mut numbers: Vec<FxHashMap<u32, u32>> = vec![FxHashMap::default(); count];
        let mut order: Vec<Vec<u32>> = vec![Vec::new(); count];
        let root = self.stages[0].best(start).0;
        numbers[0].insert(root, 0);
        order[0].push(root);
        let mut open = VecDeque::from([(0, root)]);
        // Ends: each vector comes once.
        while let Some((stage, k)) = open.pop_front() {
            let after = stage + usize::from(staged);
            if after == count {
                continue;
            }
            for &(next, _) in self.stages[stage].vectors[k as usize].next.iter().flatten() {
                let number = order[after].len() as u32;
                numbers[after].entry(next).or_insert_with(|| {
                    order[after].push(next);
                    open.push_back((after, next));
                    number
                });
            }
        }
        let node = |stage: usize, k: u32| {
            let Vector { action, worth, next } = &self.stages[stage].vectors[k as usize];
            let after = stage + usize::from(staged);
            let next = if after == count {
                Vec::new()
            } else {
                let renumbered = |next: &Vec<(u32, f64)>| next.iter().map(|&(k, p)| (numbers[after][&k], p)).collect();
                next.iter().map(renumbered).collect()
            };
            Drawn { action: *action, next, worth: worth.clone() }
        };
        let stages = order.iter().enumerate().map(|(stage, own)| own.iter().map(|&k| node(stage, k)).collect());
        StochasticController { stages: stages.collect() }
    }
}
