//! Which solver for which model.

use std::ops::ControlFlow;
use std::time::Duration;

use rayon::prelude::*;
use tiresias_model::{Kind, Model};

use crate::belief::backup::ordered;
use crate::{
    BackwardInduction, Exact, Faces, Hook, Limits, ModifiedPolicyIteration, Plans, Progress, Search, Solution,
    SolveError, Solver, Stats, Stopped,
};

/// Stages times faces beyond which a triangulation is no longer small change.
const MANY_FACES: usize = 10_000;

/// Exact stages are tried where a search of this many trials did not do, with this much work. Either is about a second; nearly all
/// short horizons are closed in a few hundred trials, and sets of vectors that grow quickly have used up the work by then.
const FIRST_TRIALS: u64 = 5_000;
const EXACT_WORK: u64 = 1_000_000_000;

/// More states than this, and exact stages are not tried.
const EXACT_STATES: usize = 128;

/// The solver for `model`, by its kind, horizon and size; [`Solver::name`] says with which it begins, and
/// [`Stats::solver`](crate::Stats::solver) whose policy it came to.
///
/// Observed states get tables. Hidden states get certified triangulations where beliefs keep to small faces, trial-based search
/// elsewhere; where a triangulation does not reach the gap, search goes on with the time and memory that are left. With a horizon,
/// a search that takes long gives way to exact stages for a while (`docs/exact.md` has the measurements).
pub fn auto(model: &Model) -> Box<dyn Solver> {
    match (model.kind(), model.horizon()) {
        (Kind::Mdp | Kind::RobustMdp, Some(_)) => Box::new(BackwardInduction),
        (Kind::Mdp | Kind::RobustMdp, None) => Box::new(ModifiedPolicyIteration::default()),
        // Search, as any belief solver, says where robust POMDPs are solved.
        (Kind::RobustPomdp, _) => Box::new(Search::default()),
        (Kind::Pomdp | Kind::Apomdp, horizon) => {
            let convex = model.dynamics().len() == 1 || model.alpha() == 0.0;
            let small =
                Faces::faces(model).is_some_and(|faces| faces.saturating_mul(horizon.unwrap_or(1)) <= MANY_FACES);
            match (small, convex) {
                // With two or three states there is one face, and search has it exact in a few trials.
                (true, true) if model.states().len() > 3 => faces_then(48, by_search(model)),
                (true, false) => faces_then(Faces::default().most_divisions, Box::new(Plans::default())),
                (false, false) => Box::new(Plans::default()),
                _ => by_search(model),
            }
        }
    }
}

/// Triangulations, whose bounds are as good off the best path as on it; then search, which can close any gap of a convex value, and
/// that of a short game.
fn faces_then(most_divisions: usize, second: Box<dyn Solver>) -> Box<dyn Solver> {
    let first = Box::new(Faces { most_divisions, ..Faces::default() });
    // 24 bytes a vector, 8 a value.
    Box::new(Then { first, least: 0, share: 1.0, bytes_each: 16, second })
}

/// Search; with a horizon and few states, exact stages in between.
fn by_search(model: &Model) -> Box<dyn Solver> {
    let search = Box::new(Search::default());
    let states = model.states().len();
    if model.horizon().is_none() || states > EXACT_STATES {
        return search;
    }
    let first = Box::new(Search { most_trials: FIRST_TRIALS, ..Search::default() });
    let exact = Box::new(Exact { most_work: EXACT_WORK, ..Exact::default() });
    let bytes_each = 8 * states;
    let rest = Box::new(Then { first: exact, least: 0, share: 0.5, bytes_each, second: search });
    Box::new(Then { first, least: FIRST_TRIALS, share: 1.0, bytes_each, second: rest })
}

/// One solver, and where it has nothing left to try, another with the time and memory that are left.
struct Then {
    first: Box<dyn Solver>,
    /// Iterations below which a first that has nothing left to try found all there is, up to rounding.
    least: u64,
    /// Of the time, what the first may have.
    share: f64,
    /// What the first's bounds take meanwhile, a vector or point.
    bytes_each: usize,
    second: Box<dyn Solver>,
}

