//! Unfolding with cut-offs: the belief MDP is explored from the start, and what has not been explored has bounds of its own.

use tiresias_model::{Explicit, Objective};

use super::beliefs::Beliefs;
use super::controller::{Controller, Known};
use super::plans::{Plan, plans};
use super::problem::Problem;
use super::process::{Aim, Bounds};
use super::quotient::{Fate, Quotient};
use super::tighten::{by_class, tighten};
use crate::belief::backup::ordered;
use crate::limits::{Late, Watch};
use crate::{Hook, Limits, SolveError, Stats, Stopped};

/// Of the gap asked for, what an iteration may leave at first.
const SHARE: f64 = 1e-3;
/// What iterations are never asked to come closer than, as a share of the largest gain.
const FINEST: f64 = 1e-15;
/// Beliefs that are expanded between two iterations: so many at least, and such a part of those that there are.
const LEAST: usize = 32;
const PART: usize = 8;
/// Passes over beliefs that lead to one another, when it is followed where the hopeful policy goes.
const PASSES: usize = 32;

/// What came of [`solve_goal`]. `lower <= value <= upper` is proven up to rounding, whatever the reason for stopping.
#[derive(Debug, Clone)]
pub struct GoalSolution {
    /// Lower bound on the value at the start: a probability, or an expected sum of rewards.
    pub lower: f64,
    /// Upper bound on it; infinite as long as nothing less is proven.
    pub upper: f64,
    /// A policy that earns the lower bound of what is to be much, or the upper one of what is to be little.
    pub policy: Controller,
    /// What it cost: `iterations` are rounds of expansions, `points` beliefs, `vectors` memoryless plans.
    pub stats: Stats,
    /// Why it stopped.
    pub stopped: Stopped,
}

impl GoalSolution {
    /// `upper - lower`; 0 where both are infinite.
    pub fn gap(&self) -> f64 {
        if self.lower == self.upper { 0.0 } else { self.upper - self.lower }
    }
}

/// Bounds the value of an objective on a model without a discount, until a limit is reached, nothing is left to explore or `hook` cancels. `docs/indefinite-horizon.md` says
/// how. Refuses a label or a reward that is not there ([`SolveError::Unknown`]), negative rewards ([`SolveError::Negative`]), and a value that is infinite
/// ([`SolveError::Infinite`]).
///
/// # Examples
///
/// ```
/// use tiresias_model::format::read_drn;
/// use tiresias_solve::{Limits, no_hook, solve_goal};
/// let text = "@type: POMDP\n@nr_states\n2\n@model\nstate 0 {0} init\n\taction a\n\t\t0 : 0.5\n\t\t1 : 0.5\nstate 1 {1} goal\n\taction a\n\t\t1 : 1\n";
/// let (model, _) = read_drn("coin.drn", text.as_bytes()).unwrap();
/// let objective = "Pmax=? [F \"goal\"]".parse().unwrap();
/// let solution = solve_goal(&model, &objective, &Limits::default(), &no_hook).unwrap();
/// assert!(solution.lower > 0.999 && solution.upper <= 1.0);
/// ```
pub fn solve_goal(
    model: &Explicit,
    objective: &Objective,
    limits: &Limits,
    hook: &Hook,
) -> Result<GoalSolution, SolveError> {
    limits.check()?;
    let watch = Watch::new(limits, hook);
    let problem = Problem::new(model, objective)?;
    if problem.states() == 0 {
        let policy = Controller { nodes: Vec::new(), plans: Vec::new() };
        let stats = stats(&watch, 0, 0, 0, 0.0);
        return Ok(GoalSolution {
            lower: problem.over,
            upper: problem.over,
            policy,
            stats,
            stopped: Stopped::Converged,
        });
    }
    let most = (0..problem.process.action_count()).map(|a| problem.process.gain(a)).fold(0.0, f64::max);
    let tolerance = (SHARE * limits.gap).max(FINEST * most);
    let mut search = Search::new(&problem, tolerance, &watch).unwrap_or_else(|Late| {
        let mut search = Search::with(&problem, Vec::new(), vec![Plan::uniform(&problem)]);
        search.bounds = Bounds::any(problem.aim, 1);
        search
    });
    search.check_finite(model)?;
    let start_up = watch.seconds();
    let stopped = search.run(model, limits, tolerance, FINEST * most, &watch)?;
    let (lower, upper) = ordered(search.proven.0, search.proven.1);
    let stats = stats(&watch, search.rounds, search.plans.len(), search.beliefs.len(), start_up);
    Ok(GoalSolution { lower, upper, policy: search.policy(), stats, stopped })
}

