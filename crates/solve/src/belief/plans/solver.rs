//! The solver: trials that add plans and points where the best play goes.

use std::sync::Arc;

use tiresias_model::Model;

use super::bounds::{Desk, Plan, PlanBounds, Survey, cost, hull, index_of_greatest, least, look, worth};
use crate::belief::backup::{Sparse, ordered, sparse};
use crate::belief::bounds::{BeliefBounds, Refined};
use crate::belief::corner_solver::require_observations;
use crate::belief::corners::Corners;
use crate::belief::search::solver::forced;
use crate::limits::Watch;
use crate::policy::Body;
use crate::{Hook, Limits, Solution, SolveError, SolvedPolicy, Solver, Stats, Stopped};

/// Trials without a horizon stop at this depth whatever the discount.
const DEEPEST: usize = 2_000;
/// Trials in a row that change nothing at the start before the search gives up.
const MOST_IDLE: u64 = 50;

/// An existing plan serves a new point if it loses at most this share of what a new plan gains there.
const SHARE: f64 = 0.1;

/// Trial-based search with two-sided bounds for any APOMDP, with a horizon (bounds per stage) or discounted.
///
/// Lower bounds come from plans of the decision-maker, which nature answers as it can, upper bounds from plans of nature
/// (`docs/apomdp.md`). Trials go where the best play goes and the bounds are apart (after Smith and Simmons, UAI 2004), and add a plan
/// or a point at every belief they meet.
#[derive(Debug, Clone, Copy)]
pub struct Plans {
    /// Every `explore`-th trial starts with actions that need not be the best, so that the bounds are good where a perturbed
    /// execution leads, too; 0 never does.
    pub explore: u64,
    /// Trials after which the search gives up; it then stops with [`Stopped::Exhausted`].
    pub most_trials: u64,
}

impl Default for Plans {
    fn default() -> Self {
        Self { explore: 8, most_trials: 100_000 }
    }
}

impl Solver for Plans {
    fn name(&self) -> &'static str {
        "plans"
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        limits.check_for(model)?;
        require_observations(self.name(), model)?;
        let watch = Watch::new(limits, hook);
        let corners = Corners::new(model, &watch);
        let mut bounds = PlanBounds::new(model, &corners, &watch);
        let run = self.run(model, &mut bounds, &(0, sparse(model.start())), limits, &watch);
        let (vectors, points) = bounds.sizes();
        let bounds = BeliefBounds { corners, refined: Refined::Plans(bounds) };
        let stats = Stats { seconds: watch.seconds(), iterations: run.trials, vectors, points, solver: self.name() };
        let policy = SolvedPolicy::new(Arc::new(model.clone()), Body::Belief(bounds));
        Ok(Solution { lower: run.lower, upper: run.upper, policy, stats, stopped: run.stopped })
    }
}

/// How a run of trials ended.
pub(crate) struct Run {
    pub lower: f64,
    pub upper: f64,
    pub trials: u64,
    pub stopped: Stopped,
}

impl Plans {
    /// Trials from (stage, belief) until a limit is reached.
    pub(crate) fn run(
        &self,
        model: &Model,
        bounds: &mut PlanBounds,
        (stage, start): &(usize, Sparse),
        limits: &Limits,
        watch: &Watch,
    ) -> Run {
        let mut desk = Desk::new(model);
        let (mut lower, mut upper) = (f64::NEG_INFINITY, f64::INFINITY);
        let (mut trials, mut idle) = (0, 0);
        loop {
            let next = bounds.index(stage + 1);
            let backup = Survey::new(model, &bounds.stages[next], start, 0.0, &mut desk).backup(model);
            let most = |v: &[f64]| v[index_of_greatest(v)];
            let (low, high) = (most(&backup.lower), most(&backup.upper));
            idle = if low > lower || high < upper { 0 } else { idle + 1 };
            (lower, upper) = ordered(lower.max(low), upper.min(high));
            let stopped = if upper - lower <= limits.gap {
                Some(Stopped::Converged)
            } else if trials >= self.most_trials || idle > MOST_IDLE {
                Some(Stopped::Exhausted)
            } else {
                watch.check(lower, upper, trials, bounds.bytes())
            };
            if let Some(stopped) = stopped {
                return Run { lower, upper, trials, stopped };
            }
            // Half the gap asked for, so that the last trials do not stop a hair above it.
            let wanted = (limits.gap / 2.0).max(0.5 * (upper - lower) * 0.5_f64.powi(idle as i32));
            let forced = forced(model, self.explore, trials);
            trial(model, bounds, (*stage, start), wanted, &forced, watch, &mut desk);
            trials += 1;
        }
    }
}