impl Solver for Then {
    fn name(&self) -> &'static str {
        self.first.name()
    }

    fn solve(&self, model: &Model, limits: &Limits, hook: &Hook) -> Result<Solution, SolveError> {
        let share = Limits { time: limits.time.map(|time| time.mul_f64(self.share)), ..limits.clone() };
        let first = self.first.solve(model, &share, hook)?;
        let over = match first.stopped {
            // What a search of some trials cannot hold, another and the sets of exact stages cannot either.
            Stopped::Memory => self.least > 0,
            Stopped::Exhausted => first.stats.iterations < self.least,
            Stopped::Time => self.share >= 1.0,
            Stopped::Converged | Stopped::Cancelled => true,
        };
        if over {
            return Ok(first);
        }
        let spent = Duration::from_secs_f64(first.stats.seconds);
        let held = self.bytes_each.saturating_mul(first.stats.vectors + first.stats.points);
        let rest = Limits {
            time: limits.time.map(|time| time.saturating_sub(spent)),
            memory: limits.memory.map(|bytes| bytes.saturating_sub(held)),
            ..limits.clone()
        };
        // Progress goes on from where the first left it.
        let going_on = |p: &Progress| {
            let (lower, upper) = (p.lower.max(first.lower), p.upper.min(first.upper));
            let iterations = p.iterations + first.stats.iterations;
            hook(&Progress { lower, upper, iterations, elapsed: p.elapsed + spent })
        };
        let Ok(second) = self.second.solve(model, &rest, &going_on) else {
            // Not even the second's tables fit beside the first's.
            return Ok(Solution { stopped: Stopped::Memory, ..first });
        };
        let (lower, upper) = ordered(first.lower.max(second.lower), first.upper.min(second.upper));
        let stopped = if upper - lower <= limits.gap { Stopped::Converged } else { second.stopped };
        let seconds = first.stats.seconds + second.stats.seconds;
        let iterations = first.stats.iterations + second.stats.iterations;
        let (start_up, backups) = (first.stats.start_up, first.stats.backups + second.stats.backups);
        let threads = first.stats.threads.max(second.stats.threads);
        // The bound that is reported is that of the policy that is handed out.
        let same = model.rounding(lower);
        let better =
            second.lower > first.lower + same || (second.lower >= first.lower - same && second.gap() < first.gap());
        let Solution { policy, stats, .. } = if better { second } else { first };
        let stats = Stats { seconds, start_up, iterations, backups, threads, ..stats };
        Ok(Solution::new((lower, upper), policy, stats, stopped))
    }
}

