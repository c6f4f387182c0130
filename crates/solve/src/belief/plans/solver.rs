//! The solver: trials that add plans and points where the best play goes.

use tiresias_model::Model;

use super::answers::{Value, cost, hull, worth};
use super::bounds::{Desk, Named, Plan, PlanBounds, Stage, least};
use super::survey::{Survey, index_of_greatest};
use crate::belief::backup::{Bracket, Sparse, ValueBounds, ordered, sparse};
use crate::belief::bounds::{BeliefBounds, Refined};
use crate::belief::corner_solver::{require_observations, unrefined};
use crate::belief::corners::Corners;
use crate::belief::search::solver::forced;
use crate::limits::Watch;
use crate::policy::Body;
use crate::solver::Ended;
use crate::{Hook, Limits, Solution, SolveError, Solver, Stopped};

/// Trials without a horizon stop at this depth whatever the discount.
const DEEPEST: usize = 2_000;
/// Trials in a row that change nothing at the start before the search gives up.
const MOST_IDLE: u64 = 50;

/// A trial goes down to where the gap is this share of the start's: deeper ones pay only once that is closed.
const AIM: f64 = 0.5;
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
        let bounds = PlanBounds::new(model, &corners, &watch);
        let start_up = watch.seconds();
        let Ok(mut bounds) = bounds else { return Ok(unrefined(model, corners, &watch, self.name())) };
        let run = self.run(model, &mut bounds, &(0, sparse(model.start())), limits, &watch);
        let bounds = BeliefBounds { corners, refined: Refined::Plans(bounds) };
        let ended = Ended {
            bounds: (run.lower, run.upper),
            stopped: run.stopped,
            start_up,
            iterations: run.trials,
            backups: run.backups,
            threads: 1,
        };
        Ok(Solution::found(self.name(), model, Body::Belief(bounds), ended, &watch))
    }
}

/// How a run of trials ended.
pub(crate) struct Run {
    pub lower: f64,
    pub upper: f64,
    pub trials: u64,
    pub backups: u64,
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
        let mut desk = Desk::new(model, watch);
        // What no search is needed for, should there be no time for more.
        let Bracket { mut lower, mut upper, .. } = bounds.bracket(*stage, start);
        let (mut trials, mut idle, mut bytes) = (0, 0, bounds.bytes());
        let mut root = Survey::new(model, bounds.after(*stage), start, &mut desk);
        loop {
            if let Some(survey) = &root {
                let (low, high) = survey.backup(model).best();
                idle = if low > lower || high < upper { 0 } else { idle + 1 };
                (lower, upper) = ordered(lower.max(low), upper.min(high));
            }
            // The next trial may well take as much as the last one did.
            let before = std::mem::replace(&mut bytes, bounds.bytes());
            let stopped = if upper - lower <= limits.gap {
                Some(Stopped::Converged)
            } else if trials >= self.most_trials || idle > MOST_IDLE {
                Some(Stopped::Exhausted)
            } else {
                watch.check(lower, upper, trials, bytes + (bytes - before))
            };
            if let Some(stopped) = stopped {
                return Run { lower, upper, trials, backups: desk.backups, stopped };
            }
            // Half the gap asked for, so that the last trials do not stop a hair above it; deeper where trials change nothing.
            let wanted = (limits.gap / 2.0).max(AIM * (upper - lower) * 0.5_f64.powi(idle as i32));
            let forced = forced(model, self.explore, trials);
            if let Some(survey) = root {
                root = trial(model, bounds, *stage, (start.clone(), survey), wanted, &forced, &mut desk);
            }
            trials += 1;
        }
    }
}

