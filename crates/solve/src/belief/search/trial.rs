//! One trial: from the start down to where the bounds are close enough, improving them on the way back.

use tiresias_model::Model;

use crate::belief::backup::{Scratch, Sparse, ValueBounds, backup, expected_reward};
use crate::limits::Watch;

/// Trials without a horizon stop at this depth whatever the discount.
const DEEPEST: usize = 2_000;

/// Bounds that can be made tighter at a belief.
pub(crate) trait SearchBounds: ValueBounds {
    /// Tightens the bounds of `stage` at a normalised belief by a backup of those of the next stage.
    fn improve(&mut self, model: &Model, stage: usize, belief: &[(u32, f64)]);
    /// Bytes held.
    fn bytes(&self) -> usize;
}

/// Runs a trial from (`stage`, `belief`) that aims at bounds `gap` apart there. The action is the one with the highest upper
/// bound, or `forced` at the first steps; the model and observation are those that add most to the gap.
pub(crate) fn trial(
    model: &Model,
    bounds: &mut impl SearchBounds,
    stage: usize,
    belief: &[(u32, f64)],
    gap: f64,
    forced: &[usize],
    watch: &Watch,
) {
    let mut path: Vec<Sparse> = vec![belief.to_vec()];
    let mut wanted = gap;
    loop {
        let depth = path.len() - 1;
        let t = stage + depth;
        if watch.late() || model.horizon().map_or(depth >= DEEPEST, |h| t + 1 >= h) {
            break;
        }
        let here = &path[depth];
        let assessment = backup(model, here, t + 1, bounds);
        let highest = |best: usize, a: usize| if assessment.upper[a] > assessment.upper[best] { a } else { best };
        let action = forced.get(depth).copied().unwrap_or_else(|| (0..assessment.upper.len()).fold(0, highest));
        wanted /= model.discount().max(1e-9);
        match widest(model, bounds, t + 1, here, action, wanted) {
            Some(next) => path.push(next),
            None => break,
        }
    }
    for (depth, belief) in path.iter().enumerate().rev() {
        if watch.late() {
            return;
        }
        bounds.improve(model, stage + depth, belief);
    }
}

/// The successor, under the models that matter to `action`'s bounds, with the largest probability times excess of its gap over
/// `wanted`; `None` when no gap exceeds it.
fn widest(
    model: &Model,
    bounds: &impl SearchBounds,
    stage: usize,
    belief: &[(u32, f64)],
    action: usize,
    wanted: f64,
) -> Option<Sparse> {
    let mut scratch = Scratch::new(model);
    // By model: the sums of the bounds, and the successor with the largest excess.
    let mut sums: Vec<(f64, f64)> = Vec::new();
    let mut found: Vec<(f64, Sparse)> = Vec::new();
    for m in 0..model.dynamics().len() {
        let reward = expected_reward(model, m, belief, action);
        let (mut low, mut high) = (reward, reward);
        let mut best: (f64, Sparse) = (0.0, Vec::new());
        scratch.successors(model, m, belief, action, |_, joint| {
            let bracket = bounds.bracket(stage, joint);
            low += model.discount() * bracket.lower;
            high += model.discount() * bracket.upper;
            let mass: f64 = joint.iter().map(|p| p.1).sum();
            let excess = bracket.upper - bracket.lower - mass * wanted;
            if excess > best.0 {
                best = (excess, joint.iter().map(|&(s, p)| (s, p / mass)).collect());
            }
        });
        sums.push((low, high));
        found.push(best);
    }
    let pick =
        |key: &dyn Fn(usize) -> f64| (1..sums.len()).fold(0, |best, m| if key(m) < key(best) { m } else { best });
    let mut matter = Vec::new();
    if model.alpha() > 0.0 {
        matter.extend([pick(&|m| sums[m].0), pick(&|m| sums[m].1)]);
    }
    if model.alpha() < 1.0 {
        matter.extend([pick(&|m| -sums[m].0), pick(&|m| -sums[m].1)]);
    }
    let best = matter.into_iter().max_by(|&a, &b| found[a].0.total_cmp(&found[b].0).then(b.cmp(&a)))?;
    (found[best].0 > 0.0).then(|| std::mem::take(&mut found[best].1))
}