/// Solves every model with [`auto`], on `limits.threads` threads, results in order. The limits hold per task.
///
/// `hook` gets the task's index and its progress, from any thread; a `Break` stops that task (break every call to stop all).
pub fn solve_batch(
    models: &[Model],
    limits: &Limits,
    hook: &(dyn Fn(usize, &Progress) -> ControlFlow<()> + Sync),
) -> Vec<Result<Solution, SolveError>> {
    // Threads that are not taken by other tasks may serve a task of few.
    let each = Limits { threads: (limits.threads / models.len().max(1)).max(limits.threads.min(1)), ..limits.clone() };
    let one = |i: usize| auto(&models[i]).solve(&models[i], &each, &|progress| hook(i, progress));
    match rayon::ThreadPoolBuilder::new().num_threads(limits.threads.max(1)).build() {
        Ok(pool) => pool.install(|| (0..models.len()).into_par_iter().map(one).collect()),
        // No threads to be had: the caller's own thread does the work.
        Err(_) => (0..models.len()).map(one).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tiresias_model::classic::by_name;

    use super::*;
    use crate::no_hook;

    /// pomdp-solve's and AI-Toolbox's value of the tiger over 20 stages.
    const TIGER_20: f64 = 11.879_568_728_804;

    fn classic(name: &str, horizon: Option<usize>) -> Model {
        let mut parts = by_name(name).unwrap().to_builder();
        parts.horizon = horizon;
        parts.build().unwrap()
    }

    /// Searches of so many trials, exact stages of so much work in between.
    fn small(trials: u64, work: u64, last: u64) -> Then {
        let search = |most_trials| Box::new(Search { most_trials, ..Search::default() });
        let exact = Box::new(Exact { most_work: work, ..Exact::default() });
        let second = Box::new(Then { first: exact, least: 0, share: 0.5, bytes_each: 16, second: search(last) });
        Then { first: search(trials), least: trials, share: 1.0, bytes_each: 16, second }
    }

    #[test]
    fn what_a_search_does_not_close_exact_stages_do() {
        let model = classic("tiger", Some(20));
        let solution = small(3, u64::MAX, 0).solve(&model, &Limits::with_gap(1e-9), &no_hook).unwrap();
        assert_eq!((solution.stats.solver, solution.stopped), ("exact", Stopped::Converged));
        assert!((solution.value() - TIGER_20).abs() < 1e-9, "{}", solution.value());
        assert_eq!(solution.stats.iterations, 3 + 19);
    }

    #[test]
    fn sets_that_grow_too_large_are_left_to_the_search() {
        let model = classic("tiger", Some(20));
        let limits = Limits::with_gap(1e-3);
        let tried = Exact { most_work: 20_000, ..Exact::default() }.solve(&model, &limits, &no_hook).unwrap();
        assert_eq!(tried.stopped, Stopped::Exhausted);
        assert!(tried.stats.iterations > 0 && tried.stats.iterations < 19, "{}", tried.stats.iterations);
        let solution = small(3, 20_000, 100_000).solve(&model, &limits, &no_hook).unwrap();
        assert_eq!((solution.stats.solver, solution.stopped), ("search", Stopped::Converged));
        assert!(solution.lower <= TIGER_20 + 1e-9 && TIGER_20 - 1e-9 <= solution.upper);
        assert!(solution.stats.iterations > 3 + tried.stats.iterations);
    }

    #[test]
    fn work_is_counted_alike_by_any_number_of_threads() {
        let model = classic("4x3", Some(12));
        for most_work in [30_000, 300_000, 3_000_000] {
            let stages = |threads| {
                let limits = Limits { threads, ..Limits::with_gap(0.0) };
                Exact { most_work, ..Exact::default() }.solve(&model, &limits, &no_hook).unwrap().stats.iterations
            };
            assert_eq!(stages(1), stages(3));
        }
    }

    #[test]
    fn a_search_that_has_found_all_there_is_ends_it() {
        // A gap of 0 is more than rounding allows; exact stages would add nothing.
        let model = classic("tiger", Some(10));
        let solution = small(5_000, u64::MAX, 100_000).solve(&model, &Limits::with_gap(0.0), &no_hook).unwrap();
        assert_eq!(solution.stats.solver, "search");
        assert!(solution.gap() < 1e-12 && solution.stats.iterations < 5_000);
    }

    #[test]
    fn limits_hold_in_every_part_and_bounds_only_improve() {
        let model = classic("4x3", Some(30));
        let solver = small(10, u64::MAX, 100_000);
        let inside = |solution: &Solution| {
            // A search that took longer found 1.406246 and 1.406247.
            assert!(solution.lower < 1.4063 && solution.upper > 1.4062, "{} {}", solution.lower, solution.upper);
        };
        let none = Limits { time: Some(Duration::ZERO), ..Limits::with_gap(0.0) };
        let solution = solver.solve(&model, &none, &no_hook).unwrap();
        assert_eq!(solution.stopped, Stopped::Time);
        inside(&solution);
        let short = Limits { time: Some(Duration::from_millis(200)), ..Limits::with_gap(0.0) };
        let solution = solver.solve(&model, &short, &no_hook).unwrap();
        assert_eq!(solution.stopped, Stopped::Time);
        assert!(solution.stats.iterations > 20, "the last search has its time, too");
        inside(&solution);
        for last in [3, 14, 40] {
            let (calls, before) = (Cell::new(0), Cell::new((f64::NEG_INFINITY, f64::INFINITY)));
            let hook = |p: &Progress| {
                let (lower, upper) = before.replace((p.lower, p.upper));
                assert!(lower <= p.lower && p.upper <= upper, "{lower} {upper} {p:?}");
                calls.set(calls.get() + 1);
                if calls.get() > last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let solution = small(10, 2_000_000, 100_000).solve(&model, &Limits::with_gap(0.0), &hook).unwrap();
            assert_eq!(solution.stopped, Stopped::Cancelled);
            assert!(
                (solution.lower, solution.upper) == before.get() || solution.gap() <= before.get().1 - before.get().0
            );
            inside(&solution);
        }
    }

    #[test]
    fn models_without_a_horizon_or_with_many_states_are_searched() {
        for model in [classic("tiger", None), classic("tag", Some(20))] {
            let limits = Limits { time: Some(Duration::ZERO), ..Limits::default() };
            assert_eq!(auto(&model).solve(&model, &limits, &no_hook).unwrap().stats.solver, "search");
        }
    }
}