/// Down to where the bounds are close enough, improving them on the way back.
fn trial(
    model: &Model,
    bounds: &mut PlanBounds,
    (stage, belief): (usize, &[(u32, f64)]),
    mut wanted: f64,
    forced: &[usize],
    watch: &Watch,
    desk: &mut Desk,
) {
    let mut path: Vec<Sparse> = vec![belief.to_vec()];
    loop {
        let depth = path.len() - 1;
        let t = stage + depth;
        if watch.late() || model.horizon().map_or(depth >= DEEPEST, |h| t + 1 >= h) {
            break;
        }
        wanted /= model.discount().max(1e-9);
        let mut survey = Survey::new(model, &bounds.stages[bounds.index(t + 1)], &path[depth], wanted, desk);
        let best = || index_of_greatest(&survey.backup(model).upper);
        let action = forced.get(depth).copied().unwrap_or_else(best);
        let models = model.dynamics().len();
        let excess = |m: &usize| survey.widest[action * models + m].0;
        let widest = survey.matter(model, action).into_iter().max_by(|a, b| excess(a).total_cmp(&excess(b)));
        match widest {
            Some(m) if excess(&m) > 0.0 => path.push(std::mem::take(&mut survey.widest[action * models + m].1)),
            _ => break,
        }
    }
    for (depth, belief) in path.iter().enumerate().rev() {
        if watch.late() {
            return;
        }
        improve(model, bounds, stage + depth, belief, desk);
    }
}

/// Tightens the bounds of `stage` at a normalised belief by a backup of those of the next stage.
fn improve(model: &Model, bounds: &mut PlanBounds, t: usize, belief: &[(u32, f64)], desk: &mut Desk) {
    let (now, after) = (bounds.index(t), bounds.index(t + 1));
    let next = &bounds.stages[after];
    let survey = Survey::new(model, next, belief, 0.0, desk);
    let backup = survey.backup(model);
    let most = |v: &[f64]| v[index_of_greatest(v)];
    let s = model.states().len();
    let mut dense = vec![0.0; s];
    let stage = &bounds.stages[now];
    let ((had_cost, ours), (had_worth, natures)) =
        look(&mut dense, belief, |x| (least(&stage.ours, x), least(&stage.natures, x)));
    let tiny = 1e-12 * (1.0 + had_cost.abs() + had_worth.abs());

    let found = -most(&backup.lower);
    let mut addition = None;
    if found < had_cost - tiny {
        let old = &stage.ours[ours as usize];
        let value = cost(model, next, (&old.moves, &old.next), belief, desk, &mut Vec::new());
        addition = Some(if value <= found + SHARE * (had_cost - found) {
            (Ok(ours), value)
        } else {
            let (moves, following) = survey.our_plan(model, &backup);
            let hull = hull(model, next, (&moves, &following), cost, desk);
            (Err(Plan { hull, moves, next: following }), found)
        });
    }
    let found = most(&backup.upper);
    let mut natures_addition = None;
    if found < had_worth - tiny {
        let old = &stage.natures[natures as usize];
        let value = worth(model, next, (&old.moves, &old.next), belief, desk, &mut Vec::new());
        natures_addition = Some(if value <= found + SHARE * (had_worth - found) {
            (Ok(natures), value)
        } else {
            let (moves, following) = survey.natures_plan(model);
            let hull = hull(model, next, (&moves, &following), worth, desk);
            (Err(Plan { hull, moves, next: following }), found)
        });
    }
    let stage = &mut bounds.stages[now];
    for (plans, addition) in [(&mut stage.ours, addition), (&mut stage.natures, natures_addition)] {
        match addition {
            Some((Ok(plan), value)) => plans[plan as usize].hull.push(belief, value),
            Some((Err(mut plan), value)) => {
                plan.hull.push(belief, value);
                plans.push(plan);
            }
            None => {}
        }
    }
}