fn stats(watch: &Watch, iterations: u64, vectors: usize, points: usize, start_up: f64) -> Stats {
    let seconds = watch.seconds();
    Stats { seconds, start_up, iterations, backups: 0, vectors, points, threads: 1, solver: "unfolding" }
}

/// Beliefs explored so far, and what is proven of them.
struct Search<'p> {
    problem: &'p Problem,
    /// By state: what would be had if states were seen.
    hope: Vec<f64>,
    plans: Vec<Plan>,
    beliefs: Beliefs,
    bounds: Bounds,
    /// As of the last complete iteration: the classes, the bounds that its policy was chosen by, and those at the start.
    quotient: Quotient,
    chosen: Bounds,
    proven: (f64, f64),
    rounds: u64,
    expanded: u64,
}

impl<'p> Search<'p> {
    fn new(problem: &'p Problem, tolerance: f64, watch: &Watch) -> Result<Self, Late> {
        let mut seen = Bounds::any(problem.aim, problem.states());
        tighten(&problem.process, problem.aim, &mut seen, tolerance, watch)?;
        let hope = seen.hoped(problem.aim).to_vec();
        let plans = plans(problem, &hope, tolerance, watch)?;
        let mut search = Self::with(problem, hope, plans);
        search.bound_new();
        search.proven = (search.bounds.lower[0], search.bounds.upper[0]);
        Ok(search)
    }

    fn with(problem: &'p Problem, hope: Vec<f64>, plans: Vec<Plan>) -> Self {
        let bounds = Bounds::default();
        let any = Bounds::any(problem.aim, 1);
        let proven = (any.lower[0], any.upper[0]);
        let beliefs = Beliefs::new();
        let (quotient, chosen) = (Quotient::default(), Bounds::default());
        Self { problem, hope, plans, beliefs, bounds, quotient, chosen, proven, rounds: 0, expanded: 0 }
    }

    /// First bounds of beliefs that have none.
    fn bound_new(&mut self) {
        let aim = self.problem.aim;
        for node in self.bounds.lower.len()..self.beliefs.len() {
            let hope: f64 = self.beliefs.of(node).map(|(state, mass)| mass * self.hope[state as usize]).sum();
            let earned = self.plans.iter().map(|plan| plan.at(self.beliefs.of(node)));
            let earned = earned.reduce(|best, next| if aim.better(next, best) { next } else { best });
            let earned = earned.unwrap_or_else(|| aim.worst());
            let (lower, upper) = if aim.maximises() { (earned, hope) } else { (hope, earned) };
            self.bounds.push(lower, upper);
        }
    }

    /// Whether the start's value is known to be infinite.
    fn check_finite(&self, model: &Explicit) -> Result<(), SolveError> {
        if self.proven.0 < f64::INFINITY {
            return Ok(());
        }
        let aim = self.problem.aim;
        let name = |state: u32| self.problem.state[state as usize] as usize;
        // A place where all is lost: the first belief that is worth that, the last explored by preference.
        let infinite = (0..self.bounds.lower.len()).rev().find(|&node| self.bounds.lower[node] == f64::INFINITY);
        let states =
            infinite.map_or(vec![model.start], |node| self.beliefs.of(node).map(|(state, _)| name(state)).collect());
        let why = if aim == Aim::MinReward {
            "no policy surely reaches the goal"
        } else {
            "a policy may go round for ever and never reach the goal, from the start on"
        };
        // Where one goes round may lie far from there.
        let states = if aim == Aim::MinReward { states } else { Vec::new() };
        Err(SolveError::Infinite { why, states })
    }