/// Down to where the bounds are close enough, improving them on the way back. Returns the first belief's survey, brought up to date;
/// `None` when the time is up.
fn trial(
    model: &Model,
    bounds: &mut PlanBounds,
    stage: usize,
    start: (Sparse, Survey),
    mut wanted: f64,
    forced: &[usize],
    desk: &mut Desk,
) -> Option<Survey> {
    let mut path = vec![start];
    // Ends: at the horizon or the deepest depth, and a survey fails when it is late.
    loop {
        let (depth, (_, survey)) = (path.len() - 1, &path[path.len() - 1]);
        let t = stage + depth;
        if model.horizon().map_or(depth >= DEEPEST, |h| t + 1 >= h) {
            break;
        }
        wanted /= model.discount().max(1e-9);
        let best = || index_of_greatest(&survey.backup(model).upper);
        let action = forced.get(depth).copied().unwrap_or_else(best);
        let Some(next) = survey.widest(model, action, wanted) else { break };
        let survey = Survey::new(model, bounds.after(t + 1), &next, desk)?;
        path.push((next, survey));
    }
    // What the trial changed so far of the stages that the next backup reads: the stage's place, and plans of both players.
    let mut changed: Vec<(usize, Option<u32>, Option<u32>)> = Vec::new();
    while let Some((belief, mut survey)) = path.pop() {
        if desk.late() {
            return None;
        }
        let t = stage + path.len();
        let after = bounds.index(t + 1);
        let now = || changed.iter().filter(|change| change.0 == after);
        let ours: Vec<u32> = now().filter_map(|change| change.1).collect();
        let natures: Vec<u32> = now().filter_map(|change| change.2).collect();
        survey.renew(model, bounds.after(t), &ours, &natures, desk);
        let (ours, natures) = improve(model, bounds, t, &belief, &survey, desk)?;
        if bounds.index(t) != after {
            changed.clear();
        }
        changed.push((bounds.index(t), ours, natures));
        if path.is_empty() {
            // Without a horizon the plans just changed are those of the next stage, too.
            return if bounds.index(t) == after {
                Survey::new(model, bounds.after(t), &belief, desk)
            } else {
                Some(survey)
            };
        }
    }
    None
}

/// Tightens the bounds of `stage` at a normalised belief by a backup of those of the next stage. Returns the plans that changed;
/// `None` when the time is up.
fn improve(
    model: &Model,
    bounds: &mut PlanBounds,
    stage: usize,
    belief: &[(u32, f64)],
    survey: &Survey,
    desk: &mut Desk,
) -> Option<(Option<u32>, Option<u32>)> {
    desk.backups += 1;
    let (next, here) = (bounds.after(stage), bounds.at(stage));
    let backup = survey.backup(model);
    let (lower, upper) = backup.best();
    let (ours, natures) = desk.look(belief, |x| (least(&here.ours, x), least(&here.natures, x)));
    let our_plan = || survey.our_plan(model, &backup);
    let add_ours = addition(model, next, &here.ours, (belief, -lower, ours), cost, desk, our_plan)?;
    let natures_plan = || survey.natures_plan(model);
    let add_natures = addition(model, next, &here.natures, (belief, upper, natures), worth, desk, natures_plan)?;
    let here = bounds.at_mut(stage);
    let add = |plans: &mut Vec<Plan>, addition: Addition| match addition {
        Addition::Nothing => None,
        Addition::Point(plan, value) => {
            plans[plan as usize].hull.push(belief, value);
            Some(plan)
        }
        Addition::Plan(mut plan, value) => {
            plan.hull.push(belief, value);
            plans.push(plan);
            Some(plans.len() as u32 - 1)
        }
    };
    Some((add(&mut here.ours, add_ours), add(&mut here.natures, add_natures)))
}

/// What a player's plans gain at a belief.
enum Addition {
    Nothing,
    /// A value for one of the plans there are.
    Point(u32, f64),
    Plan(Plan, f64),
}

/// How the bound at a belief, `had` by plan number `best`, becomes `found`; `None` when the time is up.
fn addition(
    model: &Model,
    next: &Stage,
    plans: &[Plan],
    (belief, found, (had, (best, _))): (&[(u32, f64)], f64, (f64, Named)),
    value: Value,
    desk: &mut Desk,
    plan: impl FnOnce() -> (Vec<u32>, Vec<Named>),
) -> Option<Addition> {
    let old = &plans[best as usize];
    // Smaller changes are rounding.
    if found >= had - 10.0 * model.rounding(had) {
        return Some(Addition::Nothing);
    }
    let again = value(model, next, (&old.moves, &old.next), belief, desk, &mut Vec::new());
    if again <= found + SHARE * (had - found) {
        return Some(Addition::Point(best, again));
    }
    let (moves, following) = plan();
    let hull = hull(model, next, (&moves, &following), value, desk)?;
    Some(Addition::Plan(Plan { hull, moves, next: following }, found))
}
