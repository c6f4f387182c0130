//! Bounds tightened where they are needed, after the solve.

use crate::belief::backup::sparse;
use crate::belief::bounds::Refined;
use crate::limits::Watch;
use crate::{Hook, Limits, Plans, Search, SolveError, SolvedPolicy};

impl SolvedPolicy {
    /// Tightens the bounds at (stage, belief) by search from there until they are `limits.gap` apart, the limits or the hook stop
    /// it, or nothing changes; returns the bounds reached. Only policies found by [`Search`](crate::Search) can be refined: a
    /// triangulation is as fine everywhere, and a table is as exact as it gets, so theirs are returned as they are.
    pub fn refine(
        &mut self,
        stage: usize,
        belief: &[f64],
        limits: &Limits,
        hook: &Hook,
    ) -> Result<(f64, f64), SolveError> {
        limits.check()?;
        self.refine_for(stage, belief, u64::MAX, limits, hook);
        Ok(self.bounds(stage, belief))
    }

    /// [`refine`](Self::refine) for so many trials at most; whether there were so many.
    pub(crate) fn refine_for(
        &mut self,
        stage: usize,
        belief: &[f64],
        most_trials: u64,
        limits: &Limits,
        hook: &Hook,
    ) -> bool {
        let Some((model, bounds)) = self.bounds_mut() else { return false };
        let watch = Watch::new(limits, hook);
        let from = (stage, sparse(belief));
        let beside = (&watch, bounds.corners.bytes());
        match &mut bounds.refined {
            Refined::Vectors(vectors) => {
                let usual = Search::default();
                let search = Search { most_trials: most_trials.min(usual.most_trials), ..usual };
                search.run_vectors(model, vectors, &from, limits, beside).trials >= most_trials
            }
            Refined::Plans(plans) => {
                let _ = Plans::default().run(model, plans, &from, limits, &watch);
                false
            }
            // No trials improve these.
            Refined::None | Refined::Faces(_) | Refined::Estimates(_) | Refined::Exact(_) => false,
        }
    }
}