    fn run(
        &mut self,
        model: &Explicit,
        limits: &Limits,
        mut tolerance: f64,
        finest: f64,
        watch: &Watch,
    ) -> Result<Stopped, SolveError> {
        loop {
            let (lower, upper) = self.proven;
            if upper - lower <= limits.gap {
                return Ok(Stopped::Converged);
            }
            let bytes = self.beliefs.bytes() + 24 * self.problem.process.action_count();
            if let Some(stopped) = watch.check(lower, upper, self.rounds, bytes) {
                return Ok(stopped);
            }
            self.rounds += 1;
            let leaves = self.leaves(watch);
            let explained: f64 = leaves.iter().map(|leaf| leaf.0).sum();
            let finer = explained < 0.5 * (upper - lower) || leaves.is_empty();
            if finer && tolerance <= finest && leaves.is_empty() {
                return Ok(Stopped::Exhausted);
            }
            if finer {
                tolerance = (tolerance / 64.0).max(finest);
            }
            let most = LEAST.max(self.beliefs.len() / PART);
            for (_, node) in leaves.into_iter().take(most) {
                let work = self.beliefs.expand(self.problem, node);
                if watch.after(work) || watch.too_large(self.beliefs.bytes()) {
                    break;
                }
                self.expanded += 1;
            }
            self.bound_new();
            // What is given up half done changes the bounds, not the policy that was chosen by those before: that one is handed out.
            let Ok(quotient) = tighten(&self.beliefs.process, self.problem.aim, &mut self.bounds, tolerance, watch)
            else {
                return Ok(watch.stopped().unwrap_or(Stopped::Time));
            };
            self.quotient = quotient;
            self.chosen = self.bounds.clone();
            self.proven = (self.proven.0.max(self.bounds.lower[0]), self.proven.1.min(self.bounds.upper[0]));
            self.check_finite(model)?;
        }
    }

    /// Leaves that the hopeful policy comes to, those first that explain most of the start's gap, each with the share that it explains. Where it
    /// comes to none with a gap, all that have one.
    fn leaves(&self, watch: &Watch) -> Vec<(f64, usize)> {
        if self.quotient.classes() == 0 {
            return vec![(self.bounds.gap(0), 0)];
        }
        let (quotient, aim) = (&self.quotient, self.problem.aim);
        let values = by_class(quotient, &self.chosen);
        let mut weight = vec![0.0; quotient.classes()];
        weight[quotient.class[0] as usize] = 1.0;
        let mut found: Vec<(f64, usize)> = Vec::new();
        for block in quotient.blocks().rev() {
            for _ in 0..PASSES {
                let mut moved = 0.0;
                for &class in block {
                    let class = class as usize;
                    let here = weight[class];
                    if here == 0.0 || quotient.fate[class] != Fate::Open {
                        continue;
                    }
                    watch.after(quotient.work(class));
                    weight[class] = 0.0;
                    moved += here;
                    if let (Some(action), _) = quotient.best(class, aim, values.hoped(aim)) {
                        quotient.successors(action).for_each(|(to, p)| weight[to] += here * p);
                    }
                }
                if moved <= 1e-6 || block.len() == 1 {
                    break;
                }
            }
        }
        for (node, &class) in quotient.class.iter().enumerate() {
            let class = class as usize;
            if quotient.fate[class] == Fate::Leaf && self.chosen.gap(node) > 0.0 && weight[class] > 0.0 {
                found.push((weight[class] * self.chosen.gap(node), node));
            }
        }
        if found.is_empty() {
            let open = (0..quotient.class.len()).filter(|&n| quotient.fate[quotient.class[n] as usize] == Fate::Leaf);
            found = open.map(|node| (self.chosen.gap(node), node)).filter(|leaf| leaf.0 > 0.0).collect();
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        found
    }

    fn policy(&self) -> Controller {
        let known = Known {
            problem: self.problem,
            beliefs: &self.beliefs,
            plans: &self.plans,
            bounds: &self.chosen,
            quotient: &self.quotient,
        };
        known.controller()
    }
}
